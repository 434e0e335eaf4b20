package engine

import (
	"github.com/open-policy-agent/opa/v1/ast"
)

// A constant is a rule that is one number, text or null in every case.
type constant struct {
	path  ast.Ref
	value ast.Value
}

func (c constant) rule() ast.Ref { return c.path }

// inlineConstants replaces, in compiled modules, each reference to a constant by its value:
//
//	_max_amount_cents := 10000
//
// OPA evaluates such a rule as any other, in a query of its own, and caches its value for the rest of the evaluation. Only
// whole operands are replaced: a collection knows the hashes of what it holds. A rule that any "with" replaces is still
// evaluated.
func inlineConstants(compiler *ast.Compiler) {
	found := constants(compiler)
	if len(found) == 0 {
		return
	}
	for _, module := range compiler.Modules {
		ast.WalkExprs(module, func(expr *ast.Expr) bool {
			switch terms := expr.Terms.(type) {
			case *ast.Term:
				expr.Terms = constantOf(terms, found)
			case []*ast.Term:
				for index := range terms {
					terms[index] = constantOf(terms[index], found)
				}
			}
			return false
		})
	}
}

// constants returns all constants by the path of their rule.
func constants(compiler *ast.Compiler) map[string]constant {
	return ofOneClause(compiler, func(rule *ast.Rule) (constant, bool) {
		if !isConstant(rule) {
			return constant{}, false
		}
		return constant{rule.Ref(), rule.Head.Value.Value}, true
	})
}

func isConstant(rule *ast.Rule) bool {
	head := rule.Head
	if rule.Default || rule.Else != nil || len(head.Args) > 0 || head.Key != nil || head.Value == nil {
		return false
	}
	// A switch keeps its rule, which explanations name as the reason why a condition failed.
	_, isSwitch := head.Value.Value.(ast.Boolean)
	return !isSwitch && ast.IsScalar(head.Value.Value) && rule.Ref().IsGround() && isTrue(rule.Body)
}

// constantOf returns the constant that a term refers to, or else the term.
func constantOf(term *ast.Term, found map[string]constant) *ast.Term {
	path, is := term.Value.(ast.Ref)
	if !is || !path.HasPrefix(ast.DefaultRootRef) || !path.IsGround() {
		return term
	}
	one, is := found[path.String()]
	if !is {
		return term
	}
	return &ast.Term{Value: one.value, Location: term.Location}
}
