"""Reads replies of a vault. Each is hostile until it was checked: its form, its sizes, and that it is what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.faults import VaultFault, invalid, unavailable
from tabard_sidecar.util.bounded_http import json_object
from tabard_sidecar.util.lean import dataclass

MAX_FIELDS_BYTES = 64 * 1024
"""Most bytes of a credential's fields together."""
LONGEST_LEASE_SECONDS = 366 * 86_400
"""A lease that is to last longer is no lease."""

_SHOWN_SECONDS = 1e12
_MAX_JSON_BYTES = 256 * 1024
_MAX_ERRORS = 3
_OK, _NO_CONTENT, _REDIRECTS, _REFUSALS, _ERRORS = 200, 204, 300, 400, 500
_SEALED = 503
# Rate limits and quotas, a node that is behind, and standby or disaster-recovery nodes.
_BUSY = frozenset({412, 429, 472, 473})
# A token becomes a header, so it holds no space and nothing that ends a line.
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_ACCESSOR = re.compile(r"[A-Za-z0-9._-]{1,256}")
_LEASE_ID = re.compile(r"[\x21-\x7e]{1,1024}")


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the vault. ``seconds`` is its life from now, ``policies`` are those that the vault says it has."""

    secret: str = field(repr=False)
    accessor: str
    seconds: float
    renewable: bool
    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Obtained:
    """What an engine gave.

    Attributes:
        fields: the credential's fields; secret.
        value: the one string that it is, if it is one; secret.
        lease_id: the lease that ends with the token; empty if the engine keeps none.
        seconds: its life by the vault; ``None`` if the vault can't say.
    """

    fields: Mapping[str, str] = field(repr=False)
    value: str = field(default="", repr=False)
    lease_id: str = ""
    seconds: float | None = None


def read_reply(status: int, content: bytes) -> Mapping[str, Any]:
    """Return the object in a reply; an empty one if there is none.

    Raises:
        VaultFault: the vault refused or failed, or the reply isn't acceptable.
    """
    if status == _NO_CONTENT or (status == _OK and not content):
        return {}
    if status == _OK:
        return json_object(content, faults, max_bytes=_MAX_JSON_BYTES)
    if status < _REDIRECTS:
        raise invalid(f"it answered with HTTP status {status}")
    text = f"HTTP status {status}{_error_text(content)}"
    if status < _REFUSALS:
        raise VaultFault(
            "vault_reply_invalid",
            f"it redirects ({text}), which isn't followed: name the active node, or what forwards to it",
            nothing_done=True,
            status=status,
        )
    if status in _BUSY:
        raise unavailable(text, nothing_done=True, status=status)
    if status < _ERRORS:
        raise VaultFault("vault_refused", text, nothing_done=True, status=status)
    raise unavailable(text, nothing_done=status == _SEALED and "sealed" in text, status=status)


def _error_text(content: bytes) -> str:
    """Return what a vault says of an error, for messages; empty if it isn't in Vault's form."""
    try:
        errors = json_object(content, faults, max_bytes=_MAX_JSON_BYTES).get("errors")
    except VaultFault:
        return ""
    if not isinstance(errors, list):
        return ""
    found = [quoted(one.strip()) for one in errors[:_MAX_ERRORS] if isinstance(one, str) and one.strip()]
    return f": {'; '.join(found)}" if found else ""


def login_token(reply: Mapping[str, Any]) -> Token:
    """Return the sidecar's own token from the reply to a login or a renewal.

    Raises:
        VaultFault: the reply isn't acceptable.
    """
    auth = _part(reply, "auth")
    token = _token(auth)
    _check_policies(auth)
    return token


def orphan_token(reply: Mapping[str, Any], *, most_seconds: float) -> Token:
    """Return a credential's token from the reply to its creation.

    It has to be what ends by itself in ``most_seconds``, alone, and what can be extended.

    Raises:
        UnusableToken: the token isn't, so it must be revoked.
        VaultFault: the reply isn't acceptable.
    """
    auth = _part(reply, "auth")
    token = _token(auth)
    try:
        _check_policies(auth)
        if auth.get("orphan") is not True:
            raise invalid("the token role makes tokens with a parent; set orphan=true")
        if not token.renewable:
            raise invalid("the token role makes tokens that can't be renewed; set renewable=true")
        if auth.get("token_type") != "service" or auth.get("num_uses", 0) != 0:
            raise invalid(
                "the token role makes tokens of another type, or for some uses; set token_type=service"
            )
        if token.seconds > most_seconds:
            raise invalid(
                f"the token role makes tokens that live {token.seconds:g} s instead of {most_seconds:g} s; set no period"
            )
    except VaultFault as fault:
        raise UnusableToken(fault, token) from None
    return token


class UnusableToken(VaultFault):
    """The vault made a token that can't be used. ``token`` is to be revoked."""

    def __init__(self, fault: VaultFault, token: Token) -> None:
        super().__init__(fault.code, fault.message)
        self.token = token


def _token(auth: Mapping[str, Any]) -> Token:
    secret, accessor = auth.get("client_token"), auth.get("accessor")
    if not isinstance(secret, str) or _TOKEN.fullmatch(secret) is None:
        raise invalid("its reply holds no usable token")
    if not isinstance(accessor, str) or _ACCESSOR.fullmatch(accessor) is None:
        raise invalid("its token has no usable accessor; batch tokens have none")
    seconds = _seconds(auth.get("lease_duration"), "token")
    policies = auth.get("policies")
    named = (one for one in policies if isinstance(one, str)) if isinstance(policies, list) else ()
    return Token(secret, accessor, seconds, auth.get("renewable") is True, tuple(named))


def _check_policies(auth: Mapping[str, Any]) -> None:
    policies = auth.get("policies")
    if not isinstance(policies, list) or "root" in policies:
        raise invalid("its token has the policy root, or doesn't say which it has")


def renewed_seconds(reply: Mapping[str, Any]) -> float:
    """Return the life of a token from the reply to its renewal.

    Raises:
        VaultFault: the reply isn't acceptable.
    """
    return _seconds(_part(reply, "auth").get("lease_duration"), "token")


def leased(reply: Mapping[str, Any], source: str) -> tuple[str, float]:
    """Return the id and the life in seconds of the lease that a reply holds.

    Args:
        reply: the reply.
        source: path that was read; the lease's id begins with it.

    Raises:
        VaultFault: it holds no lease, or one of another role, or one that lasts nothing or for years.
    """
    lease_id = reply.get("lease_id")
    if not isinstance(lease_id, str) or _LEASE_ID.fullmatch(lease_id) is None:
        raise invalid("its reply holds no lease")
    if not lease_id.startswith(f"{source}/"):
        raise invalid(f"its lease belongs to another role than {source}")
    return lease_id, _seconds(reply.get("lease_duration"), "lease")


def text_fields(values: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return the named fields of a credential.

    Raises:
        VaultFault: one is missing, isn't text or is empty, or they are too large together.
    """
    found: dict[str, str] = {}
    for name in names:
        value = values.get(name)
        if not isinstance(value, str) or not value or "\0" in value:
            raise invalid(f"its reply holds no text {name!r}")
        found[name] = value
    if sum(len(value.encode()) for value in found.values()) > MAX_FIELDS_BYTES:
        raise invalid(f"the fields of its reply are longer than {MAX_FIELDS_BYTES} bytes")
    return found


def data_of(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the data of a reply.

    Raises:
        VaultFault: it has none.
    """
    return _part(reply, "data")


def wrapped(reply: Mapping[str, Any], source: str) -> str:
    """Return the wrapping token that a reply holds.

    Raises:
        VaultFault: it holds none, or one for something else than ``source``.
    """
    info = _part(reply, "wrap_info")
    token = info.get("token")
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        raise invalid("its reply holds no wrapping token")
    if info.get("creation_path") != source:
        raise invalid(f"its wrapping token wraps something else than {source}")
    _seconds(info.get("ttl"), "wrapping token")
    return token


def _part(reply: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = reply.get(name)
    if not isinstance(part, dict):
        raise invalid(f"its reply holds no {name}")
    return part


def _seconds(value: object, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"its {what} doesn't say how long it lasts")
    if not 1 <= value <= LONGEST_LEASE_SECONDS:
        shown = f"{value:g} seconds" if value <= _SHOWN_SECONDS else "longer than anything"
        raise invalid(f"its {what} lasts {shown}")
    return float(value)
