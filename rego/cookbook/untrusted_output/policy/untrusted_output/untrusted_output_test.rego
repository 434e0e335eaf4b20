package policy.untrusted_output_test

import data.policy.untrusted_output

_call(statement, tool, arguments) := {
	"operation": "authorize",
	"task": {"purpose": "tickets", "intent_source": "signed", "statement": statement, "facts": {"tickets_read": ["T-7"]}},
	"tool": {"name": tool, "arguments": arguments},
}

_cancel(statement, order) := _call(statement, "orders.cancel", {"order_id": order})

_data := {"orders": {"O-1006": ["Ann Lee"], "O-1007": ["Bob Moss"]}, "tickets": {"T-7": {"orders": ["O-1006"]}}}

_codes(elements) := {element.code | some element in elements}

test_start if {
	count(untrusted_output.start) == 1 with input as _cancel("", "")
}

test_reading_is_noted if {
	request := _call("", "tickets.read", {"ticket_id": "T-7"})
	{element.facts | some element in untrusted_output.grant} == {{"tickets_read": {"T-7"}}} with input as request
		with data.untrusted_output as _data
}

test_what_the_request_orders if {
	_codes(untrusted_output.grant) == {"cancel"} with input as _cancel("Cancel order 1006", "O-1006")
		with data.untrusted_output as _data
	untrusted_output.ask == set() with input as _cancel("Cancel order 1006", "O-1006") with data.untrusted_output as _data
	untrusted_output.grant == set() with input as _cancel("Cancel order 1006", "O-1007")
		with data.untrusted_output as _data
}

test_what_a_ticket_may_mean if {
	_codes(untrusted_output.grant) == {"cancel_as_asked"} with input as _cancel("Do what ticket 7 asks", "O-1006")
		with data.untrusted_output as _data
	count(untrusted_output.ask) == 1 with input as _cancel("Do what ticket 7 asks", "O-1006")
		with data.untrusted_output as _data
	untrusted_output.grant == set() with input as _cancel("Do what ticket 7 asks", "O-1007")
		with data.untrusted_output as _data
	untrusted_output.grant == set() with input as _cancel("What does ticket 7 ask?", "O-1006")
		with data.untrusted_output as _data
}
