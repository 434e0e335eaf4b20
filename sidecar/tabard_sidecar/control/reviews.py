"""Asks the API server whose a token is (TokenReview, authentication.k8s.io/v1)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from tabard_sidecar.kubernetes.api import ApiError, ApiServer

if TYPE_CHECKING:
    from tabard_sidecar.control.conf import ClusterConfig
    from tabard_sidecar.health import Component

_PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_MAX_REPLY_BYTES = 64 * 1024
_LOOK_SECONDS = 5.0
_ACCOUNT = re.compile(r"system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})")
_POD = "authentication.kubernetes.io/pod-"
_log = logging.getLogger(__name__)
_PROBE = "tabard-control"
"""No token at all: the API server's answer proves that the service may ask."""
_STEPS = {
    401: "it doesn't accept the service's own token; check cluster.token_file",
    403: "the service's ServiceAccount may not create TokenReviews; its ClusterRole must allow to create tokenreviews",
    404: "it has no TokenReviews; check cluster.url",
}


class ReviewError(Exception):
    """Whose a token is can't be found out now; says why, and what to do."""


class Caller(NamedTuple):
    """The workload whose token the API server has found to be good.

    Attributes:
        namespace: its namespace.
        account: name of its ServiceAccount.
        pod: the pod that the token is bound to; empty if it is bound to none.
        uid: that pod's UID.
    """

    namespace: str
    account: str
    pod: str
    uid: str


class TokenReviews:
    """Reviews tokens for one audience.

    Args:
        config: the section ``cluster``.
        health: told whether the API server answers.
    """

    def __init__(self, config: ClusterConfig, health: Component) -> None:
        self._config = config
        self._health = health
        self._api = ApiServer(config, places=config.max_connections, max_bytes=_MAX_REPLY_BYTES)
        # Connections of its own: how many others ask says nothing about the API server.
        self._probing = ApiServer(config, places=1, max_bytes=_MAX_REPLY_BYTES)

    async def caller(self, token: str) -> Caller | None:
        """Return whose token it is; ``None`` if it isn't a valid one of a ServiceAccount with this audience.

        Raises:
            ReviewError: the API server can't be asked.
        """
        return _caller(await self._asked(token, self._api), self._config.audience)

    async def look(self) -> None:
        """Ask about what is no token, to learn whether the API server answers the service. Never raises."""
        try:
            await self._asked(_PROBE, self._probing)
        except ReviewError as error:
            self._health.failed(f"{self._config.url} reviews no tokens: {error}")
        else:
            self._health.ok()

    async def follow(self) -> None:
        """Look again and again until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - a service that doesn't know whether it works must not look well
                _log.exception("reviews can't be looked at")
                self._health.failed("whether tokens can be reviewed isn't known; the log has details")

    def close(self) -> None:
        """Close the connections."""
        self._api.close()
        self._probing.close()

    async def _asked(self, token: str, api: ApiServer) -> Mapping[str, Any]:
        """Ask about a token; return the review's status."""
        spec = {"token": token, "audiences": [self._config.audience]}
        document = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}
        try:
            review = await api.create(_PATH, document)
        except ApiError as error:
            raise ReviewError(_STEPS.get(error.status, str(error))) from None
        status = review.get("status")
        if not isinstance(status, dict):
            raise ReviewError("its answer has no status")
        return status


def _caller(status: Mapping[str, Any], audience: str) -> Caller | None:
    """Read the answer strictly: what isn't as documented proves nothing."""
    if status.get("authenticated") is not True or status.get("error"):
        return None
    audiences = status.get("audiences")
    # An API server that doesn't know audiences leaves them out, and has not looked at the token's.
    if not isinstance(audiences, list) or audience not in audiences:
        return None
    user = status.get("user")
    name = user.get("username") if isinstance(user, dict) else None
    match = _ACCOUNT.fullmatch(name) if isinstance(name, str) else None
    if match is None or not isinstance(user, dict):
        return None
    extra = user.get("extra")
    return Caller(match[1], match[2], _only(extra, f"{_POD}name"), _only(extra, f"{_POD}uid"))


def _only(extra: object, name: str) -> str:
    """Return the one value of an attribute of the user; empty if there is none."""
    values = extra.get(name) if isinstance(extra, Mapping) else None
    one = values[0] if isinstance(values, list) and len(values) == 1 else ""
    return one if isinstance(one, str) else ""
