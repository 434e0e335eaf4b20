"""Keys that encrypt what the state store keeps, derived from the zone's root keys."""

from __future__ import annotations

from tabard_sidecar.keys import ROOT, Keyring

REPLIES = "reply"
"""Use of the keys that seal remembered replies."""


class DerivedSealingKeys:
    """Derives one key per root key, so that what was sealed stays readable across a rotation.

    Args:
        keyring: the zone's keys.
        info: what the keys are for; keys of one use never open what another sealed.
    """

    def __init__(self, keyring: Keyring, info: str) -> None:
        self._keyring = keyring
        self._info = info

    def current(self) -> tuple[str, bytes]:
        """Return id and secret of the key to encrypt with."""
        key = self._keyring.active(ROOT)
        return key.kid, self._keyring.derive(key, self._info)

    def by_id(self, kid: str) -> bytes | None:
        """Return the secret of a key, or ``None`` if it isn't accepted any more."""
        key = self._keyring.get(kid, ROOT)
        return None if key is None else self._keyring.derive(key, self._info)
