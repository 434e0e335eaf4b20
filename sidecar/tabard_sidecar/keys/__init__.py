"""The keyring: stores, rotates and derives the zone's keys."""

from tabard_sidecar.keys.conf import KeysConfig
from tabard_sidecar.keys.keyring import ExportedKey, Keyring, jwks
from tabard_sidecar.keys.model import ROOT, SIGNING, Key, KeyringError

__all__ = ["ROOT", "SIGNING", "ExportedKey", "Key", "Keyring", "KeyringError", "KeysConfig", "jwks"]
