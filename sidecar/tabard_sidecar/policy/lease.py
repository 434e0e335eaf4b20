"""A policy that requests share, and one request's lease of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Self

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.facts import FactKind
from tabard_sidecar.interfaces import InputParts
from tabard_sidecar.model import Operation, PolicyDecision, Reason
from tabard_sidecar.policy.breaker import Breaker
from tabard_sidecar.policy.engines.provider import Active, EvaluationFailedError, Evaluator
from tabard_sidecar.policy.offers import DENY_QUERY, GRANT_QUERY
from tabard_sidecar.reasons import ReasonCode
from tabard_sidecar.util.malformed import MALFORMED

_FILTER_PARALLEL = 8


class SharedPolicy:
    """A loaded policy with the number of its leases. It is closed after it was retired and the last lease ended."""

    __slots__ = ("_leases", "_retired", "policy")

    def __init__(self, policy: Active) -> None:
        self.policy = policy
        self._leases = 0
        self._retired = False

    def acquire(self) -> None:
        """Count one more lease."""
        self._leases += 1

    def release(self) -> None:
        """Count one lease less."""
        self._leases -= 1
        if self._retired and not self._leases:
            self.policy.evaluator.close()

    def retire(self) -> None:
        """Close it as soon as nothing leases it."""
        self._retired = True
        if not self._leases:
            self.policy.evaluator.close()


class PolicyLease:
    """Evaluates one policy while the context lasts; see :class:`tabard_sidecar.interfaces.LeasedPolicy`.

    Args:
        shared: the policy.
        breaker: shortens or pauses evaluations after repeated time-outs.
        deadline_seconds: longest time of one evaluation.
        broken: why the policy's source has been broken for too long, so that everything is denied; otherwise empty.
    """

    def __init__(
        self, shared: SharedPolicy, breaker: Breaker, deadline_seconds: float, *, broken: str
    ) -> None:
        self._shared = shared
        self._policy = shared.policy
        self._breaker = breaker
        self._deadline_seconds = deadline_seconds
        self._broken = broken

    def __enter__(self) -> Self:
        """Begin the lease."""
        self._shared.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """End the lease."""
        self._shared.release()

    @property
    def revision(self) -> str:
        """Revision of the policy."""
        return self._policy.revision

    @property
    def reads_history(self) -> bool:
        """True unless it is certain that no rule reads a task's calls or labels."""
        return self._policy.rules.reads_history

    @property
    def reads_calls(self) -> bool:
        """True unless it is certain that no rule reads a task's calls."""
        return self._policy.rules.reads_calls

    @property
    def facts(self) -> Mapping[str, FactKind]:
        """The facts that the policy's grants note, by name."""
        return self._policy.rules.facts

    async def decide(
        self,
        operation: Operation,
        input_json: bytes,
        *,
        approvals: frozenset[tuple[str, str]] = frozenset(),
        parts: InputParts | None = None,
    ) -> PolicyDecision:
        """Evaluate the entrypoint and compose its answer.

        Args:
            operation: the requested operation, the same as in ``input_json``.
            input_json: the policy input.
            approvals: module and code of the approvals that people have given for this call.
            parts: what makes up the input, if it is a tool call's.

        Raises:
            NoDecision: the engine can't be reached or is overloaded.
        """
        if self._broken:
            return self._denied("policy_broken_too_long", f"the policy source is broken: {self._broken}")
        deadline = self._deadline_seconds * self._breaker.share()
        if not deadline:
            return self._denied("policy_timeout", "evaluation is paused: earlier ones can't be interrupted")
        try:
            answer = await self._policy.evaluator.decision(input_json, deadline, parts)
        except EvaluationFailedError as error:
            self._count(error)
            return self._failed(error, deadline)
        self._breaker.answered()
        try:
            return self._policy.composer.compose(operation, answer, approvals)
        except MALFORMED as error:
            return self._denied("policy_error", f"the engine's answer can't be read ({type(error).__name__})")

    async def filter_tools(self, inputs: Sequence[bytes]) -> list[bool]:
        """Tell per policy input whether some ``tool.arguments`` could be allowed.

        Raises:
            NoDecision: the engine can't be reached.
        """
        if self._broken:
            return [False] * len(inputs)
        gate = asyncio.Semaphore(_FILTER_PARALLEL)

        async def offered(input_json: bytes) -> bool:
            async with gate:
                return await self._possible(input_json)

        return list(await asyncio.gather(*map(offered, inputs)))

    async def _possible(self, input_json: bytes) -> bool:
        evaluator, deadline = self._policy.evaluator, self._deadline_seconds * self._breaker.share()
        if not deadline:
            return False
        try:
            if not (await evaluator.residual(GRANT_QUERY, input_json, deadline)).possible:
                return False
            return not (await evaluator.residual(DENY_QUERY, input_json, deadline)).unconditional
        except EvaluationFailedError as error:
            self._count(error)
            return False
        except MALFORMED:
            # An OPA server may answer anything; then nothing is offered.
            return False

    def _count(self, error: EvaluationFailedError) -> None:
        if error.code == "timeout":
            self._breaker.timed_out(self._policy.rules.module_of(error.file))

    def _denied(self, code: ReasonCode, message: str, module: str = "") -> PolicyDecision:
        return PolicyDecision(self._policy.revision, denials=(Reason(code, message, module),))

    def _failed(self, error: EvaluationFailedError, deadline_seconds: float) -> PolicyDecision:
        if error.code == "overloaded":
            raise NoDecision(
                "RESOURCE_EXHAUSTED", "overloaded", "too many evaluations are in flight"
            ) from error
        if error.code == "input_too_large":
            raise NoDecision("INVALID_ARGUMENT", "request_invalid", error.message) from error
        if error.code == "timeout":
            return self._denied("policy_timeout", f"evaluation took longer than {deadline_seconds:g} s")
        where = f" ({error.file}:{error.row})" if error.file else ""
        module = self._policy.rules.module_of(error.file)
        label = f"policy.{module}" if module else ""
        return self._denied("policy_error", f"{error.message}{where}", label)


async def mask(evaluator: Evaluator, record_json: bytes, deadline_seconds: float) -> list[Any]:
    """Evaluate ``data.system.log.mask`` on a decision record; an empty list if no policy defines it.

    Raises:
        NoDecision: the mask failed, so the record can't be masked.
    """
    try:
        found = await evaluator.mask(record_json, deadline_seconds)
    except EvaluationFailedError as error:
        raise NoDecision(
            "UNAVAILABLE", "audit_unavailable", f"system.log.mask failed: {error.message}"
        ) from error
    if found is None:
        return []
    if not isinstance(found, list):
        raise NoDecision("UNAVAILABLE", "audit_unavailable", "system.log.mask must be a set")
    return found
