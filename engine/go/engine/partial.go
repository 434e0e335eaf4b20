package engine

import (
	"encoding/json"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Partial evaluates a query partially, leaving the unknowns open. The result is OPA's: the residual queries (none: never
// true; an empty one: always true) and the modules they refer to.
func (p *Policy) Partial(
	query string, input []byte, unknowns []string, limits Limits, ticket *Ticket,
) (result Result) {
	defer recovered(&result)
	entry, terms, failure := p.partialQuery(query, unknowns)
	if failure != nil {
		return Result{Failure: failure}
	}
	started := time.Now()
	value, parseErr := parseJSON(input, p.inputs)
	parsed := time.Now()
	result.ParseNS = parsed.Sub(started).Nanoseconds()
	if parseErr != nil {
		result.Failure = invalidInput(parseErr)
		return result
	}
	ticket.brake.arm(parsed, limits)
	ctx := deadlineContext(limits.Deadline)
	txn, runErr := p.store.NewTransaction(ctx)
	if runErr == nil {
		defer p.store.Abort(ctx, txn)
		defer slow.leave(&ticket.brake)
		var queries []ast.Body
		var support []*ast.Module
		queries, support, runErr = topdown.NewQuery(entry.query).
			WithQueryCompiler(entry.compiler).
			WithCompiler(p.compiler).
			WithStore(p.store).
			WithTransaction(txn).
			WithMetrics(metrics.NoOp()).
			WithInterQueryBuiltinCache(p.responses).
			WithInterQueryBuiltinValueCache(p.values).
			WithStrictBuiltinErrors(true).
			WithCancel(&ticket.brake).
			WithUnknowns(terms).
			WithInput(ast.NewTerm(value)).
			PartialRun(ctx)
		if runErr == nil {
			result.JSON, runErr = partialJSON(queries, support)
		}
	}
	result.EvalNS = time.Since(parsed).Nanoseconds()
	if runErr != nil {
		result.Failure = failureOf(runErr, ticket.brake.stop.Load())
	}
	return result
}

func partialJSON(queries []ast.Body, support []*ast.Module) ([]byte, error) {
	if queries == nil {
		queries = []ast.Body{}
	}
	if support == nil {
		support = []*ast.Module{}
	}
	astOptions.RLock()
	defer astOptions.RUnlock()
	return json.Marshal(map[string]any{"queries": queries, "support": support})
}

func (p *Policy) partialQuery(query string, unknowns []string) (*entrypoint, []*ast.Term, *Failure) {
	invalid := func(err error) (*entrypoint, []*ast.Term, *Failure) {
		return nil, nil, &Failure{Code: CodeInvalidQuery, Message: err.Error()}
	}
	body, err := ast.ParseBodyWithOpts(query, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return invalid(err)
	}
	terms := make([]*ast.Term, len(unknowns))
	for i, unknown := range unknowns {
		if terms[i], err = ast.ParseTerm(unknown); err != nil {
			return invalid(err)
		}
	}
	entry, err := p.compileQuery(body)
	if err != nil {
		return invalid(err)
	}
	return entry, terms, nil
}
