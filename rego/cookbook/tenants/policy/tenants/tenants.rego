# METADATA
# title: Tenants
# description: A task reaches the records of its person's tenant only, with credentials for that tenant's backend.
package policy.tenants

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.intent

# One tenant that has a backend. A list of tenants is no text, so it finds none.
_tenant := input.subject.claims.tenant

_backend := data.tenants.backends[_tenant]

start contains {"code": "tenant_support", "limits": {
	"tools": ["records.read"],
	"audiences": [_backend],
	"scopes": ["records:read"],
	"purposes": ["support"],
	"max_depth": 3,
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("support")
}

grant contains {"code": "read_record", "credential": credentials.jwt(_backend, ["records:read"], 60)} if {
	input.tool.name == "records.read"
	intent.purpose_is("support")
	arguments.only({"record_id"})
	data.tenants.records[arguments.text("record_id")] == _tenant
}
