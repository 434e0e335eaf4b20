package engine

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// maxFrames bounds the queries of an evaluation that are told apart; what later ones do counts for no caller.
const maxFrames = 1_000_000

// Profile evaluates any rule and returns what each expression of the policy cost. The policy has to be compiled as it is
// written. A failure of the evaluation is a part of the answer.
func (p *Policy) Profile(path string, input []byte, limits Limits, ticket *Ticket) (result Result) {
	defer recovered(&result)
	tracer := newProfile(p.compiler)
	// The thread's own time counts: a busy machine says nothing of a policy.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	started := ThreadTime()
	failure := p.traced(path, input, limits, ticket, tracer)
	spent := ThreadTime() - started
	if failure != nil && failure.Code == CodeInvalidQuery {
		return Result{Failure: failure}
	}
	return marshalled(struct {
		Failure *Failure `json:"failure"`
		Spent   int64    `json:"ns"`
		Steps   []*cost  `json:"steps"`
	}{failure, spent.Nanoseconds(), tracer.told()})
}

// cost is what one expression cost: how often it was evaluated, how often it had a solution, and the thread's time until the
// next step. An expression of Tabard's library counts apart for each expression of the policy that leads to it.
type cost struct {
	costKey
	Text      string `json:"text"`
	Evals     int    `json:"evals"`
	Solutions int    `json:"solutions"`
	Spent     int64  `json:"ns"`
}

// costKey tells expressions apart, also those that the compiler made of one. File, row and column are of the policy's own
// expression, and Inside is the one of the library if it runs there.
type costKey struct {
	File    string `json:"file"`
	Row     int    `json:"row"`
	Column  int    `json:"column"`
	Index   int    `json:"index"`
	Negated bool   `json:"negated"`
	Inside  string `json:"inside"`
}

type profile struct {
	library map[string]bool // files
	steps   map[costKey]*cost
	frames  map[uint64]*profiled
	last    *cost
	since   time.Duration
}

// profiled is a query that is running, with the expression of it that was evaluated last, and the policy's own expression that
// led to it.
type profiled struct {
	at  *ast.Expr
	own *ast.Expr
}

func newProfile(compiler *ast.Compiler) *profile {
	made := &profile{library: map[string]bool{}, steps: map[costKey]*cost{}, frames: map[uint64]*profiled{}}
	for file, module := range compiler.Modules {
		made.library[file] = isLibrary(module)
	}
	return made
}

func (p *profile) Enabled() bool { return true }

func (p *profile) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

func (p *profile) TraceEvent(event topdown.Event) {
	expr, is := event.Node.(*ast.Expr)
	frame := p.frame(&event)
	if !is || (event.Op != topdown.EvalOp && event.Op != topdown.RedoOp) {
		return
	}
	if p.last != nil {
		p.last.Spent += (ThreadTime() - p.since).Nanoseconds()
	}
	at := p.step(expr, frame)
	if event.Op == topdown.EvalOp {
		at.Evals++
		frame.at = expr
	} else {
		at.Solutions++
	}
	p.last, p.since = at, ThreadTime()
}

// frame returns the query of an event.
func (p *profile) frame(event *topdown.Event) *profiled {
	if known := p.frames[event.QueryID]; known != nil {
		return known
	}
	begun := &profiled{}
	if parent := p.frames[event.ParentID]; parent != nil {
		begun.own = parent.own
		if parent.at != nil && !p.isLibrary(parent.at) {
			begun.own = parent.at
		}
	}
	if len(p.frames) < maxFrames {
		p.frames[event.QueryID] = begun
	}
	return begun
}

func (p *profile) step(expr *ast.Expr, frame *profiled) *cost {
	key := keyOf(expr)
	text := expr
	if frame.own != nil && p.isLibrary(expr) {
		key, text = keyOf(frame.own), frame.own
		key.Inside = keyOf(expr).String()
	}
	known := p.steps[key]
	if known == nil {
		known = &cost{costKey: key, Text: inOneLine(textOf(text), maxConditionText)}
		p.steps[key] = known
	}
	return known
}

func keyOf(expr *ast.Expr) costKey {
	key := costKey{Index: expr.Index, Negated: expr.Negated}
	if at := expr.Location; at != nil {
		key.File, key.Row, key.Column = at.File, at.Row, at.Col
	}
	return key
}

func (k costKey) String() string {
	text := fmt.Sprintf("%s:%d:%d/%d", k.File, k.Row, k.Column, k.Index)
	if k.Negated {
		text += " not"
	}
	return text
}

func (p *profile) isLibrary(expr *ast.Expr) bool {
	return expr.Location != nil && p.library[expr.Location.File]
}

// told returns the steps in the order of their places.
func (p *profile) told() []*cost {
	found := make([]*cost, 0, len(p.steps))
	for _, one := range p.steps {
		found = append(found, one)
	}
	slices.SortFunc(found, func(a, b *cost) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Row, b.Row), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Index, b.Index), cmp.Compare(a.Inside, b.Inside))
	})
	return found
}
