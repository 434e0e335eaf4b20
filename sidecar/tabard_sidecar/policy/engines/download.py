"""Fetches a bundle as OPA's bundle API gives it: with an ETag, and with an answer that waits for a change if wished."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

import aiohttp

from tabard_sidecar.policy.conf import DownloadConfig
from tabard_sidecar.policy.engines.peer import read_token, tls_context
from tabard_sidecar.policy.loading.reading import RAISE
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.util.lean import dataclass

_BUNDLES = "application/vnd.openpolicyagent.bundles"
_MAX_ETAG = 1024
_OK, _NOT_MODIFIED = 200, 304
_REDIRECTS = range(300, 400)
_REFUSED = frozenset({401, 403})
_MISSING = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer of the server.

    Attributes:
        content: the tarball; ``None`` if it is the one whose ETag was sent.
        etag: its ETag; empty if it has none.
        waits: whether the server waits for a change when it is asked to.
    """

    content: bytes | None
    etag: str
    waits: bool


class Downloader:
    """Fetches one URL. Every request has a connection of its own, and reads token and certificates again."""

    def __init__(self, url: str, config: DownloadConfig, most_bytes: int) -> None:
        self._url = url
        self._most_bytes = most_bytes
        self._config = config
        parts = urlsplit(url)
        self.where = f"{parts.scheme}://{parts.netloc}{parts.path}"
        """The address for messages: a query may hold a secret."""

    async def fetch(self, etag: str, wait_seconds: int = 0) -> Fetched:
        """Ask for the bundle.

        Args:
            etag: nothing is sent if the bundle still has this ETag; empty asks for it anyway.
            wait_seconds: how long the server may wait for a change of the bundle with this ETag.

        Raises:
            PolicyBrokenError: there is no acceptable answer in time; one problem says why.
        """
        headers = self._headers(etag, wait_seconds)
        connector = aiohttp.TCPConnector(ssl=self._tls())
        try:
            async with aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
            ) as session:
                return await self._ask(session, headers, wait_seconds)
        except TimeoutError as error:
            message = f"didn't answer in full within {self._config.timeout_seconds:g} s"
            raise self._failed(
                message, "Check the server, or raise policy.download.timeout_seconds"
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            kind = "its certificate isn't accepted" if _is_tls(error) else type(error).__name__
            raise self._failed(f"can't be read: {kind}", "Check policy.url and the server") from error

    async def _ask(
        self, session: aiohttp.ClientSession, headers: dict[str, str], wait_seconds: int
    ) -> Fetched:
        patience = self._config.timeout_seconds
        async with asyncio.timeout(patience + wait_seconds):
            response = await session.get(self._url, headers=headers, allow_redirects=False)
        async with asyncio.timeout(patience), response:
            waits = response.content_type == _BUNDLES
            if response.status == _NOT_MODIFIED and "If-None-Match" in headers:
                return Fetched(None, headers["If-None-Match"], waits)
            self._require_bundle(response)
            return Fetched(await self._content(response), _etag(response), waits)

    def _headers(self, etag: str, wait_seconds: int) -> dict[str, str]:
        # Without compression of the transfer, so that the size is bounded as it arrives.
        headers = {"Accept-Encoding": "identity", "User-Agent": "tabard", "Prefer": "modes=snapshot"}
        if wait_seconds:
            headers["Prefer"] += f";wait={wait_seconds}"
        if etag:
            headers["If-None-Match"] = etag
        try:
            token = read_token(self._config)
        except (OSError, ValueError) as error:
            raise self._failed(
                f"isn't asked: {error}", "Check the file in policy.download.token_file"
            ) from error
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _tls(self) -> ssl.SSLContext | bool:
        return tls_context(self._config, "policy.download") if self._url.startswith("https:") else True

    def _require_bundle(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status in _REFUSED:
            raise self._failed(f"refuses access with {status}", "Check policy.download.token_file")
        if status in _MISSING:
            raise self._failed(
                f"has no bundle there (it answers {status})", "Check policy.url, or push a bundle"
            )
        if status in _REDIRECTS:
            message = f"redirects with {status}, which isn't followed"
            raise self._failed(message, "Set policy.url to the address that has the bundle itself")
        if status != _OK:
            raise self._failed(f"answers {status}", "Check the server")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            message = "compresses the transfer, which wasn't asked for"
            raise self._failed(message, "Let the server send the tarball as it is")

    async def _content(self, response: aiohttp.ClientResponse) -> bytes:
        if (response.content_length or 0) > self._most_bytes:
            raise self._too_large()
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > self._most_bytes:
                raise self._too_large()
        return bytes(content)

    def _too_large(self) -> PolicyBrokenError:
        return self._failed(f"sends more than {self._most_bytes} bytes", RAISE)

    def _failed(self, message: str, next_step: str) -> PolicyBrokenError:
        return PolicyBrokenError([PolicyProblem(self.where, 0, 0, "download", message, next_step)])


def _etag(response: aiohttp.ClientResponse) -> str:
    """Return the answer's ETag; one that can't be sent back counts as none."""
    etag = response.headers.get("ETag", "")
    return etag if len(etag) <= _MAX_ETAG and etag.isascii() and etag.isprintable() else ""


def _is_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError | aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError)
