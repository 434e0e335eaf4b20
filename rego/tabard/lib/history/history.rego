# METADATA
# title: What the task did before
# description: |
#   Helpers over input.history, which the sidecar keeps: the last calls that were allowed in the task, by whichever
#   agent, and the labels that grants, the tool catalogue and outcomes have put on the task. Labels are never taken
#   away. Two of them have a meaning of their own here: "untrusted" says that the task has read what somebody else
#   could have written, "secret" that it has read what must not leave.
package tabard.lib.history

# METADATA
# description: True if the task carries the label `label`.
has_label(label) if label in input.history.labels

# METADATA
# description: True if the task carries any of the labels in `labels`, a set or array.
has_any_label(labels) if {
	some label in labels
	has_label(label)
}

# METADATA
# description: |
#   True if the task has read what somebody else could have written, so that its agent may no longer be working for the
#   person alone.
untrusted if has_label("untrusted")

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
# description: True if a tool in `names`, a set or array, was called before.
called(names) if times(names) > 0

# METADATA
# description: |
#   True if the tools in `reads` were called more than `limit` times in this task. "No delete after bulk read" is a
#   denial or an ask under it. The history that policies see ends after 50 calls, so `limit` has to be smaller.
read_in_bulk(reads, limit) if times(reads) > limit

_counts(call, names) if {
	call.allowed
	call.tool in names
}
