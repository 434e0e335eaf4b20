# METADATA
# title: Tools
# description: Helpers over input.tool.
package tabard.lib.tools

# METADATA
# description: |
#   True if the tool catalogue says that the tool changes nothing. A tool that it doesn't know counts as changing.
read_only if input.tool.annotations.readOnlyHint == true

# METADATA
# description: True if the tool's name is in `names`, a set or array of names or an object whose keys they are.
# scope: document
named(names) if {
	is_object(names)
	_ = names[input.tool.name]
}

named(names) if {
	not is_object(names)
	input.tool.name in names
}
