package engine

import (
	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// wrap replaces a builtin of this process by one that is made of it. OPA's packages have registered theirs before.
func wrap(name string, around func(topdown.BuiltinFunc) topdown.BuiltinFunc) {
	original := topdown.GetBuiltin(name)
	if original == nil {
		panic("OPA has no builtin " + name)
	}
	topdown.RegisterBuiltinFunc(name, around(original))
}

func bounded(bound check) func(topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(original topdown.BuiltinFunc) topdown.BuiltinFunc {
		return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
			if err := bound(operands); err != nil {
				return err
			}
			return original(bctx, operands, iter)
		}
	}
}

// noted writes the place of a call into the brake while the builtin itself runs.
func noted(original topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		stop, ours := bctx.Cancel.(*brake)
		if !ours {
			return original(bctx, operands, iter)
		}
		stop.at.Store(bctx.Location)
		defer stop.at.Store(nil)
		return original(bctx, operands, func(result *ast.Term) error {
			stop.at.Store(nil)
			return iter(result)
		})
	}
}

// offline calls a builtin with capabilities that allow no host, whatever the policy's own allow: these are meant for
// builtins that a policy names (http.send), and not for a schema that an agent supplies.
func offline(original topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		bctx.Capabilities = withoutNetwork(bctx.Capabilities)
		return original(bctx, operands, iter)
	}
}

// withoutNetwork returns the same capabilities with no host allowed.
func withoutNetwork(capabilities *ast.Capabilities) *ast.Capabilities {
	if capabilities == nil {
		return &ast.Capabilities{AllowNet: []string{}}
	}
	sealed := *capabilities
	sealed.AllowNet = []string{}
	return &sealed
}
