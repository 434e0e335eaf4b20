"""From configuration to verifiers."""

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.identity import (
    LOCAL_ISSUER,
    IdentityConfig,
    InsecureIdentity,
    KeysUnavailable,
    build_identity,
    create_local_key,
    mint_local_token,
    sign_intent,
)
from tabard_sidecar.keys import KeyringError

from tests.support.tokens import AUDIENCE, ISSUER, NOW, FakeClock, KeyServer, SigningKey, access_claims

AGENT = "spiffe://example.org/ns/shop/sa/orders"
KEY = SigningKey.make("key-1")


def build(config, **insecure):
    return build_identity(
        IdentityConfig.model_validate(config),
        zone="support",
        insecure=InsecureIdentity(**insecure),
        clock=FakeClock(),
    )


async def test_several_issuers_with_keys_from_discovery_url_and_file(tmp_path):
    """Each issuer has its own place of keys: discovery, a URL or a file."""
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [KEY.jwk()]}))
    server = KeyServer([KEY.jwk()])
    async for running in server.serve():
        issuers = [
            {"issuer": running.url, "audiences": [AUDIENCE]},
            {"issuer": "https://b.example.org", "audiences": [AUDIENCE], "jwks_url": f"{running.url}/jwks"},
            {"issuer": "https://c.example.org", "audiences": [AUDIENCE], "keys_file": str(file)},
        ]
        identity = build({"issuers": issuers}, agent_id=AGENT)
        await identity.start()
        try:
            for issuer in issuers:
                token = KEY.sign(access_claims(iss=issuer["issuer"]))
                assert (await identity.subjects.verify(token)).issuer == issuer["issuer"]
        finally:
            await identity.close()


async def test_an_issuer_that_cannot_be_reached_gives_no_decision():
    identity = build(
        {"issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_url": "http://127.0.0.1:1/"}]}
    )
    await identity.start()
    with pytest.raises(NoDecision) as caught:
        await identity.subjects.verify(KEY.sign(access_claims()))
    await identity.close()

    assert (caught.value.status, caught.value.code) == ("UNAVAILABLE", "issuer_unavailable")


async def test_an_absent_key_file_stops_the_start(tmp_path):
    identity = build(
        {"issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE], "keys_file": str(tmp_path / "no")}]}
    )

    with pytest.raises(KeysUnavailable):
        await identity.start()


async def test_an_initiators_intent_goes_with_a_local_subject(tmp_path):
    (tmp_path / "chat.pem").write_bytes(KEY.pem())
    create_local_key(tmp_path / "local.json")
    config = {"initiators": [{"issuer": "chat", "keys_file": str(tmp_path / "chat.pem")}]}
    identity = build(config, agent_id=AGENT, local_subjects=tmp_path / "local.json")
    await identity.start()
    token = mint_local_token(
        tmp_path / "local.json", subject_id="alice", claims={"role": "manager"}, agent_id=AGENT, now=NOW
    )
    subject = await identity.subjects.verify(token)
    intent = sign_intent(
        KEY.private,
        issuer="chat",
        zone="support",
        subject_id="alice",
        subject_issuer=LOCAL_ISSUER,
        purpose="refunds",
        statement="x",
        now=NOW,
    )

    assert (await identity.intents.verify(intent, subject)).purpose == "refunds"
    assert (subject.id, subject.issuer, subject.claims, subject.authenticated_at) == (
        "alice",
        LOCAL_ISSUER,
        {"role": "manager"},
        NOW,
    )
    await identity.close()


async def test_a_local_token_for_another_agent_is_refused(tmp_path):
    create_local_key(tmp_path / "local.json")
    identity = build({}, agent_id=AGENT, local_subjects=tmp_path / "local.json")
    token = mint_local_token(tmp_path / "local.json", subject_id="alice", agent_id=AGENT + "2", now=NOW)

    with pytest.raises(Refused, match="may_act"):
        await identity.subjects.verify(token)


async def test_local_subjects_are_unknown_unless_switched_on(tmp_path):
    create_local_key(tmp_path / "local.json")
    token = mint_local_token(tmp_path / "local.json", subject_id="alice", now=NOW)

    with pytest.raises(Refused, match="unknown_issuer"):
        await build({}, agent_id=AGENT).subjects.verify(token)


async def test_a_local_key_of_another_user_does_not_count(tmp_path):
    for name in ("one", "two"):
        create_local_key(tmp_path / name)
    identity = build({}, agent_id=AGENT, local_subjects=tmp_path / "one")

    with pytest.raises(Refused, match="unknown_key"):
        await identity.subjects.verify(mint_local_token(tmp_path / "two", subject_id="alice", now=NOW))


def test_a_local_key_is_for_its_owner_alone_and_never_overwritten(tmp_path):
    path = tmp_path / "local.json"
    create_local_key(path)
    assert path.stat().st_mode & 0o777 == 0o600

    with pytest.raises(KeyringError, match="File exists"):
        create_local_key(path)

    path.chmod(0o644)
    with pytest.raises(KeyringError, match="chmod 600"):
        mint_local_token(path, subject_id="alice")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"kid": "a"}', '{"kid": "a", "key": {"kty": "EC"}}'])
def test_a_broken_local_key_is_told(tmp_path, content):
    path = tmp_path / "local.json"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(KeyringError, match=r"local\.json"):
        mint_local_token(path, subject_id="alice")


def test_a_local_token_cannot_override_its_own_claims(tmp_path):
    create_local_key(tmp_path / "local.json")

    with pytest.raises(ValueError, match="iss"):
        mint_local_token(tmp_path / "local.json", subject_id="alice", claims={"iss": ISSUER})


async def test_a_service_account_token_is_the_agents_identity(tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [KEY.jwk()]}))
    names = {"namespace": "shop", "serviceaccount": {"name": "orders"}}
    claims = {
        "iss": "k8s",
        "aud": "tabard",
        "exp": NOW + 60,
        "sub": "system:serviceaccount:shop:orders",
        "kubernetes.io": names,
    }
    (tmp_path / "token").write_text(KEY.sign(claims, typ=None))
    account = {
        "issuer": "k8s",
        "trust_domain": "example.org",
        "token_file": str(tmp_path / "token"),
        "keys_file": str(tmp_path / "keys.json"),
    }
    identity = build({"agent": {"service_account": account}})
    await identity.start()

    assert identity.agent.current().id == AGENT
    await identity.close()
    with pytest.raises(ValueError, match="not both"):
        build({"agent": {"service_account": account}}, agent_id=AGENT)


async def test_without_any_identity_nothing_is_answered():
    with pytest.raises(NoDecision, match=r"identity\.agent"):
        build({}).agent.current()


@pytest.mark.parametrize(
    "place", [{"jwks_url": "http://example.org/"}, {"discovery_url": "http://example.org/"}]
)
def test_keys_over_plain_http_are_a_configuration_error_unless_allowed(place):
    config = {"issuers": [{"issuer": ISSUER, "audiences": [AUDIENCE]} | place]}

    with pytest.raises(ValueError, match="https"):
        build(config)
    build(config, allow_http=True)


ISSUER_CONFIG = {"issuer": ISSUER, "audiences": [AUDIENCE]}


@pytest.mark.parametrize(
    "config",
    [
        {"issuers": [ISSUER_CONFIG, ISSUER_CONFIG]},
        {"issuers": [{"issuer": ISSUER}]},
        {"issuers": [ISSUER_CONFIG | {"audiences": []}]},
        {"issuers": [ISSUER_CONFIG | {"algorithms": ["HS256"]}]},
        {"issuers": [ISSUER_CONFIG | {"algorithms": ["none"]}]},
        {"issuers": [ISSUER_CONFIG | {"algorithms": []}]},
        {"issuers": [ISSUER_CONFIG | {"jwks_url": "https://a", "keys_file": "b"}]},
        {"issuers": [ISSUER_CONFIG | {"refresh_seconds": 7200}]},
        {"issuers": [ISSUER_CONFIG | {"min_refetch_seconds": 0}]},
        {"issuers": [ISSUER_CONFIG | {"audience": "x"}]},
        {"initiators": [{"issuer": "chat"}]},
        {"agent": {"service_account": {"issuer": "k8s", "trust_domain": "Example.org"}}},
        {"clock_skew_seconds": 3600},
        {"tasks_per_token": 0},
    ],
)
def test_configuration_that_contradicts_itself_is_refused(config):
    with pytest.raises(ValidationError):
        IdentityConfig.model_validate(config)


def test_every_field_of_the_configuration_is_described():
    pending = [IdentityConfig.model_json_schema()]
    while pending:
        schema = pending.pop()
        pending.extend(schema.get("$defs", {}).values())
        for name, field in schema.get("properties", {}).items():
            assert "description" in field, name


def test_the_http_client_is_not_loaded_without_a_remote_issuer():
    code = "import sys, tabard_sidecar.identity, tabard_sidecar.credentials, tabard_sidecar.keys; sys.exit('aiohttp' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
