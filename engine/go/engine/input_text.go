package engine

import (
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// skip reads a string without making its value.
func (p *jsonParser) skip() error {
	start := p.at + 1
	text, err := p.raw()
	if err == nil && text == nil {
		_, err = p.escaped(start)
	}
	return err
}

func (p *jsonParser) str() (string, error) {
	start := p.at + 1
	text, err := p.raw()
	if err != nil {
		return "", err
	}
	if text != nil {
		return string(text), nil
	}
	return p.escaped(start)
}

// raw reads a string without escapes; in a string with escapes it stops at the first backslash and returns nil.
func (p *jsonParser) raw() ([]byte, error) {
	p.at++
	start, ascii := p.at, true
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == '"':
			text := p.text[start:p.at:p.at]
			if !ascii && !utf8.Valid(text) {
				return nil, errors.New("the string that ends here isn't UTF-8")
			}
			p.at++
			return text, nil
		case c == '\\':
			return nil, nil
		case c < 0x20:
			return nil, errors.New("a control character in a string has to be escaped")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		p.at++
	}
	return nil, errors.New("unexpected end of text in a string")
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
