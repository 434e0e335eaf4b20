# METADATA
# title: The lethal trifecta
# description: Nothing leaves a task that has read a secret and text of other people.
package policy.lethal_trifecta

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.outbound

_known := data.lethal_trifecta

# What carries data out. Reading a page sends its URL.
_ways_out := {"mail.send", "web.read"}

start contains {"code": "operations", "limits": {
	"tools": ["mail.read", "mail.send", "secrets.read", "web.read"],
	"purposes": ["operations"],
	"budgets": {"mails": 5},
	"max_depth": 3,
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("operations")
}

delegate contains {"code": "operations_agent", "limits": {"ttl_seconds": 600}} if {
	intent.purpose_is("operations")
	chain.receiver_in(_known.agents)
}

grant contains {"code": "read_secret", "labels": ["secret"]} if {
	input.tool.name == "secrets.read"
	intent.purpose_is("operations")
	arguments.only({"name"})
	arguments.text_in("name", _known.secrets)
}

grant contains {"code": "read_mail", "labels": ["untrusted"]} if {
	input.tool.name == "mail.read"
	intent.purpose_is("operations")
	arguments.only({"folder"})
	arguments.text_in("folder", _known.folders)
}

grant contains {"code": "read_page", "labels": ["untrusted"]} if {
	input.tool.name == "web.read"
	intent.purpose_is("operations")
	arguments.only({"url"})
	arguments.matches("url", "https://[!-~]{1,500}")
	hosts.requested_or_trusted("url", {}, _known.sites)
}

grant contains {"code": "send_mail", "charges": {"mails": 1}} if {
	input.tool.name == "mail.send"
	intent.purpose_is("operations")
	arguments.only({"body", "subject", "to"})
	outbound.only_to({"to"}, _known.colleagues)
	arguments.items_at_most("to", 5)
	arguments.one_line("subject", 150)
	arguments.text("body")
	arguments.length_at_most("body", 5000)
}

ask contains {
	"code": "one_of_two",
	"approvers": ["requester"],
	"reason": "The assistant has read a secret or a text of other people. Look at what leaves, and to whom.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	input.tool.name == "mail.send"
	labels.has_any({"secret", "untrusted"})
	not _has_both
}

deny contains {"code": "secret_page", "message": "No page is read after a secret, which its URL could carry."} if {
	input.tool.name == "web.read"
	labels.has("secret")
}

deny contains {
	"code": "trifecta",
	"message": "This task has read a secret and texts of other people, so nothing leaves it.",
} if {
	_ways_out[input.tool.name]
	_has_both
}

_has_both if {
	labels.has("secret")
	labels.untrusted
}
