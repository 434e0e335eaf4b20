"""Asks through kubectl: it knows every way in which a kubeconfig says where a cluster is and who one is there.

One ``kubectl proxy`` serves all requests, on a socket in a folder that only this user can enter, and ends with them.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from tabard.arguments import ArgumentsError, parse_json

from tabard_sidecar.cluster.api import TABLE, existence, without_content, without_effect
from tabard_sidecar.kubernetes.api import ApiError, Object

_START_SECONDS, _SECONDS = 20.0, 30.0
_MAX_BYTES = 32 * 1024 * 1024
_SHOWN = 400
_AT_ONCE = 8
_JSON = "application/json"
_CREATED = (200, 201)


class Kubectl:
    """Asks over a session to ``kubectl proxy``."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str) -> Object:
        """See :class:`~tabard_sidecar.cluster.api.Api`."""
        return await self._asked("GET", path)

    async def try_create(self, path: str, document: Object) -> Object:
        """See :class:`~tabard_sidecar.cluster.api.Api`."""
        return await self._asked("POST", without_effect(path), json.dumps(document).encode())

    async def has(self, namespace: str, kind: str, name: str) -> bool:
        """See :class:`~tabard_sidecar.cluster.api.Api`."""
        try:
            await self._asked("GET", existence(namespace, kind, name), accept=TABLE)
        except ApiError as error:
            return await without_content(self, namespace, kind, name, error)
        return True

    async def _asked(self, method: str, path: str, body: bytes | None = None, accept: str = _JSON) -> Object:
        headers = {"Accept": accept, "Content-Type": _JSON} if body is not None else {"Accept": accept}
        try:
            async with self._session.request(
                method, f"http://localhost{path}", data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = b""
                async for part in answer.content.iter_chunked(64 * 1024):
                    content += part
                    if len(content) > _MAX_BYTES:
                        raise ApiError(f"{path}: the answer is longer than {_MAX_BYTES} bytes")
                return _checked(answer.status, content, f"{method} {path.partition('?')[0]}")
        except TimeoutError:
            raise ApiError(f"the API server didn't answer within {_SECONDS:g} s") from None
        except aiohttp.ClientError:
            raise ApiError("kubectl proxy doesn't answer any more") from None


@asynccontextmanager
async def through_kubectl(kubeconfig: Path | None, context: str) -> AsyncIterator[Kubectl]:
    """Run ``kubectl proxy`` for the length of a block.

    Args:
        kubeconfig: the file; ``None`` is kubectl's own choice.
        context: the file's context; empty is its current one.

    Raises:
        ApiError: kubectl can't be started.
    """
    options = [*(("--kubeconfig", str(kubeconfig)) if kubeconfig else ())]
    options += [*(("--context", context) if context else ())]
    with tempfile.TemporaryDirectory(prefix="tabard-") as folder:
        socket = f"{folder}/s"
        process = await _started([*options, "proxy", f"--unix-socket={socket}"])
        try:
            connector = aiohttp.UnixConnector(socket, limit=_AT_ONCE)
            timeout = aiohttp.ClientTimeout(total=_SECONDS)
            async with aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False
            ) as session:
                yield Kubectl(session)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _started(arguments: list[str]) -> asyncio.subprocess.Process:
    """Start kubectl; return it when it serves."""
    try:
        process = await asyncio.create_subprocess_exec("kubectl", *arguments, stdout=PIPE, stderr=PIPE)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else "it can't be run"
        raise ApiError(f"kubectl can't be started ({why}); install it, or run this in a pod") from None
    assert process.stdout is not None  # noqa: S101 - both are pipes
    assert process.stderr is not None  # noqa: S101
    try:
        async with asyncio.timeout(_START_SECONDS):
            if await process.stdout.readline():
                return process
            said = (await process.stderr.read(64 * 1024)).decode("utf-8", "replace").strip()
    except TimeoutError:
        said = f"it serves nothing within {_START_SECONDS:g} s"
    if process.returncode is None:
        process.kill()
    await process.wait()
    raise ApiError(f"kubectl failed: {_printable((said.splitlines() or ['without a reason'])[-1])}")


def _checked(status: int, content: bytes, asked: str) -> Object:
    """Return what was answered.

    Raises:
        ApiError: it is a refusal, or can't be read.
    """
    try:
        document = parse_json(content, max_bytes=_MAX_BYTES)
    except ArgumentsError:
        document = None
    if status not in _CREATED:
        said = document.get("message") if isinstance(document, dict) else content.decode("utf-8", "replace")
        raise ApiError(f"the API server answers: {_printable(str(said)) or 'nothing'}", status)
    if not isinstance(document, dict):
        raise ApiError(f"{asked}: the answer is no JSON object", status)
    return document


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text.strip()[:_SHOWN])
