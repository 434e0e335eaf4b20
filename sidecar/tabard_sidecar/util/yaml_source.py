"""Parses a strict subset of YAML and keeps the position of every key and value.

The subset: one document with mappings, sequences and scalars of YAML 1.2's core schema (so ``no`` and ``on`` are
strings). Anchors, aliases, tags and repeated keys are refused: a configuration with them is harder to review than one
with repetitions, and aliases can expand a small file to a huge one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from tabard_sidecar.util.problems import SourceError, SourceProblem

MAX_BYTES = 256 * 1024
_MAX_DEPTH = 32
_TEXT_STYLES = frozenset("'\"|>")  # quoted or block: always text

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_RESOLVERS: tuple[tuple[Callable[[str], object], Callable[[str], object]], ...] = (
    (frozenset({"", "~", "null", "Null", "NULL"}).__contains__, lambda _: None),
    (frozenset({"true", "True", "TRUE"}).__contains__, lambda _: True),
    (frozenset({"false", "False", "FALSE"}).__contains__, lambda _: False),
    (re.compile(r"[-+]?[0-9]{1,20}\Z").match, int),
    (re.compile(r"0o[0-7]{1,20}\Z|0x[0-9a-fA-F]{1,16}\Z").match, lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]{1,20}|[0-9]{1,20}(\.[0-9]{0,20})?)([eE][-+]?[0-9]{1,3})?\Z").match, float),
)


@dataclass(frozen=True, slots=True)
class Position:
    """Place in a file; line and column count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Marked:
    """A value with the positions of itself, its key and everything below it.

    ``value`` is plain data. ``children`` holds one entry per key of a mapping or index of a sequence.
    """

    value: Any
    position: Position
    key_position: Position | None = None
    children: dict[str | int, Marked] = field(default_factory=dict)

    def find(self, path: tuple[str | int, ...]) -> tuple[Marked, bool]:
        """Return the deepest node on ``path`` and whether it is the end of it.

        Steps that the document doesn't have, such as the name of a union's member, are ignored.
        """
        node = self
        reached = not path
        for step in path:
            child = node.children.get(step)
            reached = child is not None
            if child is not None:
                node = child
        return node, reached


def parse(text: bytes, source: str) -> tuple[Marked, list[SourceProblem]]:
    """Parse one YAML document whose root is a mapping; an empty document is an empty mapping.

    Repeated keys don't stop the parsing: they are returned as problems, so that all problems are reported together.

    Args:
        text: the file's bytes, at most 256 KiB of UTF-8.
        source: name of the file for error messages.

    Raises:
        SourceError: the text can't be parsed any further.
    """
    if len(text) > MAX_BYTES:
        raise SourceError([SourceProblem(f"larger than {MAX_BYTES} bytes", source, 1, 1)])
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise SourceError(
            [SourceProblem("not UTF-8", source, line, 1, next_step="Save the file as UTF-8.")]
        ) from None
    composer = _Composer(source)
    try:
        root = composer.document(iter(yaml.parse(decoded, Loader=_Loader)))
    except yaml.MarkedYAMLError as error:
        raise SourceError([_syntax_problem(error, source)]) from None
    except yaml.YAMLError as error:
        raise SourceError([SourceProblem(f"not YAML: {error}".splitlines()[0], source, 1, 1)]) from None
    if root.value is None:
        root.value = {}
    if not isinstance(root.value, dict):
        raise SourceError(
            [SourceProblem("must be a mapping of sections", source, root.position.line, root.position.column)]
        )
    return root, composer.problems


def parse_value(text: str) -> object:
    """Parse a setting from the environment or a flag as if it were in the file.

    Raises:
        ValueError: the text isn't a YAML value of the accepted subset.
    """
    composer = _Composer("value")
    try:
        root = composer.document(iter(yaml.parse(text, Loader=_Loader)))
    except (yaml.YAMLError, SourceError) as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if composer.problems:
        raise ValueError(composer.problems[0].message)
    return root.value


def _syntax_problem(error: yaml.MarkedYAMLError, source: str) -> SourceProblem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = ", ".join(part for part in (error.context, error.problem) if part)
    return SourceProblem(f"not YAML: {message}", source, line, column, next_step="Correct the syntax.")


class _Composer:
    """Turns parser events into :class:`Marked` values."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.problems: list[SourceProblem] = []

    def document(self, events: Iterator[yaml.Event]) -> Marked:
        """Compose the only document of a stream."""
        root: Marked | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    self._stop(event, "more than one document", "Remove the '---' separator.")
                root = self._node(next(events), events, 0)
        return root or Marked(None, Position(1, 1))

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Marked:
        if depth > _MAX_DEPTH:
            self._stop(event, f"nested deeper than {_MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._stop(event, "anchors and aliases are not accepted", "Write the value out.")
        tag = getattr(event, "tag", None)
        if tag:
            self._stop(event, f"the tag {tag} is not accepted", "Write a plain value.")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, events, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, events, depth)
        return Marked(self._scalar(event), _position(event))

    def _mapping(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Marked:
        node = Marked({}, _position(start))
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            if not isinstance(event, yaml.ScalarEvent):
                self._stop(event, "a key must be a word")
            self._node(event, iter(()), depth + 1)
            key = event.value
            child = self._node(next(events), events, depth + 1)
            child.key_position = _position(event)
            if key in node.children:
                first = node.children[key].key_position or node.position
                self._note(
                    event, f'the key "{key}" is repeated, first in line {first.line}', "Keep one of them."
                )
                continue
            node.children[key] = child
            node.value[key] = child.value
        return node

    def _sequence(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Marked:
        node = Marked([], _position(start))
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            child = self._node(event, events, depth + 1)
            node.children[len(node.value)] = child
            node.value.append(child.value)
        return node

    def _scalar(self, event: yaml.Event) -> object:
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(event, "a value is missing")
        if event.style in _TEXT_STYLES:
            return event.value
        return _plain(event.value)

    def _note(self, event: yaml.Event, message: str, next_step: str = "") -> None:
        position = _position(event)
        self.problems.append(
            SourceProblem(message, self._source, position.line, position.column, next_step=next_step)
        )

    def _stop(self, event: yaml.Event, message: str, next_step: str = "") -> NoReturn:
        self._note(event, message, next_step)
        raise SourceError(self.problems)


def _position(event: yaml.Event) -> Position:
    mark = event.start_mark
    if mark is None:
        return Position(1, 1)
    return Position(mark.line + 1, mark.column + 1)


def _plain(text: str) -> object:
    """Resolve an unquoted scalar as YAML 1.2's core schema does (chapter 10.3.2)."""
    for matches, convert in _RESOLVERS:
        if matches(text):
            return convert(text)
    return text
