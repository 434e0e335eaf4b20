"""Says which process is at the other end of a unix socket."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_UCRED = struct.Struct("3i")


class Peer(NamedTuple):
    """A process, as the kernel knew it when the connection was made or the socket began to listen: ids of process, user, group."""

    pid: int
    uid: int
    gid: int


def peer_of(connected: socket.socket) -> Peer:
    """Return the process at the other end of a unix socket (SO_PEERCRED, unix(7)).

    Raises:
        OSError: the socket isn't connected, or is of another kind.
    """
    return Peer(*_UCRED.unpack(connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))
