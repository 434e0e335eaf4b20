"""Folders with short paths, which servers of other users can enter."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def short_folder(name: str) -> Iterator[Path]:
    """A folder that servers of other users can enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"tabard-{name}-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
