"""Evaluates OPA's partial results: tells whether a tool could be allowed with some arguments."""

from __future__ import annotations

from tabard_sidecar.policy.loading.ast import constant
from tabard_sidecar.policy.values import Json

GRANT_QUERY = "data.policy[_].grant[_]"
DENY_QUERY = "data.policy[_].deny[_]"


def possible(result: Json) -> bool:
    """Tell whether the query of a partial result can be true for some value of the unknowns."""
    return bool(_queries(result))


def unconditional(result: Json) -> bool:
    """Tell whether the query is true for every value of the unknowns."""
    return any(all(_binds(expression) for expression in query) for query in _queries(result))


def _queries(result: Json) -> list[list[Json]]:
    return (result.get("queries") if isinstance(result, dict) else None) or []


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
