# METADATA
# title: The person
# description: Helpers over input.subject. A person is the pair of issuer and id; an id alone names nobody.
package tabard.lib.subject

# METADATA
# description: True if the person is the one that `issuer` knows as `id`.
is(issuer, id) if {
	input.subject.issuer == issuer
	input.subject.id == id
}

# METADATA
# description: True if the verified claim `claim` is `value`, or is an array that holds it.
# scope: document
claims(claim, value) if input.subject.claims[claim] == value

claims(claim, value) if {
	is_array(input.subject.claims[claim])
	value in input.subject.claims[claim]
}

# METADATA
# description: True if the issuer says that the person authenticated at most `seconds` ago.
authenticated_within(seconds) if {
	is_number(input.subject.authenticated_at)
	input.context.time - input.subject.authenticated_at <= seconds
}
