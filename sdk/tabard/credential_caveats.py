"""Caveats that the holder of a macaroon credential may append, and how they narrow it.

The sidecar (introspection) and backends (verification) both read them here. Each caveat is checked alone, and all must
pass; none can give anything back that another one took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, assert_never

from tabard._lean import dataclass
from tabard.caveats import Audiences, Call, CaveatError, Expiry, Scopes, decode_caveat

if TYPE_CHECKING:
    from tabard.macaroon import RawCaveat

CredentialCaveat: TypeAlias = Expiry | Scopes | Audiences | Call


class CredentialCaveatError(Exception):
    """A caveat of a credential isn't met, can't be read or isn't one for credentials."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What its caveats leave of a credential.

    Attributes:
        scopes: scopes that all caveats leave.
        expires_at: the earliest end, in seconds since the epoch.
        call_digests: digests that the call must have, all of them.
    """

    scopes: tuple[str, ...]
    expires_at: float
    call_digests: tuple[str, ...]


def read(caveats: Iterable[RawCaveat]) -> list[CredentialCaveat]:
    """Return the caveats of a verified credential.

    Raises:
        CredentialCaveatError: one is a third-party caveat, can't be read or isn't one for credentials.
    """
    return [_read(raw) for raw in caveats]


def narrow(
    caveats: Iterable[CredentialCaveat], *, audience: str, scopes: Sequence[str], expires_at: float
) -> Narrowed:
    """Return what ``caveats`` leave of a credential with this audience, these scopes and this end.

    Raises:
        CredentialCaveatError: a caveat excludes the audience.
    """
    left, digests = tuple(scopes), []
    for caveat in caveats:
        match caveat:
            case Expiry():
                expires_at = min(expires_at, caveat.expires_at)
            case Scopes():
                left = tuple(scope for scope in left if scope in caveat.scopes)
            case Call():
                digests.append(caveat.digest)
            case Audiences():
                if audience not in caveat.audiences:
                    raise CredentialCaveatError(f"a {caveat.tag} caveat isn't met")
            case _:
                assert_never(caveat)
    return Narrowed(left, expires_at, tuple(digests))


def _read(raw: RawCaveat) -> CredentialCaveat:
    if raw.verification_id is not None:
        raise CredentialCaveatError("it holds a third-party caveat")
    try:
        caveat = decode_caveat(raw.identifier)
    except CaveatError:
        raise CredentialCaveatError("it holds a caveat that can't be read") from None
    if not isinstance(caveat, CredentialCaveat):
        raise CredentialCaveatError(f"a {caveat.tag} caveat doesn't belong in a credential")
    return caveat
