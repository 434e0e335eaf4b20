package tabard.lib.calls_test

import data.tabard.lib.calls

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_call(thing, values) := {"acts": {"put", "refund", "reprice"}, "matter": {"price"}, "thing": thing, "values": values}

_more(thing, values, more) := object.union(_call(thing, values), more)

test_said if {
	every statement in ["Refund Ann", "Put Ann's price up", "Please refund her"] {
		calls.meaning(_call("named", ["said"])) == "said" with input as _request(statement)
		calls.meaning(_call("named", [])) == "said" with input as _request(statement)
		calls.meaning(_call("named", ["none"])) == "open" with input as _request(statement)
		calls.meaning(_call("none", ["said"])) == "open" with input as _request(statement)
		calls.meaning(_call("other", ["said"])) == "no" with input as _request(statement)
		calls.meaning(_call("named", ["said", "other"])) == "no" with input as _request(statement)
		calls.meaning(_call("named", ["said"])) == "no" with input as _asserted(statement)
	}
}

test_a_statement_without_a_value_is_open if {
	call := object.union(_call("named", []), {"acts": {"go", "return"}, "matter": {"order"}})
	calls.meaning(call) == "open" with input as _request("Ann's order goes back")
	calls.meaning(object.union(call, {"values": ["said"]})) == "said" with input as _request("Ann's order goes back")
	calls.meaning(call) == "said" with input as _request("Return Ann's order")
}

test_a_message_orders_its_telling if {
	call := {"acts": {"tell", "write"}, "matter": {"message"}, "thing": "named", "values": ["said"]}
	says := "Tell Ann that it comes on Friday"
	calls.meaning(call) == "open" with input as _request(says)
	message := object.union(call, {"kind": "message"})
	calls.meaning(message) == "said" with input as _request(says)
	calls.meaning(object.union(message, {"values": ["none"]})) == "open" with input as _request(says)
	calls.meaning(object.union(message, {"values": []})) == "open" with input as _request(says)
	calls.meaning(message) == "no" with input as _request("What did Bob write to Ann?")
	calls.meaning(message) == "open" with input as _request("If it's late, tell Ann")
}

test_no_verb if {
	statement := "Ann: 59 euros"
	calls.meaning(_more("named", ["said"], {"undoable": true})) == "said" with input as _request(statement)
	calls.meaning(_call("named", ["said"])) == "open" with input as _request(statement)
	calls.meaning(_call("none", ["said"])) == "no" with input as _request(statement)
	every said in [
		"Why did Ann get 59 euros? Tell Bob", "Bob says that Ann gets 59 euros. Tell Cleo", "Ann wants 59 euros",
		"Put in a note that Ann gets 59 euros", "Write to Bob, Ann could have 59 euros",
	] {
		calls.meaning(_more("named", ["said"], {"undoable": true})) == "open" with input as _request(said)
	}
	calls.meaning(_more("named", [], {"undoable": true})) == "no" with input as _request(statement)
}

test_conditions if {
	statement := "If the account is ours, refund Ann"
	calls.meaning(_call("named", ["said"])) == "open" with input as _request(statement)
	calls.meaning(_more("named", ["said"], {"held": "account"})) == "said" with input as _request(statement)
	calls.meaning(_more("named", ["said"], {"held": "price"})) == "open" with input as _request(statement)
	calls.meaning(_more("named", ["said"], {"confirmed": true})) == "said" with input as _request(statement)
}

test_open if {
	every statement in [
		"Do what Ann's ticket asks", "Ann asks for it again. Yes, do it", "Deal with it", "Ann needs a refund in my opinion",
		"What about Ann's price? It has to change", "If it's lost she gets it, refunding costs nothing",
		"Respond appropriately, please",
	] {
		calls.meaning(_call("named", ["none"])) == "open" with input as _request(statement)
	}
	calls.meaning(_call("none", [])) == "open" with input as _request("If he calls we talk about refunding")
}

test_no if {
	every statement in ["What does Ann say?", "No refunds yet", "Tell Bob that it's late"] {
		calls.meaning(_call("none", ["none"])) == "no" with input as _request(statement)
	}
	long := concat("", ["Refund Ann", concat("", [" x" | some _ in numbers.range(1, 2100)])])
	calls.meaning(_call("named", [])) == "no" with input as _request(long)
}

_orders := {"O-1": ["Ann Lee"], "O-2": ["Bob Moss"], "O-3": ["Cleo Moss"]}

test_aimed if {
	every statement, meanings in {
		"Refund Ann, tell Bob": ["named", "unclear", "other"],
		"Ann and Bob are waiting. Refund them": ["named", "named", "other"],
		"Refund Moss": ["other", "unclear", "unclear"],
		"Refund it": ["none", "none", "none"],
		"Refund all but Ann": ["other", "none", "none"],
	} {
		every number, wanted in meanings {
			id := sprintf("O-%d", [number + 1])
			calls.aimed(id, _orders, {"order"}, {"refund"}, {"money"}) == wanted with input as _request(statement)
		}
	}
}

test_aimed_without_an_order if {
	calls.aimed("O-1", _orders, {"order"}, {"cancel"}, set()) == "named" with input as _request("Ann is waiting")
}

test_ordered if {
	every statement in ["Put the price up", "Reprice them", "Ann's price goes up"] {
		count(calls.ordered({"put", "go", "reprice"}, {"price"})) > 0 with input as _request(statement)
		calls.ordered({"put", "go", "reprice"}, {"price"}) == set() with input as _asserted(statement)
	}
	every statement in ["Put her in at two", "It goes to Ann", "What is the price?"] {
		calls.ordered({"put", "go", "reprice"}, {"price"}) == set() with input as _request(statement)
	}
}

_undoable := {"acts": {"move"}, "matter": {"appointment"}, "thing": "named", "undoable": true}

test_absent_values if {
	request := {"task": {"intent_source": "signed", "statement": "Ann: appointment at nine"}}
	calls.meaning(object.union(_undoable, {"values": ["said", "absent"]})) == "said" with input as request
	calls.meaning(object.union(_undoable, {"values": ["absent"]})) == "open" with input as request
	calls.meaning(object.union(_undoable, {"values": ["none", "absent"]})) == "open" with input as request
}

test_needs if {
	call := object.union(_undoable, {"values": ["said"], "needs": true})
	every statement, says in {"Ann: appointment at nine": "said", "Ann at nine": "no"} {
		calls.meaning(call) == says with input as {"task": {"intent_source": "signed", "statement": statement}}
	}
}

test_what_is_told_orders_nothing if {
	call := object.union(_undoable, {"values": ["said"]})
	every statement in [
		"Tell Bob that Ann comes on Friday at nine", "Tell Bob Ann is there at nine", "Let the team know: Ann on Friday",
		"Write to Bob that Ann comes at nine",
	] {
		calls.meaning(call) == "open" with input as {"task": {"intent_source": "signed", "statement": statement}}
	}
	every statement in ["Ann at nine", "Move Ann's appointment to nine and tell Bob that she comes"] {
		calls.meaning(call) == "said" with input as {"task": {"intent_source": "signed", "statement": statement}}
	}
}

test_what_others_would_like if {
	call := object.union(_undoable, {"values": ["said"]})
	every statement, says in {"Bob would like Ann at nine": "open", "I'd like Ann at nine": "said"} {
		calls.meaning(call) == says with input as {"task": {"intent_source": "signed", "statement": statement}}
	}
}
