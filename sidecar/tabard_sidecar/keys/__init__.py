"""The keyring: stores, rotates and derives the zone's keys.

The names below are imported when they are first used, so that reading the configuration doesn't import them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard_sidecar.util.late import late_names

if TYPE_CHECKING:
    from tabard_sidecar.keys.conf import KeysConfig
    from tabard_sidecar.keys.keyring import Keyring
    from tabard_sidecar.keys.model import ROOT, SIGNING, Key, KeyringError
    from tabard_sidecar.keys.zone_keys import ExportedKey, ZoneKeys, jwks

__all__ = [
    "ROOT",
    "SIGNING",
    "ExportedKey",
    "Key",
    "Keyring",
    "KeyringError",
    "KeysConfig",
    "ZoneKeys",
    "jwks",
]

__getattr__ = late_names(
    __name__,
    {
        "ROOT": "model",
        "SIGNING": "model",
        "ExportedKey": "zone_keys",
        "Key": "model",
        "Keyring": "keyring",
        "KeyringError": "model",
        "KeysConfig": "conf",
        "ZoneKeys": "zone_keys",
        "jwks": "zone_keys",
    },
)
