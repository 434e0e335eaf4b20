"""Applies the masks of ``data.system.log.mask`` to a record, as OPA does.

A mask is a string or ``{"op": "remove", "path"}``, which erases, or ``{"op": "upsert", "path", "value"}``, which
replaces. Paths are JSON pointers (RFC 6901) below ``/input`` or ``/result``; a path that doesn't exist is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_MAX_INDEX_DIGITS = 9


class MaskError(Exception):
    """A mask isn't one of the accepted forms, so what it was meant to hide isn't known."""


def apply_masks(record: dict[str, Any], masks: Sequence[Any]) -> None:
    """Change ``record`` in place and add the paths to its ``erased`` and ``masked``.

    Raises:
        MaskError: a mask has an unknown operation or a path outside ``/input`` and ``/result``.
    """
    erased: set[str] = set()
    masked: set[str] = set()
    for operation, path, value in sorted(map(_read, masks), key=_erasing_last):
        steps = _steps(path)
        if operation == "remove":
            if _remove(record, steps):
                erased.add(path)
        elif _upsert(record, steps, value):
            masked.add(path)
    if erased:
        record["erased"] = sorted(erased)
    if masked:
        record["masked"] = sorted(masked)


def _read(mask: object) -> tuple[str, str, object]:
    if isinstance(mask, str):
        return "remove", mask, None
    if isinstance(mask, dict) and isinstance(mask.get("path"), str):
        operation = mask.get("op")
        if operation == "remove" or (operation == "upsert" and "value" in mask):
            return str(operation), mask["path"], mask.get("value")
    raise MaskError("a mask is a path or an object with op remove or upsert, path, and for upsert value")


def _erasing_last(mask: tuple[str, str, object]) -> bool:
    return mask[0] == "remove"


def _steps(path: str) -> list[str]:
    first, *steps = path.split("/")
    if first or not steps or steps[0] not in {"input", "result"}:
        raise MaskError(f"the path {path!r} isn't below /input or /result")
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _remove(record: dict[str, Any], steps: list[str]) -> bool:
    *above, last = steps
    place: Any = record
    for step in above:
        place = _child(place, step)
    if isinstance(place, dict) and last in place:
        del place[last]
        return True
    index = _index(place, last)
    if index is not None:
        # Blank the element instead of removing it, so that the indexes of other masks on the array stay valid.
        place[index] = None
        return True
    return False


def _upsert(record: dict[str, Any], steps: list[str], value: object) -> bool:
    *above, last = steps
    place: Any = record
    for step in above:
        place = place.setdefault(step, {}) if isinstance(place, dict) else _child(place, step)
    if isinstance(place, dict):
        place[last] = value
        return True
    index = _index(place, last)
    if index is not None:
        place[index] = value
        return True
    return False


def _child(place: object, step: str) -> object:
    if isinstance(place, dict):
        return place.get(step)
    index = _index(place, step)
    return place[index] if index is not None and isinstance(place, list) else None


def _index(place: object, step: str) -> int | None:
    if (
        isinstance(place, list)
        and step.isascii()
        and step.isdigit()
        and len(step) <= _MAX_INDEX_DIGITS
        and int(step) < len(place)
    ):
        return int(step)
    return None
