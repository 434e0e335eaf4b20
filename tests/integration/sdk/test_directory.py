"""A socket's directory that belongs to another user; only root can give one away to try it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tabard import address as addresses

STRANGER = 12345


def test_a_directory_of_another_user_is_refused(tmp_path: Path):
    """The directory's owner could listen there for other people's tokens."""
    directory = tmp_path / "tabard"
    directory.mkdir(mode=0o700)
    os.chown(directory, STRANGER, STRANGER)
    with pytest.raises(addresses.AddressError, match=str(STRANGER)):
        addresses.check_client(f"unix:{directory}/agent/tabard.sock", {"XDG_RUNTIME_DIR": str(tmp_path)})
