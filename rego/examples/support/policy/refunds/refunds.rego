# METADATA
# title: Refunds
# description: |
#   A support desk handles refunds. Its agents read tickets, orders and customers, and create refunds of at most 100.00
#   each. All of it needs one purpose in a signed intent.
package policy.refunds

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.subject

_purpose := "refunds"

_max_amount_cents := 10000

_max_depth := 6

_for_refunds if intent.purpose_is(_purpose)

# Audience and scope of each tool that reads. No other tool is granted by the rule `read`.
_reads := {
	"customers.read": {"audience": "https://customers.internal", "scope": "customers:read"},
	"ledger.read": {"audience": "https://ledger.internal", "scope": "ledger:read"},
	"orders.read": {"audience": "https://orders.internal", "scope": "orders:read"},
	"tickets.read": {"audience": "https://tickets.internal", "scope": "tickets:read"},
	"tickets.search": {"audience": "https://tickets.internal", "scope": "tickets:read"},
}

# METADATA
# description: Members of the support team may start a task, limited to what the desk needs.
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
	_for_refunds
	subject.has_claim("groups", "support")
	chain.agent_in(data.support.agents)
}

# METADATA
# description: Agents of the desk may delegate to one another, for 15 minutes.
delegate contains {"code": "desk_agent", "limits": {"ttl_seconds": 900}} if {
	_for_refunds
	chain.receiver_in(data.support.agents)
}

# METADATA
# description: Reading tickets, orders, customers and the ledger.
# scope: document
grant contains {"code": "read", "credential": credentials.jwt(backend.audience, [backend.scope], 60)} if {
	backend := _reads[input.tool.name]
	_for_refunds
}

# METADATA
# description: Creating one refund within the limit.
grant contains {
	"code": "refund",
	"credential": credentials.once("https://refunds.internal", ["refunds:write"], 60),
} if {
	input.tool.name == "refunds.create"
	_for_refunds
	arguments.in_range("amount_cents", 1, _max_amount_cents)
}

# METADATA
# description: Writing to customers of the desk. The mail server needs no credential.
grant contains {"code": "mail"} if {
	input.tool.name == "mail.send"
	_for_refunds
	arguments.all_in("to", data.support.customers)
}

# METADATA
# description: An unexpired credential may be replaced while the task runs.
renew contains {"code": "still_working", "ttl_seconds": 60} if _for_refunds

# METADATA
# description: The denial of a refund above the limit gives the limit.
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
# description: A refund needs the signed purpose.
deny contains {
	"code": "purpose_mismatch",
	"message": sprintf("refunds.create needs the signed purpose %q", [_purpose]),
} if {
	input.tool.name == "refunds.create"
	not _for_refunds
}

# METADATA
# description: Every workload in the chain must be an agent of the desk.
deny contains {
	"code": "agent_not_trusted",
	"message": sprintf("not agents of the support desk: %s", [concat(", ", others)]),
} if {
	others := chain.holders_not_in(data.support.agents)
	count(others) > 0
}

# METADATA
# description: The chain has a maximum depth.
deny contains {
	"code": "chain_too_deep",
	"message": sprintf("the chain holds %v links, the limit is %v", [input.delegation.depth, _max_depth]),
} if {
	not chain.depth_at_most(_max_depth)
}
