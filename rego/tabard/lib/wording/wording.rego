# METADATA
# title: What the request asks for
# description: |
#   Helpers that look for words in the person's own request, input.task.statement, as far as the intent may be relied
#   upon. The words are English and in the form of a request: "send" and "pay", not "sent" or "paid", for a request that
#   tells what somebody did doesn't ask for it. The sets are a start; add your own: `wording.pay | {"donate"}`.
package tabard.lib.wording

import data.tabard.lib.intent

# METADATA
# description: Words that ask for a message.
send := {
	"announce", "answer", "ask", "contact", "dm", "email", "forward", "inform", "mail", "message", "notify", "post",
	"remind", "reply", "respond", "send", "share", "tell", "write",
}

# METADATA
# description: Words that ask for money to be moved.
pay := {
	"buy", "pay", "payment", "purchase", "recurring", "refund", "reimburse", "repay", "schedule", "send", "settle",
	"transaction", "transfer", "wire",
}

# METADATA
# description: Words that ask for something new.
create := {
	"add", "arrange", "book", "create", "draft", "make", "organize", "plan", "prepare", "put", "reserve", "save",
	"schedule", "set", "store", "write",
}

# METADATA
# description: Words that ask for a change.
change := {
	"add", "adjust", "append", "change", "correct", "edit", "extend", "fix", "increase", "modify", "move", "postpone",
	"reduce", "rename", "replace", "reschedule", "set", "shift", "update",
}

# METADATA
# description: Words that ask for something to go away.
delete := {"cancel", "clear", "delete", "discard", "drop", "erase", "kick", "purge", "remove", "revoke"}

# METADATA
# description: Words that ask for somebody to get access.
admit := {"add", "allow", "grant", "include", "invite", "let", "share"}

# METADATA
# description: Words that ask for something to be made public.
publish := {"post", "publish", "put", "share", "upload"}

# METADATA
# description: The words of the request, in lower case. Empty unless the intent may be relied upon.
# scope: document
words contains word if {
	intent.trusted
	some word in regex.find_n(`[\p{L}\p{N}]+`, lower(input.task.statement), -1)
}

# METADATA
# description: |
#   True if the request uses one of the words in `asked`, a set of single words in lower case, or hands over a list of
#   things to do, which may ask for anything.
# scope: document
asks_for(asked) if count(asked & words) > 0

asks_for(_) if hands_over

# METADATA
# description: True if the request lets somebody else's text say what is to be done.
hands_over if {
	intent.trusted
	regex.match(_hand_over, input.task.statement)
}

# METADATA
# description: |
#   True if the request sends the agent elsewhere for particulars: it names a file or a web address, speaks of a
#   document or an inbox, or hands over a list. Then somebody whom the request doesn't name may be meant, and a person
#   can be asked; otherwise the request can't have meant them.
# scope: document
points_elsewhere if count(_sources & words) > 0

points_elsewhere if hands_over

points_elsewhere if {
	intent.trusted
	regex.match(`[\p{L}\p{N}_-]+\.\p{L}{2,5}\b`, input.task.statement)
}

# Words that are as often what to do ("email Ann") are left out.
_sources := {
	"accordingly",
	"article",
	"attachment",
	"bill",
	"blog",
	"contacts",
	"description",
	"details",
	"document",
	"emails",
	"file",
	"files",
	"inbox",
	"instruction",
	"invoice",
	"letter",
	"list",
	"messages",
	"minutes",
	"note",
	"notes",
	"notice",
	"page",
	"report",
	"site",
	"thread",
	"webpage",
	"website",
	"websites",
}

_hand_over := concat("", [
	`(?i)\b(?:instructions?|to-?\s?dos?|checklists?|tasks|actions|steps`,
	`|do (?:as|everything|what|whatever)|follow (?:it|my|the|what|whatever))\b`,
])
