package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/test/cases"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/util"
)

// differing lists OPA's cases that don't apply, with the reason. The beginning of a note stands for all that begin so.
var differing = map[string]string{
	"baseandvirtualdocs/base/virtual: conflicts": "a rule and a base document at one path are refused when compiling",
	"time/time caching":                          "needs test.sleep, a builtin of OPA's own tests",
}

// TestOPAsOwnCases runs the cases of OPA's v1 that its module holds, through this package's compiler, store, input and
// evaluation. Builtin errors are errors here; where OPA takes them for "doesn't match", the case is also run that way.
func TestOPAsOwnCases(t *testing.T) {
	all := opaCases(t)
	stricter, used := 0, map[string]bool{}
	for _, one := range all {
		t.Run(one.Note, func(t *testing.T) {
			for name, value := range one.Env {
				t.Setenv(name, value)
			}
			if reason := differs(one.Note, used); reason != "" {
				if problem, _ := runCase(&one); problem == nil {
					t.Errorf("runs as OPA wants, though it is listed: %s", reason)
				}
				return
			}
			problem, strict := runCase(&one)
			if strict {
				stricter++
			}
			if problem != nil {
				t.Error(problem)
			}
		})
	}
	t.Logf("%d cases; %d of them end with a builtin error here, where OPA goes on", len(all), stricter)
	if stricter == 0 || stricter > len(all)/10 {
		t.Errorf("%d cases end with a builtin error here only", stricter)
	}
	for begin := range differing {
		if !used[begin] {
			t.Errorf("%s is listed, but is no case", begin)
		}
	}
}

func opaCases(t *testing.T) []cases.TestCase {
	t.Helper()
	found, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa").Output()
	if err != nil {
		t.Fatalf("OPA's module isn't found: %v", err)
	}
	all := cases.MustLoad(strings.TrimSpace(string(found)) + "/v1/test/cases/testdata/v1").Sorted().Cases
	if len(all) < 1500 {
		t.Fatalf("only %d cases were read", len(all))
	}
	return all
}

func differs(note string, used map[string]bool) string {
	for begin, reason := range differing {
		if strings.HasPrefix(note, begin) {
			used[begin] = true
			return reason
		}
	}
	return ""
}

// runCase returns what is wrong, and whether the case ended with a builtin error that OPA ignores.
func runCase(one *cases.TestCase) (problem error, strict bool) {
	policy, query, err := prepareCase(one)
	if err != nil {
		return err, false
	}
	input, err := inputOf(one)
	if err != nil {
		return err, false
	}
	results, err := collect(policy, query, input)
	var raised *topdown.Error
	if errors.As(err, &raised) && (raised.Code == topdown.BuiltinErr || raised.Code == topdown.TypeErr) && !one.StrictError {
		strict = true
		results, err = leniently(policy, query, input)
	}
	return verdict(one, results, err), strict
}

func prepareCase(one *cases.TestCase) (*Policy, *entrypoint, error) {
	source := &Source{Modules: map[string]string{}}
	for i, module := range one.Modules {
		source.Modules[fmt.Sprintf("test-%d.rego", i)] = module
	}
	if one.Data != nil {
		data, err := json.Marshal(*one.Data)
		if err != nil {
			return nil, nil, err
		}
		source.Data = data
	}
	if one.ExperimentalKeywords {
		text, err := json.Marshal(ast.CapabilitiesForThisVersion(ast.CapabilitiesExperimentalKeywords(true)))
		if err != nil {
			return nil, nil, err
		}
		source.Capabilities = text
	}
	policy, err := Compile(source)
	if err != nil {
		return nil, nil, err
	}
	query, err := policy.compileQuery(ast.MustParseBody(one.Query))
	return policy, query, err
}

func inputOf(one *cases.TestCase) (ast.Value, error) {
	switch {
	case one.InputTerm != nil:
		return ast.MustParseTerm(*one.InputTerm).Value, nil
	case one.Input != nil:
		text, err := json.Marshal(*one.Input)
		if err != nil {
			return nil, err
		}
		return ParseJSON(text)
	}
	return nil, nil
}

func collect(policy *Policy, query *entrypoint, input ast.Value) ([]topdown.QueryResult, error) {
	var results []topdown.QueryResult
	ticket := &Ticket{}
	ticket.brake.arm(time.Now(), Limits{Deadline: time.Now().Add(time.Minute)})
	err := policy.iterate(query, input, ticket, tracing{}, func(result topdown.QueryResult) {
		results = append(results, result)
	})
	return results, err
}

func leniently(policy *Policy, query *entrypoint, input ast.Value) ([]topdown.QueryResult, error) {
	ctx := context.Background()
	txn, err := policy.store.NewTransaction(ctx)
	if err != nil {
		return nil, err
	}
	defer policy.store.Abort(ctx, txn)
	lenient := topdown.NewQuery(query.query).WithQueryCompiler(query.compiler).WithCompiler(policy.compiler).
		WithStore(policy.store).WithTransaction(txn)
	if input != nil {
		lenient = lenient.WithInput(ast.NewTerm(input))
	}
	results, err := lenient.Run(ctx)
	return results, err
}

func verdict(one *cases.TestCase, results []topdown.QueryResult, err error) error {
	if one.WantErrorCode != nil || one.WantError != nil {
		if err == nil {
			return errors.New("an error was expected")
		}
		var raised *topdown.Error
		if one.WantErrorCode != nil && errors.As(err, &raised) && raised.Code != *one.WantErrorCode {
			return fmt.Errorf("the error %s was expected: %w", *one.WantErrorCode, err)
		}
		if one.WantError != nil && !strings.Contains(err.Error(), *one.WantError) {
			return fmt.Errorf("the error %q was expected: %w", *one.WantError, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	wanted, got := ast.NewSet(), ast.NewSet()
	for _, bindings := range *one.WantResult {
		wanted.Add(ast.NewTerm(ast.MustInterfaceToValue(bindings)))
	}
	for _, result := range results {
		bindings := map[string]any{}
		for name, term := range result {
			if one.IgnoreGeneratedVars && strings.HasPrefix(string(name), "__localq") {
				continue
			}
			value, err := plainValue(term.Value)
			if err != nil {
				return err
			}
			if items, ok := value.([]any); ok && one.SortBindings {
				slices.SortFunc(items, util.Compare)
			}
			bindings[string(name)] = value
		}
		got.Add(ast.NewTerm(ast.MustInterfaceToValue(bindings)))
	}
	if wanted.Compare(got) != 0 {
		return fmt.Errorf("%v was expected, not %v", wanted, got)
	}
	return nil
}

// plainValue is a value as this package writes it, read back as plain Go values.
func plainValue(value ast.Value) (any, error) {
	text, err := AppendJSON(nil, value)
	if err != nil {
		return nil, err
	}
	var plain any
	return plain, util.UnmarshalJSON(text, &plain)
}
