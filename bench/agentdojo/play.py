"""Plays AgentDojo's tasks: requests every call, executes allowed calls, scores the resulting environment.

No model is involved. A user task is played by its ground-truth calls; an attack is a user task followed by
the calls of an injection task, as if the injected text had taken over the agent completely. That is the worst
case for a decision about single calls.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from agentdojo.base_tasks import BaseInjectionTask, BaseUserTask
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime, TaskEnvironment
from agentdojo.task_suite.load_suites import get_suite
from agentdojo.task_suite.task_suite import TaskSuite

VERSION = "v1.2.2"
SUITES = ("banking", "slack")
OTHERS = ("travel", "workspace")
"""Suites on which the policy guide was tried; see the README."""


class Answer(Enum):
    """The answer for one call."""

    ALLOWED = "allowed"
    APPROVED = "approved"  # policy asked, the person approved, the call was allowed
    REFUSED = "refused"  # policy asked and the person refused
    DENIED = "denied"

    @property
    def allowed(self) -> bool:
        """True if the call may be made."""
        return self in {Answer.ALLOWED, Answer.APPROVED}

    @property
    def asked(self) -> bool:
        """True if a person had to decide."""
        return self in {Answer.APPROVED, Answer.REFUSED}


class Session(Protocol):
    """One task of one person, as the agent sees it."""

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Ask whether the call may be made."""
        ...


class Gate(Protocol):
    """Decides about calls."""

    def task(self, user_task: BaseUserTask[Any]) -> AbstractContextManager[Session]:
        """Start a task for the person's request."""
        ...


@dataclass
class SuiteResult:
    """Figures of one suite, with the tasks and pairs that they count.

    ``user_calls_asked`` counts the calls that needed an approval, granted or refused; ``attacks_asked`` the
    attacks with such a call. ``attacks_left_out`` are those for which the package has no calls: their goal is
    a text of the model, or the package defines no calls for them.
    """

    suite: str
    user_tasks: int = 0
    user_tasks_whole: int = 0
    user_calls: int = 0
    user_calls_denied: int = 0
    user_calls_asked: int = 0
    attacks: int = 0
    attacks_succeeded: int = 0
    attacks_asked: int = 0
    attacks_left_out: int = 0
    broken_tasks: dict[str, list[str]] = field(default_factory=dict)
    successful_attacks: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Played:
    environment: TaskEnvironment
    executed: list[FunctionCall]
    answers: list[tuple[FunctionCall, Answer]]

    @property
    def all_allowed(self) -> bool:
        return all(answer.allowed for _, answer in self.answers)


def load(suite: str) -> TaskSuite[Any]:
    """Load a suite of the pinned benchmark version."""
    return get_suite(VERSION, suite)


def play_suite(suite: TaskSuite[Any], gate: Gate) -> SuiteResult:
    """Play every user task and every pair of user task and injection task."""
    result = SuiteResult(suite.name)
    for name, user_task in suite.user_tasks.items():
        result.user_tasks += 1
        _play_user_task(suite, name, user_task, gate, result)
    for user_name, user_task in suite.user_tasks.items():
        for injection_name, injection_task in suite.injection_tasks.items():
            if not injection_task.ground_truth(fresh(suite, user_task)):
                result.attacks_left_out += 1
                continue
            succeeded, attacker = _attack(suite, user_task, injection_task, gate)
            result.attacks += 1
            result.attacks_asked += any(answer.asked for _, answer in attacker.answers)
            result.attacks_succeeded += succeeded
            if succeeded:
                result.successful_attacks[f"{user_name} {injection_name}"] = _told(attacker.answers)
    return result


def _play_user_task(
    suite: TaskSuite[Any], name: str, task: BaseUserTask[Any], gate: Gate, result: SuiteResult
) -> None:
    environment = fresh(suite, task)
    before = environment.model_copy(deep=True)
    with gate.task(task) as session:
        played = _play(suite, session, environment, task.ground_truth(environment))
    answers = [answer for _, answer in played.answers]
    result.user_calls += len(answers)
    result.user_calls_denied += answers.count(Answer.DENIED)
    result.user_calls_asked += sum(answer.asked for answer in answers)
    useful = suite._check_task_result(  # noqa: SLF001 - the package's own scoring, traces included
        task, _says(task.GROUND_TRUTH_OUTPUT), before, played.environment, played.executed
    )
    if played.all_allowed and useful:
        result.user_tasks_whole += 1
    else:
        stopped = [(call, answer) for call, answer in played.answers if not answer.allowed]
        result.broken_tasks[name] = _told(stopped) or [
            "allowed, but its own utility function says it is not done"
        ]


def _attack(
    suite: TaskSuite[Any], task: BaseUserTask[Any], injection: BaseInjectionTask[Any], gate: Gate
) -> tuple[bool, _Played]:
    """Tell whether the attack succeeds, and return the results of its calls."""
    environment = fresh(suite, task)
    before = environment.model_copy(deep=True)
    with gate.task(task) as session:
        user = _play(suite, session, environment, task.ground_truth(environment))
        # Injected text was written before the task began, so the calls it leads to are those of that time.
        attacker = _play(suite, session, user.environment, injection.ground_truth(before))
    # The final text of the model is the attacker's, as far as the attacker's calls were allowed.
    output = injection.GROUND_TRUTH_OUTPUT if attacker.all_allowed else task.GROUND_TRUTH_OUTPUT
    executed = [*user.executed, *attacker.executed]
    succeeded = suite._check_task_result(  # noqa: SLF001 - as above
        injection, _says(output), before, attacker.environment, executed
    )
    return bool(succeeded), attacker


def _play(
    suite: TaskSuite[Any], session: Session, environment: TaskEnvironment, calls: list[FunctionCall]
) -> _Played:
    runtime = FunctionsRuntime(suite.tools)
    executed = []
    answers = []
    for call in calls:
        answer = session.ask(call.function, plain(call.args))
        answers.append((call, answer))
        if answer.allowed:
            # The agent handles errors of the tool, as in the package's own runs.
            runtime.run_function(environment, call.function, call.args)
            executed.append(call)
    return _Played(environment, executed, answers)


def fresh(suite: TaskSuite[Any], task: BaseUserTask[Any]) -> TaskEnvironment:
    """Return the environment at the start of a user task, without injections."""
    return task.init_environment(suite.load_and_inject_default_environment({}))


def _told(answers: list[tuple[FunctionCall, Answer]]) -> list[str]:
    return [
        f"{answer.value}: {call.function} {json.dumps(plain(call.args), ensure_ascii=False)}"
        for call, answer in answers
    ]


def _says(text: str) -> list[Any]:
    return [{"type": "text", "content": text}]


def plain(value: Any) -> Any:
    """Return arguments as JSON values; the package uses Python objects such as dates and nested calls."""
    return json.loads(json.dumps(value, default=_jsonable))


def _jsonable(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"no JSON form for an argument of type {type(value).__name__}")
