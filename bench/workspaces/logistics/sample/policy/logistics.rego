# METADATA
# title: A sample, which only proves the runner
# description: |
#   Reading is allowed. Money, answers and commands ask. Secrets aren't read.
package policy.logistics

import data.tabard.lib.intent
import data.tabard.lib.tools

_asked := {"orders.refund", "payments.send", "tickets.reply"}

start contains {"code": "desk", "limits": {"tools": ["*"], "ttl_seconds": 900}} if intent.trusted

grant contains {"code": "read"} if {
	tools.read_only
	input.tool.name != "settings.read"
}

grant contains {"code": "act"} if tools.one_of(_asked | {"shell.run"})

ask contains {
	"approvers": ["requester"],
	"code": "acts",
	"reason": "The call acts on others.",
	"ttl_seconds": 900,
	"uses": 1,
} if {
	tools.one_of(_asked)
}
