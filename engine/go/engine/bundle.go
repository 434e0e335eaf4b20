package engine

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// BundleRequest says which tarball to read and how its signature is checked.
type BundleRequest struct {
	Path         string        `json:"path"`
	MaxBytes     int64         `json:"max_bytes"` // of the tarball and, separately, of what it unpacks to
	Verification *Verification `json:"verification"`
}

// Verification names the keys that may have signed. KeyID, if set, overrides the key that the signature names.
type Verification struct {
	Keys    map[string]*bundle.KeyConfig `json:"keys"`
	KeyID   string                       `json:"key_id"`
	Scope   string                       `json:"scope"`
	Exclude []string                     `json:"exclude"`
}

type bundleContent struct {
	Manifest bundle.Manifest   `json:"manifest"`
	Modules  map[string]string `json:"modules"`
	Data     map[string]any    `json:"data"`
	Signed   bool              `json:"signed"`
}

// ReadBundle reads a snapshot bundle: its manifest, the sources of its modules and its data. With a verification the
// bundle has to be signed; without one, a signed bundle is refused, because its signature couldn't be verified.
func ReadBundle(request *BundleRequest) ([]byte, error) {
	text, err := readBounded(request)
	if err != nil {
		return nil, bundleProblem(request.Path, err)
	}
	reader := bundle.NewCustomReader(bundle.NewTarballLoader(bytes.NewReader(text))).
		WithRegoVersion(ast.RegoV1).
		WithProcessAnnotations(true).
		WithSizeLimitBytes(request.MaxBytes).
		WithBundleName(request.Path)
	if wanted := request.Verification; wanted != nil {
		reader = reader.WithBundleVerificationConfig(
			bundle.NewVerificationConfig(wanted.Keys, wanted.KeyID, wanted.Scope, wanted.Exclude))
	}
	content, err := reader.Read()
	if err != nil {
		return nil, bundleProblem(request.Path, err)
	}
	if content.Type() != bundle.SnapshotBundleType || len(content.WasmModules) > 0 || len(content.PlanModules) > 0 {
		return nil, bundleProblem(request.Path, errors.New("only bundles of Rego and data are supported"))
	}
	modules := make(map[string]string, len(content.Modules))
	for i := range content.Modules {
		modules[strings.TrimPrefix(content.Modules[i].Path, "/")] = string(content.Modules[i].Raw)
	}
	return json.Marshal(bundleContent{
		Manifest: content.Manifest, Modules: modules, Data: content.Data, Signed: len(content.Signatures.Signatures) > 0,
	})
}

func bundleProblem(path string, err error) error {
	problems := problemsOf(err, path)
	for i := range problems {
		if problems[i].File != path {
			problems[i].File = strings.TrimPrefix(problems[i].File, "/")
		}
		if problems[i].Code == "error" {
			problems[i].Code = "bundle_error"
		}
	}
	return problems
}

// readBounded reads the tarball and unpacks it once to check its size, because OPA only bounds single files.
func readBounded(request *BundleRequest) ([]byte, error) {
	file, err := os.Open(request.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, request.MaxBytes+1))
	if err != nil {
		return nil, err
	}
	tooLarge := fmt.Errorf("larger than %d bytes", request.MaxBytes)
	if int64(len(text)) > request.MaxBytes {
		return nil, tooLarge
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("not a gzipped tarball: %w", err)
	}
	size, err := io.Copy(io.Discard, io.LimitReader(unpacked, request.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("not a gzipped tarball: %w", err)
	}
	if size > request.MaxBytes {
		return nil, tooLarge
	}
	return text, nil
}
