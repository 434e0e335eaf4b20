"""A listener's certificate, which is read again when its files change."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from tabard.files import stamp
from tabard.trust import read_trusted

from tabard_sidecar.health import Component
from tabard_sidecar.http.serving_tls import server_tls
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.moments import utc_text

_CHECK_SECONDS = 1.0
_MAX_BYTES = 256 * 1024
_SOON_SECONDS = 3 * 86400.0
_log = logging.getLogger(__name__)


class CertificateError(Exception):
    """Certificate or key can't be used; says which file and why."""


class CertificateFiles(Protocol):
    """A section of a configuration that names the files."""

    @property
    def tls_certificate_file(self) -> Path:
        """PEM certificate chain."""
        ...

    @property
    def tls_key_file(self) -> Path:
        """PEM private key of the certificate."""
        ...

    @property
    def client_ca_file(self) -> Path | None:
        """PEM certificates of the authorities that sign clients' certificates; then no other client is served."""
        ...


class Certificate:
    """Certificate and key of a listener.

    New files are tried before they replace what is used, so a half-written pair never interrupts the service.

    Args:
        config: names the files.
        health: told when new files can't be used, and when the certificate expires soon.

    Raises:
        CertificateError: the files can't be used.
    """

    def __init__(self, config: CertificateFiles, health: Component) -> None:
        self._config = config
        self._health = health
        self._stamps = self._stamped()
        self._tls, self._http2, self._expires = self._load()
        self._tell()

    @property
    def expires(self) -> float:
        """When the certificate expires, in seconds since 1970."""
        return self._expires

    def tls(self) -> ssl.SSLContext:
        """Return what the next connection is encrypted with."""
        return self._tls

    def http2(self) -> ssl.SSLContext:
        """Return what the next connection is encrypted with, of clients that speak HTTP/2 only (ALPN, RFC 7301)."""
        return self._http2

    async def follow(self) -> None:
        """Follow the files until cancelled."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            self.check()

    def check(self) -> None:
        """Read the files again if they have changed."""
        stamps = self._stamped()
        if stamps == self._stamps:
            self._tell()
            return
        try:
            self._tls, self._http2, self._expires = self._load()
        except CertificateError as error:
            # Tried again at the next look: the other file of a pair may come a moment later.
            self._health.degraded(f"the former certificate stays in use: {error}")
            return
        self._stamps = stamps
        _log.info("certificate read", extra={"expires": utc_text(self._expires)})
        self._tell()

    def _tell(self) -> None:
        left = self._expires - datetime.now(UTC).timestamp()
        if left > _SOON_SECONDS:
            self._health.ok()
        elif left > 0:
            self._health.degraded(f"the certificate expires at {utc_text(self._expires)}; renew it")
        else:
            self._health.failed(f"the certificate has expired at {utc_text(self._expires)}; renew it")

    def _stamped(self) -> tuple[tuple[int, ...] | None, ...]:
        found: list[tuple[int, ...] | None] = []
        for path in (
            self._config.tls_certificate_file,
            self._config.tls_key_file,
            self._config.client_ca_file,
        ):
            try:
                found.append(None if path is None else stamp(path.stat()))
            except OSError:
                found.append(None)
        return tuple(found)

    def _load(self) -> tuple[ssl.SSLContext, ssl.SSLContext, float]:
        certificate, key = self._config.tls_certificate_file, self._config.tls_key_file
        try:
            content, _ = read_trusted(certificate, _MAX_BYTES)
            expires = x509.load_pem_x509_certificate(content).not_valid_after_utc.timestamp()
            tls, http2 = (server_tls(certificate, key, self._config.client_ca_file) for _ in range(2))
        except ssl.SSLError as error:
            raise CertificateError(f"{certificate} and {key}: {error.reason or error}") from error
        except OSError as error:
            raise CertificateError(explain(error)) from error
        except ValueError as error:
            raise CertificateError(f"{certificate}: is no certificate in PEM form") from error
        http2.set_alpn_protocols(["h2"])
        return tls, http2, expires
