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
