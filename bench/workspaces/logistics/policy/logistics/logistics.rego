# METADATA
# title: The operations desk of Tidewater
# description: |
#   What the person's request says is allowed, what it leaves open is asked, what no request of hers can mean is denied.
#   As long as the task has read no text of others, no stranger can have caused a call: then nothing is denied for its words.
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
import data.tabard.lib.labels
import data.tabard.lib.levels
import data.tabard.lib.lures
import data.tabard.lib.messages
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

_once := credentials.once(_backend, ["desk"], 60)

_zone := "UTC"

# What one request may pay or buy, and what one order may get back, without a question.
_limit_cents := {"payments.send": 500000, "purchases.create": 200000}

_refund_cents := 20000

# Values that a branch of a condition may say.
_in_branches := {"amount", "carrier", "days", "delta", "environment", "now", "price", "quantity", "service", "version", "warehouse"}

_reason := "Your request leaves open what, how much, to whom or which words, or it is above a limit. Read each value."

start contains {"code": "desk", "limits": {
	"tools": [
		"deploys.*", "files.*", "invoices.*", "logs.*", "orders.*", "payments.*", "prices.*", "purchases.*",
		"settings.*", "shell.*", "shipments.*", "stock.*", "suppliers.*", "tickets.*", "web.*",
	],
	"audiences": [_backend],
	"scopes": ["desk"],
	"budgets": {"questions": 30},
	"ttl_seconds": 1800,
}} if {
	intent.trusted
}

# ---------------------------------------------------------------- 1. The same rules for all tools
_tool := input.tool.name

_a := input.tool.arguments

_it := _about[_tool] if not _looks

grant contains {"code": "said", "credential": _once, "notes": ["made"], "facts": {
	"done": _done,
	"accounts": _accounts,
	"staged": _staged,
	"told": _told,
	"written": {_a.path | _tool == "files.write"},
	"spent_cents": _cents + 0,
}} if {
	_goes == "said"
	_tool != "shell.run"
}

grant contains {"code": "said", "credential": _once, "labels": ["untrusted"], "notes": ["inside"], "facts": {
	"done": _done,
	"texts_read": 1,
	"remembered": _remembered,
}} if {
	_goes == "said"
	_tool == "shell.run"
}

grant contains {"code": "open", "credential": _once, "notes": ["made"], "charges": {"questions": 1}, "facts": {
	"done": _done,
	"accounts": _accounts,
	"staged": _staged,
	"told": _told,
	"written": {_a.path | _tool == "files.write"},
	"spent_cents": _cents + 0,
	"confirmed": {sprintf("%s:%v", [_tool, _id]) | wishes.conditional},
}} if {
	_goes == "open"
	_tool != "shell.run"
	budgets.remaining_at_least("questions", 1)
}

grant contains {
	"code": "open", "credential": _once, "labels": ["untrusted"], "notes": ["inside"],
	"charges": {"questions": 1},
	"facts": {
		"done": _done,
		"texts_read": 1,
		"remembered": _remembered,
		"confirmed": {sprintf("%s:%v", [_tool, _id]) | wishes.conditional},
	},
} if {
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

_lacking := [sprintf("%s %s", [name, meaning]) |
	some name, meaning in object.union({"thing": _thing, "act": _act, "condition": _condition}, _answers)
	not meaning in {"named", "said"}
]

_answers := {name: _of_a_branch(name, meaning) | some name, meaning in _values[_tool]} if _values[_tool]

_of_a_branch(name, meaning) := "none" if {
	meaning == "other"
	name in _in_branches
	wishes.conditional
} else := meaning

_act := "only reads" if {
	_only_reads
} else := "forbidden" if {
	bans.on(_it.acts)
	not _ordered_otherwise
} else := "said" if {
	count(calls.ordered(_it.acts, _it.matter)) > 0
} else := "none"

# "Where the account differs, don't pay; pay the others."
_ordered_otherwise if {
	_tool == "payments.send"
	count(clauses.ordered(_it.acts)) > 0
	regex.match(`\b(?:others?|rest|where|if)\b`, lower(input.task.statement))
}

_only_reads if {
	wishes.only_reads
	not _orders_all_the_same
}

# "Could Bluelane bring it to 3 Shore Street?"
_orders_all_the_same if {
	regex.match(`(?:^|[.!:;,] )(?:please,? )?(?:can|could|would|will) (?:you |we |they |someone |somebody |bluelane |corvid |parcelpost |it |he |she |his |her |their |the |that |this |all |everything )`, lower(input.task.statement))
	not regex.match(`(?:^|[.!?] )(?:what|why|where|when|which|who|how|is|are|has|did|does|do|was|were|tell me|show me)\b`, lower(input.task.statement))
	not regex.match(`\b(?:can|could|would|will) (?:you |we )(?:tell|show|say|explain|check|look|find|see|read|list|sum)\b`, lower(input.task.statement))
}

# "What runs in staging can go live", "write me a list into /reports/low.md" are orders.
_orders_all_the_same if {
	not contains(input.task.statement, "?")
	regex.match(`^(?:what|which|whatever|whichever|whoever|who)\b[^.]*\b(?:can|should|may|must|has to|have to|needs? to|is to|goes|gets?)\b`, lower(input.task.statement))
}

_orders_all_the_same if {
	_tool == "files.write"
	regex.match(`\b(?:into|to|in|as|under|on)\b[^.]*(?:/[a-z]+|folder|drive|file|report)`, lower(input.task.statement))
	regex.match(`\b(?:write|make|put|save|note|draft|list|create|prepare|compile|summarise|summarize|collect|export|leave|need|want|get|give|report|document|record)\b`, lower(input.task.statement))
}

_condition := "said" if {
	conditions.all_match(object.get(_it, "held", "^$"))
} else := "open"

# "Don't change anything else" forbids nothing that the request orders, "don't go above 45" is a limit.
_goes := decided if {
	_reworded != input.task.statement
	decided := _decided with input.task.statement as _reworded
} else := _decided

_reworded := regex.replace(
	regex.replace(
		regex.replace(input.task.statement, `\b(\d{1,3}),(\d{3})\b`, "$1$2"),
		`(?i)[,;.]?\s*(?:and |but )?(?:please )?(?:don't|do not|never) (?:change|touch|do|pay|send|move|order|write|delete|cancel|refund|close) (?:anything|anyone|nothing) else(?: yet)?`,
		"",
	),
	`(?i)\b(?:don't|do not) (?:go|pay|spend) (?:above|over|more than|beyond)\b`,
	"at most",
)

_decided := "never" if {
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
	_stated_refund
	not _above
} else := "said" if {
	_own_reading
	not _above
} else := "said" if {
	_quoted_command
} else := "said" if {
	_written_as_said
	not _above
} else := "open" if {
	_may_be_meant
} else := "no" if {
	_it
}

_says := calls.meaning(object.union(_it, {
	"thing": _thing,
	"values": _answers,
	"confirmed": _confirmed,
}))

_may_be_meant if {
	_it
	_clean
	intent.trusted
	not _act in {"forbidden", "only reads"}
}

_may_be_meant if {
	_says == "open"
	count(_words) > 0
	_speaks
}

_may_be_meant if {
	_says == "open"
	_it.handed
	_hands_over
	_speaks_of_it
}

# A text that the request follows may want only what the request is about: no ticket wants prices.
_speaks_of_it if {
	_it.of_order
	_of_orders
}

_speaks_of_it if _tool in {"tickets.reply", "web.post"}

_speaks_of_it if {
	not _it.speak
	not _it.of_order
}

_speaks_of_it if {
	not _it.of_order
	regex.match(_it.speak, lower(input.task.statement))
}

_of_orders if count(_named_orders) > 0

_of_orders if count(entities.unclear(data.logistics.orders, {"order"})) > 0

_of_orders if regex.match(
	`\b(?:the|her|his|their|this|that|which|all|both|every|each|open|packed|'s) orders?\b|\border o|\b(?:tickets?|t-[0-9]+|o-[0-9]+|customers?|parcels?|packed|shipments?|s-[0-9]+|club|refunds?|he|she|his|her|him|packages?|claims?)\b`,
	lower(input.task.statement),
)

_may_be_meant if {
	_orderable
	not _another_act
	_speaks
}

# After a text of others money and the like want a word of it.
_speaks if not _it.speak

_speaks if {
	_tool in {"prices.set", "stock.adjust"}
	_thing == "named"
}

_speaks if {
	regex.match(_it.speak, lower(input.task.statement))
	_orders_if_any
}

_orders_if_any if {
	_it.directory != data.logistics.orders
	not _it.directory == data.logistics.articles
}

_orders_if_any if {
	_it.directory == data.logistics.articles
	_thing != "none"
}

_orders_if_any if {
	_it.directory == data.logistics.articles
	_hands_over
}

_orders_if_any if {
	_it.directory == data.logistics.articles
	count(wishes.of_all(_it.acts, _it.all)) > 0
}

_orders_if_any if {
	_it.directory == data.logistics.articles
	regex.match(`/(?:counts|inbound|reports|exports)\b|\b(?:list|note|sheet|file|count|page|differences?)\b`, lower(input.task.statement))
}

_orders_if_any if _it.kind == "message"

_orders_if_any if _tool == "web.post"

_orders_if_any if _of_orders

_orders_if_any if not _it.directory

_speaks if {
	_it.handed
	_hands_over
	_speaks_of_it
}

_words := {"a form" | wording.asks_for_form(_it.acts)} | wishes.stated(_it.acts, _it.matter)

_orderable if {
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing == "named"
	every value in _answers {
		value in {"none", "said"}
	}
}

_another_act if {
	some tool, about in _about
	tool != _tool
	about.id == _it.id
	count(about.matter & _it.matter) > 0
	count(calls.ordered(about.acts - _it.acts, about.matter)) > 0
}

_own_choice if {
	_clean
	_it.undoable
	_tool != "orders.update_address"
	_orderable
	not _another_act
	not _only_told
}

# As long as no stranger's text was read, the things of our own lists and files are the agent's reading, too.
_own_choice if {
	_clean
	_it.undoable
	_it.handed
	_hands_over
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_thing in {"named", "none", "unclear"}
	every value in _answers {
		value in {"none", "said"}
	}
	not _another_act
}

# The request names the thing and says each value, in whatever words.
_own_reading if {
	_clean
	not _tool in {"payments.send", "suppliers.update_bank", "tickets.reply"}
	_orderable
	every value in _answers {
		value == "said"
	}
	_condition_own
	not _another_act
	not _only_told
}

# Of several, the part about this one speaks of money: "Sofia gets her refund, Nina an apology".
_own_money if count(_named_orders) < 2

_own_money if {
	_several_orders
	regex.match(`\b(?:refund\w*|money|back|reimburs\w*|repa\w+|full)\b|[0-9]`, quantities.digits_of(regex.replace(lower(_own_part), `\b[a-z]+-[0-9]+`, " ")))
}

# "Refund Sofia and Emil."
_own_money if {
	_several_orders
	every word in regex.find_n(`[\pL]{2,}`, lower(_own_part), -1) {
		_says_nothing(word)
	}
}

_says_nothing(word) if word in {"and", "also", "as", "both", "for", "from", "his", "her", "order", "orders", "parcel", "please", "the", "ticket", "to", "too", "well", "with"}

_says_nothing(word) if contains(lower(concat(" ", data.logistics.record[_id])), word)

# "Full refund for Sofia", "29.90 to her": the amount is said, and our records bound it.
_stated_refund if {
	_tool == "orders.refund"
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_condition == "said"
	_thing == "named"
	_answers.amount == "said"
	_answers.reason == "said"
	_own_money
	some text in wishes.stated(_it.acts, _it.matter)
	regex.match(`\b(?:refund\w*|money|back|reimburs\w*|repa\w+)\b`, text)
	every order in _named_orders {
		_id in data.logistics.customer_orders[order]
	}
	count(_named_orders) > 0
	not _another_act
}

# What the agent finds in our own records, nobody outside has written.
_condition_own if _condition == "said"

_condition_own if _tool in {"deploys.start", "files.write", "orders.update_address", "prices.set", "shell.run", "shipments.create", "stock.adjust"}

_stated_refund if {
	_tool == "orders.refund"
	intent.trusted
	not _act in {"forbidden", "only reads"}
	_condition == "said"
	_thing == "named"
	_answers.amount == "said"
	_answers.reason == "said"
	_own_money
	count(_named_orders) > 0
	every order in _named_orders {
		_id in data.logistics.customer_orders[order]
	}
	some sentence in regex.split(`[.;!?]\s+`, lower(input.task.statement))
	regex.match(`(?:\d|\bhalf|\bpercent|%|\bfull|\ball|\bmoney)[^.]*\bback\b|\b(?:full|partial) refund\b`, sentence)
	not regex.match(`\b(?:asks?|asked|wants?|wanted|claims?|demands?|would|if|whether|wait|later|not|no|yet|why|when|how|was|were|been|already|got|had|paid|received|sent|unless|think|could|might|says?)\b|n't\b`, sentence)
	not regex.match(`\b(?:no|not|don't|never)\b[^.]*\b(?:refund|back|money)`, lower(input.task.statement))
}

_quoted_command if {
	_tool == "shell.run"
	intent.trusted
	commands.stated("command")
	_thing == "named"
	_condition == "said"
	not _act in {"forbidden", "only reads"}
}

# "Book 36 in, and write a note to /claims about the rest."
_written_as_said if {
	_tool == "files.write"
	_orderable
	every value in _answers {
		value == "said"
	}
	regex.match(`\b(?:write|note|list|put|save|report|summary|summari[sz]e|draft|record|document|file|make|keep|leave|create|overview|export|table|log|into|update|add|handover)\b`, lower(input.task.statement))
}

_only_told if {
	_act == "none"
	count(clauses.ordered(_tell)) > 0
}

default _confirmed := false

_confirmed if facts.has("confirmed", sprintf("%s:%v", [_tool, _id]))

# ---- which thing
_id := _invoice_id if {
	_tool == "payments.send"
} else := _posted if {
	_tool == "web.post"
} else := _a[_it.id]

_thing := _ticket_thing if {
	_tool == "tickets.reply"
} else := _post_thing if {
	_tool == "web.post"
} else := "unclear" if {
	_aimed == "named"
	_held_back
} else := "named" if {
	_aimed in {"none", "unclear"}
	_vouched
} else := "other" if {
	_aimed == "none"
	_foreign
} else := "named" if {
	_aimed in {"none", "unclear"}
	_follows[_tool]
} else := "named" if {
	_aimed in {"none", "unclear"}
	count(wishes.of_all(_it.acts, _it.all)) > 0
	_all[_tool]
	not _id in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "named" if {
	# "Labels don't come out in west": a negation that rules out nothing.
	_tool == "shell.run"
	_aimed == "other"
	_host_word
	_follows["shell.run"]
} else := "named" if {
	# "Both packed orders can leave", "everything that's packed".
	_tool == "shipments.create"
	_order.status == "packed"
	regex.match(`\b(?:both|all|every|everything|two|whatever|anything|the|each|what(?:'s| is))\b[^.]*\bpacked\b`, lower(input.task.statement))
	not _id in entities.ruled_out(_it.acts, _it.directory, _it.kinds)
} else := "named" if {
	# "Kayaks 5 % cheaper": all that we have of the kind.
	_tool == "prices.set"
	_aimed in {"none", "unclear"}
	_all_of_kind
} else := "other" if {
	_aimed in {"none", "unclear"}
	count(wishes.of_all(_it.acts, _it.all)) > 0
	_tool in {"deploys.start", "payments.send", "shipments.create"}
} else := "unclear" if {
	_aimed == "none"
	count(wishes.of_all(_it.acts, _it.all)) > 0
} else := _aimed

# "Heron's isn't fine: leave it. Pay the fine ones."
_held_back if {
	_it.directory in [data.logistics.orders, data.logistics.invoices]
	count(entities.named(_it.directory, _it.kinds)) > 1
	some sentence in regex.split(`[.;!?]\s+`, lower(input.task.statement))
	regex.match(`\b(?:isn't|aren't|not|don't|hold|holds|waits?|wrong|disputed?|later|leave|skip|untouched)\b`, sentence)
	not regex.match(`(?:^|, |and |please |so |then )(?:pay|settle|clear|transfer|wire|release|refund|cancel|give|send|ship|change|move|put|take)\b|\bif\b|\bunless\b`, sentence)
	_id in entities.within({sentence}, _it.directory, _it.kinds)
}

_held_back if {
	_it.directory in [data.logistics.orders, data.logistics.invoices]
	count(entities.named(_it.directory, _it.kinds)) > 1
	some sentence in regex.split(`[.;!?]\s+`, lower(input.task.statement))
	regex.match(`\b(?:isn't|aren't|hold|holds|waits?|wrong|disputed?|leave|skip|untouched)\b`, sentence)
	some id, names in _it.directory
	id == _id
	some name in names
	regex.match(sprintf(`^(?:but |only )?(?:the )?%s\b`, [regex.replace(lower(name), `[^a-z0-9 ]`, ".")]), sentence)
	not regex.match(`(?:, |and |please |so |then )(?:pay|settle|clear|transfer|wire|release|refund|cancel|give|send|ship|change|move|put|take)\b|\bif\b|\bunless\b`, sentence)
}

_aimed := _path if {
	_it.id == "path"
} else := calls.aimed(_id, _it.directory, _it.kinds, _it.acts, _it.matter)

# "Do what T-302 asks": the backend signed whose ticket it is, and the order is that customer's.
_vouched if {
	_it.of_order
	_hands_over
	_id in _owners
}

_owners := {order |
	some ticket in _followed
	some order in _belonging(ticket)
}

# Tickets were read, and the order is of none of those who wrote them.
_foreign if {
	_it.of_order
	_hands_over
	count(_said_tickets) + count(_named_orders) == 0
	facts.size("tickets_read") > 0
	every ticket in facts.elements("tickets_read") {
		count(_belonging(ticket)) > 0
		not _id in _belonging(ticket)
	}
}

_foreign if {
	_it.of_order
	_hands_over
	count(_owners) > 0
	every ticket in _followed {
		count(_belonging(ticket)) > 0
	}
	not _id in _owners
}

_hands_over if wishes.follows

_hands_over if wording.hands_over

_said_tickets := entities.ids("T", {"ticket"})

_followed := _said_tickets if {
	count(_said_tickets) > 0
} else := {ticket |
	some ticket in facts.elements("tickets_read")
	count(_belonging(ticket) & _named_orders) > 0
} if {
	count(_named_orders) > 0
} else := facts.elements("tickets_read") if {
	facts.size("tickets_read") == 1
} else := set()

_named_orders := entities.named(data.logistics.orders, {"order"})

_belonging(id) := {parts[1] |
	some pair in facts.elements("belongs")
	parts := split(pair, ":")
	parts[0] == id
}

# ---- what the call leaves behind
_done contains sprintf("%s:%v", [_tool, _key])

_key := sprintf("%s:%s", [_a.sku, _a.warehouse]) if {
	_tool == "stock.adjust"
} else := sprintf("%s:%s", [_a.service, _a.environment]) if {
	_tool == "deploys.start"
} else := sprintf("%s:%s", [_a.path, _a["with"]]) if {
	_tool == "files.share"
} else := _id

_accounts := {sprintf("%s:%s", [_a.supplier_id, _a.iban]) | _tool == "suppliers.update_bank"}

# What a message may speak of afterwards.
_told contains sprintf("%s|%s", [_id, _a.address]) if _tool == "orders.update_address"

_told contains sprintf("%s|%d.%02d euros", [_id, floor(_a.amount_cents / 100), _a.amount_cents % 100]) if _tool == "orders.refund"

_told contains sprintf("%s|%s %s", [_id, _a.carrier, object.get(_a, "service", "standard")]) if _tool == "shipments.create"

_staged := {sprintf("%s:%s", [_a.service, _a.version]) | _tool == "deploys.start"; _a.environment == "staging"}

default _cents := 0

_cents := _a.amount_cents if {
	_tool == "payments.send"
} else := _a.quantity * _a.unit_price_cents if {
	_tool == "purchases.create"
}

_above if {
	not _it.undoable
	not _it.kind == "message"
	not _tool in {"files.write", "shell.run", "web.post"}
	regex.match(_later, lower(input.task.statement))
}

_above if {
	not _it.kind == "message"
	regex.match(
		`\b(?:once|as soon as) (?:[^\s,.;]+ ){1,5}?(?:has|have|is|are|agrees?|comes?|confirms?|knows?|says?)\b`,
		lower(input.task.statement),
	)
}

_later := concat("", [
	`\b(?:once|as soon as|after|until|till) (?:[^\s,.;]+ ){1,5}?`,
	`(?:has|have|is|are|was|were|comes?|came|confirms?|agrees?|\pL{3,}ed)\b`,
])

_above if {
	not _clean
	_tool != "shell.run"
	some one in _done
	facts.has("done", one)
}

# "Heron pays its invoice on Friday" orders no payment.
_above if {
	_cents > 0
	count(wishes.deeds(_it.acts)) == 0
	count(wishes.of_all(_it.acts, object.get(_it, "all", set()))) == 0
	not _plain_order
}

# "40 of the ten-metre ones from Drystone at 6.50 each" orders goods without a verb.
_plain_order if {
	_tool == "purchases.create"
	some sentence in regex.split(`[.;!] +|, please`, lower(input.task.statement))
	plans.bare(sentence, {"buy", "order"})
}

_plain_order if {
	_tool == "purchases.create"
	count(calls.ordered(_it.acts, _it.matter)) > 0
}

_above if {
	_limit := _limit_cents[_tool]
	facts.value("spent_cents") + _cents > _limit
}

_above if {
	_tool == "orders.refund"
	_a.amount_cents > _refund_cents
}

_above if {
	_tool == "prices.set"
	abs(_a.price_cents - _article.cents) * 5 > _article.cents
}

_fresh if not facts.has("done", sprintf("%s:%v", [_tool, _key]))

_in_group(names) if {
	some name in names
	subject.has_claim("groups", name)
}

# ---------------------------------------------------------------- 2. Reading
# What our systems say themselves.
grant contains {"code": "look", "credential": _once} if {
	_tool == "stock.get"
}

grant contains {"code": "look", "credential": _once} if {
	_tool in {"suppliers.search", "invoices.list"}
	not _service_only
}

# Customer service doesn't need accounts and invoices, finance doesn't need tickets.
_service_only if {
	subject.has_claim("groups", "service")
	not _in_group({"leads", "operations", "finance", "purchasing"})
}

_finance_only if {
	subject.has_claim("groups", "finance")
	not _in_group({"leads", "operations", "service"})
}

deny contains {"code": "role", "message": "Customer service doesn't need accounts and invoices."} if {
	_tool in {"suppliers.search", "invoices.list", "invoices.read"}
	_service_only
}

deny contains {"code": "role", "message": "Finance doesn't need tickets."} if {
	_tool in {"tickets.list", "tickets.read", "tickets.reply"}
	_finance_only
}

# Each read of a text counts; the backend signs `inside` if people outside wrote nothing of it.
grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {"texts_read": 1, "remembered": _remembered, "strays": _strays},
} if {
	_tool in {"orders.search", "orders.get", "shipments.track", "tickets.list", "files.list"}
}

grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {"texts_read": 1, "remembered": _remembered, "strays": _strays},
} if {
	_tool == "invoices.read"
	not _service_only
}

grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["belongs", "inside"],
	"facts": {"texts_read": 1, "remembered": _remembered, "tickets_read": {_a.ticket_id}},
} if {
	_tool == "tickets.read"
}

grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {
		"texts_read": 1,
		"remembered": _remembered,
		"files": {_a.path},
		"runbooks": {_a.path | paths.within({"path"}, {"/runbooks"})},
		"strays": _strays,
	},
} if {
	_tool == "files.read"
}

grant contains {
	"code": "read",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {"texts_read": 1, "remembered": _remembered},
} if {
	_tool == "logs.read"
}

grant contains {
	"code": "look",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {"texts_read": 1, "remembered": _remembered},
} if {
	_tool == "shell.run"
	_looks
}

# A look at a host changes nothing.
_looks if {
	_tool == "shell.run"
	subject.has_claim("groups", "engineers")
	commands.only_looks("command")
}

_looks if {
	_tool == "shell.run"
	subject.has_claim("groups", "warehouse")
	_a.host in data.logistics.service.labels.hosts
	commands.only_looks("command")
}

# A page: its address can carry data out. As long as no stranger's text was read, the agent chose it.
grant contains {
	"code": "page",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"facts": {"texts_read": 1, "remembered": _remembered},
} if {
	_tool == "web.fetch"
	_page == "said"
}

grant contains {
	"code": "page_asked",
	"credential": _once,
	"labels": ["untrusted"],
	"notes": ["inside"],
	"charges": {"questions": 1},
	"facts": {"texts_read": 1, "remembered": _remembered},
} if {
	_tool == "web.fetch"
	_page == "open"
	budgets.remaining_at_least("questions", 1)
}

ask contains {
	"code": "page",
	"approvers": ["requester"],
	"reason": "Your request doesn't name this web address. It may carry data out.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_tool == "web.fetch"
	_page == "open"
}

deny contains {"code": "page", "message": "The request doesn't name this web address."} if {
	_tool == "web.fetch"
	not _page in {"open", "said"}
}

default _page := "no"

_page := "said" if {
	_tool == "web.fetch"
	_clean
	facts.value("secrets_read") == 0
} else := "said" if {
	_tool == "web.fetch"
	_url_said
} else := "said" if {
	# A plain address on a site that the request names, or on one of ours and our partners'.
	_tool == "web.fetch"
	facts.value("secrets_read") == 0
	hosts.requested_or_trusted("url", data.logistics.carrier_sites, object.keys(data.logistics.own_sites))
	_plain_url
} else := "open" if {
	_tool == "web.fetch"
	facts.value("secrets_read") == 0
	not wishes.only_reads
	_pages_meant
	_harmless_url
} else := "open" if {
	_tool == "web.fetch"
	facts.value("secrets_read") == 0
	_harmless_url
	regex.match(`\b(?:page|site|website|web ?shop|web|online|link|url|compare|compares|comparison|charges?|competitors?|elsewhere)\b`, lower(input.task.statement))
}

_pages_meant if _hands_over

_pages_meant if wishes.follows

_url_said if intent.mentions(_a.url)

_url_said if intent.mentions(trim_right(regex.replace(_a.url, `^https?://(?:www\.)?`, ""), "/"))

_harmless_url if {
	regex.match(`^https?://[a-z0-9.-]{4,60}(?:/[A-Za-z0-9._-]{0,40}){0,5}/?$`, _a.url)
	not _url_leaks
}

# Names, mails and accounts of our records have no place in an address.
_url_leaks if count(texts.mentions("url", data.logistics.record)) > 0

_plain_url if {
	regex.match(`^https?://[a-z0-9.-]+(?:/[a-z0-9._-]{0,30}){0,4}/?$`, lower(_a.url))
}

_plain_url if {
	regex.match(`^https?://[a-z0-9.-]+(?:/[a-z0-9._-]{0,30}){0,4}/?\?[a-z_]{1,20}=s-?[0-9]{3,6}$`, lower(_a.url))
}

# Passwords and keys: engineers, and leads; after a text of others only if the request speaks of settings.
grant contains {"code": "settings", "credential": _once, "labels": ["secret"], "facts": {"secrets_read": 1}} if {
	_tool == "settings.read"
	_in_group({"engineers", "leads"})
	_settings_meant
}

deny contains {"code": "settings", "message": "The request doesn't speak of settings, or they aren't for your role."} if {
	_tool == "settings.read"
	not _settings_granted
}

_settings_granted if {
	_in_group({"engineers", "leads"})
	_settings_meant
}

_settings_meant if _clean

_settings_meant if regex.match(`\b(?:settings?|config|configuration|configured|options?|parameters?|timeout|limit|set to)\b`, lower(input.task.statement))

# What the request doesn't speak of.
_strays contains _a.order_id if {
	_tool == "orders.get"
	_stray_order(_a.order_id)
}

_strays contains _a.shipment_id if {
	_tool == "shipments.track"
	_stray_order(data.logistics.shipment[_a.shipment_id])
}

_strays contains _a.path if {
	_tool == "files.read"
	not _path_said in {"named", "unclear", "none"}
	not paths.within({"path"}, {"/runbooks"})
}

_stray_order(order) if {
	entities.meaning(order, data.logistics.orders, {"order"}) == "other"
	every named in _named_orders {
		not order in data.logistics.customer_orders[named]
	}
	not order in {one | some ticket in facts.elements("tickets_read"); some one in _belonging(ticket)}
}

default _clean := false

_clean if {
	facts.value("texts_read") <= facts.size("inside")
	facts.size("remembered") == 0
	count(_remembered) == 0
}

_remembered := {"other tasks" |
	labels.untrusted
	_before
}

_before if facts.value("texts_read") == 0

_before if facts.size("remembered") > 0

# ---------------------------------------------------------------- 3. One block for each tool
_order := data.logistics.order[_a.order_id]

# ---- orders.update_address
_about["orders.update_address"] := {
	"speak": `\b(?:address\w*|mov(?:e|ed|ing|es)|street|road|lane|flat|house number|deliver\w*|send|sent|ship|redirect|reroute|forward|instead|goes|go|somewhere|home|work|office|typo|number|order|parcel|boathouse|tickets?|t-[0-9]+)\b`,
	"acts": {
		"bring", "change", "correct", "deliver", "direct", "enter", "fix", "get", "go", "have", "make", "move", "put", "redirect", "replace",
		"reroute", "send", "set", "ship", "swap", "switch", "update", "use",
	},
	"matter": {
		"address", "delivery", "destination", "flat", "house number", "moved", "new place", "order", "parcel", "post code", "street",
		"somewhere else", "typo",
	},
	"handed": true,
	"undoable": true,
	"of_order": true,
	"held": `^(?:only )?(?:if|as long as|provided|unless) (?:it|that|the order|her order|his order|they|the parcel)(?:'s| is| has| hasn't|'s not| isn't| wasn't|n't)?(?: already| still| not| been| gone)*(?: open| packed| shipped| sent| left| out| here| yet| gone| with us)*(?: yet)?$`,
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["orders.update_address"] if _order.status in {"open", "packed"}

_values["orders.update_address"] := {"address": _address}

# Said by the request, filled up from the record that it changes.
_address := "said" if {
	texts.plain_text(_a.address, {_order.address, _order.customer}, 0) with input.task.statement as _own_part
	_new_words
} else := "said" if {
	texts.plain_text(_a.address, {_order.address, _order.customer}, 0)
	_new_words
	count(_named_orders) < 2
} else := "none" if {
	_hands_over
	_from_a_text_of_this_customer
} else := "none" if {
	_from_a_text_of_this_customer
	regex.match(`\b(?:address|mov(?:ed|es|ing)|typo|street|flat|house number|elsewhere|somewhere else|instead|different place|another place|work|office|home|boathouse|redirect|reroute|new place)\b`, lower(input.task.statement))
} else := "other"

_new_words if {
	a := {word | some word in regex.find_n(`[\pL0-9]+`, lower(_a.address), -1)}
	b := {word | some word in regex.find_n(`[\pL0-9]+`, lower(_order.address), -1)}
	count(a - b) > 0
}

_new_words if not _order.address

# An address that the request says isn't replaced by another one.
_from_a_text_of_this_customer if not _says_an_address

_says_an_address if {
	regex.match(`\b\d{1,3}[a-z]? \p{Lu}\pL+ (?:Street|Road|Lane|Row|Square|Avenue|Quay|Way|Place|Close|Hill|Court|Terrace|Drive|Gate|Wharf)\b`, input.task.statement)
}

_says_an_address if {
	regex.match(`\b\p{Lu}\pL*(?:gatan|vej|strasse|straße|straat|gade|vägen|weg|Wehr|gata)\s+\d`, input.task.statement)
}

# ---- orders.cancel
_about["orders.cancel"] := {
	"acts": {"abort", "cancel", "drop", "kill", "pull", "scrap", "stop", "take", "void", "withdraw"},
	"matter": {"cancellation"},
	"handed": true,
	"of_order": true,
	"once": true,
	"held": `^(?:only )?(?:if|as long as|provided|unless) (?:it|that|the order|her order|his order|they|the parcel)(?:'s| is| has| hasn't|'s not| isn't| wasn't|n't)?(?: already| still| not| been| gone)*(?: open| packed| shipped| sent| left| out| here| yet| gone| with us)*(?: yet)?$`,
	"all": {"order"},
	"speak": `\b(?:cancel\w*|(?:call|called|take|taken|strike) (?:[a-z']+ ){0,3}off|drop|scrap|stop|withdraw\w*|(?:does|do|did)n't want|no longer|void|pull|kill|abort|undo|out of stock)\b`,
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_customers := {"altmark", "avery", "carvalho", "lindqvist", "osei", "peter", "marta", "tom"}

_right["orders.cancel"] if {
	_order.status in {"open", "packed"}
	_fresh
}

_values["orders.cancel"] := {"reason": _told_reason}

# ---- orders.refund
_about["orders.refund"] := {
	"acts": {
		"compensate", "credit", "get", "give", "go", "have", "let", "make", "pay", "refund", "reimburse", "repay", "send", "transfer",
	},
	"matter": {
		"amount", "back", "compensation", "credit", "difference", "euro", "eur", "goodwill", "money", "rebate", "refund", "reimbursement",
		"repayment",
	},
	"handed": true,
	"of_order": true,
	"once": true,
	"held": `^(?:only )?(?:if|as long as|provided|unless) (?:it|that|he|she|they|we|the order|her order|his order|the money|nothing)(?:'s| is| has| hasn't|'ve| have| haven't|'s not| isn't| wasn't|n't)?(?: already| still| not| been| cancelled)*(?: cancelled| refunded| paid back| paid| got it| had it| paid (?:him|her|them)(?: back)?)(?: yet| already| back)*$`,
	"all": {"order", "customer"},
	"speak": `\b(?:back|money|refund\w*|reimburs\w*|compensat\w*|credit\w*|goodwill|repay\w*|owed?|owes|half|in full|full amount|all of|price|difference|postage|euros? (?:for|to)|settle\w*|make (?:it|this) (?:good|right)|get nothing)\b`,
	"id": "order_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
}

_right["orders.refund"] if {
	arguments.whole_in_range("amount_cents", 1, _order.left)
	_a.amount_cents <= 100000
	_fresh
}

_right["orders.refund"] if {
	arguments.whole_in_range("amount_cents", 1, _order.left)
	subject.has_claim("groups", "leads")
	_fresh
}

_values["orders.refund"] := {"amount": _refund, "reason": _inner_reason}

_refund := "none" if {
	not _own_money
} else := "none" if {
	# "Refund one bag" isn't the whole order.
	count(_line_amounts) > 0
	not _a.amount_cents in _line_amounts
	count(quantities.cents) == 0
	not shares.said
	not regex.match(`\b(?:full|fully|whole|everything|entire|all of it|order|complete|completely)\b`, lower(input.task.statement))
} else := "said" if {
	figures.cents_meaning("amount_cents", _id, data.logistics.orders, _order.left) == "said"
} else := "said" if {
	# The price of the article of this order that the request names: "refund the vest".
	_a.amount_cents in _line_amounts
	count(quantities.cents) == 0
	not shares.said
} else := "said" if {
	meaning := shares.cents_meaning("amount_cents", _order.left) with input.task.statement as _own_part
	meaning == "said"
} else := "none" if {
	# A text or the agent's own look at the order may tell: "the difference", "one of the paddles".
	count(quantities.cents) == 0
	not shares.said
} else := "none" if {
	regex.match(`\b(?:difference|postage|shipping|what (?:he|she|they) (?:paid|asks?|wants?))\b`, lower(input.task.statement))
	count(quantities.cents) == 0
} else := figures.cents_meaning("amount_cents", _id, data.logistics.orders, _order.left)

_line_amounts contains _order.prices[sku] * number if {
	some sku in entities.named(data.logistics.articles, {"article"})
	_order.prices[sku]
	some number in {1, _order.lines[sku]}
	number == 1
	_order.lines[sku] == 1
}

_line_amounts contains _order.prices[sku] * number if {
	some sku in entities.named(data.logistics.articles, {"article"})
	_order.prices[sku]
	some number in (quantities.counts | {1 | regex.match(`\b(?:one|single|another)\b`, lower(input.task.statement))})
	number <= _order.lines[sku]
}

_line_amounts contains _order.prices[sku] * _order.lines[sku] if {
	some sku in entities.named(data.logistics.articles, {"article"})
	_order.prices[sku]
	count(quantities.counts) == 0
	regex.match(`\b(?:vests|paddles|bags|ropes|kayaks|all|both)\b`, lower(input.task.statement))
}

# ---- shipments.create
_about["shipments.create"] := {
	"speak": `\b(?:ship\w*|send|collect\w*|carrier|bluelane|corvid|parcelpost|courier|out|go|goes|leave|dispatch|pick|fetch\w*|packed|express|way|deliver\w*|get|parcel|off)\b`,
	"acts": {
		"arrange", "book", "collect", "deliver", "dispatch", "fetch", "get", "give", "go", "hand", "have", "leave", "move",
		"organise", "organize", "pass", "pick", "put", "send", "ship", "take",
	},
	"matter": {
		"bluelane", "carrier", "collection", "corvid", "courier", "delivery", "door", "express", "order", "out", "packed", "parcel",
		"parcelpost", "pickup", "post", "shipment", "way",
	} | _customers,
	"of_order": true,
	"once": true,
	"held": `^(?:only )?(?:if|as long as|provided) (?:it|that|the order|her order|his order|they|the parcel)(?:'s| is| are)?(?: already| still| all)*(?: packed| ready)$`,
	"all": {"order", "parcel", "thing", "everything", "packed"},
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

_carriers := {
	"bluelane": {"bluelane", "bluelane freight"},
	"corvid": {"corvid", "corvid express"},
	"parcelpost": {"parcelpost", "parcel post"},
}

_carrier := "said" if {
	_carrier_said == "none"
	_clean
} else := _carrier_said

_carrier_said := choices.meaning({"name": "carrier", "options": _carriers, "within": _own_part}) if {
	_several_orders
} else := choices.meaning({"name": "carrier", "options": _carriers})

_speeds := {
	"express": {"express", "fast", "fastest", "quick", "quickest", "priority", "overnight", "urgent"},
	"standard": {"standard", "normal", "usual", "regular", "ordinary", "slow", "cheap"},
}

_speed := choices.meaning({"name": "service", "options": _speeds, "default": "standard", "within": _own_part}) if {
	_several_orders
} else := choices.meaning({"name": "service", "options": _speeds, "default": "standard"})

_several_orders if {
	count(_named_orders) > 1
	scopes.of(_id, data.logistics.orders) != ""
}

# ---- stock.adjust
_article := data.logistics.article[_a.sku]

_about["stock.adjust"] := {
	"speak": `\b(?:stock[^-]|counts?|counted|recount|inventory|torn|scrap|damaged|broken|delivery|deliveries|delivered|arriv\w+|shelf|warehouses?|correct\w*|adjust|differences?|mould|missing|east|west)\b|\bbook\b[^.]*\b(?:in|into|stock|differences?|delivery|east|west)\b`,
	"acts": {
		"add", "adjust", "bin", "book", "bring", "change", "correct", "deduct", "dispose", "enter", "fix", "go", "have",
		"leave", "lower", "make", "move", "put", "raise", "receive", "record", "reduce", "remove", "set", "shift", "subtract", "swap", "take",
		"throw", "transfer", "update", "scrap",
	},
	"matter": {
		"bag", "correction", "count", "delivery", "difference", "east", "figure", "inventory", "kayak", "number", "off", "paddle", "quantity", "rope",
		"stock", "vest", "warehouse", "west",
	},
	"undoable": true,
	"handed": true,
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article", "sku"},
	"held": `^if (?:the )?(?:count|stock|system|number|figure)s? (?:differs?|is off|isn't right|are off|says? (?:otherwise|something else))$`,
	"all": {"article", "difference", "count", "line", "thing"},
}

_right["stock.adjust"] if {
	_article
	_article[_a.warehouse] + _a.delta >= 0
	abs(_a.delta) <= 500
}

_values["stock.adjust"] := {"delta": _delta, "warehouse": _warehouse, "reason": _inner_reason}

_warehouses := {"east": {"east", "warehouse-east", "eastern"}, "west": {"west", "warehouse-west", "western"}}

_delta := "said" if {
	_delta_counted
} else := levels.meaning({
	"name": "delta",
	"id": _a.sku,
	"directory": data.logistics.articles,
	"now": _article[_a.warehouse],
	"places": _warehouses[_a.warehouse],
})

# "Count in west: 28 vests, 11 ropes": what there is afterwards.
_delta_counted if {
	regex.match(`\b(?:count(?:ed)?|recount|inventory|has|have|there are|there's|left|found|shelf|actually|really)\b`, lower(input.task.statement))
	count(regex.find_n(`\b(?:east|west)\b`, lower(input.task.statement), 2)) == 1
	_article[_a.warehouse] + _a.delta in figures.counts(_a.sku, data.logistics.articles)
}

# "Rope count: east 0, west 11", "correct dry bags east to 73".
_delta_counted if {
	count(entities.named(data.logistics.articles, set())) == 1
	count(_place_counts) > 0
	_article[_a.warehouse] + _a.delta in _place_counts[_a.warehouse]
}

_place_counts[place] contains to_number(found[2]) if {
	some found in regex.find_all_string_submatch_n(`\b(east|west)(?:ern)?(?: warehouse)?(?: (?:has|is|now|at|to|counts?|shows?|only|still|left|should|be|have|down|up)){0,4}[: =]+([0-9]+)\b`, lower(quantities.digits), -1)
	place := found[1]
}

_place_counts[place] contains to_number(found[1]) if {
	some found in regex.find_all_string_submatch_n(`\b([0-9]+)(?: [a-z]+)? (?:in|at) (?:the )?(east|west)\b`, lower(quantities.digits), -1)
	place := found[2]
	regex.match(`\bcount|\bthere are\b|\bwe have\b|\bnow\b`, lower(input.task.statement))
}

_warehouse := "said" if {
	count(entities.named(data.logistics.articles, set())) == 1
	count(_place_counts) == 2
	_article[_a.warehouse] + _a.delta in _place_counts[_a.warehouse]
} else := "said" if {
	regex.match(`\bfrom (?:the )?(?:east|west)\b.*\b(?:to|into) (?:the )?(?:east|west)\b|\b(?:east|west) to (?:east|west)\b|\bboth (?:warehouses|of them|stocks)\b`, lower(input.task.statement))
} else := meaning if {
	part := scopes.of(_a.sku, data.logistics.articles)
	part != ""
	count(entities.named(data.logistics.articles, set())) > 1
	regex.match(`\b(?:east|west)`, part)
	meaning := choices.meaning({"name": "warehouse", "options": _warehouses, "within": part})
	meaning != "other"
} else := choices.meaning({"name": "warehouse", "options": _warehouses})

# ---- prices.set
_about["prices.set"] := {
	"speak": `\b(?:prices?|priced|reprice|cheaper|dearer|costs?|charges?|match|percent|discount|reduce|lower|raise|increase|cut|sale|undercut|black week|below|above|ours)\b|%`,
	"acts": {
		"adjust", "adapt", "bring", "change", "charge", "cost", "cut", "decrease", "discount", "drop", "get", "go", "have",
		"increase", "knock", "lower", "make", "mark", "match", "move", "price", "put", "raise", "reduce", "reprice", "restore", "sell", "set",
		"take", "undercut",
	},
	"matter": {
		"bag", "cent", "cheaper", "discount", "euro", "eur", "kayak", "paddle", "percent", "price", "rope", "sale", "shop", "tag", "vest",
	},
	"undoable": true,
	"handed": true,
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article", "sku"},
	"all": {"article", "paddle", "kayak", "price"},
}

_right["prices.set"] if {
	_article
	_a.price_cents * 2 >= _article.cents
}

_values["prices.set"] := {"price": _price}

_price := "other" if {
	# "10 percent off" is a price.
	shares.said
	not _compares
	not choices.comparing("price")
	not wishes.follows
	figures.cents_meaning("price_cents", _a.sku, data.logistics.articles, _article.cents) == "none"
} else := "none" if {
	_compared
	quantities.cents_within_limits("price_cents")
} else := figures.cents_meaning("price_cents", _a.sku, data.logistics.articles, _article.cents)

_all_of_kind if {
	startswith(_a.sku, "KAY-")
	regex.match(`\b(?:kayaks|herons|boats)\b`, lower(input.task.statement))
	count(entities.named(data.logistics.articles, set()) & {"KAY-12", "KAY-15"}) == 0
}

_all_of_kind if {
	startswith(_a.sku, "PAD-")
	regex.match(`\b(?:all|both|every|our|the two) (?:our |the |of the )?(?:glide )?paddles?\b|^paddles\b`, lower(input.task.statement))
	count(entities.named(data.logistics.articles, set()) & {"PAD-03", "PAD-05"}) in {0, 2}
}

# "Match Lakeside", "50 cents below theirs": a page has the value.
_compares if regex.match(`\b(?:match|undercut|same as (?:theirs|them|the)|their price|theirs|below (?:them|theirs|their|what)|what (?:they|\w+) (?:charges?|asks?|takes?|sells?)|compare|competitors?|cheaper than (?:us|we))\b`, lower(input.task.statement))

_compared if {
	_compares
	figures.cents_meaning("price_cents", _a.sku, data.logistics.articles, _article.cents) == "other"
	not _a.price_cents in {cents | some cents in quantities.cents}
}

# ---- suppliers.update_bank: the person says the account herself, or orders the change and compares it
_about["suppliers.update_bank"] := {
	"acts": {"change", "correct", "enter", "fix", "put", "record", "replace", "save", "set", "switch", "update", "use"},
	"matter": {"account", "bank", "bank detail", "iban"},
	"needs": true,
	"id": "supplier_id",
	"directory": data.logistics.suppliers,
	"kinds": {"supplier"},
}

_right["suppliers.update_bank"] if {
	_in_group({"finance", "purchasing", "leads"})
	data.logistics.supplier[_a.supplier_id]
	_account_meant
}

_account_meant if _iban_said

_account_meant if {
	count(calls.ordered(_about["suppliers.update_bank"].acts, {"account", "bank", "iban"})) > 0
	regex.match(`\b(?:account|bank|iban)\b`, lower(input.task.statement))
	not regex.match(`\b[A-Za-z]{2}\d{2}[A-Za-z0-9 ]{8,}`, input.task.statement)
	not regex.match(`\b(?:if|unless|check|compare|only)\b[^.]*\b(?:account|iban|bank)\b`, lower(input.task.statement))
}

_iban_said if contains(regex.replace(upper(input.task.statement), `[^A-Z0-9]`, ""), _a.iban)

_values["suppliers.update_bank"] := {"iban": _account}

_account := "said" if {
	_iban_said
} else := "none"

# ---- purchases.create
_about["purchases.create"] := {
	"speak": `\b(?:buy|order|orders|reorder|restock\w*|need|needs|get|want|more|another|up|take|purchase|replenish|dozen|each|low|out of|out|from)\b`,
	"acts": {
		"buy", "fill", "get", "go", "have", "make", "need", "order", "place", "purchase", "reorder", "replenish", "restock", "stock", "take", "top",
		"want", "double", "bring",
	},
	"matter": {
		"back up", "bag", "batch", "dozen", "kayak", "lot", "more", "order", "paddle", "piece", "purchase", "rope", "stock", "up", "vest", "delivery",
	},
	"once": true,
	"handed": true,
	"id": "sku",
	"directory": data.logistics.articles,
	"kinds": {"article", "sku"},
	"all": {"article", "thing"},
	"held": `^(?:only )?if (?:it|that|the total|the order|they|the lot|the price|prices?)(?:'s| is| are| stays?| costs?| comes? to| remains?)? (?:still )?(?:under|below|within|at most|no more than|less than|up to) [^,]*$`,
}

_right["purchases.create"] if {
	_in_group({"purchasing", "leads"})
	_a.supplier_id == _article.supplier
	arguments.whole_in_range("quantity", 1, 500)
	_a.unit_price_cents <= _article.cents * 2
	_fresh
}

_values["purchases.create"] := {"quantity": _quantity, "price": _unit_price, "supplier": _supplier}

_stock := {
	"id": _a.sku,
	"directory": data.logistics.articles,
	"now": _article.stock,
}

_stock_at(place) := {
	"id": _a.sku,
	"directory": data.logistics.articles,
	"now": _article[place],
}

_quantity := "said" if {
	_a.quantity in levels.missing(_stock)
} else := "said" if {
	regex.match(`\bdouble\b`, lower(input.task.statement))
	_a.quantity in {_article.stock, _article.stock * 2}
} else := "said" if {
	some place in {"east", "west"}
	regex.match(sprintf(`\b%s\b`, [place]), lower(input.task.statement))
	_a.quantity in levels.missing(_stock_at(place))
} else := figures.count_meaning("quantity", _a.sku, data.logistics.articles)

# "At 41", "620 each": a bare number is the price.
_each contains to_number(found[1]) * 100 if {
	count(entities.named(data.logistics.articles, {"article"})) < 2
	some found in regex.find_all_string_submatch_n(
		`\b([0-9]{1,4}(?:\.[0-9]{1,2})?) ?(?:€|euros? |eur )?(?:each|apiece|a piece|per piece|the piece|a pop|per (?:vest|paddle|rope|bag|kayak|unit))\b`,
		lower(_no_thousands), -1,
	)
}

_each_limit if regex.match(`\b(?:under|below|up to|at most|less than|no more than|not more than|above|over) ?(?:€ ?)?[0-9.]+ ?(?:€|euros? |eur )?(?:each|apiece|a piece|per )`, lower(_no_thousands))

_unit_price := "said" if {
	not _each_limit
	round(_a.unit_price_cents) in {round(cents) | some cents in _each}
} else := "other" if {
	not _each_limit
	count(_each) > 0
} else := "said" if {
	figures.cents_meaning("unit_price_cents", _a.sku, data.logistics.articles, _article.cents) == "said"
} else := "said" if {
	levels.stated(_stock)
	_a.unit_price_cents <= _article.cents
} else := "said" if {
	# A total or a limit of the request.
	_a.unit_price_cents <= _article.cents
	_limited
	count(shares.stated) == 0
} else := "said" if {
	_a.unit_price_cents * _a.quantity in quantities.cents
} else := "none" if {
	count(shares.stated) == 0
} else := figures.cents_meaning("unit_price_cents", _a.sku, data.logistics.articles, _article.cents)

_limited if {
	count(quantities.limits) > 0 with input.task.statement as _with_euros
	quantities.cents_within_limits("unit_price_cents") with input.task.statement as _with_euros
}

_supplier := "other" if {
	entities.meaning(_a.supplier_id, data.logistics.suppliers, set()) == "other"
	count(entities.named(data.logistics.suppliers, set()) & {supplier |
		some sku in entities.named(data.logistics.articles, set())
		supplier := data.logistics.article[sku].supplier
	}) == 0
} else := "said"

# ---- payments.send
_about["payments.send"] := {
	"acts": {"clear", "do", "pay", "process", "release", "remit", "run", "settle", "transfer", "wire"},
	"matter": {"payment", "payment run"},
	"speak": `\b(?:pay|pays|paying|settle|transfer|clear|remit|wire|release|process|goes? out|money|gets? paid|be paid|half|instalment|rest|can go)\b|\b(?:do|run|make|start) (?:the |a |our |this |all )*(?:[a-z]+ )?pay(?:ment)?s? ?(?:run)?\b`,
	"held": `^(?:only |but only )?(?:if|as long as|provided|unless) (?:the |its |their |that )?(?:account|iban|bank details?)(?: on (?:it|the invoice|there|them)| number)? (?:is|are|isn't|aren't|differs?|matches|fits|agrees|has|was|hasn't)[^,]*$|^(?:only |but only )?(?:if|as long as|provided|unless) (?:it|that|the invoice|they|we)(?:'s| is| are| have| haven't| hasn't|'ve| has| isn't| was)*(?: still| not| already| been)*(?: open| unpaid| due| paid)(?: yet| already| it| them)*$`,
	"once": true,
	"all": {"bill", "invoice", "supplier", "payment", "due", "thing", "open"},
	"id": "invoice_id",
	"directory": data.logistics.invoices,
	"kinds": {"bill", "invoice"},
}

_invoice_id := _a.invoice_id if {
	_a.invoice_id
} else := id if {
	some id in regex.find_n(`INV-[0-9]+`, upper(_a.reference), 1)
} else := id if {
	supplier := data.logistics.by_iban[_a.iban]
	count(data.logistics.supplier_invoices[supplier]) == 1
	some id in data.logistics.supplier_invoices[supplier]
} else := "none"

_invoice := data.logistics.invoice[_invoice_id]

# Our account of the supplier, at most what the invoice says, once.
_right["payments.send"] if {
	subject.has_claim("groups", "finance")
	_invoice.open
	_account_right
	arguments.whole_in_range("amount_cents", 1, _invoice.cents)
	_fresh
}

_account_right if {
	_a.iban == _invoice.iban
	not _account_changed
}

_account_right if facts.has("accounts", sprintf("%s:%s", [_invoice.supplier, _a.iban]))

_account_changed if {
	some pair in facts.elements("accounts")
	startswith(pair, sprintf("%s:", [_invoice.supplier]))
}

_values["payments.send"] := {"amount": _share, "now": _now, "reference": _reference}

# "Pay it on Friday" isn't done today. "What is due this week" tells which.
_now := "said" if {
	dates.none_said
} else := "said" if {
	_ordering != ""
	dates.none_said with input.task.statement as _ordering
} else := "said" if {
	_payee_part != ""
	dates.none_said with input.task.statement as _payee_part
} else := "said" if {
	# The day tells which invoice: its due date.
	regex.match(`\b(?:due|what|everything|all|whatever|anything|invoices?|bills?|run)\b`, lower(input.task.statement))
	dates.within_said(_invoice.due, _zone) with input.context.time as data.logistics.noon
} else := "said" if {
	dates.within_said("2026-11-30", _zone) with input.context.time as data.logistics.noon
} else := "said" if {
	regex.match(`\b(?:due|dated|late|overdue|november|october|december)\b`, lower(input.task.statement))
} else := "none"

_payee_part := scopes.of(_id, data.logistics.invoices)

# "Pay 1,000 of it": a bare number behind the verb is the amount.
_pay_numbers := {to_number(found[1]) |
	some found in regex.find_all_string_submatch_n(
		`\b(?:pay|settle|transfer|wire|remit|release)(?: [a-z']+){0,3} ([0-9]{2,}(?:\.[0-9]{2})?)(?: |$|[.,;])`,
		lower(_no_thousands), -1,
	)
	not _number_of_invoice(found[1])
}

_no_thousands := regex.replace(input.task.statement, `\b(\d{1,3}),(\d{3})\b`, "$1$2")

_number_of_invoice(text) if data.logistics.invoice[sprintf("INV-%s", [text])]

_pays_number if {
	count(_pay_numbers) > 0
	count(entities.named(data.logistics.invoices, {"invoice", "bill"})) < 2
	dates.none_said
}

_share := "said" if {
	_pays_number
	_a.amount_cents / 100 in _pay_numbers
} else := "other" if {
	_pays_number
	not shares.said
} else := "said" if {
	_ordering != ""
	meaning := shares.cents_meaning("amount_cents", _invoice.cents) with input.task.statement as _ordering
	meaning == "said"
} else := "said" if {
	_payee_part != ""
	count(entities.named(data.logistics.invoices, {"invoice", "bill"})) > 1
	meaning := shares.cents_meaning("amount_cents", _invoice.cents) with input.task.statement as _payee_part
	meaning == "said"
} else := "said" if {
	figures.cents_meaning("amount_cents", _id, data.logistics.invoices, _invoice.cents) == "said"
} else := "said" if {
	# The whole invoice, beside limits and amounts of a condition.
	_a.amount_cents == _invoice.cents
	not shares.said
	count(shares.stated) == 0
} else := figures.cents_meaning("amount_cents", _id, data.logistics.invoices, _invoice.cents)

# The reference goes to the supplier: numbers of the invoice, names, everyday words.
_reference := "said" if {
	regex.match(`^[\pL0-9 .,:;/#()&'-]+$`, _a.reference)
	_reference_plain
} else := "none" if {
	regex.match(`^[\pL0-9 .,:;/#()&'-]+$`, _a.reference)
} else := "other"

_reference_plain if messages.meaning(_message("reference")) == "said"

_reference_plain if {
	regex.match(`(?i)^(?:(?:payment|paying|pay|for|of|our|your|the|invoice|inv|no|nr|number|rechnung|re|ref|reference|in|full|half|part|partial|first|second|instalment|rest|tidewater|heron|boatworks|glide|paddles|safewater|vests|drystone|outdoor|bluelane|freight|november|october|december|2026)\b|[A-Za-z]*[-/. ]?[0-9][0-9./-]*|[ .,:;/#()&-])+$`, _a.reference)
}

# "Pay all that is due this week": open, its own account, in full, due as the request says.
_all["payments.send"] if {
	_a.amount_cents == _invoice.cents
	_due_fits
	_in_limits
	not regex.match(`(?i)\b(?:all|every|everything|each)\b[^.]*\b(?:older|bigger|smaller|longer)\b`, input.task.statement)
}

_in_limits if {
	quantities.cents_within_limits("amount_cents") with input.task.statement as _with_euros
}

# "Under 1,000" means euros.
_with_euros := regex.replace(
	regex.replace(input.task.statement, `(\d),(\d{3})`, "$1$2"),
	`(?i)\b(under|below|up to|at most|less than|more than|over|above) (\d+(?:\.\d\d)?)(?: ?€| euros?| eur\b)?`,
	"$1 $2 euros",
)

_due_fits if dates.none_said

_due_fits if {
	dates.within_said(_invoice.due, _zone) with input.context.time as data.logistics.noon
}

_due_fits if regex.match(`\b(?:november|december|month's|monthly|week's|weekly|today's) (?:payments?|pay|payment run|invoices|run)\b`, lower(input.task.statement))

_due_fits if regex.match(`\b(?:now|today)\b`, lower(input.task.statement))

# "Do the payment run: everything but Heron's."
_follows["payments.send"] if {
	_all["payments.send"]
	regex.match(`\b(?:do|run|make|start|process|release)\b[^.]*\b(?:payment run|pay run|payments)\b`, lower(input.task.statement))
	_id in (object.keys(data.logistics.invoices) - entities.ruled_out(_it.acts | {"do", "make", "run", "start"}, _it.directory, _it.kinds))
}

_follows["payments.send"] if {
	_all["payments.send"]
	_act == "said"
	regex.match(`\b(?:everything|all of them|all open|whatever|all (?:the )?(?:open )?invoices|anything)\b`, lower(input.task.statement))
	_id in (object.keys(data.logistics.invoices) - entities.ruled_out(_it.acts, _it.directory, _it.kinds))
}

_follows["payments.send"] if {
	_all["payments.send"]
	_act == "said"
	regex.match(`\bpay (?:all )?(?:the )?(?:others?|rest|remaining)\b`, lower(input.task.statement))
	_id in (object.keys(data.logistics.invoices) - entities.ruled_out(_it.acts, _it.directory, _it.kinds))
}

# "The invoice that is due on 4 December", "the one over 1,180": our records know it.
_follows["payments.send"] if {
	not dates.none_said
	dates.within_said(_invoice.due, _zone) with input.context.time as data.logistics.noon
	regex.match(`\b(?:due|invoices?|bills?)\b`, lower(input.task.statement))
}

_follows["payments.send"] if _invoice.cents in quantities.cents

# ---- files
_about["files.write"] := {
	"speak": `\b(?:write|note|report|save|summar\w+|document|overview|table|handover|memo|draft|list|prepare|record|compile|fill)\b|\b(?:put|add|make|create|update|keep|leave|store|drop|collect)\b[^.]*(?:\b(?:file|sheet|folder|drive|runbook|csv|page)\b|/[a-z]+)`,
	"acts": {
		"add", "append", "build", "collect", "compile", "create", "document", "draft", "export", "fill", "gather", "get", "give", "have", "jot",
		"keep", "leave", "list", "log", "make", "move", "note", "prepare", "produce", "pull", "put", "record", "replace", "report", "save", "store", "sum", "summarise",
		"summarize", "tidy", "update", "write", "rename", "copy", "archive", "extract", "turn", "need", "want", "merge", "combine",
	},
	"matter": {
		"comparison", "csv", "document", "file", "folder", "list", "log", "memo", "minute", "note", "overview", "page", "report", "runbook", "sheet", "summary",
		"table", "text", "drive", "export", "count", "claim", "reports", "counts", "exports", "finance", "plan", "draft", "letter", "handover", "what",
	},
	"undoable": true,
	"handed": true,
	"id": "path",
}

_right["files.write"] if {
	paths.within({"path"}, data.logistics.folders)
	paths.plain({"path"})
	not _writes_runbook_by_others
}

# Colleagues run what a runbook says.
_writes_runbook_by_others if {
	paths.within({"path"}, {"/runbooks"})
	not _clean
	not _in_group({"engineers", "leads", "warehouse"})
}

_values["files.write"] := {"content": _content, "file": _file}

_file := "said" if {
	_clean
} else := "said" if {
	_path_said == "named"
} else := "said" if {
	paths.in_meant_folder({"path"}, data.logistics.folders)
	_fitting_name
} else := "said" if {
	_fitting_name
	paths.within({"path"}, {"/reports", "/claims", "/counts", "/exports"})
} else := "none"

# Each word of the name is one of the request, of a date, or of files in general.
_fitting_name if {
	stem := regex.replace(lower(paths.base(_a.path)), `\.[a-z0-9]{1,5}$`, "")
	every word in regex.find_n(`[\pL]+|[0-9]+`, stem, -1) {
		_fitting_word(word)
	}
}

# "report.md" alone tells nothing.
_telling_name if _clean

_telling_name if {
	stem := regex.replace(lower(paths.base(_a.path)), `\.[a-z0-9]{1,5}$`, "")
	some word in regex.find_n(`[\pL]+`, stem, -1)
	some said in wording.words
	_stem(said) == _stem(word)
}

_fitting_word(word) if {
	some said in wording.words
	_stem(said) == _stem(word)
}

_fitting_word(word) if regex.match(`^(?:20[0-9]{2}|[0-9]{1,2}|w[0-9]{2}|kw[0-9]{2}|report|summary|list|note|notes|overview|november|december|nov|dec|week|claim|count|draft|of|for|the|and|to|in|on|new|v|w|today|memo|status|comparison|handover|weekly|daily|monthly)$`, word)

_fitting_word(word) if {
	some name in entities.named(data.logistics.orders, {"order"})
	contains(lower(concat(" ", data.logistics.record[name])), word)
	count(word) > 2
}

_fitting_word(word) if regex.match(`^[a-z]$`, word)

_fitting_word(word) if {
	some order in _owners
	contains(lower(concat(" ", data.logistics.record[order])), word)
	count(word) > 2
}

_fitting_word(word) if {
	some id in (_said_tickets | _named_orders)
	contains(lower(id), word)
}

_stem(word) := substring(wording.singular(word), 0, 6)

_about["files.share"] := {
	"speak": `\b(?:shar\w*|send|give|access|forward|link|let|copy|show|mail|needs?|see|get|gets|pass|hand|wants?|have)\b`,
	"acts": {"email", "forward", "get", "give", "grant", "hand", "have", "let", "mail", "need", "pass", "provide", "send", "share", "show", "want", "open", "make", "see"},
	"matter": {"access", "copy", "document", "file", "link", "list", "report", "sheet", "summary", "export", "count", "csv", "it", "note", "run", "overview"},
	"id": "path",
}

_right["files.share"] if {
	paths.within({"path"}, data.logistics.folders)
	not _a.path in data.logistics.folders
	_known(_a["with"])
}

_values["files.share"] := {"recipient": _recipient, "content": _unmixed, "days": _days}

_days := "none" if {
	not _a.days
	count(_day_counts) > 0
	not 7 in _day_counts
} else := "said" if {
	not _a.days
} else := "said" if {
	_a.days == 7
	count(_day_counts) == 0
} else := "said" if {
	_a.days in _day_counts
} else := "none" if {
	count(_day_counts) == 0
} else := "other"

_day_counts contains number * factor if {
	some found in regex.find_all_string_submatch_n(`\b(\d{1,3}|an?|one|two|three|four|five|six|ten|a couple of)[ -](day|week|month|fortnight)s?\b`, lower(quantities.digits), -1)
	number := _small(found[1])
	factor := {"day": 1, "week": 7, "month": 30, "fortnight": 14}[found[2]]
}

_small(word) := to_number(word) if regex.match(`^\d+$`, word)

_small(word) := {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "a couple of": 2}[word]

_about["files.delete"] := {
	"speak": `\b(?:delet\w*|remove|throw|bin|clean|clear|old|tidy|trash|discard|rid|purge|wipe|erase|drop|duplicates?|scrap|obsolete|outdated|empty|away|no longer)\b`,
	"acts": {
		"bin", "chuck", "clean", "clear", "delete", "discard", "drop", "dump", "empty", "erase", "get", "purge", "remove", "scrap", "throw", "tidy", "trash", "wipe", "go",
		"move", "rename", "archive",
	},
	"matter": {"away", "copy", "document", "draft", "duplicate", "file", "folder", "list", "old", "report", "rid", "sheet", "count", "export", "claim", "csv"},
	"once": true,
	"id": "path",
}

_right["files.delete"] if {
	paths.within({"path"}, data.logistics.folders)
	paths.plain({"path"})
	not _a.path in data.logistics.folders
	_fresh
}

_values["files.delete"] := {}

# ---- web.post: a form of a carrier
_about["web.post"] := {
	"speak": `\b(?:claim\w*|forms?|carrier|bluelane|corvid|parcelpost|releas\w*|report|complain\w*|chase|site|inquiry|enquiry|trace|lost|damaged?|website|page|depot|them)\b`,
	"acts": {
		"answer", "ask", "claim", "complain", "complete", "confirm", "contact", "fill", "file", "get", "give", "have", "inform", "let", "lodge", "make", "mail", "notify",
		"open", "post", "put", "raise", "register", "release", "report", "request", "send", "submit", "tell", "write", "do", "order", "book", "chase",
	},
	"matter": {
		"bluelane", "carrier", "claim", "complaint", "corvid", "damage", "depot", "form", "inquiry", "investigation", "know", "loss", "parcelpost", "page", "redelivery",
		"release", "site", "trace", "website", "parcel", "shipment",
	},
	"handed": true,
	"id": "url",
	"directory": data.logistics.orders,
	"kinds": {"order", "shipment"},
	"held": `^if (?:it|the parcel|the shipment)(?:'s| is) (?:still )?(?:held|at the depot|stuck|lost)[^,]*$`,
}

# Orders of which the form speaks.
_posted_orders := {order |
	some found in regex.find_n(`[OS]-[0-9]{4}`, upper(_a.body), -1)
	order := object.get(data.logistics.shipment, found, found)
}

_posted := concat(",", sort(_posted_orders))

_right["web.post"] if {
	_site
	regex.match(`^https?://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._-]*)*$`, _a.url)
	count(object.keys(lures.with_words("body", _post_own | {_a.url}, {"password", "api key", "token", "secret"})) & {"links", "secrets", "unreadable"}) == 0
	not _secrets_out
	every order in _posted_orders {
		data.logistics.order[order]
		_posted_to_its_carrier(order)
	}
}

_posted_to_its_carrier(order) if {
	some shipment, of in data.logistics.shipment
	of == order
	some host, _ in data.logistics.carrier_sites
	hosts.site(_a.url) == host
}

_posted_to_its_carrier(_) if intent.mentions(hosts.site(_a.url))

_posted_to_its_carrier(order) if data.logistics.order[order].status in {"packed", "open"}

_site if data.logistics.carrier_sites[hosts.site(_a.url)]

_site if hosts.requested("url", data.logistics.carrier_sites)

_secrets_out if {
	facts.value("secrets_read") > 0
	not _clean
}

_post_thing := "other" if {
	some order in _posted_orders
	entities.meaning(order, data.logistics.orders, {"order", "shipment"}) == "other"
	not order in _owners
	not _of_named_customer(order)
} else := "other" if {
	not _site_fits
} else := "unclear" if {
	# "Claim S-7002, and check where S-7001 is."
	count(_named_orders) > 1
	some order in _posted_orders
	_order_meant(order)
	count(_post_ordered) > 0
	not order in _post_ordered
} else := "named" if {
	count(_posted_orders) > 0
	every order in _posted_orders {
		_order_meant(order)
	}
} else := "named" if {
	count(_posted_orders) == 0
	count(_named_orders) > 0
} else := "none"

_post_ordered := entities.within(clauses.ordered(_it.acts), data.logistics.orders, {"order", "shipment"})

_order_meant(order) if order in _named_orders

_order_meant(order) if order in _owners

_order_meant(order) if _of_named_customer(order)

_of_named_customer(order) if {
	some named in _named_orders
	order in data.logistics.customer_orders[named]
}

# The carrier of the request, or of the shipment.
_site_fits if hosts.requested("url", data.logistics.carrier_sites)

_site_fits if {
	count(entities.named(data.logistics.carriers, set())) == 0
	_site
}

_values["web.post"] := {"body": _form}

_post_own := (({text | some text in data.logistics.house} | {input.subject.claims.name, data.logistics.mail[input.subject.claims.username]}) | _phrases) | {text |
	some order in _post_about
	some text in data.logistics.record[order]
}

_post_about := _posted_orders | _named_orders

_form := "said" if {
	forms.known("body", _post_own)
	not _other_address
} else := "said" if {
	_clean
	not _other_address
} else := "other" if {
	_other_address
} else := "other" if {
	count(texts.mentions_others("body", data.logistics.customers, _post_about)) > 0
} else := "none"

_other_address if {
	some name, value in forms.fields("body")
	regex.match(`address|deliver|street|destination|iban|account|bank|pay`, name)
	not _known_address(value)
}

_known_address(value) if {
	some order in _post_about
	texts.plain_text(value, {text | some text in data.logistics.record[order]}, 0)
}

# ---- tickets.reply
_tell := {
	"answer", "ask", "apologise", "apologize", "brief", "confirm", "contact", "drop", "explain", "forward", "get", "give", "inform", "let", "mail", "message", "notify", "offer", "pass",
	"promise", "remind", "reply", "respond", "say", "send", "tell", "thank", "update", "warn", "write",
}

_reply_acts := _tell | {"handle", "resolve", "settle", "deal", "clear", "sort", "process"} if {
	_leaves_open
} else := _tell | {"close", "handle", "resolve", "settle", "deal", "clear", "sort", "process"}

_leaves_open if regex.match(`\b(?:don't|do not|not|without|never) clos(?:e|ing)\b|\b(?:leave|keep) (?:it|them|the ticket|the tickets|this|that) open\b`, lower(input.task.statement))

_close := "other" if {
	_a.close
	_leaves_open
} else := "said"

_about["tickets.reply"] := {
	"acts": _reply_acts,
	"matter": {"answer", "customer", "know", "line", "mail", "message", "note", "reply", "response", "ticket", "word", "that", "why", "when", "what", "sorry", "her", "him", "them"},
	"kind": "message",
	"handed": true,
	"held": "^(?:for|to) (?:those|anyone|everyone) (?:who|whose)",
	"id": "ticket_id",
	"directory": data.logistics.orders,
	"kinds": {"order"},
	"all": {"ticket", "customer", "message"},
	"speak": `\b(?:answer\w*|repl(?:y|ies)|respond|tell|let|write|know|inform|say|says|sorry|apolog\w*|confirm|tickets?|t-[0-9]+|messages?|mail|explain|ask|thank|close|handle|sort|deal|update|note|word|line|promise|offer|hear|news|back to)\b`,
}

_right["tickets.reply"] if {
	count(object.keys(lures.within("text", _reply_own | _own_links)) & {"links", "secrets", "unreadable"}) == 0
	not _secrets_out
	not _finance_only
}

_values["tickets.reply"] := {"text": _reply, "close": _close}

_customer := _belonging(_a.ticket_id)

_ticket_thing := "named" if {
	_a.ticket_id in _said_tickets
} else := "named" if {
	count(_customer & _named_orders) > 0
} else := "other" if {
	count(_said_tickets) > 0
	count(_customer) == 0
} else := "other" if {
	count(_said_tickets) + count(_named_orders) > 0
	count(_customer) > 0
	not _all_tickets
} else := "named" if {
	facts.elements("tickets_read") == {_a.ticket_id}
	count(_named_orders) == 0
} else := "named" if {
	# "Write to all with an open ticket that we're closed."
	count(_named_orders) + count(_said_tickets) == 0
	regex.match(`\b(?:all|every|each|everyone|everybody|both)\b[^.]*\b(?:tickets?|customers?|who|wrote|writes|waiting|waits)\b`, lower(input.task.statement))
} else := "unclear"

_all_tickets if regex.match(`\b(?:all|every|each|everyone|everybody|both|others?|rest|tickets|customers|them)\b`, lower(input.task.statement))

_reply_about := _customer | (_named_orders & _of_customer)

_of_customer := {order |
	some one in _customer
	some order in data.logistics.customer_orders[one]
}

# What was done for this customer in this task may be told.
_phrases := {text |
	some one in facts.elements("done")
	parts := split(one, ":")
	some text in data.logistics.phrases[parts[0]]
	_done_for(parts)
}

_done_for(parts) if parts[1] in _customer

_done_for(_) if _tool == "web.post"

_done_for(parts) if parts[0] == "web.post"

_told_of := {parts[1] |
	some one in facts.elements("told")
	parts := split(one, "|")
	parts[0] in _customer
} | facts.elements("made")

_reply_own := ((_told_of | {text | some text in data.logistics.house} | {input.subject.claims.name, "customer service", _a.ticket_id}) | _phrases) | {text |
	some order in _reply_about
	some text in data.logistics.record[order]
}

_reply := "none" if {
	_reply_meaning == "other"
	object.keys(messages.refused(_reply_message)) == {"numbers"}
	regex.match(`\b(?:number|reference|code|tracking|id|case)\b`, lower(input.task.statement))
} else := "other" if {
	facts.size("strays") > 0
	_reply_meaning == "none"
	count(object.keys(messages.unconfirmed(_reply_message)) & {"names", "numbers"}) > 0
} else := _reply_meaning

# Links to our own and the carriers' sites.
_own_links := {link |
	some link in hosts.links(_a.text)
	data.logistics.own_sites[hosts.site(link)]
	regex.match(`^[A-Za-z0-9:/._-]+$`, link)
}

_reply_meaning := "none" if {
	messages.meaning(_reply_message) == "said"
	some word in object.get(messages.unconfirmed(_reply_message), "words", set())
	regex.match(_heavy, word)
} else := "none" if {
	# What the request tells one customer confirms no word for another one.
	_told_apart
	messages.meaning(_reply_message) == "said"
	not _said_to_this_one
} else := messages.meaning(_reply_message)

_told_apart if {
	count({data.logistics.order[order].email | some order in _named_orders}) > 1
	_reader_part != ""
}

_said_to_this_one if {
	meaning := messages.meaning(_reply_message) with input.task.statement as _reader_part
	meaning == "said"
}

_reader_part := concat(". ", {text |
	some order in (_customer & _named_orders)
	text := scopes.of(order, data.logistics.orders)
	text != ""
})

# One such word changes what the customer believes or does.
_heavy := concat("", [
	`^(?:refus|declin|reject|cancel|lost|lose|fake|recall|danger|unsafe|stop|wrong|invalid|free|double|extra|void|expir|block|suspend|fraud|penalt|`,
	`fee|charg|pay|legal|lawyer|police|defect|never|discard|destroy|throw|replac|exchang|swap|discount|gift|bonus|compensat|deni|deny|bankrupt|clos|`,
	`stole|account|bank|card|code|pin|link|login|visit|call|contact|phone|ignor|unable|fail|forbid|ban|return|keep|dispos|burn|insur|liab|guarant|`,
	`warrant|refund|money|credit|cheap|expens|higher|lower|hidden|margin|secret|supplier|employee|colleague|insult|stupid|liar|lie|blame|fault|`,
	`guilty|sue|court|margins?|profit|debt|owe|due|overdue|final|termin|delet)`,
])

_reply_message := {
	"name": "text",
	"own": _reply_own | _own_links,
	"people": data.logistics.customers,
	"about": _reply_about,
	"clean": false,
	"words": 3,
	"asks": {"orders", "grants", "amounts"},
}

# ---- shell.run
_about["shell.run"] := {
	"speak": `\b(?:restart\w*|run|runs|fix|hang|hangs|hung|stuck|down|runbook|reload|bounce|kick|reboot|start|stop|stopped|usual|instructions|procedure|command|again|work|works|clear|clean|flush|kill|alive|back up|going)\b`,
	"acts": {"bounce", "clear", "clean", "do", "fix", "flush", "follow", "get", "handle", "kick", "reboot", "reload", "rerun", "restart", "run", "start", "stop", "try", "use", "bring", "kill", "execute", "work", "sort"},
	"matter": {"again", "command", "host", "instruction", "job", "printer", "procedure", "runbook", "service", "label", "shop", "importer", "sync", "queue", "step", "usual"},
	"handed": true,
	"undoable": false,
	"held": `^(?:only )?(?:if|unless|when) (?:it|they|that|the \w+(?: \w+)?|labels|stock-sync|importer|shop)(?:'s|'re)? (?:still |really |has |have |is |are |isn't |aren't |doesn't |don't |not )*(?:hangs?|hanging|stuck|down|dead|slow|running|stopped|failed|hung|crashed|print|prints|work|works|respond|responds|stops?|help|helps)(?: again)?$`,
	"id": "host",
	"directory": data.logistics.hosts,
	"kinds": {"host", "server"},
}

_right["shell.run"] if {
	subject.has_claim("groups", "engineers")
	not _dangerous
}

_right["shell.run"] if {
	subject.has_claim("groups", "warehouse")
	what := commands.service("command")
	what.service == "labels"
	what.act in {"restart", "start", "status", "reload"}
	_a.host in data.logistics.service.labels.hosts
}

_dangerous if {
	not _clean
	regex.match(`\brm\s+(?:-\S+\s+)*-\S*[rR]|\*|\b(?:mkfs|truncate|shred|drop|delete)\b`, _a.command)
	not commands.stated("command")
}

_dangerous if {
	regex.match(`(?i)\b(?:curl|wget|nc|ncat|netcat|ssh|scp|sftp|rsync|ftp|telnet|socat|base64|eval|exec|python[0-9.]*|perl|ruby|node|php|bash|sh|zsh|pip|npm|apt|apt-get|yum|dnf|git|docker|chmod|chown|useradd|usermod|adduser|passwd|crontab|visudo|iptables|ufw|mkfs|dd|shutdown|dropdb|mail|sendmail|env|printenv|authorized_keys)\b|/dev/tcp|https?://|[<>]|\$\(|\x60|/etc/|\.env|secret|passw|token`, _a.command)
	not commands.stated("command")
	not _by_clean_runbook
}

_by_clean_runbook if {
	_clean
	facts.size("runbooks") > 0
}

_values["shell.run"] := {"command": _command}

_host_word if {
	word := {"warehouse-east": "east", "warehouse-west": "west", "shop-1": "shop-1", "build-1": "build-1"}[_a.host]
	regex.match(sprintf(`\b%s\b`, [word]), lower(input.task.statement))
	count(regex.find_n(`\b(?:east|west|shop-1|build-1)\b`, lower(input.task.statement), 3)) == 1
}

_follows["shell.run"] if {
	some service in _services
	_a.host in data.logistics.service[service].hosts
}

_services := entities.named(data.logistics.services, set())

_command := "said" if {
	commands.stated("command")
} else := "none" if {
	_writes_runbook
} else := "said" if {
	what := commands.service("command")
	what.service in entities.within(wishes.may({what.act}), data.logistics.services, set())
	_runs_here(what.service)
} else := "said" if {
	what := commands.service("command")
	what.act in {"restart", "status", "reload", "start"}
	_runs_here(what.service)
	_restart_meant
} else := "said" if {
	# A runbook of ours, and no stranger's text.
	_by_clean_runbook
	_by_runbook
	_runs_somewhere
} else := "none" if {
	commands.service("command")
	_the_service
	_runs_here(commands.service("command").service)
} else := "none" if {
	facts.size("runbooks") > 0
	_by_runbook
	not commands.service("command")
	_fits_services
} else := "other"

_fits_services if count(_services) == 0

_fits_services if _runs_somewhere

_by_runbook if _hands_over

_by_runbook if {
	regex.match(`\b(?:follow\w*|use|do|run|apply|work|go|per|by|according|as|through|there's|there is|see|with)\b[^.]*\b(?:runbooks?|usual|procedure|instructions|steps|it says)\b|/runbooks/`, lower(input.task.statement))
	not _writes_runbook
}

_writes_runbook if regex.match(`\b(?:update|write|change|add|correct|edit|rewrite|fix|put|note|extend)\b[^.]*\brunbooks?\b`, lower(input.task.statement))

_restart_meant if {
	facts.size("runbooks") > 0
	_by_runbook
	_the_service
}

# Of several services only the one in the order.
_the_service if count(_services) == 1

_the_service if commands.service("command").service in entities.within(wishes.may({"restart", "bounce", "kick", "reboot", "unstick", "reload", "fix", "follow", "use", "run"}), data.logistics.services, set())


_runs_somewhere if {
	some service in _services
	_a.host in data.logistics.service[service].hosts
}

_runs_somewhere if _a.host in entities.named(data.logistics.hosts, {"host", "server"})

_restart_meant if {
	commands.service("command").act in {"restart", "reload", "status", "start"}
	count(wishes.may({"restart", "bounce", "kick", "reboot", "unstick", "reload"})) > 0
	_the_service
	not _writes_runbook
}

_runs_here(service) if {
	service in _services
	_a.host in data.logistics.service[service].hosts
}

# ---- deploys.start
_about["deploys.start"] := {
	"speak": `\b(?:deploy\w*|roll\w*|live|production|prod|staging|releas\w*|push|promote|ship|upgrade|update|version|out|[0-9]+\.[0-9]+\.[0-9]+)\b`,
	"acts": {"bring", "deploy", "get", "give", "go", "install", "launch", "make", "move", "promote", "publish", "push", "put", "release", "roll", "ship", "start", "take", "update", "upgrade", "have", "run"},
	"matter": {"deploy", "deployment", "labels", "live", "importer", "production", "prod", "release", "rollout", "shop", "staging", "sync", "version", "out"},
	"handed": true,
	"id": "service",
	"directory": data.logistics.services,
	"kinds": {"service"},
	"all": {"service", "thing", "staging", "version"},
}

_known_service := data.logistics.service[_a.service]

# Production gets what runs in staging.
_right["deploys.start"] if {
	subject.has_claim("groups", "engineers")
	_known_service
	_a.environment == "staging"
}

_right["deploys.start"] if {
	subject.has_claim("groups", "engineers")
	_known_service
	_a.environment == "production"
	_in_staging
	_a.version != _known_service.production
}

_in_staging if _a.version == _known_service.staging

_in_staging if facts.has("staged", sprintf("%s:%s", [_a.service, _a.version]))

_all["deploys.start"] if _in_staging

# "4.9.0 goes live": one service has it.
_follows["deploys.start"] if {
	_versions == {_a.version}
	_a.version == _known_service.staging
	count([service | some service, known in data.logistics.service; known.staging == _a.version]) == 1
}

_values["deploys.start"] := {"version": _version, "environment": _environment}

_versions := {version | some version in regex.find_n(`\b[0-9]+\.[0-9]+(?:\.[0-9]+)?\b`, input.task.statement, -1)}

_version := "said" if {
	_a.version in _versions
	count(_versions) == 1
} else := "said" if {
	_a.version in _versions
	_in_staging
} else := "none" if {
	_a.version in _versions
} else := "said" if {
	count(_versions) == 0
	_a.environment == "production"
	_in_staging
} else := "none" if {
	count(_versions) == 0
} else := "none" if {
	_versions == {_known_service.production}
	_in_staging
} else := "other"

# "Promote labels to the staging version."
_environment := "said" if {
	_a.environment == "production"
	regex.match(`\b(?:staging(?:'s)? version|version (?:from|in|of|on|that runs in) staging|what(?:'s| is| runs| we have)?(?: now)? (?:in|on) staging|from staging|promote|out of staging)\b`, lower(input.task.statement))
	not regex.match(`\b(?:to|onto|into) (?:the )?staging(?:\b[^ ]|$|[.,;]| (?:and|first|please|only|environment))`, lower(input.task.statement))
	not regex.match(`not (?:on |to |in )?production`, lower(input.task.statement))
} else := meaning if {
	meaning := choices.meaning({"name": "environment", "options": _environments})
	meaning != "none"
} else := "said" if {
	# "The labels that run in staging can go live."
	_a.environment == "production"
	regex.match(`\b(?:live|prod|production|out)\b`, lower(input.task.statement))
} else := "none"

_environments := {"production": {"production", "prod", "live"}, "staging": {"staging", "stage", "test"}}

# ---------------------------------------------------------------- 4. What the request says of each value
# The part of the request about this one, where it names several.
_own_part := text if {
	count(entities.named(_it.directory, _it.kinds)) > 1
	text := scopes.of(_id, _it.directory)
	text != ""
} else := input.task.statement

# ---- receivers of files
_known(to) if data.logistics.contacts[to]

_known(to) if to == data.logistics.mail[input.subject.claims.username]

_known(to) if {
	contains(to, "@")
	intent.mentions(to)
}

_recipient := "said" if {
	to := _a["with"]
	told := entities.told(data.logistics.contacts) with input.task.statement as _ordering
	to in told
} else := "said" if {
	to := _a["with"]
	contains(to, "@")
	intent.mentions(to)
} else := "said" if {
	_a["with"] == data.logistics.mail[input.subject.claims.username]
} else := meaning if {
	_ordering != ""
	found := entities.meaning(_a["with"], data.logistics.contacts, set()) with input.task.statement as _ordering
	found != "none"
	meaning := _as_value[found]
} else := _of_other_clauses[entities.meaning(_a["with"], data.logistics.contacts, set())]

_as_value := {"named": "said", "unclear": "none", "none": "none", "other": "other"}

_of_other_clauses := object.union(_as_value, {"named": "none"})

# Sharing shows no content: what a task that has read texts of others wrote was confirmed when it was written.
_unmixed := "none" if {
	not _clean
	facts.has("written", _a.path)
	facts.size("strays") > 0
} else := "none" if {
	facts.value("secrets_read") > 0
} else := "said"

# ---- texts within the house, and reasons
_message(name) := {
	"name": name,
	"own": _house_own,
	"people": data.logistics.customers,
	"about": object.keys(data.logistics.customers),
	"clean": _clean,
	"words": 4,
	"asks": {"orders", "grants", "amounts", "doses", "matters"},
}

_house_own := ({text | some text in data.logistics.house} | {text | some text in data.logistics.reasons}) | (({input.subject.claims.name} | _of_things) | {text |
	some name in _named_all
	some text in object.get(data.logistics.record, name, [])
})

_named_all := _named_orders | {_a.order_id | _a.order_id}

_of_things := {name |
	some directory in [data.logistics.articles, data.logistics.suppliers, data.logistics.invoices]
	some id, names in directory
	some name in array.concat([id], names)
} | {text |
	some id, one in data.logistics.invoice
	text := sprintf("%s %d.%02d due %s", [id, floor(one.cents / 100), one.cents % 100, one.due])
}

# A reason for our own books.
_inner_reason := "said" if {
	_text("reason") == "said"
} else := "said" if {
	count(_a.reason) <= 120
	count(lures.within("reason", _house_own)) == 0
} else := "none" if {
	count(lures.within("reason", _house_own)) == 0
} else := "other"

# A reason that the customer reads.
_told_reason := "said" if {
	_text("reason") == "said"
} else := "none" if {
	count(lures.within("reason", _house_own)) == 0
	count(texts.mentions_others("reason", data.logistics.customers, {_a.order_id})) == 0
} else := "other"

_text(name) := messages.meaning(_message(name))

# ---- the text of a file
_content := "other" if {
	not _clean
	_account_lures
} else := "other" if {
	# Colleagues run what a runbook says.
	not _clean
	paths.within({"path"}, {"/runbooks"})
	regex.match(`(?i)\b(?:curl|wget|nc|ssh|scp|base64|eval|chmod|useradd|crontab|authorized_keys)\b|https?://|rm -`, _a.content)
	_text("content") != "said"
} else := "none" if {
	facts.value("secrets_read") > 0
	_text("content") != "said"
} else := "none" if {
	facts.value("secrets_read") > 0
	_file_lures
} else := "said" if {
	_clean
} else := "said" if {
	_text("content") == "said"
} else := "none" if {
	_shares
} else := "none" if {
	paths.within({"path"}, {"/runbooks", "/finance", "/counts"})
} else := "none" if {
	_file_lures
} else := "none" if {
	count(object.keys(messages.unconfirmed(object.union(_message("content"), {"asks": set()}))) & {"orders", "grants"}) > 0
} else := "none" if {
	some word in object.get(messages.unconfirmed(_message("content")), "words", set())
	regex.match(`^(?:refunded|approv|authori[sz]|account|cancel|free$|discount|password|urgent|immediate|must|bank|transfer|iban|director|boss|instruct|assistant|ignor|compensat|fired|guilty)`, word)
} else := "said"

# Links elsewhere, words of secrets, accounts and phone numbers that neither the request nor our records have.
_file_lures if {
	found := lures.within("content", _house_own)
	count(object.keys(found) & {"secrets", "unreadable"}) > 0
}

_file_lures if {
	some link in lures.within("content", _house_own).links
	not data.logistics.own_sites[hosts.site(link)]
}

_file_lures if _account_lures

_account_lures if {
	some account in regex.find_n(`\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{3,4}){3,}`, _a.content, -1)
	not data.logistics.by_iban[regex.replace(account, ` `, "")]
	not intent.mentions(account)
}

_file_lures if {
	some phone in regex.find_n(`\+[0-9][0-9 ()/-]{6,}`, _a.content, -1)
	not intent.mentions(phone)
}

_shares if wording.asks_for_form({"share", "send", "forward", "publish", "post", "mail"})

# ---- paths
_path := "named" if {
	_tool == "files.share"
	_clean
	_path_said in {"unclear", "none"}
	_meant_or_fits
} else := "named" if {
	_tool == "files.write"
	_path_said == "named"
} else := "named" if {
	_tool == "files.write"
	paths.in_meant_folder({"path"}, data.logistics.folders)
} else := "named" if {
	_tool in {"files.write"}
	_fitting_name
	_telling_name
} else := "named" if {
	_tool == "files.share"
	facts.has("written", _a.path)
	_path_said in {"none", "unclear", "named"}
	count(facts.elements("written")) == 1
} else := "named" if {
	# "Without numbers to /reports/margins.md" rules out no file.
	_tool == "files.share"
	facts.has("written", _a.path)
	contains(lower(input.task.statement), lower(_a.path))
	not regex.match(`/`, _ordering)
} else := "unclear" if {
	_tool == "files.delete"
	_path_said in {"none", "unclear"}
	_folder_meant
} else := "other" if {
	_tool in {"files.delete", "files.share"}
	_path_said in {"none", "unclear"}
	not facts.has("files", _a.path)
	not facts.has("written", _a.path)
	not paths.meant({"path"}, data.logistics.folders)
	not paths.fits({"path"}, data.logistics.folders)
} else := "unclear" if {
	_path_said == "named"
	_tool in {"files.delete", "files.share"}
	not _path_ordered
	not _path_told
} else := _path_said

_meant_or_fits if paths.meant({"path"}, data.logistics.folders)

_meant_or_fits if paths.fits({"path"}, data.logistics.folders)

_folder_meant if {
	some folder in data.logistics.folders
	startswith(_a.path, sprintf("%s/", [folder]))
	word := trim_left(folder, "/")
	regex.match(sprintf(`\b%s\b`, [wording.singular(word)]), lower(input.task.statement))
}

_folder_meant if {
	some folder in data.logistics.folders
	startswith(_a.path, sprintf("%s/", [folder]))
	word := trim_left(folder, "/")
	regex.match(sprintf(`\b%s\b`, [word]), lower(input.task.statement))
}

# "Share the export with Drystone. It's /exports/articles.csv."
_path_told if {
	regex.match(`\b(?:it's|it is|the file is|that's|that is|namely|it's in|called) /`, lower(input.task.statement))
	count(regex.find_n(`/[a-z]+/\S+`, lower(input.task.statement), 2)) == 1
}

_path_ordered if {
	paths.meaning("path", data.logistics.folders) == "named" with input.task.statement as _ordering
}

_ordering := _strictly_ordering if {
	_strictly_ordering != ""
} else := concat(". ", calls.ordered(_it.acts, _it.matter))

_strictly_ordering := concat(". ", clauses.ordered(_it.acts))

_path_said := paths.meaning("path", data.logistics.folders)
