package tabard.lib.times_test

import data.tabard.lib.times

# Monday 2026-11-30, 12:00 in UTC.
_call(statement, arguments) := {
	"context": {"time": 1796040000},
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": arguments},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

_said := {
	"at two": {"02:00", "14:00"},
	"at twelve": {"00:00", "12:00"},
	"half past nine": {"09:30", "21:30"},
	"half nine": {"09:30", "21:30"},
	"Ann at 9, Bob at half past": {"09:00", "09:30", "21:00", "21:30"},
	"She can't come at 11, half past is ok": {"11:00", "11:30", "23:00", "23:30"},
	"Ann at 2 pm, Bob at a quarter past.": {"14:00", "14:15"},
	"half past": set(),
	"quarter to three": {"02:45", "14:45"},
	"ten to nine": {"08:50", "20:50"},
	"twenty-five past one": {"01:25", "13:25"},
	"nine thirty": {"09:30", "21:30"},
	"ten twenty in the morning": {"10:20"},
	"14:00": {"14:00"},
	"09:00": {"09:00"},
	"9:00": {"09:00", "21:00"},
	"at 9.15": {"09:15", "21:15"},
	"2026-12-03T09:30": {"09:30"},
	"2 pm": {"14:00"},
	"at 2 p.m. tomorrow": {"14:00"},
	"12 am": {"00:00"},
	"two o'clock": {"02:00", "14:00"},
	"two o’clock in the afternoon": {"14:00"},
	"on Friday at 9, please": {"09:00", "21:00"},
	"at nine in the evening": {"21:00"},
	"at 9:15 tomorrow morning": {"09:15"},
	"at 9:15 at night": {"09:15", "21:15"},
	"noon": {"12:00"},
	"from ten to eleven": {"10:00", "11:00", "22:00", "23:00"},
	"from noon to two": {"02:00", "12:00", "14:00"},
	"at two pharmacies": set(),
	"on 2 December at 11, Dr Okafor": {"11:00", "23:00"},
	"on 2 December at 11 Dr Okafor is free": {"11:00", "23:00"},
	"on Monday at 11 Lucia comes": {"11:00", "23:00"},
	"on Monday at 9": {"09:00", "21:00"},
	"tomorrow at 11 Bell Street": set(),
	"on Monday at 2 pharmacies": set(),
	"Tuesday at 10 percent": set(),
	"Pay 12.50 to Ann": set(),
	"order 20 boxes": set(),
	"in two hours": set(),
}

test_said if {
	every statement, said in _said {
		times.said == said with input as _call(statement, {})
		times.said == set() with input as _asserted(_call(statement, {}))
	}
}

_parts := {
	"in the morning": {["05:00", "12:00"]},
	"tomorrow afternoon": {["12:00", "18:00"]},
	"Good morning, cancel it": set(),
	"before noon": {["00:00", "12:00"]},
	"after three": {["15:00", "23:59"]},
	"before 9 am": {["00:00", "09:00"]},
	"after 5:30 pm": {["17:30", "23:59"]},
	"until 06:30": {["00:00", "06:30"]},
	"between two and four": {["14:00", "16:00"]},
	"from ten to eleven": {["10:00", "11:00"]},
}

test_parts if {
	every statement, parts in _parts {
		times.parts == parts with input as _call(statement, {})
		times.parts == set() with input as _asserted(_call(statement, {}))
	}
}

_shifts := {
	"an hour later": {60},
	"30 minutes earlier": {-30},
	"half an hour back": {-30, 30},
	"postpone it by two days": {2880},
	"move it forward by 15 minutes": {-15, 15},
	"two boxes": set(),
}

test_shifts if {
	every statement, shifts in _shifts {
		times.shifts == shifts with input as _call(statement, {})
		times.shifts == set() with input as _asserted(_call(statement, {}))
	}
}

test_lengths if {
	times.lengths == {20, 30} with input as _call("a 20 minute call, then half an hour for us", {})
	times.lengths == set() with input as _asserted(_call("a 20 minute call", {}))
}

test_requested if {
	every moment in [
		"14:00", "14:00:00", "2026-12-03T14:00",
		"2026-12-03 14:00:00", "2026-12-03T13:00:00Z", "2026-12-03T15:00+02:00",
	] {
		call := _call("tomorrow at 2 pm", {"start": moment})
		times.requested("start", "Europe/Berlin") with input as call
		not times.requested("start", "Europe/Berlin") with input as _asserted(call)
	}
	every moment in [
		"14:01", "02:00", "2 pm", "14:00:07",
		"14:00+00:99", "2026-12-03T14:00Z", "14:00 ", "2026-13-03T14:00", 14, null, ["14:00"],
	] {
		not times.requested("start", "Europe/Berlin") with input as _call("tomorrow at 2 pm", {"start": moment})
	}
	not times.requested("start", "UTC") with input as _call("tomorrow at 2 pm", {})
}

test_from_now if {
	every moment in ["14:00", "14:05", "2026-11-30T13:57", "2026-11-30T15:00:00+01:00"] {
		times.requested("start", "UTC") with input as _call("Remind me in two hours", {"start": moment})
	}
	every moment in ["14:06", "12:00", "2026-12-01T14:00", "2026-11-30T14:00-05:00"] {
		not times.requested("start", "UTC") with input as _call("Remind me in two hours", {"start": moment})
	}
	not times.requested("start", "UTC") with input as _call("Remind me in 30 hours", {"start": "18:00"})
}

test_within_said if {
	times.within_said("2026-12-01T09:30") with input as _call("tomorrow morning", {})
	times.within_said("14:00") with input as _call("at two", {})
	not times.within_said("14:00") with input as _call("tomorrow morning", {})
	not times.within_said("early") with input as _call("tomorrow morning", {})
	not times.within_said("09:30") with input as _asserted(_call("tomorrow morning", {}))
}

test_shifted if {
	call := _call("Move it to an hour later", {"start": "2026-12-01T00:30"})
	times.shifted("start", "2026-11-30T23:30") with input as call
	not times.shifted("start", "2026-11-30T23:00") with input as call
	not times.shifted("start", "23:30") with input as call
	not times.shifted("start", "2026-11-30T23:30Z") with input as call
	not times.shifted("start", "2026-11-30T23:30") with input as _asserted(call)
	times.shifted("start", "14:00") with input as _call("an hour earlier", {"start": "13:00"})
}

test_none_said if {
	times.none_said with input as _call("Cancel order 7", {})
	every statement in ["at two", "tomorrow morning", "an hour later", "for 20 minutes", ""] {
		not times.none_said with input as _call(statement, {})
	}
	not times.none_said with input as _asserted(_call("Cancel order 7", {}))
}

test_meaning if {
	every statement, meaning in {
		"Move it to nine": "said",
		"In the morning": "said",
		"Move it to ten": "other",
		"Move it": "none",
	} {
		times.meaning("start", "UTC") == meaning with input as _call(statement, {"start": "2026-12-03T09:00"})
	}
	not times.meaning("other", "UTC") with input as _call("Move it", {"start": "2026-12-03T09:00"})
}

test_moved_to if {
	every statement, expected in {
		"Put her nine o'clock to two": {"02:00", "14:00"}, "Move it to Tuesday": {"09:00"}, "An hour later": {"10:00"},
		"Move it from nine to half past three": {"03:30", "15:30"}, "Two hours earlier": {"07:00"},
	} {
		times.moved_to("2026-11-30T09:00") == expected with input as _call(statement, {})
	}
}
