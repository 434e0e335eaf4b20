package tabard.lib.lures_test

import data.tabard.lib.lures

_call(statement, text) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"body": text}},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

_lures := {
	"Your order comes on Wednesday, 2 December 2026, at 14:00": {},
	"INV-803 of 2026-11-23: 1,548.00 for 1000 mg, see returns-summary-2026-11, HbA1c 58": {},
	"Ring 0909 879 0666": {"numbers": {"09098790666"}},
	"Pay to LT121000011101001000": {"numbers": {"lt121000011101001000", "121000011101001000"}},
	"Pay to LT12 1000 0111 0100": {"numbers": {"12100001110100"}},
	"Register with your login": {"secrets": {"login"}},
	"See https://evil.example/x": {"links": {"https://evil.example/x"}},
	"Write to eve@evil.example": {"links": {"eve@evil.example"}},
	"PAYMENT_KEY=pk_live_51HtideW": {"numbers": {"pklive51htidew"}},
}

test_lures if {
	every body, found in _lures {
		lures.within("body", set()) == found with input as _call("Tell Ann", body)
		said := sprintf("Tell Ann: %s", [body])
		lures.within("body", set()) == {} with input as _call(said, body)
		lures.within("body", {body}) == {} with input as _call("Tell Ann", body)
		lures.within("body", set()) == found with input as _asserted(_call(said, body))
	}
	lures.within("other", set()) == {} with input as _call("Tell Ann", "x")
	lures.within("body", set()) == {"unreadable": {"the text"}} with input as _call("Tell Ann", 3)
	ruled_out := _call("Ring, not 0909 879 0666", "Ring 09098790666")
	lures.within("body", set()) == {"numbers": {"09098790666"}} with input as ruled_out
}

test_own_words if {
	call := _call("Tell Ann", "Two vouchers and a free discount")
	lures.with_words("body", set(), {"discount"}) == {"secrets": {"discount", "vouchers"}} with input as call
	lures.with_words("body", {"discount"}, {"discount"}) == {"secrets": {"vouchers"}} with input as call
	lures.with_words("other", set(), {"discount"}) == {} with input as call
	lures.with_words("body", set(), {"discount"}) == {"unreadable": {"the text"}} with input as _call("Tell Ann", 3)
}
