"""Finds out why decisions were made: at once from the log, and some seconds later from policy."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tabard_sidecar import exit_codes
from tabard_sidecar.console.decision import Explained
from tabard_sidecar.explaining.explanation import describe_decision
from tabard_sidecar.explaining.finding import find_decision
from tabard_sidecar.operating.failure import Failure
from tabard_sidecar.records.reading import Entry

_KEPT = 16
_PATIENCE_SECONDS = 1.5
"""How long a page waits for policy, before it is shown without."""
_MOST_ASKED = 4
_READERS = 2
_MOST_READING_SECONDS = 60.0
Explain = Callable[[Entry], Mapping[str, Any]]
"""Asks policy why a decision was made; it may take seconds.

Raises:
    Failure: it can't be asked.
"""


class Explainer:
    """Explains decisions of one log.

    Args:
        files: of the log, oldest first, at this moment.
        explain: asks policy.
    """

    def __init__(self, files: Callable[[], Sequence[Path]], explain: Explain) -> None:
        self._files = files
        self._explain = explain
        self._asked: OrderedDict[str, asyncio.Task[Mapping[str, Any]]] = OrderedDict()
        # Large logs keep no page waiting that asks the sidecar: those use the loop's own threads.
        self._reading = ThreadPoolExecutor(_READERS, "log")
        self._stopped = threading.Event()

    async def explained(self, decision_id: str) -> Explained | None:
        """Return what is known of a decision; ``None`` if the log doesn't hold it.

        Raises:
            OSError: the log can't be read.
            Failure: reading it takes too long.
        """
        entry = await asyncio.get_running_loop().run_in_executor(self._reading, self._find, decision_id)
        if entry is None:
            return None
        recorded = describe_decision(entry)
        if recorded["not_explained"]:
            return Explained(entry, recorded, recorded, waiting=False, problem="")
        asked = self._ask(decision_id, entry)
        if asked is None:
            return Explained(entry, recorded, None, waiting=True, problem="")
        await asyncio.wait({asked}, timeout=_PATIENCE_SECONDS)
        if not asked.done():
            return Explained(entry, recorded, None, waiting=True, problem="")
        try:
            return Explained(entry, recorded, asked.result(), waiting=False, problem="")
        except Failure as error:
            # The sidecar may be back at the next try.
            self._asked.pop(decision_id, None)
            return Explained(entry, recorded, None, waiting=False, problem=error.message)

    def _find(self, decision_id: str) -> Entry | None:
        ends = time.monotonic() + _MOST_READING_SECONDS

        def advance(_read: int) -> None:
            if self._stopped.is_set() or time.monotonic() > ends:
                raise Failure(
                    f"reading the log took more than {_MOST_READING_SECONDS:g} seconds",
                    exit_codes.UNREACHABLE,
                    next_step="`tabard log show` takes the time that it needs.",
                )

        return find_decision([*self._files()], decision_id, lambda _: None, advance, regular=True)

    def _ask(self, decision_id: str, entry: Entry) -> asyncio.Task[Mapping[str, Any]] | None:
        """Return the request to policy, begun now or before; ``None`` if too many are under way."""
        asked = self._asked.get(decision_id)
        if asked is None:
            if sum(not one.done() for one in self._asked.values()) >= _MOST_ASKED:
                return None
            asked = asyncio.create_task(asyncio.to_thread(self._explain, entry))
            asked.add_done_callback(_look_at)
            self._asked[decision_id] = asked
        self._asked.move_to_end(decision_id)
        for old in [name for name, one in self._asked.items() if one.done()][
            : max(0, len(self._asked) - _KEPT)
        ]:
            del self._asked[old]
        return asked

    async def stop(self) -> None:
        """Wait for no answer any more."""
        self._stopped.set()
        self._reading.shutdown(wait=False, cancel_futures=True)
        for asked in self._asked.values():
            asked.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)


def _look_at(asked: asyncio.Task[Mapping[str, Any]]) -> None:
    """Take note of a failure, which a page that was left never asks for."""
    if not asked.cancelled():
        asked.exception()
