package tabard.lib.doses_test

import data.tabard.lib.doses

_call(statement, arguments) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": arguments},
}

_asserted(call) := object.union(call, {"task": {"intent_source": "asserted"}})

_drugs := {"D-1": ["Ramipril"], "D-2": ["Atorvastatin"]}

_dose := {"name": "dose", "id": "D-1", "directory": _drugs, "record": "5 mg once a day"}

_quantity := {"name": "quantity", "id": "D-1", "directory": _drugs, "record": 28}

test_strengths if {
	every text, found in {
		"Ramipril 5 mg": {"5000 mcg"}, "0.5 g, or 500mg": {"500000 mcg"}, "1,000 micrograms": {"1000 mcg"},
		"five milligrams": {"5000 mcg"}, "100 ml of 0.9 %": {"100 ml", "0.9 %"}, "Metformin": set(), "RX-500 mg-ward": set(),
	} {
		doses.strengths(text) == found
	}
}

test_rhythms if {
	every text, found in {
		"5 mg once a day": {"1 per day"}, "two times a day": {"2 per day"}, "2 x daily": {"2 per day"},
		"daily": {"1 per day"},
		"twice daily": {"2 per day"}, "every 12 hours": {"2 per day"}, "every week": {"1 per week"}, "weekly": {"1 per week"},
		"3 times per week": {"3 per week"}, "20 mg at night": {"1 per day", "evening"}, "thrice a day": {"3 per day"},
		"in the morning and at night": {"2 per day", "morning", "evening"}, "2 puffs when needed": {"needed"},
		"once a day in the morning": {"1 per day", "morning"}, "every day": {"1 per day"}, "28 tablets": set(),
	} {
		doses.rhythms(text) == found
	}
	doses.rates("20 mg at night") == set()
	doses.rates("20 mg nightly") == {"1 per day"}
}

test_pieces if {
	doses.pieces("2 puffs when needed") == {"2 puff"}
	doses.pieces("one tablet at night, 28 tablets") == {"1 tablet"}
}

test_meaning if {
	every case in [
		["Ramipril 5 mg once a day, 28 tablets", "5 mg once a day", "said"],
		["Ramipril 5 mg once a day, 28 tablets", "0.005 g daily", "said"],
		["Ramipril, same dose, 28", "5 mg once a day", "said"],
		["Put Ramipril up to 10 mg", "10 mg once a day", "said"],
		["Put Ramipril up from 5 to 10 mg", "10 mg once a day", "said"],
		["Double the Ramipril", "10 mg once a day", "said"],
		["Halve the dose of Ramipril", "2.5 mg once a day", "said"],
		["Ramipril 10 mg, Atorvastatin 40 mg twice a day", "10 mg once a day", "said"],
		["Put Ramipril up to 10 mg", "5 mg once a day", "other"],
		["Ramipril 10 mg, Atorvastatin 40 mg", "40 mg once a day", "other"],
		["Ramipril 10 mg twice a day", "10 mg once a day", "other"],
		["Put Ramipril up as the letter says", "7.5 mg once a day", "none"],
		["Put Ramipril up as the letter says", "5 mg once a day", "none"],
		["Renew Ramipril", "10 mg once a day", "none"],
		["Renew Ramipril", "5 mg once a day, and tell nobody", "none"],
		["Renew Ramipril and Atorvastatin", "5 mg", "none"],
		["Ramipril 10 mg", concat(" ", ["10 mg" | some _ in numbers.range(1, 60)]), "other"],
		["Ramipril 10 mg", 10, "other"],
	] {
		doses.meaning(_dose) == case[2] with input as _call(case[0], {"dose": case[1]})
		doses.meaning(_dose) == "other" with input as _asserted(_call(case[0], {"dose": case[1]}))
	}
	without := object.remove(_dose, ["record"])
	doses.meaning(without) == "said" with input as _call("Ramipril 5 mg once a day", {"dose": "5 mg once a day"})
	doses.meaning(without) == "none" with input as _call("Ramipril", {"dose": "5 mg once a day"})
}

test_quantity if {
	every case in [
		["Ramipril, 30 tablets, two repeats", 30, "said"], ["Ramipril 5 mg twice a day, 56", 56, "said"],
		["Ramipril and Atorvastatin again. 28 each, no repeats", 28, "said"],
		["Ramipril, 30 tablets, two repeats", 2, "other"], ["Ramipril 5 mg twice a day, 56", 2, "other"],
		["Ramipril, 30 tablets", 300, "other"], ["Ramipril as before, two repeats", 28, "said"],
		["Atorvastatin 30, Ramipril the same", 28, "said"], ["Atorvastatin 30, and Ramipril", 30, "none"],
		["Renew Ramipril", 28, "none"], ["Ramipril as before", 56, "none"],
	] {
		doses.quantity_meaning(_quantity) == case[2] with input as _call(case[0], {"quantity": case[1]})
		not doses.quantity_meaning(_quantity) with input as _asserted(_call(case[0], {"quantity": case[1]}))
	}
}

test_repeats if {
	every case in [
		["28 tablets, no repeats", {"repeats": 0}, "said"], ["28 tablets, no repeats", {}, "said"],
		["28 tablets, no repeats", {"repeats": 1}, "other"], ["28, two repeats", {"repeats": 2}, "said"],
		["28, two repeats", {}, "other"], ["28 with a refill", {"repeats": 1}, "said"], ["28", {}, "said"],
		["28", {"repeats": 3}, "none"],
	] {
		doses.repeats_meaning("repeats") == case[2] with input as _call(case[0], case[1])
		not doses.repeats_meaning("repeats") with input as _asserted(_call(case[0], case[1]))
	}
}

_more_drugs := object.union(_drugs, {"D-3": ["Sertraline"], "D-4": ["Furosemide", "water tablets"]})

_sertraline := {"directory": _more_drugs, "id": "D-3"}

test_what_people_write if {
	amount := object.union(_sertraline, {"name": "quantity", "record": 30})
	every case in [
		["Stop the sertraline 50, start her on 100 mg once a day, 28 tablets", "100 mg once a day", "50 mg once a day", 28],
		["Sertraline as before but 168 tablets, no repeats", "50 mg once a day", "50 mg once a day", 168],
		["Sertraline 500 mg three times a day for 7 days, 21 capsules", "500 mg three times a day", "", 21],
		["Sertraline, 2 tablets up to four times a day, 100", "2 tablets up to four times a day", "", 100],
	] {
		call := _call(case[0], {"dose": case[1], "quantity": case[3], "wrong_dose": "200 mg once a day", "wrong": 5600})
		dose := object.union(_sertraline, {"name": "dose", "record": case[2]})
		doses.meaning(dose) == "said" with input as call
		doses.quantity_meaning(amount) == "said" with input as call
		doses.meaning(object.union(dose, {"name": "wrong_dose"})) != "said" with input as call
		doses.quantity_meaning(object.union(amount, {"name": "wrong"})) == "other" with input as call
	}
}

test_each_of_two_things_has_its_quantity if {
	drugs := {"fe": ["Ferrous sulfate"], "fo": ["Folic acid"]}
	said := "Ferrous sulfate 200 mg once a day, 56 tablets, and folic acid 5 mg once a day, 28 tablets"
	every id, wanted in {"fe": "other", "fo": "said"} {
		doses.quantity_meaning({"name": "quantity", "id": id, "directory": drugs, "record": 0}) == wanted with input as {
			"task": {"statement": said, "intent_source": "signed"},
			"tool": {"arguments": {"quantity": 28}},
		}
	}
}

test_a_repeat_of_something_is_a_prescription if {
	every statement, wanted in {
		"A repeat of her Metformin": "said", "A repeat prescription for Ann": "said", "Metformin with a repeat": "other",
		"Metformin with a repeat for June": "other",
	} {
		doses.repeats_meaning("repeats") == wanted with input as {
			"task": {"statement": statement, "intent_source": "signed"},
			"tool": {"arguments": {"repeats": 0}},
		}
	}
}
