package tabard.lib.exclusions_test

import data.tabard.lib.amounts
import data.tabard.lib.exclusions
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.quantities

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

test_kept if {
	every statement, kept in {
		"Use Bell Street, not Harbour.": "Use Bell Street,  … .",
		"Pay all but Ann's and tell Bob": "Pay all …  and tell Bob",
		"Pay all that aren't Ann's but Bob's": "Pay … ",
		"Pay all but tell Bob": "Pay all but tell Bob",
		"All orders but order 7": "All orders … ",
		"Don't tell Ann": " … ",
		"Don't (please!) tell Ann, or Bob": " … ",
		"Don't (tell Ann": " … ",
		"Order no. 7": "Order no. 7",
		"Ann isn't in, tell Bob": "Ann  … , tell Bob",
		"Ann, who shouldn't know, and Bob": " … ",
		"": "",
	} {
		_single(exclusions.kept) == _single(kept) with input as _request(statement)
		exclusions.kept == "" with input as _asserted(statement)
	}
}

_single(text) := trim_space(regex.replace(text, ` +`, " "))

test_excepted if {
	exclusions.excepted == {" Ann's "} with input as _request("All but Ann's and tell Bob")
	exclusions.excepted == {" Bob "} with input as _request("Tell Ann and Bob shouldn't know")
	exclusions.excepted == set() with input as _request("Don't tell Ann")
}

test_asserted_intent_if_accepted if {
	exclusions.kept == "Pay Ann,  … " with input as _asserted("Pay Ann, without Bob")
		with data.tabard.settings.accept_asserted_intent as true
}

test_forbidden if {
	{act.text | some act in exclusions.forbidden} == {" pay Bob"} with input as _request("Ask Ann rather than pay Bob")
	found := exclusions.forbidden with input as _request("Cancel it without telling or mailing Ann")
	{act.text | some act in found; count({"tell", "mail"} - act.acts) == 0} == {" telling or mailing Ann"}
	{"acts": set(), "text": ""} in exclusions.forbidden with input as _request("Don't")
	exclusions.forbidden == set() with input as _request("All but Ann's")
}

test_marked if {
	exclusions.marked == "Pay all except Ann's" with input as _request("Pay all but Ann's")
	exclusions.marked == "Pay all but tell Ann not Bob" with input as _request("Pay all but tell Ann not Bob")
	exclusions.marked == "" with input as _asserted("Pay all but Ann's")
}

test_values_hosts_and_numbers_are_ruled_out_too if {
	every statement in [
		"Pay 20 euros via https://good.example rather than 50 euros via https://evil.example",
		"Pay 20 euros via https://good.example. Don't pay 50 euros via https://evil.example",
		"Pay 20 euros, not 50 euros, at https://good.example, not at https://evil.example",
	] {
		quantities.cents == {2000} with input as _request(statement)
		hosts.named == {"good.example"} with input as _request(statement)
		not intent.mentions("https://evil.example") with input as _request(statement)
		not intent.mentions_number(50) with input as _request(statement)
		not 50 in amounts.said with input as _request(statement)
	}
	quantities.cents == {5000} with input as _request("Pay no more than 50 euros")
}

# Nothing of a longer request is read, so nothing of it is confirmed.
test_a_long_request_keeps_nothing if {
	exclusions.kept == "" with input as {"task": {"intent_source": "signed", "statement": sprintf("%4097s", ["Pay Ann"])}}
	endswith(exclusions.kept, "Pay Ann") with input as {"task": {
		"intent_source": "signed",
		"statement": sprintf("%4096s", ["Pay Ann"]),
	}}
}
