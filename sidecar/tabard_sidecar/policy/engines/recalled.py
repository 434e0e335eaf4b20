"""Remembers answers by the parts of their inputs, so that a call that recurs enters no engine.

The engine remembers answers by what their evaluations have read, and says what that was (engine/README.md). Of two calls under
one grant to one tool most parts are the same objects here, before any text is put together: so to see that nothing differs that
was read takes some microseconds. To ask the engine takes ten times as long, because its code and memory have left the
processor's caches meanwhile.

An answer is given again only if the input agrees in every reading. What isn't known to be the same is compared, and what can't
be compared isn't remembered.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from tabard_opa import Answered, Reading

from tabard_sidecar.interfaces import InputParts
from tabard_sidecar.util.fifo import FifoDict
from tabard_sidecar.util.json_parts import whole
from tabard_sidecar.util.jsontext import encode

LONGEST_INPUT = 64 * 1024
"""Bytes of an input; the engine remembers no answer to a longer one, either."""
_LONGEST_ANSWER = 2 * 1024
_FRAMES = 256
_NEEDS = 4
_ANSWERS = 16
# Some policies read what differs in every call. After so many calls in vain, many aren't looked up.
_IN_VAIN = 64
_BETWEEN = 48
_PAUSE = 256
_TOLD_TOGETHER = 8

_Frame = tuple[bytes, str, str, bytes]


class Needs(NamedTuple):
    """What else has to agree in two calls under one grant to one tool, besides grant and tool.

    Attributes:
        others: everything but the arguments: labels, budgets, history, facts, children, approvals, what the caller asserts.
        arguments: the members of the arguments that are read, sorted; ``None`` for all of them.
    """

    others: bool
    arguments: tuple[str, ...] | None


def needs_of(readings: Sequence[Reading]) -> Needs | None:
    """Return what has to agree so that all readings of a tool call's input agree; ``None`` if that can't be known."""
    others, everything, arguments = False, False, set[str]()
    for aspect, path in readings:
        match path:
            case () | ("context",) | ("tool",) | ("tool", "arguments") if aspect == "kind":
                pass  # an object in every input
            case ("operation",) | ("subject" | "agent", *_):
                pass
            case ("tool",) | ("tool", "arguments"):
                everything = True
            case ("tool", "arguments", str(name), *_):
                arguments.add(name)
            case ("tool", "name" | "server" | "annotations", *_):
                pass
            case ("task" | "delegation", str(name), *_) if name not in {"facts", "children"}:
                pass
            case ("task" | "delegation" | "budgets" | "history" | "approvals", *_) | (
                "context",
                "asserted",
                *_,
            ):
                others = True
            case _:  # the input or its context as a whole, the time, or what no input has
                return None
    return Needs(others, None if everything else tuple(sorted(arguments)))


class RecalledAnswers:
    """The remembered answers of one compiled policy; ends with it.

    Neither arguments nor what else differs between calls of a grant is kept, but only its digest under a secret.

    Args:
        readings: returns what was read on a way.
        recalled: is told of each answer that was given again.
    """

    def __init__(self, readings: Callable[[int], Sequence[Reading]], recalled: Callable[[], None]) -> None:
        self._readings = readings
        self._recalled = recalled
        self._secret = secrets.token_bytes(32)
        self._needs: dict[int, Needs | None] = {}  # the engine numbers few ways
        self._frames: FifoDict[_Frame, dict[Needs, FifoDict[bytes, bytes]]] = FifoDict(_FRAMES)
        self._texts: FifoDict[bytes, bytes] = FifoDict(_FRAMES)
        self._in_vain = self._paused = self._untold = 0

    def untold(self) -> int:
        """Return how many answers were given since the last call that returned another number than 0.

        The engine stops to remember if few answers are found there, and here most are. To tell it costs a call, so a few
        are told together.
        """
        count = self._untold if self._untold >= _TOLD_TOGETHER else 0
        self._untold -= count
        return count

    def recall(self, parts: InputParts) -> bytes | None:
        """Return the answer to an input, as :meth:`remember` got it; ``None`` if it isn't known."""
        if self._paused:
            self._paused -= 1
            return None
        known = self._frames.get(_frame(parts))
        if known is None:
            return None  # the first call under a grant to a tool says nothing of the next
        for needs, answers in known.items():
            answer = answers.get(self._digest(needs, parts))
            if answer is not None:
                self._in_vain = 0
                self._untold += 1
                self._recalled()
                return answer
        self._in_vain += 1
        if self._in_vain >= _IN_VAIN:
            self._in_vain, self._paused = _BETWEEN, _PAUSE
        return None

    def remember(self, parts: InputParts, answered: Answered) -> None:
        """Keep an answer, if it is known what decides it."""
        if self._paused or not answered.way or len(answered.result) > _LONGEST_ANSWER:
            return
        needs = self._needs_of(answered.way)
        if needs is None:
            return
        frame = _frame(parts)
        known = self._frames.get(frame)
        if known is None:
            known = self._frames[frame] = {}
        answers = known.get(needs)
        if answers is None:
            if len(known) == _NEEDS:
                return
            answers = known[needs] = FifoDict(_ANSWERS)
        answers[self._digest(needs, parts)] = self._one_text(answered.result)

    def _needs_of(self, way: int) -> Needs | None:
        if way not in self._needs:
            self._needs[way] = needs_of(self._readings(way))
        return self._needs[way]

    def _one_text(self, answer: bytes) -> bytes:
        """Return the object that stands for all equal answers."""
        known = self._texts.get(answer)
        if known is None:
            known = self._texts[answer] = answer
        return known

    def _digest(self, needs: Needs, parts: InputParts) -> bytes:
        """Return what agrees in two inputs if, and only if, what has to agree does. JSON holds no zero byte."""
        if needs.arguments is None:
            text = parts.arguments_json
        elif needs.arguments:
            given = parts.arguments
            text = encode({name: given[name] for name in needs.arguments if name in given})
        else:
            text = b""
        if needs.others:
            text = b"\0".join((text, *[whole((part,)) for part in parts.others]))
        return sha256(self._secret + text).digest() if text else b""


def _frame(parts: InputParts) -> _Frame:
    verified = parts.verified
    # A digest is no JSON, so it equals no text.
    same = verified if isinstance(verified, bytes) else verified.digest
    return same, parts.name, parts.server, parts.annotations
