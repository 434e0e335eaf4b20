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

_articles := {"V": ["life vest"], "R": ["rope"], "D": ["dry bag"]}

_sets(statement, cents_) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"price_cents": cents_}},
}

test_cents_meaning if {
	list := "Prices from today: vest 49, dry bag 26.90, rope 12.90."
	every case in [
		[list, 4900, "V", "said"], [list, 2690, "D", "said"], [list, 1290, "V", "other"],
		["Put the vest at 10 % less, the rope at 12", 5310, "V", "said"],
		["Put the vest at 10 % less, the rope at 12", 5300, "V", "none"],
		["Put the vest at 10 % less, the rope at 12", 1200, "R", "said"],
		["The vest at two thirds, the rope at 12", 3933, "V", "said"],
		["Match their price for vest and rope", 4900, "V", "none"],
		["Vests go to 52 euros or so", 5100, "V", "other"],
		["All articles 10 % off", 5310, "V", "said"],
		["Match theirs for the vest, but not above 50 euros", 5100, "V", "other"],
		["Match theirs for the vest, but not above 50 euros", 4900, "V", "none"],
		["Match the cheapest on both vest and rope, unless that's under 55", 5000, "V", "none"],
	] {
		figures.cents_meaning("price_cents", case[2], _articles, 5900) == case[3] with input as _sets(case[0], case[1])
	}
}

test_count_meaning if {
	every case in [
		["Nine vests and eleven ropes", 9, "V", "said"], ["Nine vests and eleven ropes", 11, "V", "other"],
		["Order vests and eleven ropes", 11, "V", "none"], ["Order vests, a dozen", 12, "V", "said"],
		["Order some vests", 12, "V", "none"], ["We are 12 people. Order vests", 13, "V", "other"],
		["We are 12 people. Order vests", 12, "V", "said"],
	] {
		call := _sets(case[0], case[1])
		figures.count_meaning("price_cents", case[2], _articles) == case[3] with input as call
	}
	not figures.count_meaning("price_cents", "V", _articles) with input as _sets("Order vests", "x")
}

test_each_in_another_sentence if {
	figures.counts("d1", _drugs) == {28} with input as _request("Ramipril and atorvastatin again. 28 each, please")
	figures.counts("d1", _drugs) == set() with input as _request("Atorvastatin again. 28 each, please")
	figures.beside("d1", _drugs) == {"ramipril 10 mg"} with input as _request("Ramipril 10 mg, atorvastatin")
}

test_up_to if {
	every number, says in {20: "said", 12: "none", 21: "other"} {
		call := object.union(_request("Order up to 20 ropes"), {"tool": {"arguments": {"quantity": number}}})
		figures.count_meaning("quantity", "ROP-1", _stock) == says with input as call
	}
}
