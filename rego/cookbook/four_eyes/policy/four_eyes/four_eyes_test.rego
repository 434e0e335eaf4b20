package policy.four_eyes_test

import data.policy.four_eyes

_pay(cents, approvals) := {
	"operation": "authorize",
	"approvals": approvals,
	"budgets": {"payment_cents": {"limit": 900, "spent": 20, "remaining": 880}},
	"task": {"purpose": "payments", "intent_source": "signed"},
	"tool": {
		"name": "payments.create",
		"arguments": {"account": "A1", "amount_cents": cents, "reference": "R-1", "supplier": "acme"},
	},
}

_by(code, issuer, id) := {"module": "four_eyes", "code": code, "approver": {"issuer": issuer, "id": id}}

_data := {"alone_cents": 100, "max_cents": 900, "accounts": {"acme": "A1"}}

test_start if {
	count(four_eyes.start) == 1 with input as _pay(1, [])
}

test_small_payments_need_no_person if {
	count(four_eyes.grant) == 1 with input as _pay(80, []) with data.four_eyes as _data
	four_eyes.ask == set() with input as _pay(80, []) with data.four_eyes as _data
}

test_others_need_two if {
	every cents in [81, 101, 900] {
		count(four_eyes.ask) == 2 with input as _pay(cents, []) with data.four_eyes as _data
	}
}

test_two_different_people if {
	four_eyes.deny == set() with input as _pay(900, [_by("a", "i", "u1"), _by("b", "i", "u2")])
	count(four_eyes.deny) == 1 with input as _pay(900, [_by("a", "i", "u1"), _by("b", "i", "u1")])
	other := object.union(_by("c", "i", "u1"), {"module": "other"})
	four_eyes.deny == set() with input as _pay(900, [_by("a", "i", "u1"), _by("b", "i", "u2"), other])
}
