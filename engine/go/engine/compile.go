package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// Source holds everything that a policy is compiled from.
type Source struct {
	Modules      map[string]string `json:"modules"`
	Data         json.RawMessage   `json:"data"`
	Entrypoints  []string          `json:"entrypoints"`
	Capabilities json.RawMessage   `json:"capabilities"`
	Withheld     []string          `json:"withheld"`  // builtins; sooner parsed than capabilities without them
	AllowNet     []string          `json:"allow_net"` // in place of that of the capabilities, unless it is null
	InputSchema  json.RawMessage   `json:"input_schema"`
	Strict       bool              `json:"strict"`
	DeadlineNS   int64             `json:"deadline_ns"` // 0 is none
	// RememberedBytes bounds the answers that are remembered; 0 remembers none.
	RememberedBytes int `json:"remembered_bytes"`
	// AsWritten leaves every rule as its author wrote it, so that all of it can be covered and profiled. It is slower.
	AsWritten bool `json:"as_written"`
}

// maxCachedValues bounds the values, such as compiled patterns, that builtins cache between evaluations of one policy.
const maxCachedValues = 256

// Policy is compiled and immutable: any number of evaluations may use it at once. The garbage collector frees it.
type Policy struct {
	compiler    *ast.Compiler
	store       storage.Store
	names       []string // of the entrypoints
	entrypoints []*entrypoint
	values      cache.InterQueryValueCache
	responses   cache.InterQueryCache
	inputs      *memory
	answers     *answers // nil if answers aren't remembered
	partials    partials
	// swift: every step is known to be short, so polling the brake between steps bounds the whole.
	swift bool
}

// CompileInTime is Compile with the deadline of its source. OPA's compiler can't be interrupted: one that exceeds the
// deadline goes on, and its policy is dropped.
func CompileInTime(source *Source) (*Policy, error) {
	if source.DeadlineNS <= 0 {
		return Compile(source)
	}
	type outcome struct {
		policy *Policy
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				done <- outcome{err: fmt.Errorf("the engine failed: %v", cause)}
			}
		}()
		policy, err := Compile(source)
		done <- outcome{policy, err}
	}()
	timer := time.NewTimer(time.Duration(source.DeadlineNS))
	defer timer.Stop()
	select {
	case compiled := <-done:
		return compiled.policy, compiled.err
	case <-timer.C:
		message := "compiling the policy takes too long: split rules that build on each other, or name fewer parts"
		return nil, Problems{{Code: "unfinished", Message: message}}
	}
}

// Compile parses and compiles everything, and prepares the entrypoints. The error is Problems: all that the failing stage
// of OPA found.
func Compile(source *Source) (*Policy, error) {
	capabilities, err := capabilitiesOf(source)
	if err != nil {
		return nil, err
	}
	modules, err := parseModules(source.Modules, capabilities)
	if err != nil {
		return nil, err
	}
	if err := boundAnnotations(modules); err != nil {
		return nil, err
	}
	store, data, err := newStore(source.Data)
	if err != nil {
		return nil, err
	}
	// The type checker fetches what schemas refer to; builtins, which ask the compiler later, may have hosts allowed.
	compiler, err := newCompiler(source, withoutNetwork(capabilities), store)
	if err != nil {
		return nil, err
	}
	compiler.Compile(modules)
	compiler.WithCapabilities(capabilities)
	if compiler.Failed() {
		return nil, problemsOf(compiler.Errors, "")
	}
	// OPA's indexes were made from the rules as they are now.
	read := mentions(compiler, source.Entrypoints)
	if !source.AsWritten {
		inlineConstants(compiler)
		inlineConstructors(compiler)
	}
	if err := boundCopies(compiler, source.Entrypoints); err != nil {
		return nil, err
	}
	policy := newPolicy(compiler, store, data, source.Entrypoints)
	policy.answers = answersFor(compiler, source, read)
	if err := policy.prepareAll(source.Entrypoints); err != nil {
		return nil, err
	}
	return policy, nil
}

// newPolicy returns a policy without prepared entrypoints and without remembered answers.
func newPolicy(compiler *ast.Compiler, store storage.Store, data ast.Value, names []string) *Policy {
	entries := maxCachedValues
	config := &cache.Config{}
	config.InterQueryBuiltinValueCache.MaxNumEntries = &entries
	return &Policy{
		compiler:  compiler,
		store:     store,
		names:     names,
		values:    cache.NewInterQueryValueCache(context.Background(), config),
		responses: cache.NewInterQueryCache(nil),
		inputs:    newMemory(rememberedTotal),
		swift:     isSwift(compiler, names) && hasSmallSteps(compiler, data, names),
	}
}

// WithData returns the same rules with other data. It remembers no answers. The error is Problems.
func (p *Policy) WithData(text []byte) (*Policy, error) {
	store, data, err := newStore(text)
	if err != nil {
		return nil, err
	}
	if conflicts := ast.CheckPathConflicts(p.compiler, exists(store)); len(conflicts) > 0 {
		return nil, problemsOf(conflicts, "")
	}
	other := newPolicy(p.compiler, store, data, p.names)
	if err := other.prepareAll(p.names); err != nil {
		return nil, err
	}
	return other, nil
}

// exists tells whether a store has something at a path.
func exists(store storage.Store) func([]string) (bool, error) {
	ctx := context.Background()
	return func(path []string) (bool, error) {
		txn, err := store.NewTransaction(ctx)
		if err != nil {
			return false, err
		}
		defer store.Abort(ctx, txn)
		return storage.NonEmpty(ctx, store, txn)(path)
	}
}

func answersFor(compiler *ast.Compiler, source *Source, read *mention) *answers {
	if source.RememberedBytes <= 0 {
		return nil
	}
	found := layoutOf(compiler, source.Entrypoints, read)
	if found == nil {
		return nil
	}
	return newAnswers(found, source.RememberedBytes)
}

// capabilitiesOf returns what a source may use.
func capabilitiesOf(source *Source) (*ast.Capabilities, error) {
	capabilities := ast.CapabilitiesForThisVersion()
	if len(source.Capabilities) > 0 && string(source.Capabilities) != "null" {
		var err error
		if capabilities, err = ast.LoadCapabilitiesJSON(bytes.NewReader(source.Capabilities)); err != nil {
			return nil, Problems{{Code: "capabilities_error", Message: err.Error()}}
		}
	}
	for _, name := range source.Withheld {
		if ast.BuiltinMap[name] == nil {
			return nil, Problems{{Code: "capabilities_error", Message: fmt.Sprintf("%q, which is withheld, is no builtin", name)}}
		}
	}
	capabilities.Builtins = slices.DeleteFunc(capabilities.Builtins, func(builtin *ast.Builtin) bool {
		return slices.Contains(source.Withheld, builtin.Name)
	})
	if source.AllowNet != nil {
		capabilities.AllowNet = source.AllowNet
	}
	return capabilities, nil
}

func parseModules(sources map[string]string, capabilities *ast.Capabilities) (map[string]*ast.Module, error) {
	options := ast.ParserOptions{
		Capabilities:      capabilities,
		ProcessAnnotation: true,
		RegoVersion:       ast.RegoV1,
	}
	modules := make(map[string]*ast.Module, len(sources))
	var problems Problems
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		module, err := parseModule(name, sources[name], options)
		if err != nil {
			problems = append(problems, problemsOf(err, name)...)
			continue
		}
		modules[name] = module
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return modules, nil
}

// parseModule is ast.ParseModuleWithOpts, except that the error for a file without statements has a place, and that what nests
// too deeply is an error.
func parseModule(name, source string, options ast.ParserOptions) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(name, source, options)
	if err != nil {
		return nil, err
	}
	if module == nil {
		return nil, Problems{{File: name, Row: 1, Column: 1, Code: ast.ParseErr, Message: "empty module"}}
	}
	if problems := boundNesting(name, module); len(problems) > 0 {
		return nil, problems
	}
	return module, nil
}

// boundAnnotations checks the schemas that METADATA writes out, before the type checker follows them.
func boundAnnotations(modules map[string]*ast.Module) error {
	var problems Problems
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		for _, annotation := range modules[name].Annotations {
			for _, schema := range annotation.Schemas {
				if schema.Definition == nil {
					continue
				}
				if err := typeSchemaBound(*schema.Definition); err != nil {
					problems = append(problems, problemOf(
						ast.NewError(ast.TypeErr, annotation.Location, "METADATA schemas: %v", err), name))
				}
			}
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

func newStore(data []byte) (storage.Store, ast.Value, error) {
	if len(data) == 0 || string(data) == "null" {
		data = []byte("{}")
	}
	value, err := ParseJSON(data)
	if err != nil {
		return nil, nil, Problems{{Code: "data_error", Message: "data: " + err.Error()}}
	}
	object, ok := value.(ast.Object)
	if !ok {
		return nil, nil, Problems{{Code: "data_error", Message: "data: the root has to be an object"}}
	}
	return inmem.NewFromASTObject(object), object, nil
}

func newCompiler(source *Source, capabilities *ast.Capabilities, store storage.Store) (*ast.Compiler, error) {
	compiler := ast.NewCompiler().
		SetErrorLimit(0).
		WithKeepModules(source.AsWritten).
		WithCapabilities(capabilities).
		WithDefaultRegoVersion(ast.RegoV1).
		WithStrict(source.Strict).
		WithEnablePrintStatements(false).
		WithPathConflictsCheck(exists(store))
	if len(source.InputSchema) == 0 || string(source.InputSchema) == "null" {
		return compiler, nil
	}
	var schema any
	if err := json.Unmarshal(source.InputSchema, &schema); err != nil {
		return nil, Problems{{Code: "schema_error", Message: "input schema: " + err.Error()}}
	}
	if err := typeSchemaBound(schema); err != nil {
		return nil, Problems{{Code: "schema_error", Message: "input schema: " + err.Error()}}
	}
	schemas := ast.NewSchemaSet()
	schemas.Put(ast.SchemaRootRef, schema)
	return compiler.WithSchemas(schemas).WithUseTypeCheckAnnotations(true), nil
}

func (p *Policy) prepareAll(names []string) error {
	var problems Problems
	for _, name := range names {
		prepared, err := p.prepare(name)
		if err != nil {
			problems = append(problems, problemsOf(err, "")...)
			continue
		}
		p.entrypoints = append(p.entrypoints, prepared)
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// prepare compiles the query of one entrypoint. An undefined entrypoint is reported here, instead of as an undefined
// result at every evaluation.
func (p *Policy) prepare(name string) (*entrypoint, error) {
	fail := func(message string) (*entrypoint, error) {
		return nil, Problems{{Code: "entrypoint_error", Message: fmt.Sprintf("entrypoint %q %s", name, message)}}
	}
	ref, err := ast.ParseRef(name)
	if err != nil || !ref.IsGround() || len(ref) < 2 || !strings.HasPrefix(name, "data.") {
		return fail("isn't a path such as data.package.rule")
	}
	if len(p.compiler.GetRules(ref)) == 0 && !p.hasData(ref) {
		return fail("isn't defined by any rule")
	}
	prepared, err := p.compileQuery(ast.NewBody(ast.Equality.Expr(ast.NewTerm(ref), ast.VarTerm(string(resultVar)))))
	if err == nil && p.answers != nil {
		prepared.begin = p.answers.begin(name)
	}
	return prepared, err
}

func (p *Policy) hasData(ref ast.Ref) bool {
	path, err := storage.NewPathForRef(ref)
	if err != nil {
		return false
	}
	ctx := context.Background()
	txn, err := p.store.NewTransaction(ctx)
	if err != nil {
		return false
	}
	defer p.store.Abort(ctx, txn)
	_, err = p.store.Read(ctx, txn, path)
	return err == nil
}
