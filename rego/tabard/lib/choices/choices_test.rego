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
