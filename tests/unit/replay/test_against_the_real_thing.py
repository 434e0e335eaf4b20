"""A replay with state says what a real sidecar decides: the same calls, made once under each policy."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tabard_opa import Engine
from tabard_sidecar.policy.catalogue import Catalogue
from tabard_sidecar.policy.loading.compiling import CompileOptions
from tabard_sidecar.policy.loading.offered import Offers
from tabard_sidecar.records.reading import joined
from tabard_sidecar.replay.comparing import changes
from tabard_sidecar.replay.merging import merged
from tabard_sidecar.replay.recorded import Recorded, recorded
from tabard_sidecar.replay.verdict import Verdict
from tabard_sidecar.replay.world import World, loaded

from tests.support.zone import Zone
from tests.unit.replay.conftest import zone_at
from tests.unit.replay.scripts import play, policy, script

OPTIONS = CompileOptions(offers=Offers())


async def played(zone: Zone, calls):
    """Have real sidecars decide: the id of each call's decision, and what their logs hold."""
    async with zone:
        ids = await play(zone, calls)
        logs = [log for sidecar in zone.sidecars.values() for log in sidecar.logs]
        return ids, logs


def read(logs) -> list[Recorded]:
    """Read what logs hold for a replay."""
    odd = []
    found = [recorded(entry) for entry in joined(merged(logs, odd.append, lambda _: None))]
    assert not odd
    return [item for item in found if isinstance(item, Recorded)]


async def replayed(items: list[Recorded], path: Path) -> dict[str, Verdict]:
    """Decide again by the policy at a path."""
    with Engine() as engine, loaded(engine, path, OPTIONS, Catalogue()) as policy_there:
        world = World(policy_there, stateless=False)
        return {item.decision_id: await world.decide(item) for item in items if item.outcome is None}


def told(verdict: Verdict) -> tuple[str, frozenset[str]]:
    """Effect and codes."""
    return verdict.effect, frozenset(verdict.codes)


@pytest.mark.parametrize("seed", range(12))
async def test_a_replay_decides_as_a_sidecar_with_that_policy(folder, seed):
    """Budgets, labels of task and branch, history, facts, limits, hand-overs: each call as the real run has it."""
    rng = random.Random(seed)
    calls = script(rng, 40)
    old, new = policy(rng), policy(rng)
    old_ids, old_logs = await played(zone_at(folder / "old", old), calls)
    new_ids, new_logs = await played(zone_at(folder / "new", new), calls)
    items = read(old_logs)
    same = await replayed(items, folder / "old" / "policy")
    for item in items:
        assert not changes(item.verdict, same[item.decision_id], item.about.at), item
    real = {item.decision_id: item.verdict for item in read(new_logs)}
    replay = await replayed(items, folder / "new" / "policy")
    compared = 0
    for number, (call, was, now) in enumerate(zip(calls, old_ids, new_ids, strict=True)):
        if was not in replay:  # refused before policy was asked, or no holder could make it
            if now in real and real[now].allowed:
                break  # from here on the real task has something that no log tells
            continue
        wanted = told(real[now]) if now in real else ("deny", None)
        got = told(replay[was])
        assert got == wanted or (wanted[1] is None and got[0] == "deny"), f"{number}: {call}"
        compared += 1
    assert compared
