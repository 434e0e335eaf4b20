# METADATA
# title: Words of the request
# description: |
#   Helpers that look for words in the person's own request, input.task.statement, if the intent is trusted. The words
#   are English and in the form of a request: "send" and "pay", not "sent" or "paid", because a request that reports a
#   past action doesn't ask for it. The sets are a start; add your own words: `wording.pay | {"donate"}`.
package tabard.lib.wording

import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.verbs

# METADATA
# description: Words that ask for a message.
send := {
	"announce", "answer", "ask", "contact", "dm", "email", "forward", "inform", "mail", "message", "notify", "post",
	"remind", "reply", "respond", "send", "share", "tell", "write",
}

# METADATA
# description: Words that ask for a payment.
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
# description: Words that ask for something to be removed.
delete := {"cancel", "clear", "delete", "discard", "drop", "erase", "kick", "purge", "remove", "revoke"}

# METADATA
# description: Words that ask for access for another person.
admit := {"add", "allow", "grant", "include", "invite", "let", "share"}

# METADATA
# description: Words that ask for something to be made public.
publish := {"post", "publish", "put", "share", "upload"}

# METADATA
# description: Words of greeting and thanks, which a message can have without saying more.
polite := {
	"afternoon", "all", "best", "colleague", "day", "dear", "evening", "faithfully", "friendly", "good", "greetings",
	"hello", "hi", "kind", "kindly", "many", "morning", "please", "regards", "sincerely", "team", "thank", "thanks",
	"wishes", "yours",
}

# METADATA
# description: Articles, pronouns and the like, which carry no news. No negation is one of them.
small := {
	"a", "am", "an", "and", "are", "as", "at", "be", "by", "for", "from", "had", "has", "have", "he", "her", "him", "his",
	"i", "in", "is", "it", "its", "me", "my", "of", "on", "our", "she", "that", "the", "their", "them", "they", "this",
	"to", "us", "was", "we", "were", "will", "with", "would", "you", "your",
}

# METADATA
# description: |
#   What medicines are packed in. One of these words is no name by itself: "tablets" aren't the "water tablets".
packed := {"capsule", "capsules", "inhaler", "inhalers", "pill", "pills", "sachet", "sachets", "tablet", "tablets"}

# METADATA
# description: |
#   The ids of `directory`, an object of ids with an array of names each, of which `text`, in lower case, means both:
#   "both Glide paddles" means the Glide paddle and the Glide carbon paddle, if there are these two.
both(text, directory) := union({owners |
	some found in regex.find_all_string_submatch_n(_both_of, text, 10)
	owners := {id |
		some id, names in directory
		some name in names
		_of_kind(found[1], name)
	}
	count(owners) == 2
})

# METADATA
# description: |
#   The ids of `directory`, as for `both`, that `text`, in lower case, may mean because it says another name of two or
#   more words in the plural, each of which is in this one's: "the Glide paddles" may mean the Glide carbon paddle.
plural(text, directory) := {id |
	some other, theirs in directory
	some shorter in theirs
	said := sprintf("%ss", [lower(shorter)])
	contains(said, " ")
	contains(regex.replace(text, `[^\pL\pN]+`, " "), said)
	some id, names in directory
	id != other
	some name in names
	_of_kind(said, name)
}

# A class of all letters has thousands of ranges, and a pattern with three of them isn't run on a long text.
_both_of := replace(_both_letters, "L", `[^\s\d.,;:!?()"'/“”‘’–-]`)

_both_letters := concat("", [
	`\b(?:both|the two|each of the two)(?: of)?(?: (?:the|our|my|her|his|their|these|those))?`,
	`((?: L+){0,2} L{3,}s)\b`,
])

# The last word of the name in the plural, with no word that the name hasn't.
_of_kind(said, name) if {
	words := [singular(word) | some word in regex.find_n(`\pL+`, said, -1)]
	own := regex.find_n(`[\pL\pN]+`, lower(name), -1)
	own[count(own) - 1] == words[count(words) - 1]
	count({word | some word in words} - {word | some word in own}) == 0
}

# METADATA
# description: |
#   Words that are names or parts of names and ordinary words, too. One of them names no entry by itself (`entities`).
ordinary := {
	"about", "also", "and", "any", "april", "art", "as", "at", "august", "baker", "bank", "basic", "best", "bill",
	"black", "blue", "box", "bridge", "brown", "by", "can", "care", "cash", "center", "central", "centre", "chase",
	"city", "classic", "clinic", "club", "company", "cook", "could", "day", "dear", "december", "delivery", "did",
	"direct", "doctor", "does", "dr", "drew", "due", "early", "east", "express", "february", "field", "first", "for",
	"frank", "free", "friday", "from", "gate", "general", "global", "gmbh", "grant", "gray", "green", "group", "has",
	"heavy", "hello", "her", "hi", "hill", "home", "hope", "hospital", "house", "how", "if", "in", "inc", "iris",
	"is", "january", "joy", "july", "june", "king", "kit", "lab", "lake", "large", "last", "late", "left", "light",
	"line", "llc", "local", "long", "ltd", "mail", "main", "march", "mark", "may", "media", "miss", "monday", "mr",
	"mrs", "ms", "national", "new", "next", "north", "not", "november", "nurse", "october", "of", "off", "office",
	"old", "on", "one", "open", "order", "pack", "page", "paid", "paper", "parcel", "park", "pat", "pharmacy",
	"please", "plus", "point", "post", "premium", "price", "print", "pro", "prof", "professor", "red", "rich",
	"right", "rob", "rose", "royal", "saint", "saturday", "september", "service", "services", "set", "shop", "short",
	"single", "small", "south", "special", "st", "standard", "star", "stock", "stone", "store", "sue", "summer",
	"sunday", "super", "supplies", "supply", "team", "the", "then", "thursday", "to", "transport", "trust",
	"tuesday", "union", "wednesday", "west", "what", "when", "where", "which", "white", "who", "why", "will", "with",
	"wood", "would", "you", "young",
}

# METADATA
# description: Those of `ordinary` that are family names; beside a first name they name a person.
family_names := {
	"baker", "best", "black", "brown", "cook", "field", "frank", "grant", "gray", "green", "hill", "hope", "king", "lake",
	"long", "page", "park", "rich", "rose", "short", "small", "white", "wood", "young",
}

# METADATA
# description: Those of `ordinary` that are first names; with a capital letter within a sentence they name a person.
first_names := {
	"art", "bill", "chase", "drew", "frank", "grant", "hope", "iris", "joy", "mark", "pat", "rich", "rob", "rose", "sue",
	"will",
}

# METADATA
# description: The words of the request, in lower case. Empty unless the intent is trusted.
# scope: document
words contains word if {
	intent.trusted
	some word in regex.find_n(`[\p{L}\p{N}]+`, lower(input.task.statement), -1)
}

# METADATA
# description: |
#   True if the request uses one of the words in `asked`, a set of single words in lower case, or refers to instructions
#   elsewhere, which may ask for anything. Also in questions, and where the word is a noun. So it tells what the request
#   may mean, for calls that are asked about; what it orders, `clauses.orders` tells.
# scope: document
asks_for(asked) if count(asked & words) > 0

asks_for(_) if refers_to_instructions

# METADATA
# description: |
#   True if the request tells the agent to follow instructions in another text: a list of tasks, or "do what the letter
#   says".
refers_to_instructions if {
	intent.trusted
	regex.match(_instructions, input.task.statement)
}

# METADATA
# description: |
#   True if the details may be in another text: the request names a file or a URL, speaks of a document or an inbox, or
#   refers to instructions. Then the request may mean recipients that it doesn't name, so asking a person makes sense.
#   Otherwise it can't mean them.
# scope: document
refers_to_sources if count(_sources & words) > 0

refers_to_sources if refers_to_instructions

refers_to_sources if {
	intent.trusted
	regex.match(`[\p{L}\p{N}_-]+\.\p{L}{2,5}\b`, input.task.statement)
}

# Words that are just as often an instruction ("email Ann") are left out.
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

_instructions := concat("", [
	`(?i)\b(?:instructions?|to-?\s?dos?|checklists?|tasks|actions|steps`,
	`|do (?:as|everything|what|whatever)|follow (?:it|my|the|what|whatever))\b`,
])

# METADATA
# description: |
#   True if the request uses one of the words in `asked`, as for asks_for, also with the ending "ing" or "s":
#   "sending" and "sends" for "send", "scheduling" for "schedule". Past forms don't count. It doesn't hold for
#   instructions elsewhere.
asks_for_form(asked) if {
	some word in words
	some form in verbs.bases(word)
	form in asked
}

# METADATA
# description: |
#   True if the request holds the words of `name` in this order, each in singular or plural, and the intent is trusted;
#   `mentions_forms("Yoga Mat")` holds for "two yoga mats". A name needs a word of three characters or more. Confirms
#   that the request speaks of such a thing, not which one of several it means.
mentions_forms(name) if {
	count(name) <= 256
	wanted := [singular(word) | some word in regex.find_n(_word, lower(name), -1)]
	phrase := sprintf(" %s ", [concat(" ", wanted)])
	contains(_said, phrase)
	some word in wanted
	count(word) > 2
}

# METADATA
# description: |
#   True if the request hands a decision to another text or person: it refers to instructions, or says "according to",
#   "take care of", "deal with", "as the page describes", "whatever he needs". Then it confirms that such calls are
#   wanted. It confirms no recipient, amount or place: ask, or use data.
# scope: document
hands_over if refers_to_instructions

hands_over if {
	intent.trusted
	regex.match(_hands_over, input.task.statement)
}

_word := `[\p{L}\p{N}]+`

_said := sprintf(" %s ", [concat(" ", [singular(word) |
	intent.trusted
	some word in regex.find_n(_word, lower(exclusions.kept), -1)
])])

_without_es(word) := regex.replace(word, `(s|sh|ch|x|z)es$`, "$1")

# METADATA
# description: |
#   The word, in lower case, without the ending of a plural: `singular("boxes")` is "box". Good for comparing words with
#   each other; not always a word.
# scope: document
singular(word) := word if not regex.match(`...s$`, word)

singular(word) := regex.replace(_without_es(regex.replace(word, `ies$`, "y")), `([^s])s$`, "$1") if {
	regex.match(`...s$`, word)
}

_hands_over := concat("", [
	`(?i)\b(?:according to|in accordance|as (?:\S+ ){0,4}(?:says?|said|describes?|described|explains?|explained|asks?`,
	`|asked|wants?|wanted|requests?|requested|needs?|instructed|suggests?|suggested)|based on|take care of`,
	`|takes care of|deal with|handle (?:it|this|that|them|everything)|sort (?:it|this|that|them) out|see to it`,
	`|whatever|what (?:he|she|it|they) (?:says?|asks?|wants?|needs?)|everything (?:he|she|it|they) (?:says?|asks?`,
	`|wants?|needs?)|act on|respond appropriately|carry out)\b`,
])
