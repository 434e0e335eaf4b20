"""A shared secret is read from a file that only its owner can read, and never told in a message."""

from __future__ import annotations

import pytest
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


def test_a_secret_that_is_too_short_is_refused(file):
    with pytest.raises(SecretFileError, match="fewer than 32 characters") as caught:
        read_secret(file(f"{SECRET[1:]}\n"))
    assert SECRET[1:] not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(SecretFileError, match="No such file"):
        read_secret(tmp_path / "missing")
    with pytest.raises(SecretFileError, match="is a folder"):
        read_secret(tmp_path)
