package policy.quickstart_test

import data.policy.quickstart

_start := {"operation": "start_task", "subject": {"id": "alice", "issuer": "https://idp.example", "claims": {}}}

_call(name, arguments, annotations) := {
	"operation": "authorize",
	"tool": {"name": name, "arguments": arguments, "annotations": annotations},
}

_write(text) := _call("notes.write", {"text": text}, {})

_long := concat("", [letter | some _ in numbers.range(1, 501); letter := "x"])

test_anyone_may_start if {
	count(quickstart.start) == 1 with input as _start
}

test_start_needs_a_person if {
	count(quickstart.start) == 0 with input as object.union(_start, {"subject": {"id": ""}})
}

test_delegation_stays_in_the_trust_domain if {
	count(quickstart.delegate) == 1 with input.request.holder as "spiffe://local.tabard.dev/agent/b"
	count(quickstart.delegate) == 0 with input.request.holder as "spiffe://elsewhere.example/agent/b"
}

test_reading_is_granted if {
	request := _call("notes.read", {"id": 1}, {"readOnlyHint": true})
	{element.code | some element in quickstart.grant} == {"read"} with input as request
	quickstart.deny == set() with input as request
}

test_writing_is_granted_once if {
	some element in quickstart.grant with input as _write("milk")
	element.code == "write"
	element.credential.single_use
}

test_a_long_note_is_denied if {
	quickstart.grant == set() with input as _write(_long)
	{element.code | some element in quickstart.deny} == {"note_too_long"} with input as _write(_long)
}

test_deleting_is_denied if {
	request := _call("notes.delete", {"id": 1}, {"destructiveHint": true})
	quickstart.grant == set() with input as request
	{element.code | some element in quickstart.deny} == {"never_delete"} with input as request
}
