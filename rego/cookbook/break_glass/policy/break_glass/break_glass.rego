# METADATA
# title: Break-glass access
# description: The person on call logs in to the systems of an open incident, without an approval, and visibly.
package policy.break_glass

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.sets
import data.tabard.lib.subject

_systems := "https://systems.internal"

start contains {"code": "incident", "limits": {
	"tools": ["systems.login"],
	"audiences": [_systems],
	"scopes": ["login"],
	"purposes": ["incident"],
	"budgets": {"logins": 5},
	"max_depth": 0,
	"ttl_seconds": 1800,
}} if {
	_on_call
}

grant contains {
	"code": "break_glass",
	"credential": credentials.once(_systems, ["login"], 60),
	"charges": {"logins": 1},
	"labels": ["break_glass"],
	"obligations": [{"id": "tell_security_team"}],
} if {
	input.tool.name == "systems.login"
	_on_call
	arguments.only({"incident", "system"})
	incident := data.break_glass.incidents[arguments.text("incident")]
	incident.state == "open"
	arguments.text_in("system", incident.systems)
}

# On call by the roster, not by the token: a claim stays in the token when the shift has ended.
_on_call if {
	intent.purpose_is("incident")
	subject.authenticated_within(900)
	some shift in data.break_glass.roster[input.subject.issuer][input.subject.id]
	input.context.time >= shift.from
	input.context.time < shift.until
}

deny contains {
	"code": "login_too_old",
	"message": "Log in again: break-glass access needs a login of the last 15 minutes.",
} if {
	input.tool.name == "systems.login"
	sets.has(data.break_glass.roster[input.subject.issuer], input.subject.id)
	not subject.authenticated_within(900)
}
