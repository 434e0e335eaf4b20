package tabard.lib.hosts_test

import data.tabard.lib.hosts

_call(statement, arguments) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": arguments},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

# URLs that some program reads as another host than others do, or that lead elsewhere.
_hostile := [
	"https://good.example@evil.example/",
	"https://good.example:443@evil.example/",
	"https://good.example:x@evil.example/",
	"https://good.example%2f@evil.example/",
	"https://good.example\\@evil.example/",
	"https://good.example\\.evil.example/",
	"https:\\\\good.example/",
	"https:/good.example/",
	"https:good.example/",
	"//good.example/",
	"///good.example/",
	"https:///good.example/",
	"https://evil.example#@good.example/",
	"https://evil.example?good.example",
	"https://good.example?x",
	"https://good.example#x",
	"https://good.example;x",
	"https://good.example.evil.example/",
	"https://evil-good.example/",
	"https://evilgood.example/",
	"https://sub.good.example/",
	"https://good.example./",
	"https://good%2eexample/",
	"https://good。example/",
	"https://gооd.example/",
	"https://ɡood.example/",
	"https://good.examp\u200Ble/",
	"https://xn--good-5cd.example/",
	"https://good.example:8080/",
	"https://good.example:0443/",
	"https://good.example/ x",
	"https://good.example/\n",
	"https://good.example\n",
	"\thttps://good.example/",
	" https://good.example/",
	"https://good.example/\\evil",
	"https://good.example/é",
	"ftp://good.example/",
	"javascript://good.example/%0aalert(1)",
	"data:good.example",
	"https://127.0.0.1/",
	"https://2130706433/",
	"https://0x7f.1/",
	"https://[::1]/",
	"https://example/",
	"https://localhost/",
	"https://-good.example/",
	"https://good..example/",
	"www.www.good.example",
	"good.example:443@evil.example",
	"",
]

test_of if {
	every url, host in {
		"https://Docs.Example.org/a?b=c#d": "docs.example.org",
		"HTTP://docs.example.org": "docs.example.org",
		"docs.example.org:443/a": "docs.example.org",
		"https://docs.example.org/@a:b/?u=https://evil.example": "docs.example.org",
		"xn--bcher-kva.example": "xn--bcher-kva.example",
	} {
		hosts.of(url) == host
	}
	not hosts.of(sprintf("https://good.example/%s", [concat("", [sprintf("%d", [x]) | some x in numbers.range(1, 3000)])]))
}

test_site if {
	hosts.site("https://www.example.org/") == "example.org"
	hosts.site("www.example") == "www.example"
	hosts.site("docs.example.org") == "docs.example.org"
}

test_a_requested_site_confirms_no_hostile_url if {
	statement := "Look up the opening hours at good.example"
	hosts.requested("url", {}) with input as _call(statement, {"url": "https://www.good.example/hours"})
	every url in _hostile {
		not hosts.requested("url", {}) with input as _call(statement, {"url": url})
		not hosts.requested("url", {}) with input as _call(statement, {"url": ["good.example", url]})
		not hosts.requested_or_trusted("url", {}, {"good.example"}) with input as _call("", {"url": url})
	}
}

test_named if {
	statement := concat(" ", [
		"Compare www.one.example with https://two.example/a?b=c, (three.example) and",
		"four.example/list. Then mail ann@gmail.com todo_list.md, list.md, plan.pdf and 12.50/month to two.Three",
		"but read www.five.md and six.md/start, not https://seven.example@eight.example/.",
	])
	hosts.named == {
		"one.example",
		"two.example",
		"three.example",
		"four.example",
		"two.three",
		"five.md",
		"six.md",
	} with input as _call(statement, {})
	hosts.named == set() with input as _asserted(_call(statement, {}))
}

test_requested_or_trusted if {
	call := _call("Ask Wikipedia", {"url": ["https://en.wikipedia.example/a", "wiki.example"]})
	directory := {"en.wikipedia.example": ["Wikipedia"]}
	hosts.requested_or_trusted("url", directory, {"wiki.example"}) with input as call
	hosts.requested_or_trusted("url", directory, {"wiki.example": []}) with input as call
	not hosts.requested("url", directory) with input as call
	not hosts.requested_or_trusted("url", directory, {"wiki.example"}) with input as _asserted(call)
	every url in [[], "", 3, null, ["wiki.example", 3], {"a": "wiki.example"}] {
		not hosts.requested_or_trusted("url", {}, {"wiki.example"}) with input as _call("", {"url": url})
	}
	not hosts.requested_or_trusted("url", {}, {"wiki.example"}) with input as _call("", {})
}

test_links_requested_or_trusted if {
	every body in [
		"See https://good.example/a/b?c=d#e.",
		"See [this](https://www.good.example/), <good.example>, \"good.example\"!",
		"Wrote plan.pdf and list.md, todo_list.txt; 12.50, 1.5, e.g. none, U.S. at 10:30",
		"Ask ann@gmail.com or bob@evil.example.",
	] {
		text := sprintf("%s ", [body])
		hosts.links_requested_or_trusted("body", {}, set()) with input as _call(
			"Read good.example and list.md",
			{"body": text},
		)
	}
	hosts.links_requested_or_trusted("body", {}, {"wiki.example"}) with input as _call("", {"body": "wiki.example/a"})
}

test_no_other_link_is_confirmed if {
	every body in [
		"https://evil.example/",
		"Evil.Example",
		"EVIL.EXAMPLE",
		"done.Evil",
		"notes.md",
		"notes.sh",
		"list.md.evil.example",
		"list.pdf/evil",
		"[good.example](//evil.example)",
		"[x](//good.example@evil.example)",
		"https://good.example@evil.example",
		"https://good.example:443@evil.example",
		"https://good.example\\@evil.example",
		"good.example.evil.example",
		"evil-good.example",
		"evil。example",
		"evil．example",
		"evil｡example",
		"gооd.example",
		"good.ex­ample",
		"evil​good.example",
		"evil‍good.example",
		"good.example‮",
		"good.example,evil.example",
		"good.example|evil.example",
		"good.example:evil.example",
		"good.example/ evil.example",
		"good.example/@evil.example",
		"good.example/:evil.example",
		"x%2eevil.example",
		"evil.example%2f.good.example",
		"bücher.example",
		"1.2.3.4",
		"1.2.3.4/x",
		"2130706433:80//x",
		"https://[::1]/",
		"https://localhost/",
		"javascript:alert(1)",
		"data:text/html,x",
		"mailto:ann@good.example",
		"tel:1",
		"ftp://good.example/",
		"ann@good.example/evil",
		"ann@evil.example?x=y",
		"https://good.example:8080/",
	] {
		every text in [body, sprintf("See %s, and good.example", [body]), sprintf("(%s)", [body])] {
			not hosts.links_requested_or_trusted("body", {}, set()) with input as _call(
				"Read good.example and list.md",
				{"body": text},
			)
		}
	}
	every body in ["", 3, null, ["good.example"]] {
		not hosts.links_requested_or_trusted("body", {}, {"good.example"}) with input as _call("", {"body": body})
	}
}

test_a_text_of_many_links_or_characters_is_not_confirmed if {
	many := concat(" ", [sprintf("good.example/%d", [n]) | some n in numbers.range(1, 101)])
	not hosts.links_requested_or_trusted("body", {}, {"good.example"}) with input as _call("", {"body": many})
	long := sprintf("%20001d", [1])
	not hosts.links_requested_or_trusted("body", {}, set()) with input as _call("", {"body": long})
}
