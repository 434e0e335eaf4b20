"""Keeps a NetworkPolicy in each labelled namespace: what pods that are to have a sidecar may reach."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tabard_sidecar.injector.names import DISABLED, LABEL, NETWORK_POLICY
from tabard_sidecar.kubernetes.api import ApiError
from tabard_sidecar.kubernetes.reading import listed, owners

if TYPE_CHECKING:
    from tabard_sidecar.health import Component
    from tabard_sidecar.injector.conf import NetworkConfig
    from tabard_sidecar.kubernetes.api import ApiServer, Object

_GROUP = "/apis/networking.k8s.io/v1"
_MANAGED_BY = {"app.kubernetes.io/managed-by": "tabard"}
_NAMED = 3
_log = logging.getLogger(__name__)


class InjectedNetwork:
    """The NetworkPolicies of labelled namespaces.

    A policy that someone changed or deleted is written again at the next look. One whose namespace has lost its label is
    kept for as long as it exists, because pods that run there keep their sidecars; it isn't made again. Exempt namespaces
    have none. One that can't be written hinders no other, and health tells of it; pods are injected all the same.

    Args:
        api: the API server.
        config: what pods may reach.
        exempt: namespaces whose pods never have a sidecar.
        component: gets the health.
        clock: the time in seconds since 1970.

    Attributes:
        failing_since: since when a policy can't be kept, in seconds since 1970; 0 while all can.
    """

    def __init__(
        self,
        api: ApiServer,
        config: NetworkConfig,
        exempt: Collection[str],
        component: Component,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._config = config
        self._exempt = frozenset(exempt)
        self._component = component
        self._clock = clock
        self._problem = ""
        self.failing_since = 0.0
        # What was asked for in a namespace, and what the API server made of it with its defaults.
        self._written: dict[str, tuple[Object, Object]] = {}

    async def follow(self) -> None:
        """Look again and again until cancelled."""
        while True:
            try:
                await self.look()
            except ApiError as error:
                self._tell(str(error))
            except Exception:  # noqa: BLE001 - what someone wrote into an object never ends the process
                _log.exception("network policies can't be looked at")
                self._tell("an error that isn't foreseen; the log has it")
            await asyncio.sleep(self._config.interval_seconds)

    async def look(self) -> None:
        """Write each policy that isn't as it is to be.

        Raises:
            ApiError: namespaces or policies can't be read.
        """
        wanted = await self._wanted()
        found: dict[str, Object] = {}
        # A role that names the policy allows this, and no other list.
        field = quote(f"metadata.name={NETWORK_POLICY}", safe="")
        async for policy in listed(self._api, f"{_GROUP}/networkpolicies?fieldSelector={field}"):
            namespace = policy["metadata"]["namespace"]
            if namespace in wanted:
                found[namespace] = policy
            elif namespace not in self._exempt and _is_made(policy):
                # Its label is gone, and pods with a sidecar may run there.
                found[namespace] = policy
                wanted[namespace] = self._spec(_former_label(policy))
        self._written = {name: kept for name, kept in self._written.items() if name in wanted}
        stale = [name for name, spec in wanted.items() if not self._holds(name, spec, found.get(name))]
        self._tell(await self._write_all(stale, wanted, found) if stale else "")

    async def _wanted(self) -> dict[str, Object]:
        """Return what is to be in each labelled namespace."""
        wanted: dict[str, Object] = {}
        selector = quote(LABEL, safe="")
        async for namespace in listed(self._api, f"/api/v1/namespaces?labelSelector={selector}"):
            metadata = namespace["metadata"]
            if metadata["name"] in self._exempt or metadata.get("deletionTimestamp"):
                continue
            label = (metadata.get("labels") or {}).get(LABEL, "")
            wanted[metadata["name"]] = self._spec(label)
        return wanted

    def _spec(self, label: str) -> Object:
        return policy_spec(label, self._config.egress)

    def _holds(self, namespace: str, spec: Object, found: Object | None) -> bool:
        if found is None or namespace not in self._written:
            return False
        asked, stored = self._written[namespace]
        return asked == spec and found.get("spec") == stored and _is_made(found)

    async def _write_all(
        self, stale: Sequence[str], wanted: Mapping[str, Object], found: Mapping[str, Object]
    ) -> str:
        """Write policies; return why some couldn't be."""
        owner = self._config.owner
        belongs = [] if owner is None else await owners(self._api, owner)
        failed: list[str] = []
        for namespace in stale:
            try:
                stored = await self._write(namespace, wanted[namespace], found.get(namespace), belongs)
            except ApiError as error:
                # Another replica was faster, or the namespace is being deleted; the next look sees what became of it.
                if not error.conflict and not error.missing:
                    failed.append(f"{namespace}: {error}")
                continue
            self._written[namespace] = (wanted[namespace], stored.get("spec") or {})
        if not failed:
            return ""
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return f"NetworkPolicy {NETWORK_POLICY} can't be written in {'; '.join(failed[:_NAMED])}{more}"

    async def _write(
        self, namespace: str, spec: Object, found: Object | None, belongs: list[dict[str, Any]]
    ) -> Object:
        path = f"{_GROUP}/namespaces/{quote(namespace, safe='')}/networkpolicies"
        kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
        owned = {"ownerReferences": belongs} if belongs else {}
        if found is None:
            metadata = {"name": NETWORK_POLICY, "labels": _MANAGED_BY, **owned}
            return await self._api.create(path, {**kind, "metadata": metadata, "spec": spec})
        # It has the version that was read, so whatever was written since makes this a conflict.
        labels = {**(found["metadata"].get("labels") or {}), **_MANAGED_BY}
        metadata = {**found["metadata"], "labels": labels, **owned}
        return await self._api.replace(
            f"{path}/{NETWORK_POLICY}", {**kind, "metadata": metadata, "spec": spec}
        )

    def _tell(self, problem: str) -> None:
        if problem and problem != self._problem:
            _log.warning("network policies can't be kept", extra={"reason": problem})
        self._problem = problem
        self.failing_since = (self.failing_since or self._clock()) if problem else 0.0
        self._component.report(problem)


def policy_spec(label: str, egress: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the ``spec`` for a namespace with a label: it selects the pods that the injector is asked about.

    Args:
        label: value of the namespace's label.
        egress: the rules.
    """
    chosen = [{"key": LABEL, "operator": "NotIn", "values": [DISABLED]}]
    if label == DISABLED:
        # Only pods with a label of their own get a sidecar.
        chosen.append({"key": LABEL, "operator": "Exists"})
    return {
        "podSelector": {"matchExpressions": chosen},
        "policyTypes": ["Egress"],
        "egress": [dict(rule) for rule in egress],
    }


def _former_label(found: Object) -> str:
    """Return the label with which a namespace's policy was made."""
    selector = (found.get("spec") or {}).get("podSelector")
    return DISABLED if selector == policy_spec(DISABLED, ())["podSelector"] else ""


def _is_made(found: Object) -> bool:
    labels = found["metadata"].get("labels") or {}
    return _MANAGED_BY.items() <= labels.items()
