package engine

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/types"
)

// constantTime are builtins that look at no part of their operands.
var constantTime = names(`
	count is_array is_boolean is_null is_number is_object is_set is_string type_name array.slice array.reverse
	object.get object.keys`)

// expanding are builtins whose results may be longer than their operands.
var expanding = names(`concat format_int internal.template_string replace sprintf urlquery.encode`)

func (w *weighing) builtin(builtin *ast.Builtin, operands []size) size {
	all := scalar(1)
	for _, operand := range operands {
		all = all.with(operand)
	}
	name := builtin.Name
	switch {
	case name == ast.ObjectGet.Name:
		w.step(operands[1].whole)
	case name == ast.Sort.Name || name == ast.Max.Name || name == ast.Min.Name:
		w.step(times(all.whole, 4))
	case !constantTime[name]:
		w.step(all.whole)
	}
	switch builtin.Decl.Result().(type) {
	case types.Number, types.Boolean, types.Null:
		return scalar(1)
	case types.String:
		// A text is new each time, so loops make few long ones.
		switch {
		case all.whole <= 16*inputNodes:
			return scalar(1 + (all.whole/inputNodes+1)*MaxHeldInput/bytesPerNode)
		case expanding[name]:
			return scalar(textNodes)
		}
		return scalar(all.whole)
	}
	if name == "split" || name == "indexof_n" {
		return scalar(min(times(all.whole, bytesPerNode), maxPieces))
	}
	if name == "numbers.range" {
		return size{whole: maxHeldPolls + 1, part: 1}
	}
	all.part = max(all.part, all.whole)
	return all
}

// function is the size of what the function with these arguments returns. Results are kept with their arguments.
func (w *weighing) function(name ast.Ref, functions []*ast.Rule, arguments []size) size {
	key := fmt.Sprint(name, arguments)
	if known, found := w.calls[key]; found {
		return known
	}
	w.calls[key] = scalar(endless)
	var result size
	for _, rule := range functions {
		for ; rule != nil; rule = rule.Else {
			in := w.newScope()
			for i, pattern := range rule.Head.Args {
				if i < len(arguments) {
					w.step(arguments[i].whole) // results are kept by their arguments
					w.bind(pattern, scalar(arguments[i].whole), in)
				}
			}
			w.body(rule.Body, in)
			if rule.Head.Value != nil {
				result = result.or(w.key(rule.Head.Value, in))
			}
		}
	}
	result.sum = 0
	for _, argument := range arguments {
		if argument.sum > 0 {
			result.sum = times(maxHeldPolls, result.whole)
		}
	}
	w.calls[key] = result
	return result
}
