package engine

import "github.com/open-policy-agent/opa/v1/ast"

// textBound bounds the length of texts, and the size of operands of other types.
func textBound(limit int, indexes ...int) check {
	return func(operands []*ast.Term) error {
		for _, index := range indexes {
			if index < len(operands) && sizeOf(operands[index].Value, limit) > limit {
				return tooMuch(index, "is too large", limit)
			}
		}
		return nil
	}
}

// valueBound bounds a value that is written as text with this indentation. A value may be small in memory and endless as
// text, because its parts can be shared.
func valueBound(indent int) check {
	return func(operands []*ast.Term) error {
		return writable(operands[0].Value, indent)
	}
}

func writable(value ast.Value, indent int) error {
	nodes := sizeOf(value, maxValue)
	if nodes > maxValue || nodes*depthOf(value)*indent > maxResult {
		return tooMuch(0, "is too large as a text", maxValue)
	}
	return nil
}

func marshalBound(operands []*ast.Term) error {
	indent := 0
	if options, ok := operands[1].Value.(ast.Object); ok {
		for _, name := range []string{"indent", "prefix"} {
			if option := options.Get(ast.StringTerm(name)); option != nil {
				indent += len(text([]*ast.Term{option}, 0))
			}
		}
	}
	if indent > maxIndent {
		return tooMuch(1, "indents too far", maxIndent)
	}
	return writable(operands[0].Value, max(indent, 1))
}

// pairsBound bounds the product of two sizes.
func pairsBound(limit int, first, second func(value ast.Value, limit int) int) check {
	return func(operands []*ast.Term) error {
		if first(operands[0].Value, limit)*second(operands[1].Value, limit) > limit {
			return tooMuch(1, "has too many elements for operand 1", limit)
		}
		return nil
	}
}

func elementsBound(operands []*ast.Term) error {
	total := 0
	for _, operand := range operands {
		if array, ok := operand.Value.(*ast.Array); ok {
			total += array.Len()
		}
	}
	if total > maxElements {
		return tooMuch(1, "makes the array too long", maxElements)
	}
	return nil
}

func flattenBound(operands []*ast.Term) error {
	array, ok := operands[0].Value.(*ast.Array)
	if !ok {
		return nil
	}
	total := 0
	array.Foreach(func(item *ast.Term) {
		if inner, nested := item.Value.(*ast.Array); nested {
			total += inner.Len()
		}
	})
	if total > maxElements {
		return tooMuch(0, "makes the array too long", maxElements)
	}
	return nil
}

// sizeOf counts nodes and bytes of a value, and stops beyond a limit.
func sizeOf(value ast.Value, limit int) int {
	size := 1
	switch v := value.(type) {
	case ast.String:
		size += len(v)
	case ast.Number:
		size += len(v)
	case *ast.Array:
		v.Until(func(item *ast.Term) bool { size += sizeOf(item.Value, limit-size); return size > limit })
	case ast.Set:
		for _, item := range v.Slice() {
			if size += sizeOf(item.Value, limit-size); size > limit {
				break
			}
		}
	case ast.Object:
		v.Until(func(key, item *ast.Term) bool {
			size += sizeOf(key.Value, limit-size)
			if size <= limit {
				size += sizeOf(item.Value, limit-size)
			}
			return size > limit
		})
	}
	return size
}

// depthOf returns how deep a value of bounded size is nested.
func depthOf(value ast.Value) int {
	deepest := 0
	below := func(item *ast.Term) { deepest = max(deepest, depthOf(item.Value)) }
	switch v := value.(type) {
	case *ast.Array:
		v.Foreach(below)
	case ast.Set:
		v.Foreach(below)
	case ast.Object:
		v.Foreach(func(_, item *ast.Term) { below(item) })
	}
	return deepest + 1
}

func itemsOf(value ast.Value, _ int) int {
	switch v := value.(type) {
	case *ast.Array:
		return v.Len()
	case ast.Set:
		return v.Len()
	case ast.Object:
		return v.Len()
	}
	return 1
}

// listedIn counts the elements of all arrays in a value, and stops beyond a limit.
func listedIn(value ast.Value, limit int) int {
	count := 0
	add := func(item *ast.Term) bool { count += listedIn(item.Value, limit-count); return count > limit }
	switch v := value.(type) {
	case *ast.Array:
		count = v.Len()
		v.Until(add)
	case ast.Object:
		v.Until(func(_, item *ast.Term) bool { return add(item) })
	}
	return count
}
