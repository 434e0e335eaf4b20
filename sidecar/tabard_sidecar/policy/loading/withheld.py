"""Names the builtins that policies can't use."""

from __future__ import annotations

WITHHELD = (
    "crypto.parse_private_keys",
    "crypto.x509.parse_keypair",
    "crypto.x509.parse_rsa_private_key",
    "http.send",
    "io.jwt.encode_sign",
    "io.jwt.encode_sign_raw",
    "net.lookup_ip_addr",
    "opa.runtime",
    "providers.aws.sign_req",
    "rand.intn",
    "strings.render_template",
    "time.now_ns",
    "uuid.rfc4122",
)
"""Builtins that policies can't use: they have effects outside the sandbox, make decisions impossible to replay, or take
unbounded time (a loop of a template, a test whether a large private key's numbers are primes)."""

WITHHELD_REMOTE = ("json.match_schema", "json.verify_schema")
"""Builtins that the policy of an OPA server can't use, either: there they open the files that a schema refers to."""
