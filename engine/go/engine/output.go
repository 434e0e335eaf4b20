package engine

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxOutput bounds a result: a value may be small in memory and endless as text, because its parts can be shared.
const maxOutput = 64 << 20

// heldOutput is how many bytes of a result are written while the caller waits.
const heldOutput = 256 << 10

var (
	jsonNumber = regexp.MustCompile(`^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$`)
	goNumber   = regexp.MustCompile(`^\+?(-?)([0-9]*)\.?([0-9]*)([eE][+-]?[0-9]+)?$`)
)

var errOutput = &Failure{Code: CodeBuiltin, Message: fmt.Sprintf("the result is larger than %d bytes", maxOutput)}

// AppendJSON appends a Rego value as JSON: sets as sorted arrays, object keys that aren't strings as the JSON text of
// the key, which is what OPA's own interfaces do.
func AppendJSON(out []byte, value ast.Value) ([]byte, error) {
	return appendJSON(out, value, maxOutput)
}

func appendJSON(out []byte, value ast.Value, limit int) ([]byte, error) {
	if len(out) > limit {
		return nil, errOutput
	}
	var err error
	switch v := value.(type) {
	case ast.Null:
		return append(out, "null"...), nil
	case ast.Boolean:
		if v {
			return append(out, "true"...), nil
		}
		return append(out, "false"...), nil
	case ast.Number:
		return appendNumber(out, string(v))
	case ast.String:
		return appendString(out, string(v)), nil
	case *ast.Array:
		out = append(out, '[')
		for i := range v.Len() {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSON(out, v.Elem(i).Value, limit); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case ast.Set:
		out = append(out, '[')
		for i, item := range v.Slice() {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendJSON(out, item.Value, limit); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case ast.Object:
		return appendObject(out, v, limit)
	}
	return nil, fmt.Errorf("a value of type %s can't be written as JSON", ast.ValueName(value))
}

func appendObject(out []byte, object ast.Object, limit int) ([]byte, error) {
	out = append(out, '{')
	first := true
	err := object.Iter(func(key, item *ast.Term) error {
		if !first {
			out = append(out, ',')
		}
		first = false
		if text, ok := key.Value.(ast.String); ok {
			out = appendString(out, string(text))
		} else {
			inner, err := appendJSON(nil, key.Value, limit)
			if err != nil {
				return err
			}
			out = appendString(out, string(inner))
		}
		out = append(out, ':')
		var err error
		out, err = appendJSON(out, item.Value, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return append(out, '}'), nil
}

// appendNumber appends a number as JSON writes it. `to_number` keeps the text that it gets, and takes "007", "+5", ".5",
// "5." and "1_000" as well.
func appendNumber(out []byte, text string) ([]byte, error) {
	if isPlain(text) || jsonNumber.MatchString(text) {
		return append(out, text...), nil
	}
	parts := goNumber.FindStringSubmatch(strings.ReplaceAll(text, "_", ""))
	if parts == nil || parts[2]+parts[3] == "" {
		return nil, &Failure{Code: CodeBuiltin, Message: fmt.Sprintf("the number %.40q can't be written as JSON", text)}
	}
	sign, whole, fraction, exponent := parts[1], strings.TrimLeft(parts[2], "0"), parts[3], parts[4]
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	return append(out, sign+whole+fraction+exponent...), nil
}

// isPlain reports whether a number is digits alone, as most are; the pattern takes longer.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return len(text) == 1 || text != "" && text[0] != '0'
}

const hexDigits = "0123456789abcdef"

func appendString(out []byte, text string) []byte {
	out = append(out, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			char, size := utf8.DecodeRuneInString(text[i:])
			if char != utf8.RuneError || size != 1 {
				i += size
				continue
			}
			// A policy can split a string inside a character, which JSON can't represent.
			out = append(append(out, text[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		out = append(out, text[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		start = i
	}
	return append(append(out, text[start:]...), '"')
}
