# METADATA
# title: Recipients and content of outgoing calls
# description: |
#   Guardrails for calls that send something: a message, a payment, an invitation, a page. `names` is always the set of
#   the arguments that hold recipients. At least one of them must be present, and each one that is present must be a
#   string or a non-empty array of strings; otherwise the guardrail doesn't hold. So use guardrails as they are in
#   grants, and under `not` in denials and asks.
package tabard.lib.outbound

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.labels
import data.tabard.lib.sets
import data.tabard.lib.wording

# METADATA
# description: |
#   The recipients of the call: every string that the arguments in `names` hold. Undefined if there is none, or if one
#   of the arguments holds anything else.
recipients(names) := found if {
	sent := {name | some name in names; not arguments.absent(name)}
	count(sent) > 0
	every name in sent {
		arguments.texts(name)
	}
	found := {recipient | some name in sent; some recipient in arguments.texts(name)}
}

# METADATA
# description: |
#   True if the request names every recipient: literally as in the call, or by a name that `directory` lists for it.
#   `directory` is an object whose keys are recipients, each with an array of the names that people use for it; {} if
#   there is none.
requested(names, directory) if requested_or_trusted(names, directory, set())

# METADATA
# description: |
#   True if the request names everything that the arguments in `names` identify, by a name that `directory` lists for
#   it. For ids of files, events and the like: their digits may occur in a request by chance.
requested_by_name(names, directory) if {
	every recipient in recipients(names) {
		_by_name(recipient, directory)
	}
}

# METADATA
# description: True if every recipient is in `trusted`, a set or array, or an object whose keys they are.
only_to(names, trusted) if {
	every recipient in recipients(names) {
		sets.has(trusted, recipient)
	}
}

# METADATA
# description: True if every recipient is requested, as for `requested`, or in `trusted`, as for `only_to`.
requested_or_trusted(names, directory, trusted) if {
	every recipient in recipients(names) {
		_requested_or_trusted(recipient, directory, trusted)
	}
}

# METADATA
# description: |
#   True if the task doesn't carry the label "untrusted", for any recipients. Once it does, true only if every
#   recipient is requested or trusted, as for `requested_or_trusted`.
# scope: document
any_until_untrusted(names, _, _) if {
	not labels.untrusted
	recipients(names)
}

any_until_untrusted(names, directory, trusted) if requested_or_trusted(names, directory, trusted)

# METADATA
# description: |
#   True if the task carries none of the labels in `secret`, a set or array, or if every recipient is in `trusted`, as
#   for `only_to`. A recipient that the request names is not enough.
# scope: document
secrets_only_to(names, secret, _) if {
	every label in secret {
		not labels.has(label)
	}
	recipients(names)
}

secrets_only_to(names, _, trusted) if only_to(names, trusted)

# METADATA
# description: |
#   True if the intent is trusted and the request names no recipient in `directory`, as for `requested`. Then a person
#   can be asked whom it means. A request that names one recipient doesn't mean another one.
request_names_none(directory) if {
	intent.trusted
	every recipient, _ in directory {
		not _requested(recipient, directory)
	}
}

# METADATA
# description: |
#   True if every word of four letters or more in the argument `name` occurs in the request, and there is at least one.
#   So the text carries neither other information nor other people's instructions. Digits and short words aren't
#   compared, so don't use it where they matter.
words_from_request(name) if {
	intent.trusted
	said := {word | some word in regex.find_n(`[\p{L}\p{N}]{4,}`, lower(arguments.text(name)), -1)}
	count(said) > 0
	every word in said {
		contains(lower(input.task.statement), word)
	}
}

# METADATA
# description: |
#   True if every word and number of the argument `name`, a text of at most 2,000 characters, is a whole word of the
#   request, in singular or plural, or one of `wording.polite` or `wording.small`, it has a word of the request that is
#   neither, and it holds no link and no address. So "Dear Ann, your order is late. Kind regards" passes for "tell Ann
#   that her order is late". Such a text carries nothing from elsewhere, so it may be long. Other grammar of the same
#   words can still change what it says; "not" and "no" are words that the request must have.
polite_words_from_request(name) if {
	intent.trusted
	count(input.task.statement) <= 4096
	text := arguments.text(name)
	count(text) <= 2000
	not regex.match(`[\p{L}\p{N}][@.:/_\\][\p{L}\p{N}/]`, text)
	said := {wording.singular(word) | some word in regex.find_n(`[\p{L}\p{N}]+`, lower(text), -1)}
	own := {wording.singular(word) | some word in wording.words}
	plain := {wording.singular(word) | some word in (wording.polite | wording.small)}
	count(said - (own | plain)) == 0
	count((said & own) - plain) > 0
}

# METADATA
# description: |
#   True if the argument `name` has at most 120 characters and no link, and at least half of its words of four letters
#   or more, and one of them, are whole words of the request. For a title that the agent takes from a mail. The other
#   half is the agent's, so use it only for what the person alone sees, and it stays short: its length is what the agent
#   could add.
mostly_words_from_request(name) if {
	text := arguments.text(name)
	count(text) <= 120
	count(_links(text)) == 0
	said := {word | some word in regex.find_n(`[\p{L}\p{N}]{4,}`, lower(text), -1)}
	own := said & wording.words
	count(own) > 0
	count(own) * 2 >= count(said)
}

# METADATA
# description: |
#   The members of the groups that the request names, if the intent is trusted. `groups` is an object whose values each
#   have `names`, an array of the names that people use, and `members`, an array of recipients: an event with its
#   participants, a team. Use it as trusted recipients, for "tell everyone in the team sync";
#   `requested_or_trusted({"to"}, data.contacts, outbound.members_of_requested(data.groups))`. Confirms all members of
#   each named group, so take in data only what your system says of a group, not whom a mail lists.
members_of_requested(groups) := {member |
	some group in groups
	some name in group.names
	intent.mentions(name)
	some member in group.members
}

# METADATA
# description: |
#   True if every item of the argument `name`, a non-empty array of objects, holds under `key` the id of something that
#   the request names, as for requested_by_name, and nothing but `key` and what is in `harmless`, a set of keys;
#   `attachments_requested("attachments", "file_id", data.files, {"type"})`.
attachments_requested(name, key, directory, harmless) if {
	arguments.items_only(name, harmless | {key})
	every id in arguments.texts_at(name, key) {
		_by_name(id, directory)
	}
}

# METADATA
# description: |
#   True if every URL in the argument `name`, a text, is in the request or in `trusted`, a set of URLs without scheme.
#   Anything that a mail or chat program could show as a link counts, with or without a scheme. E-mail addresses don't.
links_requested_or_trusted(name, trusted) if {
	known := requested_urls | trusted
	every link in _links(arguments.text(name)) {
		bare_url(trim_right(link, _marks)) in known
	}
}

# METADATA
# description: |
#   True if the argument `name` is a URL that is in the request or in `trusted`, a set of URLs without scheme. Only the
#   exact URL counts: a longer one could carry data out.
url_requested_or_trusted(name, trusted) if bare_url(arguments.text(name)) in (requested_urls | trusted)

# METADATA
# description: |
#   URLs in the request, without scheme. A full stop before a capital letter ends a sentence, with or without a space.
# scope: document
requested_urls contains bare_url(trim_right(url, _marks)) if {
	intent.trusted
	pattern := `[A-Za-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[^\s,;)]*)?`
	some url in regex.find_n(pattern, exclusions.kept, -1)
}

# METADATA
# description: A URL without its scheme and last slash, the form that sets of trusted URLs use.
bare_url(url) := trim_suffix(trim_prefix(trim_prefix(url, "https://"), "http://"), "/")

_marks := ".,;:!?)'\""

_links(text) := {link |
	some link in regex.find_n(sprintf("%s|%s|%s", [_url, _email, _host]), text, -1)
	not regex.match(sprintf("^%s$", [_email]), link)
}

_url := `(?i:https?://|www\.)\S+`

_email := `[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]+`

# A capital letter after a full stop begins a sentence, unless a path follows.
_host := `[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.(?:\p{Ll}{2,}\b|[\p{L}\p{N}-]+/)\S*`

_requested_or_trusted(recipient, _, trusted) if sets.has(trusted, recipient)

_requested_or_trusted(recipient, directory, _) if _requested(recipient, directory)

_requested(recipient, _) if intent.mentions(recipient)

_requested(recipient, directory) if _by_name(recipient, directory)

_by_name(recipient, directory) if {
	some name in directory[recipient]
	intent.mentions(name)
}
