"""Shows approvals as they are requested, decided and expire."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tabard_sidecar.operating.approval_group import by_group, group_summary
from tabard_sidecar.operating.approval_prompt import WORDS, describe
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.framing import screen
from tabard_sidecar.operating.terminal import echo, echo_json, moment

if TYPE_CHECKING:
    from tabard.authz.v1 import approval_service_pb2 as pb


def follow(
    look: Callable[[], Iterable[pb.Approval]],
    told: Callable[[], dict[str, Any]],
    *,
    interval: float,
    duration: float | None,
    as_json: bool,
) -> None:
    """Print changes until interrupted, or for ``duration`` seconds. ``told`` says which sidecar answered.

    If the sidecar becomes unreachable after the first poll, keeps polling until it is back.

    Raises:
        Failure: the first poll failed.
    """
    until = None if duration is None else time.monotonic() + duration
    known: dict[str, dict[str, Any]] = {}
    reachable = first = True
    while True:
        try:
            fresh = {approval.approval_id: describe(approval) for approval in look()}
        except Failure as failure:
            if first:
                raise
            if reachable:
                failure.show()
                echo("waiting for the sidecar…", err=True)
            reachable = False
        else:
            _print_events(changes(known, fresh), told(), as_json=as_json)
            known, reachable = fresh, True
        first = False
        if until is not None and time.monotonic() >= until:
            return
        time.sleep(interval if until is None else max(0.0, min(interval, until - time.monotonic())))


def changes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the changes of approvals between two polls, as event and approval."""
    for approval_id, row in after.items():
        old = before.get(approval_id)
        if old is None or old["status"] != row["status"]:
            yield WORDS.get(row["status"], row["status"]), row
    for approval_id, row in before.items():
        if approval_id not in after and row["status"] == "pending":
            yield "expired", row


def _print_events(
    events: Iterable[tuple[str, dict[str, Any]]], told: dict[str, Any], *, as_json: bool
) -> None:
    """Print events: as JSON each by itself, else those of a group that are the same together."""
    now = time.time()
    together: dict[str, list[dict[str, Any]]] = {}
    for event, row in events:
        if as_json:
            echo_json({"time": round(now, 3), "event": event} | row | told, indent=None)
        else:
            together.setdefault(event, []).append(row)
    for event, rows in together.items():
        for group in by_group(rows):
            echo(f"{moment(now)}  {event}")
            for line in group_summary(group, screen()):
                echo(line)
