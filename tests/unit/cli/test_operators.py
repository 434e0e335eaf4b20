"""``tabard revoke``, ``tabard tasks`` and ``tabard state`` against real sidecars."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import tabard as sdk
import yaml
from tabard_sidecar.cli import main
from tabard_sidecar.cli.watching import changes
from tabard_sidecar.operating import completing
from tabard_sidecar.operating.terminal import Duration, moment, visible

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.support.operators import operators
from tests.support.zone import Zone

READ = ("tickets.read", {"ticket_id": "t-1"})
TRIAGE = spiffe_id("triage")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Every test works in an empty directory with no configuration in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("TABARD_"):
            monkeypatch.delenv(name)


@pytest.fixture
async def zone(start_zone):
    """Two sidecars over one state file."""
    return await start_zone()


@pytest.fixture
def command(capsys):
    """Runs the command beside the event loop; returns exit code, output and errors."""

    async def command(*arguments):
        code = await asyncio.to_thread(main, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def tabard(zone, command, monkeypatch):
    """Runs the command with the zone's operator socket in the environment."""
    monkeypatch.setenv("TABARD_OPERATOR_ADDRESS", zone.operator())
    return command


async def code(task) -> str:
    """Return why a call is denied, or nothing."""
    try:
        await task.authorize(*READ)
    except sdk.Denied as denied:
        return denied.code
    return ""


async def test_revoke_task(zone, tabard):
    """Says what was revoked and what it reaches; the task is ended."""
    task = await zone.start_task()
    exit_code, out, _ = await tabard("revoke", "task", task.info.task_id, "--reason", "too many mails")
    assert exit_code == 0
    assert out.startswith(f"revoked task {task.info.task_id}, since ")
    assert "affects    1 live task(s), 1 holder(s)\n" in out
    assert await code(task) == "task_ended"
    await (await zone.start_task()).end()
    exit_code, out, _ = await tabard("revoke", "list")
    assert exit_code == 0
    assert "too many mails" in out
    assert "by         its holder\n" not in out
    exit_code, out, _ = await tabard("revoke", "list", "--all")
    assert "by         its holder\n" in out


async def test_revoke_task_json(zone, tabard):
    """Everything that the text says, for machines."""
    task = await zone.start_task()
    exit_code, out, _ = await tabard("revoke", "task", task.info.task_id, "--json")
    document = json.loads(out)
    assert exit_code == 0
    assert document["kind"] == "link"
    assert document["impact"] == {"live_tasks": 1, "holders": 1, "complete": True}
    assert document["expires_at"] == pytest.approx(task.info.expires_at, abs=8 * 3600)
    assert abs(document["revoked_at"] - time.time()) < 60


async def test_revoke_link_that_was_never_used(tabard):
    """It is revoked, with a note in case it is a typo."""
    exit_code, out, _ = await tabard("revoke", "link", "f" * 64)
    assert exit_code == 0
    assert "no live task has used this link" in out


async def test_revoke_and_lift_agent(zone, tabard):
    """Until lifted, or for a time; lifting what isn't revoked is a negative result."""
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    exit_code, out, _ = await tabard("revoke", "agent", TRIAGE)
    assert exit_code == 0
    assert f"revoked agent {TRIAGE}, until lifted" in out
    assert await code(handed) == "agent_revoked"
    exit_code, out, _ = await tabard("revoke", "lift", "agent", TRIAGE)
    assert (exit_code, out) == (0, "lifted\n")
    assert await code(handed) == ""
    exit_code, out, _ = await tabard("revoke", "lift", "agent", TRIAGE, "--json")
    document = json.loads(out)
    assert (exit_code, document.pop("lifted")) == (1, False)
    assert document == {
        "sidecar": {
            "address": zone.operator(),
            "zone": "support",
            "config": str(config_of(zone)),
            "pid": os.getpid(),
        }
    }
    exit_code, out, _ = await tabard("revoke", "agent", TRIAGE, "--ttl", "8h", "--json")
    document = json.loads(out)
    assert document["expires_at"] - document["revoked_at"] == pytest.approx(8 * 3600, abs=1)


async def test_revoke_and_lift_subject(zone, tabard):
    """The issuer has to be named; another issuer's person isn't touched."""
    task = await zone.start_task()
    exit_code, _, err = await tabard("revoke", "subject", PERSON)
    assert exit_code == 2
    assert "--issuer" in err
    for other in ("https://other.example.org", f"{ISSUER}/", ISSUER.replace("https", "http"), ISSUER.upper()):
        exit_code, _, err = await tabard("revoke", "subject", PERSON, "--issuer", other)
        assert (exit_code, "identity.issuers" in err) == (2, True), other
    assert await code(task) == ""
    exit_code, out, _ = await tabard("revoke", "subject", PERSON, "--issuer", ISSUER)
    assert exit_code == 0
    assert f"revoked subject {PERSON} of {ISSUER}, tasks and tokens up to " in out
    assert await code(task) == "subject_revoked"
    exit_code, out, _ = await tabard("revoke", "list", "--kind", "subject", "--json")
    assert [row["subject"] for row in json.loads(out)["revocations"]] == [
        {"issuer": ISSUER, "id": PERSON},
    ]
    exit_code, _, _ = await tabard("revoke", "lift", "subject", PERSON, "--issuer", ISSUER)
    assert exit_code == 0
    assert await code(task) == ""


async def test_revoke_and_lift_credential(zone, tabard):
    """By the id that a decision names."""
    task = await zone.start_task()
    credential = (await task.authorize(*READ)).credential
    exit_code, out, _ = await tabard("revoke", "credential", credential.credential_id)
    assert "earlier and later renewals of it are revoked, too" in out
    assert exit_code == 0
    assert out.startswith(f"revoked credential {credential.credential_id}, since ")
    with pytest.raises(sdk.Denied, match="credential_revoked"):
        await task.renew(credential, READ[1])
    exit_code, _, _ = await tabard("revoke", "lift", "credential", credential.credential_id)
    assert exit_code == 0


async def test_mistakes_say_what_to_do(zone, tabard, command):
    """Each with its exit code: usage, nothing found, the wrong socket, no sidecar there."""
    exit_code, _, err = await tabard("revoke", "task", "no-such-task")
    assert exit_code == 1
    assert "tabard tasks list" in err
    exit_code, _, err = await tabard("tasks", "tree", "no-such-task")
    assert exit_code == 1
    exit_code, _, err = await tabard("revoke", "link", "abc")
    assert exit_code == 2
    assert "64 hexadecimal digits" in err
    exit_code, _, err = await tabard("revoke", "agent", TRIAGE, "--ttl", "soon")
    assert exit_code == 2
    assert "write 90s, 15m, 8h or 7d" in err
    exit_code, _, err = await command("revoke", "list", "--operator", zone.sidecars["triage"].address)
    assert exit_code == 2
    assert "listen.operator" in err
    exit_code, _, err = await command("revoke", "list", "--operator", "unix:/nowhere/operator.sock")
    assert exit_code == 6
    assert "TABARD_OPERATOR_ADDRESS" in err
    exit_code, _, err = await command("tasks", "--operator", "other.example.org:443")
    assert exit_code == 2
    assert "TABARD_OPERATOR_ADDRESS" in err
    exit_code, _, err = await tabard("tasks", "--json", "tree", "x")
    assert exit_code == 2
    assert "write options after `tree`" in err


async def test_lists_that_are_empty_say_so(tabard):
    """Nothing is no error."""
    assert (await tabard("revoke", "list"))[:2] == (0, "nothing is revoked\n")
    assert (await tabard("tasks"))[:2] == (0, "no task is running\n")


async def test_tasks_and_their_trees(zone, tabard):
    """The list, and one task with every holder and its link, which `revoke link` takes."""
    task = await zone.start_task()
    handed = await zone.hand_to(task, "triage")
    assert await code(handed) == ""
    for arguments in (("tasks",), ("tasks", "list")):
        exit_code, out, _ = await tabard(*arguments)
        assert exit_code == 0
        assert task.info.task_id in out
        assert '"refunds"' in out
    _, out, _ = await tabard("tasks", "tree", task.info.task_id, "--json")
    document = json.loads(out)
    assert [node["holder"] for node in document["nodes"]] == [spiffe_id("orchestrator"), TRIAGE]
    link = document["nodes"][1]["link_id"]
    exit_code, _, _ = await tabard("revoke", "link", link)
    assert exit_code == 0
    assert await code(handed) == "task_ended"
    exit_code, out, _ = await tabard("tasks", "tree", task.info.task_id)
    assert exit_code == 0
    assert f"link {link}  ended\n  level 1    {TRIAGE}\n" in out


def strings(document):
    """Yield every string in a JSON document."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, list | dict):
        for value in document.values() if isinstance(document, dict) else document:
            yield from strings(value)


async def test_tasks_of_a_person_an_agent_or_with_a_label(zone, tabard):
    """Filters combine."""
    one = await zone.start_task()
    other = await zone.start_task("triage")
    both = {one.info.task_id, other.info.task_id}

    async def found(*options):
        exit_code, out, _ = await tabard("tasks", "list", "--json", *options)
        assert exit_code == 0
        return {row["task_id"] for row in json.loads(out)["tasks"]}

    assert await found("--person", PERSON) == both
    assert await found("--agent", TRIAGE) == {other.info.task_id}
    assert await found("--person", PERSON, "--agent", spiffe_id("orchestrator")) == {one.info.task_id}
    assert await found("--person", "oscar", "--agent", TRIAGE) == set()
    assert await found("--label", "none") == set()
    assert (await tabard("tasks", "--person", "nobody"))[1] == "no such task is running\n"


async def test_what_others_wrote_cannot_play_with_the_terminal(zone, tabard):
    """Names of sub-agents and reasons show escaped, as text and as JSON."""
    # Grants hold no control characters; what turns text around, or hides in it, they do.
    hidden, hostile = "\u202e\u2066reader\u200b", "\x1b[2J\x9b31mreason\r\n"
    task = await zone.start_task()
    assert await code(task.branch(hidden)) == ""
    await tabard("revoke", "task", task.info.task_id, "--reason", hostile)
    for arguments, shown in (
        (("tasks", "tree", task.info.task_id), "\\u202e\\u2066reader\\u200b"),
        (("revoke", "list"), "\\u001b[2J\\u009b31mreason\\r\\n"),
    ):
        _, out, _ = await tabard(*arguments)
        assert shown in re.sub(r"\n[^▏\n]*▏>", "", out)
        assert all(character.isprintable() or character == "\n" for character in out)
        _, out, _ = await tabard(*arguments, "--json")
        assert all(character.isprintable() or character == "\n" for character in out)
        assert {hidden, hostile} & set(strings(json.loads(out)))


@pytest.fixture
def looks(monkeypatch):
    """Scripts what happens between the looks of `tasks watch`; after the last it is interrupted."""

    def looks(*steps):
        loop, left = asyncio.get_running_loop(), list(steps)

        def sleep(_seconds):
            if not left:
                raise KeyboardInterrupt
            asyncio.run_coroutine_threadsafe(left.pop(0)(), loop).result(timeout=30)

        clock = SimpleNamespace(sleep=sleep, time=time.time, monotonic=time.monotonic)
        monkeypatch.setattr("tabard_sidecar.cli.watching.time", clock)

    return looks


async def test_watch_tells_what_happens(zone, tabard, looks):
    """Tasks that start and end, and revocations, each on a line of its own, until it is interrupted."""
    before = await zone.start_task()
    started = []

    async def start():
        started.append(await zone.start_task())

    async def end():
        await started[0].end()

    async def revoke():
        async with operators(zone.operator()) as operator:
            await operator.revoke(agent_id=TRIAGE)

    looks(start, end, revoke)
    exit_code, out, _ = await tabard("tasks", "watch", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert exit_code == 130
    ids = [before.info.task_id, started[0].info.task_id, started[0].info.task_id, None]
    assert [(event["event"], event.get("task_id")) for event in events] == list(
        zip(["task", "started", "ended", "revoked"], ids, strict=True)
    )
    assert (events[3]["kind"], events[3]["target"]) == ("agent", TRIAGE)
    exit_code, out, _ = await tabard("tasks", "watch", "--seconds", "0")
    assert exit_code == 0
    assert [line.split()[2] for line in out.splitlines() if line[0] != " "] == ["task", "task"]


async def test_watch_waits_for_a_sidecar_that_restarts(zone, tabard, looks):
    """It says so once and goes on; a first look that fails is an error."""

    async def nothing():
        pass

    looks(zone.stop, nothing, nothing)
    exit_code, _, err = await tabard("tasks", "watch")
    assert exit_code == 130
    assert err.count("waiting for the sidecar") == 1
    exit_code, _, _ = await tabard("tasks", "watch")
    assert exit_code == 6


def row(task_id, *, state="live", labels=()):
    return {"task_id": task_id, "state": state, "labels": list(labels)}


def test_changes_between_two_looks():
    """Started, another state, another label, gone; nothing is said to be gone if only the newest are listed."""
    before = {"a": row("a"), "b": row("b"), "c": row("c"), "d": row("d")}
    after = {"e": row("e"), "b": row("b", state="ended"), "c": row("c", labels=["pii"]), "d": row("d")}
    told = [(event, one["task_id"]) for event, one in changes(before, after, full=False)]
    assert told == [("labels", "c"), ("ended", "b"), ("started", "e"), ("expired", "a")]
    assert ("expired", "a") not in [(e, o["task_id"]) for e, o in changes(before, after, full=True)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Größe 漢字", "plain Größe 漢字"),
        ("a\tb\x00\x7f", "a\\tb\\x00\\x7f"),
        ("\u200b\u2066x\u2029", "\\u200b\\u2066x\\u2029"),
        ("back\\slash", "back\\\\slash"),
        ("x" * 600, "x" * 512 + "…"),
    ],
)
def test_visible(text, shown):
    """What can't be seen is spelled out, and an escape can't be faked."""
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("8h", 28800), ("7d", 604800)]
)
def test_durations(text, seconds):
    """With and without a unit."""
    assert Duration().convert(text, None, None) == seconds
    assert Duration().convert(seconds, None, None) == seconds


def test_moments():
    """In UTC, whatever the machine's zone."""
    assert moment(1_800_000_000.0) == "2027-01-15 08:00:00Z"
    assert moment(None) == "never"


def config_of(zone: Zone) -> Path:
    """The configuration file of the zone's first sidecar."""
    return zone.sidecars["orchestrator"].folder / "tabard.yaml"


async def test_state_check_and_compact_of_a_running_zone(zone, command):
    """While its sidecars serve, which notice nothing."""
    task = await zone.start_task()
    config = config_of(zone)
    which = {"zone": "support", "config": str(config)}
    told = f"state of zone support ({config})\n"
    assert await command("state", "check", "--config", config) == (0, "state: ok\n", told)
    exit_code, out, _ = await command("state", "check", "--config", config, "--json")
    assert (exit_code, json.loads(out)) == (0, {"ok": True, "problems": [], "notes": []} | which)
    exit_code, out, _ = await command("state", "compact", "--config", config, "--json")
    assert exit_code == 0
    assert json.loads(out).keys() == {"deleted", "bytes", "zone", "config"}
    exit_code, out, _ = await command("state", "compact", "--config", config)
    assert out.startswith("deleted 0 expired entries, freed ")
    assert await code(task) == ""


async def test_state_check_finds_what_is_wrong(zone, command):
    """Exit code 1, and each problem is a sentence."""
    state = Path(yaml.safe_load(config_of(zone).read_text())["state"]["url"].removeprefix("sqlite://"))
    with contextlib.closing(sqlite3.connect(state)) as connection, connection:
        connection.execute("INSERT INTO labels VALUES ('nobody', '', 'x', 0)")
    connection.close()
    exit_code, out, _ = await command("state", "check", "--config", config_of(zone))
    assert exit_code == 1
    assert "problem: 1 rows of labels belong to no task" in out


async def test_state_commands_make_no_state(zone, command, tmp_path):
    """A file that doesn't exist isn't created, and another zone's isn't touched."""
    missing = tmp_path / "missing.db"
    exit_code, _, err = await command(
        "state", "check", "--config", config_of(zone), "--set", f"state.url=sqlite://{missing}"
    )
    assert exit_code == 1
    assert "there is no state yet" in err
    assert not missing.exists()
    exit_code, _, err = await command("state", "check", "--config", config_of(zone), "--set", "zone=other")
    assert exit_code == 3
    assert "belongs to zone 'support'" in err


@pytest.mark.parametrize("words", ["tasks tree", "revoke task", "log search --task", "approvals list --task"])
async def test_completion_offers_the_tasks_that_run(zone, words):
    task = await zone.start_task()
    out = await asyncio.to_thread(completed, f"tabard {words} {task.info.task_id[:4]}", zone.operator())
    assert out.splitlines() == [f"plain,{task.info.task_id}"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("tabard revoke agent spiffe", spiffe_id("orchestrator")),
        ("tabard tasks --person ", PERSON),
        ("tabard log search --code budget_e", "budget_exhausted"),
        ("tabard explain budget_e", "budget_exhausted"),
    ],
)
async def test_completion_offers_agents_people_and_codes(zone, words, offered):
    await zone.start_task()
    assert f"plain,{offered}" in (await asyncio.to_thread(completed, words, zone.operator())).splitlines()


async def test_completion_offers_links_decisions_and_tools(zone, monkeypatch, tmp_path):
    """Links from the sidecar; decisions and tools from the log and the catalogue of the configuration."""
    task = await zone.start_task()
    sidecar = zone.sidecars["orchestrator"]
    handed = await zone.hand_to(task, "triage")
    link = (await handed.get()).chain[-1].link_id
    out = await asyncio.to_thread(completed, f"tabard revoke link {link[:6]}", zone.operator())
    assert f"plain,{link}" in out.splitlines()
    monkeypatch.chdir(sidecar.folder)
    decided = json.loads(sidecar.logs[0].read_text().splitlines()[-1])["decision_id"]
    for words in ("tabard log show", "tabard policy eval --from-log"):
        out = await asyncio.to_thread(completed, f"{words} {decided[:5]}", zone.operator())
        assert f"plain,{decided}" in out.splitlines(), words
    (tmp_path / "tabard.yaml").write_text(
        "zone: shop\npolicy: {path: policy}\ncatalogue: {path: tools.yaml}\n"
    )
    (tmp_path / "tools.yaml").write_text("tools: [{name: notes.read}]\n")
    monkeypatch.chdir(tmp_path)
    for words in ("tabard log search --tool", "tabard policy eval --tool", "tabard call"):
        out = await asyncio.to_thread(completed, f"{words} no", zone.operator())
        assert "plain,notes.read" in out.splitlines(), words


@pytest.mark.parametrize("name", ["--json", "-h", "$(id)", "a;b", "~root", "a b", "", "x" * 257])
def test_completion_offers_no_name_that_a_shell_or_the_command_takes_for_something_else(name):
    """Others chose the names."""
    found = completing._items({name: "", "notes.read": ""}, "")
    assert [one.value for one in found] == ["notes.read"]


def test_completion_without_a_sidecar_offers_nothing_and_says_nothing(tmp_path):
    assert completed("tabard tasks tree a", f"unix:{tmp_path}/none.sock").strip() == ""


def completed(words, address):
    """Return what the shell gets for the last of the words."""
    environment = {
        **os.environ,
        "_TABARD_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "TABARD_OPERATOR_ADDRESS": address,
    }
    run = subprocess.run(
        [Path(sys.executable).parent / "tabard"], env=environment, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    return run.stdout


def test_completion_offers_the_commands():
    """And the kinds of what can be revoked."""
    for words, expected in (
        ("tabard re", "revoke"),
        ("tabard revoke su", "subject"),
        ("tabard tasks tr", "tree"),
        ("tabard state co", "compact"),
        ("tabard revoke list --kind ag", "agent"),
    ):
        environment = {
            **os.environ,
            "_TABARD_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        }
        run = subprocess.run(
            [Path(sys.executable).parent / "tabard"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert expected in run.stdout
