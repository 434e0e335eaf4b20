"""Builds the revocation components of a process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.revocation.admin import RevocationAdmin
from tabard_sidecar.revocation.checks import RevocationChecks
from tabard_sidecar.revocation.feed import Listener, RevocationFeed
from tabard_sidecar.revocation.hooks import HookRunner, LeaseHook
from tabard_sidecar.revocation.lease_views import LeaseViews
from tabard_sidecar.revocation.targets import Retention
from tabard_sidecar.revocation.task_views import TaskViews
from tabard_sidecar.util.joined_problems import JoinedProblems
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.revocation.conf import RevocationConfig
    from tabard_sidecar.state.store import StateStore


@dataclass(slots=True)
class RevocationParts:
    """The revocation components of a process.

    Attributes:
        feed: follows the zone's revocations.
        checks: the pipelines' checks.
        admin: revokes for operators.
        task_views: shows tasks to operators.
        lease_views: shows leases to operators.
        hooks: one runner per hook.
    """

    feed: RevocationFeed
    checks: RevocationChecks
    admin: RevocationAdmin
    task_views: TaskViews
    lease_views: LeaseViews
    hooks: Sequence[HookRunner] = field(default_factory=tuple)

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` for every revocation and lift, for example to prune a cache; it must not block."""
        self.feed.subscribe(listener)

    async def start(self) -> None:
        """Read every revocation, follow new ones, and start the hooks.

        Raises:
            NoDecision: the state store is unavailable.
        """
        for runner in self.hooks:
            runner.start()
        await self.feed.start()

    async def finish(self, seconds: float) -> None:
        """Let the hooks handle what was revoked until now, for ``seconds`` at most. The rest waits for the next start."""
        if not all(runner.started for runner in self.hooks):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                with contextlib.suppress(NoDecision):
                    await self.feed.refresh()
                await asyncio.gather(*(runner.finish() for runner in self.hooks))

    async def stop(self) -> None:
        """Stop. Does nothing if it never started."""
        await self.feed.stop()
        for runner in self.hooks:
            await runner.stop()


def build_revocation(  # noqa: PLR0913 - one argument per component
    config: RevocationConfig,
    state: StateStore,
    *,
    clock: Clock,
    max_task_seconds: float,
    report: Callable[[str], None] = lambda _: None,
    steady: Callable[[], bool] = lambda: True,
    hooks: Sequence[LeaseHook] = (),
) -> RevocationParts:
    """Build the components; nothing is read before :meth:`RevocationParts.start`.

    Args:
        config: the section ``revocation``.
        state: the zone's state store.
        clock: time in seconds since the epoch.
        max_task_seconds: ``limits.max_task_seconds``; a person's revocation is kept at least that long.
        report: called with the problems of feed and hooks, or the empty string if there are none.
        steady: tells whether the clock is right, so that what has expired may be forgotten.
        hooks: called at least once for every revocation.
    """
    problems = JoinedProblems(report)

    feed = RevocationFeed(
        state,
        clock=clock,
        max_stale_seconds=config.max_stale_seconds,
        report=partial(problems.tell, "feed"),
        steady=steady,
    )
    runners = [
        HookRunner(hook, clock=clock, report=partial(problems.tell, f"hook {hook.name}")) for hook in hooks
    ]
    for runner in runners:
        feed.subscribe(runner.take)
    admin = RevocationAdmin(
        state,
        feed,
        clock=clock,
        retention=Retention(subject_seconds=max(config.subject_retention_seconds, max_task_seconds)),
    )
    return RevocationParts(
        feed,
        RevocationChecks(feed, state),
        admin,
        TaskViews(state, feed, clock=clock),
        LeaseViews(state, clock=clock),
        tuple(runners),
    )
