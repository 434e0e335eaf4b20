package tabard.lib.budgets_test

import data.tabard.lib.budgets

_task := {"budgets": {"reads": {"limit": 100, "remaining": 70, "spent": 30}}}

test_spent_at_most if {
	budgets.spent_at_most("reads", 30) with input as _task
	not budgets.spent_at_most("reads", 29) with input as _task
	not budgets.spent_at_most("cents", 30) with input as _task
}

test_left if {
	budgets.left("reads", 70) with input as _task
	not budgets.left("reads", 71) with input as _task
	not budgets.left("cents", 0) with input as _task
}

test_read_in_bulk if {
	budgets.read_in_bulk("reads", 29) with input as _task
	not budgets.read_in_bulk("reads", 30) with input as _task
	budgets.read_in_bulk("cents", 1000) with input as _task
}
