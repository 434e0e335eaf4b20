"""Creates unix sockets that only one server can own; the sidecar's own are all created here.

gRPC takes over a socket on which another server listens, without an error. So a lock file beside the socket decides which
server may bind it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tabard.files import RefusedFileError, create_private_folder, create_regular
from tabard.trust import require_trusted

from tabard_sidecar.util.files import explain

SOCKET_MODE = 0o660
"""Who may connect to a socket: its owner and its group."""


class BindError(Exception):
    """The address can't be listened on; the message says why and what to do."""


class OwnedSocket:
    """The right to listen on one path, held until :meth:`release`.

    Args:
        path: where the socket is.
        mode: who may connect, as bits of a file's mode: by default its owner and its group.
    """

    def __init__(self, path: Path, mode: int = SOCKET_MODE) -> None:
        self.path = path
        self._mode = mode
        self._lock = -1
        self._bound = False

    def acquire(self) -> None:
        """Take the lock, make the directory and remove a stale socket.

        Raises:
            BindError: another server owns the socket, or the directory isn't safe.
        """
        directory = self.path.parent
        try:
            create_private_folder(directory)
            _require_directory(directory)
            create_regular(f"{self.path}.lock")
            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise BindError(f"cannot listen on {self.path}: {explain(error)}; choose another path") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self._close()
            raise BindError(
                f"another server (pid {owner}) is listening on {self.path}; stop it or set another listen address"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        self._remove_stale()

    def _remove_stale(self) -> None:
        try:
            mode = os.lstat(self.path).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            self._close()
            raise BindError(f"{self.path} exists and is not a socket; move it away")
        if _answers(self.path):
            self._close()
            raise BindError(
                f"something else is listening on {self.path}; stop it or set another listen address"
            )
        self.path.unlink()

    @contextmanager
    def binding(self) -> Iterator[None]:
        """Surround the server's call that binds: only those whom the mode names can ever connect to the socket."""
        umask = os.umask(0o777 & ~self._mode)
        try:
            yield
        finally:
            os.umask(umask)
        self._bound = True
        self.path.chmod(self._mode)

    def listen(self, backlog: int) -> socket.socket:
        """Acquire the path, bind and listen, for servers that take a socket.

        Raises:
            BindError: as :meth:`acquire`, or the system refuses, for example because the path is too long.
        """
        self.acquire()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self.binding():
                listener.bind(str(self.path))
            listener.listen(backlog)
        except OSError as error:
            listener.close()
            self.release()
            raise BindError(f"cannot listen on {self.path}: {error}; choose another path") from error
        return listener

    def release(self) -> None:
        """Remove the socket, unless binding it failed, and release the lock."""
        if self._lock < 0:
            return
        if self._bound:
            with suppress(FileNotFoundError):
                self.path.unlink()
        self._close()

    def _close(self) -> None:
        # The lock file stays: if it were removed, two servers could lock different files of the same name.
        os.close(self._lock)
        self._lock, self._bound = -1, False


def _require_directory(directory: Path) -> None:
    """Check that no other user can put a socket into the place of ours.

    Raises:
        OSError: another user can write to the directory or replace it, or it is a link.
    """
    if directory.is_symlink():
        raise RefusedFileError(
            errno.EINVAL, "is a symbolic link; name the directory itself in the listen address", directory
        )
    require_trusted(directory)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True  # too busy to accept, or not ours to connect to
    return True
