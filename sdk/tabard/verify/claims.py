"""Reads the claims that every kind of credential carries; docs/reference/credentials.md is their contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tabard._lean import dataclass
from tabard._model import Subject
from tabard.verify.errors import Rejected
from tabard.verify.model import ChainLink, VerifiedCredential

MAX_USES = 100
"""Most uses that a credential can be for, unless they aren't counted."""

_KINDS = frozenset({"root", "hop", "branch"})


@dataclass(frozen=True, slots=True)
class Expected:
    """Issuer and audience that claims must name, and how far clocks may differ, in seconds."""

    issuer: str
    audience: str
    leeway_seconds: float


def read(kind: str, claims: Mapping[str, Any], expected: Expected, now: float) -> VerifiedCredential:
    """Return the content of claims whose signature has been verified.

    Raises:
        Rejected: they aren't those of a credential, or its issuer, audience or time isn't acceptable.
    """
    try:
        credential = _read(kind, claims)
    except (KeyError, TypeError, ValueError) as error:
        raise Rejected("credential_claims", f"claim missing or of the wrong type: {error}") from None
    if credential.issuer != expected.issuer:
        raise Rejected("credential_issuer", f"issued by {credential.issuer!r}")
    if credential.audience != expected.audience:
        raise Rejected("credential_audience", f"for {credential.audience!r}")
    check_time(credential.issued_at, credential.expires_at, expected.leeway_seconds, now)
    return credential


def check_time(issued_at: float, expires_at: float, leeway_seconds: float, now: float) -> None:
    """Check that a credential is valid at this time.

    Raises:
        Rejected: it isn't valid yet, or has expired.
    """
    if now >= expires_at + leeway_seconds:
        raise Rejected("credential_expired", f"expired at {expires_at:.0f}, now is {now:.0f}")
    if issued_at > now + leeway_seconds:
        raise Rejected("credential_not_yet_valid", f"issued at {issued_at:.0f}, now is {now:.0f}")


def _read(kind: str, claims: Mapping[str, Any]) -> VerifiedCredential:
    task, request = _object(claims, "tctx"), _object(claims, "rctx")
    return VerifiedCredential(
        kind=kind,
        credential_id=_text(claims, "jti"),
        issuer=_text(claims, "iss"),
        audience=_text(claims, "aud"),
        subject=Subject(_text(claims, "sub"), _text(claims, "sub_iss")),
        agent=_text(claims, "req_wl"),
        chain=_chain(claims["tabard_chain"]),
        task_id=_text(claims, "txn"),
        purpose=_string(task.get("purpose", ""), "purpose"),
        intent_source="signed" if task.get("intent_source") == "signed" else "asserted",
        scopes=tuple(_string(claims["scope"], "scope").split()),
        tool=_text(claims, "tabard_tool"),
        server=_string(claims.get("tabard_server", ""), "tabard_server"),
        call_digest=_text(claims, "tabard_call"),
        decision_id=_string(request.get("decision_id", ""), "decision_id"),
        issued_at=_time(claims, "iat"),
        expires_at=_time(claims, "exp"),
        uses=_uses(claims),
        claims=claims,
    )


def _chain(value: object) -> tuple[ChainLink, ...]:
    if not isinstance(value, list) or not value:
        raise TypeError("tabard_chain")
    links = []
    for step in value:
        kind = _text(step, "kind")
        if kind not in _KINDS:
            raise ValueError("tabard_chain")
        links.append(ChainLink(kind, _text(step, "holder"), _string(step.get("sub_agent", ""), "sub_agent")))
    return tuple(links)


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = _string(claims[name], name)
    if not value:
        raise ValueError(name)
    return value


def _object(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = claims[name]
    if not isinstance(value, dict):
        raise TypeError(name)
    return value


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**53:
        raise TypeError(name)
    return float(value)


def _flag(claims: Mapping[str, Any], name: str) -> bool:
    value = claims.get(name, False)
    if not isinstance(value, bool):
        raise TypeError(name)
    return value


def _uses(claims: Mapping[str, Any]) -> int:
    """Return how often the credential is accepted. Verifiers that don't know ``tabard_uses`` accept it once."""
    counted, uses = _flag(claims, "tabard_single_use"), claims.get("tabard_uses")
    if uses is None:
        return int(counted)
    if type(uses) is not int or not counted or not 1 < uses <= MAX_USES:
        raise ValueError("tabard_uses")
    return uses
