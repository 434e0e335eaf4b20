"""A fake of a vault, for replies that no real one gives: hostile, broken, slow. Real servers are in tests/integration/vault."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Step = bytes | float
"""What is sent, or how many seconds pass."""


@dataclass(frozen=True)
class Asked:
    """A request that the fake got."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """An answer: a status and JSON, or raw steps instead; ``hangs_up`` closes the connection afterwards."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    steps: list[Step] | None = None
    hangs_up: bool = False

    def sent(self) -> list[Step]:
        if self.steps is not None:
            return self.steps
        content = (
            self.body if isinstance(self.body, bytes) else b"" if self.body is None else _json(self.body)
        )
        head = {"Content-Type": "application/json", "Content-Length": str(len(content))} | self.headers
        lines = [f"HTTP/1.1 {self.status} X", *(f"{name}: {value}" for name, value in head.items())]
        return [("\r\n".join(lines) + "\r\n\r\n").encode() + content]


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


SECRET = "hvs.fake-token-of-the-sidecar"
CHILD = "hvs.fake-token-of-a-credential"
CREATE = "/v1/auth/token/create/tabard"
LOGIN = "/v1/auth/approle/login"
RENEW = "/v1/auth/token/renew-self"
REVOKE = "/v1/auth/token/revoke-self"
REAP = "/v1/auth/token/revoke-accessor"
HEALTH = "/v1/sys/health"
CREDS = "/v1/database/creds/orders-read"
SECRETS = "/v1/secret/data/apis/weather"


def auth(secret: str = CHILD, **changes: Any) -> dict[str, Any]:
    """The reply with a token, as Vault 1.13.1 gives it."""
    token = {
        "client_token": secret,
        "accessor": "accessor-1",
        "policies": ["tabard-child"],
        "lease_duration": 30,
        "renewable": True,
        "orphan": True,
        "token_type": "service",
        "num_uses": 0,
    }
    return {"auth": token | changes, "data": None, "warnings": None}


def creds(**changes: Any) -> dict[str, Any]:
    """The reply of the database engine."""
    reply = {
        "lease_id": "database/creds/orders-read/abc",
        "lease_duration": 900,
        "renewable": True,
        "data": {"username": "token-u", "password": "p-1"},
    }
    return reply | changes


class FakeVault:
    """Answers by path. ``answers`` can be changed; ``asked`` holds what came, ``identified`` what asked which cluster it is;
    ``most`` the most connections at once."""

    read: Callable[[bytes], Any] = staticmethod(json.loads)

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.asked: list[Asked] = []
        self.identified: list[Asked] = []
        self.connections = 0
        self.open = 0
        self.most = 0
        self.answers: dict[str, Answer | Callable[[Asked], Answer]] = {
            LOGIN: Answer(body=auth(SECRET, lease_duration=600)),
            CREATE: Answer(body=auth()),
            RENEW: lambda asked: Answer(
                body=auth(lease_duration=int(asked.body.get("increment", "600s")[:-1]))
            ),
            REVOKE: Answer(204),
            REAP: Answer(204),
            HEALTH: Answer(body={"initialized": True, "sealed": False, "cluster_id": "cluster-1"}),
            CREDS: Answer(body=creds()),
            SECRETS: Answer(body={"data": {"data": {"key": "k-1", "more": "m", "number": 5}}}),
        }
        self._lock = threading.Lock()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._context = None
        if tls is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*tls)
        scheme = "http" if tls is None else "https"
        self.port = self._listener.getsockname()[1]
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._closed = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self._listener.close()

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self.open += 1
            self.most = max(self.most, self.open)
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as stream:
                while self._answer(connection, stream):
                    pass
        except OSError:
            pass
        finally:
            with self._lock:
                self.open -= 1

    def _answer(self, connection: socket.socket, stream: Any) -> bool:
        line = stream.readline().decode()
        if not line:
            return False
        method, path, _ = line.split()
        headers: dict[str, str] = {}
        while header := stream.readline().strip().decode():
            name, _, value = header.partition(": ")
            headers[name] = value
        body = stream.read(int(headers.get("Content-Length", "0")))
        asked = Asked(method, path, headers, self.read(body) if body else None)
        with self._lock:
            (self.identified if path.startswith(HEALTH) else self.asked).append(asked)
        found = self.answers.get(path.partition("?")[0], Answer(404, {"errors": []}))
        answer = found if isinstance(found, Answer) else found(asked)
        for step in answer.sent():
            if isinstance(step, bytes):
                connection.sendall(step)
            else:
                time.sleep(step)
        return not answer.hangs_up


@contextmanager
def fake_vault(tls: tuple[Path, Path] | None = None) -> Iterator[FakeVault]:
    """Run a fake for the block."""
    fake = FakeVault(tls)
    try:
        yield fake
    finally:
        fake.close()
