"""Estimates from above how much work a schema can make of an instance, without looking at either for long.

The validator's time grows with the parts of the schema times the values of the instance, with the states of its patterns times
the bytes of the instance, and, if a schema refers to itself more than once, with a power of the instance's depth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from tabard_sidecar.policy.schema_rules import resolve, subschemas
from tabard_sidecar.policy.values import Json

_MAX = 10**12
_MAX_DEPTH = 40
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


@dataclass(frozen=True, slots=True)
class Cost:
    """What a schema can cost.

    Attributes:
        per_value: steps for each value of an instance.
        per_byte: steps for each byte of an instance: the states of all patterns.
        branches: how often the schema refers back to itself.
    """

    per_value: int = 0
    per_byte: int = 0
    branches: int = 0

    def __add__(self, other: Self) -> Cost:
        return Cost(
            min(self.per_value + other.per_value, _MAX),
            min(self.per_byte + other.per_byte, _MAX),
            min(self.branches + other.branches, _MAX),
        )

    def steps(self, instance_json: bytes, depth: int) -> int:
        """Return an upper bound of the steps for an instance, of some 10 ns each.

        Args:
            instance_json: the instance as JSON.
            depth: how deep it is nested.
        """
        values = 1 + instance_json.count(b",") + instance_json.count(b"[") + instance_json.count(b"{")
        times = self.branches ** min(depth, _MAX_DEPTH) if self.branches > 1 else 1
        return min((self.per_value * values + self.per_byte * len(instance_json)) * times, _MAX)


def cost_of(schema: Json) -> Cost:
    """Return the cost of a schema document that :func:`require_acceptable` has let through."""
    return _Costs(schema).of(schema) if isinstance(schema, Mapping) else Cost(1)


class _Costs:
    """The costs of one document's subschemas."""

    def __init__(self, root: Mapping[str, Json]) -> None:
        self._root = root
        self._known: dict[int, Cost] = {}
        self._open: set[int] = set()

    def of(self, schema: Json) -> Cost:
        """Return the cost of a subschema with everything below it and everything that it refers to."""
        if not isinstance(schema, Mapping):
            return Cost(per_value=1)
        if id(schema) in self._open:
            return Cost(branches=1)
        known = self._known.get(id(schema))
        if known is not None:
            return known
        self._open.add(id(schema))
        cost = _own(schema)
        for below, _, _ in subschemas(schema):
            cost += self.of(below)
        if "$ref" in schema:
            cost += self.of(resolve(self._root, schema["$ref"]))
        self._open.remove(id(schema))
        self._known[id(schema)] = cost
        return cost


def _own(schema: Mapping[str, Json]) -> Cost:
    values = sum(_values(schema[keyword]) for keyword in ("enum", "const", "required") if keyword in schema)
    patterns = [schema["pattern"]] if "pattern" in schema else []
    patterns += schema.get("patternProperties", ())
    return Cost(len(schema) + values, sum(map(states_of, patterns)))


def _values(value: Json) -> int:
    """Count the values in a value, itself included."""
    pending, count = [value], 0
    while pending:
        one = pending.pop()
        count += 1
        if isinstance(one, Mapping):
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return count


def states_of(pattern: str) -> int:
    """Return an upper bound of the states that a pattern compiles to."""
    # The states of each open group, the outermost first, and those of the last atom, which a count repeats.
    groups, last = [0], 0
    for token in _TOKENS.finditer(pattern):
        if token.lastgroup == "count":
            least, most = token["count"][1:-1].partition(",")[::2]
            repeated = last * (max(1, int(least), int(most or 0)) - 1)
            groups[-1], last = min(groups[-1] + repeated, _MAX), last + repeated
        elif token.lastgroup == "open":
            groups.append(0)
        elif token.lastgroup == "close" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif token.lastgroup != "repeat":
            last = _STATES.get(token.lastgroup or "", 1)
            groups[-1] += last
    return min(sum(groups) + 1, _MAX)
