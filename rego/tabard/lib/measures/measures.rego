# METADATA
# title: Measures in names and in the request
# description: |
#   Lengths, volumes and weights by which people tell things of one kind apart: "the 12 footers", "a ten-metre rope",
#   "20 l". `entities` uses them.
package tabard.lib.measures

import data.tabard.lib.quantities

# METADATA
# description: |
#   The measures in a text, in one form: `of("Heron kayak 12-foot")` is {"12 ft"}.
of(text) := {sprintf("%s %s", [trim_left(found[1], "0"), _units[found[2]]]) |
	some found in regex.find_all_string_submatch_n(_measure, lower(text), 50)
}

# METADATA
# description: The measures that the request says, in digits or words; "the twelve footers" is {"12 ft"}.
said := of(quantities.digits)

_measure := sprintf(`\b([0-9]{1,5})[ -]?(%s)(?:s|er|ers)?\b`, [concat("|", object.keys(_units))])

_units := {
	"centimeter": "cm", "centimetre": "cm", "cm": "cm", "feet": "ft", "foot": "ft", "ft": "ft", "inch": "in",
	"kg": "kg", "kilo": "kg", "l": "l", "liter": "l", "litre": "l", "m": "m", "meter": "m", "metre": "m", "ml": "ml",
	"mm": "mm",
}
