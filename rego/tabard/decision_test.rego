package tabard_test

import data.tabard

_modules := {
	"a": {
		"ask": {{"code": "a_ask"}},
		"delegate": {{"code": "a_delegate"}},
		"deny": {{"code": "a_deny"}},
		"grant": {{"code": "a_grant"}},
		"renew": {{"code": "a_renew"}},
		"start": {{"code": "a_start"}},
	},
	"b": {"grant": {{"code": "b1"}, {"code": "b2"}}},
}

_nothing := {"ask": [], "delegate": [], "deny": [], "grant": [], "renew": [], "start": []}

_always := {
	"ask": [{"module": "a", "element": {"code": "a_ask"}}],
	"deny": [{"module": "a", "element": {"code": "a_deny"}}],
}

test_no_module_is_empty_lists if {
	tabard.decision == _nothing with input as {"operation": "authorize"} with data.policy as {}
}

test_grants_of_every_module_for_calls if {
	every operation in ["authorize", "filter_tools"] {
		tabard.decision == object.union_n([_nothing, _always, {"grant": [
			{"module": "a", "element": {"code": "a_grant"}},
			{"module": "b", "element": {"code": "b1"}},
			{"module": "b", "element": {"code": "b2"}},
		]}]) with input as {"operation": operation} with data.policy as _modules
	}
}

test_one_list_for_the_other_operations if {
	every operation, name in {"start_task": "start", "delegate": "delegate", "renew": "renew"} {
		tabard.decision == object.union_n([_nothing, _always, {name: [{
			"module": "a",
			"element": {"code": sprintf("a_%s", [name])},
		}]}]) with input as {"operation": operation} with data.policy as _modules
	}
}

test_an_unknown_operation_is_granted_nothing if {
	tabard.decision == _nothing with input as {"operation": "other"} with data.policy as _modules
	tabard.decision == _nothing with input as {} with data.policy as _modules
}
