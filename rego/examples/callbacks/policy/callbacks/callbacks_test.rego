package policy.callbacks_test

import data.policy.callbacks

_base := {
	"operation": "authorize",
	"subject": {"id": "u1", "issuer": "https://login.shop.example", "claims": {"groups": ["support"]}},
	"task": {"purpose": "callbacks", "intent_source": "signed", "statement": "Write back."},
	"history": {"calls": [], "labels": []},
}

_after_reading := object.union(_base, {"history": {"calls": [], "labels": ["untrusted"]}})

_as_reported := object.union(_base, {"history": {"calls": [], "labels": ["reported:untrusted"]}})

_call(base, name, arguments) := object.union(base, {"tool": {"name": name, "arguments": arguments}})

_read(base) := _call(base, "tickets.read", {"ticket_id": "t-1"})

_mail(base) := _call(base, "mail.send", {"to": "ada@customer.example", "subject": "Hello", "body": "We call back."})

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
	{element.labels | some element in callbacks.grant} == {["untrusted"]} with input as _read(_base)
}

test_a_mail_costs_one if {
	{element.charges | some element in callbacks.grant} == {{"mails": 1}} with input as _mail(_base)
	callbacks.ask == set() with input as _mail(_base)
}

test_after_reading_a_person_approves if {
	every base in [_after_reading, _as_reported] {
		{element.code | some element in callbacks.ask} == {"after_reading"} with input as _mail(base)
		callbacks.ask == set() with input as _read(base)
	}
}

test_nothing_for_another_purpose if {
	every request in [_read(_after_reading), _mail(_after_reading)] {
		other := _changed(request, "/task/purpose", "refunds")
		callbacks.grant == set() with input as other
		callbacks.ask == set() with input as other
	}
}
