// Command opa is OPA's command line, in the version that the engine is built from. JSON Schemas open no files in it.
package main

import (
	"errors"
	"os"

	"github.com/open-policy-agent/opa/cmd"

	_ "tabard.dev/engine/sealed"
)

func main() {
	if err := cmd.RootCommand.Execute(); err != nil {
		if exit, ok := errors.AsType[*cmd.ExitError](err); ok {
			os.Exit(exit.Exit)
		}
		os.Exit(1)
	}
}
