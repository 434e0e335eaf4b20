# METADATA
# title: Personal data
# description: Fields by purpose, and mail about a person to that person only.
package policy.personal_data

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.intent

_crm := "https://crm.internal"

_customer := arguments.text("customer_id")

start contains {"code": "customer_work", "limits": {
	"tools": ["customers.read", "mail.send"],
	"audiences": [_crm],
	"scopes": ["customers:read"],
	"purposes": [input.task.purpose],
	"budgets": {"mails": 5},
	"ttl_seconds": 900,
}} if {
	intent.purpose_in(data.personal_data.fields)
}

grant contains {
	"code": "read_fields",
	"credential": credentials.once(_crm, ["customers:read"], 30),
	"labels": ["personal"],
	"facts": {"customers_read": {_customer}},
} if {
	input.tool.name == "customers.read"
	intent.trusted
	arguments.only({"customer_id", "fields"})
	data.personal_data.customers[_customer]
	arguments.items_at_most("fields", 10)
	arguments.all_in("fields", data.personal_data.fields[input.task.purpose])
}

grant contains {"code": "write_to_customer", "charges": {"mails": 1}} if {
	input.tool.name == "mail.send"
	intent.purpose_in(data.personal_data.fields)
	arguments.only({"body", "subject", "to"})
	arguments.one_line("subject", 100)
	arguments.text("body")
	arguments.length_at_most("body", 2000)
	facts.size("customers_read") == 1
	some customer in facts.elements("customers_read")
	input.tool.arguments.to == [data.personal_data.customers[customer].email]
}

deny contains {
	"code": "several_customers_read",
	"message": "Write to a customer in a task that has read only this one.",
} if {
	input.tool.name == "mail.send"
	facts.size("customers_read") > 1
}
