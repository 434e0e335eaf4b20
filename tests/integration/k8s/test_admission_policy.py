"""The admission policies on a real API server, without an injector: each way around it is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.names import SECRET_FIELDS

from tests.support.admission_rules import (
    CONTROLLED,
    FILES,
    IDENTIFIED,
    LABEL,
    SETTINGS,
    injected,
    named,
    patch,
    refused,
    rules,
)
from tests.support.injecting import container, pod, secret_volume
from tests.support.injector_process import apply
from tests.support.kube_server import Kubectl
from tests.support.waiting import eventually_blocking


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    with rules() as found:
        yield found


def test_what_the_injector_makes_is_accepted(kubectl: Kubectl):
    assert refused(kubectl, injected(), "support") == ""
    opted_in = named(pod(), "a", **{LABEL: "enabled"})
    assert refused(kubectl, injected(opted_in), "plain") == ""


def test_what_the_injector_makes_with_a_control_service_is_accepted(kubectl: Kubectl):
    assert refused(kubectl, injected(chosen=CONTROLLED), "support") == ""


def test_what_the_injector_makes_with_a_workload_api_is_accepted(kubectl: Kubectl):
    assert refused(kubectl, injected(chosen=IDENTIFIED), "support") == ""


@pytest.mark.parametrize("audience", ["tabard", "tabard-control", "tabard-vault"])
def test_nobody_but_a_kubelet_gets_a_token_of_the_sidecars(kubectl: Kubectl, audience: str):
    """Not even an administrator by mistake; other audiences aren't touched."""
    request = ("create", "token", "default", "--namespace", "support")
    said = kubectl(*request, "--audience", audience, check=False)
    assert "only a kubelet may ask for it" in said
    said = kubectl(*request, "--audience", audience, "--audience", "other", check=False)
    assert "only a kubelet may ask for it" in said
    pretending = ("--as", "system:node:node-1", "--as-group", "system:authenticated")
    assert "." not in kubectl(*request, "--audience", audience, *pretending, check=False).split()[0]
    kubelet = ("--as", "system:node:node-1", "--as-group", "system:nodes", "--as-group", "system:masters")
    assert kubectl(*request, "--audience", audience, *kubelet).count(".") == 2
    assert kubectl(*request, "--audience", "vault").count(".") == 2
    assert kubectl(*request).count(".") == 2


def test_pods_that_have_nothing_to_do_with_it_are_accepted(kubectl: Kubectl):
    plain = named(pod(volumes=[{"name": "k", "secret": {"secretName": "mine"}}], hostPID=True))
    assert refused(kubectl, plain, "plain") == ""
    assert refused(kubectl, named(pod(), **{LABEL: "disabled"}), "support") == ""
    # Exempt, whatever it holds.
    assert refused(kubectl, named(pod(container("tabard"))), "kube-system") == ""


def changed(change: Any, chosen: InjectorSettings = SETTINGS) -> dict[str, Any]:
    document = injected(chosen=chosen)
    change(document["spec"])
    return document


def mounting(chosen: InjectorSettings = SETTINGS, **mount: Any) -> dict[str, Any]:
    return changed(lambda spec: spec["containers"][0]["volumeMounts"].append(mount), chosen)


def volume(**source: Any) -> dict[str, Any]:
    return {"name": "k", **source}


KEYS = volume(secret={"secretName": "tabard-keys"})
PROJECTED = volume(projected={"sources": [{"secret": {"name": "tabard-keys"}}]})
TOKEN = volume(projected={"sources": [{"serviceAccountToken": {"path": "t", "audience": "tabard"}}]})
CONTROL_TOKEN = volume(
    projected={"sources": [{"serviceAccountToken": {"path": "t", "audience": "tabard-control"}}]}
)
VAULT_TOKEN = volume(
    projected={"sources": [{"serviceAccountToken": {"path": "t", "audience": "tabard-vault"}}]}
)
VARIABLE = {"name": "K", "valueFrom": {"secretKeyRef": {"name": "tabard-keys", "key": "k"}}}
FILE = {
    "name": "K",
    "valueFrom": {"fileKeyRef": {"volumeName": "tabard-keyring", "path": "ring", "key": "k"}},
}
REFUSED = {
    "no sidecar in a labelled namespace": (
        "support",
        named(pod()),
        "has no sidecar although a label wants one",
    ),
    "no sidecar in a labelled pod": ("plain", named(pod(), **{LABEL: "enabled"}), "has no sidecar"),
    "a sidecar of one's own": ("plain", injected(), "one that no label wants"),
    "another image": (
        "support",
        changed(lambda spec: spec["initContainers"][1].update(image="x")),
        "image is that",
    ),
    "our name": ("plain", named(pod(container("tabard"))), "are the injector's; rename the container"),
    "private volume": ("support", mounting(name="tabard-keyring", mountPath="/k"), "mounts a private volume"),
    "operator socket": (
        "support",
        mounting(name="tabard-operator", mountPath="/o"),
        "mounts a private volume",
    ),
    "socket for writing": (
        "support",
        mounting(name="tabard-agent", mountPath="/w"),
        "agents' volume for writing",
    ),
    "shared processes": (
        "support",
        changed(lambda spec: spec.update(shareProcessNamespace=True)),
        "share processes",
    ),
    "keys of an injected pod": (
        "support",
        changed(lambda spec: spec["volumes"].append(KEYS)),
        "holds the zone's keys",
    ),
    "keys of any pod": ("plain", named(pod(volumes=[KEYS])), "holds the zone's keys"),
    "passwords of any pod": (
        "plain",
        named(pod(volumes=[volume(secret={"secretName": FILES})])),
        "other secrets of the sidecar",
    ),
    "passwords in a variable": (
        "plain",
        named(pod(container(envFrom=[{"secretRef": {"name": FILES}}]))),
        "other secrets or files of the sidecar into its environment",
    ),
    "keys to pull images with": (
        "plain",
        named(pod(imagePullSecrets=[{"name": "tabard-keys"}])),
        "can't be pulled with the zone's keys",
    ),
    "keys projected": ("plain", named(pod(volumes=[PROJECTED])), "holds the zone's keys"),
    "keys under our volume's name": (
        "plain",
        named(pod(volumes=[{**KEYS, "name": "tabard-keys"}])),
        "holds the zone's keys",
    ),
    "token of any pod": ("plain", named(pod(volumes=[TOKEN])), "a token with the sidecar's audience"),
    "token for the control service of any pod": (
        "plain",
        named(pod(volumes=[CONTROL_TOKEN])),
        "a token with the sidecar's audience",
    ),
    "token for the control service of an injected pod": (
        "support",
        changed(lambda spec: spec["volumes"].append(CONTROL_TOKEN)),
        "a token with the sidecar's audience",
    ),
    "token for a vault of any pod": (
        "plain",
        named(pod(volumes=[VAULT_TOKEN])),
        "a token with the sidecar's audience",
    ),
    "token under our volume's name": (
        "plain",
        named(pod(volumes=[{**CONTROL_TOKEN, "name": "tabard-control"}])),
        "a token with the sidecar's audience",
    ),
    "volume of the control service": (
        "support",
        mounting(CONTROLLED, name="tabard-control", mountPath="/c"),
        "mounts a private volume",
    ),
    "volume of the Workload API": (
        "support",
        mounting(IDENTIFIED, name="tabard-spiffe", mountPath="/c", readOnly=True),
        "mounts a private volume",
    ),
    "keys in a variable": (
        "plain",
        named(pod(container(env=[VARIABLE]))),
        "of the sidecar into its environment",
    ),
    "keys in all variables": (
        "plain",
        named(pod(container(envFrom=[{"secretRef": {"name": "tabard-keys"}}]))),
        "of the sidecar into its environment",
    ),
    "keys in a variable of an init container": (
        "plain",
        named(pod(initContainers=[container("i", env=[VARIABLE])])),
        "of the sidecar into its environment",
    ),
    "keys in a variable of a container with our name": (
        "plain",
        named(pod(initContainers=[container("tabard-prepare", env=[VARIABLE])])),
        "one that no label wants",
    ),
    "a file of our volume in a variable": (
        "support",
        changed(lambda spec: spec["containers"][0].update(env=[FILE])),
        "files of the sidecar into its environment",
    ),
    "the node's pods": (
        "support",
        changed(lambda spec: spec["volumes"].append(volume(hostPath={"path": "/var/lib/kubelet/pods"}))),
        "files of the node",
    ),
    "the whole node": (
        "support",
        changed(lambda spec: spec["volumes"].append(volume(hostPath={"path": "/"}))),
        "files of the node",
    ),
    "the node's pods, written otherwise": (
        "support",
        changed(lambda spec: spec["volumes"].append(volume(hostPath={"path": "/var//lib/kubelet"}))),
        "files of the node",
    ),
    "privileged": (
        "support",
        changed(lambda spec: spec["containers"][0].update(securityContext={"privileged": True})),
        "rights of the node",
    ),
    "a capability of the node": (
        "support",
        changed(
            lambda spec: spec["containers"][0].update(
                securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}
            )
        ),
        "rights of the node",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_way_around_is_refused(kubectl: Kubectl, case: str):
    namespace, document, reason = REFUSED[case]
    assert reason in refused(kubectl, document, namespace)


@pytest.mark.parametrize("kind", SECRET_FIELDS)
@pytest.mark.parametrize("secret", ["tabard-keys", FILES])
def test_no_driver_of_a_volume_gets_the_keys(kubectl: Kubectl, kind: str, secret: str):
    """Of any pod: what a driver gets, it may send to an address that the pod names."""
    document = named(pod(volumes=[{"name": "k", **secret_volume(kind, secret)}]))
    assert "holds the zone's keys" in refused(kubectl, document, "plain")
    mine = named(pod(volumes=[{"name": "k", **secret_volume(kind, "mine")}]))
    assert refused(kubectl, mine, "plain") == ""


@pytest.fixture(scope="module")
def running(kubectl: Kubectl) -> str:
    """Name of an injected pod that exists."""
    apply(kubectl, injected(named(pod(), "running")), "--namespace", "support")
    return "running"


def test_an_update_cant_change_the_sidecar(kubectl: Kubectl, running: str):
    """The image of an init container may be changed in a pod that runs, as far as Kubernetes is concerned."""
    change = {"spec": {"initContainers": [{"name": "tabard", "image": "x"}]}}
    assert "can't be changed" in patch(kubectl, running, change)
    for value in ("disabled", "enabled"):
        assert f"the label {LABEL} of a pod" in patch(
            kubectl, running, {"metadata": {"labels": {LABEL: value}}}
        )
    assert "patched" in patch(kubectl, running, {"metadata": {"labels": {"app": "x"}}})
    assert "patched" in patch(kubectl, running, {"spec": {"containers": [{"name": "agent", "image": "y"}]}})


def test_what_the_sidecar_may_use_cant_be_changed(kubectl: Kubectl, running: str):
    """In a pod that runs, Kubernetes lets a resize change it; the agent's may change."""
    larger = {"resources": {"requests": {"memory": "300Mi"}, "limits": {"memory": "64Gi"}}}
    ours = {"spec": {"initContainers": [{"name": "tabard", **larger}]}}
    assert "can't be changed" in patch(kubectl, running, ours, "--subresource", "resize")
    theirs = {"spec": {"containers": [{"name": "agent", "resources": {"requests": {"cpu": "20m"}}}]}}
    assert "can't be changed" not in patch(kubectl, running, theirs, "--subresource", "resize")


def test_other_files_of_the_node_are_accepted(kubectl: Kubectl):
    logs = changed(lambda spec: spec["volumes"].append(volume(hostPath={"path": "/var/log/app"})))
    assert refused(kubectl, logs, "support") == ""


@pytest.mark.parametrize(
    "more",
    [
        {"volumeMounts": [{"name": "tabard-keyring", "mountPath": "/k"}]},
        {"targetContainerName": "tabard"},
        {"env": [VARIABLE]},
        {"env": [FILE]},
    ],
    ids=["mount", "processes", "keys", "files"],
)
def test_an_ephemeral_container_cant_look_inside(kubectl: Kubectl, running: str, more: dict[str, Any]):
    change = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "x", **more}]}}
    said = patch(kubectl, running, change, "--subresource", "ephemeralcontainers")
    assert "an ephemeral container can't mount" in said


def test_an_ephemeral_container_has_no_rights_of_the_node(kubectl: Kubectl, running: str):
    debug = {"name": "debug", "image": "x", "securityContext": {"privileged": True}}
    change = {"spec": {"ephemeralContainers": [debug]}}
    assert "rights of the node" in patch(kubectl, running, change, "--subresource", "ephemeralcontainers")


def test_an_ephemeral_container_beside_the_agent_is_accepted(kubectl: Kubectl, running: str):
    debug = {"name": "debug", "image": "x", "targetContainerName": "agent"}
    change = {"spec": {"ephemeralContainers": [debug]}}
    assert "patched" in patch(kubectl, running, change, "--subresource", "ephemeralcontainers")


def test_no_command_runs_in_the_sidecar(kubectl: Kubectl, running: str):
    """With the agent's container it gets as far as the node, of which there is none here."""
    name = ("--namespace", "support", running)
    for verb, more in (("exec", ("--", "sh")), ("attach", ())):
        for ours in ("tabard", "tabard-prepare"):
            assert "no command may run in the sidecar" in kubectl(verb, *name, "-c", ours, *more, check=False)
        said = kubectl(verb, *name, "-c", "agent", *more, check=False)
        assert "no command may run" not in said
        assert "host" in said or "not running" in said or "running" in said


def test_a_pod_of_a_former_version_can_still_be_changed(kubectl: Kubectl, running: str):
    """After an upgrade of the image in the policy: labels, finalizers and the like of pods that run."""
    document = json.loads(kubectl("get", "validatingadmissionpolicy", "tabard-pods", "--output", "json"))
    text = json.dumps(document["spec"]).replace(SETTINGS.sidecar.image, "registry.example.org/newer:1")
    body = {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "metadata": {"name": "tabard-pods"},
    }
    apply(kubectl, {**body, "spec": json.loads(text)})
    try:
        eventually_blocking(lambda: "image is that" in refused(kubectl, injected(), "support"))
        assert "patched" in patch(kubectl, running, {"metadata": {"labels": {"app": "z"}}})
    finally:
        apply(kubectl, {**body, "spec": document["spec"]})
