package policy.rate_per_person_test

import data.policy.rate_per_person

_look_up(labels) := {
	"operation": "authorize",
	"context": {"time": 6000},
	"history": {"labels": labels},
	"task": {"purpose": "enquiries", "intent_source": "signed"},
	"tool": {"name": "customers.read", "arguments": {"customer_id": "C-1"}},
}

_made(minute, times) := [sprintf("lookup:%d:%d", [minute, number]) | some number in numbers.range(1, times)]

test_start if {
	count(rate_per_person.start) == 1 with input as _look_up([])
}

test_each_look_up_leaves_a_label if {
	{element.labels | some element in rate_per_person.grant} == {["lookup:100:1"]} with input as _look_up([])
	{element.labels | some element in rate_per_person.grant} == {["lookup:100:3"]} with input as _look_up(_made(99, 2))
}

test_not_more_than_twenty_in_an_hour if {
	rate_per_person.deny == set() with input as _look_up(_made(41, 19))
	rate_per_person.grant == set() with input as _look_up(_made(41, 20))
	count(rate_per_person.deny) == 1 with input as _look_up(_made(41, 20))
	count(rate_per_person.grant) == 1 with input as _look_up(_made(40, 20))
	request := _look_up([concat("", ["reported:", label]) | some label in _made(99, 20)])
	count(rate_per_person.grant) == 1 with input as request
}
