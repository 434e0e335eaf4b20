package engine

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// swiftFamilies and swiftBuiltins are the builtins whose cost is about linear in their operands and small per byte. An
// evaluation that uses no others may run while its caller holds a lock, since OPA polls the brake between them. Whatever
// isn't listed (network, patterns, cryptography, decoding, graphs, anything new) runs on a goroutine of its own.
var swiftFamilies = []string{"array.", "object.", "internal."}

var swiftBuiltins = names(`
	abs all and any assign ceil concat contains count div endswith eq equal floor format_int gt gte indexof indexof_n
	intersection is_array is_boolean is_null is_number is_object is_set is_string lower lt lte max min minus mul neq
	numbers.range or plus print product rego.metadata.chain rego.metadata.rule rem replace round set_diff sort split
	sprintf startswith substring sum to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name
	union upper walk time.now_ns time.parse_rfc3339_ns net.cidr_contains glob.match regex.match`)

func names(words string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

func isSwift(builtins []*ast.Builtin) bool {
	for _, builtin := range builtins {
		if swiftBuiltins[builtin.Name] {
			continue
		}
		known := false
		for _, family := range swiftFamilies {
			known = known || strings.HasPrefix(builtin.Name, family)
		}
		if !known {
			return false
		}
	}
	return true
}
