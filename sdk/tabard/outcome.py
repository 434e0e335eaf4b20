"""What a backend signs about a call: what it really cost, what it returned, what is to be given back.

The agent passes it on with ``report_outcome``; the sidecar believes the backend and not the agent. Give the token back to the
agent in the response header ``Tabard-Outcome``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping

from tabard import base64url

ALGORITHM = "HS256"
TYPE = "tabard-outcome+jwt"
"""``typ`` of a signed outcome."""
HEADER = "Tabard-Outcome"
"""Response header in which a backend returns it."""

_LIFETIME_SECONDS = 300


def outcome_key(credential_key: bytes) -> bytes:
    """Return the key that signs outcomes of an audience (32 bytes), from the key that ``tabard keys export`` prints."""
    return hmac.new(credential_key, b"tabard/v1/outcome", hashlib.sha256).digest()


def sign_outcome(  # noqa: PLR0913 - what an outcome says
    credential_key: bytes,
    *,
    key_id: str,
    audience: str,
    decision_id: str,
    charges: Mapping[str, int] | None = None,
    refunds: Mapping[str, int] | None = None,
    labels: Iterable[str] = (),
    now: float | None = None,
) -> str:
    """Sign what a call did, as a compact JWT (RFC 7515) that lives five minutes.

    Args:
        credential_key: the audience's key, as ``tabard keys export --audience`` prints it.
        key_id: its id, from the same place.
        audience: this backend.
        decision_id: the decision that the call's credential was issued for (claim ``rctx.decision_id``).
        charges: what the call cost beyond its charge, by name of the budget.
        refunds: what is to be given back of its charge, by name; counted once per decision.
        labels: labels of what was returned, for example ``"untrusted"``.
        now: seconds since the epoch; this machine's clock by default.
    """
    issued = int(time.time() if now is None else now)
    claims = {
        "iss": audience,
        "iat": issued,
        "exp": issued + _LIFETIME_SECONDS,
        "decision_id": decision_id,
        "charges": dict(charges or {}),
        "refunds": dict(refunds or {}),
        "labels": list(labels),
    }
    header = {"alg": ALGORITHM, "kid": key_id, "typ": TYPE}
    content = f"{_segment(header)}.{_segment(claims)}"
    signature = hmac.new(outcome_key(credential_key), content.encode(), hashlib.sha256).digest()
    return f"{content}.{base64url.encode(signature)}"


def _segment(document: Mapping[str, object]) -> str:
    return base64url.encode(json.dumps(document, separators=(",", ":")).encode())
