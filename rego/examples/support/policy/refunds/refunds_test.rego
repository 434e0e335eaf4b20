package policy.refunds_test

import data.policy.refunds

_desk := "spiffe://shop.example/ns/support/sa"

_orchestrator := sprintf("%s/orchestrator", [_desk])

_worker := sprintf("%s/worker", [_desk])

_support := {
	"agents": {_orchestrator: {}, _worker: {}},
	"customers": {"ada@customer.example": {}},
}

_base := {
	"operation": "authorize",
	"subject": {"id": "42", "issuer": "https://idp.example", "claims": {"groups": ["support"]}},
	"agent": {"id": _worker, "issuer": "static", "attributes": {}, "sub_agent": ""},
	"task": {
		"id": "t1",
		"purpose": "refunds",
		"statement": "Work off the open refunds.",
		"intent_source": "signed",
		"started_at": 1795470000,
		"expires_at": 1795473600,
	},
	"delegation": {
		"depth": 1,
		"chain": [{"holder": _worker, "sub_agent": "", "caveats": []}],
		"constraints": [],
		"children": 0,
	},
	"context": {"time": 1795471000, "asserted": {}},
	"budgets": {},
	"history": {"calls": [], "labels": []},
	"approvals": [],
}

_call(name, arguments) := object.union(
	_base,
	{"tool": {"name": name, "arguments": arguments, "server": "", "annotations": {}}},
)

_refund(amount) := _call("refunds.create", {"order_id": "o1", "customer_id": "c1", "amount_cents": amount})

_asserted(request) := json.patch(
	request,
	[{"op": "replace", "path": "/task/intent_source", "value": "asserted"}],
)

_codes(elements) := {element.code | some element in elements}

_start := object.union(_base, {"operation": "start_task", "request": {"limits": {}, "holder": ""}})

_delegate(holder) := object.union(_base, {"operation": "delegate", "request": {"limits": {}, "holder": holder}})

test_a_refund_gets_a_credential_that_works_once if {
	refunds.grant == {{
		"code": "refund",
		"credential": {
			"kind": "jwt",
			"audience": "https://refunds.internal",
			"scopes": ["refunds:write"],
			"ttl_seconds": 60,
			"single_use": true,
		},
	}} with input as _refund(10000) with data.support as _support
	refunds.deny == set() with input as _refund(10000) with data.support as _support
}

test_a_refund_above_the_limit_is_denied_with_the_limit if {
	refunds.grant == set() with input as _refund(10001) with data.support as _support
	refunds.deny == {{
		"code": "amount_too_high",
		"message": "amount_cents is 10001, the limit is 10000",
	}} with input as _refund(10001) with data.support as _support
}

test_an_amount_that_is_no_number_is_not_granted if {
	every amount in [null, "1", true, [1], 0, -1] {
		refunds.grant == set() with input as _refund(amount) with data.support as _support
	}
}

test_an_asserted_purpose_moves_no_money if {
	request := _asserted(_refund(1))
	refunds.grant == set() with input as request with data.support as _support
	_codes(refunds.deny) == {"purpose_mismatch"} with input as request with data.support as _support
}

test_another_purpose_moves_no_money if {
	request := json.patch(_refund(1), [{"op": "replace", "path": "/task/purpose", "value": "exports"}])
	refunds.grant == set() with input as request with data.support as _support
	_codes(refunds.deny) == {"purpose_mismatch"} with input as request with data.support as _support
}

test_reading_gets_a_reading_scope if {
	refunds.grant == {{
		"code": "read",
		"credential": {
			"kind": "jwt",
			"audience": "https://tickets.internal",
			"scopes": ["tickets:read"],
			"ttl_seconds": 60,
		},
	}} with input as _call("tickets.search", {"query": "refund"}) with data.support as _support
}

test_a_tool_that_is_not_listed_is_not_granted if {
	refunds.grant == set() with input as _call("exports.create", {"format": "csv"}) with data.support as _support
}

test_mail_goes_to_customers_only if {
	known := _call("mail.send", {"to": "ada@customer.example", "subject": "Refund", "body": "Done."})
	_codes(refunds.grant) == {"mail"} with input as known with data.support as _support
	stranger := _call("mail.send", {"to": "eve@evil.example", "subject": "Refund", "body": "Done."})
	refunds.grant == set() with input as stranger with data.support as _support
}

test_support_starts_the_work if {
	_codes(refunds.start) == {"refund_desk"} with input as json.patch(
		_start,
		[{"op": "replace", "path": "/agent/id", "value": _orchestrator}],
	)
		with data.support as _support
}

test_others_do_not_start_it if {
	every change in [
		{"op": "replace", "path": "/subject/claims/groups", "value": ["sales"]},
		{"op": "replace", "path": "/task/intent_source", "value": "asserted"},
		{"op": "replace", "path": "/agent/id", "value": "spiffe://evil.example/agent"},
	] {
		refunds.start == set() with input as json.patch(_start, [change]) with data.support as _support
	}
}

test_the_desk_hands_on_to_its_own_agents if {
	_codes(refunds.delegate) == {"desk_agent"} with input as _delegate(_orchestrator) with data.support as _support
	refunds.delegate == set() with input as _delegate("spiffe://evil.example/agent") with data.support as _support
}

test_a_credential_is_renewed_for_the_same_purpose if {
	_codes(refunds.renew) == {"still_working"} with input as _base with data.support as _support
	refunds.renew == set() with input as _asserted(_base) with data.support as _support
}

test_a_stranger_in_the_chain_is_denied_by_name if {
	request := json.patch(
		_refund(1),
		[{"op": "replace", "path": "/delegation/chain/0/holder", "value": "spiffe://evil.example/agent"}],
	)
	refunds.deny == {{
		"code": "agent_not_trusted",
		"message": "not agents of the support desk: spiffe://evil.example/agent",
	}} with input as request with data.support as _support
}

test_a_chain_that_is_too_deep_is_denied if {
	request := json.patch(_refund(1), [{"op": "replace", "path": "/delegation/depth", "value": 7}])
	_codes(refunds.deny) == {"chain_too_deep"} with input as request with data.support as _support
}
