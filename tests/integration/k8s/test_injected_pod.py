"""An injected pod, its containers run as the kubelet would run them: users of their own, and no group in common."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.injected_pod import NAMESPACE, InjectedPod
from tests.support.injecting import settings
from tests.support.kube_server import kube_server, kubectl_of


@pytest.fixture(scope="module")
def running() -> Iterator[InjectedPod]:
    """The pod with a sidecar that is ready; the tokens are those that the API server gives for this pod."""
    with kube_server() as cluster:
        injected = InjectedPod(kubectl_of(cluster), cluster, settings())
        try:
            injected.pod.new_keys()
            injected.pod.prepare()
            with injected.run() as process:
                injected.wait(process)
                yield injected
        finally:
            injected.remove()


def test_an_agent_of_another_user_is_authorized_as_its_service_account(running: InjectedPod):
    """It finds the sidecar by the one variable that it was given."""
    answer = running.authorize()
    assert answer.stdout.strip() == "https://tickets.example.org", answer.stderr
    agents = {
        json.loads(line)["input"]["agent"]["id"] for line in running.log.splitlines() if '"input"' in line
    }
    assert agents == {f"spiffe://cluster.local/ns/{NAMESPACE}/sa/support-agent"}


def test_the_keyring_is_the_sidecars(running: InjectedPod):
    """Even where the volume were mounted by mistake."""
    listed = running.pod.run("agent", ["ls", running.pod.path("/var/lib/tabard/keys/ring")])
    assert listed.stderr.count("denied") == 1


def test_the_state_is_in_its_volume(running: InjectedPod):
    state = Path(running.pod.path("/var/lib/tabard/state"))
    assert [path.name for path in state.rglob("*.db")] == ["support.db"]
