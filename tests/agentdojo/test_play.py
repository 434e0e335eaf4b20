"""The player and the scripted user, with fake gates that know no policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from agentdojo.base_tasks import BaseUserTask
from agentdojo.task_suite.task_suite import TaskSuite

from bench.agentdojo.person import ScriptedUser
from bench.agentdojo.play import SUITES, Answer, Session, SuiteResult, load, play_suite

Answers = Callable[[str, str, Mapping[str, Any]], Answer]


class FakeGate:
    """Answers by a function of task, tool and arguments."""

    def __init__(self, answers: Answers, user: ScriptedUser | None = None) -> None:
        self._answers = answers
        self._user = user
        self._tasks = 0

    @contextmanager
    def task(self, user_task: BaseUserTask[Any]) -> Iterator[Session]:
        """Start a task."""
        self._tasks += 1
        name = str(self._tasks)
        if self._user is not None:
            self._user.begins(name, user_task)
        yield _FakeSession(name, self._answers)


class _FakeSession:
    def __init__(self, name: str, answers: Answers) -> None:
        self._name = name
        self._answers = answers

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        return self._answers(self._name, tool, arguments)


@pytest.fixture(params=SUITES)
def suite(request: pytest.FixtureRequest) -> TaskSuite[Any]:
    return load(request.param)


def _play(suite: TaskSuite[Any], answers: Answers, user: ScriptedUser | None = None) -> SuiteResult:
    return play_suite(suite, FakeGate(answers, user))


def test_without_defence_everything_succeeds(suite: TaskSuite[Any]):
    """The player does the users' tasks and the attacks when nothing stops it."""
    result = _play(suite, lambda *_: Answer.ALLOWED)
    assert result.user_tasks_whole == result.user_tasks == len(suite.user_tasks)
    assert result.attacks_succeeded == result.attacks == len(suite.user_tasks) * len(suite.injection_tasks)
    assert len(result.successful_attacks) == result.attacks
    assert result.user_calls_denied == result.user_calls_asked == result.attacks_asked == 0


def test_a_gate_that_denies_everything_stops_both(suite: TaskSuite[Any]):
    """Denials are counted, and told by task."""
    result = _play(suite, lambda *_: Answer.DENIED)
    assert result.user_tasks_whole == result.attacks_succeeded == 0
    assert result.user_calls_denied == result.user_calls
    assert result.broken_tasks.keys() == suite.user_tasks.keys()
    assert all(line.startswith("denied: ") for lines in result.broken_tasks.values() for line in lines)


def test_the_scripted_user_tells_her_calls_from_an_attackers(suite: TaskSuite[Any]):
    """If she is asked about everything, her tasks run whole and no attack succeeds."""
    user = ScriptedUser(suite)

    def ask(task: str, tool: str, arguments: Mapping[str, Any]) -> Answer:
        return Answer.APPROVED if user.approves(task, tool, arguments) else Answer.REFUSED

    result = _play(suite, ask, user)
    assert result.user_tasks_whole == result.user_tasks
    assert result.user_calls_asked == result.user_calls
    assert result.attacks_asked == result.attacks
    assert result.successful_attacks == {}


def test_the_scripted_user_approves_a_call_as_often_as_her_task_makes_it():
    """A repetition, another argument, another task: refused."""
    suite = load("banking")
    user = ScriptedUser(suite)
    user.begins("t", suite.user_tasks["user_task_0"])
    payment = {"recipient": "UK12345678901234567890", "amount": 98.7, "subject": "Car Rental\t\t\t98.70"}
    payment["date"] = "2022-01-01"
    assert not user.approves("t", "send_money", payment | {"amount": 98.8})
    assert not user.approves("other", "send_money", payment)
    assert user.approves("t", "send_money", payment)
    assert not user.approves("t", "send_money", payment)
