package engine

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// rule is the size of the document that one rule defines.
func (w *weighing) rule(rule *ast.Rule) size {
	if known, found := w.rules[rule]; found {
		return known
	}
	w.rules[rule] = scalar(endless)
	in := w.newScope()
	w.body(rule.Body, in)
	head, found := rule.Head, scalar(1)
	if head.Value != nil {
		found = w.term(head.Value, in)
		if in.loops > 0 || w.isDefinedTwice(rule) {
			w.step(found.whole) // two values are compared
		}
	}
	if head.RuleKind() == ast.MultiValue {
		found = w.sorted(in.collected(w.key(head.Key, in)))
	}
	for _, name := range head.Ref()[1:] {
		if !name.IsGround() {
			whole := in.collected(w.key(name, in).with(found)).whole
			found = size{whole: whole, part: whole}
		}
	}
	found.sum = 0
	if rule.Else != nil {
		found = found.or(w.rule(rule.Else))
	}
	w.rules[rule] = found
	return found
}

func (w *weighing) isDefinedTwice(rule *ast.Rule) bool {
	path := rule.Ref().GroundPrefix()
	name := path.String()
	definitions, known := w.definitions[name]
	if !known {
		for _, other := range w.compiler.GetRulesDynamicWithOpts(path, ast.RulesOptions{IncludeHiddenModules: true}) {
			if !other.Default {
				definitions++
			}
		}
		w.definitions[name] = definitions
	}
	return definitions > 1
}

// ref is the size of what a reference finds.
func (w *weighing) ref(ref ast.Ref, in *scope) size {
	var found size
	switch {
	case ref.HasPrefix(ast.DefaultRootRef):
		found = w.document(ref)
	case ref.HasPrefix(ast.InputRootRef):
		found = scalar(w.input)
	default:
		found = w.term(ref[0], in)
		if name, ok := ref[0].Value.(ast.Var); ok {
			if _, known := in.vars[name]; !known {
				found = w.unknown
			}
		}
		if len(ref) > 1 {
			found = size{found.part, found.part, found.sum}
		}
	}
	looped := false
	for _, operand := range ref[1:] {
		if _, constant := operand.Value.(ast.String); constant {
			continue
		}
		w.step(w.term(operand, in).whole)
		looped = w.bind(operand, scalar(found.whole), in) || looped
	}
	if looped {
		in.loops++
		found.sum = w.source(ref, in)
		if ref.HasPrefix(ast.DefaultRootRef) {
			w.step(w.stored(ref.GroundPrefix()).whole) // elements that don't match are left out between two polls
		}
	}
	return found
}

// source is the sum of what a loop over a reference finds, which is what it goes through.
func (w *weighing) source(ref ast.Ref, in *scope) int {
	if ref.HasPrefix(ast.DefaultRootRef) {
		return w.document(ref.GroundPrefix()).whole
	}
	if ref.HasPrefix(ast.InputRootRef) {
		return w.input
	}
	return w.term(ref[0], in).whole
}

// document is the size of a part of data and of the rules that define it.
func (w *weighing) document(ref ast.Ref) size {
	name := ref.String()
	if known, found := w.documents[name]; found {
		return known
	}
	found := w.stored(ref)
	for _, rule := range w.compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true}) {
		if len(rule.Head.Args) > 0 {
			continue
		}
		defined := w.rule(rule)
		if len(ref) > len(rule.Ref().GroundPrefix()) {
			defined = scalar(defined.part)
		}
		if rule.Head.RuleKind() == ast.SingleValue && rule.Ref().IsGround() && len(ref) >= len(rule.Ref()) {
			found = found.or(defined)
		} else {
			found = size{whole: capped(found.whole + defined.whole), part: max(found.part, defined.part)}
		}
	}
	w.documents[name] = found
	return found
}

// stored is the size of a part of the base documents, or of the largest part that a variable in a reference may select.
func (w *weighing) stored(ref ast.Ref) size {
	if w.data == nil {
		return scalar(1)
	}
	value := w.data
	var path strings.Builder
	for _, operand := range ref[1:] {
		if !operand.IsGround() {
			found := w.measured(path.String(), value)
			return scalar(found.part)
		}
		object, ok := value.(ast.Object)
		if !ok {
			break // into an array: no larger than that
		}
		below := object.Get(operand)
		if below == nil {
			return size{}
		}
		value = below.Value
		fmt.Fprintf(&path, "/%s", operand.Value)
	}
	return w.measured(path.String(), value)
}

func (w *weighing) measured(path string, value ast.Value) size {
	if known, found := w.base[path]; found {
		return known
	}
	found := size{whole: nodesOf(value, endless)}
	below := func(item *ast.Term) { found.part = max(found.part, nodesOf(item.Value, endless)) }
	switch v := value.(type) {
	case *ast.Array:
		v.Foreach(below)
	case ast.Object:
		v.Foreach(func(_, item *ast.Term) { below(item) })
	}
	w.base[path] = found
	return found
}
