package policy.break_glass_test

import data.policy.break_glass

_login(person, authenticated, arguments) := {
	"operation": "authorize",
	"context": {"time": 1000},
	"subject": {"id": person, "issuer": "i", "authenticated_at": authenticated, "claims": {}},
	"task": {"purpose": "incident", "intent_source": "signed"},
	"tool": {"name": "systems.login", "arguments": arguments},
}

_data := {
	"roster": {"i": {"kim": [{"from": 500, "until": 1500}], "lee": [{"from": 1500, "until": 2000}]}},
	"incidents": {"A": {"state": "open", "systems": ["s"]}, "B": {"state": "closed", "systems": ["s"]}},
}

test_on_call if {
	request := _login("kim", 900, {"incident": "A", "system": "s"})
	{element.labels | some element in break_glass.grant} == {["break_glass"]} with input as request
		with data.break_glass as _data
	count(break_glass.start) == 1 with input as request with data.break_glass as _data
	break_glass.deny == set() with input as request with data.break_glass as _data
}

test_nothing_otherwise if {
	every request in [
		_login("lee", 900, {"incident": "A", "system": "s"}), _login("kim", 99, {"incident": "A", "system": "s"}),
		_login("kim", 900, {"incident": "B", "system": "s"}), _login("kim", 900, {"incident": "A", "system": "t"}),
		_login("eve", 900, {"incident": "A", "system": "s"}), _login("kim", 900, {"incident": "C", "system": "s"}),
	] {
		break_glass.grant == set() with input as request with data.break_glass as _data
	}
}

test_an_old_login_is_told if {
	count(break_glass.deny) == 1 with input as _login("kim", 99, {}) with data.break_glass as _data
}
