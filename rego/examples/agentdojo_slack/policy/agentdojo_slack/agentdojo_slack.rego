# METADATA
# title: An assistant in a chat workspace
# description: |
#   The assistant reads messages and web pages. Any of them may hold text that an attacker wrote. So messages,
#   invitations and web requests are checked against two sources: the person's own request (the signed statement), and
#   the members, channels and links that the workspace already has (data.workspace). If the request leaves a detail
#   open, the person is asked. If the request can't mean the call, the call is refused.
package policy.agentdojo_slack

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.outbound
import data.tabard.lib.tools
import data.tabard.lib.wording

_audience := "chat"

# Channel and guest names are chosen by their creators, some outside the company, so lists are untrusted.
_lists := {"get_channels", "get_users_in_channel"}

_sends := {"send_channel_message", "send_direct_message"}

_admits := {"add_user_to_channel", "invite_user_to_slack"}

# The request must use one of these words for the tool.
_words := {
	"add_user_to_channel": wording.admit,
	"invite_user_to_slack": wording.admit,
	"post_webpage": wording.publish,
	"remove_user_from_slack": wording.delete,
	"send_channel_message": wording.send,
	"send_direct_message": wording.send,
}

# METADATA
# description: A task needs a signed request. It can't be delegated, and may make 25 changes.
start contains {
	"code": "chat_request",
	"limits": {
		"audiences": [_audience, "web"],
		"budgets": {"changes": 25},
		"max_children": 0,
		"max_depth": 0,
		"scopes": ["chat.admin", "chat.read", "chat.write", "web.read", "web.write"],
		"tools": [
			"add_user_to_channel",
			"get_*",
			"invite_user_to_slack",
			"post_webpage",
			"read_*",
			"remove_user_from_slack",
			"send_*",
		],
		"ttl_seconds": 900,
	},
} if {
	intent.trusted
}

# METADATA
# description: Listing channels and their members.
grant contains {
	"code": "list_channels",
	"credential": _for("chat.read"),
	"labels": ["untrusted"],
} if {
	tools.one_of(_lists)
}

# METADATA
# description: Reading a channel. Its messages are internal, and other people may have written them.
grant contains {
	"code": "read_channel",
	"credential": _for("chat.read"),
	"labels": ["internal", "untrusted"],
} if {
	input.tool.name == "read_channel_messages"
}

# METADATA
# description: Reading the inbox of a person that the request names.
grant contains {
	"code": "read_named_inbox",
	"credential": _for("chat.read"),
	"labels": ["internal", "untrusted"],
} if {
	input.tool.name == "read_inbox"
	arguments.all_mentioned("user")
}

# METADATA
# description: Reading a web page that the request names or may mean, or that a member linked in the workspace.
grant contains {
	"code": "read_page",
	"credential": _for("web.read"),
	"labels": ["untrusted"],
} if {
	input.tool.name == "get_webpage"
	_page_possible
}

# METADATA
# description: A change or message that the request asks for, with details that it gives or leaves open.
grant contains {
	"code": "act_as_asked",
	"charges": {"changes": 1},
	"credential": _for(_scope),
} if {
	wording.asks_for(_words[input.tool.name])
	_details_possible
}

# METADATA
# description: Following a link found on a page needs approval, because a URL can carry data out.
ask contains _ask("unknown_page", "Neither the request nor a member names this page.") if {
	input.tool.name == "get_webpage"
	not _page_known
}

# METADATA
# description: Details that the request leaves open need approval.
ask contains _ask("not_in_request", "The request does not say who, where or what exactly.") if {
	_words[input.tool.name]
	not _details_given
}

# METADATA
# description: A message to a channel shared with another company needs approval once internal messages were read.
ask contains _ask("internal_to_others", "Others read this channel, too, and internal messages were read.") if {
	input.tool.name == "send_channel_message"
	labels.has("internal")
	not arguments.all_in("channel", data.workspace.channels)
	not outbound.words_from_request("body")
}

# METADATA
# description: Once internal messages were read, only a page that the request names can be posted.
deny contains {
	"code": "internal_stays_inside",
	"message": "Internal messages were read, and the request doesn't name this page.",
} if {
	input.tool.name == "post_webpage"
	labels.has("internal")
	not outbound.url_requested_or_trusted("url", set())
}

# METADATA
# description: A text may contain only links that the request or a member gave.
deny contains {
	"code": "foreign_link",
	"message": "The text holds a link that neither the request nor a member gave.",
} if {
	some name in {"body", "content"}
	arguments.text(name)
	not outbound.links_requested_or_trusted(name, _member_links)
}

_member_links := {link | some link in data.workspace.links}

# The audience is the first part of the scope: chat or web.
_for(scope) := credentials.once(split(scope, ".")[0], [scope], 60)

_ask(code, reason) := {
	"approvers": ["requester"],
	"code": code,
	"reason": reason,
	"ttl_seconds": 900,
	"uses": 1,
}

_scope := "web.write" if input.tool.name == "post_webpage"

_scope := "chat.admin" if tools.one_of(_admits | {"remove_user_from_slack"})

_scope := "chat.write" if tools.one_of(_sends)

_page_known if outbound.url_requested_or_trusted("url", _member_links)

_page_possible if _page_known

_page_possible if wording.refers_to_sources

_details_possible if _details_given

_details_possible if wording.refers_to_sources

# The request names no member, or no channel.
_details_possible if {
	"channel" in arguments.names
	not _names_channel
}

_details_possible if {
	not "channel" in arguments.names
	outbound.request_names_none({member: [] | some member in data.workspace.members})
}

_details_given if {
	input.tool.name == "send_direct_message"
	_reaches("recipient", data.workspace.members)
}

_details_given if {
	input.tool.name == "send_channel_message"
	_reaches("channel", data.workspace.channels)
}

_details_given if {
	input.tool.name == "add_user_to_channel"
	outbound.requested({"user"}, {})
	outbound.requested({"channel"}, _channel_names)
}

# The request names the guest, and names the e-mail address unless it consists of the guest's name.
_details_given if {
	input.tool.name == "invite_user_to_slack"
	outbound.requested({"user"}, {})
	_email_given
}

_details_given if {
	input.tool.name == "remove_user_from_slack"
	outbound.requested({"user"}, {})
}

_details_given if {
	input.tool.name == "post_webpage"
	outbound.url_requested_or_trusted("url", set())
}

# The request names the recipient or channel.
_reaches(name, _) if outbound.requested({name}, _channel_names)

# Another recipient in the workspace: any text before untrusted content was read, only the request's words afterwards.
_reaches(name, ours) if {
	not labels.untrusted
	outbound.only_to({name}, ours)
}

_reaches(name, ours) if {
	outbound.words_from_request("body")
	outbound.only_to({name}, ours)
}

_email_given if outbound.requested({"user_email"}, {})

_email_given if startswith(lower(arguments.text("user_email")), sprintf("%s@", [lower(arguments.text("user"))]))

# The name of a channel shared with another company begins with that company's prefix, and people call it by the prefix.
default _channel_names := {}

_channel_names := {channel: prefixes} if {
	channel := arguments.text("channel")
	prefixes := [prefix | some prefix in data.workspace.external_prefixes; startswith(channel, prefix)]
}

_names_channel if {
	some channel in data.workspace.channels
	intent.mentions(channel)
}

_names_channel if {
	some prefix in data.workspace.external_prefixes
	intent.mentions(prefix)
}
