"""Quantities of Kubernetes: ``100m`` of a processor, ``384Mi`` of memory."""

from __future__ import annotations

import re
from decimal import Decimal

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/, without exponents and signs.
_FORM = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|)", re.ASCII)
_FACTORS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}
_FINEST = Decimal("1e-3")
_LEAST_BYTES = Decimal(2**20)
_MOST_CORES, _MOST_BYTES = Decimal(1024), Decimal(2**50)
"""More than any node has."""


def quantity(text: object) -> Decimal | None:
    """Return the value of a quantity in cores or bytes; ``None`` if it isn't one.

    Exponents, signs and values beyond 15 digits count as none: no amount of a sidecar's needs them.
    """
    found = _FORM.fullmatch(str(text)) if isinstance(text, str | int) else None
    return None if found is None else Decimal(found[1]) * _FACTORS[found[2]]


def fault_of_cores(text: str) -> str:
    """Return why this can't be an amount of processor, and what to write; empty if it can."""
    value = quantity(text)
    if value is None:
        return _no_amount(text, "100m or 0.5")
    if value == 0:
        return "it is nothing; write an amount such as 100m"
    if value % _FINEST:
        return "it is finer than 1m, a thousandth of a core, which Kubernetes can't count; write an amount such as 100m"
    if value > _MOST_CORES:
        return f"it is more than {_MOST_CORES} cores; write an amount such as 100m"
    return ""


def fault_of_bytes(text: str) -> str:
    """Return why this can't be an amount of memory or disk, and what to write; empty if it can."""
    value = quantity(text)
    if value is None:
        return _no_amount(text, "384Mi or 1Gi")
    if value == 0:
        return "it is nothing; write an amount such as 384Mi"
    if value % 1:
        return "it isn't a whole number of bytes (m is a thousandth); write an amount such as 384Mi"
    if value < _LEAST_BYTES:
        return "it is less than 1Mi; write an amount with its unit, such as 384Mi"
    if value > _MOST_BYTES:
        return "it is more than 1Pi; write an amount such as 384Mi"
    return ""


def _no_amount(text: str, example: str) -> str:
    if text.strip().startswith("-"):
        return f"it is negative; write an amount such as {example}"
    return f"it is no amount; write digits and a unit, such as {example}"
