"""install.yaml is valid, its configuration is accepted, and it can't lock itself out."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from tabard_sidecar.injector.loading import load_injector
from tabard_sidecar.injector.names import NETWORK_POLICY

DOCUMENTS = list(
    yaml.safe_load_all((Path(__file__).parents[3] / "k8s" / "install.yaml").read_text(encoding="utf-8"))
)
BY_KIND = {document["kind"]: document for document in DOCUMENTS}


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda document: f"{document['kind']}-{document['metadata']['name']}"
)
@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_the_manifest_fits_the_schema_of_kubernetes(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_the_configuration_is_accepted_and_its_own_namespace_exempt(tmp_path):
    file = tmp_path / "injector.yaml"
    file.write_text(BY_KIND["ConfigMap"]["data"]["injector.yaml"])
    settings = load_injector(file)
    assert {document["metadata"].get("namespace", "tabard-system") for document in DOCUMENTS} <= set(
        settings.exempt_namespaces
    )
    container = BY_KIND["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings.webhook.listen.endswith(f":{ports['https']}")
    assert settings.http.listen.endswith(f":{ports['http']}")
    assert BY_KIND["Service"]["spec"]["ports"][0]["targetPort"] == ports["https"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert "/tmp" in mounts, "its certificate is there"  # noqa: S108 - a volume of the pod
    assert str(Path(container["command"][-1]).parent) in mounts


def test_its_rights_are_those_for_the_secret_and_the_webhook_configuration_that_it_names(tmp_path):
    file = tmp_path / "injector.yaml"
    file.write_text(BY_KIND["ConfigMap"]["data"]["injector.yaml"])
    managed = load_injector(file).webhook.managed
    assert BY_KIND["Secret"]["metadata"]["name"] == managed.secret
    assert "data" not in BY_KIND["Secret"]
    service = BY_KIND["Service"]["metadata"]
    assert managed.names == (f"{service['name']}.{service['namespace']}.svc",)
    assert BY_KIND["Role"]["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [managed.secret],
            "verbs": ["get", "update"],
        }
    ]
    roles = {one["metadata"]["name"]: one["rules"] for one in DOCUMENTS if one["kind"] == "ClusterRole"}
    assert roles.keys() == {"tabard-injector", "tabard-injector-network"}
    (rule,) = roles["tabard-injector"]
    assert rule["resourceNames"] == [managed.webhook_configuration]
    assert rule["verbs"] == ["get", "patch"]
    assert (
        BY_KIND["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"]
        == BY_KIND["ServiceAccount"]["metadata"]["name"]
    )


def test_its_further_rights_are_those_for_the_network_policy_that_it_keeps(tmp_path):
    """The policy that it creates can't be named in a role: a policy of the API server does that."""
    file = tmp_path / "injector.yaml"
    file.write_text(BY_KIND["ConfigMap"]["data"]["injector.yaml"])
    network = load_injector(file).network
    assert network is not None
    named = {(one["kind"], one["metadata"]["name"]): one for one in DOCUMENTS if one["kind"] != "Namespace"}
    policies = {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"]}
    assert named["ClusterRole", network.owner]["rules"] == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
        {**policies, "resourceNames": [NETWORK_POLICY], "verbs": ["list", "update"]},
        {**policies, "verbs": ["create"]},
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "resourceNames": [network.owner],
            "verbs": ["get"],
        },
    ]
    (validation,) = named["ValidatingAdmissionPolicy", network.owner]["spec"]["validations"]
    assert validation["expression"] == f'object.metadata.name == "{NETWORK_POLICY}"'
    assert named["ValidatingAdmissionPolicyBinding", network.owner]["spec"]["validationActions"] == ["Deny"]
