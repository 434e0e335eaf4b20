"""Deciding requires the approver's own token, fresh and used once, with a role that policy names."""

import asyncio
from dataclasses import replace

import pytest
from pydantic import ValidationError
from tabard_sidecar.approvals import ApprovalsConfig, build_approvals
from tabard_sidecar.approvals.conf import RoleConfig, WebhookConfig
from tabard_sidecar.approvals.listing import Selection
from tabard_sidecar.errors import Refused
from tabard_sidecar.identity.agent import StaticAgent
from tabard_sidecar.state import ApprovalStatus

from tests.support.approvals import ASK, CALL, SUBJECT_ISSUER, ApprovalWorld
from tests.support.grants import ALICE, BOB
from tests.support.state import approval, at_most
from tests.support.tokens import ISSUER, NOW, SigningKey, access_claims

OWN = {"iss": SUBJECT_ISSUER, "sub": "u-1"}


async def refusal(world, token, *, ask=ASK, approve=True):
    """Return the code with which a decision is refused; nothing may have been decided then."""
    (pending,) = await world.ask(ask)
    with pytest.raises(Refused) as caught:
        await world.parts.decider.decide(pending.approval_id, token, approve=approve)
    case = await world.parts.decider.get_approval(pending.approval_id)
    assert case.approval.status is ApprovalStatus.PENDING
    assert token not in str(caught.value) or not token
    return caught.value.code


async def decide(world, token, *, ask=ASK, approve=True):
    (pending,) = await world.ask(ask)
    return (await world.parts.decider.decide(pending.approval_id, token, approve=approve)).approval


async def test_approved_by_claim(world):
    """A role that names a claim is had by every person whose token has it."""
    approval = await decide(world, world.token())
    assert approval.status is ApprovalStatus.APPROVED
    assert approval.approver == f"{ISSUER} cleo"
    assert approval.decided_at == world.clock.now
    assert approval.expires_at == world.clock.now + ASK.ttl_seconds


async def test_a_claim_that_is_one_word(world):
    """A claim that is a string counts like a list of that one string."""
    assert (await decide(world, world.token(groups="finance"))).status is ApprovalStatus.APPROVED


async def test_approved_by_name(world):
    """A role that names people is had by them."""
    named = replace(ASK, approvers=("named",))
    assert (
        await decide(world, world.token("dora", groups=None), ask=named)
    ).status is ApprovalStatus.APPROVED


async def test_a_name_of_another_issuer_is_another_person(world):
    named = replace(ASK, approvers=("named",))
    token = world.token("dora", iss=SUBJECT_ISSUER, groups=None)
    assert await refusal(world, token, ask=named) == "approver_not_entitled"


@pytest.mark.parametrize("groups", [None, [], ["staff"], "staff finance", {"finance": True}, 7, ["Finance"]])
async def test_without_the_role(world, groups):
    """A claim that lacks the value, or has another type, gives no role."""
    assert await refusal(world, world.token(groups=groups)) == "approver_not_entitled"


async def test_a_role_that_policy_does_not_name_is_no_use(world):
    named = replace(ASK, approvers=("named", "legal"))
    assert await refusal(world, world.token(), ask=named) == "approver_not_entitled"


async def test_four_eyes(world):
    """In finance and everything, but it is their own task."""
    assert await refusal(world, world.token(**OWN)) == "approver_is_subject"


async def test_own_task_where_the_role_says_so(world):
    """Policy may let the subject of a task approve it."""
    owner = replace(ASK, approvers=("finance", "owner"))
    assert (await decide(world, world.token(**OWN), ask=owner)).status is ApprovalStatus.APPROVED


async def test_the_owner_role_is_the_subjects_only(world):
    owner = replace(ASK, approvers=("owner",))
    assert await refusal(world, world.token(), ask=owner) == "approver_not_entitled"
    same_id = world.token("u-1")  # the same id at another issuer
    assert await refusal(world, same_id, ask=owner) == "approver_not_entitled"


async def test_refusing_a_call_of_ones_own(world):
    """The subject of a task may deny what they may not approve."""
    approval = await decide(world, world.token(**OWN), approve=False)
    assert approval.status is ApprovalStatus.DENIED


async def test_refusing_needs_a_right_as_well(world):
    assert await refusal(world, world.token(groups=None), approve=False) == "approver_not_entitled"


@pytest.mark.parametrize(
    "claims",
    [
        {"act": {"sub": ALICE}},
        {"act": {"sub": "another"}},
        {"may_act": {"sub": ALICE}},
        {"sub": ALICE},
        {"client_id": ALICE},
        {"azp": ALICE},
        {"cid": ALICE, "client_id": None},
        {"appid": ALICE},
    ],
    ids=str,
)
async def test_an_agent_on_behalf_of_a_person(world, claims):
    """A token that names a workload as subject, actor or client approves nothing."""
    assert await refusal(world, world.token(**claims)) == "approver_is_agent"


async def test_an_agent_further_up_the_chain(world):
    """No workload of the chain approves, whichever it is."""
    handed = world.kit.delegate(world.grant, BOB)
    (pending,) = await world.ask(grant=handed)
    for workload in (ALICE, BOB):
        with pytest.raises(Refused) as caught:
            await world.parts.decider.decide(
                pending.approval_id, world.token(client_id=workload), approve=True
            )
        assert caught.value.code == "approver_is_agent"


async def test_the_subjects_own_agent(world):
    """It holds the person's subject token, which is for another audience, and can't get one for this."""
    owner = replace(ASK, approvers=("owner",))
    subject_token = world.key.sign(access_claims(**OWN, aud="tabard", auth_time=int(world.clock.now)))
    assert await refusal(world, subject_token, ask=owner) == "subject_token_audience"
    exchanged = world.token(**OWN, act={"sub": ALICE})
    assert await refusal(world, exchanged, ask=owner) == "approver_is_agent"


async def test_stale_authentication(world):
    """A person who signed in too long ago has to sign in again."""
    limit = int(world.config.max_auth_age_seconds) + 30  # the clocks may differ by 30 s
    now = int(world.clock.now)
    assert await refusal(world, world.token(auth_time=now - limit - 1)) == "subject_token_too_old"
    assert (await decide(world, world.token(auth_time=now - limit))).status is ApprovalStatus.APPROVED


async def test_authentication_of_unknown_age(world):
    """A token that does not say when the person signed in approves nothing."""
    assert await refusal(world, world.token(auth_time=None)) == "subject_token_claims"


@pytest.mark.parametrize("audience", ["tabard", "other", ["tabard-approval", "tabard"], None])
async def test_wrong_audience(world, audience):
    """A token for another audience approves nothing, even if it names this one, too."""
    assert await refusal(world, world.token(aud=audience)) == "subject_token_audience"


async def test_forged_token(world):
    """A token that the issuer did not sign, or that is none, approves nothing."""
    stranger = SigningKey.make(world.key.kid)
    forged = stranger.sign(
        access_claims(sub="cleo", aud="tabard-approval", auth_time=int(world.clock.now), groups=["finance"])
    )
    assert await refusal(world, forged) == "subject_token_signature"
    assert await refusal(world, "x.y") == "subject_token_malformed"
    assert await refusal(world, "") == "approver_token_missing"


async def test_expired_token(world):
    """An expired token approves nothing."""
    token = world.token()
    world.clock.advance(331)
    assert await refusal(world, token) == "subject_token_expired"


async def test_a_token_decides_once(world):
    token = world.token()
    await decide(world, token, ask=replace(ASK, code="first"))
    assert await refusal(world, token, ask=replace(ASK, code="second")) == "approver_token_used"


async def test_a_mistake_costs_no_token(world):
    token = world.token(groups=["finance"])
    other = replace(ASK, code="other", approvers=("named",))
    assert await refusal(world, token, ask=other) == "approver_not_entitled"
    assert (await decide(world, token)).status is ApprovalStatus.APPROVED


async def test_decided_once(world):
    """A decision is final."""
    (pending,) = await world.ask()
    await world.parts.decider.decide(pending.approval_id, world.token(), approve=False)
    with pytest.raises(Refused) as caught:
        await world.parts.decider.decide(pending.approval_id, world.token(), approve=True)
    assert caught.value.code == "approval_decided"


async def test_two_decide_at_once(world):
    """Of several people who decide at the same time one does, that decision is kept, and the others keep their tokens."""
    (pending,) = await world.ask()
    tokens = [world.token() for _ in range(6)]
    answers = await asyncio.gather(
        *(
            world.parts.decider.decide(pending.approval_id, token, approve=bool(number % 2))
            for number, token in enumerate(tokens)
        ),
        return_exceptions=True,
    )
    decided = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(decided) == 1
    assert {answer.code for answer in answers if isinstance(answer, Refused)} == {"approval_decided"}
    kept = await world.parts.decider.get_approval(pending.approval_id)
    assert kept.approval.status is decided[0].approval.status
    for number, (token, answer) in enumerate(zip(tokens, answers, strict=True)):
        other = replace(ASK, code=f"other_{number}")
        if isinstance(answer, Refused):
            assert (await decide(world, token, ask=other)).status is ApprovalStatus.APPROVED
        else:
            assert await refusal(world, token, ask=other) == "approver_token_used"


async def test_too_late(world):
    """An approval that waited too long is unknown."""
    (pending,) = await world.ask()
    world.clock.advance(world.config.wait_seconds)
    with pytest.raises(Refused) as caught:
        await world.parts.decider.decide(pending.approval_id, world.token(), approve=True)
    assert caught.value.code == "approval_unknown"


async def test_what_people_are_shown(world):
    """The prompt has the person, the purpose, the chain and the call with its arguments."""
    handed = world.kit.delegate(world.grant, BOB)
    (pending,) = await world.ask(grant=handed)
    (case,), _ = await world.parts.decider.list_approvals(Selection())
    prompt = case.prompt
    assert case.approval.approval_id == pending.approval_id
    assert (prompt.subject_issuer, prompt.subject_id) == (SUBJECT_ISSUER, "u-1")
    assert (prompt.purpose, prompt.statement, prompt.signed) == ("refunds", "Work off the refunds.", True)
    assert [(step.kind, step.holder) for step in prompt.chain] == [("hop", BOB)]
    assert prompt.root_holder == ALICE
    assert prompt.arguments_json == CALL.arguments_json.decode()
    assert (prompt.tool, prompt.server) == ("payments.send", "")
    assert (prompt.reason, prompt.approvers) == (ASK.reason, ("finance",))


async def test_decided_ones_are_listed_only_if_asked_for(world):
    await decide(world, world.token())
    assert await world.parts.decider.list_approvals(Selection()) == ([], 0)
    cases, total = await world.parts.decider.list_approvals(Selection(pending_only=False))
    assert (len(cases), total) == (1, 1)


async def test_what_cannot_be_read_cannot_be_approved(world):
    """Also what was copied in the store from another approval."""
    (one,) = await world.ask(replace(ASK, code="first"))
    kept = await world.state.approval(one.approval_id, now=world.clock.now)
    moved = replace(kept, approval_id="f" * 32, code="second")
    await world.state.ask(moved, limits=at_most(5))
    case = await world.parts.decider.get_approval("f" * 32)
    assert case.prompt is None
    with pytest.raises(Refused) as caught:
        await world.parts.decider.decide("f" * 32, world.token(), approve=True)
    assert caught.value.code == "approval_unreadable"


async def test_readable_after_a_rotation(world):
    """An approval stays usable when the root key is rotated while it waits."""
    (pending,) = await world.ask()
    world.kit.keyring.rotate("root", lead_seconds=0)
    world.clock.advance(1)
    await world.approve(pending)
    assert len(await world.met(pending.call_grant, [await world.discharge(pending)])) == 1


def test_agents_tokens_must_have_another_audience(tmp_path):
    """Otherwise every agent could approve with the token it holds."""
    with pytest.raises(ValueError, match="agents' tokens have the audience tabard"):
        ApprovalWorld(tmp_path, audience="tabard")


async def test_a_claim_of_one_issuer_only(tmp_path):
    """A role may be limited to the tokens of one issuer."""
    roles = {"finance": {"claim": "groups", "value": "finance", "issuer": SUBJECT_ISSUER}}
    async with ApprovalWorld(tmp_path, roles=roles) as world:
        assert await refusal(world, world.token()) == "approver_not_entitled"
        token = world.token("cleo", iss=SUBJECT_ISSUER)
        assert (await decide(world, token)).status is ApprovalStatus.APPROVED


@pytest.mark.parametrize(
    "role",
    [
        {},
        {"subject": True, "claim": "groups", "value": "finance"},
        {"claim": "groups"},
        {"value": "finance"},
        {"subject": True, "issuer": ISSUER},
        {"ids": [{"id": "dora"}]},
        {"ids": [{"issuer": ISSUER, "id": "dora"}], "claim": "groups", "value": "x"},
    ],
)
def test_roles_that_mean_nothing_or_two_things(role):
    """Each role says in exactly one way who has it."""
    with pytest.raises(ValidationError):
        RoleConfig(**role)


def test_a_webhook_must_be_signed():
    with pytest.raises(ValidationError, match="secret_file"):
        WebhookConfig(url="https://chat.example.org/hook")


def test_defaults():
    """Without configuration there are no roles, and the limits are those of the reference."""
    config = ApprovalsConfig()
    assert config.audience == "tabard-approval"
    assert (config.max_pending_per_task, config.wait_seconds, config.max_auth_age_seconds) == (5, 900, 300)
    assert config.roles == {}


async def test_without_a_webhook_no_http_client_is_built(world):
    parts = build_approvals(
        ApprovalsConfig(),
        state=world.state,
        keyring=world.kit.keyring,
        grants=world.kit.service,
        subjects=world.subjects,
        agent=StaticAgent(ALICE),
        revocations=world.revoking.checks,
        standings=world.standings,
        clock=world.clock,
    )
    assert parts.webhook is None


async def test_clients_whose_tokens_count(tmp_path):
    """If clients are configured, every client that the token names has to be among them."""
    async with ApprovalWorld(tmp_path, clients=["approvals-desk", "phone"]) as world:
        assert await refusal(world, world.token(client_id="shop-agent")) == "approver_client"
        assert await refusal(world, world.token(client_id="phone", azp="shop-agent")) == "approver_client"
        assert await refusal(world, world.token(client_id=None)) == "approver_client"
        approval = await decide(world, world.token(client_id="phone", azp="approvals-desk"))
        assert approval.status is ApprovalStatus.APPROVED


async def test_an_approver_who_was_revoked(world):
    """What they say now and what they said before; a token issued afterwards counts again."""
    (pending,) = await world.ask(replace(ASK, code="before"))
    await world.approve(pending)
    discharge = await world.discharge(pending)
    early = world.token()
    world.clock.advance(1)
    await world.revoking.admin.revoke_subject(ISSUER, "cleo")
    assert await refusal(world, early, ask=replace(ASK, code="after")) == "approver_revoked"
    with pytest.raises(Refused) as caught:
        await world.met(pending.call_grant, [discharge])
    assert caught.value.code == "approver_revoked"
    world.clock.advance(60)
    assert (await decide(world, world.token(), ask=replace(ASK, code="after"))).approver == f"{ISSUER} cleo"


async def test_no_person_approves_for_an_agent_that_was_revoked(world):
    (pending,) = await world.ask()
    await world.revoking.admin.revoke_agent(ALICE)
    with pytest.raises(Refused) as caught:
        await world.approve(pending)
    assert caught.value.code == "task_ended"
    assert "nothing to decide" in caught.value.message


async def test_no_task_hides_another_in_a_list(world):
    """Of 225 calls of one workload and one more of another, which was asked last, the page has the one."""
    for task in range(45):
        for number in range(5):
            asked = approval(
                f"root-{task}",
                workload="spiffe://a/loud",
                subject="i eve",
                created_at=NOW + number,
                expires_at=NOW + 900,
            )
            await world.state.ask(asked, limits=at_most(5))
    quiet = approval(
        "root-q", workload="spiffe://a/quiet", subject="i ann", created_at=NOW + 9, expires_at=NOW + 900
    )
    await world.state.ask(quiet, limits=at_most(5))
    world.clock.now = NOW + 10
    first, total = await world.parts.decider.list_approvals(Selection())
    assert (len(first), total) == (200, 226)
    assert first[1].approval == quiet
    assert len({view.approval.root_id for view in first[:46]}) == 46
    rest, _ = await world.parts.decider.list_approvals(Selection(offset=200))
    assert len({view.approval.approval_id for view in (*first, *rest)}) == 226
    for selection, count in (
        (Selection(subject_id="ann"), 1),
        (Selection(workload="spiffe://a/loud"), 225),
        (Selection(task_id="another"), 0),
    ):
        assert (await world.parts.decider.list_approvals(selection))[1] == count
