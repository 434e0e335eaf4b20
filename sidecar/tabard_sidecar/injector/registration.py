"""The MutatingWebhookConfiguration that makes the API server ask the injector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.names import CONTAINERS, DISABLED, ENABLED, LABEL, NAMESPACE_NAME

NAME = "tabard-injector"
_TIMEOUT_SECONDS = 5
_HAS_OUR_NAMES = (
    "has(object.spec.initContainers) && "
    f"object.spec.initContainers.exists(c, c.name in {json.dumps(CONTAINERS)})"
)


def webhook_configuration(settings: InjectorSettings, client_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object. While no injector answers, pods that are to have a sidecar aren't created; all others are.

    Args:
        settings: the injector's configuration; its exempt namespaces are never asked about.
        client_config: ``url`` or ``service``, and ``caBundle``, as Kubernetes defines them. Without the last the injector
            writes it.
    """
    managed = settings.webhook.managed
    exempt = {"key": NAMESPACE_NAME, "operator": "NotIn", "values": list(settings.exempt_namespaces)}
    labelled = [{"key": LABEL, "operator": "Exists"}, _not_in(DISABLED)]
    of_namespaces = {
        "namespaceSelector": {"matchExpressions": [exempt, *labelled]},
        "objectSelector": {"matchExpressions": [_not_in(DISABLED)]},
    }
    of_pods = {
        "namespaceSelector": {"matchExpressions": [exempt, _not_in(ENABLED)]},
        # Any value but "disabled": the injector refuses one that it doesn't know.
        "objectSelector": {"matchExpressions": labelled},
    }
    # Who may change a namespace's label can do so between the choice of webhooks and the API server's own rules. So what
    # brings along our names is compared whatever the labels say; it comes first, since later every injected pod has them.
    of_names = {
        "namespaceSelector": {"matchExpressions": [exempt]},
        "objectSelector": {},
        "matchConditions": [{"name": "has-our-names", "expression": _HAS_OUR_NAMES}],
        "reinvocationPolicy": "Never",
    }
    common = _common(client_config)
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {
            "name": managed.webhook_configuration if managed else NAME,
            "labels": {"app.kubernetes.io/name": NAME},
        },
        "webhooks": [
            {"name": "names.inject.tabard.dev", **common, **of_names},
            {"name": "namespace.inject.tabard.dev", **common, **of_namespaces},
            {"name": "pod.inject.tabard.dev", **common, **of_pods},
        ],
    }


def _common(client_config: Mapping[str, Any]) -> dict[str, Any]:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["CREATE"],
        "resources": ["pods"],
        "scope": "Namespaced",
    }
    return {
        "admissionReviewVersions": ["v1"],
        "clientConfig": dict(client_config),
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "IfNeeded",
        "rules": [rule],
        "sideEffects": "None",
        "timeoutSeconds": _TIMEOUT_SECONDS,
    }


def _not_in(value: str) -> dict[str, Any]:
    return {"key": LABEL, "operator": "NotIn", "values": [value]}
