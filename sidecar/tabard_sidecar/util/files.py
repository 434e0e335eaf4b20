"""Checks files that libraries open by name, and says what is wrong with which file."""

from __future__ import annotations

from pathlib import Path

from tabard.trust import open_trusted


def require_readable(*paths: Path | None) -> None:
    """Check files that a library opens by name, such as TLS keys: see :func:`tabard.trust.read_trusted`; ``None`` is skipped.

    Raises:
        OSError: as :func:`tabard.trust.read_trusted`.
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
