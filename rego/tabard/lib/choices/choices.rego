# METADATA
# title: Values that are one of few
# description: |
#   A carrier, a kind of delivery, a warehouse, an urgency, an environment: the request says one of them by a word, says
#   another, or leaves it open. What it says of one thing isn't said of the others: "Peter's as usual, the Avery kayak
#   express".
package tabard.lib.choices

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.wording

# METADATA
# description: |
#   What the request says of a value that is one of few, as a value for `calls.meaning`. `choice` is an object: `name`
#   is the argument; `options` an object of the values, each with the words or phrases for it in lower case and in the
#   singular; `default`, if it is there, the value of an absent argument, which needs no word; `within`, if it is there,
#   the part of the request about the thing, as `scopes.of` gives it, or "" for all of the request. "said" if the words
#   speak of this value alone, or of none and it is the default; "none" if they speak of none, or of this one beside
#   others; "other" if they speak of others only, or the value is no option. What the request rules out isn't said.
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
	_value(choice) == choice["default"]
} else := "none" if {
	_known(choice)
	count(_said(choice)) == 0
} else := "none" if {
	_known(choice)
	_value(choice) in _said(choice)
}

_known(choice) if {
	intent.trusted
	count(input.task.statement) <= 4096
	choice.options[_value(choice)]
}

_value(choice) := arguments.text(choice.name)

_value(choice) := choice["default"] if arguments.absent(choice.name)

_said(choice) := _spoken(choice.options) if object.get(choice, "within", "") == ""

_said(choice) := said if {
	choice.within != ""

	# regal ignore:with-outside-test-context
	said := _spoken(choice.options) with input.task.statement as choice.within
}

_spoken(options) := {option |
	some option, words in options
	some word in words
	wording.mentions_forms(word)
}
