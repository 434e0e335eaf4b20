"""Secrets engines: each is one function that asks the engine with the credential's own token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines import database, kv, ldap, pki, ssh, transit
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
    """An engine. ``leases`` tells whether what a role gives may end with the token, so that it is journaled."""

    obtain: Obtain
    leases: Callable[[VaultRoleConfig], bool]


def _always(_role: VaultRoleConfig) -> bool:
    return True


def _never(_role: VaultRoleConfig) -> bool:
    return False


ENGINES: Mapping[str, Engine] = {
    "database": Engine(database.obtain, _always),
    "kv": Engine(kv.obtain, _never),
    "ldap": Engine(ldap.obtain, ldap.leases),
    "pki": Engine(pki.obtain, _always),
    "ssh": Engine(ssh.obtain, _never),
    "transit": Engine(transit.obtain, _never),
}
"""Engines by the name that the configuration has for them."""


def obtain(asking: Asking) -> Obtained:
    """Obtain a credential from the engine of its role; see :class:`Obtain`."""
    return ENGINES[asking.role.engine].obtain(asking)


def leases(role: VaultRoleConfig) -> bool:
    """Tell whether what a role gives may end with its token."""
    return ENGINES[role.engine].leases(role)


__all__ = ["ENGINES", "Asking", "Engine", "Obtain", "leases", "obtain"]
