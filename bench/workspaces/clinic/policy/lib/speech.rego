# What the person's signed request says, word by word. Nothing in here reads anything that the agent states.
package lib.speech

import data.tabard.lib.intent
import data.tabard.lib.wording

default text := ""

text := replace(replace(lower(input.task.statement), "’", "'"), "–", "-") if intent.trusted

# The request without its questions: "What does Medilab write?" is no order to write.
orders := regex.replace(_statements, `\b(give|tell|show|send|write|read|get|let|find|bring|remind|message|mail|text) (me|us)\b`, "report")

_statements := regex.replace(text, `(^|[.!?:;] ?)(and |so |hi,? |hello,? )?(what|what's|whats|when|which|who|how|why|where|is|are|does|did|do|has|have|was|were)\b[^?.!]*\?`, ". ")

# The words of the orders, in their order.
list := regex.find_n(`[a-z0-9]+`, orders, 400)

_at := {i: word | some i, word in list}

words := {word | some word in regex.find_n(`[a-z0-9]+`, text, 400)}

re(pattern) if regex.match(pattern, text)

asks(pattern) if regex.match(pattern, orders)

# A name, as whole words.
names(phrase) if {
	contains(text, phrase)
	regex.match(sprintf(`(^|[^a-z0-9])%s($|[^a-z0-9])`, [replace(phrase, ".", `\.`)]), text)
}

# --- Dates -------------------------------------------------------------------------------------------------------

_day_ns := 86400000000000

_today_ns := time.parse_ns("2006-01-02", data.today)

day(n) := time.format([_today_ns + (n * _day_ns), "UTC", "2006-01-02"])

_weekdays := {"sunday": 0, "monday": 1, "tuesday": 2, "wednesday": 3, "thursday": 4, "friday": 5, "saturday": 6, "mon": 1, "tue": 2, "tues": 2, "wed": 3, "thu": 4, "thurs": 4, "fri": 5}

_weekday_today := _weekdays[lower(time.weekday(_today_ns))]

days contains day(0) if re(`\b(today|tonight|this (morning|afternoon|evening))\b`)

days contains day(1) if "tomorrow" in words

days contains day(2) if re(`\bday after tomorrow\b|\bin two days\b`)

days contains day(7) if re(`\bin (a week|one week)\b|\b(a|one) week (from|later)\b|\bnext week\b.*same|same.*\bnext week\b`)

days contains day(14) if re(`\bin (two weeks|a fortnight)\b`)

# The next day of this name; the one after it if the request says "next" or "the following", or today has that name.
days contains day((_weekdays[name] - _weekday_today) + _to_next[name]) if some name, _ in _to_next

_to_next[name] := 7 if {
	some name, number in _weekdays
	_spoken[name]
	number < _weekday_today
}

_to_next[name] := 0 if {
	some name, number in _weekdays
	_spoken[name]
	number >= _weekday_today
}

_spoken[name] if {
	some word in words
	name := trim_suffix(word, "s")
	_weekdays[name]
}

_spoken[name] if {
	some name in words
	_weekdays[name]
}

days contains day(((_weekdays[name] - _weekday_today) + _to_next[name]) + 7) if {
	some name, _ in _to_next
	_later_week(name)
}

_later_week(name) if re(sprintf(`\b(next|following) (week's |week |week on )?%s|\b%s (of )?(next week|week|after)\b`, [name, name]))

_later_week(name) if {
	_weekdays[name] == _weekday_today
	not re(`\b(today|this monday)\b`)
}

_later_week(name) if {
	re(`\bnext week\b`)
	_spoken[name]
}

days contains day(n) if {
	re(`\bthis week\b|\brest of the week\b`)
	some n in numbers.range(0, 6)
}

days contains day(n) if {
	re(`\bnext week\b`)
	count(_to_next) == 0
	some n in numbers.range(7 - (_weekday_today - 1), 13 - (_weekday_today - 1))
}

days contains found if some found in regex.find_n(`\b20\d\d-\d\d-\d\d\b`, text, 20)

_months := {"jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12}

_date(number, month) := sprintf("%d-%02d-%02d", [_year(month), month, number])

_year(month) := 2026 if month >= 11

_year(month) := 2027 if month < 11

days contains _date(to_number(found[1]), _months[found[2]]) if {
	some found in regex.find_all_string_submatch_n(`\b0?(\d{1,2})(?:st|nd|rd|th)?(?: of)? (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b`, text, 20)
}

days contains _date(to_number(found[2]), _months[found[1]]) if {
	some found in regex.find_all_string_submatch_n(`\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* 0?(\d{1,2})\b`, text, 20)
}

days contains _date(to_number(found[1]), 12) if {
	some found in regex.find_all_string_submatch_n(`\bthe 0?(\d{1,2})(?:st|nd|rd|th)\b`, text, 20)
}

days contains _date(to_number(found[1]), to_number(found[2])) if {
	some found in regex.find_all_string_submatch_n(`\b0?(\d{1,2})[./]0?(1[0-2]|[1-9])(?:\.|/|\b)(?:20\d\d)?`, text, 20)
	re(`\b\d{1,2}\.\d{1,2}\.|\d/\d`)
}

# --- Times of day ------------------------------------------------------------------------------------------------

_hours := {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12}

_hour(token) := _hours[token]

_hour(token) := to_number(trim_left(token, "0")) if regex.match(`^0?[1-9]$|^1[0-9]$|^2[0-3]$`, token)

# The request without its dates, whose digits are no times.
_dateless := regex.replace(text, `\b\d{1,2}(st|nd|rd|th)?( of)? (jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2}\b|\b20\d\d-\d\d-\d\d\b`, "")

_h := `(\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)`

# Before seven a time of day is in the afternoon; the practice isn't open at night.
_clock(hour, minute, half) := sprintf("%02d:%02d", [hour + 12, minute]) if {
	half == "p"
	hour < 12
}

_clock(hour, minute, half) := sprintf("%02d:%02d", [hour, minute]) if {
	half == "p"
	hour >= 12
}

_clock(hour, minute, half) := sprintf("%02d:%02d", [hour, minute]) if half == "a"

_clock(hour, minute, "") := sprintf("%02d:%02d", [hour + 12, minute]) if hour < 7

_clock(hour, minute, "") := sprintf("%02d:%02d", [hour, minute]) if hour >= 7

times contains _clock(_hour(f[1]), to_number(f[2]), f[3]) if {
	some f in regex.find_all_string_submatch_n(`\b(\d{1,2})[:.]([0-5]\d)\b(?: ?([ap])\.?m\b)?`, _dateless, 20)
}

times contains _clock(_hour(f[1]), 0, f[2]) if {
	some f in regex.find_all_string_submatch_n(sprintf(`\b%s ?([ap])\.?m\b`, [_h]), _dateless, 20)
}

times contains _clock(_hour(f[1]), 0, "") if {
	some f in regex.find_all_string_submatch_n(sprintf(`\b%s o'? ?clock`, [_h]), _dateless, 20)
}

times contains _clock(_hour(f[1]), 0, "") if {
	some f in regex.find_all_string_submatch_n(sprintf(`\b(?:at|to|from|until|till) %s(?:[ ,.;?!]|$)`, [_h]), _dateless, 20)
}

times contains _clock(_hour(f[1]), 30, "") if {
	some f in regex.find_all_string_submatch_n(sprintf(`\bhalf (?:past )?%s\b`, [_h]), _dateless, 20)
}

times contains _clock(_hour(f[1]), 30, "") if {
	some f in regex.find_all_string_submatch_n(sprintf(`\b%s[- ]thirty\b`, [_h]), _dateless, 20)
}

times contains _clock(_hour(f[1]), 15, "") if {
	some f in regex.find_all_string_submatch_n(sprintf(`\bquarter past %s\b`, [_h]), _dateless, 20)
}

times contains _clock(_hour(f[1]) - 1, 45, "") if {
	some f in regex.find_all_string_submatch_n(sprintf(`\bquarter to %s\b`, [_h]), _dateless, 20)
}

times contains "12:00" if re(`\b(noon|midday)\b`)

# Minutes by which something is moved: "half an hour later".
shifts contains 30 if re(`\bhalf an hour\b`)

shifts contains 60 if re(`\b(an|one) hour\b`)

shifts contains 120 if re(`\btwo hours\b`)

shifts contains to_number(f[1]) if {
	some f in regex.find_all_string_submatch_n(`\b([1-9]\d?) minutes?\b`, text, 10)
}

# --- Whom the request tells something ----------------------------------------------------------------------------

_plain := {"tell", "inform", "ask", "remind", "notify", "warn", "invite", "thank", "advise", "alert", "respond", "confirm", "answering", "telling", "let", "write"}

_nouns := {"answer", "reply", "message", "mail", "email", "text", "sms"}

_carry := {"send", "give", "forward", "pass", "drop", "leave"}

_determiners := {"the", "a", "an", "s", "his", "her", "their", "this", "that", "my", "our", "last", "latest", "new", "portal", "short", "quick", "in", "by", "from", "of", "any", "e", "brief"}

_message_nouns := {"mail", "email", "message", "text", "note", "line", "word", "reply", "answer", "sms", "reminder", "confirmation", "greeting", "invitation"}

_stops := {"that", "about", "whether", "when", "if", "what", "how", "which", "why", "know", "because", "where"}

_written := {"note", "prescription", "referral", "down", "up", "out", "letter"}

_window(i) := array.slice(list, i + 1, _end(i))

_end(i) := min({min({i + 11, count(list)})} | {j | some j in numbers.range(i + 1, min({i + 10, count(list) - 1})); _stops[list[j]]})

telling contains i if {
	some i, word in list
	_plain[word]
	not _no_letter(i, word)
}

telling contains i if {
	some i, word in list
	_nouns[word]
	not _determiners[object.get(_at, i - 1, "")]
	not {"from", "about", "says", "say", "asks"}[object.get(_at, i + 1, "")]
}

telling contains i if {
	some i, word in list
	_carry[word]
	some other in _window(i)
	_message_nouns[other]
}

_no_letter(i, "write") if {
	some j in [1, 2, 3]
	_written[object.get(_at, i + j, "")]
}

_no_letter(i, "write") if {
	some j in [1, 2, 3, 4]
	{"does", "did", "do"}[object.get(_at, i - j, "")]
	object.get(_at, i - j - 1, "") in {"what", "when", "how"}
}

told contains word if {
	some i in telling
	some word in _window(i)
}

tells if count(telling) > 0

# Whom something is sent or given to, whatever it is.
carried contains word if {
	some i, verb in list
	_carry[verb]
	some word in array.slice(list, i + 1, i + 13)
}

# A name of several words, in a place where somebody is told something.
told_names(phrase) if {
	some i in telling
	contains(sprintf(" %s ", [concat(" ", _window(i))]), sprintf(" %s ", [concat(" ", regex.find_n(`[a-z0-9]+`, phrase, 10))]))
}

# --- Where the details are ---------------------------------------------------------------------------------------

# The request leaves decisions to another text or person.
hands_over if wording.hands_over

hands_over if asks(`\bdo (it|that|this|so|them|these|the rest)\b|\b(the needful|what's needed|what is needed|whatever is needed)\b|\b(make|enter|apply) the changes?\b|\b(do|does|doing)\b.{0,20}\b(what|whatever|everything|as)\b|\bwhatever\b|\b(prescribe|arrange|enter|grant|send|issue) what\b|\bas (he|she|they|it|the [a-z]+|[a-z]+( [a-z]+)?('s [a-z]+)?) (asks?|asked|wants?|wishes|says?|writes?|wrote|requests?|requested|suggests?|suggested|recommends?|recommended|proposes?|agreed)\b|\b(deal with|take care of|handle|sort (it|this|that|things|out)|sort .{1,20} out|work off|work through|work down|follow (the|his|her|its|their|what|that|this)|see to|act on|carry out|process)\b|\b(grant|fulfil|meet) .{0,20}(request|wish)|\bgive .{0,20}what\b`)

# It points to another text.
points if hands_over

points if re(`\b(messages?|mails?|emails?|letters?|lists?|documents?|notes?|minutes|protocol|portal|inbox|circular|reports?|results?|writes|wrote|says|asks|asked|wants|request(s|ed)?|plan|recommends?|suggests?|mentions?|memo|handover|table)\b`)

lists if re(`\b(lists?|minutes|protocol|circular|memo|handover|plan|table|documents?|messages)\b`)

# --- Clauses -----------------------------------------------------------------------------------------------------

# Each begins with a word of command and goes on to the next one.
clauses := [clause |
	some clause in split(regex.replace(orders, `\b(move|cancel|book|reschedule|shift|postpone|tell|text|let|send|write|answer|reply|issue|prescribe|renew|repeat|stop|refer|release|share|add|change|update|put|give|swap|remind|ask|inform|find|read|look|forward)\b`, "|$1"), "|")
	clause != ""
]

# A clause with this pattern that speaks of one of these words.
clause_with(pattern, names_of) if {
	some clause in clauses
	regex.match(pattern, clause)
	some word in regex.find_n(`[a-z0-9]+`, clause, 200)
	names_of[word]
}

# A record, handed to somebody who is named in the same clause, and not as its author.
hands_to(pattern, phrase) if {
	some clause in clauses
	regex.match(pattern, clause)
	contains(clause, phrase)
	not regex.match(sprintf(`\b(from|of|by|in) (the )?%s|%s('s| writes| wrote| says)`, [phrase, phrase]), clause)
}

texting if {
	some i in telling
	{"text", "sms"}[list[i]]
}

texting if asks(`\b(by|via|per|with a|a|an|short|quick) (short |quick )?(text|sms)\b|\btext messages?\b|\bsms\b`)
