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
	return steps, nil
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
		return named(member(schema, "patternProperties"), func(pattern string, one ast.Value) error {
			if _, err := instructions(pattern); err != nil {
				return err
			}
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
