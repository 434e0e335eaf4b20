"""Compares who may act for a person with who does (RFC 8693, section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def names_actor(named: object, known: Mapping[str, object]) -> bool:
    """Tell whether the claim ``may_act`` of a token names an actor.

    Its members together identify the actor (RFC 8693, section 4.4), so one that differs or can't be compared names another.

    Args:
        named: the claim's value, which may be anything.
        known: what is known of the actor, by the names of claims.
    """
    if not isinstance(named, dict) or "sub" not in named:
        return False
    return all(name in known and known[name] == value for name, value in named.items())
