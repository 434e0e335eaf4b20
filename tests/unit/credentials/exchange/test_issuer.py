"""Exchanges as asked: what is sent, what is given, what is held, and what is taken back."""

import asyncio
import base64
from dataclasses import replace

import pytest
from tabard_sidecar.errors import Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.state import Revocation, RevocationKind

from tests.support.credentials import HOP, kept_calls
from tests.support.fake_idp import REVOKE, TOKEN, Answer, claims_of
from tests.support.waiting import eventually
from tests.unit.credentials.exchange.conftest import SECRET

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


async def test_a_persons_token_is_exchanged_for_the_one_backend(world):
    grant = await world.grant()
    request = await world.request(grant=grant, scopes=("orders:read", "orders:write"))
    issued = await world.issuer.issue(request)
    claims = claims_of(issued.value)
    assert (claims["sub"], claims["aud"], claims["scope"]) == ("alice", "orders", "orders:read orders:write")
    assert (issued.kind, issued.audience, issued.scopes) == ("exchange", "orders", request.scopes)
    assert 248 <= issued.expires_at - request.issued_at <= 250
    [sent] = world.idp.exchanges
    assert claims_of(sent.pop("subject_token"))["aud"] == "tabard"
    assert sent == {
        "grant_type": GRANT_TYPE,
        "subject_token_type": ACCESS_TOKEN,
        "requested_token_type": ACCESS_TOKEN,
        "audience": "orders",
        "scope": "orders:read orders:write",
    }
    # RFC 6749, section 2.3.1: both parts are form-encoded.
    encoded = base64.b64encode(f"side+car:{SECRET.replace('+', '%2B').replace('/', '%2F')}".encode()).decode()
    assert world.idp.asked[0].headers["Authorization"] == f"Basic {encoded}"
    assert issued.value not in repr(issued)


async def test_the_token_ends_with_what_ends_first(world):
    world.idp.claims(exp=int(world.clock()) + 60)
    issued = await world.issuer.issue(await world.request())
    assert issued.expires_at - world.clock() <= 60
    world.idp.members(expires_in=30)
    issued = await world.issuer.issue(await world.request())
    assert issued.expires_at - world.clock() <= 30
    world.idp.members(expires_in=None)
    issued = await world.issuer.issue(await world.request())
    assert issued.expires_at - world.clock() <= 250


async def test_a_resource_is_sent_and_may_be_the_audience(world):
    request = await world.request("bills", ("bills:read",))
    assert (await world.issuer.issue(request)).audience == "bills"
    assert world.idp.exchanges[0]["resource"] == "https://bills.example"
    world.idp.claims(aud=["https://bills.example"])
    assert (await world.issuer.issue(await world.request("bills", ("bills:read",)))).audience == "bills"


async def test_a_held_token_is_given_to_the_same_holder_only(world):
    grant = await world.grant()
    first = await world.given(await world.request(grant=grant))
    assert await world.given(await world.request(grant=grant)) is first
    assert len(world.idp.exchanges) == 1
    for changes in (
        {"scopes": ("orders:write",)},
        {"scopes": ("orders:read", "orders:write")},
        {"audience": "plain", "scopes": ()},
        {"grant": await world.grant("bob")},
        {"grant": await world.grant("alice")},
        {"uses": 1},
    ):
        request = await world.request(**({"grant": grant} | changes))
        assert world.issuer.compute(request) is None, changes


async def test_no_more_is_held_than_lasts_or_than_the_configuration_allows(world):
    grant = await world.grant()
    await world.given(await world.request(grant=grant))
    world.offset = 126  # of 250 seconds
    assert world.issuer.compute(await world.request(grant=grant)) is None
    world.offset = 0
    await world.given(await world.request("once", ("once",), grant=grant))
    assert world.issuer.compute(await world.request("once", ("once",), grant=grant)) is None
    assert world.issuer.compute(await world.request(grant=grant, seconds=20)) is None


@pytest.mark.parametrize(
    ("audience", "scopes"),
    [("nothing", ()), ("orders", ("admin",)), ("orders", ("orders:read", "bills:read")), ("plain", ("x",))],
)
async def test_what_the_configuration_does_not_have_is_never_asked_for(world, audience, scopes):
    request = await world.request(audience, scopes)
    with pytest.raises(Refused) as caught:
        world.issuer.compute(request)
    assert caught.value.code == (await world.fault(request)).code == "exchange_target_unknown"
    assert world.idp.asked == []
    assert await world.issuer.withdraw(request) is Withdrawal.NOTHING_ISSUED


async def test_people_of_another_issuer_have_no_exchange(world):
    grant = await world.grant()
    subject = type(grant.subject)("alice", "https://elsewhere.example")
    fault = await world.fault(await world.request(grant=type(grant)(**_parts(grant) | {"subject": subject})))
    assert fault.code == "exchange_target_unknown"


def _parts(grant):
    names = [name for name in grant.__slots__ if name != "granted_budgets"]
    return {name: getattr(grant, name) for name in names}


async def test_the_persons_token_is_gone_when_it_expired_or_the_task_ended(world):
    """Also if the key that sealed it is gone, or it was sealed for another task."""
    grant = await world.grant(exp=int(world.clock()) + 20)
    world.offset = 21
    fault = await world.fault(await world.request(grant=grant))
    assert (fault.code, isinstance(fault, Refused)) == ("subject_token_expired", True)
    world.offset = 701
    assert (await world.fault(await world.request(grant=grant))).code == "subject_token_expired"
    world.offset = 0
    grant = await world.grant()
    await world.store.revoke(
        Revocation(RevocationKind.LINK, grant.root_id, world.clock(), world.clock() + 600)
    )
    assert (await world.fault(await world.request(grant=grant))).code == "subject_token_expired"
    assert world.idp.asked == []


async def test_the_store_never_sees_a_persons_token_and_none_opens_for_another_task(world, tmp_path):
    token = world.idp.subject_token()
    grant = await world.grant(token=token)
    for file in tmp_path.glob("s.db*"):
        content = file.read_bytes()
        assert not any(part.encode() in content for part in token.split("."))
    assert await world.kept.find(grant.root_id, now=world.clock()) == token
    sealed = await world.store.subject_token(grant.root_id, now=world.clock())

    class Swapped:
        async def subject_token(self, _root, *, now):
            del now
            return sealed

    world.kept._state = Swapped()
    assert await world.kept.find("another", now=world.clock()) is None


async def test_tokens_of_other_issuers_are_not_kept(world):
    grant = await world.grant()
    other = type(grant.subject)("alice", "https://elsewhere.example", expires_at=world.clock() + 60)
    assert world.kept.sealed("token", other, grant.root_id, until=world.clock() + 60) is None


async def test_an_answer_that_is_not_given_takes_its_token_back(make_world):
    world = make_world()
    request = await world.request()
    issued = await world.issuer.issue(request)
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert world.idp.revoked == [issued.value]
    assert world.issuer.compute(request) is None
    assert await world.issuer.withdraw(request) is Withdrawal.NOTHING_ISSUED
    world.idp.answers[REVOKE] = Answer(200, {"error": "invalid_token"})
    request = await world.request()
    await world.issuer.issue(request)
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    without = make_world(revocation_endpoint=None)
    request = await without.request()
    await without.issuer.issue(request)
    assert await without.issuer.withdraw(request) is Withdrawal.UNCLEAR


async def test_a_refused_token_is_revoked_too(world):
    """It isn't given, and its charge isn't given back, since it was issued."""
    request = await world.request()
    world.idp.claims(aud="bills")
    assert (await world.fault(request)).code == "exchange_reply_invalid"
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert [claims_of(token)["aud"] for token in world.idp.revoked] == ["bills"]


async def test_a_token_that_comes_too_late_is_revoked(make_world):
    world = make_world(timeout_seconds=0.4)

    def late(asked):
        answer = world.idp.exchange(asked)
        return Answer(steps=[0.55, *answer.sent()])

    world.idp.answers[TOKEN] = late
    request = await world.request()
    assert (await world.fault(request)).code == "exchange_unavailable"
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR


async def test_many_people_at_once_each_get_their_own_token(world):
    """One person's token never reaches another's call, through bounded connections."""
    people = [f"person-{number % 20}" for number in range(200)]
    grants = [await world.grant(person) for person in people]

    async def one(grant):
        return (await world.given(await world.request(grant=grant))).value

    for _ in range(2):
        tokens = await asyncio.gather(*(one(grant) for grant in grants))
        assert [claims_of(token)["sub"] for token in tokens] == people
    assert len(world.idp.exchanges) == 200
    assert world.idp.most <= world.config.max_connections


async def test_below_a_hop_the_same_persons_token_is_exchanged_and_held_apart(world):
    grant = await world.grant()
    below = type(grant)(**_parts(grant) | {"links": (HOP,)})
    await world.given(await world.request(grant=grant))
    request = await world.request(grant=below)
    assert world.issuer.compute(request) is None
    assert claims_of((await world.given(request)).value)["sub"] == "alice"


async def test_health_tells_a_server_that_fails_and_not_a_person_who_is_denied(world):
    world.idp.answers[TOKEN] = Answer(503, {})
    await world.fault()
    assert world.problems[-1].startswith("exchange.main: HTTP status 503")
    world.idp.answers[TOKEN] = Answer(400, {"error": "invalid_scope"})
    await world.fault()
    assert world.problems[-1] == ""


async def test_a_caller_who_goes_away_meanwhile_gets_nothing(world):
    """The pipeline lets issuing go on, and withdraws."""
    request = await world.request()
    running = asyncio.create_task(world.issuer.issue(request))
    await eventually(lambda: world.idp.exchanges)
    await running
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert len(world.idp.revoked) == 1


async def test_new_labels_end_reuse(world):
    """What is read after a token was given may make policy narrow the next."""
    grant = await world.grant()
    first = await world.given(await world.request(grant=grant, labels=("a",)))
    again = world.issuer.compute(await world.request(grant=grant, labels=("a",)))
    assert again is not None
    assert again.credential_id == first.credential_id
    assert world.issuer.compute(await world.request(grant=grant, labels=("a", "untrusted"))) is None


async def test_a_ttl_of_a_second_is_the_policys_fault_and_no_expired_grant(world):
    request = await world.request(seconds=0.5)
    fault = await world.fault(request)
    assert (fault.code, "a second or less" in fault.message) == ("exchange_target_unknown", True)
    short = replace(await world.grant(), expires_at=world.clock() + 0.5)
    assert (await world.fault(await world.request(seconds=0.5, grant=short))).code == "grant_expired"
    assert world.idp.exchanges == []


@pytest.mark.parametrize("changes", [{}, {"revocation_endpoint": None}])
async def test_the_call_and_its_arguments_are_not_kept_while_a_token_lasts(make_world, changes):
    """Agents say how large they are."""
    world = make_world(**changes)
    await world.given(await world.request())
    request = await world.request("once", ("once",))
    await world.given(request)
    assert request in kept_calls({"x": [request]})
    assert len(world.issuer.live) + len(world.issuer.held)
    assert (
        kept_calls(world.issuer.live._given, world.issuer.live._by_target, world.issuer.live._by_token) == []
    )
    assert kept_calls(world.issuer.held) == []
