# METADATA
# title: Which part of the request is about which thing
# description: |
#   "Lucia to Wednesday at ten and Owen to Thursday at half past nine" says a time for each. `of` gives the part for
#   one, in which other functions of the library read it: `times.requested("start", zone) with input.task.statement as
#   scopes.of(id, data.patients)`.
package tabard.lib.scopes

import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.intent

# METADATA
# description: |
#   The parts of the request that are about `id`, as one text; `of("P-1", data.patients)`. A part ends at a comma,
#   "and", "then", "but" or the end of a sentence, and is about the entries of `directory` that it names; one that
#   names none goes with the part before, and in front of all names with each of them. What the request rules out
#   isn't in it. Empty for an entry that the request doesn't name, or without trusted intent.
of(id, directory) := regex.replace(text, `[\s,;]*(?:\b(?:[Aa]nd|[Tt]hen|[Bb]ut|[Pp]lus))?[\s,;]*$`, "") if {
	id in entities.named(directory, set())
	named := _named(directory)
	text := concat(" ", [trim(part, " ") |
		some place, part in _parts
		_about(id, named, place)
	])
} else := ""

_about(id, named, place) if id in named[place]

_about(id, named, place) if {
	count(named[place]) == 0
	before := [earlier | some earlier, ids in named; earlier < place; count(ids) > 0]
	_or_all(id, named, before)
}

_or_all(_, _, []) := true

_or_all(id, named, before) if id in named[before[count(before) - 1]]

_named(directory) := [entities.within({lower(part)}, directory, set()) | some part in _parts]

_parts := split(
	regex.replace(
		replace(exclusions.kept, "|", " "),
		`(,\s|[.!?;…]+(?:\s|$)|\n|\b(?:[Aa]nd|[Tt]hen|[Bb]ut|[Pp]lus)\b)`, "$1|",
	),
	"|",
) if {
	intent.trusted
	count(input.task.statement) <= 4096
}
