"""The ValidatingAdmissionPolicies that refuse what goes around the injector.

The API server evaluates them itself, after every webhook, on the object that it would store: they hold whether or not the
injector runs, and for what other webhooks did.
"""

from __future__ import annotations

import json
from typing import Any

from tabard_sidecar.injector import names
from tabard_sidecar.injector.conf import InjectorSettings

_API = "admissionregistration.k8s.io/v1"
_PODS, _EXEC, _TOKENS = "tabard-pods", "tabard-exec", "tabard-tokens"
_PRIVATE = sorted(names.VOLUMES - {names.AGENT_VOLUME})
_UNPRIVILEGED = (
    "!has(c.securityContext) || !(has(c.securityContext.privileged) && c.securityContext.privileged || "
    "has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add) && "
    f'c.securityContext.capabilities.add.exists(a, a.upperAscii().replace("CAP_", "") in {json.dumps(sorted(names.NODE_CAPABILITIES))}))'
)


def admission_policies(settings: InjectorSettings) -> list[dict[str, Any]]:
    """Return the policies and their bindings."""
    return [
        _policy(_PODS, settings, _pods_rules(), _variables(), _pod_validations(settings)),
        _binding(_PODS),
        _policy(_EXEC, settings, _exec_rules(), {}, _exec_validations()),
        _binding(_EXEC),
        _policy(_TOKENS, settings, [_rule(["serviceaccounts/token"], ["CREATE"])], {}, _tokens(settings)),
        _binding(_TOKENS),
    ]


def _variables() -> dict[str, str]:
    """Return CEL expressions by name; each may use those before it."""
    label, disabled = json.dumps(names.LABEL), json.dumps(names.DISABLED)
    return {
        "creates": 'request.operation == "CREATE"',
        "ours": json.dumps(names.CONTAINERS),
        "inits": "has(object.spec.initContainers) ? object.spec.initContainers : []",
        "volumes": "has(object.spec.volumes) ? object.spec.volumes : []",
        "others": "object.spec.containers + variables.inits.filter(c, !(c.name in variables.ours))",
        "injected": "variables.inits.exists(c, c.name in variables.ours)",
        "said": f'has(object.metadata.labels) && {label} in object.metadata.labels ? object.metadata.labels[{label}] : ""',
        "space": f"has(namespaceObject.metadata.labels) && {label} in namespaceObject.metadata.labels && "
        f"namespaceObject.metadata.labels[{label}] != {disabled}",
        "wanted": f'variables.said != {disabled} && (variables.said != "" || variables.space)',
    }


def _keys_or_token(settings: InjectorSettings) -> str:
    """Return whether a volume ``v`` holds the zone's keys, or a token that only the sidecar may have."""
    secrets, audiences = json.dumps(settings.private_secrets), json.dumps(settings.private_audiences)
    return (
        f"has(v.secret) && has(v.secret.secretName) && v.secret.secretName in {secrets} || "
        "has(v.projected) && has(v.projected.sources) && v.projected.sources.exists(s, "
        f"has(s.secret) && has(s.secret.name) && s.secret.name in {secrets} || "
        f"has(s.serviceAccountToken) && has(s.serviceAccountToken.audience) && s.serviceAccountToken.audience in {audiences})"
    )


def _pod_validations(settings: InjectorSettings) -> list[tuple[str, str]]:
    """Return expressions that must be true, and for each the message if it isn't."""
    return [*_of_the_sidecar(settings), *_of_other_containers(settings), *_of_secrets(settings)]


def _of_the_sidecar(settings: InjectorSettings) -> list[tuple[str, str]]:
    image = json.dumps(settings.sidecar.image)
    shared = " || ".join(f"has(object.spec.{field}) && object.spec.{field}" for field in names.SHARED)
    kept_image = (
        "!variables.creates && has(oldObject.spec.initContainers) && "
        "oldObject.spec.initContainers.exists(o, o.name == c.name && o.image == c.image)"
    )
    return [
        (
            "!variables.creates || variables.wanted == variables.injected",
            "the pod has no sidecar although a label wants one, or it has one that no label wants; see `tabard injector try`",
        ),
        (
            f"variables.creates || {_kept_label()}",
            f"the label {names.LABEL} of a pod can't be changed; create the pod again",
        ),
        (
            "object.spec.containers.all(c, !(c.name in variables.ours))",
            f"the names {', '.join(names.CONTAINERS)} are the injector's; rename the container",
        ),
        (
            f"variables.inits.all(c, !(c.name in variables.ours) || c.image == {image} || {kept_image})",
            "the sidecar's image is that of the injector's configuration and can't be changed",
        ),
        (
            (
                "variables.creates || variables.inits.all(c, !(c.name in variables.ours) || "
                "has(oldObject.spec.initContainers) && oldObject.spec.initContainers.exists(o, o.name == c.name && "
                "has(o.resources) == has(c.resources) && (!has(c.resources) || o.resources == c.resources)))"
            ),
            "what the sidecar may use is set by annotations when the pod is created, and can't be changed",
        ),
        (
            f"!variables.injected || !({shared})",
            "containers that share processes or the node's network could reach the sidecar's secrets; remove that",
        ),
        (
            f"!variables.creates || !variables.injected || variables.volumes.all(v, !has(v.hostPath) || !({_node()}))",
            "a volume holds files of the node among which the sidecar's secrets are; remove the volume",
        ),
        (
            (
                f"!variables.injected || (!variables.creates || variables.others.all(c, {_UNPRIVILEGED})) && "
                '(request.subResource != "ephemeralcontainers" || !has(object.spec.ephemeralContainers) || '
                f"object.spec.ephemeralContainers.all(c, {_UNPRIVILEGED}))"
            ),
            "a container with the rights of the node could read the sidecar's secrets; remove them",
        ),
    ]


def _node() -> str:
    """Return whether the host path of a volume ``v`` is, holds or is in a folder of the node with the sidecar's secrets.

    The API server accepts no path with ``..``; a path that is written in another unusual way is taken for one of those.
    """
    inside = f'{json.dumps(names.NODE_FOLDERS)}.exists(d, (v.hostPath.path + "/").startsWith(d + "/") || d.startsWith(v.hostPath.path))'
    return f'{inside} || v.hostPath.path.contains("//") || v.hostPath.path.contains("/./")'


def _of_other_containers(settings: InjectorSettings) -> list[tuple[str, str]]:
    secrets = json.dumps(settings.private_secrets)
    mounts = (
        f"!has(c.volumeMounts) || c.volumeMounts.all(m, !(m.name in {json.dumps(_PRIVATE)}) && "
        f"(m.name != {json.dumps(names.AGENT_VOLUME)} || has(m.readOnly) && m.readOnly))"
    )
    no_variable = (
        "!has(c.env) || c.env.all(e, !has(e.valueFrom) || (!has(e.valueFrom.secretKeyRef) || "
        f"!(e.valueFrom.secretKeyRef.name in {secrets})) && (!has(e.valueFrom.fileKeyRef) || "
        f"!(e.valueFrom.fileKeyRef.volumeName in {json.dumps(sorted(names.VOLUMES))})))"
    )
    no_variables = (
        f"!has(c.envFrom) || c.envFrom.all(e, !has(e.secretRef) || !(e.secretRef.name in {secrets}))"
    )
    return [
        (
            f"variables.others.all(c, {mounts})",
            "a container mounts a private volume of the sidecar, or the agents' volume for writing; remove the mount",
        ),
        (
            (
                f"!has(object.spec.ephemeralContainers) || object.spec.ephemeralContainers.all(c, ({mounts}) && "
                f"(!has(c.targetContainerName) || !(c.targetContainerName in variables.ours)) && ({no_variable}) && "
                f"({no_variables}))"
            ),
            "an ephemeral container can't mount the sidecar's volumes, read its keys or share its processes",
        ),
        (
            f"!variables.creates || variables.others.all(c, ({no_variable}) && ({no_variables}))",
            "a container reads the zone's keys, other secrets or files of the sidecar into its environment; remove that",
        ),
    ]


def _of_secrets(settings: InjectorSettings) -> list[tuple[str, str]]:
    own = json.dumps([names.KEYS_VOLUME, names.IDENTITY_VOLUME, names.CONTROL_VOLUME, names.FILES_VOLUME])
    return [
        (
            (
                f"!variables.creates || variables.volumes.all(v, variables.injected && v.name in {own} || "
                f"!({_keys_or_token(settings)}))"
            ),
            (
                "a volume holds the zone's keys or other secrets of the sidecar, or a token with the sidecar's audience; "
                "remove the volume"
            ),
        ),
    ]


def _kept_label() -> str:
    """Return whether an update leaves the label as it was; only for pods that have a sidecar."""
    label = json.dumps(names.LABEL)
    was = f'has(oldObject.metadata.labels) && {label} in oldObject.metadata.labels ? oldObject.metadata.labels[{label}] : ""'
    return f"!variables.injected || variables.said == ({was})"


def _exec_validations() -> list[tuple[str, str]]:
    ours = json.dumps(names.CONTAINERS)
    return [
        (
            f"!has(object.container) || !(object.container in {ours})",
            "no command may run in the sidecar's containers; `kubectl logs` shows what they say",
        )
    ]


def _tokens(settings: InjectorSettings) -> list[tuple[str, str]]:
    """Return what a TokenRequest must fulfil: only a kubelet asks for the tokens that it puts into the sidecar."""
    audiences = json.dumps(settings.private_audiences)
    kubelet = (
        'request.userInfo.username.startsWith("system:node:") && has(request.userInfo.groups) && '
        '"system:nodes" in request.userInfo.groups'
    )
    return [
        (
            f"!has(object.spec.audiences) || !object.spec.audiences.exists(a, a in {audiences}) || {kubelet}",
            "a token with the sidecar's audience is for the sidecar's containers only, and only a kubelet may ask for it",
        )
    ]


def _pods_rules() -> list[dict[str, Any]]:
    return [_rule(["pods", "pods/ephemeralcontainers", "pods/resize"], ["CREATE", "UPDATE"])]


def _exec_rules() -> list[dict[str, Any]]:
    return [_rule(["pods/exec", "pods/attach"], ["CONNECT"])]


def _rule(resources: list[str], operations: list[str]) -> dict[str, Any]:
    return {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": operations,
        "resources": resources,
        "scope": "Namespaced",
    }


def _policy(
    name: str,
    settings: InjectorSettings,
    rules: list[dict[str, Any]],
    variables: dict[str, str],
    validations: list[tuple[str, str]],
) -> dict[str, Any]:
    exempt = {"key": names.NAMESPACE_NAME, "operator": "NotIn", "values": list(settings.exempt_namespaces)}
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {"matchExpressions": [exempt]},
            "objectSelector": {},
            "resourceRules": rules,
        },
        "validations": [
            {"expression": expression, "message": message, "reason": "Forbidden"}
            for expression, message in validations
        ],
    }
    if variables:
        spec["variables"] = [
            {"name": name, "expression": expression} for name, expression in variables.items()
        ]
    return {"apiVersion": _API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}


def _binding(name: str) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
