"""Checks SPIFFE IDs, which name workloads."""

from __future__ import annotations

import re

_MAX_BYTES = 2048
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


def is_trust_domain(name: str) -> bool:
    """Tell whether ``name`` is a trust domain (SPIFFE ID specification, section 2.1)."""
    return _TRUST_DOMAIN.fullmatch(name) is not None


def is_spiffe_id(value: str) -> bool:
    """Tell whether ``value`` names a workload: ``spiffe://``, a trust domain and a path of at least one segment."""
    if len(value) > _MAX_BYTES or not value.startswith("spiffe://"):
        return False
    trust_domain, *segments = value.removeprefix("spiffe://").split("/")
    return (
        is_trust_domain(trust_domain)
        and bool(segments)
        and all(_SEGMENT.fullmatch(segment) and segment not in {".", ".."} for segment in segments)
    )
