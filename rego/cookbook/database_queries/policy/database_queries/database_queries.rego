# METADATA
# title: Database queries
# description: Named queries with bounded parameters, each with a login for its own role.
package policy.database_queries

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent

_database := "database-orders"

_query := data.database_queries.queries[arguments.text("query")]

_parameters := input.tool.arguments.parameters

start contains {"code": "reporting", "limits": {
	"tools": ["database.query"],
	"audiences": [_database],
	"purposes": ["reporting"],
	"budgets": {"rows": 2000},
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("reporting")
}

grant contains {
	"code": "query",
	"credential": credentials.vault(_query.role, _database, 60),
	"charges": {"rows": input.tool.arguments.rows},
} if {
	input.tool.name == "database.query"
	intent.purpose_is("reporting")
	arguments.only({"parameters", "query", "rows"})
	arguments.whole_in_range("rows", 1, _query.max_rows)
	_parameters_fit
}

_parameters_fit if {
	is_object(_parameters)
	object.keys(_parameters) == object.keys(_query.parameters)
	every name, pattern in _query.parameters {
		is_string(_parameters[name])
		regex.match(pattern, _parameters[name])
	}
}
