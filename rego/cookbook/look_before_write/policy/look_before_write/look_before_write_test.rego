package policy.look_before_write_test

import data.policy.look_before_write

_call(tool, arguments, seen) := {
	"operation": "authorize",
	"task": {"purpose": "records", "intent_source": "signed", "facts": {"customers_seen": seen}},
	"tool": {"name": tool, "arguments": arguments},
}

_change(customer, field, value) := _call(
	"customers.update",
	{"customer_id": customer, "field": field, "value": value},
	["C-1"],
)

_data := {"fields": {"postcode": "[0-9]{4,5}"}}

test_start if {
	count(look_before_write.start) == 1 with input as _change("", "", "")
}

test_reading_is_noted if {
	request := _call("customers.read", {"customer_id": "C-1"}, [])
	{element.facts | some element in look_before_write.grant} == {{"customers_seen": {"C-1"}}} with input as request
}

test_changes_after_reading if {
	count(look_before_write.grant) == 1 with input as _change("C-1", "postcode", "1010")
		with data.look_before_write as _data
	look_before_write.deny == set() with input as _change("C-1", "postcode", "1010") with data.look_before_write as _data
	every request in [
		_change("C-2", "postcode", "1010"), _change("C-1", "iban", "1010"), _change("C-1", "postcode", "1010\n"),
		_change(["C-1"], "postcode", "1010"), _change("C-1", "postcode", 1010),
	] {
		look_before_write.grant == set() with input as request with data.look_before_write as _data
	}
	count(look_before_write.deny) == 1 with input as _change("C-2", "postcode", "1010")
		with data.look_before_write as _data
	count(look_before_write.deny) == 1 with input as _change(null, "postcode", "1010") with data.look_before_write as _data
}
