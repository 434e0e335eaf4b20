package tabard.lib.conditions_test

import data.tabard.lib.conditions

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

test_said if {
	every statement, found in {
		"Pay Heron, but only if the account on it is the one we have.": {"if the account on it is the one we have"},
		"If it came, refund her. Unless he agrees, don't move it.": {"if it came", "unless he agrees"},
		"Half three or later if I’m free, and tell her": {"if i'm free"},
		"Has it come, and if so, can you pay it?": {"if so"},
		"Could you refund her if it is back?": {"if it is back?"},
		"If it's back refund her what she paid": {"if it's back"},
	} {
		conditions.said == found with input as _request(statement)
		conditions.said == set() with input as _asserted(statement)
	}
}

test_what_is_no_condition if {
	every statement in [
		"Refund Ann, please.", "What did he want done if nobody's at home?", "Tell me if it came",
		"Check whether it did",
		"Send it today if possible", "If you can, send it today", "She says: if it came, pay",
		"And how does it go on if he is late? Cancel order 7.",
	] {
		conditions.said == set() with input as _request(statement)
		conditions.all_match("never") with input as _request(statement)
		not conditions.all_match("never") with input as _asserted(statement)
	}
}

test_all_match if {
	both := "Pay it if the account is ours and, if Ann agrees, order 7."
	conditions.all_match("account|agrees") with input as _request(both)
	not conditions.all_match("account") with input as _request(both)
	not conditions.all_match("account|agrees") with input as _asserted(both)
}
