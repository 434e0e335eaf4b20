"""docs/vault.md: its commands set up a Vault in which each identity may do what the page says, and nothing else."""

from __future__ import annotations

import hvac
import pytest
import yaml
from hvac.exceptions import Forbidden, InvalidRequest
from tabard_sidecar.credentials.vault.conf import AuthConfig

from tests.support.vault_server import code_of, make_token

NAME = "ptzmshmq3brvpznw-pl5kgrvu-42bjpjhk"


def test_the_pages_check(vault, token_issuer):
    """The page's last commands, as a reader runs them."""
    (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
    printed = vault.shell(*(code for _, code in code_of("docs/vault.md", "check")))
    assert f"token-{NAME}-" in printed
    assert "Success! Revoked token" in printed


def test_a_credentials_token_is_an_orphan_that_lives_for_thirty_seconds(sidecar):
    made = make_token(sidecar, NAME)
    assert made["orphan"]
    assert made["renewable"]
    assert made["lease_duration"] == 30
    assert "tabard-credentials" in made["policies"]
    assert "default" not in made["policies"]
    assert made["metadata"] == {"task": "t"}


def test_it_is_extended_by_an_increment_that_the_role_cuts(vault, sidecar):
    client = vault.client(make_token(sidecar, NAME)["client_token"])
    assert client.auth.token.renew_self(increment="900s")["auth"]["lease_duration"] == 900
    assert client.auth.token.renew_self(increment="36000s")["auth"]["lease_duration"] == 3600


@pytest.mark.parametrize(
    "other",
    [
        {"ttl": "31s"},
        {"ttl": "24h"},
        {"renewable": False},
        {"policies": ["default"]},
        {"policies": ["tabard"]},
        {"period": "1h"},
        {"id": "chosen"},
        {"num_uses": 1},
        {"type": "batch"},
        {"explicit_max_ttl": "1h"},
        {"entity_alias": "root"},
    ],
    ids=str,
)
def test_the_sidecar_asks_for_nothing_else(sidecar, other):
    with pytest.raises(Forbidden):
        make_token(sidecar, NAME, **other)


@pytest.mark.parametrize("missing", ["ttl", "renewable", "display_name", "meta"])
def test_the_sidecar_leaves_nothing_out(sidecar, missing):
    """Without a ttl the token would live for an hour."""
    body = {"ttl": "30s", "renewable": True, "display_name": NAME, "meta": {"task": "t"}}
    del body[missing]
    with pytest.raises(Forbidden):
        sidecar.adapter.post("/v1/auth/token/create/tabard", json=body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "auth/token/create"),
        ("post", "auth/token/create-orphan"),
        ("post", "auth/token/create/other"),
        ("post", "auth/token/revoke-accessor"),
        ("post", "auth/token/roles/tabard"),
        ("post", "auth/jwt/role/tabard"),
        ("get", "database/creds/orders-read"),
        ("get", "database/config/orders"),
        ("post", "database/rotate-root/orders"),
        ("get", "kv/data/tabard/weather"),
        ("list", "auth/token/accessors"),
        ("post", "sys/leases/revoke"),
        ("post", "sys/policies/acl/tabard-credentials"),
    ],
)
def test_the_sidecar_reads_no_secret_and_changes_nothing(sidecar, method, path):
    with pytest.raises(Forbidden):
        call(sidecar, method, path)


@pytest.mark.parametrize(
    "path",
    [
        "auth/token/roles/tabard",
        "auth/jwt/role/tabard",
        "auth/approle/role/tabard",
        "auth/jwt/role/tabard-reaper",
        "auth/token/lookup-self",
    ],
)
def test_the_sidecar_reads_its_own_set_up(sidecar, path):
    assert sidecar.read(path)["data"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "auth/token/create/tabard"),
        ("post", "auth/token/create"),
        ("get", "database/roles/other"),
        ("get", "database/config/orders"),
        ("get", "kv/subkeys/other"),
        ("get", "kv/data/other"),
        ("get", "kv/metadata/tabard/weather"),
        ("get", "auth/token/lookup-self"),
        ("post", "auth/token/revoke-accessor"),
        ("get", "auth/jwt/role/tabard"),
        ("post", "sys/leases/revoke"),
    ],
)
def test_a_credentials_token_reads_its_secrets_only(vault, sidecar, method, path):
    with pytest.raises(Forbidden):
        call(vault.client(make_token(sidecar, NAME)["client_token"]), method, path)


def test_a_credentials_token_reads_a_static_key(vault, sidecar):
    client = vault.client(make_token(sidecar, NAME)["client_token"])
    assert client.read("kv/data/tabard/weather")["data"]["data"]["api_key"] == "key-of-the-weather-service"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "auth/token/create/tabard"),
        ("post", "auth/token/create"),
        ("get", "database/creds/orders-read"),
        ("get", "kv/data/tabard/weather"),
        ("list", "auth/token/accessors"),
        ("post", "auth/token/lookup-accessor"),
        ("get", "auth/jwt/role/tabard"),
        ("post", "sys/leases/revoke"),
    ],
)
def test_the_reaper_revokes_and_does_nothing_else(reaper, method, path):
    with pytest.raises(Forbidden):
        call(reaper, method, path)


def test_the_reaper_revokes_what_it_knows_and_is_told_of_what_is_gone(sidecar, reaper):
    made = make_token(sidecar, NAME)
    assert revoke(reaper, made["accessor"]) is None
    assert revoke(reaper, made["accessor"])["warnings"] == ["No token found with this accessor"]
    assert revoke(reaper, "unknown")["warnings"] == ["No token found with this accessor"]
    with pytest.raises(InvalidRequest, match="missing accessor"):
        revoke(reaper, "")


@pytest.mark.parametrize(
    "audience", ["", "vault", "tabard", "https://kubernetes.default.svc.cluster.local", "tabard-reaper-vault"]
)
def test_a_token_of_the_same_account_for_another_audience_is_refused(vault, token_issuer, audience):
    """The agent shares the sidecar's service account, so the audience alone keeps it out."""
    with pytest.raises(InvalidRequest, match="audience"):
        vault.login(token_issuer.token(audience))


def test_a_token_of_another_account_is_refused(vault, token_issuer):
    with pytest.raises(InvalidRequest, match="invalid subject"):
        vault.login(token_issuer.token("tabard-vault", subject="system:serviceaccount:support:default"))


def test_the_sidecars_token_is_no_reaper(vault, token_issuer):
    with pytest.raises(InvalidRequest, match="audience"):
        vault.login(token_issuer.token("tabard-vault"), role="tabard-reaper")


def test_the_login_by_approle(vault):
    """The page's files: the role's id, and the secret id that only its owner can read."""
    assert (vault.folder / "tabard.secret-id").stat().st_mode & 0o777 == 0o600
    body = {
        "role_id": (vault.folder / "tabard.role-id").read_text(),
        "secret_id": (vault.folder / "tabard.secret-id").read_text(),
    }
    answer = vault.client("none").adapter.post("/v1/auth/approle/login", json=body)
    assert answer["auth"]["policies"] == ["tabard"]
    assert make_token(vault.client(answer["auth"]["client_token"]), NAME)["orphan"]
    ((_, text),) = code_of("docs/vault.md", "approle")
    section = yaml.safe_load(text)["vault"]["main"]
    assert AuthConfig.model_validate(section["auth"]).method == "approle"
    assert AuthConfig.model_validate(section["reaper"]).secret_id_file.name == "tabard-reaper.secret-id"


def test_a_login_lasts_for_twenty_minutes(sidecar):
    assert 1190 < sidecar.read("auth/token/lookup-self")["data"]["ttl"] <= 1200


def test_the_pages_password_is_worth_nothing_after_the_set_up(postgres):
    """Vault has changed it to one that only Vault knows."""
    assert postgres.refuses({"username": "vault", "password": "until-vault-changes-it"})


def call(client: hvac.Client, method: str, path: str):
    if method == "list":
        return client.list(path)
    return client.read(path) if method == "get" else client.adapter.post(f"/v1/{path}", json={})


def revoke(client: hvac.Client, accessor: str):
    answer = client.adapter.post("/v1/auth/token/revoke-accessor", json={"accessor": accessor})
    return None if getattr(answer, "status_code", None) == 204 else answer
