# METADATA
# title: Web hosts
# description: Pages of listed and of requested hosts; after a secret was read, listed pages only.
# custom:
#   tabard:
#     labels: [secret]
package policy.web_hosts

import data.tabard.lib.arguments
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.labels

start contains {"code": "research", "limits": {
	"tools": ["web.read"],
	"purposes": ["research"],
	"budgets": {"pages": 100},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("research")
}

grant contains {"code": "read_page", "labels": ["untrusted"], "charges": {"pages": 1}} if {
	input.tool.name == "web.read"
	intent.purpose_is("research")
	arguments.only({"url"})
	arguments.matches("url", "https://[!-~]{1,500}")
	hosts.requested_or_trusted("url", {}, data.web_hosts.sites)
}

deny contains {"code": "secret_in_task", "message": "After a secret was read, only listed pages are read."} if {
	input.tool.name == "web.read"
	labels.has("secret")
	not arguments.text_in("url", data.web_hosts.pages)
}
