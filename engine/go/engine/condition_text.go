package engine

import (
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

const (
	maxConditionText = 300
	maxValueText     = 100
	longestWritten   = 4096 // bytes of a value of which the beginning is told
	maxValues        = 8
)

// clauseOutcome tells how far one clause of a rule came. Failed is the text of the condition that stopped it, as it is
// written; of a clause that iterates, the last condition that any iteration reached. It is empty if the clause matched.
// Branch numbers the branches of a rule with else from 1, and is 0 for others. Values are those of names and parts of that
// condition, and Helpers the clauses of helpers that made it fail.
type clauseOutcome struct {
	Rule    string           `json:"rule"`
	File    string           `json:"file"`
	Row     int              `json:"row"`
	Matched bool             `json:"matched"`
	Branch  int              `json:"branch"`
	Failed  string           `json:"failed"`
	At      int              `json:"at"`
	Negated bool             `json:"negated"`
	Values  []writtenValue   `json:"values"`
	Helpers []*clauseOutcome `json:"helpers"`
}

type boundValue struct {
	name  string
	value ast.Value
}

type writtenValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// written returns an expression as its author wrote it, in one line. Where a part of it has no value, it is that part.
func written(expr *ast.Expr) string {
	text := inOneLine(textOf(expr), maxConditionText)
	if isPart(expr) {
		text += " has no value"
	}
	return text
}

func textOf(expr *ast.Expr) string {
	if expr.Location != nil && len(expr.Location.Text) > 0 {
		return string(expr.Location.Text)
	}
	return expr.String()
}

func inOneLine(text string, limit int) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		text = string(runes[:limit]) + "…"
	}
	return text
}

// isPart tells whether the compiler took this expression out of another one, which needs its value.
func isPart(expr *ast.Expr) bool {
	if !expr.IsEquality() {
		return false
	}
	_, is := generated(expr.Operand(0))
	return is
}

func generated(term *ast.Term) (ast.Var, bool) {
	variable, is := term.Value.(ast.Var)
	return variable, is && variable.IsGenerated()
}

// definitions returns the expressions of a body that the compiler took out of others, by the variable for their value.
func definitions(body ast.Body) map[ast.Var]*ast.Expr {
	found := map[ast.Var]*ast.Expr{}
	for _, expr := range body {
		operands := expr.Operands()
		if len(operands) == 0 || expr.Negated {
			continue
		}
		output := operands[len(operands)-1]
		if expr.IsEquality() {
			output = operands[0]
		}
		if variable, is := generated(output); is {
			if _, known := found[variable]; !known {
				found[variable] = expr
			}
		}
	}
	return found
}

// partsOf returns a condition and what the compiler took out of it, with their indexes in the body.
func partsOf(condition *ast.Expr, body ast.Body) ([]int, []*ast.Expr) {
	defined := definitions(body)
	indexes, parts := []int{condition.Index}, []*ast.Expr{condition}
	seen := map[*ast.Expr]bool{condition: true}
	for i := 0; i < len(parts); i++ {
		ast.WalkVars(parts[i], func(variable ast.Var) bool {
			if part := defined[variable]; part != nil && !seen[part] {
				seen[part] = true
				indexes, parts = append(indexes, part.Index), append(parts, part)
			}
			return false
		})
	}
	return indexes, parts
}

// valuesIn returns the values of what a condition names: its author's variables, and the parts that it compares.
func valuesIn(condition *ast.Expr, body ast.Body, event *topdown.Event) []boundValue {
	var found []boundValue
	defined := definitions(body)
	ast.WalkVars(condition, func(variable ast.Var) bool {
		value := event.Locals.Get(variable)
		if value == nil || !value.IsGround() || len(found) >= maxValues {
			return false
		}
		name := string(event.LocalMetadata[variable].Name)
		if part := defined[variable]; part != nil && part != condition {
			name = textOf(part)
		}
		if name != "" && !ast.Var(name).IsGenerated() && !ast.Var(name).IsWildcard() {
			found = append(found, boundValue{name, value})
		}
		return false
	})
	return found
}

func writtenValues(values []boundValue) []writtenValue {
	told := []writtenValue{}
	seen := map[string]bool{}
	for _, one := range values {
		name := inOneLine(one.name, maxValueText)
		if seen[name] {
			continue
		}
		seen[name] = true
		told = append(told, writtenValue{name, valueText(one.value)})
	}
	return told
}

// valueText returns a value as JSON, or the beginning of a short one's, or what kind of value it is.
func valueText(value ast.Value) string {
	text, err := appendJSON(make([]byte, 0, 128), value, longestWritten)
	if err != nil {
		return "a long " + ast.ValueName(value)
	}
	return inOneLine(string(text), maxValueText)
}

func isOfLibrary(rule *ast.Rule) bool { return rule != nil && isLibrary(rule.Module) }

func isLibrary(module *ast.Module) bool {
	return strings.HasPrefix(module.Package.Path.String(), "data.tabard.")
}

func isPrivate(rule *ast.Rule) bool { return strings.HasPrefix(string(rule.Head.Name), "_") }

func isDefaultOrFalse(rule *ast.Rule) bool {
	return rule.Default || rule.Head.Value != nil && ast.Boolean(false).Equal(rule.Head.Value.Value)
}
