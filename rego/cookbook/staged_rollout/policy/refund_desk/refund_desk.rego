# METADATA
# title: Refund desk
# description: The rule that decides already, refunds of at most 100.00.
package policy.refund_desk

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent

_backend := "https://refunds.internal"

start contains {"code": "refund_desk", "limits": {
	"tools": ["refunds.create"],
	"audiences": [_backend],
	"scopes": ["refunds:write"],
	"purposes": ["refunds"],
	"budgets": {"refund_cents": 50000},
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("refunds")
}

grant contains {
	"code": "refund",
	"credential": credentials.once(_backend, ["refunds:write"], 30),
	"charges": {"refund_cents": input.tool.arguments.amount_cents},
} if {
	input.tool.name == "refunds.create"
	intent.purpose_is("refunds")
	arguments.only({"amount_cents", "order_id"})
	arguments.matches("order_id", "O-[0-9]{1,9}")
	arguments.whole_in_range("amount_cents", 1, 10000)
}
