package tabard.lib.quantities_test

import data.tabard.lib.quantities

_call(statement, value) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"value": value}},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

test_counts if {
	every statement, counts in {
		"Order twenty more boxes": {20},
		"Order twenty-five boxes and 3 pallets": {3, 25},
		"two dozen": {24},
		"a dozen": {12},
		"dozen": {12},
		"half a dozen": {6},
		"a hundred and five": {105},
		"a hundred": {100},
		"one thousand two hundred and thirty": {1230},
		"two hundred thousand": {200000},
		"2x the 1,200 mats": {2, 1200},
		"two and three": set(),
		"twenty, thirty": {20, 30},
		"five twenty": set(),
		"500 mg at 10 on 4 December, in two weeks": set(),
		"at half past two, 14:30, 2 pm, ten o'clock": set(),
		"20 euros, €5, 15 %, O-1006, order 1006, orders 1006 and 1007": set(),
		"Order twenty boxes for order 1006": {20},
		"": set(),
	} {
		quantities.counts == counts with input as _call(statement, 0)
		quantities.counts == set() with input as _asserted(_call(statement, 0))
	}
	quantities.counts == set() with input as _call(sprintf("%5000s", ["5 boxes"]), 0)
}

test_cents if {
	every statement, cents in {
		"Refund 20 euros": {2000},
		"Refund €1,200.50": {120050},
		"Refund 12,50 €": {1250},
		"Refund EUR 7 and 50 cents": {50, 700},
		"Refund twenty euros": {2000},
		"20 boxes": set(),
		"A-20 euros": set(),
	} {
		quantities.cents == cents with input as _call(statement, 0)
		quantities.cents == set() with input as _asserted(_call(statement, 0))
	}
}

test_percents if {
	every statement, percents in {
		"15 % off": {15},
		"twenty percent": {20},
		"2.5%": {2.5},
		"half the price": {50},
		"half past two": set(),
	} {
		quantities.percents == percents with input as _call(statement, 0)
		quantities.percents == set() with input as _asserted(_call(statement, 0))
	}
}

test_count_requested if {
	every statement, value in {"two dozen": 24, "the box": 1, "another box and two mats": 1} {
		quantities.count_requested("value") with input as _call(statement, value)
		not quantities.count_requested("value") with input as _asserted(_call(statement, value))
	}
	every statement, value in {"two dozen": 2, "two boxes": 1, "the box": 2, "the mat": "1"} {
		not quantities.count_requested("value") with input as _call(statement, value)
	}
}

test_cents_requested if {
	quantities.cents_requested("value") with input as _call("Pay 12 euros", 1200)
	not quantities.cents_requested("value") with input as _call("Pay 12 euros", 12)
	not quantities.cents_requested("value") with input as _asserted(_call("Pay 12 euros", 1200))
}

test_digits if {
	quantities.digits == "send 20 more" with input as _call("Send twenty more", 0)
}

test_meanings if {
	every statement, meaning in {
		"Order a dozen": "said",
		"Order 144": "other",
		"Order some": "none",
		"Order one": "other",
	} {
		quantities.count_meaning("value") == meaning with input as _call(statement, 12)
	}
	every statement, meaning in {"Pay 20 euros": "said", "Pay 30 euros": "other", "Pay it": "none", "Pay 20": "none"} {
		quantities.cents_meaning("value") == meaning with input as _call(statement, 2000)
	}
	every statement in ["Order a dozen", "Pay 20 euros"] {
		not quantities.count_meaning("value") with input as _call(statement, "12")
		not quantities.cents_meaning("value") with input as _call(statement, "12")
	}
}
