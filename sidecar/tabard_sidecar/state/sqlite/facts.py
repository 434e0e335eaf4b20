"""Stores facts of tasks. Every function runs in its caller's transaction.

An element has at most one call that holds it: the one that noted it first, until another notes it as well. So a call that is
taken back takes nothing that another noted, and what all calls hold is bounded by what the task has, however often they
note the same.
A change of facts makes a new label version: a policy that read the facts before is evaluated again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from tabard_sidecar.facts import (
    MOST_COUNT,
    MOST_ELEMENTS,
    MOST_TASK_BYTES,
    SHARED,
    WHOLE_TASK,
    FactRow,
    Facts,
    facts_of,
)
from tabard_sidecar.util.jsontext import encode
from tabard_sidecar.util.lean import dataclass

_KEY = "root_id=? AND link_id=? AND name=? AND element=?"


class TooManyFacts(Exception):
    """Rolls back a transaction after which a task would have more facts than it may."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What a call holds, and the link of each fact that its backend may note."""

    held: Sequence[FactRow] = ()
    backend: Mapping[str, str] | None = None

    def text(self) -> str:
        """Return the text that is stored."""
        rows = [(row.link_id, row.name, row.element, row.amount) for row in self.held]
        return encode([rows, self.backend or {}]).decode()


def call_facts(text: str) -> CallFacts:
    """Return what :meth:`CallFacts.text` stored."""
    rows, backend = json.loads(text)
    return CallFacts([FactRow(*row) for row in rows], backend)


def see(connection: sqlite3.Connection, link_ids: Sequence[str]) -> Facts:
    """Return the facts that a chain sees: of its task and of its links, the root's first."""
    marks = ",".join("?" * len(link_ids))
    rows = connection.execute(
        f"SELECT name, element, amount FROM facts WHERE root_id=? AND link_id IN (?, {marks})",  # noqa: S608
        (link_ids[0], WHOLE_TASK, *link_ids),
    )
    return facts_of(rows.fetchall())


def note(
    connection: sqlite3.Connection, root_id: str, rows: Iterable[FactRow], epoch: int
) -> tuple[bool, list[FactRow]]:
    """Add facts; return whether a chain may see another fact than before, and what the call then holds.

    Raises:
        TooManyFacts: the task would have too many.
    """
    changed, grown, newest, held = False, 0, "", []
    for row in rows:
        place = (root_id, row.link_id, row.name, row.element)
        before = connection.execute(f"SELECT amount FROM facts WHERE {_KEY}", place).fetchone()  # noqa: S608
        if before is None:
            _check_room(connection, root_id, row)
            grown, newest = grown + row.size, row.name
        elif row.element:
            if before[0] != SHARED:
                connection.execute(f"UPDATE facts SET amount=? WHERE {_KEY}", (SHARED, *place))  # noqa: S608
            continue
        elif before[0] + row.amount > MOST_COUNT:
            raise TooManyFacts(row.name)
        held.append(row)
        changed = changed or before is None or row.amount > 0
        connection.execute(
            "INSERT INTO facts VALUES (?, ?, ?, ?, ?) ON CONFLICT (root_id, link_id, name, element) "
            "DO UPDATE SET amount=amount+excluded.amount",
            (*place, row.amount),
        )
    if grown and _bytes(connection, root_id) + grown > MOST_TASK_BYTES:
        raise TooManyFacts(newest)
    _changed(connection, root_id, grown, epoch if changed else None)
    return changed, held


def take_back(connection: sqlite3.Connection, root_id: str, rows: Iterable[FactRow], epoch: int) -> None:
    """Take back what a call holds, except what another call noted as well."""
    changed, shrunk = False, 0
    for row in rows:
        place = (root_id, row.link_id, row.name, row.element)
        lowered = f"UPDATE facts SET amount=amount-? WHERE {_KEY}"  # noqa: S608
        if row.element:
            lowered += f" AND amount<{SHARED}"
        connection.execute(lowered, (row.amount, *place))
        gone = connection.execute(f"DELETE FROM facts WHERE {_KEY} AND amount<=0", place).rowcount  # noqa: S608
        shrunk += row.size if gone else 0
        changed = changed or gone > 0 or not row.element
    _changed(connection, root_id, -shrunk, epoch if changed else None)


def _changed(connection: sqlite3.Connection, root_id: str, grown: int, epoch: int | None) -> None:
    if grown:
        connection.execute("UPDATE tasks SET fact_bytes=fact_bytes+? WHERE root_id=?", (grown, root_id))
    if epoch is not None:
        connection.execute("UPDATE tasks SET label_version=? WHERE root_id=?", (epoch, root_id))


def _bytes(connection: sqlite3.Connection, root_id: str) -> int:
    (found,) = connection.execute("SELECT fact_bytes FROM tasks WHERE root_id=?", (root_id,)).fetchone()
    return int(found)


def _check_room(connection: sqlite3.Connection, root_id: str, row: FactRow) -> None:
    if row.amount > MOST_COUNT:
        raise TooManyFacts(row.name)
    if not row.element:
        return
    (count,) = connection.execute(
        "SELECT count(*) FROM facts WHERE root_id=? AND link_id=? AND name=?",
        (root_id, row.link_id, row.name),
    ).fetchone()
    if count >= MOST_ELEMENTS:
        raise TooManyFacts(row.name)
