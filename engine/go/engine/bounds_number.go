package engine

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

func shiftBound(operands []*ast.Term) error {
	by, ok := operands[1].Value.(ast.Number)
	if shift, small := by.Int(); ok && (!small || shift > 2*maxDigits) {
		return tooMuch(1, "shifts too far", 2*maxDigits)
	}
	return nil
}

// productBound bounds the digits of a product. Digits of operands, which are bounded when they are read, add up.
func productBound(operands []*ast.Term) error {
	digits := 0
	count := func(term *ast.Term) bool {
		if number, ok := term.Value.(ast.Number); ok && len(number) > 1 {
			digits += len(number)
		}
		return digits > 2*maxDigits
	}
	for index, operand := range operands {
		over := false
		switch v := operand.Value.(type) {
		case *ast.Array:
			over = v.Until(count)
		case ast.Set:
			over = v.Until(count)
		default:
			over = count(operand)
		}
		if over {
			return tooMuch(index, "has too many digits to be multiplied", 2*maxDigits)
		}
	}
	return nil
}

// shortNumbers refuses results that hold numbers of more than maxDigits characters.
func shortNumbers(original topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		return original(bctx, operands, func(result *ast.Term) error {
			if longNumber(result.Value) {
				return fmt.Errorf("a number of the result has more than %d characters", maxDigits)
			}
			return iter(result)
		})
	}
}

func longNumber(value ast.Value) bool {
	switch v := value.(type) {
	case ast.Number:
		return len(v) > maxDigits
	case *ast.Array:
		return v.Until(func(item *ast.Term) bool { return longNumber(item.Value) })
	case ast.Object:
		return v.Until(func(key, item *ast.Term) bool { return longNumber(key.Value) || longNumber(item.Value) })
	}
	return false
}
