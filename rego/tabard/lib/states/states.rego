# METADATA
# title: What is only so, and what waits
# description: |
#   Some negations forbid nothing ("the labels won't print in east", "she doesn't want the vest"), and some orders say
#   that a thing waits ("hold Heron's invoice for now"). `exclusions` reads both by this package; policies use that.
package tabard.lib.states

# METADATA
# description: |
#   True if a negation `cue`, in lower case, and the text `piece` behind it only tell that something fails, isn't wanted
#   or may not stay, with nothing that the negation could forbid; `reports("won't", " print in east, do the usual")`.
# scope: document
default reports(_, _) := false

reports(cue, piece) if {
	regex.match(`^(?:is|are|isn|aren)(?: not|'t) (?:allowed|supposed|meant)$`, cue)
	regex.match(_no_keeping, piece)
}

reports(cue, piece) if {
	regex.match(`^(?:(?:won|doesn)'?t|(?:will|does) not)$`, cue)
	regex.match(_fails, piece)
}

# Not "she doesn't want the vest sent to Ann".
reports(cue, piece) if {
	regex.match(`^(?:doesn'?t|does not)$`, cue)
	regex.match(_unwanted, piece)
	not regex.match(_done_to_it, piece)
}

# METADATA
# description: |
#   A text with "excluding" for the words that have something wait; `waiting("Hold Heron for now, pay Glide")` is
#   "excluding Heron ; , pay Glide". "Hold the ten o'clock for Ann" stays.
waiting(text) := regex.replace(text, _put_off, "${1}excluding $2 ; $3")

_put_off := concat("", [
	`(?i)(^|[.;:!?,\n–-] *|\b(?:and|but|then|so|please) )(?:hold|park|skip|leave|keep|shelve)(?: off(?: on)?| back)? `,
	`([^.;:!?,\n]{1,80}?)(?: for (?:now|today|the moment|the time being)\b| (?:until|till) further notice\b`,
	`|, ?((?:and |but )?(?:(?:all )?the (?:others?|rest)|everything else|everyone else)\b))`,
])

_no_keeping := concat("", [
	`(?i)^ to (?:keep|hold|retain|store) (?:it|that|them|these|this|those)(?: any ?more| any longer)?`,
	`(?:[,.;!?\n]|$)`,
])

_fails := concat("", [
	`^ (?:print|start|boot|load|respond|connect|charge|scan|work)(?: up| again| any ?more| at all| properly)?`,
	`(?: (?:in|on|at) (?:the )?[a-z0-9-]+)?(?:[,.;!?\n]|$| and\b| so\b)`,
])

_unwanted := concat("", [
	`^ (?:want|need|like|use) (?:it|them|(?:the|that|this|those|these|her|his|their|an?)(?: [a-z0-9-]+){1,2}?)`,
	`(?: any ?more| any longer| after all| now)?(?:[,.;!?\n]|$| and\b| so\b)`,
])

_done_to_it := concat("", [
	`(?i)^ \pL+ (?:[^,.;!?\n]*? )?`,
	`(?:to|\pL{2,}ed|\pL{2,}ing|sent|paid|told|put|given|known|shown)\b`,
])
