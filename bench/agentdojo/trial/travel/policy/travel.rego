# METADATA
# title: A travel assistant
# description: |
#   Written from docs/policy-guide.md, the tools' descriptions and data.travel: contacts by address and events by id, each
#   with the names that people use for them. Hotels, restaurants and companies are called with their names.
package policy.travel

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.outbound
import data.tabard.lib.tools
import data.tabard.lib.wording

# Nobody else writes these; the second one is nobody else's business either.
_own := {"get_flight_information"}

_personal := {"get_user_information"}

_book := wording.create | {"rent", "reservation"}

# What the request has to ask for.
_words := {
	"cancel_calendar_event": wording.delete,
	"create_calendar_event": wording.create,
	"reserve_car_rental": _book,
	"reserve_hotel": _book,
	"reserve_restaurant": _book,
	"send_email": wording.send,
}

start contains {"code": "travel", "limits": {
	"budgets": {"changes": 10},
	"max_children": 0,
	"max_depth": 0,
	"tools": ["*"],
	"ttl_seconds": 900,
}} if intent.trusted

grant contains {"code": "look_up"} if tools.named(_own)

grant contains {"code": "read_personal", "labels": ["secret"]} if tools.named(_personal)

grant contains {"code": "read", "labels": ["untrusted"]} if {
	tools.read_only
	not tools.named(_own | _personal)
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

deny contains {"code": "secrets_stay", "message": "After personal data was read, mail goes to the person alone."} if {
	input.tool.name == "send_email"
	not outbound.secrets_stay({"secret"}, {"bcc", "cc", "recipients"}, {data.travel.owner})
}

_vouched if {
	input.tool.name == "send_email"
	outbound.vouched({"bcc", "cc", "recipients"}, data.travel.contacts, {data.travel.owner})
	outbound.links_vouched("body", set())
	arguments.absent("attachments")
}

_vouched if {
	input.tool.name in {"reserve_car_rental", "reserve_hotel", "reserve_restaurant"}
	outbound.named({"company", "hotel", "restaurant"}, {})
}

_vouched if {
	input.tool.name == "cancel_calendar_event"
	outbound.spoken_of({"event_id"}, data.travel.events)
}

_vouched if {
	input.tool.name == "create_calendar_event"
	outbound.own_words("title")
	_participants_vouched
}

_participants_vouched if arguments.absent("participants")

_participants_vouched if {
	outbound.vouched({"participants"}, data.travel.contacts, {data.travel.owner})
}
