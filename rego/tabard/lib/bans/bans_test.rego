package tabard.lib.bans_test

import data.tabard.lib.bans

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

test_on if {
	every statement, act in {
		"Answer T-302: the refund comes this week. No refunds yet.": "refund",
		"Sum it up without paying anything": "pay",
		"Tell me what it says. Don’t do anything yet.": "move",
		"Don't answer them yet, I want to see it first": "answer",
		"Don't pay": "pay",
		"No further payments today": "pay",
		"No cancellations, please": "cancel",
		"Make no deletions": "delete",
		"Look at the log. Nothing else.": "restart",
		"Save it to the report and leave everything else": "restart",
		"Don't send anything yet": "send",
		"Don't change anything yet, tell Ann": "move",
		"No refunds that nobody has approved": "refund",
	} {
		bans.on({act}) with input as _request(statement)
		not bans.on({act}) with input as _asserted(statement)
	}
}

test_not_on if {
	every statement, act in {
		"Refund Ann, but don't refund Bob": "refund",
		"Restart labels. Nothing else.": "restart",
		"There is no rope left, order 60": "order",
		"Refund order 7": "refund",
		"Rope down to 13.40 and dry bags to 26.90. Everything else stays.": "set",
		"Save a note with the date, nothing else in it, and Bob gets it": "share",
		"No problem, pay it": "pay",
		"Don't touch the prices": "refund",
		"Don't change anything yet, but tell Ann": "tell",
		"Don't change anything yet, look first": "tell",
		"Move it to Friday. Don't change anything else": "move",
		"Pay Heron, don't pay anything else": "pay",
		"Restart labels and don't do anything else": "restart",
		"Text her the time, without saying what for": "say",
	} {
		not bans.on({act}) with input as _request(statement)
	}
}

test_a_ban_on_another_message if {
	statement := "Leave Ann a message about what they want. Don't answer them yet."
	not bans.on({"answer", "tell", "write"}) with input as _request(statement)
	bans.on({"answer", "reply"}) with input as _request(statement)
	bans.on({"answer", "tell"}) with input as _request("What do they want? Don't answer them yet.")
	bans.on({"pay"}) with input as _request("Move it to Friday. Don't pay anything else")
}

test_left_alone if {
	every statement, thing in {
		"Stop the ramipril, the atorvastatin stays as it is": "atorvastatin",
		"Compare them, don't touch the prices": "price",
		"Leave the boxes alone": "box",
		"The paddle from before is settled": "paddle",
		"Keep Ann's order unchanged": "order",
	} {
		bans.left_alone({thing}) with input as _request(statement)
		not bans.left_alone({thing}) with input as _asserted(statement)
		not bans.left_alone({"kayak"}) with input as _request(statement)
	}
}

test_no_repeats_is_a_number if {
	every statement in ["Ramipril again, 28 each, no repeats", "Renew it, with no refills", "28 tablets and no repeats"] {
		not bans.on({"repeat", "renew", "refill"}) with input as {"task": {"intent_source": "signed", "statement": statement}}
	}
	bans.on({"repeat"}) with input as {"task": {"intent_source": "signed", "statement": "No repeats for Ann yet"}}
}
