"""A zone's real state store, feeds over it, and a store in between that can be broken."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Agent, Subject
from tabard_sidecar.revocation import RevocationAdmin, RevocationChecks, RevocationFeed
from tabard_sidecar.revocation.targets import Retention
from tabard_sidecar.revocation.task_views import TaskViews
from tabard_sidecar.state import Child, TaskRecord
from tabard_sidecar.state.sqlite import SQLiteStateStore

from tests.support.grants import ALICE, NOW, make_kit
from tests.support.tokens import FakeClock

IDP = "https://idp.example.org"


class Breakable:
    """Passes calls on to the real store; while ``broken``, every call fails; while ``silent``, none returns."""

    def __init__(self, store):
        self._store = store
        self.broken = False
        self.silent = False
        self.calls: list[str] = []

    def __getattr__(self, name):
        method = getattr(self._store, name)

        async def call(*arguments, **options):
            self.calls.append(name)
            await asyncio.sleep(0)  # as a store on a network does
            if self.silent:
                await asyncio.Event().wait()
            if self.broken:
                raise NoDecision("UNAVAILABLE", "state_unavailable", "the store is broken by the test")
            return await method(*arguments, **options)

        return call


@dataclass
class Side:
    """One sidecar's view: its feed and everything over it, on a store that can be broken."""

    store: Breakable
    feed: RevocationFeed
    checks: RevocationChecks
    admin: RevocationAdmin
    task_views: TaskViews
    problems: list[str] = field(default_factory=list)


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
async def store(tmp_path):
    opened = SQLiteStateStore(tmp_path / "state.db", zone="shop")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def side(store, clock):
    """Makes sidecars' views over the one store; each is started when it is made unless told otherwise."""
    made = []

    async def side(*, start=True, max_stale_seconds=2.0, over=None, listeners=(), steady=lambda: True):
        problems: list[str] = []
        breakable = Breakable(over or store)
        feed = RevocationFeed(
            breakable,
            clock=clock,
            max_stale_seconds=max_stale_seconds,
            report=problems.append,
            uptime=lambda: clock.now,
            steady=steady,
        )
        for listener in listeners:
            feed.subscribe(listener)
        admin = RevocationAdmin(breakable, feed, clock=clock, retention=Retention(subject_seconds=86_400.0))
        one = Side(
            breakable,
            feed,
            RevocationChecks(feed, breakable),
            admin,
            TaskViews(breakable, feed, clock=clock),
            problems,
        )
        made.append(one)
        if start:
            await feed.start()
        return one

    yield side
    for one in made:
        await one.feed.stop()


@pytest.fixture
def kit(tmp_path):
    return make_kit(tmp_path / "keys")


def agent(name: str = ALICE) -> Agent:
    """A workload whose identity was verified."""
    return Agent(name, "https://kubernetes.example.org")


def person(subject_id: str = "u-1", issuer: str = IDP) -> Subject:
    """A person whose token was verified."""
    return Subject(subject_id, issuer)


async def open_task(store, name: str, **changes) -> TaskRecord:
    """Open a task of u-1 by Alice that lasts an hour."""
    record = {
        "root_id": name * 64 if len(name) == 1 else name,
        "task_id": f"task-{name}",
        "subject_issuer": IDP,
        "subject_id": "u-1",
        "workload": ALICE,
        "purpose": "refunds",
        "started_at": NOW,
        "expires_at": NOW + 3600,
    }
    task = TaskRecord(**(record | changes))
    await store.open_task(task, labels_since=0.0)
    return task


async def add_child(store, parent: str, child: str, root: str, holder: str, *, sub_agent: str = "") -> None:
    """Count a step of a chain."""
    counted = Child(parent, child, None, root, holder, sub_agent)
    assert await store.register_children([counted], now=NOW, expires_at=NOW + 3600) is None
