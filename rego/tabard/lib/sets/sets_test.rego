package tabard.lib.sets_test

import data.tabard.lib.sets

test_has if {
	every collection in [{"a", "b"}, ["a", "b"], {"a": {}, "b": false}, {"a": null}] {
		sets.has(collection, "a")
		not sets.has(collection, "c")
	}
}

test_has_takes_values_that_rego_counts_as_false if {
	sets.has({false}, false)
	sets.has([false], false)
	sets.has([null], null)
	sets.has({null}, null)
}

test_an_index_of_an_array_is_no_member if {
	not sets.has(["a"], 0)
}

test_nothing_is_in_what_is_no_collection if {
	every value in ["a", 1, null] {
		not sets.has(value, "a")
	}
}

test_missing if {
	every collection in [{"a", "b"}, ["a", "b"], {"a": {}, "b": false}] {
		sets.missing({"a", "c"}, collection) == {"c"}
		sets.missing({"a"}, collection) == set()
	}
}
