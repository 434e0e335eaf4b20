"""Asks a vault for `tabard doctor`: what stands at a path, and what a token may do there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tabard_sidecar.credentials.vault.faults import FORBIDDEN, VaultFault, invalid
from tabard_sidecar.credentials.vault.replies import Token, data_of
from tabard_sidecar.credentials.vault.server import VaultServer

NOT_FOUND = 404
CAPABILITIES = "sys/capabilities-self"
MOUNTS = "sys/internal/ui/mounts"
"""Below it a token with any right below a mount may ask what the mount is."""
SEE = "docs/vault.md has the commands"
"""Where the next step is explained."""

_NONE = frozenset({"deny"})
# A reply says the same capabilities twice, and has a bound.
_MOST_PATHS = 500
_FOREVER_SECONDS = 1e12


async def read(server: VaultServer, token: Token, path: str) -> Mapping[str, Any]:
    """Return the data at a path.

    Raises:
        VaultFault: the vault can't be reached, refuses, or its reply isn't acceptable.
    """
    return data_of(await server.ask(token, path))


async def capabilities(
    server: VaultServer, token: Token, paths: Collection[str]
) -> Mapping[str, frozenset[str]] | None:
    """Return what a token may do at each path; ``None`` if its policies don't let it ask.

    Raises:
        VaultFault: the vault can't be reached, or its reply isn't acceptable.
    """
    wanted = sorted(set(paths))
    found: dict[str, frozenset[str]] = {}
    for first in range(0, len(wanted), _MOST_PATHS):
        part = wanted[first : first + _MOST_PATHS]
        try:
            data = data_of(await server.ask(token, CAPABILITIES, {"paths": part}))
        except VaultFault as fault:
            if fault.status == FORBIDDEN:
                return None
            raise
        found |= {path: _words(data.get(path), path) - _NONE for path in part}
    return found


def _words(value: object, path: str) -> frozenset[str]:
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise invalid(f"its reply doesn't say what the token may do at {path}")
    return frozenset(value)


def may(found: Mapping[str, frozenset[str]], path: str, right: str) -> bool:
    """Tell whether a capability is among those that were found for a path."""
    return bool(found[path] & {right, "root"})


def seconds_of(value: object) -> float:
    """Return how long something lasts by a vault's reply; 0 for what is no such number."""
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _FOREVER_SECONDS
    return float(value) if usable and isinstance(value, int | float) else 0.0


def words(value: object) -> list[str]:
    """Return the strings that a vault lists; none if it lists anything else, so that what is unreadable counts as missing."""
    listed = [value] if isinstance(value, str) and value else value
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        return []
    return listed


def mount_config(mount: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the configuration of a mount, of which a vault told; empty for what is none."""
    config = mount.get("config")
    return config if isinstance(config, dict) else {}
