package tabard.lib.branches_test

import data.tabard.lib.branches

test_a_comma_before_the_order if {
	branches.divided("If it's on the list pay her back") == "if it's on the list, pay her back"
	branches.divided("if she hasn't had it pay it back, else wait") == "if she hasn't had it, pay it back, else wait"
	branches.divided("if ten are left get four with it") == "if ten are left, get four with it"
	branches.ended("If it's lost refund her") == "if it's lost, refund her"
	every text in ["if they send it", "if she wants to pay the bill", "pay her back", "tell me when they move it"] {
		branches.divided(text) == text
	}
}

test_a_condition_forbids_nothing if {
	branches.divided("if nothing does, throw it away") == "if isn't does, throw it away"
	branches.divided("unless he objects, book her") == "if isn't he objects, book her"
	branches.divided("and if we're allowed to tell her, write") == "and if we're allowed … tell her, write"
	branches.divided("pay it unless he objects") == "pay it unless he objects"
}
