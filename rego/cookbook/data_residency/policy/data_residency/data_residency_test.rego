package policy.data_residency_test

import data.policy.data_residency

_call(agent, hops, tool, arguments) := {
	"operation": "authorize",
	"agent": {"id": agent},
	"delegation": {"chain": [{"holder": holder} | some holder in hops]},
	"request": {"holder": "e2"},
	"task": {"purpose": "customer_data", "intent_source": "signed"},
	"tool": {"name": tool, "arguments": arguments},
}

_data := {
	"agents": {"e1": "eu", "e2": "eu", "u1": "us"},
	"backends": {"eu": "be", "us": "bu"},
	"customers": {"C-1": "eu", "C-2": "us"},
	"buckets": {"b-eu": "eu", "b-us": "us"},
}

test_start_and_delegate if {
	{element.limits.audiences | some element in data_residency.start} == {["be"]} with input as _call("e1", [], "", {})
		with data.data_residency as _data
	count(data_residency.delegate) == 1 with input as _call("e1", [], "", {}) with data.data_residency as _data
	data_residency.delegate == set() with input as _call("u1", [], "", {}) with data.data_residency as _data
}

test_within_the_region if {
	every request in [
		_call("e1", ["e2"], "customers.read", {"customer_id": "C-1"}),
		_call("e1", [], "customers.export", {"region": "eu", "bucket": "b-eu"}),
	] {
		{element.credential.audience | some element in data_residency.grant} == {"be"} with input as request
			with data.data_residency as _data
	}
}

test_not_beyond if {
	every request in [
		_call("e1", ["u1", "e1"], "customers.read", {"customer_id": "C-1"}),
		_call("e1", ["x", "e1"], "customers.read", {"customer_id": "C-1"}),
		_call("e1", [], "customers.read", {"customer_id": "C-2"}),
		_call("x", [], "customers.read", {"customer_id": "C-1"}),
		_call("e1", [], "customers.export", {"region": "eu", "bucket": "b-us"}),
		_call("e1", [], "customers.export", {"region": "us", "bucket": "b-us"}),
	] {
		data_residency.grant == set() with input as request with data.data_residency as _data
	}
}
