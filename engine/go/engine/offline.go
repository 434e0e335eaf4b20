package engine

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	_ "tabard.dev/engine/sealed" // schemas open no files
)

func init() {
	wrap(ast.JSONMatchSchema.Name, offline)
	wrap(ast.JSONSchemaVerify.Name, offline)
}

// wrap replaces a builtin of this process by one that is made of it. OPA's packages have registered theirs before.
func wrap(name string, around func(topdown.BuiltinFunc) topdown.BuiltinFunc) {
	topdown.RegisterBuiltinFunc(name, around(topdown.GetBuiltin(name)))
}

// offline calls a builtin with capabilities that allow no host, whatever the policy's own allow: these are meant for
// builtins that a policy names (http.send), and not for a schema that an agent supplies.
func offline(original topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		bctx.Capabilities = withoutNetwork(bctx.Capabilities)
		return original(bctx, operands, iter)
	}
}

var noNetwork = &ast.Capabilities{AllowNet: []string{}}

// withoutNetwork returns the same capabilities with no host allowed.
func withoutNetwork(capabilities *ast.Capabilities) *ast.Capabilities {
	if capabilities == nil {
		return noNetwork
	}
	sealed := *capabilities
	sealed.AllowNet = []string{}
	return &sealed
}
