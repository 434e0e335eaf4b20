# METADATA
# title: Labels of the task
# description: |
#   Helpers over input.history.labels. Grants, the tool catalogue and outcomes add labels to a task; a new task also
#   gets those of recent tasks of the same person and workload. Labels are never removed. You choose their names; two
#   have a meaning in this library: "untrusted" means that the task has read content that other people could have
#   written, "secret" that it has read content that must not leave. Labels that only an agent reported begin with
#   "reported:". An agent can add any label to its own task, so a label may deny, narrow or ask, and must never grant.
package tabard.lib.labels

# METADATA
# description: True if the task carries the label `label`, reported by an agent or not.
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
#   True if the task carries the label "untrusted". It has read content that other people could have written, so its
#   agent may be following their instructions.
untrusted if has("untrusted")
