"""Data classes that are made cheaply behave as those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import tabard
import tabard_sidecar
from hypothesis import given
from hypothesis import strategies as st
from tabard import _lean as lean

SOURCES = tuple(Path(package.__file__).resolve().parent for package in (tabard, tabard_sidecar))
_VALUES = st.one_of(st.integers(0, 3), st.text(max_size=2), st.tuples(st.integers(0, 1)), st.none())


@cache
def _classes(decorate: Callable[..., Any], **options: bool) -> tuple[type, ...]:
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

    @decorate(**options)
    class Made(Point):
        """With what a constructor can do otherwise."""

        many: list[object] = dataclasses.field(default_factory=list)
        named: object = dataclasses.field(default=1, kw_only=True)
        needed: object = dataclasses.field(kw_only=True)
        count: list[object] = dataclasses.field(init=False, default_factory=list)
        later: object = dataclasses.field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "later", (self.x, self.needed))

    return Point, Empty, Inner, Made


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


@pytest.mark.parametrize("options", OPTIONS)
def test_a_constructor_is_that_of_dataclasses(options):
    """It takes, names, needs and sets the same."""
    ours, theirs = (_classes(one, **options)[3] for one in (lean.dataclass, dataclasses.dataclass))
    shown = [re.sub("<.*?>", "", str(inspect.signature(one))) for one in (ours, theirs)]
    assert shown[0] == shown[1]
    assert ours.__init__.__qualname__ == theirs.__init__.__qualname__
    assert get_type_hints(ours.__init__) == get_type_hints(theirs.__init__)
    for arguments, named in (
        ((1,), {"needed": 2}),
        ((1, "s", None, [4]), {"needed": 2, "named": 3}),
        ((), {"x": 1, "needed": None, "many": None}),
    ):
        mine, other = ours(*arguments, **named), theirs(*arguments, **named)
        assert repr(mine) == repr(other)
        assert mine.later == other.later
        assert (
            mine.many is not ours(*arguments, **named).many or arguments[3:] or named.get("many", 0) is None
        )
    for arguments, named in (
        ((), {}),
        ((1,), {}),
        ((1, 2, 3, 4, 5), {"needed": 1}),
        ((1,), {"needed": 1, "no": 1}),
    ):
        for one in (ours, theirs):
            with pytest.raises(TypeError):
                one(*arguments, **named)


@pytest.mark.parametrize("name", ["x", "other"])
def test_a_frozen_one_cannot_be_changed(name):
    """Neither a field nor anything else can be set or deleted; a copy with changes can be made."""
    point = _classes(lean.dataclass, frozen=True, slots=True)[0](1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(point, name, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(point, name)
    assert (point.x, dataclasses.replace(point, x=2).x) == (1, 2)


@pytest.mark.parametrize("decorate", [lean.dataclass, dataclasses.dataclass], ids=["lean", "stdlib"])
def test_heirs_are_frozen_as_their_base_is(decorate):
    """Also those that the standard library makes."""
    base = _classes(lean.dataclass, frozen=True, slots=True)[0]

    @decorate(frozen=True, slots=True)
    class Heir(base):
        more: object = 1

    heir = Heir(1, more=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        heir.more = 3
    assert copy.copy(heir) == heir
    with pytest.raises(TypeError, match="frozen"):

        @decorate(slots=True)
        class Loose(base):
            pass


@lean.dataclass(frozen=True, slots=True)
class Node:
    """A value that can hold itself."""

    items: list[object]


def test_copies_and_recursion():
    """They can be copied, and one that holds itself can be shown."""
    node = Node([1])
    assert copy.deepcopy(node) == copy.copy(node) == node
    assert pickle.loads(pickle.dumps(node)) == node  # noqa: S301 - its own
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


def test_sidecar_and_sdk_use_them():
    """Only options that :mod:`lean` doesn't have justify the standard library's decorator."""
    found = {
        path.relative_to(package.parent).as_posix()
        for package in SOURCES
        for path in package.rglob("*.py")
        if path != Path(lean.__file__)
        and re.search(r"^from dataclasses import .*\bdataclass\b", path.read_text(), re.MULTILINE)
        and not re.search(r"^@dataclass\(.*\b(eq|order|weakref_slot)=", path.read_text(), re.MULTILINE)
    }
    assert not found, f"take dataclass from {lean.__name__}"
