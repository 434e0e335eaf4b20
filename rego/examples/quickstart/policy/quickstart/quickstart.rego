# METADATA
# title: A first policy
# description: |
#   Agents read notes, and write short ones. Everything that no rule grants is denied; a deny rule says why.
#   Change it, then run `tabard policy check` and `tabard policy test`. docs/policy-guide.md explains the rest.
package policy.quickstart

import data.tabard.lib.arguments
import data.tabard.lib.tools

_max_characters := 500

# METADATA
# description: Everyone who has a valid token may start a task. It never reaches further than this.
start contains {"code": "anyone", "limits": {
	"tools": ["notes.*"],
	"audiences": ["https://notes.internal"],
	"scopes": ["notes:read", "notes:write"],
	"max_depth": 3,
	"max_children": 10,
	"ttl_seconds": 3600,
}} if {
	input.subject.id != ""
}

# METADATA
# description: A task may be handed on to any agent of the same trust domain, for ten minutes.
delegate contains {"code": "colleague", "limits": {"ttl_seconds": 600}} if {
	startswith(input.request.holder, "spiffe://local.tabard.dev/")
}

# METADATA
# description: Tools that change nothing get a credential to read with.
grant contains {"code": "read", "credential": {
	"kind": "jwt",
	"audience": "https://notes.internal",
	"scopes": ["notes:read"],
	"ttl_seconds": 60,
}} if {
	tools.read_only
}

# METADATA
# description: Writing gets a credential that the backend accepts once.
grant contains {"code": "write", "credential": {
	"kind": "jwt",
	"audience": "https://notes.internal",
	"scopes": ["notes:write"],
	"ttl_seconds": 60,
	"single_use": true,
}} if {
	input.tool.name == "notes.write"
	count(arguments.text("text")) <= _max_characters
}

# METADATA
# description: A note that is too long says so.
deny contains {
	"code": "note_too_long",
	"message": sprintf("the note has more than %d characters", [_max_characters]),
} if {
	input.tool.name == "notes.write"
	count(arguments.text("text")) > _max_characters
}

# METADATA
# description: Nothing is deleted by an agent.
deny contains {"code": "never_delete", "message": "agents don't delete notes"} if {
	input.tool.name == "notes.delete"
}
