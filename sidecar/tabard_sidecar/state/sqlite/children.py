"""Counts children: each once, and never more than its parent's limit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from tabard_sidecar.state.model import Child
from tabard_sidecar.state.sqlite.file import StateFile
from tabard_sidecar.state.sqlite.labels import Source, hand_on
from tabard_sidecar.state.sqlite.reservations import bump, note_change
from tabard_sidecar.util.fifo import FifoDict

_KNOWN_CHILDREN = 65_536


class Children:
    """The children in one state file. Counted children stay counted, so a grant that is used again needs no write."""

    def __init__(self, file: StateFile) -> None:
        self._file = file
        self._known: FifoDict[tuple[str, str], None] = FifoDict(_KNOWN_CHILDREN)

    def forget(self) -> None:
        """Forget which children are counted, for another file."""
        self._known.clear()

    async def register(self, children: Sequence[Child], *, now: float, expires_at: float) -> Child | None:
        """Count children, all or none; return the first that exceeds its parent's limit."""
        fresh = [child for child in children if (child.parent_id, child.child_id) not in self._known]
        if not fresh:
            return None
        try:
            await self._file.write(lambda c: _count(c, fresh, now, expires_at), durable=False)
        except _OverLimit as over:
            return over.child
        for child in fresh:
            self._known[child.parent_id, child.child_id] = None
        return None


class _OverLimit(Exception):
    def __init__(self, child: Child) -> None:
        super().__init__(child)
        self.child = child


def _count(connection: sqlite3.Connection, children: Sequence[Child], now: float, expires_at: float) -> None:
    changed, fresh = set[str](), list[Child]()
    for child in children:
        known = connection.execute(
            "SELECT 1 FROM children WHERE parent_id=? AND child_id=?", (child.parent_id, child.child_id)
        ).fetchone()
        if known:
            continue
        if child.limit is not None:
            (count,) = connection.execute(
                "SELECT count(*) FROM children WHERE parent_id=?", (child.parent_id,)
            ).fetchone()
            if count >= child.limit:
                raise _OverLimit(child)
        connection.execute(
            "INSERT INTO children (parent_id, child_id, expires_at, root_id, holder, sub_agent) VALUES (?, ?, ?, ?, ?, ?)",
            (child.parent_id, child.child_id, expires_at, child.root_id, child.holder, child.sub_agent),
        )
        changed.add(child.root_id)
        fresh.append(child)
    for root_id in changed:
        note_change(connection, root_id)
    epoch = bump(connection)
    for child in fresh:
        hand_on(connection, child, expires_at, Source(child.root_id, now, epoch))
