"""Opens the listening socket of an HTTP server."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from tabard_sidecar.util.addresses import host_and_port, socket_path

_SOCKET_MODE = 0o660


class BindError(Exception):
    """An address can't be listened on; the message names it and says what to do."""


class Listener:
    """A socket that listens on one address.

    Args:
        address: ``host:port`` or ``unix:/path``.

    Raises:
        BindError: the address is in use or isn't this machine's.

    Attributes:
        socket: the listening socket.
        address: the actual address, also if port 0 was configured.
    """

    def __init__(self, address: str) -> None:
        self._path = socket_path(address)
        try:
            if self._path is not None:
                self.socket = _listen_unix(self._path)
                self.address = address
                return
            host, port = host_and_port(address)
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.socket = socket.create_server((host, port), family=family, backlog=64)
        except OSError as error:
            raise BindError(f"{address}: {error.strerror or error}") from error
        host, port = self.socket.getsockname()[:2]
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self.socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _listen_unix(path: Path) -> socket.socket:
    """Listen on a unix socket, replacing one that a dead process left."""
    if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
        raise OSError(errno.EEXIST, "the path is a file that isn't a socket; remove it")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                path.unlink(missing_ok=True)
            else:
                raise OSError(
                    errno.EADDRINUSE, "another process listens on it; stop it or choose another path"
                )
        old = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(old)
        path.chmod(_SOCKET_MODE)
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener
