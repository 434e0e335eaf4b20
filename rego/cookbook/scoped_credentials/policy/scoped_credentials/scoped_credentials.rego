# METADATA
# title: Credentials for one document
# description: Each credential opens one document of the project; signing happens at the edge.
package policy.scoped_credentials

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent

_archive := "https://documents.internal"

_project := data.scoped_credentials.projects[input.task.purpose]

_document := arguments.text("document_id")

# The task as a whole reaches the documents of the project.
start contains {"code": "project", "limits": {
	"tools": ["documents.read", "documents.sign"],
	"audiences": [_archive],
	"scopes": [sprintf("%s:%s", [act, id]) | some act in ["read", "sign"]; some id in _project.documents],
	"purposes": [input.task.purpose],
	"budgets": {"signatures": 3},
	"ttl_seconds": 900,
}} if {
	intent.purpose_in(data.scoped_credentials.projects)
}

grant contains {
	"code": "read_document",
	"credential": credentials.jwt(_archive, [sprintf("read:%s", [_document])], 60),
} if {
	input.tool.name == "documents.read"
	_of_project
}

grant contains {
	"code": "sign_document",
	"credential": credentials.at_edge(credentials.once(_archive, [sprintf("sign:%s", [_document])], 30)),
	"charges": {"signatures": 1},
} if {
	input.tool.name == "documents.sign"
	_of_project
}

_of_project if {
	intent.purpose_in(data.scoped_credentials.projects)
	arguments.only({"document_id"})
	_document in _project.documents
}
