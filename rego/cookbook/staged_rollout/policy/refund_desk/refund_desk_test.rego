package policy.refund_desk_test

import data.policy.refund_desk

_refund(cents) := {
	"operation": "authorize",
	"task": {"purpose": "refunds", "intent_source": "signed"},
	"tool": {"name": "refunds.create", "arguments": {"order_id": "O-1", "amount_cents": cents}},
}

test_refunds_up_to_the_limit if {
	count(refund_desk.start) == 1 with input as _refund(1)
	count(refund_desk.grant) == 1 with input as _refund(10000)
	refund_desk.grant == set() with input as _refund(10001)
}
