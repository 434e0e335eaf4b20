"""One word of consent, and one charge, is for one call; a renewal passes every rule that a new call passes."""

from __future__ import annotations

import json

import jwt
import pytest
import tabard

from tests.support.asking import LARGE, ROLES, asked, impatience, poll, terminal

_SOURCE = """
package policy.bank

start contains {"code": "bank", "limits": {
	"tools": ["*"],
	"audiences": ["bank", "shop"],
	"scopes": ["pay", "read"],
	"budgets": {"cents": 1000},
	"ttl_seconds": 600,
}}

grant contains {
	"code": "pay",
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay", "read"], "ttl_seconds": 60},
} if {
	input.tool.name == "pay"
}

grant contains {
	"code": "buy",
	"charges": {"cents": 10},
	"reuse": _yes,
	"credential": {"kind": "macaroon", "audience": "shop", "single_use": _no, "ttl_seconds": 60},
} if {
	input.tool.name == "buy"
}

grant contains {
	"code": "rent",
	"charges": {"cents": 10},
	"credential": {"kind": "jwt", "audience": "shop", "uses": 3, "ttl_seconds": 60},
} if {
	input.tool.name == "rent"
}

ask contains {"code": "rented", "approvers": ["finance"], "reason": "large", "uses": 1, "ttl_seconds": 300} if {
	input.tool.name == "rent"
	input.tool.arguments.cents > 10000
}

_yes if input.operation

_no := false if input.operation

ask contains {"code": "large", "approvers": ["finance"], "reason": "large", "uses": 1, "ttl_seconds": 300} if {
	input.tool.name == "pay"
	input.tool.arguments.cents > 10000
}

# It stops asking once somebody has approved.
ask contains {"code": "quiet", "approvers": ["finance"], "reason": "r", "uses": 1, "ttl_seconds": 300} if {
	input.tool.name == "pay"
	input.tool.arguments.to == "quiet"
	not _approved
}

_approved if "quiet" in {approval.code | some approval in input.approvals}

deny contains {"code": "closed", "message": "the account is closed"} if {
	input.operation == "authorize"
	input.tool.arguments.to in data.closed
}

deny contains {"code": "renew_less", "message": "too much to renew"} if {
	input.operation == "renew"
	input.tool.arguments.cents > 500
}

renew contains {"code": "again", "ttl_seconds": 60}
"""


@pytest.fixture
async def zone(start_zone, monkeypatch):
    impatience(monkeypatch)
    policy = {"bank/bank.rego": _SOURCE, "data.json": '{"closed": ["closed"]}'}
    return await start_zone(policy=policy, overrides={"approvals.roles": ROLES})


@pytest.fixture
def command(zone, capsys):
    return terminal(zone, capsys)


async def changed(zone, name, source):
    """Write a file of the policy and load it."""
    (zone.policy / name).parent.mkdir(exist_ok=True)
    (zone.policy / name).write_text(source)
    status = await zone.parts().policy.reload()
    assert status.problems == ()


async def code(attempt) -> str:
    """Return the code with which an attempt was refused, or nothing."""
    try:
        await attempt
    except tabard.Denied as denied:
        return denied.code
    return ""


@pytest.mark.parametrize("call", [LARGE, {"to": "quiet", "cents": 5}])
async def test_an_approved_calls_credential_is_for_one_use(zone, command, call):
    """Although its grant says nothing of it. It isn't renewed with the plain grant or with the call grant.

    An ask that reads ``input.approvals``, and isn't there any more when the call is made, changes nothing.
    """
    task = await zone.start_task()
    (pending,) = (await asked(task, call)).approvals
    await command("approve", pending.approval_id, token=zone.approver())
    approved = zone.agent("orchestrator").task(pending.call_grant)
    discharge = await poll(zone, pending)
    decision = await approved.authorize("pay", call, discharges=[discharge])
    credential = decision.credential
    assert credential.single_use
    assert not decision.reusable
    assert await code(approved.authorize("pay", call, discharges=[discharge])) == "approval_used"
    for holder in (task, approved):
        assert await code(holder.renew(credential, call)) in {"credential_invalid", "discharge_missing"}
    assert not (await task.authorize("pay", {"to": "ACME", "cents": 5})).credential.single_use


async def test_a_charged_calls_credential_is_for_one_use(zone):
    """Even if the rule says at run time that it isn't."""
    decision = await (await zone.start_task()).authorize("buy", {})
    assert decision.credential.single_use
    assert not decision.reusable


async def test_a_charge_covers_as_many_uses_as_its_rule_says(zone):
    """They are counted by the backend, and the credential isn't renewed or reused."""
    task = await zone.start_task()
    decision = await task.authorize("rent", {"to": "ACME", "cents": 5})
    credential = decision.credential
    assert (credential.uses, credential.single_use, decision.reusable) == (3, False, False)
    claims = jwt.decode(credential.value, options={"verify_signature": False})
    assert (claims["tabard_single_use"], claims["tabard_uses"]) == (True, 3)
    assert await code(task.renew(credential, {"to": "ACME", "cents": 5})) == "credential_invalid"
    again = await task.authorize("rent", {"to": "ACME", "cents": 5}, request_id="again")
    assert await task.authorize("rent", {"to": "ACME", "cents": 5}, request_id="again") == again


async def test_a_persons_word_is_for_one_use_whatever_the_charge_covers(zone, command):
    """The approver was shown one call."""
    task, call = await zone.start_task(), {"to": "ACME", "cents": 20000}
    with pytest.raises(tabard.ApprovalRequired) as needed:
        await task.authorize("rent", call)
    (pending,) = needed.value.approvals
    await command("approve", pending.approval_id, token=zone.approver())
    approved = zone.agent("orchestrator").task(pending.call_grant)
    decision = await approved.authorize("rent", call, discharges=[await poll(zone, pending)])
    assert decision.credential.uses == 1


async def test_a_renewal_needs_the_calls_arguments(zone):
    """Rules about arguments see them, those for new calls and those for renewals."""
    task = await zone.start_task()
    cheap, dear = {"to": "ACME", "cents": 5}, {"to": "ACME", "cents": 501}
    credential = (await task.authorize("pay", cheap)).credential
    assert (await task.renew(credential, cheap)).credential_id != credential.credential_id
    for others in (None, {}, dear, cheap | {"i": 1}):
        assert await code(task.renew(credential, others)) == "call_mismatch"
        last = (zone.sidecars["orchestrator"].folder / "decisions.log").read_text().splitlines()[-1]
        result = json.loads(last)["result"]
        assert (result["renews"], result["tool"]) == (credential.credential_id, "pay")
    assert await code(task.renew((await task.authorize("pay", dear)).credential, dear)) == "renew_less"


@pytest.mark.parametrize(
    ("rule", "refusal"),
    [
        ('deny contains {"code": "new", "message": "m"} if input.tool.arguments.cents > 4', "new"),
        (
            'deny contains {"code": "new", "message": "m"} if {\n\tinput.operation == "authorize"\n\tinput.tool.arguments.to == "ACME"\n}',
            "new",
        ),
        (
            """ask contains {"code": "new", "approvers": ["finance"], "reason": "r", "uses": 1, "ttl_seconds": 9} if {
	input.operation == "authorize"
	input.tool.arguments.cents > 4
}""",
            "approval_required",
        ),
        (
            """grant contains {
	"code": "new",
	"charges": {"cents": 1},
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 9},
} if input.tool.name == "pay"
""",
            "credential_invalid",
        ),
    ],
)
async def test_a_renewal_passes_the_rules_that_were_added_since(zone, rule, refusal):
    """Whatever operation they name: the call itself must still be allowed, free and without a person's word."""
    task = await zone.start_task()
    arguments = {"to": "ACME", "cents": 5}
    credential = (await task.authorize("pay", arguments)).credential
    await changed(zone, "more/more.rego", f"package policy.more\n\n{rule}\n")
    assert await code(task.renew(credential, arguments)) == refusal


async def test_a_renewed_credential_has_no_scope_that_policy_took_away(zone):
    task = await zone.start_task()
    arguments = {"to": "ACME", "cents": 5}
    credential = (await task.authorize("pay", arguments, scopes=["pay"])).credential
    assert (await task.renew(credential, arguments)).scopes == ("pay",)
    await changed(
        zone, "bank/bank.rego", _SOURCE.replace('"scopes": ["pay", "read"], "ttl', '"scopes": ["read"], "ttl')
    )
    assert (await task.renew(credential, arguments)).scopes == ()
