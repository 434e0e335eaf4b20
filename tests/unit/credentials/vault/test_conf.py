from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError
from tabard_sidecar.credentials.vault import build_vaults, vault_roles
from tabard_sidecar.credentials.vault.conf import VaultConfig, Vaults
from tabard_sidecar.util.schema_walk import paths_in

from tests.support import markdown

AUTH = {"method": "jwt", "role": "tabard", "token_file": "token"}
ROLE = {"engine": "database", "name": "orders-read", "audiences": ["postgres://orders"]}


def config(**changes):
    """A vault's section."""
    return {"address": "https://vault.example:8200", "auth": AUTH} | changes


def refused(**changes):
    """Return what is wrong with a section."""
    with pytest.raises(ValidationError) as caught:
        VaultConfig.model_validate(config(**changes))
    return str(caught.value)


def test_a_small_section_has_defaults():
    found = VaultConfig.model_validate(config(roles={"orders-read": ROLE}))
    assert (found.token_role, found.timeout_seconds, found.max_connections) == ("tabard", 3, 16)
    assert (found.auth.path, found.roles["orders-read"].path) == ("jwt", "database")
    assert found.roles["orders-read"].reuse


@pytest.mark.parametrize(
    "address",
    [
        "vault.example",
        "ftp://vault.example",
        "https://",
        "https://user:pw@vault.example",
        "https://vault.example/v1",
        "https://vault.example?x=1",
        "https://vault.example:0",
        "https://vault.example:99999",
        "https://[::1",
    ],
)
def test_an_address_names_scheme_host_and_port_only(address):
    assert "address" in refused(address=address)


@pytest.mark.parametrize(
    "name", ["..", "a/../b", "/a", "a//b", "a/", ".hidden", "a b", "a?b", "a#b", "a%2e", ""]
)
def test_no_configured_path_leaves_its_place(name):
    assert "name" in refused(roles={"r": ROLE | {"name": name}})
    assert "mount" in refused(roles={"r": ROLE | {"mount": name}})
    assert "token_role" in refused(token_role=name)
    assert "mount" in refused(auth=AUTH | {"mount": name})


def test_a_method_needs_its_own_keys_and_refuses_the_others():
    assert "needs role and token_file" in refused(auth={"method": "jwt", "role": "tabard"})
    assert "needs role_id and secret_id_file" in refused(auth={"method": "approle", "role_id": "x"})
    both = {"role_id": "x", "secret_id_file": "s"}
    assert "doesn't use role_id" in refused(auth=AUTH | both)
    assert "doesn't use role and token_file" in refused(auth={"method": "approle", "role": "x", **both})


def test_fields_that_have_no_effect_are_refused():
    assert "fields is required" in refused(roles={"r": ROLE | {"engine": "kv"}})
    static = {"engine": "ldap", "account": "static"}
    for lasting in ({"engine": "kv"}, {"engine": "kv", "fields": ["a"]}, static):
        assert "stays the same after the task" in refused(roles={"r": ROLE | lasting | {"wrap_seconds": 9}})
    assert "no effect with wrap_seconds" in refused(roles={"r": ROLE | {"wrap_seconds": 9, "fields": ["a"]}})
    assert "without a slash" in refused(roles={"r": ROLE | {"name": "a/b"}})


def test_a_role_stands_in_one_vault_only():
    twice = {name: config(roles={"orders-read": ROLE}) for name in ("one", "two")}
    with pytest.raises(ValidationError, match="orders-read is in one and in two"):
        TypeAdapter(Vaults).validate_python(twice)
    twice["two"]["roles"] = {"other": ROLE | {"audiences": ["a", "b"]}}
    found = TypeAdapter(Vaults).validate_python(twice)
    assert vault_roles(found) == {
        "orders-read": frozenset({"postgres://orders"}),
        "other": frozenset({"a", "b"}),
    }


def test_files_are_found_from_the_configuration():
    found = VaultConfig.model_validate(config(ca_file="ca.pem"))
    assert {path for _, path in paths_in(found)} == {Path("ca.pem"), Path("token")}


@pytest.mark.parametrize(
    ("address", "allow_http", "refused"),
    [
        ("http://vault.example:8200", False, True),
        ("http://vault.example:8200", True, False),
        ("http://127.0.0.1:8200", False, True),
        ("http://[::1]:8200", False, True),
        ("http://127.0.0.1:8200", True, False),
        ("https://vault.example:8200", False, False),
    ],
)
def test_plain_http_needs_the_insecure_switch(address, allow_http, refused):
    vaults = {"main": VaultConfig.model_validate(config(address=address))}

    def build():
        return build_vaults(
            vaults, None, targets=frozenset, clock=float, allow_http=allow_http, report=lambda _: None
        )

    if refused:
        with pytest.raises(ValueError, match=r"vault\.main\.address .* insecure\.allow_http"):
            build()
    else:
        assert build().kind == "vault"


def test_a_missing_ca_file_keeps_the_sidecar_from_starting(tmp_path):
    vaults = {"main": VaultConfig.model_validate(config(ca_file=tmp_path / "none.pem"))}
    with pytest.raises(ValueError, match=r"none\.pem: no CA certificates can be read"):
        build_vaults(vaults, None, targets=frozenset, clock=float, allow_http=False, report=lambda _: None)


def test_the_pages_configuration_is_accepted():
    [text] = [code for name, _, code in markdown.blocks("docs/vault.md") if name == "configuration"]
    found = TypeAdapter(Vaults).validate_python(yaml.safe_load(text)["vault"])
    assert vault_roles(found).keys() == {"orders-read", "weather", "people", "reports", "deploy", "payments"}
    assert found["main"].reaper is not None
