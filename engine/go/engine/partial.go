package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
)

// PartialQuery is a prepared query of which unknowns are left open.
type PartialQuery struct {
	entry    *entrypoint
	unknowns []*ast.Term
	// known tells whether results can be remembered: the query reads the input through rules of the entrypoints only.
	known bool
}

// partials keeps the queries that were prepared last.
type partials struct {
	mu    sync.Mutex
	items map[string]*PartialQuery
}

const mostPartials = 16

// Prepare returns a query to be evaluated partially. The same query is prepared once.
func (p *Policy) Prepare(query string, unknowns []string) (prepared *PartialQuery, failure *Failure) {
	defer func() {
		if cause := recover(); cause != nil {
			failure = &Failure{Code: CodeInternal, Message: fmt.Sprintf("the engine failed: %v", cause)}
		}
	}()
	name := strings.Join(append([]string{query}, unknowns...), "\x00")
	p.partials.mu.Lock()
	defer p.partials.mu.Unlock()
	if found := p.partials.items[name]; found != nil {
		return found, nil
	}
	made, err := p.preparePartial(name, query, unknowns)
	if err != nil {
		return nil, &Failure{Code: CodeInvalidQuery, Message: err.Error()}
	}
	if p.partials.items == nil || len(p.partials.items) == mostPartials {
		p.partials.items = map[string]*PartialQuery{}
	}
	p.partials.items[name] = made
	return made, nil
}

func (p *Policy) preparePartial(name, query string, unknowns []string) (*PartialQuery, error) {
	body, err := ast.ParseBodyWithOpts(query, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	terms := make([]*ast.Term, len(unknowns))
	for i, unknown := range unknowns {
		if terms[i], err = ast.ParseTerm(unknown); err != nil {
			return nil, err
		}
	}
	known := p.answers != nil && p.answers.cover(p.compiler, body)
	entry, err := p.compileQuery(body)
	if err != nil {
		return nil, err
	}
	if known {
		entry.begin = p.answers.begin(name)
	}
	return &PartialQuery{entry, terms, known}, nil
}

// Partial evaluates a query partially. The result is OPA's: the residual queries (none: never true; an empty one: always true)
// and the modules they refer to.
func (p *Policy) Partial(query *PartialQuery, input []byte, limits Limits, ticket *Ticket) Result {
	result, _ := p.partially(query, input, limits, ticket, nil, partialJSON)
	return result
}

// Residual evaluates a query partially and tells, as JSON {queries, unconditional}, how many residual queries there are and
// whether one of them is true for all values of the unknowns. It returns ErrHold and no result only if limits has a hold. If
// asked isn't nil, it is the question that the input is, and the result is remembered.
func (p *Policy) Residual(
	query *PartialQuery, input []byte, limits Limits, ticket *Ticket, asked *Question,
) (Result, error) {
	return p.partially(query, input, limits, ticket, asked, residualJSON)
}

func (p *Policy) partially(
	query *PartialQuery, input []byte, limits Limits, ticket *Ticket, asked *Question,
	show func([]ast.Body, []*ast.Module) ([]byte, error),
) (result Result, err error) {
	defer recovered(&result)
	value, parsed := p.begin(input, limits, ticket, asked, &result)
	if value == nil {
		return result, nil
	}
	queries, support, runErr := p.partialRun(query, value, limits, ticket)
	if runErr == nil {
		result.JSON, runErr = show(queries, support)
	}
	if runErr == nil && asked != nil {
		asked.remember(result.JSON)
	}
	err = result.end(parsed, ticket, runErr)
	return result, err
}

func (p *Policy) partialRun(
	query *PartialQuery, input ast.Value, limits Limits, ticket *Ticket,
) ([]ast.Body, []*ast.Module, error) {
	ctx := deadlineContext(limits.Deadline)
	txn, err := p.store.NewTransaction(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer p.store.Abort(ctx, txn)
	defer slow.leave(&ticket.brake)
	return p.query(query.entry, txn, &ticket.brake).
		WithUnknowns(query.unknowns).
		WithInput(ast.NewTerm(input)).
		PartialRun(ctx)
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

func residualJSON(queries []ast.Body, _ []*ast.Module) ([]byte, error) {
	unconditional := false
	for _, query := range queries {
		unconditional = unconditional || alwaysTrue(query)
	}
	return fmt.Appendf(nil, `{"queries":%d,"unconditional":%t}`, len(queries), unconditional), nil
}

// alwaysTrue tells whether each expression of a query only binds a generated variable to a constant.
func alwaysTrue(query ast.Body) bool {
	for _, expr := range query {
		if expr.Negated || len(expr.With) > 0 || !expr.IsEquality() || len(expr.Operands()) != 2 {
			return false
		}
		left, right := expr.Operand(0), expr.Operand(1)
		if !(isGenerated(left) && isDocument(right)) && !(isGenerated(right) && isDocument(left)) {
			return false
		}
	}
	return true
}

func isGenerated(term *ast.Term) bool {
	name, is := term.Value.(ast.Var)
	return is && strings.HasPrefix(string(name), "$")
}

// isDocument tells whether a term is a JSON value.
func isDocument(term *ast.Term) bool {
	switch value := term.Value.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		return true
	case *ast.Array:
		return !value.Until(func(item *ast.Term) bool { return !isDocument(item) })
	case ast.Object:
		return !value.Until(func(key, item *ast.Term) bool {
			_, named := key.Value.(ast.String)
			return !named || !isDocument(item)
		})
	}
	return false
}
