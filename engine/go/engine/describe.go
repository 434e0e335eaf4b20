package engine

import (
	"encoding/json"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	astjson "github.com/open-policy-agent/opa/v1/ast/json"
	"github.com/open-policy-agent/opa/v1/version"
)

// Version returns OPA's version.
func Version() string { return version.Version }

// Capabilities returns the capabilities document of this version of OPA, as JSON.
func Capabilities() ([]byte, error) { return json.Marshal(ast.CapabilitiesForThisVersion()) }

// astOptions guards OPA's process-wide options for the JSON of syntax trees.
var astOptions sync.RWMutex

// Describe parses one module and returns OPA's JSON form of its syntax tree, with the place of every node.
func Describe(name, source string) ([]byte, error) {
	module, err := parseModule(name, source, ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, problemsOf(err, name)
	}
	astOptions.Lock()
	defer astOptions.Unlock()
	options := astjson.Defaults()
	options.MarshalOptions.IncludeLocation = astjson.NodeToggle{
		Term: true, Package: true, Comment: true, Import: true, Rule: true, Head: true, Expr: true, SomeDecl: true,
		Every: true, With: true, Annotations: true, AnnotationsRef: true, Not: true, And: true, Or: true,
	}
	astjson.SetOptions(options)
	defer astjson.SetOptions(astjson.Defaults())
	return json.Marshal(module)
}
