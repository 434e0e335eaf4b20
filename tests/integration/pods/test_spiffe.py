"""A pod whose sidecar has its identity from a real SPIRE, over a volume that only the sidecar's container mounts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.support.folders import short_folder
from tests.support.kube_api import KubeApi
from tests.support.pod_agent import PodAgent, Refused, agent_pod
from tests.support.pods_world import SUPPORT, Namespace, PodsWorld, pods_world
from tests.support.redis_server import redis_server
from tests.support.spire_server import TRUST_DOMAIN, Spire, spire_server
from tests.support.waiting import eventually_blocking

ORDERS = f"spiffe://{TRUST_DOMAIN}/orders"
SIDECARS_USER = 65532
POLICY = """package policy.shop

start contains {"code": "a_task", "limits": {"tools": ["orders.read"], "max_depth": 3, "max_children": 9}}

delegate contains {"code": "a_colleague"}

grant contains {"code": "read"} if input.tool.name == "orders.read"
"""
CALL = {"tool": "orders.read", "arguments": {"id": "1"}}


@dataclass
class Shop:
    """The agent whose sidecar asks SPIRE who it is, and a colleague whose sidecar has a ServiceAccount's token."""

    world: PodsWorld
    spire: Spire
    entry: str
    orders: PodAgent
    colleague: PodAgent


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with ExitStack() as stack:
        spire = stack.enter_context(spire_server())
        # What SPIFFE's CSI driver mounts: a folder with the socket.
        driver = stack.enter_context(short_folder("csi"))
        os.link(spire.socket, driver / "spire-agent.sock")
        world = stack.enter_context(pods_world({"csi.spiffe.io": driver}))
        redis = stack.enter_context(redis_server(stack.enter_context(short_folder("redis")) / "r"))
        world.start(
            sidecar={"identities": ["service-account", "spiffe"]},
            spiffe={"trust_domain": TRUST_DOMAIN},
            cluster={"tokens": {"vault-token": "tabard-vault"}},
        )
        world.add(Namespace(SUPPORT, POLICY, {"state": {"url": redis.url}}))
        entry = spire.register("/orders", user=SIDECARS_USER)
        orders = world.run(SUPPORT, "orders", identity="spiffe")
        yield Shop(world, spire, entry, orders, world.run(SUPPORT, "colleague"))


def start(shop: Shop, task: str) -> None:
    given = {"token": shop.world.token(), "intent_token": shop.world.intent(SUPPORT)}
    shop.orders.ask("start", task=task, **given)


def test_the_sidecar_acts_as_what_spire_says_and_a_colleague_as_its_account(shop: Shop):
    """Each in its own pod, in one task."""
    start(shop, "both")
    assert shop.orders.ask("authorize", task="both", **CALL) == {"credential": None}
    records = [line for line in shop.orders.pod.log().splitlines() if '"input"' in line]
    assert json.loads(records[-1])["input"]["agent"]["id"] == ORDERS
    grant = shop.orders.ask("delegate", task="both", to=shop.colleague.id)["grant"]
    taken = shop.colleague.ask("take", task="both", grant=grant)
    assert taken["holders"] == ["spiffe://shop.example/ns/support/sa/colleague"]
    back = shop.colleague.ask("delegate", task="both", to=ORDERS)["grant"]
    assert shop.orders.ask("take", task="back", grant=back)["holders"][-1] == ORDERS


def test_the_pod_has_no_token_that_proves_another_identity(shop: Shop):
    """Its sidecar has the Workload API and the further tokens; its agent has neither."""
    pod = shop.orders.pod
    listed = "import pathlib\nfor top in ('/run', '/var/run'):\n    print(*pathlib.Path(top).rglob('*'), sep='\\n')"
    found = {name: pod.execute(name, ["python", "-c", listed]).stdout.split() for name in ("tabard", "agent")}
    assert "/run/tabard/spiffe/spire-agent.sock" in found["tabard"]
    assert "/var/run/secrets/tabard/vault-token" in found["tabard"]
    assert "/var/run/secrets/tabard/token" not in found["tabard"]
    assert not [path for path in found["agent"] if "spi" in path or "secrets/tabard" in path]


def test_the_workload_api_tells_the_agents_user_from_the_sidecars(shop: Shop):
    """Even where its container had the socket."""
    program = (
        "from spiffe import WorkloadApiClient\n"
        "with WorkloadApiClient('unix:/run/tabard/spiffe/spire-agent.sock', default_timeout=10) as client:\n"
        "    print(client.fetch_x509_svid().spiffe_id)\n"
    )
    pod = shop.orders.pod
    sidecar = pod.container("tabard")
    mine = pod.execute("tabard", ["python", "-c", program])
    assert mine.stdout.strip() == ORDERS, mine.stderr
    before = sidecar["securityContext"]
    sidecar["securityContext"] = {**before, "runAsUser": 10001, "runAsGroup": 10001}
    try:
        other = pod.execute("tabard", ["python", "-c", program])
    finally:
        sidecar["securityContext"] = before
    assert other.returncode != 0
    assert "no identity issued" in other.stderr


def test_an_identity_that_is_taken_back_stops_the_pod_until_it_is_given_again(shop: Shop):
    """Without a restart; the colleague goes on."""
    start(shop, "taken")
    grant = shop.orders.ask("delegate", task="taken", to=shop.colleague.id)["grant"]
    shop.colleague.ask("take", task="taken", grant=grant)
    shop.spire.remove(shop.entry)
    try:
        eventually_blocking(lambda: not shop.orders.pod.ready())
        with pytest.raises(Refused) as caught:
            shop.orders.ask("authorize", task="taken", **CALL)
        assert (caught.value.kind, caught.value.code) == ("Unavailable", "agent_identity_unavailable")
        assert shop.colleague.ask("authorize", task="taken", **CALL) == {"credential": None}
    finally:
        shop.entry = shop.spire.register("/orders", user=SIDECARS_USER)
    eventually_blocking(shop.orders.pod.ready)
    assert shop.orders.ask("authorize", task="taken", **CALL) == {"credential": None}


MESH = {"name": "mesh", "csi": {"driver": "csi.spiffe.io", "readOnly": True}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"annotation": "kerberos"}, "the injector's configuration allows service-account, spiffe"),
        ({"volumes": [MESH]}, "holds the Workload API's socket (csi.spiffe.io)"),
        (
            {"mounts": [{"name": "tabard-spiffe", "mountPath": "/s", "readOnly": True}]},
            "mounts the injector's volume tabard-spiffe",
        ),
    ],
    ids=["unknown source", "a volume of its own", "the sidecar's volume"],
)
def test_a_pod_that_would_share_the_sidecars_identity_is_refused(shop: Shop, change, why):
    document = agent_pod("refused", 9181, identity=change.get("annotation", "spiffe"))
    document["spec"]["serviceAccountName"] = "colleague"
    document["spec"]["volumes"] = change.get("volumes", [])
    document["spec"]["containers"][0]["volumeMounts"] = change.get("mounts", [])
    api: KubeApi = shop.world.api
    answer = api.send("POST", f"/api/v1/namespaces/{SUPPORT}/pods", document)
    assert answer.status_code == 403
    assert why in answer.json()["message"]
