package tabard.lib.agreements_test

import data.tabard.lib.agreements

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

test_said if {
	every statement in [
		"Owen asks about physio again. Yes, do it, Riverside.", "Check it and then do that", "Please arrange it",
	] {
		agreements.said with input as _request(statement)
		not agreements.said with input as _asserted(statement)
	}
	every statement in ["Don't do it", "Refund Ann", "Would you do it?", "They do it"] {
		not agreements.said with input as _request(statement)
	}
}

test_upon if {
	check := "Check that we haven't paid him, then do it"
	agreements.upon({"pay"}) == {"check that we haven't paid him,"} with input as _request(check)
	agreements.upon({"refund"}) == set() with input as _request(check)
	agreements.upon({"pay"}) == set() with input as _request("Don't pay him. Do it later")
	agreements.upon({"pay"}) == set() with input as _asserted("He isn't paid. Do it")
}
