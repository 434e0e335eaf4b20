"""Registry of caveat types: decodes and checks their caveats, and converts limits to caveats."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from tabard.arguments import ArgumentsError, parse_json
from tabard.caveats.base import is_required, wire_fields
from tabard.caveats.codec import MAX_CAVEAT_BYTES, encode_caveat
from tabard.caveats.errors import CaveatError
from tabard.caveats.facts import Failure, TooMuchWorkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tabard.caveats.base import Caveat
    from tabard.caveats.facts import Facts
    from tabard.caveats.limit_fields import LimitField


class Limited(NamedTuple):
    """A caveat type that limits can ask for, and the field of limits that does so."""

    kind: type[Caveat]
    field: LimitField[Any]


class CaveatRegistry:
    """An unchangeable set of caveat types. A caveat of any other type is refused.

    Args:
        types: the types; limits become caveats in this order.

    Raises:
        RuntimeError: two types have the same tag or ask for the same field of limits, or one has no tag.
    """

    def __init__(self, types: Iterable[type[Caveat]]) -> None:
        by_tag: dict[str, type[Caveat]] = {}
        limits: dict[str, Limited] = {}
        for kind in types:
            if not kind.tag or kind.tag in by_tag:
                raise RuntimeError(f"caveat tag {kind.tag!r} of {kind.__name__} is empty or taken")
            by_tag[kind.tag] = kind
            if kind.limit_field is not None:
                if kind.limit_field.name in limits:
                    raise RuntimeError(f"limit {kind.limit_field.name!r} of {kind.__name__} is taken")
                limits[kind.limit_field.name] = Limited(kind, kind.limit_field)
        self._known = frozenset(by_tag.values())
        self.types: Mapping[str, type[Caveat]] = MappingProxyType(by_tag)
        self.limits: Mapping[str, Limited] = MappingProxyType(limits)

    def extended(self, *types: type[Caveat]) -> CaveatRegistry:
        """Return a registry that has ``types`` as well.

        Raises:
            RuntimeError: see :class:`CaveatRegistry`.
        """
        return CaveatRegistry((*self.types.values(), *types))

    def decode(self, data: bytes) -> Caveat:
        """Return the caveat that ``data`` encodes.

        Raises:
            CaveatError: it is malformed or not in canonical form; ``unknown`` is set if a newer version may know it.
        """
        try:
            found = parse_json(data, max_bytes=MAX_CAVEAT_BYTES)
        except ArgumentsError as error:
            raise CaveatError(f"a caveat is malformed: {error}") from None
        if type(found) is not dict or type(found.get("type")) is not str:
            raise CaveatError("a caveat is not a JSON object with a type")
        caveat = self.from_json(found)
        if encode_caveat(caveat) != data:
            raise CaveatError(f"a {caveat.tag} caveat is not in canonical form")
        return caveat

    def from_json(self, found: Mapping[str, Any]) -> Caveat:
        """Return the caveat that a parsed JSON object describes; ``type`` names the kind.

        Raises:
            CaveatError: see :meth:`decode`.
        """
        tag = str(found.get("type"))
        kind = self.types.get(tag)
        if kind is None or not kind.first_party:
            raise CaveatError(f"unknown caveat type {tag[:64]!r}", unknown=True)
        known = wire_fields(kind)
        values = {name: value for name, value in found.items() if name != "type"}
        extra = sorted(values.keys() - known.keys())
        if extra:
            raise CaveatError(f"a {tag} caveat has an unknown field {extra[0][:64]!r}", unknown=True)
        for name, default in known.items():
            if is_required(default) and name not in values:
                raise CaveatError(f"a {tag} caveat lacks {name!r}")
        return kind.from_json_fields(values)

    def check(self, caveat: Caveat, facts: Facts) -> Failure | None:
        """Return why ``facts`` don't meet ``caveat``, or ``None``.

        Never raises: a caveat that can't be checked is refused.
        """
        if type(caveat) not in self._known:
            return Failure("caveat_unknown", f"{type(caveat).__name__} is no known caveat")
        try:
            return caveat.check(facts)
        except TooMuchWorkError:
            return Failure(
                "argument_not_granted", "the arguments are too large to be checked against the constraints"
            )
        except Exception as error:  # noqa: BLE001 - a caveat that can't be checked is a caveat that isn't met
            return Failure("internal", f"a {caveat.tag} caveat could not be checked: {type(error).__name__}")
