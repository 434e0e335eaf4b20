"""Quantities of Kubernetes: ``100m`` of a processor, ``384Mi`` of memory."""

from __future__ import annotations

import re
from decimal import Decimal

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/, without exponents and signs.
_FORM = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(n|u|m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|)", re.ASCII)
_FACTORS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTP", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTP", 1)},
}


def quantity(text: object) -> Decimal | None:
    """Return the value of a quantity in cores or bytes; ``None`` if it isn't one.

    Exponents, signs and values beyond 15 digits count as none: no amount of a sidecar's needs them.
    """
    found = _FORM.fullmatch(str(text)) if isinstance(text, str | int) else None
    return None if found is None else Decimal(found[1]) * _FACTORS[found[2]]
