package policy.bulk_deletes_test

import data.policy.bulk_deletes

_call(tool, arguments, labels) := {
	"operation": "authorize",
	"history": {"labels": labels},
	"task": {"purpose": "clean_up", "intent_source": "signed", "facts": {"records_seen": _ids(11)}},
	"tool": {"name": tool, "arguments": arguments},
}

_ids(many) := [sprintf("R-%d", [number]) | some number in numbers.range(1, many)]

_delete(ids, labels) := _call("records.delete", {"record_ids": ids}, labels)

test_start if {
	count(bulk_deletes.start) == 1 with input as _delete([], [])
}

test_reading_is_noted if {
	request := _call("records.read", {"record_id": "R-1"}, [])
	{element.facts | some element in bulk_deletes.grant} == {{"records_seen": {"R-1"}}} with input as request
}

test_few_are_deleted if {
	{element.charges | some element in bulk_deletes.grant} == {{"deletions": 3}} with input as _delete(_ids(3), [])
	bulk_deletes.ask == set() with input as _delete(_ids(3), [])
}

test_more_are_asked_about if {
	every request in [_delete(_ids(4), []), _delete(_ids(10), []), _delete(_ids(1), ["untrusted"])] {
		count(bulk_deletes.grant) == 1 with input as request
		count(bulk_deletes.ask) == 1 with input as request
	}
}

test_nothing_else if {
	every ids in [[], _ids(11), ["R-1", "R-1"], ["R-12"], ["R-1", "R-12"], ["R-1", 2], "R-1", {"a": "R-1"}, null] {
		bulk_deletes.grant == set() with input as _delete(ids, [])
		bulk_deletes.ask == set() with input as _delete(ids, [])
	}
}
