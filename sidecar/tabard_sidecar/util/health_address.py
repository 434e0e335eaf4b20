"""Tells where a sidecar listens for ``tabard health``. Imports the standard library only, because probes start often."""

from __future__ import annotations

from pathlib import Path


def health_beside(operator: str) -> str:
    """Return the address of the health socket beside the operator's, which is ``unix:`` and a path."""
    return f"unix:{Path(operator.removeprefix('unix:')).with_suffix('.health')}"
