"""How the policy is doing, for health, metrics and the log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tabard_sidecar.policy.problems import PolicyProblem


class PolicyState(StrEnum):
    """What can be said of the policy as a whole."""

    STARTING = "starting"
    SERVING = "serving"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """A snapshot.

    Attributes:
        state: ``starting`` until the first policy is active, ``degraded`` while the source is broken or evaluation is
            paused, else ``serving``.
        ready: True if calls are decided at all: a policy is active.
        reasons: one line each, why the state isn't ``serving``.
        revision: revision of the active policy; empty if there is none.
        since: when the state was entered, seconds since the epoch.
        problems: what is wrong with the source, all of it.
        warnings: what looks wrong in the active policy.
        loads: how often a policy was activated.
    """

    state: PolicyState
    ready: bool
    reasons: tuple[str, ...]
    revision: str
    since: float
    problems: tuple[PolicyProblem, ...] = ()
    warnings: tuple[PolicyProblem, ...] = ()
    loads: int = 0
