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

test_named if {
	tools.named({"mail.send"}) with input as _call
	tools.named(["mail.send"]) with input as _call
	tools.named({"mail.send": false}) with input as _call
}

test_not_named if {
	not tools.named({"mail.read"}) with input as _call
	not tools.named({"mail.read": {}}) with input as _call
}
