"""Derives keys from the zone's root keys that encrypt values in the state store."""

from __future__ import annotations

from tabard_sidecar.keys import ROOT, ZoneKeys

REPLIES = "reply"
"""Use of the keys that seal remembered replies."""
SUBJECT_TOKENS = "subject-token"
"""Use of the keys that seal people's tokens for exchanges."""

EXCHANGED_TOKENS = "exchanged-token"
"""Use of the keys that seal exchanged tokens, to be revoked."""


class DerivedSealingKeys:
    """Derives one key per root key, so that sealed values stay readable across a rotation.

    Args:
        keyring: the zone's keys.
        info: derivation info that names the use; keys of one use can't open values sealed for another.
    """

    def __init__(self, keyring: ZoneKeys, info: str) -> None:
        self._keyring = keyring
        self._info = info

    def current(self) -> tuple[str, bytes]:
        """Return the id and the secret of the key to encrypt with."""
        key = self._keyring.active(ROOT)
        return key.kid, self._keyring.derive(key, self._info)

    def by_id(self, kid: str) -> bytes | None:
        """Return the secret of a key, or ``None`` if the key isn't accepted any more."""
        key = self._keyring.get(kid, ROOT)
        return None if key is None else self._keyring.derive(key, self._info)
