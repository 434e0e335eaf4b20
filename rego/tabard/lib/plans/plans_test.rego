package tabard.lib.plans_test

import data.tabard.lib.plans

test_planned if {
	every sentence in [
		"mary takes thursday", "4.9.0 goes to production", "let rosa take it", "ann to friday", "ann needs a blood test",
		"new blood test for ann", "it's empty: one more blood test", "emil carries it",
	] {
		plans.planned(sentence, {"carry", "move", "take"}, {"Blood test"})
	}
	every sentence in ["two takes are done", "what mary takes", "take thursday", "ann has a blood test", ""] {
		not plans.planned(sentence, {"move", "take"}, {"blood test"})
	}
}

test_orders_without_a_verb if {
	every sentence in [
		"40 of the ten-metre ones from drystone at 6.50 each", "and a dozen vests from safewater", "twenty at 5 each",
	] {
		plans.bare(sentence, {"buy"})
		not plans.bare(sentence, {"cancel"})
	}
	every sentence in [
		"two of the ropes from drystone are torn", "20 boxes from drystone arrived", "40 ropes", "ropes at 6.50 each",
	] {
		not plans.bare(sentence, {"buy"})
	}
}
