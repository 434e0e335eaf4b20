package tabard.lib.budgets_test

import data.tabard.lib.budgets

_task := {"budgets": {"reads": {"limit": 100, "remaining": 70, "spent": 30}}}

test_spent_at_most if {
	budgets.spent_at_most("reads", 30) with input as _task
	not budgets.spent_at_most("reads", 29) with input as _task
	not budgets.spent_at_most("cents", 30) with input as _task
}

test_remaining_at_least if {
	budgets.remaining_at_least("reads", 70) with input as _task
	not budgets.remaining_at_least("reads", 71) with input as _task
	not budgets.remaining_at_least("cents", 0) with input as _task
}

test_spent_more_than if {
	budgets.spent_more_than("reads", 29) with input as _task
	not budgets.spent_more_than("reads", 30) with input as _task
	budgets.spent_more_than("cents", 1000) with input as _task
}
