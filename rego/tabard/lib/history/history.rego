# METADATA
# title: Earlier calls of the task
# description: |
#   Helpers over input.history.calls: the last 20 calls of the task that were allowed, of all its agents. An agent can
#   push a call out of the list by making others. So base denials on labels, which stay, or on budgets, which count
#   every call. Use these helpers to require that another call came first.
package tabard.lib.history

import data.tabard.lib.sets

# METADATA
# description: How many of the last calls used a tool in `names`, a set or array or an object's keys.
times(names) := count([call |
	some call in input.history.calls
	_counts(call, names)
])

# METADATA
# description: The same, counting only calls of the last `seconds` seconds.
times_within(names, seconds) := count([call |
	some call in input.history.calls
	_counts(call, names)
	input.context.time - call.at <= seconds
])

# METADATA
# description: True if one of the last calls used a tool in `names`, given as for times.
called(names) if times(names) > 0

_counts(call, names) if {
	call.allowed
	sets.has(names, call.tool)
}
