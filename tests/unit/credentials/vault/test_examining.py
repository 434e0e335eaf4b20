"""Findings of `tabard doctor` in a vault, by a fake's replies; tests/integration/vault/test_doctor.py asks a real Vault."""

from __future__ import annotations

import os
import subprocess

import pytest
from tabard_sidecar.credentials.vault.conf import AuthConfig, VaultConfig
from tabard_sidecar.credentials.vault.engines import needed
from tabard_sidecar.credentials.vault.examining import examine
from tabard_sidecar.credentials.vault.examining.commands import rights_added
from tabard_sidecar.credentials.vault.examining.definitions import DEFINITIONS
from tabard_sidecar.credentials.vault.server import VaultServer

from tests.support.fake_vault import CHILD, CREATE, REAP, REVOKE, SECRET, Answer, auth

CAPABILITIES = "/v1/sys/capabilities-self"
LOOKUP = "/v1/auth/token/lookup-self"
APPROLE = "/v1/auth/approle/role/tabard"
TOKEN_ROLE_PATH = "/v1/auth/token/roles/tabard"
TOKEN_ROLE = {
    "orphan": True,
    "renewable": True,
    "allowed_policies": ["tabard-credentials"],
    "token_no_default_policy": True,
    "token_type": "service",
    "token_explicit_max_ttl": 3600,
}
ROLES = {
    "orders": {"engine": "database", "name": "orders", "audiences": ["a"]},
    "weather": {"engine": "kv", "name": "apis/weather", "fields": ["key"], "audiences": ["a"]},
    "people": {"engine": "ldap", "name": "people", "audiences": ["a"]},
    "shared": {"engine": "ldap", "name": "shared", "account": "library", "audiences": ["a"]},
    "reports": {"engine": "pki", "name": "agents", "common_name": "{handle}.a.example", "audiences": ["a"]},
    "deploy": {"engine": "ssh", "name": "deploy", "principals": ["deploy"], "audiences": ["a"]},
    "pay": {"engine": "transit", "name": "pay", "audiences": ["a"]},
}
RIGHT = {
    "database": {"creation_statements": ["CREATE"], "default_ttl": 900, "max_ttl": 3600},
    "kv": {"subkeys": {"key": None}},
    "ldap": {"default_ttl": 900, "max_ttl": 3600},
    "pki": {"generate_lease": True, "allow_subdomains": True, "allowed_domains": ["a.example"], "max_ttl": 3600},
    "ssh": {"key_type": "ca", "allow_user_certificates": True, "allowed_users": "deploy,root", "max_ttl": 900},
    "transit": {"supports_signing": True, "exportable": False},
}  # fmt: skip
TAKEN = {"of-the-pod": "the pod's token", "of-people": "people's tokens"}
ALLOWED = {"auth/token/renew-self", "auth/token/revoke-self"}


def config_of(vault, secret_id, *, reaper=False, roles=ROLES):
    """A configuration for the fake."""
    login = {"method": "approle", "role_id": "r", "secret_id_file": str(secret_id)}
    return VaultConfig(
        address=vault.address, auth=login, reaper=login if reaper else None, roles=roles, timeout_seconds=30
    )


@pytest.fixture
def right(vault, secret_id):
    """A fake in which nothing is wrong; its credentials' token may do what it needs."""
    config = config_of(vault, secret_id)
    vault.answers[LOOKUP] = Answer(body={"data": {"meta": {"role_name": "tabard"}}})
    vault.answers[APPROLE] = Answer(body={"data": {"bind_secret_id": True}})
    vault.answers[TOKEN_ROLE_PATH] = Answer(body={"data": TOKEN_ROLE})
    vault.answers[CREATE] = Answer(body=auth(policies=["tabard-credentials"]))
    allowed = dict.fromkeys(ALLOWED, "update")
    for role in config.roles.values():
        path, capability = needed(role)
        allowed[path] = capability
        mount = {"path": f"{role.path}/", "type": role.engine, "options": {"version": "2"}}
        vault.answers[f"/v1/sys/internal/ui/mounts/{path}"] = Answer(body={"data": mount})
        vault.answers[f"/v1/{DEFINITIONS[role.engine].path(role)}"] = Answer(
            body={"data": RIGHT[role.engine]}
        )

    def capabilities(asked):
        own = asked.headers["X-Vault-Token"].endswith("sidecar")
        wanted = asked.body["paths"]
        return Answer(
            body={"data": {path: ["deny"] if own else [allowed.get(path, "deny")] for path in wanted}}
        )

    vault.answers[CAPABILITIES] = capabilities
    return vault


async def examined(config, *tries):
    """Return all findings."""
    server = VaultServer("main", config)
    try:
        return [one async for one in examine(server, tries, TAKEN)]
    finally:
        server.close()


def ended(vault):
    """Return the tokens that were ended with themselves, in order."""
    return [asked.headers["X-Vault-Token"] for asked in vault.asked if asked.path == REVOKE]


async def told(config, what):
    """Return what is found of one thing."""
    return [one for one in await examined(config) if one.what == f"vault.main.{what}"]


async def test_nothing_is_wrong_where_all_is_as_it_should_be(right, secret_id):
    found = await examined(config_of(right, secret_id, reaper=True))
    wrong = [one for one in found if one.severity != "ok"]
    assert not wrong, wrong
    assert right.paths().count(REAP) == 1
    assert ended(right) == [SECRET, SECRET]


async def test_the_token_that_was_made_is_ended_without_a_reaper_too(right, secret_id):
    await examined(config_of(right, secret_id))
    assert (right.paths().count(CREATE), ended(right)) == (1, [CHILD, SECRET])


async def test_a_login_that_cannot_end_itself_is_told(right, secret_id):
    right.answers[REVOKE] = Answer(403, {"errors": ["permission denied"]})
    found = (await examined(config_of(right, secret_id)))[-1]
    assert (found.what, found.severity) == ("vault.main.auth.logout", "warning")
    assert 'path "auth/token/revoke-self"' in found.next_step


def pods(vault, tmp_path, method):
    """A configuration for a login by a pod's token."""
    (tmp_path / "token").write_text("eyJ.e30.x")
    vault.answers[f"/v1/auth/{method}/login"] = Answer(
        body=auth("hvs.token-of-the-sidecar", lease_duration=600)
    )
    login = {"method": method, "role": "tabard", "token_file": str(tmp_path / "token")}
    return VaultConfig(address=vault.address, auth=login, timeout_seconds=30)


ONE_ACCOUNT = {
    "audience": "tabard-vault",
    "bound_service_account_names": ["support-agent"],
    "bound_service_account_namespaces": ["support"],
}
ONE_SUBJECT = {"bound_audiences": ["tabard-vault"], "bound_subject": "system:serviceaccount:support:agent"}
RIGHT_ROLES = {"kubernetes": ONE_ACCOUNT, "jwt": ONE_SUBJECT}


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("kubernetes", {"audience": ""}),
        ("kubernetes", {"audience": None}),
        ("jwt", {"bound_audiences": []}),
        ("jwt", {"bound_audiences": None}),
        ("kubernetes", {"audience": "https://kubernetes.default.svc"}),
        ("jwt", {"bound_audiences": ["tabard-vault", "https://kubernetes.default.svc.cluster.local"]}),
        *(
            ("jwt", {"bound_audiences": [one]})
            for one in ("tabard", "k3s", "sts.amazonaws.com", "of-the-pod", "of-people")
        ),
    ],
)
async def test_a_role_that_the_agents_own_token_satisfies_is_a_problem(right, tmp_path, method, changes):
    """It shares the sidecar's service account; only the audience keeps it out."""
    right.answers[f"/v1/auth/{method}/role/tabard"] = Answer(body={"data": RIGHT_ROLES[method] | changes})
    [found] = await told(pods(right, tmp_path, method), "auth.role")
    assert found.severity == "problem"
    assert f"vault write auth/{method}/role/tabard" in found.next_step


@pytest.mark.parametrize(
    ("method", "changes", "severity"),
    [
        ("kubernetes", {"bound_service_account_names": ["*"]}, "problem"),
        ("kubernetes", {"bound_service_account_namespaces": ["*"]}, "problem"),
        ("kubernetes", {"bound_service_account_namespaces": ["team-*"]}, "problem"),
        ("kubernetes", {"bound_service_account_names": []}, "problem"),
        ("kubernetes", {"bound_service_account_namespaces": None}, "problem"),
        ("kubernetes", {"bound_service_account_names": ["a", "b"]}, "warning"),
        ("kubernetes", {"bound_service_account_namespaces": [], "bound_service_account_namespace_selector": "{}"}, "warning"),
        ("jwt", {"bound_subject": ""}, "problem"),
        ("jwt", {"bound_subject": None}, "problem"),
        ("jwt", {"bound_subject": "", "bound_claims": {"ns": "*"}, "bound_claims_type": "glob"}, "problem"),
        ("jwt", {"bound_subject": "", "bound_claims": {"sub": ["*"]}, "bound_claims_type": "glob"}, "problem"),
        ("jwt", {"bound_subject": "", "bound_claims": {"ns": "support"}}, "warning"),
        ("jwt", {"bound_subject": "", "bound_claims": {"sub": ["a", "b"]}}, "warning"),
        ("jwt", {"bound_subject": "", "bound_claims": {"sub": "a*"}, "bound_claims_type": "glob"}, "warning"),
        ("jwt", {"bound_subject": "", "bound_claims": {"sub": ["a"]}}, "ok"),
        ("jwt", {}, "ok"),
        ("kubernetes", {}, "ok"),
    ],
)  # fmt: skip
async def test_a_role_that_lets_other_workloads_in_is_told(right, tmp_path, method, changes, severity):
    right.answers[f"/v1/auth/{method}/role/tabard"] = Answer(body={"data": RIGHT_ROLES[method] | changes})
    [found] = await told(pods(right, tmp_path, method), "auth.role")
    assert found.severity == severity, found
    if severity != "ok":
        assert f"vault write auth/{method}/role/tabard" in found.next_step


async def test_an_approle_that_needs_no_secret_id_is_a_problem(right, secret_id):
    right.answers[APPROLE] = Answer(body={"data": {"bind_secret_id": False}})
    for found in await examined(config_of(right, secret_id, reaper=True)):
        if found.what.endswith((".auth.role", ".reaper.role")):
            assert (found.severity, "bind_secret_id=true" in found.next_step) == ("problem", True)
    right.answers[LOOKUP] = Answer(body={"data": {"meta": None}})
    [found] = await told(config_of(right, secret_id), "auth.role")
    assert found.severity == "warning"


async def test_the_role_of_the_reaper_is_examined_as_the_sidecars_is(right, secret_id, tmp_path):
    """Who logs in as the reaper can end everything."""
    (tmp_path / "reaper").write_text("eyJ.e30.x")
    login = {"method": "jwt", "role": "tabard-reaper", "token_file": str(tmp_path / "reaper")}
    config = config_of(right, secret_id).model_copy(update={"reaper": AuthConfig(**login)})
    right.answers["/v1/auth/jwt/login"] = Answer(body=auth("hvs.of-the-sidecar", lease_duration=600))
    role = ONE_SUBJECT | {"bound_audiences": ["https://kubernetes.default.svc.cluster.local"]}
    right.answers["/v1/auth/jwt/role/tabard-reaper"] = Answer(body={"data": role})
    [found] = await told(config, "reaper.role")
    assert (found.severity, "other tokens of the pod" in found.message) == ("problem", True)
    right.answers["/v1/auth/jwt/role/tabard-reaper"] = Answer(403, {"errors": ["permission denied"]})
    [found] = await told(config, "reaper.role")
    assert (found.severity, 'path "auth/jwt/role/tabard-reaper"' in found.next_step) == ("warning", True)


@pytest.mark.parametrize(("status", "severity"), [(403, "warning"), (404, "problem"), (503, "problem")])
async def test_what_cannot_be_read_is_no_good_result(right, secret_id, status, severity):
    right.answers[TOKEN_ROLE_PATH] = Answer(status, {"errors": ["no"]})
    [found] = await told(config_of(right, secret_id), "token_role")
    assert found.severity == severity


@pytest.mark.parametrize(
    ("changes", "severity", "step"),
    [
        ({"allowed_policies": ["tabard-credentials", "default"]}, "problem", "allowed_policies=tabard-credentials"),
        ({"allowed_policies": ["a", "b", "root"]}, "problem", "allowed_policies=a,b"),
        ({"allowed_policies": ["a", "tabard-child"]}, "problem", "allowed_policies=a"),
        ({"allowed_policies_glob": ["tabard-*"]}, "problem", "allowed_policies_glob="),
        ({"token_num_uses": 3}, "problem", "token_num_uses=0"),
        ({"renewable": False}, "problem", "renewable=true"),
        ({"token_period": 60}, "problem", "token_period=0"),
        ({"token_no_default_policy": False}, "warning", "token_no_default_policy=true"),
        ({"token_explicit_max_ttl": 600}, "warning", "token_explicit_max_ttl=900s"),
    ],
)  # fmt: skip
async def test_a_token_role_that_gives_more_or_less_than_it_needs_is_told(
    right, secret_id, changes, severity, step
):
    """`tabard-child` is the policy of the fake's login."""
    right.answers[TOKEN_ROLE_PATH] = Answer(body={"data": TOKEN_ROLE | changes})
    [found] = await told(config_of(right, secret_id), "token_role")
    assert (found.severity.value, step in found.next_step) == (severity, True), found


@pytest.mark.parametrize(
    ("role", "changes", "severity", "words"),
    [
        ("orders", {"max_ttl": 300}, "warning", "default_ttl=900s max_ttl=900s"),
        ("orders", {"default_ttl": 600}, "warning", "default_ttl=900s max_ttl=3600s"),
        ("orders", {"default_ttl": 0, "max_ttl": 0}, "warning", "default_ttl=900s max_ttl=900s"),
        ("orders", {"max_ttl": 10**7}, "warning", "max_ttl=900s"),
        ("orders", {"creation_statements": []}, "problem", "creation_statements=…"),
        ("people", {"default_ttl": 86_400, "max_ttl": 86_400}, "warning", "vault write ldap/role/people"),
        ("shared", {"max_ttl": 60}, "warning", "vault write ldap/library/shared max_ttl=900s"),
        ("weather", {"subkeys": {"keys": None}}, "problem", "vault kv patch -mount=kv apis/weather key=…"),
        ("reports", {"max_ttl": 60}, "warning", "vault patch pki/roles/agents max_ttl=900s"),
        ("reports", {"generate_lease": False}, "warning", "vault patch pki/roles/agents generate_lease=true"),
        ("reports", {"allowed_domains": ["b.example"]}, "problem", "allowed_domains=a.example"),
        ("reports", {"allow_subdomains": False}, "problem", "allow_subdomains=true"),
        ("reports", {"allow_any_name": True}, "warning", "allow_any_name=false"),
        ("deploy", {"allowed_users": "root"}, "problem", "allowed_users=deploy"),
        ("deploy", {"key_type": "otp"}, "problem", "key_type=ca"),
        ("deploy", {"max_ttl": 60}, "problem", "Lower max_ttl_seconds"),
        ("pay", {"supports_signing": False}, "problem", "type=ed25519"),
        ("pay", {"exportable": True}, "warning", "type=ed25519"),
    ],
)
async def test_a_role_that_does_not_fit_the_map_is_told_with_the_command(
    right, secret_id, *, role, changes, severity, words
):
    config = config_of(right, secret_id)
    path = DEFINITIONS[config.roles[role].engine].path(config.roles[role])
    right.answers[f"/v1/{path}"] = Answer(body={"data": RIGHT[config.roles[role].engine] | changes})
    [found] = await told(config, f"roles.{role}")
    assert (found.severity.value, words in found.next_step) == (severity, True), found


@pytest.mark.parametrize("name", list(ROLES))
async def test_a_role_that_is_missing_not_mounted_or_forbidden_is_told(right, secret_id, name):
    config = config_of(right, secret_id)
    role = config.roles[name]
    path, capability = needed(role)
    definition = DEFINITIONS[role.engine].path(role)
    kept = dict(right.answers)

    right.answers[f"/v1/{definition}"] = Answer(404, {"errors": []})
    [found] = await told(config, f"roles.{name}")
    assert (found.severity, found.message) == ("problem", f"there is no {definition}")
    assert found.next_step.startswith("vault ")

    right.answers = kept | {f"/v1/{definition}": Answer(403, {"errors": ["permission denied"]})}
    [doubt] = [one for one in await told(config, "roles") if one.severity == "warning"]
    assert name in doubt.message
    assert f'path "{definition}"' in doubt.next_step

    right.answers = kept | {f"/v1/sys/internal/ui/mounts/{path}": Answer(403, {"errors": ["no"]})}
    [found] = await told(config, f"roles.{name}")
    assert f"vault secrets enable -path={role.path}" in found.next_step

    right.answers = kept | {CAPABILITIES: lambda asked: Answer(body={"data": {key: ["deny"] for key in asked.body["paths"]}})}  # fmt: skip
    [found] = await told(config, f"roles.{name}")
    assert f'path "{path}" {{ capabilities = ["{capability}"] }}' in found.next_step


@pytest.mark.parametrize(
    "mount",
    [{"path": "other/", "type": "kv"}, {"path": "kv/", "type": "transit"}, {"path": "kv/", "type": "kv"}],
)
async def test_another_engine_than_the_map_says_is_told(right, secret_id, mount):
    right.answers["/v1/sys/internal/ui/mounts/kv/data/apis/weather"] = Answer(body={"data": mount})
    [found] = await told(config_of(right, secret_id), "roles.weather")
    assert found.severity == "problem"


async def test_a_token_that_may_do_everything_is_a_problem_of_each_identity(right, secret_id):
    right.answers[CAPABILITIES] = lambda asked: Answer(
        body={"data": {key: ["create", "read", "update", "sudo"] for key in asked.body["paths"]}}
    )
    found = {one.what: one for one in await examined(config_of(right, secret_id, reaper=True))}
    for name in ("auth.rights", "token_role.rights", "reaper.rights"):
        one = found[f"vault.main.{name}"]
        assert one.severity == "problem"
        assert 'path "*"' in one.message
    assert "vault policy write tabard-reaper - <<<" in found["vault.main.reaper.rights"].next_step


@pytest.mark.parametrize(
    ("identity", "allowed"),
    [
        ("sidecar", "auth/token/revoke-accessor"),
        ("sidecar", "auth/approle/role/tabard/secret-id"),
        ("sidecar", "auth/jwt/config"),
        ("sidecar", "auth/jwt/role/*"),
        ("sidecar", "auth/token/create/*"),
        ("sidecar", "identity/*"),
        ("sidecar", "sys/auth/*"),
        ("sidecar", "database/*"),
        ("credential", "kv/data/*"),
        ("credential", "kv/metadata/*"),
        ("credential", "database/config/*"),
        ("credential", "database/roles/*"),
        ("credential", "database/creds/*"),
        ("credential", "ldap/library/*"),
        ("credential", "pki/sign/*"),
        ("credential", "ssh/roles/deploy"),
        ("credential", "transit/export/*"),
        ("credential", "transit/keys/pay/config"),
        ("credential", "auth/token/revoke-accessor"),
    ],
)
async def test_a_right_beside_what_is_needed_is_told(right, secret_id, identity, allowed):
    """A policy that is wider than the page's is found by names that don't exist."""
    kept = right.answers[CAPABILITIES]

    def capabilities(asked):
        found = kept(asked).body["data"]
        own = asked.headers["X-Vault-Token"].endswith("sidecar")
        if own is (identity == "sidecar"):
            found |= {
                path: ["create", "read", "update"]
                for path in found
                if path == allowed or (allowed.endswith("*") and path.startswith(allowed[:-1]))
            }
        return Answer(body={"data": found})

    right.answers[CAPABILITIES] = capabilities
    what = "auth.rights" if identity == "sidecar" else "token_role.rights"
    [found] = await told(config_of(right, secret_id), what)
    assert found.severity == "problem"
    assert f"({allowed.removesuffix('*')}" in found.message


async def test_a_vault_is_asked_about_many_roles_in_replies_that_fit(right, secret_id):
    """A reply is bounded, so it isn't asked about all paths at once."""
    asked = []
    kept = right.answers[CAPABILITIES]

    def capabilities(request):
        asked.append(len(request.body["paths"]))
        return kept(request)

    right.answers[CAPABILITIES] = capabilities
    many = {f"r{number}": ROLES["orders"] | {"name": f"r{number}"} for number in range(300)}
    found = {one.what: one for one in await examined(config_of(right, secret_id, roles=many))}
    assert found["vault.main.auth.rights"].severity == "ok"
    assert max(asked) <= 500


async def test_a_reaper_that_may_not_reap_is_a_problem_and_the_token_is_ended(right, secret_id):
    right.answers[REAP] = Answer(403, {"errors": ["permission denied"]})
    [found] = await told(config_of(right, secret_id, reaper=True), "reaper")
    assert found.severity == "problem"
    assert 'path "auth/token/revoke-accessor"' in found.next_step
    assert CHILD in ended(right)


async def test_a_vault_that_does_not_know_the_token_it_made_is_a_problem(right, secret_id):
    right.answers[REAP] = Answer(body={"warnings": ["No token found with this accessor"]})
    [found] = await told(config_of(right, secret_id, reaper=True), "reaper")
    assert found.severity == "problem"


async def test_without_the_right_to_ask_the_rest_is_examined_all_the_same(right, secret_id):
    right.answers[CAPABILITIES] = Answer(403, {"errors": ["permission denied"]})
    found = {one.what: one.severity.value for one in await examined(config_of(right, secret_id))}
    assert found["vault.main.auth.rights"] == found["vault.main.token_role.rights"] == "warning"
    assert found["vault.main.roles"] == "ok"


async def test_a_role_is_tried_only_if_that_is_asked_for(right, secret_id):
    config = config_of(right, secret_id)
    obtaining = {f"/v1/{needed(role)[0]}" for role in config.roles.values()}
    await examined(config)
    assert not obtaining & set(right.paths())
    login = {"username": "u", "password": "p-1"}
    right.answers["/v1/database/creds/orders"] = Answer(
        body={"lease_id": "database/creds/orders/1", "lease_duration": 900, "data": login}
    )
    found = {one.what: one for one in await examined(config, "orders")}["vault.main.roles.orders.try"]
    assert found.severity == "ok"
    assert "p-1" not in found.message
    assert right.paths().count(CREATE) == ended(right).count(CHILD)


@pytest.mark.parametrize(
    "answer", [Answer(504), Answer(502), Answer(steps=[2.0])], ids=["504", "502", "slow"]
)
async def test_what_an_engine_may_still_make_keeps_its_token(right, secret_id, answer):
    """The token ends within 30 s, and takes it along. Without its token it would last as long as its role lets it."""
    right.answers["/v1/database/creds/orders"] = answer
    config = config_of(right, secret_id).model_copy(update={"timeout_seconds": 1.0})
    found = {one.what: one for one in await examined(config, "orders")}["vault.main.roles.orders.try"]
    assert (found.severity, "30 s" in found.next_step) == ("problem", True)
    # Of the two tokens that were made only the one that no engine was asked with is ended.
    assert ended(right).count(CHILD) == 1
    right.answers["/v1/database/creds/orders"] = Answer(400, {"errors": ["no"]})
    await examined(config, "orders")
    assert ended(right).count(CHILD) == 3


async def test_many_roles_are_examined_in_turn(right, secret_id):
    """Each question has its own time, so that none ends while it waits for a connection."""
    many = {f"r{number}": ROLES["weather"] for number in range(40)}
    config = config_of(right, secret_id, roles=many).model_copy(
        update={"timeout_seconds": 1.0, "max_connections": 4}
    )
    role = next(iter(config.roles.values()))
    path = f"/v1/{DEFINITIONS[role.engine].path(role)}"
    slow = right.answers[path].sent()
    right.answers[path] = Answer(steps=[0.1, *slow])
    found = [one for one in await examined(config) if one.what.startswith("vault.main.roles")]
    assert [one.severity for one in found] == ["ok"], found


@pytest.mark.parametrize(
    ("mount", "what", "words"),
    [
        ("database/creds/orders", "roles.orders", "vault secrets tune -max-lease-ttl=900s database"),
        ("ldap/creds/people", "roles.people", "vault secrets tune -max-lease-ttl=900s ldap"),
        ("auth/token", "token_role", "vault auth tune -max-lease-ttl=900s token"),
    ],
)
async def test_a_mount_that_ends_leases_early_is_told(right, secret_id, mount, what, words):
    path = f"/v1/sys/internal/ui/mounts/{mount}"
    data = right.answers[path].body["data"] if path in right.answers else {}
    right.answers[path] = Answer(body={"data": data | {"config": {"max_lease_ttl": 60}}})
    [found] = await told(config_of(right, secret_id), what)
    assert (found.severity, words in found.next_step) == ("warning", True), found


ODD = [5, True, -1, 10**400, {"a": 1}, [[1]], ["x" * 200_000], "\x1b[2J", ["\x1b[31mall is well"], None]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
async def test_odd_replies_are_reported_in_few_visible_words(right, secret_id, tmp_path, odd):
    kept = dict(right.answers)
    config = config_of(right, secret_id)
    wholes = {TOKEN_ROLE_PATH: TOKEN_ROLE | {"period": 0}}
    for role in config.roles.values():
        wholes[f"/v1/{DEFINITIONS[role.engine].path(role)}"] = RIGHT[role.engine]
        mount = {"path": f"{role.path}/", "type": role.engine, "config": {}, "options": {"version": "2"}}
        wholes[f"/v1/sys/internal/ui/mounts/{needed(role)[0]}"] = mount
    # One field of each reply is odd at a time; then each reply is.
    for place in range(max(map(len, wholes.values()))):
        odds = {
            path: whole | dict.fromkeys(list(whole)[place : place + 1], odd) for path, whole in wholes.items()
        }
        right.answers = kept | {path: Answer(body={"data": data}) for path, data in odds.items()}
        _check(await examined(config))
    right.answers = kept | dict.fromkeys(wholes, Answer(body={"data": odd}))
    _check(await examined(config))
    right.answers = kept | {
        CAPABILITIES: lambda asked: Answer(body={"data": dict.fromkeys(asked.body["paths"], odd)})
    }
    _check(await examined(config))
    for method, role in RIGHT_ROLES.items():
        for name in (*role, "bound_claims", "bound_service_account_namespace_selector"):
            data = role | {"bound_subject": ""} | {name: odd}
            right.answers = kept | {f"/v1/auth/{method}/role/tabard": Answer(body={"data": data})}
            _check(await examined(pods(right, tmp_path, method)))
    right.answers = kept | {LOOKUP: Answer(body={"data": {"meta": {"role_name": odd}}})}
    _check(await examined(config))


def _check(found):
    assert len(found) >= 3
    for one in found:
        text = one.message + one.next_step
        assert len(text) < 2000
        assert "\x1b" not in text


@pytest.mark.parametrize(("reads", "written"), [("echo former", "former\nadded"), ("exit 2", "")])
def test_a_right_is_added_to_a_policy_that_can_be_read_only(tmp_path, reads, written):
    """Or the policy would lose all others."""
    fake = tmp_path / "vault"
    fake.write_text(f'#!/bin/sh\ncase "$2" in read) {reads};; write) cat > "{tmp_path}/policy";; esac\n')
    fake.chmod(0o700)
    command = rights_added("tabard", [("sys/x", "read")])
    subprocess.run(["bash", "-c", command], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False)
    found = (tmp_path / "policy").read_text() if (tmp_path / "policy").exists() else ""
    added = 'path "sys/x" { capabilities = ["read"] }'
    assert found.strip() == written.replace("added", added)
