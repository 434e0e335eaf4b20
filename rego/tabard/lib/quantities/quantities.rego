# METADATA
# title: How many and how much the request says
# description: |
#   Numbers of the person's request by what they mean: counts, money and percentages, in digits or words ("twenty more",
#   "two dozen", "a hundred and five"). Strengths, lengths of time, dates, times of day and ids are none of them
#   ("500 mg", "in two weeks", "at 10", "O-1006", "order 1006"). They need trusted intent and a request of at most 4,096
#   characters. What a number counts isn't compared: "two boxes and three pallets" says 2 and 3.
package tabard.lib.quantities

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.intent

# METADATA
# description: The numbers that count something.
# scope: document
counts contains to_number(replace(found, ",", "")) if some found in _numbers

# METADATA
# description: |
#   Amounts of money beside a currency's sign, code or name, in cents: "20 euros" is 2000, "€1,200.50" is 120050, "50
#   cents" is 50; numbers with two decimals without a unit, as "29.90"; and a part of a sum, from a hundred on, as
#   "1,000 of it" or "500 on account". Currencies aren't compared.
# scope: document
cents := cents_in(digits)

# METADATA
# description: |
#   The amounts of money in a text in lower case, as `cents`; `cents_in("20 euros")` is {2000}.
cents_in(text) := {round(_decimal(found[1]) * 100) |
	some pattern in [_before, _behind]
	some found in regex.find_all_string_submatch_n(pattern, text, -1)
} | ({to_number(found[1]) |
	some found in regex.find_all_string_submatch_n(`\b([0-9]{1,9}) ?(?:cents?|pence)\b`, text, -1)
} | {round(to_number(replace(found[1], ",", "")) * 100) |
	some pattern in [_bare_decimal, _part]
	some found in regex.find_all_string_submatch_n(pattern, text, -1)
})

# METADATA
# description: |
#   The limits of money that the request sets, each with its `cents` and a `kind`: "most" ("at most 750", "up to",
#   "isn't more than"), "less" ("under"), "least" ("at least") and "more" ("over"). A currency may be missing where no
#   other thing is counted: "no more than 750". What stands behind "unless" bounds nothing: it is a condition.
# scope: document
limits contains {"kind": kind, "cents": round(_decimal(found[2]) * 100)} if {
	intent.trusted
	count(input.task.statement) <= 4096
	text := digits_of(lower(replace(input.task.statement, "’", "'")))
	some found in regex.find_all_string_submatch_n(_limit, raised(regex.replace(text, _unless, " ; ")), 20)
	some kind in [one | some one, cues in _limit_cues; regex.match(sprintf("^(?:%s)$", [cues]), found[1])]
}

# METADATA
# description: |
#   True if the argument `name`, a whole number of cents, is within every one of `limits`, also without any. A price of
#   one piece and a whole sum aren't told apart: give the number that the limit is for.
# scope: document
cents_within_limits(name) if {
	intent.trusted
	value := arguments.number(name)
	every limit in limits {
		_within(value, limit.cents, limit.kind)
	}
}

# METADATA
# description: |
#   A text in lower case with "to" for "up to" where something is brought to a level; `raised("put it up to 135")` is
#   "put it to 135", and "order up to 20" stays, since that is a limit.
raised(text) := regex.replace(text, _raising, "$1 to ")

_raising := concat("", [
	`\b((?:put|puts|bring|brings|raise|raises|raised|move|moves|mark|marked|goes|step|push|back|them all)`,
	`(?: [^\s,.;:]+){0,4}?) up to `,
])

# METADATA
# description: |
#   True if the request limits a count, and `number` is within each such limit: "up to 20 vests", "at most a dozen", "at
#   least ten"; `count_within_limits(12)`. Money is none: `limits` has it.
count_within_limits(number) if {
	count(_count_limits) > 0
	every limit in _count_limits {
		_within(number, limit.count, limit.kind)
	}
}

_count_limits contains {"kind": kind, "count": to_number(found[2])} if {
	intent.trusted
	count(input.task.statement) <= 4096
	text := digits_of(lower(replace(input.task.statement, "’", "'")))
	some found in regex.find_all_string_submatch_n(_count_limit, raised(regex.replace(text, _unless, " ; ")), 20)
	not found[3] in {"eur", "euro", "euros", "usd", "dollars", "gbp", "pounds", "cents", "percent"}
	some kind in [one | some one, cues in _limit_cues; regex.match(sprintf("^(?:%s)$", [cues]), found[1])]
}

_count_limit := sprintf(`\b(%s) (?:about |around )?([0-9]{1,7})(?:$|[;:!?)]|[.,](?:$|\s)| (\pL+))`, [
	concat("|", [_limit_cues.least, _limit_cues.most, _limit_cues.less, _limit_cues.more]),
])

_within(value, cents_, "most") if value <= cents_

_within(value, cents_, "less") if value < cents_

_within(value, cents_, "least") if value >= cents_

_within(value, cents_, "more") if value > cents_

# Up to the end of the sentence or of its clause.
_unless := `\bunless\b(?:[^,.;!?\n]|[.,][0-9])*`

_not := `(?:no|not|isn't|aren't|wasn't|doesn't (?:cost|come to)|nothing)`

_limit_cues := {
	"least": sprintf(`at least|no less than|not less than|%s (?:under|below)|minimum(?: of)?`, [_not]),
	"less": `under|below|less than|cheaper than|smaller than`,
	"more": `over|above|more than|larger than|bigger than`,
	"most": sprintf(
		`at most|at the most|up to|%s (?:more than|over|above)|max(?:imum)?(?: of)?|budget(?: of| is)?|a limit of`,
		[_not],
	),
}

_limit := sprintf(`\b(%s) (?:about |around )?[$€£]? ?%s(?:$|[.,](?:$|\s)|[;:!?)]| ?(?:[$€£]|%s))`, [
	concat("|", [_limit_cues.least, _limit_cues.most, _limit_cues.less, _limit_cues.more]), _amount,
	concat("", [
		`(?:eur|euros?|usd|dollars?|gbp|pounds?|chf|francs?|and|or|for|in|on|each|if|please|but|so|then|now|to|from`,
		`|with|without|a|the)\b`,
	]),
])

# "At 9.30" is a time.
_bare_decimal := concat("", [
	`(?:^|[^0-9.,:/$€£#a-z-])([0-9]{1,3}(?:,[0-9]{3})*\.[0-9]{2}|[0-9]{1,7}\.[0-9]{2})`,
	`(?:$|[,;:!?)]|\.(?:$|\s)|\s(?:$|[^ap%m]|[ap][^m]|m[^gmlh]))`,
])

# Fewer may be things.
_part := concat("", [
	`(?:^|[^0-9.,:/$€£#a-z-])([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{3,7}) `,
	`(?:of (?:it|that|this|(?:[\pL'-]+ ){1,3}?(?:balance|bill|invoice|sum|total|amount|money))`,
	`|on account|in advance|up ?front|as (?:a |an )?(?:deposit|advance|down payment|part payment|first payment))\b`,
])

# METADATA
# description: |
#   Percentages: "15 %", "twenty percent". "Half the price", "half of it" and "by half" are 50.
# scope: document
percents contains to_number(found[1]) if {
	some found in regex.find_all_string_submatch_n(_percent, digits, -1)
}

percents contains 50 if regex.match(`\bhalf (?:of|the|her|his|their|its|price)\b|\b(?:by half|halve)\b`, digits)

# METADATA
# description: |
#   True if the argument `name` is a count that the request states, or 1 and the request states none or says "one", "a
#   single" or "another".
# scope: document
count_requested(name) if arguments.number(name) in counts

count_requested(name) if {
	intent.trusted
	count(counts) == 0
	arguments.number(name) == 1
}

count_requested(name) if {
	arguments.number(name) == 1
	regex.match(`\b(?:one|single|another)\b`, _text)
}

# METADATA
# description: True if the argument `name`, a whole number of cents, is an amount of money that the request states.
cents_requested(name) if arguments.number(name) in cents

# METADATA
# description: |
#   What the request says of the argument `name`, a count: "said" if it states this one, "none" if it states no count,
#   "other" if it states others only; `count_meaning("quantity")` of 144 for "order a dozen" is "other". Within a limit
#   ("up to 20") each other number is "none". Ask where it is
#   "none", since a text may tell the count, and grant nothing where it is "other". Undefined if it is no number.
count_meaning(name) := "said" if {
	is_number(arguments.number(name))
	count_requested(name)
} else := "none" if {
	is_number(arguments.number(name))
	intent.trusted
	count(counts) == 0
} else := "none" if {
	count_within_limits(arguments.number(name))
} else := "other" if {
	is_number(arguments.number(name))
}

# METADATA
# description: |
#   As `count_meaning`, for the argument `name`, a whole number of cents, and the amounts of money that the request
#   states; `cents_meaning("amount_cents")`. A percentage is no amount: look at `percents`.
cents_meaning(name) := "said" if {
	cents_requested(name)
} else := "none" if {
	is_number(arguments.number(name))
	intent.trusted
	count(cents) == 0
} else := "other" if {
	is_number(arguments.number(name))
}

_text := lower(exclusions.kept) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

_percent := `\b([0-9]{1,3}(?:\.[0-9]{1,4})?) ?(?:%|percent\b|per cent\b)`

# ---- words to digits

_units := {
	"a": 1, "eight": 8, "eighteen": 18, "eleven": 11, "fifteen": 15, "five": 5, "four": 4, "fourteen": 14, "nine": 9,
	"nineteen": 19, "one": 1, "seven": 7, "seventeen": 17, "six": 6, "sixteen": 16, "ten": 10, "thirteen": 13,
	"three": 3, "twelve": 12, "two": 2,
}

_tens := {"eighty": 80, "fifty": 50, "forty": 40, "ninety": 90, "seventy": 70, "sixty": 60, "thirty": 30, "twenty": 20}

_values := object.union(_units, _tens)

_scales := {"dozen": 12, "hundred": 100, "thousand": 1000}

_small := sprintf("(?:(?:%s)(?: (?:%s))?|%s)", [concat("|", object.keys(_tens)), _unit, _unit])

_unit := concat("|", object.keys(_units))

_run := sprintf(`\b(?:(?:half )?a )?(?:%[1]s)(?:(?:[ -]| and )(?:%[1]s))*\b`, [concat("|", _all)])

_all := (object.keys(_values) - {"a"}) | object.keys(_scales)

# A run of words that is a number: not "two three" or "five twenty".
_grammar := sprintf(
	`^(?:(?:%[1]s )?dozen|(?:(?:%[1]s )?(?:hundred )?thousand ?)?(?:(?:%[1]s )?hundred ?)?(?:%[1]s)?)$`,
	[_small],
)

# METADATA
# description: |
#   The request in lower case, without what it rules out, and with its numbers in digits: "send 20 more" for "Send
#   twenty more".
# scope: document
default digits := ""

digits := digits_of(_text)

# METADATA
# description: |
#   A text in lower case with its numbers in digits; `digits_of("split by three")` is "split by 3".
digits_of(text) := concat("", [part |
	pieces := regex.split(_pronoun, text)
	kept := regex.find_n(_pronoun, text, -1)
	some place, piece in pieces
	part := concat("", [_in_digits(piece), concat("", array.slice(kept, place, place + 1))])
])

# "The scratched one" counts nothing.
_pronoun := `\b(?:(?:the|his|her|my|our|your|their)(?: [a-z-]+)?|this|that|which|last|next|other) one\b`

_in_digits(text) := concat("", [part |
	pieces := regex.split(_run, text)
	runs := regex.find_n(_run, text, -1)
	some place, piece in pieces
	part := concat("", [piece, _spelled(array.slice(runs, place, place + 1))])
])

_spelled([]) := ""

_spelled([run]) := sprintf("%d", [_value(split(counted, " "))]) if {
	regex.match(_grammar, _plain(run))
	counted := regex.replace(_plain(run), `^(dozen|hundred|thousand)\b`, "a $1")
}

_spelled([run]) := "6" if run == "half a dozen"

# No number, and so a mark that nothing takes for one.
_spelled([run]) := "…" if {
	run != "half a dozen"
	not regex.match(_grammar, _plain(run))
}

_plain(run) := regex.replace(run, ` and |[ -]+`, " ")

_value(words) := sum([_in_place(words, place) | some place, _ in words])

_in_place(words, place) := product(array.concat([_number(words[place])], [scale |
	some later, word in words
	later > place
	scale := _scale(word)
	not "thousand" in array.slice(words, place, later)
]))

_number(word) := object.get(_values, word, 0)

_scale(word) := _scales[word]

# ---- digits by what they mean

_amount := `([0-9]{1,3}(?:,[0-9]{3}){1,3}(?:\.[0-9]{2})?|[0-9]{1,10}(?:[.,][0-9]{2})?)`

_before := sprintf(`(?:[$€£¥]|\b(?:usd|eur|gbp|chf)\b) ?%s\b`, [_amount])

_behind := sprintf(
	`(?:^|[^0-9.,€$£-])%s ?(?:[$€£¥]|(?:usd|eur|gbp|chf|euros?|dollars?|pounds?|francs?|bucks)\b)`,
	[_amount],
)

_decimal(written) := to_number(replace(written, ",", "")) if regex.match(`^[0-9]{1,3}(?:,[0-9]{3})+`, written)

_decimal(written) := to_number(replace(written, ",", ".")) if not regex.match(`^[0-9]{1,3}(?:,[0-9]{3})+`, written)

_months := "(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*"

_measures := concat("|", [
	_before,
	_behind,
	`\b[0-9]+ ?(?:cents?|pence)\b`,
	`\b[0-9]{4}-[0-9]{2}-[0-9]{2}\b`,
	sprintf(`\b[0-9]{1,2}(?:st|nd|rd|th)?(?: of)? %[1]s\b|\b%[1]s [0-9]{1,2}(?:st|nd|rd|th)?\b`, [_months]),
	`\b[0-9]{1,2}:[0-9]{2}\b|\b[0-9]{1,2} ?(?:[ap]\.?m\b|o['’]? ?clock)`,
	`\b(?:at|until|till|half past|quarter past|quarter to|half) [0-9]{1,2}\b`,
	concat("", [
		`\b[0-9]+(?:[.,][0-9]+)?[ -]?(?:%|percent\b|per cent\b|°|(?:mg|mcg|µg|g|kg|ml|cl|l|iu|mm|cm|m|km|kb|mb|gb|w|v|a`,
		`|seconds?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|years?|degrees?|met(?:re|er)s?|foot|feet|ft|footers?`,
		`|inch(?:es)?|lit(?:re|er)s?|grams?|kilos?|milligrams?|micrograms?)\b)`,
	]),
	`\border #?[0-9]{4,}\b|\borders #?[0-9]+(?:(?:,| and| or) [0-9]{3,})*`,
	concat("", [
		`\b(?:invoices?|tickets?|shipments?|room|flat|page|step|version|line|no\.?|nr\.?|number) #?[0-9]+`,
		`(?:(?:,| and| or) [0-9]{3,})*`,
	]),
	`\b[a-z]+[-_/#][0-9]+\b|#[0-9]+`,
])

_counted := `^([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,10})x?$`

_numbers contains found[0][1] if {
	some token in regex.split(`[\s()\[\]"';!?]+`, regex.replace(digits, _measures, " ; "))
	found := regex.find_all_string_submatch_n(_counted, trim_right(token, ".,:"), 1)
	count(found) == 1
}
