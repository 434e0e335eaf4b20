package policy.accounts_test

import data.policy.accounts

_bank := {
	"agents": {"spiffe://bank.example/a": true, "spiffe://bank.example/b": true},
	"blocked": {"DE99": true},
	"people": {"https://idp.bank.example": {"u1": {"roles": ["clerk", "teller"], "accounts": {"DE01": true}}}},
	"purposes": {"clerk": ["payments"], "teller": ["enquiries"]},
	"roles": {
		"clerk": {"accounts.read": {"max_cents": 0}, "transfers.create": {"max_cents": 1000}},
		"teller": {"transfers.create": {"max_cents": 5000}},
	},
}

_base := {
	"operation": "authorize",
	"subject": {"id": "u1", "issuer": "https://idp.bank.example", "claims": {}},
	"task": {"purpose": "payments", "intent_source": "signed", "statement": ""},
	"delegation": {"depth": 1, "chain": [{"holder": "spiffe://bank.example/a", "sub_agent": "", "caveats": []}]},
	"request": {"limits": {}, "holder": "spiffe://bank.example/b"},
}

_call(name, arguments) := object.union(_base, {"tool": {"name": name, "arguments": arguments}})

_transfer(amount) := _call("transfers.create", {"account": "DE01", "to": "DE02", "amount_cents": amount})

_changed(request, path, value) := json.patch(request, [{"op": "replace", "path": path, "value": value}])

_codes(elements) := {element.code | some element in elements}

test_start if {
	_codes(accounts.start) == {"known_person"} with input as _base with data.bank as _bank
}

test_no_start_for_strangers_other_purposes_or_asserted_intent if {
	every request in [
		_changed(_base, "/subject/id", "u2"),
		_changed(_base, "/subject/issuer", "https://idp.other.example"),
		_changed(_base, "/task/purpose", "marketing"),
		_changed(_base, "/task/intent_source", "asserted"),
	] {
		accounts.start == set() with input as request with data.bank as _bank
	}
}

test_delegate_within_the_bank if {
	_codes(accounts.delegate) == {"bank_agent"} with input as _base with data.bank as _bank
	outside := _changed(_base, "/request/holder", "spiffe://other.example/a")
	accounts.delegate == set() with input as outside with data.bank as _bank
}

test_reading_an_own_account if {
	request := _call("accounts.read", {"account": "DE01"})
	_codes(accounts.grant) == {"own_account"} with input as request with data.bank as _bank
}

test_not_reading_what_is_not_owned_or_not_permitted if {
	every request in [
		_call("accounts.read", {"account": "DE02"}),
		_call("accounts.read", {}),
		_call("accounts.list_transactions", {"account": "DE01"}),
		_changed(_call("accounts.read", {"account": "DE01"}), "/subject/id", "u2"),
	] {
		accounts.grant == set() with input as request with data.bank as _bank
	}
}

test_paying_up_to_the_highest_limit_of_the_roles if {
	_codes(accounts.grant) == {"transfer"} with input as _transfer(5000) with data.bank as _bank
	accounts.grant == set() with input as _transfer(5001) with data.bank as _bank
	accounts.grant == set() with input as _transfer(0) with data.bank as _bank
}

test_not_paying_without_a_role_for_it if {
	request := _changed(_transfer(1), "/subject/id", "u2")
	accounts.grant == set() with input as request with data.bank as _bank
}

test_a_foreign_agent_is_denied if {
	request := _changed(_transfer(1), "/delegation/chain/0/holder", "spiffe://other.example/a")
	_codes(accounts.deny) == {"foreign_agent"} with input as request with data.bank as _bank
}

test_a_blocked_receiver_is_denied if {
	request := _changed(_transfer(1), "/tool/arguments/to", "DE99")
	_codes(accounts.deny) == {"receiver_blocked"} with input as request with data.bank as _bank
	accounts.deny == set() with input as _transfer(1) with data.bank as _bank
}
