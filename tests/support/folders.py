"""Folders with short paths, which servers of other users can enter."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def short_folder(name: str, parent: str = "/tmp") -> Iterator[Path]:  # noqa: S108 - short
    """A folder that servers of other users can enter."""
    folder = Path(tempfile.mkdtemp(prefix=f"tabard-{name}-", dir=parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
