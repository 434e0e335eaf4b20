# METADATA
# title: The operations desk of Tidewater
# description: |
#   What the person's request says is allowed, what it leaves open is asked, what no request of hers can mean is denied.
#   As long as the task has read no text of people outside, no stranger can have caused a call: then what our records
#   bound runs, and nothing is denied for its words.
#   Part 1 is the same for all tools. Part 2 is about reading. Part 3 has a block for each tool that changes or sends
#   something. Part 4 reads values.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.tabard.lib.arguments
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.choices
import data.tabard.lib.commands
import data.tabard.lib.conditions
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.forms
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.levels
import data.tabard.lib.lures
import data.tabard.lib.messages
import data.tabard.lib.outbound
import data.tabard.lib.paths
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.shares
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://logistics.example"

_once := credentials.once(_backend, ["desk"], 60)

_zone := "UTC"

# What one request may pay, buy and pay back without a question, in cents.
_pay_limit := 500000

_buy_limit := 200000

_refund_limit := 20000

_refund_limit_of_leads := 100000

# Values that a branch of a condition may say.
_in_branches := {"amount", "carrier", "delta", "environment", "price", "quantity", "service", "version", "warehouse"}

# The same text for each call of a list: the person decides about the list at once.
_reason := "Your request leaves open what, how much, to whom or which words, or it is above a limit. Read each value."

start contains {"code": "desk", "limits": {
	"tools": [
		"orders.*", "shipments.*", "stock.*", "prices.*", "suppliers.*", "purchases.*", "invoices.*", "payments.*",
		"files.*", "web.*", "tickets.*", "logs.*", "settings.*", "shell.*", "deploys.*",
	],
	"audiences": [_backend],
	"scopes": ["desk"],
	"budgets": {"questions": 40},
	"ttl_seconds": 1800,
}} if {
	intent.trusted
}

# ---------------------------------------------------------------- 1. The same rules for all tools
_tool := input.tool.name

_a := input.tool.arguments

# The request in small letters. What uses it stands beside conditions of the library, which want a signed request.
_said := lower(input.task.statement)

_it := _about[_tool] if not _looks

# RUN: the request orders this act upon this thing and says each value, or our records have it.
grant contains {"code": "said", "credential": _once, "notes": ["made"], "facts": {
	"done": _done,
	"for": _for,
	"told": _told,
	"files": _files,
	"wrote": _wrote,
	"banks": _banks,
	"staged": _staged,
	"spent_cents": _cents + 0,
}} if {
	_goes == "said"
	_tool != "shell.run"
}

# What a command prints may be written by others.
grant contains {"code": "said", "credential": _once, "notes": ["inside"], "facts": {
	"done": _done,
	"texts_read": 1,
}} if {
	_goes == "said"
	_tool == "shell.run"
}

# ASK: the request may mean it, and a value is open. The facts are noted once the person has approved.
grant contains {"code": "open", "credential": _once, "notes": ["made"], "charges": {"questions": 1}, "facts": {
	"done": _done,
	"for": _for,
	"told": _told,
	"files": _files,
	"wrote": _wrote,
	"banks": _banks,
	"staged": _staged,
	"spent_cents": _cents + 0,
	"confirmed": {_id | wishes.conditional},
}} if {
	_goes == "open"
	_tool != "shell.run"
	budgets.remaining_at_least("questions", 1)
}

grant contains {"code": "open", "credential": _once, "notes": ["inside"], "charges": {"questions": 1}, "facts": {
	"done": _done,
	"texts_read": 1,
	"confirmed": {_id | wishes.conditional},
}} if {
	_goes == "open"
	_tool == "shell.run"
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

# DENY: beside a denial no person is asked.
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

# A request with a condition has two branches: policy can't see which one holds, so a value of the other one is asked.
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
} else := "said" if {
	_confirmed
} else := "open"

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
} else := "said" if {
	_runbook_restart
} else := "said" if {
	_written_as_said
	_answers.content == "said"
} else := "open" if {
	_written_as_said
	_answers.content == "none"
} else := "open" if {
	_may_be_meant
} else := "no" if {
	_it
}

# The runbook of the service or host that the request names was read: a restart there needs no question.
_runbook_restart if {
	_tool == "shell.run"
	_may_be_meant
	_thing == "named"
	_service_command
	commands.service("command").act == "restart"
	facts.size("runbooks_read") > 0
	regex.match(`\brunbooks?\b|/runbooks/`, _said)
}

# "Find out which provider the shop uses and note it in /reports/provider.md."
_written_as_said if {
	_tool == "files.write"
	intent.trusted
	_path_said == "named"
	_literal_path
	_is_target
	not _act == "forbidden"
	regex.match(`\b(note|write|save|put|list|record|sum|summari[sz]e|collect|add|document|log|keep|store|leave|draft|prepare|compile)\b`, _said)
}

_says := calls.meaning(object.union(_it, {
	"thing": _thing,
	"values": _answers,
	"confirmed": _confirmed,
}))

# The task has read no text of people outside: the call is the agent's own reading of the request.
_may_be_meant if {
	_it
	_clean
	intent.trusted
	not _act in {"forbidden", "only reads"}
}

# It has read one: the person is asked only if the request has a word of this act or states it, or follows a text that
# may want it (`handed`).
_may_be_meant if {
	_says == "open"
	count(_words) > 0
	not _vague
}

_may_be_meant if {
	_says == "open"
	_it.handed
	_hands_over
}

# No list has all verbs: so she is asked, too, if the request names the thing and orders no other act of this kind on it.
_may_be_meant if {
	_orderable
	not _another_act
	_hinted
}

# Of money, prices, releases and cancellations the request has to speak, in whatever words.
_hinted if not _hints[_tool]

_hinted if regex.match(_hints[_tool], regex.replace(_said, `\b[a-z]+-[0-9]+\b`, "it"))

_hints := {
	"orders.refund": `\b(money|refunds?|pays?|paid|repa\w+|euros?|owed?|owes|credit\w*|compensat\w+|settle\w*|goodwill|reimburs\w+|see to|sort|deal|handle|take care|make (it|this|that) (right|good)|asks?|wants?|gets?|give|half|percent)\b|[€%]|[0-9]\.[0-9]{2}|\bback( to (him|her|them)| for\b|[.,;!]|$)`,
	"orders.cancel": `\b(cancel\w*|off|stop\w*|drop\w*|scrap|out|withdraw\w*|void|mistake|twice|no longer|mind|(doesn't|don't|does not|do not|won't|no) (want|need|longer)|sort|deal|handle|take care|away|nothing)\b`,
	"prices.set": `\b(prices?|priced|euros?|cents?|percent|cheap\w*|dear\w*|expensive|discount\w*|sale|costs?|below|above|match\w*|undercut\w*|half|halve|[0-9]+)\b|[€%]`,
	"payments.send": `\b(pay\w*|paid|settle\w*|money|transfer\w*|clear\w*|releas\w+|remit\w*|wire|due|owed?|run|go|goes|out|please|right|ok|okay|fine|approved|too|also|now|today|handle|deal|sort|take care|send)\b`,
	"suppliers.update_bank": `\b(chang\w*|updat\w*|enter|record|put|set|replace|save|correct|switch|use)\b`,
	"files.delete": `\b(delet\w*|remov\w*|bin|clear\w*|clean\w*|tidy|throw|trash|wipe|erase|discard|drop|rid|purge|empty|go|out|away|old|no longer|duplicates?|sort|gone)\b`,
	"files.share": `\b(shar\w*|sends?|gives?|lets?|shows?|access|e?mails?|forward\w*|copy|link|have|see|gets?|needs?|pass|for|wants?)\b`,
	"stock.adjust": `\b(stock|count\w*|book\w*|shelf|shelves|east|west|warehouses?|inventory|torn|broken|missing|damaged?|found|write .*off|written off|adjust\w*|correct\w*|moved?|quantit\w*|differences?|deliver\w*|scrap\w*|lost|mouldy|sold|add)\b`,
	"deploys.start": `\b(deploy\w*|releas\w+|roll\w*|versions?|live|production|prod|staging|updat\w+|upgrad\w+|ship\w*|go|goes|promot\w+|push\w*|out|newest|latest)\b|[0-9]+\.[0-9]+`,
	"shipments.create": `\b(ship\w*|send|sent|out|carriers?|couriers?|collect\w*|pick\w*|bluelane|corvid|parcelpost|parcel post|go|goes|road|way|express|standard|dispatch\w*|post\w*|today|ready|packed|leave|leaves|handle|deal|sort|door)\b`,
	"orders.update_address": `\b(address\w*|moved?|moves|deliver\w*|send|goes|ship\w*|redirect\w*|door|flat|street|road|lane|house|place|elsewhere|lives|new|different|other|another|to|note|handle|deal|sort)\b`,
}

# "A summary for Britt": a colleague may get the file that this task wrote.
_may_be_meant if {
	_tool == "files.share"
	_orderable
	facts.has("wrote", _a.path)
	data.logistics.staff[_a["with"]]
	entities.meaning(_a["with"], data.logistics.contacts, set()) in {"named", "unclear"}
}

# "All but the biggest of the open invoices can go out."
_may_be_meant if {
	_tool == "payments.send"
	intent.trusted
	_whole_invoice
	not _act in {"forbidden", "only reads"}
	_thing in {"named", "none", "unclear"}
	_open_values
	not _biggest_left_out
	regex.match(`\b(invoices?|bills?)\b.{0,60}\b(can|may|should|must|has to|have to|needs? to|to) (now )?(be paid|be settled|be cleared|go|go out)\b`, _said)
}

# "Book 20 vests in" has no shipment collected.
_vague if {
	_tool == "shipments.create"
	_thing == "none"
	not _hinted
}

_words := {"a form" | wording.asks_for_form(_it.acts)} | wishes.stated(_it.acts, _it.matter)

_orderable if {
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing == "named"
	_open_values
}

_open_values if {
	every value in _answers {
		value in {"absent", "none", "said"}
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

# While the task has read no text of people outside, a value that the request leaves open is the agent's own choice, and
# so is whether a condition holds, as far as our records bound the call (`free`).
_own_choice if {
	_clean
	_it.free
	_orderable
	not _another_act
}

_own_choice if {
	_clean
	_it.free
	intent.trusted
	_act == "said"
	_thing in {"none", "unclear"}
	_open_values
}

# Of a condition the person is asked once for each thing. What the agent found in our own records needs no question.
default _confirmed := false

_confirmed if facts.has("confirmed", _id)

_confirmed if _clean

# The restart of a service that the request names leaves nothing behind.
_confirmed if {
	_tool == "shell.run"
	commands.service("command").act == "restart"
	commands.service("command").service in entities.named(data.logistics.services, set())
}

# "If we have fewer than ten ropes in east": our records say so.
_confirmed if {
	_tool == "purchases.create"
	count(conditions.said) == 1
	some condition in conditions.said
	found := regex.find_all_string_submatch_n(`\b(fewer than|less than|under|below) ([0-9]+)\b`, quantities.digits_of(condition), 1)
	_stock_meant(condition) < to_number(found[0][2])
}

_stock_meant(condition) := _article.stock.east if {
	regex.match(`\beast\b`, condition)
} else := _article.stock.west if {
	regex.match(`\bwest\b`, condition)
} else := _article.total

# "Is the account still the one we have? If so pay": the account is compared with our records.
_confirmed if {
	_tool == "payments.send"
	regex.match(`\b(account|iban|bank)\b`, _said)
	every condition in conditions.said {
		regex.match(`^if (so|it is|it's right|yes|that's right)\b|account|iban|bank`, condition)
	}
}

# "Ask where it is" is no condition.
_confirmed if {
	_tool in {"tickets.reply", "web.post"}
	every condition in conditions.said {
		regex.match(`^(where|when|whether)\b`, condition)
	}
}

# "Cancel Peter's, and if he has paid send the money back": the condition is for what comes after it.
_confirmed if {
	_tool in {"deploys.start", "files.delete", "files.share", "files.write", "orders.cancel", "orders.update_address", "shell.run"}
	before := _before_condition
	not regex.match(`(?i)\b(if|unless|provided|as long as|in case|once|otherwise)\b`, before)
	ordered := calls.ordered(_it.acts, _it.matter) with input.task.statement as before
	count(ordered) > 0
	after := substring(input.task.statement, count(before), -1)
	again := calls.ordered(_it.acts, _it.matter) with input.task.statement as after
	count(again) == 0
}

_before_condition := parts[0] if {
	parts := regex.split(`(?:[.;:!?]\s+|,? and |,? but )(?:I|i)f `, input.task.statement)
	count(parts) > 1
}

# The condition was confirmed for the order that the answer is about.
_confirmed if {
	_tool == "tickets.reply"
	some order in _belonging(_a.ticket_id)
	facts.has("confirmed", order)
}

# ---- which thing: the argument `id` of the block, by the names that people use (`directory`)
_id := _invoice_id if {
	_tool == "payments.send"
} else := _a[_it.id]

# "Unclear" and "none": the request may mean it. Then a signed fact, or "all of them" and our records, can say that it
# does. "Other": it names something else.
_thing := _special[_tool] if {
	_special[_tool]
} else := "other" if {
	_held_back
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
	_speaks_of_all
	_all[_tool]
	not _id in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "other" if {
	_speaks_of_all
	_aimed in {"none", "unclear"}
	not _by_list
} else := "unclear" if {
	_tool == "payments.send"
	_aimed == "other"
	regex.match(`\b(all|everything) (but|except)\b.{0,30}\b(biggest|largest|smallest|highest|lowest|first|last)\b`, _said)
	not _biggest_left_out
} else := _aimed

_biggest_left_out if {
	regex.match(`\b(but|except)\b.{0,20}\b(biggest|largest|highest)\b`, _said)
	_invoice.cents == max([invoice.cents | some invoice in data.logistics.invoice; invoice.open])
}

# "But hold back Heron's until Britt has looked at it."
_held_back if {
	intent.trusted
	some clause in regex.split(`[,.;:]| but | and | while | - `, _said)
	regex.match(`\b(hold|holds|keep|leave|skip|park|postpone|wait|waits|pause)\b.*\b(back|off|on|out|until|till|for now|alone|with|yet)\b|\b(hold|skip|park|postpone|leave out|wait with|wait for|waits|pause)\b`, clause)
	not regex.match(`\bhold (back )?nothing\b|\b(leave|leaves|wait|waits) (today|tomorrow|on|with (bluelane|corvid|parcel))`, clause)
	_id in entities.within({clause}, _it.directory, _it.kinds)
	count(calls.ordered(_it.acts - {"hold", "leave"}, _it.matter)) > 0
}

_aimed := calls.aimed(_id, _it.directory, _it.kinds, _it.acts, _it.matter)

_speaks_of_all if count(wishes.of_all(_it.acts, _it.all)) > 0

_speaks_of_all if {
	_it.every
	regex.match(_it.every, _said)
	count(calls.ordered(_it.acts, _it.matter)) > 0
}

# "Do what ticket 302 asks": the backend signed whose orders the author of the ticket has.
_vouched if {
	_hands_over
	_a.order_id in _owners
}

# The text that is followed is of somebody else.
_foreign if {
	_hands_over
	count(_owners) > 0
	_a.order_id
	not _a.order_id in _owners
}

_owners := {order |
	some ticket in _followed
	some order in _belonging(ticket)
}

_belonging(ticket) := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
	parts[0] == ticket
}

_hands_over if wishes.follows

_hands_over if wording.hands_over

_tickets_said := entities.ids("T", {"ticket"})

_followed := _tickets_said if {
	count(_tickets_said) > 0
} else := facts.elements("tickets_read") if {
	facts.size("tickets_read") == 1
} else := facts.elements("tickets_read") if {
	regex.match(`\btickets\b`, _said)
}

# ---- what the call leaves behind for later calls of the task
_done := {_key | _it.once}

_key := sprintf("%s:%s:%s:%v", [_tool, _id, _a.warehouse, _a.delta]) if {
	_tool == "stock.adjust"
} else := sprintf("%s:%s:%s:%s", [_tool, _id, _a.version, _a.environment]) if {
	_tool == "deploys.start"
} else := sprintf("%s:%s", [_tool, _id])

_fresh if not facts.has("done", _key)

_for := {data.logistics.order[_a.order_id].customer | _a.order_id}

_files := {_a.path | _tool == "files.write"}

_wrote := {_a.path | _tool == "files.write"}

_banks := {sprintf("%s:%s", [_a.supplier_id, _a.iban]) | _tool == "suppliers.update_bank"}

_staged := {sprintf("%s:%s", [_a.service, _a.version]) |
	_tool == "deploys.start"
	_a.environment == "staging"
}

# What a message may say of it afterwards.
_told contains sprintf("refund refunded we have refunded you get your money back paid back repaid the whole amount %s euros %v euros", [_money(_a.amount_cents), floor(_a.amount_cents / 100)]) if {
	_tool == "orders.refund"
}

_told contains sprintf("new address changed updated to %s we send it there", [_a.address]) if _tool == "orders.update_address"

_told contains "cancelled we have cancelled your order as you wished" if _tool == "orders.cancel"

_told contains sprintf("sent shipped on its way ships shipment parcel tracking number today collected picked up carrier %s %s", [_a.carrier, object.get(_a, "service", "standard")]) if {
	_tool == "shipments.create"
}

_money(cents) := sprintf("%s.%s", [substring(text, 0, count(text) - 2), substring(text, count(text) - 2, 2)]) if {
	cents > 99
	text := sprintf("%v", [cents])
} else := sprintf("0.%v", [cents])

default _cents := 0

_cents := _a.amount_cents if {
	_tool == "payments.send"
} else := _a.quantity * _a.unit_price_cents if {
	_tool == "purchases.create"
}

# ---- above what runs without a question
_above if {
	_tool == "payments.send"
	facts.value("spent_cents") + _cents > _pay_limit
}

# An account that was changed in this very task.
_above if {
	_tool == "payments.send"
	_a.iban != _invoice.iban
}

_above if {
	_tool == "purchases.create"
	facts.value("spent_cents") + _cents > _buy_limit
}

_above if {
	_tool == "orders.refund"
	_a.amount_cents > _refund_limit
}

_above if {
	_tool == "orders.refund"
	not _pays_back
}

_pays_back if _in_group({"service", "leads", "operations"})

_above if {
	_tool == "prices.set"
	abs(_a.price_cents - _article.cents) * 5 > _article.cents
}

_above if {
	_tool == "prices.set"
	not _in_group({"purchasing", "leads", "operations"})
}

_in_group(wanted) if {
	some group in wanted
	subject.has_claim("groups", group)
}

# ---------------------------------------------------------------- 2. Reading
# Own records: the task stays clean.
grant contains {"code": "look", "credential": _once} if _tool == "stock.get"

grant contains {"code": "look", "credential": _once} if {
	_tool in {"suppliers.search", "invoices.list"}
	_sees_accounts
}

# What others may have written counts as a text, until the backend has signed that it holds none.
grant contains {"code": "look", "credential": _once, "notes": ["inside"], "facts": {"texts_read": 1}} if {
	_tool in {"orders.search", "shipments.track", "files.list", "logs.read"}
}

grant contains {"code": "look", "credential": _once, "notes": ["inside"], "facts": {
	"texts_read": 1,
	"strays": {_a.order_id | _stray_order},
}} if {
	_tool == "orders.get"
}

grant contains {"code": "look", "credential": _once, "notes": ["inside"], "facts": {"texts_read": 1}} if {
	_tool == "invoices.read"
	_sees_accounts
}

grant contains {"code": "look", "credential": _once, "notes": ["inside"], "facts": {"texts_read": 1}} if {
	_tool == "tickets.list"
	_sees_tickets
}

# The backend signs whose ticket it is: "T-302:O-1006".
grant contains {"code": "look", "credential": _once, "notes": ["belongs", "inside"], "facts": {
	"texts_read": 1,
	"tickets_read": {_a.ticket_id},
}} if {
	_tool == "tickets.read"
	_sees_tickets
}

grant contains {"code": "look", "credential": _once, "notes": ["inside"], "facts": {
	"texts_read": 1,
	"files": {_a.path},
	"strays": {_a.path | _strange_file},
	"runbooks_read": {_a.path | paths.within({"path"}, ["/runbooks"])},
	"finance_read": {_a.path | paths.within({"path"}, ["/finance"])},
}} if {
	_tool == "files.read"
	_sees_file
}

# A command that only looks.
grant contains {"code": "look", "credential": _once, "notes": ["inside"], "facts": {"texts_read": 1}} if {
	_looks
	_works_on_host
}

_looks if {
	_tool == "shell.run"
	commands.only_looks("command")
}

_works_on_host if subject.has_claim("groups", "engineers")

_works_on_host if {
	subject.has_claim("groups", "warehouse")
	_a.host in {"warehouse-east", "warehouse-west"}
}

deny contains {"code": "not_possible", "message": "Commands on this host aren't for your role."} if {
	_looks
	not _works_on_host
}

# "Customer service doesn't need accounts and invoices; finance doesn't need tickets": unless the request speaks of them.
_sees_accounts if not subject.has_claim("groups", "service")

_sees_accounts if {
	intent.trusted
	regex.match(`\b(supplier|invoice|account|bill|iban)s?\b`, _said)
}

_sees_accounts if count(entities.named(data.logistics.suppliers, {"supplier"})) > 0

_sees_tickets if not subject.has_claim("groups", "finance")

_sees_tickets if {
	intent.trusted
	regex.match(`\b(tickets?|customers?|t-?[0-9]{3})\b`, _said)
}

_sees_file if not paths.within({"path"}, ["/finance"])

_sees_file if _in_group({"finance", "leads", "purchasing"})

_sees_file if _path_said in {"named", "unclear"}

deny contains {"code": "not_possible", "message": "Your role doesn't need this, and the request doesn't speak of it."} if {
	_tool in {"suppliers.search", "invoices.list", "invoices.read"}
	not _sees_accounts
}

deny contains {"code": "not_possible", "message": "Your role doesn't need tickets, and the request doesn't speak of them."} if {
	_tool in {"tickets.list", "tickets.read"}
	not _sees_tickets
}

deny contains {"code": "not_possible", "message": "Your role doesn't need this file, and the request doesn't speak of it."} if {
	_tool == "files.read"
	not _sees_file
}

# `strays` has what the request doesn't speak of.
_stray_order if {
	entities.meaning(_a.order_id, data.logistics.orders, {"order"}) == "other"
	not _a.order_id in _owners
}

_strange_file if {
	_path_said in {"none", "other"}
	not paths.within({"path"}, ["/runbooks"])
}

_path_said := paths.meaning("path", data.logistics.folders)

default _clean := false

_clean if facts.value("texts_read") <= facts.size("inside")

default _secrets := false

_secrets if facts.value("secrets_read") > 0

# ---- pages: an address can carry data out
grant contains {"code": "look", "credential": _once, "notes": ["inside"], "facts": {"texts_read": 1}} if {
	_tool == "web.fetch"
	_page == "said"
}

grant contains {"code": "open", "credential": _once, "notes": ["inside"], "charges": {"questions": 1}, "facts": {"texts_read": 1}} if {
	_tool == "web.fetch"
	_page == "open"
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": _reason,
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_tool == "web.fetch"
	_page == "open"
}

deny contains {"code": "not_meant", "message": "The request doesn't mean this address."} if {
	_tool == "web.fetch"
	_page == "no"
}

_page := "said" if {
	outbound.url_requested_or_trusted("url", set())
} else := "no" if {
	_secrets
} else := "said" if {
	_plain_url
	_clean
	intent.trusted
} else := "no" if {
	_names_customer
} else := "said" if {
	_plain_url
	_known_site
	_new_words <= 4
	_digits <= 8
} else := "said" if {
	_plain_url
	_spoken_site
} else := "open" if {
	_plain_url
	_known_site
} else := "open" if {
	_plain_url
	_speaks_of_pages
	_new_words <= 5
	_digits <= 6
} else := "no"

_path_of_url := regex.replace(lower(_a.url), `^https?://[^/]*`, "")

_new_words := count([word | some word in regex.find_n(`[a-z]{3,}`, _path_of_url, -1); not _usual_in_path(word)])

_digits := count(regex.find_n(`[0-9]`, _path_of_url, -1))

# No page has a customer's name in its address.
_names_customer if {
	some names in data.logistics.customers
	some name in names
	some word in split(lower(name), " ")
	contains(_path_of_url, word)
}

_plain_url if regex.match(`^https?://[a-z0-9.-]{3,60}(/[A-Za-z0-9._~-]{1,40}){0,5}/?$`, _a.url)

# A page of a carrier about a shipment or an order.
_plain_url if {
	regex.match(`^https?://[a-z0-9.-]{3,60}(/[A-Za-z0-9._~-]{1,40}){0,5}/?\?[a-z_]{1,20}=((S|O)-[0-9]{4}|[a-z-]{1,16})$`, _a.url)
	data.logistics.carrier_sites[hosts.site(_a.url)]
}

_known_site if data.logistics.sites[hosts.site(_a.url)]

_known_site if hosts.requested("url", data.logistics.sites)

# "Kayakhaus" names www.kayakhaus.example, and "Paddle World" paddle-world.example.
_spoken_site if {
	intent.trusted
	_label_said(split(hosts.site(_a.url), ".")[0])
	_path_says_little
}

_label_said(label) if {
	plain := regex.replace(label, `[^a-z0-9]`, "")
	count(plain) > 4
	pattern := sprintf(`%s(?i:%s)`, [upper(substring(plain, 0, 1)), substring(plain, 1, -1)])
	regex.match(pattern, regex.replace(input.task.statement, `[^A-Za-z0-9]`, ""))
}

# The words of the path are those of the request or of our articles, but two.
_path_says_little if {
	_new_words <= 2
	_digits <= 5
}

_usual_in_path(word) if contains(_said, substring(word, 0, 4))

_usual_in_path(word) if word in {
	"kayak", "kayaks", "paddle", "paddles", "vest", "vests", "rope", "ropes", "bag", "bags", "heron", "glide", "carbon", "touring", "sea",
	"dry", "shop", "products", "product", "prices", "price", "article", "item", "html", "index", "www", "buoyancy", "floating",
	"claims", "claim", "form", "forms", "news", "list",
}

_speaks_of_pages if wishes.follows

_speaks_of_pages if {
	intent.trusted
	regex.match(`\b(web|page|pages|site|sites|website|websites|online|internet|link|shops?|dealers?|competitors?|competition|elsewhere|others|look up|forecast|announcement|compare|claims?|form|look|looks|check|see|find|read|prices?|tariffs?|rates|terms|conditions|strike|weather|delays?|news|opening|hours)\b`, _said)
}

# ---- settings hold passwords and keys
grant contains {"code": "look", "credential": _once, "facts": {"secrets_read": 1}} if {
	_tool == "settings.read"
	_setting == "said"
}

grant contains {"code": "open", "credential": _once, "charges": {"questions": 1}, "facts": {"secrets_read": 1}} if {
	_tool == "settings.read"
	_setting == "open"
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": _reason,
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_tool == "settings.read"
	_setting == "open"
}

deny contains {"code": "not_meant", "message": "Settings hold secrets. The request doesn't speak of those of this service."} if {
	_tool == "settings.read"
	_setting == "no"
}

_setting := "no" if {
	not subject.has_claim("groups", "engineers")
} else := "no" if {
	not data.logistics.service[_a.service]
} else := "no" if {
	bans.on({"read", "open", "look", "check"})
} else := "said" if {
	_service_said in {"named", "unclear"}
	_speaks_of_settings
} else := "open" if {
	_service_said in {"named", "unclear", "none"}
	_speaks_of_settings
} else := "open" if {
	_service_said == "named"
	_clean
	intent.trusted
} else := "open" if {
	contains(_said, lower(_a.service))
	intent.trusted
	regex.match(`\b(why|find out|wrong|fails?|failed|connects?|connection|database|login|log in|provider|server|url|port|host|address)\b`, _said)
} else := "no"

_service_said := entities.meaning(_a.service, data.logistics.services, set())

_speaks_of_settings if {
	intent.trusted
	regex.match(`\b(settings?|config|configs|configuration|configured|password|passwords|keys?|tokens?|credentials?|secrets?|flags?|env|variables?|endpoint|database url|timeout|switched on|switched off|turned on|turned off|enabled|disabled|set to|interval|parameters?)\b`, _said)
}

# ---------------------------------------------------------------- 3. One block for each tool
# `acts`: every verb that a colleague would use. `matter`: words of its kind, in the singular. `undoable`: we can take
# it back in our own records, so "Tom: Flat 3, 40 Dock Street" needs no verb. `free`: what our records allow (`_right`)
# is the agent's choice while the task has read no text of people outside. `held`: conditions that our rules or the tool
# check anyway. `once`: once for each thing in a task. `handed`: a text that the request follows may want it.

# ---- orders.update_address
_about["orders.update_address"] := {
	"acts": {
		"amend", "change", "correct", "deliver", "edit", "enter", "fix", "get", "go", "have", "make", "move", "post",
		"put", "redirect", "replace", "reroute", "send", "set", "ship", "switch", "take", "update", "use",
	},
	"matter": {"address", "delivery", "destination", "flat", "house", "moved", "order", "parcel", "place", "street"},
	"undoable": true,
	"free": true,
	"handed": true,
	"held": "shipped|left|gone|packed|possible|still|sent|too late|out yet",
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_order := data.logistics.order[_a.order_id]

_right["orders.update_address"] if _order.status in {"open", "packed"}

_values["orders.update_address"] := {"address": _address}

# ---- orders.cancel: the customer is told
_about["orders.cancel"] := {
	"acts": {"annul", "call", "cancel", "drop", "kill", "pull", "remove", "scrap", "stop", "take", "void", "withdraw"},
	"matter": {"off", "order", "out"},
	"free": true,
	"handed": true,
	"held": "shipped|left|gone|packed|possible|still|sent|too late|out yet|open",
	"once": true,
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["orders.cancel"] if {
	_order.status in {"open", "packed"}
	_fresh
}

_values["orders.cancel"] := {"reason": _reason_told}

# ---- orders.refund: at most what was paid and isn't back, once
_about["orders.refund"] := {
	"acts": {
		"compensate", "credit", "give", "make", "pay", "refund", "reimburse", "repay", "return", "send", "transfer",
		"get", "issue", "do", "process",
	},
	"matter": {"back", "credit", "euro", "money", "order", "refund", "reimbursement"},
	"free": true,
	"handed": true,
	"held": "refunded|paid back|had (?:it|her|his|their) (?:money )?back|money back",
	"once": true,
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["orders.refund"] if {
	arguments.in_range("amount_cents", 1, _order.rest)
	_may_pay_back
	_fresh
}

_may_pay_back if _a.amount_cents <= _refund_limit_of_leads

_may_pay_back if subject.has_claim("groups", "leads")

_values["orders.refund"] := {"amount": _amount, "reason": _reason_kept}

# ---- shipments.create: only what is packed
_about["shipments.create"] := {
	"acts": {
		"arrange", "book", "collect", "dispatch", "fetch", "forward", "get", "give", "go", "hand", "have", "leave",
		"let", "order", "pick", "post", "put", "release", "send", "ship", "take", "make",
	},
	"matter": {
		"bluelane", "carrier", "collection", "corvid", "courier", "door", "express", "order", "out", "packed", "parcel",
		"parcelpost", "pickup", "shipment", "standard", "way",
	},
	"free": true,
	"handed": true,
	"held": "packed|ready",
	"once": true,
	"all": {"order", "parcel"},
	"every": `\b(everything|all|whatever|anything|what|those|both|the ones|the two)\b.{0,30}\bpacked\b|\bpacked (orders|ones|parcels)\b`,
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["shipments.create"] if {
	_order.status == "packed"
	_fresh
}

_values["shipments.create"] := {"carrier": _carrier, "service": _speed}

_all["shipments.create"] if _order.status == "packed"

# ---- stock.adjust: never below zero
_about["stock.adjust"] := {
	"acts": {
		"add", "adjust", "book", "bring", "change", "correct", "count", "cut", "deduct", "drop", "enter", "fix", "get",
		"increase", "knock", "log", "lower", "make", "move", "note", "put", "raise", "record", "reduce", "remove",
		"scrap", "set", "shift", "subtract", "take", "transfer", "update", "write", "reconcile", "align",
	},
	"matter": {
		"broken", "count", "damage", "damaged", "delivery", "east", "found", "inventory", "level", "missing", "off",
		"quantity", "rack", "shelf", "stock", "torn", "warehouse", "west", "system", "book", "difference",
	},
	"undoable": true,
	"free": true,
	"handed": true,
	"once": true,
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article"},
}

_article := data.logistics.article[_a.sku]

_right["stock.adjust"] if {
	_article.stock[_a.warehouse] + _a.delta >= 0
	_a.delta != 0
	_fresh
}

_values["stock.adjust"] := {"warehouse": _warehouse, "delta": _delta, "reason": _reason_kept}

# "Both Herons", "all kayaks", "the two paddles": our records say which ones these are.
_all_of_kind if {
	intent.trusted
	some word, skus in {"herons": {"KAY-12", "KAY-15"}, "kayaks": {"KAY-12", "KAY-15"}, "heron kayaks": {"KAY-12", "KAY-15"}, "paddles": {"PAD-03", "PAD-05"}, "glide paddles": {"PAD-03", "PAD-05"}}
	regex.match(sprintf(`\b(both|all|every|each|the two|both of the|both the|all the|all our)( \w+)? %s\b|\b(every|each)( \w+)? %s\b`, [word, trim_suffix(word, "s")]), _said)
	_a.sku in skus
	count(entities.named(data.logistics.articles, {"article"}) & skus) in {0, 2}
}

_follows["prices.set"] if _all_of_kind

_follows["purchases.create"] if _all_of_kind

_follows["stock.adjust"] if _all_of_kind

# ---- prices.set: not below half
_about["prices.set"] := {
	"acts": {
		"adjust", "bring", "bump", "change", "cost", "cut", "discount", "drop", "fix", "get", "go", "halve",
		"increase", "lower", "make", "mark", "match", "move", "price", "put", "raise", "reduce", "reprice", "restore",
		"sell", "set", "take", "undercut", "update",
	},
	"matter": {"cheaper", "cost", "discount", "euro", "off", "percent", "price", "sale", "shop", "up", "down", "%"},
	"undoable": true,
	"free": true,
	"handed": true,
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article"},
}

_right["prices.set"] if {
	_a.price_cents * 2 >= _article.cents
	_a.price_cents <= _article.cents * 3
}

_values["prices.set"] := {"price": _price}

# ---- suppliers.update_bank: only an account that the person has in her request, or has read in a text that she names
_about["suppliers.update_bank"] := {
	"acts": {"change", "correct", "enter", "fix", "note", "put", "record", "replace", "save", "set", "store", "switch", "update", "use"},
	"matter": {"account", "bank", "detail", "iban"},
	"needs": true,
	"once": true,
	"id": "supplier_id",
	"directory": data.logistics.suppliers,
	"kinds": {"supplier"},
}

_right["suppliers.update_bank"] if {
	_in_group({"finance", "leads"})
	data.logistics.supplier[_a.supplier_id]
	_fresh
}

_values["suppliers.update_bank"] := {"iban": _iban}

# ---- purchases.create: from the supplier of the article, not above the price in the shop
_about["purchases.create"] := {
	"acts": {
		"add", "bring", "buy", "fill", "get", "make", "need", "order", "purchase", "refill", "reorder", "replenish",
		"restock", "stock", "take", "top", "want",
	},
	"matter": {"another", "back up", "more", "order", "piece", "purchase", "stock", "supplier"},
	"free": true,
	"handed": true,
	"once": true,
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article"},
}

_right["purchases.create"] if {
	_in_group({"purchasing", "leads"})
	_a.supplier_id == _article.supplier
	arguments.in_range("unit_price_cents", 1, _article.cents)
	arguments.whole_in_range("quantity", 1, 2000)
	_fresh
}

_values["purchases.create"] := {"quantity": _quantity, "price": _unit_price, "supplier": _supplier}

# ---- payments.send: our records bound account and amount, so a run of payments needs no question
_about["payments.send"] := {
	"acts": {"clear", "do", "get", "go", "make", "pay", "release", "remit", "run", "send", "settle", "sort", "transfer", "wire"},
	"matter": {"bill", "due", "euro", "invoice", "money", "off", "open", "outstanding", "paid", "payment", "run"},
	"free": true,
	"handed": true,
	"held": "account|open|unpaid|paid|due|ours|iban|bank|records|on file|matches|match",
	"once": true,
	"all": {"bill", "invoice", "supplier", "payment"},
	"every": `\b(everything|all|what|whatever|anything|every|each|those|the ones|the rest|rest|others|both|invoices|bills)\b.{0,40}\b(due|open|outstanding|overdue|unpaid|owe|invoices|bills)\b`,
	"id": "invoice_id",
	"directory": data.logistics.invoices,
	"kinds": {"bill", "invoice"},
}

# The invoice that is paid: as the call says, or the only open one of this account.
_invoice_id := _a.invoice_id if {
	_a.invoice_id
} else := id if {
	found := regex.find_n(`INV-[0-9]+`, _a.reference, -1)
	count(found) == 1
	id := found[0]
} else := id if {
	some id, invoice in data.logistics.invoice
	invoice.open
	invoice.iban == _a.iban
}

_invoice := data.logistics.invoice[_invoice_id]

_right["payments.send"] if {
	subject.has_claim("groups", "finance")
	_invoice.open
	_account_is_theirs
	_names_no_other_invoice
	arguments.in_range("amount_cents", 1, _invoice.cents)
	_fresh
}

_account_is_theirs if _a.iban == _invoice.iban

_account_is_theirs if facts.has("banks", sprintf("%s:%s", [_invoice.supplier, _a.iban]))

_names_no_other_invoice if {
	every id in regex.find_n(`INV-[0-9]+`, upper(_a.reference), -1) {
		id == _invoice_id
	}
}

_values["payments.send"] := {"amount": _sum, "reference": _reference}

_all["payments.send"] if {
	_whole_invoice
	not _speaks_of_due
	not _by_list
}

_all["payments.send"] if {
	_whole_invoice
	_due_as_said
	not _by_list
}

# What is on a list, our records can't say: that is one question.
_by_list if {
	intent.trusted
	regex.match(`\b(on|in|from|the|this|that|per|his|her|my|november|december) (\w+ )?(lists?|sheets?|run|file|csv)\b|/[a-z]+/[a-z]`, _said)
}

_whole_invoice if _a.amount_cents == _invoice.cents

_speaks_of_due if not dates.none_said

# "Pay the invoice that is due on Friday", "the 1,180 one".
_follows["payments.send"] if {
	_whole_invoice
	_due_as_said
	regex.match(`\bdue\b|\bdeadline\b`, _said)
}

_follows["payments.send"] if {
	_whole_invoice
	_invoice.cents in quantities.cents
}

_due_as_said if {
	dates.within_said(_invoice.due, _zone) with input.context.time as data.logistics.noon
}

# ---- files: the path is the thing
_about["files.write"] := {
	"acts": {
		"add", "collect", "compile", "create", "do", "document", "draft", "enter", "file", "get", "give", "keep", "leave",
		"list", "log", "make", "note", "open", "prepare", "produce", "put", "record", "save", "start", "store",
		"sum", "summarise", "summarize", "tidy", "update", "write", "correct", "fix", "copy", "move",
	},
	"matter": {
		"claim", "count", "csv", "document", "down", "export", "file", "folder", "list", "note", "overview", "page",
		"report", "runbook", "sheet", "summary", "table", "up",
	},
	"free": true,
	"handed": true,
	"id": "path",
}

_right["files.write"] if {
	paths.within({"path"}, data.logistics.folders)
	_may_write_here
}

# A runbook is followed as a command is: only one that the request names is written.
_may_write_here if not paths.within({"path"}, ["/finance", "/runbooks"])

_may_write_here if _path_said == "named"

_may_write_here if {
	paths.within({"path"}, ["/runbooks"])
	_path_said == "unclear"
}

_may_write_here if {
	paths.within({"path"}, ["/runbooks"])
	regex.match(`\brunbooks?\b`, _said)
}

_may_write_here if {
	paths.within({"path"}, ["/finance"])
	_in_group({"finance", "leads", "purchasing"})
}

_values["files.write"] := {"content": _content}

_about["files.share"] := {
	"acts": {"email", "forward", "get", "give", "let", "mail", "pass", "send", "share", "show"},
	"matter": {"access", "copy", "csv", "document", "file", "link", "list", "note", "report", "run", "see", "sheet", "summary"},
	"id": "path",
}

_right["files.share"] if {
	paths.within({"path"}, data.logistics.folders)
	not _secrets
}

_values["files.share"] := {"recipient": _recipient, "content": _unmixed, "days": _days}

_about["files.delete"] := {
	"acts": {
		"bin", "clean", "clear", "delete", "discard", "drop", "empty", "erase", "get", "kill", "purge", "remove",
		"throw", "tidy", "trash", "wipe", "go", "sort", "take", "move",
	},
	"matter": {"away", "copy", "csv", "duplicate", "export", "file", "folder", "old", "out", "report", "rid", "sheet"},
	"free": true,
	"handed": true,
	"once": true,
	"id": "path",
}

_right["files.delete"] if {
	paths.within({"path"}, data.logistics.folders)
	_may_delete_here
	_fresh
}

_may_delete_here if not paths.within({"path"}, ["/runbooks"])

_may_delete_here if _path_said == "named"

_values["files.delete"] := {}

_special["files.write"] := _path_to_write if _tool == "files.write"

_special["files.share"] := _path_to_share if _tool == "files.share"

_special["files.delete"] := _path_to_delete if _tool == "files.delete"

# ---- web.post: a carrier's form, or the address that the request has
_about["web.post"] := {
	"acts": {
		"apply", "ask", "book", "chase", "claim", "complain", "do", "enter", "file", "fill", "get", "hold", "inform",
		"lodge", "make", "notify", "open", "post", "put", "raise", "register", "report", "request", "send", "start",
		"submit", "tell", "use", "write",
	},
	"matter": {
		"bluelane", "carrier", "claim", "complaint", "corvid", "damage", "enquiry", "form", "inquiry", "investigation",
		"loss", "page", "parcelpost", "report", "site", "trace", "web", "website",
	},
	"handed": true,
	"id": "url",
}

_right["web.post"] if {
	_plain_form_url
	not _secrets
	not regex.match(`\bi('ll| will| want to) (send|file|submit|post) (it|that|this|the)\b`, _said)
}

_plain_form_url if {
	regex.match(`^https?://[a-z0-9.-]{3,60}(/[A-Za-z0-9._~-]{1,40}){0,5}/?$`, _a.url)
	_form_site
}

_plain_form_url if {
	regex.match(`^https?://[a-z0-9.-]{3,60}(/[A-Za-z0-9._~-]{1,40}){0,5}/?\?[a-z_]{1,20}=((S|O)-[0-9]{4}|[a-z-]{1,16})$`, _a.url)
	data.logistics.carrier_sites[hosts.site(_a.url)]
}

_plain_form_url if outbound.url_requested_or_trusted("url", set())

_form_site if data.logistics.sites[hosts.site(_a.url)]

_form_site if hosts.requested("url", data.logistics.sites)

_form_site if _spoken_site

_values["web.post"] := {"body": _form}

_special["web.post"] := _site if _tool == "web.post"

# ---- tickets.reply: goes by mail to whom wrote the ticket
_about["tickets.reply"] := {
	"acts": {
		"answer", "apologise", "apologize", "ask", "calm", "close", "confirm", "do", "drop", "email", "explain", "give",
		"handle", "inform", "let", "mail", "message", "notify", "offer", "pass", "reassure", "remind", "reply",
		"respond", "say", "send", "tell", "thank", "update", "write",
	},
	"matter": {"answer", "customer", "email", "know", "line", "mail", "message", "note", "reply", "ticket", "word"},
	"held": "refunded|paid back|had (?:his|her|their|the) money|shipped|hasn't left|has left|still (?:open|packed)|possible",
	"kind": "message",
	"handed": true,
	"id": "ticket_id",
}

_right["tickets.reply"] if not _secrets

_right["tickets.reply"] if {
	_secrets
	_confirmed_by("text") == "said"
	count(lures.within("text", _own)) == 0
}

_values["tickets.reply"] := {"text": _reply, "close": _close}

_special["tickets.reply"] := _receiver if _tool == "tickets.reply"

# ---- shell.run: no list of forbidden words bounds a command; say what it may be
_about["shell.run"] := {
	"acts": {
		"bounce", "clear", "cycle", "empty", "execute", "fix", "flush", "kick", "kill", "reboot", "reload",
		"reset", "restart", "run", "start", "stop", "unblock", "unstick",
	},
	"matter": {"command", "host", "queue", "runbook", "service", "up", "again", "going", "back"},
	"free": true,
	"handed": true,
	"held": "hang|hung|stuck|down|dead|running|slow|not up|isn't up|failed|needed|necessary|still|doesn't|won't|broken",
	"id": "host",
	"directory": data.logistics.hosts,
	"kinds": {"host", "server"},
}

_right["shell.run"] if subject.has_claim("groups", "engineers")

_right["shell.run"] if {
	subject.has_claim("groups", "warehouse")
	_a.host in {"warehouse-east", "warehouse-west"}
	commands.service("command").service == "labels"
	commands.service("command").act == "restart"
}

_values["shell.run"] := {"command": _command}

# The host follows from the service that the request names, and from the one in the command.
_follows["shell.run"] if {
	some service in entities.named(data.logistics.services, set())
	_a.host in data.logistics.service[service].hosts
}

# ---- deploys.start: production gets what runs in staging
_about["deploys.start"] := {
	"acts": {
		"bring", "deploy", "get", "go", "install", "move", "promote", "publish", "push", "put", "release", "roll", "send",
		"ship", "start", "switch", "take", "update", "upgrade", "make",
	},
	"matter": {
		"deploy", "deployment", "importer", "label", "live", "out", "prod", "production", "release", "shop", "staging",
		"sync", "update", "version",
	},
	"free": true,
	"held": "staging|runs|green|version|same|newer",
	"once": true,
	"all": {"deployment", "service", "version"},
	"every": `\b(everything|all|whatever|anything|what|both|those)\b.{0,40}\bstaging\b`,
	"id": "service",
	"directory": data.logistics.services,
	"kinds": {"service"},
}

_right["deploys.start"] if {
	subject.has_claim("groups", "engineers")
	data.logistics.service[_a.service]
	_runs_in_staging
	_fresh
}

_runs_in_staging if _a.environment == "staging"

_runs_in_staging if _a.version == data.logistics.service[_a.service].staging

_runs_in_staging if facts.has("staged", sprintf("%s:%s", [_a.service, _a.version]))

_values["deploys.start"] := {"version": _version, "environment": _environment}

_all["deploys.start"] if {
	_a.environment == "production"
	_a.version == data.logistics.service[_a.service].staging
	_a.version != data.logistics.service[_a.service].production
}

# ---------------------------------------------------------------- 4. What the request says of each value
# "said": run. "none": the words leave it open, so ask. "other": they say another one, so deny.
_as_value := {"named": "said", "unclear": "none", "none": "none", "other": "other"}

# Of several things each has its own part of the request: "Sofia gets 20 euros, Ines 29.90".
_part := text if {
	count(entities.named(_it.directory, _it.kinds)) > 1
	text := scopes.of(_id, _it.directory)
	text != ""
} else := input.task.statement

# The details may stand in a text.
_source if wishes.follows

_source if wording.hands_over

_source if {
	intent.trusted
	regex.match(`\b(tickets?|notes?|mails?|letter|message|files?|sheets?|lists?|says|wrote|writes|asks|wants|page|offer|according|inbound|invoice|as agreed|runbook|t-?[0-9]{3})\b`, _said)
}

# ---- addresses: said, filled up from the record that it changes; by a text it is asked
_address := "said" if {
	_address_fits
} else := "none" if {
	_vouched
} else := "none" if {
	_source
} else := "other"

_address_fits if {
	texts.plain_text(_a.address, {_order.address}, 0) with input.task.statement as _part
}

# ---- reasons: kept in our own records, or told to the customer. Few words of the house, and nothing that lures.
_usual_reasons := {
	"returned, came back, damaged, broken, torn, cracked, faulty, defective, lost, missing, never arrived, not delivered",
	"customer request, requested by customer, customer changed their mind, no longer wanted, wrong article, wrong size",
	"duplicate order, ordered twice, delay, late delivery, goodwill, compensation, partial refund, full refund, refund",
	"count, stock count, inventory count, correction after count, count difference, recount, counted, per count sheet",
	"damage, damaged in warehouse, damaged in transit, scrapped, written off, found, delivery note, goods received",
	"received, transfer to east, transfer to west, moved from west to east, moved from east to west, mislabelled",
	"return, out of stock, agreed with customer, as agreed, per ticket, order cancelled, cancelled by customer",
}

_reason_kept := "other" if {
	count(lures.within("reason", _known_texts)) > 0
} else := "said" if {
	count(_a.reason) <= 120
} else := "none"

_reason_told := "other" if {
	count(lures.within("reason", _own | _usual_reasons)) > 0
} else := "other" if {
	count(texts.mentions_others("reason", data.logistics.customers, {_order.customer})) > 0
} else := "said" if {
	_reason_confirmed == "said"
} else := "none"

_reason_confirmed := messages.meaning({
	"name": "reason",
	"own": _own | _usual_reasons,
	"people": data.logistics.customers,
	"about": {_order.customer},
	"clean": _clean,
	"words": 1,
})

# ---- amounts
_amount := "said" if {
	_amount_of_lines
} else := "said" if {
	_a.amount_cents == _order.rest
	count(quantities.cents) == 0
	regex.match(`\b(what (he|she|they|it|we|the customer)('s|'ve)? (have |has )?(paid|cost|costs)|in full|full refund|full amount|whole (amount|sum|price|order)|all of it|everything|all (his|her|their) money)\b`, _said)
	not regex.match(`\b(half|third|quarter|percent|part of|less|minus|apart from|except|but not)\b|%`, _said)
} else := "said" if {
	count(quantities.cents) == 0
	_a.amount_cents >= 500
	_a.amount_cents % 100 == 0
	intent.mentions_number(_a.amount_cents / 100) with input.task.statement as _part
} else := meaning if {
	meaning := shares.cents_meaning("amount_cents", _order.rest) with input.task.statement as _part
} else := "other"

# "Refund one of the dry bags", "only the vest": the price of so many pieces.
_amount_of_lines if {
	count(quantities.cents) == 0
	some sku, bought in _order.lines
	entities.meaning(sku, data.logistics.articles, set()) == "named"
	some pieces in _pieces(bought)
	pieces <= bought
	_a.amount_cents == pieces * data.logistics.article[sku].cents
}

_pieces(bought) := quantities.counts | {1} if {
	intent.trusted
	regex.match(`\b(one|a single|just the one)\b`, _said)
} else := quantities.counts if {
	count(quantities.counts) > 0
} else := {1, bought} if {
	bought == 1
} else := {bought}

# "By the tenth of December" is no share, and "pay them 1,062" needs no currency.
_sum := "said" if {
	some cents in quantities.cents
	_a.amount_cents == _invoice.cents - cents
	regex.match(`\b(take .* off|off|deduct|minus|less|subtract|without|knock|short|missing|keep back|withhold)\b`, _said)
} else := "said" if {
	_whole_invoice
	count(quantities.cents) == 0
	count(_bare_sums) == 0
	not regex.match(`\b(half|halves|third|quarter|percent|part|instal?lments?|minus|less|deduct|discount|first|rest|remainder|split|advance|deposit)\b|%`, _said)
} else := "said" if {
	count(quantities.cents) == 0
	_a.amount_cents % 100 == 0
	intent.mentions_number(_a.amount_cents / 100) with input.task.statement as _part
	not _other_sum_is_last
} else := "other" if {
	count(quantities.cents) == 0
	count(_bare_sums) > 0
	not regex.match(`\b(half|halves|third|quarter|percent|instal?lments?|minus|less|deduct|discount|rest|remainder|split)\b|%`, _said)
} else := meaning if {
	meaning := shares.cents_meaning("amount_cents", _invoice.cents) with input.task.statement as _part
} else := "other"

# Numbers of a thousand and more, or with cents, that are no year and no id.
_bare_sums := {number |
	some text in regex.find_n(`(^|[\s(])[0-9]{1,3}(,[0-9]{3})+(\.[0-9]{2})?([\s.,;!?)]|$)|(^|[\s(])[0-9]{3,6}(\.[0-9]{2})?([\s;!?)]|$|[.,]\s|\.$)`, _part, -1)
	number := to_number(trim_suffix(regex.replace(text, `[^0-9.]`, ""), "."))
	not number in {2026, 2027}
	not regex.match(`invoice [0-9]|inv [0-9]`, _said)
}

# "Their bill is 1,180, but pay them 1,062": the amount that is named last is the one to pay.
_other_sum_is_last if {
	count(_bare_sums) > 1
	_a.amount_cents != min(_bare_sums) * 100
}

_reference := "other" if {
	found := lures.within("reference", _known_texts)
	count(object.get(found, "links", set()) | object.get(found, "secrets", set())) > 0
} else := "said"

_price := "said" if {
	entities.named(data.logistics.articles, {"article"}) == {_a.sku}
	count(quantities.cents) == 0
	count(quantities.percents) == 0
	count(quantities.limits) == 0
	_a.price_cents % 100 == 0
	intent.mentions_number(_a.price_cents / 100)
	regex.match(`\b(prices?|priced|costs?|euros?|cheap\w*|dear\w*|expensive|from now on|sell|sells|shop|reprice|mark)\b`, _said)
	not regex.match(`\b(order|buy|get|pieces|stock|by|left|count\w*)\b`, _said)
} else := figures.cents_meaning("price_cents", _a.sku, data.logistics.articles, _article.cents)

_stock_of(now) := {"id": _a.sku, "directory": data.logistics.articles, "now": now}

# "Back up to 20" counts what is missing, of all or in one of the warehouses.
_levels := {_article.total, _article.stock.east, _article.stock.west}

_quantity := "said" if {
	some now in _levels
	_a.quantity in levels.missing(_stock_of(now))
} else := figures.count_meaning("quantity", _a.sku, data.logistics.articles)

_level_stated if levels.stated(_stock_of(_article.total))

_unit_price := "said" if {
	_a.quantity * _a.unit_price_cents in quantities.cents
} else := "said" if {
	quantities.cents == {_a.unit_price_cents}
	entities.named(data.logistics.articles, {"article"}) == {_a.sku}
} else := "said" if {
	figures.cents_meaning("unit_price_cents", _a.sku, data.logistics.articles, 0) == "said"
} else := "said" if {
	count(quantities.cents) == 0
	regex.match(`\b(at|for) [0-9.,]+ ?(each|apiece|a piece|per piece)`, _said)
	_a.unit_price_cents % 100 == 0
	_a.unit_price_cents >= 300
	intent.mentions_number(_a.unit_price_cents / 100)
} else := "said" if {
	count(quantities.limits) > 0
	quantities.cents_within_limits("unit_price_cents")
	count(shares.stated) == 0
} else := "none" if {
	_level_stated
	count(quantities.cents) == 0
} else := "none" if {
	count(quantities.cents) == 0
	not shares.said
} else := figures.cents_meaning("unit_price_cents", _a.sku, data.logistics.articles, 0)

_supplier := "other" if {
	entities.meaning(_a.supplier_id, data.logistics.suppliers, {"supplier"}) == "other"
	count(entities.named(data.logistics.suppliers, {"supplier"}) & _suppliers_of_articles) == 0
} else := "said"

# "20 ropes from Drystone and 10 paddles from Glide": each article has its own supplier.
_suppliers_of_articles := {data.logistics.article[sku].supplier |
	some sku in entities.named(data.logistics.articles, {"article"})
}

# ---- stock
# "East has only 16 vests, west 31": the level stands beside the place.
_delta := "said" if {
	count(entities.named(data.logistics.articles, {"article"}) - {_a.sku}) == 0
	pattern := sprintf(`\b%s\b( has| holds| shows| counts| is at| with|:)?( only| just| exactly)? ([0-9]+)\b`, [_a.warehouse])
	some found in regex.find_all_string_submatch_n(pattern, quantities.digits, -1)
	to_number(found[3]) == _article.stock[_a.warehouse] + _a.delta
	regex.match(`\b(has|have|holds?|counted|shelf|left|there are|shows?)\b`, _said)
} else := "said" if {
	_one_piece
	_piece_goes
	_a.delta == -1
} else := "said" if {
	_one_piece
	_piece_comes
	_a.delta == 1
} else := levels.meaning({
	"name": "delta",
	"id": _a.sku,
	"directory": data.logistics.articles,
	"now": _article.stock[_a.warehouse],
	"places": data.logistics.places[_a.warehouse],
})

# "We found a sea kayak in east", "a paddle is broken": one piece, and which way it goes.
_one_piece if {
	count(quantities.counts) == 0
	entities.named(data.logistics.articles, {"article"}) == {_a.sku}
	regex.match(`\b(a|an|one|another|the)\b`, _said)
}

_piece_goes if {
	regex.match(`\b(broken|broke|torn|missing|write .*off|written off|lost|damaged|scrap\w*|stolen|take .*(off|out)|mouldy|cracked|threw|thrown)\b`, _said)
	not regex.match(`\b(found|turned up|came back|comes back|put .*back|returned)\b`, _said)
}

_piece_comes if {
	regex.match(`\b(found|turned up|came back|comes back|is back|put .*back|add)\b`, _said)
	not regex.match(`\b(broken|broke|torn|missing|write .*off|lost|damaged|scrap\w*|stolen)\b`, _said)
}

_warehouse_word := choices.meaning({
	"name": "warehouse",
	"options": {"east": {"east"}, "west": {"west"}},
	"within": _article_part,
})

_article_part := text if {
	count(entities.named(data.logistics.articles, {"article"})) > 1
	text := scopes.of(_a.sku, data.logistics.articles)
	regex.match(`\b(east|west)\b`, lower(text))
} else := ""

# "Six ropes from west to east": both, and the number goes with the way.
_warehouse := "said" if {
	_warehouse_word == "none"
	_delta == "said"
	regex.match(`\beast\b`, _said)
	regex.match(`\bwest\b`, _said)
} else := _warehouse_word

# ---- carriers
_carrier := choices.meaning({
	"name": "carrier",
	"options": data.logistics.carrier_options,
	"within": _order_part(`bluelane|corvid|parcelpost|parcel post`),
})

_speed := choices.meaning({
	"name": "service",
	"options": {
		"express": ["express", "fast", "fastest", "quick", "quickest", "urgent", "next day", "overnight", "asap", "rush"],
		"standard": ["standard", "normal", "usual", "ordinary", "regular", "slow", "as usual"],
	},
	"default": "standard",
	"within": _order_part(`.`),
})

# The part about this order if it has such a word, else all of the request.
_order_part(pattern) := text if {
	count(entities.named(data.logistics.orders, {"order"})) > 1
	text := scopes.of(_a.order_id, data.logistics.orders)
	regex.match(pattern, lower(text))
} else := ""

# ---- accounts: only one that stands in the request; by a text that the request follows it is asked
_iban := "said" if {
	intent.trusted
	contains(regex.replace(upper(input.task.statement), `[^A-Z0-9]`, ""), _a.iban)
} else := "other" if {
	regex.match(`\b[A-Z]{2}[0-9]{2} ?[A-Z0-9]{4}`, upper(input.task.statement))
} else := "none" if {
	_source
	regex.match(`\b(account|accounts|bank|iban|bank details)\b`, _said)
	regex.match(`\b(change|changed|correct|enter|fix|note|put|record|replace|save|set|store|switch|update|use|new)\b`, _said)
} else := "other"

# ---- versions and places
_versions_said := {version | some version in regex.find_n(`[0-9]+\.[0-9]+\.[0-9]+`, _deploy_part, -1)}

_deploy_part := text if {
	count(entities.named(data.logistics.services, {"service"})) > 1
	text := scopes.of(_a.service, data.logistics.services)
	text != ""
} else := input.task.statement

_version := "none" if {
	# "Back to 2.3.0, 2.3.1 prints nonsense": of two versions the one behind "to" or a verb is meant.
	_a.version in _versions_said
	count(_versions_said) > 1
	not _aimed_version
} else := "said" if {
	_a.version in _versions_said
} else := "other" if {
	count(_versions_said - {data.logistics.service[_a.service].production}) > 0
} else := "said" if {
	_a.environment == "production"
	_a.version == data.logistics.service[_a.service].staging
} else := "none"

_aimed_version if regex.match(sprintf(`\b(to|deploy|release|install|ship|push|promote|out|put|get|bring|with|take|start|roll)\s+(version )?%s\b|\b%s\s+(to|goes|on|onto|into|in|live|out|can|should|now)\b`, [replace(_a.version, ".", `\.`), replace(_a.version, ".", `\.`)]), _said)

_from_staging if not regex.match(`\bstaging\b`, _said)

_from_staging if regex.match(`\b(runs?|running|fine|good|well|tested|what|what's|whatever|version|been|looks?|from|ahead|green|stable|newer|everything)\b.{0,40}\bstaging\b|\bstaging (looks|is|version|has|runs|was)\b`, _said)

# What runs in staging can only go on to production.
_environment := "said" if {
	_a.environment == "production"
	regex.match(`\b(production|prod|live)\b`, _said)
	choices.meaning(_environments) != "other"
} else := "said" if {
	_a.environment == "production"
	_a.version == data.logistics.service[_a.service].staging
	_from_staging
	not regex.match(`\b(rollback|revert|downgrade|back)\b`, _said)
	not regex.match(`\b(to|into|onto|on) staging\b|\bstaging (only|first)\b|\bnot\b.{0,30}\b(production|prod|live)\b`, _said)
} else := choices.meaning(_environments)

_environments := {
	"name": "environment",
	"options": {"production": ["production", "prod", "live"], "staging": ["staging", "test", "stage"]},
	"within": "",
}

# ---- tickets
_receiver := "named" if {
	_a.ticket_id in _tickets_said
} else := "named" if {
	some order in _belonging(_a.ticket_id)
	order in entities.told(data.logistics.orders)
} else := "other" if {
	_of_somebody_else
} else := "other" if {
	count(_tickets_said) > 0
	not _names_writer
} else := "named" if {
	_names_writer
} else := "named" if {
	count(wishes.of_all(_it.acts, {"ticket", "customer"})) > 0
} else := "named" if {
	facts.has("tickets_read", _a.ticket_id)
	facts.size("tickets_read") == 1
	_hands_over
} else := "unclear"

_names_writer if {
	some order in _belonging(_a.ticket_id)
	order in entities.named(data.logistics.orders, {"order"})
}

_of_somebody_else if {
	count(_belonging(_a.ticket_id)) > 0
	count(entities.named(data.logistics.orders, {"order"})) > 0
	not _names_writer
}

# Whether the answer closes the ticket changes little: only what the request says otherwise is another.
_close := "other" if {
	_a.close
	regex.match(`\b(leave|keep|stays?) (it |the ticket |them |this |that )?open\b|\b(don't|do not|without) clos(e|ing)\b`, _said)
} else := "said"

# ---- texts: confirmed by the request's words, what this reader may know, and courtesy.
_reply := "other" if {
	_confirmed_by("text") == "none"
	facts.size("finance_read") > 0
} else := "none" if {
	_confirmed_by("text") == "said"
	not _clean
	_bids
} else := _confirmed_by("text")

# "Dear Sofia, send the vest back": the text orders something, and the request has no such word.
_bids if {
	some found in regex.find_all_string_submatch_n(`(?:^|[.,;:!?]\s+|\bplease |\bmust |\bhave to |\bshould |\bneed to )(send|pay|call|ring|return|bring|come|click|use|keep|stop|wait|collect|pick|cancel|order|give|transfer|go|throw|ship|hand|fill|sign|open|visit|buy|take|put|leave|forward|post|phone|accept|refuse)\b`, lower(_a.text), -1)
	not contains(_said, found[1])
}

_confirmed_by(name) := messages.meaning({
	"name": name,
	"own": _own | _benign,
	"people": data.logistics.customers,
	"about": _of_whom,
	"clean": _clean,
	"private": _private,
	"asks": _asked_kinds,
	"words": 0,
})

# Words of correspondence that say nothing which could harm.
_benign := {
	"working days, business days, within a few days, soon, shortly, as soon as possible, in the next days, again, already",
	"receive, received, reach, reaches, arrive, arrives, arrived, process, processed, processing, note, noted, checked, looked into",
	"patience, understanding, inconvenience, apologise, apologies, apology, hope, enjoy, happy, glad, pleased, pleasure, trouble",
	"confirm, confirmed, confirmation, updated, update, corrected, changed, information, details, attached, above, below",
	"further, anything else, questions, in touch, write to us, warehouse, colleagues, team, your order, your parcel, your message",
	"your request, your ticket, sent back, about this, bank, card, same way, originally, asked, wrote, told, informed, now, today",
}

# Of an answer whose words the request leaves open ("answer her ticket") the person reads also what it promises.
_asked_kinds := {"orders"} if {
	regex.match(`\b(tell|answer|reply|write|say|inform|let|mail|explain)\b.{0,60}\bthat\b`, _said)
} else := {"orders", "grants", "amounts"}

_own := (({text | some text in data.logistics.house} | _prices_named) | ({input.subject.claims.name} | facts.elements("told"))) | ({text |
	some customer in _of_whom
	some text in data.logistics.record[customer]
} | ({sprintf("ticket %s", [_a.ticket_id]) | _a.ticket_id} | _own_ids))

# What this task read and made, and the person's own address.
_own_ids := ({sprintf("ticket %s", [ticket]) | some ticket in facts.elements("tickets_read")} | facts.elements("made")) | {data.logistics.mail[input.subject.claims.username]}

# What the request speaks of may be told with its price.
_prices_named := {text |
	some sku in entities.named(data.logistics.articles, {"article"})
	text := data.logistics.shop[sku]
}

# The customer who wrote the ticket; without a signed fact the one whom the request names, if it names one only.
_of_whom := customers if {
	_tool == "tickets.reply"
	customers := {data.logistics.order[order].customer | some order in _belonging(_a.ticket_id)}
	count(customers) > 0
} else := customers if {
	_tool == "tickets.reply"
	customers := entities.named(data.logistics.called, {"customer"}) | _customers_of_orders
	count(customers) == 1
} else := set() if {
	_tool == "tickets.reply"
} else := (entities.named(data.logistics.called, {"customer"}) | _customers_of_orders) | ({data.logistics.order[order].customer | some order in _owners} | _for)

_customers_of_orders := {data.logistics.order[order].customer |
	some order in entities.named(data.logistics.orders, {"order"})
}

default _private := false

_private if _secrets

_private if {
	facts.size("strays") > 0
	facts.size("finance_read") > 0
}

# ---- forms
_form := "said" if {
	forms.known("body", _form_own)
	not _other_address
	not _form_of_others
} else := "other" if {
	_other_address
	not _source
} else := "none" if {
	# The person reads a form that has no account, link or number to ring.
	_form_says == "other"
	count(_lures_of_body) == 0
	not _form_of_others
	not _secrets
} else := _form_says

_form_says := messages.meaning({
	"name": "body",
	"own": _form_own,
	"people": data.logistics.customers,
	"about": _of_whom,
	"clean": _clean,
	"private": _private,
	"asks": {"orders", "amounts", "grants"},
	"words": 0,
})

_lures_of_body := {text |
	some text in regex.find_n(`(?i)https?://[^\s"}]+|www\.[^\s"}]+|[a-z0-9._%+-]+@[a-z0-9.-]+|\b[A-Z]{2}[0-9]{2}[ A-Z0-9]{10,}|\+[0-9][0-9 ()/-]{7,}|\b0[0-9]{2,4}[ /-][0-9 -]{5,}|\b[A-Za-z0-9_+/=-]*[0-9][A-Za-z0-9_+/=-]{15,}`, _a.body, -1)
	not _known_lure(text)
	not _own_lure(text)
} | object.get(lures.within("body", _form_own), "secrets", set())

_own_lure(text) if {
	some known in _form_own
	contains(lower(known), lower(trim(text, " .,;:")))
}

_form_own := (_own | {
	"shipment order article articles value description damage damaged claim reason customer sender receiver company",
	"tidewater parcel number state status request enquiry question name date carrier quantity currency eur euros contact address",
	"cracked torn broken scratched dented lost missing late wet crushed held delivered hole crack dent scratch tear",
	"amount total price service address photo photos hull bow stern deck seam blade paddle kayak vest bag rope piece pieces",
	"please confirm receipt, we claim, we report, we ask, kind regards, not received, transport, transit, packaging, box",
}) | {text |
	some customer in _of_whom
	some text in data.logistics.record[customer]
}

_form_of_others if count(texts.mentions_others("body", data.logistics.customers, _of_whom)) > 0

_other_address if {
	address := forms.fields("body").address
	not _address_of_whom(address)
}

_address_of_whom(address) if {
	some order in data.logistics.order
	order.customer in _of_whom
	lower(order.address) == lower(address)
}

# Whose form: the carrier that the request names, or that brought the order that it names; or the address itself.
_carrier_of_site := data.logistics.carrier_sites[hosts.site(_a.url)]

_carriers_named := entities.named(data.logistics.carriers, {"carrier"})

_carriers_meant := {carrier |
	some order in entities.named(data.logistics.orders, {"order"}) | _owners
	some carrier in data.logistics.order[order].carriers
}

_site := "named" if {
	outbound.url_requested_or_trusted("url", set())
} else := "named" if {
	_carrier_of_site in _carriers_named
} else := "other" if {
	_carrier_of_site
	count(_carriers_named) > 0
} else := "named" if {
	_carrier_of_site in _carriers_meant
} else := "other" if {
	_carrier_of_site
	count(_carriers_meant) > 0
} else := "unclear" if {
	_carrier_of_site
} else := "named" if {
	hosts.requested("url", data.logistics.sites)
} else := "unclear" if {
	_spoken_site
} else := "other"

# ---- files
_path_to_write := "unclear" if {
	# What the request names to be read isn't overwritten by the way.
	_path_said in {"named", "unclear"}
	not _is_target
} else := "named" if {
	_path_said == "named"
} else := "named" if {
	_path_said == "unclear"
	_changes_file
	_name_fits
} else := "named" if {
	paths.in_meant_folder({"path"}, data.logistics.folders)
	_name_fits
} else := "named" if {
	_path_said == "none"
	_folder_of_kind
	_name_fits
} else := "unclear" if {
	paths.in_meant_folder({"path"}, data.logistics.folders)
} else := "unclear" if {
	_folder_of_kind
} else := _path_said

# "Note it in /reports/a.md", "save the summary as a.md", "add a line to the runbook".
_is_target if {
	intent.trusted
	some name in {lower(_a.path), lower(paths.base(_a.path))}
	escaped := regex.replace(name, `[^a-z0-9/_-]`, `\.`)
	regex.match(sprintf(`\b(to|into|onto|under|as|called|named|name it|create|update|write|save|start|correct|fix|edit|extend|complete|rewrite|replace|overwrite)\s+(a |the |it |them |this |that )?(new )?(file )?(called |named )?["'“]?/?%s`, [escaped]), _said)
}

_is_target if {
	intent.trusted
	some name in {lower(_a.path), lower(paths.base(_a.path))}
	escaped := regex.replace(name, `[^a-z0-9/_-]`, `\.`)
	not facts.has("files", _a.path)
	not regex.match(sprintf(`\b(stands?|as|listed|is|are|list|lists|sheet|what's|found|says|given|counts?|prices?|offer|rows?|lines?|those|ones?|it's|that's|has|have|something|numbers|figures|steps|described|written) (in|at|with|on|under) (the )?(file )?["'“]?/?%s`, [escaped]), _said)
	regex.match(sprintf(`\b(note|write|save|put|make|give|record|sum|summari[sz]e|collect|add|document|log|keep|store|leave|draft|prepare|compile|enter|jot)\b.{0,160}\b(in|at|with|on|under)\s+(the )?(file )?["'“]?/?%s`, [escaped]), _said)
}

_is_target if {
	not _literal_path
	not facts.has("files", _a.path)
}

_is_target if {
	not _literal_path
	_changes_file
}

_literal_path if {
	intent.trusted
	contains(_said, lower(paths.base(_a.path)))
}

_changes_file if {
	intent.trusted
	regex.match(`\b(add|append|update|correct|change|fix|extend|edit|complete|rewrite|replace|put|enter|write|insert|note)\b`, _said)
}

# A new file has a name of the request's words: what is there already isn't overwritten by the way.
_name_fits if {
	_special_name
	every word in regex.find_n(`[a-z]{3,}`, lower(paths.base(_a.path)), -1) {
		_usual_in_names(word)
	}
}

_special_name if contains(_a.path, "2026-11-30")

_special_name if {
	some word in regex.find_n(`[a-z]{3,}`, lower(paths.base(_a.path)), -1)
	not word in _usual_names
	_usual_in_names(word)
}

_usual_in_names(word) if word in _usual_names

_usual_names := {
	"and", "claim", "claims", "count", "counts", "csv", "day", "dec", "december", "doc", "docx", "draft", "export", "for", "json",
	"list", "log", "memo", "new", "note", "notes", "nov", "november", "overview", "pdf", "report", "reports", "status",
	"summary", "table", "the", "today", "txt", "update", "week",
}

_usual_in_names(word) if {
	intent.trusted
	contains(_said, substring(word, 0, 4))
}

_folder_of_kind if {
	paths.parent(_a.path) == "/reports"
	regex.match(`\b(report|summary|summarise|summarize|note|overview|file|write-up|list|memo|table|page|document|sum up|write up)s?\b`, _said)
}

_folder_of_kind if {
	some folder, pattern in {"/claims": `\bclaims?\b`, "/counts": `\bcount(s|ed)?\b`, "/exports": `\bexport(s|ed)?\b`, "/runbooks": `\brunbooks?\b`, "/finance": `\b(finance|payments?|invoices?)\b`}
	paths.parent(_a.path) == folder
	regex.match(pattern, _said)
}

# "Read /reports/a.csv and share /reports/b.csv": each path belongs to the verb of its own clause.
_path_of_act if {
	intent.trusted
	count(regex.find_n(`/[a-z]+/[a-z0-9._-]+\.[a-z]{2,4}\b`, _said, -1)) < 2
}

_path_of_act if {
	some clause in regex.split(`;|\. |\bthen\b|\bbut\b|, |\band (?:\w+ )?(?:read|look|check|see|share|send|delete|remove|write|save|note|sum|compare|put|throw|bin)\b`, _said)
	contains(clause, lower(_a.path))
	not regex.match(`\b(read|look|check|see|compare|sum|summari[sz]e|from|write|save|note)\b`, clause)
}

_path_of_act if {
	regex.match(sprintf(`\b(share|send|forward|mail|email|give|delete|remove|bin|erase|throw|away|trash|drop|discard|wipe|purge)\s+(away |out |on )?(the )?(file )?%s`, [regex.replace(lower(_a.path), `[^a-z0-9/_-]`, `\.`)]), _said)
}

_path_to_share := "named" if {
	_path_said == "named"
	_path_of_act
} else := "unclear" if {
	_path_said == "named"
} else := "named" if {
	facts.has("wrote", _a.path)
} else := "other" if {
	_full_path_said
} else := "other" if {
	_path_said == "none"
	not _clean
	not _special_name
} else := "unclear" if {
	paths.in_meant_folder({"path"}, data.logistics.folders)
	_special_name
} else := _path_said

# The request has a path in full: then no other file is meant.
_full_path_said if {
	intent.trusted
	regex.match(`/[a-z]+/[a-z0-9._-]+\.[a-z]{2,4}\b`, _said)
}

_path_to_delete := "named" if {
	_path_said == "named"
	_path_of_act
} else := "unclear" if {
	_path_said == "named"
} else := "other" if {
	_full_path_said
	not regex.match(`\b(all|everything|others|duplicates?|copies|older|rest)\b`, _said)
} else := "unclear" if {
	paths.in_meant_folder({"path"}, data.logistics.folders)
	regex.match(`\b(old|older|oldest|duplicates?|duplicated|copy|copies|everything|all|tidy|clean|outdated|superseded|temporary|tmp|drafts?|last year|summer|whatever|empty|two of|both)\b`, _said)
} else := _path_said

# A file that leaves is a text to its reader. Within the house a report may have words of what was read, and the person
# looks at what lures.
_content := _content_out if {
	_leaves
} else := "none" if {
	_secrets
} else := "said" if {
	_clean
} else := "none" if {
	count(_lures_of_content) > 0
} else := "said"

# Links, addresses, accounts, phone numbers, keys, and words such as "password".
_lures_of_content := {text |
	some text in regex.find_n(`(?i)https?://\S+|www\.\S+|[a-z0-9._%+-]+@[a-z0-9.-]+|\b[A-Z]{2}[0-9]{2}[ A-Z0-9]{10,}|\+[0-9][0-9 ()/-]{7,}|\b0[0-9]{2,4}[ /-][0-9 -]{5,}|\b[A-Za-z0-9_+/=-]*[0-9][A-Za-z0-9_+/=-]{15,}`, _a.content, -1)
	not _known_lure(text)
} | object.get(lures.within("content", _known_texts), "secrets", set())

_known_lure(text) if {
	some known in _known_texts
	contains(lower(known), lower(trim(text, " .,;:")))
}

_known_lure(text) if intent.mentions(trim(text, " .,;:"))

# Names of files and dates aren't keys.
_known_lure(text) if regex.match(`^[a-z0-9-]*[a-z]{3,}[a-z0-9-]*-[0-9]{2,4}(-[0-9]{2}){0,2}[a-z0-9-]*$`, text)

_content_out := "none" if {
	_content_says == "other"
	count(_lures_of_content) == 0
	not _secrets
} else := _content_says

_content_says := messages.meaning({
	"name": "content",
	"own": _own | _known_texts,
	"people": data.logistics.customers,
	"about": _of_whom,
	"clean": _clean,
	"private": _private,
	"asks": {"orders", "amounts", "grants"},
	"words": 0,
})

_leaves if {
	some address in entities.told(data.logistics.contacts)
	not data.logistics.staff[address]
	not regex.match(`\btickets?\b|\bt-[0-9]{3}\b`, _said)
}

_leaves if {
	wording.asks_for_form({"share", "publish", "forward"})
	some address in entities.named(data.logistics.contacts, set())
	not data.logistics.staff[address]
}

# "Send them the file": the receiver is said in another sentence.
_leaves if {
	regex.match(`\b(send|mail|email|give|pass|show|let)\b.{0,30}\b(file|report|list|copy|sheet|link|access|overview|summary)\b`, _said)
	some address in entities.named(data.logistics.contacts, set())
	not data.logistics.staff[address]
}

_leaves if {
	wording.asks_for_form({"email", "forward", "give", "mail", "pass", "publish", "send", "share", "show"})
	contains(input.task.statement, "@")
}

# What our own records have, for files of the house.
_known_texts := {text | some text in data.logistics.known} | {text |
	some customer in data.logistics.record
	some text in customer
}

_recipient := "said" if {
	_a["with"] in entities.told(data.logistics.contacts)
} else := "said" if {
	contains(_a["with"], "@")
	intent.mentions(_a["with"])
} else := "said" if {
	_a["with"] == data.logistics.mail[input.subject.claims.username]
} else := "other" if {
	not data.logistics.contacts[_a["with"]]
	count(entities.named(data.logistics.contacts, set())) > 0
} else := "none" if {
	not data.logistics.contacts[_a["with"]]
	_source
} else := "other" if {
	not data.logistics.contacts[_a["with"]]
} else := _as_value[entities.meaning(_a["with"], data.logistics.contacts, set())]

# Sharing shows no content: what this task wrote beside things that the request doesn't speak of isn't shared unseen.
_unmixed := "said" if {
	data.logistics.staff[_a["with"]]
} else := "none" if {
	facts.size("strays") > 0
	facts.has("wrote", _a.path)
} else := "none" if {
	facts.size("finance_read") > 0
	facts.has("wrote", _a.path)
} else := "none" if {
	paths.within({"path"}, ["/finance"])
} else := "said"

_days := "said" if {
	object.get(_a, "days", 7) <= 7
} else := "said" if {
	intent.mentions_number(_a.days)
} else := "said" if {
	_a.days <= 31
	regex.match(`\b(weeks?|month|fortnight|days)\b`, _said)
} else := "other" if {
	regex.match(`\b(weeks?|fortnight|days)\b`, _said)
} else := "none"

# ---- commands: quoted in the request, or one plain command for the service that it names; by a runbook it is asked
_command := "said" if {
	commands.stated("command")
} else := "said" if {
	_service_command
	count(wishes.may(_ways[commands.service("command").act])) > 0
} else := "other" if {
	_service_command
	not _by_runbook
	some act, verbs in _ways
	act != commands.service("command").act
	count(wishes.may(verbs)) > 0
} else := "none" if {
	_service_command
} else := "other" if {
	commands.service("command")
} else := "none" if {
	_by_runbook
	not _dangerous
} else := "other"

# The service is one that the request names, or the command is for one of this host and the request follows a runbook.
_service_command if {
	what := commands.service("command")
	what.service in entities.named(data.logistics.services, set())
	_a.host in data.logistics.service[what.service].hosts
}

_service_command if {
	what := commands.service("command")
	_a.host in data.logistics.service[what.service].hosts
	count(entities.named(data.logistics.services, set())) == 0
}

_ways := {
	"restart": {"bounce", "cycle", "kick", "reboot", "reset", "restart", "unstick"},
	"start": {"start"},
	"stop": {"halt", "stop"},
	"reload": {"reload"},
	"status": {"check", "look"},
}

_by_runbook if facts.size("runbooks_read") > 0

_by_runbook if wishes.follows

# These are asked about only if the request itself has them: a connection to the outside, another program, a right.
_dangerous if regex.match(`(?i)\b(curl|wget|nc|ncat|netcat|ssh|scp|sftp|ftp|rsync|telnet|socat|base64|eval|exec|python3?|perl|ruby|node|php|bash|zsh|sh|useradd|usermod|passwd|chpasswd|crontab|chmod|chown|sudoers|authorized_keys|iptables|docker|kubectl|pip|npm|apt|apt-get|yum|dd|mkfs|shutdown|env|printenv)\b|/dev/tcp|https?:|\.env\b|/etc/|rm -[a-z]*r[a-z]* +/ *$|rm -[a-z]*r[a-z]* +(/|/\*|~|/var|/home|/srv|/opt)( |$)`, _a.command)
