"""Checks and evaluates a policy for its author, before it is served."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from pathlib import Path

from tabard_opa import Engine, EvaluationError, Policy

from tabard_sidecar.model import Operation, PolicyDecision, Reason
from tabard_sidecar.policy.authoring.facts import with_facts
from tabard_sidecar.policy.authoring.hints import hints
from tabard_sidecar.policy.authoring.input_faults import input_faults
from tabard_sidecar.policy.authoring.measuring import Measurement, measure
from tabard_sidecar.policy.authoring.samples import sample_call, sample_input
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.compose import GRANTING
from tabard_sidecar.policy.conf import PolicyConfig
from tabard_sidecar.policy.engines.embedded import EmbeddedEvaluator, FileProvider
from tabard_sidecar.policy.engines.provider import Active
from tabard_sidecar.policy.lease import PolicyLease
from tabard_sidecar.policy.loading.compiling import Compiled, CompileOptions, compile_policy, read_policy
from tabard_sidecar.policy.loading.rules import RuleIndex, RuleSite, written
from tabard_sidecar.policy.loading.sources import distrusted, ignored
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem, Severity
from tabard_sidecar.policy.runtime import Runtime
from tabard_sidecar.policy.status import PolicyStatus
from tabard_sidecar.policy.values import Json
from tabard_sidecar.reasons import ReasonCode
from tabard_sidecar.util.lean import dataclass

EVALUATION_SECONDS = 5.0
LOAD_SECONDS = 600.0
"""Longest time until the policy is there. A person waits for it and can end it; a busy machine only delays it."""
FAILURES: frozenset[ReasonCode] = frozenset({"policy_error", "policy_conflict", "policy_timeout"})
"""Codes of denials that no rule states: the policy failed."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Result of a check.

    Attributes:
        path: the folder or bundle that was checked.
        revision: its revision; empty if it can't be read.
        modules: names of the policy modules.
        problems: errors, by place.
        measurements: evaluation time of each rule, if requested.
    """

    path: Path
    revision: str = ""
    modules: tuple[str, ...] = ()
    problems: tuple[PolicyProblem, ...] = ()
    measurements: tuple[Measurement, ...] = field(default=())

    @property
    def errors(self) -> tuple[PolicyProblem, ...]:
        """The problems that keep the policy from serving."""
        return tuple(problem for problem in self.problems if problem.severity == "error")


def check(
    engine: Engine,
    path: Path,
    options: CompileOptions,
    catalogue: Catalogue,
    *,
    inputs: Sequence[Mapping[str, Json]] | None = None,
) -> CheckReport:
    """Run every check that loading runs.

    Args:
        engine: parses and compiles.
        path: folder or bundle.
        options: as the sidecar would compile it.
        catalogue: tools, for sample inputs; may be empty.
        inputs: if given, the rules are measured with these inputs; if empty, with sample inputs.
    """
    try:
        source = read_policy(engine, path, options.bundle_keys, sizes=options.sizes)
    except PolicyBrokenError as error:
        return CheckReport(path, problems=error.problems)
    try:
        compiled = compile_policy(engine, source.modules, source.data, options, source.tests)
    except PolicyBrokenError as error:
        return CheckReport(path, source.revision, problems=(*error.problems, *ignored(path)))
    rules = compiled.rules
    compiled.close()
    problems = (
        *compiled.warnings,
        *_strangers(path),
        *ignored(path),
        *hints(engine, path, source, catalogue),
    )
    measured: list[Measurement] = []
    if inputs is not None:
        wanted = inputs or made_up_inputs(catalogue)
        whole = [with_facts(document, rules.facts) for document in wanted]
        measured = measure(engine, source.modules, source.data, rules, whole)
    return CheckReport(path, source.revision, tuple(sorted(rules.sites)), problems, tuple(measured))


def _strangers(path: Path) -> list[PolicyProblem]:
    """Return as warnings why serving would refuse these files; checking reads them all the same."""
    return [replace(problem, severity=Severity.WARNING) for problem in distrusted(path)]


def made_up_inputs(catalogue: Catalogue) -> list[Mapping[str, Json]]:
    """Return an input for each tool of the catalogue and for the other operations."""
    now = time.time()
    calls = [sample_call(spec.name, spec) for spec in catalogue] or [sample_call("sample", None)]
    inputs: list[Mapping[str, Json]] = [sample_input("authorize", now, tool=call) for call in calls]
    return [*inputs, *(sample_input(operation, now) for operation in ("start_task", "delegate", "renew"))]


class Holding:
    """Finds out which clauses of a rule hold for one input, each rule once."""

    def __init__(self, policy: Policy, document: bytes) -> None:
        self._policy = policy
        self._document = document
        self._known: dict[tuple[str, str], frozenset[tuple[str, int]]] = {}

    def places(self, module: str, rule: str) -> frozenset[tuple[str, int]]:
        """Return file and row of each clause that holds; none if that can't be found out."""
        if (module, rule) not in self._known:
            try:
                told = self._policy.explain(
                    f"data.policy.{module}.{rule}",
                    self._document,
                    deadline_seconds=EVALUATION_SECONDS,
                    mode="conditions",
                )
            except EvaluationError:
                return frozenset()
            self._known[module, rule] = frozenset(
                (clause.file, clause.row) for clause in told.clauses if clause.matched
            )
        return self._known[module, rule]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A composed decision, with the places of the rules that produced it.

    Attributes:
        decision: what the policy decided.
        rules: the policy's rules.
        input: what it decided about.
        holding: tells which of several rules of one code hold; without it, all of them are named.
        seconds: processor time that it took.
    """

    decision: PolicyDecision
    rules: RuleIndex
    input: Mapping[str, Json]
    holding: Holding | None = None
    seconds: float = 0.0

    def reasons(self) -> Iterator[tuple[Reason, str]]:
        """Yield each reason of the decision with the places of the rules that produced it."""
        granting = GRANTING[Operation(self.input["operation"])]
        allowed = self.decision.allowed
        for reason in self.decision.granted_by if allowed else self.decision.denials:
            rule, code = (granting, reason.code) if allowed else _denying(reason)
            module = reason.module.removeprefix("policy.")
            yield reason, written(self._producing(module, rule, code))

    def _producing(self, module: str, rule: str, code: str) -> Sequence[RuleSite]:
        sites = self.rules.candidates(module, rule, code)
        if len(sites) < 2 or self.holding is None:  # noqa: PLR2004 - a choice
            return sites
        held = self.holding.places(module, rule)
        return [site for site in sites if (site.file, site.row) in held] or sites


def _denying(reason: Reason) -> tuple[str, str]:
    """Return the rule that stated a denial and the code in its element; empty if no rule stated it."""
    if reason.code == "approval_required":
        return "ask", reason.message.partition(":")[0]  # `compose` begins the message with the ask's code
    return ("", "") if reason.code in FAILURES else ("deny", reason.code)


class InputError(Exception):
    """The input isn't one that the sidecar would send; ``faults`` lists why."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def evaluate(engine: Engine, path: Path, options: CompileOptions, document: Mapping[str, Json]) -> Evaluation:
    """Decide as the sidecar would.

    Raises:
        PolicyBrokenError: the policy can't be used.
        InputError: the input breaks rego/schemas/input.json.
        NoDecision: the input is too large.
    """
    faults = input_faults(document)
    if faults:
        raise InputError(faults)
    with deciding(engine, path, options) as decide:
        evaluation = decide(document)
        list(evaluation.reasons())  # what it needs of the policy, while that is there
        return evaluation


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides about inputs by one loaded policy; raises NoDecision if an input is too large.

    Attributes:
        compiled: the policy; ``None`` if another program evaluates it.
    """

    decide: Callable[[Mapping[str, Json]], Evaluation]
    compiled: Compiled | None

    def __call__(self, document: Mapping[str, Json]) -> Evaluation:
        """Decide about an input that fits rego/schemas/input.json."""
        return self.decide(document)


@contextmanager
def deciding(engine: Engine, path: Path, options: CompileOptions) -> Iterator[Decider]:
    """Load the policy at ``path``; yield what decides about an input as the sidecar would.

    An approval in an input meets the asks with its module and code. Ask an evaluation for its reasons while the context
    lasts.

    Raises:
        PolicyBrokenError: the policy can't be used.
    """
    with asyncio.Runner() as loop:
        provider = _Provider(engine, path, options, load_seconds=LOAD_SECONDS, trusted=False)
        runtime, status = loop.run(_loaded(provider, path))
        try:
            if not status.ready:
                raise PolicyBrokenError(status.problems)
            with runtime.lease() as policy:

                def decide(document: Mapping[str, Json]) -> Evaluation:
                    whole = with_facts(document, runtime.rules.facts)
                    # Not by the clock: other programs of the machine would lengthen it.
                    began = time.process_time()
                    decision = loop.run(_decide(policy, whole))
                    seconds = time.process_time() - began
                    compiled = provider.compiled
                    holding = Holding(compiled.decision, json.dumps(whole).encode()) if compiled else None
                    return Evaluation(decision, runtime.rules, whole, holding, seconds)

                yield Decider(decide, provider.compiled)
        finally:
            loop.run(runtime.close())


class _Provider(FileProvider):
    """Keeps hold of the policy that it loaded."""

    compiled: Compiled | None = None

    def load_blocking(self) -> Active:
        """Read, check and compile.

        Raises:
            PolicyBrokenError: with every problem that was found.
        """
        active = super().load_blocking()
        if isinstance(active.evaluator, EmbeddedEvaluator):
            self.compiled = active.evaluator.compiled
        return active


async def _loaded(provider: FileProvider, path: Path) -> tuple[Runtime, PolicyStatus]:
    config = PolicyConfig(path=path, deadline_seconds=EVALUATION_SECONDS)
    runtime = Runtime(provider, config, time.time)
    return runtime, await runtime.reload()


async def _decide(policy: PolicyLease, document: Mapping[str, Json]) -> PolicyDecision:
    approved = frozenset((one["module"], one["code"]) for one in document.get("approvals", ()))
    return await policy.decide(
        Operation(document["operation"]), json.dumps(document).encode(), approvals=approved
    )
