"""A state store that lost what was used: spent tokens and intents start nothing a second time."""

from __future__ import annotations

import contextlib
import sqlite3
import time

import pytest
import tabard
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.identity.intent import sign_intent
from tabard_sidecar.state.model import RevocationKind

from testbed.world import FRONT_END, ISSUER, PERSON, ZONE
from tests.support.spending import POLICY
from tests.support.waiting import eventually


@pytest.fixture(params=["signed", "asserted"])
async def zone(start_zone, request):
    overrides = {"insecure.accept_asserted_intent": True, "identity.tasks_per_token": 1}
    zone = await start_zone(
        workloads=("orchestrator",), policy=POLICY, overrides=overrides if request.param == "asserted" else {}
    )
    zone.signed = request.param == "signed"
    return zone


def proof(zone, *, at=None):
    """Return what starts one task: a token, with a signed intent where those are demanded."""
    at = int(time.time() if at is None else at)
    if not zone.signed:
        token = zone.issuer.access_token(PERSON, iat=at, exp=at + 250)
        return {"subject_token": token, "purpose": "refunds"}
    intent = sign_intent(
        zone.front_end.key,
        issuer=FRONT_END,
        zone=ZONE,
        subject_id=PERSON,
        subject_issuer=ISSUER,
        purpose="refunds",
        statement="Pay.",
        key_id="k1",
        now=at,
    )
    return {"subject_token": zone.issuer.access_token(PERSON), "intent_token": intent}


async def code(zone, started) -> str:
    try:
        await zone.agent("orchestrator").start_task(**started)
    except tabard.TabardError as error:
        return error.code
    return ""


async def restore_a_backup(zone, use):
    """Take a backup, use something, and put the backup into the place of the file; return when that was noticed."""
    path, backup = zone.folder / "state.db", zone.folder / "backup.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    connection.close()
    backup.chmod(0o600)
    await use()
    backup.replace(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()

    async def noticed():
        try:
            found = [one for one in await zone.store.revocations() if one.kind is RevocationKind.STATE]
        except NoDecision:  # the file is being replaced
            return 0.0
        return found[0].at if found else 0.0

    return await eventually(noticed)


async def test_what_was_spent_before_a_backup_was_restored_is_not_accepted_again(zone):
    spent, unspent, ahead = proof(zone), proof(zone), proof(zone, at=time.time() + 25)

    async def use():
        assert await code(zone, spent) == ""
        assert await code(zone, spent) in {"intent_replayed", "subject_token_used"}

    at = await restore_a_backup(zone, use)
    for old in (spent, unspent, proof(zone, at=at - 1)):
        assert await code(zone, old) == "state_rolled_back"
    await eventually(lambda: time.time() >= int(at) + 1)
    fresh = proof(zone)
    assert await code(zone, fresh) == ""
    assert await code(zone, fresh) in {"intent_replayed", "subject_token_used"}
    assert await code(zone, ahead) == "", "the issuer's clock may be ahead within the skew"
