# METADATA
# title: Marsh Lane Practice
# description: |
#   Reading is free and is counted as soon as the text may be a stranger's. What changes or sends something is allowed if
#   the signed request orders this act upon this patient and says each value, or our records have it. What the request
#   leaves open is asked about. What it can't have meant isn't granted. Before any text of strangers was read, what the
#   request leaves open is an honest choice of the assistant's and needs no question (but for drugs and pharmacies).
#   data.json is an export of our records; data.today and data.noon (08:00 UTC of that day) say which day it is of, and
#   have to be exported with it.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.arguments
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.clauses
import data.tabard.lib.conditions
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.groups
import data.tabard.lib.intent
import data.tabard.lib.lures
import data.tabard.lib.quantities
import data.tabard.lib.relations
import data.tabard.lib.scopes
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.tools
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://clinic.example"

_once := credentials.once(_backend, ["clinic"], 60)

start contains {"code": "clinic", "limits": {
	"tools": ["*"],
	"audiences": [_backend],
	"scopes": ["clinic"],
	"budgets": {"messages": 10, "prescriptions": 5, "questions": 20},
	"ttl_seconds": 3600,
}} if {
	intent.trusted
}

# ------------------------------------------------------------------------------------------------ reading

_texts_of_others := {"documents.list", "documents.read", "inbox.list", "inbox.read", "records.read"}

grant contains {
	"code": "read",
	"credential": _once,
	"facts": {"texts_read": _taint, "chosen": _chosen, "messages_read": _message_read},
	"notes": ["belongs"],
} if {
	tools.read_only
	intent.trusted
}

# Front desk, billing and managers read records if the request speaks of such a thing.
ask contains _question("record_without_need", "Your request doesn't speak of letters, results or records, and your role seldom reads them.") if {
	input.tool.name == "records.read"
	not _in_group("clinicians")
	not _needs_records
}

_needs_records if {
	some word in wording.words
	regex.match(`^(letters?|results?|records?|notes?|reports?|tests?|bloods?|labs?|scans?|ecg|x-?rays?|files?|history|referrals?|summary|summaries|consultations?|findings?|documents?|release|share|insurer|insurance)$`, word)
}

_needs_records if wishes.follows

_needs_records if count(entities.named(data.providers, set())) > 0

default _taint := 0

_taint := 1 if tools.one_of(_texts_of_others)

# Appointments that were booked online have the patients' own words.
_taint := 1 if {
	input.tool.name == "appointments.list"
	some appointment in data.appts
	appointment.by == "online"
	_listed(appointment)
}

_listed(appointment) if {
	not _left_out(appointment)
}

_left_out(appointment) if appointment.patient != input.tool.arguments.patient_id

_left_out(appointment) if appointment.clinician != input.tool.arguments.clinician

_left_out(appointment) if {
	_no_moves
	not startswith(appointment.start, input.tool.arguments.date)
}

_no_moves if facts.size("slots") == 0

# What was chosen before any text of strangers was read was chosen by an honest assistant.
_chosen contains value if {
	tools.one_of({"appointments.list", "medications.list", "patients.get", "records.list", "records.read"})
	_clean
	some name in {"patient_id", "record_id"}
	value := input.tool.arguments[name]
}

_message_read contains input.tool.arguments.message_id if input.tool.name == "inbox.read"

_clean if facts.value("texts_read") == 0

# ------------------------------------------------------------------------------------------------ the four rules

grant contains {
	"code": "sure",
	"credential": _once,
	"facts": {"done": _targets, "slots": _slots, "booked_for": _booked_for, "issued_for": _issued_for},
	"notes": ["made"],
	"charges": _charges,
} if {
	_possible
	_sure[input.tool.name]
}

grant contains {
	"code": "maybe",
	"credential": _once,
	"facts": {
		"done": _targets, "slots": _slots, "booked_for": _booked_for, "issued_for": _issued_for,
		"confirmed": _condition_met,
	},
	"notes": ["made"],
	"charges": object.union(_charges, {"questions": 1}),
} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains _question("not_in_request", "Your request doesn't say this as it stands here. Compare whom, what, when and how much.") if {
	_asked
}

_asked if {
	_possible
	_maybe[input.tool.name]
	not _sure[input.tool.name]
}

_question(code, reason) := {
	"code": code, "approvers": ["requester"], "reason": reason, "uses": 1, "ttl_seconds": 900,
}

# No person can have meant it otherwise.
_possible if {
	_acts[input.tool.name]
	intent.trusted
	not wishes.only_reads
	not _ruled_out_act
	not _out
	not _nothing_to_do
	not _off_kind
}

# A request that says nothing of medication orders none, whatever its verbs; nor contact data.
_off_kind if {
	_kind[input.tool.name] in {"contact", "medication"}
	not _kind[input.tool.name] in _kinds_said
	not _of_any_kind
}

_of_any_kind if {
	wishes.follows
	count(_kinds_said - {"message"}) == 0
}

# "Book" and "tell" have verbs that people also forbid for something else, so only the plain ones count.
_banned := object.get(_plain_acts, input.tool.name, _act)

_plain_acts := {
	"appointments.book": {"book"},
	"appointments.move": {"move", "reschedule"},
	"appointments.cancel": {"cancel"},
	"patients.update_contact": {"update"},
	"prescriptions.cancel": {"cancel", "stop"},
	"prescriptions.issue": {"issue", "prescribe"},
	"prescriptions.send": {"send"},
	"records.add_note": {"note"},
	"records.release": {"release"},
	"rota.swap": {"swap"},
	"mail.send": {"mail", "email"},
	"sms.send": {"text", "sms"},
	"portal.reply": {"answer", "reply"},
	"staff.message": {"message"},
	"records.share": {"share", "forward"},
	"referrals.create": {"refer"},
}

# "Don't change anything yet. Offer her 10:30": what is ordered is no part of "anything".
_ruled_out_act if {
	bans.on(_banned)
	not _kind[input.tool.name] == "message"
}

_ruled_out_act if {
	bans.on(_banned)
	_kind[input.tool.name] == "message"
	_no_messages
}

_no_messages if regex.match(`\b(don.?t|do not|no|not|never|without|nothing)\b.{0,25}\b(tell\w*|text\w*|sms|messag\w*|mails?|mailing|writ\w*|repl\w*|answer\w*|inform\w*|send\w*|contact\w*|let\w*|notif\w*)\b`, lower(input.task.statement))

_no_messages if {
	not _wished
	not regex.match(`\boffer\b`, lower(input.task.statement))
}

_out if _patient in entities.ruled_out(_banned, data.persons, {"patient"})

_nothing_to_do if count(wording.words) == 0

# ------------------------------------------------------------------------------------------------ the acts

_change := {"adjust", "change", "decrease", "double", "halve", "increase", "lower", "put", "raise", "reduce", "replace", "switch", "titrate", "up", "update"}

_tell := {
	"advise", "alert", "answer", "apologise", "apologize", "ask", "confirm", "contact", "drop", "explain", "give",
	"inform", "invite", "let", "message", "notify", "offer", "ping", "reassure", "remind", "reply", "respond", "say", "send",
	"tell", "text", "thank", "update", "warn", "write", "pass", "sms", "mail", "email", "forward", "leave",
}

_acts := {
	"appointments.book": {"add", "arrange", "book", "come", "return", "find", "fit", "get", "give", "make", "offer", "pencil", "put", "rebook", "reserve", "schedule", "see", "set", "slot", "squeeze", "invite"},
	"appointments.move": {"bring", "bump", "change", "delay", "make", "move", "postpone", "push", "put", "rearrange", "rebook", "reschedule", "shift", "swap", "switch", "find", "give", "offer", "get", "see", "fit", "squeeze", "go"},
	"appointments.cancel": {"cancel", "clear", "delete", "drop", "remove", "scrap"},
	"patients.update_contact": {"add", "amend", "change", "correct", "enter", "fix", "note", "put", "record", "replace", "save", "set", "update"},
	"records.add_note": {"add", "document", "enter", "file", "leave", "log", "make", "note", "put", "record", "write", "jot"},
	"records.share": {"copy", "deliver", "email", "fax", "forward", "get", "give", "let", "mail", "go", "pass", "provide", "send", "share", "transfer"},
	"records.release": {"give", "let", "make", "open", "post", "publish", "put", "release", "send", "share", "show"},
	"prescriptions.issue": ({"continue", "extend", "give", "issue", "make", "order", "prescribe", "re-issue", "reissue", "renew", "reorder", "repeat", "restart", "start", "write", "do"} | _change),
	"prescriptions.cancel": ({"cancel", "delete", "discontinue", "drop", "end", "remove", "stop", "take", "withdraw"} | _change),
	"prescriptions.send": {"fax", "forward", "go", "get", "pass", "send", "transmit", "transfer"},
	"rota.swap": {"change", "cover", "do", "exchange", "have", "let", "make", "move", "put", "replace", "swap", "switch", "take", "trade", "work", "stand", "fill", "give"},
	"mail.send": _tell,
	"sms.send": _tell,
	"portal.reply": _tell,
	"staff.message": _tell,
	"referrals.create": {"arrange", "book", "get", "make", "refer", "send", "write", "ask", "create", "put"},
}

_nouns := {
	"appointments.book": {"appointment", "blood test", "check", "test", "blood pressure check", "check-up", "checkup", "consultation", "follow-up", "review", "slot", "visit", "jab", "vaccination", "dressing"},
	"appointments.move": {"appointment", "slot", "visit"},
	"appointments.cancel": {"cancellation"},
	"patients.update_contact": {"number", "phone", "mobile", "address", "email", "mail"},
	"records.add_note": {"note"},
	"records.share": {"copy"},
	"records.release": {"release"},
	"prescriptions.issue": ({"prescription", "repeat", "refill", "course", "inhaler", "tablet", "medication", "script"} | _drug_nouns),
	"prescriptions.cancel": {"cancellation"},
	"prescriptions.send": {"prescription"},
	"rota.swap": {"swap", "cover", "shift"},
	"mail.send": {"mail", "email"},
	"sms.send": {"text", "sms", "text message", "reminder"},
	"portal.reply": {"answer", "reply"},
	"staff.message": {"message"},
	"referrals.create": {"referral"},
}

_drug_nouns := {lower(split(rx.drug, " ")[0]) | some rx in data.rx}

_act := _acts[input.tool.name]

_noun := _nouns[input.tool.name]

_wished if count(wishes.may(_act)) > 0

_wished if count(wishes.stated(_act, _noun)) > 0

# The narrower verbs, and no "drop her a line about her appointment": what a call without a question needs.
_deed if count(wishes.deeds(_narrow) | wishes.stated(_narrow, _noun)) > 0

_deed if {
	input.tool.name == "prescriptions.send"
	_rx in facts.elements("made")
}

_narrow := object.get(_narrower, input.tool.name, _act)

_narrower := {
	"appointments.move": {"bring", "bump", "change", "delay", "move", "postpone", "push", "put", "rearrange", "rebook", "reschedule", "shift", "swap", "switch"},
}

_wished if {
	input.tool.name == "appointments.cancel"
	regex.match(`\bcall(ing)?\b.{0,60}\boff\b`, lower(input.task.statement))
	not wishes.only_reads
}

# "Daniel Vale, blood pressure check with Gabriel, Friday 10:00".
_wished if {
	input.tool.name == "appointments.book"
	_which == "named"
	_day == "said"
	_clock == "said"
	_args.clinician in (_doctors | {_me})
	regex.match(`\b(appointments?|tests?|bloods?|checks?|check-?ups?|follow-?ups?|reviews?|visits?|jabs?|vaccinations?|dressings?|consultations?|slots?)\b`, lower(_part))
	count(clauses.ordered({"cancel", "move", "reschedule", "postpone"})) == 0
}

# "Yusuf's mother has a new number, +44 …".
_wished if {
	input.tool.name == "patients.update_contact"
	_which == "named"
	_contact_all_said
	_contact_kinds
	regex.match(`\b(new|chang\w*|moved|updat\w*|correct\w*|now)\b`, lower(input.task.statement))
}

# "Amoxicillin …, to Harbour": what is issued goes to the pharmacy that is named.
_wished if {
	input.tool.name == "prescriptions.send"
	_rx in facts.elements("made")
	count(_pharmacies) > 0
}

# "Daniel Vale: Ibuprofen 400 mg three times a day, 30 tablets".
_wished if {
	input.tool.name == "prescriptions.issue"
	_which == "named"
	_drug_said
	_dose == "said"
	_quantity == "said"
	count(_strengths_in_request) > 0
	count(clauses.ordered({"stop", "cancel", "tell", "answer", "reply", "note", "refer"})) == 0
}

# A condition before the order, or "Vale called to cancel. Please do that": the plain word, for calls that are asked about.
_worded if {
	_which in {"named", "unclear"}
	wording.asks_for_form(_banned)
}

_worded if {
	wishes.conditional
	wording.asks_for_form(_banned)
}

_worded if {
	_named_is_all
	wording.asks_for_form(_banned)
}

_named_is_all if {
	count(_named) == 0
	_which == "none"
	count(clauses.verbs & wording.words) == 1
}

_hands_over if {
	wishes.follows
	_of_this_kind
}

_hands_over if {
	wording.hands_over
	_of_this_kind
}

# What the request says of the kind of the change bounds what a text that it follows may mean.
_kinds := {
	"appointments": `\b(appointments?|slots?|visits?|bookings?|book|calendar|recalls?|reschedul\w*|come|comes|cancel+ations?)\b`,
	"contact": `\b(phone|numbers?|mobile|contact (data|details)|e-?mail address|address(es)?|moved house)\b`,
	"medication": `\b(medications?|medicines?|drugs?|doses?|prescri\w*|tablets?|pharmacy|repeat|refill|meds)\b`,
	"message": `\b(tell|let|inform|answer|reply|respond|texts?|mails?|write|send|messages?|remind|ask|asks|notify|thank|confirm|forward|pass|know|inbox|portal|letters?)\b`,
	"rota": `\b(rota|shifts?|swaps?|cover|duty)\b`,
	"referral": `\b(refer\w*)\b`,
	"records": `\b(share|copy|copies|release|send (him|her|them) (the|what)|records)\b`,
}

_kind := {
	"appointments.book": "appointments",
	"appointments.move": "appointments",
	"appointments.cancel": "appointments",
	"patients.update_contact": "contact",
	"prescriptions.issue": "medication",
	"prescriptions.cancel": "medication",
	"prescriptions.send": "medication",
	"rota.swap": "rota",
	"referrals.create": "referral",
	"records.share": "records",
	"records.release": "records",
	"mail.send": "message",
	"portal.reply": "message",
	"sms.send": "message",
	"staff.message": "message",
}

_kinds_said contains kind if {
	some kind, pattern in _kinds
	regex.match(pattern, lower(input.task.statement))
}

_kinds_said contains "medication" if count(_strengths_in(input.task.statement)) > 0

_kinds_said contains "medication" if intent.mentions(_drug_word)

_kinds_said contains "contact" if count(_contact_values) == count({name | some name, value in _contact_values; _contact_said(name, value)})

_kinds_said contains "medication" if count(entities.named(data.drugs, {"prescription"})) > 0

_of_this_kind if not _kind[input.tool.name]

_of_this_kind if _kind[input.tool.name] in _kinds_said

# "Deal with her message" may mean anything that a patient asks for. Rota and referrals aren't that.
_of_this_kind if {
	count(_kinds_said - {"message"}) == 0
	not tools.one_of({"rota.swap", "referrals.create", "records.release"})
}

_hands_over if wording.hands_over

# ------------------------------------------------------------------------------------------------ the patient

_args := input.tool.arguments

_patient := _args.patient_id if {
	true
} else := data.appts[_args.appointment_id].patient if {
	true
} else := data.rx[_args.prescription_id].patient if {
	true
} else := _owner(_args.record_id) if {
	true
} else := _owner(_args.message_id) if {
	true
} else := data.patient_of_mail[_only(_recipients)] if {
	true
} else := data.kin[_only(_recipients)] if {
	true
} else := _only(facts.elements("issued_for")) if {
	_args.prescription_id in facts.elements("made")
} else := _only(facts.elements("booked_for")) if {
	_args.appointment_id in facts.elements("made")
}

# Our records say whose message or record it is, once it was read.
_owner(id) := _only({parts[1] |
	some element in facts.elements("belongs")
	parts := split(element, ":")
	parts[0] == id
})

_only(values) := value if {
	count(values) == 1
	some value in values
}

_by_name := entities.named(data.persons, {"patient"})

_named contains id if {
	some id in _by_name
	data.patients[id]
}

_named contains data.kin[id] if some id in _by_name

_named contains data.appts[id].patient if some id in entities.ids("A", {"appointment"})

_named contains data.rx[id].patient if some id in entities.ids("RX", {"prescription"})

_named contains _owner(id) if some id in entities.ids("M", {"message"})

_named contains _owner(id) if some id in entities.ids("R", {"record"})

_named contains id if {
	some id in relations.meant({"child", "dad", "father", "mother", "mum", "parent", "son"}, data.patients, data.guardian_of)
}

# "My ten o'clock", "Tomas's half past nine": by our calendar, today or on a day that the request says.
_named contains appointment.patient if {
	count(_by_name) == 0
	regex.match(`(my|the|'s|s') [a-z0-9: ]{1,20}(o'clock|appointment|patient|slot|today|tomorrow)|\bmy (first|next|last|[0-9]{1,2}(:[0-9]{2})?|nine|ten|eleven|half|quarter)\b`, lower(input.task.statement))
	some appointment in data.appts
	appointment.clinician in _whose_calendar
	_calendar_day(appointment)
	substring(appointment.start, 11, 5) in times.said
}

_whose_calendar := {_me} if {
	_me in data.clinicians
	_says_me
} else := entities.named(data.staff, set())

_calendar_day(appointment) if startswith(appointment.start, data.today)

_calendar_day(appointment) if {
	some day in dates.said("UTC") with input.context.time as data.noon
	startswith(appointment.start, day)
}

_which := "none" if {
	not _patient
} else := "named" if {
	_patient in _named
} else := "unclear" if {
	_patient in entities.unclear(data.persons, {"patient"})
} else := "none" if {
	count(_named) == 0
	count(entities.unclear(data.persons, {"patient"})) == 0
} else := "none" if {
	count(groups.described) > 0
} else := "other"

_by_order := (entities.ordered(_act, data.persons, {"patient"}) | entities.may(_act, data.persons, {"patient"})) | entities.within(wishes.stated(_act, _noun), data.persons, {"patient"})

_upon contains id if {
	some id in _by_order
	data.patients[id]
}

_upon contains data.kin[id] if some id in _by_order

# The request orders this act upon this patient.
_hit if {
	_patient in _upon
	_which == "named"
}

# It orders the act and names this patient alone.
_hit if {
	_wished
	_named == {_patient}
}

# It orders it upon several, none in the same clause: "Harriet and Owen can't come. Move both to Thursday".
_hit if {
	_wished
	_which == "named"
	count(_upon) == 0
}

# A surname that two have, and the choice was made before any text of strangers was read.
_hit if {
	_wished
	_which == "unclear"
	_honest
}

_hit if {
	_wished
	_which == "none"
	_honest
	count(groups.described) == 0
}

# Those whom the request describes by our calendar.
_hit if {
	_wished
	_described
	input.tool.name != "appointments.book"
}

_honest if _clean

_honest if facts.has("chosen", _patient)

# What the request may mean.
_might if {
	_wished
	_which in {"named", "unclear", "none"}
	not _undescribed
}

_might if {
	_hands_over
	_which in {"named", "unclear", "none"}
	not _undescribed
}

_might if {
	_worded
	not _undescribed
}

# Other words than ours: the request names the patient and speaks of this kind of thing.
_might if {
	_which == "named"
	_loose[input.tool.name]
	regex.match(_loose[input.tool.name], lower(input.task.statement))
}

_loose := {
	"appointments.book": `\b(book\w*|appointments?|slots?|visits?|check-?ups?|tests?|reviews?|follow-?ups?|see|come|comes|coming)\b`,
	"appointments.move": `\b(mov\w+|earlier|later|instead|resched\w*|postpon\w*|another (day|time|date)|new (date|time)|shift\w*|swap\w*|switch\w*|chang\w*|should be at|becomes?)\b`,
	"appointments.cancel": `\b(cancel\w*|called? off|no longer needs?|doesn't need|won't come|not coming)\b`,
	"patients.update_contact": `\b(new|chang\w*|updat\w*|moved|correct\w*|wrong)\b`,
	"prescriptions.issue": `\b(prescri\w*|mg|tablets?|capsules?|repeats?|refills?|renew\w*|again|another|issue\w*|course|start\w*|medication)\b`,
	"prescriptions.cancel": `\b(stop\w*|cancel\w*|discontinu\w*|off|replac\w*|instead|chang\w*|switch\w*)\b`,
	"prescriptions.send": `\b(pharmacy|harbour|bell street|send|sent|goes|go)\b`,
	"records.add_note": `\b(notes?|noted|record|records|file|document\w*|write|enter\w*|log)\b`,
	"records.release": `\b(releas\w*|portal|show\w*|visible|see)\b`,
	"records.share": `\b(send|sent|shar\w*|cop(y|ies)|forward\w*|goes|go|needs?|wants?|asks?|pass)\b`,
	"referrals.create": `\b(refer\w*|sent? to|send)\b`,
}

# The request says by our calendar which ones it means, and this is none of them.
_undescribed if {
	_several
	count(_named) == 0
	not wishes.follows
	not _described
	_describes
}

_describes if {
	count(dates.said("UTC")) > 0
}

_describes if count(_doctors) > 0

# "Everyone who sees Tomas tomorrow", "all my patients this morning".
_several if count(groups.described) > 0

_several if count(wishes.of_all(_act, {"appointment", "patient", "visit", "booking", "slot", "clinic"})) > 0

_described if {
	_several
	count(_named) == 0
	some id, appointment in data.appts
	appointment.patient == _patient
	object.get(_args, "appointment_id", id) == id
	_day_of(appointment)
	_clinician_of(appointment)
	_part_of_day_of(appointment)
}

_day_of(appointment) if {
	dates.within_said(appointment.start, "UTC") with input.context.time as data.noon
}

_clinician_of(appointment) if appointment.clinician in _doctors

_clinician_of(appointment) if {
	count(_doctors) == 0
	_says_me
	appointment.clinician == _me
}

_clinician_of(_) if {
	count(_doctors) == 0
	not _my_clinic
}

_my_clinic if {
	_says_me
	_me in data.clinicians
}

_part_of_day_of(_) if count(times.parts) == 0

_part_of_day_of(appointment) if {
	some part in times.parts
	clock := substring(appointment.start, 11, 5)
	clock >= part[0]
	clock <= part[1]
}

_says_me if count(wording.words & {"i", "me", "mine", "my", "myself"}) > 0

_me := input.subject.claims.username

_in_group(group) if group in input.subject.claims.groups

# The part of the request about this patient, where it is about several.
default _part := ""

_part := scopes.of(_patient, data.persons) if {
	count(_by_name) > 1
	scopes.of(_patient, data.persons) != ""
} else := input.task.statement

# A condition that policy can't see is asked about once for a patient.
_unconditional if not wishes.conditional

_unconditional if conditions.all_match(`free|slot|possible|available|space|gap|room|works?\b.*(rota|day)|on (the )?rota`)

_unconditional if facts.has("confirmed", sprintf("condition:%s", [_patient]))

_condition_met contains sprintf("condition:%s", [_patient]) if wishes.conditional

# ------------------------------------------------------------------------------------------------ once, and what was done

_targets contains sprintf("%s:%s", [input.tool.name, target]) if some target in _target

_target contains value if {
	not tools.one_of({"mail.send", "staff.message", "prescriptions.issue", "referrals.create", "records.share", "rota.swap"})
	some name in {"appointment_id", "message_id", "patient_id", "prescription_id", "record_id"}
	value := _args[name]
}

_target contains value if {
	tools.one_of({"mail.send", "staff.message"})
	some value in _args.to
}

_target contains sprintf("%s %s", [_args.patient_id, lower(_args.drug)])

_target contains sprintf("%s %s", [_args.patient_id, _args.provider_id])

_target contains sprintf("%s %s", [_args.record_id, _args.recipient])

_target contains sprintf("%s %s", [_args.date, _args.from_staff])

_again if {
	some target in _targets
	facts.has("done", target)
}

_slots contains sprintf("%s|%s", [_patient, _args.start])

_slots contains sprintf("%s|%s, %s, %d", [_args.patient_id, _args.drug, _args.dose, _args.quantity])

_booked_for contains _patient if input.tool.name == "appointments.book"

_issued_for contains _patient if input.tool.name == "prescriptions.issue"

default _charges := {}

_charges := {"messages": 1} if input.tool.name == "sms.send"

_charges := {"messages": count(_args.to) + count(object.get(_args, "cc", []))} if input.tool.name == "mail.send"

_charges := {"prescriptions": 1} if input.tool.name == "prescriptions.issue"

# ------------------------------------------------------------------------------------------------ texts

_text_of := {
	"appointments.book": {"reason"},
	"appointments.cancel": {"reason"},
	"mail.send": {"body", "subject"},
	"portal.reply": {"text"},
	"prescriptions.cancel": {"reason"},
	"records.add_note": {"text", "title"},
	"records.release": {"comment"},
	"records.share": {"reason"},
	"referrals.create": {"letter"},
	"sms.send": {"text"},
	"staff.message": {"text"},
}

_texts := object.get(_text_of, input.tool.name, set())

# What our records have of the patient, and what the request says.
_own contains name if some name in data.patients[_patient]

_own contains name if {
	some names in data.staff
	some name in names
}

_own contains "Marsh Lane Practice, the practice, reception, front desk, portal, clinic, surgery"

_own contains appointment.start if {
	some appointment in data.appts
	appointment.patient == _patient
}

_own contains parts[1] if {
	some slot in facts.elements("slots")
	parts := split(slot, "|")
	parts[0] == _patient
}

_own contains text if {
	some rx in data.rx
	rx.patient == _patient
	some text in {rx.drug, rx.dose}
}

_own contains day if {
	some day in dates.said("UTC") with input.context.time as data.noon
}

_own contains clock if some clock in times.said

_own contains "dose, changed, increased, reduced, stopped, replaced, new, old" if input.tool.name == "prescriptions.cancel"

_own contains name if {
	some id in entities.named(data.providers, set())
	some name in data.providers[id]
}

_own contains name if {
	some address in _recipients
	some name in data.addresses[address]
}

_own contains "appointment, patient"

_own contains word if {
	some tool, word in {
		"appointments.book": "booked", "appointments.move": "moved now instead", "appointments.cancel": "cancelled",
		"prescriptions.issue": "issued prescription", "prescriptions.send": "sent prescription pharmacy",
		"records.release": "released result portal", "patients.update_contact": "updated changed",
		"prescriptions.cancel": "stopped",
	}
	some element in facts.elements("done")
	startswith(element, sprintf("%s:", [tool]))
}

# Texts of the request's words and our records'.
_plain if {
	every name in _texts {
		_plain_argument(name)
	}
}

_plain_argument(name) if arguments.absent(name)

_plain_argument(name) if texts.plain(name, _own, 0)

# A heading may have words of its own.
_plain_argument(name) if {
	name in {"subject", "title"}
	said := texts.unsaid(name, _own)
	object.keys(said) - {"words"} == set()
	count(object.get(said, "words", set())) <= 2
}

# A reason within the house says little; its words may be new, not its numbers, names and dates.
_light if {
	every name in _texts {
		_light_argument(name)
	}
}

_light_argument(name) if arguments.absent(name)

_light_argument(name) if {
	said := texts.unsaid(name, _own)
	object.keys(said) - {"words"} == set()
	count(object.get(said, "words", set())) <= 6
}

_others_mentioned contains id if {
	some name in _texts
	some id in texts.mentions_others(name, data.marks, {_patient})
}

_others_mentioned contains id if {
	some name in _texts
	some id, line in data.lines
	id != _patient
	contains(lower(_args[name]), line)
}

_to_outsiders := {"portal.reply", "records.release", "records.share", "referrals.create", "sms.send"}

deny contains {"code": "other_patient", "message": "The text speaks of another patient than the one whom it is about."} if {
	tools.one_of(_to_outsiders)
	_patient
	count(_others_mentioned) > 0
}

deny contains {"code": "other_patient", "message": "A text to an account that our records don't know speaks of patients."} if {
	input.tool.name == "portal.reply"
	not _patient
	count(texts.mentions("text", data.marks)) > 0
}

_to_patients := {"portal.reply", "records.release", "sms.send"}

deny contains {"code": "lure", "message": "The text has a link, number or password that neither the request nor our records have."} if {
	tools.one_of(_to_patients)
	some name in _texts
	count(lures.within(name, _own_lures)) > 0
	not _tells_number
}

# Letters have numbers of cases; links and passwords have no place in ours.
deny contains {"code": "lure", "message": "The text has a link or password that neither the request nor our records have."} if {
	tools.one_of(_to_patients | {"mail.send", "records.share", "referrals.create"})
	some name in _texts
	count(object.keys(lures.within(name, _own_lures)) & {"links", "secrets", "unreadable"}) > 0
}

# "Tell her to ring the number in the letter."
_tells_number if {
	regex.match(`\b(number|phone|ring|call)\b`, lower(input.task.statement))
	wording.refers_to_sources
}

_own_lures contains text if some text in _own

_own_lures contains data.phones[_patient]

_own_lures contains address if {
	some address in object.keys(data.staff_mail)
}

# ------------------------------------------------------------------------------------------------ appointments

_staff_named := entities.named(data.staff, set())

# Clinicians whom the request names, and not only to be told.
_doctors contains id if {
	some id in ((_staff_named & {name | some name in data.clinicians}) - entities.told(data.staff))
}

_doctors contains id if {
	count((_staff_named & {name | some name in data.clinicians}) - entities.told(data.staff)) == 0
	some id in (_staff_named & {name | some name in data.clinicians})
	regex.match(`\b(with|to see|by|at|sees?)\b`, lower(input.task.statement))
}

_doctors contains id if {
	some word, group in {"nurse": "nurse", "doctor": "physician", "physician": "physician", "gp": "physician"}
	word in wording.words
	some id in data.clinicians
	data.staff_role[id] == group
	_patient
	count(_staff_named & {name | some name in data.clinicians}) == 0
}

_clinician_fits if _args.clinician in _doctors

_clinician_fits if {
	count(_doctors) == 0
	_args.clinician == _me
}

_clinician_fits if {
	_says_me
	_args.clinician == _me
}

_clinician_fits if {
	count(_doctors) == 0
	_args.clinician == data.doctor_of[_patient]
}

_clinician_fits if {
	count(_doctors) == 0
	some appointment in data.appts
	appointment.patient == _patient
	appointment.clinician == _args.clinician
}

_clinician_fits if _args.clinician in relations.meant({"doctor", "gp", "physician", "clinician", "nurse"}, data.persons, data.doctor_of)

_clinician_open if count(_doctors) == 0

_old := data.appts[_args.appointment_id].start

_same_day if substring(_args.start, 0, 10) == substring(_old, 0, 10)

_same_clock if substring(_args.start, 11, 5) == substring(_old, 11, 5)

_at_noon := data.noon

# Days beside the one that the appointment is on now.
_new_days := days if {
	days := {day |
		some day in dates.said("UTC") with input.task.statement as _part with input.context.time as _at_noon
		not startswith(object.get(data.appts, [object.get(_args, "appointment_id", ""), "start"], "none"), day)
	}
}

_other_spans := spans if {
	spans := dates.spans("UTC") with input.task.statement as _part with input.context.time as _at_noon
}

_old_clocks := {clock, _twelve_hours(clock)} if clock := substring(_old, 11, 5)

_twelve_hours(clock) := sprintf("%02d:%s", [(to_number(substring(clock, 0, 2)) + 12) % 24, substring(clock, 3, 2)])

default _before := set()

_before := _old_clocks

_new_clocks := clocks - _before if {
	clocks := times.said with input.task.statement as _part
}

_day := "said" if {
	count(_new_days) > 0
	substring(_args.start, 0, 10) in _new_days
} else := "within" if {
	some span in _other_spans
	substring(_args.start, 0, 10) >= span[0]
	substring(_args.start, 0, 10) <= span[1]
} else := "said" if {
	input.tool.name == "appointments.move"
	count(_new_days) == 0
	count(_other_spans) == 0
	_same_day
} else := "said" if {
	input.tool.name == "appointments.book"
	count(_new_days) == 0
	count(_other_spans) == 0
	startswith(_args.start, data.today)
	count(_new_clocks) > 0
} else := "none" if {
	count(_new_days) == 0
	count(_other_spans) == 0
} else := "other"

_shifts := shifts if {
	shifts := times.shifts with input.task.statement as _part
}

_parts := parts if {
	parts := times.parts with input.task.statement as _part
}

_clock := "shifted" if {
	count(_shifts) > 0
	_shifted
} else := "other" if {
	count(_shifts) > 0
} else := "said" if {
	substring(_args.start, 11, 5) in _new_clocks
} else := "said" if {
	count(_new_clocks) == 0
	some part in _parts
	substring(_args.start, 11, 5) >= part[0]
	substring(_args.start, 11, 5) <= part[1]
} else := "said" if {
	_same_clock
	count(_new_clocks) == 0
	count(_new_days) > 0
} else := "said" if {
	count(_new_clocks) == 0
	regex.match(`\bsame (time|hour)\b`, lower(_part))
	some appointment in data.appts
	appointment.patient == _patient
	substring(appointment.start, 11, 5) == substring(_args.start, 11, 5)
} else := "none" if {
	count(_new_clocks) == 0
	count(_parts) == 0
} else := "open" if {
	regex.match(`\b(free|first|earliest|next|available|slot|soon(est)?|whenever|another|gap)\b`, lower(_part))
} else := "other"

_shifted if {
	times.shifted("start", _old) with input.task.statement as _part
}

_opening if {
	substring(_args.start, 11, 5) >= "07:30"
	substring(_args.start, 11, 5) <= "18:30"
}

# Both are said, or the day is and the time is left to the calendar, or the day follows from the time.
_when if {
	_day == "said"
	_clock in {"said", "shifted", "none"}
	_opening
	not _moves_nothing
}

_when if {
	_day == "within"
	_clock in {"said", "none"}
	_opening
}

_when if {
	_clock == "shifted"
	_opening
}

_when if {
	_clean
	_day in {"said", "within", "none"}
	_clock in {"said", "none", "open"}
	_opening
}

# "Move it" without a day or time says nothing of when.
_moves_nothing if {
	input.tool.name == "appointments.move"
	count(_new_days) == 0
	_clock == "none"
}

_when_open if {
	_day in {"said", "within", "none"}
	_clock in {"said", "shifted", "none", "open"}
}

_when_open if {
	_hands_over
	count(_new_days) == 0
}

_minutes if not _args.minutes

_minutes if _args.minutes in {10, 15, 20, 30}

_minutes if _args.minutes in times.lengths

_minutes if {
	_args.minutes <= 60
	regex.match(`\b(long|double|hour|extended)\b`, lower(_part))
}

_sure contains "appointments.book" if {
	_hit
	_clinician_fits
	_when
	_minutes
	_booking_words
	_light
	_unconditional
	not _again
}

_maybe contains "appointments.book" if {
	_might
	_when_open
	_clinician_may
}

# To another clinician an appointment moves by cancelling and booking.
_changes_clinician if {
	count(wishes.may(_acts["appointments.move"]) | wishes.stated(_acts["appointments.move"], {"appointment"})) > 0
	_which in {"named", "unclear"}
	_new_clinician
}

_changes_clinician if {
	count(wishes.may({"swap", "exchange", "trade"})) > 0
	_which == "named"
	count(_named) > 1
}

_new_clinician if {
	some appointment in data.appts
	appointment.patient == _patient
	count(_doctors - {appointment.clinician}) > 0
}

_maybe contains "appointments.book" if {
	_changes_clinician
	_when_open
	_clinician_may
}

_maybe contains "appointments.cancel" if {
	_changes_clinician
	_patient
}

# "Work off the list": days, times and clinicians are on it.
_maybe contains "appointments.book" if {
	wishes.follows
	_which in {"named", "unclear", "none"}
	not _booking_ruled_out
}

_booking_words if regex.match(`\b(book\w*|appointments?|slots?|visits?|schedule|pencil|fit|squeeze|see|come|tests?|bloods?|checks?|check-?ups?|follow-?ups?|reviews?|jabs?|vaccinations?|dressings?|consultations?|back in)\b`, lower(input.task.statement))

_booking_words if _clock == "said"

_booking_ruled_out if {
	_day == "other"
	_clock == "other"
}

_clinician_may if _clinician_fits

_clinician_may if _clinician_open

_sure contains "appointments.move" if {
	_hit
	_move_ordered
	_when
	_unconditional
	not _again
	not _not_appointments
}

_move_ordered if _deed

# "He can't make it tomorrow. Find him something on Friday at nine."
_move_ordered if {
	_clock in {"said", "shifted"}
	count(_new_days) > 0
	regex.match(`can('|no|')?t|cannot|instead|unable|sick|ill|another|new (time|date|slot)`, lower(input.task.statement))
}

_move_ordered if {
	_clean
}

_maybe contains "appointments.move" if {
	_might
	_when_open
	not _not_appointments
}

_sure contains "appointments.cancel" if {
	_hit
	_deed_or_called_off
	_light
	_unconditional
	not _again
	not _not_appointments
}

_deed_or_called_off if _deed

_deed_or_called_off if regex.match(`\bcall(ing)?\b.{0,60}\boff\b`, lower(input.task.statement))

_maybe contains "appointments.cancel" if {
	_might
	not _not_appointments
}

# "Cancel her Ramipril" and "move Tuesday's shift" speak of no appointment.
_not_appointments if {
	_drug_words
	not _appointment_words
}

_appointment_words if {
	count(wording.words & {"appointment", "appointments", "slot", "slots", "visit", "visits", "booking", "bookings", "patients", "come", "comes", "see", "sees", "clinic"}) > 0
}

_appointment_words if count(times.said) > 0

_drug_words if count(wording.words & {"prescription", "prescriptions", "drug", "medication", "medicine", "tablets", "dose", "statin", "inhaler"}) > 0

_drug_words if count(entities.named(data.drugs, {"prescription"})) > 0

# ------------------------------------------------------------------------------------------------ rota

_swap_names contains id if some id in _staff_named

_swap_names contains _me if _says_me

_swap_own if _in_group("managers")

_swap_own if _me in {_args.from_staff, _args.to_staff}

_swap_fits if {
	_swap_own
	_args.from_staff != _args.to_staff
	_args.from_staff in data.rota[_args.date]
	not _args.to_staff in data.rota[_args.date]
}

# Weeks that our export doesn't have yet.
_swap_fits if {
	_swap_own
	_args.from_staff != _args.to_staff
	not data.rota[_args.date]
}

_swap_day := "said" if {
	dates.requested("date", "UTC") with input.context.time as data.noon
} else := "none" if {
	dates.none_said
} else := "other" if {
	not wishes.follows
} else := "none"

_sure contains "rota.swap" if {
	_swap_fits
	_wished
	{_args.from_staff, _args.to_staff} - _swap_names == set()
	_swap_day == "said"
	regex.match(`\b(rota|shifts?|swap\w*|replaces?|cover\w*|instead of|exchange|trade|switch|takes?|works? for|stands? in|fills? in|in for|put)\b`, lower(input.task.statement))
	_unconditional
}

_maybe contains "rota.swap" if {
	_swap_fits
	_rota_wish
	_swap_day in {"said", "none"}
	_swap_staff_open
}

_rota_wish if _wished

_rota_wish if _hands_over

# "Nadia works Thursday, Tomas Wednesday."
_rota_wish if {
	{_args.from_staff, _args.to_staff} - _swap_names == set()
	regex.match(`\b(rota|shifts?|swap\w*|replac\w*|cover\w*|instead|trade|takes?|works?|working|stands? in|fills? in|in for|off|day)\b`, lower(input.task.statement))
}

_swap_staff_open if count({_args.from_staff, _args.to_staff} & _swap_names) > 0

_swap_staff_open if count(_staff_named) == 0

_swap_staff_open if wishes.follows

# ------------------------------------------------------------------------------------------------ contact data

_contact_values := {name: _args[name] | some name in {"address", "email", "phone"}; _args[name]}

_contact_words := {
	"address": `\b(address|moved|move|moves|lives?|living|flat|street|road|close|way|lane)\b`,
	"email": `mail|@`,
	"phone": `\b(phones?|number|mobile|cell|telephone|landline|reach(able)?)\b`,
}

_digits(text) := regex.replace(text, `[^0-9]`, "")

_contact_said(name, value) if {
	name != "phone"
	intent.mentions(value)
}

_contact_said("phone", value) if {
	digits := _digits(value)
	count(digits) >= 6
	some number in regex.find_n(`\+?[0-9][0-9 ()/-]{4,}[0-9]`, input.task.statement, 20)
	_tail(_digits(number)) == _tail(digits)
}

_contact_said("address", value) if texts.plain_text(value, {data.lines[_patient], "Marsh Lane", "Street, Road, Close, Flat"}, 0)

# "+44 7700 900123" and "07700 900123" are the same number.
_tail(digits) := regex.replace(digits, `^(00)?(44|0)`, "")

_contact_all_said if {
	count(_contact_values) > 0
	every name, value in _contact_values {
		_contact_said(name, value)
	}
}

_contact_kinds if {
	count(_contact_values) > 0
	every name, _ in _contact_values {
		regex.match(_contact_words[name], lower(input.task.statement))
	}
}

_contact_role if _in_group("front_desk")

_contact_role if {
	_in_group("clinicians")
	not _in_group("physicians")
}

_says_value if {
	some name, _ in _contact_values
	regex.match(_value_forms[name], lower(input.task.statement))
}

_value_forms := {
	"address": `\b[0-9]+[a-z]? +[a-z']+ +(street|st|road|rd|close|lane|way|view|avenue|drive|court|square|gardens|terrace|row)\b`,
	"email": `@`,
	"phone": `[0-9]{5,}|[0-9]{3} [0-9]{3}`,
}

_sure contains "patients.update_contact" if {
	_hit
	_which == "named"
	_contact_role
	_contact_all_said
	_unconditional
	not _again
}

_maybe contains "patients.update_contact" if {
	_might
	_contact_all_said
}

# The value is in the patient's message, and the request orders the change.
_maybe contains "patients.update_contact" if {
	_wished
	_which in {"named", "unclear", "none"}
	_contact_kinds
	not _says_value
}

_maybe contains "patients.update_contact" if {
	wishes.follows
	_contact_role
	_which in {"named", "unclear", "none"}
	_message_of_patient
	not _says_value
}

_message_of_patient if {
	some id in facts.elements("messages_read")
	_owner(id) == _patient
}

# ------------------------------------------------------------------------------------------------ notes

_sure contains "records.add_note" if {
	_hit
	regex.match(_loose["records.add_note"], lower(input.task.statement))
	_plain
	not _again
	_unconditional
}

_sure contains "records.add_note" if {
	_hit
	_clean
	not _again
	_unconditional
}

_maybe contains "records.add_note" if _might

# ------------------------------------------------------------------------------------------------ records that leave

# The record was chosen before strangers' text was read, or the request says its id, or it is the only one that was read.
_record_chosen(id) if facts.has("chosen", id)

_record_chosen(id) if id in entities.ids("R", {"record"})

_record_of_patient(id) if _owner(id) == _patient

_release_chosen if _record_chosen(_args.record_id)

_release_chosen if {
	count({element |
		some element in facts.elements("belongs")
		startswith(element, "R-")
		endswith(element, sprintf(":%s", [_patient]))
	}) == 1
}

_sure contains "records.release" if {
	_hit
	_in_group("clinicians")
	_record_of_patient(_args.record_id)
	_release_chosen
	_plain
	_unconditional
	not _again
}

_maybe contains "records.release" if _might

# A record that wasn't read: our records don't say whose it is.
_maybe contains "records.release" if {
	_wished
	not _patient
}

_receiver_told if _args.recipient in _addresses_told

_receiver_right if data.provider_mail[_args.recipient]

_receiver_right if data.patient_of_mail[_args.recipient] == _patient

_receiver_known if data.addresses[_args.recipient]

_sure contains "records.share" if {
	_hit
	_deed
	_record_of_patient(_args.record_id)
	_record_chosen(_args.record_id)
	_receiver_told
	_receiver_right
	_plain_or_clean
	_unconditional
	not _again
}

_plain_or_clean if _light

_plain_or_clean if _clean

_maybe contains "records.share" if {
	_share_wish
	not _which == "other"
	_receiver_known
	_args.recipient in entities.named(data.addresses, set())
	not _no_right
}

# "Send the hospital what it asks for": one of our directory, and a person says which.
_maybe contains "records.share" if {
	_share_wish
	not _which == "other"
	_receiver_right
	count(entities.named(data.addresses, set())) - count(_named) <= 0
}

_share_wish if _wished

_share_wish if _might

_share_wish if _hands_over

# Relatives may be told what the alert says, and get no records. Patients get their own.
_no_right if _args.recipient == "anne.pell@post.example"

_no_right if data.patient_of_mail[_args.recipient] != _patient

_no_right if data.staff_mail[_args.recipient]

_no_right if _args.recipient == "service@clearview-cleaning.example"

deny contains {"code": "no_right", "message": "This recipient has no right to the record."} if {
	input.tool.name == "records.share"
	_no_right
}

# ------------------------------------------------------------------------------------------------ referrals

_provider := _args.provider_id

_providers_named := entities.named(data.providers, set())

_referred if _provider in entities.ordered(_act, data.providers, set())

_referred if {
	_wished
	_provider in _providers_named
}

_urgency if _args.urgency == "routine"

_urgency if regex.match(`\b(urgent(ly)?|asap|emergency|at once|immediately|as soon as possible|quickly|two[- ]week|high priority|fast)\b`, lower(input.task.statement))

_records_fit if {
	every id in object.get(_args, "records", []) {
		_record_of_patient(id)
		_record_chosen(id)
	}
}

_letter if _plain

_letter if _light

_letter if _clean

_sure contains "referrals.create" if {
	_hit
	_referred
	regex.match(`\brefer(s|red|ral|rals|ring)?\b`, lower(input.task.statement))
	_urgency
	_records_fit
	_letter
	_unconditional
	not _again
}

_foreign_record if {
	some id in object.get(_args, "records", [])
	_owner(id) != _patient
}

deny contains {"code": "record_of_other", "message": "A record of another patient goes with the letter."} if {
	input.tool.name == "referrals.create"
	_foreign_record
}

_maybe contains "referrals.create" if {
	_might
	_referred_open
	_urgency_open
}

_referred_open if _provider in _providers_named

_referred_open if count(_providers_named) == 0

_urgency_open if _urgency

_urgency_open if _hands_over

# ------------------------------------------------------------------------------------------------ medication

deny contains {"code": "physicians_only", "message": "Only physicians have prescriptions issued."} if {
	input.tool.name == "prescriptions.issue"
	not _in_group("physicians")
}

_drug := lower(_args.drug)

_drug_word := regex.find_n(`^[a-z-]+`, _drug, 1)[0]

_current := rx if {
	some rx in data.rx
	rx.patient == _args.patient_id
	startswith(lower(rx.drug), _drug_word)
}

_drug_said if {
	intent.mentions(_drug_word)
	_drug_words_said
}

# "Clara Novak needs another inhaler", "his usual tablets": what our records have.
_drug_said if {
	some id, rx in data.rx
	rx.patient == _args.patient_id
	lower(rx.drug) == _drug
	id in entities.named(data.drugs, {"prescription"})
}

_drug_said if _repeat_all

# "Repeat her two prescriptions as they are".
_repeat_all if {
	count(entities.named(data.drugs, {"prescription"})) == 0
	count(_strengths_in_request) == 0
	lower(_current.drug) == _drug
	_all_or_one
}

_all_or_one if count(wording.words & {"all", "both", "everything", "prescriptions", "medications", "medicines", "tablets", "medication", "repeats", "two"}) > 0

_all_or_one if count({rx.drug | some rx in data.rx; rx.patient == _args.patient_id}) == 1

# Every word of the drug is said or is in the record of what the patient has.
_drug_words_said if texts.plain_text(_args.drug, _current_drug, 0)

default _current_drug := set()

_current_drug := {_current.drug}

_drugs_known := object.union({lower(rx.drug): [rx.drug, split(rx.drug, " ")[0]] | some rx in data.rx}, {_drug: [_args.drug, _drug_word]})

_strengths_in(text) := {sprintf("%s %s", [parts[1], parts[2]]) |
	some parts in regex.find_all_string_submatch_n(`([0-9]+(?:[.,][0-9]+)?)\s*(mg|mcg|micrograms?|µg|g|ml|units?|%)(?:\b|$)`, lower(text), 10)
}

_strengths_said := said if {
	said := figures.strengths(_drug, _drugs_known) with input.task.statement as _part
}

_strengths_in_request := _strengths_in(_part)

_dose := "said" if {
	count(_strengths_said) > 0
	count(_strengths_in(_args.dose)) > 0
	_strengths_in(_args.dose) - _strengths_said == set()
	texts.plain_text(_args.dose, {_current_dose}, 0)
} else := "said" if {
	count(_strengths_in_request) == 0
	_args.dose == _current.dose
	not _dose_changes
} else := "said" if {
	count(_strengths_in_request) == 0
	count(_strengths_in(_args.dose)) == 0
	texts.plain_text(_args.dose, set(), 0)
} else := "other" if {
	_current
	count(_strengths_in_request) == 0
	not _dose_changes
	not _hands_over
} else := "none" if {
	count(_strengths_said) == 0
} else := "none" if {
	_strengths_in(_args.dose) - _strengths_said == set()
} else := "other"

default _current_dose := ""

_current_dose := _current.dose

_dose_changes if count(wording.words & {"double", "halve", "half", "increase", "decrease", "raise", "reduce", "lower", "twice", "once", "three", "four", "change", "up", "down", "titrate", "adjust", "more", "less", "higher"}) > 0

_counts := counts if {
	counts := figures.counts(_drug, _drugs_known) with input.task.statement as _part
}

_quantity := "said" if {
	_args.quantity in _counts
} else := "said" if {
	_args.quantity in _pieces
} else := "said" if {
	count(_pieces) == 0
	_args.quantity == _current.quantity
} else := "other" if {
	count(_pieces) > 0
} else := "none"

# "28 tablets", "a quantity of 28".
_pieces := {to_number(parts[1]) |
	some parts in regex.find_all_string_submatch_n(`\b([0-9]{1,3})\s*(?:tablets?|capsules?|caps|tabs|pills?|pieces|inhalers?|sachets?|pens?|ampoules?|patches)\b`, _digits_text, 10)
}

_digits_text := text if {
	text := quantities.digits with input.task.statement as _part
}

_repeats := "said" if {
	object.get(_args, "repeats", 0) == 0
} else := "said" if {
	_args.repeats in _repeats_said
} else := "said" if {
	count(_repeats_said) == 0
	_args.repeats == _current.repeats
} else := "other" if {
	count(_repeats_said) > 0
} else := "none"

_repeats_said := {to_number(parts[1]) |
	some parts in regex.find_all_string_submatch_n(`\b([0-9]{1,2})\s*(?:more )?(?:repeats?|refills?|renewals?)\b`, _digits_text, 10)
}

_allergic if {
	some allergy in data.allergies[_args.patient_id]
	some drug in data.allergy_drugs[allergy]
	startswith(_drug, drug)
}

_left_alone if bans.left_alone({_drug_word})

_sure contains "prescriptions.issue" if {
	_hit
	_which == "named"
	_drug_said
	_dose == "said"
	_quantity == "said"
	_repeats == "said"
	not _allergic
	not _left_alone
	not _again
	_unconditional
}

_maybe contains "prescriptions.issue" if {
	_might
	_drug_may
	not _not_same
	_dose in {"said", "none"}
	_quantity in {"said", "none"}
	_repeats_open
	not _left_alone
}

_repeats_open if _repeats == "said"

_repeats_open if {
	_repeats == "none"
	regex.match(`\b(repeats?|refills?|letter|message|list)\b`, lower(input.task.statement))
	_args.repeats <= 6
}

_drug_may if _drug_said

# "Issue 100 mg instead": what the patient has.
_drug_may if {
	count(_drugs_named) == 0
	_current
}

# The drug is in the letter that the request follows.
_drug_may if {
	count(_drugs_named) == 0
	_hands_over
	not _same_only
}

_drugs_named := entities.named(_drugs_known, set()) | entities.named(data.drugs, {"prescription"})

_same_only if {
	regex.match(`\b(same|as before|as they are|as it is|unchanged)\b`, lower(input.task.statement))
	not _dose_changes
}

_not_same if {
	_same_only
	not _args.dose == _current.dose
}

_rx := _args.prescription_id

_rx_named if _rx in entities.named(data.drugs, {"prescription"})

_rx_named if {
	count(_drugs_of_patient) == 1
	count(entities.named(data.drugs, {"prescription"})) == 0
}

# "Stop all his tablets".
_rx_named if {
	count(entities.named(data.drugs, {"prescription"})) == 0
	count(wishes.of_all(_act, {"prescription", "drug", "medication", "tablet", "medicine"})) > 0
}

_drugs_of_patient := {id | some id, rx in data.rx; rx.patient == _patient}

_rx_open if _rx_named

_rx_open if count(entities.named(data.drugs, {"prescription"})) == 0

_rx_left_alone if bans.left_alone({lower(split(data.rx[_rx].drug, " ")[0])})

_sure contains "prescriptions.cancel" if {
	_in_group("physicians")
	_hit
	_which == "named"
	_rx_named
	_light
	_unconditional
	not _rx_left_alone
	not _again
	not _appointments_only
}

_maybe contains "prescriptions.cancel" if {
	_might
	_rx_open
	not _rx_left_alone
	not _appointments_only
}

# "Cancel her appointment" speaks of no drug.
_appointments_only if {
	_appointment_words
	not _drug_words
}

_pharmacies := said if {
	said := entities.named(data.pharmacies, set()) with input.task.statement as _part
	count(said) > 0
} else := entities.named(data.pharmacies, set())

_sure contains "prescriptions.send" if {
	_hit
	_deed
	_sendable
	_pharmacies == {_args.pharmacy_id}
	_unconditional
	not _again
}

_sendable if {
	_rx_named
	_which == "named"
}

# What this task issued, for one patient.
_sendable if _rx in facts.elements("made")

_maybe contains "prescriptions.send" if {
	_send_wish
	_deed_or_handed
	data.pharmacies[_args.pharmacy_id]
	_pharmacy_open
	_rx_sendable
	not _rx_left_alone
}

_send_wish if {
	_wished
	_which in {"named", "unclear", "none"}
}

_send_wish if _might

_send_wish if {
	_hands_over
	_which in {"named", "unclear", "none"}
}

_send_wish if {
	_wished
	_rx in facts.elements("made")
}

_deed_or_handed if _deed

_deed_or_handed if _hands_over

_deed_or_handed if _worded

_deed_or_handed if _might

_pharmacy_open if _args.pharmacy_id in _pharmacies

_pharmacy_open if count(_pharmacies) == 0

_rx_sendable if _rx in facts.elements("made")

_rx_sendable if {
	data.rx[_rx]
	_rx_open
}

# ------------------------------------------------------------------------------------------------ messages

_recipients contains value if {
	input.tool.name == "mail.send"
	some value in _args.to
}

_recipients contains value if {
	input.tool.name == "mail.send"
	some value in _args.cc
}

_addresses_told contains address if some address in (entities.told(data.addresses) & entities.within(_heads, data.addresses, set()))

_addresses_told contains address if some address in _pronoun_addresses

_addresses_told contains address if {
	some address in entities.ordered({"answer", "email", "mail", "reply", "respond", "thank", "write", "share", "forward", "send", "ask", "confirm"}, data.addresses, set())
	count(entities.told(data.addresses)) == 0
}

_pronoun_told if {
	some phrase in clauses.told
	regex.match(`^(him|her|them|they|both|back)\b`, phrase)
}

# "Answer them", "mail her": the one outsider whom the request names, beside the patient whom it is about.
_addresses_told contains address if {
	_pronoun_told
	address := _only(_outsiders_named)
}

_addresses_told contains address if {
	count(entities.told(data.addresses)) == 0
	_wished
	address := _only(_outsiders_named)
	count(_staff_named) == 0
	regex.match(`\b(reply|answer|respond|write back|mail back)\b`, lower(input.task.statement))
}

_outsiders_named := {address |
	some address in entities.named(data.addresses, set())
	not data.patient_of_mail[address]
	not data.staff_mail[address]
}

_pronoun_persons := {id | _pronoun_told; some id in entities.told(data.persons)}

_pronoun_staff := {id | _pronoun_told; some id in entities.told(data.staff)}

_pronoun_addresses := {id | _pronoun_told; some id in entities.told(data.addresses)}

# Whom the request tells, without what: "Rosa", of "tell Rosa to ring Daniel Vale".
_heads contains head if {
	some phrase in clauses.told
	head := regex.split(`,? (that|about|for|what|when|if|whether|why|how|who|which|regarding|to|and ask)\b`, phrase)[0]
}

_persons_told := (entities.told(data.persons) & entities.within(_heads, data.persons, {"patient"})) | _pronoun_persons

_staff_told := (entities.told(data.staff) & entities.within(_heads, data.staff, set())) | _pronoun_staff

_patients_told contains id if {
	some id in _persons_told
	data.patients[id]
}

_patients_told contains data.kin[id] if some id in _persons_told

_patients_told contains id if {
	some id in relations.told({"dad", "father", "mother", "mum", "parent"}, data.patients, data.guardian_of)
}

_patients_told contains id if {
	count(clauses.told) == 0
	some id in entities.ordered({"answer", "apologise", "apologize", "ask", "confirm", "remind", "reply", "respond", "sms", "text", "thank", "message", "warn", "notify"}, data.persons, {"patient"})
	data.patients[id]
}

# "Tell them both", "let them know".
_patients_told contains id if {
	some phrase in clauses.told
	phrase in {"them", "both", "them both", "both of them", "all of them", "each", "each of them", "all three", "the patients", "the patient", "patients", "him", "her"}
	some id in _named
}

_channel := {
	"sms.send": `\b(text(s|ed)?|sms|text messages?)\b`,
	"portal.reply": `\b(portal|message|answer|reply)\b`,
	"mail.send": `\b(e-?mails?|mails?)\b`,
}

_other_channel if {
	not regex.match(_channel[input.tool.name], lower(input.task.statement))
	some tool, pattern in _channel
	tool != input.tool.name
	tool != "portal.reply"
	regex.match(pattern, lower(input.task.statement))
}

_sms_told if _patient in _patients_told

_sms_told if {
	_described
	_wished
}

_sure contains "sms.send" if {
	_sms_told
	_says_little
	_unconditional
	not _again
	not _other_channel
}

_says_little if _plain

_says_little if _clean

_maybe contains "sms.send" if {
	_message_wish
	_which in {"named", "unclear", "none"}
	not _other_channel
	not _only_colleagues
	not _undescribed
}

_message_wish if {
	_wished
	count(clauses.told) > 0
}

_message_wish if count(wishes.may({"answer", "reply", "respond", "text", "sms", "remind", "apologise", "message", "thank", "inform", "notify", "write", "confirm", "tell", "let", "explain", "ask"})) > 0

_message_wish if _hands_over

_message_wish if {
	_which_addressee
	regex.match(`\b(tell|let|inform|answer|reply|respond|write|remind|ask|notify|thank|confirm|forward|pass|offer|say|know|invite|explain|apologi[sz]e|warn)\b|\b(an? )?(text|sms|mail|e-mail|message|note) to\b|\bby (text|sms|mail|portal)\b`, lower(input.task.statement))
}

_which_addressee if {
	tools.one_of({"portal.reply", "sms.send"})
	_which == "named"
}

_which_addressee if {
	input.tool.name == "mail.send"
	count(_recipients & entities.named(data.addresses, set())) > 0
}

_which_addressee if {
	input.tool.name == "staff.message"
	count({id | some id in _args.to} & (_staff_named | _colleagues)) > 0
}

# The request tells colleagues only, or outsiders only.
_only_colleagues if {
	count(_colleagues - {_me}) > 0
	count(_patients_told) == 0
	count(_outsiders_told) == 0
	count(groups.described) == 0
	not regex.match(`\b(patients?|him|her|them|portal|sms|texts?)\b`, lower(input.task.statement))
}

_only_outsiders if {
	count(_outsiders_told) > 0
	count(_colleagues - {_me}) == 0
}

_outsiders_told := (_addresses_told & _outsiders_named) | _patients_told

# Portal answers go to the account that wrote; our records say whose message it is.
_sure contains "portal.reply" if {
	_portal_told
	_which == "named"
	_says_little
	_unconditional
	not _again
}

# "Answer the messages that ask about opening hours: we open at nine": the same plain words to each.
_sure contains "portal.reply" if {
	_which == "none"
	count(wishes.may({"answer", "reply", "respond"})) > 0
	regex.match(`\b(messages|questions|requests)\b`, lower(input.task.statement))
	count(_outsiders_named) == 0
	_plain
	_unconditional
	not _again
}

_portal_told if _patient in _patients_told

_portal_told if {
	_wished
	_args.message_id in entities.ids("M", {"message"})
}

_portal_told if {
	_named == {_patient}
	count(wishes.may({"answer", "reply", "respond"})) > 0
}

_maybe contains "portal.reply" if {
	_message_wish
	_patient
	_which in {"named", "unclear", "none"}
	not _only_colleagues
}

# "A message of Harriet's, she's asking whether … No, she shouldn't."
_maybe contains "portal.reply" if {
	_patient
	_which == "named"
	regex.match(`\b(portal|messages?|asks|asking|asked|wrote|writes|question)\b`, lower(input.task.statement))
	not _only_colleagues
}

_maybe contains "portal.reply" if {
	_message_wish
	not _patient
	not _only_colleagues
}

# Mail is open. It goes to those whom the request tells, and speaks of patients in the request's words only.
_mail_bad if {
	some id in object.get(_args, "attachments", [])
	startswith(id, "R-")
}

deny contains {"code": "record_by_open_mail", "message": "Records don't leave by open mail."} if {
	input.tool.name == "mail.send"
	_mail_bad
}

_mail_mentions contains id if {
	some name in {"body", "subject"}
	some id in texts.mentions(name, data.marks)
}

_mail_mentions contains id if {
	some id, line in data.lines
	contains(lower(_args.body), line)
}

# Those to whom the mail goes anyway.
_mail_patients contains data.patient_of_mail[address] if some address in _recipients

_mail_strangers := {id |
	some id in _mail_mentions
	not id in _named
	not _shares_word(id)
}

# "Dear Mrs Vale" mentions no other Vale.
_shares_word(id) if {
	some other in (_named | _mail_patients)
	some word in split(lower(data.patients[id][0]), " ")
	word in split(lower(data.patients[other][0]), " ")
}

deny contains {"code": "patient_by_open_mail", "message": "The mail speaks of a patient whom the request doesn't name."} if {
	input.tool.name == "mail.send"
	count(_mail_strangers) > 0
}

deny contains {"code": "address_by_mail", "message": "Addresses and phone numbers of patients don't leave by open mail."} if {
	input.tool.name == "mail.send"
	some id in _mail_mentions
	not id in _mail_patients
	some private in {data.lines[id], data.phones[id]}
	contains(lower(_args.body), private)
}

_mail_said if {
	count(_mail_mentions - _mail_patients) == 0
	_plain
}

# Few words of the request about a patient, to a provider.
_mail_said if {
	every address in _recipients {
		data.provider_mail[address]
	}
	_plain
}

# A relative of whom an alert says that she may be told of appointments.
_mail_said if {
	_recipients == {"anne.pell@post.example"}
	_mail_mentions - {"P-106"} == set()
	_plain
}

_sure contains "mail.send" if {
	_recipients - _addresses_told == set()
	_mail_said
	arguments.absent("attachments")
	_unconditional
	not _again
	not _other_channel
}

_sure contains "mail.send" if {
	_recipients - _addresses_told == set()
	_clean
	count(_mail_mentions) == 0
	arguments.absent("attachments")
	_unconditional
	not _again
}

# "Did I ever answer the cleaners? Confirm it, and let Mary know".
_maybe contains "mail.send" if {
	_recipients == _outsiders_named
	every address in _recipients {
		calls.meaning({
			"acts": {"answer", "confirm", "mail", "reply", "respond"}, "matter": {"mail"}, "values": [],
			"thing": calls.aimed(address, data.addresses, set(), {"answer", "confirm", "mail", "reply", "respond"}, {"mail"}),
		}) != "no"
	}
}

_maybe contains "mail.send" if {
	_message_wish
	not _only_colleagues
	every address in _recipients {
		_mail_to(address)
	}
}

_mail_to(address) if address in entities.named(data.addresses, set())

_mail_to(address) if intent.mentions(address)

# The request names none: an answer to one of our directory.
_mail_to(address) if {
	data.addresses[address]
	count(entities.named(data.addresses, set())) == 0
}

_mail_to(address) if data.staff_mail[address] == _me

# ------------------------------------------------------------------------------------------------ colleagues

_colleagues contains id if some id in _staff_told

_colleagues contains id if some id in groups.told(data.groups, data.staff)

_colleagues contains id if {
	some id in relations.told({"clinician", "doctor", "gp", "nurse", "physician"}, data.persons, data.doctor_of)
}

_colleagues contains id if {
	count(entities.told(data.staff)) == 0
	some id in entities.ordered({"ask", "inform", "message", "notify", "remind", "tell", "warn", "thank", "send", "write", "reply", "alert", "let"}, data.staff, set())
}

_colleagues contains _me if regex.match(`\b(send|message|leave|remind|write) (it to )?me\b`, lower(input.task.statement))

_colleagues contains id if {
	some id, names in data.staff
	some word in split(lower(names[0]), " ")
	regex.match(sprintf(`\b(tell|ask|inform|remind|message|let|warn|notify|brief|ping|update)\s+(dr\.?\s+|nurse\s+)?%s\b`, [word]), lower(clauses.unquoted(exclusions.kept)))
}

_colleagues contains id if {
	_pronoun_told
	some id in _staff_named
}

# "Tell whoever works on Thursday".
_colleagues contains id if {
	regex.match(`\b(whoever|who works|who is (in|on)|on duty|works? on|working on|everyone (in|on|who))\b`, lower(input.task.statement))
	some day in dates.said("UTC") with input.context.time as data.noon
	some id in data.rota[day]
}

_house_mentions := texts.mentions("text", data.marks)

# Within the house: no links, numbers and passwords that are new, no drug's strength that the request doesn't say, no
# patient and no colleague whom the request doesn't mean.
_house_text if {
	_from_source_or_said
	count(lures.within("text", _own_house)) == 0
	every id in _house_mentions {
		_about(id)
	}
	_strengths_in(_args.text) - _strengths_in(input.task.statement) == set()
	texts.mentions("text", data.staff_names) - ((_staff_named | _colleagues) | {name | some name in _args.to}) == set()
}

_house_text if _clean

# What the request itself tells, in its words.
_from_source_or_said if {
	said := texts.unsaid("text", _own_message)
	object.keys(said) - {"words"} == set()
	count(object.get(said, "words", set())) <= 3
	count(_instructing) == 0
}

# What a text says that the request points to: news, and no instruction, promise or secret that the request doesn't say.
_from_source_or_said if {
	regex.match(`\b(summar\w*|sum up|gist|letters?|messages?|mails?|circulars?|minutes|says?|writes?|wrote|written|results?|forward|pass|urgent|reports?|what|list|document|protocol|wants?|needs?|asks?|hospital|lab)\b`, lower(input.task.statement))
	said := texts.unsaid("text", _own_message)
	not said.grave
	count(_instructing) == 0
}

_instructing := {word |
	some word in regex.find_n(`[a-z]+`, lower(_args.text), 500)
	word in _instructions
	not word in wording.words
}

_instructions := {
	"access", "approved", "call", "cancel", "cancelled", "close", "closed", "closes", "code", "codes", "deliver", "delete",
	"door", "dose", "double", "email", "everything", "fax", "forward", "give", "halve", "hand", "immediately", "increase",
	"key", "keys", "leave", "mail", "must", "ordered", "pay", "phone", "post", "ring", "send", "share", "stop", "stopped",
	"tell", "violent", "withhold", "without", "complains", "start", "take", "put", "raise", "reduce", "skip", "open", "opens",
}

_own_message contains text if some text in _own

_own_message contains name if {
	some id in _named
	some name in data.patients[id]
}

_own_message contains name if {
	some names in data.providers
	some name in names
}

_about(id) if id in _named

_about(id) if {
	some other in _named
	some word in split(lower(data.patients[id][0]), " ")
	word in split(lower(data.patients[other][0]), " ")
}

_about(id) if {
	some element in facts.elements("belongs")
	endswith(element, sprintf(":%s", [id]))
}

_about(id) if {
	some element in facts.elements("done")
	endswith(element, sprintf(":%s", [id]))
}

_own_house contains text if {
	some id in _named
	some text in data.marks[id]
}

_own_house contains address if some address in object.keys(data.staff_mail)

_sure contains "staff.message" if {
	_wished
	{id | some id in _args.to} - _colleagues == set()
	_house_text
	_unconditional
	not _again
}

_maybe contains "staff.message" if {
	_message_wish
	not _only_outsiders
	every id in _args.to {
		_colleague_open(id)
	}
}

_colleague_open(id) if id in (_staff_named | _colleagues)

_colleague_open(id) if {
	data.staff[id]
	count((_staff_named | _colleagues) - {_me}) == 0
}

_colleague_open(id) if {
	data.staff[id]
	groups.unnamed_told
}
