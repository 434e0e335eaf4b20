"""The containers of these tests: what is part of their image is there wherever the repository lies."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import container_root
from tests.support.container_root import Mount, User, contained
from tests.support.folders import short_folder

NOBODY = User(65534, 65534)
READ = ("sh", "-c", 'cat "$0"; touch /tmp/mine', "{}")


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder below /tmp with a file, taken for the repository."""
    with short_folder("clone") as folder:
        (folder / "file").write_text("read me\n")
        monkeypatch.setattr(container_root, "_REPOSITORY", folder)
        yield folder


@pytest.mark.parametrize("volume", [False, True], ids=["scratch", "volume"])
def test_a_repository_below_tmp_is_in_a_container_with_a_tmp_of_its_own(
    repository: Path, tmp_path: Path, volume: bool
):
    mounts = [Mount(tmp_path, "/tmp", writable=True)] if volume else []  # noqa: S108 - the container's
    tmp_path.chmod(0o777)
    command = [part.format(repository / "file") for part in READ]
    with tempfile.TemporaryDirectory() as root:
        done = subprocess.run(
            contained(Path(root), mounts, NOBODY, command), capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (0, "read me\n"), done.stderr
    assert (tmp_path / "mine").exists() == volume
    assert not (repository.parent / "mine").exists()


def test_a_repository_that_no_other_user_may_enter_is_told_at_once(repository: Path, tmp_path: Path):
    repository.chmod(0o700)
    with pytest.raises(RuntimeError, match=f"may not enter {repository}: chmod o"):
        contained(tmp_path, [], NOBODY, ["true"])
