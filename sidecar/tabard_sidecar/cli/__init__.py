"""Implements the ``tabard`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 success, 1 negative result, 2 usage, 3 configuration, 4 policy, 5 cannot bind, 6 dependency unreachable,
    130 interrupted. ``health`` runs every few seconds as a probe, so it is dispatched before anything is imported that
    it doesn't need.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["health"]:
        from tabard_sidecar.cli.health import run_health  # noqa: PLC0415 - see above

        return run_health(given[1:])
    from tabard_sidecar.cli.root import run  # noqa: PLC0415 - see above

    return run(given)
