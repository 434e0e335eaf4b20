# METADATA
# title: Look up before you write
# description: Records are changed only after this task has read them, in listed fields, to values of a known form.
package policy.look_before_write

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.intent

_crm := "https://crm.internal"

_customer := arguments.text("customer_id")

start contains {"code": "records", "limits": {
	"tools": ["customers.read", "customers.update"],
	"audiences": [_crm],
	"scopes": ["customers:read", "customers:write"],
	"purposes": ["records"],
	"budgets": {"changes": 20},
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("records")
}

grant contains {
	"code": "read_customer",
	"credential": credentials.once(_crm, ["customers:read"], 30),
	"facts": {"customers_seen": {_customer}},
} if {
	input.tool.name == "customers.read"
	intent.purpose_is("records")
	arguments.only({"customer_id"})
	arguments.matches("customer_id", "C-[0-9]{1,9}")
}

grant contains {
	"code": "change_customer",
	"credential": credentials.once(_crm, ["customers:write"], 30),
	"charges": {"changes": 1},
} if {
	input.tool.name == "customers.update"
	intent.purpose_is("records")
	arguments.only({"customer_id", "field", "value"})
	facts.has("customers_seen", _customer)
	arguments.matches("value", data.look_before_write.fields[arguments.text("field")])
}

deny contains {"code": "not_looked_up", "message": "Read the customer before you change the record."} if {
	input.tool.name == "customers.update"
	not _seen
}

_seen if facts.has("customers_seen", _customer)
