"""An identity provider, or who answers in its place, sends anything: the agent gets nothing wider, and no other person's."""

import asyncio
import json
import time

import pytest
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.state import RevocationKind
from tabard_sidecar.util.bounded_http import MAX_REPLY_BYTES

from tests.support.fake_idp import REVOKE, TOKEN, Answer, fake_idp
from tests.support.fake_vault import Step
from tests.support.tls import Authority
from tests.support.tokens import SigningKey, raw_token
from tests.unit.credentials.exchange.test_ending import ended, revocation

INVALID, UNAVAILABLE, REFUSED = "exchange_reply_invalid", "exchange_unavailable", "exchange_refused"
DETAILS = [{"type": "orders", "actions": ["read"], "own": True}, {"type": "bills"}]
ACT = {"sub": "front-end", "iss": "https://login.example.org"}


def raw(*steps: Step):
    """An answer of raw bytes."""
    return Answer(steps=list(steps), hangs_up=True)


@pytest.mark.parametrize(
    ("answer", "code", "text", "nothing"),
    [
        (Answer(body=b"x" * (MAX_REPLY_BYTES + 1)), INVALID, "longer than", False),
        (Answer(body=json.dumps({"access_token": "x" * 70_000}).encode()), INVALID, "can't be read", False),
        (Answer(body=b"not json"), INVALID, "can't be read", False),
        (Answer(body=[1]), INVALID, "no JSON object", False),
        (Answer(body=b"[" * 50_000), INVALID, "can't be read", False),
        (Answer(body=b'{"access_token":"a","access_token":"b"}'), INVALID, "can't be read", False),
        (Answer(body=b"\xff\xfe"), INVALID, "can't be read", False),
        (Answer(body=b"{}", headers={"Content-Encoding": "gzip"}), INVALID, "compressed", False),
        (Answer(206, {}), INVALID, "HTTP status 206", False),
        (Answer(204), INVALID, "HTTP status 204", False),
        (Answer(307, headers={"Location": "http://127.0.0.1:1/"}), INVALID, "redirects", True),
        (Answer(401, {"error": "invalid_client"}), REFUSED, "invalid_client", True),
        (Answer(400, {"error": "unauthorized_client", "error_description": "d"}), REFUSED, ": d", True),
        (Answer(400, {"error": "unsupported_grant_type"}), REFUSED, "unsupported_grant_type", True),
        (Answer(400, {"error": ["x"]}), REFUSED, "HTTP status 400", True),
        (Answer(404, b"<html>"), REFUSED, "HTTP status 404", True),
        (Answer(400, {"error": "invalid_scope"}), "exchange_denied", "invalid_scope", True),
        (Answer(400, {"error": "invalid_target"}), "exchange_denied", "invalid_target", True),
        (Answer(403, {"error": "access_denied"}), "exchange_denied", "access_denied", True),
        (Answer(400, {"error": "invalid_grant"}), "subject_token_expired", "invalid_grant", True),
        (
            Answer(400, {"error": "invalid_request", "error_description": "Invalid token"}),
            "subject_token_expired",
            "Invalid token",
            True,
        ),
        (
            Answer(
                400, {"error": "invalid_request", "error_description": "Requested audience not available"}
            ),
            REFUSED,
            "not available",
            True,
        ),
        (Answer(400, {"error": "invalid_request"}), REFUSED, "invalid_request", True),
        (Answer(429, {"error": "slow_down"}), UNAVAILABLE, "slow_down", True),
        (Answer(408, {"error": "x"}), UNAVAILABLE, "HTTP status 408", True),
        (Answer(425, {"error": "x"}), UNAVAILABLE, "HTTP status 425", True),
        (Answer(500, {"error": "server_error"}), UNAVAILABLE, "HTTP status 500", False),
        (Answer(503, b"<html>"), UNAVAILABLE, "HTTP status 503", False),
        (raw(), UNAVAILABLE, "closed the connection", False),
        (raw(b"SSH-2.0-x\r\n"), UNAVAILABLE, "isn't HTTP", False),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"), UNAVAILABLE, "closed", False),
        (raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500), UNAVAILABLE, "isn't HTTP", False),
    ],
)
async def test_hostile_and_broken_replies(world, answer, code, text, nothing):
    world.idp.answers[TOKEN] = answer
    request = await world.request()
    fault = await world.fault(request)
    assert (fault.code, text in fault.message) == (code, True), fault.message
    assert isinstance(fault, Refused if code in {"exchange_denied", "subject_token_expired"} else NoDecision)
    expected = Withdrawal.NOTHING_ISSUED if nothing else Withdrawal.UNCLEAR
    assert await world.issuer.withdraw(request) is expected


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"access_token": None}, "no usable access_token"),
        ({"access_token": ""}, "no usable access_token"),
        ({"access_token": 5}, "no usable access_token"),
        ({"access_token": "a b"}, "no usable access_token"),
        ({"access_token": "a\r\nSet-Cookie: x"}, "no usable access_token"),
        ({"access_token": "x" * 20_000}, "no usable access_token"),
        ({"access_token": "opaque"}, "isn't three segments"),
        ({"issued_token_type": None}, "issued_token_type"),
        ({"issued_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "issued_token_type"),
        ({"token_type": None}, "token_type"),
        ({"token_type": "DPoP"}, "token_type"),
        ({"token_type": "N_A"}, "token_type"),
        ({"expires_in": 0}, "lasts 0 s"),
        ({"expires_in": -5}, "lasts -5 s"),
        ({"expires_in": 10 * 365 * 86_400}, "max_ttl_seconds of the audience is 900"),
        ({"expires_in": 1e300}, "longer than anything"),
        ({"expires_in": "300"}, "isn't a number"),
        ({"expires_in": True}, "isn't a number"),
        ({"scope": "orders:read admin"}, "'admin'"),
        ({"scope": ["orders:read"]}, "isn't a list of scopes"),
        ({"scope": "a  b"}, "isn't a list of scopes"),
    ],
)
async def test_members_that_are_missing_or_wrong(world, changes, text):
    world.idp.members(**changes)
    fault = await world.fault()
    assert (fault.code, text in fault.message) == (INVALID, True), fault.message


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"aud": "bills"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": []}, "0 audiences"),
        ({"aud": ["orders", "bills"]}, "2 audiences"),
        ({"aud": {"orders": 1}}, "another audience"),
        ({"sub": "bob"}, "another person's"),
        ({"sub": None}, "claim sub"),
        ({"sub": 5}, "claim sub"),
        ({"iss": "https://elsewhere.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"scope": "orders:read orders:write"}, "'orders:write'"),
        ({"scope": None}, "doesn't say its scopes"),
        ({"scope": 5}, "isn't a list of scopes"),
        ({"scope": "orders:read", "scp": ["orders:read", "admin"]}, "'admin'"),
        ({"scp": [1]}, "isn't a list of scopes"),
        ({"exp": None}, "exp"),
        ({"exp": 5}, "expired"),
        ({"exp": 40_000_000_000}, "max_ttl_seconds"),
        ({"nbf": 40_000_000_000}, "in the future"),
        ({"nonce": "n"}, "ID token"),
        ({"typ": "Refresh"}, "refresh"),
    ],
)
async def test_tokens_that_are_not_what_was_asked_for(world, claims, text):
    world.idp.claims(**claims)
    request = await world.request()
    fault = await world.fault(request)
    assert (fault.code, text in fault.message) == (INVALID, True), fault.message
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED


async def test_tokens_that_nobody_signed(world):
    stranger = SigningKey.make("idp")
    world.idp.claims(stranger)
    assert "signature" in (await world.fault()).message
    world.idp.claims(SigningKey.make("other"))
    assert (await world.fault()).code == INVALID
    world.idp.answers[TOKEN] = world.idp.reply(
        raw_token(world.idp.key, {"alg": "none", "typ": "at+jwt"}, {"iss": "x"})
    )
    assert (await world.fault()).code == INVALID


async def test_no_scope_asked_for_means_none_given(world):
    assert (await world.issuer.issue(await world.request("plain", ()))).scopes == ()
    world.idp.claims(scope=None)
    assert (await world.issuer.issue(await world.request("plain", ()))).scopes == ()
    world.idp.claims(scope="profile")
    assert "'profile'" in (await world.fault(await world.request("plain", ()))).message


NARROWED = {"authorization_details": DETAILS, "act": ACT}


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"authorization_details": DETAILS[:1]},
        {"authorization_details": [{"own": True, "actions": ["read"], "type": "orders"}]},
        {"act": {"sub": "side car", "act": ACT}},
    ],
)
async def test_what_narrowed_the_persons_token_still_does(world, kept):
    world.idp.claims(**(NARROWED | kept))
    await world.issuer.issue(await world.request(grant=await world.grant(**NARROWED)))


@pytest.mark.parametrize(
    ("dropped", "text"),
    [
        ({"authorization_details": None}, "lacks the authorization_details"),
        ({"authorization_details": []}, "lacks the authorization_details"),
        ({"authorization_details": {}}, "lacks the authorization_details"),
        ({"authorization_details": [*DETAILS, {"type": "pay"}]}, "authorization_details that"),
        ({"authorization_details": [DETAILS[0] | {"own": 1}]}, "authorization_details that"),
        ({"act": None}, "lacks the act"),
        ({"act": {"sub": "side car"}}, "lacks the act"),
        ({"act": {"sub": "stranger", "act": ACT}}, "names an actor"),
        ({"act": "front-end"}, "lacks the act"),
        ({"act": ACT | {"act": {"sub": "x"}}}, "lacks the act"),
    ],
)
async def test_dropping_what_narrowed_the_persons_token_would_widen_it(world, dropped, text):
    world.idp.claims(**(NARROWED | dropped))
    fault = await world.fault(await world.request(grant=await world.grant(**NARROWED)))
    assert (fault.code, text in fault.message) == (INVALID, True), fault.message


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"authorization_details": [{"type": "payment"}]}, "the person's token has none"),
        ({"act": {"sub": "someone-else"}}, "names an actor"),
        ({"act": "x"}, "names an actor"),
        ({"act": {"sub": "side car", "act": {"sub": "front"}}}, "names actors"),
        ({"roles": ["admin"]}, "'roles'"),
        ({"roles": ["reader", "admin"]}, "'roles'"),
        ({"groups": ["root"]}, "'groups'"),
        ({"permissions": ["*"]}, "'permissions'"),
        ({"may_act": {"sub": "x"}}, "'may_act'"),
        ({"email": "bob@example.org"}, "'email'"),
        ({"acr": "2"}, "'acr'"),
        ({"resource_access": {"orders": {"roles": ["admin"]}}}, "'resource_access'"),
        ({"resource_access": {"front": {"roles": ["user", "x"]}}}, "'resource_access'"),
    ],
)
async def test_claims_that_the_persons_token_does_not_have_like_that(world, claims, text):
    world.idp.claims(**claims)
    had = {
        "roles": ["reader", "writer"],
        "acr": "1",
        "resource_access": {"front": {"roles": ["user", "guest"]}},
    }
    fault = await world.fault(await world.request(grant=await world.grant(**had)))
    assert (fault.code, text in fault.message) == (INVALID, True), fault.message
    kept = {"roles": ["reader"], "resource_access": {"front": {"roles": ["user"]}}, "auth_time": 5}
    world.idp.claims(**kept, acr="1", azp="side car", sid="s", act={"sub": "side car"})
    await world.issuer.issue(await world.request(grant=await world.grant(**had)))


async def test_extra_claims_of_the_configuration(make_world):
    named = {"scopes": ["orders:read"], "extra_claims": ["resource_access", "groups"]}
    world = make_world(audiences={"orders": named})
    mine = {"orders": {"roles": ["clerk"]}}
    world.idp.claims(resource_access=mine, groups=["desk"])
    await world.issuer.issue(await world.request())
    world.idp.claims(resource_access=mine | {"bills": {"roles": ["clerk"]}})
    assert "'resource_access'" in (await world.fault()).message
    had = {"resource_access": {"bills": {"roles": ["clerk"]}}}
    await world.issuer.issue(await world.request(grant=await world.grant(**had)))


async def test_scopes_of_the_audience_in_the_persons_token_are_the_most(world):
    """And a token without any is refused if the person's had some."""
    grant = await world.grant(scope="openid orders:read")
    await world.issuer.issue(await world.request(grant=grant))
    fault = await world.fault(await world.request(scopes=("orders:write",), grant=grant))
    assert fault.code == "exchange_denied"
    assert len(world.idp.exchanges) == 1
    world.idp.claims(scope=None)
    fault = await world.fault(await world.request("plain", (), grant=grant))
    assert "lacks the scope" in fault.message
    fault = await world.fault(await world.request(grant=await world.grant(scope="a  b")))
    assert fault.code == "exchange_denied"


async def test_redirects_are_never_followed(world):
    with fake_idp() as other:
        world.idp.answers[TOKEN] = Answer(307, headers={"Location": other.address + TOKEN})
        assert (await world.fault()).code == INVALID
        assert other.asked == []


@pytest.mark.parametrize(
    "steps",
    [
        [30.0],
        [b"HTTP/1.1 200 OK\r\n", 30.0],
        [step for _ in range(300) for step in (b"H", 0.1)],
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
            *(step for _ in range(300) for step in (b" ", 0.1)),
        ],
    ],
    ids=["silent", "half-open", "slow status", "slow body"],
)
async def test_a_slow_server_takes_no_longer_than_the_time(make_world, steps):
    world = make_world(timeout_seconds=0.4)
    request = await world.request()
    world.idp.answers[TOKEN] = raw(*steps)
    began = time.monotonic()
    fault = await world.fault(request)
    assert time.monotonic() - began < 15
    assert (fault.code, "didn't answer in time" in fault.message) == (UNAVAILABLE, True)
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR


async def test_a_server_that_nobody_runs_issued_nothing(world):
    world.idp.close()
    request = await world.request()
    fault = await world.fault(request)
    assert (fault.code, "can't be reached" in fault.message) == (UNAVAILABLE, True)
    assert await world.issuer.withdraw(request) is Withdrawal.NOTHING_ISSUED


async def test_the_certificate_is_of_a_trusted_authority_and_names_the_host(make_world, idp, tmp_path):
    ours, strangers = Authority(tmp_path, "ours"), Authority(tmp_path, "strangers")
    cases = [
        (ours.issue("idp"), ours.certificate, ""),
        (strangers.issue("other"), ours.certificate, "unable to get local issuer"),
        (ours.issue("elsewhere", names=["idp.example"]), ours.certificate, "IP address mismatch"),
        (ours.issue("again"), None, "unable to get local issuer"),
    ]
    for tls, ca_file, problem in cases:
        with fake_idp(tls) as fake:
            fake.key = idp.key
            world = make_world(
                token_endpoint=fake.address + TOKEN,
                revocation_endpoint=fake.address + REVOKE,
                ca_file=ca_file,
            )
            request = await world.request()
            if not problem:
                await world.issuer.issue(request)
                assert await world.issuer.withdraw(request) is Withdrawal.ENDED
                continue
            fault = await world.fault(request)
            assert (fault.code, problem in fault.message) == (UNAVAILABLE, True)
            assert fake.asked == []


async def test_no_token_stands_in_an_error(world):
    token = world.idp.subject_token()
    grant = await world.grant(token=token)
    world.idp.answers[TOKEN] = lambda asked: Answer(
        400,
        {
            "error": "invalid_request",
            "error_description": f"bad {asked.body['subject_token']}\x1b[2J" + "x" * 9999,
        },
    )
    fault = await world.fault(await world.request(grant=grant))
    assert "[redacted]" in fault.message
    assert not any(part in fault.message for part in (*token.split("."), "\x1b"))
    assert len(fault.message) < 1000


async def test_opaque_tokens_only_if_they_are_expected(make_world):
    world = make_world(opaque=True)
    world.idp.members(access_token="opaque-token", scope="orders:read")
    issued = await world.issuer.issue(await world.request())
    assert issued.value == "opaque-token"
    for changes, text in (
        ({"scope": None}, "doesn't say its scopes"),
        ({"scope": "admin"}, "'admin'"),
        ({"expires_in": None}, "expires_in"),
    ):
        world.idp.members(**({"access_token": "opaque-token", "scope": "orders:read"} | changes))
        assert text in (await world.fault()).message
    # Nobody could tell whether an opaque token keeps them.
    for claims in ({"act": ACT}, {"authorization_details": DETAILS}):
        fault = await world.fault(await world.request(grant=await world.grant(**claims)))
        assert fault.code == "exchange_denied"


@pytest.mark.parametrize("opaque", [True, False])
async def test_the_persons_own_token_is_never_given(make_world, opaque):
    world = make_world(opaque=opaque)
    world.idp.answers[TOKEN] = lambda asked: world.idp.reply(
        asked.body["subject_token"], scope=asked.body["scope"]
    )
    request = await world.request()
    fault = await world.fault(request)
    assert (fault.code, "own token back" in fault.message) == (INVALID, True), fault.message
    # Revoking it would sign the person out.
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    assert world.idp.revoked == []


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("endpoint", [True, False])
async def test_one_opaque_token_is_never_two_peoples(make_world, given, endpoint):
    world = make_world(opaque=True, **({} if endpoint else {"revocation_endpoint": None}))
    world.idp.members(access_token="opaque-token", scope="orders:read")
    first, second = [await world.request(grant=await world.grant(who)) for who in ("alice", "bob")]
    await (world.given(first) if given else world.issuer.issue(first))
    fault = await world.fault(second)
    assert (fault.code, "another person" in fault.message) == (INVALID, True), fault.message
    assert await world.issuer.withdraw(second) is Withdrawal.UNCLEAR
    assert world.idp.revoked == []
    again = await world.request(scopes=("orders:read",), grant=await world.grant("alice"))
    assert (await world.issuer.issue(again)).value == "opaque-token"


async def test_a_reply_with_the_token_of_another_persons_task_does_not_end_that_one(world):
    other = await world.request(grant=await world.grant("bob"))
    bobs = await world.given(other)
    request = await world.request()
    world.idp.answers[TOKEN] = lambda _: world.idp.reply(bobs.value)
    assert (await world.fault(request)).code == INVALID
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    assert world.idp.revoked == []
    again = world.issuer.compute(await world.request(grant=other.grant))
    assert again is not None
    await ended(world, revocation(world, RevocationKind.LINK, other.grant.root_id))
    assert world.idp.revoked == [bobs.value]


async def test_a_token_that_is_issued_twice_ends_for_both_and_is_not_given_any_more(world):
    """One who caches has it for two tasks of a person; the one that goes on gets another one."""
    one, two = await world.request(), await world.request()
    cached = world.idp.exchange
    first = await world.given(one)
    world.idp.answers[TOKEN] = lambda _: world.idp.reply(first.value)
    assert (await world.given(two)).value == first.value
    withdrawn = await world.request("orders", ("orders:read",))
    await world.issuer.issue(withdrawn)
    assert await world.issuer.withdraw(withdrawn) is Withdrawal.UNCLEAR
    assert world.idp.revoked == []
    await ended(world, revocation(world, RevocationKind.LINK, one.grant.root_id))
    assert world.idp.revoked == [first.value]
    assert (await world.store.leases(now=world.clock())).leases == ()
    again = await world.request(grant=two.grant)
    assert world.issuer.compute(again) is None
    world.idp.answers[TOKEN] = cached
    assert (await world.given(again)).value != first.value
    assert len(world.issuer.live) == 1


async def test_the_persons_own_token_is_not_revoked_when_it_comes_late(make_world):
    """Her session would end."""
    world = make_world(timeout_seconds=0.5)
    request, late = await world.request(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slowly(asked):
        time.sleep(1.0)
        loop.call_soon_threadsafe(late.set)
        return world.idp.reply(asked.body["subject_token"])

    world.idp.answers[TOKEN] = slowly
    await world.fault(request)
    await late.wait()
    await asyncio.sleep(0.3)
    await world.issuer.close()
    assert world.idp.revoked == []
