package engine

import (
	"maps"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
)

// part is a part of inputs that every reference to it passes through: an object of which single members are read. Where a
// reference ends, or where it continues with a key that isn't known, what it selects is read as a whole.
type part struct {
	index   int
	members map[string]*part // the parts in it; its other members are read as a whole
}

// mention is what the references to one place of the input have in common.
type mention struct {
	whole   bool // a reference ends here
	anyKey  bool // a reference continues with a key that isn't a constant text
	members map[string]*mention
}

// layout is what is known of the inputs of a policy.
type layout struct {
	root  *part
	parts int
	paths [][]string             // of the parts, by index
	rules map[*ast.Rule]struct{} // those that read the inputs so
}

// layoutOf returns the layout of the rules that the entrypoints reach. It is nil if answers can't be remembered by what was
// read: a rule uses the input as a whole or replaces a part of it, or calls a builtin that isn't known to be pure. What the
// rules mentioned before they were changed counts, too.
func layoutOf(compiler *ast.Compiler, entrypoints []string, before *mention) *layout {
	made := &layout{rules: reachable(compiler, entrypoints)}
	for rule := range made.rules {
		if !everyCall(rule, isPureCall) || replacesInput(rule) {
			return nil
		}
		before.noteAll(rule)
	}
	if before.whole || before.anyKey {
		return nil
	}
	made.root = before.part(&made.parts)
	made.paths = make([][]string, made.parts)
	made.root.note([]string{}, made.paths)
	return made
}

// mentions notes every reference to the input in the rules that the entrypoints reach.
func mentions(compiler *ast.Compiler, entrypoints []string) *mention {
	root := &mention{}
	for rule := range reachable(compiler, entrypoints) {
		root.noteAll(rule)
	}
	return root
}

func (m *mention) noteAll(rule *ast.Rule) {
	var visitor *ast.GenericVisitor
	visitor = ast.NewGenericVisitor(func(node any) bool {
		switch node := node.(type) {
		case ast.Ref:
			if !node[0].Equal(ast.InputRootDocument) {
				return false
			}
			m.note(node)
			for _, term := range node[1:] {
				visitor.Walk(term)
			}
			return true
		case ast.Var:
			if node.Equal(ast.InputRootDocument.Value) {
				m.whole = true
			}
		}
		return false
	})
	visitor.Walk(rule)
}

func (m *mention) note(ref ast.Ref) {
	for _, term := range ref[1:] {
		name, constant := term.Value.(ast.String)
		if !constant {
			m.anyKey = true
			return
		}
		m = m.member(string(name))
	}
	m.whole = true
}

func (m *mention) member(name string) *mention {
	found := m.members[name]
	if found == nil {
		found = &mention{}
		if m.members == nil {
			m.members = map[string]*mention{}
		}
		m.members[name] = found
	}
	return found
}

func (m *mention) part(count *int) *part {
	made := &part{index: *count, members: map[string]*part{}}
	*count++
	if m.anyKey {
		return made // a reference may reach any member, and ends there
	}
	for _, name := range slices.Sorted(maps.Keys(m.members)) {
		if inner := m.members[name]; !inner.whole {
			made.members[name] = inner.part(count)
		}
	}
	return made
}

// note writes down where the parts are.
func (p *part) note(path []string, paths [][]string) {
	paths[p.index] = path
	for name, inner := range p.members {
		inner.note(append(slices.Clone(path), name), paths)
	}
}

func replacesInput(rule *ast.Rule) bool {
	found := false
	ast.WalkWiths(rule, func(with *ast.With) bool {
		target, is := with.Target.Value.(ast.Ref)
		found = found || !is || target[0].Equal(ast.InputRootDocument)
		return found
	})
	return found
}
