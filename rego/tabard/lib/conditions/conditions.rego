# METADATA
# title: What the request makes something depend on
# description: |
#   "If it came, refund her", "only if the account is ours", "as long as it is in stock". Policy can't see whether such
#   a condition holds. It may know it from your records, or the tool may refuse the call otherwise; else a person has to
#   say it. Needs trusted intent and a request of at most 4,096 characters.
package tabard.lib.conditions

import data.tabard.lib.branches
import data.tabard.lib.clauses
import data.tabard.lib.intent

# METADATA
# description: |
#   The conditions, in lower case, each from its first word to the next comma or the end of the sentence: "if the
#   account on it is the one we have". Pure questions ("what if he is out?"), what the agent shall find out
#   ("tell me if it came", "check whether it did") and courtesy ("if possible", "if you can") are none.
# scope: document
said contains found if {
	some piece in _pieces
	not regex.match(_question, piece)
	some text in regex.find_n(_condition, regex.replace(regex.replace(piece, _wonders, " "), _courtesy, " "), 20)
	found := trim_space(text)
}

# METADATA
# description: |
#   True if the request has no condition, or if each of them matches `pattern`, a regular expression for the conditions
#   that your own rules or the tool hold; `all_match("account|if i'm free")` for "pay it, but only if the account on it
#   is the one we have", where a rule compares the account with the records. Without trusted intent it doesn't hold.
all_match(pattern) if {
	intent.trusted
	count(input.task.statement) <= 4096
	every condition in said {
		regex.match(pattern, condition)
	}
}

_pieces contains piece if {
	intent.trusted
	count(input.task.statement) <= 4096
	text := branches.ended(clauses.unquoted(replace(input.task.statement, "’", "'")))
	some part in split(regex.replace(regex.replace(text, `\?`, "?|"), `[.!;…]+(?:\s|$)|\n`, "|"), "|")
	piece := trim_space(part)
}

_question := `^(?:and |but |so )?(?:what|which|who|whom|whose|how|why|when|where)\b[^,]*\?$`

_condition := concat("", [
	`\b(?:if|unless|in case|provided|providing|as long as|so long as|only when|depending on|on condition|should`,
	` (?:he|she|it|they)|where (?:we|they|it|he|she) (?:was|were|is|are|did|has|have)`,
	`|(?:for|to) (?:those|anyone|everyone) (?:who|where|whose)|(?:is|are|was|were) the only)\b[^,]*`,
])

_wonders := concat("", [
	`\b(?:tell|ask|check|see|know|find out|look|verify|wonder|say|sure|clear|doubt|confirm)\b[^,;]{0,40}?`,
	`\b(?:if|whether|in case)\b`,
])

_courtesy := concat("", [
	`\bif (?:(?:at all )?possible|you (?:can|could|like|don't mind|would|have (?:a|the) (?:moment|minute|time))`,
	`|(?:that's|that is|it's|it is) (?:ok|okay|all right|possible)(?: (?:with|for) you)?)\b`,
])
