"""Sockets that only one server owns."""

from __future__ import annotations

import os
import socket
import stat

import pytest
from tabard_sidecar.server.sockets import CannotBindError, OwnedSocket


def test_a_second_server_is_refused_with_the_pid_of_the_first(tmp_path):
    """The message names who is listening."""
    first, second = OwnedSocket(tmp_path / "s.sock"), OwnedSocket(tmp_path / "s.sock")
    first.acquire()
    with pytest.raises(CannotBindError, match=rf"another server \(pid {os.getpid()}\)"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_stale_socket_is_removed(tmp_path):
    """A file that a killed server left behind is no obstacle."""
    path = tmp_path / "s.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    owned = OwnedSocket(path)
    owned.acquire()
    assert not path.exists()
    owned.release()


def test_a_live_socket_without_our_lock_is_refused(tmp_path):
    """Somebody else's server isn't pushed aside."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(CannotBindError, match="something else is listening"):
            OwnedSocket(path).acquire()
    assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    """A mistyped path doesn't cost anybody a file."""
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(CannotBindError, match="is not a socket"):
        OwnedSocket(path).acquire()
    assert path.read_text() == "data"


def test_a_directory_that_anybody_may_write_to_is_refused(tmp_path):
    """Otherwise another user could put his socket in the place of ours."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(CannotBindError, match="chmod o-w"):
        OwnedSocket(shared / "s.sock").acquire()


def test_release_removes_the_socket_and_may_be_repeated(tmp_path):
    """Nothing is left that looks like a server."""
    path = tmp_path / "s.sock"
    owned = OwnedSocket(path)
    owned.acquire()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    owned.restrict()
    assert path.stat().st_mode & 0o777 == 0o660
    owned.release()
    owned.release()
    assert not path.exists()


def test_every_directory_that_is_made_is_private(tmp_path):
    """Clients refuse a socket below a directory that others can enter, so none of the new ones is open."""
    path = tmp_path / "tabard" / "agent" / "tabard.sock"
    owned = OwnedSocket(path)
    owned.acquire()
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)} == {0o700}
    owned.release()
