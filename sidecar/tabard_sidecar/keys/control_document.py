"""The document in which a control service gives a sidecar its zone's keys."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from tabard import base64url
from tabard.arguments import ArgumentsError, parse_json

from tabard_sidecar.keys.model import (
    ROOT,
    SIGNING,
    Key,
    KeyringError,
    decode_document,
    encode_document,
    to_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_BYTES = 64 * 1024
"""Longest document."""
MAX_GENERATIONS = 16
"""Most generations of keys that are accepted at once."""
_FIELDS = frozenset({"zone", "version", "generations"})
_PAIR = frozenset({ROOT, SIGNING})
_GENERATION_FIELDS = frozenset({"generation", "keys"})
_MAX_GENERATION = 2**31 - 1
_VERSION_BYTES = 16
_SHOWN = 64


class Generation(NamedTuple):
    """The keys of a zone that come from one master key.

    Attributes:
        number: grows with each master key; 1 or more.
        root: key of use ``root``.
        signing: key of use ``signing``.
    """

    number: int
    root: Key
    signing: Key


class ZoneDocument(NamedTuple):
    """What a control service says about a zone.

    Attributes:
        zone: name of the zone.
        version: changes whenever something else does; without any secret.
        generations: oldest first.
    """

    zone: str
    version: str
    generations: tuple[Generation, ...]


def zone_document(zone: str, generations: Sequence[Generation]) -> ZoneDocument:
    """Return the document of a zone; equal keys have an equal version on every replica."""
    ordered = tuple(sorted(generations, key=lambda each: each.number))
    public = [[each.number, *map(_public, (each.root, each.signing))] for each in ordered]
    digest = hashlib.sha256(json.dumps([zone, public]).encode()).digest()
    return ZoneDocument(zone, base64url.encode(digest[:_VERSION_BYTES]), ordered)


def _public(key: Key) -> list[str | None]:
    until = None if key.retire_after is None else to_text(key.retire_after)
    return [key.kid, to_text(key.active_from), until]


def encode_zone(document: ZoneDocument) -> bytes:
    """Encode a document, including the secrets."""
    generations = [
        {"generation": each.number, "keys": [encode_document(each.root), encode_document(each.signing)]}
        for each in document.generations
    ]
    whole = {"zone": document.zone, "version": document.version, "generations": generations}
    return json.dumps(whole).encode()


def decode_zone(content: bytes, zone: str) -> ZoneDocument:
    """Decode the document of a zone.

    Raises:
        KeyringError: it isn't one, or another zone's; the text doesn't repeat a key.
    """
    try:
        document = parse_json(content, max_bytes=MAX_BYTES)
    except ArgumentsError as error:
        raise KeyringError(f"what it sent can't be read: {error}") from None
    if not isinstance(document, dict) or document.keys() != _FIELDS:
        raise KeyringError("what it sent isn't a zone's keys")
    if document["zone"] != zone:
        found = document["zone"]
        named = repr(found[:_SHOWN]) if isinstance(found, str) else "no name"
        raise KeyringError(f"it sent the keys of another zone: {named} instead of {zone!r}")
    version = document["version"]
    if not isinstance(version, str) or not _is_version(version):
        raise KeyringError(f"its version isn't {_VERSION_BYTES} bytes in base64url")
    return ZoneDocument(zone, version, _generations(document["generations"]))


def _is_version(text: str) -> bool:
    try:
        return len(base64url.decode(text)) == _VERSION_BYTES
    except ValueError:
        return False


def _generations(value: object) -> tuple[Generation, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_GENERATIONS:
        raise KeyringError(f"its generations aren't a list of 1 to {MAX_GENERATIONS}")
    found = tuple(map(_generation, value))
    numbers = [each.number for each in found]
    if numbers != sorted(set(numbers)):
        raise KeyringError("its generations aren't in order, or one is repeated")
    kids = [key.kid for each in found for key in (each.root, each.signing)]
    if len(set(kids)) != len(kids):
        raise KeyringError("two of its keys have the same kid")
    return found


def _generation(value: Any) -> Generation:  # noqa: ANN401 - parsed JSON
    if not isinstance(value, dict) or value.keys() != _GENERATION_FIELDS:
        raise KeyringError("one of its generations isn't an object with generation and keys")
    number, keys = value["generation"], value["keys"]
    if type(number) is not int or not 1 <= number <= _MAX_GENERATION:
        raise KeyringError("the number of a generation isn't a positive integer")
    pair: Iterable[Key] = map(_key, keys) if isinstance(keys, list) and len(keys) <= len(_PAIR) else ()
    by_use: Mapping[str, Key] = {key.use: key for key in pair}
    if by_use.keys() != _PAIR:
        raise KeyringError(f"generation {number} doesn't have one key of each use")
    return Generation(number, by_use[ROOT], by_use[SIGNING])


def _key(value: object) -> Key:
    try:
        return decode_document(value)
    except KeyringError as error:
        raise KeyringError(f"one of its keys can't be used: {error}") from None
