package policy.code_execution_test

import data.policy.code_execution

_run(changes, labels) := {
	"operation": "authorize",
	"history": {"labels": labels},
	"task": {"purpose": "analysis", "intent_source": "signed"},
	"tool": {
		"name": "sandbox.run",
		"arguments": object.union({"code": "1", "image": "i@sha256:0", "network": false, "timeout_seconds": 10}, changes),
	},
}

_data := {"images": {"i@sha256:0": "an image"}}

test_start if {
	count(code_execution.start) == 1 with input as _run({}, [])
}

test_a_run_is_charged if {
	{element.charges | some element in code_execution.grant} == {{"sandbox_seconds": 10}} with input as _run({}, [])
		with data.code_execution as _data
}

test_nothing_wider if {
	every changes in [
		{"image": "i:latest"}, {"network": true}, {"network": "false"}, {"network": null}, {"timeout_seconds": 121},
		{"timeout_seconds": 0.5}, {"code": ""}, {"code": ["1"]}, {"code": sprintf("%020001d", [0])}, {"mount": "/"},
	] {
		code_execution.grant == set() with input as _run(changes, []) with data.code_execution as _data
	}
}

test_no_run_after_a_secret if {
	count(code_execution.deny) == 1 with input as _run({}, ["secret"])
	code_execution.deny == set() with input as _run({}, ["untrusted"])
}
