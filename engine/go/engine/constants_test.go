package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

const constantsModule = `package a

limit := 10

name := "ann"

nothing := null

_list := [1, 2]

twice := 1 if input.x

twice := 2 if not input.x

guarded := 5 if input.x

default open := 3

open := 4 if input.x

mocked := 7

inner.part := 8

flag := false

function(x) := 6 if x

direct := limit

compared if input.n <= limit

in_call := sprintf("%v %v %v", [limit, name, nothing])

in_key := {limit: {name: nothing}}

in_reference := data.lists[name]

in_set := {limit, name, input.n}

in_comprehension := [name | some n in input.list; n < limit]

in_every if every n in input.list { n < limit }

under_not if not input.n == limit

through := [_list, twice, guarded_or, open, function(true), inner.part]

guarded_or := [guarded | guarded]

replaced := [mocked, in_with] if in_with := mocked with data.a.mocked as 9

whole_replaced := x if x := count(other) with data.b as {"c": [1, 2, 3]}

other := data.b.c

as_value := x if x := seen with input.n as limit

seen := input.n

flagged if flag

whole := {
	"direct": direct, "compared": [1 | compared], "in_call": in_call, "in_key": in_key, "in_set": in_set,
	"in_reference": in_reference, "in_comprehension": in_comprehension, "in_every": [1 | in_every],
	"under_not": [1 | under_not], "through": through, "replaced": replaced, "whole_replaced": whole_replaced,
	"as_value": as_value, "flagged": [1 | flagged],
}
`

func constantsPolicy(t *testing.T, module string) *Policy {
	t.Helper()
	policy, err := Compile(&Source{
		Modules:     map[string]string{"a.rego": module, "b.rego": "package b\n\nc := 4"},
		Data:        json.RawMessage(`{"lists":{"ann":[3]}}`),
		Entrypoints: []string{"data.a.whole"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func wholeOf(t *testing.T, policy *Policy, input string) string {
	t.Helper()
	limits := Limits{Deadline: time.Now().Add(time.Minute)}
	result, err := policy.Evaluate(0, []byte(input), limits, &Ticket{}, nil)
	if err != nil || result.Failure != nil {
		t.Fatal(err, result.Failure)
	}
	return string(result.JSON)
}

// Every rule gets a condition that always holds and that nothing knows to hold, so that none is a constant.
func withoutConstants(module string) string {
	lines := strings.Split(module, "\n")
	for index, line := range lines {
		for _, name := range []string{"limit", "name", "nothing", "mocked", "inner.part"} {
			if strings.HasPrefix(line, name+" := ") {
				lines[index] = line + " if input.list"
			}
		}
	}
	return strings.Join(lines, "\n")
}

func TestConstantsGiveWhatTheirRulesGave(t *testing.T) {
	written, ruled := constantsPolicy(t, constantsModule), constantsPolicy(t, withoutConstants(constantsModule))
	for _, n := range []string{"9", "10", "11", `"ann"`, "null"} {
		for _, x := range []string{"true", "false"} {
			for _, list := range []string{"[]", "[1]", "[1,10]", "[11,2]"} {
				input := fmt.Sprintf(`{"n":%s,"x":%s,"list":%s}`, n, x, list)
				if mine, theirs := wholeOf(t, written, input), wholeOf(t, ruled, input); mine != theirs {
					t.Errorf("%s: %s instead of %s", input, mine, theirs)
				}
			}
		}
	}
}

func TestOnlyConstantsAreWrittenOut(t *testing.T) {
	named := map[string]bool{}
	for _, module := range constantsPolicy(t, constantsModule).compiler.Modules {
		ast.WalkExprs(module, func(expr *ast.Expr) bool {
			switch terms := expr.Terms.(type) {
			case *ast.Term:
				named[terms.String()] = true
			case []*ast.Term:
				for _, term := range terms {
					named[term.String()] = true
				}
			}
			return false
		})
	}
	for _, name := range []string{"_list", "twice", "guarded", "open", "mocked", "flag", "inner.part"} {
		if !named["data.a."+name] {
			t.Errorf("%s isn't referred to", name)
		}
	}
	for _, name := range []string{"limit", "name", "nothing"} {
		if named["data.a."+name] {
			t.Errorf("%s is referred to", name)
		}
	}
}
