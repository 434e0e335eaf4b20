"""Tells the version of an installed package without :mod:`importlib.metadata`, whose import takes a hundredth of a start."""

from __future__ import annotations

import os
import sys

_SUFFIX = ".dist-info"


def installed_version(package: str) -> str:
    """Return the version of a package, as the name of its folder of metadata says it; else as the metadata do.

    Args:
        package: the normalized name, such as ``tabard-sidecar``.

    Raises:
        importlib.metadata.PackageNotFoundError: it isn't installed.
    """
    prefix = f"{package.replace('-', '_')}-"
    for place in sys.path:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208 - takes names, not paths
        except OSError:
            continue
        for name in names:
            if name.startswith(prefix) and name.endswith(_SUFFIX):
                return name[len(prefix) : -len(_SUFFIX)]
    from importlib.metadata import version  # noqa: PLC0415 - rarely needed

    return version(package)
