# METADATA
# title: Sentences that order by stating
# description: Tells whether one sentence states what shall be done. `wishes.stated` asks it for those of the request.
package tabard.lib.plans

import data.tabard.lib.verbs
import data.tabard.lib.wording

# METADATA
# description: |
#   True if `sentence`, in lower case, states a plan with one of `acts`, verbs in their base form, or a need for one of
#   `things`; `planned("mary takes thursday", {"take"}, set())`. Questions, reports and the past have to be sorted out
#   before: for the words of the request use `wishes.stated`.
# scope: document
planned(sentence, acts, things) if {
	forms := {form | some act in acts; some form in {sprintf("%ss", [act]), sprintf("%ses", [act])}} | {form |
		some act in acts
		form := regex.replace(act, `([^aeiou])y$`, "${1}ies")
		form != act
	}
	_states(sentence, acts, forms, {lower(thing) | some thing in things})
}

# "4.9.0 goes to production", "Mary takes Thursday".
_states(sentence, _, forms, _) if {
	words := regex.find_n(`[^\s,]+`, sentence, 10)
	some place, word in words
	word in forms
	place > 0
	not words[place - 1] in _before_nouns
	not array.concat(words, [""])[place + 1] in {"are", "has", "have", "is", "of"}
	count({before | some before in array.slice(words, 0, place); before in _no_plan}) == 0
}

# "My patients of this morning all come an hour later".
_states(sentence, acts, _, _) if {
	words := regex.find_n(`[^\s,]+`, sentence, 12)
	some place, word in words
	word in acts
	place > 1
	words[place - 1] in {"all", "both", "each"}
	count({before | some before in array.slice(words, 0, place); before in (_no_plan - {"that"})}) == 0
}

# What goes somewhere is moved, sent or changed, and not cancelled or paid.
_states(sentence, acts, _, _) if {
	count(acts & _going) > 0
	regex.match(
		`^[^,:]{1,60}?[, ] ?(?:now |then |also |both |all )?(?:goes|go) (?:up|down|to|into|in|live|out|back|on)\b`,
		sentence,
	)
}

# "Sertraline goes up to 100 mg" changes what there is of the thing, so an act upon that may be meant.
_states(sentence, _, _, things) if {
	regex.match(`^[^,:]{1,60}?[, ] ?(?:now |then |also |both |all )?(?:goes|go) (?:up|down)\b`, sentence)
	_has_thing(sentence, things)
}

# "Let Rosa take his shift".
_states(sentence, acts, _, _) if {
	some found in regex.find_all_string_submatch_n(`\blet ((?:[^\s,]+ ){1,4})`, sprintf("%s ", [sentence]), 5)
	words := regex.find_n(`\pL+`, found[1], 4)
	not words[0] in {"me", "us"}
	some word in array.slice(words, 1, 4)
	word in acts
}

# "Ann to Friday at ten".
_states(sentence, acts, _, _) if {
	count(acts & {"move", "put", "reschedule", "shift"}) > 0
	regex.match(_to_a_time, sentence)
	not regex.find_n(`^\pL+`, sentence, 1)[0] in verbs.known
}

# "Aiko needs an appointment".
_states(sentence, _, _, things) if {
	some found in regex.find_all_string_submatch_n(`\b(?:needs?|gets?|requires?|due) ([^,:;]{1,50})`, sentence, 5)
	_has_thing(found[1], things)
}

# "New appointment for Owen", "blood test with Rosa, please".
_states(sentence, _, _, things) if {
	regex.match(`\bplease\b|^(?:an?|another|one|two|three|[0-9]+|new|next|same|full)\b`, sentence)
	not regex.match(_finite, sentence)
	not regex.find_n(`^\pL+`, sentence, 1)[0] in verbs.known
	_has_thing(sentence, things)
}

# "The inhaler is empty: one more".
_states(sentence, _, _, things) if {
	regex.match(`[:,] ?(?:another(?: one)?|one more|two more|[0-9]+ more)\b`, sentence)
	_has_thing(sentence, things)
}

# METADATA
# description: |
#   True if `sentence`, in lower case, orders goods without a verb, and one of `acts` is one for that ("buy", "order"):
#   "40 of the ten-metre ones from Drystone at 6.50 each", "another dozen vests from Safewater". It begins with how many
#   there are to be, says where from or at what price, and reports nothing.
bare(sentence, acts) if {
	count(acts & {"buy", "get", "order", "purchase", "reorder"}) > 0
	regex.match(_how_many, sentence)
	regex.match(`\bfrom \pL|\bat [$€£]?[0-9]|\b(?:each|apiece|a ?piece)\b`, sentence)
	not regex.match(_finite, sentence)
	not regex.match(`\b\pL+ed\b|\b(?:was|were|broke|fell|gone|torn|bent|back|missing|left)\b`, sentence)
}

_how_many := concat("", [
	`^(?:(?:and|also|so|then|please|another|a further|some more),? )*(?:[0-9]+|(?:half )?a dozen|dozen|two|three|four`,
	`|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|sixty|a hundred|hundred)\b`,
])

_to_a_time := concat("", [
	`^[^\s,]+(?: [^\s,]+){0,4} to (?:next |the )?(?:mon|tues|wednes|thurs|fri|satur|sun)day\b`,
	`|^[^\s,]+(?: [^\s,]+){0,4} to (?:today|tomorrow|noon|half past|quarter|[0-9]{1,2}(?::[0-9]{2}|st|nd|rd|th)\b)`,
])

_finite := concat("", [
	`\b(?:is|are|be|been|has|have|do|does|can|could|will|would|should|may|might|must|came|comes?|went|goes|got|gets?`,
	`|needs?|called|calls|sent|sends|arrived|broke|lost|missed|seems?|looks?)\b`,
])

_has_thing(text, things) if {
	some thing in things
	contains(_singular(text), _singular(thing))
}

_singular(text) := sprintf(" %s ", [concat(" ", [wording.singular(word) |
	some word in regex.find_n(`[\pL\pN]+`, text, -1)
])])

_before_nouns := {
	"all", "any", "both", "five", "four", "her", "his", "its", "late", "more", "my", "new", "no", "of", "open", "our",
	"six", "some", "the", "their", "these", "those", "three", "two", "your",
}

_going := {
	"adjust", "assign", "bring", "change", "charge", "decrease", "deliver", "deploy", "direct", "dispatch", "forward",
	"go", "hand", "increase", "install", "issue",
	"launch", "lower", "mail", "mark", "move", "pass", "post", "prescribe", "promote", "publish", "push",
	"put", "raise", "redirect", "reduce", "release", "reprice", "reroute", "reschedule", "return", "roll", "route", "send",
	"set", "shift", "ship", "step", "switch", "transfer", "update", "upgrade",
}

_no_plan := {"as", "how", "i", "that", "way", "we", "what", "where", "which", "who", "whom"}
