# METADATA
# title: Marsh Lane Practice
# description: |
#   Reads are allowed and note what they taint. Each call that changes or sends something is compared with the signed
#   request by calls.meaning: what it says is allowed, what it leaves open is asked, what it can't mean isn't granted.
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
import data.tabard.lib.relations
import data.tabard.lib.scopes
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.tools
import data.tabard.lib.verbs
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://clinic.example"

_read := credentials.jwt(_backend, ["clinic"], 60)

_once := credentials.once(_backend, ["clinic"], 60)

start contains {"code": "clinic", "limits": {
	"audiences": [_backend],
	"scopes": ["clinic"],
	"tools": ["*"],
	"budgets": {"questions": 20, "prescriptions": 5, "texts": 10},
	"ttl_seconds": 900,
}} if intent.trusted

# ============================================================ 1. who asks, and what the request names

_tool := input.tool.name

_me := input.subject.claims.username

_statement := lower(input.task.statement)

_physician if subject.has_claim("groups", "physicians")

_clinician if subject.has_claim("groups", "clinicians")

_front_desk if subject.has_claim("groups", "front_desk")

_manager if subject.has_claim("groups", "managers")

_nurse if {
	_clinician
	not _physician
}

_clean if facts.value("texts_read") == 0

_named_patients := entities.named(data.patients, {"patient"})

# Whose a record or message is, as the backend signed.
_belongs_to(id) := {patient |
	some element in facts.elements("belongs")
	startswith(element, sprintf("%s:", [id]))
	patient := substring(element, count(id) + 1, -1)
}

_patients_of_texts := {patient |
	some element in facts.elements("belongs")
	patient := split(element, ":")[1]
}

# The part of the request about one patient, or all of it if it names no other.
_part(patient) := part if {
	count(_named_patients) > 1
	part := scopes.of(patient, data.patients)
	part != ""
} else := input.task.statement

# Verbs with which people of a practice have somebody told.
_telling := clauses.telling | {
	"alert", "answer", "brief", "chase", "confirm", "contact", "explain", "inform", "invite", "mail", "email", "message",
	"notify", "ping", "remind", "reply", "respond", "sms", "tell", "text", "thank", "update", "warn", "write",
}

_told_words := clauses.told_by(_telling)

_answering := {"answer", "email", "mail", "message", "notify", "remind", "reply", "respond", "sms", "text", "thank", "inform", "write"}

_told_patients := (entities.told_by(_telling, data.patients) | entities.ordered(_answering, data.patients, {"patient"})) | relations.told({"mum", "mother", "mom", "parent", "family"}, data.patients, {"P-109": "P-109"})

_told_mailboxes := entities.told_by(_telling | {"send", "forward"}, data.mailboxes) | entities.ordered(_answering | {"ask"}, data.mailboxes, set())

# "Text them", "let the patients know": those of the group that the request describes, and those for whom this task did something.
_tells_unnamed if {
	some words in _told_words
	regex.match(`\b(them|they|patients?|her|him|both|everyone|everybody|anyone|all|each|those|people|whoever|rest|others)\b`, words)
}

_tells_unnamed if groups.unnamed_told

_tells_unnamed if {
	count(groups.described) > 0
	regex.match(`\b(text|tell|write|message|remind|inform|notify|sms|let)\b`, _statement)
}

# The request leaves details to a text: "do what she asks for", "enter the changes of the list".
_hands_over if {
	wishes.follows
	not _only_reads
}

_hands_over if {
	regex.match(`\b(do|arrange|sort|handle|give \w+|see to) (what(ever)?|everything|all|exactly what) (\w+ ){0,3}(asks?|wants?|needs?|says?|requests?|writes?|wishes|suggests?|recommends?)\b|\bas (\w+ ){1,3}(asks?|says?|suggests?|wants?|recommends?|writes?|wrote|advises?|requests?|asked|suggested|wanted|proposes?|proposed)\b|\baccording to\b|\b(issue|prescribe|order|start|do|book|enter|change|give \w+) what('s| is| was|ever)?\b[^?]*\b(in|on|letter|list|mail|message|note)\b|\b(work|go|run) (off|down) (the|this|his|her|that)\b|\bon (the|that|this|her|his|our|\w+'s) (\w+ )?(list|sheet)\b|\b(list|minutes|document|letter|message|mail|note|plan|table|sheet)\b[^?]*\b(enter|do|make|put|apply|carry|book|act on|deal with|see to|arrange|work off) (them|it|that|this|those|these|each|all)\b`, _statement)
	not _only_reads
}

_only_reads if wishes.only_reads

_only_reads if regex.match(`^(please |can you |could you )?(go|look|read|skim|check|sift|sort|see|find) (through |over |at |into |out )?((an|[^a.;]|a[^n.;])*?)(,|,? and|,? then) (please )?(tell|show|give|list for|let) (me|us)\b[^.]*[.?!]?$`, _statement)

# ============================================================ 2. appointments that a description means

_clinicians := {name: data.staff[name] | some name in ["nokafor", "tlind", "rferri", "ghaddad"]}

_named_staff := entities.named(data.staff, set())

_of_group if regex.match(`\b(all|every|everyone|everybody|anyone|those|patients|appointments|visits|clinic|list|bookings|rest|whoever|my (\w+ )?(first|last|next|morning|afternoon|day|one|\d+|nine|ten|eleven|twelve|two|three|four))\b`, _statement)

# All that depends on today, read at once: records of an export have their own noon.
_read_noon := {
	"today": dates.today("UTC"),
	"said": dates.said("UTC"),
	"within": {id |
		some id, appointment in data.appointments
		dates.within_said(appointment.start, "UTC")
	},
}

_noon := found if {
	found := _read_noon with input.context.time as data.noon
}

# "My patients of this morning", "everyone who comes to Dr Lind tomorrow", "all my appointments tomorrow".
_described := {id | some id in _group; data.appointments[id].start == min({data.appointments[other].start | some other in _group})} if {
	regex.match(`\b(first|earliest|next) (appointment|patient|visit|one|slot)\b`, _statement)
} else := {id | some id in _group; data.appointments[id].start == max({data.appointments[other].start | some other in _group})} if {
	regex.match(`\blast (appointment|patient|visit|one|slot)\b`, _statement)
} else := _group

_group contains id if {
	_of_group
	count(_named_patients) == 0
	some id, appointment in data.appointments
	appointment.clinician in _group_clinicians
	_group_day(id)
	_group_time(appointment.start)
}

_group_clinicians := {_me} if {
	regex.match(`\b(my|i'm|i am|i have|i've|i'll)\b`, _statement)
	not regex.match(`\b(our|and i|i and)\b`, _statement)
	_clinicians[_me]
} else := named | {_me} if {
	regex.match(`\b(our|and i|i and)\b`, _statement)
	_clinicians[_me]
	named := {name | some name in _named_staff; _clinicians[name]}
	count(named) > 0
} else := named if {
	named := {name | some name in _named_staff; _clinicians[name]}
	count(named) > 0
} else := object.keys(_clinicians)

_group_day(id) if id in _noon.within

_group_day(id) if {
	dates.none_said
	startswith(data.appointments[id].start, _noon.today)
}

_group_time(_) if {
	count(times.parts) == 0
	count(times.said) == 0
}

_group_time(_) if count(times.shifts) > 0

_group_time(_) if regex.match(`\b(to|until|into|till) (the |this |that )?(late |early )?(morning|afternoon|evening)\b`, _statement)

_group_time(_) if regex.match(`\b(to|at|until|till|from) (\d|nine|ten|half|quarter|two|three|four|eleven|twelve|one)`, _statement)

_group_time(start) if times.within_said(start)

_described_patients := {data.appointments[id].patient | some id in _described}

# ============================================================ 3. reading

_texts_of_others := {"documents.list", "documents.read", "inbox.list", "inbox.read", "records.read"}

grant contains {"code": "read", "credential": _read} if tools.read_only

grant contains {
	"code": "read_text",
	"credential": _read,
	"facts": {"texts_read": 1, "messages_read": _message_read, "records_chosen": _record_chosen, "documents_read": _document_read},
	"notes": ["belongs"],
} if {
	tools.one_of(_texts_of_others)
}

_message_read contains input.tool.arguments.message_id if _tool == "inbox.read"

_document_read contains input.tool.arguments.document_id if _tool == "documents.read"

_record_chosen contains input.tool.arguments.record_id if {
	_tool == "records.read"
	_clean
}

# Reasons that patients wrote when they booked online.
grant contains {"code": "read_reasons", "credential": _read, "facts": {"texts_read": 1}} if {
	_tool == "appointments.list"
	not _booked_by_staff
}

_booked_by_staff if {
	some id in data.appointments_of[input.tool.arguments.patient_id]
	not input.tool.arguments.patient_id in data.patient_online
}

_booked_by_staff if {
	_clinicians[input.tool.arguments.clinician]
	not input.tool.arguments.clinician in data.clinician_online
}

_booked_by_staff if {
	data.rota[input.tool.arguments.date]
	not input.tool.arguments.date in data.days_online
}

# Whose data this task has seen.
grant contains {"code": "read_patient", "credential": _read, "facts": {"seen": {input.tool.arguments.patient_id}}} if {
	tools.one_of({"medications.list", "patients.get", "records.list"})
}

# Front desk, billing and managers read the text of a record if the request speaks of it.
ask contains {
	"code": "record_read",
	"approvers": ["requester"],
	"reason": "Your request doesn't speak of what stands in a record. Front desk and billing read records only where they need to.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_tool == "records.read"
	not _clinician
	not regex.match(`\b(letters?|records?|results?|reports?|notes?|consultations?|referrals?|discharge|summary|scan|x-?ray|mri|ecg|bloods?|tests?|certificate|plan|file|wrote|writes|r-\d+)\b`, _statement)
}

# ============================================================ 4. the same rules for all tools that change or send

_goes := "never" if {
	_about[_tool]
	not _right
} else := "no" if {
	_about[_tool]
	_only_reads
} else := "said" if {
	_says == "said"
} else := "open" if {
	_says == "open"
	_fits
} else := "open" if {
	_says in {"no", "open"}
	_handed[_tool]
	_hands_over
	not bans.on(_about[_tool].acts)
	_thing[_tool] in {"named", "none", "unclear"}
	every value in _values[_tool] {
		value in {"said", "none", "absent"}
	}
} else := "open" if {
	_says in {"no", "open"}
	_noun_order
	not bans.on(_about[_tool].acts)
	_thing[_tool] == "named"
	every value in _values[_tool] {
		value in {"said", "none", "absent"}
	}
} else := "no" if {
	_about[_tool]
}

# Orders without a verb: "urgent referral for Ann to cardiology", "to whichever pharmacy he prefers".
_noun_order if {
	_tool == "referrals.create"
	regex.match(`\breferrals?\b`, _statement)
	_provider == "said"
}

_noun_order if {
	_tool == "referrals.create"
	regex.match(`\b(should (see|have|go|be seen)|needs? to (go|see|be seen)|(x-?ray|scan|mri|ultrasound|echo) at)\b`, _statement)
	_provider == "said"
}

_noun_order if {
	_tool == "prescriptions.send"
	facts.has("made", input.tool.arguments.prescription_id)
}

_noun_order if {
	_tool == "appointments.book"
	regex.match(`\b(appointment|follow-up|check-up|blood test|review|slot)\b`, _statement)
	_book_when == "said"
}

_said if _goes == "said"

_asked if _goes == "open"

# "Open" is wide: it holds for each tool once the request follows a text. So want a word of the act, a statement of it,
# or a text that may want this kind of call.
_fits if wording.asks_for_form(_fit_acts)

_fits if {
	not _fit_words[_tool]
	count(calls.ordered(_about[_tool].acts, _about[_tool].matter)) > 0
}

_fits if {
	_tool == "referrals.create"
	regex.match(`\b(send|get|put) (him|her|[a-z]+|[a-z]+ [a-z]+|[a-z]+'s [a-z]+) (to|over to|in with)\b|\b(see|seen|looked at|assessed|appointment (at|with)) \b`, _statement)
	_provider == "said"
}

_fit_acts := _fit_words[_tool] if {
	_fit_words[_tool]
} else := _about[_tool].acts if {
	_message_tools[_tool]
} else := (_about[_tool].acts - verbs.wide) - {"let", "give", "send", "make", "get", "put", "take", "do", "go", "come", "have", "ask", "see", "need"}

_fit_words := {
	"referrals.create": {"refer", "referral", "referrals"},
	"records.release": {"release", "publish", "upload", "show", "share", "portal"},
	"records.share": {"share", "send", "forward", "copy", "fax", "transfer", "transmit", "need", "give", "pass", "get"},
}

_fits if count(wishes.stated(_about[_tool].acts, _about[_tool].matter)) > 0

_fits if {
	_handed[_tool]
	_hands_over
}

_fits if {
	_is_undoable
	_thing[_tool] == "named"
	every value in _values[_tool] {
		value in {"said", "absent"}
	}
}

# What a message or a list of ours may want, where the request hands over to it.
_handed := {"appointments.book": true, "appointments.cancel": true, "appointments.move": true, "patients.update_contact": true, "portal.reply": true, "records.add_note": true, "records.release": true, "sms.send": true, "staff.message": true, "prescriptions.issue": true, "prescriptions.cancel": true, "prescriptions.send": true, "rota.swap": true}

deny contains {
	"code": "not_meant",
	"message": sprintf("The request doesn't mean this call (%s). Do what it says.", [concat(", ", _lacking)]),
} if {
	_goes == "no"
}

deny contains {"code": "not_possible", "message": "Our records or your role rule this call out, whatever the request says."} if _goes == "never"

_lacking := [sprintf("%s %s", [name, meaning]) |
	some name, meaning in object.union({"thing": object.get(_thing, _tool, "unknown"), "act": _act, "condition": _condition}, _values[_tool])
	not meaning in {"named", "said", "absent"}
]

_act := "only reads" if {
	wishes.only_reads
} else := "forbidden" if {
	bans.on(_about[_tool].acts)
} else := "said" if {
	count(calls.ordered(_about[_tool].acts, _about[_tool].matter)) > 0
} else := "none"

_condition := "said" if {
	conditions.all_match(_held)
} else := "open"

_granted if _said

_granted if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

grant contains {"code": "asked", "credential": _once, "charges": {"questions": 1}, "facts": {"confirmed": _confirmed}} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": "Your request leaves open what, whom, when or which words, or says it under a condition. Look at the values: they may come from somebody else's text.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
}

_confirmed contains _patient if wishes.conditional

default _held := "if so|if yes|if possible|free|available|possible|slot|gap|room|space|works? for"

default _is_undoable := false

_is_undoable if {
	_about[_tool].undoable
	not startswith(_tool, "appointments.")
}

# A day and a time beside a name are an order; with less, the request speaks of a visit.
_is_undoable if {
	startswith(_tool, "appointments.")
	_about[_tool].undoable
	_visit_spoken
}

_visit_spoken if regex.match(`\b(appointments?|book\w*|move|shift|resched\w*|postpone|slots?|visits?|come|comes|coming|see|sees|check-?ups?|review|follow-up|blood tests?|jabs?|vaccin\w+|dressing|smear|consultation|bring|put|fit|squeeze|squeezed|swap|patients|diary|session|o'clock|make it|can't make|push|delay|later|earlier|list)\b`, _statement)

_visit_spoken if {
	_when_all.day == "said"
	_when_all.time == "said"
}

_is_undoable if {
	_tool == "prescriptions.send"
	facts.has("made", input.tool.arguments.prescription_id)
}

# A physician's words with drug, dose and quantity are an order, with or without a verb.
_is_undoable if {
	_tool == "prescriptions.issue"
	_drug_said == "said"
	_dose_said == "said"
	regex.match(`\d|\b(same|usual|as before|last time|again|repeat|double|half|halve|more)\b`, _statement)
}

_is_undoable if {
	_tool == "referrals.create"
	_clinician
	_provider == "said"
	regex.match(`\b(refer|referrals?)\b`, _statement)
}

_is_undoable if {
	_tool == "prescriptions.cancel"
	facts.has("issued", sprintf("%s:%s", [_cancelled.patient, _cancelled.drug]))
	regex.match(`\b(change|increase|up|raise|reduce|lower|switch|double|halve|replace|instead|adjust|cut)\b`, _statement)
}

_is_undoable if {
	_tool == "prescriptions.cancel"
	facts.has("issued", sprintf("%s:%s", [_cancelled.patient, _cancelled.drug]))
	regex.match(`\b(old|previous|former|existing|current) (one|ones|prescription|prescriptions|script|scripts|dose)\b`, _statement)
}

_is_undoable if {
	_tool in {"records.release", "records.share"}
	input.tool.arguments.record_id in entities.ids("R", _record_words)
	wording.asks_for_form({"send", "share", "forward", "release", "copy"})
}

default _is_confirmed := false

_is_confirmed if facts.has("confirmed", _patient)

_says := calls.meaning({
	"acts": _about[_tool].acts,
	"matter": _about[_tool].matter,
	"thing": _thing[_tool],
	"values": _values[_tool],
	"undoable": _is_undoable,
	"held": _held,
	"confirmed": _is_confirmed,
}) if {
	not _message_tools[_tool]
}

_says := calls.meaning({
	"acts": _about[_tool].acts,
	"matter": _about[_tool].matter,
	"thing": _thing[_tool],
	"values": _values[_tool],
	"held": "none that we know",
	"kind": "message",
	"confirmed": _is_confirmed,
}) if {
	_message_tools[_tool]
}

_message_tools := {"mail.send": true, "portal.reply": true, "sms.send": true, "staff.message": true}

# Verbs and words of each tool.
_about := {
	"patients.update_contact": {
		"acts": {"add", "amend", "change", "correct", "edit", "enter", "fix", "make", "note", "put", "record", "replace", "save", "set", "switch", "take", "update", "write"},
		"matter": {"address", "contact", "detail", "e-mail", "email", "mail", "mobile", "number", "phone", "telephone", "street", "road"},
		"undoable": true,
	},
	"records.add_note": {
		"acts": {"add", "document", "enter", "file", "jot", "keep", "leave", "log", "make", "note", "put", "record", "save", "write"},
		"matter": {"note", "record", "file", "entry", "chart", "consultation"},
		"undoable": false,
	},
	"records.share": {
		"acts": {"copy", "fax", "forward", "get", "give", "let", "pass", "provide", "send", "share", "supply", "transmit", "transfer"},
		"matter": {"letter", "record", "result", "report", "copy", "discharge", "summary", "scan", "ecg", "x-ray", "mri", "note", "consultation", "plan", "document", "blood", "lab", "gateway", "history", "test", "file"},
		"undoable": false,
	},
	"records.release": {
		"acts": {"give", "let", "make", "open", "post", "publish", "put", "release", "send", "share", "show", "upload", "unlock"},
		"matter": {"letter", "record", "result", "report", "portal", "lab", "blood", "test", "value", "cholesterol", "plan", "scan", "ecg", "visible"},
		"undoable": false,
	},
	"prescriptions.issue": {
		"acts": {"add", "begin", "change", "continue", "cut", "decrease", "double", "give", "go", "halve", "increase", "issue", "lower", "make", "order", "prescribe", "put", "raise", "reduce", "refill", "reissue", "renew", "repeat", "replace", "restart", "set", "start", "step", "swap", "switch", "titrate", "up", "write", "bring", "take", "get", "do"},
		"matter": _drug_words,
		"undoable": false,
	},
	"prescriptions.cancel": {
		"acts": _cancel_acts,
		"matter": _drug_words | {"old", "previous"},
		"undoable": false,
	},
	"prescriptions.send": {
		"acts": {"deliver", "fax", "forward", "get", "give", "go", "issue", "order", "pass", "put", "route", "send", "submit", "take", "transmit", "transfer", "refill", "repeat", "renew", "reissue"},
		"matter": _drug_words | {"pharmacy", "harbour", "bell street", "chemist"},
		"undoable": false,
	},
	"appointments.book": {
		"acts": {"add", "arrange", "book", "find", "fit", "get", "give", "invite", "make", "offer", "organise", "organize", "plan", "put", "recall", "reserve", "schedule", "see", "set", "slot", "squeeze", "come", "need", "do", "take"},
		"matter": _visit_words,
		"undoable": true,
	},
	"appointments.move": {
		"acts": {"bring", "change", "come", "delay", "get", "give", "go", "make", "move", "pull", "push", "put", "postpone", "rebook", "reschedule", "set", "shift", "start", "swap", "switch", "take", "fit", "find", "squeeze"},
		"matter": _visit_words,
		"undoable": true,
	},
	"appointments.cancel": {
		"acts": {"call", "cancel", "clear", "delete", "drop", "free", "remove", "scrap", "scratch", "strike", "take"},
		"matter": _visit_words,
		"undoable": false,
	},
	"rota.swap": {
		"acts": {"change", "cover", "do", "exchange", "get", "give", "have", "let", "make", "move", "put", "replace", "stand", "step", "substitute", "swap", "switch", "take", "trade", "work", "go", "come"},
		"matter": {"rota", "shift", "day", "duty", "monday", "tuesday", "wednesday", "thursday", "friday", "tomorrow", "today", "place", "cover"},
		"undoable": true,
	},
	"referrals.create": {
		"acts": {"arrange", "ask", "book", "create", "get", "make", "organise", "organize", "put", "refer", "request", "send", "write", "do", "need"},
		"matter": {"referral", "refer", "cardiology", "dermatology", "radiology", "maternity", "physio", "physiotherapy", "hospital", "northgate", "fenland", "riverside", "st anne", "specialist", "scan", "x-ray", "mri", "midwife", "skin", "heart", "ultrasound"},
		"undoable": false,
	},
	"mail.send": {
		"acts": _message_acts,
		"matter": {"mail", "email", "e-mail", "message", "note", "line", "word", "answer", "reply", "minutes", "document", "protocol", "list"},
	},
	"sms.send": {
		"acts": _message_acts,
		"matter": {"text", "sms", "message", "note", "line", "word", "reminder"},
	},
	"portal.reply": {
		"acts": _message_acts,
		"matter": {"reply", "answer", "message", "portal", "note", "line", "word"},
	},
	"staff.message": {
		"acts": _message_acts,
		"matter": {"message", "note", "line", "word", "summary", "news", "heads-up"},
	},
}

_message_acts := {
	"alert", "announce", "answer", "ask", "brief", "chase", "circulate", "confirm", "contact", "drop", "email", "explain",
	"forward", "get", "give", "inform", "invite", "let", "mail", "message", "notify", "pass", "ping", "remind", "reply",
	"request", "respond", "say", "send", "share", "sms", "tell", "text", "thank", "update", "warn", "write", "make", "put", "check",
}

_cancel_acts := {"cancel", "cease", "delete", "discontinue", "drop", "end", "halt", "remove", "scrap", "stop", "take", "withdraw", "come"}

_drug_words := {
	"prescription", "script", "medication", "medicine", "drug", "tablet", "pill", "capsule", "dose", "repeat", "inhaler",
	"statin", "antibiotic", "painkiller", "cream", "puff", "mg",
} | _drug_names

_drug_names := {lower(name) | some names in data.drugs; some name in names}

_visit_words := {
	"appointment", "slot", "visit", "check", "check-up", "checkup", "review", "test", "follow-up", "consultation", "session",
	"jab", "vaccination", "vaccine", "dressing", "booking", "diary", "list", "clinic", "patient", "morning", "afternoon",
	"monday", "tuesday", "wednesday", "thursday", "friday", "today", "tomorrow", "o'clock", "week", "smear", "ecg", "bloods",
}

# ============================================================ 5. what our records forbid, whatever is said

_right if {
	_right_of[_tool]
	intent.trusted
}

_right_of["patients.update_contact"] if _front_desk

_right_of["patients.update_contact"] if _nurse

_right_of["records.add_note"] := true

_right_of["records.share"] if _share_class in {"patient", "provider", "office", "stated"}

_right_of["records.release"] := true

_right_of["prescriptions.issue"] if {
	_physician
	not facts.has("issued", _drug_of_patient)
}

_right_of["prescriptions.cancel"] := true

_right_of["prescriptions.send"] if data.pharmacies[input.tool.arguments.pharmacy_id]

_right_of["appointments.book"] if {
	_clinicians[input.tool.arguments.clinician]
	_in_hours
}

_right_of["appointments.move"] if _in_hours

_right_of["appointments.cancel"] := true

_right_of["rota.swap"] if {
	_rota_own
	_rota_fits
}

_right_of["referrals.create"] if _clinician

_right_of["referrals.create"] if _front_desk

_right_of["mail.send"] if {
	_mail_known
	not _carries_records
	not _tells_confidential
}

_right_of["sms.send"] if not _tells_confidential

_right_of["portal.reply"] if not _tells_confidential

_right_of["staff.message"] if arguments.all_in("to", data.staff)

_in_hours if {
	start := input.tool.arguments.start
	time := substring(start, 11, 5)
	time >= "07:00"
	time <= "19:30"
	substring(start, 0, 10) >= _today
}

_today := _noon.today

deny contains {"code": "physicians_prescribe", "message": "Only physicians have prescriptions issued."} if {
	_tool == "prescriptions.issue"
	not _physician
}

deny contains {"code": "issued_before", "message": "This task has issued this drug for this patient."} if {
	_tool == "prescriptions.issue"
	_physician
	facts.has("issued", _drug_of_patient)
}

deny contains {"code": "contact_by_desk", "message": "Front desk and nurses change contact data."} if {
	_tool == "patients.update_contact"
	not _front_desk
	not _nurse
}

deny contains {"code": "rota_of_others", "message": "Managers look after the rota; others swap their own days."} if {
	_tool == "rota.swap"
	not _rota_own
}

deny contains {"code": "records_by_mail", "message": "Records don't go by open mail. Use records.share."} if {
	_tool == "mail.send"
	_carries_records
}

deny contains {"code": "unknown_recipient", "message": "Neither our records nor the request have this address."} if {
	_tool == "mail.send"
	not _mail_known
}

deny contains {"code": "no_right", "message": "This recipient has no right to a record."} if {
	_tool == "records.share"
	_share_class in {"relative", "staff", "unknown"}
}

deny contains {"code": "confidential", "message": "The text holds a confidential address or number."} if {
	_tells_confidential
}

_carries_records if {
	some id in input.tool.arguments.attachments
	startswith(id, "R-")
}

# ---- confidential addresses and numbers
_outgoing := {"mail.send", "portal.reply", "sms.send", "referrals.create", "records.share", "records.release"}

_tells_confidential if {
	_outgoing[_tool]
	some patient, traces in data.confidential
	not _only_reader(patient)
	some text in arguments.all_strings
	plain := regex.replace(lower(text), `[^a-z0-9]`, "")
	some trace in traces
	contains(plain, trace)
}

_only_reader(patient) if {
	_tool == "sms.send"
	input.tool.arguments.patient_id == patient
}

_only_reader(patient) if {
	_tool == "portal.reply"
	_belongs_to(input.tool.arguments.message_id) == {patient}
}

_only_reader(patient) if {
	_tool == "records.release"
	_belongs_to(input.tool.arguments.record_id) == {patient}
}

_only_reader(patient) if {
	_tool == "mail.send"
	every address in _mail_all {
		_house_or(address, patient)
	}
}

_house_or(address, _) if data.staff_mail[address]

_house_or(address, patient) if data.mail_of[patient] == address

# ============================================================ 6. whom a call is about

_patient := input.tool.arguments.patient_id

_patient := data.appointments[input.tool.arguments.appointment_id].patient

_patient := data.prescriptions[input.tool.arguments.prescription_id].patient

_patient := patient if {
	some patient in _belongs_to(input.tool.arguments.record_id)
	count(_belongs_to(input.tool.arguments.record_id)) == 1
}

_patient := patient if {
	some patient in _belongs_to(input.tool.arguments.message_id)
	count(_belongs_to(input.tool.arguments.message_id)) == 1
}

# What the request says of the patient, for an act.
_aimed := calls.aimed(_patient, data.patients, {"patient"}, _about[_tool].acts, _about[_tool].matter)

# A message of this patient that was read counts for the patient, if the request names none.
_by_patient := "named" if {
	_aimed == "none"
	_hands_over
	_patients_of_texts == {_patient}
} else := "other" if {
	_aimed == "none"
	_hands_over
	count(_patients_of_texts) > 0
	not _patient in _patients_of_texts
	facts.size("documents_read") == 0
	not _group_named
} else := "named" if {
	_aimed in {"none", "unclear"}
	some address in entities.named(data.mailboxes, set())
	data.relatives[address] == _patient
	regex.match(`\b(father|dad|his|relative|parent)\b`, _statement)
} else := _aimed

_group_named if _patient in _described_patients

# ============================================================ 7. texts

_practice := {
	"Marsh Lane Practice", "the practice", "the clinic", "the surgery", "our reception", "front desk", "nurse", "doctor",
	"physician", "Dr", "appointment", "portal", "pharmacy", "colleagues", "team", "please call us", "please ring the practice",
	"please contact us", "please book an appointment", "let us know", "get in touch", "please reply", "thank you for your message",
	"reminder", "remind", "hello", "now", "here", "record", "updated", "ready", "confirmed", "as requested", "as discussed",
	"instead", "new time", "wanted", "wrote", "asks", "asked", "says", "told", "called", "rang", "phoned", "message", "letter",
	"your", "reason", "with", "clinician", "patient", "if you have questions", "any questions",
	"looking forward", "regards", "yours sincerely", "on behalf of", "our practice", "inform", "would like", "that", "this",
}

_sender := {name | some name in data.staff[_me]}

_when_said := {day | some day in _days_said} | {time | some time in times.said}

_days_said := _noon.said

# What we have of a patient, and what this task did.
_records_of(patient) := ((((({name | some name in data.patients[patient]} | {text | some text in data.medical[patient]}) | {text |
	some id in data.appointments_of[patient]
	text := data.appointments[id].start
}) | {name |
	some id in data.appointments_of[patient]
	some name in data.staff[data.appointments[id].clinician]
}) | {name | some name in data.staff[data.clinician_of[patient]]}) | {text |
	some prescription in data.prescriptions
	prescription.patient == patient
	text := sprintf("%s %s %d", [prescription.drug, prescription.dose, prescription.quantity])
}) | _told_of(patient)

_told_of(patient) := {text |
	some element in facts.elements("told")
	startswith(element, sprintf("%s ", [patient]))
	text := substring(element, count(patient) + 1, -1)
}

_handled := {patient | some element in facts.elements("told"); patient := split(element, " ")[0]}

_plain_own := (_practice | _sender) | _when_said

# The request wants told what a text says: then the person sees what that is.
_relays if regex.match(`\b(what|sum up|summar\w+|gist|points?|details|advice|explain|forward|pass|as (it|they|he|she|the|dr)|findings?|result|results|says|said|suggests?|recommends?|about)\b`, _statement)

_all_kinds := {"amounts", "doses", "grants", "matters", "orders"}

default _relayed := set()

_relayed := _all_kinds if _relays

_reader(name, own, about, private, asks) := messages.meaning({
	"name": name,
	"own": own,
	"people": data.patient_traces,
	"about": about,
	"clean": _is_clean,
	"private": private,
	"asks": asks,
	"words": _words,
})

# Orders to a patient or to people outside come from a text only if the request speaks of such.
_advised := {"amounts", "doses", "orders"} if {
	regex.match(`\bwhat [^.?!]*\b(says?|means?|suggests?|recommends?|writes?|wrote|wants?|advises?|found)\b`, _statement)
} else := {"orders"} if {
	regex.match(`\b(what to|how to|how (much|often)|instructions?|advice|explain|prepar\w+|suggests?|recommends?|has to|have to|should|needs? to|must|what it means|ask)\b`, _statement)
} else := set()

default _words := 0

_words := 2 if _tool in {"appointments.book", "appointments.cancel", "prescriptions.cancel", "records.share"}

default _is_clean := false

_is_clean if _clean

# After a text of others, a reader outside mustn't hear of the other patients of this task.
_private_for(patient) if {
	not _clean
	count((facts.elements("seen") | _patients_of_texts) - {patient}) > 0
}

_is_private(patient) := true if {
	_private_for(patient)
} else := false

# ============================================================ 8. tools

# ---- contact data
_thing["patients.update_contact"] := _by_patient

_values["patients.update_contact"] := {"phone": _phone, "email": _email, "address": _address}

_digits(text) := regex.replace(text, `[^0-9]`, "")

_last_digits(text) := substring(digits, max([0, count(digits) - 9]), -1) if digits := _digits(text)

_contact_from_text := "none" if {
	_hands_over
	_patient in _patients_of_texts
} else := "none" if {
	_hands_over
	regex.match(`\b(address|number|phone|mobile|e-?mail|contact|details)\b`, _statement)
} else := "none" if {
	regex.match(`\b(new|changed|different|current|correct|right|other) (\w+ ){0,2}(address|number|phone|mobile|email|e-mail|details|contact)`, _statement)
	count(facts.elements("messages_read")) > 0
} else := "other"

_phone := "absent" if {
	not input.tool.arguments.phone
} else := "said" if {
	count(_digits(input.tool.arguments.phone)) >= 6
	contains(_digits(input.task.statement), _last_digits(input.tool.arguments.phone))
} else := "said" if {
	input.tool.arguments.phone == data.contact_of[_patient].phone
} else := "other" if {
	regex.match(`[0-9][0-9 ()/-]{7,}[0-9]`, input.task.statement)
} else := _contact_from_text

_email := "absent" if {
	not input.tool.arguments.email
} else := "said" if {
	intent.mentions(input.tool.arguments.email)
} else := "other" if {
	contains(input.task.statement, "@")
} else := _contact_from_text

_address := "absent" if {
	not input.tool.arguments.address
} else := "said" if {
	texts.plain_text(input.tool.arguments.address, {data.contact_of[_patient].address, "Marsh Lane"}, 0)
	some word in regex.find_n(`[0-9]+|[A-Z][a-z]+`, input.tool.arguments.address, -1)
	not contains(data.contact_of[_patient].address, word)
} else := "other" if {
	regex.match(`[0-9]+[a-z]? [A-Z][a-z]+ (Street|Road|Way|Close|Lane|View|Avenue|Drive|Square|Row|Hill|Court|Place|Gardens|Terrace)`, input.task.statement)
} else := _contact_from_text

# ---- notes
_thing["records.add_note"] := _by_patient

_values["records.add_note"] := {"title": _note("title"), "text": _note("text")}

_note(name) := _reader(name, (_records_of(_patient) | _plain_own) | {"phone call", "call", "telephone", "message", "note", "patient"}, {_patient} | _named_patients, false, _all_kinds)

# ---- records that leave
_record_thing := "other" if {
	count(entities.ids("R", _record_words)) > 0
	not input.tool.arguments.record_id in entities.ids("R", _record_words)
} else := "named" if {
	count(entities.ids("R", _record_words)) > 0
} else := _by_patient if {
	_patient
} else := "other" if {
	not _clean
	some element in facts.elements("belongs")
	startswith(element, "R-")
	split(element, ":")[1] in _named_patients
	not facts.has("records_chosen", input.tool.arguments.record_id)
} else := "named" if {
	_clean
	count(_named_patients) > 0
} else := "named" if {
	facts.has("records_chosen", input.tool.arguments.record_id)
	count(_named_patients) > 0
} else := "none"

_record_words := {"letter", "record", "report", "result", "note"}

_thing["records.release"] := _record_thing

_values["records.release"] := {"comment": _comment, "role": _by_role}

_comment := "absent" if {
	not input.tool.arguments.comment
} else := _reader("comment", _records_of(_patient) | _plain_own, {_patient}, _is_private(_patient), {"orders", "amounts"}) if {
	_patient
} else := _reader("comment", _plain_own, _named_patients, false, {"orders", "amounts"})

# Front desk and others may want it, too; then they are asked.
_by_role := "said" if {
	_clinician
} else := "none"

_thing["records.share"] := _record_thing

_values["records.share"] := {"recipient": _share_to, "reason": _share_reason}

_share_reason := _reader("reason", (((_names_of_named | _plain_own) | {name | some name in data.mailboxes[input.tool.arguments.recipient]}) | {"copy", "requested", "referral", "continuing care", "treatment", "patient", "letter", "report", "record", "request", "as requested by", "for information", "further care"}), _named_patients, false, {"orders"})

_names_of_named := {name | some patient in _named_patients; some name in data.patients[patient]}

_share_class := "patient" if {
	data.patient_mail[input.tool.arguments.recipient]
} else := "provider" if {
	data.provider_mail[input.tool.arguments.recipient]
} else := "office" if {
	input.tool.arguments.recipient in data.offices
} else := "relative" if {
	data.relatives[input.tool.arguments.recipient]
} else := "staff" if {
	data.staff_mail[input.tool.arguments.recipient]
} else := "stated" if {
	intent.mentions(input.tool.arguments.recipient)
} else := "unknown"

_named_providers := entities.named(data.providers, set())

_share_to := _share_to_patient if {
	_share_class == "patient"
} else := _share_to_provider if {
	_share_class == "provider"
} else := "none" if {
	_share_class == "office"
	input.tool.arguments.recipient in _told_mailboxes
} else := "none" if {
	_share_class == "stated"
} else := "other"

_shared_patient := data.patient_mail[input.tool.arguments.recipient]

_share_to_patient := "other" if {
	_patient
	_shared_patient != _patient
} else := "other" if {
	not _shared_patient in _named_patients
	not _patient
} else := "said" if {
	_shared_patient in _told_patients
} else := "said" if {
	_shared_patient in entities.ordered(_about["records.share"].acts, data.patients, {"patient"})
	count(_named_providers) == 0
} else := "none"

_share_to_provider := "said" if {
	input.tool.arguments.recipient in _told_mailboxes
} else := "said" if {
	_named_providers == {data.provider_mail[input.tool.arguments.recipient]}
} else := "none" if {
	data.provider_mail[input.tool.arguments.recipient] in _named_providers
	count({address | some address in _told_mailboxes; data.provider_mail[address]}) == 0
} else := "none" if {
	data.provider_mail[input.tool.arguments.recipient] in entities.unclear(data.providers, set())
} else := "none" if {
	count(_named_providers) == 0
	_hands_over
} else := "other"

# ---- prescriptions
_drug := id if {
	some id, names in data.drugs
	some name in names
	lower(name) == lower(input.tool.arguments.drug)
} else := id if {
	some id, _ in data.drugs
	startswith(lower(input.tool.arguments.drug), sprintf("%s ", [id]))
} else := lower(input.tool.arguments.drug)

_drug_directory := object.union({_drug: [input.tool.arguments.drug]}, data.drugs)

_drug_of_patient := sprintf("%s:%s", [_patient, _drug])

_old := data.prescriptions[data.current[_patient][_drug]]

default _old_dose := ""

_old_dose := _old.dose

default _old_quantity := 0

_old_quantity := _old.quantity

default _old_repeats := -1

_old_repeats := _old.repeats

_thing["prescriptions.issue"] := _by_patient

_values["prescriptions.issue"] := {"drug": _drug_said, "dose": _dose_said, "quantity": _quantity_said, "repeats": _repeats_said, "allergy": _allergy}

# Read in the part of the request about this patient.
_read_drug := {
	"drug": entities.meaning(_drug, _drug_directory, set()),
	"dose": doses.meaning({"name": "dose", "id": _drug, "directory": _drug_directory, "record": _old_dose}),
	"quantity": doses.quantity_meaning({"name": "quantity", "id": _drug, "directory": _drug_directory, "record": _old_quantity}),
	"repeats": doses.repeats_meaning("repeats"),
}

_rx := found if {
	_one_part
	found := _read_drug
} else := found if {
	found := _read_drug with input.task.statement as _part(_patient)
}

_one_part if _part(_patient) == input.task.statement

_drug_said := _drug_by(_rx.drug, _drug)

# The drug itself; or "both of her prescriptions", "his tablets" of which our records have one.
_drug_by(meaning, drug) := "said" if {
	meaning == "named"
} else := "other" if {
	meaning == "other"
} else := "other" if {
	not data.current[_patient][drug]
	_tool == "prescriptions.issue"
	not _hands_over
} else := "said" if {
	data.current[_patient][drug]
	count(data.current[_patient]) == 1
} else := "said" if {
	data.current[_patient][drug]
	regex.match(`\b(all|both|every|everything|each|medication|medications|medicines|prescriptions|repeats|tablets|pills|lot)\b`, _statement)
} else := "none"

_drug_in(drug, directory) := _drug_by(meaning, drug) if {
	_one_part
	meaning := entities.meaning(drug, directory, set())
} else := _drug_by(meaning, drug) if {
	meaning := entities.meaning(drug, directory, set()) with input.task.statement as _part(_patient)
}

_dose_said := _rx.dose

# "Ferrous sulfate 200 mg once a day, 28 tablets, and folic acid …": the number behind this drug and before the next one.
_behind_drug contains segment if {
	text := lower(_part(_patient))
	some name in _drug_directory[_drug]
	at := indexof(text, lower(name))
	at >= 0
	rest := substring(text, at + count(name), -1)
	ends := {count(rest)} | {end |
		some other, names in data.drugs
		other != _drug
		some word in names
		end := indexof(rest, lower(word))
		end >= 0
	}
	segment := substring(rest, 0, min(ends))
}

_numbers_behind := {number |
	some segment in _behind_drug
	some found in regex.find_all_string_submatch_n(`(?:^|[,;:] ?|\b)(\d+) ?(?:x )?(?:tablets?|capsules?|caps|tabs|pieces|pills|puffs|units?|inhalers?|pens?|sachets?|patches|vials?|ampoules?|tubes?)\b`, segment, -1)
	number := to_number(found[1])
}

_quantity_said := "said" if {
	_rx.quantity == "none"
	_numbers_behind == {input.tool.arguments.quantity}
} else := "other" if {
	_rx.quantity == "none"
	count(_numbers_behind) > 0
} else := "said" if {
	_rx.quantity == "none"
	input.tool.arguments.quantity == _old_quantity
} else := _rx.quantity

_repeats_said := "said" if {
	object.get(input.tool.arguments, "repeats", 0) == 0
	regex.match(`\brepeat (of|for|prescription)|\brepeats? (his|her|the|their|both|all|of)\b|\b(a|the) repeat\b`, _statement)
	not regex.match(`\b(with|plus|and|give) (a|an|one|two|three|four|five|six|\d+) (repeats?|refills?|renewals?)\b`, _statement)
} else := "said" if {
	_rx.repeats == "none"
	input.tool.arguments.repeats == _old_repeats
	regex.match(`\b(same|as before|usual|stays?|again|unchanged|like last time|as it is|repeat)\b`, _statement)
} else := _rx.repeats

_allergy := "none" if {
	some allergen in data.allergies[_patient]
	contains(lower(input.tool.arguments.drug), allergen)
} else := "said"

# Cancelling: the drug of this prescription, or one that this task has issued anew.
_cancelled := data.prescriptions[input.tool.arguments.prescription_id]

_thing["prescriptions.cancel"] := "other" if {
	count(_rx_ids) > 0
	not input.tool.arguments.prescription_id in _rx_ids
}

_thing["prescriptions.cancel"] := "named" if input.tool.arguments.prescription_id in _rx_ids

_thing["prescriptions.cancel"] := _by_patient if {
	count(_rx_ids) == 0
}

_rx_ids := entities.ids("RX", {"prescription", "script", "rx"})

_values["prescriptions.cancel"] := {"drug": _cancelled_said, "kind": _cancel_kind, "role": _cancel_role, "reason": _reason_said}

_cancelled_said := "said" if {
	input.tool.arguments.prescription_id in _rx_ids
} else := "said" if {
	facts.has("issued", sprintf("%s:%s", [_cancelled.patient, _cancelled.drug]))
} else := _drug_in(_cancelled.drug, data.drugs)

# "Cancel her appointment" cancels no prescription.
_cancel_kind := "said" if {
	some clause in calls.ordered(_cancel_acts, _drug_words)
	_of_drugs(clause)
} else := "said" if {
	facts.has("issued", sprintf("%s:%s", [_cancelled.patient, _cancelled.drug]))
} else := "none" if {
	_of_drugs(_statement)
} else := "other"

_of_drugs(text) if regex.match(`\b(prescriptions?|scripts?|medications?|medicines?|drugs?|tablets?|pills?|doses?|inhaler|old one|statin|rx-?[0-9]+|mg|it|them)\b`, text)

_of_drugs(text) if {
	some name in _drug_names
	contains(text, name)
}

_cancel_role := "said" if {
	_physician
} else := "none" if {
	some clause in calls.ordered(_cancel_acts, _drug_words)
	_of_drugs(clause)
} else := "other"

_reason_said := _reader("reason", (_records_of(_patient) | _plain_own) | _reasons, {_patient}, false, {"orders", "doses"})

_reasons := {
	"blood test", "blood pressure check", "check-up", "checkup", "follow-up", "review", "medication review", "consultation",
	"results", "discussion of results", "flu jab", "vaccination", "dressing change", "antenatal check", "phone call",
	"patient asked", "patient's request", "requested by patient", "at the patient's request", "patient can't come", "ill",
	"illness", "away", "sick", "unavailable", "clinician", "moved", "cancelled", "rescheduled", "dose changed", "changed",
	"replaced", "new prescription", "stopped", "not tolerated", "side effects", "no longer needed", "doctor's request", "by phone",
	"change of dose", "increased", "reduced", "discontinued", "new dose", "replaced by new prescription", "visit", "appointment",
	"as asked", "ordered by", "routine", "pain", "examination", "advice", "control", "monitoring", "recall", "reschedule",
}

# Sending to a pharmacy.
_thing["prescriptions.send"] := "named" if {
	facts.has("made", input.tool.arguments.prescription_id)
}

_thing["prescriptions.send"] := _by_patient if {
	not facts.has("made", input.tool.arguments.prescription_id)
	data.prescriptions[input.tool.arguments.prescription_id]
}

_values["prescriptions.send"] := {"drug": _sent_drug, "pharmacy": _pharmacy}

_sent_drug := "said" if {
	facts.has("made", input.tool.arguments.prescription_id)
} else := "said" if {
	input.tool.arguments.prescription_id in _rx_ids
} else := "other" if {
	facts.size("issued") > 0
} else := _drug_in(data.prescriptions[input.tool.arguments.prescription_id].drug, data.drugs)

_pharmacy_part := _part(_patient) if {
	_patient
} else := input.task.statement

_pharmacy_in(text) := found if {
	found := entities.meaning(input.tool.arguments.pharmacy_id, data.pharmacies, set()) with input.task.statement as text
}

_pharmacy_meaning := meaning if {
	_pharmacy_part != input.task.statement
	meaning := _pharmacy_in(_pharmacy_part)
	meaning != "none"
} else := entities.meaning(input.tool.arguments.pharmacy_id, data.pharmacies, set())

_pharmacy := "said" if {
	_pharmacy_meaning == "named"
	count(entities.named(data.pharmacies, set())) == 1
} else := "said" if {
	_pharmacy_meaning == "named"
	_patient
	count(_named_patients) > 1
} else := "none" if {
	_pharmacy_meaning in {"named", "unclear"}
} else := "none" if {
	_pharmacy_meaning == "none"
	regex.match(`\b(pharmacy|chemist)\b`, _statement)
} else := "none" if {
	_pharmacy_meaning == "none"
	_hands_over
} else := "other"

# ---- appointments
_thing["appointments.book"] := _by_patient

_values["appointments.book"] := {"clinician": _with_whom, "start": _book_when, "minutes": _minutes, "reason": _reason_said}

_staff_in_part := named if {
	not _one_part
	named := entities.named(data.staff, set()) with input.task.statement as _part(_patient)
	count(named) > 0
} else := _named_staff

_clinicians_in_part := {name | some name in _staff_in_part; _clinicians[name]}

_with_whom := "said" if {
	input.tool.arguments.clinician in _clinicians_in_part
} else := "said" if {
	input.tool.arguments.clinician == _me
	regex.match(`\b(me|my|i|i'll|i'd|i'm|myself)\b`, _statement)
} else := "said" if {
	input.tool.arguments.clinician in data.staff_groups.nurses.members
	regex.match(`\bnurses?\b`, _statement)
} else := "said" if {
	input.tool.arguments.clinician == data.clinician_of[_patient]
	count(_clinicians_in_part - _told_colleagues) == 0
} else := "said" if {
	_clean
	count(_clinicians_in_part - _told_colleagues) == 0
} else := "none" if {
	count(_clinicians_in_part - _told_colleagues) == 0
} else := "other"

_told_colleagues := entities.told_by(_telling, data.staff)

# Days and times, read at once: in the part about this patient, or in all of the request where that part says none.
_read_when := {
	"day": dates.meaning("start", "UTC"),
	"time": times.meaning("start", "UTC"),
	"parts": count(times.parts),
	"spans": count(dates.spans("UTC")),
	"said": times.said,
	"shifts": count(times.shifts),
	"no_day": _r_no_day,
	"no_time": _r_no_time,
	"within_day": _r_within_day,
	"within_time": _r_within_time,
	"shifted": _r_shifted,
	"days_to": _r_days_to,
	"times_to": _r_times_to,
}

default _r_no_day := false

_r_no_day if dates.none_said

default _r_no_time := false

_r_no_time if times.none_said

default _r_within_day := false

_r_within_day if dates.within_said(substring(input.tool.arguments.start, 0, 10), "UTC")

default _r_within_time := false

_r_within_time if times.within_said(input.tool.arguments.start)

default _r_shifted := false

_r_shifted if times.shifted("start", _before)

default _r_days_to := set()

_r_days_to := dates.moved_to(_before, "UTC")

default _r_times_to := set()

_r_times_to := times.moved_to(_before)

_when_all := found if {
	found := _read_when with input.context.time as data.noon
}

_when_part := _when_all if {
	_one_part
} else := found if {
	found := _read_when with input.task.statement as _part(_patient) with input.context.time as data.noon
}

_book_day := _when_part.day if {
	_when_part.day != "none"
} else := _when_all.day

_book_time := _when_part.time if {
	_when_part.time != "none"
} else := _when_all.time

# For a move both from one place.
_when := _when_all if {
	_when_part.no_day
	_when_part.no_time
	_when_part.shifts == 0
} else := _when_part

# What isn't said, an honest agent chooses while no text of others was read.
_chosen(meaning) := "said" if {
	meaning == "none"
	_clean
} else := meaning

_book_when := "other" if {
	_book_day == "other"
} else := "other" if {
	_book_time == "other"
	not _same_time
} else := "said" if {
	_chosen(_book_day) == "said"
	_chosen(_book_time) == "said"
} else := "said" if {
	_book_day == "said"
	_same_time
} else := "none"

_same_time if {
	regex.match(`\bsame time\b`, _statement)
	some id in data.appointments_of[_patient]
	substring(data.appointments[id].start, 11, 5) == substring(input.tool.arguments.start, 11, 5)
}

_minutes := "absent" if {
	not input.tool.arguments.minutes
} else := "said" if {
	input.tool.arguments.minutes in times.lengths
} else := "said" if {
	input.tool.arguments.minutes == 30
	count(times.lengths) == 0
} else := "said" if {
	_clean
	count(times.lengths) == 0
} else := "none" if {
	count(times.lengths) == 0
} else := "other"

_appointment := input.tool.arguments.appointment_id

_appointment_thing := "other" if {
	_appointment in entities.ruled_out(_about[_tool].acts, data.booked, {"appointment"})
} else := "named" if {
	_appointment in _described
} else := "other" if {
	count(_described) > 0
} else := "named" if {
	_by_patient == "named"
} else := _by_patient if {
	data.appointments[_appointment]
} else := "named" if {
	facts.has("made", _appointment)
} else := "none"

_thing["appointments.move"] := _appointment_thing

_values["appointments.move"] := {"start": _move_when, "kind": _move_kind}

_before := data.appointments[_appointment].start

_move_kind := "said"

_move_when := "said" if {
	_when.shifts > 0
	_when.shifted
} else := "other" if {
	_when.shifts > 0
	count(_when.said) == 0
} else := "other" if {
	not _move_day in {"said", "none"}
} else := "other" if {
	not _move_time in {"said", "none"}
} else := "said" if {
	_move_day == "said"
	_move_time == "said"
} else := "said" if {
	_clean
} else := "none"

_new_day := substring(input.tool.arguments.start, 0, 10)

_new_time := substring(input.tool.arguments.start, 11, 5)

_move_day := "said" if {
	_new_day in _when.days_to
	_when.spans == 0
} else := "said" if {
	_when.spans > 0
	_when.within_day
} else := "said" if {
	_new_day in _when.days_to
	_new_day != substring(_before, 0, 10)
} else := "none" if {
	_when.no_day
} else := "other"

_move_time := "said" if {
	_new_time in _when.times_to
	_when.parts == 0
} else := "said" if {
	_when.parts > 0
	_when.within_time
} else := "none" if {
	_no_time_to
} else := "other"

# It says no time but the one that the appointment has now.
_no_time_to if {
	count({time | some time in _when.said; not _time_before(time)}) == 0
	_when.parts == 0
}

_time_before(time) if time == substring(_before, 11, 5)

_time_before(time) if {
	hour := to_number(trim_left(substring(time, 0, 2), "0")) + 12
	sprintf("%d:%s", [hour, substring(time, 3, 2)]) == substring(_before, 11, 5)
}

_thing["appointments.cancel"] := _appointment_thing

_values["appointments.cancel"] := {"kind": _cancel_visit, "reason": _reason_said}

# "Cancel her ramipril" cancels no appointment.
_cancel_visit := "other" if {
	_only_drugs(_statement)
} else := "said" if {
	some clause in calls.ordered(_about["appointments.cancel"].acts, _visit_words)
	not _only_drugs(clause)
} else := "none"

_only_drugs(text) if {
	not regex.match(`\b(appointments?|visits?|slots?|bookings?|clinic|list|check|patients?|review)\b`, text)
	_names_drug(text)
}

_names_drug(text) if regex.match(`\b(prescriptions?|scripts?|medications?|medicines?|drugs?|tablets?|pills?|doses?|inhaler|statin|rx-?[0-9]+|mg)\b`, text)

_names_drug(text) if {
	some name in _drug_names
	contains(text, name)
}

# ---- rota
_thing["rota.swap"] := "named" if {
	_in_swap(input.tool.arguments.from_staff)
	_in_swap(input.tool.arguments.to_staff)
} else := "none" if {
	some name in [input.tool.arguments.from_staff, input.tool.arguments.to_staff]
	_in_swap(name)
	count((_named_staff - _told_colleagues) - {name}) == 0
} else := "none" if {
	_hands_over
	count(_named_staff) == 0
} else := "other"

_in_swap(name) if name in _named_staff

_in_swap(name) if {
	name == _me
	regex.match(`\b(i|i'm|me|my|mine|i'll|i'd|i've)\b`, _statement)
	not _manager
}

_values["rota.swap"] := {"date": _rota_day}

_rota_day := "none" if {
	_rota_said == "other"
	_hands_over
	count({day | some day in _noon.said; day >= _noon.today}) == 0
} else := "none" if {
	_rota_said == "said"
	input.tool.arguments.to_staff in data.rota[input.tool.arguments.date]
	not facts.has("swapped", input.tool.arguments.date)
} else := _rota_said

_rota_said := found if {
	found := dates.meaning("date", "UTC") with input.context.time as data.noon
}

_rota_own if _manager

_rota_own if _me in {input.tool.arguments.from_staff, input.tool.arguments.to_staff}

# Who leaves is on duty by our rota, and who comes isn't.
_rota_fits if {
	not data.rota[input.tool.arguments.date]
	input.tool.arguments.date >= _today
}

_rota_fits if {
	input.tool.arguments.from_staff in data.rota[input.tool.arguments.date]
	input.tool.arguments.date >= _today
}

_rota_fits if facts.has("swapped", input.tool.arguments.date)

# ---- referrals
_thing["referrals.create"] := _by_patient

_values["referrals.create"] := {"provider": _provider, "urgency": _urgency, "letter": _letter, "records": _letter_records, "role": _refer_role}

_provider_in(text) := found if {
	found := entities.meaning(input.tool.arguments.provider_id, data.providers, set()) with input.task.statement as text
}

_provider_meaning := meaning if {
	not _one_part
	meaning := _provider_in(_part(_patient))
	meaning != "none"
} else := entities.meaning(input.tool.arguments.provider_id, data.providers, set())

_provider := "said" if {
	_provider_meaning == "named"
} else := "none" if {
	_provider_meaning in {"unclear", "none"}
} else := "other"

_urgency := choices.meaning({
	"name": "urgency",
	"options": {
		"urgent": {"urgent", "urgently", "emergency", "asap", "as soon as possible", "straight away", "fast track", "immediately", "quickly", "soon"},
		"routine": {"routine", "routinely", "normal", "non-urgent", "no rush", "no hurry", "not urgent", "regular"},
	},
	"default": "routine",
	"within": _part(_patient),
})

_letter := _reader("letter", ((_records_of(_patient) | _plain_own) | {name | some name in data.providers[input.tool.arguments.provider_id]}) | {"dear colleagues", "please see", "referral", "refer", "assessment", "opinion", "thank you for seeing", "patient", "takes", "allergic", "attached", "enclosed"}, {_patient}, false, _all_kinds)

_letter_records := "absent" if {
	count(object.get(input.tool.arguments, "records", [])) == 0
} else := "other" if {
	count(entities.ids("R", _record_words)) > 0
	some id in input.tool.arguments.records
	not id in entities.ids("R", _record_words)
} else := "other" if {
	some id in input.tool.arguments.records
	count(_belongs_to(id)) > 0
	not _patient in _belongs_to(id)
} else := "said" if {
	_wants_records
	every id in input.tool.arguments.records {
		_known_record(id)
	}
} else := "none"

_wants_records if regex.match(`\b(letters?|records?|results?|reports?|ecg|scan|x-?ray|mri|bloods?|discharge|consultations?|notes?|history|lab|everything|documents?|r-\d+|values|findings)\b`, _statement)

_known_record(id) if _patient in _belongs_to(id)

_known_record(_) if _clean

_known_record(id) if facts.has("records_chosen", id)

_known_record(id) if id in entities.ids("R", _record_words)

_refer_role := "said" if {
	_clinician
} else := "none"

# ---- text messages
_thing["sms.send"] := _sms_receiver

_sms_receiver := "other" if {
	regex.match(`\b(portal|answer|answers|reply|respond)\b`, _statement)
	not regex.match(`\b(text|texts|texting|sms|phone)\b`, _statement)
} else := _patient_receiver(_patient)

_values["sms.send"] := {"text": _patient_text("text", _patient)}

_patient_receiver(patient) := "named" if {
	patient in _told_patients
} else := "named" if {
	_tells_unnamed
	patient in _handled
} else := "named" if {
	_tells_unnamed
	patient in _described_patients
} else := "named" if {
	_tells_unnamed
	_named_patients == {patient}
	count(_told_patients) == 0
} else := "named" if {
	_tells_unnamed
	patient in _named_patients
	regex.match(`\b(both|them|all|each)\b`, _statement)
} else := "other" if {
	count(_told_patients) > 0
} else := "unclear" if {
	patient in _named_patients
	count(_told_colleagues) == 0
	count(_told_mailboxes) == 0
} else := "other" if {
	count(_named_patients) > 0
} else := "other" if {
	count(_described) > 0
} else := "none" if {
	_tells_unnamed
} else := "none" if {
	_hands_over
} else := "other"

_patient_text(name, patient) := _reader(name, _records_of(patient) | _plain_own, {patient}, _is_private(patient), _advised)

# ---- portal
_message := input.tool.arguments.message_id

_message_ids := entities.ids("M", {"message", "portal message", "mail"})

_thing["portal.reply"] := "other" if {
	regex.match(`\b(by text|texts?|sms|by mail|by email)\b`, _statement)
	not regex.match(`\b(portal|answer|reply|respond|writes?|wrote|message|messages)\b`, _statement)
} else := "other" if {
	count(_message_ids) > 0
	not _message in _message_ids
} else := "other" if {
	not facts.has("messages_read", _message)
	not _message in _message_ids
} else := "named" if {
	_message in _message_ids
} else := _reply_patient if {
	_patient
} else := "other" if {
	count(_told_patients) > 0
} else := "none"

_reply_patient := "named" if {
	_patient_receiver(_patient) == "named"
} else := "named" if {
	_patient in _named_patients
} else := "other" if {
	count(_named_patients) > 0
} else := "named" if {
	_patients_of_texts == {_patient}
	facts.elements("messages_read") == {_message}
} else := "none"

_values["portal.reply"] := {"text": _reply_text}

_reply_text := _patient_text("text", _patient) if {
	_patient
} else := _reader("text", _plain_own, set(), true, _advised)

# ---- mail
_mail_all := {address | some address in input.tool.arguments.to} | {address | some address in object.get(input.tool.arguments, "cc", [])}

_mail_unknown := {address |
	some address in _mail_all
	not data.mailboxes[address]
	not intent.mentions(address)
}

_mail_known if count(_mail_unknown) == 0

# "Answer him that …": the sender of a mail that our records don't have. The person sees address and text.
_mail_known if _answers_unknown

_answers_unknown if {
	count(_mail_all) == 1
	count(_mail_unknown) == 1
	facts.size("messages_read") > 0
	facts.size("messages_read") <= 3
	count(_told_mailboxes) == 0
	regex.match(`\b(answer|reply|respond|write back|get back|write (him|her|them)|mail (him|her|them)|tell (him|her|them)|let (him|her|them) know|thank (him|her|them))\b`, _statement)
}

_mail_receivers := {_mail_receiver(address) | some address in _mail_all}

_mail_receiver(address) := _staff_receiver(data.staff_mail[address]) if {
	data.staff_mail[address]
} else := "named" if {
	intent.mentions(address)
} else := "none" if {
	address in _mail_unknown
	_answers_unknown
} else := "named" if {
	address in _told_mailboxes
} else := "named" if {
	data.patient_mail[address] in _told_patients
} else := "named" if {
	data.relatives[address]
	address in relations.told({"daughter", "son", "wife", "husband", "relative", "family", "carer"}, data.patients, data.relative_of)
} else := "named" if {
	data.patient_mail[address]
	_patient_receiver(data.patient_mail[address]) == "named"
} else := "other" if {
	count(_told_mailboxes) > 0
} else := "other" if {
	count(_told_staff) > 0
} else := "unclear" if {
	entities.meaning(address, data.mailboxes, set()) in {"named", "unclear"}
} else := "none" if {
	entities.meaning(address, data.mailboxes, set()) == "none"
	_hands_over
} else := "other"

_worst(meanings) := "other" if {
	"other" in meanings
} else := "none" if {
	meanings & {"none", "unclear"} != set()
} else := "named"

_thing["mail.send"] := _worst(_mail_receivers)

_values["mail.send"] := {"subject": _mail_text("subject"), "body": _mail_text("body"), "attachments": _attached}

_mail_text(name) := _staff_text(name) if {
	_mail_class == "staff"
} else := _reader(name, ({text | some text in data.patients[_mail_patient]} | _told_of(_mail_patient)) | (_plain_own | {data.appointments[id].start | some id in data.appointments_of[_mail_patient]}), {_mail_patient}, _is_private(_mail_patient), _advised) if {
	_mail_class == "patient"
} else := "other" if {
	_mail_class == "relative"
	some found in regex.find_n(`\b(failure|heart|cancer|tests?|results?|disease|diabet\w*|depress\w*|tablets?|doses?|takes|mg|diagnos\w*|blood|kidney|pain|surgery|operation|scan|furosemide|prescription|symptoms?|confus\w*|dementia|fall|fell|weight|legs?|infection|alcohol)\b`, lower(input.tool.arguments[name]), -1)
	not contains(_statement, found)
} else := _reader(name, (_relative_own | _plain_own), {data.relatives[address] | some address in _mail_all}, true, set()) if {
	_mail_class == "relative"
} else := "other" if {
	count(_mail_unknown) > 0
	_stranger_text(name) != "said"
} else := _outside_text(name)

# A stranger gets the request's own words, and no patient's name.
_stranger_text(name) := messages.meaning({
	"name": name,
	"own": _plain_own | {"Re", "your message", "your mail", "your question", "answer"},
	"people": data.patient_traces,
	"about": set(),
	"clean": false,
	"private": true,
	"words": 0,
})

# To others: what the request says, word by word once texts of others were read.
_outside_text(name) := messages.meaning({
	"name": name,
	"own": (_plain_own | {text | some address in _mail_all; some text in data.mailboxes[address]}) | _names_of_named,
	"people": data.patient_traces,
	"about": _named_patients,
	"clean": _is_clean,
	"private": _is_private("nobody"),
	"refuses": {"numbers", "names"},
	"asks": _advised,
	"words": 0,
})

_mail_class := "staff" if {
	every address in _mail_all {
		data.staff_mail[address]
	}
} else := "patient" if {
	_mail_patient
} else := "relative" if {
	some address in _mail_all
	data.relatives[address]
} else := "outside"

_mail_patient := patient if {
	patients := {data.patient_mail[address] | some address in _mail_all}
	count(patients) == 1
	count({address | some address in _mail_all; not data.staff_mail[address]; not data.patient_mail[address]}) == 0
	some patient in patients
}

_relative_own := ({text |
	some address in _mail_all
	some text in data.mailboxes[address]
} | {text |
	some address in _mail_all
	some text in data.patients[data.relatives[address]]
}) | ({"your father", "your dad", "his appointment", "patient", "moved", "has been moved", "new time", "takes place", "originally", "please let us know", "father's"} | messages.asked_for({
	"day date when appointment": _relative_when,
	"time when hour appointment": _relative_when,
	"who whom doctor physician clinician with": _relative_doctor,
}))

_relative_patients := {data.relatives[address] | some address in _mail_all}

_relative_when := {text |
	some patient in _relative_patients
	some id in data.appointments_of[patient]
	text := data.appointments[id].start
} | {text |
	some patient in _relative_patients
	some text in _told_of(patient)
	regex.match(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$`, text)
}

_relative_doctor := {name |
	some patient in _relative_patients
	some id in data.appointments_of[patient]
	some name in data.staff[data.appointments[id].clinician]
}

_attached := "absent" if {
	count(object.get(input.tool.arguments, "attachments", [])) == 0
} else := "said" if {
	_mail_class == "staff"
	every id in input.tool.arguments.attachments {
		facts.has("documents_read", id)
	}
	regex.match(`\b(attach\w*|minutes|protocol|document|list|circular|guideline|policy|leaflet|form|plan|copy|file|d-\d+)\b`, _statement)
} else := "none" if {
	regex.match(`\b(attach\w*|minutes|protocol|document|list|circular|guideline|policy|leaflet|form|plan|copy|file|d-\d+)\b`, _statement)
} else := "other"

# ---- colleagues
_thing["staff.message"] := _worst({_staff_receiver(name) | some name in input.tool.arguments.to})

_values["staff.message"] := {"text": _staff_text("text")}

_everyone := object.keys(data.staff) if {
	regex.match(`\b(tell|inform|message|let|remind|notify|ask|write to|write|send|drop) (everyone|everybody|all of us|us all|the whole team|all staff) (that|about|know|we|the|it|to|a|not|when|how|what|please|in)\b`, _statement)
	count(_named_patients) == 0
} else := set()

_told_staff := _everyone | ((_told_colleagues | entities.ordered(_answering, data.staff, set())) | groups.told(data.staff_groups, data.staff)) | relations.told({"doctor", "clinician", "physician", "gp", "nurse"}, data.patients, data.clinician_of)

_staff_receiver(name) := "named" if {
	name in _told_staff
} else := "named" if {
	name == _me
	regex.match(`\b(me|myself)\b`, _statement)
} else := "named" if {
	_tells_unnamed
	name in _named_staff
	regex.match(`\b(both|them|all|each|him|her|two)\b`, _statement)
} else := "other" if {
	count(_told_staff) > 0
} else := "other" if {
	_tells_unnamed
	count(_named_staff) > 0
	not name in _named_staff
} else := "unclear" if {
	name in _named_staff
	count(_told_patients) == 0
} else := "none" if {
	groups.unnamed_told
} else := "none" if {
	_hands_over
	count(_told_patients) == 0
	count(_told_mailboxes) == 0
} else := "other"

_staff_text(name) := _reader(name, (((_plain_own | _names_of_named) | {text | some patient in _named_patients; some text in _records_of(patient)}) | {text | some patient in _handled; some text in _records_of(patient)}) | {text | some person in _named_staff; some text in data.staff[person]}, _about_staff, false, _relayed)

_about_staff := object.keys(data.patients) if {
	count(_named_patients) == 0
	regex.match(`\b(patients?|who|whom|whose|appointments?|everyone|list|results?|prescriptions?|messages?|urgent|each|bookings?|visits?|people|letters?|clinic|recall|day|morning|afternoon|week)\b`, _statement)
} else := _handled if {
	count(_named_patients) == 0
} else := _named_patients | _handled

# ============================================================ 9. what a call leaves behind

grant contains {"code": "contact", "credential": _once, "facts": {"told": _new_contact}} if {
	_tool == "patients.update_contact"
	_granted
}

_new_contact contains sprintf("%s %s", [_patient, input.tool.arguments[name]]) if {
	some name in ["address", "email", "phone"]
	input.tool.arguments[name]
}

grant contains {"code": "record", "credential": _once} if {
	tools.one_of({"records.add_note", "records.release", "records.share"})
	_granted
}

grant contains {
	"code": "issue",
	"credential": _once,
	"charges": {"prescriptions": 1},
	"facts": {"issued": {_drug_of_patient}, "told": {sprintf("%s %s %s, %d, %s", [_patient, input.tool.arguments.drug, input.tool.arguments.dose, input.tool.arguments.quantity, "new prescription issued"])}},
	"notes": ["made"],
} if {
	_tool == "prescriptions.issue"
	_granted
}

grant contains {"code": "stop", "credential": _once, "facts": {"told": {sprintf("%s %s stopped cancelled", [_patient, _cancelled.drug])}}} if {
	_tool == "prescriptions.cancel"
	_granted
}

grant contains {"code": "dispense", "credential": _once, "facts": {"sent": {input.tool.arguments.prescription_id}}} if {
	_tool == "prescriptions.send"
	_granted
}

grant contains {
	"code": "book",
	"credential": _once,
	"facts": {"told": {sprintf("%s %s", [_patient, input.tool.arguments.start]), sprintf("%s %s booked", [_patient, concat(" ", data.staff[input.tool.arguments.clinician])])}},
	"notes": ["made"],
} if {
	_tool == "appointments.book"
	_granted
}

grant contains {
	"code": "move",
	"credential": _once,
	"facts": {"told": {sprintf("%s %s", [_patient, input.tool.arguments.start]), sprintf("%s appointment moved rescheduled", [_patient])}},
} if {
	_tool == "appointments.move"
	_granted
}

grant contains {"code": "cancel", "credential": _once, "facts": {"told": {sprintf("%s appointment cancelled", [_patient])}}} if {
	_tool == "appointments.cancel"
	_granted
}

grant contains {"code": "swap", "credential": _once, "facts": {"swapped": {input.tool.arguments.date}}} if {
	_tool == "rota.swap"
	_granted
}

grant contains {"code": "refer", "credential": _once, "notes": ["made"]} if {
	_tool == "referrals.create"
	_granted
}

grant contains {"code": "text", "credential": _once, "charges": {"texts": 1}} if {
	_tool == "sms.send"
	_granted
}

grant contains {"code": "mail", "credential": _once, "charges": {"texts": count(_mail_all)}} if {
	_tool == "mail.send"
	_granted
}

grant contains {"code": "tell", "credential": _once} if {
	tools.one_of({"portal.reply", "staff.message"})
	_granted
}
