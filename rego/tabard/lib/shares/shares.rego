# METADATA
# title: Amounts that follow from a known one
# description: |
#   "Pay half of it", "40 percent off", "50 cents below", "in three instalments": the request says no amount, and yet
#   says which one it is. `base` is a whole number of your records, such as the cents of an invoice or a price. The
#   direction of a change is looked for in the whole request. They need trusted intent and a request of at most 4,096
#   characters.
package tabard.lib.shares

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.quantities

# METADATA
# description: |
#   The parts of `base` that the request speaks of, rounded down and up: "half of it", "the first half", "two thirds",
#   "split by three", "in four instalments", "40 percent"; and what remains of it: "minus 20 euros", "the rest after 20
#   euros"; `of(389400)` for "pay half now" is {194700}.
of(base) := parts | {number |
	some [sign, cents] in _differences
	sign < 0
	number := base - cents
	number > 0
} if {
	parts := {number |
		some share in _shares
		some number in {floor(base * share), ceil(base * share)}
	}
}

# METADATA
# description: |
#   What the request changes `base` to, rounded down and up: "10 % less", "raise it by 5 percent", "two euros off", "50
#   cents below", "halve", "double"; `changed(6000)` for "put it down by 10 %" is {5400}.
changed(base) := {number |
	some factor in _factors
	some number in {floor(base * factor), ceil(base * factor)}
} | {number |
	some [sign, cents] in _differences
	number := base + (sign * cents)
	number > 0
}

_factors contains (100 + (sign * percent)) / 100 if {
	some percent in quantities.percents
	some sign in _signs
}

_factors contains factor if {
	some pattern, factor in {`\b(?:halve|by half|half the price)\b`: 0.5, `\bdouble\b`: 2}
	regex.match(pattern, _text)
}

# METADATA
# description: |
#   True if the request speaks of a share, a percentage or a difference. Then an amount that it states may be no whole
#   one.
# scope: document
said if count(_shares) + count(_differences) > 0

# METADATA
# description: |
#   The amounts of money that the request states as they are, in cents: without limits ("at most 750") and differences
#   ("50 cents below").
# scope: document
stated := quantities.cents_in(_whole_amounts) & quantities.cents

# METADATA
# description: |
#   What the request says of the argument `name`, a whole number of cents, where your records have `base` for it, or 0:
#   "said" if it states this amount, if it follows from `base` by a share or change, or if no amount is said and it is
#   `base` itself; "none" if no amount is said that fits no other, as in "50 cents below their price" or "at what we
#   paid last": a text may tell it; "other" if the request states other amounts, or a limit that this one breaks;
#   `cents_meaning("amount_cents", data.paid["O-1006"])`.
cents_meaning(name, base) := _meaning(arguments.number(name), base, stated, _within(name))

# METADATA
# description: |
#   What the request says of the argument `name`, a count of which your records have `base`, or 0: "said" if it states
#   this number, if it follows from `base` by a share or change ("half of them", "double", "a third of the stock"), or
#   if no number is said and it is `base` itself ("all of them"); "none" if no number is said that fits no other, or a
#   limit ("up to 20") has room for it; "other" if the request states other numbers or such a share;
#   `count_meaning("quantity", data.orders["O-1006"].bags)`.
count_meaning(name, base) := _count_meaning(arguments.number(name), base)

_count_meaning(number, base) := "said" if {
	_counts_said(number, base)
} else := "none" if {
	quantities.count_within_limits(number)
} else := "none" if {
	count(quantities.counts) == 0
	_open_share(base)
} else := "other" if is_number(number)

_counts_said(number, _) if number in quantities.counts

_counts_said(number, base) if {
	base > 0
	number in (of(base) | changed(base))
}

_counts_said(number, base) if {
	base == number
	count(quantities.counts) == 0
	_nothing_else
}

_nothing_else if {
	intent.trusted
	not _shared
	not _as_elsewhere
}

_shared if count(_shares | _factors) > 0

_open_share(_) if {
	intent.trusted
	not _shared
}

_open_share(0) if intent.trusted

default _within(_) := false

_within(name) if quantities.cents_within_limits(name)

_meaning(value, base, stated_ones, within) := "said" if {
	within == true
	value in stated_ones
} else := "said" if {
	within == true
	base > 0
	_follows(value, base, stated_ones)
} else := "none" if {
	within == true
	_open(stated_ones)
} else := "other" if is_number(value)

_follows(value, base, _) if value in (of(base) | changed(base))

_follows(value, base, stated_ones) if {
	value == base
	count(stated_ones) == 0
	not said
	not _as_elsewhere
}

_open(stated_ones) if count(stated_ones) == 0

_open(_) if _as_elsewhere

# "At what we paid on their last bill", "as usual": another text has it.
_as_elsewhere if regex.match(
	concat("", [
		`\b(?:at|for) (?:what|the (?:same|last|old|usual|new|listed|agreed) price)`,
		`|\bwhat (?:we|they|he|she) (?:paid|pay|charged?)`,
		`|\b(?:same|last|usual|old|agreed|listed) (?:price|rate|amount|sum)|\bwith (?:the|their|a) (?:discount|rebate)`,
		`|\b(?:as|like) (?:last time|before|usual|on the (?:list|bill|invoice))\b`,
		`|\b(?:at|to|for) \pL+'s prices?\b|\b(?:prices?|sum|amount) (?:that|which) (?:is |was |stands )?(?:on|in|from) `,
	]),
	_text,
)

_text := quantities.digits

# "Minus 20 euros" rules out nothing.
default _whole := ""

_whole := quantities.raised(quantities.digits_of(lower(replace(input.task.statement, "’", "'")))) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

_shares contains share if {
	some found in regex.find_all_string_submatch_n(_fraction, _text, 20)
	share := _digits(found[1]) / _parts[found[2]]
	share < 1
}

_shares contains share if {
	some found in regex.find_all_string_submatch_n(_divided, _text, 20)
	number := _digits(found[1])
	number > 1
	share := 1 / number
}

_shares contains percent / 100 if some percent in quantities.percents

# "40 percent off": what is paid back, or what is left.
_shares contains 1 - (percent / 100) if some percent in quantities.percents

default _digits(_) := 1

_digits(text) := to_number(text) if regex.match(`^[1-9][0-9]{0,2}$`, text)

_parts := {
	"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifth": 5, "fifths": 5, "tenth": 10,
	"tenths": 10,
}

_fraction := concat("", [
	`(?:\b(the|an?|another|one|both|[0-9]{1,2}) )?(?:first |other |second )?`,
	`\b(half|halves|thirds?|quarters?|fifths?|tenths?)`,
	`(?:$|[,.;:!?)]| (?:of|now|today|back|then|and|in|on|for|to|each|is|the|that|it|first|up|price)\b)`,
])

_divided := concat("", [
	`\b(?:in|into|by|between|among|over) (?:the )?([0-9]{1,2})(?: (?:equal|monthly|weekly))?`,
	`(?:$|[,.;:!?)]| (?:halves|parts?|instalments?|installments?|payments?|shares?|of (?:us|them|you)|people`,
	`|ways)\b)`,
])

_money := concat("", [
	`[$€£]?([0-9][0-9,]*(?:\.[0-9]{1,2})?) ?`,
	`(cents?|pence|euros?|eur|€|dollars?|usd|[$]|pounds?|gbp|£)?`,
])

_down := `less|off|below|under|cheaper|lower|down|minus|deducted|discount`

_up := `more|above|over|dearer|higher|up|plus|extra|on top`

# [sign, cents]: "50 cents below", "minus 20 euros", "down by 2 euros".
_differences contains [sign, _in_cents(found[1], found[2])] if {
	some words, sign in {_down: -1, _up: 1}
	some found in regex.find_all_string_submatch_n(sprintf(`\b%s (?:%s)\b`, [_money, words]), _whole, 20)
	found[2] != ""
}

_differences contains [-1, _in_cents(found[1], found[2])] if {
	pattern := sprintf(`\b(?:minus|less|without|after|deduct(?:ing)?) (?:the |their |a )?%s`, [_money])
	some found in regex.find_all_string_submatch_n(pattern, _whole, 20)
	found[2] != ""
}

_differences contains [sign, _in_cents(found[1], found[2])] if {
	some found in regex.find_all_string_submatch_n(sprintf(`\bby %s`, [_money]), _whole, 20)
	found[2] != ""
	some sign in _signs
}

_in_cents(number, unit) := to_number(replace(number, ",", "")) if regex.match(`^(?:cents?|pence)$`, unit)

_in_cents(number, unit) := round(to_number(replace(number, ",", "")) * 100) if {
	not regex.match(`^(?:cents?|pence)$`, unit)
}

default _signs := {-1, 1}

_signs := {-1} if {
	_goes_down
	not _goes_up
} else := {1} if {
	_goes_up
	not _goes_down
}

_goes_down if regex.match(sprintf(`\b(?:%s|reduce|cut|drop|decrease|lower|knock|mark)\b`, [_down]), _text)

_goes_up if regex.match(sprintf(`\b(?:%s|raise|increase|add)\b`, [_up]), _text)

_whole_amounts := regex.replace(
	regex.replace(_whole, sprintf(`\b%s (?:%s|%s)\b`, [_money, _down, _up]), " ; "),
	sprintf(
		concat("", [
			`\b(?:by|minus|less than|less|deduct|at most|at the most|up to|more than|under|below|over|above`,
			`|max(?:imum)?(?: of)?|at least|budget of) %s`,
		]),
		[_money],
	),
	" ; ",
)
