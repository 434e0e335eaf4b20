"""Writes credentials.json: credentials of kind jwt that a verifier must accept or refuse. ``--check`` only compares.

The keys are test keys, derived from names, and both signatures are deterministic, so that the file can be compared.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from tabard.arguments import call_digest, canonical, parse_arguments
from tabard.jwk import public_jwk

TARGET = Path(__file__).with_name("credentials.json")
ISSUER, AUDIENCE, NOW, LEEWAY = "urn:tabard:zone:vectors", "refunds", 1_800_000_000, 5
TOOL, ARGUMENTS = "refunds.create", '{"order": "A-17", "amount": 20}'
DESCRIPTION = (
    "Credentials of kind jwt. A verifier for `issuer` and `audience` with the keys of `jwks`, whose clock says `now` and may"
    " differ by `leeway_seconds`, must accept a case exactly if `accepted` is true, for the tool, server and arguments (JSON as"
    " received) of the case. `code` is what tabard.verify says; other verifiers may word it differently. The cases of"
    " `single_use` are made one after the other on one store of used credentials, and so are those of `uses`; a verifier that"
    " doesn't know `tabard_uses` accepts only the first of these."
)


def _seed(name: str) -> bytes:
    return hashlib.sha256(f"tabard conformance {name}".encode()).digest()


class Signer:
    """One of the two kinds of key."""

    def __init__(self, kid: str, algorithm: str) -> None:
        self.kid, self.algorithm = kid, algorithm
        self._key = (
            Ed25519PrivateKey.from_private_bytes(_seed(kid))
            if algorithm == "EdDSA"
            else ec.derive_private_key(int.from_bytes(_seed(kid), "big") >> 1, ec.SECP256R1())
        )

    def jwk(self) -> dict[str, str]:
        """Return the public key."""
        public = public_jwk(self._key.public_key())
        return {**public, "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def sign(self, content: bytes) -> bytes:
        """Return a signature as JWS wants it."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(content)
        signature = self._key.sign(content, ec.ECDSA(SHA256(), deterministic_signing=True))
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


EC, ED, STRANGER = Signer("signing-es", "ES256"), Signer("signing-ed", "EdDSA"), Signer("signing-es", "ES256")
STRANGER._key = ec.derive_private_key(int.from_bytes(_seed("stranger"), "big") >> 1, ec.SECP256R1())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _claims(tool: str, server: str, arguments: str, name: str) -> dict[str, Any]:
    start, agent = "spiffe://vectors.invalid/front", "spiffe://vectors.invalid/agent"
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "sub_iss": "https://id.vectors.invalid",
        "iat": NOW - 10,
        "exp": NOW + 50,
        "jti": _seed(f"jti {name}").hex()[:32],
        "txn": "task-1",
        "scope": "refunds:write",
        "req_wl": agent,
        "tctx": {"purpose": "refund an order", "intent_source": "asserted", "started_at": NOW - 60},
        "rctx": {"decision_id": "decision-1", "agent_issuer": "https://cluster.vectors.invalid"},
        "act": {"sub": agent, "act": {"sub": start}},
        "tabard_zone": "vectors",
        "tabard_link": _seed("link").hex(),
        "tabard_chain": [{"kind": "root", "holder": start}, {"kind": "hop", "holder": agent}],
        "tabard_tool": tool,
        "tabard_call": call_digest(tool, server, canonical(parse_arguments(arguments.encode()))),
    }
    return claims | ({"tabard_server": server} if server else {})


def token(
    name: str,
    *,
    signer: Signer = EC,
    header: dict[str, Any] | None = None,
    signed_for: tuple[str, str, str] = (TOOL, "", ARGUMENTS),
    **changes: Any,  # any claim
) -> str:
    """Return a credential; ``header`` and ``changes`` replace members, or remove those that are ``None``."""
    fields = {"alg": signer.algorithm, "kid": signer.kid, "typ": "tabard+jwt", **(header or {})}
    claims = {**_claims(*signed_for, name), **changes}
    parts = [{key: value for key, value in part.items() if value is not None} for part in (fields, claims)]
    content = ".".join(_encode(_json(part)) for part in parts)
    return f"{content}.{_encode(signer.sign(content.encode()))}"


def _case(name: str, code: str, value: str, *call: str) -> dict[str, Any]:
    tool, server, arguments = call or (TOOL, "", ARGUMENTS)
    return {
        "name": name,
        "accepted": not code,
        "code": code,
        "token": value,
        "tool": tool,
        "server": server,
        "arguments": arguments,
    }


def _accepted() -> Iterator[dict[str, Any]]:
    yield _case("ES256", "", token("1"))
    yield _case("EdDSA", "", token("2", signer=ED))
    yield _case(
        "members in another order, 20.0 for 20", "", token("3"), TOOL, "", '{"amount":20.0,"order":"A-17"}'
    )
    for name, text in (
        ("no arguments", "{}"),
        ("numbers", '{"a": 0.1, "b": 1e21, "c": 1E-7, "d": -0.0, "e": 9007199254740991, "f": 123456789.5}'),
        ("text", '{"a": "\\u20ac \\ud83d\\ude00 \\u2028 <&> \\u0000\\b\\f\\n\\r\\t\\u001f\\u007f \\" \\\\ /"}'),
        ("names sorted by UTF-16", '{"\\ufb33": 1, "\\ud83d\\ude00": 2, "\\u20ac": 3, "1": 4, "": 5, "a": {"z": [], "b": {}}}'),
        ("nested", '{"lines": [{"sku": "x", "n": 2}, [null, true, false]], "note": ""}'),
    ):  # fmt: skip
        yield _case(name, "", token(name, signed_for=(TOOL, "", text)), TOOL, "", text)
    yield _case("with a server", "", token("4", signed_for=(TOOL, "erp", ARGUMENTS)), TOOL, "erp", ARGUMENTS)
    yield _case("an unknown claim", "", token("5", later="ignored"))
    yield _case("expired within the leeway", "", token("6", exp=NOW - 4))
    yield _case("issued within the leeway", "", token("7", iat=NOW + 5, exp=NOW + 65))


def _refused() -> Iterator[dict[str, Any]]:
    good = token("1")
    head, body, signature = good.split(".")
    other = json.dumps({"order": "A-17", "amount": 2000})
    yield _case("other arguments", "arguments_mismatch", good, TOOL, "", other)
    yield _case(
        "an argument as text", "arguments_mismatch", good, TOOL, "", '{"order": "A-17", "amount": "20"}'
    )
    yield _case(
        "an argument more",
        "arguments_mismatch",
        good,
        TOOL,
        "",
        '{"order": "A-17", "amount": 20, "to": "me"}',
    )
    yield _case("another tool", "tool_mismatch", good, "refunds.cancel", "", ARGUMENTS)
    yield _case("a server that the call doesn't name", "tool_mismatch", good, TOOL, "erp", ARGUMENTS)
    yield _case("another audience", "credential_audience", token("a", aud="payouts"))
    yield _case("a list of audiences", "credential_claims", token("b", aud=[AUDIENCE]))
    yield _case("another issuer", "credential_issuer", token("c", iss="urn:tabard:zone:other"))
    yield _case("expired", "credential_expired", token("d", iat=NOW - 66, exp=NOW - 5))
    yield _case("issued in the future", "credential_not_yet_valid", token("e", iat=NOW + 6, exp=NOW + 66))
    yield _case("no end", "credential_claims", token("f", exp=None))
    yield _case("an end that isn't an integer", "credential_claims", token("g", exp=str(NOW + 50)))
    yield _case("single use as text", "credential_claims", token("h", tabard_single_use="true"))
    yield _case("no identifier", "credential_claims", token("i", jti=None))
    yield _case("another type of JWT", "credential_type", token("j", header={"typ": "at+jwt"}))
    yield _case("no type", "credential_type", token("k", header={"typ": None}))
    yield _case("an unknown key", "credential_unknown_key", token("l", header={"kid": "signing-other"}))
    yield _case("no key", "credential_malformed", token("m", header={"kid": None}))
    yield _case("another party's signature", "credential_signature", token("n", signer=STRANGER))
    yield _case("the algorithm of another key", "credential_algorithm", token("o", header={"kid": ED.kid}))
    yield _case("an algorithm without a key", "credential_algorithm", token("p", header={"alg": "none"}))
    yield _case(
        "an extension that must be understood",
        "credential_malformed",
        token("q", header={"crit": ["x"], "x": 1}),
    )
    changed = _encode(_json({**json.loads(base64.urlsafe_b64decode(body + "==")), "sub": "mallory"}))
    yield _case("a changed claim", "credential_signature", f"{head}.{changed}.{signature}")
    yield _case("no signature", "credential_signature", f"{head}.{body}.")
    yield _case("a part too few", "credential_type", f"{head}.{body}")
    yield _case("nothing", "credential_missing", "")


def document() -> dict[str, Any]:
    """Return what the file holds."""
    once, again = (token(f"once {number}", tabard_single_use=True) for number in (1, 2))
    many = token("many")
    three = token("three", tabard_single_use=True, tabard_uses=3)
    return {
        "description": DESCRIPTION,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": NOW,
        "leeway_seconds": LEEWAY,
        "jwks": {"keys": [EC.jwk(), ED.jwk()]},
        "cases": [*_accepted(), *_refused()],
        "single_use": [
            _case("a refused use uses nothing up", "arguments_mismatch", once, TOOL, "", "{}"),
            _case("first use", "", once),
            _case("second use", "credential_used", once),
            _case("another credential", "", again),
            _case("not single use", "", many),
            _case("not single use, again", "", many),
        ],
        "uses": [
            *[_case(f"use {number} of three", "", three) for number in (1, 2, 3)],
            _case("a use too many", "credential_used", three),
        ],
    }


def main() -> None:
    """Write or compare the file."""
    text = json.dumps(document(), indent=2) + "\n"
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != text:
        sys.exit(f"{TARGET} is out of date; run: python {Path(__file__).name}")


if __name__ == "__main__":
    main()
