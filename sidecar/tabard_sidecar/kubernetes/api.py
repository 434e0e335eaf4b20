"""Sends requests to the Kubernetes API server: its own host and authorities only, bounded, no redirects, no proxies."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from tabard.files import stamp
from tabard.trust import read_trusted

from tabard_sidecar.util.bounded_http import BoundedSession, json_object
from tabard_sidecar.util.files import explain, require_readable
from tabard_sidecar.util.lanes import Lane

if TYPE_CHECKING:
    from tabard_sidecar.kubernetes.conf import ApiServerConfig
    from tabard_sidecar.util.bounded_http import Reply

MAX_REPLY_BYTES = 2 * 1024 * 1024
"""Longest reply by default. A stored object has at most 1.5 MiB."""
_MAX_TOKEN_BYTES = 16 * 1024
_PLACES = 4
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_MESSAGE_CHARACTERS = 300
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT = 401, 403, 404, 409
_OK, _CREATED = 200, 201
_JSON, _JSON_PATCH = "application/json", "application/json-patch+json"

Object = Mapping[str, Any]
"""An object of Kubernetes, as JSON."""


class ApiError(Exception):
    """The API server didn't do what it was asked; says what, why, and what to do.

    Attributes:
        status: its status code; 0 if there is no answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status

    @property
    def missing(self) -> bool:
        """Whether the object doesn't exist."""
        return self.status == _NOT_FOUND

    @property
    def conflict(self) -> bool:
        """Whether someone else was faster: the object exists already, or isn't any more what it was."""
        return self.status == _CONFLICT

    @property
    def forbidden(self) -> bool:
        """Whether the ServiceAccount may not do it."""
        return self.status == _FORBIDDEN


class UnreadableError(ApiError):
    """The answer can't be read: it is too long, compressed or something else than was asked for."""


class _Faults:
    """Errors of the bounded transport.

    Args:
        url: the API server's.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def unavailable(self, message: str, *, nothing_done: bool = False) -> Exception:
        del nothing_done
        return ApiError(f"{self._url}: {message}")

    def invalid(self, message: str) -> Exception:
        return UnreadableError(f"{self._url}: {message}")


class ApiServer:
    """Reads and writes objects. All methods raise :class:`ApiError`.

    Args:
        config: where it is, and the files with token and authorities.
        places: most requests at once; further ones wait for their turn.
        max_bytes: longest reply.
    """

    def __init__(
        self, config: ApiServerConfig, *, places: int = _PLACES, max_bytes: int = MAX_REPLY_BYTES
    ) -> None:
        self._config = config
        self._places = places
        self._max_bytes = max_bytes
        self._faults = _Faults(config.url)
        self._lane = Lane("kubernetes", places, self._faults)
        self._session: BoundedSession | None = None
        self._stamp: tuple[int, ...] = ()
        self._ahead = 0.0

    def now(self) -> float:
        """Return the API server's time in seconds since 1970, as of its last answer; it is the same for all replicas."""
        return time.time() + self._ahead

    async def get(self, path: str, *, accept: str = _JSON) -> Object:
        """Return the object, or the list, at ``path``, in the form that ``accept`` asks for."""
        return await self._asked("GET", path, accept=accept)

    async def create(self, path: str, document: Object) -> Object:
        """Create an object in the collection at ``path``; return it as it is stored."""
        return await self._asked("POST", path, document)

    async def replace(self, path: str, document: Object) -> Object:
        """Replace the object at ``path`` if it still has the document's ``metadata.resourceVersion``."""
        return await self._asked("PUT", path, document)

    async def patch(self, path: str, operations: Sequence[Mapping[str, Any]]) -> Object:
        """Change the object at ``path`` by a JSON patch (RFC 6902)."""
        return await self._asked("PATCH", path, operations)

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            self._session.close()

    async def _asked(
        self,
        method: str,
        path: str,
        body: Object | Sequence[Mapping[str, Any]] | None = None,
        *,
        accept: str = _JSON,
    ) -> Object:
        content = None if body is None else json.dumps(body).encode()
        deadline = asyncio.get_running_loop().time() + self._config.timeout_seconds
        return await self._lane.run(lambda: self._sent(method, path, content, accept), deadline)

    def _sent(self, method: str, path: str, content: bytes | None, accept: str) -> Object:
        """Send a request and read its answer, in a thread."""
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": accept}
        if content is not None:
            headers["Content-Type"] = _JSON_PATCH if method == "PATCH" else _JSON
        reply = self._connected().request(method, path, headers=headers, body=content)
        self._follow_clock(reply)
        asked = f"{method} {path.partition('?')[0]}"
        if reply.status not in ({_CREATED} if method == "POST" else {_OK, _CREATED}):
            raise ApiError(f"{asked}: {_problem(reply.status, self._said(reply))}", reply.status)
        return json_object(reply.content, self._faults, max_bytes=self._max_bytes)

    def _said(self, reply: Reply) -> Object:
        """Return what the API server says of what it didn't do (meta/v1 Status); nothing if that can't be read."""
        try:
            return json_object(reply.content, self._faults, max_bytes=self._max_bytes)
        except UnreadableError:
            return {}

    def _token(self) -> str:
        path = self._config.token_file
        try:
            token = read_trusted(path, _MAX_TOKEN_BYTES)[0].decode("ascii", "replace").strip()
        except OSError as error:
            raise ApiError(f"the token can't be read: {explain(error)}") from None
        # Errors of the client quote headers that can't be sent.
        if _TOKEN.fullmatch(token) is None:
            raise ApiError(f"{path} holds no token; mount the ServiceAccount's token there")
        return token

    def _connected(self) -> BoundedSession:
        """Return connections with the authorities as they are now."""
        path = self._config.ca_file
        try:
            require_readable(path)
            found = stamp(path.stat())
        except OSError as error:
            raise ApiError(f"the API server's authorities can't be read: {explain(error)}") from None
        if self._session is None or found != self._stamp:
            try:
                self._session = BoundedSession(
                    self._config.url,
                    ca_file=path,
                    connections=self._places,
                    faults=self._faults,
                    max_bytes=self._max_bytes,
                )
            except ValueError as error:
                raise ApiError(f"the API server's authorities can't be read: {error}") from None
            self._stamp = found
        return self._session

    def _follow_clock(self, reply: Reply) -> None:
        try:
            self._ahead = parsedate_to_datetime(reply.date).timestamp() - time.time()
        except (ValueError, TypeError):
            self._ahead = 0.0


def _problem(status: int, document: Object) -> str:
    """Return what the API server says (meta/v1 Status), bounded and printable."""
    said = str(document.get("message") or "")[:_MESSAGE_CHARACTERS]
    said = "".join(character if character.isprintable() else "?" for character in said)
    step = {
        _UNAUTHORIZED: "; the token isn't accepted",
        _FORBIDDEN: "; give the ServiceAccount this right",
    }.get(status, "")
    return f"the API server answers {status}: {said or 'without a reason'}{step}"
