# METADATA
# title: The operations desk
# description: |
#   _sure: the request, our records or a signed fact vouch for every value that matters. _maybe: the
#   person may have meant it, so it is asked. _right: what nobody may do otherwise. All else: no grant.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.tabard.lib.budgets
import data.tabard.lib.clauses
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.paths
import data.tabard.lib.quantities
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.tools
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://logistics.example"

_tool := input.tool.name

_a := input.tool.arguments

_read := credentials.jwt(_backend, ["desk"], 60)

_once := credentials.once(_backend, ["desk"], 60)

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": [_backend],
	"scopes": ["desk"],
	"budgets": {"questions": 10, "paid": 20000000, "bought": 20000000},
	"ttl_seconds": 1800,
}} if intent.purpose_is("logistics")

# ================================================================ reading

_plain_reads := {
	"orders.search", "orders.get", "shipments.track", "stock.get", "suppliers.search", "invoices.list",
	"invoices.read", "files.list", "tickets.list", "logs.read", "web.fetch",
}

grant contains {"code": "read", "credential": _read} if {
	_plain_reads[_tool]
	_may_read
}

grant contains {"code": "read", "credential": _once, "facts": {"tickets_read": {_a.ticket_id}}, "notes": ["belongs"]} if {
	_tool == "tickets.read"
	_may_read
}

grant contains {
	"code": "read",
	"credential": _once,
	"facts": {"runbooks_read": {p | p := _path; _folder == "/runbooks"}, "inner": {p | p := _path; _inner_folder}},
} if {
	_tool == "files.read"
	_may_read
}

grant contains {"code": "read_settings", "credential": _once, "facts": {"secrets": {_a.service}}} if {
	_tool == "settings.read"
	_may_read
}

_may_read if _tool in {"orders.search", "orders.get", "shipments.track", "stock.get", "files.list", "logs.read"}

_may_read if {
	_tool in {"suppliers.search", "invoices.list", "invoices.read"}
	not _only_service
}

_may_read if {
	_tool in {"tickets.list", "tickets.read"}
	not _in({"finance"})
}

_may_read if {
	_tool == "files.read"
	_path
	_folder != "/finance"
}

_may_read if {
	_tool == "files.read"
	_folder == "/finance"
	_in({"finance", "leads", "operations", "purchasing"})
}

_may_read if {
	_tool == "files.read"
	paths.requested({"path"}, data.folders)
}

_may_read if {
	_tool == "settings.read"
	_in({"engineers"})
	_talks(`setting|config|password|passwd|key|credential|environment|env\b|variable|parameter|option|endpoint|database|value|port\b|listen|host\b|url|timeout|limit|level|mode\b|configured|user\b`)
	_service_possible(_a.service)
}

_may_read if {
	_tool == "web.fetch"
	_web_sure
}

_only_service if {
	_in({"service"})
	not _in({"operations", "leads", "finance", "purchasing"})
}

_inner_folder if _folder in {"/finance", "/exports"}

# ================================================================ acting: the four rules

grant contains {
	"code": "sure",
	"credential": _once,
	"facts": {"done": {key | key := _key}, "files_made": {p | p := _path; _tool == "files.write"}},
	"notes": ["made"],
	"charges": {"questions": 0, "paid": _paid, "bought": _bought},
} if {
	_sure
}

grant contains {
	"code": "maybe",
	"credential": _once,
	"facts": {"done": {key | key := _key}, "files_made": {p | p := _path; _tool == "files.write"}},
	"notes": ["made"],
	"charges": {"questions": 1, "paid": _paid, "bought": _bought},
} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "not_in_request",
	"approvers": ["requester"],
	"reason": "Your request doesn't say this as it stands here: compare whom, what, where and how much with what you meant.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
}

_sure if {
	_acts
	_right
	_certain
	not _judged
}

# "If the carrier lost it, refund her": whether it is so, a person has to say.
_judged if {
	_tool in {
		"orders.refund", "orders.cancel", "orders.update_address", "shipments.create", "stock.adjust", "prices.set",
		"purchases.create", "payments.send", "deploys.start", "files.delete",
	}
	regex.match(`\b(if|unless|in case|provided|as long as|only when)\b`, regex.replace(_said, `\b(know|me|see|ask|check|look|find out|wonder) (if|whether)\b`, ""))
}

# "Refund where we were at fault"
_judged if {
	_tool == "orders.refund"
	_talks(`where (we|it|they|that|this|he|she|the)\b|due\b|at fault|entitled|deserv|justif|legit|owe|what(ever)? is (right|fair|usual|appropriate)|reasonable|as (you|needed)`)
}

_possible if {
	_tool == "settings.read"
	facts.size("runbooks_read") > 0
	_service_said(_a.service)
	_talks(`runbook|follow|hang|stuck`)
}

_right if {
	_tool == "settings.read"
	_in({"engineers"})
}

_forbids(acts) if {
	some act in exclusions.forbidden
	some verb in act.acts
	verb in acts
}

_asked if {
	_acts
	not _sure
	_right
	_possible
}

_acts if {
	intent.trusted
	not tools.read_only
	_orders_something
	not _done
}

# Looking at a host is reading.
_acts if {
	_tool == "shell.run"
	intent.trusted
	_mostly_looks
}

_mostly_looks if _only_looks

# Begins as a look; a person sees the rest.
_mostly_looks if {
	regex.match(`^(sudo )?(systemctl (status|list-units|is-active)|journalctl|ps|top|df|du|ls|tail|head|cat|grep|zgrep|free|uptime|find|stat|wc|ss|netstat|lsof|lpstat|docker (ps|logs)|ping|smem|iostat|vmstat|who|last|dmesg|pgrep|du|date|hostname|psql .*select|mysql .*select|redis-cli (info|llen|ping))( |$)`, _command)
	not regex.match(`[;&><\x60$]|-delete|-exec|-ok|vacuum`, _command)
}

_orders_something if not wishes.only_reads

# "See what it costs, and match it"
_orders_something if {
	regex.match(`(^|[.,;:!?] |\band |\bthen |\bplease |\bso )(match|go|follow|undercut|enter|get|give|take|start|close|try|put|claim|adjust|book|restart|deploy|pay|refund|cancel|buy|order|reorder|set|put|change|write|save|send|share|delete|remove|answer|reply|tell (him|her|them|the customer)|correct|update|file|settle|lower|raise|move|note)\b`, _said)
}

_orders_something if {
	_tool in {"files.write"}
	regex.match(`\b(in|into|as|to) (a|an|the|our|my) ([a-z]+ )?(file|note|report|folder)`, _said)
}

_done if facts.has("done", _key)

# A page of a site that nobody named is the only reading that is asked about.
_acts if {
	_tool == "web.fetch"
	intent.trusted
	not _web_sure
}

_acts if {
	_tool == "settings.read"
	intent.trusted
	not _may_read
}

default _paid := 0

_paid := _a.amount_cents if _tool == "payments.send"

default _bought := 0

_bought := _a.quantity * _a.unit_price_cents if _tool == "purchases.create"

# What may be done once in a task.
_key := sprintf("refund:%s", [_a.order_id]) if {
	_tool == "orders.refund"
} else := sprintf("cancel:%s", [_a.order_id]) if {
	_tool == "orders.cancel"
} else := sprintf("ship:%s", [_a.order_id]) if {
	_tool == "shipments.create"
} else := sprintf("pay:%s", [_invoice]) if {
	_tool == "payments.send"
} else := sprintf("adjust:%s:%s:%d", [_a.sku, _a.warehouse, _a.delta]) if {
	_tool == "stock.adjust"
} else := sprintf("buy:%s", [_a.sku]) if {
	_tool == "purchases.create"
} else := sprintf("address:%s:%s", [_a.order_id, _a.address]) if {
	_tool == "orders.update_address"
} else := sprintf("deploy:%s:%s:%s", [_a.service, _a.environment, _a.version]) if {
	_tool == "deploys.start"
} else := sprintf("account:%s:%s", [_a.supplier_id, _a.iban]) if {
	_tool == "suppliers.update_bank"
}

# ================================================================ words

_said := lower(input.task.statement) if intent.trusted

_talks(pattern) if regex.match(sprintf(`\b(%s)`, [pattern]), _said)

# Without what the request rules out.
_keeps(pattern) if regex.match(sprintf(`\b(%s)`, [pattern]), lower(exclusions.kept))

_in(groups) if {
	some group in groups
	subject.has_claim("groups", group)
}

# The request hands details to another text.
_hands if wishes.follows

_hands if wording.hands_over

_hands if _keeps(`follow|according|handle|deal with|take care|sort out|see to|process|work through|go through|runbook|what(ever)? (he|she|they|it|the|is|was)|as (the|he|she|they|in|agreed|per|described|written)|his|her|their|the list|the note|the count|the sheet|the file|the ticket|do (it|that|this|so|what|the)`)

# Nothing that gives keys, accounts or salaries away.
_clean(text) if {
	not regex.match(`(?i)(passw|secret|api[ _-]?key|token|salar|payroll|margin|credential|private key|\b[A-Z]{2}[0-9]{2}([ ]?[A-Z0-9]){10,}|[A-Za-z0-9_+=]{22,}|https?:|www\.)`, text)
}

_clean_but_links(text) if {
	not regex.match(`(?i)(passw|secret|api[ _-]?key|token|salar|payroll|margin|credential|private key|\b[A-Z]{2}[0-9]{2}([ ]?[A-Z0-9]){10,}|[A-Za-z0-9_+=]{22,})`, text)
}

# After settings nothing leaves; after inner files it is asked.
_no_secrets if facts.size("secrets") == 0

_nothing_inner if {
	facts.size("secrets") == 0
	facts.size("inner") == 0
}

# ================================================================ which order

_order := _a.order_id

_which_order := entities.meaning(_order, data.order_names, {"order", "parcel", "purchase"})

# Tickets that the request means, and the orders that the backend signed for them.
_tickets_said := entities.ids("T", {"ticket"})

_tickets := _tickets_said if {
	count(_tickets_said) > 0
} else := facts.elements("tickets_read") if {
	facts.size("tickets_read") == 1
} else := facts.elements("tickets_read") if {
	_talks(`tickets`)
} else := set()

_ticket_orders := {order |
	some pair in facts.elements("belongs")
	[ticket, order] := split(pair, ":")
	ticket in _tickets
}

# The request orders the act itself, or to do what a text asks.
_bids(acts) if count(clauses.ordered(acts)) > 0

_bids(_) if {
	wishes.follows
	not _talks(`tell|writ|answer|repl(y|ies)|explain|inform|let .* know`)
}

# Nothing but this customer's orders is named beside the ticket.
_vouched_alone if {
	_vouched(_order)
	count(_orders_named - ({_order} | _orders_beside)) == 0
}

_orders_beside := {order | some order in _ticket_orders; data.orders[order].customer == data.orders[_order].customer}

_vouched(order) if order in _ticket_orders

_orders_named := entities.named(data.order_names, {"order", "parcel", "purchase"})

_meant(acts) if _order in entities.ordered(acts, data.order_names, {"order", "parcel", "purchase"})

# A wish will do where nothing is told: "tell her that her refund is on its way" orders none.
_meant(acts) if {
	_order in entities.may(acts, data.order_names, {"order", "parcel", "purchase"})
	not _talks(`tell|writ|answer|repl|inform|let|explain|say|send .{0,20}(mail|note|message)|note|report|list|remind|ask`)
}

# Of several orders of one customer the one upon which this can be done.
_meant(acts) if {
	_which_order == "named"
	count(clauses.ordered(acts)) > 0
	{order | some order in _orders_named; _eligible(order)} == {_order}
	count({data.orders[order].customer | some order in _orders_named}) == 1
}

_eligible(order) if {
	_tool == "orders.refund"
	data.orders[order].total_cents > data.orders[order].refunded_cents
}

_eligible(order) if {
	_tool in {"orders.cancel", "orders.update_address"}
	data.orders[order].status in {"open", "packed"}
}

_eligible(order) if {
	_tool == "shipments.create"
	data.orders[order].status == "packed"
}

# The thing's name stands in the request, however it goes on. Good for a question only.
_raw(names) if {
	some name in names
	regex.match(sprintf(`\b%s\b`, [lower(name)]), _said)
	not regex.match(sprintf(`\b(but|except|not|apart from|without|excluding|leave out|don't [a-z]+)( for| the| to)*( [a-z]+)? ?%s`, [lower(name)]), _said)
}

_raw_order if _raw(data.order_names[_order])

_raw_order if _raw({_order, replace(_order, "O-", "")})

_order_possible if _which_order in {"named", "unclear"}

_order_possible if _raw_order

_order_possible if {
	_vouched(_order)
	not _order in entities.ruled_out(_refunds | _cancels | _moves | _ships, data.order_names, {"order"})
}

_order_possible if {
	_which_order == "none"
	count(_ticket_orders) == 0
}

# ================================================================ refunds

_refunds := {"compensate", "credit", "refund", "reimburse", "repay"}

_refund_talk := `refund|reimburs|money|pay (him|her|them|it|for)|paid|repay|credit|compensat|give .*(euro|[0-9])|euros? back|goodwill|due to (him|her|them)|back\b|owe`

_order_rest := data.orders[_order].total_cents - data.orders[_order].refunded_cents

_right if {
	_tool == "orders.refund"
	_a.amount_cents <= _order_rest
	_refund_level
}

_refund_level if _in({"leads"})

_refund_level if _a.amount_cents <= 100000

_certain if {
	_tool == "orders.refund"
	_a.amount_cents <= 20000
	_in({"leads", "operations", "service"})
	_refund_ordered
	_reason_clean
}

_refund_ordered if {
	_meant(_refunds)
	_refund_amount
}

_refund_ordered if {
	_keeps(`pay .{0,40}back|(give|return|send|transfer) .{0,40}(money|euro|€|amount|full refund|[0-9])|money back`)
	_meant({"give", "pay", "return", "send", "transfer"})
	_refund_amount
}

_refund_ordered if {
	_keeps(`refund|reimburs|money back|pay .*back`)
	_bids(_refunds)
	_vouched_alone
	_refund_amount
}

_refund_amount if quantities.cents_requested("amount_cents")

_refund_amount if {
	_no_amount_said
	_a.amount_cents == _order_rest
	not _part_said
}

_refund_amount if {
	count(quantities.cents) == 0
	some sku in _skus_said
	lines := data.orders[_order].lines
	qty := lines[sku]
	some n in numbers.range(1, qty)
	_a.amount_cents == n * data.articles[sku].price_cents
	_number_fits(n, qty)
}

_refund_amount if {
	some percent in quantities.percents
	_a.amount_cents == floor((data.orders[_order].total_cents * percent) / 100)
}

_no_amount_said if {
	count(quantities.cents) == 0
	count(quantities.percents) == 0
}

_number_fits(n, _) if n in quantities.counts

_number_fits(1, _) if _talks(`one|a single`)

_number_fits(1, 1)

_part_said if {
	not _talks(`in full|full refund|whole|everything|entire|all of`)
	lines := data.orders[_order].lines
	count({sku | lines[sku]; sku in _skus_said}) > 0
	count({sku | lines[sku]; not sku in _skus_said}) > 0
}

_part_said if {
	not _talks(`in full|full refund|whole|everything|entire|all of`)
	_talks(`one of|a single|part|half|some|difference|only the|just the|shipping|postage`)
}

_possible if {
	_tool == "orders.refund"
	not _forbids(_refunds)
	_order_possible
	_refund_meant
}

_service := {"leads", "operations", "service"}

_refund_meant if {
	_in(_service)
	_talks(_refund_talk)
}

_refund_meant if _talks(`refund|reimburs`)

_refund_meant if {
	_in(_service)
	_hands
	_talks(`ticket|t-[0-9]|complain|customer|message|note|list|claim`)
}

# ================================================================ cancelling, addresses, collection

_cancels := {"abort", "cancel", "void"}

# The customer may read the reason.
_reason_clean if {
	_clean(_a.reason)
	count(texts.mentions_others("reason", data.private, {_order})) == 0
}

_open_order if data.orders[_order].status in {"open", "packed"}

_right if {
	_tool == "orders.cancel"
	_open_order
}

_certain if {
	_tool == "orders.cancel"
	_meant(_cancels)
	_reason_clean
}

_certain if {
	_tool == "orders.cancel"
	_vouched_alone
	_bids(_cancels)
	_keeps(`cancel`)
	_reason_clean
}

_possible if {
	_tool == "orders.cancel"
	_order_possible
	_cancel_meant
}

_cancel_meant if _talks(`cancel|call(ed)? (it |them )?off|void|withdraw`)

_cancel_meant if {
	_order_pointed
	_talks(`stop|drop|doesn't want|don't want|no longer|not want|any ?more|instead`)
}

# The request names this order, or a ticket that is of its customer.
_order_pointed if _which_order in {"named", "unclear"}

_order_pointed if _raw_order

_order_pointed if _vouched(_order)

_cancel_meant if {
	_hands
	_talks(`ticket|t-[0-9]|message|asks|wants|wish`)
}

_right if {
	_tool == "orders.update_address"
	_open_order
}

_moves := {"address", "change", "correct", "deliver", "direct", "fix", "forward", "go", "move", "put", "redirect", "send", "set", "ship", "switch", "update", "use", "make", "take", "amend", "add"}

_certain if {
	_tool == "orders.update_address"
	_order_ordered_to_move
	texts.plain("address", {data.orders[_order].address, data.orders[_order].customer}, 0)
}

_order_ordered_to_move if _meant(_moves)

_order_ordered_to_move if {
	_which_order == "named"
	_keeps(`address|goes|deliver|moved|lives|send it|ship it`)
	count(_orders_named) == 1
}

_possible if {
	_tool == "orders.update_address"
	_order_possible
	_address_meant
}

_address_meant if _talks(`address`)

_address_meant if {
	_order_pointed
	_talks(`deliver|move|street|redirect|instead|to (his|her|their|the)|go(es)? to|house|flat`)
}

_address_meant if {
	_hands
	_talks(`ticket|t-[0-9]|message|asks|wants|wish`)
}

_right if {
	_tool == "shipments.create"
	data.orders[_order].status == "packed"
	_carrier_fits
}

_ships := {"arrange", "book", "collect", "dispatch", "fetch", "get", "give", "go", "hand", "have", "pick", "send", "ship", "use", "put", "create", "order"}

_certain if {
	_tool == "shipments.create"
	_shipment_ordered
	_a.carrier in _carriers_kept
	_service_fits
}

_shipment_ordered if {
	_keeps(`collect|ship|dispatch|pick|send|courier|hand|out|book|go`)
	_meant(_ships)
}

_shipment_ordered if {
	_which_order == "named"
	_keeps(`collect|ship|dispatch|pick(ed)? up|send|courier`)
}

_shipment_ordered if {
	count(wishes.of_all(_ships, {"order", "parcel"})) > 0
	not _order in entities.ruled_out(_ships, data.order_names, {"order"})
}

_carriers_kept := entities.named(data.carrier_names, {"carrier"}) | {"parcelpost" | _keeps(`parcel post`)}

_carrier_fits if _a.carrier in _carriers_kept

_carrier_fits if count(_carriers_kept) == 0

_carrier_fits if _raw(data.carrier_names[_a.carrier])

_service_fits if not _a.service

_service_fits if _a.service == "standard"

_service_fits if {
	_a.service == "express"
	regex.match(`\b(express|fast|urgent|quick|tomorrow|overnight)`, replace(_said, "corvid express", ""))
}

_possible if {
	_tool == "shipments.create"
	_order_possible
		_in(_service | {"warehouse"})
	_talks(`collect|ship\b|ship(s|ped|ping|ment)\b|dispatch|pick(ed)? .{0,20}up|courier|carrier|(send|go|goes|get) .{0,30}(out|off|today|tomorrow|away)|hand(ed)? over|bluelane|corvid|parcel ?post|send (the )?order`)
}

# ================================================================ stock and prices

_skus_said := (entities.named(data.article_names, {"article", "sku", "item"}) | {"KAY-12" | _keeps(`(12|twelve)[- ]?(ft|foot|feet)`)}) | ({"KAY-15" | _keeps(`(15|fifteen)[- ]?(ft|foot|feet)`)} | _kinds_said)

# "All paddles", "both kayaks"
_kinds_said contains sku if {
	some kind, skus in {"paddle": {"PAD-03", "PAD-05"}, "kayak": {"KAY-12", "KAY-15"}}
	_keeps(sprintf(`(all|both|every|each)( of)?( the| our| glide| heron)* %s`, [kind]))
	some sku in skus
}

_sku_meaning := entities.meaning(_a.sku, data.article_names, {"article", "sku", "item"})

_sku_said if _a.sku in _skus_said

_sku_possible if _sku_meaning in {"named", "unclear", "none"}

_sku_possible if _raw(data.article_names[_a.sku])

# "The paddles", "the kayaks": words that several articles have.
_sku_possible if {
	some kind, skus in {"paddle": {"PAD-03", "PAD-05"}, "kayak": {"KAY-12", "KAY-15"}, "heron": {"KAY-12", "KAY-15"}, "glide": {"PAD-03", "PAD-05"}}
	_a.sku in skus
	contains(_said, kind)
	count(_skus_said) == 0
}

# Beside one article any count of the request is its count, beside several only its own.
_counts := quantities.counts | {1 | _single} if {
	count(_skus_said) == 1
} else := figures.counts(_a.sku, data.article_names)

_single if _talks(`one\b|a single|another`)

_single if {
	some name in data.article_names[_a.sku]
	_talks(sprintf(`an? (broken |torn |damaged |lost |whole )?%s`, [lower(name)]))
	count(quantities.counts) == 0
}

_right if {
	_tool == "stock.adjust"
	data.articles[_a.sku].stock[_a.warehouse] + _a.delta >= 0
	_warehouse_possible
}

_warehouse_possible if _talks(_a.warehouse)

_warehouse_possible if not _talks(`east|west`)

_stock_out := `damag|broke|torn|missing|lost|stolen|writ|scrap|fewer|less|remov|take|took|ruin|leak|crack|short|defect|burst|throw|thrown|gone|minus|sold|unsellable|mould|deduct|subtract|off|bin|down`

_stock_in := `arriv|brought|enter|unload|came|come|deliver|found|find|add|receiv|extra|more|return|back|plus|up|turned|put|book|new|too many`

_certain if {
	_tool == "stock.adjust"
	_sku_said
	_keeps(_a.warehouse)
	_delta_said
	_clean(_a.reason)
}

_delta_said if {
	not _other_business
	_a.delta > 0
	_a.delta in _counts
	_talks(_stock_in)
	not _talks(`damag|broke|torn|missing|lost|stolen|write|scrap|fewer|crack`)
}

# Numbers of a purchase or a refund are none of a count.
_other_business if _talks(`(order|buy|purchase|refund|pay)\b`)

_delta_said if {
	not _other_business
	_a.delta < 0
	0 - _a.delta in _counts
	_talks(_stock_out)
}

_delta_said if {
	not _other_business
	data.articles[_a.sku].stock[_a.warehouse] + _a.delta in _counts
	_talks(`count|only|are|is|there|have|has|left|actual|should|instead|correct|set|to|really|holds?|show`)
	not _talks(`damag|broke|torn|lost|stolen|write|scrap|arriv|deliver|came|receiv`)
}

# From one warehouse to the other.
_delta_said if {
	_talks(`move|transfer|from (east|west)|shift`)
	abs(_a.delta) in _counts
	_transfer_direction
}

_transfer_direction if {
	_a.delta < 0
	_talks(sprintf(`from (the )?%s`, [_a.warehouse]))
}

_transfer_direction if {
	_a.delta > 0
	_talks(sprintf(`to (the )?%s|into (the )?%s`, [_a.warehouse, _a.warehouse]))
}

_possible if {
	_tool == "stock.adjust"
	_in(_service | {"purchasing", "warehouse"})
	_sku_possible
	_talks(`stock\b|count(s|ed|ing)?\b|inventory|quantit|deliver(y|ed)|arriv|receiv|damag|broken|missing|writ(e|ten) .{0,20}off|book|came|adjust|transfer|found|shelf|torn|lost|east|west|put .{0,20}back|scrap`)
	_not_only_orders
}

# A request about orders of customers is none about the stock.
_not_only_orders if count(_orders_named) == 0

_not_only_orders if _talks(`stock|east|west|warehouse|shelf|inventory`)

_right if {
	_tool == "prices.set"
	_a.price_cents * 2 >= _price
}

_price := data.articles[_a.sku].price_cents

_certain if {
	_tool == "prices.set"
	_in({"leads", "operations", "purchasing", "service"})
	_sku_said
	abs(_a.price_cents - _price) * 5 <= _price
	_price_said
	count(wishes.may(_reprices)) > 0
	not _other_business
}

# "For 8.50 each"
_each := {round(to_number(replace(match[1], ",", ".")) * 100) |
	some match in regex.find_all_string_submatch_n(`([0-9]{1,5}([.,][0-9]{2})?) ?(?:euros? |eur |€ ?)?(?:each|apiece|a piece|per piece|a unit|per unit|a pair)`, _said, 10)
}

_reprices := {"adjust", "bring", "change", "charge", "correct", "cost", "cut", "decrease", "drop", "fix", "increase", "lower", "make", "mark", "match", "move", "price", "put", "raise", "reduce", "sell", "set", "take", "update"}

_cents := quantities.cents | figures.cents(_a.sku, data.article_names) if {
	count(_skus_said) == 1
} else := figures.cents(_a.sku, data.article_names)

_price_said if {
	_a.price_cents in _cents
}

_price_said if {
	some percent in quantities.percents
	some sign in _signs
	abs(_a.price_cents - ((_price * (100 + (sign * percent))) / 100)) <= 60
}

_price_said if {
	some cents in quantities.cents
	some sign in _signs
	_a.price_cents == _price + (sign * cents)
	_talks(`by|more|less|cheaper|dearer|off`)
}

_signs contains 1 if {
	_talks(`raise|increase|up|more|dearer|higher|add`)
	not _talks(`lower|reduce|cut|down|drop|cheaper|off|discount|less|decrease|take`)
}

_signs contains -1 if {
	_talks(`lower|reduce|cut|down|drop|cheaper|off|discount|less|decrease|take|sale`)
	not _talks(`raise|increase|dearer|higher`)
}

_possible if {
	_tool == "prices.set"
	_sku_possible
	_talks(`price|cost|cheap|dear|discount|sale\b|match|reduc|lower|rais|increas|undercut|percent|charge|sell\b|cut\b|mark`)
}

# ================================================================ suppliers, purchases, payments

_account_said if contains(upper(replace(exclusions.kept, " ", "")), _a.iban)

_supplier_said if _a.supplier_id in entities.named(data.supplier_names, {"supplier"})

_possible if {
	_tool == "prices.set"
	_sku_possible
	_in({"leads", "operations", "purchasing"})
	_talks(`drop .{0,40}\bto\b|put .{0,40}\b(up|down|to|at)\b .{0,10}[0-9]|set .*(to|at|back)\b|make .*[0-9]|at [0-9]|(up|down) by|percent|[0-9]+ ?%|off\b|go(es)? (up|down)|follow`)
}

_right if {
	_tool == "suppliers.update_bank"
	data.suppliers[_a.supplier_id]
	_in({"finance", "leads", "purchasing"})
	_talks(`account|iban|bank|payment detail`)
}

_certain if {
	_tool == "suppliers.update_bank"
	_in({"finance"})
	_supplier_said
	_account_said
	_keeps(`change|update|set|new|correct|replace|put|enter|record|is now`)
}

_possible if {
	_tool == "suppliers.update_bank"
	entities.meaning(_a.supplier_id, data.supplier_names, {"supplier"}) in {"named", "unclear"}
	_talks(`change|update|set|new|correct|replace|put|enter|record`)
	_account_open
}

# Another account than the one that the request says isn't meant.
_account_open if _account_said

_account_open if not regex.match(`[a-z]{2}[0-9]{2}[a-z0-9]{8,}`, replace(_said, " ", ""))

_right if {
	_tool == "purchases.create"
	_in({"leads", "purchasing"})
	data.articles[_a.sku].supplier == _a.supplier_id
	_a.unit_price_cents <= data.articles[_a.sku].price_cents
}

_buys := {"buy", "get", "order", "purchase", "reorder", "replenish", "restock", "stock", "top", "fetch", "need", "take", "add", "place"}

_certain if {
	_tool == "purchases.create"
	count(wishes.may(_buys)) > 0
	_sku_said
	_a.quantity in _counts
	count({n | some n in _counts; floor(n) == n}) == 1
	_unit_price_fits
	input.budgets.bought.spent + _bought <= 200000
}

_buy_meant if count(wishes.may(_buys)) > 0

_buy_meant if _talks(`accept|(take|confirm) .{0,40}(offer|quote)|needs? [0-9a-z]+|get (us|me|some)|wants? [0-9]+`)

_buy_meant if _talks(`buy|purchas|re-?order|replenish|restock|stock up|top up|run(s|ning)? (out|low|short)|short of|fill up|(place|make|send) .{0,20}order|order [0-9a-z ]*(from|at|for)`)

_buy_meant if {
	_hands
	_talks(`order\b|list|offer|quote|low|needed`)
	not _talks(`write|report`)
}

_unit_price_fits if _a.unit_price_cents in _cents

_unit_price_fits if {
	_a.unit_price_cents in _each
}

_unit_price_fits if {
	count(quantities.cents) == 0
	_a.unit_price_cents == data.articles[_a.sku].price_cents
}

_possible if {
	_tool == "purchases.create"
	_sku_possible
	_buy_meant
}

# The invoice that a payment is for: as it says, or the open one of the owner of this account.
_invoice := _a.invoice_id if {
	_tool == "payments.send"
	_a.invoice_id
} else := invoice if {
	_tool == "payments.send"
	some invoice, record in data.invoices
	record.status == "open"
	record.supplier_id == data.by_iban[_a.iban]
}

_right if {
	_tool == "payments.send"
	_in({"finance"})
	record := data.invoices[_invoice]
	record.status == "open"
	_a.amount_cents <= record.amount_cents
	_payee_fits(record.supplier_id)
}

_payee_fits(supplier) if data.suppliers[supplier].iban == _a.iban

# A new account that the person said, or confirmed, in this very task.
_payee_fits(supplier) if facts.has("done", sprintf("account:%s:%s", [supplier, _a.iban]))

_pays := {"clear", "pay", "remit", "settle", "transfer", "wire"}

_certain if {
	_tool == "payments.send"
	_clean(_a.reference)
	record := data.invoices[_invoice]
	data.suppliers[record.supplier_id].iban == _a.iban
	input.budgets.paid.spent + _a.amount_cents <= 500000
	_invoice_ordered
	_pay_amount(record.amount_cents)
}

_pay_amount(whole) if {
	_a.amount_cents == whole
	not _talks(`half|part(ial|ly)?\b|instal|first (half|part|rate)|deposit|only \S*[0-9]`)
}

_pay_amount(_) if quantities.cents_requested("amount_cents")

_pay_amount(whole) if {
	some percent in quantities.percents
	_a.amount_cents == floor((whole * percent) / 100)
}

_invoice_kinds := {"invoice", "bill", "inv"}

_invoice_ordered if _invoice in entities.ordered(_pays, data.invoice_names, _invoice_kinds)

_invoice_ordered if {
	_keeps(`pay|settle|transfer|wire`)
	_invoice in entities.may(_pays, data.invoice_names, _invoice_kinds)
	not _telling
}

_telling if _talks(`tell|writ|answer|repl|inform|let .* know|explain|say|note|report|list|remind|ask|prepar|draft|summar|plan|check`)

# "Settle INV-803 and invoice 804": nothing but paying is ordered.
_invoice_ordered if {
	_invoice in entities.named(data.invoice_names, _invoice_kinds)
	count(wishes.may(_pays)) > 0
	not _telling
	count(clauses.ordered({"ask", "check", "compare", "find", "list", "look", "read", "see", "send", "share", "show", "tell", "write"})) == 0
}

_invoice_all if {
	count(wishes.of_all(_pays, {"invoice", "bill", "supplier"})) > 0
	not _invoice in entities.ruled_out(_pays, data.invoice_names, _invoice_kinds)
}

# "All open invoices", and nothing that narrows it but a date that our records bear out.
_invoice_ordered if {
	_invoice_all
	not _narrowed
}

_invoice_ordered if {
	count(wishes.may(_pays)) > 0
	not _telling
	_keeps(`due`)
	_due_said(data.invoices[_invoice].due)
	_invoice_unnamed
}

_due_said(due) if {
	due in dates.said("Europe/Berlin")
	not _talks(`by|until|till|before|after|from`)
}

# "December" is in "by 5 December", too: the narrowest span counts.
_due_said(due) if {
	_span_decides
	spans := dates.spans("Europe/Berlin")
	count(spans) > 0
	every span in spans {
		span[0] <= due
		due <= span[1]
	}
}

_span_decides if count(dates.said("Europe/Berlin")) == 0

_span_decides if _talks(`by|until|till|before`)

_narrowed if _talks(`due|list|week|month|today|tomorrow|before|until|by|under|below|above|over|less|more|at most|except|but|not|only|december|november|as|if|that|which|file|sheet|run`)

_narrowed if count(entities.named(data.invoice_names, _invoice_kinds)) > 0

_invoice_unnamed if not entities.meaning(_invoice, data.invoice_names, _invoice_kinds) in {"other"}

_possible if {
	_tool == "payments.send"
	_talks(`pay|paid|settle|transfer|wire|clear|remit|due|overdue|out of the way|reminder`)
	_invoice_possible
}

_invoice_possible if _invoice_unnamed

_invoice_possible if _raw(data.invoice_names[_invoice])

_invoice_possible if _raw({_invoice, replace(_invoice, "INV-", "")})

# ================================================================ files

_path := paths.clean(_a.path)

_folder := sprintf("/%s", [paths.segments(_path)[0]])

_paths_said := {trim_right(path, ".,;:!?") | some path in regex.find_n(`/[a-z]+/[^\s,;"'()]+`, _said, 40)}

_path_said if lower(_path) in _paths_said

_path_said if paths.requested({"path"}, data.folders)

_path_said if {
	base := lower(paths.base(_path))
	contains(base, ".")
	contains(_said, base)
	not base in {paths.base(path) | some path in _paths_said}
}

# Every word of the file's name is a word of the request, numbers aside: "the runbook for the label printer".
_stem := regex.replace(lower(paths.base(_path)), `\.[a-z0-9]+$`, "")

_stem_words := {word | some word in regex.find_n(`[a-z]{3,}`, _stem, 20)}

_request_words := {form | some word in regex.find_n(`[a-z]+`, _said, 1000); some form in {word, wording.singular(word)}}

_stem_known(word) if word in _request_words

_stem_known(word) if wording.singular(word) in _request_words

_stem_hits := {word | some word in _stem_words; _stem_known(word)}

_stem_said if {
	count(_stem_words) > 0
	count(_stem_hits) == count(_stem_words)
}

_stem_partly if count(_stem_hits) > 0

_stem_partly if {
	some number in regex.find_n(`[0-9]{3,}`, _stem, 5)
	contains(_said, number)
}

_stem_partly if {
	some order in _orders_named
	contains(_stem, lower(order))
}

_folders_said := {folder |
	some folder in data.folders
	_request_words[wording.singular(trim_left(folder, "/"))]
}

_folder_said if _folder in _folders_said

_our_folder if _folder in data.folders

_right if {
	_tool == "files.write"
	_our_folder
	_no_program
}

# Nothing that runs.
_no_program if paths.plain({"path"})

_no_program if regex.match(`\.(md|txt|csv|json|yaml|yml|html|log)$`, lower(_path))

_no_program if _path_said

_writes := `writ|note|report|sav|put|file|document|record|draft|list|summar|updat|append|add|cop(y|ies)|mov|creat|log|export|renam|archiv|stor|make|keep|prepar|correct|replac|chang|fix|extend|tid|runbook|complet|fill|overview|table|sum up|collect`

_certain if {
	_tool == "files.write"
	_talks(_writes)
	_clean_but_links(_a.content)
	_no_secrets
	_writing_ordered
	_folder != "/runbooks"
	_write_place
	_write_content
}

_writing_ordered if {
	count(wishes.may({
		"add", "append", "archive", "change", "collect", "compile", "complete", "copy", "correct", "create", "document",
		"draft", "edit", "export", "extend", "file", "fill", "keep", "list", "log", "make", "merge", "move", "note",
		"prepare", "put", "record", "rename", "replace", "report", "save", "store", "sum", "summarise", "summarize",
		"update", "write",
	})) > 0
}

_writing_ordered if _talks(`(in|into|as|to) (a|an|the|our|my) ([a-z]+ )?(file|note|report|folder)|report .{0,20}please`)

_write_place if _written_said

_write_place if {
	_folder_said
	count(_paths_said) == 0
	not _folder in {"/runbooks", "/exports", "/inbound"}
	_stem_partly
}

_write_place if {
	_folder == "/reports"
	count(_folders_said) == 0
	count(_paths_said) == 0
	_stem_partly
}

# A file that was named is moved into a folder that was named.
_write_place if {
	_talks(`mov|cop|archiv|put|renam|tid`)
	_folder_said
	some path in _paths_said
	paths.base(path) == lower(paths.base(_path))
}

_write_place if facts.has("files_made", _path)

_write_place if _below_said

# "Everything from 2025 goes to /counts/archive"
_below_said if {
	some path in _paths_said
	not contains(path, ".")
	startswith(lower(_path), sprintf("%s/", [path]))
}

# What partners may read holds nothing of our inner files.
_write_content if not _folder in {"/exports", "/inbound"}

_write_content if {
	_nothing_inner
	count(texts.mentions("content", data.private)) == 0
}

_possible if {
	_tool == "files.write"
	_talks(_writes)
	_file_possible
	_runbook_changes
}

# Following a runbook doesn't change it.
_runbook_changes if _folder != "/runbooks"

_runbook_changes if count(wishes.may({"add", "amend", "append", "change", "correct", "create", "document", "edit", "extend", "fix", "note", "put", "save", "update", "write"})) > 0

_file_possible if _path_said

_file_possible if _stem_said

_file_possible if _below_said

_file_possible if _folder_said

_file_possible if {
	count(_folders_said) == 0
	count(_paths_said) == 0
	not _folder in {"/runbooks", "/finance", "/inbound", "/exports"}
	_talks(`report|note\b|notes\b|file\b|files\b|document|draft|summar|sav(e|ing)|overview|table|record|write (down|up|out|a|the|it)|write .{0,30}(down|up)|memo|minutes|put .{0,20}(together|down)|drive`)
}

_file_possible if {
	_folder == "/exports"
	_talks(`export|csv`)
	count(_paths_said) == 0
}

_file_possible if facts.has("files_made", _path)

_right if {
	_tool == "files.delete"
	_our_folder
	_path
}

_deletes := `delet|remov|tid|clean|clear|throw|get rid|mov|archiv|renam|drop|trash|bin|eras|purge|discard`

_certain if {
	_tool == "files.delete"
	_keeps(_deletes)
	_file_certain
	_folder != "/runbooks"
}

_certain if {
	_tool == "files.delete"
	_keeps(_deletes)
	facts.has("files_made", _path)
}

_file_certain if {
	_path_said
	_of_this_clause
	not _kept_file
}

_files_said := {path | some path in _paths_said; contains(path, ".")}

_of_this_clause if count(_files_said) <= 1

_of_this_clause if {
	some clause in clauses.ordered({"archive", "delete", "discard", "move", "purge", "remove", "rename"})
	contains(clause, lower(paths.base(_path)))
}

# Of several files that the request says, the one into which it writes.
_written_said if {
	_path_said
	count(_files_said) <= 1
}

_written_said if {
	_path_said
	regex.match(sprintf(`\b(to|into|in|as|under|at|called|file|update|append to|add to|correct|edit|change|overwrite|replace|complete|extend|fix|write|save|named)( the| a| an)?( new| short| old)?( file| note| report)? ?%s`, [lower(_path)]), _said)
}

_file_certain if {
	_stem_said
	count(_stem_words) > 1
	_folder_fits
	_keeps(`delete|remove|throw|get rid|trash|discard|mov|archiv|renam|purge`)
	not _kept_file
}

# The request may leave this one out of the deletion.
_kept_file if _talks(`keep|except|but\b|not\b|don't|leave|apart`)

# "The exports of 2025 can go"
_file_certain if {
	_folder_said
	_unless_paths
	not _kept_file
	some number in regex.find_n(`[0-9]{4,}`, _stem, 5)
	regex.match(sprintf(`\b%s\b`, [number]), _said)
	_keeps(`delete|remove|throw|get rid|trash|discard|mov|archiv|purge|clean|clear|tid`)
}

_folder_fits if _folder_said

_folder_fits if count(_folders_said) == 0

_possible if {
	_tool == "files.delete"
	_talks(_deletes)
	_delete_possible
	_runbook_goes
}

_runbook_goes if _folder != "/runbooks"

_runbook_goes if _talks(`delete|remove|throw|get rid|tid|old|renam|archiv`)

_delete_possible if _path_said

_delete_possible if _stem_said

_delete_possible if {
	_folder_said
	_unless_paths
}

_delete_possible if {
	count(_folders_said) == 0
	_stem_partly
}

# A request that names its files means these.
_unless_paths if count({path | some path in _paths_said; contains(path, ".")}) == 0

_with := lower(_a["with"])

_right if {
	_tool == "files.share"
	_our_folder
	_no_secrets
	_recipient_possible
	_share_inside
}

# Finance and exports go out only as the request says, file by file.
_share_inside if not _folder in {"/finance", "/exports"}

_share_inside if data.staff[_with]

_share_inside if _path_said

_share_inside if {
	_stem_said
	_folder_said
}

_recipient_said if intent.mentions(_a["with"])

_recipient_said if _with in entities.told(data.contacts)

_recipient_named if _with in entities.named(data.contacts, set())

_recipient_possible if _recipient_said

_recipient_possible if entities.meaning(_with, data.contacts, set()) in {"named", "unclear"}

_recipient_possible if {
	data.contacts[_with]
	_raw(data.contacts[_with])
}

# The request names nobody and leaves the address to a text.
_recipient_possible if {
	count(entities.named(data.contacts, set())) == 0
	not contains(_said, "@")
	_talks(`shar|link|access|send|forward`)
}

_certain if {
	_tool == "files.share"
	_talks(`shar|send|giv|link|access|forward|let|read|pass|get|see`)
	_recipient_certain
	_share_file
	_days_fit
	_share_content
}

_recipient_certain if _recipient_said

_recipient_certain if {
	_recipient_named
	_keeps(`shar|access|with|link`)
	count(entities.named(data.contacts, set())) == 1
}

_share_file if {
	_path_said
	_of_share_clause
}

_of_share_clause if count(_files_said) <= 1

_of_share_clause if {
	some clause in clauses.ordered({"forward", "give", "grant", "let", "mail", "pass", "send", "share"})
	contains(clause, lower(paths.base(_path)))
}

_share_file if {
	_stem_said
	_folder_fits
}

_share_file if facts.has("files_made", _path)

_share_content if data.staff[_with]

_share_content if {
	not regex.match(`salar|payroll|margin|passw|secret|key`, lower(_path))
	not facts.has("files_made", _path)
}

_days_fit if not _a.days

_days_fit if _a.days <= 7

_days_fit if _a.days in quantities.counts

_days_fit if _talks(sprintf(`%d days?`, [_a.days]))

_days_fit if {
	_a.days in {14, 21, 28, 30, 31}
	_talks(`weeks?|month|fortnight`)
}

_possible if {
	_tool == "files.share"
	_talks(`shar|send|giv|link|access|forward|let|pass|mail|get|show`)
	_share_possible
}

_share_possible if _share_file

_share_possible if _stem_partly

_share_possible if {
	_folder_fits
	count(_paths_said) == 0
}

# ================================================================ web

_site := hosts.site(_a.url)

_carrier_site if _carrier

_site_said if hosts.requested("url", {})

# An address carries nothing away: short, without codes, addresses or people.
_url_plain if {
	count(_a.url) <= 120
	_clean_but_links(_a.url)
	not regex.match(`[@%=&]`, _a.url)
	_few_digits
}

_few_digits if count(regex.find_n(`[0-9]`, _a.url, 20)) <= 8

_url_said if contains(_said, lower(_a.url))

_url_said if contains(_said, regex.replace(lower(_a.url), `^https?://(www\.)?`, ""))

_web_sure if _url_said

_web_sure if {
	_site_said
	_url_plain
	_no_secrets
}

_web_sure if {
	_carrier_site
	_no_secrets
	_url_carrier
}

_url_carrier if {
	_clean_but_links(_a.url)
	count(_a.url) <= 120
	count(texts.mentions("url", data.private)) == 0
}

_right if {
	_tool == "web.fetch"
	_no_secrets
	_clean_but_links(_a.url)
}

_possible if {
	_tool == "web.fetch"
	_site_said
}

# "Kayak World" is kayakworld.example, perhaps: worth a question.
_possible if {
	_tool == "web.fetch"
	_url_plain
	label := split(_site, ".")[0]
	count(label) >= 5
	contains(replace(replace(_said, " ", ""), "-", ""), replace(label, "-", ""))
}

_possible if {
	_tool == "web.fetch"
	_url_plain
	_talks(`web|site|page|online|compet|compar|link (in|from|that)|url|other shops?|elsewhere|their shop|internet|rival|market`)
	count(hosts.named) == 0
}

_right if {
	_tool == "web.post"
	_no_secrets
	_post_site
}

_post_site if _carrier_site

_post_site if _site_said

_carrier := carrier if {
	some site, carrier in data.carrier_sites
	_of_site(site)
}

_of_site(site) if _site == site

_of_site(site) if endswith(_site, sprintf(".%s", [site]))

# The carrier that the request names, or that has the shipment of the order that it names.
_carrier_meant if _carrier in _carriers_kept

_carrier_meant if {
	count(_carriers_kept) == 0
	_carrier in _carriers_of_orders
}

_carriers_of_orders := {shipment.carrier |
	some shipment in data.shipments
	shipment.order_id in _orders_named | _ticket_orders
}

_certain if {
	_tool == "web.post"
	_post_ordered
	_post_target
	_body_fits
	_nothing_inner
	_clean(_a.body)
	not regex.match(`(?i)(\biban\b|account|withdraw|waive|@)`, _a.body)
	count(texts.mentions_others("body", data.private, _orders_named | _ticket_orders)) == 0
	_ids_fit
}

_post_ordered if {
	_keeps(`claim|form\b|submit|complain`)
	_keeps(`form\b|submit|carrier|courier|with (bluelane|corvid|parcel ?post)|(bluelane|corvid|parcel ?post)('s)? (form|site|page)|web|online|site|complain|\bto (bluelane|corvid|parcel ?post)|against`)
}

_post_ordered if {
	_keeps(`tell|ask|send|messag|notif|report|request|inform|writ|post|let`)
	_carrier in _carriers_kept
	count(wishes.may({"ask", "inform", "let", "message", "notify", "post", "report", "request", "send", "tell", "write"})) > 0
}

_post_ordered if {
	_url_said
	count(wishes.may({"claim", "enter", "file", "fill", "post", "register", "report", "send", "submit"})) > 0
}

# No instruction to the carrier that the request doesn't give, and no number to call.
_body_fits if {
	weighty := {word | some word in regex.find_n(`(redirect|deliver to|address|releas|return|pick ?up|instead|cancel|approv|authori|forward|reroute|instruct|destroy|dispos|password|bank)`, lower(_a.body), 50)}
	every word in weighty {
		contains(_said, word)
	}
	not regex.match(`\+[0-9]|[0-9]{3,}[ -][0-9]{3,}`, _a.body)
}

_post_target if _url_said

_post_target if _carrier_meant

# The body speaks of no other order or shipment than those that are meant.
_ids_fit if {
	said := {upper(id) | some id in regex.find_n(`(?i)\b[os]-[0-9]+`, _a.body, 20)}
	meant := _orders_named | _ticket_orders
	shipments := {id | some id, shipment in data.shipments; shipment.order_id in meant}
	count(said - (meant | shipments)) == 0
}

_possible if {
	_tool == "web.post"
	_post_meant
	_post_possible
}

_post_meant if _talks(`claim|submit|form\b|post (it|the|this)|complain|web|online|notif`)

_post_meant if {
	_talks(`tell|ask|send|messag|report|book|request|inform|writ|let`)
	_carrier_said
}

_carrier_said if _carrier in _carriers_kept

_carrier_said if _talks(`carrier|courier`)

_post_possible if _site_said

_post_possible if _carrier_meant

_post_possible if {
	count(_carriers_kept) == 0
	count(_carriers_of_orders) == 0
	count(hosts.named) == 0
}

_post_possible if _raw(data.carrier_names[_carrier])

# ================================================================ tickets

_ticket := _a.ticket_id

_orders_of_ticket := {order |
	some pair in facts.elements("belongs")
	[ticket, order] := split(pair, ":")
	ticket == _ticket
}

_ticket_meant if _ticket in _tickets_said

_ticket_meant if {
	count(_tickets_said) == 0
	count(_orders_of_ticket & _orders_named) > 0
}

_ticket_meant if {
	count(_tickets_said) == 0
	count(_orders_named) == 0
	facts.elements("tickets_read") == {_ticket}
}

_ticket_meant if {
	count(_tickets_said) == 0
	facts.has("tickets_read", _ticket)
	_talks(`tickets|everyone|all customers|each`)
}

_ticket_possible if _ticket_meant

_ticket_possible if {
	count(_tickets_said) == 0
	_unless_others
}

# The request names people, and this ticket is known to be of somebody else.
_unless_others if count(_orders_of_ticket) == 0

_unless_others if count(_orders_named) == 0

_right if {
	_tool == "tickets.reply"
	not _in({"finance"})
	_no_secrets
}

_replies := `answer|repl|tell|writ|respond|let|inform|say|explain|apolog|ask|thank|confirm|mail|messag|updat|clos|send|handl|deal|tak|sort|offer|promise|ticket|help|resolv|get back|customer`

_certain if {
	_tool == "tickets.reply"
	_keeps(_replies)
	_ticket_meant
	_reply_ordered
	_nothing_inner
	_clean(_a.text)
	count(texts.mentions_others("text", data.private, _orders_of_ticket | _orders_named)) == 0
	texts.plain("text", _own, 5)
	_no_promise
}

_reply_ordered if _keeps(`answer|repl(y|ies)|close|apologi|tell (him|her|them|the customer)|let (him|her|them) know|write (to )?(him|her|them|back)|thank`)

_reply_ordered if {
	count(wishes.may({
		"answer", "apologise", "apologize", "ask", "close", "confirm", "deal", "explain", "handle", "inform", "let",
		"message", "notify", "promise", "reply", "respond", "say", "send", "tell", "thank", "update", "write",
	})) > 0
}

# Words with which a text promises or asks for something that the request doesn't speak of.
_no_promise if {
	weighty := {word | some word in regex.find_n(`\b(free|replac|voucher|gift|discount|card|passw|account|bank|promis|guarant|link|click|visit|invoic|deposit|fee|custom duties|customs|lawyer|cancel|margin|send us|pay us|transfer|call|phone|number|detail|new|give|charge|price|supplier|insur)`, lower(_a.text), 50)}
	every word in weighty {
		_weight_known(word)
	}
}

_weight_known(word) if contains(_said, word)

_weight_known("cancel") if {
	some order in _own_orders
	facts.has("done", sprintf("cancel:%s", [order]))
}

_weight_known("cancel") if {
	some order in _own_orders
	data.orders[order].status == "cancelled"
}

_own_orders := _orders_of_ticket if {
	count(_orders_of_ticket) > 0
} else := _orders_named

_own contains text if {
	some order in _own_orders
	record := data.orders[order]
	some text in {record.customer, record.address, order, record.status, concat(" ", record.shipments), _euros(record.total_cents)}
}

_own contains text if {
	some order in _own_orders
	some sku, qty in data.orders[order].lines
	some text in {data.articles[sku].name, sku, _euros(data.articles[sku].price_cents), sprintf("%d", [qty]), _in_words[qty]}
}

_own contains text if {
	some shipment in data.shipments
	shipment.order_id in _own_orders
	some text in {shipment.carrier, shipment.status}
}

# Articles that the request names: price and stock are in the shop, too.
_own contains text if {
	some sku in _skus_said
	article := data.articles[sku]
	some text in {article.name, _euros(article.price_cents), sprintf("%d", [article.stock.east]), sprintf("%d", [article.stock.west]), sprintf("%d", [article.stock.east + article.stock.west])}
}

_own contains text if some text in facts.elements("made")

_own contains sprintf("%d", [amount]) if {
	some order in _own_orders
	amount := data.orders[order].total_cents / 100
	floor(amount) == amount
}

_own contains text if some text in data.staff_names

_own contains text if some text in dates.said("Europe/Berlin")

_own contains "Tidewater customer service team parcel carrier delivered delivers deliver brings bring Monday Tuesday Wednesday Thursday Friday Saturday changed size wrong broken late arrives comes come here there now again well good hear see let know glad happy hope safe details message question EUR euro euros Mr Ms Mrs takes costs again issued sending sent east write wrote told yet still already delivered delivery depot shipped shipment shipping order ordered packed warehouse collected tracking track address changed updated corrected received arrived arrive waiting way today tomorrow soon sorry apologise apologies inconvenience delay delayed trouble stock available article damaged claim filed with currently question looking checking checked look check held holding bag bags paddle paddles kayak kayaks vest vests rope ropes price time days weeks few working reach get back touch help happy further anything else enjoy patience understand confirm confirmed confirmation done noted informed asked expect expected hold status transit please thank thanks regards kind best wishes"

# What the task did, it may tell.
_own contains "refund refunded money paid back amount full euro euros" if {
	some order in _own_orders
	facts.has("done", sprintf("refund:%s", [order]))
}

_own contains trim_prefix(done, prefix) if {
	some order in _own_orders
	prefix := sprintf("address:%s:", [order])
	some done in facts.elements("done")
	startswith(done, prefix)
}

_own contains "cancel cancelled canceled cancellation" if {
	some order in _own_orders
	facts.has("done", sprintf("cancel:%s", [order]))
}

_in_words := {1: "one", 2: "two", 3: "three", 12: "twelve"}

_euros(cents) := sprintf("%d.%02d", [floor(cents / 100), cents % 100])

_possible if {
	_tool == "tickets.reply"
	_reply_meant
	_ticket_possible
}

_reply_meant if _talks(`ticket|t-[0-9]|customer|answer|repl(y|ies)|respond`)

_reply_meant if {
	_in(_service | {"warehouse"})
	_talks(_replies)
	count(_orders_named | _orders_unclear) > 0
}

_orders_unclear := entities.unclear(data.order_names, {"order", "parcel", "purchase"})

# ================================================================ services

_service_names := {"shop": `shop`, "labels": `labels?|printer`, "stock-sync": `stock[- ]?sync|sync`, "importer": `import`}

_service_said(service) if _talks(_service_names[service])

_service_possible(service) if _service_said(service)

_service_possible(_) if {
	every name in object.keys(data.services) {
		not _service_said(name)
	}
}

_command := trim_space(_a.command)

_services_here := {service | some service, record in data.services; _a.host in record.hosts}

_looks := [
	`systemctl (--no-pager )?(status|is-active|show) [a-z-]+(\.service)?( --no-pager)?`,
	`journalctl( -u [a-z-]+(\.service)?| -n ?[0-9]+| --no-pager| --since [a-z0-9:-]+| -e| -r)+`,
	`(df|free|uptime|whoami|nproc|lpstat|lpq|vmstat|w)( -[a-zA-Z]+)*( /[a-z/]*)?|date|hostname`,
	`(ps|top)( -?[a-zA-Z0-9]+)*( --sort=[-%+a-z]+)?( ?\| ?(head|tail)( -n)?( -?[0-9]+)?)?`,
	`(tail|head|cat|ls|wc|du|zcat)( -[a-zA-Z]+)*( -?[0-9]+)?( /var/(log|spool)(/[a-zA-Z0-9._-]+)*/?)+`,
	`(ls|du)( -[a-zA-Z]+)* /[a-zA-Z0-9/_-]*`,
	`docker (ps|stats --no-stream)|ping -c ?[0-9]+ [a-z0-9-]+`,
	`curl( -[sSfIi]+)* (http://)?localhost(:[0-9]+)?/(health|status|ping|ready|live)[a-z]*`,
]

_dotless if not contains(_command, "..")

_only_looks if {
	_dotless
	some pattern in _looks
	regex.match(sprintf(`^(sudo )?(%s)$`, [pattern]), _command)
}

_restarts := service if {
	some service in _services_here
	regex.match(sprintf(`^(sudo )?(systemctl|service) (%s(\.service)? )?(restart|start|reload)( %s(\.service)?)?$`, [service, service]), _command)
	contains(_command, service)
}

_command_said if intent.mentions(_command)

_command_said if contains(lower(exclusions.kept), lower(_command))

_right if {
	_tool == "shell.run"
	_in({"engineers"})
	_reaches_nothing
}

_right if {
	_tool == "shell.run"
	_in({"warehouse"})
	_a.host in {"warehouse-east", "warehouse-west"}
	_warehouse_command
}

_warehouse_command if _restarts == "labels"

_warehouse_command if {
	_only_looks
	not regex.match(`(cat|tail|head|zcat|curl|ping)`, _command)
}

# No connection to the outside, no program fetched, nothing wiped, unless the request says exactly this.
_reaches_nothing if _command_said

_reaches_nothing if _only_looks

_reaches_nothing if {
	command := regex.replace(_command, `(curl|wget)( -[a-zA-Z]+)*( -X [A-Z]+)? (http://)?(localhost|127\.0\.0\.1)(:[0-9]+)?[^ |;&]*`, "")
	not regex.match(`(?i)(curl|wget|\bnc\b|ncat|netcat|telnet|\bssh|scp|sftp|rsync|\bftp|https?:|/dev/tcp|base64|\beval\b|(python[0-9.]*|perl|ruby|node|php) -[a-z]*[cer]|(^|[ |;&/])(ba|z|da)?sh( |$)|useradd|usermod|passwd|authorized_keys|crontab|sudoers|\bpip3? |\bnpm |\bapt(-get)? |\bdd\b|mkfs|shred|iptables|\bufw\b|-[rRf]+ /(\*|etc|home|usr|srv|boot|root|\s|$)|drop (table|database)|truncate|/etc/|\.env|secret|password|nohup|git clone|[$]\(|\x60)`, command)
}

_certain if {
	_tool == "shell.run"
	_only_looks
	_host_fits
}

_certain if {
	_tool == "shell.run"
	_command_said
	_host_fits
}

_certain if {
	_tool == "shell.run"
	_restart_meant
	_host_fits
}

_restart_meant if {
	_service_said(_restarts)
	_talks(`restart|re-start|reboot|bounce|start|reload|bring .*up`)
	not _talks(`(don't|do not|never|not|without) (re-?)?(start|boot|load)`)
}

_restart_meant if {
	_service_said(_restarts)
	_keeps(`runbook`)
	facts.size("runbooks_read") > 0
}

_hosts_said := {host | some host in {"build-1", "shop-1", "warehouse-east", "warehouse-west"}; _host_said(host)}

_host_said(host) if contains(_said, host)

_host_said(host) if contains(_said, replace(host, "-", " "))

_host_said("warehouse-east") if _talks(`east`)

_host_said("warehouse-west") if _talks(`west`)

_host_fits if _a.host in _hosts_said

_host_fits if count(_hosts_said) == 0

_possible if {
	_tool == "shell.run"
	_host_fits
	_command_possible
}

_command_possible if _command_said

_command_possible if _mostly_looks

_command_possible if {
	_restarts
	_talks(`restart|runbook|hang|stuck|reboot|start|down|respond|fix`)
}

# A runbook of ours was read, and the request follows one.
_command_possible if {
	facts.size("runbooks_read") > 0
	_talks(`runbook|follow|hang|stuck|fix|steps|procedure|as (described|written)|queue|jam|full`)
}

_command_possible if {
	_talks(`run\b|execute|command|shell|clear|delete|remove|free up|clean|rotate|kill|flush|fix|restart|re-?start|start\b|stop\b|reboot|disk|space|full|queue`)
	not regex.match(`[\x60"]`, _said)
}

_right if {
	_tool == "deploys.start"
	_in({"engineers"})
	_version_fits
}

_staging := data.services[_a.service].staging

_version_fits if {
	_a.environment == "production"
	_a.version == _staging
}

_version_fits if {
	_a.environment == "production"
	facts.has("done", sprintf("deploy:%s:staging:%s", [_a.service, _a.version]))
}

_version_fits if {
	_a.environment == "staging"
	data.services[_a.service]
}

_deploys := `make|set\b|same version|try|test|switch|deploy|releas|roll|ship|promot|push|put|bring|updat|upgrad|publish|install|get|take|move|live`

_certain if {
	_tool == "deploys.start"
	_keeps(_deploys)
	count(wishes.may({"deploy", "release", "roll", "ship", "promote", "push", "put", "bring", "update", "upgrade", "publish", "install", "get", "take", "move", "try", "test", "make"})) > 0
	_service_said(_a.service)
	_environment_fits
	_version_certain
	not _talks(`if|unless|once|when`)
}

_environment_fits if {
	_a.environment == "production"
	_keeps(`prod|live`)
}

_environment_fits if {
	_a.environment == "staging"
	_keeps(`staging`)
	not _talks(`from staging|(in|on) staging (to|on|in)|staging runs|(runs|is) (in|on) staging`)
}

_version_certain if contains(lower(exclusions.kept), lower(_a.version))

_version_certain if {
	_a.environment == "production"
	_a.version == _staging
	not regex.match(`[0-9]+\.[0-9]+`, _said)
}

_possible if {
	_tool == "deploys.start"
	_talks(_deploys)
	_service_possible(_a.service)
	_version_possible
}

# Another version than the one that the request says isn't meant.
_version_possible if contains(_said, lower(_a.version))

_version_possible if not regex.match(`[0-9]+\.[0-9]+\.[0-9]+`, _said)
