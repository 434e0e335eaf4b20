# METADATA
# title: What the request rules out
# description: |
#   People name things that they don't mean: "Bell Street, not Harbour", "all but Ann's", "don't send it to Tom". These
#   values split the person's request, if the intent is trusted, into what it keeps and what it rules out. Packages that
#   hand out names, values, hosts and groups (`intent.mentions`, `entities`, `outbound`, `hosts`, `paths`, `quantities`,
#   `amounts`) read what is kept. Where English leaves open what a negation belongs to, the names behind it are out.
#   That something isn't so forbids nothing: "his bag never arrived, refund him", "she no longer wants it, cancel it".
package tabard.lib.exclusions

import data.tabard.lib.states
import data.tabard.lib.verbs

# METADATA
# description: |
#   The request without what it rules out, each gap marked by "…". Empty unless the intent is trusted and the request
#   has at most 4,096 characters.
# scope: document
kept := concat("", [text |
	some place, part in _parts
	text := concat("", [_opening(part), trim_suffix(part.kept, _subject(place))])
])

# METADATA
# description: |
#   The texts that an exception or a contrast leaves out, as "Ann's" in "all but Ann's", "instead of Ann's" and "Bob's,
#   not Ann's", and the subject of a prohibition, as "Tom" in "Tom shouldn't get it".
# scope: document
excepted contains part.out if {
	some part in _parts
	part.kind == "contrast"
}

excepted contains subject if {
	some place, _ in _parts
	subject := _subject(place)
	subject != ""
}

# "Heron's isn't: don't touch it", "Heron's isn't right, leave it".
excepted contains found[1] if some found in regex.find_all_string_submatch_n(_left_alone, _statement, 20)

_left_alone := concat("", [
	`(?i)([^.!?;\n]{1,80}?) (?:isn't|is not|aren't|are not|(?:is|looks|seems) (?:wrong|odd|disputed|unclear))`,
	`[^.!?;\n]{0,40}?[:,;–-] ?(?:(?:so|and|then|please) )*`,
	`(?:(?:don't|do not|never) (?:touch|pay)|leave|excluding) (?:it|them|that)(?: (?:alone|be|open|for now))*`,
	`(?: ?[.,;!?]|$)`,
])

# METADATA
# description: |
#   The acts that the request forbids: for each an object with the act's text, as "tell Ann" in "don't tell Ann", and
#   `acts`, its verbs in every base form that they can have. It says nothing of other acts upon the same thing.
# scope: document
forbidden contains {"acts": acts, "text": part.out} if {
	some part in _parts
	part.kind in {"act", "act instead"}
	acts := _acts(part.out) | {base |
		some found in regex.find_all_string_submatch_n(`(?:,|\b(?:and|or|nor)) *(\pL+)`, lower(part.out), -1)
		some base in verbs.bases(found[1])
	}
}

# METADATA
# description: |
#   The request with "except" for "but" where that leaves something out, as in "all but Ann's", and with "isn't" for
#   "never", "don't", "no longer", "not" and "no" where they tell that something isn't so.
# scope: document
marked := concat("", [text |
	some place, part in _parts
	text := concat("", [_written(part), part.out, _turn(part, place), part.kept])
])

_written(part) := "isn't" if part.kind == "state"

_written(part) := part.cue if {
	part.kind != "state"
	not _exception_but(part)
}

_written(part) := regex.replace(part.cue, `(?i)but$`, "except") if _exception_but(part)

_exception_but(part) if {
	part.kind == "contrast"
	regex.match(`(?i)^(?:all|every|any|each|both|no|whole).*but$`, part.cue)
}

_opening(part) := part.cue if part.kind == "none"

_opening(part) := " … " if {
	part.kind != "none"
	not _plain_exception(part)
}

# "All the invoices" of "all the invoices but".
_opening(part) := sprintf("%s … ", [regex.replace(part.cue, `(?i)but$`, "")]) if _plain_exception(part)

_plain_exception(part) if {
	_exception_but(part)
	not regex.match(_cue, regex.replace(part.cue, `(?i) but$|^\S+`, ""))
}

# ---- parts: a cue, what it rules out, and what follows

_statement := states.waiting(kept_in) if {
	_trusted
	count(input.task.statement) <= 4096
	said := replace(replace(input.task.statement, "’", "'"), "‘", "'")
	straight := _corrected(said)
	kept_in := regex.replace(straight, _left_out, "excluding $1 ; ")
}

# "Order 20, no wait, 30 boxes", "tell Ann, I mean Bob": what is taken back isn't said.
_corrected(said) := said if not regex.match(_taken_back, said)

_corrected(said) := regex.replace(regex.replace(said, _other_number, "$1"), _other_name, "$1$2") if {
	regex.match(_taken_back, said)
}

_other_number := sprintf(`(?i)[$€£]?\b[0-9][0-9.,:]*[0-9]?[%%€]?(?: [a-z]+)?%s([$€£]?[0-9])`, [_taken_back])

_other_name := sprintf(
	`((?i:\b(?:%s) )?)\b\p{Lu}[\p{L}-]+(?: \p{Lu}[\p{L}-]+)?(?:'s)?%s(\p{Lu}[\p{L}-]+)`,
	[concat("|", verbs.known), _taken_back],
)

_taken_back := concat("", [
	`[ ,.…–-]{1,4}(?i:no,? wait|wait,? no|no,? sorry|sorry,? (?:no|i mean)|i meant?|or rather|scratch that|correction`,
	`|actually,? no|make (?:that|it))[,.: …–-]{1,4}`,
	`(?i:(?:it'?s|that'?s|it is|i meant?|make (?:that|it)|to|at|for) ){0,2}`,
])

# As intent.trusted, which is in a package that needs this one.
_trusted if input.task.intent_source == "signed"

_trusted if data.tabard.settings.accept_asserted_intent == true

_left_out := `(?i)\b(?:leave|leaving|keep|keeping|count|counting) ([^.;!?\n]{1,80}?) out\b(?: of (?:it|this|that)\b)?`

_parts := array.concat([{"cue": "", "kind": "none", "out": "", "kept": pieces[0]}], [part |
	some place, cue in regex.find_n(_cue, _statement, -1)
	part := _part(cue, pieces[place], _listed(pieces[place + 1]))
]) if {
	pieces := regex.split(_cue, _statement)
}

# "Except:" with a list on the lines below.
_listed(piece) := piece if not regex.match(`^[^.!?\n]*:[ \t]*\n`, piece)

_listed(piece) := regex.replace(piece, `\s*\n[ \t]*(?:[-*•]|[0-9]+[.)])?[ \t]*`, " , ") if {
	regex.match(`^[^.!?\n]*:[ \t]*\n`, piece)
}

_part(cue, before, piece) := {"cue": cue, "kind": kind, "out": out, "kept": substring(piece, count(out), -1)} if {
	kind := _kind(lower(cue), trim_space(lower(before)), piece)
	out := _out(kind, piece)
}

_kind(cue, before, piece) := "none" if {
	_states_only(cue, piece)
} else := "fact" if {
	_condition_in_front(cue, before, piece)
} else := "state" if {
	_isnt_so(cue, before, lower(piece))
	not regex.match(_wills, lower(_out("state", piece)))
} else := "act" if {
	regex.match(_prohibition, cue)
} else := "act instead" if {
	regex.match(_contrast, cue)
	_verbal(piece)
} else := "contrast" if {
	regex.match(_contrast, cue)
} else := "behind" if {
	regex.match(_behind, cue)
} else := "fact"

# "Unless he objects, book it": the order is behind the comma.
_condition_in_front("unless", before, piece) if {
	regex.match(`(?:^|[.!?;:,–-]|\b(?:and|but|so))$`, before)
	regex.match(`^[^,.!?;\n]*,`, piece)
}

_states_only(cue, _) if regex.match(_statement_only, cue)

_states_only(cue, piece) if states.reports(cue, piece)

_states_only("no", piece) if not regex.match(`(?i)^ [a-z]`, piece)

# "East is out of rope", and not "Ann is out" or "out of it".
_states_only(cue, piece) if {
	regex.match(`^(?:is|are) out$`, cue)
	regex.match(`(?i)^ (?:of|in|at|on) [\pL\pN]`, piece)
	not regex.match(`(?i)^ of (?:it|this|that|these|those|the|our|my|their)\b`, piece)
}

_states_only(cue, piece) if {
	cue == "not only"
	contains(piece, "but")
}

_states_only(cue, piece) if {
	regex.match(_quantified, cue)
	regex.match(_goes_on, piece)
}

# "Without telling Ann", "not to tell Ann".
_verbal(piece) if {
	regex.match(`^(?:\W{0,3}[a-z]+){0,2}\W{1,3}[a-z]{2,}ing\b`, piece)
	count(_acts(piece) & verbs.known) > 0
}

_verbal(piece) if regex.match(sprintf(`^\s*(?:(?:%s|to|you|we|i) )*%s`, [_heads, _next_verb]), piece)

_acts(text) := verbs.bases(found[0][1]) if {
	found := regex.find_all_string_submatch_n(_first_verb, lower(text), 1)
} else := set()

_first_verb := sprintf(`^(?:\W{0,3}(?:%s|to|you|for|by|any(?:one|body)|we|i)\b)*\W{1,3}([a-z]+)`, [_heads])

_heads := "please|just|only|even|also|but|instead|ever|kindly|yet"

_out("none", _) := ""

_out("behind", _) := ""

_out("contrast", piece) := _up_to(piece, _contrast_end(piece))

_out("act instead", piece) := _up_to(piece, _contrast_end(piece))

_out("act", piece) := _up_to(piece, sprintf("%s%s", [_act_end, _same_act(piece)]))

_out(kind, piece) := _up_to(piece, sprintf("%s|,|%s", [_contrast_end(piece), _therefore])) if kind in {"fact", "state"}

# All of it, if brackets don't match.
_up_to(piece, end) := found[0][1] if {
	pattern := sprintf(`(?is)^((?:[ ,]{0,3}(?:%s)\b)*(?:\([^()]*\)|[^()])*?)(?:%s|$)`, [_heads, end])
	found := regex.find_all_string_submatch_n(pattern, piece, 1)
	count(found) > 0
} else := piece

# ---- where it ends

_sentence_end := `[.!?…]+(?:\s|$)|;|\n|\)`

_act_end := concat("|", [_sentence_end, `\bbut\b|\binstead\b|\bjust\b|\bonly\b`])

_contrast_end(piece) := concat("|", [_act_end, _contrast_ends, `, ?for\b`]) if not regex.match(`^[^,]*\bfor\b`, piece)

_contrast_end(piece) := concat("|", [_act_end, _contrast_ends]) if regex.match(`^[^,]*\bfor\b`, piece)

_contrast_ends := concat("|", [
	` [-–—]+ `,
	sprintf(`(?:,|\band\b|\bthen\b|\bso\b)[ ,]*(?:(?:and|also|then|please|just|now|so) )*(?:%s)`, [_next_verb]),
	`\bplease\b`,
	`, ?(?:because|since|as|when|where|who|which|he|she|they|it|we|i|i'll|he'll|she'll|that|this|on|at|with|if)\b`,
])

# In lower case, and no noun or name: "except Ann and Mark", "except invoice 7 and order 8".
_next_verb := sprintf(`(?-i:(?:%s) [^0-9#\s]|(?:%s) %s\b)`, [
	concat("|", verbs.known - _nouns),
	concat("|", _nouns),
	"(?:the|an?|my|our|it|them|him|her|his|their|this|that|these|those|all|every|every(?:one|body)|to|me|us)",
])

_nouns := {"charge", "copy", "file", "grant", "invoice", "list", "mark", "note", "order", "post", "report"}

# After "all of it but": another order or sentence, and nothing that is left out.
_goes_on := concat("", [
	`^[ ,]*(?:(?:please|then|also|first|just|now|only) )*`,
	sprintf(`(?:%s|(?-i:(?:%s)\b))`, [_next_verb, _new_sentence]),
])

_new_sentence := "I|i|we|he|she|they|it|there|you|don't|do not|never|not|without|can|could|if|when"

# What stands before "shouldn't": the subject, without an order before it.
_subject(place) := subject if {
	_parts[place + 1].kind in {"act", "behind"}
	regex.match(_forbids_subject, lower(_parts[place + 1].cue))
	pieces := regex.split(_joints, _parts[place].kept)
	subject := _without_order(pieces[count(pieces) - 1])
} else := ""

_joints := `[.!?;:\n…]|\b(?i:but|because|as|since|that|so|while|though)\b| [-–—]+ `

_without_order(text) := last if {
	regex.match(sprintf(`(?i)^[ ,]*(?:(?:please|then|also|and|just|now) )*(?:%s)\b`, [concat("|", verbs.known)]), text)
	pieces := regex.split(`,|\band\b`, text)
	last := pieces[count(pieces) - 1]
} else := text

# "don't refund Ann, refund Bob": the same order again, and not one of a list.
_same_act(piece) := sprintf(`|, ?(?:please )?(?:%s) [^\s,]`, [verb]) if {
	two := `^ (?:please )?([a-z]+) ([^,.;!?\n()]*), ?(?:please )?([a-z]+) ([^.;!?\n]*)`
	found := regex.find_all_string_submatch_n(two, lower(piece), 1)
	verb := found[0][1]
	found[0][3] == verb
	verb in verbs.known
	not regex.match(`\b(?:or|nor|and|neither|either)\b`, concat(" ", [found[0][2], found[0][4]]))
} else := ""

# "Quote their letter instead of his name, and note it": another order.
_goes_on_with := `^[ ,]*(?:and|then|so)[ ,]+(?:(?:and|also|then|please|just|now|so) )*(?:%s)`

_turn(part, place) := " ; " if {
	part.kind == "contrast"
	regex.match(sprintf(_goes_on_with, [_next_verb]), part.kept)
	not _forbids_before(place)
} else := " ; " if {
	part.kind == "act"
	_same_act(concat("", [part.out, part.kept])) != ""
	regex.match(`^, ?(?:please )?[a-zA-Z]`, part.kept)
} else := ", " if {
	part.kind in {"fact", "state"}
	trim_space(part.out) != ""
	regex.match(`(?i)^ ?(?:so|therefore|hence) `, part.kept)
} else := ""

# A prohibition in the same sentence, to which the order may belong.
_forbids_before(place) if {
	some before, part in _parts
	before < place
	part.kind in {"act", "act instead", "behind"}
	between := concat("", [one.kept | some at, one in _parts; at >= before; at < place])
	not regex.match(`[.!?;\n]`, between)
}

# ---- what tells that something isn't so

# "His bag never arrived", "we never got it", and not "it is never sent to Ann", which is a rule.
_isnt_so("never", before, piece) if {
	regex.match(sprintf(`^ (?:even |really |actually |once |yet )*(?:%s)\b`, [_past]), piece)
	not regex.match(`\b(?:is|are|be|being|gets?|am|must|should|may|can|will|shall|do|please)$|'re$|'ll$`, before)
}

# "They don't want it any more".
_isnt_so(cue, before, piece) if {
	cue in _dont
	regex.match(`\b(?:they|these|those|people|customers|clients|patients|members|users|which)$`, before)
	regex.match(`^ [a-z]`, piece)
}

# "The labels don't print again", and not "for the labels don't print a test page".
_isnt_so(cue, before, piece) if {
	cue in _dont
	regex.match(`[\pL\pN]{2,}s$`, before)
	regex.match(sprintf(`^ (?:%s)%s`, [_happens, _nothing_follows]), piece)
}

# "She no longer wants it", "they no longer fit".
_isnt_so("no longer", _, piece) if {
	regex.match(
		concat("", [
			`^ (?:wants?|needs?|has|have|had|exists?|fits?|likes?|sells?|makes?|offers?|uses?|stocks?|prints?|starts?`,
			`|responds?|opens?)\b`,
		]),
		piece,
	)
}

_isnt_so("no longer", before, piece) if {
	regex.match(`\b(?:is|are|was|were)$|'s$|'re$`, before)
	regex.match(sprintf(`^ (?:%s)\b`, [_conditions]), piece)
}

_isnt_so("no longer", before, piece) if {
	regex.match(`\b(?:can|could)$`, before)
	regex.match(`^ (?:come|make (?:it|that|this)|attend|wait|open|find|reach|travel|drive|walk|log in|sign in)\b`, piece)
}

# "Still not here, refund him": no name may follow, as in "not delivered to Ann, Bob".
_isnt_so("not", before, piece) if {
	regex.match(sprintf(`^ (?:yet |there |here )?(?:%s|%s)%s`, [_conditions, _happened, _nothing_follows]), piece)
	not regex.match(`\b(?:do|does|must|should|may|shall|or|but|if|that|which|who|whether)$`, before)
}

# "There is no rope left, order 60", "no parcel came".
_isnt_so("no", before, piece) if {
	regex.match(`\b(?:there(?: is| are| was| were)?|has|have|had|got)$|\bthere's$`, before)
	regex.match(`^ [a-z]`, piece)
	not regex.match(`^ (?:need|reason|way|point|business|right|refunds?|payments?|access)\b`, piece)
}

_isnt_so("no", _, piece) if regex.match(
	sprintf(`^ (?:[a-z]+ ){1,3}(?:(?:has|have) (?:arrived|come|been)|left|in stock|%s)\b`, [_happened]),
	piece,
)

# "Ann wasn't invited, invite her".
_isnt_so(cue, _, _) if regex.match(`^(?:was|were|wasn|weren)(?: not|'t) (?:invited|included|part)$`, cue)

_dont := {"don't", "do not", "dont"}

_past := sprintf(`[a-z]*[a-df-z]ed|%s`, [concat("|", [
	`been|had|was|were|did|done|got|gotten|came|went|gone|left|made|saw|seen|wrote|written|gave|given|took|taken|ran`,
	`bought|brought|sold|found|kept|heard|held|lost|met|paid|sent|understood|began|broke|fell|rang|spoke|stood|built`,
])])

_happens := concat("|", [
	`works?|prints?|starts?|fit|fits|match|matches|open|load|respond|arrive|exist|show up|turn up|add up|come|close|run`,
])

_happened := concat("|", [
	`arrived|come|came|received|delivered|shipped|sent|paid|refunded|answered|collected|picked up|booked|closed|done`,
	`fixed|started|happened|turned up|showed up`,
])

_conditions := concat("|", [
	`in stock|available|needed|working|wanted|valid|sold|made|there|here|possible|necessary|correct|right|required`,
	`open|usable|up to date|ready|in the system|in our system|on the shelf|on sale|well|able`,
])

_nothing_follows := concat("", [
	`(?: (?:yet|here|there|again|at all|so far|today|properly|either|any ?more|back|up|since [a-z]+`,
	`|for [a-z0-9]+ (?:days|weeks)))*`,
	`(?:[,.;:!?\n]|$| -| –| —| so\b| and\b| because\b)`,
])

# Behind these another act follows, which the negation may forbid: "we never agreed to pay Ann".
_wills := sprintf(
	concat("", [
		`\b(?:to (?:be|have|%s)|agree|agreed|allow|allowed|approved|asked|authori[sz]ed|confirmed|decided|expected|intended`,
		`|instructed|meant|mean|ordered|permitted|planned|promised|requested|said|say|suggested|supposed|thought|told`,
		`|wanted|wants? (?:you|us|me|any|to)|wished|should|must|may|might|get|receive|gets|receives|care|mind)\b`,
	]),
	[concat("|", verbs.known)],
)

# Any order may follow behind these: "none left, so order 60".
_therefore := sprintf(
	`\b(?:so|therefore|hence) (?:(?:please|just|now|also|then) )*(?:%s|we|i|you|can|could|would|let's|he|she|they|it)\b`,
	[concat("|", verbs.known)],
)

# ---- cues

_cue := sprintf(`(?i)\b(?:%s)\b`, [concat("|", [
	_fact_words, _prohibition_words, _behind_words, _quantified_words, _contrast_words, _stated_words,
])])

_whole(words) := sprintf(`^(?:%s)$`, [words])

_statement_only := _whole(_fact_words)

_prohibition := _whole(_prohibition_words)

_contrast := _whole(concat("|", [_quantified_words, _contrast_words]))

_quantified := _whole(_quantified_words)

_behind := _whole(_behind_words)

_forbids_subject := _whole(concat("|", [_behind_words, _prohibited_words]))

# These tell something, or limit a number, and rule out nothing.
_fact_words := concat("|", [
	`(?:no|not) (?:more|less|later|earlier|fewer|sooner|higher|lower|cheaper) than`,
	concat("", [
		`(?:i|we) (?:can't|cannot|couldn't|could not|don't|do not|didn't|did not|haven't|have not)(?: yet)?`,
		` (?:find|found|reach|reached|know|remember|recall|see|seen|hear|heard|get hold|got|received|have)`,
	]),
	`(?:don't|do not|dont|never) (?:forget|hesitate)`,
	`no (?:problem|rush|hurry|worries|doubt)|not sure|why not|(?:if|whether or) not`,
])

_prohibited_words := concat("|", [
	`(?:must|should|shall|may|need|ought)(?: not|n'?t)|(?:must|should|shall|may) never|shan't|no longer`,
	`(?:doesn't|does not|don't|do not|won't|will not|can't|cannot) (?:get|receive)`,
	concat("", [
		`(?:is|are|was|were|isn|aren|wasn|weren)(?: not|'t) (?:to|for|allowed|supposed|meant|going|invited|included`,
		`|welcome|part)`,
	]),
])

_prohibition_words := concat("|", [
	_prohibited_words,
	`(?:do not|don't|dont|never)|refrain(?:ing)? from|avoid|no need|unless|forget about|never mind`,
	`(?:under no circumstances|on no account|in no case|by no means)`,
])

_behind_words := `(?:(?:is|are|be) )?(?:excepted|excluded|left out|aside)|(?:is|are|be|stays?|remains?) out`

_quantified_words := concat("", [
	`(?:all|every|every(?:one|body|thing)|any|any(?:one|body|thing)|each|both|no ?one|no(?:body|ne|thing)`,
	`|whole)(?: [^\s,.;:!?]+){0,6},? but`,
])

_contrast_words := concat("|", [
	`not only|not|except|excepting|excluding|without|instead of|in place of|in lieu of|rather than|apart from`,
	`aside from|other than|besides|save for|but for|with the exception of|as opposed to|minus|barring|neither|nor`,
	`skip|skipping|omit|omitting|ignore|ignoring|exclude|leave out|leaving out|forget|unlike`,
	`wait (?:with|on)|hold off (?:on|with)`,
])

_stated_words := concat("|", [
	`(?:can|could|will|would|is|are|was|were|does|did|has|have|had) not|cannot`,
	`(?:can|couldn|won|wouldn|isn|aren|wasn|weren|doesn|didn|hasn|haven|hadn|ain)'?t`,
	`no`,
])
