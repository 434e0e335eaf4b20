"""Gives a listener its certificate: from files that someone else prepares, or one that it keeps by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Protocol, cast

from tabard_sidecar.http.certificate import Certificate, CertificateError, CertificateFiles

if TYPE_CHECKING:
    from pathlib import Path

    from tabard_sidecar.certificates.conf import ManagedConfig
    from tabard_sidecar.certificates.managed import ManagedCertificate
    from tabard_sidecar.health import Health

CERTIFICATE, AUTHORITY = "certificate", "authority"
"""Components of health: the certificate that is served, and what keeps it."""


class CertificateSection(Protocol):
    """A section of a configuration with ``managed``, or with the files."""

    @property
    def tls_certificate_file(self) -> Path | None:
        """PEM certificate chain."""
        ...

    @property
    def tls_key_file(self) -> Path | None:
        """PEM private key of the certificate."""
        ...

    @property
    def client_ca_file(self) -> Path | None:
        """Authorities of clients."""
        ...

    @property
    def managed(self) -> ManagedConfig | None:
        """A certificate that the process keeps by itself."""
        ...


class Kept:
    """What metrics tell of a certificate before and after it is there; all in seconds since 1970, 0 if unknown."""

    def __init__(self) -> None:
        self.certificate: Certificate | None = None
        self.managed: ManagedCertificate | None = None

    def expires(self) -> float:
        """Return when the certificate expires."""
        return self.certificate.expires if self.certificate is not None else 0.0

    def authority_expires(self) -> float:
        """Return when the authority expires that the process keeps."""
        return self.managed.authority_expires if self.managed is not None else 0.0

    def failing_since(self) -> float:
        """Return since when the process can't keep its certificate."""
        return self.managed.failing_since if self.managed is not None else 0.0


@asynccontextmanager
async def followed_certificate(
    section: CertificateSection, health: Health, kept: Kept
) -> AsyncIterator[Certificate]:
    """Give a certificate that is followed for the length of a block, when there is one.

    Args:
        section: names the files, or says how the certificate is kept.
        health: gets the components :data:`CERTIFICATE` and, if the process keeps it, :data:`AUTHORITY`.
        kept: what metrics are read from.

    Raises:
        CertificateError: certificate or key can't be used, or ``managed`` can't be.
    """
    async with AsyncExitStack() as stack:
        files = cast("CertificateFiles", section)
        if section.managed is not None:
            managed = _managed(section, section.managed, health)
            stack.callback(managed.close)
            kept.managed = managed
            stack.callback(asyncio.create_task(managed.follow()).cancel)
            # The one who starts it ends the wait, too: an API server that is lost keeps it from starting.
            await managed.ready()
            files = managed.files
        certificate = Certificate(files, health.component(CERTIFICATE))
        kept.certificate = certificate
        stack.callback(asyncio.create_task(certificate.follow()).cancel)
        yield certificate


def _managed(section: CertificateSection, config: ManagedConfig, health: Health) -> ManagedCertificate:
    # Only for who uses it.
    from tabard_sidecar.certificates.managed import ManagedCertificate  # noqa: PLC0415
    from tabard_sidecar.kubernetes.api import ApiError  # noqa: PLC0415

    try:
        return ManagedCertificate(config, section.client_ca_file, health.component(AUTHORITY))
    except ApiError as error:
        raise CertificateError(str(error)) from None
