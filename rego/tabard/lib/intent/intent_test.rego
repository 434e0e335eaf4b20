package tabard.lib.intent_test

import data.tabard.lib.intent

_signed := {"task": {
	"intent_source": "signed",
	"purpose": "refunds",
	"statement": concat(" ", [
		"Pay Ann@Shop.example 1,200.50 and 30 to GB29NWBK60161331926819,",
		"see https://shop.example/a/b. By 2026-11-23.",
	]),
}}

_asserted := json.patch(_signed, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

test_signed_intent_is_trusted if {
	intent.trusted with input as _signed
}

test_asserted_intent_is_not_trusted if {
	not intent.trusted with input as _asserted
}

test_asserted_intent_is_trusted_if_configured if {
	intent.trusted with input as _asserted with data.tabard.settings.accept_asserted_intent as true
}

test_purpose if {
	intent.purpose_is("refunds") with input as _signed
	not intent.purpose_is("exports") with input as _signed
	not intent.purpose_is("refunds") with input as _asserted
}

test_purpose_in if {
	intent.purpose_in({"refunds", "returns"}) with input as _signed
	not intent.purpose_in(["returns"]) with input as _signed
	not intent.purpose_in({"refunds"}) with input as _asserted
}

test_mentions_whole_words if {
	every value in ["ann@shop.example", "GB29NWBK60161331926819", "pay", "https://shop.example/a/b", "2026-11-23"] {
		intent.mentions(value) with input as _signed
	}
}

test_mentions_no_part_of_a_word if {
	every value in ["n@shop.example", "ann@shop", "GB29", "shop.example", "https://shop.example/a", "2026", "p", ""] {
		not intent.mentions(value) with input as _signed
	}
}

test_mentions_needs_trust if {
	not intent.mentions("pay") with input as _asserted
	not intent.mentions_number(30) with input as _asserted
}

test_mentions_numbers if {
	every value in [30, 1200.5] {
		intent.mentions_number(value) with input as _signed
	}
}

test_mentions_no_part_of_a_number if {
	every value in [1, 3, 200, 1200, 29, 23, 11] {
		not intent.mentions_number(value) with input as _signed
	}
}
