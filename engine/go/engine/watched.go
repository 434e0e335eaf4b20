package engine

import (
	"errors"

	"github.com/open-policy-agent/opa/v1/ast"
)

// watched is the value of a part of an input. It notes what an evaluation reads of it. OPA comes to it only on the way of a
// reference that continues: no reference ends at a part, so no rule holds a watched value, compares it or passes it on. What
// doesn't read a single member reads the whole.
type watched struct {
	ast.Object

	asked *Question
	part  *part
	inner map[string]*ast.Term // the watched parts in it
}

var errNoMember = errors.New("there is no such member")

func watch(asked *Question, value ast.Object, part *part) *watched {
	made := &watched{Object: value, asked: asked, part: part}
	for name, inner := range part.members {
		term := value.Get(ast.InternedTerm(name))
		if term == nil {
			continue
		}
		if object, is := term.Value.(ast.Object); is {
			if made.inner == nil {
				made.inner = make(map[string]*ast.Term, len(part.members))
			}
			made.inner[name] = ast.NewTerm(watch(asked, object, inner))
		}
	}
	return made
}

func (w *watched) all() ast.Object {
	w.asked.note(reading{aspect: ofWhole, part: w.part.index})
	return w.Object
}

// Get reads one member. A part in it that is an object is read by what is read of it in turn.
func (w *watched) Get(key *ast.Term) *ast.Term {
	name, is := key.Value.(ast.String)
	if !is {
		return w.all().Get(key)
	}
	if inner := w.inner[string(name)]; inner != nil {
		if w.asked.partial {
			w.asked.note(reading{aspect: ofKind, part: w.part.members[string(name)].index})
		}
		return inner
	}
	if inner := w.part.members[string(name)]; inner != nil {
		w.asked.note(reading{aspect: ofKind, part: inner.index})
	} else {
		w.asked.note(reading{aspect: ofMember, part: w.part.index, name: string(name)})
	}
	return w.Object.Get(key)
}

// Find is how OPA's index of rules reads the input. It may ask whether there is a part, and for what is in it afterwards.
func (w *watched) Find(path ast.Ref) (ast.Value, error) {
	if len(path) == 0 {
		if w.part.index == 0 {
			return w.all(), nil
		}
		w.asked.note(reading{aspect: ofKind, part: w.part.index})
		return w, nil
	}
	term := w.Get(path[0])
	if term == nil {
		return nil, errNoMember
	}
	return term.Value.Find(path[1:])
}

func (w *watched) Compare(other ast.Value) int { return ast.Compare(w.all(), other) }
func (w *watched) Hash() int                   { return w.all().Hash() }
func (w *watched) String() string              { return w.all().String() }
func (w *watched) Len() int                    { return w.all().Len() }
func (w *watched) Copy() ast.Object            { return w.all().Copy() }
func (w *watched) Keys() []*ast.Term           { return w.all().Keys() }

func (w *watched) KeysIterator() ast.ObjectKeysIterator          { return w.all().KeysIterator() }
func (w *watched) Iter(f func(key, value *ast.Term) error) error { return w.all().Iter(f) }
func (w *watched) Until(f func(key, value *ast.Term) bool) bool  { return w.all().Until(f) }
func (w *watched) Foreach(f func(key, value *ast.Term))          { w.all().Foreach(f) }

func (w *watched) Map(f func(key, value *ast.Term) (*ast.Term, *ast.Term, error)) (ast.Object, error) {
	return w.all().Map(f)
}

func (w *watched) Diff(other ast.Object) ast.Object             { return w.all().Diff(other) }
func (w *watched) Intersect(other ast.Object) [][3]*ast.Term    { return w.all().Intersect(other) }
func (w *watched) Merge(other ast.Object) (ast.Object, bool)    { return w.all().Merge(other) }
func (w *watched) Filter(filter ast.Object) (ast.Object, error) { return w.all().Filter(filter) }

func (w *watched) MergeWith(
	other ast.Object, resolve func(v1, v2 *ast.Term) (*ast.Term, bool),
) (ast.Object, bool) {
	return w.all().MergeWith(other, resolve)
}

// Insert would change a value that is shared: no rule can do that.
func (w *watched) Insert(_, _ *ast.Term) { panic("an input can't be changed") }
