"""Fetches key sets over HTTP, bounded in size and time. Imported only if a configured source needs it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from tabard.address import is_loopback
from tabard.files import RefusedFileError
from tabard.trust import read_trusted

from tabard_sidecar.identity.keyset import MAX_SET_BYTES
from tabard_sidecar.util.files import explain, require_readable

if TYPE_CHECKING:
    from pathlib import Path

_OK = 200
_MAX_BEARER_BYTES = 16 * 1024


class FetchError(Exception):
    """A document couldn't be fetched; the text names the URL and the reason."""


class Fetcher:
    """Fetches small JSON documents from one issuer.

    Args:
        timeout_seconds: for a whole request.
        ca_file: certificate authorities to trust instead of the system's.
        bearer_token_file: file whose content is sent as a bearer token; read again for every request.
        allow_http: accept ``http`` to other hosts than loopback.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        ca_file: Path | None = None,
        bearer_token_file: Path | None = None,
        allow_http: bool = False,
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._ca_file = ca_file
        self._bearer_token_file = bearer_token_file
        self._allow_http = allow_http
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> bytes:
        """Return the body at ``url``; redirects aren't followed.

        Raises:
            FetchError: the URL isn't allowed, the server can't be reached in time, answers anything but 200, or
                sends more than 256 KiB.
        """
        check_url(url, allow_http=self._allow_http)
        try:
            async with self._open().get(url, headers=self._headers(), allow_redirects=False) as response:
                if response.status != _OK:
                    raise FetchError(f"{url} answered with status {response.status}")
                return await _bounded(response, url)
        except TimeoutError:
            raise FetchError(f"{url} didn't answer within {self._timeout.total} s") from None
        except RefusedFileError as error:
            raise FetchError(explain(error)) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # The exception's text may repeat headers, so only its class is shown.
            raise FetchError(f"{url} can't be fetched ({type(error).__name__})") from None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            require_readable(self._ca_file)
            tls = ssl.create_default_context(cafile=self._ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=tls, limit=4),
                timeout=self._timeout,
                trust_env=False,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _headers(self) -> dict[str, str]:
        # JWK Sets have their own media type (RFC 7517), the only one that a Kubernetes API server sends.
        # Without compression, so that the size is bounded as it arrives.
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        if self._bearer_token_file is not None:
            token = read_trusted(self._bearer_token_file, _MAX_BEARER_BYTES)[0].decode("ascii").strip()
            headers["Authorization"] = f"Bearer {token}"
        return headers


def check_url(url: str, *, allow_http: bool, what: str = "a key set") -> None:
    """Check that ``url`` may be used: https, or http on loopback or if allowed.

    Raises:
        FetchError: it may not be used; the text calls it the URL of ``what``.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        raise FetchError(f"the URL of {what} can't be parsed") from None
    if parts.username is not None or not host:
        raise FetchError(f"the URL of {what} must name a host and no user")
    if parts.scheme == "https" or (parts.scheme == "http" and (allow_http or is_loopback(host))):
        return
    raise FetchError(f"{url}: the URL of {what} must be https; http is for loopback only")


async def _bounded(response: aiohttp.ClientResponse, url: str) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(16 * 1024):
        content += chunk
        if len(content) > MAX_SET_BYTES:
            raise FetchError(f"{url} sends more than {MAX_SET_BYTES} bytes")
    return bytes(content)
