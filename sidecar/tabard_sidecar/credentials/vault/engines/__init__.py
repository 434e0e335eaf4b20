"""Secrets engines: each is one function that asks the engine with the credential's own token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines import database, kv
from tabard_sidecar.credentials.vault.engines.asking import Asking
from tabard_sidecar.credentials.vault.replies import Obtained


class Obtain(Protocol):
    """Obtains a credential, in a thread of the vault."""

    def __call__(self, asking: Asking) -> Obtained:
        """Return what the engine gave.

        Raises:
            VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine. ``leases`` tells whether what it gives ends with the token, so that it is journaled and extended."""

    obtain: Obtain
    leases: bool


ENGINES: Mapping[str, Engine] = {
    "database": Engine(database.obtain, leases=True),
    "kv": Engine(kv.obtain, leases=False),
}
"""Engines by the name that the configuration has for them."""


def engine_of(role: VaultRoleConfig) -> Engine:
    """Return the engine of a configured role."""
    return ENGINES[role.engine]


__all__ = ["ENGINES", "Asking", "Engine", "Obtain", "engine_of"]
