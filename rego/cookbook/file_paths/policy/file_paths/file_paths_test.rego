package policy.file_paths_test

import data.policy.file_paths

_call(tool, arguments, made) := {
	"operation": "authorize",
	"task": {"purpose": "reports", "intent_source": "signed", "facts": {"files_made": made}},
	"tool": {"name": tool, "arguments": arguments},
}

_read(path) := _call("files.read", {"path": path}, [])

_write(path, made) := _call("files.write", {"path": path, "content": "x"}, made)

_data := {"readable": ["/d", "/r"], "writable": ["/r"], "protected": [".git"], "files": ["/r/old.md"]}

test_start if {
	count(file_paths.start) == 1 with input as _read("")
}

test_reads if {
	count(file_paths.grant) == 1 with input as _read("/d/a.csv") with data.file_paths as _data
	every path in ["/etc/passwd", "/d/../etc/passwd", "/dd/a", "d/a", "/d/.git/config", "", ["/d/a.csv"], null] {
		file_paths.grant == set() with input as _read(path) with data.file_paths as _data
	}
}

test_writes if {
	request := _write("/r/a.md", [])
	{element.facts | some element in file_paths.grant} == {{"files_made": {"/r/a.md"}}} with input as request
		with data.file_paths as _data
	file_paths.ask == set() with input as _write("/r/a.md", []) with data.file_paths as _data
	file_paths.ask == set() with input as _write("/r/old.md", ["/r/old.md"]) with data.file_paths as _data
	count(file_paths.ask) == 1 with input as _write("/r/old.md", []) with data.file_paths as _data
	every path in ["/d/a.md", "/r/a.sh", "/r/.git/a.md", "/r/../d/a.md", "/r//a.md", "/r/a.md/"] {
		file_paths.grant == set() with input as _write(path, []) with data.file_paths as _data
	}
}
