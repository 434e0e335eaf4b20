"""Addresses of a sidecar: where it listens by default, and which addresses clients may connect to.

The sidecar, its command line and the clients all use this module, so that they agree without configuration. It imports
the standard library only.
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SYSTEM_DIRECTORY = Path("/run/tabard")
SOCKET_NAME = "tabard.sock"
AGENT = "agent"
OPERATOR = "operator"
AGENT_VARIABLE = "TABARD_ADDRESS"
OPERATOR_VARIABLE = "TABARD_OPERATOR_ADDRESS"
MAX_SOCKET_PATH_BYTES = 107
"""Longest path of a unix socket: ``sun_path`` without its closing NUL (unix(7))."""

# A sidecar that restarts is back within a second or so; grpc's own default would keep failing for up to two minutes.
CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    # Also the time that an attempt to connect has: on a loaded machine the sidecar's first bytes take a while.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
    # A forked process must not share connections with its parent.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", 16 * 2**20),
)
"""gRPC options of every channel to a sidecar."""


class AddressError(ValueError):
    """An address or the directory of a socket isn't acceptable; the message says why and what to do."""


def local_directory(environ: Mapping[str, str] | None = None) -> Path:
    """Return the directory of this user's sockets, used where there is no system-wide one.

    It is ``$XDG_RUNTIME_DIR/tabard``, or ``/tmp/tabard-$UID`` where that variable is unset.
    """
    environ = os.environ if environ is None else environ
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        return Path(runtime) / "tabard"
    return Path(f"/tmp/tabard-{os.getuid()}")  # noqa: S108  # its owner and mode are checked before use


def variable(surface: str) -> str:
    """Return the environment variable that names the address of a surface."""
    return AGENT_VARIABLE if surface == AGENT else OPERATOR_VARIABLE


def named_address(surface: str, environ: Mapping[str, str] | None = None) -> str:
    """Return the address of a surface that the environment names; empty if it names none."""
    environ = os.environ if environ is None else environ
    return environ.get(variable(surface), "")


def default_address(
    surface: str = AGENT,
    environ: Mapping[str, str] | None = None,
    *,
    system_directory: Path = SYSTEM_DIRECTORY,
) -> str:
    """Return the gRPC address of a surface, ``"agent"`` or ``"operator"``, where no configuration names one.

    The environment wins; then the system-wide directory if it exists (on Kubernetes it is a mounted volume); then this
    user's own. Client and sidecar resolve alike, so that both meet without configuration.
    """
    environ = os.environ if environ is None else environ
    named = named_address(surface, environ)
    if named:
        return named
    system = system_directory / surface
    directory = system if system.is_dir() else local_directory(environ) / surface
    return f"unix:{directory / SOCKET_NAME}"


def socket_path(address: str) -> Path | None:
    """Return the path in a ``unix:`` address, ``None`` for any other address."""
    if not address.startswith("unix:"):
        return None
    path = address.removeprefix("unix:")
    path = path.removeprefix("//") if path.startswith("///") else path
    return Path(path) if path else None


def check_form(address: str) -> None:
    """Check that a ``unix:`` address holds a path only.

    Raises:
        AddressError: it begins like a URL with a host, which gRPC refuses in words of its own.
    """
    rest = address.removeprefix("unix:")
    if rest != address and rest.startswith("//") and not rest.startswith("///"):
        raise AddressError(f"{address}: a unix socket has no host; write unix:/{rest.lstrip('/')}")


def check_address(address: str, variable: str = AGENT_VARIABLE) -> str:
    """Return ``address`` if grants may be sent there unencrypted: a unix socket or the loopback interface.

    Args:
        address: a gRPC address.
        variable: environment variable that the error message tells the user to set.

    Raises:
        AddressError: it is another machine's, or the socket's path is too long for the kernel.
    """
    check_form(address)
    path = socket_path(address)
    if path is not None:
        length = len(os.fsencode(path))
        if not 1 <= length <= MAX_SOCKET_PATH_BYTES:
            message = (
                f"{address}: the path of a unix socket has 1 to {MAX_SOCKET_PATH_BYTES} bytes, this one {length}; "
                f"set {variable} to a shorter one"
            )
            raise AddressError(message)
        return address
    if _has_loopback_host(address):
        return address
    message = (
        f"{address}: grants are only sent to a sidecar on this machine; "
        f"set {variable} to unix:PATH, 127.0.0.1:PORT, [::1]:PORT or localhost:PORT"
    )
    raise AddressError(message)


def check_private(directory: Path, variable: str = AGENT_VARIABLE) -> None:
    """Check that only this user can have put a socket into ``directory``.

    Args:
        directory: a directory of this user.
        variable: environment variable that the error message tells the user to set.

    Raises:
        AddressError: it belongs to another user, is a link, or other users have access to it.
    """
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode):
        message = f"{directory}: not a directory; remove it or set {variable}"
    elif info.st_uid != os.getuid():
        message = f"{directory}: belongs to user id {info.st_uid}, not to {os.getuid()}; set {variable}"
    elif info.st_mode & 0o077:
        message = f"{directory}: others have access to it; run `chmod 700 {directory}`"
    else:
        return
    raise AddressError(message)


def check_client(
    address: str, environ: Mapping[str, str] | None = None, *, variable: str = AGENT_VARIABLE
) -> str:
    """Check an address before a client connects to it, and return it.

    A socket below :func:`local_directory` is only trusted if that directory is private: another user may have created
    it in ``/tmp`` to collect tokens. It is created if it doesn't exist.

    Args:
        address: a gRPC address.
        environ: environment variables; those of this process by default.
        variable: environment variable that the error message tells the user to set.

    Raises:
        AddressError: the address isn't acceptable.
    """
    check_address(address, variable)
    path = socket_path(address)
    private = local_directory(environ)
    if path is not None and path.is_relative_to(private):
        # Made here if it isn't there: clients connect later and again, and another user could make it meanwhile.
        with suppress(OSError):
            private.mkdir(mode=0o700)
        if os.path.lexists(private):
            check_private(private, variable)
    return address


def is_loopback(host: str) -> bool:
    """Tell whether a host, without brackets or port, is this machine: ``localhost`` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_loopback_host(address: str) -> bool:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit():
        return False
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        return host != "localhost" and is_loopback(host)
    return is_loopback(host)
