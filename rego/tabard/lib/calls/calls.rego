# METADATA
# title: What the request says of a call, in one word
# description: |
#   Whether a call is said, left open or not meant by the request follows from the same questions for every tool: is the
#   act ordered, which thing is named, which values are said? `meaning` puts the answers together, so that a rule allows
#   what is "said" and asks about what is "open".
package tabard.lib.calls

import data.tabard.lib.agreements
import data.tabard.lib.bans
import data.tabard.lib.conditions
import data.tabard.lib.entities
import data.tabard.lib.intent
import data.tabard.lib.verbs
import data.tabard.lib.wishes
import data.tabard.lib.wording

# METADATA
# description: |
#   What the request says of this call: "said", "open" or "no". `call` is an object. `acts` are the tool's verbs in
#   their base form, `matter` the words in the singular that speak of its kind ("price"; a wide verb such as "put"
#   counts only beside one of them). `thing` is what `aimed` says of the thing, or "named" where your records, a signed
#   fact or an honest choice say that it's this one. `values` are the answers for each value of the call: "said", "none"
#   or "other", as `quantities.count_meaning`, `shares.cents_meaning`, `dates.meaning` and the like give them, or
#   "absent" for an optional argument that isn't there, which says nothing. These may be there, too: `needs: true` if
#   nothing is meant without a word of `matter` in the request; `undoable: true` if you can take the call back in your
#   own records; `held`, a pattern for the conditions that your rules check anyway, as for `conditions.all_match`;
#   `kind: "message"` for a tool that only tells people something (without it "tell Bob" orders nothing): put what is
#   said of its receivers into `thing` or `values`, and of its text, too (`messages.meaning`); `confirmed: true` if a
#   person has confirmed the condition. "said": the request orders this act upon this thing and says each value, or it
#   names the thing and says each value of an undoable call and neither asks nor reports; and no other condition is
#   left. "open": it may order the act in other words, follows a text, agrees to what was spoken of, or names this thing
#   and says a value. "no": it only asks, forbids the act, names another thing or says another value; or nothing speaks
#   of the act. Ask about "open", and grant nothing for "no". `meaning({"acts": {"refund", "pay"}, "matter": {"money"},
#   "thing": "named", "values": ["said"]})`.
# scope: document
default meaning(_) := "no"

meaning(call) := "said" if {
	not _impossible(call)
	_said(call)
} else := "open" if {
	not _impossible(call)
	_open(call)
}

# METADATA
# description: |
#   What the request says of the thing `id` for an act: "named" if what orders it names this one, or names none and the
#   request does; "unclear" if the request names it elsewhere, or may mean it; "none" if it names none; "other" if it
#   names others or rules this one out. Arguments as for `entities.meaning` and `ordered`; `aimed("O-7", data.orders,
#   {"order"}, {"refund"}, {"money"})` for "refund Ann, tell Bob" is "named" for Ann's order and "unclear" for Bob's.
aimed(id, directory, kinds, acts, matter) := "named" if {
	entities.meaning(id, directory, kinds) == "named"
	id in _ordered_things(directory, kinds, acts, matter)
} else := "unclear" if {
	entities.meaning(id, directory, kinds) == "named"
} else := entities.meaning(id, directory, kinds)

_ordered_things(directory, kinds, acts, matter) := found if {
	found := entities.within(ordered(acts, matter), directory, kinds)
	count(found) > 0
} else := entities.named(directory, kinds)

# METADATA
# description: |
#   The sentences and clauses of the request that order one of `acts`, also by stating it, where a verb that people use
#   of many things ("put", "take", "send", see `verbs.wide`) counts only beside a word of `matter`, a set of words in
#   the singular; `ordered({"cut", "put", "reprice"}, {"price"})` has "put the price up" and "reprice them", and not
#   "put her in at two".
ordered(acts, matter) := {text |
	some text in (wishes.deeds(acts) | wishes.stated(acts, matter))
	_of_matter(text, acts, matter)
}

_of_matter(text, acts, _) if {
	some act in (acts - verbs.wide)
	some word in regex.find_n(`\pL+`, text, -1)
	word in (verbs.forms(act) | {act})
}

_of_matter(text, _, matter) if {
	words := _singular(text)
	some thing in matter
	contains(words, _singular(lower(thing)))
}

_singular(text) := sprintf(" %s ", [concat(" ", [wording.singular(word) |
	some word in regex.find_n(`[\pL\pN]+`, text, -1)
])])

_impossible(_) if not intent.trusted

_impossible(_) if count(input.task.statement) > 4096

_impossible(_) if wishes.only_reads

_impossible(call) if bans.on(call.acts)

_impossible(call) if not call.thing in {"named", "none", "unclear"}

_impossible(call) if {
	call.needs == true
	not _speaks(call)
}

_impossible(call) if {
	some value in call.values
	not value in {"absent", "none", "said"}
}

_said(call) if {
	_right_one(call)
	some text in ordered(call.acts, call.matter)
	_firm(text, call)
}

# "Tell Bob that it comes on Friday" does no more than tell something.
_said(call) if {
	call.kind == "message"
	_right_one(call)
	_has_values(call)
	count(wishes.may(call.acts)) > 0
}

# "Ann at nine, Bob at half past", "Ibuprofen 400 mg, 30 tablets, to Harbour": no verb is needed.
_said(call) if {
	_right_one(call)
	call.undoable == true
	_has_values(call)
	not regex.match(_asks_or_reports, lower(input.task.statement))
}

# "Why was Ann moved to Friday?", "Bob says that Ann goes to Friday", "Tell Bob that Ann comes on Friday", "A note that
# she comes on Friday", "Ann could come on Friday": the values are there, and nothing is ordered.
_asks_or_reports := concat("", [
	`\b(?:tell|inform|remind|notify|brief)\b|\blet (?:\pL+ ){1,4}know\b|\b(?:text|mail|e-?mail|write|message|answer`,
	`|reply|note|memo|comment)\b[^.;:!?]{0,100}\b(?:that|how|what|when|why)\b`,
	`|\b(?:could|might) (?:also |still |only )?(?:come|make|do|have|take|be)\b`,
	`|\?|\b(?:why|whether|wonder|claims?|claimed|says?|said|writes|wrote|asks|asked|wants|wanted|suggests?`,
	`|suggested|proposes|proposed)\b|\b(?:\pL{3,}|he)(?: would|'d) like\b`,
])

_firm(_, call) if _has_values(call)

# Without a value, a statement may just describe.
_firm(text, call) if text in wishes.deeds(call.acts)

_has_values(call) if {
	some value in call.values
	value != "absent"
}

_right_one(call) if {
	call.thing == "named"
	every value in call.values {
		value in {"absent", "said"}
	}
	_unconditional(call)
}

_unconditional(_) if not wishes.conditional

_unconditional(call) if conditions.all_match(call.held)

_unconditional(call) if call.confirmed

_open(call) if count(wishes.may(call.acts) | wishes.stated(call.acts, call.matter)) > 0

_open(_) if wishes.follows

_open(_) if agreements.said

_open(_) if wording.hands_over

# The thing is named, and a value is said or the act is: "Her water tablets ran out", "Ann: Friday at ten".
_open(call) if {
	call.thing == "named"
	some value in call.values
	value == "said"
}

_open(call) if {
	call.thing in {"named", "unclear"}
	wording.asks_for_form(call.acts)
}

_open(call) if {
	wishes.conditional
	wording.asks_for_form(call.acts)
}

_open(call) if {
	call.thing in {"named", "unclear"}
	_speaks(call)
}

_speaks(call) if {
	some word in call.matter
	wording.mentions_forms(word)
}
