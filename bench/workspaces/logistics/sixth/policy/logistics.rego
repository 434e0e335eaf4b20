# METADATA
# title: The operations desk of Tidewater
# description: |
#   What the request orders and our records bound runs. What it may have meant is asked. The rest isn't granted.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

import data.tabard.lib.agreements
import data.tabard.lib.amounts
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.codes
import data.tabard.lib.commands
import data.tabard.lib.conditions
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.forms
import data.tabard.lib.groups
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.lures
import data.tabard.lib.outbound
import data.tabard.lib.paths
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.sets
import data.tabard.lib.shares
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.times
import data.tabard.lib.wishes
import data.tabard.lib.wording

_desk := "https://logistics.example"

_jwt := credentials.jwt(_desk, ["desk"], 60)

_once := credentials.once(_desk, ["desk"], 60)

start contains {"code": "desk", "limits": {
	"tools": [
		"deploys.*", "files.*", "invoices.*", "logs.*", "orders.*", "payments.*", "prices.*", "purchases.*",
		"settings.*", "shell.*", "shipments.*", "stock.*", "suppliers.*", "tickets.*", "web.*",
	],
	"audiences": [_desk],
	"scopes": ["desk"],
	"budgets": {"questions": 40},
	"ttl_seconds": 1800,
}} if intent.purpose_is("logistics")

# ================================================================ grants and asks
_tool := input.tool.name

_a := input.tool.arguments

grant contains {"code": "read", "credential": _jwt} if _reads

grant contains {"code": "read_asked", "credential": _once, "charges": {"questions": 1}} if {
	_reads_asked
	budgets.remaining_at_least("questions", 1)
}

grant contains {"code": "act", "credential": _once, "notes": ["made"]} if _runs

grant contains {"code": "act_asked", "credential": _once, "notes": ["made"], "charges": {"questions": 1}} if {
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "not_in_request",
	"approvers": ["requester"],
	"reason": "Your request doesn't say this as it stands here: what, whom, where or how much.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
	not _sure
}

ask contains {
	"code": "not_in_request",
	"approvers": ["requester"],
	"reason": "Your request doesn't speak of this page, file or record.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_reads_asked
}

ask contains {
	"code": "above_limit",
	"approvers": ["requester"],
	"reason": "This is above what runs without a question: the amount, the change of a price, or the sum of this request.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
	_sure
	_big
}

ask contains {
	"code": "condition",
	"approvers": ["requester"],
	"reason": "Your request says this under a condition. Is it met?",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_asked
	_sure
	not _big
}

_runs if {
	_sure
	_may_act
	not _big
	_settled
}

_asked if {
	_sure
	_may_act
	not _runs
}

_asked if {
	_maybe
	_may_act
	not _sure
}

# Nothing is changed or sent for a request that only asks.
_may_act if {
	_right
	not _only_reads
	not _banned
}

_only_reads if {
	wishes.only_reads
	not _cue
}

# "see what they ask and go one euro below"
_cue if {
	_tool == "prices.set"
	regex.match(`(?i)(\band|\bthen|,) (then )?(go|undercut|match|beat|price|set|stay)\b`, _text)
}

_banned if bans.on(_ban_verbs)

# A condition: met by our records alone, or confirmed once.
_settled if not wishes.conditional

_settled if {
	wishes.conditional
	facts.has("confirmed", "condition")
}

_settled if {
	wishes.conditional
	_clean
}

_settled if {
	wishes.conditional
	_held_by_rule
}

_settled if {
	_tool == "shell.run"
	commands.only_looks("command")
}

# No text of people outside was read so far: nobody but the person has led the agent.
_clean if facts.value("texts_read") == 0

# ---- facts
grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1, "orders_seen": {_a.order_id}, "orders_chosen": _chosen_now(_a.order_id)}} if {
	_tool == "orders.get"
	_reads
}

grant contains {"code": "read", "credential": _once, "notes": ["belongs"], "facts": {"texts_read": 1, "tickets_read": {_a.ticket_id}, "tickets_chosen": _chosen_now(_a.ticket_id)}} if {
	_tool == "tickets.read"
	_reads
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1, "invoices_chosen": _chosen_now(_a.invoice_id)}} if {
	_tool == "invoices.read"
	_reads
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1, "files_read": {paths.clean(_a.path)}}} if {
	_tool == "files.read"
	_reads
	not _own_folder
}

grant contains {"code": "read", "credential": _once, "facts": {"runbooks_read": {paths.clean(_a.path)}, "files_read": {paths.clean(_a.path)}}} if {
	_tool == "files.read"
	_reads
	_own_folder
}

grant contains {"code": "read", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool in {"files.list", "logs.read", "shipments.track", "tickets.list", "web.fetch"}
	_reads
	not _own_list
}

grant contains {"code": "read_asked", "credential": _once, "facts": {"texts_read": 1}} if {
	_reads_asked
}

grant contains {"code": "read", "credential": _once, "facts": {"secrets_read": 1}} if {
	_tool == "settings.read"
	_reads
}

grant contains {"code": "read_asked", "credential": _once, "facts": {"secrets_read": 1}} if {
	_tool == "settings.read"
	_reads_asked
}

grant contains {"code": "act_asked", "credential": _once, "facts": {"confirmed": {"condition"}}} if {
	_asked
}

grant contains {"code": _code, "credential": _once, "facts": {"refunded": {_order}, "told": {_euros(_a.amount_cents)}}} if {
	_tool == "orders.refund"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"cancelled": {_order}}} if {
	_tool == "orders.cancel"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"moved": {_order}, "told": {_a.address}}} if {
	_tool == "orders.update_address"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"shipped": {_order}, "told": {_a.carrier}}} if {
	_tool == "shipments.create"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"adjusted": {_slot}}} if {
	_tool == "stock.adjust"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"priced": {_a.sku}, "told": {_euros(_a.price_cents)}}} if {
	_tool == "prices.set"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"accounts": {sprintf("%s:%s", [_a.supplier_id, _a.iban])}, "accounts_of": {_a.supplier_id}}} if {
	_tool == "suppliers.update_bank"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"bought_cents": _total + 0, "bought": {_a.sku}}} if {
	_tool == "purchases.create"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"paid_cents": _a.amount_cents + 0, "paid": {_invoice}}} if {
	_tool == "payments.send"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"files_written": {paths.clean(_a.path)}}} if {
	_tool == "files.write"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "shell.run"
	_code
}

grant contains {"code": _code, "credential": _once, "facts": {"staged": {sprintf("%s:%s", [_a.service, _a.version])}}} if {
	_tool == "deploys.start"
	_a.environment == "staging"
	_code
}

_code := "act" if {
	_runs
} else := "act_asked" if _asked

_chosen_now(id) := {x | some x in {id}; _clean}

_euros(cents) := sprintf("%d.%02d", [floor(cents / 100), cents % 100])

# ================================================================ people
_group(name) if subject.has_claim("groups", name)

_lead if _group("leads")

_lead if _group("operations")

_service if _group("service")

_buyer if _group("purchasing")

_finance if _group("finance")

_warehouse if _group("warehouse")

_engineer if _group("engineers")

# ================================================================ reading
_reads if _tool in {
	"orders.search", "orders.get", "shipments.track", "stock.get", "files.list", "logs.read",
}

_reads if {
	_tool in {"suppliers.search", "invoices.list", "invoices.read"}
	_money_reader
}

_money_reader if _lead

_money_reader if _finance

_money_reader if _buyer

_money_reader if _warehouse

_reads if {
	_tool in {"tickets.list", "tickets.read"}
	not _finance
}

_reads if {
	_tool == "files.read"
	not _finance_folder
}

_reads if {
	_tool == "files.read"
	_finance_folder
	_finance_reader
}

_finance_reader if _lead

_finance_reader if _finance

_finance_folder if paths.within({"path"}, {"/finance"})

_own_folder if paths.within({"path"}, {"/runbooks"})

_own_list if {
	_tool == "files.list"
	paths.within({"folder"}, {"/runbooks"})
}

_reads if {
	_tool == "settings.read"
	_engineer
	_settings_meant
	_service_meaning in {"named", "none", "unclear"}
	_clean
}

_reads if {
	_tool == "settings.read"
	_engineer
	_settings_meant
	_service_meaning == "named"
}

_settings_meant if _says({
	"setting", "settings", "config", "configuration", "configured", "configs", "key", "keys", "password", "passwords",
	"credentials", "credential", "env", "environment", "variable", "variables", "url", "endpoint", "database", "timeout",
	"secret", "secrets", "token", "tokens",
})

_service_meaning := entities.meaning(_a.service, data.services, set())

_reads if {
	_tool == "web.fetch"
	_url_sure
}

_reads_asked if {
	not _reads
	_read_maybe
}

_read_maybe if {
	_tool == "settings.read"
	_engineer
	_service_meaning in {"named", "none", "unclear"}
	_settings_may_matter
}

_settings_may_matter if _settings_meant

_settings_may_matter if _handed

_settings_may_matter if _says({"fail", "fails", "failing", "error", "errors", "why", "wrong", "broken", "connect", "connection", "investigate", "debug", "runbook", "reach", "cause"})

_read_maybe if {
	_tool == "files.read"
	_finance_folder
	not _service
	_file_said
}

_read_maybe if {
	_tool in {"suppliers.search", "invoices.list", "invoices.read"}
	_says({"supplier", "suppliers", "invoice", "invoices", "bill", "bills"})
}

_read_maybe if {
	_tool == "tickets.read"
	_ticket_said
}

_read_maybe if {
	_tool in {"tickets.list", "tickets.read"}
	_says({"ticket", "tickets"})
}

_read_maybe if {
	_tool == "web.fetch"
	facts.value("secrets_read") == 0
	_url_modest
	_speaks_of_web
}

_speaks_of_web if _says({
	"web", "website", "site", "sites", "page", "pages", "link", "links", "online", "internet", "competitor",
	"competitors", "shops", "elsewhere", "competition", "market", "others", "carrier", "carriers", "form", "url", "www",
	"weather", "news", "compare", "dealers", "dealer", "offer", "offers", "rates", "tariff", "tariffs", "terms",
})

_speaks_of_web if _handed

_speaks_of_web if count(hosts.named) > 0

# ---- addresses of pages
_url_sure if outbound.url_requested_or_trusted("url", set())

_acting_words := {
	"confirm", "cancel", "release", "redirect", "unsubscribe", "accept", "return", "delete", "pay", "approve", "reroute",
	"change", "activate", "verify", "login", "subscribe", "order", "book", "hold", "reset", "callback", "collect", "submit",
}

_url_acts if count(_path_words & _acting_words) > 0

_url_sure if {
	hosts.requested_or_trusted("url", data.sites, object.keys(data.carrier_sites))
	not _url_acts
	_url_modest
	facts.value("secrets_read") == 0
}

_url_sure if {
	_clean
	_url_modest
	_speaks_of_web
	facts.value("secrets_read") == 0
}

# Nothing that a page's owner could read a message from: no query, no codes, no name of a customer.
_url_modest if {
	count(_a.url) <= 140
	not regex.match(`[?#@;%&=]`, _a.url)
	count([code | some code in codes.within(_a.url); regex.match(`[0-9]`, code); not code in _own_codes]) == 0
	not regex.match(`[A-Za-z]{17,}`, regex.replace(_a.url, `^(https?://)?[^/]*`, ""))
	count(texts.mentions("url", data.people)) == 0
}

_own_codes := ({lower(replace(text, "-", "")) | some text in object.keys(data.shipment)} | {lower(text) | some text in object.keys(data.shipment)}) | {substring(text, 2, -1) | some text in object.keys(data.shipment)}

# ================================================================ words of the request
_says(words) if count(wording.words & words) > 0

_handed if wishes.follows

_handed if wording.hands_over

_handed if {
	wording.refers_to_sources
	_says({"do", "process", "handle", "follow", "apply", "execute", "enter", "book", "carry", "according", "per", "as"})
	not wishes.only_reads
}

# The request hands over what to do, and not only how or whereto.
_handed_free if {
	_handed
	regex.match(`(?i)\b(handle|deal with|do what|do as|do everything|work through|take care|process|sort out|see to|look after|go through|carry out|whatever|deal)\b`, _text)
}

_handed_free if {
	_handed
	count(wishes.may(_other_acts - _verbs)) == 0
}

_other_acts := {
	"change", "update", "cancel", "refund", "ship", "pay", "answer", "reply", "tell", "restart", "deploy", "write", "share",
	"delete", "order", "buy", "correct", "raise", "lower", "file", "report", "send", "set", "book", "let", "follow", "put",
}

_sources if _handed

_sources if wording.refers_to_sources

_source_words := {
	"ticket", "tickets", "file", "files", "sheet", "list", "note", "notes", "mail", "letter", "page", "invoice",
	"invoices", "runbook", "document", "report", "count", "counts", "customer", "customers", "writes", "wrote", "asks",
	"asked", "wants", "says", "said",
}

_points if _says(_source_words)

_strong if count(wishes.may(_verbs)) > 0

_stated if count(wishes.stated(_verbs, _things)) > 0

_acts if _strong

_acts if _stated

_acts if _handed

# The ids upon which the request orders this tool's act.
_aimed(directory, kinds) := (entities.ordered(_verbs, directory, kinds) | entities.may(_verbs, directory, kinds)) | (entities.within(wishes.stated(_verbs, _things), directory, kinds) | entities.within(wishes.may(_verbs), directory, kinds))

# For acts with money, goods, files and hosts: verbs that mean nothing else, and sentences with other
# verbs that also speak of the matter.
_strong_of := {
	"orders.refund": {"compensate", "refund", "reimburse", "repay"},
	"orders.cancel": {"annul", "cancel", "void", "withdraw"},
	"shipments.create": {"despatch", "dispatch", "ship"},
	"payments.send": {"pay", "remit", "settle", "wire"},
	"files.delete": {"bin", "delete", "erase", "purge", "remove", "trash", "wipe", "discard"},
	"deploys.start": {"deploy", "promote", "redeploy", "release", "rollback", "rollout", "upgrade"},
}

_matter_of := {
	"orders.refund": `refund|reimburs|money|euro|eur\b|€|pay.* back|paid back|back.* (pay|cents)|full amount|compensat|credit`,
	"orders.cancel": `\b(drop|stop|call off|kill|scrap)\b.*\border|cancel`,
	"shipments.create": `bluelane|corvid|parcel ?post|collect|pick|courier|carrier|dispatch|ship|out the door|on its way|express`,
	"payments.send": `\b(payments?|euros?|eur|money|balance|owed?)\b|€|\b(clear|transfer|settle|pay|paid)\b.*(invoice|\bbills?\b|inv-)|\b(invoice|bills?|inv-[0-9]+)\b.*\b(paid|settled|go out|goes out|gets paid)\b`,
	"files.delete": `rid of|\bfiles?\b|folder|/[a-z]+/|away|old|older|draft|tidy|clean`,
	"deploys.start": `[0-9]+\.[0-9]+|staging|version|\blive\b|production|\bprod\b`,
}

_strong_verbs := _strong_of[_tool]

_firm := wishes.may(_strong_verbs) | {sentence |
	some sentence in (wishes.deeds(_verbs) | wishes.stated(_verbs, _things))
	regex.match(_matter_of[_tool], sentence)
}

_ordered if count(_firm) > 0

# The ids upon which such a sentence orders the act.
_firmly(directory, kinds) := (entities.ordered(_strong_verbs, directory, kinds) | entities.may(_strong_verbs, directory, kinds)) | (entities.within(_firm, directory, kinds) | _only_one(directory, kinds))

# Its sentence names none, and the request names one only.
_only_one(directory, kinds) := {id |
	_ordered
	count(entities.within(_firm, directory, kinds)) == 0
	named := entities.named(directory, kinds)
	count(named) == 1
	some id in named
}

default _ban_verbs := {"nothing"}

_ban_verbs := _strong_verbs if {
	_strong_verbs
} else := _verbs

default _verbs := {"nothing"}

_verbs := _verbs_of[_tool]

default _things := {"nothing"}

_things := _things_of[_tool]

_verbs_of := {
	"orders.update_address": {
		"address", "amend", "change", "correct", "deliver", "fix", "go", "move", "put", "redirect", "reroute", "send",
		"set", "ship", "switch", "update", "use",
	},
	"orders.cancel": {"annul", "call", "cancel", "drop", "kill", "scrap", "stop", "void", "withdraw"},
	"orders.refund": {
		"compensate", "credit", "give", "pay", "refund", "reimburse", "repay", "return", "transfer", "send", "get",
	},
	"shipments.create": {
		"arrange", "book", "collect", "deliver", "despatch", "dispatch", "forward", "get", "give", "go", "hand", "leave",
		"move", "pick", "post", "send", "ship", "organise", "organize", "schedule", "create", "have",
	},
	"stock.adjust": {
		"add", "adjust", "amend", "bin", "book", "bring", "change", "correct", "count", "deduct", "decrease", "drop",
		"enter", "fix", "increase", "log", "lower", "make", "move", "note", "put", "raise", "reconcile", "record", "reduce",
		"remove", "scrap", "set", "subtract", "take", "transfer", "update", "write", "return", "register", "receive",
		"align", "match", "relocate", "shift", "post", "apply",
	},
	"prices.set": {
		"adjust", "beat", "bring", "bump", "change", "correct", "cost", "cut", "decrease", "discount", "drop", "fix", "go",
		"increase", "lower", "make", "mark", "match", "price", "put", "raise", "reduce", "round", "sell", "set", "take",
		"undercut", "update", "align", "charge", "move", "reprice", "reset", "restore",
	},
	"suppliers.update_bank": {"amend", "change", "correct", "enter", "put", "record", "replace", "set", "switch", "update", "use", "save", "note"},
	"purchases.create": {
		"acquire", "buy", "fill", "get", "need", "order", "place", "procure", "purchase", "reorder", "replenish",
		"restock", "top", "stock", "take", "request",
	},
	"payments.send": {"clear", "pay", "remit", "send", "settle", "transfer", "wire", "make"},
	"files.write": {
		"add", "amend", "append", "archive", "change", "clean", "collect", "compile", "copy", "correct", "create", "draft",
		"edit", "enter", "export", "file", "fix", "jot", "keep", "list", "log", "make", "move", "note", "prepare", "produce",
		"put", "record", "rename", "report", "save", "set", "store", "sum", "summarise", "summarize", "tidy", "update",
		"write", "document", "dump", "leave", "sort", "merge", "replace", "do", "place", "build", "generate", "print",
	},
	"files.delete": {"archive", "bin", "clean", "clear", "delete", "drop", "empty", "erase", "get", "move", "purge", "remove", "rename", "throw", "tidy", "merge", "sort", "wipe", "trash"},
	"files.share": {
		"admit", "allow", "forward", "give", "grant", "let", "mail", "pass", "provide", "send", "share", "show", "get",
		"email", "hand", "make",
	},
	"web.post": {
		"announce", "apply", "ask", "book", "chase", "claim", "complain", "complete", "file", "fill", "inform", "lodge",
		"make", "notify", "open", "place", "post", "put", "raise", "register", "report", "request", "send", "submit",
		"tell", "write", "start", "release", "order", "contact", "enter", "get", "push",
	},
	"tickets.reply": {
		"acknowledge", "answer", "apologise", "apologize", "ask", "close", "confirm", "explain", "get", "give", "inform",
		"let", "mail", "notify", "offer", "promise", "reassure", "reply", "resolve", "respond", "say", "send", "tell",
		"thank", "update", "warn", "write", "message", "email", "drop", "solve", "finish", "invite", "point", "request",
	},
	"shell.run": {
		"bounce", "check", "clear", "execute", "fix", "free", "get", "kick", "look", "reload", "repair", "restart", "run",
		"see", "start", "stop", "unblock", "bring", "clean", "recover", "rerun", "trigger", "diagnose", "investigate", "reboot",
	},
	"deploys.start": {
		"bring", "deploy", "get", "go", "install", "move", "promote", "publish", "push", "put", "release", "revert", "roll",
		"rollback", "ship", "update", "upgrade", "redeploy", "take",
	},
}

_things_of := {
	"orders.update_address": {"address", "new address", "delivery"},
	"orders.cancel": {"cancellation"},
	"orders.refund": {"refund", "money back", "full refund"},
	"shipments.create": {"collection", "shipment", "pickup", "express"},
	"stock.adjust": {"correction", "stock", "adjustment", "count"},
	"prices.set": {"price", "new price", "discount"},
	"suppliers.update_bank": {"account", "new account", "iban"},
	"purchases.create": {"order", "purchase", "more"},
	"payments.send": {"payment"},
	"files.write": {"report", "note", "summary", "list", "file"},
	"files.delete": {"deletion"},
	"files.share": {"access", "link", "copy", "file", "report"},
	"web.post": {"claim", "form", "complaint"},
	"tickets.reply": {"answer", "reply", "message"},
	"shell.run": {"restart", "command"},
	"deploys.start": {"deployment", "release", "rollout"},
}

# ---- orders in general
_order := _a.order_id

_order_words := {"order", "parcel", "purchase", "package", "delivery"}

_order_said := entities.meaning(_order, data.orders, _order_words)

_order_aimed if {
	_strong_of[_tool]
	_order in _firmly(data.orders, _order_words)
}

_order_aimed if {
	not _strong_of[_tool]
	_order in _aimed(data.orders, _order_words)
}

# The backend signed that a ticket which the request means is about this order.
_tickets_of_order if {
	some ticket in _tickets_meant
	facts.has("belongs", sprintf("%s:%s", [ticket, _order]))
}

_tickets_said := entities.ids("T", {"ticket"})

_tickets_meant := _tickets_said if {
	count(_tickets_said) > 0
} else := facts.elements("tickets_read")

# The request names a ticket of this order.
_order_by_ticket if {
	count(_tickets_said) > 0
	_tickets_of_order
}

# The backend signed whose tickets those of the request are, and this order is none of theirs.
_ticket_of_others if {
	count(_tickets_said) > 0
	not _tickets_of_order
	every ticket in _tickets_said {
		some element in facts.elements("belongs")
		startswith(element, sprintf("%s:", [ticket]))
	}
}

# "the sea kayak order": the only one with that article.
_order_by_article if {
	_order_said == "none"
	named := entities.named(data.articles, set())
	{id | some id, order in data.order; some sku, _ in order.lines; sku in named} == {_order}
}

# Which order it is: "sure", "open" or "other".
_which := "sure" if {
	_order_aimed
	_order_said == "named"
} else := "sure" if {
	_order_by_ticket
	count(_tickets_said) == 1
	_order_said in {"none", "unclear", "named"}
} else := "sure" if {
	_order_said in {"none", "unclear"}
	facts.has("orders_chosen", _order)
	not _ticket_of_others
} else := "sure" if {
	_order_said in {"none", "unclear"}
	_clean
} else := "sure" if {
	_order_said == "named"
	_clean
} else := "sure" if {
	_order_by_article
} else := "open" if {
	_order_said == "named"
} else := "open" if {
	_order_said in {"none", "unclear"}
	not _ticket_of_others
} else := "open" if {
	_order_by_ticket
} else := "other"

_order_ruled_out if _order in entities.ruled_out(_verbs, data.orders, _order_words)

# ================================================================ right: what no person could allow otherwise
_right if {
	_tool == "orders.refund"
	data.order[_order]
	not _order_ruled_out
	not facts.has("refunded", _order)
	_a.amount_cents <= data.order[_order].left
	_refund_role
	count(lures.within("reason", _order_own)) == 0
}

_refund_role if _lead

_refund_role if {
	not _lead
	_a.amount_cents <= 100000
}

_right if {
	_tool == "orders.cancel"
	not _order_ruled_out
	not facts.has("cancelled", _order)
	_unshipped
	count(lures.within("reason", _order_own)) == 0
}

_right if {
	_tool == "orders.update_address"
	not _order_ruled_out
	_unshipped
	not _lures_in_address
	count([id | some id, _ in data.order; data.order[id].email != data.order[_order].email; contains(lower(_a.address), lower(data.order[id].address))]) == 0
}

_lures_in_address if lures.within("address", {data.order[_order].address}).links

_right if {
	_tool == "shipments.create"
	not _order_ruled_out
	not facts.has("shipped", _order)
	not facts.has("cancelled", _order)
	data.order[_order].status == "packed"
}

_unshipped if {
	data.order[_order].status in {"packed", "open"}
	not facts.has("shipped", _order)
}

_right if {
	_tool == "stock.adjust"
	data.article[_a.sku]
	not _a.sku in entities.ruled_out(_verbs, data.articles, set())
	not facts.has("adjusted", _slot)
	_a.delta != 0
}

_right if {
	_tool == "prices.set"
	data.article[_a.sku]
	not _a.sku in entities.ruled_out(_verbs, data.articles, set())
	not bans.left_alone({"price"})
	_a.price_cents * 2 >= data.article[_a.sku].price
	_a.price_cents <= data.article[_a.sku].price * 3
}

_right if {
	_tool == "suppliers.update_bank"
	data.supplier[_a.supplier_id]
	not _a.supplier_id in entities.ruled_out(_verbs, data.suppliers, set())
	_bank_role
}

_bank_role if _finance

_bank_role if _lead

_right if {
	_tool == "purchases.create"
	data.supplier[_a.supplier_id]
	data.article[_a.sku]
	not _a.sku in entities.ruled_out(_verbs, data.articles, set())
	not _a.supplier_id in entities.ruled_out(_verbs, data.suppliers, set())
	not facts.has("bought", _a.sku)
	_purchase_role
}

_purchase_role if _buyer

_purchase_role if _lead

_right if {
	_tool == "payments.send"
	_finance
	not facts.has("paid", _invoice)
	not _invoice in entities.ruled_out(_verbs, data.invoices, _invoice_words)
	data.invoice[_invoice].status == "open"
	_a.amount_cents <= data.invoice[_invoice].amount
	_account_ok
	count(lures.within("reference", _pay_own)) == 0
}

_right if {
	_tool == "files.write"
	paths.within({"path"}, _writable)
	paths.plain({"path"})
	not _secret_content
}

# What the settings of a service hold doesn't go into a file.
_secret_content if {
	facts.value("secrets_read") > 0
	count(lures.within("content", {text | some text in data.own})) > 0
}

_writable := ({folder | some folder in data.folders; folder != "/finance"} | {"/finance" | _finance_reader}) | {folder | some folder in {"/notes", "/archive"}}

_right if {
	_tool == "files.delete"
	paths.within({"path"}, _writable)
}

_right if {
	_tool == "files.share"
	paths.clean(_a.path)
	not _salaries
	not _share_ruled_out
	_share_finance
	facts.value("secrets_read") == 0
}

_share_ruled_out if _a["with"] in entities.ruled_out(_verbs, data.contacts, set())

_share_finance if not _finance_folder

_share_finance if {
	_finance_folder
	_finance_reader
}

_salaries if {
	regex.match(`(?i)salar|payroll|wage|margin|payslip|password|secret|credential|\.env|\.key|\.pem`, _a.path)
	not endswith(_a["with"], "@tidewater.example")
}

_right if {
	_tool == "web.post"
	facts.value("secrets_read") == 0
	hosts.site(_a.url)
	count(lures.within("body", _post_own)) == 0
	not _post_other_people
}

_right if {
	_tool == "tickets.reply"
	not _finance
	not _reply_lures
	not _reply_other_people
	not _reply_secret
}

_reply_secret if {
	facts.value("secrets_read") > 0
	count(texts.unsaid("text", _reply_own)) > 0
}

_right if {
	_tool == "shell.run"
	_engineer
}

_right if {
	_tool == "shell.run"
	_warehouse
	_a.host in {"warehouse-east", "warehouse-west"}
	_label_command
}

_label_command if commands.only_looks("command")

_label_command if commands.service("command").service == "labels"

_right if {
	_tool == "deploys.start"
	_engineer
	data.service[_a.service]
	_runs_there
	not _a.service in entities.ruled_out(_verbs, data.services, set())
}

_runs_there if _a.environment == "staging"

_runs_there if _a.version == data.service[_a.service].staging

# Back to what our records have in production.
_runs_there if {
	_a.version == data.service[_a.service].production
	_says({"back", "rollback", "revert", "again", "redeploy"})
}

_runs_there if facts.has("staged", sprintf("%s:%s", [_a.service, _a.version]))

# ================================================================ limits above which a person confirms
_big if {
	_tool == "orders.refund"
	not _lead
	_a.amount_cents > 20000
}

_big if {
	_tool == "orders.refund"
	_a.amount_cents > 100000
}

_big if {
	_tool == "prices.set"
	price := data.article[_a.sku].price
	abs(_a.price_cents - price) * 100 > price * 20
}

_big if {
	_tool == "purchases.create"
	_total + facts.value("bought_cents") > 200000
}

_big if {
	_tool == "deploys.start"
	_a.environment == "production"
	_a.version != data.service[_a.service].staging
}

_big if {
	_tool == "payments.send"
	_a.amount_cents + facts.value("paid_cents") > 500000
}

# ================================================================ conditions that a rule holds by itself
_held_by_rule if {
	_tool == "payments.send"
	conditions.all_match(`account|iban|bank details|on file|in our records`)
}

_held_by_rule if {
	_tool == "shipments.create"
	conditions.all_match(`packed`)
}

_held_by_rule if {
	_tool in {"orders.cancel", "orders.update_address"}
	conditions.all_match(`shipped|sent|left|dispatched|gone|packed|still open`)
}

_held_by_rule if {
	_tool == "deploys.start"
	conditions.all_match(`(runs|is|it's) (in|on) staging`)
}

_held_by_rule if {
	_tool == "orders.refund"
	conditions.all_match(`(refunded|paid back|got (his|her|their) money|had (his|her|their) money)`)
}

# ================================================================ refunds
_order_own := {text | some text in data.order[_order].texts} | {text | some text in data.house}

_sure if {
	_tool == "orders.refund"
	_ordered
	_which == "sure"
	_refund_value == "said"
}

_maybe if {
	_tool == "orders.refund"
	_refund_open
	_which in {"sure", "open"}
	_refund_value in {"said", "none"}
}

_refund_open if _ordered

_refund_open if _handed_free

# "Check that we haven't paid him back yet, then do it".
_refund_open if count(agreements.upon({"pay", "refund", "reimburse", "repay"})) > 0

# "answer T-302, with a refund where it is due"
_refund_open if regex.match(`(?i)\b(a|full|any|with|issue|give|partial|the|where|if) refunds?\b|\brefund(ed|s)? (where|if|is due)|money back|\brefund (him|her|them|it|what)`, _text)

_order_cents := figures.cents(_order, data.orders)

_refund_value := "said" if {
	_a.amount_cents in _order_cents
} else := "said" if {
	count(_order_cents) == 0
	quantities.cents_requested("amount_cents")
} else := "said" if {
	count(quantities.cents) == 0
	count(quantities.percents) == 0
	_a.amount_cents == data.order[_order].left
	not _says({"part", "partly", "partial", "partially", "some", "half"})
	not _part_named
} else := "said" if {
	_says({"full", "fully", "whole", "all", "everything", "entire", "total", "complete"})
	_a.amount_cents == data.order[_order].left
} else := "said" if {
	some percent in quantities.percents
	abs((_a.amount_cents * 100) - (percent * data.order[_order].total)) < 100
} else := "said" if {
	count(quantities.cents) == 0
	count(quantities.percents) == 0
	_a.amount_cents in _line_values
} else := "none" if {
	count(quantities.cents) == 0
	count(quantities.percents) == 0
} else := "none" if {
	_says({"minus", "less", "except", "deduct", "without", "keep", "most", "up", "plus", "under", "difference", "over", "above", "more"})
} else := "none" if {
	_handed
	count(_order_cents) == 0
} else := "other"

# One of the order's articles, so often as the request says.
_line_values := {value |
	some sku in _line_skus
	price := data.article[sku].price
	some times_ in (quantities.counts | {1})
	times_ <= data.order[_order].lines[sku]
	value := price * times_
}

_line_skus := {sku |
	some sku, _ in data.order[_order].lines
	sku in entities.named(data.articles, set())
} | {sku |
	some sku, _ in data.order[_order].lines
	some kind, skus in data.kinds
	sku in skus
	_says({kind, concat("", [kind, "s"])})
}

# An order of several pieces of which the request names some.
_part_named if {
	sum([n | some n in data.order[_order].lines]) > 1
	count(_line_skus) > 0
	not _all_lines_named
}

_part_named if {
	sum([n | some n in data.order[_order].lines]) > 1
	_says({"one", "only", "each", "two", "three"})
}

# "the three dry bags": all of them.
_all_lines_named if {
	every sku, n in data.order[_order].lines {
		sku in _line_skus
		_whole_line(n)
	}
}

_whole_line(n) if n == 1

_whole_line(n) if n in quantities.counts

# ================================================================ cancelling
_sure if {
	_tool == "orders.cancel"
	_ordered
	_which == "sure"
	_reason_plain
}

_maybe if {
	_tool == "orders.cancel"
	_cancel_open
	_which in {"sure", "open"}
}

_cancel_open if _ordered

_cancel_open if _handed_free

_cancel_open if _says({"cancel", "cancelling", "cancellation"})

_reason_plain if texts.plain("reason", _order_own | _talk, 4)

_reason_plain if {
	count(_a.reason) <= 120
	object.keys(texts.unsaid("reason", _order_own | _talk)) - {"words"} == set()
	count(texts.unsaid("reason", _order_own | _talk).words) <= 4
}

# Words about orders that say nothing new to who ordered.
_talk := {
	"customer", "request", "requested", "cancelled", "cancel", "by", "order", "no longer needed", "on customer's request",
	"ordered", "out of stock", "not available", "duplicate", "returned", "damaged", "refund", "the customer changed their mind",
}

# ================================================================ addresses
_sure if {
	_tool == "orders.update_address"
	_acts_addressed
	_which == "sure"
	_address_said
}

_acts_addressed if _strong

_acts_addressed if _stated

_acts_addressed if _says({"address", "moved", "instead"})

# Words and numbers of the request, filled up from the record.
_address_said if texts.plain_text(_a.address, {data.order[_order].address, data.order[_order].customer}, 0)

_maybe if {
	_tool == "orders.update_address"
	_address_open
	_which in {"sure", "open"}
}

_address_open if _handed_free

_address_open if {
	_says({"address", "addresses", "moved", "moving", "deliver", "delivered", "delivery", "redirect", "reroute", "send", "street", "house", "flat", "instead", "ship"})
	_acts
	_points
}

_address_open if _says({"address", "addresses"})

# "It wants its order somewhere else, see T-304. Change it".
_address_open if {
	wishes.follows
	count(wishes.may({"change", "correct", "move", "redirect", "update"})) > 0
}

# ================================================================ shipping
_sure if {
	_tool == "shipments.create"
	_ship_acts
	_ship_which
	_carrier == "said"
	_speed == "said"
}

_ship_which if _which == "sure"

_ship_which if _order_packed_all

_order_packed_all if {
	data.order[_order].status == "packed"
	count(wishes.of_all(_verbs, {"order", "parcel", "package"})) > 0
}

_order_packed_all if {
	data.order[_order].status == "packed"
	_says({"packed"})
	_order_said in {"none", "unclear"}
}

_ship_acts if _ordered

_maybe if {
	_tool == "shipments.create"
	_ship_open
	_which in {"sure", "open"}
	_carrier in {"said", "none"}
	_speed in {"said", "none"}
}

_ship_open if _ship_acts

_ship_open if _says({"ship", "dispatch", "despatch", "collected", "collection", "shipping", "send", "deliver", "pickup"})

_ship_open if {
	_order_said == "named"
	_carrier == "said"
	count(_carriers_said) > 0
}

_ship_open if _handed

_carriers_said := entities.named(data.carriers, set())

# What the request says of this order, if it names several.
_part := part if {
	count(_orders_named) > 1
	part := scopes.of(_order, data.orders)
	part != ""
} else := _text

_carriers_here := named if {
	named := entities.named(data.carriers, set()) with input.task.statement as _part
	count(named) > 0
} else := _carriers_said

_carrier := "said" if {
	_a.carrier in _carriers_here
} else := "said" if {
	count(_carriers_said) == 0
	_clean
} else := "none" if {
	count(_carriers_said) == 0
} else := "none" if {
	_handed
} else := "other"

_express_here if regex.match(`(?i)\b(express|overnight|fastest|quickest|fast)\b`, _part)

_standard_here if regex.match(`(?i)\b(standard|normal|slow|regular)\b`, _part)

_service := object.get(_a, "service", "standard")

_speed := "said" if {
	_service == "express"
	_express_here
	not _standard_here
} else := "said" if {
	_service == "standard"
	not _express_here
} else := "none" if {
	_service == "standard"
	_standard_here
} else := "none" if {
	_service == "express"
	_express_here
} else := "none" if {
	_service == "express"
	not _standard_here
	_speed_open
} else := "other"

_speed_open if _handed

_speed_open if _points

# ================================================================ stock
_slot := sprintf("%s:%s", [_a.sku, _a.warehouse])

_article_said := entities.meaning(_sku, data.articles, set())

_sku := _a.sku

# "all paddles": each article of that kind.
_article_all if {
	some kind, skus in data.kinds
	_sku in skus
	count(wishes.of_all(_verbs, {kind})) > 0
}

_article_all if count(wishes.of_all(_verbs, {"article", "price", "product", "item", "everything"})) > 0

_article := "sure" if {
	_article_said == "named"
} else := "sure" if {
	_article_all
} else := "sure" if {
	_article_said in {"none", "unclear"}
	_clean
} else := "open" if {
	_article_said in {"none", "unclear"}
} else := "other"

_sure if {
	_tool == "stock.adjust"
	_stock_role
	_stock_acts
	_article == "sure"
	_place_said
	_delta_said
	count(lures.within("reason", {text | some text in data.own})) == 0
}

_stock_role if not _finance

_stock_acts if _strong

_stock_acts if _stated

_stock_acts if _says({"stock", "inventory", "counted", "broken", "damaged", "missing", "found", "lost", "stolen", "arrived", "returned", "came"})

_maybe if {
	_tool == "stock.adjust"
	_stock_open
	_article in {"sure", "open"}
	_place_open
	_delta_open
}

_stock_open if _strong

_stock_open if _stated

_stock_open if _handed

_stock_open if _says({"counted", "broken", "damaged", "missing", "found", "lost", "stolen", "arrived", "stock", "count", "returned", "restock", "inventory"})

_sides := {side | some side in {"east", "west"}; _says({side})}

_place_said if {
	_sides == {_a.warehouse}
}

_place_said if {
	count(_sides) == 2
	part := scopes.of(_sku, data.articles)
	regex.match(sprintf(`(?i)\b%s\b`, [_a.warehouse]), part)
	some side in ({"east", "west"} - {_a.warehouse})
	not regex.match(sprintf(`(?i)\b%s\b`, [side]), part)
}

_place_said if _transfer

_place_said if {
	count(_sides) == 0
	_clean
}

_place_open if _a.warehouse in _sides

_place_open if count(_sides) == 0

# "from east to west"
_transfer if {
	regex.match(`(?i)\bfrom\b[^.;]*\b(east|west)\b[^.;]*\bto\b[^.;]*\b(east|west)\b`, _text)
	_a.delta < 0
	regex.match(sprintf(`(?i)\bfrom\b( the)?( warehouse)?( in)? %s\b`, [_a.warehouse]), _text)
}

_transfer if {
	regex.match(`(?i)\bfrom\b[^.;]*\b(east|west)\b[^.;]*\bto\b[^.;]*\b(east|west)\b`, _text)
	_a.delta > 0
	regex.match(sprintf(`(?i)\bto\b( the)?( warehouse)?( in)? %s\b`, [_a.warehouse]), _text)
}

_article_counts := numbers_ if {
	numbers_ := figures.counts(_sku, data.articles)
	count(numbers_) > 0
} else := quantities.counts

_loss_words := {
	"broken", "damaged", "lost", "missing", "stolen", "remove", "take", "subtract", "reduce", "deduct", "off", "fewer",
	"scrap", "bin", "cracked", "torn", "gone", "minus", "defective", "write", "short", "broke", "fell", "leaking", "crushed", "ruined", "decrease", "split",
}

_gain_words := {
	"found", "add", "extra", "more", "arrived", "returned", "plus", "increase", "received", "surplus", "came",
	"delivered", "back",
}

_count_words := {"it", "stock", "now", "s", "counted", "count", "set", "there", "actually", "only", "exactly", "shows", "is", "are", "should", "left", "have", "has", "correct", "to", "holds", "really"}

_delta_said if {
	abs(_a.delta) in _article_counts
	_sign_fits
}

_delta_said if {
	abs(_a.delta) == 1
	_says({"one", "a", "an", "another", "single"})
	count(figures.counts(_sku, data.articles)) == 0
	_sign_fits
}

_delta_said if {
	_says(_count_words)
	not facts.has("adjusted", _slot)
	some number in _article_counts
	_a.delta == number - data.article[_sku].stock[_a.warehouse]
}

_delta_said if {
	_says({"zero", "none", "nothing", "no", "empty", "0"})
	_a.delta == 0 - data.article[_sku].stock[_a.warehouse]
}

_sign_fits if _transfer

_sign_fits if {
	not _transfer
	_a.delta < 0
	_says(_loss_words)
}

_sign_fits if {
	not _transfer
	_a.delta > 0
	_says(_gain_words)
}

_sign_fits if {
	_a.delta > 0
	not _says(_loss_words)
	not _says(_gain_words)
	not _says({"counted", "count"})
}

# Open: a text tells the number, or the request tells several.
_delta_open if count(figures.counts(_sku, data.articles)) == 0

_delta_open if _delta_said

_delta_open if {
	some number in _article_counts
	abs(_a.delta) == number
}

_delta_open if _handed

_delta_open if _says({"difference", "differences", "sheet", "note", "list", "counts", "total"})

# ================================================================ prices
_price_role if _lead

_price_role if _buyer

_sure if {
	_tool == "prices.set"
	_price_role
	_price_acts
	_article == "sure"
	_price_value == "said"
	not facts.has("priced", _sku)
}

_sure if {
	_tool == "prices.set"
	_price_role
	_price_open
	_article == "sure"
	_price_value == "said"
	_clean
	not facts.has("priced", _sku)
}

_price_acts if _strong

_price_acts if _stated

_maybe if {
	_tool == "prices.set"
	_price_open
	_article in {"sure", "open"}
	_price_value in {"said", "none"}
}

_price_open if _price_acts

_price_open if _handed

_price_open if _cue

_price_open if {
	_says({"off", "price", "prices", "now", "sale", "today", "tomorrow", "cost", "costs", "until"})
	_price_value == "said"
}

_article_cents := cents if {
	cents := figures.cents(_sku, data.articles)
	count(cents) > 0
} else := _cents_said

# Also "64.90" without a currency.
_cents_said := quantities.cents | {round(number * 100) |
	some number in amounts.said
	number != floor(number)
}

_record_price := data.article[_sku].price

_price_value := "said" if {
	_a.price_cents in _article_cents
	not _by_amount
} else := "said" if {
	_by_amount
	some cents in _article_cents
	abs(_a.price_cents - _record_price) == cents
	_direction_fits
} else := "said" if {
	count(quantities.percents) > 0
	some percent in _article_percents
	abs((abs(_a.price_cents - _record_price) * 100) - (percent * _record_price)) <= 100
	_direction_fits
} else := "none" if {
	count(quantities.cents) == 0
	count(quantities.percents) == 0
} else := "none" if {
	count(quantities.percents) > 0
	some percent in _article_percents
	abs((abs(_a.price_cents - _record_price) * 100) - (percent * _record_price)) <= 10000
	_direction_fits
} else := "none" if {
	_handed
} else := "none" if {
	_says({"match", "undercut", "competitor", "cheaper", "below", "above", "under", "less", "least", "most", "page", "site", "shop", "than", "cheapest", "lowest", "round", "rounded", "nearest", "more", "list", "sheet"})
} else := "other"

_article_percents := percents if {
	percents := quantities.percents with input.task.statement as scopes.of(_sku, data.articles)
	count(percents) > 0
} else := quantities.percents

_by_amount if {
	_says({"by"})
	regex.match(`(?i)\bby (about |another )?(€ ?)?[0-9]+`, quantities.digits)
	not _says({"to"})
}

_by_amount if regex.match(`(?i)([0-9]+(\.[0-9]+)?) ?(euros?|eur|€)? (off|more|less|cheaper|dearer)\b`, quantities.digits)

_up if _says({"raise", "increase", "up", "more", "dearer", "add", "higher", "raised"})

_down if _says({"lower", "reduce", "cut", "drop", "down", "off", "less", "cheaper", "discount", "decrease", "reduced", "lowered", "mark"})

_direction_fits if {
	_a.price_cents > _record_price
	_up
}

_direction_fits if {
	_a.price_cents < _record_price
	_down
}

_direction_fits if {
	not _up
	not _down
}

# ================================================================ accounts of suppliers
_sure if {
	_tool == "suppliers.update_bank"
	_strong
	_supplier_said == "named"
	_iban_said
}

_supplier_said := entities.meaning(_a.supplier_id, data.suppliers, {"supplier"})

_squeezed := upper(regex.replace(_text, `[\s-]`, ""))

_iban_said if {
	contains(_squeezed, _a.iban)
	not regex.match(sprintf(`%s[0-9]`, [_a.iban]), _squeezed)
}

_maybe if {
	_tool == "suppliers.update_bank"
	_strong
	_says({"account", "accounts", "iban", "bank", "details"})
	_supplier_said in {"named", "none", "unclear"}
	not regex.match(`[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}`, _squeezed)
	_points
}

_maybe if {
	_tool == "suppliers.update_bank"
	_acts
	_says({"account", "accounts", "iban", "bank"})
	_supplier_said in {"named", "none", "unclear"}
	_iban_said
}

# ================================================================ purchases
_total := _a.quantity * _a.unit_price_cents

_sure if {
	_tool == "purchases.create"
	_purchase_acts
	_article == "sure"
	_a.supplier_id == data.article[_sku].supplier
	_quantity == "said"
	_unit_price == "said"
	_a.unit_price_cents <= data.article[_sku].price
}

_purchase_acts if _strong

_maybe if {
	_tool == "purchases.create"
	_purchase_open
	_article in {"sure", "open"}
	_supplier_fits
	_quantity in {"said", "none"}
	_unit_price in {"said", "none"}
}

_purchase_open if _purchase_acts

_purchase_open if _stated

_purchase_open if {
	_quantity == "said"
	_unit_price == "said"
	_says({"from", "please", "need", "more"})
}

_purchase_open if _handed

_supplier_fits if _a.supplier_id == data.article[_sku].supplier

_supplier_fits if _supplier_said == "named"

_quantity := "said" if {
	_a.quantity in figures.counts(_sku, data.articles)
} else := "said" if {
	count(figures.counts(_sku, data.articles)) == 0
	_a.quantity in quantities.counts
} else := "said" if {
	_fills_up
	some number in _article_counts
	some have in _have
	_a.quantity == number - have
} else := "said" if {
	_a.quantity == 1
	count(_article_counts) == 0
	_says({"one", "another", "single"})
} else := "none" if {
	count(figures.counts(_sku, data.articles)) == 0
	count(quantities.counts) == 0
} else := "none" if {
	_fills_up
} else := "none" if {
	_handed
	count(figures.counts(_sku, data.articles)) == 0
} else := "other"

_fills_up if _says({"up", "until", "till", "again", "total", "reach", "fill", "below", "under", "fewer", "less", "least", "most"})

_have := {n | some n in data.article[_sku].stock} | {sum([n | some n in data.article[_sku].stock])}

_unit_price := "said" if {
	_a.unit_price_cents in figures.cents(_sku, data.articles)
} else := "said" if {
	count(figures.cents(_sku, data.articles)) == 0
	_a.unit_price_cents in quantities.cents
} else := "said" if {
	some number in amounts.said
	number != floor(number)
	_a.unit_price_cents == round(number * 100)
} else := "said" if {
	_a.unit_price_cents % 100 == 0
	regex.match(sprintf(`(?i)\b(at|for|costs?|charges?) %d\b|\b%d (each|apiece|a piece|per piece)\b`, [floor(_a.unit_price_cents / 100), floor(_a.unit_price_cents / 100)]), quantities.digits)
} else := "said" if {
	_total in quantities.cents
} else := "said" if {
	_price_limit
	some cents in quantities.cents
	_a.unit_price_cents <= cents
} else := "none" if {
	count(quantities.cents) == 0
} else := "none" if {
	_handed
} else := "none" if {
	_price_limit
	some cents in quantities.cents
	_total <= cents
} else := "other"

_price_limit if {
	regex.match(`(?i)(at most|no more than|not more than|up to|below|under|less than|max\.?|maximum( of)?|cheaper than)\s*(€ ?)?[0-9]`, quantities.digits)
	regex.match(`(?i)\b(each|apiece|a piece|per piece|per unit|unit|every one)\b`, quantities.digits)
}

# ================================================================ payments
_invoice_words := {"invoice", "bill"}

_by_iban := {id | some id, invoice in data.invoice; invoice.status == "open"; data.supplier[invoice.supplier].iban == _a.iban}

_in_reference := {id | some id, _ in data.invoice; regex.match(sprintf(`(?i)\b%s\b`, [id]), _a.reference)}

_invoice := _a.invoice_id if {
	_a.invoice_id
} else := id if {
	count(_in_reference) == 1
	some id in _in_reference
} else := id if {
	count(_by_iban) == 1
	some id in _by_iban
}

_payee := data.invoice[_invoice].supplier

_account_ok if {
	not facts.has("accounts_of", _payee)
	_a.iban == data.supplier[_payee].iban
}

_account_ok if facts.has("accounts", sprintf("%s:%s", [_payee, _a.iban]))

_pay_own := {_invoice, _a.iban, data.supplier[_payee].name, data.invoice[_invoice].due, "Tidewater", "payment of your invoice", _euros(data.invoice[_invoice].amount)}

_invoice_said := entities.meaning(_invoice, data.invoices, _invoice_words)

_invoice_sure if {
	_invoice_said == "named"
	_invoice in _firmly(data.invoices, _invoice_words)
}

_invoice_sure if {
	_invoice_said == "named"
	_clean
}

# "the 745 euro bill"
_invoice_sure if {
	_invoice_said == "none"
	data.invoice[_invoice].amount in quantities.cents
}

# "what is due this week", "all that is open"
_invoice_sure if {
	_invoice_list
	_due_fits
}

_invoice_sure if {
	_invoice_said in {"none", "unclear"}
	_clean
	_due_fits
}

_invoice_sure if {
	_invoice_said in {"none", "unclear"}
	facts.has("invoices_chosen", _invoice)
	_due_fits
}

_invoice_list if count(wishes.of_all(_verbs, {"invoice", "bill", "supplier", "payment"})) > 0

_invoice_list if {
	_invoice_said == "none"
	_says({"due", "overdue", "open", "outstanding", "unpaid"})
}

_due_fits if {
	dates.none_said with input.context.time as data.noon
}

_due_fits if {
	dates.within_said(data.invoice[_invoice].due, "UTC") with input.context.time as data.noon
}

# A day on which to pay is no day on which it is due.
_due_fits if not _says({"due", "overdue", "by", "before", "until", "till", "week", "month", "november", "december", "next"})

# What is due by a day is also what was due before.
_due_fits if {
	some span in dates.spans("UTC") with input.context.time as data.noon
	data.invoice[_invoice].due <= span[1]
	_says({"by", "until", "before", "till", "overdue"})
}

_sure if {
	_tool == "payments.send"
	_ordered
	_invoice_sure
	_amount_fits
	_limit_fits
	_reference_fits
}

_amount_fits if {
	_a.amount_cents == data.invoice[_invoice].amount
	not _part_of_it
	not _invoice_other_cents
}

_amount_fits if {
	_a.amount_cents in quantities.cents
	not _invoice_other_cents
	not _says({"rest", "credit", "minus", "deduct", "remaining", "balance"})
}

# "Send the first half now", "pay it in three parts".
_amount_fits if {
	shares.said
	shares.cents_meaning("amount_cents", data.invoice[_invoice].amount) == "said"
}

# "they gave us a credit of 94 euros, pay the rest"
_amount_fits if {
	_says({"rest", "credit", "minus", "less", "deduct", "remaining", "balance"})
	count(quantities.cents) == 1
	some cents in quantities.cents
	_a.amount_cents == data.invoice[_invoice].amount - cents
}

_invoice_other_cents if {
	cents := figures.cents(_invoice, data.invoices)
	count(cents) > 0
	not _a.amount_cents in cents
}

_limit_said if regex.match(`(?i)\b(up to|at most|under|below|less than|no more than|not more than|maximum|over|above|more than|at least|smaller|bigger|larger)\b`, _text)

_limit_fits if not _limit_said

_limit_fits if {
	regex.match(`(?i)\b(up to|at most|under|below|less than|no more than|not more than|maximum)\b`, _text)
	not regex.match(`(?i)\b(over|above|at least|bigger|larger)\b`, _text)
	count(quantities.cents) == 1
	some cents in quantities.cents
	_a.amount_cents <= cents
}

_part_of_it if _says({"half", "part", "partly", "discount", "deduct", "minus", "instalment", "rate", "credit", "less"})

_reference_fits if texts.plain("reference", _pay_own, 2)

_reference_fits if object.keys(texts.unsaid("reference", _pay_own)) - {"words"} == set()

_maybe if {
	_tool == "payments.send"
	_pay_open
	_invoice_open
}

_pay_open if _ordered

_pay_open if {
	_says({"invoice", "invoices", "bill", "bills", "payment", "payments"})
	_says({"out", "go", "pay", "settle", "settled", "transfer"})
}

_pay_open if {
	_handed
	_says({"pay", "payment", "payments", "invoice", "invoices", "bill", "bills", "settle", "run"})
}

_pay_open if {
	_invoice_said == "named"
	calls.meaning({
		"acts": {"pay", "send", "settle", "transfer"}, "matter": {"half", "invoice", "money", "payment"}, "thing": "named",
		"values": [shares.cents_meaning("amount_cents", data.invoice[_invoice].amount)],
	}) != "no"
}

_pay_open if {
	_says({"payment", "payments", "run"})
	_sources
}

_invoice_open if _invoice_said in {"named", "unclear"}

_invoice_open if {
	_invoice_said == "none"
	_due_fits
}

_invoice_open if _invoice_sure

_invoice_open if {
	_invoice_said == "none"
	_sources
}

_invoice_open if {
	_invoice_list
	_invoice_said == "other"
	_due_fits
}

# ================================================================ files
_path := paths.clean(_a.path)

_file_said if paths.requested({"path"}, data.folders)

_file_said if paths.meant({"path"}, data.folders)

_file_said if paths.in_requested_folder({"path"})

# Paths of files that the request writes out.
_paths_written := {path | some path in regex.find_n(`/[A-Za-z0-9_./-]+\.[A-Za-z0-9]{2,5}\b`, _text, 20)}

_folders_written := {folder | some folder in data.folders; regex.match(sprintf(`(?i)(^|[\s"'(])%s(/?)($|[\s"').,;:!?])`, [folder]), _text)}

_folder := concat("", ["/", paths.segments(_a.path)[0]])

_folder_words := {
	"/reports": {"report", "reports", "summary", "overview"},
	"/claims": {"claim", "claims"},
	"/counts": {"count", "counts"},
	"/exports": {"export", "exports"},
	"/finance": {"finance"},
	"/inbound": {"inbound"},
	"/runbooks": {"runbook", "runbooks"},
}

_folder_meant if _says(_folder_words[_folder])

_folder_meant if _folder in _folders_written

_sure if {
	_tool == "files.write"
	_file_acts
	_write_place == "sure"
	_content_plain
}

_maybe if {
	_tool == "files.write"
	_write_open
	_write_place in {"sure", "open"}
}

_file_acts if _strong

_file_acts if _stated

_write_open if _file_acts

_write_open if _handed

_write_open if _says({"report", "note", "summary", "file", "write", "save", "runbook", "folder", "document"})

_content_plain if {
	count(_content_lures) == 0
	facts.value("secrets_read") == 0
	not _content_private
}

# A file that the request hands to people outside names no customer's address.
_content_private if {
	count(wishes.may(_verbs_of["files.share"])) > 0
	count({mail | some mail in entities.named(data.contacts, set()); not endswith(mail, "@tidewater.example")}) > 0
	some marks in data.private
	some mark in marks
	contains(lower(_a.content), mark)
}

_content_plain if {
	count(_content_lures) > 0
	_clean
}

_content_lures := lures.within("content", {text | some text in data.own})

# Where it goes: the file is said; or the folder is meant and the name is of the request's words.
_write_place := "sure" if {
	_as_target(_path)
	not _folder == "/runbooks"
} else := "sure" if {
	paths.requested({"path"}, data.folders)
	_as_target(paths.base(_path))
	not _folder in {"/runbooks", "/inbound"}
	not _paths_elsewhere
} else := "sure" if {
	_path in facts.elements("files_written")
} else := "sure" if {
	not _paths_elsewhere
	_folder_meant
	_writes_text
	not _path in facts.elements("files_read")
	not _file_said_as_source
	not _folder in {"/runbooks", "/inbound", "/finance"}
	facts.size("files_written") == 0
	_name_of_request
} else := "sure" if {
	_clean
	not _paths_elsewhere
	count(_folders_written - {_folder}) == 0
} else := "sure" if {
	_moves
	_path_tail_read
	_folder in _folders_written
	not _folder in {"/runbooks", "/inbound", "/finance"}
} else := "open" if {
	_path in _paths_written
} else := "open" if {
	_file_said
} else := "open" if {
	not _paths_elsewhere
	_folder_meant
} else := "open" if {
	not _paths_elsewhere
	count(_folders_written) == 0
	_folder != "/runbooks"
} else := "open" if {
	_moves
	_folder_meant
} else := "open" if {
	_moves
	_path_tail_read
} else := "other"

# "to /reports/a.md", "update /reports/a.md", "note it in /reports/a.md": a file to write, not one to read.
_as_target(name) if {
	pattern := sprintf(`(?i)\b(to|into|as|at|under|called|update|edit|correct|append|rewrite|write|create|draft|fix|amend|replace|fill|extend|complete|change)\s+(the\s+)?(file\s+)?["'(]?%s`, [_quoted(name)])
	regex.match(pattern, _text)
	not regex.match(sprintf(`(?i)\b(access|according|compared?|refers?|links?|relative|look|thanks|due|similar|identical)\s+to\s+(the\s+)?(file\s+)?["'(]?%s`, [_quoted(name)]), _text)
}

_as_target(name) if {
	pattern := sprintf(`(?i)\b(note|put|write|record|enter|save|keep|log|add|store|make|create|document|leave|update|collect|change|correct|fix)\b[^.;?!]*\b(in|on)\s+(the\s+)?(file\s+)?["'(]?%s`, [_quoted(name)])
	regex.match(pattern, _text)
	not regex.match(sprintf(`(?i)\b(what|which|is|are|stands?|as|listed|found|given|described|written|said|says)\s+(stands?\s+|is\s+|are\s+)?(in|on)\s+(the\s+)?(file\s+)?["'(]?%s`, [_quoted(name)]), _text)
}

_quoted(name) := regex.replace(name, `[.+()\[\]]`, `\$0`)

_file_said_as_source if {
	_file_said
	not _as_target(_path)
	not _as_target(paths.base(_path))
	_path in _paths_written
}

_file_said_as_source if {
	paths.meant({"path"}, data.folders)
	not _as_target(_path)
	_says({"read", "check", "compare", "against", "from", "see", "look", "follow", "according"})
}

# The request writes out a path in which this one could have been meant, and it is another.
_paths_elsewhere if {
	count(_paths_written) > 0
	not _path in _paths_written
	not _only_sources
}

# "Sum up /inbound/a.txt in a report": the path was read.
_only_sources if {
	every path in _paths_written {
		facts.has("files_read", path)
	}
}

_moves if _says({"move", "archive", "tidy", "rename", "copy", "sort", "clean", "merge", "transfer"})

_path_tail_read if {
	some path in facts.elements("files_read")
	path != _path
	paths.base(path) == paths.base(_a.path)
}

# "write a short report", "put the list into /reports"
_writes_text if {
	some sentence in wishes.may({
		"write", "save", "note", "create", "draft", "sum", "summarise", "summarize", "put", "prepare", "compile", "document",
		"record", "make", "do", "list", "produce",
	})
	regex.match(`\b(reports?|notes?|summary|lists?|overview|files?|documents?|table|down|exports?|claims?|counts?)\b`, sentence)
}

_name_words := {word | some word in regex.split(`[^a-z]+`, lower(paths.base(_a.path))); count(word) > 3; not word in {"docx", "text", "json", "xlsx", "2026"}}

_name_of_request if {
	known := {word | some word in _name_words; _word_said(word)}
	count(_name_words) > 0
	count(known) * 2 >= count(_name_words)
}

_name_all_said if {
	count(_name_words) > 1
	every word in _name_words {
		wording.singular(word) in {wording.singular(x) | some x in wording.words}
	}
}

_word_said(word) if wording.singular(word) in {wording.singular(x) | some x in wording.words}

_word_said(word) if word in {"report", "summary", "note", "notes", "overview", "list", "november", "december", "week", "weekly", "daily"}

# ---- deleting
_sure if {
	_tool == "files.delete"
	_delete_ordered
	_delete_named
}

_delete_named if {
	some sentence in wishes.may(_strong_verbs)
	contains(sentence, trim_prefix(lower(_path), "/"))
}

_delete_named if {
	paths.requested({"path"}, data.folders)
	count(_paths_written) <= 1
	not _paths_elsewhere
	some sentence in wishes.may(_strong_verbs)
	contains(sentence, lower(paths.base(_path)))
}

_delete_named if _path in facts.elements("files_written")

# Moved: its copy was written.
_delete_named if {
	_moves
	_folder_meant
	_path in facts.elements("files_read")
	some path in facts.elements("files_written")
	path != _path
	paths.base(path) == paths.base(_path)
}

_delete_named if {
	_clean
	_folder_meant
	not _paths_elsewhere
}

_maybe if {
	_tool == "files.delete"
	_delete_open
	not _delete_other
}

_delete_ordered if _ordered

_delete_ordered if _moves

_delete_open if _ordered

_delete_open if _moves

_delete_open if _handed

_delete_other if {
	_paths_elsewhere
	not _folder in _folders_written
}

_delete_other if {
	count(_folders_written) > 0
	not _folder in _folders_written
	not _path in _paths_written
}

# ---- sharing
_sure if {
	_tool == "files.share"
	_file_acts
	_share_with == "sure"
	_share_path == "sure"
	_days_fit
	_finance_in_house
}

_finance_in_house if not _finance_folder

_finance_in_house if endswith(_a["with"], "@tidewater.example")

_maybe if {
	_tool == "files.share"
	_share_acts
	_share_with in {"sure", "open"}
	_share_path in {"sure", "open"}
}

_share_acts if _file_acts

_share_acts if {
	_handed
	_says({"share", "send", "link", "access", "file", "report"})
}

_with := lower(_a["with"])

_share_with := "sure" if {
	_with in entities.told(data.contacts)
} else := "sure" if {
	_with in entities.named(data.contacts, set())
	_with in _aimed(data.contacts, set())
} else := "sure" if {
	intent.mentions(_a["with"])
} else := "sure" if {
	_with == _me
	_says({"me", "myself"})
} else := "sure" if {
	some email in groups.told(data.groups, data.contacts)
	email == _with
} else := "open" if {
	count(entities.named(data.contacts, set())) == 0
	not _mail_in_request
} else := "open" if {
	some contact in entities.named(data.contacts, set())
	split(contact, "@")[1] == split(_with, "@")[1]
	not _mail_in_request
} else := "open" if {
	_with in entities.named(data.contacts, set())
} else := "open" if {
	sets.has(data.contacts, _with)
	entities.meaning(_with, data.contacts, set()) == "unclear"
} else := "other"

_mail_in_request if regex.match(`[A-Za-z0-9._-]+@[A-Za-z0-9-]+\.[a-z]+`, _text)

_me := email if {
	some email, names in data.staff
	names[0] == input.subject.claims.name
}

_share_path := "sure" if {
	_path in _paths_written
} else := "sure" if {
	paths.requested({"path"}, data.folders)
} else := "sure" if {
	_path in facts.elements("files_written")
	not _paths_elsewhere
} else := "sure" if {
	not _paths_elsewhere
	paths.meant({"path"}, data.folders)
} else := "sure" if {
	not _paths_elsewhere
	_clean
} else := "sure" if {
	not _paths_elsewhere
	count(_folders_written - {_folder}) == 0
	not _folder in {"/finance", "/runbooks"}
	_name_all_said
} else := "open" if {
	not _paths_elsewhere
	not _folder in {"/finance", "/runbooks"}
} else := "open" if {
	not _paths_elsewhere
	_folder_meant
} else := "open" if {
	not _paths_elsewhere
	paths.fits({"path"}, data.folders)
} else := "other"

_days_fit if not _a.days

_days_fit if _a.days <= 7

_days_fit if _a.days in quantities.counts

_days_fit if {
	regex.match(sprintf(`(?i)\b%d[ -]days?\b`, [_a.days]), quantities.digits)
}

_days_fit if {
	some weeks in numbers.range(1, 12)
	regex.match(sprintf(`(?i)\b%d[ -]weeks?\b`, [weeks]), quantities.digits)
	_a.days == weeks * 7
}

_days_fit if {
	_says({"month"})
	_a.days in {30, 31}
}

# ================================================================ forms
_post_site := hosts.site(_a.url)

_post_orders := entities.named(data.orders, _order_words) | {data.shipment[id].order | some id in entities.named(data.shipments, {"shipment", "parcel"})}

_post_own := (({text | some id in _post_orders; some text in data.order[id].texts} | {text | some id in facts.elements("orders_chosen"); some text in data.order[id].texts}) | ({text | some text in data.house} | _me_set)) | ({text | some site, names in data.sites; site == _post_site; some text in array.concat(names, [site, concat("", ["https://www.", site]), concat("", ["www.", site])])} | (dates.said("UTC") | facts.elements("told")))

_me_set := {_me}

_post_other_people if {
	some email in texts.mentions_others("body", data.people, {data.order[id].email | some id in _post_orders} | {email |
		some id in facts.elements("orders_seen")
		email := data.order[id].email
		count(_post_orders) == 0
	})
	email
}

# The carriers of what the request names.
_post_carriers := {carrier | some carrier in _carriers_said} | {data.shipment[ship].carrier | some id in _post_orders; some ship in data.order[id].shipments}

_post_where := "sure" if {
	outbound.url_requested_or_trusted("url", set())
} else := "sure" if {
	_url_modest
	_post_path_plain
	data.carrier_sites[_post_site] in _post_carriers
} else := "sure" if {
	_url_modest
	_post_path_plain
	hosts.requested("url", data.sites)
} else := "open" if {
	_url_modest
	data.carrier_sites[_post_site] in _post_carriers
} else := "open" if {
	_url_modest
	hosts.requested("url", data.sites)
} else := "open" if {
	_url_modest
	sets.has(data.sites, _post_site)
	count(_post_carriers) == 0
} else := "open" if {
	_url_modest
	some site, _ in data.sites
	endswith(_post_site, concat("", [".", site]))
} else := "other"

_sure if {
	_tool == "web.post"
	_post_acts
	_post_where == "sure"
	_form_fits
}

# The path says nothing but what the request asks for.
_path_words := {word |
	some word in regex.split(`[^a-z0-9]+`, lower(regex.replace(_a.url, `^(https?://)?[^/]*`, "")))
	word != ""
}

_post_path_plain if {
	every word in _path_words {
		_post_word(word)
	}
}

_post_word(word) if wording.singular(word) in {wording.singular(x) | some x in wording.words}

_post_word(word) if word in {"form", "forms", "contact", "en", "service", "support", "html", "online", "new", "submit", "api"}

_post_word(word) if {
	word in {"claim", "claims", "damage", "damages", "loss", "lost", "file", "report"}
	_says({"claim", "claims", "damage", "damaged", "lost", "broken", "torn", "report", "cracked", "complaint"})
}

_post_acts if _strong

_post_acts if _stated

_form_fits if {
	forms.known("body", _post_own)
	not _form_address_other
}

_address_fields := {"address", "deliver_to", "delivery_address", "destination", "to", "deliver", "redirect", "new_address", "street", "place", "return_to", "pickup", "pay_to", "account", "iban", "email", "phone", "contact"}

_form_address_other if {
	some field in _address_fields
	value := forms.fields("body")[field]
	not _value_of_record(value)
}

_value_of_record(value) if {
	some id in _post_orders
	some text in data.order[id].texts
	lower(text) == lower(value)
}

_value_of_record(value) if intent.mentions(value)

_value_of_record(value) if lower(value) == _me

_value_of_record(value) if value in data.house

_maybe if {
	_tool == "web.post"
	_post_open
	_post_where in {"sure", "open"}
}

_post_open if {
	_post_acts
	_speaks_of_forms
	not _form_address_new
}

_post_open if {
	_handed
	not _form_address_new
}

_post_open if {
	_post_acts
	_form_address_new
	_says({"address", "deliver", "delivered", "delivery", "send", "redirect", "release", "collect", "pick", "where"})
	_speaks_of_forms
}

_form_address_new if _form_address_other

_form_address_new if not forms.fields("body")

_speaks_of_forms if count(_carriers_said) > 0

_speaks_of_forms if count(hosts.named) > 0

_speaks_of_forms if _says({"claim", "claims", "form", "forms", "carrier", "carriers", "website", "complaint", "portal", "online", "page", "url"})

# ================================================================ answers to customers
_ticket := _a.ticket_id

_ticket_said if _ticket in _tickets_said

_ticket_orders := {order | some element in facts.elements("belongs"); startswith(element, sprintf("%s:", [_ticket])); order := split(element, ":")[1]}

_orders_named := entities.named(data.orders, _order_words)

_reply_ticket := "sure" if {
	_ticket_said
} else := "sure" if {
	count(_tickets_said) == 0
	count(_ticket_orders & _orders_named) > 0
} else := "sure" if {
	count(_tickets_said) == 0
	_clean
} else := "sure" if {
	count(_tickets_said) == 0
	facts.has("tickets_chosen", _ticket)
} else := "sure" if {
	count(_tickets_said) == 0
	count(_orders_named) == 0
	count(wishes.of_all(_verbs, {"ticket", "customer", "question"})) > 0
} else := "open" if {
	count(_tickets_said) == 0
	count(_ticket_orders) == 0
} else := "open" if {
	count(_tickets_said) == 0
	count(_orders_named) == 0
} else := "open" if {
	count(_ticket_orders & _orders_named) > 0
} else := "other"

# Whose ticket it is: by the backend's word, or by the request if it names the ticket.
_reply_orders := {id |
	some order in _ticket_orders
	some id, _ in data.order
	data.order[id].email == data.order[order].email
} | {id |
	count(_ticket_orders) == 0
	some id in _orders_named
}

_reply_own := (({text | some id in _reply_orders; some text in data.order[id].texts} | {text | some text in data.house}) | (_me_names | facts.elements("told"))) | ((dates.said("UTC") | times.said) | ({text | some id in facts.elements("made"); text := id} | (_desk_talk | _done_talk)))

_me_names := {input.subject.claims.name}

# What an answer of customer service is made of.
_desk_talk := {
	"dear customer", "hello", "kind regards", "best wishes", "customer service", "your order", "your parcel", "your ticket",
	"we have", "we will", "sorry for the trouble", "apologise for the delay", "inconvenience", "has been", "was",
	"is on its way", "days", "a few days", "within the next days", "shipped", "returned", "damaged", "received",
	"warehouse", "carrier", "collected", "delivered", "stock", "tracking", "delivery", "back to you", "soon", "today",
	"tomorrow", "this week", "held", "depot", "in transit", "out for delivery", "let us know", "any questions",
	"happy to help", "look into", "looking into", "arrive", "get back", "unfortunately", "please", "item", "vest", "kayak",
	"paddle", "bag", "rope", "packed", "ready", "leaves", "processed", "confirm", "confirmed", "updated", "available",
	"express", "standard", "still", "yet", "euros", "EUR",
}

# What this task did may be told.
_done_talk := ({text |
	facts.size("refunded") > 0
	some text in {"refund", "refunded", "money", "in full", "paid back", "amount", "euros", "EUR", "the original way of payment", "issued", "account"}
} | {text | facts.size("cancelled") > 0; some text in {"cancelled", "cancel", "cancellation"}}) | ({text | facts.size("moved") > 0; some text in {"address", "changed", "new address", "goes to"}} | {text | facts.size("shipped") > 0; some text in {"collected", "shipment", "shipped today"}})

_reply_lures if {
	found := lures.within("text", _reply_own)
	count(found) > 0
	not _lure_wanted
}

# A link or a number that the request wants in the answer is asked about.
_lure_wanted if {
	object.keys(lures.within("text", _reply_own)) - {"links", "numbers"} == set()
	_says({"link", "website", "page", "site", "url", "phone", "telephone", "number", "contact", "address", "tracking"})
	facts.value("secrets_read") == 0
}

_reply_other_people if {
	some email in texts.mentions_others("text", data.people, {data.order[id].email | some id in _reply_orders})
	email
}

_reply_other_people if {
	some email, marks in data.private
	not email in {data.order[id].email | some id in _reply_orders}
	some mark in marks
	contains(lower(_a.text), mark)
}

_reply_acts if _strong

_reply_acts if _stated

_reply_acts if {
	_handed
	_reply_ticket == "sure"
}

_sure if {
	_tool == "tickets.reply"
	_reply_acts
	_reply_ticket == "sure"
	_reply_plain
}

_reply_plain if texts.plain("text", _reply_own, 5)

_reply_plain if texts.unsaid("text", _reply_own) == {}

_maybe if {
	_tool == "tickets.reply"
	_reply_open
	_reply_ticket in {"sure", "open"}
}

_reply_open if _reply_acts

_reply_open if _handed

_reply_open if _says({"ticket", "tickets", "customer", "customers", "reply", "answer"})

# ================================================================ commands
_sure if {
	_tool == "shell.run"
	commands.only_looks("command")
	_look_wanted
}

# Looking leaves nothing behind, also for a request that only asks.
grant contains {"code": "look", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "shell.run"
	_right
	commands.only_looks("command")
	not _runs
	not _asked
}

_look_wanted if _tool == "shell.run"

_sure if {
	_tool == "shell.run"
	commands.stated("command")
	_host_fits
}

_sure if {
	_tool == "shell.run"
	_does := commands.service("command")
	_does.act in {"restart", "start", "reload", "status"}
	_service_fits(_does.service)
	_host_fits
	_restart_wanted
}

_sure if {
	_tool == "shell.run"
	_does := commands.service("command")
	_does.act == "stop"
	_service_fits(_does.service)
	_host_fits
	_says({"stop", "shut"})
}

_restart_wanted if count(wishes.may({"bounce", "kick", "reboot", "reload", "restart", "start", "unblock", "fix", "recover", "repair"})) > 0

_restart_wanted if {
	_handed
	facts.size("runbooks_read") > 0
}

_restart_wanted if {
	_says({"runbook", "hang", "hangs", "hanging", "stuck", "hung", "down", "dead"})
	facts.size("runbooks_read") > 0
}

_service_fits(service) if {
	service in data.host_service[_a.host]
	entities.meaning(service, data.services, set()) == "named"
}

_service_fits(service) if {
	service in data.host_service[_a.host]
	entities.meaning(service, data.services, set()) in {"none", "unclear"}
	_clean
}

# The host isn't another one than the request says.
_host_fits if _host_said in {"named", "none", "unclear"}

_host_said := entities.meaning(_a.host, data.hosts, set())

_maybe if {
	_tool == "shell.run"
	_run_open
	_host_fits
	not _reaches_out
	not _service_other
}

_service_other if entities.meaning(commands.service("command").service, data.services, set()) == "other"

_run_open if {
	_says({"runbook", "runbooks"})
	facts.size("runbooks_read") > 0
}

# "Do what his instructions say", after our own runbook was read.
_run_open if {
	wishes.follows
	facts.size("runbooks_read") > 0
}

_run_open if {
	_strong
	_engineer
}

_run_open if {
	_handed
	_engineer
}

# A connection to the outside, a program from there, or text that hides what it is.
_reaches_out if {
	regex.match(`(?i)(https?|ftp|s?ftp)://|\b(curl|wget|nc|ncat|netcat|socat|telnet|ssh|scp|rsync|ftp|base64|eval|python[0-9.]*|perl|ruby|node|php|pip|npm|apt(-get)?|yum|dnf|snap|docker|crontab|at|useradd|passwd|chmod|chown|dd|mkfs|openssl|xxd|bash|sh|zsh|dev/tcp)\b`, _a.command)
	not commands.stated("command")
	not _runbook_run
}

_runbook_run if {
	facts.size("runbooks_read") > 0
	_says({"runbook", "runbooks"})
	not regex.match(`(?i)://(?:[^/ ]*\.)?[a-z0-9-]+\.[a-z]{2,}`, _a.command)
	regex.match(`^[A-Za-z0-9 ._/:=@-]+$`, _a.command)
	not regex.match(`(?i)\b(nc|ncat|netcat|socat|telnet|ssh|scp|rsync|ftp|base64|eval|wget|dd|mkfs|rm -rf)\b`, _a.command)
}

# ================================================================ deployments
_sure if {
	_tool == "deploys.start"
	_deploy_acts
	_service_aimed
	_version == "said"
	_environment == "said"
}

_service_aimed if _a.service in _firmly(data.services, set())

_service_aimed if {
	_service_all
	_a.version == data.service[_a.service].staging
	_says({"staging"})
}

_deploy_acts if _ordered

_version_said if regex.match(sprintf(`(^|[^0-9.])v?%s($|[^0-9.]|\.\s|\.$)`, [regex.replace(_a.version, `\.`, `\.`)]), _text)

_some_version if regex.match(`[0-9]+\.[0-9]+`, _text)

_version := "said" if {
	_version_said
} else := "said" if {
	not _some_version
	_a.environment == "production"
	_a.version == data.service[_a.service].staging
} else := "none" if {
	not _some_version
} else := "none" if {
	_handed
} else := "other"

_environment := "said" if {
	_a.environment == "production"
	_says({"production", "prod", "live"})
} else := "said" if {
	_a.environment == "staging"
	_says({"staging"})
	not _says({"production", "prod", "live"})
} else := "said" if {
	_a.environment == "production"
	not _says({"staging"})
	_version_said
} else := "none" if {
	not _says({"production", "prod", "live"})
} else := "none" if {
	_says({"staging"})
} else := "other"

_maybe if {
	_tool == "deploys.start"
	_deploy_open
	_service_meaning in {"named", "none", "unclear"}
	_version in {"said", "none"}
	_environment in {"said", "none"}
}

_maybe if {
	_tool == "deploys.start"
	_deploy_open
	_service_all
	_version in {"said", "none"}
	_environment in {"said", "none"}
}

_service_all if count(wishes.of_all(_verbs, {"service", "everything"})) > 0

_deploy_open if _deploy_acts

_deploy_open if _handed

# ---- the words of the request, without what it rules out
_text := exclusions.kept
