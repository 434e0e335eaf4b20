"""Keeps what a command writes below the folder that was named, also if a stranger made that folder's content."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

from tabard.files import RefusedFileError
from tabard.trust import require_trusted_status


def require_own_place(root: Path, path: Path) -> None:
    """Refuse links, and what strangers can change, from ``root`` down to ``path``: neither may lead to files elsewhere.

    Only who is trusted can then put a link there between this check and the writing. What isn't there is no hindrance.

    Args:
        root: the folder that was named; it may itself be a link.
        path: a path below it.

    Raises:
        OSError: as told; ``filename`` says where.
    """
    current = root
    for part in path.relative_to(root).parts:
        current /= part
        try:
            status = current.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return
        if stat.S_ISLNK(status.st_mode):
            raise RefusedFileError(errno.ELOOP, "is a link; the command follows none", str(current))
        require_trusted_status(current, status)
