# METADATA
# title: Refunds
# description: |
#   A support desk works off refunds. Its agents read tickets, orders and customers and create refunds of at most
#   100.00 each, for one purpose and on a signed request only.
package policy.refunds

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.intent
import data.tabard.lib.subject

_purpose := "refunds"

_max_amount_cents := 10000

_max_depth := 6

# What each tool needs from its backend. A tool that isn't listed is never granted.
_reads := {
	"customers.read": {"audience": "https://customers.internal", "scope": "customers:read"},
	"ledger.read": {"audience": "https://ledger.internal", "scope": "ledger:read"},
	"orders.read": {"audience": "https://orders.internal", "scope": "orders:read"},
	"tickets.read": {"audience": "https://tickets.internal", "scope": "tickets:read"},
	"tickets.search": {"audience": "https://tickets.internal", "scope": "tickets:read"},
}

# METADATA
# description: Members of the support team may start the work, and each task gets no more than the desk needs.
start contains {"code": "refund_desk", "limits": {
	"tools": ["tickets.*", "orders.read", "customers.read", "ledger.read", "refunds.create", "mail.send"],
	"audiences": [
		"https://tickets.internal",
		"https://orders.internal",
		"https://customers.internal",
		"https://ledger.internal",
		"https://refunds.internal",
	],
	"scopes": ["tickets:read", "orders:read", "customers:read", "ledger:read", "refunds:write"],
	"purposes": [_purpose],
	"max_depth": _max_depth,
	"max_children": 50,
	"ttl_seconds": 3600,
}} if {
	intent.purpose_is(_purpose)
	subject.claims("groups", "support")
	chain.agent_in(data.support.agents)
}

# METADATA
# description: The desk's agents hand work to one another, for a quarter of an hour at a time.
delegate contains {"code": "desk_agent", "limits": {"ttl_seconds": 900}} if {
	intent.purpose_is(_purpose)
	chain.receiver_in(data.support.agents)
}

# METADATA
# description: Reading what the desk works on.
# scope: document
grant contains {"code": "read", "credential": {
	"kind": "jwt",
	"audience": backend.audience,
	"scopes": [backend.scope],
	"ttl_seconds": 60,
}} if {
	backend := _reads[input.tool.name]
	intent.purpose_is(_purpose)
}

# METADATA
# description: Creating a refund, once per credential.
grant contains {"code": "refund", "credential": {
	"kind": "jwt",
	"audience": "https://refunds.internal",
	"scopes": ["refunds:write"],
	"ttl_seconds": 60,
	"single_use": true,
}} if {
	input.tool.name == "refunds.create"
	intent.purpose_is(_purpose)
	arguments.within("amount_cents", 1, _max_amount_cents)
}

# METADATA
# description: Writing to customers of the desk. The mail server needs no credential of ours.
grant contains {"code": "mail"} if {
	input.tool.name == "mail.send"
	intent.purpose_is(_purpose)
	arguments.all_in("to", data.support.customers)
}

# METADATA
# description: A credential that has not expired may be replaced while the task runs.
renew contains {"code": "still_working", "ttl_seconds": 60} if intent.purpose_is(_purpose)

# METADATA
# description: A refund above the limit names the limit.
# scope: document
deny contains {
	"code": "amount_too_high",
	"message": sprintf("amount_cents is %v, the limit is %v", [amount, _max_amount_cents]),
} if {
	input.tool.name == "refunds.create"
	amount := arguments.number("amount_cents")
	amount > _max_amount_cents
}

# METADATA
# description: Money moves only for the purpose that the person signed.
deny contains {
	"code": "purpose_mismatch",
	"message": sprintf("refunds.create needs the signed purpose %q", [_purpose]),
} if {
	input.tool.name == "refunds.create"
	not intent.purpose_is(_purpose)
}

# METADATA
# description: Every workload in the chain belongs to the desk.
deny contains {
	"code": "agent_not_trusted",
	"message": sprintf("not agents of the support desk: %s", [concat(", ", untrusted)]),
} if {
	untrusted := chain.untrusted(data.support.agents)
	count(untrusted) > 0
}

# METADATA
# description: A chain that is too deep is nobody's plan.
deny contains {
	"code": "chain_too_deep",
	"message": sprintf("the chain holds %v links, the limit is %v", [input.delegation.depth, _max_depth]),
} if {
	not chain.depth_at_most(_max_depth)
}
