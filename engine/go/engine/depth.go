package engine

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxNesting bounds how deeply terms, `every` and `else` nest; of a chain of operators each nests one level. Whatever follows a syntax tree
// takes a multiple of it, and writing the tree as JSON takes time by its square.
const maxNesting = 250

// boundNesting returns the places at which a module nests more deeply, one a line.
func boundNesting(name string, module *ast.Module) Problems {
	var problems Problems
	var last *ast.Location
	depth := 0
	visitor := ast.NewBeforeAfterVisitor(
		func(node any) bool {
			place, nests := placeOf(node)
			if place != nil {
				last = place
			}
			if !nests {
				return false
			}
			depth++
			if depth <= maxNesting {
				return false
			}
			problem := Problem{File: name, Code: "limit", Message: fmt.Sprintf("nested more than %d levels deep", maxNesting)}
			if last != nil {
				problem.Row, problem.Column = last.Row, last.Col
			}
			if count := len(problems); count == 0 || problems[count-1].Row != problem.Row {
				problems = append(problems, problem)
			}
			return true
		},
		func(node any) {
			if _, nests := placeOf(node); nests {
				depth--
			}
		},
	)
	visitor.Walk(module)
	return problems
}

// placeOf tells whether a node nests others, and where it stands; a comprehension stands where its term does, and counts beside it.
func placeOf(node any) (*ast.Location, bool) {
	switch node := node.(type) {
	case *ast.Term:
		return node.Location, true
	case *ast.Rule:
		return node.Location, true
	case *ast.Every:
		return node.Location, true
	case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Not, *ast.LogicalAnd, *ast.LogicalOr:
		return nil, true
	}
	return nil, false
}
