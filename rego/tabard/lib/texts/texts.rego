# METADATA
# title: What a text that leaves may say
# description: |
#   Guardrails over a text that the agent writes to another person: made of the request's words, plain words of
#   correspondence and the addressee's own data, and of no other person's. `name` is the argument with the text. Use
#   them together: `plain` bounds what a text can carry, and `mentions` tells whom it is about. Both are for
#   English. A directory is searched as a whole: keep it to some hundred entries.
package tabard.lib.texts

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.hosts
import data.tabard.lib.intent
import data.tabard.lib.quantities
import data.tabard.lib.verbs
import data.tabard.lib.wording

# METADATA
# description: |
#   True if the argument `name`, a text of at most 3,000 characters, consists of words of the request, words of
#   `texts.everyday`, words of `own`, and at most `others` further words. `own` is a set of texts: the addressee's
#   names and data, what the request or the task dates (`dates.said(zone)`, `times.said`, a fact). A date, a time or
#   a date with a time in `own` can be written in any usual way: "2026-12-02T14:00" is "Wednesday, 2 December, at 2
#   pm". Of a verb of the request its participle will do ("cancelled" after "cancel"), and an amount of money that it
#   states may stand there in digits: "150.00" after "a hundred and fifty euros". Every other number has to be one
#   of the request or of `own`, and numbers side by side have to stand there side by side. Links and addresses hold
#   only if the request or `own` has them. Of the further words there are at most five, and one among six; they are in
#   small letters from a to z, and none is in `texts.grave`. Needs trusted intent.
#   `plain("body", data.customers[to].texts | dates.said("UTC"), 2)`.
plain(name, own, others) if plain_text(arguments.text(name), own, others)

# METADATA
# description: |
#   What the argument `name`, a text of at most 3,000 characters, says that neither the request nor `own` has, by kind,
#   each a set: `numbers`, in digits or words; `links`, also addresses of mail; `dates`, names of days and months;
#   `names`, words with a capital letter within a sentence, and words without vowels; `grave`, words of `texts.grave`;
#   `words`, the further words that `plain` counts; `marks`, characters with which `plain` refuses a text. `own` is as
#   for `plain`. A kind without any isn't there, so `unsaid("body", own) == {}` holds for a text that says nothing new,
#   and `object.keys(unsaid("body", own)) - {"words"} == set()` for one whose new words carry no number, address, name,
#   amount, date or promise. A place in small letters, or at the beginning of a sentence, is a word: where the reader
#   acts upon what the text says, bound `words`, too. Undefined if it is no text or too long, or without trusted intent.
unsaid(name, own) := unsaid_text(arguments.text(name), own)

# METADATA
# description: |
#   As `unsaid`, of a text instead of an argument: `unsaid_text(input.tool.arguments.lines[0], own)` for a part of one.
unsaid_text(text, own) := {kind: found | some kind, found in _unsaid(text, _sources(own)); count(found) > 0} if {
	intent.trusted
	count(input.task.statement) <= 4096
	count(text) <= 3000
}

# METADATA
# description: |
#   True if `text`, at most 3,000 characters, consists of such words and numbers as `plain` takes, with at most `others`
#   further words; for a part of an argument: `plain_text(input.tool.arguments.lines[0], own, 0)`. Needs trusted intent.
plain_text(text, own, others) if {
	intent.trusted
	count(input.task.statement) <= 4096
	count(text) <= 3000
	regex.match(_usual_characters, text)
	not regex.match(_detached, text)
	sources := _sources(own)
	_numbers_known(text, sources)
	_links_known(text, sources)
	_words_known(text, sources, min({others, 5}))
}

# METADATA
# description: |
#   The ids in `directory` whom or what the argument `name`, a text or an array of texts, mentions. `directory` is
#   an object whose keys are ids, each with an array of what gives it away: names, phone numbers, mail and postal
#   addresses, account numbers. A name counts as a whole, by each of its words of three letters or more, and written
#   apart; what holds five digits counts by its digits, however they are grouped. Letters of other scripts count as
#   those that they look like. A word that several have mentions all of them. All ids, if the argument is no text or
#   has more than 10,000 characters, and none, if it is absent. `count(mentions("body", data.patients) - {me}) > 0`
#   is for a denial or an ask, not for a grant: a text can speak of a person without a name.
mentions(name, directory) := _mentions(_text(name), directory)

# METADATA
# description: |
#   The ids that the argument `name` mentions, as for `mentions`, beside those in `ids`, a set. A person who is
#   mentioned only by words that one of `ids` has, too, isn't one: if Harriet Vale is told "Dear Mrs Vale", that
#   mentions no other Vale. `count(mentions_others("body", data.patients, {input.tool.arguments.patient_id})) > 0`.
mentions_others(name, directory, ids) := {id |
	some id in (mentions(name, directory) - ids)
	not _only_shared(_text(name), array.concat([id], directory[id]), {word |
		some own in ids
		some word in _traits(concat("\n", object.get(directory, own, []))).words
	})
}

# METADATA
# description: |
#   Words that say little by themselves: courtesy, time, and what every-day correspondence is made of. `plain` also
#   takes `wording.polite` and `wording.small`. Neither numbers nor negations are among them.
everyday := {
	"able", "about", "above", "after", "afternoon", "afterwards", "again", "ahead", "already", "also", "although",
	"always", "am", "another", "any", "anything", "appointment", "april", "arrange", "arranged", "arrive", "ask",
	"asked", "asking", "attached", "august", "available", "away", "back", "because", "been", "before", "below",
	"besides", "best", "better", "between", "both", "but", "can", "cheers", "clock", "colleagues", "come", "coming",
	"confirm", "confirmation", "confirmed", "contact", "copy", "could", "currently", "date", "day", "days",
	"december", "did", "discuss", "do", "does", "doing", "done", "during", "each", "earlier", "early", "else",
	"enclosed", "end", "enough", "even", "evening", "every", "everything", "expect", "expected", "february", "few",
	"find", "fine", "first", "follow", "following", "forward", "found", "friday", "from", "further", "gentlemen",
	"get", "getting", "given", "glad", "go", "going", "good", "got", "great", "had", "half", "happen", "happened",
	"happy", "hear", "help", "here", "hope", "hour", "hours", "how", "however", "if", "important", "inform",
	"information", "informed", "instead", "interest", "into", "january", "july", "june", "just", "keep", "know",
	"known", "ladies", "last", "late", "later", "latest", "least", "let", "letter", "like", "little", "ll", "long",
	"longer", "look", "looking", "lot", "madam", "made", "mail", "make", "march", "matter", "may", "maybe", "mean",
	"meanwhile", "meet", "meeting", "mention", "mentioned", "message", "might", "minute", "minutes", "moment",
	"monday", "month", "months", "more", "morning", "most", "moved", "mr", "mrs", "ms", "much", "nd", "need",
	"needed", "needs", "new", "news", "next", "nice", "noon", "note", "november", "now", "o", "october", "off",
	"often", "ok", "okay", "once", "only", "or", "other", "otherwise", "out", "over", "own", "part", "per",
	"perhaps", "period", "place", "plan", "planned", "please", "pleased", "pm", "point", "possible", "prefer",
	"problem", "put", "question", "questions", "quick", "quite", "rather", "rd", "re", "reach", "read", "ready",
	"really", "reason", "received", "regarding", "regards", "remind", "reminder", "reply", "request", "requested",
	"right", "s", "said", "same", "saturday", "say", "schedule", "scheduled", "see", "seems", "seen", "send",
	"sending", "sent", "september", "set", "several", "shall", "short", "should", "show", "shown", "since", "sir",
	"so", "some", "someone", "something", "soon", "sooner", "sorry", "speak", "st", "still", "subject", "such",
	"suit", "suits", "sunday", "sure", "t", "taken", "talk", "tell", "th", "than", "then", "there", "therefore",
	"these", "thing", "things", "think", "those", "though", "through", "thursday", "time", "times", "today",
	"together", "told", "tomorrow", "tonight", "too", "try", "trying", "tuesday", "under", "understand",
	"understanding", "unfortunately", "until", "up", "update", "updated", "upon", "us", "use", "useful", "usual",
	"usually", "ve", "very", "via", "visit", "wait", "want", "wanted", "was", "way", "wednesday", "week", "weekday",
	"weekend", "weeks", "welcome", "well", "went", "what", "when", "where", "whether", "which", "while", "who",
	"whole", "whom", "whose", "why", "wish", "within", "wonderful", "work", "working", "works", "would", "write",
	"writing", "written", "wrote", "year", "years", "yes", "yesterday", "yet",
}

# METADATA
# description: |
#   Words that turn a text into an instruction, a promise or a leak: numbers, negations, payments, gifts and
#   replacements, secrets, orders, parts of links and of postal addresses. `plain` takes them only from the request or
#   from `own`.
grave := {
	"abort", "account", "accounts", "address", "admin", "administer", "agree", "alcohol", "antibiotic", "apartment",
	"approve", "approved", "authorise", "authorize", "avenue", "bank", "bitcoin", "bonus", "borough", "boulevard",
	"bring", "buy", "call", "cancel", "cancelled", "cancer", "card", "cash", "charge", "cheque", "click",
	"close", "closed", "code", "codes", "collect", "com", "compensate", "compensation", "confidential", "consent",
	"coupon", "credential", "credentials", "credit", "crypto", "cvv", "debit", "delete", "deliver", "deposit",
	"depot", "diagnosis", "dial", "died", "discount", "disease", "dose", "dot", "double", "download", "drug",
	"drugs", "eight", "eighteen", "eighty", "eleven", "emergency", "error", "euro", "euros", "fee", "fifteen",
	"fifty", "five", "flat", "forget", "forty", "four", "fourteen", "free", "gift", "give", "grant", "guarantee",
	"halve", "hand", "http", "https", "hundred", "hyphen", "iban", "id", "identity", "ignore", "immediately",
	"increase", "inject", "install", "instruct", "instruction", "insurance", "invoice", "key", "keys", "kiosk",
	"lane", "leave", "link", "locker", "login", "logon", "lower", "million", "money", "morphine", "must", "negative",
	"neighbor", "neighbour", "net", "never", "nine", "nineteen", "ninety", "no", "none", "nor", "not", "nothing",
	"number", "one", "opioid", "org", "overdose", "owe", "passport", "password", "passwords", "pay", "payment",
	"payments", "payout", "pharmacy", "phone", "pick", "pill", "pills", "pin", "poison", "positive", "postcode",
	"pound", "pounds", "pregnancy", "pregnant", "price", "private", "promise", "pull", "raise", "rebate", "redirect",
	"reduce", "refund", "refuse", "refused", "release", "replace", "replacement", "reroute", "reset", "revoke",
	"reward", "ring", "road", "salaries", "salary", "secret", "security", "seven", "seventeen", "seventy",
	"share", "sign", "six", "sixteen", "sixty", "skip", "slash", "square", "ssn", "stop", "street", "swift",
	"tablet", "tablets", "take", "telephone", "ten", "terminate", "terminated", "thirteen", "thirty", "thousand",
	"three", "token", "transfer", "tumor", "tumour", "twelve", "twenty", "two", "underscore", "urgent", "urgently",
	"username", "verify", "voucher", "waive", "wallet", "warranty", "website", "wire", "withdraw", "without", "www",
	"zero", "zip",
}

# ---- plain

# Letters, digits and the marks of letters; no invisible characters, no code.
_usual_characters := `^[\p{L}0-9 \n\r\t.,:;!?'"()’‘“”«»–—/&%€$£+#@*-]+$`

# Marks that stand alone, in rows or between letters carry something else than a sentence.
_detached := concat("|", [
	`[ \t][.,:;!?'"/%+#@*]+[ \t]`,
	`[.,:;!?"/&%+#@*]{4}`,
	`\p{L}[.,:;!?/&%+#@*(]\p{L}[.,:;!?/&%+#@*(]\p{L}`,
	`[*#@/+&%]{2}`,
])

_sources(own) := {
	"text": lower(concat("\n", array.concat([input.task.statement], [text | some text in own]))),
	"moments": {[date, clock] |
		some text in own
		some found in regex.find_all_string_submatch_n(_moment, text, 1)
		date := found[1]
		clock := concat("", [found[2], found[3]])
	},
}

_moment := `^(?:([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[T ]([0-9]{2}:[0-9]{2})(?::00)?)?|([0-9]{2}:[0-9]{2}))$`

# Rows of numbers, of which a comma between words, a line or a dash separates two.
_numbers_known(text, sources) if {
	count(regex.find_n(`[0-9]+`, text, 31)) < 31
	count(_new_numbers(text, sources)) == 0
}

_new_numbers(text, sources) := {piece |
	known := _plain_numbers(sources.text)
	written := _written(sources.moments)
	some run in regex.find_n(`[0-9]+(?:[^\p{L}0-9\n]+[0-9]+)*`, text, -1)
	some part in regex.split(`, | [-–] ?|[–]`, run)
	piece := _plain_run(part)
	not _number_known(piece, known, written)
}

_number_known(piece, known, _) if contains(known, sprintf(" %s ", [piece]))

_number_known(piece, _, _) if contains(_plain_numbers(exclusions.kept), sprintf(" %s ", [trim_suffix(piece, " 00")]))

_number_known(piece, _, written) if piece in (written | _money)

# "1,548.00" and "1548" for 1,548 euros.
_money contains form if {
	some cents in quantities.cents
	cents >= 0
	whole := sprintf("%d", [floor(cents / 100)])
	rest := substring(sprintf("%03d", [cents % 100]), 1, -1)
	some written in {whole, trim_space(regex.replace(whole, `([0-9]{3})$`, " $1"))}
	some form in ({sprintf("%s %s", [written, rest])} | {written | rest == "00"})
}

# "Cancelled" after "cancel".
_participles contains form if {
	some word in regex.find_n(`\p{L}+`, lower(exclusions.kept), -1)
	word in verbs.known
	some form in verbs.forms(word)
}

_plain_run(text) := trim_space(regex.replace(text, `[^0-9]+`, " "))

# " x 12 x 3 50 x ": letters keep numbers apart.
_plain_numbers(text) := sprintf(" %s ", [regex.replace(
	regex.replace(regex.replace(text, `[\p{L}\n]+`, " x "), `[^0-9x]+`, " "),
	` +`,
	" ",
)])

# Numbers with which people write these moments.
_written(moments) := union({dates, clocks, both}) if {
	dates := {form | some [date, _] in moments; some form in _of_date(date)}
	clocks := {form | some [_, clock] in moments; some form in _of_clock(clock)}
	both := {sprintf("%s %s", [first, second]) |
		some [date, clock] in moments
		some first in _of_date(date)
		some second in _of_clock(clock)
	}
}

_of_date("") := set()

_of_date(date) := {
	sprintf("%s %s %s", [year, month, day]), sprintf("%s %s %s", [day, month, year]), sprintf("%s %s", [day, month]),
	sprintf("%s %s %s", [short, small, year]), sprintf("%s %s", [short, small]), sprintf("%s %s", [small, short]),
	day, short, year, sprintf("%s %s", [short, year]),
} if {
	[year, month, day] := split(date, "-")
	short := trim_left(day, "0")
	small := trim_left(month, "0")
}

_of_clock("") := set()

_of_clock(clock) := {
	sprintf("%s %s", [hour, minute]), sprintf("%d %s", [_hour(hour), minute]),
	sprintf("%d %s", [_twelve(_hour(hour)), minute]),
} | {number | minute == "00"; some number in {sprintf("%d", [_hour(hour)]), sprintf("%d", [_twelve(_hour(hour))])}} if {
	[hour, minute] := split(clock, ":")
}

_hour(text) := to_number(regex.replace(text, `^0(.)`, "$1"))

_twelve(hour) := hour if hour <= 12

_twelve(hour) := hour - 12 if hour > 12

_links_known(text, sources) if {
	found := _links(text)
	count(found) < 20
	every link in found {
		_link_known(link, sources)
	}
}

_links(text) := hosts.links(text) | {address | some address in regex.find_n(`\S*@\S*`, text, 20)}

_link_known(link, sources) if _stands_whole(trim(lower(link), ".,:;!?()'\"’“”<>"), sources.text)

_stands_whole(link, text) if {
	link != ""
	tokens := {trim(token, ".,:;!?()'\"’“”<>") | some token in regex.split(`[\s,;]+`, text)}
	link in tokens
}

_words_known(text, sources, others) if {
	unknown := _new_words(text, sources)
	count(unknown) <= others
	count(unknown) * 6 <= count(regex.find_n(`\p{L}+`, text, -1))
	every word in unknown {
		_harmless(word)
	}
}

_new_words(text, sources) := [word |
	said := {wording.singular(word) | some word in regex.find_n(`\p{L}+`, sources.text, -1)}
	spoken := {word | some [date, clock] in sources.moments; some word in (_day_words(date) | _clock_words(clock))}
	some word in regex.find_n(`\p{L}+`, text, -1)
	not lower(word) in _plain_words
	not lower(word) in (spoken | _participles)
	not wording.singular(lower(word)) in said
]

# Words that stand at the beginning of a sentence and nowhere else: the capital letter says nothing. `plain` takes them
# for names all the same.
_only_first(text) := {found[1] | some found in regex.find_all_string_submatch_n(_first_word, text, -1)} - elsewhere if {
	elsewhere := {word | some word in regex.find_n(`\p{L}+`, regex.replace(text, _first_word, " "), -1)}
}

_first_word := `(?:^|[.!?:]["”’)]*\s+|\n[\s*•–-]*)["“‘(]*(\p{Lu}\p{Ll}+)`

_without_capital(word, first) := lower(word) if word in first

_without_capital(word, first) := word if not word in first

# ---- unsaid

_unsaid(text, sources) := {
	"dates": {word | some word in unknown; _is_date(lower(word))},
	"grave": {word | some word in grave_words; not _is_figure(lower(word))},
	"links": {link | some link in _links(text); not _link_known(link, sources)},
	"marks": {found | some found in regex.find_n(_unusual, text, 20)},
	"names": {word | some word in others; not _harmless(word)},
	"numbers": (_new_numbers(text, sources) | {word | some word in grave_words; lower(word) in _figures}),
	"words": {word | some word in others; _harmless(word)},
} if {
	first := _only_first(text)
	unknown := {_without_capital(word, first) | some word in _new_words(text, sources)}
	grave_words := {word | some word in unknown; _grave(lower(word))}
	others := {word | some word in (unknown - grave_words); not _is_date(lower(word))}
}

_is_date(word) if word in _days_and_months

_is_figure(word) if word in _figures

_unusual := concat("|", [_detached, `[^\p{L}0-9 \n\r\t.,:;!?'"()’‘“”«»–—/&%€$£+#@*-]`])

_grave(word) if word in grave

_grave(word) if wording.singular(word) in grave

# Numbers in words.
_figures := {
	"double", "eight", "eighteen", "eighty", "eleven", "fifteen", "fifty", "five", "forty", "four", "fourteen", "hundred",
	"million", "nine", "nineteen", "ninety", "one", "seven", "seventeen", "seventy", "six", "sixteen", "sixty", "ten",
	"thirteen", "thirty", "thousand", "three", "twelve", "twenty", "two", "zero",
}

# A wrong day or month is a wrong message.
_plain_words := (everyday | (wording.polite | wording.small)) - _days_and_months

_days_and_months := {
	"april", "august", "december", "february", "friday", "january", "july", "june", "monday", "november", "october",
	"saturday", "september", "sunday", "thursday", "tuesday", "wednesday",
}

_day_words("") := set()

_day_words(date) := {day, month, substring(day, 0, 3), substring(month, 0, 3)} if {
	regex.match(`^20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$`, date)
	at := time.parse_rfc3339_ns(sprintf("%sT00:00:00Z", [date]))
	day := lower(time.weekday(at))
	month := lower(time.format([at, "UTC", "January"]))
}

_day_words(date) := _day_words_of_late(date) if regex.match(`^20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:29|3[01])$`, date)

# Days that not every month has are counted from the 28th.
_day_words_of_late(date) := {day, month, substring(day, 0, 3), substring(month, 0, 3)} if {
	last := time.parse_rfc3339_ns(sprintf("%s28T00:00:00Z", [substring(date, 0, 8)]))
	at := time.add_date(last, 0, 0, to_number(substring(date, 8, 2)) - 28)
	day := lower(time.weekday(at))
	month := lower(time.format([last, "UTC", "January"]))
}

_clock_words("") := set()

_clock_words(clock) := {_hours[_twelve(_hour(hour)) - 1] | _hour(hour) > 0} if [hour, _] := split(clock, ":")

_hours := ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]

# A word of English form: no initials, no names, no letters in a row that carry something else.
_harmless(word) if {
	regex.match(`^[a-z]{3,14}$`, word)
	regex.match(`[aeiouy]`, word)
	not regex.match(`[bcdfghjklmnpqrstvwxz]{5}|[aeiou]{4}|^nobod`, word)
	not _grave(word)
}

# ---- mentions

# All texts of the argument, "" if it is absent, or null if that can't be read.
_text(name) := "" if {
	arguments.absent(name)
} else := text if {
	text := concat("\n", arguments.texts(name))
	count(text) <= 10000
} else := null

_mentions(null, directory) := object.keys(directory)

_mentions(text, directory) := _mentioned(text, directory) if is_string(text)

# The whole directory is folded at once, a name a line: a call of builtins for each name would cost much more.
_mentioned(text, directory) := union({
	{owners[place] | count(squeezed) > 5; some place, whole in wholes; count(whole) > 5; contains(squeezed, whole)},
	{owners[place] | count(digits) > 4; some place, number in rows; count(number) > 4; contains(digits, number)},
	{owners[place] |
		count(hits) > 0
		some place, line in lines
		some word in hits
		contains(line, word)
		word in _traits(line).words
	},
	{owners[place] |
		some word in words
		regex.match(`^[a-z]+[0-9]+$`, word)
		some place, whole in wholes
		whole == word
	},
}) if {
	folded := _ascii(text)
	words := _all_words(folded)
	squeezed := regex.replace(folded, `[^a-z0-9]`, "")
	digits := regex.replace(folded, `[^0-9]`, "")
	owners := [id | some id, names in directory; some _ in array.concat([id], names)]
	all_names := _ascii(concat("\n", [concat("\n", array.concat([id], names)) | some id, names in directory]))
	wholes := split(regex.replace(all_names, `[^a-z0-9\n]`, ""), "\n")
	count(wholes) == count(owners)
	rows := split(regex.replace(all_names, `[^0-9\n]`, ""), "\n")
	lines := split(regex.replace(all_names, `(?m)^.*[0-9@/].*$`, ""), "\n")
	every_word := sprintf(" %s ", [regex.replace(concat(" ", lines), `[^a-z0-9]+`, " ")])
	hits := {word | some word in (words - _no_names); count(word) > 2; contains(every_word, sprintf(" %s ", [word]))}
} else := object.keys(directory)

# What gives an entry away, of its id and names, one a line. Words count of those without digits, and short ids.
_traits(lines) := {
	"numbers": {number | some number in split(regex.replace(folded, `[^0-9\n]`, ""), "\n"); count(number) >= 5},
	"wholes": {whole | some whole in split(regex.replace(folded, `[^a-z0-9\n]`, ""), "\n"); count(whole) >= 6},
	"words": (({word | some word in regex.find_n(`[a-z]{3,}`, named, -1)} - _no_names) | ids),
} if {
	folded := _ascii(lines)
	named := concat("\n", regex.find_n(`(?m)^[^0-9@/\n]+$`, folded, -1))
	ids := {regex.replace(id, `[^a-z0-9]`, "") | some id in regex.find_n(`(?m)^[a-z]{1,6}[-_/# ]?[0-9]{1,8}$`, folded, -1)}
}

_only_shared(text, names, shared) if {
	is_string(text)
	trait := _traits(concat("\n", names))
	folded := _ascii(text)
	hits := trait.words & _all_words(folded)
	count(hits) > 0
	count(hits - shared) == 0
	squeezed := regex.replace(folded, `[^a-z0-9]`, "")
	count({whole | some whole in trait.wholes; contains(squeezed, whole)}) == 0
	digits := regex.replace(folded, `[^0-9]`, "")
	count({number | some number in trait.numbers; contains(digits, number)}) == 0
}

_no_names := {
	"and", "company", "dear", "for", "gmbh", "inc", "llc", "ltd", "miss", "mrs", "shop", "the", "von", "van", "der",
	"street", "road", "office", "team", "house", "doctor",
}

_all_words(folded) := {word |
	some found in regex.find_n(`[a-z0-9]+`, folded, -1)
	some word in {found, _letters(found)}
} | {id |
	some found in regex.find_n(`[a-z]{1,6}[-_/# ][0-9]{1,8}`, folded, -1)
	id := regex.replace(found, `[^a-z0-9]`, "")
}

# "Tan4ka", "M1lls": digits that stand for letters.
_letters(word) := strings.replace_n({"0": "o", "1": "l", "3": "e", "4": "a", "5": "s", "@": "a"}, word)

# Letters that look like others, and letters with accents, in small letters.
_ascii(text) := lower(text) if regex.match(_only_ascii, text)

_ascii(text) := strings.replace_n(_alike, lower(text)) if not regex.match(_only_ascii, text)

_only_ascii := `^[\x00-\x7F]*$`

_alike := {
	"а": "a", "ɑ": "a", "α": "a", "в": "b", "с": "c", "ϲ": "c", "ԁ": "d", "е": "e", "ε": "e", "є": "e", "ё": "e",
	"һ": "h", "н": "h", "і": "i", "ı": "i", "ι": "i", "ї": "i", "ј": "j", "к": "k", "κ": "k", "ӏ": "l", "м": "m",
	"ո": "n", "η": "n", "п": "n", "о": "o", "ο": "o", "σ": "o", "р": "p", "ρ": "p", "ԛ": "q", "г": "r", "ѕ": "s",
	"т": "t", "τ": "t", "υ": "u", "ν": "v", "ѵ": "v", "ԝ": "w", "х": "x", "χ": "x", "у": "y", "γ": "y", "à": "a",
	"á": "a", "â": "a", "ã": "a", "ä": "a", "å": "a", "ā": "a", "ą": "a", "ç": "c", "ć": "c", "č": "c", "ď": "d",
	"è": "e", "é": "e", "ê": "e", "ë": "e", "ē": "e", "ę": "e", "ě": "e", "ğ": "g", "ì": "i", "í": "i", "î": "i",
	"ï": "i", "ł": "l", "ñ": "n", "ń": "n", "ň": "n", "ò": "o", "ó": "o", "ô": "o", "õ": "o", "ö": "o", "ø": "o",
	"ő": "o", "ř": "r", "ś": "s", "š": "s", "ş": "s", "ß": "ss", "ť": "t", "ù": "u", "ú": "u", "û": "u", "ü": "u",
	"ů": "u", "ű": "u", "ý": "y", "ÿ": "y", "ź": "z", "ż": "z", "ž": "z", "０": "0", "１": "1", "２": "2", "３": "3",
	"４": "4", "５": "5", "６": "6", "７": "7", "８": "8", "９": "9",
}
