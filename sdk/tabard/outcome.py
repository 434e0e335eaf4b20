"""Signed outcomes: a backend states what a call cost or made, what it refunds, and which labels its result has.

The backend returns the token in the response header ``Tabard-Outcome``, and the agent passes it to the sidecar with
``report_outcome``. The sidecar trusts the backend's signature, not the agent.
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
    facts: Mapping[str, Iterable[str]] | None = None,
    failed: bool = False,
    now: float | None = None,
) -> str:
    """Return a signed outcome of a call, a compact JWT (RFC 7515) that is valid for five minutes.

    Args:
        credential_key: the audience's key, as ``tabard keys export --audience`` prints it.
        key_id: its id, from the same place.
        audience: this backend.
        decision_id: the decision that the call's credential was issued for (claim ``rctx.decision_id``).
        charges: what the call cost beyond its charge, by name of the budget.
        refunds: what is given back of its charge, by name. Amounts and facts of one outcome only are counted per decision.
        labels: labels of the result, for example ``"untrusted"``.
        facts: what the task's facts get, by name, for example the id of what the call made: ``{"files_made": ["/a"]}``. What
            stands under a name that the policy's grant doesn't list as ``notes`` isn't noted.
        failed: the call did nothing: the facts that its grant noted are taken back. It says nothing of charges.
        now: seconds since the epoch; this machine's clock by default.

    Raises:
        ValueError: a failed call has facts.
    """
    noted = {name: sorted(set(elements)) for name, elements in (facts or {}).items()}
    if failed and any(noted.values()):
        raise ValueError("a failed call notes no facts: leave out facts, or failed")
    issued = int(time.time() if now is None else now)
    claims = {
        "iss": audience,
        "iat": issued,
        "exp": issued + _LIFETIME_SECONDS,
        "decision_id": decision_id,
        "charges": dict(charges or {}),
        "refunds": dict(refunds or {}),
        "labels": list(labels),
        "facts": noted,
        "failed": failed,
    }
    header = {"alg": ALGORITHM, "kid": key_id, "typ": TYPE}
    content = f"{_segment(header)}.{_segment(claims)}"
    signature = hmac.new(outcome_key(credential_key), content.encode(), hashlib.sha256).digest()
    return f"{content}.{base64url.encode(signature)}"


def _segment(document: Mapping[str, object]) -> str:
    return base64url.encode(json.dumps(document, separators=(",", ":")).encode())
