"""``tabard doctor`` on a real Vault: the page's set-up is right, and each way to weaken it is told with what mends it."""

from __future__ import annotations

import re

import pytest
from tabard_sidecar.credentials.vault.conf import VaultConfig
from tabard_sidecar.credentials.vault.examining import examine
from tabard_sidecar.credentials.vault.server import VaultServer

from tests.integration.vault.test_issuing import section

OF_ENGINES = {
    "weather": {"engine": "kv", "name": "tabard/weather", "fields": ["api_key"]},
    "people": {"engine": "ldap", "name": "directory-read"},
    "reports": {"engine": "pki", "name": "agents", "common_name": "{handle}.agents.example.org"},
    "deploy": {"engine": "ssh", "name": "deploy", "principals": ["deploy"], "max_ttl_seconds": 120},
    "payments": {"engine": "transit", "name": "payments"},
}
POLICIES = ("tabard", "tabard-credentials", "tabard-reaper")
ROLE = "database/roles/orders-read"
TOKEN_ROLE = "auth/token/roles/tabard"


@pytest.fixture
def configured(engines, token_issuer):
    """The configuration of the page, with a reaper and all engines; the page's set-up is there again afterwards."""
    vault = engines
    (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
    (vault.folder / "reaper-token").write_text(token_issuer.token("tabard-reaper-vault"))
    reaper = {"method": "jwt", "role": "tabard-reaper", "token_file": str(vault.folder / "reaper-token")}
    client = vault.client()
    rules = {name: client.sys.read_policy(name)["data"]["rules"] for name in POLICIES}
    kept = {path: client.read(path)["data"] for path in (ROLE, TOKEN_ROLE, "auth/jwt/role/tabard-reaper")}

    def configure(roles=(), **changes):
        config = section(vault, **({"reaper": reaper} | changes))
        wanted = {name: OF_ENGINES[name] | {"audiences": ["https://a"]} for name in OF_ENGINES}
        return VaultConfig(
            **config | {"timeout_seconds": 30, "roles": config["roles"] | wanted | dict(roles)}
        )

    yield configure
    for name, text in rules.items():
        client.sys.create_or_update_policy(name, text)
    for path, data in kept.items():
        given = {key: value for key, value in data.items() if value not in (None, "n/a", [], "")}
        client.write_data(path, data=given)


async def examined(config: VaultConfig, *tries: str):
    """Return the findings by what was examined; of the roles, the last finding."""
    server = VaultServer("main", config)
    try:
        found = [one async for one in examine(server, tries)]
        return {one.what.removeprefix("vault.main."): one for one in found}
    finally:
        server.close()


def severities(found):
    """Return the severities by what was examined."""
    return {name: one.severity.value for name, one in found.items()}


def accessors(vault):
    """The accessors of all tokens."""
    return set(vault.client().list("auth/token/accessors/")["data"]["keys"])


def leases(vault):
    """The leases of the database role."""
    found = vault.client().list("sys/leases/lookup/database/creds/orders-read/")
    return set(found["data"]["keys"]) if found else set()


def mended(vault, found):
    """Run the command that a finding names."""
    vault.shell(
        re.sub(r"(; docs/vault\.md has the commands\.?|, or lower max_ttl_seconds)$", "", found.next_step)
    )


async def test_the_page_of_the_set_up_leaves_nothing_to_mend_and_nothing_behind(engines, configured):
    before, leased = accessors(engines), leases(engines)
    found = await examined(configured())
    assert severities(found) == dict.fromkeys(
        (
            "auth",
            "auth.role",
            "auth.rights",
            "token_role",
            "token_role.rights",
            "roles",
            "reaper",
            "reaper.role",
            "reaper.rights",
        ),
        "ok",
    )
    assert "ended a token" in found["reaper"].message
    assert accessors(engines) == before
    assert leases(engines) == leased


async def test_what_is_tried_is_obtained_and_ended(engines, configured, postgres):
    before = leases(engines)
    open_logins = "SELECT count(*) FROM tabard.logins WHERE closed_at IS NULL"
    opened = postgres.psql(open_logins)
    names = ("orders-read", *OF_ENGINES)
    found = await examined(configured(), *names)
    assert {found[f"roles.{name}.try"].severity.value for name in names} == {"ok"}
    for _ in range(100):
        if leases(engines) == before and postgres.psql(open_logins) == opened:
            break
    else:
        pytest.fail("the login wasn't ended")


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"orphan": False}, "problem", "orphan=true"),
        ({"token_period": 600}, "problem", "token_period=0"),
        ({"renewable": False}, "problem", "renewable=true"),
        ({"allowed_policies": []}, "problem", "allowed_policies"),
        ({"allowed_policies": ["tabard-credentials", "tabard"]}, "problem", "allowed_policies"),
        ({"allowed_policies_glob": ["t*"]}, "problem", "allowed_policies_glob="),
        ({"token_no_default_policy": False}, "warning", "token_no_default_policy=true"),
        ({"token_explicit_max_ttl": 0}, "warning", "token_explicit_max_ttl=1h"),
        ({"token_explicit_max_ttl": 60}, "warning", "token_explicit_max_ttl=900s"),
    ],
)
async def test_a_token_role_that_makes_other_tokens_is_told_with_the_command(
    engines, configured, changes, severity, words
):
    engines.client().write_data(TOKEN_ROLE, data=changes)
    found = (await examined(configured()))["token_role"]
    assert (found.severity.value, words in found.next_step) == (severity, True), found
    if "bounds every" not in found.next_step:
        mended(engines, found)
        assert (await examined(configured()))["token_role"].severity == "ok"


@pytest.mark.parametrize(
    ("path", "what", "words"),
    [
        ("database", "roles.orders-read", "-max-lease-ttl=900s database"),
        ("auth/token", "token_role", "-max-lease-ttl=900s token"),
    ],
)
async def test_a_mount_that_ends_leases_early_is_told_with_the_command(
    engines, configured, path, what, words
):
    engines.client().write_data(f"sys/mounts/{path}/tune", data={"max_lease_ttl": "60s"})
    try:
        found = (await examined(configured()))[what]
        assert (found.severity, words in found.next_step) == ("warning", True), found
    finally:
        engines.client().write_data(f"sys/mounts/{path}/tune", data={"max_lease_ttl": "768h"})


async def test_what_may_not_be_read_is_said_not_passed_over(configured):
    found = (await examined(configured(token_role="elsewhere")))["token_role"]
    assert (found.severity, "can't be read" in found.message) == ("warning", True)


async def test_a_vault_without_a_reaper_is_doubtful(engines, configured):
    before = accessors(engines)
    assert (await examined(configured(reaper=None)))["reaper"].severity == "warning"
    assert accessors(engines) == before


async def test_a_token_for_another_audience_is_refused(engines, configured, token_issuer):
    (engines.folder / "token").write_text(token_issuer.token("api"))
    found = await examined(configured())
    assert severities(found) == {"auth": "problem"}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("tabard", {"bound_subject": ""}),
        ("tabard", {"bound_audiences": ["tabard-vault", "k3s"]}),
        ("tabard-reaper", {"bound_subject": ""}),
        ("tabard-reaper", {"bound_audiences": ["tabard-reaper-vault", "https://kubernetes.default.svc"]}),
    ],
)
async def test_a_login_that_is_open_to_others_is_a_problem(engines, configured, name, changes):
    kept = engines.client().read(f"auth/jwt/role/{name}")["data"]
    role = {key: value for key, value in kept.items() if value not in (None, "n/a", [], "")}
    what = "auth.role" if name == "tabard" else "reaper.role"
    try:
        engines.client().write_data(f"auth/jwt/role/{name}", data=role | changes)
        found = (await examined(configured()))[what]
        assert (found.severity, f"vault write auth/jwt/role/{name}" in found.next_step) == ("problem", True)
    finally:
        engines.client().write_data(f"auth/jwt/role/{name}", data=role)
    assert (await examined(configured()))[what].severity == "ok"


async def test_an_approle_is_examined_by_the_name_that_its_login_tells(engines, configured):
    client = engines.client()
    file = engines.folder / "doctors-secret-id"
    file.write_text(client.auth.approle.generate_secret_id("tabard")["data"]["secret_id"])
    file.chmod(0o600)
    login = {
        "method": "approle",
        "role_id": client.auth.approle.read_role_id("tabard")["data"]["role_id"],
        "secret_id_file": str(file),
    }
    assert (await examined(configured(auth=login)))["auth.role"].severity == "ok"
    client.write_data(
        "auth/approle/role/tabard", data={"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.1/32"]}
    )
    try:
        found = (await examined(configured(auth=login)))["auth.role"]
        assert (found.severity, "bind_secret_id=true" in found.next_step) == ("problem", True)
    finally:
        client.write_data("auth/approle/role/tabard", data={"bind_secret_id": True, "token_bound_cidrs": []})


async def test_a_reaper_that_may_not_reap_is_told_with_the_command(engines, configured):
    engines.client().sys.create_or_update_policy(
        "tabard-reaper", 'path "sys/capabilities-self" { capabilities = ["update"] }'
    )
    before = accessors(engines)
    everything = await examined(configured())
    found = everything["reaper"]
    assert found.severity == "problem"
    # The token that was made has ended all the same. The reaper's own login may not end itself, and that is told.
    assert len(accessors(engines) - before) == 1
    assert everything["reaper.logout"].severity == "warning"
    mended(engines, found)
    assert (await examined(configured()))["reaper"].severity == "ok"


@pytest.mark.parametrize("name", POLICIES)
async def test_a_token_that_may_do_everything_is_a_problem(engines, configured, name):
    client = engines.client()
    rules = client.sys.read_policy(name)["data"]["rules"]
    client.sys.create_or_update_policy(
        name, f'{rules}\npath "*" {{ capabilities = ["create", "update", "read"] }}\n'
    )
    what = {"tabard": "auth", "tabard-credentials": "token_role", "tabard-reaper": "reaper"}[name]
    found = (await examined(configured()))[f"{what}.rights"]
    assert found.severity == "problem"
    assert 'path "*"' in found.message
    if name == "tabard-reaper":
        mended(engines, found)
        assert severities(await examined(configured()))["reaper.rights"] == "ok"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("tabard", "auth/token/revoke-accessor"),
        ("tabard", "auth/approle/role/tabard/secret-id"),
        ("tabard", "auth/jwt/config"),
        ("tabard", "identity/*"),
        ("tabard-reaper", "auth/+/role/+"),
        ("tabard-credentials", "kv/data/*"),
        ("tabard-credentials", "database/config/*"),
        ("tabard-credentials", "database/roles/*"),
        ("tabard-credentials", "ssh/+/+"),
        ("tabard-credentials", "transit/export/*"),
    ],
)
async def test_a_right_beside_what_is_needed_is_a_problem(engines, configured, name, path):
    client = engines.client()
    rules = client.sys.read_policy(name)["data"]["rules"]
    client.sys.create_or_update_policy(
        name, f'{rules}\npath "{path}" {{ capabilities = ["create", "update", "read"] }}\n'
    )
    what = {"tabard": "auth", "tabard-credentials": "token_role", "tabard-reaper": "reaper"}[name]
    found = (await examined(configured()))[f"{what}.rights"]
    assert (found.severity, "may do more" in found.message) == ("problem", True)


async def test_a_reaper_with_root_is_a_problem(engines, configured):
    engines.client().write_data(
        "auth/jwt/role/tabard-reaper",
        data={"role_type": "jwt", "user_claim": "sub", "token_policies": ["root"]},
    )
    found = (await examined(configured()))["reaper"]
    assert found.severity == "problem"
    assert "root" in found.message
    mended(engines, found)
    assert (await examined(configured()))["reaper"].severity == "ok"


ELSEWHERE = {
    "elsewhere": {"engine": "database", "mount": "elsewhere", "name": "orders-read", "audiences": ["a"]}
}


async def test_an_engine_that_is_not_mounted_is_told_with_the_command(engines, configured):
    """First that the token may not, then that there is none, then that the role isn't there."""
    config, names = configured(ELSEWHERE), "roles.elsewhere"
    found = (await examined(config))[names]
    assert "may not read elsewhere/creds/orders-read" in found.message
    mended(engines, found)
    found = (await examined(config))[names]
    assert found.message == "no engine is mounted at elsewhere"
    mended(engines, found)
    try:
        rules = engines.client().sys.read_policy("tabard-credentials")["data"]["rules"]
        added = 'path "elsewhere/roles/orders-read" { capabilities = ["read"] }'
        engines.client().sys.create_or_update_policy("tabard-credentials", f"{rules}\n{added}\n")
        found = (await examined(config))[names]
        assert found.message == "there is no elsewhere/roles/orders-read"
    finally:
        engines.client().sys.disable_secrets_engine("elsewhere")


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"default_ttl": 60}, "end after 60 s"),
        ({"max_ttl": 60, "default_ttl": 60}, "end after 60 s"),
        ({"default_ttl": 0, "max_ttl": 0}, "last 2.7648e+06 s"),
        ({"max_ttl": 2_000_000}, "2e+06 s at most"),
    ],
)
async def test_a_database_role_whose_times_do_not_fit_is_told_with_the_command(
    engines, configured, times, words
):
    engines.client().write_data(ROLE, data=times)
    found = (await examined(configured()))["roles.orders-read"]
    assert (found.severity, words in found.message) == ("warning", True), found
    mended(engines, found)
    assert "roles.orders-read" not in await examined(configured())
    assert engines.client().read(ROLE)["data"]["creation_statements"]


@pytest.mark.parametrize(
    ("role", "changes", "words"),
    [
        ("weather", {"fields": ["api_key", "region"]}, "no field region"),
        ("weather", {"name": "tabard/none"}, "there is no kv/subkeys/tabard/none"),
        ("weather", {"mount": "transit"}, "engine of the type transit"),
        ("reports", {"common_name": "{handle}.example.net"}, "signs no certificate"),
        ("deploy", {"principals": ["root"]}, "for the user root"),
        ("deploy", {"max_ttl_seconds": 1000}, "refuses max_ttl_seconds"),
        ("payments", {"name": "other"}, "may not update transit/sign/other"),
    ],
)
async def test_a_map_that_does_not_fit_the_vault_is_told(configured, role, changes, words):
    changed = {role: OF_ENGINES[role] | {"audiences": ["a"]} | changes}
    messages = [one.message for name, one in (await examined(configured(changed))).items() if role in name]
    assert any(words in message for message in messages), messages
