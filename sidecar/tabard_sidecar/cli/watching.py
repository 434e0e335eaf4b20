"""Implements ``tabard tasks watch``: polls the zone's tasks and prints changes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tabard_sidecar.cli.revoke import listed
from tabard_sidecar.cli.task_view import summary
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.framing import screen
from tabard_sidecar.operating.revocations import describe as describe_revocation
from tabard_sidecar.operating.tasks import fetch
from tabard_sidecar.operating.terminal import echo, echo_json, moment

if TYPE_CHECKING:
    from tabard_sidecar.operating.operator import Operator

_KNOWN_REVOCATIONS = 1000


def follow(asked: Operator, *, limit: int, interval: float, duration: float | None, as_json: bool) -> None:
    """Print changes until interrupted, or for ``duration`` seconds.

    If the sidecar becomes unreachable after the first poll, keeps polling until it is back.

    Raises:
        Failure: the first poll failed.
    """
    until = None if duration is None else time.monotonic() + duration
    known = {row["task_id"]: row for row in fetch(asked, limit)}
    sequence = max((entry["sequence"] for entry in _revocations(asked, 0)), default=0)

    def show(event: str, what: dict[str, Any]) -> None:
        _print_event(event, what | asked.told(), as_json=as_json)

    for row in reversed(known.values()):
        show("task", row)
    reachable = True
    while until is None or time.monotonic() < until:
        time.sleep(interval if until is None else max(0.0, min(interval, until - time.monotonic())))
        try:
            fresh = {row["task_id"]: row for row in fetch(asked, limit)}
            revoked = _revocations(asked, sequence)
        except Failure as failure:
            if reachable:
                failure.show()
                echo("waiting for the sidecar…", err=True)
            reachable = False
            continue
        reachable = True
        for entry in revoked:
            sequence = max(sequence, entry["sequence"])
            show("revoked", entry)
        for event, row in changes(known, fresh, full=len(fresh) == limit):
            show(event, row)
        known = fresh


def changes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]], *, full: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the changes of tasks between two polls, as event and task.

    ``full`` means that ``after`` only holds the newest tasks, so a missing task needn't have expired.
    """
    for task_id, row in reversed(after.items()):
        old = before.get(task_id)
        if old is None:
            yield "started", row
        elif row["state"] != old["state"]:
            yield row["state"], row
        elif row["labels"] != old["labels"]:
            yield "labels", row
    if not full:
        for task_id, row in before.items():
            if task_id not in after:
                yield "expired", row


def _revocations(asked: Operator, after: int) -> list[dict[str, Any]]:
    """Return the operators' revocations, oldest first. What holders ended shows in the states of tasks."""
    from tabard.authz.v1 import revocation_service_pb2 as pb  # noqa: PLC0415
    from tabard.authz.v1 import revocation_service_pb2_grpc as pb_grpc  # noqa: PLC0415

    request = pb.ListRevocationsRequest(after_sequence=after, limit=_KNOWN_REVOCATIONS)
    found = asked.call(pb_grpc.RevocationServiceStub(asked.channel).ListRevocations, request)
    return [describe_revocation(entry) for entry in reversed(found.revocations)]


def _print_event(event: str, what: dict[str, Any], *, as_json: bool) -> None:
    now = time.time()
    if as_json:
        echo_json({"time": round(now, 3), "event": event} | what, indent=None)
        return
    stamp, where = f"{moment(now)}  {event:<9} ", screen(scripts=True)
    for line in listed(what, where, stamp) if event == "revoked" else summary(what, where, stamp):
        echo(line)
