package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	maxShown      = 100     // values of one expression
	maxShownBytes = 1 << 16 // of one value
)

var errShown = errors.New("the value is larger than 65536 bytes: ask for a part of it, or for its count")

// Show evaluates one expression, which may name what the policy's rules may name. Names are short names of references,
// for example {"desk": "data.policy.desk"}. It returns the expression's values, several if it iterates, and how far the
// clauses came that it uses.
func (p *Policy) Show(expression string, names map[string]string, input []byte, limits Limits, ticket *Ticket) (result Result) {
	defer recovered(&result)
	entry, err := p.shownQuery(expression, names)
	if err != nil {
		return Result{Failure: &Failure{Code: CodeInvalidQuery, Message: err.Error()}}
	}
	value, err := parseJSON(input, nil)
	if err != nil {
		return Result{Failure: invalidInput(err)}
	}
	ticket.brake.arm(time.Now(), limits)
	clauses := newConditions(p.compiler, entry.query)
	found := ast.NewSet()
	more := false
	err = p.iterate(entry, value, ticket, tracing{clauses, true}, func(bindings topdown.QueryResult) {
		one := bindings[entry.result]
		switch {
		case one == nil:
		case found.Len() < maxShown:
			found.Add(one)
		default:
			more = more || !found.Contains(one)
		}
	})
	answer := struct {
		Values  []json.RawMessage `json:"values"`
		More    bool              `json:"more"`
		Failure *Failure          `json:"failure"`
		Clauses []*clauseOutcome  `json:"clauses"`
	}{Values: []json.RawMessage{}, More: more}
	for _, one := range found.Slice() {
		text, tooLong := appendJSON(nil, one.Value, maxShownBytes)
		if tooLong != nil || len(text) > maxShownBytes {
			err = errShown
			break
		}
		answer.Values = append(answer.Values, text)
	}
	if err != nil {
		answer.Failure = failureOf(err, ticket.brake.stop.Load())
	}
	answer.Clauses = clauses.outcomes()
	return marshalled(answer)
}

func (p *Policy) shownQuery(expression string, names map[string]string) (*entrypoint, error) {
	term, err := parseExpression(expression)
	if err != nil {
		return nil, err
	}
	imports := make([]*ast.Import, 0, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		path, err := ast.ParseRef(names[name])
		if err != nil {
			return nil, err
		}
		imports = append(imports, &ast.Import{Path: ast.NewTerm(path), Alias: ast.Var(name)})
	}
	context := ast.NewQueryContext().WithImports(imports)
	if name := headOf(term); name != "" && names[string(name)] == "" {
		return nil, unnamed(name)
	}
	entry, err := p.compileQueryIn(ast.NewBody(ast.Equality.Expr(ast.VarTerm(string(resultVar)), term)), context)
	if err != nil {
		return nil, err
	}
	return entry, p.misnamed(entry.query)
}

func unnamed(name any) error { return fmt.Errorf("nothing is called %v here", name) }

// headOf returns the name that an expression begins with, unless it is input or data.
func headOf(term *ast.Term) ast.Var {
	if ref, is := term.Value.(ast.Ref); is {
		term = ref[0]
	}
	name, is := term.Value.(ast.Var)
	if !is || ast.RootDocumentNames.Contains(term) {
		return ""
	}
	return name
}

// misnamed tells of a reference that no rule, data or input can define.
func (p *Policy) misnamed(query ast.Body) error {
	var found error
	ast.WalkRefs(query, func(ref ast.Ref) bool {
		head, isVar := ref[0].Value.(ast.Var)
		switch {
		case !isVar || ref.HasPrefix(ast.InputRootRef) || ast.BuiltinMap[ref.String()] != nil:
		case ref.HasPrefix(ast.DefaultRootRef):
			path := ref.ConstantPrefix()
			if len(p.compiler.GetRules(path)) == 0 && len(p.compiler.GetRulesWithPrefix(path)) == 0 && !p.hasData(path) {
				found = unnamed(path)
			}
		case !head.IsGenerated() && !head.IsWildcard():
			found = unnamed(head)
		}
		return false
	})
	return found
}

// parseExpression reads one expression that has a value.
func parseExpression(text string) (*ast.Term, error) {
	body, err := ast.ParseBodyWithOpts(text, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	if len(body) == 1 && !body[0].Negated && len(body[0].With) == 0 {
		switch terms := body[0].Terms.(type) {
		case *ast.Term:
			return terms, wholeData(terms)
		case []*ast.Term:
			if !body[0].IsAssignment() && !body[0].IsEquality() {
				call := ast.NewTerm(ast.Call(terms)).SetLocation(body[0].Location)
				return call, wholeData(call)
			}
		}
	}
	return nil, errors.New("this isn't one expression with a value, such as data.policy.desk.limit or count(input.tool.arguments.items)")
}

// wholeData refuses what would read all data, which holds Tabard's rules as well.
func wholeData(term *ast.Term) error {
	var found error
	ast.WalkRefs(term, func(ref ast.Ref) bool {
		if !ref.HasPrefix(ast.DefaultRootRef) {
			return false
		}
		if _, constant := constantAt(ref, 1); !constant {
			found = fmt.Errorf("%v means all data: name a part of it, such as data.policy.NAME.RULE", ref)
		}
		return false
	})
	ast.WalkVars(term, func(variable ast.Var) bool {
		if variable.Equal(ast.DefaultRootDocument.Value) && found == nil {
			if _, is := term.Value.(ast.Var); is {
				found = errors.New("data means all data: name a part of it, such as data.policy.NAME.RULE")
			}
		}
		return false
	})
	return found
}

func constantAt(ref ast.Ref, index int) (ast.String, bool) {
	if len(ref) <= index {
		return "", false
	}
	text, is := ref[index].Value.(ast.String)
	return text, is
}
