"""Stores what calls actually cost and read. Every function runs in its caller's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from tabard_sidecar.facts import FactRow
from tabard_sidecar.model import BudgetLimit
from tabard_sidecar.state.model import Outcome, OutcomeState, SignedOutcome
from tabard_sidecar.state.sqlite import facts, labels
from tabard_sidecar.state.sqlite.reservations import bump, lower, note_change

_NOTHING = SignedOutcome("")
_FACTS_WAIT = "+"
"""Ends the digest of an outcome that was counted and whose facts found no room, so that they are tried again."""


class NotReported(Exception):
    """Rolls back an outcome's transaction."""

    def __init__(self, state: OutcomeState) -> None:
        super().__init__(state)
        self.state = state


def report(connection: sqlite3.Connection, outcome: Outcome, number: int) -> OutcomeState:
    """Record what a call actually cost, and add its labels.

    Raises:
        NotReported: the workload would have added too many labels; the transaction has to be rolled back.
    """
    row = connection.execute(
        "SELECT charges, outcome, audience, usable_until, facts, shared FROM calls "
        "WHERE root_id=? AND number=? AND decision_id=? AND link_id=?",
        (outcome.root_id, number, outcome.decision_id, outcome.link_id),
    ).fetchone()
    if row is None:
        return OutcomeState.UNKNOWN
    charged = json.loads(row[0] or "[]")
    signed = outcome.signed or _NOTHING
    if outcome.signed is not None and signed.audience != (row[2] or None):
        return OutcomeState.FOREIGN
    state, past = OutcomeState.DONE, row[1]
    if row[5] and signed.takes_back:
        state = OutcomeState.SHARED
    elif signed.amounts and past and past != signed.amounts + _FACTS_WAIT:
        state = OutcomeState.REPEATED if past == signed.amounts else OutcomeState.COUNTED
    elif not past and _too_much(charged, signed.refunds):
        return OutcomeState.TOO_MUCH
    elif not signed.amounts or not past:
        _count(connection, outcome, number, charged)
    epoch = bump(connection)
    if state is OutcomeState.DONE and row[4] and signed.amounts and (signed.facts or signed.failed):
        state = _note(connection, outcome, number, facts.call_facts(row[4]), epoch)
    _label(connection, outcome, epoch, at=max(outcome.now, row[3]))
    return state


def _note(
    connection: sqlite3.Connection, outcome: Outcome, number: int, call: facts.CallFacts, epoch: int
) -> OutcomeState:
    """Take back what a failed call noted, or note what its backend says, once, and keep what the call then holds.

    All of the facts are noted or none of them.
    """
    signed, held = outcome.signed or _NOTHING, list(call.held)
    if signed.failed:
        facts.take_back(connection, outcome.root_id, held, epoch)
        held = []
    else:
        backend, known = call.backend or {}, {(row.link_id, row.name, row.element) for row in held}
        names = backend.keys() & signed.facts.keys()
        said = [FactRow(backend[name], name, one, 1) for name in names for one in {*signed.facts[name]}]
        fresh = sorted(
            (row for row in said if (row.link_id, row.name, row.element) not in known),
            key=lambda row: (row.name, row.element),
        )
        connection.execute("SAVEPOINT noting")
        try:
            _, more = facts.note(connection, outcome.root_id, fresh, epoch)
        except facts.TooManyFacts:
            connection.execute("ROLLBACK TO noting")
            waits = signed.amounts + _FACTS_WAIT
            connection.execute(
                "UPDATE calls SET outcome=? WHERE root_id=? AND number=?", (waits, outcome.root_id, number)
            )
            return OutcomeState.FACTS_FULL
        finally:
            connection.execute("RELEASE noting")
        held += more
    connection.execute(
        "UPDATE calls SET facts=?, outcome=? WHERE root_id=? AND number=?",
        (facts.CallFacts(held, call.backend).text(), signed.amounts, outcome.root_id, number),
    )
    return OutcomeState.DONE


def _label(connection: sqlite3.Connection, outcome: Outcome, epoch: int, *, at: float) -> None:
    """Add an outcome's labels, and count a change of the task."""
    source = labels.Source(outcome.root_id, at, epoch)
    workloads = (outcome.workload,) if outcome.workload else ()
    if outcome.signed is not None:
        try:
            labels.add_wide(connection, workloads, outcome.signed.labels, source)
        except labels.TooManyLabels:
            raise NotReported(OutcomeState.FULL) from None
    labels.add_reported(connection, workloads, outcome.reported, source)
    note_change(connection, outcome.root_id)


def _count(
    connection: sqlite3.Connection,
    outcome: Outcome,
    number: int,
    charged: Sequence[tuple[str, str, int, int]],
) -> None:
    """Give back what the backend refunds, raise what the call cost, and note that a signed outcome was counted."""
    signed = outcome.signed or _NOTHING
    left = []
    for budget_id, name, limit, amount in charged:
        refund = signed.refunds.get(name, 0)
        if refund:
            lower(connection, outcome.root_id, budget_id, refund)
        left.append((budget_id, name, limit, amount - refund))
    _raise(connection, outcome, [BudgetLimit(*budget[:3]) for budget in charged])
    if signed.amounts:
        connection.execute(
            "UPDATE calls SET outcome=?, charges=? WHERE root_id=? AND number=?",
            (signed.amounts, json.dumps(left) if left else "", outcome.root_id, number),
        )


def _raise(connection: sqlite3.Connection, outcome: Outcome, budgets: Sequence[BudgetLimit]) -> None:
    """Charge more, but no more than every budget of the name has left: a narrower one protects the wider ones."""
    raised = {name: amount for name, amount in outcome.raised.items() if amount}
    if not raised:
        return
    rows = connection.execute("SELECT budget_id, amount FROM spent WHERE root_id=?", (outcome.root_id,))
    spent = dict(rows.fetchall())
    for one in budgets:
        if one.name in raised:
            room = max(0, one.limit - spent.get(one.budget_id, 0))
            raised[one.name] = min(raised[one.name], room)
    connection.executemany(
        "INSERT INTO spent VALUES (?, ?, ?, ?, ?) ON CONFLICT (root_id, budget_id) "
        "DO UPDATE SET amount=amount+excluded.amount",
        [
            (outcome.root_id, one.budget_id, raised[one.name], one.name, one.limit)
            for one in budgets
            if raised.get(one.name)
        ],
    )


def _too_much(charged: Sequence[tuple[str, str, int, int]], refunds: Mapping[str, int]) -> bool:
    amounts = {name: amount for _, name, _, amount in charged}
    return any(amount > amounts.get(name, 0) for name, amount in refunds.items())
