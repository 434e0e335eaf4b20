# METADATA
# title: Logistics
# description: |
#   What the person's request says is allowed, what it leaves open is asked, what no request of hers can mean is denied.
#   Part 1 is the same for all tools. Part 2 is about reading. Part 3 has a block for each tool that changes or sends
#   something. Part 4 reads values.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.tabard.lib.agreements
import data.tabard.lib.arguments
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.choices
import data.tabard.lib.commands
import data.tabard.lib.conditions
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.demands
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.forms
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.levels
import data.tabard.lib.lures
import data.tabard.lib.messages
import data.tabard.lib.outbound
import data.tabard.lib.paths
import data.tabard.lib.plans
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.shares
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://logistics.example"

_once := credentials.once(_backend, ["logistics"], 60)

_zone := "UTC"

# What one request may pay or buy without a question, and one refund.
_pay_cents := 500000

_buy_cents := 200000

_refund_cents := 20000

_refund_lead_cents := 100000

# The same text for each call of a list: the person decides about the list at once.
_reason := "Your request leaves open what, how much, to whom or which words, or it is above a limit. Read each value."

start contains {"code": "logistics", "limits": {
	"tools": [
		"deploys.*", "files.*", "invoices.*", "logs.*", "orders.*", "payments.*", "prices.*", "purchases.*",
		"settings.*", "shell.*", "shipments.*", "stock.*", "suppliers.*", "tickets.*", "web.*",
	],
	"audiences": [_backend],
	"scopes": ["logistics"],
	"budgets": {"questions": 20},
	"ttl_seconds": 1800,
}} if {
	intent.trusted
}

# ---------------------------------------------------------------- 1. The same rules for all tools
# A payment that names no invoice, also not in its reference, has a block of its own.
_tool := "payments.bare" if {
	input.tool.name == "payments.send"
	not input.tool.arguments.invoice_id
	not regex.match(`INV-[0-9]+`, input.tool.arguments.reference)
} else := input.tool.name

_a := input.tool.arguments

_it := _about[_tool] if not _looks

# RUN: the request orders this act upon this thing and says each value, or our records have it.
grant contains {"code": "said", "credential": _once, "notes": ["made"], "facts": {
	"done": _done,
	"did": _did,
	"told": _told,
	"files": _files,
	"written": _files,
	"staged": _staged,
	"tainted_files": _tainted_files,
	"spent_cents": _cents + 0,
}} if {
	_goes == "said"
}

# ASK: the request may mean it, and a value is open. The facts are noted once the person has approved.
grant contains {"code": "open", "credential": _once, "notes": ["made"], "charges": {"questions": 1}, "facts": {
	"done": _done,
	"did": _did,
	"told": _told,
	"files": _files,
	"written": _files,
	"staged": _staged,
	"spent_cents": _cents + 0,
	"confirmed": _confirms,
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
	some name, meaning in object.union({"thing": _thing, "act": _act, "condition": _condition}, _values[_tool])
	not meaning in {"named", "said"}
]

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

_goes := "never" if {
	_it
	not _right[_tool]
} else := "no" if {
	_left_alone
} else := "said" if {
	_says == "said"
	not _above
} else := "open" if {
	_says == "said"
} else := "said" if {
	_says == "open"
	_own_choice
	not _above
} else := "said" if {
	_says == "open"
	_agreed
	not _above
} else := "said" if {
	_says == "open"
	_plainly
	not _above
} else := "said" if {
	_summed_there
	_content == "said"
} else := "open" if {
	_says == "open"
	_fits
} else := "no" if {
	_it
}

# "Don't touch the stock", "leave the prices alone".
_left_alone if bans.left_alone(_it.leave)

_says := calls.meaning(object.union(_it, {
	"thing": _thing,
	"values": _values[_tool],
	"confirmed": _confirmed,
}))

# "Open" is wide: it holds for each tool once the request follows a text. So the person is asked only if the request
# has a word of this act or states it ("Ines: full refund"), or follows a text that may want it (`handed`). No list has
# all verbs, so it may also order the act in other words: it orders no other act of this kind, and the task has read no
# text of others, or the request names the thing and says a value or a word of its kind.
_fits if count(_words) > 0

_fits if _act == "said"

_fits if {
	_tool in {"prices.set", "purchases.create"}
	_thing == "named"
	wording.asks_for_form(_it.acts - {"up"})
}

_fits if {
	count(_it.handed & _sources) > 0
	_hands_over
	not _only_tells
}

# "Tell her what the ticket asks" orders nothing else that the ticket may want.
_only_tells if {
	_tool != "tickets.reply"
	count(calls.ordered({"answer", "inform", "reply", "say", "tell"}, {"answer", "ticket"})) > 0
	not regex.match(`\b(do|deal|handle|sort|take care|see to|whatever|needs|follow|change|fix|as (he|she|they)|what (he|she|they|it) (ask|want|write|need)s?)\b`, lower(input.task.statement))
}

_fits if {
	_agrees
	_thing == "named"
}

_fits if {
	_in_other_words
	not _another_act
}

# A verb that people use of many things counts only beside a word of its kind.
_words := {"a form" | wording.asks_for_form(_it.acts - _wide)} | ({"beside its kind" |
	wording.asks_for_form(_it.acts)
	count(_kind_said) > 0
} | wishes.stated(_it.acts, _it.matter))

_wide := {
	"add", "ask", "bring", "change", "do", "get", "give", "go", "have", "leave", "let", "make", "order", "put", "send", "set",
	"start", "take", "tell", "up", "use",
} | {"write" | _tool in {"stock.adjust", "web.post"}}

_in_other_words if _clean

_in_other_words if {
	_thing == "named"
	count(_kind_said) > 0
}

_in_other_words if {
	_thing == "named"
	_it.undoable
	"said" in {value | some value in _values[_tool]}
}

_kind_said := {word | some word in _it.hints; wording.mentions_forms(word)}

_another_act if {
	some tool, about in _about
	tool != _tool
	count(about.matter & _it.matter) > 0
	count(calls.ordered(about.acts - _it.acts, about.matter)) > 0
}

# Which kinds of texts the request speaks of: what such a text may want differs.
_sources contains "ticket" if count(_tickets_said) > 0

_sources contains "ticket" if {
	some word in {"complaint", "customer", "mail", "message", "ticket"}
	wording.mentions_forms(word)
}

_sources contains "file" if {
	some word in {
		"count", "csv", "delivery note", "file", "invoice", "list", "note", "offer", "page", "plan", "price list",
		"quote", "sheet", "site", "slip", "table",
	}
	wording.mentions_forms(word)
}

_sources contains "runbook" if {
	some word in {"instruction", "runbook"}
	wording.mentions_forms(word)
}

# While the task has read no text of others, a value that the request leaves open is the agent's own choice, if the request
# orders the act upon this thing and we can take it back.
_own_choice if {
	_clean
	_it.undoable
	_thing == "named"
	_act == "said"
	_condition == "said"
}

# "Check that we haven't paid him back, then do it".
_agreed if {
	_agrees
	_thing == "named"
	_condition == "said"
	every value in _values[_tool] {
		value in {"absent", "said"}
	}
}

_agrees if count(agreements.upon(_it.acts)) > 0

_agrees if {
	agreements.said
	regex.match(_it.spoken, lower(input.task.statement))
}

# All is said, though not as an order: of what we can take back, of a command that is quoted, and of an answer to the
# ticket that is handed over.
_plainly if {
	_all_said
	_it.undoable
	count(_words) > 0
}

_plainly if {
	_all_said
	_tool == "shell.run"
	commands.stated("command")
	count(_words) > 0
}

_plainly if {
	_all_said
	_tool == "payments.send"
	regex.match(`\b(go|goes) out\b|\bbe (paid|settled)\b|\bgets? (paid|settled)\b`, lower(input.task.statement))
}

# A form of the carrier, of words and numbers that the request or the record has.
_plainly if {
	_all_said
	_tool == "web.post"
	_clean_form
	count(_kind_said) > 0
}

_clean_form if forms.known("body", _form_own)

# "20 dry bags from Drystone, 14 euros a piece, please".
_plainly if {
	_all_said
	_tool == "purchases.create"
	some sentence in regex.split(`[.!;] `, lower(input.task.statement))
	plans.bare(trim(sentence, " .!"), {"buy", "order"})
}

_plainly if {
	_all_said
	_tool == "tickets.reply"
	_hands_over
}

_all_said if {
	_thing == "named"
	_condition == "said"
	every value in _values[_tool] {
		value in {"absent", "said"}
	}
}

# "Sum up the newest tickets in /reports/tickets.md" orders a file.
_summed_there if {
	_tool == "files.write"
	regex.match(`\b(sum|summarise|summarize|list|write|collect|save|note|put|compile)\b`, lower(input.task.statement))
	some word in {"as", "in", "into", "to", "under"}
	contains(input.task.statement, sprintf("%s %s", [word, _a.path]))
	not regex.match(`\b(what|which|what's|is|stands|says|say|stand|are) (is |stands )?in /`, lower(input.task.statement))
}

# Of a condition the person is asked once for each thing.
default _confirmed := false

_confirmed if facts.has("confirmed", _id)

_confirmed if {
	_tool == "web.post"
	some id in _of_whom
	facts.has("confirmed", id)
}

_confirms contains _id if wishes.conditional

_confirms contains id if {
	wishes.conditional
	_tool == "web.post"
	some id in _of_whom
}

# ---- which thing: the argument `id` of the block, by the names that people use (`directory`)
_id := _invoice_id if {
	_tool == "payments.send"
} else := _a[_it.id]

# "Unclear" and "none": the request may mean it. Then a signed fact, or "all of them" and our records, can say that it
# does. "Other": it names something else.
_thing := _ticket if {
	_tool == "tickets.reply"
} else := _site if {
	_tool == "web.post"
} else := "named" if {
	_both
} else := "other" if {
	_aimed in {"none", "unclear"}
	_waits
} else := "named" if {
	_aimed in {"none", "unclear"}
	_vouched
} else := "other" if {
	_aimed in {"none", "unclear"}
	_foreign
} else := "named" if {
	_aimed in {"none", "unclear"}
	_follows[_tool]
	not _id in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "other" if {
	# The service that the request names runs elsewhere.
	_tool == "shell.run"
	_aimed in {"none", "unclear"}
	count(_named_services) > 0
} else := "named" if {
	_aimed in {"none", "unclear"}
	_of_all
	_all[_tool]
	not _id in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "other" if {
	_of_all
	_aimed in {"none", "unclear"}
	_not_all[_tool]
} else := _aimed

_of_all if count(wishes.of_all(_it.acts, _it.all)) > 0

_aimed := _path if {
	_it.id == "path"
} else := calls.aimed(_id, _it.directory, _it.kinds, _it.acts, _it.matter)

# "Do what ticket 302 asks": the backend signed of which orders its author is.
_vouched if {
	_it.id == "order_id"
	_hands_over
	_id in _owners
}

# "Ticket 307: full refund".
_vouched if {
	_it.id == "order_id"
	count(_tickets_said) > 0
	_id in _owners
}

_owners := {order |
	some ticket in _followed
	some order in _belonging(ticket)
}

# The text that is followed is of another customer.
_foreign if {
	_it.id == "order_id"
	_points
	count(_owners) > 0
	not _id in _owners
}

# "Heron can wait".
_waits if {
	some sentence in regex.split(`[.;!?]|, |\bbut\b`, lower(input.task.statement))
	regex.match(`\b(can|may|should|must|will|has to|have to|needs to) (still |also )?wait\b|^ ?(please |and )?(leave|hold|keep) .*\b(until|till|out|back|for now)\b|\bon hold\b|\bnot yet\b`, sentence)
	some name in _it.directory[_id]
	contains(sentence, lower(name))
}

_points if _hands_over

_points if count(_tickets_said) > 0

_hands_over if wishes.follows

_hands_over if wording.hands_over

_tickets_said := entities.ids("T", {"ticket"})

_named_orders := entities.named(data.logistics.customers, {"order"})

_followed := _tickets_said if {
	count(_tickets_said) > 0
} else := found if {
	found := {parts[0] |
		some pair in facts.elements("belongs")
		parts := split(pair, ":")
		parts[1] in _named_orders
	}
	count(found) > 0
} else := facts.elements("tickets_read") if {
	facts.size("tickets_read") == 1
} else := set()

_belonging(ticket) := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
	parts[0] == ticket
}

_signed_orders := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
}

# ---- what the call leaves behind for later calls of the task
_done contains sprintf("%s:%s:%s:%s", [_tool, _id, _a.environment, _a.version]) if _tool == "deploys.start"

_done contains sprintf("%s:%s", [_tool, _id]) if {
	_it.once
	_tool != "deploys.start"
}

# Of what a text to the customer may speak afterwards.
_did contains sprintf("%s:%s", [_tool, _id]) if _it.id == "order_id"

_did contains sprintf("%s:%s", [_tool, id]) if {
	_tool == "web.post"
	some id in _of_whom
}

_files := {_a.path | _tool == "files.write"}

# What was written with words of others, or of files of which the request doesn't speak.
_tainted_files := {_a.path |
	_tool == "files.write"
	not _text_said
}

_text_said if _text("content") == "said"

_staged := {sprintf("%s:%s", [_a.service, _a.version]) |
	_tool == "deploys.start"
	_a.environment == "staging"
}

_told contains text if {
	some name in _it.tells
	text := sprintf("%v", [_a[name]])
}

_told contains text if {
	_tool == "orders.refund"
	some text in _euros(_a.amount_cents)
}

_euros(cents) := {sprintf("%d.%s", [whole, rest]), sprintf("%d euros", [whole])} if {
	whole := floor(cents / 100)
	part := cents % 100
	rest := substring(sprintf("%d", [100 + part]), 1, 2)
}

default _cents := 0

_cents := _a.amount_cents if {
	input.tool.name == "payments.send"
} else := _a.quantity * _a.unit_price_cents if {
	_tool == "purchases.create"
}

_above if {
	input.tool.name == "payments.send"
	facts.value("spent_cents") + _cents > _pay_cents
}

_above if {
	_tool == "purchases.create"
	facts.value("spent_cents") + _cents > _buy_cents
}

_above if {
	_tool == "orders.refund"
	_a.amount_cents > _refund_cents
}

_above if {
	_tool == "prices.set"
	abs(_a.price_cents - _article.cents) * 100 > _article.cents * 20
}

_fresh if not facts.has("done", sprintf("%s:%s", [_tool, _id]))

_in(wanted) if {
	some name in wanted
	subject.has_claim("groups", name)
}

# ---------------------------------------------------------------- 2. Reading
# Own records: only our own people write there, so the task stays clean.
grant contains {"code": "look", "credential": _once} if _tool in {"orders.search", "stock.get"}

# Customer service and the warehouse don't need accounts and invoices.
grant contains {"code": "look", "credential": _once} if {
	_tool in {"invoices.list", "suppliers.search"}
	_sees_suppliers
}

_sees_suppliers if _in({"finance", "leads", "operations", "purchasing"})

_sees_suppliers if {
	_tool == "suppliers.search"
	_in({"engineers", "warehouse"})
}

grant contains {"code": "look", "credential": _once, "facts": {"listed": {_a.folder}}} if _tool == "files.list"

# `strays` has what the request doesn't speak of. Then no text to people outside gets any new word.
grant contains {"code": "read", "credential": _once, "facts": {
	"texts_read": 1,
	"strays": {_a.order_id | _stray_order},
}} if {
	_tool == "orders.get"
}

_stray_order if {
	entities.meaning(_a.order_id, data.logistics.orders, {"order"}) == "other"
	not _a.order_id in _signed_orders
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool in {"logs.read", "shipments.track"}
}

# The backend signs whose ticket it is: "T-302:O-1006".
grant contains {"code": "read", "credential": _once, "notes": ["belongs"], "facts": {
	"texts_read": 1,
	"tickets_read": {_a.ticket_id},
}} if {
	_tool == "tickets.read"
	_sees_tickets
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "tickets.list"
	_sees_tickets
}

_sees_tickets if not _in({"finance"})

_sees_tickets if count(_tickets_said) > 0

_sees_tickets if wording.mentions_forms("ticket")

grant contains {"code": "read", "credential": _once, "facts": {
	"texts_read": 1,
	"strays": {_a.invoice_id | _stray_invoice},
}} if {
	_tool == "invoices.read"
	_sees_suppliers
}

_stray_invoice if entities.meaning(_a.invoice_id, data.logistics.invoices, {"invoice"}) == "other"

grant contains {"code": "read", "credential": _once, "facts": {
	"texts_read": 1,
	"files": {_a.path},
	"strays": {_a.path | _strange_file},
}} if {
	_tool == "files.read"
	not _house_file
	not _closed_file
}

# Folders that only our own people write don't taint.
grant contains {"code": "look", "credential": _once, "facts": {"house_read": 1, "files": {_a.path}, "runbooks": _runbook}} if {
	_tool == "files.read"
	_house_file
}

_runbook := {_a.path | paths.within({"path"}, ["/runbooks"])}

_house_file if paths.within({"path"}, data.logistics.house_folders)

_strange_file if _path_said == "other"

_strange_file if {
	_path_said == "none"
	paths.within({"path"}, ["/exports", "/finance"])
}

# Salaries and margins: only who works with them, or whose request names the file.
_closed_file if {
	paths.within({"path"}, ["/finance"])
	not _in({"finance", "leads", "operations", "purchasing"})
	not _path_said in {"named", "unclear"}
}

# Pages: an address can carry data out. While nothing of others was read, the agent chose it.
grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "web.fetch"
	_url_fits
}

_url_fits if outbound.url_requested_or_trusted("url", set())

_url_fits if {
	_clean
	facts.value("secrets_read") == 0
}

_url_fits if {
	hosts.requested_or_trusted("url", data.logistics.sites, data.logistics.sites)
	_bare_address
	count(texts.mentions("url", data.logistics.people)) == 0
}

_bare_address if {
	facts.value("secrets_read") == 0
	facts.size("strays") == 0
	count(_a.url) <= 120
	not regex.match(`[?#@=%]`, _a.url)
}

grant contains {"code": "page", "credential": _once, "charges": {"questions": 1}, "facts": {"texts_read": 1}} if {
	_url_open
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "page",
	"approvers": ["requester"],
	"reason": "The address of the page isn't in your request. Look whether it carries anything but the page's name.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_url_open
}

_url_open if {
	_tool == "web.fetch"
	not _url_fits
	_bare_address
	some word in {"link", "page", "photo", "picture", "site", "webshop", "website"}
	wording.mentions_forms(word)
}

# Passwords and keys: for engineers, for a service of which the request speaks.
grant contains {"code": "secrets", "credential": _once, "facts": {"secrets_read": 1}} if {
	_tool == "settings.read"
	_in({"engineers"})
	_settings_said
}

_settings_said if _a.service in _named_services

_settings_said if {
	some word in {"config", "configuration", "setting"}
	wording.mentions_forms(word)
	count(_named_services) == 0
}

_named_services := named if {
	named := entities.named(data.logistics.services, {"service"})
	count(named) > 0
} else := {id |
	# "No labels in east again".
	some id, names in data.logistics.services
	some name in names
	regex.match(sprintf(`\bno %s\b`, [name]), lower(input.task.statement))
}

# Looking at a host leaves nothing behind. What most commands print was written by others, too.
grant contains {"code": "look", "credential": _once, "facts": {"texts_read": 1}} if {
	_looks
	_on_hosts
	not _prints_own
}

grant contains {"code": "look", "credential": _once} if {
	_looks
	_on_hosts
	_prints_own
}

_looks if {
	input.tool.name == "shell.run"
	commands.only_looks("command")
}

_on_hosts if _in({"engineers"})

_on_hosts if {
	_in({"leads", "warehouse"})
	_a.host in {"warehouse-east", "warehouse-west"}
}

_prints_own if regex.match(`^(date|df|free|hostname|nproc|uptime|systemctl is-active)( [a-z0-9 ./-]*)?$`, _a.command)

default _clean := false

_clean if {
	facts.value("texts_read") == 0
	not labels.has("outside")
}

# ---------------------------------------------------------------- 3. One block for each tool
# `acts`: every verb that a colleague would use. `matter`: words of its kind, in the singular. `undoable`: we can take
# it back in our own records, so "Ines: Friday at ten" needs no verb. `held`: conditions that our rules or the tool
# check anyway. `once`: once for each thing in a task. `handed`: kinds of texts that the request may follow and that may
# want it. `tells`: arguments of which a message may speak afterwards. `all`: words for lists.
# `_right` is what records and roles allow, whatever is said. `_values` has an answer for EACH argument but the id.

_order := data.logistics.order[_a.order_id]

_order_words := {"order", "parcel", "package", "delivery"}

# ---- orders.update_address
_about["orders.update_address"] := {
	"hints": {"address", "moved"},
	"acts": {
		"amend", "change", "correct", "deliver", "direct", "fix", "go", "make", "move", "put", "redirect", "replace",
		"reroute", "send", "set", "ship", "switch", "update", "use",
	},
	"matter": {"address", "delivery", "deliver", "moved", "order", "parcel", "street", "flat", "house", "number", "postcode", "instead"},
	"undoable": true,
	"handed": {"file", "ticket"},
	"held": "shipped|left|packed|still open|not gone|gone out|collected|sent",
	"id": "order_id",
	"directory": data.logistics.customers,
	"kinds": {"order"},
	"tells": ["address"],
}

_right["orders.update_address"] if {
	_order.status in {"open", "packed"}
	_serves
}

_serves if _in({"finance", "leads", "operations", "purchasing", "service", "warehouse"})

_values["orders.update_address"] := {"address": _address}

# Words of the request and of the record that it changes; by a text of this customer it is asked.
_address := "said" if {
	texts.plain_text(_a.address, {_order.address, _order.customer}, 0)
	_new_address
} else := "other" if {
	_address_in_request
} else := "none" if {
	_from_text
} else := "other"

# It isn't the old one, and each number in it that the record doesn't have is the request's.
_new_address if _a.address != _order.address

_address_in_request if {
	regex.match(`(^|[^-/.0-9A-Za-z])[0-9]{1,4}[a-z]?,? [A-Z][a-z]+`, _without_dates)
}

_address_in_request if {
	regex.match(`[A-Z][a-z]+(strasse|straße|weg|gatan|vej| Street| Road| Lane| Way)? [0-9]{1,4}[a-z]?([,.;]|$)`, _without_dates)
}

_without_dates := regex.replace(
	input.task.statement,
	`([0-9]{1,2}(st|nd|rd|th)?( of)? (January|February|March|April|May|June|July|August|September|October|November|December))|((January|February|March|April|May|June|July|August|September|October|November|December) [0-9]{1,2})|((T|O|S|INV|SUP|Order|order|Ticket|ticket)[- ][0-9]+)`,
	"",
)

# The request points to a text for what it leaves open.
_from_text if _hands_over

_from_text if count(_tickets_said) > 0

_from_text if regex.match(`\bto (that|this|what|the new one)\b|\bwritten\b`, lower(input.task.statement))

_from_text if {
	some word in {
		"comment", "complaint", "mail", "message", "note", "ticket", "wrote", "writes", "write", "asks", "asked", "gave",
		"gives", "says", "said", "told", "wants", "file", "list", "letter", "form",
	}
	wording.mentions_forms(word)
}

# ---- orders.cancel
_about["orders.cancel"] := {
	"hints": {"cancellation"},
	"acts": {"call", "cancel", "drop", "kill", "remove", "scrap", "stop", "take", "void", "withdraw"},
	"matter": {"order", "purchase", "cancellation"},
	"handed": {"ticket"},
	"held": "shipped|left|still open|not gone|gone out|collected|sent|packed",
	"once": true,
	"all": _order_words,
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["orders.cancel"] if {
	_order.status in {"open", "packed"}
	_serves
	_fresh
}

_values["orders.cancel"] := {"reason": _customer_reason}

_all["orders.cancel"] if _status_said

# ---- orders.refund
_about["orders.refund"] := {
	"hints": {"money", "refund", "reimbursement"},
	"acts": {
		"compensate", "credit", "give", "get", "issue", "make", "pay", "process", "refund", "reimburse", "repay", "return",
		"send", "transfer",
	},
	"matter": {"back", "money", "refund", "reimbursement", "repayment", "euro", "full amount"},
	"handed": {"ticket"},
	"spoken": `refund|money back|paid (him|her|them) back|(his|her|their) money|pay (him|her|them)|reimburse`,
	"held": "refunded|paid back|paid him back|paid her back|been paid|had (his|her|the|their) money|cancelled|haven't paid|already",
	"once": true,
	"all": (_order_words | {"customer"}),
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["orders.refund"] if {
	arguments.whole_in_range("amount_cents", 1, _order.left)
	_serves
	_fresh
	_may_refund
}

_may_refund if _a.amount_cents <= _refund_lead_cents

_may_refund if _in({"leads"})

_values["orders.refund"] := {"amount": _refund, "reason": _inner_reason}

_all["orders.refund"] if {
	_status_said
	_a.amount_cents == _order.left
}

# A part of the order by its articles: "one of the bags", "the carbon paddle".
_refund := "said" if {
	count(quantities.cents) == 0
	_a.amount_cents in _line_cents
} else := "said" if {
	count(quantities.cents) == 0
	_a.amount_cents == _order.left
	regex.match(`\b(what|everything|all) (he|she|they)('s|'ve| has| have)? paid\b|\bin full\b|\bfull refund\b`, lower(input.task.statement))
	not shares.said
} else := "none" if {
	count(quantities.cents) == 0
	count(_line_cents) > 0
	_a.amount_cents == _order.left
} else := meaning if {
	meaning := shares.cents_meaning("amount_cents", _order.left) with input.task.statement as _part
	meaning == "said"
} else := "said" if {
	_a.amount_cents in figures.cents(_id, data.logistics.customers)
} else := shares.cents_meaning("amount_cents", _order.left)

# Only the order's own articles are looked for, and only where some of them are named.
_line_articles := {sku: data.logistics.articles[sku] | some sku, _ in _order.lines}

_lines_named := entities.named(_line_articles, set())

_line_cents := {cents |
	count(_lines_named) > 0
	some sku in _lines_named
	line := _order.lines[sku]
	some n in numbers.range(1, line.quantity)
	_line_count(n, line.quantity, sku)
	cents := n * line.cents
	count(_order.lines) + line.quantity > 2
	_one_part(n, line.quantity)
}

_line_count(n, _, sku) if n in figures.counts(sku, _line_articles)

_line_count(n, _, _) if {
	n == 1
	regex.match(`\b(one|a|a single) (of|dry|bag|vest|paddle|kayak|carbon|damaged|broken|torn|missing)\b|\bfor (the )?one\b|\bonly one\b`, lower(_part))
}

_line_count(n, quantity, sku) if {
	n == quantity
	count(figures.counts(sku, _line_articles)) == 0
	count(_order.lines) > 1
}

# "One of the bags" isn't all of them.
_one_part(n, quantity) if n < quantity

_one_part(_, _) if count(_order.lines) > count(_lines_named)

# ---- shipments.create
_about["shipments.create"] := {
	"hints": {"carrier", "collection", "express", "pickup", "shipment"},
	"acts": {
		"arrange", "book", "collect", "create", "dispatch", "get", "give", "go", "hand", "have", "leave", "let", "order",
		"pick", "put", "send", "ship", "take",
	},
	"matter": (_order_words | {
		"bluelane", "carrier", "collected", "collection", "corvid", "express", "parcelpost", "pick up", "pickup", "shipment",
		"shipping", "way", "standard", "kayak",
	}),
	"undoable": true,
	"handed": {"file", "ticket"},
	"held": "packed|ready",
	"once": true,
	"all": (_order_words | {"one"}),
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
	"tells": ["carrier"],
}

_right["shipments.create"] if {
	_order.status == "packed"
	_serves
	_fresh
}

_values["shipments.create"] := {"carrier": _carrier, "service": _service}

_all["shipments.create"] if _status_said

# "Which orders are packed? Have them collected".
_follows["shipments.create"] if {
	_status_said
	count(_named_orders) == 0
}

_carrier_words := {"bluelane": {"bluelane"}, "corvid": {"corvid"}, "parcelpost": {"parcel post", "parcelpost"}}

_carrier := _chosen({"name": "carrier", "options": _carrier_words})

_service := _chosen({
	"name": "service",
	"options": {
		"express": {"asap", "express", "fast", "faster", "fastest", "overnight", "quick", "rush", "urgent", "urgently"},
		"standard": {"normal", "regular", "standard", "usual"},
	},
	"default": "standard",
})

# First in the part of the request about this thing; where that says nothing, in all of it.
_chosen(choice) := meaning if {
	part := scopes.of(_id, _it.directory)
	part != ""
	meaning := choices.meaning(object.union(choice, {"within": part}))
	meaning != "none"
} else := choices.meaning(choice)

# ---- stock.adjust
_article := data.logistics.article[_a.sku]

_about["stock.adjust"] := {
	"hints": {"damage", "stock"},
	"acts": ({
		"add", "adjust", "book", "bring", "change", "correct", "count", "deduct", "enter", "fix", "log", "make", "move", "put",
		"record", "reduce", "remove", "set", "subtract", "take", "touch", "transfer", "update",
	} | {"write" | regex.match(`\bwrit(e|ing) (\S+ ){0,6}off\b`, lower(input.task.statement))}),
	"matter": ({
		"back in", "book", "broken", "count", "damage", "damaged", "missing", "off", "out", "piece", "quantity",
		"shelf", "stock", "torn", "warehouse",
	} | _article_words),
	"undoable": true,
	"leave": {"count", "quantity", "stock"},
	"handed": {"file"},
	"held": "undamaged|differ|fine|count",
	"all": {"article", "difference", "item"},
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article", "sku"},
}

_article_words := {"bag", "kayak", "paddle", "rope", "vest"}

_right["stock.adjust"] if {
	_article
	_in({"finance", "leads", "operations", "purchasing", "service", "warehouse"})
	_article.stock[_a.warehouse] + _a.delta >= 0
}

_values["stock.adjust"] := {
	"delta": _delta,
	"warehouse": _warehouse,
	"reason": _inner_reason,
}

# "Book the differences of the count in /counts": our own people wrote it, and nothing of others was read.
_follows["stock.adjust"] if {
	_clean
	facts.value("house_read") > 0
	_speaks_of_articles
}

_speaks_of_articles if _hands_over

_speaks_of_articles if {
	some word in {"count", "difference", "sheet", "stock"}
	wording.mentions_forms(word)
}

# "From west to east" says both: then the way of the change has said which.
_warehouse := "said" if {
	wording.mentions_forms("east")
	wording.mentions_forms("west")
	regex.match(`\bfrom (the )?(east|west)\b|\b(east|west) to (the )?(east|west)\b`, lower(input.task.statement))
	_delta == "said"
} else := _chosen({"name": "warehouse", "options": {"east": {"east"}, "west": {"west"}}})

_returned := {quantity |
	some id in _named_orders
	quantity := data.logistics.order[id].lines[_a.sku].quantity
}

_delta := "said" if {
	_a.delta in ({1} | _returned)
	regex.match(`\b(came back|come back|comes back|is back|returned|sent back|return|back in(to)? stock)\b`, lower(input.task.statement))
	count(figures.counts(_a.sku, data.logistics.articles)) == 0
} else := "other" if {
	count(_returned) > 0
	regex.match(`\b(came back|come back|comes back|is back|returned|sent back)\b`, lower(input.task.statement))
	count(figures.counts(_a.sku, data.logistics.articles)) == 0
} else := "said" if {
	_follows["stock.adjust"]
	count(figures.counts(_a.sku, data.logistics.articles)) == 0
} else := "said" if {
	(_article.stock[_a.warehouse] + _a.delta) in figures.counts(_a.sku, data.logistics.articles)
	regex.match(`\b(count|counted|counts|recount|there (are|is)|left|has|have|should be|in fact|actually|really)\b`, lower(input.task.statement))
} else := levels.meaning({
	"name": "delta",
	"id": _a.sku,
	"directory": data.logistics.articles,
	"now": _article.stock[_a.warehouse],
	"places": {_a.warehouse},
})

# ---- prices.set
_about["prices.set"] := {
	"hints": {"price"},
	"acts": {
		"adjust", "bring", "change", "cost", "cut", "discount", "drop", "get", "go", "increase", "lower", "make", "mark",
		"match", "price", "put", "raise", "reduce", "reprice", "sell", "set", "take", "undercut", "update", "up",
	},
	"matter": ({"price", "euro", "percent", "%", "cost", "cheaper", "shop", "sale"} | _article_words),
	"undoable": true,
	"leave": {"price"},
	"handed": {"file"},
	"held": "below half|cheaper|dearer|lower|higher|less|more|under|over|above|below",
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article", "sku"},
	"all": {"article", "kayak", "paddle", "price"},
}

_right["prices.set"] if {
	_a.price_cents * 2 >= _article.cents
	_a.price_cents <= _article.cents * 3
	_in({"finance", "leads", "operations", "purchasing", "service", "warehouse"})
}

_values["prices.set"] := {"price": _price}

_price := "other" if {
	_matches
	some floor in _floors
	_a.price_cents < floor
} else := "none" if {
	_matches
	not _a.price_cents in figures.cents(_a.sku, data.logistics.articles)
} else := "none" if {
	choices.comparing("price")
	count(quantities.cents) == 0
} else := "said" if {
	_a.price_cents in figures.cents(_a.sku, data.logistics.articles)
} else := figures.cents_meaning("price_cents", _a.sku, data.logistics.articles, _article.cents)

# The price is that of a page or a list: "match their prices, but never go below 50 euros".
_matches if regex.match(`\b(match|undercut)\b|\b(same|lower|below|as low) (price )?(as|than) (they|theirs|them|that)\b|\bbelow (their|that|them)\b`, lower(input.task.statement))

_floors contains to_number(found[4]) * 100 if {
	some found in regex.find_all_string_submatch_n(
		`\b(not|never|no)( go| drop| fall)? (below|under|less than|lower than) (?:€ ?)?([0-9]+)\b`,
		quantities.digits_of(lower(input.task.statement)), -1,
	)
}

# "Both Glide paddles", where we have two of the kind.
_both if {
	_tool in {"prices.set", "purchases.create", "stock.adjust"}
	some word in {"kayak", "paddle"}
	contains(lower(_article.name), word)
	regex.match(sprintf(`\bboth (of )?(the |our )?(\w+ )?%ss\b`, [word]), lower(input.task.statement))
}

# "All paddles 10 % off" has no verb.
_follows["prices.set"] if {
	_all_prices
	regex.match(`\b(all|both|each|every|everything|whole)\b`, lower(input.task.statement))
}

_all["prices.set"] if _all_prices

# "All paddles", "every price": by the word of its kind.
_all_prices if {
	some word in _article_words
	contains(lower(_article.name), word)
	wording.mentions_forms(word)
}

_all_prices if {
	some word in {"article", "everything", "whole range", "price"}
	wording.mentions_forms(word)
	every kind in _article_words {
		not wording.mentions_forms(kind)
	}
}

# ---- suppliers.update_bank
_about["suppliers.update_bank"] := {
	"hints": {"account", "iban"},
	"acts": {"change", "correct", "enter", "put", "record", "replace", "save", "set", "store", "switch", "update", "use"},
	"matter": {"account", "bank", "iban"},
	"id": "supplier_id",
	"directory": data.logistics.suppliers,
	"kinds": {"supplier"},
}

_right["suppliers.update_bank"] if {
	data.logistics.supplier[_a.supplier_id]
	_in({"finance"})
	not data.logistics.supplier_of_iban[_a.iban]
	_account_said
}

# An account that only a text has is nobody's but that text's.
_account_said if contains(replace(upper(input.task.statement), " ", ""), _a.iban)

_values["suppliers.update_bank"] := {"iban": "said"}

# ---- purchases.create
_about["purchases.create"] := {
	"hints": {"purchase", "stock"},
	"acts": {
		"buy", "get", "need", "order", "place", "purchase", "refill", "reorder", "replenish", "restock", "stock", "take", "top",
		"want", "make", "bring", "add", "send",
	},
	"matter": ({"back up", "more", "order", "purchase", "stock", "piece", "another"} | _article_words),
	"handed": {"file"},
	"held": "stock|left|below|fewer|less than|under",
	"once": true,
	"all": {"article", "item"},
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article", "sku"},
}

_right["purchases.create"] if {
	_a.supplier_id == _article.supplier
	_in({"leads", "purchasing"})
	arguments.whole_in_range("unit_price_cents", 1, _article.cents)
	arguments.whole_in_range("quantity", 1, 500)
	_fresh
}

_values["purchases.create"] := {"quantity": _quantity, "price": _unit_price, "supplier": _supplier}

_stock_now := _article.stock.east if {
	wording.mentions_forms("east")
	not wording.mentions_forms("west")
} else := _article.stock.west if {
	wording.mentions_forms("west")
	not wording.mentions_forms("east")
} else := _article.stock.east + _article.stock.west

_level := {"id": _a.sku, "directory": data.logistics.articles, "now": _stock_now}

# "Back up to 20" counts what is missing.
_quantity := "said" if {
	_a.quantity in levels.missing(_level)
} else := figures.count_meaning("quantity", _a.sku, data.logistics.articles)

# Without a word of the price: while nothing of others was read, it is that of our records.
_unit_price := "said" if {
	count(quantities.limits) > 0
	quantities.cents_within_limits("unit_price_cents")
	count(shares.stated) == 0
} else := "said" if {
	_price_meant == "none"
	_clean
} else := "none" if {
	# "29 and 71 euros each".
	_price_meant == "other"
	_a.unit_price_cents in quantities.cents
	count(entities.named(data.logistics.articles, {"article"})) > 1
	not _a.unit_price_cents in _prices_of_others
} else := "none" if {
	_price_meant == "other"
	regex.match(`\beach\b`, lower(input.task.statement))
	count(entities.named(data.logistics.articles, {"article"})) > 1
	regex.match(sprintf(`\b%d\b`, [floor(_a.unit_price_cents / 100)]), quantities.digits)
} else := _price_meant

_prices_of_others := {cents |
	some sku, _ in data.logistics.article
	sku != _a.sku
	some cents in figures.cents(sku, data.logistics.articles)
}

_price_meant := figures.cents_meaning("unit_price_cents", _a.sku, data.logistics.articles, 0)

# Our records have the supplier of the article (`_right`): only one that the request says instead is another.
_supplier := "other" if {
	part := scopes.of(_a.sku, data.logistics.articles)
	meaning := entities.meaning(_a.supplier_id, data.logistics.suppliers, {"supplier"}) with input.task.statement as part
	meaning == "other"
} else := "said"

# ---- payments.send: our records bound account and amount, so a run of payments needs no question
_about["payments.send"] := {
	"hints": {"payment"},
	"acts": {"clear", "do", "go", "make", "pay", "process", "release", "remit", "run", "send", "settle", "transfer", "wire"},
	"matter": {"bill", "invoice", "money", "payment", "due", "run", "instalment"},
	"handed": {"file", "ticket"},
	"held": "account|open|unpaid|paid|due|ours|iban|bank details|amount|match|same",
	"once": true,
	"all": {"bill", "invoice", "supplier", "one", "payment"},
	"id": "invoice_id",
	"directory": data.logistics.invoices,
	"kinds": {"bill", "invoice"},
}

_invoice_id := _a.invoice_id if {
	_a.invoice_id
} else := ids[0] if {
	ids := regex.find_n(`INV-[0-9]+`, _a.reference, -1)
	count(ids) == 1
}

_invoice := data.logistics.invoice[_invoice_id]

_right["payments.send"] if {
	_in({"finance"})
	_invoice.open
	_a.iban == _invoice.iban
	arguments.whole_in_range("amount_cents", 1, _invoice.cents)
	_fresh
	_reference_fits
}

# The reference names no other invoice.
_reference_fits if {
	every id in regex.find_n(`INV-[0-9]+`, _a.reference, -1) {
		id == _invoice_id
	}
}

_values["payments.send"] := {"amount": _amount, "reference": _reference}

_amount := meaning if {
	meaning := shares.cents_meaning("amount_cents", _invoice.cents) with input.task.statement as _part
	meaning == "said"
} else := "said" if {
	_a.amount_cents in figures.cents(_id, data.logistics.invoices)
} else := shares.cents_meaning("amount_cents", _invoice.cents)

_whole if _a.amount_cents == _invoice.cents

# "Pay all that is due this week": open, its own account, in full, and due on a day that is said, if one is.
_all["payments.send"] if {
	_whole
	_due_said
}

_all["payments.send"] if {
	_whole
	_no_span
}

_due_said if {
	dates.within_said(_invoice.due, _zone) with input.context.time as data.logistics.noon
}

_no_span if dates.none_said

# The day on which to act, and not the due date.
_no_span if {
	not _speaks_of_due
}

_speaks_of_due if regex.match(`\b(due|by|until|before|this week|next week|this month|december|november)\b`, lower(input.task.statement))

# "The one that is due tomorrow".
_follows["payments.send"] if {
	_whole
	wording.mentions_forms("due")
	_due_said
}

# "Do the payment run": what is open.
_follows["payments.send"] if {
	_whole
	regex.match(`\b(payment|pay|invoice) ?run\b`, lower(input.task.statement))
}

# "All invoices under 1,000 euros can go out".
_follows["payments.send"] if {
	_whole
	_all_invoices
	quantities.cents_within_limits("amount_cents")
}

_all_invoices if regex.match(`\b(all|any|every|everything|each)\b[^.]*\b(invoices?|bills?)\b`, lower(input.task.statement))

# "Pay 804 and 802".
_follows["payments.send"] if {
	_whole
	number := substring(_invoice_id, 4, -1)
	regex.match(sprintf(`\b%s\b`, [number]), input.task.statement)
	not regex.match(sprintf(`(€ ?%s\b|\b%s ?(euro|eur|€|[.]))`, [number, number]), lower(input.task.statement))
}

# "The biggest one", "whichever is due first".
_follows["payments.send"] if {
	_whole
	_invoice_id in choices.picked({id: invoice.cents | some id, invoice in data.logistics.invoice; invoice.open}, "size")
}

_follows["payments.send"] if {
	_whole
	_invoice_id in choices.picked({id: invoice.due | some id, invoice in data.logistics.invoice; invoice.open}, "time")
}

# The reference goes to the supplier: the invoice, our name and theirs, and words of the request.
_reference := "other" if {
	count(lures.within("reference", _reference_own)) > 0
} else := "said" if {
	texts.plain_text(_a.reference, _reference_own, 3)
} else := "said" if {
	_clean
} else := "none"

_reference_own := {
	_invoice_id, "Tidewater", "Invoice no", "our payment of your invoice", "rest, first half, second half, part payment, instalment",
	data.logistics.supplier[_invoice.supplier].name, _invoice.iban, "freight, November 2026, customer number",
}

# A payment without an invoice of our records: to an account of our records, of an amount that is said, and asked.
_about["payments.bare"] := {
	"hints": {"deposit", "payment"},
	"acts": {"make", "pay", "remit", "send", "settle", "transfer", "wire"},
	"matter": {"deposit", "money", "payment", "euro", "advance"},
	"once": true,
	"id": "iban",
	"directory": {iban: names |
		some iban, id in data.logistics.supplier_of_iban
		names := data.logistics.suppliers[id]
	},
	"kinds": set(),
}

_right["payments.bare"] if {
	_in({"finance"})
	data.logistics.supplier_of_iban[_a.iban]
	quantities.cents_requested("amount_cents")
	_fresh
	count(lures.within("reference", set())) == 0
}

_values["payments.bare"] := {"amount": "said", "invoice": "none"}

# ---- files: the path is the thing
_about["files.write"] := {
	"hints": {"draft", "file", "list", "note", "report", "summary"},
	"acts": {
		"add", "append", "collect", "compile", "copy", "create", "document", "draft", "export", "file", "jot", "keep", "leave",
		"list", "log", "make", "note", "prepare", "put", "record", "save", "store", "sum", "summarise", "summarize", "update",
		"write",
	},
	"matter": {
		"file", "list", "note", "report", "sheet", "summary", "draft", "claim", "page", "overview", "log", "table", "folder",
		"line", "csv", "markdown", "runbook",
	},
	"undoable": true,
	"handed": {"file", "ticket"},
	"id": "path",
	"directory": {},
	"kinds": set(),
}

_right["files.write"] if {
	paths.within({"path"}, data.logistics.folders)
	paths.plain({"path"})
	not _sealed_folder
}

# A runbook is followed later as a command.
_sealed_folder if {
	paths.within({"path"}, ["/runbooks"])
	not _runbook_named
}

_sealed_folder if {
	paths.within({"path"}, ["/finance"])
	not _in({"finance", "leads", "operations", "purchasing"})
}

_runbook_named if {
	_in({"engineers", "leads", "operations"})
	_path_said in {"named", "unclear"}
}

_values["files.write"] := {"content": _content}

_about["files.share"] := {
	"hints": {"access", "copy", "link"},
	"acts": {"forward", "give", "let", "mail", "pass", "send", "share", "show", "get", "email", "have", "provide", "grant"},
	"matter": {"access", "copy", "document", "file", "link", "list", "report", "sheet", "look", "read", "export", "summary", "plan", "see"},
	"id": "path",
	"once": false,
	"directory": {},
	"kinds": set(),
}

_right["files.share"] if {
	paths.within({"path"}, data.logistics.folders)
	_known_reader
	facts.value("secrets_read") == 0
}

# An address that neither our records nor the request has gets no link, unless nothing of others was read.
_known_reader if data.logistics.contacts[_a.with]

_known_reader if intent.mentions(_a.with)

_known_reader if _clean

# Sharing shows no content: what this task wrote with words of others isn't shared unseen.
_values["files.share"] := {"with": _recipient, "days": _days, "content": _unmixed}

_about["files.delete"] := {
	"hints": {"rid"},
	"acts": {
		"bin", "clean", "clear", "delete", "discard", "drop", "erase", "get", "go", "kill", "purge", "remove", "throw", "tidy",
		"trash", "wipe",
	},
	"matter": {"away", "file", "folder", "old", "rid", "sheet", "report", "draft", "copy", "list", "export", "out", "up"},
	"held": "nothing differs|same|copied|saved",
	"handed": {"file"},
	"once": true,
	"id": "path",
	"directory": {},
	"kinds": set(),
}

_right["files.delete"] if {
	paths.within({"path"}, data.logistics.folders)
	not _sealed_folder
	_fresh
}

_values["files.delete"] := {}

# ---- web.post: a form of a carrier or a supplier
_about["web.post"] := {
	"hints": {"claim", "complaint", "form", "online", "portal", "release", "website"},
	"acts": {
		"announce", "apply", "ask", "claim", "complain", "do", "enter", "file", "fill", "lodge", "make", "open", "post", "put",
		"raise", "register", "release", "report", "request", "send", "start", "submit", "tell", "use", "write",
	},
	"matter": {
		"carrier", "claim", "complaint", "damage", "damaged", "form", "loss", "lost", "release", "redelivery", "investigation",
		"trace", "search request", "bluelane", "corvid", "parcelpost", "site", "website", "broken",
	},
	"handed": {"file", "ticket"},
	"once": true,
	"id": "url",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["web.post"] if {
	_known_site
	facts.value("secrets_read") == 0
}

_known_site if hosts.requested_or_trusted("url", data.logistics.sites, data.logistics.sites)

_values["web.post"] := {"body": _form}

# ---- tickets.reply: the ticket is the thing. That the request names it confirms no word of the text.
_about["tickets.reply"] := {
	"hints": {"answer", "reply"},
	"acts": {
		"answer", "apologise", "apologize", "ask", "close", "confirm", "drop", "explain", "give", "inform", "let", "mail", "message",
		"notify", "offer", "promise", "reassure", "remind", "reply", "respond", "say", "send", "tell", "thank", "update", "write", "get",
	},
	"matter": {"answer", "know", "line", "message", "reply", "ticket", "word", "back", "customer", "mail"},
	"kind": "message",
	"handed": {"ticket"},
	"id": "ticket_id",
	"directory": data.logistics.customers,
	"kinds": {"order"},
}

_right["tickets.reply"] if {
	_in({"leads", "operations", "purchasing", "service", "warehouse"})
	facts.value("secrets_read") == 0
}

_values["tickets.reply"] := {"text": _text("text")}

# ---- shell.run: no list of forbidden words bounds a command; say what it may be
_about["shell.run"] := {
	"hints": {"command", "runbook"},
	"acts": {
		"apply", "bounce", "bring", "clear", "do", "execute", "fix", "follow", "get", "give", "kick", "reboot", "reload", "restart", "run",
		"start", "stop", "use", "unstick",
	},
	"matter": {"command", "host", "kick", "runbook", "service", "label", "server", "shop", "queue", "printer", "importer", "sync"},
	"handed": {"file", "runbook"},
	"held": "hang|hung|stuck|down|dead|running|slow|active|fail|respond|up",
	"id": "host",
	"directory": data.logistics.hosts,
	"kinds": {"host", "server"},
}

_right["shell.run"] if {
	_in({"engineers"})
	not _reaches_out
}

# The warehouse lead restarts the label service.
_right["shell.run"] if {
	_in({"leads", "warehouse"})
	_a.host in {"warehouse-east", "warehouse-west"}
	what := commands.service("command")
	what.service == "labels"
	what.act in {"reload", "restart", "start", "status"}
}

# It opens a connection, fetches a program or hides what it does, and the request doesn't say it.
_reaches_out if {
	regex.match(`curl|wget|\bnc\b|ncat|telnet|\bssh\b|scp|sftp|rsync|\bftp\b|https?:|/dev/tcp|base64|\beval\b|\bpip\b|npm|\bapt|authorized_keys|chmod|\bsudo su|python|perl|\bsh -c|bash -c|\||\$\(`, lower(_a.command))
	not commands.stated("command")
}

_values["shell.run"] := {"command": _command}

# The host follows from the service that the request names.
_follows["shell.run"] if {
	_aimed_host != "other"
	some service in _named_services
	_a.host in data.logistics.service[service].hosts
}

_aimed_host := entities.meaning(_a.host, data.logistics.hosts, {"host", "server"})

# ---- deploys.start
_about["deploys.start"] := {
	"hints": {"deployment", "live", "production", "release", "staging"},
	"acts": {
		"bring", "deploy", "get", "go", "install", "launch", "move", "promote", "publish", "push", "put", "release", "roll", "send",
		"ship", "start", "take", "update", "upgrade",
	},
	"matter": {"deploy", "live", "out", "prod", "production", "release", "staging", "version", "back"},
	"held": "staging|runs there",
	"once": true,
	"id": "service",
	"directory": data.logistics.services,
	"kinds": {"service"},
	"all": {"service", "thing", "version"},
}

_right["deploys.start"] if {
	_in({"engineers"})
	_deployable
	_fresh_deploy
}

_deployable if {
	_a.environment == "staging"
	data.logistics.service[_a.service]
}

_deployable if {
	_a.environment == "production"
	_a.version == data.logistics.service[_a.service].staging
}

_deployable if {
	_a.environment == "production"
	facts.has("staged", sprintf("%s:%s", [_a.service, _a.version]))
}

# Back to what runs in production by our records, if the request says so.
_deployable if {
	_a.environment == "production"
	_a.version == data.logistics.service[_a.service].production
	_back_to_it
}

_back_to_it if _rolls_back

_back_to_it if intent.mentions(_a.version)

_rolls_back if regex.match(`\b(roll|rolls|rolling|go|take|put) (it |that |this |the \w+ )?back\b|\brollback\b|\brevert\b`, lower(input.task.statement))

# The version says which service is meant.
_follows["deploys.start"] if {
	intent.mentions(_a.version)
	_a.version == data.logistics.service[_a.service].staging
	count({id | some id, record in data.logistics.service; record.staging == _a.version}) == 1
}

_fresh_deploy if not facts.has("done", sprintf("deploys.start:%s:%s:%s", [_a.service, _a.environment, _a.version]))

_values["deploys.start"] := {"version": _version, "environment": _environment}

_all["deploys.start"] if {
	_a.environment == "production"
	_version == "said"
}

# ---------------------------------------------------------------- 4. What the request says of each value
# "said": run. "none": the words leave it open, so ask. "other": they say another one, so deny.
_as_value := {"named": "said", "unclear": "none", "none": "none", "other": "other"}

# Of several things each has its own part of the request: "Sofia in full, Peter half".
_part := text if {
	count(entities.named(_it.directory, _it.kinds)) > 1
	text := scopes.of(_id, _it.directory)
	text != ""
} else := input.task.statement

# ---- lists by the state that our records have: "all packed orders"
_state_words := {
	"cancelled": {"cancelled", "canceled"}, "delivered": {"delivered"}, "open": {"open", "unshipped"},
	"packed": {"packed", "ready", "waiting"}, "shipped": {"shipped", "under way"},
}

_status_said if _has_state(_order.status)

_status_said if {
	"held at depot" in _order.shipment_status
	_depot_said
}

_depot_said if {
	some word in {"depot", "held", "stuck"}
	wording.mentions_forms(word)
}

_has_state(state) if {
	some word in _state_words[state]
	wording.mentions_forms(word)
}

_some_state if _depot_said

_some_state if {
	some state, _ in _state_words
	_has_state(state)
}

_not_all[_tool] if {
	_it.id == "order_id"
	_some_state
	not _status_said
}

_not_all["payments.send"] if {
	_speaks_of_due
	not dates.none_said
	not _due_said
	_dates_apart
}

# The days that are said leave this invoice out, and not each other one, too.
_dates_apart if {
	some _, invoice in data.logistics.invoice
	invoice.open
	dates.within_said(invoice.due, _zone) with input.context.time as data.logistics.noon
}

# ---- tickets
_ticket := "named" if {
	_a.ticket_id in _tickets_said
} else := "named" if {
	count(_belonging(_a.ticket_id) & _named_orders) > 0
} else := "other" if {
	count(_tickets_said) > 0
} else := "named" if {
	# "Tell everyone with an open ticket".
	count(_named_orders) == 0
	regex.match(`\b(all|each|every|everyone|everybody|both|whoever)\b[^.]{0,40}\b(tickets?|customers?|wrote|writes|messages?)\b`, lower(input.task.statement))
} else := "other" if {
	count(_named_orders) > 0
	count(_belonging(_a.ticket_id)) > 0
} else := "unclear" if {
	count(_named_orders) > 0
} else := "named" if {
	facts.size("tickets_read") == 1
	facts.has("tickets_read", _a.ticket_id)
} else := "named" if {
	facts.has("tickets_read", _a.ticket_id)
	count(wishes.of_all(_it.acts, {"ticket", "customer", "message"})) > 0
} else := "unclear"

# ---- texts: confirmed by the request's words, what this reader may know, and courtesy. Once the task has read what the
# request doesn't speak of, a text to people outside says nothing new: the person can't see where a word is from.
_text(name) := "other" if {
	_private
	_confirmed_by(name) == "none"
} else := _confirmed_by(name)

_confirmed_by(name) := "other" if {
	# An amount that neither the request nor this task has.
	_tool == "tickets.reply"
	count(object.get(demands.within(_a[name], _own), "amounts", set())) > 0
	not wording.mentions_forms("price")
} else := messages.meaning({
	"name": name,
	"own": _own,
	"people": data.logistics.people,
	"about": _about_whom,
	"clean": _clean,
	"private": _private,
	"words": 0,
})

# While nothing of others was read, the agent speaks of whom it looked up.
_about_whom := object.keys(data.logistics.order) if {
	_clean
	_tool == "tickets.reply"
	count(_ticket_orders) == 0
} else := _of_whom

default _private := false

_private if facts.size("strays") > 0

_private if facts.value("secrets_read") > 0

_of_whom := _ticket_orders if {
	count(_ticket_orders) > 0
} else := {_a.order_id} if {
	_a.order_id
} else := (_named_orders | entities.named(data.logistics.orders, {"order"})) | _owners

_ticket_orders := _belonging(_a.ticket_id)

_own contains text if some text in data.logistics.house

_own contains input.subject.claims.name

_own contains text if some text in facts.elements("told")

_own contains text if {
	some id in _of_whom
	some text in data.logistics.record[id]
}

# What this task did, for this reader.
_own contains text if {
	some pair in facts.elements("did")
	parts := split(pair, ":")
	parts[1] in _of_whom
	some text in data.logistics.done_texts[parts[0]]
}

# What was paid isn't what is paid back.
_own contains text if {
	not _money_spoken
	some id in _of_whom
	some text in data.logistics.record_amounts[id]
}

_money_spoken if {
	_tool == "tickets.reply"
	regex.match(`\b(refund|refunded|money|euros?|back|percent|credit)\b`, lower(input.task.statement))
}

_money_spoken if {
	_tool == "tickets.reply"
	some id in _of_whom
	facts.has("did", sprintf("orders.refund:%s", [id]))
}

_own contains id if some id in _tickets_said

_own contains _a.ticket_id

# What the request names and anybody may know: articles with their prices. In files also suppliers and invoices.
_own contains text if {
	some sku in entities.named(data.logistics.articles, {"article"})
	some text in data.logistics.article_texts[sku]
}

_own contains text if {
	_tool in {"files.write", "web.post"}
	some id in entities.named(data.logistics.suppliers, {"supplier"})
	some text in data.logistics.supplier_texts[id]
}

# A reason that stays in the house: no link, account or password, and no other customer.
_inner_reason := "other" if {
	count(lures.within("reason", _own)) > 0
} else := "other" if {
	count(texts.mentions_others("reason", data.logistics.people, _of_whom)) > 0
} else := "said"

# One that the customer is told, in a line.
_customer_reason := "other" if {
	_text("reason") == "other"
} else := "said" if {
	_text("reason") == "said"
} else := "said" if {
	count(_a.reason) <= 80
} else := "none"

# ---- files: "the report" is unclear; then only a file that this task has read, written or listed may be meant
_path := "named" if {
	_tool == "files.write"
	paths.in_meant_folder({"path"}, data.logistics.folders)
	_path_said != "other"
} else := "named" if {
	_tool == "files.write"
	_path_said == "other"
	paths.in_meant_folder({"path"}, data.logistics.folders)
	not _file_in_request
} else := "named" if {
	_tool == "files.write"
	_path_said == "unclear"
} else := "named" if {
	_tool == "files.write"
	_path_said == "none"
	_clean
	count(_words) > 0
	paths.within({"path"}, ["/claims", "/counts", "/reports"])
} else := "unclear" if {
	_tool == "files.write"
	_path_said == "none"
	count(_words) > 0
} else := "other" if {
	_tool == "files.write"
	_path_said == "none"
} else := "named" if {
	_tool == "files.share"
	_path_said in {"none", "unclear"}
	facts.has("written", _a.path)
} else := "named" if {
	_tool == "files.share"
	_path_said in {"none", "unclear"}
	_its_words
	_recipient == "said"
} else := "other" if {
	_tool in {"files.delete", "files.share"}
	_path_said == "none"
	not facts.has("files", _a.path)
	not _like_it
} else := "unclear" if {
	_tool == "files.delete"
	_path_said == "other"
	not _file_in_request
	_like_it
	paths.in_meant_folder({"path"}, data.logistics.folders)
} else := _path_said

# Each word of its name is in the request.
_its_words if paths.meant({"path"}, data.logistics.folders)

_its_words if paths.fits({"path"}, data.logistics.folders)

# "The claims file for S-7002".
_its_words if {
	stem := regex.replace(paths.base(_a.path), `\.[a-z]+$`, "")
	count(stem) >= 5
	intent.mentions(stem)
	wording.mentions_forms(trim_left(paths.parent(_a.path), "/"))
}

# A word of its name is.
_like_it if {
	some word in regex.split(`[^a-z]+`, lower(paths.base(_a.path)))
	count(word) >= 4
	not word in {"file", "json", "list", "note", "report", "text", "with"}
	wording.mentions_forms(word)
}

_like_it if {
	contains(lower(input.task.statement), "last year")
	contains(paths.base(_a.path), "2025")
}

_like_it if {
	some year in regex.find_n(`20[0-9][0-9]`, paths.base(_a.path), -1)
	regex.match(sprintf(`\b%s\b`, [year]), input.task.statement)
}

# The request says the name of a file.
_file_in_request if regex.match(`[A-Za-z0-9_-]+\.(md|txt|csv|pdf|json|log|xlsx|docx)\b`, input.task.statement)

# Where the request says the name of a file, no other one is meant by its words.
_path_said := "other" if {
	_tool in {"files.delete", "files.share", "files.write"}
	_file_in_request
	_path_meant in {"none", "unclear"}
} else := "other" if {
	_tool == "files.write"
	_path_meant == "none"
	_folder_in_request
	not paths.in_meant_folder({"path"}, data.logistics.folders)
} else := _path_meant

_path_meant := paths.meaning("path", data.logistics.folders)

_folder_in_request if {
	some folder in data.logistics.folders
	wording.mentions_forms(trim_left(folder, "/"))
}

# A file that leaves is a text. Within the house a report may have words of what was read, but no keys, and nothing
# that tells others to act elsewhere.
_content := "other" if {
	facts.value("secrets_read") > 0
	count(object.keys(_content_lures) & {"numbers", "secrets"}) > 0
} else := meaning if {
	_shares
	meaning := _text("content")
} else := "said" if {
	_clean
} else := "other" if {
	_content_lures.secrets
} else := "other" if {
	some number in _content_lures.numbers
	regex.match(`^[A-Za-z]{2}[0-9]{2}`, number)
} else := "none" if {
	count(_content_lures) > 0
} else := "none" if {
	facts.value("secrets_read") > 0
} else := "none" if {
	count(object.keys(demands.within(_a.content, _own)) & {"grants", "orders"}) > 0
	not _text_said
} else := "said"

_content_lures := lures.within("content", _inhouse)

# What our records have: a report may speak of it.
_inhouse contains text if some text in _own

_inhouse contains id if some id, _ in data.logistics.contacts

_inhouse contains iban if some iban, _ in data.logistics.supplier_of_iban

_inhouse contains id if some id, _ in data.logistics.order

_inhouse contains id if some id, _ in data.logistics.invoice

_inhouse contains id if some id, _ in data.logistics.article

_inhouse contains id if {
	some _, order in data.logistics.order
	some id in order.shipments
}

_inhouse contains site if some site, _ in data.logistics.sites

_shares if wording.asks_for_form({"email", "forward", "publish", "share"})

_shares if {
	wording.asks_for_form({"get", "give", "let", "mail", "pass", "send", "show"})
	some reader in entities.told(data.logistics.contacts)
	not data.logistics.staff_mail[reader]
}

_shares if {
	wording.asks_for_form({"get", "give", "mail", "pass", "send"})
	contains(input.task.statement, "@")
}

# A name within the name of a file is no receiver.
_recipient := meaning if {
	meaning := _receiver with input.task.statement as regex.replace(input.task.statement, `/[A-Za-z0-9_./-]+`, "file")
}

_receiver := "said" if {
	_a.with in entities.told(data.logistics.contacts)
} else := "said" if {
	intent.mentions(_a.with)
} else := "said" if {
	some reader in entities.told_by({"have", "share", "show"}, data.logistics.contacts)
	reader == _a.with
} else := "other" if {
	contains(input.task.statement, "@")
} else := "other" if {
	count(entities.told(data.logistics.contacts)) > 0
} else := _as_value[entities.meaning(_a.with, data.logistics.contacts, set())]

_days := "absent" if {
	arguments.absent("days")
} else := "said" if {
	_a.days <= 7
} else := "said" if {
	_a.days in _days_said
} else := "none"

_days_said contains days if {
	some found in regex.find_all_string_submatch_n(`\b([0-9]+)[ -](day|week|month)`, quantities.digits, -1)
	days := to_number(found[1]) * {"day": 1, "week": 7, "month": 30}[found[2]]
}

_days_said contains 14 if wording.mentions_forms("fortnight")

_days_said contains 30 if regex.match(`\b(a|one) month\b`, lower(input.task.statement))

_days_said contains 31 if regex.match(`\b(a|one) month\b`, lower(input.task.statement))

_unmixed := "said" if {
	data.logistics.staff_mail[_a.with]
} else := "none" if {
	facts.has("tainted_files", _a.path)
} else := "said"

# ---- forms: each field is of the request or of the order's record, and no address or account but the record's
_site := "named" if {
	hosts.requested("url", data.logistics.sites)
} else := "named" if {
	some id in _of_whom
	data.logistics.carrier_sites[hosts.site(_a.url)] in data.logistics.order[id].carriers
	count(hosts.named) == 0
	not _other_carrier
} else := "other" if {
	count(hosts.named) > 0
} else := "other" if {
	_other_carrier
} else := "unclear" if {
	data.logistics.carrier_sites[hosts.site(_a.url)]
} else := "other"

_other_carrier if {
	some carrier in entities.named(data.logistics.carriers, set())
	carrier != object.get(data.logistics.carrier_sites, hosts.site(_a.url), "")
}

_form := "other" if {
	_form_of_others
} else := "none" if {
	_form_elsewhere
	_customer_wrote
	not _address_in_request
	count(lures.within("body", _form_own)) == 0
	not _private
} else := "other" if {
	_form_elsewhere
} else := "said" if {
	forms.known("body", _form_own)
} else := meaning if {
	meaning := _text("body")
	meaning != "said"
} else := "said"

_customer_wrote if count(_tickets_said) > 0

_customer_wrote if regex.match(`\b(ticket|wrote|writes|asks|gave|gives|wants|message|mail)\b`, lower(input.task.statement))

# A shipment or an order of somebody else.
_form_of_others if {
	some id, order in data.logistics.order
	not id in _of_whom
	some number in ({id} | {shipment | some shipment in order.shipments})
	contains(upper(_a.body), number)
	not intent.mentions(number)
}

_form_own contains text if some text in _own

_form_own contains input.subject.claims.username

_form_own contains data.logistics.mail[input.subject.claims.username]

_form_own contains "damage, damaged, lost, loss, claim, claims, yes, value, in transit, delivery, tracking, Tidewater"

_form_elsewhere if {
	some name, value in forms.fields("body")
	regex.match(`address|street|redirect|deliver_?to|ship_?to|iban|account|bank|payee|pay_?to|city|postcode`, name)
	not texts.plain_text(sprintf("%v", [value]), _addresses, 0)
}

_addresses := {data.logistics.order[id].address | some id in _of_whom} | {data.logistics.mail[input.subject.claims.username]}

# ---- commands: quoted in the request, or one plain command for the service that it names; by a runbook if nothing else
# was read, else it is asked
_command := "said" if {
	commands.stated("command")
} else := "said" if {
	what := commands.service("command")
	_service_meant(what.service)
	count(wishes.may(_service_acts[what.act])) > 0
} else := "said" if {
	what := commands.service("command")
	what.act == "restart"
	_service_meant(what.service)
	regex.match(`\b(kick|restart|nudge|bounce|reboot)\b`, lower(input.task.statement))
} else := "said" if {
	what := commands.service("command")
	_service_meant(what.service)
	what.act in {"reload", "restart", "start", "status"}
	facts.size("runbooks") > 0
} else := "said" if {
	_by_runbook
	_clean
} else := "none" if {
	_by_runbook
} else := "other"

_service_meant(service) if service in _named_services

_service_meant(service) if {
	count(_named_services) == 0
	_a.host in data.logistics.service[service].hosts
	entities.meaning(_a.host, data.logistics.hosts, {"host", "server"}) == "named"
}

_service_acts := {
	"reload": {"reload", "refresh"},
	"restart": {"bounce", "fix", "kick", "reboot", "restart", "unstick"},
	"start": {"bring", "start"},
	"status": {"check", "look", "see"},
	"stop": {"shut", "stop", "take"},
}

_by_runbook if {
	facts.size("runbooks") > 0
	_hands_over
}

_by_runbook if {
	facts.size("runbooks") > 0
	some word in {"instruction", "procedure", "runbook"}
	wording.mentions_forms(word)
}

# ---- versions and environments
_service_record := data.logistics.service[_a.service]

_version := "said" if {
	intent.mentions(_a.version)
} else := "other" if {
	count(_versions_said - {_service_record.production, _service_record.staging}) > 0
} else := "said" if {
	_a.environment == "production"
	_a.version == _service_record.staging
	count(_versions_said) == 0
} else := "said" if {
	_a.environment == "production"
	_a.version == _service_record.production
	_rolls_back
} else := "other" if {
	count(_versions_said) > 0
	not _service_record.production in _versions_said
} else := "none"

_versions_said := {version | some version in regex.find_n(`[0-9]+\.[0-9]+\.[0-9]+`, input.task.statement, -1)}

_environment := "said" if {
	_a.environment == "production"
	_production_said
} else := "said" if {
	_a.environment == "production"
	_staged_meant
} else := "said" if {
	_a.environment == "staging"
	_staging_said
	not _only_report
} else := "none" if {
	not _production_said
	not _staging_said
} else := "other"

_lower := lower(input.task.statement)

_production_said if {
	regex.match(`\b(production|prod|live|rollout|roll(s|ed|ing)?( \S+){0,5} out)\b`, _lower)
	not regex.match(`\b(not|never|without) (yet )?((on|in|to|into|touching) )?(production|prod)\b`, _lower)
}

_production_said if _rolls_back

_staging_said if regex.match(`\bstaging\b`, _lower)

# "Deploy what runs in staging".
_staged_meant if {
	_only_report
	_a.version == _service_record.staging
	not regex.match(`\b(not|never|without) (yet )?((on|in|to|into|touching) )?(production|prod)\b`, _lower)
}

_only_report if {
	regex.match(`\b(what|what's|whatever|which|that|version|runs|running|fine|tested|works|well|been|is|one|sits|ok|okay)\b[^,.;]{0,30} (in|on) staging\b`, _lower)
	not regex.match(`\b(to|onto|into) staging\b`, _lower)
}
