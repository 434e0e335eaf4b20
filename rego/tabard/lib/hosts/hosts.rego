# METADATA
# title: Sites of URLs and links
# description: |
#   Guardrails that compare hosts, where outbound compares whole URLs. A URL counts only in a form that every program
#   reads alike: http, https or no scheme, a host name in ASCII with a dot, no user, no other port than 80 and 443, no
#   backslash, space or encoded host. So IP addresses, names in other scripts and "localhost" never hold; compare such
#   URLs whole. A site is a host without "www.". A site confirms itself: neither its subdomains nor its domain.
#   It confirms where a call goes and not what the URL carries there.
package tabard.lib.hosts

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.intent
import data.tabard.lib.sets

# METADATA
# description: |
#   The host of a URL, in lower case: `of("https://Docs.example.org/a")` is "docs.example.org". Undefined for everything
#   that programs could read differently, for example "https://good.example@evil.example/".
of(url) := lower(found[0][1]) if {
	count(url) <= _longest_url
	found := regex.find_all_string_submatch_n(_url, url, 1)
}

# METADATA
# description: The site of a URL, which is its host without "www."; `site("www.example.org/a")` is "example.org".
site(url) := regex.replace(of(url), `^www\.([^.]+\.)`, "$1")

# METADATA
# description: |
#   The sites that the request names by a URL or host, if the intent is trusted. The host of an e-mail address isn't
#   one, and neither is a file's name such as "list.md", unless a scheme, "www." or a path says that it is a site.
# scope: document
named contains site(link) if {
	intent.trusted
	some found in links(exclusions.kept)
	link := trim_right(found, _marks)
	not _could_be_file(link)
}

# METADATA
# description: |
#   True if the argument `name`, a URL or a non-empty array of URLs, leads only to sites that the request names, as a
#   host or by a name that `directory` lists: `requested("url", {"en.wikipedia.org": ["Wikipedia"]})`.
requested(name, directory) if requested_or_trusted(name, directory, set())

# METADATA
# description: True if every URL of the argument `name` leads to a requested site or to one in `trusted`, sites or keys.
requested_or_trusted(name, directory, trusted) if {
	every url in arguments.texts(name) {
		_confirmed(site(url), directory, trusted)
	}
}

# METADATA
# description: |
#   True if every link in the argument `name`, a text of at most 20,000 characters with at most 100 links, leads to a
#   site that is requested or trusted, as for requested_or_trusted. Anything that a mail or chat program could show as
#   a link counts. E-mail addresses don't, and neither do names of files whose ending is no domain ("plan.pdf") or that
#   the request holds. A text with characters that hide or turn parts of a link doesn't hold.
links_requested_or_trusted(name, directory, trusted) if {
	text := arguments.text(name)
	count(text) <= 20000
	not regex.match(_deceptive, text)
	found := links(text)
	count(found) <= _most_links
	every link in found {
		_link_confirmed(trim_right(link, _marks), directory, trusted)
	}
}

# METADATA
# description: The first 101 different things in `text` that a program could show as links, as they are written.
links(text) := {link |
	some link in regex.find_n(_anything, strings.replace_n({"。": ".", "．": ".", "｡": "."}, text), _most_links + 1)
	not regex.match(_only_email, link)
}

_most_links := 100

_longest_url := 4096

_marks := ".,;:!?)]}>'\"’”»"

_host := `(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,10}[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])`

_url := sprintf(`^(?:[Hh][Tt][Tt][Pp][Ss]?://|)(%s)(?::80|:443)?(?:/[!-\[\]-~]*)?$`, [_host])

_deceptive := concat("", [
	`[\x{AD}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}]`,
	`|[.@/:][\x{200C}\x{200D}]|[\x{200C}\x{200D}][.@/:]`,
])

# Wider than letters: a class of every letter would cost a thousand times as much.
_other := `\x{AA}\x{B5}\x{BA}\x{C0}-\x{1FFF}\x{200C}\x{200D}\x{2070}-\x{2FFF}\x{3040}-\x{10FFFF}`

_letter := sprintf(`[A-Za-z0-9_%s-]`, [_other])

_email := sprintf(`[A-Za-z0-9._%%+%s-]+@[A-Za-z0-9.%s-]+`, [_other, _other])

_only_email := sprintf(`^%s$`, [_email])

# With a scheme or "www.", an e-mail address with what follows it, a host, an IP address.
_anything := concat("|", [
	`(?i:(?:[a-z][a-z0-9+-]*:)?//|www\.|mailto:|javascript:|data:|tel:|sms:)\S+`,
	sprintf(`%s(?:[/:?#\\]\S+)?`, [_email]),
	sprintf(`%s+(?:\.%s+)*\.(?:[A-Za-z%s]{2,}|%s+[/:?#\\])\S*`, [_letter, _letter, _other, _letter]),
	`\d{1,3}(?:\.\d{1,3}){3}\S*`,
])

# A link of which all programs agree where it ends.
_plain := `^(?:[Hh][Tt][Tt][Pp][Ss]?://)?[A-Za-z0-9.-]+(?::[0-9]+)?(?:/[A-Za-z0-9._~%/?#=&+-]*)?$`

_confirmed(host, directory, _) if {
	some name in directory[host]
	intent.mentions(name)
}

_confirmed(host, _, trusted) if sets.has(trusted, host)

_confirmed(host, _, _) if host in named

_link_confirmed(link, directory, trusted) if {
	regex.match(_plain, link)
	_confirmed(site(link), directory, trusted)
}

_link_confirmed(link, _, _) if regex.match(_file, link)

_link_confirmed(link, _, _) if {
	regex.match(_file_or_domain, link)
	intent.mentions(link)
}

# Endings that are no top-level domains.
_file := concat("", [
	`^[A-Za-z0-9_-]+\.(?i:bat|bmp|csv|docx?|exe|gif|gz|hs|html?|ics|ini|java|jpe?g|js|json|key|log|lua|mp3|mp4`,
	`|odp|ods|odt|pdf|png|pptx?|rb|rtf|svg|tar|tiff?|toml|ts|tsv|txt|wav|webp|xlsx?|xml|ya?ml)$`,
])

# Endings that are top-level domains, too.
_file_or_domain := `^[A-Za-z0-9_-]+\.(?i:md|mk|mov|pl|ps|py|rs|sh|zip)$`

_could_be_file(link) if regex.match(_file, link)

_could_be_file(link) if regex.match(_file_or_domain, link)
