"""Reads lists of objects, and what objects belong to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tabard_sidecar.kubernetes.api import UnreadableError

if TYPE_CHECKING:
    from tabard_sidecar.kubernetes.api import ApiServer, Object

_PAGES = (250, 20, 1)


async def listed(api: ApiServer, path: str) -> AsyncIterator[Object]:
    """Yield the objects of a list, which is read in parts; ``path`` has a query.

    Raises:
        ApiError: it can't be read.
    """
    more, sizes = "", iter(_PAGES)
    size = next(sizes)
    while True:
        try:
            part = await api.get(f"{path}&limit={size}{more}")
        except UnreadableError:
            # Others may write huge objects; one of them always fits.
            size = next(sizes, 0)
            if not size:
                raise
            continue
        for item in part.get("items") or ():
            yield item
        token = part.get("metadata", {}).get("continue")
        if not token:
            return
        more = f"&continue={quote(token, safe='')}"


async def owners(api: ApiServer, role: str) -> list[dict[str, Any]]:
    """Return ``ownerReferences`` to a ClusterRole: the cluster deletes what belongs to an object that is gone.

    Raises:
        ApiError: the role can't be read.
    """
    found = await api.get(f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{quote(role, safe='')}")
    return [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "name": role,
            "uid": found["metadata"]["uid"],
        }
    ]
