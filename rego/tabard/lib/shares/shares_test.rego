package tabard.lib.shares_test

import data.tabard.lib.shares

_request(statement) := {"task": {"intent_source": "signed", "statement": statement}}

_asserted(statement) := {"task": {"intent_source": "asserted", "statement": statement}}

_call(statement, cents) := object.union(
	_request(statement),
	{"tool": {"name": "t", "arguments": {"amount_cents": cents}}},
)

test_of if {
	every statement, part in {
		"Send the first half now": 194700,
		"Pay a third of it": 129800,
		"Pay two thirds of the bill": 259600,
		"It's split by three": 129800,
		"Pay it in two halves": 194700,
		"Pay the first of it in four instalments": 97350,
		"Give him 40 percent back": 155760,
		"Pay it minus 20 euros": 387400,
	} {
		part in shares.of(389400) with input as _request(statement)
		shares.of(389400) == set() with input as _asserted(statement)
	}
	shares.of(100) == set() with input as _request("Pay it at half past two, third floor")
	{33, 34} - shares.of(100) == set() with input as _request("A third of it")
}

test_changed if {
	every statement, price in {
		"Put it down by 10 %": 5400,
		"Raise it by 5 percent": 6300,
		"Two euros off": 5800,
		"Go 50 cents below that": 5950,
		"Lower it by 2 euros": 5800,
		"Halve the price": 3000,
		"Double it": 12000,
	} {
		price in shares.changed(6000) with input as _request(statement)
		shares.changed(6000) == set() with input as _asserted(statement)
	}
	not 6600 in shares.changed(6000) with input as _request("Put it down by 10 %")
	{5400, 6600} - shares.changed(6000) == set() with input as _request("Change it by 10 %")
}

test_stated if {
	shares.stated == {2000} with input as _request("Pay 20 euros, at most 50 euros, 50 cents below theirs")
	shares.stated == set() with input as _asserted("Pay 20 euros")
	shares.said with input as _request("Pay half of it")
	not shares.said with input as _request("Pay it")
}

test_cents_meaning if {
	every row in [
		["Send the first half now", 194700, 389400, "said"],
		["Send the first half now", 389400, 389400, "none"],
		["Pay it", 389400, 389400, "said"],
		["Pay it", 100, 389400, "none"],
		["Pay 20 euros", 2000, 389400, "said"],
		["Pay 1,000 of it now", 100000, 389400, "said"],
		["Pay 1,000 of it now", 389400, 389400, "other"],
		["Pay 20 euros", 389400, 389400, "other"],
		["Pay it, provided it isn't more than 750", 74500, 74500, "said"],
		["Pay it, provided it isn't more than 750", 75100, 75100, "other"],
		["Go 50 cents below them", 5650, 5900, "none"],
		["Order ten at what we paid last", 3400, 5900, "none"],
		["We pay 520 euros normally. Get four with the discount", 46800, 0, "none"],
	] {
		shares.cents_meaning("amount_cents", row[2]) == row[3] with input as _call(row[0], row[1])
	}
	not shares.cents_meaning("amount_cents", 100) with input as _request("Pay it")
}

test_count_meaning if {
	every case in [
		["Take three of them back", 3, 8, "said"], ["Take half of them back", 4, 8, "said"],
		["Take all of them back", 8, 8, "said"], ["Double the number", 16, 8, "said"],
		["Take half of them back", 8, 8, "other"], ["Take three of them back", 8, 8, "other"],
		["Take up to six back", 2, 8, "none"], ["Take some back", 2, 8, "none"], ["Take half of them back", 4, 0, "none"],
		["Take as many as on the list", 2, 8, "none"],
	] {
		call := {
			"task": {"intent_source": "signed", "statement": case[0]},
			"tool": {"arguments": {"n": case[1]}},
		}
		shares.count_meaning("n", case[2]) == case[3] with input as call
		asserted := object.union(call, {"task": {"intent_source": "asserted"}})
		shares.count_meaning("n", case[2]) == "other" with input as asserted
	}
}
