"""Applies the masks of ``data.system.log.mask`` to a record. Masks erase what was said; they can't change what was decided.

A mask is a string or ``{"op": "remove", "path"}``, which erases, or ``{"op": "upsert", "path", "value"}``, which replaces a
value that an agent said. Paths are JSON pointers (RFC 6901) below ``/input`` or ``/result``; a path that doesn't exist is
ignored. A reason whose message repeats a masked value loses its message, and so does a fact its element. What says who did what by which rule stays: see :data:`_KEPT`. A mask on that erases what is beside it, and its path
is noted in ``mask_refused``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tabard.arguments import ArgumentsError, call_digest, canonical

ANY_KEY = "*"
"""What authors write for any key in other languages. A mask knows no such step."""
_MAX_INDEX_DIGITS = 9
_MAX_HIDDEN = 1000
_MAX_COMPARED = 20_000
_ANYWHERE = 4
# What no mask reaches, as paths; "*" is any one step.
_KEPT: tuple[tuple[str, ...], ...] = (
    ("input", "operation"),
    ("input", "agent", "id"),
    ("input", "task", "id"),
    ("input", "delegation", "chain", "*", "holder"),
    ("input", "delegation", "chain", "*", "sub_agent"),
    ("input", "tool", "name"),
    ("input", "tool", "server"),
    ("result", "decision"),
    ("result", "reasons", "*", "code"),
    ("result", "reasons", "*", "module"),
    ("result", "credential"),
    ("result", "charges"),
    ("result", "labels"),
    ("result", "branch_labels"),
    ("result", "branch_facts"),
    ("result", "approvals"),
    ("result", "approvals_asked"),
    ("result", "replayed"),
    ("result", "task_id"),
    ("result", "link"),
)
# What the agent itself said, and no other party verified: only there a value may be replaced by another.
_SAID = (("input", "tool", "arguments"), ("input", "context", "asserted"))


class MaskError(Exception):
    """A mask isn't one of the accepted forms, so what it was meant to hide isn't known."""


def apply_masks(record: dict[str, Any], masks: Sequence[Any]) -> None:
    """Change ``record`` in place and note the paths in its ``erased``, ``masked`` and ``mask_refused``.

    Raises:
        MaskError: a mask has an unknown operation or a path outside ``/input`` and ``/result``, or one with a key ``*`` that isn't there.
    """
    noted: dict[str, set[str]] = {"erased": set(), "masked": set(), "mask_refused": set()}
    digest = _call_digest(record)
    hidden: set[str] = set()
    for operation, path, value in sorted(map(read_mask, masks), key=_erasing_last):
        steps = steps_of(path)
        if ANY_KEY in steps and not _exists(record, steps):
            raise MaskError(f"the path {path!r} has a key {ANY_KEY!r}, which stands for no other key")
        hidden |= _texts(_at(record, steps))
        if operation == "upsert" and _is_said(steps):
            if _upsert(record, steps, value):
                noted["masked"].add(path)
            continue
        # Any other value that policy would put in would be a statement about the call, so the old one is erased.
        changed, kept = erase(record, steps)
        if changed:
            noted["erased"].add(path)
        if kept:
            noted["mask_refused"].add(path)
    noted["erased"] |= {*_erase_messages(record, hidden), *_erase_elements(record, hidden)}
    record |= {name: sorted(paths) for name, paths in noted.items() if paths}
    if (noted["erased"] or noted["masked"]) and digest:
        record["call_digest"] = digest


def erase_all(record: dict[str, Any]) -> None:
    """Erase everything that a mask could erase, because it isn't known what the policy's mask was meant to hide."""
    digest = _call_digest(record)
    erased = [f"/{name}" for name in ("input", "result") if erase(record, [name])[0]]
    record |= {"erased": erased, "mask_error": True} | ({"call_digest": digest} if digest else {})


def erase(record: dict[str, Any], steps: Sequence[str]) -> tuple[bool, bool]:
    """Erase the value at a path except what is kept; tell whether something was erased, and whether something was kept."""
    place: Any = record
    for at, step in enumerate(steps[:-1]):
        if _is_kept(steps[: at + 1]):
            return False, True
        place = _child(place, step)
    last = steps[-1]
    inner = _child(place, last)
    if inner is None and not (isinstance(place, dict) and last in place):
        return False, False
    changed, kept = _erase_child(place, last, inner, tuple(steps))
    # A mask on a whole part means the rest of it; only a path that is kept itself is refused.
    return changed, kept and not changed


def _erase_child(place: Any, step: str, inner: Any, path: tuple[str, ...]) -> tuple[bool, bool]:  # noqa: ANN401
    """Erase one member of ``place``, or everything below it that isn't kept."""
    if _is_kept(path):
        return False, True
    if not any(_begins(kept, path) for kept in _KEPT) or not isinstance(inner, dict | list) or not inner:
        if isinstance(place, dict):
            del place[step]
        else:
            # Blank the element instead of removing it, so that the indexes of other masks on the array stay valid.
            place[int(step)] = None
        return True, False
    changed = kept = False
    steps = list(inner) if isinstance(inner, dict) else [str(index) for index in range(len(inner))]
    for below in steps:
        one_changed, one_kept = _erase_child(inner, below, _child(inner, below), (*path, below))
        changed, kept = changed or one_changed, kept or one_kept
    if not kept:
        if isinstance(place, dict):
            del place[step]
        else:
            place[int(step)] = None
    return changed, kept


def _texts(value: object) -> set[str]:
    """Return the strings and numbers of a value as a message would repeat them."""
    pending, found = [value], set()
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            pending += one.values()
        elif isinstance(one, list):
            pending += one
        elif isinstance(one, str | int | float) and not isinstance(one, bool) and one != "":
            found.add(str(one))
    return found


def _erase_messages(record: dict[str, Any], hidden: Collection[str]) -> Iterator[str]:
    """Erase messages that repeat hidden values, and yield their paths; all messages if there are many values."""
    reasons = _at(record, ["result", "reasons"])
    for index, reason in enumerate(reasons if isinstance(reasons, list) and hidden else ()):
        message = reason.get("message") if isinstance(reason, dict) else None
        if isinstance(message, str) and (
            len(hidden) > _MAX_HIDDEN or any(_repeats(message, text) for text in hidden)
        ):
            del reason["message"]
            yield f"/result/reasons/{index}/message"


def _erase_elements(record: dict[str, Any], hidden: Collection[str]) -> Iterator[str]:
    """Erase elements of facts that repeat hidden values, and yield their paths; all elements if there is much to compare."""
    for above in (["result", "facts"], ["input", "task", "facts"]) if hidden else ():
        facts = _at(record, above)
        sets = (
            {name: one for name, one in facts.items() if isinstance(one, list)}
            if isinstance(facts, dict)
            else {}
        )
        many = len(hidden) * sum(map(len, sets.values())) > _MAX_COMPARED
        for name, elements in sets.items():
            for index, element in enumerate(elements):
                if isinstance(element, str) and (many or any(_repeats(element, text) for text in hidden)):
                    elements[index] = None
                    escaped = name.replace("~", "~0").replace("/", "~1")
                    yield f"/{'/'.join(above)}/{escaped}/{index}"


def _repeats(message: str, text: str) -> bool:
    """Tell whether a message repeats a value: a short one as a word of its own, a longer one anywhere."""
    if text not in message:
        return False
    return len(text) >= _ANYWHERE or re.search(rf"(?<!\w){re.escape(text)}(?!\w)", message) is not None


def _at(record: dict[str, Any], steps: Sequence[str]) -> object:
    place: object = record
    for step in steps:
        place = _child(place, step)
    return place


def _exists(record: dict[str, Any], steps: Sequence[str]) -> bool:
    place: Any = record
    for step in steps[:-1]:
        place = _child(place, step)
    return steps[-1] in place if isinstance(place, dict) else _index(place, steps[-1]) is not None


def _is_said(steps: Sequence[str]) -> bool:
    return any(len(steps) > len(said) and _begins(steps, said) for said in _SAID)


def _is_kept(path: Sequence[str]) -> bool:
    return any(len(kept) <= len(path) and _begins(path, kept) for kept in _KEPT)


def _begins(path: Sequence[str], beginning: Sequence[str]) -> bool:
    return len(path) >= len(beginning) and all(
        step == wanted or "*" in {step, wanted} for step, wanted in zip(path, beginning, strict=False)
    )


def _call_digest(record: Mapping[str, Any]) -> str:
    """Return the digest of the recorded call as credentials state it; empty if the record holds no arguments."""
    tool = _child(record.get("input"), "tool")
    arguments = _child(tool, "arguments")
    if arguments is None:
        return ""
    try:
        return call_digest(str(_child(tool, "name")), str(_child(tool, "server")), canonical(arguments))
    except ArgumentsError:
        return ""


def read_mask(mask: object) -> tuple[str, str, object]:
    """Return operation, path and value of a mask.

    Raises:
        MaskError: it isn't one of the accepted forms.
    """
    if isinstance(mask, str):
        return "remove", mask, None
    if isinstance(mask, dict) and isinstance(mask.get("path"), str):
        operation = mask.get("op")
        if operation == "remove" or (operation == "upsert" and "value" in mask):
            return str(operation), mask["path"], mask.get("value")
    raise MaskError("a mask is a path or an object with op remove or upsert, path, and for upsert value")


def _erasing_last(mask: tuple[str, str, object]) -> bool:
    return mask[0] == "remove"


def steps_of(path: str) -> list[str]:
    """Return the keys and indexes of a path.

    Raises:
        MaskError: it isn't below ``/input`` or ``/result``.
    """
    first, *steps = path.split("/")
    if first or not steps or steps[0] not in {"input", "result"}:
        raise MaskError(f"the path {path!r} isn't below /input or /result")
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _upsert(record: dict[str, Any], steps: list[str], value: object) -> bool:
    *above, last = steps
    place: Any = record
    for step in above:
        place = _child(place, step)
    if isinstance(place, dict) and last in place:
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
