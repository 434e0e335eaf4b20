# METADATA
# title: Sub-agents that may do less
# description: Each agent that gets a part of the task has tools and a budget of its own.
package policy.sub_agents

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.credentials
import data.tabard.lib.intent

_bank := "https://bank.internal"

_known := data.sub_agents

start contains {"code": "orchestrator", "limits": {
	"tools": ["ledger.read", "payments.create"],
	"audiences": [_bank],
	"scopes": ["ledger:read", "payments:write"],
	"purposes": ["month_end"],
	"budgets": {"payment_cents": 100000},
	"max_depth": 2,
	"max_children": 5,
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("month_end")
	chain.agent_in(_known.orchestrators)
}

# Only the orchestrator hands on, and to each receiver what its entry says.
delegate contains {"code": "part_of_the_task", "limits": {
	"tools": part.tools,
	"budgets": {"payment_cents": part.cents},
	"max_depth": 2,
	"ttl_seconds": 600,
}} if {
	intent.purpose_is("month_end")
	chain.agent_in(_known.orchestrators)
	part := _known.parts[input.request.holder]
}

grant contains {"code": "read_ledger", "credential": credentials.jwt(_bank, ["ledger:read"], 60)} if {
	input.tool.name == "ledger.read"
	_part_has_tool
	arguments.only({"date"})
	arguments.matches("date", "20[0-9]{2}-[0-9]{2}-[0-9]{2}")
}

grant contains {
	"code": "pay",
	"credential": credentials.once(_bank, ["payments:write"], 30),
	"charges": {"payment_cents": input.tool.arguments.amount_cents},
} if {
	input.tool.name == "payments.create"
	_part_has_tool
	arguments.only({"account", "amount_cents", "reference", "supplier"})
	arguments.text_in("account", {_known.accounts[arguments.text("supplier")]})
	arguments.whole_in_range("amount_cents", 1, 50000)
	arguments.matches("reference", "[A-Za-z0-9 -]{1,35}")
}

deny contains {"code": "branch_pays", "message": "A named part of an agent reads. The agent itself pays."} if {
	input.tool.name == "payments.create"
	_through_branch
}

_through_branch if input.agent.sub_agent != ""

_through_branch if count(chain.sub_agents) > 0

_part_has_tool if {
	intent.purpose_is("month_end")
	input.tool.name in _known.parts[input.agent.id].tools
}
