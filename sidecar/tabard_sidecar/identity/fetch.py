"""Fetches key sets over HTTP, bounded in size and time. Imported only if a configured source needs it.

An answer is read in a thread: an issuer that sends it in pieces of a byte would hold the event loop.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tabard import fetching
from tabard.address import is_loopback
from tabard.files import RefusedFileError
from tabard.trust import read_trusted

from tabard_sidecar.identity.keyset import MAX_SET_BYTES
from tabard_sidecar.util.files import explain, require_readable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MAX_BEARER_BYTES = 16 * 1024


class FetchError(Exception):
    """A document couldn't be fetched; the text names the URL and the reason.

    Attributes:
        status: the server's status code; 0 if there was no answer.
    """

    status = 0


class Fetcher:
    """Fetches small JSON documents from one issuer.

    Args:
        timeout_seconds: for a whole request.
        ca_file: certificate authorities to trust instead of the system's.
        bearer_token_file: file whose content is sent as a bearer token; read again for every request.
        bearer_for: URL of the server that gets the token. Others, which a discovery document may name, don't.
        allow_http: accept ``http`` to other hosts than loopback.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        ca_file: Path | None = None,
        bearer_token_file: Path | None = None,
        bearer_for: str = "",
        allow_http: bool = False,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._ca_file = ca_file
        self._bearer_token_file = bearer_token_file
        self._bearer_for = bearer_for
        self._allow_http = allow_http
        self._tls: ssl.SSLContext | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the body at ``url``; redirects aren't followed, and no proxy is used.

        Args:
            url: what is fetched.
            headers: in addition to those that every request has.

        Raises:
            FetchError: the URL isn't allowed, the server can't be reached in time, answers anything but 200, or
                sends more than 256 KiB.
        """
        check_url(url, allow_http=self._allow_http)
        try:
            request = urllib.request.Request(url, headers=self._headers(url) | dict(headers or {}))  # noqa: S310  # checked above
            exchange = fetching.Exchange(request, self._timeout_seconds, tls=self._tls_context())
        except RefusedFileError as error:
            raise FetchError(explain(error)) from None
        except (OSError, ValueError) as error:
            # The name of a file that can't be read is told; other texts may repeat headers.
            why = f" ({type(error).__name__})"
            if isinstance(error, OSError) and error.filename:
                why = f": {explain(error)}"
            raise FetchError(f"{url} can't be fetched{why}") from None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                body = await asyncio.wrap_future(exchange.start())
        except TimeoutError:
            raise FetchError(f"{url} didn't answer within {self._timeout_seconds} s") from None
        except fetching.FetchError as error:
            failure = FetchError(self._explained(url, error.__cause__))
            if isinstance(error.__cause__, urllib.error.HTTPError):
                failure.status = error.__cause__.code
            raise failure from None
        finally:
            exchange.abandon()
        if len(body) > MAX_SET_BYTES:
            raise FetchError(f"{url} sends more than {MAX_SET_BYTES} bytes")
        return body

    def _explained(self, url: str, cause: BaseException | None) -> str:
        if isinstance(cause, urllib.error.HTTPError):
            refused = (
                cause.code in {401, 403} and self._bearer_token_file is not None and not self._gets_token(url)
            )
            hint = (
                f"; bearer_token_file is sent to {self._bearer_for} only: set jwks_url if {url} shall get it"
                if refused
                else ""
            )
            return f"{url} answered with status {cause.code}{hint}"
        if cause is None:
            return f"{url} sends more than {MAX_SET_BYTES} bytes"
        # The exception's text may repeat headers, so only its class is shown.
        reason = cause.reason if isinstance(cause, urllib.error.URLError) else cause
        return f"{url} can't be fetched ({type(reason).__name__})"

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            require_readable(self._ca_file)
            self._tls = ssl.create_default_context(cafile=self._ca_file)
        return self._tls

    def _gets_token(self, url: str) -> bool:
        return _origin(url) == _origin(self._bearer_for)

    def _headers(self, url: str) -> dict[str, str]:
        # JWK Sets have their own media type (RFC 7517), the only one that a Kubernetes API server sends.
        # Without compression, so that the size is bounded as it arrives.
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        if self._bearer_token_file is not None and self._gets_token(url):
            token = read_trusted(self._bearer_token_file, _MAX_BEARER_BYTES)[0].decode("ascii").strip()
            headers["Authorization"] = f"Bearer {token}"
        return headers


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def check_url(url: str, *, allow_http: bool, what: str = "a key set") -> None:
    """Check that ``url`` may be used: https, or http on loopback or if allowed.

    Raises:
        FetchError: it may not be used; the text calls it the URL of ``what``.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise FetchError(f"the URL of {what} can't be parsed") from None
    if parts.username is not None or not host or port == 0:
        raise FetchError(f"the URL of {what} must name a host, no user and no port 0")
    if parts.scheme == "https" or (parts.scheme == "http" and (allow_http or is_loopback(host))):
        return
    raise FetchError(f"{url}: the URL of {what} must be https; http is for loopback only")
