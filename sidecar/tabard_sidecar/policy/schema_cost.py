"""Estimates from above how much work a schema can make of an instance, without looking at either for long.

The validator's time grows with the parts of the schema times the values of the instance, with the states of its patterns times
the bytes of the instance, with the square of the values if items must be unique, and, if a schema refers to itself more than
once, with a power of the instance's depth. Numbers are compared as exact fractions, which takes up to a thousand times as long
as other comparisons. The constants were measured; `tests/unit/policy/test_schema_cost.py` measures each keyword again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from tabard_sidecar.policy.schema_rules import SAME_PLACE, UNEVALUATED, resolve, subschemas
from tabard_sidecar.policy.values import Json

MOST_VALUES = 2000
"""Most values of an instance whose estimate is relied on: if it is wrong all the same, so few take a bounded time."""
MAX_STEPS = 10**12
"""So many steps mean: more than can be told."""
_MAX_DEPTH = 64
_PER_KEYWORD = 2
_PER_JSON_BYTE = 3
"""For each byte of a string that has to be JSON itself (drafts 6 and 7)."""
_PER_PAIR = 1
"""For each pair of values, of which those may be compared that have one hash. Nested arrays of the same scalars have, and
``uniqueItems`` is checked before what the items have to be, so it can't be told from a schema that there are no such pairs."""
_PER_PAIR_OF_BYTES = 100
"""So many bytes of the instance cost one step for each value that they are compared with."""
_UNEVALUATED_FACTOR = 7
"""How often a schema with ``unevaluated...`` looks at what its alternatives have looked at."""
_LEAST, _MOST, _EXACT = 1e-6, 1e21, 2**53
_FRACTION = 400
"""For each value that is compared with a fraction of the schema."""
_EXTREME = 3000
"""For each value that is compared with a number of the schema beyond 1e21 or below 1e-6."""
_WHOLE = 100
_NUMBERS = {
    "const": _WHOLE,
    "enum": _WHOLE,
    **dict.fromkeys(("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"), 60),
}
"""The keywords that compare numbers, with the steps for a whole number of the schema."""
_STATES = {"property": 800, "class": 16}
"""States of one character of a property of Unicode, and of a class, in UTF-8; a literal has one for each byte."""
_TOKENS = re.compile(
    r"""
    (?P<property>\\[pP](?:\{[^}]*\})?|\[(?:\\.|[^\]\\])*\\[pP](?:\\.|[^\]\\])*\])
    |(?P<ascii>\[(?!\^)(?:\\[^DSWs]|[^\]\\\x80-\U0010ffff])*\]|\\[dw])
    |(?P<class>\[(?:\\.|[^\]\\])*\]|\\[DsSW]|\.)
    |(?P<count>\{\d+(?:,\d*)?\})
    |(?P<open>\((?:\?(?::|i:|P?<\w+>))?)
    |(?P<close>\))
    |(?P<repeat>[*+?])
    |(?P<literal>\\.|.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Size(NamedTuple):
    """How large an instance is; each number may be larger than the true one.

    Attributes:
        values: values in it, itself included.
        exponents: numbers that are written with an exponent, which means from 1e21 or below 1e-6.
        fractions: other numbers that have a fraction.
        bytes: bytes of its JSON.
        depth: levels of nesting.
    """

    values: int
    exponents: int
    fractions: int
    bytes: int
    depth: int


def size_of_json(text: bytes) -> Size:
    """Return the size of an instance from its canonical JSON; what strings hold is counted, too."""
    opened = text.count(b"[") + text.count(b"{")
    exponents = text.count(b"e+") + text.count(b"e-")
    return Size(
        1 + opened + text.count(b","), exponents, text.count(b"."), len(text), min(opened, _MAX_DEPTH)
    )


def size_of(value: Json, length: int) -> Size | None:
    """Return the exact size of an instance; ``None`` if it has more than :data:`MOST_VALUES` values.

    Args:
        value: the instance.
        length: bytes of its JSON.
    """
    values = fractions = exponents = depth = 0
    level: list[Json] = [value]
    while level:
        below: list[Json] = []
        for one in level:
            if isinstance(one, dict | list):
                below.extend(one.values() if isinstance(one, dict) else one)
            elif isinstance(one, float):
                extreme = one != 0 and not _LEAST <= abs(one) < _MOST
                exponents += extreme
                fractions += not extreme and not one.is_integer()
            if values + len(level) + len(below) > MOST_VALUES:
                return None
        values += len(level)
        level, depth = below, depth + 1
    return Size(values, exponents, fractions, length, depth - 1)


class Cost(NamedTuple):
    """What a schema can cost, in steps of some 10 ns each.

    Attributes:
        per_value: for each value of an instance.
        per_byte: for each byte of an instance: the states of all patterns.
        per_fraction: more for each number with a fraction.
        per_exponent: more for each number with an exponent.
        per_pair: for each pair of values.
        branches: how often the schema refers back to itself.
        parts: subschemas, each counted once for each reference to it.
        patterns: keys of ``patternProperties``.
        height: deepest nesting of subschemas.
    """

    per_value: int = 0
    per_byte: int = 0
    per_fraction: int = 0
    per_exponent: int = 0
    per_pair: int = 0
    branches: int = 0
    parts: int = 0
    patterns: int = 0
    height: int = 0

    def plus(self, other: Cost) -> Cost:
        """Return the cost of both."""
        sums = (min(one + two, MAX_STEPS) for one, two in zip(self, other, strict=True))
        return Cost(*sums)._replace(height=max(self.height, other.height))

    def times(self, factor: int) -> Cost:
        """Return the cost of checks that are made so often."""
        checks = (min(one * factor, MAX_STEPS) for one in self[:_CHECKS])
        return Cost._make((*checks, *self[_CHECKS:])) if factor > 1 else self

    def steps(self, size: Size) -> int:
        """Return an upper bound of the steps that the check of an instance takes."""
        values = size.values
        steps = self.per_value * values + self.per_byte * size.bytes
        if self.per_exponent:
            steps += self.per_fraction * size.fractions + self.per_exponent * size.exponents
        if self.per_pair:
            steps += self.per_pair * values * (values * _PER_PAIR + size.bytes // _PER_PAIR_OF_BYTES)
        if self.branches > 1:
            steps *= self.branches**size.depth
        return min(steps, MAX_STEPS)

    def explaining_steps(self, size: Size) -> int:
        """Return an upper bound of the steps that it takes to find the fault of an instance that was refused."""
        # The document is compiled once more. Then each level of the schema at each level of the instance is checked, with
        # everything below it; the members of each are looked at in Python.
        compiling = 1000 * self.parts + 160 * self.per_byte
        levels = self.height * (size.depth + 1)
        looking = self.height * size.values * 150 * (1 + self.patterns)
        return min(compiling + levels * (self.steps(size) + 3 * self.parts + 300) + looking, MAX_STEPS)


_CHECKS = Cost._fields.index("branches")
"""So many of a cost's fields are steps."""
_BOOLEAN = Cost(per_value=1, parts=1, height=1)
_ANY_NUMBER = Cost(per_fraction=400, per_exponent=3000)
_UNIQUE = Cost(per_value=60, per_fraction=1500, per_exponent=20_000, per_pair=1)
"""Up to 15 items are compared in pairs, each number with seven others."""


def cost_of(schema: Json) -> Cost:
    """Return the cost of a schema document that :func:`require_acceptable` has let through."""
    return _Costs(schema).of(schema) if isinstance(schema, Mapping) else _BOOLEAN


class _Costs:
    """The costs of one document's subschemas."""

    def __init__(self, root: Mapping[str, Json]) -> None:
        self._root = root
        self._known: dict[int, Cost] = {}
        self._open: set[int] = set()

    def of(self, schema: Json) -> Cost:
        """Return the cost of a subschema with everything below it and everything that it refers to."""
        if not isinstance(schema, Mapping):
            return _BOOLEAN
        if id(schema) in self._open:
            return Cost(branches=1)
        known = self._known.get(id(schema))
        if known is not None:
            return known
        self._open.add(id(schema))
        below = list(subschemas(schema))
        if "$ref" in schema:
            below.append((resolve(self._root, schema["$ref"]), "$ref", "$ref"))
        again = _UNEVALUATED_FACTOR if not UNEVALUATED.isdisjoint(schema) else 1
        cost = Cost()
        for one, keyword, _ in below:
            cost = cost.plus(self.of(one).times(again if keyword in SAME_PLACE else 1))
        cost = cost._replace(height=cost.height + 1).plus(_own(schema).times(again))
        self._open.remove(id(schema))
        self._known[id(schema)] = cost
        return cost


def _own(schema: Mapping[str, Json]) -> Cost:
    """Return the cost of a schema's keywords without its subschemas."""
    named = schema.get("patternProperties", ())
    states = sum(map(states_of, [*named, *([schema["pattern"]] if "pattern" in schema else [])]))
    parsed = _PER_JSON_BYTE if "contentMediaType" in schema else 0
    per_value = 1 + _PER_KEYWORD * len(schema) + len(schema.get("required", ()))
    for keyword in ("dependentRequired", "dependencies", "dependentSchemas"):
        per_value += sum(
            1 + len(one) if isinstance(one, list) else 1 for one in schema.get(keyword, {}).values()
        )
    cost = Cost(per_value, states + parsed, parts=1, patterns=len(named))
    for keyword, whole in _NUMBERS.items():
        if keyword in schema:
            cost = cost.plus(_comparing(schema[keyword], whole))
    return cost.plus(_UNIQUE) if schema.get("uniqueItems") is True else cost


def _comparing(value: Json, whole: int) -> Cost:
    """Return the cost of comparing each value with a value of the schema; ``whole`` is that of a whole number of it."""
    pending, per_value, numbers = [value], 0, 0
    while pending:
        one = pending.pop()
        per_value += 3
        if isinstance(one, Mapping):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
        elif isinstance(one, str):
            per_value += len(one) // 32
        elif isinstance(one, int | float) and not isinstance(one, bool):
            numbers += 1
            extreme = one != 0 and not _LEAST <= abs(one) < _MOST
            per_value += _EXTREME if extreme else whole if one % 1 == 0 and abs(one) <= _EXACT else _FRACTION
    return Cost(per_value).plus(_ANY_NUMBER.times(numbers)) if numbers else Cost(per_value)


def states_of(pattern: str) -> int:
    """Return an upper bound of the states that a pattern compiles to."""
    # The states of each open group, the outermost first, and those of the last atom, which a count repeats.
    groups, last = [0], 0
    for token in _TOKENS.finditer(pattern):
        if token.lastgroup == "count":
            least, most = token["count"][1:-1].partition(",")[::2]
            repeated = last * (max(1, int(least), int(most or 0)) - 1)
            groups[-1], last = min(groups[-1] + repeated, MAX_STEPS), last + repeated
        elif token.lastgroup == "open":
            groups.append(0)
        elif token.lastgroup == "close" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif token.lastgroup != "repeat":
            last = _STATES.get(token.lastgroup or "", 1)
            groups[-1] += last
    return min(sum(groups) + 1, MAX_STEPS)
