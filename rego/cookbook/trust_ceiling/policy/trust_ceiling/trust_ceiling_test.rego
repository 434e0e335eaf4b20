package policy.trust_ceiling_test

import data.policy.trust_ceiling

_discount(groups, percent, holders) := {
	"operation": "authorize",
	"subject": {"claims": {"groups": groups}},
	"agent": {"id": "a"},
	"delegation": {"chain": [{"holder": holder} | some holder in holders]},
	"request": {"holder": "b"},
	"task": {"purpose": "customer_care", "intent_source": "signed"},
	"tool": {"name": "discounts.create", "arguments": {"customer_id": "C-1", "percent": percent}},
}

_data := {"roles": {"clerk": 15, "manager": 40}, "agents": {"a": 30, "b": 10}}

test_start_and_delegate if {
	count(trust_ceiling.start) == 1 with input as _discount(["clerk"], 1, []) with data.trust_ceiling as _data
	trust_ceiling.start == set() with input as _discount([], 1, []) with data.trust_ceiling as _data
	count(trust_ceiling.delegate) == 1 with input as _discount(["clerk"], 1, []) with data.trust_ceiling as _data
}

test_up_to_the_lowest_ceiling if {
	every request in [
		_discount(["clerk"], 15, []),
		_discount(["manager"], 30, []),
		_discount(["manager", "clerk"], 30, []),
		_discount(["clerk"], 10, ["b"]),
	] {
		count(trust_ceiling.grant) == 1 with input as request with data.trust_ceiling as _data
		trust_ceiling.deny == set() with input as request with data.trust_ceiling as _data
	}
}

test_not_above_it if {
	every request in [
		_discount(["clerk"], 16, []),
		_discount(["manager"], 31, []),
		_discount(["manager", "clerk"], 31, []),
		_discount(["clerk"], 11, ["b"]),
	] {
		trust_ceiling.grant == set() with input as request with data.trust_ceiling as _data
		count(trust_ceiling.deny) == 1 with input as request with data.trust_ceiling as _data
	}
}

test_nothing_without_a_ceiling if {
	every request in [_discount([], 1, []), _discount(["sales"], 1, []), _discount(["manager"], 1, ["c"])] {
		trust_ceiling.grant == set() with input as request with data.trust_ceiling as _data
	}
}
