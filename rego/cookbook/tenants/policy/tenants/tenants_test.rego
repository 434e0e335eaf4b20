package policy.tenants_test

import data.policy.tenants

_read(tenant, record) := {
	"operation": "authorize",
	"subject": {"claims": {"tenant": tenant}},
	"task": {"purpose": "support", "intent_source": "signed"},
	"tool": {"name": "records.read", "arguments": {"record_id": record}},
}

_data := {"backends": {"blue": "b", "green": "g"}, "records": {"R-1": "blue", "R-2": "green"}}

test_start if {
	{element.limits.audiences | some element in tenants.start} == {["b"]} with input as _read("blue", "R-1")
		with data.tenants as _data
	tenants.start == set() with input as _read("red", "R-1") with data.tenants as _data
}

test_own_records_only if {
	{element.credential.audience | some element in tenants.grant} == {"b"} with input as _read("blue", "R-1")
		with data.tenants as _data
	every request in [
		_read("blue", "R-2"), _read("blue", "R-3"), _read(["blue"], "R-1"), _read("", "R-1"), _read(null, null),
	] {
		tenants.grant == set() with input as request with data.tenants as _data
	}
}
