# METADATA
# title: MCP servers
# description: Tools of MCP servers by server and name; after a read a person approves each write.
package policy.mcp_servers

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.labels

# Kind of each tool, by server and name.
_kind := data.mcp_servers.tools[input.tool.server][input.tool.name]

start contains {"code": "project_work", "limits": {
	"tools": ["issues.create", "issues.list", "pages.search"],
	"purposes": ["project_work"],
	"budgets": {"writes": 5},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("project_work")
}

grant contains {"code": "read", "labels": ["untrusted"]} if {
	intent.purpose_is("project_work")
	_kind == "reads"
	_query_fits
}

grant contains {"code": "create_issue", "charges": {"writes": 1}} if {
	intent.purpose_is("project_work")
	_kind == "writes"
	input.tool.name == "issues.create"
	arguments.only({"project", "title"})
	arguments.text_in("project", data.mcp_servers.projects)
	arguments.one_line("title", 120)
}

ask contains {
	"code": "after_reading",
	"approvers": ["requester"],
	"reason": "The assistant has read texts of other people before it wrote this.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_kind == "writes"
	labels.untrusted
}

_query_fits if {
	input.tool.name == "issues.list"
	arguments.only({"project"})
	arguments.text_in("project", data.mcp_servers.projects)
}

_query_fits if {
	input.tool.name == "pages.search"
	arguments.only({"query"})
	arguments.one_line("query", 200)
}
