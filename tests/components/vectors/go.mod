module tabard.test/components/vectors

go 1.26.0

// Only their files are read, and go.sum pins their content: nothing here is compiled.
require (
	github.com/c2sp/wycheproof v0.0.0-20260902155932-3fa63dd0344a
	github.com/cyberphone/json-canonicalization v0.0.0-20241213102144-19d51d7fe467
	gopkg.in/macaroon.v2 v2.1.0
)
