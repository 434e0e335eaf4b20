"""Checks that an exchanged token allows no more than was asked for, and keeps what narrowed the person's token."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabard_sidecar.credentials.exchange.faults import invalid
from tabard_sidecar.credentials.exchange.replies import scopes_of

_MAX_ACTORS = 16
NARROWING = ("authorization_details", "act")
"""Claims that narrow a token, beside its scopes; without one of them it allows more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes:
        audiences: names of the one backend.
        scopes: the scopes.
        subject: claims of the person's token.
        actor: ``sub`` of the actor token; empty if none was sent.
    """

    audiences: frozenset[str]
    scopes: frozenset[str]
    subject: Mapping[str, Any]
    actor: str = ""


def scopes_in(claims: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the scopes of a token (RFC 9068, and ``scp`` of other profiles); ``None`` if it doesn't say.

    Raises:
        ExchangeFault: a claim isn't a list of scopes.
    """
    found: frozenset[str] | None = None
    for name in ("scope", "scp"):
        if name not in claims:
            continue
        value = claims[name]
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = " ".join(value)
        scopes = scopes_of(value)
        if scopes is None:
            raise invalid(f"its token's {name} isn't a list of scopes")
        found = scopes | (found or frozenset())
    return found


def check_scopes(scopes: frozenset[str] | None, asked: frozenset[str], where: str) -> None:
    """Check that a token has none but the scopes that were asked for.

    Raises:
        ExchangeFault: it has others, or doesn't say which although some were asked for.
    """
    if scopes is None:
        if asked:
            raise invalid(f"{where} doesn't say its scopes, so nothing narrows it")
        return
    wider = sorted(scopes - asked)
    if wider:
        raise invalid(f"{where} has a scope that wasn't asked for: {wider[0][:128]!a}")


def check_claims(claims: Mapping[str, Any], asked: Asked) -> None:
    """Check audience, scopes and what narrowed the person's token in the claims of a verified token.

    Raises:
        ExchangeFault: it allows more than was asked for.
    """
    _check_audience(claims.get("aud"), asked.audiences)
    scopes = scopes_in(claims)
    check_scopes(scopes, asked.scopes, "its token")
    if scopes is None and scopes_in(asked.subject):
        raise invalid("its token lacks the scope that narrowed the person's token")
    _check_details(claims.get("authorization_details"), asked.subject.get("authorization_details"))
    _check_act(claims.get("act"), asked)


def _check_audience(value: object, audiences: frozenset[str]) -> None:
    named = value if isinstance(value, list) else [value]
    if len(named) != 1:
        raise invalid(f"its token has {len(named)} audiences; exactly the one that was asked for is accepted")
    if not isinstance(named[0], str) or named[0] not in audiences:
        raise invalid("its token is for another audience than was asked for")


def _check_details(value: object, before: object) -> None:
    """Check rich authorization details (RFC 9396): each of the new ones stood in the person's token."""
    if before is None:
        return
    if not isinstance(value, list) or not value:
        raise invalid("its token lacks the authorization_details that narrowed the person's token")
    known = {_written(one) for one in (before if isinstance(before, list) else [before])}
    if any(_written(one) not in known for one in value):
        raise invalid("its token has authorization_details that the person's token doesn't have")


def _check_act(value: object, asked: Asked) -> None:
    """Check the actors (RFC 8693, section 4.1): the outermost acts now, those within acted before."""
    before = asked.subject.get("act")
    actors = list(_actors(value))
    if asked.actor and (not actors or actors[0].get("sub") != asked.actor):
        raise invalid("its token's act doesn't name this workload's actor token, which was sent")
    if before is not None and _written(before) not in {_written(one) for one in actors}:
        raise invalid("its token lacks the act that narrowed the person's token")


def _actors(value: object) -> Sequence[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    while isinstance(value, dict) and len(found) < _MAX_ACTORS:
        found.append(value)
        value = value.get("act")
    return found


def _written(value: object) -> str:
    """Return a text that is the same for the same JSON, in which 1 and true differ."""
    return json.dumps(value, sort_keys=True)
