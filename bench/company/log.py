"""Writes the decision log of the wholesaler: each call is decided by the policy, as a sidecar would have."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from tabard_opa import Engine
from tabard_sidecar.policy.authoring.samples import sample_input
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.replay.recorded import Recorded
from tabard_sidecar.replay.world import ReplayedPolicy, loaded

from bench.company.habits import Step, Task, tasks

POLICY = Path(__file__).resolve().parent / "policy"
_TRUST = "spiffe://wholesale.example/"
_TASK_SECONDS = 28_800
_BUDGETS = {"cents": 50_000_000, "mails": 200}


def agent_id(agent: str) -> str:
    """Return the SPIFFE ID of an agent."""
    return f"{_TRUST}{agent}"


def write_log(file: Path, seed: int) -> int:
    """Write the log of both months; return how many decisions it has.

    Raises:
        RuntimeError: the policy refuses what a habit needs.
    """
    rng = random.Random(seed)  # noqa: S311 - a seeded world, no secret
    with (
        Engine() as engine,
        loaded(engine, POLICY, CompileOptions(), Catalogue()) as policy,
        file.open("w", encoding="utf-8") as output,
    ):
        return asyncio.run(_Writer(policy, output, seed).write_all(tasks(rng)))


def request(
    agent: str, purpose: str, operation: str, time: float, started: float, **sections: Any
) -> dict[str, Any]:
    """Return a policy input of the company."""
    document = sample_input(
        operation,
        time,
        agent={"id": agent_id(agent), "issuer": "spire"},
        task={
            "purpose": purpose,
            "statement": "",
            "intent_source": "signed",
            "started_at": started,
            "expires_at": started + _TASK_SECONDS,
        },
        budgets={name: {"limit": limit, "spent": 0, "remaining": limit} for name, limit in _BUDGETS.items()},
    )
    for name, fields in sections.items():
        held = document.get(name)
        document[name] = {**held, **fields} if isinstance(held, dict) else fields
    return document


def tool(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the tool of a policy input."""
    return {"name": name, "server": "", "arguments": arguments, "annotations": {}}


class _Writer:
    def __init__(self, policy: ReplayedPolicy, output: TextIO, seed: int) -> None:
        self._policy = policy
        self._output = output
        self._seed = seed
        self._written = 0
        self._waiting: list[tuple[float, str]] = []

    async def write_all(self, every: Iterator[Task]) -> int:
        for number, task in enumerate(every):
            self._flush(task.start)
            await self._write(task, f"{self._seed}-{number}")
        self._flush(float("inf"))
        return self._written

    async def _write(self, task: Task, task_id: str) -> None:
        spent = dict.fromkeys(_BUDGETS, 0)
        about = {"task": {"id": task_id}, "subject": {"id": task.person}}
        start = request(
            task.agent, task.purpose, "start_task", task.start, task.start, subject=about["subject"]
        )
        start["task"]["id"] = ""
        await self._decide({**start, "budgets": {}}, task.start, task_id)
        handed = False
        for step in task.steps:
            chain: dict[str, Any] = {}
            if step.agent != task.agent:
                links = [{"holder": agent_id(step.agent), "sub_agent": "", "caveats": []}]
                chain = {"delegation": {"depth": 1, "chain": links}}
            if chain and not handed:
                asked = {**about, "request": {"limits": {}, "holder": agent_id(step.agent)}}
                at = replace(step, agent=task.agent, after=step.after - 0.001)
                await self._ask(task, at, "delegate", spent, asked)
                handed = True
            await self._call(task, step, spent, {**about, **chain})

    async def _call(self, task: Task, step: Step, spent: dict[str, int], about: dict[str, Any]) -> None:
        asked = {**about, "tool": tool(step.tool, dict(step.arguments))}
        for name, amount in (await self._ask(task, step, "authorize", spent, asked)).items():
            spent[name] += amount
        if step.renews:
            await self._ask(task, replace(step, after=step.after + 0.001), "renew", spent, asked)

    async def _ask(
        self, task: Task, step: Step, operation: str, spent: dict[str, int], about: dict[str, Any]
    ) -> dict[str, int]:
        time = task.start + step.after
        document = request(step.agent, task.purpose, operation, time, task.start, **about)
        for name, amount in spent.items():
            limit = _BUDGETS[name]
            document["budgets"][name] = {"limit": limit, "spent": amount, "remaining": limit - amount}
        return await self._decide(document, time, about["task"]["id"])

    async def _decide(self, document: dict[str, Any], time: float, task_id: str) -> dict[str, int]:
        operation = document["operation"]
        name = f"{task_id}-{self._written}"
        recorded = Recorded(name, time, "", operation, task_id)
        decision, verdict = await self._policy.decide(recorded, json.dumps(document).encode())
        if not verdict.allowed:
            raise RuntimeError(f"the policy refuses a habit: {verdict.codes}: {document}")
        result: dict[str, Any] = {
            "decision": "allow",
            "reasons": [{"module": one.module, "code": one.code} for one in decision.granted_by],
        }
        if operation == "start_task":
            result["task_id"] = task_id
        if verdict.charges:
            result["charges"] = dict(verdict.charges)
        if verdict.credential:
            template = dict(verdict.credential)
            template["expires_at"] = time + template.pop("ttl_seconds")
            result["credential"] = template
        record = {
            "labels": {"zone": "wholesale"},
            "decision_id": name,
            "event": "outcome",
            "operation": operation,
            "path": "tabard/decision",
            "timestamp": datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z"),
            "bundles": {"policy": {"revision": "company"}},
            "input": document,
            "result": result,
        }
        self._waiting.append((time, json.dumps(record, separators=(",", ":"))))
        self._written += 1
        return dict(verdict.charges)

    def _flush(self, until: float) -> None:
        """Write what was decided before a time, in its order: tasks overlap."""
        self._waiting.sort()
        ready = [line for time, line in self._waiting if time < until]
        self._waiting = self._waiting[len(ready) :]
        self._output.writelines(f"{line}\n" for line in ready)
