package tabard.lib.states_test

import data.tabard.lib.states

test_reports if {
	every part in [
		["won't", " print in east, do the usual"], ["doesn't", " want the vest, refund her"],
		["aren't allowed", " to keep it any longer"], ["does not", " start up"],
	] {
		states.reports(part[0], part[1])
	}
}

test_what_forbids_is_no_report if {
	every part in [
		["don't", " print in east"], ["doesn't", " want the vest sent to Ann"], ["doesn't", " want Ann told"],
		["aren't allowed", " to tell Ann"], ["won't", " print for Ann"],
	] {
		not states.reports(part[0], part[1])
	}
}

test_waiting if {
	states.waiting("Hold Heron for now, pay Glide") == "excluding Heron ; , pay Glide"
	states.waiting("Park Heron, the rest can go") == "excluding Heron ; the rest can go"
	states.waiting("Hold the ten o'clock for Ann") == "Hold the ten o'clock for Ann"
}
