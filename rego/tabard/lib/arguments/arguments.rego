# METADATA
# title: Arguments of the call
# description: |
#   Helpers over input.tool.arguments, which the caller asserts. Each one is undefined when the argument is absent or
#   has another type, so a grant that uses it doesn't match; in a deny rule use it under `not`.
package tabard.lib.arguments

import data.tabard.lib.intent
import data.tabard.lib.sets

# METADATA
# description: Names of the arguments that were sent.
names := object.keys(input.tool.arguments)

# METADATA
# description: True if the argument wasn't sent, or is null or an empty string or array.
absent(name) if object.get(input.tool.arguments, name, null) in {null, "", []}

# METADATA
# description: The argument if it is a non-empty string.
text(name) := value if {
	value := input.tool.arguments[name]
	is_string(value)
	value != ""
}

# METADATA
# description: The argument if it is a number.
number(name) := value if {
	value := input.tool.arguments[name]
	is_number(value)
}

# METADATA
# description: |
#   The strings that the argument holds: a string itself, or every item of a non-empty array of strings. Undefined if
#   anything else is among them.
# scope: document
texts(name) := {value} if value := text(name)

texts(name) := {value | some value in input.tool.arguments[name]} if {
	is_array(input.tool.arguments[name])
	count(input.tool.arguments[name]) > 0
	every value in input.tool.arguments[name] {
		is_string(value)
	}
}

# METADATA
# description: True if the argument is a string of at most `limit` characters. An empty string is one.
length_at_most(name, limit) if {
	value := input.tool.arguments[name]
	is_string(value)
	count(value) <= limit
}

# METADATA
# description: True if the argument is a number from `low` to `high`, both included.
in_range(name, low, high) if {
	value := input.tool.arguments[name]
	is_number(value)
	value >= low
	value <= high
}

# METADATA
# description: |
#   True if every string of the argument is in `allowed`: a set or array of strings, or an object whose keys they are.
all_in(name, allowed) if count(values_not_in(name, allowed)) == 0

# METADATA
# description: |
#   The strings of the argument that are not in `allowed`, as a set, for the message of a denial. Compare its count with
#   0; a set counts as true even if it is empty.
values_not_in(name, allowed) := sets.missing(texts(name), allowed)

# METADATA
# description: |
#   True if the argument is one string, and it is in `allowed`, given as for all_in. An array of strings isn't one, so
#   use it where the backend takes a single value.
text_in(name, allowed) if sets.has(allowed, text(name))

# METADATA
# description: |
#   True if the argument is a string of at most 1,000 characters that the pattern matches from its first character to
#   its last; `matches("order_id", "O-[0-9]{1,9}")`. So no line break, space or letter of another script gets in beside
#   what the pattern names. For ids, references and other values of a known form.
matches(name, pattern) if {
	value := text(name)
	count(value) <= 1000
	regex.match(sprintf("^(?:%s)$", [pattern]), value)
}

# METADATA
# description: |
#   True if the argument is a string of one to `limit` characters in one line, without control and format characters:
#   no line break, with which a subject would add a header, no character that hides, and none that turns the direction.
one_line(name, limit) if {
	value := text(name)
	count(value) <= limit
	regex.match(`^[^\pC\p{Zl}\p{Zp}]+$`, value)
}

# METADATA
# description: |
#   True if the argument is an array of one to `limit` strings that all differ; `items_at_most("to", 5)`. The other
#   functions take each string once, however often it stands there, and one string for an array of one.
items_at_most(name, limit) if {
	values := input.tool.arguments[name]
	is_array(values)
	count(values) <= limit
	count(texts(name)) == count(values)
}

# METADATA
# description: |
#   True if the argument is a whole number from `low` to `high`, both included. For amounts in cents, counts and what a
#   grant charges: a charge that isn't whole breaks the schema of grants.
whole_in_range(name, low, high) if {
	in_range(name, low, high)
	value := input.tool.arguments[name]
	value == floor(value)
}

# METADATA
# description: True if every string of the argument occurs in the person's own request, by the rules of intent.mentions.
all_mentioned(name) if {
	every value in texts(name) {
		intent.mentions(value)
	}
}

# METADATA
# description: True if the argument is a number that occurs in the person's own request.
number_mentioned(name) if intent.mentions_number(number(name))

# METADATA
# description: True if no argument was sent except those in `known`, a set or array of names or an object's keys.
only(known) if {
	every name in names {
		sets.has(known, name)
	}
}

# METADATA
# description: |
#   Every string of the call, wherever it stands, values at any depth and keys of objects. For denials over any
#   argument, such as `some text in arguments.all_strings; contains(text, "sk_live_")`. It costs time for every value,
#   so put a condition on the tool first.
# scope: document
all_strings contains value if {
	walk(input.tool.arguments, [_, value])
	is_string(value)
}

all_strings contains key if {
	walk(input.tool.arguments, [_, value])
	is_object(value)
	some key, _ in value
}

# METADATA
# description: |
#   The strings under `key` in the objects of the argument `name`, a non-empty array;
#   `texts_at("attachments", "file_id")`. Undefined if an item is anything else than an object with a string there.
texts_at(name, key) := {item[key] | some item in input.tool.arguments[name]} if {
	is_array(input.tool.arguments[name])
	count(input.tool.arguments[name]) > 0
	every item in input.tool.arguments[name] {
		is_object(item)
		is_string(item[key])
	}
}

# METADATA
# description: |
#   True if every item of the argument `name`, an array, is an object with no other keys than those in `known`, a set or
#   array. Use it beside texts_at, so that no item holds something that no rule has looked at.
items_only(name, known) if {
	is_array(input.tool.arguments[name])
	every item in input.tool.arguments[name] {
		is_object(item)
		every key, _ in item {
			sets.has(known, key)
		}
	}
}
