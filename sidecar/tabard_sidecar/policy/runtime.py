"""Holds the active policy: loads it, watches its source, leases it to requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from tabard_opa import UNFINISHED

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Clock
from tabard_sidecar.policy.breaker import Breaker
from tabard_sidecar.policy.conf import PolicyConfig
from tabard_sidecar.policy.engines.provider import LOAD_TIMEOUT, UNREACHABLE, Active, PolicyProvider
from tabard_sidecar.policy.lease import PolicyLease, SharedPolicy, mask
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.status import PolicyState, PolicyStatus
from tabard_sidecar.util.ticks import tick

StatusListener = Callable[[PolicyStatus], None]

_WATCH_SECONDS = 1.0
_HURRY_SECONDS = 0.1
_MOST_PAUSE_SECONDS = 600.0
_UNCHECKED = PolicyProblem(
    "", 0, 0, "unchecked", "the server has another policy, which isn't checked yet", "Wait for the check"
)


class Companion(Protocol):
    """What a policy is checked against, and what changes together with it: the catalogue."""

    async def fingerprint(self) -> object:
        """Return a value that changes whenever its source does."""
        ...

    async def refresh(self) -> None:
        """Read its source if that changed; never raises."""
        ...


class Runtime:
    """Serves one policy source; implements :class:`tabard_sidecar.interfaces.PolicyRuntime`.

    Belongs to one event loop. ``start`` must have returned before a policy is leased. ``listener`` is called whenever a
    load succeeded or failed, and within a second after evaluation was shortened, paused or got stuck, or went on.
    ``companion`` is followed like the policy, and read before it.
    """

    def __init__(
        self,
        provider: PolicyProvider,
        config: PolicyConfig,
        clock: Clock,
        listener: StatusListener | None = None,
        companion: Companion | None = None,
    ) -> None:
        self._provider = provider
        self._companion = companion
        self._config = config
        self._clock = clock
        self._listener = listener
        self._breaker = Breaker(
            config.breaker_timeouts, config.breaker_pause_seconds, clock, lambda: provider.stuck()[0]
        )
        self._active: SharedPolicy | None = None
        self._problems: tuple[PolicyProblem, ...] = ()
        self._broken_since: float | None = None
        self._since = clock()
        self._seen: object = None
        self._loads = self._attempts = 0
        self._retry_pause = 0.0
        self._retry_at: float | None = None
        self._loading = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def revision(self) -> str:
        """Revision of the active policy; empty if there is none."""
        return self._active.policy.revision if self._active is not None else ""

    @property
    def rules(self) -> RuleIndex:
        """Index of the rules of the active policy; empty if there is none."""
        return self._active.policy.rules if self._active is not None else RuleIndex()

    async def start(self) -> None:
        """Load the policy and watch its source.

        Raises:
            PolicyBrokenError: the policy can't be used; the source isn't watched then.
        """
        await self.reload()
        if self._active is None:
            raise PolicyBrokenError(self._problems)
        self._tasks = [
            asyncio.create_task(self._follow(), name="policy-follower"),
            asyncio.create_task(self._watch(), name="policy-watcher"),
        ]

    async def close(self) -> None:
        """Stop watching and free the policy."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._active is not None:
            self._active.retire()
            self._active = None
        await self._provider.close()

    def status(self) -> PolicyStatus:
        """Return the status of the policy."""
        reasons = [str(problem) for problem in self._problems] + list(self._breaker.reasons())
        stuck, ever_stuck = self._provider.stuck()
        if stuck:
            reasons.append(f"{stuck} evaluations can't be interrupted: restart the sidecar if they don't end")
        if self._active is None:
            state = PolicyState.DEGRADED if self._problems else PolicyState.STARTING
        else:
            state = PolicyState.DEGRADED if reasons else PolicyState.SERVING
        return PolicyStatus(
            state=state,
            ready=self._active is not None and not self._broken_too_long(),
            reasons=tuple(reasons),
            revision=self.revision,
            since=self._since,
            problems=self._problems,
            warnings=tuple(self._active.policy.warnings) if self._active is not None else (),
            loads=self._loads,
            attempts=self._attempts,
            stuck=stuck,
            ever_stuck=ever_stuck,
        )

    def lease(self) -> PolicyLease:
        """Lease the active policy until the context ends.

        Raises:
            NoDecision: no policy is loaded.
        """
        active = self._require_active()
        broken = self._first_problem() if self._broken_too_long() else ""
        return PolicyLease(active, self._breaker, self._config.deadline_seconds, broken=broken)

    @property
    def masks_records(self) -> bool:
        """False if it is certain that no policy defines a mask."""
        return self._active is None or self._active.policy.evaluator.masks_records

    async def mask(self, record_json: bytes) -> list[Any]:
        """Evaluate ``data.system.log.mask`` on a decision record; an empty list if no policy defines it.

        Raises:
            NoDecision: the mask failed, so the record can't be masked.
        """
        # Not leased: the evaluation starts before other code can replace the policy.
        return await mask(self._require_active().policy.evaluator, record_json, self._config.deadline_seconds)

    async def reload(self) -> PolicyStatus:
        """Load the source now. A source that is broken leaves the active policy as it is and says so in the status."""
        async with self._loading:
            seen = await self._fingerprint()
            self._end_unchecked()
            if self._companion is not None:
                await self._companion.refresh()
            try:
                loaded = await self._provider.load()
            except PolicyBrokenError as error:
                self._broke(error.problems)
            except Exception as error:  # noqa: BLE001 - whatever it was, the source has to be followed further
                message = f"loading failed unexpectedly: {type(error).__name__}: {error}"
                self._broke((PolicyProblem("", 0, 0, "internal", message, "Report it"),))
            else:
                self._activate(loaded)
            self._seen = seen
            self._attempts += 1
            self._plan_retry()
        status = self.status()
        if self._listener is not None:
            self._listener(status)
        return status

    def _plan_retry(self) -> None:
        """Plan to load an unchanged source again if what kept the load from its end may pass: a busy machine or server."""
        codes, config = {problem.code for problem in self._problems}, self._config
        if codes & {LOAD_TIMEOUT, UNFINISHED}:
            first, most = config.load_seconds, _MOST_PAUSE_SECONDS
        elif UNREACHABLE in codes:  # Nothing is decided until it is loaded.
            first, most = config.poll_seconds, max(config.poll_seconds, config.load_seconds)
        else:
            self._retry_pause, self._retry_at = 0.0, None
            return
        self._retry_pause = min(self._retry_pause * 2 or first, most)
        self._retry_at = self._clock() + self._retry_pause

    async def _fingerprint(self) -> object:
        """Return a value that changes whenever the policy's source or the companion's does."""
        if self._companion is None:
            return await self._provider.fingerprint()
        # Both at once: each answer of a thread wakes the loop.
        return tuple(await asyncio.gather(self._provider.fingerprint(), self._companion.fingerprint()))

    def _require_active(self) -> SharedPolicy:
        if self._active is None:
            message = "no policy is loaded: " + self._first_problem()
            raise NoDecision("UNAVAILABLE", "policy_unavailable", message)
        return self._active

    def _first_problem(self) -> str:
        return str(self._problems[0]) if self._problems else "it is still being loaded"

    def _broken_too_long(self) -> bool:
        limit = self._config.max_broken_seconds
        return (
            limit is not None
            and self._broken_since is not None
            and self._clock() - self._broken_since > limit
        )

    def _activate(self, loaded: Active) -> None:
        previous, self._active = self._active, SharedPolicy(loaded)
        if previous is not None:
            previous.retire()
        if previous is None or self._problems:
            self._since = self._clock()
        self._problems = ()
        self._broken_since = None
        self._loads += 1

    def _broke(self, problems: tuple[PolicyProblem, ...]) -> None:
        now = self._clock()
        if not self._problems:
            self._since = now
        self._problems = problems
        self._broken_since = self._broken_since if self._broken_since is not None else now
        if self._active is not None and not self._provider.keeps_last_good:
            self._active.retire()
            self._active = None

    async def _watch(self) -> None:
        """Tell the listener when evaluation was shortened, paused or got stuck, or went on."""
        told = self._pressure()
        while True:
            await tick(_WATCH_SECONDS)
            pressure = self._pressure()
            if pressure != told:
                told = pressure
                self._tell()

    async def _told_of_a_change(self) -> bool:
        """Wait for the next look at the source, or until it is known to have changed as a whole; tell which it was."""
        outdated = self._provider.outdated
        if outdated is None:
            await tick(self._config.poll_seconds)
            return False
        told = asyncio.ensure_future(outdated.wait())
        waiting = asyncio.ensure_future(tick(self._config.poll_seconds))
        try:
            await asyncio.wait((told, waiting), return_when=asyncio.FIRST_COMPLETED)
            if waiting.done() and not told.done():
                return False
            # Servers that take turns and have different policies would otherwise have it load without a pause.
            await asyncio.sleep(min(_HURRY_SECONDS, self._config.poll_seconds))
            return True
        finally:
            told.cancel()
            waiting.cancel()

    def _tell(self) -> None:
        if self._listener is not None:
            self._listener(self.status())

    def _pressure(self) -> object:
        stuck = self._provider.stuck()
        return self._breaker.reasons(stuck[0]), stuck

    async def _follow(self) -> None:
        while True:
            if await self._told_of_a_change():
                await self.reload()
                continue
            seen = await self._fingerprint()
            if seen == self._seen:
                if self._retry_at is not None and self._clock() >= self._retry_at:
                    await self.reload()
                continue
            self._end_unchecked()
            while True:
                await asyncio.sleep(self._config.quiet_seconds)
                again = await self._fingerprint()
                if again == seen:
                    break
                seen = again
                self._end_unchecked()
            await self.reload()

    def _end_unchecked(self) -> None:
        """Serve no policy if what would be evaluated from now on is another one than was checked."""
        if self._provider.unchecked and self._active is not None:
            self._broke((_UNCHECKED,))
            self._tell()
