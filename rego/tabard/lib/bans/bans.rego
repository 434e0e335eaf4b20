# METADATA
# title: Acts that the request rules out altogether
# description: |
#   "No refunds yet", "don't do anything yet", "leave the prices alone": an act that is for no thing, and
#   about which no person should be asked. `entities.ruled_out` tells upon which things an act is ruled out; these
#   functions tell of acts without a thing. They need trusted intent and a request of at most 4,096 characters.
package tabard.lib.bans

import data.tabard.lib.clauses
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.verbs
import data.tabard.lib.wishes

# METADATA
# description: |
#   True if the request rules out one of `acts`, verbs in their base form, whatever the thing: `on({"refund", "pay"})`
#   for "no refunds yet", "without paying anything", "do nothing yet, don't pay anything", and for "Nothing else" if it
#   orders none of `acts` otherwise. For grants and asks, under `not`: neither is for what the person has forbidden.
# scope: document
on(acts) if {
	some found in regex.find_all_string_submatch_n(_no_such, regex.replace(_text, _no_repeats, " ; "), 50)
	count(_bases(found[1]) & acts) > 0
	not _leaves_out(found)
}

on(acts) if {
	some act in exclusions.forbidden
	count(act.acts & acts) > 0
	text := trim_space(split(lower(act.text), ",")[0])
	regex.match(_anything, text)
	not _all_but_ordered(text, acts)
	not _of_another(text, acts - act.acts)
}

on(acts) if {
	some act in exclusions.forbidden
	text := split(lower(act.text), ",")[0]
	regex.match(_do_nothing, text)
	not _all_but_ordered(text, acts)
}

# That nothing is to be changed yet forbids no message.
on(acts) if {
	count(acts & (clauses.telling - verbs.wide)) == 0
	some act in exclusions.forbidden
	text := split(lower(act.text), ",")[0]
	regex.match(_change_nothing, text)
	not _all_but_ordered(text, acts)
}

on(acts) if {
	regex.match(_nothing_else, regex.replace(_text, _inside, " ; "))
	count(wishes.may(acts)) == 0
}

# "Pay Heron, don't pay anything else" forbids no payment that is ordered.
_all_but_ordered(text, acts) if {
	regex.match(`\belse\b`, text)
	count(wishes.may(acts)) > 0
}

# "Leave Elke a message, don't answer them yet": `entities.told` says who is told.
_of_another(text, others) if {
	regex.match(`\b(?:it|them|him|her)\b`, text)
	count(others & (clauses.telling - verbs.wide)) > 0
	count(wishes.may(others)) > 0
}

# METADATA
# description: |
#   True if the request says to leave one of `things`, words or phrases in the singular, as it is: `left_alone({"price",
#   "atorvastatin"})` for "don't touch the prices", "the atorvastatin stays as it is", "leave Ann's order alone".
left_alone(things) if {
	some found in regex.find_n(_left, _text, 50)
	words := sprintf(" %s ", [concat(" ", regex.find_n(`[\pL\pN]+`, found, -1))])
	some thing in things
	some ending in ["", "s", "es"]
	contains(words, sprintf(" %s%s ", [lower(thing), ending]))
}

default _text := ""

_text := lower(replace(input.task.statement, "’", "'")) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

# "28 each, no repeats" says how many repeats.
_no_repeats := `(?:[,;(–-] ?|\b(?:and|with|but) )(?:with )?no (?:more |further )?(?:repeats?|refills?|renewals?)\b`

_no_such := concat("", [
	`\b(?:no|without(?: any)?|not any|don't (?:do|make|give) any)(?: (?:more|further|other|new))?`,
	` (\pL+)\b(?: (\pL+))?`,
])

# "Without saying what for" says what a text leaves out.
_leaves_out(found) if {
	startswith(found[0], "without")
	found[2] in _questions
}

_questions := {"how", "that", "what", "when", "where", "which", "who", "whom", "why"}

# Also "paying", "payment", "cancellation" and "deletion".
_bases(word) := verbs.bases(word) | {base |
	some pattern, put in {`ments?$`: "", `ations?$`: "e", `ions?$`: "e", `als?$`: "", `llations?$`: "l"}
	base := regex.replace(word, pattern, put)
	base != word
}

_anything := concat("", [
	`^ ?(?:(?:please|just|even|also) )*\pL+(?: (?:any ?(?:thing|one|body)?|it|them|that|this|these|those`,
	`|any of (?:it|them)|yet|now|for now|today`,
	`|at all|else|more))*$`,
])

_do_nothing := `^ ?(?:please )?(?:do|send|start) any ?thing(?: (?:yet|else|at all|now|for now|today))*$`

_change_nothing := `^ ?(?:please )?(?:change|touch) any ?thing(?: (?:yet|else|at all|now|for now|today))*$`

_nothing_else := concat("", [
	`(?:^|[.!;,] |\band )(?:nothing (?:else|more|further)|no more than that|(?:and )?that's (?:all|it)`,
	`|leave (?:it at that|everything else|the rest))\b`,
])

# "A note with the date, nothing else in it" says what a text holds.
_inside := `\bnothing (?:else|more|further) (?:in|into|inside|on) (?:it|there|that|this|the [\pL]+)\b`

_as_it_is := `(?:as|where) (?:it|they|he|she) (?:is|are|was|were)|unchanged`

_left := concat("|", [
	sprintf(`\b(?:leave|keep) [^.;!?]{1,80}? (?:alone|%s)\b`, [_as_it_is]),
	sprintf(`\b[^.;,!?]{1,80}? (?:stays?|remains?|keeps?)(?: (?:just|exactly))? (?:%s)\b`, [_as_it_is]),
	`\b(?:don't|do not|never) (?:touch|change|alter) [^.;,!?]{1,80}`,
	`\b[^.;,!?]{1,80}? (?:is|are) (?:already )?(?:settled|done|taken care of)\b`,
])
