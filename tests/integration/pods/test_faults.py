"""Sidecars, store and control service are killed in the middle of the chain's work: it fails closed, and recovers."""

from __future__ import annotations

import json
import threading
import time
from typing import Self

import pytest

from tests.support.desk import CHAIN, READS, Desk
from tests.support.pods_world import BILLING, SUPPORT
from tests.support.waiting import eventually_blocking


class Working:
    """Has an agent make single calls in a thread until the block ends; ``outcomes`` lists what came of them."""

    def __init__(self, desk: Desk, name: str, task: str) -> None:
        self._desk, self._name, self._task = desk, name, task
        self.outcomes: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._stop.is_set():
            self.outcomes.append(self._desk.call(self._name, self._task))
            # A budget has to last for the test.
            time.sleep(0.2)

    def made(self, *kinds: str) -> bool:
        """Whether a call came out in one of these ways."""
        return any(outcome.startswith(kinds) for outcome in list(self.outcomes))

    def __enter__(self) -> Self:
        self._thread.start()
        eventually_blocking(lambda: self.made("allowed"))
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.mark.parametrize("name", CHAIN)
def test_a_sidecar_that_is_killed_stops_its_agent_and_nobody_else(desk: Desk, name: str):
    """Its agent is allowed nothing meanwhile; with its restart it goes on with the grant that it has."""
    task = f"kill-{name}"
    desk.chain(task)
    pod = desk.agent(name).pod
    others = [other for other in CHAIN if other != name]
    with Working(desk, name, task) as working:
        pod.kill()
        eventually_blocking(lambda: working.made("Unavailable"))
        down = len(working.outcomes)
        found = desk.calls(others, task, times=2)
        assert found == {other: {"allowed": 2} for other in others}
        assert "allowed" not in working.outcomes[down:]
        pod.restart()
        eventually_blocking(lambda: working.outcomes[-1] == "allowed")
    assert desk.outcomes(task) == dict.fromkeys(CHAIN, "allowed")


def test_a_kill_gives_no_budget_back(desk: Desk):
    desk.chain("kept")
    half = READS // 2
    assert desk.calls(["triage"], "kept", times=half) == {"triage": {"allowed": half}}
    pod = desk.agent("triage").pod
    pod.kill()
    pod.restart()
    found = desk.calls(["triage", "research"], "kept", times=half)
    assert sum(one.get("allowed", 0) for one in found.values()) == READS - half


def test_leases_of_a_killed_sidecar_end_with_the_task(desk: Desk):
    """Another sidecar of the zone ends them while it is gone."""
    desk.chain("reaped")
    workers = desk.workers("reaped", 5)
    serials = [desk.certificate(worker) for worker in workers]
    away = str(desk.agent("refunds").ask("get", task="reaped")["task_id"])
    pod = desk.agent("review").pod
    pod.kill()
    try:
        desk.revoke("refunds", away)
        eventually_blocking(lambda: all(map(desk.is_revoked, serials)), 120)
    finally:
        pod.restart()
    assert desk.call("review", "reaped") == "Denied: task_ended"


def test_a_store_that_is_killed_stops_its_zone_and_not_the_other(desk: Desk):
    """Nothing is allowed without it. With it everything goes on, and what was spent is spent."""
    desk.chain("store")
    half = READS // 2
    assert desk.calls(["orchestrator"], "store", times=half) == {"orchestrator": {"allowed": half}}
    redis = desk.redis[SUPPORT]
    redis.kill()
    try:
        found = desk.calls(desk.of(SUPPORT), "store", times=3)
        assert {code.split(":")[0] for one in found.values() for code in one} == {"Unavailable"}
        assert {desk.call(name, "store") for name in desk.of(BILLING)} == {"allowed"}
        pods = [desk.agent(name).pod for name in desk.of(SUPPORT)]
        eventually_blocking(lambda: not any(pod.ready() for pod in pods))
        # What is not lost goes on being ready.
        assert all(desk.agent(name).pod.ready() for name in desk.of(BILLING))
    finally:
        redis.start()
    for pod in pods:
        eventually_blocking(pod.ready)
    found = desk.calls(desk.of(SUPPORT), "store", times=half)
    assert sum(one.get("allowed", 0) for one in found.values()) == READS - half
    assert {code for one in found.values() for code in one} <= {"allowed", "Denied: budget_exhausted"}


def test_a_store_that_is_killed_under_calls_allows_no_more_than_the_budget(desk: Desk):
    desk.chain("torn")
    with (
        Working(desk, "orchestrator", "torn") as one,
        Working(desk, "triage", "torn") as two,
        Working(desk, "research", "torn") as three,
    ):
        working = (one, two, three)
        desk.redis[SUPPORT].kill()
        eventually_blocking(lambda: all(each.made("Unavailable") for each in working))
        desk.redis[SUPPORT].start()
        eventually_blocking(lambda: all(each.outcomes[-1] == "allowed" for each in working))
    allowed = sum(each.outcomes.count("allowed") for each in working)
    found = desk.calls(desk.of(SUPPORT), "torn", times=READS)
    assert allowed + sum(one.get("allowed", 0) for one in found.values()) <= READS
    assert all("Denied: budget_exhausted" in one for one in found.values())


def test_without_the_control_service_all_go_on_and_a_new_one_waits_for_it(desk: Desk):
    """Tasks are started, passed on and handed to the other zone with the keys that sidecars have."""
    control = desk.world.control
    desk.chain("before")
    control.kill()
    pod = desk.agent("triage").pod
    try:
        desk.chain("after")
        for task in ("before", "after"):
            assert desk.outcomes(task) == dict.fromkeys(CHAIN, "allowed")
        pod.kill()
        pod.launch("tabard")
        health = ["tabard", "health", "--json"]
        eventually_blocking(lambda: "control" in pod.execute("tabard", health).stdout)
        assert json.loads(pod.execute("tabard", health).stdout)["ready"] is False
        assert desk.call("triage", "before").startswith("Unavailable")
        assert {desk.call(name, "after") for name in CHAIN if name != "triage"} == {"allowed"}
    finally:
        control.start()
    pod.wait("tabard")
    assert desk.outcomes("before") == dict.fromkeys(CHAIN, "allowed")
