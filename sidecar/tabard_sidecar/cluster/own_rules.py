"""Rules of the API server for the ServiceAccount with which a cluster is examined: it tries, and nothing comes of it.

RBAC can't limit a right to dry runs, and a dry run of a TokenRequest gives out a token. So these rules do.
"""

from __future__ import annotations

import json
from typing import Any

from tabard_sidecar.cluster.api import Api
from tabard_sidecar.cluster.comparing import differences
from tabard_sidecar.cluster.model import RULES
from tabard_sidecar.injector.admission_policy import API, binding, rule
from tabard_sidecar.injector.conf import SidecarConfig
from tabard_sidecar.kubernetes.api import ApiError

DOCTOR = "tabard-doctor"
"""Name of the ServiceAccount that the chart makes."""
NO_OBJECT = "00000000-0000-0000-0000-000000000000"
"""UID that no object has: a token that is bound to it is never given out."""
_TRIES, _TOKENS = "tabard-doctor-tries", "tabard-doctor-tokens"


def own_rules(namespace: str, sidecar: SidecarConfig) -> list[dict[str, Any]]:
    """Return the policies and their bindings.

    Args:
        namespace: the ServiceAccount's.
        sidecar: names the Secrets of which the examination asks whether they exist; a try of another one says nothing of it.
    """
    secrets = json.dumps([sidecar.keys_secret, *([sidecar.files_secret] if sidecar.files_secret else [])])
    named = f"has(object.metadata.name) && object.metadata.name in {secrets}"
    tries = f'has(request.dryRun) && request.dryRun && (request.resource.resource != "secrets" || {named})'
    bound = (
        "has(object.spec.boundObjectRef) && has(object.spec.boundObjectRef.uid) && "
        f'object.spec.boundObjectRef.uid == "{NO_OBJECT}"'
    )
    return [
        _policy(
            _TRIES,
            namespace,
            ["pods", "secrets"],
            tries,
            "tabard doctor tries objects and stores none, and Secrets of the sidecars' names only",
        ),
        binding(_TRIES),
        _policy(_TOKENS, namespace, ["serviceaccounts/token"], bound, "tabard doctor gets no token"),
        binding(_TOKENS),
    ]


async def binds_doctor(api: Api, namespace: str, sidecar: SidecarConfig) -> bool:
    """Return whether the rules are in place as they are shipped.

    Raises:
        ApiError: they can't be read.
    """
    for one in own_rules(namespace, sidecar):
        place = f"/apis/{API}/{RULES[one['kind']]}/{one['metadata']['name']}"
        try:
            found = await api.get(place)
        except ApiError as error:
            if error.missing:
                return False
            raise
        if any(differences(one["spec"], found.get("spec"))):
            return False
    return True


def _policy(name: str, namespace: str, resources: list[str], expression: str, message: str) -> dict[str, Any]:
    user = f"system:serviceaccount:{namespace}:{DOCTOR}"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "matchPolicy": "Equivalent",
            "namespaceSelector": {},
            "objectSelector": {},
            "resourceRules": [rule(resources, ["CREATE"])],
        },
        "matchConditions": [{"name": "the-doctor", "expression": f'request.userInfo.username == "{user}"'}],
        "validations": [{"expression": expression, "message": message, "reason": "Forbidden"}],
    }
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
