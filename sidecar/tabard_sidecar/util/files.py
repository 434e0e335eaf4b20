"""Reads the files of the configuration: regular ones of a bounded size, which no stranger could have written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tabard.files import open_regular, read_bounded

from tabard_sidecar.util.trust import require_trusted, require_trusted_status


def read_trusted(path: Path, max_bytes: int, *, private: bool = False) -> tuple[bytes, os.stat_result]:
    """Return content and status of a file that only root, this user and its groups could have written.

    Links are followed, since Kubernetes replaces mounted files through them.

    Args:
        path: the file.
        max_bytes: its greatest size.
        private: whether strangers mustn't be able to read it either.

    Raises:
        OSError: it can't be read, isn't a regular file, is too large, or can be changed by strangers; ``filename``
            and ``strerror`` say what is wrong where.
    """
    with open_trusted(path, private=private) as (stream, status):
        return read_bounded(stream, max_bytes, path), status


@contextmanager
def open_trusted(path: Path, *, private: bool = False) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a file as :func:`read_trusted` does.

    Raises:
        OSError: as :func:`read_trusted`.
    """
    require_trusted(path, private=private)
    with open_regular(path) as (stream, status):
        require_trusted_status(path, status, private=private)
        yield stream, status


def require_readable(*paths: Path | None) -> None:
    """Check files that a library opens by name, such as TLS keys: see :func:`read_trusted`; ``None`` is skipped.

    Raises:
        OSError: as :func:`read_trusted`.
    """
    for path in paths:
        if path is not None:
            with open_trusted(path):
                pass


def explain(error: OSError, path: Path | None = None) -> str:
    """Return what is wrong with which file; the file isn't named if it is ``path``."""
    problem = str(error.strerror or error)
    named = {None, ""} if path is None else {None, str(path), str(path.absolute())}
    return problem if error.filename in named else f"{error.filename}: {problem}"
