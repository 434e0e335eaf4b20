# METADATA
# title: Facts of the task
# description: |
#   Helpers over input.task.facts: what grants of this policy noted when they allowed earlier calls of the task, and
#   what backends signed about them. A fact is a set of texts or a counter, and its name is written out in the grant
#   that notes it. No agent can add one, take one back or push one out, so a fact may grant as well as deny. Facts live
#   as long as the task.
package tabard.lib.facts

# METADATA
# description: True if the set `name` has `element`.
# scope: document
has(name, element) if element in input.task.facts[name]

# METADATA
# description: True if the set `name` has each of `wanted`, a set or array. False without any.
has_all(name, wanted) if {
	count(wanted) > 0
	every element in wanted {
		element in input.task.facts[name]
	}
}

# METADATA
# description: True if the set `name` has one of `wanted`, a set or array.
has_any(name, wanted) if {
	some element in wanted
	element in input.task.facts[name]
}

# METADATA
# description: The elements of the set `name`, as a set.
elements(name) := {element | some element in input.task.facts[name]}

# METADATA
# description: How many elements the set `name` has.
size(name) := count(input.task.facts[name])

# METADATA
# description: The value of the counter `name`.
value(name) := input.task.facts[name]
