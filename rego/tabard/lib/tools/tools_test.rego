package tabard.lib.tools_test

import data.tabard.lib.tools

_call := {"tool": {"name": "mail.send", "annotations": {"readOnlyHint": false}}}

test_read_only if {
	tools.read_only with input.tool.annotations.readOnlyHint as true
}

test_not_read_only if {
	not tools.read_only with input as _call
	not tools.read_only with input.tool.annotations as {}
}

test_one_of if {
	tools.one_of({"mail.send"}) with input as _call
	tools.one_of(["mail.send"]) with input as _call
	tools.one_of({"mail.send": false}) with input as _call
}

test_not_one_of if {
	not tools.one_of({"mail.read"}) with input as _call
	not tools.one_of({"mail.read": {}}) with input as _call
}
