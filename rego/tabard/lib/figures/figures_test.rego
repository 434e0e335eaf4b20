package tabard.lib.figures_test

import data.tabard.lib.figures

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_stock := {"PAD-5": ["Carbon paddle"], "ROP-1": ["Rope"]}

_people := {"c1": ["Emil Hansen"], "c2": ["Ann Lee"]}

_drugs := {"d1": ["Ramipril"], "d2": ["Atorvastatin"]}

test_counts if {
	every statement, found in {
		"Order nine of the carbon paddles and eleven ropes": {9},
		"Order eleven ropes, nine paddles": {9},
		"Paddles: 9, ropes: 11": {9},
		"Order ropes and 9 PAD-5 at 10": {9},
		"Order nine paddles (100 g, 20 euros, by 3 March)": {9},
		"Order nine paddles, not 90 paddles": {9},
		"Order paddles, ropes, nine each": {9},
		"Order 9 paddles for 11 ropes": set(),
		"Raise paddles from 7 to 9": {9},
		"Raise paddles by 9": set(),
		"Order eleven ropes": set(),
	} {
		figures.counts("PAD-5", _stock) == found with input as _request(statement)
		figures.counts("PAD-5", _stock) == set() with input as _asserted(statement)
	}
}

test_cents if {
	every statement, found in {
		"Refund 59 euros to Ann and 29.90 for Emil": {2990},
		"Pay Emil 3,200 of INV-801": {320000},
		"Pay Emil 3 bags": set(),
		"Pay Emil: 20 euros. Ann gets 50 euros.": {2000},
		"Pay Emil 20 euros rather than 50 euros": {2000},
		"Pay Ann 20": set(),
		"Pay Emil and Ann 20 each": {2000},
	} {
		figures.cents("c1", _people) == found with input as _request(statement)
		figures.cents("c1", _people) == set() with input as _asserted(statement)
	}
}

test_strengths if {
	every statement, found in {
		"Put Ramipril up from 5 to 10 mg": {"10 mg"},
		"Ramipril to 10mg from 5 mg": {"10 mg"},
		"Ramipril 10 mg and Atorvastatin 40 mg": {"10 mg"},
		"Atorvastatin 40 mg, Ramipril: 10 mg": {"10 mg"},
		"Ramipril 10 mg, not 20 mg": {"10 mg"},
		"Ramipril and Atorvastatin 40 mg": set(),
		"Raise Ramipril by 5 mg": set(),
	} {
		figures.strengths("d1", _drugs) == found with input as _request(statement)
		figures.strengths("d1", _drugs) == set() with input as _asserted(statement)
	}
}
