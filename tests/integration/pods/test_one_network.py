"""An agent finds one port in the network that it shares with its sidecar, and nothing of anyone's work behind it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.desk import CHAIN, Desk
from tests.support.pods_world import PASSWORD

_LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
"""State of a socket that takes what anyone sends, by the file of /proc/net."""
_ASK = """
import json, sys, urllib.error, urllib.request
found = {}
for path in json.loads(sys.argv[2]):
    request = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}{path}", method=sys.argv[3])
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            found[path] = [answer.status, answer.read().decode()]
    except urllib.error.HTTPError as error:
        found[path] = [error.code, error.read().decode()]
print(json.dumps(found))
"""
OPEN = {"/healthz", "/readyz", "/metrics"}
OTHERS = (
    *("/", "/.well-known/jwks.json", "/introspect", "/health", "/debug/pprof/", "/v1/data/tabard/decision"),
    *("/tabard.authz.v1.RevocationService/Revoke", "/metrics/../etc/passwd", "/v1/config"),
)


def listening(pid: int) -> Iterator[tuple[str, int]]:
    """Yield kind and port of each socket at which a process takes connections or datagrams from the network."""
    own = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        if match := re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink())):
            own.add(match[1])
    for kind, state in _LISTENING.items():
        for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == state and fields[9] in own:
                yield kind, int(fields[1].rpartition(":")[2], 16)


def ask(desk: Desk, name: str, port: int, paths: list[str], method: str = "GET") -> dict[str, list]:
    """Ask from the agent's container."""
    command = ["python", "-c", _ASK, str(port), json.dumps(paths), method]
    answer: subprocess.CompletedProcess[str] = desk.agent(name).pod.execute("agent", command)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, list] = json.loads(answer.stdout)
    return found


@pytest.mark.parametrize("name", CHAIN)
def test_a_sidecar_listens_at_one_port_that_tells_nothing_of_its_work(desk: Desk, name: str):
    """Every other listener is a unix socket. Health and metrics name no person, task, call, policy's rule or secret."""
    desk.chain(f"seen-{name}")
    sidecar = desk.agent(name)
    ((kind, port),) = listening(sidecar.pod.processes["tabard"].pid)
    assert kind == "tcp"
    told = ask(desk, name, port, sorted(OPEN))
    assert {path: status for path, (status, _) in told.items()} == dict.fromkeys(OPEN, 200)
    text = "\n".join(body for _, body in told.values())
    task = str(sidecar.ask("get", task=f"seen-{name}")["task_id"])
    secrets = [
        *(task, "support-manager-7", sidecar.id, PASSWORD, "redis-password", "rediss:", "eyJ"),
        *(
            "tickets.read",
            "refunds.create",
            "bills.read",
            "tickets.internal",
            "refunds.internal",
            "max_depth",
        ),
        *("/var/run/secrets", "/var/lib/tabard", "/run/tabard", "shop.example"),
    ]
    assert [secret for secret in secrets if secret in text] == []
    assert json.loads(told["/readyz"][1]).keys() <= {"status", "ready"}, told["/readyz"][1]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_nothing_else_is_behind_that_port(desk: Desk, method: str):
    ((_, port),) = listening(desk.agent("review").pod.processes["tabard"].pid)
    paths = [*OTHERS, *(OPEN if method != "GET" else ())]
    found = ask(desk, "review", port, paths, method)
    assert {status for status, _ in found.values()} <= {403, 404, 405, 501}, found
