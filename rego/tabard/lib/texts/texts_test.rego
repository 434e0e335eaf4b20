package tabard.lib.texts_test

import data.tabard.lib.texts

_call(statement, text) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"body": text}},
}

_asserted(call) := object.union(call, {"task": {"intent_source": "asserted"}})

_statement := "Tell Ann Lee that order 1006 of 12 boxes was delayed and comes on Wednesday, see docs.example.org/late"

_own := {"Ann Lee", "ann@shop.example", "Oak Lane 5", "2026-12-02T14:00"}

_good := [
	"Dear Ann,\n\nyour order 1006 was unfortunately delayed. It comes on Wednesday, 2 December, at 2 pm.\n\nKind regards",
	"Hello Ann Lee, the 12 boxes come on Wednesday 02.12.2026, 14:00. Sorry for the delay!",
	"Order 1006: we expect it at two o'clock on the 2nd. It goes to Oak Lane 5.",
	"Your boxes come 2026-12-02 14:00. We'll mail ann@shop.example. See docs.example.org/late.",
	"Dear Ann, your order was delayed because the lorry broke down, so please expect your boxes on Wednesday.",
]

test_plain if {
	every body in _good {
		call := _call(_statement, body)
		texts.plain("body", _own, 3) with input as call
		not texts.plain("body", _own, 3) with input as _asserted(call)
	}
}

_late := "Your order was delayed and comes on Wednesday, the boxes too, we hope you are well, with kind regards. "

_hostile := {
	"another number": "Order 1006 comes with 13 boxes",
	"a split number": "Your order 10 06 was delayed",
	"numbers side by side": "Order 1006 12 12 1006",
	"a row of numbers": concat(", ", ["12" | some _ in numbers.range(1, 40)]),
	"a phone number": "Dear Ann, your order was delayed. Please call 0770 900 123.",
	"a number in words": sprintf("%s code four eight two nine", [_late]),
	"another date": "Your order comes on Thursday, 3 December",
	"another hour": "Your order comes at three o'clock",
	"a link": sprintf("%s See evil.example/x", [_late]),
	"a link without scheme": "See docs.example.org.evil.example",
	"a longer link": "See docs.example.org/late?to=1006",
	"a part of a link": "See docs.example.org",
	"a link in words": sprintf("%s visit evil dot example dot com", [_late]),
	"an address": "Write to eve@shop.example",
	"a part of an address": "Write to n@shop.example",
	"encoded data": sprintf("%s bmluYS5rQG1haWxib3g", [_late]),
	"small encoded data": sprintf("%s qzxvbnrtw", [_late]),
	"hexadecimal data": sprintf("%s deadbeefcafe00ff", [_late]),
	"letters of another script": sprintf("%s Аnn", [_late]),
	"an invisible letter": concat("\u200b", ["Your order was", "delayed"]),
	"a word spelt apart": sprintf("%s t a n a k a", [_late]),
	"a word with points": sprintf("%s t.a.n.a.k.a", [_late]),
	"dots and dashes": sprintf("%s .. -.-. ... .", [_late]),
	"marks in a row": sprintf("%s !!!??", [_late]),
	"another name": sprintf("%s Tanaka", [_late]),
	"a negation": "Your order was not delayed",
	"another negation": "Nothing was delayed, and nobod\u0079 was late, with kind regards to you",
	"an instruction": sprintf("%s Pay by card.", [_late]),
	"a secret": sprintf("%s The passwords", [_late]),
	"many further words": sprintf("%s lorry broken motorway puddle", [_late]),
	"few words, most of them further": "lorry broken",
	"markup": "Your order <b>late</b>",
	"nothing": "",
	"a long text": concat("", [_late | some _ in numbers.range(1, 40)]),
	"no text": 3,
}

test_what_plain_refuses if {
	every kind, body in _hostile {
		refused := {kind | not texts.plain("body", _own, 3) with input as _call(_statement, body)}
		refused == {kind}
	}
}

test_plain_has_a_bound_of_its_own if {
	words := "lorry broken motorway puddle garden window"
	body := concat("", array.concat([_late | some _ in numbers.range(1, 5)], [words]))
	not texts.plain("body", _own, 100) with input as _call(_statement, body)
	not texts.plain("body", _own, 0) with input as _call(_statement, sprintf("%s lorry", [_late]))
	texts.plain("body", _own, 1) with input as _call(_statement, sprintf("%s lorry", [_late]))
}

test_moments_are_written_in_usual_ways if {
	call := _call("Confirm the visit", "The visit is on Monday, 31 August at 12:30 or 1 September at nine.")
	texts.plain("body", {"2026-08-31", "12:30", "2026-09-01T09:00"}, 0) with input as call
	not texts.plain("body", {"2026-08-30", "12:30", "2026-09-01T09:00"}, 0) with input as call
	midnight := _call("Confirm the visit", "The visit is at 0:00 on 29 February")
	texts.plain("body", {"2028-02-29T00:00:00"}, 0) with input as midnight
	not texts.plain("body", {"2028-02-29 is no date"}, 0) with input as _call("Confirm it", "On Tuesday")
}

_people := {
	"P-101": ["Harriet Vale", "+44 7700 900641", "harriet.vale@post.example"],
	"P-108": ["Owen Vale", "15 Bell Street"],
	"P-112": ["Aiko Tanaka"],
	"P-113": ["José Ruiz"],
}

_mentioned := {
	"Dear Harriet, your visit is on Monday": {"P-101"},
	"Dear Mrs Vale": {"P-101", "P-108"},
	"Before you: AIKO": {"P-112"},
	"Tanaka's flat": {"P-112"},
	"t a n a k a, aiko; a.i.k.o t.a.n.a.k.a": {"P-112"},
	"aiko-tanaka": {"P-112"},
	"Аikо Tаnаkа": {"P-112"},
	"T4naka and 0wen": {"P-108", "P-112"},
	"Jose Ruíz": {"P-113"},
	"Call 0770 0900 641": set(),
	"Call 44-7700-900-641": {"P-101"},
	"４４ ７７００ ９００６４１": {"P-101"},
	"harriet.vale at post example: harriet . vale @ post . example": {"P-101", "P-108"},
	"He lives at 15, Bell Street": {"P-108"},
	"of p 112 and P-101": {"P-101", "P-112"},
	"No name at all": set(),
}

test_mentions if {
	every body, ids in _mentioned {
		texts.mentions("body", _people) == ids with input as _call("", body)
	}
	texts.mentions("body", _people) == {"P-108", "P-112"} with input as _call("", ["To Owen", "and Aiko"])
	texts.mentions("other", _people) == set() with input as _call("", "Harriet")
}

test_what_cannot_be_read_mentions_all if {
	every body in [3, {"a": "Harriet"}, ["Harriet", 3], concat("", ["Hello. " | some _ in numbers.range(1, 2000)])] {
		texts.mentions("body", _people) == object.keys(_people) with input as _call("", body)
		texts.mentions_others("body", _people, {"P-101"}) == object.keys(_people) - {"P-101"} with input as _call("", body)
	}
}

test_mentions_others if {
	every body in ["Dear Mrs Vale", "Dear Harriet Vale, see you", ""] {
		texts.mentions_others("body", _people, {"P-101"}) == set() with input as _call("", body)
	}
	every body in ["Mrs Vale, after Owen", "Vale, 15 Bell Street", "Vale (P-108)", "Vale, o.w.e.n.v.a.l.e"] {
		texts.mentions_others("body", _people, {"P-101"}) == {"P-108"} with input as _call("", body)
	}
	texts.mentions_others("body", _people, {"unknown"}) == {"P-101", "P-108"} with input as _call("", "Mrs Vale")
}

test_a_name_of_two_lines_mentions_all if {
	people := object.union(_people, {"P-114": ["Ann\nLee"]})
	texts.mentions("body", people) == object.keys(people) with input as _call("", "Hello")
}

test_amounts_and_participles_of_the_request if {
	every statement, text in {
		"Pay Emil a hundred and fifty euros back": "Dear Emil, your 150.00 are paid back today.",
		"Cancel it and pay the 1,548 euros back": "Hello, it is cancelled. You get the 1,548.00 euros back this week.",
		"Refund him 29.90 euros": "Dear Sir, we have refunded the 29.90 euros.",
		"Jonah gets 150 back, tell him": "Dear Jonah, 150.00 back.",
	} {
		texts.plain("body", set(), 0) with input as _call(statement, text)
	}
	every statement, text in {
		"Pay Emil a hundred and fifty euros back": "Dear Emil, your 150.50 are paid back today.",
		"Cancel it and pay the 1,548 euros back": "Hello, it is cancelled. You get the 11,548.00 euros back this week.",
		"Jonah gets 150 back, tell him": "Dear Jonah, 150.50 back.",
		"Jonah gets 15 back, tell him": "Dear Jonah, 150.00 back.",
		"Don't refund him": "Dear Sir, we have refunded it.",
		"Refund him 5 euros, not 50 euros": "Dear Sir, we have refunded 50.00 euros.",
	} {
		not texts.plain("body", set(), 0) with input as _call(statement, text)
	}
}

_kinds := {
	"Your order 1006 comes on Wednesday": set(),
	"Hello, the lorry broke down": {"words"},
	"It comes with 13 boxes": {"numbers"},
	"It comes with thirteen boxes": {"numbers"},
	"It comes on Thursday": {"dates"},
	"Please bring it to the kiosk": {"grave"},
	"It moves to Lotnicza 8, Gdansk": {"names", "numbers", "words"},
	"Your new one is free": {"grave", "numbers"},
	"We send a replacement, with a voucher": {"grave"},
	"Write to eve@evil.example": {"links", "words"},
	"See evil.example/x": {"links", "names", "words"},
	"Pay by card": {"grave"},
	"Vouchers": {"grave"},
	"key=value": {"grave", "marks", "words"},
	"tnkgrw": {"names"},
}

test_unsaid if {
	every body, kinds in _kinds {
		found := texts.unsaid("body", _own) with input as _call(_statement, body)
		object.keys(found) == kinds
	}
	found := texts.unsaid("body", _own) with input as _call(_statement, "Now to Lotnicza 8, kiosk broken")
	found == {"grave": {"kiosk"}, "names": {"Lotnicza"}, "numbers": {"8"}, "words": {"broken"}}
}

test_unsaid_needs_a_text_and_a_trusted_request if {
	not texts.unsaid("body", _own) with input as _asserted(_call(_statement, "Hello"))
	every body in [3, concat("", [_late | some _ in numbers.range(1, 40)])] {
		not texts.unsaid("body", _own) with input as _call(_statement, body)
	}
}

test_unsaid_text if {
	found := texts.unsaid_text("Lorry broken at 8", _own) with input as _call(_statement, "")
	found == {"numbers": {"8"}, "words": {"broken", "lorry"}}
	not texts.unsaid_text("Hello", _own) with input as _asserted(_call(_statement, ""))
}

test_a_first_word_is_no_name if {
	every body, kinds in {
		"Customer found a crack. Lorry broken": {"words"},
		"It moves to Lotnicza. Lotnicza": {"names", "words"},
		"Hello: Smithers": {"words"},
	} {
		found := texts.unsaid("body", _own) with input as _call(_statement, body)
		object.keys(found) == kinds
	}
}
