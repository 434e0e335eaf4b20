package tabard.lib.scopes_test

import data.tabard.lib.scopes
import data.tabard.lib.times

_people := {"L": ["Lucia Gil"], "O": ["Owen Achebe"], "H": ["Harriet Vale"]}

_call(statement, start) := {
	"context": {"time": 1796032800},
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"start": start}},
}

_both := "Please move Lucia to Wednesday at ten and Owen Achebe to Thursday, between two and half past three."

test_each_has_its_own_part if {
	lucia := scopes.of("L", _people) with input as _call(_both, "")
	contains(lucia, "Wednesday")
	not contains(lucia, "Thursday")
	owen := scopes.of("O", _people) with input as _call(_both, "")
	contains(owen, "Thursday")
	contains(owen, "half past three")
	not contains(owen, "Wednesday")
	scopes.of("H", _people) == "" with input as _call(_both, "")
}

test_values_are_read_in_it if {
	lucia := scopes.of("L", _people) with input as _call(_both, "")
	times.requested("start", "UTC") with input as _call(lucia, "10:00")
	not times.requested("start", "UTC") with input as _call(lucia, "14:00")
	owen := scopes.of("O", _people) with input as _call(_both, "")
	times.requested("start", "UTC") with input as _call(owen, "14:00")
	not times.requested("start", "UTC") with input as _call(owen, "10:00")
}

test_what_names_none_goes_with_the_part_before if {
	her := "For tomorrow: Lucia comes. Move her to ten."
	scopes.of("L", _people) == her with input as _call(her, "")
	text := scopes.of("O", _people) with input as _call("Tomorrow, Lucia at ten, Owen at two", "")
	text == "Tomorrow, Owen at two"
}

test_no_part_ends_in_what_joins_it_to_another if {
	list := "Lucia at nine, Owen at ten and Harriet at two"
	scopes.of("L", _people) == "Lucia at nine" with input as _call(list, "")
	scopes.of("O", _people) == "Owen at ten" with input as _call(list, "")
	apart := "Lucia gets a note and Owen a call and Lucia a letter"
	scopes.of("L", _people) == "Lucia gets a note and Lucia a letter" with input as _call(apart, "")
}

test_only_trusted_words if {
	asserted := object.union(_call(_both, ""), {"task": {"intent_source": "asserted"}})
	scopes.of("L", _people) == "" with input as asserted
}
