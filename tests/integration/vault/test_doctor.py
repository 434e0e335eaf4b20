"""``tabard doctor`` on a real Vault: the page's set-up is right, and each way to weaken it is told."""

from __future__ import annotations

import pytest
from tabard_sidecar.credentials.vault.conf import VaultConfig
from tabard_sidecar.credentials.vault.examining import examine
from tabard_sidecar.credentials.vault.server import VaultServer

from tests.integration.vault.test_issuing import section


@pytest.fixture
def configured(vault, token_issuer):
    """The configuration of the page, with a reaper."""
    (vault.folder / "token").write_text(token_issuer.token("tabard-vault"))
    (vault.folder / "reaper-token").write_text(token_issuer.token("tabard-reaper-vault"))
    reaper = {"method": "jwt", "role": "tabard-reaper", "token_file": str(vault.folder / "reaper-token")}

    def configure(**changes):
        return VaultConfig(**section(vault, **({"reaper": reaper} | changes)))

    return configure


async def examined(config: VaultConfig) -> dict[str, tuple[str, str]]:
    """Return severity and message by what was examined."""
    server = VaultServer("main", config)
    try:
        return {
            one.what.removeprefix("vault.main."): (one.severity.value, f"{one.message} {one.next_step}")
            async for one in examine(server)
        }
    finally:
        server.close()


async def test_the_page_of_the_set_up_leaves_nothing_to_mend(configured):
    found = await examined(configured())
    assert {name: severity for name, (severity, _) in found.items()} == dict.fromkeys(
        ("auth", "auth.role", "token_role", "reaper"), "ok"
    )


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"orphan": False}, "problem", "orphan=true"),
        ({"token_period": 600}, "problem", "token_period=0"),
        ({"renewable": False}, "problem", "renewable=true"),
        ({"allowed_policies": []}, "problem", "allowed_policies"),
        ({"token_explicit_max_ttl": 0}, "warning", "token_explicit_max_ttl=1h"),
    ],
)
async def test_a_token_role_that_makes_other_tokens_is_told(vault, configured, changes, severity, words):
    client = vault.client()
    kept = {
        "allowed_policies": ["tabard-credentials"],
        "token_no_default_policy": True,
        "orphan": True,
        "renewable": True,
        "token_type": "service",
        "token_period": 0,
        "token_explicit_max_ttl": 3600,
    }
    client.write_data("auth/token/roles/odd", data=kept | changes)
    client.sys.create_or_update_policy(
        "tabard",
        client.sys.read_policy("tabard")["data"]["rules"]
        + '\npath "auth/token/roles/odd" { capabilities = ["read"] }\n',
    )
    found = (await examined(configured(token_role="odd")))["token_role"]
    assert found[0] == severity
    assert words in found[1]


async def test_what_may_not_be_read_is_said_not_passed_over(configured):
    severity, text = (await examined(configured(token_role="elsewhere")))["token_role"]
    assert severity == "warning"
    assert "can't be read" in text


async def test_a_vault_without_a_reaper_is_doubtful(configured):
    assert (await examined(configured(reaper=None)))["reaper"][0] == "warning"


async def test_a_token_for_another_audience_is_refused(vault, configured, token_issuer):
    (vault.folder / "token").write_text(token_issuer.token("api"))
    found = await examined(configured())
    assert found["auth"][0] == "problem"
    assert list(found) == ["auth"]
