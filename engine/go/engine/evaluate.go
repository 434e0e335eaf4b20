package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/metrics"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const resultVar = ast.Var("result")

type entrypoint struct {
	query    ast.Body
	compiler ast.QueryCompiler
	result   ast.Var
	begin    digest // where its remembered answers begin
}

// Result is the outcome of one evaluation: JSON or a failure, and the durations of its parts.
type Result struct {
	JSON    []byte
	Failure *Failure
	ParseNS int64
	EvalNS  int64
	Way     int32 // the number of the way to a remembered answer; see Readings
}

// Limits bound one evaluation.
type Limits struct {
	Deadline  time.Time
	Hold      time.Time // stop with ErrHold at this time; zero is never
	HeapLimit uint64
}

// recovered is deferred: a panic becomes a failure of this one evaluation.
func recovered(result *Result) {
	if cause := recover(); cause != nil {
		*result = Result{Failure: &Failure{Code: CodeInternal, Message: fmt.Sprintf("the engine failed: %v", cause)}}
	}
}

func undefined() *Failure {
	return &Failure{Code: CodeUndefined, Message: "the entrypoint is undefined for this input"}
}

func invalidInput(err error) *Failure {
	return &Failure{Code: CodeInvalidInput, Message: "the input isn't JSON: " + err.Error()}
}

// ErrHold means that an evaluation didn't finish before its hold time; it has to be restarted on another goroutine.
var ErrHold = errors.New("not finished while the caller waited")

// Ticket lets another goroutine stop an evaluation.
type Ticket struct{ brake brake }

// Abandon stops the evaluation at the next poll.
func (t *Ticket) Abandon() { t.brake.Cancel() }

// TimedOut is the failure of an evaluation that reached its deadline. It has the place of the builtin that is running, if
// that is one that OPA can't interrupt.
func (t *Ticket) TimedOut() *Failure {
	failure := stopped(stoppedByDeadline)
	if at := t.brake.at.Load(); at != nil {
		failure.File, failure.Row, failure.Column = at.File, at.Row, at.Col
	}
	return failure
}

func (p *Policy) compileQuery(body ast.Body) (*entrypoint, error) { return p.compileQueryIn(body, nil) }

// compileQueryIn compiles a query that names what the context imports.
func (p *Policy) compileQueryIn(body ast.Body, context *ast.QueryContext) (*entrypoint, error) {
	compiler := p.compiler.QueryCompiler().WithEnablePrintStatements(false).WithContext(context)
	query, err := compiler.Compile(body)
	if err != nil {
		return nil, err
	}
	prepared := &entrypoint{query: query, compiler: compiler, result: resultVar}
	for rewritten, original := range compiler.RewrittenVars() {
		if original == resultVar {
			prepared.result = rewritten
		}
	}
	return prepared, nil
}

// Swift tells whether the policy's evaluations observe a hold time: see swiftBuiltins and weighing.
func (p *Policy) Swift() bool { return p.swift }

// Evaluate runs the entrypoint with this index. It returns ErrHold and no result only if limits has a hold. If asked isn't nil,
// it is the question that the input is, and the answer is remembered.
func (p *Policy) Evaluate(
	index int, input []byte, limits Limits, ticket *Ticket, asked *Question,
) (result Result, err error) {
	defer recovered(&result)
	if index < 0 || index >= len(p.entrypoints) {
		return Result{Failure: &Failure{Code: CodeInternal, Message: "no such entrypoint"}}, nil
	}
	value, parsed := p.begin(input, limits, ticket, asked, &result)
	if value == nil {
		return result, nil
	}
	term, runErr := p.run(p.entrypoints[index], value, ticket)
	if runErr == nil {
		result.JSON, runErr = ticket.brake.write(term.Value)
	}
	if runErr == nil && asked != nil {
		result.Way = asked.remember(result.JSON)
	}
	err = result.end(parsed, ticket, runErr)
	return result, err
}

// begin parses the input of an evaluation, lets a question that was asked watch it, and begins to bound the evaluation. It
// returns no value if the input isn't JSON; the result says so then.
func (p *Policy) begin(
	input []byte, limits Limits, ticket *Ticket, asked *Question, result *Result,
) (ast.Value, time.Time) {
	started := time.Now()
	value, err := parseJSON(input, p.inputs)
	parsed := time.Now()
	result.ParseNS = parsed.Sub(started).Nanoseconds()
	if err != nil {
		result.Failure = invalidInput(err)
		return nil, parsed
	}
	if asked != nil {
		value = asked.watching(value, input)
	}
	ticket.brake.arm(parsed, limits)
	return value, parsed
}

// end tells how long an evaluation took, and why it failed if it did. It returns ErrHold, and leaves no result, if the
// evaluation didn't finish before its hold time.
func (r *Result) end(begun time.Time, ticket *Ticket, failed error) error {
	r.EvalNS = time.Since(begun).Nanoseconds()
	if failed == nil {
		return nil
	}
	stop := ticket.brake.stop.Load()
	if stop == stoppedByHold {
		*r = Result{}
		return ErrHold
	}
	r.Failure = failureOf(failed, stop)
	return nil
}

func (b *brake) arm(now time.Time, limits Limits) {
	slow.begun.Add(1)
	b.started, b.deadline, b.hold, b.heapLimit = now, limits.Deadline, limits.Hold, limits.HeapLimit
	if now.After(limits.Deadline) {
		b.stop.CompareAndSwap(running, stoppedByDeadline)
	}
}

// write writes a result, and at most heldOutput of it while a caller waits.
func (b *brake) write(result ast.Value) ([]byte, error) {
	limit := maxOutput
	if !b.hold.IsZero() {
		limit = heldOutput
	}
	text, err := appendJSON(make([]byte, 0, 512), result, limit)
	if err != nil && limit == heldOutput {
		b.stop.CompareAndSwap(running, stoppedByHold)
	}
	return text, err
}

func (p *Policy) run(entry *entrypoint, input ast.Value, ticket *Ticket) (*ast.Term, error) {
	var found *ast.Term
	err := p.iterate(entry, input, ticket, tracing{}, func(bindings topdown.QueryResult) {
		found = bindings[entry.result]
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, undefined()
	}
	return found, nil
}

// tracing says what an evaluation is traced by, if it is. Every tries each clause: none is left out because OPA's index
// tells that it can't match.
type tracing struct {
	tracer topdown.QueryTracer
	every  bool
}

func (p *Policy) iterate(
	entry *entrypoint, input ast.Value, ticket *Ticket, trace tracing, each func(topdown.QueryResult),
) error {
	ctx := deadlineContext(ticket.brake.deadline)
	txn, err := p.store.NewTransaction(ctx)
	if err != nil {
		return err
	}
	defer p.store.Abort(ctx, txn)
	defer slow.leave(&ticket.brake)
	query := p.query(entry, txn, &ticket.brake)
	if input != nil {
		query = query.WithInput(ast.NewTerm(input))
	}
	if trace.tracer != nil {
		query = query.WithQueryTracer(trace.tracer).WithIndexing(!trace.every)
	}
	return query.Iter(ctx, func(bindings topdown.QueryResult) error {
		each(bindings)
		return nil
	})
}

// query returns what evaluates an entrypoint's query in a transaction until the brake stops it.
func (p *Policy) query(entry *entrypoint, txn storage.Transaction, until *brake) *topdown.Query {
	return topdown.NewQuery(entry.query).
		WithQueryCompiler(entry.compiler).
		WithCompiler(p.compiler).
		WithStore(p.store).
		WithTransaction(txn).
		WithMetrics(metrics.NoOp()).
		WithInterQueryBuiltinCache(p.responses).
		WithInterQueryBuiltinValueCache(p.values).
		WithStrictBuiltinErrors(true).
		WithCancel(until)
}

// lazyDeadline is a context that creates its timer when it is first waited on, which only network builtins do.
type lazyDeadline struct {
	context.Context
	at   time.Time
	once sync.Once
	done chan struct{}
}

func deadlineContext(at time.Time) context.Context {
	return &lazyDeadline{Context: context.Background(), at: at}
}

func (c *lazyDeadline) Deadline() (time.Time, bool) { return c.at, true }

func (c *lazyDeadline) Done() <-chan struct{} {
	c.once.Do(func() {
		c.done = make(chan struct{})
		time.AfterFunc(time.Until(c.at), func() { close(c.done) })
	})
	return c.done
}

func (c *lazyDeadline) Err() error {
	if time.Now().After(c.at) {
		return context.DeadlineExceeded
	}
	return nil
}
