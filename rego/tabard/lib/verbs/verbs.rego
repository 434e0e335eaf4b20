# METADATA
# title: Verbs of requests
# description: The verbs that the library knows, and the forms of words that lead to them.
package tabard.lib.verbs

# METADATA
# description: |
#   Verbs in their base form with which people ask for something: those of the sets of `wording`, and others.
known := {
	"accept", "add", "adjust", "advise", "alert", "allow", "announce", "answer", "append", "approve", "arrange",
	"ask", "assign", "attach", "book", "bring", "buy", "call", "cancel", "change", "charge", "check", "clear",
	"close", "compare", "confirm", "contact", "copy", "correct", "create", "decline", "delete", "deploy",
	"describe", "discard", "dm", "do", "download", "draft", "drop", "edit", "email", "erase", "explain", "extend",
	"file", "fill", "find", "fix", "follow", "forward", "get", "give", "grant", "hand", "handle", "include",
	"increase", "inform", "invite", "invoice", "issue", "keep", "kick", "let", "list", "look", "mail", "make",
	"mark", "merge", "message", "modify", "move", "notify", "open", "order", "organize", "pass", "pay", "plan",
	"post", "postpone", "prepare", "prescribe", "print", "process", "promote", "publish", "purchase", "purge",
	"put", "read", "redirect", "reduce", "refer", "refund", "refuse", "register", "reimburse", "reject", "release",
	"remind", "remove", "rename", "renew", "reopen", "repeat", "replace", "reply", "report", "reschedule",
	"reserve", "respond", "restart", "return", "revoke", "roll", "run", "save", "schedule", "search", "see",
	"sell", "send", "set", "settle", "share", "shift", "ship", "show", "sign", "start", "stop", "store", "submit",
	"subscribe", "sum", "summarise", "summarize", "swap", "take", "tell", "text", "thank", "track", "transfer",
	"translate", "turn", "undo", "unsubscribe", "update", "upload", "use", "warn", "wire", "withdraw", "write",
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
	single := regex.replace(stem, `(?:bb|dd|gg|mm|nn|pp|rr|tt)$`, substring(stem, count(stem) - 1, 1))
}

_without_es(word) := regex.replace(word, `(s|sh|ch|x|z)es$`, "$1")
