"""The engines beside database and kv, each at a real Vault: what it gives works at its backend, and ends as documented."""

from __future__ import annotations

import dataclasses
import ssl
import subprocess
import time
from base64 import b64decode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from tabard_sidecar.credentials.vault import build_vaults
from tabard_sidecar.credentials.vault.conf import VaultConfig
from tabard_sidecar.credentials.vault.tokens import handle
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.revocation import lease_targets
from tabard_sidecar.state.conf import StateConfig
from tabard_sidecar.state.factory import create_store
from tabard_sidecar.util.ids import new_id

from tests.components.ports import free_port
from tests.support.components import component
from tests.support.credentials import BRANCH, HOP, grant_of, request_of
from tests.support.vault_server import dev_vault, short_folder
from tests.support.waiting import eventually

BACKEND = "https://backend.example"
BASE = "dc=example,dc=org"
SVC = f"cn=svc-reports,ou=people,{BASE}"
POLICIES = {
    "tabard": 'path "auth/token/create/tabard" { capabilities = ["update"] }',
    "tabard-credentials": """
        path "auth/token/renew-self" { capabilities = ["update"] }
        path "auth/token/revoke-self" { capabilities = ["update"] }
        path "ldap/creds/reports" { capabilities = ["read"] }
        path "ldap/static-cred/reports" { capabilities = ["read"] }
        path "ldap/library/reports/check-out" { capabilities = ["update"] }
        path "pki/issue/agents" { capabilities = ["update"] }
        path "ssh/issue/agents" {
            capabilities       = ["update"]
            allowed_parameters = { "key_type" = ["ed25519"], "valid_principals" = ["deploy"], "ttl" = [] }
        }
        path "transit/sign/files" {
            capabilities       = ["update"]
            allowed_parameters = { "input" = [] }
        }
    """,
}
ROLES = {
    "dynamic": {"engine": "ldap", "name": "reports"},
    "static": {"engine": "ldap", "name": "reports", "account": "static"},
    "library": {"engine": "ldap", "name": "reports", "account": "library", "reuse": False},
    "pki": {"engine": "pki", "name": "agents", "common_name": "{handle}.agents.example.org"},
    "pki-wrapped": {
        "engine": "pki",
        "name": "agents",
        "common_name": "a.agents.example.org",
        "wrap_seconds": 60,
    },
    "pki-other": {"engine": "pki", "name": "agents", "common_name": "other.example.org"},
    "ssh": {"engine": "ssh", "name": "agents", "principals": ["deploy"]},
    "ssh-root": {"engine": "ssh", "name": "agents", "principals": ["root"]},
    "transit": {"engine": "transit", "name": "files"},
}


@pytest.fixture(scope="module")
def directory():
    """An OpenLDAP server."""
    with short_folder("ldap") as folder:
        yield component("openldap.sh", "start", folder, str(free_port()))
        component("openldap.sh", "stop", folder)


@pytest.fixture(scope="module")
def vault(directory):
    """A Vault with all of these engines."""
    with dev_vault() as server:
        admin = server.client()
        for engine in ("ldap", "pki", "ssh", "transit"):
            admin.sys.enable_secrets_engine(engine)
        for name, policy in POLICIES.items():
            admin.sys.create_or_update_policy(name, policy)
        admin.sys.enable_auth_method("approle")
        admin.write(
            "auth/token/roles/tabard", allowed_policies="tabard-credentials", orphan=True, renewable=True
        )
        admin.write("auth/approle/role/tabard", token_policies="tabard", token_ttl="20m")
        set_up_directory(admin, directory)
        admin.write("pki/root/generate/internal", common_name="Agents", ttl="24h")
        admin.write(
            "pki/roles/agents",
            allowed_domains="agents.example.org",
            allow_subdomains=True,
            key_type="ec",
            key_bits=256,
            generate_lease=True,
        )
        admin.write("ssh/config/ca", generate_signing_key=True, key_type="ed25519")
        admin.write(
            "ssh/roles/agents",
            key_type="ca",
            allow_user_certificates=True,
            allowed_users="deploy",
            algorithm_signer="default",
            default_extensions={"permit-pty": ""},
        )
        admin.write("transit/keys/files", type="ed25519")
        yield server


def set_up_directory(admin, address):
    """Let Vault manage the directory."""
    add(address, f"dn: {SVC}\nobjectClass: inetOrgPerson\ncn: svc-reports\nsn: r\nuserPassword: first\n")
    admin.write(
        "ldap/config",
        url=address,
        binddn=f"cn=admin,{BASE}",
        bindpass="admin",
        schema="openldap",
        userdn=f"ou=people,{BASE}",
        userattr="cn",
    )
    entry = "dn: cn={{.Username}},ou=people," + BASE
    admin.write(
        "ldap/role/reports",
        creation_ldif=f"{entry}\nobjectClass: inetOrgPerson\ncn: {{{{.Username}}}}\nsn: x\nuserPassword: {{{{.Password}}}}",
        deletion_ldif=f"{entry}\nchangetype: delete",
        username_template="{{.DisplayName}}-{{random 8 | lowercase}}",
        default_ttl="15m",
    )
    admin.write("ldap/static-role/reports", dn=SVC, username="svc-reports", rotation_period="24h")
    shared = f"cn=svc-shared,ou=people,{BASE}"
    add(address, f"dn: {shared}\nobjectClass: inetOrgPerson\ncn: svc-shared\nsn: r\nuserPassword: first\n")
    admin.write("ldap/library/reports", service_account_names="svc-shared", ttl="15m", max_ttl="1h")


def add(address, entry):
    """Add an entry to the directory as its administrator."""
    command = ["ldapadd", "-x", "-H", address, "-D", f"cn=admin,{BASE}", "-w", "admin"]
    subprocess.run(command, input=entry, text=True, check=True, capture_output=True)


@pytest.fixture
def binds(directory):
    """Tells whether the directory accepts a name and a password."""

    def accepted(dn, password):
        command = ["ldapwhoami", "-x", "-H", directory, "-D", dn, "-w", password]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    return accepted


@pytest.fixture
async def issuer(vault, tmp_path):
    """An issuer with a journal of its own."""
    secret = tmp_path / "secret-id"
    secret.write_text(vault.client().write("auth/approle/role/tabard/secret-id")["data"]["secret_id"])
    secret.chmod(0o600)
    role_id = vault.client().read("auth/approle/role/tabard/role-id")["data"]["role_id"]
    config = {
        "address": vault.address,
        "auth": {"method": "approle", "role_id": role_id, "secret_id_file": secret},
        "roles": {name: role | {"audiences": [BACKEND]} for name, role in ROLES.items()},
    }
    store = create_store(StateConfig(url=f"sqlite://{tmp_path}/s.db"), "zone")
    await store.open()
    issuer = build_vaults(
        {"main": VaultConfig.model_validate(config)},
        store,
        targets=lease_targets,
        clock=time.time,
        allow_http=True,
        report=lambda _: None,
    )
    yield issuer
    await issuer.close()
    await store.close()


def request_for(role):
    """A request for a credential of a role, as the pipeline makes it now."""
    now = time.time()
    grant = grant_of(HOP, BRANCH, expires_at=now + 600)
    grant = dataclasses.replace(grant, task=dataclasses.replace(grant.task, started_at=now - 5))
    return request_of(
        "vault",
        credential_id=new_id(),
        role=role,
        audience=BACKEND,
        scopes=(),
        issued_at=now,
        expires_at=now + 300,
        grant=grant,
    )


async def leases(issuer):
    """Roles in the journal."""
    return [lease.role for lease in (await issuer._journal.leases(now=time.time())).leases]


async def test_an_account_is_made_in_the_directory_and_deleted(issuer, binds):
    request = request_for("dynamic")
    fields = (await issuer.issue(request)).fields
    assert fields.keys() == {"username", "password", "dn"}
    assert handle(request) in fields["username"]
    assert binds(fields["dn"], fields["password"])
    assert await leases(issuer) == ["dynamic"]
    assert await issuer.withdraw(request) is Withdrawal.ENDED
    await eventually(lambda: not binds(fields["dn"], fields["password"]))
    assert await leases(issuer) == []


async def test_a_static_account_of_the_directory(issuer, binds):
    request = request_for("static")
    issued = await issuer.issue(request)
    assert issued.fields["dn"] == SVC
    assert binds(SVC, issued.fields["password"])
    issuer.commit(request)
    assert await leases(issuer) == []
    assert issuer.compute(request_for("static")) is issued


async def test_an_account_is_checked_out_and_in_again(issuer, binds):
    request = request_for("library")
    fields = (await issuer.issue(request)).fields
    assert fields["username"] == "svc-shared"
    assert binds(f"cn=svc-shared,ou=people,{BASE}", fields["password"])
    taken = request_for("library")
    with pytest.raises(NoDecision) as caught:
        await issuer.issue(taken)
    assert caught.value.code == "vault_refused"
    assert await issuer.withdraw(taken) is Withdrawal.NOTHING_ISSUED
    await issuer.withdraw(request)

    async def again():
        try:
            return await issuer.issue(request_for("library"))
        except NoDecision:
            return None

    fresh = await eventually(again)
    assert fresh.fields["password"] != fields["password"]
    assert not binds(f"cn=svc-shared,ou=people,{BASE}", fields["password"])


async def test_a_certificate_of_the_handles_is_revoked_with_its_token(issuer, vault, tmp_path):
    request = request_for("pki")
    issued = await issuer.issue(request)
    fields = issued.fields
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    chain.write_text(fields["certificate"])
    key.write_text(fields["private_key"])
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(chain, key)
    certificate = x509.load_pem_x509_certificate(fields["certificate"].encode())
    assert certificate.subject.rfc4514_string() == f"CN={handle(request)}.agents.example.org"
    assert certificate.not_valid_after_utc.timestamp() <= request.expires_at + 2
    assert await leases(issuer) == ["pki"]
    assert await issuer.withdraw(request) is Withdrawal.ENDED
    serial = fields["serial_number"]

    def revoked():
        return vault.client().read(f"pki/cert/{serial}")["data"]["revocation_time"] > 0

    await eventually(revoked)


async def test_a_wrapped_certificate_is_unwrapped_once_by_the_agent(issuer, vault):
    request = request_for("pki-wrapped")
    issued = await issuer.issue(request)
    issuer.commit(request)
    token = issued.fields["wrapping_token"]
    unwrapped = vault.client(token).sys.unwrap()
    assert "private_key" in unwrapped["data"]
    with pytest.raises(Exception, match="wrapping token is not valid"):
        vault.client(token).sys.unwrap()


async def test_a_name_that_the_role_of_the_vault_does_not_allow_is_refused(issuer):
    for role in ("pki-other", "ssh-root"):
        request = request_for(role)
        with pytest.raises(NoDecision) as caught:
            await issuer.issue(request)
        assert caught.value.code == "vault_refused"
        assert await issuer.withdraw(request) is Withdrawal.NOTHING_ISSUED


async def test_a_key_gets_a_user_certificate(issuer):
    request = request_for("ssh")
    fields = (await issuer.issue(request)).fields
    found = serialization.load_ssh_public_identity(fields["signed_key"].encode())
    assert found.valid_principals == [b"deploy"]
    assert found.valid_before <= request.expires_at + 2
    assert handle(request).encode() in found.key_id
    private = serialization.load_ssh_private_key(fields["private_key"].encode(), None)
    raw = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert private.public_key().public_bytes(*raw) == found.public_key().public_bytes(*raw)


async def test_a_signature_over_the_call_verifies(issuer, vault):
    request = request_for("transit")
    fields = (await issuer.issue(request)).fields
    public = vault.client().read("transit/keys/files")["data"]["keys"]["1"]["public_key"]
    key = Ed25519PublicKey.from_public_bytes(b64decode(public))
    key.verify(b64decode(fields["signature"].removeprefix("vault:v1:")), fields["payload"].encode())
    issuer.commit(request)
    await eventually(lambda: len(issuer.live) == 0)
    assert issuer.compute(request_for("transit")) is None
    assert await leases(issuer) == []
