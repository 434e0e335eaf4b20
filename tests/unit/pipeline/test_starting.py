"""What starting task after task can't be used for."""

from __future__ import annotations

import pytest

from tests.support.spending import SpendingZone
from tests.support.state_zone import pay, refused


@pytest.fixture
async def zone(short_folder):
    """Orchestrator and triage under a policy that charges."""
    async with SpendingZone(short_folder) as started:
        yield started


async def test_a_task_does_not_start_with_more_labels_than_it_may_have(zone):
    """Tasks that were started side by side each have their own; a later one would inherit them all."""
    tasks = [await zone.start_task() for _ in range(2)]
    for name, task in zip("ab", tasks, strict=True):
        decision = await pay(task, 1)
        for batch in range(5):
            labels = [f"{name}{number}" for number in range(32 * batch, 32 * batch + 32)]
            await task.report_outcome(decision, labels=labels)
    assert (await refused(zone.start_task())).code == "labels_exceeded"
    assert len(await zone.store.tasks(now=0.0)) == 2
    await pay(tasks[0], 1)
