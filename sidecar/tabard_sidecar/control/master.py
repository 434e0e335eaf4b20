"""Master keys: one file for each generation, which only ever get newer ones beside them."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabard import base64url
from tabard.arguments import ArgumentsError, parse_json
from tabard.trust import read_trusted

from tabard_sidecar.control.rotation_times import LEAD_SECONDS, OVERLAP_SECONDS
from tabard_sidecar.keys import files
from tabard_sidecar.keys.control_document import MAX_GENERATIONS
from tabard_sidecar.keys.model import ROOT_BYTES, KeyringError, root_secret, to_text, to_time
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tabard_sidecar.interfaces import Clock

_FIELDS = frozenset({"generation", "active_from", "former_until", "key"})
_NAME = re.compile(r"generation-([1-9][0-9]{0,8})\.json")
_MAX_BYTES = 4096
_NEW = "tabard control keys new"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One generation. ``repr`` doesn't show ``secret``.

    Attributes:
        generation: grows with every key; 1 or more.
        active_from: when it makes new keys of zones active, in seconds since the epoch.
        former_until: when the keys of all former generations retire; ``None`` for the first one.
        secret: 32 random bytes.
    """

    generation: int
    active_from: float
    former_until: float | None
    secret: bytes = field(repr=False)


def encode(key: MasterKey) -> bytes:
    """Encode a master key as a JSON document, including the secret."""
    document = {
        "generation": key.generation,
        "active_from": to_text(key.active_from),
        "former_until": None if key.former_until is None else to_text(key.former_until),
        "key": base64url.encode(key.secret),
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def decode(content: bytes) -> MasterKey:
    """Decode the JSON document of a master key.

    Raises:
        KeyringError: it isn't one; the text doesn't repeat its content.
    """
    try:
        document: Any = parse_json(content, max_bytes=_MAX_BYTES)
    except ArgumentsError:
        # The parser's message could quote the secret.
        raise KeyringError("it isn't valid JSON, or repeats a name") from None
    if not isinstance(document, dict) or document.keys() != _FIELDS:
        raise KeyringError(f"it must be an object with exactly the fields {', '.join(sorted(_FIELDS))}")
    generation, until = document["generation"], document["former_until"]
    if type(generation) is not int or generation < 1:
        raise KeyringError("its generation must be a positive integer")
    active_from = to_time(document["active_from"], "active_from")
    former_until = None if until is None else to_time(until, "former_until")
    if former_until is not None and former_until < active_from:
        raise KeyringError("its former_until is before its active_from")
    return MasterKey(generation, active_from, former_until, root_secret(document["key"]))


def read_folder(folder: Path) -> tuple[MasterKey, ...]:
    """Return the master keys of a folder, oldest first.

    Raises:
        KeyringError: it holds none, or something else, strangers could have written it, or the keys don't fit together.
    """
    found = [_read(folder / name) for name in files.list_files(folder)]
    if not found:
        raise KeyringError(f"{folder} holds no master key; make one with: {_NEW} --directory {folder}")
    return _in_order(found, folder)


def _in_order(found: Sequence[MasterKey], folder: Path) -> tuple[MasterKey, ...]:
    ordered = sorted(found, key=lambda key: key.generation)
    if len(ordered) > MAX_GENERATIONS:
        raise KeyringError(
            f"{folder} holds more than {MAX_GENERATIONS} master keys; remove the oldest, which have retired"
        )
    for former, later in pairwise(ordered):
        where = f"{folder}: generation {later.generation}"
        if later.former_until is None:
            raise KeyringError(f"{where} doesn't say until when generation {former.generation} is accepted")
        if later.active_from < former.active_from:
            raise KeyringError(f"{where} is active before generation {former.generation}")
    if len({key.secret for key in ordered}) != len(ordered):
        raise KeyringError(f"{folder}: one generation is a copy of another; make one with: {_NEW}")
    return tuple(ordered)


def _read(path: Path) -> MasterKey:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise KeyringError(f"{path} isn't named generation-N.json; the folder may hold master keys only")
    try:
        key = decode(read_trusted(path, _MAX_BYTES)[0])
    except OSError as error:
        raise KeyringError(f"master key {path}: {explain(error, path)}") from error
    except KeyringError as error:
        raise KeyringError(f"master key {path}: {error}; restore it or remove it") from None
    if key.generation != int(match[1]):
        raise KeyringError(f"master key {path} is generation {key.generation}; name its file so")
    return key


def retired_at(key: MasterKey, keys: Sequence[MasterKey]) -> float | None:
    """Return when what comes from ``key`` isn't accepted any more; ``None`` while no later generation says so."""
    ends = [
        later.former_until
        for later in keys
        if later.generation > key.generation and later.former_until is not None
    ]
    return max(min(ends), key.active_from) if ends else None


def create(
    folder: Path,
    *,
    lead_seconds: float = LEAD_SECONDS,
    overlap_seconds: float = OVERLAP_SECONDS,
    clock: Clock = time.time,
) -> MasterKey:
    """Add a master key to a folder, which is made with mode 0700 if it doesn't exist.

    Args:
        folder: where it is written, as one more file; nothing that is there changes.
        lead_seconds: how long the keys that come from it are given out before they are used; the first is used at once.
        overlap_seconds: how long the former generations are accepted after that.
        clock: wall-clock time in seconds.

    Raises:
        KeyringError: the folder isn't safe, holds something else, or its newest key isn't in use yet.
    """
    files.create_directory(folder)
    with files.locked(folder):
        former = [_read(folder / name) for name in files.list_files(folder)]
        ordered = _in_order(former, folder)
        # Files hold whole milliseconds; rounding down keeps "active from now" true.
        now = int(clock() * 1000) / 1000
        newest = ordered[-1] if ordered else None
        if newest is not None and newest.active_from > now:
            raise KeyringError(
                f"generation {newest.generation} isn't in use before {to_text(newest.active_from)}; add another after that"
            )
        active_from = now + lead_seconds if newest is not None else now
        key = MasterKey(
            newest.generation + 1 if newest is not None else 1,
            active_from,
            None if newest is None else active_from + overlap_seconds,
            secrets.token_bytes(ROOT_BYTES),
        )
        _in_order([*former, key], folder)
        files.create_private_file(folder / f"generation-{key.generation}.json", encode(key))
    return key
