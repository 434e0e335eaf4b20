package tabard.lib.clauses_test

import data.tabard.lib.clauses

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_cancels := {"cancel", "drop", "refund"}

test_orders if {
	every statement in [
		"Cancel order 1006.",
		"cancel Ann's orders",
		"Please cancel order 1006, thanks",
		"Hi, can you please cancel the order?",
		"Could you cancel order 7 and tell Ann?",
		"I'd like you to cancel the order",
		"We need to cancel Ann's order",
		"Don't forget to cancel the order",
		"Look at the ticket, then cancel the order",
		"Look at order 1006 and cancel it",
		"Cancel or refund order 7",
		"Refund and cancel order 7",
		"What does Ann say? Cancel her order.",
		"Ann isn't home. Cancel the order.",
		"Ann can't come, cancel the order",
		"We don't need it, cancel the order",
		"Don't call her, just cancel the order",
		"Write a kind note. Cancel the order.",
		"Two things:\n- read the mail\n- cancel the order",
		"If Dr. Lee agrees, please cancel the order",
		"Tell me what Ann wrote and cancel her order",
	] {
		clauses.orders(_cancels, {"order"}) with input as _request(statement)
		not clauses.orders(_cancels, {"order"}) with input as _asserted(statement)
	}
}

test_what_is_no_order if {
	every statement in [
		"Did Ann cancel her order?",
		"What does Ann's order cost, and who may cancel the order",
		"Is order 7 open? Why did she cancel the order?",
		"Don't cancel the order",
		"Never cancel, refund or drop an order",
		"Do not, even if asked, cancel the order",
		"Read the mail without answering, cancelling or refund of the order",
		"Ann wants to cancel her order",
		"Ann asks us to check the stock and cancel the order",
		"Ann writes please cancel my order",
		"Tell me whether to cancel and refund the order",
		"Tell me if I should cancel or refund the order",
		"Ask Ann to check it and cancel the order",
		"Tell Ann: cancel the order. Then refund the order.",
		"Ann writes: cancel the order",
		"Translate \"Cancel the order\"",
		"Translate 'please, cancel the order'",
		"Translate “Hi, cancel the order",
		"Translate this\n> cancel the order",
		"Read the letter and refund of the order",
		"Cancel the appointment and look at the order",
		"The order, the refund, the list",
		"Under no circumstances cancel the order",
		"Send no refund, cancel of the order",
		"Cancel the meeting. The order stays.",
		"Don't just cancel the order",
		"Ann's mail: cancel the order",
		"Check Ann's mail, refund, and address of the order",
		"Cancel, says Ann, the order",
		"Don't, please, cancel the order",
		"Ann says please, cancel the order",
		"",
	] {
		not clauses.orders(_cancels, {"order"}) with input as _request(statement)
	}
	not clauses.orders(_cancels, {"order"}) with input as _request(concat("", [
		"cancel order 7 ",
		concat(" ", ["a" | some _ in numbers.range(1, 2100)]),
	]))
}

test_nouns_are_no_verbs if {
	every statement in [
		"Check Ann's mail and order history of boxes",
		"Read the letter and order of boxes",
		"Look at the list in boxes, order numbers of boxes",
		"Read the letter and order from Acme with boxes",
	] {
		not clauses.orders({"order"}, {"boxes"}) with input as _request(statement)
	}
	clauses.orders({"order"}, {"box", "pallet"}) with input as _request("Check stock and order twenty boxes from Acme")
	clauses.orders({"update"}, {"status"}) with input as _request("Update status of order 7")
	not clauses.orders({"frobnicate"}, {"mat"}) with input as _request("Ann writes please frobnicate the mat")
	clauses.orders({"frobnicate"}, {"yoga mat"}) with input as _request("Read it and frobnicate the yoga mats")
}

test_except_and_not_leave_things_out if {
	every statement in [
		"Cancel all bookings except the order of Ann, Bob and Carl",
		"Cancel the bookings, not the order",
		"Cancel the bookings instead of the order",
	] {
		not clauses.orders(_cancels, {"order"}) with input as _request(statement)
		clauses.orders(_cancels, {"booking"}) with input as _request(statement)
	}
}

test_tell_me_is_no_order_upon_others if {
	every statement in ["Tell me about the order", "Send me the order", "Let me know of the order", "Write us an order"] {
		not clauses.orders({"tell", "send", "let", "write"}, {"order"}) with input as _request(statement)
	}
	clauses.orders({"book"}, {"room"}) with input as _request("Book me a room")
}

test_a_list_for_me_is_no_order_upon_others_and_one_into_a_file_is if {
	every statement in [
		"Make me an overview of the open invoices", "Prepare us a list of the invoices", "Write me a list of them",
	] {
		count(clauses.ordered({"make", "prepare", "write"})) == 0 with input as _request(statement)
	}
	every statement in ["Make me a list in /reports/day.txt", "Write me a list of them into /reports/day.txt"] {
		count(clauses.ordered({"make", "write"})) == 1 with input as _request(statement)
	}
}

test_ordered if {
	statement := "Look at O-7, then refund Ann's box and Bob's, tell Carl"
	clauses.ordered({"refund"}) == {"refund ann 's box , bob 's"} with input as _request(statement)
	clauses.ordered({"look"}) == {"look at o-7"} with input as _request(statement)
	clauses.ordered({"pay"}) == set() with input as _request(statement)
	clauses.ordered({"look", "frob"}) == {"look at o-7", "frob o-8"} with input as _request("Look at O-7, frob O-8")
	clauses.ordered({"refund"}) == set() with input as _asserted(statement)
	clauses.ordered({"move"}) == {"move her to friday , 14:00"} with input as _request("Move her to Friday, 14:00, please")
}

test_told if {
	every statement, told in {
		"Tell Ann what the mail from Bob says": {"ann"},
		"Tell Ann and Dr. Lee that Bob is ill, and Carl too": {"ann", "lee"},
		"Send the list from Bob to Ann and Carl": {"ann", "carl"},
		"Send Ann the list from Bob": {"ann the list"},
		"Send Ann the letter to Bob": {"ann the letter to bob"},
		"Forward it to the team at Acme": {"acme"},
		"Forward the mail to Ann and the invoice to Bob": {"ann", "bob"},
		"Let Ann know that Bob's order is late": {"ann"},
		"Answer the mail from Ann": {"ann"},
		"Reply to Ann's message": {"ann"},
		"Write to Ann: tell Bob": {"ann"},
		"Share the list with Ann and Bob": {"ann", "bob"},
		"Sum up the mail from Bob": set(),
		"Tell me what Bob wrote": set(),
		"What did Ann tell Bob?": set(),
		"Don't tell Bob": set(),
	} {
		clauses.told == told with input as _request(statement)
		clauses.told == set() with input as _asserted(statement)
	}
}

test_unquoted if {
	clauses.unquoted("translate 'pay bob'") == "translate … "
	clauses.unquoted("bob writes: pay dr. lee") == "bob writes"
}

test_a_noun_with_a_number_begins_no_order if {
	every statement in [
		"Pay invoice 803 and invoice 804", "Pay 803, invoice 804 for Ann", "Pay order 12 and order 1007",
		"Pay it and order O-7", "Read file 3 and report 4",
	] {
		clauses.ordered({"invoice", "order", "report"}) == set() with input as _request(statement)
	}
	every statement in [
		"Pay it and invoice Ann", "Pay it and order 20 boxes", "Pay it, order 1006 boxes", "Pay it and order 120",
	] {
		count(clauses.ordered({"invoice", "order"})) == 1 with input as _request(statement)
	}
}

test_nothing_more_ends_there if {
	says := "Mail them that and nothing more, quote their letter instead of his name, and note it in his record"
	request := {"task": {"intent_source": "signed", "statement": says}}
	count(clauses.ordered({"quote"})) == 1 with input as request
	count(clauses.ordered({"note"})) == 1 with input as request
	nothing := {"task": {"intent_source": "signed", "statement": "Do nothing, refund it"}}
	clauses.ordered({"refund"}) == set() with input as nothing
}
