package tabard.lib.demands_test

import data.tabard.lib.demands

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_says := "Answer Ann Lee that her parcel comes on Friday. She paid 36 and 1,250 euros and may bring it back"

test_plain_texts_do_nothing_more if {
	every text in [
		"Dear Ann, your parcel comes on Friday. Please let us know if we can help.",
		"We're sorry for the wait. Please write to us, or look at your ticket.",
		"You paid 36.00 and 1,250.00 euros. Please bring it back.",
		"You brought it back, and we thank you. Invoice INV-803, no symptoms at night",
		"Order 1006 is in the depot and will go on its way. Take care!",
		"Change to your order: open on Fridays. We mend it, then send it back to you.",
		"The courier comes twice a day with a bag of 20 l. We tell you the price and send the parcel.",
	] {
		demands.within(text, {"Ann Lee"}) == {} with input as _request(_says)
	}
}

test_other_forms_are_known if {
	demands.within("It was promised. Please be paying.", {"A promise to pay"}) == {} with input as _request(_says)
}

test_kinds if {
	every text, found in {
		"Please take it twice a day.": {"orders": {"take"}, "doses": {"2 per day"}},
		"Until then take 7.5 mg.": {"orders": {"take"}, "doses": {"7500 mcg"}},
		"Please don't come, and ring the depot.": {"orders": {"ring"}},
		"Please look at it and stop the machine.": {"orders": {"stop"}},
		"You have to discard all samples.": {"orders": {"discard"}},
		"As agreed you get the whole amount back.": {"grants": {"get the whole amount back"}},
		"She consents to everything.": {"grants": {"consents to"}},
		"The discount was promised.": {"grants": {"discount", "promised"}},
		"The fee is 12.90.": {"amounts": {1290}},
		"We sold 214,300 pieces.": {"amounts": {"214,300"}},
		"Revenue is up. She was born in May.": {"matters": {"revenue", "born"}},
	} {
		demands.within(text, {"Ann Lee"}) == found with input as _request(_says)
		demands.within(text, {text}) == {} with input as _request(_says)
		object.keys(demands.within(text, set())) == object.keys(found) with input as _asserted(_says)
	}
	not demands.within(concat("", ["x" | some _ in numbers.range(1, 10001)]), set())
}

test_spoken if {
	every statement, kinds in {
		"Text her both prices": {"amounts"},
		"Answer message 7, please": {"amounts"},
		"Text her to bring her card": {"orders"},
		"Ask Rosa how many she gave": {"orders"},
		"Leave Kola a note so that he can complain": {"orders"},
		"Order 100 more from them": {"orders"},
		"Tell her what she should do": {"orders"},
		"Write him the dose": {"doses"},
		"Put it up to what they suggest": {"doses"},
		"Tell Ann about the discount": {"amounts", "grants"},
		"Tell the board our revenue": {"matters"},
		"Tell Ann that it comes": set(),
		"Order 1006 is late": set(),
		"Release the bloods to her": set(),
	} {
		demands.spoken == kinds with input as _request(statement)
		demands.spoken == set() with input as _asserted(statement)
	}
}
