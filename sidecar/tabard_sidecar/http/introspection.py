"""Creates the introspection server for backends (RFC 7662), on its own listener that agents can't reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.http.clients import Clients
from tabard_sidecar.http.conf import IntrospectionConfig
from tabard_sidecar.http.serving_tls import server_tls
from tabard_sidecar.interfaces import Introspect
from tabard_sidecar.records.metrics import Metrics

if TYPE_CHECKING:
    from tabard_sidecar.http.introspection_app import IntrospectionServer


def create_introspection_server(
    config: IntrospectionConfig, *, introspect: Introspect, metrics: Metrics
) -> IntrospectionServer | None:
    """Return the server of ``introspection.listen``, not started yet; ``None`` if it isn't configured.

    Args:
        config: the section ``introspection``.
        introspect: returns the description of an active credential, ``None`` for every other string.
        metrics: where requests are counted.

    Raises:
        ClientKeyError: a client's key file can't be used.
        OSError: the listener's certificate or key can't be read.
    """
    if config.listen is None:
        return None
    from tabard_sidecar.http.introspection_app import IntrospectionServer  # noqa: PLC0415 - loads aiohttp

    tls = None
    if config.tls_certificate_file is not None and config.tls_key_file is not None:
        context = server_tls(config.tls_certificate_file, config.tls_key_file)
        tls = lambda: context  # noqa: E731 - one context for every connection
    return IntrospectionServer(config.listen, Clients(config.clients), introspect, metrics, tls=tls)
