package engine

import (
	"errors"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// reachableOnce is graph.reachable in linear time. OPA visits a vertex again for every path to it that it finds before
// the first visit, which are exponentially many.
func reachableOnce(original topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		graph, isGraph := operands[0].Value.(ast.Object)
		switch operands[1].Value.(type) {
		case *ast.Array, ast.Set:
		default:
			isGraph = false
		}
		if !isGraph {
			return original(bctx, operands, iter)
		}
		reached := ast.NewSet()
		var queue []*ast.Term
		visit := func(node *ast.Term) bool {
			if !reached.Contains(node) && graph.Get(node) != nil {
				reached.Add(node)
				queue = append(queue, node)
			}
			return false
		}
		each(operands[1].Value, visit)
		for len(queue) > 0 {
			node := queue[len(queue)-1]
			queue = queue[:len(queue)-1]
			each(graph.Get(node).Value, visit)
		}
		return iter(ast.NewTerm(reached))
	}
}

// pathsBound counts what graph.reachable_paths would build, in the same way, without building it.
func pathsBound(operands []*ast.Term) error {
	graph, ok := operands[0].Value.(ast.Object)
	if !ok {
		return nil
	}
	walk := pathWalk{graph: graph, left: maxPaths, on: ast.NewSet()}
	each(operands[1].Value, func(node *ast.Term) bool { return walk.from(node, 1) })
	if walk.left <= 0 {
		return errManyPaths
	}
	return nil
}

var errManyPaths = errors.New("the graph has too many paths: " + fmt.Sprintf("at most %d vertices on all of them are accepted", maxPaths))

type pathWalk struct {
	graph ast.Object
	left  int
	on    ast.Set // the vertices of the current path
}

// from counts the paths that begin with a vertex; depth is its place in them. It returns true when there are too many.
func (w *pathWalk) from(node *ast.Term, depth int) bool {
	if w.left -= depth; w.left <= 0 {
		return true
	}
	edges := w.graph.Get(node)
	if edges == nil || w.on.Contains(node) {
		return false
	}
	path := w.on
	w.on = path.Copy()
	w.on.Add(node)
	over := each(edges.Value, func(neighbor *ast.Term) bool { return w.from(neighbor, depth+1) })
	w.on = path
	return over
}

// each calls back for the elements of an array or set, until one call returns true.
func each(value ast.Value, call func(*ast.Term) bool) bool {
	switch v := value.(type) {
	case *ast.Array:
		return v.Until(call)
	case ast.Set:
		return v.Until(call)
	}
	return false
}
