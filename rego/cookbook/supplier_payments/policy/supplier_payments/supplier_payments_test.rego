package policy.supplier_payments_test

import data.policy.supplier_payments

_call(tool, arguments, paid) := {
	"operation": "authorize",
	"context": {"time": 1767614400},
	"budgets": {"payment_cents": {"limit": 1000, "spent": 100, "remaining": 900}},
	"task": {"purpose": "accounts_payable", "intent_source": "signed", "facts": {"paid_today": paid}},
	"tool": {"name": tool, "arguments": arguments},
}

_pay(account, cents, paid) := _call(
	"payments.create",
	{"account": account, "amount_cents": cents, "reference": "R-1", "supplier": "acme"},
	paid,
)

_data := {"zone": "UTC", "day_cents": 1000, "suppliers": {"acme": {"account": "A1", "max_cents": 500}}}

test_a_task_has_a_budget if {
	count(supplier_payments.start) == 1 with input as _call("", {}, []) with data.supplier_payments as _data
}

test_the_ledger_of_today_is_read if {
	count(supplier_payments.grant) == 1 with input as _call("ledger.read", {"date": "2026-01-05"}, [])
		with data.supplier_payments as _data
	supplier_payments.grant == set() with input as _call("ledger.read", {"date": "2026-01-04"}, [])
		with data.supplier_payments as _data
}

test_payments_within_the_sum_of_the_day if {
	count(supplier_payments.grant) == 1 with input as _pay("A1", 500, ["2026-01-05:400", "2026-01-04:9999"])
		with data.supplier_payments as _data
	every request in [
		_pay("A1", 500, ["2026-01-05:401"]), _pay("A1", 500, ["2026-01-05:401", "2026-01-05:1"]), _pay("A1", 1, []),
		_pay("A1", 1, ["2026-01-05:x"]), _pay("A2", 1, ["2026-01-05:0"]), _pay("A1", 501, ["2026-01-05:0"]),
	] {
		supplier_payments.grant == set() with input as request with data.supplier_payments as _data
	}
}
