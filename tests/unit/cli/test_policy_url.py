"""Commands on the bundle at ``policy.url``: fetched once, verified, and called by its address."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from tabard_opa import Engine
from tabard_sidecar import exit_codes
from tabard_sidecar.cli import main

from tests.support.bundle_server import BundleServer
from tests.support.bundles import Key, bundle
from tests.support.policy import call

BROKEN = "\ndeny := true\n"


@pytest.fixture
def key(tmp_path):
    return Key(tmp_path, "release")


@pytest.fixture
def server():
    """A server of bundles in a thread of its own, with the URL in ``url``."""
    serving = BundleServer()
    loop = asyncio.new_event_loop()
    ended, ready = asyncio.Event(), threading.Event()

    async def serve():
        async with serving.running() as url:
            serving.url = url
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(20)
    yield serving
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


@pytest.fixture
def config(tmp_path, server, key):
    """A configuration that follows the server."""
    path = tmp_path / "tabard.yaml"
    keys = f"keys: {{release: {{algorithm: ES256, key_file: {key.public}}}}}"
    path.write_text(f"policy:\n  url: {server.url}?token=hidden\n  bundle: {{{keys}}}\n")
    return path


@pytest.fixture
def put(server, key, tmp_path):
    """Return a function that puts a signed bundle on the server."""

    def put(code="fine", sequence=7, more="", signer=key):
        with Engine() as engine:
            server.put(signer.sign(bundle(engine, tmp_path, code, sequence, more)))

    return put


def test_check_names_the_address_and_the_revision(put, config, server, capsys):
    """In JSON and for people; a secret in the address isn't shown."""
    put()
    assert main(["policy", "check", "--config", str(config), "--json"]) == exit_codes.OK
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert (report["path"], report["revision"], report["modules"]) == (server.url, "fine-7", ["demo"])
    assert err.strip() == f"{server.url}: revision fine-7, number 7, verified"
    assert main(["policy", "check", "--config", str(config)]) == exit_codes.OK
    out, err = capsys.readouterr()
    assert out.strip() == f"{server.url}: ok (0 errors, 0 warnings)"
    assert "hidden" not in out + err


def test_check_tells_what_is_wrong_with_its_rules(put, config, server, capsys):
    put(more=BROKEN)
    assert main(["policy", "check", "--config", str(config)]) == exit_codes.POLICY
    out, _ = capsys.readouterr()
    assert f"{server.url}:demo.rego:" in out
    assert "rule_shape" in out


def test_eval_decides_by_it(put, config, server, tmp_path, capsys):
    """The rule that decided is in the bundle."""
    put()
    document = tmp_path / "input.json"
    document.write_bytes(call())
    code = main(["policy", "eval", "--config", str(config), "--input", str(document), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["allowed"], found["revision"]) == (exit_codes.OK, True, "fine-7")
    assert found["reasons"][0]["rule"].startswith(f"{server.url}:demo.rego:")


def test_test_says_that_a_bundle_has_no_tests(put, config, capsys):
    """It is compiled all the same."""
    put()
    assert main(["policy", "test", "--config", str(config)]) == exit_codes.NEGATIVE
    assert "no tests and no cases" in capsys.readouterr().out
    put(code="worse", sequence=8, more=BROKEN)
    assert main(["policy", "test", "--config", str(config)]) == exit_codes.POLICY


def test_what_is_not_acceptable_is_refused(put, config, server, tmp_path, capsys):
    """A signature of another key is a broken policy; a server without an answer can't be reached."""
    put(signer=Key(tmp_path, "stranger"))
    assert main(["policy", "check", "--config", str(config)]) == exit_codes.POLICY
    assert "the bundle at policy.url can't be used" in capsys.readouterr().err
    server.token = "wanted"
    assert main(["policy", "check", "--config", str(config)]) == exit_codes.UNREACHABLE
    err = capsys.readouterr().err
    assert "refuses access with 401" in err
    assert "policy.download.token_file" in err


def test_commands_that_need_a_folder_say_so(put, config, capsys):
    put()
    assert main(["policy", "new", "more", "--config", str(config)]) == exit_codes.USAGE
    assert "the configured policy is at a URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "severity", "word"),
    [("", "ok", "revision fine-7, number 7, verified"), (BROKEN, "problem", "rule_shape")],
)
def test_doctor_fetches_it(put, config, capsys, *, more, severity, word):
    put(more=more)
    main(["doctor", "--config", str(config), "--json"])
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["what"] == "policy"]
    assert [one["severity"] for one in found] == [severity]
    assert word in found[0]["message"]
    assert "/bundles/policy.tar.gz" in found[0]["message"]


def test_doctor_tells_a_server_that_is_gone(config, server, capsys):
    server.token = "wanted"
    main(["doctor", "--config", str(config), "--json"])
    found = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["what"] == "policy"]
    assert [one["severity"] for one in found] == ["problem"]
    assert "refuses access with 401" in found[0]["message"]
