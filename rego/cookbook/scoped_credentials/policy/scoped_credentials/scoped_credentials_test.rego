package policy.scoped_credentials_test

import data.policy.scoped_credentials

_call(purpose, tool, document) := {
	"operation": "authorize",
	"task": {"purpose": purpose, "intent_source": "signed"},
	"tool": {"name": tool, "arguments": {"document_id": document}},
}

_data := {"projects": {"p": {"documents": ["D-7"]}, "q": {"documents": ["D-9"]}}}

test_the_documents_of_the_project if {
	request := _call("p", "", "")
	{element.limits.scopes | some element in scoped_credentials.start} == {["read:D-7", "sign:D-7"]} with input as request
		with data.scoped_credentials as _data
	other := _call("p", "documents.read", "D-7")
	{element.credential.scopes | some element in scoped_credentials.grant} == {["read:D-7"]} with input as other
		with data.scoped_credentials as _data
}

test_signing_at_the_edge if {
	request := _call("p", "documents.sign", "D-7")
	{element.credential.delivery | some element in scoped_credentials.grant} == {"edge"} with input as request
		with data.scoped_credentials as _data
}

test_no_other_document if {
	every request in [
		_call("p", "documents.read", "D-9"), _call("p", "documents.sign", "D-9"),
		_call("r", "documents.read", "D-7"), _call("p", "documents.read", ["D-7"]),
	] {
		scoped_credentials.grant == set() with input as request with data.scoped_credentials as _data
	}
}
