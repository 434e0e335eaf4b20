package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

const module = `package a

facts := {"names": [name | some name, _ in input.subject], "who": data.users[input.subject.id], "sorted": sort(input.list)}
`

// Many evaluations use cached values, shared keys and the store at once: run with -race.
func TestConcurrentEvaluationsShareWhatIsRemembered(t *testing.T) {
	policy, err := Compile(&Source{
		Modules:     map[string]string{"a.rego": module},
		Data:        json.RawMessage(`{"users": {"u1": {"b": 1, "a": 2}, "u2": {"z": 1, "y": [3, 2]}}}`),
		Entrypoints: []string{"data.a.facts"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for i := range 300 {
				id := (worker+i)%2 + 1
				input := fmt.Sprintf(`{"subject":{"id":"u%d","zeta":1,"alpha":"%s"},"list":[%d,3,1]}`,
					id, strings.Repeat("x", 80), i)
				limits := Limits{Deadline: time.Now().Add(time.Minute)}
				result, err := policy.Evaluate(0, []byte(input), limits, &Ticket{}, nil)
				if err != nil || result.Failure != nil {
					t.Error(err, result.Failure)
					return
				}
				if !strings.Contains(string(result.JSON), `"names":["alpha","id","zeta"]`) {
					t.Errorf("unexpected result %s", result.JSON)
					return
				}
			}
		})
	}
	workers.Wait()
}

func TestMemoryIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	known := newMemory(rememberedTotal)
	text := func(n int) []byte { return fmt.Appendf(nil, `{"n":%d,"pad":"%s"}`, n, strings.Repeat("x", 1000)) }
	use := func(n int) bool {
		body := text(n)
		if known.recall(known.hash(body), body) != nil {
			return true
		}
		known.remember(known.hash(body), body, ast.NullValue)
		return false
	}
	for range 2 {
		use(0)
	}
	for n := 1; n < 5000; n++ {
		use(n)
		use(n)
		if !use(0) {
			t.Fatalf("what is used all the time was forgotten after %d others", n)
		}
		if known.total > rememberedTotal || len(known.items) != len(known.queue) {
			t.Fatalf("%d bytes in %d items, %d queued", known.total, len(known.items), len(known.queue))
		}
	}
}

func TestMemoryChangesNothing(t *testing.T) {
	known := newMemory(rememberedTotal)
	for n := range 200 {
		var calls []string
		for at := n; at < n+20; at++ {
			calls = append(calls, fmt.Sprintf(`{"tool":"tool-%d","allowed":true,"labels":["a","b"],"at":%d.5}`, at%7, 1e9+at))
		}
		list := strings.Join(calls, ", ")
		text := fmt.Appendf(nil, `{"n":%d,"history":{"calls":[%s],"labels":["a"]},"again":{"calls":[%s],"deep":[[%s]]}}`, n, list, list, list)
		expected, err := ParseJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		found, err := parseJSON(text, known)
		if err != nil || found.Compare(expected) != 0 {
			t.Fatalf("%s was remembered as %v: %v", text, found, err)
		}
	}
	if len(known.items) == 0 {
		t.Fatal("nothing was remembered")
	}
	for _, broken := range []string{`{"h":{"c":[{"a":1]}}`, `{"h":{"c":[{"a":1,"a":1}]}}`, `{"h":{"c":[{"a":"\x"}]}}`} {
		padded := strings.Replace(broken, `"a":1`, `"a":1,"pad":"`+strings.Repeat("x", 100)+`"`, 1)
		for range 3 {
			if value, err := parseJSON([]byte(padded), known); err == nil {
				t.Fatalf("%s was taken for JSON: %v", padded, value)
			}
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"\u0041\ud83d\ude00"]}`, `[[[]]]`, `"\"`, `{"a":1,"a":2}`, `-`, `1e99999`} {
		f.Add([]byte(seed))
	}
	known := newMemory(rememberedTotal)
	f.Fuzz(func(t *testing.T, text []byte) {
		value, err := ParseJSON(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q was taken for JSON", text)
		}
		for range 3 {
			if remembered, err := parseJSON(text, known); err != nil || remembered.Compare(value) != 0 {
				t.Fatalf("%q was remembered as %v: %v", text, remembered, err)
			}
		}
		again, err := AppendJSON(nil, value)
		if err != nil {
			t.Fatal(err)
		}
		same, err := ParseJSON(again)
		if err != nil || same.Compare(value) != 0 {
			t.Fatalf("%q came back as %q: %v", text, again, err)
		}
	})
}
