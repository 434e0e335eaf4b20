package tabard.lib.arguments_test

import data.tabard.lib.arguments

_call := {
	"task": {"intent_source": "signed", "statement": "send 20 to ann@x.example and bob@x.example"},
	"tool": {"arguments": {
		"amount": 20,
		"body": "",
		"cc": ["ann@x.example", "bob@x.example"],
		"mixed": ["ann@x.example", 3],
		"none": [],
		"null": null,
		"to": "ann@x.example",
	}},
}

test_names if {
	arguments.names == {"amount", "body", "cc", "mixed", "none", "null", "to"} with input as _call
}

test_absent if {
	every name in ["body", "none", "null", "unsent"] {
		arguments.absent(name) with input as _call
	}
	every name in ["amount", "cc", "mixed", "to"] {
		not arguments.absent(name) with input as _call
	}
}

test_text if {
	arguments.text("to") == "ann@x.example" with input as _call
}

test_text_is_undefined_otherwise if {
	every name in ["amount", "body", "cc", "null", "absent"] {
		not arguments.text(name) with input as _call
	}
}

test_number if {
	arguments.number("amount") == 20 with input as _call
}

test_number_is_undefined_otherwise if {
	every name in ["to", "cc", "null", "absent"] {
		not arguments.number(name) with input as _call
	}
}

test_texts if {
	arguments.texts("to") == {"ann@x.example"} with input as _call
	arguments.texts("cc") == {"ann@x.example", "bob@x.example"} with input as _call
}

test_texts_is_undefined_otherwise if {
	every name in ["amount", "body", "mixed", "none", "null", "absent"] {
		not arguments.texts(name) with input as _call
	}
}

test_length_at_most if {
	arguments.length_at_most("to", 13) with input as _call
	not arguments.length_at_most("to", 12) with input as _call
	arguments.length_at_most("body", 0) with input as _call
}

test_length_counts_characters if {
	arguments.length_at_most("text", 2) with input.tool.arguments as {"text": "éü"}
}

test_length_at_most_is_undefined_otherwise if {
	every name in ["amount", "cc", "null", "absent"] {
		not arguments.length_at_most(name, 100) with input as _call
	}
}

test_in_range if {
	arguments.in_range("amount", 20, 20) with input as _call
	not arguments.in_range("amount", 21, 30) with input as _call
	not arguments.in_range("amount", 1, 19) with input as _call
	not arguments.in_range("null", 1, 19) with input as _call
}

test_all_in if {
	every trusted in [{"ann@x.example", "bob@x.example"}, ["ann@x.example", "bob@x.example"]] {
		arguments.all_in("cc", trusted) with input as _call
	}
	arguments.all_in("cc", {"ann@x.example": 1, "bob@x.example": false}) with input as _call
}

test_all_in_refuses_other_values if {
	not arguments.all_in("cc", {"ann@x.example"}) with input as _call
	not arguments.all_in("mixed", {"ann@x.example"}) with input as _call
	not arguments.all_in("absent", {"ann@x.example"}) with input as _call
	arguments.values_not_in("cc", {"ann@x.example": 1}) == {"bob@x.example"} with input as _call
}

test_text_in if {
	every allowed in [{"ann@x.example"}, ["ann@x.example"], {"ann@x.example": false}] {
		arguments.text_in("to", allowed) with input as _call
	}
}

test_text_in_takes_one_string_only if {
	every name in ["amount", "body", "cc", "null", "absent"] {
		not arguments.text_in(name, {"ann@x.example", "bob@x.example", "", 20, null}) with input as _call
	}
	not arguments.text_in("to", {"bob@x.example"}) with input as _call
	not arguments.text_in("to", set()) with input as _call
}

test_matches if {
	arguments.matches("id", "O-[0-9]{1,9}") with input.tool.arguments as {"id": "O-1006"}
	arguments.matches("id", "a|ab") with input.tool.arguments as {"id": "ab"}
}

test_matches_the_whole_text if {
	every value in ["O-1006\n", " O-1006", "xO-1006", "O-1006x", "O-", "O-١٢", "О-1006", ["O-1006"], 1006, null, ""] {
		not arguments.matches("id", "O-[0-9]{1,9}") with input.tool.arguments as {"id": value}
	}
	not arguments.matches("id", "O-[0-9]{1,9}") with input.tool.arguments as {}
	not arguments.matches("id", "(?s).*") with input.tool.arguments as {"id": sprintf("%01001d", [0])}
}

test_one_line if {
	every value in ["a", "Größe 38, 日本", "a b"] {
		arguments.one_line("subject", 15) with input.tool.arguments as {"subject": value}
	}
	every value in [
		"a\nBcc: eve@evil.example", "a\r", "a\tb", "a\u0000", "a\u200bb", "\u202ea", "a\u2028", "a\ufeff", "", ["a"], null, 1,
		"sixteen letters!",
	] {
		not arguments.one_line("subject", 15) with input.tool.arguments as {"subject": value}
	}
	not arguments.one_line("subject", 15) with input.tool.arguments as {}
}

test_items_at_most if {
	arguments.items_at_most("to", 2) with input.tool.arguments as {"to": ["a", "b"]}
	every value in [["a", "b", "c"], ["a", "a"], [], "a", ["a", 1], ["a", ["b"]], {"x": "a"}, null] {
		not arguments.items_at_most("to", 2) with input.tool.arguments as {"to": value}
	}
	not arguments.items_at_most("to", 2) with input.tool.arguments as {}
}

test_whole_in_range if {
	every value in [1, 20, 20.0] {
		arguments.whole_in_range("amount", 1, 20) with input.tool.arguments as {"amount": value}
	}
	every value in [0, 21, 19.5, -1, 1e308, "20", [20], null, true] {
		not arguments.whole_in_range("amount", 1, 20) with input.tool.arguments as {"amount": value}
	}
	not arguments.whole_in_range("amount", 1, 20) with input.tool.arguments as {}
}

test_all_mentioned if {
	arguments.all_mentioned("cc") with input as _call
	not arguments.all_mentioned("absent") with input as _call
	not arguments.all_mentioned("cc") with input as json.patch(
		_call,
		[{"op": "replace", "path": "/tool/arguments/cc/0", "value": "eve@x.example"}],
	)
}

test_number_mentioned if {
	arguments.number_mentioned("amount") with input as _call
	not arguments.number_mentioned("to") with input as _call
}

test_only if {
	arguments.only({"amount", "body", "cc", "mixed", "none", "null", "to"}) with input as _call
	not arguments.only(["amount"]) with input as _call
}

test_strings if {
	arguments.all_strings == {"a", "b", "c", "d", "e", "f"} with input as {"tool": {"arguments": {
		"a": "b",
		"c": [{"d": {"e": "f"}}, 3, null, true],
	}}}
	arguments.all_strings == set() with input as {"tool": {"arguments": {}}}
}

test_texts_at if {
	arguments.texts_at("a", "id") == {"x", "y"} with input as {"tool": {"arguments": {"a": [{"id": "x"}, {"id": "y"}]}}}
	every value in [[], [{"id": "x"}, {"name": "y"}], [{"id": 3}], [{"id": "x"}, "y"], ["id"], {"id": "x"}, "x", 3, null] {
		not arguments.texts_at("a", "id") with input as {"tool": {"arguments": {"a": value}}}
	}
	not arguments.texts_at("a", "id") with input as {"tool": {"arguments": {}}}
}

test_items_only if {
	arguments.items_only("a", {"id"}) with input as {"tool": {"arguments": {"a": [{"id": "x"}, {}]}}}
	every value in [[{"id": "x", "url": "y"}], ["id"], {"id": "x"}, "id", null] {
		not arguments.items_only("a", {"id"}) with input as {"tool": {"arguments": {"a": value}}}
	}
	not arguments.items_only("a", {"id"}) with input as {"tool": {"arguments": {}}}
}
