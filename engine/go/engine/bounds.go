package engine

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	_ "tabard.dev/engine/sealed" // schemas open no files
)

// OPA polls the brake between builtins and inside of a few. What the others may do in one step is bounded here, by their
// operands: about a tenth of a second and some dozen megabytes. An operand beyond a bound is a builtin error.
const (
	maxDigits    = 1000        // characters of a number: comparing and multiplying take quadratic time
	maxResult    = 8 << 20     // bytes of a text that is put together
	maxElements  = 1_000_000   // elements of an array that is put together
	maxPieces    = 250_000     // parts that a text is divided into
	maxText      = 1 << 20     // bytes of a JSON text that is parsed
	maxDocument  = 256 << 10   // bytes of another text that is parsed: YAML, GraphQL, URL queries
	maxSecret    = 64 << 10    // bytes of a token, certificate or key
	maxPEM       = 16 << 10    // bytes of certificates, whose keys may be as long
	maxKey       = 4 << 10     // characters of a number of a key in base64: 24,000 bits
	maxModule    = 1 << 10     // bytes of Rego that is parsed: nested parts take quadratic time
	maxKeys      = 5_000       // keys of YAML that is parsed: the parser compares those of one map pairwise
	maxSelected  = 2_000       // names in a GraphQL query that is validated: OPA compares all of them pairwise
	maxPairs     = 2_000_000   // pairs of elements that are compared or moved
	maxNetworks  = 250_000     // pairs of networks that are compared
	maxValue     = 2_000_000   // nodes and bytes of a value that is written as text
	maxPaths     = 200_000     // vertices on all paths of a graph together
	maxIndent    = 8           // characters of an indentation
	maxZoneName  = 64          // characters of the name of a time zone
	maxMatchWork = 100_000_000 // instructions of a pattern times bytes of a text
)

type check func(operands []*ast.Term) error

// slowBounds are for builtins that run on their own goroutine; the place of their call is noted, for the watchdog.
var slowBounds = map[string]check{
	"bits.lsh":                         shiftBound,
	"glob.match":                       globBound,
	"graph.reachable_paths":            pathsBound,
	"graphql.is_valid":                 graphqlBound(maxSelected, 0, 1),
	"graphql.parse":                    graphqlBound(maxSelected, 0, 1),
	"graphql.parse_and_verify":         graphqlBound(maxSelected, 0, 1),
	"graphql.parse_query":              graphqlBound(maxDocument, 0),
	"graphql.parse_schema":             graphqlBound(maxDocument, 0),
	"graphql.schema_is_valid":          graphqlBound(maxDocument, 0),
	"json.is_valid":                    textBound(maxText, 0),
	"json.marshal":                     valueBound(0),
	"json.marshal_with_options":        marshalBound,
	"json.match_schema":                matchSchemaBound,
	"json.patch":                       pairsBound(maxPairs, sizeOf, itemsOf),
	"json.unmarshal":                   textBound(maxText, 0),
	"json.verify_schema":               verifySchemaBound,
	"net.cidr_contains_matches":        pairsBound(maxNetworks, itemsOf, itemsOf),
	"object.subset":                    pairsBound(maxPairs, listedIn, listedIn),
	"re_match":                         matchBound(0, 1),
	"regex.find_all_string_submatch_n": findBound,
	"regex.find_n":                     findBound,
	"regex.globs_match":                textBound(maxGlob, 0, 1),
	"regex.is_valid":                   matchBound(0),
	"regex.match":                      matchBound(0, 1),
	"regex.replace":                    regexReplaceBound,
	"regex.split":                      splitBound,
	"regex.template_match":             matchBound(0, 1),
	"rego.parse_module":                textBound(maxModule, 1),
	"strings.replace_n":                replaceManyBound,
	"time.add_date":                    zoneBound,
	"time.clock":                       zoneBound,
	"time.date":                        zoneBound,
	"time.diff":                        zoneBound,
	"time.format":                      zoneBound,
	"time.weekday":                     zoneBound,
	"units.parse":                      textBound(maxDigits, 0),
	"units.parse_bytes":                textBound(maxDigits, 0),
	"urlquery.decode_object":           textBound(maxDocument, 0),
	"yaml.is_valid":                    yamlBound,
	"yaml.marshal":                     valueBound(4),
	"yaml.unmarshal":                   yamlBound,
}

// swiftBounds are for builtins that may run on the caller's thread. Their checks take nanoseconds.
var swiftBounds = map[string]check{
	"array.concat":             elementsBound,
	"array.flatten":            flattenBound,
	"base64.encode":            textBound(maxResult, 0),
	"base64url.encode":         textBound(maxResult, 0),
	"base64url.encode_no_pad":  textBound(maxResult, 0),
	"concat":                   concatBound,
	"hex.encode":               textBound(maxResult, 0),
	"gt":                       comparedBound,
	"gte":                      comparedBound,
	"indexof":                  searchBound,
	"indexof_n":                bothBounds(piecesBound, searchBound),
	"intersection":             walkedBound(maxJoined, 0),
	"internal.member_2":        comparedBound,
	"internal.member_3":        memberBound,
	"internal.template_string": templateBound,
	"lt":                       comparedBound,
	"lte":                      comparedBound,
	"max":                      sortedBound,
	"min":                      sortedBound,
	"minus":                    comparedBound,
	"mul":                      productBound,
	"neq":                      comparedBound,
	"object.filter":            walkedBound(maxJoined, 0),
	"object.get":               walkedBound(maxCompared, 1),
	"object.remove":            walkedBound(maxJoined, 0),
	"object.union":             walkedBound(maxJoined, 0, 1),
	"object.union_n":           walkedBound(maxJoined, 0),
	"or":                       walkedBound(maxJoined, 0, 1),
	"and":                      comparedBound,
	"set_diff":                 comparedBound,
	"sort":                     sortedBound,
	"trim":                     trimBound,
	"trim_left":                trimBound,
	"trim_right":               trimBound,
	"union":                    walkedBound(maxJoined, 0),
	"product":                  productBound,
	"replace":                  replaceBound,
	"split":                    piecesBound,
	"sprintf":                  sprintfBound,
	"to_number":                textBound(maxDigits, 0),
	"urlquery.encode":          textBound(maxResult, 0),
}

// parsers make numbers of any length out of a text.
var parsers = []string{"json.unmarshal", "yaml.unmarshal", "units.parse", "units.parse_bytes", "io.jwt.decode", "io.jwt.decode_verify"}

func init() {
	for _, builtin := range ast.CapabilitiesForThisVersion().Builtins {
		if strings.HasPrefix(builtin.Name, "io.jwt.") || strings.HasPrefix(builtin.Name, "crypto.x509.") {
			slowBounds[builtin.Name] = secretBound
		}
	}
	wrap(ast.ReachableBuiltin.Name, reachableOnce)
	for _, name := range parsers {
		wrap(name, shortNumbers)
	}
	for name, bound := range slowBounds {
		wrap(name, bounded(bound))
		wrap(name, noted)
	}
	for name, bound := range swiftBounds {
		wrap(name, bounded(bound))
	}
	wrap(ast.JSONMatchSchema.Name, offline)
	wrap(ast.JSONSchemaVerify.Name, offline)
}

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

// shortNumbers refuses results that hold numbers of more than maxDigits characters.
func shortNumbers(original topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		return original(bctx, operands, func(result *ast.Term) error {
			if longNumber(result.Value) {
				return fmt.Errorf("a number of the result has more than %d characters", maxDigits)
			}
			return iter(result)
		})
	}
}

func longNumber(value ast.Value) bool {
	switch v := value.(type) {
	case ast.Number:
		return len(v) > maxDigits
	case *ast.Array:
		return v.Until(func(item *ast.Term) bool { return longNumber(item.Value) })
	case ast.Object:
		return v.Until(func(key, item *ast.Term) bool { return longNumber(key.Value) || longNumber(item.Value) })
	}
	return false
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

func tooMuch(operand int, what string, limit int) error {
	return fmt.Errorf("operand %d %s; at most %d are accepted in one step", operand+1, what, limit)
}

var errTooLong = fmt.Errorf("the result would have more than %d bytes", maxResult)

// text returns an operand that is a string, and otherwise an empty one: the builtin itself refuses other types.
func text(operands []*ast.Term, index int) string {
	if index < len(operands) && operands[index] != nil {
		if s, ok := operands[index].Value.(ast.String); ok {
			return string(s)
		}
	}
	return ""
}

// textBound bounds the length of texts, and the size of operands of other types.
func textBound(limit int, indexes ...int) check {
	return func(operands []*ast.Term) error {
		for _, index := range indexes {
			if index < len(operands) && sizeOf(operands[index].Value, limit) > limit {
				return tooMuch(index, "is too large", limit)
			}
		}
		return nil
	}
}

// valueBound bounds a value that is written as text with this indentation. A value may be small in memory and endless as
// text, because its parts can be shared.
func valueBound(indent int) check {
	return func(operands []*ast.Term) error {
		return writable(operands[0].Value, indent)
	}
}

func writable(value ast.Value, indent int) error {
	nodes := sizeOf(value, maxValue)
	if nodes > maxValue || nodes*depthOf(value)*indent > maxResult {
		return tooMuch(0, "is too large as a text", maxValue)
	}
	return nil
}

func marshalBound(operands []*ast.Term) error {
	indent := 0
	if options, ok := operands[1].Value.(ast.Object); ok {
		for _, name := range []string{"indent", "prefix"} {
			if option := options.Get(ast.StringTerm(name)); option != nil {
				indent += len(text([]*ast.Term{option}, 0))
			}
		}
	}
	if indent > maxIndent {
		return tooMuch(1, "indents too far", maxIndent)
	}
	return writable(operands[0].Value, max(indent, 1))
}

// sizeOf counts nodes and bytes of a value, and stops beyond a limit.
func sizeOf(value ast.Value, limit int) int {
	size := 1
	switch v := value.(type) {
	case ast.String:
		size += len(v)
	case ast.Number:
		size += len(v)
	case *ast.Array:
		v.Until(func(item *ast.Term) bool { size += sizeOf(item.Value, limit-size); return size > limit })
	case ast.Set:
		for _, item := range v.Slice() {
			if size += sizeOf(item.Value, limit-size); size > limit {
				break
			}
		}
	case ast.Object:
		v.Until(func(key, item *ast.Term) bool {
			size += sizeOf(key.Value, limit-size)
			if size <= limit {
				size += sizeOf(item.Value, limit-size)
			}
			return size > limit
		})
	}
	return size
}

// depthOf returns how deep a value of bounded size is nested.
func depthOf(value ast.Value) int {
	deepest := 0
	below := func(item *ast.Term) { deepest = max(deepest, depthOf(item.Value)) }
	switch v := value.(type) {
	case *ast.Array:
		v.Foreach(below)
	case ast.Set:
		v.Foreach(below)
	case ast.Object:
		v.Foreach(func(_, item *ast.Term) { below(item) })
	}
	return deepest + 1
}

func shiftBound(operands []*ast.Term) error {
	by, ok := operands[1].Value.(ast.Number)
	if shift, small := by.Int(); ok && (!small || shift > 2*maxDigits) {
		return tooMuch(1, "shifts too far", 2*maxDigits)
	}
	return nil
}

// productBound bounds the digits of a product. Digits of operands, which are bounded when they are read, add up.
func productBound(operands []*ast.Term) error {
	digits := 0
	count := func(term *ast.Term) bool {
		if number, ok := term.Value.(ast.Number); ok && len(number) > 1 {
			digits += len(number)
		}
		return digits > 2*maxDigits
	}
	for index, operand := range operands {
		over := false
		switch v := operand.Value.(type) {
		case *ast.Array:
			over = v.Until(count)
		case ast.Set:
			over = v.Until(count)
		default:
			over = count(operand)
		}
		if over {
			return tooMuch(index, "has too many digits to be multiplied", 2*maxDigits)
		}
	}
	return nil
}

func elementsBound(operands []*ast.Term) error {
	total := 0
	for _, operand := range operands {
		if array, ok := operand.Value.(*ast.Array); ok {
			total += array.Len()
		}
	}
	if total > maxElements {
		return tooMuch(1, "makes the array too long", maxElements)
	}
	return nil
}

func flattenBound(operands []*ast.Term) error {
	array, ok := operands[0].Value.(*ast.Array)
	if !ok {
		return nil
	}
	total := 0
	array.Foreach(func(item *ast.Term) {
		if inner, nested := item.Value.(*ast.Array); nested {
			total += inner.Len()
		}
	})
	if total > maxElements {
		return tooMuch(0, "makes the array too long", maxElements)
	}
	return nil
}

// zoneBound bounds the names of time zones, which OPA looks up among the system's files and keeps for ever.
func zoneBound(operands []*ast.Term) error {
	for index, operand := range operands {
		given, ok := operand.Value.(*ast.Array)
		if !ok || given.Len() < 2 {
			continue
		}
		if name, ok := given.Elem(1).Value.(ast.String); ok && (len(name) > maxZoneName || !zones.MatchString(string(name))) {
			return fmt.Errorf("operand %d names no time zone", index+1)
		}
	}
	return nil
}

var zones = regexp.MustCompile(`^(?:[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9][A-Za-z0-9_+-]*){0,3})?$`)

// pairsBound bounds the product of two sizes.
func pairsBound(limit int, first, second func(value ast.Value, limit int) int) check {
	return func(operands []*ast.Term) error {
		if first(operands[0].Value, limit)*second(operands[1].Value, limit) > limit {
			return tooMuch(1, "has too many elements for operand 1", limit)
		}
		return nil
	}
}

func itemsOf(value ast.Value, _ int) int {
	switch v := value.(type) {
	case *ast.Array:
		return v.Len()
	case ast.Set:
		return v.Len()
	case ast.Object:
		return v.Len()
	}
	return 1
}

// listedIn counts the elements of all arrays in a value, and stops beyond a limit.
func listedIn(value ast.Value, limit int) int {
	count := 0
	add := func(item *ast.Term) bool { count += listedIn(item.Value, limit-count); return count > limit }
	switch v := value.(type) {
	case *ast.Array:
		count = v.Len()
		v.Until(add)
	case ast.Object:
		v.Until(func(_, item *ast.Term) bool { return add(item) })
	}
	return count
}
