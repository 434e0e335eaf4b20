"""Runs the opa command line as ``python -m tabard_opa_cli …``."""

from __future__ import annotations

import os
import sys

from tabard_opa_cli import opa_binary


def main() -> None:
    """Replace this process by ``opa`` with the same arguments."""
    try:
        program = opa_binary()
    except FileNotFoundError as error:
        sys.exit(f"tabard-opa: {error}")
    os.execv(program, [str(program), *sys.argv[1:]])  # noqa: S606 - our own program, no shell


if __name__ == "__main__":
    main()
