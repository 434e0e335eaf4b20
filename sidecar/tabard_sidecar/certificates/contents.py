"""Reads and writes the Secret: authority, certificate, and during a rotation the next or the former authority."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from tabard_sidecar.certificates.pairs import (
    Pair,
    PairError,
    is_authority,
    pem,
    read_certificate,
    read_pair,
    signed_by,
)
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

AUTHORITY, LEAF, NEXT = ("ca.crt", "ca.key"), ("tls.crt", "tls.key"), ("next-ca.crt", "next-ca.key")
NEXT_SINCE, FORMER, FORMER_SINCE = "next-ca.since", "former-ca.crt", "former-ca.since"
KEYS = frozenset({*AUTHORITY, *LEAF, *NEXT, NEXT_SINCE, FORMER, FORMER_SINCE})
_MAX_BYTES = 16 * 1024
_T = TypeVar("_T")


class UnusableError(ValueError):
    """The Secret isn't what replicas write; says which key of it and why."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Authorities and certificate of one moment.

    Attributes:
        authority: signs certificates.
        leaf: the certificate that is served; ``None`` if the one in the Secret can't be used, which ``problem`` explains.
        following: the authority that signs next; it is published already.
        following_since: since when it has been seen where it is published; ``None`` if not so far.
        former: the authority that signed before; it is still published.
        former_since: since when it doesn't sign any more.
        problem: why there is no leaf.
    """

    authority: Pair
    leaf: Pair | None
    following: Pair | None = None
    following_since: float | None = None
    former: Certificate | None = None
    former_since: float | None = None
    problem: str = ""

    @property
    def bundle(self) -> tuple[Certificate, ...]:
        """The authorities that clients have to trust, the one that signs first."""
        following = () if self.following is None else (self.following.certificate,)
        former = () if self.former is None else (self.former,)
        return (self.authority.certificate, *following, *former)


def read_contents(data: Mapping[str, object]) -> Contents | None:
    """Return what is in the ``data`` of a Secret; ``None`` if it is empty.

    A leaf that can't be used is no error, since the authority signs another one.

    Raises:
        UnusableError: the authorities can't be used.
    """
    values = {name: _decoded(name, data[name]) for name in KEYS & data.keys()}
    if not any(values.values()):
        return None
    authority = _authority(values, AUTHORITY)
    if authority is None:
        raise UnusableError(f"{AUTHORITY[0]} is missing")
    leaf, problem = _leaf(values, authority)
    following = _authority(values, NEXT)
    former = _named(FORMER, read_certificate, values[FORMER]) if values.get(FORMER) else None
    if former is not None and not is_authority(former):
        raise UnusableError(f"{FORMER} is no authority")
    return Contents(
        authority,
        leaf,
        following,
        _moment(values, NEXT_SINCE) if following is not None else None,
        former,
        _moment(values, FORMER_SINCE) if former is not None else None,
        problem,
    )


def write_contents(contents: Contents) -> dict[str, str]:
    """Return the ``data`` of a Secret with these contents."""
    values: dict[str, bytes] = {}
    for names, pair in (
        (AUTHORITY, contents.authority),
        (LEAF, contents.leaf),
        (NEXT, contents.following),
    ):
        if pair is not None:
            values |= zip(names, (pair.certificate_pem, pair.key_pem), strict=True)
    if contents.former is not None:
        values[FORMER] = pem(contents.former)
    for name, moment in ((NEXT_SINCE, contents.following_since), (FORMER_SINCE, contents.former_since)):
        if moment is not None:
            values[name] = f"{moment:.0f}".encode()
    return {name: base64.b64encode(value).decode() for name, value in values.items()}


def _decoded(name: str, value: object) -> bytes:
    if not isinstance(value, str) or len(value) > _MAX_BYTES:
        raise UnusableError(f"{name} is longer than {_MAX_BYTES} characters")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise UnusableError(f"{name} isn't in Base64") from None


def _named(name: str, read: Callable[..., _T], *values: bytes) -> _T:
    try:
        return read(*values)
    except PairError as error:
        raise UnusableError(f"{name} {error}") from None


def _authority(values: Mapping[str, bytes], names: tuple[str, str]) -> Pair | None:
    if not any(values.get(name) for name in names):
        return None
    pair = _named(names[0], read_pair, *(values.get(name, b"") for name in names))
    if not is_authority(pair.certificate):
        raise UnusableError(f"{names[0]} is no authority")
    return pair


def _leaf(values: Mapping[str, bytes], authority: Pair) -> tuple[Pair | None, str]:
    try:
        leaf = read_pair(*(values.get(name, b"") for name in LEAF))
    except PairError as error:
        return None, f"{LEAF[0]} {error}"
    if not signed_by(leaf.certificate, authority.certificate) or is_authority(leaf.certificate):
        return None, f"{LEAF[0]} isn't signed by {AUTHORITY[0]}"
    return leaf, ""


def _moment(values: Mapping[str, bytes], name: str) -> float | None:
    try:
        found = float(values.get(name, b""))
    except ValueError:
        return None
    return found if math.isfinite(found) else None
