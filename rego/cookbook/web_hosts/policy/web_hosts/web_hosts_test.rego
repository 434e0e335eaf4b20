package policy.web_hosts_test

import data.policy.web_hosts

_read(statement, url, labels) := {
	"operation": "authorize",
	"history": {"labels": labels},
	"task": {"purpose": "research", "intent_source": "signed", "statement": statement},
	"tool": {"name": "web.read", "arguments": {"url": url}},
}

_data := {"sites": ["docs.example.org"], "pages": ["https://docs.example.org/a"]}

test_start if {
	count(web_hosts.start) == 1 with input as _read("", "", [])
}

test_pages if {
	count(web_hosts.grant) == 1 with input as _read("", "https://docs.example.org/b", []) with data.web_hosts as _data
	count(web_hosts.grant) == 1 with input as _read("Read example.com/x", "https://www.example.com/y", [])
		with data.web_hosts as _data
	every url in [
		"http://docs.example.org/", "https://example.com/",
		"https://docs.example.org@x.example/", "docs.example.org", ["https://docs.example.org/"],
	] {
		web_hosts.grant == set() with input as _read("", url, []) with data.web_hosts as _data
	}
}

test_after_a_secret if {
	web_hosts.deny == set() with input as _read("", "https://docs.example.org/a", ["secret"]) with data.web_hosts as _data
	count(web_hosts.deny) == 1 with input as _read("", "https://docs.example.org/a?q=1", ["secret"])
		with data.web_hosts as _data
}
