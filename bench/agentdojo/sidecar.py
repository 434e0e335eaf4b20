"""Implements the gate with a real sidecar process, called through the SDK; every intent is signed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import tabard
from agentdojo.base_tasks import BaseUserTask

from bench.agentdojo.catalogue import CATALOGUE
from bench.agentdojo.person import ScriptedUser
from bench.agentdojo.play import Answer, Session
from bench.zone import Zone, task_id

ZONE = "agentdojo"
_APPROVAL_SECONDS = 30.0
# Both name the person on whose behalf the task runs; the policies use different names.
_ROLES = ("account_holder", "requester")


class SidecarGate:
    """A sidecar with one suite's policy, and the person who approves calls. A context manager.

    Args:
        suite: the suite's name, which is the purpose of its tasks.
        example: the folder with ``policy/`` and the catalogue.
        folder: an empty folder for the sidecar's files.
        user: decides about approvals.
    """

    def __init__(self, suite: str, example: Path, folder: Path, user: ScriptedUser) -> None:
        self._suite = suite
        self._user = user
        self._zone = Zone(
            ZONE, folder, policy=example / "policy", catalogue=example / CATALOGUE, roles=_ROLES
        )

    def __enter__(self) -> Self:
        self._zone.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._zone.__exit__(*exc_info)

    def keep_log(self, file: Path) -> None:
        """Copy the decision log, which goes with the sidecar's folder."""
        shutil.copyfile(self._zone.folder / "decisions.log", file)

    @contextmanager
    def task(self, user_task: BaseUserTask[Any]) -> Iterator[Session]:
        """Start a task whose statement is the person's prompt, signed."""
        task = self._zone.start_task(self._suite, user_task.PROMPT)
        self._user.begins(task_id(task), user_task)
        yield _TaskSession(task, self._zone, self._user)
        task.end()


class _TaskSession:
    def __init__(self, task: tabard.Task, zone: Zone, user: ScriptedUser) -> None:
        self._task = task
        self._zone = zone
        self._user = user

    def ask(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        decision = self._task.decide(tabard.ToolCall(tool, arguments))
        if decision.allowed:
            return Answer.ALLOWED
        if decision.code == "approval_required":
            self._zone.decide_approvals(self._user.approves)
            return self._ask_again(tool, arguments)
        if decision.code == "approval_denied":
            return Answer.REFUSED
        if decision.error is not None:
            raise decision.error
        return Answer.DENIED

    def _ask_again(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        """Repeat the request after the person decided, as a waiting agent does."""
        try:
            self._task.authorize(tool, arguments, wait_for_approval=_APPROVAL_SECONDS)
        except tabard.ApprovalRequired:
            return Answer.REFUSED
        except tabard.Denied as denied:
            if denied.code != "approval_denied":
                raise
            return Answer.REFUSED
        return Answer.APPROVED
