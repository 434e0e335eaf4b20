"""The forms of an address that a sidecar can listen on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from tabard.address import MAX_SOCKET_PATH_BYTES, is_loopback, socket_path

__all__ = [
    "MAX_SOCKET_PATH_BYTES",
    "Address",
    "UnixAddress",
    "anchored",
    "check_address",
    "check_unix_address",
    "host_and_port",
    "is_local",
    "socket_path",
]

_MAX_PORT = 65535


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


def check_unix_address(address: str) -> str:
    """Return ``address`` as ``unix:`` and an absolute path if the path fits into ``sun_path`` (unix(7)).

    Raises:
        ValueError: it doesn't; the message says why.
    """
    path = socket_path(address)
    if path is None:
        raise ValueError(f'"{address}" is not a unix socket; write unix:/absolute/path')
    if "\0" in address:
        raise ValueError("the path holds a NUL byte")
    if not path.is_absolute():
        raise ValueError(f'the path of "{address}" is not absolute')
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH_BYTES:
        raise ValueError(f"the path is {size} bytes long; the kernel takes {MAX_SOCKET_PATH_BYTES}")
    return f"unix:{path}"


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
