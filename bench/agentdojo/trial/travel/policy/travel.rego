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

# Written by the owner or the system alone; `_personal` must not leave.
_own := {"get_flight_information"}

_personal := {"get_user_information"}

_book := wording.create | {"rent", "reservation"}

# The request must use one of these words for the tool.
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

grant contains {"code": "look_up"} if tools.one_of(_own)

grant contains {"code": "read_personal", "labels": ["secret"]} if tools.one_of(_personal)

grant contains {"code": "read", "labels": ["untrusted"]} if {
	tools.read_only
	not tools.one_of(_own | _personal)
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

deny contains {"code": "personal_data_to_others", "message": "After personal data was read, mail goes to the person alone."} if {
	input.tool.name == "send_email"
	not outbound.secrets_only_to({"bcc", "cc", "recipients"}, {"secret"}, {data.travel.owner})
}

_requested if {
	input.tool.name == "send_email"
	outbound.requested_or_trusted({"bcc", "cc", "recipients"}, data.travel.contacts, {data.travel.owner})
	outbound.links_requested_or_trusted("body", set())
	arguments.absent("attachments")
}

_requested if {
	input.tool.name in {"reserve_car_rental", "reserve_hotel", "reserve_restaurant"}
	outbound.requested({"company", "hotel", "restaurant"}, {})
}

_requested if {
	input.tool.name == "cancel_calendar_event"
	outbound.requested_by_name({"event_id"}, data.travel.events)
}

_requested if {
	input.tool.name == "create_calendar_event"
	outbound.words_from_request("title")
	_participants_requested
}

_participants_requested if arguments.absent("participants")

_participants_requested if {
	outbound.requested_or_trusted({"participants"}, data.travel.contacts, {data.travel.owner})
}
