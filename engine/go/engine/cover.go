package engine

import (
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Cover evaluates any rule and returns OPA's coverage report of the named files: which parts ran, and which didn't. The
// policy has to be compiled as it is written. A failure of the evaluation is a part of the answer.
func (p *Policy) Cover(path string, files []string, input []byte, limits Limits, ticket *Ticket) (result Result) {
	defer recovered(&result)
	tracer := cover.New()
	failure := p.traced(path, input, limits, ticket, tracer)
	if failure != nil && failure.Code == CodeInvalidQuery {
		return Result{Failure: failure}
	}
	modules := map[string]*ast.Module{}
	for _, name := range files {
		if module := p.compiler.ParsedModules()[name]; module != nil {
			modules[name] = module
		}
	}
	report := tracer.Report(modules)
	for name := range report.Files {
		if !slices.Contains(files, name) {
			delete(report.Files, name)
		}
	}
	return marshalled(struct {
		Failure *Failure                     `json:"failure"`
		Files   map[string]*cover.FileReport `json:"files"`
	}{failure, report.Files})
}

// tellingShare is the share of the time that is left for telling what was found until then.
const tellingShare = 10

// traced evaluates any rule with a tracer, as a sidecar does: with OPA's index. Without a result it says why.
func (p *Policy) traced(path string, input []byte, limits Limits, ticket *Ticket, tracer topdown.QueryTracer) *Failure {
	entry, err := p.prepare(path)
	if err != nil {
		return &Failure{Code: CodeInvalidQuery, Message: err.Error()}
	}
	value, err := parseJSON(input, nil)
	if err != nil {
		return invalidInput(err)
	}
	now := time.Now()
	limits.Deadline = limits.Deadline.Add(-limits.Deadline.Sub(now) / tellingShare)
	ticket.brake.arm(now, limits)
	found := false
	err = p.iterate(entry, value, ticket, tracing{tracer: tracer}, func(topdown.QueryResult) { found = true })
	switch {
	case err != nil:
		return failureOf(err, ticket.brake.stop.Load())
	case !found:
		return undefined()
	}
	return nil
}
