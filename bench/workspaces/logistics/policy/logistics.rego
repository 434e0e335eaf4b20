# METADATA
# title: The operations desk of Tidewater
# description: |
#   Reads by role. Every act is sure (the request and our records vouch for it), maybe (a person is asked) or never.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.tabard.lib.budgets
import data.tabard.lib.clauses
import data.tabard.lib.codes
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
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

_backend := "https://logistics.example"

_jwt := credentials.jwt(_backend, ["desk"], 60)

_once := credentials.once(_backend, ["desk"], 60)

_zone := "UTC"

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": [_backend],
	"scopes": ["desk"],
	"budgets": {"questions": 15},
	"ttl_seconds": 3600,
}} if intent.trusted

# ---------------------------------------------------------------- people

_group(name) if subject.has_claim("groups", name)

_in(names) if {
	some name in names
	_group(name)
}

_lead if _in({"leads", "operations"})

# ---------------------------------------------------------------- the request

_request := lower(exclusions.kept)

_words := wording.words

_says(asked) if {
	some word in asked
	_words[word]
}

# The request orders one of these acts, as an order, a need or a wish.
_acts(verbs) if count(clauses.ordered(verbs)) > 0

_acts(verbs) if count(wishes.may(verbs)) > 0

# "His bag never arrived, refund him": a state is negated, and an order follows. The library takes both for forbidden.
_raw := lower(input.task.statement) if intent.trusted

_after_state := {found[1] |
	some found in regex.find_all_string_submatch_n(`\b(?:never|not|isn't|wasn't|hasn't|haven't|doesn't|didn't|don't|weren't|aren't|can't|cannot|no longer) (?:yet |been |even |been )*(?:arrived?|came|come|sent|shipped|delivered|received?|fit|works?|working|turned|showed|got|gets?|wants?|wanted|like|needs?|print|printing|start|starting|respond|responding|sync|syncing|running|right|correct|reach|reached|happy|there|here|at|in|enough|paid|back|any|moving|moved|up|left)\b[^.;!?]*?[,;:]? ?(?:so |and |please |then |just |can you |could you )*(?:,|so|and|please|then) (?:so |and |please |then |just )*([a-z]+)\b`, _raw, -1)
}

_acts(verbs) if {
	some verb in _after_state
	verb in verbs
}

_all if regex.match(`\b(all|both|every|each|everything|whatever|any)\b`, _request)

# Amounts of money, also "29.90" without a currency.
_money contains cents if some cents in quantities.cents

_money contains cents if {
	some found in regex.find_all_string_submatch_n(`(?:^|[^0-9.,-])([0-9]{1,6})[.,]([0-9]{2})(?:$|[^0-9.,%-]|[.,](?:$|\s))`, quantities.digits, -1)
	cents := (to_number(found[1]) * 100) + (to_number(sprintf("1%s", [found[2]])) - 100)
}

# ---------------------------------------------------------------- tickets

_tickets_named contains sprintf("T-%s", [digits[1]]) if {
	some digits in regex.find_all_string_submatch_n(`\bt-?([0-9]+)\b`, _request, -1)
}

_tickets_named contains sprintf("T-%s", [number]) if {
	regex.match(`\btickets?\b`, _request)
	some number in regex.find_n(`\b[0-9]{3,4}\b`, _request, -1)
	not _id_of_other(number)
}

_id_of_other(number) if data.orders[sprintf("O-%s", [number])]

_id_of_other(number) if data.invoices[sprintf("INV-%s", [number])]

_id_of_other(number) if data.shipments[sprintf("S-%s", [number])]

# Orders of whom wrote the ticket, as the backend signed.
_owned(ticket) := {order |
	some pair in facts.elements("belongs")
	startswith(pair, sprintf("%s:", [ticket]))
	order := substring(pair, count(ticket) + 1, -1)
}

_orders_by_ticket contains order if {
	some ticket in _tickets_named
	some order in _owned(ticket)
}

# ---------------------------------------------------------------- orders

_kinds := {"order", "orders"}

_named_orders contains id if some id in entities.named(data.order_names, _kinds)

_named_orders contains data.shipments[id].order_id if some id in _named_shipments

_named_shipments := {id |
	some id in object.keys(data.shipments)
	regex.match(sprintf(`\b(%s|(shipment|parcel|delivery) (no\.? |number )?%s)\b`, [lower(id), substring(id, 2, -1)]), _request)
}

_oid := input.tool.arguments.order_id

# "named", "ticket", "unclear", "none", "other"
default _order_means := "other"

_order_means := "named" if _oid in _named_orders

_order_means := "ticket" if {
	not _oid in _named_orders
	_oid in _orders_by_ticket
	count(_named_orders) == 0
}

_order_means := "unclear" if {
	count(_named_orders) == 0
	not _oid in _orders_by_ticket
	intent.trusted
	entities.meaning(_oid, data.order_names, _kinds) == "other"
	contains(lower(input.task.statement), lower(data.orders[_oid].customer))
	not _excepted_customer
}

_excepted_customer if {
	some text in exclusions.excepted
	contains(lower(text), lower(split(data.orders[_oid].customer, " ")[0]))
	not regex.match(`\b(never|wasn|was not|hasn|isn)`, lower(input.task.statement))
}

_order_means := "unclear" if {
	not _oid in _named_orders
	not _oid in _orders_by_ticket
	entities.meaning(_oid, data.order_names, _kinds) == "unclear"
}

_order_means := "none" if {
	count(_named_orders) == 0
	count(_tickets_named) == 0
	entities.meaning(_oid, data.order_names, _kinds) == "none"
}

_order_ruled_out(verbs) if {
	_oid in entities.ruled_out(verbs, data.order_names, _kinds)
	not _state
}

_state if regex.match(`\b(?:never|not|isn't|wasn't|hasn't|haven't|doesn't|didn't|weren't|aren't|can't|cannot|no longer) (?:yet |been |even )*(?:arrived?|came|come|sent|shipped|delivered|received?|fit|works?|working|turned|showed|wants?|wanted|like|needs?|correct|reach|reached|happy|there|here|at|in|enough|refunded|paid)\b`, _raw)

# A clause that orders the act names this order, or the request names no other thing.
_order_ordered(verbs) if _oid in entities.ordered(verbs, data.order_names, _kinds)

_order_ordered(verbs) if _oid in entities.may(verbs, data.order_names, _kinds)

_order_ordered(verbs) if {
	_acts(verbs)
	_named_orders == {_oid}
}

# The ticket that the request names is of someone with only one order for which this is possible.
_order_ordered(verbs) if {
	_acts(verbs)
	_order_means == "ticket"
	count(_orders_by_ticket) == 1
}

# -- refunds

_refunds := {"refund", "reimburse", "repay", "return", "pay", "give", "credit", "compensate", "send", "transfer"}

_refund_left := data.orders[_oid].total_cents - data.orders[_oid].refunded_cents

_refund_amount := input.tool.arguments.amount_cents

_refund_words if regex.match(`\b(refund|refunds|reimburse|repay|money back|pay (her|him|them|it|\w+) back|pay back|compensate|money|credit)\b`, _request)

_refund_words if _says({"refund", "refunds", "refunding", "refunded", "reimburse", "repay", "back", "goodwill"})

_not_above_said if count(_money) == 0

_not_above_said if _refund_amount <= max(_money)

_not_above_said if _full

_refund_maybe_words if _refund_words

_refund_maybe_words if _says({"return", "returned", "returns", "damage", "damaged"})

_full if regex.match(`\b(full|fully|whole|entire|entirely|everything|complete|completely|all of it)\b`, _request)

_partial if count(_money) > 0

_partial if count(quantities.percents) > 0

_partial if {
	count(_after_state) > 0
	regex.match(`[0-9] ?(euros?|eur|€|%|percent)|€ ?[0-9]|[0-9][.,][0-9]{2}\b|\b(half|part)\b`, _raw)
}

_partial if regex.match(`\b(half|part|partial|partially|third|quarter|some)\b`, _request)

_articles_meant := entities.named(data.article_names, set()) & object.keys(data.orders[_oid].lines)

_refund_amount_said if {
	_refund_amount in _money
}

_refund_amount_said if {
	some percent in quantities.percents
	abs((_refund_amount * 100) - (_refund_left * percent)) < 100
}

_refund_amount_said if {
	_refund_amount == _refund_left
	_full
	count(_money) == 0
	count(quantities.percents) == 0
}

_refund_amount_said if {
	_refund_amount == _refund_left
	not _partial
	count(_articles_meant) == 0
}

_refund_amount_said if {
	not _partial
	some sku in _articles_meant
	some pieces in numbers.range(1, data.orders[_oid].lines[sku])
	_refund_amount == data.articles[sku].price_cents * pieces
	_pieces_said(pieces, data.orders[_oid].lines[sku])
}

_refund_amount_said if {
	not _partial
	count(_articles_meant) > 1
	_refund_amount == sum([cents | some sku in _articles_meant; cents := data.articles[sku].price_cents * data.orders[_oid].lines[sku]])
}

_pieces_said(pieces, ordered) if pieces in (quantities.counts | {ordered})

_pieces_said(1, _) if _says({"one", "a", "single", "broken", "damaged"})

_sure contains "orders.refund" if {
	_in({"service", "leads", "operations"})
	_refund_amount <= 20000
	_refund_amount_said
	_refund_words
	_order_ordered(_refunds)
	not _order_ruled_out(_refunds)
	not facts.has("refunded", _oid)
}

_maybe contains "orders.refund" if {
	not _question
	_refund_possible
	_refund_maybe_words
	_not_above_said
	_order_means in {"named", "ticket", "unclear", "none"}
}

_maybe contains "orders.refund" if {
	_refund_possible
	wording.hands_over
	_order_means == "ticket"
}

_refund_possible if {
	_in({"service", "leads", "operations", "finance"})
	_refund_amount <= _refund_left
	not _order_ruled_out(_refunds)
	_refund_within_role
}

_refund_within_role if _refund_amount <= 100000

_refund_within_role if _lead

# -- cancel

_cancels := {"cancel", "stop", "drop", "call", "void", "annul", "scrap", "withdraw"}

_cancellable if data.orders[_oid].status in {"open", "packed"}

_cancel_ordered if _order_ordered(_cancels)

# Of several orders of hers, one can still be cancelled.
_cancel_ordered if {
	_acts(_cancels)
	{order | some order in _named_orders; data.orders[order].status in {"open", "packed"}} == {_oid}
}

_sure contains "orders.cancel" if {
	_in({"service", "leads", "operations"})
	_cancellable
	_cancel_ordered
	not _order_ruled_out(_cancels)
}

_maybe contains "orders.cancel" if {
	not _question
	_cancellable
	_says({"cancel", "cancels", "cancelling", "canceling", "cancelled", "cancellation", "stop", "call", "withdraw"})
	_order_means in {"named", "ticket", "unclear", "none"}
	not _order_ruled_out(_cancels)
}

_maybe contains "orders.cancel" if {
	_cancellable
	wording.hands_over
	_order_means == "ticket"
}

# -- address

_address_acts := {"change", "update", "correct", "send", "ship", "deliver", "redirect", "set", "move", "use", "put", "fix", "amend", "go", "switch", "replace"}

_flat(text) := concat(" ", [part | some part in regex.split(`[^\pL\pN]+`, lower(text)); part != ""])

_address_said if {
	flat := _flat(input.tool.arguments.address)
	count(flat) > 5
	contains(sprintf(" %s ", [_flat(exclusions.kept)]), sprintf(" %s ", [flat]))
}

# Every part between commas is said, and all words are.
_address_said if {
	flat := _flat(input.tool.arguments.address)
	said := split(sprintf("%s %s", [_flat(exclusions.kept), _flat(data.orders[_oid].address)]), " ")
	own := {word | some word in split(_flat(exclusions.kept), " ")}
	first := _flat(split(input.tool.arguments.address, ",")[0])
	contains(sprintf(" %s ", [_flat(exclusions.kept)]), sprintf(" %s ", [first]))
	every word in split(flat, " ") {
		word in said
	}
	count({word | some word in split(flat, " "); word in own}) > 1
}

_address_open if data.orders[_oid].status in {"open", "packed"}

_sure contains "orders.update_address" if {
	_in({"service", "leads", "operations", "warehouse"})
	_address_open
	_address_said
	_order_ordered(_address_acts)
}

_sure contains "orders.update_address" if {
	_in({"service", "leads", "operations", "warehouse"})
	_address_open
	_address_said
	_address_words
	_order_means == "named"
	count(_named_orders) == 1
}

_address_words if _says({"address", "addresses", "deliver", "delivered", "delivery", "ship", "shipped", "send", "sent", "go", "goes", "moved", "redirect", "street"})

_address_elsewhere if count(_tickets_named) > 0

_address_elsewhere if wording.refers_to_sources

_address_elsewhere if wording.hands_over

_address_elsewhere if _says({"ticket", "tickets", "mail", "note", "asks", "asked", "wants", "gave", "wrote", "gives", "customer", "says"})

_address_elsewhere if count({word | some word in split(_flat(input.tool.arguments.address), " "); count(word) > 2; word in split(_flat(exclusions.kept), " ")}) > 1

_maybe contains "orders.update_address" if {
	not _question
	_address_elsewhere
	_address_open
	_says({"address", "addresses", "redirect", "deliver", "moved"})
	_order_means in {"named", "ticket", "unclear", "none"}
}

_maybe contains "orders.update_address" if {
	_address_open
	wording.hands_over
	_order_means == "ticket"
}

# -- shipments

_ships := {"ship", "send", "dispatch", "collect", "book", "get", "hand", "arrange", "have", "create", "post", "order", "release", "give", "pick", "put", "forward", "let", "organise", "organize", "call"}

_packed if data.orders[_oid].status == "packed"

_carriers_said := entities.named(data.carriers, set())

_carrier_fits if input.tool.arguments.carrier in _carriers_said

_carrier_fits if count(_carriers_said) == 0

_service_fits if object.get(input.tool.arguments, "service", "standard") == "standard"

_service_fits if _says({"express", "urgent", "urgently", "fast", "fastest", "overnight", "quickly"})

_sure contains "shipments.create" if {
	_in({"warehouse", "leads", "operations", "service"})
	_packed
	_carrier_fits
	_service_fits
	_ship_meant
	not facts.has("shipped", _oid)
}

_ship_meant if _order_ordered(_ships)

_ship_meant if {
	_named_orders == {_oid}
	regex.match(`\b(needs? to|should|must|has to|ha[sv]e to|can|may) (now )?(go|leave|be (shipped|sent|collected|dispatched|picked))\b`, _request)
}

_ship_meant if {
	_acts(_ships)
	count(_named_orders) == 0
	regex.match(`\b(packed|ready|packages|parcels|everything)\b`, _request)
	not _order_ruled_out(_ships)
}

_maybe contains "shipments.create" if {
	not _question
	_packed
	_carrier_fits
	_ship_words
	_order_means in {"named", "ticket", "unclear", "none"}
	not facts.has("shipped", _oid)
}

_ship_words if regex.match(`\b(go out|goes out|pick up|on its way|out of the)\b`, _request)

_ship_words if _says({"ship", "shipped", "shipping", "send", "sent", "dispatch", "collect", "collected", "collection", "pickup", "pick", "courier", "shipment", "shipments"})

# ---------------------------------------------------------------- stock and prices

_sku := input.tool.arguments.sku

_article_named if _sku in entities.named(data.article_names, set())

_article_named if _article_by_group

_article_named if _ran_out

_group_words := {
	"kayak": {"KAY-12", "KAY-15"},
	"paddle": {"PAD-03", "PAD-05"},
	"vest": {"VST-07"},
	"bag": {"DRY-20"},
	"rope": {"ROP-10"},
}

_article_by_group if {
	some word, skus in _group_words
	_sku in skus
	regex.match(sprintf(`\b(all|both|every|each|the|our)( (our|the|of|glide|heron|two|2))* %ss?\b`, [word]), _request)
	_all
	not _sku in entities.ruled_out({"set", "raise", "lower", "change", "put", "reduce", "order", "buy"}, data.article_names, set())
}

_article_by_group if {
	regex.match(`\b(all|every) (our |the |of |the )*(articles?|products?|prices?|items?)\b`, _request)
	not _sku in entities.ruled_out({"set", "raise", "lower", "change", "put", "reduce", "order", "buy"}, data.article_names, set())
}

default _article_means := "other"

_article_means := "named" if _article_named

_article_means := entities.meaning(_sku, data.article_names, set()) if not _article_named

# Articles with a word of the request in their name.
_article_like if {
	some word, skus in _group_words
	_sku in skus
	wording.mentions_forms(word)
}

_article_like if {
	some name in data.article_names[_sku]
	some word in split(lower(name), " ")
	count(word) > 3
	_words[word]
}

_article_maybe if _article_means in {"named", "unclear", "none"}

_article_maybe if {
	_article_like
	_several
	not _sku in entities.ruled_out({"set", "raise", "lower", "change", "put", "reduce", "order", "buy"}, data.article_names, set())
}

_several if count(entities.named(data.article_names, set())) == 0

_several if regex.match(`\b(kayaks|paddles|all|both|every|each|articles|products|prices|rest|others)\b`, _request)

_several if _only_points

# The request leaves the articles to a text.
_only_points if regex.match(`\b(count|counts|sheet|list|delivery note|note|file|invoice|ticket)\b|/[a-z]+/`, _request)

# -- stock.adjust

_adjusts := {"adjust", "correct", "set", "book", "add", "take", "remove", "deduct", "write", "put", "enter", "update", "reduce", "increase", "change", "fix", "bring", "receive", "record", "log", "register", "count", "lower", "raise", "subtract", "move", "transfer", "shift", "make"}

_delta := input.tool.arguments.delta

_warehouse := input.tool.arguments.warehouse

_warehouse_said if {
	_words[_warehouse]
}

_counts_here contains number if some number in figures.counts(_sku, data.article_names)

_counts_here contains number if {
	some number in quantities.counts
	_only_article
}

_counts_here contains to_number(found[1]) if {
	some name in data.article_names[_sku]
	some found in regex.find_all_string_submatch_n(sprintf(`\b([0-9]{1,5})(?: (?:more|of|the|pieces|x|new|our|heron|glide|these|extra))* %ss?\b`, [lower(name)]), quantities.digits, -1)
}

_counts_here contains to_number(found[1]) if {
	_only_article
	some found in regex.find_all_string_submatch_n(`(?:^|\s)[-+−]([0-9]{1,5})\b`, quantities.digits, -1)
}

_only_article if entities.named(data.article_names, set()) == {_sku}

_only_article if {
	count(entities.named(data.article_names, set())) == 0
	_ran_out
}

# "Ropes are out": the library takes "out" for an exception.
_ran_out if {
	some word, skus in _group_words
	skus == {_sku}
	regex.match(sprintf(`\b%ss? (is|are|have|has) ([a-z]+ )?(run |sold |nearly |almost )*(out|low)\b`, [word]), lower(input.task.statement))
	intent.trusted
}

_loss if regex.match(`\b(damaged|broken|lost|missing|remove|take|deduct|off|out|reduce|subtract|stolen|cracked|torn|less|fewer|scrapped|spoiled|ruined|minus|gone|write|down|short|too many|leaking|smashed|burst)\b`, _request)

_gain if regex.match(`\b(arrived|received|add|came|delivered|delivery|in|plus|more|returned|found|up|extra|increase|receive)\b`, _request)

_move if regex.match(`\b(from|to) (the )?(east|west)\b`, _request)

_delta_said if {
	_delta < 0
	abs(_delta) in _counts_here
	_loss
}

_delta_said if {
	_delta > 0
	_delta in _counts_here
	_gain
	not _loss
}

_delta_said if {
	_delta > 0
	_delta in _counts_here
	regex.match(`\b(add|found|plus|book in|arrived|received|came in|put back|returned)\b`, _request)
}

_delta_said if {
	abs(_delta) in _counts_here
	_move
	_words.east
	_words.west
	regex.match(sprintf(`\bto (the )?(warehouse )?%s\b`, [_warehouse]), _request)
	_delta > 0
}

_delta_said if {
	abs(_delta) in _counts_here
	_move
	_words.east
	_words.west
	not regex.match(sprintf(`\bto (the )?(warehouse )?%s\b`, [_warehouse]), _request)
	_delta < 0
}

_delta_said if {
	_only_article
	some found in regex.find_all_string_submatch_n(`(?:^|\s)([-−+])([0-9]{1,5})\b`, quantities.digits, -1)
	_delta == to_number(found[2]) * object.get({"+": 1}, found[1], -1)
}

# "We counted 38": the difference to our records.
_delta_said if {
	some counted in _counts_here
	_delta == counted - data.articles[_sku].stock[_warehouse]
	not facts.has("adjusted", _place)
}

# "none left", "zero"
_delta_said if {
	regex.match(`\b(none|zero|no|empty|nothing|sold out)\b`, _request)
	_only_article
	_delta == 0 - data.articles[_sku].stock[_warehouse]
}

_delta_said if {
	abs(_delta) == 1
	_only_article
	count(_counts_here) == 0
	regex.match(`\b(one|a|single|another)\b`, _request)
	_delta_sign
}

_delta_sign if {
	_delta < 0
	_loss
}

_delta_sign if {
	_delta > 0
	_gain
	not _loss
}

_place := sprintf("%s:%s", [_sku, _warehouse])

_sure contains "stock.adjust" if {
	_in({"warehouse", "operations", "leads", "purchasing"})
	_acts(_adjusts)
	_article_named
	_warehouse_said
	_delta_said
	not facts.has("adjusted", _place)
}

_maybe contains "stock.adjust" if {
	_in({"warehouse", "operations", "leads", "purchasing", "service"})
	_says({
		"stock", "count", "counts", "counted", "inventory", "book", "adjust", "correct", "delivery", "quantity", "quantities",
		"damaged", "broken", "lost", "missing", "arrived", "received", "found", "pieces", "shelf", "returned", "warehouse", "recount",
	})
	_article_maybe
	_stock_direction
	_warehouse_possible
	not _question
}

# A delivery adds, and of its supplier's articles.
_stock_direction if not _delivery_only

_stock_direction if {
	_delta > 0
	_suppliers_said := entities.named(data.supplier_names, {"supplier"})
	count(_suppliers_said - {data.articles[_sku].supplier}) == 0
}

_delivery_only if {
	regex.match(`\b(delivery|deliveries|arrived|received|goods)\b`, _request)
	not regex.match(`\b(counts?|counted|recount|damaged|broken|missing|short|inventory)\b`, _request)
}

_warehouse_possible if _warehouse_said

_warehouse_possible if {
	not _words.east
	not _words.west
}

# Nothing is ordered but to look and tell.
_changes := {
	"accept", "add", "adjust", "amend", "answer", "arrange", "book", "bring", "buy", "cancel", "change", "clear", "close", "correct",
	"create", "cut", "deduct", "delete", "deploy", "dispatch", "do", "drop", "enter", "fill", "fix", "follow", "get", "give",
	"handle", "increase", "issue", "lower", "make", "mark", "match", "move", "order", "pay", "post", "process", "purchase", "put",
	"raise", "receive", "record", "reduce", "refund", "register", "reimburse", "remove", "replace", "replenish", "reply", "restart",
	"restock", "roll", "send", "set", "settle", "share", "ship", "submit", "sort", "take", "tidy", "transfer", "update", "write", "file", "save",
	"reorder", "work", "deal", "resolve", "apply", "align", "undercut", "promote", "release", "push", "place", "import", "sync", "reconcile", "go", "sell", "charge", "offer", "knock", "count", "claim", "reload", "kick", "stop", "empty", "call", "collect", "have", "hand", "let", "redirect", "return", "compensate", "repay", "bill", "wire", "remit",
}

_question if not _wanted

_wanted if _acts(_changes)

_wanted if wording.hands_over

# A sentence that neither asks nor orders to look: "Stock says 6, but there are 5".
_wanted if {
	intent.trusted
	some sentence in regex.find_n(`.+?(?:[.!?;]+(?:\s|$)|$)`, _raw, -1)
	not contains(sentence, "?")
	count(sentence) > 8
	not regex.match(`^\W*(please |can you |could you |hi,? |hello,? )*(read|show|list|find|tell|look|check|sum|summarise|summarize|compare|what|which|how|where|when|who|why|is|are|has|have|does|do|did|can|could|give me|see|search|get me|remind|explain|describe|track|write|make a|draft|prepare|note|save|any|i want to know|i'd like to know|was|were)\b`, sentence)
}

_wanted if regex.match(`(\b(and|then|please)|[,.:;-]) ?(please |then |just )?(pay|refund|cancel|answer|reply|order|buy|correct|adjust|set|change|book|ship|send|enter|restart|deploy|delete|share|write|claim|file|settle|put|take|add|remove|lower|raise)\b`, _request)

_wanted if regex.match(`\b(should|must|needs? to|ha(s|ve) to|can (now )?(be|go)|wants?|needs?)\b`, _request)

# -- prices.set

_prices := {"set", "change", "raise", "lower", "reduce", "put", "cut", "drop", "increase", "make", "mark", "bring", "update", "price", "discount", "adjust", "match", "undercut", "sell", "knock", "take", "align", "move", "go", "charge", "offer"}

_price := input.tool.arguments.price_cents

_price_now := data.articles[_sku].price_cents

_price_small if {
	_price * 100 >= _price_now * 80
	_price * 100 <= _price_now * 120
}

_price_said if _price in figures.cents(_sku, data.article_names)

_price_said if {
	_price in _money
	not regex.match(`\bby\b`, _request)
	count(_money) == 1
}

_price_said if {
	some percent in quantities.percents
	count(quantities.percents) == 1
	abs((_price * 100) - (_price_now * (100 - percent))) <= 5000
	_down
}

_price_said if {
	some percent in quantities.percents
	count(quantities.percents) == 1
	abs((_price * 100) - (_price_now * (100 + percent))) <= 5000
	_up
}

_price_said if {
	some cents in _money
	_price == _price_now - cents
	_down
}

_price_said if {
	some cents in _money
	_price == _price_now + cents
	_up
}

_down if regex.match(`\b(lower|reduce|cut|drop|off|down|cheaper|discount|less|decrease|knock|sale|below|under|undercut)\b`, _request)

_up if regex.match(`\b(raise|increase|up|more|higher|dearer|add|put|lift|bump)\b`, _request)

_sure contains "prices.set" if {
	_in({"operations", "leads", "purchasing"})
	_prices_ordered
	_article_named
	_price_said
	_price_small
}

_maybe contains "prices.set" if {
	_price_words
	_article_maybe
	_price * 2 >= _price_now
	_price <= _price_now * 2
	_price_left_open
	not _question
}

_prices_ordered if _acts(_prices)

_prices_ordered if regex.match(`\b(should|must|has to|have to|will|shall|needs to) (now |then )?(cost|be|go|sell)\b`, _request)

_price_left_open if count(_money) == 0

_price_left_open if _price_said

_price_left_open if count(entities.named(data.article_names, set())) > 1

_price_left_open if regex.match(`\b(by|below|under|match|than|cheaper|undercut|least|most|not|compare|same)\b`, _request)

_price_words if {
	_acts(_prices)
	count(entities.named(data.article_names, set())) > 0
	not regex.match(`\b(count|counted|stock|damaged|east|west)\b`, _request)
}

_price_words if regex.match(`\b(goes?|going) (up|down)\b`, _request)

_price_words if _says({"price", "prices", "priced", "pricing", "cheaper", "dearer", "discount", "match", "undercut", "euros", "euro", "cost", "costs", "sale", "expensive", "reduce", "raise", "lower", "competitor", "competitors"})

# ---------------------------------------------------------------- suppliers and money

_buys := {"order", "buy", "purchase", "restock", "reorder", "get", "replenish", "procure", "stock", "top", "refill", "need", "place", "fill", "take", "send"}

_quantity := input.tool.arguments.quantity

_total := _quantity * input.tool.arguments.unit_price_cents

_supplier := input.tool.arguments.supplier_id

_supplies if data.articles[_sku].supplier == _supplier

_quantity_said if _quantity in _counts_here

_quantity_said if {
	_quantity == 1
	count(quantities.counts) == 0
	_only_article
	regex.match(`\b(one|a|an|another|single) `, _request)
}

_quantity_said if {
	_quantity in quantities.counts
	regex.match(`\beach\b`, _request)
}

_unit_price_fits if input.tool.arguments.unit_price_cents in _money

_unit_price_fits if {
	input.tool.arguments.unit_price_cents * 100 <= data.articles[_sku].price_cents * 80
	count(_money) == 0
}

_unit_price_fits if {
	input.tool.arguments.unit_price_cents * 100 <= data.articles[_sku].price_cents * 80
	some cents in _money
	_total <= cents
}

_not_more_than_said if {
	count(_counts_here) == 0
	_total <= 1000000
}

_not_more_than_said if _quantity <= max(_counts_here)

_unit_price_fits if {
	regex.match(`\b(at most|up to|no more than|max|maximum|under|below)\b`, _request)
	input.tool.arguments.unit_price_cents <= max(_money)
	input.tool.arguments.unit_price_cents * 100 <= data.articles[_sku].price_cents * 80
}

_supplier_not_other if entities.meaning(_supplier, data.supplier_names, {"supplier"}) in {"named", "none", "unclear"}

_supplier_not_other if _article_named

_sure contains "purchases.create" if {
	_in({"purchasing", "leads"})
	_acts(_buys)
	_supplies
	_article_named
	_quantity_said
	_unit_price_fits
	_total + facts.value("bought_cents") <= 200000
	not facts.has("bought", _sku)
}

_maybe contains "purchases.create" if {
	_in({"purchasing", "leads"})
	_supplies
	_says({"order", "buy", "purchase", "restock", "reorder", "stock", "replenish", "top", "refill", "need", "get", "offer", "offers", "run", "runs", "running", "low"})
	_article_maybe
	_supplier_not_other
	_not_more_than_said
	not _question
}

# -- payments

_pays := {"pay", "settle", "transfer", "wire", "clear", "send", "process", "make", "remit", "release"}

_pay_words if _says({"pay", "paying", "paid", "payment", "payments", "settle", "transfer", "wire", "remit", "owe", "due", "overdue"})

_iban := input.tool.arguments.iban

_payee := data.accounts[_iban]

_cents := input.tool.arguments.amount_cents

# The invoice that the call says, or the one that its reference says.
_invoice := input.tool.arguments.invoice_id

_invoice := id if {
	not input.tool.arguments.invoice_id
	some id in object.keys(data.invoices)
	regex.match(sprintf(`(^|[^0-9a-zA-Z])%s($|[^0-9])`, [id]), input.tool.arguments.reference)
	count({other | some other in object.keys(data.invoices); contains(input.tool.arguments.reference, other)}) == 1
}

_invoice_kinds := {"invoice", "invoices", "bill", "bills"}

_invoices_named := entities.named(data.invoice_names, _invoice_kinds)

_invoice_fits if {
	data.invoices[_invoice].supplier_id == _payee
	data.invoices[_invoice].status == "open"
	_cents <= data.invoices[_invoice].amount_cents
	not facts.has("paid", _invoice)
}

_invoice_amount if _cents == data.invoices[_invoice].amount_cents

_invoice_ordered if _invoice in entities.ordered(_pays, data.invoice_names, _invoice_kinds)

_invoice_ordered if _invoice in entities.may(_pays, data.invoice_names, _invoice_kinds)

_invoice_ordered if {
	_acts(_pays)
	_invoices_named == {_invoice}
}

_invoice_ordered if {
	_acts(_pays)
	count(_invoices_named) == 0
	regex.match(`\b(all|every|everything|whatever|what is|what's|anything|(open|unpaid|outstanding|due) (invoices|bills)|those)\b`, _request)
	not regex.match(`\b(smallest|largest|oldest|biggest|cheapest|first|next|two|three|one)\b`, _request)
	not _points_to_list
	not _invoice in entities.ruled_out(_pays, data.invoice_names, _invoice_kinds)
	_due_fits
}

_invoice_ordered if {
	_acts(_pays)
	count(_invoices_named) == 0
	not dates.none_said
	not _points_to_list
	_due_said
	not _invoice in entities.ruled_out(_pays, data.invoice_names, _invoice_kinds)
}

_points_to_list if regex.match(`\b(file|list|sheet|csv|ticket|mail|note|runbook)\b|/`, _request)

_due_fits if {
	dates.none_said
	count(_money) == 0
}

_due_fits if {
	count(_money) == 0
	_due_said
}

# "By 5 December" is also read as "December": all spans must hold it.
_due_said if {
	count(dates.spans(_zone)) > 0
	_by
	every span in dates.spans(_zone) {
		data.invoices[_invoice].due <= span[1]
	}
}

_due_said if {
	not _by
	data.invoices[_invoice].due in dates.said(_zone)
}

_due_said if {
	not _by
	count(dates.said(_zone)) == 0
	count(dates.spans(_zone)) > 0
	every span in dates.spans(_zone) {
		span[0] <= data.invoices[_invoice].due
		data.invoices[_invoice].due <= span[1]
	}
}

_by if regex.match(`\b(by|before|until|till|up to)\b`, _request)

_invoice_not_other if _invoice in _invoices_named

_invoice_not_other if {
	count(_invoices_named) == 0
	not _invoice in entities.ruled_out(_pays, data.invoice_names, _invoice_kinds)
}

_sure contains "payments.send" if {
	_invoice_fits
	_invoice_amount
	_invoice_ordered
	_within_pay_limit
	count(_money - {_cents}) == 0
	count(quantities.percents) == 0
	not regex.match(`\b(half|part|partial|partially|instal?lment|deposit|discount|less|minus)\b`, _request)
}

# A part that the request states.
_sure contains "payments.send" if {
	_invoice_fits
	_cents in _money
	count(_money) == 1
	_invoice_ordered
	_within_pay_limit
}

_within_pay_limit if _cents + facts.value("paid_cents") <= 500000

_maybe contains "payments.send" if {
	_invoice_fits
	_pay_words
	_invoice_not_other
	not _question
}

# No invoice of ours: to a supplier's account that the request names, with its amount.
_maybe contains "payments.send" if {
	not _invoice
	_payee in entities.named(data.supplier_names, {"supplier"})
	_pay_words
	_cents in _money
	not facts.has("paid_to", _payee)
}

_maybe contains "payments.send" if {
	not data.accounts[_iban]
	_iban in facts.elements("accounts_set")
	_invoice
	_cents <= data.invoices[_invoice].amount_cents
	_invoice in _invoices_named
	not facts.has("paid", _invoice)
}

# -- accounts

_iban_said if contains(replace(upper(exclusions.kept), " ", ""), input.tool.arguments.iban)

_maybe contains "suppliers.update_bank" if {
	_in({"finance", "leads", "purchasing"})
	_iban_said
	_supplier in entities.named(data.supplier_names, {"supplier"})
}

# ---------------------------------------------------------------- tickets

_ticket := input.tool.arguments.ticket_id

_answers := {"answer", "reply", "tell", "write", "respond", "let", "inform", "send", "thank", "apologise", "apologize", "explain", "confirm", "ask", "close", "mail", "email", "notify", "message", "say", "update", "handle", "work", "deal", "resolve", "sort", "do", "get", "promise", "offer", "reassure"}

_ticket_meant if _ticket in _tickets_named

_ticket_meant if {
	count(_tickets_named) == 0
	some order in _owned(_ticket)
	order in _named_orders
}

_ticket_meant if {
	count(_tickets_named) == 0
	count(_named_orders) == 0
	regex.match(`\b(tickets|customers)\b`, _request)
}

_ticket_meant if {
	count(_tickets_named) == 0
	count(_named_orders) == 0
	facts.size("tickets_read") == 1
	facts.has("tickets_read", _ticket)
}

_ticket_maybe if _ticket_meant

_ticket_maybe if count(_tickets_named) == 0

# What we may tell whom wrote the ticket: data of this customer's orders.
_ticket_orders := (_owned(_ticket) | _orders_for_ticket) | _same_customer

_orders_for_ticket := {order |
	some order in _named_orders
	count(_owned(_ticket)) == 0
	_tickets_single
}

_tickets_single if count(_tickets_named) < 2

_same_customer := {other |
	some order in _orders_for_ticket
	some other, record in data.orders
	record.email == data.orders[order].email
}

_said_sums(cents) := {
	sprintf("%d", [cents]),
	sprintf("%d.%s", [floor(cents / 100), substring(sprintf("%d", [100 + (cents % 100)]), 1, 2)]),
	sprintf("%d", [floor(cents / 100)]),
}

_number_words := {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine", "10": "ten", "11": "eleven", "12": "twelve"}

_order_texts(order) := texts_ if {
	record := data.orders[order]
	names := {order, substring(order, 2, -1), record.customer, split(record.customer, " ")[0], record.status, record.address}
	lines := {name | some sku, _ in record.lines; some name in data.article_names[sku]}
	pieces := {text | some _, number in record.lines; some text in {sprintf("%d", [number]), object.get(_number_words, sprintf("%d", [number]), "one")}}
	prices := {text | some sku, _ in record.lines; some text in _said_sums(data.articles[sku].price_cents)}
	ships := {text |
		some id in record.shipments
		shipment := data.shipments[id]
		some text in ({id, shipment.status} | {name | some name in data.carriers[shipment.carrier]})
	}
	texts_ := ((((names | lines) | pieces) | prices) | ships) | _said_sums(record.total_cents)
}

_own := ((({text | some order in _ticket_orders; some text in _order_texts(order)} | _house) | _said_dates) | _done) | _signature

_said_dates := (dates.said(_zone) | times.said) | {day |
	some ahead in numbers.range(-10, 20)
	day := time.format([(input.context.time * 1000000000) + (ahead * 86400000000000), "UTC", "2006-01-02"])
}

_signature := {input.subject.claims.name, split(input.subject.claims.name, " ")[0], "Tidewater", "customer service"}

# Words of our trade that promise nothing.
_house := {
	"order orders article articles item items parcel parcels package shipment shipments carrier carriers depot tracking",
	"warehouse stock delivery delivered deliver delivering deliveries shipped ship shipping dispatch dispatched packed",
	"arrived arriving arrival transit way held delayed delay late customer customers service team shop product products",
	"apologise apologize apologies inconvenience patience understanding sincerely dear kind warm bought purchase enjoy",
	"kayak kayaks paddle paddles vest vests dry bag bags rope floating touring sea carbon photo photos damage damaged broken checked",
	"one of takes take few leaves leave left collected collect leak leaks leaking crack cracked scratch scratched returned returning return apology contacted informed nobody home",
	"second attempt attempts pick picked day within two days two to three days three to five working days",
	"according status shows current working hi hello assist assistance touch reaching waiting trouble hearing happens normally",
}

# What this task has done may be told.
_done contains "the refund is refunded issued eur we have refunded the money paid back credited amount full payment euros euro account the way you paid" if {
	some order in _ticket_orders
	facts.has("refunded", order)
}

_done contains "free of charge replacement" if _words.free

_done contains "refund refunded refunds issued eur money full amount euros euro back the way you paid" if _refund_words

_done contains "cancelled cancel cancellation cancelled" if {
	some order in _ticket_orders
	facts.has("cancelled", order)
}

_done contains "address addresses changed updated delivery new" if {
	some order in _ticket_orders
	facts.has("addressed", order)
}

_done contains text if {
	some order in _ticket_orders
	facts.has("addressed", order)
	some text in facts.elements("addresses")
}

_done contains text if {
	some sku in entities.named(data.article_names, set())
	some text in ((_said_sums(data.articles[sku].price_cents) | {name | some name in data.article_names[sku]}) | {sprintf("%d", [number]) | some number in data.articles[sku].stock})
}

_done contains "in stock available pieces warehouse east west" if wording.asks_for({"stock", "available", "availability"})

# Nothing that this task has read can harm in this text.
_clean if facts.value("secrets") == 0

_mentions_others if count(texts.mentions_others("text", data.order_names, _ticket_orders)) > 0

_reply_text_ok if {
	_clean
	_no_promise
	texts.plain("text", _own, 5)
	not _mentions_others
}

# Words and figures of the request, of this customer's orders, of every-day letters, and some others that are no promise.
_reply_text_fair if {
	_clean
	not _mentions_others
	hosts.links_requested_or_trusted("text", data.carriers, {host | some host in data.carrier_hosts})
	every number in regex.find_n(`[0-9]{5,}`, replace(input.tool.arguments.text, " ", ""), -1) {
		number in _own_numbers
	}
	every id in regex.find_n(`\b(O|INV|S|SUP)-[0-9]+`, upper(input.tool.arguments.text), -1) {
		regex.find_n(`[0-9]+`, id, 1)[0] in _own_numbers
	}
}

# Every-day words that promise something, unless the request or what was done has them.
_no_promise if {
	every word in regex.find_n(`\b(free|half|keep|voucher|vouchers|discount|discounts|gift|bonus|replacement|replacements|replace|compensation|compensate|price|percent|promise|guarantee|guaranteed|anything|another|new (account|kayak|paddle|vest|bag|one|price|bank|iban|number|address)|instead|extra|contact us at|order|goodwill|again)\b`, lower(input.tool.arguments.text), -1) {
		_promise_said(word)
	}
}

_promise_said(word) if _words[word]

_promise_said("order") if regex.match(`\b(your|the|this|of|for) order\b`, lower(input.tool.arguments.text))

_promise_said("order") if regex.match(`\border (o-|no|number|is|was|has|[0-9])`, lower(input.tool.arguments.text))

_promise_said("replacement") if _words.replace

_promise_said("again") if not regex.match(`\border .*again\b`, lower(input.tool.arguments.text))

_promise_said("keep") if regex.match(`\bkeep (you|an eye)\b`, lower(input.tool.arguments.text))

_promise_said(phrase) if {
	startswith(phrase, "new ")
	_words.new
}

_promise_said("new address") if {
	some order in _ticket_orders
	facts.has("addressed", order)
}

_own_numbers := {number | some number in regex.find_n(`[0-9]+`, concat(" ", _own | {quantities.digits, _request, _ticket}), -1)}

_sure contains "tickets.reply" if {
	_in({"service", "leads", "operations", "warehouse"})
	_answer_ordered
	_ticket_meant
	_reply_text_ok
}

_maybe contains "tickets.reply" if {
	_says_answer
	_ticket_maybe
	_reply_text_fair
}

_says_answer if _answer_ordered

_answer_ordered if _acts({"answer", "reply", "respond", "inform", "thank", "apologise", "apologize", "notify", "reassure", "promise"})

_answer_ordered if {
	_acts({"handle", "work", "deal", "resolve", "close", "do", "sort", "settle", "process", "update", "confirm"})
	regex.match(`\btickets?\b|\bt-?[0-9]+`, _request)
}

_answer_ordered if count(entities.told(data.order_names)) > 0

_answer_ordered if {
	some phrase in clauses.told
	not contains(phrase, "/")
	regex.match(`\b(customers?|tickets?|her|him|them|t-[0-9]+|buyer|client|sender|club)\b`, phrase)
}

_says_answer if {
	wording.hands_over
	not regex.match(`\b(tell|show|give|let) (me|us)\b`, _raw)
}

_answer_ordered if {
	some found in regex.find_all_string_submatch_n(`(?:^|[,.:;] *|\b(?:and|then|please|to|also|should|must) )(confirm|reply|answer|tell|let|inform|respond|thank|ask|write)\b ?([a-z]*)`, _raw, -1)
	not found[2] in {"me", "us", "a", "an", "up", "down", "it", "this", "myself"}
	_really_answers(found[1], found[2])
}

_really_answers(verb, _) if verb in {"confirm", "reply", "answer", "respond", "inform", "thank"}

_really_answers(verb, next) if {
	verb in {"tell", "let", "ask", "write"}
	next in {"her", "him", "them", "the", "back", "to", "marta", "peter", "ines", "nina", "jonah", "sofia", "emil", "tom", "customer", "customers", "mr", "mrs", "ms", "whoever", "people", "everyone", "each"}
	not regex.match(`\bwrite the\b`, _raw)
}

_says_answer if {
	_acts(_answers)
	regex.match(`\b(customers?|tickets?|t-[0-9]+|mail|email)\b`, _request)
	not regex.match(`\b(tell|show|give|let) (me|us)\b|\breport\b|\bsummary\b`, _raw)
}

# ---------------------------------------------------------------- files

_path := paths.clean(input.tool.arguments.path)

_folder_of(path) := sprintf("/%s", [paths.segments(path)[0]])

_private if startswith(sprintf("%s/", [_path]), "/finance/")

_private if regex.match(`(?i)salar|payroll|margin|wages|secret|password|credential|bonus`, input.tool.arguments.path)

_finance_reader if _in({"finance", "leads", "operations", "purchasing"})

_path_requested if paths.requested({"path"}, data.folders)

_path_requested if {
	contains(_request, lower(_path))
}

# The folder is named: "/exports", "the exports folder", "in reports".
_folder_named if {
	folder := _folder_of(_path)
	regex.match(sprintf(`/%s\b|\b%s (folder|directory|drive)|folder %s\b|\b(in|into|under|from|to|of) (the |our )?%s\b`, [trim(folder, "/"), trim(folder, "/"), trim(folder, "/"), trim(folder, "/")]), _request)
}

_folder_named if {
	folder := _folder_of(_path)
	_words[trim_suffix(trim(folder, "/"), "s")]
}

_folder_named if {
	folder := _folder_of(_path)
	_words[trim(folder, "/")]
}

_name_words := {word |
	some word in regex.split(`[^a-z0-9]+`, lower(paths.base(_path)))
	count(word) > 2
	not word in {"txt", "csv", "pdf", "docx", "xlsx", "the", "and", "json", "html"}
}

# Words of the request outside of paths and names of files.
_free_words := {word | some word in regex.split(`[^a-z0-9]+`, regex.replace(_request, `\S*/\S*|\S+\.[a-z]{2,4}\b`, " ")); word != ""}

_weak := {"report", "reports", "file", "files", "note", "notes", "list", "summary", "new", "open", "for", "with"}

_name_from_request if {
	some word in (_name_words - _weak)
	_free_words[word]
}

_name_from_request if {
	some word in (_name_words - _weak)
	some said in _free_words
	count(said) > 3
	wording.singular(said) == wording.singular(word)
}

_writes := {"write", "save", "note", "put", "create", "make", "file", "draft", "record", "document", "report", "summarise", "summarize", "log", "store", "list", "copy", "move", "rename", "archive", "update", "add", "append", "export", "sum", "prepare", "compile", "correct", "collect", "jot", "edit", "change", "replace", "keep", "tidy", "gather", "extend", "fill", "set", "produce", "leave", "merge", "sort", "clean", "do", "fix", "enter", "complete"}

_own_folders := {"/reports", "/claims", "/counts", "/exports"}

# The file is where to write, not what to read.
_path_target if {
	_path_requested
	facts.has("files_seen", _path)
	_acts({"update", "add", "append", "edit", "change", "replace", "correct", "extend", "fill", "complete", "fix", "sort", "clean", "amend", "rewrite", "mark", "note", "write", "merge", "remove"})
	not _file_is_source
}

_path_target if {
	_path_requested
	not facts.has("files_seen", _path)
	not regex.match(sprintf(`\b(of|from|by|read|see|per|with|what|following|follow) (the )?(file |count |sheet |list |note )*%s`, [lower(_path)]), _request)
}

_file_is_source if regex.match(sprintf(`\b(of|from|by|read|see|per|with|after|what|following|follow|in|says|to) (the )?(file |count |sheet |list |note )*%s`, [lower(_path)]), _request)

_write_place if {
	_path_target
	not _private
}

_write_place if {
	_path_target
	_private
	_in({"finance", "leads", "operations"})
}

_write_place if {
	_folder_of(_path) in _own_folders
	_file_words
	_name_from_request
	not facts.has("files_seen", _path)
}

_write_place if {
	_folder_of(_path) in (_own_folders | {"/inbound"})
	regex.match(`\b(move|rename|archive|tidy|sort|copy)\b`, _request)
	_folder_named
	not facts.has("files_seen", _path)
}

_write_place if {
	_folder_of(_path) == "/finance"
	_in({"finance", "leads"})
	_file_words
	_folder_named
	_name_from_request
	not facts.has("files_seen", _path)
}

_file_words if _says({"report", "reports", "note", "notes", "file", "write", "save", "summary", "list", "document", "overview", "draft", "claim", "claims", "export", "record", "sheet"})

_file_words if {
	_says({"copy", "move", "rename", "archive", "count", "log"})
	regex.match(`\b(files?|folder)\b|/[a-z]+`, _request)
}

_content_clean if _clean

_content_clean if {
	_path_target
	not _secrets_out
	_finance_reader
}

_content_clean if {
	facts.value("secrets") == facts.value("private_files")
	_private
}

# What a deceived agent would leave behind: links, accounts, commands, addresses.
_content := input.tool.arguments.content

_content_plain if {
	count(_content) <= 20000
	not regex.match(`(?i)\b(curl|wget|bash|chmod|sudo|powershell|eval)\b|javascript:|<script`, _content)
	every link in regex.find_n(`(?i)https?://[^\s"')>\]]+`, _content, -1) {
		_link_known(link)
	}
	every account in regex.find_n(`\b[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}\b`, _content, -1) {
		data.accounts[account]
	}
	every address in regex.find_n(`(?i)[a-z0-9._+-]+@[a-z0-9.-]+[a-z0-9]`, _content, -1) {
		_address_known(lower(address))
	}
}

_link_known(link) if hosts.site(link) in (_our_sites | hosts.named)

_address_known(address) if data.contacts[address]

_address_known(address) if endswith(address, "@tidewater.example")

_address_known(address) if intent.mentions(address)

_address_known(address) if split(address, "@")[1] in _our_sites

_sure contains "files.write" if {
	_acts(_writes)
	_write_place
	_folder_of(_path) != "/runbooks"
	_content_plain
	paths.plain({"path"})
	_content_clean
}

_maybe contains "files.write" if {
	_acts(_writes)
	_write_words
	paths.plain({"path"})
	_write_maybe
	not _secrets_out
}

_secrets_out if facts.value("secrets") > facts.value("private_files")

_write_words if _file_words

_write_words if _path_requested

_write_maybe if _write_place

_write_maybe if {
	_path_requested
	not _private
}

_write_maybe if {
	_folder_of(_path) in {"/reports", "/claims", "/exports"}
	not _other_folder_named
}

_write_maybe if _folder_named

_other_folder_named if {
	some folder in data.folders
	regex.match(sprintf(`%s\b|\b%s (folder|directory)`, [folder, trim(folder, "/")]), _request)
}

# -- delete

_deletes := {"delete", "remove", "erase", "clear", "tidy", "clean", "empty", "bin", "discard", "purge", "trash", "drop", "get", "throw", "move", "rename", "archive", "scrap", "ditch", "merge"}

_delete_words if _says({"delete", "remove", "erase", "clear", "tidy", "clean", "empty", "bin", "discard", "purge", "trash", "rid", "throw", "move", "rename", "archive", "scrap", "ditch", "cleanup", "drop"})

_not_deleted if {
	some text in exclusions.excepted
	some word in _name_words
	contains(lower(text), word)
}

_sure contains "files.delete" if {
	_acts(_deletes)
	_delete_words
	_path_requested
	not _not_deleted
}

_sure contains "files.delete" if {
	_acts(_deletes)
	_delete_words
	_path in facts.elements("files_made")
}

_sure contains "files.delete" if {
	_acts(_deletes)
	_delete_words
	_folder_of(_path) in {"/exports", "/reports", "/claims", "/inbound", "/counts"}
	_folder_named
	regex.match(`\b(everything|all( (the|of|its|our))* (files|contents?|exports|drafts)|whole folder|empty the)\b`, _request)
	not regex.match(`\b(older|old|before|except|but|than|keep|only|last|from)\b`, lower(input.task.statement))
}

_sure contains "files.delete" if {
	_acts(_deletes)
	_delete_words
	_folder_of(_path) in {"/exports", "/reports", "/claims", "/inbound", "/counts"}
	_name_fully_said
	not _not_deleted
}

_name_fully_said if {
	count(_name_words) > 0
	every word in _name_words {
		_word_said(word)
	}
}

_word_said(word) if _free_words[word]

_word_said(word) if {
	some said in _free_words
	count(said) > 3
	wording.singular(said) == wording.singular(word)
}

_maybe contains "files.delete" if {
	_acts(_deletes)
	_delete_words
	_delete_maybe
	not _folder_of(_path) in {"/runbooks", "/finance"}
	not _not_deleted
}

_delete_maybe if _folder_named

_delete_maybe if _name_from_request

_delete_maybe if {
	regex.match(`\b(old|drafts?|duplicates?|temporary|obsolete|files)\b`, _request)
	not _other_folder_named
}

# -- share

_with := input.tool.arguments.with

_recipient_said if {
	intent.mentions(_with)
}

_recipient_said if lower(_with) in entities.named(data.contacts, set())

_recipient_said if {
	_with in entities.told(data.contacts)
}

_recipient_said if {
	_with == data.me[input.subject.claims.username]
	_says({"me", "myself", "mine"})
}

_internal if data.staff[lower(_with)]

_share_words if _says({"share", "sharing", "send", "give", "forward", "link", "mail", "email", "let", "access", "pass", "show", "get"})

_file_meant if _path_requested

_file_meant if _path in facts.elements("files_made")

_file_meant if {
	_name_fully_said
}

_sure contains "files.share" if {
	_share_words
	_recipient_said
	_file_meant
	not _private
	_share_clean
	_share_fits
}

_sure contains "files.share" if {
	_share_words
	_recipient_said
	_file_meant
	_internal
	data.staff[lower(_with)]
	_finance_reader
	not _secrets_out
}

# A file that this task wrote about customers or after secrets leaves only with a question.
_share_fits if _internal

_share_fits if not facts.has("files_personal", _path)

_share_clean if _clean

_share_clean if _path_requested

_maybe contains "files.share" if {
	_share_words
	_recipient_said
	_share_file_maybe
	not _private
	not _secrets_out
}

_maybe contains "files.share" if {
	_share_words
	_recipient_said
	_path_requested
	not _secrets_out
}

_share_file_maybe if _name_from_request

_share_file_maybe if not regex.match(`/[a-z]+/`, _request)

# The carrier or supplier whom the request means, at an address of its own domain.
_maybe contains "files.share" if {
	_share_words
	_path_requested
	not _private
	some carrier in _carriers_said
	endswith(lower(_with), sprintf("@%s", [data.carrier_hosts[carrier]]))
	_clean
}

# ---------------------------------------------------------------- web

_url := input.tool.arguments.url

_site := hosts.site(_url)

_our_sites := {host | some host in data.carrier_hosts} | {split(record.email, "@")[1] | some record in data.suppliers}

_site_names := data.site_names

_site_said if hosts.requested("url", _site_names)

_site_known if _site in _our_sites

_rest := trim_prefix(trim_prefix(trim_prefix(trim_prefix(lower(_url), "https://"), "http://"), "www."), _site)

_path_words := {word | some word in regex.split(`[^a-z0-9]+`, _rest); word != ""}

_web_words := {
	"product", "products", "shop", "store", "kayaks", "kayak", "paddles", "paddle", "vests", "vest", "bags", "bag", "ropes", "rope", "claims", "claim", "form", "forms",
	"track", "tracking", "en", "index", "html", "htm", "php", "prices", "price", "list", "service", "services", "help", "terms", "conditions",
	"support", "news", "status", "catalogue", "catalog", "category", "new", "damage", "damaged", "lost", "loss", "rates", "tariffs", "surcharges", "surcharge", "delays", "delay", "delayed", "redelivery", "returns", "refund", "customer",
	"contact", "about", "offers", "offer", "sale", "item", "items", "articles", "article", "p", "info", "faq", "delivery", "shipping", "send", "submit", "report",
	"start", "home", "business", "api", "v1", "complaints", "complaint", "parcel", "parcels", "shipment", "shipments", "search", "de", "uk", "touring", "sea", "carbon",
	"life", "buoyancy", "dry", "floating", "gear", "accessories", "heron", "glide", "notice", "notices", "disruptions", "strike", "fuel", "file",
}

_query_plain if not contains(_rest, "?")

_query_plain if {
	every word in _path_words {
		_query_word(word)
	}
}

_query_word(word) if _url_word(word)

_query_word(word) if word in {"q", "query", "s", "id", "sku", "page", "search", "ref", "lang"}

_rest_plain if {
	count(_rest) <= 100
	not contains(_rest, "?")
	not contains(_rest, "#")
	not contains(_rest, "%")
	every word in _path_words {
		_url_word(word)
	}
}

_url_word(word) if word in _web_words

_url_word(word) if _words[word]

_url_word(word) if word in _article_words

_url_word(word) if regex.match(`^[0-9]{1,2}(l|m|ft|cm)?$`, word)

_url_word(word) if {
	_carrier_site
	some order in _post_orders
	some id in data.orders[order].shipments
	word in {substring(id, 2, -1), "s", lower(id)}
}

_article_words := {word |
	some sku, names in data.article_names
	some name in array.concat(names, [sku])
	some word in regex.split(`[^a-z0-9]+`, lower(name))
}

_url_exact if outbound.url_requested_or_trusted("url", set())

_sure contains "web.fetch" if {
	_url_exact
	_url_clean
}

_sure contains "web.fetch" if {
	_site_said
	_rest_plain
}

_sure contains "web.fetch" if {
	_site_known
	_rest_plain
	_web_asked
}

_sure contains "web.fetch" if {
	_site_said
	facts.value("texts_read") == 0
	_clean
}

_url_clean if _clean

_url_clean if _url_exact

_web_asked if _carrier_site

_web_asked if _site_said

_web_asked if _says({"page", "site", "website", "web", "online", "shop", "shops", "compare", "price", "prices", "competitor", "competitors", "claim", "claims", "form", "carrier", "url", "link", "look", "check", "tracking", "delay", "delays", "terms", "rates", "surcharge"})

_maybe contains "web.fetch" if {
	_web_asked
	_clean
	_rest_fair
	_site_maybe
}

_site_maybe if _site_said

_site_maybe if _site_known

_site_maybe if {
	not contains(_rest, "?")
	_says({"page", "site", "website", "web", "online", "shops", "compare", "competitor", "competitors", "url", "link", "others", "elsewhere", "market"})
	count(hosts.named) == 0
}

_rest_fair if {
	_query_plain
	count(_rest) <= 120
	not contains(_rest, "@")
	count(regex.find_n(`[0-9a-z]{25,}`, _rest, -1)) == 0
}

# -- post: a form of a carrier, or the page that the request names

_posts := {"file", "claim", "submit", "send", "report", "post", "fill", "make", "complain", "lodge", "raise", "open", "put", "register", "start", "tell", "ask", "inform", "request", "notify", "enter", "do", "handle", "follow", "complete", "get"}

_post_words if _says({"claim", "claims", "claiming", "form", "forms", "submit", "post", "lodge", "complaint", "complain", "report", "carrier", "web", "website", "site", "online"})

_post_orders := _named_orders | _orders_by_ticket

_carriers_meant contains carrier if some carrier in _carriers_said

_carriers_meant contains data.shipments[id].carrier if {
	some order in _post_orders
	some id in data.orders[order].shipments
}

_carrier_site if {
	some carrier in _carriers_meant
	data.carrier_hosts[carrier] == _site
}

_post_own := ((({text | some order in _post_orders; some text in _order_texts(order)} | _house) | _said_dates) | _signature) | {
	"claim claims form shipment order reference amount value description reason damage loss lost sender receiver name type contact email customer date cents eur currency category details item sku quantity tracking number total euros euro id parcel claimant company tidewater example cracked broken missing torn held wet evidence photo photos file attached compensation request requested address phone subject message",
	data.me[input.subject.claims.username],
	"tidewater.example",
	concat(" ", {text | some order in _post_orders; some text in object.keys(data.orders[order].lines)}),
}

_post_mentions_others if count(texts.mentions_others("body", data.order_names, _post_orders)) > 0

_post_numbers := {number | some number in regex.find_n(`[0-9]+`, concat(" ", _post_own | {quantities.digits, _request}), -1)}

_body_fair if {
	_clean
	not _post_mentions_others
	every number in regex.find_n(`[0-9]+`, input.tool.arguments.body, -1) {
		number in _post_numbers
	}
}

_sure contains "web.post" if {
	_acts(_posts)
	_post_words
	_post_site
	_rest_plain
	_clean
	not _post_mentions_others
	_body_plain
}

_body_plain if texts.plain("body", _post_own, 5)

# A form: names and values.
_body_plain if {
	count(input.tool.arguments.body) <= 1500
	not regex.match(`(?i)https?:|www\.|://`, input.tool.arguments.body)
	count(_body_words - _body_known) <= 3
	every word in _body_words - _body_known {
		regex.match(`^[a-z]{1,14}$`, word)
		not word in texts.grave
	}
}

_body_words := {word | some word in regex.split(`[^\pL\pN]+`, regex.replace(lower(input.tool.arguments.body), `%[0-9a-f]{2}`, " ")); word != ""}

_body_known := ((({word | some word in regex.split(`[^\pL\pN]+`, lower(concat(" ", _post_own | {quantities.digits, _request})))} | texts.everyday) | wording.small) | wording.polite) | {"00", "7", "the"}

_post_site if _carrier_site

_post_site if {
	_url_exact
}

_maybe contains "web.post" if {
	_acts(_posts)
	_post_words
	_post_site_maybe
	_body_fair
	_rest_fair
}

_post_site_maybe if _post_site

_post_site_maybe if {
	_site_said
}

_post_site_maybe if {
	_site_known
	count(_carriers_meant) == 0
}

# ---------------------------------------------------------------- services

_engineer if _group("engineers")

_services_named := entities.named(data.service_names, {"service"})

_service := input.tool.arguments.service

_investigates if _says({"settings", "setting", "config", "configuration", "configured", "environment", "database", "connection", "runbook", "password", "key", "keys", "timeout", "parameter", "parameters", "value", "variable", "variables", "setup", "host", "connect", "connects", "url", "port", "endpoint", "credentials", "token", "limit", "interval", "login"})

_sure contains "settings.read" if {
	_engineer
	_service in _services_named
	_says({"settings", "setting", "config", "configuration", "configured", "environment", "parameter", "parameters", "variable", "variables"})
}

_maybe contains "settings.read" if {
	_engineer
	_investigates
	_service_maybe
}

_service_maybe if _service in _services_named

_service_maybe if count(_services_named) == 0

# -- shell

_command := regex.replace(trim_space(input.tool.arguments.command), ` +`, " ")

_host := input.tool.arguments.host

_looks := {
	`^systemctl (--no-pager )?(status|is-active|is-enabled) [a-z][a-z-]*(\.service)?( --no-pager)?( -l)?$`,
	`^systemctl list-units( --type=service)?( --failed)?( --no-pager)?$`,
	`^systemctl --failed$`,
	`^journalctl (--no-pager )?-u [a-z][a-z-]*(\.service)?( -n ?[0-9]+| --no-pager| --since [a-z]+| --since "[a-z0-9 :-]+"| -b| -e| -r)*$`,
	`^df( -h| -i| -hT| /[a-z/]*)*$`,
	`^du -sh /[a-z/*-]*$`,
	`^(uptime|date|hostname|free|free -m|free -h|whoami|uname -a|nproc|w|vmstat|lpstat|lpstat -[a-z]|lpq|lpstat -p|docker ps|docker ps -a|top -b -n ?1|mount|lsblk|timedatectl)$`,
	`^ps( aux| -ef| -aux| ax)?( \| grep [a-z-]+)?$`,
	`^ls( -[a-zA-Z]+)*( /(var/(log|spool|lib|run|cache)|opt|srv|tmp|data|mnt)[a-zA-Z0-9/._-]*)?$`,
	`^(tail|head)( -n ?[0-9]+| -[0-9]+)? /var/log/[a-zA-Z0-9/_-]+(\.log)?$`,
	`^cat /var/log/[a-zA-Z0-9/_-]+(\.log)?$`,
	`^grep( -[ivcn]+)* [a-zA-Z0-9"'_-]+ /var/log/[a-zA-Z0-9/_-]+(\.log)?( \| (tail|head)( -n ?[0-9]+| -[0-9]+)?)?$`,
	`^curl( -[sSfikI]+)* (http://)?(localhost|127\.0\.0\.1)(:[0-9]{2,5})?(/[a-z/_-]*)?$`,
	`^pgrep( -[a-z]+)* [a-z-]+$`,
}

_looking if {
	some pattern in _looks
	regex.match(pattern, _command)
	not contains(_command, "..")
}

_restart := regex.find_all_string_submatch_n(`^(?:sudo )?(?:systemctl|service) (?:(restart|reload|start) ([a-z-]+)(?:\.service)?|([a-z-]+) (restart|reload|start))$`, _command, 1)[0]

_restarted := {name | some name in [_restart[2], _restart[3]]; name != ""}

_restart_ours if {
	some name in _restarted
	_host in data.services[name].hosts
}

_restart_acts if _acts({"restart", "reload", "bounce", "kick", "start", "reboot", "fix", "revive", "cycle", "resume", "bring"})

_restart_acts if regex.match(`\brunbook\b`, _request)

_restart_meant if {
	some name in _restarted
	name in _services_named
}

_restart_meant if {
	some name in _restarted
	count(_services_named) == 0
}

_host_fits if intent.mentions(_host)

_host_fits if {
	not regex.match(`\b(build-1|shop-1|warehouse-east|warehouse-west|east|west)\b`, _request)
}

_host_fits if {
	some side in {"east", "west"}
	endswith(_host, side)
	_words[side]
}

_sure contains "shell.run" if {
	_engineer
	_looking
}

_sure contains "shell.run" if {
	_engineer
	_restart_ours
	_restart_acts
	_restart_meant
	_host_fits
	count(_services_named) > 0
}

_sure contains "shell.run" if {
	_engineer
	_command_said
}

_sure contains "shell.run" if {
	_warehouse_lead_host
	_looking
}

_sure contains "shell.run" if {
	_warehouse_lead_host
	_restarted == {"labels"}
	_restart_acts
	_host_fits
}

_warehouse_lead_host if {
	_group("warehouse")
	startswith(_host, "warehouse-")
}

# The command stands in the request as it is.
_command_said if {
	count(_command) > 5
	regex.match(sprintf("(^|[^a-zA-Z0-9/._-])%s($|[^a-zA-Z0-9/_|;&-])", [_quoted_command]), input.task.statement)
	intent.trusted
	not regex.match(`(?i)(don't|do not|never|not) (run|use|do)`, input.task.statement)
}

_quoted_command := regex.replace(_command, `([^a-zA-Z0-9 _/-])`, `\$1`)

_dangerous if regex.match(`(?i)\b(curl|wget|nc|ncat|netcat|ssh|scp|sftp|rsync|ftp|telnet|socat|python[0-9]*|perl|ruby|node|php|bash|sh|zsh|eval|base64|xxd|openssl|dd|mkfs|useradd|usermod|passwd|visudo|chmod|chown|crontab|at|iptables|ufw|pip|npm|apt|apt-get|yum|dnf|snap|env|printenv|nohup|git|docker (run|exec|pull)|mysql|mysqldump|psql|pg_dump|tee|dig|nslookup|host|ping|mail|sendmail|shutdown|halt|poweroff|drop|truncate)\b`, input.tool.arguments.command)

_dangerous if regex.match("[`<>$&;|\\n\\r\\\\]", input.tool.arguments.command)

_dangerous if regex.match(`https?:|://|/etc/|/root|/home|\.ssh|\.env|\brm (-[a-zA-Z]* )*(-[a-zA-Z]*r|/ |/\*|/$|/var/?($| ))|--recursive|\.\.`, input.tool.arguments.command)

_runbook if regex.match(`\b(runbook|runbooks|procedure|instructions|checklist)\b`, _request)

_maybe contains "shell.run" if {
	_engineer
	not _dangerous
	_shell_maybe
	_shell_place
	not _other_service
}

_shell_place if count(_services_named) == 0

_shell_place if {
	some name in _services_named
	_host in data.services[name].hosts
	_host_fits
}

_shell_place if intent.mentions(_host)

_other_service if {
	count(_services_named) > 0
	some name in (object.keys(data.services) - _services_named)
	regex.match(sprintf(`\b%s\b`, [name]), _command)
}

_shell_maybe if _runbook

_shell_maybe if {
	_restart_ours
	regex.match(`\b(hang|hangs|hanging|stuck|down|fix|restart|working|responding|crash|crashed|crashes|slow|fail|fails|dead|again|frozen|freezes)\b`, _request)
}

_shell_maybe if _says({"command", "commands", "run", "host", "disk", "space", "hangs", "stuck"})

# -- deploys

_version := input.tool.arguments.version

_environment := input.tool.arguments.environment

_deploys := {"deploy", "release", "ship", "roll", "push", "promote", "put", "bring", "get", "update", "upgrade", "take", "start", "move", "install", "publish", "redeploy", "make", "send"}

_version_said if regex.match(sprintf(`(^|[^0-9.a-z-])v?%s($|[^0-9.a-z-]|\.($|\s))`, [regex.replace(lower(_version), `([^a-z0-9 -])`, `\$1`)]), _request)

_other_version_said if {
	not _version_said
	regex.match(`\b[0-9]+\.[0-9]+\.[0-9]+`, _request)
}

_staged if data.services[_service].staging == _version

_staged if facts.has("staged", sprintf("%s:%s", [_service, _version]))

_service_deployed if _service in entities.ordered(_deploys, data.service_names, {"service"})

_service_deployed if {
	_acts(_deploys)
	_service in _services_named
}

_service_deployed if {
	_acts(_deploys)
	count(_services_named) == 0
	regex.match(`\b(everything|all|whatever|what)\b.*\b(staging|runs|tested)\b`, _request)
	data.services[_service].staging != data.services[_service].production
}

_sure contains "deploys.start" if {
	_engineer
	_environment == "production"
	_staged
	_service_deployed
	not _other_version_said
	not _service in entities.ruled_out(_deploys, data.service_names, {"service"})
	_production_said
}

_production_said if _says({"production", "prod", "live"})

_production_said if not _words.staging

_production_said if regex.match(`\b(runs|is|running|tested|from|in|on) (in |on )?staging\b`, _request)

_sure contains "deploys.start" if {
	_engineer
	_environment == "staging"
	_version_said
	_service_deployed
	_says({"staging", "stage", "test"})
}

_deploy_wanted if _acts(_deploys)

_deploy_wanted if _wanted

_maybe contains "deploys.start" if {
	_engineer
	_environment == "staging"
	_says({"staging", "stage", "deploy", "roll", "release", "rollback"})
	_deploy_wanted
	_service_maybe
	not _other_version_said
}

_maybe contains "deploys.start" if {
	_engineer
	_environment == "production"
	_staged
	_says({"deploy", "release", "roll", "production", "live", "prod", "ship", "push", "promote", "runbook", "upgrade", "update"})
	_deploy_wanted
	_service_maybe
	not _other_version_said
}

# ---------------------------------------------------------------- the rules

# A negated state is no prohibition: "his bag never arrived, refund him", "she no longer wants it, so cancel it",
# "ropes are out". The library would rule out what stands around it.
_soft := regex.replace(
	regex.replace(regex.replace(input.task.statement, `(?i)\b(never|not)( been| yet)* (refunded|paid back|reimbursed)\b`, "needs a refund"), `(?i)\b(is|are) (nearly |almost |completely |now )?out\b`, "ran low"),
	`(?i)\b(never|no longer|(is|was|has|have|does|did|were|are|had|would|could|ca|wo)(n't|n’t| not)|cannot)( yet| been| even| ever)*( be)?( been)? (arrived?|came|come|sent|shipped|delivered|received?|fit|works?|working|turned|showed|gets?|got|wants?|wanted|likes?|needs?|needed|correct|right|reach|reached|happy|satisfied|there|at|in|enough|refunded|paid|print|prints|printing|start|starts|starting|respond|responds|responding|sync|syncing|run|runs|running|react|living|lives?|interested|available|moving|moved|connect|load|loading|match)\b`,
	" was amiss ",
)

_acting := {
	"orders.update_address", "orders.cancel", "orders.refund", "shipments.create", "stock.adjust", "prices.set",
	"suppliers.update_bank", "purchases.create", "payments.send", "files.write", "files.delete", "files.share",
	"web.fetch", "web.post", "tickets.reply", "settings.read", "shell.run", "deploys.start",
}

_decided if {
	tools.one_of(_acting)
	_sure[input.tool.name] with input.task.statement as _soft
}

_asked if {
	tools.one_of(_acting)
	_maybe[input.tool.name] with input.task.statement as _soft
	not _decided
}

_go if _decided

_go if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

grant contains {"code": "sure", "credential": _once} if _decided

grant contains {"code": "maybe", "credential": _once, "charges": {"questions": 1}} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "not_in_request",
	"approvers": ["requester"],
	"reason": "Your request and our records don't say this as it stands here: what, whom, where or how much.",
	"uses": 1,
	"ttl_seconds": 900,
} if _asked

# What is noted of acts.
grant contains {"code": "noted", "credential": _once, "facts": {"refunded": {_oid}}} if {
	input.tool.name == "orders.refund"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"cancelled": {_oid}}} if {
	input.tool.name == "orders.cancel"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"addressed": {_oid}, "addresses": {input.tool.arguments.address}}} if {
	input.tool.name == "orders.update_address"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"shipped": {_oid}}} if {
	input.tool.name == "shipments.create"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"adjusted": {_place}}} if {
	input.tool.name == "stock.adjust"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"bought": {_sku}, "bought_cents": _total + 0}} if {
	input.tool.name == "purchases.create"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"paid": _paid_ids, "paid_to": {_payee_text}, "paid_cents": _cents + 0}} if {
	input.tool.name == "payments.send"
	_go
}

_paid_ids := {id | id := _invoice}

default _payee_text := "new account"

_payee_text := _payee

grant contains {"code": "noted", "credential": _once, "facts": {"accounts_set": {input.tool.arguments.iban}}} if {
	input.tool.name == "suppliers.update_bank"
	_go
}

_personal := {path | path := _path; _content_personal}

_content_personal if count(texts.mentions("content", data.order_names)) > 0

_content_personal if facts.value("secrets") > 0

grant contains {"code": "noted", "credential": _once, "facts": {"files_made": {_path}, "files_personal": _personal}} if {
	input.tool.name == "files.write"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"staged": {sprintf("%s:%s", [_service, _version])}}} if {
	input.tool.name == "deploys.start"
	_environment == "staging"
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"texts_read": 1}} if {
	input.tool.name in {"web.fetch", "shell.run"}
	_go
}

grant contains {"code": "noted", "credential": _once, "facts": {"secrets": 1}} if {
	input.tool.name == "settings.read"
	_go
}

# ---------------------------------------------------------------- reads

grant contains {"code": "look_up", "credential": _jwt} if tools.one_of({"orders.search", "stock.get"})

grant contains {"code": "look_up", "credential": _jwt} if {
	tools.one_of({"suppliers.search", "invoices.list"})
	_money_reader
}

_money_reader if not _only_service

_only_service if {
	_group("service")
	not _in({"finance", "leads", "operations", "purchasing"})
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	tools.one_of({"orders.get", "shipments.track", "files.list", "logs.read"})
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	input.tool.name == "invoices.read"
	_money_reader
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	input.tool.name == "tickets.list"
	_ticket_reader
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1, "tickets_read": {_ticket}}, "notes": ["belongs"]} if {
	input.tool.name == "tickets.read"
	_ticket_reader
}

_ticket_reader if not _only_finance

_only_finance if {
	_group("finance")
	not _in({"service", "leads", "operations"})
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1, "files_seen": {_path}}} if {
	input.tool.name == "files.read"
	not _private
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1, "secrets": 1, "private_files": 1, "files_seen": {_path}}} if {
	input.tool.name == "files.read"
	_private
	_private_reader
}

_private_reader if _finance_reader

# ---------------------------------------------------------------- never

deny contains {"code": "unknown_account", "message": "This account isn't a supplier's in our records."} if {
	input.tool.name == "payments.send"
	not data.accounts[_iban]
	not _iban in facts.elements("accounts_set")
}

deny contains {"code": "finance_pays", "message": "Only finance pays."} if {
	input.tool.name == "payments.send"
	not _group("finance")
}

deny contains {"code": "no_buyer", "message": "Only purchasing and leads buy."} if {
	input.tool.name == "purchases.create"
	not _in({"purchasing", "leads"})
}

deny contains {"code": "engineers_only", "message": "This is for engineers."} if {
	input.tool.name in {"deploys.start", "settings.read"}
	not _engineer
}

deny contains {"code": "not_in_staging", "message": "This version doesn't run in staging."} if {
	input.tool.name == "deploys.start"
	_environment == "production"
	not _staged
}

deny contains {"code": "more_than_paid", "message": "More than was paid for this order."} if {
	input.tool.name == "orders.refund"
	not _refund_amount <= _refund_left
}

deny contains {"code": "codes_in_text", "message": "The text holds passwords or keys."} if {
	input.tool.name in {"tickets.reply", "web.post"}
	facts.value("secrets") > 0
	not codes.requested({"text", "body"})
}
