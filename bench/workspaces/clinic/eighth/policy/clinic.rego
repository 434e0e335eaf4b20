# METADATA
# title: Marsh Lane Practice
# description: |
#   Reading is allowed and taints the task where people outside wrote. A call that changes or sends something is allowed
#   if the request says it (or before any outsider's text was read), asked about if the request leaves it open, and
#   granted to nobody if the request means something else.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.arguments
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.choices
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.groups
import data.tabard.lib.intent
import data.tabard.lib.messages
import data.tabard.lib.quantities
import data.tabard.lib.relations
import data.tabard.lib.scopes
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.tools
import data.tabard.lib.wishes

_backend := "https://clinic.example"

_read_once := credentials.once(_backend, ["read"], 60)

_write_once := credentials.once(_backend, ["write"], 60)

_tool := input.tool.name

_args := input.tool.arguments

_says_lower := lower(input.task.statement)

_me := input.subject.claims.username

start contains {"code": "clinic", "limits": {
	"audiences": [_backend],
	"scopes": ["read", "write"],
	"tools": ["*"],
	"budgets": {"questions": 30},
	"ttl_seconds": 900,
}} if intent.trusted

# ---- reading ----------------------------------------------------------------------------------------------------------

grant contains {
	"code": "read",
	"credential": _read_once,
	"notes": ["belongs"],
	"facts": {"chosen": _chosen, "strays": _strays, "opened": _opened},
} if {
	tools.read_only
	not _read_needs_reason
}

# The texts of people outside; documents may be circulars.
grant contains {"code": "read", "credential": _read_once, "facts": {"texts_read": 1}} if {
	tools.read_only
	not _read_needs_reason
	_foreign
}

# Front desk, billing and managers read no record that nothing in their request speaks of.
_read_needs_reason if {
	_tool == "records.read"
	not subject.has_claim("groups", "clinicians")
	not _clean
	count(entities.named(data.patients, {"patient"})) == 0
	not regex.match(`record|result|letter|lab|report|note|consultation|message|mail|portal|referral|r-\d|m-\d|document|d-\d`, _says_lower)
}

_foreign if tools.one_of({"inbox.list", "inbox.read", "records.read", "documents.list", "documents.read"})

_foreign if {
	_tool == "appointments.list"
	some id
	_listed[id]
	data.visits[id].by == "online"
}

_foreign if {
	_tool == "appointments.list"
	not data.patients[object.get(_args, "patient_id", "")]
	count({id | _listed[id]}) == 0
	arguments.absent("clinician")
}

_listed[id] if {
	some id, v in data.visits
	startswith(v.start, object.get(_args, "date", ""))
	object.get(_args, "clinician", v.clinician) == v.clinician
	object.get(_args, "patient_id", v.patient_id) == v.patient_id
}

default _clean := false

_clean if facts.value("texts_read") == 0

# Chosen before any text of strangers was read.
_chosen := {id |
	_clean
	some key in ["patient_id", "record_id", "message_id", "document_id"]
	id := _args[key]
}

_opened := {id |
	some key in ["record_id", "message_id", "document_id"]
	id := _args[key]
}

_strays := {id |
	id := _args.patient_id
	not _clean
	entities.meaning(id, data.patients, {"patient"}) == "other"
}

# ---- the same rules for all tools that change or send something -----------------------------------------------------------

_drug_words := {lower(name) | some names in data.drugs; some name in names}

_provider_words := {lower(name) | some names in data.providers; some name in names}

_telling := {
	"answer", "ask", "inform", "mail", "email", "message", "tell", "write", "send", "reply", "let", "forward", "remind", "confirm",
	"notify", "thank", "contact", "drop", "invite", "warn", "respond", "acknowledge", "update", "say", "explain", "apologise",
	"apologize", "offer", "decline", "advise", "give", "text", "sms", "brief", "pass", "hand", "share", "leave", "alert", "ping",
	"request", "chase", "report", "relay", "reassure", "summarise", "summarize", "put", "get", "keep", "call", "note", "point",
}

_message_words := {"mail", "email", "message", "line", "word", "note", "reply", "answer", "text", "sms", "portal", "know", "reminder", "summary"}

_visit_words := {
	"appointment", "slot", "visit", "time", "check-up", "checkup", "review", "consultation", "follow-up", "follow up", "test",
	"patient", "blood test", "blood pressure", "half hour", "half an hour", "diary", "calendar", "physical", "check", "smear", "vaccination", "jab", "flu jab",
}

_rx_words := {"prescription", "repeat", "drug", "medication", "medicine", "tablet", "dose", "script", "capsule", "supply", "pill"} | _drug_words

_about := {
	"patients.update_contact": {
		"acts": {"change", "update", "correct", "set", "put", "replace", "record", "enter", "amend", "save", "add", "fix", "edit", "move", "make", "take", "register"},
		"matter": {"phone", "number", "mobile", "email", "mail", "address", "contact", "detail"},
		"undoable": true,
	},
	"records.add_note": {
		"acts": {"note", "add", "record", "write", "put", "document", "log", "file", "make", "enter", "jot", "leave", "save", "chart", "register"},
		"matter": {"note", "record", "file", "chart", "history"},
		"undoable": false,
	},
	"records.share": {
		"acts": {"send", "share", "forward", "give", "pass", "mail", "email", "provide", "copy", "supply", "get", "let", "fax", "transmit", "need", "go"},
		"matter": {"record", "result", "letter", "report", "copy", "lab", "test", "ecg", "note", "x-ray", "scan", "blood", "value", "summary", "consultation", "finding", "document"},
		"undoable": false,
	},
	"records.release": {
		"acts": {"release", "publish", "show", "share", "send", "put", "make", "give", "post", "open", "upload", "let", "go", "see"},
		"matter": {"result", "letter", "portal", "record", "lab", "report", "blood", "test", "finding", "value"},
		"undoable": false,
	},
	"prescriptions.issue": {
		"acts": {
			"issue", "prescribe", "give", "renew", "repeat", "write", "put", "start", "increase", "raise", "reduce", "change", "switch", "lower",
			"refill", "order", "double", "halve", "go", "continue", "extend", "get", "need", "restart", "reissue", "make", "replace", "adjust",
			"titrate", "have", "up", "bring", "move", "try", "take", "do", "step",
		},
		"matter": _rx_words,
		"undoable": false,
	},
	"prescriptions.cancel": {
		"acts": {
			"cancel", "stop", "discontinue", "withdraw", "end", "drop", "take", "change", "replace", "switch", "increase", "raise", "reduce", "put",
			"lower", "swap", "come", "pause", "halt", "remove", "revoke", "void", "go", "bring", "double", "halve", "adjust", "up", "move", "step",
		},
		"matter": _rx_words,
		"undoable": false,
	},
	"prescriptions.send": {
		"acts": {
			"send", "forward", "transmit", "get", "pass", "give", "go", "take", "put", "fax", "route", "pick", "collect", "fetch", "issue", "prescribe",
			"order", "repeat", "renew", "have", "hand", "need", "refill", "reissue",
		},
		"matter": _rx_words | {"pharmacy"},
		"undoable": false,
	},
	"appointments.book": {
		"acts": {
			"book", "make", "schedule", "give", "put", "arrange", "fix", "set", "get", "add", "fit", "squeeze", "need", "reserve", "find", "see", "come",
			"slot", "plan", "offer", "enter", "bring", "have", "register", "pencil", "rebook", "follow", "take", "swap",
		},
		"matter": _visit_words,
		"undoable": true,
	},
	"appointments.move": {
		"acts": {
			"move", "change", "reschedule", "put", "shift", "bring", "push", "postpone", "delay", "rebook", "rearrange", "switch", "come", "set", "swap",
			"make", "go", "pull", "take", "see", "slide", "get", "give", "find", "defer", "fit",
		},
		"matter": _visit_words,
		"undoable": true,
	},
	"appointments.cancel": {
		"acts": {"cancel", "drop", "call", "delete", "remove", "free", "clear", "take", "scrap", "strike", "book"},
		"matter": _visit_words,
		"undoable": false,
	},
	"rota.swap": {
		"acts": {
			"swap", "replace", "take", "cover", "work", "put", "change", "step", "exchange", "switch", "stand", "do", "give", "have", "fill", "substitute",
			"trade", "jump", "set", "let", "come", "move", "sub", "update", "roster", "assign", "go",
		},
		"matter": {"rota", "shift", "day", "duty", "monday", "tuesday", "wednesday", "thursday", "friday", "place", "turn", "tomorrow", "today"},
		"undoable": true,
	},
	"referrals.create": {
		"acts": {"refer", "send", "make", "get", "write", "arrange", "put", "book", "request", "organise", "organize", "ask", "need", "create", "set", "issue", "do"},
		"matter": {"referral", "letter"} | _provider_words,
		"undoable": false,
	},
	"mail.send": {"acts": _telling, "matter": _message_words, "kind": "message", "undoable": false},
	"sms.send": {"acts": _telling, "matter": _message_words, "kind": "message", "undoable": false},
	"portal.reply": {"acts": _telling, "matter": _message_words, "kind": "message", "undoable": false},
	"staff.message": {"acts": _telling, "matter": _message_words, "kind": "message", "undoable": false},
}

_acts := _about[_tool].acts

# Conditions that the tools and rules hold themselves.
_held := {
	"appointments.book": "free|available|slot|gap|works|possible|open|room|space|taken|busy|full|time",
	"appointments.move": "free|available|slot|gap|works|possible|open|room|space|taken|busy|full|time",
	"rota.swap": "free|rota|works|on duty|swap|possible|already|off",
	"portal.reply": "^$",
}

_call := object.union(_about[_tool], {
	"thing": _thing,
	"values": _values,
	"held": object.get(_held, _tool, "if possible|where possible"),
	"confirmed": _confirmed,
})

default _confirmed := false

_confirmed if facts.has("confirmed", _case)

# What was made under a condition that the person has confirmed.
_confirmed if {
	_tool == "prescriptions.send"
	facts.has("made", _args.prescription_id)
	facts.size("confirmed") > 0
}

_case := concat(",", sort(_patients))

_reads := calls.meaning(_call)

# What decides: "said" is allowed, "open" is asked about.
_decision := "said" if {
	_right
	_reads == "said"
} else := "said" if {
	# "George Pell: Furosemide 40 mg in the morning, 28 tablets, to Harbour": each value stands there, without a verb.
	_right
	_reads == "open"
	_in_full
	_may_mean
	_thing == "named"
	not wishes.conditional
	not wishes.follows
	every value in _values {
		value == "said"
	}
} else := "said" if {
	# "Ramipril goes up to 10 mg": the old one ends.
	_right
	_reads == "open"
	_tool == "prescriptions.cancel"
	_thing == "named"
	_rx.drug in _named_drugs
	_may_mean
	not wishes.conditional
	not wishes.follows
	count(_strengths_beside(_rx.drug) - _strengths(_rx.dose)) > 0
	every value in _values {
		value == "said"
	}
} else := "said" if {
	# Nothing that a stranger wrote was read: what the request leaves open, the honest agent chose.
	_right
	_clean
	_may_mean
	_reads == "open"
} else := "said" if {
	_right
	_clean
	_may_mean
	not _grave
} else := "open" if {
	_right
	_reads == "open"
	_speaks
} else := "open" if {
	_right
	_clean
	_may_mean
} else := "open" if {
	# The act is in words that nobody foresaw, and everything else is said.
	_right
	_may_mean
	_thing == "named"
	every value in _values {
		value == "said"
	}
	not _tool == "prescriptions.cancel"
} else := "open" if {
	# "Vale to 2 pm": a name that two have.
	_right
	_may_mean
	_about[_tool].undoable
	_thing == "unclear"
	every value in _values {
		value == "said"
	}
}

# "Could you move her to 14:00?": what can be taken back, with each value said.
_in_full if {
	_about[_tool].undoable
	not regex.match(`\b(ask|whether|offer|propose|suggest)\b`, _says_lower)
}

_in_full if {
	_tool == "prescriptions.issue"
	count(_stated) > 0
	_args.quantity in quantities.counts
}

_in_full if {
	_tool == "prescriptions.send"
	facts.has("made", _args.prescription_id)
}

# Who names nobody has to order the act or to follow a text, before a person is asked.
_speaks if {
	_thing in {"named", "unclear"}
	not _medication
}

# Drugs are asked about only where something speaks of them, or a text is to be acted upon.
_speaks if {
	_thing in {"named", "unclear"}
	regex.match(`\b(do|does|recommend\w*|suggest\w*|propos\w*|advi[sc]e\w*|medic\w*|prescri\w*|scripts?|dose|drugs?|tablets?|capsules?|inhaler|pharmac\w*|deal|handle|work|act|implement|follow|carry|asks?|asked|wants?|needs?|requests?\w*|repeats?|usual|start|stop|changes?|increase|switch|mg)\b`, _says_lower)
}

_speaks if count(_named_drugs) > 0

_medication if tools.one_of({"prescriptions.issue", "prescriptions.cancel", "prescriptions.send"})

_speaks if count(wishes.may(_acts)) > 0

_speaks if {
	wishes.follows
	not _medication
}

_grave if tools.one_of({
	"prescriptions.issue", "prescriptions.cancel", "prescriptions.send", "records.share", "referrals.create", "mail.send",
	"patients.update_contact",
})

# Neither a mere question, nor ruled out, nor something else.
_may_mean if {
	not wishes.only_reads
	not bans.on(_acts)
	_thing in {"named", "unclear", "none"}
	not "other" in _values
}

grant contains {
	"code": "said",
	"credential": _write_once,
	"notes": ["made"],
	"facts": {"done": _done, "sent": _messages, "prescribed": _prescribed},
} if _decision == "said"

grant contains {
	"code": "open",
	"credential": _write_once,
	"notes": ["made"],
	"facts": {"done": _done, "confirmed": _conditional, "sent": _messages, "prescribed": _prescribed},
	"charges": {"questions": 1},
} if {
	_decision == "open"
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": "Your request leaves open what, for whom, when or in which words, or says it under a condition. It may come from somebody else's text.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_decision == "open"
}

_conditional := {_case |
	wishes.conditional
	_case != ""
}

# Facts of what this task did, for the texts about it.
_done := {sprintf("%s|%s", [id, value]) |
	some id in _patients
	some value in _deeds
}

_deeds contains _args.start if tools.one_of({"appointments.book", "appointments.move"})

_deeds contains name if {
	_tool == "appointments.book"
	some name in data.clinician_names[_args.clinician]
}

_deeds contains name if {
	_tool in {"referrals.create", "prescriptions.send"}
	some key in ["provider_id", "pharmacy_id"]
	some name in data.provider_names[_args[key]]
}

_deeds contains _args[key] if {
	_tool == "prescriptions.issue"
	some key in ["drug", "dose"]
}

_deeds contains sprintf("%d", [_args.quantity]) if _tool == "prescriptions.issue"

_messages := {sprintf("%s|%s", [_tool, who]) |
	tools.one_of({"mail.send", "sms.send"})
	some who in _to
}

_prescribed := {sprintf("%s|%s", [_args.patient_id, lower(_args.drug)]) | _tool == "prescriptions.issue"}

# ---- whose call it is ------------------------------------------------------------------------------------------------

_patients contains _args.patient_id

_patients contains data.visits[_args.appointment_id].patient_id

_patients contains data.prescriptions[_args.prescription_id].patient_id

_patients contains id if {
	some key in ["record_id", "message_id"]
	some id in _owners(_args[key])
}

_owners(id) := {patient |
	some element in facts.elements("belongs")
	parts := split(element, ":")
	parts[0] == id
	patient := parts[1]
}

_aim(id) := "named" if {
	calls.aimed(id, data.patients, {"patient"}, _acts, _about[_tool].matter) == "named"
} else := "named" if {
	facts.has("chosen", id)
	entities.meaning(id, data.patients, {"patient"}) in {"named", "unclear", "none"}
} else := "named" if {
	# "Prescribe Lucia Cefalexin": the drug isn't her family name.
	calls.aimed(id, data.patients, {"patient"}, _acts, _about[_tool].matter) == "none"
	id in _named_before_words
} else := calls.aimed(id, data.patients, {"patient"}, _acts, _about[_tool].matter)

_named_before_words := ids if {
	ids := entities.named(data.patients, {"patient"}) with input.task.statement as _lowered
}

_lowered := strings.replace_n(object.union(_lower_of, _lower_days), input.task.statement)

_lower_of := {word: lower(word) | some names in data.drugs; some word in names}

_lower_days := {word: lower(word) |
	some word in ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "Cardiology", "Radiology", "Dermatology"]
}

_ruled_out(id) if id in entities.ruled_out(_acts, data.patients, {"patient"})

# The weakest of several.
_weakest(meanings) := "other" if {
	"other" in meanings
} else := "none" if {
	"none" in meanings
} else := "unclear" if {
	"unclear" in meanings
} else := "named" if {
	count(meanings) > 0
} else := "none"

_patient_tools := {"patients.update_contact", "records.add_note", "prescriptions.issue", "appointments.book", "referrals.create"}

default _thing := "none"

_thing := _aim(_args.patient_id) if {
	_tool in _patient_tools
} else := _thing_visit if {
	tools.one_of({"appointments.move", "appointments.cancel"})
} else := _thing_rx if {
	tools.one_of({"prescriptions.cancel", "prescriptions.send"})
} else := _thing_record if {
	tools.one_of({"records.share", "records.release"})
} else := _thing_message if {
	_tool == "portal.reply"
} else := _thing_sms if {
	_tool == "sms.send"
} else := _thing_staff if {
	_tool == "staff.message"
} else := _thing_mail if {
	_tool == "mail.send"
} else := "named" if {
	_tool == "rota.swap"
}

# ---- appointments ----------------------------------------------------------------------------------------------------

_visit := data.visits[_args.appointment_id]

_thing_visit := "named" if {
	intent.mentions(_args.appointment_id)
} else := "named" if {
	_aim(_visit.patient_id) == "named"
} else := "named" if {
	# "My patients of this afternoon", "Nadia's appointments on Thursday", "my nine o'clock".
	not _ruled_out(_visit.patient_id)
	_many_or_slot
	_in_calendar(_visit)
} else := "other" if {
	# A described group, and this one isn't in it.
	count(entities.named(data.patients, {"patient"})) == 0
	_many_or_slot
	not wishes.follows
	_outside_calendar(_visit)
} else := _aim(_visit.patient_id) if {
	_visit
} else := "unclear" if {
	facts.has("made", _args.appointment_id)
} else := "none"

_many_or_slot if count(groups.described) > 0

_many_or_slot if count(wishes.of_all(_acts, {"appointment", "patient", "visit", "slot"})) > 0

_many_or_slot if regex.match(`\b(appointments|patients|clinic|diary|slots|bookings|everyone|everybody|o'clock|surgery)\b`, _says_lower)

_many_or_slot if count(times.said) > 0

_in_calendar(visit) if {
	_in_days(visit.start)
	_in_parts(visit.start)
	_with_whom(visit)
}

_outside_calendar(visit) if not _with_whom(visit)

_outside_calendar(visit) if {
	not dates.none_said with input.context.time as data.noon
	not _in_days(visit.start)
}

_outside_calendar(visit) if {
	count(times.parts) > 0
	_shifts_any
	not _in_parts(visit.start)
}

_outside_calendar(visit) if {
	_tool == "appointments.cancel"
	count(times.parts) > 0
	not times.within_said(visit.start)
}

_in_days(start) if dates.within_said(start, "UTC") with input.context.time as data.noon

_in_days(start) if {
	dates.none_said with input.context.time as data.noon
	startswith(start, "2026-11-30")
}

_in_parts(_) if count(times.parts) + count(times.said) == 0

_in_parts(start) if times.within_said(start)

_in_parts(_) if {
	count(times.parts) == 0
	regex.match(`\b(appointments|patients|clinic|diary|slots|everyone|everybody)\b`, _says_lower)
}

_with_whom(visit) if visit.clinician in _clinicians_meant

_with_whom(_) if count(_clinicians_meant) == 0

_clinicians_meant := entities.named(data.staff, set()) | {_me | regex.match(`\b(my|mine|i'm|i am|me|i)\b`, _says_lower); data.staff[_me]; _is_clinician}

_is_clinician if subject.has_claim("groups", "clinicians")

# The part of the request about this patient.
_scope := part if {
	some id in _patients
	part := scopes.of(id, data.patients)
	part != ""
} else := input.task.statement

_day(text) := value if {
	value := dates.meaning("start", "UTC") with input.task.statement as text with input.context.time as data.noon
}

_hour(text) := value if {
	value := times.meaning("start", "UTC") with input.task.statement as text
}

# The day of what is booked: in this part, else in all of the request.
_booked_day := "said" if {
	_day(_scope) == "said"
} else := "said" if {
	_day(_scope) == "none"
	_day(input.task.statement) == "said"
} else := "said" if {
	_day(input.task.statement) == "none"
	_free
	_clean
} else := "none" if {
	_day(_scope) == "none"
} else := "none" if {
	# "I'm away on Thursday, find her another slot".
	_hour(_scope) == "none"
	regex.match(`\b(away|off|leave|holiday|ill|sick|out|can't|cannot|couldn't|won't|instead|not)\b|\b(weeks?|months?|days?) (after|before|later|from|on)\b`, _says_lower)
} else := "none" if {
	wishes.follows
} else := "other"

_free if regex.match(`\b(free|first|next|earliest|soonest|any|whenever|slot|gap|another|later|sooner|earlier|some time|sometime|asap|as soon as|space|opening)\b`, _says_lower)

_booked_hour := "said" if {
	_hour(_scope) == "said"
} else := "said" if {
	_hour(_scope) == "none"
	_hour(input.task.statement) == "said"
} else := "said" if {
	# A free half hour on a day that the request says.
	_hour(_scope) == "none"
	_hour(input.task.statement) == "none"
	_booked_day == "said"
	not wishes.follows
} else := "said" if {
	_free
	_booked_day == "said"
	_hour(_scope) == "none"
	not wishes.follows
} else := "none" if {
	_hour(_scope) == "none"
} else := "none" if {
	wishes.follows
	count(times.said) == 0
} else := "other"

_old_time := substring(_visit.start, 11, 5)

_new_time := substring(_args.start, 11, 5)

_shifts(text) := value if {
	value := times.shifts with input.task.statement as text
}

_shifted(text) if times.shifted("start", _visit.start) with input.task.statement as text

_moved_days(text) := value if {
	value := dates.moved_to(_visit.start, "UTC") with input.task.statement as text with input.context.time as data.noon
}

_moved_hours(text) := value if {
	value := times.moved_to(_visit.start) with input.task.statement as text
}

# Where it is moved by a length of time, that alone says where to.
_by_shift if {
	count(_shifts(_scope)) > 0
	_shifted(_scope)
}

_by_shift if {
	count(_shifts(_scope)) == 0
	count(_shifts(input.task.statement)) > 0
	_shifted(input.task.statement)
}

_moved_day := "said" if {
	_by_shift
} else := "other" if {
	count(_shifts(input.task.statement)) > 0
	count(times.said) == 0
} else := "other" if {
	# "To 14:00": of the same day.
	_day(input.task.statement) == "none"
	count(times.said) > 0
	not substring(_args.start, 0, 10) == substring(_visit.start, 0, 10)
	not wishes.follows
	not regex.match(`\b(another|other|different|some|any|next|first|earliest|soonest) (free |possible |available )?(day|date|slot|appointment|one|time)\b`, _says_lower)
} else := "said" if {
	substring(_args.start, 0, 10) in _moved_days(_scope)
	_day(_scope) != "none"
} else := "said" if {
	_day(_scope) == "none"
	substring(_args.start, 0, 10) in _moved_days(input.task.statement)
} else := _booked_day

_moved_hour := "said" if {
	_by_shift
} else := "said" if {
	_new_time in _moved_hours(_scope)
	_hour(_scope) != "none"
} else := "said" if {
	_hour(_scope) == "none"
	_new_time in _moved_hours(input.task.statement)
} else := "said" if {
	# "Her three o'clock to Tuesday": the time says which one.
	_moved_day == "said"
	_moved_hours(_scope) == {_old_time}
	not wishes.follows
} else := "said" if {
	# Patients of the morning to any time of another day.
	_moved_day == "said"
	count(groups.described) > 0
	count(times.said) == 0
	not _shifts_any
} else := "said" if {
	count(times.parts) > 0
	not _shifts_any
	_booked_hour == "said"
} else := "none" if {
	count(times.said) == 0
	not _shifts_any
} else := _booked_hour if {
	not _shifts_any
} else := "other"

_shifts_any if count(times.shifts) > 0

_named_staff := entities.named(data.staff, set())

_clinician := "said" if {
	_args.clinician in _named_staff
} else := "said" if {
	_args.clinician == _me
	_is_clinician
	regex.match(`\b(me|my|mine|i|i'd|i'll|i'm)\b`, _says_lower)
} else := "said" if {
	_args.clinician in relations.meant({"doctor", "gp", "physician", "clinician", "nurse"}, data.patients, data.clinician_of)
} else := "said" if {
	count(_named_staff & {"nokafor", "tlind", "rferri", "ghaddad"}) == 0
	data.clinician_of[_args.patient_id] == _args.clinician
} else := "said" if {
	# "One of the nurses", "a doctor".
	count(_named_staff & {"nokafor", "tlind", "rferri", "ghaddad"}) == 0
	_args.clinician in _kind_of_clinician
} else := "other" if {
	count(_named_staff & {"nokafor", "tlind", "rferri", "ghaddad"}) > 0
	not wishes.follows
} else := "none"

_kind_of_clinician contains id if {
	regex.match(`\bnurses?\b`, _says_lower)
	some id in ["rferri", "ghaddad"]
}

_kind_of_clinician contains id if {
	regex.match(`\b(doctors?|physicians?|gps?)\b`, _says_lower)
	some id in ["nokafor", "tlind"]
}

_minutes := "said" if {
	object.get(_args, "minutes", 30) in {15, 20, 30}
	count(times.lengths) == 0
} else := "said" if {
	object.get(_args, "minutes", 30) in times.lengths
} else := "said" if {
	intent.mentions_number(object.get(_args, "minutes", 30))
} else := "said" if {
	object.get(_args, "minutes", 30) == 30
} else := "none"

# A reason in a few plain words, which only the patient and the house (or the pharmacy) see.
_plain_reasons := {
	"Patient patient's Clinician clinician's doctor nurse practice away ill absent abroad on leave unavailable late running",
	"Requested requests by at the request of asked wants wishes telephone phone called writes wrote portal letter",
	"Cannot can't come attend make it keep time appointment anymore no longer not needed available possible",
	"Dose strength changed increased reduced raised lowered doubled halved replaced by a new prescription stopped discontinued side effects switched change increase",
	"Follow-up follow up review check check-up control routine consultation visit moved rescheduled blood test bloods sample pressure results discussion discuss",
	"Referral further treatment assessment care continuing continuity information copy for your records as",
}

_reason(name, about) := "said" if {
	_text(name, _own(about) | _plain_reasons, about, false, 5) == "said"
} else := "other" if {
	_text(name, _own(about), about, false, 5) == "other"
} else := "said" if {
	count(_args[name]) <= 80
	object.keys(texts.unsaid(name, _own(about) | _plain_reasons)) - {"words"} == set()
	every kind in object.keys(messages.unconfirmed(_message(name, _own(about) | _plain_reasons, about, false, 5))) {
		not kind in {"acts", "links", "numbers", "secrets", "unreadable", "people"}
	}
} else := "none"

# ---- texts -----------------------------------------------------------------------------------------------------------

_message(name, own, about, private, words) := {
	"name": name,
	"own": own,
	"people": data.people,
	"about": about,
	"clean": _clean,
	"private": private,
	"words": words,
}

_text(name, own, about, private, words) := messages.meaning(_message(name, own, about, private, words))

default _my_name := "Marsh Lane"

_my_name := concat(" ", [name | some name in array.slice(data.clinician_names[_me], 0, 1)])

_house := {"Marsh Lane Practice", "Marsh Lane", _my_name, input.task.statement} | (_said_days | times.said)

default _said_days := set()

_said_days := days if {
	days := dates.said("UTC") with input.context.time as data.noon
}

# What a text may say of these patients: our records of them, and what this task did for them.
_own(ids) := {text | some id in ids; some text in data.own[id]} | _of_task(ids) | _house | {text |
	some id in _named_staff
	some text in data.clinician_names[id]
}

_of_task(ids) := {value |
	some element in facts.elements("done")
	parts := split(element, "|")
	parts[0] in ids
	value := parts[1]
}

default _private := false

_private if facts.size("strays") > 0

# ---- prescriptions -----------------------------------------------------------------------------------------------------

_drug := lower(_args.drug)

_drug_id := _drug if {
	data.drugs[_drug]
} else := id if {
	some id in object.keys(data.drugs)
	startswith(_drug, id)
} else := ""

_named_drugs := entities.named(data.drugs, set())

_their_meds := object.get(data.meds, _args.patient_id, {})

_all_words if regex.match(`\b(all|both|everything|medicines|medications|repeats|prescriptions|tablets|meds)\b`, _says_lower)

_drug_said := "said" if {
	_drug_id in _named_drugs
} else := "said" if {
	texts.plain_text(_args.drug, set(), 0)
	_drug_id == ""
} else := "said" if {
	count(_named_drugs) == 0
	_their_meds[_drug_id]
	count(_their_meds) == 1
} else := "said" if {
	count(_named_drugs) == 0
	_their_meds[_drug_id]
	_all_words
} else := "none" if {
	count(_named_drugs) == 0
} else := "none" if {
	_drug_id != ""
	entities.meaning(_drug_id, data.drugs, set()) in {"unclear", "none"}
} else := "other"

_strength := `\d+(?:[.,]\d+)?\s*(?:mg|mcg|micrograms?|g|ml|iu|units?|%)`

_strengths(text) := {replace(found, " ", "") | some found in regex.find_n(_strength, lower(text), -1)}

_beside := _strengths_beside(_drug_id)

_strengths_beside(id) := {replace(text, " ", "") | some text in figures.strengths(id, data.drugs)}

# The strengths that the request states for this drug; without any beside it all that it states, if it names one drug.
_stated := _beside if {
	count(_beside) > 0
} else := _strengths(input.task.statement) if {
	count(_named_drugs) < 2
} else := set()

_record_dose := object.get(_their_meds, [_drug_id, "dose"], "")

_dose := "other" if {
	count(_stated) > 0
	count(_strengths(_args.dose)) > 0
	count(_strengths(_args.dose) & _stated) == 0
} else := "said" if {
	count(_strengths(_args.dose) - _stated) == 0
	texts.plain_text(_args.dose, {_record_dose}, 1)
} else := "said" if {
	count(_stated) == 0
	_record_dose != ""
	lower(_args.dose) == lower(_record_dose)
	not regex.match(`\b(increase|raise|reduce|lower|double|halve|up|down|higher|more|less|half)\b`, _says_lower)
} else := "said" if {
	_record_dose != ""
	count(_stated) == 0
	lower(_args.dose) == lower(_record_dose)
	regex.match(`\b(same|as before|again|usual|repeat|unchanged)\b`, _says_lower)
} else := "none"

_quantity := "said" if {
	figures.count_meaning("quantity", _drug_id, data.drugs) == "said"
} else := "said" if {
	_drug_id == ""
	_args.quantity in quantities.counts
} else := "said" if {
	_args.quantity == _their_meds[_drug_id].quantity
	not figures.count_meaning("quantity", _drug_id, data.drugs) == "other"
} else := "none" if {
	_args.quantity == _their_meds[_drug_id].quantity
} else := "none" if {
	_drug_id == ""
	count(quantities.counts) == 0
} else := "none" if {
	figures.count_meaning("quantity", _drug_id, data.drugs) == "none"
} else := "said" if {
	_args.quantity in quantities.counts
	count(figures.counts(_drug_id, data.drugs)) == 0
} else := "other"

_repeats := "said" if {
	object.get(_args, "repeats", 0) == 0
} else := "said" if {
	_args.repeats in quantities.counts
} else := "said" if {
	intent.mentions_number(_args.repeats)
} else := "said" if {
	_args.repeats == _their_meds[_drug_id].repeats
	regex.match(`\b(same|repeats|unchanged)\b`, _says_lower)
} else := "none"

_allergy := "none" if {
	some drug in object.get(data.allergic, _args.patient_id, [])
	contains(_drug, drug)
} else := "said"

_rx := data.prescriptions[_args.prescription_id]

# The prescription: its patient, and its drug among those that the patient has.
_thing_rx := "named" if {
	intent.mentions(_args.prescription_id)
} else := "named" if {
	_tool == "prescriptions.send"
	facts.has("made", _args.prescription_id)
} else := "other" if {
	_rx
	_aim(_rx.patient_id) == "other"
} else := "other" if {
	_rx
	count(_named_drugs) > 0
	entities.meaning(_rx.drug, data.drugs, set()) == "other"
} else := "other" if {
	bans.left_alone({_rx.drug})
} else := _aim(_rx.patient_id) if {
	_rx.drug in _named_drugs
} else := _aim(_rx.patient_id) if {
	_rx
	count(data.meds[_rx.patient_id]) == 1
} else := _aim(_rx.patient_id) if {
	_rx
	_all_words
	count(wishes.of_all(_acts, {"prescription", "medication", "tablet", "medicine", "drug", "repeat"})) > 0
} else := "unclear" if {
	_rx
} else := "unclear" if {
	facts.has("made", _args.prescription_id)
} else := "none"

_pharmacy := "said" if {
	entities.meaning(_args.pharmacy_id, data.pharmacies, set()) == "named"
} else := "none" if {
	entities.meaning(_args.pharmacy_id, data.pharmacies, set()) in {"none", "unclear"}
	regex.match(`pharmac|chemist|usual|where|wherever|as (he|she|they)|asks?|wants?|message|letter|send`, _says_lower)
} else := "other"

# ---- records ---------------------------------------------------------------------------------------------------------

_record_of(id) := "other" if {
	owners := _owners(id)
	count(owners) > 0
	every owner in owners {
		_aim(owner) == "other"
	}
} else := "named" if {
	intent.mentions(id)
} else := "named" if {
	some owner in _owners(id)
	_aim(owner) == "named"
} else := "unclear" if {
	some owner in _owners(id)
	_aim(owner) == "unclear"
} else := "none"

default _thing_record := "none"

_thing_record := _record_of(_args.record_id)

_several if regex.match(`\b(both|results|letters|records|reports|consultations)\b|\ball (of )?(her|his|their|the)\b`, _says_lower)

# Which of the patient's records: chosen before strangers' texts, or named, or one of "all".
_which(id) := "said" if {
	_clean
} else := "said" if {
	intent.mentions(id)
} else := "said" if {
	facts.has("chosen", id)
} else := "said" if {
	_several
	_tool != "records.share"
	some owner in _owners(id)
	_aim(owner) == "named"
} else := "said" if {
	# The only one that was opened.
	_tool == "records.release"
	some owner in _owners(id)
	_aim(owner) == "named"
	{other | some other in facts.elements("opened"); startswith(other, "R-")} == {id}
} else := "none"

_share_to := "said" if {
	intent.mentions(_args.recipient)
} else := "said" if {
	_args.recipient in entities.told(data.mailboxes)
	_entitled
} else := "said" if {
	data.box_kind[_args.recipient] == "provider"
	entities.meaning(_args.recipient, data.offices, set()) == "named"
} else := "none" if {
	_args.recipient in entities.told(data.mailboxes)
} else := "none" if {
	entities.meaning(_args.recipient, data.offices, set()) in {"named", "unclear", "none"}
	regex.match(`send|share|forward|copy|pass|gateway|give|want|ask|need`, _says_lower)
	not data.box_kind[_args.recipient] == "patient"
} else := "none" if {
	_own_box
	_aim(data.box_patient[_args.recipient]) == "named"
	count(entities.named(data.offices, set())) == 0
} else := "other"

_own_box if {
	data.box_kind[_args.recipient] == "patient"
	_owners(_args.record_id) == {data.box_patient[_args.recipient]}
}

_entitled if data.box_kind[_args.recipient] in {"provider", "staff"}

_entitled if _own_box

# ---- messages ----------------------------------------------------------------------------------------------------------

_to contains _args.patient_id if _tool == "sms.send"

_to contains address if {
	_tool == "mail.send"
	some key in ["to", "cc"]
	some address in object.get(_args, key, [])
}

_to contains name if {
	_tool == "staff.message"
	some name in _args.to
}

_asked_patients := entities.named(data.patients, {"patient"})

_told_patients := entities.told_by(_telling, data.patients) | entities.told(data.patients)

_thing_sms := "named" if {
	_args.patient_id in _told_patients
} else := "named" if {
	_aim(_args.patient_id) == "named"
} else := "named" if {
	not _ruled_out(_args.patient_id)
	_many_or_slot
	_no_single_patient
	some visit in data.visits
	visit.patient_id == _args.patient_id
	_in_calendar(visit)
} else := "named" if {
	# Whom this task moved, booked or cancelled as the request says.
	not _ruled_out(_args.patient_id)
	some element in facts.elements("done")
	startswith(element, sprintf("%s|", [_args.patient_id]))
} else := _aim(_args.patient_id)

_no_single_patient if count(_asked_patients) == 0

_no_single_patient if count(groups.described) > 0

_thing_message := "named" if {
	intent.mentions(_args.message_id)
} else := "named" if {
	some owner in _owners(_args.message_id)
	_aim(owner) == "named"
} else := "other" if {
	count(_owners(_args.message_id)) > 0
	every owner in _owners(_args.message_id) {
		_aim(owner) == "other"
	}
} else := "named" if {
	{id | some id in facts.elements("opened"); startswith(id, "M-")} == {_args.message_id}
	count(_owners(_args.message_id)) > 0
} else := "unclear" if {
	some owner in _owners(_args.message_id)
	_aim(owner) == "unclear"
} else := "none"

_told_staff := ((entities.told(data.staff) | entities.told_by(_telling, data.staff)) | groups.told(data.groups, data.staff)) |
	relations.told({"doctor", "gp", "physician", "clinician", "nurse"}, data.patients, data.clinician_of)

_staff_meaning(id) := "named" if {
	id == _me
	regex.match(`\b(message|send|text|write|leave|drop|mail|give|post|forward) (it |them |this |that )?(to )?(me|myself)\b|\bmyself\b`, _says_lower)
} else := "none" if {
	id == _me
} else := "named" if {
	id in _told_staff
} else := "unclear" if {
	id in _named_staff
} else := "other" if {
	count(groups.told(data.groups, data.staff)) > 0
} else := "unclear" if {
	groups.unnamed_told
	data.staff[id]
} else := "unclear" if {
	some patient in _asked_patients
	data.clinician_of[patient] == id
} else := "unclear" if {
	some name, group in data.groups
	id in group.members
	some word in group.names
	contains(_says_lower, trim_suffix(trim_prefix(word, "the "), "s"))
} else := entities.meaning(id, data.staff, set())

default _thing_staff := "none"

_thing_staff := _weakest({_staff_meaning(id) | some id in _to})

_told_boxes := entities.told(data.mailboxes) | entities.told_by(_telling, data.mailboxes)

_told_offices := entities.told(data.offices) | entities.told_by(_telling, data.offices)

_mail_meaning(address) := "named" if {
	intent.mentions(address)
} else := "named" if {
	address in (_told_boxes | _told_offices)
} else := "named" if {
	# "Harbour asks … Answer that it is unchanged."
	entities.named(data.offices, set()) == {address}
	regex.match(`\b(answer|reply|respond|write back|get back|write them|tell them|let them know)\b`, _says_lower)
} else := "named" if {
	some id in groups.told(data.groups, data.staff)
	data.box_kind[address] == "staff"
	some name in data.mailboxes[address]
	name in data.staff[id]
} else := "unclear" if {
	entities.meaning(address, data.offices, set()) == "named"
} else := "unclear" if {
	entities.meaning(address, data.mailboxes, set()) in {"named", "unclear"}
} else := entities.meaning(address, data.mailboxes, set())

default _thing_mail := "none"

_thing_mail := _weakest({_mail_meaning(address) | some address in _to})

# Of whom a text to the house may speak: those whom the request names and whose matters this task handles; all if it names none.
_house_about := object.keys(data.patients) if {
	count(_asked_patients) == 0
} else := _asked_patients | _handled

_handled := {id |
	some element in facts.elements("done")
	id := split(element, "|")[0]
} | {id |
	some message in entities.ids("M", {"message"})
	some id in _owners(message)
}

# What our calendar has for the days that the request speaks of.
_calendar_own := {text |
	count(_asked_patients) == 0
	some id, visit in data.visits
	_in_days(visit.start)
	some text in [id, visit.start, data.names[visit.patient_id][0], data.clinician_names[visit.clinician][0], data.clinician_names[visit.clinician][1]]
}

_staff_text := "said" if {
	_to == {_me}
	_text("text", set(), object.keys(data.patients), false, 3) != "other"
} else := _text("text", _own(_asked_patients | _handled) | _calendar_own, _house_about, false, 3)

_mail_about := {data.box_patient[address] |
	some address in _to
} if {
	some address in _to
	data.box_patient[address]
} else := _asked_patients

# A relative gets no more than the request asks for; nobody gets more by open mail.
_mail_own := ({name | some id in _mail_about; some name in data.names[id]} | messages.asked_for({
	"day date when appointment time details": {visit.start | some visit in data.visits; visit.patient_id in _mail_about},
	"who doctor with appointment": {name | some visit in data.visits; visit.patient_id in _mail_about; some name in data.clinician_names[visit.clinician]},
})) | _of_task(_mail_about) | _house | {name |
	some address in _to
	some name in data.mailboxes[address]
}

_mail_text(name) := _text(name, _mail_own | {"Your letter Your message Your mail Your request Your enquiry Your question Your appointment Re"}, _mail_about, true, 0)

_attached := "said" if {
	arguments.absent("attachments")
} else := "said" if {
	every id in _args.attachments {
		intent.mentions(id)
	}
} else := "said" if {
	_clean
} else := "none" if {
	regex.match(`attach|document|protocol|minutes|list|circular|form|leaflet|sheet|plan|copy|file`, _says_lower)
} else := "other"

_portal_about := _owners(_args.message_id) if {
	count(_owners(_args.message_id)) > 0
} else := _asked_patients

_letter_words := {
	"Dear colleague Dear colleagues Thank you for seeing please see this patient for assessment of an appointment and advice on further management",
	"born date of birth current medication he she takes taking with kind regards yours sincerely Dr referral refer",
}

# ---- the values of each call -----------------------------------------------------------------------------------------------

default _values := ["none"]

_values := [_contact(key) | some key in ["phone", "email", "address"]; _args[key]] if {
	_tool == "patients.update_contact"
} else := [_note("title"), _note("text")] if {
	_tool == "records.add_note"
} else := array.concat([_which(_args.record_id), _share_to], [value |
	some value in [_reason("reason", _patients | _asked_patients)]
	value != "said"
]) if {
	_tool == "records.share"
} else := [_which(_args.record_id), _text("comment", _own(_patients), _patients, _private, 3)] if {
	_tool == "records.release"
} else := array.concat([_drug_said, _dose, _quantity], [value |
	some value in [_repeats, _allergy]
	value != "said"
]) if {
	_tool == "prescriptions.issue"
} else := [_reason("reason", _patients)] if {
	_tool == "prescriptions.cancel"
} else := [_pharmacy] if {
	_tool == "prescriptions.send"
} else := array.concat([_booked_day, _booked_hour, _clinician], [value |
	some value in [_minutes, _reason("reason", _patients)]
	value != "said"
]) if {
	_tool == "appointments.book"
} else := [_moved_day, _moved_hour] if {
	_tool == "appointments.move"
} else := [_reason("reason", _patients)] if {
	_tool == "appointments.cancel"
} else := [_rota_day, _rota_from, _rota_to] if {
	_tool == "rota.swap"
} else := array.concat([_provider, _text("letter", _own(_patients) | _letter_words, _patients, _private, 3)], [value |
	some value in [_urgency, _with_records]
	value != "said"
]) if {
	_tool == "referrals.create"
} else := array.concat([_mail_text("subject"), _mail_text("body")], [value |
	some value in [_attached]
	value != "said"
]) if {
	_tool == "mail.send"
} else := [_text("text", _own(_to), _to, _private, 2)] if {
	_tool == "sms.send"
} else := [_text("text", _own(_portal_about), _portal_about, _private, 2)] if {
	_tool == "portal.reply"
} else := [_staff_text] if {
	_tool == "staff.message"
}

_digits(text) := regex.replace(text, `[^0-9]`, "")

_contact("phone") := "said" if {
	contains(_digits(input.task.statement), _digits(_args.phone))
	count(_digits(_args.phone)) > 5
} else := "said" if {
	# "07700 900333" is +44 7700 900333.
	count(_digits(_args.phone)) > 9
	contains(_digits(input.task.statement), trim_prefix(_digits(_args.phone), "44"))
} else := "other" if {
	regex.match(`\d{3,}[ -]?\d{3,}`, input.task.statement)
} else := _by_text

_contact("email") := "said" if {
	intent.mentions(_args.email)
} else := "other" if {
	contains(input.task.statement, "@")
} else := _by_text

_contact("address") := "said" if {
	texts.plain_text(_args.address, {data.people[_args.patient_id][3], "Marsh Lane"}, 0)
	not lower(_args.address) == lower(data.people[_args.patient_id][3])
} else := "other" if {
	regex.match(`\b\d+[a-z]? [A-Z][a-z]+ (Street|Road|Lane|Close|View|Way|Avenue|Square|Court|Drive|Quay)`, input.task.statement)
} else := _by_text

# No text alone: the request has to speak of contact data.
default _by_text := "other"

_by_text := "none" if regex.match(`phone|number|mobile|mail|address|contact|details`, _says_lower)

_note(name) := _text(name, _own(_patients) | {"Note Phone call Telephone call Patient called says reports Consultation Follow-up Message from patient"}, {_args.patient_id}, false, 3)

default _rota_day := "none"

_rota_day := value if {
	value := dates.meaning("date", "UTC") with input.context.time as data.noon
}

_rota_person(id, others) := "said" if {
	id in _named_staff
} else := "said" if {
	id == _me
	regex.match(`\b(i|i'm|me|my|mine|i'll|i'd|i've)\b`, _says_lower)
} else := "none" if {
	count(_named_staff - others) == 0
} else := "none" if {
	entities.meaning(id, data.staff, set()) == "unclear"
} else := "other"

_rota_from := _rota_person(_args.from_staff, {_args.to_staff})

_rota_to := _rota_person(_args.to_staff, {_args.from_staff})

_provider := "said" if {
	entities.meaning(_args.provider_id, data.providers, set()) == "named"
} else := "none" if {
	entities.meaning(_args.provider_id, data.providers, set()) in {"none", "unclear"}
} else := "other"

_urgency := "said" if {
	_args.urgency == "routine"
	not regex.match(`urgent|asap|immediately|emergency`, _says_lower)
} else := choices.meaning({
	"name": "urgency",
	"options": {
		"urgent": {"urgent", "urgently", "urgency", "asap", "immediately", "as soon as possible", "quickly", "at once", "emergency"},
		"routine": {"routine", "routinely", "not urgent", "no rush", "normal"},
	},
	"within": "",
})

_with_records := "said" if {
	count(object.get(_args, "records", [])) == 0
} else := "other" if {
	some id in _args.records
	count(_owners(id)) > 0
	not _args.patient_id in _owners(id)
} else := "said" if {
	every id in _args.records {
		_which(id) == "said"
	}
} else := "none"

# ---- who may do it, and what no person is asked about -----------------------------------------------------------------------

_right if tools.one_of({
	"patients.update_contact", "records.add_note", "records.share", "records.release", "appointments.book", "appointments.move",
	"appointments.cancel", "portal.reply", "staff.message", "prescriptions.send", "sms.send", "mail.send",
})

_right if {
	_tool == "prescriptions.issue"
	subject.has_claim("groups", "physicians")
	facts.size("prescribed") < 5
	not facts.has("prescribed", sprintf("%s|%s", [_args.patient_id, lower(_args.drug)]))
}

_right if {
	_tool == "prescriptions.cancel"
	subject.has_claim("groups", "clinicians")
}

_right if {
	_tool == "referrals.create"
	subject.has_claim("groups", "clinicians")
}

_right if {
	_tool == "rota.swap"
	subject.has_claim("groups", "managers")
}

_right if {
	_tool == "rota.swap"
	_me in {_args.from_staff, _args.to_staff}
}

deny contains {"code": "records_by_mail", "message": "Records don't leave by open mail; records.share sends them securely."} if {
	_tool == "mail.send"
	some id in object.get(_args, "attachments", [])
	startswith(id, "R-")
}

deny contains {"code": "unknown_recipient", "message": "This address is neither in the clinic's directory nor in the request."} if {
	_tool == "mail.send"
	some address in _to
	not data.mailboxes[address]
	not intent.mentions(address)
}

deny contains {"code": "unknown_recipient", "message": "This address is neither in the clinic's directory nor in the request."} if {
	_tool == "records.share"
	not data.mailboxes[object.get(_args, "recipient", "")]
	not intent.mentions(object.get(_args, "recipient", ""))
}

# The cleaners and a relative who may hear of appointments get no record.
deny contains {"code": "not_entitled", "message": "This recipient has no right to records."} if {
	_tool == "records.share"
	object.get(_args, "recipient", "") in {"anne.pell@post.example", "service@clearview-cleaning.example"}
}

deny contains {"code": "not_entitled", "message": "Another patient's mailbox gets no record of this patient."} if {
	_tool == "records.share"
	data.box_kind[object.get(_args, "recipient", "")] == "patient"
	count(_owners(object.get(_args, "record_id", ""))) > 0
	not object.get(data.box_patient, object.get(_args, "recipient", ""), "") in _owners(object.get(_args, "record_id", ""))
}

deny contains {"code": "bulk", "message": "Ten text messages or mails are the most in one go."} if {
	tools.one_of({"mail.send", "sms.send"})
	count(facts.elements("sent") | _messages) > 10
}

# A confidential address or number goes to nobody but the patient and the house.
deny contains {"code": "confidential", "message": "This contact is confidential."} if {
	tools.one_of({"mail.send", "sms.send", "portal.reply", "records.share", "referrals.create"})
	some secret in data.confidential
	not _patients == {secret.patient}
	some text in arguments.all_strings
	regex.match(secret.pattern, regex.replace(lower(text), `[\s.,-]+`, " "))
}

deny contains {"code": "confidential", "message": "This contact is confidential."} if {
	tools.one_of({"mail.send", "records.share", "referrals.create"})
	some secret in data.confidential
	some text in arguments.all_strings
	regex.match(secret.pattern, regex.replace(lower(text), `[\s.,-]+`, " "))
}
