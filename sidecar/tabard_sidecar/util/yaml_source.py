"""Parses a strict subset of YAML and keeps the position of every key and value.

The subset: one document with mappings, sequences and scalars that mean the same in YAML 1.1 and in YAML 1.2's core schema
(:mod:`tabard_sidecar.util.yaml_scalars`). Anchors, aliases, tags, directives and repeated keys are refused: a
configuration with them is harder to review than one with repetitions, and aliases can expand a small file to a huge one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import field
from typing import Any, NoReturn, TypeVar

import yaml

from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.problems import SourceError, SourceProblem
from tabard_sidecar.util.wanted import require_wanted
from tabard_sidecar.util.yaml_scalars import AmbiguousError, resolve

MAX_BYTES = 256 * 1024
_T = TypeVar("_T")
_MAX_DEPTH = 32
_MAX_PROBLEMS = 100
_TEXT_STYLES = frozenset("'\"|>")  # quoted or block: always text

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Line breaks of YAML 1.1 that are plain characters in 1.2."""


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


def parse(text: bytes, source: str, max_bytes: int = MAX_BYTES) -> tuple[Marked, list[SourceProblem]]:
    """Parse one YAML document whose root is a mapping; an empty document is an empty mapping.

    Repeated keys don't stop the parsing: they are returned as problems, so that problems are reported together, up to a
    hundred.

    Args:
        text: the file's bytes, UTF-8.
        source: name of the file for error messages.
        max_bytes: longest text.

    Raises:
        SourceError: the text can't be parsed any further.
    """
    if len(text) > max_bytes:
        raise SourceError([SourceProblem(f"larger than {max_bytes} bytes", source, 1, 1)])
    composer = _Composer(source, _MAX_DEPTH)
    root = composer.read(text, composer.node) or Marked(None, Position(1, 1))
    if root.value is None:
        root.value = {}
    if not isinstance(root.value, dict):
        raise SourceError(
            [SourceProblem("must be a mapping of sections", source, root.position.line, root.position.column)]
        )
    return root, composer.problems


def parse_data(text: bytes, source: str, max_depth: int, max_values: int) -> Any:  # noqa: ANN401 - JSON
    """Parse one YAML document of any kind and return plain data, which JSON can hold.

    Args:
        text: the file's bytes, UTF-8.
        source: name of the file for error messages.
        max_depth: deepest nesting.
        max_values: most values: texts, numbers, lists, mappings and so on, without the keys.

    Raises:
        SourceError: it isn't of the accepted subset.
    """
    composer = _Composer(source, max_depth, max_values)
    value = composer.read(text, composer.plain)
    if composer.problems:
        raise SourceError(composer.problems)
    return value


def parse_value(text: str) -> object:
    """Parse a setting from the environment or a flag as if it were in the file.

    Raises:
        ValueError: the text isn't a YAML value of the accepted subset.
    """
    composer = _Composer("value", _MAX_DEPTH)
    try:
        value = composer.read(text.encode("utf-8", "surrogateescape"), composer.plain)
    except SourceError as error:
        raise ValueError(error.problems[0].message) from None
    if composer.problems:
        first = composer.problems[0]
        raise ValueError(f"{first.message}: {first.next_step}" if first.next_step else first.message)
    return value


def _syntax_problem(error: yaml.MarkedYAMLError, source: str) -> SourceProblem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    message = ", ".join(part for part in (error.context, error.problem) if part)
    return SourceProblem(f"not YAML: {message}", source, line, column, next_step="Correct the syntax.")


class _Composer:
    """Turns parser events into :class:`Marked` values."""

    def __init__(self, source: str, max_depth: int, max_values: int = MAX_BYTES) -> None:
        self._source = source
        self._max_depth = max_depth
        self._max_values = max_values
        self._values = 0
        self.problems: list[SourceProblem] = []

    def read(self, text: bytes, compose: Callable[[yaml.Event, Iterator[yaml.Event], int], _T]) -> _T | None:
        """Compose the only document; ``None`` if there is none.

        Raises:
            SourceError: the text can't be parsed any further.
        """
        decoded = self._decode(text)
        try:
            return self._document(iter(yaml.parse(decoded, Loader=_Loader)), compose)
        except yaml.MarkedYAMLError as error:
            raise SourceError([_syntax_problem(error, self._source)]) from None
        except yaml.YAMLError as error:
            raise SourceError(
                [SourceProblem(f"not YAML: {error}".splitlines()[0], self._source, 1, 1)]
            ) from None

    def _decode(self, text: bytes) -> str:
        try:
            decoded = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = text.count(b"\n", 0, error.start) + 1
            problem = SourceProblem("not UTF-8", self._source, line, 1, next_step="Save the file as UTF-8.")
            raise SourceError([problem]) from None
        found = _BREAKS.search(decoded)
        if found is not None:
            line, code = decoded.count("\n", 0, found.start()) + 1, ord(found[0])
            message = f"the character U+{code:04X} ends a line in YAML 1.1 and not in YAML 1.2"
            step = f'Write "\\u{code:04x}" in double quotes.'
            raise SourceError([SourceProblem(message, self._source, line, 1, next_step=step)])
        return decoded

    def _document(
        self,
        events: Iterator[yaml.Event],
        compose: Callable[[yaml.Event, Iterator[yaml.Event], int], _T],
    ) -> _T | None:
        root: _T | None = None
        count = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                count += 1
                if count > 1:
                    self._stop(event, "more than one document", "Remove the '---' separator.")
                if event.version or event.tags:
                    self._stop(event, "directives are not accepted", "Remove the line that begins with %.")
                root = compose(next(events), events, 0)
        return root

    def node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Marked:
        """Return a value with its positions."""
        self._admit(event, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(event, events, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(event, events, depth)
        return Marked(self._scalar(event), _position(event))

    def plain(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Any:  # noqa: ANN401 - JSON
        """Return a value without its positions."""
        require_wanted()
        self._values += 1
        if self._values > self._max_values:
            self._stop(event, f"more than {self._max_values} values", "Keep fewer values in the file.")
        self._admit(event, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            for item in events:
                if isinstance(item, yaml.SequenceEndEvent):
                    break
                items.append(self.plain(item, events, depth + 1))
            return items
        if not isinstance(event, yaml.MappingStartEvent):
            return self._scalar(event)
        found: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_event in events:
            if isinstance(key_event, yaml.MappingEndEvent):
                break
            key = self._key(key_event, depth + 1)
            if key in found:
                self._repeated(key_event, key, lines[key])
            lines[key] = _position(key_event).line
            found[key] = self.plain(next(events), events, depth + 1)
        return found

    def _admit(self, event: yaml.Event, depth: int) -> None:
        if depth > self._max_depth:
            self._stop(event, f"nested deeper than {self._max_depth} levels")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._stop(event, "anchors and aliases are not accepted", "Write the value out.")
        tag = getattr(event, "tag", None)
        if tag:
            self._stop(event, f"the tag {tag} is not accepted", "Write a plain value.")

    def _key(self, event: yaml.Event, depth: int) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(event, "a key must be a word")
        self._admit(event, depth)
        before = len(self.problems)
        if not isinstance(self._scalar(event), str) and len(self.problems) == before:
            self._note(
                event, f"the key {event.value or 'that is empty'} isn't text", "Put the key in quotes."
            )
        return str(event.value)

    def _repeated(self, event: yaml.Event, key: str, line: int) -> None:
        self._note(event, f'the key "{key}" is repeated, first in line {line}', "Keep one of them.")

    def _mapping(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Marked:
        node = Marked({}, _position(start))
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, depth + 1)
            child = self.node(next(events), events, depth + 1)
            child.key_position = _position(event)
            if key in node.children:
                first = node.children[key].key_position or node.position
                self._repeated(event, key, first.line)
                continue
            node.children[key] = child
            node.value[key] = child.value
        return node

    def _sequence(self, start: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Marked:
        node = Marked([], _position(start))
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            child = self.node(event, events, depth + 1)
            node.children[len(node.value)] = child
            node.value.append(child.value)
        return node

    def _scalar(self, event: yaml.Event) -> object:
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(event, "a value is missing")
        if event.style in _TEXT_STYLES:
            return event.value
        try:
            return resolve(event.value)
        except AmbiguousError as error:
            self._note(event, str(error), error.next_step)
            return event.value

    def _note(self, event: yaml.Event, message: str, next_step: str = "") -> None:
        position = _position(event)
        self.problems.append(
            SourceProblem(message, self._source, position.line, position.column, next_step=next_step)
        )
        if len(self.problems) >= _MAX_PROBLEMS:
            raise SourceError(self.problems)

    def _stop(self, event: yaml.Event, message: str, next_step: str = "") -> NoReturn:
        self._note(event, message, next_step)
        raise SourceError(self.problems)


def _position(event: yaml.Event) -> Position:
    mark = event.start_mark
    if mark is None:
        return Position(1, 1)
    return Position(mark.line + 1, mark.column + 1)
