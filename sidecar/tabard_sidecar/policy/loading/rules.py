"""Indexes the places of a policy's rules, so that a denial can name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from tabard_sidecar.facts import FactKind
from tabard_sidecar.util.lean import dataclass


@dataclass(frozen=True, slots=True)
class RuleSite:
    """The place of one clause of a contract rule. ``code`` is the element's code if it is a constant."""

    file: str
    row: int
    code: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.row}"


@dataclass(frozen=True, slots=True)
class RuleIndex:
    """The clauses of every contract rule, by module name and rule name.

    ``reads_history`` is False only if no module refers to ``input.history``, directly or through the library.
    ``reads_calls`` is False only if no module refers to more of it than its labels. ``facts`` are those that grants note.
    """

    sites: Mapping[str, Mapping[str, tuple[RuleSite, ...]]] = field(default_factory=dict)
    reads_history: bool = True
    reads_calls: bool = True
    facts: Mapping[str, FactKind] = field(default_factory=dict)

    def knows(self, module: str, rule: str) -> bool:
        """Tell whether the module defines the rule."""
        return rule in self.sites.get(module, {})

    def module_of(self, file: str) -> str:
        """Return the name of the module in a file; empty if the file has no contract rule.

        An OPA server names the same file with and without a leading slash.
        """
        wanted = file.lstrip("/")
        for module, by_rule in self.sites.items():
            if any(site.file.lstrip("/") == wanted for sites in by_rule.values() for site in sites):
                return module
        return ""

    def candidates(self, module: str, rule: str, code: object = None) -> tuple[RuleSite, ...]:
        """Return the clauses that may have produced an element, by place."""
        sites = self.sites.get(module, {}).get(rule, ())
        exact = tuple(site for site in sites if code is not None and site.code == code)
        return exact or tuple(site for site in sites if site.code is None) or sites

    def locate(self, module: str, rule: str, code: object = None) -> str:
        """Return the places of the clauses that may have produced an element; empty if there are none."""
        return written(self.candidates(module, rule, code))


def written(sites: Iterable[RuleSite]) -> str:
    """Return places as text, such as ``desk.rego:4,9 or mail.rego:2``."""
    rows: dict[str, list[str]] = {}
    for site in sites:
        rows.setdefault(site.file, []).append(str(site.row))
    return " or ".join(f"{file}:{','.join(numbers)}" for file, numbers in rows.items())
