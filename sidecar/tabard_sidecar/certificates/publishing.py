"""Publishes which authorities clients trust; this module: as ``caBundle`` of a webhook configuration."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tabard_sidecar.certificates.pairs import authorities_in, pem
from tabard_sidecar.kubernetes.api import ApiError, ApiServer
from tabard_sidecar.util.lean import dataclass

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass(frozen=True, slots=True)
class Published:
    """What was published when it was read.

    Attributes:
        authorities: those that all clients trust; ``None`` if none of them trusts any.
        state: what the place was like, for :meth:`Place.publish`.
        problem: why nothing can be published; empty if it can.
    """

    authorities: frozenset[Certificate] | None
    state: Any = None
    problem: str = ""


class Place(Protocol):
    """Where authorities are published. Methods raise ApiError."""

    async def read(self) -> Published:
        """Return what is published."""
        ...

    async def publish(self, found: Published, bundle: Sequence[Certificate]) -> bool:
        """Publish ``bundle`` if no one has published anything since ``found`` was read; return whether that changed anything."""
        ...


class WebhookPlace:
    """A MutatingWebhookConfiguration, all of whose webhooks get the same bundle.

    The patch holds its resourceVersion, so it fails if anyone has changed it since it was read. A replica reads it before
    it reads the Secret: so what it publishes is never older than what another one has published.

    Args:
        api: the API server.
        name: name of the configuration.
    """

    def __init__(self, api: ApiServer, name: str) -> None:
        self._api = api
        self._name = name
        self._path = f"{_WEBHOOKS}/{name}"

    async def read(self) -> Published:
        """Return the authorities that every webhook has."""
        try:
            found = await self._api.get(self._path)
        except ApiError as error:
            if not error.missing:
                raise
            problem = f"there is no MutatingWebhookConfiguration {self._name}; apply what tabard injector webhook prints"
            return Published(None, None, problem)
        bundles = [_bundle(webhook) for webhook in found.get("webhooks") or ()]
        if not any(bundles):
            return Published(None, found)
        sets = [frozenset(authorities_in(bundle)) for bundle in bundles]
        return Published(frozenset.intersection(*sets), found)

    async def publish(self, found: Published, bundle: Sequence[Certificate]) -> bool:
        """Write the bundle to each webhook that has another one."""
        if found.state is None:
            return False
        wanted = pem(*bundle)
        operations = [
            {
                "op": "add",
                "path": f"/webhooks/{index}/clientConfig/caBundle",
                "value": base64.b64encode(wanted).decode(),
            }
            for index, webhook in enumerate(found.state.get("webhooks") or ())
            if frozenset(authorities_in(_bundle(webhook))) != frozenset(bundle)
        ]
        if not operations:
            return False
        version = found.state["metadata"]["resourceVersion"]
        # A precondition: it is the version of what the patch is applied to, or the answer is a conflict.
        condition = {"op": "replace", "path": "/metadata/resourceVersion", "value": version}
        await self._api.patch(self._path, [condition, *operations])
        return True


def _bundle(webhook: Mapping[str, Any]) -> bytes:
    try:
        return base64.b64decode(webhook.get("clientConfig", {}).get("caBundle") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        return b""
