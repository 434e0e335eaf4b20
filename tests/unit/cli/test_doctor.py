"""``tabard doctor``: what a sidecar depends on, with the way to mend it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil

import pytest
from tabard_sidecar.cli import main
from tabard_sidecar.state.sqlite import SQLiteStateStore


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A project as `tabard init` writes it, as the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("TABARD_")]:
        monkeypatch.delenv(name)
    assert main(["init", "."]) == 0
    return tmp_path


def examined(capsys, *options):
    """Return the exit code and the findings by what was examined."""
    capsys.readouterr()
    code = main(["doctor", "--json", *options])
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] == (code == 0)
    return code, {one["what"]: one for one in told["findings"]}


def test_a_new_project_has_nothing_wrong(capsys, project):
    """Its switches for experiments are doubtful; the state isn't made by looking at it."""
    code, found = examined(capsys)
    assert code == 0
    assert {name for name, one in found.items() if one["severity"] == "problem"} == set()
    assert found["configuration"]["severity"] == "warning"
    for name in ("keys", "policy", "identity.agent", "state", "decision log"):
        assert found[name]["severity"] == "ok", name
    assert not (project / "state" / "zone.db").exists()


def test_people_get_a_line_each_and_a_count(capsys):
    capsys.readouterr()
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "ok    policy: " in out
    assert "      next: " in out
    assert out.splitlines()[-1].endswith("0 wrong, 4 doubtful")


@pytest.mark.parametrize(
    ("options", "what", "words"),
    [
        (("--set", "keys.directory=nowhere"), "keys", "tabard keys"),
        (("--set", "policy.path=nowhere"), "policy", "tabard policy check"),
        (("--set", "audit.path=nowhere/log.jsonl"), "decision log", "Make the folder"),
        (("--set", "audit.path=policy"), "decision log", "audit.path"),
        (("--set", "audit.path=/dev/full"), "decision log", "audit.path"),
        (("--set", "audit.path=tabard.yaml/log"), "decision log", "audit.path"),
        (("--set", "state.url=redis://127.0.0.1:1/0"), "state", "state.url"),
    ],
)
def test_what_is_missing_is_named_with_the_way_to_mend_it(capsys, options, what, words):
    code, found = examined(capsys, *options)
    assert code == 1
    assert found[what]["severity"] == "problem"
    assert words in found[what]["next_step"]


def test_a_policy_that_does_not_load(capsys, project):
    (project / "policy" / "broken.rego").write_text("package policy.broken\n\ngrant contains {\n")
    code, found = examined(capsys)
    assert code == 1
    assert "broken.rego" in found["policy"]["message"]


def test_an_issuer_whose_keys_cannot_be_fetched(capsys, project):
    """The other findings come all the same."""
    text = (project / "tabard.yaml").read_text()
    text += "\nidentity:\n  issuers:\n    - {issuer: 'https://127.0.0.1:1', audiences: [tabard]}\n"
    (project / "tabard.yaml").write_text(text)
    code, found = examined(capsys)
    assert code == 1
    assert found["issuer https://127.0.0.1:1"]["severity"] == "problem"
    assert found["policy"]["severity"] == "ok"


def test_a_configuration_with_mistakes(capsys, project):
    (project / "tabard.yaml").write_text("zonee: x\n")
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 3
    (one,) = json.loads(capsys.readouterr().out)["findings"]
    assert "zonee" in one["message"]


def test_a_vault_that_does_not_answer(capsys, project):
    """No secret of ours is in what is told."""
    secret = project / "secret-id"
    secret.write_text("0123456789abcdef0123456789abcdef-secret-id")
    secret.chmod(0o600)
    text = (project / "tabard.yaml").read_text()
    text += (
        "\nvault:\n  main:\n    address: https://127.0.0.1:1\n"
        f"    auth: {{method: approle, role_id: r, secret_id_file: {secret}}}\n"
    )
    (project / "tabard.yaml").write_text(text)
    code, found = examined(capsys)
    assert code == 1
    assert "vault status" in found["vault.main.auth"]["next_step"]
    assert "0123456789abcdef" not in json.dumps(found)
    (project / "tabard.yaml").write_text(text.replace("https://127", "http://127"))
    _, found = examined(capsys)
    assert "insecure.allow_http" in found["vault.main"]["message"]


def test_an_identity_provider_that_does_not_answer_or_is_not_configured(capsys, project):
    secret = project / "client-secret"
    secret.write_text("0123456789abcdef0123456789abcdef")
    secret.chmod(0o600)
    server = {
        "token_endpoint": "https://127.0.0.1:1/token",
        "subject_issuer": "https://idp.example",
        "client_id": "tabard",
        "client_secret_file": str(secret),
        "audiences": {"orders": {}},
    }
    issuers = [{"issuer": "https://idp.example", "audiences": ["tabard"], "jwks_url": "http://127.0.0.1:1/"}]
    options = ("--set", f"identity.issuers={json.dumps(issuers)}")
    code, found = examined(capsys, "--set", f"exchange.staff={json.dumps(server)}", *options)
    assert code == 1
    assert "can't be reached" in found["exchange.staff"]["message"]
    assert "token_endpoint" in found["exchange.staff"]["next_step"]
    server["subject_issuer"] = "https://local.tabard.dev"  # insecure.local_subjects, which the project has
    code, found = examined(capsys, "--set", f"exchange.staff={json.dumps(server)}", *options)
    assert "can't be reached" in found["exchange.staff"]["message"]
    server["subject_issuer"] = "https://elsewhere.example"
    code, found = examined(capsys, "--set", f"exchange.staff={json.dumps(server)}", *options)
    assert "isn't one of identity.issuers" in found["exchange.staff"]["message"]


def files(folder):
    """Every file below a folder with its content."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", [("doctor",), ("state", "check")])
def test_a_restored_state_is_told_and_not_touched(capsys, project, command):
    """Only a start ends the tasks that were started before, never a question."""

    async def use():
        store = SQLiteStateStore(project / "state" / "zone.db", zone="shop")
        await store.open()
        await store.close()

    asyncio.run(use())
    shutil.copy(project / "state" / "zone.db", project / "backup.db")
    (project / "backup.db").replace(project / "state" / "zone.db")
    before = files(project)
    capsys.readouterr()
    chosen = ("--set", "zone=shop", "--set", f"state.url=sqlite://{project}/state/zone.db")
    assert main([*command, "--json", *chosen]) == 0
    told = json.loads(capsys.readouterr().out)
    assert files(project) == before
    notes = told.get("notes") or [
        one["message"] for one in told["findings"] if one["what"] == "state" and one["severity"] == "warning"
    ]
    assert len(notes) == 1
    assert "ends every task that was started before" in notes[0]
    if command == ("state", "check"):
        assert main([*command, *chosen]) == 0
        assert capsys.readouterr().out.startswith("note: The file is a copy")


def test_a_log_that_a_start_refuses_is_a_problem_and_stays_as_it_is(capsys, project):
    """Another user's right to write it, or a link."""
    log = project / "log.jsonl"
    log.write_text("{}")
    assert examined(capsys, "--set", "audit.path=log.jsonl")[1]["decision log"]["severity"] == "ok"
    log.chmod(0o666)
    code, found = examined(capsys, "--set", "audit.path=log.jsonl")
    assert (code, found["decision log"]["severity"]) == (1, "problem")
    assert log.read_text() == "{}"
    (project / "link").symlink_to("log.jsonl")
    _, found = examined(capsys, "--set", "audit.path=link")
    assert "isn't a regular file" in found["decision log"]["message"]
    _, found = examined(capsys, "--set", "audit.path=new.jsonl")
    assert found["decision log"]["severity"] == "ok"
    assert not (project / "new.jsonl").exists()
