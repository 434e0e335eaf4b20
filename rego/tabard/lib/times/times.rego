# METADATA
# title: Times of day that the request says
# description: |
#   Times and parts of the day in the person's request, in words and figures: "two o'clock", "half past nine", "quarter
#   to three", "14:00", "2 pm", "an hour later", "in the morning". They need trusted intent and a request of at most
#   4,096 characters. All times are texts, "14:00". A time up to 12 without "am", "pm" or a part of the day behind it
#   counts in both readings: "at two" is 02:00 and 14:00. In "from ten to eleven" both are said. Which date a time
#   belongs to isn't read: with two dates and two times, each time counts on each date.
package tabard.lib.times

import data.tabard.lib.arguments
import data.tabard.lib.clock
import data.tabard.lib.intent

# METADATA
# description: The times of day that the request says; "at half past nine" is {"09:30", "21:30"}.
# scope: document
said contains _clock(minute) if some minute in _minutes

# METADATA
# description: |
#   The parts of the day that the request says, each [first, last]: "in the morning" is ["05:00", "12:00"], "before
#   noon", "after three", "between two and four".
# scope: document
parts contains [_clock(first), _clock(last)] if some [first, last] in _parts

# METADATA
# description: |
#   By how many minutes the request moves something: "an hour later" is {60}, "forward by 15 minutes" {-15, 15}, "two
#   days later" {2880}.
# scope: document
shifts contains shift if {
	some found in _all(_later, _text)
	some sign in _signs[found[3]]
	shift := (sign * _number(found[1])) * _units[found[2]]
}

shifts contains shift if {
	some found in _all(_by, _text)
	some sign in object.get(_signs, split(found[1], " ")[0], {1, -1})
	shift := (sign * _number(found[2])) * _units[found[3]]
}

# METADATA
# description: |
#   How many minutes the request says that something takes, or starts from now: "for half an hour", "a 20 minute call",
#   "in two hours". For the difference of two arguments.
# scope: document
lengths contains length if {
	some found in _all(_length, _text)
	length := _number(found[1]) * _units[found[2]]
}

# METADATA
# description: |
#   True if the argument `name`, a time ("14:00") or a date with a time ("2026-12-03T14:00"), has a time of day that the
#   request says, or is at most five minutes from the one that "in two hours" means; `requested("start",
#   "Europe/Berlin")`. A time with an offset or "Z" is converted to `zone`. Seconds have to be 0.
# scope: document
requested(name, zone) if _time(arguments.text(name), zone) in _minutes

requested(name, zone) if {
	found := _found(arguments.text(name))
	found[1] == ""
	minute := _time(found[0], zone)
	some [days, soon] in _soon(zone)
	days == 0
	abs(minute - soon) <= 5
}

requested(name, zone) if {
	found := _found(arguments.text(name))
	found[1] != ""
	some length in _from_now
	abs(_since_1970(found, zone) - (_now(zone) + length)) <= 5
}

# METADATA
# description: |
#   True if `moment`, a time or a date with a time in local time, is one that the request says or lies in one of its
#   `parts`; `within_said("2026-12-03T09:30")` for "tomorrow morning".
# scope: document
within_said(moment) if _time(moment, "UTC") in _minutes

within_said(moment) if {
	minute := _time(moment, "UTC")
	some [first, last] in _parts
	first <= minute
	minute <= last
}

# METADATA
# description: |
#   True if the argument `name` is `before`, moved by one of `shifts`; `shifted("start", "2026-12-03T14:00")` for "move
#   her appointment to an hour later". Both are times or both are dates with times, in local time and without an offset.
shifted(name, before) if {
	new := _found(arguments.text(name))
	new[4] == ""
	old := _found(before)
	old[4] == ""
	count(new[1]) == count(old[1])
	(_moment(new) - _moment(old)) in shifts
}

# METADATA
# description: |
#   The times of day to which the request moves what began at `before`, a time or a date with a time in local time:
#   those that it says, without that of `before` itself, moved by `shifts`, and the same time again if it says no other;
#   `moved_to("2026-11-30T09:00")` for "put her nine o'clock to two" is {"02:00", "14:00"}, and for "move it to Tuesday"
#   {"09:00"}.
moved_to(before) := moved if {
	old := _time(before, "UTC")
	new := {_clock(minute) | some minute in _minutes; not minute in {old, (old + 720) % 1440}}
	shifted_to := {_clock((old + shift) % 1440) | some shift in shifts; (old + shift) % 1440 >= 0}
	moved := _or_same(new | shifted_to, _clock(old))
}

_or_same(found, _) := found if count(found) > 0

_or_same(found, same) := {same} if count(found) == 0

# METADATA
# description: True if the intent is trusted and the request says no time of day, part of the day or length of time.
none_said if {
	_text != ""
	count(_minutes) == 0
	count(_parts) == 0
	count(shifts) == 0
	count(lengths) == 0
}

# METADATA
# description: |
#   What the request says of the argument `name`, a time or a date with a time: "said" if it says this time of day, or a
#   part of the day with it, "none" if it speaks of no time, "other" otherwise; `meaning("start", "Europe/Berlin")`. Ask
#   where it is "none", and grant nothing where it is "other". What is moved by a length of time, `shifted` tells.
meaning(name, zone) := "said" if {
	requested(name, zone)
} else := "said" if {
	within_said(arguments.text(name))
} else := "none" if {
	none_said
	is_string(arguments.text(name))
} else := "other" if is_string(arguments.text(name))

# ---- arguments

_pattern := concat("", [
	`^(?:([0-9]{4}-(?:0[1-9]|1[0-2])-[0-9]{2})[T ])?([01][0-9]|2[0-3]):([0-5][0-9])(?::00(?:\.0+)?)?`,
	`(Z|[+-][01][0-9]:[0-5][0-9])?$`,
])

_found(text) := regex.find_all_string_submatch_n(_pattern, text, 1)[0]

_time(text, zone) := _since_1970(_found(text), zone) % 1440

_of_day(found) := (60 * _digits(found[2])) + _digits(found[3])

# Minutes since 1970 if the clocks showed that in UTC; for times without a date, since midnight.
_moment(found) := _of_day(found) if found[1] == ""

_moment(found) := (_day(found[1]) * 1440) + _of_day(found) if found[1] != ""

_since_1970(found, _) := _moment(found) if found[4] == ""

_since_1970(found, zone) := _local((_moment(found) - _offset(found[4])) * 60, zone) if found[4] != ""

_offset("Z") := 0

_offset(text) := sign * ((60 * _digits(substring(text, 1, 2))) + _digits(substring(text, 4, 2))) if {
	sign := {"+": 1, "-": -1}[substring(text, 0, 1)]
}

_local(seconds, zone) := (_days_of(date) * 1440) + ((60 * clocks[0]) + clocks[1]) if {
	date := time.date([seconds * 1000000000, zone])
	clocks := time.clock([seconds * 1000000000, zone])
}

_now(zone) := _local(floor(clock.now_ns / 1000000000), zone)

_day(date) := _days_of([_digits(part) | some part in split(date, "-")])

# Days since 1970 of a date in the Gregorian calendar, also for a day that its month doesn't have.
_days_of(date) := ((((365 * year) + floor(year / 4)) - floor(year / 100)) + floor(year / 400)) + days if {
	month := (date[1] + 9) % 12
	year := date[0] - count({1 | date[1] <= 2})
	days := ((floor(((153 * month) + 2) / 5) + date[2]) - 1) - 719468
}

# ---- the request

default _text := ""

_text := regex.replace(replace(lower(input.task.statement), "’", "'"), `\b([ap])\.m\b\.?`, "${1}m") if {
	intent.trusted
	count(input.task.statement) <= 4096
}

_all(pattern, text) := regex.find_all_string_submatch_n(pattern, text, 100)

_clock(minute) := sprintf("%02d:%02d", [floor(minute / 60), minute % 60])

_digits(text) := to_number(regex.replace(text, `^0+(.)`, "$1"))

_words := {
	"a": 1, "a couple of": 2, "an": 1, "eight": 8, "eleven": 11, "fifteen": 15, "five": 5, "forty": 40,
	"forty-five": 45, "four": 4, "half an": 0.5, "nine": 9, "one": 1, "seven": 7, "six": 6, "ten": 10, "thirty": 30,
	"three": 3, "twelve": 12, "twenty": 20, "two": 2,
}

_number(text) := _digits(text) if regex.match(`^[0-9]+$`, text)

_number(text) := _words[text]

_small := concat("", [
	`([0-9]{1,3}|half an|a couple of|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty`,
	`|forty-five|forty)`,
])

_units := {"day": 1440, "hour": 60, "hr": 60, "min": 1, "minute": 1, "week": 10080}

_later := sprintf(`\b%s[ -](minute|min|hour|hr|day|week)s? (later|earlier|back|forward|sooner)\b`, [_small])

_by := sprintf(
	concat("", [
		`\b(later |earlier |sooner |back |forward |delay [a-z ]{1,40}|postpone [a-z ]{1,40})?`,
		`by %s[ -](minute|min|hour|hr|day|week)s?\b`,
	]),
	[_small],
)

_signs := {
	"back": {1, -1}, "delay": {1}, "earlier": {-1}, "forward": {1, -1}, "later": {1}, "postpone": {1}, "sooner": {-1},
}

_length := sprintf(`\b%s[ -](minute|min|hour|hr)s?\b`, [_small])

_from_now contains length if {
	some found in _all(sprintf(`\bin %s (minute|min|hour|hr)s?\b`, [_small]), _text)
	length := _number(found[1]) * _units[found[2]]
}

_soon(zone) := {[floor(total / 1440), total % 1440] |
	some length in _from_now
	total := (_now(zone) % 1440) + length
}

# ---- times of day

_hour := `(1[0-2]|0?[1-9]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)`

_period := `(?: ?(am|pm)\b|,? (?:in the|this|tomorrow|at) (morning|afternoon|evening|night)\b)?`

_figures := sprintf(`(^|[^0-9:./-])([01]?[0-9]|2[0-3])[:h]([0-5][0-9])\b%s`, [_period])

_dotted := sprintf(
	`\b(?:at|to|by|from|until|till|and|before|after|between) ([01]?[0-9]|2[0-3])\.([0-5][0-9])\b%s`,
	[_period],
)

_iso := `\b[0-9]{4}-[0-9]{2}-[0-9]{2}t([01][0-9]|2[0-3]):([0-5][0-9])`

_exact := sprintf(`\b%s ?(?:(am|pm)\b|o ?'?clock%s)`, [_hour, _period])

# "At two pharmacies" is no time: only these words may follow.
_bare := sprintf(
	concat("", [
		`\b(?:at|to|by|from|until|till|around|about|before|after|and|between|or) %s(?:,? (?:in the|this|tomorrow) `,
		`(morning|afternoon|evening))?(?: +([a-z]+)|, *[a-z]|[.;!?)](?:[^0-9]|$)|$)`,
	]),
	[_hour],
)

# Behind a day, an hour in figures may have any word behind it but those of a street: "on 2 December at 11 Dr Okafor".
_behind_day := sprintf(
	concat("", [
		`(?:day|today|tomorrow|[0-9](?:st|nd|rd|th)`,
		`|\b(?:january|february|march|april|may|june|july|august|september|october|november|december)),? at %s`,
		`(?:$|[,;!?]| ([a-z'-]+)(?: ([a-z'-]+)(?: ([a-z'-]+))?)?)`,
	]),
	[`(1[0-2]|[1-9])`],
)

_no_hour := concat("", [
	`^(?:street|road|lane|avenue|square|place|court|drive|percent|am|pm|o'clock|in|thirty|fifteen|forty-five|st`,
	`|rd)$`,
])

_followers := {
	"", "and", "as", "at", "because", "before", "but", "by", "for", "friday", "if", "instead", "monday", "next", "not",
	"on", "or", "please", "saturday", "sharp", "so", "sunday", "then", "this", "thursday", "till", "to", "today",
	"tomorrow", "tonight", "tuesday", "until", "wednesday", "when", "with", "in",
}

_relative := concat("", [
	`(?:\b(from|between) )?\b(half|quarter|a quarter|five|ten|twenty|twenty-five|5|10|15|20|25)(?: minutes?)? (past|to) `,
	sprintf(`%s\b%s`, [_hour, _period]),
])

_past := concat("", [
	`\b(half|a quarter|quarter|ten|twenty) past\b`,
	`(?:[,.;!?)]| (?:is|would|will|works|suits|and|then|for|with|on|please)\b|$)`,
])

_hour_said := sprintf(`\b(?:at|to|by|from|until|till|for|,) %s(?::00)?(?: ?(am|pm))?\b`, [_hour])

_half := sprintf(`\bhalf %s\b%s`, [_hour, _period])

_spoken := sprintf(`\b%s[ -](thirty|fifteen|forty-five|forty five|twenty|ten)\b%s`, [_hour, _period])

_noon := `\b(noon|midday|midnight)\b`

_late := {"half": 30, "a quarter": 15, "quarter": 15, "twenty-five": 25, "forty-five": 45, "forty five": 45}

_minutes contains minute if {
	some found in _all(_figures, _text)
	some minute in _readings(_digits(found[2]), _digits(found[3]), concat("", [found[4], found[5]]), found[2])
}

_minutes contains minute if {
	some found in _all(_dotted, _text)
	some minute in _readings(_digits(found[1]), _digits(found[2]), concat("", [found[3], found[4]]), found[1])
}

_minutes contains minute if {
	some found in _all(_iso, _text)
	minute := (60 * _digits(found[1])) + _digits(found[2])
}

_minutes contains minute if {
	some found in _all(_exact, _text)
	some minute in _readings(_number(found[1]), 0, concat("", [found[2], found[3], found[4]]), "")
}

_minutes contains minute if {
	some found in _all(_bare, _not_relative)
	found[3] in _followers
	some minute in _readings(_number(found[1]), 0, found[2], "")
}

_minutes contains minute if {
	some found in _all(_behind_day, _text)
	count([1 | some word in array.slice(found, 2, 5); regex.match(_no_hour, word)]) == 0
	not regex.match(`[^i]s$|^(?:this|of|per)$`, found[2])
	some minute in _readings(_number(found[1]), 0, "", "")
}

_minutes contains minute if {
	some found in _all(_relative, _text)
	found[1] == ""
	some full in _readings(_number(found[4]), 0, concat("", [found[5], found[6]]), "")
	minute := ((full + 1440) + ({"past": 1, "to": -1}[found[3]] * _part(found[2]))) % 1440
}

# "Ann at nine, Bob at half past", "not at 11, half past is fine": of the hour before.
_minutes contains minute if {
	pieces := regex.split(_past, _text)
	some place, cue in regex.find_n(_past, _text, 20)
	hours := _all(_hour_said, substring(pieces[place], max([0, count(pieces[place]) - 200]), -1))
	count(hours) > 0
	found := hours[count(hours) - 1]
	part := regex.find_all_string_submatch_n(_past, cue, 1)[0][1]
	some full in _readings(_number(found[1]), 0, found[2], "")
	minute := full + _part(part)
}

_minutes contains minute if {
	some found in _all(_half, _text)
	some minute in _readings(_number(found[1]), 30, concat("", [found[2], found[3]]), "")
}

_minutes contains minute if {
	some found in _all(_spoken, _text)
	some minute in _readings(_number(found[1]), _part(found[2]), concat("", [found[3], found[4]]), "")
}

_minutes contains minute if {
	some found in _all(_noon, _text)
	minute := {"midday": 720, "midnight": 0, "noon": 720}[found[1]]
}

_minutes contains minute if {
	some found in _all(_closed, _text)
	some edge in [array.slice(found, 1, 4), array.slice(found, 4, 7)]
	edge[0] != "noon"
	some minute in _readings(_number(edge[0]), _digits_or_0(edge[1]), edge[2], edge[0])
}

# "Quarter to three" isn't three, but "from ten to eleven" is ten and eleven.
_not_relative := concat("", [part |
	pieces := regex.split(_relative, _text)
	found := _all(_relative, _text)
	some place, piece in pieces
	part := concat("", [piece, concat("", [kept |
		some match in array.slice(found, place, place + 1)
		kept := {true: " ; ", false: match[0]}[match[1] == ""]
	])])
])

_part(word) := _late[word]

_part(word) := _number(word) if not _late[word]

# `written` is the hour in figures: "09" and "00" have one reading.
_readings(hour, minute, period, _) := {_after_noon(hour, minute)} if period in {"pm", "afternoon", "evening"}

_readings(hour, minute, period, _) := {((hour % 12) * 60) + minute} if period in {"am", "morning"}

_readings(hour, minute, "night", _) := {_after_noon(hour, minute), ((hour % 12) * 60) + minute}

_readings(hour, minute, "", written) := {(hour * 60) + minute} if _one_reading(hour, written)

_readings(hour, minute, "", written) := {((hour % 12) * 60) + minute, (((hour % 12) * 60) + 720) + minute} if {
	not _one_reading(hour, written)
}

_one_reading(hour, _) if hour > 12

_one_reading(_, written) if startswith(written, "0")

_after_noon(hour, minute) := (((hour % 12) * 60) + 720) + minute

# ---- parts of the day

_day_parts := {
	"afternoon": [720, 1080], "evening": [1020, 1439], "lunchtime": [690, 840], "morning": [300, 720],
	"tonight": [1020, 1439],
}

# An hour from one to six beside "before" or "after" is in the afternoon, unless "am" is behind it.
_edge := concat("", [
	`(noon|1[0-9]|2[0-3]|0?[1-9]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)`,
	`(?:[:.]([0-5][0-9]))?(?: ?(am|pm)\b| o ?'?clock|\b)`,
])

_open := sprintf(`\b(before|by|until|till|after|from) %s`, [_edge])

_closed := sprintf(`\b(?:between|from) %[1]s ?(?:and|to|until|till|-|–) ?%[1]s`, [_edge])

_parts contains part if {
	not regex.match(`\bgood (?:morning|afternoon|evening)\b`, _text)
	some word, part in _day_parts
	regex.match(sprintf(`\b%s\b`, [word]), _text)
}

_parts contains part if {
	some found in _all(_open, regex.replace(_text, _closed, " ; "))
	edge := _edge_minute(found[2], found[3], found[4])
	part := {true: [edge, 1439], false: [0, edge]}[found[1] in {"after", "from"}]
}

_parts contains [first, last] if {
	some found in _all(_closed, _text)
	first := _edge_minute(found[1], found[2], found[3])
	last := _edge_minute(found[4], found[5], found[6])
	first < last
}

_edge_minute("noon", _, _) := 720

_edge_minute(hour, minute, "pm") := _after_noon(_number(hour), _digits_or_0(minute)) if hour != "noon"

_edge_minute(hour, minute, "am") := ((_number(hour) % 12) * 60) + _digits_or_0(minute) if hour != "noon"

_edge_minute(hour, minute, "") := ((_number(hour) + 12) * 60) + _digits_or_0(minute) if {
	_number(hour) <= 6
	not startswith(hour, "0")
}

_edge_minute(hour, minute, "") := (_number(hour) * 60) + _digits_or_0(minute) if _number(hour) > 6

_edge_minute(hour, minute, "") := (_number(hour) * 60) + _digits_or_0(minute) if startswith(hour, "0")

_digits_or_0("") := 0

_digits_or_0(text) := _digits(text) if text != ""
