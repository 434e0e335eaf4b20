"""The scripted user, who answers requests for approval.

She stands for a careful person who knows her own tasks. Only this module knows the calls of her tasks: the
gate, the agent and the policies never see them. She learns of a call as people do, from the operator socket
of the sidecar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentdojo.base_tasks import BaseUserTask
from agentdojo.task_suite.task_suite import TaskSuite

from bench.agentdojo.play import fresh, plain


class ScriptedUser:
    """Approves the calls of her own tasks, each as often as her task makes it, and refuses every other call.

    Args:
        suite: the suite with her tasks.
    """

    def __init__(self, suite: TaskSuite[Any]) -> None:
        self._suite = suite
        self._wanted: dict[str, list[tuple[str, Any]]] = {}

    def begins(self, task_id: str, task: BaseUserTask[Any]) -> None:
        """Store the expected calls of a task that was started for her."""
        calls = task.ground_truth(fresh(self._suite, task))
        self._wanted[task_id] = [(call.function, plain(call.args)) for call in calls]

    def approves(self, task_id: str, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Tell whether she approves a call."""
        wanted = self._wanted.get(task_id, [])
        call = (tool, dict(arguments))
        if call not in wanted:
            return False
        wanted.remove(call)
        return True
