"""Reading shared secrets from files, such as those that Kubernetes mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tabard.trust import is_mounted_secret, read_trusted

from tabard_sidecar.util.files import explain

if TYPE_CHECKING:
    import os
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
        content, info = read_trusted(path, _MAX_BYTES)
        shared = bool(info.st_mode & 0o077) and not is_mounted_secret(path)
    except OSError as error:
        raise SecretFileError(explain(error)) from error
    if shared:
        raise SecretFileError(f"{path}: others can read it; run chmod 600 {path}")
    secret = content.strip()
    if len(secret) < MIN_CHARACTERS:
        raise SecretFileError(f"{path}: the key has fewer than {MIN_CHARACTERS} characters")
    return secret, info
