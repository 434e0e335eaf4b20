package engine

import (
	"cmp"
	"slices"
	"sort"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	// maxTried bounds the clauses whose outcome is kept, and maxRunning the queries that are told apart.
	maxTried   = 10_000
	maxRunning = 200_000
	// maxHelperDepth is how many helpers are followed, one within another.
	maxHelperDepth = 8
)

// conditions is a tracer that keeps how far the clauses of a query came, and those of the helpers that they use: one
// outcome for each way through the rules, however many events there are.
type conditions struct {
	compiler *ast.Compiler
	root     *tried
	count    int
	running  map[uint64]*frame
	latest   map[*ast.Rule]*tried // of rules without arguments, whose result is kept and isn't computed again
	branches map[*ast.Rule]int    // of rules with else, from 1
}

// tried is one clause, used by one condition of another one. Of all evaluations it keeps the one that came furthest.
type tried struct {
	rule    *ast.Rule
	body    ast.Body
	depth   int
	matched bool
	failed  *ast.Expr
	values  []boundValue
	helpers map[int]map[*ast.Rule]*tried // by the index of the condition that used them
}

// frame is a query that is running: the body of a clause, or of a comprehension or negation in one of its conditions.
type frame struct {
	clause *tried
	at     int
	within bool
}

func newConditions(compiler *ast.Compiler, query ast.Body) *conditions {
	return &conditions{
		compiler: compiler,
		root:     &tried{body: query},
		running:  map[uint64]*frame{},
		latest:   map[*ast.Rule]*tried{},
		branches: branchesOf(compiler),
	}
}

// branchesOf numbers the branches of each rule with else, in the order in which they are tried. How Tabard's library comes to
// a value is its own business.
func branchesOf(compiler *ast.Compiler) map[*ast.Rule]int {
	found := map[*ast.Rule]int{}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			if rule.Else == nil || isOfLibrary(rule) {
				continue
			}
			for number := 1; rule != nil; number++ {
				found[rule] = number
				rule = rule.Else
			}
		}
	}
	return found
}

func (c *conditions) Enabled() bool { return true }

func (c *conditions) Config() topdown.TraceConfig { return topdown.TraceConfig{PlugLocalVars: true} }

func (c *conditions) TraceEvent(event topdown.Event) {
	running := c.running[event.QueryID]
	if running == nil {
		if running = c.begin(event); running == nil {
			return
		}
	}
	if running.within {
		return
	}
	clause := running.clause
	switch event.Op {
	case topdown.EvalOp, topdown.RedoOp:
		if expr, is := event.Node.(*ast.Expr); is {
			running.at = expr.Index
		}
	case topdown.ExitOp:
		clause.matched, clause.failed, clause.values = true, nil, nil
	case topdown.FailOp:
		expr, is := event.Node.(*ast.Expr)
		if is && !clause.matched && (clause.failed == nil || expr.Index >= clause.failed.Index) {
			clause.failed, clause.values = expr, valuesIn(expr, clause.body, &event)
		}
	}
}

// begin finds out what a query that has just begun belongs to. It returns nil if nothing is to be kept of it.
func (c *conditions) begin(event topdown.Event) *frame {
	if len(c.running) >= maxRunning {
		return nil
	}
	parent := c.running[event.ParentID]
	var begun *frame
	rule, isRule := event.Node.(*ast.Rule)
	switch {
	case len(c.running) == 0:
		begun = &frame{clause: c.root}
	case parent == nil:
		return nil
	case isRule && event.Op == topdown.EnterOp:
		clause := c.clause(parent, rule)
		if clause == nil {
			return nil
		}
		begun = &frame{clause: clause}
	default:
		begun = &frame{clause: parent.clause, at: parent.at, within: true}
	}
	c.running[event.QueryID] = begun
	return begun
}

func (c *conditions) clause(parent *frame, rule *ast.Rule) *tried {
	used := parent.clause.helpers[parent.at]
	clause := used[rule]
	if clause == nil {
		if parent.clause.depth >= maxHelperDepth || c.count >= maxTried {
			return nil
		}
		c.count++
		clause = &tried{rule: rule, body: rule.Body, depth: parent.clause.depth + 1}
		if used == nil {
			used = map[*ast.Rule]*tried{}
			if parent.clause.helpers == nil {
				parent.clause.helpers = map[int]map[*ast.Rule]*tried{}
			}
			parent.clause.helpers[parent.at] = used
		}
		used[rule] = clause
	}
	if len(rule.Head.Args) == 0 {
		c.latest[rule] = clause
	}
	return clause
}

// outcomes returns how far the clauses came that the query itself uses, in the order of their places.
func (c *conditions) outcomes() []*clauseOutcome {
	var found []*tried
	for index, expr := range c.root.body {
		found = append(found, c.used(c.root, []int{index}, []*ast.Expr{expr})...)
	}
	return c.told(found)
}

func (c *conditions) told(clauses []*tried) []*clauseOutcome {
	outcomes := make([]*clauseOutcome, 0, len(clauses))
	for _, clause := range inOrder(clauses) {
		outcomes = append(outcomes, c.outcome(clause))
	}
	return outcomes
}

func (c *conditions) outcome(clause *tried) *clauseOutcome {
	rule := clause.rule
	told := &clauseOutcome{
		Rule: rule.Ref().String(), File: rule.Location.File, Row: rule.Location.Row, Matched: clause.matched,
		Branch: c.branches[rule],
	}
	if clause.failed == nil {
		return told
	}
	told.Failed, told.At, told.Negated = written(clause.failed), clause.failed.Location.Row, clause.failed.Negated
	told.Values = writtenValues(clause.values)
	told.Helpers = c.told(c.reasons(clause))
	return told
}

// reasons returns the clauses that tell why a condition failed: of a negated one those that matched, and otherwise those
// that failed. Of a rule with else that has a value, these are the branches up to the one that gives it.
func (c *conditions) reasons(clause *tried) []*tried {
	indexes, parts := partsOf(clause.failed, clause.body)
	used := c.used(clause, indexes, parts)
	defined := map[string]bool{}
	for _, one := range used {
		if one.matched && one.rule.Head.RuleKind() == ast.SingleValue && !isDefaultOrFalse(one.rule) {
			defined[one.rule.Ref().String()] = true
		}
	}
	return slices.DeleteFunc(used, func(one *tried) bool {
		if isOfLibrary(one.rule) && (isPrivate(one.rule) || isOfLibrary(clause.rule)) {
			return true
		}
		if clause.failed.Negated {
			return !one.matched || one.rule.Default
		}
		return c.branches[one.rule] == 0 && (one.matched || defined[one.rule.Ref().String()])
	})
}

// used returns the clauses that these conditions of a clause used, also if their results were known already.
func (c *conditions) used(clause *tried, indexes []int, conditions []*ast.Expr) []*tried {
	var found []*tried
	seen := map[*ast.Rule]bool{}
	for _, index := range indexes {
		for rule, one := range clause.helpers[index] {
			seen[rule] = true
			found = append(found, one)
		}
	}
	for _, condition := range conditions {
		ast.WalkRefs(condition, func(ref ast.Ref) bool {
			if !ref.HasPrefix(ast.DefaultRootRef) {
				return false
			}
			for _, rule := range c.compiler.GetRules(ref.GroundPrefix()) {
				for ; rule != nil; rule = rule.Else {
					if one := c.latest[rule]; one != nil && !seen[rule] {
						seen[rule] = true
						found = append(found, one)
					}
				}
			}
			return false
		})
	}
	return found
}

func inOrder(clauses []*tried) []*tried {
	sort.SliceStable(clauses, func(i, j int) bool {
		one, other := clauses[i].rule.Location, clauses[j].rule.Location
		return cmp.Or(cmp.Compare(one.File, other.File), cmp.Compare(one.Row, other.Row),
			cmp.Compare(one.Col, other.Col)) < 0
	})
	return clauses
}
