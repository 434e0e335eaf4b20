# METADATA
# title: A rate for each person
# description: At most 20 look-ups in an hour for one person. Wants limits.label_carry_seconds of 3600.
package policy.rate_per_person

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent

_crm := "https://crm.internal"

_limit := 20

_window_minutes := 60

_minute := floor(input.context.time / 60)

start contains {"code": "enquiries", "limits": {
	"tools": ["customers.read"],
	"audiences": [_crm],
	"scopes": ["customers:read"],
	"purposes": ["enquiries"],
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("enquiries")
}

# The label says when and which one: "lookup:29460240:3" is the third.
grant contains {
	"code": "look_up",
	"credential": credentials.once(_crm, ["customers:read"], 30),
	"labels": [sprintf("lookup:%d:%d", [_minute, count(_recent) + 1])],
} if {
	input.tool.name == "customers.read"
	intent.purpose_is("enquiries")
	arguments.only({"customer_id"})
	arguments.matches("customer_id", "C-[0-9]{1,9}")
	count(_recent) < _limit
}

deny contains {"code": "rate_exceeded", "message": "Twenty look-ups in an hour are allowed. Wait."} if {
	input.tool.name == "customers.read"
	count(_recent) >= _limit
}

_recent contains label if {
	some label in input.history.labels
	regex.match(`^lookup:[0-9]{1,12}:[0-9]{1,3}$`, label)
	_minute - to_number(split(label, ":")[1]) < _window_minutes
}
