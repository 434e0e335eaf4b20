# METADATA
# title: Payments to suppliers
# description: Suppliers of a list, each to its own account, within a limit for each payment and a sum for each day.
package policy.supplier_payments

import data.tabard.lib.arguments
import data.tabard.lib.clock
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.intent

_bank := "https://bank.internal"

_supplier := data.supplier_payments.suppliers[arguments.text("supplier")]

_today := clock.date(data.supplier_payments.zone)

start contains {"code": "accounts_payable", "limits": {
	"tools": ["ledger.read", "payments.create"],
	"audiences": [_bank],
	"scopes": ["ledger:read", "payments:write"],
	"purposes": ["accounts_payable"],
	"budgets": {"payment_cents": data.supplier_payments.day_cents},
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("accounts_payable")
}

# The bank signs the sum of the day, as in "2026-01-05:120000".
grant contains {
	"code": "read_ledger",
	"credential": credentials.once(_bank, ["ledger:read"], 30),
	"notes": ["paid_today"],
} if {
	input.tool.name == "ledger.read"
	intent.purpose_is("accounts_payable")
	arguments.only({"date"})
	arguments.text_in("date", {_today})
}

grant contains {
	"code": "pay",
	"credential": credentials.once(_bank, ["payments:write"], 30),
	"charges": {"payment_cents": input.tool.arguments.amount_cents},
} if {
	input.tool.name == "payments.create"
	intent.purpose_is("accounts_payable")
	arguments.only({"account", "amount_cents", "reference", "supplier"})
	arguments.text_in("account", {_supplier.account})
	arguments.whole_in_range("amount_cents", 1, _supplier.max_cents)
	arguments.matches("reference", "[A-Za-z0-9 -]{1,35}")
	_sum_of_day <= data.supplier_payments.day_cents
}

# With this payment and those of this task, which the bank may count, too. Undefined until the ledger of today was read.
_sum_of_day := (max(_signed) + input.budgets.payment_cents.spent) + input.tool.arguments.amount_cents

_signed contains to_number(parts[1]) if {
	some element in facts.elements("paid_today")
	regex.match(`^[0-9-]{10}:[0-9]{1,12}$`, element)
	parts := split(element, ":")
	parts[0] == _today
}
