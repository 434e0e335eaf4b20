# METADATA
# title: Once for each order
# description: One replacement for each order, and ten in a task.
package policy.once_per_order

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.intent

_warehouse := "https://warehouse.internal"

_order := arguments.text("order_id")

start contains {"code": "replacements", "limits": {
	"tools": ["replacements.create"],
	"audiences": [_warehouse],
	"scopes": ["replacements:write"],
	"purposes": ["replacements"],
	"budgets": {"replacements": 10},
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("replacements")
}

grant contains {
	"code": "replace",
	"credential": credentials.once(_warehouse, ["replacements:write"], 30),
	"charges": {"replacements": 1},
	"facts": {"replaced": {_order}},
} if {
	input.tool.name == "replacements.create"
	intent.purpose_is("replacements")
	arguments.only({"order_id"})
	data.once_per_order.orders[_order].state == "lost"
	not facts.has("replaced", _order)
}

deny contains {"code": "replaced_before", "message": "This order was replaced in this task."} if {
	input.tool.name == "replacements.create"
	facts.has("replaced", _order)
}
