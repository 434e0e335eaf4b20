import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import jsonschema
import jwt
import pytest
import yaml
from tabard_sidecar.cli import main
from tabard_sidecar.cli.root import COMMANDS, command
from tabard_sidecar.identity.local import LOCAL_ISSUER
from tabard_sidecar.records.chain import Head


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Every test works in an empty directory with no configuration in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("TABARD_"):
            monkeypatch.delenv(name)


@pytest.fixture
def tabard(capsys):
    """Runs the command in this process; returns exit code, output and errors."""

    def tabard(*arguments):
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return tabard


def test_help_names_every_command(tabard):
    """The root's help lists all commands without importing them."""
    code, out, _ = tabard("--help")
    assert code == 0
    assert all(f"  {name}" in out for name in COMMANDS)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in {"opa", "health"}])
def test_every_command_has_help(tabard, name):
    """Each command explains itself."""
    code, out, _ = tabard(name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: tabard {name}")


def leaves(found, path):
    """Every command that does something, with its path."""
    if isinstance(found, click.Group):
        context = click.Context(found)
        for name in found.list_commands(context):
            yield from leaves(found.get_command(context, name), [*path, name])
    else:
        yield " ".join(path), found


NO_JSON = {
    "completion": "a script",
    "config schema": "JSON always",
    "control serve": "JSON lines always",
    "health": "an option of its own that click doesn't see",
    "injector policy": "JSON always",
    "injector serve": "JSON lines always",
    "injector webhook": "JSON always",
    "keys export": "JSON always",
    "keys jwks": "JSON always",
    "opa": "another program",
    "policy case-schema": "JSON always",
    "serve": "JSON lines always",
}


def test_every_command_speaks_json():
    silent = {
        path
        for path, found in leaves(command, [])
        if not any("--json" in option.opts for option in found.params)
    }
    assert silent == set(NO_JSON)


def test_unknown_command_names_the_nearest(tabard):
    """A typo is exit code 2 with a suggestion."""
    code, _, err = tabard("verson")
    assert code == 2
    assert 'no command "verson". Did you mean "version"?' in err


def test_no_command_is_usage(tabard):
    """The bare command shows its help."""
    code, out, _ = tabard()
    assert code == 2
    assert "Usage: tabard" in out


def test_version(tabard):
    """Versions of Tabard, OPA and Python, also as JSON."""
    code, out, _ = tabard("version", "--json")
    assert code == 0
    assert json.loads(out)["opa"].startswith("1.22.")
    assert tabard("--version") == (0, f"tabard {json.loads(out)['tabard']}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(tabard, shell):
    """Each shell gets its script."""
    code, out, _ = tabard("completion", shell)
    assert code == 0
    assert "_TABARD_COMPLETE" in out


def test_completion_completes():
    """The script's back end offers the commands."""
    environment = {
        **os.environ,
        "_TABARD_COMPLETE": "bash_complete",
        "COMP_WORDS": "tabard ver",
        "COMP_CWORD": "1",
    }
    run = subprocess.run(
        [Path(sys.executable).parent / "tabard"], env=environment, capture_output=True, text=True, check=False
    )
    assert "version" in run.stdout


def test_init_writes_a_set_up_that_checks(tabard, tmp_path):
    """init's files are private where they are secret, the configuration is sound, nothing is overwritten."""
    code, out, _ = tabard("init")
    assert code == 0
    assert "tabard serve" in out
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    secret = [*(tmp_path / "keys").glob("*.json"), tmp_path / "local-subjects.json"]
    assert len(secret) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    assert list((tmp_path / "policy").rglob("*_test.rego"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, _, err = tabard("init")
    assert code == 2
    assert "nothing was written" in err
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, out, _ = tabard("config", "check")
    assert code == 0
    assert out.count("warning: insecure.") == 4


def test_config_check_tells_everything(tabard, tmp_path):
    """All mistakes come at once, with places, the nearest key and where to read more; exit code 3."""
    (tmp_path / "tabard.yaml").write_text("htpp: {}\naudit:\n  keep_days: -1\n")
    code, _, err = tabard("config", "check")
    assert code == 3
    assert "the configuration has 2 mistakes" in err
    assert f"{tmp_path}/tabard.yaml:1:1: htpp: unknown key" in err
    assert 'Did you mean "http"?' in err
    assert f"{tmp_path}/tabard.yaml:3:14: audit.keep_days:" in err
    assert "See `tabard explain audit`." in err
    code, out, _ = tabard("config", "check", "--json")
    assert code == 3
    assert [problem["line"] for problem in json.loads(out)["problems"]] == [1, 3]


def test_config_check_looks_for_every_file_that_is_read(tabard, tmp_path):
    """At any depth, and into key sets; what the sidecar writes itself needn't be there."""
    issuer = {
        "issuer": "https://a.example",
        "audiences": ["t"],
        "algorithms": ["ES256"],
        "keys_file": "k.json",
    }
    document = {
        "identity": {"issuers": [issuer]},
        "http": {},
        "policy": {"path": "p"},
        "audit": {"sink": "file", "path": "d.jsonl"},
        "state": {
            "url": "rediss://h",
            "redis": {"ca_file": "ca.pem", "cert_file": "c.pem", "key_file": "c.key"},
        },
    }
    (tmp_path / "tabard.yaml").write_text(json.dumps(document))
    code, out, _ = tabard("config", "check", "--json")
    missing = {warning.split(":")[0] for warning in json.loads(out)["warnings"] if "doesn't exist" in warning}
    assert code == 0
    assert missing == {
        "identity.issuers.0.keys_file",
        "policy.path",
        "keys.directory",
        "state.redis.ca_file",
        "state.redis.cert_file",
        "state.redis.key_file",
    }
    (tmp_path / "k.json").write_text('{"keys": 1}')
    _, out, _ = tabard("config", "check")
    assert "identity.issuers.0.keys_file:" in out
    assert "no array" in out


def test_config_show_is_yaml_with_origins(tabard, monkeypatch, tmp_path):
    """What is shown can be read again; each line says where its value comes from; passwords never show."""
    (tmp_path / "tabard.yaml").write_text("zone: shop\n")
    monkeypatch.setenv("TABARD_LIMITS__MAX_IN_FLIGHT", "7")
    code, out, _ = tabard("config", "show")
    shown = yaml.safe_load(out)
    assert code == 0
    assert shown["zone"] == "shop"
    assert shown["limits"]["max_in_flight"] == 7
    assert f'zone: "shop"  # {tmp_path}/tabard.yaml:1' in out
    assert "max_in_flight: 7  # environment variable TABARD_LIMITS__MAX_IN_FLIGHT" in out
    code, out, _ = tabard("config", "show", "--json")
    assert json.loads(out)["settings"] == shown


def test_config_schema_fits_what_init_writes(tabard, tmp_path):
    """The schema accepts the written configuration and refuses an unknown key."""
    tabard("init")
    code, out, _ = tabard("config", "schema")
    assert code == 0
    document = yaml.safe_load((tmp_path / "tabard.yaml").read_text())
    jsonschema.validate(document, json.loads(out))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "htpp": {}}, json.loads(out))


def test_token_is_minted_with_claims(tabard):
    """A minted token speaks of the person, with further claims."""
    tabard("init")
    code, out, err = tabard(
        "token", "alice", "--claim", 'groups=["support"]', "--claim", "team=a", "--ttl-seconds", "60"
    )
    assert (code, err) == (0, "")
    claims = jwt.decode(out.strip(), options={"verify_signature": False})
    assert (claims["sub"], claims["iss"]) == ("alice", LOCAL_ISSUER)
    assert (claims["groups"], claims["team"]) == (["support"], "a")
    assert claims["exp"] - claims["iat"] == 60


def test_token_needs_the_switch(tabard):
    """Without insecure.local_subjects there is no token, and the error says what to do."""
    code, out, err = tabard("token", "alice")
    assert (code, out) == (3, "")
    assert "insecure.local_subjects" in err
    assert "tabard init" in err


@pytest.mark.parametrize(
    "claims", [["--claim", "x"], ["--claim", "sub=bob"], ["--claim", "a=1", "--claim", "a=2"]]
)
def test_token_refuses_bad_claims(tabard, claims):
    """A claim without value, one that the token sets itself, or a repeated one is a usage error."""
    tabard("init")
    assert tabard("token", "alice", *claims)[0] == 2


def test_audit_verify(tabard, tmp_path):
    """An intact log with its renamed files is exit code 0; an altered one 1 with file and line."""
    head, lines = Head.fresh(), []
    for number in range(6):
        line, head = head.seal(b'{"n":%d' % number)
        lines.append(line)
    for name, part in (("log.2", lines[:2]), ("log.4", lines[2:4]), ("log", lines[4:])):
        (tmp_path / name).write_bytes(b"".join(part))
    assert tabard("audit", "verify", "log")[:2] == (0, f"intact: 6 records in 1 chain\nhead: {head}\n")
    (tmp_path / "log.4").write_bytes(lines[2] + lines[3].replace(b'"n":3', b'"n":8'))
    code, out, _ = tabard("audit", "verify", "log")
    assert code == 1
    assert "log.4:2: the line was altered" in out
    code, out, _ = tabard("audit", "verify", "--json", "log.2")
    assert json.loads(out)["intact"] is True
    assert tabard("audit", "verify", "none")[0] == 2


def test_audit_verify_tells_when_the_oldest_records_are_missing(tabard, tmp_path):
    """A log without its beginning is exit code 1, unless its head is known from elsewhere or its files were shipped."""
    head, lines, heads = Head.fresh(), [], []
    for number in range(6):
        line, head = head.seal(b'{"n":%d' % number)
        lines.append(line)
        heads.append(str(head))
    for name, part in (("log.2", lines[:2]), ("log.4", lines[2:4]), ("log", lines[4:])):
        (tmp_path / name).write_bytes(b"".join(part))
    code, out, _ = tabard("audit", "shipped", "log.2")
    assert (code, out) == (0, f"log.2: shipped, up to {heads[1]}\n")
    assert (tmp_path / "log.2.shipped").read_text() == f"{heads[1]}\n"
    assert tabard("audit", "shipped", "log")[0] == 2
    (tmp_path / "log.2").unlink()
    code, out, _ = tabard("audit", "verify", "log")
    assert code == 1
    assert "records 1 to 2 are missing from the start" in out
    assert "--after" in out
    assert tabard("audit", "verify", "log", "--after", heads[1])[0] == 0
    (tmp_path / "log").write_bytes(lines[4])
    code, out, _ = tabard("audit", "verify", "log", "--after", heads[1], "--after", heads[5])
    assert code == 1
    assert "ends with record 5, but record 6 was written" in out
    assert tabard("audit", "verify", "log", "--after", "nonsense")[0] == 2


def test_keys_follow_the_configuration(tabard, tmp_path):
    """`tabard keys list` shows the keys that init made."""
    tabard("init")
    code, out, _ = tabard("keys", "list")
    assert code == 0
    assert len(out.splitlines()) == 3  # with the header


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("zone: A B\n", 3, "mistake"),
        ("zone: a\nkeys: {directory: none}\npolicy: {path: policy}\n", 3, "can't start"),
    ],
)
def test_serve_refuses_what_cannot_work(tmp_path, text, code, expected):
    """A configuration that can't work ends the start with its own exit code and a reason."""
    (tmp_path / "tabard.yaml").write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "tabard_sidecar.cli", "serve"], capture_output=True, text=True, check=False
    )
    assert run.returncode == code, run.stderr
    assert expected in run.stderr


def test_closed_output_is_no_stack_trace():
    """`tabard ... | head` ends quietly."""
    run = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m tabard_sidecar.cli config schema | head -1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
