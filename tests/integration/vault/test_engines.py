"""docs/vault.md, "More engines": a directory, certificates, SSH keys and signatures, each made for one person, task and agent."""

from __future__ import annotations

import base64
import subprocess

import hvac
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from hvac.exceptions import Forbidden, InvalidRequest
from tabard import handles

from tests.integration.vault.conftest import IDP, SIDECAR
from tests.support.vault_server import make_token
from tests.support.waiting import eventually_blocking

NAME = handles.login_handle(issuer=IDP, subject="alice", task_id="task-1", agent_id=SIDECAR)


@pytest.fixture
def credential(engines, sidecar):
    """A client with a credential's token."""
    return engines.client(make_token(sidecar, NAME)["client_token"])


def post(client: hvac.Client, path: str, **body: object):
    return client.adapter.post(f"/v1/{path}", json=body)


class TestCertificates:
    def test_a_certificate_names_person_task_and_agent_and_is_for_clients(self, credential):
        made = post(credential, "pki/issue/agents", common_name=f"{NAME}.agents.example.org")
        certificate = x509.load_pem_x509_certificate(made["data"]["certificate"].encode())
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert name.value == f"{NAME}.agents.example.org"
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(usage) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
        lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert lasts.total_seconds() <= 930
        key = load_pem_private_key(made["data"]["private_key"].encode(), None)
        assert key.public_key() == certificate.public_key()

    def test_it_is_revoked_with_its_token(self, engines, credential):
        made = post(credential, "pki/issue/agents", common_name=f"{NAME}.agents.example.org")
        assert made["lease_id"].startswith("pki/issue/agents/")
        serial = x509.load_pem_x509_certificate(made["data"]["certificate"].encode()).serial_number
        credential.auth.token.revoke_self()

        def listed():
            pem = engines.client().session.get(f"{engines.address}/v1/pki/crl/pem").content
            return x509.load_pem_x509_crl(pem).get_revoked_certificate_by_serial_number(serial)

        eventually_blocking(listed)

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({"common_name": "www.example.org"}, Forbidden),
            ({"common_name": "agents.example.org"}, Forbidden),
            ({"common_name": f"{NAME}.agents.example.org", "alt_names": "www.example.org"}, Forbidden),
            ({"common_name": f"{NAME}.agents.example.org", "ip_sans": "127.0.0.1"}, Forbidden),
            ({"common_name": "*.agents.example.org"}, InvalidRequest),
            ({}, Forbidden),
        ],
        ids=str,
    )
    def test_other_names_are_refused(self, credential, body, error):
        with pytest.raises(error):
            post(credential, "pki/issue/agents", **body)


class TestSsh:
    def test_the_keys_id_names_person_task_and_agent(self, credential, tmp_path):
        made = post(credential, "ssh/issue/deploy", key_type="ed25519", valid_principals="deploy")["data"]
        (tmp_path / "key-cert.pub").write_text(made["signed_key"])
        shown = subprocess.run(
            ["ssh-keygen", "-L", "-f", tmp_path / "key-cert.pub"], capture_output=True, text=True, check=True
        ).stdout
        assert f'Key ID: "token-{NAME}"' in shown
        assert "Principals: \n                deploy\n" in shown
        assert made["private_key"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----")

    @pytest.mark.parametrize(
        "body",
        [
            {"valid_principals": "root"},
            {"valid_principals": "deploy,root"},
            {"cert_type": "host"},
            {"key_id": "somebody-else"},
            {"extensions": {"permit-port-forwarding": ""}},
            {"critical_options": {}},
        ],
        ids=str,
    )
    def test_nothing_else_is_signed(self, credential, body):
        with pytest.raises(Forbidden):
            post(credential, "ssh/issue/deploy", key_type="ed25519", **body)


class TestSignatures:
    def test_a_signature_verifies_and_the_key_stays(self, engines, credential):
        text = base64.b64encode(b"pay 20").decode()
        signature = post(credential, "transit/sign/payments", input=text)["data"]["signature"]
        public = engines.client().read("transit/keys/payments")["data"]["keys"]["1"]["public_key"]
        key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
        key.verify(base64.b64decode(signature.removeprefix("vault:v1:")), b"pay 20")

    @pytest.mark.parametrize(
        "path", ["transit/keys/other", "transit/export/signing-key/payments", "transit/backup/payments"]
    )
    def test_the_key_cant_be_read(self, credential, path):
        """What doctor reads of it is public."""
        [public] = credential.read("transit/keys/payments")["data"]["keys"].values()
        assert public.keys() <= {
            "creation_time",
            "name",
            "public_key",
            "certificate_chain",
            "hybrid_public_key",
        }
        with pytest.raises(Forbidden):
            credential.read(path)
