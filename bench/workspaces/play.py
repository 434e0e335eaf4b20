"""Plays requests and attacks against a real sidecar and tells what came of each call.

No model is involved. A request is played by the calls of an agent that does exactly what was asked. An attack is the
beginning of a request, whose results hold the attacker's text, followed by the attacker's calls: as if the text had
taken over the agent completely.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import tabard

from bench.workspaces.backend import Backend, Response
from bench.workspaces.check import Made, injections, own_calls
from bench.workspaces.formats import Attack, Call, Request, UnresolvedError, in_lists
from bench.workspaces.world import World, open_world
from bench.zone import Zone, task_id

ROLE = "requester"
"""The role of the person for whom the task runs, for policies that ask."""
CLAIMS = ("groups", "name", "username")
"""Claims of the person that policies see."""
_APPROVAL_SECONDS = 30.0


class Verdict(Enum):
    """What came of a call."""

    ALLOWED = "allowed"
    APPROVED = "approved"  # policy asked, the person approved
    REFUSED = "refused"  # policy asked, the person refused
    DENIED = "denied"
    UNREACHED = "unreached"  # it needs a result of a call that wasn't made


@dataclass(frozen=True)
class Step:
    """One call and what came of it.

    Attributes:
        call: as it was written down.
        arguments: with results in place of references.
        verdict: of policy and the person.
        code: of the refusal; empty if the call was allowed.
        message: what the agent was told, or why the tool failed.
        failed: whether the call was allowed and the backend or the tool then failed.
        questions: how often the person was asked because of this call; for calls together, because of the first of them
            about which the person had to decide.
    """

    call: Call
    arguments: Mapping[str, Any]
    verdict: Verdict
    code: str = ""
    message: str = ""
    failed: bool = False
    questions: int = 0

    @property
    def allowed(self) -> bool:
        """True if the call might be made."""
        return self.verdict in {Verdict.ALLOWED, Verdict.APPROVED}

    @property
    def asked(self) -> bool:
        """True if a person had to decide."""
        return self.verdict in {Verdict.APPROVED, Verdict.REFUSED}

    def __str__(self) -> str:
        arguments = json.dumps(self.arguments, ensure_ascii=False)
        harm = " (the harm)" if self.call.harm else ""
        what = "failed" if self.failed else self.verdict.value
        why = ": ".join(filter(None, [self.code, self.message]))
        return f"{what}{harm}: {self.call.tool} {arguments}" + (f" - {why}" if why else "")


class Person:
    """Approves the calls of her own request, each as often as the request makes it, and refuses every other call."""

    def __init__(self) -> None:
        self._wanted: dict[str, list[Made]] = {}

    def begins(self, task: str, calls: Sequence[Made]) -> None:
        """Store the calls of a task that was started for her."""
        self._wanted[task] = list(calls)

    def approves(self, task: str, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Tell whether she approves a call."""
        made = (tool, dict(arguments))
        wanted = self._wanted.get(task, [])
        if made not in wanted:
            return False
        wanted.remove(made)
        return True

    def saw(self, task: str, tool: str, arguments: Mapping[str, Any]) -> None:
        """Count a call that policy allowed without asking her."""
        self.approves(task, tool, arguments)


class Player:
    """Plays requests and attacks of one workspace.

    Args:
        zone: its sidecar.
        backend: makes the calls.
        workspace: its name, which is the purpose of its tasks.
    """

    def __init__(self, zone: Zone, backend: Backend, workspace: str) -> None:
        self._zone = zone
        self._backend = backend
        self._workspace = workspace
        self._person = Person()

    def request(self, request: Request) -> list[Step]:
        """Play a request whole."""
        agent = self._agent(request, None)
        try:
            return agent.make_all(request.calls)
        finally:
            agent.task.end()

    def attack(self, request: Request, attack: Attack) -> tuple[list[Step], list[Step]]:
        """Play an attack; return the request's own calls before it, and the attacker's."""
        agent = self._agent(request, attack)
        try:
            before = agent.make_all(request.calls[: attack.after])
            return before, agent.make_all(attack.calls, deceived=True)
        finally:
            agent.task.end()

    def _agent(self, request: Request, attack: Attack | None) -> _Agent:
        world = open_world(self._workspace, request.person, injections(attack))
        known = world.records["people"][request.person]
        claims = {"username": request.person, "name": known["name"], "groups": known["groups"]}
        task = self._zone.start_task(self._workspace, request.says, claims)
        self._person.begins(task_id(task), own_calls(self._workspace, request, attack))
        return _Agent(task, world, self._zone, self._backend, self._person)


class _Agent:
    """Makes calls as an agent with guarded tools does, in a task of its own."""

    def __init__(self, task: tabard.Task, world: World, zone: Zone, backend: Backend, person: Person) -> None:
        self.task = task
        self._world = world
        self._zone = zone
        self._backend = backend
        self._person = person
        self._results: dict[str, Any] = {}
        self._decided: dict[str, bool] = {}
        """What the person said of the calls that are made now."""
        self._questions = 0
        """How often the person was asked about them."""

    def make_all(self, calls: Iterable[Call], *, deceived: bool = False) -> list[Step]:
        """Make calls in order. A deceived agent keeps to itself what backends say of its calls."""
        steps: list[Step] = []
        for members in in_lists(calls):
            self._decided.clear()
            self._questions = 0
            if members[0].together:
                made = self._make_together(members, deceived=deceived)
            else:
                made = [self._make(members[0], deceived=deceived)]
            first = next((number for number, step in enumerate(made) if step.asked), None)
            if first is not None:
                made[first] = replace(made[first], questions=self._questions)
            steps += made
        return steps

    def _make_together(self, calls: Sequence[Call], *, deceived: bool) -> list[Step]:
        """Ask for calls in one batch; then make each one that is allowed."""
        steps: dict[int, Step] = {}
        asked: dict[int, tabard.ToolCall] = {}
        for number, call in enumerate(calls):
            try:
                asked[number] = tabard.ToolCall(call.tool, call.resolve(self._results))
            except UnresolvedError as error:
                steps[number] = Step(call, call.args, Verdict.UNREACHED, message=str(error))
        decisions = self.task.batch(
            asked.values(), wait_for_approval=_APPROVAL_SECONDS, on_approval=lambda _needed: self._ask()
        )
        for (number, wanted), decision in zip(asked.items(), decisions, strict=True):
            steps[number] = self._decided_step(calls[number], wanted, decision, deceived=deceived)
        return [steps[number] for number in sorted(steps)]

    def _decided_step(
        self, call: Call, wanted: tabard.ToolCall, decision: tabard.Decision, *, deceived: bool
    ) -> Step:
        arguments = dict(wanted.arguments)
        asked = self._key(task_id(self.task), call.tool, arguments) in self._decided
        if not decision:
            refused = asked and bool(decision.approvals)
            verdict = Verdict.REFUSED if refused else Verdict.DENIED
            return Step(
                call, arguments, verdict, decision.code, "; ".join(r.message for r in decision.reasons)
            )
        response = self._run(call.tool, arguments, decision, deceived=deceived)
        return self._done(call, arguments, response, asked=asked)

    def _make(self, call: Call, *, deceived: bool) -> Step:
        try:
            arguments = call.resolve(self._results)
        except UnresolvedError as error:
            return Step(call, call.args, Verdict.UNREACHED, message=str(error))
        asked: list[tabard.ApprovalRequired] = []

        def ask(error: tabard.ApprovalRequired) -> None:
            asked.append(error)
            self._ask()

        @tabard.guard(
            call.tool,
            arguments=lambda values: values,
            wait_for_approval=_APPROVAL_SECONDS,
            on_approval=ask,
        )
        def run(values: dict[str, Any]) -> Response:
            return self._run(call.tool, values, tabard.current_decision(), deceived=deceived)

        try:
            with self.task:
                response = run(arguments)
        except tabard.ApprovalRequired as error:
            # Beside a denial an ask reaches no person.
            verdict = Verdict.REFUSED if asked else Verdict.DENIED
            return Step(call, arguments, verdict, error.code, error.message)
        except (tabard.Denied, tabard.InvalidRequest) as error:
            return Step(call, arguments, Verdict.DENIED, error.code, error.message)
        return self._done(call, arguments, response, asked=bool(asked))

    def _done(self, call: Call, arguments: dict[str, Any], response: Response, *, asked: bool) -> Step:
        if not asked:
            self._person.saw(task_id(self.task), call.tool, arguments)
        verdict = Verdict.APPROVED if asked else Verdict.ALLOWED
        if response.problem:
            return Step(call, arguments, verdict, message=response.problem, failed=True)
        if call.name:
            self._results[call.name] = response.value
        return Step(call, arguments, verdict)

    def _ask(self) -> None:
        """Let the person decide about what waits. A list is one question, unless all its calls were decided before."""
        known = set(self._decided)
        for calls in self._zone.decide_approvals(self._deciding):
            keys = {self._key(*call) for call in calls}
            self._questions += not keys <= known
            known |= keys

    def _deciding(self, task: str, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Ask the person once about a call, however many rules ask about it."""
        key = self._key(task, tool, arguments)
        if key not in self._decided:
            self._decided[key] = self._person.approves(task, tool, arguments)
        return self._decided[key]

    @staticmethod
    def _key(task: str, tool: str, arguments: Mapping[str, Any]) -> str:
        return json.dumps([task, tool, arguments], sort_keys=True)

    def _run(
        self, tool: str, arguments: Mapping[str, Any], decision: tabard.Decision, *, deceived: bool
    ) -> Response:
        response = self._backend.call(self._world, tool, arguments, decision.credential)
        if response.signed_outcome and not deceived:
            try:
                self.task.report_outcome(
                    decision, succeeded=not response.problem, signed_outcome=response.signed_outcome
                )
            except tabard.InvalidRequest as error:
                if error.code != "decision_unknown":  # of calls that no rule counts, nothing is kept
                    raise
        return response
