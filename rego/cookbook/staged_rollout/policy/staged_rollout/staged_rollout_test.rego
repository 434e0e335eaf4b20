package policy.staged_rollout_test

import data.policy.staged_rollout

_refund(agent, hops, cents) := {
	"operation": "authorize",
	"agent": {"id": agent},
	"delegation": {"chain": [{"holder": holder} | some holder in hops]},
	"tool": {"name": "refunds.create", "arguments": {"amount_cents": cents}},
}

_data(stage) := {"stage": stage, "agents": ["p"], "max_cents": 100}

test_some_agents if {
	every request in [
		_refund("p", [], 101), _refund("a", ["p", "a"], 101), _refund("p", [], "1"), _refund("p", [], null),
	] {
		count(staged_rollout.deny) == 1 with input as request with data.staged_rollout as _data("some_agents")
	}
	every request in [_refund("p", [], 100), _refund("a", [], 101)] {
		staged_rollout.deny == set() with input as request with data.staged_rollout as _data("some_agents")
	}
}

test_everywhere if {
	count(staged_rollout.deny) == 1 with input as _refund("a", [], 101) with data.staged_rollout as _data("everywhere")
}

test_a_stage_that_is_misspelt_means_all if {
	every stage in ["some_agent", "Some_agents", "", null] {
		count(staged_rollout.deny) == 1 with input as _refund("a", [], 101) with data.staged_rollout as _data(stage)
	}
}
