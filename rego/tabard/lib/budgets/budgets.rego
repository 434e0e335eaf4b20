# METADATA
# title: Budgets of the task
# description: |
#   Helpers over input.budgets. A start rule grants a budget, and grants of calls charge it. The amount spent counts
#   every call of the whole task.
package tabard.lib.budgets

# METADATA
# description: True if at most `limit` of the budget `name` is spent. Undefined for a budget that the task doesn't have.
spent_at_most(name, limit) if input.budgets[name].spent <= limit

# METADATA
# description: True if at least `amount` of the budget `name` remains.
remaining_at_least(name, amount) if input.budgets[name].remaining >= amount

# METADATA
# description: |
#   True if more than `limit` of the budget `name` is spent, or if the task doesn't have the budget: then nothing was
#   counted. For denials and asks, for example of a deletion after many reads.
spent_more_than(name, limit) if not spent_at_most(name, limit)
