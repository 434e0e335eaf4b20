"""Evaluates OPA's partial results: tells whether a tool could be allowed with some arguments."""

from __future__ import annotations

from typing import NamedTuple

from tabard_sidecar.policy.loading.ast import constant
from tabard_sidecar.policy.values import Json

GRANT_QUERY = "data.policy[_].grant[_]"
DENY_QUERY = "data.policy[_].deny[_]"


class Residual(NamedTuple):
    """What remains of a query: whether it can be true for some value of the unknowns, and whether it is for every one."""

    possible: bool
    unconditional: bool


def residual_of(result: Json) -> Residual:
    """Return what OPA's partial result says; engine/go/engine/partial.go does the same."""
    queries = (result.get("queries") if isinstance(result, dict) else None) or []
    return Residual(
        possible=bool(queries),
        unconditional=any(all(_binds(expression) for expression in query) for query in queries),
    )


def _binds(expression: Json) -> bool:
    """Tell whether an expression only binds a generated variable to a constant, which is always true."""
    terms = expression.get("terms")
    if expression.get("negated") or expression.get("with") or not isinstance(terms, list) or len(terms) != 3:  # noqa: PLR2004  # eq(left, right)
        return False
    operator, left, right = terms
    if operator.get("value") != [{"type": "var", "value": "eq"}]:
        return False
    sides = [left, right]
    generated = [side for side in sides if side.get("type") == "var" and str(side["value"]).startswith("$")]
    return bool(generated) and any(constant(side)[0] for side in sides if side not in generated)
