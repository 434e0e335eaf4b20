"""Ended tasks refuse every use, and neither EndTask nor FilterTools can be misused."""

from __future__ import annotations

import pytest
import tabard

from tests.support.spending import POLICY


@pytest.fixture
async def zone(start_zone):
    """Orchestrator and triage under a policy that allows twenty children."""
    return await start_zone(policy=POLICY)


async def code_of(attempt) -> str:
    """Return why an attempt fails."""
    with pytest.raises(tabard.TabardError) as caught:
        await attempt
    return caught.value.code


async def test_no_more_ends_are_remembered_than_there_may_be_children(zone):
    """Branches cost nothing to make, and each end is written to disk and told to every sidecar."""
    task = await zone.start_task()
    for number in range(20):
        await task.branch(f"b{number}").end()
    assert await code_of(task.branch("one more").end()) == "children_exceeded"
    assert len(await zone.store.revocations()) == 20


async def test_a_branch_that_is_too_deep_is_not_ended(zone):
    """It can't be used, so there is nothing to end; otherwise depth would make up for the number of children."""
    task = await zone.start_task()
    for number in range(4):
        task = task.branch(f"b{number}")
    assert await code_of(task.end()) == "depth_exceeded"
    assert not await zone.store.revocations()


async def test_a_branch_that_was_never_used_is_ended(zone):
    """Before its first call as well as after it."""
    task = await zone.start_task()
    branch = task.branch("b")
    await branch.end()
    assert await code_of(branch.authorize("send", {})) == "task_ended"
    assert await code_of(branch.branch("below").authorize("send", {})) == "task_ended"
    assert (await task.authorize("send", {})).allowed


async def test_a_branch_that_is_too_deep_is_not_counted(zone):
    """Its holder may ask for tools as often as it likes and for as many such branches: there are none, and none is remembered."""
    task = await zone.start_task()
    deep = task
    for number in range(6):
        deep = deep.branch(f"b{number}")
    assert not await deep.filter_tools(["send"])
    tree = await zone.store.tree((await task.get()).task_id)
    assert not tree.children
    assert await task.filter_tools(["send"])
