package policy.workspace_test

import data.policy.workspace

_nothing := {
	"belongs": [], "confirmed": [], "done": [], "files": [], "for": [], "inside": [], "made": [], "messages_read": [], "remembered": [],
	"runbooks_read": 0, "spent_cents": 0, "strays": [], "texts_read": 0, "told": [],
}

_call(statement, tool, arguments) := {
	"operation": "authorize",
	"budgets": {"questions": {"limit": 20, "remaining": 20, "spent": 0}},
	"history": {"calls": [], "labels": []},
	"subject": {"id": "ann", "claims": {"username": "ann", "name": "Ann Lee", "groups": ["office", "finance"]}},
	"task": {"intent_source": "signed", "statement": statement, "facts": _nothing},
	"tool": {"name": tool, "arguments": arguments},
}

_codes(elements) := {element.code | some element in elements}

test_a_signed_request_starts_a_task if {
	request := object.union(_call("Read", "", {}), {"operation": "start_task"})
	_codes(workspace.start) == {"workspace"} with input as request
}

test_what_is_said_runs_once if {
	call := _call("Pay Heron's invoice", "payments.send", {"invoice_id": "INV-7", "iban": "DE11HERON", "cents": 120000})
	_codes(workspace.grant) == {"said"} with input as call
	paid := json.patch(call, [{"op": "replace", "path": "/task/facts/done", "value": ["payments.send:INV-7"]}])
	_codes(workspace.deny) == {"not_possible"} with input as paid
}

test_above_the_limit_the_person_is_asked if {
	call := _call("Pay Heron's invoice", "payments.send", {"invoice_id": "INV-7", "iban": "DE11HERON", "cents": 120000})
	more := json.patch(call, [{"op": "replace", "path": "/task/facts/spent_cents", "value": 100000}])
	_codes(workspace.ask) == {"open"} with input as more
	_codes(workspace.grant) == {"open"} with input as more
}

test_an_intent_that_is_not_signed_grants_no_change if {
	call := _call("Cancel Ines Calder's visit", "calendar.cancel", {"visit_id": "V-301"})
	_codes(workspace.grant) == {"said"} with input as call
	asserted := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])
	workspace.grant == set() with input as asserted
}

test_the_denial_says_what_the_request_lacks if {
	arguments := {"visit_id": "V-302", "start": "2026-01-09T10:00"}
	call := _call("Move Ines Calder's visit to Friday", "calendar.move", arguments)
	read := json.patch(call, [{"op": "replace", "path": "/task/facts/texts_read", "value": 1}])
	some element in workspace.deny with input as object.union(read, {"context": {"time": 1767614400}})
	element.message == "The request doesn't mean this call (thing other). Do what it says."
}

test_what_other_tasks_read_counts if {
	arguments := {"visit_id": "V-302", "start": "2026-01-09T10:00"}
	call := object.union(
		_call("Move Ines Calder's visit to Friday", "calendar.move", arguments),
		{"context": {"time": 1767614400}},
	)
	_codes(workspace.ask) == {"open"} with input as call
	_codes(workspace.deny) == set() with input as call
	remembered := json.patch(call, [{"op": "replace", "path": "/history/labels", "value": ["untrusted"]}])
	_codes(workspace.deny) == {"not_meant"} with input as remembered
	noted := json.patch(call, [{"op": "replace", "path": "/task/facts/remembered", "value": ["other tasks"]}])
	_codes(workspace.deny) == {"not_meant"} with input as noted
}

test_what_a_command_prints_counts_as_a_text_that_is_read if {
	call := _call("Run \"lpadmin -x old\" on desk-1", "shell.run", {"host": "desk-1", "command": "lpadmin -x old"})
	engineer := json.patch(call, [{"op": "replace", "path": "/subject/claims/groups", "value": ["engineers"]}])
	some element in workspace.grant with input as engineer
	element.labels == ["untrusted"]
	element.facts.texts_read == 1
	element.facts.remembered == set()
	later := json.patch(engineer, [{"op": "replace", "path": "/history/labels", "value": ["untrusted"]}])
	some noted in workspace.grant with input as later
	noted.facts.remembered == {"other tasks"}
}
