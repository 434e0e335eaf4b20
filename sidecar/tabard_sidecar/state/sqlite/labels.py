"""Stores labels: of tasks, of their branches, and of owners. Every function runs in its caller's transaction.

A label version is the zone's epoch at the write that added the newest label, so no two writes have the same one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tabard_sidecar.model import REPORTED
from tabard_sidecar.state.labels import COLLAPSED, LabelsSeen, OwnerLabel, retold, seen
from tabard_sidecar.state.model import Chain, Child, Reservation, TaskRecord
from tabard_sidecar.state.store import LABELS_PER_HOLDER, REPORTED_PER_HOLDER
from tabard_sidecar.util.lean import dataclass

TASK_WIDE = ""
"""The link of labels that apply to the whole task."""


# A label that is added again within this time isn't written again.
_SAME_SECONDS = 1.0


class TooManyLabels(Exception):
    """Rolls back a transaction in which a workload would add more labels than it may."""


@dataclass(frozen=True, slots=True)
class Source:
    """What adds labels: a write of a task at a time, with the epoch that the write makes."""

    root_id: str
    at: float
    epoch: int


def see(connection: sqlite3.Connection, chain: Chain) -> LabelsSeen:
    """Return the labels that a chain sees."""
    task, branches = dict[str, float](), list[str]()
    for link_id, label, at in connection.execute(
        f"SELECT link_id, label, at FROM labels WHERE root_id=? AND link_id IN ('', {_marks(chain.link_ids)})",  # noqa: S608
        (chain.root_id, *chain.link_ids),
    ):
        if link_id == TASK_WIDE:
            task[label] = at
        else:
            branches.append(label)
    owned = dict[str, list[OwnerLabel]]()
    for owner, label, at, wide in connection.execute(
        f"SELECT owner, label, at, wide FROM owner_labels WHERE owner IN ({_marks(chain.owners)}) "  # noqa: S608
        "AND at>=(SELECT labels_since FROM tasks WHERE root_id=?) ORDER BY owner, label",
        (*chain.owners, chain.root_id),
    ):
        owned.setdefault(owner, []).append(OwnerLabel(label, at, bool(wide)))
    return seen(task, branches, owned, chain.owners, chain.workloads)


def inherit(connection: sqlite3.Connection, task: TaskRecord, epoch: int) -> tuple[str, ...]:
    """Let the owner of a new task take part in it, and give the task the owner's labels."""
    (since,) = connection.execute(
        "SELECT labels_since FROM tasks WHERE root_id=?", (task.root_id,)
    ).fetchone()
    take_part(connection, task.root_id, task.owner, since, task.expires_at)
    found = connection.execute(
        "INSERT INTO labels SELECT ?, '', label, at FROM owner_labels WHERE owner=? AND at>=? RETURNING label",
        (task.root_id, task.owner, since),
    ).fetchall()
    if found:
        connection.execute("UPDATE tasks SET label_version=? WHERE root_id=?", (epoch, task.root_id))
    return tuple(sorted(label for (label,) in found))


def take_part(
    connection: sqlite3.Connection, root_id: str, owner: str, since: float, expires_at: float
) -> None:
    """Let an owner take part in a task: from now on it gets the task's labels."""
    connection.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (root_id, owner))
    _know(connection, owner, since, expires_at)


def _know(connection: sqlite3.Connection, owner: str, since: float, expires_at: float) -> None:
    """Keep an owner, and the labels that the task sees, as long as the task."""
    connection.execute(
        "INSERT INTO owners VALUES (?, 0, ?, ?) ON CONFLICT (owner) DO UPDATE SET "
        "labels_since=max(labels_since, excluded.labels_since), expires_at=max(expires_at, excluded.expires_at)",
        (owner, since, expires_at),
    )
    connection.execute(
        "UPDATE owner_labels SET expires_at=max(expires_at, ?) WHERE owner=? AND at>=?",
        (expires_at, owner, since),
    )


def hand_on(connection: sqlite3.Connection, child: Child, expires_at: float, source: Source) -> None:
    """Let a child's owner take part in the task, and share labels with those who do.

    It gets the labels that those above it see, and the task gets the owner's of whole tasks.
    """
    row = connection.execute("SELECT labels_since FROM tasks WHERE root_id=?", (child.root_id,)).fetchone()
    if row is None or not child.owner:
        return
    (since,) = row
    if not child.hop:
        _know(connection, child.owner, since, expires_at)
        return
    seen = connection.execute(
        "SELECT label, at, 1 FROM labels WHERE root_id=? AND link_id='' UNION ALL "  # noqa: S608
        f"SELECT label, at, wide FROM owner_labels WHERE owner IN ({_marks(child.above)}) AND at>=?",
        (child.root_id, *child.above, since),
    ).fetchall()
    brought = connection.execute(
        "SELECT label, at FROM owner_labels WHERE owner=? AND wide=1 AND at>=?", (child.owner, since)
    ).fetchall()
    # Both before they reach each other, so that no owner gets its own labels back as new.
    for label, at in brought:
        add_wide(connection, (), [retold(label)], replace(source, at=max(at, source.at)))
    for label, at, wide in seen:
        then = replace(source, at=max(at, source.at))
        _spread(connection, [child.owner], retold(label), then, wide=bool(wide))
    take_part(connection, child.root_id, child.owner, since, expires_at)
    _connect(connection, child, expires_at)


def _connect(connection: sqlite3.Connection, child: Child, expires_at: float) -> None:
    """Let labels of whole tasks reach all that take part, and those of branches all that are handed the task below.

    That holds for what they add in other tasks, too, as long as this one may live: in it they may tell each other.
    """
    others = [
        owner
        for (owner,) in connection.execute("SELECT owner FROM members WHERE root_id=?", (child.root_id,))
    ]
    pairs = [
        *((owner, 1, child.owner) for owner in others),
        *((child.owner, 1, owner) for owner in others),
        *((owner, 0, child.owner) for owner in child.above),
    ]
    connection.executemany(
        "INSERT INTO reach VALUES (?, ?, ?, ?) ON CONFLICT (owner, wide, other) "
        "DO UPDATE SET expires_at=max(expires_at, excluded.expires_at)",
        [(*pair, expires_at) for pair in pairs if pair[0] != pair[2]],
    )


def _reached(connection: sqlite3.Connection, owners: Sequence[str], *, wide: bool) -> list[str]:
    """Return owners and all whom their labels reach, over however many tasks, each once."""
    if not owners:
        return []
    rows = connection.execute(
        f"WITH RECURSIVE them(owner) AS (VALUES {','.join(['(?)'] * len(owners))} "  # noqa: S608
        "UNION SELECT other FROM them JOIN reach USING (owner) WHERE wide=?) SELECT owner FROM them",
        (*owners, wide),
    )
    return [owner for (owner,) in rows]


def _spread(
    connection: sqlite3.Connection, owners: Sequence[str], label: str, source: Source, *, wide: bool
) -> set[str]:
    """Give a label that others have added to owners, and to all whom their labels reach."""
    news = set[str]()
    for owner in _reached(connection, owners, wide=wide):
        news |= _give(connection, owner, label, source, wide=wide)
    return news


def add(connection: sqlite3.Connection, wanted: Reservation, epoch: int) -> bool:
    """Add a call's labels, and carry on what policy saw.

    Returns whether the chain sees a label that it didn't see.

    Raises:
        TooManyLabels: the holder would add more than it may.
    """
    chain = wanted.chain
    source = Source(chain.root_id, wanted.labels_at, epoch)
    news = set[str]()
    for carried in wanted.carried:
        then = Source(chain.root_id, max(carried.at, wanted.now), epoch)
        if carried.owner:
            news |= _spread(connection, [carried.owner], carried.label, then, wide=carried.wide)
        else:
            news |= add_wide(connection, (), [carried.label], then)
    news |= add_wide(connection, chain.workloads, wanted.task_labels, source)
    if wanted.branch_labels:
        news |= _put(connection, chain.link_ids[-1], wanted.branch_labels, source)
        branch = chain.owners[-1:]
        for owner in _reached(connection, branch, wide=False):
            for label in wanted.branch_labels:
                news |= _give(connection, owner, label, source, own=owner in branch, wide=False)
    return not news.isdisjoint({chain.root_id, *chain.owners})


def add_wide(
    connection: sqlite3.Connection, workloads: Sequence[str], labels: Iterable[str], source: Source
) -> set[str]:
    """Add labels to the whole task and to every workload that they reach from it; the last of ``workloads`` adds them.

    Returns who got one that it didn't have: the root for the task, and owners.

    Raises:
        TooManyLabels: the last of the workloads would add more than it may.
    """
    labels = tuple(labels)
    if not labels:
        return set()
    news = _put(connection, TASK_WIDE, labels, source)
    for owner in _members(connection, source.root_id, workloads):
        for label in labels:
            news |= _give(connection, owner, label, source, own=owner in workloads[-1:])
    return news


def add_reported(
    connection: sqlite3.Connection, workloads: Sequence[str], labels: Iterable[str], source: Source
) -> None:
    """Add labels that only the holder reports, if it may add as many; others than the holder get one label for all."""
    labels = sorted(labels)
    if not labels:
        return
    holder = workloads[-1] if workloads else ""
    known = {
        label
        for (label,) in connection.execute(
            "SELECT label FROM owner_labels WHERE owner=? AND own=1 AND label GLOB ? "
            "AND at>=(SELECT labels_since FROM tasks WHERE root_id=?)",
            (holder, f"{REPORTED}*", source.root_id),
        )
    }
    kept = [label for label in labels if label in known]
    fresh = [label for label in labels if label not in known]
    room = max(0, REPORTED_PER_HOLDER - len(known))
    kept += fresh[:room]
    if len(fresh) > room:
        kept.append(COLLAPSED)
    _put(connection, TASK_WIDE, kept, source)
    for owner in _members(connection, source.root_id, workloads):
        for label in kept if owner == holder else (COLLAPSED,):
            _give(connection, owner, label, source, own=owner == holder)


def _members(connection: sqlite3.Connection, root_id: str, workloads: Sequence[str]) -> list[str]:
    """Return who takes part in a task, and all whom labels of whole tasks reach from there."""
    rows = connection.execute("SELECT owner FROM members WHERE root_id=?", (root_id,))
    return _reached(connection, [*workloads, *(owner for (owner,) in rows)], wide=True)


def _put(connection: sqlite3.Connection, link_id: str, labels: Iterable[str], source: Source) -> set[str]:
    """Add labels to a task or a branch; return the root if it didn't have one of them."""
    added = 0
    for label in labels:
        place = (source.root_id, link_id, label)
        before = connection.execute(
            "SELECT at FROM labels WHERE root_id=? AND link_id=? AND label=?", place
        ).fetchone()
        if before is not None and before[0] >= source.at - _SAME_SECONDS:
            continue
        connection.execute(
            "INSERT INTO labels VALUES (?, ?, ?, ?) ON CONFLICT (root_id, link_id, label) DO UPDATE SET at=excluded.at",
            (*place, source.at),
        )
        added += before is None
    if not added:
        return set()
    connection.execute("UPDATE tasks SET label_version=? WHERE root_id=?", (source.epoch, source.root_id))
    return {source.root_id}


def _give(  # noqa: PLR0913
    connection: sqlite3.Connection,
    owner: str,
    label: str,
    source: Source,
    *,
    own: bool = False,
    wide: bool = True,
) -> set[str]:
    """Give an owner a label; return the owner if a task of it may see it that didn't see it before."""
    found = connection.execute(
        "SELECT at, wide, own, labels_since FROM owners LEFT JOIN owner_labels ON owner_labels.owner=owners.owner "
        "AND label=? WHERE owners.owner=?",
        (label, owner),
    ).fetchone()
    if found is None:
        since, expires_at = connection.execute(
            "SELECT labels_since, expires_at FROM tasks WHERE root_id=?", (source.root_id,)
        ).fetchone()
        _know(connection, owner, since, expires_at)
        found = (None, 0, 0, since)
    before, was_wide, was_own, since = found
    # ``since`` is that of the owner's latest task. A label may be new to an earlier one, too: which, isn't looked up.
    news = before is None or before < min(since, source.at) or (wide and not was_wide)
    if not news and was_own >= own and before >= source.at - _SAME_SECONDS:
        return set()
    connection.execute(
        "INSERT INTO owner_labels SELECT ?, ?, ?, max(expires_at, ?), ?, ? FROM owners WHERE owner=? "
        "ON CONFLICT (owner, label) DO UPDATE SET at=max(at, excluded.at), "
        "expires_at=max(expires_at, excluded.expires_at), own=max(own, excluded.own), wide=max(wide, excluded.wide)",
        (owner, label, source.at, source.at, own, wide, owner),
    )
    if own and not label.startswith(REPORTED):
        _check_room(connection, owner, source.root_id, before if was_own else None)
    if not news:
        return set()
    connection.execute("UPDATE owners SET label_version=? WHERE owner=?", (source.epoch, owner))
    return {owner}


def _check_room(connection: sqlite3.Connection, owner: str, root_id: str, before: float | None) -> None:
    """Check that the owner's own labels that a task sees aren't too many, if one is new to it.

    ``before`` is when the owner added that one itself the last time. Labels that no new task sees lock nothing.
    """
    (since,) = connection.execute("SELECT labels_since FROM tasks WHERE root_id=?", (root_id,)).fetchone()
    if before is not None and before >= since:
        return
    (count,) = connection.execute(
        "SELECT count(*) FROM owner_labels WHERE owner=? AND own=1 AND at>=? AND NOT label GLOB ?",
        (owner, since, f"{REPORTED}*"),
    ).fetchone()
    if count > LABELS_PER_HOLDER:
        raise TooManyLabels


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))
