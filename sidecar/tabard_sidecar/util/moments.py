"""Writes moments as people and logs read them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_text(seconds: float) -> str:
    """Return a moment, in seconds since 1970, as RFC 3339 writes it: UTC, in whole seconds, with a Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
