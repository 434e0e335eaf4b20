"""The policy stage of the pipeline: asks the active policy, composes, reloads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import CandidateTool, Clock
from tabard_sidecar.model import Operation, PolicyDecision, Reason
from tabard_sidecar.policy.breaker import Breaker
from tabard_sidecar.policy.conf import PolicyConfig
from tabard_sidecar.policy.engines.failures import EvaluationFailedError
from tabard_sidecar.policy.engines.provider import Active, PolicyProvider
from tabard_sidecar.policy.loading.rules import RuleIndex
from tabard_sidecar.policy.offers import DENY_QUERY, GRANT_QUERY, possible, unconditional
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.status import PolicyState, PolicyStatus

_FILTER_PARALLEL = 8

StatusListener = Callable[[PolicyStatus], None]


class Runtime:
    """Asks one policy source; implements :class:`tabard_sidecar.interfaces.PolicyRuntime`.

    Belongs to one event loop. ``start`` must have returned before anything is asked. ``listener`` is called whenever a
    load succeeded or failed.
    """

    def __init__(
        self,
        provider: PolicyProvider,
        config: PolicyConfig,
        clock: Clock,
        listener: StatusListener | None = None,
    ) -> None:
        self._provider = provider
        self._config = config
        self._clock = clock
        self._listener = listener
        self._breaker = Breaker(config.breaker_timeouts, config.breaker_pause_seconds, clock)
        self._active: Active | None = None
        self._problems: tuple[PolicyProblem, ...] = ()
        self._broken_since: float | None = None
        self._since = clock()
        self._seen: object = None
        self._loads = 0
        self._failed_loads = 0
        self._loading = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    @property
    def revision(self) -> str:
        """Revision of the active policy; empty if there is none."""
        return self._active.revision if self._active is not None else ""

    @property
    def rules(self) -> RuleIndex:
        """Where the rules of the active policy are; empty if there is none."""
        return self._active.rules if self._active is not None else RuleIndex()

    async def start(self) -> None:
        """Load the policy and follow its source.

        Raises:
            PolicyBrokenError: the policy can't be used; nothing is followed then.
        """
        await self.reload()
        if self._active is None:
            raise PolicyBrokenError(self._problems)
        self._follower = asyncio.create_task(self._follow(), name="policy-follower")

    async def close(self) -> None:
        """Stop following and free the policy."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        if self._active is not None:
            self._active.evaluator.close()
            self._active = None
        await self._provider.close()

    def status(self) -> PolicyStatus:
        """Return how the policy is doing."""
        paused = self._breaker.paused()
        reasons = [str(problem) for problem in self._problems]
        reasons += [f"evaluation of {key} is paused after repeated time-outs" for key in paused]
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
            warnings=tuple(self._active.warnings) if self._active is not None else (),
            loads=self._loads,
            failed_loads=self._failed_loads,
        )

    @property
    def reads_history(self) -> bool:
        """True unless it is certain that no rule of the active policy looks at a task's calls or labels."""
        return self.rules.reads_history

    @property
    def reads_calls(self) -> bool:
        """True unless it is certain that no rule of the active policy looks at a task's calls."""
        return self.rules.reads_calls

    async def decide(
        self,
        operation: Operation,
        input_json: bytes,
        *,
        key: str = "",
        approvals: frozenset[tuple[str, str]] = frozenset(),
    ) -> PolicyDecision:
        """Evaluate the entrypoint and compose what it answers.

        Args:
            operation: what is asked; ``input_json`` says the same.
            input_json: the policy input.
            key: what repeated time-outs are counted by, for example the tool's name.
            approvals: module and code of the questions that people have answered with yes.

        Raises:
            NoDecision: no policy is loaded, the engine can't be reached or is overloaded.
        """
        active = self._require_active()
        revision = active.revision
        if self._broken_too_long():
            return _denied(
                revision, "policy_broken_too_long", "the policy source is broken: " + self._first_problem()
            )
        kind = f"{operation.value} {key}".rstrip()
        if not self._breaker.admits(kind):
            return _denied(
                revision, "policy_timeout", f"evaluation of {kind} is paused after repeated time-outs"
            )
        try:
            answer = await active.evaluator.decision(input_json, self._config.deadline_seconds)
        except EvaluationFailedError as error:
            if error.code == "timeout":
                self._breaker.timed_out(kind)
            return _failed(active, error, self._config.deadline_seconds)
        self._breaker.answered(kind)
        return active.composer.compose(operation, answer, approvals)

    async def filter_tools(self, input_base: Mapping[str, Any], tools: Sequence[CandidateTool]) -> list[bool]:
        """Tell per tool whether some arguments could be allowed.

        Raises:
            NoDecision: no policy is loaded, or the engine can't be reached.
        """
        active = self._require_active()
        if self._broken_too_long():
            return [False] * len(tools)
        base = json.dumps({**input_base, "operation": Operation.FILTER_TOOLS.value, "tool": None}).encode()
        if not base.endswith(b', "tool": null}'):
            raise ValueError("input_base must not hold tool")
        head = base.removesuffix(b"null}")
        gate = asyncio.Semaphore(_FILTER_PARALLEL)

        async def offered(tool: CandidateTool) -> bool:
            named = {"name": tool.name, "server": tool.server, "annotations": dict(tool.annotations)}
            async with gate:
                return await self._possible(active, head + json.dumps(named).encode() + b"}")

        return list(await asyncio.gather(*map(offered, tools)))

    async def mask(self, record_json: bytes) -> list[Any]:
        """Evaluate ``data.system.log.mask`` on a decision record; an empty list if no policy defines it.

        Raises:
            NoDecision: the mask failed, so what may be written isn't known.
        """
        active = self._require_active()
        try:
            mask = await active.evaluator.mask(record_json, self._config.deadline_seconds)
        except EvaluationFailedError as error:
            raise NoDecision(
                "UNAVAILABLE", "audit_unavailable", f"system.log.mask failed: {error.message}"
            ) from error
        if mask is None:
            return []
        if not isinstance(mask, list):
            raise NoDecision("UNAVAILABLE", "audit_unavailable", "system.log.mask must be a set")
        return mask

    async def reload(self) -> PolicyStatus:
        """Load the source now. A source that is broken leaves the active policy as it is and says so in the status."""
        async with self._loading:
            seen = await self._provider.fingerprint()
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
        status = self.status()
        if self._listener is not None:
            self._listener(status)
        return status

    def _require_active(self) -> Active:
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

    async def _possible(self, active: Active, input_json: bytes) -> bool:
        deadline = self._config.deadline_seconds
        try:
            grants = await active.evaluator.partial(GRANT_QUERY, input_json, deadline)
            if not possible(grants):
                return False
            denials = await active.evaluator.partial(DENY_QUERY, input_json, deadline)
        except EvaluationFailedError as error:
            if error.code == "closed" and self._active is not None and self._active is not active:
                return await self._possible(self._active, input_json)  # reloaded between the two questions
            return False
        return not unconditional(denials)

    def _activate(self, loaded: Active) -> None:
        previous, self._active = self._active, loaded
        if previous is not None:
            previous.evaluator.close()
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
        self._failed_loads += 1
        if self._active is not None and not self._provider.keeps_last_good:
            self._active.evaluator.close()
            self._active = None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._config.poll_seconds)
            seen = await self._provider.fingerprint()
            if seen == self._seen:
                continue
            while True:
                await asyncio.sleep(self._config.quiet_seconds)
                again = await self._provider.fingerprint()
                if again == seen:
                    break
                seen = again
            await self.reload()


def _denied(revision: str, code: str, message: str) -> PolicyDecision:
    return PolicyDecision(revision, denials=(Reason(code, message),))


def _failed(active: Active, error: EvaluationFailedError, deadline_seconds: float) -> PolicyDecision:
    if error.code == "overloaded":
        raise NoDecision("RESOURCE_EXHAUSTED", "overloaded", "too many evaluations are in flight") from error
    if error.code == "input_too_large":
        raise NoDecision("INVALID_ARGUMENT", "request_invalid", error.message) from error
    if error.code == "timeout":
        return _denied(
            active.revision, "policy_timeout", f"evaluation took longer than {deadline_seconds:g} s"
        )
    where = f" ({error.file}:{error.row})" if error.file else ""
    module = active.rules.module_of(error.file)
    label = f"policy.{module}" if module else ""
    return PolicyDecision(
        active.revision, denials=(Reason("policy_error", f"{error.message}{where}", label),)
    )
