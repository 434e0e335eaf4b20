package tabard.lib.clock_test

import data.tabard.lib.clock

# Monday 2026-11-23, 22:30:00.75 in UTC, 23:30 in Berlin.
_monday := {"context": {"time": 1795473000.75}}

_saturday := {"context": {"time": 1795473000.75 - (2 * 86400)}}

test_now if {
	clock.now_ns == 1795473000000000000 with input as _monday
}

test_between if {
	clock.between("22:30", "22:31", "UTC") with input as _monday
	clock.between("23:00", "23:59", "Europe/Berlin") with input as _monday
}

test_outside if {
	not clock.between("08:00", "22:30", "UTC") with input as _monday
	not clock.between("22:31", "23:00", "UTC") with input as _monday
	not clock.between("22:30", "22:30", "UTC") with input as _monday
}

test_across_midnight if {
	clock.between("22:00", "06:00", "UTC") with input as _monday
	clock.between("23:55", "22:31", "UTC") with input as _monday
	not clock.between("23:55", "06:00", "UTC") with input as _monday
}

test_weekday if {
	clock.weekday("UTC") with input as _monday
	not clock.weekday("UTC") with input as _saturday
}

test_date if {
	clock.date("UTC") == "2026-11-23" with input as _monday
	clock.date("Asia/Tokyo") == "2026-11-24" with input as _monday
	clock.date("UTC") == "2026-01-05" with input.context.time as 1767614400
}
