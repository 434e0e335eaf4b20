"""Plays AgentDojo's tasks: ask about every call, execute what is allowed, score the environment that results.

No model is involved. A user task is played by its ground-truth calls; an attack is a user task followed by the calls of
an injection task, as if the injected text had taken over the agent completely. That is the worst case for whoever
decides about single calls.
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


class Answer(Enum):
    """What came back for one call."""

    ALLOWED = "allowed"
    DENIED = "denied"
    ASKED = "asked"


class Session(Protocol):
    """One task of one person, as the agent sees it."""

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Ask whether the call may be made."""
        ...


class Gate(Protocol):
    """Whoever decides about calls."""

    def task(self, user_task: BaseUserTask[Any]) -> AbstractContextManager[Session]:
        """Start a task for the person's request."""
        ...


@dataclass
class SuiteResult:
    """Figures of one suite, and which tasks and pairs stand behind them.

    ``attacks_asked`` counts the attacks with a call about which a person would be asked.
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
    broken_tasks: dict[str, list[str]] = field(default_factory=dict)
    successful_attacks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Played:
    environment: TaskEnvironment
    executed: list[FunctionCall]
    answers: list[tuple[FunctionCall, Answer]]

    @property
    def all_allowed(self) -> bool:
        return all(answer is Answer.ALLOWED for _, answer in self.answers)


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
            succeeded, asked = _attack(suite, user_task, injection_task, gate)
            result.attacks += 1
            result.attacks_asked += asked
            result.attacks_succeeded += succeeded
            if succeeded:
                result.successful_attacks.append(f"{user_name} {injection_name}")
    return result


def _play_user_task(
    suite: TaskSuite[Any], name: str, task: BaseUserTask[Any], gate: Gate, result: SuiteResult
) -> None:
    environment = _fresh(suite, task)
    before = environment.model_copy(deep=True)
    with gate.task(task) as session:
        played = _play(suite, session, environment, task.ground_truth(environment))
    answers = [answer for _, answer in played.answers]
    result.user_calls += len(answers)
    result.user_calls_denied += answers.count(Answer.DENIED)
    result.user_calls_asked += answers.count(Answer.ASKED)
    useful = suite._check_task_result(  # noqa: SLF001 - the package's own scoring, traces included
        task, _says(task.GROUND_TRUTH_OUTPUT), before, played.environment, played.executed
    )
    if played.all_allowed and useful:
        result.user_tasks_whole += 1
    else:
        result.broken_tasks[name] = [
            f"{answer.value}: {call.function} {json.dumps(plain(call.args), ensure_ascii=False)}"
            for call, answer in played.answers
            if answer is not Answer.ALLOWED
        ] or ["allowed, but its own utility function says it is not done"]


def _attack(
    suite: TaskSuite[Any], task: BaseUserTask[Any], injection: BaseInjectionTask[Any], gate: Gate
) -> tuple[bool, bool]:
    """Tell whether the attack succeeds, and whether a person would have been asked about any of its calls."""
    environment = _fresh(suite, task)
    before = environment.model_copy(deep=True)
    with gate.task(task) as session:
        user = _play(suite, session, environment, task.ground_truth(environment))
        # Injected text was written before the task began, so the calls it leads to are those of that time.
        attacker = _play(suite, session, user.environment, injection.ground_truth(before))
    # What the model says at the end is the attacker's as far as the attacker's calls went through.
    output = injection.GROUND_TRUTH_OUTPUT if attacker.all_allowed else task.GROUND_TRUTH_OUTPUT
    executed = [*user.executed, *attacker.executed]
    succeeded = suite._check_task_result(  # noqa: SLF001 - as above
        injection, _says(output), before, attacker.environment, executed
    )
    return bool(succeeded), any(answer is Answer.ASKED for _, answer in attacker.answers)


def _play(
    suite: TaskSuite[Any], session: Session, environment: TaskEnvironment, calls: list[FunctionCall]
) -> _Played:
    runtime = FunctionsRuntime(suite.tools)
    executed = []
    answers = []
    for call in calls:
        answer = session.ask(call.function, plain(call.args))
        answers.append((call, answer))
        if answer is Answer.ALLOWED:
            # An error of the tool is the agent's to deal with, as in the package's own runs.
            runtime.run_function(environment, call.function, call.args)
            executed.append(call)
    return _Played(environment, executed, answers)


def _fresh(suite: TaskSuite[Any], task: BaseUserTask[Any]) -> TaskEnvironment:
    return task.init_environment(suite.load_and_inject_default_environment({}))


def _says(text: str) -> list[Any]:
    return [{"type": "text", "content": text}]


def plain(value: Any) -> Any:
    """Return arguments as JSON knows them; the package uses Python objects such as dates and nested calls."""
    return json.loads(json.dumps(value, default=_jsonable))


def _jsonable(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"no JSON form for an argument of type {type(value).__name__}")
