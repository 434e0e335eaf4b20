package tabard.lib.labels_test

import data.tabard.lib.labels

_task := {"history": {"calls": [], "labels": ["internal", "untrusted"]}}

_fresh := {"history": {"calls": [], "labels": []}}

test_has if {
	labels.has("internal") with input as _task
	not labels.has("secret") with input as _task
	not labels.has("internal") with input as _fresh
}

test_what_an_agent_reported_counts if {
	labels.has("internal") with input as {"history": {"calls": [], "labels": ["reported:internal"]}}
	labels.untrusted with input as {"history": {"calls": [], "labels": ["reported:untrusted"]}}
}

test_has_any if {
	labels.has_any({"internal", "secret"}) with input as _task
	labels.has_any(["secret", "internal"]) with input as _task
	not labels.has_any({"secret"}) with input as _task
	not labels.has_any({"secret"}) with input as _fresh
	not labels.has_any(set()) with input as _task
}

test_untrusted if {
	labels.untrusted with input as _task
	not labels.untrusted with input as _fresh
}
