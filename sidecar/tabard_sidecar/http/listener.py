"""Opens the listening socket of an HTTP server."""

from __future__ import annotations

import socket

from tabard_sidecar.util.addresses import host_and_port, socket_path
from tabard_sidecar.util.sockets import BindError, OwnedSocket

_BACKLOG = 512


class Listener:
    """A socket that listens on one address.

    Args:
        address: ``host:port`` or ``unix:/path``.

    Raises:
        BindError: the address is in use or isn't this machine's, or the socket's directory isn't safe.

    Attributes:
        socket: the listening socket.
        address: the actual address, also if port 0 was configured.
    """

    def __init__(self, address: str) -> None:
        path = socket_path(address)
        self._owned = None if path is None else OwnedSocket(path)
        if self._owned is not None:
            self.socket = self._owned.listen(_BACKLOG)
            self.address = address
        else:
            self.socket = _listen_tcp(address)
            host, port = self.socket.getsockname()[:2]
            self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self.socket.close()
        if self._owned is not None:
            self._owned.release()


def _listen_tcp(address: str) -> socket.socket:
    host, port = host_and_port(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise BindError(f"{address}: {error.strerror or error}") from error
