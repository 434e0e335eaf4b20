"""Certificate and key of a listener that encrypts."""

from __future__ import annotations

import ssl
from pathlib import Path

from tabard_sidecar.util.files import require_readable


def server_tls(certificate: Path, key: Path, client_authorities: Path | None = None) -> ssl.SSLContext:
    """Return the context of a server.

    Args:
        certificate: PEM certificate chain.
        key: PEM private key of the certificate.
        client_authorities: PEM certificates; if set, only clients with a certificate of one of these are served.

    Raises:
        OSError: a file can't be read or strangers can change it; :class:`ssl.SSLError` if key and certificate are not a
            pair.
    """
    require_readable(certificate, key, client_authorities)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(certificate, key)
    if client_authorities is not None:
        tls.load_verify_locations(client_authorities)
        tls.verify_mode = ssl.CERT_REQUIRED
    return tls
