"""Sends requests to the Kubernetes API server: its own host and authorities only, bounded, no redirects, no proxies.

requests sends them, in threads. Few are sent, so the half second that its import takes and its time for a request matter
little here.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from tabard.arguments import ArgumentsError, parse_json
from tabard.files import stamp
from tabard.trust import read_trusted

from tabard_sidecar.util.detached import Detached, StuckError
from tabard_sidecar.util.files import explain, require_readable

if TYPE_CHECKING:
    from tabard_sidecar.kubernetes.conf import ApiServerConfig

MAX_REPLY_BYTES = 2 * 1024 * 1024
"""Longest reply. A stored object has at most 1.5 MiB."""
_MAX_TOKEN_BYTES = 16 * 1024
_PART_BYTES = 64 * 1024
_PLACES = 4
# A thread ends by itself then, and says best what took it so long.
_SLACK_SECONDS = 1.0
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_MESSAGE_CHARACTERS = 300
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _CONFLICT = 401, 403, 404, 409
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


class TooLongError(ApiError):
    """The answer is longer than any that is read."""


class ApiServer:
    """Reads and writes objects. All methods raise :class:`ApiError`.

    Args:
        config: where it is, and the files with token and authorities.
    """

    def __init__(self, config: ApiServerConfig) -> None:
        self._config = config
        self._threads = Detached("kubernetes", places=_PLACES, often=True)
        self._session: requests.Session | None = None
        self._stamp: tuple[int, ...] = ()
        self._ahead = 0.0

    def now(self) -> float:
        """Return the API server's time in seconds since 1970, as of its last answer; it is the same for all replicas."""
        return time.time() + self._ahead

    async def get(self, path: str, *, accept: str = _JSON) -> Object:
        """Return the object, or the list, at ``path``, in the form of the media type ``accept``."""
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
        seconds = self._config.timeout_seconds
        try:
            return await self._threads.run(
                lambda: self._sent(method, path, content, time.monotonic() + seconds, accept),
                seconds + _SLACK_SECONDS,
            )
        except StuckError:
            raise ApiError(f"{self._config.url} didn't answer within {seconds:g} s") from None

    def _sent(self, method: str, path: str, content: bytes | None, deadline: float, accept: str) -> Object:
        """Send a request and read its answer, in a thread."""
        seconds = self._config.timeout_seconds
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": accept}
        if content is not None:
            headers["Content-Type"] = _JSON_PATCH if method == "PATCH" else _JSON
        try:
            with self._connected().request(
                method,
                f"{self._config.url}{path}",
                data=content,
                headers=headers,
                timeout=seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                text = self._read(response, deadline)
                self._follow_clock(response)
                return self._checked(response.status_code, text, f"{method} {path.partition('?')[0]}")
        except OSError as error:  # among them all of requests
            raise ApiError(f"{self._config.url} {_explained(error)}") from None

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

    def _connected(self) -> requests.Session:
        """Return a session with the authorities as they are now."""
        path = self._config.ca_file
        try:
            require_readable(path)
            found = stamp(path.stat())
        except OSError as error:
            raise ApiError(f"the API server's authorities can't be read: {explain(error)}") from None
        if self._session is None or found != self._stamp:
            session = requests.Session()
            # Neither proxies nor passwords nor authorities of the environment.
            session.trust_env = False
            session.verify = str(path)
            session.headers = {"Accept-Encoding": "identity", "User-Agent": "tabard"}
            session.mount("https://", HTTPAdapter(pool_connections=1, pool_maxsize=_PLACES, max_retries=0))
            self._session, self._stamp = session, found
        return self._session

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise ApiError(f"{self._config.url}: the answer is compressed, which it wasn't asked for")
        content = b""
        for part in response.iter_content(_PART_BYTES):
            content += part
            if len(content) > MAX_REPLY_BYTES:
                raise TooLongError(f"{self._config.url}: the answer is longer than {MAX_REPLY_BYTES} bytes")
            if time.monotonic() > deadline:
                raise ApiError(f"{self._config.url}: the answer took too long")
        return content

    def _follow_clock(self, response: requests.Response) -> None:
        try:
            self._ahead = parsedate_to_datetime(response.headers["Date"]).timestamp() - time.time()
        except (KeyError, ValueError, TypeError):
            self._ahead = 0.0

    def _checked(self, status: int, content: bytes, asked: str) -> Object:
        try:
            document = parse_json(content, max_bytes=MAX_REPLY_BYTES)
        except ArgumentsError as error:
            raise ApiError(f"{asked}: the answer can't be read: {error}", status) from None
        if not isinstance(document, dict):
            raise ApiError(f"{asked}: the answer is no JSON object", status)
        if status not in {200, 201}:
            raise ApiError(f"{asked}: {_problem(status, document)}", status)
        return document


def _problem(status: int, document: Object) -> str:
    """Return what the API server says (meta/v1 Status), bounded and printable."""
    said = str(document.get("message") or "")[:_MESSAGE_CHARACTERS]
    said = "".join(character if character.isprintable() else "?" for character in said)
    step = {
        _UNAUTHORIZED: "; the token isn't accepted",
        _FORBIDDEN: "; give the ServiceAccount this right",
    }.get(status, "")
    return f"the API server answers {status}: {said or 'without a reason'}{step}"


def _explained(error: OSError) -> str:
    """Return why there is no answer; the library's own texts may repeat what was sent."""
    if isinstance(error, requests.exceptions.SSLError):
        return "has a certificate that isn't acceptable, or TLS failed; check the file with its authorities"
    if isinstance(error, requests.Timeout):
        return "didn't answer in time"
    if isinstance(error, requests.ConnectionError):
        return "can't be reached"
    return "answered with something that can't be read"
