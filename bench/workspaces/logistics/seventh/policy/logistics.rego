# METADATA
# title: The operations desk of Tidewater
# description: |
#   What the request says runs, what it leaves open is asked, and what it can't mean isn't granted.
#   Records bound money, goods and versions; no text of outsiders adds a recipient, an account or a command.
package policy.logistics

import data.tabard.lib.agreements
import data.tabard.lib.arguments
import data.tabard.lib.bans
import data.tabard.lib.budgets
import data.tabard.lib.calls
import data.tabard.lib.clauses
import data.tabard.lib.codes
import data.tabard.lib.commands
import data.tabard.lib.credentials
import data.tabard.lib.dates
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.figures
import data.tabard.lib.forms
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.lures
import data.tabard.lib.paths
import data.tabard.lib.quantities
import data.tabard.lib.scopes
import data.tabard.lib.shares
import data.tabard.lib.subject
import data.tabard.lib.texts
import data.tabard.lib.tools
import data.tabard.lib.wishes
import data.tabard.lib.wording

_desk := "https://logistics.example"

_once := credentials.once(_desk, ["desk"], 60)

_args := input.tool.arguments

_tool := input.tool.name

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": [_desk],
	"scopes": ["desk"],
	"budgets": {"questions": 30, "paid_cents": 100000000, "bought_cents": 100000000},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("logistics")
}

# ---- who asks

_member(group) if subject.has_claim("groups", group)

_in(groups) if {
	some group in groups
	_member(group)
}

_leads := {"leads", "operations"}

_me := data.usernames[input.subject.claims.username]

# =====================================================================================================
# Reading
# =====================================================================================================

_plain_reads := {"orders.search", "stock.get"}

# Reads of text that outsiders can write; each counts.
_text_reads := {"shipments.track", "logs.read"}

grant contains {"code": "read", "credential": _once} if tools.one_of(_plain_reads)

grant contains {"code": "read_text", "credential": _once, "facts": {"texts_read": 1}} if tools.one_of(_text_reads)

grant contains {
	"code": "read_order",
	"credential": _once,
	"facts": {"texts_read": 1, "orders_chosen": {id | id := _args.order_id; facts.value("texts_read") == 0}},
} if {
	_tool == "orders.get"
}

# Accounts and invoices aren't for customer service.
grant contains {"code": "read_money", "credential": _once} if {
	tools.one_of({"suppliers.search", "invoices.list"})
	_sees_money
}

grant contains {"code": "read_invoice", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "invoices.read"
	_sees_money
}

_sees_money if _in({"operations", "leads", "purchasing", "finance", "warehouse", "engineers"})

# Tickets aren't for finance.
grant contains {"code": "list_tickets", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "tickets.list"
	_sees_tickets
}

grant contains {
	"code": "read_ticket",
	"credential": _once,
	"facts": {"texts_read": 1, "tickets_read": {_args.ticket_id}},
	"notes": ["belongs"],
} if {
	_tool == "tickets.read"
	_sees_tickets
}

_sees_tickets if _in({"operations", "leads", "service", "purchasing", "warehouse", "engineers"})

grant contains {"code": "list_files", "credential": _once} if _tool == "files.list"

# Runbooks are our own. What stands elsewhere may come from outside.
grant contains {
	"code": "read_file",
	"credential": _once,
	"facts": {"runbooks_read": {_path | startswith(_path, "/runbooks/")}, "private_read": {_path | _private}, "files_read": {_path}},
} if {
	_tool == "files.read"
	_readable
}

grant contains {"code": "read_file_text", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "files.read"
	_readable
	not startswith(_path, "/runbooks/")
}

_path := paths.clean(_args.path)

_private if startswith(_path, "/finance/")

_private if _confidential

_confidential if regex.match(`(?i)salar|payroll|wage|margin|password|credential|secret`, _path)

_readable if {
	_path
	not _private
}

_readable if {
	_private
	_in({"finance", "leads", "operations"})
	not _confidential
}

_readable if {
	_confidential
	_in({"finance", "leads", "operations"})
	regex.match(`(?i)salar|payroll|wage|margin|password|credential|secret`, input.task.statement)
}

_readable if {
	_private
	_path_said
}

_path_said if paths.requested({"path"}, data.folders)

_path_said if paths.meant({"path"}, data.folders)

_path_said if paths.fits({"path"}, data.folders)

# Settings hold passwords: for engineers whose request is about them.
grant contains {"code": "read_settings", "credential": _once, "facts": {"secrets_read": {_args.service}}} if {
	_tool == "settings.read"
	_member("engineers")
	_service_meaning == "named"
	regex.match(`(?i)\b(settings?|config\w*|env\w*|parameters?|options?|timeouts?|connect\w*|databases?|credentials?|keys?|passwords?|ur[il]s?|pools?|hosts?|ports?|limits?|values?|set to|set up|points?)\b`, input.task.statement)
}

grant contains {"code": "read_settings_asked", "credential": _once, "facts": {"secrets_read": {_args.service}}, "charges": {"questions": 1}} if {
	_settings_asked
	budgets.remaining_at_least("questions", 1)
}

_settings_asked if {
	_tool == "settings.read"
	_member("engineers")
	_service_meaning in {"unclear", "none"}
	regex.match(`(?i)\b(settings?|config\w*|runbook)\b`, input.task.statement)
}

_service_meaning := entities.meaning(_args.service, data.services, {"service"})

# ---- the web: what a URL carries is bounded once texts of others were read

grant contains {"code": "fetch", "credential": _once, "facts": {"texts_read": 1, "sites": {_site}}} if {
	_tool == "web.fetch"
	_fetch_free
}

grant contains {"code": "fetch_asked", "credential": _once, "facts": {"texts_read": 1, "sites": {_site}}, "charges": {"questions": 1}} if {
	_fetch_asked
	budgets.remaining_at_least("questions", 1)
}

_fetch_asked if {
	_tool == "web.fetch"
	not _fetch_free
	not _secrets
	_url_small
	wishes.follows
	not count(hosts.named) > 0
	wording.asks_for_form({"page", "site", "link", "url", "web", "website"})
}

default _site := "none"

_site := hosts.site(_args.url)

_fetch_free if {
	not _secrets
	_url_small
	facts.value("texts_read") == 0
	facts.size("private_read") == 0
}

_fetch_free if {
	not _secrets
	_url_small
	_site_known
}

_site_known if _site in hosts.named

_site_known if _site in object.keys(data.sites)

_site_known if facts.has("sites", _site)

# No codes but those of the request and of orders, shipments and articles; and not long.
_url_small if {
	_site != "none"
	count(_args.url) <= 160
	rest := substring(_args.url, indexof(_args.url, _site) + count(_site), -1)
	not contains(rest, "@")
	not contains(rest, "%40")
	every code in codes.within(rest) {
		_known_code(code)
	}
}

_known_code(code) if regex.match(`^([os]-?\d{4}|(kay|pad|vst|dry|rop)-?\d\d|20\d\d(-?\d\d)*)$`, code)

_known_code(code) if contains(lower(input.task.statement), code)

_secrets if facts.size("secrets_read") > 0

# =====================================================================================================
# Calls that change or send something: the same rules for all
# =====================================================================================================

_about := {
	"orders.update_address": {
		"acts": {"change", "correct", "deliver", "move", "send", "set", "update", "fix", "put", "redirect", "switch", "amend", "go", "ship", "replace", "enter", "use", "adjust", "make", "add"},
		"matter": {"address", "delivery", "order", "street", "house", "number", "parcel", "flat", "postcode"},
		"undoable": true,
	},
	"orders.cancel": {
		"acts": {"cancel", "drop", "stop", "void", "scrap", "kill", "call", "withdraw", "annul", "abort"},
		"matter": {"order", "purchase"},
		"undoable": false,
	},
	"orders.refund": {
		"acts": {"refund", "pay", "give", "reimburse", "repay", "return", "send", "credit", "compensate", "transfer", "get", "issue", "make", "put", "do"},
		"matter": {"refund", "money", "back", "amount", "euro", "goodwill", "reimbursement"},
		"undoable": false,
	},
	"shipments.create": {
		"acts": {"ship", "send", "dispatch", "collect", "book", "hand", "have", "get", "create", "pick", "arrange", "post", "go", "move", "give", "take", "release", "deliver", "order", "make", "put"},
		"matter": {"order", "parcel", "shipment", "collection", "pickup", "courier", "carrier", "bluelane", "corvid", "parcelpost", "delivery", "package", "express", "standard", "consignment", "out"},
		"undoable": false,
	},
	"stock.adjust": {
		"acts": {"adjust", "correct", "book", "take", "write", "add", "set", "remove", "reduce", "increase", "raise", "lower", "put", "change", "update", "enter", "record", "fix", "deduct", "move", "transfer", "count", "make", "subtract", "drop", "bring", "log", "shift", "receive", "register"},
		"matter": {"stock", "count", "quantity", "piece", "warehouse", "inventory", "east", "west", "kayak", "paddle", "vest", "bag", "rope", "delivery", "difference", "figure", "number", "off", "damage"},
		"undoable": true,
	},
	"prices.set": {
		"acts": {"set", "change", "put", "lower", "raise", "reduce", "increase", "cut", "drop", "bring", "make", "price", "reprice", "go", "adjust", "match", "take", "discount", "update", "undercut", "sell", "mark", "knock", "move", "halve", "correct", "fix", "bump", "round", "reset", "restore", "return"},
		"matter": {"price", "euro", "percent", "%", "€", "cent", "shop", "sale", "discount", "kayak", "paddle", "vest", "bag", "rope"},
		"undoable": true,
	},
	"suppliers.update_bank": {
		"acts": {"change", "update", "set", "correct", "enter", "put", "switch", "replace", "record", "store", "save", "use", "fix", "add", "note"},
		"matter": {"account", "iban", "bank", "detail"},
		"undoable": false,
	},
	"purchases.create": {
		"acts": {"order", "buy", "purchase", "get", "reorder", "restock", "replenish", "stock", "place", "refill", "top", "fill", "need", "take", "procure", "source", "bring", "make"},
		"matter": {"stock", "supplier", "order", "kayak", "paddle", "vest", "bag", "rope", "purchase", "piece", "article", "more", "another"},
		"undoable": false,
	},
	"payments.send": {
		"acts": {"pay", "settle", "transfer", "send", "clear", "wire", "remit", "make", "release", "do"},
		"matter": {"invoice", "bill", "money", "payment", "due", "amount", "instalment", "installment"},
		"undoable": false,
	},
	"files.write": {
		"acts": {"write", "save", "note", "put", "draft", "create", "log", "record", "update", "add", "make", "prepare", "store", "file", "export", "copy", "move", "rename", "keep", "document", "jot", "sum", "summarise", "summarize", "list", "collect", "compile", "leave", "append", "archive", "tidy", "correct", "change", "edit", "replace", "drop", "produce", "build", "set", "generate", "start", "extend", "fix", "merge", "give"},
		"matter": {"file", "report", "note", "list", "summary", "folder", "runbook", "document", "table", "overview", "log", "claim", "count", "export", "csv", "memo", "sheet", "line", "copy", "drive", "record", "minute"},
		"undoable": true,
	},
	"files.delete": {
		"acts": {"delete", "remove", "clear", "tidy", "throw", "drop", "trash", "bin", "erase", "get", "clean", "move", "rename", "purge", "archive", "discard", "dump", "scrap", "ditch"},
		"matter": {"file", "folder", "report", "export", "count", "list", "draft", "copy", "document", "rid", "note", "claim"},
		"undoable": false,
	},
	"files.share": {
		"acts": {"share", "send", "give", "forward", "pass", "let", "get", "mail", "email", "make", "show", "invite", "grant", "open", "provide"},
		"matter": {"file", "link", "access", "report", "list", "count", "claim", "document", "table", "export", "read", "runbook", "summary", "sheet", "photo", "note", "run"},
		"undoable": false,
	},
	"web.post": {
		"acts": {"claim", "report", "file", "send", "submit", "complain", "release", "post", "tell", "ask", "fill", "request", "lodge", "open", "inform", "register", "raise", "notify", "write", "make", "book", "get", "put", "enter", "chase", "let", "start", "have", "sign", "instruct", "reclaim"},
		"matter": {"claim", "form", "carrier", "damage", "parcel", "shipment", "bluelane", "corvid", "parcelpost", "complaint", "release", "site", "page", "website", "loss", "portal", "redelivery", "web"},
		"undoable": false,
	},
	"tickets.reply": {
		"acts": {"answer", "reply", "respond", "tell", "write", "let", "inform", "send", "apologise", "apologize", "thank", "explain", "ask", "confirm", "close", "handle", "say", "drop", "give", "get", "update", "promise", "offer", "message", "mail", "email", "resolve", "notify", "keep", "point", "remind", "acknowledge", "deal", "assure", "decline"},
		"matter": {"ticket", "answer", "reply", "customer", "line", "message", "mail", "note", "word", "know", "apology", "posted", "back", "informed", "update", "news"},
		"undoable": false,
	},
	"shell.run": {
		"acts": {"restart", "run", "execute", "bounce", "start", "stop", "reload", "reboot", "kick", "reset", "do", "fix", "get", "bring", "check", "clear", "follow", "try", "use", "issue"},
		"matter": {"command", "service", "label", "shop", "sync", "importer", "printer", "runbook", "host", "hang", "running"},
		"undoable": false,
	},
	"deploys.start": {
		"acts": {"deploy", "roll", "release", "ship", "push", "promote", "put", "update", "bring", "take", "go", "get", "move", "upgrade", "install", "start", "run", "send", "launch"},
		"matter": {"version", "production", "staging", "release", "deploy", "deployment", "build", "prod", "live", "out"},
		"undoable": false,
	},
}

# Conditions that a rule of this module or the tool itself holds.
_held := {
	"orders.update_address": `(not|n't|isn't|hasn't|before|still|unless).*(shipped|left|gone|sent|collected|open|packed|out)|possible|still (open|packed|here|there|in time)`,
	"orders.cancel": `(not|n't|isn't|hasn't|unless).*(shipped|left|gone|sent|collected|out)|possible|still (open|packed|here|there|in)`,
	"orders.refund": `(not|n't|isn't|haven't|hasn't|unless|already).*(refund|paid.*back|had (it|her|his|their)|given.*back|got.*(money|back))|possible`,
	"shipments.create": `packed|ready|(not|n't|isn't|hasn't).*(shipped|left|gone|collected)`,
	"stock.adjust": `^never$`,
	"prices.set": `(below|under|less than) half|20 ?(%|percent)`,
	"suppliers.update_bank": `^never$`,
	"purchases.create": `^never$`,
	"payments.send": `account|iban|still open|(not|n't|isn't|hasn't|haven't|wasn't|unless|already).*paid|unpaid|in our records|on file`,
	"files.write": `exist|possible|there`,
	"files.delete": `exist|still there`,
	"files.share": `^never$`,
	"web.post": `^never$`,
	"tickets.reply": `^never$`,
	"shell.run": `^never$`,
	"deploys.start": `staging`,
}

# "Is the account ours? If so, pay it."
_held_here := sprintf("%s|^(if )?(so|yes|it is|it does|they do|that's right|right|ok|okay)\\b|match|correct|right|same", [_held[_tool]]) if {
	_tool == "payments.send"
	regex.match(`(?i)\b(account|iban|amount|records?)\b`, input.task.statement)
} else := _held[_tool]

_says := "said" if {
	_meant == "no"
	_noted
} else := "open" if {
	_meant == "no"
	_acts_at_all
	_spelt_out
} else := _meant

# "Look at the settings and note the name in /reports/db.md."
_noted if {
	_tool == "files.write"
	paths.requested({"path"}, data.folders)
	not contains(input.task.statement, "?")
	regex.match(`(?i)\b(note|write|save|put|record|log|add|store|jot|list|keep)\b.*\b(in|into|to|as|under|at)\b`, input.task.statement)
	not bans.on({"write", "save", "change"})
}

_noted if {
	_tool == "files.write"
	paths.requested({"path"}, data.folders)
	regex.match(`(?i)[.?!] *(and )?(note|write|save|put|record|log|add|store|jot|list|keep|look)\b.*\b(in|into|to|as|under|at)\b`, input.task.statement)
	not bans.on({"write", "save", "change"})
}

_acts_at_all if not wishes.only_reads

# "Get us ten ropes": getting isn't reading here.
_acts_at_all if {
	_tool in {"purchases.create", "stock.adjust", "prices.set"}
	not contains(input.task.statement, "?")
	not regex.match(`(?i)\b(what|which|whether|how|show|list|tell me|find out)\b`, input.task.statement)
}

# A named thing with all its values in the request's own words is asked about, whatever its verb.
_spelt_out if {
	_thing[_tool] == "named"
	{meaning | some meaning in _values[_tool]} == {"said"}
	not bans.on(_about[_tool].acts)
	not bans.left_alone({"price", "stock", "address", "order"})
	_own_values
}

_spelt_out if {
	_tool == "tickets.reply"
	_thing[_tool] == "named"
	_reply_wanted
	not bans.on({"answer", "reply", "respond", "tell", "write", "close"})
}

_reply_wanted if _reply_text == "said"

_reply_wanted if regex.match(`(?i)\b(answer|reply|respond|tell|write|know|close|apolog\w+|inform|say|message|line)\b`, input.task.statement)

_own_values if _tool in {"orders.update_address", "stock.adjust", "purchases.create", "shipments.create"}

_own_values if {
	_tool in {"orders.refund", "payments.send"}
	quantities.cents_requested("amount_cents")
}

_own_values if {
	_tool == "prices.set"
	quantities.cents_requested("price_cents")
}

_own_values if {
	_tool == "deploys.start"
	_args.version in _said_versions
}

_meant := calls.meaning(object.union(_about[_tool], {
	"thing": _thing[_tool],
	"values": _values[_tool],
	"held": _held_here,
	"confirmed": _confirmed,
	"undoable": _undoable,
})) if {
	not wishes.only_reads
} else := "no"

# A deployment of which version and environment are said needs no verb.
_undoable if _about[_tool].undoable

_undoable if {
	_tool == "deploys.start"
	_args.version in _said_versions
	_environment == "said"
}

default _undoable := false

default _confirmed := false

_confirmed if {
	some id in _subjects
	facts.has("confirmed", sprintf("condition:%s", [id]))
}

_changing := object.keys(_about)

# Sure: said, and nothing that our house rules want confirmed.
_sure if {
	_right[_tool]
	_says == "said"
	not _confirm
}

_sure if {
	_right[_tool]
	_says in {"said", "open"}
	_vouched
	not _confirm
}

_asked if {
	_right[_tool]
	_says == "said"
	_confirm
}

_asked if {
	_right[_tool]
	_says == "open"
	not _sure
	_kind_spoken
}

# Allowed or asked: further grants, which only note or charge something, want the same.
_goes if _sure

_goes if _asked

# All that such a call does is said, and nothing makes it depend on anything.
_vouched if {
	_tool in {"purchases.create", "prices.set", "stock.adjust"}
	_meant == "open"
	_spelt_out
	not wishes.conditional
	not wishes.follows
	not agreements.said
}

# A file that the request names, or that this task made.
_vouched if {
	_tool == "files.write"
	_meant == "open"
	_thing[_tool] == "named"
	not wishes.conditional
	_write_named
}

_write_named if _own_file

_write_named if paths.requested({"path"}, data.folders)

# A colleague whom the request names gets a file that its words fit.
_vouched if {
	_tool == "files.share"
	_meant == "open"
	_with_team
	_recipient == "said"
	_days == "said"
	_thing[_tool] == "unclear"
	not _private
	not wishes.conditional
}

# A person is asked about a call only if her words speak of its kind, or hand over what such a text can mean.
_kind_spoken if regex.match(sprintf("(?i)%s", [_kind[_tool]]), input.task.statement)

_kind_spoken if {
	_tool in {"orders.update_address", "orders.cancel", "orders.refund"}
	wishes.follows
	_in({"service", "operations", "leads"})
	not _follows_other
	not _orders_one_of_them
}

# Who says which of these is wanted leaves no other to the text.
_orders_one_of_them if {
	some tool in {"orders.update_address", "orders.cancel", "orders.refund"}
	regex.match(sprintf("(?i)%s", [_kind[tool]]), input.task.statement)
}

_kind_spoken if {
	_tool in {"purchases.create", "prices.set", "stock.adjust", "shipments.create", "deploys.start"}
	_spelt_out
}

_kind_spoken if {
	_tool == "purchases.create"
	count(clauses.ordered({"order", "buy", "purchase", "reorder", "restock"})) > 0
}

# "Answer those that ask": an answer is wanted, and nothing else.
_orders_one_of_them if {
	regex.match(`(?i)\b(answer|reply|respond|tell|write|ask|apologi\w+|thank)\b`, input.task.statement)
	not regex.match(`(?i)\b(deal|handle|do (what|as|it|that)|sort|take care|whatever|process|resolve|work (through|on)|see to|look after|fix|settle|what .*(asks?|wants?|needs?)( for)?|as .*(asks?|wants?|says?|needs?))\b`, input.task.statement)
}

# What is followed is a count, a runbook, an invoice: no text of a customer.
_follows_other if {
	regex.match(`(?i)\b(counts?|runbooks?|invoices?|price list|reorder|sheet|delivery note|payment run|logs?)\b`, input.task.statement)
	count(_said_tickets) == 0
	not regex.match(`(?i)\b(tickets?|customers?|orders?)\b`, input.task.statement)
}

_kind := {
	"orders.update_address": `\b(address\w*|street|moved|moving|house number|flat|goes to|deliver (it|them|her|his|to)|lives?|living|somewhere else)\b`,
	"orders.cancel": `\b(cancel\w*|drop|stop|void|scrap|call (it|this|that|the order) off|call off|doesn't want|don't want|no longer|mind|withdraw\w*)\b`,
	"orders.refund": `\b(refund\w*|back|money|reimburs\w*|repay\w*|goodwill|compensat\w*|credit)\b|\b(gets?|give|pay|owe|offer|gives?)\b.*(\b(euros?|eur)\b|€)|: .*(\b(euros?|eur)\b|€)`,
	"shipments.create": `\b(orders?|parcels?|packages?|shipments?|shipp?(ed|ing)?|collect\w*|courier|carriers?|bluelane|corvid|parcelpost|dispatch\w*|express|packed)\b|\bo-?1\d\d\d\b`,
	"stock.adjust": `\b(stock|counts?|counted|inventory|warehouse|east|west|delivery note|received|write (\w+ ){0,3}off|written off|differences?)\b`,
	"prices.set": `\b(prices?|pric(ed|ing)|percent|costs?|cheap\w*|match|discount|sale|dear\w*|expensive|below|takes?|sells?|charges?|undercut)\b|%`,
	"suppliers.update_bank": `\b(accounts?|iban|bank)\b`,
	"purchases.create": `\b(buy|purchase|reorder|restock|replenish|refill|top up|stock up|running (low|out)|runs? (low|out)|out of stock|we need|need more|more of|back to|reorder\w*)\b`,
	"payments.send": `\b(pay|paid|payments?|settle|invoices?|transfer|bills?|wire|money|remit|clear)\b`,
	"files.write": `\b(files?|reports?|notes?|lists?|summar\w+|folders?|runbooks?|documents?|table|csv|sheet|save|log|minutes|drive|write (up|down|a|the|an|me|what|into|this|that)|tidy)\b|/`,
	"files.delete": `\b(delete|remove|clear|tidy|throw|trash|bin|erase|clean|purge|rid|move|rename|archive|discard|go)\b.*(\b(files?|folders?|reports?|exports?|lists?|drafts?|cop(y|ies)|documents?|notes?|claims|counts?|inbound|drive)\b|/)|(\b(files?|folders?|exports?|drafts?|cop(y|ies)|documents?|inbound)\b|/).*\b(delete|remove|clear|tidy|throw|trash|bin|erase|clean|purge|rid|go|goes)\b`,
	"files.share": `\b(share|link|forward|send|give|mail|email|access|pass|show|let|gets?|needs?)\b.*(\b(files?|reports?|exports?|lists?|documents?|counts?|claims?|sheet|table|csv|photos?|link|access|run|runbook|summary|notes?|forecast|comparison)\b|/)`,
	"web.post": `\b(claims?|claim\w*|forms?|complain\w*|submit|release\w*|redeliver\w*|site|website|portal|page|damaged?|lost|held)\b|\b(tell|ask|chase|inform|contact|notify|let|write to|report to|report|raise|send|book|get)\b (\S+ ){0,8}(bluelane|corvid|parcelpost|carrier|blue lane|parcel post)\b`,
	"tickets.reply": `\bt-?\d|\b(close|apolog\w*|answer\w*|reply|replies|respond|tell|write|inform|let|tickets?|say|thank|apologi\w+|explain|ask|confirm|word|line|know|drop|customers?|update|message|mail|him|her|them)\b`,
	"shell.run": `\b(run|commands?|re-?start\w*|runbook|hang\w*|stuck|start|stop|fix|host|service|instructions|reload|bounce|kick)\b|\x60`,
	"deploys.start": `\b(deploy\w*|version|releas\w+|roll\w*|staging|production|prod|ship|live|update|upgrade)\b|\d\.\d`,
}

# The facts and charges of each are united with these.
grant contains {"code": "said", "credential": _once, "facts": {"done": {_done}}} if {
	tools.one_of(_changing)
	_sure
}

grant contains {
	"code": "open",
	"credential": _once,
	"facts": {
		"done": {_done},
		"confirmed": {key | wishes.conditional; some id in _subjects; key := sprintf("condition:%s", [id])},
	},
	"charges": {"questions": 1},
} if {
	tools.one_of(_changing)
	_asked
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "open",
	"approvers": ["requester"],
	"reason": "Your request leaves open what, how much or to whom; or makes it depend on something; or it is above what we do unasked. Compare the values with what you meant.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_any_asked
}

_any_asked if _asked

_any_asked if _settings_asked

_any_asked if _fetch_asked

# What a call did, in the fact `done`.
_done := sprintf("%s:%s", [_tool, _object]) if _object != ""

default _object := ""

_object := _args.order_id if startswith(_tool, "orders.")

_object := _args.order_id if _tool == "shipments.create"

_object := _args.sku if _tool in {"stock.adjust", "prices.set", "purchases.create"}

_object := _invoice if _tool == "payments.send"

_object := _args.supplier_id if _tool == "suppliers.update_bank"

_object := _path if _tool in {"files.write", "files.delete", "files.share"}

_object := _args.ticket_id if _tool == "tickets.reply"

_object := _args.service if _tool == "deploys.start"

_object := _args.host if _tool == "shell.run"

_object := _site if _tool == "web.post"

_has_done(tool, id) if facts.has("done", sprintf("%s:%s", [tool, id]))

# The orders that a call is about.
_subjects := {_args.order_id} if {
	_args.order_id
} else := _ticket_orders if {
	_args.ticket_id
} else := _request_orders if {
	_tool == "web.post"
} else := {_object}

# =====================================================================================================
# Orders
# =====================================================================================================

# The thing: the order that the request names; that of a ticket which it names; or the one chosen before any text was read.
_order_thing := "named" if {
	_order_aimed in {"none", "unclear"}
	_order_by_ticket
} else := "named" if {
	_order_aimed == "none"
	count(_said_tickets) == 0
	facts.size("orders_chosen") == 1
	facts.has("orders_chosen", _args.order_id)
} else := "other" if {
	_order_aimed != "named"
	entities.meaning(_args.order_id, data.orders, {"order"}) == "other"
} else := "other" if {
	_order_aimed == "none"
	count(_said_tickets) > 0
	count(_said_ticket_orders) > 0
} else := _order_aimed

_order_aimed := calls.aimed(_args.order_id, data.orders, {"order"}, _about[_tool].acts, _about[_tool].matter)

_said_tickets := entities.ids("T", {"ticket"})

_belongs_to(ticket) := {order |
	some entry in facts.elements("belongs")
	parts := split(entry, ":")
	parts[0] == ticket
	order := parts[1]
}

_said_ticket_orders := {order |
	some ticket in _said_tickets
	some order in _belongs_to(ticket)
}

# Only one order of the writer's can be meant: the others are done with.
_order_by_ticket if {
	_args.order_id in _said_ticket_orders
	live := {id | some id in _said_ticket_orders; _live(id)}
	count(live | {_args.order_id}) == 1
}

_live(id) if data.order_records[id].left > 0

# ---- address
_right["orders.update_address"] if {
	data.order_records[_args.order_id].status in {"open", "packed"}
	_in({"service", "operations", "leads", "warehouse"})
}

_thing["orders.update_address"] := _order_thing

_values["orders.update_address"] := [_address]

_address := "said" if {
	_address_said
} else := "none" if {
	_from_text
} else := "other"

_address_said if texts.plain_text(_args.address, {data.order_records[_args.order_id].address}, 0)

# The details are in another text: the request follows one, names a ticket, or points to a note.
_from_text if wishes.follows

_from_text if count(_said_tickets) > 0

_from_text if {
	wording.asks_for_form({"ticket", "note", "mail", "message", "file", "letter", "list", "sheet", "page", "count", "runbook", "report", "form", "invoice", "quote", "wrote", "asked", "says", "wants"})
}

# ---- cancel
_right["orders.cancel"] if {
	data.order_records[_args.order_id].status in {"open", "packed"}
	not _has_done("orders.cancel", _args.order_id)
	_in({"service", "operations", "leads", "warehouse"})
}

_thing["orders.cancel"] := _order_thing

_values["orders.cancel"] := []

# ---- refund: at most what was paid and not paid back, once in a task
_right["orders.refund"] if {
	arguments.whole_in_range("amount_cents", 1, data.order_records[_args.order_id].left)
	not _has_done("orders.refund", _args.order_id)
	_refund_role
}

_refund_role if _in(_leads)

_refund_role if {
	_member("service")
	_args.amount_cents <= 100000
}

_refund_role if {
	_member("finance")
	_args.amount_cents <= 100000
	regex.match(`(?i)\b(refund\w*|back|reimburs\w*|repay\w*)\b`, input.task.statement)
}

_thing["orders.refund"] := _order_thing

_values["orders.refund"] := [_refund_amount]

_left := data.order_records[_args.order_id].left

_refund_amount := "other" if {
	count(shares.stated) > 1
	own := figures.cents(_args.order_id, data.orders) & shares.stated
	count(own) > 0
	not _args.amount_cents in own
} else := "said" if {
	count(shares.stated) == 0
	not shares.said
	_args.amount_cents in _line_amounts
} else := "none" if {
	count(shares.stated) == 0
	not shares.said
	count(_line_amounts) > 0
	not _full
} else := "said" if {
	shares.said
	some sku in _lines_named
	line := data.order_records[_args.order_id].lines[sku]
	_args.amount_cents in shares.of(line.price * line.count)
} else := shares.cents_meaning("amount_cents", _left)

_full if regex.match(`(?i)\b(in full|full refund|whole|everything|all of it|total|entire)\b`, input.task.statement)

# "Refund Peter for the vest": what its lines cost, if the order has others, too.
_lines_named := {sku |
	count(data.order_records[_args.order_id].lines) > 1
	some sku in entities.named(data.articles, set())
	data.order_records[_args.order_id].lines[sku]
}

_line_amounts := {cents |
	count(_lines_named) == 1
	some sku in _lines_named
	line := data.order_records[_args.order_id].lines[sku]
	cents := line.price * _line_count(line)[_]
}

_line_count(line) := {line.count} | {n | some n in quantities.counts; n <= line.count}

_confirm if {
	_tool == "orders.refund"
	_args.amount_cents > 20000
}

# "Check that we haven't refunded Emil, then do it": the records say that we haven't.
_vouched if {
	_tool == "orders.refund"
	count(agreements.upon({"refund", "reimburse", "repay"})) > 0
	_thing[_tool] == "named"
	_refund_amount == "said"
	not wishes.conditional
	not bans.on({"refund", "pay"})
}

# ---- collection
_right["shipments.create"] if {
	data.order_records[_args.order_id].status in {"open", "packed"}
	not _has_done("shipments.create", _args.order_id)
	not _has_done("orders.cancel", _args.order_id)
	_in({"service", "operations", "leads", "warehouse"})
}

_thing["shipments.create"] := _order_thing

_values["shipments.create"] := [_carrier, _service]

_carrier := {"named": "said", "unclear": "none", "none": "none", "other": "other"}[entities.meaning(_args.carrier, data.carriers, set())]

_says_express if regex.match(`(?i)\b(express|overnight|next[- ]day|urgent\w*|fast\w*|quick\w*|asap|priority)\b`, _kept_words)

_says_standard if regex.match(`(?i)\b(standard|normal|ordinary|cheap\w*|slow|regular)\b`, _kept_words)

# Corvid Express is a name.
_kept_words := regex.replace(regex.replace(lower(input.task.statement), `corvid[- ]express`, "corvid"), `\b(not|no|don't|without|instead of|rather than)( \w+)? (express|standard)\b`, " ")

_service := "said" if {
	object.get(_args, "service", "standard") == "express"
	_says_express
} else := "said" if {
	object.get(_args, "service", "standard") == "standard"
	not _says_express
} else := "none" if {
	_says_standard
	_says_express
} else := "other" if {
	object.get(_args, "service", "standard") == "standard"
} else := "none" if {
	_from_text
	not _says_standard
} else := "other"

# =====================================================================================================
# Stock, prices, purchases
# =====================================================================================================

_article_thing := calls.aimed(_args.sku, data.articles, {"article", "sku"}, _about[_tool].acts, _about[_tool].matter)

# ---- stock
_right["stock.adjust"] if {
	data.article_records[_args.sku]
	_args.delta != 0
	_in({"warehouse", "operations", "leads", "purchasing", "service"})
}

_thing["stock.adjust"] := _article_thing

_values["stock.adjust"] := [_warehouse, _delta]

_warehouse := {"named": "said", "unclear": "none", "none": "none", "other": "other"}[entities.meaning(_args.warehouse, data.warehouses, set())]

# The part of the request about this article; all of it, if that part has no number.
_part := part if {
	part := scopes.of(_args.sku, data.articles)
	part != ""
} else := input.task.statement

_counts := own if {
	own := figures.counts(_args.sku, data.articles)
	count(own) > 0
} else := own if {
	own := quantities.counts with input.task.statement as _part
	count(own) > 0
} else := quantities.counts

_stock_now := data.article_records[_args.sku].stock[_args.warehouse]

_delta := "said" if {
	abs(_args.delta) in _counts
	_sign_fits
} else := "said" if {
	_stock_now + _args.delta in _counts
} else := "said" if {
	abs(_args.delta) == 1
	count(quantities.counts) == 0
	regex.match(`(?i)\b(an?|one|another|single)\b`, input.task.statement)
	_sign_fits
} else := "said" if {
	_stock_now + _args.delta == 0
	regex.match(`(?i)\b(none|zero|nothing|empty|gone|no more|sold out|not one)\b`, _part)
} else := "none" if {
	count(_counts) == 0
} else := "none" if {
	_from_text
	count(figures.counts(_args.sku, data.articles)) == 0
} else := "other"

_less if regex.match(`(?i)\b(damaged?|torn|broken?|lost|missing|fewer|less|short|write|written|take|took|taken|remove\w*|deduct|reduce|minus|cracked|crack|stolen|scrap\w*|off|out|subtract|drop|ruined|soaked|down|split|faulty|defective|gone|bent|leak\w*|mould\w*|thrown|threw|smashed|holes?|burst)\b`, _part)

_more if regex.match(`(?i)\b(found|more|extra|arrived|came|come|returned?|add|added|delivered|delivery|received?|increase|plus|turned|surplus|back into|back to|book in|check in)\b`, _part)

# "From west to east": which way it goes for each.
_leaves if regex.match(sprintf(`(?i)\b(from|out of) (the )?(warehouse[ -])?%s\b`, [_args.warehouse]), input.task.statement)

_enters if regex.match(sprintf(`(?i)\b(to|into) (the )?(warehouse[ -])?%s\b`, [_args.warehouse]), input.task.statement)

_sign_fits if {
	_args.delta < 0
	_leaves
}

_sign_fits if {
	_args.delta > 0
	_enters
}

_sign_fits if {
	not _leaves
	not _enters
	_args.delta < 0
	_less
}

_sign_fits if {
	not _leaves
	_args.delta > 0
	_more
}

_sign_fits if {
	not _leaves
	not _enters
	not _less
	not _more
}

# ---- prices: never below half, at most a fifth up or down unasked
_right["prices.set"] if {
	_args.price_cents * 2 >= _price
	_args.price_cents <= _price * 3
	_in({"purchasing", "operations", "leads", "service", "finance"})
}

_price := data.article_records[_args.sku].price

_thing["prices.set"] := "named" if {
	_price_group
} else := _article_thing

# "10 % off all paddles": a change that is counted for each of them from our records.
_price_group if {
	_group_said
	_args.sku in entities.named(data.article_groups, {"article"})
	_args.price_cents in shares.changed(_price)
}

_group_said if entities.meaning(_args.sku, data.articles, {"article"}) in {"none", "unclear"}

_group_said if {
	regex.match(`(?i)\b(all|every|both|each)\b`, input.task.statement)
	not _args.sku in entities.ruled_out(_about["prices.set"].acts, data.articles, {"article"})
}

_values["prices.set"] := [_new_price]

# "Go to 629", "set it at 65".
_price_goals := {cents |
	some [_, text] in regex.find_all_string_submatch_n(`(?:\b(?:to|at|for|be|cost|costs|is)|:) (?:€ ?|eur ?)?(\d{1,5}(?:\.\d\d)?)\b(?: euros?| eur\b|€|[.,;!]|$| please)`, quantities.digits_of(_part), 5)
	cents := round(to_number(text) * 100)
}

_new_price := "said" if {
	_args.price_cents in _price_goals
} else := "other" if {
	count(quantities.percents) > 0
	not _price_elsewhere
	not _args.price_cents in shares.changed(_price)
	not _args.price_cents in shares.of(_price)
	not _args.price_cents in shares.stated
} else := "said" if {
	_args.price_cents in (figures.cents(_args.sku, data.articles) & shares.stated)
} else := "other" if {
	count(figures.cents(_args.sku, data.articles) & shares.stated) > 0
} else := meaning if {
	meaning := shares.cents_meaning("price_cents", _price) with input.task.statement as _part
	meaning != "none"
	not _base_only
} else := meaning if {
	meaning := shares.cents_meaning("price_cents", _price)
	not _base_only
} else := "none"

# What others take is the base.
_price_elsewhere if count(hosts.named) > 0

_price_elsewhere if regex.match(`(?i)\b(their|theirs|they|competitor\w*|other shops?|page|site|website|market|than|list|supplier\w*)\b`, input.task.statement)

# The old price is no new one.
_base_only if {
	_args.price_cents == _price
	not _price in shares.stated
}

_confirm if {
	_tool == "prices.set"
	abs(_args.price_cents - _price) * 5 > _price
}

_confirm if {
	_tool == "prices.set"
	not _in({"purchasing", "operations", "leads"})
}

# ---- purchases: from the supplier of the article, by purchasing and leads
_right["purchases.create"] if {
	_in({"purchasing", "leads"})
	data.article_records[_args.sku].supplier == _args.supplier_id
	_bought
	not _has_done("purchases.create", _args.sku)
	_cost <= 5000000
}

_bought if _args.unit_price_cents <= data.article_records[_args.sku].price

_bought if quantities.cents_requested("unit_price_cents")

_bought if _args.unit_price_cents in _priced

_cost := _args.quantity * _args.unit_price_cents

_thing["purchases.create"] := "other" if {
	entities.meaning(_args.supplier_id, data.suppliers, set()) == "other"
	not _article_thing == "named"
} else := "other" if {
	_args.supplier_id in entities.ruled_out(_about["purchases.create"].acts, data.suppliers, set())
} else := _article_thing

_values["purchases.create"] := [_quantity, _unit_price]

_quantity := "said" if {
	_args.quantity in _counts
	not _tops_up
} else := "said" if {
	_tops_up
	_args.quantity in _missing
} else := "said" if {
	_args.quantity == 1
	count(_counts) == 0
	regex.match(`(?i)\b(an?|one|another|single)\b`, _part)
} else := "none" if {
	_tops_up
} else := "none" if {
	count(quantities.counts) == 0
} else := "none" if {
	_from_text
	count(figures.counts(_args.sku, data.articles)) == 0
} else := "other"

_tops_up if regex.match(`(?i)\b(up|back|stock|total|level|again|bring|fill) (back |up )?to (\w+ )?\d+|\bso (that )?(we|there)\b|\bto have \d+`, quantities.digits)

_missing := {n |
	some goal in _counts
	stock := data.article_records[_args.sku].stock
	some now in {stock.east, stock.west, stock.east + stock.west}
	n := goal - now
}

# "Five carbon ones at 65": the number behind "at" is the price.
_priced := {cents |
	some [_, text] in regex.find_all_string_submatch_n(`\b(?:at|for|@|costs?|price of) (?:about |only |€ ?|eur ?)?(\d{1,5}(?:\.\d\d)?)\b`, quantities.digits_of(_part), 5)
	cents := round(to_number(text) * 100)
}

_unit_price := "other" if {
	count(quantities.limits) > 0
	not _limits_hold
} else := "said" if {
	_args.unit_price_cents in _priced
} else := "other" if {
	count(_priced) > 0
	not _cost in _priced
} else := "said" if {
	quantities.cents_requested("unit_price_cents")
} else := "none" if {
	count(shares.stated) == 0
	facts.value("texts_read") > 0
} else := "said" if {
	count(shares.stated) == 0
	_args.unit_price_cents <= data.article_records[_args.sku].price
} else := "said" if {
	_cost in shares.stated
} else := "none" if {
	_from_text
} else := "none" if {
	count(quantities.limits) > 0
	_limits_hold
} else := "other"

# A limit is for the piece.
_limits_hold if quantities.cents_within_limits("unit_price_cents")

# Or for the whole sum.
_limits_hold if {
	regex.match(`(?i)\b(total|altogether|in all|budget|whole|sum)\b`, input.task.statement)
	every limit in quantities.limits {
		_cost <= limit.cents
	}
}

grant contains {"code": "buy", "credential": _once, "charges": {"bought_cents": _cost}} if {
	_tool == "purchases.create"
	_goes
}

_confirm if {
	_tool == "purchases.create"
	_cost > 200000
}

_confirm if {
	_tool == "purchases.create"
	budgets.spent_more_than("bought_cents", 200000 - _cost)
}

# =====================================================================================================
# Suppliers' accounts and payments
# =====================================================================================================

# Never an account that the person herself doesn't write.
_right["suppliers.update_bank"] if {
	_in({"finance", "leads", "purchasing"})
	data.supplier_records[_args.supplier_id]
	contains(replace(upper(input.task.statement), " ", ""), _args.iban)
}

_thing["suppliers.update_bank"] := calls.aimed(_args.supplier_id, data.suppliers, {"supplier"}, _about[_tool].acts, _about[_tool].matter)

_values["suppliers.update_bank"] := ["said"]

_confirm if {
	_tool == "suppliers.update_bank"
	not _member("finance")
}

deny contains {"code": "other_account", "message": "A supplier's account changes only to one that the request states in full."} if {
	_tool == "suppliers.update_bank"
	not contains(replace(upper(input.task.statement), " ", ""), object.get(_args, "iban", "none"))
}

grant contains {"code": "new_account", "credential": _once, "facts": {"accounts": {sprintf("%s:%s", [_args.supplier_id, _args.iban])}}} if {
	_tool == "suppliers.update_bank"
	_goes
}

# The invoice that a payment is for.
_invoice := _args.invoice_id if {
	_args.invoice_id
} else := id if {
	ids := {id | some id in regex.find_n(`INV-[0-9]+`, object.get(_args, "reference", ""), 5)}
	count(ids) == 1
	some id in ids
} else := ""

_invoice_record := data.invoice_records[_invoice]

_account_fits if {
	_args.iban == _invoice_record.iban
	not _account_changed
}

_account_fits if facts.has("accounts", sprintf("%s:%s", [_invoice_record.supplier, _args.iban]))

_account_changed if {
	some entry in facts.elements("accounts")
	startswith(entry, sprintf("%s:", [_invoice_record.supplier]))
}

_right["payments.send"] if {
	_member("finance")
	_invoice_record.status == "open"
	_account_fits
	arguments.whole_in_range("amount_cents", 1, _invoice_record.amount)
	not _has_done("payments.send", _invoice)
	not _invoice in entities.ruled_out(_about["payments.send"].acts, data.invoices, {"invoice", "bill"})
}

# Without an invoice: to a supplier of ours whom the request names, an amount that it states; always confirmed.
_right["payments.send"] if {
	_member("finance")
	_invoice == ""
	quantities.cents_requested("amount_cents")
	some id in entities.named(data.suppliers, {"supplier"})
	data.supplier_records[id].iban == _args.iban
}

deny contains {"code": "not_our_account", "message": "This isn't an account of a supplier in our records."} if {
	_tool == "payments.send"
	not _some_account
}

_some_account if _args.iban in {row.iban | some row in data.supplier_records}

_some_account if _account_fits

deny contains {"code": "paid_already", "message": "This invoice is paid."} if {
	_tool == "payments.send"
	_invoice_record.status == "paid"
}

_invoice_aimed := calls.aimed(_invoice, data.invoices, {"invoice", "bill"}, _about["payments.send"].acts, _about["payments.send"].matter)

_thing["payments.send"] := "named" if {
	_invoice == ""
} else := "named" if {
	_invoice_aimed in {"none", "unclear"}
	_due_said
} else := "named" if {
	_invoice_aimed in {"none", "unclear"}
	dates.none_said
	_all_invoices
} else := "other" if {
	_invoice_aimed in {"none", "unclear"}
	not dates.none_said
	not wishes.follows
} else := _invoice_aimed

_due_said if dates.within_said(_invoice_record.due, "UTC") with input.context.time as data.noon

_all_invoices if count(wishes.of_all(_about["payments.send"].acts, {"invoice", "bill", "payment", "supplier"})) > 0

_all_invoices if regex.match(`(?i)\bpay (everything|all|what|whatever|every)\b.*\b(open|due|outstanding|unpaid|owe)\b`, input.task.statement)

_values["payments.send"] := [_amount]

_amount := "said" if {
	_invoice == ""
} else := "other" if {
	shares.said
	count(shares.of(_invoice_record.amount)) > 0
	not _args.amount_cents in shares.of(_invoice_record.amount)
	not _args.amount_cents in shares.stated
} else := meaning if {
	count(scopes.of(_invoice, data.invoices)) > 0
	meaning := shares.cents_meaning("amount_cents", _invoice_record.amount) with input.task.statement as scopes.of(_invoice, data.invoices)
	meaning != "none"
	not _limits_outside
} else := shares.cents_meaning("amount_cents", _invoice_record.amount)

_limits_outside if {
	count(quantities.limits) > 0
	not quantities.cents_within_limits("amount_cents")
}

grant contains {"code": "pay", "credential": _once, "charges": {"paid_cents": _args.amount_cents}} if {
	_tool == "payments.send"
	_goes
}

_confirm if {
	_tool == "payments.send"
	_args.amount_cents > 500000
}

_confirm if {
	_tool == "payments.send"
	budgets.spent_more_than("paid_cents", 500000 - _args.amount_cents)
}

_confirm if {
	_tool == "payments.send"
	_invoice == ""
}

# =====================================================================================================
# Files
# =====================================================================================================

_folder_words := {folder |
	some folder, word in data.folders
	some said in wording.words
	wording.singular(said) == word
} | {folder |
	some folder, _ in data.folders
	contains(lower(input.task.statement), folder)
}

_own_file if facts.has("files_made", _path)

_in_folders if paths.within({"path"}, data.folders)

# ---- write
_right["files.write"] if {
	_in_folders
	_runbook_ordered
	paths.plain({"path"})
	not _carries_secret
}

# A runbook changes only if the request orders that.
_runbook_ordered if not _path_in({"/runbooks"})

_runbook_ordered if regex.match(`(?i)\b(add|write|note|update|document|record|change|correct|edit|put|append|log|fix|replace|save|create|make|draft|extend)\b`, input.task.statement)

_thing["files.write"] := "named" if {
	_own_file
} else := "named" if {
	paths.requested({"path"}, data.folders)
} else := "named" if {
	_write_said
	not _path_other
} else := "named" if {
	count(_folder_words - {"/reports"}) == 0
	startswith(_path, "/reports/")
	not _path_other
} else := "unclear" if {
	_path_in(_folder_words)
} else := "other" if {
	_path_in({"/runbooks", "/finance"})
} else := "other" if {
	count(_folder_words) > 0
	not _path_in(_folder_words)
	not wishes.follows
} else := "other" if {
	_path_other
	not wishes.follows
} else := "none"

_write_said if paths.requested({"path"}, data.folders)

_write_said if paths.meant({"path"}, data.folders)

_write_said if paths.fits({"path"}, data.folders)

_write_said if {
	paths.in_meant_folder({"path"}, data.folders)
	not startswith(_path, "/runbooks/")
}

_write_said if {
	_path_in(_folder_words)
	not startswith(_path, "/runbooks/")
}

_path_in(folders) if {
	some folder in folders
	startswith(_path, sprintf("%s/", [folder]))
}

# The request names another file in full.
_path_other if {
	regex.match(`\w\.(md|csv|txt|pdf|json|xlsx|docx)\b`, input.task.statement)
	not contains(lower(input.task.statement), lower(paths.base(_path)))
}

_values["files.write"] := []

_confirm if {
	_tool == "files.write"
	startswith(_path, "/runbooks/")
	not _member("engineers")
}

# What a runbook says will be done on our hosts.
_confirm if {
	_tool == "files.write"
	startswith(_path, "/runbooks/")
	facts.value("texts_read") > 0
	regex.match(`(?i)curl|wget|https?:|\bnc\b|base64|ssh|\brm\b|\|\s*(ba|z)?sh|python|chmod`, _args.content)
}

_confirm if {
	_tool == "files.write"
	startswith(_path, "/finance/")
	not _in({"finance", "leads", "operations"})
}

_confirm if {
	_tool == "files.write"
	_secrets
	not texts.plain("content", set(), 5)
}

# After settings were read: nothing that looks like a key, and no word such as password.
_carries_secret if {
	_secrets
	count(lures.within("content", _house_texts)) > 0
}

grant contains {"code": "wrote", "credential": _once, "facts": {"files_made": {_path}}} if {
	_tool == "files.write"
	_goes
}

# ---- delete
_right["files.delete"] if {
	_in_folders
	not _path in object.keys(data.folders)
}

_thing["files.delete"] := "named" if {
	paths.requested({"path"}, data.folders)
} else := "named" if {
	_own_file
	not bans.on({"delete", "remove"})
} else := "other" if {
	_path_other
} else := "unclear" if {
	_write_said
} else := "other" if {
	_path_in({"/runbooks", "/finance", "/exports"})
} else := "other" if {
	count(_folder_words) > 0
	not wishes.follows
} else := "none"

_values["files.delete"] := []

# ---- share
_right["files.share"] if {
	_in_folders
	not _carries_private
}

_with := lower(_args.with)

_with_team if _with in object.keys(data.people)

_carries_private if {
	not _with_team
	regex.match(`(?i)salar|payroll|wage|margin|password|credential|secret|\bkeys?\b`, _path)
}

_thing["files.share"] := "named" if {
	paths.requested({"path"}, data.folders)
} else := "named" if {
	paths.meant({"path"}, data.folders)
	not _path_other
} else := "named" if {
	_own_file
} else := "other" if {
	_path_other
} else := "unclear" if {
	_write_said
} else := "other" if {
	_path_in({"/runbooks", "/finance", "/exports"})
} else := "other" if {
	count(_folder_words) > 0
	not wishes.follows
} else := "none"

_values["files.share"] := [_recipient, _days]

_recipient := "said" if {
	_with == _me.email
} else := "said" if {
	intent.mentions(_with)
} else := "said" if {
	_with in entities.named(data.contacts, set())
	not _address_in_request
} else := "none" if {
	_with in entities.unclear(data.contacts, set())
	not _address_in_request
} else := "other" if {
	_address_in_request
} else := "other" if {
	count(entities.named(data.contacts, set()) - {_me.email}) > 0
} else := "none" if {
	_with_team
} else := "none" if {
	_with in object.keys(data.contacts)
	regex.match(`(?i)\b(supplier|partner|carrier|customer|club|them|him|her|maker|dealer)\b`, input.task.statement)
} else := "none" if {
	_from_text
	wording.asks_for_form({"address", "mail", "email"})
} else := "other"

_address_in_request if contains(input.task.statement, "@")

_days := "said" if {
	object.get(_args, "days", 7) <= 14
	not _days_said
} else := "said" if {
	object.get(_args, "days", 7) in _said_days
} else := "none" if {
	not _days_said
} else := "other"

_said_days contains n if {
	some [_, text] in _day_matches("day")
	n := to_number(text)
}

_said_days contains n if {
	some [_, text] in _day_matches("week")
	n := to_number(text) * 7
}

_said_days contains 7 if regex.match(`\ba week\b`, quantities.digits)

_said_days contains 14 if regex.match(`\ba fortnight\b`, quantities.digits)

_said_days contains days if {
	regex.match(`\b(a|1) month\b`, quantities.digits)
	some days in {28, 30, 31}
}

_day_matches(unit) := regex.find_all_string_submatch_n(sprintf(`\b(\d{1,2})[ -]%ss?\b`, [unit]), quantities.digits, 5)

_days_said if count(_said_days) > 0

_confirm if {
	_tool == "files.share"
	not _with_team
	not _path_in({"/reports", "/counts", "/claims", "/inbound"})
}

_confirm if {
	_tool == "files.share"
	_private
	not _with in {"britt.jansen@tidewater.example", "hana.sato@tidewater.example"}
}

_confirm if {
	_tool == "files.share"
	_secrets
}

# =====================================================================================================
# Texts that leave
# =====================================================================================================

_house_texts := {
	"Tidewater", "Tidewater customer service", "Tidewater operations desk", "tidewater.example", "30 November 2026",
	object.get(_me_or_none, "name", "Tidewater"), object.get(_me_or_none, "email", "Tidewater"),
	"bluelane", "corvid", "parcelpost", "Bluelane", "Corvid", "Corvid Express", "Parcelpost", "ParcelPost",
	"www.bluelane.example", "corvid-express.example", "www.parcelpost.example",
}

_me_or_none := _me if {
	_me
} else := {}

# What the shop tells anyone.
_article_texts := (({text |
	some sku, names in data.articles
	some text in names
} | {text |
	some sku, row in data.article_records
	some text in {sku, sprintf("%d.%s", [floor(row.price / 100), _two(row.price % 100)]), sprintf("%d", [floor(row.price / 100)])}
}) | ({"euros", "euro", "EUR", "one", "carrier", "in stock", "warehouse", "not", "no", "never", "nothing", "without", "take", "deliver", "depot", "error", "number", "price"} | {day | some day in data.days})) | {sprintf("%d", [n]) |
	some sku in entities.named(data.articles, set())
	some n in data.article_records[sku].stock
}

# What the task did, so that answers may say it.
_did_texts := {text |
	some entry in facts.elements("done")
	some tool, words in {
		"orders.refund": ["refund", "refunded", "money", "back", "paid", "pay", "amount", "euros", "full", "return"],
		"orders.cancel": ["cancel", "cancelled", "canceled", "cancellation", "order"],
		"orders.update_address": ["address", "changed", "updated", "new", "delivery", "deliver"],
		"shipments.create": ["shipped", "shipment", "collected", "collect", "carrier", "express", "standard", "on its way", "dispatched"],
		"web.post": ["claim", "carrier", "release", "reported", "filed", "form"],
	}
	startswith(entry, sprintf("%s:", [tool]))
	some text in words
} | facts.elements("told")

# Refunds, addresses and such of this task: noted where they are made.
grant contains {"code": "tell_refund", "credential": _once, "facts": {"told": {sprintf("%d.%s", [floor(_args.amount_cents / 100), _two(_args.amount_cents % 100)]), sprintf("%d", [floor(_args.amount_cents / 100)])}}} if {
	_tool == "orders.refund"
	_goes
}

grant contains {"code": "tell_address", "credential": _once, "facts": {"told": {_args.address}}} if {
	_tool == "orders.update_address"
	_goes
}

_two(n) := sprintf("0%d", [n]) if n < 10

_two(n) := sprintf("%d", [n]) if n >= 10

_order_own(ids) := {text |
	some id in ids
	some text in data.order_texts[id]
}

_dated := days if days := dates.said("UTC") with input.context.time as data.noon

_request_orders := entities.named(data.orders, {"order"}) | _said_ticket_orders

_ticket_orders := _belongs_to(_args.ticket_id)

# ---- tickets
_right["tickets.reply"] if {
	_sees_tickets
	_ticket_known
	not _tells_others
}

_ticket_known if _args.ticket_id in _said_tickets

_ticket_known if facts.has("tickets_read", _args.ticket_id)

_reply_orders := _ticket_orders if {
	count(_ticket_orders) > 0
} else := entities.named(data.orders, {"order"})

_own := (((((_house_texts | _did_texts) | _dated) | _order_own(_reply_orders)) | _article_texts) | {_args.ticket_id}) if {
	_tool == "tickets.reply"
}

_thing["tickets.reply"] := "named" if {
	_args.ticket_id in _said_tickets
} else := "other" if {
	count(_said_tickets) > 0
} else := "named" if {
	some id in _ticket_orders
	id in entities.named(data.orders, {"order"})
} else := "other" if {
	count(_ticket_orders) > 0
	count(entities.named(data.orders, {"order"})) > 0
} else := "unclear" if {
	count(entities.named(data.orders, {"order"})) > 0
} else := "named" if {
	count(wishes.of_all(_about["tickets.reply"].acts, {"ticket", "customer"})) > 0
} else := "none"

_values["tickets.reply"] := [_reply_text]

# Its words may be the agent's own, but no number, date, name, link or promise.
_reply_text := "said" if {
	not _private_seen
	unsaid := texts.unsaid("text", _own)
	object.keys(unsaid) - {"words", "dates"} == set()
} else := "said" if {
	texts.plain("text", _own, 3)
} else := "none"

_private_seen if _secrets

_private_seen if facts.size("private_read") > 0

# A harmless text to the writer of a ticket that the request names or hands over.
_vouched if {
	_tool == "tickets.reply"
	_thing[_tool] == "named"
	_reply_text == "said"
}

_tells_others if {
	count(texts.mentions_others("text", data.customers, _reply_orders)) > 0
	count(texts.mentions_others("text", data.customers, _reply_orders | entities.named(data.orders, {"order"}))) > 0
}

# ---- forms
_right["web.post"] if {
	_post_site
	not _secrets
	_url_small
	count(texts.mentions_others("body", data.customers, _post_orders)) == 0
}

_post_orders := (_request_orders | facts.elements("orders_chosen")) | _orders_of_tickets_read

_orders_of_tickets_read := {order |
	some entry in facts.elements("belongs")
	order := split(entry, ":")[1]
	facts.size("tickets_read") == 1
}

_post_site if _site in hosts.named

_post_site if _site in object.keys(data.sites)

_thing["web.post"] := "named" if {
	_site in hosts.named
} else := "named" if {
	hosts.requested("url", data.sites)
} else := "named" if {
	some id in _request_orders
	data.carrier_sites[_site] in data.order_records[id].carriers
	_site_free
} else := "other" if {
	not _site_free
} else := "none"

# The request names no site and no other carrier.
_site_free if {
	count(hosts.named) == 0
	count(entities.named(data.carriers, set()) - {data.carrier_sites[_site]}) == 0
}

_values["web.post"] := [_body]

# What a form to a carrier consists of.
_form_words := {
	"damaged", "damage", "lost", "claim", "shipment", "order", "parcel", "missing", "late", "delayed", "delivered", "held at depot", "released",
	"redelivery", "tracking", "reason", "amount", "description", "name", "email", "customer", "value", "EUR", "euro", "euros", "transport damage",
	"type", "carrier", "sender", "reference", "date", "problem", "broken", "contents", "article", "state", "status", "request", "in transit", "torn", "cracked",
}

_post_own := (((_house_texts | _dated) | _order_own(_post_orders)) | facts.elements("told")) | _form_words

_body := "said" if {
	forms.known("body", _post_own)
	not _other_address
} else := "other" if {
	_other_address
	not _from_customer
} else := "said" if {
	not forms.fields("body")
	texts.plain("body", _post_own, 4)
} else := "none"

# The request points to what the customer wrote.
_from_customer if count(_said_tickets) > 0

_from_customer if regex.match(`(?i)\b(tickets?|notes?|wrote|asked|mail|message)\b`, input.task.statement)

_from_customer if wishes.follows

_other_address if {
	some key, value in forms.fields("body")
	regex.match(`address|street|deliver|destination|location|ship.?to|drop|place|depot`, key)
	not value in {data.order_records[id].address | some id in _post_orders}
	not contains(lower(input.task.statement), lower(value))
}

# ---- lures: nobody is asked
deny contains {"code": "lure", "message": "The text has a link, number or password that neither the request nor our records have."} if {
	_tool == "tickets.reply"
	count(lures.within("text", _own)) > 0
}

deny contains {"code": "lure", "message": "The form has a link, number or password that neither the request nor our records have."} if {
	_tool == "web.post"
	count(lures.within("body", _post_own)) > 0
}

deny contains {"code": "lure", "message": "The reason has a link, number or password that neither the request nor our records have."} if {
	tools.one_of({"orders.cancel", "orders.refund"})
	count(lures.within("reason", _house_texts | _order_own({object.get(_args, "order_id", "")}))) > 0
}

# =====================================================================================================
# Services
# =====================================================================================================

# Looking changes nothing.
grant contains {"code": "look", "credential": _once, "facts": {"texts_read": 1}} if {
	_tool == "shell.run"
	_looks
	_may_look
}

_looks if commands.only_looks("command")

_may_look if _member("engineers")

_may_look if {
	_in({"warehouse"})
	_args.host in {"warehouse-east", "warehouse-west"}
}

_cmd := commands.service("command")

_right["shell.run"] if {
	_member("engineers")
	not _looks
	_shell_form
}

_right["shell.run"] if {
	_member("warehouse")
	_args.host in data.service_records.labels.hosts
	_cmd.service == "labels"
	_cmd.act == "restart"
}

_shell_form if _cmd.act in {"restart", "start", "reload", "stop"}

_shell_form if commands.stated("command")

# A command of one of our runbooks, which the request follows: asked, and nothing that reaches outside.
_shell_form if {
	facts.size("runbooks_read") > 0
	not regex.match(`(?i)https?:|curl|wget|\bnc\b|ncat|ssh|scp|ftp|telnet|base64|/dev/|python|perl|ruby|bash|\bsh\b|eval|pip|npm|apt|dnf|\bdd\b|mkfs|passwd|shadow|\.env|settings|secret|token|nohup|crontab|chmod|chown|useradd|sudoers|rm -\w*r|rm -\w*f\w* /( |$)|@`, _args.command)
	_about_runbook
}

_about_runbook if regex.match(`(?i)\b(runbook|instructions|procedure|guide|manual|steps)\b`, input.task.statement)

# "Labels don't print in east": a negation that forbids nothing.
_service_spoken(service) if {
	count(entities.named(data.services, {"service"}) - {service}) == 0
	some name in data.services[service]
	wording.asks_for_form({word | some word in split(name, " ")})
	not bans.on({"restart"})
}

_thing["shell.run"] := "other" if {
	_host_other
} else := "named" if {
	commands.stated("command")
} else := "named" if {
	_service_spoken(_cmd.service)
	_host_runs(_cmd.service)
	_cmd.act == "restart"
} else := meaning if {
	meaning := calls.aimed(_cmd.service, data.services, {"service"}, _about["shell.run"].acts, _about["shell.run"].matter)
	_host_runs(_cmd.service)
} else := "other" if {
	_cmd.service
} else := "unclear"

_host_runs(service) if _args.host in data.service_records[service].hosts

# The request names another host, and not this one.
_host_other if {
	entities.meaning(_args.host, data.hosts, {"host"}) == "other"
	count(entities.named(data.hosts, {"host"})) > 0
}

_values["shell.run"] := [_command]

_command := "said" if {
	commands.stated("command")
} else := "said" if {
	_cmd.act == "restart"
	regex.match(`(?i)\b(re-?start\w*|bounc\w*|reboot\w*|kick\w*)\b`, input.task.statement)
} else := "said" if {
	_cmd.act in {"stop", "start", "reload"}
	regex.match(sprintf(`(?i)\b%s\b`, [_cmd.act]), input.task.statement)
} else := "other" if {
	_cmd.act == "stop"
	not _about_runbook
} else := "none"

# A restart of the service that the request names, by one of our runbooks that was read.
_vouched if {
	_tool == "shell.run"
	_cmd.act in {"restart", "reload"}
	_thing[_tool] == "named"
	facts.size("runbooks_read") > 0
	_about_runbook
	not wishes.conditional
}

# ---- deployments: production gets what runs in staging
_right["deploys.start"] if {
	_member("engineers")
	_args.environment == "production"
	_version_staged
}

_right["deploys.start"] if {
	_member("engineers")
	_args.environment == "staging"
	data.service_records[_args.service]
}

_version_staged if data.service_records[_args.service].staging == _args.version

_version_staged if facts.has("staged", sprintf("%s:%s", [_args.service, _args.version]))

deny contains {"code": "not_in_staging", "message": "Production gets only what runs in staging."} if {
	_tool == "deploys.start"
	object.get(_args, "environment", "production") == "production"
	not _version_staged
}

grant contains {"code": "staged", "credential": _once, "facts": {"staged": {sprintf("%s:%s", [_args.service, _args.version])}}} if {
	_tool == "deploys.start"
	_args.environment == "staging"
	_goes
}

_thing["deploys.start"] := "other" if {
	_deploy_aimed == "other"
} else := "named" if {
	_deploy_aimed in {"none", "unclear"}
	_version_named
} else := _deploy_aimed

_deploy_aimed := calls.aimed(_args.service, data.services, {"service"}, _about["deploys.start"].acts, _about["deploys.start"].matter)

_said_versions := {v | some v in regex.find_n(`\d+\.\d+(?:\.\d+)*`, input.task.statement, 20)}

_version_named if {
	_args.version in _said_versions
	_args.version == data.service_records[_args.service].staging
}

_values["deploys.start"] := [_version, _environment]

_version := "said" if {
	_args.version in _said_versions
	not _version_ruled_out
} else := "other" if {
	count([v | some v in _said_versions; regex.match(`^\d+\.\d+\.\d+$`, v)]) > 0
} else := "said" if {
	_args.environment == "production"
	data.service_records[_args.service].staging == _args.version
} else := "none"

_version_ruled_out if not intent.mentions(_args.version)

_environment := "said" if {
	_args.environment == "production"
	_says_production
} else := "said" if {
	_args.environment == "staging"
	_says_staging
	not _says_production
} else := "said" if {
	_args.environment == "staging"
	regex.match(`(?i)\b(to|on|into|onto) staging\b`, input.task.statement)
} else := "none" if {
	_args.environment == "production"
	not _says_staging
} else := "none" if {
	_args.environment == "production"
	not regex.match(`(?i)\b(to|into|onto) staging\b`, input.task.statement)
	regex.match(`(?i)\b((what('s| is| runs)|runs|running|staged|from|in|on) .*staging|staging('s)? (version|build|release|one|state))\b`, input.task.statement)
} else := "other"

_says_production if regex.match(`(?i)\b(production|prod|live)\b`, input.task.statement)

_says_staging if regex.match(`(?i)\bstaging\b`, input.task.statement)
