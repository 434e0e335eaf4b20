"""A fake of the API server for laws about interleaving: objects in memory with resourceVersions. The real one runs in
tests/integration/k8s."""

from __future__ import annotations

import copy
from collections.abc import Generator
from typing import Any
from urllib.parse import parse_qs

from tabard_sidecar.kubernetes.api import ApiError


class _Pause:
    """Gives the turn to the test."""

    def __await__(self) -> Generator[None, None, None]:
        yield


class FakeObjects:
    """Each request pauses before and after its effect, so that a test chooses what happens in between.

    Attributes:
        objects: by path.
        clock: the time in seconds.
        lost: requests fail from now on.
        forbidden: patches are refused from now on.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.clock = 1_000_000.0
        self.lost = self.forbidden = False
        self._version = 0

    def now(self) -> float:
        return self.clock

    def put(self, path: str, document: dict[str, Any]) -> None:
        """Store an object as someone else would."""
        self._version += 1
        stored = copy.deepcopy(document)
        stored.setdefault("metadata", {})["resourceVersion"] = str(self._version)
        self.objects[path] = stored

    async def get(self, path: str) -> dict[str, Any]:
        await self._before()
        if "?" in path:
            return await self._list(path)
        if path not in self.objects:
            raise ApiError(f"{path} is missing", 404)
        return await self._after(path)

    async def _list(self, path: str) -> dict[str, Any]:
        """Return all labelled namespaces, or all objects of one kind and name: what is asked for, and no more."""
        plain, _, query = path.partition("?")
        kind = plain.rpartition("/")[2]
        wanted = parse_qs(query)
        (label,) = wanted.get("labelSelector", [""])
        (name,) = (text.partition("=")[2] for text in wanted.get("fieldSelector", ["="]))
        items = []
        for where, found in self.objects.items():
            parts = where.split("/")
            # A namespace that a test gives no labels at all counts as labelled.
            labels = found["metadata"].get("labels")
            if label and labels is not None and label not in labels:
                continue
            if parts[-2] == kind and name in {"", parts[-1]}:
                metadata = {**found["metadata"], "name": parts[-1]}
                if kind != "namespaces":
                    metadata["namespace"] = parts[-3]
                items.append({**copy.deepcopy(found), "metadata": metadata})
        await _Pause()
        return {"metadata": {}, "items": items}

    async def create(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        await self._before()
        full = f"{path}/{document['metadata']['name']}"
        if full in self.objects:
            raise ApiError("exists", 409)
        self.put(full, document)
        return await self._after(full)

    async def replace(self, path: str, document: dict[str, Any]) -> dict[str, Any]:
        await self._before()
        self._check(path, document["metadata"]["resourceVersion"])
        self.put(path, document)
        return await self._after(path)

    async def patch(self, path: str, operations: list[dict[str, Any]]) -> dict[str, Any]:
        await self._before()
        if self.forbidden:
            raise ApiError("patches are forbidden", 403)
        changed = copy.deepcopy(self.objects[path])
        for operation in operations:
            *way, last = operation["path"].strip("/").split("/")
            found: Any = changed
            for step in way:
                found = found[int(step) if isinstance(found, list) else step]
            found[last] = operation["value"]
        self._check(path, changed["metadata"]["resourceVersion"])
        self.put(path, changed)
        return await self._after(path)

    def _check(self, path: str, version: str) -> None:
        if path not in self.objects:
            raise ApiError("missing", 404)
        if self.objects[path]["metadata"]["resourceVersion"] != version:
            raise ApiError("someone was faster", 409)

    async def _before(self) -> None:
        await _Pause()
        if self.lost:
            raise ApiError("can't be reached")

    async def _after(self, path: str) -> dict[str, Any]:
        answer = copy.deepcopy(self.objects[path])
        await _Pause()
        return answer
