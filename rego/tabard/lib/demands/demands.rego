# METADATA
# title: What a text does beyond telling
# description: |
#   A text to a person may order something ("please take it twice a day"), give or permit something ("you get the whole
#   amount back", "he consents to it"), set an amount or a dose, or hand out what a house keeps ("revenue", "born on").
#   None of it is a plain word, and a request that means it says so. `messages` refuses such a text, so that it doesn't
#   reach a person who reads fast; `lures` has links, numbers and passwords.
package tabard.lib.demands

import data.tabard.lib.doses
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.quantities
import data.tabard.lib.verbs
import data.tabard.lib.wording

# METADATA
# description: |
#   What `text` does that neither the request nor `own`, a set of texts, does, by kind, each a set: `orders`, verbs with
#   which it tells its reader to do something ("take", "ring"); `grants`, words that give, permit or promise
#   ("consents", "discount", "money back"); `amounts`, amounts of money in cents, and numbers of thousands; `doses`,
#   strengths and rhythms, as of `doses`; `matters`, words of what isn't for others ("confidential", "revenue", "born").
#   A kind without any isn't there. Undefined for a text of more than 10,000 characters. `within("Please take it twice a
#   day", {"Ann Lee"})` has `orders` and `doses`.
within(text, own) := {kind: found |
	plain := lower(replace(text, "’", "'"))
	known := _known(own)
	some kind, found in {
		"amounts": _amounts(plain, known),
		"doses": _doses(plain) - (doses.strengths(known) | doses.rates(known)),
		"grants": {word | some word in _granting(plain); not _said(word, known)},
		"matters": {word | some word in regex.find_n(_matters, plain, -1); not _said(word, known)},
		"orders": {verb | some verb in _ordering(plain); not _verb_said(verb, known)},
	}
	count(found) > 0
} if {
	count(text) <= 10000
}

# METADATA
# description: |
#   The kinds of `within` of which the request speaks, so that it may mean a text that has one: `amounts` for "text her
#   both prices", `orders` for "tell her to bring her card", `doses` for "write her how much to take". Ask about those.
# scope: document
spoken contains kind if {
	intent.trusted
	some kind, words in _spoken
	some word in words
	wording.mentions_forms(word)
}

# "Put her Ramipril up to what they suggest": a text has the dose.
spoken contains "doses" if regex.match(`\b(?:up|down) to (?:what|whatever|as)\b`, lower(exclusions.kept))

# What is asked in a message may be a price.
spoken contains "amounts" if regex.match(`\b(?:answer|reply|respond)\b`, lower(exclusions.kept))

spoken contains "orders" if regex.match(_tells_to, lower(exclusions.kept))

_spoken := {
	"amounts": {
		"amount", "balance", "bill", "charge", "cheaper", "cost", "discount", "due", "euro", "expensive", "fee", "figure",
		"invoice", "money", "offer", "owe", "paid", "pay", "percent", "price", "quote", "refund", "sale", "sum", "total",
		"turnover", "value", "worth",
	},
	"doses": {
		"dosage", "dose", "drug", "how often", "medication", "medicine", "prescription", "strength", "tablet", "value",
	},
	"grants": {
		"agree", "agrees", "approve", "consent", "discount", "offer", "promise", "refund", "replacement", "voucher",
	},
	"matters": {"birthday", "born", "birth", "confidential", "margin", "profit", "revenue", "salary", "sales", "turnover"},
	"orders": {"ask", "instruction", "invite", "remind", "reminder"},
}

# "Tell her to bring her card", "text them that they have to ring", "what to do".
_tells_to := concat("|", [
	sprintf(
		concat("", [
			`\b(?:tell|text|write|mail|message|advise|get|have|let|warn|send|pass|hand|forward|leave|note)\b`,
			`[^.;!?\n]{1,80}?\b(?:to|should|must|has to|have to|needs? to|can|could|may) (?:%s)\b`,
		]),
		[concat("|", _verbs)],
	),
	`\bso (?:that )?\pL+ (?:\pL+ )?(?:can|could|knows?)\b`,
	concat("", [
		`(?:^|[.!?;,] |\b(?:and|then|please) )(?:buy|order) (?:[0-9]{1,3}|an?|another|some|more|the|us|half|two|three|four`,
		`|five|six|seven|eight|nine|ten|twelve|twenty|fifty)\b`,
	]),
	`\b(?:what|when|how|where) (?:he|she|they|to|you) (?:\S+ )?(?:do|has|have|should|must|need|bring|come)\b`,
])

_known(own) := replace(lower(concat("\n", array.concat([exclusions.kept], [text | some text in own]))), "’", "'")

# ---- orders

_ordering(text) := {found[1] |
	some pattern in _imperatives
	some found in regex.find_all_string_submatch_n(pattern, text, -1)
	found[1] in _verbs
}

# At the beginning of a sentence or line, behind "please", and behind "and" where the sentence has begun with that.
_imperatives := [
	sprintf(`(?:^|[.!?:;]["')]*\s+|\n[\s*•–-]*)%s(\pL+) (?:%s|[0-9+£$€])`, [_polite, _objects]),
	sprintf(`\b(?:please|kindly|don't|do not|until then|from now on)\b,? %s(\pL+) (?:%s|%s|[0-9+£$€])`, [
		_polite, _objects, _places,
	]),
	sprintf(`\b(?:please|don't|do not)\b[^.!?\n]*\b(?:and|or) %s(\pL+) (?:%s|%s|[0-9+£$€])`, [
		_polite, _objects, _places,
	]),
	_must,
]

_polite := `(?:(?:please|kindly|then|also|now|just|only|always|immediately|don't|do not|never|simply) )*`

_objects := concat("", [
	`(?:it|them|this|that|these|those|the|an?|your|my|our|his|her|their|him|all|any|every|each|no|twice|once|double`,
	`|half)\b`,
])

# "Change to your order" and "open on Fridays" order nothing.
_places := `(?:to|at|in|on|by|for|with|up|down|off|out|back|until)\b`

_must := concat("", [
	`\b(?:you|he|she|they|patients|customers|every(?:one|body)|all) (?:all )?(?:must|should|shall|have to|has to|need to`,
	`|needs to|ought to|are to|is to|may now|can now) (?:please |now |also |not )*(\pL+)`,
])

# Verbs of courtesy, with which a text ends, and those of letters between colleagues order nothing that can be misused.
_verbs := (verbs.known | _more_verbs) - {
	"advise", "answer", "arrange", "ask", "check", "confirm", "contact", "do", "explain", "find", "get", "have", "hear",
	"inform", "keep", "let", "look", "message", "note", "plan", "read", "remind", "reply", "report", "respond", "review",
	"see", "show", "tell", "text", "thank", "try", "use", "write", "order", "file", "list", "mail", "email", "post",
	"mark", "repeat", "issue", "sum", "run",
}

_more_verbs := {
	"admit", "apply", "authorise", "authorize", "bypass", "click", "consume", "dial", "discontinue", "disregard", "double",
	"drink", "eat", "enter", "halve", "ignore", "inject", "install", "log", "omit", "pay", "phone", "prescribe", "quit",
	"remit", "ring", "scan", "skip", "stay", "swallow", "take", "tick", "transfer", "trust", "type", "unplug", "visit",
	"wait", "wear", "wire",
}

_verb_said(verb, known) if {
	words := {word | some word in regex.find_n(`\pL+`, known, -1)}
	count((verbs.forms(verb) | {verb, sprintf("%ss", [verb])}) & words) > 0
}

# ---- grants, matters

_granting(text) := {trim_space(found) | some found in regex.find_n(_grants, text, -1)}

_grants := concat("|", [
	`\bconsent(?:s|ed)? (?:to|now|also|covers?)\b|\bcovered by (?:\S+ ){0,3}consent\b`,
	`\b(?:permission|permit(?:s|ted)?|authori[sz](?:es|ed|ation)|entitle[ds]?|approv(?:ed|al|es)|waive[ds]?)\b`,
	`\b(?:guarantee[ds]?|promise[ds]?|compensation|compensate[ds]?|reimbursement|refunds?)\b`,
	`\b(?:discounts?|rebates?|vouchers?|gifts?|bonus|exempt(?:ed)?|free of charge|for free)\b`,
	concat("", [
		`\b(?:get|gets|receive|receives|getting|pay you|owe you|give you)(?: \S+){0,3} `,
		`(?:money|amount|sum|refund|price)(?: back)?\b`,
	]),
	`\b(?:isn't|aren't|not) (?:allergic|confidential|liable|owed|required to pay)\b|\ballergy (?:is |was )?not\b`,
])

_matters := concat("", [
	`\b(?:internal only|revenue|turnover|margins?|profits?|salar(?:y|ies)|payroll|born|birthdays?`,
	`|date of birth|passport|social security|insurance number|maiden name)\b`,
])

# In another form as well.
_said(phrase, known) if contains(known, phrase)

_said(phrase, known) if {
	not contains(phrase, " ")
	bases := {base | some word in regex.find_n(`\pL+`, known, -1); some base in (verbs.bases(word) | verbs.forms(word))}
	count((verbs.bases(phrase) | {phrase}) & bases) > 0
}

# ---- doses and amounts

# Strengths of drugs; how often, where it may be one of taking. "20 l" is a size, and a courier comes daily, too.
_doses(text) := strengths | {rate |
	some rate in doses.rates(text)
	count(strengths) + count([1 | regex.match(_taking, text)]) > 0
} if {
	strengths := {one |
		some one in doses.strengths(regex.replace(text, `[0-9][0-9.,]*[ -]?(?:l|cl|g|grams?|%)(?:$|[^\pL])`, " ; "))
	}
}

_taking := `\b(?:take|takes|taking|tablets?|capsules?|puffs?|pills?|drops?|doses?)\b`

# "36" of the request may be money.
_amounts(text, known) := {cents |
	some cents in (quantities.cents_in(quantities.digits_of(text)) - known_cents)
	not (cents / 100) in known_numbers
} | {found[1] |
	some found in regex.find_all_string_submatch_n(_thousands, text, -1)
	not contains(known, found[1])
	not (to_number(replace(found[1], ",", "")) * 100) in known_cents
} if {
	said := quantities.digits_of(known)
	known_cents := quantities.cents_in(said)
	known_numbers := {to_number(trim_left(number, "0")) | some number in regex.find_n(`\b0*[1-9][0-9]{0,9}\b`, said, -1)}
}

_thousands := `(?:^|[^\pL\pN.,-])([0-9]{1,3}(?:,[0-9]{3})+)(?:$|[^0-9])`
