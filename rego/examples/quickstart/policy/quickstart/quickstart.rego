# METADATA
# title: A first policy
# description: |
#   Agents may read notes and write short ones. A call that no rule grants is denied; a deny rule gives a reason.
#   After a change run `tabard policy check` and `tabard policy test`. docs/policy-guide.md explains the rest.
package policy.quickstart

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.tools

_backend := "https://notes.internal"

_max_characters := 500

# METADATA
# description: Every person with a valid token may start a task, within these limits.
start contains {"code": "anyone", "limits": {
	"tools": ["notes.*"],
	"audiences": [_backend],
	"scopes": ["notes:read", "notes:write"],
	"max_depth": 3,
	"max_children": 10,
	"ttl_seconds": 3600,
}} if {
	input.subject.id != ""
}

# METADATA
# description: An agent may delegate to any agent of the same trust domain, for ten minutes.
delegate contains {"code": "same_domain", "limits": {"ttl_seconds": 600}} if {
	startswith(input.request.holder, "spiffe://local.tabard.dev/")
}

# METADATA
# description: A tool that changes nothing gets a credential for reading.
grant contains {"code": "read", "credential": credentials.jwt(_backend, ["notes:read"], 60)} if tools.read_only

# METADATA
# description: Writing a short note gets a credential that the backend accepts once.
grant contains {"code": "write", "credential": credentials.once(_backend, ["notes:write"], 60)} if {
	input.tool.name == "notes.write"
	arguments.length_at_most("text", _max_characters)
}

# METADATA
# description: The denial of a long note gives the limit.
deny contains {
	"code": "note_too_long",
	"message": sprintf("the note has more than %d characters", [_max_characters]),
} if {
	input.tool.name == "notes.write"
	not arguments.length_at_most("text", _max_characters)
}

# METADATA
# description: Agents never delete notes.
deny contains {"code": "never_delete", "message": "agents don't delete notes"} if {
	input.tool.name == "notes.delete"
}
