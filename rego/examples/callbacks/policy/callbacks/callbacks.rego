# METADATA
# title: Writing back to customers
# description: |
#   Limits what many harmless calls can add up to. A task sends at most three mails. Once it has read text that
#   customers wrote, a person approves each mail. Belongs to the support desk of the example `support`.
package policy.callbacks

import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.subject

_purpose := "callbacks"

# METADATA
# description: Members of the support team may start a task, which may send three mails.
start contains {"code": "callbacks", "limits": {
	"tools": ["tickets.read", "mail.send"],
	"audiences": ["https://tickets.internal"],
	"scopes": ["tickets:read"],
	"purposes": [_purpose],
	"budgets": {"mails": 3},
	"max_depth": 2,
	"max_children": 20,
	"ttl_seconds": 600,
}} if {
	intent.purpose_is(_purpose)
	subject.has_claim("groups", "support")
}

# METADATA
# description: Reading a ticket. Customers write tickets.
grant contains {
	"code": "read_ticket",
	"labels": ["untrusted"],
	"credential": credentials.jwt("https://tickets.internal", ["tickets:read"], 60),
} if {
	input.tool.name == "tickets.read"
	intent.purpose_is(_purpose)
}

# METADATA
# description: Sending a mail.
grant contains {"code": "write_back", "charges": {"mails": 1}} if {
	input.tool.name == "mail.send"
	intent.purpose_is(_purpose)
}

# METADATA
# description: After a ticket was read its author may be steering the agent, so a person approves the mail.
ask contains {
	"code": "after_reading",
	"approvers": ["desk_lead"],
	"reason": "the agent read customers' text before it wrote this mail",
	"uses": 1,
	"ttl_seconds": 300,
} if {
	input.tool.name == "mail.send"
	intent.purpose_is(_purpose)
	labels.untrusted
}
