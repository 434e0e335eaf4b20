// Package engine compiles and evaluates Rego with OPA for callers in another language: inputs, results and errors are
// JSON, and every evaluation has a deadline.
package engine

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// Problem is one problem of a policy, with its place and OPA's message.
type Problem struct {
	File    string `json:"file"`
	Row     int    `json:"row"`
	Column  int    `json:"column"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Problems holds all problems that one step found.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Message
	}
	return strings.Join(lines, "\n")
}

// problemsOf converts OPA's error to problems; an unknown error becomes one without a place.
func problemsOf(err error, file string) Problems {
	var list ast.Errors
	var own Problems
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &list):
		problems := make(Problems, 0, len(list))
		for _, item := range list {
			problems = append(problems, problemOf(item, file))
		}
		return problems
	}
	var single *ast.Error
	if errors.As(err, &single) {
		return Problems{problemOf(single, file)}
	}
	return Problems{{File: file, Code: "error", Message: err.Error()}}
}

func problemOf(item *ast.Error, file string) Problem {
	problem := Problem{File: file, Code: item.Code, Message: item.Message}
	if item.Location != nil {
		if item.Location.File != "" {
			problem.File = item.Location.File
		}
		problem.Row, problem.Column = item.Location.Row, item.Location.Col
	}
	if item.Details != nil {
		if lines := item.Details.Lines(); len(lines) > 0 {
			problem.Message += "\n" + strings.Join(lines, "\n")
		}
	}
	return problem
}

// Failure says why one evaluation gave no result.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	File    string `json:"file"`
	Row     int    `json:"row"`
	Column  int    `json:"column"`
}

func (f *Failure) Error() string { return f.Message }

// JSON encodes the failure for the caller.
func (f *Failure) JSON() []byte {
	text, err := json.Marshal(f)
	if err != nil {
		return []byte(`{"code":"internal","message":"the failure can't be encoded"}`)
	}
	return text
}

// Codes of failures.
const (
	CodeTimeout       = "timeout"
	CodeBuiltin       = "builtin_error"
	CodeConflict      = "conflict"
	CodeUndefined     = "undefined"
	CodeInternal      = "internal"
	CodeOverloaded    = "overloaded"
	CodeInputTooLarge = "input_too_large"
	CodeInvalidInput  = "invalid_input"
	CodeInvalidQuery  = "invalid_query"
	CodeClosed        = "closed"
)

// failureOf converts an error of an evaluation; stop says why the brake stopped it, if it did.
func failureOf(err error, stop uint32) *Failure {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	var problem *topdown.Error
	if !errors.As(err, &problem) {
		return &Failure{Code: CodeInternal, Message: err.Error()}
	}
	failure := &Failure{Code: CodeInternal, Message: problem.Message}
	switch problem.Code {
	case topdown.CancelErr:
		return stopped(stop)
	case topdown.BuiltinErr, topdown.TypeErr:
		failure.Code = CodeBuiltin
	case topdown.ConflictErr:
		failure.Code = CodeConflict
	}
	if problem.Location != nil {
		failure.File, failure.Row, failure.Column = problem.Location.File, problem.Location.Row, problem.Location.Col
	}
	return failure
}

func stopped(stop uint32) *Failure {
	switch stop {
	case stoppedByMemory:
		return &Failure{Code: CodeOverloaded, Message: "the evaluation was cut: the engine's memory limit is reached"}
	case abandoned:
		return &Failure{Code: CodeTimeout, Message: "the evaluation was abandoned by its caller"}
	}
	return &Failure{Code: CodeTimeout, Message: "the evaluation was cut at its deadline"}
}
