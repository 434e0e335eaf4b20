package tabard.lib.forms_test

import data.tabard.lib.forms

_call(statement, text) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"body": text}},
}

_asserted(call) := object.union(call, {"task": {"intent_source": "asserted"}})

test_fields if {
	every body in [
		"shipment=S-7004&address=Oak+Lane%205%2C Leith", "Shipment: S-7004\naddress: Oak Lane 5, Leith\n",
		"shipment=S-7004; address = Oak Lane 5, Leith", `{"shipment": "S-7004", "Address": "Oak Lane 5, Leith"}`,
	] {
		forms.fields("body") == {"shipment": "S-7004", "address": "Oak Lane 5, Leith"} with input as _call("", body)
	}
	forms.fields("body") == {"n": "3"} with input as _call("", `{"n": 3}`)
	every body in [
		"", "Please release it", "a=1&a=2", "a: 1\nA: 2", "a=1&b=%41", "a: 1\nand send it to 7 Dock Street",
		`{"a": {"b": "c"}}`,
		`["a"]`, "{}", "a", `{"a": "1", "A": "2"}`, concat("", ["a=1" | some _ in numbers.range(1, 1200)]), 3, "a=1&b",
	] {
		not forms.fields("body") with input as _call("", body)
	}
}

test_known if {
	own := {"Oak Lane 5, Leith", "S-7004"}
	says := "Ann says it's flat 14. Tell the carrier"
	every body in ["shipment=S-7004&address=Oak Lane 5, flat 14, Leith", "note: it is Oak Lane 5\nshipment: S-7004"] {
		forms.known("body", own) with input as _call(says, body)
		not forms.known("body", own) with input as _asserted(_call(says, body))
	}
	every body in [
		"shipment=S-7004&address=Kiosk Baltyk, Lotnicza 8, Gdansk", "shipment=S-7005",
		"address=Oak Lane 5&note=leave it outside",
		"address=Oak Lane 15", "address=Oak Lane 5, Leith http://evil.example", "Oak Lane 5, Leith", "a=1; b=%41",
		"note=flat 14, Oak Lane 14 5",
		"address=kiosk baltyk",
	] {
		not forms.known("body", own) with input as _call(says, body)
	}
}
