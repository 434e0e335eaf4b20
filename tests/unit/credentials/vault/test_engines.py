"""Replies of engines that no real Vault gives are refused; what real ones give is in tests/integration/vault."""

from __future__ import annotations

import datetime as dt
import json
import time
from base64 import b64decode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from tabard_sidecar.credentials.vault.conf import VaultRoleConfig
from tabard_sidecar.credentials.vault.engines import ENGINES, Asking, leases, obtain
from tabard_sidecar.credentials.vault.faults import VaultFault
from tabard_sidecar.credentials.vault.transport import VaultTransport
from tabard_sidecar.util.bounded_http import until

from tests.support.credentials import request_of
from tests.support.fake_vault import Answer

KEY = ec.generate_private_key(ec.SECP256R1())
ROLES = {
    "database": {"engine": "database", "name": "r"},
    "kv": {"engine": "kv", "name": "a/b", "fields": ["key"]},
    "ldap": {"engine": "ldap", "name": "r"},
    "static": {"engine": "ldap", "name": "r", "account": "static"},
    "library": {"engine": "ldap", "name": "r", "account": "library"},
    "pki": {"engine": "pki", "name": "r", "common_name": "a.example.org"},
    "ssh": {"engine": "ssh", "name": "r", "principals": ["deploy"]},
    "transit": {"engine": "transit", "name": "r"},
}
PATHS = {
    "ldap": "ldap/creds/r",
    "static": "ldap/static-cred/r",
    "library": "ldap/library/r/check-out",
    "pki": "pki/issue/r",
    "ssh": "ssh/issue/r",
    "transit": "transit/sign/r",
}


@pytest.fixture
def asked(vault):
    """Asks an engine for a credential of 300 s, whose answer is given."""

    def ask(role, answer):
        vault.answers[f"/v1/{PATHS[role]}"] = answer if callable(answer) else Answer(body=answer)
        transport = VaultTransport(vault.address, ca_file=None, namespace="", connections=4)
        config = VaultRoleConfig.model_validate(ROLES[role] | {"audiences": ["x"]})
        with until(time.monotonic() + 5):
            return obtain(Asking(transport.adapter("hvs.child"), config, 300, request_of("vault")))

    return ask


def refused(asked, role, answer):
    """Return why a reply is refused."""
    with pytest.raises(VaultFault) as caught:
        asked(role, answer)
    assert caught.value.code == "vault_reply_invalid"
    return caught.value.message


def account(path, **changes):
    """A reply with an account of a directory."""
    data = {"username": "u", "password": "p", "distinguished_names": ["cn=u,dc=example", "cn=group"]}
    return {"lease_id": f"{path}/abc", "lease_duration": 600, "data": data | changes}


def test_an_account_of_the_directory(asked):
    found = asked("ldap", account(PATHS["ldap"]))
    assert dict(found.fields) == {"username": "u", "password": "p", "dn": "cn=u,dc=example"}
    assert (found.lease_id, found.seconds) == ("ldap/creds/r/abc", 600.0)
    assert "'p'" not in repr(found)


@pytest.mark.parametrize(
    "reply",
    [
        account("ldap/creds/other"),
        account("ldap/creds/r", password=None),
        account("ldap/creds/r", distinguished_names="cn=u"),
        account("ldap/creds/r", distinguished_names=[5]),
        account("ldap/creds/r") | {"lease_duration": 0},
        account("ldap/creds/r") | {"data": None},
    ],
)
def test_an_odd_account_is_refused(asked, reply):
    assert refused(asked, "ldap", reply)


def test_an_account_without_a_lease_is_refused_unless_it_is_static(asked):
    reply = {"data": {"username": "u", "password": "p", "dn": "cn=u"}}
    assert dict(asked("static", reply).fields) == {"username": "u", "password": "p", "dn": "cn=u"}
    assert refused(asked, "ldap", reply)
    checked_out = {"data": {"service_account_name": "s", "password": "p"}}
    assert refused(asked, "library", checked_out)
    lease = {"lease_id": f"{PATHS['library']}/a", "lease_duration": 60}
    assert dict(asked("library", lease | checked_out).fields) == {"username": "s", "password": "p"}
    assert refused(asked, "library", lease | {"data": {"password": "p"}})


def certificate(name="a.example.org", seconds=300, **changes):
    """A reply with a certificate."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=2))
        .not_valid_after(now + dt.timedelta(seconds=seconds))
    )
    pem = builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    data = {"certificate": pem, "private_key": "k", "issuing_ca": "c", "serial_number": "01"}
    return {"data": data | changes, "lease_id": "pki/issue/r/abc", "lease_duration": 300}


def test_a_certificate_lasts_as_long_as_it_says(asked, vault):
    found = asked("pki", certificate(seconds=200))
    assert 195 <= found.seconds <= 200
    assert found.lease_id == "pki/issue/r/abc"
    assert vault.asked[-1].body == {"common_name": "a.example.org", "ttl": "300s"}
    assert asked("pki", certificate() | {"lease_id": ""}).lease_id == ""


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (lambda: certificate(name="other.example.org"), "another name"),
        (lambda: certificate(seconds=86_400), "is valid for"),
        (lambda: certificate(seconds=-5), "is valid for"),
        (lambda: certificate(certificate="-----BEGIN"), "can't be read"),
        (lambda: certificate(private_key=""), "private_key"),
        (lambda: certificate() | {"lease_id": "pki/issue/other/abc"}, "another role"),
    ],
    ids=["name", "long", "over", "unreadable", "no key", "other role"],
)
def test_a_certificate_that_was_not_asked_for_is_refused(asked, reply, why):
    assert why in refused(asked, "pki", reply())


OWN = Ed25519PrivateKey.generate()


def signed(*, key=OWN, principals=(b"deploy",), kind="USER", seconds=300, text=None):
    """A reply with a key and a user certificate."""
    builder = (
        serialization.SSHCertificateBuilder()
        .public_key(key.public_key())
        .type(serialization.SSHCertificateType[kind])
        .key_id(b"k")
        .valid_principals(list(principals))
        .valid_after(int(time.time()) - 60)
        .valid_before(int(time.time()) + seconds)
    )
    pem = OWN.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    certificate = builder.sign(Ed25519PrivateKey.generate()).public_bytes().decode() + "\n"
    return {"data": {"private_key": pem.decode(), "signed_key": certificate if text is None else text}}


def test_a_user_certificate(asked, vault):
    found = asked("ssh", signed())
    assert found.fields.keys() == {"private_key", "signed_key"}
    assert 295 <= found.seconds <= 300
    assert vault.asked[-1].body == {"key_type": "ed25519", "valid_principals": "deploy", "ttl": "300s"}


PUBLIC = OWN.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": Ed25519PrivateKey.generate()}, "another key"),
        ({"kind": "HOST"}, "for a host"),
        ({"principals": (b"root",)}, "other users"),
        ({"principals": (b"deploy", b"root")}, "other users"),
        ({"principals": (b"\xff",)}, "can't be read"),
        ({"seconds": 86_400}, "isn't valid for"),
        ({"text": PUBLIC.decode()}, "no certificate"),
        ({"text": "ssh-rsa x"}, "can't be read"),
        ({"text": "x y"}, "can't be read"),
        ({"text": ""}, "signed_key"),
    ],
    ids=["key", "host", "user", "more users", "bytes", "long", "plain", "broken", "unknown", "none"],
)
def test_a_user_certificate_that_was_not_asked_for_is_refused(asked, changes, why):
    assert why in refused(asked, "ssh", signed(**changes))


SIGNATURE = "vault:v1:" + "c2lnbmF0dXJl" * 4


def test_a_signature_is_over_a_statement_of_the_call(asked, vault):
    found = asked("transit", {"data": {"signature": SIGNATURE}})
    payload = json.loads(found.fields["payload"])
    assert b64decode(vault.asked[-1].body["input"]).decode() == found.fields["payload"]
    request = request_of("vault")
    assert payload["exp"] - payload["iat"] == 300
    assert {name: payload[name] for name in ("aud", "sub", "txn", "jti", "tabard_call")} == {
        "aud": request.audience,
        "sub": "alice",
        "txn": "task-1",
        "jti": "cred-1",
        "tabard_call": request.call.digest,
    }


@pytest.mark.parametrize(
    "signature", [None, "", "c2lnbmF0dXJl", "vault:v1:", "vault:v1:a b" * 9, "vault:vx:" + "a" * 40]
)
def test_what_is_no_signature_is_refused(asked, signature):
    assert refused(asked, "transit", {"data": {"signature": signature}})


@pytest.mark.parametrize("role", ["database", "kv", "ldap", "pki", "ssh"])
def test_a_signature_and_what_is_wrapped_are_never_held(role):
    def reusable(**changes):
        return VaultRoleConfig.model_validate(ROLES[role] | {"audiences": ["x"]} | changes).reusable

    assert reusable()
    assert not reusable(reuse=False)
    if role != "kv":
        assert not reusable(wrap_seconds=9, fields=[])
    assert not VaultRoleConfig.model_validate(ROLES["transit"] | {"audiences": ["x"]}).reusable


def test_what_ends_with_its_token_is_journaled():
    ending = {
        name: leases(VaultRoleConfig.model_validate(role | {"audiences": ["x"]}))
        for name, role in ROLES.items()
    }
    assert ending == {
        "database": True,
        "kv": False,
        "ldap": True,
        "static": False,
        "library": True,
        "pki": True,
        "ssh": False,
        "transit": False,
    }
    assert {role["engine"] for role in ROLES.values()} == set(ENGINES)


@pytest.mark.parametrize(
    ("role", "changes", "why"),
    [
        ("database", {"account": "static"}, "account has no effect"),
        ("database", {"common_name": "a"}, "common_name has no effect"),
        ("kv", {"principals": ["a"]}, "principals has no effect"),
        ("pki", {"common_name": None}, "common_name is required"),
        ("ssh", {"principals": []}, "principals is required"),
        ("transit", {"wrap_seconds": 9}, "wrap_seconds has no effect"),
    ],
)
def test_keys_of_other_engines_are_refused(role, changes, why):
    with pytest.raises(ValidationError, match=why):
        VaultRoleConfig.model_validate(ROLES[role] | {"audiences": ["x"]} | changes)
