package engine

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// pureFamilies and pureBuiltins are the builtins whose result depends on their operands alone: on no clock, chance, network or
// setting. A builtin that isn't listed, such as one of a new OPA, is taken for one that may return something else each time.
var pureFamilies = []string{
	"array.", "base64.", "base64url.", "bits.", "crypto.hmac.", "glob.", "graph.", "graphql.", "hex.", "net.cidr_",
	"numbers.", "object.", "regex.", "semver.", "strings.", "units.", "uri.", "urlquery.", "yaml.",
}

var pureBuiltins = names(`
	abs all and any assign cast_array cast_boolean cast_null cast_object cast_set cast_string ceil concat contains count
	crypto.md5 crypto.sha1 crypto.sha256 div endswith eq equal floor format_int gt gte indexof indexof_n
	internal.member_2 internal.member_3 internal.template_string intersection io.jwt.decode is_array is_boolean is_null
	is_number is_object is_set is_string json.filter json.is_valid json.marshal json.marshal_with_options json.patch
	json.remove json.unmarshal lower lt lte max min minus mul neq or plus product re_match rem replace round set_diff
	sort split sprintf startswith substring sum time.add_date time.clock time.date time.diff time.format
	time.parse_duration_ns time.parse_ns time.parse_rfc3339_ns time.weekday to_number trim trim_left trim_prefix
	trim_right trim_space trim_suffix type_name union upper uuid.parse walk`)

func isPure(name string) bool {
	if builtin := ast.BuiltinMap[name]; builtin == nil || builtin.IsNondeterministic() {
		return false
	}
	if pureBuiltins[name] {
		return true
	}
	for _, family := range pureFamilies {
		if strings.HasPrefix(name, family) {
			return true
		}
	}
	return false
}

// isPureCall tells whether a call is one of a pure builtin, or of a function of the policy, whose body is checked as a rule.
func isPureCall(operator ast.Value, _ []*ast.Term) bool {
	ref, is := operator.(ast.Ref)
	return is && (ref.HasPrefix(ast.DefaultRootRef) || isPure(ref.String()))
}
