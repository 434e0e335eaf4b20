"""Caveats as bytes and as JSON."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

from tabard.arguments import ArgumentsError, canonical, parse_json
from tabard.caveats.constraints import Constraint
from tabard.caveats.errors import CaveatError
from tabard.caveats.types import CAVEAT_TYPES, Arguments, Branch, Caveat, Expiry, Hop, ThirdParty

MAX_CAVEAT_BYTES = 16 * 1024
"""Longest encoded caveat."""
_HIDDEN = {Hop: {"seal"}, Branch: {"nonce"}}


def encode_caveat(caveat: Caveat) -> bytes:
    """Return the caveat as it stands in a macaroon: one canonical JSON object (RFC 8785).

    Raises:
        CaveatError: it is a third-party caveat, or longer than 16 KiB.
    """
    if isinstance(caveat, ThirdParty):
        raise CaveatError("a third-party caveat has no first-party encoding")
    encoded = canonical(_plain(caveat, defaults=False))
    if len(encoded) > MAX_CAVEAT_BYTES:
        raise CaveatError(f"a {caveat.tag} caveat is longer than {MAX_CAVEAT_BYTES} bytes")
    return encoded


def decode_caveat(data: bytes) -> Caveat:
    """Return the caveat that ``data`` encodes.

    Raises:
        CaveatError: it is malformed or not in canonical form; ``unknown`` is set if a newer version may know it.
    """
    try:
        found = parse_json(data, max_bytes=MAX_CAVEAT_BYTES)
    except ArgumentsError as error:
        raise CaveatError(f"a caveat is malformed: {error}") from None
    if type(found) is not dict or type(found.get("type")) is not str:
        raise CaveatError("a caveat is not a JSON object with a type")
    caveat = caveat_from_json(found)
    if encode_caveat(caveat) != data:
        raise CaveatError(f"a {caveat.tag} caveat is not in canonical form")
    return caveat


def caveat_from_json(found: dict[str, Any]) -> Caveat:
    """Return the caveat that a parsed JSON object describes; ``type`` names the kind.

    Raises:
        CaveatError: see :func:`decode_caveat`.
    """
    tag = str(found.get("type"))
    cls = CAVEAT_TYPES.get(tag)
    if cls is None or cls is ThirdParty:
        raise CaveatError(f"unknown caveat type {tag[:64]!r}", unknown=True)
    known = _fields(cls)
    values = {name: value for name, value in found.items() if name != "type"}
    extra = sorted(values.keys() - {item.name for item in known})
    if extra:
        raise CaveatError(f"a {tag} caveat has an unknown field {extra[0][:64]!r}", unknown=True)
    missing = [item.name for item in known if item.default is MISSING and item.name not in values]
    if missing:
        raise CaveatError(f"a {tag} caveat lacks {missing[0]!r}")
    if cls is Arguments:
        values["constraints"] = constraints_from_json(values["constraints"])
    return cls(**values)


def constraints_from_json(found: object) -> tuple[Constraint, ...]:
    """Return the constraints that a list of ``{"path", "operator", "operand"}`` describes.

    Raises:
        CaveatError: it isn't such a list.
    """
    if not isinstance(found, list | tuple):
        raise CaveatError("constraints must be a list")
    constraints = []
    for item in found:
        if type(item) is not dict or not item.keys() >= {"path", "operator", "operand"}:
            raise CaveatError("each of constraints must have path, operator and operand")
        if len(item) != 3:  # noqa: PLR2004 - the three above
            raise CaveatError("a constraint has an unknown field", unknown=True)
        constraints.append(Constraint(item["path"], item["operator"], item["operand"]))
    return tuple(constraints)


def caveat_json(caveat: Caveat) -> dict[str, Any]:
    """Return the caveat as policies and logs see it: every field, times in RFC 3339, no seal and no nonce."""
    shown = _plain(caveat, defaults=True)
    for name in _HIDDEN.get(type(caveat), ()):
        del shown[name]
    if isinstance(caveat, Expiry):
        moment = datetime.fromtimestamp(min(caveat.expires_at, _LAST_MOMENT), UTC)
        shown["expires_at"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return shown


def hop_bytes(holder: str) -> bytes:
    """Return what the seal of a hop covers besides the signature before it: its canonical encoding without the seal."""
    return f'{{"holder":{encode_basestring(holder)},"type":"hop"}}'.encode()


_LAST_MOMENT = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def _fields(caveat: Caveat | type[Caveat]) -> tuple[Field[Any], ...]:
    return tuple(item for item in fields(caveat) if item.init)  # type: ignore[arg-type]


def _plain(caveat: Caveat, *, defaults: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"type": caveat.tag}
    for item in _fields(caveat):
        value = getattr(caveat, item.name)
        if defaults or item.default is MISSING or value != item.default:
            plain[item.name] = value
    if isinstance(caveat, Arguments):
        plain["constraints"] = constraints_json(caveat)
    for name, value in plain.items():
        if type(value) is tuple:
            plain[name] = list(value)
    return plain


def constraints_json(rule: Arguments) -> list[dict[str, Any]]:
    """Return the constraints of a rule as JSON."""
    return [
        {"path": item.path, "operator": item.operator, "operand": item.operand_value()}
        for item in rule.constraints
    ]
