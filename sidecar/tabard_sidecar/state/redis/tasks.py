"""Opens tasks on a Redis server, keeps the tokens that started them, and lists them."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from tabard_sidecar.state.listing import ANY_TASK, TaskFilter, TaskPage, Tree
from tabard_sidecar.state.model import KeptToken, TaskRecord
from tabard_sidecar.state.redis import codec, scripts
from tabard_sidecar.state.redis.codec import milliseconds
from tabard_sidecar.state.redis.link import GRACE_SECONDS, LinkedPart
from tabard_sidecar.state.redis.replies import understood
from tabard_sidecar.state.store import KEPT_SECONDS

_EXAMINED_TASKS = 2_000


class RedisTasks(LinkedPart):
    """Implements the operations of the state store on whole tasks by scripts."""

    @understood
    async def open_task(
        self,
        task: TaskRecord,
        *,
        labels_since: float,
        token: KeptToken | None = None,
        labels: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """Store a task; see the interface."""
        arguments = {
            "root": task.root_id,
            "task_id": task.task_id,
            "record": codec.task_text(task),
            "owner": task.owner,
            "started": task.started_at,
            "expires": task.expires_at,
            "since": labels_since,
            "brought": list(labels),
            "until_ms": milliseconds(task.expires_at + KEPT_SECONDS),
            **codec.LABEL_RULES,
        }
        binary: tuple[bytes, ...] = ()
        if token is not None:
            binary = (token.sealed,)
            arguments |= {
                "token_expires": token.expires_at,
                "token_until_ms": milliseconds(token.expires_at + GRACE_SECONDS),
            }
        found = await self._link.run(scripts.OPEN_TASK, arguments, *binary, durable=True)
        return tuple(sorted(orjson.loads(found)))

    @understood
    async def subject_token(self, root_id: str, *, now: float) -> bytes | None:
        """Return a task's token; see the interface."""
        sealed, expires = await self._link.run(scripts.SUBJECT_TOKEN, {"root": root_id})
        if sealed is None:
            return None
        if not isinstance(sealed, bytes):
            raise TypeError("a sealed token isn't bytes")
        return sealed if float(expires) > now else None

    @understood
    async def tasks(self, *, now: float, limit: int = 100, wanted: TaskFilter = ANY_TASK) -> TaskPage:
        """Return tasks; see the interface."""
        arguments = {
            "at": now,
            "most": limit,
            "examined": _EXAMINED_TASKS,
            "person": wanted.subject_id,
            "workload": wanted.workload,
            "started": "" if wanted.after is None else wanted.after.started_at,
            "root": "" if wanted.after is None else wanted.after.root_id,
        }
        return codec.tasks(await self._link.run(scripts.TASKS, arguments))

    @understood
    async def tree(self, task_id: str) -> Tree | None:
        """Return a task's tree; see the interface."""
        found = await self._link.run(scripts.TREE, {"task_id": task_id})
        return codec.tree(found) if found else None
