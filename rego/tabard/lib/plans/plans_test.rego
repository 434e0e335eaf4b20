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
