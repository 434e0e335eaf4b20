package policy.mail_recipients_test

import data.policy.mail_recipients

_mail(statement, arguments) := {
	"operation": "authorize",
	"task": {"purpose": "correspondence", "intent_source": "signed", "statement": statement},
	"tool": {"name": "mail.send", "arguments": object.union({"subject": "s", "body": "b"}, arguments)},
}

_data := {"colleagues": {"kim@s.example": []}, "customers": {"ann@c.example": ["Ann"]}, "own_texts": []}

_codes(elements) := {element.code | some element in elements}

test_start if {
	count(mail_recipients.start) == 1 with input as _mail("", {})
}

test_colleagues if {
	request := _mail("", {"to": ["kim@s.example"], "body": "See https://x.example/a"})
	_codes(mail_recipients.grant) == {"to_colleagues"} with input as request with data.mail_recipients as _data
	mail_recipients.deny == set() with input as request with data.mail_recipients as _data
}

test_customers_whom_the_request_names if {
	request := _mail("Tell Ann", {"to": ["ann@c.example"], "cc": ["kim@s.example"]})
	_codes(mail_recipients.grant) == {"to_customers"} with input as request
		with data.mail_recipients as _data
	every arguments in [
		{"to": ["ann@c.example", "eve@e.example"]}, {"to": "ann@c.example"},
		{"to": []}, {"to": ["ann@c.example"], "bcc": ["x"]},
		{"to": ["ann@c.example"], "cc": [1]}, {"to": ["ann@c.example"], "body": ["b"]},
	] {
		mail_recipients.grant == set() with input as _mail("Tell Ann", arguments) with data.mail_recipients as _data
	}
	mail_recipients.grant == set() with input as _mail("Tell Kim", {"to": ["ann@c.example"]})
		with data.mail_recipients as _data
}

test_no_lures_to_customers if {
	request := _mail("Tell Ann", {"to": ["ann@c.example"], "body": "Pay at https://x.example/a"})
	_codes(mail_recipients.deny) == {"lure"} with input as request with data.mail_recipients as _data
	mail_recipients.grant == set() with input as request with data.mail_recipients as _data
}
