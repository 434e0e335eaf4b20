package tabard.lib.wording_test

import data.tabard.lib.wording

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

test_words_of_the_request if {
	wording.words == {"pay", "ann", "s", "12"} with input as _request("Pay Ann's 12!")
	wording.words == set() with input as _asserted("Pay Ann's 12!")
}

test_asks_for_what_it_says if {
	wording.asks_for(wording.pay) with input as _request("Please PAY the rent.")
	not wording.asks_for(wording.send) with input as _request("Please pay the rent.")
	not wording.asks_for(wording.pay) with input as _asserted("Please pay the rent.")
}

test_a_past_action_is_not_asked_for if {
	every words in [wording.pay, wording.send, wording.delete, wording.publish] {
		not wording.asks_for(words) with input as _request("What had Bob paid, sent, deleted and posted?")
	}
}

test_sets_can_be_extended if {
	wording.asks_for(wording.pay | {"donate"}) with input as _request("Donate 5 to the zoo")
}

test_instructions_elsewhere_may_ask_for_anything if {
	every statement in [
		"Carry out the instructions",
		"Here's my to-do list",
		"Work off my TODO",
		"Do all tasks",
		"Do as the letter says",
		"Follow what it says",
	] {
		wording.asks_for(wording.delete) with input as _request(statement)
		wording.refers_to_instructions with input as _request(statement)
		not wording.refers_to_instructions with input as _asserted(statement)
	}
	not wording.refers_to_instructions with input as _request("Read the constructions file, set up a follow-up")
}

test_refers_to_sources if {
	every statement in [
		"Pay the bill",
		"Pay what invoice.pdf says",
		"Write what stands at www.example.org/start",
		"Follow the instructions",
	] {
		wording.refers_to_sources with input as _request(statement)
		not wording.refers_to_sources with input as _asserted(statement)
	}
	not wording.refers_to_sources with input as _request("Send Ann 12.50 for lunch. Thanks")
}

test_every_set_holds_single_words_in_lower_case if {
	every words in [
		wording.admit,
		wording.change,
		wording.create,
		wording.delete,
		wording.pay,
		wording.publish,
		wording.send,
	] {
		every word in words {
			regex.match(`^[a-z]+$`, word)
		}
	}
}

test_asks_for_form if {
	every statement in ["Sending it helps", "He sends it", "Send it", "I'd like sending"] {
		wording.asks_for_form({"send"}) with input as _request(statement)
		not wording.asks_for_form({"send"}) with input as _asserted(statement)
	}
	every statement, word in {
		"Scheduling it": "schedule",
		"Planning": "plan",
		"It replies": "reply",
		"Who watches": "watch",
		"Adding it": "add",
		"Paying": "pay",
	} {
		wording.asks_for_form({word}) with input as _request(statement)
	}
	every statement in ["He sent it", "Sender", "Sen", "Do all tasks", "Ing"] {
		not wording.asks_for_form({"send"}) with input as _request(statement)
	}
}

test_mentions_forms if {
	every statement, name in {
		"Order two yoga mats.": "Yoga Mat",
		"Order a yoga-mat": "yoga mats",
		"Buy boxes of batteries": "Batteries",
		"Buy a battery box": "battery boxes",
		"Cancel the glasses": "Glass",
		"Book Ann's class": "class",
	} {
		wording.mentions_forms(name) with input as _request(statement)
		not wording.mentions_forms(name) with input as _asserted(statement)
	}
	every statement, name in {
		"Order a yoga blanket and a door mat": "Yoga Mat",
		"Order matter": "mat",
		"It's 7 a.m.": "a",
		"Mat, yoga": "yoga mat",
		"": "mat",
		"anything": "",
	} {
		not wording.mentions_forms(name) with input as _request(statement)
	}
	not wording.mentions_forms(sprintf("%257s", ["mats"])) with input as _request("mats")
}

test_hands_over if {
	every statement in [
		"Book it according to Bob's mail",
		"Take care of Ann's request",
		"Install it as the page describes",
		"Give Bob whatever he needs",
		"Please deal with the mails",
		"Do what he asks",
		"Do all tasks",
	] {
		wording.hands_over with input as _request(statement)
		not wording.hands_over with input as _asserted(statement)
	}
	every statement in ["Send Ann 12 euros", "Summarise the care report", "As soon as Ann is here, tell me"] {
		not wording.hands_over with input as _request(statement)
	}
}
