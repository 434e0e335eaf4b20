"""Tasks, chains, reservations, outcomes and approvals for tests of state stores."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from hypothesis import HealthCheck
from tabard_sidecar.facts import Facts, FactScope, Notes
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.approval import Approval, Approver, PendingLimits
from tabard_sidecar.state.labels import CarriedLabel, owner_id
from tabard_sidecar.state.model import Chain, Child, Outcome, Reservation, SignedOutcome, TaskRecord
from tabard_sidecar.state.store import StateStore

NewStore = Callable[[], StateStore]

# The real time: a server forgets by its own clock.
NOW = float(int(time.time()))
LATER = NOW + 3600.0

# Examples share a store, each with a task of its own; and the same test runs for every store, which is its purpose.
SUPPRESSED = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors)

_numbers = itertools.count(1)
_tasks: dict[str, TaskRecord] = {}


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
    made = TaskRecord(
        fresh("root"),
        fresh("task"),
        "https://issuer",
        subject,
        workload,
        "purpose é",
        started_at,
        expires_at,
    )
    _tasks[made.root_id] = made
    return made


async def new_task(store: StateStore, **details: object) -> TaskRecord:
    """Open a task that shares labels with no other."""
    made = task(**{"subject": fresh("subject"), **details})  # type: ignore[arg-type]
    await store.open_task(made, labels_since=made.started_at - 60)
    return made


def chain(root: str, *links: str, budgets: Mapping[str, int] | None = None, hops: str = "") -> Chain:
    """Return a chain; its budgets are identified by root and name.

    Links are branches of the task's own workload, named after the link, except those that ``hops`` names (separated by
    spaces): each of them hands the task to the workload of its name.
    """
    made = _tasks.get(root)
    owners, workloads = [made.owner if made is not None else f"owner of {root}"], [0]
    workload, branches = made.workload if made is not None else root, list[str]()
    for number, link in enumerate(links, 1):
        if link in hops.split():
            workload, branches = link, []
            workloads.append(number)
        else:
            branches.append(link)
        issuer, subject = (made.subject_issuer, made.subject_id) if made is not None else ("", root)
        owners.append(owner_id(issuer, subject, workload, branches))
    return Chain(
        (root, *(f"{root}.{link}" if hops else link for link in links)),
        tuple(BudgetLimit(f"{root}/{name}", name, limit) for name, limit in (budgets or {}).items()),
        tuple(owners),
        tuple(dict.fromkeys(owners[number] for number in reversed(workloads)))[::-1],
    )


def steps(of: Chain) -> list[Child]:
    """Return a chain's links as they are counted."""
    return [
        Child(
            of.link_ids[number - 1],
            of.link_ids[number],
            None,
            of.root_id,
            owner=of.owners[number],
            above=of.owners[:number],
            hop=of.owners[number] in of.workloads,
        )
        for number in range(1, len(of.link_ids))
    ]


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
    carried: tuple[CarriedLabel, ...] = (),
    usable_until: float = 0.0,
    notes: Notes | None = None,
    shared: bool = False,
    epoch: int = -1,
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
        carried,
        usable_until=usable_until,
        notes=notes,
        shared=shared,
        epoch=epoch,
    )


def noted(
    task: Mapping[str, object] | None = None,
    branch: Mapping[str, object] | None = None,
    backend: Mapping[str, str] | None = None,
) -> Notes:
    """Return notes: under each name a whole number or a list of texts."""
    scopes = {name: FactScope(scope) for name, scope in (backend or {}).items()}
    return Notes(_facts(task or {}), _facts(branch or {}), scopes)


def _facts(stated: Mapping[str, object]) -> Facts:
    sets = {
        name: tuple(sorted(set(found))) for name, found in stated.items() if isinstance(found, list) and found
    }
    return Facts(sets, {name: found for name, found in stated.items() if isinstance(found, int) and found})


def outcome(
    of: Reservation,
    *,
    raised: Mapping[str, int] | None = None,
    signed: Mapping[str, int] | None = None,
    refunded: Mapping[str, int] | None = None,
    labels: tuple[str, ...] = (),
    link: str = "",
    now: float = NOW,
    audience: str = "https://backend",
    reported: tuple[str, ...] = (),
    facts: Mapping[str, list[str]] | None = None,
    failed: bool = False,
) -> Outcome:
    """Return an outcome of a reservation; ``signed`` are charges that the backend signed."""
    return Outcome(
        of.chain.root_id,
        link or of.chain.link_ids[-1],
        of.decision_id,
        now,
        raised or {},
        reported,
        of.chain.workloads[-1],
        SignedOutcome(
            audience,
            signed or {},
            refunded or {},
            labels,
            {name: tuple(elements) for name, elements in (facts or {}).items()},
            failed,
        )
        if signed is not None or refunded is not None or labels or facts or failed
        else None,
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
        topic=str(details.get("topic", "")),
        workload=str(details.get("workload", "w")),
        subject=str(details.get("subject", "s")),
        workloads=(*details.get("above", ()), str(details.get("workload", "w"))),  # type: ignore[misc]
        group_id=str(details.get("group", "")),
    )


def person(name: str, *, token: str = "") -> Approver:
    """Return a person who decides, with a token of that decision's own."""
    return Approver(name, token or fresh("approver-token"), LATER)


def at_most(task: int, *, person: int = 10**6, workload: int = 10**6, group: int = 10**6) -> PendingLimits:
    """Return how many approvals may wait at once."""
    return PendingLimits(task, person, workload, group)
