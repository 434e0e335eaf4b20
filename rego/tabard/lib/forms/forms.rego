# METADATA
# title: Forms by their fields
# description: |
#   Guardrails over a form that the agent sends to a third party: a claim of damage, a release, an order by mail. Its
#   reader acts upon each field, so each has to be said by the request or to be in your records.
package tabard.lib.forms

import data.tabard.lib.arguments
import data.tabard.lib.texts

# METADATA
# description: |
#   The fields of the argument `name`, a form: "a=1&b=2", lines or parts between ";" as "a: 1" or "a=1", or a JSON
#   object of texts and numbers. Names are in lower case, values as they are written; `fields("body").address` is what
#   the form says as address. Undefined if a part is no field, if a name stands twice, or above 3,000 characters.
fields(name) := found if {
	pairs := _pairs(trim_space(arguments.text(name)))
	count(pairs) > 0
	count({key | some [key, _] in pairs}) == count(pairs)
	found := {key: value | some [key, value] in pairs}
}

# METADATA
# description: |
#   True if the argument `name` is a form, as for `fields`, of which each value consists of words and numbers of the
#   request, of `own`, and everyday words, as `plain` with no further word; `known("body", {"S-7", address})` for a
#   claim in a carrier's form. Needs trusted intent. What a field is for isn't compared: say that of the ones that
#   matter, as in `fields("body").address == record.address`.
known(name, own) if {
	found := fields(name)
	every _, value in found {
		texts.plain_text(value, own, 0)
	}
}

# A browser's form, of which only spaces, commas and ends of lines are encoded.
_pairs(text) := pairs if {
	count(text) <= 3000
	regex.match(`^[^=&\s]+=[^=&\n]*(?:&[^=&\s]+=[^=&\n]*)*$`, text)
	decoded := strings.replace_n({"%0A": " ", "%20": " ", "%2C": ",", "%2c": ",", "%3A": ":", "+": " "}, text)
	not contains(decoded, "%")
	pairs := _split_pairs(split(decoded, "&"))
} else := pairs if {
	count(text) <= 3000
	json.is_valid(text)
	form := json.unmarshal(text)
	is_object(form)
	pairs := [[_field(key), sprintf("%v", [value])] | some key, value in form; type_name(value) in {"string", "number"}]
	count(pairs) == count(form)
} else := _split_pairs(regex.split(`[ ]*[;\n][ \n]*`, trim(text, "; \n"))) if {
	count(text) <= 3000
	not json.is_valid(text)
	not regex.match(`\S&\S`, text)
}

_split_pairs(parts) := pairs if {
	pairs := [[_field(found[1]), trim_space(found[2])] |
		some part in parts
		some found in regex.find_all_string_submatch_n(`^(\pL[^:=]*)[:=](.*)$`, trim_space(part), 1)
		count(found[1]) <= 40
	]
	count(pairs) == count(parts)
}

_field(name) := lower(trim_space(name))
