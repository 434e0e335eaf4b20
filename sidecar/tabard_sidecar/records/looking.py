"""Tells whether a sidecar could write its decision log to a file, and changes nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tabard.trust import require_trusted

from tabard_sidecar.util.disk import require_space
from tabard_sidecar.util.files import explain


def log_problem(path: Path) -> str:
    """Return why the file can't be written; empty if it can. A sidecar that writes it now is no problem."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"the folder {folder} doesn't exist"
    try:
        there = _status(path)
        require_trusted(path if there else folder)
        place = path if there else folder
        if not os.access(place, os.R_OK | os.W_OK | (0 if there else os.X_OK)):
            return f"this user can't write to {place}"
        require_space(folder)
    except OSError as error:
        return f"{path}: {explain(error, path)}"
    return ""


def _status(path: Path) -> bool:
    """Tell whether the file is there.

    Raises:
        OSError: something else is there, which a sidecar refuses.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "isn't a regular file; name one, in a folder of its own", str(path))
    return True
