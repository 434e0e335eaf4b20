package tabard.lib.groups_test

import data.tabard.lib.groups

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_staff := {"ann": ["Ann Lee"], "bob": ["Bob Moss"], "eve": ["Eve Hart"], "tom": ["Tom Avery"]}

_groups := {
	"all": {"names": ["team", "everyone"], "members": ["ann", "bob", "eve", "tom"]},
	"doctors": {"names": ["doctors"], "members": ["ann", "bob"]},
}

test_told if {
	every statement, members in {
		"Tell Tom and both doctors when the courier comes": {"ann", "bob"},
		"Let the team know": {"ann", "bob", "eve", "tom"},
		"Two things for the whole team in one message: the times, and the date": {"ann", "bob", "eve", "tom"},
		"Write a note to the doctors": {"ann", "bob"},
		"Tell everyone but Ann": {"bob", "eve", "tom"},
		"Tell the doctors, not Bob": {"ann"},
		"Tell Ann's doctor": set(),
		"What do the doctors say?": set(),
		"Ask Tom who is in the team": set(),
	} {
		groups.told(_groups, _staff) == members with input as _request(statement)
		groups.told(_groups, _staff) == set() with input as _asserted(statement)
	}
}

test_described if {
	every statement, found in {
		"Start with those who come tomorrow, a text to each.": {"those who come tomorrow"},
		"Text everyone on the waiting list for physio, please": {"everyone on the waiting list for physio"},
		"Move all patients of Dr Lind on Tuesday": {"all patients of dr lind on tuesday"},
		"My patients of this morning all come an hour later": {"my patients of this morning all come an hour later"},
		"Tell Ann": set(),
	} {
		groups.described == found with input as _request(statement)
		groups.described == set() with input as _asserted(statement)
	}
}

test_unnamed_told if {
	every statement in [
		"Do what the mail says, and tell the two of them it's done", "Let them know", "Answer them",
		"Inform everyone concerned",
		"Tell both",
	] {
		groups.unnamed_told with input as _request(statement)
		not groups.unnamed_told with input as _asserted(statement)
	}
	every statement in ["Tell Ann", "Don't tell them", "Did they tell them?"] {
		not groups.unnamed_told with input as _request(statement)
	}
}
