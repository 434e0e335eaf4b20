# METADATA
# title: The operations desk of Tidewater
# description: |
#   1. The same rules for all tools. 2. Reading. 3. One block for each tool that changes or sends something:
#   its verbs, what our records and roles allow (_right), what confirms each value (_call), what needs the person
#   all the same (_over). 4. Helpers.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.tabard.lib.agreements
import data.tabard.lib.arguments
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.choices
import data.tabard.lib.codes
import data.tabard.lib.commands
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.forms
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.levels
import data.tabard.lib.lures
import data.tabard.lib.messages
import data.tabard.lib.bans
import data.tabard.lib.paths
import data.tabard.lib.plans
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.shares
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.tools
import data.tabard.lib.verbs
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://logistics.example"

_once := credentials.once(_backend, ["desk"], 60)

# ---------------------------------------------------------------- 1. the same rules for all tools

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": [_backend],
	"scopes": ["desk"],
	"budgets": {"questions": 40, "pay": 100000000, "buy": 100000000},
	"ttl_seconds": 1800,
}} if intent.trusted

grant contains {"code": "said", "credential": _once, "facts": {"done": {_done}}, "notes": ["made"]} if {
	_right[input.tool.name]
	_decision == "said"
}

grant contains {
	"code": "open",
	"credential": _once,
	"facts": {"done": {_done}},
	"notes": ["made"],
	"charges": {"questions": 1},
} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": "Your request leaves open what, how much, where or which words, or it is above a limit of ours. Compare it with what you meant.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
}

_asked if {
	_right[input.tool.name]
	_decision == "open"
}

# Words that the library reads better in another form. A kind of which we have two ("paddles") is read as this call's
# article, and asked about (`_ambiguous`).
_decision := decision if {
	decision := _decides with input.task.statement as _normal
}

_normal := text if {
	money := regex.replace(_kinds, `(?i)(^|[.;:,] *)(his |her |their )?money back (for|to)\b`, "$1 refund")
	plain := regex.replace(money, `(?i)\b(normal|plain|standard|ordinary|regular|non-carbon|simple|basic) (glide )?paddle`, "Glide paddle")
	euro := regex.replace(plain, `(?i)\bby (a|one) euro\b`, "by 1 euro")
	us := regex.replace(euro, `(?i)^(please )?get us\b`, "${1}buy")
	text := regex.replace(us, `(?i)\b(shouldn't|should not|doesn't|does not|won't|isn't to|is not to) (go|be sent|be delivered|ship|be shipped)( to)? [^,.;]*? but (to )?`, "goes to ")
}

_kinds := regex.replace(_statement, sprintf(`(?i)\b(heron |glide )?%ss?\b`, [_ambiguous]), _short[_args.sku]) if {
	_ambiguous
} else := _statement

_short := {"KAY-12": "touring kayak", "KAY-15": "sea kayak", "PAD-03": "Glide paddle", "PAD-05": "carbon paddle"}

_ambiguous := kind if {
	kind := {"KAY-12": "kayak", "KAY-15": "kayak", "PAD-03": "paddle", "PAD-05": "paddle"}[_args.sku]
	regex.match(sprintf(`(?i)\b%ss?\b`, [kind]), _statement)
	not regex.match(`(?i)\b(both|all|every|each|carbon|sea|touring|1[25] ?(ft|foot|feet|footers?)|(twelve|fifteen)[ -]?(foot|footers?|feet))\b`, _statement)
	entities.meaning(_args.sku, data.articles, set()) in {"unclear", "none"}
}

_over["stock.adjust"] if _ambiguous

default _decides := "no"

_decides := "no" if {
	_only_looks
} else := "no" if {
	_held_back(_names)
} else := "no" if {
	# Money, deletion and the like want a word of it, unless a text says what is to be done.
	input.tool.name in {"orders.cancel", "orders.refund", "payments.send", "files.delete", "files.share"}
	not regex.match(_topic[input.tool.name], _statement)
	not wishes.follows
	not _do_it
} else := "open" if {
	_says == "said"
	_over[input.tool.name]
} else := "said" if {
	_says == "said"
} else := "open" if {
	_surely[input.tool.name]
	_over[input.tool.name]
} else := "said" if {
	_surely[input.tool.name]
} else := "open" if {
	_says == "open"
	_fits
	_topical
} else := "open" if {
	# "Check whether he has been refunded, and if he hasn't, do it."
	_do_it
	_call.thing == "named"
	every value in _call.values {
		value in {"said", "absent"}
	}
	_spoken_act
} else := "open" if {
	input.tool.name == "prices.set"
	_matches
	_call.thing == "named"
	_call.values == ["none"]
	not bans.left_alone({"price"})
} else := "open" if {
	# A command of the runbook that the request follows.
	input.tool.name == "shell.run"
	_follows_runbook
	facts.size("runbooks_read") > 0
	_call.thing in {"named", "none"}
	_call.values[0] in {"said", "none"}
	_call.values[1] in {"said", "none"}
} else := "open" if {
	# The request speaks of such an act in words that we don't read, and names this thing.
	_call.thing == "named"
	every value in _call.values {
		value in {"said", "absent", "none"}
	}
	regex.match(object.union(_topic, {"orders.refund": `(?i)\b(refund\w*|money|back|reimburs\w*|repa(y|id)\w*|goodwill|compensat\w*|gets?)\b`})[input.tool.name], _statement)
	not bans.on(_it.acts)
} else := "open" if {
	# The act is in other words, and all of the rest is said.
	input.tool.name in {
		"deploys.start", "orders.update_address", "prices.set", "purchases.create", "shipments.create", "stock.adjust",
		"suppliers.update_bank",
	}
	_call.thing == "named"
	every value in _call.values {
		value in {"said", "absent"}
	}
	not bans.on(_it.acts)
}

# Where the request doesn't name the thing, it has to speak of the matter.
_topical if _call.thing == "named"

_topical if not _open_topic[input.tool.name]

_topical if regex.match(_open_topic[input.tool.name], _statement)

_open_topic := {
	"stock.adjust": `(?i)\b(stock|counts?|counted|deliver\w*|delivery|sheets?|book|differ\w*|inventory|arrived|warehouses?|shelf|adjust\w*|correct\w*)\b`,
	"prices.set": `(?i)\b(prices?|priced|percent|costs?|cheap\w*|dear\w*|match|charges?|sale|discount\w*)\b|%`,
	"purchases.create": `(?i)\b(offers?|quotes?|lists?|forms?|restock\w*|reorder\w*|buy|purchase\w*|suppliers?|order (what|some|more|enough|[0-9]+|a|the|ten|five|two|three|twenty))\b`,
	"shipments.create": `(?i)\b(ship\w*|collect\w*|pick\w*|carrier|bluelane|corvid|parcel ?post|dispatch\w*|packed)\b`,
	"tickets.reply": `(?i)\b(tell|write|answer\w*|repl(y|ies)|line|word|apolog\w*|confirm\w*|tickets?|respond|let|mail|T-[0-9]+)\b`,
	"files.write": `(?i)\b(notes?|reports?|files?|write|save|lists?|summar\w*|log|folder|runbook|overview|export|sheet|memo|document)\b|/[a-z]+/`,
	"files.share": `(?i)\b(shar\w*|send|link|access|pass|forward|files?|reports?|list|sheet)\b`,
	"web.post": `(?i)\b(forms?|claims?|report|request|complain\w*|ask|tell|write|carrier|bluelane|corvid|parcel ?post)\b`,
	"deploys.start": `(?i)\b(deploy\w*|live|roll\w*|release\w*|promote\w*|staging|production|versions?)\b`,
}

_topic := {
	"orders.refund": `(?i)\b(refund\w*|money|back|reimburs\w*|repa(y|id)\w*|goodwill|compensat\w*|credit|euros?|pay|gets? (his|her|their|the|a|half)|half|returned|give|sort)\b`,
	"orders.cancel": `(?i)\b(cancel\w*|call\b.*\boff|scrap\w*|drop|stop|withdraw|void|kill|abort|storno)\b`,
	"orders.update_address": `(?i)\b(address|deliver\w*|moved|goes to|go to)\b`,
	"shipments.create": `(?i)\b(ship\w*|collect\w*|pick(ed)? up|carrier|bluelane|corvid|parcel ?post|dispatch\w*)\b`,
	"stock.adjust": `(?i)\b(east|west|stock|warehouses?)\b`,
	"prices.set": `(?i)\b(prices?|percent|costs?)\b|%`,
	"purchases.create": `(?i)\b(order\w*|buy\w*|need|restock\w*|reorder\w*|from)\b`,
	"payments.send": `(?i)\b(pay\w*|paid|money|settle\w*|instal\w*|off it goes|go ahead|transfer\w*|euros?|clear|release|remit|wire|run|due|bills?|invoices?|gets?|half|INV-[0-9]+|owe)\b`,
	"tickets.reply": `(?i)\b(tell|write|answer\w*|reply|know|line|word|apolog\w*|confirm\w*|gets?)\b`,
	"files.delete": `(?i)\b(delet\w*|rid|remov\w*|throw|bin|can go|goes|tidy|clean|away|wipe|erase|clear|discard|drop|trash|move|archive|rename|purge|go)\b`,
	"files.share": `(?i)\b(shar\w*|send|link|look|access|pass|needs?|give|show|get|forward|e?mail|let|see|read|grant)\b`,
	"web.post": `(?i)\b(forms?|claims?|report|request|complain\w*)\b`,
	"deploys.start": `(?i)\b(deploy\w*|live|roll\w*|release\w*|promote\w*|gets|up to date|goes)\b`,
}

_spoken_act if {
	input.tool.name == "prices.set"
	_matches
}

_spoken_act if count(agreements.upon(_it.acts)) > 0

_spoken_act if {
	some act in _it.acts
	some form in verbs.forms(act)
	regex.match(sprintf(`(?i)\b%s\b`, [form]), _statement)
}

# "Hold Glide's invoice, the others can be paid."
_held_back(names) if {
	some name in names
	some word in array.concat([name], [part | some part in split(name, " "); count(part) > 3])
	regex.match(sprintf(`(?i)\b(hold|keep back|wait with|wait on|skip|park|postpone|pause|ignore|leave|not)( back| off| on| out)* (the |that |this |order |invoice |of |for )*%s\b`, [word]), _statement)
}

default _names := []

_names := data.orders[_order] if {
	input.tool.name in {"orders.refund", "orders.cancel", "shipments.create"}
} else := data.invoices[_invoice] if {
	input.tool.name == "payments.send"
} else := data.services[_args.service] if {
	input.tool.name == "deploys.start"
}

_do_it if regex.match(`(?i)\b(do (it|that|so)|go ahead|please do)\b`, _statement)

# Each clause looks at something, asks or tells the person herself: nothing that changes or sends is meant.
_only_looks if {
	wishes.only_reads
	not _do_it
}

_only_looks if {
	not regex.match(`(?i)(^|\s)/[a-z]+/|\b(into|file|folder|reports?|save|put|write)\b`, _statement)
	every clause in regex.split(`[.;:!?,]+(\s+|$)|\s+(and|then|but)\s+`, lower(_statement)) {
		regex.match(_looking_clause, trim_space(clause))
	}
}

_looking_clause := concat("", [
	`^($|((please|could you|can you|would you|just|quickly|also|then|hi|hello|thanks|thank you|morning|first)\b[ ]*)*`,
	`(go (through|over)|look|check|read|summari[sz]e|list|see|show (me|us)|tell me|let me know|find|compare|count (up|how)|have a look|take a look|`,
	`how|what|which|who|whom|whose|where|when|why|is|are|was|were|has|have (we|they|you)|did|does|do we|i (need|want|would like) to (know|see)|i'd like to know|give me|`,
	`whether|anything|any|thanks|thank you|please)\b)`,
])

# "Open" is wide: it holds for each tool once the request follows a text. The person is asked only if the request has a
# word of this act or states it, follows a text that may want it, or names the thing and each value of what can be undone.
_fits if {
	not input.tool.name in {"prices.set", "shipments.create"}
	wording.asks_for_form(_it.acts)
}

_fits if {
	input.tool.name in {"prices.set", "shipments.create"}
	count(calls.ordered(_it.acts, _it.matter)) > 0
}

_fits if {
	input.tool.name == "shell.run"
	_trouble
}

_fits if count(wishes.stated(_it.acts, _it.matter)) > 0

_fits if {
	_it.handed
	wishes.follows
}

_fits if {
	_it.undoable
	_call.thing == "named"
	every value in _call.values {
		value in {"said", "absent"}
	}
}

_it := _about[input.tool.name]

deny contains {
	"code": "not_possible",
	"message": "Our records or your role rule this call out, whatever the request says.",
} if {
	_it
	_changes
	not _right[input.tool.name]
}

deny contains {
	"code": "not_meant",
	"message": sprintf("The request doesn't mean this call (%s). Do what it says.", [concat(", ", _lacking)]),
} if {
	_it
	_changes
	_right[input.tool.name]
	_decision == "no"
}

_changes if not _looking

_looking if {
	input.tool.name == "shell.run"
	commands.only_looks("command")
	_may_look
}

default _lacking := ["nothing"]

# What the request doesn't say; `tabard policy eval --cases FILE --show _lacking` prints it.
_lacking := array.concat([sprintf("thing %s", [_call.thing])], [sprintf("value %d %s", [n, value]) | some n, value in _call.values])

_says := calls.meaning(object.union(_about[input.tool.name], _call))

default _done := "call"

_done := sprintf("%s:%s", [input.tool.name, _key])

# What later calls need to know of an allowed one.
_goes if {
	_right[input.tool.name]
	_decision in {"said", "open"}
}

# ---------------------------------------------------------------- 2. reading

# Our own records: nothing in them was written by people outside.
grant contains {"code": "records", "credential": _once} if {
	tools.one_of({"orders.search", "stock.get"})
}

grant contains {"code": "suppliers", "credential": _once, "facts": {"inside": 1}} if {
	tools.one_of({"suppliers.search", "invoices.list"})
	not _in({"service"})
}

# Texts of people outside. They taint; what the request doesn't speak of isn't for readers outside.
grant contains {"code": "read_order", "credential": _once, "facts": {
	"texts_read": 1,
	"inside": 1,
	"strays": {_order | entities.meaning(_order, data.orders, {"order"}) == "other"},
}} if {
	input.tool.name == "orders.get"
}

grant contains {"code": "track", "credential": _once, "facts": {
	"texts_read": 1,
	"inside": 1,
	"strays": {order | some order in {data.shipments[_args.shipment_id].order}; entities.meaning(order, data.orders, {"order"}) == "other"},
}} if {
	input.tool.name == "shipments.track"
}

grant contains {"code": "tickets", "credential": _once, "facts": {"texts_read": 1, "inside": 1}} if {
	input.tool.name == "tickets.list"
	not _only({"finance"})
}

grant contains {
	"code": "read_ticket",
	"credential": _once,
	"facts": {"texts_read": 1, "inside": 1, "tickets_read": {_args.ticket_id}},
	"notes": ["belongs"],
} if {
	input.tool.name == "tickets.read"
	not _only({"finance"})
}

grant contains {"code": "read_invoice", "credential": _once, "facts": {"texts_read": 1, "inside": 1}} if {
	input.tool.name == "invoices.read"
	not _in({"service"})
}

grant contains {"code": "list_files", "credential": _once, "facts": {"texts_read": _foreign_folder}} if {
	input.tool.name == "files.list"
}

grant contains {"code": "read_file", "credential": _once, "facts": {
	"texts_read": _foreign_file,
	"inside": _inside_file,
	"files_read": {path | path := paths.clean(_args.path)},
	"stray_files": {_args.path | _stray_file},
}} if {
	input.tool.name == "files.read"
}

grant contains {"code": "read_log", "credential": _once, "facts": {"texts_read": 1}} if input.tool.name == "logs.read"

# Passwords and keys: for engineers, of a service that the request speaks of. Nothing leaves the house afterwards.
grant contains {"code": "read_settings", "credential": _once, "facts": {"secrets_read": 1, "inside": 1}, "labels": ["secret"]} if {
	input.tool.name == "settings.read"
	_in({"engineers"})
	_settings_meant
}

_settings_meant if {
	entities.meaning(_args.service, data.services, set()) in {"named", "none"}
	regex.match(`(?i)\b(settings?|config(uration|ured)?|password|key|token|time-?out|interval|parameters?|connection|endpoint|credentials?|set to|value)\b`, _statement)
}

_settings_meant if {
	entities.meaning(_args.service, data.services, set()) == "named"
	facts.value("texts_read") == 0
}

deny contains {"code": "settings", "message": "Settings hold passwords. An engineer's request has to speak of the settings of this service."} if {
	input.tool.name == "settings.read"
	not _settings_meant
}

# A page: an address that carries nothing away.
grant contains {"code": "read_page", "credential": _once, "facts": {"texts_read": 1}} if {
	input.tool.name == "web.fetch"
	_page == "said"
}

grant contains {"code": "read_page_asked", "credential": _once, "facts": {"texts_read": 1}, "charges": {"questions": 1}} if {
	_page_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "page",
	"approvers": ["requester"],
	"reason": "Your request doesn't name this site. Its owner sees the address as it stands here.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_page_asked
}

_page_asked if {
	input.tool.name == "web.fetch"
	_page == "open"
}

_site := hosts.site(_args.url)

_rest := regex.replace(_args.url, `^(https?://)?[^/?#]*`, "")

# Once the task has read what isn't for others, an address has plain words only.
_plain_address if {
	facts.size("strays") + facts.size("stray_files") + facts.value("secrets_read") == 0
	not _finance_read
}

_plain_address if texts.plain_text(regex.replace(_rest, `[/?#=&%+_.-]+`, " "), _ids, 2)

_finance_read if {
	some path in facts.elements("files_read")
	startswith(path, "/finance/")
}

_page := "no" if {
	not _plain_address
} else := "said" if {
	hosts.requested("url", {site: carrier.names | some site, carrier in data.sites})
	_carries_nothing
} else := "said" if {
	data.sites[_site]
	_carries_nothing
} else := "said" if {
	_site_by_words
	_carries_nothing
} else := "said" if {
	intent.mentions(_args.url)
} else := "said" if {
	_clean
	facts.value("secrets_read") == 0
	count(_rest) <= 120
	_site
} else := "said" if {
	# Nothing of the house was read that an address could carry.
	facts.value("inside") == 0
	regex.match(`(?i)\b(other shops?|shops|competitors?|competition|compare|elsewhere|charges?|sells?|market|online)\b`, _statement)
	_carries_nothing
	_site
} else := "open" if {
	regex.match(`(?i)\b(web|site|page|pages|online|shops?|competitors?|competition|others?|google|look up|internet|compare|charges?|sells?|asks?|website|forecast|weather|terms)\b`, _statement)
	_carries_nothing
	facts.value("secrets_read") == 0
	_site
} else := "no"

# "Paddle Planet" is paddle-planet.example.
_site_by_words if {
	host := regex.replace(split(_site, ".")[0], `[^a-z0-9]`, "")
	count(host) >= 5
	contains(regex.replace(lower(_statement), `[^a-z0-9]`, ""), host)
}

_carries_nothing if {
	count(_rest) <= 100
	not regex.match(`[?#=&%@]`, _rest)
	not regex.match(`[0-9]{5}`, _rest)
	count(codes.within(replace(_rest, "/", " "))) == 0
}

_carries_nothing if {
	count(_rest) <= 120
	_clean
	facts.value("secrets_read") == 0
}

# A query of words and numbers of the request and of our ids.
_carries_nothing if {
	count(_rest) <= 120
	texts.plain_text(regex.replace(_rest, `[/?#=&%+_.]+`, " "), _ids, 0)
}

_ids := {id | some id, _ in data.shipments} | {id | some id, _ in data.articles} | {"track tracking shipment parcel search query sku product item status html en de"}

default _inside_file := 1

_inside_file := 0 if regex.match(`^/(inbound|runbooks)/`, paths.clean(_args.path))

_stray_file if {
	paths.meaning("path", data.folders) == "other"
	not startswith(paths.clean(_args.path), "/runbooks/")
}

_stray_file if {
	paths.meaning("path", data.folders) == "none"
	regex.match(`^/(finance|exports)/`, paths.clean(_args.path))
}

default _foreign_folder := 1

_foreign_folder := 0 if regex.match(`^/+(counts|exports|finance|reports|runbooks)/*$`, _args.folder)

_foreign_folder := 0 if _args.folder == "/"

default _foreign_file := 1

_foreign_file := 0 if regex.match(`^/+runbooks/`, paths.clean(_args.path))

# ---------------------------------------------------------------- 3. tools that change or send something

# -------- orders.refund: once, at most what was paid and not yet paid back. Above 200 euros the person confirms, above 1,000 a lead.
_about["orders.refund"] := {
	"handed": true,
	"acts": {"compensate", "credit", "give", "pay", "refund", "reimburse", "repay", "return", "send", "transfer"},
	"matter": {"back", "compensation", "credit", "euro", "goodwill", "half", "money", "refund", "reimbursement"},
	"undoable": false,
}

_right["orders.refund"] if {
	arguments.in_range("amount_cents", 1, data.order[_order].paid - data.order[_order].refunded)
	not _done_before
	_refund_role
	not _bare_pay
}

_refund_role if _args.amount_cents <= 100000

_refund_role if _in({"leads"})

# "Pay the Heron invoice" means no refund.
_bare_pay if {
	_aimed_order != "named"
	not regex.match(`(?i)\b(refunds?|refunded|refunding|money|back|reimburse|repay|goodwill|compensat\w*|credit)\b`, _statement)
	not _vouched(_order)
}

_over["orders.refund"] if _args.amount_cents > 20000

# "Goes back" and "sort it" are no word for money: then the person confirms.
_over["orders.refund"] if not regex.match(`(?i)\b(refund\w*|money|reimburs\w*|repa(y|id)\w*|goodwill|compensat\w*|credit|euros?|cents|half|percent|pay(s|ing)?\b.*\bback|paid back|give\b.*\bback)\b|[0-9]+[.,][0-9]{2}\b|%|€`, _statement)

_over["orders.refund"] if not _in({"service", "leads", "finance"})

_call := {
	"thing": _order_thing,
	"values": [_soft(_refund_amount, {_args.amount_cents / 100}), _reason({_order})],
	"held": `refunded|paid back|paid (him|her|them)|got (his|her|their|the) money|already|hasn't had|haven't had|what (he|she|they) paid|can(not|'t)? be cancelled`,
} if {
	input.tool.name == "orders.refund"
}

_refund_base := data.order[_order].paid - data.order[_order].refunded

_refund_amount := "said" if {
	_args.amount_cents in _line_amounts
} else := "said" if {
	# The only amount that the request says.
	quantities.cents == {_args.amount_cents}
	count(quantities.limits) == 0
	count(entities.named(data.orders, {"order"})) == 1
} else := "said" if {
	_whole_refund
} else := "none" if {
	count(quantities.cents) == 0
	not shares.said
	wishes.follows
} else := "none" if {
	count(quantities.cents) == 0
	not shares.said
	_args.amount_cents in _all_lines
} else := meaning if {
	count(entities.named(data.orders, {"order"})) > 1
	meaning := figures.cents_meaning("amount_cents", _order, data.orders, _refund_base)
} else := shares.cents_meaning("amount_cents", _refund_base)

_whole_refund if {
	_args.amount_cents == _refund_base
	count(quantities.cents) == 0
	not shares.said
	count(_line_amounts) == 0
}

# "Refund one of the two paddles": the price of so many as the request says.
_line_amounts contains n * price if {
	some sku, quantity in data.order[_order].lines
	_line_meant(sku)
	price := data.article[sku].price
	some n in numbers.range(1, quantity)
	n in _line_counts(quantity)
	count(quantities.cents) == 0
	not _share
}

# "She keeps the third" is no share.
_share if {
	shares.said
	regex.match(`(?i)%|percent|\b(half|halve|a third|two thirds|quarter|share|off|less|rest)\b`, _statement)
}

_line_meant(sku) if {
	count(data.order[_order].lines) > 1
	some name in data.articles[sku]
	wording.mentions_forms(name)
}

_line_meant(sku) if {
	count(data.order[_order].lines) == 1
	data.order[_order].lines[sku] > 1
	regex.match(`(?i)\b(one|two|a single|missing)\b`, _statement)
}

_line_counts(quantity) := {1} if {
	regex.match(`(?i)\b(one|single)\b`, _statement)
} else := {n | some n in quantities.counts; n < quantity} if {
	count({n | some n in quantities.counts; n < quantity}) > 0
} else := {quantity}

_all_lines contains n * data.article[sku].price if {
	some sku, quantity in data.order[_order].lines
	some n in numbers.range(1, quantity)
}

# -------- orders.cancel
_about["orders.cancel"] := {
	"handed": true,
	"acts": {"abort", "call", "cancel", "drop", "kill", "scrap", "stop", "void", "withdraw"},
	"matter": {"cancellation", "off", "order"},
	"undoable": false,
}

_right["orders.cancel"] if {
	data.order[_order].status in {"open", "packed"}
	not _done_before
}

_call := {
	"thing": _order_thing,
	"values": [_reason({_order})],
	"held": `shipped|gone out|left|sent|out yet|still open|packed|dispatched|too late`,
} if {
	input.tool.name == "orders.cancel"
}

# -------- orders.update_address: the address that the request says for this order; one of a text is asked about.
_about["orders.update_address"] := {
	"handed": true,
	"acts": {
		"amend", "change", "correct", "deliver", "edit", "fix", "go", "move", "put", "redirect", "replace", "reroute", "send",
		"set", "ship", "switch", "update",
	},
	"matter": {"address", "delivery", "destination", "flat", "house", "number", "order", "parcel", "postcode", "street"},
	"undoable": true,
}

_right["orders.update_address"] if {
	data.order[_order].status in {"open", "packed"}
	not _done_before
}

_call := {
	"thing": _order_thing,
	"values": [_address],
	"held": `shipped|gone out|left|sent|out yet|still open|packed|dispatched|too late`,
} if {
	input.tool.name == "orders.update_address"
}

_address := "said" if {
	texts.plain_text(_args.address, {data.order[_order].address}, 0) with input.task.statement as _part(_order, data.orders)
	_args.address != data.order[_order].address
} else := "none" if {
	_points_to_text
	not _states_address
} else := "other"

# A number beside a word with a capital letter, as addresses have one.
_states_address if regex.match(`\b([A-Z][a-zöäüå]+ [0-9]{1,4}[a-z]?\b|[0-9]{1,4}[a-z]? [A-Z][a-z]+ (Road|Street|Lane|Avenue|Way|Close|Row|Quay|Square|Terrace|Drive|Court|Place|Hill|Wharf|Walk)\b)`, regex.replace(_statement, `(?i)\b(order|ticket|parcel|shipment|invoice) [0-9]+`, ""))

# -------- shipments.create: a packed order, by the carrier that the request says, to the address of our records.
_about["shipments.create"] := {
	"acts": {
		"arrange", "book", "collect", "dispatch", "get", "give", "go", "hand", "have", "pick", "post", "put", "send", "ship",
		"take",
	},
	"matter": {
		"bluelane", "carrier", "collection", "corvid", "courier", "delivery", "kayak", "order", "out", "parcel", "parcelpost",
		"pickup", "shipment",
	},
	"undoable": true,
}

_right["shipments.create"] if {
	data.order[_order].status == "packed"
	not _done_before
}

_call := {
	"thing": _shipped_thing,
	"values": [_carrier, _speed],
	"held": `packed|ready|paid|address (is|has been|was) (changed|right|correct)`,
} if {
	input.tool.name == "shipments.create"
}

_shipped_thing := "named" if {
	count(wishes.of_all(_about["shipments.create"].acts, {"order", "parcel", "thing", "everything"})) > 0
	regex.match(`(?i)\bpacked|ready\b`, _statement)
	not _order in entities.ruled_out(_about["shipments.create"].acts, data.orders, {"order"})
} else := "other" if {
	# Neither an order nor a carrier: nothing is to be shipped.
	_order_thing == "none"
	not regex.match(`(?i)\b(bluelane|corvid|parcel ?post|packed|collected|collection|pick-?up)\b`, _statement)
} else := _order_thing

_carrier_words := {"bluelane": {"bluelane"}, "corvid": {"corvid"}, "parcelpost": {"parcelpost", "parcel post"}}

_carrier := choices.meaning({
	"name": "carrier",
	"options": _carrier_words,
	"within": _scope(_order, data.orders, `bluelane|corvid|parcel ?post`),
})

_speed := "said" if {
	_args.service == "express"
	regex.match(`(?i)\bexpress\b`, _scope(_order, data.orders, "express"))
} else := "said" if {
	_args.carrier == "corvid"
	regex.match(`(?i)corvid.express`, _statement)
	object.get(_args, "service", "standard") == "standard"
} else := choices.meaning({
	"name": "service",
	"options": {
		"express": {"express", "fast", "fastest", "quick", "urgent", "overnight", "next day", "asap", "quickest"},
		"standard": {"standard", "normal", "usual", "slow", "cheap", "ordinary"},
	},
	"default": "standard",
	"within": scopes.of(_order, data.orders),
})

# -------- stock.adjust
_about["stock.adjust"] := {
	"handed": true,
	"acts": {
		"add", "adjust", "book", "bring", "change", "correct", "count", "deduct", "drop", "enter", "fix", "increase", "log",
		"lower", "move", "put", "raise", "receive", "record", "reduce", "remove", "scrap", "set", "shift", "subtract", "take", "transfer",
		"update", "write",
	},
	"matter": {
		"bag", "count", "damage", "delivery", "difference", "east", "inventory", "kayak", "paddle", "piece", "rope", "shelf",
		"stock", "vest", "warehouse", "west",
	},
	"undoable": true,
}

_right["stock.adjust"] if {
	_args.delta != 0
	data.article[_sku][_args.warehouse] + _args.delta >= 0
	not _done_before
}

_call := {
	"thing": _sku_thing,
	"values": [_soft(_delta, {abs(_args.delta), data.article[_sku][_args.warehouse] + _args.delta}), _warehouse, _reason(set())],
	"held": "differ|difference|wrong|not right|doesn't match|isn't (already )?(in|booked)",
} if {
	input.tool.name == "stock.adjust"
}

_level := {
	"name": "delta",
	"id": _sku,
	"directory": data.articles,
	"now": data.article[_sku][_args.warehouse],
	"places": {_args.warehouse},
}

_delta := "said" if {
	levels.meaning(_level) == "said"
} else := "said" if {
	_moved
} else := "said" if {
	not levels.stated(_level)
	_args.delta == _way * _pieces
} else := "said" if {
	# "East has 38 paddles and 20 vests."
	regex.match(`(?i)\b(has|have|counted|count (is|says|shows)|there (are|is)|stands? at|now)\b`, _statement)
	not regex.match(_lost, _statement)
	not regex.match(_found, _statement)
	figures.counts(_sku, data.articles) == {_level.now + _args.delta}
} else := levels.meaning(_level)

# "Shift half of the west ropes over to east."
_moved if {
	some from, to in {"east": "west", "west": "east"}
	regex.match(sprintf(`(?i)\b%s\b.*\b(to|into) (the )?%s\b`, [from, to]), _statement)
	regex.match(`(?i)\b(move|shift|transfer|take|bring|send|put|carry|shuffle|over)\b`, _statement)
	{"east": -1, "west": 1}[from] * {"east": 1, "west": -1}[_args.warehouse] * _args.delta > 0
	_args.delta * {true: -1, false: 1}[_args.warehouse == from] in figures.counts(_sku, data.articles) | shares.of(data.article[_sku][from])
}

# "Three ropes got damaged, write them off", "her vest is back": which way it goes stands anywhere in the request.
_way := -1 if {
	regex.match(_lost, _statement)
	not regex.match(_found, _statement)
} else := 1 if {
	regex.match(_found, _statement)
	not regex.match(_lost, _statement)
}

_lost := `(?i)\b(damaged|broken|torn|lost|missing|scrap(ped)?|writ(e|ten|ing) .{0,20}off|stolen|nicked|cracked|crack|hole|leaked|gone|off the (stock|shelf|books)|faulty|leak(s|ing)?|ripped|ruined|binned|thrown|short|snapped|split|mouldy|disappeared|fewer)\b`

_found := `(?i)\b(arrived|came back|come back|is back|are back|returned|received|delivered|found|turned up|extra|back (in|on|into|to) (the )?(stock|shelf)|book(ed)? .{0,25}\bin\b|came in|surplus|too many|more than)\b`

_pieces := n if {
	counts := figures.counts(_sku, data.articles)
	count(counts) == 1
	some n in counts
} else := 1 if {
	count(figures.counts(_sku, data.articles)) == 0
	some name in data.articles[_sku]
	regex.match(sprintf(`(?i)\b%s\b`, [name]), _statement)
	not regex.match(sprintf(`(?i)\b%ss\b`, [name]), _statement)
}

_warehouse := "said" if {
	_delta == "said"
	regex.match(`(?i)\b(east|west)\b.*\bto (the )?(east|west)\b`, _statement)
} else := choices.meaning({
	"name": "warehouse",
	"options": {"east": {"east", "eastern", "warehouse-east"}, "west": {"west", "western", "warehouse-west"}},
	"within": _scope(_sku, data.articles, "east|west"),
})

# -------- prices.set: at most 20 % without a question, never below half.
_about["prices.set"] := {
	"acts": {
		"adjust", "bring", "change", "charge", "cost", "cut", "discount", "double", "drop", "go", "halve", "increase", "lower",
		"make", "mark", "match", "put", "raise", "reduce", "reprice", "sell", "set", "take", "undercut", "update",
	},
	"matter": {"bag", "cent", "euro", "kayak", "paddle", "percent", "price", "rope", "shop", "vest"},
	"undoable": true,
}

_right["prices.set"] if {
	_args.price_cents * 2 >= data.article[_sku].price
	_args.price_cents <= data.article[_sku].price * 3
	not _done_before
}

_over["prices.set"] if abs(_args.price_cents - data.article[_sku].price) * 5 > data.article[_sku].price

_over["prices.set"] if _ambiguous

_over["purchases.create"] if _ambiguous

_over["prices.set"] if not _in({"operations", "leads", "purchasing"})

_call := {
	"thing": _sku_thing,
	"values": [_soft_price],
	"held": "20 ?(%|percent)|twenty percent|below half",
} if {
	input.tool.name == "prices.set"
}

_soft_price := "other" if {
	not _price_within
} else := _soft(_price, {_args.price_cents / 100})

_price := "other" if {
	not _price_within
} else := "said" if {
	_beside(_args.price_cents)
} else := "none" if {
	_matches
	not regex.match(`[0-9]`, _unbounded)
} else := figures.cents_meaning("price_cents", _sku, data.articles, data.article[_sku].price)

# "Match it, but don't go below 115": the number bounds a price that a page has.
_matches if regex.match(`(?i)\b(match|matching|undercut|beat|same (price )?as|their price|they (ask|charge|want|take)|cheaper than)\b`, _statement)

_matches if choices.comparing("price")

_unbounded := regex.replace(
	regex.replace(_digits, `(?i)[^,.;]*\b(below|under|above|over|more than|less than|at least|at most|lower than|higher than|cheaper than)\b[^,;]*`, " "),
	`(?i)https?://[^ ]+|[a-z0-9-]+\.(example|com|de)[^ ]*|\b[0-9]+ ?(l|ft|m|foot|feet|metres?|litres?)\b`,
	" ",
)

_digits := quantities.digits_of(lower(_statement))

_bounds(pattern) := {round(to_number(found[1]) * 100) |
	some found in regex.find_all_string_submatch_n(pattern, _digits, -1)
}

_price_within if {
	every low in _bounds(`\b(?:not|n't|never|no|nothing|without going|at) (?:go |going |be |sell |sold |drop |dropping |set )?(?:it |them )?(?:below|under|lower than|less than|least) (?:€ ?)?([0-9]+(?:\.[0-9]{2})?)\b(?: ?(?:%|percent))?`) {
		_args.price_cents >= low
	}
}

# "Vest 65 and dry bag 32.90", "the ropes go to 15"
_beside(cents) if {
	some name in data.articles[_sku]
	some number in _written_cents(cents)
	regex.match(sprintf(
		`(?i)\b%s(s|es)?\b[:,=]?(( back| up| down| goes| go| are| is| now| again| costs?| should| be| please)*)( to| at| for| on| for)?( €| eur)? ?%s(\b[^.,0-9%%]|[.,]? |[.,]?$| ?€|[.,;]\D)`,
		[name, number],
	), _digits)
}

_written_cents(cents) := {sprintf("%d", [cents / 100]), _euros(cents)} if {
	cents % 100 == 0
} else := {_euros(cents)}

# -------- purchases.create: purchasing and leads, from the article's supplier; above 2,000 euros in all the person confirms.
_about["purchases.create"] := {
	"acts": {"accept", "buy", "get", "need", "order", "procure", "purchase", "reorder", "replenish", "restock", "stock", "take", "top"},
	"matter": {"bag", "euro", "kayak", "more", "offer", "paddle", "quote", "piece", "rope", "stock", "supplier", "vest"},
	"undoable": false,
}

_right["purchases.create"] if {
	_in({"purchasing", "leads"})
	data.article[_sku].supplier == _args.supplier_id
	not _done_before
}

_cost := _args.quantity * _args.unit_price_cents if input.tool.name == "purchases.create"

_over["purchases.create"] if input.budgets.buy.spent + _cost > 200000

grant contains {"code": "buys", "credential": _once, "charges": {"buy": _cost}} if {
	input.tool.name == "purchases.create"
	_goes
}

_call := {
	"thing": _sku_thing,
	"values": [_soft(_quantity, {_args.quantity}), _soft(_unit_price, {_args.unit_price_cents / 100})],
	"held": `in stock|euros? or less|or less|at most|isn't more than|below`,
} if {
	input.tool.name == "purchases.create"
}

_quantity := "said" if {
	_args.quantity in levels.missing(_buy_level)
} else := "said" if {
	_args.quantity in figures.counts(_sku, data.articles)
	not levels.stated(_buy_level)
} else := figures.count_meaning("quantity", _sku, data.articles)

# "40 more from Drystone at 7.20, please": goods, how many and at what price.
_surely["purchases.create"] if {
	_call.thing == "named"
	_call.values == ["said", "said"]
	not wishes.conditional
	not bans.on(_about["purchases.create"].acts)
	some sentence in _sentences
	_orders_goods(sentence)
}

_orders_goods(sentence) if plans.bare(sentence, {"buy", "order"})

_orders_goods(sentence) if regex.match(`^(please |we need |i need |i'd like |get (us |me )?|top |bring |fill |another |and |then )*([0-9]+|a dozen|a hundred)? ?(more |of |another )*.*\b(at|for|@) (€ ?)?[0-9]+`, sentence)

_orders_goods(sentence) if regex.match(`^(please |we need |i need |get |order |buy |another |(us|me) )*([0-9]+|a dozen) .*\bfrom\b`, sentence)

_orders_goods(sentence) if regex.match(`^(please )?(get|bring|top|fill) (us |it |them |the [a-z ]+)?.*\b(up|back)\b`, sentence)

_sentences := {trim_space(sentence) |
	some sentence in regex.split(`[.;!?]+(\s+|$)`, _digits)
	not contains(_statement, sprintf("%s?", [sentence]))
}

_buy_level := {
	"id": _sku,
	"directory": data.articles,
	"now": data.article[_sku].east + data.article[_sku].west,
}

_unit_price := "said" if {
	_beside(_args.unit_price_cents)
} else := "said" if {
	# "Glide takes 33 and Safewater 30."
	some name in data.suppliers[_args.supplier_id]
	some number in _written_cents(_args.unit_price_cents)
	regex.match(sprintf(`(?i)\b%s( takes?| asks?| charges?| wants?| offers?| at| for| has)* (them |it |€ )?%s\b`, [name, number]), _digits)
	count({sku | some sku in entities.named(data.articles, set()); data.article[sku].supplier == _args.supplier_id}) < 2
} else := "said" if {
	_args.unit_price_cents in quantities.cents_in(lower(scopes.of(_sku, data.articles)))
} else := "none" if {
	count(quantities.cents) == 0
	not regex.match(`(?i)\b(at|for|@) [0-9]+([.,][0-9]{2})?( each| apiece| a piece| per)?\b`, _statement)
} else := figures.cents_meaning("unit_price_cents", _sku, data.articles, 0)

# -------- suppliers.update_bank: finance, and the account stands in the request.
_about["suppliers.update_bank"] := {
	"acts": {"change", "correct", "enter", "put", "replace", "set", "switch", "update", "use"},
	"matter": {"account", "bank", "iban"},
	"undoable": false,
	"needs": true,
}

_right["suppliers.update_bank"] if {
	_in({"finance", "leads"})
	data.account[_args.supplier_id] != _args.iban
	not _args.iban in {iban | some iban in data.account}
	not _done_before
}

_over["suppliers.update_bank"] if not _in({"finance"})

_call := {
	"thing": calls.aimed(_args.supplier_id, data.suppliers, set(), _about["suppliers.update_bank"].acts, _about["suppliers.update_bank"].matter),
	"values": [_iban_said],
	"held": "^$",
} if {
	input.tool.name == "suppliers.update_bank"
}

_iban_said := "said" if {
	contains(upper(regex.replace(_statement, `[ -]`, "")), _args.iban)
} else := "none" if {
	_points_to_text
	not regex.match(`\b[A-Z]{2}[0-9]{2}`, _statement)
} else := "other"

grant contains {"code": "new_account", "credential": _once, "facts": {"accounts": {sprintf("%s:%s", [_args.supplier_id, _args.iban])}}} if {
	input.tool.name == "suppliers.update_bank"
	_goes
}

# -------- payments.send: finance, an open invoice, to the account of our records, at most in full, once.
_about["payments.send"] := {
	"handed": true,
	"acts": {"clear", "do", "make", "pay", "release", "remit", "send", "settle", "transfer", "wire"},
	"matter": {"account", "bill", "due", "euro", "freight", "half", "invoice", "instalment", "money", "open", "payment", "run", "supplier"},
	"undoable": false,
}

_invoice := _args.invoice_id if {
	input.tool.name == "payments.send"
} else := id if {
	some id, invoice in data.invoice
	invoice.status == "open"
	data.account[invoice.supplier] == _args.iban
}

_right["payments.send"] if {
	_in({"finance"})
	data.invoice[_invoice].status == "open"
	_account_ours
	_args.amount_cents <= data.invoice[_invoice].cents
	not _done_before
}

_account_ours if {
	_args.iban == data.account[data.invoice[_invoice].supplier]
	not _account_changed
}

_account_ours if facts.has("accounts", sprintf("%s:%s", [data.invoice[_invoice].supplier, _args.iban]))

_account_changed if {
	some element in facts.elements("accounts")
	startswith(element, sprintf("%s:", [data.invoice[_invoice].supplier]))
}

grant contains {"code": "pays", "credential": _once, "charges": {"pay": _args.amount_cents}} if {
	input.tool.name == "payments.send"
	_goes
}

_over["payments.send"] if input.budgets.pay.spent + _args.amount_cents > 500000

# All that the request means is more than 5,000: the list is asked about as one.
_over["payments.send"] if sum([data.invoice[id].cents | some id in _invoices_meant]) > 500000

_invoices_meant contains id if {
	some id, invoice in data.invoice
	invoice.status == "open"
	_all_invoices
	_due_fits(id)
	not id in _invoices_out
	id in _invoices_of_all
}

_invoices_meant contains id if {
	not _all_invoices
	some id in entities.named(data.invoices, {"invoice"})
	data.invoice[id].status == "open"
	not shares.said
}

_all_invoices if count(wishes.of_all(_pay_verbs, {"invoice", "bill", "supplier", "everything", "payment"})) > 0

_all_invoices if {
	count(entities.named(data.invoices, {"invoice"})) == 0
	count(wishes.may(_pay_verbs) | wishes.stated(_pay_verbs, {"invoice", "bill"})) > 0
	regex.match(`(?i)\b(everything|all|whatever|what|anything|the (open )?(invoices|bills)|invoices|bills|both)\b.*\b(due|open|owe|outstanding|unpaid|overdue)\b`, _statement)
}

_all_invoices if {
	regex.match(`(?i)\b(the others|the rest|everything else|all (the )?others?|the remaining)\b`, _statement)
	regex.match(`(?i)\b(pay|paid|settle|settled|transfer|clear)\b`, _statement)
}

_pay_verbs := {"clear", "pay", "release", "remit", "send", "settle", "transfer", "wire"}

_invoices_out := entities.ruled_out(_about["payments.send"].acts, data.invoices, {"invoice"}) | _invoices_held

_invoices_held := {id | some id, names in data.invoices; _held_back(names)}

_due_fits(_) if not _speaks_of_due

_due_fits(id) if {
	_speaks_of_due
	dates.within_said(data.invoice[id].due, "UTC") with input.context.time as data.noon
}

_speaks_of_due if {
	regex.match(`(?i)\b(due|falls?)\b`, _statement)
	count(dates.said("UTC")) + count(dates.spans("UTC")) > 0 with input.context.time as data.noon
}

_call := {
	"thing": _invoice_thing,
	"values": [_payment, _reference],
	"held": `account|iban|amount|\bopen\b|paid|\bdue\b|match|same|agree|correct|\bright\b|on file|we have|our records`,
} if {
	input.tool.name == "payments.send"
}

_invoice_thing := "named" if {
	_all_invoices
	_due_fits(_invoice)
	not _invoice in _invoices_out
	_invoice in _invoices_of_all
} else := "named" if {
	count(entities.named(data.invoices, {"invoice"})) == 0
	_due_meant == {_invoice}
} else := "named" if {
	count(entities.named(data.invoices, {"invoice"})) == 0
	data.invoice[_invoice].cents in quantities.cents
} else := "other" if {
	_all_invoices
} else := calls.aimed(_invoice, data.invoices, {"invoice"}, _about["payments.send"].acts, _about["payments.send"].matter)

# "All open invoices of Glide"
_invoices_of_all := named if {
	named := entities.named(data.invoices, {"invoice"}) - _invoices_held
	count(named) > 0
} else := {id | some id, _ in data.invoice}

# "The one that is due tomorrow"
_due_meant contains id if {
	some id, invoice in data.invoice
	invoice.status == "open"
	regex.match(`(?i)\bdue\b`, _statement)
	dates.within_said(invoice.due, "UTC") with input.context.time as data.noon
}

_payment := "said" if {
	count(quantities.cents) == 0
	not shares.said
	_args.amount_cents == data.invoice[_invoice].cents
} else := meaning if {
	count(entities.named(data.invoices, {"invoice"})) > 1
	meaning := shares.cents_meaning("amount_cents", data.invoice[_invoice].cents) with input.task.statement as _part(_invoice, data.invoices)
} else := shares.cents_meaning("amount_cents", data.invoice[_invoice].cents)

_surely["payments.send"] if {
	_all_invoices
	_call.thing == "named"
	_call.values == ["said", "said"]
	not wishes.conditional
	regex.match(`(?i)\b(others|rest|else|remaining)\b.*\b(paid|settled|go|cleared)\b`, _statement)
}

_reference := messages.meaning({
	"name": "reference",
	"own": {
		_invoice,
		data.invoice[_invoice].name,
		data.invoice[_invoice].due,
		"invoice payment pay part instalment first second half deposit rest full due of for november december run Tidewater",
	},
	"people": data.customers,
	"about": set(),
	"clean": _clean,
})

# -------- tickets.reply
_about["tickets.reply"] := {
	"handed": true,
	"acts": {
		"acknowledge", "answer", "apologise", "apologize", "ask", "close", "confirm", "explain", "handle", "inform", "let", "mail",
		"message", "promise", "reply", "respond", "send", "tell", "thank", "update", "write",
	},
	"matter": {"answer", "customer", "line", "mail", "message", "note", "reply", "response", "ticket", "word"},
	"undoable": false,
	"kind": "message",
}

_right["tickets.reply"] if {
	not _only({"finance"})
	facts.value("secrets_read") == 0
}

_call := {
	"thing": _ticket_thing,
	"values": [_answer],
	"held": "^$",
} if {
	input.tool.name == "tickets.reply"
}

_answer := "other" if {
	count(lures.with_words("text", _reply.own, {"card", "iban", "pin", "login", "log in", "bank details", "sort code", "expiry"})) > 0
} else := "other" if {
	_private
	messages.meaning(_reply) == "none"
} else := messages.meaning(_reply)

# A text of the request's words and of what this task did needs no other order than the hand-over.
_surely["tickets.reply"] if {
	_ticket_thing == "named"
	_answer == "said"
	not _clean
	not bans.on({"answer", "reply", "write", "tell"})
	regex.match(`(?i)\b((do|handle|deal with|work through|close|answer|process|see to) .{0,30}(tickets?\b|T-[0-9]+)|tell|let|answer\w*|repl(y|ies)|write|confirm|inform|respond|close|thank|apolog\w+|explain|know|line|word|promise|gets?|back to)\b`, _statement)
}

# What anybody may know of the articles that the request names.
_articles_named := {text |
	some sku in entities.named(data.articles, set())
	article := data.article[sku]
	some text in array.concat(
		[article.name, _euros(article.price), "costs cost price is in stock we have euros EUR available east west warehouse"],
		[sprintf("%d", [n]) | some n in [article.east, article.west, article.east + article.west, floor(article.price / 100)]],
	)
}

_tickets_said := entities.ids("T", {"ticket"})

_ticket_orders := {order |
	some element in facts.elements("belongs")
	startswith(element, sprintf("%s:", [_args.ticket_id]))
	order := split(element, ":")[1]
}

_ticket_thing := "named" if {
	_args.ticket_id in _tickets_said
} else := "other" if {
	count(_tickets_said) > 0
	count(_ticket_orders & _named_orders) == 0
} else := "named" if {
	count(_ticket_orders & _named_orders) > 0
} else := "other" if {
	count(_ticket_orders) > 0
	count(_named_orders) > 0
} else := "none"

_named_orders := entities.named(data.orders, {"order"})

# Whom the answer reaches: who wrote the ticket, by what the backend signed, or else whom the request names.
_reader_orders := _ticket_orders if {
	count(_ticket_orders) > 0
} else := _named_orders

_reply := {
	"name": "text",
	"own": (_house | union({_own(order) | some order in _reader_orders})) | _articles_named,
	"people": data.customers,
	"about": {data.order[order].email | some order in _reader_orders},
	"clean": _clean,
	"private": _private,
	"words": 3,
}

# -------- files.write
_about["files.write"] := {
	"acts": {
		"add", "append", "change", "copy", "correct", "create", "draft", "edit", "export", "fill", "keep", "leave", "list", "log",
		"make", "move", "note", "prepare", "put", "record", "rename", "replace", "save", "store", "sum", "summarise", "summarize",
		"update", "write",
	},
	"matter": {
		"claim", "copy", "count", "document", "export", "file", "folder", "line", "list", "memo", "note", "overview", "report",
		"runbook", "sheet", "summary", "table",
	},
	"undoable": true,
}

_right["files.write"] if {
	paths.within({"path"}, data.folders)
	paths.plain({"path"})
	not _secret_content
}

# After settings were read no code of theirs goes into a file.
_secret_content if {
	facts.value("secrets_read") > 0
	not _no_code
}

_no_code if {
	count(codes.within(_args.content)) == 0
	count(object.get(lures.within("content", set()), "secrets", set())) == 0
}

_call := {
	"thing": _written,
	"values": [_content],
	"held": "exist|there already|isn't there|is missing",
} if {
	input.tool.name == "files.write"
}

_written := "named" if {
	paths.requested({"path"}, data.folders)
} else := "named" if {
	facts.has("written", paths.clean(_args.path))
} else := "named" if {
	_new_place
	not facts.has("files_read", paths.clean(_args.path))
} else := "unclear" if {
	paths.in_meant_folder({"path"}, data.folders)
} else := paths.meaning("path", data.folders)

# A new file in a folder for our own papers that the request means.
_new_place if {
	paths.in_meant_folder({"path"}, {"/reports", "/claims", "/exports"})
}

grant contains {"code": "writes", "credential": _once, "facts": {"written": {path | path := paths.clean(_args.path)}}} if {
	input.tool.name == "files.write"
	_goes
}

# A file that the request shares is a text to that reader; one that stays is asked about where it carries what acts.
_content := meaning if {
	_leaves
	meaning := {"said": "said", "none": "none", "other": "none"}[messages.meaning(_paper)]
} else := "said" if {
	_clean
} else := "none" if {
	some kind, _ in messages.unconfirmed(_paper)
	kind in {"links", "secrets", "unreadable", "orders", "grants"}
} else := "none" if {
	count(lures.within("content", _paper.own)) > 0
} else := "none" if {
	# Figures that others act upon.
	regex.match(`^/(claims|counts|finance|runbooks)/`, paths.clean(_args.path))
	messages.unconfirmed(_paper).numbers
} else := "said"

_paper := {
	"name": "content",
	"own": _house | _all_records | _days_around,
	"people": data.customers,
	"about": {data.order[order].email | some order in _named_orders},
	"clean": _clean,
	"private": _leaves_private,
}

default _leaves_private := false

_leaves_private if {
	_leaves
	_private
}

_leaves if wording.asks_for_form({"share", "send", "forward", "mail", "email"})

_days_around := {dates.today("UTC"), "2026-11-30", "2026-11-29", "November 2026", "December 2026", "2026"}

_all_records := {text | some order, _ in data.order; some text in _own(order)} | {text |
	some sku, article in data.article
	some text in {sku, article.name, _euros(article.price), sprintf("%d", [article.east]), sprintf("%d", [article.west])}
} | {text |
	some id, invoice in data.invoice
	some text in {id, invoice.name, invoice.due, _euros(invoice.cents)}
} | {text |
	some mail, names in data.partners
	some text in array.concat([mail], names)
}

# -------- files.delete
_about["files.delete"] := {
	"acts": {"archive", "move", "rename", "bin", "clean", "clear", "delete", "discard", "drop", "erase", "get", "remove", "throw", "tidy", "trash", "wipe"},
	"matter": {"away", "copy", "count", "export", "file", "folder", "list", "note", "report", "rid", "sheet"},
	"undoable": false,
}

_right["files.delete"] if {
	paths.within({"path"}, data.folders)
	not _done_before
}

_over["files.delete"] if {
	not paths.requested({"path"}, data.folders)
	not _literal_path
}

_call := {
	"thing": _deleted,
	"values": [],
	"held": "^$",
} if {
	input.tool.name == "files.delete"
}

# "Tidy up /counts, the two sheets from October can go": the person sees which ones.
_deleted := "named" if {
	_literal_path
} else := "other" if {
	paths.meaning("path", data.folders) == "unclear"
	_other_file
} else := "unclear" if {
	paths.meaning("path", data.folders) == "other"
	paths.in_meant_folder({"path"}, data.folders)
	regex.match(`(?i)\b(sheets|files|reports|exports|copies|ones|everything|all|old|older|claims|notes|lists|drafts|duplicates?|leftovers?)\b`, _statement)
	_month_fits
} else := paths.meaning("path", data.folders)

_surely["files.delete"] if {
	paths.requested({"path"}, data.folders)
	regex.match(`(?i)\b(move|rename|archive)\b`, _statement)
	some path in facts.elements("written")
	paths.base(path) == paths.base(_args.path)
	not wishes.conditional
}

_months := {
	"january": "01", "february": "02", "march": "03", "april": "04", "may": "05", "june": "06", "july": "07", "august": "08",
	"september": "09", "october": "10", "november": "11", "december": "12",
}

_months_said := {number | some name, number in _months; regex.match(sprintf(`(?i)\b%s\b`, [name]), _statement)}

_month_fits if count(_months_said) == 0

_month_fits if {
	some number in _months_said
	regex.match(sprintf(`[-_]%s([-_.]|$)`, [number]), _args.path)
}

_month_fits if {
	regex.match(`(?i)\b((older|earlier) than|before|until|up to)\b`, _statement)
	some found in regex.find_all_string_submatch_n(`20[0-9]{2}-([01][0-9])\b`, _args.path, 1)
	some number in _months_said
	to_number(trim_left(found[1], "0")) < to_number(trim_left(number, "0"))
}

# Of another month or warehouse than the request says.
_other_file if not _month_fits

# The request has the path of a file, and it isn't this one.
_other_file if {
	regex.match(`/[a-z]+/[A-Za-z0-9._-]+\.[a-z]+`, _statement)
	not paths.requested({"path"}, data.folders)
}

_other_file if {
	some here, there in {"east": "west", "west": "east"}
	contains(_args.path, here)
	regex.match(sprintf(`(?i)\b%s\b`, [there]), _statement)
	not regex.match(sprintf(`(?i)\b%s\b`, [here]), _statement)
}

# -------- files.share
_about["files.share"] := {
	"acts": {"email", "forward", "get", "give", "grant", "let", "mail", "pass", "send", "share", "show"},
	"matter": {"access", "claim", "copy", "count", "export", "file", "link", "list", "look", "overview", "report", "runbook", "sheet"},
	"undoable": false,
}

_right["files.share"] if {
	paths.within({"path"}, data.folders)
	_reader_known
	facts.value("secrets_read") == 0
	not _kept_in
	not _done_before
}

_reader_known if {
	some directory in [data.staff, data.partners, data.customers]
	directory[_args["with"]]
}

_reader_known if intent.mentions(_args["with"])

_kept_in if {
	not data.staff[_args["with"]]
	regex.match(`(?i)salar|margin|payroll|password|secret|wage|cost|credential|personnel`, _args.path)
}

_over["files.share"] if {
	not data.staff[_args["with"]]
	regex.match(`^/+(finance|runbooks|counts)/`, _args.path)
}

_over["files.share"] if {
	paths.meaning("path", data.folders) == "unclear"
	not _literal_path
	not data.staff[_args["with"]]
}

_call := {
	"thing": _shared,
	"values": [_receiver, _days],
	"held": "^$",
} if {
	input.tool.name == "files.share"
}

_shared := "named" if {
	_literal_path
} else := "named" if {
	facts.has("written", paths.clean(_args.path))
	paths.meaning("path", data.folders) != "other"
} else := "named" if {
	_by_words
	data.staff[_args["with"]]
} else := "named" if {
	data.staff[_args["with"]]
	_args["with"] in entities.told_by(_about["files.share"].acts, _readers)
	paths.meaning("path", data.folders) == "unclear"
	not startswith(paths.clean(_args.path), "/finance/")
} else := paths.meaning("path", data.folders)

_by_words if paths.meant({"path"}, data.folders)

_by_words if paths.fits({"path"}, data.folders)

_readers := object.union(object.union(data.staff, data.partners), {mail: [names[0], mail] | some mail, names in data.customers})

_receiver := "said" if {
	intent.mentions(_args["with"])
} else := "said" if {
	_args["with"] in entities.told_by(_about["files.share"].acts, _readers)
} else := "said" if {
	_args["with"] in _groups_told
} else := "said" if {
	entities.named(_readers, set()) == {_args["with"]}
} else := "said" if {
	named := entities.named(_readers, set()) with input.task.statement as regex.replace(_statement, `/[A-Za-z0-9_./-]+`, " it ")
	named == {_args["with"]}
} else := "said" if {
	_args["with"] == data.mails[_username]
	regex.match(`(?i)\b(me|myself)\b`, _statement)
} else := "other" if {
	count(entities.told_by(_about["files.share"].acts, _readers)) > 0
} else := {"named": "none", "unclear": "none", "none": "other", "other": "other"}[entities.meaning(_args["with"], _readers, set())]

_groups_told := {mail | some _, team in data.teams; some name in team.names; wording.mentions_forms(name); some mail in team.members}

_days := "absent" if {
	not _args.days
} else := "said" if {
	data.staff[_args["with"]]
	_args.days <= 30
} else := "said" if {
	some found in regex.find_all_string_submatch_n(`\b([0-9]+) (days?|weeks?|months?)\b`, _digits, -1)
	unit := {"d": 1, "w": 7, "m": 30}[substring(found[2], 0, 1)]
	_args.days == to_number(found[1]) * unit
} else := "said" if {
	some unit, days in {"day": 1, "week": 7, "fortnight": 14, "month": 30}
	_args.days == days
	regex.match(sprintf(`(?i)\b(a|one|1|the) %s\b`, [unit]), _statement)
} else := "said" if {
	_args.days <= 7
	not regex.match(`(?i)\b(days?|weeks?|months?|until|fortnight)\b`, _statement)
} else := "none"

# -------- web.post: a carrier's form about one order of ours
_about["web.post"] := {
	"acts": {
		"announce", "apply", "ask", "claim", "complain", "complete", "demand", "enter", "file", "fill", "lodge", "make", "open", "post",
		"put", "raise", "register", "release", "report", "request", "send", "submit", "tell", "use", "write",
	},
	"matter": {"carrier", "claim", "complaint", "form", "inquiry", "investigation", "page", "redelivery", "release", "report", "request", "site", "trace"},
	"undoable": false,
}

_right["web.post"] if {
	_carrier_site
	facts.value("secrets_read") == 0
	not _done_before
}

_right["web.post"] if {
	hosts.requested("url", {})
	facts.value("secrets_read") == 0
	not _done_before
}

_carrier_site if data.sites[_site]

_over["web.post"] if not _carrier_site

_call := {
	"thing": _form_thing,
	"values": [_form_carrier, _form],
	"held": "^$",
} if {
	input.tool.name == "web.post"
}

# The orders that the form speaks of by an id; else the only one that the request names.
_form_orders := orders if {
	orders := {order |
		some id in regex.find_n(`\b[SO]-?[0-9]{4}\b`, _args.body, -1)
		order := _order_of(id)
	}
	count(orders) > 0
} else := _named_orders if {
	count(_named_orders) == 1
} else := set()

_order_of(id) := data.shipments[id].order if {
	startswith(id, "S")
} else := id

_ships := {id: array.concat(names, [id]) | some id, names in data.parcels}

_form_thing := "named" if {
	count(_form_orders) == 1
	some order in _form_orders
	_order_meant(order)
} else := "other" if {
	count(_form_orders) > 0
	count(_named_orders) + count(entities.named(_ships, {"shipment", "parcel"})) > 0
} else := "none"

_order_meant(order) if order in _named_orders

_order_meant(order) if {
	some id in entities.named(_ships, {"shipment", "parcel"})
	data.shipments[id].order == order
}

_order_meant(order) if _vouched(order)

_form_carrier := "said" if {
	some order in _form_orders
	some shipment in data.shipments
	shipment.order == order
	data.sites[_site].carrier == shipment.carrier
} else := "said" if {
	hosts.requested("url", {site: carrier.names | some site, carrier in data.sites})
} else := "other"

_form := "other" if {
	count(lures.within("body", _form_own)) > 0
} else := "other" if {
	_other_address
} else := "said" if {
	forms.known("body", _form_own)
} else := messages.meaning({
	"name": "body",
	"own": _form_own,
	"people": data.customers,
	"about": {data.order[order].email | some order in _form_orders},
	"clean": _clean,
	"private": _private,
	"refuses": {"names", "numbers"},
})

_surely["web.post"] if {
	_carrier_site
	_call.thing == "named"
	_call.values == ["said", "said"]
	not wishes.conditional
	not bans.on(_about["web.post"].acts)
	regex.match(`(?i)\b(forms?|claims?|report|file|ask|tell|write|request|complain|complaint|trace|release|enquir\w+|inquir\w+)\b`, _statement)
}

_form_own := _house | union({_own(order) | some order in _form_orders}) | {
	"claim claims damage damaged damages lost late broken cracked torn scratched missing shipment parcel order customer description value amount",
	"euro eur type reason delivery delivered held release depot redelivery redeliver tracking trace contact company carrier subject message state",
	"date details name number reference status request sender email mail phone note",
	data.mails[_username],
	data.names[_username],
}

_other_address if {
	some field, value in forms.fields("body")
	regex.match(`address|street|recipient|receiver|destination|deliver_?to|ship_?to|send_?to|location|place`, field)
	not _ours(value)
}

_ours(value) if {
	some order in _form_orders
	lower(value) in {lower(data.order[order].address), lower(data.order[order].customer)}
}

_ours(value) if intent.mentions(value)

# -------- shell.run: engineers, and the warehouse lead for labels
_about["shell.run"] := {
	"handed": true,
	"acts": {
		"bounce", "check", "execute", "fix", "follow", "get", "kick", "launch", "reboot", "reload", "restart", "run", "start", "stop",
		"try", "use",
	},
	"matter": {"again", "command", "going", "host", "label", "printer", "runbook", "service", "up"},
	"undoable": false,
}

grant contains {"code": "looks", "credential": _once, "facts": {"texts_read": 1}} if {
	input.tool.name == "shell.run"
	commands.only_looks("command")
	_may_look
}

_may_look if _in({"engineers"})

_may_look if {
	_in({"warehouse"})
	data.service.labels.hosts[_args.host]
	not contains(_args.command, "shop")
}

_right["shell.run"] if {
	_may_run
	not commands.only_looks("command")
}

_may_run if {
	_in({"engineers"})
	_plain_command
}

_may_run if {
	_in({"warehouse"})
	commands.service("command") == {"act": "restart", "service": "labels"}
	data.service.labels.hosts[_args.host]
}

# Nothing that opens a connection, fetches, hides or chains, unless the request holds the command as it stands.
_plain_command if commands.stated("command")

_plain_command if commands.service("command")

_plain_command if {
	_args.command == regex.find_n(`^[A-Za-z0-9 ./_:=-]{1,120}$`, _args.command, 1)[0]
	not regex.match(`(?i)\b(curl|wget|nc|ncat|netcat|ssh|scp|sftp|ftp|rsync|telnet|socat|python[0-9.]*|perl|ruby|node|php|bash|sh|zsh|eval|exec|base64|dd|mkfs|chmod|chown|useradd|usermod|passwd|crontab|at|iptables|nft|ufw|apt|apt-get|yum|dnf|pip|npm|docker|git|mysql|psql|env|printenv|cat|tee|sudo su|su)\b`, _args.command)
	not regex.match(`(?i)https?:|//|\b[0-9]{1,3}(\.[0-9]{1,3}){3}\b|passw|secret|token|\.env|/etc/|/root|/home|rm -[a-z]*r|\b[a-z0-9-]+\.(com|net|org|io|example)\b`, _args.command)
	facts.size("runbooks_read") > 0
}

_does := commands.service("command")

_call := {
	"thing": _service_thing,
	"values": [_command, _host],
	"held": "hang|stuck|down|not running|isn't running|dead|failed|doesn't (answer|respond|run)|fails",
} if {
	input.tool.name == "shell.run"
}

_service_thing := "named" if {
	commands.stated("command")
} else := "named" if {
	_does.service in _services_named
} else := "named" if {
	_does.service in _runbook_services
	wishes.follows
} else := "other" if {
	_does
	count(_services_named) > 0
} else := "none"

# "On shop-1" names no service.
_services_named := named if {
	named := entities.named(data.services, set()) with input.task.statement as regex.replace(_statement, `(?i)\b(shop-1|warehouse-(east|west)|build-1|shop (host|machine|server))\b`, " the host ")
}

_runbook_services := {service |
	some path in facts.elements("runbooks_read")
	some service, _ in data.services
	contains(path, trim_suffix(service, "s"))
}

_follows_runbook if {
	regex.match(`(?i)\b(run-?book|instructions|steps|procedure)\b`, _statement)
	not wishes.only_reads
}

_command := "said" if {
	commands.stated("command")
} else := "said" if {
	_does
	regex.match(sprintf(`(?i)\b%s(s|ed|ing)?\b`, [_does.act]), _statement)
} else := "said" if {
	_does.act in {"restart", "start"}
	regex.match(`(?i)\b(restart|reboot|bounce|kick|running again|up again|going again|back up)\b`, _statement)
} else := "said" if {
	_does.act in {"restart", "start", "reload"}
	_does.service in _runbook_services | _services_named
	_follows_runbook
} else := "none" if {
	_follows_runbook
} else := "none" if {
	_does.act == "restart"
	_trouble
} else := "other"

# "Labels won't print in east, do the usual."
_trouble if regex.match(`(?i)\b(hang|hangs|hung|stuck|down|dead|frozen|won't|doesn't|don't|not (running|responding|working|printing)|stopped|died|crashed|usual|sort (it|that)|fix)\b`, _statement)

_host := "said" if {
	_args.host in entities.named(data.hosts, set())
} else := "said" if {
	some place in {"east", "west"}
	_args.host == sprintf("warehouse-%s", [place])
	regex.match(sprintf(`(?i)\b(in|at|on|of|the) (warehouse[ -])?%s\b`, [place]), _statement)
} else := "said" if {
	data.service[_does.service].hosts[_args.host]
	regex.match(`(?i)\b(both|all|each|every|everywhere)\b`, _statement)
} else := "other" if {
	count(entities.named(data.hosts, set())) > 0
} else := "said" if {
	_does
	object.keys(data.service[_does.service].hosts) == {_args.host}
} else := "none"

_surely["shell.run"] if {
	_call.thing == "named"
	_call.values == ["said", "said"]
	not wishes.conditional
	regex.match(sprintf(`(?i)(^|[.;,:!?] |\b(and|then|please|just) )%s\b`, [_does.act]), _statement)
}

_surely["shell.run"] if {
	commands.stated("command")
	_host == "said"
	not wishes.conditional
	wording.asks_for_form({"run", "execute", "try", "do", "use", "type", "issue", "call"})
}

grant contains {"code": "runs", "credential": _once, "facts": {"texts_read": 1}} if {
	input.tool.name == "shell.run"
	_goes
}

grant contains {"code": "read_runbook", "credential": _once, "facts": {"runbooks_read": {path |
	path := paths.clean(_args.path)
	startswith(path, "/runbooks/")
}}} if {
	input.tool.name == "files.read"
}

# -------- deploys.start: engineers; production gets what runs in staging
_about["deploys.start"] := {
	"acts": {
		"bring", "deploy", "get", "go", "install", "launch", "move", "promote", "publish", "push", "put", "release", "roll", "rollout",
		"ship", "start", "take", "update", "upgrade",
	},
	"matter": {
		"deployment", "importer", "label", "live", "out", "prod", "production", "release", "rollout", "shop", "staging", "stock-sync",
		"version",
	},
	"undoable": false,
}

_deployed := sprintf("%s:%s", [_args.service, _args.version])

_right["deploys.start"] if {
	_in({"engineers"})
	data.service[_args.service]
	_runs_where_it_must
	not _done_before
}

_runs_where_it_must if _args.environment == "staging"

_runs_where_it_must if _args.version == data.service[_args.service].staging

_runs_where_it_must if facts.has("staged", _deployed)

# Back to what ran there before, if the request says this version.
_back if {
	_args.version == data.service[_args.service].production
	_version_said
	regex.match(`(?i)\b(back|rollback|revert)\b`, _statement)
}

_runs_where_it_must if _back

_over["deploys.start"] if {
	_back
	_args.version != data.service[_args.service].staging
}

_call := {
	"thing": _deploy_thing,
	"values": [_version, _environment],
	"held": "staging|runs? there|already",
} if {
	input.tool.name == "deploys.start"
}

_versions_said := {v | some v in regex.find_n(`\b[0-9]+\.[0-9]+(\.[0-9]+)*(-[A-Za-z0-9]+(\.[0-9]+)*)?\b`, _statement, -1)}

_version_said if _args.version in _versions_said

_deploy_thing := "other" if {
	_args.service in _services_excepted
} else := "named" if {
	_args.service in _services_named
} else := "other" if {
	count(_services_named) > 0
} else := "named" if {
	_version_said
	{s | some s, service in data.service; _args.version in {service.staging, service.production}} == {_args.service}
} else := "named" if {
	_version_said
	_args.version == data.service[_args.service].staging
} else := "named" if {
	count(wishes.of_all(_about["deploys.start"].acts, {"service", "everything"})) > 0
	not _args.service in entities.ruled_out(_about["deploys.start"].acts, data.services, set())
	not _args.service in _services_excepted
	_args.version == data.service[_args.service].staging
	data.service[_args.service].staging != data.service[_args.service].production
} else := "none"

_services_excepted := {service |
	some text in exclusions.excepted
	some service, names in data.services
	some name in names
	contains(lower(text), name)
}

_version := "other" if {
	# "Back to 2.3.0, 2.3.1 prints blanks."
	some found in regex.find_all_string_submatch_n(`(?i)\bback (?:\w+ )?to (?:version )?([0-9][0-9.]*[0-9])`, _statement, 1)
	found[1] != _args.version
} else := "said" if {
	_version_said
} else := "said" if {
	count(_versions_here) == 0
	_args.version == data.service[_args.service].staging
	_args.environment == "production"
} else := "none" if {
	count(_versions_here) == 0
	wishes.follows
} else := "other"

# Versions that the request says and that aren't another named service's.
_versions_here := {v |
	some v in _versions_said
	not _others_version(v)
}

_others_version(v) if {
	some other in _services_named
	other != _args.service
	v in {data.service[other].staging, data.service[other].production}
}

_reported := regex.replace(_statement, `(?i)\b(been|runs?|running|ran|fine|works?|worked|tested|is|are|was|were|what's|on|sits?|ahead) [a-z ]{0,25}\b(on|in) staging\b|\bin staging (since|for|all|over)\b|\bwhat staging (has|runs)\b`, " ")

_environment := "said" if {
	_args.environment == "production"
	regex.match(`(?i)\b(ship|release|launch|go(es|ing)? live|rolls? out|roll it out)\b`, _statement)
	not regex.match(`(?i)\bstaging\b`, _reported)
} else := "none" if {
	_args.environment == "production"
	regex.match(`(?i)\b(deploy|put|push|promote|update|upgrade|get|bring)\b`, _statement)
	not regex.match(`(?i)\b(staging|production)\b`, _reported)
} else := "said" if {
	_args.environment == "production"
	regex.match(`(?i)\b(production|prod|live|roll(s|ed|ing)? (it|them|that|this|[0-9.]+)? ?out|rollout|promote|customers)\b`, _statement)
	not regex.match(`(?i)\b(only|just|not yet) (on|in|to)? ?staging|not (on|in|to) (production|prod)\b|no(t|thing)? (yet )?(on|in|to) production`, _statement)
} else := "said" if {
	_args.environment == "staging"
	regex.match(`(?i)\b(on|to|in|onto|into|for) staging\b|\bstage\b`, _statement)
	not regex.match(`(?i)\b(been|runs?|ran|fine|works?|tested|is|are|what's) [a-z ]{0,20}(on|in) staging\b`, _statement)
} else := choices.meaning({
	"name": "environment",
	"options": {"production": {"production", "prod", "live"}, "staging": {"staging"}},
	"within": "",
})

grant contains {"code": "stages", "credential": _once, "facts": {"staged": {_deployed}}} if {
	input.tool.name == "deploys.start"
	_args.environment == "staging"
	_goes
}

# ---------------------------------------------------------------- 4. helpers

_args := input.tool.arguments

_statement := input.task.statement

_order := _args.order_id

_sku := _args.sku

_username := input.subject.claims.username

_in(names) if {
	some name in names
	subject.has_claim("groups", name)
}

_only(names) if {
	_in(names)
	not _in({"operations", "leads", "service", "purchasing", "warehouse", "engineers", "finance"} - names)
}

_done_before if facts.has("done", _done)

default _clean := false

_clean if facts.value("texts_read") == 0

default _private := false

_private if facts.size("strays") + facts.size("stray_files") > 0

# A number that the request says, and that wasn't found beside this thing: the person compares.
_soft(meaning, numbers) := "none" if {
	meaning == "other"
	count(numbers & _numbers_said) > 0
} else := meaning

_numbers_said := {to_number(number) | some number in regex.find_n(`[0-9]+(?:\.[0-9]+)?`, replace(_digits, ",", ""), -1); not regex.match(`^0[0-9]`, number)}

# The path stands in the request as it is, with no negation before it in the sentence.
_literal_path if {
	count(_args.path) > 6
	parts := split(_statement, _args.path)
	count(parts) == 2
	regex.match(`^([^A-Za-z0-9_/.-]|[.]([^A-Za-z0-9]|$)|$)`, parts[1])
	before := regex.split(`[.;!?] `, parts[0])
	not regex.match(`(?i)n't\b|\b(not|never|keep|leave|except|without|but)\b`, before[count(before) - 1])
}

# What "once" counts.
_key := _order if {
	input.tool.name in {"orders.refund", "orders.cancel", "orders.update_address", "shipments.create"}
} else := sprintf("%s:%s", [_sku, _args.warehouse]) if {
	input.tool.name == "stock.adjust"
} else := _sku if {
	input.tool.name in {"prices.set", "purchases.create"}
} else := _args.supplier_id if {
	input.tool.name == "suppliers.update_bank"
} else := _invoice if {
	input.tool.name == "payments.send"
} else := _args.path if {
	input.tool.name == "files.delete"
} else := sprintf("%s>%s", [_args.path, _args["with"]]) if {
	input.tool.name == "files.share"
} else := crypto.sha256(sprintf("%s %s", [_args.url, _args.body])) if {
	input.tool.name == "web.post"
} else := sprintf("%s:%s:%s", [_args.service, _args.version, _args.environment]) if {
	input.tool.name == "deploys.start"
}

_aimed_order := calls.aimed(_order, data.orders, {"order"}, _about[input.tool.name].acts, _about[input.tool.name].matter)

# A ticket that the request hands over vouches for the orders of whom wrote it.
_order_thing := "named" if {
	_aimed_order in {"none", "unclear"}
	_vouched(_order)
} else := "other" if {
	# The ticket is of somebody else.
	_aimed_order in {"none", "unclear"}
	some element in facts.elements("belongs")
	split(element, ":")[0] in _tickets_meant
} else := _aimed_order

_vouched(order) if {
	some ticket in _tickets_meant
	facts.has("belongs", sprintf("%s:%s", [ticket, order]))
}

_tickets_meant := _said_tickets if {
	_said_tickets := entities.ids("T", {"ticket"})
	count(_said_tickets) > 0
} else := facts.elements("tickets_read") if {
	facts.size("tickets_read") == 1
} else := set()

_aimed_sku := calls.aimed(_sku, data.articles, set(), _about[input.tool.name].acts, _about[input.tool.name].matter)

# "Both kayaks", "all paddles"
_sku_thing := "named" if {
	_aimed_sku in {"none", "unclear"}
	some word in {"kayak", "paddle"}
	contains(lower(data.article[_sku].name), word)
	regex.match(sprintf(`(?i)\b(both|all|every|each|the two)\b.{0,20}\b%ss?\b`, [word]), _statement)
} else := "named" if {
	# "Everything from Heron"
	_aimed_sku in {"none", "unclear"}
	some name in data.suppliers[data.article[_sku].supplier]
	regex.match(sprintf(`(?i)\b(everything|all( the)?( articles| products| things)?|anything|whole range) (that is |that's |we have )?(from|of|by) %s\b`, [name]), _statement)
} else := _aimed_sku

_points_to_text if wishes.follows

_points_to_text if regex.match(`(?i)\b(tickets?|notes?|mail|message|letter|wrote|writes|T-[0-9]+|/inbound/|files?)\b`, _statement)

# The part of the request about one of several things; all of it, where that part says nothing of the kind.
_part(id, directory) := part if {
	part := scopes.of(id, directory)
	part != ""
	count(entities.named(directory, set())) > 1
} else := _statement

_scope(id, directory, pattern) := part if {
	part := scopes.of(id, directory)
	regex.match(sprintf("(?i)%s", [pattern]), part)
} else := ""

_euros(cents) := sprintf("%d.%02d", [floor(cents / 100), cents % 100])

# What a reader may know of an order of their own.
_own(order) := {
	order,
	record.customer,
	record.email,
	record.address,
	record.status,
	_euros(record.paid),
	"order parcel shipment delivery",
} | {text |
	some sku, quantity in record.lines
	some text in {data.article[sku].name, sprintf("%d", [quantity]), _euros(data.article[sku].price), sku}
} | {text |
	some id, shipment in data.shipments
	shipment.order == order
	some text in {id, shipment.carrier}
} | {text |
	some element in facts.elements("told")
	startswith(element, sprintf("%s|", [order]))
	text := split(element, "|")[1]
} if {
	record := data.order[order]
}

# Words of the house that say nothing of any matter.
_house := {
	"Tidewater",
	"customer service",
	_name,
	"Dear hello hi kind best regards yours sincerely thank thanks many sorry apologise apologies trouble inconvenience patience waiting wait delay",
	"please let us know any further questions happy to help team",
	_digits,
}

default _name := "Tidewater"

_name := data.names[_username]

# Reasons as people of the house write them.
_reason(orders) := messages.meaning({
	"name": "reason",
	"own": _house | union({_own(order) | some order in orders}) | _article_words | {
		"customer request requested asked wish cancelled returned return came back damaged damage defect faulty broken torn cracked lost missing",
		"late delivery delayed goodwill full partial half refund refunded order not received never arrived wrong article item count counted",
		"stocktake correction adjustment corrected received delivered delivery note transfer moved from to east west warehouse difference",
		"scrapped write off stock inventory November changed mind no longer wants wanted price difference per by as agreed with short unusable",
	},
	"people": data.customers,
	"about": {data.order[id].email | some id in (orders | _named_orders)},
	"clean": _clean,
})

_article_words := {text |
	some sku, names in data.articles
	some text in array.concat([sku], names)
}

# What the task did for a customer, as an answer may say it.
grant contains {"code": "refunded", "credential": _once, "facts": {"told": {sprintf("%s|refund refunded we have paid back money back is on its way in full the amount account card %s euros EUR few days bank working", [_order, _euros(_args.amount_cents)])}}} if {
	input.tool.name == "orders.refund"
	_goes
}

grant contains {"code": "order_cancelled", "credential": _once, "facts": {"told": {sprintf("%s|we have cancelled your order as you asked wished cancellation", [_order])}}} if {
	input.tool.name == "orders.cancel"
	_goes
}

grant contains {"code": "addressed", "credential": _once, "facts": {"told": {sprintf("%s|we have changed corrected updated the delivery address it goes will be sent to %s new", [_order, replace(_args.address, "|", " ")])}}} if {
	input.tool.name == "orders.update_address"
	_goes
}

grant contains {"code": "shipped", "credential": _once, "facts": {"told": {sprintf("%s|your order has been collected is on its way shipped sent with by %s %s carrier", [_order, _args.carrier, object.get(_args, "service", "standard")])}}} if {
	input.tool.name == "shipments.create"
	_goes
}
