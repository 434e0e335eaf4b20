"""Keeps what Python does about memory short: collecting garbage and freeing large objects stops every thread meanwhile."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_YOUNG = 5_000
"""Objects after whose making the youngest are looked at: a millisecond."""
_MIDDLE = 4
"""After so many times the next older ones are looked at, too: some twenty milliseconds at worst."""
_OLD = 1_000
"""After so many times all objects may be looked at, if their number has grown by a quarter."""
_ARENA_MAX = -8  # M_ARENA_MAX, malloc.h
_HEAPS = 2


def few_heaps() -> None:
    """Let all threads share two heaps: freed memory in eight per processor hardly goes back. Call it before threads run."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_ARENA_MAX, _HEAPS)


def settle() -> None:
    """Begin to serve: the objects of now live as long as the process, and the collector never visits them again.

    A request leaves some hundred objects and almost no cycles, so they needn't be looked at often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def give_back() -> None:
    """Return to the system what a flood of requests took. Takes some milliseconds; call it in a thread.

    By itself the C library returns only what is free at the end of a heap. Does nothing without glibc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def uncollected() -> Iterator[None]:
    """Import modules without looking for garbage, meanwhile and later: nearly all of what they make is kept.

    The rest, 0.2 MB, costs less than to look for it: a hundred thousand objects twice, a tenth of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def let_go(items: list[object]) -> None:
    """Free the items of a list one by one, between which other threads have their turns. Call it in a thread."""
    while items:
        items.pop()
