# METADATA
# title: clinic
# description: |
#   What the person's request says is allowed, what it leaves open is asked, what no request can mean is denied.
#   Part 1 is the same for all tools, part 2 is about reading, part 3 has a block for each tool, part 4 reads values.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

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

# Records of 30 November 2026 (an export for a trial). In production leave it out.
_now := data.clinic.noon

_reason := "Your request leaves open what, whom, how much or which words, or it is unusual for your role. Read each value: it may come from somebody else's text."

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

_says_text := lower(input.task.statement)

_me := input.subject.claims.username

_it := _about[_tool]

# RUN: the request orders this act upon this thing and says each value, or our records have it.
grant contains {"code": "said", "credential": _once, "notes": ["made"], "facts": {
	"done": {element | some element in _done},
	"for": _for,
	"told": _told,
	"sent": _sends + 0,
	"issued": _issues + 0,
}} if {
	_goes == "said"
}

# ASK: the request may mean it, and a value is open. The facts are noted once the person has approved.
grant contains {"code": "open", "credential": _once, "notes": ["made"], "charges": {"questions": 1}, "facts": {
	"done": {element | some element in _done},
	"for": _for,
	"told": _told,
	"sent": _sends + 0,
	"issued": _issues + 0,
	"confirmed": {_confirm_key | wishes.conditional},
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
	"message": sprintf("The request doesn't mean this call (%s). Do what it says.", [concat(", ", _lacking)]),
} if {
	_goes == "no"
}

_lacking := [sprintf("%s %s", [name, meaning]) |
	some name, meaning in object.union({"thing": _thing, "act": _act, "condition": _condition}, _values[_tool])
	not meaning in {"named", "said", "absent"}
]

_act := "only reads" if {
	wishes.only_reads
} else := "forbidden" if {
	bans.on(_it.acts)
} else := "said" if {
	count(calls.ordered(_it.acts, _it.matter)) > 0
} else := "none"

_condition := "said" if {
	conditions.all_match(_held)
} else := "open"

_goes := "never" if {
	_it
	not _right[_tool]
} else := "no" if {
	_says == "said"
	_only_told
	count(times.said) == 0
} else := "open" if {
	_says == "said"
	_only_told
} else := "said" if {
	_says == "said"
	not _unusual
} else := "open" if {
	_says == "said"
} else := "no" if {
	_unusual
} else := "said" if {
	_says == "open"
	_own_choice
} else := "said" if {
	_says == "open"
	_bounded
} else := "open" if {
	_says == "open"
	_fits
} else := "no" if {
	_it
}

_says := "said" if {
	_made_send
} else := "open" if {
	_note_from_text
} else := "open" if {
	_reported
} else := calls.meaning(object.union(object.remove(_it, {"id", "directory", "kinds", "all", "once", "handed", "tells"}), {
	"thing": _thing,
	"values": {value | some value in _values[_tool]},
	"confirmed": _confirmed,
	"held": _held,
}))

_held := sprintf(`%s|need be|necessary|needed|any questions?`, [object.get(_it, "held", "need be")])

# "Tell Harriet that we ring her this afternoon" books nothing.
_only_told if {
	_tool in {"appointments.book", "appointments.move", "patients.update_contact", "rota.swap"}
	_act == "none"
	count(clauses.ordered(_tell | _other_acts)) > 0
	count(wishes.stated(_it.acts, _it.matter) | wishes.may(_it.acts)) == 0
	count(_kind_said) == 0
}

_other_acts := {
	"document", "double", "halve", "increase", "issue", "note", "prescribe", "read", "record", "reduce", "refer", "reissue",
	"release", "renew", "repeat", "share", "start", "stop", "summarise", "summarize",
}

# What this task has prescribed goes to the one pharmacy that the request names: "Yes, do it. Harbour Pharmacy."
_made_send if {
	_tool == "prescriptions.send"
	_made_here
	_condition == "said"
	not wishes.only_reads
	not bans.on(_it.acts)
}

# "Lucia rang, she'd like to come on Thursday at ten": everything is said, but as a report.
_reported if {
	_tool in {"appointments.book", "appointments.move"}
	_thing == "named"
	_act == "none"
	not wishes.only_reads
	not bans.on(_it.acts)
	every value in _values[_tool] {
		value in {"said", "absent"}
	}
	not dates.none_said
	not regex.match(`^(what|who|when|why|how|which|is|are|does|did|has|have)\b[^.!]*\?$`, _says_text)
	regex.match(`\b(would like|she'd like|he'd like|they'd like|wants|prefers|asks|can come|could come|rather|instead|free|works for|suits)\b`, _says_text)
}

# "Read message 503 and note what she says in her record" orders to write, too.
_note_from_text if {
	_tool == "records.add_note"
	wishes.only_reads
	_thing == "named"
	regex.match(`\b(and|then) (note|record|document|write|add|enter|put|save)\b|\bin (her|his|the|their) (record|file|notes|chart)\b`, _says_text)
	not "other" in {_text("title"), _text("text")}
}

# "Open" is wide: it holds for each tool once the request follows a text. So the person is asked only if the request
# has a word of this act or states it, or follows a text that may want it (`handed`), or orders it in other words.
_fits if count(_words) > 0

_fits if _note_from_text

# "Let Mary have the names": the request tells this reader something; the person sees the text.
_fits if {
	_it.kind == "message"
	_thing == "named"
}

_fits if _reported

_fits if {
	_says == "said"
	_only_told
}

_fits if {
	_it.handed
	_hands_over
	_may_want_this
}

# "Deal with message 7" may want anything; "enter the swaps of the minutes" wants what it says.
_may_want_this if {
	regex.match(`\b(deal|do (what|as|it|that|this|whatever)|does|handle|work|take care|sort|whatever|action|see to|follow|process|help|yes|agree|approve|grant)\b`, _says_text)
}

_may_want_this if count(_kind_said) > 0

_may_want_this if wording.asks_for_form(_it.acts)

_fits if {
	_in_other_words
	not _another_act
}

_words := {"a form" | wording.asks_for_form(_it.acts - _wide)} | wishes.stated(_it.acts, _it.matter)

# Verbs of many tools: none of these alone opens a tool to a question.
_wide := {"add", "change", "come", "do", "get", "give", "go", "have", "let", "make", "need", "put", "see", "set", "take", "update", "use", "want"}

_in_other_words if {
	_clean
	not startswith(_tool, "prescriptions.")
}

_in_other_words if {
	_thing == "named"
	count({name | some name, value in _values[_tool]; value == "said"} | _kind_said) > 0
	count(_kind_said) > 0
}

_kind_said := {word | some word in _it.matter; wording.mentions_forms(word)}

_another_act if {
	some tool, about in _about
	tool != _tool
	count(about.matter & _it.matter) > 0
	count(calls.ordered(about.acts - _it.acts, about.matter)) > 0
}

# While the task has read no text of others, a value that the request leaves open is the agent's own choice, if the
# request orders the act upon this thing and we can take it back.
_own_choice if {
	_clean
	_it.undoable
	not startswith(_tool, "prescriptions.")
	_tool != "patients.update_contact"
	_thing == "named"
	_act == "said"
	_condition == "said"
}

_bounded_tools := {
	"appointments.book", "appointments.cancel", "appointments.move", "patients.update_contact", "prescriptions.send",
	"records.release",
	"records.share", "referrals.create", "rota.swap",
}

_bounded if {
	_tool == "prescriptions.cancel"
	_thing == "named"
	_condition == "said"
	count(wishes.may({"cancel", "discontinue", "drop", "end", "remove", "stop", "take", "withdraw"})) > 0
	every value in _values[_tool] {
		value in {"said", "absent"}
	}
}

# Everything is said or in our records, and the request wishes or states the act, or says it by the plain words of it.
_bounded if {
	_bounded_tools[_tool]
	_thing == "named"
	_act in {"said", "none"}
	_condition == "said"
	every value in _values[_tool] {
		value in {"said", "absent"}
	}
	count(wishes.stated(_it.acts, _it.matter) | wishes.may(_it.acts)) > 0
}

default _confirmed := false

_confirmed if facts.has("confirmed", _confirm_key)

# Once for each patient.
_confirm_key := _client if {
	_client
} else := _id if {
	is_string(_id)
} else := "all"

_id := _a[_it.id]

# ---- which thing
_thing := _receivers if {
	_it.kind == "message"
} else := _rota_thing if {
	_tool == "rota.swap"
} else := "named" if {
	_tool == "prescriptions.send"
	facts.has("made", _id)
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
	_all[_tool]
	not _subject in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "other" if {
	# "All of Dr Lind's tomorrow": not this one.
	_tool in {"appointments.cancel", "appointments.move"}
	_aimed in {"none", "unclear"}
	count(_all_said) > 0
	_narrowed
	not _hands_over
} else := _aimed

_aimed := calls.aimed(_subject, _it.directory, _it.kinds, _it.acts, _it.matter)

_subject := _client if {
	_it.by_client
} else := _id

# "Do what message 7 asks": the backend signed whose message it is, and the thing is of the same patient.
_vouched if {
	_hands_over
	_client in _owners
}

# "Release it", "book her in": the message or record that the request names by its id is this patient's.
_vouched if {
	_client in _spoken_owners
	count(entities.named(data.clinic.patients, {"patient"})) == 0
}

_owners := {client |
	some text in _followed
	some client in _belonging(text)
}

_foreign if {
	_hands_over
	count(_owners) > 0
	not _client in _owners
}

_hands_over if wishes.follows

_hands_over if wording.hands_over

_said_ids := entities.ids("M", {"message", "mail"}) | entities.ids("R", {"record", "letter", "result"})

_spoken_owners := {client | some text in _said_ids; some client in _belonging(text)}

_followed := _said_ids if {
	count(_said_ids) > 0
} else := facts.elements("messages_read") if {
	facts.size("messages_read") == 1
}

# ---- what the call leaves behind for later calls of the task
_done := {sprintf("%s:%s", [_tool, _id]) | _it.once} | {_issue_key | _tool == "prescriptions.issue"}

_issue_key := sprintf("issue:%s:%s", [_a.patient_id, lower(_a.drug)])

_for := {_client | _client}

_told := {sprintf("%v", [_a[name]]) | some name in _it.tells; _a[name]}

default _sends := 0

_sends := count(_to) if _tool in {"mail.send", "sms.send"}

default _issues := 0

_issues := 1 if _tool == "prescriptions.issue"

_fresh if not facts.has("done", sprintf("%s:%s", [_tool, _id]))

_few_messages if facts.value("sent") + _sends <= 10

# ---------------------------------------------------------------- 2. Reading
# Our own records: only our own people write there, so the task stays clean.
grant contains {"code": "look", "credential": _once} if {
	_tool in {"patients.search", "rota.get", "staff.directory", "providers.search"}
}

grant contains {"code": "look", "credential": _once, "facts": {"free_seen": {sprintf("%s|%s", [_a.clinician, _a.date])}}} if {
	_tool == "appointments.free"
}

# `strays` has patients of whom the request doesn't speak. Then no text to people outside gets any new word.
grant contains {"code": "look", "credential": _once, "facts": {
	"strays": {_a.patient_id | _stray},
	"listed": {_a.patient_id | _tool == "records.list"},
}} if {
	_tool in {"patients.get", "records.list", "medications.list"}
}

_stray if entities.meaning(_a.patient_id, _patients, {"patient"}) == "other"

# Patients write the reasons of those that they book online.
grant contains {"code": "look", "credential": _once, "facts": {"texts_read": count({1 | _online})}} if {
	_tool == "appointments.list"
}

_online if {
	some visit in data.clinic.visit
	visit.by == "online"
	object.get(_a, "patient_id", visit.patient_id) == visit.patient_id
	object.get(_a, "clinician", visit.clinician) == visit.clinician
	startswith(visit.start, object.get(_a, "date", ""))
}

# What others write taints the task. The backend signs whose it is: "M-502:P-101".
grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool in {"inbox.list", "documents.list", "documents.read"}
}

grant contains {"code": "read", "credential": _once, "notes": ["belongs"], "facts": {
	"texts_read": 1,
	"messages_read": {_a.message_id},
}} if {
	_tool == "inbox.read"
}

# A record that was chosen before any text of others was read was chosen by an honest agent.
grant contains {"code": "read", "credential": _once, "notes": ["belongs"], "facts": {
	"texts_read": 1,
	"chosen": {_a.record_id | _clean},
}} if {
	_tool == "records.read"
	_may_read
}

# Front desk, managers and billing read no consultations and lab results without need.
grant contains {"code": "read_asked", "credential": _once, "notes": ["belongs"], "charges": {"questions": 1}, "facts": {
	"texts_read": 1,
	"chosen": {_a.record_id | _clean},
}} if {
	_tool == "records.read"
	not _may_read
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "need",
	"approvers": ["requester"],
	"reason": "Your request doesn't speak of this patient's records. Do you need to read it?",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_tool == "records.read"
	not _may_read
}

_may_read if data.clinic.clinicians[_me]

_may_read if wording.mentions_forms(_record_words[_])

_may_read if intent.mentions(_a.record_id)

_record_words := {
	"blood", "consultation", "ecg", "letter", "note", "record", "referral", "report", "result", "scan", "test",
	"x-ray", "file", "document", "copy", "history",
}

default _clean := false

_clean if facts.value("texts_read") == 0

# ---------------------------------------------------------------- 3. One block for each tool
_patients := {id: array.concat(names, _hour_names(id)) | some id, names in data.clinic.patients} if {
	_says_hour
} else := data.clinic.patients

_visits := {id: array.concat(names, _hour_phrases(id)) | some id, names in data.clinic.visits} if {
	_says_hour
} else := data.clinic.visits

# "My ten o'clock", "Rosa's 3:30".
_says_hour if regex.match(`(\bmy|\bthe|'s) ([a-z]+ o'clock|[0-9]|half |(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)`, _says_text)

_hour_names(patient) := [name |
	some id, visit in data.clinic.visit
	visit.patient_id == patient
	some name in _hour_phrases(id)
]

# "My ten o'clock", "the 10:00", "Rosa's half past three": of the day that the request says, or today.
_hour_phrases(id) := [phrase |
	visit := data.clinic.visit[id]
	_on_day[substring(visit.start, 0, 10)]
	some hour in data.clinic.hours[id]
	some phrase in _owned_phrases(visit.clinician, hour)
]

_on_day[day] if {
	some day in dates.said(_zone) with input.context.time as _now
}

_on_day["2026-11-30"] if {
	dates.none_said
}

_owned_phrases(clinician, hour) := ({phrase |
	clinician == _me
	some form in {"my %s", "the %s", "my %s patient", "my %s appointment"}
	phrase := sprintf(form, [hour])
} | {phrase |
	not data.clinic.clinicians[_me]
	some form in {"the %s appointment", "the %s patient", "the %s"}
	_clinician_meant(clinician)
	phrase := sprintf(form, [hour])
}) | {phrase |
	clinician in _staff_named
	some name in data.clinic.staff[clinician]
	some owner in {name, split(name, " ")[0], split(name, " ")[1]}
	phrase := sprintf("%s's %s", [owner, hour])
}

_staff_named := entities.named(data.clinic.staff, set())

_clinician_meant(clinician) if clinician in _staff_named

_clinician_meant(_) if count({id | some id in _staff_named; data.clinic.clinicians[id]}) == 0

_patient_it := {"id": "patient_id", "directory": _patients, "kinds": {"patient"}}

# ---- patients.update_contact: front desk and nurses, when a patient asks; a text alone is asked about
_about["patients.update_contact"] := object.union(_patient_it, {
	"acts": {"amend", "change", "correct", "enter", "fix", "put", "replace", "save", "set", "update", "use", "record", "note"},
	"matter": {"address", "contact", "detail", "email", "mail", "mobile", "moved", "number", "phone", "telephone"},
	"undoable": true,
	"handed": true,
	"tells": ["phone", "email", "address"],
})

_right["patients.update_contact"] if {
	data.clinic.patient[_a.patient_id]
	count({name | some name in {"phone", "email", "address"}; _a[name]}) > 0
}

_values["patients.update_contact"] := {name: _field(name) | some name in {"phone", "email", "address"}}

_unusual if {
	_tool == "patients.update_contact"
	not subject.has_claim("groups", "front_desk")
	not _nurse
}

_nurse if {
	data.clinic.clinicians[_me]
	not data.clinic.physicians[_me]
}

# ---- records.add_note: it can't be removed, so its text is confirmed as a message is
_about["records.add_note"] := object.union(_patient_it, {
	"acts": {"add", "document", "enter", "file", "jot", "log", "make", "note", "put", "record", "save", "write"},
	"matter": {"file", "note", "record", "chart", "notes"},
	"handed": true,
})

_right["records.add_note"] if data.clinic.patient[_a.patient_id]

_values["records.add_note"] := {"title": _text("title"), "text": _text("text")}

# ---- records.share: through the gateway, to those who have a right to it
_about["records.share"] := {
	"acts": {"copy", "fax", "forward", "give", "let", "mail", "pass", "send", "share", "show"},
	"matter": {
		"blood", "consultation", "copy", "document", "ecg", "letter", "note", "record", "report", "result", "scan",
		"test", "x-ray", "lab", "discharge",
	},
	"once": false,
	"by_client": true,
	"handed": true,
	"id": "record_id",
	"directory": _patients,
	"kinds": {"patient"},
}

_right["records.share"] if {
	_client
	_may_get(lower(_a.recipient))
}

_may_get(recipient) if data.clinic.provider[data.clinic.provider_of[recipient]].kind != "pharmacy"

_may_get(recipient) if data.clinic.patient_of[recipient] == _client

_may_get(recipient) if recipient in data.clinic.offices

_unusual if {
	_tool == "records.share"
	lower(_a.recipient) in data.clinic.offices
}

_values["records.share"] := {"recipient": _recipient, "record": _record_choice(_a.record_id), "reason": _text("reason")}

# ---- records.release: in the patient's own portal
_about["records.release"] := {
	"acts": {"give", "let", "make", "open", "post", "publish", "put", "release", "send", "share", "show", "upload"},
	"matter": {
		"blood", "letter", "portal", "record", "release", "report", "result", "scan", "see", "test", "visible", "x-ray",
		"lab", "ecg", "sugar", "copy",
	},
	"by_client": true,
	"handed": false,
	"id": "record_id",
	"directory": _patients,
	"kinds": {"patient"},
	"held": "normal|fine|okay|unremarkable|in range|nothing|back|arrived|there|it did|in yet|is in",
}

_right["records.release"] if _client

_values["records.release"] := {"record": _record_choice(_a.record_id), "comment": _text("comment")}

# ---- prescriptions
_script := data.clinic.script[_a.prescription_id]

_about["prescriptions.issue"] := object.union(_patient_it, {
	"acts": {
		"continue", "double", "extend", "give", "halve", "increase", "issue", "lower", "prescribe", "put", "raise", "reduce",
		"refill", "reissue", "renew", "reorder", "repeat", "restart", "start", "switch", "write", "change", "need", "get",
		"order", "up", "move", "have", "want", "do",
	},
	"matter": ({
		"dose", "inhaler", "medication", "medicine", "prescription", "refill", "repeat", "script", "tablet", "capsule",
		"mg", "drug", "pill", "more",
	} | _drug_words),
	"handed": true,
	"undoable": true,
})

_right["prescriptions.issue"] if {
	data.clinic.physicians[_me]
	subject.has_claim("groups", "physicians")
	data.clinic.patient[_a.patient_id]
	facts.value("issued") < 5
	not facts.has("done", _issue_key)
}

_values["prescriptions.issue"] := {
	"drug": _drug,
	"dose": _dose,
	"quantity": _quantity,
	"repeats": doses.repeats_meaning("repeats"),
}

_about["prescriptions.cancel"] := {
	"acts": {
		"cancel", "change", "come", "delete", "discontinue", "drop", "end", "finish", "remove", "replace", "scrap", "stop",
		"switch", "take", "withdraw",
	},
	"matter": ({"medication", "medicine", "prescription", "script", "tablet", "off", "drug", "rx", "old"} | _drug_words),
	"handed": true,
	"once": true,
	"id": "prescription_id",
	"directory": data.clinic.script_owners,
	"kinds": {"prescription", "script"},
}

_right["prescriptions.cancel"] if {
	_script
	data.clinic.clinicians[_me]
	_fresh
}

_unusual if {
	_tool == "prescriptions.cancel"
	not data.clinic.physicians[_me]
}

_values["prescriptions.cancel"] := {"drug": _script_drug, "reason": _text("reason")}

_follows["prescriptions.cancel"] if _script_by_drug

_about["prescriptions.send"] := {
	"acts": {"fax", "forward", "get", "give", "go", "pass", "put", "send", "submit", "take", "transmit", "issue", "order"},
	"matter": (({"it", "medication", "pharmacy", "prescription", "script", "tablet", "them"} | _drug_words) | {lower(name) |
		some names in data.clinic.pharmacies
		some name in names
	}),
	"handed": true,
	"once": true,
	"undoable": _made_here,
	"id": "prescription_id",
	"directory": data.clinic.script_owners,
	"kinds": {"prescription", "script"},
}

default _made_here := false

_made_here if {
	facts.has("made", object.get(input.tool.arguments, "prescription_id", ""))
	_pharmacy == "said"
}

_right["prescriptions.send"] if {
	data.clinic.provider[_a.pharmacy_id].kind == "pharmacy"
	_prescription_known
	_fresh
}

_prescription_known if _script

_prescription_known if facts.has("made", _a.prescription_id)

_values["prescriptions.send"] := {"pharmacy": _pharmacy, "drug": _script_drug}

_follows["prescriptions.send"] if _script_by_drug

_follows["prescriptions.send"] if facts.has("made", _a.prescription_id)

_drug_words := {word |
	some id in object.keys(data.clinic.drugs)
	contains(_says_text, id)
	word := id
} | {phrase | some phrases in data.clinic.lay; some phrase in phrases; contains(_says_text, phrase)}

# ---- appointments
_visit_matter := {
	"appointment", "booking", "calendar", "check", "checkup", "consultation", "follow-up", "review", "slot", "visit",
	"blood test", "vaccination", "o'clock",
}

_held_free := "free|possible|slot|open|available|works|gap|space|room|taken|booked"

_about["appointments.book"] := object.union(_patient_it, {
	"acts": {
		"add", "arrange", "book", "find", "fit", "get", "give", "make", "need", "offer", "plan", "put", "reserve", "schedule",
		"see", "squeeze", "want", "rebook", "bring", "have", "take",
	},
	"matter": _visit_matter,
	"undoable": true,
	"handed": true,
	"held": _held_free,
	"tells": ["start"],
})

_right["appointments.book"] if {
	data.clinic.patient[_a.patient_id]
	data.clinic.clinicians[_a.clinician]
	_open_hours
}

# "At two" is 02:00 and 14:00: our hours say which.
_open_hours if {
	hour := substring(_a.start, 11, 5)
	hour >= "07:00"
	hour <= "20:00"
}

_values["appointments.book"] := {
	"clinician": _clinician,
	"day": _day,
	"time": _time,
	"minutes": _minutes,
	"reason": _text("reason"),
}

_about["appointments.move"] := {
	"acts": {
		"bring", "change", "come", "get", "make", "move", "postpone", "push", "put", "rebook", "reschedule", "shift", "swap",
		"take", "switch", "delay", "pull", "give",
	},
	"matter": _visit_matter,
	"undoable": true,
	"handed": true,
	"held": _held_free,
	"id": "appointment_id",
	"directory": _visits,
	"kinds": {"appointment", "visit"},
	"tells": ["start"],
}

_right["appointments.move"] if {
	_visit
	_open_hours
}

_values["appointments.move"] := {"day": _new_day, "time": _new_time}

_all["appointments.move"] if {
	count(_all_said) > 0
	_described_visit(_a.appointment_id)
}

_about["appointments.cancel"] := {
	"acts": {"call", "cancel", "clear", "delete", "drop", "remove", "scrap", "take", "free"},
	"matter": _visit_matter,
	"handed": true,
	"once": true,
	"id": "appointment_id",
	"directory": _visits,
	"kinds": {"appointment", "visit"},
}

_right["appointments.cancel"] if {
	_visit
	_fresh
}

_values["appointments.cancel"] := {"reason": _text("reason")}

_all["appointments.cancel"] if {
	count(_all_said) > 0
	_described_visit(_a.appointment_id)
}

# ---- rota.swap: managers look after the rota; others may swap their own days
_about["rota.swap"] := {
	"acts": {"change", "cover", "do", "give", "move", "put", "replace", "stand", "step", "swap", "switch", "take", "work", "trade"},
	"matter": ({"cover", "day", "duty", "rota", "shift", "swap"} | _weekdays),
	"undoable": true,
	"id": "date",
	"handed": false,
	"held": "free|available|off|not working|isn't working|rota|on duty",
}

_weekdays := {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "today", "tomorrow"}

_right["rota.swap"] if {
	data.clinic.staff[_a.from_staff]
	data.clinic.staff[_a.to_staff]
	_a.from_staff != _a.to_staff
	_may_swap
	_on_duty
}

_on_duty if not data.clinic.rota[_a.date]

_on_duty if data.clinic.rota[_a.date][_a.from_staff]

# A day that this task has given to somebody may be given on.
_on_duty if facts.has("told", _a.from_staff)

_may_swap if subject.has_claim("groups", "managers")

_may_swap if _me in {_a.from_staff, _a.to_staff}

_values["rota.swap"] := {"date": _rota_date}

# ---- messages: the receiver is the thing. That the request names the receiver confirms no word of the text.
_tell := {
	"answer", "apologise", "ask", "brief", "confirm", "drop", "email", "explain", "forward", "give", "inform", "invite", "let",
	"mail", "message", "notify", "pass", "ping", "remind", "reply", "respond", "say", "send", "sms", "tell", "text", "thank",
	"update", "warn", "write", "wish", "request",
}

_told_acts := clauses.telling | {
	"answer", "ask", "brief", "confirm", "email", "inform", "invite", "mail", "message", "notify", "ping", "remind", "sms",
	"tell", "text", "thank", "update", "warn", "write",
}

_about["staff.message"] := {
	"acts": _tell,
	"matter": {"know", "line", "message", "note", "word", "heads-up"},
	"kind": "message",
	"handed": true,
	"id": "to",
	"directory": data.clinic.staff,
}

_right["staff.message"] if {
	every to in _to {
		data.clinic.staff[to]
	}
}

_values["staff.message"] := {"text": _text("text")}

_about["mail.send"] := {
	"acts": _tell,
	"matter": {"email", "know", "letter", "line", "mail", "message", "reply", "word"},
	"kind": "message",
	"handed": true,
	"id": "subject",
	"directory": data.clinic.contacts,
}

_right["mail.send"] if {
	every to in _to {
		_known(to)
	}
	every attached in object.get(_a, "attachments", []) {
		startswith(attached, "D-")
	}
	_few_messages
}

_values["mail.send"] := {"subject": _text("subject"), "body": _text("body"), "attachments": _attachments, "way": _by_mail}

# Patients get open mail only where the request speaks of mail.
_by_mail := "said" if {
	count({to | some to in _to; data.clinic.patient_of[to]}) == 0
} else := "said" if {
	_clean
} else := "said" if {
	regex.match(`\b(e-?mails?|mails?|mailed|write|letter)\b|@`, _says_text)
} else := "other"

_about["sms.send"] := {
	"acts": _tell,
	"matter": {"know", "line", "message", "note", "reminder", "sms", "text", "word"},
	"kind": "message",
	"handed": true,
	"id": "patient_id",
	"directory": _patients,
}

_right["sms.send"] if {
	data.clinic.patient[_a.patient_id]
	_few_messages
}

_values["sms.send"] := {"text": _text("text")}

_about["portal.reply"] := {
	"acts": _tell,
	"matter": {"answer", "know", "line", "message", "portal", "reply", "word"},
	"kind": "message",
	"handed": true,
	"id": "message_id",
	"directory": _patients,
}

_right["portal.reply"] if facts.has("messages_read", _a.message_id)

_right["portal.reply"] if intent.mentions(_a.message_id)

_values["portal.reply"] := {"text": _text("text")}

# ---- referrals.create: letter and master data go at once
_about["referrals.create"] := object.union(_patient_it, {
	"acts": {"arrange", "ask", "book", "get", "make", "need", "refer", "request", "send", "write", "organise", "order"},
	"matter": ({"referral", "refer", "specialist", "scan", "x-ray", "letter", "opinion"} | {lower(name) |
		some names in data.clinic.clinics
		some name in names
	}),
	"handed": true,
	"once": true,
})

_right["referrals.create"] if {
	data.clinic.patient[_a.patient_id]
	data.clinic.clinics[_a.provider_id]
	every id in object.get(_a, "records", []) {
		_of_patient(id)
	}
	not facts.has("done", sprintf("referrals.create:%s", [_a.patient_id]))
}

# No record that the backend says is another patient's.
_of_patient(id) if count(_belonging(id) - {_a.patient_id}) == 0

_unusual if {
	_tool == "referrals.create"
	not data.clinic.clinicians[_me]
}

_values["referrals.create"] := {
	"provider": _provider,
	"urgency": _urgency,
	"letter": _text("letter"),
	"records": _records,
}

# ---------------------------------------------------------------- 4. What the request says of each value
_as_value := {"named": "said", "unclear": "none", "none": "none", "other": "other"}

# Of several patients each has its own part of the request: "Lucia at nine, Owen at ten".
_part := text if {
	count(entities.named(_it.directory, _it.kinds)) > 1
	text := scopes.of(_subject, _it.directory)
	text != ""
} else := input.task.statement

_visit := data.clinic.visit[_a.appointment_id]

# Whose it is.
_client := _a.patient_id if {
	_a.patient_id
} else := _visit.patient_id if {
	_visit
} else := _script.patient_id if {
	_script
} else := [client | some client in _belonging(_a.message_id)][0] if {
	_a.message_id
} else := [client | some client in _belonging(_a.record_id)][0] if {
	count(_belonging(_a.record_id)) > 0
} else := [client | some client in facts.elements("listed")][0] if {
	# Not read: then it can only be of the one patient whose records the task has listed.
	_a.record_id
	facts.size("listed") == 1
} else := [client | some client in facts.elements("listed"); client == data.clinic.patient_of[lower(_a.recipient)]][0] if {
	_a.record_id
	count(facts.elements("listed") - entities.named(_patients, {"patient"})) == 0
} else := [client | some client in facts.elements("listed")][0] if {
	_a.record_id
	count(facts.elements("listed") - entities.named(_patients, {"patient"})) == 0
} else := [client | some client in entities.named(data.clinic.patients, {"patient"})][0] if {
	intent.mentions(_a.record_id)
	count(entities.named(data.clinic.patients, {"patient"})) == 1
}

_belonging(id) := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
	parts[0] == id
}

# ---- records: which one. Chosen before any text of others was read, or named by its id; else the person looks.
_record_choice(id) := "said" if {
	_clean
} else := "other" if {
	# "Read it and release it": this one, and no other.
	facts.size("chosen") > 0
	not facts.has("chosen", id)
	count(_belonging(id)) == 0
	not intent.mentions(id)
	not _hands_over
	not regex.match(`\b(results|letters|records|reports|notes|consultations|tests|everything|all|both|too|also|as well)\b`, _says_text)
} else := "said" if {
	facts.has("chosen", id)
	count(_belonging(id)) > 0
} else := "said" if {
	intent.mentions(id)
} else := "none"

_records := "absent" if {
	count(object.get(_a, "records", [])) == 0
} else := "said" if {
	every id in _a.records {
		_record_choice(id) == "said"
	}
} else := "none"

_recipient := "said" if {
	_is_told(lower(_a.recipient), data.clinic.contacts)
} else := "said" if {
	intent.mentions(_a.recipient)
} else := "said" if {
	# "Send her a copy": her own.
	data.clinic.patient_of[lower(_a.recipient)] == _client
	_client in entities.told_by(_told_acts, _patients)
} else := "other" if {
	count(entities.told_by(_told_acts, data.clinic.contacts)) > 0
	not regex.match(`\b(them|they|over)\b`, _says_text)
} else := "other" if {
	count(entities.told_by(_told_acts, _patients)) > 0
	not regex.match(`\b(them|they|over)\b`, _says_text)
} else := _as_value[entities.meaning(lower(_a.recipient), data.clinic.contacts, set())]

# ---- medicines
_drug_id := lower(_a.drug)

_drugs := object.union({_drug_id: [_a.drug]}, data.clinic.drugs)

_drug_text := _part if {
	count(entities.named(_drugs, set())) > 0 with input.task.statement as _part
} else := input.task.statement

_recorded := {"dose": script.dose, "quantity": script.quantity, "repeats": script.repeats} if {
	some script in data.clinic.script
	script.patient_id == _a.patient_id
	lower(script.drug) == _drug_id
} else := {"dose": "", "quantity": 0, "repeats": 0}

_drugs_of(patient) := {lower(script.drug) |
	some script in data.clinic.script
	script.patient_id == patient
}

_drug_meaning := meaning if {
	meaning := entities.meaning(_drug_id, _drugs, set()) with input.task.statement as _drug_text
}

# What patients call it: "the water tablets".
_lay_drugs(text) := {id |
	some id, phrases in data.clinic.lay
	some phrase in phrases
	contains(lower(text), phrase)
}

# "Her usual tablets": the only ones that she has, or all of them.
_drug := "other" if {
	# "Stop the sertraline and start citalopram."
	regex.match(sprintf(`\b(stop|stopping|cancel|discontinue|withdraw|end|from|doesn't want|no longer wants)\b[^.,;]{0,30}\b%s\b`, [_drug_id]), _says_text)
	count(split(_says_text, _drug_id)) == 2
	count(entities.named(data.clinic.drugs, set())) > 1
} else := "said" if {
	_drug_meaning == "named"
} else := "said" if {
	_drug_meaning == "none"
	_lay_drugs(_drug_text) == {_drug_id}
} else := "other" if {
	_drug_meaning == "none"
	count(_lay_drugs(_drug_text)) > 0
} else := "other" if {
	# "Repeat her prescription": one that she has.
	_drug_meaning == "none"
	regex.match(`\b(repeat|renew|reissue|refill|as before|same|usual|again)\b`, _says_text)
	not _hands_over
	not _drug_id in _drugs_of(_a.patient_id)
} else := "said" if {
	_drug_meaning == "none"
	_drugs_of(_a.patient_id) == {_drug_id}
	_recorded.dose != ""
} else := "said" if {
	_drug_meaning == "none"
	_drug_id in _drugs_of(_a.patient_id)
	count(wishes.of_all(_it.acts, {"medication", "medicine", "prescription", "tablet", "repeat", "drug"})) > 0
} else := _as_value[_drug_meaning]

_dose := "other" if {
	_recorded.dose != ""
	lower(_a.dose) != lower(_recorded.dose)
	regex.match(`\b(same dose|same again|same as|as before|usual dose|unchanged)\b`, _says_text)
	not regex.match(`\b(double|halve|half|increase|reduce|raise|lower)\b`, _says_text)
	count(doses.strengths(_says_text)) == 0
} else := "other" if {
	# No dose is said, and there is one on record.
	_recorded.dose != ""
	lower(_a.dose) != lower(_recorded.dose)
	not _hands_over
	count(doses.strengths(_says_text) | doses.rates(_says_text)) == 0
	not regex.match(`\b(double|doubling|halve|half|increase|reduce|raise|lower|up|down|twice|stronger)\b`, _says_text)
} else := meaning if {
	meaning := doses.meaning({"name": "dose", "id": _drug_id, "directory": _drugs, "record": _recorded.dose}) with input.task.statement as _drug_text
}

_quantity := meaning if {
	meaning := doses.quantity_meaning({"name": "quantity", "id": _drug_id, "directory": _drugs, "record": _recorded.quantity}) with input.task.statement as _drug_text
	meaning != "none"
} else := "said" if {
	# "Renew her Ramipril": as it is on record, where the request says no number.
	_a.quantity == _recorded.quantity
} else := "none"

# Which of a patient's prescriptions.
_script_drug := "absent" if {
	not _script
} else := "other" if {
	# "Cancel the statin, and renew the ramipril."
	_tool == "prescriptions.cancel"
	regex.match(sprintf(`\b(renew|repeat|reissue|continue|keep|start)\b[^.,;]{0,30}\b%s\b`, [lower(_script.drug)]), _says_text)
	count(split(_says_text, lower(_script.drug))) == 2
	count(entities.named(data.clinic.drugs, set())) > 1
} else := "other" if {
	# The new prescription is meant, and not the old one.
	_tool == "prescriptions.send"
	facts.has("done", sprintf("issue:%s:%s", [_script.patient_id, lower(_script.drug)]))
	not intent.mentions(_a.prescription_id)
} else := "said" if {
	intent.mentions(_a.prescription_id)
} else := "said" if {
	_script_meaning == "named"
} else := "said" if {
	_script_meaning == "none"
	lower(_script.drug) in _lay_drugs(_part)
} else := "other" if {
	_script_meaning == "none"
	count(_lay_drugs(_part)) > 0
} else := "said" if {
	_script_meaning == "none"
	count(_drugs_of(_script.patient_id)) == 1
} else := "said" if {
	_script_meaning == "none"
	count(wishes.of_all(_it.acts, {"medication", "medicine", "prescription", "tablet", "drug"})) > 0
} else := _as_value[_script_meaning]

_script_meaning := meaning if {
	meaning := entities.meaning(lower(_script.drug), data.clinic.drugs, set()) with input.task.statement as _part
}

# The drug alone names the prescription, and the request names no patient.
_script_by_drug if {
	count(entities.named(data.clinic.patients, set())) == 0
	_a.prescription_id in entities.named(data.clinic.scripts, {"prescription"})
}

_script_by_drug if {
	count(entities.named(data.clinic.patients, set())) == 0
	count(entities.named(data.clinic.scripts, {"prescription"})) == 0
	lower(_script.drug) in _lay_drugs(_says_text)
}

_pharmacy := _as_value[entities.meaning(_a.pharmacy_id, data.clinic.pharmacies, set())]

# ---- dates and times
_day := meaning if {
	meaning := dates.meaning("start", _zone) with input.task.statement as _part with input.context.time as _now
	meaning == "said"
} else := "said" if {
	_free_choice
	dates.none_said
} else := meaning if {
	meaning := dates.meaning("start", _zone) with input.task.statement as _part with input.context.time as _now
}

_time := meaning if {
	meaning := times.meaning("start", _zone) with input.task.statement as _part
	meaning == "said"
} else := "said" if {
	_free_choice
	times.none_said
} else := "said" if {
	# "At the same time": as what is booked.
	regex.match(`\bsame (time|hour)\b`, _says_text)
	some visit in data.clinic.visit
	visit.patient_id == _a.patient_id
	substring(visit.start, 11, 5) == substring(_a.start, 11, 5)
} else := meaning if {
	meaning := times.meaning("start", _zone) with input.task.statement as _part
}

# "The first free slot": the agent has looked what is free.
_free_choice if {
	clinician := object.get(_a, "clinician", object.get(data.clinic.visit, [object.get(_a, "appointment_id", ""), "clinician"], ""))
	facts.has("free_seen", sprintf("%s|%s", [clinician, substring(_a.start, 0, 10)]))
	regex.match(`\b(free|first|earliest|next available|soonest|slot|slots|whenever|any ?time|as soon as|some ?time|gap|available|space|soon|fits)\b`, _says_text)
}

_minutes := "absent" if {
	arguments.absent("minutes")
} else := "said" if {
	_a.minutes in times.lengths
} else := "said" if {
	_a.minutes == 60
	regex.match(`\bdouble\b`, _says_text)
} else := "said" if {
	count(times.lengths) == 0
	_a.minutes == 30
} else := "other" if {
	count(times.lengths) > 0
} else := "none"

_shifted if {
	times.shifted("start", _visit.start) with input.task.statement as _part
}

# What it is moved to: the old day or time stays where the request says no other.
_new_day := "said" if {
	_shifted
} else := "said" if {
	days := dates.moved_to(_visit.start, _zone) with input.task.statement as _part with input.context.time as _now
	substring(_a.start, 0, 10) in days
} else := "said" if {
	some span in _spans
	day := substring(_a.start, 0, 10)
	day >= span[0]
	day <= span[1]
} else := "said" if {
	_free_choice
	dates.none_said
} else := "none" if {
	dates.none_said
} else := "other"

_spans := spans if {
	spans := dates.spans(_zone) with input.task.statement as _part with input.context.time as _now
}

_new_time := "said" if {
	_shifted
} else := "said" if {
	found := times.moved_to(_visit.start) with input.task.statement as _part
	substring(_a.start, 11, 5) in found
} else := "said" if {
	times.within_said(_a.start)
	count(times.shifts) == 0
} else := "said" if {
	_free_choice
	_only_old_time
} else := "none" if {
	_only_old_time
} else := "other"

# The times that the request says are those at which it is now: "she can't make tomorrow afternoon".
_only_old_time if times.none_said

_only_old_time if {
	count(times.shifts) == 0
	times.moved_to(_visit.start) == {substring(_visit.start, 11, 5)}
	count({part | some part in times.parts; not _in_part(part)}) == 0
}

_in_part(part) if {
	hour := substring(_visit.start, 11, 5)
	hour >= part[0]
	hour <= part[1]
}

# With whom: the named clinician, the patient's own, or the person herself.
_clinician := meaning if {
	meaning := _clinician_in with input.task.statement as _part
	meaning != "none"
} else := _clinician_in

_clinician_in := "other" if {
	regex.match(`\b(her|his|their|usual|own|registered) (usual |own )?(doctor|gp|clinician|physician)\b`, _says_text)
	data.clinic.doctor_of[_a.patient_id] != _a.clinician
	not _a.clinician in entities.named(data.clinic.staff, set())
} else := "said" if {
	_a.clinician in entities.named(data.clinic.staff, set())
} else := "other" if {
	count(_other_clinicians) > 0
} else := "other" if {
	_a.clinician in entities.ruled_out(_it.acts, data.clinic.staff, set())
} else := "said" if {
	_a.clinician == _me
} else := "said" if {
	data.clinic.doctor_of[_a.patient_id] == _a.clinician
} else := "none"

_other_clinicians := {id |
	some id in (entities.named(data.clinic.staff, set()) - entities.told_by(_told_acts, data.clinic.staff))
	data.clinic.clinicians[id]
}

# ---- "my patients tomorrow", "all of Dr Lind's appointments": our records say which ones these are
_all_said := (groups.described | wishes.of_all(_it.acts, {"appointment", "patient", "visit", "booking", "one"})) | {_says_text |
	regex.match(`\b(all|every|everyone|everybody|both|each|those|patients|appointments|everything|what i have|my (list|day|morning|afternoon|clinic|monday|tuesday|wednesday|thursday|friday))\b`, _says_text)
}

_described_visit(id) if {
	not _text_list
	visit := data.clinic.visit[id]
	count(entities.named(data.clinic.patients, set()) - entities.ruled_out(_it.acts, data.clinic.patients, set())) == 0
	_day_fits(visit)
	_part_fits(visit)
	_whose_fits(visit)
	_narrowed
	not visit.patient_id in entities.ruled_out(_it.acts, data.clinic.patients, set())
}

_text_list if {
	_hands_over
	not regex.match(`\b(my|his|her|their|rosa's|lind's|okafor's|gabriel's) (list|calendar|clinic)\b`, _says_text)
}

# A day, or a clinician: "all patients" alone means too many.
_narrowed if not dates.none_said

_narrowed if count(_clinicians_said) > 0

_day_fits(_) if dates.none_said

_day_fits(visit) if {
	dates.within_said(visit.start, _zone) with input.context.time as _now
}

_part_fits(_) if count(times.parts) == 0

_part_fits(visit) if times.within_said(visit.start)

_whose_fits(visit) if visit.clinician in _clinicians_said

_whose_fits(_) if count(_clinicians_said) == 0

_clinicians_said := _owning if {
	count(_owning) > 0
} else := {id | some id in _staff_named; data.clinic.clinicians[id]} | {_me |
	data.clinic.clinicians[_me]
	regex.match(`\b(my|mine|i'm|i am|i)\b`, _says_text)
	count({id | some id in _staff_named; data.clinic.clinicians[id]}) == 0
}

# "Rosa is ill", "Dr Lind's patients": of two colleagues the one whose they are.
_owning := {id |
	some id in _staff_named
	data.clinic.clinicians[id]
	some name in data.clinic.staff[id]
	some word in {name, split(name, " ")[0], split(name, " ")[1]}
	not word in {"Dr", "Doctor", "Nurse"}
	regex.match(sprintf(`\b%s('s|s'| is| has| can't| cannot| isn't|'ll| will)\b`, [lower(word)]), _says_text)
}

# ---- the rota
_rota_thing := "other" if {
	"other" in {_swapped(_a.from_staff), _swapped(_a.to_staff)}
} else := "none" if {
	"none" in {_swapped(_a.from_staff), _swapped(_a.to_staff)}
} else := "named"

_swapped(username) := "said" if {
	username == _me
	regex.match(`\b(i|i'm|i'll|i've|me|my|mine|myself)\b`, _says_text)
} else := "said" if {
	some name in data.clinic.staff[username]
	some word in {name, split(name, " ")[0], split(name, " ")[1]}
	not word in {"Dr", "Doctor", "Nurse", "Mrs", "the", "our", "practice", "billing"}
	regex.match(sprintf(`\b%s\b`, [lower(word)]), _says_text)
} else := "none" if {
	count(_staff_named - {_me}) == 0
} else := "other"

_rota_date := meaning if {
	meaning := dates.meaning("date", _zone) with input.context.time as _now
}

# ---- contact data: said, or filled up from the record that it changes; by a message of this patient it is asked
_field(name) := "absent" if {
	arguments.absent(name)
} else := "said" if {
	texts.plain_text(_a[name], {data.clinic.patient[_a.patient_id][name]}, 0) with input.task.statement as _part
	_a[name] != data.clinic.patient[_a.patient_id][name]
} else := "none" if {
	_vouched
	not _field_said(name)
} else := "none" if {
	_hands_over
	not _field_said(name)
} else := "none" if {
	_client in _read_owners
	not _field_said(name)
} else := "none" if {
	# "Her number is wrong": the request speaks of it and doesn't say it.
	_field_spoken(name)
	not _field_said(name)
} else := "other"

_field_spoken("phone") if regex.match(`\b(number|phone|mobile|telephone|cell)\b`, _says_text)

_field_spoken("email") if regex.match(`\b(e-?mail|mail address)\b`, _says_text)

_field_spoken("address") if regex.match(`\b(address|moved|moving|lives)\b`, _says_text)

_read_owners := {client | some id in facts.elements("messages_read"); some client in _belonging(id)}

_field_said("phone") if regex.match(`[0-9][0-9 ]{6,}`, _says_text)

_field_said("email") if contains(_says_text, "@")

_field_said("address") if regex.match(`\b[0-9]+ [a-z]+ (street|road|lane|close|way|avenue|view|court|drive|row)\b`, _says_text)

# ---- referrals
_provider := _as_value[entities.meaning(_a.provider_id, data.clinic.clinics, set())]

_urgency := choices.meaning({
	"name": "urgency",
	"options": {
		"urgent": {"urgent", "urgently", "asap", "at once", "immediately", "emergency", "soon", "quickly", "this week", "priority"},
		"routine": {"routine", "normal", "no hurry", "no rush", "not urgent", "nothing urgent", "non-urgent"},
	},
	"default": "routine",
})

# ---- receivers
_to := {_a.patient_id} if {
	_tool == "sms.send"
} else := {lower(to) | some to in outbound.recipients({"to", "cc"})}

_receivers := "other" if {
	_only_me
	not _to == {_me}
} else := _portal_receiver if {
	_tool == "portal.reply"
} else := "named" if {
	every to in _to {
		_is_told(to, _it.directory)
	}
} else := "unclear" if {
	groups.unnamed_told
	_tool == "staff.message"
} else := "unclear" if {
	# "Do what message 7 asks": an answer to its author may be wanted.
	_hands_over
	every to in _to {
		_reader(to) in _owners
	}
} else := "unclear" if {
	# "Write back to them": to a provider or office of our directory, if the request names none.
	_tool == "mail.send"
	regex.match(`\b(back|reply|answer|respond|them|they|hospital|whoever|sender)\b`, _says_text)
	count(entities.named(data.clinic.contacts, set())) == 0
	count(entities.told(data.clinic.contacts)) == 0
} else := "unclear" if {
	every to in _to {
		entities.meaning(to, _it.directory, set()) in {"named", "unclear"}
	}
	not _others_told
} else := "other"

# "Tell me what they want."
_only_me if {
	regex.match(`\b(tell|let|show|give|send|remind|inform|brief) (me|us)\b`, _says_text)
	not regex.match(`\b(answer|reply|respond|back to|write|text|mail (him|her|them)|message (him|her|them)|forward|and (tell|let|inform|notify|send))\b`, _says_text)
	count(entities.told_by(_told_acts, data.clinic.staff) - {_me}) == 0
	count(entities.told_by(_told_acts, data.clinic.contacts)) == 0
	count(entities.told_by(_told_acts, _patients)) == 0
	count(groups.told(data.clinic.groups, data.clinic.staff)) == 0
	not regex.match(`\b(deal|do (what|as|it|that|whatever)|handle|work|take care|sort|action|see to)\b`, _says_text)
}

# "Tell Rosa that Yusuf comes early" tells Yusuf nothing.
_others_told if {
	_tool != "staff.message"
	count((entities.told_by(_told_acts, data.clinic.staff) | groups.told(data.clinic.groups, data.clinic.staff)) - {_me}) > 0
	not regex.match(`\b(tell|let|text|mail|inform|message|remind|answer|reply to|write|ask)\b.{0,20}\b(her|him|them|patients?|back|both)\b`, _says_text)
}

_is_told(to, directory) if to in entities.told_by(_told_acts, directory)

_is_told(to, _) if to in groups.told(data.clinic.groups, data.clinic.staff)

_is_told(to, _) if to in _myself

_is_told(to, _) if to in relations.told({"doctor", "gp", "physician", "clinician", "nurse"}, _patients, data.clinic.doctor_of)

_is_told(to, _) if to in relations.told({"daughter"}, _patients, data.clinic.daughter_of)

_is_told(to, _) if to in relations.told({"mother", "mum", "mom", "parent"}, _patients, data.clinic.mother_of)

_is_told(to, _) if {
	data.clinic.patient[to]
	data.clinic.patient[to].email in relations.told({"mother", "mum", "mom", "parent"}, _patients, data.clinic.mother_of)
}

# "Mail the cleaners", "text Mrs Vale": the name right behind the verb.
_is_told(to, directory) if {
	some name in directory[to]
	some act in {"answer", "apologise to", "apologize to", "apologise", "sorry to", "get back to", "ask", "drop", "email", "inform", "let", "mail", "message", "notify", "ping", "remind", "text", "tell", "thank", "warn", "write to", "reply to", "write", "back to"}
	some form in {"%s %s", "%s the %s", "%s our %s", "%s to %s"}
	regex.match(sprintf("\\b%s\\b", [lower(sprintf(form, [act, trim_prefix(name, "the ")]))]), _says_text)
	not to in entities.ruled_out(_told_acts, directory, set())
	not wishes.only_reads
}

# "Medilab want to know whether she was fasting. Mail them": the only office that the request names.
_is_told(to, _) if {
	_tool == "mail.send"
	not wishes.only_reads
	regex.match(`\b(mail|write|email|answer|reply|tell|ask|inform|let) (to )?(them|back)\b`, _says_text)
	{id |
		some id in entities.named(data.clinic.contacts, set())
		not data.clinic.patient_of[id]
		not endswith(id, "@marshlane.example")
	} == {to}
}

# "Harriet and Owen need reminding, text them."
_is_told(to, _) if {
	_tool == "sms.send"
	to in entities.named(_patients, {"patient"})
	regex.match(`\b(text|message|sms|remind) (them|both|all|each)\b`, _says_text)
	not wishes.only_reads
}

# "Tell both of them", "let them know": colleagues whom the request names.
_is_told(to, _) if {
	_tool == "staff.message"
	groups.unnamed_told
	_swapped(to) == "said"
}

# "Text my patients of tomorrow": our records say who these are.
_is_told(to, _) if {
	data.clinic.patient[to]
	some id, visit in data.clinic.visit
	visit.patient_id == to
	count(_all_said) > 0
	_described_visit(id)
}

# "Move my ten o'clock and let the patient know": for whom this task did what the request orders.
_is_told(to, _) if {
	some patient in facts.elements("for")
	to in {patient, data.clinic.patient[patient].email}
	regex.match(`\b(let|tell|text|inform|message|notify)\b.{0,12}\b(the patients?|them|her|him|both|everyone|each)\b`, _says_text)
	count(entities.named(data.clinic.patients, set())) == 0
}

# "Answer message 7": its author, as the backend signed.
_is_told(to, _) if {
	wording.asks_for_form({"answer", "reply", "respond"})
	some message in _followed
	_reader(to) in _belonging(message)
}

# The address stands in the request.
_is_told(to, _) if {
	contains(to, "@")
	intent.mentions(to)
}

_portal_receiver := "named" if {
	_a.message_id in entities.ids("M", {"message", "mail"})
} else := "other" if {
	count(entities.ids("M", {"message"})) > 0
	not _client in _read_named
} else := "named" if {
	_client in _read_named
} else := "other" if {
	_client
	count(entities.named(data.clinic.patients, set())) > 0
} else := "named" if {
	_client
	wording.asks_for_form({"answer", "reply", "respond", "write"})
	facts.elements("messages_read") == {_a.message_id}
} else := "unclear"

_read_named := entities.told_by(_told_acts, _patients) | (entities.named(_patients, {"patient"}) & _read_owners)

# The patient whom an address belongs to, or whose id it is.
_reader(to) := object.get(data.clinic.patient_of, to, object.get(data.clinic.relatives, to, to))

_myself := {_me, data.clinic.mail[_me]}

_known(to) if data.clinic.contacts[to]

_known(to) if intent.mentions(to)

_attachments := "absent" if {
	count(object.get(_a, "attachments", [])) == 0
} else := "said" if {
	every attached in _a.attachments {
		intent.mentions(attached)
	}
} else := "none" if {
	regex.match(`\b(attach|attached|attachment|document|protocol|list|minutes|circular|plan|copy|form|leaflet|it)\b`, _says_text)
} else := "other"

# ---- texts: confirmed by the request's words, what this reader may know, and courtesy
_text(name) := "other" if {
	count(texts.mentions(name, data.clinic.confidential)) > 0
	_reads_outside
} else := "other" if {
	# A relative may be told of appointments, and of nothing else.
	_relative
	regex.match(`\b(mg|tablets?|dose|medication|medicine|prescri\w+|results?|diagnos\w+|allerg\w+|lab|record|treatment)\b`, lower(_a[name]))
} else := "other" if {
	_relative
	_names_drug(lower(_a[name]))
} else := "other" if {
	# A drug of which the request doesn't speak, in the words of somebody else's text.
	not _clean
	not _reports
	_tool != "referrals.create"
	_strange_drug(lower(_a[name]))
} else := _confirmed_by(name)

_names_drug(text) if {
	some id in object.keys(data.clinic.drugs)
	contains(text, id)
}

_strange_drug(text) if {
	some id in object.keys(data.clinic.drugs)
	regex.match(sprintf(`\b%s`, [id]), text)
	not contains(_says_text, id)
	not id in _lay_drugs(_says_text)
}

_confirmed_by(name) := meaning if {
	meaning := messages.meaning(_message(name)) with input.context.time as _now
}

_message(name) := {
	"name": name,
	"own": _own,
	"people": data.clinic.people_of,
	"about": _mentionable,
	"clean": _clean,
	"private": _private,
	"words": _further_words,
	"asks": _asks,
	"refuses": _refuses,
}

# How many words of no weight a text may have beside the confirmed ones.
_further_words := 1

# "Let Mary have the names on the list": within the house a text may name them, and the person sees it.
_mentionable := object.keys(data.clinic.patients) if {
	_tool == "staff.message"
	regex.match(`\b(who|which|names?|list|patients|whoever|everyone)\b`, _says_text)
} else := _of_whom

_reads_outside if _tool in {"mail.send", "records.share", "referrals.create"}

_reads_inside if _tool in {"staff.message", "records.add_note"}

# A letter between colleagues orders and tells doses. Staff are told what a text wants where the request says so.
_asks := {"orders", "doses", "grants", "amounts", "matters"} if {
	_tool in {"referrals.create"}
} else := {"orders", "doses", "grants", "amounts"} if {
	_reads_inside
	_reports
} else := {"orders"} if {
	_reads_outside
	_hands_over
} else := set()

_reports if _hands_over

_reports if regex.match(`\b(what|when|which|how|summari[sz]e|summary|sum up|gist|content|according|pass \w+ on|pass on|relay|forward)\b`, _says_text)

_refuses := {"names", "numbers"} if {
	_relative
} else := set()

_relative if {
	_tool == "mail.send"
	some to in _to
	data.clinic.relatives[to]
}

default _private := false

_private if _relative

_private if {
	not _reads_inside
	count(_strays_now) > 0
}

# Patients of whom the task has read something, though the request doesn't speak of them.
_strays_now := facts.elements("strays") | {patient |
	count(_concerned) > 0
	some pair in facts.elements("belongs")
	patient := split(pair, ":")[1]
	not patient in _concerned
}

_concerned := (entities.named(_patients, {"patient"}) | _spoken_owners) | facts.elements("for")

_of_whom := {_client} if {
	_client
	not _reads_inside
} else := (_concerned | {_client | _client}) | _day_patients if {
	_reads_inside
} else := _receiving if {
	count(_receiving) > 0
} else := _concerned

# Colleagues may hear who comes on the day of which the request speaks.
_day_patients := {visit.patient_id |
	some visit in data.clinic.visit
	not dates.none_said
	_day_fits(visit)
}

_receiving := {_reader(to) | some to in _to; data.clinic.patient[_reader(to)]}

_own := ((({text | some text in data.clinic.house} | {input.subject.claims.name}) | facts.elements("told")) | (_said_days | times.said)) | ({text |
	some id in _of_whom
	some text in _known_of(id)
} | _readers)

_said_days := days if {
	days := dates.said(_zone) with input.context.time as _now
}

_usual_reasons := {"not available", "unavailable", "cancelled", "can't come", "can't make it", "moved", "as requested"} if {
	_tool == "appointments.cancel"
} else := set()

_readers := _usual_reasons | _reader_names

_reader_names := {text | some names in data.clinic.staff; some text in names} | ({text |
	some to in _to
	some text in data.clinic.contacts[to]
	not data.clinic.patient_of[to]
} | {text | some text in data.clinic.staff[_me]})

_known_of(id) := names if {
	_relative
	names := ({"your father", "your dad", "your mother"} | {name | some name in data.clinic.patients[id]}) | messages.asked_for({
		"day date when appointment visit": {visit.start | some visit in data.clinic.visit; visit.patient_id == id},
		"time when appointment visit": {visit.start | some visit in data.clinic.visit; visit.patient_id == id},
	})
} else := known if {
	_tool in {"mail.send", "records.share"}
	known := {text | some text in data.clinic.record[id]} | _visit_texts(id)
} else := ({text | some text in data.clinic.record[id]} | {text | some text in data.clinic.clinical[id]}) | (({data.clinic.patient[id].phone, data.clinic.patient[id].email, data.clinic.patient[id].address, data.clinic.patient[id].born} | _visit_texts(id)) | {text |
	some script in data.clinic.script
	script.patient_id == id
	some text in {script.drug, script.dose, sprintf("%d tablets", [script.quantity])}
})

_visit_texts(id) := {text |
	some visit in data.clinic.visit
	visit.patient_id == id
	some text in {visit.start, data.clinic.staff[visit.clinician][0], data.clinic.staff[visit.clinician][1]}
}
