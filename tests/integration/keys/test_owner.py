"""Keys that belong to another user; only root can give a file away to try it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tabard_sidecar.keys import ROOT, Keyring, KeyringError

STRANGER = 12345


@pytest.mark.parametrize("what", ["a key file", "the directory"])
def test_keys_of_another_user_are_refused(tmp_path: Path, what: str):
    """Who owns a file can replace what it says."""
    directory = tmp_path / "keys"
    key = Keyring.create_directory(directory).create(ROOT)
    os.chown(directory / f"{key.kid}.json" if what == "a key file" else directory, STRANGER, STRANGER)
    with pytest.raises(KeyringError, match=f"belongs to user {STRANGER}"):
        Keyring(directory).list(ROOT)
