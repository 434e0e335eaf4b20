"""Replays and proposals run beside the page, one at a time, and end with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from pathlib import Path

import pytest
from tabard_sidecar.console.jobs import Jobs, Kind

from tests.support.console_world import candidate
from tests.support.waiting import eventually


@pytest.fixture
async def console(desk, start_console):
    logs = [str(log) for log in desk.decision_logs]
    commands = {
        Kind.REPLAY: [f"--policy={candidate(desk.folder)}", "--", *logs],
        Kind.SUGGEST: [
            f"--policy={desk.policy}",
            "--min-decisions=1",
            "--min-tasks=1",
            "--min-days=1",
            "--settled-days=0",
            "--held-out=0.05",
            "--",
            *logs,
        ],
    }
    async with start_console(desk.operator("refunds"), desk.decision_logs, commands=commands) as client:
        yield await client.sign_in()


async def finished(console, kind):
    """Start a job and return the page once it is done."""
    status, _, _ = await console.post(f"/policy/{kind}", {"form_token": await console.form_token()})
    assert status == 303

    async def look():
        _, text, headers = await console.get("/policy")
        return text if "Refresh" not in headers else ""

    return await eventually(look, seconds=120)


async def test_replay(desk, console):
    """What the candidate changes, with decisions to look at."""
    text = await finished(console, "replay")
    plain = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "It failed" not in plain
    assert "5 of 29 decisions change." in plain
    assert "newly denied" in plain
    examples = re.findall(r'href="[^"]*(/decisions/[^"]+)"', text)
    assert (await console.get(examples[0]))[0] == 200


async def test_suggestion(console):
    """Restrictions with their evidence, and a patch; no policy is written."""
    assert (await console.get("/policy/suggestion.patch"))[0] == 404
    text = await finished(console, "suggest")
    assert "It failed" not in text
    assert "only_listed_tools" in text
    status, patch, headers = await console.get("/policy/suggestion.patch")
    assert status == 200
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["Content-Type"].startswith("text/x-diff")
    assert patch.startswith(("diff --git", "--- "))
    assert "least_privilege" in patch


async def test_what_is_not_offered(desk, start_console):
    async with start_console(desk.operator("refunds"), desk.decision_logs) as client:
        await client.sign_in()
        token = await client.form_token()
        for name in ("replay", "suggest", "promote", "serve"):
            assert (await client.post(f"/policy/{name}", {"form_token": token}))[0] == 404


async def test_one_at_a_time_and_stopped(tmp_path):
    """A second one waits its turn; the process ends with the console."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    jobs = Jobs({Kind.REPLAY: ["--", str(pipe)], Kind.SUGGEST: ["--", str(pipe)]})
    assert jobs.start(Kind.REPLAY)
    assert not jobs.start(Kind.SUGGEST)
    assert jobs.busy
    await asyncio.sleep(0.3)
    await asyncio.wait_for(jobs.stop(), 20)
    assert not jobs.busy


async def test_a_job_is_stopped_from_the_page(desk, start_console, tmp_path):
    """With all its processes, and another one can be started then. Without the form's token nothing is stopped."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    commands = {kind: ["--", str(pipe)] for kind in Kind}
    async with start_console(desk.operator("refunds"), desk.decision_logs, commands=commands) as client:
        await client.sign_in()
        token = {"form_token": await client.form_token()}
        assert (await client.post("/policy/suggest", token))[0] == 303
        process = await eventually(lambda: running(pipe))
        _, text, headers = await client.get("/policy")
        assert text.count("/policy/suggest/stop") == 1
        assert "Refresh" in headers
        for path, fields, status in (
            ("/policy/suggest/stop", {}, 403),
            ("/policy/suggest/stop", {"form_token": "x"}, 403),
            ("/policy/serve/stop", token, 404),
            ("/policy/replay/stop", token, 303),
        ):
            assert (await client.post(path, fields))[0] == status, path
        assert (await client.get("/policy/suggest/stop"))[0] in {404, 405}
        assert running(pipe) == process
        status, _, headers = await client.post("/policy/suggest/stop", token)
        assert (status, headers["Location"]) == (303, f"{client.base}/policy")
        assert running(pipe) is None
        _, text, headers = await client.get("/policy")
        assert "It was stopped." in text
        assert "It failed" not in text
        assert "Refresh" not in headers
        assert "Propose from the logs again" in text
        assert (await client.post("/policy/suggest/stop", token))[0] == 303
        assert (await client.post("/policy/replay", token))[0] == 303
        await eventually(lambda: running(pipe))
    assert running(pipe) is None


def running(log):
    """The process that has a file among its arguments; ``None`` if there is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
            if os.fsencode(log) in arguments and b"tabard_sidecar.cli" in arguments:
                return int(folder.name)
    return None


async def test_a_failure_is_told(tmp_path):
    jobs = Jobs({Kind.REPLAY: ["--", str(tmp_path / "absent")]})
    jobs.start(Kind.REPLAY)
    await eventually(lambda: not jobs.busy)
    state = jobs.state(Kind.REPLAY)
    assert state.told is None
    assert "absent" in state.problem
    assert json.dumps(state.problem).isascii()


async def test_a_module_in_the_folder_of_the_logs_is_not_run(tmp_path, monkeypatch):
    """Operators start the console where the logs are, and others may write there."""
    ran = tmp_path / "ran"
    for name in ("json", "click", "tabard_sidecar"):
        (tmp_path / f"{name}.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    jobs = Jobs({Kind.REPLAY: ["--", "absent"]})
    jobs.start(Kind.REPLAY)
    await eventually(lambda: not jobs.busy)
    assert "absent" in jobs.state(Kind.REPLAY).problem
    assert not ran.exists()
