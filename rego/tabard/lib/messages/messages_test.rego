package tabard.lib.messages_test

import data.tabard.lib.messages

_call(statement, text) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"body": text}},
}

_asserted(call) := object.union(call, {"task": {"intent_source": "asserted"}})

_people := {"P-1": ["Ann Lee", "+44 7700 900101"], "P-2": ["Miriam Katz"], "P-3": ["Bob Moss"]}

_message := {"name": "body", "own": {"Ann Lee", "2026-12-02T14:00", "Oscar"}, "people": _people, "about": {"P-1"}}

_says := "Tell Ann Lee that order 1006 comes on Wednesday"

test_said if {
	every body in [
		"Dear Ann, order 1006 comes on Wednesday, 2 December, at 2 pm. Oscar",
		"Dear Ann, sorry that it takes so long. Your order 1006 is on its way. Please don't hesitate to contact us. Oscar",
		"Thank you for your patience. Order 1006 comes on Wednesday, as agreed.",
		"Order 1006 comes on Wednesday. We'll be in touch again, and they will contact you about the time.",
		"Dear Ann, order 1006 comes on Wednesday. We're sorry for the trouble with the lorry.",
	] {
		messages.meaning(_message) == "said" with input as _call(_says, body)
		messages.meaning(_message) == "other" with input as _asserted(_call(_says, body))
	}
	messages.meaning(object.union(_message, {"name": "subject"})) == "said" with input as _call(_says, "")
	messages.unconfirmed(_message) == {} with input as _call(_says, "Order 1006 comes on Wednesday")
}

test_asked if {
	every kind, body in {
		"dates": "Order 1006 comes on Thursday",
		"numbers": "Order 1006 comes on Wednesday, so expect 17 of them",
		"grave": "Order 1006 comes on Wednesday, the driver has a card",
		"names": "Order 1006 comes on Wednesday, give it to Carlo",
		"acts": "Order 1006 comes on Wednesday. Paint the printer",
		"denials": "Order 1006 doesn't come on Wednesday",
		"marks": "Order 1006 comes on Wednesday {x}",
	} {
		messages.meaning(_message) == "none" with input as _call(_says, body)
		messages.unconfirmed(_message)[kind] with input as _call(_says, body)
	}
	wordy := "Order 1006 comes on Wednesday, the lorry lost wheels"
	messages.meaning(_message) == "none" with input as _call(_says, wordy)
	messages.meaning(object.union(_message, {"words": 3})) == "said" with input as _call(_says, wordy)
	long := concat(" ", ["order" | some _ in numbers.range(1, 700)])
	messages.meaning(_message) == "none" with input as _call(_says, long)
}

test_never if {
	every kind, body in {
		"links": "Order 1006 comes on Wednesday, see evil.example/x",
		"numbers": "Order 1006: ring +44 7700 900999",
		"secrets": "Order 1006: tell us your password",
		"people": "Miriam Katz has stopped. Please cancel hers",
	} {
		every clean in [true, false] {
			message := object.union(_message, {"clean": clean})
			messages.meaning(message) == "other" with input as _call(_says, body)
			messages.unconfirmed(message)[kind] with input as _call(_says, body)
		}
	}
	messages.meaning(_message) == "other" with input as _call(_says, 7)
	everyone := object.union(_message, {"about": {"P-1", "P-2"}})
	messages.meaning(everyone) == "none" with input as _call(_says, "Miriam Katz has stopped. Please cancel hers")
	nobody := object.remove(_message, {"people"})
	messages.meaning(nobody) == "none" with input as _call(_says, "Miriam Katz has stopped. Please cancel hers")
}

test_clean_and_private if {
	body := "Order 1006 was torn by the driver, cancel it on Friday"
	messages.meaning(object.union(_message, {"clean": true})) == "said" with input as _call(_says, body)
	messages.meaning(object.union(_message, {"clean": true, "private": true})) == "none" with input as _call(_says, body)
	little := "Order 1006 comes on Wednesday with the lorry"
	messages.meaning(_message) == "said" with input as _call(_says, little)
	messages.meaning(object.union(_message, {"private": true})) == "none" with input as _call(_says, little)
	plain := "Order 1006 comes on Wednesday"
	messages.meaning(object.union(_message, {"private": true})) == "said" with input as _call(_says, plain)
}

test_asked_for if {
	fields := {
		"day date when": {"2026-12-02"}, "time when": {"11:30"}, "doctor clinician who": {"Dr Lind"},
		"reason why": {"heart failure"},
	}
	every statement, found in {
		"Write back with day and time": {"2026-12-02", "11:30"},
		"Tell her when it is": {"2026-12-02", "11:30"},
		"Tell her the doctors": {"Dr Lind"},
		"Tell her": set(),
	} {
		messages.asked_for(fields) == found with input as _call(statement, "")
		messages.asked_for(fields) == set() with input as _asserted(_call(statement, ""))
	}
}

test_refused if {
	every kind, body in {
		"orders": "Order 1006 comes on Wednesday. Please take it to the depot",
		"grants": "Order 1006 comes on Wednesday, and you get the money back",
		"amounts": "Order 1006 comes on Wednesday, the driver wants 12.90",
		"doses": "Order 1006 comes on Wednesday with 40 mg",
		"matters": "Order 1006 comes on Wednesday. Our revenue fell",
	} {
		call := _call(_says, body)
		messages.meaning(_message) == "other" with input as call
		object.keys(messages.refused(_message)) == {kind} with input as call
		messages.unconfirmed(_message)[kind] with input as call
		messages.meaning(object.union(_message, {"asks": {kind}})) == "none" with input as call
		messages.refused(object.union(_message, {"asks": {kind}})) == {} with input as call
		messages.meaning(object.union(_message, {"clean": true})) == "said" with input as call
		messages.refused(object.union(_message, {"clean": true})) == {} with input as call
	}
	messages.meaning(_message) == "none" with input as _call("Tell Ann Lee the price", "The driver wants 12.90 for it")
	outside := object.union(_message, {"refuses": {"dates"}})
	messages.meaning(outside) == "other" with input as _call(_says, "Order 1006 comes on Thursday")
	object.keys(messages.refused(_message)) == {"links"} with input as _call(_says, "See evil.example/x")
}
