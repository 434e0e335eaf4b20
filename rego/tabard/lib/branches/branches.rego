# METADATA
# title: Where a condition ends and its order begins
# description: |
#   "If it's on the list pay her back", "if nothing differs, throw the file away": people leave out the comma, and say
#   in the condition what isn't so. `clauses`, `wishes` and `conditions` read a request in the form that `divided` gives
#   it, so that neither hides the order. That the order has a condition, `wishes.conditional` tells.
package tabard.lib.branches

import data.tabard.lib.verbs

# METADATA
# description: |
#   The text, in lower case, with a comma between each condition and the order behind it, and with nothing in the
#   condition that reads as a negation or as what others ask for; `divided("if nothing is left order ten")` is "if isn't
#   is left, order ten". What begins with "unless" becomes "if isn't".
divided(text) := concat("", [part |
	with_commas := ended(text)
	pieces := regex.split(_condition, with_commas)
	found := regex.find_n(_condition, with_commas, -1)
	some place, piece in pieces
	part := concat("", [piece, concat("", [_plain(one) | some one in array.slice(found, place, place + 1)])])
])

# METADATA
# description: |
#   The text, in lower case, with a comma between each condition and the order behind it; `ended("If it's lost refund
#   her")` is "if it's lost, refund her".
ended(text) := _with_commas(lower(text))

_begins := `(?:if|unless|once|when|as soon as|in case|provided|providing|as long as|should (?:he|she|it|they))`

# Up to its comma, at the beginning of a sentence or clause.
_condition := sprintf(`(?:^|[.!?;\n,–-] ?|\b(?:and|but|so|then|or|otherwise) )%s\b[^,.!?;\n]*,`, [_begins])

_plain(condition) := regex.replace(
	regex.replace(regex.replace(condition, `\bunless\b`, "if isn't"), _negations, "isn't"),
	`\b(?:to|should|must|can|could|would|will|shall|please|may)\b`, "…",
)

_negations := `\b(?:no(?:thing|body|ne)|no ?one|neither|never|not|without|except|no)\b`

_with_commas(text) := strings.replace_n(
	{found[0]: sprintf("%s %s, %s", [found[1], found[2], found[3]]) |
		some found in regex.find_all_string_submatch_n(_without_comma, text, 20)
		not found[2] in _before_no_order
	},
	text,
) if {
	regex.match(sprintf(`\b%s\b`, [_begins]), text)
}

_with_commas(text) := text if not regex.match(sprintf(`\b%s\b`, [_begins]), text)

_without_comma := sprintf(`(\b%s\b[^,.!?;\n]*?) ([\pL\pN'’%%€-]+) (%s)`, [_begins, _order])

# Behind these stands no order: "if they send it", "if she wants to send it".
_before_no_order := {
	"a", "all", "also", "already", "an", "and", "another", "can", "cannot", "can't", "clients", "could", "customers",
	"did", "didn't", "do", "does", "doesn't", "don't", "ever", "folks", "he", "her", "his", "i", "just", "let", "may",
	"might", "must", "my", "never", "not", "now", "or", "our", "patients", "people", "really", "shall", "she",
	"should", "shouldn't", "still", "that", "the", "their", "these", "they", "this", "those", "to", "we", "which", "who",
	"will", "won't", "would", "wouldn't", "you", "your",
}

_order := sprintf(
	concat("", [
		`(?:%s) (?:it|them|him|her|his|their|the|an?|my|our|us|me|all|both|back|this|that|these|those|only|one|two|three`,
		`|four|five|six|seven|eight|nine|ten|twelve|twenty|another|more|half|[0-9]+)\b`,
	]),
	[concat("|", verbs.known)],
)
