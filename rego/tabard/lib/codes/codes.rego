# METADATA
# title: Codes and account numbers in texts
# description: |
#   Guardrails against texts that carry one-time passwords, keys, account or card numbers away. They find codes as
#   programs write them and as they are often retyped. An agent that works for an attacker can spell a code in another
#   way. So use them beside guardrails over recipients, and put a label on calls that read codes.
package tabard.lib.codes

import data.tabard.lib.arguments
import data.tabard.lib.exclusions
import data.tabard.lib.intent

# METADATA
# description: |
#   The codes in a text of at most 10,000 characters, without what separates their parts, in lower case; four digits or
#   more in a row, digits spelled as words, five characters or more with a letter and two digits, 20 letters or more.
#   `within("Your code is 482 913")` is {"482913"}. Words of small letters with hyphens or slashes, dates, times of day
#   and amounts with a currency's sign or with two decimals don't count. Undefined for a longer text. After 100 codes
#   the last is "…", which no request holds.
within(text) := found if {
	count(text) <= 10000
	matches := regex.find_n(_code, _plain(text), _most + 1)
	found := {joined | some index, match in matches; joined := _joined(match, index)}
}

# METADATA
# description: |
#   True if each argument in `names` that is present is a string or an array of strings without any code, or with codes
#   that the request holds, too, if the intent is trusted; `requested({"subject", "body"})`. It doesn't matter whether
#   any of them is present.
requested(names) if {
	sent := {name | some name in names; not arguments.absent(name)}
	every name in sent {
		every text in arguments.texts(name) {
			count(within(text) - _said) == 0
		}
	}
}

_most := 100

default _said := set()

_said := within(exclusions.kept) - {"…"} if intent.trusted

_plain(text) := regex.replace(regex.replace(text, _other_digits, "0"), _harmless, " x ")

_joined(_, index) := "…" if index == _most

_joined(match, index) := joined if {
	index < _most
	joined := regex.replace(lower(match), `[^a-z0-9\x{C0}-\x{1FFF}]`, "")
	regex.match(`^.{5}|^[0-9]{4}$`, joined)
}

# Digits of other scripts, in circles and so on become zeros, which no request of ASCII digits holds.
_other_digits := concat("", [
	`[²³¹\x{660}-\x{669}\x{6F0}-\x{6F9}\x{7C0}-\x{7C9}\x{966}-\x{96F}\x{9E6}-\x{9EF}\x{E50}-\x{E59}`,
	`\x{2070}-\x{2089}\x{2150}-\x{2189}\x{2460}-\x{24FF}\x{2776}-\x{2793}\x{3007}\x{3021}-\x{3029}`,
	`\x{FF10}-\x{FF19}\x{1D7CE}-\x{1D7FF}\x{1F100}-\x{1F10C}]`,
])

# What can stand between the digits of a code: anything but letters, roughly.
_between := concat("", [
	"[\\x00-/:-@\\[-`{-\\x{BF}\\x{2000}-\\x{20FF}\\x{2500}-\\x{27BF}",
	`\x{3000}-\x{303F}\x{FE00}-\x{FE0F}\x{FEFF}]`,
])

_spelled := "(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"

_token := `[A-Za-z0-9_\x{C0}-\x{1FFF}-]*`

_letter := `[A-Za-z_\x{C0}-\x{1FFF}]`

_code := concat("|", [
	sprintf(`(?i:\b%s(?:%s{1,3}%s){3,}\b)`, [_spelled, _between, _spelled]),
	# Letters and digits mixed, or in groups that hyphens join.
	concat(_token, ["", `[0-9]`, _letter, `[0-9]`, ""]),
	concat(_token, ["", _letter, `[0-9]`, `[0-9]`, ""]),
	sprintf(`[0-9](?:%s{0,3}[0-9]){3,}`, [_between]),
	`[A-Za-z0-9+/_=-]{20,}`,
])

_harmless := concat("|", [
	`\b(?:19|20)\d\d-\d\d?-\d\d?(?:T\d\d:\d\d(?::\d\d)?Z?)?\b`,
	`\b\d\d?[./]\d\d?[./](?:19|20)\d\d\b`,
	concat("", [
		`\b(?i:(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?,? `,
		`(?:\d\d?(?:st|nd|rd|th)?,? )?(?:19|20)\d\d)\b`,
	]),
	`\b(?:[01]?\d|2[0-3]):[0-5]\d(?: ?(?i:am|pm))?\b`,
	`\b\d\d?(?i:am|pm)\b`,
	`\b[A-Za-z]+-\d\d?\b`,
	`[$€£]\s?\d{1,3}(?:,?\d{3})?(?:\.\d\d)?\b`,
	`\b\d{1,3}\.\d\d\b`,
	# Words of a link or a heading: "heron-boatworks-news".
	`\b[a-z]{1,13}(?:[-/][a-z]{1,13})+\b`,
])
