"""Sockets that only one server owns."""

from __future__ import annotations

import os
import socket
import stat

import pytest
from tabard_sidecar.util.sockets import BindError, OwnedSocket


def test_a_second_server_is_refused_with_the_pid_of_the_first(tmp_path):
    """The message names who is listening."""
    first, second = OwnedSocket(tmp_path / "s.sock"), OwnedSocket(tmp_path / "s.sock")
    first.acquire()
    with pytest.raises(BindError, match=rf"another server \(pid {os.getpid()}\)"):
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
    """The server of another process isn't pushed aside."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(BindError, match="something else is listening"):
            OwnedSocket(path).acquire()
    assert path.exists()


def test_a_socket_that_another_server_binds_meanwhile_is_left_alone(tmp_path, monkeypatch):
    """A server that isn't ours takes no lock, and may bind between the look at the path and our own bind."""
    path = tmp_path / "s.sock"
    owned = OwnedSocket(path)
    acquire = owned.acquire
    with socket.socket(socket.AF_UNIX) as other:

        def acquire_slowly():
            acquire()
            other.bind(str(path))

        monkeypatch.setattr(owned, "acquire", acquire_slowly)
        with pytest.raises(BindError, match="in use"):
            owned.listen(1)
        assert path.exists()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    """A mistyped path doesn't delete a file."""
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(BindError, match="is not a socket"):
        OwnedSocket(path).acquire()
    assert path.read_text() == "data"


def test_a_directory_that_anybody_may_write_to_is_refused(tmp_path):
    """Otherwise another user could put his socket in the place of ours."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(BindError, match="chmod go-w"):
        OwnedSocket(shared / "s.sock").acquire()


def test_release_removes_the_socket_and_may_be_repeated(tmp_path):
    """Nothing is left that looks like a server."""
    path = tmp_path / "s.sock"
    owned = OwnedSocket(path)
    owned.acquire()
    with socket.socket(socket.AF_UNIX) as server, owned.binding():
        server.bind(str(path))
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


def test_a_socket_is_never_open_to_others(tmp_path):
    """Its mode is right from the moment of binding, whatever the process's umask is, and the umask is put back."""
    before = os.umask(0)
    try:
        owned = OwnedSocket(tmp_path / "s.sock")
        owned.acquire()
        with socket.socket(socket.AF_UNIX) as server, owned.binding():
            server.bind(str(owned.path))
            assert stat.S_IMODE(owned.path.stat().st_mode) == 0o660
        assert os.umask(0) == 0
        owned.release()
    finally:
        os.umask(before)


def test_a_socket_may_be_for_every_user_who_reaches_its_directory(tmp_path):
    """As in a pod, where the directory is a volume that only agents mount."""
    owned = OwnedSocket(tmp_path / "s.sock", 0o666)
    owned.acquire()
    with socket.socket(socket.AF_UNIX) as server, owned.binding():
        server.bind(str(owned.path))
    assert stat.S_IMODE(owned.path.stat().st_mode) == 0o666
    owned.release()


def test_a_server_that_is_too_busy_to_accept_is_not_taken_for_dead(tmp_path):
    """A full backlog isn't an absent server."""
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(path))
        busy.listen(0)
        waiting.connect(str(path))
        with pytest.raises(BindError, match="something else is listening"):
            OwnedSocket(path).acquire()
    assert path.exists()


def test_a_socket_to_listen_on_is_handed_out_and_given_back_on_failure(tmp_path):
    """Servers that take a socket get one that accepts; a path that is too long leaves no lock held."""
    owned = OwnedSocket(tmp_path / "s.sock")
    with owned.listen(8), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(owned.path))
    owned.release()
    long = tmp_path / ("s" * 120)
    for _ in range(2):
        with pytest.raises(BindError, match="too long"):
            OwnedSocket(long).listen(8)
