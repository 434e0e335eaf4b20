"""Data classes that are made cheaply behave as those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.util import lean

SOURCES = Path(lean.__file__).resolve().parents[1]
_VALUES = st.one_of(st.integers(0, 3), st.text(max_size=2), st.tuples(st.integers(0, 1)), st.none())


@cache
def _classes(decorate: Callable[..., Any], **options: bool) -> tuple[type, type, type]:
    """Return classes with defaults, hidden and uncompared fields, without fields, and one that inherits."""

    @decorate(**options)
    class Point:
        x: object
        secret: object = dataclasses.field(default="", repr=False)
        note: object = dataclasses.field(default=None, compare=False)
        made: tuple[object, ...] = dataclasses.field(init=False, default=())

    @decorate(**options)
    class Empty:
        pass

    @decorate(**options)
    class Inner(Point):
        z: object = 3

    return Point, Empty, Inner


OPTIONS = ({"frozen": True, "slots": True}, {"slots": True}, {"frozen": True}, {})


@pytest.mark.parametrize("options", OPTIONS)
@given(data=st.lists(st.tuples(_VALUES, _VALUES, _VALUES), min_size=2, max_size=2))
def test_equality_hash_and_text_are_those_of_dataclasses(options, data):
    """For any values, of the same class and of different ones."""
    ours, theirs = _classes(lean.dataclass, **options), _classes(dataclasses.dataclass, **options)
    mine, others = ([cls(*row) for cls in (made[0], made[2]) for row in data] for made in (ours, theirs))
    mine.append(ours[1]())
    others.append(theirs[1]())
    assert [repr(one) for one in mine] == [repr(one) for one in others]
    assert [[a == b for b in mine] for a in mine] == [[a == b for b in others] for a in others]
    if options.get("frozen"):
        assert all(hash(a) == hash(b) for a in mine for b in mine if a == b)
    else:
        assert all(type(one).__hash__ is None for one in mine)
    assert [dataclasses.asdict(one) for one in mine] == [dataclasses.asdict(one) for one in others]


@pytest.mark.parametrize("name", ["x", "other"])
def test_a_frozen_one_cannot_be_changed(name):
    """Neither a field nor anything else can be set or deleted; a copy with changes can be made."""
    point = _classes(lean.dataclass, frozen=True, slots=True)[0](1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(point, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(point, name)
    assert (point.x, dataclasses.replace(point, x=2).x) == (1, 2)


@lean.dataclass(frozen=True, slots=True)
class Node:
    """A value that can hold itself."""

    items: list[object]


def test_copies_and_recursion():
    """They can be copied, and one that holds itself can be shown."""
    node = Node([1])
    assert copy.deepcopy(node) == copy.copy(node) == node
    node.items.append(node)
    assert repr(node) == "Node(items=[1, ...])"


def test_own_methods_stay():
    """What a class says about its text and equality itself isn't replaced."""

    @lean.dataclass(frozen=True, slots=True)
    class Own:
        x: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    assert (repr(Own(1)), Own(1) == 2, hash(Own(1))) == ("mine", True, 7)


def test_the_sidecar_uses_them():
    """Only options that :mod:`lean` doesn't have justify the standard library's decorator."""
    found = {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if path != Path(lean.__file__)
        and re.search(r"^from dataclasses import .*\bdataclass\b", path.read_text(), re.MULTILINE)
        and not re.search(r"^@dataclass\(.*\b(eq|order)=", path.read_text(), re.MULTILINE)
    }
    assert not found, f"take dataclass from {lean.__name__}"
