"""Attacks on availability by authors of policies and catalogues: files that a serving sidecar loads again and again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from testbed.attacks.agents import Attack
from testbed.attacks.stage import Stage, catalogue

_MIB = 1024 * 1024
_PAUSE_SECONDS = 0.7
_VALUES = 95_000


def _write(path: Path, content: bytes, folder: Path) -> None:
    """Replace a file as a deployment does, by one that was written in another folder."""
    scratch = folder / "scratch"
    scratch.write_bytes(content)
    path.parent.mkdir(exist_ok=True)
    scratch.rename(path)


def _fifo(path: Path, *_: object) -> None:
    if not path.exists():
        os.mkfifo(path)


@asynccontextmanager
async def _meanwhile(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do endless work for as long as the context lasts; a failure of it is raised at the end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def policy_file(
    name: str, contents: Iterator[bytes], write: Callable[[Path, bytes, Path], None] = _write
) -> Attack:
    """Return the attack that changes a file of the policy's folder again and again."""

    @asynccontextmanager
    async def attack(stage: Stage) -> AsyncIterator[None]:
        path = stage.world.policy / name

        async def change() -> None:
            while True:
                write(path, next(contents), stage.world.folder)
                await asyncio.sleep(_PAUSE_SECONDS)

        try:
            async with _meanwhile(change()):
                yield
        finally:
            path.unlink(missing_ok=True)

    return attack


def catalogue_file(content: Callable[[], bytes]) -> Attack:
    """Return the attack that replaces the catalogue and asks for a reload again and again."""

    @asynccontextmanager
    async def attack(stage: Stage) -> AsyncIterator[None]:
        async def change() -> None:
            _write(stage.world.catalogue, content(), stage.world.folder)
            while True:
                os.kill(stage.pid, signal.SIGHUP)
                await asyncio.sleep(_PAUSE_SECONDS)

        try:
            async with _meanwhile(change()):
                yield
        finally:
            _write(stage.world.catalogue, json.dumps(catalogue()).encode(), stage.world.folder)
            os.kill(stage.pid, signal.SIGHUP)

    return attack


def _varied(content: bytes, end: bytes = b"\n# %d\n") -> Iterator[bytes]:
    """Give the content with another end each time."""
    return (content + (end % number if b"%" in end else end * number) for number in count())


def _json_data(values: object) -> bytes:
    return json.dumps({"many": values}, separators=(",", ":")).encode()


def _many_tools(number: int, description: str) -> bytes:
    tool: dict[str, Any] = {
        "description": description,
        "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "^[a-z]+$"}}},
    }
    tools = [tool | {"name": f"tool-{index}"} for index in range(number)]
    return json.dumps(catalogue() | {"tools": catalogue()["tools"] + tools}).encode()


_METADATA = b"""# METADATA
# schemas:
#   - input: {"$ref": "file:///dev/zero"}
package policy.other

deny contains {"code": "a", "message": "b"} if input.tool.name == "read2"
"""
_RULE = b'deny contains {"code": "d%d", "message": "m"} if input.tool.arguments.x == {"a": [%d, "b", {"c": "d"}]}\n\n'
LOADS: dict[str, Attack] = {
    "METADATA schemas that name files": policy_file("desk/other.rego", _varied(_METADATA)),
    "a named pipe in the policy's folder": policy_file("desk/pipe.rego", _varied(b""), _fifo),
    "data.yaml of many values": policy_file(
        "a/data.yaml", _varied(b"many:\n" + b"  - {a: text}\n" * (_VALUES // 2))
    ),
    "data.yaml that is one long text": policy_file(
        "a/data.yaml", _varied(b"many: '" + b"text " * (_MIB * 4 // 5 - 50) + b"'\n")
    ),
    "data.json of many values": policy_file(
        "a/data.json", _varied(_json_data([{"a": "text"}] * (_VALUES // 2)), b"\n")
    ),
    "data.json of texts": policy_file("a/data.json", _varied(_json_data(["text" * 8] * _VALUES), b"\n")),
    "data beyond its bounds": policy_file(
        "a/data.json", _varied(_json_data(["text" * 4] * 700_000), b"\n")
    ),
    "half a mebibyte of rules": policy_file(
        "desk/many.rego",
        _varied(b"package policy.many\n\n" + b"".join(_RULE % (n, n) for n in range(4_200))),
    ),
    "half a mebibyte of terms": policy_file(
        "desk/many.rego",
        _varied(b"package policy.many\n\nterms := [" + b"1," * 200_000 + b"1]\n\n" + _RULE % (1, 1)),
    ),
    "a catalogue of 12 MB": catalogue_file(lambda: _many_tools(4_000, "d" * 3_000)),
    "a catalogue at its bounds": catalogue_file(lambda: _many_tools(8_000, "d" * 250)),
    "a catalogue of many values": catalogue_file(lambda: _many_tools(14_000, "d")),
}  # fmt: skip
"""Attacks by who writes policy or catalogue, by name."""
