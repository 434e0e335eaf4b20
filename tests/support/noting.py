"""A policy that notes facts and reads them."""

SOURCE = """
package policy.desk

import data.tabard.lib.facts

start contains {"code": "desk", "limits": {
	"tools": ["*"], "audiences": ["shop"], "scopes": ["x"], "max_depth": 3, "max_children": 20, "ttl_seconds": 600,
	"budgets": {"cents": 100},
}}

delegate contains {"code": "desk", "limits": {}}

# Look up before you write.
grant contains {"code": "look", "facts": {"seen": {input.tool.arguments.id}}} if input.tool.name == "orders.get"

# Once per order.
grant contains {
	"code": "cancel",
	"facts": {"cancelled": [input.tool.arguments.id], "mails": 1},
	"credential": {"kind": "jwt", "audience": "shop", "scopes": ["x"], "ttl_seconds": 60},
} if {
	input.tool.name == "orders.cancel"
	facts.has("seen", input.tool.arguments.id)
	not facts.has("cancelled", input.tool.arguments.id)
}

# Once per order, with a credential that the shop accepts twice.
grant contains {
	"code": "cancel_twice",
	"charges": {"cents": 40},
	"facts": {"cancelled": [input.tool.arguments.id]},
	"credential": {"kind": "jwt", "audience": "shop", "scopes": ["x"], "ttl_seconds": 60, "uses": 2},
} if {
	input.tool.name == "orders.cancel_twice"
	not facts.has("cancelled", input.tool.arguments.id)
}

# Only what this task made.
grant contains {
	"code": "make",
	"notes": ["made"],
	"credential": {"kind": "jwt", "audience": "shop", "scopes": ["x"], "ttl_seconds": 60},
} if {
	input.tool.name == "files.make"
}

grant contains {"code": "remove"} if {
	input.tool.name == "files.remove"
	input.tool.arguments.path in input.task.facts.made
}

grant contains {"code": "archive"} if {
	input.tool.name == "files.archive"
	facts.size("made") > 0
}

ask contains {"code": "rare", "approvers": ["finance"], "reason": "it is rare", "uses": 1, "ttl_seconds": 600} if {
	input.tool.name == "orders.cancel"
	startswith(input.tool.arguments.id, "rare")
}

grant contains {"code": "tick", "facts": {"ticks": 1}} if {
	input.tool.name == "tick"
	input.task.facts.ticks < 1000
}

grant contains {"code": "own", "facts": {"own": ["x"]}, "fact_scope": "branch"} if {
	input.tool.name == "own"
	not facts.has("own", "x")
}

grant contains {
	"code": "fetch",
	"credential": {"kind": "jwt", "audience": "shop", "scopes": ["x"], "ttl_seconds": 60},
} if {
	input.tool.name == "fetch"
	input.task.facts.ticks < 3
}

renew contains {"code": "fetch", "ttl_seconds": 200} if input.task.facts.ticks < 2

deny contains {"code": "talkative", "message": "the task has told enough"} if {
	input.operation == "authorize"
	input.task.facts.mails > 2
}
"""
POLICY = {"desk/desk.rego": SOURCE}
