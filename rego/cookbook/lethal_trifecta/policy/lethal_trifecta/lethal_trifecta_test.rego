package policy.lethal_trifecta_test

import data.policy.lethal_trifecta

_call(tool, arguments, labels) := {
	"operation": "authorize",
	"history": {"labels": labels},
	"request": {"holder": "a"},
	"task": {"purpose": "operations", "intent_source": "signed", "statement": ""},
	"tool": {"name": tool, "arguments": arguments},
}

_mail(labels) := _call("mail.send", {"to": ["kim"], "subject": "s", "body": "b"}, labels)

_page(labels) := _call("web.read", {"url": "https://s.example/"}, labels)

_data := {"agents": ["a"], "secrets": ["t"], "folders": ["inbox"], "sites": ["s.example"], "colleagues": ["kim"]}

_codes(elements) := {element.code | some element in elements}

test_start_and_delegate if {
	count(lethal_trifecta.start) == 1 with input as _mail([])
	count(lethal_trifecta.delegate) == 1 with input as _mail([]) with data.lethal_trifecta as _data
}

test_each_part_alone if {
	every request in [
		_call("secrets.read", {"name": "t"}, []), _call("mail.read", {"folder": "inbox"}, []), _page([]), _mail([]),
	] {
		count(lethal_trifecta.grant) == 1 with input as request with data.lethal_trifecta as _data
		lethal_trifecta.deny == set() with input as request with data.lethal_trifecta as _data
		lethal_trifecta.ask == set() with input as request with data.lethal_trifecta as _data
	}
}

test_two_are_asked_about if {
	every labels in [["secret"], ["untrusted"], ["reported:untrusted"]] {
		_codes(lethal_trifecta.ask) == {"one_of_two"} with input as _mail(labels)
		lethal_trifecta.deny == set() with input as _mail(labels)
	}
	_codes(lethal_trifecta.deny) == {"secret_page"} with input as _page(["secret"])
}

test_three_are_denied if {
	every request in [
		_mail(["secret", "untrusted"]), _mail(["reported:secret", "untrusted"]), _page(["secret", "untrusted"]),
	] {
		"trifecta" in _codes(lethal_trifecta.deny) with input as request
	}
}
