# METADATA
# title: Accounts
# description: |
#   The data holds 500 people with their roles and accounts, and the permissions of each role. Every rule looks values
#   up by keys from the input and never iterates over all people. So a decision takes as long for 500 people as for
#   five.
package policy.accounts

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent

_backend := "https://core.bank.internal"

# The person's entry: one lookup, undefined for an unknown person.
_person := data.bank.people[input.subject.issuer][input.subject.id]

# Permissions of the person's roles for this tool: one lookup for each of the roles.
_permissions contains permission if {
	some role in _person.roles
	permission := data.bank.roles[role][input.tool.name]
}

# The highest limit among the roles; undefined if no role permits the tool.
_limit := max({permission.max_cents | some permission in _permissions})

_account := arguments.text("account")

_owns_account if _person.accounts[_account]

# METADATA
# description: A person in the data may start a task for a purpose of their roles.
start contains {"code": "known_person", "limits": {
	"tools": ["accounts.*", "transfers.create"],
	"audiences": [_backend],
	"scopes": ["accounts:read", "transfers:write"],
	"purposes": [input.task.purpose],
	"max_depth": 8,
	"max_children": 25,
	"ttl_seconds": 1800,
}} if {
	some role in _person.roles
	input.task.purpose in data.bank.purposes[role]
	intent.trusted
}

# METADATA
# description: Agents of the bank may delegate to one another.
delegate contains {"code": "bank_agent", "limits": {"ttl_seconds": 600}} if {
	data.bank.agents[input.request.holder]
}

# METADATA
# description: Reading the person's own account.
grant contains {"code": "own_account", "credential": credentials.jwt(_backend, ["accounts:read"], 60)} if {
	input.tool.name in {"accounts.read", "accounts.list_transactions"}
	count(_permissions) > 0
	_owns_account
}

# METADATA
# description: Paying from the person's own account, up to the limit of the roles.
grant contains {"code": "transfer", "credential": credentials.once(_backend, ["transfers:write"], 30)} if {
	input.tool.name == "transfers.create"
	_owns_account
	arguments.in_range("amount_cents", 1, _limit)
}

# METADATA
# description: Every workload in the chain must be an agent of the bank.
deny contains {
	"code": "foreign_agent",
	"message": sprintf("%s is not an agent of the bank", [link.holder]),
} if {
	some link in input.delegation.chain
	not data.bank.agents[link.holder]
}

# METADATA
# description: No payment goes to a blocked account.
deny contains {"code": "receiver_blocked", "message": sprintf("account %s is blocked", [receiver])} if {
	input.tool.name == "transfers.create"
	receiver := arguments.text("to")
	data.bank.blocked[receiver]
}
