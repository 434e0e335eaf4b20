"""Keeps a listener's certificate by itself: looks every few seconds, and serves it from a private file."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tabard.trust import read_trusted

from tabard_sidecar.certificates.conf import ManagedForPods, ManagedForWebhook
from tabard_sidecar.certificates.contents import UnusableError
from tabard_sidecar.certificates.publishing import WebhookPlace
from tabard_sidecar.certificates.publishing_pods import ConfigMapPlace
from tabard_sidecar.certificates.replica import Replica
from tabard_sidecar.certificates.rotation import Terms
from tabard_sidecar.kubernetes.api import ApiError, ApiServer
from tabard_sidecar.kubernetes.conf import ACCOUNT
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.moments import utc_text
from tabard_sidecar.util.rarely import Rarely

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from tabard_sidecar.certificates.conf import ManagedConfig
    from tabard_sidecar.certificates.pairs import Pair
    from tabard_sidecar.certificates.publishing import Place
    from tabard_sidecar.certificates.replica import Outcome
    from tabard_sidecar.health import Component

_DAY = 86400.0
_SOON_SECONDS = 1.0
_SAY_SECONDS = 60.0
_MAX_NAMESPACE_BYTES = 256
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ManagedFiles:
    """The files of the certificate, as a listener's configuration names them.

    Attributes:
        tls_certificate_file: the certificate, and its key: one file, so that it is replaced in one piece.
        tls_key_file: the same file.
        client_ca_file: authorities of clients, which are configured.
    """

    tls_certificate_file: Path
    tls_key_file: Path
    client_ca_file: Path | None


class ManagedCertificate:
    """Certificate and authority that this process and its replicas make and renew.

    Args:
        config: the section ``managed``.
        client_ca_file: authorities of the listener's clients.
        health: told what an operator has to know. A replica that loses the API server goes on serving.

    Raises:
        ApiError: the namespace isn't configured and can't be read.
    """

    def __init__(self, config: ManagedConfig, client_ca_file: Path | None, health: Component) -> None:
        self._interval = config.interval_seconds
        self._health = health
        self._api = ApiServer(config.api)
        terms = Terms(
            title=config.secret,
            names=config.names,
            overlap=config.overlap_seconds,
            authority=config.authority_days * _DAY,
            leaf=config.certificate_days * _DAY,
        )
        where = (config.namespace or _own_namespace(), config.secret)
        place = _place(config, self._api, where[0])
        self._replica = Replica(self._api, where, place, terms, serve=self._serve)
        self._folder = Path(tempfile.mkdtemp(prefix="tabard-certificate-"))
        self._file = self._folder / "tls.pem"
        self.files = ManagedFiles(self._file, self._file, client_ca_file)
        self._written: Certificate | None = None
        self._ready = asyncio.Event()
        self._say = Rarely(_SAY_SECONDS)
        self._said = ""
        self.failing_since = 0.0
        """Since when nothing could be looked at, in seconds since 1970; 0 while it can."""
        self.authority_expires = 0.0
        """When the authority expires, in seconds since 1970; 0 if it isn't known."""

    async def ready(self) -> None:
        """Wait until there is a certificate."""
        await self._ready.wait()

    async def follow(self) -> None:
        """Look again and again until cancelled."""
        while True:
            soon = await self._look()
            await asyncio.sleep(min(_SOON_SECONDS, self._interval) if soon else self._interval)

    def close(self) -> None:
        """Remove the file, and close the connections."""
        self._api.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _look(self) -> bool:
        """Look once; return whether to look again soon. Never raises."""
        try:
            outcome = await self._replica.look()
        except (ApiError, UnusableError, OSError) as error:
            problem = explain(error) if isinstance(error, OSError) else str(error)
            self._fail(problem)
            return not self._ready.is_set()
        except Exception:  # noqa: BLE001
            # What someone wrote into the Secret never ends the process.
            _log.exception("certificates can't be looked at")
            self._fail("an error that isn't foreseen; the log has it")
            return False
        self._succeed(outcome)
        return outcome.changed or not self._ready.is_set()

    def _fail(self, problem: str) -> None:
        self.failing_since = self.failing_since or datetime.now(UTC).timestamp()
        since = utc_text(self.failing_since)
        if self._ready.is_set():
            self._health.degraded(f"since {since} {problem}; the certificate stays in use")
        else:
            self._health.failed(f"there is no certificate: {problem}")
        self._warn(problem)

    def _succeed(self, outcome: Outcome) -> None:
        self.failing_since = 0.0
        self.authority_expires = outcome.contents.authority.certificate.not_valid_after_utc.timestamp()
        if outcome.problems:
            problem = "; ".join(outcome.problems)
            self._health.degraded(problem)
            self._warn(problem)
        else:
            self._said = ""
            self._health.ok()

    def _warn(self, problem: str) -> None:
        if problem != self._said or self._say.due():
            self._said = problem
            _log.warning("certificates need attention", extra={"problem": problem})

    def _serve(self, leaf: Pair) -> None:
        """Write the certificate and its key, which the listener's certificate follows."""
        if leaf.certificate != self._written:
            fresh = self._folder / "fresh.pem"
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(leaf.certificate_pem + leaf.key_pem)
            fresh.replace(self._file)
            self._written = leaf.certificate
        self._ready.set()


def _place(config: ManagedConfig, api: ApiServer, namespace: str) -> Place:
    if isinstance(config, ManagedForWebhook):
        return WebhookPlace(api, config.webhook_configuration)
    if isinstance(config, ManagedForPods):
        return ConfigMapPlace(api, namespace, config.config_map, config.owner)
    raise TypeError(f"{type(config).__name__} doesn't say where authorities are published")


def _own_namespace() -> str:
    try:
        return read_trusted(ACCOUNT / "namespace", _MAX_NAMESPACE_BYTES)[0].decode("ascii", "replace").strip()
    except OSError as error:
        raise ApiError(
            f"managed.namespace isn't set, and the pod's own can't be read: {explain(error)}"
        ) from None
