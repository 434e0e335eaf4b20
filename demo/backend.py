"""A small HTTP backend that creates refunds and is guarded with ``tabard.verify``."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, make_server

from tabard.verify import Call, Request, SqliteReplayStore, Verifier
from tabard.verify.wsgi import TabardMiddleware

AUDIENCE = "https://refunds.internal"


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Log nothing: the demo prints its own screen."""


class RefundBackend:
    """Serves ``POST /refunds`` on loopback while the ``with`` block lasts.

    Args:
        folder: where used credentials are stored.
        issuer: issuer of the zone's credentials.
        jwks: file with the zone's public keys.
    """

    def __init__(self, folder: Path, *, issuer: str, jwks: Path) -> None:
        verifier = Verifier(
            AUDIENCE, issuer=issuer, jwks=jwks, replay=SqliteReplayStore(folder / "replay.db")
        )
        guarded = TabardMiddleware(_create_refund, verifier, {("POST", "/refunds"): _extract}, routes=None)
        self._server = make_server("127.0.0.1", 0, guarded, handler_class=_QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="refund-backend")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def post(self, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> int:
        """Request a refund as an agent does; return the HTTP status."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.server_port, timeout=10)
        try:
            connection.request(
                "POST", "/refunds", json.dumps(arguments), {"Content-Type": "application/json", **headers}
            )
            return connection.getresponse().status
        finally:
            connection.close()


def _extract(request: Request) -> Call:
    """Return the tool call of a request: the backend decides this, not the caller."""
    return Call("refunds.create", request.json())


def _create_refund(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    verified = environ["tabard.verified"]
    body = json.dumps({"refund": "created", "on_behalf_of": verified.subject.id}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
