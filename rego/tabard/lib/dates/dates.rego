# METADATA
# title: Dates that the request says
# description: |
#   Days and spans of days in the person's request, in words and figures: "tomorrow", "Friday next week", "in two
#   weeks", "on the 3rd", "3 December", "by Friday", "this month". They need trusted intent and a request of at most
#   4,096 characters. `zone` is a time zone such as "Europe/Berlin"; it decides which day is today. All dates are
#   texts, "2026-12-03". What can be read in several ways counts in all of them: "Monday" on a Monday is today and
#   in a week, "next Friday" the coming one and the one after it, "3 December" without a year also the last one if
#   at most 90 days passed, "the 3rd" the last and the coming one, "3/4" both 3 April and 4 March. A date after
#   "not", "except" or "instead of" doesn't count. In "move it from Monday to Tuesday" both are said, so compare the
#   one it was as well.
package tabard.lib.dates

import data.tabard.lib.arguments
import data.tabard.lib.clock
import data.tabard.lib.intent

# METADATA
# description: The date of today in `zone`; `today("Europe/Berlin")`.
today(zone) := _iso(_today(zone))

# METADATA
# description: |
#   The single days that the request says; `said("UTC")` for "tomorrow or on the 5th" is {"2026-12-01", "2026-12-05"}.
said(zone) := {_iso(day) | some day in _days(_text, _today(zone))}

# METADATA
# description: |
#   The spans of days that the request says, each [first, last]: weeks, months, "by Friday", "until the 15th", "between
#   the 3rd and the 5th", "in the next ten days". "In two weeks" is a span, too: the calendar week of that day. "From
#   Monday to Friday" is none in a request that moves something.
spans(zone) := {[_iso(first), _iso(last)] | some [first, last] in _spans(_today(zone))}

# METADATA
# description: |
#   True if the argument `name` is a date, or a date with a time ("2026-12-03T14:00"), on a single day that the request
#   says; `requested("date", "Europe/Berlin")`. A time with an offset or "Z" is converted to `zone`.
requested(name, zone) if _date(arguments.text(name), zone) in _days(_text, _today(zone))

# METADATA
# description: |
#   True if `date`, a date or a date with a time, is a single day or within a span that the request says;
#   `within_said("2026-12-03", "UTC")` for "the appointments this week".
# scope: document
within_said(date, zone) if _date(date, zone) in _days(_text, _today(zone))

within_said(date, zone) if {
	day := _date(date, zone)
	some [first, last] in _spans(_today(zone))
	first <= day
	day <= last
}

# METADATA
# description: |
#   The days to which the request moves what is on `before`, a date or a date with a time: the single days that it says,
#   without that of `before` itself, or that day again if it says no other; `moved_to("2026-12-02T10:30", "UTC")` for
#   "her Wednesday appointment to Friday" is {"2026-12-04"}.
moved_to(before, zone) := moved if {
	old := _iso(_date(before, zone))
	moved := _or_same(said(zone) - {old}, old)
}

_or_same(found, _) := found if count(found) > 0

_or_same(found, same) := {same} if count(found) == 0

# METADATA
# description: |
#   True if the intent is trusted and the request speaks of no date at all, also of none that these functions leave out
#   ("not on Friday", "31 February").
none_said if {
	count(_all_text) > 0
	not regex.match(_any, _all_text)
}

# METADATA
# description: |
#   What the request says of the argument `name`, a date or a date with a time: "said" if it is within a day or span
#   that the request says, "none" if it speaks of no date, "other" otherwise; `meaning("start", "UTC")`. Ask where it is
#   "none", and grant nothing where it is "other".
meaning(name, zone) := "said" if {
	within_said(arguments.text(name), zone)
} else := "none" if {
	none_said
	is_string(arguments.text(name))
} else := "other" if is_string(arguments.text(name))

# ---- days as numbers since 1970

_today(zone) := _day(found[0], found[1], found[2]) if found := time.date([clock.now_ns, zone])

_second := 1000000000

_iso(day) := time.format([(day * 86400) * _second, "UTC", "2006-01-02"])

_day(year, month, day) := floor(nanoseconds / (86400 * _second)) if {
	_exists(year, month, day)
	nanoseconds := time.parse_rfc3339_ns(sprintf("%04d-%02d-%02dT00:00:00Z", [year, month, day]))
}

_exists(year, month, day) if {
	year >= 1970
	year <= 2200
	day >= 1
	day <= _lengths[month - 1] + count({year | month == 2; _leap(year)})
}

_lengths := [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

_leap(year) if {
	year % 4 == 0
	year % 100 != 0
}

_leap(year) if year % 400 == 0

# Monday is 0.
_weekday(day) := (day + 3) % 7

_monday(day) := day - _weekday(day)

# [year, month] so many months later.
_month_after(day, months) := [floor(total / 12), (total % 12) + 1] if {
	found := time.date([(day * 86400) * _second, "UTC"])
	total := (((found[0] * 12) + found[1]) - 1) + months
}

_month_span(year, month) := [first, (first + _lengths[month - 1]) - 1] if {
	first := _day(year, month, 1)
	not _exists(year, month, _lengths[month - 1] + 1)
}

_month_span(year, month) := [first, first + 28] if {
	first := _day(year, month, 1)
	_exists(year, month, _lengths[month - 1] + 1)
}

_date(text, zone) := day if {
	found := regex.find_all_string_submatch_n(_moment, text, 1)[0]
	day := _local(_day(_number(found[1]), _number(found[2]), _number(found[3])), found, zone)
}

_local(day, found, _) := day if found[6] == ""

_local(day, found, zone) := _day(there[0], there[1], there[2]) if {
	found[6] != ""
	seconds := (((day * 86400) + (_number(found[4]) * 3600)) + (_number(found[5]) * 60)) - _offset(found[6])
	there := time.date([seconds * _second, zone])
}

_offset("Z") := 0

_offset(text) := sign * ((_number(substring(text, 1, 2)) * 3600) + (_number(substring(text, 4, 2)) * 60)) if {
	sign := {"+": 1, "-": -1}[substring(text, 0, 1)]
}

_moment := concat("", [
	`^([0-9]{4})-([0-9]{2})-([0-9]{2})`,
	`(?:[T ]([01][0-9]|2[0-3]):([0-5][0-9])(?::[0-5][0-9](?:\.[0-9]{1,9})?)?(Z|[+-][01][0-9]:[0-5][0-9])?)?$`,
])

# ---- the request

default _all_text := ""

_all_text := replace(lower(input.task.statement), "’", "'") if {
	intent.trusted
	count(input.task.statement) <= 4096
}

# Without what is ruled out, and with ordinal numbers as figures.
_text := regex.replace(_figures(_all_text), sprintf(`\b(?:%s) (?:(?:on|by|until|for) )?(?:%s)`, [_but, _any]), " ; ")

_but := "not|never|except|except for|excluding|instead of|rather than|other than|apart from"

_figures(text) := strings.replace_n(_ordinals, text)

_ordinals := {
	"eighteenth": "18th", "eighth": "8th", "eleventh": "11th", "fifteenth": "15th", "fifth": "5th", "first": "1st",
	"fourteenth": "14th", "fourth": "4th", "nineteenth": "19th", "ninth": "9th", "second": "2nd", "seventeenth": "17th",
	"seventh": "7th", "sixteenth": "16th", "sixth": "6th", "tenth": "10th", "third": "3rd", "thirteenth": "13th",
	"thirtieth": "30th", "thirty-first": "31st", "twelfth": "12th", "twentieth": "20th", "twenty-eighth": "28th",
	"twenty-fifth": "25th", "twenty-first": "21st", "twenty-fourth": "24th", "twenty-ninth": "29th",
	"twenty-second": "22nd", "twenty-seventh": "27th", "twenty-sixth": "26th", "twenty-third": "23rd",
}

_number(word) := to_number(regex.replace(word, `^0+(.)`, "$1")) if regex.match(`^[0-9]{1,9}$`, word)

_number(word) := _words[word]

_words := {
	"a": 1, "a couple of": 2, "a few": 3, "an": 1, "couple of": 2, "eight": 8, "eleven": 11, "few": 3, "five": 5,
	"four": 4, "fourteen": 14, "nine": 9, "one": 1, "seven": 7, "six": 6, "ten": 10, "thirty": 30, "three": 3,
	"twelve": 12, "twenty": 20, "two": 2,
}

_count := sprintf(`([0-9]{1,3}|%s)`, [concat("|", sort([word | some word, _ in _words]))])

_month_names := ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

_month := concat("", [
	`(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?`,
	`|nov(?:ember)?|dec(?:ember)?)\b\.?`,
])

_months(word) := {month | some place, name in _month_names; startswith(word, name); month := place + 1}

_weekday_names := ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_weekday_name := `(mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:r|rs|rsday)?|fri(?:day)?|saturday|sunday)`

_nth := `([0-9]{1,2})(?:st|nd|rd|th)`

# ---- single days

_near := concat("", [
	`\b(day after tomorrow|day before yesterday|tomorrow|yesterday|today|tonight`,
	`|this (?:morning|afternoon|evening))\b`,
])

_offsets := {"day after tomorrow": 2, "day before yesterday": -2, "tomorrow": 1, "yesterday": -1}

# A weekday before a date is a part of that date.
_named := concat("", [
	`\b(next week,?(?: on)? |(?:this|next|last|coming|following) )?`,
	_weekday_name,
	`\b(?:'s)?( (?:of |in )?next week| (?:of |in )?this week| week)?`,
	sprintf(`(,? (?:the )?(?:%[1]s\b|[0-9]{1,2}(?: of)? %[2]s|%[2]s [0-9]))?`, [_nth, _month]),
])

_written := `\b([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:t[0-9]|\b)`

_day_month := sprintf(`\b([0-9]{1,2})(?:st|nd|rd|th)?(?: of)? %s(?:,? ([0-9]{4})\b)?`, [_month])

_month_day := sprintf(`\b%s (?:the )?([0-9]{1,2})(?:st|nd|rd|th)?\b(?:,? ([0-9]{4})\b)?`, [_month])

_slashed := `\b([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\b`

_dotted := `\b([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})\b`

_short := `\b(?:on|by|until|till|for|to|from|before|after|the|of) ([0-9]{1,2})/([0-9]{1,2})\b`

# "The 3rd floor" is no date: only these words may follow.
_day_only := sprintf(`\bthe %s(?:,? ([a-z]+)|\b)`, [_nth])

_followers := {
	"", "afternoon", "and", "around", "as", "at", "because", "before", "but", "by", "evening", "for", "from", "if", "in",
	"instead", "is", "it", "morning", "not", "or", "please", "since", "so", "then", "through", "till", "to", "until",
	"was", "we", "when", "with",
}

_unit_days := {"day": 1, "month": 31, "week": 7}

_later := sprintf(`\bin %[1]s (day|week|month)s?(?:'|\b)|\b%[1]s (day|week|month)s? from (?:now|today)\b`, [_count])

_ago := sprintf(`\b%s (day|week)s? ago\b`, [_count])

_any := concat("|", [
	_near, _named, _written, _day_month, _month_day, _slashed, _dotted, _short, _later, _ago, `\bfortnight\b`,
	sprintf(`\bthe %s\b`, [_nth]), _calendar, _month_alone, _coming, _past, `\bmay\b [0-9]|\bmarch\b`,
])

_days(text, today) := union({
	{day | some found in _all(_near, text); day := today + object.get(_offsets, found[1], 0)},
	{day | some found in _all(_named, text); found[4] == ""; some days in _until(found, today); day := today + days},
	{_day(_number(found[1]), _number(found[2]), _number(found[3])) | some found in _all(_written, text)},
	{day | some found in _all(_day_month, text); some day in _yearly(found[3], _months(found[2]), found[1], today)},
	{day | some found in _all(_month_day, text); some day in _yearly(found[3], _months(found[1]), found[2], today)},
	{_day(_number(found[3]), _number(found[2]), _number(found[1])) | some found in _all(_slashed, text)},
	{_day(_number(found[3]), _number(found[1]), _number(found[2])) | some found in _all(_slashed, text)},
	{_day(_number(found[3]), _number(found[2]), _number(found[1])) | some found in _all(_dotted, text)},
	{day | some found in _all(_short, text); some day in _yearly("", {_number(found[2])}, found[1], today)},
	{day | some found in _all(_short, text); some day in _yearly("", {_number(found[1])}, found[2], today)},
	{day | some found in _all(_day_only, text); found[2] in _followers; some day in _monthly(found[1], today)},
	{day | some found in _all(_later, text); day := _in(_number(_either(found, 1)), _either(found, 2), today)},
	{day | some found in _all(_ago, text); day := today - (_number(found[1]) * _unit_days[found[2]])},
	{day | regex.match(`\bin a fortnight\b`, text); day := today + 14},
})

_all(pattern, text) := regex.find_all_string_submatch_n(pattern, text, 100)

# The group of the first or of the second half of _later.
_either(found, group) := concat("", [found[group], found[group + 2]])

# Days from today to a weekday.
_until(found, today) := _ahead(_wanted(found[2]), today, trim_space(found[1]), behind) if {
	behind := trim_space(regex.replace(found[3], `\b(of|in) `, ""))
}

_wanted(word) := place if {
	some place, name in _weekday_names
	startswith(word, name)
}

_ahead(weekday, today, before, behind) := {days} if {
	"next week" in {behind, regex.replace(before, `,?( on)?$`, "")}
	days := (7 - _weekday(today)) + weekday
} else := {weekday - _weekday(today)} if {
	behind == "this week"
} else := {days + 7} if {
	behind == "week"
	days := ((weekday - _weekday(today)) + 7) % 7
} else := {days - 7} if {
	before == "last"
	days := ((weekday - _weekday(today)) + 7) % 7
} else := {days, days + 7} if {
	days := ((weekday - _weekday(today)) + 7) % 7
	_two_readings(before, days)
} else := {((weekday - _weekday(today)) + 7) % 7}

# "Monday" on a Monday, and "next Friday".
_two_readings("next", _)

_two_readings(before, 0) if before != "next"

# A day of a month: of that year, or the coming one and the last one of the last 90 days.
_yearly("", months, day, today) := {found |
	some month in months
	some year in numbers.range(_year(today) - 1, _year(today) + 1)
	found := _day(year, month, _number(day))
	found >= today - 90
	count({sooner |
		some other in numbers.range(_year(today) - 1, year - 1)
		sooner := _day(other, month, _number(day))
		sooner >= today
	}) == 0
}

_yearly(year, months, day, _) := {_day(_number(year), month, _number(day)) | some month in months} if year != ""

_year(day) := time.date([(day * 86400) * _second, "UTC"])[0]

# The last and the coming one.
_monthly(day, today) := {found |
	some months in [-1, 0, 1, 2]
	[year, month] := _month_after(today, months)
	found := _day(year, month, _number(day))
	found - today <= 31
	today - found <= 31
}

_in(number, "day", today) := today + number

_in(number, "week", today) := today + (7 * number)

# The same day of that month, or its last.
_in(number, "month", today) := min({last, (first + day) - 1}) if {
	[year, month] := _month_after(today, number)
	[first, last] := _month_span(year, month)
	day := time.date([(today * 86400) * _second, "UTC"])[2]
}

# ---- spans of days

_calendar := `\b(this|next|last|coming|whole|entire|end of the|rest of the) (week|weekend|month)\b|\bthe (weekend)\b`

_month_alone := concat("|", [
	`\b(january|february|april|june|july|august|september|october|november|december)\b(?: ([0-9]{4})\b)?`,
	`\b(?:in|of|for|during|since|all|next|this) (march|may)\b(?: ([0-9]{4})\b)?`,
])

_coming := sprintf(`\b(?:within|(?:in |over |for )?the (?:next|coming)) (?:%s )?(day|week|month)s?\b`, [_count])

_past := sprintf(`\b(?:the )?(?:last|past) %s (day|week|month)s\b`, [_count])

_due := sprintf(`\b(by|before|until|till|through|up to|not? later than|since) (?:the )?(?:end of )?(?:%s)`, [_any])

_pair := sprintf(`\b(?:(between|from) )?((?:%[1]s)) ?(?:and|to|until|till|through|-|–) ?(?:the )?((?:%[1]s))`, [_any])

_days_of_month := sprintf(
	`\b([0-9]{1,2})%[1]s ?(?:-|–|to|until|till|and|through) ?(?:the )?([0-9]{1,2})%[1]s(?: of)? %[2]s`,
	["(?:st|nd|rd|th)?", _month],
)

_of_nth := sprintf(`\bthe %[1]s ?(?:-|–|to|until|till|and|through) ?(?:the )?%[1]s\b`, [_nth])

_moves := `\b(?:mov|shift|reschedul|postpon|chang|bring|push|put|switch|swap)`

_spans(today) := union({
	{span | some found in _all(_calendar, _without_days); some span in _calendar_spans(found, today)},
	{span | some found in _all(_month_alone, _without_days); some span in _of_month(found, today)},
	{[today, _in(_number_or_one(found[1]), found[2], today)] | some found in _all(_coming, _text)},
	{[first, today] | some found in _all(_past, _text); first := today - (_number(found[1]) * _unit_days[found[2]])},
	{[monday, monday + 6] |
		some found in _all(_later, _text)
		_either(found, 2) == "week"
		monday := _monday(today + (7 * _number(_either(found, 1))))
	},
	{[middle - 7, middle + 7] |
		some found in _all(_later, _text)
		_either(found, 2) == "month"
		middle := _in(_number(_either(found, 1)), "month", today)
	},
	{[today, last] |
		some found in _all(_due, _text)
		found[1] != "since"
		some last in _ends(found[0], today)
		last >= today
	},
	{[first, today] |
		some found in _all(_due, _text)
		found[1] == "since"
		some first in _days(found[0], today)
		first <= today
	},
	{[first, last] |
		not regex.match(_moves, _text)
		some found in regex.find_n(_pair, _single_days, 20)
		days := _days(found, today)
		first := min(days)
		last := max(days)
		last - first <= 31
	},
	{[first, last] |
		some found in _all(_days_of_month, _text)
		some first in _yearly("", _months(found[3]), found[1], today)
		some last in _yearly("", _months(found[3]), found[2], today)
		first < last
		last - first <= 31
	},
	{[first, last] |
		some found in _all(_of_nth, _text)
		some first in _monthly(found[1], today)
		some last in _monthly(found[2], today)
		first < last
		_fits(last - first, _number(found[2]) - _number(found[1]))
	},
})

_number_or_one("") := 1

_number_or_one(word) := _number(word) if word != ""

_without_days := _no_days(_text)

_no_days(text) := regex.replace(text, concat("|", [_day_month, _month_day, _named]), " ; ")

_single_days := regex.replace(_text, concat("|", [_days_of_month, _of_nth]), " ; ")

# The days, and the last days of the spans, that a limit such as "by the end of next week" can mean.
_ends(text, today) := _days(text, today) | ({last |
	some found in _all(_calendar, text)
	some [_, last] in _calendar_spans(found, today)
} | {last | some found in _all(_month_alone, _no_days(text)); some [_, last] in _of_month(found, today)})

_calendar_spans([_, which, "week", _], today) := {[monday, monday + 6]} if {
	monday := _monday(today) + (7 * _steps(which))
}

_calendar_spans([_, which, "month", _], today) := {_month_span(year, month)} if {
	[year, month] := _month_after(today, _steps(which))
}

_calendar_spans([_, which, unit, the], today) := {[monday + 5, monday + 6] |
	some later in {0, _steps(which)}
	monday := _monday(today) + (7 * later)
} if {
	"weekend" in {unit, the}
}

_steps(which) := object.get({"coming": 1, "last": -1, "next": 1}, which, 0)

# That month of the year, or the coming one and those of the last 90 days.
_of_month(found, today) := {span |
	months := _months(concat("", [found[1], found[3]]))
	year := concat("", [found[2], found[4]])
	some first in _yearly(year, months, "1", _first(today))
	found_date := time.date([(first * 86400) * _second, "UTC"])
	span := _month_span(found_date[0], found_date[1])
}

_first(today) := today - (time.date([(today * 86400) * _second, "UTC"])[2] - 1)

# "The 2nd and the 3rd" aren't in two months; "the 30th to the 2nd" are.
_fits(days, apart) if days == apart

_fits(days, apart) if {
	apart < 0
	days <= 31
}
