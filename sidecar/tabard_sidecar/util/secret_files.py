"""Reading shared secrets from files, such as those that Kubernetes mounts."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MIN_CHARACTERS = 32
_MAX_BYTES = 4096


class SecretFileError(ValueError):
    """A secret can't be used; the text names file and remedy and never holds the secret."""


def read_secret(path: Path) -> tuple[bytes, os.stat_result]:
    """Return the secret in a file, without white space around it, and the file's status.

    Raises:
        SecretFileError: the file can't be read, others can read it, or it holds fewer than 32 characters.
    """
    try:
        with path.open("rb") as stream:
            info = os.fstat(stream.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_mode & 0o077:
                raise SecretFileError(f"{path}: others can read it; run chmod 600 {path}")
            secret = stream.read(_MAX_BYTES).strip()
    except OSError as error:
        raise SecretFileError(f"{path}: {error.strerror}") from error
    if len(secret) < MIN_CHARACTERS:
        raise SecretFileError(f"{path}: the key has fewer than {MIN_CHARACTERS} characters")
    return secret, info
