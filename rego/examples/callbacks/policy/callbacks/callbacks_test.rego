package policy.callbacks_test

import data.policy.callbacks

_base := {
	"operation": "authorize",
	"subject": {"id": "u1", "issuer": "https://login.shop.example", "claims": {"groups": ["support"]}},
	"task": {"purpose": "callbacks", "intent_source": "signed", "statement": "Write back."},
	"history": {"calls": [], "labels": []},
}

_call(name, labels) := object.union(_base, {
	"tool": {"name": name, "arguments": {}},
	"history": {"calls": [], "labels": labels},
})

_changed(request, path, value) := json.patch(request, [{"op": "replace", "path": path, "value": value}])

test_the_team_starts_with_three_mails if {
	{element.limits.budgets.mails | some element in callbacks.start} == {3} with input as _base
}

test_no_start_for_others_or_other_purposes if {
	every request in [
		_changed(_base, "/subject/claims/groups", ["sales"]),
		_changed(_base, "/task/purpose", "refunds"),
		_changed(_base, "/task/intent_source", "asserted"),
	] {
		callbacks.start == set() with input as request
	}
}

test_reading_marks_the_task if {
	{element.labels | some element in callbacks.grant} == {["untrusted"]} with input as _call("tickets.read", [])
}

test_a_mail_costs_one if {
	{element.charges | some element in callbacks.grant} == {{"mails": 1}} with input as _call("mail.send", [])
	callbacks.ask == set() with input as _call("mail.send", [])
}

test_after_reading_somebody_looks_at_it if {
	every label in ["untrusted", "reported:untrusted"] {
		{element.code | some element in callbacks.ask} == {"after_reading"} with input as _call("mail.send", [label])
	}
	callbacks.ask == set() with input as _call("tickets.read", ["untrusted"])
}

test_nothing_for_another_purpose if {
	every name in ["tickets.read", "mail.send"] {
		request := _changed(_call(name, ["untrusted"]), "/task/purpose", "refunds")
		callbacks.grant == set() with input as request
		callbacks.ask == set() with input as request
	}
}
