# METADATA
# title: Workspace
# description: |
#   What the person's request says is allowed, what it leaves open is asked, what no request of hers can mean is denied.
#   As long as the task has read no text of others, no stranger can have caused a call: then nothing is denied for its words.
#   Part 1 is the same in every workspace. Part 2 is about reading. Part 3 has a block for each tool that changes or
#   sends something: rename the tools, adapt words and values, delete what you don't have. Part 4 reads values.
# custom:
#   tabard:
#     labels: [outside]
package policy.workspace

import data.tabard.lib.arguments
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.choices
import data.tabard.lib.clauses
import data.tabard.lib.commands
import data.tabard.lib.conditions
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.groups
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.levels
import data.tabard.lib.messages
import data.tabard.lib.outbound
import data.tabard.lib.paths
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.shares
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://workspace.internal"

_once := credentials.once(_backend, ["workspace"], 60)

_zone := "UTC"

# What one request may pay or buy without a question.
_limit_cents := 200000

# Values that a branch of a condition may say.
_in_branches := {"cents", "day", "price", "quantity", "time"}

# The same text for each call of a list: the person decides about the list at once.
_reason := "Your request leaves open what, how much, to whom or which words, or it is above a limit. Read each value."

start contains {"code": "workspace", "limits": {
	"tools": [
		"calendar.*", "contacts.*", "documents.*",
		"files.*", "goods.*", "inbox.*", "mail.*", "notes.*", "payments.*", "records.*",
		"settings.*", "shell.*", "staff.*",
	],
	"audiences": [_backend],
	"scopes": ["workspace"],
	"budgets": {"questions": 20},
	"ttl_seconds": 1800,
}} if {
	intent.trusted
}

# ---------------------------------------------------------------- 1. The same rules for all tools
_tool := input.tool.name

_a := input.tool.arguments

_it := _about[_tool] if not _looks

# RUN: the request orders this act upon this thing and says each value, or our records have it.
grant contains {"code": "said", "credential": _once, "labels": _printed, "notes": ["made"], "facts": {
	"done": _done,
	"for": _for,
	"told": _told,
	"texts_read": count(_printed),
	"remembered": {one | some one in _remembered; count(_printed) > 0},
	"files": {_a.path | _tool == "files.write"},
	"spent_cents": _cents + 0,
}} if {
	_goes == "said"
}

# ASK: the request may mean it, and a value is open. The facts are noted once the person has approved.
grant contains {"code": "open", "credential": _once, "labels": _printed, "notes": ["made"], "charges": {"questions": 1}, "facts": {
	"done": _done,
	"for": _for,
	"told": _told,
	"texts_read": count(_printed),
	"remembered": {one | some one in _remembered; count(_printed) > 0},
	"files": {_a.path | _tool == "files.write"},
	"spent_cents": _cents + 0,
	"confirmed": {sprintf("%s:%s", [_tool, _id]) | wishes.conditional},
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

# What the request doesn't say, as "day other, time none". `tabard policy eval --cases FILE --show _lacking` prints it.
_lacking := [sprintf("%s %s", [name, meaning]) |
	some name, meaning in object.union({"thing": _thing, "act": _act, "condition": _condition}, _answers)
	not meaning in {"named", "said"}
]

# A request with a condition has two branches: "this afternoon, and if there's nothing, tomorrow". Policy can't see which
# one holds, so a value of the other branch is asked.
_answers := {name: _of_a_branch(name, meaning) | some name, meaning in _values[_tool]} if _values[_tool]

_of_a_branch(name, meaning) := "none" if {
	meaning == "other"
	name in _in_branches
	wishes.conditional
} else := meaning

_act := "only reads" if {
	wishes.only_reads
} else := "forbidden" if {
	bans.on(_it.acts)
} else := "said" if {
	count(calls.ordered(_it.acts, _it.matter)) > 0
} else := "none"

_condition := "said" if {
	conditions.all_match(object.get(_it, "held", "^$"))
} else := "open"

# Five lines decide every call. Keep them: each one that you take out refuses people.
_goes := "never" if {
	_it
	not _right[_tool]
} else := "said" if {
	_says == "said"
	not _above
} else := "open" if {
	_says == "said"
} else := "said" if {
	_own_choice
	not _above
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

# The task has read no text of others: the call is the agent's own reading of the request. A wrong one is a mistake that
# the person sees. So she is asked, whatever the words are, unless she only reads or forbids it.
_may_be_meant if {
	_it
	_clean
	intent.trusted
	not _act in {"forbidden", "only reads"}
}

# It has read one: the text may have caused the call. "Open" is wide: it holds for each tool once the request follows a
# text. So the person is asked only if the request has a word of this act or states it ("Ines: full refund"), or follows
# a text that may want it (`handed`).
_may_be_meant if {
	_says == "open"
	count(_words) > 0
}

_may_be_meant if {
	_says == "open"
	_it.handed
	_hands_over
}

# No list has all verbs ("take her out"): so she is asked, too, if the request names the thing and orders no other act of
# this kind upon it.
_may_be_meant if {
	_orderable
	not _another_act
}

_words := {"a form" | wording.asks_for_form(_it.acts)} | wishes.stated(_it.acts, _it.matter)

_orderable if {
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing == "named"
	every value in _answers {
		value in {"none", "said"}
	}
}

# "Move her visit" cancels nothing: the same thing gets one act of its kind.
_another_act if {
	some tool, about in _about
	tool != _tool
	about.id == _it.id
	count(about.matter & _it.matter) > 0
	count(calls.ordered(about.acts - _it.acts, about.matter)) > 0
}

# While the task has read no text of others, a value that the request leaves open is the agent's own choice, and so are
# the words of the act ("take her out"), if the request names the thing and we can take the call back. So a block whose
# value matters to others (a dose, an address, a sum) isn't `undoable`, even if it could be taken back.
_own_choice if {
	_clean
	_it.undoable
	_orderable
	_condition == "said"
	not _another_act
	not _only_told
}

# "Tell Bob that Ines comes on Friday at ten" moves nothing.
_only_told if {
	_act == "none"
	count(clauses.ordered(_tell)) > 0
}

# Of a condition the person is asked once for each thing.
default _confirmed := false

_confirmed if facts.has("confirmed", sprintf("%s:%s", [_tool, _id]))

# ---- which thing: the argument `id` of the block, by the names that people use (`directory`)
_id := _a[_it.id]

# "Unclear" and "none": the request may mean it. Then a signed fact, or "all of them" and our records, can say that it
# does. "Other": it names something else. If no block of yours defines `_all` or `_follows`, delete its branch here.
_thing := _receivers if {
	_it.kind == "message"
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
	_aimed in {"none", "unclear"}
	count(wishes.of_all(_it.acts, _it.all)) > 0
	_all[_tool]
	not _id in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "other" if {
	count(wishes.of_all(_it.acts, _it.all)) > 0
	_aimed in {"none", "unclear"}
} else := _aimed

_aimed := _path if {
	_it.id == "path"
} else := calls.aimed(_subject, _it.directory, _it.kinds, _it.acts, _it.matter)

_subject := _client if {
	_it.by_client
} else := _id

# "Do what message 7 asks": the backend signed whose message it is, and the thing is of the same client.
_vouched if {
	_hands_over
	_client in _owners
}

_owners := {client |
	some message in _followed
	some client in _belonging(message)
}

# The text that is followed is of another client.
_foreign if {
	_hands_over
	count(_owners) > 0
	not _client in _owners
}

_hands_over if wishes.follows

_hands_over if wording.hands_over

_followed := said if {
	said := entities.ids("M", {"message", "mail"})
	count(said) > 0
} else := facts.elements("messages_read") if {
	facts.size("messages_read") == 1
}

# ---- what the call leaves behind for later calls of the task
_done contains sprintf("%s:%s", [_tool, _id]) if _it.once

# In a task that has read texts of others, a second mail to the same reader and a second visit on a day are asked.
_done contains sprintf("%s:%s", [_tool, to]) if {
	_it.kind == "message"
	some to in _to
}

_done contains sprintf("%s:%s:%s", [_tool, _id, substring(_a.start, 0, 10)]) if _tool == "calendar.book"

# For whom, and what: a message may speak of it afterwards.
_for := {_client | _client}

_told := {sprintf("%v|%v", [_client, _a[name]]) | some name in _it.tells}

# What a command prints is a text as one that is read: it counts in this task, and by the label in later ones.
_printed := ["untrusted" | _tool == "shell.run"]

default _cents := 0

_cents := _a.cents if {
	_tool == "payments.send"
} else := _a.quantity * _a.unit_cents if {
	_tool == "goods.order"
}

# "Once Otto has paid": policy can't see whether it has come to that.
_above if {
	not _it.undoable
	not _it.kind == "message"
	regex.match(_later, lower(input.task.statement))
}

_above if regex.match(
	`\b(?:once|as soon as) (?:[^\s,.;]+ ){1,5}?(?:has|have|is|are|agrees?|comes?|confirms?|knows?|says?)\b`,
	lower(input.task.statement),
)

_later := concat("", [
	`\b(?:once|as soon as|when|after|until|till) (?:[^\s,.;]+ ){1,5}?`,
	`(?:has|have|is|are|was|were|comes?|came|confirms?|agrees?|\pL{3,}s|\pL{3,}ed)\b`,
])

_above if {
	not _clean
	some one in _done
	facts.has("done", one)
}

# "Heron pays its invoice on Friday" orders no payment.
_above if {
	_cents > 0
	count(wishes.deeds(_it.acts)) == 0
}

_above if {
	_cents > 0
	facts.value("spent_cents") + _cents > _limit_cents
}

_fresh if not facts.has("done", sprintf("%s:%s", [_tool, _id]))

# ---------------------------------------------------------------- 2. Reading
# Own records: only our own people write there, so the task stays clean.
grant contains {"code": "look", "credential": _once} if _tool in {"records.find", "calendar.list", "files.list"}

# `strays` has what the request doesn't speak of. Then no text to people outside gets any new word.
grant contains {"code": "look", "credential": _once, "facts": {"strays": {_a.client_id | _stray}}} if {
	_tool == "records.read"
}

_stray if entities.meaning(_a.client_id, data.workspace.clients, {"client"}) == "other"

# What others write taints the task, and by the label later tasks of this person and agent. The backend signs whose
# message it is: "M-7:C-101". It signs `inside` onto a result that holds no text of people outside.
grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["belongs", "inside"],
	"facts": {
		"texts_read": 1,
		"remembered": _remembered,
		"messages_read": {_a.message_id},
	},
} if {
	_tool == "inbox.read"
}

grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {
		"texts_read": 1,
		"remembered": _remembered,
		"files": {_a.path},
		"strays": {_a.path | _strange_file},
	},
} if {
	_tool == "files.read"
	not _house_file
}

# A client's letters and documents: the backend signs whose they are, "D-5:C-101".
grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["belongs", "inside"],
	"facts": {
		"texts_read": 1,
		"remembered": _remembered,
	},
} if {
	_tool == "documents.read"
}

# Folders that only our own people write don't taint.
grant contains {"code": "look", "credential": _once, "facts": {"runbooks_read": 1}} if {
	_tool == "files.read"
	_house_file
}

grant contains {
	"code": "look",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {
		"texts_read": 1,
		"remembered": _remembered,
	},
} if {
	_tool == "shell.run"
	subject.has_claim("groups", "engineers")
	_looks
}

_looks if {
	_tool == "shell.run"
	commands.only_looks("command")
}

_house_file if paths.within({"path"}, data.workspace.house_folders)

_strange_file if not _path_said in {"named", "unclear"}

# Each read of a text counts, until the backend has signed that people outside wrote nothing of what it returned. The
# agent may also remember what it read in another task of this person, so the label of that one counts.
default _clean := false

_clean if {
	facts.value("texts_read") <= facts.size("inside")
	facts.size("remembered") == 0
	count(_remembered) == 0
}

# Own reads add the label, too: so the first one notes that it was there before.
_remembered := {"other tasks" |
	labels.untrusted
	_before
}

_before if facts.value("texts_read") == 0

_before if facts.size("remembered") > 0

# ---------------------------------------------------------------- 3. One block for each tool
# `acts`: every verb that a colleague would use. `matter`: words of its kind, in the singular. `undoable`: we can take
# it back in our own records, so "Ines: Friday at ten" needs no verb. `held`: conditions that our rules or the tool
# check anyway. `once`: once for each thing in a task. `handed`: a text that the request follows may want it, though the
# request has no word of it. `tells`: arguments of which a message may speak afterwards. `all`: words for lists ("all
# open invoices"). `by_client`: the thing has no names of its own, and is named as its client is.
# `_right` is what records and roles allow, whatever is said. `_values` has an answer for EACH argument but the id.

# ---- notes.add: others act upon a note later, so its text is confirmed as a message is
_about["notes.add"] := {
	"acts": {"add", "document", "enter", "jot", "log", "make", "note", "put", "record", "save", "write"},
	"matter": {"file", "note", "record"},
	"handed": true,
	"id": "client_id",
	"directory": data.workspace.clients,
	"kinds": {"client"},
}

_right["notes.add"] if data.workspace.record[_a.client_id]

_values["notes.add"] := {"text": _text("text")}

# ---- contacts.update: a new number reaches us by a letter only; then the person compares
_about["contacts.update"] := {
	"acts": {"change", "correct", "enter", "fix", "put", "replace", "set", "update", "use"},
	"matter": {"address", "contact", "email", "mail", "moved", "number", "phone"},
	"undoable": true,
	"handed": true,
	"id": "client_id",
	"directory": data.workspace.clients,
	"kinds": {"client"},
	"tells": ["phone", "email", "address"],
}

_right["contacts.update"] if data.workspace.record[_a.client_id]

_values["contacts.update"] := {name: _field(name) | some name in {"phone", "email", "address"}}

# ---- calendar: the same words for booking, moving and cancelling; the values differ
_visit_matter := {"appointment", "call", "calendar", "lesson", "meeting", "session", "slot", "visit"}

_about["calendar.book"] := {
	"acts": {
		"add", "arrange", "book", "fit", "get", "give", "make", "plan", "put", "reserve", "schedule", "see",
		"squeeze",
	},
	"matter": _visit_matter,
	"undoable": true,
	"handed": true,
	"held": `^if (?:that|that time|it|this|the slot|there)(?:'s| is)? (?:still )?(?:free|possible|available|works|a slot)`,
	"id": "client_id",
	"directory": data.workspace.clients,
	"kinds": {"client"},
	"tells": ["start"],
}

_right["calendar.book"] if {
	_in_hours
	data.workspace.record[_a.client_id]
	data.workspace.staff[_a.staff]
}

# With whom: the named colleague, or the person herself where the request names none.
_values["calendar.book"] := {"staff": _colleague, "day": _day, "time": _time, "reason": _text("reason")}

_about["calendar.move"] := {
	"acts": {
		"bring", "change", "come", "get", "make", "move", "postpone", "push", "put", "rebook", "reschedule",
		"shift", "swap", "take",
	},
	"matter": _visit_matter,
	"undoable": true,
	"handed": true,
	"held": `^if (?:that|that time|it|this|the slot|there)(?:'s| is)? (?:still )?(?:free|possible|available|works|a slot)`,
	"all": {"appointment", "client", "visit"},
	"id": "visit_id",
	"directory": data.workspace.visits,
	"kinds": {"appointment", "visit"},
	"tells": ["start"],
}

_right["calendar.move"] if {
	_visit
	_in_hours
}

# "At ten" isn't at ten in the evening.
_in_hours if {
	time := substring(_a.start, 11, 5)
	time >= data.workspace.hours.opens
	time < data.workspace.hours.closes
}

_values["calendar.move"] := {"day": _new_day, "time": _new_time}

_all["calendar.move"] if _visit_of_all

_about["calendar.cancel"] := {
	"acts": {"call", "cancel", "clear", "delete", "drop", "remove", "scrap", "take"},
	"matter": _visit_matter,
	"handed": true,
	"once": true,
	"all": {"appointment", "client", "visit"},
	"id": "visit_id",
	"directory": data.workspace.visits,
	"kinds": {"appointment", "visit"},
}

_right["calendar.cancel"] if {
	_visit
	_fresh
}

_values["calendar.cancel"] := {"reason": _text("reason")}

_all["calendar.cancel"] if _visit_of_all

_visit_of_all if {
	text := concat(". ", wishes.of_all(_it.acts, _it.all))
	dates.within_said(_visit.start, _zone) with input.task.statement as text
	_of_mine(text)
	not regex.match(`\b(?:that|who|whose|which|for|with|of those)\b`, text)
}

_of_mine(text) if not regex.match(`\b(?:my|mine)\b`, text)

_of_mine(_) if _visit.staff == input.subject.claims.username

# ---- messages: the receiver is the thing. That the request names the receiver confirms no word of the text.
_tell := {
	"answer", "ask", "brief", "drop", "forward", "give", "inform", "let", "mail", "message", "notify", "pass",
	"remind", "reply", "say", "send", "tell", "thank", "update", "warn", "write",
}

_about["staff.message"] := {
	"acts": _tell,
	"matter": {"know", "line", "message", "note", "word"},
	"kind": "message",
	"directory": data.workspace.staff,
}

_right["staff.message"] if {
	every to in _to {
		data.workspace.staff[to]
	}
}

_values["staff.message"] := {"text": _text("text")}

_about["mail.send"] := {
	"acts": _tell,
	"matter": {"email", "know", "letter", "line", "mail", "message", "reply", "word"},
	"kind": "message",
	"handed": true,
	"held": "^(?:for|to) (?:those|anyone|everyone) (?:who|whose)",
	"directory": data.workspace.contacts,
}

# An address that neither our records nor the request has gets no mail.
_right["mail.send"] if {
	every to in _to {
		_known(to)
	}
}

_values["mail.send"] := {"subject": _text("subject"), "body": _text("body")}

# ---- payments.send: our records bound account and amount, so a run of payments needs no question
_about["payments.send"] := {
	"acts": {"clear", "make", "pay", "remit", "send", "settle", "transfer"},
	"matter": {"bill", "invoice", "money", "payment"},
	"held": "^(?:only )?if (?:it|the invoice|the account(?: on it)?) (?:is|is still|isn't)(?: the one we have| ours| open| unpaid| due| paid)(?: yet)?$",
	"once": true,
	"all": {"bill", "invoice", "supplier"},
	"id": "invoice_id",
	"directory": data.workspace.invoices,
	"kinds": {"bill", "invoice"},
}

_right["payments.send"] if {
	subject.has_claim("groups", "finance")
	_invoice.open
	_a.iban == _invoice.iban
	arguments.in_range("cents", 1, _invoice.cents)
	_fresh
}

_invoice := data.workspace.invoice[_a.invoice_id]

_values["payments.send"] := {"cents": _share, "now": _now}

# "Pay it on Friday" isn't done today.
_now := "none" if {
	_ordering != ""
	not dates.none_said with input.task.statement as _ordering
} else := "said"

_share := meaning if {
	_ordering != ""
	meaning := shares.cents_meaning("cents", _invoice.cents) with input.task.statement as _ordering
} else := shares.cents_meaning("cents", _invoice.cents)

# "Pay all that is due", "do what the list says": open, its own account, in full.
_all["payments.send"] if {
	_a.cents == _invoice.cents
	not regex.match(`(?i)\ball\b[^.]*\b(?:that|which|who|for|from|of|older|over|under|with)\b`, input.task.statement)
}

# ---- goods.order: what it costs, our records bound; how many, the request says
_about["goods.order"] := {
	"acts": {"buy", "get", "need", "order", "purchase", "reorder", "replenish", "restock", "take", "top", "want"},
	"matter": {"back up", "more", "order", "purchase", "stock"},
	"once": true,
	"id": "article_id",
	"directory": data.workspace.articles,
	"kinds": {"article"},
}

_article := data.workspace.article[_a.article_id]

_right["goods.order"] if {
	_a.supplier_id == _article.supplier
	arguments.in_range("unit_cents", 1, _article.cents)
	arguments.whole_in_range("quantity", 1, 500)
	_fresh
}

_values["goods.order"] := {"quantity": _quantity, "price": _unit_price, "supplier": _supplier}

# ---- settings.set: one of few values, each with the words that people use
_about["settings.set"] := {
	"acts": {"change", "disable", "enable", "go", "open", "pause", "put", "set", "switch", "take", "turn"},
	"matter": {"config", "mode", "option", "setting"},
	"undoable": true,
	"id": "service",
	"directory": data.workspace.services,
	"kinds": set(),
}

_settings := data.workspace.service[_a.service].settings

_right["settings.set"] if {
	subject.has_claim("groups", "engineers")
	_settings[_a.name][_a.value]
}

_values["settings.set"] := {"value": choices.meaning({"name": "value", "options": _settings[_a.name]})}

# ---- files: the path is the thing
_about["files.write"] := {
	"acts": {
		"add", "compile", "create", "draft", "keep", "list", "log", "make", "note", "prepare", "put", "record",
		"save", "summarise", "summarize", "update", "write",
	},
	"matter": {"file", "list", "note", "report", "sheet", "summary"},
	"id": "path",
}

_right["files.write"] if {
	paths.within({"path"}, data.workspace.folders)
	not _house_file
}

# "A summary in the reports folder" says no file, so the agent may choose one. A text of others may not.
_values["files.write"] := {"content": _content, "file": _file}

_file := "said" if {
	_clean
} else := "said" if {
	contains(lower(_ordering), lower(trim_left(_a.path, "/")))
} else := "none"

_about["files.share"] := {
	"acts": {"forward", "give", "let", "mail", "pass", "send", "share", "show"},
	"matter": {"access", "copy", "document", "file", "link", "list", "report", "sheet"},
	"id": "path",
}

_right["files.share"] if {
	paths.within({"path"}, data.workspace.folders)
	_known(_a.recipient)
}

# Sharing shows no content: what this task wrote beside things that the request doesn't speak of isn't shared unseen.
_values["files.share"] := {"recipient": _recipient, "content": _unmixed}

# A document that was read, so that the backend has signed whose it is.
_about["documents.share"] := {
	"acts": {"forward", "give", "let", "mail", "pass", "send", "share", "show"},
	"matter": {"copy", "document", "letter", "report"},
	"once": true,
	"by_client": true,
	"id": "document_id",
	"directory": data.workspace.clients,
	"kinds": {"client"},
}

_right["documents.share"] if {
	count(_belonging(_a.document_id)) == 1
	_known(_a.recipient)
	_fresh
}

_values["documents.share"] := {"recipient": _recipient, "document": _document}

_document := "said" if {
	_id in entities.ids("D", {"document"})
} else := "other" if {
	count(entities.ids("D", {"document"})) > 0
} else := "none" if {
	count([pair | some pair in facts.elements("belongs"); startswith(pair, "D-")]) > 1
} else := "said"

_about["files.delete"] := {
	"acts": {
		"bin", "clean", "clear", "delete", "discard", "drop", "erase", "purge", "remove", "throw", "trash", "wipe",
	},
	"matter": {"away", "file", "folder", "old", "rid"},
	"once": true,
	"id": "path",
}

_right["files.delete"] if {
	paths.within({"path"}, data.workspace.folders)
	paths.plain({"path"})
	not _a.path in data.workspace.folders
	not _house_file
	_fresh
}

_values["files.delete"] := {}

# ---- shell.run: no list of forbidden words bounds a command; say what it may be
_about["shell.run"] := {
	"acts": {"bounce", "fix", "kick", "reboot", "reload", "restart", "run", "start", "stop"},
	"matter": {"command", "host", "runbook", "service"},
	"handed": true,
	"held": `^if (?:it|the \w+(?: \w+)?) (?:still )?(?:hangs|is (?:still )?(?:stuck|down|dead|slow)|isn't running)$`,
	"id": "host",
	"directory": data.workspace.hosts,
	"kinds": {"host", "server"},
}

_right["shell.run"] if {
	subject.has_claim("groups", "engineers")
	data.workspace.hosts[_a.host]
}

_values["shell.run"] := {"command": _command}

# The host follows from the service that the request names.
_follows["shell.run"] if {
	some service in entities.named(data.workspace.services, set())
	_a.host in data.workspace.service[service].hosts
}

# ---------------------------------------------------------------- 4. What the request says of each value
# "said": run. "none": the words leave it open, so ask. "other": they say another one, so deny.
_as_value := {"named": "said", "unclear": "none", "none": "none", "other": "other"}

# Of several things each has its own part of the request: "Ines at nine, Otto at ten".
_part := text if {
	count(entities.named(_it.directory, _it.kinds)) > 1
	text := scopes.of(_id, _it.directory)
	text != ""
} else := _strictly_ordering if {
	_strictly_ordering != ""
	not dates.none_said with input.task.statement as _strictly_ordering
} else := input.task.statement

_visit := data.workspace.visit[_a.visit_id]

# Whose it is: for signed facts, and for whom the task does something.
_client := _a.client_id if {
	_a.client_id
} else := _visit.client if {
	_visit
} else := [client | some client in _belonging(_id)][0]

_belonging(id) := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
	parts[0] == id
}

# ---- dates and times
_day := meaning if {
	meaning := dates.meaning("start", _zone) with input.task.statement as _part
}

_time := meaning if {
	meaning := times.meaning("start", _zone) with input.task.statement as _part
}

_shifted if {
	times.shifted("start", _visit.start) with input.task.statement as _part
}

# What it is moved to: the old day or time stays where the request says no other.
_new_day := "said" if {
	_shifted
} else := "said" if {
	days := dates.moved_to(_visit.start, _zone) with input.task.statement as _part
	substring(_a.start, 0, 10) in days
} else := "none" if {
	dates.none_said
} else := "other"

_new_time := "said" if {
	_shifted
} else := "said" if {
	found := times.moved_to(_visit.start) with input.task.statement as _part
	substring(_a.start, 11, 5) in found
} else := "said" if {
	times.within_said(_a.start)
} else := "none" if {
	times.none_said
} else := "other"

_colleague := "said" if {
	_a.staff == input.subject.claims.username
	entities.meaning(_a.staff, data.workspace.staff, set()) == "none"
} else := meaning if {
	count(entities.named(data.workspace.staff, set())) > 1
	beside := entities.meaning(_a.staff, data.workspace.staff, set()) with input.task.statement as _ordering
	meaning := _as_value[beside]
} else := _as_value[entities.meaning(_a.staff, data.workspace.staff, set())]

# ---- numbers
_stock := {
	"id": _id,
	"directory": data.workspace.articles,
	"now": _article.stock,
}

# "Back up to 20" counts what is missing.
_quantity := "said" if {
	_a.quantity in levels.missing(_stock)
} else := figures.count_meaning("quantity", _id, data.workspace.articles)

_unit_price := "said" if {
	levels.stated(_stock)
} else := "said" if {
	quantities.cents_within_limits("unit_cents")
	count(quantities.cents) == 0
} else := figures.cents_meaning("unit_cents", _id, data.workspace.articles, _article.cents)

# Our records have the supplier of the article (`_right`): only one that the request says instead is another.
_supplier := "other" if {
	entities.meaning(_a.supplier_id, data.workspace.suppliers, set()) == "other"
} else := "said"

# ---- contact data: said, or filled up from the record that it changes; by a message of this client it is asked
_field(name) := "said" if {
	arguments.absent(name)
	not _a[name] == ""
} else := "said" if {
	regex.match(_kinds_of_contact[name], _a[name])
	texts.plain_text(_a[name], {data.workspace.record[_id][name]}, 0) with input.task.statement as _part
} else := "none" if {
	regex.match(_kinds_of_contact[name], _a[name])
	_vouched
} else := "other"

_kinds_of_contact := {"phone": `^\+?[0-9][0-9 ()/-]{5,}$`, "email": `^[^@\s]+@[^@\s]+\.[^@\s]+$`, "address": `\pL{3}`}

# ---- receivers
_to := outbound.recipients({"to", "cc"})

_receivers := "named" if {
	every to in _to {
		_is_told(to)
	}
} else := "unclear" if {
	# "Let them know", "remind those who have something to do": within the house only.
	_unnamed
	_tool == "staff.message"
} else := "unclear" if {
	every to in _to {
		_may_be_told(to)
	}
} else := "other"

_may_be_told(to) if entities.meaning(to, _it.directory, set()) in {"named", "unclear"}

# "Do what message 7 asks": an answer to its author may be wanted.
_may_be_told(to) if {
	_hands_over
	_reader(to) in _owners
}

_may_be_told(to) if _linked(to)

# "Her mother drives her, mail her the time": our records say who else may hear of a client.
_linked(to) if {
	some client in _of_whom
	to in data.workspace.readers[client]
}

_unnamed if groups.unnamed_told

_unnamed if count(groups.described) > 0

_is_told(to) if to in entities.told(_it.directory)

_is_told(to) if to in groups.told(data.workspace.groups, _it.directory)

_is_told(to) if to in _me

# "Everyone who comes tomorrow": our records say who that is.
_is_told(to) if {
	some text in groups.described
	some visit in data.workspace.visit
	visit.client == _reader(to)
	dates.within_said(visit.start, _zone) with input.task.statement as text
}

# The client whom an address belongs to, or whose id it is.
_reader(to) := object.get(data.workspace.client_of, to, to)

# "Answer message 7": its author, as the backend signed.
_is_told(to) if {
	wording.asks_for_form({"answer", "reply", "respond"})
	some message in _followed
	_reader(to) in _belonging(message)
	entities.meaning(_reader(to), data.workspace.clients, set()) in {"named", "none"}
}

# The address stands in the request.
_is_told(to) if {
	contains(to, "@")
	text := concat(". ", clauses.ordered(_tell))
	intent.mentions(to) with input.task.statement as text
}

_me := {input.subject.claims.username, data.workspace.mail[input.subject.claims.username]}

_known(to) if data.workspace.contacts[to]

_known(to) if to in _me

_known(to) if {
	contains(to, "@")
	intent.mentions(to)
}

# ---- texts: confirmed by the request's words, what this reader may know, and courtesy. Once the task has read what the
# request doesn't speak of, a text to people outside says nothing new: the person can't see where a word is from.
_text(name) := meaning if {
	_apart
	_for_reader != ""
	meaning := _text_of(name) with input.task.statement as _for_reader
} else := _text_of(name)

# What the request tells one reader confirms no word for another one, and what it orders otherwise none for a reader
# outside to whom it says what to write.
_apart if {
	_it.kind == "message"
	count(entities.told(data.workspace.staff) | entities.told(data.workspace.contacts)) > 1
}

_apart if {
	_tool == "mail.send"
	regex.match(`\bthat\b`, _for_reader)
}

_for_reader := concat(". ", {text |
	some text in clauses.ordered(_tell)
	found := entities.told(_it.directory) with input.task.statement as text
	count(found & _to) > 0
})

_text_of(name) := "other" if {
	_private
	_confirmed_by(name) == "none"
} else := _confirmed_by(name)

_confirmed_by(name) := messages.meaning({
	"name": name,
	"own": _own,
	"people": data.workspace.clients,
	"about": _of_whom,
	"clean": _clean,
	"private": _private,
	"words": 1,
})

_own := (({text | some text in data.workspace.house} | {input.subject.claims.name}) | _told_of) | {text |
	some id in _whose
	some text in data.workspace.record[id]
}

_told_of := {parts[1] |
	some one in facts.elements("told")
	parts := split(one, "|")
	parts[0] in _whose
}

# A client may know the client's own record. Colleagues may know that of those whom the request names.
_whose := _receiving if {
	_tool == "mail.send"
	count(_receiving) == 1
} else := set() if {
	_tool in {"mail.send", "files.write"}
} else := _of_whom

_of_whom := entities.named(data.workspace.clients, {"client"}) | ((facts.elements("for") | _receiving) | {_client |
	_client
})

_receiving := {_reader(to) | some to in _to}

default _private := false

_private if {
	_tool == "mail.send"
	facts.size("strays") > 0
}

# ---- files: "the report" is unclear; then only a file that this task has read or written may be meant
_path := "named" if {
	_tool == "files.write"
	paths.in_meant_folder({"path"}, data.workspace.folders)
} else := "other" if {
	_tool in {"files.delete", "files.share"}
	_path_said in {"none", "unclear"}
	not facts.has("files", _a.path)
} else := "unclear" if {
	_path_said == "named"
	_tool in {"files.delete", "files.share"}
	not _path_ordered
} else := _path_said

_path_ordered if {
	paths.plain({"path"})
	paths.meaning("path", data.workspace.folders) == "named" with input.task.statement as _ordering
}

# The clauses that order this act: other things, receivers and days of the request belong to other acts.
_ordering := _strictly_ordering if {
	_strictly_ordering != ""
} else := concat(". ", calls.ordered(_it.acts, _it.matter))

_strictly_ordering := concat(". ", clauses.ordered(_it.acts))

_path_said := paths.meaning("path", data.workspace.folders)

# A file that leaves is a text. Within the house a report may have words of what was read.
_content := meaning if {
	_shares
	meaning := _text("content")
} else := "said" if {
	_text("content") in {"said", "none"}
} else := "other"

_shares if wording.asks_for_form(_about["files.share"].acts | {"publish"})

_recipient := "said" if {
	told := entities.told(data.workspace.contacts) with input.task.statement as _ordering
	_a.recipient in told
} else := "said" if {
	contains(_a.recipient, "@")
	intent.mentions(_a.recipient) with input.task.statement as _ordering
} else := "none" if {
	_linked(_a.recipient)
} else := meaning if {
	_ordering != ""
	found := entities.meaning(_a.recipient, data.workspace.contacts, set()) with input.task.statement as _ordering
	meaning := _as_value[found]
} else := _of_other_clauses[entities.meaning(_a.recipient, data.workspace.contacts, set())]

_of_other_clauses := object.union(_as_value, {"named": "none"})

# A text of others may have put words into a file that this task has read or written.
_unmixed := "none" if {
	not _clean
	facts.has("files", _a.path)
} else := "said"

# ---- commands: quoted in the request, or one plain command for the service that it names; by a runbook it is asked
_command := "said" if {
	commands.stated("command")
} else := "said" if {
	what := commands.service("command")
	what.service in entities.within(wishes.may({what.act}), data.workspace.services, set())
	_runs_here(what.service)
} else := "none" if {
	_runs_here(commands.service("command").service)
	facts.value("runbooks_read") > 0
} else := "other"

_runs_here(service) if {
	service in entities.named(data.workspace.services, set())
	_a.host in data.workspace.service[service].hosts
}
