package tabard.lib.subject_test

import data.tabard.lib.subject

_person := {
	"context": {"time": 1000},
	"subject": {
		"authenticated_at": 900,
		"claims": {"department": "sales", "groups": ["support", "billing"]},
		"id": "42",
		"issuer": "https://idp.example",
	},
}

test_is if {
	subject.is("https://idp.example", "42") with input as _person
	not subject.is("https://other.example", "42") with input as _person
	not subject.is("https://idp.example", "43") with input as _person
}

test_has_claim if {
	subject.has_claim("department", "sales") with input as _person
	subject.has_claim("groups", "billing") with input as _person
	not subject.has_claim("groups", "admin") with input as _person
	not subject.has_claim("absent", "admin") with input as _person
}

test_authenticated_within if {
	subject.authenticated_within(100) with input as _person
	not subject.authenticated_within(99) with input as _person
}

test_unknown_authentication_is_too_old if {
	not subject.authenticated_within(100) with input as json.remove(_person, ["/subject/authenticated_at"])
}
