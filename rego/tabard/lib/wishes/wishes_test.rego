package tabard.lib.wishes_test

import data.tabard.lib.wishes

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

test_may if {
	every statement, act in {
		"Her appointment needs to be moved to two": "move",
		"The order has to be cancelled": "cancel",
		"Sofia: full refund": "refund",
		"Sofia's is back, full refund please": "refund",
		"The price should be 5": "set",
		"The order can be dropped": "drop",
		"Ann would like to move it. Please do that": "move",
		"Ann asks for a refund. Go ahead.": "refund",
		"It was late, so pay her back": "pay",
		"Get us three more": "order",
		"Look at it and write us a summary": "write",
		"Could you see what is open and then close it?": "close",
		"Bin it": "bin",
		"I'd rather cancel it": "cancel",
		"It's time to renew it": "renew",
		"We need it sent today": "send",
		"These two need restocking, please": "restock",
		"Check that we really haven't paid him back yet, then do it and apologise": "pay",
		"If it's on the list pay her back what she paid": "pay",
		"If we have fewer than ten left get four, otherwise don't": "get",
		"If nothing differs, throw it away": "throw",
		"Before that I want another 20 of them": "order",
		"They need a text, I've told Yusuf's mum already": "text",
		"Everyone who's got an appointment then needs a text": "text",
	} {
		count(wishes.may({act})) > 0 with input as _request(statement)
		wishes.may({act}) == set() with input as _asserted(statement)
	}
}

test_may_not if {
	every statement, act in {
		"Does her appointment need to be moved?": "move",
		"Should it be moved?": "move",
		"Tell me whether the order should be cancelled": "cancel",
		"Let me know who needs to be paid and refund": "refund",
		"Send me what has to be paid": "pay",
		"Give us the order that needs to be cancelled": "cancel",
		"Her appointment shouldn't be moved": "move",
		"It must not be cancelled": "cancel",
		"It needn't be paid": "pay",
		"Don't cancel it": "cancel",
		"There's no need to cancel it": "cancel",
		"Bob says that it needs to be paid": "pay",
		"The mail says: it should be paid": "pay",
		"Ann would like to move it": "move",
		"Ann wants a refund, please": "refund",
		"Ann wants to cancel. Why?": "cancel",
		"He'd like to cancel": "cancel",
		"It should have been paid": "pay",
		"Check if it needs to be paid": "pay",
		"Translate 'it needs to be paid'": "pay",
		"The order was cancelled": "cancel",
		"The refund is late": "refund",
		"What should we pay": "pay",
		"I doubt that it must be paid": "pay",
		"Get us the list": "get",
		"Don't pay him. Do it later": "pay",
		"I want to know what 20 cost": "order",
		"": "pay",
	} {
		wishes.may({act}) == set() with input as _request(statement)
	}
}

test_the_same_for_others if {
	every statement in [
		"Sofia: refund. Emil too.",
		"Refund Sofia. Same for Emil.",
		"Sofia needs to be refunded. And Emil as well",
	] {
		count(wishes.may({"refund"})) == 2 with input as _request(statement)
	}
	wishes.may({"refund"}) == set() with input as _request("Look at Sofia. Emil too.")
}

test_only_reads if {
	every statement in [
		"What does Ann want?", "Show me all orders", "Find out whether his insurer wrote, and what they want",
		"Hi! Tell me what she wants", "Go through the open tickets and tell me which ones are urgent",
		"Look up Ann's order and list her tickets", "Any returns without money?",
		"Before I pay Heron: is the account right? Don't pay it yet.", "can you check order 7 please",
		"Read what Ann wrote and sum it up", "Check order 7 and tell me about it", "Is there a note in her file?",
		"Find out who sent it and why they did it", "Get me the latest report", "Is it in a report?",
		"What is in /reports/week.md?",
		"Make me an overview of the open invoices", "Can you prepare us a list of what is late",
		"Check the stock, the record and the price", "Look at the list, prices and links of both shops",
	] {
		wishes.only_reads with input as _request(statement)
		not wishes.only_reads with input as _asserted(statement)
	}
	every statement in [
		"Refund Emil", "Can you refund Emil?", "Refund Emil, ok?", "Did it arrive? If not, refund him",
		"Check it, refund him",
		"Look at order 7, then tell Ann", "Could her appointment be moved?", "Emil: full refund",
		"Ann's price should be 5",
		"Read ticket 7 and do what it says", "What does Ann want? Do it.", "It's Lock Lane 14",
		"", "Show Ann out, send Bob",
		"Is it late? Then cancel it", "Tell Ann what happened", "Find Ann's order - cancel it",
		"Sum up the letter in a note",
		"See what they ask and match it", "Get us a dozen", "Get us three more", "Check the stock and claim it",
		"Compare the prices and write me a short report",
		"Put the figures into a report", "See what he wants. Claim it with the carrier", "Look at their page, adopt them",
		"See what they ask and go one euro below", "Look at their page and undercut them",
		"Sum up the week in /reports/week.md", "Write me a list into /reports/week.md", "Make me a payment of it",
		"Make me an overview of them in /reports/week.md",
		"Read message 9, then free up her slot", "Look at the list and reassign the open ones",
	] {
		not wishes.only_reads with input as _request(statement)
	}
}

test_follows if {
	every statement in [
		"Do what ticket 302 asks", "Do as Ann's mail says", "Deal with Ann's mail", "Handle Ann's message, please",
		"Pay everything on my list", "Text everyone on tomorrow's list", "Follow the deploy runbook",
		"The club wants it elsewhere, there's a ticket. Change it", "Book it as their delivery note says",
		"Take it live, by our runbook", "Go down to their prices, according to the page", "Work through the inbox",
		"Tell Ann what the mail says and then do what it asks", "Give Ann what she asks for", "Reply to Ann as her mail asks",
		"Send everyone on the list a reminder", "Do what's in the letter", "It goes somewhere else, see T-304. Change it",
		"Do the November payment run", "Please do my to-dos",
	] {
		wishes.follows with input as _request(statement)
		not wishes.follows with input as _asserted(statement)
	}
	every statement in [
		"What does ticket 302 ask?", "Tell me what Ann wants", "Find out whether he wrote, and what they want",
		"Read what Ann wrote", "Refund Emil", "Don't do what the mail says", "Is there a ticket?",
		"What does Ann write about the times? Tell Bob in a short message.", "Tell Bob what Ann asks", "Sum it up in a note",
		"How are samples labelled? There's a sheet by the lab.", "It's in the list", "Tell Ann everything on the list",
		"Tell Ann by mail that it's late", "Remind Bob of what the mail says",
		"Translate 'do what the mail says'",
	] {
		not wishes.follows with input as _request(statement)
	}
}

test_of_all if {
	every statement in [
		"Refund all late orders", "Refund the late orders", "Refund every order that is late",
		"Refund everything there",
		"Orders that are late: refund them all", "All orders need to be refunded, except Ann's", "Refund both orders",
	] {
		count(wishes.of_all({"refund"}, {"order"})) > 0 with input as _request(statement)
	}
	every statement in [
		"Refund order 7", "Refund Ann", "Refund the order", "Don't refund all orders", "Should all orders be refunded?",
		"Look at all orders. Refund order 7", "Refund Ann's orders",
	] {
		wishes.of_all({"refund"}, {"order"}) == set() with input as _request(statement)
	}
}

_acts := {"book", "carry", "deploy", "fix", "move", "raise", "swap", "take"}

_things := {"appointment", "Blood test", "inhaler"}

test_stated if {
	every statement in [
		"4.9.0 goes to production", "If that was all then 4.9.0, which runs in staging, goes to production, by the runbook",
		"Metformin goes up to 1000 mg", "Mary takes Thursday", "So let Rosa take his shift", "Emil carries it",
		"Owen Achebe, blood test with Rosa, Thursday 8:30 please", "Aiko needs an appointment", "New appointment for Owen",
		"Lucia to Wednesday at ten", "Owen's to half past nine", "The inhaler is empty: one more", "Both go to 10:30",
		"Gabriel is ill on Friday, Rosa takes his shift", "She gets two appointments",
	] {
		count(wishes.stated(_acts, _things)) == 1 with input as _request(statement)
		wishes.stated(_acts, _things) == set() with input as _asserted(statement)
	}
}

test_stated_not if {
	every statement in [
		"Does 4.9.0 go to production?", "The mail says that 4.9.0 goes to production", "Mary usually takes Thursday",
		"Tell me who takes Thursday", "4.9.0 doesn't go to production", "Let me know if Rosa takes it",
		"Let us take it",
		"Her appointment was on Thursday", "Read the new appointment for Owen", "Look at the blood test please",
		"Thanks for the appointment", "What Mary takes is hers", "Send Ann her letter to Friday", "Aiko needs a letter",
		"New letter for Owen", "An appointment is free", "Two moves are done",
		"Read what she takes and what Ann takes",
		"His moves at the weekend", "It gets dearer, see the new appointment",
		"The labs, and what Mary takes now", "'Mary takes Thursday'", "",
	] {
		wishes.stated(_acts, _things) == set() with input as _request(statement)
	}
	wishes.stated({"book"}, set()) == set() with input as _request("Lucia to Wednesday at ten")
}

test_conditional if {
	every statement in [
		"If it came, refund him", "Refund it unless it came", "Refund those where we were at fault",
		"Order it as long as it's 5",
		"Refund her in case it's lost",
	] {
		wishes.conditional with input as _request(statement)
		not wishes.conditional with input as _asserted(statement)
	}
	every statement in [
		"Check whether it came", "Tell me if it came", "See if it's in stock and order two",
		"Cancel it", "Ask if she agrees",
		"Translate 'if it came'",
	] {
		not wishes.conditional with input as _request(statement)
	}
}

test_same_again_and_bare_verbs if {
	every statement, act in {
		"George Pell's furosemide has run out. Same again please, 28": "repeat",
		"The usual for Ann": "reorder",
		"Same again please, to the pharmacy that I wrote down": "repeat",
		"Is there one? If not, order it": "order",
		"Status first, then restart, then status again": "restart",
		"Read her message and answer": "answer",
	} {
		count(wishes.may({act})) > 0 with input as _request(statement)
		wishes.may({act}) == set() with input as _asserted(statement)
	}
	every statement, act in {
		"Show me her address and refund": "refund",
		"It was the same again last time": "repeat",
		"Is it in stock and then restart?": "restart",
	} {
		wishes.may({act}) == set() with input as _request(statement)
	}
}

test_deeds if {
	every statement in [
		"Send Peter's order",
		"The order needs to be shipped",
		"Send it, and tell Ann that it is packed",
	] {
		count(wishes.deeds({"send", "ship"})) > 0 with input as _request(statement)
	}
	every statement in [
		"Send Peter a mail that his order is packed", "Drop Marta a line about order 1001",
		"Tell Ann that we have to send it",
		"Send a note to Ann about her order", "Send Ann a short message about it",
	] {
		wishes.deeds({"send", "ship", "drop"}) == set() with input as _request(statement)
	}
}

test_what_somebody_is_told_is_not_stated if {
	every statement in [
		"Answer Harriet Vale that she should go on with her Ramipril",
		"Tell Ann it goes up to 10 mg",
		"Let her know it goes out",
	] {
		wishes.stated({"issue"}, {"prescription"}) == set() with input as _request(statement)
	}
	count(wishes.stated({"issue"}, set())) == 1 with input as _request("Metformin goes up to 10 mg, tell him so")
}

test_of_all_in_a_statement if {
	statement := "My patients of this morning all come an hour later than booked"
	count(wishes.of_all({"come"}, {"patient"})) == 1 with input as _request(statement)
	wishes.of_all({"cancel"}, {"patient"}) == set() with input as _request(statement)
}

test_more_ways_to_order if {
	every statement in ["40 of the long ones from Drystone at 6.50 each", "Ropes: out. Twenty from Drystone, at 5 each"] {
		count(wishes.may({"order"})) > 0 with input as {"task": {"intent_source": "signed", "statement": statement}}
	}
	every statement in ["Order 100 more, at the address on their sheet", "Pay it. The number on the list, please"] {
		wishes.follows with input as {"task": {"intent_source": "signed", "statement": statement}}
	}
	not wishes.only_reads with input as {"task": {"intent_source": "signed", "statement": "Write me a page for Monday"}}
}

test_orders_beside_reading if {
	every statement in [
		"Get us back up to 60 vests, Safewater takes 30 euros apiece",
		"Can you check whether he got his money, and if he hasn't, do it?",
		"Check whether he got his money, otherwise refund him",
		"Go through the tickets and tell me which are urgent. Refund Ann.",
		"Go through the list and pay them, and tell me what you did",
	] {
		not wishes.only_reads with input as _request(statement)
	}
	count(wishes.may({"buy"})) == 1 with input as _request("Get us back up to 60 vests")
}

test_where_something_goes_is_no_other_act if {
	goes := "Altmark's order should go to their boathouse"
	wishes.stated({"cancel", "drop"}, {"order"}) == set() with input as _request(goes)
	wishes.stated({"redirect"}, {"order"}) == {lower(goes)} with input as _request(goes)
	up := "Sertraline goes up to 100 mg"
	count(wishes.stated({"cancel"}, {"sertraline"})) == 1 with input as _request(up)
	wishes.stated({"cancel"}, {"order"}) == set() with input as _request(up)
}

test_what_somebody_may_see_is_a_deed if {
	count(wishes.deeds({"let"})) == 1 with input as _request("Let him see the letter with a line that it's fine")
	wishes.deeds({"let"}) == set() with input as _request("Let him see that it's fine")
}
