# METADATA
# title: Values that are one of few
# description: |
#   A carrier, a kind of delivery, a warehouse, an urgency, an environment: the request says one of them by a word, says
#   another, or leaves it open. What it says of one thing isn't said of the others: "Peter's as usual, the Avery kayak
#   express".
package tabard.lib.choices

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.wording

# METADATA
# description: |
#   What the request says of a value that is one of few, as a value for `calls.meaning`. `choice` is an object: `name`
#   is the argument; `options` an object of the values, each with the words or phrases for it in lower case and in the
#   singular; `default`, if it is there, the value of an absent argument, which needs no word; `within`, if it is there,
#   the part of the request about the thing, as `scopes.of` gives it, or "" for all of the request. "said" if the words
#   speak of this value alone, of none and it is the default, or rule out the only other option ("nothing urgent", "not
#   on production"); "none" if they speak of none, of this one beside others, or of others in reports alone ("it has
#   been fine in staging"); "other" if they speak of others only, or the value is no option. What the request rules out
#   isn't said.
#   `meaning({"name": "service", "options": {"express": {"express", "fast"}, "standard": {"standard", "normal"}},
#   "default": "standard", "within": scopes.of(order, data.orders)})`.
# scope: document
default meaning(_) := "other"

meaning(choice) := "said" if {
	_known(choice)
	_said(choice) == {_value(choice)}
} else := "said" if {
	_known(choice)
	count(_said(choice)) == 0
	_left_by(choice) == {_value(choice)}
} else := "said" if {
	_known(choice)
	count(_said(choice)) == 0
	_value(choice) == choice["default"]
} else := "none" if {
	_known(choice)
	count(_said(choice)) == 0
} else := "none" if {
	_known(choice)
	_value(choice) in _said(choice)
} else := "none" if {
	_known(choice)
	count(_ordered(choice)) == 0
}

# METADATA
# description: |
#   The ids that the request picks by comparing: "the cheaper one", "whichever is earlier", "the biggest". `values` is
#   an object of ids, each with what your records have of it, a number or a text that sorts, and `kind` says what that
#   is: "price", "time" or "size". `picked({"P-3": 3400, "P-5": 5000}, "price")` for "take the cheaper one" is {"P-3"}.
#   Empty where the request compares nothing of the kind, or both ways. Give all ids that may be meant: of two days the
#   earlier one isn't the earliest of all.
picked(values, kind) := {id |
	some id, value in values
	value == _outermost(_direction(kind), {one | some one in values})
}

# METADATA
# description: |
#   True if the request picks something by comparing prices, times or sizes, as `picked`. Where a page or a text has the
#   values, and not your records, ask: `comparing("price")`.
comparing(kind) if _direction(kind) in {"least", "most"}

_outermost("least", values) := min(values)

_outermost("most", values) := max(values)

_direction(kind) := ways[0] if {
	intent.trusted
	count(input.task.statement) <= 4096
	said := lower(exclusions.kept)
	ways := [way | some way, words in _comparisons[kind]; regex.match(sprintf(_comparing, [words]), said)]
	count(ways) == 1
}

# "The cheaper one", "whichever is cheaper", "the cheapest"; not "ten percent cheaper".
_comparing := concat("", [
	`\b(?:the|whichever(?: \pL+)? (?:is|comes|costs)|which(?:ever)? one is|what(?:ever)? is)(?: \pL+)? `,
	`(?:%s)\b`,
])

_comparisons := {
	"price": {
		"least": `cheaper|cheapest|less expensive|least expensive|lowest`,
		"most": `dearer|dearest|more expensive|most expensive`,
	},
	"size": {
		"least": `smaller|smallest|shorter|shortest|lighter|lightest`,
		"most": `bigger|biggest|larger|largest|longer|longest|heavier|heaviest`,
	},
	"time": {"least": `earlier|earliest|sooner|soonest|first`, "most": `later|latest|last`},
}

_known(choice) if {
	intent.trusted
	count(input.task.statement) <= 4096
	choice.options[_value(choice)]
}

_value(choice) := arguments.text(choice.name)

_value(choice) := choice["default"] if arguments.absent(choice.name)

_said(choice) := _spoken(choice.options, _part(choice))

# What the request says outside of reports.
_ordered(choice) := _spoken(choice.options, regex.replace(_part(choice), _report, " "))

_report := concat("", [
	`(?i)[^.!?;\n]*\b(?:(?:has|have|had|it's|\pL+'ve) (?:been|\pL+ed|gone|run|failed)|was|were|did|used to|broke|went)\b`,
	`[^.!?;\n]*`,
])

# The options that the request doesn't rule out, if it rules out any.
_left_by(choice) := object.keys(choice.options) - out if {
	out := {option |
		some option, words in choice.options
		some word in words
		regex.match(sprintf(_not_it, [_quoted(word)]), _part(choice))
	}
	count(out) > 0
}

_not_it := `(?i)\b(?:not|no|never|isn't|without)(?: (?:too|very|so|on|in|to|for|by|with|the|as))* %s\b`

# "Nothing urgent" is "not urgent".
_part(choice) := regex.replace(_whole(choice), `(?i)\bnothing ((?:too |very |really )?\pL+\b)`, "not $1")

_whole(choice) := input.task.statement if object.get(choice, "within", "") == ""

_whole(choice) := choice.within if object.get(choice, "within", "") != ""

_quoted(word) := regex.replace(word, `[^\pL\pN ]`, ".")

_spoken(options, text) := {option |
	some option, words in options
	some word in words

	# regal ignore:with-outside-test-context
	wording.mentions_forms(word) with input.task.statement as text
}
