package tabard.lib.entities_test

import data.tabard.lib.entities
import data.tabard.lib.wishes

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

# The directory of things that come in twos: whatever is ruled out must never be handed out.
_places := {
	"P-1": ["Bell Street Pharmacy", "Bell Street"],
	"P-2": ["Harbour Pharmacy", "Harbour"],
	"P-3": ["Heron Boatworks"],
	"P-4": ["Tom Avery"],
	"P-5": ["Will Green"],
}

test_what_is_ruled_out_is_not_handed_out_1 if {
	every statement in [
		"Harbour doesn't get it. Bell Street does. Send it",
		"Send the prescription to Bell Street this time, not Harbour.",
		"Send it to Bell Street instead of Harbour",
		"Harbour is usual. Send it to Bell Street, not Harbour",
		"Send it to Bell Street and never to Harbour",
		"Send it to Bell Street, and skip Harbour",
		"Send it to Bell Street. No Harbour, thanks",
		"Send it to Bell Street, we can't use Harbour",
		"Send it to Bell Street in place of Harbour",
		"Send it to Bell Street. Not any more to Harbour",
		"Send it to any but Harbour, and Bell Street first",
	] {
		out := _found with input as _request(statement)
		not "P-2" in out.found
		out.meaning in {"other", "unclear"}
	}
}

test_what_is_ruled_out_is_not_handed_out_2 if {
	every statement in [
		"Send it to Bell Street this time, not to Harbour",
		"Send it to Bell Street rather than Harbour Pharmacy",
		"She uses Harbour, but send it to Bell Street rather than Harbour",
		"Send it to Bell Street, it's not for Harbour",
		"Send it to Bell Street and leave Harbour out of it",
		"Send it to Bell Street as opposed to Harbour",
		"Send it to Bell Street. Do not, even if asked, send it to Harbour",
		"Send it to Bell Street. Harbour is out.",
		"Send it to Bell Street and no longer to Harbour",
	] {
		out := _found with input as _request(statement)
		not "P-2" in out.found
		out.meaning in {"other", "unclear"}
	}
}

test_what_is_ruled_out_is_not_handed_out_3 if {
	every statement in [
		"Send it to Bell Street (not Harbour)",
		"Not Harbour. Send it to Bell Street",
		"Send it to Bell Street. Don't send it to Harbour.",
		"Send it to Bell Street, Harbour shouldn't get it",
		"Send it to Bell Street without asking Harbour",
		"Send it to Bell Street, avoid Harbour",
		"Send it to Bell Street. Do not - ever - use Harbour",
		"Send it to Bell Street, NOT HARBOUR",
		"Send it to Bell Street. Forget Harbour.",
	] {
		out := _found with input as _request(statement)
		not "P-2" in out.found
		out.meaning in {"other", "unclear"}
	}
}

test_what_is_ruled_out_is_not_handed_out_4 if {
	every statement in [
		"Send it to Bell Street - not Harbour - please",
		"Not Harbour but Bell Street, send it there",
		"Send it to Bell Street, don’t use Harbour",
		"Send it to Bell Street. Harbour must not have it",
		"Send it to Bell Street. Under no circumstances Harbour",
		"Send it to Bell Street; it isn't to go to Harbour",
		"Send it to Bell Street, do not (really!) use Harbour",
		"send it to bell street not harbour",
		"Send it to Bell Street and Harbour. Actually, don't send it to Harbour",
	] {
		out := _found with input as _request(statement)
		not "P-2" in out.found
		out.meaning in {"other", "unclear"}
	}
}

_found := {
	"found": (entities.named(_places, set()) | (entities.ordered({"send"}, _places, set()) | entities.told(_places))),
	"meaning": entities.meaning("P-2", _places, set()),
}

test_what_the_contrast_keeps_is_named if {
	every statement in [
		"Send the prescription to Bell Street this time, not Harbour.",
		"Send it to Bell Street instead of Harbour",
		"Send it to Bell Street, not Harbour, for Ann",
		"Instead of Harbour, send it to Bell Street",
		"Rather than calling Harbour, send it to Bell Street",
		"Don't call Harbour, just send it to Bell Street",
		"Don't forget to send it to Bell Street",
		"Not only Harbour but also Bell Street, send it",
		"No problem, send it to Bell Street",
		"I can't find the letter from Bell Street, send it",
		"Pay no more than 5 and send it to Bell Street",
		"Send it to Bell Street but don't call Bell Street",
	] {
		"P-1" in entities.ordered({"send"}, _places, set()) with input as _request(statement)
		entities.ordered({"send"}, _places, set()) == set() with input as _asserted(statement)
	}
}

test_ruled_out if {
	every statement, found in {
		"Pay all but Heron's": {"P-3"},
		"Pay all of them but Heron's and tell Tom": {"P-3"},
		"Pay everyone except Heron, Tom and Will": {"P-3", "P-4", "P-5"},
		"Pay everyone except:\n- Heron\n- Tom": {"P-3", "P-4"},
		"Pay all but tell Tom": set(),
		"Pay all, but don't pay Heron": {"P-3"},
		"Pay all, but don't touch Heron's": {"P-3"},
		"Pay all, but don't tell Tom": set(),
		"Pay all, Tom excepted": {"P-4"},
		"Pay all, and Tom shouldn't be paid": {"P-4"},
		"Pay all but the pharmacy": set(),
		"Pay all but Pharmacy": {"P-1", "P-2"},
		"Pay all but P-3": {"P-3"},
	} {
		entities.ruled_out({"pay"}, _places, set()) == found with input as _request(statement)
		entities.ruled_out({"pay"}, _places, set()) == set() with input as _asserted(statement)
	}
}

test_an_act_that_is_forbidden_leaves_other_acts if {
	statement := "Cancel Tom's order, but don't tell Tom"
	entities.ordered({"cancel"}, _places, set()) == {"P-4"} with input as _request(statement)
	entities.told(_places) == set() with input as _request(statement)
	both := "Write to Tom and Heron. Actually, don't write to Tom."
	entities.told(_places) == {"P-3"} with input as _request(both)
	entities.unclear(_places, set()) == {"P-4"} with input as _request(both)
}

test_short_names if {
	orders := {"O-1": ["Tom Avery"], "O-2": ["Tom Avery"], "O-3": ["Jo Moss"], "O-4": ["Ann Moss"]}
	every statement, found in {
		"Cancel Tom's orders": {"O-1", "O-2"},
		"Cancel Avery's orders": {"O-1", "O-2"},
		"Cancel Avery's order O-2": {"O-2"},
		"Cancel the order of Jo": {"O-3"},
		"Cancel the Moss order": set(),
		"Cancel Tom Miller's order": set(),
	} {
		entities.named(orders, {"order"}) == found with input as _request(statement)
	}
	people := {"a": ["Mark Green"], "b": ["St Anne's", "St Anne's Maternity Unit"], "c": ["Ann Lee"]}
	every statement, found in {
		"Please tell Mark": {"a"},
		"Mark it": set(),
		"Will you tell Ms Green?": {"a"},
		"Tell St Anne's": {"b"},
		"Tell St Anne's Maternity Unit": {"b"},
		"Tell Anne": set(),
		"Tell the green team": set(),
	} {
		entities.named(people, set()) == found with input as _request(statement)
	}
}

test_ambiguous if {
	moss := {"moss": {"bob@shop.example", "harriet@shop.example"}}
	entities.ambiguous(_people) == moss with input as _request("Tell Moss")
	entities.ruled_out({"tell"}, _people, set()) == moss.moss with input as _request("Tell all but Moss")
	entities.ambiguous(_people) == {} with input as _request("Tell Bob Moss")
	entities.ambiguous(_people) == {} with input as _asserted("Tell Moss")
}

test_may if {
	every statement, found in {
		"Tom: full refund. Will Green too.": {"P-4", "P-5"},
		"Tom should be refunded, not Heron": {"P-4"},
		"Tom should be refunded. Heron is late.": {"P-4"},
		"Heron wants it refunded": set(),
		"Is Tom refunded?": set(),
	} {
		entities.may({"refund"}, _places, set()) == found with input as _request(statement)
		entities.may({"refund"}, _places, set()) == set() with input as _asserted(statement)
	}
}

test_ids_without_a_directory if {
	every statement, ids in {
		"Do what ticket 302 and T-304 ask": {"T-302", "T-304"},
		"do what t302 asks": {"T-302"},
		"Tickets 7, 8 and 9": {"T-7", "T-8", "T-9"},
		"Not T-304 but T-305": {"T-305"},
		"Order 7, XT-12 and T-x": set(),
	} {
		entities.ids("T", {"ticket"}) == ids with input as {"task": {"intent_source": "signed", "statement": statement}}
		entities.ids("T", {"ticket"}) == set() with input as {"task": {"intent_source": "asserted", "statement": statement}}
	}
}

_staff := {"1": ["Miriam Katz"], "2": ["Harriet Vale"], "3": ["Tomas Lind"], "4": ["Daniel Moss"], "5": ["Peter Osei"]}

test_what_stands_beside_a_first_name if {
	every statement, ids in {
		"Halve Miriam's dose": {"1"},
		"Give Northgate Cardiology Harriet's letter": {"2"},
		"Give Tomas Harriet's result": {"2", "3"},
		"Give Tomas Lind Harriet's letter": {"2", "3"},
		"Send Harriet Miller's letter": set(),
		"Harriet Miller called": set(),
		"Anna Moss wants it": set(),
		"Refund Peter Brown": set(),
		"Refund Peter": {"5"},
	} {
		entities.named(_staff, set()) == ids with input as _request(statement)
	}
}

test_the_second_of_two_invoices if {
	invoices := {"INV-803": ["Heron"], "INV-804": ["Bell"]}
	every statement in ["Settle INV-803 and invoice 804", "Settle invoice 803, invoice 804"] {
		entities.ordered({"settle"}, invoices, {"invoice"}) == {"INV-803", "INV-804"} with input as _request(statement)
	}
}

test_within if {
	says := "Tomas Lind is ill on Friday. Miriam takes his shift, not Daniel"
	plans := wishes.stated({"take"}, set()) with input as _request(says)
	entities.within(plans, _staff, set()) == {"1"} with input as _request(says)
	entities.within({"miriam"}, _staff, set()) == set() with input as _request("What is new?")
}

test_words_that_name_by_themselves if {
	things := {"K-1": ["Carbon paddle"], "K-2": ["Spare paddle"], "C-1": ["Corvid Express"], "C-2": ["Parcel Post"]}
	entities.alone(things) == {"carbon": {"K-1"}, "corvid": {"C-1"}, "spare": {"K-2"}}
	entities.named(things, set()) == set() with input as _request("Send the parcel by express post")
	entities.named(things, set()) == {"C-1", "C-2"} with input as _request("Ask corvid express and parcel post")
}

test_measures if {
	kayaks := {"K-12": ["Heron touring kayak 12 ft"], "K-15": ["Heron sea kayak 15 ft"], "P-1": ["Spare paddle"]}
	every statement in ["The Heron twelve footers have to go", "Take three Heron 12-foot kayaks", "the 12 ft Heron"] {
		entities.named(kayaks, set()) == {"K-12"} with input as _request(statement)
		entities.meaning("K-15", kayaks, set()) == "other" with input as _request(statement)
		entities.unclear(kayaks, set()) == set() with input as _request(statement)
	}
	entities.named(kayaks, set()) == set() with input as _request("The Herons of 10 ft")
	entities.named(kayaks, set()) == {"K-12", "K-15"} with input as _request("Herons of 12 ft and 15 ft")
}

test_an_address_is_no_words_of_a_name if {
	directory := {"c1": ["Ann Lee", "ann@canoes.example"], "c2": ["Bob Moss"]}
	entities.named(directory, set()) == set() with input as _request("How many canoes are left?")
	entities.named(directory, set()) == {"c1"} with input as _request("Write to ann@canoes.example")
	entities.told(directory) == {"c1"} with input as _request("Write to ann@canoes.example that it's late")
}

test_told_by_own_verbs if {
	entities.told_by({"brief"}, _people) == {"bob@shop.example"} with input as _request("Brief Bob Moss on it")
	entities.told(_people) == {"bob@shop.example"} with input as _request("Bob Moss is late. Drop him a line about it")
	entities.told(_people) == {"bob@shop.example"} with input as _request("Keep Bob Moss posted")
}

test_both_of_a_kind if {
	articles := {"P-3": ["Glide paddle"], "P-5": ["Glide carbon paddle"], "K-1": ["Heron kayak"]}
	every statement in ["Match Lakeside on both Glide paddles", "The two paddles go up", "Both of the paddles, please"] {
		entities.named(articles, set()) == {"P-3", "P-5"} with input as _request(statement)
	}
	entities.named(articles, set()) == set() with input as _request("The paddles go up")
	entities.meaning("P-5", articles, set()) == "other" with input as _request("Both paddles, but not the carbon paddle")
}

test_a_name_in_the_plural_may_mean_all_of_its_kind if {
	articles := {"P-3": ["Glide paddle"], "P-5": ["Glide carbon paddle"], "S-5": ["Spare carbon paddle"]}
	every statement in ["See what others take for the Glide paddles", "The glide paddles' price goes down"] {
		entities.meaning("P-3", articles, set()) == "named" with input as _request(statement)
		entities.meaning("P-5", articles, set()) == "unclear" with input as _request(statement)
		entities.meaning("S-5", articles, set()) == "other" with input as _request(statement)
	}
	entities.meaning("P-5", articles, set()) == "other" with input as _request("See what others take for the Glide paddle")
	only := "The Glide paddles go up, but not the carbon one"
	entities.meaning("P-5", articles, set()) == "other" with input as _request(only)
}

test_a_name_behind_the_first_word_of_a_sentence_is_unclear if {
	people := {"P-1": ["George Pell"], "P-2": ["Harriet Vale"]}
	every statement in ["Halve Pell's dose", "She rang. Halve Pell’s dose", "Yes: Phone Pell"] {
		entities.meaning("P-1", people, set()) == "unclear" with input as _request(statement)
		entities.meaning("P-2", people, set()) == "other" with input as _request(statement)
	}
	entities.meaning("P-1", people, set()) == "named" with input as _request("Please halve Pell's dose")
	entities.meaning("P-1", people, set()) == "none" with input as _request("Please ask Anna Pell")
}

test_what_is_packed_is_no_name if {
	drugs := {"F": ["Furosemide", "water tablet"], "R": ["Ramipril"]}
	entities.named(drugs, set()) == set() with input as _request("Send his tablets to Harbour")
	entities.named(drugs, set()) == {"F"} with input as _request("His water tablets ran out")
}
