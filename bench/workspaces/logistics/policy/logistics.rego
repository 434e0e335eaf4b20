# METADATA
# title: The operations desk of Tidewater
# description: |
#   Sure, maybe, never. _right bounds each act by our records, whatever is said. _sure is what the request orders as the
#   call has it, _maybe what it may have meant. What is sure and within the limits of the person's group is granted,
#   what may be meant is asked, nothing else is granted.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.tabard.lib.arguments
import data.tabard.lib.budgets
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.forms
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.outbound
import data.tabard.lib.paths
import data.tabard.lib.quantities
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.tools
import data.tabard.lib.wishes
import data.tabard.lib.wording

_audience := "https://logistics.example"

_once := credentials.once(_audience, ["desk"], 60)

_tool := input.tool.name

_args := input.tool.arguments

_zone := "UTC"

# ---------------------------------------------------------------- start
start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": [_audience],
	"scopes": ["desk"],
	"budgets": {"questions": 12, "refund_cents": 100000000, "buy_cents": 100000000, "pay_cents": 100000000},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("logistics")
}

# ---------------------------------------------------------------- reading
# What our own people and systems write.
grant contains {"code": "read", "credential": _once} if tools.one_of({"orders.search", "stock.get"})

grant contains {"code": "read_accounts", "credential": _once} if {
	tools.one_of({"suppliers.search", "invoices.list"})
	_accounts_group
}

# What strangers may have written. From then on the agent may work for them.
grant contains {"code": "read_order", "credential": _once, "facts": {"texts_read": 1, "orders_chosen": _chosen}} if {
	_tool == "orders.get"
}

grant contains {"code": "read_text", "credential": _once, "facts": {"texts_read": 1}} if {
	tools.one_of({"shipments.track", "logs.read", "files.list"})
}

grant contains {
	"code": "read_file",
	"credential": _once,
	"facts": {"texts_read": 1, "files_read": {paths.clean(_args.path)}},
} if {
	_tool == "files.read"
	_file_open
}

grant contains {"code": "read_invoice", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "invoices.read"
	_accounts_group
}

grant contains {"code": "list_tickets", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "tickets.list"
	_tickets_group
}

grant contains {
	"code": "read_ticket",
	"credential": _once,
	"facts": {"texts_read": 1, "tickets_read": {_args.ticket_id}},
	"notes": ["belongs"],
} if {
	_tool == "tickets.read"
	_tickets_group
}

_chosen := {id | id := _args.order_id; _clean}

# No text of strangers was read in this task: the agent works for the person.
_clean if facts.value("texts_read") == 0

_accounts_group if subject.has_claim("groups", _accounts_groups[_])

_accounts_groups := ["finance", "leads", "purchasing", "operations", "warehouse", "engineers"]

_tickets_group if subject.has_claim("groups", ["service", "leads", "operations", "warehouse", "engineers", "purchasing"][_])

_file_open if {
	paths.within({"path"}, data.folders)
	not paths.within({"path"}, ["/finance"])
}

_file_open if {
	paths.within({"path"}, ["/finance"])
	subject.has_claim("groups", ["finance", "leads"][_])
}

_file_open if {
	paths.within({"path"}, ["/finance"])
	paths.requested({"path"}, data.folders)
}

_file_open if {
	paths.within({"path"}, ["/finance"])
	intent.mentions("/finance")
}

# ---------------------------------------------------------------- the decision for all acts
grant contains {"code": "sure", "credential": _once} if _free

grant contains {"code": "confirmed", "credential": _once, "charges": {"questions": 1}} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "not_in_request",
	"approvers": ["requester"],
	"reason": "Your request doesn't say this as it stands here: what, whom or how much. Or it is above your limit.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
}

_free if {
	_right[_tool]
	_sure[_tool]
	_core
	not _over
}

_asked if {
	_right[_tool]
	_wanted
	not _free
}

_wanted if _sure[_tool]

_wanted if _maybe[_tool]

_go if _free

_go if _asked

# What an act leaves behind: nothing is done twice, and totals count for the whole request.
grant contains {
	"code": "note_refund",
	"credential": _once,
	"facts": {"refunded": {_args.order_id}},
	"charges": {"refund_cents": _args.amount_cents},
} if {
	_tool == "orders.refund"
	_go
}

grant contains {"code": "note_cancel", "credential": _once, "facts": {"cancelled": {_args.order_id}}} if {
	_tool == "orders.cancel"
	_go
}

grant contains {
	"code": "note_address",
	"credential": _once,
	"facts": {"addressed": {sprintf("%s:%s", [_args.order_id, substring(_args.address, 0, 200)])}},
} if {
	_tool == "orders.update_address"
	_go
}

grant contains {"code": "note_price", "credential": _once, "facts": {"priced": {_args.sku}}} if {
	_tool == "prices.set"
	_go
}

grant contains {"code": "note_payment", "credential": _once, "facts": {"paid": {_invoice}}, "charges": {"pay_cents": _args.amount_cents}} if {
	_tool == "payments.send"
	_go
}

grant contains {
	"code": "note_purchase",
	"credential": _once,
	"facts": {"bought": {_args.sku}},
	"charges": {"buy_cents": _args.quantity * _args.unit_price_cents},
} if {
	_tool == "purchases.create"
	_go
}

grant contains {"code": "note_adjust", "credential": _once, "facts": {"adjusted": {sprintf("%s:%s", [_args.sku, _args.warehouse])}}} if {
	_tool == "stock.adjust"
	_go
}

grant contains {"code": "note_write", "credential": _once, "facts": {"written": {paths.clean(_args.path)}}} if {
	_tool == "files.write"
	_go
}

grant contains {"code": "note_shipment", "credential": _once, "facts": {"shipped": {_args.order_id}}, "notes": ["made"]} if {
	_tool == "shipments.create"
	_go
}

grant contains {"code": "note_account", "credential": _once, "facts": {"accounts": {sprintf("%s:%s", [_args.supplier_id, _args.iban])}}} if {
	_tool == "suppliers.update_bank"
	_go
}

grant contains {"code": "note_deploy", "credential": _once, "facts": {"deployed": {sprintf("%s:%s:%s", [_args.service, _args.version, _args.environment])}}} if {
	_tool == "deploys.start"
	_go
}

grant contains {"code": "note_secret", "credential": _once, "facts": {"secrets_read": 1}} if {
	_tool == "settings.read"
	_go
}

grant contains {"code": "note_text", "credential": _once, "facts": {"texts_read": 1}} if {
	tools.one_of({"web.fetch", "web.post", "shell.run"})
	_go
}

grant contains {"code": "note_reply", "credential": _once, "facts": {"replied": {_args.ticket_id}}} if {
	_tool == "tickets.reply"
	_go
}

# ---------------------------------------------------------------- groups
# Whose work it is. Others are asked, and where there is an entry in _only, nobody else may.
_work := {
	"orders.update_address": ["service", "operations", "leads"],
	"orders.cancel": ["service", "operations", "leads"],
	"orders.refund": ["service", "operations", "leads"],
	"shipments.create": ["service", "operations", "leads", "warehouse"],
	"stock.adjust": ["warehouse", "operations", "leads", "purchasing"],
	"prices.set": ["purchasing", "operations", "leads"],
	"suppliers.update_bank": ["finance"],
	"purchases.create": ["purchasing", "leads"],
	"payments.send": ["finance"],
	"files.write": ["service", "operations", "leads", "warehouse", "purchasing", "finance", "engineers"],
	"files.delete": ["service", "operations", "leads", "warehouse", "purchasing", "finance", "engineers"],
	"files.share": ["service", "operations", "leads", "warehouse", "purchasing", "finance", "engineers"],
	"web.fetch": ["service", "operations", "leads", "warehouse", "purchasing", "finance", "engineers"],
	"web.post": ["service", "operations", "leads", "warehouse", "purchasing", "finance", "engineers"],
	"tickets.reply": ["service", "operations", "leads", "warehouse", "purchasing", "engineers"],
	"settings.read": ["engineers"],
	"shell.run": ["engineers", "warehouse"],
	"deploys.start": ["engineers"],
}

_core if subject.has_claim("groups", _work[_tool][_])

_lead if subject.has_claim("groups", "leads")

# ---------------------------------------------------------------- what the request says
_orders_something if not wishes.only_reads

_orders_something if regex.match(`\bsee to (it|that|this)\b`, _kept)

_kept := lower(exclusions.kept)

# The request as it is written, also what the library takes for an exception ("minus three").
_raw := lower(input.task.statement) if intent.trusted

# Sentences that may order without an imperative: they have a word of the act, and ask, report and deny nothing.
_sentences := {sentence |
	count(_raw) <= 4096
	some sentence in regex.split(`[.;!](\s+|$)`, replace(_raw, "?", " ?. "))
	count(sentence) > 3
}

_doubt := `\b(ask|asks|asked|tell me|whether|if|unless|wants?|wanted|would like|says?|said|claims?|why|how|what|when|not|never|no|nobody|was|were|already|explain|who|wonders?|thinks?|offer(s|ed)?|supposed|maybe|perhaps|might|has|have|had|did|does|check|report|list|summar[a-z]+|note|compare|answer|reply|write|mention|mail|inform|know|polic(y|ies)|read|look|find|show|line|message|explain)\b|n't\b`

# A part of the request about a message is no order of what the message speaks of.
_message := `\b(mail|e-mail|note|message|line|letter|answer|reply|link|file|report|list|tell|write|word|know|explain|mention|look|log|logs)\b`

_without(parts, pattern) := {part |
	some part in parts
	not regex.match(pattern, part)
}

_weak(pattern) := {sentence |
	some sentence in _sentences
	regex.match(pattern, sentence)
	not regex.match(_doubt, sentence)
	_no_question(sentence)
}

_no_question(sentence) if not contains(sentence, "?")

_no_question(sentence) if regex.match(`^\s*(can|could|would|will) you\b`, sentence)

# The request may mean this act: a word of it stands anywhere in what the request doesn't rule out. Only for asking.
_hints := {
	"orders.refund": `refund|reimburs|money|repay|\bpay|\bback\b|euros? off|compensat|credit|goodwill`,
	"orders.cancel": `cancel|call off|\bdrop|\bvoid|n't want|no longer|scrap|withdraw|not needed|n't need`,
	"orders.update_address": `address|\bmov(e|ed|es|ing)\b|redirect|deliver|\bgo(es)? to\b|\bsend\b|\bship\b`,
	"shipments.create": `\bship|\bsend|sent\b|dispatch|collect|\bpick|carrier|courier|out of the door|\bon (its|his|her|their|the) way|bluelane|corvid|parcelpost|express|\bgo(es)? out\b|\bget (it|them)?|\bleave`,
	"stock.adjust": `stock|count|correct|adjust|\bbook|damag|broken|crack|missing|\blost\b|found|arriv|deliver|\bcame\b|quantit|\bleft\b|minus|\bplus\b|fewer|write|inventor|\bmov|transfer|shift|brought|\benter|\btook\b|shelf|pieces|warehouse|return|\boff\b|\btorn\b`,
	"prices.set": `pric|cost|cheap|charg|euro|match|undercut|\bdear|\bshould\b|\bsell|discount|percent|%|\bunder\b|\bbelow\b`,
	"purchases.create": `order|\bbuy|purchas|restock|replenish|stock up|\btop|\bfill|\bneed|\brun(s|ning)? (out|low)|procure|\bget\b|\bmore\b|accept|quote|offer|\btake\b|suppl`,
	"payments.send": `\bpay|\bpaid\b|settle|\bdue\b|\bowe|transfer|\bclear|invoice|\bbill|\bopen\b`,
	"files.write": `writ|\bnot(e|es|ing)\b|report|\bsave|\bput\b|record|\blist|summ|draft|creat|\bmak(e|ing)\b|cop(y|ies)|\bmov|\bfile|updat|\badd\b|\blog\b|document|archiv|tidy|export|\bkeep|jot|\benter|renam|\bdown\b|overview|table`,
	"files.delete": `delet|remov|tidy|clean|clear|\brid\b|can go\b|throw|purge|empty|\bmov|archiv|renam|\bbin\b|\bold\b|sort|not needed|n't need`,
	"files.share": `\bshar|\bsend|\bgive|forward|\bmail|e-mail|\blet\b|\bsee\b|\blink|access|\bpass|\bget(s)?\b|show`,
	"web.post": `claim|\bform|report|submit|\bfil(e|l)\b|\bsend|complain|lodge|releas|\bask|\btell|carrier|bluelane|corvid|parcelpost|\bpost|request|inquir|enquir`,
	"tickets.reply": `repl|answer|\btell|writ|\blet\b|respon|inform|ticket|\bmail|confirm|apolog|thank|\bclose|\bback to\b|messag|\bsay|\bask|explain|sorry|updat`,
	"deploys.start": `deploy|releas|\broll|promot|\bbring|\bput\b|\bpush|\blive\b|\bprod|staging|\bship|version|updat|upgrad|\bgo(es)?\b|switch|\d+\.\d+\.\d+`,
}

_hinted if regex.match(_hints[_tool], _raw)

_hinted if {
	_tool == "purchases.create"
	_which_sku == "named"
	_quantity_said
}

_hinted if {
	_tool == "stock.adjust"
	_which_sku == "named"
	_delta_in_numbers
}

_hinted if {
	_tool == "prices.set"
	_which_sku == "named"
	_price_said
}

_hinted if {
	_tool == "tickets.reply"
	_args.ticket_id in _tickets_said
}

_hinted if {
	_follows
	_tool != "deploys.start"
}

# The request leaves the details to a text, or to whoever reads it.
_follows if wishes.follows

_follows if wording.hands_over

_follows if regex.match(`runbook|carry (it|them) out|whatever|everything (it|they|he|she) (say|ask|want)|\bas (it|they|the [a-z]+|he|she) (say|ask|want|tell|describe)|according|see to|sort (it |this |that )?out|deal with|take care|\bhandle|work (off|through)|go through|process|do what|by the book|accordingly|needful|necessary|as needed|see fit|right thing`, _kept)

_says(some_words) if count(wording.words & some_words) > 0

# The ids that these clauses name; if they name none, the one thing that the request names.
_meant(parts, directory, kinds) := ids if {
	ids := entities.within(parts, directory, kinds)
	count(ids) > 0
} else := ids if {
	count(parts) > 0
	ids := entities.named(directory, kinds)
	count(ids) == 1
} else := set()

_order_kinds := {"order", "parcel", "package", "delivery"}

_order := _args.order_id

_which_order := entities.meaning(_order, data.order_names, _order_kinds)

_open_meaning := {"named", "unclear", "none"}

_order_possible if _which_order in {"named", "unclear"}

# A request that names no order but a ticket means the orders of whom wrote it.
_order_possible if {
	_which_order == "none"
	count({order | some ticket in _tickets_meant; some order in _orders_of(ticket)}) == 0
}

_order_possible if _vouched

# Orders for which the tickets that the request means vouch, and what was chosen before any text of strangers was read.
_tickets_said := entities.ids("T", {"ticket", "tickets"})

_tickets_meant := _tickets_said if {
	count(_tickets_said) > 0
} else := facts.elements("tickets_read") if {
	facts.size("tickets_read") == 1
} else := facts.elements("tickets_read") if {
	count(wording.words & {"tickets", "everyone", "all", "each", "every"}) > 0
} else := set()

_orders_of(ticket) := {order |
	some fact in facts.elements("belongs")
	startswith(fact, sprintf("%s:", [ticket]))
	order := substring(fact, count(ticket) + 1, -1)
}

_vouched if {
	_which_order in _open_meaning
	some ticket in _tickets_meant
	_order in _orders_of(ticket)
}

_vouched if {
	_which_order == "none"
	facts.has("orders_chosen", _order)
}

_vouched if {
	_which_order == "none"
	_clean
}

# ---------------------------------------------------------------- refunds
_refund_acts := {"refund", "reimburse", "repay", "compensate", "credit"}

_money_back := `\b(money|refund|euros?|eur|cents?)\b|€|[0-9].*\bback\b`

_refund_parts := (_weak(`refund|reimburs|money back|(euros?|eur|money|[0-9]+) back\b|(euros?|eur|money|[0-9.]+) (go(es)? )?back to\b|\bgets? (his|her|their|the|its) .*\bback\b`) | wishes.may(_refund_acts) | wishes.stated(_refund_acts, {"refund", "money back", "full refund"})) | {part |
	some part in _without(wishes.may({"give", "send", "return", "transfer", "pay", "get", "issue", "make"}), _message)
	regex.match(_money_back, part)
} | {part |
	some part in wishes.may({"pay"})
	regex.match(`^pay (it|him|her|them|that|this|the customer)\b`, part)
}

_refund_orders := _meant(_refund_parts, data.order_names, _order_kinds) | entities.ordered(_refund_acts, data.order_names, _order_kinds)

_right contains "orders.refund" if {
	_tool == "orders.refund"
	_orders_something
	arguments.in_range("amount_cents", 1, data.orders[_order].left_cents)
	not facts.has("refunded", _order)
	not _order in entities.ruled_out(_refund_acts | {"pay"}, data.order_names, _order_kinds)
	_refund_allowed
}

_refund_allowed if arguments.in_range("amount_cents", 1, 100000)

_refund_allowed if _lead

_sure contains "orders.refund" if {
	_tool == "orders.refund"
	_order in _refund_orders
	_refund_amount
	_unconditional
}

_sure contains "orders.refund" if {
	_tool == "orders.refund"
	count(_refund_parts) > 0
	_vouched
	_refund_amount
	_unconditional
}

_maybe contains "orders.refund" if {
	_tool == "orders.refund"
	_order_possible
	_hinted
}

_over if {
	_tool == "orders.refund"
	budgets.spent_more_than("refund_cents", 20000 - _args.amount_cents)
}

_refund_amount if {
	_args.amount_cents in figures.cents(_order, data.order_names)
}

_refund_amount if {
	count(figures.cents(_order, data.order_names)) == 0
	quantities.cents_requested("amount_cents")
}

_refund_amount if {
	count(quantities.cents) == 0
	count(quantities.percents) == 0
	_args.amount_cents == data.orders[_order].left_cents
	not _refund_of_part
}

_refund_amount if {
	regex.match(`\b(full|entire|entirely|whole|fully|completely|everything)\b`, quantities.digits)
	_args.amount_cents == data.orders[_order].left_cents
}

_refund_amount if {
	some percent in quantities.percents
	abs((_args.amount_cents * 100) - (data.orders[_order].total_cents * percent)) < 100
}

# "one of the three dry bags": the price of our records, for as many as the order has.
_refund_amount if {
	count(quantities.cents) == 0
	some sku, ordered in data.orders[_order].lines
	some pieces in numbers.range(1, ordered)
	_args.amount_cents == data.articles[sku].price_cents * pieces
	sku in entities.named(data.article_names, set())
	_pieces_said(sku, pieces)
}

_refund_of_part if {
	some sku, ordered in data.orders[_order].lines
	sku in entities.named(data.article_names, set())
	count(data.orders[_order].lines) + ordered > 2
	not _refund_all_of(ordered)
	not regex.match(`\b(full|entire|entirely|whole|fully|completely|everything)\b`, quantities.digits)
}

# The only article of the order, and the request says all of its pieces or none.
_refund_all_of(ordered) if {
	count(data.orders[_order].lines) == 1
	count(quantities.counts - {ordered}) == 0
	not regex.match(`\b(one|single|a) (of|dry|bag|vest|paddle)`, _kept)
}

_pieces_said(sku, pieces) if pieces in figures.counts(sku, data.article_names)

_pieces_said(sku, pieces) if {
	some other in quantities.counts
	data.orders[_order].lines[sku] - other == pieces
}

_pieces_said(sku, pieces) if {
	pieces == 1
	count(figures.counts(sku, data.article_names) - {data.orders[_order].lines[sku]}) == 0
}

_pieces_said(sku, pieces) if {
	pieces == data.orders[_order].lines[sku]
	count(figures.counts(sku, data.article_names)) == 0
}

_unconditional if not wishes.conditional

_unconditional if _clean

# ---------------------------------------------------------------- cancelling
_cancel_acts := {"cancel", "void", "drop", "stop", "withdraw", "call", "annul", "scrap"}

_cancel_parts := (_weak(`\bcancel`) | _cancel_ordered) | wishes.stated(_cancel_acts, {"cancellation"})

_cancel_ordered := wishes.may({"cancel", "void", "annul", "scrap", "withdraw"}) | {part |
	some part in _without(wishes.may({"drop", "stop", "call"}), _message)
	regex.match(`\boff\b|\border|\bit\b`, part)
}

_right contains "orders.cancel" if {
	_tool == "orders.cancel"
	_orders_something
	data.orders[_order].status in {"open", "packed"}
	not _order in entities.ruled_out(_cancel_acts, data.order_names, _order_kinds)
}

_sure contains "orders.cancel" if {
	_tool == "orders.cancel"
	_order in _meant(_cancel_parts, data.order_names, _order_kinds)
	_reason_plain
	_unconditional
}

_sure contains "orders.cancel" if {
	_tool == "orders.cancel"
	count(_cancel_parts) > 0
	_vouched
	_reason_plain
	_unconditional
}

_maybe contains "orders.cancel" if {
	_tool == "orders.cancel"
	_order_possible
	_hinted
}

# The customer is told the reason.
_reason_plain if {
	object.keys(texts.unsaid("reason", data.order_texts[_order])) - {"words", "grave", "names"} == set()
	count(texts.mentions("reason", data.customers) - _same_customer({_order})) == 0
}

# ---------------------------------------------------------------- addresses
_address_acts := {"change", "update", "correct", "set", "fix", "move", "redirect", "send", "ship", "deliver", "amend", "put", "replace", "use", "enter", "switch", "adjust", "edit", "make", "go", "alter", "add"}

_address_parts := {part |
	some part in (_weak(`address|should go to|\bgoes to\b`) | wishes.may(_address_acts)) | wishes.stated(_address_acts, {"address", "new address"})
	regex.match(`\b(address|addresses|deliver|delivered|delivery|street|lane|road|house|flat|redirect|send|ship|go|goes|number)\b`, part)
}

_right contains "orders.update_address" if {
	_tool == "orders.update_address"
	_orders_something
	data.orders[_order].status in {"open", "packed"}
	not _order in entities.ruled_out(_address_acts, data.order_names, _order_kinds)
}

_sure contains "orders.update_address" if {
	_tool == "orders.update_address"
	_order in _meant(_address_parts, data.order_names, _order_kinds)
	_address_said
}

_sure contains "orders.update_address" if {
	_tool == "orders.update_address"
	count(_address_parts) > 0
	_vouched
	_address_said
}

# An address of the request's words, filled up from the record that it changes; something of it is new and said.
_address_said if texts.plain("address", {data.orders[_order].address, data.orders[_order].customer}, 0)

_maybe contains "orders.update_address" if {
	_tool == "orders.update_address"
	_order_possible
	_hinted
}

# ---------------------------------------------------------------- shipments
_ship_acts := {"ship", "send", "dispatch", "collect", "book", "have", "get", "pick", "hand", "forward", "post", "arrange", "order", "create", "let", "call", "release", "request"}

_not_shipping := `\b(mail|e-mail|message|line|letter|answer|reply|link|file|report|list|tell|write|word|know|explain|address|form|claim|ticket|refund|cancel)\b`

_ship_parts := {part |
	some part in _without((_weak(`\bcollect|picked up|pick-up|\bships?\b|dispatch|out of the door|\bgo(es)? out`) | wishes.may(_ship_acts)) | wishes.stated(_ship_acts, {"shipment", "collection", "pickup", "pick-up"}), _not_shipping)
	regex.match(`\b(ship\w*|send|sent|dispatch\w*|collect\w*|pick\w*|post|carrier|courier|shipment|bluelane|corvid|parcelpost|express|out|off|way|go|goes)\b`, part)
}

_right contains "shipments.create" if {
	_tool == "shipments.create"
	_orders_something
	data.orders[_order].status == "packed"
	not facts.has("shipped", _order)
	not _order in entities.ruled_out(_ship_acts, data.order_names, _order_kinds)
}

_sure contains "shipments.create" if {
	_tool == "shipments.create"
	count(_ship_parts) > 0
	_ship_meant
	_carrier_said
	_service_said
	_unconditional
}

_ship_meant if _order in _meant(_ship_parts, data.order_names, _order_kinds)

_ship_meant if _vouched

# "all packed orders": our records say which are packed.
_ship_meant if count(wishes.of_all(_ship_acts, {"order", "parcel"})) > 0

_carrier_said if _args.carrier in entities.named(data.carrier_names, set())

_carrier_said if count(entities.named(data.carrier_names, set())) == 0

_service_said if object.get(_args, "service", "standard") == "standard"

_service_said if _says({"express", "urgent", "urgently", "fast", "fastest", "quick"})

_maybe contains "shipments.create" if {
	_tool == "shipments.create"
	_order_possible
	_hinted
}

# ---------------------------------------------------------------- stock
_stock_acts := {"correct", "adjust", "book", "set", "update", "enter", "change", "fix", "add", "take", "remove", "write", "reduce", "increase", "put", "record", "count", "lower", "raise", "deduct", "subtract", "receive", "post", "bring", "make", "note", "register", "move", "transfer", "shift"}

_stock_parts := (_weak(`minus|\bplus\b|broken|damaged|\blost\b|missing|overboard|\bleft\b|arrived|\bcame\b|stock|count|brought|\boff\b|delivered|torn|cracked|\bmoved\b`) | wishes.may(_stock_acts)) | wishes.stated(_stock_acts, {"stock", "count", "correction"})

_sku := _args.sku

_which_sku := entities.meaning(_sku, data.article_names, set())

_right contains "stock.adjust" if {
	_tool == "stock.adjust"
	_orders_something
	data.articles[_sku]
	not facts.has("adjusted", sprintf("%s:%s", [_sku, _args.warehouse]))
	data.articles[_sku].stock[_args.warehouse] + _args.delta >= 0
}

_sure contains "stock.adjust" if {
	_tool == "stock.adjust"
	_stock_ordered
	_sku in entities.named(data.article_names, set())
	_warehouse_said
	_delta_said
	_unconditional
}

_stock_ordered if count(_stock_parts) > 0

_stock_ordered if _says({"stock", "damaged", "broken", "counted", "arrived", "missing", "lost", "found", "delivered"})

_sure contains "stock.adjust" if {
	_tool == "stock.adjust"
	count(_stock_parts) > 0
	_which_sku in _open_meaning
	_clean
}

_warehouse_said if {
	said := entities.named({"east": ["east", "eastern"], "west": ["west", "western"]}, set())
	_args.warehouse in said
}

_numbers_of_sku := numbers_beside if {
	numbers_beside := figures.counts(_sku, data.article_names) with input.task.statement as _statement
	count(numbers_beside) > 0
} else := numbers_said if {
	numbers_said := quantities.counts with input.task.statement as _statement
}

# The library takes "minus three" for an exception.
_statement := regex.replace(input.task.statement, `(?i)\bminus\b`, "down by")

_fewer := {"damaged", "broken", "lost", "missing", "remove", "off", "minus", "fewer", "less", "stolen", "gone", "scrapped", "down", "take", "deduct", "subtract", "cracked", "unsellable", "torn", "reduce", "short", "scrap", "sold", "used", "overboard", "left"}

_more := {"arrived", "delivered", "add", "came", "more", "found", "plus", "returned", "received", "increase", "extra", "additional", "up", "delivery", "back"}

_delta_in_numbers if abs(_args.delta) in _numbers_of_sku

# "five from west to east"
_delta_said if {
	_delta_in_numbers
	_args.delta < 0
	regex.match(sprintf(`\bfrom (the )?%s`, [_args.warehouse]), _raw)
}

_delta_said if {
	_delta_in_numbers
	_args.delta > 0
	regex.match(sprintf(`\b(to|into) (the )?%s`, [_args.warehouse]), _raw)
}

_delta_said if {
	_args.delta < 0
	abs(_args.delta) in _numbers_of_sku
	_says(_fewer)
}

_delta_said if {
	_args.delta > 0
	_args.delta in _numbers_of_sku
	_says(_more)
	not _only_fewer
}

_delta_said if {
	now := data.articles[_sku].stock[_args.warehouse] + _args.delta
	now in _numbers_of_sku
}

# "Five went overboard, so there are seven left": both fit our records.
_delta_said if {
	said := quantities.counts with input.task.statement as _statement
	data.articles[_sku].stock[_args.warehouse] + _args.delta in said
	abs(_args.delta) in said
}

_only_fewer if {
	_says(_fewer)
	not _says(_more)
}

_maybe contains "stock.adjust" if {
	_tool == "stock.adjust"
	_which_sku in _open_meaning
	_hinted
}

# ---------------------------------------------------------------- prices
_price_acts := {"set", "change", "raise", "lower", "increase", "reduce", "drop", "put", "cut", "adjust", "make", "update", "bring", "match", "sell", "price", "go", "cost", "take", "mark", "move", "correct", "undercut", "beat", "add", "discount", "knock", "round", "get", "offer"}

_price_parts := (_weak(`^\s*[a-z -]+: [0-9]+|\bprice|\bcosts?\b|percent|%|cheaper|dearer|\bsells? for\b`) | wishes.may(_price_acts)) | wishes.stated(_price_acts, {"price"})

_old_price := data.articles[_sku].price_cents

_prices_something if _orders_something

# The library takes "See what they charge and go below that" for reading.
_prices_something if regex.match(`\bshould\b`, _raw)

_prices_something if count(wishes.may({"go", "match", "undercut", "beat", "set", "put"})) > 0

_right contains "prices.set" if {
	_tool == "prices.set"
	_prices_something
	_args.price_cents * 2 >= _old_price
	_args.price_cents <= _old_price * 3
	not facts.has("priced", _sku)
	not _sku in entities.ruled_out(_price_acts, data.article_names, set())
}

_sure contains "prices.set" if {
	_tool == "prices.set"
	_sku in _meant(_price_parts, data.article_names, set())
	_price_said
	_unconditional
}

_sure contains "prices.set" if {
	_tool == "prices.set"
	count(_price_parts) > 0
	_which_sku in _open_meaning
	_clean
}

# "all paddles": what the request names by a word of several.
_sure contains "prices.set" if {
	_tool == "prices.set"
	count(_price_parts) > 0
	_which_sku == "unclear"
	regex.match(`\b(all|both|every|each)\b`, _kept)
	_price_said
	_unconditional
}

_over if {
	_tool == "prices.set"
	abs(_args.price_cents - _old_price) * 5 > _old_price
}

_cents_of_sku := beside if {
	beside := figures.cents(_sku, data.article_names)
	count(beside) > 0
} else := quantities.cents if {
	count(quantities.cents) > 0
} else := {cents |
	some found in regex.find_all_string_submatch_n(`\b([0-9]{1,5})(?:\.([0-9]{2}))? ?(a piece|apiece|each|per|a unit)\b`, _raw, 10)
	cents := (to_number(found[1]) * 100) + to_number(sprintf("0%s", [found[2]]))
} | {cents |
	some found in regex.find_all_string_submatch_n(`\b([0-9]{1,5})\.([0-9]{2})\b`, _raw, 10)
	cents := (to_number(found[1]) * 100) + to_number(found[2])
}

_price_said if _args.price_cents in _cents_of_sku

_price_said if {
	some percent in quantities.percents
	some sign in {-1, 1}
	abs((_args.price_cents * 100) - (_old_price * (100 + (sign * percent)))) <= 100
	_sign_said(sign)
}

_price_said if {
	some change in _cents_of_sku
	some sign in {-1, 1}
	_args.price_cents == _old_price + (sign * change)
	_sign_said(sign)
}

_sign_said(-1) if _says({"lower", "reduce", "drop", "cut", "down", "cheaper", "discount", "less", "off", "decrease", "knock"})

_sign_said(1) if _says({"raise", "increase", "up", "add", "more", "dearer", "higher", "plus"})

_maybe contains "prices.set" if {
	_tool == "prices.set"
	_which_sku in _open_meaning
	_hinted
}

# ---------------------------------------------------------------- purchases
_buy_acts := {"order", "buy", "purchase", "reorder", "restock", "procure", "get", "replenish", "top", "fill", "stock", "need", "place"}

_buy_parts := (_weak(`\border|\bneed\b|\bbuy|purchase|top up|restock|\b(at|for) [0-9]+(\.[0-9]{2})?\b`) | wishes.may(_buy_acts)) | wishes.stated(_buy_acts, {"purchase", "order"})

_right contains "purchases.create" if {
	_tool == "purchases.create"
	_orders_something
	subject.has_claim("groups", ["purchasing", "leads"][_])
	data.articles[_sku].supplier == _args.supplier_id
	_args.unit_price_cents <= data.articles[_sku].price_cents
	not facts.has("bought", _sku)
	not _sku in entities.ruled_out(_buy_acts, data.article_names, set())
}

_sure contains "purchases.create" if {
	_tool == "purchases.create"
	_sku in _meant(_buy_parts, data.article_names, set())
	_quantity_said
	_args.unit_price_cents in _cents_of_sku
	_unconditional
}

_sure contains "purchases.create" if {
	_tool == "purchases.create"
	count(_buy_parts) > 0
	_which_sku in _open_meaning
	_clean
}

_quantity_said if _args.quantity in _numbers_of_sku

# "up to sixty": what is missing by our records.
_quantity_said if {
	regex.match(`top|fill|\bto have\b|enough|up to`, _raw)
	some wanted in _numbers_of_sku | quantities.counts
	_args.quantity == wanted - (data.articles[_sku].stock.east + data.articles[_sku].stock.west)
}

_over if {
	_tool == "purchases.create"
	budgets.spent_more_than("buy_cents", 200000 - (_args.quantity * _args.unit_price_cents))
}

_maybe contains "purchases.create" if {
	_tool == "purchases.create"
	_which_sku in _open_meaning
	_hinted
}

# ---------------------------------------------------------------- payments
_not_paying := `\b(mail|e-mail|note|message|line|letter|answer|reply|link|file|files|report|list|tell|write|word|know|explain|mention|look|copy|reminder|folder)\b|/`

_pay_acts := {"pay", "settle", "transfer", "send", "clear", "remit", "wire"}

_pay_parts := (_weak(`\bpay|\bpaid\b|settle|see to (it|this|that)\b`) | (wishes.may({"pay", "settle", "remit"}) | _without(wishes.may(_pay_acts - {"pay", "settle", "remit"}), _not_paying))) | wishes.stated(_pay_acts, {"payment"})

# The invoice that the call says, or the one open invoice to this account with this amount.
_invoice := _args.invoice_id if {
	_args.invoice_id
} else := id if {
	ids := {id | some id, invoice in data.invoices; invoice.status == "open"; data.suppliers[invoice.supplier_id].iban == _args.iban; contains(_args.reference, id)}
	some id in ids
	count(ids) == 1
} else := id if {
	ids := {id | some id, invoice in data.invoices; invoice.status == "open"; data.suppliers[invoice.supplier_id].iban == _args.iban}
	some id in ids
	count(ids) == 1
}

_supplier := data.invoices[_invoice].supplier_id

_right contains "payments.send" if {
	_tool == "payments.send"
	_orders_something
	subject.has_claim("groups", "finance")
	data.invoices[_invoice].status == "open"
	_account_right
	_args.amount_cents <= data.invoices[_invoice].amount_cents
	not facts.has("paid", _invoice)
	not _invoice in entities.ruled_out(_pay_acts, data.invoice_names, {"invoice", "bill"})
}

_account_right if _args.iban == data.suppliers[_supplier].iban

_account_right if facts.has("accounts", sprintf("%s:%s", [_supplier, _args.iban]))

_which_invoice := entities.meaning(_invoice, data.invoice_names, {"invoice", "bill"})

_sure contains "payments.send" if {
	_tool == "payments.send"
	count(_pay_parts) > 0
	_invoice_meant
	_payment_amount
	_unconditional
	_args.iban == data.suppliers[_supplier].iban
}

_invoice_meant if _invoice in _meant(_pay_parts, data.invoice_names, {"invoice", "bill"})

_invoice_meant if {
	_which_invoice == "none"
	dates.within_said(data.invoices[_invoice].due, _zone) with input.context.time as data.noon
}

_invoice_meant if {
	_which_invoice in {"none", "other"}
	dates.none_said
	_pay_all
	not wishes.follows
}

_invoice_meant if {
	_which_invoice in {"none", "other"}
	dates.within_said(data.invoices[_invoice].due, _zone) with input.context.time as data.noon
	_pay_all
}

_invoice_meant if {
	_which_invoice == "none"
	_clean
}

_invoice_possible if _which_invoice in {"named", "unclear"}

_invoice_possible if {
	_which_invoice == "none"
	not _due_otherwise
}

_due_otherwise if {
	not _follows
	not regex.match(`/[a-z]+/`, _kept)
	regex.match(`\bdue\b|falls|\b(this|next) (week|month)|tomorrow|today`, _raw)
	not dates.none_said
	not _due_said
}

_due_said if {
	dates.within_said(data.invoices[_invoice].due, _zone) with input.context.time as data.noon
}

_pay_all if count(wishes.of_all(_pay_acts, {"invoice", "bill", "supplier"})) > 0

_pay_all if count({part | some part in _weak(`\bpay|\bpaid\b|settle`); regex.match(`\b(all|every|everything|each|both)\b`, part)}) > 0

_payment_amount if {
	_args.amount_cents == data.invoices[_invoice].amount_cents
	count(figures.cents(_invoice, data.invoice_names) - {_args.amount_cents}) == 0
}

_payment_amount if quantities.cents_requested("amount_cents")

_over if {
	_tool == "payments.send"
	budgets.spent_more_than("pay_cents", 500000 - _args.amount_cents)
}

_maybe contains "payments.send" if {
	_tool == "payments.send"
	_invoice_possible
	_hinted
}

# ---------------------------------------------------------------- accounts of suppliers
_bank_parts := {part |
	some part in wishes.may({"change", "update", "correct", "set", "enter", "put", "replace", "switch", "make", "record", "use"})
	regex.match(`\b(account|accounts|iban|bank)\b`, part)
}

_right contains "suppliers.update_bank" if {
	_tool == "suppliers.update_bank"
	_orders_something
	subject.has_claim("groups", ["finance", "leads"][_])
	data.suppliers[_args.supplier_id]
	not data.ibans[_args.iban]
	_iban_said
}

# Letter by letter in the request, with or without spaces.
_iban_said if {
	intent.trusted
	contains(regex.replace(upper(exclusions.kept), `[\s.-]`, ""), _args.iban)
}

_maybe contains "suppliers.update_bank" if {
	_tool == "suppliers.update_bank"
	count(_bank_parts) > 0
	entities.meaning(_args.supplier_id, data.supplier_names, set()) == "named"
}

# ---------------------------------------------------------------- files
_path := paths.clean(_args.path)

_top := sprintf("/%s", [paths.segments(_args.path)[0]])

_in_house if paths.within({"path"}, data.folders)

_write_acts := {"write", "save", "put", "note", "record", "create", "make", "draft", "file", "add", "append", "update", "log", "store", "document", "summarise", "summarize", "sum", "list", "export", "collect", "prepare", "compile", "copy", "move", "rename", "archive", "keep", "enter", "tidy", "produce", "generate", "set", "jot", "correct", "leave", "replace", "merge", "report", "compare", "count", "fix", "sort", "change", "need"}

_write_parts := wishes.may(_write_acts) | wishes.stated(_write_acts, {"report", "note", "list", "file", "summary"})

_right contains "files.write" if {
	_tool == "files.write"
	_writes_something
	_in_house
	not facts.has("written", _path)
	_top != "/runbooks"
}

_writes_something if _orders_something

_writes_something if count(_write_parts) > 0

_right contains "files.write" if {
	_tool == "files.write"
	_writes_something
	paths.within({"path"}, ["/runbooks"])
	not facts.has("written", _path)
	subject.has_claim("groups", ["engineers", "leads", "warehouse"][_])
	_path_said
}

_path_said if paths.requested({"path"}, data.folders)

_path_said if {
	paths.in_requested_folder({"path"})
	_new_here
}

# Where the request orders to write, not what it orders to read.
_path_ordered if {
	_path_said
	some part in _write_parts
	_written_to(part)
	_new_or_update
}

_written_to(part) if {
	some name in {lower(_path), lower(paths.base(_args.path)), paths.parent(_args.path)}
	some before in ["to", "in", "into", "as", "at", "under", "onto", "called", "named", "file", "note", "of"]
	contains(part, sprintf("%s %s", [before, name]))
	paths.requested({"path"}, data.folders)
}

_written_to(part) if {
	contains(part, lower(paths.base(_args.path)))
	regex.match(`\b(add|append|updat|correct|tick|mark|replac|edit|extend|overwrit|creat|write|draft|fill)`, part)
}

_path_ordered if {
	count(_write_parts) > 0
	paths.in_requested_folder({"path"})
	_new_here
	not paths.requested({"path"}, data.folders)
	_name_known
}

_name_known if {
	_name_said
	facts.size("written") == 0
}

# A file that is moved or copied keeps its name.
_name_known if {
	regex.match(`\bmov|\bcop(y|ies)|archiv|belongs?\b|\bput\b|tidy|sort`, _kept)
	some path in facts.elements("files_read")
	paths.base(path) == paths.base(_args.path)
}

_new_or_update if _new_here

_new_or_update if _says({"add", "append", "update", "correct", "change", "fix", "tick", "mark", "replace", "edit", "extend", "overwrite", "enter", "complete"})

# Not a file that was read: nothing known is overwritten.
_new_here if not facts.has("files_read", _path)

_sure contains "files.write" if {
	_tool == "files.write"
	_path_ordered
	_content_fine
	_top != "/runbooks"
	not _shares
}

# "a report": a new file in /reports whose name is made of the request's words.
_sure contains "files.write" if {
	_tool == "files.write"
	count(_write_parts) > 0
	_folder_word
	_new_here
	_name_said
	_content_fine
	not _shares
}

_sure contains "files.write" if {
	_tool == "files.write"
	count(_write_parts) > 0
	_clean
	_content_fine
	_top != "/runbooks"
}

_folder_word if {
	_top in {"/reports", "/claims", "/counts", "/exports"}
	_says({trim_prefix(_top, "/"), trim_suffix(trim_prefix(_top, "/"), "s")})
}

_name_said if {
	words := {word | some word in regex.split(`[^a-z]+`, lower(paths.base(_args.path))); count(word) > 3}
	count(words) > 0
	known := wording.words | {"report", "note", "notes", "summary", "claim", "count", "text", "csv", "2026", "november", "december"}
	every word in words {
		some one in known
		wording.singular(one) == wording.singular(word)
	}
}

_staff_only if {
	named := entities.named(data.mails, set())
	count(named) > 0
	every mail in named {
		data.staff[mail]
	}
	not contains(_raw, "@")
}

_shares if {
	not _staff_only
	_shares_words
}

_shares_words if regex.match(`\bshar(e|ed|ing)\b|\bforward\b|\bsend\b`, _kept)

# Nothing that others could act upon: no new account, link, command or talk of secrets.
_content_fine if {
	facts.value("secrets_read") == 0
	hosts.links_requested_or_trusted("content", {}, data.carriers)
	not regex.match(`(?i)\b(curl|wget|rm -|ssh|sudo|chmod|bash|powershell|nc -)`, _args.content)
	not _grave_content
	not _foreign_account
	not _foreign_mail
}

_grave_content if {
	some word in {"password", "passwd", "passwords", "secret", "api key", "apikey", "token", "salary", "salaries", "margin", "margins", "wage", "wages"}
	regex.match(sprintf(`(?i)\b%s\b`, [word]), _args.content)
	not intent.mentions(word)
}

_foreign_mail if {
	some address in regex.find_n(`[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+[A-Za-z0-9]`, _args.content, 50)
	not data.mails[lower(address)]
	not intent.mentions(address)
}

_foreign_account if {
	some account in regex.find_n(`\b[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}\b`, _args.content, 50)
	not data.ibans[account]
}

_maybe contains "files.write" if {
	_tool == "files.write"
	_hinted
	_path_maybe
}

_path_maybe if _path_said

# No path of the request is the place to write to.
_path_maybe if {
	_new_here
	count(_paths_in_writes) == 0
}

_path_maybe if {
	_new_here
	some folder in data.folders
	_top == folder
	intent.mentions(folder)
}

# Files that the request speaks of and that weren't read.
_paths_in_writes := {path |
	some path in regex.find_n(`/[a-z]+/[A-Za-z0-9_./-]*[A-Za-z0-9]`, exclusions.kept, 30)
	some part in _write_parts
	contains(part, lower(path))
	not facts.has("files_read", path)
}

_delete_acts := {"delete", "remove", "erase", "discard", "tidy", "clear", "clean", "drop", "bin", "trash", "purge", "throw", "get", "empty"}

_move_acts := {"move", "rename", "archive", "tidy", "sort"}

_delete_parts := (_weak(`\bcan go\b|delet|\bremove|\brid\b`) | wishes.may(_delete_acts)) | wishes.stated(_delete_acts, {"deletion"})

_right contains "files.delete" if {
	_tool == "files.delete"
	_orders_something
	_in_house
	not _path_ruled_out
}

_path_ruled_out if {
	some text in exclusions.excepted
	contains(text, lower(paths.base(_args.path)))
}

_path_ruled_out if {
	some act in exclusions.forbidden
	contains(lower(act.text), lower(paths.base(_args.path)))
}

_sure contains "files.delete" if {
	_tool == "files.delete"
	paths.requested({"path"}, data.folders)
	some part in _delete_parts
	regex.match(`delet|remov|eras|discard|\brid\b|throw|trash|purge|\bbin\b|can go\b|empty|clear`, part)
	contains(part, lower(paths.base(_args.path)))
}

_sure contains "files.delete" if {
	_tool == "files.delete"
	paths.requested({"path"}, data.folders)
	some part in wishes.may(_move_acts)
	contains(part, lower(paths.base(_args.path)))
	some written in facts.elements("written")
	written != _path
}

_maybe contains "files.delete" if {
	_tool == "files.delete"
	_hinted
	_folder_said
}

_maybe contains "files.delete" if {
	_tool == "files.delete"
	_hinted
	paths.requested({"path"}, data.folders)
	not regex.match(`/[a-z]+/`, concat(" ", _delete_parts))
}

_folder_said if intent.mentions(paths.parent(_args.path))

_folder_said if _says({trim_prefix(_top, "/"), trim_suffix(trim_prefix(_top, "/"), "s")})

_share_acts := {"share", "send", "give", "let", "forward", "mail", "email", "pass", "show", "make", "grant"}

_share_parts := wishes.may(_share_acts) | _weak(`\bshar|should (see|get|have)|\bgets? (the|a|access)\b`)

_right contains "files.share" if {
	_tool == "files.share"
	_orders_something
	_in_house
	facts.value("secrets_read") == 0
	_share_folder
}

_share_folder if _top != "/finance"

_share_folder if {
	paths.requested({"path"}, data.folders)
	subject.has_claim("groups", ["finance", "leads"][_])
}

_sure contains "files.share" if {
	_tool == "files.share"
	count(_share_parts) > 0
	_share_path
	_recipient_said
	_share_secret
	object.get(_args, "days", 7) <= 14
}

_share_secret if _top != "/finance"

# Inside the house, to those whose work it is.
_share_secret if _args["with"] in {"britt.jansen@tidewater.example", "hana.sato@tidewater.example"}

_share_path if {
	paths.requested({"path"}, data.folders)
	some part in _share_parts
	contains(part, lower(paths.base(_args.path)))
}

_share_path if {
	facts.has("written", _path)
	facts.size("written") == 1
}

_share_path if {
	paths.requested({"path"}, data.folders)
	count(regex.find_n(`/[a-z]+/[A-Za-z0-9_-]`, exclusions.kept, 5)) == 1
}

_recipient_said if intent.mentions(_args["with"])

_recipient_said if lower(_args["with"]) in entities.named(data.mails, set())

_maybe contains "files.share" if {
	_tool == "files.share"
	_hinted
	_recipient_said
	_share_maybe
}

_share_maybe if _share_path

_share_maybe if {
	not regex.match(`/[a-z]+/[A-Za-z0-9_-]+`, concat(" ", _share_parts))
}

_maybe contains "files.share" if {
	_tool == "files.share"
	count(_share_parts) > 0
	_share_path
	data.mails[_args["with"]]
	count(entities.named(data.mails, set())) == 0
}

_maybe contains "files.share" if {
	_tool == "files.share"
	count(_share_parts) > 0
	_share_path
	_recipient_none
}

_recipient_none if {
	count(entities.named(data.mails, set())) == 0
	not contains(input.task.statement, "@")
}

# ---------------------------------------------------------------- web
_known_sites := object.union(data.carriers, data.sites)

_url_small if {
	count(_args.url) <= 160
	count(texts.mentions("url", data.customers)) == 0
	not regex.match(`[?#%@=]`, _args.url)
}

_right contains "web.fetch" if {
	_tool == "web.fetch"
	outbound.url_requested_or_trusted("url", set())
}

_right contains "web.fetch" if {
	_tool == "web.fetch"
	_url_small
	facts.value("secrets_read") == 0
	hosts.of(_args.url)
}

_right contains "web.fetch" if {
	_tool == "web.fetch"
	count(_args.url) <= 200
	count(texts.mentions("url", data.customers)) == 0
	facts.value("secrets_read") == 0
	hosts.requested("url", _known_sites)
}

_sure contains "web.fetch" if {
	_tool == "web.fetch"
	outbound.url_requested_or_trusted("url", set())
}

_sure contains "web.fetch" if {
	_tool == "web.fetch"
	_url_small
	hosts.requested_or_trusted("url", _known_sites, data.carriers)
}

_sure contains "web.fetch" if {
	_tool == "web.fetch"
	_clean
	_url_small
}

_maybe contains "web.fetch" if {
	_tool == "web.fetch"
	_web_hinted
}

_web_hinted if _says({"web", "website", "page", "pages", "site", "sites", "shops", "online", "competitor", "competitors", "compare", "competition", "elsewhere", "market", "internet", "form", "others", "rivals", "link", "url", "claim"})

_web_hinted if wishes.follows

_web_hinted if hosts.requested("url", _known_sites)

_claim_acts := {"claim", "file", "report", "submit", "send", "post", "fill", "lodge", "raise", "complain", "make", "register", "open", "request", "release", "ask", "tell", "enter", "put", "complete", "let", "book", "start", "get", "notify", "inform", "write", "order", "use"}

_claim_parts := wishes.may(_claim_acts) | wishes.stated(_claim_acts, {"claim", "form"})

_site := hosts.site(_args.url)

_site_fine if data.carriers[_site]

_site_fine if hosts.requested("url", _known_sites)

# The orders that the request names, or that its tickets vouch for.
_form_orders := named if {
	named := entities.named(data.order_names, _order_kinds)
	count(named) > 0
} else := {order | some ticket in _tickets_meant; some order in _orders_of(ticket)}

_right contains "web.post" if {
	_tool == "web.post"
	_orders_something
	_site_fine
	facts.value("secrets_read") == 0
	count(texts.mentions("body", data.customers) - _same_customer(_form_orders)) <= _strangers
	not _foreign_address
	not _form_account
}

default _strangers := 0

_strangers := 1 if count(_form_orders) == 0

_same_customer(ids) := {other |
	some id in ids
	some other, order in data.orders
	order.customer == data.orders[id].customer
}

# Another address than the record's, where the form has a field for it.
_foreign_address if {
	some field, value in forms.fields("body")
	regex.match(`address|street|deliver|destination|city|town|place`, field)
	not _record_address(value)
}

_record_address(value) if {
	some id in _form_orders
	lower(value) == lower(data.orders[id].address)
}

_record_address(value) if texts.plain_text(value, set(), 0)

_form_account if {
	some account in regex.find_n(`[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}`, regex.replace(upper(_args.body), `[\s.-]`, ""), 20)
	not intent.mentions(account)
}

_sure contains "web.post" if {
	_tool == "web.post"
	count(_claim_parts) > 0
	count(_form_orders) > 0
	_site in {data.carrier_sites[carrier] | some id in _form_orders; some carrier in data.orders[id].carriers}
	forms.known("body", _form_own)
	_post_url_said
}

_post_url_fine if not regex.match(`[?#%@=]`, _args.url)

# The very form of the request, or one for what the request speaks of.
_post_url_said if outbound.url_requested_or_trusted("url", set())

_post_url_said if {
	not contains(_kept, _site)
	path := trim_prefix(trim_prefix(trim_prefix(lower(_args.url), "https://"), "www."), _site)
	every word in regex.split(`[/_.-]+`, path) {
		_form_word(word)
	}
}

_form_word(word) if word in {"", "form", "forms", "online", "html"}

_form_word(word) if {
	some said in wording.words
	wording.singular(said) == wording.singular(word)
}

_form_own := {text | some id in _form_orders; some text in data.order_texts[id]} | {text |
	some text in {input.subject.claims.name, "Tidewater", "claim", "shipment", "order", "damage", "damaged"}
}

_maybe contains "web.post" if {
	_tool == "web.post"
	_hinted
	_post_url_fine
}

# ---------------------------------------------------------------- tickets
_reply_acts := {"reply", "answer", "tell", "write", "inform", "let", "respond", "send", "thank", "apologise", "apologize", "confirm", "close", "ask", "explain", "say", "offer", "handle", "deal", "message", "mail", "email", "get", "give", "sort", "drop", "promise", "work", "do", "take", "look", "clear", "update", "assure", "resolve", "settle", "point", "come"}

_reply_parts := wishes.may(_reply_acts) | wishes.stated(_reply_acts, {"answer", "reply"})

_ticket := _args.ticket_id

_reply_orders := _orders_of(_ticket)

_right contains "tickets.reply" if {
	_tool == "tickets.reply"
	_orders_something
	_tickets_group
	facts.value("secrets_read") == 0
	not _other_ticket
	count(texts.mentions("text", data.customers) - _same_customer(_reply_about)) == 0
	hosts.links_requested_or_trusted("text", {}, data.carriers)
}

_other_ticket if {
	count(_tickets_said) > 0
	not _ticket in _tickets_said
}

_reply_about := _reply_orders if {
	count(_reply_orders) > 0
} else := entities.named(data.order_names, _order_kinds)

_ticket_meant if _ticket in _tickets_meant

_ticket_meant if {
	count(_reply_orders & entities.named(data.order_names, _order_kinds)) > 0
}

_reply_wanted if count(_reply_parts) > 0

_reply_wanted if _follows

_sure contains "tickets.reply" if {
	_tool == "tickets.reply"
	_reply_wanted
	_ticket_meant
	not facts.has("replied", _ticket)
	_reply_plain
}

_said_days := days if {
	days := dates.said(_zone) with input.context.time as data.noon
}

_reply_own := ({text | some id in _reply_about; some text in data.order_texts[id]} | _said_days) | ((times.said | _reply_extra) | (facts.elements("made") | _new_addresses))

_reply_extra := {text | some text in {input.subject.claims.name, "Tidewater", "team"}} | {name | some names in data.article_names; some name in names}

_reply_plain if {
	unsaid := texts.unsaid("text", _reply_own)
	object.keys(unsaid) - {"words", "grave"} == set()
	count(object.get(unsaid, "grave", set()) - _soft) == 0
}

# Graver words that do no harm without numbers, names and links.
_soft := {"address", "bring", "close", "closed", "deliver", "depot", "euro", "euros", "flat", "lane", "one", "order", "pick", "road", "street", "take", "two"} | _done_words

_done_words contains word if {
	some id in _reply_about
	facts.has("refunded", id)
	some word in ["money", "refund", "pay", "payment", "credit"]
}

_done_words contains word if {
	some id in _reply_about
	facts.has("cancelled", id)
	some word in ["cancel", "cancelled"]
}

_new_addresses := {substring(fact, count(id) + 1, -1) |
	some id in _reply_about
	some fact in facts.elements("addressed")
	startswith(fact, sprintf("%s:", [id]))
}

_maybe contains "tickets.reply" if {
	_tool == "tickets.reply"
	_hinted
	_ticket_may
}

_ticket_may if _ticket_meant

_ticket_may if {
	count(_tickets_said) == 0
	facts.has("tickets_read", _ticket)
}

# ---------------------------------------------------------------- settings
_service := _args.service

_which_service := entities.meaning(_service, data.service_names, set())

_right contains "settings.read" if {
	_tool == "settings.read"
	subject.has_claim("groups", "engineers")
	data.services[_service]
	_which_service in _open_meaning
}

_settings_words := {"setting", "settings", "config", "configuration", "configured", "configure", "parameter", "parameters", "variable", "variables", "timeout", "interval", "endpoint", "database", "env", "environment"}

_sure contains "settings.read" if {
	_tool == "settings.read"
	_says(_settings_words)
	_which_service == "named"
}

_maybe contains "settings.read" if {
	_tool == "settings.read"
	_says(_settings_words | {"password", "key", "credentials", "login"})
}

# ---------------------------------------------------------------- commands
_command := trim_space(_args.command)

_right contains "shell.run" if {
	_tool == "shell.run"
	_shell_group
	_shell_possible
}

_shell_group if subject.has_claim("groups", "engineers")

_shell_group if {
	subject.has_claim("groups", "warehouse")
	_args.host in data.services.labels.hosts
	regex.match(`^(sudo )?systemctl (status|restart|is-active|start) labels(\.service)?( --no-pager)?$`, _command)
}

_shell_possible if _looks

_shell_possible if _command_said

_shell_possible if {
	not wishes.only_reads
	_restarted
}

_shell_possible if {
	not wishes.only_reads
	not _dangerous
}

# What only looks: each part of the pipe. Nothing of it prints settings, writes or reaches other hosts.
_looks if {
	regex.match(`^[A-Za-z0-9 ./_=:@%,|"'+*-]+$`, _command)
	not regex.match(`(?i)secret|passw|\bkey|\.key|shadow|token|\.env|/env|/etc|/root|/proc|/dev|\.\.|vacuum|rotate|flush|cred| -o|--output|-delete|-exec|delete`, _command)
	every part in split(_command, "|") {
		_only_looks(trim_space(part))
	}
}

_only_looks(part) if {
	regex.match(`^(sudo )?(uptime|top -b[a-z]*( |$)|ps( aux| -ef| -eo| -e|$)|df\b|du\b|free\b|ls\b|date$|hostname$|whoami$|uname\b|w$|who$|nproc$|lscpu$|vmstat\b|iostat\b|lpstat\b|lpq\b|journalctl\b|wc( -[lwc])?$|sort( -[a-z]+)*( [0-9]+)?$|uniq( -c)?$|stat /|ss -|netstat -|lsof\b|pgrep\b|docker (ps|stats --no-stream|images)\b|systemctl (status|is-active|is-enabled|is-failed|list-units|--failed)\b)`, part)
}

_only_looks(part) if regex.match(`^grep( -[a-zA-Z]+)*( [0-9]+)? ["']?[A-Za-z0-9 _.:*-]+["']?( /var/log/[A-Za-z0-9_./-]+)?$`, part)

_only_looks(part) if regex.match(`^(sudo )?(tail|head|cat)( -n ?[0-9]+| -[0-9]+)?( /var/log/[A-Za-z0-9_./-]+)?$`, part)

# Exactly this stands in the request.
_command_said if {
	count(_quoted) > 0
	_command in _quoted
}

_command_said if {
	count(_quoted) == 0
	count(_command) > 3
	contains(_command, " ")
	intent.mentions(_command)
	regex.match(`^[A-Za-z0-9 ./_=:@-]+$`, _command)
}

_quoted := {trim_space(part) |
	intent.trusted
	some quoted in regex.find_n("`[^`]+`|\"[^\"]+\"|“[^”]+”|‘[^’]+’", input.task.statement, 20)
	part := trim(quoted, "`\"“”‘’")
}

_dangerous if regex.match(`(?i)(curl|wget|\bnc\b|ncat|netcat|ssh|scp|sftp|rsync|ftp|telnet|socat|https?:|/dev/(tcp|sd|null)|base64|python|perl|ruby|node |php|eval|\bsh\b|\bbash\b|zsh|apt|yum|dnf|pip|npm|git |chmod|chown|useradd|passwd|shadow|authorized_keys|crontab|iptables|ufw|mkfs|dd if|mount|shutdown|reboot|halt|poweroff|\bcat\b|\benv\b|printenv|dump|mysql|psql|mail|rm -[a-z]*r|drop |[;&<>$\x60(){}]|\|\|)`, _command)

_restart_pattern := `^(sudo )?systemctl (restart|reload|start|try-restart) ([a-z-]+)(\.service)?$`

_restarted := regex.find_all_string_submatch_n(_restart_pattern, _command, 1)[0][3]

_restart_acts := {"restart", "reboot", "bounce", "kick", "reload", "start", "fix", "bring", "get", "cycle", "revive"}

_host_fits if {
	_args.host in data.services[_restarted].hosts
	said := entities.named(data.hosts, set())
	_host_said(said)
}

_host_said(said) if _args.host in said

_host_said(said) if {
	count({host | some host in said; host in data.services[_restarted].hosts}) == 0
}

_sure contains "shell.run" if {
	_tool == "shell.run"
	_looks
}

_sure contains "shell.run" if {
	_tool == "shell.run"
	_command_said
	_host_maybe
}

_host_maybe if _args.host in entities.named(data.hosts, set())

_host_maybe if {
	count(entities.named(data.hosts, set())) == 0
	some service in entities.named(data.service_names, set())
	data.services[service].hosts == [_args.host]
}

_sure contains "shell.run" if {
	_tool == "shell.run"
	_restarted in entities.named(data.service_names, set())
	_host_fits
	_restart_wanted
}

_restart_wanted if {
	some part in wishes.may(_restart_acts)
	regex.match(`restart|reboot|bounce|\bkick|reload|cycle|reviv|\bfix|\b(get|bring|start)\b.*\b(running|going|back|up|again|labels|shop|sync|importer)\b`, part)
	not regex.match(_message, part)
}

_restart_wanted if {
	_follows
	_runbook_read
}

_runbook_read if {
	some path in facts.elements("files_read")
	startswith(path, "/runbooks/")
}

_maybe contains "shell.run" if {
	_tool == "shell.run"
	_command_said
}

_maybe contains "shell.run" if {
	_tool == "shell.run"
	_runbook_read
	_follows
	not _dangerous
	_host_possible
}

_host_possible if {
	said := entities.named(data.hosts, set())
	count(said) > 0
	_args.host in said
}

_host_possible if {
	count(entities.named(data.hosts, set())) == 0
	some service in entities.named(data.service_names, set())
	_args.host in data.services[service].hosts
}

_host_possible if {
	count(entities.named(data.hosts, set())) == 0
	count(entities.named(data.service_names, set())) == 0
}

_maybe contains "shell.run" if {
	_tool == "shell.run"
	regex.match(`restart|reboot|bounce|\bkick|reload|\bstart|\bhang|\bhung|stuck|\bfix|reviv|again|frozen|\bdown\b`, _kept)
	not wishes.only_reads
	_args.host in data.services[_restarted].hosts
	_which_restarted in _open_meaning
}

_which_restarted := entities.meaning(_restarted, data.service_names, set())

# ---------------------------------------------------------------- deployments
_deploy_acts := {"deploy", "release", "roll", "promote", "bring", "put", "push", "ship", "update", "upgrade", "move", "take", "go", "get", "publish", "install", "send", "make", "run", "start", "let", "need", "want"}

_deploy_parts := {part |
	some part in _without(_deploy_all, `\b(look|log|logs|tell|note|report|write|check|mail|message|settings?|config)\b`)
	regex.match(`[0-9]+\.[0-9]+|staging|\blive\b|deploy|version|release|production|\bprod\b|\broll|promot|upgrad`, part)
}

_deploy_all := (_weak(`\bgo(es)? (live|to|into)|\blive\b|switch|deploy|\broll|release|production`) | wishes.may(_deploy_acts)) | wishes.stated(_deploy_acts, {"deployment", "release", "rollout"})

_right contains "deploys.start" if {
	_tool == "deploys.start"
	_orders_something
	subject.has_claim("groups", "engineers")
	data.services[_service]
	_version_possible
	not _service in entities.ruled_out(_deploy_acts, data.service_names, set())
}

_version_possible if _args.environment == "staging"

_version_possible if _args.version == data.services[_service].staging

_version_possible if facts.has("deployed", sprintf("%s:%s:staging", [_service, _args.version]))

_version_possible if {
	_args.version == data.services[_service].production
	_version_said
}

_version_said if intent.mentions(_args.version)

_version_said if intent.mentions(sprintf("v%s", [_args.version]))

_production_words := {"production", "prod", "live"}

_sure contains "deploys.start" if {
	_tool == "deploys.start"
	_args.environment == "production"
	count(_deploy_parts) > 0
	_service_meant
	_production_meant
	_args.version == data.services[_service].staging
	_version_meant
	_unconditional
}

_production_meant if _says(_production_words)

_production_meant if {
	regex.match(`\bpromot|\b(what|whatever|that|which|version|one)\b[^.]*\b(in|on) staging\b`, _raw)
	not regex.match(`\b(to|onto|into) staging\b`, _raw)
}

_production_meant if {
	_version_said
	not regex.match(`\b(to|on|into|onto) staging\b`, _kept)
}

_sure contains "deploys.start" if {
	_tool == "deploys.start"
	_args.environment == "staging"
	count(_deploy_parts) > 0
	_service_meant
	_says({"staging"})
	_version_said
	_unconditional
}

_service_meant if _which_service == "named"

_service_meant if {
	_which_service == "none"
	_version_said
	count([1 | some service in data.services; service.staging == _args.version]) == 1
}

_version_meant if _version_said

_version_meant if {
	not regex.match(`\b[0-9]+\.[0-9]+`, input.task.statement)
	_says({"staging", "staged", "tested", "newest", "latest", "new", "current"})
}

_maybe contains "deploys.start" if {
	_tool == "deploys.start"
	_hinted
	_which_service in _open_meaning
	_version_maybe
	_environment_maybe
}

_version_maybe if _version_said

_version_maybe if not regex.match(`\b[0-9]+\.[0-9]+`, input.task.statement)

_environment_maybe if _says({_args.environment})

_environment_maybe if {
	_args.environment == "production"
	_production_meant
}

_environment_maybe if {
	not _says(_production_words)
	not _says({"staging"})
}
