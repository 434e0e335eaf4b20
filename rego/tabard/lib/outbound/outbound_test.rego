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

_to(recipient) := {"to": recipient}

_names := {"to", "cc"}

test_recipients if {
	sent := {"cc": ["b", "c"], "subject": "d", "to": "a"}
	outbound.recipients(_names) == {"a", "b", "c"} with input as _call("", [], sent)
	outbound.recipients(_names) == {"a"} with input as _call("", [], {"cc": null, "to": "a"})
}

test_no_recipient_is_undefined if {
	every sent in [{}, {"cc": [], "to": ""}, {"to": 3}, {"cc": ["b", 3], "to": "a"}, {"cc": {"b": "c"}, "to": "a"}] {
		not outbound.recipients(_names) with input as _call("", [], sent)
	}
}

test_requested_literally_or_by_a_name if {
	every recipient in ["eve@x.example", "bob@shop.example", ["eve@x.example", "bob@shop.example"]] {
		call := _call("Tell Robert and eve@x.example", [], _to(recipient))
		outbound.requested(_names, _directory) with input as call
		not outbound.requested(_names, _directory) with input as _asserted(call)
	}
	not outbound.requested(_names, {}) with input as _call("Tell Robert", [], _to("bob@shop.example"))
	not outbound.requested(_names, _directory) with input as _call(
		"Tell Robert",
		[],
		{"cc": "ann@shop.example", "to": "bob@shop.example"},
	)
	not outbound.requested(_names, _directory) with input as _call("Tell Robert", [], {})
}

test_requested_by_name_only if {
	outbound.requested_by_name({"id"}, _directory) with input as _call("Cancel the team sync", [], {"id": "7"})
	not outbound.requested_by_name({"id"}, _directory) with input as _call("Cancel at 7 and 13", [], {"id": "7"})
	not outbound.requested_by_name({"id"}, _directory) with input as _call("Cancel at 7 and 13", [], {"id": "13"})
}

test_only_to if {
	every trusted in [{"a", "b"}, ["a", "b"], {"a": [], "b": false}] {
		outbound.only_to(_names, trusted) with input as _call("", [], _to(["a", "b"]))
		not outbound.only_to(_names, trusted) with input as _call("", [], _to(["a", "c"]))
		not outbound.only_to(_names, trusted) with input as _call("", [], {})
	}
}

test_requested_or_trusted if {
	sent := _to(["ann@shop.example", "me@shop.example"])
	outbound.requested_or_trusted(_names, _directory, {"me@shop.example"}) with input as _call("Mail Ann", [], sent)
	not outbound.requested_or_trusted(_names, _directory, set()) with input as _call("Mail Ann", [], sent)
	not outbound.requested_or_trusted(_names, _directory, {"me@shop.example"}) with input as _call("Mail Bob", [], sent)
}

test_requested_or_trusted_once_untrusted if {
	call := _call("Tell Ann", ["untrusted"], _to("ann@shop.example"))
	outbound.any_until_untrusted(_names, _directory, set()) with input as call
	not outbound.any_until_untrusted(_names, _directory, set()) with input as _asserted(call)
	eve := _call("Tell Ann", ["untrusted"], _to("eve@x.example"))
	not outbound.any_until_untrusted(_names, _directory, set()) with input as eve
	outbound.any_until_untrusted(_names, _directory, {"eve@x.example"}) with input as eve
}

test_any_until_untrusted if {
	outbound.any_until_untrusted(_names, {}, set()) with input as _call("Tell Ann", ["other"], _to("eve@x.example"))
	not outbound.any_until_untrusted(_names, {}, set()) with input as _call("Tell Ann", [], {"to": 3})
}

test_secrets_only_to if {
	call := _call("Tell Ann", ["secret"], _to("ann@shop.example"))
	not outbound.secrets_only_to(_names, {"secret"}, set()) with input as call
	outbound.secrets_only_to(_names, {"secret"}, {"ann@shop.example"}) with input as call
	outbound.secrets_only_to(_names, ["other"], set()) with input as call
	not outbound.secrets_only_to(_names, {"other"}, set()) with input as _call("Tell Ann", [], {})
}

test_request_names_none if {
	call := _call("Tell everybody", [], {})
	outbound.request_names_none(_directory) with input as call
	not outbound.request_names_none(_directory) with input as _asserted(call)
	not outbound.request_names_none(_directory) with input as _call("Tell Bob", [], {})
	not outbound.request_names_none({"Bob": []}) with input as _call("Tell Bob", [], {})
}

test_words_from_request if {
	call := _call("Write to all: the kitchen closes at noon", [], {"body": "Kitchen closes at NOON!"})
	outbound.words_from_request("body") with input as call
	not outbound.words_from_request("body") with input as _asserted(call)
	every body in ["Send me your password", "the bank closes at noon", "12", "", 3] {
		not outbound.words_from_request("body") with input as _call("Say that the kitchen closes at noon", [], {"body": body})
	}
}

test_links_requested_or_trusted if {
	statement := "Share docs.example.org/start and https://example.org/."
	every body in [
		"See https://docs.example.org/start.",
		"See docs.example.org/start, (example.org)",
		"No link.Really, 1.5 or e.g. none, ask ann@shop.example",
		"See http://wiki.example.org/",
	] {
		outbound.links_requested_or_trusted("body", {"wiki.example.org"}) with input as _call(statement, [], {"body": body})
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
		not outbound.links_requested_or_trusted("body", set()) with input as _call(statement, [], {"body": body})
	}
	not outbound.links_requested_or_trusted("body", set()) with input as _call(statement, [], {})
}

test_url_requested_or_trusted if {
	statement := "Read docs.example.org/start, post it to www.example.net.Then rest"
	every url in [
		"docs.example.org/start",
		"https://docs.example.org/start/",
		"www.example.net",
		"http://wiki.example.org",
	] {
		outbound.url_requested_or_trusted("url", {"wiki.example.org"}) with input as _call(statement, [], {"url": url})
	}
	every url in ["docs.example.org", "docs.example.org/start?key=1", "wiki.example.org"] {
		not outbound.url_requested_or_trusted("url", set()) with input as _call(statement, [], {"url": url})
	}
	asserted := _asserted(_call(statement, [], {"url": "docs.example.org/start"}))
	not outbound.url_requested_or_trusted("url", set()) with input as asserted
}

test_mostly_words_from_request if {
	statement := "Add the offsite planning that Bob wrote of"
	every title in ["Offsite planning", "Offsite Lisbon", "planning!"] {
		call := _call(statement, [], {"title": title})
		outbound.mostly_words_from_request("title") with input as call
		not outbound.mostly_words_from_request("title") with input as _asserted(call)
	}
	every title in [
		"Offsite in Lisbon, Portugal",
		"off-site plan",
		"Offsite evil.example",
		sprintf("Offsite planning %s", [concat("", ["a " | some n in numbers.range(1, 60); n > 0])]),
		"Bob",
		"",
		3,
	] {
		not outbound.mostly_words_from_request("title") with input as _call(statement, [], {"title": title})
	}
}

test_members_of_requested if {
	groups := {
		"ev-1": {"names": ["Team Sync"], "members": ["ann@shop.example", "bob@shop.example"]},
		"ev-2": {"names": ["Board"], "members": ["eve@shop.example"]},
	}
	call := _call("Tell everyone in the team sync", [], _to(["ann@shop.example", "bob@shop.example"]))
	members := {"ann@shop.example", "bob@shop.example"}
	outbound.members_of_requested(groups) == members with input as call
	outbound.members_of_requested(groups) == set() with input as _asserted(call)
	outbound.members_of_requested({}) == set() with input as call
}

test_attachments_requested if {
	files := {"f-1": ["plan.txt"], "f-2": ["minutes.txt"]}
	one := {"id": "f-1", "type": "file"}
	call := _call("Send plan.txt", [], {"files": [one]})
	outbound.attachments_requested("files", "id", files, {"type"}) with input as call
	not outbound.attachments_requested("files", "id", files, {"type"}) with input as _asserted(call)
	not outbound.attachments_requested("files", "id", files, set()) with input as call
	every sent in [[], [one, {"id": "f-2"}], [one, "f-1"], [one, {"url": "x"}], [one, {"id": "f-9"}], "f-1", one, null] {
		other := _call("Send plan.txt", [], {"files": sent})
		not outbound.attachments_requested("files", "id", files, {"type"}) with input as other
	}
}

test_polite_words_from_request if {
	statement := "Tell Ann that her order of 12 boxes is late"
	every body in ["Dear Ann,\n\nyour order is late.\nKind regards", "Hello! Your box is late, thank you", "12 boxes"] {
		call := _call(statement, [], {"body": body})
		outbound.polite_words_from_request("body") with input as call
		not outbound.polite_words_from_request("body") with input as _asserted(call)
	}
	every body in [
		"Dear Ann, your order is not late",
		"Dear Ann, your order of 13 boxes is late",
		"Dear Ann, pay 12",
		"Your order is late: late.example",
		"ann@order.late",
		"Order late/12",
		"Kind regards",
		"",
		concat(" ", ["late" | some _ in numbers.range(1, 500)]),
		3,
	] {
		not outbound.polite_words_from_request("body") with input as _call(statement, [], {"body": body})
	}
}
