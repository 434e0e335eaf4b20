package tabard.lib.dates_test

import data.tabard.lib.dates

# Monday 2026-11-30, 12:00 in UTC.
_now := 1796040000

_call(statement, now) := {
	"context": {"time": now},
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"date": "2026-12-03", "start": "2026-12-03T14:00"}},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

_with(argument) := object.union(_call("on 3 December", _now), {"tool": {"arguments": {"date": argument}}})

_said := {
	"Move it to tomorrow or the day after tomorrow": {"2026-12-01", "2026-12-02"},
	"What came today, yesterday and the day before yesterday?": {"2026-11-28", "2026-11-29", "2026-11-30"},
	"on Wednesday": {"2026-12-02"},
	"Wednesday's list": {"2026-12-02"},
	"this Friday": {"2026-12-04"},
	"next Friday": {"2026-12-04", "2026-12-11"},
	"last Friday": {"2026-11-27"},
	"Friday week": {"2026-12-11"},
	"Friday this week": {"2026-12-04"},
	"Friday next week": {"2026-12-11"},
	"next week, on Tuesday": {"2026-12-08"},
	"Monday": {"2026-11-30", "2026-12-07"},
	"next Monday": {"2026-11-30", "2026-12-07"},
	"on the 3rd": {"2026-11-03", "2026-12-03"},
	"by the twenty-first": {"2026-11-21", "2026-12-21"},
	"3 December": {"2026-12-03"},
	"the third of December": {"2026-12-03"},
	"Monday 7 December at 9": {"2026-12-07"},
	"20 November": {"2026-11-20", "2027-11-20"},
	"December 3rd, 2027": {"2027-12-03"},
	"29 February 2028, not 30 February 2028": {"2028-02-29"},
	"29 February 2100": set(),
	"29 February 2000": {"2000-02-29"},
	"at 2026-12-03T14:00": {"2026-12-03"},
	"3/12/2026": {"2026-12-03", "2026-03-12"},
	"13.12.2026": {"2026-12-13"},
	"on 3/12": {"2026-12-03", "2027-03-12"},
	"in two days": {"2026-12-02"},
	"a week from now": {"2026-12-07"},
	"in three months": {"2027-02-28"},
	"in a fortnight": {"2026-12-14"},
	"three days ago": {"2026-11-27"},
	"not on Friday but on Thursday": {"2026-12-03"},
	"Thursday instead of tomorrow": {"2026-12-03"},
	"on the 3rd floor": set(),
	"Pay 12.50 to Ann for 3 boxes": set(),
	"You may send them": set(),
	"31 February": set(),
}

test_said if {
	every statement, days in _said {
		dates.said("UTC") == days with input as _call(statement, _now)
		dates.said("UTC") == set() with input as _asserted(_call(statement, _now))
	}
}

_spans := {
	"this week": {["2026-11-30", "2026-12-06"]},
	"next week": {["2026-12-07", "2026-12-13"]},
	"What happened last week?": {["2026-11-23", "2026-11-29"]},
	"at the weekend": {["2026-12-05", "2026-12-06"]},
	"next weekend": {["2026-12-05", "2026-12-06"], ["2026-12-12", "2026-12-13"]},
	"next month": {["2026-12-01", "2026-12-31"]},
	"the november report": {["2026-11-01", "2026-11-30"]},
	"all of February 2028": {["2028-02-01", "2028-02-29"]},
	"in march": {["2027-03-01", "2027-03-31"]},
	"by Friday": {["2026-11-30", "2026-12-04"]},
	"by 5 December": {["2026-11-30", "2026-12-05"]},
	"before the 5th of December": {["2026-11-30", "2026-12-05"]},
	"by December 5th": {["2026-11-30", "2026-12-05"]},
	"until the 15th": {["2026-11-30", "2026-12-15"]},
	"since last Friday": {["2026-11-27", "2026-11-30"]},
	"by the end of next week": {["2026-11-30", "2026-12-13"], ["2026-12-07", "2026-12-13"]},
	"by December": {["2026-11-30", "2026-12-31"], ["2026-12-01", "2026-12-31"]},
	"between the 2nd and the 3rd": {["2026-11-02", "2026-11-03"], ["2026-12-02", "2026-12-03"]},
	"the 30th to the 2nd": {["2026-10-30", "2026-11-02"], ["2026-11-30", "2026-12-02"]},
	"3-5 December": {["2026-12-03", "2026-12-05"]},
	"from Tuesday to Thursday": {["2026-12-01", "2026-12-03"]},
	"move it from Tuesday to Thursday": set(),
	"within ten days": {["2026-11-30", "2026-12-10"]},
	"in the next week": {["2026-11-30", "2026-12-07"], ["2026-12-07", "2026-12-13"]},
	"the last two weeks": {["2026-11-16", "2026-11-30"]},
	"in two weeks": {["2026-12-14", "2026-12-20"]},
	"in a month": {["2026-12-23", "2027-01-06"]},
	"Friday next week": set(),
	"Cancel order 7": set(),
}

test_spans if {
	every statement, spans in _spans {
		dates.spans("UTC") == spans with input as _call(statement, _now)
		dates.spans("UTC") == set() with input as _asserted(_call(statement, _now))
	}
}

test_today_depends_on_the_zone if {
	late := _now + (11.5 * 3600)
	dates.today("UTC") == "2026-11-30" with input as _call("", late)
	dates.today("Europe/Berlin") == "2026-12-01" with input as _call("", late)
	dates.said("Europe/Berlin") == {"2026-12-02"} with input as _call("tomorrow", late)
}

test_requested if {
	dates.requested("date", "UTC") with input as _call("on Thursday", _now)
	dates.requested("start", "UTC") with input as _call("on Thursday", _now)
	not dates.requested("date", "UTC") with input as _call("on Friday", _now)
	not dates.requested("date", "UTC") with input as _call("this week", _now)
	not dates.requested("date", "UTC") with input as _asserted(_call("on Thursday", _now))
	not dates.requested("other", "UTC") with input as _call("on Thursday", _now)
}

test_an_argument_is_a_whole_date if {
	every date in [
		"2026-12-03",
		"2026-12-03T14:00:00Z",
		"2026-12-03 14:00",
		"2026-12-02T23:30:00Z",
		"2026-12-03T23:30:00+02:00",
	] {
		dates.requested("date", "Europe/Berlin") with input as _with(date)
	}
	every date in [
		"2026-12-04", "2026-12-03T23:30:00Z", "2026-12-03T00:30:00+02:00", "2026-12-3", "2026-12-03x", " 2026-12-03",
		"2026-12-03T25:00", "3 December", "2026-02-30", "2026-12-03\n", 3, ["2026-12-03"], null,
		"2026-12-03T14:00:00.4826139950Z", "2026-12-03T14:00+00:99", "2026-12-03T23:30:00-05:00",
	] {
		not dates.requested("date", "Europe/Berlin") with input as _with(date)
	}
}

test_within_said if {
	every date in ["2026-11-30", "2026-12-06", "2026-12-03T14:00"] {
		dates.within_said(date, "UTC") with input as _call("Show this week's visits", _now)
		not dates.within_said(date, "UTC") with input as _asserted(_call("Show this week's visits", _now))
	}
	dates.within_said("2026-12-01", "UTC") with input as _call("tomorrow", _now)
	not dates.within_said("2026-12-07", "UTC") with input as _call("Show this week's visits", _now)
	not dates.within_said("soon", "UTC") with input as _call("Show this week's visits", _now)
}

test_none_said if {
	dates.none_said with input as _call("Cancel order 7, please", _now)
	every statement in ["Not on Friday", "31 February", "next week", "by the 3rd", "the november report", ""] {
		not dates.none_said with input as _call(statement, _now)
	}
	not dates.none_said with input as _asserted(_call("Cancel order 7", _now))
}

test_meaning if {
	every statement, meaning in {
		"Move it to 3 December": "said",
		"Move it to Friday": "other",
		"Move it": "none",
		"Some time this week": "said",
	} {
		dates.meaning("start", "UTC") == meaning with input as _call(statement, _now)
	}
	not dates.meaning("other", "UTC") with input as _call("Move it", _now)
}

test_moved_to if {
	every statement, expected in {
		"Her Wednesday appointment to Friday": {"2026-12-04"}, "An hour later": {"2026-12-02"},
		"Move it to tomorrow": {"2026-12-01"},
	} {
		dates.moved_to("2026-12-02T10:30", "UTC") == expected with input as _call(statement, _now)
	}
}
