# METADATA
# title: Amounts and limits of the request
# description: |
#   Guardrails that compare a number of the call with those that the request states, in digits or words. Currencies and
#   units aren't compared, and neither is what a number counts. So "two tickets for the 12 o'clock show" confirms 2 and
#   12. All of them need trusted intent and a request of at most 4,096 characters.
package tabard.lib.amounts

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.intent

# METADATA
# description: |
#   The numbers that the request states as whole words: "160", "1,200.50", "$160", "25USD", "2x", and the words from
#   "two" to "twelve". Numbers of several words ("twenty five", "two dozen"), dates, times and parts of addresses don't
#   count. "one" doesn't either, since it seldom is a number.
# scope: document
said contains to_number(replace(found[0][1], ",", "")) if {
	some token in _tokens
	found := regex.find_all_string_submatch_n(_number, token, 1)
}

said contains number if {
	some place in numbers.range(1, count(_tokens) - 2)
	word := _tokens[place]
	number := _words[word]
	not _tokens[place - 1] in _joins
	not _tokens[place + 1] in _joins
}

# METADATA
# description: True if the argument `name` is a number that the request states; `requested("price")`.
requested(name) if arguments.number(name) in said

# METADATA
# description: |
#   True if the argument `name` is a quantity that the request states, or 1; `quantity_requested("tickets")`. A request
#   that states no quantity means one.
# scope: document
quantity_requested(name) if {
	intent.trusted
	arguments.number(name) == 1
}

quantity_requested(name) if requested(name)

# METADATA
# description: |
#   True if the argument `name` is a number above 0 and within every upper limit of money that the request states, and
#   it states one; `within_limit("price")`. A limit reads "under $160", "at most 160 euros", "up to 25USD". "Under" and
#   "less than" leave the limit itself out. Give the price of the whole call, not of one piece.
within_limit(name) if {
	value := arguments.number(name)
	value > 0
	count(_limits) > 0
	every limit in _limits {
		_within(value, limit)
	}
}

_within(value, limit) if value < limit.number

_within(value, limit) if {
	value == limit.number
	not limit.strict
}

_request := lower(input.task.statement) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

_kept := lower(exclusions.kept) if count(input.task.statement) <= 4096

# With an empty one at both ends.
_tokens := [trim_right(token, ".,:") |
	some token in regex.split(`[\s()\[\]"';!?]+`, sprintf(" %s ", [_kept]))
]

_digits := `((?:[1-9]\d{0,2}(?:,\d{3}){1,3}|[1-9]\d{0,11}|0)(?:\.\d{1,4})?)`

_currency := `(?:[$€£¥]|usd|eur|gbp|chf|us\$)`

_number := sprintf(`^%s?%s(?:%s|x)?$`, [_currency, _digits, _currency])

_words := {
	"eight": 8,
	"eleven": 11,
	"five": 5,
	"four": 4,
	"nine": 9,
	"seven": 7,
	"six": 6,
	"ten": 10,
	"three": 3,
	"twelve": 12,
	"two": 2,
}

_joins := object.keys(_words) | {
	"and", "dozen", "dozens", "eighty", "fifty", "forty", "half", "hundred", "million", "ninety", "one", "point",
	"seventy", "sixty", "thirty", "thousand", "twenty",
}

_strict := `under|below|less than|cheaper than`

_limit := sprintf(
	`\b(%s|at most|at the most|up to|no more than|not more than|max(?:imum)?(?: of)?|budget(?: of| is)?) %s`,
	[_strict, sprintf(`(?:%s ?%s(?:[\s;:!?)]|[.,]\s|[.,]?$)|%s ?(?:%s|dollars?|euros?|pounds?|francs?|bucks)(?:\W|$))`, [
		_currency,
		_digits,
		_digits,
		_currency,
	])],
)

_limits contains limit if {
	not regex.match(sprintf(`(?:n't|n’t|\bnot|\bnever|\bnothing)\s(?:\S+\s){0,2}(?:%s)\b`, [_strict]), _request)
	some found in regex.find_all_string_submatch_n(_limit, _request, -1)
	limit := {
		"number": to_number(replace(concat("", [found[2], found[3]]), ",", "")),
		"strict": regex.match(_strict, found[1]),
	}
}
