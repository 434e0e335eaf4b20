"""A socket's directory that belongs to somebody else; only root can give one away to try it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tabard import address as addresses

STRANGER = 12345


def test_somebody_elses_directory_is_refused(tmp_path: Path):
    """Whoever owns the directory could be listening there for other people's tokens."""
    directory = tmp_path / "tabard"
    directory.mkdir(mode=0o700)
    os.chown(directory, STRANGER, STRANGER)
    with pytest.raises(addresses.AddressError, match=str(STRANGER)):
        addresses.check_client(f"unix:{directory}/agent/tabard.sock", {"XDG_RUNTIME_DIR": str(tmp_path)})
