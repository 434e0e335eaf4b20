package tabard.lib.history_test

import data.tabard.lib.history

_task := {
	"context": {"time": 1000},
	"history": {
		"calls": [
			{"allowed": true, "at": 900, "labels": ["untrusted"], "tool": "mail.read"},
			{"allowed": true, "at": 990, "labels": [], "tool": "mail.read"},
			{"allowed": false, "at": 995, "labels": [], "tool": "mail.delete"},
			{"allowed": true, "at": 999, "labels": [], "tool": "files.read"},
		],
		"labels": ["untrusted"],
	},
}

test_times if {
	history.times({"mail.read"}) == 2 with input as _task
	history.times(["mail.read", "files.read"]) == 3 with input as _task
	history.times({"mail.read"}) == 0 with input as {"history": {"calls": []}}
}

test_times_within if {
	history.times_within({"mail.read"}, 10) == 1 with input as _task
	history.times_within({"mail.read"}, 9) == 0 with input as _task
}

test_called if {
	history.called({"files.read"}) with input as _task
	not history.called({"mail.send"}) with input as _task
}

test_a_call_that_was_denied_does_not_count if {
	not history.called({"mail.delete"}) with input as _task
}
