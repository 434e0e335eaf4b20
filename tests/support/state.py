"""Tasks, chains, reservations, outcomes and approvals for tests of state stores."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from hypothesis import HealthCheck
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.model import Approval, Chain, Outcome, Reservation, TaskRecord
from tabard_sidecar.state.store import StateStore

NewStore = Callable[[], StateStore]

# The real time: a server forgets by its own clock.
NOW = float(int(time.time()))
LATER = NOW + 3600.0

# Examples share a store, each with a task of its own; and the same test runs for every store, which is its purpose.
SUPPRESSED = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors)

_numbers = itertools.count(1)


def fresh(what: str) -> str:
    """Return an identifier that no other test has."""
    return f"{what}-{next(_numbers)}"


@asynccontextmanager
async def opened(new_store: NewStore) -> AsyncIterator[StateStore]:
    """Open another instance of the store for the length of a block."""
    store = new_store()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def task(
    *,
    subject: str = "sub",
    workload: str = "spiffe://z/agent",
    started_at: float = NOW,
    expires_at: float = LATER,
) -> TaskRecord:
    """Return a task with identifiers of its own."""
    return TaskRecord(
        fresh("root"),
        fresh("task"),
        "https://issuer",
        subject,
        workload,
        "purpose é",
        started_at,
        expires_at,
    )


async def new_task(store: StateStore, **details: object) -> TaskRecord:
    """Open a task that shares labels with no other."""
    made = task(**{"subject": fresh("subject"), **details})  # type: ignore[arg-type]
    await store.open_task(made, labels_since=made.started_at - 60)
    return made


def chain(root: str, *links: str, budgets: Mapping[str, int] | None = None) -> Chain:
    """Return a chain; its budgets are identified by root and name."""
    return Chain(
        (root, *links),
        tuple(BudgetLimit(f"{root}/{name}", name, limit) for name, limit in (budgets or {}).items()),
    )


def wanted(
    of: Chain,
    *,
    charges: Mapping[str, int] | None = None,
    task_labels: tuple[str, ...] = (),
    branch_labels: tuple[str, ...] = (),
    version: int = 0,
    approvals: tuple[str, ...] = (),
    decision: str = "",
    tool: str = "tool",
    now: float = NOW,
    audience: str = "https://backend",
) -> Reservation:
    """Return a reservation of a decision of its own."""
    return Reservation(
        of,
        decision or fresh("decision"),
        tool,
        charges or {},
        task_labels,
        branch_labels,
        version,
        approvals,
        now,
        audience,
    )


def outcome(
    of: Reservation,
    *,
    raised: Mapping[str, int] | None = None,
    refunded: Mapping[str, int] | None = None,
    labels: tuple[str, ...] = (),
    link: str = "",
    now: float = NOW,
    audience: str = "https://backend",
) -> Outcome:
    """Return an outcome of a reservation."""
    return Outcome(
        of.chain.root_id,
        link or of.chain.link_ids[-1],
        of.decision_id,
        raised or {},
        refunded or {},
        labels,
        now,
        audience,
    )


def approval(
    root: str,
    *,
    digest: str = "",
    link: str = "",
    uses: int = 1,
    expires_at: float = LATER,
    **details: object,
) -> Approval:
    """Return an approval that waits."""
    return Approval(
        approval_id=fresh("approval"),
        root_id=root,
        link_id=link or root,
        task_id="t",
        module="policy.m",
        code="c",
        digest=digest or fresh("digest"),
        payload=b"\x00payload\xff",
        created_at=float(details.get("created_at", NOW)),  # type: ignore[arg-type]
        expires_at=expires_at,
        uses=uses,
    )
