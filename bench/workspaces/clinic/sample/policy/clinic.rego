# METADATA
# title: A sample, which only proves the runner
# description: |
#   Reading is allowed. Writing is allowed if the request has a word for it, and asks once text of people outside was
#   read. Nothing is granted that goes to people outside.
# custom:
#   tabard:
#     labels: [outside]
package policy.clinic

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.tools
import data.tabard.lib.wording

_backend := "https://clinic.example"

_words := {
	"appointments.move": wording.change,
	"patients.update_contact": wording.change,
	"portal.reply": (wording.send | {"know"}),
	"prescriptions.issue": (wording.create | {"issue"}),
	"prescriptions.send": wording.send,
	"staff.message": wording.send,
}

start contains {"code": "clinic", "limits": {
	"audiences": [_backend],
	"scopes": ["read", "write"],
	"tools": ["*"],
	"ttl_seconds": 900,
}} if intent.trusted

grant contains {"code": "read", "credential": credentials.jwt(_backend, ["read"], 60)} if tools.read_only

grant contains {"code": "write", "credential": credentials.once(_backend, ["write"], 60)} if {
	wording.asks_for(_words[input.tool.name])
}

ask contains {
	"approvers": ["requester"],
	"code": "after_reading",
	"reason": "The assistant has read what others wrote.",
	"ttl_seconds": 900,
	"uses": 1,
} if {
	_words[input.tool.name]
	labels.has("outside")
	not arguments.all_in("to", {"ghaddad"})
}
