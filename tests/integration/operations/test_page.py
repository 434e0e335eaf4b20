"""docs/operations.md: its commands, one after the other, on a real API server with the chart and beside a real sidecar."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tabard_sidecar.control.master import create

from tests.support.chart_cluster import IMAGE, ChartCluster, chart_cluster
from tests.support.components import component
from tests.support.injecting import container, pod
from tests.support.injector_process import apply
from tests.support.markdown import ROOT, code_of
from tests.support.pages import run_blocks
from tests.support.waiting import eventually_blocking

PAGE = "docs/operations.md"
NEWER = "registry.example.org/tabard-sidecar:0.2.0"
_BLOCK = re.compile(r"(?:<!-- test: ([a-z-]+) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
AGENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "support-agent"},
    "spec": {
        "selector": {"matchLabels": {"app": "support-agent"}},
        "template": {"metadata": {"labels": {"app": "support-agent"}}, "spec": pod()["spec"]},
    },
}
_SIDECAR = """
set -e
tabard init notes > init.txt
cd notes
tabard serve 2> sidecar.log &
until tabard health > health.txt 2>&1; do sleep 0.2; done
"""


def blocks_named(wanted: str) -> list[tuple[str, str]]:
    """Return the page's commands of this name, each followed by what it has to print if the page shows it.

    Restarts of one Deployment within a second are refused, which people aren't fast enough for.
    """
    found, last = [], ""
    for name, kind, text in _BLOCK.findall((ROOT / PAGE).read_text()):
        if kind == "sh":
            last = name
        if kind in {"sh", "text"} and last == wanted:
            found.append((kind, f"sleep 1.1\n{text}" if "rollout restart" in text else text))
    return found


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tabard-ops-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cluster(home: Path) -> Iterator[ChartCluster]:
    with chart_cluster(home, control={"enabled": True}) as running:
        running.namespace("support")
        old = pod(container())
        old["metadata"] = {"name": "old-agent"}
        apply(running.kubectl, old, "--namespace", "support")
        apply(running.kubectl, AGENT, "--namespace", "support")
        yield running


def test_every_command_of_the_page_is_run():
    names = {name for name, kind, _ in _BLOCK.findall((ROOT / PAGE).read_text()) if kind == "sh"}
    # The drill by address is run in tests/integration/state/test_keycloak_operators.py.
    assert names == {"cluster", "sidecar", "drill", "drill-end"}


def test_the_commands_for_a_cluster(cluster: ChartCluster, home: Path):
    create(home / "masters")
    prepare = f"""
set -e
export KUBECONFIG={cluster.folder}/kubeconfig PATH={cluster.programs}:$PATH
ln -s {ROOT}/docs {ROOT}/k8s .
cp -r {home}/masters .
tabard keys new --directory keys --use root > keys.txt
tabard keys new --directory keys --use signing >> keys.txt
"""
    component("promtool.sh")
    ran = run_blocks([("sh", prepare), *blocks_named("cluster")], home)
    ran.check()
    # The pod of before is as it was, and can be changed and deleted.
    found = json.loads(cluster.get("pod", "old-agent", "support"))
    assert {one["image"] for one in found["spec"]["initContainers"]} == {NEWER.replace("0.2.0", "0.1.0")}
    cluster.kubectl("label", "pod", "old-agent", "app=x", "--namespace", "support")
    cluster.kubectl(*("delete", "pod", "old-agent", "--namespace", "support", "--grace-period=0", "--force"))


def upgrade(cluster: ChartCluster, *values: str) -> None:
    chart = ("tabard", str(ROOT / "k8s/chart"), "--namespace", "tabard-system", "--wait=false")
    cluster.helm.run("upgrade", *chart, "--reset-then-reuse-values", *values)


def former_images(cluster: ChartCluster) -> dict[str, str]:
    """Return the images that the API server's rules accept besides, each with the end of its time."""
    policy = json.loads(cluster.get("validatingadmissionpolicy", "tabard-pods"))
    (text,) = [one["expression"] for one in policy["spec"]["variables"] if one["name"] == "former"]
    found: dict[str, str] = json.loads(text)
    return found


def tried(cluster: ChartCluster) -> str:
    """Have the API server try a pod; return the image of the sidecar that it would get, or why it would be refused."""
    document = pod()
    document["metadata"] = {"name": "meanwhile"}
    said = cluster.kubectl(
        *("create", "--namespace", "support", "--dry-run=server", "--filename", "-"),
        *("--output", "jsonpath={.spec.initContainers[?(@.name=='tabard')].image}"),
        given=json.dumps(document),
        check=False,
    )
    return said.strip()


def test_an_injector_of_before_beside_rules_of_after(cluster: ChartCluster):
    """What former replicas inject is accepted until the new ones answer, for a bounded time, and no other image is."""
    cluster.deployments = False
    upgrade(cluster, "--set", f"image={NEWER}")
    assert former_images(cluster).keys() == {IMAGE}
    # Beyond the moment that the API server takes to follow its rules.
    for _ in range(20):
        assert tried(cluster) == IMAGE
        time.sleep(0.5)
    before = former_images(cluster), json.loads(cluster.get("deployment", "tabard-injector", "tabard-system"))
    upgrade(cluster)
    after = json.loads(cluster.get("deployment", "tabard-injector", "tabard-system"))
    assert former_images(cluster) == before[0]
    assert after["spec"]["template"] == before[1]["spec"]["template"]
    cluster.deployments = True
    cluster.kubectl("--namespace", "tabard-system", "rollout", "status", "deployment", "tabard-injector")
    assert tried(cluster) == NEWER
    # Back again, in the same way.
    cluster.deployments = False
    upgrade(cluster, "--set", f"image={IMAGE}")
    assert former_images(cluster).keys() == {NEWER}
    assert tried(cluster) == NEWER
    # Who wants none of this says so.
    upgrade(
        cluster,
        "--set",
        "image=registry.example.org/third:1",
        "--set",
        "admissionPolicies.formerImageSeconds=0",
    )
    assert former_images(cluster).keys() == {NEWER}
    eventually_blocking(lambda: "image is that" not in tried(cluster))
    cluster.kubectl("delete", "validatingadmissionpolicy", "tabard-pods")
    upgrade(cluster)
    assert former_images(cluster) == {}
    eventually_blocking(
        lambda: "the sidecar's image is that of the injector's configuration" in tried(cluster)
    )


def test_the_commands_beside_a_sidecar(home: Path):
    blocks = blocks_named("sidecar")
    run_blocks([("sh", _SIDECAR), *blocks, ("sh", "kill %1\n")], home).check()


def test_prometheus_reads_the_configuration(home: Path):
    promtool = component("promtool.sh").splitlines()[-1]
    ((_, text),) = code_of(PAGE, "scrape")
    config = yaml.safe_load(text)
    assert config["rule_files"] == ["alerts.yaml"]
    # Debian's Prometheus is built without Kubernetes.
    (job,) = config["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    job["static_configs"] = [{"targets": ["localhost:9090"]}]
    (home / "prometheus.yml").write_text(yaml.safe_dump(config))
    shutil.copy(ROOT / "docs/reference/alerts.yaml", home)
    run = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"], cwd=home, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
