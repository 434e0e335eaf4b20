package engine

import "github.com/open-policy-agent/opa/v1/ast"

// kind is what the value of a part is in one input.
type kind uint8

const (
	absent kind = iota
	object
	other
)

// places are where the parts of one input are in its text, and the members of those that are objects.
type places struct {
	parts   []place
	checked []*memory     // texts that are known to be JSON, by their depth, from 1
	members []memberPlace // of all parts
}

type place struct {
	kind       kind
	begin, end int
}

type memberPlace struct {
	part       int
	name       string
	begin, end int
}

func (p *places) note(open, inner *part, name string, begin, end int) {
	p.members = append(p.members, memberPlace{open.index, name, begin, end})
	if inner == nil {
		return
	}
	found := &p.parts[inner.index]
	found.begin, found.end = begin, end
	if found.kind != object {
		found.kind = other
	}
}

// placed reads the value of a member of an open part, and notes where it is.
func (p *jsonParser) placed(depth int, open *part, name string) (err error) {
	begin, inner := p.at, open.members[name]
	if inner == nil {
		err = p.checked(depth + 1)
	} else {
		p.inside = inner
		_, err = p.value(depth + 1)
		p.inside = nil
	}
	if err == nil {
		p.places.note(open, inner, name, begin, p.at)
	}
	return err
}

// checked reads the value of a member of an open part. A text that was read at this depth before is skipped.
func (p *jsonParser) checked(depth int) error {
	checked := p.places.checked
	if depth > len(checked) {
		_, err := p.value(depth)
		return err
	}
	end := extent(p.text, p.at)
	if end-p.at < rememberedMin || end-p.at > rememberedMax {
		_, err := p.value(depth)
		return err
	}
	known, text := checked[depth-1], p.text[p.at:end]
	hash := known.hash(text)
	if known.recall(hash, text) != nil {
		p.at = end
		return nil
	}
	_, err := p.value(depth)
	if err == nil {
		known.remember(hash, text, ast.NullValue)
	}
	return err
}
