# METADATA
# title: Deleting many records
# description: Records that were read, ten in a call and thirty in a task; a person approves more than three.
# custom:
#   tabard:
#     labels: [untrusted]
package policy.bulk_deletes

import data.tabard.lib.arguments
import data.tabard.lib.credentials
import data.tabard.lib.facts
import data.tabard.lib.intent
import data.tabard.lib.labels

_records := "https://records.internal"

_ids := arguments.texts("record_ids")

start contains {"code": "clean_up", "limits": {
	"tools": ["records.delete", "records.read"],
	"audiences": [_records],
	"scopes": ["records:delete", "records:read"],
	"purposes": ["clean_up"],
	"budgets": {"deletions": 30},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("clean_up")
}

grant contains {
	"code": "read_record",
	"credential": credentials.once(_records, ["records:read"], 30),
	"facts": {"records_seen": {input.tool.arguments.record_id}},
} if {
	input.tool.name == "records.read"
	intent.purpose_is("clean_up")
	arguments.only({"record_id"})
	arguments.matches("record_id", "R-[0-9]{1,9}")
}

grant contains {
	"code": "delete_records",
	"credential": credentials.once(_records, ["records:delete"], 30),
	"charges": {"deletions": count(_ids)},
} if {
	_deletable
}

ask contains {
	"code": "many_or_after_reading",
	"approvers": ["requester"],
	"reason": "The assistant wants to delete several records, or has read what other people wrote. Look at each of them.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_deletable
	not _few_in_clean_task
}

_deletable if {
	input.tool.name == "records.delete"
	intent.purpose_is("clean_up")
	arguments.only({"record_ids"})
	arguments.items_at_most("record_ids", 10)
	facts.has_all("records_seen", _ids)
}

_few_in_clean_task if {
	count(_ids) <= 3
	not labels.untrusted
}
