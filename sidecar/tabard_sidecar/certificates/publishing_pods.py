"""Publishes which authorities clients trust: in a ConfigMap of each namespace whose pods mount it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tabard_sidecar.certificates.pairs import authorities_in, pem
from tabard_sidecar.certificates.publishing import Published
from tabard_sidecar.kubernetes.api import ApiError, ApiServer
from tabard_sidecar.kubernetes.reading import listed, owners
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LABEL = "tabard.dev/inject"
"""Label of the namespaces in which pods may have sidecars, whatever its value."""
KEY = "ca.crt"
_NAMED = 3
_MANAGED_BY = {"app.kubernetes.io/managed-by": "tabard"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Found:
    """The ConfigMaps as they were read: the own one, and those of the other namespaces that are to have one."""

    own: Mapping[str, Any] | None
    copies: Mapping[str, Mapping[str, Any] | None]


class ConfigMapPlace:
    """A ConfigMap of the own namespace, and copies of it in those of the pods.

    A copy is followed as long as it exists, also when its namespace has lost the label: sidecars that run there mount it.
    What the own one holds counts as published; copies are written before it. Who may write into another namespace can spoil
    the copy there, until the next look, and keep no certificate from being renewed. A copy that can't be written is a problem
    that health tells.

    Args:
        api: the API server.
        namespace: the own namespace.
        name: name of the ConfigMaps.
        owner: ClusterRole with which the ConfigMaps are removed; ``None`` if they aren't.
    """

    def __init__(self, api: ApiServer, namespace: str, name: str, owner: str | None) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._owner = owner
        self._problem = ""

    async def read(self) -> Published:
        """Return the authorities of the own ConfigMap. The copies are read as well: see :meth:`publish`."""
        own = await self._own()
        copies: dict[str, Mapping[str, Any] | None] = {}
        selector = quote(LABEL, safe="")
        async for namespace in listed(self._api, f"/api/v1/namespaces?labelSelector={selector}"):
            if not namespace["metadata"].get("deletionTimestamp"):
                copies[namespace["metadata"]["name"]] = None
        copies.pop(self._namespace, None)
        # A role that names the ConfigMap allows this, and no other list.
        field = quote(f"metadata.name={self._name}", safe="")
        async for copy in listed(self._api, f"/api/v1/configmaps?fieldSelector={field}"):
            namespace = copy["metadata"]["namespace"]
            if namespace in copies or (namespace != self._namespace and _is_made(copy)):
                copies[namespace] = copy
        published = frozenset(authorities_in(_bundle(own))) or None
        return Published(published, _Found(own, copies), self._problem)

    async def publish(self, found: Published, bundle: Sequence[Certificate]) -> bool:
        """Write the bundle to each ConfigMap that has another one."""
        state: _Found = found.state
        wanted = pem(*bundle).decode()
        stale = {name: copy for name, copy in state.copies.items() if not _holds(copy, bundle)}
        own_is_stale = not _holds(state.own, bundle)
        if not stale and not own_is_stale:
            self._problem = ""
            return False
        belongs = [] if self._owner is None else await owners(self._api, self._owner)
        failed: list[str] = []
        for namespace, copy in stale.items():
            try:
                await self._write(namespace, copy, wanted, belongs)
            except ApiError as error:
                # Another replica was faster, or the namespace is being deleted; the next look sees what became of it.
                if not error.conflict and not error.missing:
                    failed.append(f"{namespace}: {error}")
        self._problem = self._told(failed)
        if own_is_stale:
            await self._write(self._namespace, state.own, wanted, belongs)
        return own_is_stale or len(failed) < len(stale)

    async def _own(self) -> Mapping[str, Any] | None:
        try:
            return await self._api.get(f"{_path(self._namespace)}/{self._name}")
        except ApiError as error:
            if error.missing:
                return None
            raise

    async def _write(
        self, namespace: str, found: Mapping[str, Any] | None, bundle: str, belongs: list[dict[str, Any]]
    ) -> None:
        data = {KEY: bundle}
        if found is not None:
            # It has the version that was read, so whatever was written since makes this a conflict.
            metadata = {**found["metadata"], **({"ownerReferences": belongs} if belongs else {})}
            # Items of lists don't say what they are.
            document = {**found, "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
            document.pop("binaryData", None)  # no key may stand in both
            await self._api.replace(f"{_path(namespace)}/{self._name}", document)
            return
        metadata = {"name": self._name, "labels": _MANAGED_BY}
        if belongs:
            metadata["ownerReferences"] = belongs
        await self._api.create(
            _path(namespace), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        )

    def _told(self, failed: Sequence[str]) -> str:
        if not failed:
            return ""
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return f"ConfigMap {self._name} can't be written in {'; '.join(failed[:_NAMED])}{more}"


def _is_made(found: Mapping[str, Any]) -> bool:
    labels = found["metadata"].get("labels") or {}
    return _MANAGED_BY.items() <= labels.items()


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps"


def _bundle(found: Mapping[str, Any] | None) -> bytes:
    data = (found or {}).get("data") or {}
    return str(data.get(KEY, "")).encode()


def _holds(found: Mapping[str, Any] | None, bundle: Sequence[Certificate]) -> bool:
    return found is not None and frozenset(authorities_in(_bundle(found))) == frozenset(bundle)
