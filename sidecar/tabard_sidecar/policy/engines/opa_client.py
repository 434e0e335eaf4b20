"""Calls an OPA server's REST API."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import orjson
from tabard.address import is_loopback

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.policy.conf import RemoteConfig
from tabard_sidecar.policy.engines.http_pool import Answer, HttpPool, NoPlaceError, UnusableAnswerError
from tabard_sidecar.policy.engines.peer import read_token, tls_context
from tabard_sidecar.policy.engines.provider import EvaluationFailedError
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json
from tabard_sidecar.util.jsontext import read_json

MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Most bytes of an answer about the server's modules and data."""
_MAX_VALUES = 1_000_000
"""Most values of such an answer: each takes some hundred bytes of memory."""
MAX_DECISION_BYTES = 1024 * 1024
"""Most bytes of an answer about one call; many calls wait for one at once."""
_MAX_DECISION_VALUES = 100_000
_AT_ONCE_BYTES = 16 * 1024
"""Larger answers are read in a thread."""
_TOO_LARGE = 413
_BAD_REQUEST, _TOO_LARGE_WORDS = 400, "request body too large"
"""How OPA refuses a body of more than ``server.decoding.max_length`` bytes; a server before it may answer 413."""
_OK = 200
_REFUSED = frozenset({401, 403})
_BUSY = frozenset({429, 503})
"""OPA has no limit of requests; a server before it may."""
_CODES = {
    "eval_builtin_error": "builtin_error",
    "eval_type_error": "builtin_error",  # a builtin that got a value of another type
    "eval_conflict_error": "conflict",
    "eval_cancel_error": "timeout",
}
"""OPA's codes (v1/topdown/errors.go); all others are ``internal``. engine/go/engine/problem.go does the same."""


class OpaClient:
    """Client of one OPA server. Belongs to one event loop; the first request connects."""

    def __init__(self, config: RemoteConfig) -> None:
        self._config = config
        self._base, self._socket = _address(config.url)
        self._token = ""
        self._tls: ssl.SSLContext | None = None
        self._pool: HttpPool | None = None
        self._heads: dict[tuple[str, str], bytes] = {}

    @property
    def where(self) -> str:
        """Address of the server, for messages."""
        return self._config.url

    def refresh(self) -> None:
        """Read the token file again, and the files of TLS before the next connection.

        Raises:
            OSError: the token file can't be read.
            ValueError: it isn't text of one line in ASCII.
        """
        self._tls = None
        token = read_token(self._config)
        if not token.isprintable():
            raise ValueError(f"{self._config.token_file} holds more than one line")
        if token != self._token:
            self._token = token
            self._heads.clear()

    async def get(self, path: str, deadline_seconds: float) -> Json:
        """Send GET and return the answer's JSON.

        Raises:
            EvaluationFailedError: OPA reports an error or takes too long.
            NoDecision: the server can't be reached or refuses access.
        """
        answer = await self._send("GET", path, b"", deadline_seconds, MAX_ANSWER_BYTES)
        return await self._checked(answer, _MAX_VALUES)

    async def post(self, path: str, body: bytes, deadline_seconds: float) -> Json:
        """Ask about one call with POST and return the answer's JSON. Raises as :meth:`get` does."""
        answer = await self._send("POST", path, body, deadline_seconds, MAX_DECISION_BYTES)
        return await self._checked(answer, _MAX_DECISION_VALUES)

    async def close(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _send(
        self, method: str, path: str, body: bytes, deadline_seconds: float, most_bytes: int
    ) -> Answer:
        request = b"%b%d\r\n\r\n%b" % (self._head(method, path), len(body), body)
        if self._pool is None:
            self._pool = HttpPool(self._connect, self._config.max_connections)
        try:
            return await self._pool.ask(request, most_bytes, deadline_seconds)
        except NoPlaceError as error:
            message = f"{self.where} is busy with {self._config.max_connections} requests"
            raise EvaluationFailedError("overloaded", message) from error
        except TimeoutError as error:
            raise EvaluationFailedError("timeout", f"{self.where} took too long") from error
        except UnusableAnswerError as error:
            raise self._unavailable(f"answers what can't be used: {error}") from error
        except PolicyBrokenError as error:
            raise self._unavailable(f"isn't asked: {error.problems[0].message}") from error
        except (OSError, ValueError) as error:
            raise self._unavailable(f"can't be reached: {type(error).__name__}") from error

    def _head(self, method: str, path: str) -> bytes:
        """Return the beginning of a request, up to the value of Content-Length."""
        known = self._heads.get((method, path))
        if known is not None:
            return known
        parts = urlsplit(self._base)
        # Without compression, so that an answer's size is bounded as it arrives.
        lines = [
            f"{method} {parts.path}{path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Content-Type: application/json",
            "Accept-Encoding: identity",
            "User-Agent: tabard",
            *([f"Authorization: Bearer {self._token}"] if self._token else []),
            "Content-Length: ",
        ]
        made = self._heads[method, path] = "\r\n".join(lines).encode("ascii")
        return made

    async def _connect(
        self, protocol: Callable[[], asyncio.Protocol]
    ) -> tuple[asyncio.BaseTransport, asyncio.Protocol]:
        loop = asyncio.get_running_loop()
        if self._socket:
            return await loop.create_unix_connection(protocol, self._socket)
        parts = urlsplit(self._base)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return await loop.create_connection(protocol, host, parts.port or 80)
        if self._tls is None:
            self._tls = tls_context(self._config, "policy.remote")
        return await loop.create_connection(protocol, host, parts.port or 443, ssl=self._tls)

    async def _checked(self, answer: Answer, most_values: int) -> Json:
        """Return the JSON of an answer with at most so many values. Raises as :meth:`get` does."""
        status, content = answer
        if status in _REFUSED:
            raise self._unavailable(f"refuses access with {status}: check policy.remote.token_file")
        if status in _BUSY:
            raise EvaluationFailedError("overloaded", f"{self.where} answers {status}")
        if status == _TOO_LARGE:
            raise self._too_large()
        if content.count(b",") + content.count(b"{") + content.count(b"[") > most_values:
            raise self._unavailable(f"answers {status} with more than {most_values} values")
        try:
            at_once = len(content) <= _AT_ONCE_BYTES
            found = orjson.loads(content) if at_once else await asyncio.to_thread(read_json, content)
        except (ValueError, RecursionError) as error:
            raise self._unavailable(f"answers {status} without JSON: is it an OPA server?") from error
        if not isinstance(found, dict):
            raise self._unavailable(f"answers {status} with JSON that isn't an object")
        if status == _BAD_REQUEST and str(found.get("message")).startswith(_TOO_LARGE_WORDS):
            raise self._too_large()
        if status != _OK:
            raise _failure(found, status)
        return found

    def _too_large(self) -> EvaluationFailedError:
        return EvaluationFailedError("input_too_large", f"{self.where} rejects the input as too large")

    def _unavailable(self, what: str) -> NoDecision:
        return NoDecision("UNAVAILABLE", "policy_unavailable", f"the OPA server {self.where} {what}")


def _failure(answer: dict[str, Json], status: int) -> EvaluationFailedError:
    errors = answer.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    place = first.get("location")
    location = place if isinstance(place, dict) else {}
    message = str(first.get("message") or answer.get("message") or f"OPA answers {status}")
    return EvaluationFailedError(
        _CODES.get(str(first.get("code")), "internal"),
        message[:2000],
        str(location.get("file", "")),
        row if isinstance(row := location.get("row"), int) else 0,
    )


def _address(url: str) -> tuple[str, str]:
    """Return the base URL of requests, and the socket's path if there is one."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise _bad_url(url, "must be ASCII without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad_url(url, "is no valid URL") from None
    if port == 0:
        raise _bad_url(url, "names port 0")
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise _bad_url(url, "must have an absolute path for a unix socket")
        return "http://localhost", parts.path
    if parts.username or parts.password or parts.query or parts.fragment:
        raise _bad_url(url, "holds more than scheme, host, port and path")
    if parts.scheme == "https" and parts.hostname:
        return url.rstrip("/"), ""
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return url.rstrip("/"), ""
    raise _bad_url(url, "must be unix:, https: or http: to this machine")


def _bad_url(url: str, what: str) -> PolicyBrokenError:
    message = f"policy.remote.url {what}"
    return PolicyBrokenError([PolicyProblem("", 0, 0, "remote_url", message, f"Fix {url!r}")])
