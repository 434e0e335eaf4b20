// Package sealed closes the ways by which OPA's JSON Schema library leaves the process. Import it for its effect: from then
// on no schema of this process opens a file, wherever it comes from and is compiled (json.match_schema,
// json.verify_schema, METADATA schemas, the type checker, the opa commands).
package sealed

import (
	"fmt"
	"os"

	_ "unsafe" // for go:linkname

	_ "github.com/open-policy-agent/opa/v1/ast" // initializes the library before this package
)

// schemaFiles is how the library opens files. OPA neither exports it nor offers a setting: allow_net bounds http and https,
// and file URLs are followed before it is asked. If an upgrade renames it, this name links to nothing and the tests of
// tests/unit/engine/test_sealed.py fail.
//
//go:linkname schemaFiles github.com/open-policy-agent/opa/internal/gojsonschema.osFS
var schemaFiles func(name string) (*os.File, error)

func init() { schemaFiles = refuse }

func refuse(name string) (*os.File, error) {
	return nil, fmt.Errorf("a JSON Schema may not refer to the file %q: put what it refers to under $defs", name)
}
