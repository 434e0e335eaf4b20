# METADATA
# title: Intent of the task
# description: |
#   Guardrails over the task's purpose and statement. They hold only if a configured initiator signed the intent,
#   because an agent that asserts its own purpose can assert any purpose. insecure.accept_asserted_intent in
#   tabard.yaml lowers that.
package tabard.lib.intent

# METADATA
# description: True if purpose and statement may be relied upon.
# scope: document
trusted if input.task.intent_source == "signed"

trusted if data.tabard.settings.accept_asserted_intent == true

# METADATA
# description: True if the task serves the purpose `purpose` and the intent may be relied upon.
purpose_is(purpose) if {
	trusted
	input.task.purpose == purpose
}

# METADATA
# description: True if the task's purpose is in `purposes`, a set or array, and the intent may be relied upon.
purpose_in(purposes) if {
	trusted
	input.task.purpose in purposes
}

# METADATA
# description: |
#   True if `value`, a string of at least two characters, occurs in the task's statement as whole words, whatever the
#   case, and the intent may be relied upon.
mentions(value) if {
	trusted
	count(value) > 1
	statement := sprintf(" %s ", [lower(input.task.statement)])
	wanted := lower(value)
	some start in indexof_n(statement, wanted)
	_edge(substring(statement, start - 1, 1))
	_edge(substring(statement, start + count(wanted), 1))
}

# METADATA
# description: |
#   True if the number `value` occurs in the task's statement, written with or without commas between thousands, and
#   the intent may be relied upon.
mentions_number(value) if {
	trusted
	some written in regex.find_n(`\d+(?:,\d{3})*(?:\.\d+)?`, input.task.statement, -1)
	to_number(replace(written, ",", "")) == value
}

# A word ends at anything that can't continue an identifier, an address or an amount.
_edge(character) if not regex.match(`[\p{L}\p{N}_@]`, character)
