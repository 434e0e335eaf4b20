"""Each kind of revocation refuses its targets and nothing else."""

from __future__ import annotations

import pytest
from tabard_sidecar.errors import NoDecision, Refused
from tabard_sidecar.model import Introspection
from tabard_sidecar.revocation import own_credential_target
from tabard_sidecar.state import Revocation, RevocationKind
from tabard_sidecar.util.ids import new_id

from tests.support.grants import ALICE, BOB, CAROL, MALLORY, NOW
from tests.unit.revocation.conftest import IDP, add_child, agent, open_task, person


async def newest(store) -> int:
    """The number that a look-up of any chain would tell."""
    found = await store.revocations()
    return found[-1].seq if found else 0


async def code(side, store, grant, *, asking=ALICE, at=NOW + 1) -> str:
    """Return why a request is refused, or nothing."""
    try:
        await side.checks.check(agent(asking), grant, newest=await newest(store), now=at)
    except Refused as refusal:
        return refusal.code
    return ""


async def start_code(side, *, asking=ALICE, who=None, issued_at=NOW, at=NOW + 1) -> str:
    """Return why a token may not start a task, or nothing."""
    try:
        await side.checks.check_start(agent(asking), who or person(), issued_at=issued_at, now=at)
    except Refused as refusal:
        return refusal.code
    return ""


async def test_nothing_is_revoked_by_itself(side, store, kit):
    """A grant and a token that weren't revoked pass."""
    one = await side()
    assert await code(one, store, kit.verify(kit.mint())) == ""
    assert await start_code(one) == ""


@pytest.mark.parametrize("revoked", [ALICE, BOB, CAROL])
async def test_an_agent_is_refused_anywhere_in_the_chain(side, store, kit, revoked):
    """As root holder, in the middle and at the end; a chain without it passes."""
    one = await side()
    chain = kit.verify(kit.delegate(kit.delegate(kit.mint(), BOB), CAROL))
    other = kit.verify(kit.mint(holder=MALLORY))
    await one.admin.revoke_agent(revoked, reason="compromised")
    assert await code(one, store, chain, asking=CAROL) == "agent_revoked"
    assert await code(one, store, other, asking=MALLORY) == ""


async def test_the_asking_workload_is_refused_and_can_start_nothing(side, store, kit):
    """Revoking a workload also keeps it from starting tasks."""
    one = await side()
    await one.admin.revoke_agent(MALLORY)
    assert await code(one, store, kit.verify(kit.mint()), asking=MALLORY) == "agent_revoked"
    assert await start_code(one, asking=MALLORY) == "agent_revoked"
    assert await start_code(one, asking=ALICE) == ""


async def test_an_agent_comes_back_when_it_is_lifted(side, store, kit):
    """Lifting counts on every sidecar with its next request; doing it twice says that there was nothing."""
    one, other = await side(), await side()
    grant = kit.verify(kit.mint())
    await one.admin.revoke_agent(ALICE)
    assert await code(other, store, grant) == "agent_revoked"
    assert await one.admin.lift(RevocationKind.AGENT, ALICE) is True
    assert await code(one, store, grant) == ""
    assert await code(other, store, grant) == ""
    assert await start_code(other) == ""
    assert await one.admin.lift(RevocationKind.AGENT, ALICE) is False


async def test_an_agent_comes_back_when_its_time_is_over(side, store, kit, clock):
    """A ttl is kept to the second."""
    one = await side(max_stale_seconds=300.0)
    grant = kit.verify(kit.mint())
    await one.admin.revoke_agent(ALICE, ttl_seconds=60.0)
    assert await code(one, store, grant, at=NOW + 59.9) == "agent_revoked"
    assert await code(one, store, grant, at=NOW + 60.0) == ""


async def test_revoking_for_shorter_takes_nothing_back(side, store, kit):
    """A revocation until it is lifted isn't shortened by a later one for a minute."""
    one, other = await side(), await side()
    grant = kit.verify(kit.mint())
    first = await one.admin.revoke_agent(ALICE)
    again = await one.admin.revoke_agent(ALICE, ttl_seconds=60.0)
    assert again.revocation == first.revocation
    for sidecar in (one, other):
        assert await code(sidecar, store, grant, at=NOW + 61.0) == "agent_revoked"


async def test_a_subject_is_refused_up_to_the_moment_and_not_after(side, store, kit, clock):
    """Tasks started and tokens issued at or before are refused; later tokens are fine."""
    one, other = await side(max_stale_seconds=300.0), await side(max_stale_seconds=300.0)
    grant = kit.verify(kit.mint())  # started at NOW
    clock.now = NOW + 10
    await one.admin.revoke_subject(IDP, "u-1")
    for sidecar in (one, other):
        assert await code(sidecar, store, grant, at=NOW + 11) == "subject_revoked"
        assert await start_code(sidecar, issued_at=NOW + 9) == "subject_revoked"
        assert await start_code(sidecar, issued_at=NOW + 10) == "subject_revoked"
        assert await start_code(sidecar, issued_at=NOW + 10.5) == ""


async def test_a_token_that_does_not_say_when_it_was_issued_is_refused(side):
    """While a revocation of the person is remembered, it isn't known whether it is from before."""
    one = await side()
    await one.admin.revoke_subject(IDP, "u-1")
    assert await start_code(one, issued_at=0.0) == "subject_revoked"


@pytest.mark.parametrize(("issuer", "subject_id"), [(IDP, "u-2"), ("https://other.example.org", "u-1")])
async def test_another_person_is_not_touched(side, store, kit, issuer, subject_id):
    """Neither the issuer's other people nor the same id at another issuer."""
    one = await side()
    await one.admin.revoke_subject(issuer, subject_id)
    assert await code(one, store, kit.verify(kit.mint())) == ""
    assert await start_code(one) == ""


async def test_revoking_a_subject_again_moves_the_moment(side, store, kit, clock):
    """Tokens between the two revocations are refused after the second, on other sidecars as well."""
    one, other = await side(max_stale_seconds=300.0), await side(max_stale_seconds=300.0)
    await one.admin.revoke_subject(IDP, "u-1")
    clock.now = NOW + 20
    assert await start_code(other, issued_at=NOW + 15, at=NOW + 20) == ""
    await one.admin.revoke_subject(IDP, "u-1")
    for sidecar in (one, other):
        assert await start_code(sidecar, issued_at=NOW + 15, at=NOW + 20) == "subject_revoked"


async def test_a_task_from_a_clock_that_runs_ahead_is_refused_as_well(side, store, kit):
    """The moment of a revocation is never before a task that exists already."""
    one = await side()
    await open_task(store, "a", started_at=NOW + 5)
    receipt = await one.admin.revoke_subject(IDP, "u-1")
    assert receipt.revocation.at == NOW + 5
    assert receipt.impact.tasks == 1


async def test_a_store_that_went_back_refuses_older_tasks(side, store, kit):
    """What a sidecar wrote down about a loss counts for all older tasks and not for new ones."""
    one = await side()
    grant = kit.verify(kit.mint())
    await store.revoke(Revocation(RevocationKind.STATE, "zone", NOW + 1, NOW + 86_400, ("lost",)))
    assert await code(one, store, grant) == "state_rolled_back"
    assert await start_code(one, issued_at=NOW - 60) == ""


@pytest.mark.parametrize(
    ("issued_at", "after", "refused"),
    [
        (NOW - 60, 2, True),
        (NOW + 1, 2, True),
        (NOW + 1.5, 2, False),
        (NOW - 60, 30 * 86_400, True),
        (0.0, 2, True),
        (0.0, 86_400, True),
        (0.0, 86_402, False),
    ],
)
async def test_what_may_have_been_spent_before_a_loss_is_not_spent_again(
    side, store, issued_at, after, refused
):
    """A token that doesn't say when it was issued is refused for a day."""
    one = await side(max_stale_seconds=300.0)
    one.checks.check_unspent(issued_at=issued_at, now=NOW)
    await store.revoke(Revocation(RevocationKind.STATE, "zone", NOW + 1, NOW + 100 * 86_400, ("lost",)))
    await one.feed.refresh()
    try:
        one.checks.check_unspent(issued_at=issued_at, now=NOW + after)
    except Refused as error:
        assert (error.code, refused) == ("state_rolled_back", True)  # noqa: PT017
    else:
        assert not refused


async def test_a_check_waits_for_what_it_knows_to_be_missing(side, store, kit):
    """A revocation counts before any push arrives: the look-up's number is enough."""
    one, other = await side(), await side(start=False)
    await other.feed.refresh()
    grant = kit.verify(kit.mint())
    await one.admin.revoke_agent(ALICE)
    assert other.feed.sequence == 0
    assert await code(other, store, grant) == "agent_revoked"


async def test_what_is_missing_and_cannot_be_fetched_is_no_decision(side, store, kit):
    """A feed that knows that it lacks something never answers without it."""
    one, other = await side(), await side(start=False)
    await other.feed.refresh()
    await one.admin.revoke_agent(MALLORY)
    other.store.broken = True
    with pytest.raises(NoDecision, match="state_unavailable"):
        await other.checks.check(agent(), kit.verify(kit.mint()), newest=await newest(store), now=NOW)


def credential(link: str, **changes) -> Introspection:
    """A verified credential of u-1, for a chain from Alice to Bob, of a task that started at NOW."""
    claims = {
        "req_wl": BOB,
        "tctx": {"started_at": int(NOW)},
        "tabard_chain": [{"kind": "root", "holder": ALICE}, {"kind": "hop", "holder": BOB}],
        "tabard_link": link,
    }
    values = {
        "credential_id": "c-1",
        "kind": "jwt",
        "task_id": "task-a",
        "audience": "erp",
        "scopes": (),
        "issued_at": NOW + 30,
        "expires_at": NOW + 300,
        "subject_id": "u-1",
        "subject_issuer": IDP,
        "tool": "refunds.read",
        "call_digest": "",
        "uses": 0,
        "claims": claims,
    }
    return Introspection(**(values | changes))


async def credential_code(side, found, *, at=NOW + 40) -> str:
    """Return why a credential isn't active, or nothing."""
    try:
        await side.checks.check_credential(found, now=at)
    except Refused as refusal:
        return refusal.code
    return ""


@pytest.fixture
async def link(store):
    """The link of Bob, below Alice's root."""
    task = await open_task(store, "a")
    await add_child(store, task.root_id, "b" * 64, task.root_id, BOB)
    return "b" * 64


async def test_a_credential_is_active_until_it_is_revoked(side, link):
    """By its id, on every sidecar; another credential stays active."""
    one, other = await side(), await side()
    assert await credential_code(other, credential(link)) == ""
    await one.admin.revoke_credential("c-1")
    assert await credential_code(other, credential(link)) == "credential_revoked"
    assert await credential_code(other, credential(link, credential_id="c-2")) == ""
    assert await one.admin.lift(RevocationKind.CREDENTIAL, "c-1")
    assert await credential_code(other, credential(link)) == ""


async def test_a_lift_gives_a_line_back_only_if_no_other_of_it_is_revoked(side, link):
    """Each revocation is lifted by the id that it names."""
    one = await side()
    first = new_id()
    second, third, stranger = new_id(first), new_id(first), new_id()
    for revoked in (first, second):
        await one.admin.revoke_credential(revoked)
    for revoked in (first, second):
        assert await credential_code(one, credential(link, credential_id=third)) == "credential_revoked"
        assert await credential_code(one, credential(link, credential_id=stranger)) == ""
        assert await one.admin.lift(RevocationKind.CREDENTIAL, revoked)
    for lifted in (first, second, third):
        assert await credential_code(one, credential(link, credential_id=lifted)) == ""


async def test_an_agent_revokes_only_credentials_of_its_own_link(side, store, link):
    """The id of another holder's credential does nothing in its hands."""
    one = await side()
    for target in (own_credential_target("c-1", "e" * 64), own_credential_target("c-2", link)):
        await store.revoke(Revocation(RevocationKind.CREDENTIAL, target, NOW, NOW + 3600))
    assert await credential_code(one, credential(link)) == ""
    assert await credential_code(one, credential(link, credential_id="c-2")) == "credential_revoked"


@pytest.mark.parametrize("revoked", [ALICE, BOB])
async def test_a_credential_falls_with_every_agent_of_its_chain(side, link, revoked):
    """The backend that introspects is told so."""
    one = await side()
    await one.admin.revoke_agent(revoked)
    assert await credential_code(one, credential(link)) == "agent_revoked"


async def test_a_credential_falls_with_its_person(side, link, clock):
    """Even one that was issued a moment after: its task started before."""
    one = await side(max_stale_seconds=300.0)
    clock.now = NOW + 20
    await one.admin.revoke_subject(IDP, "u-1")
    assert await credential_code(one, credential(link, issued_at=NOW + 30)) == "subject_revoked"


@pytest.mark.parametrize("which", ["task", "link"])
async def test_a_credential_falls_with_its_task_or_link(side, link, which):
    """Revocation of anything above the credential's holder ends it."""
    one = await side()
    assert await credential_code(one, credential(link)) == ""
    if which == "task":
        await one.admin.revoke_task("task-a")
    else:
        await one.admin.revoke_link(link)
    assert await credential_code(one, credential(link)) == "task_ended"


async def test_a_credential_without_a_link_is_never_active(side):
    """Nothing can be said about it."""
    one = await side()
    assert await credential_code(one, credential("", claims={})) == "credential_invalid"


async def test_a_credential_has_no_status_while_the_store_is_gone(side, link):
    """That is an error and neither active nor inactive."""
    one = await side(start=False)
    await one.feed.refresh()
    one.store.broken = True
    with pytest.raises(NoDecision, match="state_unavailable"):
        await credential_code(one, credential(link))
