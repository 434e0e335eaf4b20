# METADATA
# title: Doses, how often, and how many
# description: |
#   "500 mg twice a day, 30 tablets", "same dose, but 56 this time", "double it": the words for a strength, for how
#   often something is taken, done or delivered, and for how many pieces. A dose in another writing is the same: "0.5 g"
#   is "500 mg", "two times daily" is "twice a day". `directory` is an object of ids, each with an array of names, as
#   for `entities`. They need trusted intent and a request of at most 4,096 characters.
package tabard.lib.doses

import data.tabard.lib.arguments
import data.tabard.lib.entities
import data.tabard.lib.figures
import data.tabard.lib.intent
import data.tabard.lib.quantities
import data.tabard.lib.texts

# METADATA
# description: |
#   The strengths in a text, each as a number and a unit: weights in micrograms, volumes in millilitres, else the unit
#   as it is; `strengths("Ramipril 5 mg, then 0.01 g")` is {"5000 mcg", "10000 mcg"}.
strengths(text) := {sprintf("%v %s", [value, unit[1]]) |
	some found in regex.find_all_string_submatch_n(_strength, _plain(text), 50)
	unit := _units[found[2]]
	value := round((to_number(replace(found[1], ",", "")) * unit[0]) * 1000) / 1000
}

# METADATA
# description: |
#   How often, in a text, each as a number and a period: "twice a day", "2 x daily" and "every 12 hours" are "2 per
#   day", "weekly" is "1 per week"; and when: "morning", "evening", "needed". "At night" alone is "1 per day" as well;
#   `rhythms("20 mg at night")` is {"1 per day", "evening"}.
rhythms(text) := rates(text) | (moments | _implied(said)) if {
	said := _plain(text)
	moments := {moment | some moment, pattern in _moments; regex.match(pattern, said)}
}

# METADATA
# description: |
#   How often, in a text, where it says so by a number or a word for one: "1 per day" for "daily", and nothing for "at
#   night"; `rates("2 x daily")` is {"2 per day"}.
rates(text) := _times(_plain(text))

# METADATA
# description: |
#   How much at a time, in a text: tablets, puffs, drops and the like; `pieces("2 puffs when needed")` is {"2 puff"}.
#   Numbers of ten or more are how many there are in all, and not in it.
pieces(text) := {sprintf("%s %s", [found[1], found[2]]) |
	some found in regex.find_all_string_submatch_n(_piece, _plain(text), 50)
	to_number(found[1]) < 10
}

# METADATA
# description: |
#   What the request says of a dose, as a value for `calls.meaning`. `dose` is an object: `name` is the argument, a text
#   such as "5 mg once a day"; `id` and `directory` tell the thing, as for `figures`; `record`, if it is there, is the
#   dose of your records, or "". Strength, rhythm and pieces are compared one by one with those that the request says of
#   the thing, or in all of it if it names no other one of `directory`. What it doesn't say may be that of the record:
#   "28 Ramipril", "same dose", "put it up to 10 mg" (its rhythm stays). "Double" and "halve" change the strength of the
#   record. "said" if all of it is said or on record; "other" if the request says another strength, rhythm or number of
#   pieces of the thing; "none" otherwise: a text may tell it. `meaning({"name": "dose", "id": "D-1", "directory":
#   data.drugs, "record": "5 mg once a day"})`.
# scope: document
default meaning(_) := "other"

meaning(dose) := "said" if {
	_readable(dose)
	_answers(dose) == {"said"}
	texts.plain_text(_other_words(dose), {_record(dose), _words, quantities.digits}, 0)
} else := "none" if {
	_readable(dose)
	not "other" in _answers(dose)
}

# METADATA
# description: |
#   What the request says of how many of the thing there are in all, as a value for `calls.meaning`; `amount` is as
#   `dose` of `meaning`, with a number for `name` and `record`, 0 if you have none. As `figures.count_meaning`; and
#   where the request says no number of the thing, "said" for that of the record, if it orders the same again ("same
#   again", "as before", "the usual"). Numbers of repeats, rhythms and pieces at a time are none. "28 each" says it for
#   all. `quantity_meaning({"name": "quantity", "id": "D-1", "directory": data.drugs, "record": 28})`.
quantity_meaning(amount) := "said" if {
	arguments.number(amount.name) in _numbers(amount)
} else := "other" if {
	count(_numbers(amount)) > 0
	is_number(arguments.number(amount.name))
} else := "said" if {
	_number(amount.name) == amount.record
	_same_again
} else := "none" if {
	is_number(_number(amount.name))
}

_number(name) := number if {
	intent.trusted
	number := arguments.number(name)
}

# METADATA
# description: |
#   What the request says of repeats, refills or renewals, as a value for `calls.meaning`: "no repeats" is 0, "with a
#   repeat" 1, "two refills" 2. An absent argument, and 0 where nothing is said, is "said"; another number is "none"
#   then, and "other" if the request says another; `repeats_meaning("repeats")`.
repeats_meaning(name) := "said" if {
	_given(name) in _repeats
} else := "other" if {
	count(_repeats) > 0
	is_number(_given(name))
} else := "said" if {
	_given(name) == 0
} else := "none" if {
	is_number(_given(name))
}

_given(name) := _number(name)

_given(name) := 0 if {
	intent.trusted
	arguments.absent(name)
}

_repeats contains 0 if regex.match(sprintf(`\b(?:no|without(?: any)?|zero|0) (?:more |further )?%s\b`, [_repeat]), _raw)

_repeats contains to_number(found[1]) if {
	some found in regex.find_all_string_submatch_n(sprintf(`\b([0-9]{1,2}) %s\b`, [_repeat]), quantities.digits, 10)
}

_repeats contains 1 if {
	said := regex.replace(_raw, sprintf(`(^|[^\pL])(?:an?|another) %s (?:of|for|prescription|script)\b`, [_repeat]), "$1;")
	regex.match(sprintf(`\b(?:an?|another) %s\b`, [_repeat]), said)
}

# "A repeat of her Metformin" orders a prescription, and "with a repeat for later" a repeat.
_repeats contains 1 if regex.match(sprintf(`\b(?:with|plus) (?:an?|another) %s\b`, [_repeat]), _raw)

_repeat := `(?:repeats?|refills?|renewals?)`

# "No repeats" rules out nothing else.
default _raw := ""

_raw := lower(replace(input.task.statement, "’", "'")) if {
	intent.trusted
	count(input.task.statement) <= 4096
}

# ---- the dose of one thing

_readable(dose) if {
	intent.trusted
	count(input.task.statement) <= 4096
	is_string(arguments.text(dose.name))
	count(arguments.text(dose.name)) <= 200
}

# Without what is compared: "0.005 g" is "5 mg".
_other_words(dose) := sprintf("a %s", [regex.replace(_plain(arguments.text(dose.name)), _strength, " ")])

_record(dose) := object.get(dose, "record", "")

_answers(dose) := {answer |
	written := arguments.text(dose.name)
	part := _part(dose)
	some [given, said, known] in [
		[strengths(written), strengths(part), _now(strengths(_record(dose)))],
		[rhythms(written), rhythms(part), _kept(rhythms(_record(dose)), part)],
		[pieces(written), pieces(part), _kept(pieces(_record(dose)), part)],
	]
	answer := _answer(given, said, known)
}

_answer(given, said, known) := "said" if {
	count(said) == 0
	given == known
} else := "said" if {
	# "In the morning" of the record, where the request says "once a day".
	count(given - (said | known)) == 0
	count(said - given) == 0
	count(said) > 0
} else := "other" if {
	count(said) > 0
	count(given) > 0
	count(given & said) == 0
} else := "none"

# The strengths of the record as the request leaves them: "double it".
_now(known) := _scaled(known) if count(_factors) > 0

_now(known) := known if {
	count(_factors) == 0
	not _changed
}

# "Put it up" says nothing of the new one.
_now(_) := {"?"} if {
	count(_factors) == 0
	_changed
}

# What a change of the strength leaves alone.
_kept(known, part) := known if count(strengths(part)) + count(_factors) > 0

_kept(known, part) := _now(known) if count(strengths(part)) + count(_factors) == 0

_scaled(known) := {sprintf("%v %s", [to_number(parts[0]) * factor, concat(" ", array.slice(parts, 1, 3))]) |
	some factor in _factors
	some one in known
	parts := split(one, " ")
	regex.match(`^[0-9.]+ `, one)
}

_factors contains 2 if regex.match(`\b(?:double|twice the (?:dose|strength|amount))\b`, _raw)

_factors contains 0.5 if regex.match(`\b(?:halve|half the (?:dose|strength|amount))\b`, _raw)

# "Put it up": another than the record's.
_changed if regex.match(
	`\b(?:increase|raise|reduce|lower|double|halve|adjust|(?:go|goes|put|bring|take|step) (?:\S+ ){0,3}(?:up|down))\b`,
	_raw,
)

# The words about the thing; all of them if the request names no other.
_part(dose) := text if {
	text := concat(" ; ", sort(figures.beside(dose.id, dose.directory)))
	count(strengths(text) | (rhythms(text) | pieces(text))) > 0
} else := quantities.digits if {
	_alone(dose)
} else := ""

# "28 tablets" names no "water tablets".
_alone(thing) if {
	# regal ignore:with-outside-test-context
	named := entities.named(thing.directory, set()) with input.task.statement as _without_packing
	count(named - {thing.id}) == 0
}

_without_packing := regex.replace(quantities.digits, sprintf(`([0-9]) (?:%s)`, [_packs]), "$1")

_packs := sprintf("(?:%s)(?:e?s)?\\b", [concat("|", figures.packing)])

_numbers(amount) := _packed if {
	count(_packed) > 0
	_alone(amount)
} else := own if {
	own := _counting(figures.counts(amount.id, amount.directory))
	count(own) > 0
} else := behind if {
	behind := _behind(amount)
	count(behind) > 0
} else := left if {
	_alone(amount)
	left := _counting(quantities.counts)
} else := set()

# "Ferrous sulfate 200 mg once a day, 28 tablets, and folic acid …": up to the next thing or the end of the sentence.
_behind(amount) := {number |
	some name in amount.directory[amount.id]
	at := indexof(_counted_text, lower(name))
	at >= 0
	rest := regex.split(`[.!?\n…](?:\s|$)`, substring(_counted_text, at + count(name), -1))[0]
	ends := {end |
		some other, names in amount.directory
		other != amount.id
		some called in names
		end := indexof(rest, lower(called))
		end >= 0
	}
	some number in _in_packs(substring(rest, 0, min(ends | {count(rest)})))
}

_counting(numbers_) := numbers_ - _other_counts

_packed := _in_packs(_counted_text)

# "28 tablets".
_in_packs(text) := {to_number(found[1]) |
	some found in regex.find_all_string_submatch_n(sprintf(`\b([0-9]{1,6}) %s`, [_packs]), text, 20)
}

_counted_text := regex.replace(quantities.digits, _no_counts, " ; ")

# Repeats, and times a day.
_other_counts contains to_number(found) if {
	some words in regex.find_n(_no_counts, quantities.digits, 50)
	some found in regex.find_n(`[0-9]+`, words, -1)
}

_no_counts := concat("|", [
	sprintf(`\b[0-9]{1,2} %s\b`, [_repeat]), `\b[0-9]{1,2}(?: times|x| x)? (?:a|per|each|every) (?:day|week|month)\b`,
	`\b[0-9]{1,2}(?: times|x| x) (?:daily|weekly)\b`, `\bevery [0-9]{1,2} (?:hours?|days?|weeks?)\b`,
	`\b[1-9] (?:puff|drop|spray)s?\b`,
	concat("", [
		`\b[1-9] (?:tablet|capsule|pill|sachet)s? (?:up to |(?:a|per|each|every) |once\b|twice\b|[0-9]{1,2} ?(?:x|times)`,
		`|daily\b|at |in the |as |when )`,
	]),
])

_same_again if regex.match(_same, quantities.digits)

_same := `\b(?:same|again|as before|as (?:they|it) (?:is|are)|as usual|the usual|as last time|repeat|unchanged)\b`

# ---- words of doses

_plain(text) := quantities.digits_of(lower(replace(text, "’", "'")))

_strength := sprintf(
	`(?:^|[^\pL\pN.,/-])([0-9]{1,6}(?:,[0-9]{3})*(?:\.[0-9]+)?)[ -]?(%s)(?:$|[^\pL\pN])`,
	[concat("|", object.keys(_units))],
)

_units := {
	"%": [1, "%"], "cl": [10, "ml"], "g": [1000000, "mcg"], "gram": [1000000, "mcg"], "grams": [1000000, "mcg"],
	"iu": [1, "iu"], "l": [1000, "ml"], "mcg": [1, "mcg"], "mg": [1000, "mcg"], "microgram": [1, "mcg"],
	"micrograms": [1, "mcg"], "milligram": [1000, "mcg"], "milligrams": [1000, "mcg"], "ml": [1, "ml"],
	"mmol": [1, "mmol"], "mmol/l": [1, "mmol"], "mmol/mol": [1, "mmol/mol"], "units": [1, "iu"], "µg": [1, "mcg"],
}

_piece := `\b([0-9]{1,3}) (tablet|capsule|pill|puff|drop|spray|spoon|sachet|patch|injection)(?:e?s)?\b`

_periods := `(?:a|per|each|every) ?(day|week|month)`

_times(said) := union({
	{sprintf("%s per %s", [trim_left(found[1], "0"), found[2]]) |
		some found in regex.find_all_string_submatch_n(_number_per, said, 20)
	},
	{sprintf("%s per %s", [_counted[found[1]], found[2]]) |
		some found in regex.find_all_string_submatch_n(_word_per, said, 20)
	},
	{sprintf("%s per %s", [number, _adverbs[found[2]]]) |
		some found in regex.find_all_string_submatch_n(_adverb, said, 20)
		number := _adverb_count(found[1])
	},
	{sprintf("%v per day", [24 / to_number(found[1])]) |
		some found in regex.find_all_string_submatch_n(`\bevery ([1-9][0-9]?) ?(?:hours?|hrs?|h)\b`, said, 20)
	},
	{sprintf("1 per %s", [found[1]]) |
		some found in regex.find_all_string_submatch_n(`\b(?:every|each) (day|week|month)\b`, said, 20)
	},
})

_number_per := sprintf(`\b([0-9]{1,2})(?: ?x| times| time)? %s\b`, [_periods])

_word_per := sprintf(`\b(once|twice|thrice) %s\b`, [_periods])

_adverb := `(?:\b(once|twice|thrice|[0-9]{1,2} ?x|[0-9]{1,2} times) )?\b(daily|weekly|monthly|nightly)\b`

_counted := {"once": "1", "thrice": "3", "twice": "2"}

_adverbs := {"daily": "day", "monthly": "month", "nightly": "day", "weekly": "week"}

_adverb_count("") := "1"

_adverb_count(word) := _counted[word]

_adverb_count(word) := regex.find_n(`^[0-9]+`, word, 1)[0]

_moments := {
	"evening": `\b(?:at night|at bedtime|before bed|in the evenings?|every (?:evening|night)|nightly)\b`,
	"morning": `\b(?:in the mornings?|every morning|before breakfast)\b`,
	"needed": `\b(?:(?:as|when|if|where) (?:needed|required|necessary)|on demand)\b`,
}

# Once in the morning and once at night, unless the text says how often.
_implied(said) := {sprintf("%d per day", [number])} if {
	count(_times(said)) == 0
	number := count([1 | some moment in ["evening", "morning"]; regex.match(_moments[moment], said)])
	number > 0
} else := set()

_words := concat(" ", [
	"once twice thrice times a per each every day daily week weekly month monthly hours in the at morning evening night",
	"bedtime as when if needed required one two three tablet tablets capsule capsules puff puffs drop drops of and",
])
