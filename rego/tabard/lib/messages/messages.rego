# METADATA
# title: What confirms a text to another person
# description: |
#   A call's free text (a mail, a reply, a note, a file that is shared) can carry what a stranger's text said to a
#   receiver whom the request names: false news, an instruction, another person's data. That the request names the
#   receiver confirms none of it. Four things confirm a text: the words of the request, what your records hold *for
#   this receiver*, words of courtesy, and that no text of strangers was read before. `meaning` puts them together.
package tabard.lib.messages

import data.tabard.lib.arguments
import data.tabard.lib.demands
import data.tabard.lib.intent
import data.tabard.lib.lures
import data.tabard.lib.texts
import data.tabard.lib.verbs
import data.tabard.lib.wording

# METADATA
# description: |
#   What confirms a text, as a value for `calls.meaning`: "said", "none" (ask: the person sees the text) or "other"
#   (no grant). `message` is an object. `name` is the argument with the text. `own` is a set of texts that this receiver
#   may know: your records of the receiver, what the task did for them, the sender's name; as for `texts.plain`.
#   `people` is a directory as for `texts.mentions`, and `about` the ids in it of whom the text may speak: the
#   receiver, and for a colleague those whom the request names. `clean: true` if no text of strangers was read before,
#   so that the words are the agent's own; `private: true` if the receiver may not know all that the task has read.
#   `words` says how many further words of no weight a text may have, 2 unless you say it, at most 5, and none in a
#   private one. "other": the text has a lure (`lures.within`) or speaks of a person who isn't in `about`; or it isn't
#   confirmed, and does more than tell (`demands.within`): it orders, grants, sets an amount or a dose, of which neither
#   the request nor `own` speaks. `asks` is a set of kinds of `demands` that are "none" all the same, as
#   {"orders"} for a letter between colleagues; `refuses` one of kinds of `unconfirmed` that are "other", too, as
#   {"numbers", "names"} for a receiver outside. "said": the task is clean and not private, or each word, number, date
#   and name is one of the request, of `own` or of courtesy, beside such further words, and none of these orders or
#   denies anything. "none" otherwise: it tells something in other words. An absent text is "said". `meaning({"name":
#   "body", "own": data.customers[to], "people": data.people, "about": {to}, "clean": facts.value("texts_read") == 0})`.
# scope: document
default meaning(_) := "other"

meaning(message) := "said" if {
	_readable(message)
	arguments.absent(message.name)
} else := "said" if {
	_readable(message)
	_confirmed(message)
} else := "none" if {
	_readable(message)
	count(object.keys(_refused(message))) == 0
}

# METADATA
# description: |
#   For what `meaning` refuses a text, by kind, each a set, for the message of a denial: lures, `people`, and the kinds
#   of `demands` and `refuses`. `{}` for a text that is "said" or "none".
refused(message) := _never(message) if {
	_never(message) != {}
} else := {} if {
	_readable(message)
	_confirmed(message)
} else := _refused(message)

_refused(message) := {kind: found |
	some kind, found in object.union(_demands(message), _unsaid(message))
	_refuses(kind, message)
}

_refuses(kind, message) if {
	kind in {"amounts", "doses", "grants", "matters", "orders"}
	not kind in demands.spoken
	not kind in object.get(message, "asks", set())
}

_refuses(kind, message) if kind in object.get(message, "refuses", set())

# Above the length that `texts` reads it is unreadable anyway.
_demands(message) := demands.within(_without_courtesy(arguments.text(message.name)), message.own) if {
	count(arguments.text(message.name)) <= 3000
} else := {}

# METADATA
# description: |
#   Why a text isn't confirmed, by kind, each a set: the lures (`links`, `numbers`, `secrets`, `unreadable`) and
#   `people` for which `meaning` says "other", the kinds of `demands.within` and of `texts.unsaid`, `acts`, new words
#   that order something, and `denials`, as "isn't". `{}` for a text of which nothing is new. Look at it with `policy
#   eval --show`.
unconfirmed(message) := object.union_n([_demands(message), _unsaid(message), _never(message)])

# METADATA
# description: |
#   The texts of the fields for which the request asks, for `own` of a receiver who isn't the person that the record is
#   about, as a relative or a partner. `fields` is an object: a key holds the words that ask for a field, with spaces
#   between, and its value is a set of texts. `asked_for({"day date when": {"2026-12-02"}, "time when": {"11:30"},
#   "reason why": {"review"}})` for "tell her day and time" has no reason.
asked_for(fields) := {text |
	some key, found in fields
	some word in split(lower(key), " ")
	wording.mentions_forms(word)
	some text in found
}

# METADATA
# description: |
#   Phrases of courtesy, a pattern for texts in lower case. They say nothing new: `meaning` reads a text without them.
courtesy := sprintf(`\b(?:%s)\b`, [concat("|", [
	concat("", [
		`(?:we're|we are|i'm|i am|i|we) (?:very |so |really |deeply )?(?:sorry|apologi[sz]e)`,
		`(?: (?:for|about) (?:the|this|that|any|your) `,
		`(?:delay|inconvenience|trouble|wait|mix-up|confusion|mistake|late reply|matter))?`,
	]),
	`apologies for (?:the|any) (?:delay|inconvenience|trouble|wait|confusion)`,
	`sorry (?:that it (?:takes|took|is taking|has taken) so long|to keep you waiting|for the (?:delay|wait|trouble))`,
	concat("", [
		`(?:thank you|thanks|many thanks)(?: (?:very|so) much)?(?: (?:for|in advance for) (?:your|the) `,
		`(?:call|e-?mail|help|letter|mail|message|note|order|patience|question|reply|request|ticket|trust|understanding))?`,
	]),
	`(?:please )?(?:don't|do not) (?:worry|hesitate to (?:ask|contact|write to|call) us)`,
	concat("", [
		`(?:please )?(?:let us know|write to us|contact us|ask us) if `,
		`(?:you have (?:any|more|further) questions?|we can help)`,
	]),
	`if you have (?:any|more|further) questions?,? (?:please )?(?:let us know|write to us|contact us|ask us)`,
	`(?:is|are|will be) (?:now |already )?on (?:its|their|the|your) way(?: to you)?`,
	concat("", [
		`(?:we|i|they)(?:'ll| will) (?:let you know|be in touch|get (?:back|in touch) (?:to|with) you`,
		`|write(?: to you)? again|come back to you|contact you)`,
		`(?: (?:soon|shortly|again|about (?:a|the) (?:time|date)|as soon as (?:possible|we can)|when we know more))?`,
	]),
	`we look forward to (?:hearing from you|seeing you|your visit)|get well soon|all the best|you're welcome|no problem`,
	`as (?:agreed|discussed|requested|you asked)|have a (?:nice|good|lovely|great) (?:day|evening|week|weekend)`,
])])

_never(message) := object.union(lures.within(message.name, message.own), _people(message))

_readable(message) if {
	intent.trusted
	_never(message) == {}
}

_people(message) := {"people": found} if {
	found := _others(message)
	count(found) > 0
} else := {}

default _others(_) := set()

_others(message) := texts.mentions_others(message.name, message.people, object.get(message, "about", set()))

_confirmed(message) if {
	message.clean == true
	not message.private
}

_confirmed(message) if {
	unsaid := _unsaid(message)
	object.keys(unsaid) - {"words"} == set()
	object.keys(_demands(message)) - demands.spoken == set()
	count(object.get(unsaid, "words", set())) <= _room(message)
}

_room(message) := 0 if message.private

_room(message) := min({5, object.get(message, "words", 2)}) if not message.private

# Above the length that `texts` reads, nothing confirms it.
_unsaid(message) := {kind: found |
	plain := _without_courtesy(arguments.text(message.name))
	unsaid := texts.unsaid_text(plain, message.own)
	some kind, found in object.union(unsaid, {
		"acts": _acts(lower(plain), object.get(unsaid, "words", set())),
		"denials": _denials(lower(plain), message.own),
	})
	count(found) > 0
} if {
	count(arguments.text(message.name)) <= 3000
} else := {"unreadable": {"the text"}}

# A word of courtesy stands for each phrase, so that marks and words beside it stay apart.
_without_courtesy(text) := regex.replace(replace(text, "’", "'"), sprintf("(?i)%s", [courtesy]), "thanks")

# A new verb in its base form, or a new word where an order begins.
_acts(text, words) := {word | some word in words; word in verbs.known} | {found[1] |
	some found in regex.find_all_string_submatch_n(_order, text, -1)
	found[1] in words
}

_order := `(?:^|[.!?:;]["')]*\s+|\n[\s*•–-]*|\b(?:please|must|should|shall|to|and|then|or|just) )(\pL+)`

# "Isn't" turns a text round, and its letters are two everyday words.
_denials(text, own) := {word |
	known := lower(concat("\n", array.concat([replace(input.task.statement, "’", "'")], [one | some one in own])))
	some word in regex.find_n(`\b(?:\pL+n't|cannot)\b`, text, -1)
	not contains(known, word)
}
