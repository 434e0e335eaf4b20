"""An HTTP proxy before a vault that stops at a moment of a request's way, so that tests can do something just then."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit


class Way(StrEnum):
    """Where on its way a request is."""

    ASKED = "asked"  # the vault hasn't got it
    ANSWERED = "answered"  # the vault has answered, and who asked doesn't know


@dataclass
class Pause:
    """Stops the first request to a path that ends with ``path``; afterwards it goes on, or is dropped."""

    path: str
    way: Way
    drops: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> bool:
        """Wait until the pause is over; tell whether the request goes on."""
        self.reached.set()
        self.over.wait(60)
        return not self.drops


class PausingProxy:
    """Forwards requests to the vault at ``address``. ``logins`` are those of a database that passed by."""

    def __init__(self, address: str) -> None:
        self.logins: list[dict[str, str]] = []
        self._vault = urlsplit(address).netloc
        self._pause: Pause | None = None
        self._lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with suppress(OSError):
                    proxy._pass(self)

            def do_POST(self) -> None:
                self.do_GET()

            def do_PUT(self) -> None:
                self.do_GET()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def pause(self, path: str, way: Way, *, drops: bool = False) -> Pause:
        """Stop the next request to a path."""
        self._pause = Pause(path, way, drops)
        return self._pause

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()

    def _pass(self, asked: http.server.BaseHTTPRequestHandler) -> None:
        body = asked.rfile.read(int(asked.headers.get("Content-Length", "0")))
        if not self._goes_on(asked.path, Way.ASKED):
            asked.close_connection = True
            return
        vault = http.client.HTTPConnection(self._vault, timeout=60)
        vault.request(asked.command, asked.path, body, dict(asked.headers))
        reply = vault.getresponse()
        content = reply.read()
        vault.close()
        self._note(asked.path, reply.status, content)
        if not self._goes_on(asked.path, Way.ANSWERED):
            asked.close_connection = True
            return
        asked.send_response(reply.status)
        for name in ("Content-Type", "Retry-After"):
            if value := reply.headers.get(name):
                asked.send_header(name, value)
        asked.send_header("Content-Length", str(len(content)))
        asked.end_headers()
        asked.wfile.write(content)

    def _goes_on(self, path: str, way: Way) -> bool:
        with self._lock:
            pause = self._pause
            if pause is None or pause.way is not way or not path.endswith(pause.path):
                return True
            self._pause = None
        return pause.stop()

    def _note(self, path: str, status: int, content: bytes) -> None:
        if status == http.HTTPStatus.OK and "/creds/" in path:
            data: dict[str, Any] = json.loads(content)["data"]
            self.logins.append(data)


@contextmanager
def pausing_proxy(address: str) -> Iterator[PausingProxy]:
    """Run a proxy for the length of a block."""
    proxy = PausingProxy(address)
    try:
        yield proxy
    finally:
        proxy.close()
