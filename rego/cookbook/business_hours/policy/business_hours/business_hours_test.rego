package policy.business_hours_test

import data.policy.business_hours

# Monday 2026-01-05, 12:00 UTC
_noon := 1767614400

_call(customer, now) := {
	"operation": "authorize",
	"context": {"time": now},
	"task": {"purpose": "callbacks", "intent_source": "signed"},
	"tool": {"name": "calls.place", "arguments": {"customer_id": customer, "topic": "t"}},
}

_data := {
	"customers": {"C-1": {"country": "DE", "zone": "UTC"}, "C-2": {"country": "XX", "zone": "UTC"}},
	"holidays": {"DE": {"2026": ["2026-01-06"]}},
	"topics": ["t"],
}

test_start if {
	count(business_hours.start) == 1 with input as _call("C-1", _noon)
}

test_open if {
	count(business_hours.grant) == 1 with input as _call("C-1", _noon) with data.business_hours as _data
	business_hours.deny == set() with input as _call("C-1", _noon) with data.business_hours as _data
}

test_closed if {
	every request in [
		_call("C-1", _noon + (6 * 3600)), _call("C-1", _noon - (48 * 3600)), _call("C-1", _noon + (24 * 3600)),
		_call("C-2", _noon), _call("C-3", _noon), _call("C-1", _noon + ((365 * 24) * 3600)),
	] {
		business_hours.grant == set() with input as request with data.business_hours as _data
		count(business_hours.deny) == 1 with input as request with data.business_hours as _data
	}
}
