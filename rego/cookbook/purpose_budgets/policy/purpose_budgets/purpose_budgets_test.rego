package policy.purpose_budgets_test

import data.policy.purpose_budgets

_call(purpose, tool, arguments) := {
	"operation": "authorize",
	"task": {"purpose": purpose, "intent_source": "signed"},
	"tool": {"name": tool, "arguments": arguments},
}

_data := {"purposes": {"p": {"searches": 5, "report_cents": 70}}, "prices_cents": {"r": 40, "free": 0}}

test_the_purpose_has_the_budget if {
	request := _call("p", "", {})
	[element] := [element | some element in purpose_budgets.start] with input as request with data.purpose_budgets as _data
	element.limits.budgets == {"searches": 5, "report_cents": 70}
	purpose_budgets.start == set() with input as _call("q", "", {}) with data.purpose_budgets as _data
}

test_each_call_is_charged if {
	request := _call("p", "web.search", {"query": "x"})
	{element.charges | some element in purpose_budgets.grant} == {{"searches": 1}} with input as request
		with data.purpose_budgets as _data
	other := _call("p", "reports.buy", {"report": "r"})
	{element.charges | some element in purpose_budgets.grant} == {{"report_cents": 40}} with input as other
		with data.purpose_budgets as _data
}

test_nothing_else if {
	every request in [
		_call("q", "web.search", {"query": "x"}), _call("p", "web.search", {"query": ""}),
		_call("p", "reports.buy", {"report": "free"}), _call("p", "reports.buy", {"report": "s"}),
	] {
		purpose_budgets.grant == set() with input as request with data.purpose_budgets as _data
	}
}
