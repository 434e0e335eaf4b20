# METADATA
# title: Marsh Lane Practice
# description: |
#   Reads are free. What changes or sends something is sure (the person's words and our records vouch for each value),
#   or maybe (it was asked for, a value comes from elsewhere: the person decides), or not granted.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.arguments
import data.tabard.lib.budgets
import data.tabard.lib.credentials
import data.tabard.lib.clauses
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.intent
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.tools
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://clinic.example"

_once := credentials.once(_backend, ["clinic"], 60)

start contains {"code": "clinic", "limits": {
	"audiences": [_backend],
	"scopes": ["clinic"],
	"tools": ["*"],
	"budgets": {"questions": 8, "texts": 10, "mails": 10, "prescriptions": 5, "reads": 150},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("clinic")
	_me
}

_tool := input.tool.name

_args := input.tool.arguments

# ================================================================ reading

_plain_reads := {
	"patients.search", "patients.get", "records.list", "medications.list", "appointments.free", "rota.get",
	"staff.directory", "providers.search",
}

_foreign_reads := {"appointments.list", "inbox.list", "documents.list"}

grant contains {"code": "read", "credential": _once, "charges": {"reads": 1}} if tools.one_of(_plain_reads)

grant contains {"code": "read", "credential": _once, "charges": {"reads": 1}, "facts": {"texts_read": 1}} if {
	tools.one_of(_foreign_reads)
}

grant contains {
	"code": "read",
	"credential": _once,
	"charges": {"reads": 1},
	"facts": {"texts_read": 1, "sources": {_args.message_id}},
	"notes": ["belongs"],
} if {
	_tool == "inbox.read"
}

grant contains {
	"code": "read",
	"credential": _once,
	"charges": {"reads": 1},
	"facts": {"texts_read": 1, "sources": {_args.document_id}},
} if {
	_tool == "documents.read"
}

grant contains {
	"code": "read",
	"credential": _once,
	"charges": {"reads": 1},
	"facts": {"texts_read": 1, "sources": {_args.record_id}},
	"notes": ["belongs"],
} if {
	_tool == "records.read"
}

# Whose records were looked at before any text of others was read.
grant contains {"code": "read", "credential": _once, "facts": {"listed": _listed}} if _tool == "records.list"

_listed := {_args.patient_id | _clean}

# Front desk, billing and managers read texts of records if the request speaks of such a thing.
ask contains _question("record_of_no_need", "The request doesn't seem to need the text of this record.") if {
	_tool == "records.read"
	not _clinician
	not _speaks_of_records
}

_speaks_of_records if wording.asks_for_form({
	"record", "letter", "result", "lab", "report", "note", "consultation", "referral", "scan", "test", "form", "invoice",
	"bill", "claim", "insurer", "release", "share", "discharge", "blood", "x-ray", "ecg", "history", "summary", "file",
	"document", "forward", "certificate", "finding",
})

_speaks_of_records if wishes.follows

_clean if facts.value("texts_read") == 0

# ================================================================ who asks

_me := username if {
	some username, _ in data.person
	subject.has_claim("username", username)
}

_clinician if subject.has_claim("groups", "clinicians")

_physician if subject.has_claim("groups", "physicians")

_nurse if {
	_clinician
	not _physician
}

_front_desk if subject.has_claim("groups", "front_desk")

_manager if subject.has_claim("groups", "managers")

_of_me if count({"me", "my", "i", "mine", "myself"} & wording.words) > 0

# ================================================================ the four rules

grant contains {"code": "sure", "credential": _once} if _sure[_tool]

grant contains {"code": "maybe", "credential": _once, "charges": {"questions": 1}} if _asked

ask contains _question("not_in_request", "Your request doesn't say this as it stands here: whom, what, when or in which words.") if {
	_asked
}

_asked if {
	budgets.remaining_at_least("questions", 1)
	not _sure[_tool]
	_maybe[_tool]
}

_question(code, reason) := {
	"approvers": ["requester"],
	"code": code,
	"reason": reason,
	"uses": 1,
	"ttl_seconds": 900,
}

_go if _sure[_tool]

_go if _asked

# What calls leave behind.
grant contains {"code": "book", "credential": _once, "notes": ["made"], "facts": {
	"booked": {_args.patient_id},
	"slots": {sprintf("%s=%s", [_args.patient_id, _args.start])},
}} if {
	_tool == "appointments.book"
	_go
}

grant contains {"code": "move", "credential": _once, "facts": {
	"moved": {_args.appointment_id},
	"slots": {sprintf("%s=%s", [_p, _args.start])},
}} if {
	_tool == "appointments.move"
	_go
}

grant contains {
	"code": "issue",
	"credential": _once,
	"notes": ["made"],
	"charges": {"prescriptions": 1},
	"facts": {"issued": {sprintf("%s:%s", [_args.patient_id, lower(_args.drug)])}},
} if {
	_tool == "prescriptions.issue"
	_go
}

grant contains {"code": "send", "credential": _once, "facts": {"sent": {_args.prescription_id}}} if {
	_tool == "prescriptions.send"
	_go
}

grant contains {"code": "text", "credential": _once, "charges": {"texts": 1}, "facts": {"texts_to": {_args.patient_id}}} if {
	_tool == "sms.send"
	_go
}

grant contains {"code": "confirmed_text", "credential": _once, "facts": {"confirmed": {_digest}}} if {
	_tool == "sms.send"
	_asked
}

grant contains {"code": "mail", "credential": _once, "charges": {"mails": count(_mailed)}} if {
	_tool == "mail.send"
	_go
}

grant contains {"code": "tell", "credential": _once, "facts": {"staff_told": {to | some to in _args.to}}} if {
	_tool == "staff.message"
	_go
}

grant contains {"code": "refer", "credential": _once, "facts": {"referred": {sprintf("%s:%s", [_args.patient_id, _args.provider_id])}}} if {
	_tool == "referrals.create"
	_go
}

grant contains {"code": "reply", "credential": _once, "facts": {"replied": {_args.message_id}}} if {
	_tool == "portal.reply"
	_go
}

grant contains {"code": "note", "credential": _once, "facts": {"noted": {_args.patient_id}}} if {
	_tool == "records.add_note"
	_go
}

_digest := crypto.sha256(_args.text)

# ================================================================ whom the call is about

_p := _args.patient_id

_p := data.appointments[_args.appointment_id].patient_id

_p := data.prescriptions[_args.prescription_id].patient_id

_p := _belongs(_args.record_id)

_p := _belongs(_args.message_id)

# An appointment or prescription that this task made has no record; a confirmed call made it.
_made if _args.appointment_id in facts.elements("made")

_made if _args.prescription_id in facts.elements("made")

_belongs(id) := p if {
	owners := {owner |
		some fact in facts.elements("belongs")
		startswith(fact, sprintf("%s:", [id]))
		owner := substring(fact, count(id) + 1, -1)
	}
	count(owners) == 1
	some p in owners
}

_meaning := entities.meaning(_p, data.patients, {"patient"})

_patients_named := entities.named(data.patients, {"patient"})

# The request names this patient, or hands over to a text of this patient and names no other one.
_meant if _meaning == "named"

_meant if {
	_meaning == "none"
	_vouched
}

_vouched if {
	_follows
	some source in _said_sources
	_belongs(source) == _p
}

_said_sources := said if {
	said := (entities.ids("M", {"message", "mail"}) | entities.ids("R", {"record", "letter"})) | entities.ids("D", {"document"})
	count(said) > 0
} else := facts.elements("sources") if {
	facts.size("sources") == 1
}

_follows if wishes.follows

_follows if wording.hands_over

# Not another one: "named", "unclear" or "none".
_possible if _meaning in {"named", "unclear", "none"}

# The clauses that order one of the acts, and are about this kind of thing: "cancel Miriam's Sertraline" is about no
# appointment.
_orders(kind, acts, things) := {text |
	some text in wishes.may(acts) | wishes.stated(acts, things)
	_about(kind, text)
	not _tells(text, acts)
}

# What somebody is told isn't ordered: "answer Harriet that she should go on with her Ramipril".
_tells(text, acts) if {
	first := split(text, " ")[0]
	first in {"answer", "tell", "reply", "text", "let", "inform", "remind", "ask", "mail", "message", "write", "explain", "say", "respond", "notify", "email", "thank", "confirm", "warn"}
	not first in acts
}

_about(kind, text) if regex.match(data.kinds[kind], text)

_about(kind, text) if {
	every other, pattern in data.kinds {
		_harmless(kind, other, pattern, text)
	}
}

_harmless(kind, other, _, _) if kind == other

_harmless(_, _, pattern, text) if not regex.match(pattern, text)

# The request orders one of the acts upon this patient.
_on(kind, acts, things) if {
	not wishes.only_reads
	_p in entities.within(_orders(kind, acts, things), data.patients, {"patient"})
}

_on(kind, acts, things) if {
	not wishes.only_reads
	_meant
	count(_patients_named) < 2
	count(_orders(kind, acts, things)) > 0
}

_any(acts, _) if count(wishes.may(acts)) > 0

_any(acts, things) if {
	count(wishes.may(acts)) == 0
	count(wishes.stated(acts, things)) > 0
}

# What the request may mean: the act in any form, or a text handed over.
_hint(acts) if {
	not wishes.only_reads
	wording.asks_for_form(acts)
}

_hint(acts) if _any(acts, set())

_hint(_) if {
	not wishes.only_reads
	_follows
}

# ================================================================ when

# With several patients, the part of the request about this one.
_part := part if {
	count(_patients_named) > 1
	part := scopes.of(_p, data.patients)
	count(part) > 0
} else := input.task.statement

_day_said if {
	dates.within_said(_args.start, "UTC") with input.task.statement as _part with input.context.time as data.noon
}

_day_said if {
	dates.within_said(_args.start, "UTC") with input.context.time as data.noon
	_no_day_in_part
}

_no_day_in_part if dates.none_said with input.task.statement as _part

_time_said if times.requested("start", "UTC") with input.task.statement as _part

_time_said if times.within_said(_args.start) with input.task.statement as _part

_time_said if {
	_no_time_in_part
	times.requested("start", "UTC")
}

_time_said if {
	_no_time_in_part
	times.within_said(_args.start)
}

_no_time_in_part if times.none_said with input.task.statement as _part

_office_hours if {
	hour := substring(_args.start, 11, 5)
	hour >= "07:00"
	hour < "20:00"
	not time.weekday(time.parse_rfc3339_ns(sprintf("%s:00Z", [_args.start]))) in {"Saturday", "Sunday"}
	_args.start >= data.today
}

# ================================================================ what a text to a patient may say

_own contains name if some name in data.patients[_p]

_own contains day if some day in _dates_said

_own contains said if some said in times.said

_own contains end if {
	some part in times.parts
	some end in part
}

_own contains slot if {
	some appointment in data.appointments
	appointment.patient_id == _p
	slot := appointment.start
}

_own contains slot if {
	some fact in facts.elements("slots")
	startswith(fact, sprintf("%s=", [_p]))
	slot := substring(fact, count(_p) + 1, -1)
}

_own contains name if {
	some username in _staff_known
	some name in data.staff[username]
}

_own contains "Marsh Lane Practice"

_own contains name if {
	some provider in _providers_named
	some name in data.providers[provider]
}

_dates_said := said if said := dates.said("UTC") with input.context.time as data.noon

_staff_known contains _me

_staff_known contains username if some username in _staff_named

_staff_known contains appointment.clinician if {
	some appointment in data.appointments
	appointment.patient_id == _p
}

_staff_known contains data.patient[_p].clinician

# Lowered, since a capital at the beginning of a sentence makes a name of any word. Who would carry a name away in
# capitals could do so in small letters, too.
_plain_text(name) if {
	texts.plain_text(lower(arguments.text(name)), _own | _courtesy, 4)
	not _speaks_of_others(name)
	not _clinical(name)
}

_courtesy := {word | some word in data.courtesy}

# Words of treatment and orders that the request doesn't have.
_clinical(name) if count((_words_of(name) & {word | some word in data.clinical}) - _request_words) > 0

_words_of(name) := {word | some word in regex.split(`[^a-z]+`, lower(arguments.text(name)))}

_request_words := {word | some word in regex.split(`[^a-z]+`, lower(input.task.statement))}

_house_words := {word | some word in data.house_words}

# A short reason: no number, address, link, amount or date that nobody said.
_only_words(name) if {
	arguments.length_at_most(name, 100)
	unsaid := texts.unsaid(name, _own | _house_words)
	object.keys(unsaid) - {"words", "names", "grave"} == set()
	count(object.get(unsaid, "words", [])) <= 6
	count(object.get(unsaid, "names", [])) <= 1
	every word in object.get(unsaid, "grave", []) {
		lower(word) in {"not", "no", "call", "called", "phone", "cannot", "can't"}
	}
	not _speaks_of_others(name)
}

_speaks_of_others(name) if count(texts.mentions_others(name, data.traits, {_p})) > 0

_no_links(name) if not "links" in object.keys(texts.unsaid(name, _own))

# ================================================================ appointments

_book := {
	"book", "arrange", "schedule", "make", "give", "set", "fit", "squeeze", "put", "get", "add", "reserve", "plan", "slot",
	"find", "create", "see", "need", "offer", "rebook", "enter",
}

_visits := {
	"appointment", "slot", "follow-up", "follow up", "check-up", "checkup", "check", "visit", "blood test", "consultation",
	"review", "vaccination", "jab", "smear", "dressing", "half hour", "hour", "time",
}

_sure contains "appointments.book" if {
	_tool == "appointments.book"
	not wishes.conditional
	_on("appointment", _book, _visits)
	_clinician_said
	_office_hours
	_book_when
	_minutes_said
	_reason_fits
	not facts.has("booked", _p)
}

_maybe contains "appointments.book" if {
	_tool == "appointments.book"
	_hint({"book", "arrange", "schedule", "reserve", "rebook", "slot", "see", "appointment", "follow-up", "back", "offer", "enter", "recall"})
	_possible
	_office_hours
	data.person[_args.clinician]
}

_maybe contains "appointments.book" if {
	_tool == "appointments.book"
	not wishes.only_reads
	_meaning == "named"
	_day_said
	_time_said
	_office_hours
	_clinician_said
}

_book_when if {
	_day_said
	_time_said
}

# The assistant chooses, before it has read anything of others.
_book_when if {
	_clean
	_day_said
	times.none_said
}

_book_when if {
	_clean
	dates.none_said
	_time_said
}

_book_when if {
	_clean
	dates.none_said
	times.none_said
}

_clinician_said if _args.clinician in _staff_named

_clinician_said if {
	_args.clinician == _me
	_of_me
}

_clinician_said if {
	_args.clinician == data.patient[_p].clinician
	count(_staff_named - _staff_in_told) == 0
}

_minutes_said if arguments.absent("minutes")

_minutes_said if _args.minutes in {30} | times.lengths

_reason_fits if {
	arguments.length_at_most("reason", 100)
	_clean
}

_reason_fits if {
	arguments.length_at_most("reason", 100)
	_only_words("reason")
}

_move := {
	"move", "reschedule", "shift", "postpone", "push", "bring", "change", "put", "delay", "rebook", "switch", "take", "swap",
	"set", "fit", "make", "rearrange", "give",
}

_old := data.appointments[_args.appointment_id].start

_sure contains "appointments.move" if {
	_tool == "appointments.move"
	not wishes.conditional
	_on("appointment", _move, {"appointment"})
	_move_when
	_office_hours
	not facts.has("moved", _args.appointment_id)
}

_sure contains "appointments.move" if {
	_tool == "appointments.move"
	not wishes.conditional
	_all_of(_move)
	_move_when
	_office_hours
	not facts.has("moved", _args.appointment_id)
}

_maybe contains "appointments.move" if {
	_tool == "appointments.move"
	_hint({"move", "reschedule", "shift", "postpone", "rebook", "delay", "swap", "rearrange", "push", "bring", "change", "switch"})
	_possible
	_office_hours
}

# "Everyone Rosa sees on Wednesday comes an hour later"
_maybe contains "appointments.move" if {
	_tool == "appointments.move"
	not wishes.only_reads
	_meaning == "none"
	_in_group(data.appointments[_args.appointment_id])
	_move_when
	_office_hours
}

# "Stefan Brandt an hour later": the values are said, whatever the verb.
_maybe contains "appointments.move" if {
	_tool == "appointments.move"
	not wishes.only_reads
	_meaning == "named"
	_move_when
	_office_hours
}

_maybe contains "appointments.move" if {
	_tool == "appointments.move"
	_made
	_hint({"move", "reschedule", "shift", "postpone", "rebook", "delay", "swap", "rearrange", "push", "bring", "change", "switch"})
	_office_hours
}

_move_when if {
	_day_said
	_time_said
}

_move_when if {
	_no_day_in_part
	_same_day
	_time_said
}

_move_when if {
	_day_said
	not _same_day
	_same_time
	times.none_said
}

_move_when if {
	_day_said
	not _same_day
	_same_time
	"same" in wording.words
}

_move_when if times.shifted("start", _old) with input.task.statement as _part

_same_day if substring(_old, 0, 10) == substring(_args.start, 0, 10)

_same_time if substring(_old, 11, 5) == substring(_args.start, 11, 5)

# "All of Dr Lind's appointments on Tuesday": our calendar says which ones.
_all_of(acts) if {
	not wishes.only_reads
	count(wishes.of_all(acts, {"appointment", "patient", "visit", "slot", "one"})) > 0
	appointment := data.appointments[_args.appointment_id]
	_in_group(appointment)
	not _p in entities.ruled_out(acts, data.patients, {"patient"})
}

_in_group(appointment) if {
	_whose(appointment.clinician)
	dates.within_said(appointment.start, "UTC") with input.context.time as data.noon
}

_whose(clinician) if clinician in _staff_named

_whose(clinician) if {
	clinician == _me
	_of_me
}

_whose(_) if {
	count(_staff_named) == 0
	not _of_me
}

_cancel := {"cancel", "call", "drop", "delete", "remove", "take", "scrap", "strike", "free"}

_sure contains "appointments.cancel" if {
	_tool == "appointments.cancel"
	not wishes.conditional
	_on("appointment", _cancel, {"cancellation"})
	_cancels_appointment
	_cancel_which
	_cancel_reason
}

_sure contains "appointments.cancel" if {
	_tool == "appointments.cancel"
	not wishes.conditional
	_all_of(_cancel)
	_cancel_reason
}

_maybe contains "appointments.cancel" if {
	_tool == "appointments.cancel"
	_hint({"cancel", "cancellation", "drop", "delete", "remove", "scrap"})
	_possible
}

# "Take him out of the diary"
_maybe contains "appointments.cancel" if {
	_tool == "appointments.cancel"
	not wishes.only_reads
	_meaning == "named"
	regex.match(`(^|[^a-z])(take|strike|cross|call|get).*(off|out|from)([^a-z]|$)`, lower(input.task.statement))
}

_maybe contains "appointments.cancel" if {
	_tool == "appointments.cancel"
	_made
	_hint({"cancel", "cancellation", "drop", "delete", "remove", "scrap"})
}

_cancel_which if _no_day_in_part

_cancel_which if dates.within_said(_old, "UTC") with input.task.statement as _part with input.context.time as data.noon

# Said as an appointment, or with its day.
_cancels_appointment if regex.match(data.kinds.appointment, lower(input.task.statement))

_cancels_appointment if {
	some text in _orders("appointment", _cancel, {"cancellation"})
	dates.within_said(_old, "UTC") with input.task.statement as text with input.context.time as data.noon
}

_cancel_reason if _only_words("reason")

# ================================================================ contact data

_change := {"change", "update", "correct", "amend", "set", "enter", "replace", "put", "fix", "record", "add", "switch", "note", "edit"}

_contact := {"number", "phone", "mobile", "address", "mail", "email", "e-mail", "contact", "telephone"}

_may_contact if _front_desk

_may_contact if _nurse

_sure contains "patients.update_contact" if {
	_tool == "patients.update_contact"
	_may_contact
	not wishes.conditional
	_meaning == "named"
	_on("contact", _change, _contact)
	every name in {"phone", "email", "address"} {
		_contact_said(name)
	}
}

_maybe contains "patients.update_contact" if {
	_tool == "patients.update_contact"
	_may_contact
	_possible
	_hint(_change)
	_contact_wanted
}

_maybe contains "patients.update_contact" if {
	_tool == "patients.update_contact"
	not wishes.only_reads
	_meaning == "named"
	every name in {"phone", "email", "address"} {
		_contact_said(name)
	}
}

_contact_wanted if count(_contact & wording.words) > 0

_contact_wanted if _follows

_contact_wanted if "moved" in wording.words

_contact_said(name) if arguments.absent(name)

_contact_said("phone") if {
	digits := regex.replace(_args.phone, `[^0-9]`, "")
	count(digits) >= 6
	regex.match(`^[+0-9 ()/-]+$`, _args.phone)
	contains(regex.replace(input.task.statement, `[ ()/-]`, ""), digits)
}

_contact_said("phone") if {
	regex.match(`^[+]44[0-9 ()/-]+$`, _args.phone)
	digits := regex.replace(substring(_args.phone, 3, -1), `[^0-9]`, "")
	count(digits) >= 9
	contains(regex.replace(input.task.statement, `[ ()/-]`, ""), sprintf("0%s", [digits]))
}

_contact_said("email") if intent.mentions(_args.email)

_contact_said("address") if texts.plain("address", {data.patient[_p].address, "Marsh Lane"}, 0)

# ================================================================ records

_note := {"note", "record", "document", "write", "log", "put", "enter", "file", "add", "jot", "make", "save", "mark", "take", "summarise", "summarize", "sum", "transfer", "copy"}

_sure contains "records.add_note" if {
	_tool == "records.add_note"
	_note_ordered
	_meant
	_note_fits
	not facts.has("noted", _p)
}

_maybe contains "records.add_note" if {
	_tool == "records.add_note"
	_hint(_note)
	_possible
}

_note_ordered if _p in entities.within(wishes.may(_note) | wishes.stated(_note, {"note"}), data.patients, {"patient"})

_note_ordered if {
	count(_patients_named) < 2
	_any(_note, {"note"})
}

_note_fits if _clean

_note_fits if {
	texts.plain_text(lower(_args.title), _own | _house_words, 5)
	texts.plain_text(lower(_args.text), _own | _house_words, 5)
	not _speaks_of_others("title")
	not _speaks_of_others("text")
	not _clinical("text")
}

_share := {"share", "send", "forward", "pass", "copy", "transfer", "give", "get", "let", "provide", "email", "mail", "supply", "return"}

_sure contains "records.share" if {
	_tool == "records.share"
	not wishes.conditional
	not wishes.only_reads
	_any(_share, set())
	_record_right
	_receiver_right
	_receiver_said
	_no_links("reason")
	_share_reason
}

_share_reason if _clean

_share_reason if not _names_unspoken("reason")

# It speaks of a patient whom neither the request nor a text of hers that was read brought up.
_names_unspoken(name) if count(texts.mentions_others(name, data.traits, _patients_spoken_of)) > 0

_names_unnamed(name) if count(texts.mentions_others(name, data.traits, _patients_named)) > 0

_maybe contains "records.share" if {
	_tool == "records.share"
	_hint({"share", "send", "forward", "pass", "copy", "transfer", "provide", "supply", "return"})
	_receiver_possible
	not _record_wrong
}

# The record is of a patient that the request means: the backend signed it, or it was chosen while nothing was read.
_record_right if _meant

_record_right if {
	not _p
	_clean
	some patient in _patients_named
	facts.has("listed", patient)
}

_record_wrong if _meaning == "other"

_receiver_right if data.owner[lower(_args.recipient)]["class"] == "provider"

_receiver_right if {
	owner := data.owner[lower(_args.recipient)]
	owner["class"] == "patient"
	owner.id == _p
}

_receiver_said if lower(_args.recipient) in _mails_told

_receiver_said if lower(_args.recipient) in entities.within(wishes.may(_share), data.mails, set())

# "Cardiology needs her ECG, share it with them"
_receiver_said if {
	_places_named == {lower(_args.recipient)}
	count({"them", "it"} & wording.words) > 0
	_any({"share", "forward", "transfer"}, set())
}

_receiver_said if {
	_places_named == {lower(_args.recipient)}
	count(_orders("record", _share, set())) > 0
	regex.match(`(^|[^a-z])(them|over|back|along)([^a-z]|$)`, lower(input.task.statement))
}

_receiver_possible if {
	data.owner[lower(_args.recipient)]["class"] in {"provider", "contact"}
	entities.meaning(lower(_args.recipient), data.mails, set()) in {"named", "unclear", "none"}
}

_receiver_possible if {
	data.owner[lower(_args.recipient)]["class"] in {"provider", "contact"}
	count(_places_named) == 0
}

_receiver_possible if {
	owner := data.owner[lower(_args.recipient)]
	owner["class"] == "patient"
	owner.id in _patients_named
}

_receiver_possible if intent.mentions(_args.recipient)

_places_named := {address |
	some address in _mails_named
	data.owner[address]["class"] in {"provider", "contact"}
}

_sure contains "records.release" if {
	_tool == "records.release"
	_clinician
	not wishes.conditional
	not wishes.only_reads
	_release_ordered
	_record_right
	_comment_fits
}

_release_ordered if _any({"release", "publish"}, set())

_release_ordered if {
	some text in _orders("record", {"show", "make", "put", "share", "open", "send", "go", "let", "give"}, set())
	regex.match(`(^|[^a-z])(portal|visible)([^a-z]|$)`, text)
}

_maybe contains "records.release" if {
	_tool == "records.release"
	_hint({"release", "publish", "visible"})
	not _record_wrong
}

_maybe contains "records.release" if {
	_tool == "records.release"
	not wishes.only_reads
	wording.asks_for_form({"portal", "show", "share", "send", "let"})
	_meaning == "named"
	_speaks_of_records
	_shown_to_patient
}

_shown_to_patient if "portal" in wording.words

_shown_to_patient if _p in _patients_told

_comment_fits if arguments.absent("comment")

_comment_fits if {
	_clean
	not _names_unnamed("comment")
}

_comment_fits if _plain_text("comment")

# ================================================================ medication

_issue := {
	"issue", "prescribe", "repeat", "renew", "reissue", "give", "write", "order", "start", "put", "change", "increase",
	"reduce", "double", "raise", "lower", "switch", "make", "extend", "refill", "up", "set", "halve", "replace", "do",
	"bring", "continue", "need", "add", "go",
}

_sure contains "prescriptions.issue" if {
	_tool == "prescriptions.issue"
	_physician
	not wishes.conditional
	_meaning == "named"
	_issue_ordered
	_drug_said
	_dose_said
	_quantity_said
	_repeats_said
	not _allergic
	not facts.has("issued", sprintf("%s:%s", [_p, lower(_args.drug)]))
}

_maybe contains "prescriptions.issue" if {
	_tool == "prescriptions.issue"
	_physician
	_possible
	_hint({"issue", "prescribe", "repeat", "renew", "reissue", "refill", "prescription", "medication", "tablet", "dose", "drug", "medicine", "start"})
	not facts.has("issued", sprintf("%s:%s", [_p, lower(_args.drug)]))
}

_maybe contains "prescriptions.issue" if {
	_tool == "prescriptions.issue"
	_physician
	not wishes.only_reads
	_meaning == "named"
	_drug_said
	_quantity_said
	not facts.has("issued", sprintf("%s:%s", [_p, lower(_args.drug)]))
}

# Verbs of prescriptions alone, or others in a clause that names the drug.
_issue_ordered if _on("drug", {"issue", "prescribe", "renew", "reissue", "refill", "repeat"}, {"prescription", "repeat"})

_issue_ordered if {
	_on("drug", _issue, _drug_things)
	some text in _orders("drug", _issue_firm, _drug_things)
	_names_drug(text, _args.drug)
}

_issue_ordered if {
	_on("drug", _issue, _drug_things)
	some text in _orders("drug", _issue, _drug_things)
	_names_drug(text, _args.drug)
	count(_strengths) > 0
}

_issue_firm := {"give", "order", "start", "change", "increase", "reduce", "double", "raise", "lower", "switch", "extend", "halve", "replace"}

_names_drug(text, drug) if regex.match(sprintf(`(^|[^a-z])%s([^a-z]|$)`, [regex.replace(lower(drug), `[^a-z0-9 -]`, ".")]), text)

_names_drug(text, drug) if {
	some name in data.drug_names[drug]
	regex.match(sprintf(`(^|[^a-z])%s([^a-z]|$)`, [lower(name)]), text)
}

# The patient's own prescription of this drug.
_current := prescription if {
	matches := [candidate |
		some candidate in data.prescriptions
		candidate.patient_id == _p
		lower(candidate.drug) == lower(_args.drug)
	]
	count(matches) == 1
	prescription := matches[0]
}

_drugs_named := entities.named(data.drug_names, set())

_drug_said if wording.mentions_forms(_args.drug)

_drug_said if {
	some drug in _drugs_named
	lower(drug) == lower(_args.drug)
	_current
}

# "Renew his prescription": he has one only. "All her prescriptions".
_drug_said if {
	count(_drugs_named) == 0
	_current
	_only_or_all
}

_only_or_all if count({id | some id, prescription in data.prescriptions; prescription.patient_id == _p}) == 1

_only_or_all if count(wishes.of_all(_issue | _stop, {"prescription", "medication", "medicine", "drug", "repeat", "tablet"})) > 0

_drug_things := {"prescription", "repeat", lower(_args.drug)} | {lower(name) | some name in data.drug_names[_args.drug]}

_drug_directory := object.union(data.drug_names, {_args.drug: array.concat([_args.drug], object.get(data.drug_names, _args.drug, []))})

_strengths := found if {
	part := _part
	found := figures.strengths(_args.drug, _drug_directory) with input.task.statement as part
}

_dose_said if {
	count(_strengths) == 0
	_args.dose == _current.dose
}

_dose_said if {
	some strength in _strengths
	_has_strength(lower(_args.dose), lower(strength))
	texts.plain_text(_args.dose, _dose_own, 1)
}

_dose_said if {
	count(_strengths) == 0
	not _current
	texts.plain_text(_args.dose, set(), 1)
}

default _dose_own := set()

_dose_own := {_current.dose}

_has_strength(dose, strength) if {
	squeezed := replace(dose, " ", "")
	wanted := replace(strength, " ", "")
	startswith(squeezed, wanted)
}

_has_strength(dose, strength) if contains(sprintf(" %s", [dose]), sprintf(" %s", [strength]))

_counts := found if {
	part := _part
	found := figures.counts(_args.drug, _drug_directory) with input.task.statement as part
}

_quantity_said if {
	_args.quantity in quantities.counts
	count(_all_strengths(input.task.statement)) <= 1
}

_quantity_said if {
	_args.quantity in quantities.counts
	count(_all_strengths(input.task.statement)) == 2
	regex.match(`(^|[^a-z])from .* to `, lower(input.task.statement))
}

# With several drugs the quantity stands behind its drug, and no other strength between.
_quantity_said if {
	_args.quantity in quantities.counts
	behind := split(quantities.digits, lower(_args.drug))
	count(behind) == 2
	between := regex.split(sprintf(`(^|[^0-9.,])%d([^0-9.,]|$)`, [_args.quantity]), behind[1])
	count(between) > 1
	count(_all_strengths(between[0])) <= 1
}

_all_strengths(text) := regex.find_n(`[0-9.,]+ ?(mg|mcg|micrograms?|g|ml|milligrams?)([^a-z]|$)`, lower(text), -1)

_quantity_said if {
	count(_counts - {object.get(_args, "repeats", 0)}) == 0
	_args.quantity == _current.quantity
}

_repeats_said if arguments.absent("repeats")

_repeats_said if _args.repeats == 0

_repeats_said if {
	_args.repeats in quantities.counts
	regex.match(`(^|[^a-z])(repeats?|refills?)([^a-z]|$)`, lower(input.task.statement))
}

_repeats_said if {
	_args.repeats == _current.repeats
	count({"same", "before", "again", "repeats", "unchanged"} & wording.words) > 0
}

_families := {
	"penicillin": ["penicillin", "cillin", "amoxi", "augmentin"],
	"ibuprofen": ["ibuprofen", "naproxen", "diclofenac", "aspirin", "nurofen"],
}

_allergic if {
	some allergy in data.patient[_p].allergies
	some part in object.get(_families, allergy, [allergy])
	contains(lower(_args.drug), part)
}

_stop := {
	"cancel", "stop", "discontinue", "withdraw", "end", "take", "drop", "change", "switch", "replace", "increase", "reduce",
	"double", "raise", "lower", "put", "halve", "up", "remove", "revoke", "finish", "go", "bring", "come",
}

_sure contains "prescriptions.cancel" if {
	_tool == "prescriptions.cancel"
	_physician
	not wishes.conditional
	_meaning == "named"
	_stop_ordered
	_prescription_said
	_only_words("reason")
}

_maybe contains "prescriptions.cancel" if {
	_tool == "prescriptions.cancel"
	_clinician
	_hint({"cancel", "stop", "discontinue", "withdraw", "revoke", "prescription", "medication", "dose", "drug", "replace", "switch", "increase", "reduce"})
	_prescription_possible
}

_stop_ordered if {
	_on("drug", _stop, {"prescription"})
	some text in _orders("drug", _stop, {"prescription"})
	_names_drug(text, _rx.drug)
}

_stop_ordered if {
	_on("drug", {"cancel", "stop", "discontinue", "withdraw", "revoke"}, set())
	regex.match(data.kinds.drug, lower(input.task.statement))
	some text in _orders("drug", {"cancel", "stop", "discontinue", "withdraw", "revoke"}, set())
	not regex.match(data.kinds.appointment, text)
}

_rx := data.prescriptions[_args.prescription_id]

_prescription_said if _rx.drug in _drugs_named

# "She no longer needs the statin, stop it": what isn't wanted is what is stopped.
_prescription_said if {
	_tool == "prescriptions.cancel"
	count(_drugs_named) == 0
	some name in data.drug_names[_rx.drug]
	regex.match(sprintf(`(^|[^a-z])%s([^a-z]|$)`, [lower(name)]), lower(input.task.statement))
}

_prescription_said if {
	count(_drugs_named) == 0
	_only_or_all
}

_prescription_possible if {
	_possible
	_prescription_said
}

_prescription_possible if {
	_possible
	count(_drugs_named) == 0
}

_prescription_possible if _made

_maybe contains "prescriptions.cancel" if {
	_tool == "prescriptions.cancel"
	_physician
	not wishes.only_reads
	_meaning == "named"
	_rx.drug in _drugs_named
	wording.asks_for_form({"off", "without", "instead"})
}

_dispatch := {"send", "forward", "transmit", "pass", "get", "fax", "submit", "route"}

_pharmacies_named := entities.named(data.pharmacies, set())

_sure contains "prescriptions.send" if {
	_tool == "prescriptions.send"
	not wishes.conditional
	not wishes.only_reads
	_args.pharmacy_id in entities.within(wishes.may(_dispatch) | wishes.stated(_dispatch, set()), data.pharmacies, set())
	_pharmacy_said
	_prescription_ready
	not facts.has("sent", _args.prescription_id)
}

_maybe contains "prescriptions.send" if {
	_tool == "prescriptions.send"
	_hint({"send", "forward", "pass", "pharmacy", "collect", "pick"})
	data.pharmacies[_args.pharmacy_id]
	_pharmacy_possible
	_prescription_possible
	not facts.has("sent", _args.prescription_id)
}

_pharmacy_said if _pharmacies_named == {_args.pharmacy_id}

_pharmacy_said if {
	part := _part
	entities.named(data.pharmacies, set()) == {_args.pharmacy_id} with input.task.statement as part
	_meaning == "named"
}

_pharmacy_possible if entities.meaning(_args.pharmacy_id, data.pharmacies, set()) in {"named", "unclear", "none"}

_prescription_ready if _made

_prescription_ready if {
	_meaning == "named"
	_prescription_said
	not _rx_replaced
}

# A new prescription of the same drug was issued in this task: the old one isn't the one to send.
_rx_replaced if facts.has("issued", sprintf("%s:%s", [_p, lower(_rx.drug)]))

# ================================================================ referrals

_refer := {"refer", "send", "get", "arrange", "write", "book", "make", "organise", "organize", "create", "request", "ask"}

_sure contains "referrals.create" if {
	_tool == "referrals.create"
	_clinician
	not wishes.conditional
	_meaning == "named"
	_refer_ordered
	_args.provider_id in _providers_named
	_urgency_said
	_letter_fits
	every record in object.get(_args, "records", []) {
		_record_goes(record)
	}
	not facts.has("referred", sprintf("%s:%s", [_p, _args.provider_id]))
}

_refer_ordered if _on("referral", {"refer"}, {"referral"})

_refer_ordered if {
	_on("referral", _refer, {"referral"})
	some text in _orders("referral", _refer, {"referral"})
	regex.match(`(^|[^a-z])referrals?([^a-z]|$)`, text)
}

_refer_ordered if {
	_on("referral", {"send"}, set())
	some text in _orders("referral", {"send"}, set())
	_args.provider_id in entities.within({text}, data.providers, set())
	not regex.match(`'s|(^|[^a-z])(that|whether|if|when|about)([^a-z]|$)`, text)
}

_maybe contains "referrals.create" if {
	_tool == "referrals.create"
	_hint({"refer", "referral"})
	_possible
	entities.meaning(_args.provider_id, data.providers, set()) in {"named", "unclear", "none"}
	not _speaks_of_others("letter")
	every record in object.get(_args, "records", []) {
		not _of_another(record)
	}
}

_maybe contains "referrals.create" if {
	_tool == "referrals.create"
	_clinician
	not wishes.only_reads
	_meaning == "named"
	_any(_refer, {"referral"})
	_args.provider_id in _providers_named
	not _speaks_of_others("letter")
	every record in object.get(_args, "records", []) {
		not _of_another(record)
	}
}

_urgent := {"urgent", "urgently", "urgency", "soon", "asap", "immediately", "emergency", "quickly", "fast"}

_urgency_said if {
	_args.urgency == "urgent"
	count(_urgent & wording.words) > 0
}

_urgency_said if {
	_args.urgency == "routine"
	count({"urgent", "urgently", "emergency", "asap"} & wording.words) == 0
}

_urgency_said if {
	_args.urgency == "routine"
	"routine" in wording.words
}

_letter_fits if {
	_no_links("letter")
	not _speaks_of_others("letter")
}

_record_goes(record) if _belongs(record) == _p

_record_goes(_) if {
	_clean
	facts.has("listed", _p)
}

_of_another(record) if {
	owner := _belongs(record)
	owner != _p
}

# ================================================================ rota

_rota := {"swap", "replace", "take", "put", "change", "cover", "switch", "exchange", "work", "stand", "step", "do", "enter", "let", "have", "give", "move", "set", "fill"}

_staff_named := entities.named(data.staff, set())

_sure contains "rota.swap" if {
	_tool == "rota.swap"
	not wishes.conditional
	not wishes.only_reads
	_rota_ordered
	_rota_right
	_rota_fits
	_rota_day
	_in_swap(_args.from_staff)
	_in_swap(_args.to_staff)
}

_maybe contains "rota.swap" if {
	_tool == "rota.swap"
	_hint(_rota | {"rota", "shift"})
	_rota_right
	_rota_possible
}

# "Gabriel will cover my shift, please change the rota"
_rota_ordered if {
	some text in _orders("rota", _rota, {"swap"})
	regex.match(data.kinds.rota, text)
}

_rota_ordered if {
	some text in _orders("rota", _rota, {"swap"})
	some username in {_args.from_staff, _args.to_staff}
	_in_text(username, text)
}

_in_text(username, text) if username in entities.within({text}, data.staff, set())

_in_text(username, text) if {
	username == _me
	regex.match(`(^|[^a-z])(my|me|i)([^a-z]|$)`, text)
}

# Our rota says who works: one who does is replaced by one who doesn't.
_rota_fits if not data.rota[_args.date]

_rota_fits if {
	_args.from_staff in data.rota[_args.date]
	not _args.to_staff in data.rota[_args.date]
}

_rota_right if _manager

_rota_right if _me in {_args.from_staff, _args.to_staff}

_rota_day if dates.within_said(_args.date, "UTC") with input.context.time as data.noon

_in_swap(username) if username in _staff_named

# "Mary instead of Parveen"
_in_swap(username) if username in _staff_replaced

_in_swap(username) if {
	username == _me
	_of_me
}

_staff_replaced := found if {
	part := concat(", ", exclusions.excepted)
	found := entities.named(data.staff, set()) with input.task.statement as part
}

_rota_possible if count(_staff_named) == 0

_rota_possible if count(_staff_named & {_args.from_staff, _args.to_staff}) > 0

_rota_possible if _follows

# ================================================================ messages

_say := {
	"tell", "send", "write", "reply", "answer", "let", "inform", "text", "message", "mail", "email", "sms", "remind", "notify",
	"ask", "say", "thank", "confirm", "respond", "warn", "invite", "explain", "forward", "offer", "apologise", "apologize",
	"pass", "drop", "get", "give", "update", "call", "know",
}

# ---- in the house
_sure contains "staff.message" if {
	_tool == "staff.message"
	not wishes.only_reads
	every username in _args.to {
		_colleague_told(username)
	}
	_house_text
}

_maybe contains "staff.message" if {
	_tool == "staff.message"
	_hint({"tell", "message", "inform", "let", "forward", "ask", "remind", "notify", "pass", "drop", "send", "warn", "know", "write"})
	every username in _args.to {
		data.person[username]
	}
	_colleagues_possible
}

_colleague_told(username) if username == _me

_colleague_told(username) if {
	username in _staff_in_told
	not facts.has("staff_told", username)
}

_colleague_told(username) if {
	username in _group_told
	not facts.has("staff_told", username)
	not username in entities.ruled_out(_say, data.staff, set())
}

# "Let her doctor know"
_colleague_told(username) if {
	some phrase in clauses.told
	regex.match(`(^|[^a-z])(doctor|physician|clinician|gp|nurse)$`, trim_space(phrase))
	count(_staff_named - {_me}) == 0
	count(_patients_named) == 1
	some p in _patients_named
	username == data.patient[p].clinician
	not facts.has("staff_told", username)
}

_group_told contains username if {
	some phrase in clauses.told
	some name, members in data.staff_groups
	regex.match(sprintf(`(^|[^a-z])%s([^a-z]|$)`, [name]), phrase)
	not _of_patients(name)
	some username in members
}

# "Text everyone who has an appointment" means patients.
_of_patients(name) if {
	name in {"everyone", "everybody"}
	regex.match(`(^|[^a-z])(patients?|appointments?|portal)([^a-z]|$)`, lower(input.task.statement))
}

_colleagues_possible if {
	every username in _args.to {
		username in _staff_named | {_me}
	}
}

_colleagues_possible if {
	count(_staff_named - {_me}) == 0
	count(_group_told) == 0
	count(_patients_told | _mails_told) == 0
	_to_somebody
}

_colleagues_possible if {
	count(_staff_named - {_me}) == 0
	some phrase in clauses.told
	regex.match(`(^|[^a-z])(doctor|nurse|physician|clinician|colleague|gp)([^a-z]|$)`, phrase)
}

# "Let his doctor know", "whoever it concerns", or a text handed over.
_to_somebody if count(clauses.told) > 0

_to_somebody if _follows

_to_somebody if count({"doctor", "colleague", "colleagues", "both", "whoever", "nurse", "physician", "clinician", "them", "him", "her", "line"} & wording.words) > 0

_colleagues_possible if {
	every username in _args.to {
		_colleague_told(username)
	}
}

_house_text if {
	_args.to == [_me]
	not texts.unsaid("text", _house_own).links
	not _instructs
}

# Colleagues may know all. A text with links, or about patients that nobody spoke of, or with grave words is looked at.
_house_text if _clean

_house_text if {
	unsaid := texts.unsaid("text", _house_own)
	not unsaid.links
	not _names_unspoken("text")
	not _instructs
}

# An order to a colleague that the request doesn't have.
_instructs if count((_words_of("text") & {word | some word in data.instructing}) - _request_words) > 0

_house_own := {name | some names in data.staff; some name in names}

_patients_spoken_of contains p if some p in _patients_named

# "Tell Rosa who comes tomorrow"
_patients_spoken_of contains appointment.patient_id if {
	some appointment in data.appointments
	dates.within_said(appointment.start, "UTC") with input.context.time as data.noon
}

_patients_spoken_of contains p if {
	some fact in facts.elements("belongs")
	p := substring(fact, indexof(fact, ":") + 1, -1)
}

# ---- to patients
_sure contains "sms.send" if {
	_tool == "sms.send"
	not wishes.conditional
	_sms_to
	_plain_text("text")
	not facts.has("texts_to", _p)
}

_sure contains "sms.send" if {
	_tool == "sms.send"
	_sms_to
	facts.has("confirmed", _digest)
	not facts.has("texts_to", _p)
}

_maybe contains "sms.send" if {
	_tool == "sms.send"
	_hint(_say)
	_possible
	_text_possible
	_no_links("text")
	not _speaks_of_others("text")
}

# "Answer her in the portal" means no text message.
_text_possible if count({"text", "texts", "sms", "remind", "reminder"} & wording.words) > 0

_text_possible if count({"portal", "mail", "mails", "email", "message", "messages", "note", "record"} & wording.words) == 0

_text_possible if _p in _patients_told

_text_possible if _follows

_sms_to if {
	not wishes.only_reads
	_p in _patients_told
}

_sms_to if {
	_meant
	count(_patients_named) < 2
	wording.asks_for_form(_say)
}

# "Text everybody who has an appointment with Dr Lind on Tuesday": our calendar says who.
_sms_to if {
	not wishes.only_reads
	count(wishes.of_all(_say, {"patient", "appointment", "one", "person"})) > 0
	some appointment in data.appointments
	appointment.patient_id == _p
	_in_group(appointment)
	not _p in entities.ruled_out(_say, data.patients, {"patient"})
}

_sure contains "portal.reply" if {
	_tool == "portal.reply"
	not wishes.conditional
	_reply_to
	_plain_text("text")
	not facts.has("replied", _args.message_id)
}

_maybe contains "portal.reply" if {
	_tool == "portal.reply"
	_hint(_say)
	facts.has("sources", _args.message_id)
	not _record_wrong
	_no_links("text")
	not _speaks_of_others("text")
}

_maybe contains "portal.reply" if {
	_tool == "portal.reply"
	_hint(_say)
	facts.has("sources", _args.message_id)
	not _p
	not _foreign_text
}

_foreign_text if _names_unnamed("text")

# The text is bounded and goes to the patient who wrote, so a word for it is enough.
_reply_to if {
	not wishes.only_reads
	wording.asks_for_form(_say)
	_meant
}

_reply_to if {
	not wishes.only_reads
	_any(_say, set())
	_args.message_id in entities.ids("M", {"message"})
	_p
}

# ---- by mail, which is open
_mailed := {lower(to) | some to in array.concat(_args.to, object.get(_args, "cc", []))}

_sure contains "mail.send" if {
	_tool == "mail.send"
	not wishes.conditional
	not wishes.only_reads
	_any(_say, set())
	every to in _mailed {
		_addressee(to)
	}
	_mail_plain("subject")
	_mail_plain("body")
	_mail_attachments
	count(_mail_strangers) == 0
}

_maybe contains "mail.send" if {
	_tool == "mail.send"
	_hint(_say)
	every to in _mailed {
		_addressee_possible(to)
	}
	count(_mail_strangers) == 0
	_mail_attachments_possible
}

# Patients other than those of the request and the addressees are never spoken of.
_mail_strangers := texts.mentions_others("subject", data.traits, _mail_known) | texts.mentions_others("body", data.traits, _mail_known)

_mail_known := _patients_named | {owner.id |
	some to in _mailed
	owner := data.owner[to]
	owner["class"] == "patient"
}

_mail_plain(name) if texts.plain_text(lower(arguments.text(name)), _mail_own | _house_words, 5)

_mail_own contains name if {
	some to in _mailed
	some name in data.mails[to]
}

_mail_own contains to if some to in _mailed

_mail_own contains slot if {
	some to in _mailed
	some fact in facts.elements("slots")
	patient := data.owner[to].id
	startswith(fact, sprintf("%s=", [patient]))
	slot := substring(fact, count(patient) + 1, -1)
}

# Those whom an alert names may be told of appointments, as the patients.
_mail_own contains appointment.start if {
	some to in _mailed
	some appointment in data.appointments
	appointment.patient_id == data.owner[to].id
}

_mail_own contains appointment.start if {
	some to in _mailed
	some appointment in data.appointments
	appointment.patient_id == data.relatives[to]
}

_mail_own contains day if some day in _dates_said

_mail_own contains said if some said in times.said

_own contains end if {
	some part in times.parts
	some end in part
}

_mail_own contains name if some name in data.staff[_me]

_mail_own contains "Marsh Lane Practice"

_addressee(to) if to in _mails_told

_addressee(to) if {
	to in _mails_named
	_any({"mail", "email", "answer", "reply", "write", "respond", "send"}, set())
}

_addressee(to) if to == lower(data.person[_me].email)

_addressee_possible(to) if {
	data.owner[to]
	entities.meaning(to, data.mails, set()) in {"named", "unclear", "none"}
}

_addressee_possible(to) if intent.mentions(to)

_addressee_possible(to) if _addressee(to)

_addressee_possible(to) if {
	data.owner[to]["class"] in {"provider", "contact"}
	count(_places_named) == 0
	count({"mail", "mails", "email", "write", "reply", "answer", "respond"} & wording.words) > 0
}

# Records never go by open mail.
_mail_attachments if arguments.absent("attachments")

_mail_attachments if {
	every id in _args.attachments {
		startswith(id, "D-")
		_document_chosen(id)
	}
}

_document_chosen(id) if id in entities.ids("D", {"document"})

_document_possible(id) if _document_chosen(id)

_document_possible(id) if facts.has("sources", id)

_document_possible(_) if _clean

_mail_attachments_possible if arguments.absent("attachments")

_mail_attachments_possible if {
	every id in _args.attachments {
		startswith(id, "D-")
		_document_possible(id)
	}
}

deny contains {"code": "records_by_mail", "message": "Records don't go by open mail. Share them through the secure gateway, or release them in the portal."} if {
	_tool == "mail.send"
	some id in object.get(_args, "attachments", [])
	startswith(id, "R-")
}

# Nobody needs to be told an address or a number that is confidential.
deny contains {"code": "confidential", "message": "This address or phone number is confidential."} if {
	_tool in {"mail.send", "sms.send", "portal.reply"}
	some name in {"subject", "body", "text"}
	_squeezed := regex.replace(lower(object.get(_args, name, "")), `[^a-z0-9]`, "")
	some secret in data.confidential
	contains(_squeezed, secret)
}

deny contains {"code": "pharmacies_only", "message": "Prescriptions go to pharmacies."} if {
	_tool == "prescriptions.send"
	not data.pharmacies[_args.pharmacy_id]
}

deny contains {"code": "physicians_only", "message": "Physicians issue prescriptions."} if {
	_tool == "prescriptions.issue"
	not _physician
}

# Values that several rules read: Rego keeps those of rules.
_patients_told := entities.told(data.patients)

_staff_in_told := entities.told(data.staff)

_mails_told := entities.told(data.mails)

_mails_named := entities.named(data.mails, set())

_providers_named := entities.named(data.providers, set())
