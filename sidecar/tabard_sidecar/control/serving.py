"""The HTTPS listener for sidecars and backends."""

from __future__ import annotations

import logging
from time import monotonic

from aiohttp import web

from tabard_sidecar.control.derivation import valid_zone
from tabard_sidecar.control.metrics import ControlMetrics, Endpoint, Result
from tabard_sidecar.control.pods import Pods, RefusedError
from tabard_sidecar.control.reviews import Caller
from tabard_sidecar.control.zones import Zones
from tabard_sidecar.http.aiohttp_server import AiohttpServer, Bounds, Tls
from tabard_sidecar.http.clients import Clients
from tabard_sidecar.http.introspection_app import IntrospectionHandler
from tabard_sidecar.http.pace import Pace
from tabard_sidecar.interfaces import Introspect
from tabard_sidecar.util.rarely import PerWindow

_CONNECTIONS = 512
_KNOWN_SECONDS = 150.0
_IDLE_SECONDS = 120.0
_LINES, _WINDOW_SECONDS = 100, 10.0
_KINDS = 16
_MAX_BODY_BYTES = 64 * 1024
_JWKS_SECONDS = 60
_NO_SUCH_NAME = "no namespace has this name"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_STATUS = {
    Result.UNAUTHORIZED: (401, "invalid_token"),
    Result.FORBIDDEN: (403, "forbidden"),
    Result.UNKNOWN: (404, "unknown_zone"),
    Result.UNAVAILABLE: (503, "temporarily_unavailable"),
}
_log = logging.getLogger(__name__)


class ControlServer:
    """Answers on ``server.listen``.

    Args:
        address: ``host:port``.
        zones: the zones' keys.
        pods: tells which pod asks.
        metrics: where requests are counted.
        tls: certificate and key for the next connection.
    """

    def __init__(
        self,
        address: str,
        zones: Zones,
        pods: Pods,
        metrics: ControlMetrics,
        *,
        tls: Tls,
    ) -> None:
        self._zones = zones
        self._pods = pods
        self._metrics = metrics
        self._introspections: dict[str, IntrospectionHandler] = {}
        self._draining = False
        self._lines = PerWindow(_LINES, _WINDOW_SECONDS, _KINDS)
        application = web.Application(client_max_size=_MAX_BODY_BYTES)
        application.router.add_get("/zones/{zone}/keys", self._keys)
        application.router.add_get("/zones/{zone}/jwks.json", self._jwks)
        application.router.add_post("/zones/{zone}/introspect", self._introspect)
        # All sidecars of a cluster may start at once, some of them behind one address.
        bounds = Bounds(
            _CONNECTIONS,
            _KNOWN_SECONDS,
            _IDLE_SECONDS,
            Pace(each=300, all_together=400, known=400, patience=2.0),
        )
        self.server = AiohttpServer(application, address, bounds, tls=tls)

    def introspect(self, zone: str, clients: Clients, introspect: Introspect) -> None:
        """Let backends ask about the credentials of a zone.

        Args:
            zone: name of the zone.
            clients: authenticates them.
            introspect: returns the description of an active credential.
        """
        self._introspections[zone] = IntrospectionHandler(
            clients,
            introspect,
            lambda result: self._metrics.introspections.labels(result).inc(),
            self.server.keep,
        )

    def drain(self) -> None:
        """End each connection after its next answer, so that sidecars go to another replica."""
        self._draining = True

    async def _keys(self, request: web.Request) -> web.Response:
        """Give a sidecar the keys of its own namespace, and no others."""
        zone = request.match_info["zone"]
        try:
            caller = await self._pods.of_zone(request.headers.get("Authorization", ""), zone)
            keys = self._zones.keys(zone)
        except RefusedError as refused:
            return self._refusal(Endpoint.KEYS, zone, refused)
        self.server.keep(request)
        tag = f'"{keys.version}"'
        if request.headers.get("If-None-Match") == tag:
            self._metrics.requests.labels(Endpoint.KEYS.value, Result.UNCHANGED.value).inc()
            return self._finished(web.Response(status=304, headers={**_HEADERS, "ETag": tag}))
        self._metrics.requests.labels(Endpoint.KEYS.value, Result.GIVEN.value).inc()
        self._say(logging.INFO, "keys given", zone, caller)
        answer = web.Response(
            body=keys.content, content_type="application/json", headers={**_HEADERS, "ETag": tag}
        )
        return self._finished(answer)

    async def _jwks(self, request: web.Request) -> web.Response:
        """Give everyone the public keys of a zone."""
        zone = request.match_info["zone"]
        if not valid_zone(zone):
            return self._refusal(Endpoint.JWKS, zone, RefusedError(Result.UNKNOWN, _NO_SUCH_NAME))
        keys = self._zones.jwks(zone)
        headers = {
            **_HEADERS,
            "Cache-Control": f"public, max-age={_JWKS_SECONDS}",
            "ETag": f'"{keys.version}"',
        }
        same = request.headers.get("If-None-Match") == headers["ETag"]
        result = Result.UNCHANGED if same else Result.GIVEN
        self._metrics.requests.labels(Endpoint.JWKS.value, result.value).inc()
        answer = (
            web.Response(status=304, headers=headers)
            if same
            else web.Response(body=keys.content, content_type="application/jwk-set+json", headers=headers)
        )
        # Strangers ask, and deriving takes a moment: each has one answer for a handshake.
        answer.force_close()
        return answer

    async def _introspect(self, request: web.Request) -> web.Response:
        """Tell a backend of a zone whether a credential is active."""
        handler = self._introspections.get(request.match_info["zone"])
        if handler is None:
            answer = web.json_response({"error": "unknown_zone"}, status=404, headers=_HEADERS)
            answer.force_close()
            return answer
        return self._finished(await handler.introspect(request))

    def _refusal(self, endpoint: Endpoint, zone: str, refused: RefusedError) -> web.Response:
        self._metrics.requests.labels(endpoint.value, refused.result.value).inc()
        self._say(
            logging.WARNING,
            "keys refused",
            zone if valid_zone(zone) else "",
            refused.caller,
            reason=str(refused),
        )
        status, code = _STATUS[refused.result]
        answer = web.json_response(
            {"error": code, "error_description": str(refused)}, status=status, headers=_HEADERS
        )
        if refused.result is Result.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = 'Bearer realm="tabard-control"'
        if refused.result is Result.UNAVAILABLE:
            answer.headers["Retry-After"] = "5"
        answer.force_close()
        return answer

    def _finished(self, answer: web.Response) -> web.Response:
        if self._draining:
            answer.force_close()
        return answer

    def _say(self, level: int, event: str, zone: str, caller: Caller | None, *, reason: str = "") -> None:
        """Log who got what; every client may ask, so lines are bounded."""
        said, left_out = self._lines.take(f"{event}{reason}", monotonic())
        if not said:
            return
        details = {"zone": zone}
        if caller is not None:
            details |= {
                "namespace": caller.namespace,
                "account": caller.account,
                "pod": caller.pod,
                "uid": caller.uid,
            }
        if reason:
            details["reason"] = reason
        if left_out:
            details["left_out"] = str(left_out)
        _log.log(level, event, extra=details)
