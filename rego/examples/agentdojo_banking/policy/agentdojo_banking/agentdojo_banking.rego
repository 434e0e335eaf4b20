# METADATA
# title: A banking assistant
# description: |
#   The assistant reads bills, letters and incoming payments. Any of them may hold text that an attacker wrote. So a
#   payment is checked against two sources: the person's own request (the signed statement), and the payees and standing
#   orders that the bank already has (data.bank). If only a document names a new recipient, the person is asked.
package policy.agentdojo_banking

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.outbound
import data.tabard.lib.tools
import data.tabard.lib.wording

# Written by the bank alone.
_views := {"get_balance", "get_iban", "get_user_info"}

# Partly written by others: the subjects of payments.
_reads := {"get_most_recent_transactions", "get_scheduled_transactions"}

_payments := {"schedule_transaction", "send_money"}

_audience := "bank"

# METADATA
# description: |
#   A task needs a signed request. It can't be delegated, and all its payments together stay within the limit.
start contains {
	"code": "banking_request",
	"limits": {
		"audiences": [_audience],
		"budgets": {"cents": data.bank.payment_limit * 100},
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
# description: Viewing the person's own account.
grant contains {"code": "view_account", "credential": _for("account.read")} if tools.one_of(_views)

# METADATA
# description: Viewing its transactions, whose subjects others may have written.
grant contains {
	"code": "view_transactions",
	"credential": _for("account.read"),
	"labels": ["untrusted"],
} if {
	tools.one_of(_reads)
}

# METADATA
# description: Reading a file that the request names. Others may have written it.
grant contains {
	"code": "read_named_file",
	"credential": _for("files.read"),
	"labels": ["untrusted"],
} if {
	input.tool.name == "read_file"
	arguments.all_mentioned("file_path")
}

# METADATA
# description: |
#   A payment within the limit, if the request asks for a payment and names the recipient or may mean it.
grant contains {
	"code": "make_payment",
	"charges": {"cents": _cents},
	"credential": _for("payments.write"),
} if {
	tools.one_of(_payments)
	wording.asks_for(wording.pay)
	arguments.in_range("amount", 0, data.bank.payment_limit)
	_recipient_possible
}

# METADATA
# description: Changing a standing order, if the request names it or refers to a document.
grant contains {
	"code": "change_standing_order",
	"charges": {"cents": _cents},
	"credential": _for("payments.write"),
} if {
	input.tool.name == "update_scheduled_transaction"
	wording.asks_for(wording.change)
	_about_order
}

# METADATA
# description: Changing the password to one that the request names.
grant contains {"code": "change_password", "credential": _for("profile.write")} if {
	input.tool.name == "update_password"
	intent.mentions("password")
	arguments.all_mentioned("password")
}

# METADATA
# description: Changing the profile, if the request asks for a change.
grant contains {"code": "change_profile", "credential": _for("profile.write")} if {
	input.tool.name == "update_user_info"
	wording.asks_for(wording.change)
}

# METADATA
# description: A payment to a recipient found only in a document needs approval.
ask contains _ask("unknown_recipient", "The request doesn't name the recipient.") if {
	tools.one_of(_payments)
	not _recipient_known
}

# METADATA
# description: A new recipient, or a much different amount, that the request doesn't name needs approval.
ask contains _ask("unusual_standing_order", "The new recipient or amount is not in the request.") if {
	input.tool.name == "update_scheduled_transaction"
	not _order_usual
}

# METADATA
# description: Profile changes found only in untrusted content need approval.
ask contains _ask("profile_from_document", "The new profile values are not in the request.") if {
	input.tool.name == "update_user_info"
	labels.untrusted
	not _profile_requested
}

_for(scope) := credentials.once(_audience, [scope], 60)

_ask(code, reason) := {
	"approvers": ["account_holder"],
	"code": code,
	"reason": reason,
	"ttl_seconds": 900,
	"uses": 1,
}

# A change of a standing order may leave the amount out.
default _cents := 0

_cents := ceil(arguments.number("amount") * 100)

_recipient_possible if _recipient_known

_recipient_possible if wording.refers_to_sources

# The request names the account, or the name of a payee that was paid before.
_recipient_known if outbound.requested({"recipient"}, data.bank.payees)

# The request names the amount, and the recipient was paid before.
_recipient_known if {
	arguments.number_mentioned("amount")
	outbound.only_to({"recipient"}, data.bank.payees)
}

_order := data.bank.standing_orders[format_int(arguments.number("id"), 10)]

_about_order if {
	some subject in _order.about
	intent.mentions(subject)
}

# The request may mean any of them.
_about_order if {
	_order
	intent.mentions("standing orders")
}

_about_order if {
	_order
	wording.refers_to_sources
}

_order_usual if {
	_order_recipient_usual
	_order_amount_usual
}

_order_recipient_usual if arguments.absent("recipient")

_order_recipient_usual if arguments.text("recipient") == _order.recipient

_order_recipient_usual if outbound.requested({"recipient"}, {})

_order_amount_usual if arguments.absent("amount")

_order_amount_usual if arguments.number_mentioned("amount")

_order_amount_usual if {
	change := abs(arguments.number("amount") - _order.amount)
	change <= _order.amount * data.bank.largest_adjustment
}

_profile_requested if {
	every name in arguments.names {
		arguments.all_mentioned(name)
	}
}
