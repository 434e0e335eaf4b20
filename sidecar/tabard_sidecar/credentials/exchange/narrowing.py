"""Checks that an exchanged token allows no more than was asked for, and keeps what narrowed the person's token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tabard_sidecar.credentials.exchange.conf import CHECKED
from tabard_sidecar.credentials.exchange.faults import invalid
from tabard_sidecar.credentials.exchange.replies import scopes_of
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.credentials.exchange.acting import Actor

# What says no more than who issued a token to whom and when, beside what is checked by itself: RFC 7519, RFC 9068, and what
# Keycloak, Okta and Entra add. A token may have other values of these than the person's.
_CHANGING = CHECKED | frozenset(
    {"iat", "nbf", "jti", "client_id", "azp", "cid", "appid", "typ", "sid", "session_state"}
    | {"uti", "rh", "aio", "ver", "azpacr", "appidacr"}
)
# How the person signed in, and to whose key the token is bound. They may be added, and not be changed.
_ADDED = frozenset({"auth_time", "acr", "amr", "cnf"})
# Keycloak's roles, by client.
_BY_AUDIENCE = "resource_access"
NARROWING = ("authorization_details", "act")
"""Claims that narrow a token, beside its scopes; without one of them it allows more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes:
        audiences: names of the one backend.
        scopes: the scopes.
        subject: claims of the person's token.
        actor: the actor token that was sent.
        client: the sidecar's client at the identity provider.
        extra: claims that it may have though the person's token doesn't.
    """

    audiences: frozenset[str]
    scopes: frozenset[str]
    subject: Mapping[str, Any]
    actor: Actor | None = None
    client: str = ""
    extra: frozenset[str] = frozenset()


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
    _check_act(claims.get("act"), asked, claims.get("iss"))
    _check_others(claims, asked)


def _check_audience(value: object, audiences: frozenset[str]) -> None:
    named = value if isinstance(value, list) else [value]
    if len(named) != 1:
        raise invalid(f"its token has {len(named)} audiences; exactly the one that was asked for is accepted")
    if not isinstance(named[0], str) or named[0] not in audiences:
        raise invalid("its token is for another audience than was asked for")


def _check_details(value: object, before: object) -> None:
    """Check rich authorization details (RFC 9396): each of the new ones stood in the person's token."""
    if before is None:
        if value is not None:
            raise invalid("its token has authorization_details, and the person's token has none")
        return
    if not isinstance(value, list) or not value:
        raise invalid("its token lacks the authorization_details that narrowed the person's token")
    known = {_written(one) for one in (before if isinstance(before, list) else [before])}
    if any(_written(one) not in known for one in value):
        raise invalid("its token has authorization_details that the person's token doesn't have")


def _check_act(value: object, asked: Asked, issuer: object) -> None:
    """Check the actors (RFC 8693, section 4.1): the outermost acts now, those within acted before."""
    before = asked.subject.get("act")
    if asked.actor is not None:
        if not _acts(value, asked.actor.sub, asked.actor.claims.get("iss", issuer)):
            raise invalid("its token's act doesn't name this workload's actor token, which was sent")
    elif _written(value) == _written(before):
        return
    # A new one stands around those of the person's token, and is the workload or the sidecar's client.
    if before is not None and not (
        isinstance(value, dict) and _written(value.get("act")) == _written(before)
    ):
        raise invalid("its token lacks the act that narrowed the person's token")
    if asked.actor is None and not _acts(value, asked.client, issuer):
        raise invalid("its token's act names an actor that isn't this workload or the sidecar's client")
    if before is None and isinstance(value, dict) and "act" in value:
        raise invalid("its token's act names actors that the person's token doesn't have")


def _acts(value: object, sub: str, issuer: object) -> bool:
    """Tell whether the outermost actor is the one that ``sub`` names at an issuer; elsewhere it may name another."""
    return isinstance(value, dict) and value.get("sub") == sub and value.get("iss", issuer) == issuer


def _check_others(claims: Mapping[str, Any], asked: Asked) -> None:
    """Check that all else is in the person's token, too, as far as it goes."""
    for name, value in claims.items():
        if name in _CHANGING:
            continue
        before = asked.subject.get(name)
        if name in asked.extra:
            value = _of_others(value, asked.audiences) if name == _BY_AUDIENCE else before  # noqa: PLW2901
        elif name in _ADDED and before is None:
            continue
        if not _within(value, before):
            raise invalid(
                f"its token has a claim {name[:128]!a} that the person's token doesn't have like that; if the backend needs "
                "it and it allows no more, name it in extra_claims of the audience"
            )


def _of_others(value: object, audiences: frozenset[str]) -> object:
    """Return what a claim by client says of other clients than the backend; ``None`` if nothing."""
    if not isinstance(value, dict):
        return value
    return {name: one for name, one in value.items() if name not in audiences} or None


def _within(value: object, before: object) -> bool:
    """Tell whether a value is the same, or has only a part of the members of the other."""
    if isinstance(value, dict) and isinstance(before, dict):
        return all(name in before and _within(one, before[name]) for name, one in value.items())
    if isinstance(value, list) and isinstance(before, list):
        known = {_written(one) for one in before}
        return all(_written(one) in known for one in value)
    return value is None or _written(value) == _written(before)


def _written(value: object) -> str:
    """Return a text that is the same for the same JSON, in which 1 and true differ."""
    return json.dumps(value, sort_keys=True)
