package tabard.lib.verbs_test

import data.tabard.lib.clauses
import data.tabard.lib.verbs
import data.tabard.lib.wording

test_known_holds_all_of_wording if {
	every words in [
		wording.admit,
		wording.change,
		wording.create,
		wording.delete,
		wording.publish,
		wording.send,
		clauses.telling,
	] {
		count(words - verbs.known) == 0
	}
}

test_bases if {
	verbs.bases("planning") == {"planning", "plann", "planne", "plan"}
	every word, verb in {"sends": "send", "replies": "reply", "watches": "watch", "paying": "pay", "moving": "move"} {
		verb in verbs.bases(word)
	}
}

test_forms if {
	every act, form in {
		"move": "moved", "reply": "replied", "cancel": "cancelled", "drop": "dropped", "pay": "paid", "send": "sent",
		"book": "booked", "refund": "refunding", "transfer": "transferred", "cut": "cut",
	} {
		form in verbs.forms(act)
	}
}

# "-ing" by itself: an error here would deny a request that holds it.
test_a_suffix_alone_has_bases if {
	verbs.bases("ing") == {"", "e", "ing"}
}

test_wide_verbs_are_few if {
	verbs.wide & {"cancel", "pay", "refund", "restart"} == set()
	"put" in verbs.wide
}
