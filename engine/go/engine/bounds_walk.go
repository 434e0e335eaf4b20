package engine

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

const (
	maxCompared   = 1_000_000  // nodes of a value that is compared, shared parts counted each time
	maxJoined     = 200_000    // nodes of a value that is copied in part or joined with another one
	maxSorted     = 100_000    // nodes of a value that is sorted
	maxComparison = 50_000_000 // characters times characters that are compared
)

// walkedBound bounds values that a builtin walks to their last node. Parts of a value may be shared, so one that is small in
// memory can take ages.
func walkedBound(limit int, indexes ...int) check {
	return func(operands []*ast.Term) error {
		for _, index := range indexes {
			if !ast.IsScalar(operands[index].Value) && nodesOf(operands[index].Value, limit) > limit {
				return tooMuch(index, "is too large to be walked", limit)
			}
		}
		return nil
	}
}

// sortedBound bounds values whose elements are compared with each other.
func sortedBound(operands []*ast.Term) error {
	if nodesOf(operands[0].Value, maxSorted) > maxSorted {
		return tooMuch(0, "is too large to be sorted", maxSorted)
	}
	return nil
}

// comparedBound is for builtins that compare their two operands, which takes as long as the smaller one is large.
func comparedBound(operands []*ast.Term) error {
	if ast.IsScalar(operands[0].Value) || ast.IsScalar(operands[1].Value) {
		return nil
	}
	if walkedBound(maxCompared, 0)(operands) != nil {
		return walkedBound(maxCompared, 1)(operands)
	}
	return nil
}

// trimBound bounds trimming by characters that aren't ASCII, each of which is searched for at every character of the text.
func trimBound(operands []*ast.Term) error {
	s, cutset := text(operands, 0), text(operands, 1)
	if len(s)*len(cutset) > maxComparison && !isASCII(cutset) {
		return fmt.Errorf("operand 2 has too many characters for the text: bytes times bytes may be %d", maxComparison)
	}
	return nil
}

// searchBound bounds the search for a text, which OPA compares at every character.
func searchBound(operands []*ast.Term) error {
	s, searched := text(operands, 0), text(operands, 1)
	if (len(s)-len(searched))*len(searched) > maxComparison {
		return fmt.Errorf("operand 2 is too long to be searched for: bytes times bytes may be %d", maxComparison)
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// bytesPerNode is how many bytes of a text take about as long to compare as a node.
const bytesPerNode = 256

// nodesOf counts the nodes of a value, shared parts each time, and stops beyond a limit.
func nodesOf(value ast.Value, limit int) int {
	nodes := 1
	add := func(item *ast.Term) bool { nodes += nodesOf(item.Value, limit-nodes); return nodes > limit }
	switch v := value.(type) {
	case ast.String:
		nodes += len(v) / bytesPerNode
	case *ast.Array:
		v.Until(add)
	case ast.Set:
		if nodes+v.Len() > limit {
			return nodes + v.Len() // reading a set sorts it
		}
		v.Until(add)
	case ast.Object:
		if nodes+v.Len() > limit {
			return nodes + v.Len()
		}
		v.Until(func(key, item *ast.Term) bool { return add(key) || add(item) })
	}
	return nodes
}

// bothBounds demands both.
func bothBounds(first, second check) check {
	return func(operands []*ast.Term) error {
		if err := first(operands); err != nil {
			return err
		}
		return second(operands)
	}
}

// memberBound is for k, v in xs.
func memberBound(operands []*ast.Term) error {
	if ast.IsScalar(operands[0].Value) && ast.IsScalar(operands[1].Value) {
		return nil
	}
	return walkedBound(maxCompared, 2)(operands)
}
