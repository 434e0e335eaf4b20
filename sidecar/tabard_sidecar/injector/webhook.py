"""The HTTPS listener that the API server calls."""

from __future__ import annotations

import asyncio
import logging
from time import monotonic, perf_counter

from aiohttp import web

from tabard_sidecar.http.aiohttp_server import AiohttpServer, Bounds, Tls
from tabard_sidecar.http.pace import Pace
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.metrics import InjectorMetrics
from tabard_sidecar.injector.review import Answer, MalformedError, Result, answer
from tabard_sidecar.util.rarely import PerWindow

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Longest review. The API server accepts objects of at most 3 MiB."""
_LARGE_BYTES = 128 * 1024
_LARGE_AT_ONCE = 2
_BODY_SECONDS = 5.0
_CONNECTIONS = 512
_KNOWN_SECONDS = 150.0
_IDLE_SECONDS = 120.0
"""Longer than the API server keeps an idle connection, so that it is never closed under a request."""
_LINES, _WINDOW_SECONDS = 100, 10.0

_log = logging.getLogger(__name__)


class Webhook:
    """Answers ``POST /inject`` on ``webhook.listen``.

    Args:
        settings: the injector's configuration.
        metrics: where reviews are counted.
        tls: certificate and key for the next connection.
    """

    def __init__(self, settings: InjectorSettings, metrics: InjectorMetrics, tls: Tls) -> None:
        self._settings = settings
        self._metrics = metrics
        self._draining = False
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)
        self._lines = PerWindow(_LINES, _WINDOW_SECONDS, len(Result))
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/inject", self._inject)
        # Few API servers ask, and one may open many connections at once.
        bounds = Bounds(
            _CONNECTIONS,
            _KNOWN_SECONDS,
            _IDLE_SECONDS,
            Pace(each=300, all_together=400, known=400, patience=2.0),
        )
        self.server = AiohttpServer(application, settings.webhook.listen, bounds, tls=tls)

    def drain(self) -> None:
        """End each connection after its next answer, so that the API server goes to another replica."""
        self._draining = True

    async def _inject(self, request: web.Request) -> web.Response:
        length = request.content_length
        if length is None:
            return self._malformed(411, "send Content-Length")
        if length > MAX_BODY_BYTES:
            return self._malformed(413, f"the review has more than {MAX_BODY_BYTES} bytes")
        try:
            if length <= _LARGE_BYTES:
                found = await self._answered(request, large=False)
            else:
                # What is large is read by few at once, and in a thread.
                async with self._large:
                    found = await self._answered(request, large=True)
        except MalformedError as error:
            return self._malformed(400, str(error))
        except TimeoutError:
            return self._malformed(408, f"the review didn't come within {_BODY_SECONDS:.0f} s")
        self.server.keep(request)
        self._tell(found)
        response = web.Response(body=found.body, content_type="application/json")
        if self._draining:
            response.force_close()
        return response

    async def _answered(self, request: web.Request, *, large: bool) -> Answer:
        async with asyncio.timeout(_BODY_SECONDS):
            body = await request.read()
        began = perf_counter()
        found = (
            await asyncio.to_thread(answer, body, self._settings) if large else answer(body, self._settings)
        )
        self._metrics.review_seconds.observe(perf_counter() - began)
        return found

    def _malformed(self, status: int, problem: str) -> web.Response:
        self._metrics.reviews.labels(Result.MALFORMED.value).inc()
        if self._lines.take(Result.MALFORMED, monotonic())[0]:
            _log.warning("request can't be answered", extra={"problem": problem})
        response = web.Response(text=f"{problem}\n", status=status)
        response.force_close()
        return response

    def _tell(self, found: Answer) -> None:
        """Count and log what became of a pod; any client may ask, so lines are bounded."""
        self._metrics.reviews.labels(found.result.value).inc()
        said, left_out = self._lines.take(found.result, monotonic())
        if said:
            details = {"namespace": found.namespace, "pod": found.name}
            if found.reason:
                details["reason"] = found.reason
            if left_out:
                details["left_out"] = str(left_out)
            _log.log(
                logging.WARNING if found.reason else logging.INFO, f"pod {found.result.value}", extra=details
            )
