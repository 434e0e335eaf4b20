"""Nothing but a regular file is read, and opening never waits."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tabard.files import RefusedFileError, create_regular, open_regular, read_regular, stamp


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def link_to_fifo(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


STRANGE: list[tuple[Callable[[Path], None], str]] = [
    (fifo, "a named pipe"),
    (folder, "a folder"),
    (listener, "a socket"),
    (endless, "a device"),
    (link_to_fifo, "a named pipe"),
]


@pytest.mark.parametrize(("make", "what"), STRANGE, ids=[make.__name__ for make, _ in STRANGE])
def test_what_is_not_a_regular_file_is_named_and_not_waited_for(tmp_path, make, what):
    path = tmp_path / "x.rego"
    make(path)
    with pytest.raises(RefusedFileError, match=f"is {what}, not a regular file"):
        read_regular(path, 10)


def test_a_file_is_read_up_to_its_bound(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    content, status = read_regular(path, 10)
    assert (content, status.st_size) == (b"x" * 10, 10)
    with pytest.raises(RefusedFileError, match="larger than 9 bytes"):
        read_regular(path, 9)


def test_links_are_followed_unless_the_caller_says_no(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", 10)[0] == b"x"
    with (
        pytest.raises(RefusedFileError, match="symbolic link"),
        open_regular(tmp_path / "link", follow=False),
    ):
        pass


def test_what_takes_the_files_place_after_the_first_look_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("x")
    opened = os.open

    def swapped(name, flags, *rest):
        path.unlink()
        os.mkfifo(path)
        return opened(name, flags, *rest)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(RefusedFileError, match="named pipe"):
        read_regular(path, 10)


def test_a_file_is_created_for_its_owner_only_and_never_through_a_link(tmp_path):
    assert create_regular(tmp_path / "new").st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        create_regular(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RefusedFileError, match="named pipe"):
        create_regular(tmp_path / "pipe")


def test_a_file_that_is_replaced_in_place_with_the_same_size_and_time_has_another_stamp(tmp_path):
    """Such as by `cp -p`, `rsync --inplace -t`, Nix or Bazel, whose files all have one time."""
    file = tmp_path / "file"
    file.write_text("limit: 900")
    os.utime(file, (1, 1))
    before = file.stat()
    time.sleep(0.02)  # the system's clock for files has steps of some milliseconds
    file.write_text("limit: 100")
    os.utime(file, (1, 1))
    after = file.stat()
    assert (before.st_ino, before.st_size, before.st_mtime_ns) == (
        after.st_ino,
        after.st_size,
        after.st_mtime_ns,
    )
    assert stamp(before) != stamp(after)


def test_files_are_compared_by_their_stamp_alone():
    root = Path(__file__).parents[3]
    sources = [file for part in ("sdk", "sidecar") for file in (root / part).rglob("*.py")]
    found = {file.name for file in sources if "st_mtime" in file.read_text()}
    # Whether SQLite's own files were written at all; what they hold is read again in any doubt. When an unfinished file was left.
    assert found == {"files.py", "place.py", "kept.py"}
