"""A credential from a real Vault: a certificate for one call, which Vault revokes when the task ends."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import tabard

from demo.steps import Step
from demo.vault import ADDRESS, TOKEN, Vault, vault
from testbed.world import PERSON, World

HOW = f"For a real lease here: put `vault` or `bao` on PATH, or set {ADDRESS} and {TOKEN} (docs/vault.md)."
_END_SECONDS = 15.0
_AUDIENCE = "https://billing.shop.example"
_WORKLOAD = "worker"
_POLICY = """package policy.billing

import data.tabard.lib.credentials

start contains {"code": "billing", "limits": {"tools": ["billing.*"], "audiences": ["https://billing.shop.example"]}}

grant contains {
	"code": "read",
	"credential": credentials.vault("billing", "https://billing.shop.example", 300),
} if input.tool.name == "billing.read"
"""


async def leases(folder: Path) -> list[Step]:
    """Play this part in ``folder``, which must be empty; an empty list if there is no Vault.

    Raises:
        RuntimeError: the Vault doesn't start, or refuses to be set up or cleaned.
    """
    async with vault(folder) as found:
        if found is None:
            return []
        section = await asyncio.to_thread(found.set_up, folder)
        role = {
            "engine": "pki",
            "mount": found.name,
            "name": "billing",
            "audiences": [_AUDIENCE],
            "common_name": "{handle}.agents.shop.example",
        }
        zone = folder / "zone"
        zone.mkdir(mode=0o700)
        world = World(
            zone,
            workloads=(_WORKLOAD,),
            policy={"billing/billing.rego": _POLICY},
            overrides={"vault.main": section | {"roles": {"billing": role}}},
        )
        async with world:
            return await _story(world, found)


async def _story(world: World, at: Vault) -> list[Step]:
    task = await world.agent(_WORKLOAD).start_task(
        world.issuer.access_token(PERSON), intent_token=world.intent("billing", "Read today's bills.")
    )
    began = time.perf_counter()
    try:
        decision = await task.authorize("billing.read", {"day": "today"})
    except tabard.TabardError as error:
        return [Step("a certificate from Vault for one call", "leased", error.code)]
    serial = decision.credential.fields["serial_number"] if decision.credential is not None else ""
    steps = [
        Step(
            "a certificate from Vault for one call",
            "leased",
            "leased" if serial else "no certificate",
            time.perf_counter() - began,
            note=serial,
        )
    ]
    await task.end()
    began = time.perf_counter()
    while not (revoked := await asyncio.to_thread(at.revoked, serial)):
        if time.perf_counter() - began > _END_SECONDS:
            break
        await asyncio.sleep(0.02)
    steps.append(
        Step(
            "the task ends, and Vault revokes it",
            "revoked",
            "revoked" if revoked else "still valid",
            time.perf_counter() - began,
        )
    )
    return steps
