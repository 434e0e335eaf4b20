"""The keyring: secrets of the zone, how they are stored, rotated and derived from."""

from tabard_sidecar.keys.conf import KeysConfig
from tabard_sidecar.keys.keyring import ExportedKey, Keyring, jwks
from tabard_sidecar.keys.model import ROOT, SIGNING, Key, KeyringError

__all__ = ["ROOT", "SIGNING", "ExportedKey", "Key", "Keyring", "KeyringError", "KeysConfig", "jwks"]
