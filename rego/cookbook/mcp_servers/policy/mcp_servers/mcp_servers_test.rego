package policy.mcp_servers_test

import data.policy.mcp_servers

_call(server, tool, arguments, labels) := {
	"operation": "authorize",
	"history": {"labels": labels},
	"task": {"purpose": "project_work", "intent_source": "signed"},
	"tool": {"name": tool, "server": server, "arguments": arguments},
}

_data := {
	"tools": {"t": {"issues.list": "reads", "issues.create": "writes"}, "w": {"pages.search": "reads"}},
	"projects": ["shop"],
}

_issue := {"project": "shop", "title": "x"}

test_start if {
	count(mcp_servers.start) == 1 with input as _call("", "", {}, [])
}

test_reads if {
	every request in [_call("t", "issues.list", {"project": "shop"}, []), _call("w", "pages.search", {"query": "x"}, [])] {
		{element.labels | some element in mcp_servers.grant} == {["untrusted"]} with input as request
			with data.mcp_servers as _data
	}
}

test_writes if {
	count(mcp_servers.grant) == 1 with input as _call("t", "issues.create", _issue, []) with data.mcp_servers as _data
	mcp_servers.ask == set() with input as _call("t", "issues.create", _issue, []) with data.mcp_servers as _data
	count(mcp_servers.ask) == 1 with input as _call("t", "issues.create", _issue, ["untrusted"])
		with data.mcp_servers as _data
}

test_nothing_else if {
	every request in [
		_call("w", "issues.list", {"project": "shop"}, []), _call("", "issues.list", {"project": "shop"}, []),
		_call("t", "issues.list", {"project": "other"}, []), _call("t", "issues.delete", {}, []),
	] {
		mcp_servers.grant == set() with input as request with data.mcp_servers as _data
	}
}
