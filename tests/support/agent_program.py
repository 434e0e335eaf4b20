"""Runs in an agent's container: does with the SDK what a test says on standard input, and answers on standard output.

One request and one answer are one line of JSON each. It connects without configuration, as an agent of an injected pod does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

import tabard
from tabard import Limits

_SECONDS = 20.0


class Agent:
    """The tasks of an agent, by names that the test gives them."""

    def __init__(self, client: tabard.aio.Client) -> None:
        self._client = client
        self._tasks: dict[str, tabard.aio.Task] = {}

    async def start(self, task: str, token: str, **options: Any) -> dict[str, Any]:
        """Start a task with a person's token or a handover."""
        self._tasks[task] = await self._client.start_task(token, **options)
        return await self.get(task)

    async def take(self, task: str, grant: str) -> dict[str, Any]:
        """Take a grant that another agent delegated."""
        self._tasks[task] = self._client.task(grant)
        return await self.get(task)

    async def get(self, task: str) -> dict[str, Any]:
        """Say what the sidecar knows of a task."""
        info = await self._tasks[task].get()
        holders = [link.holder for link in info.chain]
        return {"task_id": info.task_id, "subject": info.subject.id, "holders": holders}

    async def delegate(
        self, task: str, to: str, limits: dict[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """Delegate to a workload."""
        return {"grant": await self._tasks[task].delegate(to, Limits(**(limits or {})), **options)}

    async def branch(self, task: str, names: list[str]) -> dict[str, Any]:
        """Make sub-agents; each is a task of the name TASK/NAME."""
        for name in names:
            self._tasks[f"{task}/{name}"] = self._tasks[task].branch(name)
        return {}

    async def authorize(self, task: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask for one call."""
        decision = await self._tasks[task].authorize(tool, arguments)
        credential = decision.credential
        if credential is None:
            return {"credential": None}
        return {
            "credential": {
                "value": credential.value,
                "audience": credential.audience,
                "fields": dict(credential.fields),
            }
        }

    async def many(
        self, tasks: list[str], tool: str, arguments: dict[str, Any], times: int
    ) -> dict[str, int]:
        """Ask for calls of several tasks at once; count the answers by what they were."""

        async def one(task: str) -> list[str]:
            return [await self._outcome(task, tool, arguments) for _ in range(times)]

        return Counter(code for codes in await asyncio.gather(*map(one, tasks)) for code in codes)

    async def _outcome(self, task: str, tool: str, arguments: dict[str, Any]) -> str:
        try:
            await self._tasks[task].authorize(tool, arguments)
        except tabard.TabardError as error:
            return f"{type(error).__name__}: {error.code}"
        return "allowed"

    async def end(self, task: str) -> dict[str, Any]:
        """End a task, or the part of it that is this agent's."""
        await self._tasks[task].end()
        return {}


async def _main() -> None:
    async with tabard.aio.connect(timeout_seconds=_SECONDS) as client:
        agent = Agent(client)
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            try:
                answer = {"answer": await getattr(agent, request.pop("do"))(**request)}
            except tabard.TabardError as error:
                answer = {"error": type(error).__name__, "code": error.code, "message": str(error)}
            except Exception as error:  # noqa: BLE001 - told to the test
                answer = {"error": "bug", "code": type(error).__name__, "message": str(error)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
