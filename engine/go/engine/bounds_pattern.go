package engine

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// RE2 matches in linear time, but the factor is the size of the compiled pattern, which counted repetitions multiply.
const (
	maxPattern      = 8 << 10 // bytes
	maxInstructions = 20_000  // of a compiled pattern
	maxGlob         = 200     // characters of globs that are intersected
	maxGlobWays     = 5_000_000
)

// matchBound bounds patterns and the work of matching a text with one.
func matchBound(pattern int, texts ...int) check {
	return func(operands []*ast.Term) error {
		size, err := instructions(text(operands, pattern))
		if err != nil {
			return err
		}
		for _, index := range texts {
			if work := size * (len(text(operands, index)) + 1); work > maxMatchWork {
				return fmt.Errorf("operand %d is too long for this pattern: it has %d instructions, and instructions times bytes may be %d",
					index+1, size, maxMatchWork)
			}
		}
		return nil
	}
}

// findBound bounds what is found, too: a match and its groups at every byte.
func findBound(operands []*ast.Term) error {
	if err := matchBound(0, 1)(operands); err != nil {
		return err
	}
	pattern, matches := text(operands, 0), len(text(operands, 1))+1
	if number, ok := operands[2].Value.(ast.Number); ok {
		if n, small := number.Int(); small && n >= 0 {
			matches = min(matches, n)
		}
	}
	if found := matches * (strings.Count(pattern, "(") + 1); found > maxElements {
		return tooMuch(1, "may hold too many matches and groups", maxElements)
	}
	return nil
}

// splitBound assumes a match at every byte.
func splitBound(operands []*ast.Term) error {
	if err := matchBound(0, 1)(operands); err != nil {
		return err
	}
	if len(text(operands, 1)) > 2*maxPieces {
		return tooMuch(1, "may have too many parts", 2*maxPieces)
	}
	return nil
}

// regexReplaceBound assumes a match at every byte.
func regexReplaceBound(operands []*ast.Term) error {
	replaced := []*ast.Term{operands[1], operands[0]}
	if err := matchBound(0, 1)(replaced); err != nil {
		return err
	}
	s, replacement := text(operands, 0), text(operands, 2)
	return resultBound(len(s) + (len(s)+1)*len(replacement))
}

// counted caches the sizes of patterns; it is emptied when it is full.
var counted = struct {
	sync.Mutex
	sizes map[string]int
}{sizes: map[string]int{}}

const maxCounted = 1000

// instructions returns about how many instructions RE2 compiles a pattern to. A pattern that isn't one has none: the
// builtin itself refuses it.
func instructions(pattern string) (int, error) {
	if len(pattern) > maxPattern {
		return 0, fmt.Errorf("the pattern has %d bytes; %d are accepted", len(pattern), maxPattern)
	}
	counted.Lock()
	size, known := counted.sizes[pattern]
	counted.Unlock()
	if !known {
		size = 1
		if tree, err := syntax.Parse(pattern, syntax.Perl); err == nil {
			size = count(tree)
		}
		counted.Lock()
		if len(counted.sizes) >= maxCounted {
			clear(counted.sizes)
		}
		counted.sizes[pattern] = size
		counted.Unlock()
	}
	if size > maxInstructions {
		return 0, fmt.Errorf("the pattern needs about %d instructions; %d are accepted: write fewer repetitions", size, maxInstructions)
	}
	return size, nil
}

func count(tree *syntax.Regexp) int {
	size := 1 + len(tree.Rune)
	for _, below := range tree.Sub {
		size = min(size+count(below), maxMatchWork)
	}
	if tree.Op == syntax.OpRepeat {
		size = min(size*max(tree.Max, tree.Min+1, 1), maxMatchWork)
	}
	return size
}

// globBound bounds the ways in which the stars of a glob can share a text, because OPA's glob library tries them all. A
// star that delimiters enclose shares the text between two of them only.
func globBound(operands []*ast.Term) error {
	pattern, s := text(operands, 0), text(operands, 2)
	if len(pattern) > maxPattern {
		return tooMuch(0, "is too long", maxPattern)
	}
	delimiters := delimitersOf(operands[1].Value)
	if strings.Contains(pattern, "**") || strings.ContainsAny(pattern, `{[\`) {
		delimiters = ""
	}
	longest := 0
	for _, part := range parts(s, delimiters) {
		longest = max(longest, utf8.RuneCountInString(part))
	}
	ways := 1
	for _, part := range parts(pattern, delimiters) {
		free := strings.Count(strings.ReplaceAll(part, "**", "*"), "*") + strings.Count(part, "{") - 1
		for at := range max(free, 0) {
			ways = ways * (longest + at + 1) / (at + 1)
			if ways > maxGlobWays {
				return fmt.Errorf("operand 1 has too many * for a text of %d characters", utf8.RuneCountInString(s))
			}
		}
	}
	return nil
}

func parts(s, delimiters string) []string {
	return strings.FieldsFunc(s, func(c rune) bool { return strings.ContainsRune(delimiters, c) })
}

func delimitersOf(value ast.Value) string {
	array, ok := value.(*ast.Array)
	if !ok {
		return ""
	}
	if array.Len() == 0 {
		return "."
	}
	var all strings.Builder
	array.Foreach(func(item *ast.Term) { all.WriteString(text([]*ast.Term{item}, 0)) })
	return all.String()
}
