package policy.read_only_agents_test

import data.policy.read_only_agents

_call(agent, hops, tool, hint) := {
	"operation": "authorize",
	"agent": {"id": agent},
	"delegation": {"chain": [{"holder": holder} | some holder in hops]},
	"task": {"purpose": "observation", "intent_source": "signed"},
	"tool": {"name": tool, "arguments": {"metric": "cpu"}, "annotations": {"readOnlyHint": hint}},
}

_data := {"observers": {"o": true}}

test_start if {
	count(read_only_agents.start) == 1 with input as _call("o", [], "", true) with data.read_only_agents as _data
	read_only_agents.start == set() with input as _call("x", [], "", true) with data.read_only_agents as _data
}

test_observers_read if {
	count(read_only_agents.grant) == 1 with input as _call("o", [], "metrics.query", true)
		with data.read_only_agents as _data
	read_only_agents.deny == set() with input as _call("o", [], "metrics.query", true) with data.read_only_agents as _data
	read_only_agents.grant == set() with input as _call("o", [], "metrics.query", false)
		with data.read_only_agents as _data
}

test_and_change_nothing if {
	every request in [_call("o", [], "alerts.silence", false), _call("x", ["o", "x"], "alerts.silence", false)] {
		count(read_only_agents.deny) == 1 with input as request with data.read_only_agents as _data
	}
	read_only_agents.deny == set() with input as _call("x", [], "alerts.silence", false)
		with data.read_only_agents as _data
}
