package tabard.lib.relations_test

import data.tabard.lib.relations

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_patients := {"P-1": ["Ann Lee"], "P-2": ["Bob Moss"], "P-3": ["Yusuf Demir"]}

_doctor := {"P-1": "hart", "P-2": "lind", "P-3": ["hart", "lind"]}

test_meant if {
	every statement, found in {
		"Ann Lee needs her tablets. Send them to her usual doctor": {"hart"},
		"Book Bob Moss with his own doctor": {"lind"},
		"Ann Lee and Bob Moss are late: Bob's doctor has to wait": {"lind"},
		"Ann Lee and Bob Moss: their doctor": set(),
		"What does Yusuf’s doctor say?": {"hart", "lind"},
		"Book Ann Lee": set(),
		"Book Ann Lee, not with her doctor": set(),
		"Her doctor": set(),
	} {
		relations.meant({"doctor", "gp"}, _patients, _doctor) == found with input as _request(statement)
		relations.meant({"doctor", "gp"}, _patients, _doctor) == set() with input as _asserted(statement)
	}
}

test_told if {
	every statement, found in {
		"Let Ann Lee's doctor know": {"hart"},
		"What does the insurer ask of Bob Moss? Pass the question on to his doctor.": {"lind"},
		"Tell Ann Lee what her doctor says": set(),
		"Tell Ann Lee": set(),
	} {
		relations.told({"doctor"}, _patients, _doctor) == found with input as _request(statement)
		relations.told({"doctor"}, _patients, _doctor) == set() with input as _asserted(statement)
	}
}
