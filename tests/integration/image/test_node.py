"""Injected pods on a real node: the image, run by a kubelet and its container runtime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.integration.image.conftest import ROOT
from tests.support.node import NAMESPACE, Node, node
from tests.support.waiting import eventually_blocking

_START = """
import json, os, signal, sys, time
import tabard

client = tabard.connect()
task = client.start_task(sys.argv[1], purpose="support", statement="x")

def call():
    return task.authorize("tickets.read", {"id": 1}).credential.audience
"""
_ONCE = f"{_START}\nprint(call())\n"
_UNTIL_TOLD = f"""{_START}
def last(*_):
    print("last", call())
    sys.exit(0)

signal.signal(signal.SIGTERM, last)
while True:
    try:
        print("call", call())
    except tabard.TabardError as error:
        print("error", type(error).__name__)
    time.sleep(0.5)
"""
_LOOK = f"""{_START}
import pathlib, socket, urllib.request
call()
processes = [int(one.name) for one in pathlib.Path("/proc").iterdir() if one.name.isdigit()]
taken = socket.socket()
try:
    taken.bind(("0.0.0.0", 9181))
    bound = True
except OSError:
    bound = False
mine = pathlib.Path("/run/tabard/agent")
try:
    (mine / "other.sock").touch()
    written = True
except OSError:
    written = False
print(json.dumps({{
    "processes": [pathlib.Path(f"/proc/{{one}}/cmdline").read_text().split(chr(0))[0] for one in processes],
    "folders": sorted(str(one) for one in pathlib.Path("/run/tabard").iterdir()),
    "secrets": sorted(str(one) for one in pathlib.Path("/var/run/secrets").rglob("*")) if os.path.exists("/var/run/secrets") else [],
    "files": sorted(one.name for one in mine.iterdir()),
    "bound": bound,
    "written": written,
    "variables": sorted(name for name in os.environ if name.startswith("TABARD")),
    "ready": json.loads(urllib.request.urlopen("http://127.0.0.1:9181/readyz").read()),
}}))
"""

_TAKE = f"""{_START}
import socket
print("call", call())
while True:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("0.0.0.0", 9181))
        taken.listen()
        break
    except OSError:
        taken.close()
        time.sleep(0.01)
print("taken")
while True:
    try:
        print("call", call())
    except tabard.TabardError as error:
        print("error", type(error).__name__)
    time.sleep(0.5)
"""


@pytest.fixture(scope="module")
def running(image: dict[str, Any]) -> Iterator[Node]:
    with node(ROOT / image["archive"]) as found:
        yield found


def status(pod: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what the kubelet says of a container."""
    listed = (*pod["status"]["initContainerStatuses"], *pod["status"]["containerStatuses"])
    return next(one for one in listed if one["name"] == name)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def finished(running: Node, job: str) -> bool:
    conditions = running.get("job", job)["status"].get("conditions", [])
    assert not any(one["type"] == "Failed" for one in conditions), running.pod_of(job)["status"]
    return any((one["type"], one["status"]) == ("Complete", "True") for one in conditions)


def test_a_job_completes(running: Node):
    """The agent starts when the sidecar is started; the sidecar ends after it, in good order, within the grace period."""
    running.job("once", running.spec(_ONCE, running.token()))
    eventually_blocking(lambda: finished(running, "once"), 180)
    pod = running.pod_of("once")
    name = pod["metadata"]["name"]
    assert pod["status"]["phase"] == "Succeeded"
    assert running.log(name, "agent") == ["https://tickets.example.org"]
    prepare, sidecar, agent = (
        status(pod, one)["state"]["terminated"] for one in ("tabard-prepare", "tabard", "agent")
    )
    assert (prepare["exitCode"], sidecar["exitCode"], agent["exitCode"]) == (0, 0, 0)
    assert moment(prepare["finishedAt"]) <= moment(sidecar["startedAt"]) <= moment(agent["startedAt"])
    took = moment(sidecar["finishedAt"]) - moment(agent["finishedAt"])
    assert 0 <= took.total_seconds() <= 10
    assert status(pod, "tabard")["restartCount"] == 0


def test_a_sidecar_that_is_killed_is_started_again_and_the_agent_goes_on(running: Node):
    """And ends after the agent when the pod is deleted: the agent's last call is decided."""
    running.pod("long", running.spec(_UNTIL_TOLD, running.token()))
    eventually_blocking(lambda: "call https://tickets.example.org" in running.log("long", "agent"), 120)
    running.kill("long", "tabard")
    eventually_blocking(lambda: status(running.get("pod", "long"), "tabard")["restartCount"] == 1)
    seen = len(running.log("long", "agent"))
    eventually_blocking(
        lambda: "call https://tickets.example.org" in running.log("long", "agent")[seen:], 120
    )
    assert {line.split(" ", 1)[1] for line in running.log("long", "agent") if line.startswith("error")} <= {
        "Unavailable"
    }
    (file,) = (running.folder / "logs").glob(f"{NAMESPACE}_long_*/agent/*.log")
    # The kubelet removes it with the pod.
    with file.open() as log:
        running.kubectl("delete", "pod", "long", "--namespace", NAMESPACE, "--timeout=60s")
        assert "last https://tickets.example.org" in log.read()


def test_an_agent_that_takes_the_port_of_health_gets_no_decisions(running: Node):
    """Its sidecar, killed meanwhile, doesn't start beside it: nothing is allowed by what the agent answers there."""
    running.pod("take", running.spec(_TAKE, running.token()))
    eventually_blocking(lambda: "call https://tickets.example.org" in running.log("take", "agent"), 120)
    running.kill("take", "tabard")
    eventually_blocking(lambda: running.log("take", "agent").count("error Unavailable") > 10, 120)
    told = running.log("take", "agent")
    assert set(told[told.index("taken") + 1 :]) == {"error Unavailable"}
    sidecar = status(running.get("pod", "take"), "tabard")
    assert not sidecar["ready"]
    assert any("Address already in use" in line for line in running.log("take", "tabard"))
    running.kubectl("delete", "pod", "take", "--namespace", NAMESPACE, "--force", "--grace-period=0")


def test_an_agent_sees_nothing_of_its_sidecar_but_the_socket(running: Node):
    """Under a real runtime: processes, files, volumes, variables and ports."""
    running.job("look", running.spec(_LOOK, running.token()))
    eventually_blocking(lambda: finished(running, "look"), 180)
    (line,) = running.log(running.pod_of("look")["metadata"]["name"], "agent")
    found = json.loads(line)
    assert found["processes"] == ["/opt/tabard/bin/python"]
    assert found["folders"] == ["/run/tabard/agent"]
    assert found["secrets"] == []
    assert found["files"] == ["tabard.sock"] or found["files"] == ["tabard.sock", "tabard.sock.lock"]
    assert (found["bound"], found["written"]) == (False, False)
    assert found["variables"] == ["TABARD_ADDRESS"]
    assert found["ready"]["ready"] is True


_ASK = """
import tabard
try:
    tabard.connect().start_task("x", purpose="support", statement="x")
except tabard.TabardError as error:
    print(type(error).__name__, error.code)
"""


def test_the_pod_by_hand_runs(running: Node):
    """k8s/pod.yaml, where no injector is asked: its sidecar is started, and answers the agent."""
    exempt = "tabard-system"
    running.by_hand(exempt, _ASK)
    eventually_blocking(lambda: running.log("support-agent", "agent", exempt) != [], 120)
    assert running.log("support-agent", "agent", exempt) == ["Denied subject_token_malformed"]
    assert status(running.get("pod", "support-agent", "--namespace", exempt), "tabard")["started"]
