# METADATA
# title: Business hours
# description: Calls on weekdays from 09:00 to 18:00 in the customer's time zone, and not on holidays there.
package policy.business_hours

import data.tabard.lib.arguments
import data.tabard.lib.clock
import data.tabard.lib.intent

_customer := data.business_hours.customers[arguments.text("customer_id")]

start contains {"code": "callbacks", "limits": {
	"tools": ["calls.place"],
	"purposes": ["callbacks"],
	"budgets": {"calls": 20},
	"ttl_seconds": 3600,
}} if {
	intent.purpose_is("callbacks")
}

grant contains {"code": "call", "charges": {"calls": 1}} if {
	input.tool.name == "calls.place"
	intent.purpose_is("callbacks")
	arguments.only({"customer_id", "topic"})
	arguments.text_in("topic", data.business_hours.topics)
	_open
}

deny contains {
	"code": "outside_business_hours",
	"message": "Customers are called on their working days, 09:00 to 18:00.",
} if {
	input.tool.name == "calls.place"
	not _open
}

_open if {
	clock.weekday(_customer.zone)
	clock.between("09:00", "18:00", _customer.zone)
	today := clock.date(_customer.zone)
	holidays := data.business_hours.holidays[_customer.country][substring(today, 0, 4)]
	not today in holidays
}
