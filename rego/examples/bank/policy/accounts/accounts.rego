# METADATA
# title: Accounts
# description: |
#   Who may do what stands in data: 500 people, each with roles and accounts, and what each role may do. Every question
#   is answered by looking things up under the keys that the input names; nothing iterates over all people, so the
#   answer takes as long for 500 people as for five.
package policy.accounts

import data.tabard.lib.arguments
import data.tabard.lib.intent

# The person's entry: one lookup, undefined for strangers.
_person := data.bank.people[input.subject.issuer][input.subject.id]

# What the person's roles allow for this tool: one lookup for each of the person's own roles.
_permissions contains permission if {
	some role in _person.roles
	permission := data.bank.roles[role][input.tool.name]
}

# The most that any of the roles allows; undefined if none of them allows the tool.
_limit := max({permission.max_cents | some permission in _permissions})

_account := arguments.text("account")

_owns_account if _person.accounts[_account]

# METADATA
# description: People who are known start tasks for the purposes that their roles serve.
start contains {"code": "known_person", "limits": {
	"tools": ["accounts.*", "transfers.create"],
	"audiences": ["https://core.bank.internal"],
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
# description: Agents of the bank hand work to one another.
delegate contains {"code": "bank_agent", "limits": {"ttl_seconds": 600}} if {
	data.bank.agents[input.request.holder]
}

# METADATA
# description: Reading the person's own accounts.
grant contains {"code": "own_account", "credential": {
	"kind": "jwt",
	"audience": "https://core.bank.internal",
	"scopes": ["accounts:read"],
	"ttl_seconds": 60,
}} if {
	input.tool.name in {"accounts.read", "accounts.list_transactions"}
	count(_permissions) > 0
	_owns_account
}

# METADATA
# description: Paying from the person's own account, up to what the roles allow.
grant contains {"code": "transfer", "credential": {
	"kind": "jwt",
	"audience": "https://core.bank.internal",
	"scopes": ["transfers:write"],
	"ttl_seconds": 30,
	"single_use": true,
}} if {
	input.tool.name == "transfers.create"
	_owns_account
	arguments.within("amount_cents", 1, _limit)
}

# METADATA
# description: Every agent in the chain is one of the bank's.
deny contains {
	"code": "foreign_agent",
	"message": sprintf("%s is no agent of the bank", [link.holder]),
} if {
	some link in input.delegation.chain
	not data.bank.agents[link.holder]
}

# METADATA
# description: Nothing is paid to an account that is blocked.
deny contains {"code": "receiver_blocked", "message": sprintf("account %s is blocked", [receiver])} if {
	input.tool.name == "transfers.create"
	receiver := arguments.text("to")
	data.bank.blocked[receiver]
}
