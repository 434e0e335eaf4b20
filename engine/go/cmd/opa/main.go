// Command opa is OPA's command line, in the version that the engine is built from.
package main

import (
	"errors"
	"os"

	"github.com/open-policy-agent/opa/cmd"
)

func main() {
	if err := cmd.RootCommand.Execute(); err != nil {
		if exit, ok := errors.AsType[*cmd.ExitError](err); ok {
			os.Exit(exit.Exit)
		}
		os.Exit(1)
	}
}
