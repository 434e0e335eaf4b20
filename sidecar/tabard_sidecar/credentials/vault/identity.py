"""Tells a vault from another one, whatever its name in the configuration and the address by which it is reached."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING

from tabard_sidecar.credentials.vault.faults import VaultFault, during

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tabard_sidecar.credentials.vault.transport import VaultTransport

_MOST = 256
# A standby node answers as the active one does.
_HEALTH = "/v1/sys/health?standbyok=true&perfstandbyok=true"


class Identity:
    """A digest of the vault's cluster and of the namespace. Its methods ask the vault, in a thread of it.

    A vault tells its cluster to any client. For one that doesn't, the address stands for it, so that the same vault under two
    addresses counts as two.

    Args:
        address: scheme, host and port.
        namespace: namespace; empty for none.
        transport: the way to the vault.
    """

    def __init__(self, address: str, namespace: str, transport: VaultTransport) -> None:
        self._address = address
        self._namespace = namespace
        self._transport = transport
        self._lock = threading.Lock()
        self.known = ""
        """As it was last read; empty before."""

    def get(self) -> str:
        """Return it, as it was last read if it was.

        Raises:
            VaultFault: the vault can't be reached or is sealed.
        """
        if not self.known:
            with self._lock:
                if not self.known:
                    self.read()
        return self.known

    def read(self) -> str:
        """Read it from the vault that is there now, and return it.

        Raises:
            VaultFault: the vault can't be reached or is sealed.
        """
        try:
            with during("reading its cluster", path="sys/health"):
                cluster = _cluster(self._transport.outside().get(_HEALTH))
        except VaultFault as fault:
            if fault.code == "vault_unavailable":
                raise
            cluster = ""
        parts = ("cluster", cluster) if cluster else ("address", self._address)
        text = "\n".join((*parts, self._namespace))
        self.known = hashlib.sha256(text.encode()).hexdigest()[:32]
        return self.known


def _cluster(reply: Mapping[str, Any]) -> str:
    found = reply.get("cluster_id")
    return found if isinstance(found, str) and len(found) <= _MOST else ""
