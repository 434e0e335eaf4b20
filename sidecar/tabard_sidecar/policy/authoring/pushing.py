"""Puts a bundle where sidecars fetch it: on a server with HTTP PUT, or into a file."""

from __future__ import annotations

import ssl
from pathlib import Path

import aiohttp

from tabard_sidecar.policy.conf import DownloadConfig
from tabard_sidecar.policy.engines.peer import read_token, tls_context
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.util.files import explain
from tabard_sidecar.util.replacing import replace_file

_DONE = frozenset({200, 201, 202, 204})


class PushError(Exception):
    """A bundle wasn't put there; the text says why."""


async def put_bundle(content: bytes, url: str, peer: DownloadConfig) -> int:
    """Send the bundle with PUT, and return the status of the answer. Redirects aren't followed.

    Args:
        content: the tarball.
        url: https, or http on loopback; checked by the caller.
        peer: token, certificates and time.

    Raises:
        PushError: the server can't be reached, or answers with another status than 200, 201, 202 or 204.
    """
    try:
        token = read_token(peer)
        tls: ssl.SSLContext | bool = (
            tls_context(peer, "policy.download") if url.startswith("https:") else True
        )
    except (OSError, ValueError) as error:
        raise PushError(f"a file can't be used: {error}") from error
    except PolicyBrokenError as error:
        raise PushError("; ".join(problem.message for problem in error.problems)) from error
    headers = {"Content-Type": "application/gzip", "User-Agent": "tabard"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    timeout = aiohttp.ClientTimeout(total=peer.timeout_seconds)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls), timeout=timeout) as session,
            session.put(url, data=content, headers=headers, allow_redirects=False) as response,
        ):
            status = response.status
    except TimeoutError as error:
        raise PushError(f"the server didn't answer within {peer.timeout_seconds:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise PushError(f"the server can't be reached: {type(error).__name__}") from error
    if status not in _DONE:
        raise PushError(f"the server answers {status}")
    return status


def write_bundle(content: bytes, path: Path) -> None:
    """Write a bundle to a file in one step, so that no reader sees a part of it.

    Raises:
        PushError: it can't be written.
    """
    try:
        replace_file(path, content)
    except OSError as error:
        raise PushError(f"{path} can't be written: {explain(error, path)}") from error
