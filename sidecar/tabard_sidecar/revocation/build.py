"""Revocation put together for the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tabard_sidecar.revocation.admin import RevocationAdmin
from tabard_sidecar.revocation.checks import RevocationChecks
from tabard_sidecar.revocation.feed import Listener, RevocationFeed
from tabard_sidecar.revocation.hooks import HookRunner, LeaseHook
from tabard_sidecar.revocation.targets import Retention
from tabard_sidecar.revocation.task_views import TaskViews

if TYPE_CHECKING:
    from tabard_sidecar.interfaces import Clock
    from tabard_sidecar.revocation.conf import RevocationConfig
    from tabard_sidecar.state.store import StateStore


@dataclass(slots=True)
class Revoking:
    """Everything about revocation that a process has.

    Attributes:
        feed: what is revoked.
        checks: what pipelines ask.
        desk: where operators revoke.
        board: what operators see of tasks.
        hooks: one runner per hook.
    """

    feed: RevocationFeed
    checks: RevocationChecks
    desk: RevocationAdmin
    board: TaskViews
    hooks: Sequence[HookRunner] = field(default_factory=tuple)

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` for every revocation and lift, for example to prune a cache; it must not block."""
        self.feed.subscribe(listener)

    async def start(self) -> None:
        """Read every revocation, follow them, and let the hooks work.

        Raises:
            NoDecision: the state store is out of reach.
        """
        for runner in self.hooks:
            runner.start()
        await self.feed.start()

    async def stop(self) -> None:
        """Stop; harmless if it never started."""
        await self.feed.stop()
        for runner in self.hooks:
            await runner.stop()


def build_revocation(  # noqa: PLR0913 - what a process has
    config: RevocationConfig,
    state: StateStore,
    *,
    clock: Clock,
    max_task_seconds: float,
    report: Callable[[str], None] = lambda _: None,
    hooks: Sequence[LeaseHook] = (),
) -> Revoking:
    """Put revocation together; nothing is read before :meth:`Revoking.start`.

    Args:
        config: the section ``revocation``.
        state: the zone's state store.
        clock: time in seconds since the epoch.
        max_task_seconds: ``limits.max_task_seconds``; a person's revocation is remembered at least that long.
        report: told what is wrong with feed and hooks, or the empty string when all is well.
        hooks: what has to hear of revocations for certain.
    """
    problems: dict[str, str] = {}

    def reporter(name: str) -> Callable[[str], None]:
        def say(problem: str) -> None:
            problems[name] = problem
            report("; ".join(problem for problem in problems.values() if problem))

        return say

    feed = RevocationFeed(
        state, clock=clock, max_stale_seconds=config.max_stale_seconds, report=reporter("feed")
    )
    runners = [HookRunner(hook, clock=clock, report=reporter(f"hook {hook.name}")) for hook in hooks]
    for runner in runners:
        feed.subscribe(runner.take)
    desk = RevocationAdmin(
        state,
        feed,
        clock=clock,
        retention=Retention(subject_seconds=max(config.subject_retention_seconds, max_task_seconds)),
    )
    board = TaskViews(state, feed, clock=clock)
    return Revoking(feed, RevocationChecks(feed, state), desk, board, tuple(runners))
