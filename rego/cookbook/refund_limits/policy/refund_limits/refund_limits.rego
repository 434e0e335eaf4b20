# METADATA
# title: Refund limits
# description: At most what was paid, once for each order, and within a budget; large refunds need a team lead.
package policy.refund_limits

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.intent

_backend := "https://refunds.internal"

_order := arguments.text("order_id")

_cents := arguments.number("amount_cents")

start contains {"code": "refund_desk", "limits": {
	"tools": ["refunds.create"],
	"audiences": [_backend],
	"scopes": ["refunds:write"],
	"purposes": ["refunds"],
	"budgets": {"refund_cents": data.refund_limits.task_cents},
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("refunds")
}

grant contains {
	"code": "refund",
	"credential": credentials.once(_backend, ["refunds:write"], 30),
	"charges": {"refund_cents": _cents},
	"facts": {"refunded": {_order}},
} if {
	_refundable
}

ask contains {
	"code": "large_refund",
	"approvers": ["team_lead"],
	"reason": "This refund is larger than what the agent may pay back by itself.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_refundable
	_cents > data.refund_limits.alone_cents
}

deny contains {"code": "refunded_before", "message": "This order was refunded in this task."} if {
	input.tool.name == "refunds.create"
	facts.has("refunded", _order)
}

_refundable if {
	input.tool.name == "refunds.create"
	intent.purpose_is("refunds")
	arguments.only({"amount_cents", "order_id"})
	arguments.whole_in_range("amount_cents", 1, data.refund_limits.orders[_order].paid_cents)
	not facts.has("refunded", _order)
}
