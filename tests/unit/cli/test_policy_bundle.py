"""`tabard policy build`, `sign`, `verify` and `push`, and that OPA's own program agrees with them."""

from __future__ import annotations

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from tabard_opa_cli import opa_binary
from tabard_sidecar import exit_codes
from tabard_sidecar.cli.policy import policy
from tabard_sidecar.policy.authoring.signing import file_digest, public_key

from tests.support.policy import GRANT_ALL, write

ODD = {
    "text": 'a "b" \\ / \u2028\u2029 \x7f \x01 \b\f\n\r\t <&> \u00e9 \U0001f600',
    "\u2028key": [1, -0.5, 1e21, 12345678901234567890, 0.1, True, False, None],
    "": {},
    "empty": [],
}


def run(*arguments, **more):
    return CliRunner().invoke(policy, [str(argument) for argument in arguments], **more)


def done(*arguments, **more):
    """Run a command with ``--json`` that has to succeed, and return its answer."""
    result = run(*arguments, "--json", **more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def opa(*arguments):
    command = [str(one) for one in (opa_binary(), *arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def new_key(folder, algorithm):
    """Write a key pair, and return the files of both."""
    if algorithm.startswith("HS"):
        secret = folder / "secret"
        secret.write_text("s" * 64)
        secret.chmod(0o600)
        return secret, secret
    key = (
        ec.generate_private_key(
            {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}[algorithm]
        )
        if algorithm.startswith("ES")
        else rsa.generate_private_key(65537, 2048)
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(pem)
    private.chmod(0o600)
    public.write_bytes(public_key(pem, algorithm))
    public.chmod(0o644)
    return private, public


@pytest.fixture
def folder(tmp_path):
    """A policy with tests, cases, a mask and data that encoders write differently."""
    found = write(tmp_path / "policy", demo=GRANT_ALL, demo_test="package demo_test\n\ntest_x if true\n")
    write(found, masks='package system.log\n\nmask contains "/input/tool/arguments/iban"\n')
    (found / "odd").mkdir()
    (found / "odd" / "data.json").write_text(json.dumps(ODD))
    (found / "more").mkdir()
    (found / "more" / "data.yaml").write_text("limit: 5\n")
    return found


@pytest.fixture
def built(folder, tmp_path):
    path = tmp_path / "b.tar.gz"
    done("build", folder, "-o", path, "--sequence", 7)
    return path


def test_the_same_policy_gives_the_same_bytes(folder, tmp_path):
    """Whatever times, owners and modes its files have, and in whatever order they were written."""
    copy = tmp_path / "copy"
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            target = copy / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
            target.chmod(0o600)
    one = done("build", folder, "-o", tmp_path / "1.tar.gz", "--sequence", 3)
    done("build", copy, "-o", tmp_path / "2.tar.gz", "--sequence", 3)
    done("build", folder, "-o", tmp_path / "3.tar.gz", env={"SOURCE_DATE_EPOCH": "3"})
    done("build", folder, "-o", tmp_path / "4.tar.gz", "--sequence", 4)
    contents = [(tmp_path / f"{number}.tar.gz").read_bytes() for number in (1, 2, 3, 4)]
    assert contents[0] == contents[1] == contents[2] != contents[3]
    assert one["sequence"] == 3
    assert one["roots"] == ["more", "odd", "policy", "system/log"]
    assert not any(module.endswith("_test.rego") for module in one["modules"])


def test_a_bundle_that_was_built_is_built_again_to_the_same(built, tmp_path):
    first = done("build", built, "-o", tmp_path / "again.tar.gz", "--sequence", 7)
    assert (tmp_path / "again.tar.gz").read_bytes() == built.read_bytes()
    assert first["sequence"] == 7


def test_a_policy_that_cannot_be_served_is_not_built(tmp_path):
    write(tmp_path / "policy", demo=GRANT_ALL + "\ndeny contains x if y\n")
    result = run("build", tmp_path / "policy", "-o", tmp_path / "b.tar.gz")
    assert result.exit_code == exit_codes.POLICY
    assert "demo.rego" in result.output
    assert not (tmp_path / "b.tar.gz").exists()


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "0", "9" * 30, "1.5"])
def test_a_wrong_time_of_the_environment_is_told(folder, tmp_path, epoch):
    result = run("build", folder, "-o", tmp_path / "b.tar.gz", env={"SOURCE_DATE_EPOCH": epoch})
    assert result.exit_code == exit_codes.USAGE
    assert "SOURCE_DATE_EPOCH" in result.output


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512", "RS256", "PS256", "RS512", "HS256"])
def test_what_is_signed_is_verified_here_and_by_opa(built, tmp_path, algorithm):
    private, public = new_key(tmp_path, algorithm)
    said = done("sign", built, "--signing-key", private, "--algorithm", algorithm, "--key-id", "release")
    assert (said["key_id"], said["expires_at"]) == ("release", None)
    found = done("verify", built, "--key", public, "--algorithm", algorithm)
    assert (found["ok"], found["sequence"]) == (True, 7)
    options = ["--verification-key-id", "release", "--signing-alg", algorithm]
    told = opa(
        "build", "-b", built, "-o", tmp_path / "by-opa.tar.gz", "--verification-key", public, *options,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr


def test_opa_refuses_what_was_changed_after_it(built, tmp_path):
    """The test above would pass with an OPA that verifies nothing."""
    _, public = new_key(tmp_path, "ES256")
    other = tmp_path / "other"
    other.mkdir()
    private, _ = new_key(other, "ES256")
    done("sign", built, "--signing-key", private)
    told = opa(
        "build", "-b", built, "-o", tmp_path / "x.tar.gz", "--verification-key", public,
        "--verification-key-id", "default", "--signing-alg", "ES256",
    )  # fmt: skip
    assert told.returncode != 0
    assert run("verify", built, "--key", public).exit_code == exit_codes.POLICY


def test_what_opa_builds_and_signs_is_verified_and_signed_again(folder, tmp_path):
    private, public = new_key(tmp_path, "ES256")
    path = tmp_path / "opa.tar.gz"
    told = opa(
        "build", "-b", folder, "-o", path, "--signing-alg", "ES256", "--signing-key", private,
        "--ignore", "*_test.rego",
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
    assert done("verify", path, "--key", public)["sequence"] is None
    done("sign", path, "--signing-key", private, "--key-id", "second")
    done("verify", path, "--key", public)
    assert (
        done("build", path, "-o", tmp_path / "n.tar.gz", "--sequence", 9, *_configured(tmp_path, public))[
            "sequence"
        ]
        == 9
    )


def _configured(folder, public):
    file = folder / "tabard.yaml"
    keys = {"second": {"algorithm": "ES256", "key_file": str(public)}}
    file.write_text(json.dumps({"policy": {"bundle": {"keys": keys}}}))
    return "--config", file


def test_an_opa_server_serves_what_was_built(built):
    told = opa("eval", "-b", built, "--format", "raw", "data.odd")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == ODD


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=5), below, max_size=4),
    max_leaves=10,
)


@given(json_values, st.sampled_from([None, 1, "\t"]))
def test_white_space_and_order_do_not_change_a_digest(value, indent):
    plain = json.dumps({"b": value, "a": 1}).encode()
    spaced = json.dumps({"a": 1, "b": value}, indent=indent, ensure_ascii=False).encode()
    assert file_digest("x/data.json", plain) == file_digest("x/data.json", spaced)
    assert file_digest("x.rego", plain) != file_digest("x.rego", spaced)


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        ("others can read it", "chmod 600"),
        ("public key", "isn't a private key"),
        ("wrong curve", "can't sign with ES256"),
        ("of RSA", "can't sign with ES256"),
        ("missing", "doesn't exist"),
    ],
)
def test_a_key_that_cannot_sign(built, tmp_path, problem, expected):
    before = built.read_bytes()
    private, public = new_key(tmp_path, {"wrong curve": "ES384", "of RSA": "RS256"}.get(problem, "ES256"))
    if problem == "others can read it":
        private.chmod(0o644)
    elif problem == "public key":
        public.chmod(0o600)
        private = public
    elif problem == "missing":
        private.unlink()
    result = run("sign", built, "--signing-key", private)
    assert result.exit_code in {exit_codes.POLICY, exit_codes.USAGE}
    assert expected in result.output
    assert built.read_bytes() == before


def test_yaml_is_not_signed(folder, tmp_path):
    """OPA hashes what its own reader finds in it."""
    private, _ = new_key(tmp_path, "ES256")
    subprocess.run(
        ["tar", "czf", tmp_path / "y.tar.gz", "-C", folder, "demo.rego", "more/data.yaml"], check=True
    )
    result = run("sign", tmp_path / "y.tar.gz", "--signing-key", private)
    assert result.exit_code == exit_codes.POLICY
    assert "more/data.yaml" in result.output


def test_a_signature_ends_and_has_a_scope(built, tmp_path):
    private, public = new_key(tmp_path, "ES256")
    done("sign", built, "--signing-key", private, "--scope", "live", "--expires-in", 1000)
    assert run("verify", built, "--key", public).exit_code == exit_codes.POLICY
    done("verify", built, "--key", public, "--scope", "live")
    assert run("verify", built, "--key", public, "--scope", "trial").exit_code == exit_codes.POLICY


def test_verify_needs_a_key_and_a_signature(built, tmp_path):
    _, public = new_key(tmp_path, "ES256")
    (tmp_path / "none.yaml").write_text("{}")
    assert run("verify", built, "--config", tmp_path / "none.yaml").exit_code == exit_codes.USAGE
    result = run("verify", built, "--key", public)
    assert result.exit_code == exit_codes.POLICY
    assert "signature" in result.output


@pytest.fixture
def server():
    """Take what is sent with PUT; ``server.told`` has path, authorization and body of each."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.told.append((self.path, self.headers.get("Authorization"), body))
            self.send_response(found.status)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    found.told, found.status = [], 201
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def test_push_verifies_and_sends(built, tmp_path, server):
    private, public = new_key(tmp_path, "ES256")
    token = tmp_path / "token"
    token.write_text("secret-token\n")
    token.chmod(0o600)
    url = f"http://127.0.0.1:{server.server_port}/b.tar.gz?signature=hidden"
    refused = run("push", built, url, "--key", public, "--token-file", token)
    assert (refused.exit_code, server.told) == (exit_codes.POLICY, [])
    done("sign", built, "--signing-key", private)
    said = done("push", built, url, "--key", public, "--token-file", token)
    assert server.told == [("/b.tar.gz?signature=hidden", "Bearer secret-token", built.read_bytes())]
    assert "hidden" not in json.dumps(said)
    for server.status in (302, 401, 500):
        result = run("push", built, url, "--key", public, "--token-file", token)
        assert result.exit_code == exit_codes.UNREACHABLE
        assert f"answers {server.status}" in result.output
        assert "secret-token" not in result.output
        assert "hidden" not in result.output
    assert {path for path, _, _ in server.told} == {"/b.tar.gz?signature=hidden"}


def test_push_into_a_file_and_to_what_cannot_be(built, tmp_path):
    (tmp_path / "none.yaml").write_text("{}")
    config = ("--config", tmp_path / "none.yaml")
    done("push", built, tmp_path / "served.tar.gz", *config)
    assert (tmp_path / "served.tar.gz").read_bytes() == built.read_bytes()
    for target in ("http://bundles.example/b.tar.gz", "ftp://127.0.0.1/b", "https://user:pw@host/b"):
        result = run("push", built, target, *config)
        assert result.exit_code == exit_codes.USAGE, result.output
        assert "pw" not in result.output.replace(target, "")
    gone = run("push", built, "http://127.0.0.1:9/b.tar.gz", *config)
    assert gone.exit_code == exit_codes.UNREACHABLE
    nowhere = run("push", built, tmp_path / "no" / "b.tar.gz", *config)
    assert nowhere.exit_code == exit_codes.UNREACHABLE
