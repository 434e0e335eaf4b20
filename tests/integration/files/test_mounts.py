"""Owners and modes of files that are mounted, as containers see them. Root only: it mounts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STRANGER = 54321


@pytest.fixture
def file(tmp_path):
    """A file in a folder of its own."""
    path = tmp_path / "volume" / "file"
    path.parent.mkdir()
    path.write_text("content")
    path.chmod(0o600)
    return path


MOUNTED = """
mount --bind {folder} {folder}
mount -o remount,bind{option} {folder}
exec {python} -c "from tabard.trust import require_trusted; require_trusted('{file}')"
"""


def mounted(file: Path, option: str) -> subprocess.CompletedProcess[str]:
    """Check the file in a mount namespace where its folder is a mount point."""
    script = MOUNTED.format(folder=file.parent, file=file, option=option, python=sys.executable)
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script],
        capture_output=True,
        text=True,
        check=False,
    )


def test_who_may_write_to_a_volume_is_up_to_the_pod(file):
    """Kubernetes lets every user write to the top folder of a volume that it mounts."""
    file.parent.chmod(0o777)
    done = mounted(file, "")
    assert done.returncode == 0, done.stderr
    file.parent.chmod(0o700)
    file.chmod(0o666)
    assert "every user can write" in mounted(file, "").stderr


def test_no_user_writes_to_what_is_mounted_read_only(file):
    """A ConfigMap, or a folder that `docker run -v …:ro` mounts, belongs to any user."""
    os.chown(file, STRANGER, STRANGER)
    file.chmod(0o666)
    assert mounted(file, ",ro").returncode == 0
    assert f"belongs to user {STRANGER}" in mounted(file, "").stderr
