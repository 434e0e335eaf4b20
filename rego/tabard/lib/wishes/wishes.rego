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

import data.tabard.lib.agreements
import data.tabard.lib.branches
import data.tabard.lib.clauses
import data.tabard.lib.conditions
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.plans
import data.tabard.lib.verbs

# METADATA
# description: |
#   The sentences in which the request may order one of `acts`, a set of verbs in their base form, in lower case;
#   `may({"refund"})` for "Sofia: full refund. Emil too." is {"sofia: full refund", "emil too"}. It holds the clauses of
#   `clauses.ordered(acts)`, too.
may(acts) := (ordered | agreements.upon(acts)) | (sentences | _also(wished | _ordering(ordered))) if {
	ordered := clauses.ordered(acts)
	wished := _wished(acts)
	sentences := {sentence | some place, sentence in _sentences; place in wished}
}

# METADATA
# description: |
#   The sentences and clauses of `may(acts)` that do more than tell a person something; `deeds({"send", "ship"})` has
#   "send Peter's order" and leaves out "send Peter a mail that his order is packed" and "drop Ann a line about order
#   7". For a tool that moves things, money or rights, whose verbs people also use of messages ("send", "give", "drop",
#   "pass"). `entities.within(deeds(acts), directory, kinds)` tells upon which things.
deeds(acts) := {text |
	forms := {form | some act in acts; some form in verbs.forms(act)} | acts
	some text in may(acts)
	left := regex.replace(text, _telling, " ")
	words := {word | some word in regex.find_n(`\pL+`, left, -1)}
	count((words | {base | some word in words; some base in verbs.bases(word)}) & forms) > 0
}

# METADATA
# description: |
#   The sentences and clauses of `may(acts)` and `stated(acts, things)` that speak of all things of a kind, not of
#   single ones: "all late orders", "every open invoice", "my patients all come an hour later", "everyone on the list".
#   `things` is a set of words in the singular; `of_all({"pay"}, {"invoice", "bill"})`. What the request leaves out of
#   all, `entities.ruled_out` tells.
of_all(acts, things) := {text |
	some text in (may(acts) | stated(acts, things))
	_of_all(text, concat("|", {regex.replace(lower(thing), `[^\pL ]`, "") | some thing in things}))
}

_of_all(text, _) if regex.match(
	concat("", [
		`\b(?:everything|every(?:one|body)|what(?:ever)|who(?:ever)|all of (?:it|them|these|those)|them all`,
		`|the (?:rest|lot|others))\b`,
	]),
	text,
)

_of_all(text, things) if regex.match(
	sprintf(
		concat("", [
			`\b(?:all|every|each|both|any)\b(?: [^\s,]+){0,4}? (?:%s)(?:s|es)?\b`,
			`|\b(?:the|my|our|these|those)(?: [^\s,]+){0,3}? (?:%s)(?:s|es)\b`,
		]),
		[things, things],
	),
	text,
)

# METADATA
# description: |
#   True if each sentence of the request asks something or orders to read, and to tell the person: "What does Ann
#   want?", "Show me her orders", "Find out whether the parcel came, and tell me". Then nothing that changes or
#   sends something was asked for: grant none of it, and ask about none of it. A sentence that may be anything else
#   makes it false.
# scope: document
only_reads if {
	intent.trusted
	count(_spoken) > 0
	every sentence in _spoken {
		_reads(sentence)
	}
}

# METADATA
# description: |
#   True if the request orders to do what another text or person says: "do what ticket T-302 asks", "deal with Ann's
#   mail", "pay everything on the list", "as the runbook says", "there's a ticket, change it". Then details may come
#   from there. It holds for no question and for nothing behind "tell me", and confirms no value: your records, signed
#   facts or a person have to. Narrower than `wording.hands_over`.
# scope: document
follows if {
	some sentence in _spoken
	not _asks(sentence)
	not _reads(sentence)
	said := regex.replace(regex.replace(sentence, _for_me, ""), _to_others, "$1")
	regex.match(_follow, regex.replace(said, _medium, " "))
	not _only_informs(sentence)
}

# "How are samples labelled? There's a sheet": where to look, for a question.
_only_informs(sentence) if {
	regex.match(`^(?:there is|there's|theres|it is|it's|they are|they're)\b`, sentence)
	not regex.match(_acts_too, sentence)
	count({other | some other in _spoken; other != sentence; not _asks(other); not _reads(other)}) == 0
}

# "Tell Ann what the mail says" hands nothing over; neither does "in a short message".
_to_others := concat("", [
	`\b(?:tell|inform|remind|ask|let|notify|write|message|text|mail|email|update|brief|explain)\b`,
	`[^,;:]*?\b(?:what|whatever|everything|that|how|whether|if|why|about|when|where|which|who)\b.*?`,
	`(?:\b(?:and|then|but) (?:then )?((?:do|follow|deal|handle|process|carry|act|work|take care|sort|see to)\b)|$)`,
])

_medium := sprintf(
	concat("", [
		`\b(?:in|by|as|into) (?:(?:an?|another|one)(?: (?:short|brief|quick|polite|friendly|new|separate|internal))* )?`,
		`(?:%s|text|sms|word|sentence|line)(?:[^\pL]|$)`,
	]),
	[_products],
)

_products := "note|file|e?-?mail|message|letter|memo|report|document|post|comment|reply|reminder|page|list|table|sheet"

# METADATA
# description: |
#   The sentences that order in the form of a statement, in lower case: plans with one of `acts` in the present ("Mary
#   takes Thursday") or with "goes" for what moves or changes ("4.9.0 goes to production", "it goes up to 10 mg"), "let
#   Rosa take it", and needs and phrases without a verb for one of `things`, a set of words or phrases ("Aiko needs an
#   appointment", "Owen, blood test with Rosa, Thursday please", "new appointment for Owen", "Ann to Friday at ten" if
#   `acts` has "move"). `stated({"book"}, {"appointment", "blood test"})`. Questions, reports, negations, the past and
#   what is usual are none. A statement may also just describe, so this is weaker than `may`: allow by it what your
#   records bound, and ask otherwise. Which things are meant, `entities.within(stated(…), directory, kinds)` tells.
stated(acts, things) := {sentence |
	some sentence in _statements
	plans.planned(sentence, acts, things)
}

# METADATA
# description: |
#   True if the request makes something depend on what will be found: "if they agree", "unless it came", "as long as it
#   is in stock", "where we were at fault". "Tell me if it came" and "check whether it did" aren't conditions. Whether
#   the condition holds, policy can't see: ask, or compare with your records. `conditions.said` has their texts.
conditional if count(conditions.said) > 0

_statements contains sentence if {
	some piece in _spoken
	not _asks(piece)
	bare := regex.replace(regex.replace(piece, `, (?:which|who|whose) [^,]*,`, ""), _when, "")
	sentence := trim_space(regex.replace(regex.replace(bare, _for_me, ""), _telling, ""))
	not regex.match(_describes, sentence)
}

# "Answer Harriet that she should go on with it": what a person is told is no order.
_telling := concat("", [
	`(?:^|[,;:] ?|\b(?:and|then|so|please|to) )(?:(?:tell|inform|remind|notify|warn|thank|reply|respond|assure|advise)\b`,
	`|(?:answer|ask|text|message|mail|email|e-mail|write|call|explain|confirm)(?: to)? [^,;]*?\b(?:that|know|about|how`,
	`|whether|why|what|when|where)\b|let (?:[^\s,;]+ ){1,6}?(?:know|(?:see|hear) (?:that|how|what|when|why))\b`,
	`|(?:send|give|drop|leave|write|shoot|pass)(?: \S+){0,4} (?:an? |the )?(?:\S+ )?(?:e-?mail|mail|message|line|note`,
	`|letter|word|reply|answer|text|sms)\b).*$`,
])

_when := `\b(?:if|in case|as long as|provided|once|when|as soon as|unless)\b[^,]*?(?:\bthen\b|,|$)`

_describes := concat("", [
	`\b(?:says?|said|writes|wrote|claims?|claimed|thinks?|thought|believes?|suggests?|suggested|proposes?|proposed`,
	`|recommends?|recommended|told|asked|asks|insists?|demands?|according to|wants?|wishes|prefers?|hopes?|not|no|never`,
	`|nothing|without|usually|always|normally|often|already|yesterday|last|ago|was|were|had|been|did|heard|hear)\b|n't\b`,
])

_spoken contains sentence if {
	some piece in split(_marked, "|")
	sentence := trim_space(regex.replace(piece, _greeting, ""))
	regex.match(`\pL`, sentence)
}

_greeting := concat("", [
	`^\s*(?:(?:good )?(?:morning|afternoon|evening)|hi|hello|hey|thanks|thank you|please|ok|okay|so|and|then|also`,
	`|first)\b[ ,]*`,
])

_reads(sentence) if {
	regex.match(_begins_to_read, sentence)
	not _does_more(sentence)
}

_reads(sentence) if {
	endswith(sentence, "?")
	not regex.match(`^(?:can|could|would|will|should|shall|may|must)\b`, sentence)
	not regex.match(`\b(?:can|could|would|will) you\b|\bplease\b`, sentence)
	not _does_more(sentence)
}

_does_more(sentence) if regex.match(_acts_too, regex.replace(sentence, `\bgo (?:through|over) `, "read "))

# "Sum it up in a note", "Get us a dozen".
_does_more(sentence) if {
	regex.match(_makes, sentence)
	not regex.match(`^(?:is|are|was|were|does|did|has|have|what|which|who|where|when|why|how)\b`, sentence)
}

# "See what he asks and match it": any word before "it" that can be a verb.
_does_more(sentence) if {
	some found in regex.find_all_string_submatch_n(_upon_it, sentence, 20)
	not found[1] in (_readings | _no_verbs)
}

_makes := sprintf(
	concat("", [
		`\b(?:in|into|as|to) (?:an?|another|one)(?: \pL+){0,2} (?:%s)(?:[^\pL]|$)|\bsum(?:mari[sz]e)? [^;?]*\b(?:in|to) /`,
		`|\b(?:get|buy|fetch|find) (?:me|us) (?:[0-9]+|an?other|(?:some )?more|half a dozen|back (?:up )?to|up to`,
		`|an? (?:dozen|few|couple|pack|box)|%s)\b`,
		`|\b(?:write|draft|prepare|make) (?:me|us) (?:\pL+ )*?(?:report|file|note|document|memo|page)\b`,
		`|\b(?:write|draft|prepare|make|compile) (?:me|us) [^;?]*\b(?:in|into|to) /`,
	]),
	[_products, `two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|fifty|hundred`],
)

_upon_it := concat("", [
	`(?:[,;–-]|\b(?:and|then|but|so|or))(?: (?:then|also|just|please))* (\pL+) `,
	`(?:it|them|this|that|these|those|both)\b`,
])

_no_verbs := {
	"about", "after", "all", "and", "are", "as", "at", "before", "but", "by", "did", "do", "does", "for", "from", "had",
	"has", "have", "how", "if", "in", "into", "is", "like", "not", "of", "on", "only", "or", "since", "tell",
	"than", "then", "to", "was", "were", "what", "when", "where", "whether", "which", "who", "why", "will", "with",
	"without",
}

_begins_to_read := sprintf(
	concat("", [
		`^(?:(?:can|could|would|will) you )?(?:please |just |quickly |now )*`,
		`(?:%s|go (?:through|over) [^;:]*?\b(?:and|then) (?:tell|show|give|let) (?:me|us)`,
		`|(?:tell|give|send|write|text|mail|email|report|read|let) (?:to )?(?:me|us)|what(?:'s)?|which|who|who's`,
		`|whom|whose|how|why|when|where|is|are|does|did|has|was|were|do (?:you|we|i|they)`,
		`|(?:make|prepare|draft|compile|draw up|put together) (?:me|us) (?:\pL+ ){0,3}?(?:list|overview|summary|table))\b`,
	]),
	[_reading],
)

_reading := concat("", [
	`check|compare|describe|explain|fetch|find|get (?:me|us)|list|look|read|review|search|see|show|sum|summari[sz]e`,
	`|track|translate|verify`,
])

# An order of its own: at the beginning, or behind a comma or a word that joins.
_acts_too := sprintf(
	concat("", [
		`(?:^|[,:;+–-]|\b(?:and|then|but|so|or|otherwise|else)\b) *(?:(?:please|then|also|just|and|now) )*`,
		`(?:%s)\b(?:$| (?:%s)| [^mu]| [mu][^es])`,
	]),
	[concat("|", (clauses.verbs | verbs.others) - _readings), "my|mr|mrs|ms"],
)

_readings := {
	"check", "compare", "describe", "explain", "fetch", "find", "list", "look", "read", "review", "search", "see", "show",
	"sum", "summarise", "summarize", "track", "translate", "verify",
}

_source := concat("", [
	`(?:ticket|e-?mail|mail|message|letter|request|list|note|page|file|form|runbook|instruction|checklist|sheet|run`,
	`|report|document|memo|comment|plan|calendar|table|count|record|reminder|post|agenda|minutes|inbox|protocol|review`,
	`|contract|leaflet|circular|manual|guideline)s?`,
])

_follow := sprintf(
	concat("|", [
		`\b(?:according to|in accordance with|based on|as per)\b`,
		`^(?:\S+ ){0,3}(?:do|does) (?:as|what|whatever|everything|so as)\b`,
		concat("", [
			`\b(?:as|like|whatever|what|everything|all|the way|those) (?:\S+ ){0,6}(?:says?|said|asks?|asked|wants?|wanted`,
			`|requests?|requested|describes?|described|explains?|explained|suggests?|suggested|states?|lists?)\b`,
		]),
		concat("", [
			`\b(?:take care of|deal with|handle|sort|sort out|see to|act on|carry out|work through|go through|work off|process`,
			`|follow) (?:\S+ ){0,5}?(?:%[1]s|it|this|that|them)\b`,
		]),
		concat("", [
			`\b(?:all|everything|every(?:one|body)|every (?:\S+ ){0,3}|each|what(?:ever)|who(?:ever)|people|those|the ones`,
			`|the (?:two|three|others)) (?:\S+ ){0,4}?(?:on|in|from|of) (?:\S+ ){0,4}?%[1]s\b`,
		]),
		`\b(?:address|amount|date|number|price|time|value)s? (?:on|in|from) (?:the|his|her|their) (?:\S+ )?%[1]s\b`,
		`\b(?:there is|there's|theres|see|by|from|off|in) (?:an?|the|my|our|his|her|their|\S+'s) (?:\S+ ){0,2}%[1]s\b`,
		`^(?:\S+ ){0,4}(?:instructions?|to-?dos?|checklist)\b`,
		concat("", [
			`\b(?:do|complete|execute|finish|run) (?:the|my|our|this|today's|tomorrow's) (?:\S+ ){0,4}?`,
			`(?:batch|checklist|list|round|run|to-?dos?)\b`,
		]),
		concat("", [
			`(?:^|[,;:(–-] ?|\b(?:and|then|but|so|as|please) )(?:see|as in|as per|per|cf\.?) (?:the )?`,
			`(?:\pL{1,8}[-_#]?[0-9]+\b|https?:|/\pL)`,
		]),
	]),
	[_source],
)

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

# "I want another 20 of the paddle", "we need ten vests".
_wishes(sentence, _, acts, _) if {
	count(acts & {"buy", "order", "purchase", "reorder"}) > 0
	regex.match(_number_wanted, sentence)
}

_wishes(sentence, _, acts, _) if plans.bare(sentence, acts)

# "Same again, please", "the usual for Ann".
_wishes(sentence, _, acts, _) if {
	count(acts & {"reissue", "renew", "reorder", "repeat"}) > 0
	regex.match(_again, sentence)
}

# "Check the status, then restart", "read it and answer": a verb without an object at the end of an order.
_wishes(sentence, _, acts, _) if {
	some found in regex.find_all_string_submatch_n(_bare_verb, sentence, 10)
	found[1] in (acts - _also_nouns)
}

_wishes(sentence, _, acts, _) if {
	some found in regex.find_all_string_submatch_n(_bare_then, sentence, 10)
	found[1] in acts
}

# "The price should be 5".
_wishes(sentence, _, _, values) if {
	count(values) > 0
	regex.match(`\b(?:should|must|has to|have to|needs? to|ought to) (?:now )?be (?:at )?[$€£]?[0-9]`, sentence)
}

_again := concat("", [
	`(?:^|, |\b(?:and|so|then) )(?:(?:the|just) )?`,
	`(?:same (?:again|as (?:before|last time|usual))|usual(?: again)?)\b`,
])

_bare_verb := `[a-z] and (?:then |please |also )?(\pL+)$`

_bare_then := `(?:,|\band) then (\pL+)(?:$|,| and )`

_also_nouns := {
	"address", "call", "change", "charge", "copy", "email", "file", "grant", "invoice", "list", "log", "mail", "mark",
	"message", "note", "offer", "order", "plan", "post", "refund", "report", "return", "review", "share", "text",
	"transfer",
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
	`(?:[0-9]+|an?other|some more|(?:back )?(?:up )?to|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty`,
	`|a dozen)\b`,
])

_number_wanted := concat("", [
	`(?:^|, |\b(?:and|so|then|that) )(?:i|we)(?:'d| would)? (?:want|need|like)(?: to have)? `,
	`(?:an?other|some more|[0-9]+|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|fifty|a dozen)\b`,
])

_same := `^(?:and |so )?(?:\S+ ){0,5}(?:too|as well|likewise)$|^(?:and )?(?:the )?same (?:for|with|goes for) `

# ---- sentences

_sentences := [clean |
	some sentence in split(_marked, "|")
	not _asks(sentence)
	not _others_say(sentence)
	plain := regex.replace(sentence, _who_needs, "$1 $2")
	clean := trim_space(regex.replace(regex.replace(plain, _for_me, ""), _conditions, ""))
	clean != ""
]

# "Everyone who's got an appointment then needs a text".
_who_needs := concat("", [
	`\b(all|any(?:one|body)|every(?:one|body)|people|those|the ones) (?:who|that)\b[^,]*?`,
	` (needs?|gets?|should|must|has to|have to|ought to)\b`,
])

_marked := regex.replace(
	regex.replace(
		branches.ended(clauses.unquoted(regex.replace(replace(exclusions.kept, "|", " "), `…\s*\?`, "?"))),
		`\?`, "?|",
	),
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

# "As I wrote down": the person's own words are no report.
_person_said := concat("", [
	`\b(?:i|we)(?:'ve| have|'d)? (?:just |already )?`,
	`(?:said|wrote|told|asked|suggested|proposed|recommended|thought)\b`,
])

# What others say never counts; what they would like does if the request says "please do that".
_others_say(sentence) if regex.match(
	concat("", [
		`\b(?:says?|said|writes|wrote|claims?|claimed|thinks?|thought|believes?|suggests?|suggested|proposes?|proposed`,
		`|recommends?|recommended|told|asked|insists?|demands?|according to|(?:have|has|had) been|have \pL+ed)\b`,
	]),
	regex.replace(sentence, _person_said, " "),
)

_others_say(sentence) if {
	regex.match(_others_want, regex.replace(sentence, _person_wants, " "))
	not agreements.said
}

_person_wants := `\b(?:i|we) (?:also |just |only )?(?:want|wish|prefer|hope|ask)\b`

_others_want := concat("", [
	`\b(?:wants?|wishes|asks|prefers|begs|requests|hopes)\b|\b(?:\pL{3,}|he)(?: would|'d) (?:like|love|prefer|rather)\b`,
])

# "Tell me whether it needs to be paid".
_for_me := concat("", [
	`\b(?:tell|show|send|give|let|remind|text|message|email|mail|read|ask|answer|explain|inform|list) (?:to )?(?:me|us)\b`,
	`.*?(?:\band then\b|$)`,
])

_conditions := `\b(?:if|whether|unless|might|perhaps|when|how|what|which|who|why|in case|doubt)\b[^,]*(?:,|$)`
