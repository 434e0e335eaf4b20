"""Operators on network addresses, file paths and URLs.

Each accepts one plain spelling and refuses whatever another parser might read differently: a wrong refusal
costs a retry, a second interpretation would bypass the grant.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from tabard.caveats.errors import CaveatError
from tabard.plain_path import compatible, file_path_flaw

if TYPE_CHECKING:
    from collections.abc import Callable

_CIDR = re.compile(r"[0-9A-Fa-f.:]{2,45}(?:/[0-9]{1,3})?")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}|\[[0-9a-f:.]{{2,45}}\]")
_URL = re.compile(r"([A-Za-z]{1,8})://([^/?#]{1,300})([/?#].*)?", re.DOTALL)
_OPERAND = re.compile(r"(?:(https?)://)?(\*\.)?([^*:/@\[\]]+|\[[^\]/@]+\])(?::([0-9]{1,5}))?")
_AUTHORITY = re.compile(r"([^:\[\]]+|\[[^\]]+\])(?::([0-9]{1,5}))?")
_PORTS = {"https": 443, "http": 80}
_MAX_PORT = 65535
_MAX_HOST = 253


def compile_cidr(operand: str) -> Callable[[str], str | None]:
    """Return a check that an address, or a whole network, lies within the network ``operand``.

    Raises:
        CaveatError: ``operand`` isn't a network in CIDR form without host bits.
    """
    network = _network(operand)
    if network is None:
        raise CaveatError("operand of cidr must be a network without host bits, such as 10.0.0.0/8")

    def check(value: str) -> str | None:
        asked = _network(value)
        if asked is None:
            return "is not an IP address or network in CIDR form"
        # An IPv4-mapped IPv6 address is another version and therefore outside.
        inside = (
            asked.version == network.version
            and network.network_address <= asked.network_address  # type: ignore[operator]
            and asked.broadcast_address <= network.broadcast_address  # type: ignore[operator]
        )
        return None if inside else f"is not within {operand}"

    return check


def compile_path_under(operand: str) -> Callable[[str], str | None]:
    """Return a check that a path is the folder ``operand`` or lies under it, by its spelling alone.

    The path must be absolute and plain: see :func:`tabard.plain_path.file_path_flaw`. Symbolic links are not resolved: the
    backend has to.

    Raises:
        CaveatError: ``operand`` isn't such a path.
    """
    flaw = file_path_flaw(operand)
    if flaw:
        raise CaveatError(f"operand of path_under {flaw}")
    base = operand.rstrip("/")
    normal_base = compatible(base)

    def check(value: str) -> str | None:
        flaw = file_path_flaw(value)
        if flaw:
            return flaw
        if not _under(value, base) or not _under(compatible(value), normal_base):
            return f"is not under {operand}"
        return None

    return check


def compile_url_host(operand: str) -> Callable[[str], str | None]:
    """Return a check that a URL leads to the host ``operand``.

    ``operand`` is ``host``, ``*.domain`` (subdomains only), either with ``:port``, and with ``http://`` in front where
    plain HTTP is meant; https and the scheme's own port are the defaults. The URL must spell exactly that scheme, host
    and port. Refused are user information, backslashes, spaces, control characters, percent signs or non-ASCII letters
    in the host (write international names in their ``xn--`` form), a trailing dot and every other scheme.

    Raises:
        CaveatError: ``operand`` isn't of that form.
    """
    parsed = _OPERAND.fullmatch(operand)
    scheme, wild, host, port_text = parsed.groups() if parsed else (None, None, "", None)
    scheme = scheme or "https"
    port = int(port_text) if port_text else _PORTS[scheme]
    if not _valid_host(host) or not 0 < port <= _MAX_PORT or (wild and host.startswith("[")):
        raise CaveatError("operand of url_host must be host, *.domain or host:port, in lower case")
    suffix = f".{host}"

    def check(value: str) -> str | None:
        found = _split_url(value)
        if isinstance(found, str):
            return found
        asked_scheme, asked_host, asked_port = found
        if asked_scheme != scheme:
            return f"is not a URL of scheme {scheme}"
        if (not asked_host.endswith(suffix)) if wild else (asked_host != host):
            return f"does not lead to host {operand}"
        return None if asked_port == port else f"does not use port {port}"

    return check


def _network(value: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    # Zones ("fe80::1%eth0") mean something to one machine only, and parsers disagree about masks
    # ("/255.0.0.0").
    if _CIDR.fullmatch(value) is None:
        return None
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        return None


def _under(path: str, base: str) -> bool:
    return path == base or path.startswith(f"{base}/")


def _valid_host(host: str) -> bool:
    return len(host) <= _MAX_HOST and _HOST.fullmatch(host) is not None


def _split_url(value: str) -> tuple[str, str, int] | str:
    """Return scheme, host and port of a URL, or its problem."""
    # Browsers drop tabs and line breaks and read "\\" as "/"; other parsers don't.
    if "\\" in value or any(char.isspace() or not char.isprintable() for char in value):
        return "holds a backslash, space or control character"
    parsed = _URL.fullmatch(value)
    if parsed is None or parsed[1].lower() not in _PORTS:
        return "is not an absolute URL of scheme https or http"
    scheme, authority = parsed[1].lower(), parsed[2]
    if "@" in authority:
        return "holds user information before the host"
    if not authority.isascii():
        return "holds a host that is not plain ASCII"
    split = _AUTHORITY.fullmatch(authority.lower())
    if split is None or not _valid_host(split[1]):
        return "holds a malformed host or port"
    port = int(split[2]) if split[2] else _PORTS[scheme]
    return (scheme, split[1], port) if 0 < port <= _MAX_PORT else "holds a malformed port"
