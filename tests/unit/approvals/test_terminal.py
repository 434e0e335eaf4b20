"""The person's side of it: `tabard approvals` against a real sidecar."""

import asyncio
import io
import json
import os
import pty
import subprocess
import sys
from contextlib import suppress

import jwt
import tabard
from tabard_sidecar.cli import main
from tabard_sidecar.identity import create_local_key

from testbed.world import PERSON
from tests.support.asking import HUGE, LARGE, asked, poll, waiting


async def test_at_a_terminal(zone):
    """A real terminal: the call is shown, and only a yes approves it."""
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    arguments = ["approvals", "approve", pending.approval_id, "--operator", zone.operator()]
    for answer, code, status in (("n", 1, "waits"), ("y", 0, "approved")):
        seen, exit_code = await asyncio.to_thread(
            at_terminal, arguments, answer, {"TABARD_APPROVER_TOKEN": zone.approver()}
        )
        assert exit_code == code
        assert '"cents": 20000' in seen
        assert "Approve exactly this call? [y/N]" in seen
        assert status in seen


async def test_a_list_at_a_terminal(zone):
    """Every call of it is shown, and only a yes approves all but those that the person denies."""
    task = await zone.start_task()
    decisions = await task.batch([tabard.ToolCall("pay", LARGE | {"cents": 20_000 + n}) for n in range(3)])
    (first, odd, _) = [decision.approvals[0] for decision in decisions]
    arguments = ["approvals", "approve", first.group_id, "--operator", zone.operator()]
    arguments += ["--deny", odd.approval_id]
    for answer, code, status in (("n", 1, "nothing was decided"), ("y", 0, "approved")):
        seen, exit_code = await asyncio.to_thread(
            at_terminal, arguments, answer, {"TABARD_APPROVER_TOKEN": zone.approver()}
        )
        assert exit_code == code
        assert [f'"cents": {20_000 + number}' in seen for number in range(3)] == [True] * 3
        assert "Approve 2 of these calls and deny 1? [y/N]" in seen
        assert status in seen
    assert len(await poll(zone, first)) > 0
    assert await poll(zone, odd) == ""


def at_terminal(arguments, answer, environment):
    """Run the command at a terminal of its own and answer its question."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "tabard_sidecar.cli", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, **environment},
    ) as process:
        os.close(slave)
        seen = b""
        while b"[y/N]" not in seen:
            seen += os.read(master, 4096)
        os.write(master, f"{answer}\n".encode())
        process.wait(30)
        os.set_blocking(master, False)
        with suppress(OSError):
            while chunk := os.read(master, 4096):
                seen += chunk
    os.close(master)
    return seen.decode(), process.returncode


async def test_nothing_is_decided_without_a_terminal(zone, command):
    """Unless --yes says so."""
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    code, _, err = await command("approve", pending.approval_id)
    assert (code, "add --yes" in err) == (2, True)
    (row,) = await waiting(command)
    assert row["status"] == "pending"


async def test_the_token_is_taken_from_standard_input(zone, command, monkeypatch):
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    monkeypatch.setattr(sys, "stdin", io.StringIO(zone.approver() + "\n"))
    code, out, err = await command("approve", pending.approval_id, "--yes", "--json")
    assert code == 0
    document = json.loads(out)
    assert (document["status"], document["approver"]["id"]) == ("approved", "cleo")
    assert '"cents": 20000' in err  # what was approved is shown all the same
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    (other,) = (await asked(task, HUGE | {"cents": 30_000})).approvals
    code, _, err = await command("deny", other.approval_id, "--yes")
    assert (code, "no approver's token" in err) == (2, True)


async def test_what_does_not_exist(zone, command):
    """The commands say that there is no such approval."""
    for arguments, token in ((["show", "0" * 32], None), (["approve", "0" * 32], zone.approver())):
        code, _, err = await command(*arguments, token=token)
        assert (code, "approval_unknown" in err) == (1, True)


async def test_decided_already(zone, command):
    """The command says that the approval was decided before."""
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    await command("deny", pending.approval_id, token=zone.approver())
    code, out, err = await command("approve", pending.approval_id, token=zone.approver())
    assert (code, "approval_decided" in err) == (1, True)
    assert (out, pending.approval_id in err) == (
        "",
        True,
    )  # the reason comes without the call's many rows before it


async def test_list_in_words(zone, command):
    """The list shows what waits, and with --all what was decided."""
    assert (await command("list"))[1] == "nothing waits\n"
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    out = (await command("list"))[1]
    assert out.startswith(f"{pending.approval_id}  pending ")
    assert f'  person     "{PERSON}"\n  agent ▏ tool "pay"\n  policy ▏ "payments over 100' in out
    await command("approve", pending.approval_id, token=zone.approver())
    assert (await command("list"))[1] == "nothing waits\n"
    assert f"{pending.approval_id}  approved" in (await command("list", "--all"))[1]


async def test_watch(zone, command):
    """The command prints a line when an approval begins to wait and when it is decided."""
    task = await zone.start_task()
    (pending,) = (await asked(task)).approvals
    watching = asyncio.create_task(
        asyncio.to_thread(
            watch, ["approvals", "watch", "--json", "--interval", "0.1", "--operator", zone.operator()]
        )
    )
    await asyncio.sleep(0)
    process = await watching
    try:
        first = json.loads(await asyncio.to_thread(process.stdout.readline))
        assert (first["event"], first["approval_id"]) == ("waits", pending.approval_id)
        await command("approve", pending.approval_id, token=zone.approver())
        second = json.loads(await asyncio.to_thread(process.stdout.readline))
        assert (second["event"], second["approver"]["id"]) == ("approved", "cleo")
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)
        process.stdout.close()


def watch(arguments):
    """Start the command as a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "tabard_sidecar.cli", *arguments], stdout=subprocess.PIPE)


async def test_call_names_what_waits(zone, command, capsys):
    """`tabard call` says how to look at the call that now waits; the call grant stays secret."""
    task = await zone.start_task()
    process = zone.sidecars["orchestrator"]
    asking = ["call", "pay", "--args-json", json.dumps(LARGE), "--grant", task.grant]
    asking += ["--address", process.address, "--config", str(process.folder / "tabard.yaml")]
    assert await asyncio.to_thread(main, asking) == 1
    words = capsys.readouterr().out
    (row,) = await waiting(command)
    assert f"waits      tabard approvals show {row['approval_id']}" in words
    capsys.readouterr()
    assert await asyncio.to_thread(main, [*asking, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [pending["approval_id"] for pending in document["approvals"]] == [row["approval_id"]]
    assert "call_grant" not in document["approvals"][0]


def test_a_local_approvers_token(tmp_path, capsys):
    """The token command makes an approver's token with a local key."""
    key = tmp_path / "local.json"
    create_local_key(key)
    claims = ["--claim", 'groups=["finance"]', "--audience", "tabard-approval", "--key", str(key)]
    assert main(["token", "cleo", *claims]) == 0
    content = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert (content["sub"], content["aud"], content["groups"]) == ("cleo", "tabard-approval", ["finance"])
    assert content["auth_time"] == content["iat"]
    assert main(["token", "cleo", "--key", str(key)]) == 0
    content = jwt.decode(capsys.readouterr().out.strip(), options={"verify_signature": False})
    assert content["aud"] == "tabard"
