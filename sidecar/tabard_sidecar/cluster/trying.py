"""Has the API server try pods and tokens without storing them: what it does counts, not what it is told to do."""

from __future__ import annotations

from typing import Any

from tabard_sidecar.cluster.api import Api
from tabard_sidecar.cluster.model import Release, items, unreadable
from tabard_sidecar.cluster.own_rules import NO_OBJECT
from tabard_sidecar.injector import names
from tabard_sidecar.injector.conf import MIN_TOKEN_SECONDS
from tabard_sidecar.kubernetes.api import ApiError, Object
from tabard_sidecar.util.findings import Finding, ok, problem

_POD = "tabard-doctor"
_NOTHING = {"apiVersion": "v1", "kind": "Secret", "name": "tabard-doctor-none", "uid": NO_OBJECT}
"""What a token is to be bound to that must never be given out, not even by a dry run."""
_MOST_SPACES = 3
_ELSEWHERE = "default"


async def check_injection(api: Api, release: Release) -> list[Finding]:
    """Return whether new pods get their sidecar."""
    spaces = [space.name for space in release.spaces if space.opted_in][:_MOST_SPACES]
    found = [await _injected(api, release, space, {}) for space in spaces]
    # A pod's own label is what the second webhook sees.
    elsewhere = next((one.name for one in release.spaces if not one.opted_in), _ELSEWHERE)
    return [*found, await _injected(api, release, elsewhere, {names.LABEL: names.ENABLED})]


async def _injected(api: Api, release: Release, namespace: str, labels: dict[str, str]) -> Finding:
    what = "injection"
    how = f"a pod with the label in {namespace}" if labels else f"a pod of {namespace}"
    try:
        stored = await api.try_create(f"/api/v1/namespaces/{namespace}/pods", _pod(labels))
    except ApiError as error:
        return _not_injected(how, release, error)
    sidecars = [one for one in items(stored, "spec", "initContainers") if one.get("name") == names.SIDECAR]
    if not sidecars:
        step = "See what is said of webhook and rules; restart pods that were created meanwhile."
        return problem(what, f"{how} would be created without its sidecar", step)
    image, wanted = sidecars[0].get("image"), release.settings.sidecar.image
    if image != wanted:
        step = f"kubectl --namespace {release.namespace} rollout restart deployment tabard-injector"
        return problem(what, f"{how} would get {image}, configured is {wanted}", step)
    return ok(what, f"{how} would get its sidecar")


def _not_injected(how: str, release: Release, error: ApiError) -> Finding:
    what, text = "injection", str(error)
    if "failed calling webhook" not in text:
        if names.SIDECAR in text and _denied(error):
            step = "An upgrade is under way, or another webhook changes pods after the injector."
            return problem(what, f"{how} is refused: {text}", step)
        return unreadable(what, error)
    logs = f"kubectl --namespace {release.namespace} logs deployment/tabard-injector"
    if "x509" in text or "tls" in text:
        step = f"The injector's certificate isn't of the webhook's authority, or has expired: {logs}"
    else:
        step = f"The injector isn't reached. Check its pods, Service and NetworkPolicy: {logs}"
    return problem(what, f"{how} isn't created: {text}", step)


async def check_refusals(api: Api, release: Release) -> list[Finding]:
    """Return whether the API server itself refuses a pod and a token that it has to refuse."""
    opted_in = [space.name for space in release.spaces if space.opted_in]
    namespace = opted_in[0] if opted_in else _ELSEWHERE
    keys = {"name": "keys", "secret": {"secretName": release.settings.sidecar.keys_secret, "optional": True}}
    stolen = _pod({names.LABEL: names.DISABLED}, volumes=[keys])
    audience = release.settings.cluster.audience
    token = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": [audience], "expirationSeconds": MIN_TOKEN_SECONDS, "boundObjectRef": _NOTHING},
    }
    place = f"/api/v1/namespaces/{namespace}"
    return [
        await _refused(api, f"{place}/pods", stolen, f"a pod of {namespace} that mounts the zone's keys"),
        await _refused(
            api,
            f"{place}/serviceaccounts/default/token",
            token,
            f"a token of {namespace} with the sidecar's audience",
        ),
    ]


async def _refused(api: Api, path: str, document: Object, how: str) -> Finding:
    what = "refusals"
    try:
        await api.try_create(path, document)
    except ApiError as error:
        if _denied(error):
            return ok(what, f"{how} is refused")
        if not _unbound(error):
            return unreadable(what, error)
    step = "See what is said of rules; the API server takes some seconds to follow a change of them."
    return problem(what, f"{how} isn't refused", step)


def _unbound(error: ApiError) -> bool:
    """Return whether a token wasn't given out only because there is nothing that it could be bound to."""
    return (error.missing or error.conflict) and f'"{_NOTHING["name"]}"' in str(error)


def _denied(error: ApiError) -> bool:
    return "ValidatingAdmissionPolicy 'tabard-" in str(error)


def _pod(labels: dict[str, str], **spec: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a pod
    """Return a pod that a namespace with the restricted standard and a quota accepts."""
    amounts = {"cpu": "1m", "memory": "1Mi"}
    container = {
        "name": "agent",
        "image": "registry.example.org/none:none",
        "resources": {"requests": amounts, "limits": amounts},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _POD, "labels": labels},
        "spec": {"containers": [container], "securityContext": security, **spec},
    }
