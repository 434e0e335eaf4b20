# METADATA
# title: File paths
# description: Reads in two folders, reports in one, and nothing overwritten but what this task made.
package policy.file_paths

import data.tabard.lib.arguments
import data.tabard.lib.facts
import data.tabard.lib.intent
import data.tabard.lib.paths

_path := arguments.text("path")

start contains {"code": "reports", "limits": {
	"tools": ["files.read", "files.write"],
	"purposes": ["reports"],
	"budgets": {"writes": 20},
	"ttl_seconds": 1800,
}} if {
	intent.purpose_is("reports")
}

grant contains {"code": "read_file", "labels": ["untrusted"]} if {
	input.tool.name == "files.read"
	intent.purpose_is("reports")
	arguments.only({"path"})
	_one_form
	paths.within({"path"}, data.file_paths.readable)
	paths.outside({"path"}, data.file_paths.protected)
}

grant contains {"code": "write_report", "charges": {"writes": 1}, "facts": {"files_made": {_path}}} if {
	_write_fits
}

ask contains {
	"code": "overwrites",
	"approvers": ["requester"],
	"reason": "This may replace a file that the task didn't make.",
	"uses": 1,
	"ttl_seconds": 900,
} if {
	_write_fits
	not _made_here
	not paths.new({"path"}, data.file_paths.files)
}

# Other spellings of a path are other elements of the fact.
_one_form if {
	arguments.matches("path", "[A-Za-z0-9/._-]{1,200}")
	_path == paths.clean(_path)
}

_made_here if facts.has("files_made", _path)

_write_fits if {
	input.tool.name == "files.write"
	intent.purpose_is("reports")
	arguments.only({"content", "path"})
	_one_form
	arguments.text("content")
	arguments.length_at_most("content", 100000)
	paths.within({"path"}, data.file_paths.writable)
	paths.outside({"path"}, data.file_paths.protected)
	paths.plain({"path"})
}
