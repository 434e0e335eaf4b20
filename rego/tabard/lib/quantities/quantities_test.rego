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

test_amounts_with_decimals_need_no_currency if {
	every statement, cents in {
		"Rope at 12.90 from now on": {1290}, "6.20 each": {620}, "He waits for his 29.90.": {2990},
		"1,180.50, please": {118050},
	} {
		quantities.cents == cents with input as _call(statement, 1)
	}
	every statement in ["At 9.30 pm", "2.50 m", "12.50 %", "Version 4.9.0", "1.25 mg"] {
		quantities.cents == set() with input as _call(statement, 1)
	}
}

test_limits if {
	every row in [
		["Pay it, at most 750 euros", 75000, 75001], ["provided it isn't more than 750 and it's our account", 75000, 75001],
		["up to 1,000 euros", 100000, 100001], ["for under 50 euros", 4999, 5000], ["at least 20 euros", 2000, 1999],
		["all above 20 euros", 2001, 2000], ["no less than €20", 2000, 1999],
		["Pay all that is under 1,000 without asking", 99999, 100000],
	] {
		quantities.cents_within_limits("value") with input as _call(row[0], row[1])
		not quantities.cents_within_limits("value") with input as _call(row[0], row[2])
	}
	quantities.cents_within_limits("value") with input as _call("at most 3 boxes", 75000)
	quantities.cents_within_limits("value") with input as _call("Pay under 1,000 rubles", 50000)
	unless := "Match theirs, unless that's under 55.50 for the big one"
	quantities.cents_within_limits("value") with input as _call(unless, 5700)
	not quantities.cents_within_limits("value") with input as _call("Buy it unless it rains, for under 55 euros", 5700)
	not quantities.cents_within_limits("other") with input as _call("Pay it", 1)
}

test_cents_in if {
	quantities.cents_in("20 euros or 29.90") == {2000, 2990}
	quantities.cents_in("pay 1,000 of it now and 500 on account") == {50000, 100000}
	quantities.cents_in("send 12 of it, 150 of them and 2026 of the invoices") == set()
}

test_digits_of if quantities.digits_of("split by three") == "split by 3"

_asks(statement, number) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"n": number}},
}

test_limits_of_counts if {
	every case in [
		["Order up to 20 vests", 20, "said"], ["Order up to 20 vests", 12, "none"], ["Order up to 20 vests", 21, "other"],
		["Order at least ten vests", 12, "none"], ["Order at least ten vests", 9, "other"],
		["Order vests for up to 20 euros", 12, "none"], ["Order 20 vests", 12, "other"],
	] {
		quantities.count_meaning("n") == case[2] with input as _asks(case[0], case[1])
	}
	not quantities.count_within_limits(12) with input as _asks("Order 20 vests", 12)
	not quantities.count_within_limits(12) with input as _asks("Order vests for up to 20 euros", 12)
}

test_a_level_is_no_limit if {
	quantities.limits == set() with input as _asks("Put the price up to 135 euros", 0)
	quantities.limits == {{"kind": "most", "cents": 13500}} with input as _asks("Buy it for up to 135 euros", 0)
}

test_what_counts_nothing if {
	every statement, found in {
		"The scratched one doesn't come": set(), "One is scratched": {1}, "Two boxes of the 10 metre ones": {2},
		"Send the other one and three more": {3}, "Four 12 footers": {4},
	} {
		quantities.counts == found with input as _asks(statement, 0)
	}
}
