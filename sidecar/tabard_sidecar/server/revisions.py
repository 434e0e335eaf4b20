"""Tells agents when the policy changes, and nothing of what it holds."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from tabard_sidecar.errors import NoDecision
from tabard_sidecar.keys.model import ROOT

if TYPE_CHECKING:
    from tabard_sidecar.keys import ZoneKeys

_INFO = "policy-revision"


class ShownRevisions:
    """Returns a policy's revision as agents get it: a keyed digest, the same from every sidecar of the zone.

    The revision itself is often a digest of the policy and its data. Who knows most of them could try every value of the
    rest, for example of a limit, until the digest fits.

    Args:
        keyring: the zone's keys. With a new root key agents get another digest.
    """

    def __init__(self, keyring: ZoneKeys) -> None:
        self._keyring = keyring
        self._last = (b"", "", "")

    def __call__(self, revision: str) -> str:
        """Return 64 lower-case hexadecimal digits; empty if there is no policy, or no root key is active."""
        if not revision:
            return ""
        try:
            key = self._keyring.derive(self._keyring.active(ROOT), _INFO)
        except NoDecision:
            return ""
        # Every answer carries it, and it changes with the policy only.
        last_key, last_revision, shown = self._last
        if (key, revision) != (last_key, last_revision):
            shown = hmac.digest(key, revision.encode(), "sha256").hex()
            self._last = (key, revision, shown)
        return shown
