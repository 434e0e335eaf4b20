"""The hand-written pod is valid, and its configuration and policy are."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
from tabard_opa import Engine
from tabard_sidecar.config import load
from tabard_sidecar.policy.loading.compiling import CompileOptions, compile_policy

from tests.support.manifests import container, manifests

POD = manifests()["Pod"]


@pytest.mark.parametrize("kind", ["ServiceAccount", "ConfigMap", "Pod"])
@pytest.mark.parametrize("version", ["1.33", "1.36"])
def test_manifests_fit_the_schema_of_kubernetes(kind: str, version: str):
    """Unknown fields count as errors."""
    kubernetes_validate.validate(manifests()[kind], version, strict=True)


def test_configuration_is_accepted(tmp_path: Path):
    """Every key of the ConfigMap's tabard.yaml is known and fits."""
    path = tmp_path / "tabard.yaml"
    path.write_text(manifests()["ConfigMap"]["data"]["tabard.yaml"])
    settings = load(path).settings
    assert settings.identity.agent.service_account is not None
    assert not settings.insecure.model_dump(exclude_defaults=True)


def test_policy_is_accepted():
    """The first policy compiles and passes every load-time check."""
    modules = {"tickets.rego": manifests()["ConfigMap"]["data"]["tickets.rego"]}
    with Engine() as engine:
        compiled = compile_policy(engine, modules, {}, CompileOptions())
        assert not compiled.warnings
        compiled.close()


def test_the_sidecar_starts_first_and_stays():
    """A native sidecar is an init container that is always restarted."""
    assert container(POD, "tabard") in POD["spec"]["initContainers"]
    assert container(POD, "tabard")["restartPolicy"] == "Always"
    assert "startupProbe" in container(POD, "tabard")


def test_the_agent_gets_nothing_of_the_sidecars_but_the_socket():
    """No key, no token, no operator socket, no shared processes."""
    mounts = container(POD, "agent")["volumeMounts"]
    assert mounts == [{"name": "tabard-agent", "mountPath": "/run/tabard/agent", "readOnly": True}]
    assert POD["spec"]["shareProcessNamespace"] is False
    assert POD["spec"]["automountServiceAccountToken"] is False
    users = [container(POD, name)["securityContext"]["runAsUser"] for name in ("tabard", "agent")]
    assert len(set(users)) == len(users)


def test_what_is_mounted_is_what_is_configured():
    """Each path of the configuration lies below a mount of the sidecar, each mount has its volume."""
    mounts = {mount["mountPath"]: mount["name"] for mount in container(POD, "tabard")["volumeMounts"]}
    volumes = {volume["name"] for volume in POD["spec"]["volumes"]}
    assert set(mounts.values()) <= volumes
    text = manifests()["ConfigMap"]["data"]["tabard.yaml"]
    for path in (
        "/run/tabard/agent/",
        "/var/lib/tabard/keys/",
        "/var/lib/tabard/state/",
        "/etc/tabard/policy",
    ):
        assert path in text
        assert any(path.startswith(mount) for mount in mounts)


def test_socket_path_fits_into_an_address():
    """The kernel takes 107 bytes."""
    address = container(POD, "agent")["env"][0]["value"]
    assert len(address.removeprefix("unix:")) < 108


def test_no_container_of_the_image_needs_a_shell():
    """The image has none: every command begins with `tabard`."""
    ours = [container(POD, name) for name in ("tabard-prepare", "tabard")]
    probes = [one[kind]["exec"] for one in ours for kind in one if kind.endswith("Probe")]
    assert {item["command"][0] for item in (*ours, *probes)} == {"tabard"}
