package engine

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// OPA's JSON Schema library follows references until the stack is full, which ends the process, and tries every
// alternative at every level. So schemas are checked before it sees them: references stay within the document and make no
// endless loop, and the work of validating is counted beforehand.
const (
	maxSchemaWork  = 2_000_000 // subschemas and bytes that are looked at, every alternative included
	maxSchemaPairs = 500_000   // pairs of a subschema and a part of the document
	maxSchemaParts = 20_000    // subschemas that the type checker looks at, each once per reference to it
	maxSchemaDepth = 200
)

var (
	errSchemaLoop = errors.New("a $ref leads back to itself without a step into the document: the schema never ends")
	errSchemaWork = fmt.Errorf("validating takes too much work: more than %d steps, every alternative included", maxSchemaWork)
	errSchemaDeep = fmt.Errorf("the schema is nested more than %d levels deep, references included", maxSchemaDepth)
)

// matchSchemaBound is for json.match_schema(document, schema), where both may be texts.
func matchSchemaBound(operands []*ast.Term) error {
	document, err := decoded(operands[0].Value, 0)
	if err != nil {
		return err
	}
	schema, err := decoded(operands[1].Value, 1)
	if err != nil {
		return err
	}
	if err := soundSchema(schema); err != nil {
		return err
	}
	work := schemaWork{root: schema, known: map[schemaPair]int{}}
	_, err = work.of(schema, document, 0)
	return err
}

func verifySchemaBound(operands []*ast.Term) error {
	schema, err := decoded(operands[0].Value, 0)
	if err != nil {
		return nil // the builtin itself says what is wrong with it
	}
	return soundSchema(schema)
}

// typeSchemaBound is for a schema of the type checker, which follows every reference as often as it occurs.
func typeSchemaBound(raw any) error {
	schema, err := ast.InterfaceToValue(raw)
	if err != nil {
		return err
	}
	if err := soundSchema(schema); err != nil {
		return err
	}
	parts := schemaParts{root: schema, open: map[ast.Value]bool{}}
	return parts.add(schema)
}

func decoded(value ast.Value, index int) (ast.Value, error) {
	if sizeOf(value, maxText) > maxText {
		return nil, tooMuch(index, "is too large", maxText)
	}
	if s, ok := value.(ast.String); ok {
		return ParseJSON([]byte(s))
	}
	return value, nil
}

func member(object ast.Object, name string) ast.Value {
	if term := object.Get(ast.StringTerm(name)); term != nil {
		return term.Value
	}
	return nil
}

// samePlace are the keywords whose subschemas apply to the same part of the document as the schema that holds them.
var samePlace = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependencies"}

// subschemas calls back for a keyword's subschemas, in a list, under names, or alone.
func subschemas(value ast.Value, call func(ast.Value) error) error {
	switch v := value.(type) {
	case *ast.Array:
		return v.Iter(func(item *ast.Term) error { return call(item.Value) })
	case ast.Object:
		return call(v)
	}
	return nil
}

func named(value ast.Value, call func(name string, schema ast.Value) error) error {
	if object, ok := value.(ast.Object); ok {
		return object.Iter(func(key, item *ast.Term) error {
			name, _ := key.Value.(ast.String)
			return call(string(name), item.Value)
		})
	}
	return nil
}

// soundSchema checks every object of a schema document as if it were a schema.
func soundSchema(root ast.Value) error {
	sound := soundness{root: root, refers: mentionsRef(root), state: map[ast.Value]int{}}
	return sound.check(root, 0)
}

type soundness struct {
	root     ast.Value
	refers   bool              // somewhere in the document is a reference
	state    map[ast.Value]int // 1 while its loop is searched, 2 when there is none
	patterns int               // steps of compiling the patterns
}

func (s *soundness) check(value ast.Value, depth int) error {
	if depth > maxSchemaDepth {
		return errSchemaDeep
	}
	switch v := value.(type) {
	case *ast.Array:
		return v.Iter(func(item *ast.Term) error { return s.check(item.Value, depth+1) })
	case ast.Object:
		for _, name := range []string{"$id", "id"} {
			if _, isText := member(v, name).(ast.String); isText && depth > 0 && s.refers {
				return fmt.Errorf("a schema within the document has its own %s: only the whole document may have one", name)
			}
		}
		if err := s.endless(v, 0); err != nil {
			return err
		}
		if pattern, ok := member(v, "pattern").(ast.String); ok {
			if err := s.compiles(string(pattern)); err != nil {
				return err
			}
		}
		return v.Iter(func(key, item *ast.Term) error {
			if name, _ := key.Value.(ast.String); name == "enum" || name == "const" || name == "default" || name == "examples" {
				return nil
			}
			return s.check(item.Value, depth+1)
		})
	}
	return nil
}

// compiles adds the work of compiling a pattern, which the library does for each when it reads the schema.
func (s *soundness) compiles(pattern string) error {
	size, err := instructions(pattern)
	if err != nil {
		return err
	}
	if s.patterns += stepsPerPattern + size*stepsPerInstruction; s.patterns > maxSchemaWork {
		return errSchemaWork
	}
	return nil
}

func mentionsRef(value ast.Value) bool {
	switch v := value.(type) {
	case *ast.Array:
		return v.Until(func(item *ast.Term) bool { return mentionsRef(item.Value) })
	case ast.Object:
		if _, ok := member(v, "$ref").(ast.String); ok {
			return true
		}
		return v.Until(func(_, item *ast.Term) bool { return mentionsRef(item.Value) })
	}
	return false
}

// endless follows what applies to the same part of the document, and fails if that leads back.
func (s *soundness) endless(value ast.Value, depth int) error {
	schema, ok := value.(ast.Object)
	if !ok || s.state[value] == 2 {
		return nil
	}
	if s.state[value] == 1 {
		return errSchemaLoop
	}
	if depth > maxSchemaDepth {
		return errSchemaDeep
	}
	s.state[value] = 1
	follow := func(below ast.Value) error { return s.endless(below, depth+1) }
	if target, err := referred(s.root, schema); err != nil {
		return err
	} else if target != nil {
		if err := follow(target); err != nil {
			return err
		}
	}
	for _, keyword := range samePlace {
		below := member(schema, keyword)
		if err := subschemas(below, follow); err != nil {
			return err
		}
		if keyword == "dependencies" {
			if err := named(below, func(_ string, one ast.Value) error { return follow(one) }); err != nil {
				return err
			}
		}
	}
	s.state[value] = 2
	return nil
}

// referred returns what a schema's $ref leads to, if it has one.
func referred(root ast.Value, schema ast.Object) (ast.Value, error) {
	ref, ok := member(schema, "$ref").(ast.String)
	if !ok {
		return nil, nil
	}
	pointer, local := strings.CutPrefix(string(ref), "#")
	pointer, err := url.PathUnescape(pointer)
	if !local || err != nil || (pointer != "" && pointer[0] != '/') {
		return nil, fmt.Errorf("a JSON Schema may not refer to %q: begin with #/, and put what it refers to under $defs", string(ref))
	}
	found := root
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		switch v := found.(type) {
		case ast.Object:
			found = member(v, step)
		case *ast.Array:
			index, err := strconv.Atoi(step)
			if err != nil || index < 0 || index >= v.Len() {
				return nil, nil
			}
			found = v.Elem(index).Value
		default:
			return nil, nil // the library itself says that it leads nowhere
		}
	}
	return found, nil
}

// schemaParts counts what the type checker looks at.
type schemaParts struct {
	root  ast.Value
	open  map[ast.Value]bool
	count int
}

func (p *schemaParts) add(value ast.Value) error {
	if p.count++; p.count > maxSchemaParts {
		return fmt.Errorf("the schema has more than %d parts, references included", maxSchemaParts)
	}
	switch v := value.(type) {
	case *ast.Array:
		return v.Iter(func(item *ast.Term) error { return p.add(item.Value) })
	case ast.Object:
		if p.open[value] {
			return errors.New("a $ref leads back to a schema that holds it: the type checker needs schemas that end")
		}
		if len(p.open) > maxSchemaDepth {
			return errSchemaDeep
		}
		p.open[value] = true
		defer delete(p.open, value)
		target, err := referred(p.root, v)
		if err != nil {
			return err
		}
		if target != nil {
			if err := p.add(target); err != nil {
				return err
			}
		}
		return v.Iter(func(_, item *ast.Term) error { return p.add(item.Value) })
	}
	return nil
}
