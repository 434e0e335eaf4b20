package policy.refund_limits_test

import data.policy.refund_limits

_refund(order, cents, refunded) := {
	"operation": "authorize",
	"task": {"purpose": "refunds", "intent_source": "signed", "statement": "", "facts": {"refunded": refunded}},
	"tool": {"name": "refunds.create", "arguments": {"order_id": order, "amount_cents": cents}},
}

_data := {"alone_cents": 100, "task_cents": 500, "orders": {"O-1": {"paid_cents": 200}}}

test_a_task_has_a_budget if {
	request := _refund("", 0, [])
	{element.limits.budgets | some element in refund_limits.start} == {{"refund_cents": 500}} with input as request
		with data.refund_limits as _data
}

test_a_refund_is_charged_and_noted if {
	[element] := [element | some element in refund_limits.grant] with input as _refund("O-1", 100, [])
		with data.refund_limits as _data
	element.charges == {"refund_cents": 100}
	element.facts == {"refunded": {"O-1"}}
	refund_limits.ask == set() with input as _refund("O-1", 100, []) with data.refund_limits as _data
}

test_a_large_refund_is_asked_about if {
	count(refund_limits.ask) == 1 with input as _refund("O-1", 101, []) with data.refund_limits as _data
}

test_no_refund_twice_or_above_what_was_paid if {
	every request in [_refund("O-1", 100, ["O-1"]), _refund("O-1", 201, []), _refund("O-2", 1, [])] {
		refund_limits.grant == set() with input as request with data.refund_limits as _data
	}
	count(refund_limits.deny) == 1 with input as _refund("O-1", 100, ["O-1"]) with data.refund_limits as _data
}
