package tabard.lib.paths_test

import data.tabard.lib.paths

_call(statement, path) := {
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"path": path}},
}

_asserted(call) := json.patch(call, [{"op": "replace", "path": "/task/intent_source", "value": "asserted"}])

_names := {"path"}

# Paths that some program reads as another one than others do.
_hostile := [
	"/notes/../.ssh/id",
	"/notes/..",
	"../notes",
	"..",
	"/notes/..\\x",
	"\\notes",
	"/notes\\..\\x",
	"C:/notes/a.txt",
	"/notes/a.txt:x",
	"/notes/%2e%2e/x",
	"/notes/%2E%2E%2Fx",
	"/notes/%252e",
	"/notes/a.txt%00.pdf",
	"/notes/a.txt\u0000.pdf",
	"/notes/a.txt\n",
	"/notes/a.txt ",
	"/notes/a.txt.",
	"/notes/.../a",
	"/notes/a /b",
	"/notes/ a",
	"~/notes/a.txt",
	"/notes/~ann/a.txt",
	"/notes/SECRET~1/a.txt",
	"-rf",
	"/notes/-rf",
	"/notes/*",
	"/notes/$HOME",
	"/notes/`id`",
	"/notes/a|b",
	"/notes/．．/x",
	"/notes／x",
	"/notes/․․/x",
	"/notes/a\u202Etxt.exe",
	"/notes/a\u200B.txt",
	"/notes/a\u00A0.txt",
	"",
]

test_clean if {
	every path, cleaned in {
		"/a//b/./c/": "/a/b/c",
		"./a/b.txt": "a/b.txt",
		"/": "/",
		"a b/c-d_e.tar.gz": "a b/c-d_e.tar.gz",
		"/Straße/é.txt": "/Straße/é.txt",
	} {
		paths.clean(path) == cleaned
	}
	every path in _hostile {
		not paths.clean(path)
	}
	not paths.clean(concat("", [part | some n in numbers.range(1, 600); n > 0; part := "/a"]))
}

test_parts if {
	paths.segments("/a/b.txt") == ["a", "b.txt"]
	paths.parent("/a/b.txt") == "/a"
	paths.parent("/a") == "/"
	paths.parent("a/b/") == "a"
	paths.base("/a/b.txt/") == "b.txt"
	not paths.parent("a")
	not paths.parent("/")
	not paths.base("/")
}

test_within if {
	every folders in [{"/notes/"}, ["/x", "/notes"], {"/notes": {}}] {
		every path in ["/notes", "/notes/", "/notes/a/b.txt", ["/notes/a.txt", "/notes//b.txt"]] {
			paths.within(_names, folders) with input as _call("", path)
		}
		every path in array.concat(_hostile, ["/", "/notes2", "/Notes/a", "notes/a", ["/notes/a", "/y"], [], 3, null]) {
			not paths.within(_names, folders) with input as _call("", path)
		}
	}
	paths.within(_names, ["/"]) with input as _call("", "/a")
	not paths.within(_names, ["/"]) with input as _call("", "a")
	not paths.within({"other"}, ["/"]) with input as _call("", "/a")
}

test_outside if {
	protected := [".ssh", "/home/ann/keys"]
	every path in ["/home/ann/notes/a.txt", "/home/ann/keys2", "/home/ssh"] {
		paths.outside(_names, protected) with input as _call("", path)
	}
	every path in array.concat(_hostile, [
		"/home/ann/.ssh",
		"/home/ann/.SSH/id",
		"/home/ann/.ſſh/id",
		"/home/ann/.ßh/id",
		"/Home/Ann/\u212Aeys/a",
		"/home/ann//keys/a",
		"/home/./ann/keys",
		"/home/ann",
		"/",
		"keys/a",
		["/home/ann/a", "/home/ann/keys/a"],
		3,
	]) {
		not paths.outside(_names, protected) with input as _call("", path)
	}
	paths.outside(_names, [".ssh"]) with input as _call("", "notes/a.txt")
	every item in ["~/.ssh", "a/b", "/a/../b"] {
		not paths.outside(_names, [item]) with input as _call("", "/notes/a.txt")
	}
}

test_requested if {
	folders := {"/notes", "/mail/attachments/"}
	elsewhere := ["/notes/x/garden-list.docx", "/garden-list.docx", "garden-list.docx"]
	every statement in [
		"Read /notes/garden-list.docx",
		"Read Garden-List.docx!",
		"Read the garden list, please",
	] {
		call := _call(statement, "/notes/garden-list.docx")
		paths.requested(_names, folders) with input as call
		not paths.requested(_names, folders) with input as _asserted(call)
		not paths.requested(_names, folders) with input as _call(statement, ["/notes/garden-list.docx", "/notes/b.txt"])
		every path in array.concat(_hostile, elsewhere) {
			not paths.requested(_names, folders) with input as _call(statement, path)
		}
	}
	paths.requested(_names, set()) with input as _call("Read /etc/hosts.", "/etc/hosts")
	every statement, path in {
		"Make a list": "/notes/list.md",
		"Run the garden list": "/notes/garden-list.exe",
		"Read the pen pal file": "/notes/pen-pal",
		"Read my .profile.txt": "/notes/.profile.txt",
		"Read ~/notes/a.txt": "/notes/a.txt",
		"Read ../notes/a.txt": "/notes/a.txt",
		"Read /x/notes/a.txt": "/notes/a.txt",
		"Read /a.txt": "/notes/a.txt",
		"Read master-plan.pdf": "/notes/plan.pdf",
		"Read /notes/a.txt.old": "/notes/a.txt",
		"Read /notes/a.txt/b": "/notes/a.txt",
		"Read /notes/b.txt": "notes/b.txt",
	} {
		not paths.requested(_names, folders) with input as _call(statement, path)
	}
}

test_in_requested_folder if {
	statement := "Save it to /notes/2026/"
	paths.in_requested_folder(_names) with input as _call(statement, "/notes/2026/plan.pdf")
	elsewhere := ["/notes/plan.pdf", "/notes/2026/a/plan.pdf", "/notes/2026/.a", "2026/plan.pdf"]
	every path in array.concat(_hostile, elsewhere) {
		not paths.in_requested_folder(_names) with input as _call(statement, path)
	}
}

test_plain if {
	paths.plain(_names) with input as _call("", ["/a/plan.PDF", "b.tar.csv"])
	others := ["a.pdf.exe", "a.sh", "Makefile", ".pdf", "/a.pdf/b", "a.html", "a.svg", "a.pdf/.."]
	every path in array.concat(_hostile, others) {
		not paths.plain(_names) with input as _call("", path)
	}
}

test_new if {
	known := {"/notes/a.txt": [], "/notes/b": []}
	paths.new(_names, known) with input as _call("", "/notes/c.txt")
	paths.new(_names, ["/notes/b"]) with input as _call("", "/notes/b2")
	every path in array.concat(_hostile, ["/notes/A.txt", "/notes//a.txt", "/notes", "/notes/b/c"]) {
		not paths.new(_names, known) with input as _call("", path)
	}
}

_words(statement, path) := {
	"context": {"time": 1796040000},
	"task": {"intent_source": "signed", "statement": statement},
	"tool": {"arguments": {"path": path}},
}

test_meant if {
	folders := ["/runbooks", "/counts", "/exports"]
	every statement, path in {
		"Add to the label printer runbook that one looks first": "/runbooks/label-printer.md",
		"The November count of west can be deleted": "/counts/west-2026-11.csv",
		"Newsletter list in /exports - take Sofia off": "/exports/newsletter.csv",
	} {
		paths.meant({"path"}, folders) with input as _words(statement, path)
		asserted := object.union(_words(statement, path), {"task": {"intent_source": "asserted"}})
		not paths.meant({"path"}, folders) with input as asserted
	}
	every statement, path in {
		"The October count of west": "/counts/west-2026-11.csv",
		"The November count of west": "/counts/east-2026-11.csv",
		"The November count": "/counts/2026-11.csv",
		"The November count of the west": "/counts/west-2025-11.csv",
		"The label printer": "/runbooks/label-printer.md",
		"The label printer runbook, please": "/runbooks/label-printer.sh",
		"The old label printer runbook": "/runbooks/old/label-printer.md",
		"Not the label printer runbook": "/runbooks/label-printer.md",
	} {
		not paths.meant({"path"}, folders) with input as _words(statement, path)
	}
}

test_without_the_first_slash if {
	paths.requested(_names, ["/reports"]) with input as _call("Put it into reports/plan.md", "/reports/plan.md")
	every statement in ["Put it into old/reports/plan.md", "Put it into ~reports/plan.md", "Put it into plan.md/x"] {
		not paths.requested(_names, []) with input as _call(statement, "/reports/plan.md")
	}
}

test_in_meant_folder if {
	every statement in ["in the finance folder, call it open.csv", "Put it with the finances", "into /finance"] {
		paths.in_meant_folder(_names, ["/finance"]) with input as _call(statement, "/finance/open.csv")
		not paths.in_meant_folder(_names, ["/finance"]) with input as _asserted(_call(statement, "/finance/open.csv"))
		not paths.in_meant_folder(_names, ["/finance"]) with input as _call(statement, "/reports/open.csv")
		not paths.in_meant_folder(_names, ["/finance"]) with input as _call(statement, "/finance/.env")
	}
}

test_fits if {
	run := "/finance/payment-run.csv"
	paths.fits(_names, ["/finance"]) with input as _call("She needs to see the payment run, send it", run)
	not paths.fits(_names, ["/finance"]) with input as _call("She needs to see the payments, send it", run)
	not paths.fits(_names, ["/finance"]) with input as _call("She needs to see the payments", "/finance/payments.csv")
}

test_meaning if {
	folders := {"/counts", "/reports"}
	says := "Copy both November count sheets into /counts/2026-11.csv, and throw the old ones away"
	every case in [
		["Delete /counts/east-2026-11.csv", "/counts/east-2026-11.csv", "named"],
		[says, "/counts/east-2026-11.csv", "unclear"], [says, "/reports/sales.md", "other"],
		["Delete the summary of sales", "/reports/sales-summary.md", "unclear"],
		["Throw the draft away", "/counts/east-2026-11.csv", "none"],
		["Throw the draft away", "/etc/east-2026-11.csv", "other"],
		["Delete the November count of east", "/counts/east-2026-11.csv", "unclear"],
	] {
		call := {
			"context": {"time": 1796040000},
			"task": {"intent_source": "signed", "statement": case[0]},
			"tool": {"arguments": {"path": case[1]}},
		}
		paths.meaning("path", folders) == case[2] with input as call
	}
	task := {"intent_source": "signed", "statement": says}
	not paths.meaning("path", folders) with input as {"task": task, "tool": {"arguments": {}}}
}
