"""The ``tabard keys`` commands."""

import base64
import json

import pytest
from click.testing import CliRunner
from tabard.verify.keys import parse_jwks
from tabard_sidecar.cli.keys import keys
from tabard_sidecar.keys import ROOT, SIGNING, Keyring, jwks


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def run(directory):
    def invoke(command, *arguments):
        return CliRunner().invoke(keys, [command, "--directory", str(directory), *arguments])

    return invoke


def test_new_creates_the_directory_and_an_active_key(run, directory):
    result = run("new", "--use", "signing", "--algorithm", "EdDSA")

    assert result.exit_code == 0
    assert Keyring(directory).active(SIGNING).kid in result.output


def test_list_shows_states_and_no_secret(run, directory):
    run("new", "--use", "root")
    run("rotate", "--use", "root")

    text, document = run("list"), json.loads(run("list", "--json").output)

    assert {"active", "waiting"} == {row["state"] for row in document}
    secrets = [key.secret for key in Keyring(directory).list(ROOT)]
    assert all(base64.urlsafe_b64encode(secret).decode()[:20] not in text.output for secret in secrets)


def test_export_prints_the_audiences_keys_and_what_they_can_do(run, directory):
    run("new", "--use", "root")

    result = run("export", "--audience", "https://api.example.org")

    document = json.loads(result.stdout)
    key = Keyring(directory).active(ROOT)
    derived = Keyring(directory).derive(key, "credential:https://api.example.org")
    assert document["audience"] == "https://api.example.org"
    assert [
        {"kty": "oct", "kid": key.kid, "k": base64.urlsafe_b64encode(derived).decode().rstrip("=")}
    ] == document["keys"]
    assert "can also mint" in result.stderr


@pytest.mark.parametrize(
    "command", [("rotate", "--use", "root"), ("list",), ("export", "--audience", "a"), ("jwks",)]
)
def test_a_directory_that_is_refused_ends_with_the_configuration_exit_code(run, directory, command):
    directory.mkdir(mode=0o755)

    result = run(*command)

    assert result.exit_code == 3
    assert f"chmod 700 {directory}" in result.output


def test_jwks_prints_what_the_sidecar_publishes_and_a_backend_accepts(run, directory, tmp_path):
    run("new", "--use", "root")
    run("new", "--use", "signing", "--algorithm", "EdDSA")
    run("rotate", "--use", "signing")

    printed = run("jwks").stdout

    assert json.loads(printed) == jwks(Keyring(directory))
    waiting_too = {key.kid for key in Keyring(directory).list(SIGNING)}
    assert set(parse_jwks(printed.encode())) == waiting_too
    assert len(waiting_too) == 2
    assert not {"d", "k"} & {member for key in json.loads(printed)["keys"] for member in key}


def test_jwks_without_a_signing_key_says_how_to_make_one(run):
    run("new", "--use", "root")

    result = run("jwks")

    assert result.exit_code == 3
    assert "tabard keys new --use signing" in result.output


def test_exporting_without_a_root_key_says_how_to_make_one(run):
    run("new", "--use", "signing")

    result = run("export", "--audience", "a")

    assert result.exit_code == 3
    assert "tabard keys new --use root" in result.output


def test_the_directory_is_taken_from_the_configuration(tmp_path):
    (tmp_path / "tabard.yaml").write_text("keys: {directory: ring}\n")

    result = CliRunner().invoke(keys, ["new", "--use", "root", "--config", str(tmp_path / "tabard.yaml")])

    assert result.exit_code == 0
    assert Keyring(tmp_path / "ring").active(ROOT).kid in result.output
