"""Shares the process's file descriptors out to its listeners, so that no listener's peers can take the rest's."""

from __future__ import annotations

import resource

_MOST = 65_536
_RESERVED = 128
"""Descriptors that no listener gets: state, keys, policy, logs, connections to other servers."""
_WANTED = {"agent": 128, "operator": 16, "health": 16, "http": 64, "introspection": 256}
_PER_CONNECTION = {"operator": 4}
"""An operator's connection passes through the operators' gate; every other one takes one descriptor."""
_LEAST = 4


def raise_limit() -> None:
    """Raise the soft limit of open files to the hard one, at most 65,536."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST if hard == resource.RLIM_INFINITY else min(hard, _MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections(listener: str, wanted: int | None = None) -> int:
    """Return how many connections a listener may have open, by the limit of open files.

    Args:
        listener: ``agent``, ``operator``, ``health``, ``http`` or ``introspection``.
        wanted: how many it should have; by default the listener's usual number.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = wanted or _WANTED[listener]
    shares = _WANTED | {listener: wanted}
    everything = sum(number * _PER_CONNECTION.get(name, 1) for name, number in shares.items())
    if soft == resource.RLIM_INFINITY or soft >= everything + _RESERVED:
        return wanted
    left = soft - min(_RESERVED, soft // 2)
    return max(_LEAST, wanted * left // everything)
