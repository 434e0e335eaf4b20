# METADATA
# title: Whom or what the request means by a relation
# description: |
#   "Tell her doctor", "to his usual pharmacy", "Yusuf's mum", "the supplier's account": one that the request doesn't
#   name, but your records say which it is. `words` is a set of words for the relation, in the singular ({"doctor",
#   "gp"}), `directory` the entities of which it is one, as for `entities`, and `of` your record: from their ids to the
#   id of the other one, or to an array of ids. Never take `of` from a text. Needs trusted intent and a request of at
#   most 4,096 characters.
package tabard.lib.relations

import data.tabard.lib.clauses
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.intent

# METADATA
# description: |
#   The ids that the request means by one of `words`: "Ann's doctor" by her record, "her doctor", "the doctor" and
#   "usual doctor" by the record of the one whom the request names, if it names one only; `meant({"doctor", "gp"},
#   data.patients, {"P-1": "moss"})`.
meant(words, directory, of) := {other |
	some id in _owners(_text, words, directory)
	some other in _others(of[id])
}

# METADATA
# description: |
#   As `meant`, of those whom the request tells or sends something: `told({"doctor"}, data.patients, {"P-1": "moss"})`
#   for "Let Ann Lee's doctor know", and not for "Tell Ann Lee what her doctor says".
told(words, directory, of) := {other |
	some phrase in clauses.told
	some id in _owners(phrase, words, directory)
	some other in _others(of[id])
}

_others(found) := {found} if is_string(found)

_others(found) := {one | some one in found} if not is_string(found)

# Whose it is, by name before "'s", or else the only one that the request names.
_owners(text, words, directory) := by_name if {
	by_name := _by_name(text, words, directory)
	count(by_name) > 0
} else := named if {
	regex.match(sprintf(_of_one, [_alternatives(words)]), text)
	named := entities.named(directory, set())
	count(named) == 1
} else := set()

_by_name(text, words, directory) := {id |
	some found in regex.find_all_string_submatch_n(sprintf(_of_named, [_alternatives(words)]), text, 20)
	some id in entities.within({found[1]}, directory, set())
	some name in directory[id]
	_ends_with_name(found[1], lower(name))
}

# "Tell Ann what Bob's doctor says": the name right before "'s", whole or its first or last word.
_ends_with_name(text, name) if {
	parts := split(name, " ")
	some ending in {name, parts[0], parts[count(parts) - 1]}
	endswith(sprintf(" %s", [trim_space(text)]), sprintf(" %s", [ending]))
}

_of_named := `([^,.;!?]{1,80}?) ?'s (?:(?:own|usual|regular|registered|family|normal) )*(?:%s)s?\b`

_of_one := concat("|", [
	`^(?:(?:his|her|their|its|the|own|usual|regular|registered|family|normal) ?)*(?:%[1]s)\b`,
	`\b(?:(?:his|her|their|its|the|own|usual|regular|registered|family|normal) )+(?:%[1]s)s?\b`,
])

_alternatives(words) := concat("|", {regex.replace(lower(word), `[^\pL -]`, "") | some word in words})

default _text := ""

_text := lower(replace(exclusions.kept, "’", "'")) if {
	intent.trusted
	count(input.task.statement) <= 4096
}
