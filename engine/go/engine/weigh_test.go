package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

// doubling makes two equal values of hundreds of inputs each out of nine lines. More of them take OPA's compiler too long.
func doubling() string {
	var lines strings.Builder
	for _, name := range []string{"x", "y"} {
		fmt.Fprintf(&lines, "%s0 := {\"k\": 1, \"l\": input.a}\n", name)
		for i := range 9 {
			fmt.Fprintf(&lines, "%s%d := {\"a\": %s%d, \"b\": %s%d}\n", name, i+1, name, i, name, i)
		}
	}
	return lines.String()
}

func compileAnswer(t *testing.T, rules, data string) *Policy {
	t.Helper()
	policy, err := Compile(&Source{
		Modules:     map[string]string{"a.rego": "package a\n\n" + rules},
		Data:        json.RawMessage(data),
		Entrypoints: []string{"data.a.answer"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// A step that isn't known to be short never begins on the caller's thread, where nothing could stop it.
func TestPoliciesWithLongStepsAreNotSwift(t *testing.T) {
	shared := doubling()
	body := func(lines string) string { return "answer if {\n" + lines + "\n}\n" }
	functions := "f0(x) := [x | some _ in [1, 2]]\n\n"
	for i := range 9 {
		functions += fmt.Sprintf("f%d(x) := f%d(f%d(x))\n\n", i+1, i, i)
	}
	nested := ""
	for _, name := range []string{"l", "m"} {
		nested += name + "0 := input.a\n"
		for i := range 5 {
			nested += fmt.Sprintf("%s%d := [%s%d | some _ in numbers.range(1, 500)]\n", name, i+1, name, i)
		}
	}
	data := `{"l":[` + strings.Repeat("[1,2,3],", 400_000) + `0]}`
	for name, given := range map[string]struct{ rules, data string }{
		"compared":           {body(shared + "x9 == y9"), "{}"},
		"compared builtin":   {body(shared + "x9 != y9"), "{}"},
		"joined":             {body(shared + "object.union(x9, y9).a == 1"), "{}"},
		"in a set":           {body(shared + "s := {x9, y9}\ncount(s) == 1"), "{}"},
		"in a set of a rule": {"s contains x9 if {\n" + shared + "}\n\ns contains y9 if {\n" + shared + "}\n\nanswer if count(s) == 1", "{}"},
		"looked up":          {body(shared + "o := {x9: 1}\no[y9] == 1"), "{}"},
		"member":             {body(shared + "x9 in [y9]"), "{}"},
		"arguments":          {"f(x) := 1\n\n" + body(shared+"f(x9) == f(y9)"), "{}"},
		"rules":              {strings.ReplaceAll(shared, "\n", "\n\n") + body("x9 == y9"), "{}"},
		"two values":         {"a := x9 if {\n" + shared + "}\n\na := y9 if {\n" + shared + "}\n\nanswer if a.a", "{}"},
		"functions":          {functions + body("f9([1]) == f9([2])"), "{}"},
		"lists":              {body(nested + "l5 == m5"), "{}"},
		"replaced input":     {"p if input.a == data.b\n\n" + body(shared+"p with input.a as x9"), "{}"},
		"iterated":           {body(shared + "some z in [x9]\nz == y9"), "{}"},
		"destructured":       {body(shared + "[z, 1] = [x9, 1]\nz == y9"), "{}"},
		"every":              {body(shared + "every z in [x9] { z == y9 }"), "{}"},
		"data":               {body("data.l == array.concat(data.l, [])"), data},
		"sorted data":        {body("sort(data.l)[0] == 1"), data},
		"set of data":        {body("{[x, data.l] | some x in data.l}[[input.a, data.l]]"), data},
	} {
		t.Run(name, func(t *testing.T) {
			if compileAnswer(t, given.rules, given.data).Swift() {
				t.Error("it may begin on its caller's thread")
			}
		})
	}
}

func TestOrdinaryPoliciesAreSwift(t *testing.T) {
	users := `{"users":{"u1":{"roles":["r1","r2"]}},"limits":{"a":3}}`
	for name, rules := range map[string]string{
		"looked up": "answer if input.role in data.users[input.id].roles",
		"messages": `answer contains {"code": "c", "message": sprintf("%s of %v", [hop.id, input.a])} if {
			some hop in input.chain
			hop.amount > data.limits[hop.kind]
		}`,
		"sums":      "answer if sum([call.amount | some call in input.calls; call.tool == input.tool]) > max([call.at | some call in input.calls])",
		"sets":      `answer if count({label | some label in input.labels} & {"a", "b"}) > 0`,
		"functions": "f(x) := lower(trim(x, \" \"))\n\nanswer if f(input.a) == f(input.b)",
		"objects":   `answer := object.union(data.limits, {"b": input.b})`,
		"keys":      "allowed[role] := count(who.roles) if some role, who in data.users\n\nanswer if allowed[input.a] > 1",
	} {
		t.Run(name, func(t *testing.T) {
			if !compileAnswer(t, rules, users).Swift() {
				t.Error("it doesn't begin on its caller's thread")
			}
		})
	}
}

// What loops make on the caller's thread is bounded by the polls, whatever the clock says.
func TestHeldEvaluationIsBoundedByItsPolls(t *testing.T) {
	policy := compileAnswer(t, "answer := [i | some i in numbers.range(1, 100000)]", "{}")
	ticket := &Ticket{}
	far := time.Now().Add(time.Hour)
	if _, err := policy.Evaluate(0, []byte("{}"), Limits{Deadline: far, Hold: far}, ticket, nil); err != ErrHold {
		t.Fatal(err)
	}
	if ticket.brake.polls > 2*maxHeldPolls {
		t.Fatalf("%d polls", ticket.brake.polls)
	}
}

func TestHeldEvaluationWritesNoLongResult(t *testing.T) {
	rules := "x0 := 1\n\n"
	for i := range 25 {
		rules += fmt.Sprintf("x%d := [x%d | some _ in [1, 2]]\n\n", i+1, i)
	}
	policy := compileAnswer(t, rules+"answer := x25\n", "{}")
	far := time.Now().Add(time.Hour)
	if _, err := policy.Evaluate(0, []byte(`{"a":1}`), Limits{Deadline: far, Hold: far}, &Ticket{}, nil); err != ErrHold {
		t.Fatal(err)
	}
}

func TestValuesThatGrowWithEveryRuleAreRefused(t *testing.T) {
	rules := "x0 := input.a\n\n"
	for i := range 21 { // more take OPA's type checker too long
		rules += fmt.Sprintf("x%d := {\"a\": x%d, \"b\": x%d}\n\n", i+1, i, i)
	}
	_, err := Compile(&Source{
		Modules: map[string]string{"a.rego": "package a\n\n" + rules}, Entrypoints: []string{"data.a.x21"},
	})
	if err == nil || !strings.Contains(err.Error(), "holds another one") {
		t.Fatal(err)
	}
}

// A policy may have thousands of definitions of one rule.
func TestWeighingTakesAboutAsLongAsAPolicyIsLong(t *testing.T) {
	var rules strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&rules, "p if input.x == %d\n\n", i)
	}
	for i := range 500 {
		fmt.Fprintf(&rules, "q%d if p\n\nanswer if q%d\n\n", i, i)
	}
	policy := compileAnswer(t, rules.String(), "{}")
	begun := time.Now()
	hasSmallSteps(policy.compiler, ast.NewObject(), []string{"data.a.answer"})
	if took := time.Since(begun); took > 2*time.Second {
		t.Fatalf("it took %v", took)
	}
}
