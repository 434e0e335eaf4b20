package tabard.lib.references_test

import data.tabard.lib.references

test_ids_are_read_in_any_spelling if {
	references.spelled("refund o-1006, inv_7 and t 302's") == {"o1006", "inv7", "t302"}
	references.spelled("twenty boxes") == set()
}

test_numbers_stand_behind_their_kind if {
	references.numbered("orders 1006, 0107 and no. 12", {"order"}) == {"1006", "107", "12"}
	references.numbered("order 20 boxes", {"order"}) == set()
	references.numbered("parcel #7", {"order", "parcel"}) == {"7"}
	references.numbered("order 1006", set()) == set()
}
