package tabard.lib.outbound_test

import data.tabard.lib.outbound

_directory := {
	"ann@shop.example": ["Ann"],
	"bob@shop.example": ["Bob", "Robert"],
	"7": ["Team Sync"],
}

_call(statement, labels, arguments) := {
	"history": {"calls": [], "labels": labels},
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": arguments},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

_to(addressee) := {"to": addressee}

_names := {"to", "cc"}

test_addressees if {
	sent := {"cc": ["b", "c"], "subject": "d", "to": "a"}
	outbound.addressees(_names) == {"a", "b", "c"} with input as _call("", [], sent)
	outbound.addressees(_names) == {"a"} with input as _call("", [], {"cc": null, "to": "a"})
}

test_no_addressee_is_undefined if {
	every sent in [{}, {"cc": [], "to": ""}, {"to": 3}, {"cc": ["b", 3], "to": "a"}, {"cc": {"b": "c"}, "to": "a"}] {
		not outbound.addressees(_names) with input as _call("", [], sent)
	}
}

test_named_as_it_stands_or_by_a_name if {
	every addressee in ["eve@x.example", "bob@shop.example", ["eve@x.example", "bob@shop.example"]] {
		call := _call("Tell Robert and eve@x.example", [], _to(addressee))
		outbound.named(_names, _directory) with input as call
		not outbound.named(_names, _directory) with input as _asserted(call)
	}
	not outbound.named(_names, {}) with input as _call("Tell Robert", [], _to("bob@shop.example"))
	not outbound.named(_names, _directory) with input as _call(
		"Tell Robert",
		[],
		{"cc": "ann@shop.example", "to": "bob@shop.example"},
	)
	not outbound.named(_names, _directory) with input as _call("Tell Robert", [], {})
}

test_spoken_of_by_name_only if {
	outbound.spoken_of({"id"}, _directory) with input as _call("Cancel the team sync", [], {"id": "7"})
	not outbound.spoken_of({"id"}, _directory) with input as _call("Cancel at 7 and 13", [], {"id": "7"})
	not outbound.spoken_of({"id"}, _directory) with input as _call("Cancel at 7 and 13", [], {"id": "13"})
}

test_inside if {
	every trusted in [{"a", "b"}, ["a", "b"], {"a": [], "b": false}] {
		outbound.inside(_names, trusted) with input as _call("", [], _to(["a", "b"]))
		not outbound.inside(_names, trusted) with input as _call("", [], _to(["a", "c"]))
		not outbound.inside(_names, trusted) with input as _call("", [], {})
	}
}

test_vouched_by_the_request_or_by_trust if {
	sent := _to(["ann@shop.example", "me@shop.example"])
	outbound.vouched(_names, _directory, {"me@shop.example"}) with input as _call("Mail Ann", [], sent)
	not outbound.vouched(_names, _directory, set()) with input as _call("Mail Ann", [], sent)
	not outbound.vouched(_names, _directory, {"me@shop.example"}) with input as _call("Mail Bob", [], sent)
}

test_after_untrusted_only_whom_the_request_names if {
	call := _call("Tell Ann", ["untrusted"], _to("ann@shop.example"))
	outbound.after_untrusted(_names, _directory, set()) with input as call
	not outbound.after_untrusted(_names, _directory, set()) with input as _asserted(call)
	eve := _call("Tell Ann", ["untrusted"], _to("eve@x.example"))
	not outbound.after_untrusted(_names, _directory, set()) with input as eve
	outbound.after_untrusted(_names, _directory, {"eve@x.example"}) with input as eve
}

test_before_untrusted_whomever if {
	outbound.after_untrusted(_names, {}, set()) with input as _call("Tell Ann", ["other"], _to("eve@x.example"))
	not outbound.after_untrusted(_names, {}, set()) with input as _call("Tell Ann", [], {"to": 3})
}

test_secrets_stay if {
	call := _call("Tell Ann", ["secret"], _to("ann@shop.example"))
	not outbound.secrets_stay({"secret"}, _names, set()) with input as call
	outbound.secrets_stay({"secret"}, _names, {"ann@shop.example"}) with input as call
	outbound.secrets_stay(["other"], _names, set()) with input as call
	not outbound.secrets_stay({"other"}, _names, set()) with input as _call("Tell Ann", [], {})
}

test_leaves_open if {
	call := _call("Tell everybody", [], {})
	outbound.leaves_open(_directory) with input as call
	not outbound.leaves_open(_directory) with input as _asserted(call)
	not outbound.leaves_open(_directory) with input as _call("Tell Bob", [], {})
	not outbound.leaves_open({"Bob": []}) with input as _call("Tell Bob", [], {})
}

test_own_words if {
	call := _call("Write to all: the kitchen closes at noon", [], {"body": "Kitchen closes at NOON!"})
	outbound.own_words("body") with input as call
	not outbound.own_words("body") with input as _asserted(call)
	every body in ["Send me your password", "the bank closes at noon", "12", "", 3] {
		not outbound.own_words("body") with input as _call("Say that the kitchen closes at noon", [], {"body": body})
	}
}

test_links_vouched if {
	statement := "Share docs.example.org/start and https://example.org/."
	every body in [
		"See https://docs.example.org/start.",
		"See docs.example.org/start, (example.org)",
		"No link.Really, 1.5 or e.g. none, ask ann@shop.example",
		"See http://wiki.example.org/",
	] {
		outbound.links_vouched("body", {"wiki.example.org"}) with input as _call(statement, [], {"body": body})
	}
	every body in [
		"See https://docs.example.org/other",
		"See www.evil.example",
		"See HTTPS://EVIL.example",
		"evil.example,ann@shop.example",
		"evil.example/ann@shop.example",
		"See Evil.Example/path",
		"https://docs.example.org/start?key=1",
	] {
		not outbound.links_vouched("body", set()) with input as _call(statement, [], {"body": body})
	}
	not outbound.links_vouched("body", set()) with input as _call(statement, [], {})
}

test_address_vouched if {
	statement := "Read docs.example.org/start, post it to www.example.net.Then rest"
	every address in [
		"docs.example.org/start",
		"https://docs.example.org/start/",
		"www.example.net",
		"http://wiki.example.org",
	] {
		outbound.address_vouched("url", {"wiki.example.org"}) with input as _call(statement, [], {"url": address})
	}
	every address in ["docs.example.org", "docs.example.org/start?key=1", "wiki.example.org"] {
		not outbound.address_vouched("url", set()) with input as _call(statement, [], {"url": address})
	}
	asserted := _asserted(_call(statement, [], {"url": "docs.example.org/start"}))
	not outbound.address_vouched("url", set()) with input as asserted
}
