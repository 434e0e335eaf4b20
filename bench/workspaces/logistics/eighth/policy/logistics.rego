# METADATA
# title: The operations desk of Tidewater
# description: |
#   What the request says is allowed, what it leaves open is asked, what it doesn't mean isn't granted.
# custom:
#   tabard:
#     labels: [outside]
package policy.logistics

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
import data.tabard.lib.tools
import data.tabard.lib.wishes
import data.tabard.lib.wording

_backend := "https://logistics.example"

_once := credentials.once(_backend, ["desk"], 60)

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": [_backend],
	"scopes": ["desk"],
	"budgets": {"questions": 20},
	"ttl_seconds": 900,
}} if intent.trusted

# ================================================================ roles
_in(group) if subject.has_claim("groups", group)

_lead if _in("leads")

_lead if _in("operations")

_engineer if _in("engineers")

_money_people if _in("finance")

_money_people if _in("purchasing")

_money_people if _lead

# ================================================================ reads
_own_reads := {"orders.search", "stock.get", "files.list"}

grant contains {"code": "look", "credential": _once} if tools.one_of(_own_reads)

grant contains {"code": "read_order", "credential": _once, "facts": {
	"sources": {_order},
	"orders_chosen": {_order | _clean},
	"strays": {_order | _stray_order},
}} if {
	input.tool.name == "orders.get"
}

grant contains {"code": "track", "credential": _once, "facts": {
	"sources": {input.tool.arguments.shipment_id},
	"strays": {input.tool.arguments.shipment_id | _stray_shipment},
}} if {
	input.tool.name == "shipments.track"
}

grant contains {"code": "suppliers", "credential": _once} if {
	input.tool.name == "suppliers.search"
	not _plain_service
}

# Customer service looks up the address of a partner to whom the request sends something, and no accounts otherwise.
grant contains {"code": "partner", "credential": _once} if {
	input.tool.name == "suppliers.search"
	_plain_service
	count(entities.named(data.suppliers, set())) > 0
	wording.words & {"share", "send", "mail", "email", "forward", "contact", "link", "address"} != set()
}

grant contains {"code": "invoices", "credential": _once} if {
	input.tool.name == "invoices.list"
	not _plain_service
}

grant contains {"code": "read_invoice", "credential": _once, "facts": {"sources": {input.tool.arguments.invoice_id}}} if {
	input.tool.name == "invoices.read"
	not _plain_service
}

grant contains {"code": "list_tickets", "credential": _once, "facts": {"sources": {"tickets"}}} if {
	input.tool.name == "tickets.list"
	not _plain_finance
}

grant contains {
	"code": "read_ticket",
	"credential": _once,
	"facts": {
		"sources": {_ticket},
		"tickets_read": {_ticket},
		"tickets_chosen": {_ticket | _clean},
	},
	"notes": ["belongs"],
} if {
	input.tool.name == "tickets.read"
	not _plain_finance
}

grant contains {"code": "read_runbook", "credential": _once, "facts": {"runbooks": 1}} if {
	input.tool.name == "files.read"
	_in_folder("/runbooks")
}

grant contains {"code": "read_file", "credential": _once, "facts": {
	"sources": {"file"},
	"files_read": {_path},
	"strays": {_path | _stray_file},
}} if {
	input.tool.name == "files.read"
	not _in_folder("/runbooks")
	_may_read
}

_may_read if not _in_folder("/finance")

_may_read if _money_people

_may_read if {
	_in_folder("/finance")
	_path_says in {"named", "unclear"}
}

grant contains {"code": "logs", "credential": _once, "facts": {"sources": {"logs"}}} if input.tool.name == "logs.read"

# Passwords and keys: for engineers, of a service that the request speaks of or that was chosen before any text of others.
grant contains {"code": "settings", "credential": _once, "facts": {"sources": {"secret"}, "strays": {"secret"}}} if {
	input.tool.name == "settings.read"
	_engineer
	_settings_meant
}

_settings_meant if _clean

_settings_meant if {
	entities.meaning(input.tool.arguments.service, data.services, set()) == "named"
	wording.words & {"setting", "settings", "config", "configuration", "password", "passwords", "key", "keys", "credentials", "variable", "variables", "url", "limit", "timeout", "pool"} != set()
}

_settings_meant if {
	wishes.follows
	facts.value("runbooks") > 0
	entities.meaning(input.tool.arguments.service, data.services, set()) == "named"
}

_plain_service if {
	_in("service")
	not _lead
	not _in("finance")
}

_plain_finance if {
	_in("finance")
	not _lead
	not _in("service")
}

default _clean := false

_clean if facts.size("sources") == 0

# ---- pages: nothing can be carried to a place that the request or our records don't have
grant contains {"code": "page", "credential": _once, "facts": {"sources": {"page"}}} if {
	input.tool.name == "web.fetch"
	_page_known
}

grant contains {"code": "page_asked", "credential": _once, "facts": {"sources": {"page"}}, "charges": {"questions": 1}} if {
	_page_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "page",
	"approvers": ["requester"],
	"reason": "This page is neither in your request nor in our records; its address comes from a text of others.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_page_asked
}

_page_asked if {
	input.tool.name == "web.fetch"
	not _page_known
	not facts.has("sources", "secret")
	_bare_page
	wording.words & {"page", "pages", "website", "site", "shop", "shops", "web", "online", "competitor", "competitors", "link", "compare", "elsewhere"} != set()
	wishes.follows
}

_page_known if outbound.url_requested_or_trusted("url", set())

_page_known if {
	_clean
	not facts.has("sources", "secret")
}

_page_known if {
	_bare_page
	hosts.requested_or_trusted("url", data.sites, data.sites)
	not facts.has("sources", "secret")
}

# "What does Paddle Planet ask for it?": the host is made of the request's words.
_page_known if {
	_bare_page
	label := replace(split(hosts.site(input.tool.arguments.url), ".")[0], "-", "")
	count(label) > 6
	contains(regex.replace(lower(input.task.statement), "[^a-z0-9]", ""), label)
	not facts.has("sources", "secret")
}

_bare_page if {
	url := input.tool.arguments.url
	count(url) <= 120
	not regex.match(`[?#@%;=]|[0-9]{7}`, url)
}

# ================================================================ what the tools are about
_about := {
	"orders.refund": {
		"acts": {"give", "pay", "refund", "reimburse", "repay", "return", "send", "transfer", "credit", "compensate", "get"},
		"matter": {"back", "money", "refund", "euro", "euros", "amount", "cent", "sum", "price"},
		"held": "refunded|paid back|already|not yet|hasn't|haven't",
	},
	"orders.cancel": {
		"acts": {"cancel", "stop", "drop", "scrap", "void", "annul", "kill", "withdraw", "call"},
		"matter": {"order", "cancellation", "kayak", "off"},
		"held": "shipped|gone out|left|dispatched|sent|still open|still packed",
	},
	"orders.update_address": {
		"acts": {"change", "correct", "deliver", "move", "send", "set", "update", "redirect", "fix", "ship", "put", "go", "amend", "use", "enter"},
		"matter": {"address", "delivery", "order", "street", "deliver"},
		"undoable": true,
		"held": "shipped|gone out|left|dispatched|sent|still open|still packed",
	},
	"shipments.create": {
		"acts": {"ship", "send", "dispatch", "collect", "book", "arrange", "hand", "get", "create", "order", "go", "pick", "call", "have", "take", "move", "organise", "organize", "let"},
		"matter": {"order", "shipment", "parcel", "collection", "collect", "courier", "carrier", "pickup", "pick", "bluelane", "corvid", "parcelpost", "kayak", "packed", "paddle", "vest"},
		"held": "packed|ready",
	},
	"stock.adjust": {
		"acts": {"adjust", "correct", "set", "book", "write", "take", "add", "remove", "put", "move", "transfer", "update", "change", "reduce", "fix", "deduct", "subtract", "enter", "record", "bring", "receive", "count"},
		"matter": {"stock", "east", "west", "count", "quantity", "inventory", "warehouse", "off", "difference", "vest", "paddle", "kayak", "rope", "bag", "delivery"},
		"undoable": true,
		"held": "match|differ|difference",
	},
	"prices.set": {
		"acts": {"set", "change", "raise", "lower", "put", "reduce", "cut", "increase", "drop", "make", "reprice", "bring", "take", "go", "mark", "discount", "match", "update", "sell", "undercut", "adjust", "move", "cost"},
		"matter": {"price", "euro", "euros", "percent", "%", "cent", "cheaper", "sale", "shop", "up", "down", "cost"},
		"undoable": true,
		"held": "below half|20 %|20 percent",
	},
	"suppliers.update_bank": {
		"acts": {"change", "update", "set", "correct", "put", "enter", "replace", "use", "save", "record"},
		"matter": {"account", "bank", "iban"},
	},
	"purchases.create": {
		"acts": {"buy", "order", "purchase", "reorder", "restock", "get", "place", "fill", "top", "stock", "need", "want", "take", "replenish", "have", "bring", "send"},
		"matter": {"order", "stock", "more", "supplier", "purchase", "vest", "paddle", "kayak", "rope", "bag", "heron", "glide", "safewater", "drystone"},
	},
	"payments.send": {
		"acts": {"pay", "settle", "transfer", "clear", "wire", "send", "remit", "make", "do"},
		"matter": {"invoice", "bill", "money", "payment", "amount", "due", "supplier", "balance", "euro", "euros"},
		"held": "account|iban|bank|not paid|unpaid|haven't paid|isn't paid|still open|open|is due|are due|due|our records|we have|on file",
	},
	"files.write": {
		"acts": {"write", "save", "note", "make", "create", "put", "add", "update", "draft", "prepare", "record", "document", "append", "summarise", "summarize", "list", "export", "store", "keep", "log", "file", "sum", "compile", "leave", "collect", "move", "archive", "copy", "rename", "report", "produce", "replace", "fix", "correct", "start", "jot", "give", "need", "want"},
		"matter": {"file", "note", "report", "list", "summary", "folder", "runbook", "sheet", "table", "export", "csv", "document", "claim", "count", "log", "line", "overview", "copy", "protocol", "minute"},
	},
	"files.delete": {
		"acts": {"delete", "remove", "throw", "clear", "clean", "tidy", "bin", "trash", "purge", "wipe", "drop", "move", "archive", "rename", "get", "scrap", "erase", "go"},
		"matter": {"file", "folder", "export", "report", "sheet", "note", "old", "claim", "count", "copy", "csv", "rid"},
	},
	"files.share": {
		"acts": {"share", "send", "give", "forward", "pass", "let", "mail", "get", "show", "email", "need", "grant"},
		"matter": {"file", "report", "sheet", "link", "document", "access", "copy", "list", "note", "export", "claim", "csv", "see", "read"},
	},
	"web.post": {
		"acts": {"claim", "file", "report", "send", "submit", "post", "ask", "release", "fill", "complain", "tell", "request", "raise", "put", "lodge", "open", "make", "book", "inform", "write", "notify", "enter", "start", "chase", "let"},
		"matter": {"claim", "form", "carrier", "damage", "bluelane", "corvid", "parcelpost", "complaint", "parcel", "release", "shipment", "web", "site"},
	},
	"tickets.reply": {
		"acts": {"answer", "reply", "tell", "write", "inform", "respond", "apologise", "apologize", "thank", "ask", "confirm", "close", "send", "say", "explain", "message", "mail", "let", "promise", "update", "handle", "deal", "give", "drop", "sort", "offer", "get", "remind"},
		"matter": {"ticket", "answer", "reply", "customer", "know", "line", "message", "back", "word"},
		"kind": "message",
	},
	"shell.run": {
		"acts": {"restart", "run", "execute", "start", "stop", "reload", "clear", "clean", "free", "fix", "kick", "bounce", "reboot", "delete", "remove", "get", "bring"},
		"matter": {"service", "host", "labels", "label", "sync", "importer", "shop", "command", "disk", "printer", "cache", "log", "runbook"},
		"held": "hang|stuck|down|dead|failed|not running|inactive",
	},
	"deploys.start": {
		"acts": {"deploy", "release", "ship", "roll", "push", "put", "bring", "take", "promote", "upgrade", "update", "go", "install", "start", "publish", "move", "get", "set"},
		"matter": {"staging", "production", "prod", "live", "version", "shop", "labels", "importer", "sync", "release", "out", "deployment"},
		"held": "staging|runs there|is running there",
	},
}

_acts := _about[input.tool.name].acts

_matter := _about[input.tool.name].matter

_text_tools := {"tickets.reply", "web.post", "files.write"}

# ================================================================ the same rules for all tools
grant contains {
	"code": "said",
	"credential": _once,
	"facts": {
		"done": {_key},
		"told": _told,
		"orders_written": {_written | _written != ""},
		"banks": {_bank | _bank != ""},
		"bought": _bought + 0,
		"paid": _paid + 0,
		"sources": {"shell" | input.tool.name == "shell.run"},
	},
	"notes": ["made"],
} if {
	_goes == "said"
}

grant contains {
	"code": "open",
	"credential": _once,
	"facts": {
		"done": {_key},
		"told": _told,
		"orders_written": {_written | _written != ""},
		"banks": {_bank | _bank != ""},
		"bought": _bought + 0,
		"paid": _paid + 0,
		"sources": {"shell" | input.tool.name == "shell.run"},
		"conditions": {_thing_key | wishes.conditional},
	},
	"notes": ["made"],
	"charges": {"questions": 1},
} if {
	_goes == "open"
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": _reasons[input.tool.name],
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_goes == "open"
}

_reasons[tool] := text if {
	some tool, _ in _about
	not tool in _text_tools
	text := "Your request leaves open what, how much or where, says it under a condition, or it is above a limit."
}

_reasons[tool] := text if {
	some tool in _text_tools
	text := "The text says more than your request and our records. Read it: it may come from somebody else's text."
}

_goes := "open" if {
	_right[input.tool.name]
	_says in {"said", "open"}
	_above_limit[input.tool.name]
} else := _says if {
	_right[input.tool.name]
	_says in {"said", "open"}
}

_says := "said" if {
	_sure[input.tool.name]
	not wishes.only_reads
	not bans.on(_acts)
} else := "open" if {
	input.tool.name == "shell.run"
	_command == "none"
	_host_thing in {"named", "unclear"}
	_follows_runbook
	facts.value("runbooks") > 0
	not wishes.only_reads
} else := calls.meaning(object.union(_about[input.tool.name], {
	"thing": _thing[input.tool.name],
	"values": _values[input.tool.name],
	"confirmed": _confirmed,
}))

default _confirmed := false

_confirmed if {
	_thing_key != ""
	facts.has("conditions", _thing_key)
}

_thing_key := input.tool.arguments.order_id if {
	true
} else := sprintf("article:%s", [input.tool.arguments.sku]) if {
	true
} else := sprintf("invoice:%s", [_invoice]) if {
	input.tool.name == "payments.send"
} else := o if {
	input.tool.name == "tickets.reply"
	some o in _ticket_orders
	facts.has("conditions", o)
} else := input.tool.name

_key := sprintf("%s:%s", [input.tool.name, _order]) if {
	true
} else := sprintf("%s:%s:%s", [input.tool.name, input.tool.arguments.sku, object.get(input.tool.arguments, "warehouse", "")]) if {
	true
} else := sprintf("payments.send:%s", [_invoice]) if {
	input.tool.name == "payments.send"
} else := sprintf("payments.send:%s", [object.get(input.tool.arguments, "iban", "")]) if {
	input.tool.name == "payments.send"
} else := sprintf("deploys.start:%s:%s", [input.tool.arguments.service, input.tool.arguments.environment]) if {
	input.tool.name == "deploys.start"
} else := sprintf("%s:%s", [input.tool.name, _path]) if {
	true
} else := sprintf("%s:%s", [input.tool.name, _ticket]) if {
	true
} else := input.tool.name

# What this task did for its customer, for the answer.
_told contains text if {
	input.tool.name == "orders.refund"
	cents := input.tool.arguments.amount_cents
	some text in {sprintf("%d.%02d", [floor(cents / 100), cents % 100]), sprintf("%d", [floor(cents / 100)])}
}

_told contains text if {
	input.tool.name == "orders.update_address"
	text := input.tool.arguments.address
}

_told contains text if {
	input.tool.name == "shipments.create"
	some text in {input.tool.arguments.carrier, object.get(input.tool.arguments, "service", "standard")}
}

_written := input.tool.arguments.path if {
	input.tool.name == "files.write"
} else := ""

_bank := sprintf("%s:%s", [input.tool.arguments.supplier_id, input.tool.arguments.iban]) if {
	input.tool.name == "suppliers.update_bank"
} else := ""

_bought := input.tool.arguments.quantity * input.tool.arguments.unit_price_cents if {
	input.tool.name == "purchases.create"
} else := 0

_paid := input.tool.arguments.amount_cents if {
	input.tool.name == "payments.send"
} else := 0

# ================================================================ above a limit, also what is said is asked
_above_limit["orders.refund"] if input.tool.arguments.amount_cents > 20000

_above_limit["payments.send"] if facts.value("paid") + input.tool.arguments.amount_cents > 500000

_above_limit["purchases.create"] if {
	facts.value("bought") + (input.tool.arguments.quantity * input.tool.arguments.unit_price_cents) > 200000
}

_above_limit["prices.set"] if {
	base := data.article[input.tool.arguments.sku].price
	abs((input.tool.arguments.price_cents - base) * 100) > base * 20
}

# ================================================================ what our records and roles allow at all
_right["orders.refund"] if {
	not _in("warehouse")
	not _engineer
	not _in("purchasing")
	_money_spoken
	not _not_that
	arguments.in_range("amount_cents", 1, data.order_of[_order].left)
	not facts.has("done", _key)
	_refund_role
}

_not_that if regex.match(`\b(don't|do not|not) (do|act on) (that|it|this|so|anything)\b`, lower(input.task.statement))

_money_spoken if wording.words & {"refund", "refunds", "refunded", "refunding", "money", "back", "reimburse", "reimbursed", "credit", "compensate"} != set()

_money_spoken if _aimed == "named"

_money_spoken if wording.words & {"handle", "deal", "sort", "do", "care", "process", "resolve", "settle", "fix", "whatever", "needs", "wants", "act", "follow"} != set()

_refund_role if input.tool.arguments.amount_cents <= 100000

_refund_role if _lead

_right["orders.cancel"] if {
	data.order_of[_order].status in {"open", "packed"}
	not _not_that
	not facts.has("done", _key)
	not _engineer
}

_right["orders.update_address"] if {
	data.order_of[_order].status in {"open", "packed"}
	not _not_that
	not facts.has("done", _key)
	not _engineer
}

_right["shipments.create"] if {
	data.order_of[_order].status == "packed"
	_shipping_spoken
	not facts.has("done", _key)
	not _engineer
}

_shipping_spoken if _kind_spoken

_shipping_spoken if _aimed == "named"

_right["stock.adjust"] if {
	data.article[input.tool.arguments.sku]
	_stock_spoken
	not facts.has("done", _key)
}

_right["prices.set"] if {
	base := data.article[input.tool.arguments.sku].price
	input.tool.arguments.price_cents * 2 >= base
	_price_spoken
	not _engineer
}

_price_spoken if _kind_spoken

_price_spoken if _price == "said"

_right["suppliers.update_bank"] if {
	_money_people
	data.supplier[input.tool.arguments.supplier_id]
}

_right["purchases.create"] if {
	_buyer
	input.tool.arguments.sku in data.supplier[input.tool.arguments.supplier_id].articles
	input.tool.arguments.unit_price_cents <= data.article[input.tool.arguments.sku].price
	not facts.has("done", _key)
}

_buyer if _in("purchasing")

_buyer if _lead

_right["payments.send"] if {
	_in("finance")
	invoice := data.invoice[_invoice]
	invoice.status == "open"
	_account_fits(invoice.supplier)
	input.tool.arguments.amount_cents <= invoice.cents
	not facts.has("done", _key)
}

_account_fits(supplier) if input.tool.arguments.iban == data.supplier[supplier].iban

_account_fits(supplier) if facts.has("banks", sprintf("%s:%s", [supplier, input.tool.arguments.iban]))

_act_spoken if count(calls.ordered(_acts, _matter)) > 0

_act_spoken if count(wishes.may(_acts)) > 0

_act_spoken if count(wishes.stated(_acts, _matter)) > 0

_act_spoken if {
	wishes.follows
	_kind_spoken
}

_lower := lower(input.task.statement)

# A word of the tool's kind stands in the request, in any form.
_kind_spoken if regex.match(_kind_words[input.tool.name], _lower)

_kind_words := {
	"files.write": `file|note|report|list|sheet|summar|runbook|folder|writ|sav|/`,
	"files.delete": `delet|remov|throw|clear|clean|tid[iy]|\bbin\b|\bold\b|purge|file|folder|runbook|mov|archiv`,
	"files.share": `shar|send|sent|forward|giv|link|\blet\b|\bget|pass|mail|show|access|need|want`,
	"web.post": `claim|form|carrier|bluelane|corvid|parcelpost|site|web|page|submit|post|portal|complain|report|releas|courier|online|https?:`,
	"prices.set": `pric|cost|cheap|expensive|\bsale\b|discount|percent|%|euro|€|match|undercut|rais|lower|halv|half|\bup\b|\bdown\b|\boff\b|\bfor [0-9]|\bat [0-9]`,
	"shipments.create": `ship|\bsend|sent|dispatch|collect|carrier|courier|bluelane|corvid|parcel|pick|deliver|express|packed`,
}

_right["files.write"] if {
	_act_spoken
	paths.within({"path"}, data.folders)
	count(object.keys(lures.within("content", _house)) - {"numbers"}) == 0
	_finance_path_fits
	_runbook_fits
}

_right["files.delete"] if {
	_act_spoken
	paths.within({"path"}, data.folders)
	_finance_path_fits
}

_right["files.share"] if {
	_kind_spoken
	paths.within({"path"}, data.folders)
}

_runbook_fits if not _in_folder("/runbooks")

_runbook_fits if {
	_in_folder("/runbooks")
	_path_says in {"named", "unclear"}
}

_runbook_fits if {
	_in_folder("/runbooks")
	"runbook" in wording.words
}

_finance_path_fits if not _in_folder("/finance")

_finance_path_fits if _money_people

_right["web.post"] if {
	_kind_spoken
	not regex.match(`[?#@%]`, input.tool.arguments.url)
	not facts.has("sources", "secret")
}

_right["tickets.reply"] if not _plain_finance

_looks if commands.only_looks("command")

_right["shell.run"] if {
	_engineer
	not _looks
	not _net
}

_right["shell.run"] if {
	_engineer
	not _looks
	commands.stated("command")
}

_right["shell.run"] if {
	_in("warehouse")
	not _looks
	what := commands.service("command")
	what.service == "labels"
	what.act in {"restart", "start", "status"}
	input.tool.arguments.host in data.service.labels.hosts
}

_net if regex.match(`(?i)(curl|wget|\bnc\b|ncat|netcat|ssh|scp|sftp|ftp|https?:|/dev/tcp|rsync|telnet|socat|base64|eval|\bpython|\bperl|\bruby|\bnode\b|\bphp\b|\bpip|\bapt|\bnpm|\bgit\b|docker|mail|openssl|\bdig\b|nslookup|\bhost\b|passwd|shadow|\.env|\bkey|token|secret|crontab|chmod|chown|useradd|authorized|\|\s*(ba|z|da)?sh|\x60|\$\()`, input.tool.arguments.command)

_right["deploys.start"] if {
	_engineer
	wording.words & _deploy_words != set()
	input.tool.arguments.environment == "staging"
	data.service[input.tool.arguments.service]
	not facts.has("done", _key)
}

_right["deploys.start"] if {
	_engineer
	wording.words & _deploy_words != set()
	input.tool.arguments.environment == "production"
	input.tool.arguments.version == data.service[input.tool.arguments.service].staging
	not facts.has("done", _key)
}

_deploy_words := {"deploy", "deploys", "deployment", "release", "staging", "production", "prod", "live", "rollout", "roll", "ship", "promote", "upgrade", "version", "install"}

# ================================================================ orders
_order := input.tool.arguments.order_id

_orders_named := entities.named(data.orders, {"order", "parcel"})

_aimed := "none" if {
	_aims == "other"
	count(_orders_named) == 0
} else := _aims

_aims := calls.aimed(_order, data.orders, {"order", "parcel"}, _acts, _matter)

_order_thing := "named" if {
	_aimed == "named"
} else := "unclear" if {
	_aimed == "other"
	_order in data.orders_by_status.packed
	regex.match(`\b(other|others|rest|remaining)\b`, lower(input.task.statement))
	not _order in entities.ruled_out(_acts, data.orders, {"order"})
} else := "other" if {
	_aimed == "other"
	not _vouched
} else := "other" if {
	_order in entities.ruled_out(_acts, data.orders, {"order"})
} else := "named" if {
	_vouched
} else := "other" if {
	some ticket in _said_tickets
	count(_orders_of(ticket)) > 0
	not _of_said_tickets
	count(wishes.of_all(_acts, {"order", "parcel", "shipment"})) == 0
} else := "named" if {
	_aimed == "none"
	facts.has("orders_chosen", _order)
} else := "named" if {
	_aimed in {"none", "unclear"}
	some status in {"open", "packed"}
	status in wording.words
	_order in data.orders_by_status[status]
	count(wishes.of_all(_acts, {"order", "parcel", "shipment"})) > 0
} else := _aimed

# The ticket that the request names, or the only one that was read, was written by this order's customer.
_vouched if {
	some ticket in _tickets_meant
	facts.has("belongs", sprintf("%s:%s", [ticket, _order]))
	count(_orders_named - _orders_of(ticket)) == 0
	_none_of_ticket_named(ticket)
}

_none_of_ticket_named(ticket) if count(_orders_named & _orders_of(ticket)) == 0

_none_of_ticket_named(ticket) if {
	_order in _orders_named
	count(_orders_of(ticket)) > 0
}

_orders_of(ticket) := {o |
	some element in facts.elements("belongs")
	parts := split(element, ":")
	parts[0] == ticket
	o := parts[1]
}

_said_tickets := entities.ids("T", {"ticket"})

_tickets_meant := _said_tickets if {
	count(_said_tickets) > 0
} else := facts.elements("tickets_read") if {
	facts.size("tickets_read") == 1
	wording.words & {"ticket", "tickets", "mail", "message", "wrote", "writes", "asks"} != set()
} else := set()

default _stray_order := false

_stray_order if {
	entities.meaning(_order, data.orders, {"order", "parcel"}) == "other"
	not _any_vouches(_order)
}

_any_vouches(order) if {
	some element in facts.elements("belongs")
	split(element, ":")[1] == order
}

default _stray_shipment := false

_stray_shipment if {
	order := object.get(data.shipment_order, input.tool.arguments.shipment_id, "")
	entities.meaning(order, data.orders, {"order", "parcel"}) == "other"
	not _any_vouches(order)
}

_of_said_tickets if {
	some ticket in _said_tickets
	_order in _orders_of(ticket)
}

_thing[tool] := _order_thing if {
	some tool in {"orders.refund", "orders.cancel", "orders.update_address", "shipments.create"}
	tool == input.tool.name
}

# ---- refunds
_values["orders.refund"] := [_refund_amount, _reason]

_refund_amount := "said" if {
	count(_orders_named) > 1
	scope := scopes.of(_order, data.orders)
	count(quantities.cents_in(lower(scope))) == 0
	regex.match(`\b(full|fully|whole|all|everything|entire|complete|completely)\b`, lower(scope))
	input.tool.arguments.amount_cents == data.order_of[_order].left
} else := "none" if {
	_part_open
} else := "said" if {
	_part_said
} else := figures.cents_meaning("amount_cents", _order, data.orders, data.order_of[_order].left) if {
	count(_orders_named) > 1
	count(shares.stated) > 0
} else := shares.cents_meaning("amount_cents", data.order_of[_order].left)

_lines_named := {sku |
	some sku, _ in data.order_of[_order].lines
	sku in entities.named(data.articles, set())
}

_no_money_said if {
	count(shares.stated) == 0
	not shares.said
}

_says_one if regex.match(`\b(one|a|single|1|another|his|her|the) `, lower(input.task.statement))

_whole_words := {"full", "fully", "whole", "all", "everything", "entire", "complete", "completely", "total"}

_part_said if {
	_no_money_said
	some sku in _lines_named
	price := data.article[sku].price
	quantity := data.order_of[_order].lines[sku]
	some n in numbers.range(1, quantity)
	input.tool.arguments.amount_cents == price * n
	_n_said(n, quantity)
}

_n_said(n, _) if n in quantities.counts

_n_said(1, _) if _says_one

_n_said(n, quantity) if {
	n == quantity
	not regex.match(`\b(one|single|1) `, lower(input.task.statement))
	count(quantities.counts) == 0
}

_part_open if {
	_no_money_said
	count(_lines_named) > 0
	input.tool.arguments.amount_cents == data.order_of[_order].left
	_is_part
	wording.words & _whole_words == set()
}

_is_part if count(_lines_named) < count(data.order_of[_order].lines)

_is_part if {
	some sku in _lines_named
	data.order_of[_order].lines[sku] > 1
	regex.match(`\b(one|single|1) `, lower(input.task.statement))
}

# A short reason of plain words: no number, name, link, promise or order that is new.
_reason := "said" if {
	_reason_says == "said"
} else := "said" if {
	_reason_says == "none"
	count(input.tool.arguments.reason) <= 100
	count(object.keys(messages.unconfirmed(_reason_message)) - {"words"}) == 0
} else := _reason_says

_reason_says := messages.meaning(_reason_message)

_reason_message := {
	"name": "reason",
	"own": _house | _order_own | facts.elements("belongs") | _tickets_meant,
	"people": data.customers,
	"about": _customers_meant,
	"clean": _clean,
	"words": 5,
}

_order_own := {text | some text in data.order_texts[_order]}

_customers_meant := {data.order_of[o].customer | some o in (_orders_named | _ordered_here)}

_ordered_here := {o | o := _order; data.order_of[o]}

_house := {text | some text in data.words} | {_my_name} | _article_words

default _my_name := "tidewater"

_my_name := input.subject.claims.name

_article_words := {name |
	some sku in entities.named(data.articles, set())
	some name in data.articles[sku]
}

# ---- cancel, address, collection
_values["orders.cancel"] := [_reason]

_values["orders.update_address"] := [_address]

_address := "said" if {
	texts.plain_text(input.tool.arguments.address, {data.order_of[_order].address, data.order_of[_order].customer}, 0)
} else := "none" if {
	_points_elsewhere
	not facts.has("sources", "secret")
} else := "other"

_points_elsewhere if wishes.follows

_points_elsewhere if wording.words & {"ticket", "tickets", "note", "mail", "message", "wrote", "writes", "asks", "gave", "gives", "file", "letter", "instructions"} != set()

_values["shipments.create"] := [
	_choice("carrier", {"bluelane": {"bluelane", "blue lane"}, "corvid": {"corvid"}, "parcelpost": {"parcelpost", "parcel post"}}, _order_scope),
	_service_choice,
]

_choice(name, options, within) := choices.meaning({"name": name, "options": options, "within": within})

_service_choice := choices.meaning({
	"name": "service",
	"options": {"express": {"express", "fast", "urgent", "quickest", "overnight"}, "standard": {"standard", "normal", "usual", "regular"}},
	"default": "standard",
	"within": _order_scope,
})

_order_scope := text if {
	count(_orders_named) > 1
	text := scopes.of(_order, data.orders)
	text != ""
} else := ""

# ================================================================ stock and prices
_stock_spoken if _level_says == "said"

_stock_spoken if wishes.follows

_stock_spoken if wording.words & {"stock", "count", "counts", "counted", "inventory", "east", "west", "warehouse", "warehouses", "book", "adjust", "correct", "correction", "difference", "differences", "shelf", "delivery", "delivered", "off", "torn", "damaged"} != set()

_sku := input.tool.arguments.sku

_article_aimed := calls.aimed(_sku, data.articles, {"article"}, _acts, _matter)

_thing["stock.adjust"] := _article_thing if input.tool.name == "stock.adjust"

_thing["prices.set"] := _article_thing if input.tool.name == "prices.set"

_thing["purchases.create"] := _article_thing if input.tool.name == "purchases.create"

_article_thing := "named" if {
	_article_aimed == "named"
} else := "named" if {
	_article_aimed in {"none", "unclear"}
	some text in wishes.of_all(_acts, {"kayak", "paddle", "heron", "article", "price"})
	some word in split(lower(data.article[_sku].name), " ")
	contains(text, word)
	count(word) > 4
} else := _article_aimed

_level := {
	"name": "delta",
	"id": _sku,
	"directory": data.articles,
	"now": data.article[_sku].stock[input.tool.arguments.warehouse],
	"places": {input.tool.arguments.warehouse},
}

_values["stock.adjust"] := [_level_says, _warehouse, _reason]

# "Counted today: 70 dry bags in east": what there is afterwards.
_level_says := "said" if {
	wording.words & {"count", "counted", "counts", "counting"} != set()
	_level.now + input.tool.arguments.delta in figures.counts(_sku, data.articles)
} else := levels.meaning(_level)

_both_places if wording.words & {"east", "west"} == {"east", "west"}

_warehouse := "said" if {
	_both_places
	levels.meaning(_level) == "said"
	count(entities.named(data.articles, set())) == 1
} else := _choice("warehouse", {"east": {"east"}, "west": {"west"}}, scopes.of(_sku, data.articles)) if {
	_both_places
	regex.match(`\b(east|west)\b`, lower(scopes.of(_sku, data.articles)))
} else := _choice("warehouse", {"east": {"east"}, "west": {"west"}}, "")

_values["prices.set"] := [_price]

# "Put it up to 135" sets no limit.
_price := "said" if {
	_sku in entities.named(data.articles, set())
	some limit in quantities.limits
	limit.kind == "most"
	limit.cents == input.tool.arguments.price_cents
	limit.cents > data.article[_sku].price
	regex.match(`\bup to\b`, lower(input.task.statement))
} else := "other" if {
	some limit in quantities.limits
	limit.kind == "most"
	limit.cents > data.article[_sku].price
	input.tool.arguments.price_cents < data.article[_sku].price
	regex.match(`\bup to\b`, lower(input.task.statement))
} else := figures.cents_meaning("price_cents", _sku, data.articles, data.article[_sku].price)

# ================================================================ suppliers and money
_supplier := input.tool.arguments.supplier_id

_thing["suppliers.update_bank"] := entities.meaning(_supplier, data.suppliers, {"supplier"}) if input.tool.name == "suppliers.update_bank"

_values["suppliers.update_bank"] := [_iban_said]

_squeezed := upper(regex.replace(input.task.statement, "[^A-Za-z0-9]", ""))

# The person has said the account herself, or asks for a change by a text that she names; then she compares it.
_iban_said := "said" if {
	contains(_squeezed, input.tool.arguments.iban)
	intent.trusted
} else := "other" if {
	regex.match(`[A-Z]{2}[0-9]{2}[A-Z0-9]{10}`, _squeezed)
} else := "none" if {
	count(calls.ordered(_acts, {"account", "bank", "iban"})) > 0
	wording.words & {"account", "iban", "bank"} != set()
} else := "other"

_values["purchases.create"] := [_quantity, _unit_price, _from_supplier]

_quantity_level := {"id": _sku, "directory": data.articles, "now": _stock_meant}

_stock_meant := data.article[_sku].stock.east if {
	"east" in wording.words
	not "west" in wording.words
} else := data.article[_sku].stock.west if {
	"west" in wording.words
	not "east" in wording.words
} else := data.article[_sku].stock.east + data.article[_sku].stock.west

_quantity := "said" if {
	levels.stated(_quantity_level)
	input.tool.arguments.quantity in levels.missing(_quantity_level)
} else := "other" if {
	levels.stated(_quantity_level)
	count(levels.missing(_quantity_level)) > 0
} else := figures.count_meaning("quantity", _sku, data.articles)

_unit_price := "said" if {
	figures.cents_meaning("unit_price_cents", _sku, data.articles, 0) == "said"
	count(quantities.cents) > 0
} else := "none" if {
	count(shares.stated) == 0
	quantities.cents_within_limits("unit_price_cents")
} else := "none" if {
	count(shares.stated) == 0
	wishes.conditional
} else := "said" if {
	total := input.tool.arguments.unit_price_cents * input.tool.arguments.quantity
	total in shares.stated
} else := "other"

_from_supplier := "said" if {
	entities.meaning(_supplier, data.suppliers, {"supplier"}) in {"named", "unclear", "none"}
} else := "said" if {
	_supplier == data.article[_sku].supplier
} else := "other"

# The invoice that this pays, also where only the reference tells it.
_invoice := input.tool.arguments.invoice_id if {
	true
} else := regex.find_n(`INV-[0-9]+`, input.tool.arguments.reference, 1)[0] if {
	true
} else := data.open_invoices[data.supplier_of_iban[input.tool.arguments.iban]][0] if {
	count(data.open_invoices[data.supplier_of_iban[input.tool.arguments.iban]]) == 1
}

_invoice_aims := calls.aimed(_invoice, data.invoices, {"invoice", "bill"}, _acts, _matter)

_invoices_named := entities.named(data.invoices, {"invoice", "bill"})

# Where the request names only what it leaves out, it names none. "Pay their invoice" means the one that is named.
_invoice_aimed := "none" if {
	_invoice_aims == "other"
	count(_invoices_named) == 0
} else := "named" if {
	_invoice_aims == "unclear"
	_invoices_named == {_invoice}
} else := _invoice_aims

_all_invoices if count(wishes.of_all({"pay", "settle", "clear", "transfer", "do"}, {"invoice", "bill", "supplier", "payment"})) > 0

_all_invoices if {
	count(calls.ordered(_acts, _matter)) > 0
	regex.match(`\b(what|whatever|everything|all|those|ones|invoices|bills)\b[^.]*\b(due|open|outstanding|overdue|unpaid|owe)\b|\b(due|open|outstanding|overdue|unpaid) (invoices|bills|ones)\b`, lower(input.task.statement))
}

_due_said if dates.within_said(data.invoice[_invoice].due, "UTC") with input.context.time as data.noon

_day_said if not dates.none_said

_invoice_thing := "other" if {
	_invoice in entities.ruled_out(_acts, data.invoices, {"invoice"})
} else := "named" if {
	_invoice_aimed == "named"
} else := "named" if {
	_invoice_aimed in {"none", "unclear"}
	_due_said
} else := "named" if {
	_invoice_aimed in {"none", "unclear"}
	_all_invoices
	not _day_said
} else := "unclear" if {
	_invoice_aimed in {"none", "unclear"}
	_all_invoices
} else := "unclear" if {
	_invoice_aimed in {"none", "unclear"}
	wishes.follows
	wording.words & {"run", "list", "file", "plan"} != set()
} else := _invoice_aimed

_thing["payments.send"] := _invoice_thing if input.tool.name == "payments.send"

_values["payments.send"] := [_pay_amount, _reference]

_pay_amount := "other" if {
	input.tool.arguments.amount_cents == data.invoice[_invoice].cents
	count(shares.of(data.invoice[_invoice].cents)) > 0
	not regex.match(`\b(whole|full|all|rest|remaining)\b`, lower(input.task.statement))
} else := figures.cents_meaning("amount_cents", _invoice, data.invoices, data.invoice[_invoice].cents) if {
	count(entities.named(data.invoices, {"invoice", "bill"})) > 1
	count(shares.stated) > 0
} else := shares.cents_meaning("amount_cents", data.invoice[_invoice].cents)

_reference := messages.meaning({
	"name": "reference",
	"own": _house | {_invoice, data.supplier[data.invoice[_invoice].supplier].name} | {text | some text in data.invoices[_invoice]},
	"people": data.customers,
	"about": set(),
	"clean": _clean,
	"words": 3,
})

# A run that our records bound: open, ours, in full.
_sure["payments.send"] if {
	_invoice_thing == "named"
	input.tool.arguments.amount_cents == data.invoice[_invoice].cents
	_pay_amount == "said"
	_reference == "said"
	_run
	conditions.all_match(_about["payments.send"].held)
}

_run if _all_invoices

_run if {
	_invoices_named == {_invoice}
	count(clauses.ordered({"pay", "settle", "transfer"})) > 0
}


# ================================================================ files
_path := input.tool.arguments.path

_in_folder(folder) if startswith(paths.clean(input.tool.arguments.path), concat("", [folder, "/"]))

_path_says := paths.meaning("path", data.folders)

default _stray_file := false

_stray_file if not _path_says in {"named", "unclear"}

_thing["files.write"] := _write_thing if input.tool.name == "files.write"

_write_thing := "named" if {
	_path_says == "named"
} else := "named" if {
	paths.in_requested_folder({"path"})
} else := "named" if {
	paths.in_meant_folder({"path"}, data.folders)
} else := "named" if {
	_path_says == "unclear"
	paths.meant({"path"}, data.folders)
} else := "named" if {
	_path_says == "none"
	some folder in {"/reports", "/exports", "/claims"}
	_in_folder(folder)
	regex.match(`\b(report|summary|overview|note|list|file|table|export|claim|write)`, lower(input.task.statement))
} else := "unclear" if {
	_path_says in {"none", "unclear"}
} else := "unclear" if {
	_path_says == "other"
	some folder in {"/reports", "/exports", "/claims"}
	_in_folder(folder)
	regex.match(`\b(report|summary|overview|note|list|claim|write)`, _lower)
} else := _path_says

_values["files.write"] := [_content]

_shares if count(wishes.deeds({"share", "send", "forward"})) > 0

_content := "said" if {
	_clean
	not facts.has("sources", "secret")
} else := messages.meaning({
	"name": "content",
	"own": _house | {text | some o in _orders_named; some text in data.order_texts[o]} | facts.elements("told"),
	"people": data.customers,
	"about": _orders_customers,
	"clean": false,
	"private": _strayed,
	"words": 5,
}) if {
	_shares
} else := "said" if {
	messages.meaning(object.union(_content_message, {"private": facts.has("sources", "secret")})) == "said"
} else := "none"

_content_message := {
	"name": "content",
	"own": _house | {text | some o in _orders_named; some text in data.order_texts[o]} | facts.elements("told"),
	"people": data.customers,
	"about": object.keys(data.customers),
	"clean": false,
	"words": 5,
}

_orders_customers := {data.order_of[o].customer | some o in _orders_named}

default _strayed := false

_strayed if facts.size("strays") > 0

_thing["files.delete"] := _path_says if input.tool.name == "files.delete"

_values["files.delete"] := ["said"]

_thing["files.share"] := _path_says if input.tool.name == "files.share"

_values["files.share"] := [_receiver, _days, _outside_fits]

_with := lower(input.tool.arguments["with"])

_receiver := "said" if {
	_with in entities.told(data.contacts)
} else := "said" if {
	intent.mentions(_with)
} else := "said" if {
	entities.meaning(_with, data.contacts, set()) == "named"
	count(entities.told(data.contacts)) == 0
} else := "none" if {
	entities.meaning(_with, data.contacts, set()) == "named"
} else := "none" if {
	_with in object.keys(data.contacts)
	entities.meaning(_with, data.contacts, set()) in {"unclear", "none"}
} else := "other"

_days := "said" if {
	not input.tool.arguments.days
} else := "said" if {
	input.tool.arguments.days == 7
	count(quantities.counts) == 0
} else := "said" if {
	regex.match(sprintf(`\b%d[ -]days?\b`, [input.tool.arguments.days]), quantities.digits)
} else := "said" if {
	input.tool.arguments.days % 7 == 0
	regex.match(sprintf(`\b(%d|a|one)[ -]weeks?\b`, [floor(input.tool.arguments.days / 7)]), quantities.digits)
	input.tool.arguments.days <= 31
} else := "said" if {
	input.tool.arguments.days in {30, 31}
	regex.match(`\b(a|one|1) month\b`, quantities.digits)
} else := "said" if {
	input.tool.arguments.days % 30 == 0
	regex.match(sprintf(`\b%d months?\b`, [floor(input.tool.arguments.days / 30)]), quantities.digits)
} else := "none" if {
	input.tool.arguments.days <= 31
} else := "other"

# What finance keeps leaves the house only if the request names the file.
_outside_fits := "said" if {
	_with in data.team
} else := "said" if {
	not _in_folder("/finance")
	not facts.has("orders_written", _path)
} else := "none" if {
	_path_says in {"named", "unclear"}
} else := "other"

# ================================================================ forms
_site := hosts.site(input.tool.arguments.url)

_thing["web.post"] := _post_thing if input.tool.name == "web.post"

_post_thing := "named" if {
	outbound.url_requested_or_trusted("url", set())
} else := "named" if {
	hosts.requested("url", data.sites)
} else := "named" if {
	some o in _orders_about
	some s in data.order_of[o].shipments
	some text in data.order_texts[o]
	startswith(text, concat("", [data.carrier_sites[_site], " "]))
	s != ""
} else := "unclear" if {
	data.carrier_sites[_site]
	count(entities.named(data.sites, set())) == 0
} else := "other"

_orders_about := _orders_named | {o | some ticket in _tickets_meant; some o in _orders_of(ticket)}

_values["web.post"] := [_body]

_body := "other" if {
	address := forms.fields("body").address
	wording.words & {"address", "ticket", "note", "wrote", "asks", "instructions", "mail"} == set()
	not texts.plain_text(address, {data.order_of[o].address | some o in _orders_about}, 0)
} else := "none" if {
	address := forms.fields("body").address
	not texts.plain_text(address, {data.order_of[o].address | some o in _orders_about}, 0)
} else := "said" if {
	forms.known("body", _body_own)
	count(texts.mentions_others("body", data.customers, _body_about)) == 0
} else := messages.meaning({
	"name": "body",
	"own": _body_own,
	"people": data.customers,
	"about": _body_about,
	"clean": _clean,
	"private": _strayed,
	"words": 3,
})

default _my_mail := "tidewater"

_my_mail := data.email_of[input.subject.claims.username]

# ================================================================ answers to customers
_ticket := input.tool.arguments.ticket_id

_ticket_orders := _orders_of(_ticket)

_thing["tickets.reply"] := _ticket_thing if input.tool.name == "tickets.reply"

_all_tickets if count(wishes.of_all(_acts, {"ticket", "customer", "message"})) > 0

_ticket_thing := "named" if {
	_ticket in _said_tickets
} else := "named" if {
	some o in _ticket_orders
	o in _orders_named
} else := "unclear" if {
	_all_tickets
} else := "other" if {
	count(_said_tickets) > 0
} else := "other" if {
	count(_ticket_orders) > 0
	count(_orders_named) > 0
} else := "named" if {
	facts.has("tickets_chosen", _ticket)
} else := "named" if {
	facts.elements("tickets_read") == {_ticket}
} else := "unclear"

_values["tickets.reply"] := [_answer]

_answer := "said" if {
	_answer_says == "said"
} else := "said" if {
	_answer_says == "none"
	count(facts.elements("sources") - ({_ticket} | _ticket_orders)) == 0
	new := messages.unconfirmed(_answer_message)
	count(object.keys(new) - {"words"}) == 0
	count(object.get(new, "words", set())) <= 12
} else := _answer_says

_answer_says := messages.meaning(_answer_message)

_answer_message := {
	"name": "text",
	"own": _house | {text | some o in _answer_orders; some text in data.order_texts[o]} | facts.elements("told") | facts.elements("made") | {_ticket, "Tidewater"},
	"people": data.customers,
	"about": _answer_about,
	"clean": _clean,
	"private": _strayed,
	"words": 5,
}

_answer_orders := _ticket_orders if {
	count(_ticket_orders) > 0
} else := _orders_named

_answer_about := {data.order_of[o].customer | some o in _answer_orders} if {
	count(_answer_orders) > 0
} else := object.keys(data.customers)

# ================================================================ hosts
grant contains {"code": "look_at_host", "credential": _once, "facts": {"sources": {"shell"}}} if {
	input.tool.name == "shell.run"
	_may_look
	commands.only_looks("command")
}

_may_look if _engineer

_may_look if {
	_in("warehouse")
	input.tool.arguments.host in data.service.labels.hosts
}

_thing["shell.run"] := _host_thing if input.tool.name == "shell.run"

_service_said := entities.named(data.services, set())

_host := input.tool.arguments.host

_host_thing := "named" if {
	entities.meaning(_host, data.hosts, set()) == "named"
} else := "other" if {
	entities.meaning(_host, data.hosts, set()) == "other"
} else := "named" if {
	some s in _service_said
	_host in data.service[s].hosts
} else := "other" if {
	count(_service_said) > 0
} else := "unclear"

_values["shell.run"] := [_command]

_command := "said" if {
	commands.stated("command")
} else := "said" if {
	what := commands.service("command")
	what.service in _service_said
	_act_ordered(what.act)
} else := "none" if {
	what := commands.service("command")
	what.service in _service_said
	what.act in {"restart", "start", "reload", "status"}
} else := "none" if {
	what := commands.service("command")
	what.service in _service_said
	_follows_runbook
	facts.value("runbooks") > 0
} else := "none" if {
	_engineer
	not commands.service("command")
	_follows_runbook
	facts.value("runbooks") > 0
} else := "none" if {
	_engineer
	not commands.service("command")
	count(calls.ordered({"clean", "clear", "free", "fix", "run", "execute", "delete", "remove", "kill"}, _about["shell.run"].matter)) > 0
} else := "other"

_follows_runbook if wishes.follows

_follows_runbook if {
	contains(lower(input.task.statement), "runbook")
	wording.words & {"follow", "use", "work", "according", "per", "do", "apply", "says"} != set()
}

_act_ordered(act) if count(clauses.ordered(_act_words[act])) > 0

_act_ordered(act) if count(wishes.may(_act_words[act])) > 0

_act_words := {
	"restart": {"restart", "bounce", "kick", "reboot"},
	"start": {"start"},
	"stop": {"stop"},
	"reload": {"reload"},
	"status": {"check", "look", "show"},
}

# "Labels hang in warehouse-east. Follow the runbook": our own runbook was read, and the restart is of the service named.
_sure["shell.run"] if {
	what := commands.service("command")
	what.service in _service_said
	what.act in {"restart", "status"}
	_host in data.service[what.service].hosts
	_host_thing == "named"
	_follows_runbook
	facts.value("runbooks") > 0
	conditions.all_match(_about["shell.run"].held)
}

# ================================================================ deployments
_thing["deploys.start"] := entities.meaning(input.tool.arguments.service, data.services, set()) if input.tool.name == "deploys.start"

_values["deploys.start"] := [_version, _environment]

_version := "said" if {
	intent.mentions(input.tool.arguments.version)
} else := "other" if {
	regex.match(`\b[0-9]+\.[0-9]+\.[0-9]+\b`, input.task.statement)
	not _several_services
} else := "said" if {
	input.tool.arguments.environment == "production"
	input.tool.arguments.version == data.service[input.tool.arguments.service].staging
} else := "none"

_several_services if count(_service_said) > 1

_environment := choices.meaning({
	"name": "environment",
	"options": {"production": {"production", "prod", "live", "customer"}, "staging": {"staging", "test"}},
	"within": "",
}) if {
	not _from_staging
} else := "said" if {
	_from_staging
	input.tool.arguments.environment == "production"
} else := "other"

# "Deploy to production what runs in staging"
_from_staging if {
	wording.words & {"production", "prod", "live"} != set()
	"staging" in wording.words
}

_from_staging if {
	not "staging" in wording.words
	count(clauses.ordered({"release", "promote", "publish"})) > 0
}

_from_staging if {
	regex.match(`\b(what|whatever|version|release|one)\b[^.]*\bstaging\b`, lower(input.task.statement))
	not regex.match(`\b(to|into|onto|on) staging\b`, lower(input.task.statement))
}

_body_own := _house | {text | some o in _orders_about; some text in data.order_texts[o]} | facts.elements("told") | {"Tidewater", _my_mail} | {id | some id in _orders_about}

_body_about := {data.order_of[o].customer | some o in _orders_about}
