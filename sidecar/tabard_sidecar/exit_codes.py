"""Exit codes of the command; scripts depend on them."""

from __future__ import annotations

OK = 0
NEGATIVE = 1
USAGE = 2
CONFIG = 3
POLICY = 4
CANNOT_BIND = 5
UNREACHABLE = 6
INTERRUPTED = 130
