# METADATA
# title: Read-only agents
# description: Observers read named tools, and no task that went through an observer changes anything.
package policy.read_only_agents

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.tools

_backend := "https://metrics.internal"

_observers := data.read_only_agents.observers

start contains {"code": "observe", "limits": {
	"tools": ["metrics.query"],
	"audiences": [_backend],
	"scopes": ["metrics:read"],
	"purposes": ["observation"],
	"max_depth": 2,
	"ttl_seconds": 3600,
}} if {
	intent.purpose_is("observation")
	chain.agent_in(_observers)
}

grant contains {"code": "read_metric", "credential": credentials.jwt(_backend, ["metrics:read"], 60)} if {
	input.tool.name == "metrics.query"
	tools.read_only
	intent.purpose_is("observation")
	arguments.only({"metric"})
	arguments.matches("metric", "[a-z][a-z0-9_]{0,99}")
}

# Whatever other modules grant.
deny contains {"code": "observer_changes_nothing", "message": "An agent of this task only observes."} if {
	input.tool.name
	not tools.read_only
	some holder in chain.holders
	_observers[holder]
}
