# METADATA
# title: Four eyes
# description: Payments above a threshold need two people, one of accounting and one of the treasury.
package policy.four_eyes

import data.tabard.lib.arguments
import data.tabard.lib.budgets
import data.tabard.lib.credentials
import data.tabard.lib.intent

_bank := "https://bank.internal"

_cents := arguments.number("amount_cents")

_account := data.four_eyes.accounts[arguments.text("supplier")]

start contains {"code": "payments", "limits": {
	"tools": ["payments.create"],
	"audiences": [_bank],
	"scopes": ["payments:write"],
	"purposes": ["payments"],
	"budgets": {"payment_cents": 5000000},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("payments")
}

grant contains {
	"code": "pay",
	"credential": credentials.once(_bank, ["payments:write"], 30),
	"charges": {"payment_cents": _cents},
} if {
	input.tool.name == "payments.create"
	intent.purpose_is("payments")
	arguments.only({"account", "amount_cents", "reference", "supplier"})
	arguments.text_in("account", {_account})
	arguments.whole_in_range("amount_cents", 1, data.four_eyes.max_cents)
	arguments.matches("reference", "[A-Za-z0-9 -]{1,35}")
}

ask contains {
	"code": code,
	"approvers": [role],
	"reason": "Two people have to approve a large payment. Compare supplier, account and amount with the invoice.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	input.tool.name == "payments.create"
	not _small
	some code, role in {"checked_by_accounting": "accounting", "checked_by_treasury": "treasury"}
}

# This payment and the earlier ones of the task are together below the threshold.
_small if {
	_cents <= data.four_eyes.alone_cents
	budgets.spent_at_most("payment_cents", data.four_eyes.alone_cents - _cents)
}

deny contains {"code": "one_person_twice", "message": "Two different people have to approve this payment."} if {
	input.tool.name == "payments.create"
	count({person | some person in _approvers}) < count(_approvers)
}

# Who gave each approval that this module asked for. Another module may ask the same person, too.
_approvers := [[approval.approver.issuer, approval.approver.id] |
	some approval in input.approvals
	approval.module == "four_eyes"
]
