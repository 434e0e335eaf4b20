"""Decides recorded decisions as one policy would have, each task with what the policy itself did to it before."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from tabard.caveats import CallFacts, Caveat, CredentialFacts, Facts, Limits
from tabard_opa import Engine

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Operation, PolicyDecision
from tabard_sidecar.policy.authoring.reserving import granted_budgets
from tabard_sidecar.policy.breaker import Breaker
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.engines.embedded import EmbeddedEvaluator
from tabard_sidecar.policy.engines.provider import Active
from tabard_sidecar.policy.lease import PolicyLease, SharedPolicy
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy, read_policy
from tabard_sidecar.policy.loading.sources import PolicySource, load_source
from tabard_sidecar.policy.values import Json
from tabard_sidecar.replay.carried import Carried, Document
from tabard_sidecar.replay.not_replayable import NotReplayableError, Why
from tabard_sidecar.replay.recorded import About, Recorded
from tabard_sidecar.replay.verdict import ASK, DENY, Verdict, of_policy, refused, reserved
from tabard_sidecar.util.jsontext import encode

TASK_NOT_STARTED = "task_not_started"
DEADLINE_SECONDS = 5.0
_MOST_TASKS = 20_000
_REMEMBERED_BYTES = 8 * 2**20
OF_ASKING = frozenset(
    {
        "approvals_exceeded",
        "approval_denied",
        "approval_too_large",
        "approver_unknown",
        "grant_too_large",
    }
)
"""Codes with which the sidecar refuses to ask for an approval."""


@contextmanager
def loaded(
    engine: Engine, path: Path, options: CompileOptions, catalogue: Catalogue, data: Sequence[Path] = ()
) -> Iterator[ReplayedPolicy]:
    """Load a policy for replays while the context lasts.

    Args:
        engine: compiles.
        path: folder or bundle.
        options: as the sidecar would compile it.
        catalogue: labels of tools.
        data: policies whose data it decides with instead of its own: one for all decisions, or several, of which each is for
            the decisions that were made by its revision.

    Raises:
        PolicyBrokenError: it can't be used; the error has every problem.
    """
    source = read_policy(engine, path, options.bundle_keys, sizes=options.sizes)
    others = [load_source(one, options.bundle_keys, sizes=options.sizes) for one in data]
    documents = {one.revision: one.data for one in others} if len(others) > 1 else {}
    always = None if documents else (others[0] if others else source).data
    with compiled_source(engine, source, options, catalogue, Documents(documents, always)) as policy:
        yield policy


class Documents(NamedTuple):
    """The data that a policy decides with: by the revision that decided, and for all other decisions if it isn't ``None``."""

    by_revision: Mapping[str, Mapping[str, Json]]
    always: Mapping[str, Json] | None


@contextmanager
def compiled_source(  # noqa: PLR0913, PLR0917 - one argument per part
    engine: Engine,
    source: PolicySource,
    options: CompileOptions,
    catalogue: Catalogue,
    documents: Documents,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Iterator[ReplayedPolicy]:
    """Compile a policy that was read for replays while the context lasts; arguments as for :func:`loaded`.

    Raises:
        PolicyBrokenError: it can't be used; the error has every problem.
    """
    # Most of a log's decisions agree with others in what the policy reads.
    remembering = replace(options, remembered_bytes=_REMEMBERED_BYTES)
    breaker = Breaker(sys.maxsize, 1.0, time.monotonic, lambda: 0)  # a replay waits for each decision
    with ExitStack() as stack:

        def lease(found: Mapping[str, Json]) -> PolicyLease:
            compiled = compile_policy(engine, source.modules, found, remembering, source.tests)
            shared = SharedPolicy(
                Active(EmbeddedEvaluator(compiled), source.revision, compiled.rules, compiled.warnings)
            )
            stack.callback(shared.retire)
            return stack.enter_context(PolicyLease(shared, breaker, deadline_seconds, broken=""))

        leases = {revision: lease(found) for revision, found in documents.by_revision.items()}
        always = documents.always
        yield ReplayedPolicy(leases, lease(always) if always is not None else None, catalogue)


class ReplayedPolicy:
    """A policy that decides about recorded inputs.

    Args:
        leases: of the loaded policy with the data of other revisions, by revision.
        always: of the policy for decisions of other revisions than those; ``None`` if there is none.
        catalogue: labels of tools.
    """

    def __init__(
        self, leases: Mapping[str, PolicyLease], always: PolicyLease | None, catalogue: Catalogue
    ) -> None:
        self._leases = leases
        self._always = always
        self._catalogue = catalogue
        any_lease = always or next(iter(leases.values()))
        self.reads_calls = any_lease.reads_calls
        self.facts = any_lease.facts

    async def decide(self, recorded: Recorded, input_json: bytes) -> tuple[PolicyDecision, Verdict]:
        """Return what the policy decides about an input, before anything is reserved.

        Raises:
            NotReplayableError: there is no decision.
        """
        lease = self._leases.get(recorded.revision, self._always)
        if lease is None:
            raise NotReplayableError(Why.MISSING_DATA)
        operation = Operation(recorded.operation)
        approvals = frozenset(recorded.about.approvals)
        try:
            decision = await lease.decide(operation, input_json, approvals=approvals)
        except NoDecision as error:
            raise NotReplayableError(Why.NO_ANSWER) from error
        labels: tuple[str, ...] = ()
        if operation is Operation.AUTHORIZE and decision.allowed:
            spec = self._catalogue.lookup(recorded.about.tool, recorded.about.server)
            labels = spec.labels if spec is not None else ()
        return decision, of_policy(decision, labels)


class World:
    """What would have happened under one policy.

    Args:
        policy: decides.
        stateless: each decision is made on its recorded input, whatever the policy decided before.
    """

    def __init__(self, policy: ReplayedPolicy, *, stateless: bool) -> None:
        self._policy = policy
        self._stateless = stateless
        self._tasks: dict[str, _Task] = {}
        self._lost: set[str] = set()
        self._fitting: set[str] = set()

    async def decide(self, recorded: Recorded) -> Verdict:
        """Decide one recorded decision.

        Raises:
            NotReplayableError: it can't be decided again. It counts as decided as it was.
        """
        if self._stateless:
            return await self.alone(recorded)
        task = self._task(recorded)
        try:
            verdict = await self._decided(recorded, task)
        except NotReplayableError:
            task.carried.note(recorded, recorded.verdict, recorded.verdict)
            raise
        self._note(recorded, task, verdict)
        return verdict

    async def alone(self, recorded: Recorded) -> Verdict:
        """Decide on the recorded input.

        Raises:
            NotReplayableError: it can't be decided again.
        """
        _require_replayable(recorded)
        document = _document(recorded)
        text = self._whole(recorded, document, Carried())
        decision, verdict = await self._policy.decide(recorded, text)
        return _kept(recorded, reserved(decision, document, verdict))

    def report(self, recorded: Recorded) -> None:
        """Note the outcome of a call."""
        if recorded.outcome is not None and not self._stateless:
            self._task(recorded).carried.report(recorded.outcome)

    def forget(self, before: float) -> None:
        """Forget the tasks that were over before this time, in seconds since the epoch."""
        over = [name for name, task in self._tasks.items() if 0 < task.carried.expires_at < before]
        for name in over:
            del self._tasks[name]

    async def _decided(self, recorded: Recorded, task: _Task) -> Verdict:
        _require_replayable(recorded)
        if recorded.task_id in self._lost:
            raise NotReplayableError(Why.TOO_MANY_TASKS)
        about, carried = recorded.about, task.carried
        if recorded.operation == Operation.START_TASK:
            document = _document(recorded)
            return (await self._policy.decide(recorded, self._whole(recorded, document, carried)))[1]
        if carried.closes(about):
            return refused(TASK_NOT_STARTED)
        document = _document(recorded)
        calls = recorded.operation == Operation.AUTHORIZE
        narrowed = task.refuses(about, document, None) if calls else ""
        if narrowed:
            return refused(narrowed)
        call = _call_key(document)
        freed = carried.freed(call)
        text = self._now(recorded, document, task, freed)
        if freed:
            more = tuple((one["module"], one["code"]) for one in freed)
            recorded = recorded._replace(about=about._replace(approvals=(*about.approvals, *more)))
        decision, verdict = await self._policy.decide(recorded, text)
        verdict = _kept(recorded, reserved(decision, document, verdict))
        narrowed = task.refuses(about, document, verdict) if calls and verdict.allowed else ""
        if narrowed:
            return refused(narrowed)
        if verdict.allowed:
            carried.use(call, freed)
        return verdict

    def _now(self, recorded: Recorded, document: Document, task: _Task, freed: Sequence[Document]) -> bytes:
        """Return the input that the task would have now; ``document`` is changed into it."""
        carried, about = task.carried, recorded.about
        task.settle_limits(document)
        missing = self._policy.reads_calls and not document["history"]["calls"] and carried.called(about.at)
        if missing and not task.from_start:
            raise NotReplayableError(Why.MISSING_HISTORY)
        if not carried.differs and not missing and not freed:
            return self._whole(recorded, document, carried)
        carried.with_fact_names(document["task"], self._policy.facts)
        carried.apply(document, about, reads_calls=self._policy.reads_calls and not missing)
        if missing:
            document["history"]["calls"] = carried.remembered_calls()
        document["approvals"] += freed
        return encode(document)

    def _whole(self, recorded: Recorded, document: Document, carried: Carried) -> bytes:
        """Return the recorded input, with the facts that this policy notes and the recorded one didn't."""
        if recorded.revision and recorded.revision in self._fitting:
            return recorded.input_json
        if document["task"].get("facts", {}).keys() == self._policy.facts.keys():
            self._fitting.add(recorded.revision)
            return recorded.input_json
        carried.with_fact_names(document["task"], self._policy.facts)
        carried.apply(document, recorded.about, reads_calls=False)
        return encode(document)

    def _note(self, recorded: Recorded, task: _Task, verdict: Verdict) -> None:
        about, carried, before = recorded.about, task.carried, recorded.verdict
        if recorded.operation == Operation.START_TASK:
            task.begin(recorded, verdict)
        elif recorded.operation == Operation.DELEGATE:
            carried.handed(about, recorded=before.allowed, now=verdict.allowed)
            task.hand(recorded, verdict)
        elif recorded.operation == Operation.AUTHORIZE:
            carried.note(recorded, before, verdict)
            if before.allowed and not verdict.allowed and about.approvals:
                document = _document(recorded)
                carried.free(_call_key(document), document["approvals"])

    def _task(self, recorded: Recorded) -> _Task:
        """Return the task of a decision. Among very many at once the one that was asked about longest ago is forgotten."""
        name = recorded.task_id or recorded.decision_id
        task = self._tasks.pop(name, None)
        if task is None:
            task = _Task()
            if len(self._tasks) >= _MOST_TASKS:
                self._lose(next(iter(self._tasks)))
        self._tasks[name] = task
        task.carried.expires_at = max(task.carried.expires_at, recorded.about.expires_at)
        return task

    def _lose(self, name: str) -> None:
        """Forget a task that may go on. If its state isn't what was recorded, nothing more can be said of it."""
        task = self._tasks.pop(name)
        if task.carried.differs or task.carried.denied:
            self._lost.add(name)


class _Task:
    """One task under the policy.

    Attributes:
        carried: what differs from what was recorded.
        from_start: whether its start was read.
    """

    def __init__(self) -> None:
        self.carried = Carried()
        self.from_start = False
        self._caveats: dict[tuple[str, ...], tuple[Caveat, ...] | None] = {}
        self._budgets: Mapping[str, int] | None = None

    def begin(self, recorded: Recorded, verdict: Verdict) -> None:
        """Note the start of the task."""
        if not recorded.verdict.allowed:
            return
        self.from_start = True
        self.carried.denied = not verdict.allowed
        self._budgets = granted_budgets(verdict.limits)
        self._caveats[()] = _caveats(verdict.limits, recorded.time)

    def hand(self, recorded: Recorded, verdict: Verdict) -> None:
        """Note that the task was handed on."""
        if recorded.verdict.allowed and verdict.allowed:
            path = (*recorded.about.path, recorded.about.handed_to)
            caveats = _caveats(verdict.limits, recorded.time)
            # Which of several grants of one holder a call is made under isn't recorded.
            self._caveats[path] = caveats if self._caveats.get(path, caveats) == caveats else None

    def settle_limits(self, document: Document) -> None:
        """Compare the budgets with which the task is started now with those that its grant has."""
        if self._budgets is None:
            return
        constraints = document["delegation"]["constraints"]
        stated = [(one["name"], one["limit"]) for one in constraints if one.get("type") == "budget"]
        before: dict[str, int] = {}
        for name, limit in stated:
            before[name] = max(before.get(name, 0), limit)
        # The agent or the initiator may have asked for less, which shows as another limit of the same name.
        if not self._budgets.items() <= set(stated) or before.keys() - self._budgets.keys():
            self.carried.started = before, self._budgets
        self._budgets = None

    def refuses(self, about: About, document: Document, verdict: Verdict | None) -> str:
        """Return the code with which the limits of the task's start and hand-overs refuse a call; empty if they don't."""
        for number in range(len(about.path) + 1):
            caveats = self._caveats.get(about.path[:number])
            if caveats:
                code = _failure(caveats, about, document, verdict)
                if code:
                    return code
        return ""


def _failure(caveats: tuple[Caveat, ...], about: About, document: Document, verdict: Verdict | None) -> str:
    tool, credential = document["tool"], verdict.credential if verdict is not None else None
    read_only = tool["annotations"].get("readOnlyHint") is True
    facts = Facts(
        about.at,
        document["task"]["purpose"],
        document["delegation"]["depth"],
        CallFacts(tool["name"], tool["arguments"], None, read_only) if verdict is None else None,
        CredentialFacts(credential.get("audience", ""), ()) if credential else None,
    )
    for caveat in caveats:
        failure = Limits.registry.check(caveat, facts)
        if failure is not None:
            return str(failure.code)
    return ""


def _caveats(limits: Sequence[Limits], now: float) -> tuple[Caveat, ...]:
    return tuple(caveat for one in limits for caveat in one.caveats(now))


def _kept(recorded: Recorded, verdict: Verdict) -> Verdict:
    """Return the recorded refusal of what policy allows or asks about, if it is of that and not of the policy."""
    refusal = recorded.verdict
    if not refusal.own or verdict.effect == DENY:
        return verdict
    asking = bool(OF_ASKING & set(refusal.codes))
    return refusal if asking is (verdict.effect == ASK) else verdict


def _document(recorded: Recorded) -> Document:
    document: Document = orjson.loads(recorded.input_json)
    return document


def _call_key(document: Mapping[str, Any]) -> bytes:
    """Return what an approval is for: the tool with its arguments."""
    tool = document.get("tool") or {}
    return orjson.dumps(
        [tool.get("name"), tool.get("server"), tool.get("arguments")], option=orjson.OPT_SORT_KEYS
    )


def _require_replayable(recorded: Recorded) -> None:
    if recorded.not_replayable:
        raise NotReplayableError(recorded.not_replayable)
