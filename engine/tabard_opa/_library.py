"""Wraps the library's C interface with ctypes."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, Final

from tabard_opa.errors import EngineError, PolicyProblem

_PR_SET_TIMERSLACK: Final = 29  # linux/prctl.h
_GO_SLACK_NS: Final = 300_000

OK: Final = 0
FAILED: Final = 1
PENDING: Final = 2


class Outcome(ctypes.Structure):
    """``tabard_outcome`` of tabard_opa.h."""

    _fields_ = (
        ("handle", c_uint64),
        ("data", c_void_p),
        ("length", c_int64),
        ("parse_ns", c_int64),
        ("eval_ns", c_int64),
        ("status", c_int32),
        ("way", c_int32),
    )


_SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "tabard_release": (None, (c_void_p,)),
    "tabard_tune": (None, (c_int64, c_int64)),
    "tabard_trim": (None, ()),
    "tabard_version": (None, (POINTER(Outcome),)),
    "tabard_capabilities": (None, (POINTER(Outcome),)),
    "tabard_parse": (None, (c_char_p, c_int64, c_char_p, c_int64, POINTER(Outcome))),
    "tabard_engine_new": (None, (c_int64, c_int64, POINTER(Outcome))),
    "tabard_engine_free": (None, (c_uint64,)),
    "tabard_engine_stats": (None, (c_uint64, POINTER(Outcome))),
    "tabard_compile": (None, (c_uint64, c_char_p, c_int64, POINTER(Outcome))),
    "tabard_policy_free": (None, (c_uint64,)),
    "tabard_policy_with_data": (None, (c_uint64, c_char_p, c_int64, POINTER(Outcome))),
    "tabard_evaluate": (
        None,
        (c_uint64, c_int64, c_char_p, c_int64, c_int64, c_int64, c_uint64, POINTER(Outcome)),
    ),
    "tabard_read_bundle": (None, (c_char_p, c_int64, POINTER(Outcome))),
    "tabard_query": (
        None,
        (c_uint64, c_char_p, c_int64, c_char_p, c_int64, c_int64, c_int64, c_uint64, POINTER(Outcome)),
    ),
    "tabard_recalled": (None, (c_uint64, c_int64)),
    "tabard_readings": (None, (c_uint64, c_int32, POINTER(Outcome))),
    "tabard_wait": (None, (c_uint64, POINTER(Outcome))),
    "tabard_abandon": (None, (c_uint64,)),
    "tabard_mailbox_open": (c_uint64, (c_int64,)),
    "tabard_mailbox_close": (None, (c_uint64,)),
    "tabard_mailbox_take": (c_int64, (c_uint64, POINTER(Outcome), c_int64)),
}


@contextmanager
def timer_slack(nanoseconds: int) -> Iterator[None]:
    """Let threads that begin in the block, and those that they begin, wake from timed sleep that much later than asked.

    Go's monitor sleeps for 20 µs again and again while something is evaluated. Linux makes 70 of them, and 320 with this
    slack. What it watches over takes 10 ms. Does nothing elsewhere.
    """
    control = getattr(ctypes.CDLL(None), "prctl", None)
    if control is None:
        yield
        return
    control(_PR_SET_TIMERSLACK, ctypes.c_ulong(nanoseconds), 0, 0, 0)
    try:
        yield
    finally:
        control(_PR_SET_TIMERSLACK, ctypes.c_ulong(0), 0, 0, 0)  # the thread's own again


class Library:
    """The library, loaded twice: ``held`` keeps the GIL during a call, ``free`` releases it.

    ``held`` is for calls that return within a short, bounded time: acquiring the GIL again takes up to a switch interval
    (5 ms) when other threads are busy. ``free`` is for calls of unbounded duration.
    """

    def __init__(self, path: Path) -> None:
        with timer_slack(_GO_SLACK_NS):
            self.held: Any = ctypes.PyDLL(str(path))
            self.free: Any = ctypes.CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            for loaded in (self.held, self.free):
                function = getattr(loaded, name)
                function.restype, function.argtypes = result, arguments

    def take(self, outcome: Outcome) -> bytes:
        """Copy the data of an outcome and free its memory."""
        if not outcome.data:
            return b""
        text = ctypes.string_at(outcome.data, outcome.length)
        self.held.tabard_release(outcome.data)
        outcome.data = None
        return text

    def call(self, name: str, *arguments: object) -> tuple[int, bytes]:
        """Call a function that isn't an evaluation, with the GIL released.

        Returns:
            The handle it created, if any, and its data.

        Raises:
            EngineError: it failed.
        """
        outcome = Outcome()
        getattr(self.free, name)(*arguments, byref(outcome))
        data = self.take(outcome)
        if outcome.status != OK:
            raise EngineError(problems_from(data))
        return outcome.handle, data


def problems_from(text: bytes) -> tuple[PolicyProblem, ...]:
    """Decode a list of problems."""
    return tuple(
        PolicyProblem(
            file=item.get("file", ""),
            row=item.get("row", 0),
            column=item.get("column", 0),
            code=item.get("code", "error"),
            message=item.get("message", ""),
        )
        for item in json.loads(text)
    )


def library_path() -> Path:
    """Return the path at which the build writes the library; ``_toolchain.py`` has the same name."""
    return Path(__file__).with_name("_lib") / "libtabard_opa.so"


@cache
def load() -> Library:
    """Load the library. It stays loaded, because the Go runtime can't be unloaded.

    Raises:
        ImportError: it was never built.
    """
    path = library_path()
    if not path.is_file():
        message = (
            f"{path} is missing: reinstall tabard-opa (in a checkout: uv sync --reinstall-package tabard-opa)"
        )
        raise ImportError(message)
    return Library(path)
