"""Follows decision logs in the background, and keeps the newest decisions in few bytes each."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.operating.following import Followed, follow
from tabard_sidecar.operating.log_entries import entries_of
from tabard_sidecar.operating.log_filters import fits
from tabard_sidecar.operating.log_source import LogSource
from tabard_sidecar.records.lines import Oddity
from tabard_sidecar.records.reading import SHADOW, Entry
from tabard_sidecar.util.lean import dataclass

MOST_ROWS = 10_000
"""How many of the newest decisions are kept."""
_MOST_BYTES = 256 * 1024 * 1024
"""How much of the closed files is read at the start."""
_MOST_CHARACTERS = 512
_LISTED = 16
_MOST_OF_A_ROW = 16 * 1024
"""Most characters of a row. All names of members are our own."""
_INTERVAL_SECONDS = 0.5
_ASKED = "approval_required"
ASKED = "asked"
"""Effect of a denied call that waits for a person."""
_TOLD = ("operation", "effect", "subject", "task_id", "agent", "tool")
_KEPT = (
    "decision_id",
    "time",
    "operation",
    "effect",
    "subject",
    "task_id",
    "chain",
    "agent",
    "tool",
    "rules",
    "message",
    "credential_id",
    "renews",
    "delegatee",
    "replayed",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One decision or change: its place among all that were read, and what ``tabard log search --json`` says of it, cut."""

    number: int
    shown: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, newest first.

    Attributes:
        rows: the rows.
        fitting: how many of all kept rows the filter fits.
        effects: how many rows of each effect the filter would fit, if it didn't name an effect.
        older: where the list goes on, as :meth:`Feed.page` takes it; empty at its end.
    """

    rows: tuple[Row, ...]
    fitting: int
    effects: Mapping[str, int]
    older: str


class Feed:
    """Reads decision logs, each in a thread of its own: sidecars that share a task each write one.

    Args:
        source: the files. Of several, all that aren't compressed are followed; a single log has its closed files before
            the one that is written.
        one: whether they are one log.
        most: how many rows are kept.
    """

    def __init__(self, source: LogSource, *, one: bool, most: int = MOST_ROWS) -> None:
        self._source = source
        self._rows: deque[Row] = deque(maxlen=most)
        self._stopped = threading.Event()
        logs = [source.files] if one else [(file,) for file in source.files]
        self._threads = [
            threading.Thread(target=self._run, args=(files,), name="feed", daemon=True) for files in logs
        ]
        self._numbers = count(1)
        self._read = 0
        self._caught_up: set[Path] = set()
        self.odd = 0
        """How many lines weren't records as the sidecar writes them."""
        self.problem = ""
        """Why a log isn't read any more; empty as long as all are."""

    def start(self) -> None:
        """Begin reading."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End reading."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(5.0)

    @property
    def caught_up(self) -> bool:
        """Whether everything was read that was there at the start."""
        return len(self._caught_up) == len(self._threads)

    @property
    def dropped(self) -> int:
        """How many rows were read and aren't kept any more."""
        return max(0, self._read - len(self._rows))

    def page(self, wanted: Mapping[str, str | None], *, before: str, size: int) -> Page:
        """Return the newest ``size`` rows that a filter fits.

        Args:
            wanted: as :func:`~tabard_sidecar.operating.log_filters.fits` takes it; the effect ``asked`` is known, too.
            before: only rows after :attr:`Page.older` of another page; empty for all.
            size: how many at most.
        """
        effect = wanted.get("effect") or ""
        others = {**wanted, "effect": ""}
        end = _place(before)
        effects: Counter[str] = Counter()
        found: list[Row] = []
        fitting, more = 0, False
        for row in sorted(self._rows.copy(), key=_order, reverse=True):
            shown = row.shown
            if (shown["effect"] == SHADOW and effect != SHADOW) or not fits(shown, others):
                continue
            effects[shown["effect"]] += 1
            if effect and shown["effect"] != effect:
                continue
            fitting += 1
            if end is not None and _order(row) >= end:
                continue
            if len(found) < size:
                found.append(row)
            else:
                more = True
        older = f"{found[-1].shown['time']}~{found[-1].number}" if more else ""
        return Page(tuple(found), fitting, effects, older)

    def of_task(self, task_id: str, most: int) -> tuple[Row, ...]:
        """Return the newest rows of a task, newest first."""
        wanted: dict[str, str | None] = dict.fromkeys(("since", "until"))
        return self.page(wanted | {"task_id": task_id}, before="", size=most).rows

    def of_decision(self, decision_id: str) -> tuple[Row, ...]:
        """Return the rows that logs hold of a decision itself: one, unless logs contradict each other."""
        rows = (row for row in self._rows.copy() if row.shown["decision_id"] == decision_id)
        return tuple(row for row in rows if row.shown["effect"] != SHADOW and not row.shown["replayed"])

    def _run(self, files: tuple[Path, ...]) -> None:
        try:
            self._read_files(files)
        except Failure as error:
            self.problem = error.message
        except OSError as error:
            self.problem = str(error)

    def _read_files(self, files: tuple[Path, ...]) -> None:
        """Read a log and, if its last file isn't compressed, follow it."""
        last = files[-1]
        closed = last.suffix == ".gz"
        for entry in entries_of(self._of(_newest(files if closed else files[:-1])), self._tell, regular=True):
            self._add(entry)
            if self._stopped.is_set():
                return
        if closed:
            self._caught_up.add(last)
            return
        caught_up = partial(self._caught_up.add, last)
        follow(
            self._of((last,)),
            Followed(last, _INTERVAL_SECONDS, self._stopped.is_set, caught_up, regular=True),
            self._add,
            self._tell,
        )

    def _of(self, files: tuple[Path, ...]) -> LogSource:
        return LogSource(files, self._source.zone, self._source.zone_origin)

    def _tell(self, _oddity: Oddity) -> None:
        self.odd += 1

    def _add(self, entry: Entry) -> None:
        number = next(self._numbers)
        self._read = max(self._read, number)
        self._rows.append(Row(number, _summary(entry)))


def contradict(rows: Iterable[Row], entry: Entry) -> bool:
    """Tell whether a row of a decision says something else than an entry of it."""
    mine = _summary(entry)
    return any(row.shown[name] != mine[name] for row in rows for name in _TOLD)


def _summary(entry: Entry) -> dict[str, Any]:
    """Return what is kept of a decision or change."""
    shown, small = entry.as_json(), _Small()
    kept = {name: small.cut(shown[name]) for name in _KEPT}
    codes = [rule["code"] for rule in shown["rules"]]
    if shown["effect"] == "deny" and codes[:1] == [_ASKED]:
        kept["effect"] = ASKED
    return kept


def _newest(files: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return the last of some files that aren't too large together."""
    found: list[Path] = []
    left = _MOST_BYTES
    for file in reversed(files):
        left -= file.stat().st_size
        if left < 0 and found:
            break
        found.insert(0, file)
    return tuple(found)


def _order(row: Row) -> tuple[str, int]:
    """Return what orders rows: all times are written in the same form, so their order is that of text."""
    return row.shown["time"], row.number


def _place(text: str) -> tuple[str, int] | None:
    time, _, number = text.rpartition("~")
    return (time, int(number)) if time and number.isascii() and number.isdigit() else None


class _Small:
    """Cuts the texts and lists of a row: a log that others wrote may hold long ones."""

    def __init__(self) -> None:
        self._left = _MOST_OF_A_ROW

    def cut(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """Return a value with its lists cut, and its texts to what the row has room for."""
        if isinstance(value, str):
            most = min(_MOST_CHARACTERS, self._left)
            found = value if len(value) <= most else f"{value[:most]}…"
            self._left = max(0, self._left - len(found))
            return found
        if isinstance(value, list):
            return [self.cut(one) for one in value[:_LISTED]]
        if isinstance(value, dict):
            return {name: self.cut(one) for name, one in value.items()}
        return value
