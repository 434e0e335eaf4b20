"""Writes several new files, or none."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from tabard_sidecar.util.own_places import require_own_place


class FreshFiles:
    """Writes files and folders that mustn't exist. Leaving the block by an exception removes what was written.

    Modes are those that are given, less what the process's umask takes away. Nothing below ``root`` is written through a
    link, nor where strangers can change what is written.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: list[Path] = []
        self._trees: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._remove()

    def folder(self, path: Path) -> None:
        """Create a folder with mode 0755, and its missing parents; an existing one is left as it is.

        Raises:
            OSError: one can't be created, or something on the way is a link or others can change it.
        """
        if path.is_relative_to(self._root):
            require_own_place(self._root, path)
        for missing in reversed([one for one in (path, *path.parents) if not one.exists()]):
            missing.mkdir(mode=0o755)
            self._made.append(missing)

    def private_folder(self, path: Path) -> None:
        """Create a folder with mode 0700, for others to fill: what is in it is removed, too.

        Raises:
            OSError: it exists or can't be created.
        """
        self.folder(path.parent)
        path.mkdir(mode=0o700)
        self._made.append(path)
        self._trees.add(path)

    def text(self, path: Path, text: str) -> None:
        """Write a file with mode 0644 in UTF-8.

        Raises:
            OSError: it exists or can't be written, or its folder as told there.
        """
        self.folder(path.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
        self._made.append(path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)

    def made(self, path: Path) -> None:
        """Count a file that other code has just created."""
        self._made.append(path)

    def _remove(self) -> None:
        for path in reversed(self._made):
            with contextlib.suppress(OSError):
                if path in self._trees:
                    shutil.rmtree(path)
                elif path.is_dir():
                    path.rmdir()
                else:
                    path.unlink()
