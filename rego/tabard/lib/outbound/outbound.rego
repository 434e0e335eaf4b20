# METADATA
# title: What leaves, and to whom
# description: |
#   Guardrails for calls that send something to somebody: a message, money, an invitation, a page. `names` are always
#   the names of the arguments that hold addressees, a set. Each guardrail needs at least one of them to be there and
#   every one that is there to be a string or a non-empty array of strings; otherwise it doesn't hold. So use them as
#   they are in grants, and under `not` in denials and asks.
package tabard.lib.outbound

import data.tabard.lib.arguments
import data.tabard.lib.intent
import data.tabard.lib.labels

# METADATA
# description: |
#   The addressees of the call: every string that the arguments in `names` hold. Undefined if there is none, or if
#   anything else is among them.
addressees(names) := found if {
	sent := {name | some name in names; not arguments.absent(name)}
	count(sent) > 0
	every name in sent {
		arguments.texts(name)
	}
	found := {addressee | some name in sent; some addressee in arguments.texts(name)}
}

# METADATA
# description: |
#   True if the request names every addressee: as it stands in the call, or by a name under which `directory` knows it.
#   `directory` is an object of addressees, each with an array of the names by which people speak of it; {} if there is
#   none.
named(names, directory) if vouched(names, directory, set())

# METADATA
# description: |
#   True if the request speaks of everything that the arguments in `names` identify, by a name under which `directory`
#   knows it. For ids of files, events and the like, whose own digits may stand in a request by chance.
spoken_of(names, directory) if {
	every addressee in addressees(names) {
		_by_name(addressee, directory)
	}
}

# METADATA
# description: True if every addressee is in `trusted`, a set or array, or an object whose keys they are.
inside(names, trusted) if {
	every addressee in addressees(names) {
		_among(addressee, trusted)
	}
}

# METADATA
# description: True if every addressee is named, as for `named`, or in `trusted`, as for `inside`.
vouched(names, directory, trusted) if {
	every addressee in addressees(names) {
		_vouched(addressee, directory, trusted)
	}
}

# METADATA
# description: |
#   "After untrusted content no external send except to addressees named in the signed request": true if the task has
#   read nothing untrusted, or if every addressee is named or trusted, as for `vouched`.
# scope: document
after_untrusted(names, _, _) if {
	not labels.untrusted
	addressees(names)
}

after_untrusted(names, directory, trusted) if vouched(names, directory, trusted)

# METADATA
# description: |
#   "Secrets never leave": true if the task carries none of the labels `secret`, a set or array, or if every addressee
#   is in `trusted`, as for `inside`. That the request names an addressee isn't enough.
# scope: document
secrets_stay(secret, names, _) if {
	every label in secret {
		not labels.has(label)
	}
	addressees(names)
}

secrets_stay(_, names, trusted) if inside(names, trusted)

# METADATA
# description: |
#   True if the request names nobody in `directory`, as for `named`, and may be relied upon. Then it leaves open who is
#   meant, and a person can be asked; a request that names somebody doesn't mean anybody else.
leaves_open(directory) if {
	intent.trusted
	every addressee, _ in directory {
		not _named(addressee, directory)
	}
}

# METADATA
# description: |
#   True if the argument `name` says only what the person said: every word of four letters or more stands in the
#   request, and there is at least one. Whoever gets it learns nothing else, and nobody else speaks to them. Digits and
#   short words count for nothing, so don't use it where they matter.
own_words(name) if {
	intent.trusted
	said := {word | some word in regex.find_n(`[\p{L}\p{N}]{4,}`, lower(arguments.text(name)), -1)}
	count(said) > 0
	every word in said {
		contains(lower(input.task.statement), word)
	}
}

# METADATA
# description: |
#   True if every web address in the argument `name`, a text, is in the request or in `trusted`, a set of addresses
#   without scheme. What a reader's program could turn into a link counts, with a scheme or without; e-mail addresses
#   don't.
links_vouched(name, trusted) if {
	known := requested_addresses | trusted
	every link in _links(arguments.text(name)) {
		bare_address(trim_right(link, _marks)) in known
	}
}

# METADATA
# description: |
#   True if the argument `name` is a web address that is in the request or in `trusted`, a set of addresses without
#   scheme. Only exactly that address: a longer one could carry something out.
address_vouched(name, trusted) if bare_address(arguments.text(name)) in (requested_addresses | trusted)

# METADATA
# description: |
#   Web addresses in the request, without scheme. A full stop before a capital letter ends a sentence, space or no
#   space.
# scope: document
requested_addresses contains bare_address(trim_right(address, _marks)) if {
	intent.trusted
	pattern := `[A-Za-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[^\s,;)]*)?`
	some address in regex.find_n(pattern, input.task.statement, -1)
}

# METADATA
# description: A web address without its scheme and last slash, as the sets of trusted addresses hold it.
bare_address(address) := trim_suffix(trim_prefix(trim_prefix(address, "https://"), "http://"), "/")

_marks := ".,;:!?)'\""

_links(text) := {link |
	some link in regex.find_n(sprintf("%s|%s|%s", [_url, _email, _host]), text, -1)
	not regex.match(sprintf("^%s$", [_email]), link)
}

_url := `(?i:https?://|www\.)\S+`

_email := `[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]+`

# A capital letter after a full stop begins a sentence, unless a path follows.
_host := `[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.(?:\p{Ll}{2,}\b|[\p{L}\p{N}-]+/)\S*`

_vouched(addressee, _, trusted) if _among(addressee, trusted)

_vouched(addressee, directory, _) if _named(addressee, directory)

_named(addressee, _) if intent.mentions(addressee)

_named(addressee, directory) if _by_name(addressee, directory)

_by_name(addressee, directory) if {
	some name in directory[addressee]
	intent.mentions(name)
}

_among(addressee, trusted) if {
	is_object(trusted)
	_ = trusted[addressee]
}

_among(addressee, trusted) if {
	not is_object(trusted)
	addressee in trusted
}
