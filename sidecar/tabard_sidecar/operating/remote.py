"""Reaches the operator surface of a control service: TLS, and a token that says who calls."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tabard.address import CHANNEL_OPTIONS

from tabard_sidecar import exit_codes
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.options import read_bytes, read_text

if TYPE_CHECKING:
    import grpc

    from tabard_sidecar.operating.reach import Target

SCHEME = "https://"
TOKEN_VARIABLE = "TABARD_OPERATOR_TOKEN"  # noqa: S105 - a variable's name
TOKEN_FILE_VARIABLE = "TABARD_OPERATOR_TOKEN_FILE"  # noqa: S105 - as above
CA_FILE_VARIABLE = "TABARD_OPERATOR_CA_FILE"
_MAX_TOKEN_BYTES = 16 * 1024
_MAX_CA_BYTES = 1024 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


def is_remote(address: str) -> bool:
    """Tell whether an address is that of a control service."""
    return address.startswith(SCHEME)


def channel(target: Target, environ: Mapping[str, str] = os.environ) -> grpc.Channel:
    """Return an encrypted connection.

    Raises:
        Failure: the address or the file with authorities can't be used.
    """
    import grpc  # noqa: PLC0415 - takes a while to import

    credentials = grpc.ssl_channel_credentials(_authorities(target, environ))
    return grpc.secure_channel(_host_and_port(target), credentials, options=CHANNEL_OPTIONS)


def authorization(target: Target, environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the metadata that says who calls. The file is read for every call, because tokens are renewed.

    Raises:
        Failure: there is no token, or it can't be read.
    """
    file = str(target.token_file or environ.get(TOKEN_FILE_VARIABLE, ""))
    token = read_text(Path(file), "the operator's token", _MAX_TOKEN_BYTES) if file else ""
    token = token.strip() if file else environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise Failure(
            "there is no token that says who you are",
            exit_codes.USAGE,
            where=file,
            next_step=f"Use --operator-token-file FILE, ${TOKEN_FILE_VARIABLE} or ${TOKEN_VARIABLE}.",
        )
    if _TOKEN.fullmatch(token) is None:
        raise Failure("what is there is no token", exit_codes.USAGE, where=file or f"${TOKEN_VARIABLE}")
    return "authorization", f"Bearer {token}"


def _host_and_port(target: Target) -> str:
    try:
        parts = urlsplit(target.address)
        host, port = parts.hostname or "", 443 if parts.port is None else parts.port
    except ValueError:
        host, port = "", 0
        parts = urlsplit(SCHEME)
    plain = f"{SCHEME}{parts.netloc}"
    if not host or not port or "@" in parts.netloc or target.address.removesuffix("/") != plain:
        raise Failure(
            f"{target.address} isn't the address of a control service",
            exit_codes.USAGE,
            where=target.origin,
            next_step="Write https://HOST:PORT, for example https://tabard-control.tabard-system.svc:8445.",
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _authorities(target: Target, environ: Mapping[str, str]) -> bytes | None:
    """Return the certificates to trust; ``None`` for those that gRPC brings."""
    file = str(target.ca_file or environ.get(CA_FILE_VARIABLE, ""))
    if file:
        return read_bytes(Path(file), "the file with authorities", _MAX_CA_BYTES)
    usual = ssl.get_default_verify_paths().cafile
    return Path(usual).read_bytes() if usual and Path(usual).exists() else None
