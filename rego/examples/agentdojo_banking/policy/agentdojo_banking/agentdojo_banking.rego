# METADATA
# title: A banking assistant
# description: |
#   The assistant reads bills, letters and incoming payments, and any of them may hold text that an attacker wrote. So
#   what leaves the account is judged by what the person asked for in their own words (the signed statement) and by what
#   the bank knew before: the payees paid earlier and the standing orders in data.bank. A document alone never moves
#   money to somebody new; the person is asked instead.
package policy.agentdojo_banking

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.outbound
import data.tabard.lib.tools
import data.tabard.lib.wording

# What the bank itself says.
_views := {"get_balance", "get_iban", "get_user_info"}

# What others had a hand in: subjects of payments, letters, bills.
_reads := {"get_most_recent_transactions", "get_scheduled_transactions"}

_payments := {"schedule_transaction", "send_money"}

_audience := "bank"

# METADATA
# description: |
#   A task starts only with a signed request. The assistant alone holds it, and moves no more in all than the limit.
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
# description: The person's own account may always be looked at.
grant contains _with("view_account", "account.read") if tools.named(_views)

# METADATA
# description: So may its transactions, but what stands in them others may have written.
grant contains object.union(_with("view_transactions", "account.read"), _untrusted) if tools.named(_reads)

# METADATA
# description: A file is read if the person named it. Others may have written it.
grant contains object.union(_with("read_named_file", "files.read"), _untrusted) if {
	input.tool.name == "read_file"
	arguments.all_mentioned("file_path")
}

# METADATA
# description: |
#   Money goes out only if the person asked for a payment, to somebody vouched for or to whom the request may lead, and
#   never above the limit.
grant contains object.union(_with("make_payment", "payments.write"), {"charges": {"cents": _cents}}) if {
	tools.named(_payments)
	wording.asks_for(wording.pay)
	arguments.within("amount", 0, data.bank.payment_limit)
	_recipient_possible
}

# METADATA
# description: A standing order changes if the person spoke of it or of a document about it.
grant contains object.union(_with("change_standing_order", "payments.write"), {"charges": {"cents": _cents}}) if {
	input.tool.name == "update_scheduled_transaction"
	wording.asks_for(wording.change)
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
# description: The profile changes if the person asked for a change.
grant contains _with("change_profile", "profile.write") if {
	input.tool.name == "update_user_info"
	wording.asks_for(wording.change)
}

# METADATA
# description: A payment to somebody of whom only a document can have told needs the person's word.
ask contains _question("unknown_recipient", "The recipient isn't in the request, nor a payee that it speaks of.") if {
	tools.named(_payments)
	not _recipient_vouched
}

# METADATA
# description: A standing order keeps its recipient and roughly its amount, unless the person named new ones.
ask contains _question("unusual_standing_order", "The new recipient or amount is not in the request.") if {
	input.tool.name == "update_scheduled_transaction"
	not _order_usual
}

# METADATA
# description: Particulars that stand only in what others wrote need the person's word.
ask contains _question("profile_from_document", "The new particulars are not in the request.") if {
	input.tool.name == "update_user_info"
	labels.untrusted
	not _profile_named
}

_with(code, scope) := {
	"code": code,
	"credential": {"audience": _audience, "kind": "jwt", "scopes": [scope], "single_use": true, "ttl_seconds": 60},
}

_untrusted := {"labels": ["untrusted"]}

_question(code, reason) := {
	"approvers": ["account_holder"],
	"code": code,
	"reason": reason,
	"ttl_seconds": 900,
	"uses": 1,
}

# A standing order can change without its amount being sent.
default _cents := 0

_cents := ceil(arguments.number("amount") * 100)

_recipient_possible if _recipient_vouched

_recipient_possible if wording.points_elsewhere

# The person wrote the recipient down, or spoke of a payee whom the account paid before.
_recipient_vouched if outbound.named({"recipient"}, data.bank.payees)

# The person wrote the amount down, and the account paid the recipient before.
_recipient_vouched if {
	arguments.number_mentioned("amount")
	outbound.inside({"recipient"}, data.bank.payees)
}

_order := data.bank.standing_orders[format_int(arguments.number("id"), 10)]

_about_order if {
	some subject in _order.about
	intent.mentions(subject)
}

# Any of them, or any that a document is about.
_about_order if {
	_order
	intent.mentions("standing orders")
}

_about_order if {
	_order
	wording.points_elsewhere
}

_order_usual if {
	_order_recipient_usual
	_order_amount_usual
}

_order_recipient_usual if arguments.absent("recipient")

_order_recipient_usual if arguments.text("recipient") == _order.recipient

_order_recipient_usual if outbound.named({"recipient"}, {})

_order_amount_usual if arguments.absent("amount")

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
