# METADATA
# title: Credentials of grants
# description: |
#   Values for the field `credential` of a grant. Write the object out for kinds and fields that aren't covered here.
package tabard.lib.credentials

# METADATA
# description: |
#   A JWT for the backend `audience`, with the array `scopes`, that lives for at most `ttl` seconds. The backend accepts
#   it until it expires.
jwt(audience, scopes, ttl) := {"audience": audience, "kind": "jwt", "scopes": scopes, "ttl_seconds": ttl}

# METADATA
# description: The same JWT, but the backend accepts it only once.
once(audience, scopes, ttl) := {
	"audience": audience,
	"kind": "jwt",
	"scopes": scopes,
	"single_use": true,
	"ttl_seconds": ttl,
}

# METADATA
# description: |
#   A credential of the vault's `role`, a name of the sidecar's configuration, for the backend `audience`, that lives
#   for at most `ttl` seconds: for example a database login that is made for this call.
vault(role, audience, ttl) := {"audience": audience, "kind": "vault", "role": role, "ttl_seconds": ttl}

# METADATA
# description: |
#   The same `credential`, but the agent never gets it: an edge inside the sidecar makes the call with it. A call that
#   the agent asks for on its own socket is denied (`edge_required`), before anything is charged or issued.
at_edge(credential) := object.union(credential, {"delivery": "edge"})

# METADATA
# description: |
#   A token that the organisation's identity provider issues in exchange for the person's own (RFC 8693), with these
#   `scopes`, for the backend `audience`, a name of the sidecar's configuration. The agent gets it for at most `ttl`
#   seconds; the token itself lasts as long as the identity provider says.
exchange(audience, scopes, ttl) := {"audience": audience, "kind": "exchange", "scopes": scopes, "ttl_seconds": ttl}
