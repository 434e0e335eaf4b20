"""A task that one zone hands to another: two zones with keys, stores and policies of their own, and real sidecars."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import tabard
from tabard import Limits
from tabard_sidecar.config import load
from tabard_sidecar.keys import SIGNING, Keyring, jwks
from tabard_sidecar.server.lifecycle import sidecar
from tabard_sidecar.util.problems import SourceError

from testbed.world import ISSUER, PERSON, spiffe_id
from tests.support.control import Cluster, ControlZone
from tests.support.waiting import eventually
from tests.support.zone import Zone

HOME, AWAY = "support", "billing"

POLICY = """
package policy.desk

import data.tabard.lib.labels

start contains {"code": "desk", "limits": {
	"tools": ["*"],
	"audiences": ["bank"],
	"scopes": ["pay"],
	"budgets": {"cents": 1000, "away": 5},
	"max_depth": 2,
	"max_children": 20,
	"ttl_seconds": 600,
}} if not _forbidden

_forbidden if input.request.handover.zone == "evil"

delegate contains {"code": "desk"} if object.get(input.request, "zone", "") != "closed"

grant contains {
	"code": "pay",
	"charges": {"cents": 1},
	"credential": {"kind": "jwt", "audience": "bank", "scopes": ["pay"], "ttl_seconds": 60},
} if {
	input.tool.name == "pay"
}

grant contains {"code": "use", "charges": {"away": 1}} if input.tool.name == "use"

grant contains {"code": "look", "labels": ["untrusted"]} if input.tool.name == "web.read"

grant contains {"code": "send"} if input.tool.name == "send"

deny contains {"code": "tainted", "message": "it has read what others write"} if {
	input.tool.name == "send"
	labels.untrusted
}
"""


def sources(extra: str = "") -> dict[str, str]:
    return {
        "desk.rego": POLICY.replace("if not _forbidden", f"if {{\n\t{extra}\n\tnot _forbidden\n}}")
        if extra
        else POLICY
    }


class Two:
    """Zone support, whose orchestrator hands tasks to triage of zone billing."""

    def __init__(self, home: Zone, away: Zone) -> None:
        self.home, self.away = home, away

    async def task(self, **options) -> tabard.aio.Task:
        return await self.home.start_task(**options)

    async def accept(self, token: str, **options) -> tabard.aio.Task:
        return await self.away.agent("triage").start_task(token, **options)


@asynccontextmanager
async def two(folder: Path, *, to=(AWAY, "closed"), accept=None, most=16, policy="", zone=HOME):
    """Two zones that share nothing but the file of public keys."""
    for name in ("a", "b"):
        (folder / name).mkdir()
    public = folder / "public.json"
    trusted = {
        "zone": zone,
        "keys_file": str(public),
        "subject_issuers": [ISSUER],
        "kept_claims": ["groups"],
    }
    home = Zone(
        folder / "a",
        workloads=("orchestrator",),
        policy=sources(),
        overrides={"zone": zone, "handover": {"to": list(to), "max_per_task": most}},
    )
    away = Zone(
        folder / "b",
        workloads=("triage", "review"),
        policy=sources(policy),
        overrides={"zone": AWAY, "handover": {"accept": [trusted | (accept or {})] if accept != {} else []}},
    )
    async with home:
        public.write_text(json.dumps(jwks(Keyring(home.keys))))
        # People log in at one provider.
        shutil.copy(home.issuer.keys_file, away.issuer.keys_file)
        async with away:
            yield Two(home, away)


async def handed(both: Two, task: tabard.aio.Task | None = None, **limits) -> str:
    task = task or await both.task()
    return await task.delegate(spiffe_id("triage"), Limits(**limits), zone=AWAY)


async def denied(work, code: str) -> None:
    with pytest.raises(tabard.Denied) as caught:
        await work
    assert caught.value.code == code, caught.value


async def test_a_task_goes_on_in_another_zone(folder):
    """For the same person and purpose, under what both zones' policies allow, until the grant of the first ends."""
    async with two(folder) as both:
        task = await both.task()
        token = await handed(both, task)
        there = await both.accept(token)
        assert (await there.authorize("send", {})).allowed
        here, away = await task.get(), await there.get()
        assert (away.purpose, away.statement, away.subject) == (here.purpose, here.statement, here.subject)
        assert away.intent_source == here.intent_source
        assert away.expires_at <= here.expires_at
        assert away.task_id != here.task_id
        # Neither zone takes the other's grants or tokens for its own.
        await denied(both.home.agent("orchestrator").task(there.grant).authorize("send", {}), "foreign_key")
        await denied(both.away.agent("triage").task(task.grant).authorize("send", {}), "foreign_key")


async def test_it_works_once_and_for_its_workload_and_zone_only(folder):
    async with two(folder) as both:
        token = await handed(both)
        await denied(both.away.agent("review").start_task(token), "handover_invalid")
        await denied(both.home.agent("orchestrator").start_task(token), "handover_untrusted")
        await both.accept(token)
        await denied(both.accept(token), "handover_replayed")


@asynccontextmanager
async def second_replica(both: Two, workload: str = "triage"):
    """A further sidecar of a workload of zone billing, with sockets and a log of its own; gives its client."""
    place = both.away.folder / "replica"
    for name in ("agent", "operator"):
        (place / name).mkdir(parents=True, mode=0o700)
    own = (f"listen.agent=unix:{place}/agent/s", f"listen.operator=unix:{place}/operator/s")
    more = (f"http.listen=unix:{place}/h", f"audit.path={place}/decisions.log")
    config = both.away.sidecars[workload].folder / "tabard.yaml"
    settings = load(config, assignments=(*own, *more)).settings
    async with (
        sidecar(settings, config=config),
        tabard.aio.connect(f"unix:{place}/agent/s") as client,
    ):
        yield client


async def test_of_two_replicas_that_use_a_handover_at_once_one_starts_a_task(folder):
    """Single use is the zone's, not a sidecar's."""
    async with two(folder) as both, second_replica(both) as other:
        for _ in range(5):
            token = await handed(both)
            tried = [both.accept(token), other.start_task(token), both.accept(token), other.start_task(token)]
            found = await asyncio.gather(*tried, return_exceptions=True)
            refused = [one for one in found if isinstance(one, tabard.Denied)]
            assert len(refused) == len(tried) - 1, found
            assert {one.code for one in refused} == {"handover_replayed"}


async def test_a_handover_that_was_used_is_used_after_a_restart(folder):
    async with two(folder) as both:
        token = await handed(both)
        await both.accept(token)
        await both.away.restart()
        await denied(both.accept(token), "handover_replayed")


async def test_what_narrows_the_grant_narrows_it_there(folder):
    """Tools, and depth, which is counted from the first root."""
    async with two(folder) as both:
        there = await both.accept(await handed(both, tools=["send"]))
        assert (await there.authorize("send", {})).allowed
        await denied(there.authorize("use", {}), "tool_not_granted")
        # max_depth is 2 here and there; the way to the other zone is one of them.
        branch = there.branch("a")
        assert (await branch.authorize("send", {})).allowed
        await denied(branch.branch("b").authorize("send", {}), "depth_exceeded")


async def test_a_budget_of_the_first_zone_can_not_be_spent_in_the_other(folder):
    """What is spent there isn't seen here, so nothing of it goes along, whatever policy there grants."""
    async with two(folder) as both:
        task = await both.task()
        assert (await task.authorize("pay", {})).allowed
        there = await both.accept(await handed(both, task))
        await denied(there.authorize("pay", {}), "budget_exhausted")
        # Of this one, too, both zones have some.
        await denied(there.authorize("use", {}), "budget_exhausted")


async def test_labels_go_along(folder):
    """A task that has read what strangers wrote doesn't lose that by crossing."""
    async with two(folder) as both:
        task = await both.task()
        clean = await both.accept(await handed(both, task))
        assert (await clean.authorize("send", {})).allowed
        assert (await task.authorize("web.read", {})).allowed
        tainted = await both.accept(await handed(both, task))
        await denied(tainted.authorize("send", {}), "tainted")
        # As within a zone, the workload's other task for this person has it, too.
        await denied(clean.authorize("send", {}), "tainted")


async def test_policies_of_both_zones_decide(folder):
    """Where to, by delegate rules; from where, by start rules."""
    async with two(folder) as both:
        task = await both.task()
        await denied(task.delegate(spiffe_id("triage"), zone="closed"), "no_grant")
        await denied(task.delegate(spiffe_id("triage"), zone="unknown"), "handover_refused")
    for name in ("a", "b"):
        (folder / name).rename(folder / f"{name}1")
    async with two(folder, policy='input.request.handover.zone == "support"') as both:
        assert await both.accept(await handed(both))
        own = both.home.issuer.access_token(PERSON)
        await denied(both.away.agent("triage").start_task(own, purpose="p", statement="s"), "no_grant")


async def test_policy_may_refuse_what_a_trusted_zone_hands_over(folder):
    async with two(folder, zone="evil") as both:
        task = await both.home.agent("orchestrator").start_task(
            both.home.issuer.access_token(PERSON), purpose="refunds", statement="x"
        )
        await denied(both.accept(await handed(both, task)), "no_grant")


async def test_a_zone_that_accepts_none_and_one_that_hands_over_none(folder):
    async with two(folder, to=(), accept={}) as both:
        task = await both.task()
        await denied(task.delegate(spiffe_id("triage"), zone=AWAY), "handover_refused")


async def test_a_token_of_a_zone_that_is_not_trusted_starts_nothing(folder):
    async with two(folder, accept={"subject_issuers": ["https://elsewhere"]}) as both:
        await denied(both.accept(await handed(both)), "handover_untrusted")


async def test_a_task_is_handed_over_so_often_and_no_more(folder):
    """Each time the other zone's policy grants its budgets anew."""
    async with two(folder, most=2) as both:
        task = await both.task()
        await handed(both, task)
        await handed(both, task)
        await denied(task.delegate(spiffe_id("triage"), zone=AWAY), "handover_refused")


async def test_a_person_who_is_revoked_there_since_the_task_started_starts_none(folder):
    async with two(folder) as both:
        token = await handed(both)
        revoking = both.away.parts("triage").revoking.admin
        await revoking.revoke_subject(ISSUER, PERSON)
        await denied(both.accept(token), "subject_revoked")


async def test_a_task_that_was_ended_is_handed_to_none(folder):
    async with two(folder) as both:
        task = await both.task()
        await task.end()
        await denied(task.delegate(spiffe_id("triage"), zone=AWAY), "task_ended")


async def test_what_is_said_beside_a_handover_must_be_the_same(folder):
    async with two(folder) as both:
        token = await handed(both)
        await denied(both.accept(token, purpose="other"), "handover_invalid")
        intent = both.home.intent("refunds", "x")
        await denied(both.accept(token, intent_token=intent), "handover_invalid")
        assert await both.accept(token, limits=Limits(tools=["use"]))


async def test_the_records_of_both_zones_name_the_other(folder):
    """And neither log has the token."""
    async with two(folder) as both:
        token = await handed(both)
        await both.accept(token)
    home = (folder / "a" / "orchestrator" / "decisions.log").read_text()
    away = (folder / "b" / "triage" / "decisions.log").read_text()
    delegated = [json.loads(line) for line in home.splitlines() if '"delegate"' in line]
    assert any(record.get("input", {}).get("request", {}).get("zone") == AWAY for record in delegated)
    assert '"handover":{"zone":"support","holder":"spiffe://shop.example/ns/support/sa/orchestrator"}' in away
    assert token.rpartition(".")[2] not in home + away


async def test_two_namespaces_with_keys_of_one_control_service(folder):
    """The zone that accepts reads the other's public keys there, and goes on doing so through a rotation."""
    cluster = Cluster(folder)
    try:
        async with cluster.service() as service:
            url = f"https://{service.address}"
            trusted = {
                "zone": HOME,
                "jwks_url": f"{url}/zones/{HOME}/jwks.json",
                "ca_file": str(cluster.authority.certificate),
                "subject_issuers": [ISSUER],
                "min_refetch_seconds": 1,
            }
            home = ControlZone(cluster, url, policy=sources(), overrides={"handover": {"to": [AWAY]}})
            away = ControlZone(
                cluster,
                url,
                name=AWAY,
                workloads=("triage",),
                policy=sources(),
                overrides={"handover": {"accept": [trusted]}},
            )
            async with home, away:
                both = Two(home, away)
                task = await both.task()
                assert (await (await both.accept(await handed(both, task))).authorize("send", {})).allowed
                await cluster.renew(lead_seconds=1, overlap_seconds=600)
                await eventually(lambda: home.parts().keyring.active(SIGNING).kid.startswith("signing-2-"))
                await asyncio.sleep(1)
                assert (await (await both.accept(await handed(both, task))).authorize("send", {})).allowed
    finally:
        cluster.api.close()


@pytest.mark.parametrize(
    "text",
    [
        "handover: {to: [support]}",
        "handover: {to: [a, a]}",
        "handover: {accept: [{zone: a, subject_issuers: [x]}]}",
        "handover: {accept: [{zone: a, keys_file: k, subject_issuers: []}]}",
        "handover: {accept: [{zone: a, discovery_url: 'https://x', subject_issuers: [x]}]}",
        "handover: {accept: [{zone: support, keys_file: k, subject_issuers: [x]}]}",
        "handover: {accept: [{zone: a, keys_file: k, subject_issuers: [x]}, {zone: b, issuer: 'urn:tabard:zone:a', keys_file: k, subject_issuers: [x]}]}",
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(tmp_path, text):
    (tmp_path / "tabard.yaml").write_text(f"zone: support\n{text}\n")
    with pytest.raises(SourceError):
        load(tmp_path / "tabard.yaml")
