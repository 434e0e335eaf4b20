"""Limits, one file's content and failures: shared by the readers of folders and bundles."""

from __future__ import annotations

import os
from pathlib import Path

from tabard.files import read_regular

from tabard_sidecar.policy.problems import PolicyProblem

MAX_FILES = 10_000
MAX_BYTES = 8 * 1024 * 1024
"""Most bytes of all files of a policy together, and of one bundle."""
MANIFEST = ".manifest"
SIGNATURES = ".signatures.json"
"""Files of a bundle about itself, at its root."""
BUILD = "Build the bundle with `opa build`"
"""The next step after most problems of bundles."""


class UnreadableError(Exception):
    """A part of the policy can't be read; ``problem`` tells which, why, and what to do."""

    def __init__(self, file: str, message: str, next_step: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.problem = PolicyProblem(file, 0, 0, code, message, next_step)


def read_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """Return a regular file's content.

    Raises:
        UnreadableError: it can't be read, isn't a regular file, or is larger than ``max_bytes``.
    """
    try:
        return read_regular(path, max_bytes)[0]
    except OSError as error:
        raise unreadable(error, path) from error


def unreadable(error: OSError, path: str | os.PathLike[str]) -> UnreadableError:
    """Return the problem of a file or folder that the system, or a check of ours, refused."""
    file = error.filename if isinstance(error.filename, str) else os.fspath(path)
    return UnreadableError(
        file, f"can't be read: {error.strerror or error}", "Check what it is, its owner and its mode"
    )
