package engine

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/open-policy-agent/opa/v1/ast"
)

// aspect is what is read of a part of an input.
type aspect uint8

const (
	ofMember aspect = iota // the value of one member
	ofWhole                // the whole value
	ofKind                 // whether it is an object; the whole value if it isn't one
)

// reading is one thing that an evaluation reads of its input.
type reading struct {
	aspect aspect
	part   int
	name   string // of a member
}

const (
	usualMembers  = 40
	usualReadings = 24
)

// Question is an input for which an answer may be remembered. It is valid as long as its text is.
type Question struct {
	answers  *answers
	begin    digest
	text     []byte
	places   places
	readings []reading
	lost     bool // the evaluation read more than can be remembered
	// partial: an unknown in a part is read only if there is that part. Otherwise what isn't in a part is undefined, with or
	// without the part.
	partial bool
	scratch []byte
	pairs   [][2]*ast.Term // the parser's
}

// Ask returns the remembered answer to an input of an entrypoint, or the question that it is. There is neither if its answer can't
// be remembered, or if asking isn't worth it now. A text that isn't JSON, or no object, is no question.
func (p *Policy) Ask(index int, input []byte) (*Question, *Result) {
	if p.answers == nil || index < 0 || index >= len(p.entrypoints) {
		return nil, nil
	}
	return p.ask(p.entrypoints[index].begin, input)
}

// AskPartial is Ask for a query that is evaluated partially.
func (p *Policy) AskPartial(query *PartialQuery, input []byte) (*Question, *Result) {
	if !query.known {
		return nil, nil
	}
	asked, answer := p.ask(query.entry.begin, input)
	if asked != nil {
		asked.partial = true
	}
	return asked, answer
}

func (p *Policy) ask(begin digest, input []byte) (asked *Question, answer *Result) {
	defer func() {
		if recover() != nil {
			asked, answer = nil, nil
		}
	}()
	if len(input) > longestAsked || !p.answers.wanted() {
		return nil, nil
	}
	asked = p.answers.question(begin, input)
	parser := jsonParser{
		text: input, known: p.inputs, places: &asked.places, inside: p.answers.layout.root, pairs: asked.pairs[:0],
	}
	_, err := parser.whole()
	asked.pairs = parser.pairs
	if err != nil || asked.places.parts[0].kind != object {
		return nil, nil
	}
	if answer = p.answers.recall(asked); answer != nil {
		p.answers.free(asked)
		return nil, answer
	}
	return asked, nil
}

// question returns a question about a text, in the memory of one that was answered if there is one.
func (a *answers) question(begin digest, input []byte) *Question {
	asked, is := a.unused.Get().(*Question)
	if !is {
		asked = &Question{answers: a}
		asked.places.checked = a.checked
		asked.places.parts = make([]place, a.layout.parts)
		asked.places.members = make([]memberPlace, 0, usualMembers)
	}
	asked.begin, asked.text, asked.partial = begin, input, false
	return asked
}

// free lets the next question have the memory of an answered one.
func (a *answers) free(asked *Question) {
	asked.text = nil
	clear(asked.places.parts)
	clear(asked.places.members)
	asked.places.members = asked.places.members[:0]
	clear(asked.pairs[:cap(asked.pairs)])
	a.unused.Put(asked)
}

// follow returns the digest after a reading.
func (q *Question) follow(at digest, one reading) digest {
	found, text := q.find(one)
	buffer := append(q.scratch[:0], at[:]...)
	buffer = append(buffer, byte(one.aspect), byte(found))
	buffer = binary.BigEndian.AppendUint32(buffer, uint32(one.part))
	buffer = binary.BigEndian.AppendUint32(buffer, uint32(len(one.name)))
	buffer = append(append(buffer, one.name...), text...)
	q.scratch = buffer
	return sha256.Sum256(buffer)
}

// find returns what is read: nothing, an object of which no more is read, or a text.
func (q *Question) find(one reading) (kind, []byte) {
	at := q.places.parts[one.part]
	if one.aspect == ofMember {
		for _, member := range q.places.members {
			if member.part == one.part && member.name == one.name {
				return other, q.text[member.begin:member.end]
			}
		}
		return absent, nil
	}
	if at.kind == absent || (at.kind == object && one.aspect == ofKind) {
		return at.kind, nil
	}
	return other, q.text[at.begin:at.end]
}

func (q *Question) note(one reading) {
	for i := range q.readings {
		if q.readings[i] == one {
			return
		}
	}
	if len(q.readings) == mostReadings {
		q.lost = true
		return
	}
	q.readings = append(q.readings, one)
}

// watching returns the input with notes taken of what is read of it.
func (q *Question) watching(input ast.Value, text []byte) ast.Value {
	q.text, q.lost = text, false
	q.readings = make([]reading, 0, usualReadings)
	outermost, is := input.(ast.Object)
	if !is {
		q.lost = true
		return input
	}
	return watch(q, outermost, q.answers.layout.root)
}

// remember keeps the answer of the evaluation that read what was watched, and returns the way to it; 0 if it isn't kept.
func (q *Question) remember(answer []byte) int32 {
	if q.lost || len(answer) > longestAnswer {
		return 0
	}
	return q.answers.remember(q, append(make([]byte, 0, len(answer)), answer...))
}
