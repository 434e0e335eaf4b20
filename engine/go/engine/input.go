package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxDepth bounds the nesting of an input. Evaluating, comparing and encoding values recurse once per level, and a Go
// stack that overflows can't be recovered from.
const maxDepth = 1000

var errDepth = fmt.Errorf("nested deeper than %d levels", maxDepth)

// ParseJSON parses one JSON text directly into a Rego value. It is stricter than OPA where two parsers could disagree
// about one text: duplicate keys, bytes that aren't UTF-8 and unpaired surrogates are errors.
func ParseJSON(text []byte) (ast.Value, error) { return parseJSON(text, nil) }

// parseJSON is ParseJSON with a cache for parts that recur: members of the outermost object, and elements of lists in such
// members, since each call adds one element and drops one.
func parseJSON(text []byte, known *memory) (ast.Value, error) {
	p := jsonParser{text: text, known: known}
	return p.whole()
}

// whole reads the whole text.
func (p *jsonParser) whole() (ast.Value, error) {
	p.space()
	value, err := p.value(0)
	if err == nil {
		p.space()
		if p.at != len(p.text) {
			err = errors.New("unexpected text after the value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("byte %d: %w", p.at, err)
	}
	return value, nil
}

type jsonParser struct {
	text  []byte
	at    int
	known *memory
	// places receives where the members of open parts are. With it no values are made; the text is checked all the same.
	places *places
	// inside is the open part whose value begins here.
	inside *part
	// terms is a block that terms are allocated from; pairs and items are the stacks of the open objects and arrays.
	terms []ast.Term
	pairs [][2]*ast.Term
	items []*ast.Term
}

const termsPerBlock = 32

func (p *jsonParser) term(value ast.Value) *ast.Term {
	if len(p.terms) == 0 {
		p.terms = make([]ast.Term, termsPerBlock)
	}
	term := &p.terms[0]
	p.terms = p.terms[1:]
	term.Value = value
	return term
}

func (p *jsonParser) space() {
	for p.at < len(p.text) {
		switch p.text[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end: a NUL is never valid outside a string.
func (p *jsonParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

func (p *jsonParser) value(depth int) (ast.Value, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		if p.places != nil {
			return ast.NullValue, p.skip()
		}
		text, err := p.str()
		if err != nil {
			return nil, err
		}
		return ast.String(text), nil
	case c == '-' || (c >= '0' && c <= '9'):
		return p.number()
	case c == 't':
		return p.literal("true", ast.Boolean(true))
	case c == 'f':
		return p.literal("false", ast.Boolean(false))
	case c == 'n':
		return p.literal("null", ast.NullValue)
	case p.at >= len(p.text):
		return nil, errors.New("unexpected end of text")
	}
	return nil, errors.New("a JSON value should start here")
}

func (p *jsonParser) literal(word string, value ast.Value) (ast.Value, error) {
	end := p.at + len(word)
	if end > len(p.text) || string(p.text[p.at:end]) != word {
		return nil, errors.New("a JSON value should start here")
	}
	p.at = end
	return value, nil
}

func (p *jsonParser) object(depth int) (ast.Value, error) {
	open := p.inside
	p.inside = nil
	if open != nil {
		p.places.parts[open.index].kind = object
	}
	p.at++
	p.space()
	if p.peek() == '}' {
		p.at++
		if p.places != nil {
			return ast.NullValue, nil
		}
		return ast.NewObject(), nil
	}
	start := len(p.pairs)
	for {
		pair, err := p.member(depth, open)
		if err != nil {
			return nil, err
		}
		p.pairs = append(p.pairs, pair)
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case '}':
			p.at++
			if duplicateKey(p.pairs[start:]) {
				return nil, errors.New("the object that ends here has a duplicate key")
			}
			if p.places != nil {
				p.pairs = p.pairs[:start]
				return ast.NullValue, nil
			}
			object := ast.NewObject(p.pairs[start:]...)
			p.pairs = p.pairs[:start]
			return object, nil
		default:
			return nil, errors.New("',' or '}' should follow an object's value")
		}
	}
}

// fewPairs is the number of keys up to which comparing all pairs is faster than a map.
const fewPairs = 16

// duplicateKey finds a duplicate key, which ast.NewObject doesn't check for.
func duplicateKey(pairs [][2]*ast.Term) bool {
	if len(pairs) > fewPairs {
		seen := make(map[ast.Value]struct{}, len(pairs))
		for i := range pairs {
			seen[pairs[i][0].Value] = struct{}{}
		}
		return len(seen) != len(pairs)
	}
	for i := range pairs {
		for j := range i {
			if pairs[i][0].Value == pairs[j][0].Value {
				return true
			}
		}
	}
	return false
}

// member reads a member of an object; open is the open part that the object is, if it is one.
func (p *jsonParser) member(depth int, open *part) (pair [2]*ast.Term, err error) {
	p.space()
	if p.peek() != '"' {
		return pair, errors.New("an object key should start here")
	}
	if pair[0], err = p.key(); err != nil {
		return pair, err
	}
	p.space()
	if p.peek() != ':' {
		return pair, errors.New("':' should follow an object key")
	}
	p.at++
	p.space()
	if open != nil {
		return pair, p.placed(depth, open, string(pair[0].Value.(ast.String)))
	}
	value, err := p.memberValue(depth)
	if err != nil {
		return pair, err
	}
	if p.places == nil {
		pair[1] = p.term(value)
	}
	return pair, nil
}

func (p *jsonParser) memberValue(depth int) (ast.Value, error) {
	if depth == 0 && p.known != nil {
		return p.remembered(depth + 1)
	}
	return p.value(depth + 1)
}

// remembered parses a value, or returns the cached value of the same text.
func (p *jsonParser) remembered(depth int) (ast.Value, error) {
	end := extent(p.text, p.at)
	if end-p.at < rememberedMin || end-p.at > rememberedMax {
		return p.value(depth)
	}
	text := p.text[p.at:end]
	hash := p.known.hash(text)
	if value := p.known.recall(hash, text); value != nil {
		p.at = end
		return value, nil
	}
	value, err := p.value(depth)
	if err == nil && p.places == nil {
		p.known.remember(hash, text, value)
	}
	return value, err
}

// key parses an object key. Keys recur, so their terms are shared.
func (p *jsonParser) key() (*ast.Term, error) {
	start := p.at + 1
	text, err := p.raw()
	if err != nil {
		return nil, err
	}
	if text != nil {
		return sharedKeys.term(text), nil
	}
	escaped, err := p.escaped(start)
	if err != nil {
		return nil, err
	}
	return p.term(ast.String(escaped)), nil
}

func (p *jsonParser) array(depth int) (ast.Value, error) {
	p.inside = nil
	p.at++
	p.space()
	if p.peek() == ']' {
		p.at++
		return ast.NewArray(), nil
	}
	start := len(p.items)
	for {
		p.space()
		value, err := p.element(depth)
		if err != nil {
			return nil, err
		}
		if p.places == nil {
			p.items = append(p.items, p.term(value))
		}
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case ']':
			p.at++
			if p.places != nil {
				return ast.NullValue, nil
			}
			// The array keeps its slice; the stack is reused.
			array := ast.NewArray(slices.Clone(p.items[start:])...)
			p.items = p.items[:start]
			return array, nil
		default:
			return nil, errors.New("',' or ']' should follow an array's value")
		}
	}
}

// listDepth is the nesting depth of a list in a member of the outermost object.
const listDepth = 2

// element reads an element of an array.
func (p *jsonParser) element(depth int) (ast.Value, error) {
	if depth == listDepth && p.known != nil && p.peek() == '{' {
		return p.remembered(depth + 1)
	}
	return p.value(depth + 1)
}

func (p *jsonParser) digits() bool {
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

func (p *jsonParser) number() (ast.Value, error) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	leading := p.at
	if !p.digits() {
		return nil, errors.New("a digit should follow '-'")
	}
	if p.text[leading] == '0' && p.at > leading+1 {
		return nil, errors.New("a number can't start with 0")
	}
	if p.peek() == '.' {
		p.at++
		if !p.digits() {
			return nil, errors.New("a digit should follow '.'")
		}
	}
	exponent := false
	if c := p.peek(); c == 'e' || c == 'E' {
		exponent = true
		p.at++
		if c = p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !p.digits() {
			return nil, errors.New("a digit should stand in the exponent")
		}
	}
	if p.at-start > maxDigits {
		return nil, fmt.Errorf("the number that ends here has more than %d characters", maxDigits)
	}
	if p.places != nil && !exponent {
		return ast.NullValue, nil
	}
	text := string(p.text[start:p.at])
	if interned := ast.InternedIntNumberTermFromString(text); interned != nil {
		return interned.Value, nil
	}
	return ast.NumberChecked(text)
}
