"""The chart with real Helm, against a real API server and its own schemas."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tabard_sidecar.control.loading import load_control
from tabard_sidecar.injector.admission_policy import admission_policies
from tabard_sidecar.injector.loading import load_injector
from tabard_sidecar.injector.registration import webhook_configuration

from tests.support.helm import CHART, NAMESPACE, Helm, conform, schemas
from tests.support.kube_server import Kubectl, kube_server, kubectl_of

BACKEND = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 8080}]}
AGENTS = {"agentNamespaces": ["support"], "apiServer": {"cidrs": ["10.0.0.1/32"]}, "backends": [BACKEND]}
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "everything": {
        "image": "registry.example.org/t@sha256:" + "a" * 64,
        "imagePullSecrets": [{"name": "pull"}],
        "injector": {
            "replicas": 3,
            "config": {
                "exempt_namespaces": ["monitoring"],
                "sidecar": {
                    "keys_secret": "ring",
                    "files_secret": "files",
                    "memory_limit": "512Mi",
                    "former_secrets": ["tabard-keys", "old-files"],
                    "former_images": {
                        "registry.example.org/b:1": "2026-03-01T12:15:00Z",
                        "registry.example.org/a:1": "2026-03-02T12:15:00Z",
                    },
                },
                "cluster": {
                    "audience": "tabard-x",
                    "former_audiences": ["tabard"],
                    "tokens": {"b": "vault-b", "a": "vault-z", "c": "vault-b"},
                },
                "control": {"audience": "control-x"},
            },
            "tolerations": [{"operator": "Exists"}],
            "nodeSelector": {"a": "b"},
            "podAnnotations": {"c": "d"},
        },
        "control": {
            "enabled": True,
            "config": {
                "cluster": {"audience": "control-x"},
                "operators": {"issuers": [{"issuer": "https://login.example.org/", "audiences": ["people"]}]},
                "zones": {
                    "support": {
                        "state": {"url": "rediss://redis.support.svc:6379/0"},
                        "operators": [{"role": "viewer", "group": "support"}],
                    }
                },
            },
            "names": ["control.example.org"],
            "secrets": {"redis": "redis-passwords"},
            "operatorsFrom": [{"podSelector": {"matchLabels": {"a": "b"}}}],
            "reaches": [BACKEND],
        },
        "networkPolicy": AGENTS,
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    },
    "little": {
        "injector": {"replicas": 1},
        **{
            name: {"enabled": False}
            for name in ("admissionPolicies", "networkPolicy", "podDisruptionBudget", "topologySpread")
        },
    },
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    with kube_server() as folder:
        yield folder


@pytest.fixture(scope="module")
def kubectl(cluster: Path) -> Kubectl:
    return kubectl_of(cluster)


@pytest.fixture
def helm(cluster: Path, tmp_path: Path) -> Helm:
    return Helm(tmp_path, cluster / "kubeconfig")


def _one(documents: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in documents if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("case", SETTINGS)
def test_what_it_makes_fits_the_servers_schemas(helm: Helm, kubectl: Kubectl, tmp_path: Path, case: str):
    location = schemas(kubectl("get", "--raw", "/openapi/v2"), tmp_path)
    documents = helm.template(SETTINGS[case])
    # Its kind is the Prometheus operator's.
    conform(location, [one for one in documents if one["kind"] != "ServiceMonitor"])
    assert any(one["kind"] == "ServiceMonitor" for one in documents) == (case == "everything")


@pytest.mark.parametrize("case", SETTINGS)
def test_it_says_what_the_injectors_commands_say(helm: Helm, tmp_path: Path, case: str):
    """The webhook and the admission policies are those of its own injector.yaml."""
    documents = helm.template(SETTINGS[case])
    file = tmp_path / "injector.yaml"
    file.write_text(_one(documents, "ConfigMap", "tabard-injector")["data"]["injector.yaml"])
    settings = load_injector(file)
    service = {"name": "tabard-injector", "namespace": NAMESPACE, "path": "/inject", "port": 443}
    webhook = webhook_configuration(settings, {"service": service})
    assert _one(documents, "MutatingWebhookConfiguration", "tabard-injector") == json.loads(
        json.dumps(webhook)
    )
    wanted = json.loads(json.dumps(admission_policies(settings))) if case != "little" else []
    assert [one for one in documents if one["kind"].startswith("ValidatingAdmissionPolicy")] == sorted(
        wanted, key=lambda one: one["kind"]
    ) or all(one in documents for one in wanted)
    assert NAMESPACE in settings.exempt_namespaces
    assert (
        settings.sidecar.image
        == _one(documents, "Deployment", "tabard-injector")["spec"]["template"]["spec"]["containers"][0][
            "image"
        ]
    )


def test_the_control_services_configuration_is_accepted_and_sidecars_use_it(helm: Helm, tmp_path: Path):
    documents = helm.template(SETTINGS["everything"])
    for name, load in (("control", load_control), ("injector", load_injector)):
        file = tmp_path / f"{name}.yaml"
        file.write_text(_one(documents, "ConfigMap", f"tabard-{name}")["data"][f"{name}.yaml"])
        settings = load(file)
    assert settings.control.url == f"https://tabard-control.{NAMESPACE}.svc"
    assert "control.url" not in yaml.safe_dump(helm.template())


def test_operators_have_a_port_of_their_own_that_agents_do_not_reach(helm: Helm):
    documents = helm.template(SETTINGS["everything"])
    service = _one(documents, "Service", "tabard-control")
    assert {port["port"] for port in service["spec"]["ports"]} == {443, 8445, 9181}
    policy = _one(documents, "NetworkPolicy", "tabard-control")["spec"]
    (rule,) = [one for one in policy["ingress"] if {"port": 8445} in one["ports"]]
    assert rule["from"] == [{"podSelector": {"matchLabels": {"a": "b"}}}]
    assert policy["egress"][-1] == BACKEND
    assert "8445" not in json.dumps(_one(documents, "NetworkPolicy", "tabard-agents"))
    without = helm.template({"control": {"enabled": True}})
    assert "8445" not in json.dumps(without)


def test_the_control_service_has_a_certificate_from_elsewhere_if_one_is_named(helm: Helm, tmp_path: Path):
    documents = helm.template({"control": {"enabled": True, "tlsSecret": "mine"}})
    file = tmp_path / "control.yaml"
    file.write_text(_one(documents, "ConfigMap", "tabard-control")["data"]["control.yaml"])
    settings = load_control(file)
    assert (settings.server.managed, settings.server.tls_key_file) == (None, Path("/etc/tabard/tls/tls.key"))
    assert "tabard-control-ca" not in json.dumps(_one(documents, "ClusterRole", "tabard-control"))
    volumes = _one(documents, "Deployment", "tabard-control")["spec"]["template"]["spec"]["volumes"]
    assert {"name": "tls", "secret": {"secretName": "mine", "defaultMode": 0o440}} in volumes


def test_pods_with_a_sidecar_reach_named_backends_only(helm: Helm):
    policy = _one(helm.template(SETTINGS["everything"]), "NetworkPolicy", "tabard-agents")
    assert policy["metadata"]["namespace"] == "support"
    assert policy["spec"]["policyTypes"] == ["Egress"]
    allowed = [target for rule in policy["spec"]["egress"] for target in rule["to"]]
    blocks = [one["ipBlock"]["cidr"] for one in allowed if "ipBlock" in one]
    assert blocks == ["10.0.0.1/32", "10.1.0.0/16"]
    spaces = [one["namespaceSelector"]["matchLabels"] for one in allowed if "ipBlock" not in one]
    assert spaces == [{"kubernetes.io/metadata.name": name} for name in ("kube-system", NAMESPACE)]
    own = _one(helm.template(), "NetworkPolicy", "tabard-injector")
    left_out = [
        address
        for rule in own["spec"]["egress"]
        for one in rule["to"]
        for address in one.get("ipBlock", {}).get("except", ())
    ]
    assert "169.254.169.254/32" in left_out


def _sidecar(**amounts: str) -> dict[str, Any]:
    return {"injector": {"config": {"sidecar": amounts}}}


REFUSED = {
    "agents without the API server's addresses": (
        {"networkPolicy": {"agentNamespaces": ["a"]}},
        "networkPolicy.agentNamespaces needs networkPolicy.apiServer.cidrs",
    ),
    "backends everywhere": (
        {"networkPolicy": AGENTS | {"backends": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}},
        "allows every address",
    ),
    "backends that name no one": (
        {"networkPolicy": {"backends": [{"ports": [{"port": 443}]}]}},
        "has no `to`, so it allows every address",
    ),
    "another audience for sidecars than the control service's": (
        {"control": {"enabled": True}, "injector": {"config": {"control": {"audience": "x"}}}},
        "isn't control.config.cluster.audience",
    ),
    "an audience for two parties": (
        {"injector": {"config": {"cluster": {"audience": "tabard-control"}}}},
        "set another injector.config.cluster.audience",
    ),
    "an audience for two parties, said of the control service": (
        {"control": {"enabled": True, "config": {"cluster": {"audience": "tabard"}}}},
        "set another injector.config.cluster.audience",
    ),
    "a vault's audience that is the sidecar's": (
        {"injector": {"config": {"cluster": {"tokens": {"vault-token": "tabard"}}}}},
        "tokens.vault-token is injector.config.cluster.audience; use an audience of its own",
    ),
    "a vault's audience that is the API server's": (
        {"injector": {"config": {"cluster": {"issuer": "https://k8s", "tokens": {"vault": "https://k8s"}}}}},
        "which every token for the API server has; use an audience of its own",
    ),
    "a token's file that is there": (
        {"injector": {"config": {"cluster": {"tokens": {"api-token": "vault"}}}}},
        "is a file that the sidecar has already",
    ),
    "an audience of operators that sidecars have": (
        {
            "control": {"enabled": True, "config": {"operators": {"audience": "vault"}}},
            "injector": {"config": {"cluster": {"tokens": {"vault-token": "vault"}}}},
        },
        "so every sidecar could operate zones; set another one",
    ),
    "a control service of someone else": (
        {
            "control": {"enabled": True},
            "injector": {"config": {"control": {"url": "https://control.other.svc"}}},
        },
        "remove the URL, or set control.enabled to false",
    ),
    "no master keys": (
        {"control": {"enabled": True, "mastersSecret": ""}},
        "name the Secret with the master keys",
    ),
    "master keys among certificates": (
        {"control": {"enabled": True, "mastersSecret": "tabard-control-certificates"}},
        "holds certificates; name the Secret with the master keys",
    ),
    "a Secret's name that is none": ({"control": {"mastersSecret": "Masters_1"}}, "/control/mastersSecret"),
    "a certificate among master keys": (
        {"control": {"enabled": True, "tlsSecret": "tabard-control-masters"}},
        "name a Secret with nothing but your own tls.crt and tls.key",
    ),
    "master keys as passwords": (
        {"control": {"enabled": True, "secrets": {"redis": "tabard-control-masters"}}},
        "put files for control.config into another Secret",
    ),
    "names for a certificate from elsewhere": (
        {"control": {"enabled": True, "tlsSecret": "mine", "names": ["a.b"]}},
        "remove control.names, or leave control.tlsSecret empty",
    ),
    "a name with a scheme": ({"control": {"names": ["https://a.b"]}}, "/control/names/0"),
    "peers of a port that isn't served": (
        {"control": {"enabled": True, "operatorsFrom": [{"podSelector": {}}]}},
        "add the section control.config.operators, or remove it",
    ),
    "roles of no one": (
        {
            "control": {
                "enabled": True,
                "config": {
                    "zones": {
                        "a": {
                            "state": {"url": "rediss://r:6379/0"},
                            "operators": [{"role": "viewer", "group": "g"}],
                        }
                    }
                },
            }
        },
        "zones.a.operators gives roles, and there is no section control.config.operators",
    ),
    "one Secret for keys and passwords": (
        {"injector": {"config": {"sidecar": {"files_secret": "tabard-keys"}}}},
        "name the same Secret; the zone's keys have one of their own",
    ),
    "processor that can't be counted": (_sidecar(cpu_request="1n"), "none finer than 1m"),
    "no processor": (_sidecar(most_cpu="0m"), "most_cpu is nothing"),
    "memory in thousandths": (_sidecar(memory_limit="400000000000m"), "write an amount in bytes"),
    "negative memory": (_sidecar(memory_limit="-1Gi"), "write an amount in bytes"),
    "memory without its unit": (_sidecar(memory_limit="384"), "less than 1Mi; write an amount with its unit"),
    "more memory than its limit": (
        _sidecar(memory_request="1Gi"),
        "is more than memory_limit (384Mi); lower it",
    ),
    "limits of agents that are off": (
        {"networkPolicy": AGENTS | {"enabled": False}},
        "limits nothing while networkPolicy.enabled is false",
    ),
    "limits of a namespace without sidecars": (
        {"networkPolicy": AGENTS | {"agentNamespaces": ["kube-system"]}},
        "is exempt, so no pod there has a sidecar",
    ),
    "a namespace twice": ({"networkPolicy": AGENTS | {"agentNamespaces": ["a", "a"]}}, "agentNamespaces"),
    "an address without its width": ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "cidrs/0"),
    "a volume of the chart's": ({"control": {"secrets": {"masters": "x"}}}, "masters"),
    "a misspelt value": ({"injector": {"replica": 2}}, "replica"),
    "a misspelt setting": ({"injector": {"config": {"sidecar": {"http_prot": 1}}}}, "http_prot"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_cannot_be_meant_are_refused(helm: Helm, case: str):
    values, reason = REFUSED[case]
    assert reason in helm.refused(values)


def test_manifests_are_what_the_chart_makes(helm: Helm):
    path = CHART.parent / "render_install.py"
    spec = importlib.util.spec_from_file_location("render_install", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for file, text in module.rendered(helm.program).items():
        assert file.read_text(encoding="utf-8") == text, "run make install-yaml"


def _objects(kubectl: Kubectl) -> set[str]:
    """Return all objects that are there, but for what the API server makes and events."""
    kinds = kubectl("api-resources", "--verbs=list", "--output=name").split()
    left_out = (
        "events",
        "leases",
        "apiservices",
        "componentstatuses",
        "flowschemas",
        "prioritylevel",
        "endpoint",
    )
    wanted = ",".join(kind for kind in kinds if not kind.startswith(left_out))
    return set(kubectl("get", wanted, "--all-namespaces", "--output", "name", "--ignore-not-found").split())


def test_install_upgrade_and_uninstall_leave_nothing_behind(helm: Helm, kubectl: Kubectl):
    """What the injector wrote stays through an upgrade, and goes with the release."""
    kubectl("create", "namespace", "support")
    kubectl("create", "namespace", NAMESPACE)
    before = _objects(kubectl)
    where = ("tabard", str(CHART), "--namespace", NAMESPACE, "--wait=false")
    helm.run("install", *where)
    hook = ("mutatingwebhookconfiguration", "tabard-injector")
    # As the injector does it.
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "eA=="}]
    secret = ("secret", "tabard-injector-certificates", "--namespace", NAMESPACE)
    account = ("--as", f"system:serviceaccount:{NAMESPACE}:tabard-injector")
    kubectl("patch", *hook, "--type=json", "--patch", json.dumps(patch), "--field-manager=tabard", *account)
    stored = json.loads(kubectl("get", *secret, "--output", "json"))
    kubectl("replace", "--filename", "-", *account, given=json.dumps(stored | {"data": {"ca.crt": "eA=="}}))
    helm.run(
        "upgrade",
        *where,
        "--values",
        helm.values(SETTINGS["everything"] | {"serviceMonitor": {"enabled": False}}),
    )
    kept = json.loads(kubectl("get", *hook, "--output", "json"))["webhooks"][0]
    assert kept["clientConfig"]["caBundle"] == "eA=="
    assert "monitoring" in json.dumps(kept["namespaceSelector"])
    assert json.loads(kubectl("get", *secret, "--output", "json"))["data"] == {"ca.crt": "eA=="}
    assert "tabard-control" in kubectl("get", "deployments", "--namespace", NAMESPACE)
    # As the control service does it. The cluster's collector removes what belongs to the role; none runs here.
    role = json.loads(kubectl("get", "clusterrole", "tabard-control", "--output", "json"))["metadata"]["uid"]
    owner = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "tabard-control"}
    metadata = {
        "name": "tabard-control-ca",
        "namespace": "support",
        "ownerReferences": [owner | {"uid": role}],
    }
    document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "x"}}
    account = ("--as", f"system:serviceaccount:{NAMESPACE}:tabard-control")
    kubectl("create", "--filename", "-", *account, given=json.dumps(document))
    helm.run("upgrade", *where, "--reset-values")
    assert "tabard-control" not in kubectl("get", "deployments", "--namespace", NAMESPACE)
    helm.run("uninstall", "tabard", "--namespace", NAMESPACE, "--wait=false")
    # Without controllers nothing else ends a Deployment's children, of which there are none.
    assert _objects(kubectl) - before == {"configmap/tabard-control-ca"}
    assert before <= _objects(kubectl)
