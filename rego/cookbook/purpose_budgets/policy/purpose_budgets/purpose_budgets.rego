# METADATA
# title: Budgets for each purpose
# description: What a task may spend follows from its signed purpose.
package policy.purpose_budgets

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent

_market := "https://reports.internal"

_report := arguments.text("report")

_price := data.purpose_budgets.prices_cents[_report]

start contains {"code": "research", "limits": {
	"tools": ["reports.buy", "web.search"],
	"audiences": [_market],
	"scopes": ["reports:buy"],
	"purposes": [input.task.purpose],
	"budgets": {"searches": budget.searches, "report_cents": budget.report_cents},
	"max_depth": 3,
	"ttl_seconds": 1800,
}} if {
	intent.trusted
	budget := data.purpose_budgets.purposes[input.task.purpose]
}

grant contains {"code": "search", "labels": ["untrusted"], "charges": {"searches": 1}} if {
	input.tool.name == "web.search"
	intent.purpose_in(data.purpose_budgets.purposes)
	arguments.only({"query"})
	arguments.one_line("query", 200)
}

grant contains {
	"code": "buy_report",
	"credential": credentials.once(_market, ["reports:buy"], 30),
	"charges": {"report_cents": _price},
} if {
	input.tool.name == "reports.buy"
	intent.purpose_in(data.purpose_budgets.purposes)
	arguments.only({"report"})
	_price > 0
}
