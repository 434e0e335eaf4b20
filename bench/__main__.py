"""``make bench``: run every benchmark, or one of them."""

from __future__ import annotations

import argparse
import importlib
import sys

BENCHMARKS = (
    "engine",
    "authorize",
    "state",
    "health",
    "credentials",
    "kubernetes",
    "sizing",
    "policy",
    "remembered",
    "suggest",
)


def main() -> int:
    """Run what was asked for; exit 1 if a goal isn't met."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, help="run one benchmark")
    parser.add_argument(
        "--quick", action="store_true", help="fewer rounds, nothing written: to see that it runs"
    )
    options = parser.parse_args()
    met = True
    for name in [options.only] if options.only else BENCHMARKS:
        module = importlib.import_module(f"bench.{name}")
        met &= module.run(quick=options.quick)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
