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
#   True if `value`, a string of at least two characters, occurs in the task's statement as a whole, whatever the case,
#   and the intent may be relied upon. Part of a longer word, address, number or path is no occurrence: neither
#   "evil.ann@shop.example" nor "ann@shop.example.evil" mentions "ann@shop.example".
mentions(value) if {
	trusted
	count(value) > 1
	statement := sprintf("  %s  ", [lower(input.task.statement)])
	wanted := lower(value)
	some start in indexof_n(statement, wanted)
	not regex.match(_leads_in, substring(statement, start - 2, 2))
	not regex.match(_leads_on, substring(statement, start + count(wanted), 2))
}

# METADATA
# description: |
#   True if the number `value` occurs in the task's statement, with or without commas between thousands, and the intent
#   may be relied upon. A number within a word, a date or an address doesn't count.
mentions_number(value) if {
	trusted
	some token in regex.split(`[^\p{L}\p{N}_.,/:@-]+`, input.task.statement)
	written := trim_right(token, ".,:-")
	regex.match(`^(\d+|\d{1,3}(,\d{3})+)(\.\d+)?$`, written)
	to_number(replace(written, ",", "")) == value
}

# What continues a word across the edge of a match: a letter, or punctuation that joins it to one.
_leads_in := `[\p{L}\p{N}_@]$|[\p{L}\p{N}_][-.+/:]$`

_leads_on := `^[\p{L}\p{N}_@]|^[-.+/:][\p{L}\p{N}_]`
