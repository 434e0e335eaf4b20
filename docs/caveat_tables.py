"""Generates the tables of docs/reference/caveats.md from the caveat types and the operators."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from tabard.caveats import CAVEATS, OPERATORS, Caveat, CaveatRegistry, DependsOn

_WHEN = {
    DependsOn.GRANT: "when the grant is verified and before it is handed on",
    DependsOn.TIME: "at every request",
    DependsOn.CALL: "at every call",
    DependsOn.CREDENTIAL: "at every credential",
}
_REGION = re.compile(r"(<!-- generated: (\w+) [^\n]*-->\n).*?(<!-- end of generated part -->)", re.DOTALL)


def filled(page: str, registry: CaveatRegistry = CAVEATS) -> str:
    """Return ``page`` with its generated parts replaced.

    Raises:
        KeyError: a part has a name that no table has.
    """
    tables = {"types": types_table(registry), "operators": operators_table()}
    return _REGION.sub(lambda part: f"{part[1]}\n{tables[part[2]]}\n{part[3]}", page)


def types_table(registry: CaveatRegistry) -> str:
    """Return the table of caveat types."""
    header = ("type", "fields", "meaning", "checked", "field of `Limits`")
    return _table(header, (_type_row(tag, kind) for tag, kind in registry.types.items()))


def operators_table() -> str:
    """Return the table of operators."""
    rows = ((f"`{name}`", item.operand, item.value) for name, item in OPERATORS.items())
    return _table(("operator", "operand", "the value is"), rows)


def _type_row(tag: str, kind: type[Caveat]) -> tuple[str, ...]:
    shown = ", ".join(_field(item.name, item.metadata) for item in fields(kind) if item.init)
    limit = f"`{kind.limit_field.name}`" if kind.limit_field is not None else "none"
    return (
        f"`{tag}`",
        shown or "none",
        " ".join((kind.__doc__ or "").replace("``", "`").split()),
        _checked(kind),
        limit,
    )


def _field(name: str, metadata: Mapping[str, str]) -> str:
    return f"`{name}` ({metadata['description']})" if "description" in metadata else f"`{name}`"


def _checked(kind: type[Caveat]) -> str:
    if kind.checked_elsewhere:
        return kind.checked_elsewhere
    if kind.check is Caveat.check:
        return "never: answered with `caveat_not_enforced`"
    return ", ".join(when for what, when in _WHEN.items() if what in kind.depends_on)


def _table(header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = (header, ("---",) * len(header), *rows)
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
