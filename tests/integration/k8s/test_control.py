"""Replicas of the control service, asked by an injected sidecar; tokens and reviews are those of a real API server."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tabard_sidecar.keys.control_document import decode_zone

from tests.support.control_process import AUDIENCE, NAMESPACE, Control, ControlProcess
from tests.support.injected_pod import InjectedPod
from tests.support.injecting import pod, settings
from tests.support.injector_process import apply
from tests.support.kube_server import Kubectl, kube_server, kubectl_of
from tests.support.proxy import Proxy, proxied
from tests.support.redis_server import redis_server
from tests.support.waiting import eventually_blocking

ZONE = "support"
MINE = ("--audience", AUDIENCE)


@dataclass
class World:
    """Two replicas behind one address, and a pod whose sidecar asks there."""

    kubectl: Kubectl
    control: Control
    replicas: tuple[ControlProcess, ControlProcess]
    service: Proxy
    pod: InjectedPod

    def send_to(self, replica: ControlProcess) -> None:
        """Have new connections go to one replica."""
        self.service.target = replica.port

    def ask(self, token: str, zone: str = ZONE, replica: int = 0) -> tuple[int, bytes]:
        """Ask a replica for a zone's keys; return status and body."""
        url = f"https://127.0.0.1:{self.replicas[replica].port}/zones/{zone}/keys"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        trusting = ssl.create_default_context(cafile=self.control.authority.certificate)
        try:
            with urllib.request.urlopen(request, timeout=30, context=trusting) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def token(self, account: str, namespace: str, *arguments: str) -> str:
        """Return a token of another ServiceAccount."""
        return self.kubectl("create", "token", account, "--namespace", namespace, *arguments).strip()

    def reasons(self) -> str:
        """What the sidecar's probe says."""
        answer = self.pod.ready()
        return answer.stdout + answer.stderr


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with (
        kube_server() as cluster,
        tempfile.TemporaryDirectory(prefix="tabard-control-") as folder,
        redis_server(Path(folder) / "redis") as redis,
        proxied(0) as service,
    ):
        kubectl = kubectl_of(cluster)
        roles = [{"role": "viewer", "service_account": "tools/guard"}]
        reached = {ZONE: {"state": {"url": redis.url}, "operators": roles}}
        control = Control(Path(folder), kubectl, cluster, operators={}, zones=reached)
        one, two = ControlProcess(control, "one"), ControlProcess(control, "two")
        url = f"https://127.0.0.1:{service.port}"
        injected = InjectedPod(kubectl, cluster, settings(control={"url": url}))
        world = World(kubectl, control, (one, two), service, injected)
        world.send_to(one)
        try:
            one.start()
            two.start()
            authority = control.authority.certificate.read_text()
            secrets = {"token": injected.token(*MINE), "ca.crt": authority}
            injected.pod.files("/var/run/secrets/tabard-control", secrets)
            yield world
        finally:
            one.kill()
            two.kill()
            injected.remove()


@pytest.fixture(scope="module")
def running(world: World) -> Iterator[World]:
    """The same with a sidecar that has its keys, and looks for new ones every second."""
    with world.pod.run("--set", "keys.control.poll_seconds=1") as process:
        world.pod.wait(process)
        yield world


def test_the_service_is_ready_with_the_rights_of_its_manifest(world: World):
    assert all(replica.ready() for replica in world.replicas)


def test_both_replicas_give_a_pod_the_keys_of_its_namespace(world: World):
    token = world.pod.token(*MINE)
    code, body = world.ask(token)
    assert code == 200
    assert world.ask(token, replica=1) == (200, body)
    assert [each.number for each in decode_zone(body, ZONE).generations] == [1]
    given = [json.loads(line) for line in world.replicas[0].log().splitlines() if "keys given" in line]
    assert (given[-1]["namespace"], given[-1]["pod"]) == (ZONE, "support-agent")


def test_another_namespaces_pod_gets_its_own_only(world: World):
    world.kubectl("create", "namespace", "billing")
    world.kubectl("create", "serviceaccount", "default", "--namespace", "billing")
    document = pod()
    document["metadata"]["name"] = "biller"
    apply(world.kubectl, document, "--namespace", "billing")
    bound = ("--bound-object-kind", "Pod", "--bound-object-name", "biller")
    token = world.token("default", "billing", *MINE, *bound)
    assert world.ask(token)[0] == 403
    own = decode_zone(world.ask(token, zone="billing")[1], "billing")
    other = decode_zone(world.ask(world.pod.token(*MINE))[1], ZONE)
    assert own.generations[0].root.secret != other.generations[0].root.secret
    # A token outlives the pod that it is bound to, but not in the API server's eyes.
    world.kubectl(
        "delete", "pod", "biller", "--namespace", "billing", "--grace-period=0", "--force", "--wait=false"
    )
    eventually_blocking(lambda: world.ask(token, zone="billing")[0] == 401)


def test_tokens_that_are_no_proof_of_a_pod_get_nothing(world: World):
    """One without a pod, with another audience, with the API server's, a forged one, and another cluster's."""
    world.kubectl("create", "serviceaccount", "other", "--namespace", ZONE)
    good = world.pod.token(*MINE)
    header, claims, signature = good.split(".")
    forged = ".".join(
        [header, claims, signature[:-6] + ("AAAAAA" if signature[-6:] != "AAAAAA" else "BBBBBB")]
    )
    attempts: list[tuple[str, int]] = [
        (world.token("other", ZONE, *MINE), 403),
        (world.pod.token("--audience", "tabard"), 401),
        (world.pod.token(), 401),
        (forged, 401),
        (f"{header}.{claims}.", 401),
    ]
    for token, code in attempts:
        status, body = world.ask(token)
        assert (status, b'"key"' in body) == (code, False), body
    assert world.ask(good)[0] == 200


def test_a_service_that_may_not_review_is_not_ready_and_says_why(world: World):
    world.kubectl("create", "serviceaccount", "nobody", "--namespace", NAMESPACE)
    world.control.own_token("nobody")
    try:
        eventually_blocking(lambda: not world.replicas[0].ready())
        assert world.ask(world.pod.token(*MINE))[0] == 503
    finally:
        world.control.own_token()
    eventually_blocking(lambda: all(replica.ready() for replica in world.replicas))


def _operate(world: World, token: str, zone: str = ZONE) -> tuple[int, str]:
    """List a zone's revocations as a workload does; return exit code and what the command says."""
    file = world.control.folder / "operator-token"
    file.write_text(token)
    command = [sys.executable, "-m", "tabard_sidecar.cli", "revoke", "list", "--zone", zone]
    command += ["--operator", f"https://127.0.0.1:{world.replicas[1].operators}"]
    command += ["--operator-token-file", str(file)]
    command += ["--operator-ca-file", str(world.control.authority.certificate)]
    told = subprocess.run(
        command, capture_output=True, text=True, cwd=file.parent, env=dict(os.environ), check=False
    )
    return told.returncode, told.stdout + told.stderr


def test_a_service_account_operates_the_zones_that_give_it_a_role(world: World):
    """With a token for that audience only: not the API server's, not a sidecar's, not another account's."""
    mine = ("--audience", "tabard-operators")
    world.kubectl("create", "namespace", "tools")
    for account in ("guard", "other"):
        world.kubectl("create", "serviceaccount", account, "--namespace", "tools")
    good = world.token("guard", "tools", *mine)
    eventually_blocking(lambda: _operate(world, good)[0] == 0)
    code, said = _operate(world, good)
    assert (code, "answered by zone support" in said, "nothing is revoked" in said) == (0, True, True), said
    code, said = _operate(world, good, zone="billing")
    assert (code, "no role in a zone of this name" in said) == (1, True)
    for token, told in (
        (world.token("other", "tools", *mine), "no role in a zone of this name"),
        (world.token("guard", "tools"), "isn't for this audience"),
        (world.token("guard", "tools", *MINE), "isn't for this audience"),
        (world.pod.token(*MINE), "isn't for this audience"),
        (good[:-6] + ("AAAAAA" if good[-6:] != "AAAAAA" else "BBBBBB"), "doesn't accept the token"),
    ):
        code, said = _operate(world, token)
        assert (code, told in said) == (1, True), said
    # The token outlives the account, but not in the API server's eyes.
    world.kubectl("delete", "serviceaccount", "guard", "--namespace", "tools")
    eventually_blocking(lambda: "doesn't accept the token" in _operate(world, good)[1])


def test_an_agent_is_authorized_with_keys_of_the_service(running: World):
    answer = running.pod.authorize()
    assert answer.stdout.strip() == "https://tickets.example.org", answer.stderr


def test_the_agent_reaches_neither_token_nor_keys(running: World):
    """No container but the sidecar mounts the volume, and no file has a key."""
    (agent,) = running.pod.pod.spec["containers"]
    assert [mount["name"] for mount in agent["volumeMounts"]] == ["tabard-agent"]
    secret = decode_zone(running.ask(running.pod.token(*MINE))[1], ZONE).generations[0].root.secret
    files = [path for path in running.pod.folder.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_bytes()]


def test_the_master_key_is_rotated_under_a_running_sidecar(running: World):
    """Each replica and the sidecar follow; a call is allowed before, meanwhile and after."""
    assert running.pod.authorize().returncode == 0
    key = running.control.renew(lead_seconds=4, overlap_seconds=600)
    eventually_blocking(lambda: '"generations": [1, 2]' in running.pod.log)
    assert running.pod.authorize().returncode == 0
    time.sleep(max(0.0, key.active_from + 0.1 - time.time()))
    answer = running.pod.authorize()
    assert answer.stdout.strip() == "https://tickets.example.org", answer.stderr
    for replica in range(2):
        body = running.ask(running.pod.token(*MINE), replica=replica)[1]
        assert [each.number for each in decode_zone(body, ZONE).generations] == [1, 2]


def test_a_replica_that_is_killed_is_replaced_and_without_any_the_sidecar_goes_on(running: World):
    one, two = running.replicas
    one.kill()
    running.send_to(two)
    running.service.cut()
    eventually_blocking(lambda: "gives no keys" not in running.reasons())
    two.kill()
    eventually_blocking(lambda: "gives no keys since" in running.reasons())
    # Ready all the same, with the reason; and it decides.
    assert running.pod.ready().returncode == 0
    assert "stays in use" in running.reasons()
    assert running.pod.authorize().stdout.strip() == "https://tickets.example.org"
    one.start()
    two.start()
    running.send_to(one)
    eventually_blocking(lambda: "gives no keys" not in running.reasons())
