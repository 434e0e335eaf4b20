"""Hooks hear of every revocation, are tried until they have done it, and what they fail at shows in health."""

from __future__ import annotations

import asyncio
import time

import pytest
from tabard_sidecar.revocation import HookRunner, RevocationConfig, build_revocation
from tabard_sidecar.revocation import hooks as hooks_module
from tabard_sidecar.revocation.targets import UNTIL_LIFTED
from tabard_sidecar.state import Revocation, RevocationKind

from tests.support.grants import ALICE, BOB, NOW
from tests.support.waiting import eventually


class Hook:
    """A hook that notes what it did and fails as often as a test says."""

    name = "leases"

    def __init__(self, failures: int = 0, refuses: str = ""):
        self.failures = failures
        self.refuses = refuses
        self.tried: list[str] = []
        self.done: list[str] = []
        self.hanging = False

    async def revoked(self, revocation):
        self.tried.append(revocation.target)
        if self.hanging:
            await asyncio.Event().wait()
        if self.failures or revocation.target == self.refuses:
            self.failures -= bool(self.failures)
            raise ConnectionError("the secrets manager is away")
        self.done.append(revocation.target)


def agent_revocation(target=ALICE, expires_at=UNTIL_LIFTED):
    return Revocation(RevocationKind.AGENT, target, NOW, expires_at)


@pytest.fixture
async def runner(clock):
    """Makes started runners and stops them."""
    made = []

    def runner(hook, problems):
        one = HookRunner(hook, clock=clock, report=problems.append)
        one.start()
        made.append(one)
        return one

    yield runner
    for one in made:
        await one.stop()


async def test_a_hook_is_called_for_each(runner):
    """Once for each revocation, and health has nothing to say."""
    hook, problems = Hook(), []
    one = runner(hook, problems)
    one.take(agent_revocation(ALICE))
    one.take(agent_revocation(BOB))
    await eventually(lambda: one.waiting == 0)
    assert sorted(hook.done) == [ALICE, BOB]
    assert set(problems) <= {""}


async def test_a_failing_hook_is_tried_until_it_succeeds(runner):
    """With growing pauses; health names the hook and the failure meanwhile, and is well afterwards."""
    hook, problems = Hook(failures=3), []
    one = runner(hook, problems)
    began = time.monotonic()
    one.take(agent_revocation())
    await eventually(lambda: one.waiting == 0)
    assert hook.tried == [ALICE] * 4
    assert time.monotonic() - began >= 0.1 + 0.2 + 0.4
    assert "leases hasn't handled 1 revocation(s)" in problems[0]
    assert "the secrets manager is away" in problems[0]
    await eventually(lambda: problems[-1] == "")


async def test_one_failure_keeps_no_other_revocation_waiting(runner):
    """What came later is done while the first one waits for its next attempt."""
    hook = Hook(refuses=ALICE)
    one = runner(hook, [])
    one.take(agent_revocation(ALICE))
    await eventually(lambda: ALICE in hook.tried)
    one.take(agent_revocation(BOB))
    await eventually(lambda: hook.done == [BOB])
    hook.refuses = ""
    await eventually(lambda: hook.done == [BOB, ALICE])


async def test_a_hook_that_hangs_has_failed(runner, monkeypatch):
    """It is cut and tried again."""
    monkeypatch.setattr(hooks_module, "_CALL_SECONDS", 0.05)
    hook, problems = Hook(), []
    hook.hanging = True
    one = runner(hook, problems)
    one.take(agent_revocation())
    await eventually(lambda: len(hook.tried) >= 2)
    assert "TimeoutError" in problems[0]
    hook.hanging = False
    await eventually(lambda: one.waiting == 0)
    assert hook.done == [ALICE]


async def test_what_was_lifted_or_has_expired_is_left_undone(runner, clock):
    """There is nothing left to end."""
    hook = Hook(failures=1_000)
    one = runner(hook, [])
    one.take(agent_revocation(ALICE))
    one.take(agent_revocation(BOB, expires_at=NOW + 60))
    await eventually(lambda: {ALICE, BOB} <= set(hook.tried))
    one.take(agent_revocation(ALICE, expires_at=0.0))
    clock.now += 61
    await eventually(lambda: one.waiting == 0)
    assert hook.done == []


async def test_a_clock_that_is_ahead_doesnt_keep_a_hook_from_being_called(runner, clock):
    """It is tried once at least; expiry only ends the retries."""
    hook, failing = Hook(), Hook(failures=9)
    for one in (hook, failing):
        runner(one, []).take(agent_revocation(expires_at=clock() - 400))
    await eventually(lambda: hook.done == [ALICE] and failing.tried)
    await asyncio.sleep(0.3)
    assert failing.tried == [ALICE]


async def test_one_that_takes_long_keeps_no_other_revocation_waiting(runner):
    hook = Hook()
    hook.hanging = True
    one = runner(hook, [])
    one.take(agent_revocation(ALICE))
    await eventually(lambda: hook.tried)
    hook.hanging = False
    one.take(agent_revocation(BOB))
    await eventually(lambda: hook.done == [BOB])


async def test_any_number_of_revoked_credentials_leaves_places_for_others(runner):
    """Agents revoke their own credentials as often as they like."""
    hook = Hook()
    hook.hanging = True
    one = runner(hook, [])
    for number in range(100):
        one.take(Revocation(RevocationKind.CREDENTIAL, f"c{number}", NOW, UNTIL_LIFTED))
    await eventually(lambda: len(hook.tried) == 8)
    hook.hanging = False
    one.take(agent_revocation(BOB))
    await eventually(lambda: hook.done == [BOB])


async def test_revocations_that_failed_before_leave_places_for_new_ones(runner):
    """Those of tasks whose server hangs, in any number, keep no other server's from its turn."""
    hook = Hook(failures=100)
    one = runner(hook, [])
    for number in range(100):
        one.take(agent_revocation(f"{ALICE}{number}"))
    await eventually(lambda: hook.failures == 0)
    hook.tried.clear()
    hook.hanging = True
    await eventually(lambda: len(hook.tried) >= 8)
    await asyncio.sleep(0.3)
    assert len(hook.tried) == 8
    hook.hanging = False
    one.take(agent_revocation(BOB))
    await eventually(lambda: BOB in hook.done)


async def test_finishing_waits_for_what_is_under_way_and_tries_failures_once_more(runner):
    hook = Hook(failures=2)
    one = runner(hook, [])
    one.take(agent_revocation(ALICE))
    one.take(agent_revocation(BOB))
    await asyncio.wait_for(one.finish(), 60)
    assert one.waiting == 2
    await asyncio.wait_for(one.finish(), 60)
    assert sorted(hook.done) == sorted([ALICE, BOB])


async def test_a_stop_lets_hooks_handle_what_was_just_revoked(store, clock):
    """It is read from the store at once; a hook that hangs doesn't keep the process."""
    for hanging in (False, True):
        hook = Hook()
        parts = build_revocation(
            RevocationConfig(), store, clock=clock, max_task_seconds=3600.0, hooks=(hook,)
        )
        await parts.finish(1.0)
        await parts.start()
        hook.hanging = hanging
        await store.revoke(agent_revocation(f"{ALICE}{hanging}", UNTIL_LIFTED))
        began = time.monotonic()
        await parts.finish(0.5)
        assert (f"{ALICE}{hanging}" in hook.done) is not hanging
        assert time.monotonic() - began < 20
        await parts.stop()


async def test_a_hook_hears_again_after_a_restart(store, clock):
    """Whatever was left undone when the process died is done by the next one."""
    hook = Hook(failures=1_000)
    first = build_revocation(RevocationConfig(), store, clock=clock, max_task_seconds=3600.0, hooks=(hook,))
    await first.start()
    await first.admin.revoke_agent(ALICE)
    await eventually(lambda: hook.tried)
    await first.stop()
    assert hook.done == []
    hook.failures = 0
    second = build_revocation(RevocationConfig(), store, clock=clock, max_task_seconds=3600.0, hooks=(hook,))
    await second.start()
    await eventually(lambda: hook.done == [ALICE])
    await second.stop()


async def test_health_joins_feed_and_hooks(store, clock):
    """One report for both, empty only when both are well."""
    hook, problems = Hook(failures=1), []
    revoking = build_revocation(
        RevocationConfig(),
        store,
        clock=clock,
        max_task_seconds=3600.0,
        report=problems.append,
        hooks=(hook,),
    )
    await revoking.start()
    assert problems[-1] == ""
    await revoking.admin.revoke_agent(ALICE)
    await eventually(lambda: "leases" in problems[-1])
    await eventually(lambda: problems[-1] == "")
    assert hook.done == [ALICE]
    await revoking.stop()


async def test_stopping_what_never_started_is_harmless(store, clock):
    """As when a later part of the process fails to start."""
    revoking = build_revocation(
        RevocationConfig(), store, clock=clock, max_task_seconds=3600.0, hooks=(Hook(),)
    )
    await revoking.stop()
    assert revoking.feed.age_seconds == float("inf")
