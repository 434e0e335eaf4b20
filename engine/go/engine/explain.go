package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
)

// Explain evaluates any rule and returns OPA's trace of the evaluation. Mode is "full", "fails" or "notes"; with
// "conditions" it returns instead how far each clause of the rule came. Every clause is tried: none is left out because
// an index tells that it can't match.
func (p *Policy) Explain(path, mode string, input []byte, limits Limits, ticket *Ticket) (result Result) {
	defer recovered(&result)
	filters := map[string]func([]*topdown.Event) []*topdown.Event{
		"full": lineage.Full, "fails": lineage.Fails, "notes": lineage.Notes,
	}
	filter, known := filters[mode]
	if !known && mode != "conditions" {
		return Result{Failure: &Failure{Code: CodeInvalidQuery, Message: fmt.Sprintf("unknown mode %q", mode)}}
	}
	entry, err := p.prepare(path)
	if err != nil {
		return Result{Failure: &Failure{Code: CodeInvalidQuery, Message: err.Error()}}
	}
	value, err := parseJSON(input, nil)
	if err != nil {
		return Result{Failure: invalidInput(err)}
	}
	started := time.Now()
	ticket.brake.arm(started, limits)
	events, clauses := topdown.NewBufferTracer(), newConditions(p.compiler, entry.query)
	var tracer topdown.QueryTracer = events
	if mode == "conditions" {
		tracer = clauses
	}
	var found *ast.Term
	err = p.iterate(entry, value, ticket, tracing{tracer, true}, func(bindings topdown.QueryResult) {
		found = bindings[entry.result]
	})
	var answer struct {
		Result  json.RawMessage  `json:"result"`
		Failure *Failure         `json:"failure"`
		Trace   string           `json:"trace"`
		Clauses []*clauseOutcome `json:"clauses"`
	}
	switch {
	case err != nil:
		answer.Failure = failureOf(err, ticket.brake.stop.Load())
	case found == nil:
		answer.Failure = undefined()
	default:
		if answer.Result, err = AppendJSON(nil, found.Value); err != nil {
			answer.Failure = failureOf(err, running)
		}
	}
	answer.Clauses = clauses.outcomes()
	if known {
		var trace strings.Builder
		topdown.PrettyTraceWithLocation(&trace, filter(*events))
		answer.Trace = trace.String()
	}
	return marshalled(answer)
}

func marshalled(answer any) Result {
	text, err := json.Marshal(answer)
	if err != nil {
		return Result{Failure: failureOf(err, running)}
	}
	return Result{JSON: text}
}
