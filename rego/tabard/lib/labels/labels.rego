# METADATA
# title: What the task has read
# description: |
#   Helpers over input.history.labels: what grants, the tool catalogue and outcomes have said about the task, and recent
#   tasks of the same person and workload before it. Labels are never taken away. You choose them; two have a meaning
#   here: "untrusted" says that the task has read what somebody else could have written, "secret" that it has read what
#   must not leave. What only an agent said begins with "reported:"; since it can add any label to its own task, a label
#   may deny, narrow or ask, and never grant.
package tabard.lib.labels

# METADATA
# description: True if the task carries the label `label`, by whoever's word.
# scope: document
has(label) if label in input.history.labels

has(label) if concat("", ["reported:", label]) in input.history.labels

# METADATA
# description: True if the task carries any of the labels in `wanted`, a set or array.
has_any(wanted) if {
	some label in wanted
	has(label)
}

# METADATA
# description: |
#   True if the task has read what somebody else could have written, so that its agent may no longer be working for the
#   person alone.
untrusted if has("untrusted")
