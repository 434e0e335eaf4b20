# METADATA
# title: Where the request says yes to what it spoke of
# description: |
#   "Ann asks for physio again. Yes, do it", "check that we haven't paid him, then do it", "please arrange that": the
#   act stands in the words before, in any form, and often as what another person wants. They need trusted intent and a
#   request of at most 4,096 characters. `wishes.may` has these orders, too.
package tabard.lib.agreements

import data.tabard.lib.clauses
import data.tabard.lib.intent
import data.tabard.lib.verbs

# METADATA
# description: |
#   True if the request says yes to something. Which act it is, may be said in any words; so ask, unless `upon` finds
#   one of your acts.
# scope: document
said if count(_texts) > 0

# METADATA
# description: |
#   The words to which the request says yes, if they hold one of `acts` in any form; `upon({"pay"})` for "Check that we
#   haven't paid him, then do it" is {"check that we haven't paid him,"}. What they forbid isn't there.
upon(acts) := {text |
	some text in _texts
	not regex.match(`\b(?:don't|do not|never|shouldn't|mustn't|not to)\b`, text)
	words := {word | some word in regex.find_n(`\pL+`, text, -1)}
	some act in acts
	count(verbs.forms(act) & words) > 0
}

# What stands before the yes, with the sentence before.
_texts contains trim_space(concat(" ", [before, found[0][1]])) if {
	some place, sentence in _sentences
	not endswith(sentence, "?")
	found := regex.find_all_string_submatch_n(sprintf("^(.*?)%s", [_yes]), sentence, 1)
	before := concat("", array.slice(_sentences, max([0, place - 1]), place))
}

_sentences := [trim_space(sentence) |
	intent.trusted
	count(input.task.statement) <= 4096
	text := clauses.unquoted(replace(input.task.statement, "’", "'"))
	some sentence in split(regex.replace(regex.replace(text, `\?`, "?|"), `[.!;…]+(?:\s|$)|\n`, "|"), "|")
	trim_space(sentence) != ""
]

_yes := concat("", [
	`(?:^|, |\b(?:and|so|then|please|yes) )(?:please |do )?(?:do (?:that|so|it|this|both)|arrange (?:that|it|this)`,
	`|go ahead`,
	`|make (?:that|it|this) (?:so|happen)|see to (?:it|that|this)|sort (?:that|it|this) out|take care of (?:that|it)`,
	`|grant (?:it|that)|fix (?:it|that)|let (?:her|him|them))\b`,
])
