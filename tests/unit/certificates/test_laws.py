"""Any number of replicas, in any order, with crashes, conflicts, lost requests and edits: clients always trust what is served."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from random import Random

import pytest
from cryptography.x509 import load_pem_x509_certificates
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabard_sidecar.certificates.contents import read_contents
from tabard_sidecar.certificates.pairs import Pair, new_authority, valid_at
from tabard_sidecar.certificates.pairs import signed_by as signed_now
from tabard_sidecar.certificates.publishing import Place, WebhookPlace
from tabard_sidecar.certificates.publishing_pods import ConfigMapPlace
from tabard_sidecar.certificates.replica import Replica
from tabard_sidecar.certificates.rotation import ROTATE, Terms
from tabard_sidecar.kubernetes.api import ApiError

from tests.support.kube_objects import FakeObjects

INTERVAL, OVERLAP = 10.0, 30.0
TERMS = Terms("test", ("injector.tabard-system.svc",), OVERLAP, 600.0, 120.0)
SECRET = "/api/v1/namespaces/tabard-system/secrets/certificates"
HOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/tabard-injector"

signed_by = lru_cache(maxsize=4096)(signed_now)


class Runner:
    """One replica: its look is advanced request by request."""

    def __init__(self, api: FakeObjects, place: Callable[[FakeObjects], Place]) -> None:
        self.api = api
        self.place = place
        self.served: Pair | None = None
        self.looked = api.clock
        self.stalled = False
        self.replica = self._new()
        self.look = None

    def _new(self) -> Replica:
        place = self.place(self.api)
        return Replica(self.api, ("tabard-system", "certificates"), place, TERMS, serve=self._serve)

    def _serve(self, leaf: Pair) -> None:
        assert leaf.certificate.public_key() == leaf.key.public_key()
        self.served = leaf

    def step(self) -> bool:
        """Advance by one request; return whether the look has ended."""
        self.look = self.look or self.replica.look()
        try:
            self.look.send(None)
        except StopIteration:
            self.looked = self.api.clock
        except ApiError:
            pass
        else:
            return False
        self.look = None
        return True

    def whole(self) -> None:
        """End the running look, and make another one from its beginning."""
        while self.look is not None and not self.step():
            pass
        while not self.step():
            pass
        # Also if it wasn't allowed to publish.
        self.looked = self.api.clock

    def crash(self) -> None:
        """Forget everything; what was sent has its effect."""
        if self.look is not None:
            self.look.close()
        self.look, self.served, self.replica = None, None, self._new()
        self.looked = self.api.clock


class Cluster:
    """Replicas, and the history of what was served and published."""

    def __init__(self, replicas: int) -> None:
        self.api = FakeObjects()
        self.api.put(SECRET, {"metadata": {"name": "certificates"}})
        self.prepare()
        self.runners = [Runner(self.api, self.place) for _ in range(replicas)]
        self.forbidden_until = 0.0
        self.history: deque[tuple[float, list[Pair], list]] = deque()

    def prepare(self) -> None:
        """Make the place where authorities are published."""
        hook = {"clientConfig": {"service": {"name": "injector"}}}
        self.api.put(HOOK, {"webhooks": [{"name": "a", **hook}, {"name": "b", **hook}]})

    @staticmethod
    def place(api: FakeObjects) -> Place:
        return WebhookPlace(api, "tabard-injector")

    def bundle(self) -> list | None:
        """Return the authorities that every client trusts; ``None`` if no client has any."""
        found = [one["clientConfig"].get("caBundle") for one in self.api.objects[HOOK]["webhooks"]]
        assert len(set(found)) == 1
        return None if found[0] is None else load_pem_x509_certificates(base64.b64decode(found[0]))

    def pass_time(self, seconds: float) -> None:
        """Let time pass; each replica looks once in an interval."""
        until = self.api.clock + seconds
        # Forbidden until the authority expires, nothing can help.
        self.api.forbidden = self.api.forbidden and until < self.forbidden_until
        for runner in self.runners:
            if not runner.stalled and runner.looked + INTERVAL < until:
                self.api.lost = False
                runner.whole()
                self.check()
        self.api.clock = until

    def served(self) -> list[Pair]:
        """Return what clients can get: a process that is stopped serves nothing."""
        return [one.served for one in self.runners if one.served is not None and not one.stalled]

    def resume(self, runner: Runner) -> None:
        """Let a stopped process go on where it was; what it wanted to write is old by now."""
        while runner.look is not None:
            runner.step()
            self.check()
        self.api.lost = False
        runner.whole()
        runner.stalled = False

    def check(self) -> None:
        """Hold the law: what is served verifies under what is published now, an interval ago and an interval later."""
        now, served = self.api.clock, self.served()
        bundle = self.bundle()
        for leaf in served:
            assert valid_at(leaf.certificate, now)
        if bundle is not None:
            while self.history and self.history[0][0] < now - INTERVAL:
                self.history.popleft()
            for _, leaves, authorities in (*self.history, (now, served, bundle)):
                for leaf in served:
                    assert any(signed_by(leaf.certificate, one) for one in authorities), "served too early"
                for leaf in leaves:
                    assert any(signed_by(leaf.certificate, one) for one in bundle), "dropped too early"
            self.history.append((now, served, bundle))

    def act(self, action: str, which: int, seconds: float) -> None:
        runner = self.runners[which % len(self.runners)]
        if runner.stalled and action in {"step", "whole", "crash"}:
            return
        {
            "step": runner.step,
            "whole": runner.whole,
            "crash": runner.crash,
            "stall": lambda: self._stall(runner),
            "time": lambda: self.pass_time(seconds),
            "lose": self._lose,
            "forbid": self._forbid,
            "ask": self._ask,
            "spoil": self._spoil,
        }[action]()
        self.check()

    def _stall(self, runner: Runner) -> None:
        if runner.stalled:
            self.resume(runner)
        else:
            runner.stalled = True

    def _lose(self) -> None:
        self.api.lost = not self.api.lost

    def _forbid(self) -> None:
        if self.api.clock > self.forbidden_until + 2 * OVERLAP:
            self.api.forbidden = True
            self.forbidden_until = self.api.clock + 2 * OVERLAP

    def _ask(self) -> None:
        self._edit(
            SECRET, lambda found: found["metadata"].setdefault("annotations", {}).update({ROTATE: "ca"})
        )

    def _spoil(self) -> None:
        """Write a key of someone else into the Secret, as by hand."""
        other = base64.b64encode(new_authority("other", 0, 9e9).key_pem).decode()
        if self.api.objects[SECRET].get("data"):
            self._edit(SECRET, lambda found: found["data"].update({"tls.key": other}))

    def _edit(self, path: str, change) -> None:
        found = self.api.objects[path]
        change(found)
        self.api.put(path, found)

    def settle(self) -> None:
        """Let all work undisturbed, until the last rotation has ended."""
        self.api.lost = self.api.forbidden = False
        for runner in self.runners:
            if runner.stalled:
                self.resume(runner)
        for _ in range(int(4 * OVERLAP / INTERVAL)):
            for runner in self.runners:
                runner.whole()
                self.check()
            self.api.clock += INTERVAL
        for runner in self.runners:
            runner.whole()
            runner.whole()


class PodsCluster(Cluster):
    """The same with clients in two namespaces, each with a ConfigMap."""

    def prepare(self) -> None:
        for name in ("tabard-system", "one", "two"):
            self.api.put(f"/api/v1/namespaces/{name}", {"metadata": {}})

    @staticmethod
    def place(api: FakeObjects) -> Place:
        return ConfigMapPlace(api, "tabard-system", "tabard-control-ca", None)

    def bundle(self) -> list | None:
        texts = [
            found["data"]["ca.crt"].encode()
            for path, found in self.api.objects.items()
            if path.endswith("/configmaps/tabard-control-ca") and "tabard-system" not in path
        ]
        if not texts:
            return None
        sets = [frozenset(load_pem_x509_certificates(text)) for text in texts]
        return list(frozenset.intersection(*sets))


KINDS = (Cluster, PodsCluster)
ACTIONS = st.tuples(
    st.sampled_from(
        ["step"] * 6 + ["whole", "time", "time", "crash", "lose", "forbid", "stall", "ask", "spoil"]
    ),
    st.integers(0, 4),
    st.floats(0, INTERVAL),
)


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(1, 4), st.lists(ACTIONS, max_size=80))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_of_steps(kind, replicas, actions):
    cluster = kind(replicas)
    for action in actions:
        cluster.act(*action)
    _check_end(cluster)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_long_lives_with_many_rotations(kind, seed):
    """Authority and certificate are renewed many times, and crashes fall into each of their steps."""
    random = Random(seed)
    cluster, authorities = kind(3), set()
    weights = {
        "step": 8,
        "whole": 2,
        "time": 6,
        "crash": 1,
        "lose": 0.5,
        "forbid": 0.2,
        "stall": 0.5,
        "ask": 0.2,
        "spoil": 0.2,
    }
    for _ in range(1500):
        (action,) = random.choices(list(weights), list(weights.values()))
        cluster.act(action, random.randrange(3), random.uniform(0, INTERVAL))
        authorities.update(cluster.bundle() or ())
    _check_end(cluster)
    assert len(authorities) > 5


def _check_end(cluster: Cluster) -> None:
    """Nothing is left of any rotation: one authority, and one certificate that all replicas serve."""
    cluster.settle()
    contents = read_contents(cluster.api.objects[SECRET]["data"])
    assert contents is not None
    if contents.following is None and contents.former is None:
        assert cluster.bundle() == [contents.authority.certificate]
    assert set(cluster.bundle() or ()) == set(contents.bundle)
    for runner in cluster.runners:
        assert runner.served is not None
        assert signed_by(runner.served.certificate, contents.authority.certificate)
    assert len({runner.served.certificate for runner in cluster.runners}) == 1


def test_a_replica_that_was_stopped_publishes_nothing_old():
    """It was stopped just before it publishes; meanwhile the others have gone through a whole rotation."""
    cluster = Cluster(2)
    stopped, other = cluster.runners
    stopped.step()
    while SECRET not in stopped.api.objects or not stopped.api.objects[SECRET].get("data"):
        stopped.step()
    stopped.step()  # its next request is the patch
    assert cluster.bundle() is None
    stopped.stalled = True
    first = None
    for _ in range(120):
        other.whole()
        first = first or cluster.bundle()
        cluster.check()
        cluster.api.clock += INTERVAL / 2
    assert first is not None
    current = cluster.bundle()
    assert not set(first) & set(current)
    while stopped.look is not None:
        stopped.step()
        assert cluster.bundle() == current
