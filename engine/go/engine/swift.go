package engine

import (
	"regexp"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// swiftFamilies and swiftBuiltins are the builtins whose cost is about linear in their operands and small per byte. An
// evaluation that uses no others may run while its caller holds the GIL, because OPA polls the brake between builtins. An
// evaluation that uses others (network, most patterns, cryptography, decoding, graphs, new ones) runs on its own goroutine.
var swiftFamilies = []string{"array.", "object.", "internal."}

var swiftBuiltins = names(`
	abs all and any assign ceil concat contains count div endswith eq equal floor format_int gt gte indexof indexof_n
	intersection is_array is_boolean is_null is_number is_object is_set is_string lower lt lte max min minus mul neq
	numbers.range or plus print product rego.metadata.chain rego.metadata.rule rem replace round set_diff sort split
	sprintf startswith substring sum to_number trim trim_left trim_prefix trim_right trim_space trim_suffix type_name
	union upper walk time.clock time.date time.now_ns time.parse_rfc3339_ns time.weekday net.cidr_contains`)

func names(words string) map[string]bool {
	set := map[string]bool{}
	for _, word := range strings.Fields(words) {
		set[word] = true
	}
	return set
}

// maxSwiftPattern bounds the length of swift patterns; the cost of matching is about pattern length times text length.
const maxSwiftPattern = 128

// isSwift tells whether all rules that the entrypoints can reach are swift. Other rules, such as unused parts of a
// library, are never evaluated and don't count.
func isSwift(compiler *ast.Compiler, entrypoints []string) bool {
	for rule := range reachable(compiler, entrypoints) {
		if !everyCall(rule, isSwiftCall) {
			return false
		}
	}
	return true
}

// everyCall tells whether a test passes for the operator and the operands of each call in a rule.
func everyCall(rule *ast.Rule, passes func(operator ast.Value, operands []*ast.Term) bool) bool {
	every := true
	ast.WalkExprs(rule, func(expr *ast.Expr) bool {
		every = every && (!expr.IsCall() || passes(expr.OperatorTerm().Value, expr.Operands()))
		return !every
	})
	ast.WalkTerms(rule, func(term *ast.Term) bool {
		if call, ok := term.Value.(ast.Call); ok {
			every = every && passes(call[0].Value, call[1:])
		}
		return !every
	})
	return every
}

// reachable returns the rules that the entrypoints refer to, directly or through others. For a reference with a variable
// OPA's graph has an edge to every rule that it may select.
func reachable(compiler *ast.Compiler, entrypoints []string) map[*ast.Rule]struct{} {
	var open []*ast.Rule
	for _, entrypoint := range entrypoints {
		ref, err := ast.ParseRef(entrypoint)
		if err != nil {
			continue // compiling the query reports the problem
		}
		open = append(open, rulesAt(compiler, ref)...)
	}
	return closure(compiler, open)
}

// reachedBy returns the rules that a query refers to, directly or through others.
func reachedBy(compiler *ast.Compiler, query ast.Body) map[*ast.Rule]struct{} {
	var open []*ast.Rule
	ast.WalkRefs(query, func(ref ast.Ref) bool {
		open = append(open, rulesAt(compiler, ref)...)
		return false
	})
	return closure(compiler, open)
}

func rulesAt(compiler *ast.Compiler, ref ast.Ref) []*ast.Rule {
	return compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true})
}

func closure(compiler *ast.Compiler, open []*ast.Rule) map[*ast.Rule]struct{} {
	found := map[*ast.Rule]struct{}{}
	for len(open) > 0 {
		rule := open[len(open)-1]
		open = open[:len(open)-1]
		if _, known := found[rule]; known {
			continue
		}
		found[rule] = struct{}{}
		if rule.Else != nil {
			open = append(open, rule.Else)
		}
		for node := range compiler.Graph.Dependencies(rule) {
			open = append(open, node.(*ast.Rule))
		}
	}
	return found
}

func isSwiftCall(operator ast.Value, operands []*ast.Term) bool {
	ref, ok := operator.(ast.Ref)
	if !ok {
		return false
	}
	if ref.HasPrefix(ast.DefaultRootRef) {
		return true // a function of the policy, whose body is checked as a rule
	}
	name := ref.String()
	if swiftBuiltins[name] {
		return true
	}
	for _, family := range swiftFamilies {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return (name == ast.RegexMatch.Name || name == ast.RegexSplit.Name) && isSwiftPattern(operands)
}

// isSwiftPattern is false for a pattern that isn't a short constant without counted repetition. OPA matches in linear
// time, but the factor is the size of the compiled pattern: a{1,10}, nested three times, took 1.4 s on 30 kB.
func isSwiftPattern(operands []*ast.Term) bool {
	if len(operands) == 0 {
		return false
	}
	pattern, constant := operands[0].Value.(ast.String)
	if !constant || len(pattern) > maxSwiftPattern {
		return false
	}
	// \p{L} names a class; braces that remain after removing these are repetitions.
	return !strings.Contains(classes.ReplaceAllString(string(pattern), ""), "{")
}

// classes finds the names of Unicode classes in a pattern.
var classes = regexp.MustCompile(`\\[pP]\{[A-Za-z_]+\}`)
