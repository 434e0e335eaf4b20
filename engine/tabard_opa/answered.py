"""Describes an answer of an evaluation, and the parts of its input that it read."""

from __future__ import annotations

import json
from typing import Literal, NamedTuple


class Answered(NamedTuple):
    """The result of an evaluation.

    Attributes:
        result: The result as JSON.
        way: The number of what was read on the way to it, for ``Policy.readings``; 0 if the answer isn't remembered.
    """

    result: bytes
    way: int


class Reading(NamedTuple):
    """One thing that was read of an input.

    Attributes:
        aspect: ``member`` for the value of one member, or that it is missing; ``whole`` for a whole value; ``kind`` for
            whether a value is an object, and the whole value if it isn't one.
        path: The names of the members that lead to it; none for the input itself.
    """

    aspect: Literal["member", "whole", "kind"]
    path: tuple[str, ...]


def readings_from(text: bytes) -> tuple[Reading, ...]:
    """Decode what the library tells of a way."""
    return tuple(Reading(aspect, tuple(path)) for aspect, path in json.loads(text))
