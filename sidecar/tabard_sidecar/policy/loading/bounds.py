"""The shapes of terms: upper bounds of the values that a term of a policy can have before it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, TypeAlias

from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.lean import dataclass

MAX_VALUES = 5_000_000
"""Most values of the policy's data that its shapes list together."""

_FEW_VALUES = 20
"""So many values are looked at with one step, and don't count."""


class TooLargeError(Exception):
    """A rule takes more to be followed than is allowed; the message says what."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Any value.

    Attributes:
        unlisted: path of data, if there is too much of it to be listed.
        of_input: whether it is a part of the input whose type nothing states, such as a claim.
    """

    unlisted: tuple[str, ...] = ()
    of_input: bool = False


@dataclass(slots=True)
class Allowance:
    """Says how many values of the policy's data may still be listed."""

    left: int = MAX_VALUES

    def take(self, values: int) -> bool:
        """Take values; False if there are more than may be listed."""
        if values <= _FEW_VALUES:
            return True
        if values > self.left:
            return False
        self.left -= values
        return True


ANY: Final = Unknown()
OF_INPUT: Final = Unknown(of_input=True)


@dataclass(frozen=True, slots=True)
class SetValue:
    """A set that a rule writes out; JSON has none."""

    members: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Says where literals come from.

    Attributes:
        reported: whether a problem of them can be told: the literal is the policy's and not the library's.
    """

    reported: bool = True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class Values:
    """One of some values: what a rule writes out, or what the policy's data holds.

    Attributes:
        items: the values.
        origin: of literals; ``None`` for data.
        path: of data, below ``data``; ``*`` stands for any one key.
        named: whether they are the keys of the data at ``path``, so names, and not values.
        allowance: of data.
        types: the types of the values, once they were asked for.
        below: what was found out about the values already, so that data is listed once.
    """

    items: tuple[Json, ...]
    origin: Origin | None = None
    path: tuple[str, ...] = ()
    named: bool = False
    allowance: Allowance | None = field(default=None, compare=False)
    types: list[frozenset[str]] = field(default_factory=list, compare=False, repr=False)
    below: dict[tuple[str, Json], Shape | None] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Fits:
    """A value that fits one of some schemas, such as a part of the input.

    Attributes:
        schemas: the schemas.
        chosen_by: where the literal comes from that chose it, if the literal says which kind of value it means.
    """

    schemas: tuple[Mapping[str, Json], ...]
    chosen_by: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Many:
    """A collection (``array``, ``object`` or ``set``) of whose items one bound is known, and of an object's keys another."""

    kind: str
    item: Shape
    key: Shape = ANY


@dataclass(frozen=True, slots=True)
class Fields:
    """An object that a rule writes out, with the shape of each field and the origin of its keys."""

    fields: Mapping[str, Shape]
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """An array or set that a rule writes out, with the shape of each item."""

    kind: str
    items: tuple[Shape, ...]


Shape: TypeAlias = Unknown | Values | Fits | Many | Fields | Listed
