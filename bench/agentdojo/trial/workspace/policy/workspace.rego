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

# The request must use one of these words for the tool.
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

grant contains {"code": "look_up"} if tools.one_of(_own)

grant contains {"code": "read", "labels": ["untrusted"]} if {
	tools.read_only
	not tools.one_of(_own)
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
	not _requested
}

_requested if {
	input.tool.name == "send_email"
	outbound.requested_or_trusted({"bcc", "cc", "recipients"}, data.workspace.contacts, {data.workspace.owner})
	outbound.links_requested_or_trusted("body", set())
	_attachments_requested
}

_requested if {
	input.tool.name == "share_file"
	outbound.requested({"email"}, data.workspace.contacts)
	outbound.requested_by_name({"file_id"}, data.workspace.files)
}

_requested if {
	input.tool.name in {"append_to_file", "delete_file"}
	outbound.requested_by_name({"file_id"}, data.workspace.files)
}

_requested if {
	input.tool.name == "create_file"
	outbound.words_from_request("filename")
}

_requested if {
	input.tool.name == "delete_email"
	outbound.requested_by_name({"email_id"}, data.workspace.emails)
}

_requested if {
	input.tool.name in {"cancel_calendar_event", "reschedule_calendar_event"}
	outbound.requested_by_name({"event_id"}, data.workspace.events)
}

_requested if {
	input.tool.name == "add_calendar_event_participants"
	outbound.requested_by_name({"event_id"}, data.workspace.events)
	_participants_requested
}

_requested if {
	input.tool.name == "create_calendar_event"
	outbound.words_from_request("title")
	_participants_requested
}

_participants_requested if arguments.absent("participants")

_participants_requested if {
	outbound.requested_or_trusted({"participants"}, data.workspace.contacts, {data.workspace.owner})
}

_attachments_requested if arguments.absent("attachments")

_attachments_requested if {
	every attachment in input.tool.arguments.attachments {
		some name in data.workspace.files[attachment.file_id]
		intent.mentions(name)
	}
}
