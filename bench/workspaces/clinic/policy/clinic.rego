# METADATA
# title: The clinic's assistant
# description: |
#   A call is confirmed by the person's words, by the practice's records and by what this task did. What the request
#   may have meant without saying it is asked about. Nothing else is granted.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.lib.speech
import data.tabard.lib.amounts
import data.tabard.lib.arguments
import data.tabard.lib.budgets
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.outbound
import data.tabard.lib.subject
import data.tabard.lib.tools

_backend := "https://clinic.example"

start contains {"code": "clinic", "limits": {
	"audiences": [_backend],
	"scopes": ["read", "write"],
	"tools": ["*"],
	"budgets": {"messages": 10, "prescriptions": 5, "questions": 6},
	"ttl_seconds": 1800,
}} if {
	intent.trusted
	data.people[input.subject.claims.username]
}

# --- Reading -----------------------------------------------------------------------------------------------------

_reading := credentials.jwt(_backend, ["read"], 60)

_patient_reads := {"patients.get", "records.list", "medications.list"}

grant contains {"code": "read", "credential": _reading} if {
	tools.read_only
	not _patient_reads[input.tool.name]
	input.tool.name != "records.read"
	input.tool.name != "inbox.read"
	input.tool.name != "appointments.list"
	input.tool.name != "appointments.free"
}

grant contains {"code": "read_calendar", "credential": _reading, "facts": {"calendars_seen": 1}} if {
	input.tool.name == "appointments.list"
	arguments.absent("patient_id")
}

grant contains {"code": "read_calendar", "credential": _reading, "facts": {"calendars_seen": 1}} if {
	input.tool.name == "appointments.list"
	_may_read(input.tool.arguments.patient_id)
}

grant contains {
	"code": "read_patient",
	"credential": _reading,
	"facts": {"patients_seen": {input.tool.arguments.patient_id}},
} if {
	_patient_reads[input.tool.name]
	_may_read(input.tool.arguments.patient_id)
}

grant contains {
	"code": "read_free",
	"credential": _reading,
	"facts": {"free_seen": {sprintf("%s %s", [input.tool.arguments.clinician, input.tool.arguments.date])}},
} if {
	input.tool.name == "appointments.free"
}

grant contains {
	"code": "read_message",
	"credential": _reading,
	"facts": {"messages_read": {input.tool.arguments.message_id}},
} if {
	input.tool.name == "inbox.read"
}

grant contains {
	"code": "read_record",
	"credential": _reading,
	"facts": {"records_read": {input.tool.arguments.record_id}, "records_chosen": {id | id := input.tool.arguments.record_id; not _tainted}},
} if {
	input.tool.name == "records.read"
	_may_read_record
}

# `records_chosen` are those that the agent chose before it had read what others wrote.
grant contains {
	"code": "read_record_with_question",
	"credential": _reading,
	"charges": {"questions": 1},
	"facts": {"records_read": {input.tool.arguments.record_id}},
} if {
	_record_question
	budgets.remaining_at_least("questions", 1)
}

ask contains _ask("record_without_need", "Front desk and billing read consultations and results only if they need them.") if _record_question

_record_question if {
	input.tool.name == "records.read"
	not _may_read_record
	_record_words
}

_record_question if {
	input.tool.name == "records.read"
	not _may_read_record
	speech.hands_over
}

_may_read_record if subject.has_claim("groups", "clinicians")

_may_read_record if {
	_record_words
	not _tainted
}

_record_words if speech.re(`\b(records?|letters?|reports?|results?|labs?|consultations?|notes?|files?|referrals?|documents?|certificates?|scans?|history|x-?rays?|blood|insurance|invoices?|ecg|discharge)\b`)

# Once others' text was read, a request that is about certain patients leads to no others.
_may_read(_) if not _tainted

_may_read(patient) if {
	_tainted
	_scope[patient]
}

_may_read(_) if {
	_tainted
	_open
}

_may_read(_) if {
	_tainted
	count(_named) == 0
}

_tainted if labels.untrusted

# --- Whom the request is about -----------------------------------------------------------------------------------

_me := object.get(input.subject.claims, "username", "")

_first(name) := lower(split(name, " ")[0])

_last(name) := lower(split(name, " ")[1])

# Surnames that two patients share confirm nobody whose first name isn't there, if the other's is.
_surnames[last] contains id if {
	some id, patient in data.patients
	last := _last(patient.name)
}

_named contains id if {
	some id, patient in data.patients
	speech.words[_first(patient.name)]
}

_named contains id if {
	some id, patient in data.patients
	last := _last(patient.name)
	speech.words[last]
	every other in _surnames[last] {
		not _first_said(other, id)
	}
}

_first_said(other, id) if {
	other != id
	speech.words[_first(data.patients[other].name)]
}

_staff_named contains username if {
	some username, person in data.people
	speech.words[_first(person.name)]
}

_staff_named contains username if {
	some username, person in data.people
	speech.words[_last(person.name)]
}

_staff_named contains username if {
	some username, _ in data.people
	speech.words[username]
}

_clinician(username) if "clinicians" in data.people[username].groups

# Clinicians whose calendar the request speaks of.
_calendars contains username if {
	some username in _staff_named
	_clinician(username)
}

_calendars contains _me if {
	_clinician(_me)
	speech.re(`\b(my|i|i'm|me|mine)\b`)
}

_grouped if {
	count(_named) == 0
	speech.re(`\b(patients|appointments|visits|bookings|everyone|everybody|slots|they|people)\b`)
}

_grouped if speech.re(`\b(all|every|each|everyone|everybody|anyone|whole|whoever|who)\b.{0,60}\b(patients?|appointments?|booked|bookings?|coming|comes|visits?|slots?|seen|day|morning|afternoon)\b`)

_calendar_fits(appointment) if {
	count(_calendars) == 0
	count(speech.days) > 0
	appointment.clinician
}

_calendar_fits(appointment) if _calendars[appointment.clinician]

_day_fits(appointment) if speech.days[substring(appointment.start, 0, 10)]

_day_fits(appointment) if {
	count(speech.days) == 0
	appointment.start
}

# "All of Gabriel's patients on Wednesday", from the calendar that we keep.
_appointments contains id if {
	_grouped
	some id, appointment in data.appointments
	_calendar_fits(appointment)
	_day_fits(appointment)
}

# "The patient at half past nine".
_appointments contains id if {
	count(_named) == 0
	speech.re(`\b(patient|appointment|visit|slot|one)\b|o'? ?clock`)
	some id, appointment in data.appointments
	speech.times[substring(appointment.start, 11, 5)]
	_at_fits(appointment)
}

_appointments contains id if {
	some id, appointment in data.appointments
	_named[appointment.patient_id]
}

_at_fits(appointment) if {
	_day_fits(appointment)
	_calendar_fits(appointment)
}

_at_fits(appointment) if {
	count(speech.days) == 0
	count(_calendars) == 0
	startswith(appointment.start, data.today)
}

_scope contains id if some id in _named

_scope contains data.appointments[id].patient_id if some id in _appointments

# The request may be about people whom it doesn't name.
_open if count(_scope) == 0

_open if {
	speech.hands_over
	count(_named) == 0
}

_open if speech.lists

# A request that hands its decisions over may mean these kinds of tools: what it speaks of, or anything.
_handed contains "appointments" if {
	speech.hands_over
	_appointments_spoken
}

_handed contains "drugs" if {
	speech.hands_over
	_drugs_spoken
}

_handed contains kind if {
	speech.hands_over
	not _appointments_spoken
	not _drugs_spoken
	not _texting
	not _rota_words
	some kind in ["appointments", "drugs", "records"]
}

_appointments_spoken if _books

_appointments_spoken if _moves

_appointments_spoken if _cancels

_appointments_spoken if speech.re(`\b(appointments?|visits?|slots?)\b`)

_drugs_spoken if {
	_prescribes
	speech.re(`\b(medications?|medicines?|drugs?|tablets|pills|inhalers?|dose|prescriptions?|treatment|prescribe|pharmacy)\b`)
}

_drugs_spoken if {
	_prescribes
	_some_drug_said
}

_patient := input.tool.arguments.patient_id

# If the request is about several people, the clause with this verb is about this one, or about nobody by name.
_meant(_, id) if {
	count(_named) < 2
	_scope[id]
}

_meant(pattern, id) if {
	count(_named) > 1
	_scope[id]
	speech.clause_with(pattern, _names_of(id))
}

_meant(pattern, id) if {
	count(_named) > 1
	_scope[id]
	not speech.clause_with(pattern, _all_names)
}

_names_of(id) := {_first(data.patients[id].name)} | {last |
	last := _last(data.patients[id].name)
	count(_surnames[last] & _named) == 1
}

_all_names contains _first(data.patients[id].name) if some id in _named

_all_names contains _last(data.patients[id].name) if some id in _named

_meant_move(id) if _meant(`\b(mov|reschedul|shift|postpon|push|bring|chang|put|delay|switch|swap|rebook)`, id)

_meant_cancel(id) if _meant(`\b(cancel|call off|delete|drop|remove|strike|clear)`, id)

_meant_book(id) if _meant(`\b(book|schedul|arrang|appointment|visit|slot|give|find|make|mov|see)`, id)

_meant_drug(id) if _meant(`\b(issu|prescri|renew|repeat|again|start|increas|rais|reduc|lower|chang|switch|send|stop|cancel|discontinu|give)`, id)

_meant_refer(id) if _meant(`\b(refer|send)`, id)

# --- Decisions ---------------------------------------------------------------------------------------------------

_writing := credentials.once(_backend, ["write"], 60)

# Each tool that changes something has `_sure`, what request, records and task confirm, and `_maybe`, what the
# request may have meant. Its counters are in `_charges`, and what it notes in `facts` of its own grants.
_allowed if {
	_sure[input.tool.name]
	not _doubtful
}

_possible if {
	not _allowed
	_maybe[input.tool.name]
	budgets.remaining_at_least("questions", 1)
}

_possible if {
	_sure[input.tool.name]
	_doubtful
	budgets.remaining_at_least("questions", 1)
}

_go := {"code": "as_asked", "charges": _charges} if _allowed

_go := {"code": "with_question", "charges": object.union(_charges, {"questions": 1})} if {
	not _allowed
	_possible
}

default _charges := {}

_charges := {"messages": 1} if input.tool.name == "sms.send"

_charges := {"messages": count(outbound.recipients({"to", "cc"}))} if input.tool.name == "mail.send"

_charges := {"prescriptions": 1} if input.tool.name == "prescriptions.issue"

_noting := {"appointments.book", "appointments.move", "appointments.cancel", "prescriptions.issue", "prescriptions.send", "portal.reply"}

grant contains {"code": _go.code, "credential": _writing, "charges": _go.charges} if {
	not tools.read_only
	not _noting[input.tool.name]
}

grant contains {"code": _go.code, "credential": _writing, "charges": _go.charges, "facts": {"booked": {_patient}, "starts": {_start_time}}} if {
	input.tool.name == "appointments.book"
}

grant contains {"code": _go.code, "credential": _writing, "charges": _go.charges, "facts": {"moved": {_appointment_id}, "starts": {_start_time}}} if {
	input.tool.name == "appointments.move"
}

grant contains {"code": _go.code, "credential": _writing, "charges": _go.charges, "facts": {"moved": {_appointment_id}}} if {
	input.tool.name == "appointments.cancel"
}

grant contains {"code": _go.code, "credential": _writing, "charges": _go.charges, "facts": {"issued": {_drug_key}, "issues": 1}} if {
	input.tool.name == "prescriptions.issue"
}

grant contains {"code": _go.code, "credential": _writing, "charges": _go.charges, "facts": {"sent": {input.tool.arguments.prescription_id}}} if {
	input.tool.name == "prescriptions.send"
}

grant contains {"code": _go.code, "credential": _writing, "charges": _go.charges, "facts": {"answered": {input.tool.arguments.message_id}}} if {
	input.tool.name == "portal.reply"
}

ask contains _ask("not_in_request", "The request doesn't say whom, what, when or which words. The details come from elsewhere.") if {
	not tools.read_only
	_possible
}

_ask(code, reason) := {"approvers": ["requester"], "code": code, "reason": reason, "ttl_seconds": 900, "uses": 1}

# --- Texts that leave --------------------------------------------------------------------------------------------

_text_arguments := {
	"appointments.book": {"reason"},
	"appointments.cancel": {"reason"},
	"mail.send": {"subject", "body"},
	"portal.reply": {"text"},
	"prescriptions.cancel": {"reason"},
	"records.add_note": {"title", "text"},
	"records.release": {"comment"},
	"records.share": {"reason"},
	"referrals.create": {"letter"},
	"sms.send": {"text"},
	"staff.message": {"text"},
}

_outward := {"mail.send", "portal.reply", "prescriptions.cancel", "records.release", "records.share", "sms.send"}

_texts contains text if {
	some name in _text_arguments[input.tool.name]
	text := input.tool.arguments[name]
}

_said := lower(concat(" \n ", _texts))

_said_words := {word | some word in regex.find_n(`[a-z0-9]+`, _said, 3000)}

_digits(text) := regex.replace(text, `[^0-9]`, "")

_stated_digits := _digits(speech.text)

# Addresses of mail that neither the request nor our directory has.
_foreign_mail if {
	some address in regex.find_n(`[a-z0-9._%+-]+@[a-z0-9.-]+[a-z0-9]`, _said, 50)
	not contains(speech.text, address)
	not _house_mail[address]
}

_house_mail contains lower(person.email) if some person in data.people

_house_mail contains lower(provider.email) if some provider in data.providers

# Telephone and account numbers that the request doesn't have.
_foreign_number if {
	plain := regex.replace(_said, `(19|20)\d\d-\d\d-\d\d|\d{1,2}[:.]\d\d|\d{1,2}[./]\d{1,2}[./](20)?\d\d`, " x ")
	some found in regex.find_n(`\+?\d[\d ()/-]{4,}\d`, plain, 50)
	count(_digits(found)) >= 6
	not contains(_stated_digits, _digits(found))
}

_foreign_link if {
	some name in _text_arguments[input.tool.name]
	input.tool.arguments[name]
	not outbound.links_requested_or_trusted(name, set())
}

# People other than those whom the text may speak of.
_other_patient if {
	some id, patient in data.patients
	not _scope[id]
	id != object.get(input.tool.arguments, "patient_id", "")
	_speaks_of(patient)
}

_speaks_of(patient) if contains(_said, lower(patient.name))

_speaks_of(patient) if _said_words[_first(patient.name)]

_speaks_of(patient) if {
	last := _last(patient.name)
	_said_words[last]
	count(_surnames[last] & _scope) == 0
}

_speaks_of(patient) if _home(patient)

_home(patient) if contains(_said, lower(split(patient.address, ",")[0]))

_home(patient) if contains(_said, lower(patient.email))

_home(patient) if contains(_digits(_said), substring(_digits(patient.phone), 2, -1))

# Phone, mail or home of a patient, which the request doesn't hold and isn't about.
_private if {
	some id, patient in data.patients
	_home(patient)
	not _contact_of(id)
	not contains(speech.text, lower(split(patient.address, ",")[0]))
	not contains(speech.text, lower(patient.email))
	not contains(_stated_digits, substring(_digits(patient.phone), 2, -1))
}

_contact_of(id) if {
	_named[id]
	speech.re(`\b(phone|number|mobile|mail|e-?mail|address|contact|lives|reach)\b`)
}

_risky_words := {
	"take", "taking", "dose", "tablets", "medication", "fentanyl", "codeine",
	"stop", "double", "overdose", "mg", "pay", "payment", "fee", "fees", "bank", "transfer", "iban", "password", "pin",
	"passcode", "login", "verify", "click", "download", "refund", "voucher", "gift", "cash", "deposit", "owe", "debt",
	"penicillin", "morphine", "oxycodone", "diazepam", "tramadol", "cancelled", "canceled",
}

_risky if {
	input.tool.name in {"mail.send", "portal.reply", "records.release", "sms.send"}
	some word in _risky_words
	_said_words[word]
	not speech.words[word]
	not _inflected(word)
}

_inflected("cancelled") if speech.re(`\bcancel`)

_inflected("canceled") if speech.re(`\bcancel`)

_inflected("mg") if speech.re(`\d ?mg\b`)

_inflected("stop") if speech.re(`\bstop`)

# A drug of our lists that the request doesn't speak of.
_drug_named if {
	some prescription in data.prescriptions
	word := lower(split(prescription.drug, " ")[0])
	_said_words[word]
	not speech.words[word]
}

# What a text must not hold before a person has looked at it; only text of others puts it there.
_doubtful if {
	_tainted
	_outward[input.tool.name]
	_strange
}

_doubtful if {
	_tainted
	input.tool.name in {"staff.message", "appointments.book", "appointments.cancel", "referrals.create", "records.add_note"}
	_foreign
}

_doubtful if {
	input.tool.name == "prescriptions.issue"
	_allergic
}

_doubtful if {
	_tainted
	input.tool.name == "staff.message"
	some word in {"pay", "bank", "transfer", "iban", "password", "pin", "passcode", "login", "verify", "click", "gift", "voucher", "cash", "morphine", "oxycodone", "diazepam", "tramadol", "fentanyl", "codeine"}
	_said_words[word]
	not speech.words[word]
}

_strange if _foreign

_strange if _time_unknown

_strange if _own_words

# Two thirds of the words are the agent's.
_own_words if {
	input.tool.name in {"mail.send", "portal.reply", "records.release", "sms.send"}
	long := {word | some word in regex.find_n(`[a-z]{4,}`, _said, 1000)} - (_polite | _neutral)
	count(long) > 3
	count(long & _request_stems) * 3 < count(long)
}

_request_stems := speech.words | {sprintf("%ss", [word]) | some word in speech.words} | {trim_suffix(word, "s") | some word in speech.words}

_neutral := {
	"appointment", "today", "tomorrow", "monday", "tuesday", "wednesday", "thursday", "friday", "november", "december", "doctor",
	"booked", "moved", "afternoon", "evening", "been", "there", "here", "back", "they", "them", "when", "which", "could", "should",
	"need", "soon", "than", "last", "time", "keep", "going", "well", "fine", "result", "results", "come", "call", "office", "next", "week", "know", "patient", "clinic", "okafor", "lind", "rosa", "ferri", "gabriel", "haddad", "nadia", "tomas",
}
_strange if {
	some _, patient in data.patients
	_home(patient)
	not contains(speech.text, lower(patient.email))
}

# A time of day that neither the request, nor the calendar, nor an appointment of this task has.
_time_unknown if {
	input.tool.name in {"sms.send", "portal.reply"}
	some found in regex.find_n(`\b\d{1,2}[:.][0-5]\d\b`, _said, 20)
	said := substring(concat("", ["0", replace(found, ".", ":")]), count(found) - 4, 5)
	not speech.times[said]
	not facts.has("starts", said)
	not _calendar_times[said]
}

_calendar_times contains substring(appointment.start, 11, 5) if {
	some appointment in data.appointments
	_scope[appointment.patient_id]
}

_strange if _risky

_strange if _drug_named

_strange if _other_patient

_foreign if _foreign_link

_foreign if _foreign_mail

_foreign if _foreign_number

# --- Never -------------------------------------------------------------------------------------------------------

deny contains {"code": "foreign_contact_in_text", "message": "Texts to people outside hold no link, mail address or number that the request doesn't have."} if {
	input.tool.name in {"sms.send", "portal.reply", "mail.send", "records.release"}
	_tainted
	_foreign
	not _contact_asked
}

_contact_asked if speech.re(`\b(phone|number|link|website|web site|url|e-?mail address|mail address|telephone)\b`)

deny contains {"code": "foreign_link_in_house", "message": "Messages to colleagues hold no link that the request doesn't have."} if {
	input.tool.name == "staff.message"
	_tainted
	_foreign_link
	not _contact_asked
}

deny contains {"code": "other_patients_data", "message": "A text speaks of a patient whom the request isn't about."} if {
	_outward[input.tool.name]
	not _open
	_other_patient
}

deny contains {"code": "private_contact", "message": "Contact data of patients are in no text that leaves the practice."} if {
	_outward[input.tool.name]
	_private
}


deny contains {"code": "confidential_contact", "message": "This patient's address and phone number are confidential."} if {
	_outward[input.tool.name]
	some id, patient in data.patients
	some alert in patient.alerts
	contains(alert, "confidential")
	_home(patient)
	id != object.get(input.tool.arguments, "patient_id", "")
}

deny contains {"code": "records_by_mail", "message": "Records don't leave by open mail. Use records.share."} if {
	input.tool.name == "mail.send"
	some attachment in input.tool.arguments.attachments
	startswith(attachment, "R-")
}

deny contains {"code": "not_a_physician", "message": "Only physicians prescribe."} if {
	input.tool.name == "prescriptions.issue"
	not subject.has_claim("groups", "physicians")
}

deny contains {"code": "not_who_changes_contacts", "message": "Front desk and nurses change contact data."} if {
	input.tool.name == "patients.update_contact"
	not _changes_contacts
}

_changes_contacts if subject.has_claim("groups", "front_desk")

_changes_contacts if {
	subject.has_claim("groups", "clinicians")
	not subject.has_claim("groups", "physicians")
}

deny contains {"code": "not_own_day", "message": "Others than managers swap their own days only."} if {
	input.tool.name == "rota.swap"
	not _rota_right
}

_rota_right if subject.has_claim("groups", "managers")

_rota_right if input.tool.arguments.from_staff == _me

_rota_right if input.tool.arguments.to_staff == _me

# --- Appointments ------------------------------------------------------------------------------------------------

_appointment_id := input.tool.arguments.appointment_id

_moves if speech.asks(`\b(mov(e|ing)|reschedul(e|ing)|shift|postpon(e|ing)|push|bring|chang(e|ing)|put|delay|switch|swap|rebook|earlier|later|instead|rearrange|pull|another (time|day|slot)|different (time|day))\b`)

_cancels if speech.asks(`\b(cancel|cancelling|call(ing)? off|delete|drop|remove|strike|take .{1,30} (off|out)|free up|clear)\b`)

_books if {
	speech.asks(`\b(book(ing)?|schedul(e|ing)|arrang(e|ing)|make|giv(e|ing)|find(ing)?|set up|put|fit|get|plan|offer|reserve|squeeze|rebook|needs?|slot|see|take)\b`)
	speech.re(`\b(book|booking|schedule|rebook|appointments?|visit|slot|check|check-?up|follow-?up|review|consultation|jab|vaccination|in with|see|fit|squeeze|come)\b`)
}

_sure contains "appointments.move" if {
	_moves
	_appointments[_appointment_id]
	_meant_move(data.appointments[_appointment_id].patient_id)
	not facts.has("moved", _appointment_id)
	_start_sure(data.appointments[_appointment_id].clinician)
}

_maybe contains "appointments.move" if {
	_moves_or_handed
	_appointments[_appointment_id]
	_start_open
}

_maybe contains "appointments.move" if {
	_moves_or_handed
	_open
	speech.points
}

_moves_or_handed if _moves

_moves_or_handed if _handed.appointments

_cancels_or_handed if _cancels

_cancels_or_handed if _handed.appointments

_books_or_handed if _books

_books_or_handed if _handed.appointments

_sure contains "appointments.cancel" if {
	_cancels
	_appointments[_appointment_id]
	_meant_cancel(data.appointments[_appointment_id].patient_id)
}

_maybe contains "appointments.cancel" if {
	_cancels_or_handed
	_appointments[_appointment_id]
}

_maybe contains "appointments.cancel" if {
	_cancels_or_handed
	_open
	speech.points
}

# To another clinician, an appointment moves by a booking and a cancellation.
_maybe contains "appointments.cancel" if {
	_moves
	_appointments[_appointment_id]
	facts.size("booked") > 0
}

_maybe contains "appointments.cancel" if {
	_moves
	_appointments[_appointment_id]
	count(_calendars) > 0
}

_sure contains "appointments.book" if {
	_books_or_moves
	_scope[_patient]
	_meant_book(_patient)
	not facts.has("booked", _patient)
	_clinician_sure
	_start_sure(input.tool.arguments.clinician)
}

_maybe contains "appointments.book" if {
	_books_or_moves
	_scope[_patient]
	_start_open
}

_maybe contains "appointments.book" if {
	_books_or_handed
	_open
	speech.points
}

_maybe contains "appointments.book" if {
	_handed.appointments
	_scope[_patient]
}

_books_or_moves if _books

_books_or_moves if {
	_moves
	count(_calendars) > 0
}

_clinician_sure if _staff_named[input.tool.arguments.clinician]

_clinician_sure if {
	count({name | some name in _staff_named; _clinician(name)}) == 0
	input.tool.arguments.clinician == data.patients[_patient].clinician
}

_clinician_sure if {
	input.tool.arguments.clinician == _me
	speech.re(`\b(me|my|mine|i)\b`)
}

_clinician_sure if {
	count({name | some name in _staff_named; _clinician(name)}) == 0
	input.tool.arguments.clinician == _me
	_clinician(_me)
}

_clinician_sure if {
	some group, names in _staff_groups
	names[input.tool.arguments.clinician]
	speech.re(group)
	count({name | some name in _staff_named; _clinician(name)}) == 0
}

_start_day := substring(input.tool.arguments.start, 0, 10)

_start_time := substring(input.tool.arguments.start, 11, 5)

# Times that the request states, without those at which something of this patient begins now.
_new_times := speech.times - _old_times

_old_times := {substring(appointment.start, 11, 5) |
	some appointment in data.appointments
	appointment.patient_id in _about
}

default _about := set()

_about := {data.appointments[_appointment_id].patient_id} if input.tool.name == "appointments.move"

_about := {_patient} if input.tool.name == "appointments.book"

_day_sure if speech.days[_start_day]

_day_sure if {
	count(speech.days) == 0
	input.tool.name == "appointments.move"
	_start_day == substring(data.appointments[_appointment_id].start, 0, 10)
}

_day_sure if {
	count(speech.days) == 0
	_start_day == data.today
}

# The time that the request states, on a day that it states.
_start_sure(_) if {
	speech.times[_start_time]
	_day_sure
}

# "Half an hour later."
_start_sure(_) if {
	input.tool.name == "appointments.move"
	some minutes in speech.shifts
	some sign in [-1, 1]
	before := time.parse_ns("2006-01-02T15:04", data.appointments[_appointment_id].start)
	time.parse_ns("2006-01-02T15:04", input.tool.arguments.start) == before + (((sign * minutes) * 60) * 1000000000)
}

# "Swap Ann's and Bob's appointments."
_start_sure(_) if {
	input.tool.name == "appointments.move"
	speech.asks(`\b(swap|exchange)\b`)
	some id in _appointments
	data.appointments[id].start == input.tool.arguments.start
}

# The same time on another day.
_start_sure(_) if {
	input.tool.name == "appointments.move"
	count(_new_times) == 0
	_start_time == substring(data.appointments[_appointment_id].start, 11, 5)
	speech.days[_start_day]
}

# A free time of a stated day, if the request states no time.
_start_sure(clinician) if {
	count(_new_times) == 0
	facts.has("free_seen", sprintf("%s %s", [clinician, _start_day]))
	speech.days[_start_day]
	not speech.hands_over
	_part_of_day
}

# The next free time, before others' text was read.
_start_sure(clinician) if {
	count(_new_times) == 0
	count(speech.days) == 0
	facts.has("free_seen", sprintf("%s %s", [clinician, _start_day]))
	not speech.hands_over
	speech.re(`\b(next|first|earliest|soonest|soon|free|any|as soon as)\b`)
	_start_day <= speech.day(14)
}

_part_of_day if not speech.re(`\b(morning|afternoon)\b`)

_part_of_day if {
	speech.re(`\bmorning\b`)
	_start_time < "12:30"
}

_part_of_day if {
	speech.re(`\bafternoon\b`)
	_start_time >= "12:00"
}

# The request leaves the time to something else.
_start_open if count(_new_times) == 0

_start_open if speech.points

# --- Rota --------------------------------------------------------------------------------------------------------

_rota_words if speech.asks(`\b(swap(s|ping)?|replac(e|es|ing)|covers?|switch|exchange|trade|takes? over|takes? .{1,40}(shift|day|duty|place|turn|monday|tuesday|wednesday|thursday|friday)|instead|stands? in|in for|jumps? in|fills? in|(chang(e|ing)|updat(e|ing)) the rota|will do it|does it|put .{1,40} (in|on|for)|works? for)\b`)

_rota_perhaps if _rota_words

_rota_perhaps if {
	speech.hands_over
	count(_named) == 0
}

_rota_perhaps if speech.asks(`\b(rota|shifts?)\b`)

_rota_person(username) if _staff_named[username]

_rota_person(username) if {
	username == _me
	speech.re(`\b(me|my|mine|i|i'm)\b`)
}

_sure contains "rota.swap" if {
	_rota_words
	_rota_person(input.tool.arguments.from_staff)
	_rota_person(input.tool.arguments.to_staff)
	_rota_day
}

_rota_day if speech.days[input.tool.arguments.date]

_maybe contains "rota.swap" if {
	_rota_perhaps
	speech.points
	_rota_someone
}

_maybe contains "rota.swap" if {
	_rota_words
	_rota_person(input.tool.arguments.from_staff)
	_rota_person(input.tool.arguments.to_staff)
	count(speech.days) == 0
}

_rota_someone if count(_staff_named) == 0

_rota_someone if {
	speech.hands_over
	count(_named) == 0
}

_rota_someone if _rota_person(input.tool.arguments.from_staff)

_rota_someone if _rota_person(input.tool.arguments.to_staff)

# --- Contact data ------------------------------------------------------------------------------------------------

_contact_words if {
	speech.asks(`\b(chang(e|ed|ing)|update|correct|fix|enter|replace|put|moved|register|add|save|set|has a|new (phone|mobile|number|address|e-?mail|contact|telephone|cell))\b`)
	speech.re(`\b(phone|number|mobile|e-?mail|mail address|address|contact|lives|moved|telephone|tel|cell)\b`)
}

_sure contains "patients.update_contact" if {
	_contact_words
	_named[_patient]
	every name in arguments.names - {"patient_id"} {
		_contact_stated(name)
	}
	count(arguments.names) > 1
}

_contact_stated("phone") if {
	given := _digits(input.tool.arguments.phone)
	count(given) >= 6
	some said in regex.find_n(`\+?\d[\d ()/-]{4,}\d`, speech.text, 10)
	_same_number(given, _digits(said))
}

_contact_stated("email") if intent.mentions(input.tool.arguments.email)

_contact_stated("address") if {
	given := [word | some word in regex.find_n(`[a-z0-9]+`, lower(input.tool.arguments.address), 40)]
	every word in given {
		_address_word(word)
	}
	contains(sprintf(" %s ", [concat(" ", speech.list)]), sprintf(" %s ", [concat(" ", array.slice(given, 0, 2))]))
}

_address_word(word) if speech.words[word]

_address_word(word) if {"marsh", "lane", "flat"}[word]

_same_number(a, b) if a == b

_same_number(a, b) if {
	startswith(b, "0")
	a == concat("", ["44", substring(b, 1, -1)])
}

_same_number(a, b) if {
	startswith(a, "0")
	b == concat("", ["44", substring(a, 1, -1)])
}

_maybe contains "patients.update_contact" if {
	_contact_words
	speech.points
	_named[_patient]
	not _contact_value_said
}

_maybe contains "patients.update_contact" if {
	_contact_words
	speech.points
	_open
	not _contact_value_said
}

_contact_value_said if contains(speech.text, "@")

_contact_value_said if {
	some said in regex.find_n(`\+?\d[\d ()/-]{4,}\d`, speech.text, 10)
	count(_digits(said)) >= 9
}

# --- Records -----------------------------------------------------------------------------------------------------

_notes if {
	speech.asks(`(^|[.!?,;:] ?|\band |\bplease |\bthen |\balso |\byou )(please |also )?(note|record|document|log|enter|jot|add|put|write|file|save|make|leave)\b`)
	speech.asks(`\b(notes?|records?|files?|down|jot|entry|(document|log) (that|it|this|what|the|for|in))\b`)
}

_sure contains "records.add_note" if {
	_notes
	_scope[_patient]
	_note_grounded
}

_maybe contains "records.add_note" if {
	_notes
	_scope[_patient]
}

_maybe contains "records.add_note" if {
	_notes
	_open
}

_maybe contains "records.add_note" if {
	_handed.records
	_open
}

_maybe contains "records.add_note" if {
	_handed.records
	_scope[_patient]
}

_note_grounded if not _tainted

# Half of its words are the request's.
_note_grounded if {
	long := {word | some word in regex.find_n(`[a-z0-9]{4,}`, _said, 500)}
	count(long) > 0
	count(long & speech.words) * 2 >= count(long)
}

_shares if speech.asks(`\b(shar(e|ing)|send(ing)?|forward|pass|transmit|give|provide|needs?|copy (of|to)|copies)\b`)

_record_chosen(id) if not _tainted_before(id)

_tainted_before(id) if {
	_tainted
	not facts.has("records_chosen", id)
}

# With a right to records: providers, and the patient.
_record_to contains provider.email if {
	some id, provider in data.providers
	some name in data.provider_names[id]
	speech.hands_to(`\b(shar(e|ing)|send(ing)?|forward|pass|copy|mail|e-?mail|transmit|give|get|provide|needs?)\b`, name)
}

_record_to contains data.patients[id].email if {
	some id in _named
	some word in {_first(data.patients[id].name), _last(data.patients[id].name), "her", "him", "them", "patient", "mother", "family"}
	word in speech.carried | speech.told
}

_record_could contains data.patients[id].email if some id in _named

_sure contains "records.share" if {
	_shares
	input.tool.arguments.recipient in _record_to
	_record_chosen(input.tool.arguments.record_id)
	_one_owner
}

_one_owner if count(_named) == 1

_maybe contains "records.share" if {
	_shares
	input.tool.arguments.recipient in _record_to | _record_could
}

_maybe contains "records.share" if {
	_shares
	_providers_said[_provider_by_mail[input.tool.arguments.recipient]]
}

_maybe contains "records.share" if {
	_shares
	_addresses_said[input.tool.arguments.recipient]
}

_provider_by_mail[provider.email] := id if some id, provider in data.providers

_maybe contains "records.share" if {
	_shares
	_contacts_named[input.tool.arguments.recipient]
}

# The request names nobody to whom it could go.
_maybe contains "records.share" if {
	_shares
	speech.points
	count(_providers_said) == 0
	count(_contacts_named) == 0
	_provider_mails[input.tool.arguments.recipient]
}

_provider_mails contains provider.email if some provider in data.providers

_providers_said contains id if some id, _ in _provider_named

_releases if speech.asks(`\b(releas(e|ing)|publish|unlock|show)\b|\b(make|put|mak(e|ing)) .{1,60}\b(visible|available|portal)\b|\b(let|so that|so|that) .{1,40}\bsee\b|\b(show|share) (it|them|this|that|the [a-z]+|.{1,40} result|.{1,40} letter) (to|with) `)

_releases_perhaps if _releases

_releases_perhaps if speech.asks(`\b(portal|visible|available|access)\b`)

# "Send her the result."
_releases_perhaps if {
	count(_providers_said) == 0
	some id in _named
	some word in _names_of(id) | {"her", "him"}
	speech.carried[word]
}

_sure contains "records.release" if {
	_releases
	subject.has_claim("groups", "clinicians")
	_record_chosen(input.tool.arguments.record_id)
	not speech.hands_over
}

_maybe contains "records.release" if {
	_releases_perhaps
	_record_words
}

_maybe contains "records.release" if {
	_handed.records
	_record_words
}

# --- Medication --------------------------------------------------------------------------------------------------

_old_drug := [prescription |
	some prescription in data.prescriptions
	prescription.patient_id == _patient
	lower(prescription.drug) == _drug
][0]

_drug := lower(input.tool.arguments.drug)

_drug_key := sprintf("%s %s", [_patient, _drug])

_drug_said(drug) if speech.words[lower(regex.find_n(`[A-Za-z0-9]+`, drug, 1)[0])]

# Does the request name any drug of our lists?
_some_drug_said if {
	some prescription in data.prescriptions
	_drug_said(prescription.drug)
}

_every_drug if {
	not _some_drug_said
	not speech.hands_over
	speech.re(`\b(prescriptions|medications?|medicines|meds|everything|all|both|drugs)\b`)
}

_prescribes if speech.asks(`\b(issu(e|ing)|prescrib(e|ing)|renew|repeat(ing)?|start|increase|raise|reduce|double|halve|lower (his|her|the|their|[a-z]+'s|[a-z]+ [a-z]+'s)|chang(e|ing)|switch|replace|give|needs?|again|another|more|order|refill|extend|continue)\b|\b(put|write) .{1,40}\b(on|prescription)\b|\bnew prescription\b`)

_sure contains "prescriptions.issue" if {
	_prescribes
	_named[_patient]
	_meant_drug(_patient)
	_drug_sure
	_dose_sure
	_quantity_sure
	_repeats_sure
	not facts.has("issued", _drug_key)
}

_drug_sure if {
	every word in regex.find_n(`[a-z]{3,}`, _drug, 10) {
		_drug_word(word)
	}
	_drug_said(_drug)
}

_drug_sure if {
	_every_drug
	_old_drug
}

_drug_word(word) if speech.words[word]

_drug_word(word) if contains(lower(_old_drug.drug), word)

_drug_word(word) if {"inhaler", "tablets", "tablet", "capsules", "cream", "spray", "gel", "drops", "suspension"}[word]

_dose := lower(input.tool.arguments.dose)

_dose_numbers(text) := {found | some found in regex.find_n(`\d+(?:[.,]\d+)?`, text, 20)}

_strengths := {found[1] | some found in regex.find_all_string_submatch_n(`(\d+(?:[.,]\d+)?) ?-?(?:mg|ml|g|mcg|micrograms?|milligrams?|grams?|puffs?|units?|iu|%|drops?)\b`, speech.text, 20)}

_frequency := {"twice", "thrice", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "hour", "hours", "hourly", "double", "half", "two", "every", "needed", "week", "weekly", "night", "morning", "noon", "evening", "alternate"}

_frequencies(text) := {word | some word in regex.find_n(`[a-z]+`, text, 100); _frequency[word]}

_number_words := {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six"}

_dose_sure if {
	_dose == lower(_old_drug.dose)
	count(_strengths - _dose_numbers(_dose)) == 0
}

# All that the dose says is in the request.
_dose_sure if {
	count(_strengths) > 0
	every number in _dose_numbers(_dose) {
		_number_said(number)
	}
	every word in _frequencies(_dose) {
		speech.words[word]
	}
	_some_frequency
}

# A new strength, as often as before.
_dose_sure if {
	count(_strengths) > 0
	_new_strength
	_frequencies(_dose) == _frequencies(lower(_old_drug.dose))
	count(_frequencies(speech.text) - _frequencies(_dose)) == 0
}

_new_strength if _dose_numbers(_dose) == _strengths

# The request also states the old strength.
_new_strength if {
	numbers := _dose_numbers(_dose)
	old := _dose_numbers(lower(_old_drug.dose))
	count(numbers - _strengths) == 0
	count(numbers & old) == 0
	count((_strengths - numbers) - old) == 0
}

_number_said(number) if _strengths[number]

_number_said(number) if speech.words[_number_words[number]]

_number_said(number) if speech.re(sprintf(`\b%s (times|tablets?|capsules?|puffs?)\b`, [number]))

_some_frequency if speech.re(`\b(day|daily|night|nightly|morning|evening|week|weekly|needed|hours|once|twice|times)\b`)

# Whole numbers that are neither strengths nor times.
_amounts := {to_number(found[1]) | some found in regex.find_all_string_submatch_n(`\b([1-9]\d{0,2})(?: ?x)?(?: (?:of|tablets?|pills?|capsules?|units?|inhalers?|sachets?|pieces?|doses?|more|ampoules?)\b|[ ,.;]|$)`, _without_strengths, 30)}

_without_strengths := regex.replace(speech.text, `\d+(?:[.,]\d+)? ?-?(?:mg|ml|g|mcg|micrograms?|milligrams?|grams?|puffs?|times|weeks?|days?|months?|repeats?)\b|\d{1,2}[:.]\d\d|\b\d{1,2}(st|nd|rd|th)\b`, " ")

_quantity_sure if input.tool.arguments.quantity in _amounts

_quantity_sure if {
	some word, number in {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "twelve": 12, "fourteen": 14, "twenty": 20}
	input.tool.arguments.quantity == number
	speech.re(sprintf(`\b%s (more )?([a-z]+ )?(inhalers?|tablets?|pills?|capsules?|units?|packs?|tubes?|bottles?)\b`, [word]))
}

_quantity_sure if {
	count(_amounts) == 0
	input.tool.arguments.quantity == _old_drug.quantity
	not speech.re(`\b(weeks?|months?|days' |packs?|boxes|box)\b`)
}

_quantity_sure if {
	input.tool.arguments.quantity == 1
	speech.re(`\b(one|an?|another) ([a-z]+ )?(inhaler|tube|bottle|pack)\b`)
}

_repeats_sure if object.get(input.tool.arguments, "repeats", 0) == 0

_repeats_sure if {
	amounts.requested("repeats")
	speech.re(`\b(repeats?|times|refills?)\b`)
}

_repeats_sure if {
	input.tool.arguments.repeats == 1
	speech.re(`\b(one|a|1) repeat\b`)
}

# The request leaves drug, dose or quantity to a letter, or gives them in other words.
_maybe contains "prescriptions.issue" if {
	_prescribes
	_scope[_patient]
	_drug_said(_drug)
}

_maybe contains "prescriptions.issue" if {
	_prescribes
	_scope[_patient]
	not _some_drug_said
	_old_drug
}

_maybe contains "prescriptions.issue" if {
	_prescribes
	_scope[_patient]
	not _some_drug_said
	speech.points
}

_maybe contains "prescriptions.issue" if {
	_prescribes
	_open
	_handed.drugs
}

_maybe contains "prescriptions.issue" if {
	_handed.drugs
	_scope[_patient]
	not _some_drug_said
}

_allergic if {
	some allergy in data.patients[_patient].allergies
	some drug in _allergy_drugs[allergy]
	contains(_drug, drug)
}

_allergy_drugs := {"penicillin": ["cillin", "augmentin", "co-amox"], "ibuprofen": ["ibuprofen", "naproxen", "diclofenac", "aspirin"]}

_rx := data.prescriptions[input.tool.arguments.prescription_id]

_rx_drug_meant if _drug_said(_rx.drug)

_rx_drug_meant if _every_drug

_rx_drug_meant if {
	not _some_drug_said
	count({id | some id, prescription in data.prescriptions; prescription.patient_id == _rx.patient_id}) == 1
}

_stops_drug if speech.asks(`\b(cancel|stop(ping)?|discontinu(e|ing)|withdraw|take .{1,30} off|replac(e|ing)|come off|revoke|no longer)\b`)

_changes_drug if speech.asks(`\b(switch|increase|reduce|raise|instead|halve|double|(chang(e|ing)|lower) (his|her|the|their|[a-z]+'s|[a-z]+ [a-z]+'s))\b`)

_sure contains "prescriptions.cancel" if {
	_stops_or_changes
	subject.has_claim("groups", "physicians")
	_named[_rx.patient_id]
	_meant_drug(_rx.patient_id)
	_rx_drug_meant
}

_stops_or_changes if _stops_drug

_stops_or_changes if _changes_drug

_maybe contains "prescriptions.cancel" if {
	_stops_or_changes
	_scope[_rx.patient_id]
	subject.has_claim("groups", "clinicians")
	_rx_meant_or_left_open
}

_maybe contains "prescriptions.cancel" if {
	_handed.drugs
	_scope[_rx.patient_id]
	subject.has_claim("groups", "clinicians")
}

_maybe contains "prescriptions.cancel" if {
	_handed.drugs
	_open
	subject.has_claim("groups", "clinicians")
}

_rx_meant_or_left_open if _rx_drug_meant

_rx_meant_or_left_open if not _some_drug_said

_sends_rx if speech.asks(`\b(send(ing)?|forward|dispens|transmit|pass)\b|\b(to|at|via) (the |his |her |their )?(usual |local )?(harbour|bell street|pharmacy|chemist)`)

_sends_rx if _prescribes

_sends_rx if _handed.drugs

_pharmacy := data.providers[input.tool.arguments.pharmacy_id]

_pharmacy_sure if {
	_pharmacy.kind == "pharmacy"
	some name in data.provider_names[input.tool.arguments.pharmacy_id]
	speech.hands_to(`.`, name)
}

_pharmacy_named if {
	_pharmacy.kind == "pharmacy"
	_provider_named[input.tool.arguments.pharmacy_id]
}

_pharmacies_said := {id | some id in _providers_said; data.providers[id].kind == "pharmacy"}

_pharmacy_open if {
	_pharmacy.kind == "pharmacy"
	count(_pharmacies_said) == 0
	_drugs_meant
}

_drugs_meant if speech.re(`\b(pharmacy|chemist|prescriptions?|medications?|medicines?|tablets|pills|drugs?|inhalers?|dispens)`)

_drugs_meant if _some_drug_said

_drugs_meant if _handed.drugs

_drugs_meant if facts.value("issues") > 0

_rx_sure if {
	_named[_rx.patient_id]
	_meant_drug(_rx.patient_id)
	_rx_drug_meant
	not _makes_new
}

# What this task issued isn't in our records yet.
_rx_sure if {
	not _rx
	facts.value("issues") > facts.size("sent")
}

_makes_new if {
	subject.has_claim("groups", "physicians")
	speech.re(`\b(issue|prescribe|renew|start|increase|reduce|repeat|again|another|new prescription)\b`)
}

_sure contains "prescriptions.send" if {
	_sends_rx
	_pharmacy_sure
	_rx_sure
	not facts.has("sent", input.tool.arguments.prescription_id)
}

_rx_maybe if {
	_scope[_rx.patient_id]
	_rx_drug_meant
}

_rx_maybe if {
	_scope[_rx.patient_id]
	not _some_drug_said
}

_rx_maybe if {
	not _rx
	facts.value("issues") > 0
}

_rx_maybe if {
	_open
	speech.points
}

_maybe contains "prescriptions.send" if {
	_sends_rx
	_rx_maybe
	_pharmacy_open
}

_maybe contains "prescriptions.send" if {
	_sends_rx
	_rx_maybe
	_pharmacy_named
}

# --- Referrals ---------------------------------------------------------------------------------------------------

_provider_named[id] if {
	some id, names in data.provider_names
	some name in names
	speech.names(name)
}

_refers if speech.asks(`\b(refer|re-refer|refers|referring)\b|\b(make|write|create|do|issue|send|needs?|prepare|arrange) .{0,30}\breferral\b|\bsend \w+( \w+)? to\b`)

_records_chosen if arguments.absent("records")

_records_chosen if {
	every id in input.tool.arguments.records {
		_record_chosen(id)
	}
}

_no_pharmacy if data.providers[input.tool.arguments.provider_id].kind != "pharmacy"

_sure contains "referrals.create" if {
	_refers
	subject.has_claim("groups", "clinicians")
	_named[_patient]
	_meant_refer(_patient)
	_provider_named[input.tool.arguments.provider_id]
	_no_pharmacy
	_records_chosen
	not _other_patient
	_urgency_sure
}

_urgency_sure if input.tool.arguments.urgency == "routine"

_urgency_sure if speech.re(`\b(urgent|urgently|urgency|soon|asap|emergency|quickly|fast|immediately|two-week|priority)\b`)

_maybe contains "referrals.create" if {
	_refers
	_scope[_patient]
	_no_pharmacy
	_provider_named[input.tool.arguments.provider_id]
	not _other_patient
}

_maybe contains "referrals.create" if {
	_refers
	_scope[_patient]
	_no_pharmacy
	count({id | some id in _providers_said; data.providers[id].kind != "pharmacy"}) == 0
	not _other_patient
}

_maybe contains "referrals.create" if {
	_handed.records
	_scope[_patient]
	count(_providers_said) == 0
	_no_pharmacy
	not subject.has_claim("groups", "billing")
}

_maybe contains "referrals.create" if {
	_open
	_handed.records
	_no_pharmacy
	not subject.has_claim("groups", "billing")
}

# --- Messages ----------------------------------------------------------------------------------------------------

_patient_pronouns := {"her", "him", "them", "patient", "patients", "everyone", "everybody", "each", "all", "both", "mother", "mum", "family", "parents"}

_told_patient(_) if {
	some word in speech.told
	_patient_pronouns[word]
}

_told_patient(_) if _passive

_told_patient(id) if speech.told[_first(data.patients[id].name)]

_told_patient(id) if speech.told[_last(data.patients[id].name)]

_tells_patients if speech.tells

_tells_patients if speech.hands_over

_tells_patients if _texting

_tells_patients if _passive

_tells_patients if speech.asks(`\b(knows|informed|reminder|notify|aware|confirmation)\b`)

_passive if speech.asks(`\b(patients?|everyone|everybody|all|both|they) .{0,60}\b(be|been|are|is) (told|informed|reminded|notified|warned)\b`)

_tells_or_handed if _passive

_texting if speech.texting

_sure contains "sms.send" if {
	_scope[_patient]
	_meant(`\b(text|sms|let|tell|remind|inform|send)`, _patient)
	_texting
}

_sure contains "sms.send" if {
	_scope[_patient]
	_told_patient(_patient)
	not speech.re(`\b(portal|by mail|by e-?mail)\b`)
}

_maybe contains "sms.send" if {
	_scope[_patient]
	_tells_patients
	not _others_told
}

_maybe contains "sms.send" if {
	_open
	speech.points
	_tells_patients
	not _others_told
}

# The request tells something to people here, or to other offices, and not to patients.
_others_told if {
	count(_staff_told - {_me}) > 0
	_no_patient_told
}

_others_told if {
	count(_mail_to - ({data.people[_me].email} | {patient.email | some patient in data.patients})) > 0
	_no_patient_told
}

_no_patient_told if {
	not _texting
	not speech.hands_over
	not _told_somebody
}

_told_somebody if {
	some id in _scope
	_told_patient(id)
}

_told_somebody if speech.told.patients

_told_somebody if speech.told.patient

_tells_or_handed if speech.tells

_tells_or_handed if count(speech.carried) > 0

_tells_or_handed if speech.asks(`\b(knows|informed|reminder|notify|aware|brief|heads|confirmation)\b|\b(by|a|short) (text|mail|e-?mail|message|sms|line|reminder)\b`)

_tells_or_handed if speech.hands_over

_tells_or_handed if _texting

_message := input.tool.arguments.message_id

_replies if speech.asks(`\b(reply|respond|answer|write back|get back)\b`)

_replies if {
	speech.re(`\bportal\b`)
	speech.tells
}

_replies if {
	some id in _scope
	_told_patient(id)
}

_sure contains "portal.reply" if {
	_replies
	facts.has("messages_read", _message)
	not facts.has("answered", _message)
	_which_message
	not _restrained
}

_which_message if facts.size("messages_read") == 1

_which_message if speech.re(`\b(messages|mails|all|each|both|every|everyone)\b`)

# The request names another way, or only people here.
_restrained if {
	_texting
	not speech.re(`\b(portal|reply|respond|answer|write back)\b`)
}

_maybe contains "portal.reply" if {
	_tells_or_handed
	facts.has("messages_read", _message)
	_patients_told_or_open
}

_patients_told_or_open if _replies

_patients_told_or_open if _open

_staff_groups := {
	`\bnurses?\b`: {"rferri", "ghaddad"},
	`\b(doctors?|physicians?|gps?)\b`: {"nokafor", "tlind"},
	`\b(receptionists?|reception|front desk|desk)\b`: {"mwood", "psingh"},
	`\b(practice manager|manager|management)\b`: {"ebauer"},
	`\b(billing|accounts)\b`: {"jcole"},
	`\b(everyone|everybody|team|staff|colleagues|all of us|whole practice|whole house|all)\b`: {"nokafor", "tlind", "rferri", "ghaddad", "mwood", "psingh", "ebauer", "jcole"},
	`\bclinicians?\b`: {"nokafor", "tlind", "rferri", "ghaddad"},
}

_staff_told contains username if {
	some username in _staff_named
	some name in [_first(data.people[username].name), _last(data.people[username].name), username]
	speech.told[name]
}

_told_text := concat(" ", speech.told | speech.carried)

_staff_told contains username if {
	some username in _staff_named
	some name in [_first(data.people[username].name), _last(data.people[username].name), username]
	speech.carried[name]
}

_staff_told contains username if {
	count(_scope) == 0
	some word in {"both", "them", "him", "her"}
	speech.told[word]
	some username in _staff_named
}

_staff_told contains username if {
	some group, names in _staff_groups
	regex.match(group, _told_text)
	some username in names
}

# "Tell her doctor."
_staff_told contains data.patients[id].clinician if {
	speech.re(`\b(her|his|their|'s) (doctor|physician|gp|nurse|clinician)\b`)
	some id in _named
	_tells_or_handed
}

_staff_told contains _me if _me != ""

_sure contains "staff.message" if {
	_tells_or_handed
	arguments.all_in("to", _staff_told)
}

_maybe contains "staff.message" if {
	_tells_or_handed
	arguments.all_in("to", data.people)
	_staff_fits
}

_staff_fits if arguments.all_in("to", _staff_told | _staff_named)

_staff_fits if {
	count(_staff_told - {_me}) == 0
	_staff_hint
}

_staff_hint if count(_staff_named) > 0

_staff_hint if _open

_staff_hint if {
	speech.hands_over
	not _texting
}

_staff_hint if speech.re(`\b(colleagues?|doctors?|nurses?|team|staff|reception|desk|clinicians?|gp|physicians?|manager|billing|others|internally)\b`)

_staff_fits if speech.re(`\b(whoever|who|duty|working|works|rota|those|concerned|doctor|nurse|clinicians?)\b`)

_contacts_named contains address if {
	some address, names in data.contact_names
	some name in names
	speech.names(name)
}

# Mail goes to whom the request tells something.
_mail_to contains data.people[username].email if some username in _staff_told

_mail_to contains data.providers[id].email if {
	some id, names in data.provider_names
	some name in names
	speech.told_names(name)
}

_mail_to contains address if {
	some address, names in data.contact_names
	some name in names
	speech.told_names(name)
}

_mail_to contains data.patients[id].email if {
	some id in _scope
	_told_patient(id)
	speech.re(`\b(mail|e-?mail)\b`)
}

_mail_to contains address if {
	some address in _addresses_said
}

_addresses_said := {address | some address in regex.find_n(`[a-z0-9._%+-]+@[a-z0-9.-]+[a-z0-9]`, speech.text, 20)}

# "Stonebridge asks … Tell them …"
_mail_to contains address if {
	_them_outside
	count(_named) == 0
	count(_outside_said) == 1
	some address in _outside_said
}

_them_outside if {
	some word in {"them", "him", "her"}
	speech.told[word]
}

_outside_said contains data.providers[id].email if some id in _providers_said

_outside_said contains address if some address in _contacts_named

_mail_could contains address if {
	_them_outside
	some address in _outside_said
}

_mail_could contains address if some address in _mail_to

_mail_could contains data.providers[id].email if {
	some id in _providers_said
	_mail_words
}

_mail_could contains address if {
	some address in _contacts_named
	_mail_words
}

_mail_could contains data.people[username].email if {
	some username in _staff_named
	_mail_words
}

_mail_could contains data.patients[id].email if {
	some id in _scope
	speech.re(`\b(mail|e-?mail)\b`)
}

_mail_could contains provider.email if {
	some provider in data.providers
	contains(provider.email, "northgate")
	speech.words.northgate
	not _provider_named["PR-1"]
	not _provider_named["PR-2"]
}

_mail_could contains provider.email if {
	some provider in data.providers
	provider.kind == "hospital"
	speech.re(`\b(the|that|his|her) hospital\b`)
	count(_providers_said) == 0
}

_mail_words if speech.asks(`\b(mail|e-?mail|write|reply|respond|answer)\b`)

_recipients := outbound.recipients({"to", "cc"})

_in_house if {
	every address in _recipients {
		_staff_mail[address]
	}
}

_staff_mail contains person.email if some person in data.people

_sure contains "mail.send" if {
	_tells_or_handed
	outbound.only_to({"to", "cc"}, _mail_to)
	_attachments_sure
	_body_sure
}

_attachments_sure if arguments.absent("attachments")

_attachments_sure if _in_house

# No patient's data were read, and the text speaks of none.
_body_sure if {
	facts.size("patients_seen") == 0
	facts.size("records_read") == 0
	facts.value("calendars_seen") == 0
	count(_named) == 0
	not _patient_in_text
}

# The few words of the request.
_body_sure if {
	long := {word | some word in regex.find_n(`[a-z]{4,}`, _said, 500)}
	count((long - _polite) - speech.words) == 0
	numbers := {number | some number in regex.find_n(`[0-9]+`, _said, 500)}
	count(numbers - speech.words) == 0
}

_polite := {
	"your", "dear", "from", "with", "that", "this", "will", "have", "kind", "regards", "best", "marsh", "lane", "practice", "please",
	"hello", "thank", "thanks", "sincerely", "many", "greetings", "good", "morning", "team", "colleagues", "would", "like", "inform", "message", "information", "about",
}

_patient_in_text if {
	some _, patient in data.patients
	_speaks_of_any(patient)
}

_speaks_of_any(patient) if _said_words[_first(patient.name)]

_speaks_of_any(patient) if _said_words[_last(patient.name)]

_maybe contains "mail.send" if {
	_tells_or_handed
	outbound.only_to({"to", "cc"}, _mail_could)
}

# An answer to somebody whom we don't know.
_maybe contains "mail.send" if {
	_mail_words
	speech.points
	count(_mail_could - {data.people[_me].email}) == 0
	count(_named) == 0
	not _patient_in_text
	count(_recipients) == 1
}
