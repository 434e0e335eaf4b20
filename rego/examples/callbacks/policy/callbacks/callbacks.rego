# METADATA
# title: Writing back to customers
# description: |
#   What many harmless calls add up to. A task writes a few mails and no more, and once it has read what strangers
#   wrote a person looks at each mail before it goes out. Stands beside the support example, whose desk it is.
package policy.callbacks

import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.subject

_purpose := "callbacks"

# METADATA
# description: The support team may have customers written to, three mails a task.
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
	subject.claims("groups", "support")
}

# METADATA
# description: Reading a ticket, which anybody may have written.
grant contains {
	"code": "read_ticket",
	"labels": ["untrusted"],
	"credential": {
		"kind": "jwt",
		"audience": "https://tickets.internal",
		"scopes": ["tickets:read"],
		"ttl_seconds": 60,
	},
} if {
	input.tool.name == "tickets.read"
	intent.purpose_is(_purpose)
}

# METADATA
# description: Writing a mail.
grant contains {"code": "write_back", "charges": {"mails": 1}} if {
	input.tool.name == "mail.send"
	intent.purpose_is(_purpose)
}

# METADATA
# description: Whoever wrote a ticket may have written the mail, too.
ask contains {
	"code": "after_reading",
	"approvers": ["desk_lead"],
	"reason": "the agent has read what customers wrote before it wrote this mail",
	"uses": 1,
	"ttl_seconds": 300,
} if {
	input.tool.name == "mail.send"
	intent.purpose_is(_purpose)
	labels.untrusted
}
