"""The demo's chain over five pods: depth, fan-out, budgets, revocation and leases hold across them."""

from __future__ import annotations

import json

import pytest

from tests.support.desk import CENTS, CHAIN, PAGE, READS, Desk
from tests.support.markdown import code_of
from tests.support.pod_agent import Refused
from tests.support.pods_world import BILLING, PASSWORD, SUPPORT
from tests.support.waiting import eventually_blocking

SUB_AGENTS = 20
PRICE = 100


def test_five_workloads_pass_one_task_on_over_the_border_of_two_zones(desk: Desk):
    """Each has its own identity, that of its ServiceAccount, and knows whose task it is."""
    holders = desk.chain("walk")
    ids = {name: desk.agent(name).id for name in CHAIN}
    assert holders["research"] == [ids["triage"], ids["research"]]
    assert holders["review"] == [ids["review"]]
    assert desk.outcomes("walk") == dict.fromkeys(CHAIN, "allowed")
    for name in CHAIN:
        records = [json.loads(line) for line in desk.agent(name).pod.log().splitlines() if '"input"' in line]
        found = records[-1]["input"]
        assert (found["agent"]["id"], found["agent"]["attributes"]["pod"]) == (ids[name], name)
        assert found["subject"]["id"] == "support-manager-7"
        assert (found["task"]["purpose"], found["task"]["intent_source"]) == ("refunds", "signed")


def test_an_agents_container_has_the_socket_and_nothing_else_of_its_sidecar(desk: Desk):
    pod = desk.agent("review").pod
    sidecar = pod.processes["tabard"].pid
    program = (
        "import json, os, pathlib\n"
        "found = [str(path) for top in ('/run', '/var', '/etc/tabard') for path in pathlib.Path(top).rglob('*')]\n"
        "refused = []\n"
        f"for name in ('environ', 'mem', 'root', 'fd', 'cwd'):\n"
        "    try:\n"
        f"        path = '/proc/{sidecar}/' + name\n"
        "        os.listdir(path) if name in {'root', 'fd', 'cwd'} else open(path, 'rb').read(1)\n"
        "    except PermissionError:\n"
        "        refused.append(name)\n"
        "print(json.dumps([found, refused]))\n"
    )
    answer = pod.execute("agent", ["python", "-c", program])
    assert answer.returncode == 0, answer.stderr
    everything, refused = json.loads(answer.stdout)
    # Without what links of mounted files lead to.
    found = [path for path in everything if "/.." not in path]
    ours = [path for path in found if "tabard" in path]
    socket = "/run/tabard/agent/tabard.sock"
    assert sorted(ours) == ["/run/tabard", "/run/tabard/agent", socket, f"{socket}.lock"]
    assert refused == ["environ", "mem", "root", "fd", "cwd"]
    # What Kubernetes gives every container: a token that no Tabard takes for the sidecar's.
    assert [path for path in found if path.endswith("/token")] == [
        "/var/run/secrets/kubernetes.io/serviceaccount/token"
    ]


def test_the_pages_agents_pass_a_task_on(desk: Desk):
    """Each program runs in its own pod's container, and hands its result to the next."""

    def run(name: str, block: str, call: str) -> str:
        ((_, code),) = code_of(PAGE, block)
        answer = desk.agent(name).pod.execute("agent", ["python", "-c", f"{code}\nprint({call})"])
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    person, intent = desk.world.token(), desk.world.intent(SUPPORT)
    grant = run("orchestrator", "first-agent", f"pass_on({person!r}, {intent!r})")
    handover = run("research", "crossing-agent", f"hand_over({grant!r})")
    assert run("refunds", "receiving-agent", f"refund({handover!r}, ['o-1', 'o-2', 'o-3'])") == "3"


def test_the_namespaces_secret_is_read_by_the_sidecar_alone(desk: Desk):
    """As it is mounted: root's, in memory, and open to all who have the mount."""
    program = (
        "import pathlib\n"
        "from tabard_sidecar.util.secret_files import read_secret\n"
        "print(read_secret(pathlib.Path('/var/run/secrets/tabard-files/redis-password'))[0].decode())\n"
    )
    pod = desk.agent("triage").pod
    mine = pod.execute("tabard", ["python", "-c", program])
    assert mine.stdout.strip() == PASSWORD, mine.stderr
    assert "No such file" in pod.execute("agent", ["python", "-c", program]).stderr


def test_depth_counts_from_the_first_pod_on(desk: Desk):
    """Four workloads follow the first; a sub-agent of the last is the fifth, and may have none."""
    desk.chain("deep")
    (worker,) = desk.workers("deep", 1)
    review = desk.agent("review")
    refund = {"tool": "refunds.create", "arguments": {"id": "1"}}
    assert (
        review.ask("authorize", task=worker, **refund)["credential"]["audience"] == "https://refunds.internal"
    )
    review.ask("branch", task=worker, names=["below"])
    with pytest.raises(Refused) as caught:
        review.ask("authorize", task=f"{worker}/below", **refund)
    assert caught.value.code == "depth_exceeded"


def test_sub_agents_fan_out_and_share_the_budget_with_the_other_pod(desk: Desk):
    """Twenty of them and another workload ask at once for more than there is: exactly what there is is spent."""
    desk.chain("fan")
    workers = desk.workers("fan", SUB_AGENTS)
    call = {"tool": "refunds.create", "arguments": {"id": "1"}}
    first = desk.agent("review").ask("many", tasks=workers, times=1, **call)
    assert first == {"allowed": SUB_AGENTS}
    assert {desk.call(name, "fan") for name in desk.of(BILLING)} == {"allowed"}
    left = CENTS // PRICE - SUB_AGENTS - len(desk.of(BILLING))
    found = desk.calls(desk.of(BILLING), "fan", times=left)
    assert sum(one.get("allowed", 0) for one in found.values()) == left
    assert {code for one in found.values() for code in one} == {"allowed", "Denied: budget_exhausted"}
    assert desk.agent("review").ask("many", tasks=workers, times=1, **call) == {
        "Denied: budget_exhausted": SUB_AGENTS
    }


def test_three_pods_spend_one_budget(desk: Desk):
    desk.chain("spend")
    found = desk.calls(desk.of(SUPPORT), "spend", times=READS // 2)
    assert sum(one.get("allowed", 0) for one in found.values()) == READS
    assert sum(one.get("Denied: budget_exhausted", 0) for one in found.values()) == READS // 2


def test_a_revoked_task_ends_in_every_pod_of_its_zone_with_all_its_leases(desk: Desk):
    """By one command beside one sidecar. What the other zone made of the task has an end of its own, as the page says."""
    task_id = desk.chain("end") and str(desk.agent("orchestrator").ask("get", task="end")["task_id"])
    away = str(desk.agent("refunds").ask("get", task="end")["task_id"])
    workers = desk.workers("end", SUB_AGENTS)
    serials = [desk.certificate(worker) for worker in workers]
    assert len(set(serials)) == SUB_AGENTS
    assert not any(map(desk.is_revoked, serials))
    desk.revoke("research", task_id)
    ended = "Denied: task_ended"
    assert desk.outcomes("end") == dict.fromkeys(desk.of(SUPPORT), ended) | dict.fromkeys(
        desk.of(BILLING), "allowed"
    )
    desk.revoke("refunds", away)
    assert desk.outcomes("end") == dict.fromkeys(CHAIN, ended)
    call = {"tool": "bills.read", "arguments": {"day": "today"}}
    assert desk.agent("review").ask("many", tasks=workers, times=1, **call) == {ended: SUB_AGENTS}
    eventually_blocking(lambda: all(map(desk.is_revoked, serials)))


def test_a_part_of_a_task_that_ends_takes_its_leases_along_and_no_others(desk: Desk):
    desk.chain("part")
    one, other = desk.workers("part", 2)
    serials = {worker: desk.certificate(worker) for worker in (one, other)}
    desk.agent("review").ask("end", task=one)
    eventually_blocking(lambda: desk.is_revoked(serials[one]))
    assert not desk.is_revoked(serials[other])
    assert desk.outcomes("part") == dict.fromkeys(CHAIN, "allowed")


def test_a_grant_is_of_use_to_its_pod_only(desk: Desk):
    """Stolen by another workload of the zone, or of the other zone."""
    desk.chain("theft")
    given = desk.agent("triage").ask("delegate", task="theft", to=desk.agent("research").id)["grant"]
    for thief in ("orchestrator", "review"):
        with pytest.raises(Refused) as caught:
            desk.agent(thief).ask("take", task="stolen", grant=given)
        assert caught.value.kind in {"Denied", "InvalidRequest"}, caught.value


def test_a_changed_policy_reaches_every_pod_of_its_namespace_without_a_restart(desk: Desk):
    desk.chain("policy")
    place = f"/api/v1/namespaces/{BILLING}/configmaps/tabard-policy"
    before = desk.world.api.get(place)["data"]["desk.rego"]
    stop = (
        'deny contains {"code": "stopped", "message": "not today"} if input.tool.name == "refunds.create"\n'
    )

    def put(policy: str) -> None:
        """Change the policy, and wait until it decides in each pod. A call would be charged, so none is made meanwhile."""
        former = {name: desk.revision(name) for name in desk.of(BILLING)}
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tabard-policy"}}
        desk.world.api.replace(place, {**document, "data": {"desk.rego": policy}})
        for name in former:
            desk.agent(name).pod.volumes.refresh()
        for name, revision in former.items():
            eventually_blocking(lambda name=name, revision=revision: desk.revision(name) != revision, 120)

    put(f"{before}\n{stop}")
    try:
        assert desk.outcomes("policy") == dict.fromkeys(desk.of(SUPPORT), "allowed") | dict.fromkeys(
            desk.of(BILLING), "Denied: stopped"
        )
    finally:
        put(before)
    assert desk.outcomes("policy") == dict.fromkeys(CHAIN, "allowed")
