"""``python -m tabard_opa …`` is the opa command line."""

from __future__ import annotations

import os
import sys

from tabard_opa._toolchain import ToolchainError
from tabard_opa.command import opa_binary


def main() -> None:
    """Become ``opa`` with this process's arguments."""
    try:
        program = opa_binary()
    except ToolchainError as error:
        sys.exit(f"tabard-opa: {error}")
    os.execv(program, [str(program), *sys.argv[1:]])  # noqa: S606 - our own program, no shell


if __name__ == "__main__":
    main()
