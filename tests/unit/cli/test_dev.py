"""``tabard dev``: what it tells after each save, and that nothing an author does ends it."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading

import pytest
import tabard as sdk

RULES = """package policy.desk

start contains {"code": "task", "limits": {"tools": ["pay", "read"]}}

grant contains {"code": "pay"} if {
	input.tool.name == "pay"
	input.tool.arguments.amount <= 50
}

grant contains {"code": "read"} if input.tool.name == "read"
"""
CASES = """\
cases:
  - {name: a small one, tool: pay, arguments: {amount: 5}, expect: {effect: allow, code: pay}}
"""
WAIT_SECONDS = 240


class Developer:
    """A running ``tabard dev`` with the lines that it prints."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "tabard_sidecar.cli", "dev", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line)

    def next(self):
        """The next line, as JSON."""
        return json.loads(self._lines.get(timeout=WAIT_SECONDS))

    def quiet(self):
        return self._lines.empty()

    def interrupt(self):
        """End it as Ctrl-C does; return exit code and what it said on standard error."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(WAIT_SECONDS)
        return code, self.process.stderr.read()

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
async def played(start_zone, folder):
    """A policy, and the log of a sidecar that decided by it: of five payments one is denied."""
    zone = await start_zone(policy={"desk.rego": RULES}, workloads=("orchestrator",))
    task = await zone.start_task()
    for amount in (5, 20, 40, 45):
        await task.authorize("pay", {"amount": amount})
    with pytest.raises(sdk.Denied):
        await task.authorize("pay", {"amount": 60})
    log = folder / "copy.jsonl"
    shutil.copy(zone.sidecars["orchestrator"].folder / "decisions.log", log)
    policy = folder / "author"
    policy.mkdir()
    (policy / "desk.rego").write_text(RULES)
    (policy / "desk_cases.yaml").write_text(CASES)
    return policy, log


def effects(told):
    return [(one["tool"], one["before"]["effect"], one["now"]["effect"]) for one in told["since_last"]]


async def test_each_save_is_tested_and_decided_again(played):
    """Saves, a mistake, a file that vanishes, an editor's files; Ctrl-C ends it with 130 and without a trace."""
    await asyncio.to_thread(follow, *played)


def follow(policy, log):
    file = policy / "desk.rego"
    developer = Developer(policy, "--log", log, "--json", "--interval", "0.1")
    try:
        first = developer.next()
        assert (first["changed"], first["check"]["ok"], first["tests"]["passed"]) == ([], True, 1)
        assert (first["replay"]["changed"], first["since_last"], first["failures"]) == (0, [], [])
        assert first["replay"]["decided"] >= 6

        file.write_text(RULES.replace("<= 50", "<= 30"))
        told = developer.next()
        assert told["changed"] == [str(file)]
        assert told["tests"]["ok"]
        assert told["replay"]["changes"]["newly_denied"] == 2
        assert effects(told) == [("pay", "allow", "deny")] * 2

        file.write_text(RULES.replace("<= 50", "<= 3"))
        told = developer.next()
        assert (told["tests"]["ok"], len(told["tests"]["failed"])) == (False, 1)
        # Two were denied at the last save already.
        assert (told["replay"]["changes"]["newly_denied"], len(effects(told))) == (4, 2)

        file.write_text(RULES + "\ngrant contains {")
        told = developer.next()
        assert (told["check"]["ok"], told["tests"], told["replay"]) == (False, None, None)
        assert told["check"]["problems"][0]["code"] == "rego_parse_error"

        file.unlink()
        told = developer.next()
        assert (told["check"]["ok"], told["changed"]) == (False, [str(file)])

        for name in ("desk.rego~", "#desk.rego#", ".desk.rego.swp", "4913"):
            (policy / name).write_text("package policy.desk\n")
        (policy / ".#desk.rego").symlink_to("author@machine.1")
        moved = policy / "desk.rego.new"
        moved.write_text(RULES)
        moved.rename(file)
        told = developer.next()
        assert told["changed"] == [str(file)]
        assert (told["check"]["problems"], told["tests"]["ok"], told["replay"]["changed"]) == ([], True, 0)
        assert effects(told) == [("pay", "deny", "allow")] * 4
        assert developer.quiet()
        code, said = developer.interrupt()
        assert (code, said.strip()) == (130, "")
    finally:
        developer.close()


async def test_for_people_without_a_terminal_it_is_plain_and_ends_in_time(played):
    policy, log = played
    (policy / "desk.rego").write_text(RULES.replace("<= 50", "<= 42"))
    told = await asyncio.to_thread(run, policy, "--log", log, "--seconds", "0")
    assert told.returncode == 0
    assert "\x1b[" not in told.stdout
    for part in (
        "watching",
        "1 passed",
        "decisions decided again",
        "newly_denied",
        "allow (desk.pay) -> deny",
    ):
        assert part in told.stdout


async def test_without_a_log_it_tests_and_says_so(tmp_path):
    policy = tmp_path / "policy"
    policy.mkdir()
    (policy / "desk.rego").write_text(RULES)
    (tmp_path / "tabard.yaml").write_text("policy: {path: policy}\naudit: {sink: file, path: none.jsonl}\n")
    told = await asyncio.to_thread(run, "--config", tmp_path / "tabard.yaml", "--seconds", "0", "--json")
    found = json.loads(told.stdout)
    assert (told.returncode, found["check"]["ok"], found["replay"]) == (0, True, None)
    assert "none.jsonl" in found["note"]


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
async def test_a_log_that_is_no_regular_file_is_refused_at_once(tmp_path, kind):
    """A pipe has the reader wait for a writer, a device may never end, and neither can be read again."""
    log = tmp_path / "log"
    {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": os.mkdir}[kind](log)
    (tmp_path / "desk.rego").write_text(RULES)
    told = await asyncio.to_thread(run, tmp_path / "desk.rego", "--log", log, "--seconds", "0")
    assert (told.returncode, told.stdout) == (2, "")
    assert str(log) in told.stderr
    assert "isn't a regular file" in told.stderr
    assert "tabard replay" in told.stderr


@pytest.mark.parametrize("configured", [False, True])
async def test_a_pipe_in_place_of_the_log_is_told_and_the_next_save_waited_for(tmp_path, configured):
    folder, log = tmp_path / "policy", tmp_path / "decisions.log"
    folder.mkdir()
    policy = folder / "desk.rego"
    log.write_text("{}\n")
    policy.write_text(RULES)
    named = ["--log", log]
    if configured:
        (tmp_path / "tabard.yaml").write_text(f"audit: {{sink: file, path: {log}}}\n")
        named = ["--config", tmp_path / "tabard.yaml"]
    developer = Developer(folder, *named, "--interval", "0.05", "--json")
    try:
        assert await asyncio.to_thread(lambda: developer.next()["check"]["ok"])
        log.unlink()
        os.mkfifo(log)
        policy.write_text(f"{RULES}\n# changed\n")
        found = await asyncio.to_thread(developer.next)
        assert "regular file" in found["note"]
        log.unlink()
        log.write_text("")
        policy.write_text(RULES)
        assert "no decision" in (await asyncio.to_thread(developer.next))["note"]
    finally:
        await asyncio.to_thread(developer.close)


async def test_a_wrong_configuration_is_told_at_the_start(tmp_path):
    (tmp_path / "tabard.yaml").write_text("polcy: {}\n")
    told = await asyncio.to_thread(run, "--config", tmp_path / "tabard.yaml", "--seconds", "0")
    assert told.returncode == 3
    assert "policy" in told.stderr


async def test_a_policy_at_a_url_is_no_folder_to_watch(tmp_path):
    (tmp_path / "tabard.yaml").write_text('policy: {url: "https://127.0.0.1:1/policy.tar.gz"}\n')
    told = await asyncio.to_thread(run, "--config", tmp_path / "tabard.yaml", "--seconds", "0")
    assert told.returncode == 2
    assert "at a URL, and this command needs a folder" in told.stderr


def run(*arguments):
    command = [sys.executable, "-m", "tabard_sidecar.cli", "dev", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)
