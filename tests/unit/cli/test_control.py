"""``tabard control``: master keys, and the mistakes of the service's configuration."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from tabard_sidecar.cli import main

CONFIG = """\
server:
  tls_certificate_file: tls.crt
  tls_key_file: tls.key
master:
  directory: masters
cluster:
  ca_file: ca.crt
"""


@pytest.fixture
def tabard(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "control.yaml").write_text(CONFIG)

    def tabard(*arguments):
        code = main(["control", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return tabard


def test_master_keys_are_made_and_listed_without_secrets(tabard, tmp_path):
    code, out, _ = tabard("keys", "new", "--directory", "masters")
    assert code == 0
    assert "generation 1 is used from" in out
    code, out, _ = tabard("keys", "new", "--directory", "masters", "--json", "--lead-seconds", "60")
    assert (code, json.loads(out)["generation"], json.loads(out)["state"]) == (0, 2, "waiting")
    code, out, _ = tabard("keys", "list", "--directory", "masters")
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["1", "active"], ["2", "waiting"]]
    code, out, _ = tabard("keys", "list", "--directory", "masters", "--json")
    assert [row["generation"] for row in json.loads(out)] == [1, 2]
    for path in (tmp_path / "masters").glob("*.json"):
        assert json.loads(path.read_text())["key"] not in out


def test_states_of_generations(tabard):
    tabard("keys", "new", "--directory", "m")
    tabard("keys", "new", "--directory", "m", "--lead-seconds", "0", "--overlap-seconds", "0")
    tabard("keys", "new", "--directory", "m", "--lead-seconds", "0", "--overlap-seconds", "900")
    _, out, _ = tabard("keys", "list", "--directory", "m", "--json")
    assert [row["state"] for row in json.loads(out)] == ["retired", "accepted", "active"]


def test_one_that_waits_is_told_and_nothing_is_added(tabard, tmp_path):
    tabard("keys", "new", "--directory", "m")
    tabard("keys", "new", "--directory", "m")
    code, _, err = tabard("keys", "new", "--directory", "m")
    assert code == 3
    assert "generation 2 isn't in use before" in err
    assert len(list((tmp_path / "m").glob("*.json"))) == 2


def test_a_folder_without_keys_is_told(tabard, tmp_path):
    (tmp_path / "m").mkdir(mode=0o700)
    code, _, err = tabard("keys", "list", "--directory", "m")
    assert code == 3
    assert "make one with: tabard control keys new" in err


def test_mistakes_of_the_configuration_are_told_together(tabard, tmp_path):
    (tmp_path / "control.yaml").write_text(
        CONFIG.replace("ca.crt", "ca.crt\n  audiance: x\n  url: http://api")
    )
    code, _, err = tabard("serve", "--config", "control.yaml")
    assert code == 3
    assert 'Did you mean "audience"? See docs/reference/control.md.' in err
    assert "control.yaml:9:8: cluster.url" in err


def test_a_start_that_fails_says_what_to_do(tabard, tmp_path):
    code, _, err = tabard("serve", "--config", "control.yaml")
    assert code == 3
    assert "next: Make master keys with `tabard control keys new`" in err
    tabard("keys", "new", "--directory", "masters")
    code, _, err = tabard("serve", "--config", "control.yaml")
    assert code == 3
    assert "tls.crt: No such file" in err
    assert "next: Correct server.tls_certificate_file" in err


def test_a_sidecar_that_gets_its_keys_there_has_no_key_directory(tabard, tmp_path, capsys):
    """Commands about keys say so, and a configuration with both is refused."""
    (tmp_path / "tabard.yaml").write_text("keys: {control: {url: 'https://control.example.org'}}\n")
    assert main(["keys", "list"]) == 3
    assert "come from a control service" in capsys.readouterr().err
    assert main(["config", "check", "--set", "keys.directory=keys"]) == 3
    assert "set keys.directory or keys.control" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "http://control.example.org",
        "https://",
        "https://user@control.example.org",
        "https://control.example.org/path",
        "https://control.example.org?x=1",
        "https://control.example.org:0",
        "https://control.example.org:99999",
        "unix:/run/x",
    ],
)
def test_an_address_that_is_more_or_less_than_a_host_is_refused(tabard, tmp_path, capsys, url):
    (tmp_path / "tabard.yaml").write_text(f"keys: {{control: {{url: '{url}'}}}}\n")
    assert main(["config", "check"]) == 3
    assert "must be https://HOST or https://HOST:PORT" in capsys.readouterr().err


def test_the_serving_sidecar_imports_nothing_of_it():
    code = (
        "import sys, tabard_sidecar.server.lifecycle\n"
        "sys.exit(any(name in sys.modules for name in ('tabard_sidecar.control', 'tabard_sidecar.keys.control')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
