package engine

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"
)

// maxDepth bounds the nesting of an input. Evaluating, comparing and encoding values recurse once per level, and a Go
// stack that overflows can't be recovered from.
const maxDepth = 1000

var errDepth = fmt.Errorf("nested deeper than %d levels", maxDepth)

// ParseJSON reads one JSON text straight into a Rego value. It is stricter than OPA where leniency would let two readers
// of one text disagree: duplicate keys, bytes that aren't UTF-8 and unpaired surrogates are errors.
func ParseJSON(text []byte) (ast.Value, error) {
	p := jsonParser{text: text}
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
	text []byte
	at   int
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
	p.at++
	var pairs [][2]*ast.Term
	p.space()
	if p.peek() == '}' {
		p.at++
		return ast.NewObject(), nil
	}
	for {
		p.space()
		if p.peek() != '"' {
			return nil, errors.New("an object key should start here")
		}
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		p.space()
		if p.peek() != ':' {
			return nil, errors.New("':' should follow an object key")
		}
		p.at++
		p.space()
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		terms := util.NewPtrSlice[ast.Term](2)
		terms[0].Value, terms[1].Value = ast.String(key), value
		pairs = append(pairs, [2]*ast.Term{terms[0], terms[1]})
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case '}':
			p.at++
			object := ast.NewObject(pairs...)
			if object.Len() != len(pairs) {
				return nil, errors.New("the object that ends here has a duplicate key")
			}
			return object, nil
		default:
			return nil, errors.New("',' or '}' should follow an object's value")
		}
	}
}

func (p *jsonParser) array(depth int) (ast.Value, error) {
	p.at++
	var items []*ast.Term
	p.space()
	if p.peek() == ']' {
		p.at++
		return ast.NewArray(), nil
	}
	for {
		p.space()
		value, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, ast.NewTerm(value))
		p.space()
		switch p.peek() {
		case ',':
			p.at++
		case ']':
			p.at++
			return ast.NewArray(items...), nil
		default:
			return nil, errors.New("',' or ']' should follow an array's value")
		}
	}
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
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c = p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if !p.digits() {
			return nil, errors.New("a digit should stand in the exponent")
		}
	}
	text := string(p.text[start:p.at])
	if interned := ast.InternedIntNumberTermFromString(text); interned != nil {
		return interned.Value, nil
	}
	return ast.NumberChecked(text)
}

func (p *jsonParser) str() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '"':
			raw := p.text[start:p.at]
			if !utf8.Valid(raw) {
				return "", errors.New("the string that ends here isn't UTF-8")
			}
			p.at++
			return string(raw), nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", errors.New("a control character in a string has to be escaped")
		}
		p.at++
	}
	return "", errors.New("unexpected end of text in a string")
}

// escaped reads the rest of a string from its first backslash on.
func (p *jsonParser) escaped(start int) (string, error) {
	out := append(make([]byte, 0, p.at-start+32), p.text[start:p.at]...)
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			if !utf8.Valid(out) {
				return "", errors.New("the string that ends here isn't UTF-8")
			}
			p.at++
			return string(out), nil
		case c == '\\':
			char, err := p.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, char)
			continue
		case c < 0x20:
			return "", errors.New("a control character in a string has to be escaped")
		}
		out = append(out, c)
		p.at++
	}
	return "", errors.New("unexpected end of text in a string")
}

var simpleEscapes = map[byte]rune{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

func (p *jsonParser) escape() (rune, error) {
	p.at++
	c := p.peek()
	if char, ok := simpleEscapes[c]; ok {
		p.at++
		return char, nil
	}
	if c != 'u' {
		return 0, errors.New("unknown escape in a string")
	}
	first, err := p.hex()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	if p.peek() != '\\' || p.at+1 >= len(p.text) || p.text[p.at+1] != 'u' {
		return 0, errors.New("unpaired surrogate in a string")
	}
	p.at++
	second, err := p.hex()
	if err != nil {
		return 0, err
	}
	char := utf16.DecodeRune(first, second)
	if char == utf8.RuneError {
		return 0, errors.New("unpaired surrogate in a string")
	}
	return char, nil
}

// hex reads the uXXXX of an escape.
func (p *jsonParser) hex() (rune, error) {
	if p.at+5 > len(p.text) {
		return 0, errors.New("unexpected end of text in a string")
	}
	code, err := strconv.ParseUint(string(p.text[p.at+1:p.at+5]), 16, 16)
	if err != nil {
		return 0, errors.New("\\u needs four hexadecimal digits")
	}
	p.at += 5
	return rune(code), nil
}
