"""Asks the API server, through kubectl with an operator's rights or directly from a pod."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import quote

from tabard_sidecar.kubernetes.api import ApiError, ApiServer, Object

_PAGE = 50
_AT_ONCE = 3
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
"""Has the API server answer with names and no contents."""


class Api(Protocol):
    """What the examination needs. All methods raise :class:`ApiError`; none of them changes the cluster."""

    async def get(self, path: str) -> Object:
        """Return the object, or the list, at ``path``."""

    async def try_create(self, path: str, document: Object) -> Object:
        """Return what would be stored, or the answer of a review, without storing anything."""

    async def has(self, namespace: str, kind: str, name: str) -> bool:
        """Return whether an object exists. Its content isn't asked for: it may be secret."""


class InPod:
    """Asks with the rights of the pod's ServiceAccount."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        # Its time for an answer begins before a connection is free.
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def get(self, path: str) -> Object:
        """See :class:`Api`."""
        async with self._room:
            return await self._server.get(path)

    async def try_create(self, path: str, document: Object) -> Object:
        """See :class:`Api`."""
        async with self._room:
            return await self._server.create(without_effect(path), document)

    async def has(self, namespace: str, kind: str, name: str) -> bool:
        """See :class:`Api`."""
        try:
            async with self._room:
                await self._server.get(existence(namespace, kind, name), accept=TABLE)
        except ApiError as error:
            return await without_content(self, namespace, kind, name, error)
        return True


async def without_content(api: Api, namespace: str, kind: str, name: str, error: ApiError) -> bool:
    """Return whether an object exists that couldn't be read, ``error``.

    Who may read no Secret may be allowed to try to create one: a dry run conflicts with a Secret that exists.
    """
    if error.missing:
        return False
    if not (error.forbidden and kind == "secrets"):
        raise error
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    try:
        await api.try_create(f"/api/v1/namespaces/{quote(namespace, safe='')}/{kind}", secret)
    except ApiError as refused:
        if refused.conflict:
            return True
        raise error from None
    return False


def without_effect(path: str) -> str:
    """Return the path of a request that is checked in every way and then not stored."""
    return f"{path}?dryRun=All"


def named(namespace: str, kind: str, name: str) -> str:
    """Return the path of an object of the core API."""
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/{kind}/{quote(name, safe='')}"


def existence(namespace: str, kind: str, name: str) -> str:
    """Return the path that, as a :data:`TABLE`, has no metadata either: annotations may repeat what an object holds."""
    return f"{named(namespace, kind, name)}?includeObject=None"


async def listed(api: Api, path: str, selector: str = "") -> AsyncIterator[Object]:
    """Yield every object of a collection, page by page.

    Raises:
        ApiError: it can't be read, or isn't a list.
    """
    following = ""
    while True:
        query = f"limit={_PAGE}"
        if selector:
            query += f"&labelSelector={quote(selector, safe='')}"
        if following:
            query += f"&continue={quote(following, safe='')}"
        page = await api.get(f"{path}?{query}")
        items, meta = page.get("items"), page.get("metadata")
        if not isinstance(items, list) or not isinstance(meta, dict):
            raise ApiError(f"GET {path}: the answer is no list")
        for item in items:
            yield item
        following = str(meta.get("continue") or "")
        if not following:
            return
