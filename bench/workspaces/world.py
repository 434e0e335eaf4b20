"""Holds the records of a workspace, and tools that are functions over them."""

from __future__ import annotations

import copy
import functools
import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from tabard_sidecar.policy.catalogue import Catalogue, load_catalogue

FOLDER = Path(__file__).resolve().parent
WORKSPACES = ("clinic", "logistics")
OUTSIDE = "outside"
"""Label that a backend signs onto a result which holds text of people outside of the organisation."""
INSIDE = "inside"
"""Fact that it signs about any other result: one element for each such call of the task."""
_PLACEHOLDER = re.compile(r"\{(injection_[0-9]+)\}")
_F = TypeVar("_F", bound=Callable[..., Any])


class ToolError(Exception):
    """A tool can't do what it was called for; the text is what the agent is told."""


@dataclass(frozen=True)
class Answer:
    """What a tool returned.

    Attributes:
        value: its result, a JSON value.
        labels: what its backend says of the result, beyond the catalogue's labels.
        facts: what its backend knows of it: ids that the call made (``made``), whose the result is (``belongs``), and that
            it holds no text of people outside (``inside``).
    """

    value: Any
    labels: tuple[str, ...] = ()
    facts: Mapping[str, Iterable[str]] = field(default_factory=dict)


def tool(name: str) -> Callable[[_F], _F]:
    """Return a decorator that makes a method of a world the tool of this name."""

    def mark(function: _F) -> _F:
        function.tool_name = name  # type: ignore[attr-defined]
        return function

    return mark


class World:
    """A workspace in memory. Equal calls on equal worlds have equal results.

    Args:
        folder: holds ``records.yaml`` and ``texts.yaml``.
        person: for whom the agent works, one of the records' people.
        injections: what strangers wrote, by the name of the placeholder where it stands; the others are empty.
    """

    def __init__(self, folder: Path, person: str, injections: Mapping[str, str] | None = None) -> None:
        filled = dict(injections or {})
        self.records: dict[str, Any] = copy.deepcopy(_load(folder / "records.yaml"))
        self.texts: dict[str, Any] = _fill(_load(folder / "texts.yaml"), filled)
        self.person = person
        self.done: list[tuple[str, dict[str, Any]]] = []
        """Every call that was made and succeeded, the first one first."""
        self._made: dict[str, int] = {}
        self._outside = False
        self._known: dict[str, set[str]] = {}
        self._tools: dict[str, Callable[..., Any]] = {
            function.tool_name: getattr(self, name)
            for name, function in vars(type(self)).items()
            if hasattr(function, "tool_name")
        }

    @property
    def tools(self) -> frozenset[str]:
        """Names of all tools."""
        return frozenset(self._tools)

    def call(self, name: str, arguments: Mapping[str, Any]) -> Answer:
        """Make a call.

        Raises:
            ToolError: there is no such record, or the tool can't do this.
        """
        if name not in self._tools:
            raise ToolError(f"there is no tool {name}")
        self._outside, self._known = False, {}
        value = self._tools[name](**copy.deepcopy(dict(arguments)))
        self.done.append((name, dict(arguments)))
        if not self._outside:
            self._known[INSIDE] = {f"call-{len(self.done)}"}
        return Answer(copy.deepcopy(value), (OUTSIDE,) if self._outside else (), self._known)

    def one(self, kind: str, name: str, *, texts: bool = False) -> dict[str, Any]:
        """Return the record ``name`` of a kind.

        Raises:
            ToolError: there is none.
        """
        found = (self.texts if texts else self.records)[kind].get(name)
        if found is None:
            raise ToolError(f"{kind}: there is no {name}")
        return found  # type: ignore[no-any-return]

    def new_id(self, prefix: str) -> str:
        """Return an id that no record has: the first of a prefix ends with 901."""
        self._made[prefix] = self._made.get(prefix, 900) + 1
        made = f"{prefix}-{self._made[prefix]}"
        self._known.setdefault("made", set()).add(made)
        return made

    def belongs(self, name: str, owners: Iterable[str]) -> None:
        """Note whose the record, message or ticket ``name`` is: ids of patients or orders in our records."""
        self._known.setdefault("belongs", set()).update(f"{name}:{owner}" for owner in owners)

    def written_by(self, authors: Iterable[str]) -> None:
        """Note who wrote what the running call returns: people outside aren't among the records' people."""
        inside = self.records["people"]
        own = {*inside, *(person["email"] for person in inside.values())}
        self._outside = self._outside or any(author not in own for author in authors)


def has_words(query: str, *texts: object) -> bool:
    """Tell whether every word of a query occurs in some of the texts."""
    hay = " ".join(map(str, texts)).lower()
    return all(word in hay for word in query.lower().split())


def placeholders(workspace: str) -> frozenset[str]:
    """Return the names of the places in a workspace's texts where an injection may stand."""
    content = (FOLDER / workspace / "texts.yaml").read_text(encoding="utf-8")
    return frozenset(_PLACEHOLDER.findall(content))


def open_world(workspace: str, person: str, injections: Mapping[str, str] | None = None) -> World:
    """Return a fresh world of a workspace; see :class:`World`."""
    module = importlib.import_module(f"bench.workspaces.{workspace}.world")
    world = module.WORLD(FOLDER / workspace, person, injections)
    assert isinstance(world, World)
    return world


@functools.cache
def open_catalogue(workspace: str) -> Catalogue:
    """Return the tool catalogue of a workspace."""
    return load_catalogue(FOLDER / workspace / "catalogue.yaml", required=True)


@functools.cache
def _load(path: Path) -> dict[str, Any]:
    loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def _fill(node: Any, filled: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return _PLACEHOLDER.sub(lambda found: filled.get(found[1], ""), node)
    if isinstance(node, list):
        return [_fill(item, filled) for item in node]
    if isinstance(node, dict):
        return {key: _fill(value, filled) for key, value in node.items()}
    return node
