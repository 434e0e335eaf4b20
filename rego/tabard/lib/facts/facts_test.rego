package tabard.lib.facts_test

import data.tabard.lib.facts

_input := {"task": {"facts": {"orders": ["#W1", "#W2"], "files": [], "mails": 2}}}

test_has if {
	facts.has("orders", "#W1") with input as _input
	not facts.has("orders", "#W3") with input as _input
	not facts.has("files", "#W1") with input as _input
	not facts.has("other", "#W1") with input as _input
}

test_has_all if {
	facts.has_all("orders", {"#W1", "#W2"}) with input as _input
	facts.has_all("orders", ["#W2"]) with input as _input
	not facts.has_all("orders", {"#W1", "#W3"}) with input as _input
	not facts.has_all("orders", set()) with input as _input
	not facts.has_all("other", {"#W1"}) with input as _input
}

test_has_any if {
	facts.has_any("orders", {"#W3", "#W2"}) with input as _input
	not facts.has_any("orders", ["#W3"]) with input as _input
	not facts.has_any("files", {"#W1"}) with input as _input
}

test_elements if {
	facts.elements("orders") == {"#W1", "#W2"} with input as _input
	facts.elements("files") == set() with input as _input
}

test_size if {
	facts.size("orders") == 2 with input as _input
	facts.size("files") == 0 with input as _input
}

test_value if {
	facts.value("mails") == 2 with input as _input
}
