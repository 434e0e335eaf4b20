"""Examines labelled namespaces, and the pods that are to have a sidecar."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tabard_sidecar.cluster.api import Api, listed, named
from tabard_sidecar.cluster.model import Release, Space, dig, items, name_of, several
from tabard_sidecar.injector import names
from tabard_sidecar.kubernetes.api import ApiError, Object
from tabard_sidecar.util.findings import Finding, ok, problem, warning

_RESTARTS = 3
_ENDED = frozenset({"Succeeded", "Failed"})


async def check_spaces(api: Api, release: Release) -> list[Finding]:
    """Return whether each labelled namespace has the objects that a sidecar needs.

    Raises:
        ApiError: they can't be read.
    """
    found, good = [], 0
    for space in release.spaces:
        if not space.opted_in:
            continue
        lacks = [text async for text in _lacking(api, release, space)]
        good += not lacks
        if lacks:
            step = (
                "Create it; k8s/README.md says with what. Until then new pods of the namespace don't start."
            )
            found.append(problem("namespaces", f"{space.name} lacks {several(lacks)}", step))
    if good or not found:
        text = f"{good} have what sidecars need" if good else "none is labelled, so no pod gets a sidecar"
        found.insert(0, ok("namespaces", text))
    return found


async def _lacking(api: Api, release: Release, space: Space) -> AsyncIterator[str]:
    settings = release.settings
    wanted = [(settings.sidecar.config_maps[0], "tabard.yaml")]
    if settings.sidecar.policy_config_map is not None:
        wanted.append((settings.sidecar.policy_config_map, ""))
    if settings.control.url is not None:
        wanted.append((settings.control.ca_config_map, "ca.crt"))
    for name, key in wanted:
        try:
            data = (await api.get(named(space.name, "configmaps", name))).get("data") or {}
        except ApiError as error:
            if not error.missing:
                raise
            yield f"the ConfigMap {name}"
            continue
        if not data or (key and key not in data):
            yield f"{f'the key {key}' if key else 'every key'} in the ConfigMap {name}"
    keys = settings.sidecar.keys_secret if settings.control.url is None else None
    for secret in filter(None, (keys, settings.sidecar.files_secret)):
        if not await api.has(space.name, "secrets", secret):
            yield f"the Secret {secret}"


async def check_pods(api: Api, release: Release) -> list[Finding]:
    """Return whether the pods that are to have a sidecar have one, of the configured image, that works.

    Raises:
        ApiError: they can't be read.
    """
    without, older, ill, seen = [], [], [], 0
    async for pod in _opted_in(api, release):
        seen += 1
        name = f"{dig(pod, 'metadata', 'namespace')}/{name_of(pod)}"
        sidecars = [one for one in items(pod, "spec", "initContainers") if one.get("name") == names.SIDECAR]
        if not sidecars:
            without.append(name)
            continue
        if sidecars[0].get("image") != release.settings.sidecar.image:
            older.append(name)
        if _is_ill(pod):
            ill.append(name)
    found = []
    restart = "Restart what made them: kubectl --namespace NAMESPACE rollout restart deployment NAME"
    if without:
        text = f"{len(without)} have no sidecar: {several(without)}"
        found.append(problem("pods", text, f"They were created before the label. {restart}"))
    if older:
        text = f"{len(older)} have another image than {release.settings.sidecar.image}: {several(older)}"
        found.append(warning("pods", text, restart))
    if ill:
        step = "kubectl --namespace NAMESPACE logs POD --container tabard says why."
        found.append(problem("pods", f"the sidecar of {several(ill)} isn't ready or starts anew", step))
    return found or [ok("pods", f"{seen} are to have a sidecar and have it")]


async def _opted_in(api: Api, release: Release) -> AsyncIterator[Object]:
    """Yield the pods that are to have a sidecar and haven't ended."""
    opted_in = [space.name for space in release.spaces if space.opted_in]
    for space in opted_in:
        async for pod in listed(api, f"/api/v1/namespaces/{space}/pods"):
            if _label(pod) != names.DISABLED and dig(pod, "status", "phase") not in _ENDED:
                yield pod
    left_out = {*opted_in, *release.settings.exempt_namespaces}
    async for pod in listed(api, "/api/v1/pods", f"{names.LABEL},{names.LABEL}!={names.DISABLED}"):
        if dig(pod, "metadata", "namespace") not in left_out and dig(pod, "status", "phase") not in _ENDED:
            yield pod


def _label(pod: Object) -> str:
    return str(dig(pod, "metadata", "labels", names.LABEL) or "")


def _is_ill(pod: Object) -> bool:
    """Whether a kubelet says that the sidecar doesn't work; a pod that waits for its node isn't ill."""
    for status in items(pod, "status", "initContainerStatuses"):
        if status.get("name") == names.SIDECAR:
            restarts = status.get("restartCount")
            often = isinstance(restarts, int) and restarts >= _RESTARTS
            return often or (dig(pod, "status", "phase") == "Running" and status.get("ready") is not True)
    return False
