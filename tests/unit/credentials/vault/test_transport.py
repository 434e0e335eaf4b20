import json
import time

import pytest
from tabard_sidecar.credentials.vault import faults
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.transport import VaultTransport
from tabard_sidecar.util.bounded_http import MAX_REPLY_BYTES, check_time, until

from tests.support.fake_vault import Answer, fake_vault
from tests.support.tls import Authority

PATH = "/v1/some/path"


def transport_to(vault, **changes):
    """The way to a vault."""
    options = {"ca_file": None, "namespace": "", "connections": 4} | changes
    return VaultTransport(vault.address, **options)


def get(transport, *, seconds=30.0):
    """Ask for a path."""
    with until(time.monotonic() + seconds):
        return transport.adapter("hvs.token").request("get", PATH)


def fault_of(transport, **options):
    """Return the fault of a request, which must come in time."""
    began = time.monotonic()
    with pytest.raises(VaultFault) as caught:
        get(transport, **options)
    assert time.monotonic() - began < 20.0
    return caught.value


def raw(*steps):
    """An answer of raw bytes."""
    return Answer(steps=list(steps), hangs_up=True)


def test_a_reply_is_an_object_and_the_connection_is_kept(vault):
    vault.answers[PATH] = Answer(body={"data": {"a": 1}})
    transport = transport_to(vault, namespace="team")
    assert [get(transport) for _ in range(3)] == [{"data": {"a": 1}}] * 3
    vault.answers[PATH] = Answer(204)
    assert get(transport) == {}
    assert vault.connections == 1
    headers = vault.asked[0].headers
    assert headers["X-Vault-Token"] == "hvs.token"
    assert headers["X-Vault-Namespace"] == "team"
    assert headers["X-Vault-Request"] == "true"
    assert headers["Accept-Encoding"] == "identity"


def test_chunked_replies_keep_the_connection_too(vault):
    content = b'{"data":{}}'
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    vault.answers[PATH] = Answer(steps=[head + chunked])
    transport = transport_to(vault)
    assert [get(transport) for _ in range(2)] == [{"data": {}}] * 2
    assert vault.connections == 1


@pytest.mark.parametrize(
    ("answer", "code", "text", "nothing_done"),
    [
        (Answer(body=b"x" * (MAX_REPLY_BYTES + 1)), "vault_reply_invalid", "longer than", False),
        (Answer(body=b"not json"), "vault_reply_invalid", "can't be read", False),
        (Answer(body=[1]), "vault_reply_invalid", "no JSON object", False),
        (Answer(body=b"[" * 50_000), "vault_reply_invalid", "can't be read", False),
        (Answer(body=b'{"a":1,"a":2}'), "vault_reply_invalid", "can't be read", False),
        (Answer(body=b"\xff\xfe"), "vault_reply_invalid", "can't be read", False),
        (Answer(206, {}), "vault_reply_invalid", "HTTP status 206", False),
        (
            Answer(body=b"{}", headers={"Content-Encoding": "gzip"}),
            "vault_reply_invalid",
            "compressed",
            False,
        ),
        (
            Answer(307, headers={"Location": "http://127.0.0.1:1/v1"}),
            "vault_reply_invalid",
            "redirects",
            True,
        ),
        (Answer(400, {"errors": ["unknown role x"]}), "vault_refused", "unknown role x", True),
        (Answer(403, {"errors": ["permission denied"]}), "vault_refused", "permission denied", True),
        (Answer(404, [1]), "vault_refused", "HTTP status 404", True),
        (Answer(429, {"errors": ["slow down"]}), "vault_unavailable", "slow down", True),
        (Answer(473), "vault_unavailable", "HTTP status 473", True),
        (Answer(500, {"errors": "x"}), "vault_unavailable", "HTTP status 500", False),
        (Answer(500, b"[]"), "vault_unavailable", "HTTP status 500", False),
        (Answer(503, {"errors": ["Vault is sealed"]}), "vault_unavailable", "Vault is sealed", True),
        (Answer(503, b"<html>"), "vault_unavailable", "HTTP status 503", False),
        (raw(), "vault_unavailable", "closed the connection", False),
        (raw(b"SSH-2.0-x\r\n"), "vault_unavailable", "isn't HTTP", False),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), "vault_unavailable", "closed", False),
        (
            raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
            "vault_unavailable",
            "closed",
            False,
        ),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500), "vault_unavailable", "isn't HTTP", False),
        (raw(b"HTTP/1.1 200 " + b"x" * 200_000), "vault_unavailable", "isn't HTTP", False),
    ],
)
def test_hostile_and_broken_replies(vault, answer, code, text, nothing_done):
    vault.answers[PATH] = answer
    fault = fault_of(transport_to(vault))
    assert (fault.code, fault.nothing_done) == (code, nothing_done)
    assert text in fault.message


def test_redirects_are_never_followed(vault):
    with fake_vault() as other:
        vault.answers[PATH] = Answer(302, headers={"Location": other.address + PATH})
        fault_of(transport_to(vault))
        assert other.asked == []


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@pytest.mark.parametrize(
    "steps",
    [
        [30.0],
        [b"HTTP/1.1 200 OK\r\n", 30.0],
        [step for _ in range(300) for step in (b"H", 0.1)],
        [HEAD, *(step for _ in range(300) for step in (b" ", 0.1))],
        [b"HTTP/1.1 200 OK\r\n", *(step for _ in range(90) for step in (b"A: b\r\n", 0.1))],
    ],
    ids=["silent", "half-open", "slow status", "slow body", "slow headers"],
)
def test_a_slow_vault_takes_no_longer_than_the_time(vault, steps):
    vault.answers[PATH] = raw(*steps)
    fault = fault_of(transport_to(vault), seconds=0.4)
    assert (fault.code, fault.message) == ("vault_unavailable", "it didn't answer in time")
    assert not fault.nothing_done


def test_without_time_left_nothing_is_asked(vault):
    fault = fault_of(transport_to(vault), seconds=-1)
    assert (fault.code, fault.nothing_done) == ("vault_unavailable", True)
    assert vault.asked == []
    with until(time.monotonic() + 5):
        assert 0 < check_time(faults) <= 5


def test_a_vault_that_nobody_runs(vault):
    vault.close()
    fault = fault_of(transport_to(vault))
    assert (fault.code, fault.nothing_done) == ("vault_unavailable", True)
    assert "can't be reached" in fault.message


def test_proxies_and_passwords_of_the_environment_are_not_used(vault, monkeypatch, tmp_path):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    vault.answers[PATH] = Answer(body={})
    assert get(transport_to(vault)) == {}
    assert "Authorization" not in vault.asked[0].headers


def test_the_certificate_is_of_a_trusted_authority_and_names_the_host(tmp_path):
    ours, strangers = Authority(tmp_path, "ours"), Authority(tmp_path, "strangers")
    cases = [
        (ours.issue("vault"), ours.certificate, ""),
        (strangers.issue("other"), ours.certificate, "unable to get local issuer"),
        (ours.issue("elsewhere", names=["vault.example"]), ours.certificate, "IP address mismatch"),
        (ours.issue("again"), None, "unable to get local issuer"),
    ]
    for tls, ca_file, problem in cases:
        with fake_vault(tls) as fake:
            fake.answers[PATH] = Answer(body={"data": {}})
            transport = transport_to(fake, ca_file=ca_file)
            if not problem:
                assert get(transport) == {"data": {}}
                continue
            fault = fault_of(transport)
            assert (fault.code, fault.nothing_done) == ("vault_unavailable", True)
            assert "certificate isn't acceptable" in fault.message
            assert problem in fault.message
            assert fake.asked == []


def test_no_token_stands_in_an_error(vault):
    secrets = [
        "hvs.CAESIHkOcYiXSusEWR0WqQxvghOYEx",
        "s.abcdefghijklmnopqrstuvwx",
        "eyJhbGciOiJ.eyJhIjoxfQ.c2ln",
    ]
    where = (
        "dial error (failed to connect to `host=10.1.2.3 user=vault database=orders`): postgresql://u:pw@db/x"
    )
    vault.answers[PATH] = Answer(400, {"errors": [*secrets[:2], f"{secrets[2]} {where}\x1b[2J"]})
    message = fault_of(transport_to(vault)).message
    for secret in [*secrets, "10.1.2.3", "user=vault", "u:pw", "\x1b"]:
        assert secret not in message
    vault.answers[PATH] = Answer(400, {"errors": ["x" * 100_000] * 9})
    assert len(fault_of(transport_to(vault)).message) < 1200
    assert json.dumps(message)
