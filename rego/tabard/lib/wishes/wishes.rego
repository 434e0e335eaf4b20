# METADATA
# title: What the request may order in other words
# description: |
#   People also order without an imperative: "her appointment needs to be moved", "Sofia: full refund", "the price
#   should be 5", "Ann would like to cancel. Please do that". `may` reads such needs and wishes besides the orders of
#   `clauses`, if the intent is trusted and the request has at most 4,096 characters. Questions about facts, what is
#   ruled out, what "tell me" asks for, conditions, and what others say or want are none, unless the request says
#   "please do that". It is weaker than an order: use it where something else says that the call is right, as who is
#   named, or where it is asked.
package tabard.lib.wishes

import data.tabard.lib.clauses
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.verbs

# METADATA
# description: |
#   The sentences in which the request may order one of `acts`, a set of verbs in their base form, in lower case;
#   `may({"refund"})` for "Sofia: full refund. Emil too." is {"sofia: full refund", "emil too"}. It holds the clauses of
#   `clauses.ordered(acts)`, too.
may(acts) := ordered | ({_sentences[place] | some place in wished} | _also(wished | _ordering(ordered))) if {
	ordered := clauses.ordered(acts)
	wished := _wished(acts)
}

_wished(acts) := {place |
	forms := {form | some act in acts; some form in verbs.forms(act)}
	some place, sentence in _sentences
	_wishes(sentence, forms, acts, acts & _changing)
}

# "Emil too", behind a sentence that may order it.
_also(places) := {sentence |
	some place, sentence in _sentences
	regex.match(_same, sentence)
	(place - 1) in places
}

# The sentences that begin with one of the orders.
_ordering(ordered) := {place |
	some place, sentence in _sentences
	some clause in ordered
	startswith(clause, regex.find_n(`^\pL*`, sentence, 1)[0])
}

# A word that wishes, and behind it the act.
_wishes(sentence, forms, _, _) if {
	some found in regex.find_all_string_submatch_n(_wish, sentence, -1)
	words := {word | some word in regex.find_n(`\pL+`, found[1], -1)}
	count(words & forms) > 0
}

# "Full refund, please".
_wishes(sentence, _, acts, _) if {
	some found in regex.find_all_string_submatch_n(`^(.{1,120}?),? please$`, sentence, 1)
	words := {word | some word in regex.find_n(`\pL+`, found[1], -1)}
	count(words & acts) > 0
}

# "Sofia: full refund".
_wishes(sentence, _, acts, _) if {
	some found in regex.find_all_string_submatch_n(`^[^:]{1,60}: (.{1,80})$`, sentence, 1)
	words := {word | some word in regex.find_n(`\pL+`, found[1], -1)}
	count(words & acts) > 0
}

# "Get us three more", "and write me a list".
_wishes(sentence, _, acts, _) if {
	some found in regex.find_all_string_submatch_n(_for_us, sentence, -1)
	found[1] in acts
}

_wishes(sentence, _, acts, _) if {
	count(acts & {"buy", "get", "order", "purchase"}) > 0
	regex.match(_more_for_us, sentence)
}

# "The price should be 5".
_wishes(sentence, _, _, values) if {
	count(values) > 0
	regex.match(`\b(?:should|must|has to|have to|needs? to|ought to) (?:now )?be (?:at )?[$€£]?[0-9]`, sentence)
}

_changing := {"change", "put", "set", "update"}

_wish := concat("", [
	`\b(?:needs?|has to|have to|must|should|ought to|(?:can|may|is to|are to|to) (?:now )?(?:be|go)`,
	`|(?:i|we)(?:'d| would)? (?:want|like|love|need|prefer)|(?:i|we)'d rather|please|let's|time to|due for`,
	`|(?:would|wants? to|wishes to|asks? to|asks? for|prefers?|like))\b(.*)$`,
])

_for_us := concat("", [
	`(?:^|\b(?:and|then|so) |, )(?:then |also |please |just )*`,
	`(book|draft|make|prepare|reserve|write) (?:me|us) (?:an?|the|some)\b`,
])

_more_for_us := concat("", [
	`(?:^|\b(?:and|then|so) |, )(?:then |also |please |just )*(?:get|order|buy|fetch) (?:me|us) `,
	`(?:[0-9]+|an?other|some more|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|a dozen)\b`,
])

_same := `^(?:and |so )?(?:\S+ ){0,5}(?:too|as well|likewise)$|^(?:and )?(?:the )?same (?:for|with|goes for) `

# ---- sentences

_sentences := [clean |
	some sentence in split(_marked, "|")
	not _asks(sentence)
	not _others_say(sentence)
	clean := trim_space(regex.replace(regex.replace(sentence, _for_me, ""), _conditions, ""))
	clean != ""
]

_marked := regex.replace(
	regex.replace(clauses.unquoted(lower(replace(exclusions.kept, "|", " "))), `\?`, "?|"),
	`[.!;…]+(?:\s|$)|[ ]*\n\s*(?:[-*•]|[0-9]+[.)])?\s*`, "|",
) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

_asks(sentence) if endswith(sentence, "?")

_asks(sentence) if regex.match(
	concat("", [
		`^\s*(?:what|which|who|whom|whose|how|why|when|where|is|are|does|did|has|was|were|am|do (?:you|we|i|they)`,
		`|should|must|may|has|have|would|could|can) `,
	]),
	sentence,
)

# What others say never counts; what they would like does if the request says "please do that".
_others_say(sentence) if regex.match(
	concat("", [
		`\b(?:says?|said|writes|wrote|claims?|claimed|thinks?|thought|believes?|suggests?|suggested|proposes?|proposed`,
		`|recommends?|recommended|told|asked|insists?|demands?|according to|(?:have|has|had) been|have \pL+ed)\b`,
	]),
	sentence,
)

_others_say(sentence) if {
	regex.match(_others_want, sentence)
	not _do_that
}

_others_want := concat("", [
	`\b(?:wants?|wishes|asks|prefers|begs|requests|hopes)\b|\b(?:\pL{3,}|he)(?: would|'d) (?:like|love|prefer|rather)\b`,
])

_do_that if {
	some sentence in split(_marked, "|")
	not endswith(sentence, "?")
	regex.match(_agreed, trim_space(sentence))
}

_agreed := concat("", [
	`(?:^|, |\b(?:and|so|then|please) )(?:please |do )?(?:do (?:that|so|it|this|both)|arrange (?:that|it|this)|go ahead`,
	`|make (?:that|it|this) (?:so|happen)|see to (?:it|that|this)|sort (?:that|it|this) out|take care of (?:that|it)`,
	`|grant (?:it|that)|fix (?:it|that)|let (?:her|him|them))\b`,
])

# "Tell me whether it needs to be paid".
_for_me := concat("", [
	`\b(?:tell|show|send|give|let|remind|text|message|email|mail|read|ask|answer|explain|inform|list) (?:to )?(?:me|us)\b`,
	`.*?(?:\band then\b|$)`,
])

_conditions := `\b(?:if|whether|unless|might|perhaps|when|how|what|which|who|why|in case|doubt)\b[^,]*(?:,|$)`
