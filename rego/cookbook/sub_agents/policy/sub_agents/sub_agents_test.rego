package policy.sub_agents_test

import data.policy.sub_agents

_call(agent, sub_agents, tool, arguments) := {
	"operation": "authorize",
	"agent": {"id": agent, "sub_agent": ""},
	"delegation": {"chain": [{"holder": agent, "sub_agent": name} | some name in sub_agents]},
	"request": {"holder": "p"},
	"task": {"purpose": "month_end", "intent_source": "signed"},
	"tool": {"name": tool, "arguments": arguments},
}

_pay(agent, cents, sub_agents) := _call(
	agent, sub_agents, "payments.create",
	{"supplier": "acme", "account": "A1", "amount_cents": cents, "reference": "R-1"},
)

_data := {
	"orchestrators": ["o"],
	"parts": {"r": {"tools": ["ledger.read"], "cents": 0}, "p": {"tools": ["payments.create"], "cents": 600}},
	"accounts": {"acme": "A1"},
}

test_the_orchestrator if {
	count(sub_agents.start) == 1 with input as _call("o", [], "", {}) with data.sub_agents as _data
	request := _call("o", [], "", {})
	{element.limits.tools | some element in sub_agents.delegate} == {["payments.create"]} with input as request
		with data.sub_agents as _data
	sub_agents.delegate == set() with input as _call("p", [], "", {}) with data.sub_agents as _data
}

test_each_has_its_part if {
	count(sub_agents.grant) == 1 with input as _call("r", [], "ledger.read", {"date": "2026-01-05"})
		with data.sub_agents as _data
	count(sub_agents.grant) == 1 with input as _pay("p", 100, [""]) with data.sub_agents as _data
	every request in [
		_pay("r", 100, []), _pay("o", 100, []), _pay("p", 50001, []), _call("p", [], "ledger.read", {"date": "2026-01-05"}),
	] {
		sub_agents.grant == set() with input as request with data.sub_agents as _data
	}
}

test_no_named_part_pays if {
	sub_agents.deny == set() with input as _pay("p", 100, [""])
	count(sub_agents.deny) == 1 with input as _pay("p", 100, ["", "helper"])
	count(sub_agents.deny) == 1 with input as _pay("p", 100, []) with input.agent as {"id": "p", "sub_agent": "helper"}
}
