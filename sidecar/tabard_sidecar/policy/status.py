"""Status of the policy, for health, metrics and the log."""

from __future__ import annotations

from enum import StrEnum

from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.util.lean import dataclass


class PolicyState(StrEnum):
    """State of the policy as a whole."""

    STARTING = "starting"
    SERVING = "serving"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """A snapshot of the policy's status.

    Attributes:
        state: ``starting`` until the first policy is active, ``degraded`` while the source is broken or evaluation is
            paused, else ``serving``.
        ready: True if a policy is active, so that calls are decided.
        reasons: causes of a state other than ``serving``, one line each.
        revision: revision of the active policy; empty if there is none.
        since: when the state was entered, seconds since the epoch.
        problems: all problems of the source.
        warnings: warnings about the active policy.
        loads: how often a policy was activated.
        attempts: how often loading was tried.
        stuck: evaluations that can't be interrupted and go on after their deadline.
        ever_stuck: how many there were since the start.
    """

    state: PolicyState
    ready: bool
    reasons: tuple[str, ...]
    revision: str
    since: float
    problems: tuple[PolicyProblem, ...] = ()
    warnings: tuple[PolicyProblem, ...] = ()
    loads: int = 0
    attempts: int = 0
    stuck: int = 0
    ever_stuck: int = 0
