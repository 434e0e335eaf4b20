"""Runs the integration tests as two processes of pytest side by side: most tests wait for something most of the time.

What there is once on a machine is used in one of the two only: ports with a fixed number, the packet filter, the
network of pods, container engines, and of the checkout dist. ``python -m tests.support.streams [ARGUMENT...]`` takes pytest's arguments. Paths
below tests/integration choose what runs, and ``{stream}`` in an argument stands for the stream's name, for example in
``--junitxml={stream}.xml``. Tests of one stream only run as pytest itself runs them, with this terminal.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests" / "integration"
STREAMS: Mapping[str, Sequence[str]] = {
    "cluster": ("image", "k8s", "pods", "operations", "engine", "wheels"),
    "services": (
        *("alerts", "cli", "conformance", "console", "editor", "exchange", "files", "health", "keys"),
        *(
            "languages",
            "macaroons",
            "revocation",
            "scenario",
            "sdk",
            "spiffe",
            "state",
            "vault",
            "verify",
            "workspaces",
        ),
    ),
}
"""Folders and files of tests/integration by stream, of about the same length; the longest name that fits decides."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def files() -> list[Path]:
    """Return every file of tests below tests/integration, in order."""
    return sorted(TESTS.rglob("test_*.py"))


def stream_of(file: Path, streams: Mapping[str, Sequence[str]] = STREAMS) -> str:
    """Return the stream that a file belongs to.

    Raises:
        LookupError: it belongs to none, or to several.
    """
    path = file.relative_to(TESTS)
    fitting = [
        (len(Path(name).parts), stream)
        for stream, names in streams.items()
        for name in names
        if path.is_relative_to(name)
    ]
    longest = max(fitting, default=(0, ""))[0]
    found = [stream for length, stream in fitting if length == longest]
    if len(found) != 1:
        where = "no stream" if not found else f"{len(found)} streams"
        raise LookupError(f"{path} is in {where}; STREAMS in tests/support/streams.py says which one runs it")
    return found[0]


def selected(arguments: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return which of pytest's arguments choose tests, by file, folder or name, and the others."""
    chosen, options = [], []
    for one in arguments:
        path = Path(one.partition("::")[0]).resolve()
        below = not one.startswith("-") and path.exists() and path.is_relative_to(TESTS)
        (chosen if below else options).append(one)
    return chosen, options


def divided(chosen: Iterable[str]) -> dict[str, list[str]]:
    """Return what each stream runs of the tests that were chosen: all if none was.

    Raises:
        LookupError: a file of tests belongs to no stream, or to several.
    """
    by_stream: dict[str, list[str]] = {stream: [] for stream in STREAMS}
    for one in list(chosen) or [str(TESTS)]:
        path = Path(one.partition("::")[0]).resolve()
        for file in [path] if path.is_file() else sorted(path.rglob("test_*.py")):
            by_stream[stream_of(file)].append(one if path.is_file() else os.path.relpath(file))
    return {stream: tests for stream, tests in by_stream.items() if tests}


class Stream:
    """One process of pytest, whose lines are printed with the stream's name before them.

    Attributes:
        name: the stream's.
        told: the lines that say what failed, and last the summary.
        process: pytest's.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self.told: list[str] = []
        self._prefix = f"{name:<{max(map(len, STREAMS))}} | "
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A terminal's Ctrl-C reaches pytest from here, so that it ends what its tests started.
            process_group=0,
        )

    def show(self, to: IO[str], lock: threading.Lock) -> None:
        """Print the lines until the process ends."""
        assert self.process.stdout is not None
        summary = ""
        with self.process.stdout as lines:
            for line in lines:
                with lock:
                    to.write(f"{self._prefix}{line}".rstrip() + "\n")
                    to.flush()
                if line.startswith(("FAILED ", "ERROR ")):
                    self.told.append(line.rstrip())
                elif line.strip():
                    summary = line.strip()
        self.told.append(summary.strip("= "))

    def stop(self) -> None:
        """Have pytest end as by Ctrl-C: fixtures end what they started."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)


def commands(arguments: Sequence[str]) -> dict[str, list[str]]:
    """Return the command of each stream that has tests to run.

    Raises:
        LookupError: as :func:`divided`.
    """
    chosen, options = selected(arguments)
    return {
        stream: [
            *(sys.executable, "-u", "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{stream}"),
            *(one.replace("{stream}", stream) for one in options),
            *tests,
        ]
        for stream, tests in divided(chosen).items()
    }


def run(wanted: Mapping[str, Sequence[str]], to: IO[str], *, first_failure: bool = False) -> int:
    """Run the commands of streams side by side; the worst of their exit codes.

    A signal that ends programs ends all of them, with what their tests started.

    Args:
        wanted: the command of each stream.
        to: where the lines go.
        first_failure: a stream that fails ends the others.
    """
    streams: list[Stream] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        for one in streams:
            one.stop()

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        streams += [Stream(name, command) for name, command in wanted.items()]
        lock = threading.Lock()

        def follow(one: Stream) -> None:
            one.show(to, lock)
            if one.process.wait() and first_failure:
                for other in streams:
                    other.stop()

        threads = [threading.Thread(target=follow, args=(one,)) for one in streams]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    to.write("\n")
    for one in streams:
        to.writelines(f"{one.name}: {line}\n" for line in one.told)
    return worst([one.process.returncode for one in streams])


def worst(codes: Iterable[int]) -> int:
    """Return the exit code of the whole. A choice of tests may leave a stream without any, but not all of them."""
    nothing = int(pytest.ExitCode.NO_TESTS_COLLECTED)
    codes = list(codes)
    return max((abs(code) for code in codes if code != nothing), default=nothing)


def main(arguments: Sequence[str]) -> int:
    """Run the tests that the arguments choose."""
    try:
        wanted = commands(arguments)
    except LookupError as error:
        sys.stderr.write(f"streams: {error}\n")
        return int(pytest.ExitCode.USAGE_ERROR)
    if len(wanted) == 1:
        (command,) = wanted.values()
        os.execv(command[0], command)  # noqa: S606 - as if pytest had been started
    return run(wanted, sys.stdout, first_failure=not {"-x", "--exitfirst"}.isdisjoint(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
