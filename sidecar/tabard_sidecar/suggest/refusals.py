"""Tells why a suggestion is refused, and what to do then."""

from __future__ import annotations

from typing import Final

NEXT_STEPS: Final = {
    "unreadable": "See `tabard replay` for why decisions can't be read. Name whole files, or add --ignore-unreadable.",
    "widens": "A call that is denied now changes what later calls see. Leave out its kind of restriction with --without.",
}
"""The next step by the refusal."""
