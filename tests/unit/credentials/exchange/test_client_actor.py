"""The sidecar obtains an actor token for its client, and renews it."""

import asyncio
import threading
import time

import pytest
from tabard_sidecar.credentials.exchange.client_actor import ClientActor
from tabard_sidecar.credentials.exchange.faults import ExchangeFault
from tabard_sidecar.util.bounded_http import until

from tests.support.fake_idp import TOKEN, Answer, claims_of
from tests.support.tokens import ISSUER

CLIENT = "side car"


def answering(idp, *, life=120, act=True, actor=None):
    """Let the fake give actor tokens to clients, and name the client in ``act``."""

    def answer(asked):
        if asked.body["grant_type"] == "client_credentials":
            if actor is not None:
                return actor
            return idp.reply(
                idp.subject_token(CLIENT, jti=str(len(idp.asked))), issued_token_type=None, expires_in=life
            )
        changes = {"act": {"iss": ISSUER, "sub": CLIENT}} if act else {}
        return idp.reply(idp.token(asked, **changes))

    idp.answers[TOKEN] = answer


def grants(idp):
    """The kinds of grants that were asked for, in order."""
    return [form["grant_type"].rpartition(":")[2] for form in idp.exchanges]


@pytest.fixture
def world(make_world, idp):
    """An issuer whose client acts."""
    answering(idp)
    return make_world(actor_token_grant="client_credentials")


async def test_the_client_acts_by_a_token_that_is_kept(world):
    for _ in range(3):
        await world.issuer.issue(await world.request())
    assert grants(world.idp) == ["client_credentials", *["token-exchange"] * 3]
    sent = world.idp.exchanges[1]
    assert (claims_of(sent["actor_token"])["sub"], sent["actor_token_type"].rpartition(":")[2]) == (
        CLIENT,
        "jwt",
    )
    assert len({form["actor_token"] for form in world.idp.exchanges[1:]}) == 1


async def test_calls_at_once_ask_for_one_token(world):
    requests = [await world.request() for _ in range(12)]
    await asyncio.gather(*(world.issuer.issue(request) for request in requests))
    assert sorted(grants(world.idp)) == ["client_credentials", *["token-exchange"] * 12]


@pytest.mark.parametrize("life", [None, 0, -5, True, "120"])
async def test_a_token_of_unknown_life_is_not_kept(world, life):
    answering(world.idp, life=life)
    for _ in range(2):
        await world.issuer.issue(await world.request())
    assert grants(world.idp) == ["client_credentials", "token-exchange"] * 2


async def test_who_acts_is_compared_as_with_a_file(world):
    answering(world.idp, act=False)
    assert "act doesn't name" in (await world.fault()).message
    fault = await world.fault(await world.request(grant=await world.grant(may_act={"sub": "another"})))
    assert fault.code == "subject_token_may_act"
    answering(world.idp)
    for may_act in ({"sub": CLIENT}, {"sub": CLIENT, "iss": ISSUER}):
        await world.issuer.issue(await world.request(grant=await world.grant(may_act=may_act)))


@pytest.mark.parametrize(
    ("actor", "code", "text"),
    [
        (Answer(400, {"error": "invalid_grant"}), "exchange_refused", "invalid_grant"),
        (Answer(400, {"error": "unauthorized_client"}), "exchange_refused", "for the actor token"),
        (Answer(400, {"error": "invalid_scope"}), "exchange_refused", "for the actor token"),
        (Answer(302), "exchange_refused", "redirects"),
        (Answer(503), "exchange_unavailable", "for the actor token"),
        (Answer(body=[]), "exchange_refused", "no JSON object"),
        (Answer(body={}), "exchange_refused", "no usable access_token"),
        (Answer(body={"access_token": "opaque"}), "exchange_refused", "actor token that it gave"),
        (Answer(body={"access_token": "a" * 20_000}), "exchange_refused", "no usable access_token"),
    ],
)
async def test_without_an_actor_token_nothing_is_asked_for_the_person(world, actor, code, text):
    answering(world.idp, actor=actor)
    request = await world.request()
    fault = await world.fault(request)
    assert (fault.code, text in fault.message) == (code, True), fault.message
    assert grants(world.idp) == ["client_credentials"]
    assert (await world.issuer.withdraw(request)).name == "NOTHING_ISSUED"
    answering(world.idp)
    await world.issuer.issue(await world.request())


class Tokens:
    """Answers with a new token each time; ``asked`` counts."""

    def __init__(self, idp, life=120):
        self.idp, self.life, self.asked, self.now = idp, life, 0, 1000.0

    def __call__(self, form):
        assert form == {"grant_type": "client_credentials"}
        self.asked += 1
        token = self.idp.subject_token(CLIENT, jti=str(self.asked))
        return 200, b'{"access_token": "%s", "expires_in": %d}' % (token.encode(), self.life)


def test_it_is_renewed_after_half_of_its_life_and_at_least_once_a_day(idp):
    for life, half in ((120, 60), (10**9, 43_200)):
        tokens = Tokens(idp, life)
        actor = ClientActor(tokens, lambda tokens=tokens: tokens.now)
        with until(time.monotonic() + 30):
            first = actor.get()
            tokens.now += half - 1
            assert actor.get() is first
            tokens.now += 1
            assert actor.get() is not first
        assert tokens.asked == 2


def test_one_that_may_have_been_refused_is_replaced_unless_it_is_new(idp):
    tokens = Tokens(idp, 3600)
    actor = ClientActor(tokens, lambda: tokens.now)
    with until(time.monotonic() + 30):
        first = actor.get()
        actor.refused(first)
        assert actor.get() is first
        tokens.now += 30
        actor.refused(first)
        second = actor.get()
        assert second is not first
        tokens.now += 30
        # What was sent before the second came tells nothing of it.
        actor.refused(first)
        assert actor.get() is second
    assert tokens.asked == 2


def test_nobody_waits_longer_than_there_is_time(idp):
    began, go_on = threading.Event(), threading.Event()

    def slow(form):
        began.set()
        go_on.wait(30)
        return Tokens(idp)(form)

    actor, found = ClientActor(slow), []

    def first():
        with until(time.monotonic() + 30):
            found.append(actor.get())

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(30)
    with until(time.monotonic() + 0.05), pytest.raises(ExchangeFault, match="in time") as caught:
        actor.get()
    assert (caught.value.code, caught.value.nothing_done) == ("exchange_unavailable", True)
    go_on.set()
    thread.join(30)
    assert [one.sub for one in found] == [CLIENT]
