# METADATA
# title: Which of your things and people the request names
# description: |
#   Sets of entities that the person's request names, if the intent is trusted and it has at most 4,096 characters.
#   `directory` is an object whose keys are ids, each with an array of the names that people use:
#   `{"O-1006": ["Ann Lee"], "ann@shop.example": ["Ann Lee", "Annie"]}`. `kinds` is a set of words that people write
#   before the number of an id, `{"order", "parcel"}`, or `set()`. An entity is named by its id in any spelling
#   ("O-1006", "o1006", "order 1006"), by a whole name, or by a word of a name that no other entity has ("Lee", if there
#   is one). Words that are English as well ("Will", "Green", "Pharmacy") need the whole name. A name inside of a longer
#   one doesn't count, and if an id says which of Ann's orders is meant, her name doesn't mean the others. The whole
#   directory is searched: keep it to some hundred entries.
package tabard.lib.entities

import data.tabard.lib.clauses
import data.tabard.lib.intent
import data.tabard.lib.wording

# METADATA
# description: |
#   The ids that the request names; `named(data.orders, {"order"})`. A whole name that several have names all of them; a
#   word of it names none of them.
named(directory, kinds) := ids | (_by_name(near, ids) | _by_part(near)) if {
	ids := _by_id(directory, kinds)
	near := _near(directory)
}

# METADATA
# description: |
#   The ids that the request may mean and doesn't name: it uses a word of a name that several have, as a surname, and
#   names none of those. Ask about them.
unclear(directory, kinds) := {id |
	meant := named(directory, kinds)
	near := _near(directory)
	some [word, id] in _parts(near)
	owners := _owners(near, word)
	count(owners) > 1
	count(owners & meant) == 0
}

# METADATA
# description: |
#   What the request says of `id`: "named" if it names it, "unclear" if it may mean it, "none" if it names nothing in
#   the directory, "other" if it names something else, and so doesn't mean this one.
meaning(id, directory, kinds) := _meaning(id, named(directory, kinds), unclear(directory, kinds))

_meaning(id, meant, perhaps) := "named" if {
	id in meant
} else := "unclear" if {
	id in perhaps
} else := "none" if {
	intent.trusted
	count(meant | perhaps) == 0
} else := "other"

# METADATA
# description: |
#   The ids that a clause names which orders one of `acts`, as in `clauses.ordered`;
#   `ordered({"refund"}, data.orders, {"order"})` for "look at order 7, refund order 8" is {"O-8"}. If such clauses name
#   nothing and the request names one thing only, it is that one.
ordered(acts, directory, kinds) := found if {
	texts := clauses.ordered(acts)
	meant := named(directory, kinds)
	mine := {id: directory[id] | some id in meant}
	here := {id |
		some text in texts
		some id in _in_clause(text, mine, kinds)
	}
	found := _or_single(here, texts, meant)
}

# METADATA
# description: |
#   The ids whom the request tells or sends something, as in `clauses.told`; `told(data.contacts)`. The author of a mail
#   isn't one, and neither is Ann in "tell Ann's doctor". "Tell her" means the one whom the request names, if it names
#   one only.
told(directory) := found if {
	meant := named(directory, set())
	here := {id |
		some id in meant
		some recipient in clauses.told
		_begins(recipient, id, directory[id])
	}
	them := {recipient | some recipient in clauses.told; regex.match(`^(?:her|him|them)\b`, recipient)}
	found := _or_single(here, them, meant)
}

_or_single(here, _, _) := here if count(here) > 0

_or_single(here, texts, meant) := {id | some id in meant; count(meant) == 1} if {
	count(here) == 0
	count(texts) > 0
}

_or_single(here, texts, _) := set() if {
	count(here) == 0
	count(texts) == 0
}

_in_clause(text, directory, kinds) := _by_id_in(text, directory, kinds) | {id |
	words := _plain(text)
	some id, names in directory
	some name in names
	some phrase in _phrases(name)
	contains(words, sprintf(" %s ", [phrase]))
}

_begins(recipient, id, _) if startswith(sprintf("%s ", [recipient]), sprintf("%s ", [lower(id)]))

_begins(recipient, _, names) if {
	said := sprintf("%s ", [recipient])
	some name in names
	some phrase in _phrases(name)
	startswith(said, sprintf("%s ", [phrase]))
	not startswith(said, sprintf("%s 's ", [phrase]))
	not startswith(said, sprintf("%s 's ", [_name(name)]))
}

# The whole name, and the words of it that can stand for it.
_phrases(name) := {whole} | {word | some word in split(whole, " "); _part(word)} if whole := _name(name)

# ---- ids

_by_id(directory, kinds) := _by_id_in(_text, directory, kinds) | {id |
	some id in _standing(_text, directory)
	regex.match(`\pL`, id)
	intent.mentions(id)
}

_by_id_in(text, directory, kinds) := ({id |
	known := _spelled(text)
	count(known) > 0
	some id, _ in directory
	strings.replace_n({"#": "", "-": "", "/": "", "_": "", " ": ""}, lower(id)) in known
} | {id |
	some number in _numbers(text, kinds)
	some id, _ in directory
	endswith(id, number)
	regex.match(sprintf(`^[A-Za-z]{0,12}[-_ #/]?0*%s$`, [number]), id)
}) | {id |
	some id in _standing(text, directory)
	regex.match(`[^A-Za-z0-9-]`, id)
	contains(sprintf(" %s ", [text]), sprintf(" %s ", [lower(id)]))
}

# The ids that stand in the text, also as a part of a word.
_standing(text, directory) := {id |
	some id, _ in directory
	contains(text, lower(id))
}

_spelled(text) := {concat("", [found[1], found[2]]) |
	some token in split(regex.replace(regex.replace(text, `[\s,;:()"!?]+`, "  "), `([a-z]) +#?([0-9])`, "$1-$2"), " ")
	some found in regex.find_all_string_submatch_n(`^([a-z]{1,12})[-_#/]?([0-9]{1,12})(?:'s)?\.?$`, token, 1)
}

# Numbers behind one of the kinds: "orders 1006 and 1007". Two digits may be a quantity: "order 20 boxes".
_numbers(text, kinds) := {trim_left(number, "0") |
	count(kinds) > 0
	some run in regex.find_n(sprintf(_run, [concat("|", kinds)]), text, -1)
	not regex.match(`^order\S* [0-9]{1,2}$`, trim_space(run))
	some number in regex.find_n(`[0-9]{1,12}`, run, -1)
}

_run := `\b(?:%s)s?(?:[ ,#]|\b(?:no|nr|number|numbers|and|or|id)\b\.?|[0-9]+\b)+`

# ---- names

# The part of the directory whose names share a word with the request.
_near(directory) := {id: names |
	some id, names in directory
	some name in names
	some word in regex.find_n(`[\pL\pN]+`, lower(name), 20)
	word in _words
}

_by_name(near, ids) := {id |
	whole := {[id, name] |
		some id, names in near
		some spelled in names
		name := _name(spelled)
		contains(_said, sprintf(" %s ", [name]))
	}
	taken := {name | some [id, name] in whole; id in ids}
	some [id, name] in whole
	not name in taken
	count({other | some [_, other] in whole; other != name; _covers(other, name)}) == 0
}

# The shorter one stands nowhere but within the longer one.
_covers(longer, shorter) if {
	contains(sprintf(" %s ", [longer]), sprintf(" %s ", [shorter]))
	strings.count(_said, sprintf(" %s ", [shorter])) == strings.count(_said, sprintf(" %s ", [longer]))
}

_by_part(near) := {id |
	some [word, id] in _parts(near)
	_owners(near, word) == {id}
	not _of_another(word, near[id])
}

# Words of the request that are words of a name.
_parts(near) := {[word, id] |
	some id, names in near
	some name in names
	some word in split(lower(name), " ")
	word in _words
	_part(word)
}

_owners(near, word) := {id |
	some id, names in near
	some name in names
	word in split(lower(name), " ")
}

# "Harriet Miller" isn't Harriet Moss.
_of_another(word, names) if {
	own := {part | some name in names; some part in split(lower(name), " ")}
	some run in _runs
	word in run
	count(((run - own) - clauses.verbs) - _common) > 0
}

_runs contains words if {
	some run in regex.find_n(`\p{Lu}[\p{L}-]+(?: \p{Lu}[\p{L}-]+)+`, input.task.statement, -1)
	words := {word | some word in split(lower(run), " ")}
}

_part(word) if {
	count(word) > 2
	not word in _common
}

_name(name) := trim_space(regex.replace(lower(name), `[^\p{L}\p{N}]+`, " "))

# ---- the request

default _text := ""

_text := lower(input.task.statement) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

_words contains word if {
	some word in split(_said, " ")
	word != ""
}

_said := _plain(_text)

# The words as they stand, and in the singular.
_plain(text) := sprintf(" %s | %s ", [concat(" ", words), concat(" ", singular)]) if {
	words := regex.find_n(`[\p{L}\p{N}]+`, regex.replace(text, ` ?['’]s\b`, " "), -1)
	singular := [wording.singular(word) | some word in words]
}

# Names and parts of names that are also other words.
_common := {
	"and", "any", "april", "art", "august", "bank", "baker", "best", "bill", "black", "blue", "box", "brown", "cash",
	"center", "centre", "chase", "city", "clinic", "company", "cook", "day", "doctor", "drew", "east", "field", "first",
	"for", "frank", "friday", "gmbh", "grant", "gray", "green", "group", "hello", "her", "hill", "hope", "hospital",
	"house", "inc", "iris", "january", "joy", "july", "june", "king", "lab", "lake", "large", "last", "llc", "long",
	"ltd", "march", "mark", "may", "miss", "monday", "mrs", "new", "next", "north", "not", "nurse", "october", "off",
	"office", "old", "one", "order", "page", "park", "pat", "pharmacy", "price", "prof", "professor", "red", "rich",
	"rob", "rose", "saint", "saturday", "service", "services", "shop", "short", "small", "south", "stock", "store",
	"sue", "summer", "sunday", "team", "the", "thursday", "tuesday", "wednesday", "west", "white", "will", "with",
	"wood", "you", "young", "dear", "december", "february", "november", "september", "please", "what", "when", "if",
	"does", "did", "has", "how", "who", "why", "where", "which", "from", "about", "then", "also", "could", "can",
	"would", "hi", "ms", "mr", "dr", "st", "is", "in", "on", "at", "to", "of", "by", "as",
}
