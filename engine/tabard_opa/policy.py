"""Evaluates a compiled policy."""

from __future__ import annotations

import json
import os
import weakref
from ctypes import byref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from tabard_opa._library import OK, PENDING, Library, Outcome, problems_from
from tabard_opa._mailbox import Answer, Mailboxes
from tabard_opa._text import data_text
from tabard_opa.answered import Answered, Reading, readings_from
from tabard_opa.errors import EngineError, EvaluationError, ForkedError, decoded_error, evaluation_error
from tabard_opa.explaining import Explanation, Mode, Shown, clauses_of
from tabard_opa.measuring import Coverage, FileCoverage, Profile, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_MAX_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Residual:
    """What remains of a query that was evaluated partially.

    Attributes:
        queries: How many residual queries there are: of none, the query is true for no value of the unknowns.
        unconditional: Whether one of them is true for every value of the unknowns.
    """

    queries: int
    unconditional: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that an engine sets for the evaluations of its policies.

    Attributes:
        max_input_bytes: The largest input that is evaluated.
        hold_ns: How long an evaluation may keep Python's lock, in nanoseconds.
    """

    max_input_bytes: int
    hold_ns: int


class Policy:
    """A compiled, immutable policy. Any number of evaluations may run at once, from loops and threads.

    ``close`` frees it; running evaluations finish, later ones fail with ``closed``. A garbage-collected policy is closed.

    Every ``deadline_seconds`` counts from the call. An optional ``metrics`` dictionary receives the nanoseconds of parsing
    the input and of evaluating, under OPA's names.
    """

    def __init__(
        self,
        library: Library,
        mailboxes: Mailboxes,
        handle: int,
        entrypoints: tuple[str, ...],
        limits: Limits,
    ) -> None:
        self._library = library
        self._mailboxes = mailboxes
        self._call = library.held.tabard_evaluate
        self._handle = handle
        self._pid = os.getpid()
        self._limits = limits
        self._indexes = {name: index for index, name in enumerate(entrypoints)}
        self._finalizer = weakref.finalize(self, _free_policy, library, handle, self._pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def entrypoints(self) -> tuple[str, ...]:
        """The rules that can be evaluated."""
        return tuple(self._indexes)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return not self._finalizer.alive

    def close(self) -> None:
        """Free the policy. Idempotent."""
        self._finalizer()

    async def evaluate(
        self,
        entrypoint: str,
        input_json: bytes,
        *,
        deadline_seconds: float,
        metrics: dict[str, int] | None = None,
    ) -> bytes:
        """Evaluate an entrypoint on an input.

        A short evaluation finishes before this yields to the loop; a longer one continues on Go's threads. Cancelling the
        caller stops the evaluation.

        Returns:
            The result as JSON.

        Raises:
            EvaluationError: there is no result; ``code`` says why.
            KeyError: the policy wasn't compiled for this entrypoint.
            ForkedError: this process was forked after the engine was loaded.
        """
        mailbox = self._mailboxes.current()
        outcome = self._begin(entrypoint, input_json, deadline_seconds, mailbox.handle)
        if outcome.status == PENDING:
            answer = await mailbox.wait(outcome.handle)
            return _result(answer, metrics)
        return self._finish(outcome, metrics)

    async def answer(self, entrypoint: str, input_json: bytes, *, deadline_seconds: float) -> Answered:
        """Like ``evaluate``, with the same errors; also tells by what the answer is remembered.

        An input that agrees with this one in all :meth:`readings` of the way has the same answer.
        """
        mailbox = self._mailboxes.current()
        outcome = self._begin(entrypoint, input_json, deadline_seconds, mailbox.handle)
        if outcome.status == PENDING:
            mailed = await mailbox.wait(outcome.handle)
            return Answered(_result(mailed, None), mailed.way)
        return Answered(self._finish(outcome, None), outcome.way)

    def recalled(self, count: int) -> None:
        """Tell the engine that so many answers were given again by their :meth:`readings`: remembering pays."""
        self._library.held.tabard_recalled(self._handle, count)

    def readings(self, way: int) -> tuple[Reading, ...]:
        """Return what is read on a way to an answer: everything that decides it, in the order of the evaluation.

        Raises:
            EngineError: there is no such way, or the policy is closed.
        """
        outcome = Outcome()
        self._library.held.tabard_readings(self._handle, way, byref(outcome))
        data = self._library.take(outcome)
        if outcome.status != OK:
            raise EngineError(problems_from(data))
        return readings_from(data)

    def evaluate_blocking(
        self,
        entrypoint: str,
        input_json: bytes,
        *,
        deadline_seconds: float,
        metrics: dict[str, int] | None = None,
    ) -> bytes:
        """Like ``evaluate``, for threads: waits with the GIL released.

        Returns:
            The result as JSON.

        Raises:
            EvaluationError: there is no result; ``code`` says why.
            KeyError: the policy wasn't compiled for this entrypoint.
            ForkedError: this process was forked after the engine was loaded.
        """
        outcome = self._begin(entrypoint, input_json, deadline_seconds, 0)
        return self._finish(self._block(outcome), metrics)

    async def partial(
        self, query: str, input_json: bytes, unknowns: Sequence[str], *, deadline_seconds: float
    ) -> dict[str, Any]:
        """Evaluate a query partially, leaving the unknowns open.

        Args:
            query: Rego, such as ``data.tabard.decision.grant[_]``.
            input_json: The known part of the input.
            unknowns: References such as ``input.tool.arguments``.
            deadline_seconds: The deadline.

        Returns:
            ``queries``, the residual queries (none: never true; an empty one: always true), and ``support``, the modules
            that these refer to; both as OPA's JSON syntax tree.

        Raises:
            EvaluationError: there is no result; ``code`` says why.
            ForkedError: this process was forked after the engine was loaded.
        """
        request = {"kind": "partial", "query": query, "unknowns": list(unknowns)}
        partial: dict[str, Any] = json.loads(await self._answer(request, input_json, deadline_seconds))
        return partial

    async def residual(
        self, query: str, input_json: bytes, unknowns: Sequence[str], *, deadline_seconds: float
    ) -> Residual:
        """Evaluate a query partially, and only count what remains; faster than ``partial``, and remembered like answers.

        A short evaluation finishes before this yields to the loop.

        Args:
            query: Rego, such as ``data.tabard.decision.grant[_]``.
            input_json: The known part of the input.
            unknowns: References such as ``input.tool.arguments``.
            deadline_seconds: The deadline.

        Raises:
            EvaluationError: there is no result; ``code`` says why.
            ForkedError: this process was forked after the engine was loaded.
        """
        request = {"kind": "residual", "query": query, "unknowns": list(unknowns)}
        return Residual(**json.loads(await self._answer(request, input_json, deadline_seconds)))

    async def _answer(self, request: dict[str, Any], input_json: bytes, deadline_seconds: float) -> bytes:
        mailbox = self._mailboxes.current()
        outcome = self._query(request, input_json, deadline_seconds, mailbox.handle)
        if outcome.status == PENDING:
            return _result(await mailbox.wait(outcome.handle), None)
        return self._finish(outcome, None)

    def explain(
        self, path: str, input_json: bytes, *, deadline_seconds: float, mode: Mode = "full"
    ) -> Explanation:
        """Evaluate any rule and trace the evaluation. Slow; meant for people.

        Args:
            path: A rule such as ``data.policy.refunds.grant``; it needn't be an entrypoint.
            input_json: The input.
            deadline_seconds: The deadline.
            mode: ``full``, only the expressions that failed (``fails``), only notes of policies' ``trace`` (``notes``), or
                no trace but the clauses of the rule (``conditions``), which takes no memory for each step.

        Raises:
            EvaluationError: there is no such rule, or the input isn't JSON. Errors of the evaluation itself are in the
                explanation.
            ForkedError: this process was forked after the engine was loaded.
        """
        request = {"kind": "explain", "query": path, "mode": mode}
        answer, error = self._told(request, input_json, deadline_seconds)
        return Explanation(
            result=answer["result"],
            error=error,
            trace=answer["trace"],
            clauses=clauses_of(answer["clauses"]),
        )

    def show(
        self, expression: str, names: Mapping[str, str], input_json: bytes, *, deadline_seconds: float
    ) -> Shown:
        """Evaluate an expression that names what the policy's rules may name. Slow; meant for people.

        Args:
            expression: Rego, such as ``data.policy.refunds.limit`` or ``count(input.tool.arguments.items)``.
            names: Short names of references, such as ``{"refunds": "data.policy.refunds"}``.
            input_json: The input.
            deadline_seconds: The deadline.

        Raises:
            EvaluationError: this is no expression with a value, it names what isn't there, or the input isn't JSON.
                Errors of the evaluation itself are in the answer.
            ForkedError: this process was forked after the engine was loaded.
        """
        request = {"kind": "show", "query": expression, "names": dict(names)}
        answer, error = self._told(request, input_json, deadline_seconds)
        return Shown(
            values=tuple(answer["values"]),
            more=answer["more"],
            error=error,
            clauses=clauses_of(answer["clauses"]),
        )

    def cover(
        self, path: str, input_json: bytes, files: Sequence[str], *, deadline_seconds: float
    ) -> Coverage:
        """Evaluate any rule and tell which parts of these modules ran, by OPA's own rules of coverage.

        The policy has to be compiled with ``as_written``; of another one no module is known.

        Raises:
            EvaluationError: there is no such rule. Errors of the evaluation itself are in the answer.
            ForkedError: this process was forked after the engine was loaded.
        """
        request = {"kind": "cover", "query": path, "files": list(files)}
        answer, error = self._told(request, input_json, deadline_seconds)
        return Coverage({name: FileCoverage.of(told) for name, told in answer["files"].items()}, error)

    def profile(self, path: str, input_json: bytes, *, deadline_seconds: float) -> Profile:
        """Evaluate any rule and measure each expression. Slow: measuring takes more time than most expressions do.

        Raises:
            EvaluationError: there is no such rule. Errors of the evaluation itself are in the answer.
            ForkedError: this process was forked after the engine was loaded.
        """
        answer, error = self._told({"kind": "profile", "query": path}, input_json, deadline_seconds)
        return Profile(answer["ns"], tuple(Step(**told) for told in answer["steps"]), error)

    def with_data(self, data: Mapping[str, Any] | bytes) -> Policy:
        """Return the same rules with other data, compiled once. It remembers no answers.

        Raises:
            EngineError: the data isn't JSON, or has a value where a rule is.
            ForkedError: this process was forked after the engine was loaded.
        """
        self._check(b"")
        text = data_text(data).encode()
        handle, _ = self._library.call("tabard_policy_with_data", self._handle, text, len(text))
        return Policy(self._library, self._mailboxes, handle, self.entrypoints, self._limits)

    def _told(
        self, request: dict[str, Any], input_json: bytes, deadline_seconds: float
    ) -> tuple[dict[str, Any], EvaluationError | None]:
        """Return the answer to a query, and the failure of the evaluation that it tells of."""
        outcome = self._block(self._query(request, input_json, deadline_seconds, 0))
        answer = json.loads(self._finish(outcome, None))
        failure = answer["failure"]
        return answer, None if failure is None else evaluation_error(failure)

    def _query(
        self, request: dict[str, Any], input_json: bytes, deadline_seconds: float, mailbox: int
    ) -> Outcome:
        self._check(input_json)
        text = json.dumps(request).encode()
        outcome = Outcome()
        self._library.held.tabard_query(
            self._handle,
            text,
            len(text),
            input_json,
            len(input_json),
            _nanoseconds(deadline_seconds),
            self._limits.hold_ns,
            mailbox,
            byref(outcome),
        )
        return outcome

    def _begin(self, entrypoint: str, input_json: bytes, deadline_seconds: float, mailbox: int) -> Outcome:
        index = self._indexes[entrypoint]
        self._check(input_json)
        outcome = Outcome()
        self._call(
            self._handle,
            index,
            input_json,
            len(input_json),
            _nanoseconds(deadline_seconds),
            self._limits.hold_ns,
            mailbox,
            byref(outcome),
        )
        return outcome

    def _block(self, outcome: Outcome) -> Outcome:
        if outcome.status != PENDING:
            return outcome
        done = Outcome()
        self._library.free.tabard_wait(outcome.handle, byref(done))
        return done

    def _finish(self, outcome: Outcome, metrics: dict[str, int] | None) -> bytes:
        data = self._library.take(outcome)
        if outcome.status == OK and metrics is None:
            return data
        return _result(Answer(outcome.status, data, outcome.parse_ns, outcome.eval_ns), metrics)

    def _check(self, input_json: bytes) -> None:
        if os.getpid() != self._pid:
            raise ForkedError
        if not self._finalizer.alive:
            message = "the policy is closed"
            raise EvaluationError("closed", message)
        if len(input_json) > self._limits.max_input_bytes:
            message = f"the input has {len(input_json)} bytes; {self._limits.max_input_bytes} are allowed"
            raise EvaluationError("input_too_large", message)


def _nanoseconds(seconds: float) -> int:
    return int(min(max(seconds, 0.0), _MAX_SECONDS) * 1e9)


def _result(answer: Answer, metrics: dict[str, int] | None) -> bytes:
    if metrics is not None:
        metrics["timer_rego_input_parse_ns"] = answer.parse_ns
        metrics["timer_rego_query_eval_ns"] = answer.eval_ns
    if answer.status == OK:
        return answer.data
    raise decoded_error(answer.data)


def _free_policy(library: Library, handle: int, pid: int) -> None:
    if os.getpid() == pid:
        library.held.tabard_policy_free(handle)
