package policy.once_per_order_test

import data.policy.once_per_order

_replace(order, replaced) := {
	"operation": "authorize",
	"task": {"purpose": "replacements", "intent_source": "signed", "facts": {"replaced": replaced}},
	"tool": {"name": "replacements.create", "arguments": {"order_id": order}},
}

_data := {"orders": {"O-1": {"state": "lost"}, "O-2": {"state": "delivered"}}}

test_start if {
	count(once_per_order.start) == 1 with input as _replace("O-1", [])
}

test_once if {
	count(once_per_order.grant) == 1 with input as _replace("O-1", ["O-3"]) with data.once_per_order as _data
	once_per_order.grant == set() with input as _replace("O-1", ["O-1"]) with data.once_per_order as _data
	count(once_per_order.deny) == 1 with input as _replace("O-1", ["O-1"]) with data.once_per_order as _data
}

test_only_what_was_lost if {
	every order in ["O-2", "O-3", "o-1", null] {
		once_per_order.grant == set() with input as _replace(order, []) with data.once_per_order as _data
	}
}
