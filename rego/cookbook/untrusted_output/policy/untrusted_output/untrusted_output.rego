# METADATA
# title: Tool outputs that give instructions
# description: Only what the signed request orders is cancelled; what a ticket may have meant is asked about.
package policy.untrusted_output

import data.tabard.lib.arguments
import data.tabard.lib.entities
import data.tabard.lib.facts
import data.tabard.lib.intent
import data.tabard.lib.wishes

_known := data.untrusted_output

_order := arguments.text("order_id")

start contains {"code": "tickets", "limits": {
	"tools": ["orders.cancel", "tickets.read"],
	"purposes": ["tickets"],
	"budgets": {"questions": 5},
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("tickets")
}

grant contains {"code": "read_ticket", "labels": ["untrusted"], "facts": {"tickets_read": {_ticket}}} if {
	input.tool.name == "tickets.read"
	intent.purpose_is("tickets")
	arguments.only({"ticket_id"})
	_known.tickets[_ticket]
}

grant contains {"code": "cancel"} if {
	_cancels
	_ordered
}

grant contains {"code": "cancel_as_asked", "charges": {"questions": 1}} if {
	_left_to_ticket
}

ask contains {
	"code": "from_a_ticket",
	"approvers": ["requester"],
	"reason": "Your request leaves this to a ticket. Look whether the customer wants this order cancelled.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_left_to_ticket
}

_ticket := arguments.text("ticket_id")

_cancels if {
	input.tool.name == "orders.cancel"
	intent.purpose_is("tickets")
	arguments.only({"order_id"})
	_known.orders[_order]
}

_ordered if _order in entities.ordered({"cancel"}, _known.orders, {"order"})

# The request follows a ticket that was read, and the order is of the ticket's customer.
_left_to_ticket if {
	_cancels
	not _ordered
	wishes.follows
	entities.meaning(_order, _known.orders, {"order"}) == "none"
	some ticket in facts.elements("tickets_read")
	_order in _known.tickets[ticket].orders
}
