# METADATA
# title: Depth of a chain
# description: Each tool has a largest distance from the person, and the chain only known workloads.
package policy.delegation_depth

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.credentials
import data.tabard.lib.intent

_shop := "https://shop.internal"

_known := data.delegation_depth

start contains {"code": "order_desk", "limits": {
	"tools": object.keys(_known.tools),
	"audiences": [_shop],
	"scopes": ["orders:cancel", "orders:read", "refunds:write"],
	"purposes": ["order_desk"],
	"budgets": {"refund_cents": 10000},
	"max_depth": 5,
	"max_children": 10,
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("order_desk")
	chain.agent_in(_known.agents)
}

delegate contains {"code": "desk_agent", "limits": {"ttl_seconds": 600}} if {
	intent.purpose_is("order_desk")
	chain.receiver_in(_known.agents)
}

grant contains {"code": "use_order", "credential": credentials.once(_shop, [scope], 30)} if {
	scope := {"orders.cancel": "orders:cancel", "orders.read": "orders:read"}[input.tool.name]
	intent.purpose_is("order_desk")
	arguments.only({"order_id"})
	arguments.matches("order_id", "O-[0-9]{1,9}")
}

grant contains {
	"code": "refund",
	"credential": credentials.once(_shop, ["refunds:write"], 30),
	"charges": {"refund_cents": input.tool.arguments.amount_cents},
} if {
	input.tool.name == "refunds.create"
	intent.purpose_is("order_desk")
	arguments.only({"amount_cents", "order_id"})
	arguments.matches("order_id", "O-[0-9]{1,9}")
	arguments.whole_in_range("amount_cents", 1, 5000)
}

deny contains {"code": "too_far_from_the_person", "message": "Ask an agent nearer to the person."} if {
	input.tool.name
	not _near_enough
}

deny contains {"code": "unknown_agent", "message": "An agent of the chain isn't one of the order desk."} if {
	not chain.all_in(_known.agents)
}

_near_enough if chain.depth_at_most(_known.tools[input.tool.name])
