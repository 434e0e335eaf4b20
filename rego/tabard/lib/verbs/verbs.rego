# METADATA
# title: Verbs of requests
# description: The verbs that the library knows, and the forms of words that lead to them.
package tabard.lib.verbs

# METADATA
# description: |
#   Verbs in their base form with which people ask for something: those of the sets of `wording`, and others.
known := {
	"accept", "add", "adjust", "advise", "alert", "allocate", "allow", "alter", "amend", "announce", "answer",
	"apologise", "apologize", "append", "approve", "archive", "arrange", "ask", "assign", "attach", "bin", "block",
	"book", "bring", "buy", "call", "cancel", "change", "charge", "check", "clear", "close", "collect", "compare",
	"confirm", "contact", "convert", "copy", "correct", "create", "cut", "decline", "deduct", "delay", "delete",
	"deliver", "deploy", "describe", "disable", "discard", "dispatch", "dispense", "ditch", "dm", "do", "download",
	"draft", "drop", "edit", "email", "enable", "erase", "escalate", "exchange", "explain", "extend", "fetch",
	"file", "fill", "find", "fix", "follow", "forward", "get", "give", "grant", "hand", "handle", "include",
	"increase", "inform", "invite", "invoice", "issue", "keep", "kick", "leave", "let", "list", "lock", "log", "look",
	"lower", "mail", "make", "mark", "merge", "message", "modify", "move", "notify", "offer", "open", "order",
	"organize", "pass", "pause", "pay", "plan", "post", "postpone", "prepare", "prescribe", "print", "process",
	"promote", "publish", "purchase", "purge", "put", "raise", "read", "rebook", "redirect", "reduce", "refer",
	"refill", "refund", "refuse", "register", "reimburse", "reinstate", "reject", "release", "remind", "remove",
	"rename", "renew", "reopen", "reorder", "repay", "repeat", "replace", "replenish", "reply", "report", "reprint",
	"reschedule", "resend", "reserve", "reset", "respond", "restart", "restock", "restore", "resume", "retry",
	"return", "review", "revoke", "roll", "run", "save", "schedule", "scrap", "search", "see", "sell", "send",
	"set", "settle", "share", "shift", "ship", "show", "sign", "start", "stop", "store", "submit", "subscribe",
	"sum", "summarise", "summarize", "swap", "switch", "take", "tell", "text", "thank", "throw", "tidy", "track",
	"transfer", "translate", "trash", "turn", "tweak", "unblock", "undo", "unlock", "unsubscribe", "update", "upload",
	"use", "verify", "warn", "wire", "withdraw", "write",
}

# METADATA
# description: |
#   Further verbs that order something behind "and", "then" or a comma. At the beginning of a sentence or in a text many
#   are other words ("record", "place"), so they aren't among `known`.
others := {
	"abort", "activate", "assemble", "authorise", "authorize", "beat", "bump", "chase", "claim", "clean", "clone",
	"compensate", "compile", "complete", "configure", "credit", "deactivate", "deal", "debit", "decrease", "defer",
	"detach", "discharge", "dismiss", "dispose", "distribute", "divert", "double", "empty", "end", "enrol", "enroll",
	"enter", "exclude", "expedite", "export", "finish", "flag", "flip", "free", "freeze", "fulfil", "fulfill", "go",
	"halve", "hide", "hold", "import", "insert", "install", "knock", "launch", "lend", "lift", "link", "load", "match",
	"migrate", "nudge", "omit", "patch", "pick", "pin", "place", "pull", "push", "reassign", "reboot", "recall",
	"record", "recover", "redeem", "refresh", "reissue", "relabel", "reload", "relocate", "remit", "repair", "reprice",
	"rescind", "resolve", "retire", "retract", "reverse", "revert", "rewrite", "ring", "round", "scan", "shorten", "shut",
	"slash", "snooze", "sort", "split", "squeeze", "stay", "stick", "strike", "suspend", "tag", "terminate", "tick",
	"top", "trigger", "trim", "undercut", "vacate", "void", "wipe",
}

# METADATA
# description: |
#   Verbs that say of many things that something is done with them. One of these orders a tool's act only beside a
#   word of its matter: "put the price up", and not "put her in at two". `calls.ordered` wants that.
wide := {
	"add", "arrange", "bring", "change", "cut", "do", "drop", "fix", "get", "give", "go", "hand", "have", "keep",
	"leave", "let", "make", "move", "open", "pass", "pick", "pull", "put", "raise", "run", "see", "send", "set", "show",
	"sort", "start", "stop", "switch", "take", "throw", "turn", "update", "use",
}

# METADATA
# description: |
#   The words that `word`, in lower case, may be a form of, in "s" or "ing"; `bases("planning")` is "planning", "plann",
#   "planne" and "plan". Good for comparing with a set of verbs; not each is a word.
# scope: document
bases(word) := {word, trim_suffix(word, "s"), _without_es(word), regex.replace(word, `ies$`, "y")} if {
	not endswith(word, "ing")
}

bases(word) := {word, stem, concat("", [stem, "e"]), single} if {
	endswith(word, "ing")
	stem := trim_suffix(word, "ing")
	single := regex.replace(stem, `(?:bb|dd|gg|mm|nn|pp|rr|tt)$`, substring(stem, max([count(stem) - 1, 0]), 1))
}

_without_es(word) := regex.replace(word, `(s|sh|ch|x|z)es$`, "$1")

# METADATA
# description: |
#   The forms in which a need or a wish has the verb `act`: the base, the past participle, "ing"; `forms("move")` has
#   "moved" and "moving".
forms(act) := {act, gerund} | participles if {
	gerund := sprintf("%sing", [trim_suffix(act, "e")])
	participles := object.get(_irregular, act, {
		sprintf("%sed", [trim_suffix(act, "e")]),
		regex.replace(act, `([^aeiou])y$`, "${1}ied"),
		regex.replace(act, `^([^aeiou]*[aeiou])([bdgmnprt])$`, "$1$2${2}ed"),
		regex.replace(act, `([^aeiou][aeiou])(l|rg?|t|p)$`, "$1$2${2}ed"),
	})
}

_irregular := {
	"bring": {"brought"}, "buy": {"bought"}, "cut": {"cut"}, "do": {"done"}, "find": {"found"}, "get": {"got"},
	"give": {"given"}, "hold": {"held"}, "keep": {"kept"}, "let": {"let"}, "make": {"made"}, "pay": {"paid"},
	"put": {"put"}, "read": {"read"}, "repay": {"repaid"}, "reset": {"reset"}, "run": {"run"}, "see": {"seen"},
	"sell": {"sold"}, "send": {"sent"}, "set": {"set"}, "take": {"taken"}, "tell": {"told"}, "undo": {"undone"},
	"withdraw": {"withdrawn"}, "write": {"written"},
}
