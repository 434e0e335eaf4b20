"""The manifest of the control service is valid, and its configuration is accepted."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from tabard_sidecar.control.loading import load_control

DOCUMENTS = list(
    yaml.safe_load_all((Path(__file__).parents[3] / "k8s" / "control.yaml").read_text(encoding="utf-8"))
)
BY_KIND = {document["kind"]: document for document in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document["kind"])
@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_the_manifest_fits_the_schema_of_kubernetes(document, version):
    kubernetes_validate.validate(document, version, strict=True)


def test_the_configuration_is_accepted_and_fits_the_pod(tmp_path):
    file = tmp_path / "control.yaml"
    file.write_text(BY_KIND["ConfigMap"]["data"]["control.yaml"])
    settings = load_control(file)
    container = BY_KIND["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert settings.server.listen.endswith(f":{ports['https']}")
    assert settings.http.listen.endswith(f":{ports['http']}")
    assert BY_KIND["Service"]["spec"]["ports"][0]["targetPort"] == ports["https"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert str(settings.master.directory) in mounts
    assert str(Path(container["command"][-1]).parent) in mounts
    assert settings.server.managed.names == ("tabard-control.tabard-system.svc",)
    assert settings.server.managed.owner == BY_KIND["ClusterRole"]["metadata"]["name"]


def test_its_rights_are_those_that_it_needs():
    """The ConfigMap that it creates can't be named in a role: a policy of the API server does that."""
    ours = {"resources": ["configmaps"], "resourceNames": ["tabard-control-ca"]}
    assert BY_KIND["ClusterRole"]["rules"] == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
        {"apiGroups": [""], **ours, "verbs": ["get", "list", "update"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles"],
            "resourceNames": ["tabard-control"],
            "verbs": ["get"],
        },
    ]
    (role,) = BY_KIND["Role"]["rules"]
    assert (role["resourceNames"], role["verbs"]) == (["tabard-control-certificates"], ["get", "update"])
    (policy,) = BY_KIND["ValidatingAdmissionPolicy"]["spec"]["validations"]
    assert policy["expression"] == 'object.metadata.name == "tabard-control-ca"'
