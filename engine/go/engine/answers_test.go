package engine

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/test/cases"
)

const roomy = 4 << 20

func remembering(t testing.TB, module string, data string, limit int) (plain, remembers *Policy) {
	t.Helper()
	source := Source{
		Modules: map[string]string{"a.rego": module}, Data: json.RawMessage(data), Entrypoints: []string{"data.a.decision"},
	}
	plain, err := Compile(&source)
	if err != nil {
		t.Fatalf("%v\n%s", err, module)
	}
	source.RememberedBytes = limit
	remembers, err = Compile(&source)
	if err != nil {
		t.Fatal(err)
	}
	return plain, remembers
}

// ask evaluates an input as the library does, and tells whether the answer was remembered.
func ask(policy *Policy, input string) (Result, bool) {
	limits := Limits{Deadline: time.Now().Add(time.Minute)}
	asked, known := policy.Ask(0, []byte(input))
	if known != nil {
		return *known, true
	}
	result, err := policy.Evaluate(0, []byte(input), limits, &Ticket{}, asked)
	if err != nil {
		panic(err)
	}
	return result, false
}

func shown(result Result) string {
	if result.Failure != nil {
		return fmt.Sprintf("%s at %s:%d", result.Failure.Code, result.Failure.File, result.Failure.Row)
	}
	return string(result.JSON)
}

func mustAgree(t *testing.T, plain, remembers *Policy, input string) bool {
	t.Helper()
	wanted, _ := ask(plain, input)
	got, known := ask(remembers, input)
	if shown(wanted) != shown(got) {
		t.Fatalf("the input\n%s\nleads to %s; remembered (%t) was %s", input, shown(wanted), known, shown(got))
	}
	return known
}

const guarded = `package a

decision := {"grant": [x | some x in grant], "deny": [x | some x in deny]}

grant contains "read" if input.tool.name == "read"

grant contains "pay" if {
	input.tool.name == "pay"
	number("cents") <= 100
	every link in input.chain { link.holder in data.agents }
}

deny contains sprintf("late at %v", [input.context.time]) if {
	input.tool.name == "pay"
	input.context.time > 1000
}

number(name) := value if {
	value := input.tool.arguments[name]
	is_number(value)
}
`

const agents = `{"agents": {"a": "a", "b": "b"}}`

func call(tool, id, cents, when, holder string) string {
	return fmt.Sprintf(`{"tool":{"name":%q,"arguments":{"id":%q,"cents":%s}},"context":{"time":%s},"chain":[{"holder":%q}]}`,
		tool, id, cents, when, holder)
}

func TestAnswersDependOnWhatIsRead(t *testing.T) {
	plain, remembers := remembering(t, guarded, agents, roomy)
	for _, one := range []struct {
		input string
		known bool
	}{
		{call("read", "1", "5", "10", "a"), false},
		{call("read", "2", "7", "11", "b"), true}, // nothing else of a read is looked at
		{call("pay", "1", "5", "10", "a"), false},
		{call("pay", "2", "5", "10", "a"), true}, // the id isn't
		{call("pay", "2", "6", "10", "a"), false},
		{call("pay", "2", "6", "11", "a"), false}, // a payment looks at the time
		{call("pay", "2", "6", "11", "c"), false},
		{call("pay", "2", "5", "10", "a"), true},
		{call("pay", "2", "5.0", "10", "a"), false}, // a number that is written differently may be shown differently
		{`{"tool":{"name":"read"}}`, true},
		{`{"tool":"read"}`, false},
		{`{"tool":["read"]}`, false},
		{`{}`, false},
		{`{"tool":{}}`, false},
		{` {"other":[{"tool":{"name":"pay"}}], "tool" : {"arguments":[], "name":"read"} } `, true},
		{`{"tool":{"\u006eame":"read"}}`, true},
	} {
		if known := mustAgree(t, plain, remembers, one.input); known != one.known {
			t.Errorf("remembered (%t): %s", known, one.input)
		}
	}
}

// What isn't strict JSON isn't answered, whatever is remembered of its parts.
func TestBrokenInputsAreNotAnswered(t *testing.T) {
	plain, remembers := remembering(t, guarded, agents, roomy)
	mustAgree(t, plain, remembers, `{"tool":{"name":"read"}}`)
	for _, broken := range []string{
		`{"tool":{"name":"read"}`, `{"tool":{"name":"read"}}x`, `{"tool":{"name":"read"},"a":1,"a":1}`,
		`{"tool":{"name":"read","b":{"c":1,"c":2}}}`, `{"tool":{"name":"read","name":"read"}}`,
		`{"tool":{"name":"read"},"n":01}`, `{"tool":{"name":"read"},"n":1e99999999}`, `{"tool":{"name":"read"},"s":"\ud800"}`,
		"{\"tool\":{\"name\":\"read\"},\"s\":\"\xff\"}", "{\"tool\":{\"name\":\"read\"},\"s\":\"\x01\"}",
		`{"tool":{"name":"read"},"n":` + strings.Repeat("1", maxDigits+1) + `}`,
		`{"tool":{"name":"read"},"d":` + strings.Repeat("[", 1100) + strings.Repeat("]", 1100) + `}`, ``, `1`, `[]`, `"tool"`,
	} {
		if mustAgree(t, plain, remembers, broken) {
			t.Errorf("remembered: %.80s", broken)
		}
	}
}

// Failures and policies whose answer isn't a function of what is read aren't remembered.
func TestWhatIsNotRemembered(t *testing.T) {
	for name, module := range map[string]string{
		"the clock":            `decision := time.now_ns()`,
		"chance":               `decision := rand.intn(input.a, 1000)`,
		"a replaced input":     "decision := v if v := x with input.a as 1\nx := input.a",
		"the whole input":      `decision := input`,
		"a member of any name": `decision := [v | some v in input]`,
		"a failure":            `decision := 1 / input.a`,
		"nothing":              `decision := 1 if input.a == 7`,
		"a large answer":       `decision := [x | some x in numbers.range(0, 5000); input.a == 0]`,
		"many readings":        `decision := [input.a[x] | some x in data.names]`,
	} {
		t.Run(name, func(t *testing.T) {
			listed := make([]string, mostReadings+1)
			for i := range listed {
				listed[i] = fmt.Sprintf("n%d", i)
			}
			listing, _ := json.Marshal(map[string]any{"names": listed})
			_, remembers := remembering(t, "package a\n"+module, string(listing), roomy)
			input := `{"a":0}`
			if name == "many readings" {
				input = `{"a":{"n":1}}`
			}
			for range 3 {
				if _, known := ask(remembers, input); known {
					t.Fatal("remembered")
				}
			}
		})
	}
}

func TestRememberedAnswersAreBounded(t *testing.T) {
	plain, remembers := remembering(t, guarded, agents, 16<<10)
	for n := range 3000 {
		mustAgree(t, plain, remembers, call("pay", "1", fmt.Sprint(n), "10", "a"))
		if kept := remembers.answers; kept.total > kept.limit || len(kept.steps) != len(kept.queue) {
			t.Fatalf("%d bytes in %d steps, %d queued", kept.total, len(kept.steps), len(kept.queue))
		}
	}
	total := 0
	for _, one := range remembers.answers.steps {
		total += one.size()
	}
	if total != remembers.answers.total {
		t.Errorf("%d bytes are counted, there are %d", remembers.answers.total, total)
	}
}

func TestAskingPausesWhileItDoesNotPay(t *testing.T) {
	pace := newPace()
	asks := func(count int, hits bool) (asked int) {
		for range count {
			if pace.asks() {
				asked++
				if hits {
					pace.hit()
				}
			}
		}
		return asked
	}
	if asked := asks(100_000, false); asked > 100_000/longestOff*paceWindow+10*paceWindow {
		t.Errorf("asked %d of 100,000 times in vain", asked)
	}
	asks(longestOff+paceWindow, true)
	if asked := asks(100_000, true); asked != 100_000 {
		t.Errorf("asked %d of 100,000 times with success", asked)
	}
}

// Who gives answers again by itself asks only for those that it doesn't know: few of them are remembered, and asking pays.
func TestAskingGoesOnWhileAnswersAreRecalled(t *testing.T) {
	pace := newPace()
	asked := 0
	for range 10_000 {
		pace.recalled(paceWorth)
		if pace.asks() {
			asked++
		}
	}
	if asked != 10_000 {
		t.Errorf("asked %d of 10,000 times", asked)
	}
	for pace.left == 0 {
		pace.asks()
	}
	pace.recalled(paceWindow)
	if !pace.asks() || pace.left != 0 {
		t.Error("recalled answers don't end a pause")
	}
	plain, remembers := remembering(t, guarded, agents, roomy)
	for n := range 3 * longestOff {
		remembers.Recalled(1)
		mustAgree(t, plain, remembers, call("pay", "1", fmt.Sprint(n), "10", "a"))
	}
	if known := mustAgree(t, plain, remembers, call("pay", "2", "7", "10", "a")); !known {
		t.Error("an answer isn't remembered")
	}
}

func TestManyMayAskAtOnce(t *testing.T) {
	plain, remembers := remembering(t, guarded, agents, 8<<10)
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for n := range 400 {
				input := call([]string{"read", "pay"}[n%2], fmt.Sprint(n), fmt.Sprint(n%(worker+2)), "10", "a")
				wanted, _ := ask(plain, input)
				if got, _ := ask(remembers, input); shown(got) != shown(wanted) {
					t.Errorf("%s: %s, not %s", input, shown(got), shown(wanted))
				}
			}
		})
	}
	workers.Wait()
}

// impure lists every builtin of OPA whose answers aren't remembered, so that a new one is thought about.
var impure = names(`
	crypto.parse_private_keys crypto.x509.parse_and_verify_certificates
	crypto.x509.parse_and_verify_certificates_with_options crypto.x509.parse_certificate_request
	crypto.x509.parse_certificates crypto.x509.parse_keypair crypto.x509.parse_rsa_private_key http.send internal.print
	internal.test_case io.jwt.decode_verify io.jwt.encode_sign io.jwt.encode_sign_raw io.jwt.verify_eddsa
	io.jwt.verify_es256 io.jwt.verify_es384 io.jwt.verify_es512 io.jwt.verify_hs256 io.jwt.verify_hs384
	io.jwt.verify_hs512 io.jwt.verify_ps256 io.jwt.verify_ps384 io.jwt.verify_ps512 io.jwt.verify_rs256
	io.jwt.verify_rs384 io.jwt.verify_rs512 json.match_schema json.verify_schema net.lookup_ip_addr opa.runtime print
	providers.aws.sign_req rand.intn rego.metadata.chain rego.metadata.rule rego.parse_module time.now_ns trace
	uuid.rfc4122`)

func TestEveryBuiltinIsPureOrListed(t *testing.T) {
	for _, builtin := range ast.Builtins {
		if isPure(builtin.Name) == impure[builtin.Name] {
			t.Errorf("%s: pure is %t", builtin.Name, isPure(builtin.Name))
		}
	}
}

// A generator of policies and inputs that are small enough to meet again.
type generator struct{ *rand.Rand }

func (g generator) of(choices ...string) string { return choices[g.IntN(len(choices))] }

func (g generator) path() string {
	return "input" + g.of(".a", ".b", ".c", `["a"]`) + g.of("", ".x", ".y", `["x"]`, ".x.p", ".x.q", ".list", "[data.key]", "[pick]", `[input.b.x]`, "[0]")
}

func (g generator) value() string {
	return g.of("1", "2", `"x"`, `"p"`, "true", "null", "[]", `{"p": 1}`)
}

func (g generator) condition() string {
	path := g.path()
	return strings.NewReplacer("PATH", path, "OTHER", g.path(), "VALUE", g.value()).Replace(g.of(
		"PATH == VALUE", "PATH == VALUE", "PATH != OTHER", "PATH", "not PATH", "not same(PATH, VALUE)", "PATH == OTHER",
		"some _ in PATH", "some name, _ in PATH\n\tname == VALUE", "VALUE in PATH", "count(PATH) > 1", "is_object(PATH)",
		"every one in PATH { one == VALUE }", `object.get(PATH, "p", 0) == VALUE`, "walk(PATH, [_, VALUE])",
		"member(VALUE)", "held := PATH\n\theld.p == VALUE", "[key | PATH[key]] == [VALUE]", "reaches(VALUE, OTHER)",
		`format_int(count([1 | PATH[_]]), 10) == "1"`, "data.table[PATH] == VALUE", "PATH in {VALUE, OTHER}",
	))
}

func (g generator) module() string {
	var out strings.Builder
	out.WriteString("package a\n\ndecision := {\"g\": g, \"d\": d, \"e\": e}\n\npick := \"x\" if input.b == 1 else := \"y\"\n\n" +
		"same(one, other) if one == other\n\nmember(name) := input.a.x[name]\n\nreaches(name, whole) if whole[name] == input.c[name]\n\n" +
		"default e := \"none\"\n\n")
	for n := range 2 + g.IntN(4) {
		head, value := g.of("g contains", "d contains"), g.of("1", g.path())
		fmt.Fprintf(&out, "%s [%d, %s] if {\n", head, n, value)
		for range 1 + g.IntN(3) {
			fmt.Fprintf(&out, "\t%s\n", g.condition())
		}
		out.WriteString("}\n\n")
	}
	fmt.Fprintf(&out, "g contains 100 if 1 == 2\n\nd contains 100 if 1 == 2\n\ne := \"some\" if {\n\t%s\n}\n", g.condition())
	return out.String()
}

func (g generator) input(depth int) string {
	if depth == 0 || g.IntN(4) == 0 {
		return g.of("1", "2", `"x"`, `"p"`, "true", "null", "[]", "{}", `[1,"x"]`, "1.0", `{"p":1}`)
	}
	var members []string
	names := [][]string{{"p", "q"}, {"x", "y", "list"}, {"a", "b", "c", "unread"}}[depth-1]
	for _, name := range names {
		if g.IntN(5) > 0 {
			members = append(members, fmt.Sprintf("%q:%s", name, g.input(depth-1)))
		}
	}
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return "{" + strings.Join(members, ",") + "}"
}

func TestRememberedAnswersEqualEvaluating(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(7, uint64(time.Now().UnixNano())))}
	compiled, hits := 0, 0
	for range 400 {
		module := g.module()
		source := Source{
			Modules: map[string]string{"a.rego": module}, Data: json.RawMessage(`{"key":"x","table":{"x":1,"p":2}}`),
			Entrypoints: []string{"data.a.decision"},
		}
		plain, err := Compile(&source)
		if err != nil {
			continue // two names of one variable, for example
		}
		source.RememberedBytes = []int{roomy, 4 << 10}[compiled%2]
		remembers, err := Compile(&source)
		if err != nil || remembers.answers == nil {
			t.Fatalf("%v\n%s", err, module)
		}
		compiled++
		var seen []string
		for range 60 {
			input := g.input(3)
			if len(seen) > 0 && g.IntN(2) == 0 {
				input = mutated(g, seen[g.IntN(len(seen))])
			}
			seen = append(seen, input)
			wanted, _ := ask(plain, input)
			got, known := ask(remembers, input)
			if shown(wanted) != shown(got) {
				t.Fatalf("remembered (%t) %s, not %s\n%s\n%s", known, shown(got), shown(wanted), input, module)
			}
			if known {
				hits++
			}
		}
	}
	t.Logf("%d policies, %d answers remembered", compiled, hits)
	if compiled < 200 || hits < compiled {
		t.Errorf("only %d policies and %d remembered answers", compiled, hits)
	}
}

func residual(t *testing.T, policy *Policy, input string) (string, bool) {
	t.Helper()
	query, failure := policy.Prepare("data.a.g[_]", []string{"input.a.x"})
	if failure != nil {
		t.Fatal(failure)
	}
	asked, known := policy.AskPartial(query, []byte(input))
	if known != nil {
		return string(known.JSON), true
	}
	limits := Limits{Deadline: time.Now().Add(time.Minute)}
	result, err := policy.Residual(query, []byte(input), limits, &Ticket{}, asked)
	if err != nil {
		t.Fatal(err)
	}
	return shown(result), false
}

// Partial evaluation reads what is known of an input; what remains is remembered by that.
func TestRememberedResidualsEqualEvaluating(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(5, uint64(time.Now().UnixNano())))}
	compiled, hits, several := 0, 0, map[string]bool{}
	for range 250 {
		module := g.module()
		source := Source{
			Modules: map[string]string{"a.rego": module}, Data: json.RawMessage(`{"key":"x","table":{"x":1,"p":2}}`),
			Entrypoints: []string{"data.a.decision"},
		}
		plain, err := Compile(&source)
		if err != nil {
			continue
		}
		source.RememberedBytes = roomy
		remembers, err := Compile(&source)
		if err != nil {
			t.Fatal(err)
		}
		compiled++
		input := g.input(3)
		for range 40 {
			if g.IntN(2) == 0 {
				input = mutated(g, input)
			} else if g.IntN(3) == 0 {
				input = g.input(3)
			}
			wanted, _ := residual(t, plain, input)
			got, known := residual(t, remembers, input)
			if wanted != got {
				t.Fatalf("remembered (%t) %s, not %s\n%s\n%s", known, got, wanted, input, module)
			}
			if several[got] = true; known {
				hits++
			}
			// The entrypoint's own answers are others.
			mustAgree(t, plain, remembers, input)
		}
	}
	t.Logf("%d policies, %d residuals remembered, %d different", compiled, hits, len(several))
	if compiled < 120 || hits < compiled || len(several) < 6 {
		t.Errorf("only %d policies, %d remembered residuals, %d different", compiled, hits, len(several))
	}
}

// A query that reads the input in other ways than the entrypoints' rules isn't remembered.
func TestOtherQueriesAreNotRemembered(t *testing.T) {
	module := guarded + "\nelsewhere contains x if some x in input.tool\n"
	_, remembers := remembering(t, module, agents, roomy)
	for query, known := range map[string]bool{
		"data.a.grant[_]":                          true,
		"data.a.deny[_]":                           true,
		"data.a.elsewhere[_]":                      false,
		"data.a[_]":                                false,
		"input.tool.name == data.a.grant[_]":       false,
		"data.a.grant[_] with input.tool as 1":     false,
		"data.a.grant[_]; data.a.elsewhere[_] = _": false,
	} {
		made, failure := remembers.Prepare(query, []string{"input.tool.arguments"})
		if failure != nil {
			t.Fatal(failure)
		}
		if made.known != known {
			t.Errorf("%s: remembered (%t)", query, made.known)
		}
	}
}

// mutated changes one value of an input.
func mutated(g generator, input string) string {
	var value any
	if err := json.Unmarshal([]byte(input), &value); err != nil {
		panic(err)
	}
	changed, err := json.Marshal(change(g, value))
	if err != nil {
		panic(err)
	}
	return string(changed)
}

func change(g generator, value any) any {
	switch value := value.(type) {
	case map[string]any:
		names := make([]string, 0, len(value))
		for name := range value {
			names = append(names, name)
		}
		slices.Sort(names)
		if len(names) == 0 || g.IntN(12) == 0 {
			return []any{}
		}
		name := names[g.IntN(len(names))]
		if g.IntN(6) == 0 {
			delete(value, name)
		} else {
			value[name] = change(g, value[name])
		}
		return value
	case []any:
		if len(value) == 0 {
			return []any{"x"}
		}
		value[g.IntN(len(value))] = change(g, value[0])
		return value
	}
	return []any{1, 2, "x", "p", true, nil, map[string]any{"p": 1}, 7.5}[g.IntN(8)]
}

// TestOPAsOwnCasesRemembered evaluates OPA's cases on their input, and on inputs near it, with and without remembering.
func TestOPAsOwnCasesRemembered(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(11, 13))}
	tried, hits := 0, 0
	for _, one := range opaCases(t) {
		source, input, is := asEntrypoint(&one)
		if !is {
			continue
		}
		plain, err := Compile(source)
		if err != nil {
			continue
		}
		source.RememberedBytes = roomy
		remembers, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		if remembers.answers == nil {
			continue
		}
		tried++
		inputs := []string{input, input}
		for range 12 {
			inputs = append(inputs, mutated(g, inputs[g.IntN(len(inputs))]))
		}
		for _, input := range inputs {
			wanted, _ := ask(plain, input)
			got, known := ask(remembers, input)
			if shown(wanted) != shown(got) {
				t.Fatalf("%s: remembered (%t) %s, not %s\n%s", one.Note, known, shown(got), shown(wanted), input)
			}
			if known {
				hits++
			}
		}
	}
	t.Logf("%d cases, %d answers remembered", tried, hits)
	if tried < 150 || hits < tried {
		t.Errorf("only %d cases and %d remembered answers", tried, hits)
	}
}

// asEntrypoint returns a case whose query is one rule and whose input is an object.
func asEntrypoint(one *cases.TestCase) (*Source, string, bool) {
	body, err := ast.ParseBody(one.Query)
	if err != nil || len(body) != 1 || !body[0].IsEquality() || one.Input == nil || len(one.Modules) == 0 {
		return nil, "", false
	}
	ref, is := body[0].Operand(0).Value.(ast.Ref)
	input, failed := json.Marshal(*one.Input)
	if !is || !ref.IsGround() || failed != nil || input[0] != '{' {
		return nil, "", false
	}
	source := &Source{Modules: map[string]string{}, Entrypoints: []string{ref.String()}}
	for i, module := range one.Modules {
		source.Modules[fmt.Sprintf("test-%d.rego", i)] = module
	}
	if one.Data != nil {
		if source.Data, err = json.Marshal(*one.Data); err != nil {
			return nil, "", false
		}
	}
	return source, string(input), true
}

// readings returns the way to the answer of an input that was asked before.
func readings(t *testing.T, policy *Policy, input string) string {
	t.Helper()
	_, known := policy.Ask(0, []byte(input))
	if known == nil {
		t.Fatalf("not remembered: %s", input)
	}
	return string(policy.Readings(known.Way))
}

func TestWaysTellWhatWasRead(t *testing.T) {
	_, remembers := remembering(t, guarded, agents, roomy)
	first, _ := ask(remembers, call("read", "1", "5", "10", "a"))
	if got := string(remembers.Readings(first.Way)); got != `[["member",["tool","name"]]]` {
		t.Errorf("a read looks at %s", got)
	}
	ask(remembers, call("pay", "1", "5", "10", "a"))
	found := readings(t, remembers, call("pay", "2", "5", "10", "a"))
	wanted := `[["member",["tool","name"]],["member",["context","time"]],["member",["chain"]],` +
		`["member",["tool","arguments","cents"]]]`
	if found != wanted {
		t.Errorf("a payment looks at %s", found)
	}
	for _, number := range []int32{-1, 0, mostWays + 1} {
		if text := remembers.Readings(number); text != nil {
			t.Errorf("%d: %s", number, text)
		}
	}
}

// However many ways there are, a bounded number has one; the answers of the others are remembered all the same.
func TestWaysAreBounded(t *testing.T) {
	names := make([]string, mostWays+50)
	for i := range names {
		names[i] = fmt.Sprintf("n%d", i)
	}
	listing, _ := json.Marshal(map[string]any{"names": names})
	_, remembers := remembering(t, "package a\n\ndecision := input.a[data.names[input.b]]\n", string(listing), roomy)
	for i := range names {
		input := fmt.Sprintf(`{"a":{"n%d":1,"x":2},"b":%d}`, i, i)
		result, _ := ask(remembers, input)
		if (result.Way != 0) != (i < mostWays) {
			t.Fatalf("way %d of answer %d", result.Way, i)
		}
		if _, known := ask(remembers, input); !known {
			t.Fatalf("answer %d isn't remembered", i)
		}
	}
}
