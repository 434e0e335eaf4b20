"""The ``tabard keys`` commands."""

import base64
import json

import pytest
from click.testing import CliRunner
from tabard.verify.keys import parse_jwks
from tabard_sidecar import exit_codes
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


@pytest.fixture
def mounted(tmp_path):
    """A Secret with two keys, as a kubelet mounts it."""
    made = Keyring.create_directory(tmp_path / "made")
    made.create(ROOT)
    made.create(SIGNING)
    dated = tmp_path / "secret" / "..2026"
    dated.mkdir(parents=True)
    for path in made.directory.glob("*.json"):
        (dated / path.name).write_bytes(path.read_bytes())
        (dated / path.name).chmod(0o440)
        (dated.parent / path.name).symlink_to(f"..data/{path.name}")
    (dated.parent / "..data").symlink_to(dated.name)
    return dated.parent


def test_copy_makes_a_keyring_of_a_mounted_secret(run, directory, mounted):
    result = run("copy", "--from", str(mounted))
    assert result.output == f"2 keys copied to {directory}.\n"
    ring = Keyring(directory)
    assert {ring.active(use).kid for use in (ROOT, SIGNING)} == {path.stem for path in mounted.glob("*.json")}
    assert {path.stat().st_mode & 0o777 for path in directory.glob("*.json")} == {0o600}
    assert not any(path.is_symlink() for path in directory.iterdir())
    # An init container may run again.
    assert len(json.loads(run("copy", "--from", str(mounted), "--json").output)) == 2


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda folder: [path.unlink() for path in folder.glob("*.json")], "holds no key"),
        (lambda folder: (folder / "notes.txt").write_text("x"), "doesn't end in .json"),
        (lambda folder: (folder / "root-x.json").write_text("{}"), "root-x.json: "),
        (lambda folder: (folder / "root-y.json").write_bytes(b" " * 1_000_000), "root-y.json: "),
        (lambda folder: next(folder.glob("*.json")).resolve().chmod(0o666), "chmod"),
        (
            lambda folder: next(folder.glob("*.json")).rename(folder / "other.json"),
            "differs from the file's name",
        ),
    ],
)
def test_copy_writes_nothing_of_a_folder_that_is_not_only_keys(run, directory, mounted, damage, told):
    damage(mounted)
    result = run("copy", "--from", str(mounted))
    assert result.exit_code == exit_codes.CONFIG
    assert told in " ".join(result.output.split())
    assert not directory.exists() or not list(directory.glob("*.json"))
