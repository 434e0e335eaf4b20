# METADATA
# title: clinic
# description: |
#   What the person's request says is allowed, what it leaves open is asked, what no request of hers can mean is denied.
#   As long as the task has read no text of people outside, no stranger can have caused a call.
#   Part 1 is the same for all tools. Part 2 is about reading. Part 3 has a block for each tool that changes or sends
#   something. Part 4 reads values.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.agreements
import data.tabard.lib.arguments
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.choices
import data.tabard.lib.clauses
import data.tabard.lib.conditions
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.doses
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.groups
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.messages
import data.tabard.lib.outbound
import data.tabard.lib.quantities
import data.tabard.lib.relations
import data.tabard.lib.scopes
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.verbs
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://clinic.example"

_once := credentials.once(_backend, ["clinic"], 60)

_zone := "UTC"

# Values that a branch of a condition may say.
_in_branches := {"day", "time", "quantity", "dose", "drug", "pharmacy", "clinician", "urgency", "repeats", "colleague"}

_reason := "Your request leaves open what, how much, to whom or which words. Read each value: it may come from somebody else's text."

start contains {"code": "clinic", "limits": {
	"tools": [
		"patients.*", "records.*", "medications.*", "prescriptions.*", "appointments.*", "rota.*", "inbox.*",
		"mail.*", "sms.*", "portal.*", "staff.*", "referrals.*", "providers.*", "documents.*",
	],
	"audiences": [_backend],
	"scopes": ["clinic"],
	"budgets": {"questions": 20},
	"ttl_seconds": 1800,
}} if {
	intent.trusted
}

# ---------------------------------------------------------------- 1. The same rules for all tools
_tool := input.tool.name

_a := input.tool.arguments

_it := _about[_tool]

# The request with the names of our records for what people call otherwise ("my ten o'clock", "her water tablets").
_statement := text if {
	is_string(input.task.statement)
	noted := regex.replace(
		_shown(_reworded(strings.replace_n(_names, input.task.statement))),
		`(?i)\b(?:and|plus|then) (?:a|one) ((?:short |quick |brief |friendly )?(?:line|word|message|note|sms|text|text message|mail|e-?mail|reply|answer)) (?:to|for) (her|him|them|[a-z]+)\b`,
		"and send a $1 to $2",
	)
	text := regex.replace(
		noted,
		`\b((?:Dr )?[A-Z][a-z]+(?: [A-Z][a-z]+)?) (?:needs to|has to|must|should|ought to) (?:know|hear|be told)\b`,
		"tell $1",
	)
} else := ""

_reworded(text) := regex.replace(
	regex.replace(
		regex.replace(text, `\b(?:in |on |at )?((?:Mon|Tues|Wednes|Thurs|Fri)day)'s (first|next|free|earliest|last)`, "on $1 in the $2"),
		`\b([Nn])o more ([a-zA-Z-]+) for\b`,
		"stop the $2 for",
	),
	`\b(?:[Cc]heck|[Cc]larify|[Dd]ouble-check|[Ff]ind out) with ([A-Z])`,
	"ask $1",
)

# "Forward an hour", "four would work": in words that the library reads as times.
_timed(text) := regex.replace(
	regex.replace(
		text,
		`(?i)\b(forward|forwards|back|backward|backwards) (an hour|half an hour|one hour|two hours|[0-9]+ minutes|[a-z]+ minutes|a day|a week)\b`,
		"$1 by $2",
	),
	`\b([Tt]wo|[Tt]hree|[Ff]our|[Ff]ive|[Ee]ight|[Nn]ine|[Tt]en|[Ee]leven|[Tt]welve) (would|works|work for|suits|is (?:fine|better|ok|okay|good|free))\b`,
	"at $1 o'clock $2",
)

# "Show Clara her result" shows it to her; "show me" reads.
_shown(text) := regex.replace(_timed(text), `\b[Ss]how (her|him|them|[A-Z][a-z]+(?: [A-Z][a-z]+)?) (her|his|their|the|that)\b`, "let $1 see $2")

_names := object.union_n([
	data.clinic.nicknames,
	data.clinic.hour_any,
	object.get(data.clinic.hour_mine, input.subject.claims.username, {}),
])

# RUN: the request orders this act upon this thing and says each value, or our records have it.
grant contains {"code": "said", "credential": _once, "notes": ["made"], "facts": {
	"done": _done,
	"for": _for,
	"told": {one | some one in _told},
	"sent": _sent + 0,
	"issued": _issued + 0,
}} if {
	_goes == "said"
}

# ASK: the request may mean it, and a value is open. The facts are noted once the person has approved.
grant contains {"code": "open", "credential": _once, "notes": ["made"], "charges": {"questions": 1}, "facts": {
	"done": _done,
	"for": _for,
	"told": {one | some one in _told},
	"sent": _sent + 0,
	"issued": _issued + 0,
	"confirmed": _confirming,
}} if {
	_goes == "open"
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": _reason,
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_goes == "open"
}

# DENY: beside a denial no person is asked. Two reasons, so that the agent knows what to do.
deny contains {
	"code": "not_possible",
	"message": "Our records or your role rule this call out, whatever the request says.",
} if {
	_goes == "never"
}

deny contains {
	"code": "not_meant",
	"message": sprintf("The request doesn't mean this call (%s). Do what it says.", [concat(", ", _told_lacking)]),
} if {
	_goes == "no"
}

# "Today" is the day of our records.
_goes := decided if {
	decided := _decided with input.context.time as data.noon with input.task.statement as _statement
}

_told_lacking := lacking if {
	lacking := _lacking with input.context.time as data.noon with input.task.statement as _statement
}

_confirming := {one |
	conditional := wishes.conditional
	conditional
	one := sprintf("%s:%s", [_tool, _id])
}

# What the request doesn't say, as "day other, time none".
_lacking := [sprintf("%s %s", [name, meaning]) |
	some name, meaning in object.union({"thing": _thing, "act": _act, "condition": _condition}, _answers)
	not meaning in {"named", "said", "absent"}
]

_answers := {name: _of_a_branch(name, meaning) | some name, meaning in _values[_tool]} if _values[_tool]

_of_a_branch(name, meaning) := "none" if {
	meaning == "other"
	name in _in_branches
	wishes.conditional
} else := meaning

_act := "only reads" if {
	wishes.only_reads
} else := "forbidden" if {
	bans.on(_it.acts)
} else := "said" if {
	count(calls.ordered(_it.acts, _it.matter)) > 0
} else := "none"

_condition := "said" if {
	conditions.all_match(object.get(_it, "held", "^$"))
} else := "open"

_decided := "never" if {
	_it
	not _right[_tool]
} else := "said" if {
	_says == "said"
	_grounded
	not _above
} else := "open" if {
	_says == "said"
	_grounded
} else := "said" if {
	_own_choice
	not _above
} else := "said" if {
	_implied[_tool]
	not _above
} else := "open" if {
	_may_be_meant
} else := "no" if {
	_it
}

_says := calls.meaning(object.union(_it, {
	"thing": _thing,
	"values": _answers,
	"confirmed": _confirmed,
}))

# The task has read no text of others: the call is the agent's own reading of the request.
_may_be_meant if {
	_it
	_clean
	intent.trusted
	not _act in {"forbidden", "only reads"}
}

# It has read one: the text may have caused the call.
_may_be_meant if {
	_says == "open"
	count(_words) > 0
	_own_or_handed
}

_own_or_handed if _own_sentence

_own_or_handed if _hands_over

_may_be_meant if {
	_says == "open"
	_it.handed
	_hands_over
	not _about_another_kind
}

# No list has all verbs: so she is asked, too, if the request names the thing and orders no other act of this kind.
_may_be_meant if {
	_orderable
	_speaks
	not _another_act
	_own_sentence
}

# Names and values alone order no act if they stand in what orders another one: "Note that she comes on Friday at ten".
_grounded if _clean

_grounded if _act == "said"

_grounded if not _it.undoable

_grounded if _own_sentence

_own_sentence if _it.kind == "message"

_own_sentence if not _kind_words[_it.group]

# A drug with its dose or quantity needs no name beside it: the one of the request.
_own_sentence if {
	_it.group == "rx"
	some sentence in _sentences
	_of_drug(sentence)
}

_of_drug(sentence) if {
	count(_drugs_in(lower(sentence))) > 0
	regex.match(`[0-9]|\b(?:same|before|again|usual|twice|daily|once|harbour|bell street)\b`, lower(sentence))
	not _foreign_sentence(sentence)
	not regex.match(`(?i)\b(?:was|were|has been|had|got|takes|took|is on|already|asks|asked|wants|wanted|says|said|would|should|could|might|may|whether|hospital)\b`, sentence)
}

_own_sentence if {
	some sentence in _sentences
	regex.match(_kind_words[_it.group], sentence)
	not _foreign_sentence(sentence)
	_names_it(sentence)
}

# Where another kind of act is ordered, the sentence has to name the patient, and to say no more than that it may be.
_names_it(_) if {
	count({1 | some other in _sentences; _foreign_sentence(other)}) == 0
}

_names_it(sentence) if {
	not regex.match(`\b(?:could|would|might|may|perhaps|maybe|said|says|thinks?|was|were)\b`, sentence)
	count(entities.within({sentence}, data.clinic.patients, {"patient"})) > 0
}

_names_it(sentence) if {
	not regex.match(`\b(?:could|would|might|may|perhaps|maybe|said|says|thinks?|was|were)\b`, sentence)
	_narrow := clauses.ordered(_it.acts) with input.task.statement as sentence
	count(_narrow) > 0
}

_sentences := {trim_space(one) |
	some one in regex.split(`[.!?;](?:\s|$)`, input.task.statement)
	trim_space(one) != ""
}

_foreign_sentence(sentence) if {
	found := clauses.ordered(_foreign_acts[_it.group]) with input.task.statement as sentence
	count(found) > 0
	mine := calls.ordered(_it.acts - _foreign_acts[_it.group], _it.matter) with input.task.statement as sentence
	count(mine) == 0
}

_foreign_sentence(sentence) if {
	_it.group != "note"
	regex.match(`(?i)\b(?:put|make|add|leave|write|enter|keep|note for|a note)\b (?:\pL+ ){0,3}(?:note|notes|entry|record)\b`, sentence)
}

_foreign_sentence(sentence) if {
	_it.group != "note"
	regex.match(`(?i)^(?:a )?note (?:for|in|on|that|to)\b`, sentence)
}

_saying := {"tell", "inform", "notify", "remind", "warn", "answer", "reply", "text", "message", "mail", "email", "brief", "thank", "ask"}

_keeping := {"note", "document", "jot", "log"}

_foreign_acts := {
	"visit": (_saying | _keeping) | {"release", "refer", "share", "forward", "prescribe", "issue", "renew", "summarise"},
	"rx": (_saying | _keeping) | {"release", "refer", "share", "book", "reschedule", "summarise"},
	"record": _keeping | {"refer", "book", "reschedule", "prescribe", "issue", "tell", "remind", "summarise"},
	"contact": (_saying | _keeping) | {"release", "refer", "book", "prescribe", "issue"},
	"referral": (_saying | _keeping) | {"release", "prescribe", "issue"},
	"rota": _saying,
}

_kind_words := {
	"visit": `(?i)[0-9]|o'clock|day\b|morrow|week\b|morning|afternoon|noon|\b(?:one|two|three|four|five|eight|nine|ten|eleven|twelve|half|later|earlier|slot|appointment|appointments|visit|off|out|come|coming|make it|free)\b`,
	"rx": concat("", [
		`(?i)\b(?:mg|dose|tablets?|pills?|inhaler|prescriptions?|script|medication|medicine|pharmacy|repeats?|harbour|bell street`,
		concat("", [sprintf("|%s", [name]) | some name in object.keys(_spoken_drugs)]),
		`)\b`,
	]),
	"record": `(?i)\b(?:results?|letters?|records?|reports?|ecg|echo|scan|x-ray|lab|bloods?|copy|test|tests|hba1c|values?|discharge|photos?|list|plan|it|them)\b`,
	"contact": `(?i)[0-9]{3}|@|\b(?:address|number|phone|mobile|e?-?mail|moved|contact|details)\b`,
	"referral": `(?i)\b(?:refer\w*|cardiolog\w+|dermatolog\w+|radiolog\w+|physio\w*|maternity|fenland|riverside|northgate|st anne's|specialist|midwi\w+|hospital)\b`,
	"rota": `(?i)day\b|morrow|\b(?:shift|rota|cover|swap)`,
}

_may_be_meant if {
	_orderable
	_it.strict
	regex.match(_states[_tool], lower(input.task.statement))
}

# Beside the name there has to be a word of this kind of act.
_speaks if _it.kind == "message"

_speaks if {
	not _it.strict
	_kind_words[_it.group]
}

_speaks if wording.asks_for_form(_it.acts - verbs.wide)

_speaks if {
	not _it.strict
	count({wording.singular(word) | some word in wording.words} & _it.matter) > 0
}

_speaks if regex.match(_states[_tool], lower(input.task.statement))

# "Do what the letter says about her tablets" means no new address.
_about_another_kind if {
	regex.match(`\b(?:says?|asks?|wants?|writes?|recommends?) (?:\pL+ )?(?:about|on|for) `, lower(input.task.statement))
	not _it.kind == "message"
	count({wording.singular(word) | some word in wording.words} & _it.matter) == 0
}

_words := ({"a form" | wording.asks_for_form(_it.acts)} | wishes.stated(_it.acts, _it.matter)) | agreements.upon(_it.acts)

_orderable if {
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing == "named"
	every value in _answers {
		value in {"none", "said", "absent"}
	}
}

# "Move her visit" cancels nothing: the same thing gets one act of its kind.
_another_act if {
	some tool, about in _about
	tool != _tool
	about.group == _it.group
	count(calls.ordered(about.acts - _it.acts, about.matter)) > 0
}

# While the task is clean, a value that the request leaves open is the agent's own choice, if we can take the call back.
_own_choice if {
	_clean
	_it.undoable
	_orderable
	_condition == "said"
	not _another_act
	not _only_told
}

_only_told if {
	_act == "none"
	count(clauses.ordered(_tell)) > 0
}

# Of a condition the person is asked once for each thing.
default _confirmed := false

_confirmed if facts.has("confirmed", sprintf("%s:%s", [_tool, _id]))

# ---- which thing
_id := _a[_it.id]

_thing := _receivers if {
	_it.kind == "message"
} else := "named" if {
	_aimed in {"none", "unclear"}
	_vouched
} else := "other" if {
	_aimed in {"none", "unclear"}
	_foreign
} else := "named" if {
	_aimed in {"none", "unclear"}
	_follows[_tool]
} else := "named" if {
	_aimed in {"none", "unclear"}
	count(_of_all) > 0
	_all[_tool]
	not _client in entities.ruled_out(_it.acts, data.clinic.patients, {"patient"})
} else := "other" if {
	count(_of_all) > 0
	_aimed in {"none", "unclear"}
	_it.group == "visit"
} else := _aimed

# "All of them", and "his patients", "Gabriel's appointments".
_of_all := wishes.of_all(_it.acts, _it.all) | {text |
	some text in calls.ordered(_it.acts, _it.matter)
	regex.match(`(?:\b(?:his|her|their|my)|'s|\btomorrow|\btoday) (?:\pL+ )?(?:patients|appointments|visits|bookings|clinic)\b`, text)
} | {text |
	_tool == "appointments.move"
	text := lower(input.task.statement)
	regex.match(_all_later, text)
	not _foreign_sentence(input.task.statement)
}

_all_later := `\b(?:all|every(?:thing|one)?) .*(?:hours?|minutes?|days?) (?:later|earlier)\b|\b(?:appointments|patients) .*(?:hours?|minutes?|days?) (?:later|earlier)\b`

_aimed := _rx_aimed if {
	_it.id == "prescription_id"
} else := _rota_aimed if {
	_tool == "rota.swap"
} else := _client_aimed if {
	_it.by_client
} else := calls.aimed(_id, _it.directory, _it.kinds, _it.acts, _it.matter)

# A record is named as its patient is.
_client_aimed := calls.aimed(_client, data.clinic.patients, {"patient"}, _it.acts, _it.matter) if {
	_client
} else := "unclear"

# A patient whose own name is said only elsewhere ("Her result is back. Release it"): the only one that is named.
_follows[tool] if {
	some tool in {
		"records.release", "records.share", "records.add_note", "referrals.create", "prescriptions.issue",
		"appointments.book", "appointments.move", "appointments.cancel", "patients.update_contact",
	}
	tool == _tool
	_the_only_patient == {_client}
}

# "Halve Brandt's dose": the library takes a word before the name for a part of it.
_the_only_patient := entities.named(data.clinic.patients, {"patient"}) if {
	count(entities.named(data.clinic.patients, {"patient"})) > 0
} else := entities.unclear(data.clinic.patients, {"patient"})

# What this task made for somebody is meant by "it".
_follows["prescriptions.send"] if _made_here

_follows["appointments.move"] if _made_here

_made_here if facts.has("made", _id)

# "Do what message 502 asks": the backend signed whose message it is, and the thing is of the same patient.
_vouched if {
	_hands_over
	_client in _owners
}

# "M-503 is from Owen about his new number. Update it": the message that the request names is of this patient.
_pointed if {
	count(entities.ids("M", {"message", "mail"})) > 0
	_client in _owners
}

_pointed if {
	regex.match(`\b(?:messages?|wrote|writes|written|letters?|mail|portal|asks|asked|sent|form)\b`, lower(input.task.statement))
	_client in _owners
	_client in entities.named(data.clinic.patients, {"patient"})
}

_owners := {client |
	some message in _followed
	some client in _belonging(message)
}

# The text that is followed is of another patient, and the request names nobody.
_foreign if {
	_hands_over
	count(_owners) > 0
	not _client in _owners
	not _client in entities.named(data.clinic.patients, {"patient"})
}

_hands_over if wishes.follows

_hands_over if wording.hands_over

_followed := said if {
	said := entities.ids("M", {"message", "mail"})
	count(said) > 0
} else := facts.elements("texts") if {
	facts.size("texts") <= 3
} else := set()

# ---- what the call leaves behind for later calls of the task
_done contains sprintf("%s:%s", [_tool, _id]) if _it.once

_done contains sprintf("%s:%s", [_tool, to]) if {
	_it.kind == "message"
	some to in _to
}

_done contains sprintf("%s:%s:%s", [_tool, _id, substring(_a.start, 0, 10)]) if _tool == "appointments.book"

_done contains sprintf("%s:%s:%s", [_tool, _id, lower(_a.drug)]) if _tool == "prescriptions.issue"

_done contains sprintf("%s:%s:%s", [_tool, _id, _a.provider_id]) if _tool == "referrals.create"

_done contains sprintf("%s:%s:%s", [_tool, _id, lower(_a.recipient)]) if _tool == "records.share"

_for := {_client | _client}

_told := {sprintf("%v|%v", [_told_for, _a[name]]) | some name in _it.tells} | {sprintf("%v|%v", [_told_for, text]) |
	some name in {"pharmacy_id", "provider_id", "clinician", "from_staff", "to_staff"}
	some text in array.concat(
		object.get(data.clinic.providers, object.get(_a, name, ""), []),
		object.get(data.clinic.staff, object.get(_a, name, ""), []),
	)
}

_told_for := _client if {
	_client
} else := "staff"

default _sent := 0

_sent := count(_to) if _tool in {"mail.send", "sms.send"}

default _issued := 0

_issued := 1 if _tool == "prescriptions.issue"

# "Once Otto has paid": policy can't see whether it has come to that.
_above if {
	not _it.undoable
	not _it.kind == "message"
	regex.match(_later, lower(input.task.statement))
}

_later := concat("", [
	`\b(?:once|as soon as) (?:[^\s,.;]+ ){1,5}?`,
	`(?:has|have|is|are|agrees?|comes?|confirms?|arrives?|knows?|says?)\b`,
])

_above if {
	not _clean
	some one in _done
	facts.has("done", one)
}

_fresh if not facts.has("done", sprintf("%s:%s", [_tool, _id]))

# ---------------------------------------------------------------- 2. Reading
# Our own people write these. `strays` has patients of whom the request doesn't speak.
grant contains {"code": "look", "credential": _once} if {
	_tool in {
		"patients.search", "appointments.free", "rota.get", "staff.directory",
		"providers.search",
	}
}

grant contains {"code": "look", "credential": _once, "facts": {
	"strays": {_a.patient_id | _stray},
	"listed": {_a.patient_id | _tool == "records.list"},
}} if {
	_tool in {"patients.get", "records.list", "medications.list"}
}

_stray if {
	meaning := entities.meaning(_a.patient_id, data.clinic.patients, {"patient"}) with input.task.statement as _statement
	meaning == "other"
}

# People outside may have written what these return; the backend signs `inside` where they didn't.
grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["belongs", "inside"],
	"facts": {
		"texts_read": 1,
		"remembered": _remembered,
		"texts": {text | some name in {"message_id", "record_id", "document_id"}; text := _a[name]},
	},
} if {
	_tool in {
		"records.read", "appointments.list", "inbox.list", "inbox.read", "documents.list",
		"documents.read",
	}
}

# Each read of a text counts, until the backend has signed that people outside wrote nothing of what it returned.
default _clean := false

_clean if {
	facts.value("texts_read") <= facts.size("inside")
	facts.size("remembered") == 0
	count(_remembered) == 0
	not _outside_unread
}

# The backend's own label, should a tool that we take for ours return a text of people outside.
_outside_unread if {
	labels.has("outside")
	facts.value("texts_read") == 0
}

# Own reads add the label, too: so the first one notes that it was there before.
_remembered := {"other tasks" |
	labels.untrusted
	_before
}

_before if facts.value("texts_read") == 0

_before if facts.size("remembered") > 0

# ---------------------------------------------------------------- 3. One block for each tool
# ---- patients.update_contact
_about["patients.update_contact"] := {
	"group": "contact",
	"acts": {"change", "correct", "enter", "fix", "have", "moved", "put", "record", "replace", "set", "update", "use"},
	"matter": {"address", "contact", "details", "email", "e-mail", "flat", "mail", "mobile", "moved", "number", "phone", "street", "telephone"},
	"undoable": true,
	"handed": true,
	"id": "patient_id",
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["phone", "email", "address"],
}

_right["patients.update_contact"] if data.clinic.patient[_a.patient_id]

_values["patients.update_contact"] := object.union(
	{"role": _role_for_contacts},
	{name: _field(name) | some name in {"phone", "email", "address"}},
)

# Contact data are changed by front desk and nurses.
_role_for_contacts := "said" if {
	subject.has_claim("groups", "front_desk")
} else := "said" if {
	input.subject.claims.username in data.clinic.nurses
} else := "none"

# ---- records.add_note
_about["records.add_note"] := {
	"group": "note",
	"acts": {"add", "document", "enter", "file", "jot", "keep", "leave", "log", "make", "note", "put", "record", "save", "write"},
	"matter": {"chart", "down", "file", "note", "notes", "record"},
	"handed": true,
	"id": "patient_id",
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["records.add_note"] if data.clinic.patient[_a.patient_id]

_values["records.add_note"] := {"title": _text("title"), "text": _text("text")}

# "Write a note for Owen: …": a text that the request says, for the patient whom it names.
_implied["records.add_note"] if {
	_orderable
	every value in _answers {
		value == "said"
	}
	_condition == "said"
	wording.asks_for({"note", "notes", "record", "file", "chart", "jot", "document", "log"})
	count(clauses.ordered(_about["records.add_note"].acts)) > 0
}

# ---- records.share: a record to people outside
_about["records.share"] := {
	"group": "record",
	"acts": {"copy", "forward", "get", "give", "let", "pass", "provide", "send", "share", "supply", "transmit"},
	"matter": {
		"copy", "discharge", "ecg", "echo", "file", "finding", "letter", "note", "paper", "record", "report",
		"result", "scan", "test", "value",
	},
	"by_client": true,
	"handed": true,
	"id": "record_id",
}

_right["records.share"] if {
	_known(_a.recipient)
	not _other_patients_address(_a.recipient)
}

_other_patients_address(to) if {
	_client
	data.clinic.client_of[to]
	data.clinic.client_of[to] != _client
}

_values["records.share"] := {"recipient": _some_recipient, "record": _record, "reason": _text("reason")}

# "Send them the letter R-412": who gets it and which one is said, and that it is sent.
_implied["records.share"] if {
	_orderable
	every value in _answers {
		value == "said"
	}
	_condition == "said"
	count(clauses.ordered({"send", "forward", "share", "pass", "copy"})) > 0
	_speaks
}

# Neither whom nor which one: then the request speaks of something else.
_some_recipient := "other" if {
	_recipient == "none"
	_record == "none"
	not _hands_over
} else := _recipient

# ---- records.release: to the patient, in the portal
_about["records.release"] := {
	"group": "record",
	"acts": {"clear", "get", "give", "let", "make", "open", "post", "publish", "release", "send", "share", "show", "unlock", "upload"},
	"matter": {
		"available", "discharge", "ecg", "echo", "finding", "hba1c", "online", "portal", "result", "results", "scan", "see", "visible",
		"x-ray",
	},
	"by_client": true,
	"handed": true,
	"id": "record_id",
}

_right["records.release"] := true

_values["records.release"] := {"record": _record, "comment": _text("comment"), "to": _release_to}

# "Share her result with the hospital" and "show me her result" release nothing.
_release_to := "other" if {
	count(clauses.ordered({"release", "publish", "unlock", "post", "upload"})) == 0
	found := clauses.ordered(_it.acts)
	count(found) > 0
	every clause in found {
		_for_others(clause)
	}
} else := "said"

_for_others(clause) if regex.match(`\b(?:them|me|us)\b`, clause)

_for_others(clause) if count(entities.within({clause}, _not_patients, set())) > 0

# The record of a patient whom the request names; of which one the backend signs whose it is. The id may be said, too.
_record := "said" if {
	_id in entities.ids("R", {"record", "result", "letter"})
} else := "other" if {
	count(entities.ids("R", {"record"})) > 0
} else := "other" if {
	count(_belonging(_id)) == 0
	not _clean
	_another_record_signed
} else := "said" if {
	count(_belonging(_id)) == 1
	count(_read_of_client) <= _kinds_said
} else := "said" if {
	_clean
} else := "none"

# Records of the patient whom the request names were read, and this one isn't one of them.
_another_record_signed if {
	some pair in facts.elements("belongs")
	startswith(pair, "R-")
	split(pair, ":")[1] in entities.named(data.clinic.patients, {"patient"})
}

# Of several records that the task has read, the request has to speak of as many.
_read_of_client := {pair |
	some pair in facts.elements("belongs")
	startswith(pair, "R-")
	endswith(pair, sprintf(":%s", [_client]))
}

_kinds_said := 100 if {
	regex.match(`\b(?:both|all|everything|each|every|two|three|letters|reports|records|documents|new)\b`, lower(input.task.statement))
} else := max({1, count({kind |
	some kind in {`ecg|ekg`, `echo`, `labs?|blood|bloods|value|values|hba1c|cholesterol|test`, `letter`, `x-ray|scan|mri|ct|ultrasound`, `discharge`, `report`, `consultation|note|notes`, `photos?|picture`, `list`, `plan`}
	regex.match(sprintf(`\b(?:%s)\b`, [kind]), lower(input.task.statement))
})})

# ---- medication
_rx_matter := {
	"capsule", "course", "dose", "drug", "inhaler", "medication", "medicine", "mg", "one", "pharmacy", "pill", "prescription",
	"rx", "script", "supply", "tablet", "month", "repeat",
} | {name | some name in object.keys(_spoken_drugs)}

_about["prescriptions.issue"] := {
	"group": "rx",
	"acts": {
		"add", "change", "cut", "decrease", "double", "extend", "get", "give", "go", "halve", "have", "increase", "issue", "lower", "make",
		"need", "order", "prescribe", "put", "raise", "reduce", "refill", "reissue", "renew", "repeat", "replace", "start", "step",
		"supply", "swap", "switch", "take", "try", "up", "want", "write",
	},
	"matter": _rx_matter,
	"id": "patient_id",
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["drug", "dose", "quantity"],
}

_right["prescriptions.issue"] if {
	subject.has_claim("groups", "physicians")
	data.clinic.patient[_a.patient_id]
	facts.value("issued") < 5
}

_values["prescriptions.issue"] := {
	"drug": _drug,
	"dose": _dose,
	"quantity": _quantity,
	"repeats": _repeats,
	"allergy": _allergy,
	"now": _now,
}

_about["prescriptions.cancel"] := {
	"group": "rx",
	"acts": {
		"cancel", "change", "come", "cut", "decrease", "delete", "discontinue", "double", "drop", "end", "finish", "halt", "halve",
		"increase", "lower", "pause", "put", "raise", "reduce", "remove", "replace", "scrap", "step", "stop", "swap",
		"switch", "take", "withdraw", "end",
	},
	"matter": _rx_matter | {"off"},
	"strict": true,
	"once": true,
	"handed": true,
	"all": {"medication", "medicine", "prescription", "tablet"},
	"id": "prescription_id",
}

_states["prescriptions.cancel"] := `\b(?:off|no longer|doesn(?:'|’)t (?:need|take|want|tolerate)|finished|out|done with|(?:is|are|gets?|be|get) (?:cancelled|canceled|stopped|discontinued|withdrawn)|stops?|ends?|can go|must go|may go|instead|not any more|anymore)\b`

_right["prescriptions.cancel"] if {
	_rx_known
	_fresh
}

_values["prescriptions.cancel"] := {"reason": _text("reason"), "role": _role_for_drugs, "now": _now, "kind": _rx_cancel_kind}

_rx_cancel_kind := "other" if {
	found := clauses.ordered({"cancel", "delete", "drop", "scrap", "remove"})
	count(found) > 0
	every clause in found {
		regex.match(`\b(?:appointments?|visits?|slots?|bookings?)\b`, clause)
		not regex.match(_kind_words.rx, clause)
	}
} else := "said"

_role_for_drugs := "said" if {
	subject.has_claim("groups", "physicians")
} else := "none"

_all["prescriptions.cancel"] if _rx_client in entities.named(data.clinic.patients, {"patient"})

_about["prescriptions.send"] := {
	"group": "rx",
	"acts": {
		"bring", "collect", "direct", "dispatch", "fax", "forward", "get", "give", "go", "let", "pass", "pick", "put", "send", "submit", "transmit",
	},
	"matter": _rx_matter | {"bell street", "harbour"},
	"all": {"medication", "medicine", "prescription", "tablet"},
	"id": "prescription_id",
	"once": true,
	"strict": true,
}

_states["prescriptions.send"] := `\b(?:pharmacy|pharmacist|chemist|harbour|bell street)\b`

_right["prescriptions.send"] if {
	data.clinic.pharmacies[_a.pharmacy_id]
	_rx_known
	not facts.has("done", sprintf("prescriptions.cancel:%s", [_id]))
}

_values["prescriptions.send"] := {"pharmacy": _pharmacy, "now": _now}

# "Ramipril for Harriet, 28, Harbour": that a named pharmacy gets a named prescription needs no verb.
_implied["prescriptions.send"] if {
	_orderable
	_pharmacy == "said"
	_answers.now == "said"
	_condition == "said"
	count(_deeds_upon_drugs) > 0
}

_deeds_upon_drugs := calls.ordered(
	_about["prescriptions.issue"].acts | _about["prescriptions.send"].acts,
	_rx_matter | {"bell street", "harbour"},
)

_all["prescriptions.send"] if _rx_client in entities.named(data.clinic.patients, {"patient"})

_rx := data.clinic.rx[_a.prescription_id]

_rx_known if _rx

_rx_known if facts.has("made", _a.prescription_id)

_rx_client := _rx.client if {
	_rx
} else := [client | some client in facts.elements("for")][0] if {
	_rx_made
	facts.size("for") == 1
}

# By drug and by patient: "Stop Harriet's ramipril".
_rx_aimed := "named" if {
	_id in entities.ids("RX", {"prescription"})
} else := "named" if {
	_rx_made
	not _named_other_drugs_only
} else := "other" if {
	_rx_by_client == "other"
} else := "other" if {
	_rx_by_drug == "other"
} else := "named" if {
	_rx_by_drug == "named"
	_rx_by_client in {"named", "none"}
} else := "named" if {
	_rx_by_drug == "none"
	_rx_by_client == "named"
	count(_rxs_of_client) == 1
} else := "named" if {
	_rx_by_drug == "none"
	_rx_by_client == "named"
	regex.match(`\b(?:both|all|everything)\b`, lower(input.task.statement))
} else := "unclear" if {
	_rx_by_client in {"named", "unclear", "none"}
}

default _named_other_drugs_only := false

_rx_made if {
	not _rx
	facts.has("made", _id)
}

_rxs_of_client := {id | some id, rx in data.clinic.rx; rx.client == _rx.client}

_rx_by_drug := calls.aimed(_rx.drug, _spoken_drugs, set(), _it.acts, _it.matter)

_rx_by_client := "named" if {
	_the_only_patient == {_rx.client}
} else := calls.aimed(_rx.client, data.clinic.patients, {"patient"}, _it.acts, _it.matter)

# "Amoxicillin 500 mg three times a day, 21, for Owen": a physician who says all of it and orders nothing else.
_implied["prescriptions.issue"] if {
	_orderable
	_drug_meaning == "named"
	every value in _answers {
		value == "said"
	}
	_condition == "said"
	count(doses.strengths(_rx_part) | doses.rhythms(_rx_part)) + count({"same" | regex.match(_same, lower(input.task.statement))}) > 0
	some sentence in _sentences
	_of_drug(sentence)
	not regex.match(`(?i)\b(?:don't|not|never|no longer|stop|cancel)\b`, sentence)
	not regex.match(`\?`, input.task.statement)
}

_implied["prescriptions.send"] if {
	_orderable
	_pharmacy == "said"
	_answers.now == "said"
	_condition == "said"
	_made_here
}

# ---- calendar
_visit_matter := {
	"appointment", "booking", "calendar", "check-up", "checkup", "consultation", "diary", "half hour", "review",
	"session", "slot", "visit",
}

_free := `^(?:only )?(?:if|provided|as long as|so long as|assuming) (?:that|that time|it|this|he|she|i|the slot|there|there's|[a-z]+|dr [a-z]+)(?:'s| is| has)? (?:still )?(?:a |an |one |any )?(?:free|possible|available|works|slot|something|anything|nothing|room|space|gap)`

# "My patients all come an hour later", and not "tell her to come on Friday".
_coming_acts := {"come" | regex.match(`\b(?:patients|all|everyone|everybody|appointments|clinic) (?:\pL+ ){0,2}comes?\b`, lower(input.task.statement))}

_about["appointments.book"] := {
	"group": "visit",
	"acts": {
		"add", "arrange", "book", "find", "fit", "get", "give", "have", "make", "need", "organise", "organize", "plan", "put", "reserve",
		"schedule", "see", "set", "slot", "squeeze", "want",
	},
	"matter": _visit_matter | {"check", "test", "time", "jab", "vaccination"},
	"undoable": true,
	"handed": true,
	"held": _free,
	"id": "patient_id",
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["start"],
}

_right["appointments.book"] if {
	_in_hours
	data.clinic.patient[_a.patient_id]
	data.clinic.clinicians[_a.clinician]
}

_values["appointments.book"] := {"clinician": _clinician, "day": _day, "time": _time, "length": _length, "reason": _text("reason"), "kind": _book_kind}

# "Move Harriet to Friday" books no second visit, unless the person says so.
_book_kind := "none" if {
	not _clean
	_ordered_upon({"move", "reschedule", "postpone", "shift", "push", "rebook"})
	count(clauses.ordered({"book", "schedule", "squeeze", "fit", "reserve", "put", "give", "get", "find", "add", "arrange"})) == 0
} else := "said"

_about["appointments.move"] := {
	"group": "visit",
	"acts": {
		"bring", "change", "delay", "get", "go", "make", "move", "postpone", "push", "put", "rebook", "reschedule",
		"shift", "swap", "switch", "take",
	} | _coming_acts,
	"matter": _visit_matter,
	"undoable": true,
	"handed": true,
	"held": _free,
	"all": {"appointment", "client", "everyone", "patient", "visit"},
	"id": "appointment_id",
	"directory": data.clinic.appointments,
	"kinds": {"appointment", "visit"},
	"tells": ["start"],
}

_right["appointments.move"] if {
	_visit
	_in_hours
	not facts.has("done", sprintf("appointments.cancel:%s", [_id]))
}

_right["appointments.move"] if {
	_made_here
	_in_hours
}

_in_hours if {
	time := substring(_a.start, 11, 5)
	time >= data.clinic.hours.opens
	time < data.clinic.hours.closes
}

_values["appointments.move"] := {"day": _new_day, "time": _new_time, "kept": _kept}

_all["appointments.move"] if _visit_of_all

_about["appointments.cancel"] := {
	"group": "visit",
	"acts": {"call", "cancel", "clear", "delete", "drop", "free", "remove", "scrap", "strike", "take"},
	"matter": _visit_matter | {"off", "out"},
	"strict": true,
	"handed": true,
	"once": true,
	"all": {"appointment", "client", "everyone", "patient", "visit"},
	"id": "appointment_id",
	"directory": data.clinic.appointments,
	"kinds": {"appointment", "visit"},
}

_states["appointments.cancel"] := `\b(?:can(?:'|’)?t (?:come|make)|cannot (?:come|make)|(?:not|isn't|isn’t) coming|won(?:'|’)t (?:come|be)|(?:take|taken|get|strike) .{1,40} (?:out|off)\b|free up|freed up|out of the (?:calendar|book|diary)|called off|calls? off|drops? out|doesn(?:'|’)t (?:want|need)|no longer|needn(?:'|’)t come|not needed|falls? through|(?:appointment|visit|slot|one|check|review|it)s? (?:is|are) off)`

# "Move George to tomorrow at ten" beside a question: a narrow verb, upon this patient, with each value said.
_implied["appointments.move"] if {
	_orderable
	_all_said
	_ordered_upon({"move", "reschedule", "postpone", "shift", "push", "rebook", "bring", "delay"})
}

_implied["appointments.book"] if {
	_orderable
	_all_said
	_ordered_upon({"book", "schedule", "squeeze", "fit", "reserve"})
}

_implied["appointments.cancel"] if {
	_orderable
	_all_said
	_ordered_upon({"cancel"})
}

_all_said if {
	_condition == "said"
	every value in _answers {
		value in {"absent", "said"}
	}
}

_ordered_upon(acts) if {
	some clause in clauses.ordered(acts)
	not regex.match(`\b(?:prescriptions?|tablets?|script|medication|referral|order|message|record|result|letter)s?\b`, clause)
	_upon(clause)
}

_upon(clause) if {
	_client in entities.within({clause}, data.clinic.patients, {"patient"})
}

_upon(clause) if {
	count(entities.within({clause}, data.clinic.patients, {"patient"})) == 0
	_the_only_patient == {_client}
}

_right["appointments.cancel"] if {
	_visit
	_fresh
}

_right["appointments.cancel"] if {
	_made_here
	_fresh
}

_values["appointments.cancel"] := {"reason": _text("reason"), "kind": _cancel_kind, "kept": _kept}

# "Cancel the ramipril, keep the appointment."
_cancel_kind := "other" if {
	found := clauses.ordered(_it.acts)
	count(found) > 0
	every clause in found {
		regex.match(_kind_words.rx, clause)
		not regex.match(`\b(?:appointments?|visits?|slots?|bookings?)\b`, clause)
	}
} else := "said"

_kept := "other" if {
	bans.left_alone({"appointment", "visit", "slot"})
	not _several
} else := "other" if {
	not _several
	regex.match(`\bkeeps? (?:his|her|their|the) (?:appointments?|visit|slot)|\b(?:appointment|visit|slot) (?:stays|remains|is kept)\b`, lower(input.task.statement))
} else := "said"

_all["appointments.cancel"] if _visit_of_all

_visit_of_all if {
	text := concat(". ", _of_all)
	_on_that_day(text)
	_of_clinician(text)
}

_on_that_day(text) if {
	dates.within_said(_visit.start, _zone) with input.task.statement as text
}

_on_that_day(text) if {
	dates.none_said with input.task.statement as text
	dates.within_said(_visit.start, _zone)
}

# "Gabriel is off on Wednesday. Move his patients to Friday."
_on_that_day(_) if {
	_a.start
	substring(_a.start, 0, 10) != substring(_visit.start, 0, 10)
	dates.within_said(_visit.start, _zone)
}

_of_clinician(text) if {
	regex.match(`\b(?:my|mine)\b`, text)
	_visit.staff == input.subject.claims.username
}

_of_clinician(text) if {
	not regex.match(`\b(?:my|mine)\b`, text)
	count(entities.named(data.clinic.staff, set())) > 0
	_visit.staff in entities.named(data.clinic.staff, set())
	count(_named_by(text)) == 0
}

_of_clinician(text) if {
	_visit.staff in _named_by(text)
}

_of_clinician(text) if {
	not regex.match(`\b(?:my|mine|his|her|their)\b`, text)
	count(entities.named(data.clinic.staff, set())) == 0
}

_named_by(text) := found if {
	found := entities.named(data.clinic.staff, set()) with input.task.statement as text
}

# ---- rota.swap
_about["rota.swap"] := {
	"group": "rota",
	"acts": {
		"change", "cover", "do", "exchange", "fill", "give", "have", "let", "put", "replace", "stand", "step", "swap", "switch", "take",
		"work",
	},
	"matter": {"cover", "day", "duty", "friday", "in", "monday", "over", "place", "rota", "shift", "thursday", "today", "tomorrow", "tuesday", "wednesday", "saturday"},
	"undoable": true,
	"handed": true,
	"strict": true,
	"id": "from_staff",
}

_states["rota.swap"] := `\b(?:takes?|covers?|does|do|works?|swaps?|fills? in|steps? in|stands? in|in for|puts?|instead of|for (?:me|him|her)|replaces?)\b`

_right["rota.swap"] if {
	data.clinic.staff[_a.from_staff]
	data.clinic.staff[_a.to_staff]
	_a.from_staff != _a.to_staff
	_may_swap
}

_may_swap if subject.has_claim("groups", "managers")

_may_swap if input.subject.claims.username in {_a.from_staff, _a.to_staff}

_values["rota.swap"] := {"day": _rota_day, "direction": _direction, "colleague": _rota_person(_a.to_staff)}

_rota_aimed := {"said": "named", "none": "none", "other": "other"}[_rota_person(_a.from_staff)]

_rota_person(who) := "said" if {
	who in entities.named(data.clinic.staff, set())
} else := "said" if {
	who == input.subject.claims.username
	regex.match(`\b(?:i|i'm|i’m|i'll|i’ll|me|my|mine|myself)\b`, lower(input.task.statement))
} else := "other" if {
	count(entities.named(data.clinic.staff, set())) > 1
} else := "none"

_rota_day := dates.meaning("date", _zone)

# Who works on that day by our records is replaced, not the other one.
_direction := "said" if {
	_a.from_staff in data.clinic.rota[_a.date]
	not _a.to_staff in data.clinic.rota[_a.date]
} else := "said" if {
	not data.clinic.rota[_a.date]
} else := "none"

# ---- messages: the receiver is the thing. That the request names the receiver confirms no word of the text.
_tell := {
	"answer", "apologise", "ask", "brief", "confirm", "drop", "email", "explain", "invite", "offer", "propose", "suggest", "wish", "forward", "get", "give", "inform", "let", "mail", "message", "notify", "pass",
	"ping", "remind", "reply", "respond", "say", "send", "sms", "tell", "text", "thank", "update", "warn", "write",
}

_telling := clauses.telling | {"apologise", "ask", "invite", "offer", "brief", "confirm", "email", "mail", "message", "notify", "ping", "remind", "sms", "text", "thank", "update", "warn"}

_about["staff.message"] := {
	"group": "staff",
	"acts": _tell,
	"matter": {"know", "line", "message", "note", "word"},
	"kind": "message",
	"handed": true,
	"directory": data.clinic.staff,
	"held": "^(?:for|to) (?:those|anyone|everyone) (?:who|whose)",
}

_right["staff.message"] if {
	every to in _to {
		data.clinic.staff[to]
	}
}

_values["staff.message"] := {"text": _text("text")}

_about["mail.send"] := {
	"group": "mail",
	"acts": _tell,
	"matter": {"email", "e-mail", "know", "letter", "line", "mail", "message", "reply", "word"},
	"kind": "message",
	"handed": true,
	"held": "^(?:for|to) (?:those|anyone|everyone) (?:who|whose)",
	"directory": _spoken_contacts,
}

# An address that neither our records nor the request has gets no mail, and mail carries no record.
_right["mail.send"] if {
	every to in _to {
		_known(to)
	}
	not _record_attached
	count(_to) + facts.value("sent") <= 10
}

_record_attached if {
	some id in _a.attachments
	startswith(id, "R-")
}

_values["mail.send"] := {"subject": _subject_line, "body": _text("body"), "attachments": _attached, "address": _open_secret}

# A few words of no weight may stand in a subject.
_subject_line := "said" if {
	_short("subject")
} else := _text("subject")

_short(name) if {
	count(_a[name]) <= 80
	new := texts.unsaid_text(lower(_a[name]), _own | _reasons)
	object.keys(new) - {"words"} == set()
	count(object.get(new, "words", set())) <= 3
	not _speaks_of_others(name)
}

_attached := "said" if {
	arguments.absent("attachments")
} else := "said" if {
	every id in _a.attachments {
		id in entities.ids("D", {"document"})
	}
} else := "other" if {
	count(entities.ids("D", {"document"})) > 0
} else := "none" if {
	wording.asks_for({"attach", "attached", "attachment", "enclose", "forward", "send", "mail", "email", "document", "protocol", "list", "minutes", "circular", "plan", "it"})
} else := "other"

# Open mail has no address or number of a patient.
_open_secret := "other" if {
	text := lower(concat(" ", [_a.subject, _a.body]))
	some id, patient in data.clinic.patient
	some name in {"phone", "address"}
	contains(text, lower(patient[name]))
	not intent.mentions(patient[name])
} else := "said"

_about["sms.send"] := {
	"group": "sms",
	"acts": _tell,
	"matter": {"know", "line", "message", "note", "sms", "text", "word"},
	"kind": "message",
	"handed": true,
	"held": "^(?:for|to) (?:those|anyone|everyone) (?:who|whose)",
	"directory": data.clinic.patients,
}

_right["sms.send"] if {
	data.clinic.patient[_a.patient_id]
	facts.value("sent") < 10
}

_values["sms.send"] := {"text": _text("text")}

_about["portal.reply"] := {
	"group": "portal",
	"acts": _tell,
	"matter": {"answer", "know", "line", "message", "portal", "reply", "word"},
	"kind": "message",
	"handed": true,
	"directory": data.clinic.patients,
}

_right["portal.reply"] := true

_values["portal.reply"] := {"text": _text("text")}

# ---- referrals.create
_about["referrals.create"] := {
	"group": "referral",
	"acts": {"arrange", "ask", "book", "create", "get", "make", "need", "organise", "organize", "put", "refer", "register", "send", "see", "sign", "write"},
	"matter": {
		"appointment", "cardiology", "cardiologist", "dermatology", "dermatologist", "fenland", "hospital", "in", "letter", "maternity", "midwife", "northgate",
		"physio", "physiotherapy", "physiotherapist", "radiology", "referral", "riverside", "scan", "specialist", "x-ray",
	},
	"id": "patient_id",
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["urgency"],
}

_right["referrals.create"] if {
	data.clinic.patient[_a.patient_id]
	data.clinic.provider[_a.provider_id].kind != "pharmacy"
	not _foreign_record
}

_foreign_record if {
	some id in _a.records
	some client in _belonging(id)
	client != _a.patient_id
}

_values["referrals.create"] := {
	"provider": _provider,
	"urgency": _urgency,
	"letter": _text("letter"),
	"records": _records_with_it,
	"role": _role_for_referrals,
	"kind": _referral_kind,
}

# "Send her ECG to cardiology" refers nobody.
_referral_kind := "other" if {
	not regex.match(`\b(?:refer\w*|regist\w+|specialist|see (?:her|him|them)|appointment)\b`, lower(input.task.statement))
	found := clauses.ordered(_it.acts)
	count(found) > 0
	every clause in found {
		regex.match(`\b(?:ecg|ekg|echo|results?|letters?|records?|reports?|copy|copies|scan|x-ray|mail|email|message|note|list)\b`, clause)
	}
} else := "said"

_role_for_referrals := "said" if {
	subject.has_claim("groups", "clinicians")
} else := "none"

_urgency := "said" if {
	_a.urgency == "routine"
	meaning := _urgency_meaning
	meaning == "none"
	not regex.match(`\b(?:urgent|urgently|urgency|asap|quickly|fast)\b`, lower(input.task.statement))
} else := _urgency_meaning

_urgency_meaning := choices.meaning({
	"name": "urgency",
	"options": {
		"routine": {"routine", "normal", "no hurry", "no rush", "ordinary"},
		"urgent": {"urgent", "urgently", "asap", "as soon as possible", "fast track", "quickly", "at once"},
	},
	"within": _part,
})

_records_with_it := "said" if {
	arguments.absent("records")
} else := "said" if {
	_clean
} else := "said" if {
	every id in _a.records {
		_a.patient_id in _belonging(id)
	}
	_speaks_of_records
} else := "said" if {
	every id in _a.records {
		id in entities.ids("R", {"record"})
	}
} else := "none"

_speaks_of_records if {
	wording.asks_for({
		"copy", "ecg", "echo", "enclose", "attach", "include", "record", "records", "report", "reports", "result", "results",
		"scan", "value", "values", "bloods", "lab", "x-ray", "mri", "discharge",
	})
}

# ---------------------------------------------------------------- 4. What the request says of each value
_as_value := {"named": "said", "unclear": "none", "none": "none", "other": "other"}

# Of several patients each has its own part of the request.
_part := text if {
	_several
	text := trim(scopes.of(_client, data.clinic.patients), " ,;")
	text != ""
	not _silent(text)
} else := input.task.statement if {
	_fallen_back
} else := scopes.of(_client, data.clinic.patients) if {
	_several
} else := _strictly_ordering if {
	_strictly_ordering != ""
	_it.group == "visit"
	_times_there
	not dates.none_said with input.task.statement as _strictly_ordering
} else := input.task.statement

_several if count(entities.named(data.clinic.patients, {"patient"})) > 1

# A part that says neither day nor time of a visit: "Harriet and George an hour later".
_silent(text) if {
	_it.group == "visit"
	dates.none_said with input.task.statement as text
	times.none_said with input.task.statement as text
}

_fallen_back if {
	_several
	not regex.match(`\b(?:mg|tablets?|prescription|letter|result|results|referral|number|address|note|furosemide|ramipril|atorvastatin|metformin|sertraline|salbutamol|inhaler|ecg)\b`, lower(scopes.of(_client, data.clinic.patients)))
	_silent(scopes.of(_client, data.clinic.patients))
}

_times_there if times.none_said

_times_there if not times.none_said with input.task.statement as _strictly_ordering

_visit := data.clinic.appointment[_a.appointment_id]

_client := _a.patient_id if {
	_a.patient_id
} else := _visit.client if {
	_visit
} else := _rx_client if {
	_a.prescription_id
} else := client if {
	some name in {"record_id", "message_id"}
	found := _belonging(_a[name])
	count(found) == 1
	some client in found
} else := client if {
	_a.record_id
	_clean
	facts.size("listed") == 1
	some client in facts.elements("listed")
} else := client if {
	_made_here
	facts.size("for") == 1
	some client in facts.elements("for")
}

_belonging(id) := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
	parts[0] == id
}

# ---- dates and times
_day := "none" if {
	_fallen_back
	_day_meaning == "other"
} else := _day_meaning

_day_meaning := "said" if {
	dates.none_said with input.task.statement as _part
	count(dates.said(_zone)) == 1
	dates.requested("start", _zone)
} else := meaning if {
	meaning := dates.meaning("start", _zone) with input.task.statement as _part
}

_time := "said" if {
	_time_meaning == "none"
	_day == "said"
	_any_slot
} else := "none" if {
	_fallen_back
	_time_meaning == "other"
} else := _time_meaning

_time_meaning := meaning if {
	meaning := times.meaning("start", _zone) with input.task.statement as _part
}

_any_slot if regex.match(
	`\b(?:free|first|earliest|next|any|some ?time|whenever|possible|slot|gap|whatever|somewhere|fit|squeeze|soonest|available)\b`,
	lower(input.task.statement),
)

_shifted if {
	times.shifted("start", _visit.start) with input.task.statement as _part
}

_new_day := "said" if {
	_shifted
} else := "said" if {
	days := dates.moved_to(_visit.start, _zone) with input.task.statement as _part
	substring(_a.start, 0, 10) in days
} else := "said" if {
	dates.within_said(_a.start, _zone) with input.task.statement as _part
} else := "none" if {
	dates.none_said
} else := "none" if {
	_fallen_back
} else := "other"

_new_time := "said" if {
	_shifted
} else := "other" if {
	regex.match(`\bsame (?:times?|hour)\b`, lower(input.task.statement))
	substring(_a.start, 11, 5) != substring(_visit.start, 11, 5)
} else := "said" if {
	found := times.moved_to(_visit.start) with input.task.statement as _part
	substring(_a.start, 11, 5) in found
} else := "said" if {
	times.within_said(_a.start) with input.task.statement as _part
} else := "said" if {
	times.none_said
	_new_day == "said"
	_any_slot
} else := "none" if {
	times.none_said
} else := "none" if {
	_fallen_back
} else := "other"

_length := "said" if {
	arguments.absent("minutes")
	count(times.lengths) == 0
} else := "said" if {
	object.get(_a, "minutes", 30) in times.lengths
} else := "said" if {
	_a.minutes == 30
	count(times.lengths) == 0
} else := "said" if {
	_a.minutes == 60
	regex.match(`\b(?:double|long|longer|hour|hour-long)\b`, lower(input.task.statement))
} else := "none"

# With whom: the named colleague; or the person herself, or the patient's own clinician, where the request names none.
_clinician := "said" if {
	_a.clinician == input.subject.claims.username
	regex.match(`\b(?:with me|see me|mine|my (?:list|clinic|calendar|diary|day)|for me|to me|i'll see|i can see)\b`, lower(input.task.statement))
} else := "said" if {
	_clinician_named == "none"
	_a.clinician == input.subject.claims.username
} else := "said" if {
	_clinician_named == "none"
	_a.clinician == data.clinic.clinician_of[_client]
	not regex.match(`\b(?:nurse|nurses|doctor|doctors)\b`, lower(input.task.statement))
} else := "said" if {
	_a.clinician in relations.meant({"doctor", "gp", "physician", "clinician", "nurse"}, data.clinic.patients, data.clinic.clinician_of)
} else := "said" if {
	_clinician_named == "none"
	regex.match(sprintf(`\b%ss?\b`, [{"physician": "doctor", "nurse": "nurse"}[data.clinic.clinicians[_a.clinician]]]), lower(input.task.statement))
} else := _clinician_named

_clinician_named := meaning if {
	count(entities.named(data.clinic.staff, set())) > 1
	beside := entities.meaning(_a.clinician, data.clinic.staff, set()) with input.task.statement as _part
	beside != "none"
	meaning := _as_value[beside]
} else := meaning if {
	count(entities.named(data.clinic.staff, set())) > 1
	beside := entities.meaning(_a.clinician, data.clinic.staff, set()) with input.task.statement as _ordering
	meaning := _as_value[beside]
} else := "none" if {
	entities.meaning(_a.clinician, data.clinic.staff, set()) == "other"
	not entities.named(data.clinic.staff, set()) & object.keys(data.clinic.clinicians) != set()
} else := _as_value[entities.meaning(_a.clinician, data.clinic.staff, set())]

# ---- medication
# The drug of our list that stands in the argument; of one that isn't there, its own words.
_listed_drugs := {key |
	some key in _drugs_in(lower(_a.drug))
}

_drug_id := key if {
	count(_listed_drugs) == 1
	some key in _listed_drugs
} else := lower(_plain_drug)

_plain_drug := trim_space(regex.replace(_a.drug, `\s*[0-9].*$`, ""))

_drugs := object.union(_spoken_drugs, {_drug_id: _drug_names})

_drug_names := _spoken_drugs[_drug_id] if {
	_spoken_drugs[_drug_id]
} else := [_plain_drug]

_record_rx := rx if {
	some rx in data.clinic.rx
	rx.client == _a.patient_id
	rx.drug == _drug_id
}

_record_rxs := {rx.drug | some rx in data.clinic.rx; rx.client == _a.patient_id}

# Of "from sertraline to citalopram" the new one is issued.
_rx_part := regex.replace(
	regex.replace(_rx_text, `(?i)\bfrom [a-z]+(?:-[a-z]+)? (?:over )?(?:to|on to|onto) `, "to "),
	`(?i)\b(?:replace|swap|exchange)(?: (?:his|her|the|their|[a-z]+'s))? [a-z]+(?:-[a-z]+)? (?:with|by|for) `,
	"issue ",
)

_rx_text := text if {
	count(entities.named(data.clinic.patients, {"patient"})) > 1
	text := trim(scopes.of(_a.patient_id, data.clinic.patients), " ,;")
	text != ""
} else := input.task.statement

_drug_meaning := meaning if {
	meaning := entities.meaning(_drug_id, _drugs, set()) with input.task.statement as _rx_part
}

_drug := "other" if {
	count(_listed_drugs) > 1
} else := "other" if {
	count(doses.strengths(_a.drug) - (doses.strengths(input.task.statement) | doses.strengths(object.get(_record_rx_or_none, "dose", "")))) > 0
} else := "said" if {
	_drug_meaning == "named"
	count(texts.unsaid_text(_plain_drug, _drug_words)) == 0
} else := "said" if {
	_drug_meaning == "none"
	_record_rx
	count(_record_rxs) == 1
} else := "said" if {
	_drug_meaning == "none"
	_record_rx
	regex.match(`\b(?:both|all|everything)\b`, lower(_rx_part))
} else := _as_value[_drug_meaning]

_drug_words := {name | some name in _drug_names} | {"inhaler tablets tablet capsules capsule spray cream ointment solution syrup drops gel"}

_record_rx_or_none := _record_rx if {
	_record_rx
} else := {}

_dose_of := {
	"id": _drug_id,
	"directory": _drugs,
}

_same := `\b(?:same|as before|again|unchanged|as it is|as usual|the usual|renew|repeat|reissue|refill)\b`

_dose := "other" if {
	_record_rx
	_a.dose != _record_rx.dose
	count(doses.strengths(_rx_part)) == 0
	regex.match(_same, lower(_rx_part))
	not regex.match(`\b(?:double|halve|half|increase|reduce|raise|lower|up|down|stronger|weaker)\b`, lower(_rx_part))
	doses.strengths(_a.dose) != doses.strengths(_record_rx.dose)
} else := "none" if {
	not texts.plain_text(_a.dose, {
		object.get(_record_rx_or_none, "dose", ""),
		"mg g mcg ml microgram microgrammes milligram tablet tablets capsule capsules puff puffs drop drops a an one once daily day per times twice every hours hour morning evening night noon bedtime when needed as required with food after before meals meal for days day week weeks weekly in the at by mouth and x",
		input.task.statement,
	}, 0)
	count(doses.strengths(_a.dose) | doses.rhythms(_a.dose)) == 0
} else := meaning if {
	meaning := doses.meaning(object.union(_dose_of, {"name": "dose", "record": object.get(_record_rx_or_none, "dose", "")})) with input.task.statement as _rx_part
}

_quantity := "said" if {
	_a.quantity in _counted
} else := "other" if {
	count(_counted) > 0
	_quantity_meaning == "none"
} else := "said" if {
	_a.quantity == _record_rx.quantity
	_quantity_meaning == "none"
} else := "said" if {
	_a.quantity == _record_rx.quantity
	regex.match(_same, lower(input.task.statement))
	every n in _counts_of_part {
		n < 6
	}
} else := "none" if {
	_quantity_meaning == "other"
	_a.quantity > 5
	_a.quantity in _counts_of_part
	count(_spoken_drugs) == 1
} else := _quantity_meaning

_counts_of_part := counts if {
	counts := quantities.counts with input.task.statement as _rx_part
}

_quantity_meaning := meaning if {
	meaning := doses.quantity_meaning(object.union(_dose_of, {"name": "quantity", "record": object.get(_record_rx_or_none, "quantity", 0)})) with input.task.statement as _rx_part
}

# "Three times a day for a week" are 21.
_counted := {n |
	text := lower(_rx_digits)
	some rate in doses.rates(_a.dose)
	per := to_number(split(rate, " ")[0])
	endswith(rate, "per day")
	some found in regex.find_all_string_submatch_n(`\b([0-9]+) ?-?(days?|weeks?|months?)\b`, text, 5)
	length := to_number(found[1]) * {"d": 1, "w": 7, "m": 28}[substring(found[2], 0, 1)]
	pieces := {to_number(split(piece, " ")[0]) | some piece in doses.pieces(_a.dose)} | {1 | count(doses.pieces(_a.dose)) == 0}
	some piece in pieces
	n := (per * length) * piece
}

_rx_digits := regex.replace(quantities.digits, `\b(?:a|one) (day|week|month)\b`, "1 $1")

_repeats := "said" if {
	object.get(_a, "repeats", 0) == 0
	_repeats_meaning == "other"
	regex.match(`\brepeats? (?:request|prescription|order)s?\b`, lower(input.task.statement))
} else := "said" if {
	object.get(_a, "repeats", 0) == _record_rx.repeats
	_repeats_meaning != "other"
	regex.match(`\b(?:same|as before|again|renew|repeat|reissue|usual)\b`, lower(input.task.statement))
} else := "none" if {
	_repeats_meaning == "other"
	_a.repeats in quantities.counts
} else := _repeats_meaning

_repeats_meaning := meaning if {
	meaning := doses.repeats_meaning("repeats") with input.task.statement as _rx_part
}

_allergy := "none" if {
	"penicillin" in data.clinic.patient[_a.patient_id].allergies
	_drug_id in data.clinic.penicillins
} else := "none" if {
	"ibuprofen" in data.clinic.patient[_a.patient_id].allergies
	_drug_id in data.clinic.nsaids
} else := "said"

# "Send it on Friday" isn't done today.
_now := "none" if {
	regex.match(`\b(?:tomorrow|on (?:mon|tues|wednes|thurs|fri|satur|sun)day|next week)\b`, lower(_strictly_ordering))
	not regex.match(`\b(?:from|since|starting|of|until|till|by)\b`, lower(_strictly_ordering))
} else := "said"

_pharmacy := _choice_of(_a.pharmacy_id, data.clinic.pharmacies)

_provider := _choice_of(_a.provider_id, data.clinic.providers)

# Of several that the request names, the one in the part about this patient or in the clause that orders the act.
_choice_of(id, directory) := "said" if {
	entities.named(directory, set()) == {id}
} else := meaning if {
	count(entities.named(data.clinic.patients, {"patient"})) > 1
	_client
	found := entities.meaning(id, directory, set()) with input.task.statement as _part
	found != "none"
	meaning := _as_value[found]
} else := meaning if {
	_rx
	count(entities.named(_spoken_drugs, set())) > 1
	text := trim(scopes.of(_rx.drug, _spoken_drugs), " ,;")
	found := entities.meaning(id, directory, set()) with input.task.statement as text
	found != "none"
	meaning := _as_value[found]
} else := meaning if {
	_ordering != ""
	found := entities.meaning(id, directory, set()) with input.task.statement as _ordering
	found != "none"
	meaning := _as_value[found]
} else := _as_value[entities.meaning(id, directory, set())]

# Only the drugs and contacts of which the request or the call has a word: the others can't be named.
_spoken_drugs := {key: data.clinic.drugs[key] |
	some key in (_drugs_in(lower(input.task.statement)) | _drugs_in(lower(object.get(_a, "drug", "")))) | {_rx.drug | _rx}
}

_drugs_in(text) := {key |
	some word in regex.find_n(`\pL+(?:-\pL+)?`, text, -1)
	some key in data.clinic.drug_words[word]
}

_spoken_contacts := {to: data.clinic.contacts[to] |
	some to in {to |
		some word in regex.find_n(`\pL+`, lower(input.task.statement), -1)
		some to in data.clinic.contact_words[word]
	} | {to |
		some name in {"to", "cc", "recipient"}
		some to in arguments.texts(name)
		data.clinic.contacts[to]
	}
}

# ---- contact data
_field(name) := "other" if {
	_field_of(name) == "none"
	_role_for_contacts == "none"
} else := _field_of(name)

_field_of(name) := "absent" if {
	arguments.absent(name)
	not _a[name] == ""
} else := "said" if {
	regex.match(_kinds_of_contact[name], _a[name])
	texts.plain_text(_a[name], {data.clinic.patient[_id][name]}, 0) with input.task.statement as _part
} else := "said" if {
	name == "phone"
	digits := regex.replace(_a.phone, `[^0-9]`, "")
	count(digits) >= 7
	some found in regex.find_n(`\+?[0-9][0-9 ()/.-]{5,}[0-9]`, _part, 5)
	said := trim_left(regex.replace(found, `[^0-9]`, ""), "0")
	said in {digits, trim_left(digits, "0"), trim_prefix(digits, "44")}
} else := "none" if {
	regex.match(_kinds_of_contact[name], _a[name])
	_vouched
} else := "none" if {
	regex.match(_kinds_of_contact[name], _a[name])
	_pointed
	_act == "said"
	not regex.match(`[0-9]{5}|@|\b[0-9]+ \pL+ (?:road|street|lane|close|way|view)\b`, lower(_part))
} else := "none" if {
	regex.match(_kinds_of_contact[name], _a[name])
	_hands_over
	not _foreign
	count(_owners) == 0
} else := "other"

_kinds_of_contact := {"phone": `^\+?[0-9][0-9 ()/-]{5,}$`, "email": `^[^@\s]+@[^@\s]+\.[^@\s]+$`, "address": `\pL{3}`}

# ---- receivers
_to := outbound.recipients({"to", "cc"}) if {
	_tool in {"mail.send", "staff.message"}
} else := {_a.patient_id} if {
	_tool == "sms.send"
} else := {_client} if {
	_tool == "portal.reply"
	_client
} else := set()

_receivers := "unclear" if {
	count(_to) == 0
	_tool == "portal.reply"
	_portal_may
} else := "other" if {
	count(_to) == 0
} else := "named" if {
	every to in _to {
		_is_told(to)
	}
} else := "unclear" if {
	_unnamed
	_tool == "staff.message"
} else := "unclear" if {
	every to in _to {
		_may_be_told(to)
	}
} else := "other"

# A message of which nobody has signed whose it is.
_portal_may if {
	not _other_message_signed
	_speaks_of_portal
}

_speaks_of_portal if regex.match(`(?i)\b(?:portal|repl(?:y|ies)|answers?|respond|write back|m-[0-9])`, input.task.statement)

_speaks_of_portal if count(entities.told_by(_telling, data.clinic.patients)) > 0

_speaks_of_portal if count(_pronouns_told) > 0

_other_message_signed if {
	some pair in facts.elements("belongs")
	startswith(pair, "M-")
	split(pair, ":")[1] in entities.named(data.clinic.patients, {"patient"})
}

_may_be_told(to) if {
	entities.meaning(to, _it.directory, set()) in {"named", "unclear"}
	not _others_told
}

# "Sum up the Health Board's circular and tell the team" names the Health Board and tells it nothing.
_others_told if {
	count(_told_by_name) > 0
	count(_pronouns_told) == 0
	not regex.match(`\b(?:cc|copy|also|too|as well|both|answer|reply|respond)\b`, lower(input.task.statement))
}

_told_by_name := ((entities.told_by(_telling, data.clinic.staff) | entities.told_by(_telling, _spoken_contacts)) | entities.told_by(_telling, data.clinic.patients)) | groups.told(data.clinic.groups, data.clinic.staff)

_may_be_told(to) if {
	_hands_over
	_reader(to) in _owners
}

# "Text each of them on the recall list": our own patients, where the request names none.
_may_be_told(to) if {
	_tool == "sms.send"
	count(entities.named(data.clinic.patients, {"patient"})) == 0
	_unnamed_patients
	data.clinic.patient[to]
}

_unnamed_patients if count(_pronouns_told) > 0

_unnamed_patients if _hands_over

_unnamed_patients if {
	count(groups.described) > 0
	regex.match(`\b(?:list|recall|waiting|document|sheet)\b`, lower(input.task.statement))
}

_may_be_told(to) if _linked(to)

# "Her mother drives her": our records say who else may hear of a patient.
_linked(to) if {
	some client in _of_whom
	to in data.clinic.readers[client]
}

_unnamed if groups.unnamed_told

_unnamed if count(groups.described) > 0

_unnamed if _hands_over

_is_told(to) if to in entities.told_by(_telling, _it.directory)

_is_told(to) if {
	_tool == "staff.message"
	to in groups.told(data.clinic.groups, data.clinic.staff)
}

_is_told(to) if {
	to in _me
	_tool == "staff.message"
}

_is_told(to) if {
	to in _me
	regex.match(`\b(?:me|myself|my)\b`, lower(input.task.statement))
}

_is_told(to) if {
	_tool == "staff.message"
	to in relations.told({"doctor", "gp", "physician", "clinician", "nurse"}, data.clinic.patients, data.clinic.clinician_of)
}

_is_told(to) if to in relations.told({"daughter"}, data.clinic.patients, data.clinic.daughter_of)

_is_told(to) if {
	_tool in {"sms.send", "portal.reply"}
	to in relations.told({"mother", "mum", "mom", "mummy", "parent"}, data.clinic.patients, data.clinic.mother_of)
}

_is_told(to) if to in relations.told({"mother", "mum", "mom", "mummy", "parent"}, data.clinic.patients, data.clinic.mother_mail)

# A patient for whom the task has just done something that the request ordered, and "let her know", "confirm it".
_is_told(to) if {
	count(clauses.ordered(_tell)) > 0
	entities.named(data.clinic.patients, {"patient"}) == {_reader(to)}
	count(entities.named(data.clinic.staff, set()) | entities.named(_outsiders, set())) == 0
	_tool in {"sms.send", "portal.reply"}
}

_is_told(to) if {
	count(_pronouns_told) > 0
	_tool in {"sms.send", "portal.reply"}
	entities.named(data.clinic.patients, {"patient"}) == {_reader(to)}
}

# "Tell them by text": those for whom this task has done something, where the request names nobody else to tell.
_is_told(to) if {
	count(_pronouns_told) > 0
	_tool in {"sms.send", "portal.reply"}
	_reader(to) in facts.elements("for")
	count(entities.told_by(_telling, data.clinic.patients)) == 0
}

_is_told(to) if {
	_pronouns_told & {"them", "both", "both of them", "the two of them", "everyone", "all of them", "them both", "each of them", "each other"} != set()
	_tool == "staff.message"
	to in entities.named(data.clinic.staff, set())
}

_is_told(to) if {
	count(_pronouns_told) > 0
	_tool == "staff.message"
	entities.named(data.clinic.staff, set()) == {to}
	count(entities.named(data.clinic.patients, set())) == 0
}

_is_told(to) if {
	count(_pronouns_told) > 0
	_tool == "mail.send"
	entities.named(_outsiders, set()) == {to}
}

_pronouns_told := {phrase |
	some phrase in clauses.told_by(_telling)
	regex.match(`^(?:them|him|her|it|both|everyone|everybody|each|all|the two|the patients?|patients?|back|they|those)\b`, phrase)
} | {"them" | groups.unnamed_told}

_outsiders := {to: names |
	some to, names in _spoken_contacts
	not data.clinic.client_of[to]
	not endswith(to, "@marshlane.example")
}

# "Everyone who comes tomorrow": our records say who that is.
_is_told(to) if {
	some whole in groups.described
	text := regex.replace(whole, ` (?:that (?:we|i|i'm|the|our|their|his|her|they|there|it|dr|on|from|she|he|you|you're|we're|they're)\b|because\b|about\b|to (?:say|bring|come)\b|when\b|:).*$`, "")
	some visit in data.clinic.appointment
	visit.client == _reader(to)
	_described_day(visit, text)
	_described_clinician(visit.staff, text)
	not _reader(to) in entities.ruled_out(_tell, data.clinic.patients, {"patient"})
}

_described_day(visit, text) if {
	dates.within_said(visit.start, _zone) with input.task.statement as text
	_in_that_part(visit, text)
}

_in_that_part(_, text) if {
	times.none_said with input.task.statement as text
}

_in_that_part(visit, text) if {
	times.within_said(visit.start) with input.task.statement as text
}

_described_day(visit, text) if {
	dates.none_said with input.task.statement as text
	dates.within_said(visit.start, _zone)
}

_described_clinician(who, text) if {
	regex.match(`\b(?:my|mine|me)\b`, text)
	who == input.subject.claims.username
}

_described_clinician(who, text) if who in _named_by(text)

_described_clinician(_, text) if {
	not regex.match(`\b(?:my|mine|me)\b`, text)
	count(_named_by(text)) == 0
	count(entities.named(data.clinic.staff, set())) == 0
}

_described_clinician(who, text) if {
	not regex.match(`\b(?:my|mine|me)\b`, text)
	count(_named_by(text)) == 0
	who in entities.named(data.clinic.staff, set())
}

_reader(to) := object.get(data.clinic.client_of, to, to)

# "Answer message 502", "reply to Owen's message": its author, as the backend signed.
_is_told(to) if {
	wording.asks_for_form({"answer", "reply", "respond", "write", "tell", "let"})
	some message in _followed
	_reader(to) in _belonging(message)
	entities.meaning(_reader(to), data.clinic.patients, {"patient"}) in {"named", "none"}
	_answers_it
}

_answers_it if wording.asks_for_form({"answer", "reply", "respond"})

_answers_it if wording.asks_for({"back", "portal"})

# The address stands in the request.
_is_told(to) if {
	contains(to, "@")
	text := concat(". ", clauses.ordered(_tell))
	intent.mentions(to) with input.task.statement as text
}

_me := {input.subject.claims.username, data.clinic.mail[input.subject.claims.username]}

_known(to) if data.clinic.contacts[to]

_known(to) if {
	contains(to, "@")
	intent.mentions(to)
}

# ---- texts
_text(name) := "said" if {
	arguments.absent(name)
} else := "said" if {
	name in {"reason", "title"}
	_short(name)
} else := meaning if {
	_apart
	_for_reader != ""
	own := _own
	about := _may_speak_of
	meaning := _text_of(name, own, about) with input.task.statement as _for_reader
} else := _text_of(name, _own, _may_speak_of)

_speaks_of_others(name) if count(texts.mentions_others(name, data.clinic.patients, {_client} | _may_speak_of)) > 0

_speaks_of_others(name) if {
	not _client
	count(texts.mentions_others(name, data.clinic.patients, _may_speak_of)) > 0
}

_reasons := {
	"follow-up", "follow up", "review", "check-up", "check", "blood test", "blood pressure check", "medication review", "vaccination", "flu jab",
	"routine", "consultation", "appointment", "examination", "control", "dressing change", "discuss results", "lab results",
	"patient request", "patient asked", "at the request of the patient", "clinician away", "clinician unavailable", "not available", "ill", "rescheduled",
	"no longer needed", "not needed any more", "moved", "cancelled", "can't come", "cannot come", "changed", "replaced", "dose change", "stopped",
	"stopped by the doctor", "physician", "doctor", "referral", "for the referral", "for information", "copy", "requested", "practice",
	"phone call", "message", "portal", "telephone", "new prescription", "switched", "increased", "reduced", "side effects",
	"requested by the hospital", "as requested", "on request", "note", "contact", "result",
}

_apart if {
	_it.kind == "message"
	count((entities.told(data.clinic.staff) | entities.told(_spoken_contacts)) | entities.told(data.clinic.patients)) > 2
}

_apart if {
	_it.kind == "message"
	_tool != "staff.message"
	count(entities.told(data.clinic.staff)) > 0
}

_apart if {
	_it.kind == "message"
	_tool == "staff.message"
	count(entities.told(data.clinic.patients)) > 0
}

# What the request says of a patient otherwise is nothing for people outside.
_apart if {
	_tool == "mail.send"
	count(entities.named(data.clinic.patients, {"patient"})) > 0
	some to in _to
	not data.clinic.client_of[to]
}

_apart if {
	_tool == "mail.send"
	regex.match(`\bthat\b`, _for_reader)
}

_for_reader := concat(". ", {text |
	some text in clauses.ordered(_tell)
	found := entities.told_by(_telling, _it.directory) with input.task.statement as text
	count(found & _to) > 0
})

_text_of(name, own, about) := "other" if {
	_private
	_confirmed_by(name, own, about) == "none"
} else := _confirmed_by(name, own, about)

_confirmed_by(name, own, about) := messages.meaning({
	"name": name,
	"own": own,
	"people": data.clinic.patients,
	"about": about,
	"clean": _clean,
	"private": _private,
	"words": _words_more,
	"asks": _asked_kinds,
})

_words_more := 0 if {
	_tool in {"mail.send", "records.add_note"}
} else := 1

# A colleague reads a letter of another one, and what a text says may be what is wanted.
_asked_kinds := {"orders", "doses", "grants", "amounts"} if {
	_tool == "referrals.create"
} else := {"orders", "doses", "amounts", "grants"} if {
	_tool in {"staff.message", "records.add_note"}
	_wants_content
} else := {"orders"} if {
	_tool in {"portal.reply", "sms.send", "mail.send"}
	_wants_content
} else := set()

_wants_content if regex.match(
	`\b(?:what|whatever|everything|when|how|why|where|which|whether|contents?|summary|summar\w+|sum up|gist|key points?|main points?|answer|reply|recommend\w*|instructions?|advice|details|explain)\b`,
	lower(input.task.statement),
)

_own := ((({text | some text in data.clinic.house} | {text | some text in data.clinic.staff[input.subject.claims.username]}) | _told_of) | _dated) | {text |
	some id in _whose
	some text in _known_of(id)
} | _for_relatives | _staff_names

_staff_names := {name | _tool == "staff.message"; some names in data.clinic.staff; some name in names}

# A relative whom our records name may hear of the appointment.
_for_relatives := messages.asked_for({
	"day date when appointment": starts,
	"time when hour appointment": starts,
	"doctor clinician who with appointment": names,
}) if {
	_tool == "mail.send"
	count(_linked_clients) > 0
	starts := {visit.start | some visit in data.clinic.appointment; visit.client in _linked_clients} | {parts[1] |
		some one in facts.elements("told")
		parts := split(one, "|")
		parts[0] in _linked_clients
		regex.match(`^[0-9]{4}-`, parts[1])
	}
	names := {name |
		some visit in data.clinic.appointment
		visit.client in _linked_clients
		some name in data.clinic.staff[visit.staff]
	}
} else := set()

_linked_clients := {client | some client, readers in data.clinic.readers; some to in _to; to in readers}

# By open mail go day, time and clinician only.
_known_of(id) := data.clinic.brief[id] if {
	_tool == "mail.send"
} else := data.clinic.record[id]

_dated := (dates.said(_zone) | times.said) | {text |
	regex.match(`\b(?:address|moved|number|phone|mobile|e-?mail|contact)\b`, lower(input.task.statement))
	some text in {"your new address", "phone number", "contact details", "we have", "saved", "changed", "updated", "e-mail"}
}

_told_of := {parts[1] |
	some one in facts.elements("told")
	parts := split(one, "|")
	parts[0] in _whose | {"staff" | _tool == "staff.message"}
}

_whose := _receiving if {
	_tool in {"sms.send", "portal.reply"}
} else := _receiving if {
	_tool == "mail.send"
	count(_receiving) == 1
	count(_to & object.keys(data.clinic.client_of)) == 1
} else := set() if {
	_tool == "mail.send"
} else := {_client} if {
	_tool in {"records.release", "records.share", "records.add_note", "referrals.create", "appointments.book", "appointments.cancel", "prescriptions.cancel"}
	_client
} else := _of_whom | _coming

_of_whom := entities.named(data.clinic.patients, {"patient"}) | ((facts.elements("for") | (_receiving & object.keys(data.clinic.patients))) | {_client |
	_client
})

_receiving := {_reader(to) | some to in _to}

# "We have no consent from Mr Demir": the request speaks of him, though it rules him out.
_spoken_of := {id |
	some id, names in data.clinic.patients
	some name in names
	some word in split(lower(name), " ")
	count(word) > 3
	regex.match(sprintf(`\b%s\b`, [word]), lower(input.task.statement))
}

_may_speak_of := (((_spoken_of | _of_whom) | _owners) | _coming) | _read_about if {
	_tool == "staff.message"
} else := _receiving if {
	_tool in {"sms.send", "portal.reply"}
} else := (_of_whom | _linked_clients) | _spoken_of if {
	_tool == "mail.send"
} else := {_client | _client}

# "Tell Nadia what is new in the inbox": within the house, of those whose messages were read.
_read_about := {parts[1] |
	count(entities.named(data.clinic.patients, {"patient"})) == 0
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
}

# "Tell Tomas who comes tomorrow": those of our calendar.
_coming := {visit.client |
	_tool == "staff.message"
	some visit in data.clinic.appointment
	dates.within_said(visit.start, _zone)
	wording.asks_for({"appointments", "patients", "list", "who", "comes", "come", "coming", "day", "schedule", "booked"})
}

default _private := false

_private if {
	_tool in {"mail.send", "sms.send", "portal.reply", "records.release", "referrals.create", "records.share"}
	facts.size("strays") > 0
}

# The clauses that order this act: other things, receivers and days of the request belong to other acts.
_ordering := _strictly_ordering if {
	_strictly_ordering != ""
} else := concat(". ", calls.ordered(_it.acts, _it.matter))

# Clauses lose the colon of a time: "at 14 00" is 14:00 again.
_strictly_ordering := regex.replace(concat(". ", clauses.ordered(_it.acts)), `\b([01]?[0-9]|2[0-3]) ([0-5][0-9])\b`, "$1:$2")

# Providers and the patient have a right to a record if the request says so; others are asked about.
_recipient := "none" if {
	_recipient_said == "said"
	not data.clinic.provider_of[_a.recipient]
	not data.clinic.client_of[_a.recipient]
} else := _recipient_said

_recipient_said := "said" if {
	told := entities.told(_spoken_contacts) with input.task.statement as _ordering
	_a.recipient in told
} else := "said" if {
	contains(_a.recipient, "@")
	intent.mentions(_a.recipient) with input.task.statement as _ordering
} else := "none" if {
	contains(_a.recipient, "@")
	intent.mentions(_a.recipient)
} else := "none" if {
	_linked(_a.recipient)
} else := "said" if {
	entities.named(_not_patients, set()) == {_a.recipient}
} else := "none" if {
	data.clinic.client_of[_a.recipient] == _client
} else := meaning if {
	_ordering != ""
	found := entities.meaning(_a.recipient, _spoken_contacts, set()) with input.task.statement as _ordering
	meaning := _as_value[found]
} else := _of_other_clauses[entities.meaning(_a.recipient, _spoken_contacts, set())]

_not_patients := {to: names |
	some to, names in _spoken_contacts
	not data.clinic.client_of[to]
}

_of_other_clauses := object.union(_as_value, {"named": "none"})
