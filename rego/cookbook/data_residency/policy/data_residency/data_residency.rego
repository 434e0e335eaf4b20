# METADATA
# title: Data residency
# description: Customers' data is read and exported by agents, and from and to places, of the customers' own region.
package policy.data_residency

import data.tabard.lib.arguments
import data.tabard.lib.chain
import data.tabard.lib.credentials
import data.tabard.lib.intent

_known := data.data_residency

_region := _known.agents[input.agent.id]

_backend := _known.backends[_region]

start contains {"code": "customer_data", "limits": {
	"tools": ["customers.read", "customers.export"],
	"audiences": [_backend],
	"scopes": ["customers:export", "customers:read"],
	"purposes": ["customer_data"],
	"max_depth": 3,
	"ttl_seconds": 900,
}} if {
	intent.purpose_is("customer_data")
}

delegate contains {"code": "same_region", "limits": {"ttl_seconds": 600}} if {
	intent.purpose_is("customer_data")
	_known.agents[input.request.holder] == _region
}

grant contains {"code": "read_customer", "credential": credentials.jwt(_backend, ["customers:read"], 60)} if {
	input.tool.name == "customers.read"
	intent.purpose_is("customer_data")
	_within_region
	arguments.only({"customer_id"})
	_known.customers[arguments.text("customer_id")] == _region
}

grant contains {"code": "export", "credential": credentials.once(_backend, ["customers:export"], 60)} if {
	input.tool.name == "customers.export"
	intent.purpose_is("customer_data")
	_within_region
	arguments.only({"bucket", "region"})
	arguments.text_in("region", {_region})
	_known.buckets[arguments.text("bucket")] == _region
}

# Every workload of the chain is in the region of the one that asks.
_within_region if {
	every holder in chain.holders {
		_known.agents[holder] == _region
	}
}
