"""Secrets engines: each is one function that asks the engine with the credential's own token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines import database, kv, ldap, pki, ssh, transit
from tabard_sidecar.credentials.vault.engines.asking import Asking, Right
from tabard_sidecar.credentials.vault.replies import Obtained
from tabard_sidecar.util.lean import dataclass


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
    """An engine.

    Attributes:
        obtain: asks it for a credential.
        leases: tells whether what a role gives may end with the token, so that it is journaled.
        path: returns what is asked for a credential of a role.
        right: returns the capability that the token needs there.
    """

    obtain: Obtain
    leases: Callable[[VaultRoleConfig], bool]
    path: Callable[[VaultRoleConfig], str]
    right: Callable[[VaultRoleConfig], Right]


def _always(_role: VaultRoleConfig) -> bool:
    return True


def _never(_role: VaultRoleConfig) -> bool:
    return False


def _read(_role: VaultRoleConfig) -> Right:
    return "read"


def _write(_role: VaultRoleConfig) -> Right:
    return "update"


ENGINES: Mapping[str, Engine] = {
    "database": Engine(database.obtain, _always, database.path, _read),
    "kv": Engine(kv.obtain, _never, kv.path, _read),
    "ldap": Engine(ldap.obtain, ldap.leases, ldap.path, ldap.right),
    "pki": Engine(pki.obtain, _always, pki.path, _write),
    "ssh": Engine(ssh.obtain, _never, ssh.path, _write),
    "transit": Engine(transit.obtain, _never, transit.path, _write),
}
"""Engines by the name that the configuration has for them."""


def obtain(asking: Asking) -> Obtained:
    """Obtain a credential from the engine of its role; see :class:`Obtain`."""
    return ENGINES[asking.role.engine].obtain(asking)


def leases(role: VaultRoleConfig) -> bool:
    """Tell whether what a role gives may end with its token."""
    return ENGINES[role.engine].leases(role)


def needed(role: VaultRoleConfig) -> tuple[str, Right]:
    """Return the path that a credential of a role is obtained from, and the capability that its token needs there."""
    engine = ENGINES[role.engine]
    return engine.path(role), engine.right(role)


__all__ = ["ENGINES", "Asking", "Engine", "Obtain", "leases", "needed", "obtain"]
