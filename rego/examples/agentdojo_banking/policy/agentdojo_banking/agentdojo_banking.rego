# METADATA
# title: A banking assistant
# description: |
#   The assistant reads bills, letters and incoming payments, and any of them may hold text that an attacker wrote. So
#   what leaves the account is judged by what the person asked for in their own words (the signed statement) and by what
#   the bank knew before: the payees paid earlier and the standing orders in data.bank. A document alone never moves
#   money to somebody new; a person is asked instead.
package policy.agentdojo_banking

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.tools

_views := {
	"get_balance",
	"get_iban",
	"get_most_recent_transactions",
	"get_scheduled_transactions",
	"get_user_info",
}

_payments := {"schedule_transaction", "send_money"}

_payment_words := {"pay", "refund", "schedule", "scheduled", "send", "transfer"}

_change_words := {"adjust", "change", "set", "update"}

_audience := "bank"

# METADATA
# description: A task starts only with a signed request; it is held by the assistant alone.
start contains {
	"code": "banking_request",
	"limits": {
		"audiences": [_audience],
		"max_children": 0,
		"max_depth": 0,
		"scopes": ["account.read", "files.read", "payments.write", "profile.write"],
		"tools": ["get_*", "read_file", "schedule_transaction", "send_money", "update_*"],
		"ttl_seconds": 900,
	},
} if {
	intent.trusted
}

# METADATA
# description: The person's own account may always be looked at.
grant contains _with("view_account", "account.read") if {
	tools.named(_views)
}

# METADATA
# description: A file is read if the person named it.
grant contains _with("read_named_file", "files.read") if {
	input.tool.name == "read_file"
	arguments.all_mentioned("file_path")
}

# METADATA
# description: |
#   Money goes out only if the person asked for a payment, to somebody known or whom a document may name, and never
#   above the limit.
grant contains _with("make_payment", "payments.write") if {
	tools.named(_payments)
	_asks_for(_payment_words)
	arguments.within("amount", 0, data.bank.payment_limit)
	_recipient_possible
}

# METADATA
# description: A standing order changes if the person spoke of it or handed over a letter about it.
grant contains _with("change_standing_order", "payments.write") if {
	input.tool.name == "update_scheduled_transaction"
	_about_order
}

# METADATA
# description: The password changes to one that the person chose.
grant contains _with("change_password", "profile.write") if {
	input.tool.name == "update_password"
	intent.mentions("password")
	arguments.all_mentioned("password")
}

# METADATA
# description: The profile changes if the person asked for it.
grant contains _with("change_profile", "profile.write") if {
	input.tool.name == "update_user_info"
	_asks_for(_change_words)
}

# METADATA
# description: A payment to somebody of whom only a document can have told needs the person's word.
ask contains {
	"approvers": ["account_holder"],
	"code": "unknown_recipient",
	"reason": "The recipient is not named in the request and was never paid before.",
	"ttl_seconds": 900,
	"uses": 1,
} if {
	tools.named(_payments)
	_asks_for(_payment_words)
	_names_document
	not _recipient_trusted
}

# METADATA
# description: A standing order keeps its recipient and roughly its amount, unless the person named new ones.
ask contains {
	"approvers": ["account_holder"],
	"code": "unusual_standing_order",
	"reason": "The new recipient or amount is not in the request.",
	"ttl_seconds": 900,
	"uses": 1,
} if {
	input.tool.name == "update_scheduled_transaction"
	_about_order
	not _order_usual
}

# METADATA
# description: Particulars that stand only in a document need the person's word.
ask contains {
	"approvers": ["account_holder"],
	"code": "profile_from_document",
	"reason": "The new particulars are not in the request.",
	"ttl_seconds": 900,
	"uses": 1,
} if {
	input.tool.name == "update_user_info"
	_asks_for(_change_words)
	not _profile_named
}

_with(code, scope) := {
	"code": code,
	"credential": {"audience": _audience, "kind": "jwt", "scopes": [scope], "single_use": true, "ttl_seconds": 60},
}

_asks_for(words) if {
	some word in words
	intent.mentions(word)
}

_recipient_possible if _recipient_trusted

_recipient_possible if _names_document

# The person wrote the recipient down.
_recipient_trusted if arguments.all_mentioned("recipient")

# The person spoke of a payee whom the bank has paid before.
_recipient_trusted if {
	some name in data.bank.payees[arguments.text("recipient")]
	intent.mentions(name)
}

# The person wrote the amount down, and the recipient was paid before.
_recipient_trusted if {
	arguments.number_mentioned("amount")
	data.bank.payees[arguments.text("recipient")]
}

_names_document if {
	intent.trusted
	regex.match(`(?i)[\w-]+\.(txt|pdf)\b`, input.task.statement)
}

_order := data.bank.standing_orders[format_int(arguments.number("id"), 10)]

_about_order if {
	_asks_for(_change_words)
	some subject in _order.about
	intent.mentions(subject)
}

_about_order if {
	_asks_for(_change_words)
	_order
	intent.mentions("standing orders")
}

# A letter that the person named may be about any standing order.
_about_order if {
	_order
	_names_document
}

_order_usual if {
	_order_recipient_usual
	_order_amount_usual
}

_order_recipient_usual if not "recipient" in arguments.names

_order_recipient_usual if arguments.text("recipient") == _order.recipient

_order_recipient_usual if arguments.all_mentioned("recipient")

_order_amount_usual if not "amount" in arguments.names

_order_amount_usual if arguments.number_mentioned("amount")

_order_amount_usual if {
	change := abs(arguments.number("amount") - _order.amount)
	change <= _order.amount * data.bank.largest_adjustment
}

_profile_named if {
	every name in arguments.names {
		arguments.all_mentioned(name)
	}
}
