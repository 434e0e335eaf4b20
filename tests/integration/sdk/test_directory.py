"""A socket's directory that belongs to another user; only root can give one away to try it."""

from __future__ import annotations

import os
import subprocess
import sys
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


FORBIDDEN = """
import os, socket, sys
import tabard

def ask(address):
    try:
        with tabard.connect(address, timeout_seconds=5) as client:
            client.start_task("token")
    except tabard.TabardError as error:
        return error

ask(f"unix:{sys.argv[1]}.none")  # so that everything is imported
os.umask(0)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
os.chmod(sys.argv[1], 0o600)
os.setuid(12345)
print(ask(f"unix:{sys.argv[1]}"))
"""


def test_a_socket_that_this_user_may_not_open_is_told_so(folder: Path):
    """The sidecar runs; group and modes are what has to change."""
    folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", FORBIDDEN, folder / "s"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"sidecar_unreachable: This user may not open the socket unix:{folder}/s.")
    assert "fsGroup" in done.stdout
    assert "is the sidecar running" not in done.stdout
