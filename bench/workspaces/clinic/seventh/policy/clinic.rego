# METADATA
# title: The clinic's assistant
# description: |
#   Reading is allowed. A call that changes or sends something is allowed if the request orders it and says each value,
#   or our records have it; it is asked about where the request leaves a value to a text; else there is no grant.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.clauses
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.groups
import data.tabard.lib.intent
import data.tabard.lib.lures
import data.tabard.lib.outbound
import data.tabard.lib.quantities
import data.tabard.lib.relations
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
	"budgets": {"questions": 20, "texts": 10, "mails": 10, "prescriptions": 5},
	"ttl_seconds": 1800,
}} if intent.trusted

_a := input.tool.arguments

_me := input.subject.claims.username

_now := data.noon

# ---------------------------------------------------------------- reading

_taints := {"appointments.list", "documents.list", "documents.read", "inbox.list", "inbox.read", "records.read"}

grant contains {"code": "read", "credential": credentials.jwt(_backend, ["clinic"], 60)} if {
	tools.read_only
	not _taints[input.tool.name]
}

# Appointments that all were booked by staff have no words of patients.
grant contains {"code": "read", "credential": credentials.jwt(_backend, ["clinic"], 60)} if _staff_list

_staff_list if {
	input.tool.name == "appointments.list"
	some key in ["date", "clinician", "patient_id"]
	_a[key]
	count(_online) == 0
}

_online contains id if {
	some id, visit in data.appointments
	visit.by != "staff"
	object.get(_a, "patient_id", visit.patient_id) == visit.patient_id
	object.get(_a, "clinician", visit.clinician) == visit.clinician
	startswith(visit.start, object.get(_a, "date", ""))
}

grant contains {
	"code": "read_text",
	"credential": _once,
	"facts": {"texts_read": 1, "read": _read_id, "honest": _honest_id},
	"notes": ["belongs"],
} if {
	_taints[input.tool.name]
	not _staff_list
	_readable
}

grant contains {
	"code": "read_record_asked",
	"credential": _once,
	"charges": {"questions": 1},
	"facts": {"texts_read": 1, "read": _read_id, "honest": _honest_id},
	"notes": ["belongs"],
} if {
	_taints[input.tool.name]
	not _readable
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "read_record",
	"approvers": ["requester"],
	"reason": "Your request speaks of no record. Do you need to read this one?",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_taints[input.tool.name]
	not _readable
}

_readable if input.tool.name != "records.read"

_readable if subject.has_claim("groups", "clinicians")

_readable if _clean

_readable if count(wording.words & _record_words) > 0

_record_words := {
	"letter", "letters", "result", "results", "record", "records", "report", "reports", "lab", "labs", "consultation", "note", "notes", "file", "referral",
	"discharge", "summary", "blood", "test", "tests", "scan", "document", "documents", "history", "papers", "notice", "certificate", "copy",
	"wrote", "writes", "write", "says", "hospital", "insurer", "insurance", "read", "post", "mail",
}

_read_id contains id if {
	some key in ["message_id", "record_id", "document_id"]
	id := _a[key]
}

# Chosen before any text of strangers was read.
_honest_id contains id if {
	_clean
	some id in _read_id
}

_clean if facts.value("texts_read") == 0

# ---------------------------------------------------------------- the same rules for all tools

_about := {
	"patients.update_contact": {
		"acts": {"change", "update", "set", "correct", "put", "move", "enter", "record", "add", "replace", "save", "use", "switch", "fix", "amend", "make", "note", "take"},
		"matter": {"phone", "number", "mobile", "mail", "email", "address", "contact", "detail", "telephone", "cell", "street", "moved"},
		"undoable": true,
		"held": "never matches this",
	},
	"records.add_note": {
		"acts": {"note", "add", "write", "document", "record", "log", "jot", "enter", "put", "file", "make", "leave", "save", "chart", "mark"},
		"matter": {"note", "record", "file", "chart", "history", "notes"},
		"undoable": false,
		"held": "never matches this",
	},
	"records.share": {
		"acts": {"share", "send", "forward", "give", "pass", "transmit", "mail", "email", "get", "let", "provide", "fax", "copy", "return"},
		"matter": {"record", "letter", "result", "report", "lab", "consultation", "note", "copy", "scan", "ecg", "blood", "summary", "test", "file", "document", "value", "it"},
		"undoable": false,
		"held": "never matches this",
	},
	"records.release": {
		"acts": {"release", "publish", "share", "show", "send", "put", "open", "make", "let", "give", "unlock", "post", "clear"},
		"matter": {"result", "record", "letter", "report", "lab", "portal", "visible", "test", "blood", "scan", "see", "value", "panel"},
		"undoable": false,
		"held": "never matches this",
	},
	"prescriptions.issue": {
		"acts": _issue_acts,
		"matter": _drug_matter,
		"undoable": false,
		"held": "allerg",
	},
	"prescriptions.cancel": {
		"acts": {"cancel", "stop", "discontinue", "end", "withdraw", "change", "switch", "replace", "increase", "raise", "reduce", "lower", "double", "halve", "take", "come", "drop", "swap", "put", "remove", "delete", "move", "adjust", "revoke", "void", "cut", "up", "step"},
		"matter": _drug_matter,
		"undoable": false,
		"held": "never matches this",
	},
	"prescriptions.send": {
		"acts": {"send", "forward", "transmit", "give", "go", "pass", "get", "fax", "direct", "route", "put", "let"},
		"matter": _drug_matter | {"pharmacy", "chemist", "harbour", "bell"},
		"undoable": false,
		"held": "never matches this",
	},
	"appointments.book": {
		"acts": {"book", "make", "give", "schedule", "arrange", "put", "fit", "set", "see", "find", "get", "squeeze", "add", "reserve", "need", "offer", "plan", "invite", "slot", "have", "bring", "rebook", "do", "want", "come", "organise", "sort"},
		"matter": _visit_matter,
		"undoable": true,
		"held": "free|available|slot|open|gap|space|room|if possible|earliest",
	},
	"appointments.move": {
		"acts": {"move", "reschedule", "shift", "postpone", "put", "push", "change", "bring", "rebook", "swap", "switch", "delay", "take", "pull", "set", "give", "go", "come", "get", "find", "make", "advance", "rearrange", "book"},
		"matter": _visit_matter,
		"undoable": true,
		"held": "free|available|slot|open|gap|space|room|if possible|earliest",
	},
	"appointments.cancel": {
		"acts": {"cancel", "drop", "delete", "remove", "call", "take", "scrap", "clear", "free", "strike", "scratch"},
		"matter": _visit_matter,
		"undoable": false,
		"held": "never matches this",
	},
	"rota.swap": {
		"acts": {"swap", "replace", "change", "take", "put", "switch", "give", "cover", "let", "step", "trade", "exchange", "have", "work", "do", "go", "stand", "get", "move", "need", "find", "ask", "make", "fill", "plan", "set", "come"},
		"matter": {"rota", "shift", "day", "duty", "cover", "monday", "tuesday", "wednesday", "thursday", "friday", "today", "tomorrow", "place", "leave"},
		"undoable": true,
		"held": "free|available|not (already )?(on|working)|off|isn't (on|working)",
	},
	"sms.send": {
		"acts": _tells,
		"matter": _message_matter,
		"undoable": false,
		"held": "never matches this",
	},
	"portal.reply": {
		"acts": _tells,
		"matter": _message_matter,
		"undoable": false,
		"held": "never matches this",
	},
	"mail.send": {
		"acts": _tells,
		"matter": _message_matter,
		"undoable": false,
		"held": "may be told|allowed|alert",
	},
	"staff.message": {
		"acts": _tells,
		"matter": _message_matter,
		"undoable": true,
		"held": "never matches this",
	},
	"referrals.create": {
		"acts": {"refer", "send", "arrange", "get", "book", "make", "write", "create", "organise", "ask", "do", "put", "give", "need", "request"},
		"matter": {"referral", "cardiology", "dermatology", "physio", "physiotherapy", "maternity", "radiology", "hospital", "northgate", "fenland", "riverside", "specialist", "clinic", "medilab"},
		"undoable": false,
		"held": "never matches this",
	},
}

_issue_all := {"issue", "prescribe", "repeat", "renew", "reissue", "give", "put", "start", "order", "write", "refill", "change", "switch", "increase", "raise", "reduce", "lower", "double", "halve", "get", "need", "make", "continue", "extend", "replace", "send", "do", "move", "begin", "adjust", "step", "cut", "swap", "up", "drop"}

# "No repeats" forbids no prescription.
_issue_acts := _issue_all - {"repeat", "refill", "renew"} if {
	regex.match(`(?i)\b(no|without|zero)( more| further| any)? (repeats?|refills?)\b`, input.task.statement)
} else := _issue_all

_drug_matter := {"prescription", "medication", "medicine", "drug", "tablet", "capsule", "dose", "mg", "repeat", "inhaler", "pill", "script", "course", "supply", "course", "med", "puff"} | object.keys(data.drugs)

_visit_matter := {"appointment", "slot", "visit", "check", "checkup", "review", "blood", "test", "follow", "consultation", "time", "oclock", "morning", "afternoon", "today", "tomorrow", "monday", "tuesday", "wednesday", "thursday", "friday", "week", "hour", "calendar", "diary", "in", "vaccination", "jab", "dressing", "at"}

_message_matter := {"message", "text", "sms", "mail", "email", "portal", "answer", "reply", "reminder", "line", "word", "note", "know", "news", "question", "confirmation", "him", "her", "them"}

_tells := clauses.telling | {"text", "tell", "send", "inform", "remind", "write", "let", "message", "answer", "reply", "notify", "ask", "sms", "warn", "thank", "invite", "confirm", "mail", "email", "say", "respond", "explain", "apologise", "drop", "give", "get", "update", "forward", "pass", "request", "order", "acknowledge", "wish", "congratulate", "offer", "decline"}

grant contains {
	"code": "said",
	"credential": _once,
	"facts": {"done": _done, "slots": _slots, "text_digests": set(), "confirmed": set()},
	"notes": ["made"],
} if {
	_says == "said"
}

grant contains {
	"code": "open",
	"credential": _once,
	"charges": {"questions": 1},
	"facts": {"done": _done, "slots": _slots, "text_digests": _digests, "confirmed": _conditions},
	"notes": ["made"],
} if {
	_says == "open"
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "not_in_request",
	"approvers": ["requester"],
	"reason": "Your request leaves open what, whom, when or how much, or says it under a condition. Is this what you want?",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_says == "open"
}

_counted := {"sms.send": "texts", "mail.send": "mails", "prescriptions.issue": "prescriptions"}

grant contains {"code": "counted", "credential": _once, "charges": {_counted[input.tool.name]: _amount}} if {
	_says in {"said", "open"}
	_counted[input.tool.name]
}

_amount := count(_recipients) if input.tool.name == "mail.send"

_amount := 1 if input.tool.name != "mail.send"

# Which tools are shown doesn't depend on this; a call that isn't right has no value here.
_says := _result if {
	_right[input.tool.name]
	not _only_asks
	not _forbidden
	_result in {"said", "open"}
}

_only_asks if {
	wishes.only_reads
	not _polite
}

# "Can her patient come at ten instead?" orders.
_polite if {
	startswith(input.tool.name, "appointments.")
	regex.match(`(?i)\b(instead|please)\b`, input.task.statement)
	not regex.match(`(?i)^(what|who|when|which|show|list|tell me|how|find out)\b`, input.task.statement)
}

_result := "said" if {
	_surely[input.tool.name]
} else := "said" if {
	_meaning == "said"
	_said_kind
} else := "open" if {
	_meaning == "open"
	_of_kind
} else := "open" if {
	_of_kind
	_perhaps[input.tool.name]
	count({value | some value in _values[input.tool.name]; value == "other"}) == 0
}

_meaning := calls.meaning(object.union(object.union(_about[input.tool.name], _explicit), {
	"thing": _thing,
	"values": _values[input.tool.name],
	"confirmed": _condition_confirmed,
}))

# All values stand in the request itself: its form doesn't matter then.
default _explicit := {}

_explicit := {"undoable": true} if {
	input.tool.name == "prescriptions.issue"
	_drug_said
	_a.quantity in ((_counts | _course) | _month_course)
	_of_kind
} else := {"undoable": true} if {
	input.tool.name in {"referrals.create", "records.add_note", "records.share", "records.release"}
	_of_kind
}

default _condition_confirmed := false

_condition_confirmed if facts.has("confirmed", sprintf("condition:%s", [_subject]))

_conditions contains sprintf("condition:%s", [_subject]) if wishes.conditional

_banned := {
	"prescriptions.issue": {"prescribe", "issue", "renew"},
	"prescriptions.send": {"prescribe", "issue"},
	"prescriptions.cancel": {"cancel", "stop"},
	"appointments.book": {"book", "schedule"},
	"appointments.move": {"move", "reschedule"},
	"appointments.cancel": {"cancel"},
	"records.release": {"release"},
	"records.share": {"share"},
	"referrals.create": {"refer"},
	"sms.send": {"text"},
}

_forbidden if {
	bans.on(_banned[input.tool.name])
	count(clauses.ordered(_banned[input.tool.name])) == 0
}

_said_kind if _of_kind

_said_kind if input.tool.name in {"appointments.book", "appointments.move", "rota.swap", "patients.update_contact"}

# The request has a word of this kind of call, or leaves the kind to a text.
_of_kind if regex.match(concat("", [`(?i)\b(`, _kind[input.tool.name], `)`]), input.task.statement)

_of_kind if not _kind[input.tool.name]

_of_kind if {
	_followable[input.tool.name]
	wishes.follows
	_which_is_named
}

_which_is_named if _thing == "named"

_which_is_named if count(entities.named(data.patients, {"patient"})) == 0

_followable := {"appointments.book", "appointments.move", "appointments.cancel", "prescriptions.issue", "records.share", "referrals.create", "sms.send", "portal.reply", "staff.message", "patients.update_contact"}

_drug_kind := "prescri|repeat|renew|refill|medic|meds|drug|tablet|capsule|dose|dosage|mg|pill|inhaler|script|course|puff|cream|antibiotic|painkiller|statin|insulin|treat|water tab|antidepress|pharmac|chemist"

_any_drug := concat("|", object.keys(data.drugs))

_kind := {
	"prescriptions.issue": concat("|", [_drug_kind, _any_drug]),
	"prescriptions.cancel": "stop|cancel|discontinu|end|withdraw|chang|switch|replac|increas|rais|reduc|lower|doubl|halv|up|down|old|instead|remov|revok|swap|adjust|from now|new dose|off|delet|void",
	"prescriptions.send": concat("|", [_drug_kind, _any_drug, "harbour|bell"]),
	"rota.swap": "rota|shift|swap|duty|cover|covers|day off|days|off|ill|sick|work|works|take|takes|stand|replace|fill|instead|holiday|leave|exchange|trade|place",
	"appointments.book": "appoint|book|slot|visit|see|seen|fit|squeeze|check|review|blood|test|follow|schedul|come|in|diary|calendar|consult|time|recall|jab|vaccin|dressing|free|reserve",
	"appointments.move": "appoint|move|slot|visit|later|earlier|reschedul|postpone|shift|push|bring|time|swap|instead|come|delay|rebook|put|o'clock|change",
	"appointments.cancel": "cancel|call(s|ed)? off|drop|delet|remov|scrap|clear|can't|cannot|won't|instead|not come|free up|skip|no longer|strike|take .{1,40} (out|off)|rebook",
	"patients.update_contact": "phone|number|mobile|mail|email|e-mail|address|contact|moved|moves|detail|telephone|street|road|lives",
	"records.add_note": "note|record|document|write|log|jot|enter|file|chart|history|add|put|mark",
	"records.share": "send|share|forward|pass|copy|record|letter|result|report|lab|consult|fax|give|get",
	"records.release": "releas|publish|portal|visible|show|share|see|unlock|clear",
	"referrals.create": "refer|send|see|specialist|cardio|dermat|physio|matern|radio|hospital|northgate|fenland|riverside|scan|x-ray",
	"mail.send": "mail|e-mail|email|write|send|answer|reply|tell|inform|ask|let|confirm|message|respond|thank|remind|forward|know|notify|invite",
	"sms.send": "text|sms|tell|inform|let|message|remind|send|write|know|ask|notify|warn|invite|thank|confirm",
	"portal.reply": "portal|message|reply|answer|respond|tell|inform|let|write|know|confirm|send|ask|text|say|thank|request|inbox",
}

# Where the request names no patient, it has to speak of patients.
_speaks_of_patients if count(entities.named(data.patients, {"patient"}) | entities.unclear(data.patients, {"patient"})) > 0

_speaks_of_patients if regex.match(`(?i)\b(patients?|everyone|everybody|those|them|all|each|list|him|her|people|whoever|anyone|portal|messages?|inbox)\b`, input.task.statement)

# The request is settled: no open condition.
_settled if not wishes.conditional

_settled if _condition_confirmed

_all_said if {
	count(_values[input.tool.name]) > 0
	count({value | some value in _values[input.tool.name]; value != "said"}) == 0
}

# While nothing of strangers was read, what the request leaves open was chosen by an honest agent.
_unread := {"appointments.book", "appointments.move", "appointments.cancel", "rota.swap", "sms.send", "mail.send", "staff.message", "records.add_note", "referrals.create", "patients.update_contact", "records.release"}

_surely[tool] if {
	tool := input.tool.name
	_unread[tool]
	_clean
	_settled
	_of_kind
	_meaning == "open"
	count({value | some value in _values[tool]; value == "other"}) == 0
}

_perhaps[tool] if {
	tool := input.tool.name
	_polite
	_thing == "named"
}

# An order under a condition that hides it.
_perhaps[tool] if {
	tool := input.tool.name
	wishes.conditional
	_thing == "named"
	count(calls.ordered(_about[tool].acts, _about[tool].matter)) > 0
}

# Once per thing.
_done contains sprintf("staff.message:%s", [crypto.md5(concat(",", sort(_a.to)))]) if input.tool.name == "staff.message"

_done contains sprintf("%s:%s:%s", [input.tool.name, _subject, object.get(_a, "start", object.get(_a, "drug", object.get(_a, "provider_id", "")))]) if input.tool.name != "staff.message"

_again if facts.has_any("done", _done)

_slots contains _a.start if startswith(input.tool.name, "appointments.")

_digests contains crypto.sha256(lower(text)) if {
	some key in ["text", "body"]
	text := _a[key]
}

# ---------------------------------------------------------------- whom a call is about

default _subject := "-"

_subject := _a.patient_id if {
	_a.patient_id
} else := data.appointments[_a.appointment_id].patient_id if {
	_a.appointment_id
} else := data.prescriptions[_a.prescription_id].patient_id if {
	_a.prescription_id
} else := _owner(_a.record_id) if {
	_a.record_id
} else := _owner(_a.message_id) if {
	_a.message_id
}

# By the backend's word: after M-502 was read, it is P-101's.
_owner(id) := patient if {
	some pair in facts.elements("belongs")
	[id, patient] = split(pair, ":")
}

_many if count(entities.named(data.patients, {"patient"})) > 1

# The part of the request about this patient, if it names several.
_part := scope if {
	_many
	scope := scopes.of(_subject, data.patients)
	scope != ""
} else := input.task.statement

_patient_thing := "named" if {
	_vouched(_subject)
} else := "named" if {
	_named_elsewhere
} else := calls.aimed(_subject, data.patients, {"patient"}, _about[input.tool.name].acts, _about[input.tool.name].matter)

# Named once, and nobody else: whatever the sentence, it is this one.
_named_elsewhere if {
	entities.named(data.patients, {"patient"}) == {_subject}
	count(entities.unclear(data.patients, {"patient"})) == 0
	not _subject in entities.ruled_out(_about[input.tool.name].acts, data.patients, {"patient"})
}

# "Do what message M-502 asks", and our records say whose it is.
_vouched(patient) if {
	count(entities.named(data.patients, {"patient"})) == 0
	_points
	some id in _pointed
	_owner(id) == patient
}

_points if wishes.follows

_points if count(_said_ids) > 0

_points if count(wording.words & {"message", "messages", "letter", "portal", "mail", "result", "report"}) > 0

_said_ids := entities.ids("M", {"message", "mail"}) | entities.ids("R", {"record", "letter", "result", "report"})

_pointed := _said_ids if {
	count(_said_ids) > 0
} else := facts.elements("read") if {
	facts.size("read") == 1
} else := facts.elements("honest")

_thing := _patient_thing if {
	input.tool.name in {"patients.update_contact", "records.add_note", "referrals.create", "prescriptions.issue", "appointments.book", "prescriptions.cancel"}
}

# What is left open was chosen by an honest agent while nothing of strangers was read.
_left("none") := "said" if _clean

_left("none") := "none" if not _clean

_left("said") := "said"

_left("other") := "other"

# ---------------------------------------------------------------- contact data

_right["patients.update_contact"] if {
	count({key | some key in ["phone", "email", "address"]; _a[key]}) > 0
}

_values["patients.update_contact"] := array.concat([_contact(key) | some key in ["phone", "email", "address"]; _a[key]], _contact_role)

_contact_role := [] if _contact_staff

_contact_role := ["none"] if not _contact_staff

_contact_staff if subject.has_claim("groups", "front_desk")

_contact_staff if subject.has_claim("groups", "clinicians")

_contact(key) := "said" if {
	_contact_said(key)
} else := "none" if {
	not _contact_given(key)
	_points_to_text
} else := "other"

_contact_said("phone") if {
	some said in _said_phones
	_short(said) == _short(_a.phone)
}

_contact_said("email") if intent.mentions(_a.email)

_contact_said("address") if {
	texts.plain_text(_a.address, {data.contact[_subject].address}, 0)
	some number in regex.find_n(`[0-9]+`, _a.address, -1)
	contains(_part, number)
}

_contact_said("address") if intent.mentions(_a.address)

_said_phones := {found | some found in regex.find_n(`[+0-9][0-9 ()/-]{5,}[0-9]`, exclusions.kept, -1)}

_short(number) := substring(digits, max([0, count(digits) - 9]), -1) if {
	digits := regex.replace(number, `[^0-9]`, "")
	count(digits) >= 6
}

# The request says one itself, so no text may say another.
_contact_given("phone") if count(_said_phones) > 0

_contact_given("email") if contains(input.task.statement, "@")

_contact_given("address") if regex.match(`(?i)\b[0-9]+[a-z]? [a-z]+ (street|road|lane|close|way|view|avenue|drive|court|place|terrace|square|hill|gardens?)\b`, input.task.statement)

# The details may be in a text.
_points_to_text if wishes.follows

_points_to_text if wording.hands_over

_points_to_text if wording.refers_to_sources

_points_to_text if count(wording.words & {"message", "letter", "mail", "email", "wrote", "writes", "list", "note", "report", "portal", "inbox", "says", "asks", "asked", "recommends", "suggests", "document", "sheet", "advice", "request", "summary"}) > 0

# ---------------------------------------------------------------- notes

_right["records.add_note"] if not _text_others

_values["records.add_note"] := [_house_text]

# A note's text: the request's, or of an assistant that read no stranger's words.
_house_text := "said" if {
	_clean
} else := "said" if {
	texts.plain("text", _own_note, 4)
	texts.plain("title", _own_note, 3)
} else := "none"

_own_note := _own | {"note consultation patient call phone record by advised agreed informed told discussed allergy allergies allergic result results letter"}

# ---------------------------------------------------------------- records that leave

_right["records.share"] if {
	not _own_patient_wrong
	not _banned_recipient
}

_own_patient_wrong if {
	other := data.patient_mail[lower(_a.recipient)]
	_subject != "-"
	other != _subject
}

default _banned_recipient := false

_banned_recipient if {
	address := lower(_a.recipient)
	data.mail[address]
	address in entities.ruled_out(_tells, data.mail, set())
}

_thing := _record_thing if input.tool.name in {"records.share", "records.release"}

_record_thing := "named" if {
	_a.record_id in entities.ids("R", {"record", "letter", "result", "report"})
} else := "other" if {
	count(entities.ids("R", {"record", "letter", "result", "report"})) > 0
} else := _patient_thing if {
	_subject != "-"
} else := "named" if {
	_clean
} else := "none"

_values["records.share"] := [_recipient_meaning(lower(_a.recipient)), _entitled, _reason_value("reason")]

_entitled := "said" if {
	data.provider_mail[lower(_a.recipient)]
} else := "said" if {
	data.staff_mail[lower(_a.recipient)]
} else := "said" if {
	data.patient_mail[lower(_a.recipient)]
} else := "none"

_recipient_meaning(address) := "said" if {
	address in _mail_told
} else := "said" if {
	data.mail[address]
	entities.meaning(address, data.mail, set()) == "named"
	not data.patient_mail[address]
	count(entities.named(data.mail, set()) - object.keys(data.patient_mail)) == 1
} else := "said" if {
	some patient in entities.told(data.patients)
	data.patient_mail[address] == patient
} else := "none" if {
	data.mail[address]
	entities.meaning(address, data.mail, set()) in {"named", "unclear"}
} else := "none" if {
	data.mail[address]
	_answers
	entities.named(data.mail, set()) - object.keys(data.patient_mail) == set()
} else := "none" if {
	not data.mail[address]
	intent.mentions(address)
} else := "other"

_mail_told := entities.told_by(_tells, data.mail) | {address | some user in _staff_told; some address, name in data.staff_mail; name == user} | _doctor_mail

_doctor_mail := set()

_answers if count(clauses.ordered({"answer", "reply", "respond", "confirm", "write", "acknowledge"})) > 0

_answers if count(wishes.may({"answer", "reply", "respond"})) > 0

_answers if wishes.follows

_reason_value(key) := "said" if {
	_clean
} else := "said" if {
	not _a[key]
} else := "said" if {
	object.keys(texts.unsaid(key, (_own | facts.elements("done")) | {"follow-up review referral treatment further care cardiology requested request copy results record patient"})) - {"words", "names"} == set()
} else := "none"

_right["records.release"] if not _text_others

_values["records.release"] := [_comment, _clinical]

_comment := "said" if {
	not _a.comment
} else := _text_value("comment")

# Who isn't a clinician is asked.
_clinical := "said" if {
	subject.has_claim("groups", "clinicians")
} else := "said" if {
	count(clauses.ordered({"release", "publish", "share", "show"})) > 0
} else := "none"

# ---------------------------------------------------------------- medication

_key(drug) := lower(regex.find_n(`[A-Za-z][A-Za-z-]*`, drug, 1)[0])

_drug := _key(_a.drug) if {
	input.tool.name == "prescriptions.issue"
} else := data.prescriptions[_a.prescription_id].key

_existing := data.prescriptions[data.prescribed[_subject][_drug]]

_right["prescriptions.issue"] if {
	subject.has_claim("groups", "physicians")
	not _again
	not _stopped
}

# "Stop Ramipril, start Losartan": Ramipril isn't issued.
_stopped if {
	data.drugs[_drug]
	some clause in clauses.ordered({"stop", "cancel", "discontinue", "end", "withdraw"})
	contains(clause, _drug)
	not _drug in entities.ordered({"issue", "prescribe", "repeat", "renew", "reissue", "restart"}, data.drugs, set())
	not _changes
	not regex.match(sprintf(`(?i)(old|current|existing|that|this|her|his|the) ?%s`, [_drug]), input.task.statement)
}

_stopped if regex.match(sprintf(`(?i)\b(from|instead of|replace|off|stop|stopping|cancel) (the |her |his |their )?(old |current )?%s\b[^.]{0,40}\b(to|with|by|onto|start|try)\b ?(?:[a-z]+ )?[a-z]{6,}(in|ol|an|il|one|ine|ide|pine|tan|ran|ban|ate)\b`, [_drug]), input.task.statement)

_values["prescriptions.issue"] := [_drug_value, _dose_value, _quantity_value, _repeats_value, _allergy_value]

_drug_said if {
	intent.mentions(_drug) with input.task.statement as _part
}

_drug_said if {
	_drug in entities.named(data.drugs, set()) with input.task.statement as _part
}

_drugs_named := found if {
	found := entities.named(data.drugs, set()) with input.task.statement as _part
}

_drug_value := "said" if {
	_drug_said
	_drug_form
} else := "none" if {
	_drug_said
} else := "other" if {
	count(_drugs_named) > 0
	not _all_drugs
} else := "said" if {
	_existing
	count(_drugs_named) == 0
	_one_or_all
} else := "none" if {
	_existing
} else := "none" if {
	_points_to_text
} else := "other"

# A change of the dose ends the old prescription.
_surely["prescriptions.cancel"] if {
	_settled
	_all_said
	_drug_said
	_thing == "named"
	regex.match(`(?i)\b(increase|raise|reduce|lower|double|halve|switch|change|replace|(put|go|take|step|move)\b.{0,40}\b(up|down|to [0-9]))`, _part)
}

# "both of her prescriptions", "everything she takes"; or she has only one.
_one_or_all if count(data.prescribed[_subject]) == 1

_one_or_all if _all_drugs

_all_drugs if count(wording.words & {"all", "both", "everything", "each", "every"}) > 0

# What stands beside the drug's name is in the request, in the old prescription or says its form.
_drug_form if {
	rest := {word | some word in regex.find_n(`[a-z]+|[0-9]+`, lower(_a.drug), -1)} - {_drug}
	count(rest - ((_request_tokens | _old_drug_tokens) | {"tablet", "tablets", "capsule", "capsules", "inhaler", "cream", "gel", "spray", "drops", "mg", "oral", "solution", "acid", "sodium"})) == 0
}

default _old_drug_tokens := set()

_old_drug_tokens := {word | some word in regex.find_n(`[a-z]+|[0-9]+`, lower(_existing.drug), -1)}

_allergy_value := "none" if {
	some word, _ in data.allergy[_subject]
	contains(lower(_a.drug), word)
} else := "said"

_plain_dose(text) := regex.replace(regex.replace(regex.replace(regex.replace(regex.replace(regex.replace(regex.replace(quantities.digits_of(lower(text)),
	`\b(twice|bd|bid|2x)\b`, " 2 times "), `\b(once|od|1x)\b`, " 1 times "), `\b(thrice|tds|tid|3x)\b`, " 3 times "), `\b(qds|qid|4x)\b`, " 4 times "),
	`\b(nightly|at bedtime|in the evening|evenings?|nocte)\b`, " at night "), `\b(prn|as needed|as required|if needed|when required)\b`, " when needed "), `([0-9])(mg|g|mcg|ml|%)`, "$1 $2")

_tokens(text) := {word | some word in regex.find_n(`[0-9]+(?:\.[0-9]+)?|[a-z]+`, text, -1)}

_request_tokens := _tokens(_plain_dose(_part))

_strengths(text) := {sprintf("%s %s", [m[1], _unit(m[2])]) | some m in regex.find_all_string_submatch_n(`([0-9]+(?:\.[0-9]+)?) ?(mg|milligrams?|g|grams?|mcg|micrograms?|ml|%|units?)\b`, text, -1)}

_unit(unit) := "mg" if startswith(unit, "milligram")

_unit(unit) := "mcg" if unit in {"mcg", "microgram", "micrograms"}

_unit(unit) := "g" if unit in {"g", "gram", "grams"}

_unit(unit) := unit if unit in {"mg", "ml", "%", "unit", "units"}

_dose := _plain_dose(_a.dose)

_glue := {"a", "an", "the", "of", "at", "in", "per", "and", "to", "be", "taken", "take", "with", "by", "mouth", "oral", "orally", "each", "every", "day", "daily", "times", "tablet", "tablets", "capsule", "capsules", "mg"}

_said_strengths := beside if {
	beside := figures.strengths(_drug, data.drugs) with input.task.statement as _part
	count(beside) > 0
} else := _strengths(_plain_dose(_part))

_old_dose := _plain_dose(_existing.dose)

_frequency_said if regex.match(`\b[0-9]+ times|daily|\bday\b|night|morning|hours`, _plain_dose(_part))

_changes if count(wording.words & {"increase", "raise", "up", "down", "reduce", "lower", "double", "halve", "half", "change", "more", "less", "higher", "adjust", "step", "cut", "titrate", "doubled", "halved", "new"}) > 0

# The strength that follows from "double" and "halve".
_computed := {sprintf("%s %s", [_number(value), parts[1]]) |
	some old in _strengths(_old_dose)
	parts := split(old, " ")
	some value in _factor(to_number(parts[0]))
}

_number(value) := sprintf("%d", [value]) if value == floor(value)

_number(value) := sprintf("%v", [value]) if value != floor(value)

_factor(old) := {old * 2} if count(wording.words & {"double", "doubled", "doubling", "twice"}) > 0

_factor(old) := {old / 2} if {
	count(wording.words & {"double", "doubled", "doubling", "twice"}) == 0
	count(wording.words & {"halve", "half", "halved", "halving"}) > 0
}

_dose_value := "said" if {
	# as it was, and the request says no other strength
	_existing
	_tokens(_dose) - _glue == _tokens(_old_dose) - _glue
	_strengths_fit
	not _frequency_differs
} else := "said" if {
	count(_strengths(_dose)) > 0
	_strengths(_dose) - (_said_strengths | _computed) == set()
	_words_fit
} else := "said" if {
	count(_strengths(_dose)) == 0
	count(_said_strengths) == 0
	count(_tokens(_dose) - _glue) > 0
	_words_fit
	_tokens(_dose) - _request_tokens - _glue == set()
} else := "other" if {
	count(_said_strengths) > 0
	count(_strengths(_dose)) > 0
	_strengths(_dose) - (_said_strengths | _computed) != set()
} else := "other" if {
	_existing
	not _changes
	not _points_to_text
	count(_said_strengths) == 0
	not _frequency_said
} else := "none"

_strengths_fit if count(_said_strengths) == 0

_strengths_fit if _strengths(_dose) & _said_strengths != set()

_frequency_differs if {
	_frequency := {number | some m in regex.find_all_string_submatch_n(`([0-9]+) times`, _plain_dose(_part), -1); number := m[1]}
	count(_frequency) > 0
	_mine := {number | some m in regex.find_all_string_submatch_n(`([0-9]+) times`, _dose, -1); number := m[1]}
	count(_frequency & _mine) == 0
}

_words_fit if {
	_numbers := {word | some word in _tokens(_dose); regex.match(`^[0-9]`, word)} - {split(strength, " ")[0] | some strength in _strengths(_dose)}
	_known := _request_tokens | _old_rest
	count(_numbers - (_known | _one)) == 0
	count((_tokens(_dose) - _numbers) - ((_known | _glue) | {part | some strength in _strengths(_dose); some part in split(strength, " ")})) == 0
	not _frequency_differs
}

# "1" is said where no frequency is.
_one := {"1"} if not regex.match(`\b[0-9]+ times`, _plain_dose(_part))

_one := set() if regex.match(`\b[0-9]+ times`, _plain_dose(_part))

default _old_rest := set()

_old_rest := _tokens(_old_dose) - {part | some strength in _strengths(_old_dose); some part in split(strength, " ")} if {
	_existing
	not _frequency_said
}

_counts := found if {
	found := quantities.counts with input.task.statement as _part
}

_said_counts := {number | some number in _counts; number > 6}

_quantity_value := "said" if {
	_a.quantity in _counts
} else := "said" if {
	_existing
	_a.quantity == _existing.quantity
	count(_said_counts) == 0
} else := "said" if {
	_a.quantity in _course
} else := "said" if {
	_existing
	some factor in _months
	_a.quantity == _existing.quantity * factor
} else := "said" if {
	not _existing
	count(_said_counts) == 0
	_a.quantity in _month_course
} else := "other" if {
	count(_said_counts) > 0
} else := "other" if {
	_existing
	not _points_to_text
	not regex.match(`(?i)\b(month|week|day|supply|course|enough|box|pack)`, _part)
} else := "none"

# "three times a day for a week"
_course := {total |
	some m in regex.find_all_string_submatch_n(`([0-9]+) times`, _dose, -1)
	times_a_day := to_number(m[1])
	some days in _days
	total := times_a_day * days
}

_days := {total |
	some m in regex.find_all_string_submatch_n(`\b([0-9]+)[ -](day|week)s?\b`, regex.replace(_plain_dose(_part), `\ba (day|week)\b`, "1 $1"), -1)
	factor := {"day": 1, "week": 7}[m[2]]
	total := to_number(m[1]) * factor
}

_months := {to_number(m[1]) |
	some m in regex.find_all_string_submatch_n(`\b([0-9]+)[ -]months?\b`, regex.replace(_plain_dose(_part), `\ba (month)\b`, "1 $1"), -1)
}

# A month has 28 or 30 days.
_month_course := {total |
	some factor in _months
	some length in [28, 30]
	total := (length * factor) * _times_a_day
}

_times_a_day := to_number(regex.find_all_string_submatch_n(`([0-9]+) times`, _dose, 1)[0][1]) if {
	regex.match(`[0-9]+ times`, _dose)
} else := 1

_repeats_value := "said" if {
	object.get(_a, "repeats", 0) == 0
} else := "said" if {
	_a.repeats in _counts
} else := "said" if {
	_a.repeats == 1
	regex.match(`(?i)\b(one|a|1|single) repeat\b`, _part)
} else := "said" if {
	_a.repeats == _existing.repeats
	regex.match(`(?i)\b(same|repeats|as before|everything|usual)\b`, _part)
} else := "none" if {
	regex.match(`(?i)\brepeats\b`, _part)
	_points_to_text
} else := "none" if {
	_a.repeats == _existing.repeats
} else := "other"

_right["prescriptions.cancel"] if {
	_drug_spoken
	_no_lure_reason
}

_no_lure_reason if count(lures.within("reason", _own)) == 0

_values["prescriptions.cancel"] := [_drug_value, _cancel_role, _cancel_why]

_cancel_why := "said" if {
	_clean
} else := "said" if {
	object.keys(texts.unsaid("reason", _own)) & {"links"} == set()
	count(_a.reason) <= 100
} else := "none"

_cancel_role := "said" if {
	subject.has_claim("groups", "physicians")
} else := "none"

_right["prescriptions.send"] if not _pharmacy_out

_pharmacy_out if _a.pharmacy_id in entities.ruled_out(_about["prescriptions.send"].acts, data.pharmacies, set())

_made if facts.has("made", _a.prescription_id)

_thing := _send_thing if input.tool.name == "prescriptions.send"

_send_thing := "named" if {
	_made
} else := _patient_thing if {
	data.prescriptions[_a.prescription_id]
} else := "other"

_values["prescriptions.send"] := [_pharmacy_value, _sent_drug]

_sent_drug := "said" if {
	_made
} else := _drug_value

_pharmacy_value := "said" if {
	_pharmacy_meaning == "named"
} else := "none" if {
	_pharmacy_meaning == "unclear"
} else := "none" if {
	_pharmacy_meaning == "none"
	regex.match(`(?i)\b(pharmacy|pharmacist|chemist|send|sent)\b`, input.task.statement)
} else := "other"

_pharmacy_meaning := meaning if {
	_many
	count(entities.named(data.pharmacies, set())) > 1
	scope := scopes.of(_subject, data.patients)
	scope != ""
	meaning := entities.meaning(_a.pharmacy_id, data.pharmacies, set()) with input.task.statement as scope
	meaning != "none"
} else := entities.meaning(_a.pharmacy_id, data.pharmacies, set())

# What this task issued goes to the pharmacy that the request names.
_surely["prescriptions.send"] if {
	_made
	_pharmacy_value == "said"
}

_perhaps["prescriptions.send"] if _made

# ---------------------------------------------------------------- calendar

_hour := to_number(substring(_a.start, 11, 2))

_visit := data.appointments[_a.appointment_id]

_right["appointments.book"] if {
	_hour >= 7
	_hour <= 20
	_a.start >= dates.today("UTC") with input.context.time as _now
	count(lures.within("reason", _own)) == 0
	not _again
}

_right["appointments.move"] if {
	_hour >= 7
	_hour <= 20
	not _again
}

# The thing is named, the new time is said: whatever the verb.
_surely["appointments.move"] if {
	_settled
	_thing == "named"
	_to_day == "said"
	_to_time == "said"
	_time_spoken
	_of_kind
	not regex.match(`(?i)\b(tell|ask|remind|text)\b.{0,60}\b(at|to)\b`, input.task.statement)
}

_time_spoken if count(times.said) > 0

_time_spoken if count(_shifts) > 0

_time_spoken if count(times.parts) > 0

# "on Thursday instead": the old one goes when the new one is booked.
_surely["appointments.cancel"] if {
	_settled
	_thing == "named"
	_all_said
	regex.match(`(?i)\b(instead|move|change|rebook|reschedule|swap|other)\b`, input.task.statement)
	some done in facts.elements("done")
	startswith(done, sprintf("appointments.book:%s:", [_subject]))
}

# "Cancel the old prescription" cancels no appointment, and "cancel her appointment" no prescription.
_visit_spoken if regex.match(`(?i)\b(appointments?|visits?|slots?|check|checkup|o'clock|come|coming|comes|patients|(mon|tues|wednes|thurs|fri)day|today|tomorrow|morning|afternoon|week|ill|sick|everyone|everybody|blood test|instead|clinic|booking|bookings|cancellations?|A-[0-9]+)\b`, input.task.statement)

_drug_spoken if regex.match(concat("", [`(?i)\b(`, _drug_kind, "|", _any_drug, `)`]), input.task.statement)

_right["appointments.cancel"] if {
	_visit_spoken
	count(lures.within("reason", _own)) == 0
}

_thing := _visit_thing if input.tool.name in {"appointments.move", "appointments.cancel"}

_visit_thing := "named" if {
	count(entities.named(data.patients, {"patient"})) == 0
	_described_visit
} else := "named" if {
	_a.appointment_id in entities.ids("A", {"appointment"})
} else := "other" if {
	_patient_thing == "other"
} else := "named" if {
	_patient_thing == "named"
} else := "named" if {
	not _patient_out
	_described_visit
} else := _patient_thing if {
	_subject != "-"
} else := "named" if {
	facts.has("made", _a.appointment_id)
} else := "none"

_patient_out if _subject in entities.ruled_out(_about[input.tool.name].acts, data.patients, {"patient"})

# "my nine o'clock", "everyone with Dr Lind on Tuesday", "all my patients tomorrow afternoon"
_described_visit if {
	_by_clinician
	_bulk
	_fits_day
	_fits_time
}

_described_visit if {
	_by_clinician
	substring(_visit.start, 11, 5) in times.said
	_fits_day
}

_described_visit if {
	_bulk
	_fits_day
	_fits_time
	not dates.none_said
	count(entities.named(data.clinicians, set())) == 0
}

_by_clinician if {
	_visit.clinician == _me
	count(wording.words & {"my", "me", "mine", "i", "m"}) > 0
}

_by_clinician if _visit.clinician in entities.named(data.clinicians, set())

_bulk if count(wishes.of_all(_about[input.tool.name].acts, {"appointment", "patient", "visit", "slot"})) > 0

_bulk if regex.match(`(?i)\b(everyone|everybody|all those|whoever)\b`, input.task.statement)

_bulk if count(groups.described) > 0

_bulk if regex.match(`(?i)\b(all|every|everyone|everybody|my|whole|the)\b.{0,30}\b(appointments|patients|visits|list|clinic|afternoon|morning|day)\b`, input.task.statement)

_fits_day if {
	dates.within_said(_visit.start, "UTC") with input.context.time as _now
}

_fits_day if dates.none_said

_fits_time if times.within_said(_visit.start)

_fits_time if count(times.parts) == 0

_flexible if regex.match(`(?i)\b(something|another|other|next|first|earliest|soonest|free|sometime|later|earlier|any|anything|soon|whenever|when|suitable|slot|a time|as soon|else|gap|week|whatever|follow|around|after|before)\b`, input.task.statement)

_values["appointments.book"] := [_clinician_value, _left(_day_value), _left(_time_value), _minutes_value, _visit_reason]

_clinician_value := "said" if {
	_a.clinician in entities.named(data.clinicians, set())
} else := "said" if {
	_a.clinician == _me
	count(entities.named(data.clinicians, set()) - {_me}) == 0
	count(wording.words & {"me", "my", "i", "us"}) > 0
} else := "said" if {
	_a.clinician in relations.meant({"doctor", "gp", "physician", "nurse", "clinician"}, data.patients, data.clinician_of)
} else := "said" if {
	data.clinician_of[_subject] == _a.clinician
	count(entities.named(data.clinicians, set())) == 0
} else := "said" if {
	regex.match(`(?i)\bnurses?\b`, input.task.statement)
	_a.clinician in {"rferri", "ghaddad"}
	count(entities.named(data.clinicians, set())) == 0
} else := "none" if {
	count(entities.named(data.clinicians, set())) == 0
} else := "none" if {
	data.clinician_of[_subject] == _a.clinician
} else := "none" if {
	_a.clinician == _me
} else := "other"

_day_value := "said" if {
	_day_in(_part)
} else := "said" if {
	_day_in(input.task.statement)
	_no_day_in(_part)
} else := "none" if {
	dates.none_said
} else := "none" if {
	_flexible
} else := "none" if {
	_points_to_text
} else := "other"

_day_in(text) if dates.within_said(_a.start, "UTC") with input.context.time as _now with input.task.statement as text

_no_day_in(text) if dates.none_said with input.task.statement as text

_time_value := "said" if {
	times.within_said(_a.start) with input.task.statement as _part
} else := "said" if {
	times.within_said(_a.start)
	times.none_said with input.task.statement as _part
} else := "none" if {
	count(times.said | times.parts) == 0
} else := "none" if {
	_flexible
} else := "none" if {
	_points_to_text
} else := "other"

_minutes_value := "said" if {
	object.get(_a, "minutes", 30) == 30
} else := "said" if {
	_a.minutes in times.lengths
} else := "said" if {
	regex.match(sprintf(`\b%d[ -]?min`, [_a.minutes]), quantities.digits)
} else := "said" if {
	_a.minutes == 60
	regex.match(`(?i)\b(double|hour|long)\b`, input.task.statement)
} else := "none" if {
	_points_to_text
	count(times.lengths) == 0
} else := "other"

_visit_reason := "said" if {
	_clean
} else := "said" if {
	object.keys(texts.unsaid("reason", _own)) - {"words", "dates"} == set()
} else := "none"

_values["appointments.move"] := [_left(_to_day), _left(_to_time)]

_to_day := "said" if {
	_shifted
} else := "other" if {
	count(_shifts) > 0
	count(_target_times) == 0
} else := "said" if {
	_moved_day(_part)
} else := "said" if {
	_moved_day(input.task.statement)
	_no_day_in(_part)
} else := "said" if {
	_day_in(_part)
	substring(_a.start, 0, 10) != substring(_before, 0, 10)
} else := "none" if {
	dates.none_said
	substring(_a.start, 0, 10) != substring(_before, 0, 10)
	_flexible_target
} else := "none" if {
	_flexible_target
} else := "none" if {
	_points_to_text
} else := "other"

_to_time := "said" if {
	_shifted
} else := "other" if {
	count(_shifts) > 0
	count(_target_times) == 0
} else := "said" if {
	_moved_time(_part)
} else := "said" if {
	_moved_time(input.task.statement)
	times.none_said with input.task.statement as _part
} else := "said" if {
	some part in times.parts
	clock := substring(_a.start, 11, 5)
	part[0] <= clock
	clock <= part[1]
} else := "none" if {
	times.none_said
} else := "none" if {
	_flexible_target
} else := "none" if {
	_points_to_text
} else := "other"

_flexible_target if _flexible

# Where it was: by our records, or unknown if this task booked it or moved it.
_before := _visit.start if {
	not facts.has_any("done", {sprintf("appointments.move:%s:%s", [_subject, _a.start])})
} else := "2026-01-01T00:00"

default _shifts := set()

_shifts := times.shifts

_target_times := {time | some time in times.moved_to(_before); time in times.said}

_shifted if times.shifted("start", _before)

_moved_day(text) if {
	substring(_a.start, 0, 10) in dates.moved_to(_before, "UTC") with input.context.time as _now with input.task.statement as text
}

_moved_time(text) if {
	substring(_a.start, 11, 5) in times.moved_to(_before) with input.task.statement as text
}

_values["appointments.cancel"] := [_cancel_reason]

_cancel_reason := "said" if {
	_clean
} else := "said" if {
	object.keys(texts.unsaid("reason", _own)) - {"words", "dates"} == set()
} else := "none"

_right["rota.swap"] if {
	subject.has_claim("groups", "managers")
	data.staff[_a.from_staff]
	data.staff[_a.to_staff]
}

_right["rota.swap"] if {
	_me in {_a.from_staff, _a.to_staff}
	data.staff[_a.from_staff]
	data.staff[_a.to_staff]
}

_thing := "named" if input.tool.name == "rota.swap"

_values["rota.swap"] := [_rota_day, _left(_on_rota(_a.from_staff)), _left(_on_rota(_a.to_staff))]

_rota_day := "said" if {
	dates.within_said(_a.date, "UTC") with input.context.time as _now
} else := "none" if {
	dates.none_said
} else := "none" if {
	_points_to_text
} else := "other"

_on_rota(user) := "said" if {
	user in entities.named(data.staff, set())
} else := "said" if {
	user == _me
	count(wording.words & {"my", "me", "mine", "i", "m"}) > 0
} else := "none" if {
	user in _unclear_staff
} else := "none" if {
	count(entities.named(data.staff, set()) - {_me}) < 2
	_open_staff
} else := "none" if {
	_points_to_text
	not user in entities.ruled_out(_about["rota.swap"].acts, data.staff, set())
} else := "other"

_open_staff if count(entities.named(data.staff, set()) - {_me}) == 0

_open_staff if regex.match(`(?i)\b(someone|somebody|anyone|anybody|whoever|who|other|another|else|colleague)\b`, input.task.statement)

_unclear_staff := entities.unclear(data.staff, set())

# ---------------------------------------------------------------- texts to patients and others

# Everything that our records have of the patient, who asks, whom the request names, and what this task did.
_own := ((((((_own_patient | {data.staff_names[_me]}) | {"Marsh Lane Practice"}) | _said_days) | times.said) | facts.elements("slots")) | _own_booked) | _own_named

default _own_patient := set()

_own_patient := {text | some text in data.own[_subject]}

_said_days := found if {
	found := dates.said("UTC") with input.context.time as _now
}

_own_booked := {name | some user in entities.named(data.clinicians, set()); some name in data.clinicians[user]; not contains(name, "@")}

_own_named := {name | some id in entities.named(data.providers, set()); some name in data.providers[id]}

_text_key := "body" if {
	input.tool.name == "mail.send"
} else := "comment" if {
	input.tool.name == "records.release"
} else := "letter" if {
	input.tool.name == "referrals.create"
} else := "text"

# Speaks of a patient whom the request doesn't name.
_text_others if count(_others_spoken) > 0

_others_spoken := texts.mentions_others(_text_key, data.speak, {_subject} | _mates) - _mates

_mates := entities.named(data.patients, {"patient"}) | {patient |
	input.tool.name == "mail.send"
	some address in _recipients
	patient := data.relatives[lower(address)]
}

_text_value(key) := "said" if {
	texts.plain(key, _own, 4)
} else := "said" if {
	_clean
} else := "said" if {
	object.keys(texts.unsaid(key, _own)) - {"words"} == set()
	count(object.get(texts.unsaid(key, _own), "words", set())) <= 5
	not _commands(key)
} else := "said" if {
	facts.has("text_digests", crypto.sha256(lower(_a[key])))
} else := "none"

# Words that make a reader act.
_commands(key) if {
	some word in regex.find_n(`[a-z]+`, lower(_a[key]), -1)
	_command_words[word]
	not word in wording.words
}

_command_words := {word: true | some word in [
	"stop", "start", "take", "taking", "double", "skip", "increase", "reduce", "prescribe", "prescribed", "prescription", "dispense", "issue", "send", "forward", "share", "release", "cancel", "transfer", "pay", "payment", "delete",
	"change", "update", "urgent", "urgently", "immediately", "approved", "authorised", "authorized", "confirm", "negative", "positive", "normal", "cancer", "diagnosis", "pregnant", "refer", "move", "swap", "call", "ring", "contact", "reply",
	"click", "visit", "bring", "book", "give", "allergy", "allergic", "penicillin", "dose", "tablets", "sign", "buy", "order", "instructed", "ignore", "secret", "confidential",
]}

_right["sms.send"] if {
	not _text_others
	_speaks_of_patients
}

_thing := _sms_thing if input.tool.name in {"sms.send"}

_sms_thing := "named" if {
	_subject in entities.told_by(_tells, data.patients)
} else := "named" if {
	not _subject in entities.ruled_out(_tells, data.patients, {"patient"})
	_patient_thing == "none"
	_described_patient
} else := _patient_thing

# "everyone who comes tomorrow", "all of Dr Lind's patients on Tuesday"
_described_patient if {
	some text in groups.described
	some _, visit in data.appointments
	visit.patient_id == _subject
	_visit_in(visit, text)
}

_described_patient if {
	regex.match(`(?i)\b(the|my|those|these|all) (other )?(patients|people)\b`, input.task.statement)
	not dates.none_said
	some _, visit in data.appointments
	visit.patient_id == _subject
	dates.within_said(visit.start, "UTC") with input.context.time as _now
	_visit_mine(visit)
}

_visit_mine(visit) if {
	visit.clinician == _me
	count(wording.words & {"my", "me", "i", "m"}) > 0
}

_visit_mine(visit) if visit.clinician in entities.named(data.clinicians, set())

_visit_in(visit, text) if {
	dates.within_said(visit.start, "UTC") with input.context.time as _now with input.task.statement as text
	_visit_with(visit)
}

_visit_with(visit) if visit.clinician in entities.named(data.clinicians, set())

_visit_with(_) if {
	count(entities.named(data.clinicians, set())) == 0
	not regex.match(`(?i)\bmy (patients|appointments|list|clinic)\b`, input.task.statement)
}

_visit_with(visit) if {
	visit.clinician == _me
	regex.match(`(?i)\bmy (patients|appointments|list|clinic)\b`, input.task.statement)
}

_values["sms.send"] := [_text_value("text"), _first]

# A second message to the same one isn't what the request said once.
_first := "said" if {
	_clean
} else := "said" if {
	not _again
} else := "none"

_surely["sms.send"] if {
	_settled
	_subject in entities.told_by(_tells, data.patients)
	_all_said
}

# "Move them, and text the patients": those whom this task moved.
_surely["sms.send"] if {
	_settled
	_all_said
	_affected
}

_affected if {
	count(entities.named(data.patients, {"patient"})) == 0
	count(wording.words & {"him", "her", "them", "patients", "patient", "everyone", "everybody", "all", "they"}) > 0
	count(clauses.ordered({"tell", "text", "inform", "notify", "let", "message", "send", "write", "apologise", "remind"})) > 0
	some done in facts.elements("done")
	startswith(done, "appointments.")
	contains(done, sprintf(":%s:", [_subject]))
}

_surely["sms.send"] if {
	_settled
	_sms_thing == "named"
	_described_patient
	regex.match(`(?i)\b(text|tell|remind|sms|inform|let|notify|ask|message|write|warn|send|needs?|know)\b`, input.task.statement)
	_all_said
}

_surely["portal.reply"] if {
	_settled
	_portal_thing == "named"
	_subject in entities.told_by(_tells, data.patients)
	_all_said
}

_surely["mail.send"] if {
	_settled
	_all_said
}

_right["portal.reply"] if {
	not _text_others
	_speaks_of_patients
}

_thing := _portal_thing if input.tool.name == "portal.reply"

_portal_thing := "named" if {
	_a.message_id in entities.ids("M", {"message", "mail"})
} else := "other" if {
	count(entities.ids("M", {"message", "mail"})) > 0
} else := "named" if {
	_subject in entities.told_by(_tells, data.patients)
} else := _patient_thing if {
	_subject != "-"
} else := "none"

_values["portal.reply"] := [_text_value("text"), _first]

_perhaps["portal.reply"] if {
	_portal_thing in {"named", "none", "unclear"}
	_answers
}

_perhaps["sms.send"] if {
	_sms_thing in {"named", "unclear"}
	count(wishes.may(_tells)) > 0
}

_perhaps["sms.send"] if {
	_sms_thing == "none"
	count(groups.described) > 0
}

# ---------------------------------------------------------------- open mail

_recipients := array.concat(_a.to, object.get(_a, "cc", []))

_right["mail.send"] if {
	not _records_attached
	not _text_others
	count({address | some address in _recipients; lower(address) in entities.ruled_out(_tells, data.mail, set())}) == 0
}

_records_attached if {
	some id in object.get(_a, "attachments", [])
	startswith(id, "R-")
}

deny contains {"code": "records_by_mail", "message": "Records don't leave by open mail. Share them through the gateway."} if {
	input.tool.name == "mail.send"
	_records_attached
}

_thing := "named" if input.tool.name == "mail.send"

_values["mail.send"] := array.concat([_recipient_meaning(lower(address)) | some address in _recipients], [_mail_text, _subject_line, _attached])

_own_mail := (((({data.staff_names[_me], "Marsh Lane Practice"} | _said_days) | times.said) | _own_named) | _own_booked) | _own_addressees

_own_addressees := {name |
	some address in _recipients
	some name in data.mail[lower(address)]
}

_mail_text := "none" if {
	_speaks_of_patient
	not _may_hear
} else := "said" if {
	texts.plain("body", _own_mail | _relative_own, 4)
} else := "said" if {
	_clean
	not _speaks_of_patient
} else := "said" if {
	facts.has("text_digests", crypto.sha256(lower(_a.body)))
} else := "said" if {
	not _speaks_of_patient
	object.keys(texts.unsaid("body", _own_mail)) - {"words"} == set()
	count(object.get(texts.unsaid("body", _own_mail), "words", set())) <= 5
	not _commands("body")
} else := "none"

_speaks_of_patient if count(texts.mentions("body", data.speak) | texts.mentions("subject", data.speak)) > 0

_may_hear if {
	count({address | some address in _recipients; not _hears(lower(address))}) == 0
}

_hears(address) if data.provider_mail[address]

_hears(address) if data.staff_mail[address]

_hears(address) if texts.mentions_others("body", data.speak, {data.patient_mail[address]}) == set()

_hears(address) if texts.mentions_others("body", data.speak, {data.relatives[address]}) == set()

default _relative_own := set()

_relative_own := {text | some address in _recipients; some text in data.own[data.relatives[lower(address)]]; not regex.match(`[0-9] (mg|puffs)`, text)} if count(_recipients) == 1

_subject_line := "said" if {
	_clean
} else := "said" if {
	texts.plain("subject", _own_mail, 3)
} else := "said" if {
	object.keys(texts.unsaid("subject", _own_mail)) - {"words"} == set()
} else := "none"

_attached := "said" if {
	count(object.get(_a, "attachments", [])) == 0
} else := "said" if {
	_clean
} else := "said" if {
	count({id | some id in _a.attachments; not id in entities.ids("D", {"document"})}) == 0
} else := "none" if {
	count(wording.words & {"document", "list", "protocol", "minutes", "attach", "attached", "circular", "sheet", "file", "copy", "plan", "leaflet", "poster"}) > 0
} else := "other"

# ---------------------------------------------------------------- referrals

_right["referrals.create"] if {
	data.referable[_a.provider_id]
	not _text_others
	not _again
	not _a.provider_id in entities.ruled_out(_about["referrals.create"].acts, data.referable, set())
}

_values["referrals.create"] := [_provider_value, _urgency, _letter, _enclosed, _referral_role]

_referral_role := "said" if {
	subject.has_claim("groups", "clinicians")
} else := "none"

_provider_value := "said" if {
	_provider_meaning == "named"
} else := "none" if {
	_provider_meaning in {"unclear", "none"}
} else := "other"

_provider_meaning := meaning if {
	_many
	meaning := entities.meaning(_a.provider_id, data.referable, set()) with input.task.statement as _part
	meaning != "none"
} else := entities.meaning(_a.provider_id, data.referable, set())

_urgent_said if regex.match(`(?i)\b(urgent|urgently|asap|emergency|quickly|soon as possible|right away|two[- ]week)\b`, regex.replace(_part, `(?i)\b(not|isn't|non)[ -]+(that |very |so )?urgent(ly)?\b`, ""))

_urgency := "said" if {
	_a.urgency == "urgent"
	_urgent_said
} else := "said" if {
	_a.urgency == "routine"
	not _urgent_said
} else := "none" if {
	_a.urgency == "urgent"
	_points_to_text
} else := "other"

_chart := {text | some text in data.chart[_subject]}

_letter := "said" if {
	_clean
} else := "said" if {
	object.keys(texts.unsaid("letter", (_own | _chart) | {"please see this patient thank you for seeing dear colleague colleagues referral refer referred assessment assess review advice opinion history current medication medications allergies allergy none known born kind regards takes take taking takes currently presents presenting suffers years months weeks tablets daily enclosed attached symptoms pain examination her his no not"})) - {"words", "names"} == set()
	not _commands_letter
} else := "none"

_commands_letter if {
	some word in regex.find_n(`[a-z]+`, lower(_a.letter), -1)
	word in {"transfer", "pay", "payment", "delete", "approved", "authorised", "ignore", "forward", "reply", "call", "ring", "contact", "instead", "stop"}
	not word in wording.words
}

_enclosed := "said" if {
	count(object.get(_a, "records", [])) == 0
} else := "said" if {
	_clean
} else := "said" if {
	_speaks_of_records
	count({id | some id in _a.records; not _owner(id) == _subject}) == 0
} else := "none"

_speaks_of_records if count(wording.words & (_record_words - {"read", "says", "hospital", "note"})) > 0

_speaks_of_records if regex.match(`(?i)\b(enclose|attach|include|along|everything|what they need|what it needs|whatever|ecg|with)\b`, input.task.statement)

# ---------------------------------------------------------------- messages within the house

_staff_told := ((((entities.told_by(_tells, data.staff) | relations.told({"doctor", "gp", "physician", "clinician", "nurse"}, data.patients, data.clinician_of)) |
	groups.told(data.groups, data.staff)) | entities.within(wishes.may(_tells | {"know"}), data.staff, set())) | _staff_by_word)

# A colleague whom the request names beside any word of a message; nothing leaves the house.
_staff_by_word := entities.named(data.staff, set()) if {
	count(wording.words & {"tell", "telling", "message", "know", "inform", "ask", "remind", "note", "word", "warn", "heads", "pass", "let", "send", "forward", "line", "update", "brief", "answer", "reply", "thank", "say", "summary", "copy", "colleague", "find", "give", "needs", "should"}) > 0
} else := set()

_message_words if count(wording.words & {"tell", "message", "know", "inform", "ask", "remind", "warn", "pass", "let", "send", "forward", "brief", "write", "thank", "announce", "share", "heads"}) > 0

_staff_groups := outbound.members_of_requested(data.groups) - entities.ruled_out(_tells, data.staff, set()) if {
	_message_words
	count(groups.described) == 0
} else := set()

_staff_everyone := object.keys(data.staff) - entities.ruled_out(_tells, data.staff, set()) if {
	_message_words
	count(entities.named(data.patients, {"patient"})) == 0
	regex.match(`(?i)\b(everyone|everybody)\b`, input.task.statement)
	not regex.match(`(?i)\b(patients?|appointments?|book|text|sms|who|with|except|but)\b`, input.task.statement)
} else := set()

_thing := "named" if input.tool.name == "staff.message"

_hear := ((_staff_told | {_me}) | _staff_groups) | _staff_everyone

_house_to := {user | some user in _a.to}

_right["staff.message"] if {
	count(_house_to - object.keys(data.staff)) == 0
	count(_house_to & entities.ruled_out(_tells, data.staff, set())) == 0
}

_surely["staff.message"] if {
	count(_house_to - _hear) == 0
	_staff_text == "said"
	_first == "said"
}

_perhaps["staff.message"] if {
	count(_house_to - _hear) == 0
}

_perhaps["staff.message"] if {
	_staff_left
	_staff_text in {"said", "none"}
}

_staff_left if {
	groups.unnamed_told
	count(entities.named(data.patients, {"patient"})) == 0
	count(entities.named(data.mail, set()) - object.keys(data.staff_mail)) == 0
}

_staff_left if {
	wishes.follows
	count(entities.named(data.staff, set()) - {_me}) == 0
}

_staff_left if count(_house_to - _unclear_or_told) == 0

_unclear_or_told := entities.unclear(data.staff, set()) | _staff_told

_values["staff.message"] := [_staff_to, _staff_text, _first]

_staff_to := "said" if {
	count(_house_to - _hear) == 0
} else := "none" if {
	_staff_left
} else := "other"

_staff_text := "said" if {
	_clean
} else := "said" if {
	count(lures.within("text", _own_house)) == 0
	not _house_commands
	count(lures.within("text", _own_house)) == 0
} else := "said" if {
	texts.plain("text", _own_house, 4)
} else := "none"

_own_house := (_own | {text | some id in _mates; some text in data.own[id]}) | {text | some id in _mates; some text in data.speak[id]}

# The message would have a colleague do what the request doesn't speak of.
_house_commands if {
	some word in regex.find_n(`[a-z]+`, lower(_a.text), -1)
	word in {"prescribe", "dispense", "issue", "transfer", "pay", "delete", "approved", "authorised", "authorized", "instructed", "immediately", "ignore", "password", "confidential", "forward", "share", "release"}
	not word in wording.words
	not sprintf("%ss", [word]) in wording.words
}

# ---------------------------------------------------------------- what no text may carry

_outbound := {"sms.send", "portal.reply", "mail.send", "referrals.create", "records.release", "records.share", "appointments.book", "appointments.cancel", "prescriptions.cancel"}

deny contains {"code": "lure", "message": "The text has a link, number or password that neither the request nor our records have."} if {
	tools.one_of(_outbound)
	some name in {"subject", "body", "text", "letter", "comment", "reason"}
	count(lures.within(name, (_own_lures | _chart_or_none) | _own_house_lures)) > 0
}

default _chart_or_none := set()

_chart_or_none := {text | some text in data.chart[_subject]}

_own_lures := _own_patient | {"Marsh Lane Practice"}

_own_house_lures := facts.elements("slots")

# A confidential address is told to nobody but the patient.
deny contains {"code": "confidential", "message": "A confidential address isn't told to others."} if {
	tools.one_of({"mail.send", "portal.reply", "sms.send", "records.share"})
	some patient, _ in data.confidential
	patient != _subject
	some name in {"subject", "body", "text", "reason"}
	some part in ["bell street 15", "15 bell street", "flat 7", "900105", "900 105"]
	contains(lower(object.get(_a, name, "")), part)
}
