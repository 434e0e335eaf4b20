"""Gives free TCP ports of loopback to servers that tests start: ``python3 ports.py NUMBER`` prints some, on one line.

A port that the kernel chooses (port 0) and that is closed again may be taken before the server binds it: by any outgoing
connection of the machine, or by another test that asks at that moment. So these ports lie below the range from which the
kernel takes ports of outgoing connections, and a counter, which all processes of a user share, gives each once in turn.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import tempfile
from pathlib import Path

_FIRST = 20_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_END = 32_768
_FEWEST = 1_000
_APART = 2
"""Vault listens on the port after its own, too."""


def free_ports(number: int) -> list[int]:
    """Return ports that no socket has, and that no other caller is given for a long time.

    Raises:
        OSError: every port of the range is taken.
    """
    end = _end()
    # Not by a file of its own for each worker: processes of several runs share the machine.
    counter = os.open(_counter(), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(counter, fcntl.LOCK_EX)
        found, following = [], _number(os.read(counter, 16))
        for _ in range(_FIRST, end, _APART):
            if len(found) == number:
                break
            port = _FIRST + following % (end - _FIRST)
            following = port - _FIRST + _APART
            if _is_free(port):
                found.append(port)
        if len(found) < number:
            raise OSError(f"of the ports {_FIRST} to {end - 1} only {len(found)} are free")
        os.ftruncate(counter, 0)
        os.pwrite(counter, str(following).encode(), 0)
    finally:
        os.close(counter)
    return found


def free_port() -> int:
    """Return one, as :func:`free_ports` does."""
    return free_ports(1)[0]


def _counter() -> Path:
    return Path(tempfile.gettempdir()) / f"tabard-test-ports.{os.getuid()}"


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


def _end() -> int:
    """Return where the kernel's own range begins; the usual place if it leaves too few ports, or isn't known."""
    try:
        end = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return _USUAL_END
    return min(end, _USUAL_END) if end >= _FIRST + _FEWEST else _USUAL_END


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - free on every address
        except OSError:
            return False
        return True


if __name__ == "__main__":
    sys.stdout.write(" ".join(map(str, free_ports(int(sys.argv[1])))) + "\n")
