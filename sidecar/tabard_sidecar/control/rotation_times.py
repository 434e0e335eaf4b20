"""Times of a rotation of master keys. They stand alone, so that a command's help needs no cryptography."""

from __future__ import annotations

LEAD_SECONDS = 300.0
"""How long before its first use a new key is given out: a kubelet takes up to two minutes to renew a mounted Secret."""
OVERLAP_SECONDS = 24 * 3600.0
"""How long the former generations are accepted after that. It must cover the longest grant."""
