import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import tabard as sdk
from tabard import Credential, Decision
from tabard_sidecar.cli import main
from tabard_sidecar.cli.call import _print, describe
from tabard_sidecar.records.redaction import redact_text

from tests.support.waiting import eventually_blocking


@pytest.fixture(scope="module")
def quickstart():
    """A sidecar that serves what `tabard init` wrote."""
    home = Path(tempfile.mkdtemp(prefix="tabard-cli-"))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TABARD_")},
        "XDG_RUNTIME_DIR": str(home),
        "XDG_STATE_HOME": str(home),
    }
    command = [sys.executable, "-m", "tabard_sidecar.cli"]
    folder = home / "q"
    subprocess.run([*command, "init", folder], env=environment, check=True, capture_output=True)
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, "serve", "--set", f"http.listen=unix:{home}/http"],
            cwd=folder,
            env=environment,
            stderr=log,
            stdout=log,
        )

    def healthy():
        assert server.poll() is None, (home / "log").read_text()
        return main(["health", "--address", f"unix:{home}/http"]) == 0

    eventually_blocking(healthy)
    yield home, server
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0, (home / "log").read_text()
    shutil.rmtree(home)


@pytest.fixture
def tabard(quickstart, monkeypatch, capsys):
    """Runs the command in this process, as a user in the quickstart's directory."""
    home, _ = quickstart
    monkeypatch.chdir(home / "q")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    for name in ("TABARD_ADDRESS", "TABARD_CONFIG", "TABARD_GRANT", "TABARD_SUBJECT_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def tabard(*arguments):
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    capsys.readouterr()
    return tabard


def test_allowed_call(tabard):
    """An allowed call is exit code 0 and shows rule and credential, but not the secret."""
    code, out, _ = tabard("call", "notes.read", "--arg", "id=7")
    assert code == 0
    assert out.startswith("ALLOW notes.read\n  code       read\n  rule       policy.quickstart\n")
    assert "jwt for https://notes.internal, scopes notes:read" in out
    assert redact_text(out) == out


def test_denied_call_says_what_to_do(tabard):
    """A denied call is exit code 1 with the deciding rule, the reason and the next step."""
    code, out, _ = tabard("call", "notes.delete", "--arg", "id=7")
    assert code == 1
    assert out.startswith("DENY notes.delete\n  code       never_delete\n  rule       policy.quickstart\n")
    code, out, _ = tabard("call", "notes.read", "--arg", "id=seven")
    assert code == 1
    assert "see        tabard explain arguments_invalid" in out
    assert "next " in out


@pytest.mark.parametrize(
    ("tool", "note"),
    [
        ("notes.raed", "the catalogue has no tool notes.raed; did you mean notes.read?"),
        ("mail.send", "the catalogue has no tool mail.send"),
    ],
)
def test_a_misspelt_tool_is_doubted(tabard, tool, note):
    code, out, _ = tabard("call", tool)
    assert code == 1
    assert f"  note       {note}\n" in out
    assert json.loads(tabard("call", tool, "--json")[1])["note"] == note


def test_json(tabard):
    """--json is the whole decision; the credential's value only on demand."""
    code, out, _ = tabard("call", "notes.write", "--args-json", '{"text": "milk"}', "--json")
    document = json.loads(out)
    assert code == 0
    assert document["allowed"] is True
    assert document["credential"]["single_use"] is True
    assert document["credential"]["uses"] == 1
    assert "value" not in document["credential"]
    _, out, _ = tabard("call", "notes.write", "--arg", "text=milk", "--json", "--show-credential")
    assert json.loads(out)["credential"]["value"].count(".") == 2


def test_token_from_a_file_and_the_environment(tabard, tmp_path, monkeypatch):
    """A subject token comes from a file or the environment, so that it needn't stand in the process list."""
    _, token, _ = tabard("token", "alice")
    (tmp_path / "token").write_text(token)
    assert tabard("call", "notes.read", "--arg", "id=1", "--token", f"@{tmp_path}/token")[0] == 0
    monkeypatch.setenv("TABARD_SUBJECT_TOKEN", token)
    assert tabard("call", "notes.read", "--arg", "id=1")[0] == 0
    monkeypatch.setenv("TABARD_SUBJECT_TOKEN", token.strip() + "x")
    code, out, _ = tabard("call", "notes.read", "--arg", "id=1")
    assert code == 1
    assert "subject_token_signature" in out or "subject_token_malformed" in out


def test_grant_instead_of_a_task(tabard, quickstart):
    """A grant that exists is used as it is; a broken one is denied."""
    home, _ = quickstart
    _, token, _ = tabard("token", "alice")
    with sdk.connect(f"unix:{home}/q/run/agent/tabard.sock") as client:
        grant = client.start_task(token.strip(), purpose="notes").grant
    assert tabard("call", "notes.read", "--arg", "id=1", "--grant", grant)[0] == 0
    code, out, _ = tabard("call", "notes.read", "--arg", "id=1", "--grant", "nonsense")
    assert code == 1
    assert "grant_malformed" in out


def test_usage_mistakes(tabard):
    """What can't be a call is exit code 2."""
    assert tabard("call", "notes.read", "--arg", "id")[0] == 2
    assert tabard("call", "notes.read", "--arg", "id=1", "--args-json", "{}")[0] == 2
    assert tabard("call", "notes.read", "--args-json", '{"a": 1, "a": 2}')[0] == 2
    assert tabard("call", "notes.read", "--token", "@/none")[0] == 2
    assert tabard("call", "")[0] == 2


def test_a_sidecar_that_does_not_answer(tabard, tmp_path):
    """Without a sidecar it is exit code 6 with the next step."""
    code, _, err = tabard("call", "notes.read", "--address", f"unix:{tmp_path}/none")
    assert code == 6
    assert "tabard serve" in err
    assert "see: tabard explain sidecar_unreachable" in err


def test_decision_log_of_all_that_is_intact_and_holds_no_secret(tabard, quickstart):
    """What the sidecar wrote can be verified and holds nothing that looks like a token."""
    home, _ = quickstart
    code, out, _ = tabard("audit", "verify", "decisions.jsonl")
    assert code == 0, out
    for text in ((home / "q" / "decisions.jsonl").read_text(), (home / "log").read_text()):
        assert redact_text(text) == text


def test_second_sidecar_on_the_same_sockets(quickstart):
    """A second server is refused with the pid of the first; exit code 5."""
    home, server = quickstart
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(home), "XDG_STATE_HOME": str(home)}
    run = subprocess.run(
        [
            sys.executable,
            *("-m", "tabard_sidecar.cli", "serve"),
            *("--set", "http.listen=127.0.0.1:0", "--set", "audit.path=second.jsonl"),
        ],
        cwd=home / "q",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 5, run.stderr
    assert str(server.pid) in run.stderr
    assert "`tabard health`" in run.stderr


def test_a_credential_of_several_fields_is_shown_only_if_asked_for(capsys):
    """As a vault's are: user name and password."""
    secrets = {"username": "token-u", "password": "p-1"}
    decision = Decision(
        "d-1", allowed=True, credential=Credential("vault", "", audience="db", fields=secrets)
    )
    assert "fields" not in describe(decision, show_credential=False)["credential"]
    assert describe(decision, show_credential=True)["credential"]["fields"] == secrets
    for shown in (False, True):
        _print("orders.read", decision, show_credential=shown)
        assert ("field      password: p-1" in capsys.readouterr().out) == shown
