"""How the sidecar is: named components report, one status comes out.

starting → serving ⇄ degraded → stopping. A sidecar is ready while every required component is usable; the policy is
always required, so that a sidecar without one is never ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

POLICY = "policy"


class Status(StrEnum):
    """The sidecar as a whole."""

    STARTING = "starting"
    SERVING = "serving"
    DEGRADED = "degraded"
    STOPPING = "stopping"


class State(StrEnum):
    """One component. A degraded one still does its work, a failed one doesn't."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """What a component said last."""

    state: State
    reason: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sidecar's health at one moment."""

    status: Status
    ready: bool
    components: dict[str, Report]

    @property
    def reasons(self) -> list[str]:
        """What is wrong, one entry per component that isn't well."""
        return [
            f"{name}: {report.reason or report.state.value}"
            for name, report in self.components.items()
            if report.state is not State.OK
        ]

    def document(self) -> dict[str, object]:
        """Return the snapshot as it is served over HTTP."""
        return {
            "status": self.status.value,
            "ready": self.ready,
            "reasons": self.reasons,
            "components": {
                name: {"state": report.state.value, **({"reason": report.reason} if report.reason else {})}
                for name, report in self.components.items()
            },
        }


class Component:
    """One component's way of reporting."""

    def __init__(self, health: Health, name: str, *, required: bool) -> None:
        self._health = health
        self._name = name
        self._required = required

    def ok(self) -> None:
        """Report that all is well."""
        self._report(State.OK, "")

    def degraded(self, reason: str) -> None:
        """Report that it works, but not as it should."""
        self._report(State.DEGRADED, reason)

    def failed(self, reason: str) -> None:
        """Report that it doesn't work; if it is required the sidecar isn't ready."""
        self._report(State.FAILED, reason)

    def _report(self, state: State, reason: str) -> None:
        self._health.report(self._name, Report(state, reason, self._required))


class Health:
    """Collects what the components report.

    Args:
        required: components that must be usable before the sidecar is ready, whether or not anybody has asked for
            their :class:`Component` yet. ``policy`` is always among them.
    """

    def __init__(self, required: Iterable[str] = (POLICY,)) -> None:
        self._required = frozenset({POLICY, *required})
        self._reports = {name: Report(State.STARTING, required=True) for name in sorted(self._required)}
        self._listening = False
        self._stopping = False
        self._subscribers: list[Callable[[Snapshot], None]] = []

    def component(self, name: str) -> Component:
        """Return the component ``name``; it is starting until it reports."""
        required = name in self._required
        self._reports.setdefault(name, Report(State.STARTING, required=required))
        return Component(self, name, required=required)

    def report(self, name: str, report: Report) -> None:
        """Take a component's report and tell the subscribers if it changed anything."""
        if self._reports.get(name) != report:
            self._reports[name] = report
            self._changed()

    def started(self) -> None:
        """Say that the sockets are open; before that the sidecar is never ready."""
        self._listening = True
        self._changed()

    def stopping(self) -> None:
        """Say that the sidecar drains: not ready any more."""
        self._stopping = True
        self._changed()

    def subscribe(self, subscriber: Callable[[Snapshot], None]) -> None:
        """Call ``subscriber`` now and after every change."""
        self._subscribers.append(subscriber)
        subscriber(self.snapshot())

    def snapshot(self) -> Snapshot:
        """Return the health as it is now."""
        reports = dict(self._reports)
        usable = all(
            report.state in (State.OK, State.DEGRADED) for report in reports.values() if report.required
        )
        if self._stopping:
            status = Status.STOPPING
        elif not self._listening or any(report.state is State.STARTING for report in reports.values()):
            status = Status.STARTING
        elif all(report.state is State.OK for report in reports.values()):
            status = Status.SERVING
        else:
            status = Status.DEGRADED
        ready = usable and status in (Status.SERVING, Status.DEGRADED)
        return Snapshot(status, ready, reports)

    def _changed(self) -> None:
        snapshot = self.snapshot()
        for subscriber in self._subscribers:
            subscriber(snapshot)
