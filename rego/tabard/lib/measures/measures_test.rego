package tabard.lib.measures_test

import data.tabard.lib.measures

test_of if {
	measures.of("Heron kayak 12-foot") == {"12 ft"}
	measures.of("Rope 010 m, bag 20 litres, 3 boxes, 5 mg") == {"10 m", "20 l"}
}

test_said if {
	request := {"task": {"intent_source": "signed", "statement": "The twelve footers, not those of 15 ft"}}
	measures.said == {"12 ft"} with input as request
	measures.said == set() with input as object.union(request, {"task": {"intent_source": "asserted"}})
}
