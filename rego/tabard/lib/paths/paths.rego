# METADATA
# title: Paths of files
# description: |
#   Guardrails over paths in arguments. A path counts only if every program reads it alike: no segment "..", backslash,
#   control or invisible character, encoded separator, pattern or variable of a shell, colon, or segment that ends in a
#   dot or space. Policy sees the path, not the file system: it can't see links, nor what folder a relative path begins
#   in. Each guardrail takes a set of names of arguments; at least one must be present, and each must be a string or a
#   non-empty array of strings.
package tabard.lib.paths

import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.outbound
import data.tabard.lib.wording

# METADATA
# description: |
#   The one form of a path, without slashes at its end, empty segments and "."; `clean("/a//b/./c/")` is "/a/b/c".
#   Undefined for a path that programs could read differently, and for one of more than 1,024 characters.
clean(path) := concat("", [_root(path), concat("/", segments(path))])

# METADATA
# description: The segments of a path in its one form, as an array; `segments("/a/b.txt")` is `["a", "b.txt"]`.
segments(path) := [part | some part in parts; not part in {"", "."}] if {
	count(path) <= 1024
	not regex.match(_ambiguous, path)
	parts := split(path, "/")
}

# METADATA
# description: The folder of a path; `parent("/a/b.txt")` is "/a". Undefined for a name without folder, and for "/".
parent(path) := concat("", [_root(path), concat("/", array.slice(parts, 0, count(parts) - 1))]) if {
	parts := segments(path)
	count(parts) + count(_root(path)) > 1
	count(parts) > 0
}

# METADATA
# description: The last segment of a path; `base("/a/b.txt")` is "b.txt".
base(path) := parts[count(parts) - 1] if parts := segments(path)

# METADATA
# description: |
#   True if every path is one of `folders` or below one; `within({"path"}, ["/home/ann/notes"])`. `folders` is a set,
#   an array or an object whose keys they are. Capitals matter. For grants.
within(names, folders) if {
	every path in outbound.recipients(names) {
		_below(clean(path), folders)
	}
}

# METADATA
# description: |
#   True if no path is, holds or is below one of `protected`, a set or array. An item is an absolute path
#   ("/home/ann/.ssh") or a name of any segment (".ssh"). Capitals don't matter. A relative path is outside of names
#   only, since nothing tells where it begins. For denials, under `not`.
outside(names, protected) if {
	every path in outbound.recipients(names) {
		compared := _folded(clean(path))
		every folder in protected {
			_apart(compared, _folded(folder))
		}
	}
}

# METADATA
# description: |
#   True if the request names every path. In full it may name any; by its base name ("plan.pdf"), or by a stem of two
#   words or more ("garden list" for "garden-list.docx"), only one that lies directly in one of `folders`. Hidden
#   files count only in full. Confirms the file, not what happens to it.
requested(names, folders) if {
	every path in outbound.recipients(names) {
		_requested(clean(path), folders)
	}
}

# METADATA
# description: |
#   True if every path lies directly in a folder that the request names in full, with a slash. Confirms a place for new
#   files, not which of the old ones is meant.
in_requested_folder(names) if {
	every path in outbound.recipients(names) {
		folder := parent(path)
		contains(folder, "/")
		_in_full(folder)
		not startswith(base(path), ".")
	}
}

# METADATA
# description: |
#   True if every path lies directly in one of `folders`, as a set, array or keys, that the request names in full or by
#   its word: "in the finance folder", "put it with the reports". Confirms a place for new files, not which of the old
#   ones is meant; `in_meant_folder({"path"}, data.folders)`.
in_meant_folder(names, folders) if {
	every path in outbound.recipients(names) {
		folder := parent(path)
		folder in {clean(known) | some known in _items(folders)}
		_folder_said(folder)
		not startswith(base(path), ".")
	}
}

# METADATA
# description: |
#   True if the request means every path by its words: a document, directly in one of `folders`, whose folder the
#   request names in full or by its word, and each word of whose name the request has; `meant({"path"}, data.folders)`
#   holds for /runbooks/label-printer.md and "the label printer runbook", and for /counts/west-2026-11.csv and "the
#   November count of west". A month in the name may be said by its name, and this year needn't be. Weaker than
#   `requested`, since two files may fit: for reading, for changing a file that this task has read, and for an ask; not
#   for deleting.
meant(names, folders) if {
	every path in outbound.recipients(names) {
		_meant(clean(path), folders)
	}
}

# METADATA
# description: |
#   True if every path is a document directly in one of `folders` whose name has two words or more, all of which the
#   request has; the folder needn't be said: "she needs the November payment run" fits /finance/payment-run-2026-11.csv.
#   For an ask; `fits({"path"}, data.folders)`.
fits(names, folders) if {
	every path in outbound.recipients(names) {
		count(_words_of_name(clean(path), folders)) > 1
	}
}

# METADATA
# description: |
#   What the request says of the path in the argument `name`, as a value for `calls.meaning` and as its `thing`: "named"
#   if it names it, as `requested`; "unclear" if it means it by its words (`meant`, `fits`), or speaks of several in its
#   folder ("both count sheets", "the old reports"); "none" if it names no path and no file, "other" if it names others.
#   `meaning("path", data.folders)`. For deleting and sharing ask about "unclear".
meaning(name, folders) := "named" if {
	requested({name}, folders)
} else := "unclear" if {
	meant({name}, folders)
} else := "unclear" if {
	fits({name}, folders)
} else := "unclear" if {
	within({name}, folders)
	plain({name})
	every path in outbound.recipients({name}) {
		_several_said(parent(clean(path)))
	}
} else := "none" if {
	intent.trusted
	within({name}, folders)
	not regex.match(_some_path, exclusions.kept)
} else := "other" if {
	outbound.recipients({name})
}

# "Both November count sheets", "the old reports".
_several_said(folder) if regex.match(
	sprintf(
		concat("", [
			`(?i)\b(?:all|any|both|each|every|my|old|older|other|our|the|these|those)`,
			`(?: (?:of|the|my|our))?(?: [^\s.,;!?]+){0,3}? `,
			`%[1]s(?:s|es)?\b(?: (?:files?|lists?|sheets?|notes?|reports?))?`,
		]),
		[wording.singular(lower(base(folder)))],
	),
	exclusions.kept,
)

_some_path := `/\pL|\b[\pL\pN_-]+\.(?:csv|docx?|json|log|md|pdf|txt|xlsx?|ya?ml)\b`

# METADATA
# description: |
#   True if every path ends like a document, picture, recording or table, such as ".pdf" or ".csv": nothing that
#   programs usually run, load or take settings from. Protect the rest by name, such as "requirements.txt".
plain(names) if {
	every path in outbound.recipients(names) {
		regex.match(_plain, base(path))
	}
}

# METADATA
# description: |
#   True if no path is one of `known`, paths as a set, array or keys, and none holds one or is below one. Capitals don't
#   matter. It says that nothing is overwritten only as far as `known` is complete.
new(names, known) if {
	taken := {_folded(clean(path)) | some path in _items(known)}
	every path in outbound.recipients(names) {
		compared := _folded(clean(path))
		every other in taken {
			not _overlap(compared, other)
		}
	}
}

# Each alternative is read differently by shells, by Windows or by programs that decode or normalise names.
_ambiguous := concat("|", [
	`(?:^|/)\.\.(?:/|$)`,
	"[\\x00-\\x1f\\x7f\\\\:*?\"<>|$`]",
	`%(?i:2e|2f|5c|25|00)`,
	`(?:^|/)[-~ ]`,
	`~[0-9]`,
	`[^/][ .](?:/|$)`,
	`[\x{AD}\x{200B}-\x{200F}\x{2028}-\x{202E}\x{2060}-\x{206F}\x{FEFF}]`,
	`[．／＼․‥…∕⁄⧸﹒。\x{A0}\x{2000}-\x{200A}\x{202F}\x{3000}]`,
	`^$`,
])

_plain := concat("", [
	`^[^.].*\.(?i:bmp|csv|docx|gif|heic|ics|jpe?g|log|m4a|md|mov|mp3|mp4|odp|ods|odt|pdf|png|pptx|rtf`,
	`|tiff?|tsv|txt|wav|webp|xlsx)$`,
])

# Letters that some file systems take for others, beyond capitals.
_folds := {"ı": "i", "ſ": "s", "ß": "ss", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}

_folded(path) := strings.replace_n(_folds, lower(path))

default _root(_) := ""

_root(path) := "/" if startswith(path, "/")

_items(collection) := object.keys(collection) if is_object(collection)

_items(collection) := collection if not is_object(collection)

_below(path, folders) if {
	some folder in _items(folders)
	_holds(clean(folder), path)
}

# The first is the second, or a folder above it.
_holds(folder, path) if folder == path

_holds(folder, path) if startswith(path, concat("", [trim_suffix(folder, "/"), "/"]))

_overlap(one, other) if _holds(one, other)

_overlap(one, other) if _holds(other, one)

_apart(path, folder) if {
	startswith(folder, "/")
	startswith(path, "/")
	cleaned := clean(folder)
	not _overlap(path, cleaned)
}

_apart(path, folder) if {
	not contains(folder, "/")
	not folder in segments(path)
}

_requested(path, _) if _in_full(path)

_requested(path, folders) if {
	parent(path) in {clean(folder) | some folder in _items(folders)}
	_by_name(base(path))
}

_meant(path, folders) if {
	_folder_said(parent(path))
	count(_words_of_name(path, folders)) > 0
}

# The words of a document's name with three letters or more, if it is in one of the folders and all of it is said.
_words_of_name(path, folders) := {part | some part in parts; regex.match(`\pL{3}`, part)} if {
	parent(path) in {clean(known) | some known in _items(folders)}
	regex.match(_plain, base(path))
	stem := lower(regex.replace(base(path), `\.[^.]+$`, ""))
	parts := {part | some part in regex.split(`[^\pL\pN]+`, stem); part != ""}
	every one in parts {
		_part_said(one)
	}
}

_folder_said(folder) if _in_full(folder)

_folder_said(folder) if wording.singular(lower(base(folder))) in _said

_part_said(part) if wording.singular(part) in _said

_part_said(part) if _months[part] in _said

_part_said(part) if {
	[year, _, _] := time.date(input.context.time * 1000000000)
	part == sprintf("%d", [year])
}

_months := {
	"01": "january", "02": "february", "03": "march", "04": "april", "05": "may", "06": "june", "07": "july",
	"08": "august", "09": "september", "10": "october", "11": "november", "12": "december",
}

_said contains wording.singular(word) if {
	intent.trusted
	some word in regex.find_n(`[\pL\pN]+`, lower(exclusions.kept), -1)
}

_in_full(path) if {
	contains(path, "/")
	_alone(path)
}

# "reports/plan.md" for "/reports/plan.md".
_in_full(path) if {
	bare := trim_prefix(path, "/")
	contains(bare, "/")
	_alone(bare)
}

_by_name(name) if {
	regex.match(`^[^.].*\.[\p{L}\p{N}]+$`, name)
	_alone(name)
}

_by_name(name) if {
	regex.match(_plain, name)
	words := regex.split(`[-_ ]+`, regex.replace(name, `\.[^.]+$`, ""))
	count(words) > 1
	stem := concat(" ", words)
	count(stem) > 5
	_alone(stem)
}

# The request holds the text, and not only behind something that makes it part of another path.
_alone(text) if {
	intent.mentions(text)
	said := lower(input.task.statement)
	every before in ["/", "~", ".", "\\", ":", "$", "}", "*", "%"] {
		not contains(said, concat("", [before, lower(text)]))
	}
}
