"""The sidecar proves which client it is, and which workload acts."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tabard_sidecar.credentials.exchange.acting import actors_of
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.identity.agent import STATIC_ISSUER
from tabard_sidecar.interfaces import Withdrawal

from tests.support.credentials import PREFIX
from tests.support.fake_idp import REVOKE, TOKEN, Answer, claims_of
from tests.support.tokens import ISSUER
from tests.unit.credentials.exchange.conftest import SECRET

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def key_file(folder, key, *, mode=0o600):
    """A file with a private key."""
    path = folder / "client.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)
    return path


def token_file(folder, idp, name="token", **claims):
    """A file with a token of this workload."""
    path = folder / name
    claims = {"person": "system:serviceaccount:shop:orders"} | claims
    path.write_text(idp.subject_token(**claims) + "\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
)
async def test_a_private_key_signs_an_assertion_for_each_request(make_world, tmp_path, key, algorithm):
    path = key_file(tmp_path, key)
    world = make_world(client_secret_file=None, private_key_file=path, key_id="k1")
    request = await world.request()
    await world.issuer.issue(request)
    await world.issuer.withdraw(request)
    sent = [asked.body for asked in world.idp.asked]
    assert all("Authorization" not in asked.headers for asked in world.idp.asked)
    assert [(form["client_id"], form["client_assertion_type"]) for form in sent] == [
        ("side car", JWT_BEARER)
    ] * 2
    ids = set()
    for form in sent:
        assertion = form["client_assertion"]
        claims = jwt.decode(assertion, key.public_key(), [algorithm], audience=world.config.token_endpoint)
        assert jwt.get_unverified_header(assertion)["kid"] == "k1"
        assert claims["iss"] == claims["sub"] == "side car"
        assert 0 < claims["exp"] - claims["iat"] <= 60
        ids.add(claims["jti"])
    assert len(ids) == 2


async def test_the_audience_of_assertions_can_be_another(make_world, tmp_path):
    path = key_file(tmp_path, ec.generate_private_key(ec.SECP256R1()))
    world = make_world(
        client_secret_file=None, private_key_file=path, assertion_audience="https://idp.example"
    )
    await world.issuer.issue(await world.request())
    assert claims_of(world.idp.exchanges[0]["client_assertion"])["aud"] == "https://idp.example"


async def test_a_projected_token_is_the_assertion_and_is_read_for_each_request(make_world, idp, tmp_path):
    path = token_file(tmp_path, idp)
    world = make_world(client_secret_file=None, assertion_file=path)
    await world.issuer.issue(await world.request())
    first = path.read_text().strip()
    token_file(tmp_path, idp, jti="renewed")
    await world.issuer.issue(await world.request())
    assert [form["client_assertion"] for form in world.idp.exchanges] == [first, path.read_text().strip()]


@pytest.mark.parametrize(
    ("content", "mode", "text"),
    [
        (None, 0o600, "No such file"),
        (b"x", 0o644, "chmod"),
        (b"short", 0o600, "fewer than 32"),
        (b"\xff" * 40, 0o600, "no secret"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_told_and_nothing_is_asked(
    make_world, tmp_path, content, mode, text
):
    world = make_world()
    path = tmp_path / "client-secret"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
        path.chmod(mode)
    fault = await world.fault()
    assert (fault.code, text in fault.message) == ("exchange_refused", True), fault.message
    assert world.idp.asked == []


@pytest.mark.parametrize(
    ("key", "mode"),
    [
        (rsa.generate_private_key(65537, 1024), 0o600),  # noqa: S505 - that is the point
        (ec.generate_private_key(ec.SECP384R1()), 0o600),
        (ec.generate_private_key(ec.SECP256R1()), 0o644),
        (None, 0o600),
    ],
)
async def test_keys_that_are_weak_unknown_or_readable_by_others(make_world, tmp_path, key, mode):
    path = tmp_path / "client.pem"
    if key is None:
        path.write_text("no key")
    else:
        key_file(tmp_path, key, mode=mode)
    world = make_world(client_secret_file=None, private_key_file=path)
    fault = await world.fault()
    assert (fault.code, str(path) in fault.message) == ("exchange_refused", True)
    assert world.idp.asked == []


async def test_an_actor_has_to_be_named_in_act(make_world, idp, tmp_path):
    """An identity provider that ignores the actor token issues a token that says nothing of the agent."""
    me = "system:serviceaccount:shop:orders"
    world = make_world(actor_token_file=token_file(tmp_path, idp, "actor"))
    fault = await world.fault()
    assert (fault.code, "act doesn't name" in fault.message) == ("exchange_reply_invalid", True)
    assert claims_of(world.idp.exchanges[0]["actor_token"])["sub"] == me
    assert world.idp.exchanges[0]["actor_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    for act in ({"sub": "another"}, {"sub": "front", "act": {"sub": me}}, {"act": {"sub": me}}, [me]):
        world.idp.claims(act=act)
        assert "act doesn't name" in (await world.fault()).message
    world.idp.claims(act={"sub": me})
    await world.issuer.issue(await world.request())
    # With an earlier actor in the person's token both have to be there, in this order.
    earlier = {"sub": "front-end"}
    grant = await world.grant(act=earlier)
    assert "lacks the act" in (await world.fault(await world.request(grant=grant))).message
    world.idp.claims(act={"sub": me, "act": earlier})
    await world.issuer.issue(await world.request(grant=grant))
    assert REVOKE not in world.idp.paths()


async def test_an_actor_of_another_issuer_is_another(make_world, idp, tmp_path):
    """``sub`` alone doesn't tell them apart (RFC 8693, section 4.1)."""
    me, home = "system:serviceaccount:shop:orders", "https://kubernetes.default.svc"
    world = make_world(actor_token_file=token_file(tmp_path, idp, "actor", iss=home))
    for act in ({"sub": me, "iss": ISSUER}, {"sub": me, "iss": None}, {"sub": me, "iss": [home]}):
        world.idp.claims(act=act)
        assert "act doesn't name" in (await world.fault()).message
    world.idp.claims(act={"sub": me, "iss": home})
    await world.issuer.issue(await world.request())
    # Without an actor token it is the sidecar's client, which only the identity provider names.
    world = make_world()
    world.idp.claims(act={"sub": "side car", "iss": home})
    assert "names an actor" in (await world.fault()).message
    world.idp.claims(act={"sub": "side car", "iss": ISSUER})
    await world.issuer.issue(await world.request())


async def test_a_person_who_lets_another_act(make_world, idp, tmp_path):
    """Nothing is asked, since an identity provider would say no more than that one of the tokens is bad."""
    me, home = "system:serviceaccount:shop:orders", "https://kubernetes.default.svc"
    world = make_world(actor_token_file=token_file(tmp_path, idp, "actor", iss=home))
    for may_act in (
        {"sub": "another"},
        {"sub": me, "iss": ISSUER},
        {"sub": me, "x": 1},
        {"iss": home},
        [me],
        {},
    ):
        fault = await world.fault(await world.request(grant=await world.grant(may_act=may_act)))
        assert (fault.code, me in str(fault)) == ("subject_token_may_act", True)
    assert world.idp.asked == []
    world.idp.claims(act={"sub": me})
    for may_act in ({"sub": me}, {"sub": me, "iss": home}, {"sub": me, "client_id": "chat"}):
        await world.issuer.issue(await world.request(grant=await world.grant(may_act=may_act)))


async def test_without_an_actor_token_the_workload_itself_has_to_be_named(world):
    """The identity provider learns of the sidecar's client only, so it can't compare."""
    me = PREFIX + "orders"
    others = ({"sub": PREFIX + "another"}, {"sub": me, "iss": ISSUER}, {"sub": me, "x": 1}, [me], {}, "x")
    for may_act in others:
        fault = await world.fault(await world.request(grant=await world.grant(may_act=may_act)))
        assert (fault.code, me in str(fault)) == ("subject_token_may_act", True), fault
    assert world.idp.asked == []
    for may_act in ({"sub": me}, {"sub": me, "iss": STATIC_ISSUER}):
        issued = await world.issuer.issue(await world.request(grant=await world.grant(may_act=may_act)))
        assert claims_of(issued.value)["sub"] == "alice"


@pytest.mark.parametrize(
    ("way", "opaque"),
    [
        ("secret", False),
        ("secret", True),
        ("assertion", False),
        ("assertion", True),
        # An actor token needs tokens that can be read.
        ("actor", False),
    ],
)
async def test_a_secret_of_the_request_that_comes_back_is_neither_given_nor_revoked(
    make_world, idp, tmp_path, way, opaque
):
    """With the client's assertion or secret an agent could exchange tokens itself, and the sidecar acts by its actor token."""
    changes: dict[str, object] = {"opaque": opaque}
    if way == "assertion":
        file = token_file(tmp_path, idp, "assertion")
        changes |= {"assertion_file": file, "client_secret_file": None}
    elif way == "actor":
        file = token_file(tmp_path, idp, "actor")
        changes |= {"actor_token_file": file}
    world = make_world(**changes)
    secret = SECRET if way == "secret" else file.read_text().strip()
    world.idp.answers[TOKEN] = lambda asked: world.idp.reply(secret, scope=asked.body["scope"])
    request = await world.request()
    fault = await world.fault(request)
    assert (fault.code, "a secret of the request" in str(fault)) == ("exchange_reply_invalid", True), fault
    assert secret not in str(fault)
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    assert world.idp.revoked == []


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        ({"actor", "may_act"}, "subject_token_expired", "unless it means the actor token of 'system:service"),
        ({"actor"}, "subject_token_expired", "unless it means the actor token of 'system:serviceaccount"),
        ({"may_act"}, "exchange_refused", "set actor_token_file"),
        (set(), "subject_token_expired", "invalid_grant"),
    ],
)
async def test_what_a_refused_grant_means(make_world, tmp_path, sent, code, text):
    world = make_world()
    if "actor" in sent:
        world = make_world(actor_token_file=token_file(tmp_path, world.idp, "actor"))
    named = "system:serviceaccount:shop:orders" if "actor" in sent else PREFIX + "orders"
    claims = {"may_act": {"sub": named}} if "may_act" in sent else {}
    world.idp.answers[TOKEN] = Answer(400, {"error": "invalid_grant"})
    fault = await world.fault(await world.request(grant=await world.grant(**claims)))
    assert (fault.code, text in str(fault)) == (code, True), str(fault)
    # Other refusals stay what they are.
    world.idp.answers[TOKEN] = Answer(400, {"error": "invalid_scope"})
    assert (
        await world.fault(await world.request(grant=await world.grant(**claims)))
    ).code == "exchange_denied"


@pytest.mark.parametrize("content", [b"", b"no jwt", b"\xff"])
async def test_an_actor_token_that_cannot_be_used(make_world, tmp_path, content):
    path = tmp_path / "actor"
    path.write_bytes(content)
    world = make_world(actor_token_file=path)
    assert (await world.fault()).code == "exchange_refused"
    assert world.idp.asked == []


@pytest.mark.parametrize(("claims", "text"), [({"sub": None}, "no sub"), ({"exp": 5}, "has expired")])
async def test_an_actor_token_that_names_nobody_or_has_expired_is_not_sent(
    make_world, idp, tmp_path, claims, text
):
    world = make_world(actor_token_file=token_file(tmp_path, idp, "actor", **claims))
    fault = await world.fault()
    assert (fault.code, text in str(fault)) == ("exchange_refused", True), str(fault)
    assert world.idp.asked == []


async def test_who_a_workload_is_at_an_issuer_is_read_from_its_actor_tokens(make_world, idp, tmp_path):
    """For every issuer whose people's tokens are exchanged with one, each time anew."""
    path = token_file(tmp_path, idp, "actor")
    config = make_world(actor_token_file=path).config
    silent = config.model_copy(update={"actor_token_file": None})
    granted = silent.model_copy(update={"actor_token_grant": "client_credentials"})
    clock = [time.time()]
    found = actors_of({"main": config, "second": config, "silent": silent}, lambda: clock[0])
    assert (set(found), len(found[ISSUER])) == ({ISSUER}, 2)
    assert found[ISSUER][0]()["sub"] == "system:serviceaccount:shop:orders"
    token_file(tmp_path, idp, "actor", person="another")
    assert found[ISSUER][0]()["sub"] == "another"
    clock[0] += 3600
    with pytest.raises(NoDecision, match=r"exchange\.second: .*has expired") as caught:
        found[ISSUER][1]()
    assert caught.value.code == "exchange_refused"
    assert not actors_of({"silent": silent}, time.time)
    [client] = actors_of({"granted": granted}, time.time)[ISSUER]
    assert client() == {"iss": ISSUER, "sub": "side car", "client_id": "side car"}
