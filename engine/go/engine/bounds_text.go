package engine

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

func concatBound(operands []*ast.Term) error {
	total, count := 0, 0
	add := func(item *ast.Term) {
		if s, ok := item.Value.(ast.String); ok {
			total += len(s)
		}
		count++
	}
	switch v := operands[1].Value.(type) {
	case *ast.Array:
		v.Foreach(add)
	case ast.Set:
		v.Foreach(add)
	}
	return resultBound(total + count*len(text(operands, 0)))
}

func resultBound(size int) error {
	if size > maxResult {
		return errTooLong
	}
	return nil
}

func replaceBound(operands []*ast.Term) error {
	s, old, replacement := text(operands, 0), text(operands, 1), text(operands, 2)
	if len(replacement) <= len(old) {
		return nil
	}
	return resultBound(len(s) + strings.Count(s, old)*(len(replacement)-len(old)))
}

// replaceManyBound assumes that the longest replacement is made at every place at which the shortest pattern would fit.
func replaceManyBound(operands []*ast.Term) error {
	patterns, ok := operands[0].Value.(ast.Object)
	if !ok {
		return nil
	}
	longest, shortest := 0, maxResult
	patterns.Foreach(func(pattern, replacement *ast.Term) {
		longest = max(longest, len(text([]*ast.Term{replacement}, 0)))
		shortest = min(shortest, len(text([]*ast.Term{pattern}, 0)))
	})
	s := text(operands, 1)
	return resultBound(len(s) + (len(s)/max(shortest, 1)+1)*longest)
}

// piecesBound bounds the parts of split and the places of indexof_n.
func piecesBound(operands []*ast.Term) error {
	s, separator := text(operands, 0), text(operands, 1)
	if len(s) <= maxPieces {
		return nil
	}
	pieces := utf8.RuneCountInString(s)
	if separator != "" {
		pieces = strings.Count(s, separator)
	}
	if pieces > maxPieces {
		return tooMuch(0, "has too many parts", maxPieces)
	}
	return nil
}

func templateBound(operands []*ast.Term) error {
	return resultBound(sizeOf(operands[0].Value, maxResult))
}

// sprintfBound assumes that every verb is as wide as it says, and that explicit indexes use the largest argument each time.
func sprintfBound(operands []*ast.Term) error {
	format, total, largest := text(operands, 0), 0, 0
	if arguments, ok := operands[1].Value.(*ast.Array); ok {
		for i := range arguments.Len() {
			size := sizeOf(arguments.Elem(i).Value, maxResult)
			total, largest = total+size, max(largest, size)
		}
	}
	verbs, widths, starred := verbsOf(format)
	if starred {
		widths += verbs * maxWidth
	}
	if strings.Contains(format, "[") {
		total = verbs * largest
	}
	return resultBound(len(format) + total + widths)
}

// maxWidth is the widest that Go makes a verb.
const maxWidth = 1_000_000

// verbsOf returns how many verbs a format has, the sum of their widths and precisions, and whether arguments say more.
func verbsOf(format string) (verbs, widths int, starred bool) {
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		verbs++
		number := 0
		for i++; i < len(format) && strings.IndexByte("+-# .*[]0123456789", format[i]) >= 0; i++ {
			if c := format[i]; c >= '0' && c <= '9' {
				number = min(number*10+int(c-'0'), maxWidth)
				continue
			}
			starred = starred || format[i] == '*'
			widths, number = widths+number, 0
		}
		widths += number
	}
	return verbs, widths, starred
}

// graphqlBound bounds texts, and the names in each of them, or the size of a syntax tree in place of a text.
func graphqlBound(names int, indexes ...int) check {
	return func(operands []*ast.Term) error {
		if err := textBound(maxDocument, indexes...)(operands); err != nil {
			return err
		}
		for position, index := range indexes {
			if position > 0 {
				break // a schema is about linear
			}
			if count := namesIn(text(operands, index)); count > names {
				return tooMuch(index, "has too many names", names)
			}
			if _, tree := operands[index].Value.(ast.Object); tree && listedIn(operands[index].Value, names) > names {
				return tooMuch(index, "has too many selections", names)
			}
		}
		return nil
	}
}

func namesIn(s string) int {
	count, inside := 0, false
	for i := range len(s) {
		c := s[i] | 0x20
		name := c >= 'a' && c <= 'z' || c == '_'|0x20 || c >= '0' && c <= '9'
		if name && !inside {
			count++
		}
		inside = name
	}
	return count
}

// secretBound bounds tokens, keys and certificates, and the numbers in them: checking a signature takes time that grows
// with the square of the key.
func secretBound(operands []*ast.Term) error {
	if err := textBound(maxSecret, 0, 1)(operands); err != nil {
		return err
	}
	for index, operand := range operands {
		given := text(operands, index)
		if object, ok := operand.Value.(ast.Object); ok { // the constraints of io.jwt.decode_verify
			given = text([]*ast.Term{object.Get(ast.StringTerm("cert"))}, 0)
		}
		if index == 0 && strings.Count(given, ".") == 2 {
			continue // a token holds no key
		}
		keys := strings.HasPrefix(strings.TrimSpace(given), "{")
		if keys && longestRun(given) > maxKey {
			return tooMuch(index, "holds a number that is too large", maxKey)
		}
		if !keys && len(given) > maxPEM {
			return tooMuch(index, "is too large", maxPEM)
		}
	}
	return nil
}

// longestRun returns the length of the longest base64 text.
func longestRun(s string) int {
	longest, run := 0, 0
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if letter || c >= '0' && c <= '9' || strings.IndexByte("+/-_", c) >= 0 {
			run++
			longest = max(longest, run)
			continue
		}
		run = 0
	}
	return longest
}

// yamlBound bounds a text, and what may separate keys in it.
func yamlBound(operands []*ast.Term) error {
	if err := textBound(maxDocument, 0)(operands); err != nil {
		return err
	}
	s := text(operands, 0)
	keys := strings.Count(s, ":") + strings.Count(s, "?")
	if strings.Contains(s, "{") {
		keys += strings.Count(s, ",") // keys of {a, b} need no colon
	}
	if keys > maxKeys {
		return tooMuch(0, "has too many keys", maxKeys)
	}
	return nil
}

// zoneBound bounds the names of time zones, which OPA looks up among the system's files and keeps for ever.
func zoneBound(operands []*ast.Term) error {
	for index, operand := range operands {
		given, ok := operand.Value.(*ast.Array)
		if !ok || given.Len() < 2 {
			continue
		}
		if name, ok := given.Elem(1).Value.(ast.String); ok && (len(name) > maxZoneName || !zones.MatchString(string(name))) {
			return fmt.Errorf("operand %d names no time zone", index+1)
		}
	}
	return nil
}

var zones = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*){0,3})?$`)
