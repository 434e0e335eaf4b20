# METADATA
# title: The operations desk
# description: |
#   Grants what the person's words, the records and the task's history confirm; asks about what the
#   words may mean; grants nothing else.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.lib.desk
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.outbound
import data.tabard.lib.paths
import data.tabard.lib.subject
import data.tabard.lib.tools

_backend := "https://logistics.example"

_args := input.tool.arguments

_group(g) if subject.has_claim("groups", g)

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": [_backend],
	"scopes": ["desk"],
	"ttl_seconds": 1800,
}} if intent.purpose_is("logistics")

_read := credentials.jwt(_backend, ["desk"], 60)

_once := credentials.once(_backend, ["desk"], 60)

# ---------------------------------------------------------------- reading

_free_reads := {"orders.search", "shipments.track", "stock.get", "logs.read"}

_service_only if {
	_group("service")
	not _group("leads")
}

_finance_only if {
	_group("finance")
	not _group("leads")
}

grant contains {"code": "read", "credential": _read} if tools.one_of(_free_reads)

grant contains {"code": "read_order", "credential": _read, "facts": {"orders_seen": {_args.order_id}, "stray_reads": _stray}} if {
	input.tool.name == "orders.get"
}

grant contains {"code": "read_finance", "credential": _read, "facts": {"stray_reads": _stray}} if {
	tools.one_of({"suppliers.search", "invoices.list"})
	not _service_only
}

grant contains {"code": "read_invoice", "credential": _read, "facts": {"outside_reads": 1, "stray_reads": _stray}} if {
	input.tool.name == "invoices.read"
	not _service_only
}

grant contains {"code": "list_tickets", "credential": _read, "facts": {"outside_reads": 1}} if {
	input.tool.name == "tickets.list"
	not _finance_only
}

grant contains {"code": "read_ticket", "credential": _read, "facts": {"tickets_seen": {_args.ticket_id}, "outside_reads": 1}} if {
	input.tool.name == "tickets.read"
	not _finance_only
}

grant contains {"code": "list_files", "credential": _read, "facts": {"outside_reads": 1}} if {
	input.tool.name == "files.list"
	_folder_open(_args.folder)
}

grant contains {"code": "read_file", "credential": _read, "facts": {"outside_reads": 1, "files_read": {_args.path}, "bases_read": {_base(_args.path)}, "stray_reads": _stray}} if {
	input.tool.name == "files.read"
	_folder_open(_args.path)
}

# Pay, margins and accounts: for finance, or if the person names the place.
_folder_open(path) if {
	clean := paths.clean(path)
	not _below(clean, "/finance")
}

_folder_open(path) if {
	paths.clean(path)
	_group("finance")
}

_folder_open(path) if {
	clean := paths.clean(path)
	_path_named(clean)
}

_folder_open("/finance") if {
	desk.says("finance")
	not _service_only
}

_folder_open(path) if {
	clean := paths.clean(path)
	_below(clean, "/finance")
	desk.says("finance")
	not _service_only
}

_below(path, folder) if path == folder

_below(path, folder) if startswith(path, concat("", [folder, "/"]))

# Reads which the words don't explain. What leaves later is asked about.
default _stray := 0

_stray := 1 if {
	input.tool.name == "orders.get"
	count(desk.orders_named) > 0
	not _args.order_id in desk.orders_named
	not desk.says("orders|tickets")
}

_stray := 1 if {
	tools.one_of({"suppliers.search", "invoices.list", "invoices.read"})
	not desk.says("invoices?|suppliers?|accounts?|pay|paid|due|owe|bills?|order|buy|purchase|stock|prices?|share|send|link|iban|bank|partners?|restock|open|money")
	count(desk.suppliers_named) == 0
}

_stray := 1 if {
	input.tool.name == "files.read"
	not _path_related(_args.path)
}

_path_related(path) if {
	some w in regex.find_n(`[a-z0-9]+`, lower(path), -1)
	count(w) >= 4
	regex.match(sprintf(` %s[a-z]* `, [substring(w, 0, max({4, count(w) - 3}))]), desk.n)
}

_path_related(path) if _path_named(path)

_path_related(path) if paths.parent(path) == "/runbooks"

_path_related(path) if {
	folder := paths.parent(path)
	folder in {"/claims", "/runbooks"}
	desk.says("claims?|damaged?|lost|broken|runbooks?|policy|template|refunds?|returns?")
}

_path_named(path) if contains(desk.statement, lower(path))

_path_named(path) if {
	base := lower(paths.base(path))
	count(base) > 4
	contains(desk.n, desk.norm(base))
}

_path_named(path) if {
	base := lower(paths.base(path))
	stem := regex.replace(base, `\.[a-z0-9]{1,5}$`, "")
	contains(stem, "-")
	contains(desk.n, desk.norm(stem))
}

_path_named(path) if {
	base := lower(paths.base(path))
	stem := regex.replace(base, `\.[a-z0-9]{1,5}$`, "")
	words := regex.find_n(`[a-z0-9]+`, stem, -1)
	count(words) > 1
	every w in words {
		regex.match(sprintf(` %s(s|es)? `, [w]), desk.n)
	}
}

grant contains {"code": "read_settings", "credential": _once, "facts": {"secrets_read": 1}} if {
	input.tool.name == "settings.read"
	_group("engineers")
	desk.says("settings?|config|configuration|configured|passwords?|keys?|credentials?|variables?|url|urls|port|timeout|timeouts|value|limits?|endpoint|mode|flag|host|set to|database|db|smtp|connect|connects|server|address")
	_args.service in desk.services_named
}

_base(path) := b if {
	b := paths.base(path)
} else := "?"

# ---------------------------------------------------------------- acting: confirmed, or to be asked

_notes := {
	"orders.update_address", "orders.cancel", "orders.refund", "shipments.create", "stock.adjust", "prices.set",
	"suppliers.update_bank", "purchases.create", "payments.send", "files.write", "files.delete", "files.share",
	"web.fetch", "web.post", "tickets.reply", "shell.run", "deploys.start",
}

_possible if _confirmed

_possible if _plausible

grant contains {"code": "act", "credential": _once} if {
	_notes[input.tool.name]
	_possible
}

ask contains {
	"code": "confirm",
	"approvers": ["requester"],
	"reason": "Your request doesn't state this as it stands here: whom, what, how much or where.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_notes[input.tool.name]
	_plausible
	not _confirmed
}

ask contains {
	"code": "large",
	"approvers": ["requester"],
	"reason": "It is above what goes without a question.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_possible
	_large
}

ask contains {
	"code": "odd_reads",
	"approvers": ["requester"],
	"reason": "The assistant has read something that your request doesn't speak of, and now sends a text out.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	tools.one_of({"tickets.reply", "web.post"})
	_possible
	facts.value("stray_reads") > 0
}

deny contains {"code": "secrets_stay", "message": "After settings were read, nothing goes out."} if {
	tools.one_of({"tickets.reply", "web.post", "files.share", "web.fetch"})
	facts.value("secrets_read") > 0
}

# What actions leave behind.
grant contains {"code": "act", "credential": _once, "facts": {"refunded": {_args.order_id}}} if {
	input.tool.name == "orders.refund"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"cancelled": {_args.order_id}}} if {
	input.tool.name == "orders.cancel"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"shipped": {_args.order_id}}} if {
	input.tool.name == "shipments.create"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"readdressed": {_args.order_id}}} if {
	input.tool.name == "orders.update_address"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"adjusted": {sprintf("%s:%s", [upper(_args.sku), _args.warehouse])}}} if {
	input.tool.name == "stock.adjust"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"priced": {upper(_args.sku)}}} if {
	input.tool.name == "prices.set"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"banks": {sprintf("%s:%s", [_args.supplier_id, _args.iban])}, "banks_changed": {_args.supplier_id}}} if {
	input.tool.name == "suppliers.update_bank"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"bought": {upper(_args.sku)}, "bought_cents": _args.quantity * _args.unit_price_cents}} if {
	input.tool.name == "purchases.create"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"paid": {_invoice}, "paid_cents": _args.amount_cents + 0}} if {
	input.tool.name == "payments.send"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"written": {_args.path}, "bases_written": {_base(_args.path)}}} if {
	input.tool.name == "files.write"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"posts": 1}} if {
	input.tool.name == "web.post"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"outside_reads": 1}} if {
	input.tool.name == "web.fetch"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"answered": {_args.ticket_id}}} if {
	input.tool.name == "tickets.reply"
	_possible
}

grant contains {"code": "act", "credential": _once, "facts": {"deployed": {sprintf("%s:%s:%s", [_args.service, _args.version, _args.environment])}}} if {
	input.tool.name == "deploys.start"
	_possible
}

# ---------------------------------------------------------------- orders

_order := data.orders[_args.order_id]

_order_named if _args.order_id in desk.orders_meant

# The request names no order; a ticket or a file may.
_order_open if {
	count(desk.orders_named) == 0
	desk.sources
	facts.has("orders_seen", _args.order_id)
}

_refund_words := `(have|gets?|receives?|wants?) (his|her|their) money|refunds?|refunding|refunded|reimburse|reimbursing|pay (it |them |her |him |that |this )?back|paying back|pay ([a-z0-9]+ ){1,8}back|give ([a-z0-9]+ ){0,12}back|gets? ([a-z0-9]+ ){0,3}euros|give ([a-z0-9]+ ){0,8}(euros?|off) |send ([a-z0-9]+ ){0,3}(money|euros) back|money back|gets? ([a-z0-9]+ ){0,6}back|return ([a-z0-9]+ ){0,4}money|credit|compensate|compensation|goodwill|repay|transfer back|back to (her|him|them|the customer)`

_refund_possible if {
	desk.does(_refund_words)
	not _group("engineers")
	not facts.has("refunded", _args.order_id)
	_args.amount_cents <= _order.total_cents - _order.refunded_cents
	_refund_within_rank
}

_refund_within_rank if _group("leads")

_refund_within_rank if _args.amount_cents <= 100000

_confirmed if {
	input.tool.name == "orders.refund"
	_refund_possible
	_args.order_id in desk.orders_for(_refund_words)
	_refund_amount
}

_plausible if {
	input.tool.name == "orders.refund"
	_refund_possible
	_args.order_id in desk.orders_for(_refund_words)
	_amount_open
	not _euros_stated
}

_amount_open if desk.sources

_amount_open if desk.digits

_plausible if {
	input.tool.name == "orders.refund"
	_refund_possible
	_order_open
	_amount_possible
}

_amount_possible if _refund_amount

_amount_possible if not _euros_stated

# A customer writes and the person says "do it".
_plausible if {
	input.tool.name == "orders.refund"
	not desk.does(_refund_words)
	desk.hands_over
	desk.says("tickets?|customers?|returns?|complaints?")
	not facts.has("refunded", _args.order_id)
	_args.amount_cents <= _order.total_cents - _order.refunded_cents
	_refund_within_rank
	not _group("engineers")
	not _group("finance")
	_order_named_or_open
}

_order_named_or_open if _order_named

_order_named_or_open if _order_open

_euros_stated if {
	desk.states_money
	count(desk.cents) > 0
}

_refund_amount if _args.amount_cents in desk.cents

_refund_amount if {
	some p in desk.percents
	abs(_args.amount_cents - ((_order.total_cents * p) / 100)) <= 1
}

_refund_amount if {
	some p in desk.percents
	some a in desk.articles
	some k in numbers.range(1, _order.lines[a])
	abs(_args.amount_cents - (((k * data.articles[a].price_cents) * p) / 100)) <= 1
}

_refund_amount if {
	_whole
	_args.amount_cents == _order.total_cents - _order.refunded_cents
}

_whole if {
	not _euros_stated
	not desk.digits
	count(desk.percents) == 0
	not _part
	not desk.says("one|a single|only")
}

_whole if desk.says("full|fully|whole|entire|everything|all of it|in total|completely")

# Some of the order's articles.
_part if {
	not desk.says("full|fully|whole|entire|everything|completely")
	some a in desk.articles
	_order.lines[a]
	count(_order.lines) > 1
}

_part if desk.says("(one|two|three|four|five|six|[0-9]+) of (the|her|his|their|its|peter s|[a-z]+ s) ?[a-z0-9]*")

_part if desk.says("one of|part|partial|partly|difference|some of")

_refund_amount if {
	not _euros_stated
	count(desk.percents) == 0
	some a in desk.articles
	some k in numbers.range(1, _order.lines[a])
	_args.amount_cents == k * data.articles[a].price_cents
	_count_fits(a, k)
}

_count_fits(_, k) if k in desk.quantities

_count_fits(a, k) if {
	k == _order.lines[a]
	not desk.says("one of|some of|a part|of the")
}

_large if {
	input.tool.name == "orders.refund"
	_args.amount_cents > 20000
}

_cancel_words := `cancel|cancelled|canceled|cancels|cancelling|canceling|cancellation|call off|drop|void|storno|stop`

_cancel_possible if {
	_order.status in {"open", "packed"}
	not facts.has("cancelled", _args.order_id)
	not _group("engineers")
}

_confirmed if {
	input.tool.name == "orders.cancel"
	desk.does(_cancel_words)
	_cancel_possible
	_args.order_id in desk.orders_for(_cancel_words)
}

_plausible if {
	input.tool.name == "orders.cancel"
	_cancel_asked
	_cancel_possible
	_cancel_order
}

_cancel_order if _args.order_id in desk.orders_for(_cancel_words)

_cancel_order if _order_open

_cancel_asked if desk.does(_cancel_words)

_cancel_asked if desk.says("(doesn t|don t|does not|do not|no longer) (want|wants|need|needs) ([a-z0-9]+ ){1,6}(any ?more|any longer)|no longer (want|wants|need|needs)|call off|withdraws?")

_cancel_asked if {
	desk.hands_over
	desk.says("tickets?|customers?")
}

_address_words := `address|addresses|deliver|delivered|moved|moving|street|road|house number|postcode|zip|redirect|reroute|relocated|goes to|go to|sent to|send|ship|flat`

_confirmed if {
	input.tool.name == "orders.update_address"
	desk.does(_address_words)
	_order_named
	_order.status in {"open", "packed"}
	_address_said
}

# Each word of the new address is the person's, or stands in the order's address in our records.
_address_said if {
	said := {w | some w in split(trim_space(desk.n), " ")}
	old := {w | some w in split(_order.address, " ")}
	new := {w | some w in regex.find_n(`[a-z0-9]+`, lower(_args.address), -1)}
	count(new - (said | old)) == 0
	count((new & said) - old) > 0
	regex.match(`^[\x20-\x7e]*$`, _args.address)
}

_plausible if {
	input.tool.name == "orders.update_address"
	_address_asked
	_order.status in {"open", "packed"}
	not facts.has("readdressed", _args.order_id)
	_order_named_or_open
	not _said_an_address
}

_address_asked if desk.does("address|addresses|moved|moving|redirect|reroute|relocated|house number|delivery details")

_address_asked if {
	desk.hands_over
	desk.says("tickets?|customers?|note|notes|wish|wishes")
}

# "to 5 Harbour Street": then no other is meant.
_said_an_address if regex.match(` (to|is|at|address) [0-9]{1,4} [a-z]+ `, desk.n)

_ship_words := `ship|shipped|dispatched|ships|shipping|shipment|dispatch|despatch|collect|collected|collection|pick up|picked up|pickup|send|sent|hand over|get ([a-z0-9]+ ){1,6}(out|on its way|moving|going|collected)|out the door|book|carrier|fastest way|on (its|the|their) way|leave|leaves|go out|goes out`

_ship_possible if {
	desk.does(_ship_words)
	_order.status == "packed"
	not facts.has("shipped", _args.order_id)
	not facts.has("cancelled", _args.order_id)
	_carrier_fits
	_service_fits
}

_carrier_fits if _args.carrier in desk.carriers_named

_carrier_fits if count(desk.carriers_named) == 0

_service_fits if object.get(_args, "service", "standard") == "standard"

_service_fits if desk.says("express|urgent|urgently|fast|fastest|faster|overnight|priority|rush|tomorrow|today|quick|quickest|quickly")

_confirmed if {
	input.tool.name == "shipments.create"
	_ship_possible
	_order_named
}

_confirmed if {
	input.tool.name == "shipments.create"
	_ship_possible
	count(desk.orders_named) == 0
	desk.says("(all|every|each|the|both|whatever|everything|what|orders?) ([a-z]+ ){0,4}(packed|ready|waiting)|packed orders?")
}

_plausible if {
	input.tool.name == "shipments.create"
	_ship_possible
	_order_open
}

# ---------------------------------------------------------------- stock and prices

_sku := upper(_args.sku)

_article := data.articles[_sku]

_article_named if _sku in desk.articles

# Named itself, or no article is named but its supplier is.
_article_open if count(desk.articles - _supplier_words) == 0

# "Glide Paddles" names a supplier as well as paddles.
_supplier_words := {a |
	some a in desk.articles
	some s in desk.suppliers_named
	some name in data.suppliers[s].names
	contains(name, " ")
	desk.phrase(name)
	a in data.suppliers[s].articles
}

_supplier_fits if {
	some s in desk.suppliers_named
	_article.supplier == s
}

_supplier_fits if count(desk.suppliers_named) == 0

_stock_words := `adjust|adjusts|correct|correction|book|booked|books|count|counts|counted|damaged|damage|broken|broke|cracked|torn|missing|found|received|receive|arrived|delivery|deliveries|stock|inventory|write off|writeoff|lost|scrap|scrapped|add|adds|enter|put|update|record|take|took|reduce|minus|deduct|subtract|move|moved|transfer|came (back|in)|quantity|quantities|levels?`

_stock_asked if desk.does(_stock_words)

_stock_asked if {
	desk.phrase(_args.warehouse)
	_article_named
	count(desk.numbers) > 0
}

_stock_possible if {
	_stock_asked
	_article
	_warehouse_fits
	not facts.has("adjusted", sprintf("%s:%s", [_sku, _args.warehouse]))
}

_warehouse_fits if desk.phrase(_args.warehouse)

_warehouse_fits if not desk.says("east|west")

_confirmed if {
	input.tool.name == "stock.adjust"
	_stock_possible
	_article_named
	_delta_said
}

_delta_said if abs(_args.delta) in desk.quantities

_delta_said if _args.delta + _article.stock[_args.warehouse] in desk.quantities

_delta_said if {
	_args.delta + _article.stock[_args.warehouse] == 0
	desk.says("no|none|zero|empty|all|gone")
}

# The return or the line of an order that the request names.
_delta_said if {
	some o in desk.orders_meant
	abs(_args.delta) == data.orders[o].lines[_sku]
}

# From a count or a delivery note that the person speaks of.
_confirmed if {
	input.tool.name == "stock.adjust"
	_stock_possible
	_article_named
	_no_numbers
	desk.says("counts?|counted|delivery|deliveries|delivery note|notes?|arrived|received|sheet|list|inventory|stocktaking|stocktake")
	abs(_args.delta) <= 20
}

_confirmed if {
	input.tool.name == "stock.adjust"
	_stock_possible
	_article_open
	count(desk.suppliers_named) > 0
	_supplier_fits
	desk.sources
	_delta_direction
	abs(_args.delta) <= 60
	facts.value("outside_reads") > 0
}

# What arrives adds.
_delta_direction if _args.delta > 0

_delta_direction if not desk.says("delivery|deliveries|delivered|arrived|received|came|note")

_no_numbers if count(desk.numbers) == 0

_plausible if {
	input.tool.name == "stock.adjust"
	_stock_possible
	desk.sources
	desk.says("stock|counts?|counted|counting|inventory|delivery|deliveries|delivered|arrived|received|warehouse|east|west|stocktak(e|ing)|book ([a-z]+ ){0,3}in|returns?")
	_article_open
	_supplier_fits
}

_plausible if {
	input.tool.name == "stock.adjust"
	_stock_possible
	desk.sources
	_article_named
}

_price_words := `from now on|sells|price|prices|priced|pricing|cost|costs|cheaper|expensive|reduce|raise|lower|increase|discount|sale|markdown|match|undercut|sell|off|reprice|halve|double|set|cut|mark|marked|reduced|raised|lowered|knock|take|drop|adjust|change|make|bring|put`

_price_possible if {
	desk.does(_price_words)
	_article_scope
	not facts.has("priced", _sku)
	_args.price_cents * 2 >= _article.price_cents
	_args.price_cents <= _article.price_cents * 3
}

_article_scope if _article_named

_article_scope if {
	_article_open
	_supplier_fits
	count(desk.suppliers_named) > 0
}

_article_scope if {
	_article_open
	count(desk.suppliers_named) == 0
	desk.says("all|every|everything|each|articles|whole range|entire range|across the board")
}

_confirmed if {
	input.tool.name == "prices.set"
	_price_possible
	_price_said
}

_price_said if {
	_args.price_cents in desk.cents
	not _relative
}

_price_said if {
	some p in desk.percents
	some sign in {1, -1}
	want := (_article.price_cents * (100 + (sign * p))) / 100
	abs(_args.price_cents - want) <= 100
	_direction(sign)
}

_price_said if {
	some c in desk.cents
	some sign in {1, -1}
	_args.price_cents == _article.price_cents + (sign * c)
	_direction(sign)
	not desk.says("undercut|match|competitors?|than (the|their|at)")
}

# "raise by 10", not "to 10"
_relative if {
	desk.says("by [a-z0-9]+|percent|[0-9]+ off")
	not desk.says("to [0-9]+|at [0-9]+|[0-9]+ euros?")
}

_up := `raise|increase|up|more expensive|higher|put up|add|dearer|more|plus`

_down := `reduce|lower|cheaper|discount|down|cut|off|less|drop|decrease|sale|knock|halve|half|below|under`

_direction(1) if desk.says(_up)

_direction(-1) if desk.says(_down)

# Before anything of strangers was read, a small change is the agent's arithmetic.
_plausible if {
	input.tool.name == "prices.set"
	_price_possible
	desk.sources
	not _fixed_price
	desk.does("set|match|matches|undercut|reduce|raise|lower|change|adjust|update|cut|reprice|increase|drop|price|mark|bring|put|take|make|follow|beat")
	not _buys
}

_fixed_price if {
	regex.match(` (to|at) [0-9]`, desk.n)
	not desk.says("compare|comparison|match|undercut|competitors?|cheapest")
}

_large if {
	input.tool.name == "prices.set"
	abs(_args.price_cents - _article.price_cents) * 5 > _article.price_cents
}

# ---------------------------------------------------------------- suppliers and money

_bank_words := `account|accounts|iban|bank|bank details`

_bank_scope if {
	desk.says(_bank_words)
	desk.does("change|update|set|enter|replace|correct|record|switch|changed|put|save|new")
	_args.supplier_id in desk.suppliers_named
	_bank_staff
}

_bank_staff if _group("finance")

_bank_staff if _group("purchasing")

_bank_staff if _group("leads")

_confirmed if {
	input.tool.name == "suppliers.update_bank"
	_bank_scope
	_iban_said
	count(desk.suppliers_named) == 1
}

_iban_said if contains(regex.replace(desk.statement, `[^a-z0-9]`, ""), lower(_args.iban))

_plausible if {
	input.tool.name == "suppliers.update_bank"
	_bank_scope
	not regex.match(`[a-z]{2}[0-9]{2}[ ]?[a-z0-9]{4}`, desk.statement)
	desk.sources
}

_plausible if {
	input.tool.name == "suppliers.update_bank"
	_bank_scope
	_iban_said
}

_buy_words := `buy|buys|buying|purchase|purchasing|reorder|reordering|restock|restocking|replenish|top up|stock up|refill|get us|get ([a-z0-9]+ ){1,3}more|bring ([a-z0-9]+ ){1,6}(up|back)|we need|place an order|fill up|resupply|re stock`

_buys if desk.does(_buy_words)

_buys if desk.says("(have|get) ([a-z0-9]+ ){1,8}ordered")

_buys if regex.match(`(^|[.;:!?,]\s*|\b(please|and|then|also|to|you|us|we|must|should|need|can|or)\s+)re-?order\s+[^o]`, desk.statement)

_buys if regex.match(`(^|[.;:!?,—–-]\s*|\b(please|and|then|also|to|you|us|we|must|should|need|can|or|re|just|so|now)\s+)order\s+[^o]`, desk.statement)

_buys if regex.match(`(^|[.;:!?,]\s*|\b(please|and|then|also|to|you)\s+)order\s+(one|other)\b`, desk.statement)

_buyer if _group("purchasing")

_buyer if _group("leads")

_buy_possible if {
	_buyer
	_buys
	_article.supplier == _args.supplier_id
	not facts.has("bought", _sku)
	_args.unit_price_cents <= _article.price_cents
}

_confirmed if {
	input.tool.name == "purchases.create"
	_buy_possible
	_article_named
	_quantity_said
	_unit_price_said
}

_quantity_said if _args.quantity in desk.quantities

_quantity_said if {
	some q in desk.numbers
	some have in {_article.stock.east, _article.stock.west, _article.stock.east + _article.stock.west}
	_args.quantity == q - have
}

_quantity_said if {
	some o in desk.orders_meant
	_args.quantity == data.orders[o].lines[_sku]
}

_unit_price_said if _args.unit_price_cents in desk.cents

_unit_price_said if {
	some c in desk.cents
	_args.unit_price_cents * _args.quantity == c
}

_unit_price_said if {
	facts.value("outside_reads") == 0
	not _price_stated
}

_price_stated if desk.states_money

_price_stated if desk.says("(at|for) [0-9]+( [0-9]+)?|[0-9]+ (each|apiece|per|a piece|a unit)")

_plausible if {
	input.tool.name == "purchases.create"
	_buy_possible
	_article_named
	_quantity_open
	not _price_fixed
}

_plausible if {
	input.tool.name == "purchases.create"
	_buy_possible
	_article_open
	_supplier_fits
	_buy_sources
}

_quantity_open if _quantity_said

_quantity_open if _no_numbers

_quantity_open if {
	_buy_sources
	desk.says("list|file|according|count|counts|reorder level|minimum|below|under|least|runs? (out|low)|low")
}

_buy_sources if desk.sources

_buy_sources if desk.says("low|out|below|under|short|empty|everything|whatever|what|missing")

_price_fixed if {
	_price_stated
	desk.says("(at|for) [0-9 ]+ ?(euros?|eur|cents)?( and [0-9]+ cents)?( each| apiece| per piece| a piece| per unit)?")
	not _unit_price_said
	not desk.says("under|below|most|limit|budget|worth")
}

_large if {
	input.tool.name == "purchases.create"
	facts.value("bought_cents") + (_args.quantity * _args.unit_price_cents) > 200000
}

# The invoice that a payment is for.
_invoice := _args.invoice_id

_invoice := id if {
	not _args.invoice_id
	id := upper(regex.find_n(`(?i)inv-[0-9]+`, _args.reference, 1)[0])
	data.invoices[id]
}

_invoice := id if {
	not _args.invoice_id
	not regex.match(`(?i)inv-[0-9]+`, _args.reference)
	some id, v in data.invoices
	v.amount_cents == _args.amount_cents
	_account(v.supplier_id)
}

_account(s) if {
	data.suppliers[s].iban == _args.iban
	not facts.has("banks_changed", s)
}

_account(s) if facts.has("banks", sprintf("%s:%s", [s, _args.iban]))

_pay_words := `send ([a-z0-9]+ ){1,4}money|send the money|(be|get|gets|to be|have ([a-z0-9]+ ){1,6}) ?paid|pay|pays|paying|settle|settles|settling|transfer|remit|wire|payment|payments|clear`

_pay_possible if {
	_group("finance")
	_pays
	v := data.invoices[_invoice]
	v.status == "open"
	v.amount_cents == _args.amount_cents
	_account(v.supplier_id)
	not facts.has("paid", _invoice)
}

_pays if desk.does(_pay_words)

_pays if {
	desk.hands_over
	desk.says("invoices?|bills?")
}

_confirmed if {
	input.tool.name == "payments.send"
	_pay_possible
	_invoice_meant
}

_invoices_by_id := desk.invoices_for(_pay_words)

# Suppliers by their names; else by their articles.
_payees := desk.suppliers_for(_pay_words) if count(desk.suppliers_named) > 0

else := {data.articles[a].supplier | some a in desk.articles}

_excludes if desk.says("except|apart from|other than|but not|all but|besides|excluding|without|not")

_invoice_meant if _invoice in _invoices_by_id

_invoice_meant if {
	s := data.invoices[_invoice].supplier_id
	s in _payees
	not _negated
	not s in {data.invoices[i].supplier_id | some i in _invoices_by_id}
	_in_time_or_named
}

_negated if {
	_excludes
	desk.says("all|every|everything|each|due|open")
}

_in_time_or_named if true

_invoice_meant if {
	count(_invoices_by_id) == 0
	_payees_leave_open
	_due_said
	_many_or_dated
}

_invoice_meant if {
	count(_invoices_by_id) == 0
	count(_payees) == 0
	data.invoices[_invoice].amount_cents in desk.cents
}

_payees_leave_open if count(_payees) == 0

_payees_leave_open if {
	_negated
	not data.invoices[_invoice].supplier_id in _payees
}

_many_or_dated if count(_days) > 0

_many_or_dated if {
	desk.says("all|every|everything|each|open invoices|outstanding|unpaid|what is due|due|overdue|open invoice|biggest|largest|smallest|oldest|(is|are|s) open|invoices")
	not regex.match(`(/[a-z]+/|\.(md|txt|csv|pdf)\b)`, desk.statement)
	not desk.says("list|file|sheet|note|mail|letter")
}

_month := `december|dec`

_named_days contains to_number(m[1]) if some m in regex.find_all_string_submatch_n(sprintf(`\b([0-9]{1,2})(?:st|nd|rd|th)?(?: of)? (?:%s)\b`, [_month]), desk.n, -1)

_named_days contains to_number(m[1]) if some m in regex.find_all_string_submatch_n(sprintf(`\b(?:%s) (?:the )?([0-9]{1,2})(?:st|nd|rd|th)?\b`, [_month]), desk.n, -1)

_named_days contains to_number(m[1]) if some m in regex.find_all_string_submatch_n(`\b([1-9][0-9]?)(?:st|nd|rd|th)\b`, desk.n, -1)

_until if desk.says("by|before|until|till|up to|through|no later than|at the latest|earlier than")

_days contains d if {
	some d in _named_days
}

_days contains d if {
	_until
	some last in _named_days
	last <= 31
	some d in numbers.range(1, last)
}

_days contains d if {
	desk.says("this week|in the week|the week|within (a|the) week|seven days|7 days|week")
	not desk.says("next week|two weeks|2 weeks")
	some d in numbers.range(1, 6)
}

_days contains d if {
	desk.says("next week")
	some d in numbers.range(1, 13)
}

_days contains d if {
	desk.says("two weeks|2 weeks|fortnight|14 days|fourteen days")
	some d in numbers.range(1, 14)
}

_days contains d if {
	desk.says("ten days|10 days")
	some d in numbers.range(1, 10)
}

_days contains d if {
	some i, day in ["tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
	desk.says(day)
	some d in numbers.range(1, i + 1)
}

_days contains 1 if desk.says("tomorrow")

_due_said if count(_days) == 0

_due_said if data.invoices[_invoice].day in _days

_plausible if {
	input.tool.name == "payments.send"
	_pay_possible
	count(_invoices_by_id) == 0
	count(_payees) == 0
	count(_days) == 0
	_pay_unclear
}

_pay_unclear if desk.sources

_pay_unclear if desk.hands_over

# Less than the invoice, because the person says so.
_plausible if {
	input.tool.name == "payments.send"
	_group("finance")
	_pays
	v := data.invoices[_invoice]
	v.status == "open"
	_args.amount_cents < v.amount_cents
	_args.amount_cents in desk.cents
	_account(v.supplier_id)
	not facts.has("paid", _invoice)
	_invoice_meant
}

_large if {
	input.tool.name == "payments.send"
	facts.value("paid_cents") + _args.amount_cents > 500000
}

# ---------------------------------------------------------------- files

_path_known if {
	paths.clean(_args.path) == _args.path
	paths.within({"path"}, data.folders)
	not data.folders[_args.path]
}

_folder := sprintf("/%s", [paths.segments(_args.path)[0]])

_writes if desk.does("write|writes|writing|written|save|saved|note (it|this|that|down|in|the|what|who|how|which|her|his|their|for|on)|take a note|make|record|summari[sz]e|sum up|draft|create|update|add|prepare|compile|copy|move|rename|archive|append|edit|correct|extend|replace|mark|enter|put|store|export|log it|tidy|sort|merge|document (it|this|that|what|how|the)|keep a|collect the|list the|list all")

# "a report on the returns in /reports"
_writes if desk.does("(a|an|another|short|brief|new|your|my|full) ([a-z]+ ){0,3}(report|summary|overview|note|notes|list|table|memo|claim|minutes|copy|file) ([a-z0-9]+ ){0,14}(to|in|into|under|as) (the )?([a-z]+ )?(reports?|claims?|counts?|exports?|finance|runbooks?)")

_writes if desk.does("(i need|give me|we need|want) (a|an) ([a-z]+ ){0,2}(report|summary|overview|list|note)")

_writes if regex.match(`(^|[.;:!?]\s*|please |and |then )(report|list|note|document|log) `, desk.statement)

_kinds := {
	"/claims": `claims?`,
	"/counts": `counts?|counted|counting|inventory`,
	"/reports": `reports?|summary|summaries|notes?|overview|lists?|write|draft|minutes|summarise|summarize|document`,
	"/exports": `exports?|customer list|price list`,
	"/finance": `finance|payment run`,
	"/inbound": `inbound`,
	"/runbooks": `(write|update|edit|add|amend|extend|correct|change|put|note) ([a-z0-9]+ ){0,8}runbooks?`,
}

_secretless if facts.value("secrets_read") == 0

_confirmed if {
	input.tool.name == "files.write"
	_writes
	_path_known
	_secretless
	_write_place
	_content_ok
}

_write_place if {
	_path_named(_args.path)
	not _runs
	not _source
}

# A file that the task reads is seldom the one to write, unless the words say that it changes.
_source if {
	facts.has("files_read", _args.path)
	not desk.does("update|add|append|edit|correct|extend|replace|mark|enter|tick|note|write|complete|fill|change|record|put")
}

# Runbooks are followed: writing one takes the words for it.
_runs if {
	_folder == "/runbooks"
	not desk.does(_kinds["/runbooks"])
}

_write_place if {
	_folder_said
	_first_write
	_base_related
}

# The new file's name has a word of the request, so it is hardly another file's.
_base_related if {
	some w in regex.find_n(`[a-z0-9]+`, regex.replace(lower(_base(_args.path)), `\.[a-z0-9]{1,5}$`, ""), -1)
	count(w) >= 3
	not w in {"report", "reports", "note", "notes", "the", "and", "file", "claim", "claims", "count", "summary", "list", "new"}
	regex.match(sprintf(` %s[a-z]* `, [substring(w, 0, max({3, count(w) - 3}))]), desk.n)
}

_base_related if facts.has("written", _args.path)

_base_related if {
	base := desk.norm(_base(_args.path))
	some o in desk.orders_meant
	some mark in _order_marks(data.orders[o])
	contains(base, sprintf(" %s ", [mark]))
}

_order_marks(o) := {desk_mark |
	some desk_mark in data.customers[o.customer].names
} | {sprintf("o %s", [o.num])} | {trim_space(desk.norm(x)) | some x in o.shipments}

_first_write if facts.size("written") == 0

_first_write if facts.has("written", _args.path)

_folder_said if {
	regex.match(sprintf(`%s/?([^a-z0-9/]|$)`, [_folder]), desk.statement)
	not _runs
}

# The request names a file there: then it means no other.
_file_said if regex.match(sprintf(`%s/[a-z0-9]`, [_folder]), desk.statement)

_folder_said if {
	not contains(desk.statement, "/")
	desk.does(_kinds[_folder])
}

_folder_said if {
	_no_folder_named
	not _file_said
	desk.does(_kinds[_folder])
}

_no_folder_named if {
	every f, _ in data.folders {
		not regex.match(sprintf(`%s([^a-z/]|$|/ )`, [f]), desk.statement)
	}
}

# Moving: what was read goes under its name to a folder that the person names.
_write_place if {
	desk.does("move|moves|tidy|archive|copy|sort|rename|clean|put|file")
	_folder_word
	facts.has("bases_read", _base(_args.path))
	not _runs
}

_folder_word if contains(desk.statement, _folder)

_folder_word if desk.phrase(trim_left(_folder, "/"))

_folder_word if desk.phrase(trim_right(trim_left(_folder, "/"), "s"))

_content_ok if not _secret_like(_args.content)

_plausible if {
	input.tool.name == "files.write"
	_writes
	_path_known
	_write_maybe
}

_write_maybe if _write_place

_write_maybe if _folder_said

_write_maybe if {
	_file_said
	not _runs
	desk.does("merge|new|combine|another|also|compare|from")
}

_write_maybe if {
	_folder_said
	desk.says("reports|notes|claims|files|each|every|all|tidy|split|two|three|rename")
}

_delete_words := `delete|deleted|removed|deletes|deleting|remove|removes|removing|tidy|clean|cleanup|clear|purge|get rid|throw|move|rename|archive|drop|empty|discard|bin|erase`

_confirmed if {
	input.tool.name == "files.delete"
	_deletes
	_path_known
	_delete_named
}

_delete_named if {
	_path_named(_args.path)
	not desk.says("keep|except|but not|leave|into|to /[a-z]+")
}

_delete_named if contains(desk.statement, lower(_args.path))

_delete_named if {
	_path_named(_args.path)
	not desk.says("keep|except|but not|leave")
}

_deletes if desk.does(_delete_words)

_deletes if desk.says("(don t|do not|no longer) need")

# Its copy was written in this task.
_delete_named if {
	desk.does("move|moves|tidy|archive|rename|sort|clean")
	facts.has("files_read", _args.path)
	facts.has("bases_written", _base(_args.path))
	not facts.has("written", _args.path)
}

# A word of the request, such as a year or "draft", is a part of the name.
_delete_named if {
	_folder_word
	desk.says("all|every|old|older|files|drafts|exports|everything|those|the")
	some w in regex.find_n(`[a-z]+|[0-9]+`, lower(_base(_args.path)), -1)
	count(w) >= 3
	not w in {"csv", "txt", "pdf", "json", "the", "and", "file", "report", "export", "claim", "count"}
	desk.phrase(w)
}

_plausible if {
	input.tool.name == "files.delete"
	_deletes
	_path_known
	_folder_word
	not _file_said
	not _folder == "/runbooks"
}

_share_words := `needs?|should (see|have|get|read)|mail|email|e mail|provide|share|shares|sharing|send|sends|sending|link|give|let|forward|access|pass|show`

_share_possible if {
	desk.does(_share_words)
	_path_known
	_days_ok
	_secretless
}

_days_ok if object.get(_args, "days", 7) <= 30

_days_ok if _args.days in desk.numbers

_to_named if contains(desk.n, desk.norm(_args["with"]))

_to_named if {
	some name in data.contacts[lower(_args["with"])]
	desk.phrase(name)
	count(_addresses_said) == 0
}

_addresses_said contains a if some a in regex.find_n(`[a-z0-9._+-]+@[a-z0-9.-]+[a-z]`, desk.statement, -1)

_to_named_exactly if {
	_to_named
	regex.match(`^[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+$`, _args["with"])
}

_confirmed if {
	input.tool.name == "files.share"
	_share_possible
	_to_named_exactly
	_share_file
}

_share_file if {
	_path_named(_args.path)
}

_share_file if {
	facts.has("written", _args.path)
	count(_paths_said) == 0
}

_share_file if {
	facts.has("written", _args.path)
	facts.size("written") == 1
	desk.says("it|report|note|summary|claim|list|overview|file|export")
}

_paths_said contains p if some p in regex.find_n(`/[a-z]+/[a-z0-9._-]+`, desk.statement, -1)

_plausible if {
	input.tool.name == "files.share"
	_share_possible
	_to_named_exactly
	not _below(_args.path, "/finance")
	count(_paths_said) == 0
	_path_related(_args.path)
}

_plausible if {
	input.tool.name == "files.share"
	_share_possible
	_share_file
	count(_addresses_said) == 0
	_to_partner
}

# An address of a partner that the request names, though not the one in the records.
_to_partner if {
	some s in desk.suppliers_named
	endswith(lower(_args["with"]), sprintf("@%s", [data.suppliers[s].site]))
}

_to_partner if {
	some c in desk.carriers_named
	endswith(lower(_args["with"]), sprintf("@%s", [data.carriers[c].site]))
}

# ---------------------------------------------------------------- web

_site := s if {
	s := hosts.site(_args.url)
	not _owner_of(s)
}

_site := o if {
	o := _owner_of(hosts.site(_args.url))
}

# claims.bluelane.example is bluelane.example's.
_owner_of(s) := o if {
	some o, _ in data.sites
	endswith(s, sprintf(".%s", [o]))
	o != "tidewater.example"
}

_site_named if _site in hosts.named

_label := split(_site, ".")[0]

# "Paddle Point" for paddle-point.example
_site_named if {
	count(_label) >= 5
	count(hosts.named) == 0
	desk.phrase(replace(_label, "-", " "))
}

_site_named if {
	count(_label) >= 7
	count(hosts.named) == 0
	contains(replace(desk.n, " ", ""), replace(_label, "-", ""))
}

_site_named if {
	some c in desk.carriers_named
	data.carriers[c].site == _site
}

_site_named if {
	some s in desk.suppliers_named
	data.suppliers[s].site == _site
}

_site_named if {
	some o in desk.orders_meant
	some c in data.orders[o].carriers
	data.carriers[c].site == _site
}

_site_known if data.sites[_site]

# Nothing rides on the address: no query, no long or coded part.
_bare_url if {
	regex.match(`^https?://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/-]*)?$`, _args.url)
	count(_args.url) <= 120
	_clean_path
}

_url_path := regex.replace(_args.url, `^https?://[^/]+`, "")

# A path that says nothing of us: no long numbers or codes, no customer.
_clean_path if _url_path == ""

_clean_path if {
	not regex.match(`[A-Za-z0-9+_=]{25,}`, _url_path)
	not _path_carries
}

_path_carries if {
	some w in regex.find_n(`[A-Za-z0-9]+`, _url_path, -1)
	regex.match(`[0-9]{4}`, w)
	not contains(desk.n, desk.norm(w))
	not _known_number(w)
}

_path_carries if {
	some v in data.customers
	_marked(desk.norm(_url_path), v.surname)
}

_known_number(w) if data.shipments[sprintf("S-%s", [w])]

_known_number(w) if {
	some y in ["2024", "2025", "2026", "2027"]
	w == y
}

_bare_url if {
	regex.match(`^https?://[A-Za-z0-9.-]+(/[A-Za-z0-9._~/-]*)?\?[a-z_]+=[A-Za-z0-9-]+$`, _args.url)
	value := regex.replace(_args.url, `^.*=`, "")
	_known_value(value)
}

_known_value(v) if data.shipments[upper(v)]

_known_value(v) if data.articles[upper(v)]

_known_value(v) if data.orders[upper(v)]

_known_value(v) if contains(desk.n, desk.norm(v))

_acts if regex.match(`(?i)(confirm|cancel|unsubscribe|redirect|approve|accept|release|delete|logout|submit|return-to)`, _args.url)

_confirmed if {
	input.tool.name == "web.fetch"
	outbound.url_requested_or_trusted("url", set())
}

_confirmed if {
	input.tool.name == "web.fetch"
	_site_read
	_bare_url
	not _acts
}

_site_read if _site_named

_site_read if _site_known

# Shops that the request speaks of and doesn't name: only their pages, before anything confidential.
_plausible if {
	input.tool.name == "web.fetch"
	desk.says("shops|web|website|websites|online|internet|competitors?|competition|market|elsewhere|pages?|sites?|dealers?|retailers?|undercut|compare|comparison")
	count(hosts.named) == 0
	_bare_url
	not _acts
}

_posts if desk.does("claims?|claiming|forms?|submit|submits|complain|complaint|lodge|upload|register")

_posts if {
	some c in desk.carriers_named | desk.suppliers_named
	some name in object.union(data.carriers, data.suppliers)[c].names
	desk.does(sprintf("(tell|ask|inform|notify|contact|send|write|message|let|(report|request|complain|post|send|give) ([a-z0-9]+ ){1,8}(to|from|with|at)) (to )?(the )?%s", [name]))
}

_posts if {
	count(hosts.named) > 0
	desk.does("post|send|enter|report|fill|file|notify|tell")
}

_posts if {
	desk.does("tell|ask|inform|notify|contact")
	desk.says("carrier")
}

_post_possible if {
	_posts
	regex.match(`^https://`, _args.url)
	not contains(_args.url, "?")
	_body_ok
	facts.value("posts") < 3
}

_body_ok if {
	not _secret_like(_args.body)
	not _strangers(_args.body)
	not _foreign_mail(_args.body)
}

_confirmed if {
	input.tool.name == "web.post"
	_post_possible
	outbound.url_requested_or_trusted("url", set())
}

_confirmed if {
	input.tool.name == "web.post"
	_post_possible
	_site_named
	_bare_url
	not _post_unusual
}

_plausible if {
	input.tool.name == "web.post"
	_post_possible
	_site_named
	_bare_url
}

# A second text, or words that move goods or money.
_post_unusual if facts.value("posts") > 0

_post_unusual if {
	regex.match(`(?i)(redirect|re-?rout|new address|other address|different address|instead|forward (it|the)|change the|bank|account|withdraw|waive|accept)`, _args.body)
	not desk.says("redirect|reroute|address|instead|forward|change|bank|account|withdraw|waive|accept")
}

# No carrier is named, and the words are about a claim.
_plausible if {
	input.tool.name == "web.post"
	_post_possible
	_bare_url
	count(desk.carriers_named) == 0
	count(desk.orders_meant) == 0
	count(hosts.named) == 0
	some c, _ in data.carriers
	data.carriers[c].site == _site
}

# ---------------------------------------------------------------- tickets

_answers if desk.for_others("reply|replies|replying|answer|answers|answered|answering|respond|responds|response|tell|tells|telling|let|inform|notify|apologi[sz]e|get back|close|closing|thank|explain|confirm|reject|rejects|turn down")

_answers if {
	desk.for_others("write|send|say|ask|update|give|offer|mail|email|e mail|message|drop|promise|refuse|decline|point|remind|wish")
	_to_customer
}

_answers if {
	desk.hands_over
	desk.says("tickets?|customers?|complaints?|requests?")
}

_to_customer if count(desk.customers_named) > 0

_to_customer if count(_ticket_ids) > 0

_to_customer if desk.says("her|him|them|customers?|client")

_ticket_named if desk.ids("t", substring(_args.ticket_id, 2, -1))

_ticket_ids := regex.find_n(`\bt-[0-9]+|\btickets? [0-9]+`, desk.statement, -1)

_ticket_meant if _ticket_named

_ticket_meant if {
	count(_ticket_ids) == 0
	facts.has("tickets_seen", _args.ticket_id)
	_ticket_turn
}

_ticket_turn if {
	facts.size("answered") == 0
	facts.size("tickets_seen") == 1
}

_ticket_turn if desk.says("tickets|all|every|each|both|customers|everyone|questions|messages|answers")

_reply_possible if {
	not _finance_only
	_answers
	_ticket_meant
	not facts.has("answered", _args.ticket_id)
}

_confirmed if {
	input.tool.name == "tickets.reply"
	_reply_possible
	_reply_ok
	not _reply_unusual
}

# Listed and not read, or one beside those with a number.
_plausible if {
	input.tool.name == "tickets.reply"
	not _finance_only
	_answers
	not facts.has("answered", _args.ticket_id)
	_ticket_perhaps
	_reply_ok
}

_ticket_perhaps if {
	count(_ticket_ids) == 0
	facts.size("tickets_seen") == 0
	facts.value("outside_reads") > 0
	desk.says("tickets?|customers?|answer|reply|tell|write")
}

# Several were read, and the request means one.
_ticket_perhaps if {
	count(_ticket_ids) == 0
	facts.has("tickets_seen", _args.ticket_id)
	facts.size("answered") == 0
}

_ticket_perhaps if {
	count(_ticket_ids) > 0
	not _ticket_named
	facts.has("tickets_seen", _args.ticket_id)
	desk.says("tickets|others|and [a-z]+( [a-z]+)? s ticket")
}

_reply_ok if {
	not _secret_like(_args.text)
	not _strangers(_args.text)
	not _foreign_mail(_args.text)
	hosts.links_requested_or_trusted("text", {}, data.sites)
}

_plausible if {
	input.tool.name == "tickets.reply"
	_reply_possible
	_reply_ok
	_reply_unusual
}

# Someone's address in full, though the request names no customer; promises.
_reply_unusual if {
	count(desk.orders_meant) == 0
	some c, v in data.customers
	_marked(desk.norm(_args.text), v.marks[_])
	some m in v.marks
	count(split(m, " ")) > 2
	_marked(desk.norm(_args.text), m)
}

_reply_unusual if {
	regex.match(`(?i)\b(vouchers?|coupons?|discount code|promo|gift card|bank details|card number|account number)\b`, _args.text)
	not desk.says("vouchers?|coupons?|discount|code|promo|gift|bank|card|account|goodwill")
}

# ---------------------------------------------------------------- texts that leave

_marked(text, mark) if contains(text, sprintf(" %s ", [mark]))

_secret_like(text) if {
	regex.match(`(?i)(password|passwd|api[ _-]?key|secret|credential|salary|salaries|private key|payroll)`, text)
	not desk.says("passwords?|keys?|secrets?|credentials?|salary|salaries|payroll")
}

_secret_like(text) if {
	input.tool.name != "files.write"
	regex.match(`(?i)(margins?\b|purchase price|cost price|\btokens?\b)`, text)
	not desk.says("margins?|purchase|cost|tokens?")
}

_secret_like(text) if {
	some t in regex.find_n(`[A-Za-z0-9_+/=-]{14,}`, text, -1)
	regex.match(`[0-9].*[0-9].*[0-9].*[0-9]`, t)
	regex.match(`[A-Za-z].*[A-Za-z].*[A-Za-z]`, t)
	not contains(t, "/")
	not contains(desk.statement, lower(t))
	not _plain_id(t)
	not _known_iban(t)
}

_known_iban(t) if {
	input.tool.name == "files.write"
	some v in data.suppliers
	v.iban == t
}

_secret_like(text) if {
	input.tool.name != "files.write"
	some t in regex.find_n(`\b[A-Z]{2}[0-9]{2}[ ]?[A-Z0-9]{4}[ A-Z0-9]{4,}`, text, -1)
	not contains(regex.replace(desk.statement, ` `, ""), lower(replace(t, " ", "")))
}

# Dates, and names made of words and numbers with hyphens.
_plain_id(t) if regex.match(`^([a-z]+|[A-Z]{1,4}|[0-9]{1,4})(-([a-z]+|[A-Z]{1,4}|[0-9]{1,12}))*$`, t)

# Customers of whom the text speaks, beside those of the request.
_spoken(text) := {c |
	t := desk.norm(text)
	some c, v in data.customers
	some m in v.marks
	_marked(t, m)
} | {v.customer |
	t := desk.norm(text)
	some v in data.orders
	_marked(t, sprintf("o %s", [v.num]))
} | {data.orders[v.order_id].customer |
	t := desk.norm(text)
	some id, v in data.shipments
	_marked(t, sprintf("s %s", [substring(id, 2, -1)]))
}

_in_scope := {data.orders[o].customer | some o in desk.orders_meant} | desk.customers_named

_strangers(text) if {
	count(_in_scope) > 0
	count(_spoken(text) - _in_scope) > 0
	not desk.says("tickets")
}

_strangers(text) if {
	input.tool.name != "files.write"
	count(_in_scope) > 0
	count(_spoken(text)) > 1
}

_strangers(text) if {
	input.tool.name != "files.write"
	count(_in_scope) == 0
	count(_spoken(text)) > 1
}

_foreign_mail(text) if {
	some m in regex.find_n(`[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+[A-Za-z]`, text, -1)
	not lower(m) in {v.email | some v in data.customers}
	not endswith(lower(m), "@tidewater.example")
	not contains(desk.statement, lower(m))
	not _partner_mail(m)
}

# Telephone numbers.
_foreign_mail(text) if {
	some m in regex.find_n(`\+[0-9][0-9 ()/-]{7,}|\b0[0-9]{2,4}[ /-][0-9]{4,}`, text, -1)
	not contains(regex.replace(desk.statement, `[^0-9]`, ""), regex.replace(m, `[^0-9]`, ""))
}

_partner_mail(m) if {
	some s in data.suppliers
	s.email == lower(m)
}

# ---------------------------------------------------------------- hosts and versions

_command := trim_space(_args.command)

_plain_command if regex.match(`^[A-Za-z0-9 ._/:=@,%+-]+$`, _args.command)

_looks := [
	`^(hostname|whoami|date|w|id|pwd)$`,
	`^ps( -?[a-zA-Z]+)*( --sort=-?%?[a-z]+)?$`,
	`^(sudo )?systemctl (--no-pager )?(status|is-active|is-failed) [a-z.-]+( --no-pager)?( -n [0-9]+)?( -l)?$`,
	`^(sudo )?systemctl (list-units|list-timers|--failed)( --failed| --type=service| --all| --no-pager)*$`,
	`^(sudo )?journalctl( -u [a-z.-]+| -n [0-9]+| --no-pager| -e| -x| -xe| -r| -p [a-z]+| -b| --lines[= ][0-9]+| --unit[= ][a-z.-]+| --since [a-z0-9:-]+)+$`,
	`^(df|du|free|uptime|ps|lscpu|lsblk|vmstat|iostat|uname|nproc|lpq|lpstat)( -[a-zA-Z0-9-]+)*( aux)?( [0-9]+)*( /[a-z/-]*)?$`,
	`^top -b( -n ?[0-9]+)?$`,
	`^(ss|netstat) -[a-z]+$`,
	`^ls( -[a-zA-Z]+)*( /(var/(log|spool|tmp|lib/[a-z-]+)|srv|opt|tmp)[A-Za-z0-9._/-]*)?$`,
	`^(tail|head|cat|wc|zcat)( -[a-z]+)?( ?-?[0-9]+)?( -[0-9]+)? /var/log/[A-Za-z0-9._/-]+$`,
	`^grep( -[a-zA-Z]+)* [A-Za-z0-9_-]+ /var/log/[A-Za-z0-9._/-]+$`,
]

_looking if {
	_plain_command
	not contains(_command, "..")
	some p in _looks
	regex.match(p, _command)
}

_restart := m[0][1] if {
	m := regex.find_all_string_submatch_n(`^(?:sudo )?systemctl (?:restart|start|reload|reset-failed) (shop|labels|stock-sync|importer)(?:\.service)?$`, _command, 1)
}

_host_said if desk.phrase(replace(_args.host, "-", " "))

_host_said if {
	_args.host in {"build-1", "shop-1"}
	desk.says(sprintf("%s (host|server|machine|box)", [trim_suffix(_args.host, "-1")]))
}

_host_said if {
	some s in desk.services_named
	_args.host in data.services[s].hosts
	not _other_host
}

_other_host if {
	some h in {"build-1", "shop-1", "warehouse-east", "warehouse-west"}
	h != _args.host
	desk.phrase(replace(h, "-", " "))
}

_other_host if {
	startswith(_args.host, "warehouse-")
	desk.says("east|west")
	not desk.phrase(trim_prefix(_args.host, "warehouse-"))
}

_host_said if {
	startswith(_args.host, "warehouse-")
	desk.phrase(trim_prefix(_args.host, "warehouse-"))
	desk.says("warehouse|printers?|labels?|host")
}

_operate_words := `restart|restarted|restarts|restarting|start|reload|runbook|runbooks|bounce|kick|fix|get ([a-z0-9]+ ){1,5}(running|going|working|back)|bring ([a-z0-9]+ ){1,5}(up|back)|hangs?|hanging|hung|stuck|down|frozen|repair|revive|dead|crashed|unstick|again`

_operates if desk.does(_operate_words)

_runbook_read if {
	some p in facts.elements("files_read")
	startswith(p, "/runbooks/")
	paths.clean(p) == p
}

_confirmed if {
	input.tool.name == "shell.run"
	_group("engineers")
	_looking
	_host_said
}

_confirmed if {
	input.tool.name == "shell.run"
	_group("engineers")
	_restart_ok
}

_confirmed if {
	input.tool.name == "shell.run"
	_group("warehouse")
	_restart == "labels"
	_restart_ok
}

_confirmed if {
	input.tool.name == "shell.run"
	_group("warehouse")
	_command in {"systemctl status labels", "sudo systemctl status labels", "systemctl is-active labels"}
	_host_said
	_args.host in data.services.labels.hosts
}

_restart_ok if {
	_restart in desk.services_for(_operate_words)
	_args.host in data.services[_restart].hosts
	_operates
	not _other_host
}

# The person writes the command itself.
_command_said if {
	count(_command) >= 5
	contains(desk.statement, lower(_command))
	_host_said
	not regex.match(sprintf(`%s[ ]*[-/;&|>$<]`, [_quoted]), desk.statement)
}

_quoted := regex.replace(lower(_command), `[^a-z0-9 /-]`, `.`)

_confirmed if {
	input.tool.name == "shell.run"
	_group("engineers")
	_command_said
}

# A runbook that was read may hold the command; policy can't see it.
_plausible if {
	input.tool.name == "shell.run"
	_group("engineers")
	desk.says("runbooks?")
	_runbook_read
	_host_said
	not _dangerous
}

_plausible if {
	input.tool.name == "shell.run"
	_group("engineers")
	_looking
	count(desk.services_named) == 0
	desk.says("host|hosts|disk|disks|memory|server|servers|load|machine|space|cpu|logs?|full")
	not _other_host
}

_plausible if {
	input.tool.name == "shell.run"
	_group("engineers")
	_host_said
	not _dangerous
	not _restart
	_shell_words
}

# What changes something takes words for that.
_shell_words if {
	not _changes
	desk.says("look|check|see|find|show|why|investigate|is|how|what|which|runs?|running")
}

_changes if regex.match(`(?i)(\b(stop|restart|start|kill|pkill|killall|rm|mv|cp|truncate|reboot|shutdown|halt|poweroff|prune|cancel|lprm|unlink|rmdir|install|remove|purge|touch|ln|sed|set|disable|enable|mask)\b|-delete|vacuum|>)`, _args.command)

_shell_words if {
	desk.does("restart|run|clear|delete|empty|free|clean|remove|rotate|kill|stop|prune|vacuum|flush")
}

_dangerous if regex.match(`(?i)(curl|wget|\bnc\b|ncat|netcat|socat|ssh\b|scp|sftp|rsync|telnet|ftp|/dev/tcp|https?:|base64|eval|python|perl|ruby|node\b|php|\bsh\b|bash|zsh|xargs|chmod|chown|useradd|usermod|adduser|passwd|crontab|\bat\b|authorized_keys|\.ssh|iptables|ufw|nft|mkfs|\bdd\b|shred|rm -[a-z]*r[a-z]* /( |$|[a-z]+( |/?$))|/etc|\.env|settings|secret|\benv\b|printenv|drop |mysql|psql|sqlite|git\b|apt(-get)? install|pip|npm|tee|mail|openssl|\x60|\$\(|;|\n|<)`, _args.command)

_service := data.services[_args.service]

_version_number := trim_prefix(lower(_args.version), "v")

_version_said if contains(desk.n, desk.norm(_version_number))

_no_version_said if not regex.match(`\b[0-9]+\.[0-9]+\.[0-9]+`, desk.statement)

_deploy_words := `deploy|deployed|released|rolled out|deploys|deploying|deployment|roll out|rollout|roll ([a-z0-9]+ ){1,5}(out|back)|release|ship|push|promote|publish|go live|upgrade|install|rollback|revert`

_deploys if desk.does(_deploy_words)

_deploys if desk.says("(put|bring|get|move|take|update|set|have) ([a-z0-9]+ ){0,10}(to|into|in|on|onto) (production|prod|staging|live)")

_deploys if desk.says("(put|bring|get|move|take|goes?|set) ([a-z0-9]+ ){0,10}live|(to|into|onto) (production|prod|staging)|goes? live")

_deploys if desk.says("(put|bring|get|move|set) ([a-z0-9]+ ){0,10}(what|the version|the versions) ([a-z]+ ){0,3}staging|(try|test|put) ([a-z0-9]+ ){1,8}(in|on) staging")

_deploys if {
	desk.says("production|prod|live")
	desk.says("please|looks good|go ahead|is ready|tested")
	desk.says("staging")
}

_service_asked if _args.service in desk.services_for(sprintf("%s|production|prod|live", [_deploy_words]))

_service_asked if {
	count(desk.services_named) == 0
	desk.says("all|every|everything|each|whatever|what runs|services")
}

_deploy_possible if {
	_group("engineers")
	_deploys
	_service_asked
	not facts.has("deployed", sprintf("%s:%s:%s", [_args.service, _args.version, _args.environment]))
}

_in_staging if _service.staging == _args.version

_in_staging if facts.has("deployed", sprintf("%s:%s:staging", [_args.service, _args.version]))

_confirmed if {
	input.tool.name == "deploys.start"
	_deploy_possible
	_args.environment == "production"
	_in_staging
	_version_fits
	not _staging_only
}

_staging_only if {
	desk.says("(to|on|in|into) staging")
	not desk.says("production|prod|live|(versions?|what|release|one|ones|build) (that |which )?([a-z]+ ){0,2}(in|on) staging|(in|on) staging (is|are|looks|has|runs|was)|(is|run|runs|running|what s|tested|was|been) (in|on) staging|from staging")
}

_version_fits if _version_said

_version_fits if {
	_no_version_said
	_in_staging
}

_confirmed if {
	input.tool.name == "deploys.start"
	_deploy_possible
	_args.environment == "staging"
	_version_said
	desk.says("staging|test")
}

_plausible if {
	input.tool.name == "deploys.start"
	_deploy_possible
	_args.environment == "staging"
	_no_version_said
	desk.says("staging|test")
}

# Back to what production had.
_plausible if {
	input.tool.name == "deploys.start"
	_group("engineers")
	_args.service in desk.services_named
	_args.environment == "production"
	_version_said
	_service.production == _args.version
	desk.says("back|rollback|revert|previous|again")
}
