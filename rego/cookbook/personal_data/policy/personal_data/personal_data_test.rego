package policy.personal_data_test

import data.policy.personal_data

_call(tool, arguments, read) := {
	"operation": "authorize",
	"task": {"purpose": "delivery", "intent_source": "signed", "facts": {"customers_read": read}},
	"tool": {"name": tool, "arguments": arguments},
}

_mail(to, read) := _call("mail.send", {"to": to, "subject": "s", "body": "b"}, read)

_fields(customer, fields) := _call("customers.read", {"customer_id": customer, "fields": fields}, [])

_data := {"fields": {"delivery": ["name"]}, "customers": {"C-1": {"email": "a"}, "C-2": {"email": "b"}}}

test_start if {
	count(personal_data.start) == 1 with input as _mail([], []) with data.personal_data as _data
}

test_fields_of_the_purpose if {
	request := _fields("C-1", ["name"])
	{element.facts | some element in personal_data.grant} == {{"customers_read": {"C-1"}}} with input as request
		with data.personal_data as _data
	every request in [
		_fields("C-1", ["name", "phone"]), _fields("C-1", []), _fields("C-1", "name"), _fields("C-9", ["name"]),
	] {
		personal_data.grant == set() with input as request with data.personal_data as _data
	}
}

test_mail_to_the_person_that_was_read if {
	count(personal_data.grant) == 1 with input as _mail(["a"], ["C-1"]) with data.personal_data as _data
	every request in [_mail(["b"], ["C-1"]), _mail(["a", "b"], ["C-1"]), _mail(["a"], []), _mail(["a"], ["C-1", "C-2"])] {
		personal_data.grant == set() with input as request with data.personal_data as _data
	}
	count(personal_data.deny) == 1 with input as _mail(["a"], ["C-1", "C-2"]) with data.personal_data as _data
}
