# METADATA
# title: clinic
# description: |
#   What the person's request says is allowed, what it leaves open is asked, what no request of hers can mean is denied.
#   As long as the task has read no text of people outside, no stranger can have caused a call.
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
import data.tabard.lib.messages
import data.tabard.lib.outbound
import data.tabard.lib.quantities
import data.tabard.lib.relations
import data.tabard.lib.scopes
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://clinic.example"

_once := credentials.once(_backend, ["clinic"], 60)

_zone := "UTC"

# Values that a branch of a condition may say.
_in_branches := {"clinician", "day", "dose", "from", "minutes", "quantity", "repeats", "time", "to", "urgency"}

_reason := "Your request leaves open what, how much, to whom or which words, or it has a condition. Read each value: it may come from somebody else's text."

start contains {"code": "clinic", "limits": {
	"tools": [
		"appointments.*", "documents.*", "inbox.*", "mail.*", "medications.*", "patients.*", "portal.*",
		"prescriptions.*", "providers.*", "records.*", "referrals.*", "rota.*", "sms.*", "staff.*",
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

_me := input.subject.claims.username

_text_of_request := lower(input.task.statement)

# The records are of another day than the clock. The whole decision is made as of that day.
_goes := found if {
	found := _decides with input.context.time as data.clinic.noon with input.task.statement as _request
}

default _lacking := []

_lacking := found if {
	found := _lacks with input.context.time as data.clinic.noon with input.task.statement as _request
}

# "Halve Pell's furosemide" names Pell, but a word with a capital letter before a name is read as a part of it.
_request := strings.replace_n(_first_words, input.task.statement)

_first_words := {
	"Halve ": "halve ", "Double ": "double ", "Ring ": "ring ", "Squeeze ": "squeeze ", "Fit ": "fit ",
	"Pop ": "pop ", "Ping ": "ping ", "Nudge ": "nudge ", "Push ": "push ", "Note ": "note ",
	"Record ": "record ", "Document ": "document ", "Jot ": "jot ", "Fax ": "fax ", "Reissue ": "reissue ",
	"Up ": "up ", "Continue ": "continue ", "Discontinue ": "discontinue ", "Today ": "today ",
	"Tomorrow ": "tomorrow ", "Poor ": "poor ", "Patient ": "patient ", "Have ": "have ", "Sort ": "sort ",
	"Slot ": "slot ", "Since ": "since ", "Whether ": "whether ", "Unless ": "unless ", "Because ": "because ",
	"Both ": "both ", "Finish ": "finish ", "Try ": "try ", "Wish ": "wish ", "Congratulate ": "congratulate ",
	"Phone ": "phone ", "Recall ": "recall ", "Brief ": "brief ", "Reassure ": "reassure ", "Deny ": "deny ",
	"Hold ": "hold ", "Defer ": "defer ", "Advance ": "advance ", "Enter ": "enter ", "Enclose ": "enclose ",
	"Re ": "re ", "Regarding ": "regarding ", "Concerning ": "concerning ", "Hey ": "hey ",
	"Thanks ": "thanks ", "Sorry ": "sorry ", "Yes ": "yes ", "No ": "no ", "Only ": "only ", "Just ": "just ",
	"Not ": "not ", "Maybe ": "maybe ", "Perhaps ": "perhaps ", "Actually ": "actually ", "Ok ": "ok ",
	"Okay ": "okay ", "Well ": "well ", "So ": "so ", "But ": "but ", "Dose ": "dose ", "Script ": "script ",
	"Chart ": "chart ", "Consult ": "consult ", "Appointment ": "appointment ",
	"Prescription ": "prescription ", "Repeat ": "repeat ", "Result ": "result ", "Letter ": "letter ",
	"Portal ": "portal ", "Next ": "next ", "Last ": "last ", "New ": "new ", "Monday ": "monday ",
	"Tuesday ": "tuesday ", "Wednesday ": "wednesday ", "Thursday ": "thursday ", "Friday ": "friday ",
	"Now ": "now ", "Again ": "again ", "Whose ": "whose ", "Our ": "our ", "My ": "my ", "Your ": "your ",
	"Their ": "their ", "Her ": "her ", "His ": "his ", "Its ": "its ", "All ": "all ", "Any ": "any ",
	"Every ": "every ", "Each ": "each ", "Little ": "little ", "Young ": "young ", "Dear ": "dear ",
	"Triple ": "triple ", "Trim ": "trim ", "Tidy ": "tidy ", "Whack ": "whack ", "Shove ": "shove ",
	"Bump ": "bump ", "Nip ": "nip ", "Ship ": "ship ", "Chuck ": "chuck ", "Ditch ": "ditch ",
	"Dump ": "dump ", "Kill ": "kill ", "Axe ": "axe ", "Lose ": "lose ", "Squash ": "squash ",
	"Tuck ": "tuck ", "Sneak ": "sneak ", "Stick ": "stick ", "Pencil ": "pencil ", "Flag ": "flag ",
	"Tag ": "tag ",
}

# RUN: the request orders this act upon this thing and says each value, or our records have it.
grant contains {"code": "said", "credential": _once, "notes": ["made"], "facts": {
	"done": _done,
	"for": _for,
	"told": _told,
	"issued": _issued + 0,
	"sent": _sent + 0,
}} if {
	_goes == "said"
}

# ASK: the request may mean it, and a value is open. The facts are noted once the person has approved.
grant contains {"code": "open", "credential": _once, "notes": ["made"], "charges": {"questions": 1}, "facts": {
	"done": _done,
	"for": _for,
	"told": _told,
	"issued": _issued + 0,
	"sent": _sent + 0,
	"confirmed": {_condition_of | wishes.conditional},
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

deny contains {
	"code": "not_possible",
	"message": "Our records or your role rule this call out, whatever the request says.",
} if {
	_goes == "never"
}

deny contains {
	"code": "not_meant",
	"message": sprintf("The request doesn't mean this call (%s). Do what it says.", [concat(", ", _lacking)]),
} if {
	_goes == "no"
}

# What the request doesn't say, as "day other, time none".
_lacks := [sprintf("%s %s", [name, meaning]) |
	some name, meaning in object.union({"thing": _thing, "act": _act, "condition": _condition}, _answers)
	not meaning in {"named", "said", "absent"}
]

# A request with a condition has two branches, so a value of the other branch is asked.
_answers := {name: _of_a_branch(name, meaning) | some name, meaning in _values[_tool]} if _values[_tool]

_of_a_branch(name, meaning) := "none" if {
	meaning == "other"
	name in _in_branches
	wishes.conditional
} else := meaning

_act := "only reads" if {
	wishes.only_reads
	not _more_than_reads
} else := "said" if {
	count(_ordered) > 0
} else := "forbidden" if {
	bans.on(_it.acts - _any_verb)
} else := "none"

_ordered := calls.ordered(_it.acts, _it.matter)

# Verbs of everything: one of these speaks of an act only beside a word of its matter, and "don't change the dose" or
# "don't give her that" forbids no act.
_any_verb := {
	"ask", "bring", "change", "chase", "check", "come", "do", "find", "get", "give", "go", "have", "hear", "keep", "know", "let",
	"look", "make", "move", "need", "offer", "pass", "put", "run", "see", "set", "step", "take", "up", "use", "want",
}

# "Find her something on Friday" isn't reading, and "sum it up for the nurses" tells them.
_more_than_reads if regex.match(`\bfind (?:him|her|them|me|a|an|another|[a-z' ]{2,30}) ?(?:something|slot|time|gap|place|appointment|room|one)\b`, _text_of_request)

_more_than_reads if {
	_tool == "records.add_note"
	regex.match(`\b(?:belongs?|goes|in|into|to) (?:in |into |to )?(?:his|her|the|their) (?:chart|file|notes?|record)`, _text_of_request)
}

_more_than_reads if {
	_tool == "staff.message"
	regex.match(`\bfor\b`, _text_of_request)
	_receivers == "named"
}

_condition := "said" if {
	conditions.all_match(object.get(_it, "held", "^$"))
} else := "said" if {
	_condition_is_told
} else := "open"

# "Tell her to ring if it gets worse": the condition is a part of the text.
_condition_is_told if {
	_it.kind == "message"
	every condition in conditions.said {
		regex.match(`\b(?:answer|ask|inform|let|mail|message|remind|reply|say|tell|text|warn|write)\b[^.!?;]*$`, split(_text_of_request, condition)[0])
	}
}

_decides := "never" if {
	_it
	not _right[_tool]
} else := "said" if {
	_says == "said"
	_act_spoken
} else := "said" if {
	_own_choice
} else := "said" if {
	_well_ordered
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

# "Tell Rosa that Owen comes on Friday at ten" books nothing, though it names him and says each value.
_act_spoken if _clean

_act_spoken if count(_ordered) > 0

_act_spoken if count(_words) > 0

_act_spoken if {
	count(wishes.may(_tell_strictly)) == 0
	not _another_act
}

# Nothing of others was read: the call is the agent's own reading of the request.
_may_be_meant if {
	_it
	_clean
	intent.trusted
	not _act in {"forbidden", "only reads"}
}

# A text was read: the request has a word of this act, states it, says yes to it, or follows a text that may want it.
_may_be_meant if {
	_says == "open"
	count(_words) > 0
}

_may_be_meant if {
	_says == "open"
	_it.handed
	_hands_over
}

# No list has all verbs: it names the thing and orders no other act of this kind upon it.
_may_be_meant if {
	_orderable
	not _another_act
	not _explained_otherwise
}

# It says each value of this call, and has another act for it: "move her to Thursday with Rosa".
_may_be_meant if {
	_says == "said"
	not _explained_otherwise
}

_explained_otherwise if {
	_all_explained
	count([name | some name in {"pharmacy", "provider", "recipient"}; _answers[name] == "said"]) == 0
}

# Each sentence orders something by a verb of another tool: then none of them means this one.
_all_explained if {
	orders := clauses.ordered(clauses.verbs | _tell)
	count(orders) > 0
	count(clauses.ordered(_it.acts)) == 0
	count(_words) == 0
	sentences := [sentence | some sentence in regex.split(`[.!?;]+(?:\s|$)`, input.task.statement); regex.match(`[a-z]`, sentence)]
	count(sentences) <= count(orders)
	every order in orders {
		split(order, " ")[0] in _plain_acts
	}
}

_plain_acts := {act | some about in _about; some act in about.acts - _any_verb} | {
	"check", "find", "list", "look", "open", "read", "search", "show", "sum", "summarise", "summarize",
}

# "The ten o'clock", "those two": it has a word of the act, and says no other thing and no other value.
_may_be_meant if {
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing in {"named", "unclear"}
	every value in _answers {
		value in {"absent", "none", "said"}
	}
	count(_words) > 0
}

# "Riverside ask if Owen may start on Monday. He may."
_may_be_meant if {
	_it.kind == "message"
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing in {"named", "unclear"}
	count(clauses.told) == 0
	every value in _answers {
		value in {"absent", "none", "said"}
	}
}

_words := ((_word_forms | wishes.stated(_it.acts, _it.matter)) | wishes.may(_it.acts - _any_verb)) | agreements.upon(_it.acts)

_word_forms := {"a form"} if {
	wording.asks_for_form(_it.acts - _any_verb)
} else := {"a wide form"} if {
	wording.asks_for_form(_it.acts & _any_verb)
	_speaks_of_its_kind
} else := set()

_speaks_of_its_kind if {
	some word in wording.words
	wording.singular(word) in _it.matter
}

_speaks_of_its_kind if {
	some word in _it.matter
	contains(word, " ")
	contains(_text_of_request, word)
}

_orderable if {
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing == "named"
	every value in _answers {
		value in {"absent", "none", "said"}
	}
}

# "Move her visit" cancels nothing: the same thing gets one act of its kind.
_another_act if {
	some tool, about in _about
	tool != _tool
	not _to_the_patient
	about.family == _it.family
	found := calls.ordered(about.acts - _it.acts, about.matter) | clauses.ordered(about.distinct - _it.acts)
	count(found) > 0
	named := entities.within(found, _it.directory, _it.kinds)
	_upon_this(named)
}

_to_the_patient if {
	_tool == "records.release"
	regex.match(`\b(?:to|and) (?:her|him|them)\b|\bto the patient\b|\bportal\b`, _text_of_request)
}

# "Forward the letter to her, portal is fine": nobody else is named who could get it.
_to_the_patient if {
	_tool == "records.release"
	count({to | some to in entities.named(data.clinic.contacts, set()); not data.clinic.client_of[to]; not data.clinic.staff_mail[to]}) == 0
}

_upon_this(named) if count(named) == 0

_upon_this(named) if _subject in named

# While nothing of others was read, a value that the request leaves open is the agent's own choice, if we can take the
# call back, or if it stays in the house.
_own_choice if {
	_clean
	_takes_back
	_orderable
	_condition == "said"
	not _another_act
}

# Each value is said or on record, and nobody outside can have caused it.
_takes_back if {
	every value in _answers {
		value in {"absent", "said"}
	}
}

_takes_back if _it.undoable

_takes_back if _it.mild

# The act is ordered in words that `calls` doesn't count ("send his last letter to Riverside, they need it"), upon this
# thing, and each value is said.
_well_ordered if {
	_orderable
	every value in _answers {
		value in {"absent", "said"}
	}
	_condition == "said"
	count(_sentences) > 0
	not _another_act
}

_sentences := wishes.may(_tell_strictly) if {
	_it.kind == "message"
} else := {sentence |
	some sentence in wishes.may(_it.acts - _any_verb)
	regex.match(`(?:\b(?:his|her|their|the|this|that|last|latest|new|all|both) |'s |s' |\bs ).{0,40}\b(?:blood|consultation|ecg|findings?|glucose|labs?|letters?|records?|reports?|results?|scans?|tests?|x-ray)\b|\b(?:it|them)\b`, sentence)
	not regex.match(`\b(?:a|an) (?:[a-z]+ )?(?:mail|message|line|note|text|word|letter)\b|\b(?:tell|let)\b`, sentence)
} if {
	_tool == "records.share"
} else := wishes.deeds(_it.acts - _any_verb) | _ordered

_tell_strictly := _tell - {"come", "get", "give", "have", "keep", "need", "put", "share", "hand", "offer"}

default _confirmed := false

_confirmed if facts.has("confirmed", _condition_of)

_confirmed if _condition_is_told

default _condition_of := "request"

_condition_of := _subject

# ---- which thing
_id := _a[_it.id]

_thing := _receivers if {
	_it.kind == "message"
} else := _shift if {
	_tool == "rota.swap"
} else := "named" if {
	facts.has("made", _id)
} else := "named" if {
	_aimed in {"none", "unclear"}
	_vouched
} else := "named" if {
	# "Message 505: book it with me": whose it is, the backend has signed.
	_aimed in {"none", "unclear"}
	some text in _named_texts
	_client in _belonging(text)
} else := "other" if {
	_aimed in {"none", "unclear"}
	_foreign
} else := "named" if {
	_at_the_hour(_subject)
} else := "unclear" if {
	_aimed == "named"
	_part_orders_otherwise
} else := "named" if {
	_aimed in {"none", "unclear"}
	_all[_tool]
	not _subject in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "other" if {
	count(wishes.of_all(_it.acts, _it.all)) > 0
	_aimed in {"none", "unclear"}
	not _hands_over
} else := "unclear" if {
	_aimed == "none"
	_client in _owners
} else := _aimed

# By its id; else by whose it is.
_aimed := "named" if {
	_id in _ids_said
} else := "other" if {
	count(_ids_said) > 0
} else := calls.aimed(_subject, _it.directory, _it.kinds, _it.acts, _it.matter) if {
	_subject
} else := "named" if {
	# A record whose patient the backend hasn't signed: chosen before any text of others was read.
	_clean
} else := "unclear"

# "Brandt's is fine, show it to him. Marin's I'd like to discuss, so get her in": the part about her orders another act.
_part_orders_otherwise if {
	not _it.undoable
	count(entities.named(data.clinic.patients, {"patient"})) > 1
	part := _part
	orders := clauses.ordered(clauses.verbs) with input.task.statement as part
	count(orders) > 0
	acts := _it.acts
	mine := clauses.ordered(acts) with input.task.statement as part
	count(mine) == 0
	may := wishes.may(acts - _any_verb) with input.task.statement as part
	count(may) == 0
}

_ids_said := entities.ids(_it.prefix, _it.words) if {
	_it.prefix
} else := set()

_subject := _client if {
	_it.by_client
} else := _id

_vouched if {
	_hands_over
	_client in _owners
}

# All texts that are followed are of one patient.
_owners := found if {
	found := {client |
		some text in _followed
		some client in _belonging(text)
	}
	count(found) == 1
} else := {client |
	some text in _named_texts
	some client in _belonging(text)
}

# The text that is followed is of another patient.
_foreign if {
	_hands_over
	count(_owners) > 0
	not _client in _owners
}

_hands_over if wishes.follows

_hands_over if wording.hands_over

_named_texts := entities.ids("M", {"message", "mail"}) | entities.ids("R", {"record", "letter"})

_followed := _named_texts if {
	count(_named_texts) > 0
} else := facts.elements("ids_read")

# ---- what the call leaves behind for later calls of the task
_done := {_key | _it.once}

_key := sprintf("%s:%s:%s %v", [_tool, _id, _drug, doses.strengths(_a.dose)]) if {
	_tool == "prescriptions.issue"
} else := sprintf("%s:%s:%v", [_tool, _id, [object.get(_a, name, "") | some name in _it.once]])

_for := {_client | _client}

_told := {sprintf("%v", [_a[name]]) | some name in _it.tells}

_fresh if not facts.has("done", _key)

default _issued := 0

_issued := 1 if _tool == "prescriptions.issue"

default _sent := 0

_sent := 1 if _tool in {"sms.send", "mail.send"}

# ---------------------------------------------------------------- 2. Reading
# Own records: only our own people write there, so the task stays clean.
grant contains {"code": "look", "credential": _once} if {
	_tool in {"patients.search", "providers.search", "rota.get", "staff.directory", "appointments.free"}
}

grant contains {"code": "look", "credential": _once, "facts": {"strays": {_a.patient_id | _stray}}} if {
	_tool in {"patients.get", "medications.list"}
}

_stray if entities.meaning(_a.patient_id, data.clinic.patients, {"patient"}) == "other"

# What others may have written taints the task, until the backend signs that people outside wrote nothing of it.
grant contains {"code": "read", "credential": _once, "notes": ["inside"], "facts": {"texts_read": 1}} if {
	_tool in {"appointments.list", "inbox.list", "documents.list", "documents.read"}
}

grant contains {"code": "read", "credential": _once, "notes": ["inside"], "facts": {
	"texts_read": 1,
	"strays": {_a.patient_id | _stray},
}} if {
	_tool == "records.list"
}

# The backend signs whose message or record it is: "M-502:P-101".
grant contains {"code": "read", "credential": _once, "notes": ["belongs", "inside"], "facts": {
	"texts_read": 1,
	"ids_read": {_a.message_id},
}} if {
	_tool == "inbox.read"
}

grant contains {"code": "read", "credential": _once, "notes": ["belongs", "inside"], "facts": {
	"texts_read": 1,
	"ids_read": {_a.record_id},
	"records_read": {_a.record_id},
}} if {
	_tool == "records.read"
}

default _clean := false

_clean if facts.value("texts_read") <= facts.size("inside")

# ---------------------------------------------------------------- 3. One block for each tool
_is(group) if subject.has_claim("groups", group)

_nurse if {
	_is("clinicians")
	not _is("physicians")
}

# ---- patients.update_contact
_about["patients.update_contact"] := {
	"acts": {
		"add", "amend", "change", "correct", "edit", "enter", "fix", "have", "move", "note", "put", "record",
		"replace", "save", "set", "store", "switch", "take", "update", "use", "write",
	},
	"matter": {
		"address", "cell", "contact", "detail", "email", "landline", "live", "mail", "mobile", "moved", "number", "phone",
		"street", "telephone",
	},
	"undoable": true,
	"handed": true,
	"held": "nothing|different|differ|isn't|is not|wrong|old|still|not the one|already|changed|have (?:it|that|the)",
	"id": "patient_id",
	"by_client": true,
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["phone", "email", "address"],
}

_right["patients.update_contact"] if data.clinic.contact[_a.patient_id]

_values["patients.update_contact"] := object.union(
	{name: _field(name) | some name in {"phone", "email", "address"}},
	{"role": _desk_or_nurse},
)

# Contact data are changed by front desk and nurses; for others the person is asked.
_desk_or_nurse := "said" if {
	_is("front_desk")
} else := "said" if {
	_nurse
} else := "none"

# ---- records.add_note: it can't be removed, so its text is confirmed as a message is
_about["records.add_note"] := {
	"acts": {
		"add", "chart", "document", "enter", "file", "jot", "keep", "leave", "log", "make", "mark", "note", "put",
		"record", "save", "state", "take", "write",
	},
	"matter": {"chart", "file", "note", "record", "entry", "down"},
	"handed": true,
	"mild": true,
	"id": "patient_id",
	"by_client": true,
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["records.add_note"] if data.clinic.patients[_a.patient_id]

_values["records.add_note"] := {"title": _title("title"), "text": _text("text")}

# ---- records.share: through the secure gateway, to providers, contacts and the patient
_record_words := {
	"blood", "consultation", "copy", "document", "ecg", "finding", "glucose", "lab", "letter", "note", "record", "report",
	"result", "scan", "summary", "test", "x-ray",
}

_about["records.share"] := {
	"distinct": {"fax"},
	"family": "record",
	"acts": {
		"copy", "email", "fax", "forward", "get", "give", "go", "hand", "have", "let", "mail", "need", "pass",
		"provide", "send", "share", "supply", "transmit", "want",
	},
	"matter": _record_words,
	"once": ["recipient"],
	"by_client": true,
	"id": "record_id",
	"prefix": "R",
	"words": {"record"},
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["records.share"] if {
	_known(_a.recipient)
	not data.clinic.relatives[_a.recipient]
	not data.clinic.no_patients[_a.recipient]
	not _others_record(_a.record_id, object.get(data.clinic.client_of, _a.recipient, ""))
	_fresh
}

# A patient gets no record of another one.
_others_record(record, patient) if {
	patient != ""
	owners := _belonging(record)
	count(owners) > 0
	not patient in owners
}

_values["records.share"] := {"recipient": _recipient, "reason": _note("reason"), "owner": _owner_known, "which": _which_record}

# ---- records.release: to the patient, in the portal
_about["records.release"] := {
	"distinct": {"publish", "release"},
	"family": "record",
	"acts": {
		"clear", "give", "go", "let", "make", "open", "post", "publish", "put", "release", "see", "send", "share",
		"show", "unlock",
	},
	"matter": _record_words | {"portal", "visible", "release", "see", "look"},
	"handed": true,
	"once": ["record_id"],
	"held": "normal|fine|harmless|nothing|in range|good|unremarkable|arrived|there|okay",
	"by_client": true,
	"id": "record_id",
	"prefix": "R",
	"words": {"record"},
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["records.release"] if _fresh

_values["records.release"] := {"comment": _text("comment"), "owner": _owner_known, "which": _which_record}

# Whose record it is, the backend has signed, or the request says its id, or nothing of others was read.
_owner_known := "said" if {
	count(_belonging(_a.record_id)) > 0
} else := "said" if {
	_a.record_id in _ids_said
} else := "said" if {
	_clean
} else := "none"

# "His last letter" is one: where the task has read several of this patient, the person is asked which.
_which_record := "said" if {
	_a.record_id in _ids_said
} else := "said" if {
	_clean
} else := "said" if {
	regex.match(`\b(?:all|both|consultations|everything|findings|letters|notes|records|reports|results|scans|tests|values|they|them|these|those)\b`, _text_of_request)
} else := "said" if {
	read := {record |
		some record in facts.elements("records_read")
		_client in _belonging(record)
	}
	count(read) == 1
	_a.record_id in read
} else := "none"

# ---- prescriptions
# Only drugs of which the request has a word, and this one.
_in_play := {id: names |
	some id, names in data.clinic.drugs
	_spoken_of(id, names)
}

_spoken_of(_, names) if {
	some name in names
	some word in split(lower(name), " ")
	count(word) > 3
	contains(_text_of_request, word)
}

_spoken_of(id, _) if {
	some word in regex.split(`[^a-z0-9-]+`, lower(object.get(_a, "drug", "")))
	word == id
}

_spoken_of(id, _) if data.clinic.rx[_a.prescription_id].drug == id

_drug_words := {lower(name) |
	some names in _in_play
	some name in names
}

_rx_words := {
	"dose", "drug", "inhaler", "medication", "medicine", "mg", "pill", "prescription", "puff", "refill", "repeat", "rx",
	"script", "tablet", "month", "capsule",
} | _drug_words

_about["prescriptions.issue"] := {
	"distinct": {"issue", "prescribe", "reissue", "renew", "reorder", "repeat"},
	"family": "prescription",
	"acts": {
		"add", "change", "continue", "do", "double", "extend", "get", "give", "halve", "have", "increase", "issue",
		"lower", "make", "need", "order", "prepare", "prescribe", "put", "raise", "reduce", "refill", "renew",
		"reorder", "repeat", "start", "switch", "take", "try", "up", "want", "write", "go", "reissue", "restart", "run",
	},
	"matter": _rx_words,
	"once": ["drug"],
	"handed": true,
	"held": "allerg|already|active|repeats? (?:left|is|are)|run out|running out|left",
	"id": "patient_id",
	"by_client": true,
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["drug", "dose", "quantity"],
}

# In the name of a physician only, never against an allergy, five in one go.
_right["prescriptions.issue"] if {
	_is("physicians")
	data.clinic.patients[_a.patient_id]
	count([name | some name in object.get(data.clinic.allergies, _a.patient_id, []); contains(lower(_a.drug), name)]) == 0
	facts.value("issued") < 5
	_fresh
}

_values["prescriptions.issue"] := {
	"drug": _which_drug,
	"dose": _dose,
	"quantity": _quantity,
	"repeats": _repeats,
}

_about["prescriptions.cancel"] := {
	"distinct": {"discontinue", "stop", "withdraw"},
	"family": "prescription",
	"acts": {
		"cancel", "change", "come", "delete", "discontinue", "drop", "end", "finish", "increase", "lower", "pause", "put",
		"raise", "reduce", "remove", "replace", "revoke", "scrap", "stop", "swap", "switch", "take", "up", "void",
		"withdraw", "double", "halve", "go",
	},
	"matter": _rx_words,
	"once": ["prescription_id"],
	"handed": true,
	"by_client": true,
	"id": "prescription_id",
	"prefix": "RX",
	"words": {"prescription"},
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["prescriptions.cancel"] if {
	_known_rx
	_fresh
}

_known_rx if data.clinic.rx[_a.prescription_id]

_known_rx if facts.has("made", _a.prescription_id)

_values["prescriptions.cancel"] := {"drug": _rx_drug, "role": _physician, "reason": _note("reason")}

_physician := "said" if {
	_is("physicians")
} else := "none"

_about["prescriptions.send"] := {
	"acts": {
		"collect", "fax", "forward", "get", "give", "go", "have", "let", "order", "pass", "pick", "put", "route", "send",
		"submit", "transmit", "want", "issue", "prescribe",
	},
	"matter": _rx_words | {"bell street", "chemist", "harbour", "pharmacy"},
	"once": ["prescription_id"],
	"handed": true,
	"by_client": true,
	"id": "prescription_id",
	"prefix": "RX",
	"words": {"prescription"},
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["prescriptions.send"] if {
	_known_rx
	data.clinic.pharmacy[_a.pharmacy_id]
	not facts.has("done", sprintf("prescriptions.cancel:%s:%v", [_a.prescription_id, [_a.prescription_id]]))
	_fresh
}

_values["prescriptions.send"] := {
	"drug": _rx_drug,
	"pharmacy": _as_value[entities.meaning(_a.pharmacy_id, data.clinic.pharmacies, {"pharmacy"})],
}

# ---- appointments
_visit_words := {
	"appointment", "bandage", "blood test", "booking", "calendar", "call", "check", "check-up", "checkup", "consultation",
	"diary", "dressing", "follow-up", "injection", "jab", "meeting", "o'clock", "review", "session", "slot", "smear",
	"test", "vaccination", "visit", "half hour", "weigh-in", "scan",
}

_about["appointments.book"] := {
	"distinct": {"arrange", "book", "reserve", "squeeze"},
	"family": "visit",
	"acts": {
		"add", "arrange", "book", "bring", "come", "find", "fit", "get", "give", "have", "invite", "make", "need",
		"offer", "plan", "put", "recall", "reserve", "schedule", "see", "set", "sign", "squeeze", "take", "want",
	},
	"matter": _visit_words,
	"undoable": true,
	"handed": true,
	"held": "free|possible|slot|open|available|works|gap|room|time|nothing",
	"id": "patient_id",
	"by_client": true,
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["start"],
}

_right["appointments.book"] if {
	data.clinic.patients[_a.patient_id]
	data.clinic.clinicians[_a.clinician]
	_open_hour
}

# "At three" is 03:00 and 15:00.
_open_hour if {
	substring(_a.start, 11, 5) >= "06:30"
	substring(_a.start, 11, 5) <= "20:30"
}

_values["appointments.book"] := {
	"clinician": _clinician,
	"day": _day,
	"time": _time,
	"minutes": _minutes,
	"reason": _note("reason"),
}

_about["appointments.move"] := {
	"distinct": {"delay", "move", "postpone", "push", "rebook", "reschedule", "shift"},
	"family": "visit",
	"acts": {
		"bring", "change", "come", "delay", "get", "give", "have", "make", "move", "postpone", "push", "put", "rebook",
		"reschedule", "set", "shift", "swap", "switch", "take", "go", "find", "want", "need", "offer",
	},
	"matter": _visit_words,
	"undoable": true,
	"handed": true,
	"held": "free|possible|slot|open|available|works|gap|room|nothing",
	"all": {"appointment", "patient", "visit", "consultation"},
	"by_client": true,
	"id": "appointment_id",
	"prefix": "A",
	"words": {"appointment"},
	"directory": data.clinic.patients,
	"kinds": {"patient"},
	"tells": ["start"],
}

_right["appointments.move"] if {
	_known_visit
	_open_hour
}

_known_visit if _visit

_known_visit if facts.has("made", _a.appointment_id)

_values["appointments.move"] := {"day": _new_day, "time": _new_time}

_all["appointments.move"] if _visit_in_group(_visit)

_about["appointments.cancel"] := {
	"distinct": {"cancel", "delete", "scrap", "strike"},
	"family": "visit",
	"acts": {
		"cancel", "clear", "delete", "drop", "free", "remove", "release", "scrap", "strike", "take",
	},
	"matter": _visit_words | {"off"},
	"handed": true,
	"mild": true,
	"once": ["appointment_id"],
	"all": {"appointment", "patient", "visit", "consultation"},
	"by_client": true,
	"id": "appointment_id",
	"prefix": "A",
	"words": {"appointment"},
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["appointments.cancel"] if {
	_known_visit
	_fresh
}

_values["appointments.cancel"] := {"reason": _note("reason")}

_all["appointments.cancel"] if _visit_in_group(_visit)

# ---- rota.swap: managers look after it, others swap their own days
_about["rota.swap"] := {
	"acts": {
		"change", "come", "cover", "do", "exchange", "fill", "give", "have", "let", "move", "put", "replace", "stand",
		"step", "swap", "switch", "take", "trade", "work", "find", "go", "need", "want", "get", "ask",
	},
	"matter": {
		"cover", "day", "duty", "friday", "monday", "off", "rota", "shift", "swap", "thursday", "today", "tomorrow",
		"tuesday", "wednesday",
	},
	"undoable": true,
	"handed": true,
	"id": "from_staff",
	"directory": data.clinic.staff,
	"kinds": set(),
	"tells": ["date"],
}

_right["rota.swap"] if {
	_is("managers")
	_two_of_us
}

_right["rota.swap"] if {
	_me in {_a.from_staff, _a.to_staff}
	_two_of_us
}

_two_of_us if {
	data.clinic.staff[_a.from_staff]
	data.clinic.staff[_a.to_staff]
	_a.from_staff != _a.to_staff
}

_values["rota.swap"] := {"day": _swap_day, "from": _swapped("from_staff"), "to": _swapped("to_staff"), "way": _way}

# ---- messages: the receiver is the thing
_tell := {
	"alert", "announce", "answer", "apologise", "apologize", "ask", "assure", "brief", "circulate", "confirm",
	"drop", "email", "explain", "feed", "forward", "get", "give", "hand", "inform", "invite", "keep", "let", "mail",
	"message", "notify", "offer", "pass", "pop", "post", "promise", "put", "reassure", "remind", "reply", "report", "respond",
	"say", "send", "share", "shoot", "sms", "tell", "text", "thank", "update", "warn", "write",
}

_tell_words := {
	"answer", "email", "fyi", "heads-up", "know", "letter", "line", "mail", "message", "minutes", "news", "note", "posted",
	"reminder", "reply", "sms", "text", "word", "portal", "sentence",
}

_about["staff.message"] := {
	"acts": _tell,
	"matter": _tell_words,
	"kind": "message",
	"handed": true,
	"mild": true,
	"directory": data.clinic.staff,
	"kinds": set(),
}

_right["staff.message"] if {
	every to in _to {
		data.clinic.staff[to]
	}
}

_values["staff.message"] := {"text": _text("text")}

_about["mail.send"] := {
	"acts": _tell,
	"matter": _tell_words,
	"kind": "message",
	"handed": true,
	"held": "^(?:for|to) (?:those|anyone|everyone) (?:who|whose)",
	"directory": data.clinic.contacts,
	"kinds": set(),
}

# Open mail: to addresses of ours or of the request, without records, ten in one go.
_right["mail.send"] if {
	every to in _to {
		_known(to)
	}
	count(_to) <= 10
	facts.value("sent") < 10
	count([id | some id in object.get(_a, "attachments", []); startswith(id, "R")]) == 0
	not _leaks
}

_values["mail.send"] := {"subject": _title("subject"), "body": _text("body"), "attachments": _attachments}

_about["sms.send"] := {
	"acts": _tell,
	"matter": _tell_words,
	"kind": "message",
	"handed": true,
	"held": "^(?:for|to) (?:those|anyone|everyone) (?:who|whose)",
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["sms.send"] if {
	data.clinic.patients[_a.patient_id]
	facts.value("sent") < 10
	not _leaks
}

_values["sms.send"] := {"text": _text("text")}

_about["portal.reply"] := {
	"acts": _tell,
	"matter": _tell_words,
	"kind": "message",
	"handed": true,
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["portal.reply"] if not _leaks

_values["portal.reply"] := {"text": _text("text")}

# The confidential address goes to nobody outside but the patient.
_leaks if {
	some patient, parts in data.clinic.confidential
	_readers != {patient}
	some name in {"subject", "body", "text"}
	some part in parts
	contains(lower(object.get(_a, name, "")), part)
}

# ---- referrals.create
_about["referrals.create"] := {
	"acts": {
		"arrange", "ask", "book", "get", "give", "go", "have", "make", "need", "order", "organise", "organize", "pass",
		"refer", "request", "see", "send", "want", "write", "put", "try", "do",
	},
	"matter": {
		"cardiologist", "cardiology", "dermatologist", "dermatology", "hospital", "maternity", "midwife", "physio",
		"physiotherapist", "physiotherapy", "radiologist", "radiology", "refer", "referral", "skin", "heart", "specialist",
		"ultrasound", "x-ray", "riverside", "fenland", "northgate",
	},
	"once": ["provider_id"],
	"handed": true,
	"id": "patient_id",
	"by_client": true,
	"directory": data.clinic.patients,
	"kinds": {"patient"},
}

_right["referrals.create"] if {
	data.clinic.patients[_a.patient_id]
	data.clinic.providers[_a.provider_id]
	not data.clinic.pharmacy[_a.provider_id]
	every record in object.get(_a, "records", []) {
		not _others_record(record, _a.patient_id)
	}
	_fresh
}

_values["referrals.create"] := {
	"provider": _as_value[entities.meaning(_a.provider_id, data.clinic.providers, set())],
	"urgency": choices.meaning({
		"name": "urgency",
		"options": {
			"routine": {"routine", "no rush", "no hurry", "not urgent", "normal"},
			"urgent": {"urgent", "urgently", "emergency", "asap", "as soon as possible", "quickly", "right away", "immediately"},
		},
		"default": "routine",
	}),
	"letter": _text("letter"),
	"records": _enclosed,
	"role": _clinician_asks,
	"address": _address_goes,
}

_clinician_asks := "said" if {
	_is("clinicians")
} else := "none"

# Master data go with it: a confidential address is worth a question.
_address_goes := "none" if {
	data.clinic.confidential[_a.patient_id]
} else := "said"

# ---------------------------------------------------------------- 4. What the request says of each value
_as_value := {"named": "said", "unclear": "none", "none": "none", "other": "other"}

# Of several patients each has its own part of the request: "Lucia at nine, Owen at ten".
_part := text if {
	count(entities.named(data.clinic.patients, {"patient"})) > 1
	text := scopes.of(_client, data.clinic.patients)
	text != ""
} else := input.task.statement

# "On Wednesday: Daniel at two, Miriam at half past": what a part lacks stands in the whole.
_day_part := input.task.statement if {
	dates.none_said with input.task.statement as _part
} else := _part

_time_part := input.task.statement if {
	times.none_said with input.task.statement as _part
} else := _part

_visit := data.clinic.visit[_a.appointment_id]

_client := _a.patient_id if {
	_a.patient_id
} else := _visit.patient if {
	_visit
} else := data.clinic.rx[_a.prescription_id].patient if {
	data.clinic.rx[_a.prescription_id]
} else := [client | some client in _belonging(_a.record_id)][0] if {
	count(_belonging(_a.record_id)) > 0
} else := [client | some client in _belonging(_a.message_id)][0] if {
	count(_belonging(_a.message_id)) > 0
}

_belonging(id) := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
	parts[0] == id
}

# ---- dates and times
_day := "said" if {
	meaning := dates.meaning("start", _zone) with input.task.statement as _day_part
	meaning == "said"
} else := "said" if {
	_today_meant
} else := "none" if {
	dates.none_said
} else := _chosen("other")

# "At two": today, where no day is said and nothing but the hour.
_today_meant if {
	dates.none_said
	not times.none_said
	startswith(_a.start, dates.today(_zone))
}

_time := "said" if {
	meaning := times.meaning("start", _zone) with input.task.statement as _time_part
	meaning == "said"
} else := "none" if {
	times.none_said
} else := _chosen("other")

# "Find him something on Thursday": then an hour in the request may be another one's.
_chosen(meaning) := "none" if {
	meaning == "other"
	regex.match(`\b(?:any|asap|called|can't|cannot|clash|earlier|earliest|find|first|fit|free|gap|later|next|nothing|phoned|rang|slot|something|somewhere|soon|squeeze|whatever|whenever|wrote)\b`, _text_of_request)
} else := meaning

_shifted if {
	times.shifted("start", _visit.start) with input.task.statement as _time_part
}

_new_day := "said" if {
	_shifted
} else := "said" if {
	days := dates.moved_to(_visit.start, _zone) with input.task.statement as _day_part
	substring(_a.start, 0, 10) in days
} else := "said" if {
	# "In the first week of December", "next week": a span.
	meaning := dates.meaning("start", _zone) with input.task.statement as _day_part
	meaning == "said"
	substring(_a.start, 0, 10) != substring(object.get(_visit, "start", ""), 0, 10)
} else := "none" if {
	dates.none_said
} else := _chosen("other")

_new_time := "said" if {
	_shifted
} else := "said" if {
	found := times.moved_to(_visit.start) with input.task.statement as _time_part
	substring(_a.start, 11, 5) in found
} else := "said" if {
	within := times.meaning("start", _zone) with input.task.statement as _time_part
	within == "said"
	count(times.shifts) == 0
} else := "none" if {
	times.none_said
} else := _chosen("other")

# Absent, half an hour, or a length that the request says.
_minutes := "said" if {
	object.get(_a, "minutes", 30) == 30
	count(times.lengths) == 0
} else := "said" if {
	_a.minutes in times.lengths
} else := "said" if {
	_a.minutes == 60
	regex.match(`\bdouble\b|\ban hour\b|\bone hour\b`, _text_of_request)
} else := "said" if {
	not _a.minutes
} else := "none"

# ---- with whom
_staff_named := entities.named(data.clinic.staff, set())

# Colleagues who are only told something aren't those whom it is about.
_staff_meant := _staff_named - (entities.told(data.clinic.staff) - entities.within(_visit_clauses, data.clinic.staff, set()))

_visit_clauses := calls.ordered({"book", "put", "fit", "squeeze", "schedule", "arrange", "move"}, _visit_words)

_clinician := "said" if {
	_a.clinician in _staff_named
} else := "said" if {
	_a.clinician == _me
	_first_person
} else := "said" if {
	count(_staff_meant) == 0
	_a.clinician in {_me, data.clinic.clinician_of[_a.patient_id]}
} else := "none" if {
	count(_staff_meant) == 0
} else := "none" if {
	_first_person
	_a.clinician == data.clinic.clinician_of[_a.patient_id]
} else := "other"

_first_person if regex.match(`\b(?:i|me|my|mine|i'm|i'll|i've|i'd|myself)\b`, _text_of_request)

# ---- the rota
_in_shift := _staff_named | {_me | _first_person}

_shift := "named" if {
	_a.from_staff in _in_shift
	_a.to_staff in _in_shift
} else := "unclear" if {
	some name in {_a.from_staff, _a.to_staff}
	name in _in_shift
} else := "none" if {
	count(_staff_named) == 0
} else := "other"

_swapped(name) := "said" if {
	_a[name] in _in_shift
} else := "none" if {
	count(_in_shift) < 2
} else := "none" if {
	count(_staff_named - entities.told(data.clinic.staff)) < 2
	wishes.follows
} else := "other"

_swap_day := dates.meaning("date", _zone)

# The one works that day and the other doesn't.
_way := "said" if {
	_a.from_staff in data.clinic.rota[_a.date]
	not _a.to_staff in data.clinic.rota[_a.date]
} else := "none"

# ---- drugs
_drug_text := _a.drug

_drug_parts := {part | some part in regex.split(`[^a-z0-9-]+`, lower(_drug_text)); part != ""}

_drug_ids := sort([id | some id in _drug_parts; data.clinic.drugs[id]])

_drug := _drug_ids[0] if {
	count(_drug_ids) > 0
} else := lower(_drug_text)

_drugs := _in_play if {
	data.clinic.drugs[_drug]
} else := object.union(_in_play, {_drug: [_drug_text]})

_named_drugs := entities.named(_drugs, set())

_drug_meaning := entities.meaning(_drug, _drugs, set())

_on_record := [rx |
	some rx in data.clinic.rx
	rx.patient == _a.patient_id
	rx.drug == _drug
]

_record := _on_record[0] if {
	count(_on_record) > 0
} else := {"dose": "", "quantity": 0, "repeats": 0}

_again if {
	regex.match(`\b(?:again|another|as (?:before|it is|usual|always|now)|continue|extend|month|more|one more|reissue|refill|renew|reorder|repeat|repeats|same|usual)\b`, _text_of_request)
}

_same_as_record if {
	count(_on_record) > 0
	_a.quantity == _record.quantity
	doses.strengths(_a.dose) == doses.strengths(_record.dose)
	doses.rhythms(_a.dose) == doses.rhythms(_record.dose)
	doses.pieces(_a.dose) == doses.pieces(_record.dose)
}

# "Put the ramipril up. The statin stays": what orders it names another drug, or this one is left alone.
_other_drug(drug) if {
	named := entities.within(_ordered, _in_play, set())
	count(named) > 0
	not drug in named
}

_other_drug(drug) if bans.left_alone({lower(name) | some name in data.clinic.drugs[drug]})

_which_drug := "other" if {
	count(_drug_ids) > 1
} else := "other" if {
	_other_drug(_drug)
} else := "none" if {
	not _strength_fits
} else := "none" if {
	not _plainly_a_drug
} else := "said" if {
	_drug in _named_drugs
} else := "said" if {
	# "Her repeat", "his usual tablets": what our records have, as they have it.
	count(_named_drugs) == 0
	_again
	_same_as_record
} else := "said" if {
	# "Her inhaler": the only one that the patient has.
	_drug_meaning == "unclear"
	count(_on_record) == 1
	count([rx | some rx in data.clinic.rx; rx.patient == _a.patient_id]) == 1
} else := _as_value[_drug_meaning]

# "Ramipril and morphine" is no drug.
_plainly_a_drug if {
	own := {name | some name in _drugs[_drug]} | {_record.dose, "tablet tablets capsule capsules inhaler cream ointment syrup drops spray puffer mg mcg ml units"}
	texts.plain_text(_drug_text, own, 0)
}

# "Ramipril 10 mg" as a drug: the strength is the request's or the record's.
_strength_fits if {
	count((doses.strengths(_drug_text) - doses.strengths(input.task.statement)) - doses.strengths(_record.dose)) == 0
}

_dose := "none" if {
	count(_a.dose) > 60
} else := "said" if {
	asked := {"name": "dose", "id": _drug, "directory": _drugs, "record": _record.dose}
	meaning := doses.meaning(asked) with input.task.statement as _part
	meaning == "said"
} else := "said" if {
	_again
	_same_as_record
	count(doses.strengths(_part)) == 0
} else := "said" if {
	# The only dose that the request says.
	count(doses.strengths(input.task.statement)) == 1
	doses.strengths(_a.dose) == doses.strengths(input.task.statement)
	count(doses.rhythms(_a.dose)) > 0
	count(doses.rhythms(_a.dose) - (doses.rhythms(input.task.statement) | {"1 per day"})) == 0
	count(doses.rates(_a.dose) - doses.rates(input.task.statement)) == 0
	count(doses.pieces(_a.dose) - doses.pieces(input.task.statement)) == 0
} else := doses.meaning({"name": "dose", "id": _drug, "directory": _drugs, "record": _record.dose})

_quantity := "said" if {
	asked := {"name": "quantity", "id": _drug, "directory": _drugs, "record": _record.quantity}
	meaning := doses.quantity_meaning(asked) with input.task.statement as _part
	meaning == "said"
} else := "said" if {
	# The only number of pieces that the request says.
	{number | some number in quantities.counts; number > 5} == {_a.quantity}
} else := "said" if {
	count(_named_drugs) <= 1
	regex.match(sprintf(`\b%d (?:ampoules?|capsules?|caps|doses|inhalers?|of them|patches|pieces|pills?|sachets?|tablets?|tabs|tubes?|units)\b`, [_a.quantity]), quantities.digits)
} else := "said" if {
	# The pack of our records, where the request says no other number.
	_a.quantity == _record.quantity
	count({number | some number in quantities.counts; number > 5}) == 0
} else := "none" if {
	regex.match(`\b(?:months?|weeks?|days?|pack|packs|box|course|half|double|twice)\b`, _text_of_request)
} else := doses.quantity_meaning({"name": "quantity", "id": _drug, "directory": _drugs, "record": _record.quantity})

_repeats := "absent" if {
	not _a.repeats
} else := doses.repeats_meaning("repeats")

# Which prescription of the patient: by its drug, or the only one; what this task made is the one.
_rx_drug := "said" if {
	facts.has("made", _a.prescription_id)
} else := "said" if {
	_a.prescription_id in _ids_said
} else := "other" if {
	_other_drug(_rx.drug)
} else := "said" if {
	_rx_meaning == "named"
} else := "said" if {
	_rx_meaning in {"none", "unclear"}
	count([rx | some rx in data.clinic.rx; rx.patient == _rx.patient]) == 1
} else := "said" if {
	_rx_meaning == "none"
	regex.match(`\b(?:all|both|prescriptions|repeats)\b`, _text_of_request)
} else := _as_value[_rx_meaning]

_rx := data.clinic.rx[_a.prescription_id]

_rx_meaning := entities.meaning(_rx.drug, _in_play, set())

# ---- contact data: said, or filled up from the record that it changes; by a text it is asked
_field(name) := "absent" if {
	arguments.absent(name)
} else := "said" if {
	texts.plain_text(_a[name], {data.clinic.contact[_a.patient_id][name]}, 0) with input.task.statement as _part
} else := "said" if {
	intent.mentions(_a[name]) with input.task.statement as _part
} else := "none" if {
	_vouched
} else := "none" if {
	_speaks_of[name]
} else := "other"

_speaks_of["phone"] if {
	regex.match(`\b(?:phone|number|mobile|cell|landline|telephone|contact details|details)\b`, _text_of_request)
	not regex.match(`[0-9][0-9 ]{5,}`, _text_of_request)
}

_speaks_of["email"] if {
	regex.match(`\b(?:e-?mail|mail address|contact details|details)\b`, _text_of_request)
	not contains(_text_of_request, "@")
}

_speaks_of["address"] if {
	regex.match(`\b(?:address|moved|moves|moving|live|lives|living|house|flat|contact details|details)\b`, _text_of_request)
	not regex.match(`\b[0-9]+[a-z]? [A-Z][a-z]+`, input.task.statement)
}

# ---- groups: "all my patients of this morning", "those who come tomorrow", by our records
_descriptions := groups.described if {
	count(groups.described) > 0
} else := wishes.of_all(_it.acts, {"appointment", "consultation", "patient", "visit"}) if {
	count(wishes.of_all(_it.acts, {"appointment", "consultation", "patient", "visit"})) > 0
} else := {sentence |
	some sentence in regex.split(`[.!?;]`, _text_of_request)
	regex.match(`\b(?:my|his|her|their|all|[a-z]+'s) (?:[a-z]+ ){0,2}(?:patients|appointments|visits|people)\b|\b(?:everyone|everybody|everything)\b`, sentence)
}

_visit_in_group(visit) if {
	some text in _descriptions
	_of_whose(text, visit.clinician)
	_on_its_day(text, visit.start)
	_at_its_time(text, visit.start)
}

# "My", "Tomas's", or anybody's.
_of_whose(text, clinician) if {
	clinician in _whose_staff(text)
}

_of_whose(text, _) if count(_whose_staff(text)) == 0

_whose_staff(text) := (found | {_me | regex.match(`\b(?:my|me|mine|i)\b`, text)}) | {name |
	count(found) == 0
	regex.match(`\b(?:his|her|hers|their)\b`, text)
	some name in _staff_meant
} if {
	found := entities.named(data.clinic.staff, set()) with input.task.statement as text
}

_on_its_day(text, start) if {
	dates.within_said(start, _zone) with input.task.statement as text
}

_on_its_day(text, start) if {
	_no_date(text)
	dates.within_said(start, _zone)
}

# "Tomas is ill tomorrow. Move all his patients to Friday": the day of the visits stands elsewhere.
_on_its_day(text, start) if {
	_tool == "appointments.move"
	not _has_visits(text)
	dates.within_said(start, _zone)
}

_has_visits(text) if {
	some visit in data.clinic.visit
	_of_whose(text, visit.clinician)
	dates.within_said(visit.start, _zone) with input.task.statement as text
}

# "The rest of the day": those of today.
_on_its_day(text, start) if {
	_tool == "appointments.move"
	not dates.within_said(start, _zone)
	count(groups.described) == 0
	_no_other_day(text)
	startswith(start, dates.today(_zone))
	regex.match(`\b(?:the day|today|this (?:morning|afternoon|evening))\b`, _text_of_request)
}

_no_other_day(text) if not regex.match(`\b(?:monday|tuesday|wednesday|thursday|friday|week)\b`, text)

_no_date(text) if {
	dates.none_said with input.task.statement as text
}

_at_its_time(text, start) if {
	times.within_said(start) with input.task.statement as text
}

_at_its_time(text, _) if {
	times.none_said with input.task.statement as text
}

# A shift ("an hour later") or the time of the move is no description.
_at_its_time(text, _) if {
	count(times.parts) == 0 with input.task.statement as text
}

_patient_in_group(patient) if {
	some visit in data.clinic.visit
	visit.patient == patient
	_visit_in_group(visit)
}

# "All of Dr Lind's patients", without a day.
_patient_in_group(patient) if {
	some text in groups.described
	_no_date(text)
	dates.none_said
	contains(text, "patient")
	data.clinic.clinician_of[patient] in _whose_staff(text)
}

# ---- "the ten o'clock", "my 11:30", by our records
_hours_said := {hour |
	some pattern in _hour_patterns
	some found in regex.find_all_string_submatch_n(pattern, _text_of_request, -1)
	hour := found[1]
}

_hour_patterns := {
	`\b(?:the|my|our|his|her|today's|tomorrow's|[a-z]+'s) ((?:half past |quarter past |quarter to )?(?:[0-9]{1,2}|one|two|three|four|five|nine|ten|eleven|twelve)(?: thirty)?)(?:'s)?[ -]o'? ?clock`,
	`\b(?:the|my|our|his|her|today's|tomorrow's|[a-z]+'s) ([0-9]{1,2}:[0-9]{2}|[0-9]{1,2} ?[ap]m)\b`,
	`\b(?:the|my|our|his|her|today's|tomorrow's|[a-z]+'s) ((?:half past |quarter past |quarter to )(?:one|two|three|four|five|nine|ten|eleven|twelve))\b`,
	`\bmy ((?:nine|ten|eleven|twelve|two|three|four)(?: thirty)?)(?:,|\.|;|:|$| to | can't| cannot| is| has| will| and| comes?| that| about| i'm| know| tomorrow| today| on )`,
}

_at_the_hour(patient) if {
	some visit in data.clinic.visit
	visit.patient == patient
	_visit_at_hour(visit)
}

_visit_at_hour(visit) if {
	some hour in _hours_said
	said := times.said with input.task.statement as sprintf("at %s", [hour])
	substring(visit.start, 11, 5) in said
	_day_of_hour(visit.start)
	_mine(visit.clinician)
}

_day_of_hour(start) if startswith(start, dates.today(_zone))

_day_of_hour(start) if dates.within_said(start, _zone)

_mine(clinician) if clinician == _me

_mine(_) if not regex.match(`\bmy (?:half|quarter|[0-9]|one|two|three|four|five|nine|ten|eleven|twelve)`, _text_of_request)

# ---- receivers
_to := {_a.patient_id} if {
	_tool == "sms.send"
} else := _belonging(_a.message_id) if {
	_tool == "portal.reply"
} else := outbound.recipients({"to", "cc"})

# As patients, where they are some.
_readers := {object.get(data.clinic.client_of, to, to) | some to in _to}

_receivers := "unclear" if {
	_tool == "portal.reply"
	count(_to) == 0
	facts.has("ids_read", _a.message_id)
} else := "other" if {
	_tool == "portal.reply"
	count(_to) == 0
} else := "named" if {
	_tool == "portal.reply"
	_a.message_id in entities.ids("M", {"message", "mail"})
} else := "named" if {
	every to in _to {
		_is_told(to)
	}
} else := "unclear" if {
	_tool == "staff.message"
	_hands_over
} else := "unclear" if {
	_tool == "staff.message"
	_unnamed
} else := "unclear" if {
	every to in _to {
		_may_be_told(to)
	}
} else := "other"

_unnamed if groups.unnamed_told

_unnamed if count(groups.described) > 0

_unnamed if count(_staff_named) == 0

_is_told(to) if to in entities.told(_it.directory)

_is_told(to) if to in entities.told_by(_tell, _it.directory)

_is_told(to) if {
	_tool == "staff.message"
	to in groups.told(data.clinic.groups, data.clinic.staff)
	count(groups.described) == 0
}

# Within the house the name is enough: the text is confirmed for itself ("make sure Gabriel knows").
_is_told(to) if {
	_tool == "staff.message"
	to in _staff_named
}

_is_told(to) if {
	_tool == "staff.message"
	to in outbound.members_of_requested(data.clinic.groups)
	count(groups.described) == 0
	regex.match(`\b(?:should|needs? to|must|has to|have to|ought to) (?:all |also )?(?:know|hear|be told|learn|see)|\bfor (?:the|all|both|our|every)|\bgoes to\b`, _text_of_request)
}

# "Let them know": for whom this task did something, if the request names them.
_is_told(to) if {
	_tool in {"mail.send", "sms.send"}
	groups.unnamed_told
	facts.has("for", object.get(data.clinic.client_of, to, to))
}

# "His daughter brings him. Drop her a line."
_is_told(to) if {
	_tool == "mail.send"
	data.clinic.relatives[to]
	to in entities.named(data.clinic.contacts, set())
	count({"her", "back", "she"} & wording.words) > 0
	count(wishes.may(_tell_strictly | {"get", "give"})) > 0
}

# "Check Fenland's number and mail them": the only outsider of the request.
_is_told(to) if {
	_tool == "mail.send"
	count({"back", "them", "they"} & wording.words) > 0
	outsiders := {name |
		some name in entities.named(data.clinic.contacts, set())
		not data.clinic.client_of[name]
		not data.clinic.staff_mail[name]
	}
	outsiders == {to}
}

# "Offer the slot to Owen by text", "put that in the portal for him": the way is said, and the sentence names him.
_is_told(to) if {
	_way_is_said
	to in entities.within(wishes.may(_tell_strictly | {"give", "offer", "put"}), _it.directory, _it.kinds)
}

_is_told(to) if {
	_tool == "portal.reply"
	_way_is_said
	entities.named(data.clinic.patients, {"patient"}) == {to}
}

_way_is_said if {
	words := {"mail.send": {"email", "mail"}, "portal.reply": {"portal"}, "sms.send": {"sms", "text"}}
	count(words[_tool] & wording.words) > 0
}

# "Remind his mother": an alert says that she is told everything.
_is_told("P-109") if {
	_tool == "sms.send"
	"P-109" in entities.named(data.clinic.patients, {"patient"})
	some phrase in clauses.told
	regex.match(`\b(?:mother|mum|mom|parents?)\b`, phrase)
}

_is_told(to) if to in _mine_too

# "Her doctor", "his GP".
_is_told(to) if {
	_tool == "staff.message"
	to in relations.told({"clinician", "doctor", "gp", "nurse", "physician"}, data.clinic.patients, data.clinic.clinician_of)
}

# "Everyone who comes tomorrow": our records say who that is.
_is_told(to) if _patient_in_group(object.get(data.clinic.client_of, to, to))

# "Whoever works on Friday": our rota says who that is.
_is_told(to) if {
	_tool == "staff.message"
	some text in groups.described
	regex.match(`\b(?:work|works|working|duty|on|in|shift|here)\b`, text)
	some day, names in data.clinic.rota
	dates.within_said(day, _zone) with input.task.statement as text
	to in names
}

# "Answer message 7", "answer her": its author, as the backend signed.
_is_told(to) if {
	_answers_text
	some text in _followed
	object.get(data.clinic.client_of, to, to) in _belonging(text)
	entities.meaning(object.get(data.clinic.client_of, to, to), data.clinic.patients, {"patient"}) != "other"
}

_answers_text if wording.asks_for_form({"answer", "reply", "respond"})

_answers_text if regex.match(`\b(?:write|get) back\b`, _text_of_request)

# "Tell my ten o'clock that I'm late."
_is_told(to) if {
	_tool != "staff.message"
	_at_the_hour(object.get(data.clinic.client_of, to, to))
}

# The address stands in the request.
_is_told(to) if {
	contains(to, "@")
	intent.mentions(to)
}

_mine_too := {_me, data.clinic.mail[_me]}

_may_be_told(to) if {
	entities.meaning(to, _it.directory, _it.kinds) in {"named", "unclear"}
	not _only_others_told
}

# "Tell Rosa that Owen comes on Friday" tells Owen nothing.
_only_others_told if {
	_tool != "staff.message"
	not _way_is_said
	count(clauses.told) > 0
	every phrase in clauses.told {
		not regex.match(`\b(?:back|both|each|her|him|it|patients?|them|they|those)\b`, phrase)
	}
}

_may_be_told(to) if _is_told(to)

_may_be_told(to) if {
	_hands_over
	object.get(data.clinic.client_of, to, to) in _owners
}

# For whom this task did something ("let them know").
_may_be_told(to) if facts.has("for", object.get(data.clinic.client_of, to, to))

_may_be_told(to) if to in data.clinic.readers[_some_patient]

_some_patient := patient if {
	found := entities.named(data.clinic.patients, {"patient"})
	count(found) == 1
	some patient in found
}

# "Answer the mail", "write back": to one of those with whom we deal, if the request names none of them.
_may_be_told(to) if {
	_answers_text
	entities.meaning(to, _it.directory, _it.kinds) == "none"
}

_known(to) if data.clinic.contacts[to]

_known(to) if intent.mentions(to)

# ---- the other person of a record
_recipient := "said" if {
	_a.recipient in entities.told(data.clinic.contacts)
} else := "said" if {
	intent.mentions(_a.recipient)
} else := _as_value[entities.meaning(_a.recipient, data.clinic.contacts, set())]

_attachments := "absent" if {
	arguments.absent("attachments")
} else := "said" if {
	count({id | some id in _a.attachments} - entities.ids("D", {"document"})) == 0
} else := "none" if {
	regex.match(`\b(?:attach|attached|attachment|document|form|forward|leaflet|list|minutes|protocol|send|circular|plan|copy|rota)\b`, _text_of_request)
} else := "other"

# Records that go with a referral: this patient's, and the request speaks of some.
_enclosed := "absent" if {
	arguments.absent("records")
} else := "none" if {
	some record in _a.records
	not _a.patient_id in _belonging(record)
	not record in entities.ids("R", {"record"})
	not _clean
} else := "said" if {
	regex.match(`\b(?:attach|blood|consultation|copy|ecg|enclose|everything|findings?|glucose|include|labs?|last|letters?|notes?|records?|reports?|results?|scan|tests?|values?|with)\b`, _text_of_request)
} else := "none"

# ---- texts
_text(name) := messages.meaning(object.union(_message, {"name": name, "own": _own}))

# Titles, subjects and reasons have words of their own kind.
_title(name) := messages.meaning(object.union(_message, {"name": name, "own": _own | _plain_words}))

_note(name) := messages.meaning(object.union(_message, {"name": name, "own": _own | _plain_words}))

_plain_words := {text | some text in data.clinic.plain_words}

# What more than tells is asked, not denied: the person reads it. Lures and other patients stay denied.
_message := {
	"people": data.clinic.people,
	"about": _of_whom,
	"clean": _clean,
	"private": _private,
	"words": 0,
	"asks": {"amounts", "doses", "grants", "matters", "orders"},
}

_own := ((_house_texts | facts.elements("told")) | _said_dates) | _records_for

_house_texts := {text | some text in data.clinic.house} | ({text | some text in data.clinic.staff_names} | {input.subject.claims.name})

_said_dates := dates.said(_zone) | times.said

# What this reader may know.
_records_for := {text | some id in _whose; some text in data.clinic.record[id]} | _medical_for

_medical_for := {text | some id in _whose; some text in data.clinic.medical[id]} if {
	_tool in {"portal.reply", "records.add_note", "records.release", "referrals.create", "sms.send", "staff.message"}
	_about_medication
} else := set()

# Where the request doesn't speak of them, drugs are news: "has stopped salbutamol".
_about_medication if _tool == "referrals.create"

_about_medication if regex.match(`\b(?:allerg[a-z]+|capsules?|dos(?:e|age)|drugs?|inhalers?|medic[a-z]+|pills?|prescri[a-z]+|repeats?|tablets?|takes)\b`, _text_of_request)

_whose := _readers if {
	_tool in {"mail.send", "portal.reply", "sms.send"}
	count({to | some to in _readers; not data.clinic.patients[to]}) == 0
} else := _relative_of if {
	count(_relative_of) > 0
} else := set() if {
	# No patient is named: then the visits of all are news, unless the request speaks of them.
	_tool == "staff.message"
	count(_named_or_done) == 0
	not regex.match(`\b(?:appointments?|booked|comes?|day|patients?|visits?|who)\b`, _text_of_request)
} else := _of_whom

# A daughter may know the appointments of her father.
_relative_of := {patient |
	_tool == "mail.send"
	some to in _to
	patient := data.clinic.relatives[to]
}

# Of whom the text may speak.
_of_whom := {to | some to in _readers; data.clinic.patients[to]} if {
	_tool in {"portal.reply", "sms.send"}
	count(_readers) > 0
} else := set() if {
	_tool == "mail.send"
	some to in _to
	data.clinic.no_patients[to]
} else := _relative_of if {
	count(_relative_of) > 0
} else := {patient | some to in _readers; patient := to; data.clinic.patients[patient]} if {
	_tool == "mail.send"
	some to in _readers
	data.clinic.patients[to]
} else := _colleague_hears if {
	_tool == "staff.message"
} else := _named_or_done

_named_or_done := (entities.named(data.clinic.patients, {"patient"}) | facts.elements("for")) | {_client | _client}

# Colleagues may hear of those whom the request names and for whom the task did something; of all where it names none.
_colleague_hears := found if {
	found := (_named_or_done | {patient |
		some visit in data.clinic.visit
		_visit_at_hour(visit)
		patient := visit.patient
	}) | {patient |
		some text in _followed
		some patient in _belonging(text)
	}
	count(found) > 0
	count(groups.described) == 0
	count(entities.named(data.clinic.patients, {"patient"})) > 0
} else := {patient | some patient, _ in data.clinic.patients}

# Once the task has read what doesn't concern this reader, a text to people outside says nothing new without a question.
default _private := false

_private if {
	_tool in {"mail.send", "portal.reply", "sms.send"}
	facts.size("strays") > 0
}

_private if {
	_tool in {"mail.send", "portal.reply", "sms.send"}
	some record in facts.elements("records_read")
	count(_belonging(record) & _readers) == 0
}

_private if {
	_tool == "mail.send"
	count(_relative_of) > 0
}
