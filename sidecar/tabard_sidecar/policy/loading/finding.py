"""Words what can never match, and collects it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from itertools import islice
from typing import NamedTuple

from tabard.caveats import glob_matches

from tabard_sidecar.policy.loading.ast import Place, Rule, place
from tabard_sidecar.policy.loading.bounds import Fields, Fits, Many, Origin, SetValue, Shape, Unknown, Values
from tabard_sidecar.policy.loading.literals import MAX_NEAR, nearest
from tabard_sidecar.policy.loading.program import Path, Source
from tabard_sidecar.policy.loading.ranges import described
from tabard_sidecar.policy.loading.shapes import field_of, keys_of
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.similar import get_close_matches

UNLISTED = "data_unlisted"
"""Code of the warning that keys aren't compared with data."""

_SHOWN = 12
_JSON_TYPES = {int: {"integer", "number"}, float: {"number"}, str: {"string"}, list: {"array"}}
_ALMOST = 0.7


class Finding(NamedTuple):
    """What can never match, and why.

    ``origin`` is where the literal comes from.
    """

    at: Place
    code: str
    message: str
    next_step: str
    origin: Origin | None


UNSTARTED = Origin()
"""Origin of findings about facts that are read before a task starts."""


@dataclass(slots=True)
class Sink:
    """Collects findings; a quiet one drops them. ``labels`` are those that rules look for."""

    quiet: bool = False
    labels: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding, frame: Frame) -> None:
        """Note a finding about a literal of the policy, or about terms that stand in the policy."""
        told = finding.origin.reported if finding.origin is not None else not frame.calls
        if told and not self.quiet:
            self.findings.append(finding)

    def never(self, value: Json, shape: Fits, origin: Origin | None, frame: Frame) -> None:
        """Note a literal that a part of the input can't be."""
        self.add(_never(value, shape, origin, frame), frame)

    def take_common(self, clauses: Sequence[tuple[set[Origin], Sink]]) -> None:
        """Take what the clauses of a function found, except what another clause that looks at it may match."""
        told: set[Origin | None] = set()
        for _, sink in clauses:
            found = {finding.origin for finding in sink.findings}
            for origin in found - told:
                looking = [others for looks, others in clauses if origin in looks or origin is UNSTARTED]
                if all(any(other.origin == origin for other in others.findings) for others in looking):
                    self.findings += [finding for finding in sink.findings if finding.origin == origin]
                    told.add(origin)


@dataclass(slots=True)
class Frame:
    """Where terms are evaluated.

    Attributes:
        source: the module that the terms stand in.
        variables: bounds of the local variables; ``None`` for one without a value by now.
        sink: takes what is found.
        input: bound of the input.
        at: place of the term that is being evaluated, or of the policy's call that led here.
        calls: the functions that led here; without any the terms are the policy's own.
        replaced: paths that ``with`` replaces, beginning with ``data`` or ``input``.
    """

    source: Source
    variables: dict[str, Shape | None]
    sink: Sink
    input: Fits
    at: Place = field(default=Place(0, 0))
    calls: tuple[Path, ...] = ()
    replaced: tuple[Path, ...] = ()

    def inner(self) -> Frame:
        """Return a frame for a nested body, whose variables end with it."""
        return replace(self, variables=dict(self.variables))

    def move(self, node: Json) -> None:
        """Note the place of a node, unless it stands in a function that was called."""
        if not self.calls:
            self.at = place(node, self.at)


def _never(value: Json, shape: Fits, origin: Origin | None, frame: Frame) -> Finding:
    schema = shape.schemas[0]
    what = schema.get("x-what", "the input")
    allowed = [one for each in shape.schemas for one in each.get("enum") or each.get("x-globs") or ()]
    texts = sorted(str(one) for one in allowed)
    message = f"{what} is never {_shown(value)}"
    bounds = described(shape.schemas)
    if not allowed and bounds and shape.schemas[0].get("type") in _JSON_TYPES.get(type(value), ()):
        step = schema.get("x-step") or "Correct the value, or remove the condition"
        return Finding(frame.at, "value_unknown", f"{message}: it is {bounds}", step, origin)
    if not allowed or not isinstance(value, str):
        kinds = sorted({str(each.get("type")) for each in shape.schemas})
        return Finding(
            frame.at, "type_mismatch", f"{message}: it is of type {' or '.join(kinds)}",
            "Compare values of one type", origin,
        )  # fmt: skip
    listed = ", ".join(texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
    step = schema.get("x-step") or f"Use one of {listed}"
    if "x-globs" in schema and not any(glob_matches(glob, value) for glob in schema["x-globs"]):
        step = f"Correct the name, or add the tool to a start rule; they offer {', '.join(schema['x-globs'][:_SHOWN])}"
        return Finding(frame.at, "tool_unknown", message, step, origin)
    return Finding(
        frame.at, schema.get("x-code", "value_unknown"), message + nearest(value, texts), step, origin)  # fmt: skip


def missing_key(shape: Shape, key: Json, origin: Origin, frame: Frame) -> None:
    """Note a key that is nowhere in what a term can be."""
    if isinstance(shape, Fits):
        _missing_in_input(shape, key, origin, frame)
        return
    if isinstance(shape, Many):
        _missing_in_bound(shape, key, origin, frame)
        return
    if not isinstance(shape, Values | Fields):
        return
    known = _keys(shape)
    if isinstance(shape, Values) and shape.origin is None:
        unknown_key(shape.path, key, known, origin, frame)
    elif not frame.calls:
        message = f"nothing stands under {_shown(key)} there{nearest(str(key), known)}"
        frame.sink.add(Finding(frame.at, "key_unknown", message, "Correct the name", origin), frame)


def unknown_key(path: Path, key: Json, known: Iterable[Json], origin: Origin, frame: Frame) -> None:
    """Note a key that data hasn't got."""
    shown = ".".join(("data", *path, str(key)))
    message = f"{shown} isn't in any data file{nearest(str(key), set(islice(map(str, known), MAX_NEAR)))}"
    step = "Correct the name, add the data, or list it in METADATA under custom.tabard.optional_data"
    frame.sink.add(Finding(frame.at, "data_unknown", message, step, origin), frame)


def _missing_in_bound(shape: Many, key: Json, origin: Origin, frame: Frame) -> None:
    """Note a key that none of the keys which rules put into a collection can be."""
    bound = keys_of(shape)
    if isinstance(bound, Fits):
        frame.sink.never(key, bound, origin, frame)
    elif isinstance(bound, Values) and bound.named:
        unknown_key(bound.path, key, bound.items, origin, frame)
    elif isinstance(bound, Values):
        message = f"nothing stands under {_shown(key)} there{nearest(str(key), set(map(str, bound.items)))}"
        frame.sink.add(Finding(frame.at, "key_unknown", message, "Correct the name", origin), frame)


def too_large(rule: Rule, what: str) -> Finding:
    """Return the problem of a rule whose values can't be followed within the bounds."""
    message = f"following the values of {rule.name} {what}"
    step = "Split the rule, or let its helpers call fewer helpers"
    return Finding(rule.place, "limit", message, step, None)


def unlisted_data(shape: Unknown, frame: Frame) -> None:
    """Note data of which there is too much to compare the keys that rules read with it."""
    shown = ".".join(("data", *shape.unlisted))
    message = f"{shown} holds so many values that keys which rules read below them aren't compared with them"
    step = "Check the spelling with tests, or keep less data"
    frame.sink.add(Finding(frame.at, UNLISTED, message, step, None), frame)


def misspelt_key(shape: Values, key: str, frame: Frame) -> None:
    """Note the rows of a table in the policy that have almost the key that is read, where other rows have it."""
    rows = [item for item in shape.items if isinstance(item, dict)]
    used = {name for row in rows if key in row for name in row}
    for row in rows:
        close = [] if key in row else get_close_matches(key, row.keys() - used, n=1, cutoff=_ALMOST)
        for name in close:
            message = f"reads {key!r} of every row, and one has {name!r}"
            frame.sink.add(Finding(frame.at, "key_unknown", message, "Correct the name", shape.origin), frame)


def _missing_in_input(shape: Fits, key: Json, origin: Origin, frame: Frame) -> None:
    schema = shape.schemas[0]
    known = sorted({name for each in shape.schemas for name in each.get("properties", {})})
    what = schema.get("x-what", "the input")
    message = f"{what} has no {_shown(key)}{nearest(str(key), known)}"
    step = schema.get("x-step") or "Correct the name; rego/schemas/input.json lists every field"
    frame.sink.add(Finding(frame.at, schema.get("x-code", "input_unknown"), message, step, origin), frame)


def require_written(shape: Shape, key: Shape, frame: Frame) -> None:
    """Find keys that aren't written out and may be others than the names of a part of the input that demands it."""
    if not isinstance(shape, Fits) or not shape.schemas[0].get("x-written"):
        return
    names: list[Json] | None = None
    if isinstance(key, Values):
        names = [] if key.origin is not None else list(key.items)
    elif isinstance(key, Fits) and all(isinstance(schema.get("enum"), list) for schema in key.schemas):
        names = [name for schema in key.schemas for name in schema["enum"]]
    if names is not None and all(field_of(shape, name) is not None for name in names):
        return
    what = shape.schemas[0].get("x-what", "the input")
    message = f"a name in {what} isn't written out here, so it can't be checked that a grant notes it"
    step = 'Write the name, as in facts.has("orders_cancelled", id): first the name, then the element'
    frame.sink.add(Finding(frame.at, "fact_unnamed", message, step, Origin()), frame)


def _keys(shape: Values | Fields) -> set[str]:
    if isinstance(shape, Fields):
        return set(shape.fields)
    keys = (
        str(key)
        for value in shape.items
        for key in (
            value if isinstance(value, dict) else value.members if isinstance(value, SetValue) else ()
        )
    )
    return set(islice(keys, MAX_NEAR))


def mismatch(left: frozenset[str], right: frozenset[str], origin: Origin | None, frame: Frame) -> None:
    """Note a comparison of values whose types differ."""
    message = f"compares {' or '.join(sorted(left))} with {' or '.join(sorted(right))}"
    step = "Compare values of one type"
    frame.sink.add(Finding(frame.at, "type_mismatch", message, step, origin), frame)


def mixed_types(shape: Values, types: frozenset[str], frame: Frame) -> None:
    """Note values of data that are compared by order and have several types: those of the wrong one never match."""
    shown = ".".join(("data", *shape.path))
    message = f"{shown} is {' in one place and '.join(sorted(types))} in another, and one type is needed here"
    step = "Write all of them in one type, or test the type before, with is_number(value)"
    frame.sink.add(Finding(frame.at, "type_mismatch", message, step, None), frame)


def lookup_mismatch(types: frozenset[str], keys: frozenset[str], origin: Origin | None, frame: Frame) -> None:
    """Note a lookup by keys of a type that the collection hasn't got, such as by a text in an array."""
    where, by = (" or ".join(sorted(each)) for each in (types, keys))
    message = f"looks up a {by} in what is an {where}, so it never finds anything"
    step = "Write the data as an object whose keys are looked up, or find an item with `in`; an index comes from to_number"
    frame.sink.add(Finding(frame.at, "type_mismatch", message, step, origin), frame)


def operand_mismatch(name: str, given: str, taken: str, origin: Origin | None, frame: Frame) -> None:
    """Note a call of a builtin with an operand, or with items of one, of a type that it never takes."""
    message = f"{name} gets {given}, and takes {taken} there, so it never has a value"
    step = "Give it what it takes, or use another builtin"
    frame.sink.add(Finding(frame.at, "type_mismatch", message, step, origin), frame)


def constant_order(sign: str, value: Json, shape: Fits, origin: Origin | None, frame: Frame) -> None:
    """Note a comparison by order that gives the same for every value of a part of the input, such as "never <"."""
    what = shape.schemas[0].get("x-what", "the input")
    bounds = described(shape.schemas)
    message = f"{what} is {sign} {_shown(value)}" + (f": it is {bounds}" if bounds else "")
    step = "Correct the value, or remove the condition"
    frame.sink.add(Finding(frame.at, "value_unknown", message, step, origin), frame)


def always_holds(shape: Fits, frame: Frame) -> None:
    """Note a condition that is only a value which is always there; 0 and empty collections aren't false."""
    what = shape.schemas[0].get("x-what", "the input")
    message = (
        f"{what} alone always holds as a condition: it is always there, and 0 and [] aren't false in Rego"
    )
    step = "Compare it, as in facts.value(…) > 0 or facts.size(…) > 0"
    frame.sink.add(Finding(frame.at, "always_holds", message, step, None), frame)


def read_before_start(frame: Frame) -> None:
    """Note a read of facts by a rule that starts a task."""
    message = (
        "a rule that starts a task reads facts, and no task has any before it starts: all of them are empty"
    )
    step = "Remove the condition; what must hold for all tasks of a person, the backend has to check"
    frame.sink.add(Finding(frame.at, "fact_unstarted", message, step, UNSTARTED), frame)


def wrong_pattern(kinds: frozenset[str], pattern: str, frame: Frame) -> None:
    """Note a pattern of another type than the term that it takes apart."""
    message = f"takes {' or '.join(sorted(kinds))} apart as {pattern}, so it never matches"
    frame.sink.add(Finding(frame.at, "type_mismatch", message, "Correct the pattern", None), frame)


def inexact_pattern(shape: Fits, names: Sequence[str], frame: Frame) -> None:
    """Note an object pattern without some of the names that the object always has: such a pattern never matches."""
    what = shape.schemas[0].get("x-what", "the input")
    message = f"{what} always has {', '.join(map(repr, names))}, too, so the pattern never matches"
    step = f"Read the name itself, as in {what}.{names[0] if names else 'name'}"
    frame.sink.add(Finding(frame.at, "input_unknown", message, step, None), frame)


def _shown(value: Json) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"  # noqa: PLR2004
