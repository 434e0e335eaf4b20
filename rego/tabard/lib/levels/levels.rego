# METADATA
# title: How much there is, and how much it changes
# description: |
#   Corrections of stock and the like say a change ("two of them are torn", "six ropes from west to east") or what there
#   is afterwards ("east has 38", "back up to 20", "none left"). Whether something goes or comes stands in words around
#   the number. They need trusted intent and a request of at most 4,096 characters, and read the part of the request
#   about the thing (`scopes.of`).
package tabard.lib.levels

import data.tabard.lib.arguments
import data.tabard.lib.figures
import data.tabard.lib.intent
import data.tabard.lib.quantities
import data.tabard.lib.scopes

# METADATA
# description: |
#   What the request says of a change, as a value for `calls.meaning`. `level` is an object: `name` is the argument, a
#   number below or above zero; `id` and `directory` the thing, as for `scopes.of`; `now` how much there is by your
#   records; `places`, if it is there, the names of the place of this call, as {"east"}: "from west to east" takes from
#   west. "said" if the request states this change and which way it goes, or what there is afterwards; "none" if it
#   states neither a number of this thing nor a level, or the number and not the way; "other" if it states other numbers
#   of the thing or the other way. `meaning({"name": "delta", "id": sku, "directory": data.articles, "now":
#   data.stock[sku].east, "places": {"east"}})`.
# scope: document
default meaning(_) := "other"

meaning(level) := "said" if {
	(arguments.number(level.name) + level.now) in _goals(level)
} else := "said" if {
	_counted(level)
	_way(level) == _sign(arguments.number(level.name))
} else := "none" if {
	_counted(level)
	_way(level) == 0
} else := "none" if {
	is_number(arguments.number(level.name))
	intent.trusted
	count(_numbers(level) | _goals(level)) == 0
}

# METADATA
# description: |
#   How many are missing to the levels that the request states for the thing: `missing(level)` for "get us back up to 20
#   vests" is {2} where there are 18; `level` as for `meaning`, without `name`. For a purchase:
#   `input.tool.arguments.quantity in missing(level)`.
missing(level) := {number |
	some goal in _goals(level)
	number := goal - level.now
	number > 0
}

# METADATA
# description: |
#   True if the request states a level for the thing, so that a number of it is no quantity; `level` as for `missing`.
stated(level) if count(_goals(level)) > 0

_counted(level) if abs(arguments.number(level.name)) in _numbers(level)

_sign(number) := 1 if number > 0

_sign(number) := -1 if number < 0

# The numbers beside the thing, or those of its part of the request.
_numbers(level) := own if {
	own := figures.counts(level.id, level.directory)
	count(own) > 0
} else := {number | some number in counts} if {
	# regal ignore:with-outside-test-context
	counts := quantities.counts with input.task.statement as _part(level)
}

# The part about the thing; all of the request if that has no number.
_part(level) := part if {
	part := scopes.of(level.id, level.directory)
	regex.match(`[0-9]`, quantities.digits_of(lower(part)))
} else := input.task.statement

_goals(level) := {to_number(found[1]) |
	intent.trusted
	some found in regex.find_all_string_submatch_n(_goal, _words(level), 20)
} | {0 |
	intent.trusted
	count(figures.counts(level.id, level.directory)) == 0
	regex.match(_empty, _words(level))
}

_empty := `\b(?:none|nothing|no more|not one)(?: (?:is|are))? left\b|\b(?:sold out|all gone)\b`

_words(level) := said if {
	# regal ignore:with-outside-test-context
	said := quantities.digits with input.task.statement as _part(level)
}

_goal := concat("", [
	`\b(?:(?:up|back|down|stock|level) to|(?:set|correct|change|bring|get|top|fill)(?: \pL+){1,3} to`,
	`|(?:so|until|till) (?:that )?(?:we|there) (?:have|are)`,
	`|(?:counted|count)(?: (?:today|yesterday|again|now|is|was|in \pL+)){0,2}:`,
	`|(?:it's|it is|there are|there is|we have|has|have|holds?|counted|make it|should (?:be|say)|is|are)`,
	`(?: (?:only|now|really|exactly))?) ([0-9]{1,7})\b`,
])

# 1 if the words say that the thing comes, -1 that it goes, 0 if they say neither or both.
_way(level) := way if {
	said := _words(level)
	way := _placed(level, said)
} else := way if {
	said := _words(level)
	ways := {1 | regex.match(_comes, said)} | {-1 | regex.match(_goes, said)}
	way := _only(ways)
} else := 0

_placed(level, said) := _only(ways) if {
	regex.match(`\bfrom\b.*\b(?:in)?to\b|\bout of\b.*\b(?:in)?to\b`, said)
	ways := {-1 | _beside(level, `from|out of|off`, said)} | {1 | _beside(level, `into|to|over to`, said)}
}

_beside(level, words, said) if {
	some place in object.get(level, "places", set())
	name := regex.replace(lower(place), `[^\pL\pN ]`, ".")
	regex.match(sprintf(`\b(?:%s) (?:the )?(?:warehouse )?%s\b`, [words, name]), said)
}

_only(ways) := [way | some way in ways][0] if count(ways) == 1

_goes := concat("", [
	`\b(?:bent|bin|broke|broken|burst|crack(?:ed|s)?|damaged?|deduct|defective|down by|drop by|expired|faulty|fewer`,
	`|holes?|leak(?:ed|ing|s|y)?|less|lost|lower|minus|missing|mould(?:y|ed)?|off|reduce|remove|rotten|ruined`,
	`|scrap(?:ped)?`,
	`|short|smashed|soaked|split|stolen|subtract|take out|thr(?:ew|ow|own)|torn|unusable|write|written|wrong)\b`,
])

_comes := concat("", [
	`\b(?:add(?:ed)?|arrived?|book (?:them )?in|came|come|comes|deliver(?:ed|y)|extra|found|higher|increase|more|plus`,
	`|receiv(?:e|ed)|return(?:ed|s)?|surplus|turned up|too many|up by)\b`,
])
