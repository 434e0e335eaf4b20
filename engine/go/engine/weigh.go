package engine

import (
	"fmt"
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
)

// OPA polls the brake between steps and not while it compares, hashes or joins two values. The parts of a value may be
// shared, so a few lines of Rego make one that is small in memory and takes ages to walk. Weighing finds an upper bound of
// the largest step of a policy before it is evaluated, with shared parts counted as often as they occur.
const (
	maxStep      = 1_000_000          // nodes that one step of a swift policy may walk: about 30 ms
	maxHeldPolls = 2_048              // polls of an evaluation on its caller's thread, and so elements that its loops make
	maxWeighing  = 500_000            // terms that are looked at
	endless      = 1 << 40            // saturates: a value of unknown size
	inputNodes   = MaxHeldInput/2 + 1 // of the densest input
	textNodes    = maxResult/bytesPerNode + 1
)

// MaxHeldInput is how many bytes an input may have to be evaluated on its caller's thread: parsing it takes much less than
// 1 ms.
const MaxHeldInput = 8 << 10

// size is an upper bound of a value's nodes.
type size struct {
	whole int
	part  int // of the largest value in it
	sum   int // of all values together that a loop makes of it; 0: the same value each time
}

func scalar(nodes int) size { return size{whole: nodes, part: nodes} }

func capped(nodes int) int { return min(nodes, endless) }

func times(a, b int) int {
	if a != 0 && b > endless/a {
		return endless
	}
	return a * b
}

// inLoop is the sum of the values of one loop.
func (s size) inLoop() int {
	if s.sum > 0 {
		return s.sum
	}
	return times(maxHeldPolls, s.whole)
}

// with is the size of a value that holds both.
func (s size) with(other size) size {
	both := size{whole: capped(s.whole + other.whole), part: max(s.part, other.whole)}
	if s.sum > 0 || other.sum > 0 {
		both.sum = capped(s.inLoop() + other.inLoop())
	}
	return both
}

func (s size) or(other size) size {
	return size{max(s.whole, other.whole), max(s.part, other.part), max(s.sum, other.sum)}
}

// scope holds what is known of the variables of one body, and how many loops it has.
type scope struct {
	vars  map[ast.Var]size
	loops int
	most  int // elements that loops make at most
}

func (w *weighing) newScope() *scope { return &scope{vars: map[ast.Var]size{}, most: w.loops} }

// within is the scope of a body inside of another one, in which the variables of the outer one don't change.
func (in *scope) within() *scope {
	inner := &scope{vars: maps.Clone(in.vars), most: in.most}
	for name, known := range inner.vars {
		known.sum = 0
		inner.vars[name] = known
	}
	return inner
}

// sorting is about how many comparisons of an element it takes to sort those that loops make.
const sorting = 11

// collected is the size of a collection that a body makes with this head.
func (in *scope) collected(head size) size {
	total := times(in.most, head.whole)
	switch in.loops {
	case 0:
		total = head.whole
	case 1:
		total = min(total, head.inLoop())
	}
	return size{whole: capped(total + 1), part: head.whole}
}

type weighing struct {
	compiler *ast.Compiler
	data     ast.Value
	// What is known already; keys are texts of references, with arguments.
	rules       map[*ast.Rule]size
	calls       map[string]size
	base        map[string]size
	documents   map[string]size
	definitions map[string]int
	loops       int // elements that a loop makes at most
	input       int // nodes of the input at most
	unknown     size
	largest     int // step
	made        int // nodes of the largest value that is put together
	work        int
}

// hasSmallSteps tells whether no step of an evaluation of these entrypoints walks more than maxStep nodes.
func hasSmallSteps(compiler *ast.Compiler, data ast.Value, entrypoints []string) bool {
	w := newWeighing(compiler, data)
	w.weigh(entrypoints)
	return w.largest <= maxStep && w.work <= maxWeighing
}

// maxCopies is how often a part may be in one value by the composition of arrays, objects and sets alone. OPA copies each.
const maxCopies = 1_000_000

// boundCopies refuses rules that put a value into itself again and again: x1 := [x0, x0], x2 := [x1, x1] and so on. Two
// dozen lines of them take all memory, in a step that nothing can stop.
func boundCopies(compiler *ast.Compiler, entrypoints []string) error {
	w := newWeighing(compiler, nil)
	w.loops, w.input, w.unknown = 1, 1, scalar(1)
	if w.weigh(entrypoints); w.made <= maxCopies && w.work <= maxWeighing {
		return nil
	}
	message := fmt.Sprintf("a value of a rule holds another one more than %d times, in parts of parts: "+
		"refer to the value where it is needed, or use fewer levels", maxCopies)
	return Problems{{Code: "limit", Message: message}}
}

func newWeighing(compiler *ast.Compiler, data ast.Value) *weighing {
	return &weighing{
		compiler: compiler, data: data, loops: maxHeldPolls, input: inputNodes, unknown: scalar(endless),
		rules: map[*ast.Rule]size{}, calls: map[string]size{}, base: map[string]size{},
		documents: map[string]size{}, definitions: map[string]int{},
	}
}

func (w *weighing) weigh(entrypoints []string) {
	for _, entrypoint := range entrypoints {
		if ref, err := ast.ParseRef(entrypoint); err == nil { // compiling the query reports the problem
			w.ref(ref, w.newScope())
		}
	}
}

func (w *weighing) step(nodes int) { w.largest = max(w.largest, nodes) }

func (w *weighing) body(body ast.Body, in *scope) {
	for _, expr := range body {
		w.expr(expr, in)
	}
}

func (w *weighing) expr(expr *ast.Expr, in *scope) {
	if len(expr.With) > 0 {
		w.step(endless) // other inputs, data and functions
	}
	switch terms := expr.Terms.(type) {
	case *ast.Term:
		w.term(terms, in)
	case *ast.Every:
		domain := w.term(terms.Domain, in)
		inner := in.within()
		for _, bound := range []*ast.Term{terms.Key, terms.Value} {
			if bound != nil {
				w.bind(bound, scalar(domain.part), inner)
			}
		}
		w.body(terms.Body, inner)
	case []*ast.Term:
		w.call(terms[0], terms[1:], in)
	}
}

// term returns the size of a term; that of a variable without a value is 0.
func (w *weighing) term(term *ast.Term, in *scope) size {
	if w.work++; w.work > maxWeighing {
		return w.unknown
	}
	switch term.Value.(type) {
	case *ast.Array, ast.Set, ast.Object:
		var made size
		if ast.IsConstant(term.Value) {
			made = scalar(nodesOf(term.Value, endless))
		} else {
			made = w.composite(term, in)
		}
		w.made = max(w.made, made.whole)
		return made
	}
	return w.simple(term, in)
}

func (w *weighing) composite(term *ast.Term, in *scope) size {
	all := scalar(1)
	switch v := term.Value.(type) {
	case *ast.Array:
		v.Foreach(func(item *ast.Term) { all = all.with(w.term(item, in)) })
	case ast.Set:
		v.Foreach(func(item *ast.Term) { all = all.with(w.key(item, in)) })
	case ast.Object:
		v.Foreach(func(key, item *ast.Term) { all = all.with(w.key(key, in)).with(w.term(item, in)) })
	}
	return all
}

func (w *weighing) simple(term *ast.Term, in *scope) size {
	switch v := term.Value.(type) {
	case ast.String:
		return scalar(1 + len(v)/bytesPerNode)
	case ast.Var:
		return in.vars[v]
	case ast.Ref:
		return w.ref(v, in)
	case ast.Call:
		return w.call(v[0], v[1:], in)
	case *ast.ArrayComprehension:
		inner := in.within()
		w.body(v.Body, inner)
		return inner.collected(w.term(v.Term, inner))
	case *ast.SetComprehension:
		inner := in.within()
		w.body(v.Body, inner)
		return w.sorted(inner.collected(w.key(v.Term, inner)))
	case *ast.ObjectComprehension:
		inner := in.within()
		w.body(v.Body, inner)
		// A key that occurs twice compares its values.
		return inner.collected(w.key(v.Key, inner).with(w.key(v.Value, inner)))
	}
	return scalar(1)
}

// sorted is for a set, which is sorted when it is read. Its elements have much in common only if a policy wants that.
func (w *weighing) sorted(set size) size {
	if set.part > inputNodes+maxHeldPolls {
		w.step(times(set.whole, sorting))
	}
	return set
}

// key is term for a value that is compared with others.
func (w *weighing) key(term *ast.Term, in *scope) size {
	found := w.term(term, in)
	w.step(found.whole)
	return found
}

// bind gives the variables of a pattern that have no value yet one, and tells whether there were any.
func (w *weighing) bind(pattern *ast.Term, value size, in *scope) bool {
	if name, lone := pattern.Value.(ast.Var); lone {
		if _, known := in.vars[name]; known {
			return false
		}
		in.vars[name] = value
		return true
	}
	bound := false
	visitor := ast.NewVarVisitor().WithParams(ast.VarVisitorParams{SkipRefHead: true, SkipClosures: true, SkipRefCallHead: true})
	visitor.Walk(pattern)
	for name := range visitor.Vars() {
		if _, known := in.vars[name]; !known {
			in.vars[name] = size{value.whole, value.whole, value.sum}
			bound = true
		}
	}
	return bound
}

func (w *weighing) unify(a, b *ast.Term, in *scope) {
	left, right := w.term(a, in), w.term(b, in)
	w.settle(a, left, b.Value, right, in)
	for side, term := range []*ast.Term{a, b} {
		element, other := left, right
		if side == 1 {
			element, other = right, left
		}
		if _, isRef := term.Value.(ast.Ref); isRef && element.sum > 0 && other.whole > 0 {
			// Every element may be compared with the other side between two polls.
			w.step(min(element.sum, times(maxHeldPolls, other.whole)))
		}
	}
}

// settle unifies a term with a value; other is the value's term, if it has one.
func (w *weighing) settle(a *ast.Term, left size, other ast.Value, right size, in *scope) {
	if _, lone := a.Value.(ast.Var); lone && w.bind(a, right, in) {
		return
	}
	if name, lone := other.(ast.Var); lone {
		if _, known := in.vars[name]; !known {
			in.vars[name] = left
			return
		}
	}
	w.bind(a, left.with(right), in)
	if other != nil {
		w.bind(ast.NewTerm(other), left.with(right), in)
	}
	w.step(min(left.whole, right.whole))
}

func (w *weighing) call(operator *ast.Term, operands []*ast.Term, in *scope) size {
	name, ok := operator.Value.(ast.Ref)
	if !ok {
		return w.unknown
	}
	if name.String() == ast.Equality.Name && len(operands) == 2 {
		w.unify(operands[0], operands[1], in)
		return scalar(1)
	}
	var result size
	arity := len(operands)
	if name.HasPrefix(ast.DefaultRootRef) {
		functions := w.compiler.GetRulesDynamicWithOpts(name, ast.RulesOptions{IncludeHiddenModules: true})
		if len(functions) > 0 {
			arity = min(arity, len(functions[0].Head.Args))
		}
		result = w.function(name, functions, w.all(operands[:arity], in))
	} else {
		builtin := ast.BuiltinMap[name.String()]
		if builtin == nil {
			return w.unknown
		}
		arity = min(arity, builtin.Decl.Arity())
		if builtin.Relation {
			in.loops++
		}
		result = w.builtin(builtin, w.all(operands[:arity], in))
	}
	if arity < len(operands) {
		out := operands[arity]
		w.settle(out, w.term(out, in), nil, result, in)
	}
	return result
}

func (w *weighing) all(operands []*ast.Term, in *scope) []size {
	sizes := make([]size, len(operands))
	for i, operand := range operands {
		sizes[i] = w.term(operand, in)
	}
	return sizes
}
