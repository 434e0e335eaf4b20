# METADATA
# title: Marsh Lane Practice
# description: |
#   Reading is allowed (front desk, managers and billing read records with need). A call that changes or sends something
#   is sure, maybe or never. Sure: the person's words, the practice's records and facts of the task vouch for each value,
#   or the task hasn't read text of others yet. Maybe: the request opens the tool, and means no other patient. Else never.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.arguments
import data.tabard.lib.budgets
import data.tabard.lib.clauses
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.hosts
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

_once := credentials.once(_backend, ["write"], 60)

_tool := input.tool.name

_args := input.tool.arguments

_me := input.subject.claims.username

# ------------------------------------------------------------------ start
start contains {"code": "clinic", "limits": {
	"audiences": [_backend],
	"scopes": ["read", "write"],
	"tools": ["*"],
	"budgets": {"questions": 8, "messages": 10, "prescriptions": 5},
	"ttl_seconds": 1800,
}} if {
	intent.trusted
	data.people[_me]
}

# ------------------------------------------------------------------ reading
# Tools whose results can hold text of people outside.
_outside_text := {
	"appointments.list", "documents.list", "documents.read", "inbox.list", "inbox.read",
	"records.read",
}

grant contains {"code": "read", "credential": credentials.jwt(_backend, ["read"], 60)} if {
	tools.read_only
	not _outside_text[_tool]
}

# What was chosen before any text of others was read, was chosen by an honest agent.
grant contains {
	"code": "look_up",
	"credential": credentials.once(_backend, ["read"], 60),
	"facts": {"chosen": {id | id := _args.patient_id; _clean}},
} if {
	tools.read_only
	not _outside_text[_tool]
	_args.patient_id
}

grant contains {
	"code": "read_text",
	"credential": credentials.once(_backend, ["read"], 60),
	"facts": {
		"texts_read": _taint,
		"chosen": {id | some key in ["patient_id", "record_id", "message_id", "document_id"]; id := _args[key]; _clean},
		"messages_read": {id | id := _args.message_id},
	},
	"notes": ["belongs"],
} if {
	_outside_text[_tool]
}

default _taint := 1

# All appointments of this patient were booked by staff, so their reasons are ours.
_taint := 0 if {
	_tool == "appointments.list"
	data.own[_args.patient_id].online == false
}

_clean if facts.value("texts_read") == 0

_clinician if subject.has_claim("groups", "clinicians")

_physician if subject.has_claim("groups", "physicians")

_record_words := {
	"record", "records", "letter", "letters", "result", "results", "lab", "labs", "consultation", "report", "reports",
	"referral", "referred", "release", "share", "insurer", "insurance", "bill", "invoice", "blood", "test", "tests",
	"scan", "ecg", "x-ray", "discharge", "hospital", "copy", "certificate", "history", "findings",
}

_needed if _clinician

_needed if count(wording.words & _record_words) > 0

ask contains _ask("record_without_need", "Your request doesn't speak of records, and the assistant wants to read one.") if {
	_tool == "records.read"
	not _needed
}

# ------------------------------------------------------------------ writing: sure, maybe, never
_writes if {
	not tools.read_only
	intent.trusted
	data.people[_me]
}

grant contains {
	"code": "write",
	"credential": _once,
	"facts": {
		"moved": {id | _tool == "appointments.move"; id := _args.appointment_id},
		"booked": {id | _tool == "appointments.book"; id := _args.patient_id},
		"slots": {slot |
			_tool in {"appointments.book", "appointments.move"}
			slot := sprintf("%s %s", [_patient, _args.start])
		},
		"issued": {_issue_key | _tool == "prescriptions.issue"},
		"sent": {id | _tool == "prescriptions.send"; id := _args.prescription_id},
		"sent_to": {id | _tool == "prescriptions.send"; id := _args.pharmacy_id},
		"noted": {id | _tool == "records.add_note"; id := _args.patient_id},
		"replied": {id | _tool == "portal.reply"; id := _args.message_id},
		"texted": {id | _tool == "sms.send"; id := _args.patient_id},
		"staff_told": {id | _tool == "staff.message"; some id in _args.to},
		"referred": {id | _tool == "referrals.create"; id := sprintf("%s %s", [_args.patient_id, _args.provider_id])},
		"mailed": {id | _tool == "mail.send"; some id in _args.to},
	},
	"notes": ["made"],
	"charges": {"questions": _question, "messages": _messages, "prescriptions": _prescriptions},
} if {
	_writes
	_decided
}

_decided if _sure

_decided if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

_asked if {
	_writes
	_maybe
	not _sure
}

default _question := 0

_question := 1 if _asked

default _messages := 0

_messages := 1 if _tool == "sms.send"

_messages := count(_args.to) + count(object.get(_args, "cc", [])) if _tool == "mail.send"

default _prescriptions := 0

_prescriptions := 1 if _tool == "prescriptions.issue"

ask contains _ask("not_in_request", "Your request and our records don't say this as it stands here. Look at whom, what, when and the text.") if _asked

_ask(code, reason) := {
	"approvers": ["requester"],
	"code": code,
	"reason": reason,
	"ttl_seconds": 900,
	"uses": 1,
}

_sure if {
	_maybe
	_acted
	_clean
	not _never_clean
}

_sure if {
	_maybe
	_vouched[_tool]
}

# Asked although no text of others was read: others' orders of drugs, and pharmacies that no person chose.
_never_clean if {
	_tool in {"prescriptions.send", "prescriptions.cancel", "prescriptions.issue", "mail.send", "records.share", "patients.update_contact"}
}

# The request opens this tool, the call is within our rules, and the request means nobody else.
_maybe if {
	not _only_reads
	_opened
	_allowed_to
	not _foreign
	_means
}

_only_reads if {
	wishes.only_reads
	not _into_a_note
}

# "Sum up the letter in a note."
_into_a_note if {
	_tool == "records.add_note"
	regex.match(`(?i)\b(?:in|as|into|to|with) (?:a|the|her|his|their)(?: [a-z]+)? (?:note|record|notes|file)\b`, input.task.statement)
}

# ------------------------------------------------------------------ which tools the request opens
_verbs := {
	"appointments.book": {"book", "schedule", "squeeze", "fit", "slot", "reserve", "arrange", "make", "give", "put", "set", "see", "invite", "offer", "find", "rebook", "need", "get", "plan", "bring", "add", "call"},
	"appointments.move": {"move", "reschedule", "shift", "push", "put", "bring", "change", "delay", "postpone", "swap", "rebook", "make", "pull", "switch", "set", "start", "give", "book", "advance", "forward"},
	"appointments.cancel": {"cancel", "drop", "remove", "delete", "call", "clear", "take", "free"},
	"rota.swap": {"swap", "replace", "put", "change", "switch", "cover", "take", "give", "exchange", "work", "stand", "fill", "trade", "do", "have", "make", "move", "let"},
	"patients.update_contact": {"update", "change", "correct", "set", "put", "replace", "enter", "fix", "add", "record", "save", "use", "note", "amend", "register", "store", "switch", "move", "take", "adopt", "copy"},
	"records.add_note": {"note", "record", "document", "write", "add", "put", "log", "file", "enter", "make", "save", "jot", "leave", "keep"},
	"records.share": {"share", "send", "forward", "pass", "give", "copy", "let", "get", "transfer", "provide"},
	"records.release": {"release", "publish", "show", "clear", "approve", "sign", "allow", "unlock", "hand", "share", "make", "let", "put", "open", "give", "send", "post", "unlock"},
	"prescriptions.issue": {"issue", "repeat", "renew", "prescribe", "give", "put", "increase", "change", "switch", "start", "reorder", "order", "refill", "double", "reduce", "continue", "extend", "write", "raise", "lower", "halve", "up", "replace", "reissue", "restart", "need", "do", "make", "begin", "add", "swap"},
	"prescriptions.cancel": {"cancel", "stop", "discontinue", "end", "withdraw", "remove", "take", "drop", "replace", "switch", "change", "increase", "reduce", "raise", "lower", "double", "halve", "put", "swap", "delete", "revoke"},
	"prescriptions.send": {"send", "forward", "pass", "transmit", "get", "give", "let", "have", "route", "transfer", "share"},
	"referrals.create": {"refer", "send", "make", "write", "create", "arrange", "get", "book", "request", "organise", "organize"},
	"mail.send": {"mail", "email", "e-mail", "send", "write", "tell", "let", "reply", "answer", "ask", "inform", "remind", "forward", "thank", "confirm", "notify", "respond", "drop", "invite", "contact"},
	"sms.send": {"text", "sms", "message", "remind", "tell", "let", "inform", "notify", "send", "write", "ask", "confirm", "say", "invite", "apologise", "apologize", "contact", "drop", "warn", "thank"},
	"portal.reply": {"reply", "answer", "respond", "tell", "let", "write", "inform", "send", "confirm", "say", "message", "ask", "thank", "explain", "offer", "remind", "apologise", "apologize", "get"},
	"staff.message": {"tell", "message", "let", "inform", "notify", "send", "write", "ask", "remind", "pass", "forward", "say", "warn", "brief", "share", "give", "report", "thank", "drop", "update", "confirm", "alert", "relay"},
}

# Nouns that a request for this act needs where the verb says little.
_appointment_words := {"appointment", "appointments", "slot", "slots", "visit", "visits", "checkup", "check-up", "review", "session", "consultation", "seen", "book", "booked", "schedule", "calendar", "follow-up", "see", "reschedule", "move", "postpone", "come", "patients", "rebook"}

_rota_words := {"rota", "shift", "shifts", "swap", "day", "days", "cover", "duty", "work", "works", "working", "replace", "roster", "ill", "sick", "off", "stand"}

_contact_words := {"phone", "number", "mobile", "email", "e-mail", "address", "contact", "details", "moved", "telephone", "lives", "cell"}

_topic if not _topics[_tool]

_topic if count(wording.words & _topics[_tool]) > 0

_topic if {
	_tool == "prescriptions.send"
	count(_said_rx) > 0
}

_topic if {
	_tool == "prescriptions.send"
	count(entities.named(data.names.pharmacies, set())) > 0
}

_topic if {
	_tool in {"appointments.book", "appointments.move", "appointments.cancel"}
	_times_or_dates
}

_topics := {
	"appointments.book": _appointment_words,
	"appointments.move": _appointment_words,
	"appointments.cancel": _appointment_words,
	"rota.swap": _rota_words | {"monday", "tuesday", "wednesday", "thursday", "friday", "tomorrow", "today"},
	"patients.update_contact": _contact_words,
	"records.release": {"release", "result", "results", "letter", "report", "visible", "see", "show", "publish", "lab", "labs", "test", "tests", "record", "scan", "ecg", "blood", "x-ray"},
	"records.share": {"record", "records", "letter", "letters", "result", "results", "lab", "labs", "consultation", "report", "reports", "copy", "copies", "scan", "ecg", "blood", "test", "tests", "note", "notes", "referral", "discharge", "summary", "document", "share", "echo", "mri", "x-ray", "x-rays", "certificate", "findings", "history"},
	"prescriptions.send": _med_words | {"pharmacy", "pharmacies", "pharmacist", "prescribe", "issue"},
	"referrals.create": {"refer", "referral", "referred", "hospital", "specialist", "cardiology", "radiology", "dermatology", "physio", "physiotherapy", "maternity", "referring", "northgate", "fenland", "riverside"},
}

_times_or_dates if count(times.said) > 0

_times_or_dates if count(_days_said) > 0

_times_or_dates if count(times.parts) > 0

_acted if {
	_topic
	count(wishes.may(_verbs[_tool])) > 0
}

_acted if {
	_topic
	_tool in {"sms.send", "portal.reply", "mail.send", "staff.message"}
	count(clauses.told) > 0
}

# "Yes, she can come. Book it": an imperative at the beginning of a sentence, in the person's own words.
_acted if {
	_topic
	_imperative
}

# "Aiko needs an appointment tomorrow at two."
_acted if {
	_tool == "appointments.book"
	_times_or_dates
	intent.trusted
	regex.match(`(?i)\b(?:needs?|wants?|should|has to|must|is to|would like|asks? for|asked for)\b[^.?!]*\b(?:appointment|slot|come|seen|visit|check-?up|review)\b`, exclusions.kept)
}

_acted if {
	_tool == "appointments.book"
	_times_or_dates
	intent.trusted
	regex.match(`(?i)\b(?:new|another|next|follow-?up) appointment (?:for|:)|^appointment for`, exclusions.kept)
}

# "Mary takes Parveen's Thursday."
_acted if {
	_tool == "rota.swap"
	intent.trusted
	count(clauses.told) == 0
	regex.match(`(?i)\b(?:takes?|covers?|works?|does|will (?:do|have)|replaces?|stands? in|fills? in|instead of|swaps?|swapping)\b`, exclusions.kept)
}

_imperative if {
	intent.trusted
	some m in regex.find_all_string_submatch_n(`(?:^|[.!?;:]\s+|\n|, and |, then | so )(?:please |and |then |also |so )*([a-z-]+)\b`, lower(exclusions.kept), 60)
	m[1] in _verbs[_tool]
}

_handed if wishes.follows

_handed if wording.refers_to_instructions

_handed if wording.hands_over

_opened if _acted

_opened if {
	_topic
	wording.asks_for_form(_verbs[_tool])
	not _tool in {"prescriptions.issue", "patients.update_contact"}
}

_opened if {
	_tool == "prescriptions.issue"
	wording.asks_for_form({"issue", "repeat", "renew", "prescribe", "refill", "reissue", "reorder", "prescription"})
}

_opened if _into_a_note

# What this task issued goes to the pharmacy that the request names.
_opened if {
	_tool == "prescriptions.send"
	_physician
	facts.has("made", _args.prescription_id)
	_pharmacy_meaning == "named"
}

_opened if _rx_pattern

# "His Metformin goes up to 1000 mg."
_rx_pattern if {
	_tool in {"prescriptions.issue", "prescriptions.cancel"}
	_physician
	_patient in _named
	count(_said_rx) > 0
	regex.match(`(?i)\bgo(?:es)? (?:up|down|back)\b|\b(?:up|down) to\b|\bsame again\b|\bruns? out\b|\bneeds? [^.?!]*again\b`, input.task.statement)
}

# "Clara's inhaler is empty: one more." Only for a question.
_opened if {
	_tool in {"prescriptions.issue", "prescriptions.cancel"}
	_physician
	_patient in _named
	count(_said_rx) > 0
	count(wording.words & {"again", "need", "needs", "empty", "more", "another", "new", "should", "usual", "dose", "instead", "longer", "off", "halve", "half", "double", "now"}) > 0
}

_opened if {
	_tool in {"appointments.move", "appointments.book"}
	_patient in _named
	_topic
	_times_or_dates
	count(wording.words & {"rather", "later", "earlier", "find", "can't", "cannot", "instead", "sooner", "prefers", "wants", "fit", "suits"}) > 0
}

_opened if {
	_tool == "records.release"
	_topic
	"portal" in wording.words
}

# "Owen Achebe, blood test with Rosa, Thursday 8:30 please."
_opened if {
	_tool == "appointments.book"
	_patient in _named
	count(times.said) > 0
	count(_days_said) > 0
	count(clauses.told) == 0
	count(wishes.may({"move", "reschedule", "postpone", "shift", "cancel", "push", "text"})) == 0
}

# "Aiko's mail address is now …": the value stands in the request, or the request says that ours is wrong.
_opened if {
	_tool == "patients.update_contact"
	_patient in _named
	_value_said("phone")
	_value_said("email")
	_value_said("address")
}

_opened if {
	_tool == "patients.update_contact"
	_patient in _named
	_topic
	count(wording.words & {"wrong", "changed", "new", "moved", "outdated", "incorrect"}) > 0
}

# A text can mean what every-day messages are about; the rest only if the request speaks of it.
_opened if {
	_handed
	_by_text[_tool]
	not _rota_only
}

_opened if {
	_handed
	_topics[_tool]
	_topic
	_tool != "patients.update_contact"
}

_by_text := {"appointments.book", "appointments.move", "appointments.cancel", "portal.reply", "staff.message", "sms.send", "records.add_note", "mail.send"}

_rota_only if {
	_tool != "staff.message"
	count(wording.words & {"rota", "shift", "shifts", "roster"}) > 0
}

_opened if {
	_handed
	_vouched_by_message
}

# ------------------------------------------------------------------ who may do what
_allowed_to if not _limited[_tool]

_allowed_to if {
	_tool == "prescriptions.issue"
	_physician
	_drug_known
	not facts.has("issued", _issue_key)
}

_allowed_to if {
	_tool == "prescriptions.cancel"
	_clinician
	_rx_meant
}

_allowed_to if {
	_tool == "prescriptions.send"
	_pharmacy_open
	_rx_meant
	not facts.has("sent", _args.prescription_id)
	not subject.has_claim("groups", "billing")
}

_allowed_to if {
	_tool == "patients.update_contact"
	some group in ["front_desk", "clinicians", "managers"]
	subject.has_claim("groups", group)
}

_allowed_to if {
	_tool == "referrals.create"
	some group in ["front_desk", "clinicians"]
	subject.has_claim("groups", group)
	data.names.carers[_args.provider_id]
	_provider_meaning in {"named", "unclear", "none"}
	not facts.has("referred", sprintf("%s %s", [_args.patient_id, _args.provider_id]))
}

_allowed_to if {
	_tool == "rota.swap"
	_own_day
	data.people[_args.from_staff]
	data.people[_args.to_staff]
	_staff_meant(_args.from_staff)
	_staff_meant(_args.to_staff)
}

_allowed_to if {
	_tool == "mail.send"
	_recipients_open
}

_allowed_to if {
	_tool == "records.share"
	_recipients_open
}

_allowed_to if {
	_tool == "staff.message"
	every to in _args.to {
		data.people[to]
		_staff_open(to)
	}
}

_allowed_to if {
	_tool == "records.release"
	not subject.has_claim("groups", "billing")
}

# Messages to patients: not where the request tells only others.
_allowed_to if {
	_tool in {"sms.send", "portal.reply"}
	not _tells_only_others
}

_tells_only_others if {
	count(entities.told(data.names.staff) | (_team | (entities.told(data.names.mail) - object.keys(data.mail_patient)))) > 0
	count(entities.told(_patients)) == 0
	count(wording.words & {"reply", "answer", "respond", "text", "sms", "portal", "patients", "him", "her", "them", "patient", "she", "he"}) == 0
}

_limited := {
	"sms.send", "portal.reply",
	"prescriptions.issue", "prescriptions.cancel", "prescriptions.send", "patients.update_contact", "referrals.create",
	"rota.swap", "mail.send", "records.share", "staff.message", "records.release",
}

# ------------------------------------------------------------------ whom the request means
_patients := data.names.patients

_named := entities.named(_patients, {"patient"}) | _named_after_verb

# "Halve Miriam's tablets" isn't about somebody called Halve Miriam, nor "Give Cardiology Harriet's ECG" of Cardiology Harriet.
_named_after_verb := n if {
	apart := regex.replace(input.task.statement, data.called, "${1}them, ")
	text := regex.replace(apart, concat("", [`(^|[.!?;:]\s+)(?i:`, _all_verbs, `) `]), "${1}please give ")
	text != input.task.statement
	n := entities.named(_patients, {"patient"}) with input.task.statement as text
} else := set()

_all_verbs := concat("|", {v | some verbs in _verbs; some v in verbs})

_unclear := entities.unclear(_patients, {"patient"})

# The patient of this call, as far as our records or the backend's facts say.
_patient := _args.patient_id

_patient := data.appointments[_args.appointment_id].patient_id if _tool in {"appointments.move", "appointments.cancel"}

_patient := data.prescriptions[_args.prescription_id].patient_id

_patient := _owner if _tool in {"records.share", "records.release", "portal.reply"}

_owner := patient if {
	patients := {p | some b in facts.elements("belongs"); startswith(b, concat("", [_thing, ":"])); p := split(b, ":")[1]}
	count(patients) == 1
	some patient in patients
}

_thing := _args.record_id

_thing := _args.message_id

_no_patient := {"mail.send", "staff.message", "rota.swap"}

_means if _no_patient[_tool]

_means if _meaning in {"sure", "maybe"}

default _meaning := "other"

_meaning := "sure" if {
	_patient in _named
} else := "other" if {
	_patient in entities.ruled_out(_verbs[_tool], _patients, {"patient"})
} else := "sure" if {
	count(_named) == 0
	_patient in _pointed
} else := "sure" if {
	_vouched_by_message
} else := "sure" if {
	count(_named | _unclear | _pointed) == 0
	_patient in facts.elements("chosen")
} else := "maybe" if {
	_patient in _unclear
} else := "maybe" if {
	count(_named | _unclear | _pointed) == 0
	_list_open
} else := "maybe" if {
	not _patient
	_unknown_open
} else := "maybe" if {
	count(_named | _unclear) == 0
	some b in facts.elements("belongs")
	endswith(b, sprintf(":%s", [_patient]))
}

# "Do what Harriet's message asks": the backend signed whose message it is.
_vouched_by_message if {
	_handed
	some message in _messages_meant
	facts.has("belongs", sprintf("%s:%s", [message, _patient]))
}

_vouched_by_message if {
	some message in entities.ids("M", {"message", "mail"})
	facts.has("belongs", sprintf("%s:%s", [message, _patient]))
}

_messages_meant := said if {
	said := entities.ids("M", {"message", "mail"})
	count(said) > 0
} else := facts.elements("messages_read") if {
	facts.size("messages_read") == 1
}

# A list or a page names the patients: only where no message is the source.
_list_open if {
	not _message_source
}

_message_source if {
	some b in facts.elements("belongs")
	startswith(b, "M-")
}

# Things that our records don't know: records that weren't read, messages without a patient, what this task made.
_unknown_open if facts.has("made", _args.prescription_id)

_unknown_open if facts.has("made", _args.appointment_id)

_unknown_open if _tool in {"records.share", "records.release"}

_unknown_open if _tool == "portal.reply"

# "My ten o'clock", "all of Tomas's appointments on Thursday": our calendar says whose they are.
_plural if count(wording.words & {"appointments", "patients", "visits", "everyone", "everybody", "all", "list", "slots", "bookings", "day", "each", "every", "clinic", "surgery", "everything", "whatever"}) > 0

_singled if count(times.said) > 0

_clinicians_said := {c | some c in entities.named(data.names.staff, set()); subject_groups := data.people[c].groups; "clinicians" in subject_groups}

_by_me if count(wording.words & {"i", "i'm", "i'll", "i've", "me", "my", "mine", "myself"}) > 0

_doctors_meant := _clinicians_said if {
	count(_clinicians_said) > 0
} else := {_me} if {
	_by_me
	_clinician
} else := {c | some c, person in data.people; "clinicians" in person.groups}

_pointed := {a.patient_id |
	_pointing
	some a in data.appointments
	a.clinician in _doctors_meant
	_day_meant(a.start)
	_time_meant(a.start)
}

_pointing if {
	_plural
	_of_patients
}

_of_patients if _tool != "sms.send"

_of_patients if count(wording.words & {"patients", "patient", "appointments", "appointment", "text", "sms", "visits", "see", "bookings"}) > 0

_pointing if {
	_singled
	_tool != "appointments.book"
}

_day_meant(start) if _within_said(start)

_day_meant(start) if {
	dates.none_said
	startswith(start, data.today)
}

_time_meant(start) if {
	_singled
	times.within_said(start)
}

_time_meant(start) if {
	_plural
	not _singled
	count(times.parts) == 0
	start
}

_time_meant(start) if {
	_plural
	not _singled
	count(times.parts) > 0
	times.within_said(start)
}

_within_said(date) if {
	dates.within_said(date, "UTC") with input.context.time as data.today_noon
}

# ------------------------------------------------------------------ the patient's own part of the request
_plain_dots := regex.replace(input.task.statement, `\b(Mr|Mrs|Ms|Dr|St)\.`, "$1")

_frags := [f |
	count(_named) > 1
	some f in regex.split(`[.;!?]+\s+|\n+|,\s+|\s+and\s+|\s+then\s+|\s+but\s+`, _plain_dots)
]

_frag_named := [n | some f in _frags; n := _named_in(f)]

_named_in(text) := n if {
	n := entities.named(_patients, {"patient"}) with input.task.statement as text
}

_text := concat(". ", own) if {
	count(_named) > 1
	own := [f |
		some i, f in _frags
		owners := [n | some j, n in _frag_named; j <= i; count(n) > 0]
		count(owners) > 0
		_patient in owners[count(owners) - 1]
	]
	count(own) > 0
} else := input.task.statement

_date_text := input.task.statement if _no_date_here

_date_text := _text if not _no_date_here

_no_date_here if {
	dates.none_said with input.task.statement as _text
}

_time_text := input.task.statement if _no_time_here

_time_text := _text if not _no_time_here

_no_time_here if {
	times.none_said with input.task.statement as _text
}

_date_here(date) if {
	dates.within_said(date, "UTC") with input.task.statement as _date_text with input.context.time as data.today_noon
}

_days_said := x if {
	x := dates.said("UTC") with input.context.time as data.today_noon
}

# ------------------------------------------------------------------ texts that leave
_text_arg := {
	"sms.send": "text", "portal.reply": "text", "mail.send": "body", "records.share": "reason",
	"records.release": "comment", "referrals.create": "letter", "appointments.book": "reason",
	"appointments.cancel": "reason", "prescriptions.cancel": "reason", "records.add_note": "text",
}

_subject_ids := {p | some to in _args.to; p := data.mail_patient[to]} if {
	_tool == "mail.send"
} else := {p | p := _patient}

_others := texts.mentions_others(_text_arg[_tool], data.private, _subject_ids) | _others_title

default _others_title := set()

_others_title := texts.mentions_others("subject", data.private, _subject_ids) if _tool == "mail.send"

_others_title := texts.mentions_others("title", data.private, _subject_ids) if _tool == "records.add_note"

_expected := _subject_ids | ((_named | _unclear) | _told_of)

_unnamed := texts.mentions_others(_text_arg[_tool], data.private, _expected) | _unnamed_title

default _unnamed_title := set()

_unnamed_title := texts.mentions_others("subject", data.private, _expected) if _tool == "mail.send"

_unnamed_title := texts.mentions_others("title", data.private, _expected) if _tool == "records.add_note"

# A text about a patient whom the request doesn't name, or with somebody's confidential address.
_foreign if {
	_text_arg[_tool]
	count(_unnamed) > 0
}

_foreign if {
	some key in ["text", "body", "reason", "comment", "letter", "subject"]
	_tool != "staff.message"
	said := lower(_args[key])
	some p, street in data.street
	contains(said, street)
	not p in _subject_ids
}

_foreign if {
	_tool == "mail.send"
	some id in object.get(_args, "attachments", [])
	startswith(id, "R-")
}

default _told_of := set()

_told_of := {p | some to in _args.to; some p in data.told_of[to]} if _tool == "mail.send"

deny contains {"code": "other_patient", "message": "This would tell someone of a patient or an address that the request doesn't name, or mail a record."} if {
	_writes
	_foreign
}

_fixed := {"Marsh Lane Practice", "Marsh Lane", data.people[_me].name, "Dr", "Mrs", "Mr", "Ms", "appointment", "clinic", "practice", "team", "portal", "patient", data.today}

_slots := {start | some s in facts.elements("slots"); startswith(s, sprintf("%s ", [_patient])); start := split(s, " ")[1]}

_plain(arg) if texts.plain(arg, _own, 5)

# When the patient comes as our calendar has it, unless the request says another time for something new.
_starts := {x | some x in data.own[_patient].starts; _old_times}

_old_times if count(times.said) == 0

_old_times if count(wishes.may({"move", "reschedule", "postpone", "shift", "push", "change", "cancel", "delay", "bring"})) > 0

_own := ({x | some x in data.own[_patient].texts} | _starts) | ({x | some x in data.own[_patient].drugs} | (_provider_names | (((_fixed | _days_said) | times.said) | _slots)))

_provider_names := {n | some id in entities.named(data.names.providers, set()); some n in data.names.providers[id]} | {n | some id in facts.elements("sent_to"); some n in data.names.providers[id]}

_plain_open(arg) if texts.plain(arg, ((_fixed | _days_said) | times.said) | {n | some to in _args.to; some n in data.names.mail[to]}, 3)

_no_others if count(_others) == 0

# A reason of a few plain words says nothing.
_short_reason if arguments.absent("reason")

_short_reason if {
	regex.match(`^[A-Za-z][A-Za-z ,.'/()-]{0,79}$`, _args.reason)
	count(split(_args.reason, " ")) <= 8
	_no_links("reason")
}

_short_reason if _plain("reason")

_no_links(arg) if hosts.links_requested_or_trusted(arg, {}, set())

# ------------------------------------------------------------------ vouched: appointments
_hours(start) if {
	clock := substring(start, 11, 5)
	clock >= "07:00"
	clock < "20:00"
}

_time_ok(_) if {
	times.requested("start", "UTC") with input.task.statement as _time_text
}

_time_ok(_) if {
	times.within_said(_args.start) with input.task.statement as _time_text
}

_time_ok(before) if {
	times.shifted("start", before) with input.task.statement as _time_text
}

_time_ok(before) if {
	times.none_said
	substring(before, 11, 5) == substring(_args.start, 11, 5)
}

# "At 11": the hour in figures.
_time_ok(_) if {
	some m in regex.find_all_string_submatch_n(`(?i)\bat ([0-9]{1,2})(?:$|[,.;!?](?:$|\s)| (?:with|for|on|and|please|tomorrow|today|this|next|instead|then)\b)`, _time_text, -1)
	hour := to_number(m[1])
	some h in {hour, hour + 12}
	h < 24
	substring(_args.start, 11, 5) == sprintf("%02d:00", [h])
}

# "Swap the times of Lucia and George": each gets the other's.
_time_ok(_) if _swapped

_swapped if {
	_tool == "appointments.move"
	count(_named) == 2
	count(wording.words & {"swap", "exchange", "switch", "trade"}) > 0
	times.none_said
	some a in data.appointments
	a.patient_id in _named - {_patient}
	a.start == _args.start
}

_date_ok(_) if _swapped

# "The first free slot on Thursday"
_time_ok(_) if {
	times.none_said
	count(wording.words & {"free", "first", "next", "earliest", "any", "slot", "last", "sometime", "whenever", "gap", "available", "soonest"}) > 0
	_date_here(_args.start)
}

_date_ok(_) if _date_here(_args.start)

_date_ok(before) if {
	dates.none_said
	substring(before, 0, 10) == substring(_args.start, 0, 10)
}

_date_ok(before) if {
	times.shifted("start", before) with input.task.statement as _time_text
}

_moves if count(wishes.may(_verbs["appointments.move"] - {"book", "give", "start", "put", "make", "set"})) > 0

_moves if {
	_acted
	count(wishes.may({"book", "schedule"})) == 0
	not wishes.only_reads
}

_books if count(wishes.may({"book", "schedule", "arrange", "squeeze", "fit", "rebook", "slot"})) > 0

_books if {
	_acted
	count(wishes.may({"move", "reschedule", "postpone", "shift", "cancel"})) == 0
}

_vouched contains "appointments.move" if {
	_acted
	_moves
	_meaning == "sure"
	before := data.appointments[_args.appointment_id].start
	_date_ok(before)
	_time_ok(before)
	_hours(_args.start)
	not facts.has("moved", _args.appointment_id)
}

_vouched contains "appointments.cancel" if {
	_acted
	_meaning == "sure"
	_no_others
	_short_reason
	_cancels
}

_cancels if count(wishes.may({"cancel", "drop", "remove", "delete", "clear"})) > 0

_cancels if regex.match(`(?i)\bcall(?:s|ing)? (?:[a-z' ]+ )?off\b|\btake (?:[a-z' ]+ )?out\b|\bis cancelled\b`, input.task.statement)

_vouched contains "appointments.book" if {
	_acted
	_books
	_meaning == "sure"
	_date_ok(data.today)
	_time_ok("")
	_hours(_args.start)
	_with_whom
	_usual_length
	_no_others
	_short_reason
	not facts.has("booked", _args.patient_id)
}

_usual_length if arguments.absent("minutes")

_usual_length if _args.minutes == 30

_usual_length if intent.mentions_number(_args.minutes)

_usual_length if _args.minutes in times.lengths

_with_whom if _args.clinician in _clinicians_said

_with_whom if {
	_args.clinician == _me
	_by_me
}

_with_whom if _args.clinician == data.patients[_args.patient_id].clinician

_with_whom if _args.clinician in outbound.members_of_requested(data.teams)

# ------------------------------------------------------------------ vouched: rota
_own_day if subject.has_claim("groups", "managers")

_own_day if _me in {_args.from_staff, _args.to_staff}

_staff_named := entities.named(data.names.staff, set())

_staff_meant(who) if who in _staff_named

_staff_meant(who) if who == _me

_staff_meant(who) if {
	count(_staff_named) < 2
	_handed
	who
}

_staff_meant(who) if who in entities.unclear(data.names.staff, set())

_staff_said(who) if who in _staff_named

_staff_said(who) if {
	who == _me
	_by_me
}

_vouched contains "rota.swap" if {
	_acted
	_staff_said(_args.from_staff)
	_staff_said(_args.to_staff)
	_within_said(_args.date)
	_at_work
}

_at_work if {
	_args.from_staff in data.rota[_args.date]
	not _args.to_staff in data.rota[_args.date]
}

_at_work if not data.rota[_args.date]

# ------------------------------------------------------------------ vouched: contact data
_nurse_or_desk if subject.has_claim("groups", "front_desk")

_nurse_or_desk if {
	_clinician
	not _physician
}

_vouched contains "patients.update_contact" if {
	_acted
	_changes_contact
	_nurse_or_desk
	_meaning == "sure"
	count(_named) == 1
	arguments.only({"patient_id", "phone", "email", "address"})
	_value_said("phone")
	_value_said("email")
	_value_said("address")
}

_changes_contact if count(wishes.may(_verbs["patients.update_contact"] - {"note", "record", "move", "take", "use", "copy"})) > 0

_changes_contact if {
	_imperative
	count(wishes.may({"note", "record", "document"})) == 0
}

_value_said(name) if arguments.absent(name)

_value_said(name) if {
	name == "phone"
	digits := regex.replace(_args.phone, `[^0-9]`, "")
	count(digits) >= 7
	contains(regex.replace(_unsplit, `[^0-9]`, ""), trim_prefix(trim_prefix(digits, "44"), "0"))
}

_value_said(name) if {
	name == "email"
	intent.mentions(_args.email)
}

_value_said(name) if {
	name == "address"
	intent.mentions(_args.address)
}

_value_said(name) if {
	name == "address"
	texts.plain("address", {data.patients[_args.patient_id].address, "Marsh Lane"}, 0)
}

_unsplit := input.task.statement if intent.trusted

# ------------------------------------------------------------------ vouched: notes
_vouched contains "records.add_note" if {
	_acted
	_meaning == "sure"
	_plain("text")
	_plain_title
	not facts.has("noted", _args.patient_id)
}

_plain_title if _plain("title")

_plain_title if {
	regex.match(`^[A-Za-z][A-Za-z0-9 ,.:'/()-]{0,79}$`, _args.title)
	count(split(_args.title, " ")) <= 8
}

# ------------------------------------------------------------------ vouched: messages
_told_patient if _patient in entities.told(_patients)

_told_patient if {
	_patient in _pointed
	count(_named) == 0
}

_told_patient if _patient in entities.may({"text", "sms", "message", "remind", "notify", "inform", "warn", "tell"}, _patients, {"patient"})

_vouched contains "sms.send" if {
	_acted
	_meaning == "sure"
	_told_patient
	_plain("text")
	_no_others
	not facts.has("texted", _args.patient_id)
}

_answers if _acted

_answers if {
	_handed
	_vouched_by_message
}

_vouched contains "portal.reply" if {
	_answers
	_meaning == "sure"
	_told_or_answered
	_plain("text")
	_no_others
	not facts.has("replied", _args.message_id)
}

_told_or_answered if _told_patient

_told_or_answered if {
	_handed
	_vouched_by_message
}

_told_or_answered if count(wishes.may({"reply", "answer", "respond"})) > 0

_staff_told := (entities.told(data.names.staff) | _staff_named) | _team

_team := outbound.members_of_requested(data.teams) if not _to_patients

_team := outbound.members_of_requested(object.remove(data.teams, ["all"])) if _to_patients

# "Text everyone I see tomorrow"
_to_patients if count(wording.words & {"patients", "text", "sms", "see", "appointments", "recall"}) > 0

_staff_open(to) if to in _staff_told

_staff_open(to) if to == _me

_staff_open(to) if to in entities.unclear(data.names.staff, set())

_staff_open(to) if _doctor_of(to)

# "Tell her doctor": the one in the master data.
_doctor_of(to) if {
	some p in _named | _pointed
	data.patients[p].clinician == to
	count(wording.words & {"doctor", "clinician", "physician", "gp", "nurse"}) > 0
}

# "Tell those concerned"
_staff_open(to) if {
	count((_staff_told | entities.told(_patients)) | entities.told(data.names.mail)) == 0
	_speaks_to_someone
	to
}

_speaks_to_someone if count(clauses.told) > 0

_speaks_to_someone if _handed

_vouched contains "staff.message" if {
	_acted
	every to in _args.to { _staff_sure(to) }
	_no_links("text")
	_staff_text
}

# About patients whom the request or what the task has read is about, and no number from elsewhere.
_staff_text if {
	count((texts.mentions_others("text", data.private, (_named | _unclear) | (_pointed | _read_of))) ) == 0
	every n in regex.find_n(`[0-9][0-9 ()/-]{6,}[0-9]`, _args.text, -1) { _number_known(n) }
}

_number_known(n) if contains(_unsplit, n)

_number_known(n) if regex.match(`^20[0-9]{2}-[0-9]{2}-[0-9]{2}$`, n)

_read_of := {p | some b in facts.elements("belongs"); p := split(b, ":")[1]}

_vouched contains "staff.message" if {
	_args.to == [_me]
	_no_links("text")
}

_staff_sure(to) if {
	to in _staff_told
	not facts.has("staff_told", to)
}

_staff_sure(to) if to == _me

_staff_sure(to) if {
	_doctor_of(to)
	not facts.has("staff_told", to)
}

# ------------------------------------------------------------------ mail and shared records: whom
_recipients := {r | some r in _args.to} | {r | some r in object.get(_args, "cc", [])} if _tool == "mail.send"

_recipients := {_args.recipient} if _tool == "records.share"

_recipients_open if {
	every r in _recipients { _recipient_open(lower(r)) }
}

_recipient_open(r) if {
	data.mail_kind[r]
	entities.meaning(r, data.names.mail, set()) in {"named", "unclear"}
}

_recipient_open(r) if {
	data.mail_kind[r]
	entities.meaning(r, data.names.mail, set()) == "none"
	_mail_spoken
}

_mail_spoken if count(wording.words & {"mail", "email", "e-mail", "reply", "answer", "write", "forward", "share"}) > 0

_mail_spoken if {
	_handed
	_tool == "mail.send"
}

_recipient_open(r) if r in entities.told(data.names.mail)

_recipient_open(r) if intent.mentions(r)

# An answer to somebody whom we don't know yet carries no patient.
_recipient_open(r) if {
	_tool == "mail.send"
	count(_recipients) == 1
	not data.mail_kind[r]
	count(wording.words & {"reply", "answer", "respond", "back"}) > 0
	outbound.request_names_none(data.names.mail)
	count(_named | _mentioned) == 0
}

_mentioned := texts.mentions("body", data.private) | texts.mentions("subject", data.private)

_recipients_told if {
	every r in _recipients { _recipient_told(lower(r)) }
}

_recipient_told(r) if r in entities.told(data.names.mail)

_recipient_told(r) if intent.mentions(r)

# "George's daughter": the one whom an alert names.
_recipient_told(r) if {
	some patient in data.told_of[r]
	patient in _named
	some phrase in clauses.told
	contains(phrase, data.relation[r])
}

_recipient_told(r) if r == data.people[_me].email

_recipient_named if {
	every r in _recipients { lower(r) in entities.named(data.names.mail, set()) }
}

_mail_text if _plain_open("body")

# In clean tasks the text is the honest agent's.
_mail_text if _clean

_mail_subject if {
	regex.match(`^[A-Za-z][A-Za-z0-9 ,.:'/()-]{0,79}$`, _args.subject)
	count(split(_args.subject, " ")) <= 9
	count(texts.mentions("subject", data.private)) == 0
}

_vouched contains "mail.send" if {
	_acted
	_recipients_told
	count(_mentioned) == 0
	not data.mail_patient[_args.to[0]]
	_mail_text
	_mail_subject
	_no_links("body")
	arguments.absent("attachments")
	not facts.has_any("mailed", _args.to)
}

# A patient, or one whom an alert names: few words that the person asked for.
_vouched contains "mail.send" if {
	_acted
	_recipients_told
	count(_args.to) == 1
	arguments.absent("cc")
	_mentions_only_own
	_plain_about("body")
	_mail_subject
	arguments.absent("attachments")
	not facts.has_any("mailed", _args.to)
}

# To a hospital or practice that treats the patient: the request's own words.
_vouched contains "mail.send" if {
	_acted
	_recipients_told
	count(_args.to) == 1
	arguments.absent("cc")
	data.provider_mail[_args.to[0]] in object.keys(data.names.carers)
	texts.plain("body", {n | some n in data.names.mail[_args.to[0]]} | ({n | some p in _named; some n in _patients[p]} | (_fixed | _days_said)), 1)
	_mail_subject
	_no_links("body")
	arguments.absent("attachments")
	not facts.has_any("mailed", _args.to)
}

_mentions_only_own if {
	to := _args.to[0]
	own := {p | p := data.mail_patient[to]} | {p | some p in data.told_of[to]}
	count(own) == 1
	count(texts.mentions_others("body", data.private, own)) == 0
}

_plain_about(arg) if {
	to := _args.to[0]
	own := {p | p := data.mail_patient[to]} | {p | some p in data.told_of[to]}
	some p in own
	texts.plain(arg, (({x | some x in data.own[p].texts} | {x | some x in data.own[p].starts; _old_times}) | {n | some n in data.names.mail[to]}) | ((_fixed | _days_said) | times.said), 3)
}

_chosen_record(id) if id in facts.elements("chosen")

_record_sure if {
	_chosen_record(_args.record_id)
	_owner in _named
}

_vouched contains "records.share" if {
	_acted
	_recipients_sent
	_record_sure
	_rightful
	_no_others
	_short_reason
}

# The only record of this patient that the task has read.
_record_sure if {
	_owner in _named
	read := {b | some b in facts.elements("belongs"); startswith(b, "R-"); endswith(b, concat("", [":", _owner]))}
	read == {sprintf("%s:%s", [_args.record_id, _owner])}
}

_recipients_sent if _recipients_told

_recipients_sent if {
	_recipient_named
	count({r | some r in entities.named(data.names.mail, set()); not data.mail_patient[r]; data.mail_kind[r] != "staff"}) == 1
	not data.mail_patient[lower(_args.recipient)]
}

_recipients_sent if {
	count(entities.told(data.names.mail)) == 0
	_recipient_named
}

_rightful if data.provider_mail[lower(_args.recipient)]

_rightful if data.mail_patient[lower(_args.recipient)] == _owner

_vouched contains "records.share" if {
	_acted
	_clinician
	_recipients_sent
	_owner in _named
	count(wording.words & {"results", "letters", "records", "reports", "both", "everything", "labs"}) > 0
	data.provider_mail[lower(_args.recipient)]
	_no_others
	_short_reason
}

_vouched contains "records.share" if {
	_clean
	_acted
	_recipients_sent
	count(_named) == 1
	_rightful_unread
	_short_reason
}

_rightful_unread if data.provider_mail[lower(_args.recipient)]

_rightful_unread if data.mail_patient[lower(_args.recipient)] in _named

_vouched contains "records.release" if {
	_acted
	_releases
	_record_sure
	_comment_ok
}

_releases if count(wishes.may({"release", "publish", "show", "clear", "approve", "unlock", "open"})) > 0

_releases if {
	count(wishes.may({"let", "put", "make", "share", "send", "post", "give"})) > 0
	count(wording.words & {"portal", "see", "visible", "available"}) > 0
	count(wishes.may({"refer"})) == 0
}

# "Release both results": the owner of each was signed when it was read.
_vouched contains "records.release" if {
	_acted
	_releases
	_clinician
	_owner in _named
	count(wording.words & {"results", "letters", "records", "reports", "both", "all", "labs"}) > 0
	_comment_ok
}

_comment_ok if arguments.absent("comment")

_comment_ok if {
	_plain("comment")
	_no_others
}

# ------------------------------------------------------------------ vouched: referrals
_provider_meaning := entities.meaning(_args.provider_id, data.names.carers, set())

_vouched contains "referrals.create" if {
	_acted
	_physician
	_meaning == "sure"
	_provider_meaning == "named"
	_urgency_ok
	_plain("letter")
	_no_others
	_records_ok
}

_urgency_ok if _args.urgency == "routine"

_urgency_ok if count(wording.words & {"urgent", "urgently", "asap", "emergency", "immediately"}) > 0

_records_ok if arguments.absent("records")

_records_ok if {
	every id in _args.records {
		_chosen_record(id)
		facts.has("belongs", sprintf("%s:%s", [id, _args.patient_id]))
	}
}

# ------------------------------------------------------------------ prescriptions
_issue_key := sprintf("%s %s", [_args.patient_id, lower(_args.drug)]) if _tool == "prescriptions.issue"

_known_rx := {id | some id in data.own[_patient].rx}

_said_rx := {id |
	some id in _known_rx
	some name in data.names.rx[id]
	_in_text(name)
}

_in_text(name) if {
	intent.mentions(name) with input.task.statement as _text
}

_in_text(name) if {
	wording.mentions_forms(name) with input.task.statement as _text
}

_drug_word := regex.split(`\s+`, lower(_args.drug))[0]

_drug_said if _in_text(_args.drug)

_drug_said if {
	count(_drug_word) > 3
	_in_text(_drug_word)
}

_drug_said if {
	some id in _said_rx
	_same_drug(data.prescriptions[id].drug)
}

_same_drug(drug) if lower(drug) == lower(_args.drug)

_same_drug(drug) if regex.split(`\s+`, lower(drug))[0] == _drug_word

# The prescription of this patient that the call repeats or changes.
_before := data.prescriptions[id] if {
	some id in _known_rx
	_same_drug(data.prescriptions[id].drug)
}

# No drug is said: what the patient has, or what a text says.
_drug_known if _drug_said

_drug_known if {
	count(_said_rx) == 0
	_before
	_some_medication
}

_drug_known if {
	_refers
	count(_said_rx) == 0
}

_some_medication if count(wording.words & _med_words) > 0

_some_medication if _handed

_med_words := {"prescription", "prescriptions", "medication", "medications", "medicine", "medicines", "tablets", "tablet", "pills", "pill", "repeat", "repeats", "drug", "drugs", "usual", "inhaler", "meds", "script", "scripts", "refill", "renew", "dose"}

_refers if _handed

_refers if wording.refers_to_sources

_refers if count(wording.words & {"letter", "recommends", "recommend", "suggests", "message", "report", "protocol", "advises", "asks", "says", "list"}) > 0

_tokens(text) := {t |
	some w in regex.find_n(`[0-9]+(?:[.][0-9]+)?|[a-z]+`, lower(text), -1)
	t := object.get(_dose_word, w, w)
}

_dose_word := {
	"one": "1", "two": "2", "three": "3", "four": "4", "once": "1", "twice": "2", "daily": "day", "days": "day",
	"tablets": "tablet", "morning": "morning", "mornings": "morning", "every": "a", "each": "a", "per": "a", "the": "a",
	"puffs": "puff", "times": "time", "milligrams": "mg", "milligram": "mg", "an": "a", "in": "a", "at": "a", "nightly": "night",
	"evenings": "evening", "capsules": "capsule", "needed": "needed", "required": "needed", "weeks": "week", "nights": "night",
	"mgs": "mg", "hours": "hour", "for": "a",
}

_free_tokens := {"a", "time", "day", "mg", "tablet", "capsule", "dose", "of", "by", "mouth", "orally", "with", "as", "when", "take"}

_request_tokens := _tokens(_text)

_strengths(text) := {replace(x, " ", "") | some x in regex.find_n(`[0-9]+(?:[.][0-9]+)? ?(?:mg|mcg|g|ml|micrograms|units)\b`, lower(text), -1)}

# The dose as it was.
_dose_ok if {
	lower(_before.dose) == lower(_args.dose)
	_no_strength_said
}

# The dose that the request says, filled up from the prescription that it changes.
_dose_ok if {
	_drug_said
	strengths := _strengths(_args.dose)
	count(strengths) > 0
	count(strengths - _strengths_said) == 0
	_strength_after
	fill := {t | some t in _tokens(_before.dose); not regex.match(`^[0-9.]+$`, t)} | ({t | _no_frequency_said; some t in _tokens(_frequency(_before.dose))})
	count(((_tokens(_args.dose) - _request_tokens) - _free_tokens) - fill) == 0
}

# "Two puffs twice a day"
_dose_ok if {
	_drug_said
	_before
	count(_strengths(_args.dose)) == 0
	count(_strengths(_before.dose)) == 0
	count((_tokens(_args.dose) - _request_tokens) - _free_tokens) == 0
}

_dose_ok if {
	_drug_said
	not _before
	_strength_ok_new
	count((_tokens(_args.dose) - _request_tokens) - _free_tokens) == 0
}

_strengths_said := _strengths(_text)

_no_strength_said if count(_strengths_said) == 0

_no_strength_said if {
	count(_strengths_said) > 0
	count(_strengths(_before.dose) - _strengths_said) == 0
	count(_strengths_said) == 1
}

# "From 5 to 10 mg" is 10.
_strength_after if {
	said := figures.strengths("drug", {"drug": [_args.drug, _before.drug]})
	count(said) > 0
	count(_strengths(_args.dose) - {replace(x, " ", "") | some x in said}) == 0
}

_strength_after if {
	count(_strengths_said) == 1
}

_strength_ok_new if count(_strengths(_args.dose) - _strengths_said) == 0

_frequency(dose) := regex.replace(lower(dose), `[0-9]+(?:[.][0-9]+)? ?(?:mg|mcg|g|ml|micrograms|units)\b`, "")

_no_frequency_said if {
	not regex.match(`(?i)\b(once|twice|times|daily|morning|evening|night|noon|hours)\b`, _text)
}

_quantity_ok if {
	c := quantities.counts with input.task.statement as _countable
	_args.quantity in c
	not _args.quantity in _strength_numbers
}

_quantity_ok if {
	some m in regex.find_all_string_submatch_n(`\b([0-9]+)x? *(?:tablet|capsule|pill|inhaler|tab|piece|unit|pack|sachet|ampoule|patch)|quantity(?: of|:)? *([0-9]+)`, _digits, -1)
	some n in [m[1], m[2]]
	n == sprintf("%d", [_args.quantity])
}

_quantity_ok if {
	_args.quantity == _before.quantity
	_no_count
}

# "28 tablets" of one drug beside others of which nothing is said.
_digits := x if {
	x := quantities.digits with input.task.statement as _text
}

_number := "(?:[0-9]+|one|two|three|four|five|six|half)"

_countable := regex.replace(_text, concat("", [`(?i)\b`, _number, ` +(?:puffs?|times?|drops?|repeats?|refills?|sprays?|tablets? (?:a|per|every|at|in|once|twice)\b)|\bwith `, _number, ` repeats?|\b(?:repeats|refills):? `, _number]), " ")

_no_count if {
	c := quantities.counts with input.task.statement as _countable
	count(c) == 0
	count(wording.words & {"month", "months", "weeks", "supply", "double", "half"}) == 0
}

_strength_numbers := {to_number(n) | some s in _strengths_said; n := regex.find_n(`^[0-9]+`, s, 1)[0]}

_repeats_ok if arguments.absent("repeats")

_repeats_ok if _args.repeats == 0

_repeats_ok if {
	_args.repeats in quantities.counts
}

_repeats_ok if {
	intent.mentions_number(_args.repeats)
	count(wording.words & {"repeats", "repeat", "refills"}) > 0
}

_which_drug if _drug_said

_which_drug if {
	count(_known_rx) == 1
	_before
}

_which_drug if {
	_before
	count(wording.words & {"all", "both", "everything", "each"}) > 0
}

_vouched contains "prescriptions.issue" if {
	_physician
	_rx_acted
	_meaning == "sure"
	_which_drug
	_not_anothers
	_dose_ok
	_quantity_ok
	_repeats_ok
}

# An old prescription ends if the request stops it or changes it, not if it repeats it.
_cancels_rx if count(wishes.may(_verbs["prescriptions.cancel"] - {"put", "take"})) > 0

_cancels_rx if {
	_acted
	not _issues
}

_cancels_rx if regex.match(`(?i)\bgo(?:es)? (?:up|down)\b|\b(?:up|down) to\b|\bold one off\b`, input.task.statement)

_rx_acted if _acted

_rx_acted if _rx_pattern

# With several patients in the request, this drug isn't another one's.
_not_anothers if count(_named) <= 1

_not_anothers if {
	count(_named) > 1
	_drug_said
}

_rx_patient_sure if _meaning == "sure"

_rx_meant if facts.has("made", _args.prescription_id)

_rx_meant if {
	data.prescriptions[_args.prescription_id].status == "active"
	_args.prescription_id in _said_rx
}

_rx_meant if {
	data.prescriptions[_args.prescription_id].status == "active"
	count(_said_rx) == 0
	not _other_drug_said
}

# The request names the drug of another prescription only.
_other_drug_said if {
	some id, names in data.names.rx
	not id in _known_rx
	some name in names
	intent.mentions(name)
	count(_named) == 1
}

_rx_exact if _args.prescription_id in _said_rx

_rx_exact if count(_known_rx) == 1

_rx_exact if {
	count(wording.words & {"all", "both", "everything"}) > 0
	count(wording.words & _med_words) > 0
}

_vouched contains "prescriptions.cancel" if {
	_physician
	_cancels_rx
	_rx_patient_sure
	_rx_exact
	_no_others
	_short_reason
}

_pharmacy_meaning := m if {
	m := entities.meaning(_args.pharmacy_id, data.names.pharmacies, set()) with input.task.statement as _pharmacy_text
}

_pharmacy_text := _text if {
	n := entities.named(data.names.pharmacies, set()) with input.task.statement as _text
	count(n) > 0
} else := input.task.statement

_pharmacy_open if {
	data.names.pharmacies[_args.pharmacy_id]
	_pharmacy_meaning in {"named", "unclear", "none"}
}

_issues if count(wishes.may({"issue", "repeat", "renew", "prescribe", "reissue", "refill", "reorder"})) > 0

# What this task issued.
_vouched contains "prescriptions.send" if {
	_physician
	facts.has("made", _args.prescription_id)
	_pharmacy_meaning == "named"
	_one_pharmacy
}

_one_pharmacy if count(entities.named(data.names.pharmacies, set())) == 1

_vouched contains "prescriptions.send" if {
	_clinician
	_acted
	_rx_patient_sure
	_rx_exact
	_pharmacy_meaning == "named"
	not _issues
	not _stops
}

_stops if count(wishes.may({"stop", "cancel", "discontinue", "end", "withdraw", "revoke"})) > 0
