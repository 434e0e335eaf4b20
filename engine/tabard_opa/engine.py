"""Compiles policies and parses modules and bundles; holds the limits of evaluations. One per process."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from ctypes import byref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from tabard_opa._library import OK, Library, Outcome, load, problems_from
from tabard_opa._mailbox import Mailboxes
from tabard_opa._text import data_text, json_value
from tabard_opa.apart import try_compile
from tabard_opa.bundle import Bundle, BundleVerification, bundle_from
from tabard_opa.errors import EngineError, ForkedError
from tabard_opa.policy import Limits, Policy

if TYPE_CHECKING:
    import mmap
    from collections.abc import Collection, Mapping, Sequence
    from types import TracebackType

DEFAULT_MAX_IN_FLIGHT: Final = 64
DEFAULT_MAX_INPUT_BYTES: Final = 2**20
DEFAULT_MAX_BUNDLE_BYTES: Final = 64 * 2**20
DEFAULT_COMPILE_SECONDS: Final = 20.0
#: How long an evaluation may hold the GIL before it moves to one of Go's threads.
DEFAULT_HOLD_SECONDS: Final = 0.0005
#: GOGC: heap growth in percent before a collection. Twice as much saves three per cent of an evaluation and takes 4 MB.
DEFAULT_COLLECT_PERCENT: Final = 70


@dataclass(frozen=True, slots=True)
class EngineStats:
    """Counts of an engine's evaluations.

    Some run on long after their deadline, because OPA can't interrupt a builtin. Their callers were answered, and their
    places are given to others, ``max_in_flight`` at most.

    Attributes:
        stuck: how many do so now.
        ever_stuck: how many did since the engine was created.
        asked: how many evaluations were asked for.
        remembered: to how many of these a remembered answer was given.
    """

    stuck: int
    ever_stuck: int
    asked: int = 0
    remembered: int = 0


class Engine:
    """Compiles policies and bounds their evaluations.

    Args:
        max_in_flight: Evaluations that may run at once; one more fails with ``overloaded``.
        max_input_bytes: Larger inputs fail with ``input_too_large``.
        memory_limit_bytes: Soft limit of Go's memory (``GOMEMLIMIT`` of the whole process). A long evaluation is stopped
            with ``overloaded`` while live memory is above three quarters of the limit. None leaves memory unlimited.
        hold_seconds: How long an evaluation may hold the GIL. At most 0.001; 0 never evaluates with the GIL held.

    Raises:
        ValueError: an argument is out of range.
        ImportError: the library was never built.
    """

    def __init__(
        self,
        *,
        max_in_flight: int = DEFAULT_MAX_IN_FLIGHT,
        max_input_bytes: int = DEFAULT_MAX_INPUT_BYTES,
        memory_limit_bytes: int | None = None,
        hold_seconds: float = DEFAULT_HOLD_SECONDS,
    ) -> None:
        if max_in_flight < 1 or max_input_bytes < 1 or not 0 <= hold_seconds <= 0.001:  # noqa: PLR2004 - the bound
            message = (
                "max_in_flight and max_input_bytes must be positive, hold_seconds must be between 0 and 0.001"
            )
            raise ValueError(message)
        if memory_limit_bytes is not None and memory_limit_bytes < 1:
            message = "memory_limit_bytes must be positive"
            raise ValueError(message)
        self._limits = Limits(max_input_bytes, int(hold_seconds * 1e9))
        self.library: Library = load()
        self._pid = os.getpid()
        self._mailboxes = Mailboxes(self.library)
        limit = memory_limit_bytes or 0
        self.library.held.tabard_tune(limit or -1, DEFAULT_COLLECT_PERCENT)
        self._handle, _ = self.library.call("tabard_engine_new", max_in_flight, limit // 4 * 3)
        self._recalled = 0
        self._finalizer = weakref.finalize(self, _free_engine, self.library, self._handle, self._pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the loops' mailboxes; compiled policies can't be awaited any more."""
        self._mailboxes.close()
        self._finalizer()

    @property
    def max_input_bytes(self) -> int:
        """Size of the largest input that is evaluated."""
        return self._limits.max_input_bytes

    def stats(self) -> EngineStats:
        """Return the counts.

        Raises:
            EngineError: the engine is closed.
        """
        outcome = Outcome()
        self.library.held.tabard_engine_stats(self._handle, byref(outcome))
        data = self.library.take(outcome)
        if outcome.status != OK:
            raise EngineError(problems_from(data))
        found: dict[str, int] = json.loads(data)
        return EngineStats(
            stuck=found["stuck"],
            ever_stuck=found["ever_stuck"],
            asked=found["asked"] + self._recalled,
            remembered=found["remembered"] + self._recalled,
        )

    def recalled(self) -> None:
        """Count an answer that the caller remembers by the readings of its way, without asking the engine."""
        self._recalled += 1

    def trim(self) -> None:
        """Return to the system what compiling took and evaluating doesn't need. Takes some milliseconds; call it in a thread."""
        self.check_process()
        self.library.free.tabard_trim()

    def check_process(self) -> None:
        """Raise in a forked child.

        Raises:
            ForkedError: this process isn't the one that loaded the engine.
        """
        if os.getpid() != self._pid:
            raise ForkedError

    def parse(self, filename: str, source: str) -> dict[str, Any]:
        """Parse one module.

        Returns:
            OPA's JSON syntax tree: ``package``, ``imports``, ``rules``, ``annotations``, ``comments``, every node with its
            ``location``.

        Raises:
            EngineError: it doesn't parse; ``errors`` holds every syntax error of the file.
        """
        self.check_process()
        name, text = filename.encode(), source.encode()
        _, tree = self.library.call("tabard_parse", name, len(name), text, len(text))
        parsed: dict[str, Any] = json_value(tree)
        return parsed

    def parse_bundle(
        self,
        path: str | os.PathLike[str],
        *,
        verification: BundleVerification | None = None,
        max_bytes: int = DEFAULT_MAX_BUNDLE_BYTES,
    ) -> Bundle:
        """Read a bundle tarball: see :func:`parse_bundle`."""
        self.check_process()
        return parse_bundle(path, verification=verification, max_bytes=max_bytes)

    def compile(  # noqa: PLR0913 - one parameter per part of a policy
        self,
        modules: Mapping[str, str],
        data: Mapping[str, Any] | bytes,
        *,
        entrypoints: Sequence[str],
        capabilities: Mapping[str, Any] | None = None,
        withheld: Collection[str] = (),
        allow_net: Sequence[str] | None = None,
        input_schema: Mapping[str, Any] | None = None,
        strict: bool = True,
        deadline_seconds: float = DEFAULT_COMPILE_SECONDS,
        apart: bool = False,
        remembered_bytes: int = 0,
        as_written: bool = False,
    ) -> Policy:
        """Compile modules and data into a policy.

        Blocks while OPA compiles, with the GIL released; from a loop, call it in a thread.

        Args:
            modules: Rego v1 sources by file name.
            data: The base documents; bytes are JSON text.
            entrypoints: Rules to be evaluated, such as ``data.tabard.decision``; each has to exist.
            capabilities: OPA capabilities that policies may use; by default all. See ``default_capabilities``.
            withheld: Builtins that policies can't use whatever the capabilities say. Naming these takes 10 ms less than
                capabilities without them.
            allow_net: Hosts that builtins may reach, in place of those of the capabilities.
            input_schema: JSON Schema that references to ``input`` are type-checked against.
            strict: OPA's strict mode, in which for example unused imports and variables are errors.
            deadline_seconds: The longest time. OPA's compiler can't be interrupted: what exceeds it goes on, unseen.
            apart: Compile in a process of its own first, which is ended when it takes too long or too much memory.
            remembered_bytes: Most memory for answers that are remembered, by what their evaluations read of the input; 0
                remembers none. See engine/README.md.
            as_written: Leave constants and constructors in rules of their own, as ``Policy.cover`` and ``Policy.profile``
                need them. Slower.

        Raises:
            EngineError: it doesn't compile; ``errors`` holds everything that the failing stage of OPA's compiler found.
        """
        self.check_process()
        names = tuple(entrypoints)
        rest = json.dumps(
            {
                "modules": dict(modules),
                "entrypoints": names,
                "capabilities": capabilities,
                "withheld": sorted(withheld),
                "allow_net": None if allow_net is None else list(allow_net),
                "input_schema": input_schema,
                "strict": strict,
                "deadline_ns": int(deadline_seconds * 1e9),
                "remembered_bytes": remembered_bytes,
                "as_written": as_written,
            },
            separators=(",", ":"),
        )
        request = f'{{"data":{data_text(data)},{rest[1:]}'.encode()
        if apart:
            try_compile(request, deadline_seconds)
        return self.compile_request(request, names)

    def compile_request(
        self, request: bytes | mmap.mmap, entrypoints: Sequence[str], begin: int = 0, end: int | None = None
    ) -> Policy:
        """Compile what :meth:`compile` makes of its arguments: JSON as engine/go/engine/compile.go reads it.

        Another process can make it, so that large data isn't handled in this one. It is read from memory as it is.

        Args:
            request: memory that holds the request. A map has to be private and writable.
            entrypoints: those that the request names, in its order.
            begin: where the request begins, in bytes.
            end: where it ends; ``None`` for the end of the memory.

        Raises:
            EngineError: it doesn't compile.
        """
        self.check_process()
        length = (len(request) if end is None else end) - begin
        if isinstance(request, bytes):
            text = request[begin : begin + length]
            handle, _ = self.library.call("tabard_compile", self._handle, text, length)
        else:
            held = (ctypes.c_char * length).from_buffer(request, begin)
            place = ctypes.cast(ctypes.addressof(held), ctypes.c_char_p)
            try:
                handle, _ = self.library.call("tabard_compile", self._handle, place, length)
            finally:
                del held, place
        return Policy(self.library, self._mailboxes, handle, tuple(entrypoints), self._limits)


def parse_bundle(
    path: str | os.PathLike[str],
    *,
    verification: BundleVerification | None = None,
    max_bytes: int = DEFAULT_MAX_BUNDLE_BYTES,
) -> Bundle:
    """Read a bundle tarball.

    Args:
        path: The ``.tar.gz`` file.
        verification: Keys that may have signed it; then it has to be signed. Without, a signed bundle is refused.
        max_bytes: Most that the tarball, and what it unpacks to, may have.

    Raises:
        EngineError: it can't be read, holds Rego that doesn't parse, files outside its roots, compiled modules or a
            patch, or its signature doesn't hold.
    """
    request = json.dumps(
        {
            "path": os.fspath(path),
            "max_bytes": max_bytes,
            "verification": verification.as_json() if verification else None,
        }
    ).encode()
    _, text = load().call("tabard_read_bundle", request, len(request))
    return bundle_from(json_value(text))


def _free_engine(library: Library, handle: int, pid: int) -> None:
    if os.getpid() == pid:
        library.held.tabard_engine_free(handle)


def default_capabilities() -> dict[str, Any]:
    """Return the capabilities document of this version of OPA; remove from it what policies must not use."""
    _, text = load().call("tabard_capabilities")
    capabilities: dict[str, Any] = json.loads(text)
    return capabilities


def opa_version() -> str:
    """Return OPA's version."""
    _, text = load().call("tabard_version")
    return text.decode()
