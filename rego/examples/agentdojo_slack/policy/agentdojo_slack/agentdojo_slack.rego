# METADATA
# title: An assistant in a chat workspace
# description: |
#   The assistant reads messages and web pages, and any of them may hold text that an attacker wrote. So what it sends,
#   whom it lets in and where it goes on the web is judged by what the person asked for in their own words (the signed
#   statement) and by what the workspace knew before, in data.workspace: its members, its channels and the links that
#   members posted. What the request leaves open needs the person's word; what it can't have meant is refused.
package policy.agentdojo_slack

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.outbound
import data.tabard.lib.tools
import data.tabard.lib.wording

_audience := "chat"

# Names of channels and guests are theirs to choose who made them, some of them in other companies.
_lists := {"get_channels", "get_users_in_channel"}

_sends := {"send_channel_message", "send_direct_message"}

_admits := {"add_user_to_channel", "invite_user_to_slack"}

# What the request has to ask for.
_words := {
	"add_user_to_channel": wording.admit,
	"invite_user_to_slack": wording.admit,
	"post_webpage": wording.publish,
	"remove_user_from_slack": wording.delete,
	"send_channel_message": wording.send,
	"send_direct_message": wording.send,
}

# METADATA
# description: A task starts only with a signed request. The assistant alone holds it, and doesn't flood the workspace.
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
# description: Channels and who is in them may be listed.
grant contains _reading("list_channels", "chat.read", ["untrusted"]) if tools.named(_lists)

# METADATA
# description: Channels may be read. What stands there is the company's own and may be anybody's words.
grant contains _reading("read_channel", "chat.read", ["internal", "untrusted"]) if {
	input.tool.name == "read_channel_messages"
}

# METADATA
# description: An inbox is read if the person named whose.
grant contains _reading("read_named_inbox", "chat.read", ["internal", "untrusted"]) if {
	input.tool.name == "read_inbox"
	arguments.all_mentioned("user")
}

# METADATA
# description: |
#   A web page is read if the person named it, if a member linked it in the workspace, or if the request may lead there.
grant contains _reading("read_page", "web.read", ["untrusted"]) if {
	input.tool.name == "get_webpage"
	_page_possible
}

# METADATA
# description: |
#   What changes or sends something needs a request that asks for it, and particulars that it gives or leaves open.
grant contains object.union(_with("act_as_asked", _scope), {"charges": {"changes": 1}}) if {
	wording.asks_for(_words[input.tool.name])
	_particulars_possible
}

# METADATA
# description: Links on pages are followed only with the person's word, since an address can carry something out.
ask contains _question("unknown_page", "Neither the request nor a member names this page.") if {
	input.tool.name == "get_webpage"
	not _page_vouched
}

# METADATA
# description: What the request leaves open needs the person's word.
ask contains _question("not_in_request", "The request does not say who, where or what exactly.") if {
	_words[input.tool.name]
	not _particulars_given
}

# METADATA
# description: |
#   What stands in the workspace goes into a channel shared with another company only if the person has seen it.
ask contains _question("internal_to_others", "The channel is another company's, too, and ours was read.") if {
	input.tool.name == "send_channel_message"
	labels.has("internal")
	not arguments.all_in("channel", data.workspace.channels)
	not outbound.own_words("body")
}

# METADATA
# description: What stands in the workspace goes to no web page that the person didn't name.
deny contains {
	"code": "internal_stays_inside",
	"message": "What the workspace said stays in it; the request doesn't name this page.",
} if {
	input.tool.name == "post_webpage"
	labels.has("internal")
	not outbound.address_vouched("url", set())
}

# METADATA
# description: A link comes from the person or from a member, whoever sends it.
deny contains {
	"code": "foreign_link",
	"message": "The text holds a link that neither the request nor a member gave.",
} if {
	some name in {"body", "content"}
	arguments.text(name)
	not outbound.links_vouched(name, _member_links)
}

_member_links := {link | some link in data.workspace.links}

_with(code, scope) := {
	"code": code,
	"credential": {
		"audience": split(scope, ".")[0],
		"kind": "jwt",
		"scopes": [scope],
		"single_use": true,
		"ttl_seconds": 60,
	},
}

_question(code, reason) := {
	"approvers": ["requester"],
	"code": code,
	"reason": reason,
	"ttl_seconds": 900,
	"uses": 1,
}

_reading(code, scope, labels) := object.union(_with(code, scope), {"labels": labels})

_scope := "web.write" if input.tool.name == "post_webpage"

_scope := "chat.admin" if tools.named(_admits | {"remove_user_from_slack"})

_scope := "chat.write" if tools.named(_sends)

_page_vouched if outbound.address_vouched("url", _member_links)

_page_possible if _page_vouched

_page_possible if wording.points_elsewhere

_particulars_possible if _particulars_given

_particulars_possible if wording.points_elsewhere

# The request names nobody, or no channel.
_particulars_possible if {
	"channel" in arguments.names
	not _names_channel
}

_particulars_possible if {
	not "channel" in arguments.names
	outbound.leaves_open({member: [] | some member in data.workspace.members})
}

_particulars_given if {
	input.tool.name == "send_direct_message"
	_reaches("recipient", data.workspace.members)
}

_particulars_given if {
	input.tool.name == "send_channel_message"
	_reaches("channel", data.workspace.channels)
}

_particulars_given if {
	input.tool.name == "add_user_to_channel"
	outbound.named({"user"}, {})
	outbound.named({"channel"}, _channel_names)
}

# A guest is named, and so is the address unless it is the guest's own name.
_particulars_given if {
	input.tool.name == "invite_user_to_slack"
	outbound.named({"user"}, {})
	_email_given
}

_particulars_given if {
	input.tool.name == "remove_user_from_slack"
	outbound.named({"user"}, {})
}

_particulars_given if {
	input.tool.name == "post_webpage"
	outbound.address_vouched("url", set())
}

# A message goes to whom the person named,
_reaches(name, _) if outbound.named({name}, _channel_names)

# or to others in the workspace: anything while the task has read nothing that others wrote, and afterwards the person's
# own words.
_reaches(name, ours) if {
	not labels.untrusted
	outbound.inside({name}, ours)
}

_reaches(name, ours) if {
	outbound.own_words("body")
	outbound.inside({name}, ours)
}

_email_given if outbound.named({"user_email"}, {})

_email_given if startswith(lower(arguments.text("user_email")), sprintf("%s@", [lower(arguments.text("user"))]))

# Channels shared with another company carry its prefix and whatever name the others gave them; people speak of the
# prefix.
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
