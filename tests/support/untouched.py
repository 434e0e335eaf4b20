"""A folder and a port of this machine that tell whether something was opened or reached."""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

_IN_OPEN = 0x20
_libc = ctypes.CDLL(None, use_errno=True)


class Untouched:
    """``canary.json`` in a folder of its own, a valid schema, and a listener on loopback.

    Attributes:
        file: the canary.
        port: of the listener.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / "canary.json"
        self.file.write_text('{"enum": ["the canary"]}')
        self._watch = _libc.inotify_init1(os.O_NONBLOCK)
        assert _libc.inotify_add_watch(self._watch, os.fsencode(folder), _IN_OPEN) >= 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)  # noqa: FBT003 - socket's own
        self.port: int = self._listener.getsockname()[1]

    def close(self) -> None:
        os.close(self._watch)
        self._listener.close()

    @property
    def opened(self) -> bool:
        """Whether a file of the folder was opened since the last look."""
        try:
            return bool(os.read(self._watch, 4096))
        except BlockingIOError:
            return False

    @property
    def reached(self) -> bool:
        """Whether a connection was made since the last look."""
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@contextmanager
def untouched(folder: Path) -> Iterator[Untouched]:
    """Watch a new folder and a port. The watch itself is tried first."""
    watched = Untouched(folder)
    try:
        watched.file.read_bytes()
        with socket.create_connection(("127.0.0.1", watched.port)):
            assert watched.opened
            assert watched.reached
        yield watched
    finally:
        watched.close()


def references(watched: Untouched) -> st.SearchStrategy[dict[str, object]]:
    """Return schemas that refer to the canary or the listener from a place anywhere in them."""
    path = str(watched.file)
    targets = st.sampled_from(
        [
            *(f"{scheme}{path}" for scheme in ("file://", "FILE://", "file:", "file://localhost", "")),
            f"file://{path}#/enum",
            f"file://{path.replace('canary', '%63anary')}",
            *(f"{scheme}://127.0.0.1:{watched.port}/x" for scheme in ("http", "https", "HTTP", "ftp", "ws")),
            f"//127.0.0.1:{watched.port}/x",
        ]
    )
    return st.builds(_seed, targets, st.sampled_from(_SEEDS)).flatmap(_nested)


_SEEDS = ("$ref", "$dynamicRef", "$recursiveRef", "$schema", "$id", "id", "relative", "local", "literal")


def _seed(target: str, kind: str) -> dict[str, object]:
    folder, _, name = target.rpartition("/")
    match kind:
        case "relative":
            return {"$id": folder + "/", "items": {"$ref": name}, "properties": {"a": {"$ref": name}}}
        case "local":
            return {
                "$id": target,
                "definitions": {"x": {"$id": target, "$ref": "#/properties/y"}},
                "$ref": "#/x",
            }
        case "literal":
            return {"$ref": "#/const", "const": {"$id": folder + "/", "$ref": name}}
    return {kind: target}


def _nested(seed: dict[str, object]) -> st.SearchStrategy[dict[str, object]]:
    def under(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        one = st.sampled_from(
            ["additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"]
        )
        many = st.sampled_from(["allOf", "anyOf", "items", "oneOf"])
        named = st.sampled_from(["$defs", "definitions", "dependencies", "patternProperties", "properties"])
        return st.one_of(
            st.builds(lambda keyword, schema: {keyword: schema}, one, inner),
            st.builds(lambda keyword, schema: {keyword: [{"type": "object"}, schema]}, many, inner),
            st.builds(lambda keyword, schema: {keyword: {"a": schema}}, named, inner),
        )

    return st.recursive(st.just(seed), under, max_leaves=4)  # type: ignore[return-value, arg-type]
