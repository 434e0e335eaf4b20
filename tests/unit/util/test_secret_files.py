"""A shared secret is read from a file that only its owner can read, and never told in a message."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from tabard import trust
from tabard.trust import UntrustedFileError, is_mounted_secret, require_trusted
from tabard_sidecar.util.secret_files import MIN_CHARACTERS, SecretFileError, read_secret

SECRET = "s" * MIN_CHARACTERS


@pytest.fixture
def file(tmp_path):
    """Writes a file with a mode."""

    def write(content, mode=0o600):
        path = tmp_path / "secret"
        path.write_text(content)
        path.chmod(mode)
        return path

    return write


def test_white_space_around_a_secret_does_not_count(file):
    path = file(f"  {SECRET}\n")
    secret, info = read_secret(path)
    assert secret == SECRET.encode()
    assert info.st_ino == path.stat().st_ino


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o677])
def test_a_file_that_others_can_use_is_refused_with_its_remedy(file, mode):
    path = file(SECRET, mode)
    with pytest.raises(SecretFileError, match=r"chmod (600|go-w) ") as caught:
        read_secret(path)
    assert SECRET not in str(caught.value)


def test_neither_memory_nor_a_mount_alone_makes_it_a_mounted_secret(file, tmp_path, monkeypatch):
    """Both together do; tests/integration/pods has a real one."""
    path = file(SECRET, 0o444)
    status, number = os.statvfs(path), path.stat().st_dev
    mounts = tmp_path / "mounts"
    monkeypatch.setattr(trust, "_MOUNTS", mounts)
    device = f"{os.major(number)}:{os.minor(number)}"

    def mounted(kind: str, *, read_only: bool) -> bool:
        mounts.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 {device} / /t ro,nosuid shared:1 - {kind} x rw\n")
        flags = os.ST_RDONLY if read_only else 0
        monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=flags))
        return is_mounted_secret(path)

    assert status.f_flag & os.ST_RDONLY == 0
    assert not mounted("ext4", read_only=True)
    with pytest.raises(UntrustedFileError, match="can be read by others"):
        require_trusted(path, private=True)
    assert not mounted("tmpfs", read_only=False)
    assert mounted("tmpfs", read_only=True)
    assert read_secret(path)[0] == SECRET.encode()
    require_trusted(path, private=True)
    mounts.unlink()
    assert not is_mounted_secret(path)


def test_a_secret_that_is_too_short_is_refused(file):
    with pytest.raises(SecretFileError, match="fewer than 32 characters") as caught:
        read_secret(file(f"{SECRET[1:]}\n"))
    assert SECRET[1:] not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(SecretFileError, match="No such file"):
        read_secret(tmp_path / "missing")
    with pytest.raises(SecretFileError, match="is a folder"):
        read_secret(tmp_path)
