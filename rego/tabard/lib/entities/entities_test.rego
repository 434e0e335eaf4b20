package tabard.lib.entities_test

import data.tabard.lib.entities

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_orders := {"O-1006": ["Ann Lee"], "O-1007": ["Ann Lee"], "O-1010": ["Bob Moss"], "O-20": ["Will Green"]}

_people := {
	"ann@shop.example": ["Ann Lee", "Annie"],
	"bob@shop.example": ["Bob Moss"],
	"harriet@shop.example": ["Harriet Moss"],
	"will@shop.example": ["Will Green"],
	"harbour@pharmacy.example": ["Harbour Pharmacy"],
	"north@pharmacy.example": ["Harbour Pharmacy North"],
}

test_an_id_in_any_spelling if {
	every statement in [
		"Cancel O-1010", "cancel o1010.", "Cancel order 1010", "Cancel O 1010, please", "Cancel order no. 1010",
		"Cancel order #1010!", "Cancel (o-1010)", "o/1010's address", "orders 5 and 1010",
	] {
		entities.named(_orders, {"order"}) == {"O-1010"} with input as _request(statement)
		entities.named(_orders, {"order"}) == set() with input as _asserted(statement)
	}
	every statement in [
		"Cancel O-10100", "Cancel XO-1010", "Cancel 1010", "Order 20 boxes", "see 1010 euros", "O-1010-7", "T-1010",
		"ticket 1010", "/o-1010/x", "a.o-1010@x.example",
	] {
		entities.named(_orders, {"order"}) == set() with input as _request(statement)
	}
	ann := {"ann@shop.example": []}
	entities.named(ann, set()) == {"ann@shop.example"} with input as _request("mail ann@shop.example.")
	entities.named(ann, set()) == set() with input as _request("mail evil.ann@shop.example")
	entities.named({"20": []}, set()) == set() with input as _request("Pay 20 euros")
	entities.named({"7": []}, {"table"}) == {"7"} with input as _request("Reserve table 7")
}

test_names if {
	every statement, found in {
		"Tell Ann Lee": {"ann@shop.example"},
		"tell annie's friends": {"ann@shop.example"},
		"Tell Lee": {"ann@shop.example"},
		"Tell Harriet and Bob": {"bob@shop.example", "harriet@shop.example"},
		"Tell Moss": set(),
		"Tell Harriet Moss": {"harriet@shop.example"},
		"Tell Harriet Miller": set(),
		"Will you tell him?": set(),
		"Tell Will Green": {"will@shop.example"},
		"Ask Harbour Pharmacy": {"harbour@pharmacy.example"},
		"Ask Harbour Pharmacy North": {"north@pharmacy.example"},
		"Ask the pharmacy": set(),
		"Leeds": set(),
		"": set(),
	} {
		entities.named(_people, set()) == found with input as _request(statement)
		entities.named(_people, set()) == set() with input as _asserted(statement)
	}
}

test_a_name_names_all_unless_an_id_says_which if {
	entities.named(_orders, {"order"}) == {"O-1006", "O-1007"} with input as _request("Cancel Ann Lee's orders")
	entities.named(_orders, {"order"}) == {"O-1006"} with input as _request("Cancel Ann Lee's order 1006")
}

test_unclear if {
	entities.unclear(_people, set()) == {"bob@shop.example", "harriet@shop.example"} with input as _request("Tell Moss")
	entities.unclear(_people, set()) == set() with input as _request("Tell Bob Moss")
	entities.unclear(_people, set()) == set() with input as _asserted("Tell Moss")
}

test_meaning if {
	every statement, meaning in {
		"Tell Bob": "named",
		"Tell Moss": "unclear",
		"Tell people": "none",
		"Tell Ann": "other",
	} {
		entities.meaning("bob@shop.example", _people, set()) == meaning with input as _request(statement)
		entities.meaning("bob@shop.example", _people, set()) == "other" with input as _asserted(statement)
	}
}

test_ordered if {
	every statement, found in {
		"Look at order 1006, refund order 1010": {"O-1010"},
		"Look at order 1006, refund Bob": {"O-1010"},
		"Look at order 1006 and refund it": {"O-1006"},
		"What is order 1006? Refund the sum.": {"O-1006"},
		"Compare order 1006 and order 1010, then refund the sum": set(),
		"Look at order 1006": set(),
		"Don't refund order 1006": set(),
	} {
		entities.ordered({"refund"}, _orders, {"order"}) == found with input as _request(statement)
	}
	people := {"ann@shop.example"}
	entities.ordered({"mail"}, _people, set()) == people with input as _request("Mail ann@shop.example the list")
}

test_told if {
	every statement, found in {
		"Tell Ann what the mail from Bob says": {"ann@shop.example"},
		"Tell Ann's doctor": set(),
		"Tell Ann Lee's doctor": set(),
		"Send the list to bob@shop.example": {"bob@shop.example"},
		"Sum up the mail from Harbour Pharmacy": set(),
		"Send the Harbour Pharmacy list to Ann and Harriet": {"ann@shop.example", "harriet@shop.example"},
		"Look at Bob's mail and tell him": {"bob@shop.example"},
		"Look at Bob's and Ann's mail and tell them": set(),
		"Don't tell Ann": set(),
	} {
		entities.told(_people) == found with input as _request(statement)
		entities.told(_people) == set() with input as _asserted(statement)
	}
}
