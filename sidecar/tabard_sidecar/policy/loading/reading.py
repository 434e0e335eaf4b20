"""Limits, one file's content and failures: shared by the readers of folders and bundles."""

from __future__ import annotations

import os
from pathlib import Path

from tabard.files import read_regular

from tabard_sidecar.policy.problems import PolicyProblem
from tabard_sidecar.util.lean import dataclass

MAX_FILES = 10_000
_BESIDE_BYTES = 4 * 1024 * 1024
_VALUES_PER_MIB = 25_000
MANIFEST = ".manifest"
SIGNATURES = ".signatures.json"
"""Files of a bundle about itself, at its root."""
BUILD = "Build the bundle with `opa build`"
"""The next step after most problems of bundles."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a policy may be.

    Attributes:
        data_mib: most MiB of its data files together.
    """

    data_mib: int = 4

    @property
    def data_bytes(self) -> int:
        """Most bytes of the data files together."""
        return self.data_mib * 1024 * 1024

    @property
    def values(self) -> int:
        """Most values of the data together; each takes some hundred bytes of memory."""
        return self.data_mib * _VALUES_PER_MIB

    @property
    def whole_bytes(self) -> int:
        """Most bytes of all files together, and of a bundle, packed or unpacked."""
        return self.data_bytes + _BESIDE_BYTES


USUAL_SIZES = Sizes()
LARGEST_SIZES = Sizes(128)
"""What the configuration may accept at most."""
RAISE = "Keep less data in the policy, or raise policy.max_data_mib"
"""The next step where data is too large."""


class UnreadableError(Exception):
    """A part of the policy can't be read; ``problem`` tells which, why, and what to do."""

    def __init__(self, file: str, message: str, next_step: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.problem = PolicyProblem(file, 0, 0, code, message, next_step)


def read_file(path: Path, max_bytes: int = USUAL_SIZES.whole_bytes) -> bytes:
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
