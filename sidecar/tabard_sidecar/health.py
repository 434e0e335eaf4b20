"""Combines the reports of named components into one health status.

starting → serving ⇄ degraded → stopping. A process is ready while every required component is usable. A sidecar's policy is
always required, so that a sidecar without one is never ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from tabard_sidecar.util.lean import dataclass

POLICY = "policy"


@dataclass(frozen=True, slots=True)
class About:
    """Which sidecar it is, for operators.

    Attributes:
        zone: its zone.
        config: path of its configuration file; empty if it has none.
        pid: its process.
    """

    zone: str = ""
    config: str = ""
    pid: int = 0


class Status(StrEnum):
    """The sidecar as a whole."""

    STARTING = "starting"
    SERVING = "serving"
    DEGRADED = "degraded"
    STOPPING = "stopping"
    STUCK = "stuck"
    """The event loop is held up, so the process answers nothing but ``listen.health``."""


class State(StrEnum):
    """One component. A degraded one still does its work, a failed one doesn't."""

    STARTING = "starting"
    OK = "ok"
    DEGRADED = "degraded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """The last report of a component."""

    state: State
    reason: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sidecar's health at one moment."""

    status: Status
    ready: bool
    components: dict[str, Report]
    about: About = About()

    @property
    def reasons(self) -> list[str]:
        """One entry per component that isn't usable or is degraded."""
        return [
            f"{name}: {report.reason or report.state.value}"
            for name, report in self.components.items()
            if report.state is not State.OK
        ]

    def brief(self) -> dict[str, object]:
        """Return the status only, as it is served on ``http.listen``."""
        return {"status": self.status.value, "ready": self.ready}

    def document(self) -> dict[str, object]:
        """Return the snapshot with its reasons, as it is served on ``listen.health``."""
        return {
            "status": self.status.value,
            "ready": self.ready,
            "zone": self.about.zone,
            "config": self.about.config,
            "pid": self.about.pid,
            "reasons": self.reasons,
            "components": {
                name: {"state": report.state.value, **({"reason": report.reason} if report.reason else {})}
                for name, report in self.components.items()
            },
        }


class Component:
    """Reports the health of one component."""

    def __init__(self, health: Health, name: str, *, required: bool) -> None:
        self._health = health
        self._name = name
        self._required = required

    def ok(self) -> None:
        """Report that the component works."""
        self._report(State.OK, "")

    def degraded(self, reason: str) -> None:
        """Report that the component works with limits."""
        self._report(State.DEGRADED, reason)

    def failed(self, reason: str) -> None:
        """Report that the component doesn't work; if it is required, the sidecar isn't ready."""
        self._report(State.FAILED, reason)

    def report(self, problem: str) -> None:
        """Report the current problem, with which the component still works; the empty string if there is none."""
        if problem:
            self.degraded(problem)
        else:
            self.ok()

    def _report(self, state: State, reason: str) -> None:
        self._health.report(self._name, Report(state, reason, self._required))


class Health:
    """Collects the reports of the components.

    Args:
        required: components that must be usable before the process is ready, even before their
            :class:`Component` was created.
        about: which sidecar it is.
    """

    def __init__(self, required: Iterable[str] = (POLICY,), about: About | None = None) -> None:
        self.about = about or About()
        self._required = frozenset(required)
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
        """Store a component's report; call the subscribers if the health changed."""
        if self._reports.get(name) != report:
            self._reports[name] = report
            self._changed()

    def started(self) -> None:
        """Note that the sockets are open; before that the sidecar is never ready."""
        self._listening = True
        self._changed()

    def stopping(self) -> None:
        """Note that the sidecar drains, so it is no longer ready."""
        self._stopping = True
        self._changed()

    def subscribe(self, subscriber: Callable[[Snapshot], None]) -> None:
        """Call ``subscriber`` now and after every change."""
        self._subscribers.append(subscriber)
        subscriber(self.snapshot())

    def snapshot(self) -> Snapshot:
        """Return the current health."""
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
        return Snapshot(status, ready, reports, self.about)

    def _changed(self) -> None:
        snapshot = self.snapshot()
        for subscriber in self._subscribers:
            subscriber(snapshot)
