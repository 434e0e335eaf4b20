# METADATA
# title: An invented wholesaler
# description: |
#   As a first policy often is: each agent may use all tools of its department for every purpose, within wide limits.
package policy.company

import data.tabard.lib.credentials
import data.tabard.lib.intent

_tools := data.company.departments[data.company.agents[input.agent.id]]

_tool := data.company.tools[input.tool.name]

start contains {"code": "task", "limits": {
	"tools": ["*"],
	"audiences": ["https://erp.internal", "https://mail.internal", "https://files.internal", "https://web.internal"],
	"scopes": ["read", "write"],
	"max_depth": 4,
	"max_children": 20,
	"ttl_seconds": 28800,
	"budgets": {"cents": 50000000, "mails": 200},
}} if {
	data.company.agents[input.agent.id]
	input.task.purpose in data.company.purposes
	intent.trusted
}

delegate contains {"code": "hand_on"} if {
	data.company.agents[input.agent.id]
	data.company.agents[input.request.holder]
}

renew contains {"code": "go_on", "ttl_seconds": 900} if input.tool.name in _tools

grant contains {
	"code": "department",
	"credential": credentials.jwt(_tool.audience, [_tool.scope], 900),
} if {
	input.tool.name in _tools
	not _tool.cost
}

grant contains {
	"code": "department_mail",
	"credential": credentials.once(_tool.audience, [_tool.scope], 900),
	"charges": {"mails": 1},
} if {
	input.tool.name in _tools
	_tool.cost == "mails"
}

grant contains {
	"code": "department_money",
	"credential": credentials.once(_tool.audience, [_tool.scope], 900),
	"charges": {"cents": input.tool.arguments.amount_cents},
} if {
	input.tool.name in _tools
	_tool.cost == "cents"
	input.tool.arguments.amount_cents > 0
	input.tool.arguments.amount_cents <= 5000000
}
