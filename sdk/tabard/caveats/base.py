"""Base class of all caveats, and the declarations that a caveat type consists of.

A caveat type is a frozen dataclass in a module of :mod:`tabard.caveats.types`. It declares

* its fields; ``metadata={"description": …}`` of a field is shown in docs/reference/caveats.md,
* ``tag``, its ``type`` on the wire,
* ``depends_on`` and :meth:`Caveat.check`,
* ``limit_field``, if :class:`~tabard.caveats.vocabulary.Limits` can ask for it,
* its docstring, which is its row in docs/reference/caveats.md.

On the wire a caveat is a canonical JSON object of its tag (``type``) and its fields. Evolution: a field may be appended,
with a default that means what its absence meant, and a default is never written; anything else takes a new tag. A version
that doesn't know a tag or a field refuses the grant.

Every constructor raises :class:`~tabard.caveats.errors.CaveatError` for a value that the caveat can't have.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import Flag, auto
from typing import TYPE_CHECKING, Any, ClassVar

from tabard.caveats.facts import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from tabard.caveats.facts import Facts
    from tabard.caveats.limit_fields import LimitField


class DependsOn(Flag):
    """The facts on which the check of a caveat depends.

    A check reads nothing else of :class:`~tabard.caveats.facts.Facts`.
    """

    GRANT = auto()
    """Purpose and depth: the same for every use of a grant. The time isn't known to such a check."""
    TIME = auto()
    """The time, besides what GRANT covers."""
    CALL = auto()
    """The tool call, besides what TIME covers."""
    CREDENTIAL = auto()
    """The credential, besides what TIME covers."""


class Caveat:
    """One restriction of a grant."""

    __slots__ = ()

    tag: ClassVar[str] = ""
    """The ``type`` on the wire; stable."""
    depends_on: ClassVar[DependsOn] = DependsOn.GRANT
    """When the caveat has to be checked."""
    limit_field: ClassVar[LimitField[Any] | None] = None
    """The field of :class:`~tabard.caveats.vocabulary.Limits` that becomes caveats of this type."""
    first_party: ClassVar[bool] = True
    """Whether the caveat is written as a first-party caveat of a macaroon."""
    checked_elsewhere: ClassVar[str] = ""
    """For a type without its own check: the component that enforces it. Such a caveat always passes here."""

    def check(self, facts: Facts) -> Failure | None:  # noqa: ARG002 - for the types that have a check
        """Return why ``facts`` don't meet the caveat, or ``None``.

        A type that has neither a check nor ``checked_elsewhere`` is never met.
        """
        if self.checked_elsewhere:
            return None
        return Failure("caveat_not_enforced", f"a {self.tag} caveat can't be enforced by this version")

    @classmethod
    def from_limit(cls, value: Any, now: float) -> Iterable[Caveat]:  # noqa: ANN401, ARG003 - as the type's limit_field has it
        """Return the caveats that say the same as a value of ``limit_field`` from ``now`` (seconds since the epoch) on.

        Raises:
            CaveatError: the value is malformed or out of bounds.
        """
        return (cls(value),)  # type: ignore[call-arg] # types with one field; the others override

    def json_fields(self) -> dict[str, Any]:
        """Return every field as JSON."""
        found = {name: getattr(self, name) for name in wire_fields(type(self))}
        return {name: list(value) if type(value) is tuple else value for name, value in found.items()}

    @classmethod
    def from_json_fields(cls, values: Mapping[str, Any]) -> Self:
        """Return the caveat whose fields are ``values``; what has a default may be absent.

        Raises:
            CaveatError: a value is malformed or out of bounds.
        """
        return cls(**values)

    def shown_fields(self) -> dict[str, Any]:
        """Return the fields as policies and logs see them: times in RFC 3339, no seal and no nonce."""
        return self.json_fields()


_WIRE_FIELDS: dict[type[Caveat], Mapping[str, object]] = {}


def wire_fields(kind: type[Caveat]) -> Mapping[str, object]:
    """Return the default of each field that a type has on the wire; ``dataclasses.MISSING`` for none."""
    found = _WIRE_FIELDS.get(kind)
    if found is None:
        found = {item.name: item.default for item in fields(kind) if item.init}  # type: ignore[arg-type] # every type is a dataclass
        _WIRE_FIELDS[kind] = found
    return found


def set_field(caveat: Caveat, name: str, value: object) -> None:
    """Set a field of a frozen caveat; for its ``__post_init__``."""
    object.__setattr__(caveat, name, value)


def is_required(default: object) -> bool:
    """Tell whether :func:`wire_fields` has no default for a field."""
    return default is MISSING
