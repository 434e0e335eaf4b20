import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tabard_sidecar.credentials.held import Place
from tabard_sidecar.credentials.kept import KeptRequest
from tabard_sidecar.credentials.vault import build_vaults
from tabard_sidecar.credentials.vault.conf import VaultConfig
from tabard_sidecar.credentials.vault.live import LiveCredential
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.interfaces import Withdrawal
from tabard_sidecar.revocation import lease_targets, own_credential_target, subject_target
from tabard_sidecar.state import Revocation, RevocationKind
from tabard_sidecar.util.ids import new_id

from tests.support.credentials import BRANCH, HOP, PREFIX, grant_of, kept_calls, request_of
from tests.support.fake_vault import CHILD, CREATE, CREDS, LOGIN, RENEW, REVOKE, SECRETS, Answer, auth, creds
from tests.support.waiting import eventually

ORDERS, WEATHER = "postgres://orders", "https://weather.example"
ROLES = {
    "orders-read": {"engine": "database", "name": "orders-read", "audiences": [ORDERS, "postgres://copy"]},
    "orders-once": {"engine": "database", "name": "orders-read", "audiences": [ORDERS], "reuse": False},
    "orders-wrapped": {
        "engine": "database",
        "name": "orders-read",
        "audiences": [ORDERS],
        "wrap_seconds": 60,
    },
    "weather": {
        "engine": "kv",
        "mount": "secret",
        "name": "apis/weather",
        "fields": ["key"],
        "audiences": [WEATHER],
    },
}


class World:
    """An issuer in front of a fake vault, with a real journal."""

    def __init__(self, vault, store, secret_id, **changes):
        approle = {"method": "approle", "role_id": "r", "secret_id_file": secret_id}
        config = {
            "address": vault.address,
            "auth": approle,
            "timeout_seconds": 3,
            "roles": ROLES,
            "max_live_per_holder": 1000,
        } | changes
        self.vault, self.store, self.problems = vault, store, []
        self.offset = 0.0
        self.issuer = build_vaults(
            {"main": VaultConfig.model_validate(config)},
            store,
            targets=lease_targets,
            clock=self.clock,
            allow_http=True,
            report=self.problems.append,
        )

    def clock(self):
        return time.time() + self.offset

    def request(self, role="orders-read", audience=ORDERS, seconds=300.0, **changes):
        """A request for a credential, as the pipeline makes it now."""
        now = self.clock()
        grant = grant_of(HOP, BRANCH, expires_at=now + 600)
        grant = replace(grant, task=replace(grant.task, started_at=now - 5, expires_at=now + 600))
        values = {
            "credential_id": new_id(),
            "role": role,
            "audience": audience,
            "scopes": (),
            "issued_at": now,
            "expires_at": now + seconds,
            "grant": grant,
        }
        return request_of("vault", **(values | changes))

    async def given(self, request):
        """Issue and commit, as for an answer that leaves."""
        issued = self.issuer.compute(request) or await self.issuer.issue(request)
        self.issuer.commit(request)
        return issued

    async def leases(self):
        """What the journal holds."""
        return (await self.store.leases(now=self.clock())).leases

    async def fault(self, request):
        """Return the code and message with which issuing fails."""
        with pytest.raises((NoDecision, Refused)) as caught:
            await self.issuer.issue(request)
        return caught.value


@pytest.fixture
async def world(vault, store, secret_id):
    """An issuer in front of a fake vault."""
    world = World(vault, store, secret_id)
    yield world
    await world.issuer.close()


async def test_a_credential_is_obtained_with_a_token_of_its_own_and_extended_when_it_leaves(world):
    request = world.request()
    issued = await world.issuer.issue(request)
    assert dict(issued.fields) == {"username": "token-u", "password": "p-1"}
    assert (issued.kind, issued.value, issued.credential_id) == ("vault", "", request.credential_id)
    assert 298 <= issued.expires_at - request.issued_at <= 300
    assert world.vault.paths() == [LOGIN, CREATE, CREDS]
    assert world.vault.asked[2].headers["X-Vault-Token"] == CHILD
    [lease] = await world.leases()
    assert (lease.lease_id, lease.source, lease.role) == (request.credential_id, "main", "orders-read")
    assert (lease.accessor, lease.task_id, lease.holder) == ("accessor-1", "task-1", PREFIX + "orders")
    assert lease.subject == subject_target("https://login.example.org", "alice")
    assert lease.expires_at - request.issued_at <= 31
    assert set(lease.targets) == lease_targets(request)
    world.issuer.commit(request)
    await eventually(lambda: RENEW in world.vault.paths())
    assert world.vault.asked[-1].body["increment"] in {"299s", "300s"}
    [lease] = await world.leases()
    assert lease.expires_at == issued.expires_at


async def test_the_journal_learns_of_a_long_life_before_the_vault(world):
    """A sidecar that is killed between both leaves nothing that lives longer than its journal says."""
    seen = []

    def renew(asked):
        seen.append(asyncio.run_coroutine_threadsafe(world.leases(), loop).result(5))
        return Answer(body=auth(lease_duration=300))

    loop = asyncio.get_running_loop()
    world.vault.answers[RENEW] = renew
    issued = await world.given(world.request())
    await eventually(lambda: seen)
    assert seen[0][0].expires_at == issued.expires_at


async def test_a_static_secret_has_named_fields_no_lease_and_no_token_left(world):
    issued = await world.given(world.request("weather", WEATHER))
    assert dict(issued.fields) == {"key": "k-1"}
    assert issued.value == "k-1"
    await eventually(lambda: REVOKE in world.vault.paths())
    assert world.vault.paths() == [LOGIN, CREATE, SECRETS, REVOKE]
    assert await world.leases() == ()
    assert len(world.issuer.live) == 0


async def test_a_wrapped_credential_is_never_seen(world):
    info = {"token": "hvs.wrap", "ttl": 60, "creation_path": "database/creds/orders-read"}
    world.vault.answers[CREDS] = Answer(body={"wrap_info": info, "data": None, "lease_id": ""})
    issued = await world.given(world.request("orders-wrapped"))
    assert dict(issued.fields) == {"wrapping_token": "hvs.wrap"}
    assert world.vault.asked[2].headers["X-Vault-Wrap-TTL"] == "60s"
    await eventually(lambda: RENEW in world.vault.paths())
    assert world.issuer.compute(world.request("orders-wrapped")) is None


async def test_a_held_credential_costs_no_request(world):
    first = await world.given(world.request())
    await eventually(lambda: len(world.issuer.held))
    asked = len(world.vault.asked)
    for _ in range(3):
        assert (await world.given(world.request())) is first
    assert len(world.vault.asked) == asked
    again = world.request()
    assert await world.issuer.withdraw(again) is Withdrawal.NOTHING_ISSUED
    assert world.issuer.compute(again) is first


@pytest.mark.parametrize(
    "changes",
    [
        {"audience": "postgres://copy"},
        {"scopes": ("a",)},
        {"labels": ("untrusted",)},
        {"uses": 1},
        {"role": "orders-once"},
        {"seconds": 100.0},
        {"grant": grant_of(HOP)},
    ],
)
async def test_a_held_credential_is_for_the_same_holder_role_audience_scopes_and_time(world, changes):
    await world.given(world.request())
    await eventually(lambda: len(world.issuer.held))
    assert world.issuer.compute(world.request(**changes)) is None


async def test_a_held_credential_is_given_while_half_of_its_life_is_left(world):
    await world.given(world.request())
    await eventually(lambda: len(world.issuer.held))
    world.offset = 148
    assert world.issuer.compute(world.request()) is not None
    world.offset = 151
    assert world.issuer.compute(world.request()) is None
    assert len(world.issuer.held) == 0


@pytest.mark.parametrize("changes", [{"uses": 1}, {"role": "orders-once"}])
async def test_counted_uses_and_roles_without_reuse_are_never_held(world, changes):
    await world.given(world.request(**changes))
    await eventually(lambda: RENEW in world.vault.paths())
    await world.issuer.close()
    assert len(world.issuer.held) == 0


@pytest.mark.parametrize(
    ("role", "audience"), [("none", ORDERS), ("orders-read", WEATHER), ("", ORDERS), ("x" * 999, "")]
)
async def test_an_unknown_role_or_audience_is_denied_without_a_request(world, role, audience):
    with pytest.raises(Refused) as caught:
        world.issuer.compute(world.request(role, audience))
    for refusal in (caught.value, await world.fault(world.request(role, audience))):
        assert refusal.code == "credential_role_unknown"
        assert len(refusal.message) < 300
    assert world.vault.asked == []


@pytest.mark.parametrize(
    ("seconds", "told", "lease"), [(5000.0, 900, 900), (5000.0, 60, 60), (40.0, 40, 900)]
)
async def test_it_lasts_as_long_as_policy_role_and_vault_all_allow(world, seconds, told, lease):
    world.vault.answers[CREDS] = Answer(body=creds(lease_duration=lease))
    request = world.request(seconds=seconds)
    issued = await world.issuer.issue(request)
    assert told - 2 <= issued.expires_at - request.issued_at <= told


async def test_no_credential_without_a_second_to_live(world):
    fault = await world.fault(world.request(seconds=0.5))
    assert fault.code == "grant_expired"
    assert world.vault.asked == []


SEALED = Answer(503, {"errors": ["Vault is sealed"]})
FORBIDDEN = Answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
UNCLEAR, NOTHING, ENDED = Withdrawal.UNCLEAR, Withdrawal.NOTHING_ISSUED, Withdrawal.ENDED


@pytest.mark.parametrize(
    ("path", "answer", "code", "withdrawal"),
    [
        (LOGIN, SEALED, "vault_unavailable", NOTHING),
        (LOGIN, FORBIDDEN, "vault_refused", NOTHING),
        (CREATE, SEALED, "vault_unavailable", NOTHING),
        (CREATE, FORBIDDEN, "vault_refused", NOTHING),
        (CREATE, Answer(400, {"errors": ["unknown role tabard"]}), "vault_refused", NOTHING),
        (CREATE, Answer(429), "vault_unavailable", NOTHING),
        (CREATE, Answer(500, {"errors": ["internal error"]}), "vault_unavailable", UNCLEAR),
        (CREATE, Answer(steps=[], hangs_up=True), "vault_unavailable", UNCLEAR),
        (CREATE, Answer(body=auth(orphan=False)), "vault_reply_invalid", UNCLEAR),
        (CREATE, Answer(body={}), "vault_reply_invalid", UNCLEAR),
        (CREDS, FORBIDDEN, "vault_refused", NOTHING),
        (CREDS, Answer(400, {"errors": ["unknown role: x"]}), "vault_refused", NOTHING),
        (CREDS, Answer(500, {"errors": ["dial error"]}), "vault_unavailable", ENDED),
        (CREDS, Answer(steps=[], hangs_up=True), "vault_unavailable", UNCLEAR),
        (CREDS, Answer(504), "vault_unavailable", UNCLEAR),
        (CREDS, Answer(body=creds(lease_id="database/creds/orders-write/x")), "vault_reply_invalid", ENDED),
        (CREDS, Answer(body=creds(lease_duration=0)), "vault_reply_invalid", ENDED),
        (CREDS, Answer(body=creds(lease_duration=10**9)), "vault_reply_invalid", ENDED),
        (CREDS, Answer(body=creds(data={"username": "u"})), "vault_reply_invalid", ENDED),
        (CREDS, Answer(body=b"{" * 300_000), "vault_reply_invalid", ENDED),
    ],
)
async def test_a_failure_says_what_is_proven(world, path, answer, code, withdrawal):
    """Charges are given back for what certainly wasn't issued, and for nothing else."""
    world.vault.answers[path] = answer
    request = world.request()
    fault = await world.fault(request)
    assert fault.code == code
    assert fault.message.startswith("vault.main: ")
    assert await world.issuer.withdraw(request) is withdrawal
    # While an engine may be at work, its token isn't revoked: see test_a_token_is_never_revoked_under_an_engine.
    assert len(await world.leases()) == (path == CREDS and withdrawal is UNCLEAR)
    assert len(world.issuer.live) == 0
    revoked = path == CREDS and withdrawal is not UNCLEAR
    assert (REVOKE in world.vault.paths()) == (revoked or answer.body == auth(orphan=False))
    assert world.problems[-1] == fault.message
    world.vault.answers |= {
        LOGIN: Answer(body=auth(lease_duration=600)),
        CREATE: Answer(body=auth()),
        CREDS: Answer(body=creds()),
    }
    await asyncio.sleep(1.1 if path == LOGIN else 0)  # failed logins are paced
    await world.issuer.issue(world.request())
    assert world.problems[-1] == ""


async def test_a_missing_right_is_named(world):
    world.vault.answers[CREATE] = FORBIDDEN
    fault = await world.fault(world.request())
    assert "creating a token (auth/token/create/tabard)" in fault.message
    assert "a policy must allow update on auth/token/create/tabard" in fault.message
    # Agents are told the code's title alone.
    assert fault.told == ""


async def test_a_login_that_the_vault_forgot_is_made_again(world):
    await world.issuer.issue(world.request())
    answers = [FORBIDDEN, Answer(body=auth())]
    world.vault.answers[CREATE] = lambda _: answers.pop(0)
    await asyncio.sleep(1.1)
    await world.issuer.issue(world.request())
    assert world.vault.paths().count(LOGIN) == 2


async def test_an_answer_that_is_not_given_ends_its_credential(world):
    request = world.request()
    await world.issuer.issue(request)
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert world.vault.asked[-1].path == REVOKE
    assert world.vault.asked[-1].headers["X-Vault-Token"] == CHILD
    assert await world.leases() == ()
    assert await world.issuer.withdraw(request) is Withdrawal.NOTHING_ISSUED
    world.issuer.commit(request)
    await asyncio.sleep(0.05)
    assert RENEW not in world.vault.paths()


async def test_a_withdrawal_that_fails_leaves_the_lease_to_its_thirty_seconds(world):
    request = world.request()
    await world.issuer.issue(request)
    world.vault.answers[REVOKE] = SEALED
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    [lease] = await world.leases()
    assert lease.expires_at <= request.issued_at + 31


async def test_a_token_for_which_nobody_waits_any_more_is_revoked(world):
    world.vault.answers[CREATE] = Answer(steps=[0.3, *Answer(body=auth()).sent()])
    request = world.request()
    issuing = asyncio.create_task(world.issuer.issue(request))
    await eventually(lambda: CREATE in world.vault.paths())
    issuing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await issuing
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    await eventually(lambda: world.vault.paths()[-1] == REVOKE)
    assert CREDS not in world.vault.paths()


async def test_a_token_is_never_revoked_under_an_engine(vault, store, secret_id):
    """Vault keeps the login that it makes for a token which is revoked meanwhile; its token ends by itself soon."""
    world = World(vault, store, secret_id, timeout_seconds=1)
    vault.answers[CREDS] = Answer(steps=[1.5, *Answer(body=creds()).sent()])
    request = world.request()
    assert (await world.fault(request)).code == "vault_unavailable"
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    assert CREDS in vault.paths()
    await asyncio.sleep(1)
    await world.issuer.close()
    assert REVOKE not in vault.paths()
    [lease] = await world.leases()
    assert lease.expires_at <= request.issued_at + 31


async def test_a_token_is_revoked_after_the_engine_whose_caller_went_away(world):
    answered = []
    world.vault.answers[CREDS] = lambda _: Answer(steps=[0.4, *Answer(body=creds()).sent()])
    world.vault.answers[REVOKE] = lambda _: answered.append(time.monotonic()) or Answer(204)
    request = world.request()
    issuing = asyncio.create_task(world.issuer.issue(request))
    await eventually(lambda: CREDS in world.vault.paths())
    began = time.monotonic()
    issuing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await issuing
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    await eventually(lambda: answered)
    assert answered[0] - began > 0.2


async def test_a_token_that_comes_too_late_ends_by_itself(vault, store, secret_id):
    world = World(vault, store, secret_id, timeout_seconds=0.3)
    vault.answers[CREATE] = Answer(steps=[0.6, *Answer(body=auth()).sent()])
    request = world.request()
    assert (await world.fault(request)).code == "vault_unavailable"
    assert await world.issuer.withdraw(request) is Withdrawal.UNCLEAR
    await world.issuer.close()
    assert (CREDS in vault.paths(), RENEW in vault.paths()) == (False, False)


async def test_a_journal_that_can_not_be_written_ends_the_token(world):
    async def broken(_lease, *, durable):
        raise NoDecision("UNAVAILABLE", "state_unavailable", "the disk is full")

    world.store.add_lease = broken
    world.issuer._journal = type(
        "Journal", (), {"add_lease": staticmethod(broken), "end_lease": world.store.end_lease}
    )
    request = world.request()
    assert (await world.fault(request)).code == "state_unavailable"
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert REVOKE in world.vault.paths()


LINK, CREDENTIAL = RevocationKind.LINK, RevocationKind.CREDENTIAL
REVOCATIONS = {
    "root": (LINK, "r" * 64, "task_ended"),
    "hop": (LINK, HOP.link_id, "task_ended"),
    "workload": (RevocationKind.AGENT, PREFIX + "front", "agent_revoked"),
    "person": (
        RevocationKind.SUBJECT,
        subject_target("https://login.example.org", "alice"),
        "subject_revoked",
    ),
    "credential": (CREDENTIAL, "cred-7", "credential_revoked"),
    "own": (CREDENTIAL, own_credential_target("cred-7", BRANCH.link_id), "credential_revoked"),
    "state": (RevocationKind.STATE, "", "state_rolled_back"),
}


@pytest.mark.parametrize("what", REVOCATIONS)
@pytest.mark.parametrize("moment", [CREATE, CREDS])
async def test_a_revocation_meanwhile_dooms_a_running_request(world, moment, what):
    kind, target, code = REVOCATIONS[what]
    request = world.request(credential_id="cred-7")
    loop = asyncio.get_running_loop()
    plain = {CREATE: Answer(body=auth()), CREDS: Answer(body=creds())}[moment]
    found = []

    def doomed(_asked):
        revocation = Revocation(kind, target, world.clock(), world.clock() + 600)
        asyncio.run_coroutine_threadsafe(doom(revocation), loop).result(5)
        return plain

    async def doom(revocation):
        found.extend(world.issuer.doom(revocation))

    world.vault.answers[moment] = doomed
    assert (await world.fault(request)).code == code
    assert [live.kept.credential_id for live in found] == [request.credential_id]
    assert await world.issuer.withdraw(request) in {Withdrawal.ENDED, Withdrawal.NOTHING_ISSUED}
    assert REVOKE in world.vault.paths()


async def test_a_revocation_ends_what_is_held_and_spares_others(world):
    mine = await world.given(world.request())
    other = world.request(grant=grant_of(replace(HOP, link_id="9" * 64), expires_at=world.clock() + 600))
    await world.given(other)
    await eventually(lambda: len(world.issuer.held) == 2)
    now = world.clock()
    found = world.issuer.doom(Revocation(RevocationKind.LINK, HOP.link_id, now, now + 600))
    assert [live.kept.credential_id for live in found] == [mine.credential_id]
    assert found[0].token.secret == CHILD
    assert world.issuer.compute(world.request()) is None
    assert world.issuer.compute(other._replace(issued_at=now, expires_at=now + 300)) is not None
    assert len(world.issuer.held) == 1


async def test_a_person_revoked_before_the_task_started_keeps_the_task(world):
    request = world.request()
    await world.given(request)
    person = subject_target("https://login.example.org", "alice")
    at = request.grant.task.started_at - 1
    assert world.issuer.doom(Revocation(RevocationKind.SUBJECT, person, at, at + 600)) == []


async def test_an_extension_is_tried_again_and_a_short_one_is_told(world):
    answers = [Answer(500), Answer(body=auth(lease_duration=300))]
    world.vault.answers[RENEW] = lambda _: answers.pop(0)
    await world.given(world.request())
    await eventually(lambda: len(world.issuer.held))
    world.vault.answers[RENEW] = Answer(body=auth(lease_duration=45))
    await world.given(world.request(grant=grant_of(HOP)))
    await eventually(lambda: any("token_explicit_max_ttl" in problem for problem in world.problems))
    assert len(world.issuer.held) == 1


async def test_a_doomed_credential_is_not_extended(world):
    request = world.request()
    await world.issuer.issue(request)
    now = world.clock()
    world.issuer.doom(Revocation(RevocationKind.CREDENTIAL, request.credential_id, now, now + 60))
    world.issuer.commit(request)
    await world.issuer.close()
    assert RENEW not in world.vault.paths()
    assert len(world.issuer.held) == 0


async def test_two_hundred_at_once_share_a_bounded_number_of_connections(vault, store, secret_id):
    world = World(vault, store, secret_id, max_connections=8, timeout_seconds=20)
    requests = [world.request() for _ in range(200)]
    issued = await asyncio.gather(*map(world.given, requests))
    assert len({one.credential_id for one in issued}) == 200
    assert vault.paths().count(LOGIN) == 1
    await world.issuer.close()
    assert vault.paths().count(RENEW) == 200
    assert vault.most <= 8
    assert len(await world.leases()) == 100  # a page


@pytest.mark.parametrize("key", ["max_live_per_holder", "max_live_per_task"])
async def test_one_more_than_may_last_at_once_is_refused_before_the_vault_is_asked(
    vault, store, secret_id, key
):
    """However many ask at once. What ended, or ends by itself, makes room; another task has its own."""
    world = World(vault, store, secret_id, **{"max_live_per_holder": 9, key: 3})
    requests = [world.request("orders-once") for _ in range(8)]
    results = await asyncio.gather(*map(world.given, requests), return_exceptions=True)
    refused = [result for result in results if isinstance(result, Refused)]
    assert [result.code for result in refused] == ["credentials_exceeded"] * 5
    assert all(key in result.message for result in refused)
    assert vault.paths().count(CREATE) == 3
    for request in requests:
        if world.issuer.live.get(request.credential_id):
            await world.issuer.withdraw(request)
            break
    await world.given(world.request("orders-once"))
    await world.fault(world.request("orders-once"))
    other = grant_of(HOP)
    await world.given(world.request("orders-once", grant=replace(other, root_id="other", expires_at=2e9)))
    world.offset = 301
    await world.given(world.request("orders-once"))
    await world.issuer.close()


async def test_a_hanging_engine_leaves_room_to_end_credentials(vault, store, secret_id):
    world = World(vault, store, secret_id, max_connections=4, timeout_seconds=4)
    request = world.request()
    await world.issuer.issue(request)
    vault.answers[CREDS] = Answer(steps=[30.0])
    hanging = [asyncio.create_task(world.fault(world.request())) for _ in range(20)]
    await eventually(lambda: vault.paths().count(CREDS) >= 3)
    assert await world.issuer.withdraw(request) is Withdrawal.ENDED
    assert not any(one.done() for one in hanging)
    codes = {fault.code for fault in await asyncio.gather(*hanging)}
    assert codes == {"vault_unavailable"}
    await world.issuer.close()


async def test_the_known_credentials_stay_bounded(world):
    for _ in range(300):
        live = world.issuer.live
        request = world.request()
        await _begun(world, live, request)
        world.offset += 31
    assert len(live) <= 256


async def _begun(world, live, request):
    now = world.clock()
    live.begin(LiveCredential(KeptRequest.of(request, lease_targets), "main", now + 30), now=now)


async def test_start_logs_in_and_tells_a_problem(world):
    world.issuer.start()
    await eventually(lambda: world.vault.paths() == [LOGIN])
    assert set(world.problems) == {""}
    await world.issuer.close()


async def test_start_tells_a_refused_login_and_tries_it_again(world, monkeypatch):
    monkeypatch.setattr("tabard_sidecar.credentials.vault.issuer._LOGIN_PAUSE_SECONDS", 1.1)
    world.vault.answers[LOGIN] = FORBIDDEN
    world.issuer.start()
    await eventually(lambda: len(world.problems) == 2)
    assert "logging in (auth/approle/login)" in world.problems[1]
    world.vault.answers[LOGIN] = Answer(body=auth(lease_duration=600))
    await eventually(lambda: len(world.problems) == 3)
    assert world.problems[2] == ""


async def test_a_refused_login_is_told_once_in_each_message(world):
    """Calls share a failure for a second."""
    world.vault.answers[LOGIN] = FORBIDDEN
    for _ in range(3):
        assert (await world.fault(world.request())).message.count("logging in") == 1


async def test_close_waits_for_no_login(world):
    world.vault.answers[LOGIN] = FORBIDDEN
    world.issuer.start()
    await eventually(lambda: len(world.problems) == 2)
    began = time.monotonic()
    await world.issuer.close()
    assert time.monotonic() - began < 4.0  # the next login is five seconds away


async def test_secrets_stay_in_memory_only_while_they_may_be_given_again(world):
    once, again = world.request("orders-once"), world.request()
    for request in (once, again):
        await world.given(request)
    await eventually(lambda: len(world.issuer.held))
    await eventually(lambda: world.vault.paths().count(RENEW) == 2)
    for request in (once, again):
        live = world.issuer.live.get(request.credential_id)
        await eventually(lambda live=live: live.issued.fields == {})
    assert world.issuer.compute(world.request()).fields["password"] == "p-1"
    world.offset = 200
    for n in range(70):
        request = world.request(scopes=(str(n),))
        live = LiveCredential(KeptRequest.of(request, lease_targets), "main", 0.0)
        issued = await world.issuer.issue(request)
        world.issuer.held.keep(issued, live, Place.of(request), since=request.issued_at)
    assert world.issuer.compute(world.request()) is None
    assert len(world.issuer.held) == 70


def test_a_credential_of_the_vault_is_not_introspected(world):
    with pytest.raises(Refused) as caught:
        world.issuer.inspect("token-u")
    assert caught.value.code == "credential_invalid"


def _sockets_to(port):
    """Count this process's connected sockets to a port."""
    held = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            held.add(str(link.readlink()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and f"socket:[{row[9]}]" in held for row in rows)


@pytest.mark.parametrize("steps", [[0.02], [3.0], [0.05, b"HTTP"]], ids=["slow", "silent", "broken"])
async def test_whatever_is_slow_there_are_never_more_sockets_than_configured(vault, store, secret_id, steps):
    answered = steps == [0.02]
    world = World(vault, store, secret_id, max_connections=16, timeout_seconds=5 if answered else 0.5)
    whole = [*steps, *Answer(body=auth()).sent()] if steps != [0.05, b"HTTP"] else steps
    vault.answers[CREATE] = Answer(steps=whole, hangs_up=steps[-1] == b"HTTP")
    most, over = 0, threading.Event()

    def count():
        nonlocal most
        while not over.wait(0.01):
            most = max(most, _sockets_to(vault.port))

    counting = threading.Thread(target=count)
    counting.start()

    async def call():
        request = world.request()
        asking = asyncio.create_task(world.given(request))
        await asyncio.wait([asking], timeout=30 if answered else 2)
        if not asking.done():
            world.issuer.give_up(request)
        with suppress(NoDecision):
            return await asking
        return await world.issuer.withdraw(request)

    found = await asyncio.gather(*(call() for _ in range(200)))
    over.set()
    counting.join()
    assert 4 <= most <= 16
    if answered:
        assert all(one.fields["username"] for one in found)  # none fails while others have their turn


async def test_calls_wait_for_their_turn_longer_than_one_may_take(vault, store, secret_id):
    world = World(vault, store, secret_id, max_connections=4, timeout_seconds=1)
    vault.answers[CREDS] = Answer(steps=[0.2, *Answer(body=creds()).sent()])
    issued = await asyncio.gather(*(world.given(world.request()) for _ in range(30)))
    assert len(issued) == 30  # 2 s in all, with three places


async def test_nothing_is_asked_for_callers_that_have_gone(vault, store, secret_id):
    """Calls whose callers wait would come later for it."""
    world = World(vault, store, secret_id, max_connections=4, timeout_seconds=5)
    vault.answers[CREATE] = Answer(steps=[0.5, *Answer(body=auth()).sent()])
    requests = [world.request() for _ in range(50)]
    asking = [asyncio.create_task(world.issuer.issue(request)) for request in requests]
    await eventually(lambda: vault.paths().count(CREATE) == 3)
    for request in requests:
        world.issuer.give_up(request)
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert {error.code for error in failed} == {"vault_unavailable"}
    assert {await world.issuer.withdraw(request) for request in requests} == {Withdrawal.NOTHING_ISSUED}
    assert (vault.paths().count(CREATE), vault.paths().count(CREDS)) == (3, 0)
    assert vault.paths().count(REVOKE) == 3


@pytest.mark.parametrize(
    ("role", "audience"), [("orders-read", ORDERS), ("orders-once", ORDERS), ("weather", WEATHER)]
)
async def test_the_call_and_its_arguments_are_not_kept_while_a_credential_lasts(world, role, audience):
    """Agents say how large they are."""
    await world.given(world.request(role, audience))
    await eventually(lambda: not world.issuer._background)
    assert len(world.issuer.live) + len(world.issuer.held)
    assert kept_calls(world.issuer.live, world.issuer.held) == []


@pytest.mark.parametrize("path", [CREATE, CREDS])
async def test_nor_while_what_failed_may_last(vault, store, secret_id, path):
    """A request whose answer isn't given, and one that hangs at the vault."""
    world = World(vault, store, secret_id, timeout_seconds=1)
    vault.answers[path] = Answer(steps=[3.0])
    request = world.request()
    await world.fault(request)
    await world.issuer.withdraw(request)
    assert kept_calls(world.issuer.live, world.issuer.held) == []
    await world.issuer.close()


@pytest.mark.parametrize("healthy", [True, False])
async def test_callers_that_go_away_are_no_problem_of_the_vault(vault, store, secret_id, healthy):
    """Neither while they wait for their turn nor while the token is made. What the vault does wrong is told all the same."""
    world = World(vault, store, secret_id, max_connections=4, timeout_seconds=1)
    vault.answers[CREATE] = Answer(steps=[0.5 if healthy else 3.0, *Answer(body=auth()).sent()])
    requests = [world.request() for _ in range(8)]
    asking = [asyncio.create_task(world.issuer.issue(request)) for request in requests]
    await eventually(lambda: vault.paths().count(CREATE) == 3)
    for request in requests:
        world.issuer.give_up(request)
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert {error.code for error in failed} == {"vault_unavailable"}
    assert bool("".join(world.problems)) is not healthy
    await world.issuer.close()
