# METADATA
# title: Tools
# description: Helpers over input.tool.
package tabard.lib.tools

import data.tabard.lib.sets

# METADATA
# description: |
#   True if the tool catalogue says that the tool changes nothing. A tool that isn't in the catalogue counts as
#   changing.
read_only if input.tool.annotations.readOnlyHint == true

# METADATA
# description: True if the tool's name is in `names`, a set or array of names or an object whose keys they are.
one_of(names) if sets.has(names, input.tool.name)
