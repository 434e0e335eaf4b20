"""Open Policy Agent's command line, in the version of Tabard's policy engine."""

from __future__ import annotations

from pathlib import Path

__all__ = ["opa_binary"]


def opa_binary() -> Path:
    """Return the path of the ``opa`` program.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    program = Path(__file__).with_name("_lib") / "opa"
    if not program.is_file():
        message = "this installation holds no opa program: install tabard-opa-cli again"
        raise FileNotFoundError(message)
    return program
