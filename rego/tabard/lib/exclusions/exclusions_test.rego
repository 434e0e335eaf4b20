package tabard.lib.exclusions_test

import data.tabard.lib.amounts
import data.tabard.lib.clauses
import data.tabard.lib.entities
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

test_what_is_left_alone_by_a_pronoun if {
	every statement in [
		"Heron's isn't: don't touch it.", "Heron's isn't right, leave it", "Heron's looks odd, so leave it out",
	] {
		" Heron's" in exclusions.excepted with input as _request(sprintf("Pay the fine ones. %s", [statement]))
		exclusions.excepted == set() with input as {"task": {"intent_source": "asserted", "statement": statement}}
	}
	every statement in [
		"Her address isn't right: don't send it there", "It isn't paid, pay it", "It is ours. Leave it at that",
	] {
		exclusions.excepted == set() with input as _request(statement)
	}
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

# What isn't so forbids nothing, and the order behind it counts.
test_negated_states if {
	every statement, order in {
		"Emil's bag never arrived, refund him": "refund him",
		"Emil never got his money, refund him": "refund him",
		"They never sent Emil the bag, so refund him": "refund him",
		"It was never sent. Refund him": "refund him",
		"Emil no longer wants the kayak, so refund him": "refund him",
		"The kayak is no longer available, refund him": "refund him",
		"Emil can no longer come, refund him": "refund him",
		"They don't want it any more, please refund him": "refund him",
		"The doors don't open again, refund him": "refund him",
		"There's no rope left, refund him": "refund him",
		"We have no rope in stock so refund him": "refund him",
		"No parcel came, refund him": "refund him",
		"Emil's parcel still not here, refund him": "refund him",
		"His bag has not arrived yet, refund him": "refund him",
		"The door doesn't work, so refund him": "refund him",
		"The door doesnt work, so refund him": "refund him",
		"Ropes aren't in stock so refund him": "refund him",
		"Emil hasn't been paid, refund him": "refund him",
		"Nobody has paid Emil, refund him": "refund him",
		"Nothing arrived, refund him": "refund him",
		"Emil wasn't invited, invite him": "invite him",
		"East is out of rope, order the rope": "order the rope",
	} {
		ordered := clauses.ordered({"invite", "order", "refund"}) with input as _request(statement)
		{text | some text in ordered; startswith(text, order)} != set()
		exclusions.forbidden == set() with input as _request(statement)
		not "P-9" in entities.ruled_out(clauses.verbs, {"P-9": ["Emil Stone"]}, set()) with input as _request(statement)
	}
}

# These look like states and forbid.
test_prohibitions_stay if {
	every statement in [
		"Don't pay Emil", "Never pay Emil", "Never again pay Emil", "Please never send Emil the list, send Bob nothing",
		"Do not pay Emil, or refund Emil", "We never agreed to pay Emil", "I never said you should cancel it and pay Emil",
		"Invoices are never sent to Emil, send Emil nothing", "Emil should never be told", "Emil must never get it",
		"We don't want you to pay Emil", "You don't pay Emil", "They don't get Emil's address, pay Emil",
		"Emil no longer gets it", "No longer pay Emil", "Emil is no longer our supplier, pay him",
		"Emil is no longer allowed in",
		"There's no need to pay Emil", "Emil is out, pay the others", "Emil is out of it", "Emil shouldnt get it",
		"Use Heron, not Emil", "Pay all not delivered to Ann, Emil", "For the labels don't print Emil's",
		"Don't pay Ann, pay Bob, or pay Emil", "Don't pay Emil, Ann, pay Bob", "Pay Ann, never Emil",
	] {
		"P-9" in entities.ruled_out(clauses.verbs, {"P-9": ["Emil Stone"]}, set()) with input as _request(statement)
		not "P-9" in entities.named({"P-9": ["Emil Stone"]}, set()) with input as _request(statement)
		ordered := clauses.ordered({"pay", "refund", "send"}) with input as _request(statement)
		{text | some text in ordered; contains(text, "emil")} == set()
	}
}

test_the_same_order_again if {
	people := {"P-1": ["Ann Lee"], "P-2": ["Bob Moss"]}
	every statement in [
		"Don't refund Ann, refund Bob", "Don't refund Ann, please refund Bob", "Do not refund Ann; refund Bob",
		"Never refund Ann, refund Bob",
	] {
		entities.ordered({"refund"}, people, set()) == {"P-2"} with input as _request(statement)
		entities.ruled_out({"refund"}, people, set()) == {"P-1"} with input as _request(statement)
	}
}

test_what_is_taken_back_is_not_said if {
	every statement, kept in {
		"Order 20, no wait, 30 boxes": "Order 30 boxes",
		"Order 20 boxes, no, wait, make it 30": "Order 30",
		"Pay 50 euros. No, sorry, make that 60 euros": "Pay 60 euros",
		"Move it to 11:30 - I mean 12:30": "Move it to 12:30",
		"Tell Ann, I mean Bob, that we ship": "Tell Bob, that we ship",
		"tell Ann Lee or rather Bob": "tell Bob",
		"Refund Bob's, no wait, Ann's": "Refund Ann's",
		"Ann, sorry, Bob can't come": "Ann, sorry, Bob … ",
		"Order 20 boxes. Wait for 30 more": "Order 20 boxes. Wait for 30 more",
	} {
		_single(exclusions.kept) == _single(kept) with input as _request(statement)
	}
}

test_an_order_ends_an_exception if {
	request := _request("Take in what's on the note, without the scratched one, and leave Kola a file")
	exclusions.excepted == {" the scratched one"} with input as request
}

test_a_condition_in_front_forbids_no_order if {
	exclusions.forbidden == set() with input as _request("Unless he objects, book Ann at nine")
	contains(exclusions.kept, "book Ann at nine") with input as _request("Unless he objects, book Ann at nine")
	contains(exclusions.kept, "book Ann") with input as _request("Ask him. Unless he objects, book Ann")
	count(exclusions.forbidden) == 1 with input as _request("Book Ann unless he objects, then go")
}

test_an_order_behind_a_contrast if {
	every statement in ["Quote the letter instead of his name, and note it", "Send Ann's, not Bob's, then cancel it"] {
		request := {"task": {"intent_source": "signed", "statement": statement}}
		regex.match(` ; , (?:and|then)`, exclusions.marked) with input as request
	}
	forbidden := "Don't pay Ann instead of Bob, and refund it"
	not regex.match(` ; `, exclusions.marked) with input as {"task": {"intent_source": "signed", "statement": forbidden}}
}

test_what_waits_is_ruled_out if {
	every statement in [
		"Hold Heron's invoice for now, the others can be paid", "Park Heron's invoice, the rest can go",
		"Wait with Heron's invoice, pay Glide", "Pay Glide and leave Heron's invoice until further notice",
	] {
		contains(concat(" ", exclusions.excepted), "Heron's invoice") with input as _request(statement)
	}
	exclusions.kept == "Hold the ten o'clock for Ann" with input as _request("Hold the ten o'clock for Ann")
}

test_what_fails_rules_out_nothing if {
	every statement in [
		"Labels won't print in east, do the usual", "Sofia doesn't want the vest, refund her",
		"We aren't allowed to keep it, delete the export",
	] {
		exclusions.kept == statement with input as _request(statement)
	}
	every statement in [
		"Don't print in east", "Sofia doesn't want the vest sent to Ann", "We aren't allowed to tell Ann",
	] {
		contains(exclusions.kept, "…") with input as _request(statement)
	}
}
