package engine

import (
	"sort"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	maxClauses       = 10_000
	maxConditionText = 300
)

// clauseOutcome tells how far one clause of a rule came. Failed is the text of the condition that stopped it, as it is
// written; of a clause that iterates, the last condition that any iteration reached. It is empty if the clause matched.
type clauseOutcome struct {
	File    string `json:"file"`
	Row     int    `json:"row"`
	Matched bool   `json:"matched"`
	Failed  string `json:"failed"`
	At      int    `json:"at"`
	index   int
}

// conditions is a tracer that keeps one outcome for each clause of a rule, however many events there are.
type conditions struct {
	path    string
	running map[uint64]*clauseOutcome
	clauses map[*ast.Rule]*clauseOutcome
}

func newConditions(path string) *conditions {
	return &conditions{path, map[uint64]*clauseOutcome{}, map[*ast.Rule]*clauseOutcome{}}
}

func (c *conditions) Enabled() bool { return true }

func (c *conditions) Config() topdown.TraceConfig { return topdown.TraceConfig{} }

func (c *conditions) TraceEvent(event topdown.Event) {
	switch event.Op {
	case topdown.EnterOp:
		if rule, is := event.Node.(*ast.Rule); is && rule.Ref().String() == c.path {
			c.enter(rule, event.QueryID)
		}
	case topdown.ExitOp:
		if clause := c.running[event.QueryID]; clause != nil {
			clause.Matched, clause.Failed, clause.At = true, "", 0
		}
	case topdown.FailOp:
		clause := c.running[event.QueryID]
		if expr, is := event.Node.(*ast.Expr); is && clause != nil && !clause.Matched && expr.Index >= clause.index {
			clause.index, clause.Failed, clause.At = expr.Index, written(expr), expr.Location.Row
		}
	}
}

func (c *conditions) enter(rule *ast.Rule, query uint64) {
	clause := c.clauses[rule]
	if clause == nil {
		if len(c.clauses) >= maxClauses {
			return
		}
		clause = &clauseOutcome{File: rule.Location.File, Row: rule.Location.Row, index: -1}
		c.clauses[rule] = clause
	}
	if len(c.running) < maxClauses {
		c.running[query] = clause
	}
}

// outcomes returns the clauses in the order of their places.
func (c *conditions) outcomes() []*clauseOutcome {
	found := make([]*clauseOutcome, 0, len(c.clauses))
	for _, clause := range c.clauses {
		found = append(found, clause)
	}
	sort.Slice(found, func(i, j int) bool {
		if found[i].File != found[j].File {
			return found[i].File < found[j].File
		}
		return found[i].Row < found[j].Row
	})
	return found
}

// written returns an expression as its author wrote it, in one line. Where a part of it has no value, it is that part.
func written(expr *ast.Expr) string {
	text := string(expr.Location.Text)
	if text == "" {
		text = expr.String()
	}
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxConditionText {
		text = string(runes[:maxConditionText]) + "…"
	}
	if isPart(expr) {
		text += " has no value"
	}
	return text
}

// isPart tells whether the compiler took this expression out of another one, which needs its value.
func isPart(expr *ast.Expr) bool {
	if !expr.IsEquality() {
		return false
	}
	variable, is := expr.Operand(0).Value.(ast.Var)
	return is && variable.IsGenerated()
}
