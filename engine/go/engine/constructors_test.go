package engine

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

const library = `package lib

once(audience, scopes, ttl) := {"audience": audience, "kind": ["jwt", scopes], "ttl": ttl}

wrapped(x) := {"in": once(x, [], 1)}

unused(x, y) := {"x": x}

guarded(x) := {"x": x} if x > 1

either(x) := {"x": x} if x == 1

either(x) := {"y": x} if x == 2

mocked(x) := {"x": x}
`

const caller = `package a

import data.lib

direct contains {"credential": lib.once(input.a, [input.b, "c"], 30), "code": "x"} if input.a != ""

nested := [lib.wrapped(n).in.audience | some n in input.list]

undefined := lib.unused(input.a, input.missing)

missing := lib.once(input.missing, [], 1)

under_not if not lib.once(input.a, [], 1).audience == "other"

guards := [lib.guarded(n) | some n in input.list]

eithers := [lib.either(n) | some n in input.list]

mocks := [lib.mocked(1), m] if m := lib.mocked(1) with data.lib.mocked as other

other(x) := {"other": x}

whole := {
	"direct": direct, "nested": nested, "guards": guards, "eithers": eithers, "mocks": mocks,
	"undefined": [undefined | undefined], "missing": [missing | missing], "under_not": under_not,
}
`

func compiled(t *testing.T) *Policy {
	t.Helper()
	policy, err := Compile(&Source{
		Modules:     map[string]string{"lib.rego": library, "a.rego": caller},
		Data:        json.RawMessage(`{}`),
		Entrypoints: []string{"data.a.whole"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

func TestConstructorsReturnWhatTheirCallsReturned(t *testing.T) {
	limits := Limits{Deadline: time.Now().Add(time.Minute)}
	result, err := compiled(t).Evaluate(0, []byte(`{"a":"A","b":"B","list":[1,2]}`), limits, &Ticket{}, nil)
	if err != nil || result.Failure != nil {
		t.Fatal(err, result.Failure)
	}
	const expected = `{"direct":[{"code":"x","credential":{"audience":"A","kind":["jwt",["B","c"]],"ttl":30}}],` +
		`"eithers":[{"x":1},{"y":2}],"guards":[{"x":2}],"missing":[],"mocks":[{"x":1},{"other":1}],"nested":[1,2],` +
		`"undefined":[],"under_not":true}`
	if !strings.Contains(string(result.JSON), expected) {
		t.Errorf("unexpected result %s", result.JSON)
	}
}

func TestOnlyConstructorsAreInlined(t *testing.T) {
	called := map[string]bool{}
	for _, module := range compiled(t).compiler.Modules {
		ast.WalkExprs(module, func(expr *ast.Expr) bool {
			if expr.IsCall() && strings.HasPrefix(expr.Operator().String(), "data.lib.") {
				called[expr.Operator().String()] = true
			}
			return false
		})
	}
	for _, name := range []string{"wrapped", "unused", "guarded", "either", "mocked"} {
		if !called["data.lib."+name] {
			t.Errorf("%s isn't called", name)
		}
	}
	if called["data.lib.once"] {
		t.Error("once is called")
	}
}
