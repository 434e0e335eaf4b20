"""Keys that encrypt remembered replies, derived from the zone's root keys."""

from __future__ import annotations

from tabard_sidecar.keys import ROOT, Keyring

_INFO = "reply"


class KeyringReplyKeys:
    """Derives one key per root key, so that replies stay readable across a rotation."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def current(self) -> tuple[str, bytes]:
        """Return id and secret of the key to encrypt with."""
        key = self._keyring.active(ROOT)
        return key.kid, self._keyring.derive(key, _INFO)

    def by_id(self, kid: str) -> bytes | None:
        """Return the secret of a key, or ``None`` if it isn't accepted any more."""
        key = self._keyring.get(kid, ROOT)
        return None if key is None else self._keyring.derive(key, _INFO)
