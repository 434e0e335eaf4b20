# METADATA
# title: Intent of the task
# description: |
#   Guardrails over the task's purpose and statement. They hold only if a configured initiator signed the intent: an
#   agent could assert any purpose. The setting insecure.accept_asserted_intent makes them hold for asserted intent,
#   too.
package tabard.lib.intent

import data.tabard.lib.exclusions
import data.tabard.lib.sets

# METADATA
# description: True if purpose and statement are signed, or asserted intent is accepted.
# scope: document
trusted if input.task.intent_source == "signed"

trusted if data.tabard.settings.accept_asserted_intent == true

# METADATA
# description: True if the task has the purpose `purpose` and the intent is trusted.
purpose_is(purpose) if {
	trusted
	input.task.purpose == purpose
}

# METADATA
# description: |
#   True if the task's purpose is in `purposes`, a set or array or an object's keys, and the intent is trusted.
purpose_in(purposes) if {
	trusted
	sets.has(purposes, input.task.purpose)
}

# METADATA
# description: |
#   True if the task's statement contains `value`, a string of at least two characters, and the intent is trusted. The
#   statement must have at most 4,096 characters. Case doesn't matter. What the statement rules out doesn't count ("not
#   Ann", `exclusions`), and neither does a part of a longer word, address, number or path: neither
#   "evil.ann@shop.example" nor "ann@shop.example.evil" mentions "ann@shop.example".
mentions(value) if {
	trusted
	count(value) > 1
	statement := sprintf("  %s  ", [lower(exclusions.kept)])
	wanted := lower(value)
	some start in indexof_n(statement, wanted)
	not regex.match(_leads_in, substring(statement, start - 2, 2))
	not regex.match(_leads_on, substring(statement, start + count(wanted), 2))
}

# METADATA
# description: |
#   True if the task's statement contains the number `value`, with or without commas between thousands, and the intent
#   is trusted. A number within a word, a date or an address doesn't count.
mentions_number(value) if {
	trusted
	some token in regex.split(`[^\p{L}\p{N}_.,/:@-]+`, exclusions.kept)
	written := trim_right(token, ".,:-")
	regex.match(`^(\d+|\d{1,3}(,\d{3})+)(\.\d+)?$`, written)
	to_number(replace(written, ",", "")) == value
}

# Text next to a match that makes it part of a longer word: a letter or digit, or punctuation that joins one to it.
_leads_in := `[\p{L}\p{N}_@]$|[\p{L}\p{N}_][-.+/:]$`

_leads_on := `^[\p{L}\p{N}_@]|^[-.+/:][\p{L}\p{N}_]`
