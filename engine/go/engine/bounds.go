package engine

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

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
