# METADATA
# title: What the request rules out
# description: |
#   People name things that they don't mean: "Bell Street, not Harbour", "all but Ann's", "don't send it to Tom". These
#   values split the person's request, if the intent is trusted, into what it keeps and what it rules out. Packages that
#   hand out names, values, hosts and groups (`intent.mentions`, `entities`, `outbound`, `hosts`, `paths`, `quantities`,
#   `amounts`) read what is kept. Where English leaves open what a negation belongs to, the names behind it are out.
package tabard.lib.exclusions

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
# description: The request with "except" for "but" where that leaves something out, as in "all but Ann's".
# scope: document
marked := concat("", [text |
	some part in _parts
	text := concat("", [_written(part), part.out, part.kept])
])

_written(part) := part.cue if not _exception_but(part)

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

_statement := regex.replace(straight, _left_out, "excluding $1 ; ") if {
	_trusted
	count(input.task.statement) <= 4096
	straight := replace(replace(input.task.statement, "’", "'"), "‘", "'")
}

# As intent.trusted, which is in a package that needs this one.
_trusted if input.task.intent_source == "signed"

_trusted if data.tabard.settings.accept_asserted_intent == true

_left_out := `(?i)\b(?:leave|leaving|keep|keeping|count|counting) ([^.;!?\n]{1,80}?) out\b(?: of (?:it|this|that)\b)?`

_parts := array.concat([{"cue": "", "kind": "none", "out": "", "kept": pieces[0]}], [part |
	some place, cue in regex.find_n(_cue, _statement, -1)
	part := _part(cue, _listed(pieces[place + 1]))
]) if {
	pieces := regex.split(_cue, _statement)
}

# "Except:" with a list on the lines below.
_listed(piece) := piece if not regex.match(`^[^.!?\n]*:[ \t]*\n`, piece)

_listed(piece) := regex.replace(piece, `\s*\n[ \t]*(?:[-*•]|[0-9]+[.)])?[ \t]*`, " , ") if {
	regex.match(`^[^.!?\n]*:[ \t]*\n`, piece)
}

_part(cue, piece) := {"cue": cue, "kind": kind, "out": out, "kept": substring(piece, count(out), -1)} if {
	kind := _kind(lower(cue), piece)
	out := _out(kind, piece)
}

_kind(cue, piece) := "none" if {
	_states_only(cue, piece)
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

_states_only(cue, _) if regex.match(_statement_only, cue)

_states_only("no", piece) if not regex.match(`(?i)^ [a-z]`, piece)

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

_out("act", piece) := _up_to(piece, _act_end)

_out("fact", piece) := _up_to(piece, sprintf("%s|,", [_contrast_end(piece)]))

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
	`no (?:problem|rush|hurry|worries|doubt)|not sure|why not`,
])

_prohibited_words := concat("|", [
	`(?:must|should|shall|may|need|ought)(?: not|n't)|shan't|no longer`,
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
])

_stated_words := concat("|", [
	`(?:can|could|will|would|is|are|was|were|does|did|has|have|had) not|cannot`,
	`(?:can|couldn|won|wouldn|isn|aren|wasn|weren|doesn|didn|hasn|haven|hadn|ain)'t`,
	`no`,
])
