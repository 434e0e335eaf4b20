package engine

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// swiftFamilies and swiftBuiltins are the builtins whose cost is about linear in their operands and small per byte. An
// evaluation that uses no others may run while its caller holds a lock, since OPA polls the brake between them. Whatever
// isn't listed (network, most patterns, cryptography, decoding, graphs, anything new) runs on a goroutine of its own.
var swiftFamilies = []string{"array.", "object.", "internal."}

var swiftBuiltins = names(`
	abs all and any assign ceil concat contains count div endswith eq equal floor format_int gt gte indexof indexof_n
	intersection is_array is_boolean is_null is_number is_object is_set is_string lower lt lte max min minus mul neq
	numbers.range or plus print product rego.metadata.chain rego.metadata.rule rem replace round set_diff sort split
	sprintf startswith substring sum to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name
	union upper walk time.now_ns time.parse_rfc3339_ns net.cidr_contains`)

func names(words string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// maxSwiftPattern bounds the patterns that take part; matching costs about pattern times text.
const maxSwiftPattern = 128

func isSwift(compiler *ast.Compiler) bool {
	for _, builtin := range compiler.Required.Builtins {
		known := swiftBuiltins[builtin.Name] || builtin.Name == ast.RegexMatch.Name
		for _, family := range swiftFamilies {
			known = known || strings.HasPrefix(builtin.Name, family)
		}
		if !known {
			return false
		}
	}
	for _, module := range compiler.Modules {
		swift := true
		ast.WalkExprs(module, func(expr *ast.Expr) bool {
			swift = swift && isSwiftMatch(expr)
			return !swift
		})
		if !swift {
			return false
		}
	}
	return true
}

// isSwiftMatch is false for a regex.match whose pattern isn't a short constant without counted repetition. OPA matches
// in linear time, but the factor is the size of the compiled pattern: a{1,10} nested thrice took 1.4 s on 30 kB.
func isSwiftMatch(expr *ast.Expr) bool {
	if !expr.IsCall() || !expr.Operator().Equal(ast.RegexMatch.Ref()) {
		return true
	}
	pattern, constant := expr.Operand(0).Value.(ast.String)
	return constant && len(pattern) <= maxSwiftPattern && !strings.Contains(string(pattern), "{")
}
