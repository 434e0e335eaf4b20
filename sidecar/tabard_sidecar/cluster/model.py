"""Defines what the checks of a cluster share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabard_sidecar.injector import names
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.kubernetes.api import ApiError, Object
from tabard_sidecar.util.findings import Finding, warning
from tabard_sidecar.util.lean import dataclass

INJECTOR, CONTROL = "tabard-injector", "tabard-control"
"""Names that the chart gives."""
RULES = {
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
"""Collection of each kind of the API server's own rules."""
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace whose pods get sidecars, or one of whose pods does.

    Attributes:
        name: its name.
        label: its label; empty without one.
    """

    name: str
    label: str

    @property
    def opted_in(self) -> bool:
        """Whether every pod gets a sidecar that doesn't say otherwise."""
        return self.label not in {"", names.DISABLED}


@dataclass(frozen=True, slots=True)
class Release:
    """What is installed.

    Attributes:
        namespace: where.
        settings: the injector's configuration there.
        spaces: the labelled namespaces that aren't exempt.
    """

    namespace: str
    settings: InjectorSettings
    spaces: tuple[Space, ...]


def dig(value: object, *steps: str) -> Any:  # noqa: ANN401 - anything that an object holds
    """Return what is at a place of an object, ``None`` if there is nothing."""
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def items(value: object, *steps: str) -> list[Object]:
    """Return the objects of a list at a place; none if there is none."""
    found = dig(value, *steps)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def name_of(document: Object) -> str:
    """Return an object's name."""
    return str(dig(document, "metadata", "name") or "")


def several(texts: Sequence[str]) -> str:
    """Join texts, as many as a line can hold."""
    more = len(texts) - _NAMED
    shown = ", ".join(texts[:_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def unreadable(what: str, error: ApiError) -> Finding:
    """Return what is said of a part that couldn't be examined."""
    step = "Run this as someone who may do that, or give that right." if error.forbidden else "Try it again."
    return warning(what, f"can't be examined: {error}", step)
