# METADATA
# title: Groups whom the request tells or means
# description: |
#   "Tell the team", "a message for both doctors", "text everyone who comes tomorrow". What a group is, your data says,
#   never a text: members that a mail or a list names are no members. They need trusted intent and a request of at most
#   4,096 characters.
package tabard.lib.groups

import data.tabard.lib.clauses
import data.tabard.lib.entities
import data.tabard.lib.exclusions
import data.tabard.lib.intent

# METADATA
# description: |
#   The members of the groups whom the request tells or sends something: `told(data.groups, data.staff)` for "tell the
#   morning team". `groups` is as for `outbound.members_of_requested`, an object whose values each have `names`, in the
#   form that people use for all of them ("doctors", "team"), and `members`, an array of ids of `directory`. Whom the
#   request leaves out ("everyone but Ann") isn't among them. A group in a description counts, too ("everyone" in
#   "everyone who comes tomorrow"), so let its name be one that means your group alone, or ask where `described` has
#   something.
told(groups, directory) := {member |
	some group in groups
	some name in group.names
	_told(lower(name))
	some member in group.members
} - entities.ruled_out(clauses.telling, directory, set())

# METADATA
# description: |
#   The descriptions by which the request means several, in lower case: "those who come tomorrow", "everyone on the
#   waiting list", "all patients of Dr Lind", "my patients of this morning". Policy compares each with your records:
#   `dates.within_said(data.visits[id].start, zone) with input.task.statement as text` for one of them.
# scope: document
described contains trim_space(found) if {
	some found in regex.find_n(_description, _text, 20)
}

# METADATA
# description: |
#   True if the request tells a person whom it doesn't name: "tell the two of them", "let them know", "inform everyone
#   concerned". Then a text may say whom: ask, within the house, and grant nothing to others.
# scope: document
unnamed_told if {
	some phrase in clauses.told
	regex.match(_unnamed, phrase)
}

unnamed_told if regex.match(_unnamed_said, _text)

_told(name) if {
	some phrase in clauses.told
	contains(sprintf(" %s ", [concat(" ", regex.find_n(`[\pL\pN]+`, phrase, -1))]), sprintf(" %s ", [name]))
}

_told(name) if {
	some found in regex.find_n(_message_for, _text, 20)
	words := sprintf(" %s ", [concat(" ", regex.find_n(`[\pL\pN]+`, found, -1))])
	contains(words, sprintf(" %s ", [name]))
}

default _text := ""

_text := clauses.unquoted(lower(replace(exclusions.kept, "’", "'"))) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

# "A message to the whole team", "two things for the team in one message".
_message_for := concat("|", [
	`\b(?:message|e-?mail|mail|note|line|word|letter|reminder|text|answer)s? (?:to|for) [^,.;:!?]{1,60}`,
	`\bfor [^,.;:!?]{1,60} (?:in|by) (?:one|a|an|the same) (?:single |short )?(?:message|e-?mail|mail|note|text)\b`,
])

_description := concat("|", [
	sprintf(`\b(?:those|every(?:one|body)|any(?:one|body)|all|the ones|people|who(?:ever)) %s`, [_who]),
	sprintf(`\b(?:all|every|each of)(?: (?:the|my|our|his|her|of))* [\pL-]+(?: [\pL-]+)? %s`, [_who]),
	`\b(?:my|our|his|her|today's|tomorrow's)(?: [\pL-]+)? [\pL-]+s (?:of|on|from|for|in|today|tomorrow)\b[^,.;!?]*`,
])

_who := `(?:who|whose|that|with|on|in|from|of|for|booked|due)\b[^,.;!?]*`

_unnamed := sprintf(`^(?:%s|two of them|each of them|they)\b`, [_them])

_them := concat("", [
	`the (?:two|three|four)(?: of them)?|them(?: both| all)?|both(?: of them)?|all of them|who(?:ever)`,
	`|every(?:one|body) (?:concerned|involved|affected)`,
])

_unnamed_said := sprintf(
	concat("", [
		`(?:^|[,.;!] ?|\b(?:and|then|please|so|but) )(?:tell|inform|notify|let|thank|answer|text|message|mail`,
		`|write(?: to)?|reply(?: to)?) (?:%s)\b`,
	]),
	[_them],
)
