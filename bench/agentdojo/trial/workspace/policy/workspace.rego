# METADATA
# title: An office assistant
# description: |
#   Written from docs/policy-guide.md, the tools' descriptions and data.workspace: contacts by address, events, files and
#   mails by id, each with the names that people use for them.
package policy.workspace

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.outbound
import data.tabard.lib.tools
import data.tabard.lib.wording

_own := {"get_current_day", "search_contacts_by_email", "search_contacts_by_name"}

# What the request has to ask for.
_words := {
	"add_calendar_event_participants": wording.admit,
	"append_to_file": (wording.change | wording.create),
	"cancel_calendar_event": wording.delete,
	"create_calendar_event": wording.create,
	"create_file": wording.create,
	"delete_email": wording.delete,
	"delete_file": wording.delete,
	"reschedule_calendar_event": wording.change,
	"send_email": wording.send,
	"share_file": wording.admit,
}

start contains {"code": "office", "limits": {
	"budgets": {"changes": 25},
	"max_children": 0,
	"max_depth": 0,
	"tools": ["*"],
	"ttl_seconds": 900,
}} if intent.trusted

grant contains {"code": "look_up"} if tools.named(_own)

grant contains {"code": "read", "labels": ["untrusted"]} if {
	tools.read_only
	not tools.named(_own)
}

grant contains {"code": "act_as_asked", "charges": {"changes": 1}} if wording.asks_for(_words[input.tool.name])

ask contains {
	"approvers": ["requester"],
	"code": "not_in_request",
	"reason": "The request does not say whom, what or where exactly.",
	"ttl_seconds": 900,
	"uses": 1,
} if {
	_words[input.tool.name]
	not _vouched
}

_vouched if {
	input.tool.name == "send_email"
	outbound.vouched({"bcc", "cc", "recipients"}, data.workspace.contacts, {data.workspace.owner})
	outbound.links_vouched("body", set())
	_attachments_vouched
}

_vouched if {
	input.tool.name == "share_file"
	outbound.named({"email"}, data.workspace.contacts)
	outbound.spoken_of({"file_id"}, data.workspace.files)
}

_vouched if {
	input.tool.name in {"append_to_file", "delete_file"}
	outbound.spoken_of({"file_id"}, data.workspace.files)
}

_vouched if {
	input.tool.name == "create_file"
	outbound.own_words("filename")
}

_vouched if {
	input.tool.name == "delete_email"
	outbound.spoken_of({"email_id"}, data.workspace.emails)
}

_vouched if {
	input.tool.name in {"cancel_calendar_event", "reschedule_calendar_event"}
	outbound.spoken_of({"event_id"}, data.workspace.events)
}

_vouched if {
	input.tool.name == "add_calendar_event_participants"
	outbound.spoken_of({"event_id"}, data.workspace.events)
	_participants_vouched
}

_vouched if {
	input.tool.name == "create_calendar_event"
	outbound.own_words("title")
	_participants_vouched
}

_participants_vouched if arguments.absent("participants")

_participants_vouched if {
	outbound.vouched({"participants"}, data.workspace.contacts, {data.workspace.owner})
}

_attachments_vouched if arguments.absent("attachments")

_attachments_vouched if {
	every attachment in input.tool.arguments.attachments {
		some name in data.workspace.files[attachment.file_id]
		intent.mentions(name)
	}
}
