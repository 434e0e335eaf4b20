"""Measures two things in turns and records the results.

Machines are shared and noisy, so nothing is compared across runs: the compared calls alternate in small
blocks, and the figure is the median of the blocks' ratios.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. ``goal`` is a bound such as ``"<= 2.0"``, or empty if the figure is only reported."""

    name: str
    value: float
    unit: str
    goal: str = ""
    spread: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; ``None`` without a goal."""
        if not self.goal:
            return None
        operator, bound = self.goal.split()
        return self.value <= float(bound) if operator == "<=" else self.value >= float(bound)


@contextmanager
def kept_bytecode() -> Iterator[None]:
    """Let processes that are started meanwhile keep their bytecode, as installed packages do.

    To compile the sources takes a third of a start and two megabytes.
    """
    with tempfile.TemporaryDirectory(prefix="tbc", dir="/tmp") as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            del os.environ["PYTHONPYCACHEPREFIX"]


def machine() -> str:
    """Describe the machine in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def commit() -> str:
    """Return the measured commit, with a plus sign if the working tree has changes."""
    folder = RESULTS.parent.parent
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
    )
    dirty = subprocess.run(
        ["git", "status", "--porcelain", "--", "sidecar", "sdk", "engine"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return (head.stdout.strip() or "unknown") + ("+" if dirty.stdout.strip() else "")


def publish(name: str, figures: Sequence[Figure]) -> bool:
    """Print a table, write bench/results/<name>.json and tell whether every goal is met."""
    where, what, when = machine(), commit(), datetime.now(UTC).isoformat(timespec="seconds")
    rows = [
        {
            "name": f.name,
            "value": round(f.value, 4),
            "unit": f.unit,
            "goal": f.goal,
            "met": f.met,
            "spread": f.spread,
            "machine": where,
            "commit": what,
            "date": when,
        }
        for f in figures
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"\n{name}: {where}, commit {what}")
    width = max(len(f.name) for f in figures)
    for f in figures:
        goal_met = {True: "met", False: "NOT MET", None: ""}[f.met]
        print(f"  {f.name:<{width}}  {f.value:>10.3f} {f.unit:<12} {f.goal:<9} {goal_met:<8} {f.spread}")
    return all(f.met is not False for f in figures)


def timed(call: Callable[[], object], times: int) -> list[float]:
    """Call a function several times; return the duration of each call in seconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return taken


@dataclass(frozen=True, slots=True)
class Compared:
    """Two things measured in turns: seconds per call of each and the ratio of their medians, block by block."""

    first: list[float]
    second: list[float]
    ratios: list[float]

    @classmethod
    def of(cls, first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> Compared:
        """Compare the blocks of two things that were measured in turns."""
        ratios = [statistics.median(a) / statistics.median(b) for a, b in zip(first, second, strict=True)]
        return cls([*chain.from_iterable(first)], [*chain.from_iterable(second)], ratios)

    @property
    def ratio(self) -> float:
        """Median of the blocks' ratios, first over second."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> str:
        """Smallest and largest block ratio."""
        return f"blocks {min(self.ratios):.2f}-{max(self.ratios):.2f}"


def compare(
    first: Callable[[], object], second: Callable[[], object], *, blocks: int, calls: int
) -> Compared:
    """Measure two calls in alternating blocks."""
    found = in_turns({"first": first, "second": second}, blocks=blocks, calls=calls)
    return Compared.of(found["first"], found["second"])


def in_turns(
    each: dict[str, Callable[[], object]], *, blocks: int, calls: int
) -> dict[str, list[list[float]]]:
    """Measure several calls in alternating blocks; return the seconds per call of each block, by name."""
    for call in each.values():
        timed(call, calls)
    found: dict[str, list[list[float]]] = {name: [] for name in each}
    for block in range(blocks):
        # The order changes from block to block, so that none benefits from running last.
        for name in reversed(each) if block % 2 else each:
            found[name].append(timed(each[name], calls))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which ``share`` (0 to 1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wakeups(pid: int) -> int:
    """Return how often the threads of a process waited for something and were woken, since each began.

    It is exact on a busy machine, too, where the processor time of an idle process says more about its neighbours.
    """
    return sum(waits_of_threads(pid).values())


def waits_of_threads(pid: int) -> dict[tuple[str, str], int]:
    """Return how often each thread, by id and name, gave up the processor to wait."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            fields = dict(
                line.split(":", 1) for line in (task / "status").read_text(encoding="utf-8").splitlines()
            )
            found[task.name, fields["Name"].strip()] = int(fields["voluntary_ctxt_switches"])
    return found


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, in bytes, mapped files included."""
    return _status_bytes(pid, "VmRSS")


def private_bytes(pid: int) -> int:
    """Return the resident memory of a process that belongs to no file, in bytes: the kernel can't reclaim it."""
    return _status_bytes(pid, "RssAnon")


def _status_bytes(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)
