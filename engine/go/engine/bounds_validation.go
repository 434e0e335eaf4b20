package engine

import "github.com/open-policy-agent/opa/v1/ast"

type schemaPair struct{ schema, value ast.Value }

// schemaWork counts the steps of validating a document, if no alternative is left out. What it has counted it knows, so
// counting is fast where validating isn't.
type schemaWork struct {
	root  ast.Value
	known map[schemaPair]int
}

// membersWork are keywords that apply to members of an object, itemsWork to elements of an array.
var (
	membersWork = []string{"additionalProperties", "propertyNames"}
	itemsWork   = []string{"items", "additionalItems", "contains"}
)

func (w *schemaWork) of(schema, value ast.Value, depth int) (int, error) {
	object, ok := schema.(ast.Object)
	if !ok {
		return 1, nil
	}
	pair := schemaPair{schema, value}
	if steps, counted := w.known[pair]; counted {
		return steps, nil
	}
	if depth > maxDepth || len(w.known) > maxSchemaPairs {
		return 0, errSchemaWork
	}
	steps, err := w.own(object, value)
	if err == nil && steps > maxSchemaWork {
		err = errSchemaWork
	}
	if err != nil {
		return 0, err
	}
	add := func(below, part ast.Value) error {
		more, err := w.of(below, part, depth+1)
		if steps += more; err == nil && steps > maxSchemaWork {
			err = errSchemaWork
		}
		return err
	}
	if err := w.here(object, value, add); err != nil {
		return 0, err
	}
	switch v := value.(type) {
	case ast.Object:
		err = membersOf(object, v, add)
	case *ast.Array:
		err = elementsOf(object, v, add)
	}
	w.known[pair] = steps
	return steps, err
}

// own is the work of keywords without subschemas.
func (w *schemaWork) own(schema ast.Object, value ast.Value) (int, error) {
	steps := 1 + schema.Len()
	for _, keyword := range []string{"enum", "const", "uniqueItems"} {
		if given := member(schema, keyword); given != nil {
			steps += (sizeOf(given, maxText) + sizeOf(value, maxText)) / 8
		}
	}
	if pattern, ok := member(schema, "pattern").(ast.String); ok {
		size, err := instructions(string(pattern))
		if err != nil {
			return 0, err
		}
		if s, isText := value.(ast.String); isText {
			steps += size * len(s) / (maxMatchWork / maxSchemaWork)
		}
	}
	names, err := namesWork(schema, value)
	return steps + names + faultsWork(schema, value), err
}

const (
	stepsPerFault       = 100 // of a fault that is found, beside those of writing the value into its message
	stepsPerPattern     = 200 // of compiling a pattern, beside those of its instructions
	stepsPerInstruction = 5
	namesPerStep        = 6 // names that are compared in one step
)

// namesWork is the work of comparing the members of an object with the names and patterns of a schema. The library
// compiles a pattern for each member, and compares every member with every name.
func namesWork(schema ast.Object, value ast.Value) (int, error) {
	object, ok := value.(ast.Object)
	if !ok {
		return 0, nil
	}
	steps := 0
	if properties, listed := member(schema, "properties").(ast.Object); listed {
		steps += properties.Len() * object.Len() / namesPerStep
	}
	err := named(member(schema, "patternProperties"), func(pattern string, _ ast.Value) error {
		size, err := instructions(pattern)
		length := 0
		object.Foreach(func(key, _ *ast.Term) { length += len(text([]*ast.Term{key}, 0)) })
		steps += object.Len()*(stepsPerPattern+size*stepsPerInstruction) + size*length/(maxMatchWork/maxSchemaWork)
		if err == nil && steps > maxSchemaWork {
			err = errSchemaWork
		}
		return err
	})
	return steps, err
}

// asserting are keywords that may each find a fault in a value.
var asserting = []string{
	"additionalItems", "anyOf", "const", "contains", "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "if", "maximum",
	"maxItems", "maxLength", "maxProperties", "minimum", "minItems", "minLength", "minProperties", "multipleOf", "not",
	"oneOf", "pattern", "uniqueItems",
}

// faultsWork is the work of telling faults, each with the value in which it was found.
func faultsWork(schema ast.Object, value ast.Value) int {
	faults, members := 0, 0
	if mistyped(member(schema, "type"), value) {
		faults++
	}
	for _, keyword := range asserting {
		if member(schema, keyword) != nil {
			faults++
		}
	}
	if object, ok := value.(ast.Object); ok {
		faults += missingIn(object, member(schema, "required"))
		_ = named(member(schema, "dependencies"), func(name string, needed ast.Value) error {
			if member(object, name) != nil {
				faults += missingIn(object, needed)
			}
			return nil
		})
		if member(schema, "propertyNames") != nil {
			faults += 2 * object.Len()
		}
		if closed, ok := member(schema, "additionalProperties").(ast.Boolean); ok && !bool(closed) {
			members = object.Len()
		}
	}
	if faults == 0 {
		return members * stepsPerFault
	}
	return members*stepsPerFault + faults*(stepsPerFault+sizeOf(value, maxText))
}

func missingIn(object ast.Object, names ast.Value) int {
	missing := 0
	if listed, ok := names.(*ast.Array); ok {
		listed.Foreach(func(name *ast.Term) {
			if object.Get(name) == nil {
				missing++
			}
		})
	}
	return missing
}

// mistyped tells whether a value isn't of the type, or one of the types, that a schema demands.
func mistyped(wanted, value ast.Value) bool {
	switch w := wanted.(type) {
	case ast.String:
		kind := ast.ValueName(value)
		return kind != string(w) && (kind != "number" || w != "integer")
	case *ast.Array:
		return !w.Until(func(one *ast.Term) bool { return !mistyped(one.Value, value) })
	}
	return false
}

// here counts the subschemas that apply to the value itself.
func (w *schemaWork) here(schema ast.Object, value ast.Value, add func(schema, part ast.Value) error) error {
	target, err := referred(w.root, schema)
	if err != nil {
		return err
	}
	if target != nil {
		if err := add(target, value); err != nil {
			return err
		}
	}
	same := func(below ast.Value) error { return add(below, value) }
	for _, keyword := range samePlace {
		below := member(schema, keyword)
		if keyword == "dependencies" {
			if err := named(below, func(_ string, one ast.Value) error { return same(one) }); err != nil {
				return err
			}
			continue
		}
		if err := subschemas(below, same); err != nil {
			return err
		}
	}
	return nil
}

func membersOf(schema, value ast.Object, add func(schema, part ast.Value) error) error {
	properties, _ := member(schema, "properties").(ast.Object)
	return value.Iter(func(key, item *ast.Term) error {
		if properties != nil {
			if one := properties.Get(key); one != nil {
				if err := add(one.Value, item.Value); err != nil {
					return err
				}
			}
		}
		for _, keyword := range membersWork {
			part := item.Value
			if keyword == "propertyNames" {
				part = key.Value
			}
			if below := member(schema, keyword); below != nil {
				if err := add(below, part); err != nil {
					return err
				}
			}
		}
		return named(member(schema, "patternProperties"), func(_ string, one ast.Value) error {
			return add(one, item.Value)
		})
	})
}

func elementsOf(schema ast.Object, value *ast.Array, add func(schema, part ast.Value) error) error {
	for _, keyword := range itemsWork {
		below := member(schema, keyword)
		listed, positional := below.(*ast.Array)
		for i := range value.Len() {
			one := below
			if positional {
				if i >= listed.Len() {
					break
				}
				one = listed.Elem(i).Value
			}
			if one == nil {
				break
			}
			if err := add(one, value.Elem(i).Value); err != nil {
				return err
			}
		}
	}
	return nil
}
