package tabard.lib.amounts_test

import data.tabard.lib.amounts

_call(statement, value) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"value": value}},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

test_said if {
	every statement, found in {
		"Pay 25USD, $160, 1,200.50 € and 0.5.": {25, 160, 1200.5, 0.5},
		"Two tickets (twelve euros), 3x": {2, 12, 3},
		"Two dozen, twenty five, two and a half, one": set(),
		"On 2026-05-12 at 10:30, a12, 12a, 007, 1.2.3, #4, 5/6, -7, 1,20": set(),
		"9999999999999999999999": set(),
		"": set(),
	} {
		amounts.said == found with input as _call(statement, 0)
		amounts.said == set() with input as _asserted(_call(statement, 0))
	}
}

test_requested if {
	amounts.requested("value") with input as _call("Two tickets", 2)
	not amounts.requested("value") with input as _call("Two tickets", 3)
	not amounts.requested("value") with input as _call("Two tickets", "2")
	not amounts.requested("other") with input as _call("Two tickets", 2)
}

test_quantity_requested if {
	every value in [1, 2] {
		amounts.quantity_requested("value") with input as _call("Two tickets", value)
		not amounts.quantity_requested("value") with input as _asserted(_call("Two tickets", value))
	}
	every value in [0, 3, -1, 1.5, "1", null] {
		not amounts.quantity_requested("value") with input as _call("Two tickets", value)
	}
}

test_within_limit if {
	every statement, value in {
		"A hotel under $160 a night": 159.99,
		"At most 160 euros": 160,
		"Up to 25USD.": 25,
		"A budget of €1,200.50": 1200.5,
		"Up to $300, but under $160": 159,
		"No more than 20 bucks": 20,
	} {
		amounts.within_limit("value") with input as _call(statement, value)
		not amounts.within_limit("value") with input as _asserted(_call(statement, value))
		not amounts.within_limit("value") with input as _call(statement, value + 1)
		not amounts.within_limit("value") with input as _call(statement, 0)
		not amounts.within_limit("value") with input as _call(statement, -1)
		not amounts.within_limit("value") with input as _call(statement, "1")
	}
	every statement in [
		"A hotel",
		"Over $160",
		"For $160",
		"Under 160 grams",
		"Under $160",
		"Not under $160",
		"Don't pay less than $200",
		"Blunder $200",
		"at most 160 eurosceptics",
	] {
		not amounts.within_limit("value") with input as _call(statement, 160)
	}
}

test_a_long_request_states_no_numbers if {
	amounts.requested("value") with input as _call(sprintf("%4096s", ["at most $2"]), 2)
	amounts.within_limit("value") with input as _call(sprintf("%4096s", ["at most $2"]), 2)
	not amounts.requested("value") with input as _call(sprintf("%4097s", ["at most $2"]), 2)
	not amounts.within_limit("value") with input as _call(sprintf("%4097s", ["at most $2"]), 2)
}
