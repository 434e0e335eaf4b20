"""Open files of this process."""

from __future__ import annotations

from pathlib import Path


def descriptors() -> int:
    """Count the open files of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))
