"""Examines what the tokens of the sidecar, the reaper and credentials may do beyond what they need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.quoting import quoted
from tabard_sidecar.credentials.vault.examining.asking import CAPABILITIES, capabilities, may
from tabard_sidecar.credentials.vault.examining.commands import rights_added
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.util.findings import Finding, ok, problem, warning
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.credentials.vault.examining.excesses import Excess
    from tabard_sidecar.credentials.vault.replies import Token
    from tabard_sidecar.credentials.vault.server import VaultServer

_MOST_NAMED = 3
_FIRST = "tabard-credentials"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a token may do.

    Attributes:
        excesses: what it mustn't be able to do.
        step: how to take rights away.
        needs: paths with the capability that it needs there.
    """

    excesses: Collection[Excess]
    step: str
    needs: Collection[tuple[str, str]] = ()


async def examine_rights(server: VaultServer, what: str, token: Token, limits: Limits) -> Finding:
    """Check that a token can do what it needs, and no more."""
    excesses, needs = limits.excesses, limits.needs
    policies = ", ".join(token.policies) or "?"
    paths = [one.path for one in excesses] + [path for path, _ in needs]
    try:
        found = await capabilities(server, token, paths)
    except VaultFault as fault:
        return problem(what, fault.message, "Check that the address is that of a vault, and try again.")
    if found is None:
        return unasked(what, token)
    missing = [need for need in needs if not may(found, *need)]
    if missing:
        message = f"its token ({quoted(policies)}) may not {' and '.join(path for path, _ in missing)}"
        return problem(what, message, rights_added(policy_of(token), missing))
    named = _too_much(found, excesses)
    if not named:
        return ok(what, f"its token ({quoted(policies)}) may do no more than it needs")
    message = f"its token ({quoted(policies)}) may do more than it needs: {', '.join(named)}"
    return problem(what, message, limits.step)


def policy_of(token: Token) -> str:
    """Return the policy of a token to which rights can be added: the one that docs/vault.md makes first, if it is there."""
    own = [one for one in token.policies if one not in {"default", "root"}]
    return _FIRST if _FIRST in own else next(iter(own), "POLICY")


def unasked(what: str, token: Token) -> Finding:
    """Return what to say of a token that can't be asked what it may do."""
    return warning(
        what,
        f"its token can't ask what it may do ({CAPABILITIES}), so that isn't examined",
        f"{rights_added(policy_of(token), [(CAPABILITIES, 'update')])}",
    )


def _too_much(found: Mapping[str, frozenset[str]], excesses: Collection[Excess]) -> list[str]:
    words = {one.path: one.words for one in reversed(list(excesses)) if found[one.path] & one.rights}
    named = [f"{word} ({path})" for path, word in reversed(words.items())]
    more = len(named) - _MOST_NAMED
    return [*named[:_MOST_NAMED], f"and {more} more"] if more > 0 else named
