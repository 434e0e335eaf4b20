"""Says how two verdicts about one decision differ."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from tabard_sidecar.replay.verdict import ALLOW, ASK, DENY, Verdict

CAVEAT: Final = "A changed decision would have changed what the agent did next, which a replay can't know."
"""What every report of changes says."""
_TTL_SECONDS: Final = 1.0
"""How much shorter the lifetime of a credential may be in a record: expiry is recorded in whole seconds."""


class Change(StrEnum):
    """How a decision changes. The first three are about whether the call is made, the others about how."""

    ALLOWED = "newly_allowed"
    DENIED = "newly_denied"
    ASKED = "newly_asked"
    CREDENTIAL = "changed_credential"
    CHARGES = "changed_charges"
    LABELS = "changed_labels"
    FACTS = "changed_facts"
    LIMITS = "changed_limits"
    REASONS = "changed_reasons"

    @property
    def meaning(self) -> str:
        """What it means, as a heading."""
        return _MEANINGS[self]


_MEANINGS: Final = {
    Change.ALLOWED: "allowed now, and denied or asked about before",
    Change.DENIED: "denied now, and allowed or asked about before",
    Change.ASKED: "asked about now, and allowed or denied before",
    Change.CREDENTIAL: "allowed with another credential",
    Change.CHARGES: "allowed at another price",
    Change.LABELS: "allowed with other labels",
    Change.FACTS: "allowed with other facts",
    Change.LIMITS: "tasks with other limits",
    Change.REASONS: "denied or asked about for another reason",
}
_EFFECTS: Final = {ALLOW: Change.ALLOWED, DENY: Change.DENIED, ASK: Change.ASKED}


def changes(before: Verdict, now: Verdict, time: float) -> tuple[Change, ...]:
    """Return how a decision changes; nothing if it doesn't.

    Args:
        before: what was decided, by a record or by a policy.
        now: what a policy decides.
        time: when it was decided, in seconds since the epoch.
    """
    if before.effect != now.effect:
        return (_EFFECTS[now.effect],)
    if not now.allowed:
        return () if set(before.codes) == set(now.codes) else (Change.REASONS,)
    found = {
        Change.CREDENTIAL: not _same_credential(before, now, time),
        Change.CHARGES: before.charges != now.charges,
        Change.LABELS: {*before.labels.task, *before.labels.branch} != {*now.labels.task, *now.labels.branch},
        Change.FACTS: _facts(before) != _facts(now),
        # A record doesn't say with which limits a task was started.
        Change.LIMITS: not before.issued and before.limits != now.limits,
    }
    return tuple(change for change, differs in found.items() if differs)


def _facts(verdict: Verdict) -> dict[str, list[str] | int]:
    return verdict.facts.task.joined(verdict.facts.branch).as_json()


def _same_credential(before: Verdict, now: Verdict, time: float) -> bool:
    """Tell whether the same credential is granted; of a recorded one, whether it could have been issued now."""
    if not before.issued:
        return before.credential == now.credential
    old, new = before.credential or {}, now.credential or {}
    if any(old.get(name, "") != new.get(name, "") for name in ("kind", "audience")):
        return False
    if "role" in old and old["role"] != new.get("role"):
        return False
    if not set(old.get("scopes", ())) <= set(new.get("scopes", ())):
        return False
    ttl = new.get("ttl_seconds")
    lived = float(old.get("expires_at", 0.0)) - time
    return ttl is None or lived <= ttl + _TTL_SECONDS
