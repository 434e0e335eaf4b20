# METADATA
# title: The person
# description: |
#   Helpers over input.subject. A person is identified by issuer and id together; two issuers may use the same id.
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
has_claim(claim, value) if input.subject.claims[claim] == value

has_claim(claim, value) if {
	is_array(input.subject.claims[claim])
	value in input.subject.claims[claim]
}

# METADATA
# description: True if the person authenticated at most `seconds` ago, as the issuer states.
authenticated_within(seconds) if {
	is_number(input.subject.authenticated_at)
	input.context.time - input.subject.authenticated_at <= seconds
}
