package policy.database_queries_test

import data.policy.database_queries

_ask(query, parameters, rows) := {
	"operation": "authorize",
	"task": {"purpose": "reporting", "intent_source": "signed"},
	"tool": {"name": "database.query", "arguments": {"query": query, "parameters": parameters, "rows": rows}},
}

_data := {"queries": {"q": {"role": "r", "max_rows": 5, "parameters": {"id": "^C-[0-9]$"}}}}

test_start if {
	count(database_queries.start) == 1 with input as _ask("q", {}, 1)
}

test_a_named_query if {
	{element.credential.role | some element in database_queries.grant} == {"r"} with input as _ask("q", {"id": "C-1"}, 5)
		with data.database_queries as _data
}

test_nothing_else if {
	every request in [
		_ask("p", {"id": "C-1"}, 1), _ask("q", {"id": "C-1"}, 6),
		_ask("q", {}, 1), _ask("q", {"id": 1}, 1), _ask("q", ["C-1"], 1),
		_ask("q", {"id": "C-1", "x": "y"}, 1), _ask("q", {"id": "C-1' or '1'='1"}, 1),
		_ask("q", null, 1), _ask("q", {"id": "C-1\n"}, 1),
	] {
		database_queries.grant == set() with input as request with data.database_queries as _data
	}
}
