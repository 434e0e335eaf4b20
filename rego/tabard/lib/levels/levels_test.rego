package tabard.lib.levels_test

import data.tabard.lib.levels

_articles := {"V": ["life vest"], "R": ["rope"], "P": ["carbon paddle"]}

_level(id, now, place) := {"name": "delta", "id": id, "directory": _articles, "now": now, "places": {place}}

_call(statement, delta) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"delta": delta}},
}

test_meaning if {
	moved := "We took six ropes over from west to east, and two vests in east are torn and go in the bin. Book that"
	every case in [
		[moved, "R", 12, "west", -6, "said"], [moved, "R", 0, "east", 6, "said"], [moved, "R", 0, "east", -6, "other"],
		[moved, "V", 18, "east", -2, "said"], [moved, "V", 18, "east", 2, "other"], [moved, "V", 18, "east", -6, "other"],
		["Three more ropes turned up", "R", 12, "west", 3, "said"],
		["Three more ropes turned up", "R", 12, "west", -3, "other"],
		["East has 38 paddles", "P", 40, "east", -2, "said"], ["East has 38 paddles", "P", 40, "east", -3, "other"],
		["Set the ropes to fifteen", "R", 12, "west", 3, "said"],
		["There are no ropes left, none left at all", "R", 12, "west", -12, "said"],
		["Correct the ropes by 3", "R", 12, "west", 3, "none"], ["Correct the ropes by 3", "R", 12, "west", -3, "none"],
		["Correct the ropes by 3", "R", 12, "west", 4, "other"], ["Book the count", "R", 12, "west", 4, "none"],
		["Correct the ropes by 3", "R", 12, "west", 0, "other"], ["Book the count", "R", 12, "west", "4", "other"],
		["Three ropes came and were damaged", "R", 12, "west", 3, "none"],
	] {
		levels.meaning(_level(case[1], case[2], case[3])) == case[5] with input as _call(case[0], case[4])
	}
	asserted := object.union(_call("Three more ropes turned up", 3), {"task": {"intent_source": "asserted"}})
	levels.meaning(_level("R", 12, "west")) == "other" with input as asserted
}

test_missing if {
	level := object.remove(_level("V", 18, "east"), ["name"])
	every statement, found in {
		"Get us back up to 20 vests": {2}, "Order vests so that we have thirty": {12}, "Order 20 vests": set(),
		"Get us down to 5 vests": set(),
	} {
		levels.missing(level) == found with input as _call(statement, 0)
	}
	levels.stated(level) with input as _call("Get us back up to 20 vests", 0)
	not levels.stated(level) with input as _call("Order 20 vests", 0)
}

test_counted if {
	level := {"name": "delta", "id": "ROP", "directory": {"ROP": ["Rope"]}, "now": 74}
	every statement in ["Counted: 70 ropes in east", "Ropes in east, counted today: 70"] {
		request := {
			"task": {"intent_source": "signed", "statement": statement},
			"tool": {"arguments": {"delta": -4}},
		}
		levels.meaning(level) == "said" with input as request
	}
}
