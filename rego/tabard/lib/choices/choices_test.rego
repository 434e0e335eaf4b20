package tabard.lib.choices_test

import data.tabard.lib.choices

_call(statement, arguments) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": arguments},
}

_service := {
	"name": "service",
	"options": {"express": {"express", "as fast as possible"}, "standard": {"standard", "normal"}},
	"default": "standard",
}

test_meaning if {
	every case in [
		["Send it express", {"service": "express"}, "said"], ["Send it express", {"service": "standard"}, "other"],
		["Send it express", {}, "other"], ["Send it", {}, "said"], ["Send it", {"service": "standard"}, "said"],
		["Send it", {"service": "express"}, "none"], ["Send it", {"service": "overnight"}, "other"],
		["Send it, not express", {"service": "express"}, "none"], ["Send it", {"service": 7}, "other"],
		["Bob's standard, Ann's express", {"service": "express"}, "none"],
		["Send it as fast as possible", {"service": "express"}, "said"],
	] {
		choices.meaning(_service) == case[2] with input as _call(case[0], case[1])
	}
	asserted := {"task": {"intent_source": "asserted", "statement": "Send it"}, "tool": {"arguments": {}}}
	choices.meaning(_service) == "other" with input as asserted
	without := object.remove(_service, ["default"])
	choices.meaning(without) == "none" with input as _call("Send it", {"service": "standard"})
	choices.meaning(without) == "other" with input as _call("Send it", {})
}

test_within if {
	says := "Bob's goes out, Ann's with Bluelane express"
	ann := object.union(_service, {"within": "Ann's with Bluelane express"})
	choices.meaning(ann) == "said" with input as _call(says, {"service": "express"})
	choices.meaning(ann) == "other" with input as _call(says, {})
	bob := object.union(_service, {"within": "Bob's goes out, "})
	choices.meaning(bob) == "said" with input as _call(says, {})
	choices.meaning(bob) == "none" with input as _call(says, {"service": "express"})
	all_of_it := object.union(_service, {"within": ""})
	choices.meaning(all_of_it) == "said" with input as _call(says, {"service": "express"})
}

_environment := {"name": "environment", "options": {"production": {"production", "live"}, "staging": {"staging"}}}

test_ruled_out_and_reported if {
	every case in [
		["Put 0.9.9 there, not on production", "staging", "said"],
		["Put 0.9.9 there, not on production", "production", "none"],
		["It has been fine in staging all week. Roll it out", "production", "none"],
		["It has been fine in staging all week. Roll it out", "staging", "said"],
		["Roll it out to staging", "production", "other"],
		["It has been fine in staging. Roll it out to production", "staging", "none"],
	] {
		choices.meaning(_environment) == case[2] with input as _call(case[0], {"environment": case[1]})
	}
	urgency := {"name": "urgency", "options": {"routine": {"routine"}, "urgent": {"urgent"}}}
	choices.meaning(urgency) == "said" with input as _call("Refer him, nothing urgent", {"urgency": "routine"})
	choices.meaning(urgency) == "none" with input as _call("Refer him, nothing urgent", {"urgency": "urgent"})
}

_prices := {"P-3": 3400, "P-5": 5000}

test_picked if {
	every case in [
		["Take the cheaper one", "price", {"P-3"}], ["The most expensive, please", "price", {"P-5"}],
		["Whichever is earlier", "time", {"P-3"}], ["The latest slot", "time", {"P-5"}], ["The bigger one", "size", {"P-5"}],
		["The cheaper one", "size", set()], ["Ten percent cheaper", "price", set()],
		["The cheapest or the dearest", "price", set()], ["Not the cheaper one", "price", set()],
	] {
		choices.picked(_prices, case[1]) == case[2] with input as _call(case[0], {})
	}
	choices.comparing("price") with input as _call("Take the cheaper one", {})
	not choices.comparing("time") with input as _call("Take the cheaper one", {})
	asserted := {"task": {"intent_source": "asserted", "statement": "Take the cheaper one"}}
	not choices.comparing("price") with input as asserted
}
