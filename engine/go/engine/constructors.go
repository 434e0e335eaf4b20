package engine

import (
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
)

// A constructor is a function that only writes its parameters into an object or array:
//
//	once(audience, scopes, ttl) := {"audience": audience, "scopes": scopes, "ttl_seconds": ttl}
type constructor struct {
	path       ast.Ref
	parameters []ast.Var
	value      *ast.Term
}

// inlineConstructors replaces, in compiled modules, each call of a constructor by what it returns. OPA evaluates a call in
// a query of its own, with bindings of its own, which takes several microseconds. A function that any "with" replaces is
// still called.
func inlineConstructors(compiler *ast.Compiler) {
	found := constructors(compiler)
	if len(found) == 0 {
		return
	}
	for _, module := range compiler.Modules {
		ast.WalkExprs(module, func(expr *ast.Expr) bool {
			inlineCall(expr, found)
			return false
		})
	}
}

// constructors returns all constructors by the path of the function.
func constructors(compiler *ast.Compiler) map[string]constructor {
	return ofOneClause(compiler, constructorOf)
}

// ofOneClause returns what can be written out, by path: what of tells of the rules with one clause that no "with" replaces.
func ofOneClause[T interface{ rule() ast.Ref }](compiler *ast.Compiler, of func(*ast.Rule) (T, bool)) map[string]T {
	clauses, found := map[string]int{}, map[string]T{}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			path := rule.Ref().String()
			clauses[path]++
			if one, is := of(rule); is {
				found[path] = one
			}
		}
	}
	for path := range found {
		if clauses[path] > 1 {
			delete(found, path)
		}
	}
	exceptReplaced(compiler, found)
	return found
}

func (c constructor) rule() ast.Ref { return c.path }

// exceptReplaced removes from what was found every rule of which a "with" replaces a part, or the whole with what it is in.
func exceptReplaced[T interface{ rule() ast.Ref }](compiler *ast.Compiler, found map[string]T) {
	for _, module := range compiler.Modules {
		ast.WalkWiths(module, func(with *ast.With) bool {
			replaced, is := with.Target.Value.(ast.Ref)
			maps.DeleteFunc(found, func(_ string, one T) bool {
				return is && (one.rule().HasPrefix(replaced) || replaced.HasPrefix(one.rule()))
			})
			return false
		})
	}
}

func constructorOf(rule *ast.Rule) (constructor, bool) {
	head := rule.Head
	if rule.Default || rule.Else != nil || len(head.Args) == 0 || head.Value == nil || !isTrue(rule.Body) {
		return constructor{}, false
	}
	uses := map[ast.Var]int{}
	for _, parameter := range head.Args {
		name, is := parameter.Value.(ast.Var)
		if _, repeated := uses[name]; !is || repeated {
			return constructor{}, false
		}
		uses[name] = 0
	}
	if !isLiteral(head.Value, uses) {
		return constructor{}, false
	}
	parameters := make([]ast.Var, 0, len(head.Args))
	for _, parameter := range head.Args {
		name := parameter.Value.(ast.Var)
		// An argument that is undefined makes the call undefined, also if the value doesn't hold it.
		if uses[name] == 0 {
			return constructor{}, false
		}
		parameters = append(parameters, name)
	}
	return constructor{rule.Ref(), parameters, head.Value}, true
}

func isTrue(body ast.Body) bool {
	return len(body) == 1 && len(body[0].With) == 0 && !body[0].Negated && body[0].Equal(ast.NewExpr(ast.BooleanTerm(true)))
}

// isLiteral tells whether a term is made of scalars and parameters alone, and counts where each parameter is used.
func isLiteral(term *ast.Term, uses map[ast.Var]int) bool {
	switch value := term.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		return true
	case ast.Var:
		_, is := uses[value]
		uses[value]++
		return is
	case *ast.Array:
		return !value.Until(func(item *ast.Term) bool { return !isLiteral(item, uses) })
	case ast.Object:
		return !value.Until(func(key, item *ast.Term) bool {
			_, is := key.Value.(ast.String)
			return !is || !isLiteral(item, uses)
		})
	default:
		return false
	}
}

// inlineCall turns f(a, b, result) into result = {"x": a, "y": b}.
func inlineCall(expr *ast.Expr, found map[string]constructor) {
	if !expr.IsCall() || len(expr.With) > 0 {
		return
	}
	called, is := found[expr.Operator().String()]
	operands := expr.Operands()
	if !is || len(operands) != len(called.parameters)+1 {
		return
	}
	arguments := map[ast.Var]*ast.Term{}
	for index, parameter := range called.parameters {
		arguments[parameter] = operands[index]
	}
	value, result := substitute(called.value, arguments), operands[len(operands)-1]
	expr.Terms = ast.Equality.Expr(result, value).Terms
}

func substitute(term *ast.Term, arguments map[ast.Var]*ast.Term) *ast.Term {
	switch value := term.Value.(type) {
	case ast.Var:
		return arguments[value]
	case *ast.Array:
		items := make([]*ast.Term, 0, value.Len())
		value.Foreach(func(item *ast.Term) { items = append(items, substitute(item, arguments)) })
		return ast.ArrayTerm(items...)
	case ast.Object:
		pairs := make([][2]*ast.Term, 0, value.Len())
		value.Foreach(func(key, item *ast.Term) { pairs = append(pairs, ast.Item(key, substitute(item, arguments))) })
		return ast.ObjectTerm(pairs...)
	default:
		return term
	}
}
