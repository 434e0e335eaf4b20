"""Keeps from a forked process what it must not take over: locks that a thread of its parent holds, and current tasks."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Locked(Protocol):
    """An object with a lock of its own."""

    _lock: threading.Lock


_owners: weakref.WeakSet[Locked] = weakref.WeakSet()
_process = [os.getpid()]


def own_lock(owner: Locked) -> None:
    """Give ``owner`` a lock, and a new one in each forked process.

    A thread that holds a lock while another one forks isn't there in the child, so the child would wait without end.
    """
    owner._lock = threading.Lock()  # noqa: SLF001  # the one attribute that this is about
    _owners.add(owner)


def process() -> int:
    """Return the id of this process: :func:`os.getpid` without a system call."""
    return _process[0]


def _in_child() -> None:
    _process[0] = os.getpid()
    for owner in list(_owners):
        owner._lock = threading.Lock()  # noqa: SLF001  # see own_lock


os.register_at_fork(after_in_child=_in_child)
