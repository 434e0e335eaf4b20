"""Logs that never end, are no files, or contradict each other."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import time

import pytest
from tabard_sidecar.operating.failure import Failure

from tests.support.waiting import eventually
from tests.unit.console.test_odd_records import RECORD

DECISION = "7f3c1a52-0f0e-4c1b-8a8e-1d2f3a4b5c6d"
NOWHERE = "unix:/nonexistent/operator"


def pipe(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [pipe, device])
@pytest.mark.parametrize("others", [0, 1])
async def test_what_is_no_file(start_console, tmp_path, make, others):
    """The writer of a log can put a pipe into its place. Opening one waits for its writer."""
    logs = [tmp_path / f"{number}.log" for number in range(1 + others)]
    for log in logs:
        log.write_text("{}\n")
    async with start_console(NOWHERE, logs) as console:
        await (await console.sign_in()).settled()
        logs[-1].unlink()
        make(logs[-1])
        for _ in range(8):
            status, text, _ = await asyncio.wait_for(console.get(f"/decisions/{DECISION}"), 60)
            assert status == 502
            assert "regular file" in text
        assert (await asyncio.wait_for(console.get("/tasks"), 60))[0] == 502
        await eventually(lambda: told(console))
        before = time.monotonic()
    assert time.monotonic() - before < 20


async def told(console):
    _, text, _ = await console.get()
    return "isn&#x27;t read any more" in text


async def test_a_log_without_an_end(start_console, tmp_path, monkeypatch):
    """It is read for so long, by readers of its own, and the page says what else to do."""
    monkeypatch.setattr("tabard_sidecar.console.explainer._MOST_READING_SECONDS", 0.2)
    log = tmp_path / "log"
    log.touch()
    async with start_console(NOWHERE, [log]) as console:
        await (await console.sign_in()).settled()
        os.truncate(log, 1 << 40)
        pages = [asyncio.create_task(console.get(f"/decisions/{DECISION}")) for _ in range(8)]
        await asyncio.sleep(0.1)
        assert (await asyncio.wait_for(console.get("/tasks"), 60))[0] == 502
        for status, text, _ in await asyncio.wait_for(asyncio.gather(*pages), 60):
            assert status == 502
            assert "tabard log show" in text
        log.unlink()


async def test_logs_that_contradict_each_other(start_console, tmp_path):
    """The writer of one log can use the ids of another's decisions, also without an outcome."""
    liar = copy.deepcopy(RECORD)
    liar["input"]["tool"]["name"] = "harmless"
    begun = copy.deepcopy(liar) | {"event": "intent", "result": {}}
    own = (tmp_path / "a.log", tmp_path / "b.log")
    for second, disputed in ((RECORD, False), (liar, True), (begun, True)):
        for log, record in zip(own, (RECORD, second), strict=True):
            log.write_text(f"{json.dumps(record)}\n")
        async with start_console(NOWHERE, own, zone="", explain=unknown) as console:
            await (await console.sign_in()).settled()
            _, text, _ = await console.get(f"/decisions/{DECISION}")
            assert ("contradict each other" in text) == disputed


def unknown(_entry):
    raise Failure("unknown", 1)
