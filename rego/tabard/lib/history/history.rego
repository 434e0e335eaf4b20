# METADATA
# title: What the task did before
# description: |
#   Helpers over input.history.calls: the last calls that were allowed in the task, by whichever agent. They are few
#   (20), and an agent can push a call out of them by making others. So let a denial rest on a label, which stays, or on
#   a budget, which counts everything; what is said here is for what has to come first.
package tabard.lib.history

# METADATA
# description: How many of the last calls were of a tool in `names`, a set or array.
times(names) := count([call |
	some call in input.history.calls
	_counts(call, names)
])

# METADATA
# description: The same for calls of the last `seconds` seconds.
times_within(names, seconds) := count([call |
	some call in input.history.calls
	_counts(call, names)
	input.context.time - call.at <= seconds
])

# METADATA
# description: True if one of the last calls was of a tool in `names`, a set or array.
called(names) if times(names) > 0

_counts(call, names) if {
	call.allowed
	call.tool in names
}
