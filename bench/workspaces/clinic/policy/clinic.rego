# METADATA
# title: The clinic's assistant
# description: |
#   Reading is allowed. A task is clean until it may have read text of people outside. While it is clean, the assistant
#   does what the request asks for. Then each act needs an order of the request, and each patient, recipient, time, drug
#   and text has to come from the request, from our records, or from what the task did before. What the request may
#   mean is asked; what it can't mean isn't granted.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.arguments
import data.tabard.lib.budgets
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.intent
import data.tabard.lib.outbound
import data.tabard.lib.quantities
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.tools
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://clinic.example"

_questions := 8

start contains {"code": "clinic", "limits": {
	"audiences": [_backend],
	"scopes": ["read", "write"],
	"tools": ["*"],
	"budgets": {"messages": 10, "prescriptions": 5, "questions": _questions},
	"ttl_seconds": 3600,
}} if {
	intent.trusted
	intent.purpose_is("clinic")
	data.staff[_me]
}

# ---------------------------------------------------------------------------------------------------------- the person

_me := input.subject.claims.username

_in(group) if subject.has_claim("groups", group)

_physician if _in("physicians")

_clinician if _in("clinicians")

_nurse if {
	_in("clinicians")
	not _in("physicians")
}

_desk if _in("front_desk")

_manager if _in("managers")

# ------------------------------------------------------------------------------------------------------------- reading

_read_credential := credentials.once(_backend, ["read"], 60)

_write_credential := credentials.once(_backend, ["write"], 60)

# Text of people outside may be in what this call returns.
_texts_of_others if input.tool.name in {"inbox.list", "inbox.read", "records.read", "documents.list", "documents.read"}

_texts_of_others if {
	input.tool.name == "appointments.list"
	not _only_our_appointments
}

# Patients wrote the reasons of the appointments that were booked online; our calendar knows which.
_only_our_appointments if {
	count(input.tool.arguments) > 0
	facts.size("slots") == 0
	count([id |
		some id, entry in data.appointments
		entry.by != "staff"
		object.get(input.tool.arguments, "patient_id", entry.patient_id) == entry.patient_id
		object.get(input.tool.arguments, "clinician", entry.clinician) == entry.clinician
		object.get(input.tool.arguments, "date", _day(entry.start)) == _day(entry.start)
	]) == 0
}

_clean if facts.value("texts_read") == 0

grant contains {"code": "read", "credential": _read_credential} if {
	tools.read_only
	not _texts_of_others
}

grant contains {"code": "read_texts", "credential": _read_credential, "facts": {"texts_read": 1}, "notes": ["belongs"]} if {
	_texts_of_others
	input.tool.name in {"inbox.read", "records.read"}
}

grant contains {"code": "read_texts", "credential": _read_credential, "facts": {"texts_read": 1}} if {
	_texts_of_others
	not input.tool.name in {"inbox.read", "records.read"}
}

# Choices that no stranger's text can have made.
grant contains {"code": "chosen", "credential": _read_credential, "facts": {"patients_chosen": {input.tool.arguments.patient_id}}} if {
	input.tool.name in {"patients.get", "records.list", "medications.list", "appointments.list"}
	_clean
}

grant contains {"code": "chosen", "credential": _read_credential, "facts": {"texts_chosen": {input.tool.arguments.record_id}}} if {
	input.tool.name == "records.read"
	_clean
}

grant contains {"code": "chosen", "credential": _read_credential, "facts": {"texts_chosen": {input.tool.arguments.message_id}}} if {
	input.tool.name == "inbox.read"
	_clean
}

# Front desk and billing read records where the request speaks of such a text.
ask contains _ask("record_without_need", "The assistant wants to read a patient's record, and your request doesn't speak of one.") if {
	input.tool.name == "records.read"
	not _clinician
	not _speaks_of_records
	not intent.mentions(input.tool.arguments.record_id)
}

_speaks_of_records if {
	some word in wording.words
	wording.singular(word) in {
		"letter", "record", "note", "report", "result", "referral", "certificate", "invoice", "form", "fax", "file",
		"lab", "insurer", "insurance", "hospital", "read", "document", "copy", "chart", "notes", "consultation", "test",
		"discharge", "summary", "scan", "bloods", "blood", "x-ray", "mri", "ecg", "statement", "bill",
	}
}

# ---------------------------------------------------------------------------------------------------------- composition

grant contains {"code": "sure", "credential": _write_credential, "charges": {"messages": _messages, "prescriptions": _new_drugs}, "facts": {"slots": _slot}, "notes": ["made"]} if {
	_sure[input.tool.name]
}

grant contains {"code": "maybe", "credential": _write_credential, "charges": {"messages": _messages, "prescriptions": _new_drugs, "questions": 1}, "facts": {"slots": _slot}, "notes": ["made"]} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains _ask("not_in_request", "Your request doesn't say this as it stands here: what, whom, when, how much, or in which words.") if _asked

_asked if {
	_maybe[input.tool.name]
	not _sure[input.tool.name]
}

_ask(code, reason) := {"approvers": ["requester"], "code": code, "reason": reason, "ttl_seconds": 900, "uses": 1}

default _messages := 0

_messages := 1 if input.tool.name == "sms.send"

_messages := count(_recipients) if input.tool.name == "mail.send"

default _new_drugs := 0

_new_drugs := 1 if input.tool.name == "prescriptions.issue"

_slot := {start | start := input.tool.arguments.start}

# ------------------------------------------------------------------------------------------------------ acts of requests

_tell := {
	"advise", "answer", "apologise", "apologize", "ask", "confirm", "contact", "explain", "give", "inform", "invite", "let",
	"message", "notify", "pass", "ping", "remind", "reply", "reassure", "report", "respond", "say", "send", "tell", "thank",
	"update", "warn", "write", "drop", "acknowledge", "alert", "request", "brief", "wish", "offer",
}

_acts := {
	"appointments.book": {
		"add", "arrange", "book", "fit", "get", "give", "make", "need", "put", "rebook",
		"reserve", "schedule", "set", "squeeze", "slot", "plan", "enter", "invite", "pencil",
	},
	"appointments.cancel": {
		"call", "cancel", "clear", "delete", "drop", "free", "remove", "scrap", "scratch", "strike",
		"take", "undo", "withdraw",
	},
	"appointments.move": {
		"bring", "change", "delay", "exchange", "fit", "get", "move", "postpone", "pull", "push", "put", "rebook", "reschedule", "set", "shift",
		"slide", "swap", "switch", "rearrange", "bump", "make", "give", "adjust", "advance", "defer", "update",
	},
	"mail.send": (_tell | {"email", "e-mail", "mail", "forward", "order", "decline", "accept", "cancel", "book", "chase", "share"}),
	"patients.update_contact": {
		"add", "amend", "change", "correct", "enter", "fix", "note", "put", "record", "replace", "save", "set", "update", "use", "store", "edit", "take", "make",
	},
	"portal.reply": _tell,
	"prescriptions.cancel": {
		"adjust", "cancel", "change", "decrease", "delete", "discontinue", "double", "drop", "end", "halve", "increase", "lower", "put",
		"raise", "reduce", "remove", "replace", "stop", "swap", "switch", "take", "withdraw", "up", "titrate",
	},
	"prescriptions.issue": {
		"adjust", "change", "decrease", "do", "double", "extend", "get", "give", "halve", "increase", "issue", "lower", "make", "need", "order",
		"prescribe", "put", "raise", "reduce", "reissue", "re-issue", "refill", "renew", "repeat", "replace", "start", "swap", "switch", "write", "up", "titrate",
		"add", "continue", "re-prescribe", "script", "top",
	},
	"prescriptions.send": {
		"fax", "forward", "get", "give", "have", "let", "pass", "put", "send", "submit", "transmit", "transfer", "route", "direct",
	},
	"records.add_note": {
		"add", "document", "enter", "file", "jot", "log", "make", "mention", "note", "put", "record", "register", "summarise", "summarize", "write", "leave", "take", "save", "append",
	},
	"records.release": {
		"give", "let", "make", "open", "post", "publish", "put", "release", "send", "share", "show", "tell", "unlock", "upload",
	},
	"records.share": {
		"copy", "email", "fax", "forward", "get", "give", "let", "mail", "pass", "provide", "send", "share", "supply", "transmit", "transfer",
	},
	"referrals.create": {
		"arrange", "book", "create", "get", "make", "organise", "organize", "refer", "send", "write", "do", "put", "request", "start",
	},
	"rota.swap": {
		"change", "cover", "exchange", "fill", "have", "let", "move", "put", "replace", "stand", "swap", "switch", "take", "trade", "work", "give", "enter", "make", "update", "set", "step", "do", "assign",
	},
	"sms.send": (_tell | {"sms", "text"}),
	"staff.message": (_tell | {"forward", "hand", "share", "instruct", "prompt", "email", "mail"}),
}

# Acts that order nothing unless a tool is meant by them.
_all_acts := union({acts | some acts in _acts}) - {"summarise", "summarize", "find", "see", "report", "ask", "say"}

_my_acts := _acts[input.tool.name]

# A clause or a wish of the request orders it.
_ordered if count(_may_clauses) > 0

# It tells something to those to whom the message goes.
_ordered if {
	input.tool.name == "staff.message"
	count(_staff_to - entities.told(data.staff_names)) == 0
}

_ordered if {
	input.tool.name == "sms.send"
	input.tool.arguments.patient_id in entities.told(data.patient_names)
}

_ordered if {
	input.tool.name == "staff.message"
	count(_staff_to - (_staff_named | _staff_of_groups)) == 0
	_tells_somebody
}

_ordered if {
	input.tool.name in {"portal.reply", "sms.send"}
	count(_named) == 1
	_tells_somebody
}

_ordered if {
	input.tool.name in {"appointments.book", "appointments.move"}
	regex.match(`\bfind\b[^.?!]*\b(slot|something|time|appointment|gap|place)\b`, _statement)
}

_ordered if {
	input.tool.name == "mail.send"
	count(_recipients - _mail_told) == 0
}

# Verbs that mean one thing here, wherever they stand.
_ordered if {
	wording.asks_for_form(_plain_verbs[input.tool.name])
	not wording.refers_to_instructions
	not _forbidden
	not _only_questions
	_orders_something
}

_plain_verbs := {
	"records.release": {"release"},
	"referrals.create": {"refer"},
	"appointments.move": {"reschedule", "postpone"},
	"prescriptions.issue": {"prescribe", "reissue", "renew"},
}

# The request orders something for this patient, in words that we don't know.
_loosely if {
	input.tool.name in {"appointments.book", "appointments.move", "portal.reply", "records.add_note", "sms.send"}
	some patient in (_author | {_owner})
	patient in _named
	_speaks_of_it
	_orders_something
}

_tells_somebody if {
	wording.asks_for_form({"tell", "inform", "message", "notify", "let", "brief", "warn", "remind", "answer", "reply", "text", "respond"})
	not wording.refers_to_instructions
	_orders_something
}

_may_clauses := {clause | some clause in wishes.may(_my_acts); not _for_me(clause)}

# "Give me", "send me": an answer, and nothing to anybody.
_for_me(clause) if regex.match(`^(please )?(can you |could you )?(give|get|show|send|tell|let|make|write|find|bring|update|brief|pass|read|report to|remind) (me|us)\b`, clause)

# The request uses a word for it, or hands it over to a text, and orders something at all.
_loosely if {
	_ordered
	_speaks_of_it
}

_loosely if {
	wording.asks_for_form(_my_acts)
	not wording.refers_to_instructions
	_orders_something
	_speaks_of_it
}

# Where an act has an every-day verb, the request has to speak of such a thing as well.
_speaks_of_it if not _things[input.tool.name]

_speaks_of_it if {
	some word in wording.words
	wording.singular(word) in _things[input.tool.name]
}

_speaks_of_it if {
	startswith(input.tool.name, "prescriptions.")
	count(_drugs_named | _pharmacy_named) > 0
}

_speaks_of_it if {
	input.tool.name == "prescriptions.issue"
	intent.mentions(split(input.tool.arguments.drug, " ")[0])
}

_speaks_of_it if {
	input.tool.name in {"records.share", "referrals.create"}
	count(_providers_named) > 0
}

_speaks_of_it if {
	input.tool.name == "rota.swap"
	count(_staff_named) > 0
}

_drug_words := {
	"medication", "medicine", "prescription", "repeat", "med", "tablet", "pill", "drug", "script", "inhaler", "refill", "dose", "dosage", "mg", "pharmacy", "chemist", "prescribe", "tablets", "capsule", "puff", "course",
	"antibiotic", "cream", "drops", "spray", "injection", "treatment", "renew", "reissue", "mcg", "ml", "rx", "statin", "insulin",
}

_things := {
	"prescriptions.cancel": _drug_words,
	"prescriptions.issue": _drug_words,
	"prescriptions.send": _drug_words,
	"records.add_note": {"note", "record", "file", "chart", "document", "down", "log", "history", "entry", "jot", "summary", "summarise", "summarize", "register", "notes"},
	"records.release": {"result", "letter", "record", "portal", "report", "lab", "blood", "test", "release", "ecg", "scan", "x-ray", "visible", "publish", "value", "it", "bloods", "swab", "copy"},
	"records.share": {"result", "letter", "record", "report", "lab", "blood", "test", "ecg", "scan", "x-ray", "copy", "share", "discharge", "consultation", "summary", "bloods", "file", "document", "mri", "it"},
	"referrals.create": {"refer", "referral", "hospital", "specialist", "cardiology", "dermatology", "physio", "physiotherapy", "radiology", "maternity", "scan", "x-ray", "referred", "referring", "ultrasound"},
	"rota.swap": {"rota", "shift", "swap", "cover", "day", "duty", "roster", "stand", "work", "schedule"},
}

_loosely if {
	_hands_over
	_orders_something
}

_loosely if _weakly

# "Miriam Katz, Thursday 10:00, Dr Lind": nobody else has spoken yet.
_loosely if {
	_clean
	_orders_something
	_speaks_of_it
}

_loosely if {
	input.tool.name == "prescriptions.issue"
	_drug_said
	count(_strengths_said) > 0
	_orders_something
}

# "Don't book it yet".
_forbidden if {
	some act in exclusions.forbidden
	count(act.acts & _my_acts) > 0
}

# Words that mean this act together with another: to rebook is to cancel and to book.
_weakly if {
	wording.asks_for_form(_weak_acts[input.tool.name])
	not wording.refers_to_instructions
	_orders_something
	_weak_holds
}

_weak_holds if input.tool.name != "appointments.cancel"

_weak_holds if count(_staff_named) > 0

_weak_holds if _clean

_weak_acts := {
	"appointments.book": {"move", "reschedule", "switch", "transfer", "change", "swap", "bring", "wants", "needs", "come", "comes", "follow-up", "in"},
	"appointments.cancel": {"move", "reschedule", "rebook", "switch", "transfer", "change", "take", "swap"},
	"appointments.move": {"instead", "later", "earlier", "come", "at", "to", "find", "can", "cannot", "t"},
	"prescriptions.send": {"pharmacy", "chemist"},
	"prescriptions.issue": {"another", "more", "prescription", "supply", "again", "same", "out"},
	"rota.swap": {"takes", "covers", "works", "for", "shift", "shifts", "instead"},
	"records.add_note": {"note", "notes"},
	"referrals.create": {"referral"},
	"portal.reply": {"portal"},
	"sms.send": {"text", "sms"},
	"mail.send": {"mail", "email"},
}

# The request leaves it to a text or a person.
_hands_over if wording.hands_over

_hands_over if regex.match(_leaves, _statement)

_leaves := `\b(handle|deal with|sort out|sort it|see to|work off|process|take care of|attend to|act on|action|do what|do as|do whatever|do everything|follow (the|his|her|their|what|dr|it)|carry out|whatever (she|he|they))\b`

# Something else than reading is asked for.
_orders_something if count([clause | some clause in wishes.may(_all_acts); not _for_me(clause)]) > 0

_orders_something if {
	some part in regex.split(`[.!;,\n]+|\?|\band\b|\bthen\b`, _statement)
	regex.match(_leaves, part)
	not regex.match(_reads, trim_space(part))
}

_orders_something if {
	some sentence in regex.split(`[.!;\n]+|\?`, _statement)
	text := trim_space(sentence)
	count(text) > 2
	not regex.match(_reads, text)
	not _only_questions
}

_reads := `^(please |can you |could you |and |then |also |quickly )*(read|show|list|find|look|sum|summarise|summarize|check|tell me|tell us|what|who|which|when|where|how|why|is|are|does|do i|do we|did|has|have|was|were|give me|search|get me|see if|see what|see whether|compare|prepare|count|any|i need to know|i want to know|let me know|let me see|remind me|find out|go through|bring me|has|i'd like to know|brief me)\b`

_only_questions if {
	endswith(trim_space(input.task.statement), "?")
	not regex.match(`^\s*(can|could|may|would|will) `, _statement)
}

# ------------------------------------------------------------------------------------------------------------ patients

_named := entities.named(data.patient_names, {"patient"})

_ruled_out := entities.ruled_out(_my_acts, data.patient_names, {"patient"})

# Patients whose appointment or prescription the request names by its id.
_by_id contains data.appointments[id].patient_id if {
	some id in object.keys(data.appointments)
	intent.mentions(id)
}

_by_id contains data.prescriptions[id].patient_id if {
	some id in object.keys(data.prescriptions)
	intent.mentions(id)
}

_by_id contains pair[1] if {
	some item in input.task.facts.belongs
	pair := split(item, ":")
	intent.mentions(pair[0])
}

# Patients of an appointment that the request describes: "the ten o'clock", "all of Dr Lind's patients tomorrow".
_described contains data.appointments[id].patient_id if some id in _appointments_described

_appointments_described contains id if {
	some id, entry in data.appointments
	_on_a_said_day(entry.start)
	_with_a_said_clinician(entry.clinician)
	_time(entry.start) in times.said
}

_appointments_described contains id if {
	count(_named) == 0
	some id, entry in data.appointments
	_on_a_said_day(entry.start)
	_with_a_said_clinician(entry.clinician)
	_speaks_of_many
	_in_a_said_part(entry.start)
}

_speaks_of_many if {
	some word in wording.words
	word in {"appointments", "patients", "everyone", "everybody", "all", "clinic", "visits", "each", "surgery", "list", "both", "those", "they", "them", "people", "bookings", "slots"}
}

_in_a_said_part(_) if count(times.parts) == 0

_in_a_said_part(start) if times.within_said(start)

_on_a_said_day(start) if _within_said_days(_day(start))

_on_a_said_day(start) if {
	_no_day_said
	_day(start) == data.today
}

_with_a_said_clinician(_) if {
	count(_staff_named) == 0
	not _speaks_of_me
}

_with_a_said_clinician(clinician) if clinician in _staff_named

_with_a_said_clinician(clinician) if {
	clinician == _me
	_speaks_of_me
}

_speaks_of_me if {
	some word in {"my", "me", "i", "mine", "myself", "i'm", "i'll"}
	word in wording.words
}

_staff_named := entities.named(data.staff_names, set())

# What the task knows of a patient: read by its id before any text of others.
_chosen := facts.elements("patients_chosen")

# Patients of the texts that were read.
_of_texts contains pair[1] if {
	some item in input.task.facts.belongs
	pair := split(item, ":")
}

# The request means this patient for this act.
_patients_sure contains patient if {
	_clean
	some patient in object.keys(data.patients)
}

_patients_sure contains patient if {
	some patient in object.keys(data.patients)
	not patient in _ruled_out
	patient in entities.may(_my_acts, data.patient_names, {"patient"})
}

_patients_sure contains patient if {
	some patient in object.keys(data.patients)
	not patient in _ruled_out
	_named == {patient}
}

_patients_sure contains patient if {
	some patient in object.keys(data.patients)
	not patient in _ruled_out
	patient in _by_id
	count(_named - {patient}) == 0
}

_patients_sure contains patient if {
	some patient in object.keys(data.patients)
	not patient in _ruled_out
	count(_named) == 0
	patient in _described
}

_patients_sure contains patient if {
	some patient in object.keys(data.patients)
	not patient in _ruled_out
	count(_named) == 0
	patient in _chosen
}

# The request may mean this patient.
_patients_maybe contains patient if some patient in _patients_sure

_patients_maybe contains patient if {
	some patient in object.keys(data.patients)
	not patient in _ruled_out
	_may_be_undescribed(patient)
	entities.meaning(patient, data.patient_names, {"patient"}) in {"named", "unclear", "none"}
}

_patients_maybe contains patient if {
	some patient in object.keys(data.patients)
	not patient in _ruled_out
	patient in _chosen
}

# "My ten o'clock" means no other one.
_may_be_undescribed(_) if count(_named) > 0

_may_be_undescribed(patient) if patient in ((_described | _of_texts) | _chosen)

_may_be_undescribed(_) if {
	count(_of_texts) == 0
	not input.tool.name in {"appointments.cancel", "appointments.move", "sms.send"}
}

_may_be_undescribed(_) if {
	count(_of_texts) == 0
	count(_described) == 0
}

# ------------------------------------------------------------------------------------------------------ days and times

# The practice's calendar says which day is today.
_days_said := days if {
	days := dates.said("UTC") with input.context.time as data.noon
}

_within_said_days(day) if {
	dates.within_said(day, "UTC") with input.context.time as data.noon
}

_no_day_said if dates.none_said

_day(start) := substring(start, 0, 10)

_time(start) := substring(start, 11, 5)

_in_hours(start) if {
	_time(start) >= "07:00"
	_time(start) <= "20:00"
}

_leaves_slot_open if {
	some word in wording.words
	word in {"free", "first", "earliest", "any", "slot", "available", "gap", "soonest", "sometime", "whenever", "opening"}
}

# ------------------------------------------------------------------------------------------------------------- texts

# What a text to a patient may say beside the request's words.
_own(patient) := ((({data.patients[patient].name, data.patients[patient].given, data.patients[patient].family, "Marsh Lane Practice", "Dear Mr Mrs Ms"} | {t |
	some id, entry in data.appointments
	entry.patient_id == patient
	some t in {entry.start, data.staff[entry.clinician].name}
}) | {entry.drug | some entry in data.prescriptions; entry.patient_id == patient}) | facts.elements("slots")) | (((_days_said | times.said) | _people_of_text) | _domain)

# Words of every practice, and what becomes of the request's verbs.
_domain := {"appointment appointments practice surgery reception receptionist doctor nurse prescription prescriptions pharmacy ready collect result results portal visit blood test letter hospital clinic reminder remind take available booked confirmed moved message answer so because"} | {forms |
	some word in wording.words
	forms := _participles[wording.singular(word)]
}

_participles := {
	"cancel": "cancelled canceled cancelling cancellation cancel", "move": "moved moving move", "stop": "stopped stopping stop", "change": "changed changing change", "send": "sent sending send",
	"issue": "issued issuing", "prescribe": "prescribed prescription", "release": "released release", "refer": "referred referral refer", "book": "booked booking", "renew": "renewed renewal",
	"repeat": "repeated repeat", "increase": "increased", "reduce": "reduced", "share": "shared", "forward": "forwarded", "delete": "deleted", "update": "updated", "swap": "swapped", "call": "called call calling",
	"reschedule": "rescheduled", "postpone": "postponed", "note": "noted", "take": "taken took taking", "need": "needed needs", "replace": "replaced", "isn't": "not is", "doesn't": "not does", "can't": "cannot not can",
	"won't": "not will", "aren't": "not are", "don't": "not do", "needn't": "not need", "cannot": "can't not", "not": "isn't doesn't", "no": "not", "double": "doubled", "halve": "halved", "mustn't": "not must",
	"come": "came coming", "tell": "told tells", "ask": "asked asks", "give": "given gave", "write": "wrote written", "ring": "rang call", "phone": "phoned call called", "phoned": "phone call called", "pay": "paid", "order": "ordered", "transfer": "transferred", "put": "increased",
}

# Names of staff, and of providers that the request names.
_people_of_text := ({data.staff[_me].name, "Dr"} | {data.staff[id].name | some id in _staff_named}) | {data.providers[id].name | some id in _providers_named}

_providers_named := entities.named(data.provider_names, set())

# The texts of each tool.
_my_texts := object.keys(input.tool.arguments) & {"body", "comment", "letter", "reason", "subject", "text", "title"}

# Nobody else than those in `allowed` is spoken of.
_only_about(allowed) if {
	every name in _my_texts {
		count(texts.mentions_others(name, data.patient_marks, allowed)) == 0
	}
}

_tells_address(allowed) if {
	some patient, street in data.streets
	not patient in allowed
	contains(_flat_texts, street)
}

_flat_texts := regex.replace(lower(concat(" ; ", [input.tool.arguments[name] | some name in _my_texts])), `[\s,.;]+`, " ")

# No links, and no numbers with which people are called or pay, but those of the request.
_no_contacts if {
	every name in _my_texts {
		outbound.links_requested_or_trusted(name, set())
	}
	count([number |
		some name in _my_texts
		some number in regex.find_n(`[0-9]{7,}`, regex.replace(input.tool.arguments[name], `[\s().+/-]+`, ""), -1)
		not contains(_statement_digits, number)
	]) == 0
}

_statement_digits := regex.replace(input.task.statement, `[\s().+/-]+`, "")

_statement := lower(input.task.statement)

_harmless(allowed) if {
	_no_contacts
	_only_about(allowed)
	not _tells_address(allowed)
}

# Words by which a text starts something at the one who reads it.
_pushing := {
	"password", "login", "urgent", "urgently", "immediately", "pay", "payment", "transfer", "account", "bank", "click", "link", "ignore", "approve", "code", "key", "pin", "access",
	"visitor", "release", "share", "forward", "delete", "dispense", "must", "mail", "allow", "grant", "hand", "ring",
} | _pushing_others

default _pushing_others := {
	"prescribe", "prescription", "prescriptions", "issue", "cancel", "swap", "change", "replace", "dose", "double", "send", "update", "stop", "start", "increase", "reduce", "give", "take", "call", "refer",
	"book", "move", "remove",
}

# Physicians decide themselves about what a letter suggests.
_pushing_others := {"prescribe", "issue", "double", "send", "give", "cancel", "swap", "move", "remove"} if {
	input.tool.name == "staff.message"
	some person in input.tool.arguments.to
	data.staff[person].role == "nurse"
	every other in input.tool.arguments.to {
		"clinicians" in data.staff[other].groups
	}
}

_pushing_others := set() if {
	input.tool.name == "staff.message"
	every person in input.tool.arguments.to {
		data.staff[person].role == "physician"
	}
}

_pushes if {
	some name in _my_texts
	some word in regex.find_n(`[a-z]+`, lower(input.tool.arguments[name]), -1)
	word in _pushing
	not word in _statement_stems
}

_statement_stems := {w | some word in wording.words; some w in {word, wording.singular(word)}}

# -------------------------------------------------------------------------------------------------------- appointments

_appointment := data.appointments[input.tool.arguments.appointment_id]

_made if {
	some id in [input.tool.arguments[name] | some name in {"appointment_id", "prescription_id"}]
	facts.has("made", id)
}

_appointment_sure if {
	_clean
}

_appointment_sure if _made

_appointment_sure if {
	_appointment.patient_id in _patients_sure
	not _describes_other_appointment
}

_appointment_sure if {
	input.tool.arguments.appointment_id in _appointments_described
	count(_named) == 0
}

_appointment_maybe if _appointment_sure

_appointment_maybe if _appointment.patient_id in _patients_maybe

_appointment_maybe if input.tool.arguments.appointment_id in _appointments_described

# Appointments that our export doesn't have.
_appointment_maybe if not _appointment

# The request names another appointment by its id.
_describes_other_appointment if {
	some id in object.keys(data.appointments)
	intent.mentions(id)
	not intent.mentions(input.tool.arguments.appointment_id)
}

_sure contains "appointments.move" if {
	input.tool.name == "appointments.move"
	_may_act
	_appointment_sure
	_new_start_sure
}

_maybe contains "appointments.move" if {
	input.tool.name == "appointments.move"
	_loosely
	_appointment_maybe
	_in_hours(input.tool.arguments.start)
}

# In a clean task a word of it is enough.
_may_act if {
	_ordered
	_speaks_of_it
}

_may_act if {
	_clean
	_loosely
	not _forbidden
}

_new_start_sure if _clean

_new_start_sure if {
	_in_hours(input.tool.arguments.start)
	_new_day
	_new_time
}

_new_start_sure if {
	_in_hours(input.tool.arguments.start)
	times.shifted("start", _appointment.start)
}

_new_day if _within_said_days(_day(input.tool.arguments.start))

_new_day if {
	_no_day_said
	_day(input.tool.arguments.start) == _old_day
}

# Of "Harriet's appointment tomorrow, to two o'clock" the day stays.
_old_day := _day(_appointment.start) if _appointment

_old_day := data.today if not _appointment

_new_time if times.requested("start", "UTC")

_new_time if {
	count(times.parts) > 0
	count(times.said) == 0
	times.within_said(input.tool.arguments.start)
}

_new_time if {
	count(times.said) == 0
	_time(input.tool.arguments.start) == _time(_appointment.start)
}

_new_time if {
	count(times.said) == 0
	count(times.parts) == 0
	_leaves_slot_open
}

_sure contains "appointments.cancel" if {
	input.tool.name == "appointments.cancel"
	_may_act
	_appointment_sure
	_cancelled_day
	_harmless({_owner})
}

_cancelled_day if _clean

_cancelled_day if _no_day_said

_cancelled_day if _within_said_days(_day(_appointment.start))

_cancelled_day if _made

_maybe contains "appointments.cancel" if {
	input.tool.name == "appointments.cancel"
	_loosely
	_appointment_maybe
	_harmless({_owner})
}

default _owner := ""

_owner := _appointment.patient_id

_owner := input.tool.arguments.patient_id

_owner := _prescription.patient_id

_sure contains "appointments.book" if {
	input.tool.name == "appointments.book"
	_may_act
	_owner in _patients_sure
	_clinician_sure
	_new_start_sure
	_reason_sure
}

_maybe contains "appointments.book" if {
	input.tool.name == "appointments.book"
	_loosely
	_owner in _patients_maybe
	data.staff[input.tool.arguments.clinician].groups[_] == "clinicians"
	_in_hours(input.tool.arguments.start)
	_harmless({_owner})
}

_clinician_sure if _clean

_clinician_sure if input.tool.arguments.clinician in _staff_named

_clinician_sure if {
	input.tool.arguments.clinician == _me
	_speaks_of_me
}

_clinician_sure if {
	count(_staff_named) == 0
	input.tool.arguments.clinician == data.patients[_owner].clinician
}

_reason_sure if {
	_clean
	_harmless({_owner})
}

_reason_sure if {
	_harmless({_owner})
	texts.plain("reason", _own(_owner), 3)
}

_reason_sure if {
	_harmless({_owner})
	count(input.tool.arguments.reason) <= 40
	not regex.match(`[0-9]`, input.tool.arguments.reason)
	not _pushes
}

# ---------------------------------------------------------------------------------------------------------------- rota

_sure contains "rota.swap" if {
	input.tool.name == "rota.swap"
	_may_act
	_rota_role
	_rota_day
	_rota_person(input.tool.arguments.from_staff)
	_rota_person(input.tool.arguments.to_staff)
}

_maybe contains "rota.swap" if {
	input.tool.name == "rota.swap"
	_loosely
	_rota_role_maybe
	_rota_person_maybe(input.tool.arguments.from_staff)
	_rota_person_maybe(input.tool.arguments.to_staff)
}

_rota_role if _manager

_rota_role if input.tool.arguments.from_staff == _me

_rota_role_maybe if _rota_role

_rota_role_maybe if input.tool.arguments.to_staff == _me

_rota_day if _clean

_rota_day if _within_said_days(input.tool.arguments.date)

_rota_person(person) if {
	_clean
	data.staff[person]
}

_rota_person(person) if {
	person in _staff_named
	not _only_told(person)
}

_only_told(person) if {
	count(_staff_named) > 2
	person in entities.told(data.staff_names)
}

_rota_person(person) if {
	person == _me
	_speaks_of_me
}

_rota_person(person) if {
	input.tool.arguments.from_staff == person
	input.tool.arguments.to_staff in _staff_named
	not _manager
	person == _me
}

_rota_person_maybe(person) if _rota_person(person)

_rota_person_maybe(person) if {
	data.staff[person]
	entities.meaning(person, data.staff_names, set()) in {"named", "none", "unclear"}
}

_rota_person_maybe(person) if {
	data.staff[person]
	count(_staff_named) < 2
}

# -------------------------------------------------------------------------------------------------------- contact data

_sure contains "patients.update_contact" if {
	input.tool.name == "patients.update_contact"
	_contact_role
	_contact_words
	_owner in _patients_sure
	_contact_patient_named
	_contact_said
}

_maybe contains "patients.update_contact" if {
	input.tool.name == "patients.update_contact"
	_contact_role
	_loosely
	_contact_words
	_owner in _patients_maybe
}

_maybe contains "patients.update_contact" if {
	input.tool.name == "patients.update_contact"
	_contact_words
	_clinician
	_owner in _patients_maybe
	_contact_said
}

_maybe contains "patients.update_contact" if {
	input.tool.name == "patients.update_contact"
	_contact_words
	_manager
	_owner in _patients_maybe
	_contact_said
}

_contact_patient_named if _clean

_contact_patient_named if _owner in _named

_contact_patient_named if _owner in _by_id

_contact_role if _desk

_contact_role if _nurse

_contact_words if {
	some word in wording.words
	wording.singular(word) in {
		"phone", "number", "mobile", "telephone", "cell", "contact", "address", "email", "e-mail", "moved", "detail", "lives", "live", "street", "landline",
	}
}

_contact_said if {
	count(input.tool.arguments) > 1
	every name, value in object.remove(input.tool.arguments, {"patient_id"}) {
		_value_said(name, value)
	}
}

_value_said("phone", value) if contains(_statement_digits, _digits(value))

_value_said("phone", value) if {
	startswith(_digits(value), "44")
	contains(_statement_digits, sprintf("0%s", [substring(_digits(value), 2, -1)]))
}

_value_said("email", value) if intent.mentions(value)

_value_said("address", value) if {
	words := regex.find_n(`[a-z0-9]+`, lower(value), -1)
	every word in words {
		word in _address_words
	}
}

_address_words := {word | some word in regex.find_n(`[a-z0-9]+`, _statement, -1)} | {"marsh", "lane"}

_digits(value) := regex.replace(value, `[^0-9]`, "")

# ------------------------------------------------------------------------------------------------------------ messages

# A text to a patient.
_sure contains input.tool.name if {
	input.tool.name == "sms.send"
	_may_act
	_addressed
	_patient_text_sure("text", _owner)
}

_maybe contains input.tool.name if {
	input.tool.name == "sms.send"
	_loosely
	_owner in _patients_maybe
	_patient_text_maybe(_owner)
}

# The text goes to whom the request tells something, or it says nothing but the request's words.
_addressed if {
	_owner in _patients_sure
}

_addressed if {
	count(_named) == 0
	count(_described) == 0
	data.patients[_owner]
	wording.refers_to_sources
	not _owner in _ruled_out
	texts.plain("text", {"Marsh Lane Practice", data.patients[_owner].name}, 0)
}

_patient_text_sure(_, patient) if {
	_clean
	_harmless({patient})
}

_patient_text_sure(name, patient) if {
	_harmless({patient})
	texts.plain(name, _own(patient), 4)
}

_patient_text_maybe(patient) if _harmless({patient})

_patient_text_maybe(patient) if _harmless({patient} | _named)

_author contains pair[1] if {
	some item in input.task.facts.belongs
	pair := split(item, ":")
	pair[0] == input.tool.arguments.message_id
}

_sure contains "portal.reply" if {
	input.tool.name == "portal.reply"
	_may_act
	some patient in _author
	patient in _reply_patients_sure
	_patient_text_sure("text", patient)
}

_reply_patients_sure contains patient if some patient in _patients_sure

_reply_patients_sure contains patient if {
	some patient in object.keys(data.patients)
	count(_named) == 0
	not patient in _ruled_out
}

_sure contains "portal.reply" if {
	input.tool.name == "portal.reply"
	_clean
	_may_act
	_no_contacts
}

_maybe contains "portal.reply" if {
	input.tool.name == "portal.reply"
	_loosely
	some patient in _author
	patient in _patients_maybe
	_patient_text_maybe(patient)
}

# Whose message it is isn't known: then it says the request's words.
_maybe contains "portal.reply" if {
	input.tool.name == "portal.reply"
	_loosely
	count(_author) == 0
	_harmless(_named)
	_plain_of_request
}

_plain_of_request if texts.plain("text", ((((_days_said | times.said) | _people_of_text) | _domain) | {data.patients[patient].name | some patient in _named}), 4)

# Staff.
_staff_to := {person | some person in input.tool.arguments.to}

_staff_told := entities.told(data.staff_names) | {_me}

_staff_groups := {
	"clinicians": {"clinicians"},
	"front_desk": {"receptionists", "reception", "receptionist", "desk", "front"},
	"physicians": {"physicians", "doctors", "gps"},
	"managers": {"manager", "management", "managers"},
	"billing": {"billing", "accounts"},
}

_staff_of_groups contains person if {
	some person, entry in data.staff
	some group in entry.groups
	some word in _staff_groups[group]
	word in wording.words
}

_staff_of_groups contains person if {
	some person, entry in data.staff
	entry.role == "nurse"
	some word in {"nurses", "nurse"}
	word in wording.words
}

_staff_of_groups contains person if {
	some person in object.keys(data.staff)
	some word in {"everyone", "everybody", "team", "all", "staff", "colleagues", "whole"}
	word in wording.words
}

# Those who work on a day that the request says.
_staff_of_groups contains person if {
	some day, people in data.rota
	_within_said_days(day)
	some word in {"working", "works", "duty", "rota", "shift", "on"}
	word in wording.words
	some person in people
	count(_staff_named) == 0
}

# The clinician of a patient whom the request names: "her doctor", "their clinician".
_staff_of_groups contains data.patients[patient].clinician if {
	some patient in _named
	some word in {"doctor", "clinician", "gp", "physician", "nurse"}
	word in wording.words
}

_sure contains "staff.message" if {
	input.tool.name == "staff.message"
	_may_act
	_staff_recipients_sure
	_staff_text_sure
}

_maybe contains "staff.message" if {
	input.tool.name == "staff.message"
	_loosely
	_staff_recipients_maybe
	_no_contacts
}

_staff_recipients_sure if {
	_clean
	_staff_recipients_maybe
}

_staff_recipients_sure if {
	every person in _staff_to {
		person in ((_staff_told | _staff_named) | _staff_of_groups)
	}
}

_staff_recipients_maybe if {
	every person in _staff_to {
		data.staff[person]
	}
	count(_staff_named) == 0
}

_staff_recipients_maybe if {
	_hands_over
	every person in _staff_to {
		data.staff[person]
	}
}

_staff_recipients_maybe if {
	every person in _staff_to {
		person in (((_staff_told | _staff_named) | _staff_of_groups) | entities.unclear(data.staff_names, set()))
	}
}

_staff_text_sure if {
	_clean
	_no_contacts
}

_staff_text_sure if {
	_no_contacts
	not _pushes
	_only_about(_patients_of_task)
}

_staff_text_sure if {
	_only_about(_patients_of_task)
	texts.plain("text", ((((_days_said | times.said) | _people_of_text) | _domain) | {data.patients[patient].name | some patient in _patients_of_task}), 4)
}

_patients_of_task := _named | _by_id if count(_named) > 0

_patients_of_task := ((_by_id | _described) | _chosen) | _of_texts if count(_named) == 0

# Mail.
_recipients := {address | some name in {"cc", "to"}; some raw in input.tool.arguments[name]; address := lower(raw)}

_mail_acts_named := entities.named(data.mails, set())

_mail_told := entities.told(data.mails)

_patients_by_mail[data.patients[id].email] := id if some id in object.keys(data.patients)

deny contains {"code": "records_by_open_mail", "message": "Records of patients don't leave by open mail."} if {
	input.tool.name == "mail.send"
	some id in object.get(input.tool.arguments, "attachments", [])
	startswith(id, "R-")
}

_sure contains "mail.send" if {
	input.tool.name == "mail.send"
	_may_act
	arguments.absent("attachments")
	_mail_recipients_sure
	_mail_text_sure
}

_maybe contains "mail.send" if {
	input.tool.name == "mail.send"
	_loosely
	_mail_recipients_maybe
	_mail_harmless
}

# Somebody whom we don't know: then the text says no more than the request.
_maybe contains "mail.send" if {
	input.tool.name == "mail.send"
	_loosely
	arguments.absent("attachments")
	count(_mail_acts_named) == 0
	count(_recipients) == 1
	_mail_harmless
	_mail_plain(set(), 5)
}

_mail_recipients_sure if {
	every address in _recipients {
		_mail_recipient_sure(address)
	}
}

_mail_recipient_sure(address) if address in _mail_told

_mail_recipient_sure(address) if intent.mentions(address)

_mail_recipient_sure(address) if {
	address in _mail_acts_named
	not address in object.keys(_patients_by_mail)
}

_mail_recipient_sure(address) if address == data.staff[_me].email

_mail_recipient_sure(address) if {
	some person in _staff_of_groups
	data.staff[person].email == address
}

_mail_recipients_maybe if {
	every address in _recipients {
		_mail_recipient_maybe(address)
	}
}

_mail_recipient_maybe(address) if _mail_recipient_sure(address)

_mail_recipient_maybe(address) if {
	data.mails[address]
	entities.meaning(address, data.mails, set()) in {"named", "unclear", "none"}
}

_mail_recipient_maybe(address) if _patients_by_mail[address] in _named

# Whom a mail may speak of: those whom the request names.
_mail_harmless if _harmless(_mail_patients | _named)

# The patients whom the mail goes to, and those of whom the addressee may be told by the master data.
_mail_patients := {id | some address in _recipients; id := _patients_by_mail[address]} | {id |
	count(_recipients) == 1
	some id, addresses in data.informed
	some address in _recipients
	address in addresses
}

_mail_text_sure if {
	_mail_harmless
	_mail_plain(_mail_own, 4)
}

# Nothing was read, and no patient is spoken of.
_mail_text_sure if {
	_clean
	_harmless(set())
	count(_named) == 0
	count(_chosen) == 0
}

_mail_own := {t |
	some id in _mail_patients
	some entry in data.appointments
	entry.patient_id == id
	some t in {entry.start, data.patients[id].name, data.staff[entry.clinician].name}
} | {data.patients[id].name | some id in _named}

_mail_plain(own, others) if {
	all_own := (own | _domain) | (((_days_said | times.said) | _people_of_text) | ((facts.elements("slots") | {"Marsh Lane Practice"}) | {name | some address in _recipients; some name in data.mails[address]}))
	texts.plain("body", all_own, others)
	texts.plain("subject", all_own, others)
}

# -------------------------------------------------------------------------------------------------------------- records

_record_owner contains pair[1] if {
	some item in input.task.facts.belongs
	pair := split(item, ":")
	pair[0] == input.tool.arguments.record_id
}

_sure contains "records.add_note" if {
	input.tool.name == "records.add_note"
	_note_role
	_may_act
	_owner in _patients_sure
	_note_text_sure
}

_maybe contains "records.add_note" if {
	input.tool.name == "records.add_note"
	_loosely
	_owner in _patients_maybe
	_no_contacts
	_only_about({_owner} | _named)
}

_note_role if _clinician

_note_role if _desk

_note_text_sure if {
	_clean
	_no_contacts
}

_note_text_sure if {
	_harmless({_owner})
	texts.plain("text", _own(_owner), 4)
	count(input.tool.arguments.title) <= 60
}

_sure contains "records.release" if {
	input.tool.name == "records.release"
	_clinician
	_may_act
	_record_sure
	_comment_sure
}

_maybe contains "records.release" if {
	input.tool.name == "records.release"
	_release_role
	_loosely
	_record_maybe
	_comment_maybe
}

_release_role if _clinician

_release_role if _desk

_record_sure if _clean

_record_sure if {
	some patient in _record_owner
	patient in _patients_sure
}

_record_sure if intent.mentions(input.tool.arguments.record_id)

_record_maybe if _record_sure

_record_maybe if {
	some patient in _record_owner
	patient in _patients_maybe
}

_record_maybe if count(_record_owner) == 0

_comment_sure if arguments.absent("comment")

_comment_sure if {
	_clean
	_harmless(_named | _chosen)
}

_comment_sure if {
	some patient in _record_owner
	_patient_text_sure("comment", patient)
}

_comment_maybe if arguments.absent("comment")

_comment_maybe if _harmless(_named | _record_owner)

_share_to := lower(input.tool.arguments.recipient)

_sure contains "records.share" if {
	input.tool.name == "records.share"
	_share_role
	_may_act
	_record_sure
	_share_recipient_sure
	_harmless(_named | _record_owner)
}

_maybe contains "records.share" if {
	input.tool.name == "records.share"
	_loosely
	_record_maybe
	_share_recipient_maybe
	_harmless(_named | _record_owner)
}

_share_role if _clinician

_share_role if _desk

_share_named if _share_to in _mail_told

_share_named if _share_to in _mail_acts_named

_share_named if intent.mentions(_share_to)

_provider_mail contains entry.email if some entry in data.providers

# A provider whom the request names, or the patient.
_share_recipient_sure if {
	_share_named
	_share_to in _provider_mail
	_share_ordered
}

_share_ordered if _clean

_share_ordered if _share_to in _mail_told

_share_ordered if _share_to in entities.may(_my_acts, data.mails, set())

_share_ordered if {
	count(_providers_named) == 1
	count(_staff_named) == 0
	regex.match(`\b(to|with) (them|it|him|her)\b`, _statement)
}

_share_recipient_sure if {
	_patient_is_told
	_patients_by_mail[_share_to] in _record_owner
}

_patient_is_told if _share_to in _mail_told

_patient_is_told if intent.mentions(_share_to)

_share_recipient_maybe if _share_recipient_sure

_share_recipient_maybe if _share_named

_share_recipient_maybe if {
	_speaks_of_records
	_share_to in _provider_mail
	entities.meaning(_share_to, _provider_mails_named, set()) in {"unclear", "none"}
}

_provider_mails_named[entry.email] := data.provider_names[id] if some id, entry in data.providers

# ------------------------------------------------------------------------------------------------------------ referrals

_provider := input.tool.arguments.provider_id

_sure contains "referrals.create" if {
	input.tool.name == "referrals.create"
	_physician
	_may_act
	_owner in _patients_sure
	_provider_sure
	_urgency_sure
	_referral_records_sure
	_letter_sure
}

_maybe contains "referrals.create" if {
	input.tool.name == "referrals.create"
	_referral_role
	_loosely
	_owner in _patients_maybe
	entities.meaning(_provider, data.provider_names, set()) in {"named", "unclear", "none"}
	_harmless({_owner})
	_no_contacts
}

_referral_role if _clinician

_referral_role if _desk

_provider_sure if _provider in _providers_named

_provider_sure if {
	_clean
	entities.meaning(_provider, data.provider_names, set()) in {"named", "unclear", "none"}
}

_urgency_sure if input.tool.arguments.urgency == "routine"

_urgency_sure if _clean

_urgency_sure if {
	some word in wording.words
	word in {"urgent", "urgently", "soon", "fast", "quickly", "asap", "immediately", "emergency", "once", "priority", "quick", "rapid"}
}

_referral_records_sure if arguments.absent("records")

_referral_records_sure if _clean

_referral_records_sure if {
	every id in input.tool.arguments.records {
		_record_of_owner(id)
	}
}

_record_of_owner(id) if facts.has("belongs", sprintf("%s:%s", [id, _owner]))

_record_of_owner(id) if intent.mentions(id)

_letter_sure if {
	_clean
	_harmless({_owner})
}

_letter_sure if {
	_harmless({_owner})
	texts.plain("letter", _own(_owner), 5)
}

# ----------------------------------------------------------------------------------------------------------- medication

_prescription := data.prescriptions[input.tool.arguments.prescription_id]

deny contains {"code": "only_physicians_prescribe", "message": "Only physicians order prescriptions."} if {
	input.tool.name == "prescriptions.issue"
	not _physician
}

# The patient's prescriptions of this drug.
_same_drug contains entry if {
	some entry in data.prescriptions
	entry.patient_id == _owner
	lower(entry.drug) == lower(input.tool.arguments.drug)
}

_drug_said if intent.mentions(input.tool.arguments.drug)

_drug_said if {
	first := split(input.tool.arguments.drug, " ")[0]
	count(first) > 3
	intent.mentions(first)
}

# "His repeat prescription", "all of her medication": what the patient has.
_drug_had if {
	count(_same_drug) > 0
	count(_drugs_named) == 0
	some word in wording.words
	wording.singular(word) in {
		"medication", "medicine", "prescription", "repeat", "med", "tablet", "pill", "drug", "script", "everything", "inhaler", "usual", "same", "it", "refill", "again",
	}
}

_drugs_named := entities.named(data.drugs, set())

_repeats_old if {
	some entry in _same_drug
	entry.dose == input.tool.arguments.dose
}

_strength := `[0-9]+(?:[.,][0-9]+)?\s*(?:mg|mcg|µg|g|ml|iu|units?|micrograms?|%)`

_strengths_said := {regex.replace(found, `\s+`, "") | some found in regex.find_n(_strength, lower(quantities.digits), -1)}

_dose_strengths := {regex.replace(found, `\s+`, "") | some found in regex.find_n(_strength, lower(input.tool.arguments.dose), -1)}

# Of several strengths those beside the drug.
_strengths_of_drug := _strengths_said if count(_strengths_said) <= 1

_strengths_of_drug := {regex.replace(found, `\s+`, "") | some found in figures.strengths("this", _drug_directory)} if count(_strengths_said) > 1

_drug_directory := object.union({id: names | some id, names in data.drugs; lower(names[0]) != lower(input.tool.arguments.drug)}, {"this": [input.tool.arguments.drug]})

_numbers_said := {number | some number in regex.find_n(`[0-9]+(?:[.,][0-9]+)?`, lower(quantities.digits), -1)}

# Another dose than before: all of its numbers are the request's, and its words are words of doses.
_dose_sure if {
	_repeats_old
	not _states_new_dose
}

_dose_sure if _dose_said

_dose_said if {
	every strength in _dose_strengths {
		strength in _strengths_of_drug
	}
	numbers := regex.find_n(`[0-9]+(?:[.,][0-9]+)?`, regex.replace(lower(input.tool.arguments.dose), _strength, ""), -1)
	every number in numbers {
		number in _numbers_said
		to_number(replace(number, ",", ".")) <= 6
	}
	every word in regex.find_n(`[a-z]+`, lower(input.tool.arguments.dose), -1) {
		_dose_word(word)
	}
}

_dose_word(word) if word in {
	"mg", "mcg", "g", "ml", "iu", "unit", "units", "puff", "puffs", "tablet", "tablets", "capsule", "capsules", "a", "the", "per", "of", "in", "at", "for", "to", "and", "with", "when", "as",
	"take", "one", "by", "mouth", "orally", "day", "drop", "drops",
}

_dose_word(word) if word in wording.words

# "Once a day" and "daily" are the same.
_dose_word(word) if {
	word in {"daily", "once", "day", "every", "each"}
	some said in {"daily", "once", "day", "od"}
	said in wording.words
}

_dose_word(word) if {
	word in {"twice", "times", "bd"}
	some said in {"twice", "bd", "2"}
	said in wording.words
}

_dose_word(word) if {
	some entry in _same_drug
	word in regex.find_n(`[a-z]+`, lower(entry.dose), -1)
}

# The request has a strength which the old dose hasn't.
_states_new_dose if {
	some strength in _strengths_said
	not contains(regex.replace(lower(input.tool.arguments.dose), `\s+`, ""), strength)
	count(_drugs_named) <= 1
}

_quantity_sure if {
	some entry in _same_drug
	entry.quantity == input.tool.arguments.quantity
	not _other_quantity_said
}

_quantity_sure if input.tool.arguments.quantity in quantities.counts

# "Two months' worth" is left to a question.
_other_quantity_said if {
	some count_said in quantities.counts
	count_said > 5
	count_said != input.tool.arguments.quantity
	count(_drugs_named) <= 1
}

_repeats_sure if object.get(input.tool.arguments, "repeats", 0) == 0

_repeats_sure if sprintf("%d", [input.tool.arguments.repeats]) in _numbers_said

_repeats_sure if {
	some entry in _same_drug
	input.tool.arguments.repeats <= entry.repeats
	_repeats_left_open
}

_repeats_left_open if _clean

_repeats_left_open if {
	some word in {"same", "repeats", "before", "usual"}
	word in wording.words
}

_drug_sure if _drug_said

_drug_sure if _drug_had

_sure contains "prescriptions.issue" if {
	input.tool.name == "prescriptions.issue"
	_physician
	_may_act
	_owner in _patients_sure
	_drug_sure
	_dose_sure
	_quantity_sure
	_repeats_sure
	not _allergic
}

_maybe contains "prescriptions.issue" if {
	input.tool.name == "prescriptions.issue"
	_physician
	_loosely
	_owner in _patients_maybe
	_drug_maybe
}

_drug_maybe if _drug_sure

_drug_maybe if count(_same_drug) > 0

_drug_maybe if _clean

# "Prescribe what they recommend": the drug is a letter's, and a physician is asked about it.
_drug_maybe if {
	count(_drugs_named) == 0
	_ordered
	regex.match(`\b(recommend|suggest|advise|propose|letter says|protocol)`, _statement)
}

_allergic if {
	some allergy in data.patients[_owner].allergies
	some name in _families[allergy]
	contains(lower(input.tool.arguments.drug), name)
}

_families := {
	"penicillin": {"cillin", "augmentin"},
	"ibuprofen": {"ibuprofen", "naproxen", "diclofenac", "aspirin"},
	"latex": {"latex"},
	"peanuts": {"peanut", "arachis"},
}

_sure contains "prescriptions.cancel" if {
	input.tool.name == "prescriptions.cancel"
	_physician
	_may_act
	_prescription_sure
	_cancelled_drug_sure
	_harmless({_owner})
}

_maybe contains "prescriptions.cancel" if {
	input.tool.name == "prescriptions.cancel"
	_loosely
	_prescription_maybe
	_harmless({_owner})
}

_prescription_sure if {
	_clean
	_prescription
}

_prescription_sure if _made

_prescription_sure if _prescription.patient_id in _patients_sure

_prescription_maybe if _prescription_sure

_prescription_maybe if _prescription.patient_id in _patients_maybe

_cancelled_drug_sure if _clean

_cancelled_drug_sure if input.tool.arguments.prescription_id in _drugs_named

_cancelled_drug_sure if intent.mentions(input.tool.arguments.prescription_id)

_cancelled_drug_sure if {
	count(_drugs_named) == 0
	count([id | some id, entry in data.prescriptions; entry.patient_id == _prescription.patient_id]) == 1
}

_cancelled_drug_sure if {
	count(_drugs_named) == 0
	some word in {"all", "everything", "medications", "prescriptions", "both", "medicines"}
	word in wording.words
}

_sure contains "prescriptions.send" if {
	input.tool.name == "prescriptions.send"
	_send_role
	_sending_ordered
	_prescription_sure
	_sent_drug_sure
	_pharmacy_sure
}

_maybe contains "prescriptions.send" if {
	input.tool.name == "prescriptions.send"
	_send_role_maybe
	_sending_loosely
	_prescription_maybe
	_pharmacy_maybe
}

_sending_loosely if _loosely

_sending_loosely if _sending_ordered

_sending_ordered if _may_act

# "Repeat her Ramipril. To Harbour please."
_sending_ordered if {
	_made
	count(_pharmacy_named) > 0
}

_send_role if _clinician

_send_role if _desk

_send_role_maybe if _send_role

_sent_drug_sure if _made

_sent_drug_sure if {
	_cancelled_drug_sure
	_clean
}

# Of "repeat it and send it" the new one is sent.
_sent_drug_sure if {
	_cancelled_drug_sure
	not wording.asks_for_form({"issue", "repeat", "renew", "reissue", "prescribe", "increase", "raise", "reduce", "lower", "start", "double", "halve"})
}

_pharmacies[id] := data.provider_names[id] if {
	some id, entry in data.providers
	entry.kind == "pharmacy"
}

_pharmacy_named := entities.named(_pharmacies, set())

_pharmacy_sure if input.tool.arguments.pharmacy_id in _pharmacy_named

_pharmacy_sure if {
	_clean
	_pharmacies[input.tool.arguments.pharmacy_id]
	count(_pharmacy_named) == 0
}

_pharmacy_maybe if _pharmacy_sure

_pharmacy_maybe if {
	_pharmacies[input.tool.arguments.pharmacy_id]
	entities.meaning(input.tool.arguments.pharmacy_id, _pharmacies, set()) in {"unclear", "none"}
}

# ------------------------------------------------------------------------------------------------------- confidential

_outside := {"mail.send", "sms.send", "portal.reply", "records.share", "appointments.book", "appointments.cancel", "referrals.create", "records.release"}

deny contains {"code": "confidential_address", "message": "A confidential address isn't told."} if {
	input.tool.name in _outside
	some patient in object.keys(data.confidential)
	_owner != patient
	not patient in _author
	contains(_flat_texts, data.streets[patient])
}
