# METADATA
# title: Which number belongs to which thing
# description: |
#   The numbers that the request states beside one thing: "nine of the paddles and eleven ropes" says nine of paddles
#   and not of ropes. `directory` is an object of ids, each with an array of names, as for `entities`. A number
#   belongs to the thing that stands alone with it between commas, "and" and ends of sentences, or to the thing right
#   before ("Ramipril: 10 mg"); "each" gives it to all things of the sentence. Of "from 5 to 10" only 10 counts, and
#   "by 5" doesn't. Where two things share a number's place, neither has it. They need trusted intent and a request of
#   at most 4,096 characters, and leave out what the request rules out.
package tabard.lib.figures

import data.tabard.lib.arguments
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.shares
import data.tabard.lib.wording

# METADATA
# description: |
#   The numbers without a unit or currency beside `id`; `counts("P-9", data.stock)` for "nine carbon paddles and eleven
#   ropes" is {9}.
counts(id, directory) := {to_number(replace(found[1], ",", "")) |
	some text in _beside(id, directory)
	some found in regex.find_all_string_submatch_n(_whole, _bare(text), -1)
}

# METADATA
# description: |
#   The amounts of money beside `id`, in cents, with a currency or with nothing that they count;
#   `cents("C-2", data.customers)` for "59 euros for Ann and 29.90 for Emil" is {2990}.
cents(id, directory) := {round(to_number(replace(found[1], ",", "")) * 100) |
	some text in _beside(id, directory)
	some found in regex.find_all_string_submatch_n(_money, _without(text, _measured), -1)
}

# METADATA
# description: |
#   The strengths and measures beside `id`, as texts of number, space and unit; `strengths("D-1", data.drugs)` for "put
#   Ramipril up from 5 to 10 mg" is {"10 mg"}.
strengths(id, directory) := {sprintf("%s %s", [found[1], found[2]]) |
	some text in _beside(id, directory)
	some found in regex.find_all_string_submatch_n(_measured, text, -1)
}

# METADATA
# description: |
#   What the request says of the argument `name`, a count of `id`: "said" if it states this one beside the thing;
#   "other" if it states others there; where it states none there, "said" for a number that no other thing has, "none"
#   if there is none, and "other" else. `count_meaning("quantity", "P-9", data.stock)`.
count_meaning(name, id, directory) := _count_meaning(arguments.number(name), counts(id, directory), left) if {
	left := quantities.counts - {number |
		some other, _ in directory
		other != id
		some number in counts(other, directory)
	}
}

_count_meaning(number, own, _) := "said" if number in own

# "Up to 20": fewer aren't ruled out.
_count_meaning(number, own, _) := "none" if {
	count(own) > 0
	not number in own
	quantities.count_within_limits(number)
}

_count_meaning(number, own, _) := "other" if {
	count(own) > 0
	not number in own
	is_number(number)
	not quantities.count_within_limits(number)
}

_count_meaning(number, own, left) := _left_over(number, left) if count(own) == 0

_left_over(number, left) := "said" if number in left

_left_over(number, left) := "none" if {
	is_number(number)
	count(left) == 0
}

_left_over(number, left) := "other" if {
	count(left) > 0
	not number in left
}

# METADATA
# description: |
#   What the request says of the argument `name`, a whole number of cents for `id`, where your records have `base` for
#   it, or 0. A number beside the thing counts without a currency, too: "vest 49, rope 12.90". "said" if it states this
#   amount beside the thing, "other" if it states others there; else as `shares.cents_meaning` says in the part about
#   the thing, or in all of the request where that part says nothing. `cents_meaning("price_cents", "P-9", data.stock,
#   6500)`. For a tool that is about money: a bare number may count something.
cents_meaning(name, id, directory, base) := "other" if {
	not quantities.cents_within_limits(name)
} else := "said" if {
	arguments.number(name) in _amounts(id, directory)
} else := "other" if {
	count(_amounts(id, directory)) > 0
	not shares.said
} else := meaning if {
	part := scopes.of(id, directory)
	part != ""

	# regal ignore:with-outside-test-context
	meaning := shares.cents_meaning(name, base) with input.task.statement as part
	_says_money(part)
} else := shares.cents_meaning(name, base)

# An amount, a share or a change stands in the part itself.
_says_money(part) if {
	# regal ignore:with-outside-test-context
	count(quantities.cents | quantities.percents) > 0 with input.task.statement as part
}

# regal ignore:with-outside-test-context
_says_money(part) if shares.said with input.task.statement as part

_amounts(id, directory) := cents(id, directory) - {limit.cents | some limit in quantities.limits}

_units := "mg|mcg|µg|g|kg|ml|cl|l|iu|mm|cm|m|km|%"

_measured := sprintf(`(?:^|[^\pL\pN.,])([0-9]+(?:[.][0-9]+)?) ?(%s)(?:[^\pL\pN]|$)`, [_units])

_currency := `(?:[$€£]|(?:euros?|dollars?|pounds?|eur|usd|gbp)\b)`

_money := concat("", [
	`(?:^|[^\pL\pN.,:/#-])([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{2})?|[0-9]+(?:\.[0-9]{2})?)`,
	sprintf(`(?: ?%s|[.]?$|[:)] | (?:of|to|for|from|on|back|in|as|each|please)\b)`, [_currency]),
])

_whole := `(?:^|[^\pL\pN.,:/#-])([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)x?(?:[^\pL\pN.,:/#-]|$)`

# Without money, measures, dates and times.
_bare(text) := _without(_without(_without(text, _measured), _with_currency), _time)

_with_currency := sprintf(`[$€£] ?[0-9.,]+|[0-9][0-9.,]* ?%s`, [_currency])

_time := concat("", [
	`[0-9]+(?:st|nd|rd|th)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*`,
	`|[0-9]+ ?(?:am|pm|o'clock|minutes?|hours?|days?|weeks?|months?|years?)\b|\b(?:at|until|before|after) [0-9]+\b`,
])

_without(text, pattern) := regex.replace(text, pattern, " ; ")

# ---- parts of sentences

# METADATA
# description: |
#   The parts of the request whose numbers belong to `id`, in lower case, with numbers in digits;
#   `beside("D-1", data.drugs)` for "Ramipril 10 mg, atorvastatin as before" is {"ramipril 10 mg"}.
beside(id, directory) := _beside(id, directory)

_beside(id, directory) := {_latest(part) |
	some sentence in _sentences
	some place, part in sentence
	_belongs(id, sentence, place, directory)
} | _each_of_all(id, directory)

# "Do both again. 28 each": of a sentence that names nothing, for all that the request names.
_each_of_all(id, directory) := {_latest(part) |
	some sentence in _sentences
	some part in sentence
	regex.match(`\b(?:each|apiece|a ?piece|of (?:each|both))\b`, part)
	count({thing | some one in sentence; some thing in _things(one, directory)}) == 0
	some other in _sentences
	some one in other
	id in _things(one, directory)
}

_belongs(id, sentence, place, directory) if _things(sentence[place], directory) == {id}

# Behind a thing without a number of its own.
_belongs(id, sentence, place, directory) if {
	_things(sentence[place], directory) == set()
	_things(sentence[place - 1], directory) == {id}
	not regex.match(`(?:^|[^\pL-])[0-9]`, sentence[place - 1])
}

_belongs(id, sentence, place, directory) if {
	regex.match(`\b(?:each|apiece)\b`, sentence[place])
	some part in sentence
	id in _things(part, directory)
}

# Only the later one of "from 5 to 10", and no difference.
_latest(part) := regex.replace(part, _before_change, " ; ")

_before_change := sprintf(`\b(?:from|by|was|currently|than) [$€£]?[0-9][0-9.,]*(?: ?(?:%s|%s))?`, [_units, _currency])

_sentences := [parts |
	some sentence in regex.split(`[.!?;\n…]+(?:\s|$)|\n`, quantities.digits)
	parts := regex.split(`,\s|: | - | & | ?\b(?:and|then|but|plus|also)\b`, sentence)
]

_things(part, directory) := {id |
	words := [wording.singular(word) | some word in regex.find_n(`[\pL\pN]+`, part, -1)]
	said := sprintf(" %s ", [concat(" ", words)])
	some id, names in directory
	_named(said, id, names, directory)
}

_named(said, id, _, _) if contains(said, _phrase(id))

_named(said, _, names, _) if {
	some name in names
	contains(said, _phrase(name))
}

# A word that no other thing has.
_named(said, id, names, directory) if {
	some name in names
	some word in regex.find_n(`\pL{3,}`, lower(name), -1)
	not wording.singular(word) in packing
	contains(said, _phrase(word))
	others := {other |
		some other, theirs in directory
		some called in theirs
		contains(_phrase(called), _phrase(word))
	}
	others == {id}
}

# METADATA
# description: Words in which things of many kinds are counted; none of them names a thing by itself ("water tablets").
packing := {
	"bottle", "box", "capsule", "carton", "case", "drop", "item", "pack", "package", "packet", "pair", "pallet", "piece",
	"pill", "puff", "roll", "sachet", "set", "strip", "tablet", "tube", "unit",
}

_phrase(text) := sprintf(" %s ", [concat(" ", words)]) if {
	words := [wording.singular(word) | some word in regex.find_n(`[\pL\pN]+`, lower(text), -1)]
}
