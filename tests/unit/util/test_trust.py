"""Files that a stranger could have written or replaced are refused, wherever on the way he could have done it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tabard.trust import UntrustedFileError, read_trusted, require_trusted, require_trusted_status

STRANGER = 54321


@pytest.fixture
def file(tmp_path):
    """A file two folders down that only this user can touch."""
    path = tmp_path / "a" / "b" / "file"
    path.parent.mkdir(parents=True)
    path.write_text("content")
    path.chmod(0o600)
    return path


def refused(path, **options):
    """Return where and why a path is refused."""
    with pytest.raises(UntrustedFileError) as caught:
        require_trusted(path, **options)
    return caught.value.filename, caught.value.strerror


def test_a_file_of_our_own_is_read(file):
    assert read_trusted(file, 100, private=True)[0] == b"content"


@pytest.mark.parametrize("depth", [0, 1, 2])
@pytest.mark.parametrize("mode", [0o777, 0o707, 0o703])
def test_every_folder_on_the_way_counts(file, depth, mode):
    folder = file.parents[depth]
    folder.chmod(mode)
    where, why = refused(file)
    assert where == str(folder)
    assert f"chmod go-w {folder}" in why


@pytest.mark.parametrize("mode", [0o602, 0o666, 0o646])
def test_a_file_that_every_user_can_write_is_refused(file, mode):
    file.chmod(mode)
    assert refused(file)[0] == str(file)


@pytest.mark.parametrize(("mode", "accepted"), [(0o600, True), (0o604, False), (0o640, True), (0o644, False)])
def test_a_private_file_is_for_us_and_our_group_only(file, mode, accepted):
    file.chmod(mode)
    require_trusted(file)
    if accepted:
        require_trusted(file, private=True)
    else:
        assert "chmod 600" in refused(file, private=True)[1]


def test_the_sticky_bit_helps_on_the_way_and_not_at_its_end(file):
    """Strangers can't replace what is in /tmp, but they can add files there, and so to a policy's folder."""
    file.parent.chmod(0o1777)
    require_trusted(file)
    assert refused(file.parent)[0] == str(file.parent)


def test_groups_of_this_process_may_write_as_kubernetes_and_developers_need_it(file):
    file.chmod(0o660)
    file.parent.chmod(0o2770)
    require_trusted(file, private=True)


@pytest.mark.parametrize("what", ["file", "folder", "top", "link"])
def test_another_owner_is_refused(file, tmp_path, monkeypatch, what):
    link = tmp_path / "link"
    link.symlink_to("a/b")
    owned = {"file": file, "folder": file.parent, "top": file.parent.parent, "link": link}[what]
    seen = os.lstat

    def lstat(path):
        info = seen(path)
        owner = STRANGER if Path(path) == owned else info.st_uid
        return os.stat_result((*info[:4], owner, *info[5:]))

    monkeypatch.setattr(os, "lstat", lstat)
    where, why = refused(link / "file")
    assert where == str(owned)
    assert f"belongs to user {STRANGER}" in why


@pytest.mark.parametrize(("mode", "private"), [(0o620, False), (0o660, False), (0o640, True)])
def test_a_group_that_is_not_ours_is_a_stranger(file, mode, private):
    file.chmod(mode)
    info = file.stat()
    require_trusted_status(file, info, private=private)
    foreign = os.stat_result((*info[:5], STRANGER, *info[6:]))
    with pytest.raises(UntrustedFileError, match=f"group {STRANGER}|read by others"):
        require_trusted_status(file, foreign, private=private)


def test_an_access_list_may_name_any_user(file, monkeypatch):
    """Its mask stands in the place of the group's permissions."""
    file.chmod(0o660)
    monkeypatch.setattr(os, "getxattr", lambda *_: b"list")
    assert "access list" in refused(file)[1]


def test_links_are_followed_step_by_step(file, tmp_path):
    """As in a mounted Secret; what is behind them counts, not what the name looks like."""
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "deep").symlink_to(Path("..") / "a" / "b")
    (aside / "..data").symlink_to("deep")
    (aside / "file").symlink_to("..data/file")
    assert read_trusted(aside / "file", 100)[0] == b"content"
    assert read_trusted(aside / ".." / "aside" / "file", 100)[0] == b"content"
    file.parent.parent.chmod(0o777)
    assert refused(aside / "file")[0] == str(file.parent.parent)


def test_links_in_a_circle_end(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        require_trusted(tmp_path / "a")
