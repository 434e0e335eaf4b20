package policy.delegation_depth_test

import data.policy.delegation_depth

_call(holders, tool, arguments) := {
	"operation": "authorize",
	"agent": {"id": "a"},
	"delegation": {"depth": count(holders), "chain": [{"holder": holder} | some holder in holders]},
	"request": {"holder": "b"},
	"task": {"purpose": "order_desk", "intent_source": "signed"},
	"tool": {"name": tool, "arguments": arguments},
}

_order := {"order_id": "O-1"}

_data := {"tools": {"orders.cancel": 1, "orders.read": 2, "refunds.create": 0}, "agents": {"a": true, "b": true}}

_codes(elements) := {element.code | some element in elements}

test_start_and_delegate if {
	count(delegation_depth.start) == 1 with input as _call([], "", {}) with data.delegation_depth as _data
	count(delegation_depth.delegate) == 1 with input as _call([], "", {}) with data.delegation_depth as _data
}

test_near_enough if {
	every request in [
		_call(["b", "a"], "orders.read", _order), _call(["a"], "orders.cancel", _order),
		_call([], "refunds.create", object.union(_order, {"amount_cents": 5000})),
	] {
		count(delegation_depth.grant) == 1 with input as request with data.delegation_depth as _data
		delegation_depth.deny == set() with input as request with data.delegation_depth as _data
	}
}

test_too_far if {
	every request in [
		_call(["b", "a"], "orders.cancel", _order), _call(["a"], "refunds.create", _order), _call([], "x", {}),
	] {
		_codes(delegation_depth.deny) == {"too_far_from_the_person"} with input as request with data.delegation_depth as _data
	}
	_codes(delegation_depth.deny) == {"unknown_agent"} with input as _call(["c"], "orders.read", _order)
		with data.delegation_depth as _data
}
