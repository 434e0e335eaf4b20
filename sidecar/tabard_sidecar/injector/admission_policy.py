"""The ValidatingAdmissionPolicies that refuse what goes around the injector.

The API server evaluates them itself, after every webhook, on the object that it would store: they hold whether or not the
injector runs, and for what other webhooks did.
"""

from __future__ import annotations

import json
from typing import Any

from tabard_sidecar.injector import names
from tabard_sidecar.injector.conf import InjectorSettings

API = "admissionregistration.k8s.io/v1"
_PODS, _EXEC, _TOKENS = "tabard-pods", "tabard-exec", "tabard-tokens"
_STATUS, _BINDINGS = "tabard-pods-status", "tabard-pods-binding"
_PRIVATE = sorted(names.VOLUMES - {names.AGENT_VOLUME})
_UNPRIVILEGED = (
    "!has(c.securityContext) || !(has(c.securityContext.privileged) && c.securityContext.privileged || "
    "has(c.securityContext.capabilities) && has(c.securityContext.capabilities.add) && "
    f'c.securityContext.capabilities.add.exists(a, a.upperAscii().replace("CAP_", "") in {json.dumps(sorted(names.NODE_CAPABILITIES))}))'
)


def admission_policies(settings: InjectorSettings) -> list[dict[str, Any]]:
    """Return the policies and their bindings."""
    return [
        _policy(
            _PODS,
            settings,
            _pods_rules(),
            _images(settings) | _variables(settings),
            _pod_validations(settings),
        ),
        binding(_PODS),
        _policy(_STATUS, settings, [rule(["pods/status"], ["UPDATE"])], _label_variables(), [_kept_label()]),
        binding(_STATUS),
        _policy(_BINDINGS, settings, [rule(["pods/binding", "bindings"], ["CREATE"])], {}, [_no_label()]),
        binding(_BINDINGS),
        _policy(_EXEC, settings, _exec_rules(), {}, _exec_validations()),
        binding(_EXEC),
        _policy(_TOKENS, settings, [rule(["serviceaccounts/token"], ["CREATE"])], {}, _tokens(settings)),
        binding(_TOKENS),
    ]


def _images(settings: InjectorSettings) -> dict[str, str]:
    """Return variables with the sidecar's image, and with those that injectors from before an upgrade still put in.

    They are data and nothing else: an upgrade of the chart reads them from the policy that it replaces.
    """
    former = dict(sorted(settings.sidecar.former_images.items()))
    return {"image": json.dumps(settings.sidecar.image), "former": json.dumps(former, separators=(",", ":"))}


def _variables(settings: InjectorSettings) -> dict[str, str]:
    """Return CEL expressions by name; each may use those before it."""
    label, disabled = json.dumps(names.LABEL), json.dumps(names.DISABLED)
    return {
        "creates": 'request.operation == "CREATE"',
        "secrets": json.dumps(settings.private_secrets),
        **_label_variables(),
        "volumes": "has(object.spec.volumes) ? object.spec.volumes : []",
        "others": "object.spec.containers + variables.inits.filter(c, !(c.name in variables.ours))",
        "space": f"has(namespaceObject.metadata.labels) && {label} in namespaceObject.metadata.labels && "
        f"namespaceObject.metadata.labels[{label}] != {disabled}",
        "wanted": f'variables.said != {disabled} && (variables.said != "" || variables.space)',
    }


def _label_variables() -> dict[str, str]:
    """Return the expressions that tell whether a pod has a sidecar, and what its label says."""
    label = json.dumps(names.LABEL)
    return {
        "ours": json.dumps(names.CONTAINERS),
        "inits": "has(object.spec.initContainers) ? object.spec.initContainers : []",
        "injected": "variables.inits.exists(c, c.name in variables.ours)",
        "said": f'has(object.metadata.labels) && {label} in object.metadata.labels ? object.metadata.labels[{label}] : ""',
    }


def _keys_or_token(settings: InjectorSettings) -> str:
    """Return whether a volume ``v`` uses the zone's keys, or a token that only the sidecar may have."""
    audiences = json.dumps(settings.private_audiences)
    kinds = " || ".join(_uses_secret(kind, field) for kind, field in names.SECRET_FIELDS.items())
    return (
        f"{kinds} || has(v.projected) && has(v.projected.sources) && v.projected.sources.exists(s, "
        "has(s.secret) && has(s.secret.name) && s.secret.name in variables.secrets || "
        f"has(s.serviceAccountToken) && has(s.serviceAccountToken.audience) && s.serviceAccountToken.audience in {audiences})"
    )


def _uses_secret(kind: str, field: str) -> str:
    place = f"v.{kind}.{field}"
    if field == "secretName":
        return f"has(v.{kind}) && has({place}) && {place} in variables.secrets"
    return f"has(v.{kind}) && has({place}) && has({place}.name) && {place}.name in variables.secrets"


def _pod_validations(settings: InjectorSettings) -> list[tuple[str, str]]:
    """Return expressions that must be true, and for each the message if it isn't."""
    return [*_of_the_sidecar(), *_of_other_containers(), *_of_secrets(settings)]


def _of_the_sidecar() -> list[tuple[str, str]]:
    shared = " || ".join(f"has(object.spec.{field}) && object.spec.{field}" for field in names.SHARED)
    kept_image = (
        "!variables.creates && has(oldObject.spec.initContainers) && "
        "oldObject.spec.initContainers.exists(o, o.name == c.name && o.image == c.image)"
    )
    # The API server writes the time of creation itself, whatever a request holds, before it asks here.
    former_image = (
        "variables.creates && c.image in variables.former && "
        "timestamp(object.metadata.creationTimestamp) < timestamp(variables.former[c.image])"
    )
    return [
        (
            "!variables.creates || variables.wanted == variables.injected",
            "the pod has no sidecar although a label wants one, or it has one that no label wants; see `tabard injector try`",
        ),
        _kept_label("variables.creates || "),
        (
            "object.spec.containers.all(c, !(c.name in variables.ours))",
            f"the names {', '.join(names.CONTAINERS)} are the injector's; rename the container",
        ),
        (
            f"variables.inits.all(c, !(c.name in variables.ours) || c.image == variables.image || {kept_image} || {former_image})",
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


def _of_other_containers() -> list[tuple[str, str]]:
    mounts = (
        f"!has(c.volumeMounts) || c.volumeMounts.all(m, !(m.name in {json.dumps(_PRIVATE)}) && "
        f"(m.name != {json.dumps(names.AGENT_VOLUME)} || has(m.readOnly) && m.readOnly))"
    )
    no_variable = (
        "!has(c.env) || c.env.all(e, !has(e.valueFrom) || (!has(e.valueFrom.secretKeyRef) || "
        "!(e.valueFrom.secretKeyRef.name in variables.secrets)) && (!has(e.valueFrom.fileKeyRef) || "
        f"!(e.valueFrom.fileKeyRef.volumeName in {json.dumps(sorted(names.VOLUMES))})))"
    )
    no_variables = (
        "!has(c.envFrom) || c.envFrom.all(e, !has(e.secretRef) || !(e.secretRef.name in variables.secrets))"
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
        (
            "!has(object.spec.imagePullSecrets) || object.spec.imagePullSecrets.all(s, !has(s.name) || !(s.name in variables.secrets))",
            "an image can't be pulled with the zone's keys or other secrets of the sidecar; use another Secret",
        ),
    ]


def _kept_label(unless: str = "") -> tuple[str, str]:
    """Return that an update leaves the label as it was; only for pods that have a sidecar."""
    label = json.dumps(names.LABEL)
    was = f'has(oldObject.metadata.labels) && {label} in oldObject.metadata.labels ? oldObject.metadata.labels[{label}] : ""'
    return (
        f"{unless}!variables.injected || variables.said == ({was})",
        f"the label {names.LABEL} of a pod can't be changed; create the pod again",
    )


def _no_label() -> tuple[str, str]:
    """Return that a binding brings no label: the API server copies a binding's labels to the pod."""
    label = json.dumps(names.LABEL)
    return (
        f"!has(object.metadata) || !has(object.metadata.labels) || !({label} in object.metadata.labels)",
        f"the label {names.LABEL} of a pod is set when it is created, not when it is bound to a node",
    )


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
    return [rule(["pods", "pods/ephemeralcontainers", "pods/resize"], ["CREATE", "UPDATE"])]


def _exec_rules() -> list[dict[str, Any]]:
    return [rule(["pods/exec", "pods/attach"], ["CONNECT"])]


def rule(resources: list[str], operations: list[str]) -> dict[str, Any]:
    """Return the rule of a policy for resources of the core API in namespaces."""
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
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}


def binding(name: str) -> dict[str, Any]:
    """Return the binding that has a policy of this name refuse, everywhere that it matches."""
    return {
        "apiVersion": API,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
