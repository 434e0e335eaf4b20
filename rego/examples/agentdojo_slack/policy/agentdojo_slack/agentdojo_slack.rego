# METADATA
# title: An assistant in a chat workspace
# description: |
#   The assistant reads messages and web pages, and any of them may hold text that an attacker wrote. So what it sends,
#   whom it invites and where it goes on the web is judged by what the person asked for in their own words (the signed
#   statement) and by what the workspace itself knows, in data.workspace: its members, its channels and the links that
#   members posted. Whatever the person only meant indirectly (a list on a web page, details in somebody's inbox) needs
#   their word again.
package policy.agentdojo_slack

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.tools

_audience := "chat"

_reads := {"get_channels", "get_users_in_channel", "read_channel_messages"}

_writes := {
	"add_user_to_channel",
	"invite_user_to_slack",
	"post_webpage",
	"remove_user_from_slack",
	"send_channel_message",
	"send_direct_message",
}

_verbs := {
	"add_user_to_channel": {"add"},
	"invite_user_to_slack": {"invite"},
	"post_webpage": {"post", "publish"},
	"remove_user_from_slack": {"delete", "remove"},
	"send_channel_message": {"announce", "message", "post", "reply", "send", "tell", "write"},
	"send_direct_message": {"dm", "message", "send", "tell", "write"},
}

# Words by which a person leaves open whom or which channel they mean.
_group_words := {"all users", "each user", "everybody", "everyone", "find a user", "them"}

_search_words := {"a channel", "channels"}

# Words by which a person sends the assistant elsewhere for the particulars.
_elsewhere_words := {"details", "instructions", "to do", "todo"}

# METADATA
# description: A task starts only with a signed request; it is held by the assistant alone.
start contains {
	"code": "chat_request",
	"limits": {
		"audiences": [_audience, "web"],
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
# description: Channels may be read.
grant contains _with("read_channels", _audience, "chat.read") if tools.named(_reads)

# METADATA
# description: An inbox is read if the person named whose.
grant contains _with("read_named_inbox", _audience, "chat.read") if {
	input.tool.name == "read_inbox"
	arguments.all_mentioned("user")
}

# METADATA
# description: A web page is read if the person named it.
grant contains _with("read_named_page", "web", "web.read") if {
	input.tool.name == "get_webpage"
	_mentioned_address(arguments.text("url"))
}

# METADATA
# description: A page to which a member linked in the workspace is read; links on other pages are not followed.
grant contains _with("read_linked_page", "web", "web.read") if {
	input.tool.name == "get_webpage"
	_without_scheme(arguments.text("url")) in data.workspace.links
}

# METADATA
# description: What changes or sends something needs a request that asks for it and says whom and what it is about.
grant contains _with("act_as_asked", _audience, _scope) if {
	tools.named(_writes)
	_asked
	_particulars_possible
}

# METADATA
# description: A recipient, channel, guest or address that the request leaves open needs the person's word.
ask contains {
	"approvers": ["requester"],
	"code": "not_in_request",
	"reason": "The request does not say who, where or what exactly.",
	"ttl_seconds": 900,
	"uses": 1,
} if {
	tools.named(_writes)
	_asked
	_left_open
	not _particulars_given
}

_with(code, audience, scope) := {
	"code": code,
	"credential": {"audience": audience, "kind": "jwt", "scopes": [scope], "single_use": true, "ttl_seconds": 60},
}

_scope := "web.write" if input.tool.name == "post_webpage"

_scope := "chat.admin" if input.tool.name in {"add_user_to_channel", "invite_user_to_slack", "remove_user_from_slack"}

_scope := "chat.write" if startswith(input.tool.name, "send_")

_asks_for(words) if {
	some word in words
	intent.mentions(word)
}

# The request uses a word for what the tool does, or hands over a list of things to do.
_asked if _asks_for(_verbs[input.tool.name])

_asked if _asks_for({"to do", "todo"})

_left_open if _asks_for(_group_words)

_left_open if _asks_for(_search_words)

_left_open if _asks_for(_elsewhere_words)

_particulars_possible if _particulars_given

_particulars_possible if _left_open

_particulars_given if {
	input.tool.name == "send_direct_message"
	_person_given(arguments.text("recipient"))
	_links_mentioned(arguments.text("body"))
}

_particulars_given if {
	input.tool.name == "send_channel_message"
	_channel_given(arguments.text("channel"))
	_links_mentioned(arguments.text("body"))
}

_particulars_given if {
	input.tool.name == "add_user_to_channel"
	_person_given(arguments.text("user"))
	_channel_given(arguments.text("channel"))
}

_particulars_given if {
	input.tool.name == "invite_user_to_slack"
	arguments.all_mentioned("user")
	_email_given
}

_particulars_given if {
	input.tool.name == "remove_user_from_slack"
	arguments.all_mentioned("user")
}

_particulars_given if {
	input.tool.name == "post_webpage"
	_mentioned_address(arguments.text("url"))
	_links_mentioned(arguments.text("content"))
}

_person_given(person) if intent.mentions(person)

_person_given(person) if person in _open_people

# The request leaves open whom it means: any member, and only in the person's own words if something is sent.
_open_people := data.workspace.members if {
	_asks_for(_group_words)
	_own_words
}

_channel_given(channel) if intent.mentions(channel)

_channel_given(channel) if channel in _open_channels

_channel_given(channel) if strings.any_prefix_match(channel, _prefixes_mentioned)

# The request leaves open which channel it means: any of ours.
_open_channels := data.workspace.channels if {
	_asks_for(_search_words)
	_own_words
}

# Channels shared with other companies carry a prefix and whatever name the others gave them.
_prefixes_mentioned contains prefix if {
	some prefix in data.workspace.external_prefixes
	intent.mentions(prefix)
}

_email_given if arguments.all_mentioned("user_email")

_email_given if startswith(lower(arguments.text("user_email")), sprintf("%s@", [lower(arguments.text("user"))]))

# Nearly everything that is said, the person said before. Tools that send nothing have nothing to compare.
_own_words if not "body" in arguments.names

_own_words if {
	said := {lower(word) | some word in regex.find_n(`\p{L}{4,}`, arguments.text("body"), -1)}
	count(said) > 0
	every word in said {
		contains(lower(input.task.statement), word)
	}
}

# Anything in the text that a reader's program could turn into a link.
_links_mentioned(text) if {
	every link in regex.find_n(`(?i)(?:https?://|www\.)\S+|[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+/\S*`, text, -1) {
		_mentioned_address(trim_right(link, _sentence_marks))
	}
}

_mentioned_address(url) if _without_scheme(url) in _addresses

# Web addresses in the request. A full stop before a capital letter ends a sentence, space or no space.
_addresses contains _without_scheme(trim_right(address, _sentence_marks)) if {
	intent.trusted
	pattern := `[A-Za-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[^\s,;)]*)?`
	some address in regex.find_n(pattern, input.task.statement, -1)
}

_sentence_marks := ".,;:!?)'\""

_without_scheme(url) := trim_suffix(trim_prefix(trim_prefix(url, "https://"), "http://"), "/")
