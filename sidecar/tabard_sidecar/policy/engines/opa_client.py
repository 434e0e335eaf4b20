"""Calls an OPA server's REST API."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlsplit

import aiohttp
from tabard.address import is_loopback

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.policy.conf import RemoteConfig
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
_OK = 200
_REFUSED = frozenset({401, 403})
_CODES = {"eval_builtin_error": "builtin_error", "eval_conflict_error": "conflict"}


class OpaClient:
    """Client of one OPA server. Belongs to one event loop; the first request connects."""

    def __init__(self, config: RemoteConfig) -> None:
        self._config = config
        self._base, self._socket = _address(config.url)
        self._token = ""
        self._session: aiohttp.ClientSession | None = None

    @property
    def where(self) -> str:
        """Address of the server, for messages."""
        return self._config.url

    def refresh_token(self) -> None:
        """Read the token file again.

        Raises:
            OSError: it can't be read.
            ValueError: it isn't ASCII.
        """
        self._token = read_token(self._config)

    async def get(self, path: str, deadline_seconds: float) -> Json:
        """Send GET and return the answer's JSON.

        Raises:
            EvaluationFailedError: OPA reports an error or takes too long.
            NoDecision: the server can't be reached or refuses access.
        """
        content, status = await self._send("GET", path, None, deadline_seconds, MAX_ANSWER_BYTES)
        return await self._checked(status, content, _MAX_VALUES)

    async def post(self, path: str, body: bytes, deadline_seconds: float) -> Json:
        """Ask about one call with POST and return the answer's JSON. Raises as :meth:`get` does."""
        content, status = await self._send("POST", path, body, deadline_seconds, MAX_DECISION_BYTES)
        return await self._checked(status, content, _MAX_DECISION_VALUES)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(
        self, method: str, path: str, body: bytes | None, deadline_seconds: float, most_bytes: int
    ) -> tuple[bytes, int]:
        """Return the answer's content and status."""
        # Without compression, so that an answer's size is bounded as it arrives.
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        try:
            async with self._open().request(
                method,
                self._base + path,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=deadline_seconds),
            ) as response:
                return await _read(response, most_bytes), response.status
        except TimeoutError as error:
            raise EvaluationFailedError("timeout", f"{self.where} took too long") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unavailable(f"can't be reached: {type(error).__name__}") from error

    async def _checked(self, status: int, content: bytes, most_values: int) -> Json:
        """Return the JSON of an answer with at most so many values. Raises as :meth:`get` does."""
        if status in _REFUSED:
            raise self._unavailable(f"refuses access with {status}: check policy.remote.token_file")
        if status == _TOO_LARGE:
            raise EvaluationFailedError("input_too_large", f"{self.where} rejects the input as too large")
        if content.count(b",") + content.count(b"{") + content.count(b"[") > most_values:
            raise self._unavailable(f"answers {status} with more than {most_values} values")
        try:
            at_once = len(content) <= _AT_ONCE_BYTES
            answer = json.loads(content) if at_once else await asyncio.to_thread(read_json, content)
        except (ValueError, RecursionError) as error:
            raise self._unavailable(f"answers {status} without JSON: is it an OPA server?") from error
        if not isinstance(answer, dict):
            raise self._unavailable(f"answers {status} with JSON that isn't an object")
        if status != _OK:
            raise _failure(answer, status)
        return answer

    def _unavailable(self, what: str) -> NoDecision:
        return NoDecision("UNAVAILABLE", "policy_unavailable", f"the OPA server {self.where} {what}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            limit = self._config.max_connections
            connector: aiohttp.BaseConnector
            if self._socket:
                connector = aiohttp.UnixConnector(self._socket, limit=limit)
            else:
                connector = aiohttp.TCPConnector(limit=limit, ssl=tls_context(self._config, "policy.remote"))
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > most_bytes:
            raise aiohttp.ClientPayloadError("the answer is too large")
    return bytes(content)


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
    parts = urlsplit(url)
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
