"""A remote OPA server over mutual TLS: both sides prove who they are, or nothing is decided."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import closing

import pytest
from tabard_opa_cli import opa_binary
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.model import Operation
from tabard_sidecar.policy.conf import PolicyConfig, RemoteConfig
from tabard_sidecar.policy.factory import create_runtime
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.policy.resources import rego_root

from tests.components.ports import free_port
from tests.support.policy import SUPPORT, decide, encoded, policy_input, tool
from tests.support.tls import Authority
from tests.support.waiting import eventually_blocking


@pytest.fixture
def authority(tmp_path):
    """Who signs the certificates of server and client."""
    return Authority(tmp_path, "zone")


@pytest.fixture
def url(tmp_path, authority):
    """A real OPA server that asks every client for a certificate of the authority."""
    certificate, key = authority.issue("server")
    port = free_port()
    library = [str(p) for p in (rego_root() / "tabard").rglob("*.rego") if not p.name.endswith("_test.rego")]
    policy = SUPPORT / "policy"
    command = [opa_binary(), "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    command += ["--tls-cert-file", certificate, "--tls-private-key-file", key]
    command += ["--tls-ca-cert-file", authority.certificate, "--authentication=tls"]
    files = [*library, policy / "refunds" / "refunds.rego", policy / "data.json"]
    process = subprocess.Popen([*map(str, command), *map(str, files)], stderr=subprocess.DEVNULL)

    def accepts_connections():
        assert process.poll() is None, "OPA didn't start"
        with closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually_blocking(accepts_connections)
    yield f"https://127.0.0.1:{port}"
    process.terminate()
    process.wait(20)


async def ask_once(url, engine, **remote):
    """Start a runtime on the server and ask it once."""
    config = PolicyConfig(remote=RemoteConfig(url=url, **remote), poll_seconds=3600, deadline_seconds=5)
    runtime = create_runtime(config, CompileOptions(), engine, time.time)
    try:
        await runtime.start()
        return await decide(runtime, Operation.AUTHORIZE, encoded(policy_input(tool=tool("exports.create"))))
    finally:
        await runtime.close()


async def test_both_sides_prove_who_they_are(url, engine, authority):
    """With a certificate of the authority the server answers as any other."""
    certificate, key = authority.issue("sidecar")
    decision = await ask_once(url, engine, ca_file=authority.certificate, cert_file=certificate, key_file=key)
    assert not decision.allowed
    assert decision.denials


@pytest.mark.parametrize(
    "wrong", ["no client certificate", "foreign client", "foreign server", "system authorities"]
)
async def test_a_peer_without_a_valid_certificate_gets_no_decision(url, engine, authority, tmp_path, wrong):
    """No certificate, one of another authority, or a server with a certificate of another authority: nothing is decided."""
    stranger = Authority(tmp_path, "stranger")
    certificate, key = (stranger if wrong == "foreign client" else authority).issue("sidecar")
    remote = {"ca_file": authority.certificate, "cert_file": certificate, "key_file": key}
    if wrong == "no client certificate":
        remote = {"ca_file": authority.certificate}
    elif wrong == "foreign server":
        remote["ca_file"] = stranger.certificate
    elif wrong == "system authorities":
        del remote["ca_file"]
    with pytest.raises((PolicyBrokenError, NoDecision)):
        await ask_once(url, engine, **remote)
