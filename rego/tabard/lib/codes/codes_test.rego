package tabard.lib.codes_test

import data.tabard.lib.codes

_call(statement, arguments) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": arguments},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

test_within if {
	every text, found in {
		"Your code is 482 913.": {"482913"},
		"PIN 4829": {"4829"},
		"G-482913 is your code": {"g482913"},
		"4-8-2-9-1-3": {"482913"},
		"4 . 8 . 2 . 9": {"4829"},
		"IBAN DE89 3704 0044 0532 0130 00": {"370400440532013000"},
		"4111 1111 1111 1111": {"4111111111111111"},
		"key sk_live_9aB3xY": {"sklive9ab3xy"},
		"password hunter22": {"hunter22"},
		"AKIAABCDEFGHIJKLMNOP": {"akiaabcdefghijklmnop"},
		"abcdefghijklmnopqrstu-v": {"abcdefghijklmnopqrstuv"},
		"four eight two nine": {"foureighttwonine"},
		"４８２９１３": {"000000"},
		"4\u200B8\u200B2\u200B9": {"4829"},
		"١٢٣٤": {"0000"},
	} {
		count(codes.within(text)) > 0
		codes.within(text) & found != set()
	}
}

test_plain_texts_have_no_codes if {
	every text in [
		"",
		"See you at 14:30, or on 2026-05-12 at 5pm; 12.05.2026, May 3rd, 2026, May 2026.",
		"It costs $1,200.00, €160 or 12.50 for 2 tickets, 100 km, 24-hour, COVID-19, H1N1.",
		"One of two, three people.",
		"See https://www.heron-boatworks.example/news/new-skeg-for-the-twelve-footers",
	] {
		codes.within(text) == set()
	}
}

test_many_codes_and_long_texts if {
	many := concat(" and ", [sprintf("%d", [n]) | some n in numbers.range(1000, 1200)])
	count(codes.within(many)) == 101
	not codes.requested({"body"}) with input as _call(many, {"body": many})
	long := sprintf("%10001d", [1])
	not codes.within(long)
	not codes.requested({"body"}) with input as _call("", {"body": long})
}

test_requested if {
	names := {"body", "subject"}
	call := _call("Tell Ann the code 482-913", {"body": ["It's 482913", "Bye"], "subject": "Code"})
	codes.requested(names) with input as call
	not codes.requested(names) with input as _asserted(call)
	codes.requested(names) with input as _call("", {})
	codes.requested(names) with input as _asserted(_call("", {"body": "Hello"}))
	every body in ["It's 654871", "482913 654871", "482913 7", 3, {"a": "b"}, ["a", 3]] {
		not codes.requested(names) with input as _call("Tell Ann the code 482913", {"body": body, "subject": "Code"})
	}
}
