"""The forms of an address that a sidecar can listen on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from tabard.address import MAX_SOCKET_PATH_BYTES, check_form, is_loopback, socket_path

__all__ = [
    "MAX_SOCKET_PATH_BYTES",
    "Address",
    "Anchored",
    "SocketAddress",
    "UnixAddress",
    "anchored",
    "check_address",
    "check_unix_address",
    "host_and_port",
    "is_local",
    "socket_path",
]

_MAX_PORT = 65535


class Anchored(str):
    """Text that holds a path, which may be relative to the folder of the configuration."""

    __slots__ = ()

    def at(self, base: Path) -> Anchored:
        """Return the text with its path counted from ``base``; itself if nothing changes.

        Raises:
            ValueError: the path that results can't be used; the message says why.
        """
        raise NotImplementedError


class SocketAddress(Anchored):
    """The address of a unix socket: ``unix:`` and a path."""

    __slots__ = ()

    def at(self, base: Path) -> SocketAddress:
        """Return the address with an absolute path that fits into ``sun_path`` (unix(7))."""
        path = anchored(Path(self.removeprefix("unix:")), base)
        size = len(os.fsencode(path))
        if size > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f"the path is {size} bytes long; the kernel takes {MAX_SOCKET_PATH_BYTES}; name a shorter one than {path}"
            )
        return SocketAddress(f"unix:{path}")


def host_and_port(address: str) -> tuple[str, int]:
    """Split ``host:port`` or ``[ipv6]:port``.

    Raises:
        ValueError: the address has another form; the message says which one is expected.
    """
    host, separator, port = address.rpartition(":")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > _MAX_PORT:
        raise ValueError(f'"{address}" is neither host:port nor unix:/path')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f'put the IPv6 address in brackets: "[{host}]:{port}"')
    if not host:
        raise ValueError(f'"{address}" names no host; use 0.0.0.0 or [::] for all interfaces')
    return host, int(port)


def is_local(address: str) -> bool:
    """Tell whether only this machine can reach the address: a unix socket or a loopback interface."""
    if socket_path(address) is not None:
        return True
    host, _ = host_and_port(address)
    return is_loopback(host)


def check_unix_address(address: str) -> SocketAddress:
    """Return ``address`` as ``unix:`` and a path if the path fits into ``sun_path`` (unix(7)).

    Raises:
        ValueError: it doesn't; the message says why.
    """
    check_form(address)
    path = socket_path(address)
    if path is None:
        raise ValueError(f'"{address}" is not a unix socket; write unix:/absolute/path')
    if "\0" in address:
        raise ValueError("the path holds a NUL byte")
    return SocketAddress(f"unix:{path}").at(Path())


def check_address(address: str) -> str:
    """Return ``address`` if it is a unix socket or ``host:port``.

    Raises:
        ValueError: it isn't; the message says why.
    """
    if socket_path(address) is not None:
        return check_unix_address(address)
    host_and_port(address)
    return address


def anchored(path: Path, base: Path) -> Path:
    """Return ``path``, counted from ``base`` if it is relative; ``~`` is the user's home directory."""
    return base / path.expanduser()


UnixAddress = Annotated[str, AfterValidator(check_unix_address)]
Address = Annotated[str, AfterValidator(check_address)]
