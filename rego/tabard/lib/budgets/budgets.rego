# METADATA
# title: What the task may still spend
# description: |
#   Helpers over input.budgets. A budget is granted when a task starts and charged by the grants of its calls; what it
#   has spent counts every call of the whole task, however many there were.
package tabard.lib.budgets

# METADATA
# description: True if at most `limit` of the budget `name` is spent. Undefined for a budget that the task doesn't have.
spent_at_most(name, limit) if input.budgets[name].spent <= limit

# METADATA
# description: True if at least `amount` of the budget `name` is left.
left(name, amount) if input.budgets[name].remaining >= amount

# METADATA
# description: |
#   True if more than `limit` of the budget `name`, to which reading is charged, is spent; also if there is no such
#   budget, since then nobody has counted. "No delete after bulk read" is a denial or an ask under it.
read_in_bulk(name, limit) if not spent_at_most(name, limit)
