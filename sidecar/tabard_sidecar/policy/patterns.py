"""Regular expressions of JSON Schemas, accepted only if they can't be made to run for ever."""

from __future__ import annotations

import re
from re import _constants as sre_constants  # type: ignore[attr-defined]  # typeshed doesn't list it
from re import _parser as sre_parser  # type: ignore[attr-defined]  # typeshed doesn't list it

from tabard_sidecar.policy.values import Json


class SchemaError(Exception):
    """The schema itself is wrong."""


def safe_pattern(pattern: Json) -> re.Pattern[str]:
    """Compile a regular expression that can't take exponential time.

    Raises:
        SchemaError: it doesn't compile, holds a back reference, or repeats a repetition without bound.
    """
    if not isinstance(pattern, str):
        raise SchemaError("a pattern must be a string")
    try:
        tree = sre_parser.parse(pattern)
        compiled = re.compile(_ending_at_the_end(pattern))
    except (re.error, RecursionError, OverflowError) as error:
        raise SchemaError(f"pattern {pattern!r} is not a regular expression: {error}") from error
    if _explosive(tree, inside=False):
        raise SchemaError(f"pattern {pattern!r} nests repetitions or refers back; write it without")
    return compiled


def _ending_at_the_end(pattern: str) -> str:
    """Make ``$`` mean the very end, as in JSON Schema's dialect, and not also the place before a last line break."""
    made: list[str] = []
    escaped = in_class = False
    for character in pattern:
        if character == "$" and not escaped and not in_class:
            made.append(r"\Z")
            continue
        if not escaped:
            in_class = character == "[" or (in_class and character != "]")
        escaped = character == "\\" and not escaped
        made.append(character)
    return "".join(made)


_REPEATS = (sre_constants.MAX_REPEAT, sre_constants.MIN_REPEAT)


def _explosive(node: Json, *, inside: bool) -> bool:
    if isinstance(node, tuple) and len(node) == 2 and node[0] in _REPEATS:  # noqa: PLR2004  # (operator, argument)
        _low, high, body = node[1]
        unbounded = high is sre_constants.MAXREPEAT or high > 1000  # noqa: PLR2004  # many enough to hurt
        return (unbounded and inside) or _explosive(body, inside=inside or unbounded)
    if (
        isinstance(node, tuple)
        and node
        and node[0] in {sre_constants.GROUPREF, sre_constants.GROUPREF_EXISTS}
    ):
        return True
    if isinstance(node, (tuple, list)) or hasattr(node, "data"):
        return any(_explosive(child, inside=inside) for child in node)
    return False
