# METADATA
# title: Which of your things and people the request names
# description: |
#   Sets of entities that the person's request names, if the intent is trusted and it has at most 4,096 characters.
#   `directory` is an object whose keys are ids, each with an array of the names that people use: `{"O-1006": ["Ann
#   Lee"], "ann@shop.example": ["Ann Lee", "Annie"]}`. `kinds` is a set of words that people write before the number of
#   an id, `{"order", "parcel"}`, or `set()`. An entity is named by its id in any spelling ("O-1006", "o1006", "order
#   1006"), by a whole name, or by a word of a name that nothing of another name has: "Tom" or "Avery" means all orders
#   of "Tom Avery", if there is no other Tom. Words that are English as well ("Green", "Pharmacy") need the whole name,
#   a title ("Mr Green"), or, if they are first names ("Will"), a capital letter within a sentence. A name inside of a
#   longer one doesn't count, and if an id says which of Ann's orders is meant, her name doesn't mean the others. "The
#   Heron 12 footers" are those of 12 ft. What the request rules out isn't named: "Bell Street, not Harbour"
#   (`exclusions`). All of the directory is searched: keep it to some hundred entries.
package tabard.lib.entities

import data.tabard.lib.clauses
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.measures
import data.tabard.lib.references
import data.tabard.lib.wishes
import data.tabard.lib.wording

# METADATA
# description: |
#   The ids that the request names; `named(data.orders, {"order"})`. A whole name that several have names all of them; a
#   word that several names have names none of them.
named(directory, kinds) := mentioned - _doubtful(mentioned, directory, kinds) if {
	mentioned := _mentioned(directory, kinds)
}

# METADATA
# description: |
#   The ids that the request may mean and doesn't name: it uses a word of a name that several have, as a surname, and
#   names none of those; or it says a name in the plural that stands in this one's ("the Glide paddles" of the Glide
#   carbon paddle); or a sentence begins before its name, as in "Halve Pell's"; or it names and rules out the same one.
#   Ask about them.
unclear(directory, kinds) := (found - _excepted(directory, kinds)) | _doubtful(mentioned, directory, kinds) if {
	near := _near(directory, _words)
	mentioned := _mentioned(directory, kinds)
	several := {id | some owners in _ambiguous(near, mentioned); some id in owners}
	found := several | ((wording.plural(_text, near) | _behind_a_first_word(near)) - mentioned)
}

# METADATA
# description: |
#   The words of the request that are part of several names, each with the ids that have it; `ambiguous(data.contacts)`
#   for "tell Moss" is {"moss": {"bob@shop.example", "harriet@shop.example"}}. A word isn't there if the request names
#   one of those.
ambiguous(directory) := _ambiguous(_near(directory, _words), _mentioned(directory, set()))

_ambiguous(near, mentioned) := {word: owners |
	some [word, _] in _parts(near)
	owners := _owners(near, word)
	not _one_name(near, word)
	count(owners & mentioned) == 0
}

# METADATA
# description: |
#   The single words that name an entry of `directory` by themselves, each with its ids: in
#   `alone({"K-1": ["Carbon paddle"], "K-2": ["Spare paddle"]})` "carbon" is {"K-1"}, so "carbon copy" names it. Look at
#   it once: `policy eval --show 'entities.alone(data.articles)'`. A word that people also use otherwise needs a name
#   without it.
alone(directory) := {word: ids |
	some names in directory
	some name in names
	some word in _name_words(name)
	count(word) > 2
	not word in wording.ordinary
	_one_name(directory, word)
	ids := _owners(directory, word)
}

# METADATA
# description: |
#   The ids that the request leaves out of the acts in `acts`; `ruled_out({"pay"}, data.invoices, {"invoice"})`. They
#   are those of an exception ("all but Heron's", "Bell Street, not Harbour"), and those upon which it forbids one of
#   the acts ("don't pay Heron"). A word that several have rules out all of them. A rule that allows "all" should take
#   what isn't in here.
ruled_out(acts, directory, kinds) := _excepted(directory, kinds) | _forbidden(acts, directory, kinds)

# METADATA
# description: |
#   The ids with this beginning that the request says, also without a directory of them: `ids("T", {"ticket"})` for "do
#   what ticket 302 and t-304 ask" is {"T-302", "T-304"}. So what a text in your house is called can be said, though
#   your data doesn't have it.
ids(beginning, kinds) := {sprintf("%s-%s", [beginning, number]) |
	some number in references.numbered(_text, kinds)
} | {sprintf("%s-%s", [beginning, trim_prefix(spelled, lower(beginning))]) |
	some spelled in references.spelled(_text)
	regex.match(sprintf("^%s[0-9]+$", [regex.replace(lower(beginning), `[^a-z]`, "")]), spelled)
}

# METADATA
# description: |
#   What the request says of `id`: "named" if it names it, "unclear" if it may mean it, "none" if it names nothing in
#   the directory, "other" if it names something else or rules this one out, and so doesn't mean it.
meaning(id, directory, kinds) := _meaning(
	id,
	named(directory, kinds),
	unclear(directory, kinds),
	ruled_out(clauses.verbs, directory, kinds),
)

_meaning(id, meant, perhaps, out) := "named" if {
	id in meant
} else := "unclear" if {
	id in perhaps
} else := "other" if {
	id in out
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
	meant := _mentioned(directory, kinds) - ruled_out(acts, directory, kinds)
	found := _or_single(_in_clauses(texts, meant, directory, kinds), texts, meant)
}

# METADATA
# description: |
#   The ids that a sentence names which may order one of `acts`, as in `wishes.may`; `may({"refund"}, data.orders,
#   {"order"})` for "Sofia: refund. Emil too." has the orders of both. Weaker than `ordered`.
may(acts, directory, kinds) := found if {
	texts := wishes.may(acts)
	meant := _mentioned(directory, kinds) - ruled_out(acts, directory, kinds)
	found := _or_single(_in_clauses(texts, meant, directory, kinds), texts, meant)
}

# METADATA
# description: |
#   The ids that the request names in one of `texts`, a set of its own sentences or clauses, such as
#   `wishes.stated(…)` or `clauses.ordered(…)`: `within(wishes.stated({"take"}, set()), data.staff, set())`. What the
#   request excepts isn't among them.
within(texts, directory, kinds) := _in_clauses(texts, meant, directory, kinds) if {
	meant := named(directory, kinds)
}

_in_clauses(texts, meant, directory, kinds) := {id |
	mine := {id: directory[id] | some id in meant}
	some text in texts
	some id in _in_clause(text, mine, kinds)
}

# METADATA
# description: |
#   The ids whom the request tells or sends something, as in `clauses.told`; `told(data.contacts)`. The author of a mail
#   isn't one, and neither is Ann in "tell Ann's doctor". "Tell her" means the one whom the request names, if it names
#   one only.
told(directory) := told_by(clauses.telling, directory)

# METADATA
# description: |
#   As `told`, with verbs of your own: `told_by(clauses.telling | {"brief"}, data.contacts)`.
told_by(acts, directory) := found if {
	recipients := clauses.told_by(acts)
	meant := _mentioned(directory, set()) - ruled_out(acts, directory, set())
	here := {id |
		some id in meant
		some recipient in recipients
		_begins(recipient, id, directory[id])
	}
	them := {recipient | some recipient in recipients; regex.match(`^(?:her|him|them)\b`, recipient)}
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
	some name in names
	contains(name, "@")
	startswith(sprintf("%s ", [recipient]), sprintf("%s ", [lower(name)]))
}

_begins(recipient, _, names) if {
	said := sprintf("%s ", [recipient])
	some name in names
	some phrase in _phrases(name)
	startswith(said, sprintf("%s ", [phrase]))
	not startswith(said, sprintf("%s 's ", [phrase]))
	not startswith(said, sprintf("%s 's ", [_name(name)]))
}

# The whole name, and the words of it that can stand for it.
_phrases(name) := {_name(name)} | {word | not contains(name, "@"); some word in split(_name(name), " "); _part(word)}

# ---- ids

# Ids in `text`, and those that stand in the request as they are written.
_by_id(directory, kinds) := _by_id_in(_text, directory, kinds) | {id |
	some id in _standing(_text, directory)
	regex.match(`\pL`, id)
	intent.mentions(id)
}

_by_id_in(text, directory, kinds) := ({id |
	known := references.spelled(text)
	count(known) > 0
	some id, _ in directory
	strings.replace_n({"#": "", "-": "", "/": "", "_": "", " ": ""}, lower(id)) in known
} | {id |
	some number in references.numbered(text, kinds)
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

# ---- names

# The part of the directory whose names share one of `words`.
_near(directory, words) := {id: names |
	some id, names in directory
	some name in names
	some word in regex.find_n(`[\pL\pN]+`, lower(name), 20)
	word in words
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

_by_part(near, ids) := {id |
	some [word, id] in _parts(near)
	_one_name(near, word)
	count(_owners(near, word) & ids) == 0
	not _of_another(word, near, id)
}

# "The Heron 12 footers" of a kayak of 12 ft and one of 15 ft.
_by_measure(near) := {id |
	count(measures.said) > 0
	some [word, id] in _parts(near)
	not _one_name(near, word)
	_has_measure(near[id])
}

_has_measure(names) if {
	some name in names
	count(measures.of(name) & measures.said) > 0
}

# Words of the request that are words of a name.
_parts(near) := {[word, id] |
	some id, names in near
	some name in names
	some word in _name_words(name)
	word in _words
	_part(word)
}

_owners(near, word) := {id |
	some id, names in near
	some name in names
	word in _name_words(name)
}

# Nothing has it but one, or those of one name: two orders of Tom Avery.
_one_name(near, word) if count(_owners(near, word)) == 1

_one_name(near, word) if {
	owners := _owners(near, word)
	some id in owners
	some name in near[id]
	word in _name_words(name)
	every owner in owners {
		name in near[owner]
	}
}

# Not "Anne" of "St Anne's", and nothing of an address: "shop" of "ann@shop.example" names no Ann.
_name_words(name) := {word | some word in split(_name(regex.replace(name, `\S+['’]s\b|\S+@\S+`, " ")), " ")}

# "Harriet Miller" isn't Harriet Moss. A first name begins a name, so what stands before it is none of it: "Halve
# Miriam's", "Give Northgate Harriet's".
_of_another(word, near, id) if {
	own := {part | some name in near[id]; some part in split(lower(name), " ")}
	some run in _runs
	some place, part in run.words
	part == word
	first := _first_beside(word, place, near[id])
	last := count(run.words) - count([1 | _begins_another(run, place, near)])
	beside := {other | some other in array.slice(run.words, first, last)}
	count(((beside - own) - clauses.verbs) - (wording.ordinary - wording.family_names)) > 0
}

# "Halve Pell's": a sentence begins with a capital letter, so its first word may be another first name, or none.
_behind_a_first_word(near) := {id |
	some [word, id] in _parts(near)
	_one_name(near, word)
	_of_another(word, near, id)
	some run in _runs
	run.begins
	run.words[1] == word
}

_first_beside(word, place, names) := place if _begins_a_name(word, names)

_first_beside(word, _, names) := 0 if not _begins_a_name(word, names)

_begins_a_name(word, names) if {
	some name in names
	startswith(lower(name), sprintf("%s ", [word]))
}

# "Give Tomas Harriet's result": the last one is another's.
_begins_another(run, place, near) if {
	run.owns
	last := count(run.words) - 1
	place < last
	some names in near
	_begins_a_name(run.words[last], names)
}

_runs contains run if {
	some found in regex.find_n(`\p{Lu}[\p{L}-]+(?: \p{Lu}[\p{L}-]+)+(?:['’]s)?`, input.task.statement, -1)
	run := {
		"begins": regex.match(sprintf(`(?:^|[.!?:;]\s+|\n\s*)%s`, [found]), input.task.statement),
		"owns": regex.match(`['’]s$`, found),
		"words": split(regex.replace(lower(found), `['’]s$`, ""), " "),
	}
}

_part(word) if {
	count(word) > 2
	not word in (wording.ordinary | wording.packed)
}

_part(word) if word in _capital

# Within a sentence, so that the capital letter says that it is a name: first names that are English as well, and those
# of two letters.
_capital contains word if {
	some found in regex.find_all_string_submatch_n(`[\p{Ll}\p{N},][,]? (\p{Lu}\p{Ll}+)\b`, exclusions.kept, -1)
	word := lower(found[1])
	_may_be_first_name(word)
}

# "Mr Green".
_capital contains lower(found[1]) if {
	some found in regex.find_all_string_submatch_n(
		`\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Nurse)\.? (\p{Lu}\p{Ll}+)\b`,
		exclusions.kept, -1,
	)
}

_may_be_first_name(word) if word in wording.first_names

_may_be_first_name(word) if {
	count(word) == 2
	not word in wording.ordinary
}

_name(name) := trim_space(regex.replace(regex.replace(lower(name), `['’]s\b`, " "), `[^\p{L}\p{N}]+`, " "))

# ---- what the request keeps, and what it rules out

_mentioned(directory, kinds) := ((ids | _by_measure(near)) | (_by_name(near, ids) | _by_part(near, ids))) | both if {
	ids := _by_id(directory, kinds)
	near := _near(directory, _words)
	both := {id | count(exclusions.excepted | exclusions.forbidden) == 0; some id in wording.both(_text, near)}
}

# Named, and ruled out as well: "write to Ann. Actually, don't write to Ann".
_doubtful(mentioned, directory, kinds) := mentioned & out if {
	out := _excepted(directory, kinds) | _forbidden(_words, directory, kinds)
}

_excepted(directory, kinds) := {id |
	some text in exclusions.excepted
	some id in _ruled_out_in(text, directory, kinds)
}

# A verb that isn't known may forbid anything: "don't touch Heron's".
_forbidden(acts, directory, kinds) := {id |
	some act in exclusions.forbidden
	count(act.acts & acts) + count([1 | count(act.acts & clauses.verbs) == 0]) > 0
	some id in _ruled_out_in(act.text, directory, kinds)
}

_ruled_out_in(text, directory, kinds) := {id |
	some piece in regex.split(`,|/|\b(?i:and|or|nor)\b`, text)
	some id in _loosely(piece, directory, kinds)
} | _by_id_in(lower(text), directory, kinds)

# Whole names and words that one has alone, or else each word that any has.
_loosely(text, directory, kinds) := found if {
	words := {word | some word in split(_plain(lower(text)), " "); word != ""}
	near := _near(directory, words)
	precise := _by_id_in(lower(text), directory, kinds) | _precise(_plain(lower(text)), words, near)
	vague := {id | count(precise) == 0; some [_, id] in _vague(text, words, near)}
	found := precise | vague
}

_precise(said, words, near) := {id |
	some id, names in near
	some name in names
	contains(said, sprintf(" %s ", [_name(name)]))
} | {id |
	some [word, id] in _shared(words, near)
	not word in wording.ordinary
	count(word) > 2
	_one_name(near, word)
}

_vague(text, words, near) := {[word, id] |
	some [word, id] in _shared(words, near)
	_says_name(word, text)
}

_says_name(word, _) if not word in wording.ordinary

_says_name(word, text) if contains(text, sprintf("%s%s", [upper(substring(word, 0, 1)), substring(word, 1, -1)]))

_shared(words, near) := {[word, id] |
	some id, names in near
	some name in names
	some word in _name_words(name)
	word in words
}

# ---- the request

default _text := ""

_text := lower(exclusions.kept) if {
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
