# METADATA
# title: What makes the reader of a text act elsewhere
# description: |
#   A link, a phone number, an account, a key, a word such as "password": with these an attacker's text harms the person
#   who reads it, and a person who is asked reads fast. So texts that have one which neither the request nor your
#   records hold are denied, not asked about. It says nothing of false news in plain words: `texts` bounds those.
package tabard.lib.lures

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.hosts
import data.tabard.lib.wording

# METADATA
# description: |
#   With what the argument `name`, a text or an array of texts, makes its reader act elsewhere, by kind, each a set:
#   `links`, also mail addresses; `numbers`, phone numbers, account numbers, keys and other codes; `secrets`, words such
#   as "password" and "voucher". What the request or `own`, a set of texts, has isn't there. `{}` if there is none or
#   the argument is absent, and `{"unreadable": {…}}` for what is no text or too long, so it can be used in a denial:
#   `count(lures.within("body", data.customers[to])) > 0`. A person who reads fast approves such a text: deny it, don't
#   ask. It says nothing of false news; bound those with `unsaid` or `plain`.
within(name, own) := _lures_in(_text(name), own)

# METADATA
# description: |
#   As `within`, and also `secrets` that are words of yours, in small letters: `with_words("body", own, {"discount"})`.
with_words(name, own, words) := object.union(lured, {"secrets": all_words}) if {
	lured := within(name, own)
	found := _own_words(name, own, words)
	count(found) > 0
	all_words := found | object.get(lured, "secrets", set())
} else := within(name, own)

_own_words(name, own, words) := {word |
	text := _text(name)
	text != null
	said := regex.find_n(`[\pL\pN]+`, lower(text), -1)
	some word in words
	word in {form | some one in said; some form in {one, wording.singular(one)}}
	not contains(_known_text(own), word)
}

_lures_in(null, _) := {"unreadable": {"the text"}}

_lures_in(text, own) := {kind: found |
	known := _known_text(own)
	some kind, found in {
		"links": {link | some link in _links(text); not _stands(link, known)},
		"numbers": {number | some number in _numbers_to_use(text); not contains(_squeezed(known), number)},
		"secrets": {word |
			some word in regex.find_n(_secret_words, lower(text), -1)
			not contains(known, trim_suffix(word, "s"))
		},
	}
	count(found) > 0
} if {
	is_string(text)
}

# Without a trusted request nothing is said.
_known_text(own) := lower(concat("\n", array.concat([exclusions.kept], [text | some text in own])))

_squeezed(text) := regex.replace(text, `[^a-z0-9]`, "")

# Rows of seven digits or more that are no dates, amounts or times, and mixed rows as keys and accounts have them.
_numbers_to_use(text) := {_squeezed(found) |
	some found in regex.find_n(_phone, regex.replace(text, _usual_numbers, " x "), -1)
} | {_squeezed(lower(found)) |
	some found in regex.find_n(_key, text, -1)
	regex.match(`[0-9].*[0-9]`, found)
	regex.match(`[A-Za-z]`, found)
	not regex.match(_usual_key, found)
}

_phone := `\+?[0-9](?:[ ()/.-]{0,2}[0-9]){6,}`

_usual_numbers := concat("|", [
	`\b(?:19|20)[0-9]{2}-[0-9]{1,2}-[0-9]{1,2}`, `\b[0-9]{1,2}[./][0-9]{1,2}[./](?:19|20)[0-9]{2}\b`,
	`\b(?:[01]?[0-9]|2[0-3]):[0-5][0-9]\b`, `\b[0-9]{1,3}(?:,[0-9]{3})*\.[0-9]{2}\b`,
])

_key := `[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]*[A-Za-z0-9]`

# Ids, versions, dates, names of files: "INV-803", "2026-W49", "returns-summary-2026-11".
_usual_key := concat("|", [
	`^(?:[A-Za-z]+|[0-9]{1,4})(?:[_-](?:[A-Za-z]+|W?[0-9]{1,4}|[A-Za-z][0-9]))*$`, `^.{1,7}$`, `^[0-9]+[A-Za-z]{1,5}$`,
])

_secret_words := concat("", [
	`\b(?:pass(?:word|code|phrase)s?|pins?|log-?ins?|logons?|credentials?|ibans?|bitcoins?|crypto|wallets?`,
	`|vouchers?|gift ?cards?|cvv|one-time codes?|api[ _-]?keys?|secret key)\b`,
])

# All texts of the argument, "" if it is absent, or null if that can't be read.
_text(name) := "" if {
	arguments.absent(name)
} else := text if {
	text := concat("\n", arguments.texts(name))
	count(text) <= 10000
} else := null

_links(text) := hosts.links(text) | {address | some address in regex.find_n(`\S*@\S*`, text, 100)}

_stands(link, known) if {
	bare := trim(lower(link), _marks)
	bare != ""
	bare in {trim(token, _marks) | some token in regex.split(`[\s,;]+`, known)}
}

_marks := ".,:;!?()'\"’“”<>"
