"""Decides whether this workload's actor token may be presented, and tells what a refusal of one may mean (RFC 8693)."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from tabard.trust import read_trusted

from tabard_sidecar.credentials.exchange.faults import ExchangeFault, misconfigured
from tabard_sidecar.identity import jose
from tabard_sidecar.identity.actors import names_actor
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tabard_sidecar.credentials.exchange.conf import ExchangeConfig
    from tabard_sidecar.interfaces import Clock

_MAX_FILE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Actor:
    """An actor token, and who acts by it.

    Attributes:
        token: the token.
        sub: whom it names.
        claims: its claims. They aren't verified: the operator provides the token, and the identity provider checks it.
    """

    token: str = field(repr=False)
    sub: str
    claims: Mapping[str, Any]


def token_in(path: Path) -> str:
    """Return the token in a file.

    Raises:
        ExchangeFault: it can't be read, or there is none.
    """
    try:
        token = read_trusted(path, _MAX_FILE_BYTES)[0].decode("ascii").strip()
    except OSError as error:
        raise misconfigured(explain(error, path)) from None
    except UnicodeDecodeError:
        token = ""
    if not token:
        raise misconfigured(f"{path}: holds no token")
    return token


def read_actor(path: Path, *, now: float) -> Actor:
    """Return the actor token in a file.

    Raises:
        ExchangeFault: it can't be read or has expired, of which an identity provider's ``invalid_grant`` wouldn't tell.
    """
    actor = actor_of(token_in(path), str(path))
    expires_at = actor.claims.get("exp")
    if isinstance(expires_at, int | float) and expires_at <= now:
        raise misconfigured(f"{path}: the token has expired, and nothing has renewed it")
    return actor


def actor_of(token: str, where: str) -> Actor:
    """Return an actor token with its claims.

    Args:
        token: the token.
        where: names it in errors.

    Raises:
        ExchangeFault: it isn't a JWT with a ``sub``.
    """
    try:
        claims = jose.parse(token).claims
    except jose.TokenError as error:
        raise misconfigured(f"{where}: {error.message}") from None
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise misconfigured(f"{where}: the token has no sub")
    return Actor(token, subject, claims)


def check_may_act(may_act: object, actor: Actor | None, workload: Mapping[str, str]) -> None:
    """Check that the person's token lets this workload act, if it says who may.

    Args:
        may_act: what it says (RFC 8693, section 4.4).
        actor: the actor token that is sent.
        workload: identifies the workload if none is sent. The identity provider learns of the sidecar's client only.

    Raises:
        ExchangeFault: it names another.
    """
    if may_act is None or names_actor(may_act, workload if actor is None else actor.claims):
        return
    named = f"{workload['sub'][:128]!a}, this sidecar's workload"
    if actor is not None:
        named = f"{actor.sub[:128]!a}, whose actor token this sidecar has"
    raise ExchangeFault(
        "subject_token_may_act",
        f"the may_act of the person's token doesn't name {named}",
        nothing_done=True,
    )


def explained(fault: ExchangeFault, may_act: object, actor: Actor | None) -> ExchangeFault:
    """Return what a refusal means, if it may concern who acts: ``invalid_grant`` says only that one of the tokens is bad."""
    if fault.code != "subject_token_expired":
        return fault
    if actor is not None:
        text = (
            f"{fault.message} (unless it means the actor token of {actor.sub[:128]!a}, which was sent, too)"
        )
        return ExchangeFault(fault.code, text, nothing_done=fault.nothing_done)
    if may_act is not None:
        return misconfigured(
            f"{fault.message}; the person's token says who may act (may_act), so it may want an actor token: set "
            "actor_token_file or actor_token_grant"
        )
    return fault


def actors_of(
    servers: Mapping[str, ExchangeConfig], clock: Clock
) -> Mapping[str, list[Callable[[], Mapping[str, Any]]]]:
    """Return, by issuer of people, what reads the claims of this workload's actor tokens for it.

    Each raises :class:`~tabard_sidecar.errors.NoDecision` if there is none that can be used.
    """
    found: dict[str, list[Callable[[], Mapping[str, Any]]]] = {}
    for name, server in servers.items():
        if server.actor_token_file is not None:
            read = _reader(name, server.actor_token_file, clock)
        elif server.actor_token_grant is not None:
            read = _client(server)
        else:
            continue
        found.setdefault(server.subject_issuer, []).append(read)
    return found


def _client(server: ExchangeConfig) -> Callable[[], Mapping[str, Any]]:
    # Its token isn't asked for when a task starts; it is compared when it is sent.
    client = {"iss": server.subject_issuer, "sub": server.client_id, "client_id": server.client_id}
    return lambda: client


def _reader(name: str, path: Path, clock: Clock) -> Callable[[], Mapping[str, Any]]:
    def read() -> Mapping[str, Any]:
        try:
            return read_actor(path, now=clock()).claims
        except ExchangeFault as fault:
            raise fault.decisive(name) from None

    return read
