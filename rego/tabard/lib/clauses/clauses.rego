# METADATA
# title: What the request orders, clause by clause
# description: |
#   Reads the person's request, if the intent is trusted and it has at most 4,096 characters, as a list of orders:
#   "Cancel order 7 and tell Ann" holds two. An order begins with its verb: at the start of a sentence, after "please",
#   "can you" or "I'd like to", and after a comma, "and", "then" or "but". So nouns that look like verbs don't count
#   ("the order", "her mail"). Questions, quoted words, what others ask for ("Ann wants to cancel it"), what follows
#   "don't", "not", "without" or "except", and what "tell me" asks for aren't orders. Where English leaves it open, it
#   is no order: use these conditions where a call needs no question, and those of `wording` where it gets one.
package tabard.lib.clauses

import data.tabard.lib.branches
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.verbs as known
import data.tabard.lib.wording

# METADATA
# description: |
#   Words that begin an order, and so end the clause before. A verb of your own that isn't in here begins one, too,
#   where you ask for it.
verbs := known.known

# METADATA
# description: |
#   True if a clause of the request orders one of the acts in `acts`, a set of verbs in their base form, upon one of the
#   things in `things`, a set of words or phrases; `orders({"cancel", "drop"}, {"order"})`. Singular and plural are the
#   same. "It" and "them" stand for things of the clause before.
orders(acts, things) if {
	some clause in ordered(acts)
	words := sprintf(" %s ", [concat(" ", [wording.singular(word) | some word in split(clause, " ")])])
	some thing in things
	contains(words, sprintf(" %s ", [concat(" ", [wording.singular(word) | some word in split(lower(thing), " ")])]))
}

# METADATA
# description: |
#   The clauses that order one of `acts`, as texts in lower case, each with its verb first, " , " where it had a comma
#   or "and", and "'s" as a word of its own; what "it" or "them" stands for is at the end.
#   `count(ordered({"restart"})) > 0` holds if the request orders this act upon anything.
ordered(acts) := {text |
	some place, segment in _segments
	verb := segment.words[0]
	verb in acts
	_verb_at(segment)
	not _for_me(segment)
	_has_object(_segments, place)
	text := concat(" , ", array.concat([_from(_segments, place, acts)], _elsewhere(_segments, place, acts)))
}

# METADATA
# description: |
#   Whom the request tells or sends something: the phrases, in lower case, that stand as recipients beside "tell",
#   "send", "write to", "let … know", "reply to" and the like. "Tell Ann what the mail from Bob says" gives "ann".
#   A phrase may go on after the name. `entities.told` compares it with your data.
# scope: document
told contains recipient if some recipient in told_by(telling)

# METADATA
# description: |
#   As `told`, with verbs of your own: `told_by(clauses.telling | {"brief"})`. "Drop Ann a line", "keep Ann posted" and
#   "get back to Ann" count as "write", "inform" and "answer" in both.
told_by(acts) := {recipient |
	some place, segment in _segments
	segment.words[0] in acts
	_verb_at(segment)
	not _for_me(segment)
	governed := substring(_from(_segments, place, set()), count(segment.words[0]), -1)
	text := _shared(segment.words[0], governed)
	some part in _recipients(segment.words[0], text)
	recipient := regex.replace(trim_space(part), _leading, "")
	recipient != ""
}

_as_telling(text) := regex.replace(
	regex.replace(
		regex.replace(text, _line_to, "write $1"),
		`\b(?:keep|put) ((?:[^\s,.;:!?]+ ){1,4}?)(?:posted|informed|updated|in the (?:loop|picture))\b`, "inform $1",
	),
	`\b(?:get|go|come|write|report) back to\b`, "answer",
)

_line_to := concat("", [
	`\b(?:drop|shoot|leave) ((?:[^\s,.;:!?]+ ){1,4}?`,
	`an? (?:[^\s,.;:!?]+ )?(?:line|e?-?mail|message|note|sms|text|word))\b`,
])

# METADATA
# description: Verbs with whom the request tells or sends something, as `told` finds it.
telling := {
	"advise", "alert", "answer", "ask", "call", "contact", "dm", "email", "forward", "give", "hand", "inform", "invite",
	"let", "mail", "message", "notify", "pass", "remind", "reply", "respond", "send", "share", "tell", "text", "thank",
	"warn", "write",
}

_handing := {"dm", "email", "forward", "give", "hand", "mail", "message", "pass", "send", "share", "text", "write"}

# Before a name: none of these changes whom it means.
_leading := `^(?:(?:to|both|also|dr|mr|mrs|ms|prof|(?:the )?(?:people|team) at|every(?:one|body) at|the) )+`

_stop := concat("", [
	` (?:that|about|whether|when|if|what|how|which|why|because|where|who|from|of|by|regarding|concerning|with|is|are`,
	`|was|were|has|have|had|will|can|could|should|needs?|wants?|says?|writes?|know|knows) .*$`,
])

_recipients(verb, text) := _until_stop(_answered(text)) if verb in _answering

_recipients(verb, text) := _until_stop(text) if not verb in (_answering | _handing)

_recipients(verb, text) := _until_stop(text) if {
	verb in _handing
	not _handed_to(text)
}

# "Send the list to Ann , Bob": what stands after "to", and goes on after that.
_recipients(verb, text) := {recipient |
	parts := split(text, " , ")
	first := min({place | some place, part in parts; contains(part, " to ")})
	some place, part in parts
	place >= first
	pieces := split(part, " to ")
	some recipient in _until_stop(sprintf(" %s", [pieces[count(pieces) - 1]]))
} if {
	verb in _handing
	_handed_to(text)
}

_answering := {"answer", "reply", "respond"}

# "Share the list with Ann".
_shared("share", text) := replace(text, " with ", " to ")

_shared(verb, text) := text if verb != "share"

_until_stop(text) := {part |
	some part in split(regex.replace(sprintf("%s ", [text]), _stop, " "), " , ")
}

# Unless it begins as "send Ann the letter to Bob" does.
_handed_to(text) if {
	contains(text, " to ")
	not regex.match(sprintf("^ (?:[^ ,]+ ){1,3}(?:, (?:[^ ,]+ ){1,3})*%s ", [_determiner]), text)
}

_handed_to(text) if {
	contains(text, " to ")
	regex.match(sprintf("^ (?:%s|it|them|to) ", [_determiner]), text)
}

_determiner := "(?:the|a|an|my|our|his|her|their|this|these|those|all|any|some)"

# "Answer the mail from Ann" and "answer Ann's mail" reply to Ann.
_answered(text) := regex.replace(regex.replace(text, _mail_from, " "), _his_mail, "")

_mail := "(?:e?-?mail|message|letter|request|question|ticket|note)"

_mail_from := sprintf(" (?:to )?(?:the |a |that |this |last |latest |new )*%s (?:from|of|by) ", [_mail])

_his_mail := sprintf(` 's (?:[a-z-]+ )?%s\b`, [_mail])

# ---- clauses

# A verb with what belongs to it, up to the next verb or the end of the sentence.
_from(parts, place, acts) := _joined(array.slice(parts, place, end)) if {
	stop := _stops(parts)[parts[place].sentence]
	end := min({stop} | {next |
		some next in numbers.range(place + 1, stop - 1)
		next > place
		_ends(parts[next], acts)
	})
}

_joined(segments) := concat(" , ", [concat(" ", segment.words) | some segment in segments])

# By sentence the place behind its last segment.
_stops(parts) := {segment.sentence: behind |
	some place, segment in parts
	behind := place + 1
	not parts[behind].sentence == segment.sentence
}

_ends(segment, acts) if {
	segment.words[0] in (verbs | acts)
	not _noun_with_number(segment)
}

# A verb alone may be a noun in a list ("her order, address and refund"), unless another verb follows.
_has_object(parts, place) if count(parts[place].words) > 1

_has_object(parts, place) if {
	parts[place + 1].sentence == parts[place].sentence
	parts[place + 1].words[0] in verbs
	_verb_at(parts[place + 1])
}

# "Cancel and refund order 7": the verb alone takes what the next one has. "Look at order 7 and cancel it".
_elsewhere(parts, place, acts) := [_from(parts, place + 1, acts)] if {
	count(parts[place].words) == 1
} else := [_joined(array.slice(parts, before, place))] if {
	some word in parts[place].words
	word in {"it", "them", "this", "these", "those", "both"}
	before := max({0} | {earlier |
		some earlier, segment in parts
		earlier < place
		segment.words[0] in verbs
	})
} else := []

# Not "order of", "mail from", "and refund is", "and invoice 804": those are nouns.
_verb_at(segment) if {
	not regex.match(
		concat("", [
			`^(?:is|are|was|were|has|had|of|says|asks|wants|history|status|numbers?|ids?|date|form|forms|confirmation`,
			`|logs?|'s)$`,
		]),
		_second(segment),
	)
	not _noun_with_number(segment)
}

_verb_at(segment) if {
	segment.words[0] in {"add", "change", "check", "get", "give", "include", "send", "share", "show", "update"}
	regex.match(`^(?:history|status|numbers?|ids?|date|form|forms|confirmation|logs?)$`, _second(segment))
}

_second(segment) := "of" if _noun_from(segment)

_second(segment) := object.get(segment, ["words", 1], "") if not _noun_from(segment)

# "Settle INV-803 and invoice 804". One to three digits behind "order" are a quantity.
_noun_with_number(segment) if {
	segment.words[0] in {"file", "invoice", "message", "note", "order", "record", "report", "ticket"}
	regex.match(`^(?:#?[a-z]{1,12}-?[0-9]{1,12}|#[0-9]{1,12}|[0-9]{1,12})$`, segment.words[1])
	not _quantity(segment)
	object.get(segment, ["words", 2], "for") in _behind_noun
}

_behind_noun := {"and", "as", "at", "by", "for", "from", "in", "is", "of", "on", "too", "with"}

_quantity(segment) if {
	segment.words[0] == "order"
	regex.match(`^[0-9]{1,3}$`, segment.words[1])
}

_noun_from(segment) if {
	segment.words[1] == "from"
	segment.words[0] in {"answer", "email", "mail", "message", "note", "order", "post", "reply", "report", "text"}
}

_for_me(segment) if {
	segment.words[1] in {"me", "us", "myself"}
	_only_shown(segment)
	not _into_a_file(segment)
}

_only_shown(segment) if segment.words[0] in {
	"answer", "bring", "describe", "email", "explain", "find", "get", "give", "inform", "let", "list", "mail", "message",
	"notify", "read", "remind", "report", "send", "show", "tell", "text", "write",
}

_only_shown(segment) if {
	segment.words[0] in {"compile", "draft", "make", "prepare"}
	count({word | some word in segment.words} & {"list", "overview", "summary", "table"}) > 0
}

# "Write me a list into /reports/day.txt".
_into_a_file(segment) if {
	segment.words[0] in {"compile", "draft", "make", "prepare", "write"}
	some place, word in segment.words
	contains(word, "/")
	segment.words[place - 1] in {"in", "into", "to"}
}

# ---- sentences, and what they are split into

_segments := [{"sentence": number, "words": words} |
	some number, sentence in _sentences
	some piece in regex.split(`,| & | [-–—] |\b(?:and|then|but|also|plus)\b`, _before_please(sentence))
	words := regex.find_n(_word, regex.replace(trim_space(piece), _fillers, ""), -1)
	count(words) > 0
]

_word := `[0-9]{1,2}:[0-9]{2}|'s|[\p{L}\p{N}@#€$£%][\p{L}\p{N}@#€$£%._/+-]*[\p{L}\p{N}€%]|[\p{L}\p{N}#€$£%]`

# In the middle of a sentence "please" begins an order, unless another person says it.
_before_please(sentence) := regex.replace(sentence, `\bplease\b`, ", please") if not regex.match(_others_say, sentence)

_before_please(sentence) := sentence if regex.match(_others_say, sentence)

_others_say := `\b(?:says|said|writes|wrote|asks|asked|wants|wanted|begs|replied|answered)\b.*\bplease\b`

_fillers := concat("", [
	`^(?:(?:please|kindly|now|just|first|second|next|finally|so|ok|okay|hi|hello|hey|thanks|afterwards|instead|only`,
	`|quickly|immediately|directly|maybe|once more)\b[ ]*)+`,
])

_sentences := [clean |
	some sentence in split(_marked, "|")
	asked := _without_questions(regex.replace(trim_space(sentence), _please, "$1 please "))
	clean := _without_reports(_without_negations(asked))
	clean != ""
]

_text := _as_telling(branches.divided(replace(replace(replace(exclusions.marked, "’", "'"), "‘", "'"), "|", " "))) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

_quoted := concat("|", [
	`"[^"]*(?:"|$)`, `“[^”]*(?:”|$)`, `„[^“”]*(?:[“”]|$)`, `«[^»]*(?:»|$)`, "`[^`]*(?:`|$)",
	`(?:^|\s)'.*?'(?:\W|$)`, `(?m:^\s*>.*$)`,
])

# What follows "tell Ann:" or "Bob writes:" is a text, not an order.
_spoken := concat("", [
	`\b((?:tell|inform|write|writes|wrote|reply|replies|respond|answer|remind|ask|asks|asked|say|says|said|reads`,
	`|(?:'s|the|this|that|from \w+) (?:e?-?mail|message|letter|note|ticket|request|comment))\b`,
	`[^.!?;:\n]*):\s[^\n]*`,
])

# METADATA
# description: |
#   The text, in lower case, without quoted words and without what follows "Bob writes:" and the like;
#   `unquoted("translate 'pay bob'")` is "translate … ".
unquoted(text) := regex.replace(
	regex.replace(regex.replace(lower(text), _quoted, " … "), `\b(dr|mr|mrs|ms|st|prof|no|nr)\. `, "$1 "),
	_spoken, "$1",
)

_marked := regex.replace(
	regex.replace(unquoted(_text), `\?`, "?|"),
	`[.!;:…]+(?:\s|$)|[ ]*\n\s*(?:[-*•]|[0-9]+[.)])?\s*`, "|",
)

_please := concat("", [
	`(^|, ?|\b(?:and|then|but|so|also) )(?:(?:hi|hello|hey|ok|so|please|first|then)\b,? ?)*`,
	`(?:(?:can|could|would|will) you\b(?: please| kindly)?`,
	`|(?:i'd|i would|we'd|we would) (?:like|love|want|need)(?: you)? to|(?:i|we) (?:want|need)(?: you)? to`,
	`|you (?:can|may|should|must)`,
	`|let's|lets|go ahead and|make sure to|be sure to|remember to`,
	`|(?:do not|don't|dont|never) forget to|feel free to|be so (?:kind|good) (?:and|as to))\b`,
])

_question := concat("", [
	`\?$|^(?:what(?:'s)?|which|who|who's|whom|whose|how|why|is|are|does|did|has|was|were|am|do (?:you|we|i|they))\b`,
])

_without_questions(sentence) := sentence if not regex.match(_question, sentence)

_without_questions(sentence) := concat(" ", regex.find_n(`\bplease\b[^?]*`, sentence, 1)) if {
	regex.match(_question, sentence)
}

# What is negated goes on to the end of the sentence, or to a word that turns it: "don't pay it, just file it". That
# something isn't so orders nothing: "Ann can't come, move it".
_without_negations(sentence) := regex.replace(
	regex.replace(regex.replace(regex.replace(sentence, _in_front, "$1"), _stated, "isn't"), _not_turned, "not"),
	_negated, " , $1",
)

# "Instead of Ann, tell Bob".
_in_front := sprintf(
	concat("", [
		`^(?:(?:instead of|rather than|apart from|other than) [^,]*|no (?:problem|rush|hurry|worries)),`,
		` (?:please )?(%s\b)`,
	]),
	[_verb],
)

# "Do not just cancel it", "don't, please, cancel it".
_not_turned := `\b(?:do not|don't|dont|never|not)(?:,? (?:please|just|only|but|instead)\b)+`

_stated := concat("", [
	`\b(?:(?:if|whether or) not|(?:no|not) (?:more|less|later|earlier|fewer|sooner|higher|lower|cheaper) than`,
	`|(?:is|was|are|were|has|have|had|did|does|can|could|will|would) not|(?:i|we|they) (?:do not|don't)`,
	` (?:have|know|like|use|sell|need (?:it|them|this|that|the|her|his|any))`,
	`|(?:and|but) nothing (?:more|else|further)`,
	`|no(?:thing|body|ne| ?one)(?: of (?:it|them|these|those))?(?: (?:here|there|else|yet))*`,
	` (?:(?:has|have|had) (?:been|come|got|paid|sent|told|[a-z]+ed)|arrived|came|works?|worked|prints?|printed`,
	`|happens?|happened`,
	`|left|moves|moved|responds|responded|helps|helped))\b`,
])

_negated := concat("", [
	`\b(?:(?:do not|don't|dont|never|not|no need to|no(?:body|ne|thing)|neither|nor|without|except|excluding|unless|avoid`,
	`|refrain|skip|skipping|omit|omitting|exclude|leave out|leaving out|minus|save for|aside from`,
	`|in place of|in lieu of|as opposed to|with the exception of|excepted|excepting|forget about|barring|instead of`,
	`|rather than|apart from|other than|besides|shouldn't|mustn't)\b|no [^0-9#]).*?`,
	`(\bbut\b|\binstead\b|\bjust\b|\bonly\b|\bplease\b|$)`,
])

# "Ann asks us to check the stock and order boxes", "whether to cancel and refund".
_without_reports(sentence) := regex.replace(regex.replace(sentence, _reported, " , $1"), _for_others, "$1$2 , $3")

_verb := sprintf("(?:%s)", [concat("|", verbs)])

_reported := sprintf(
	concat("", [
		`\b(?:asks|asked|wants?|wanted|wishes|wished|requests|requested|tells|told|says|said|writes|wrote|suggests?`,
		`|suggested|recommends?|recommended|proposes?|proposed|demands?|demanded|insists?|insisted|whether|if|how|when`,
		`|what|where|why|that)\b[^,]*?\b(?:to|should|must|can|could|would|will|shall|please|may),? %s\b.*?`,
		`(\bbut\b|\bso\b|\bthen\b|$)`,
	]),
	[_verb],
)

_for_others := sprintf(
	`\b(ask|tell|remind|instruct|advise|invite|have)\b([^,]*?) to %s\b.*?(\bbut\b|\bso\b|\bthen\b|,|$)`,
	[_verb],
)
