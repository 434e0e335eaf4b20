"""Finds what would let an agent reach its own sidecar's secrets or take its place."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.names import (
    HTTP_PORT,
    LABEL,
    NODE_CAPABILITIES,
    NODE_FOLDERS,
    PREFIX,
    SECRET_FIELDS,
    SHARED,
    SPIFFE_VOLUME,
    VOLUMES,
)
from tabard_sidecar.injector.pod import Object, Pod, objects
from tabard_sidecar.injector.refusal import Refusal, quoted

_MIRROR = "kubernetes.io/config.mirror"
_LEAVE = f"label the pod {LABEL}=disabled"


def check_hazards(pod: Pod, settings: InjectorSettings, http_port: int) -> None:
    """Check everything in a pod that isn't the injector's.

    Raises:
        Refusal: a part of it would undo what keeps an agent and its sidecar apart.
    """
    if _MIRROR in pod.annotations:
        raise Refusal(f"a static pod can't get a sidecar, because the API server can't change it; {_LEAVE}")
    if pod.spec.get("os") is not None and pod.spec["os"] != {"name": "linux"}:
        raise Refusal(f"the sidecar runs on Linux only; {_LEAVE}")
    for field, why in SHARED.items():
        if pod.spec.get(field):
            raise Refusal(f"spec.{field} is set: {why}; remove it")
    _check_image_secrets(pod, settings.private_secrets)
    for place in pod.foreign():
        if place.ours:
            raise Refusal(f"the name of the container {place.name} is the injector's; rename the container")
        for port in place.container.get("ports") or ():
            if port.get("containerPort") == http_port or port.get("name") == HTTP_PORT:
                raise Refusal(
                    f"container {quoted(place.name)} uses the sidecar's port {http_port} or its name {HTTP_PORT}; set the "
                    f"annotation {PREFIX}http-port, or rename the port"
                )
        _check_secrets(place.name, place.container, settings.private_secrets)
        _check_rights(place.name, place.container)


def _check_image_secrets(pod: Pod, private: tuple[str, ...]) -> None:
    for reference in objects(pod.spec, "imagePullSecrets", "spec"):
        name = reference.get("name")
        if name in private:
            raise Refusal(
                f"spec.imagePullSecrets names the zone's keys or other secrets of the sidecar (Secret {name}); use another Secret"
            )


def check_foreign_volume(volume: Object, settings: InjectorSettings) -> None:
    """Check a volume that isn't the injector's.

    Raises:
        Refusal: it holds the zone's keys, or a token that proves the sidecar's identity.
    """
    name, private = quoted(volume["name"]), settings.private_secrets
    projected = volume.get("projected")
    sources = projected.get("sources") if isinstance(projected, Mapping) else None
    for source in [volume, *(sources if isinstance(sources, list) else ())]:
        for secret in _secrets_of(source):
            if secret in private:
                raise Refusal(
                    f"volume {name} holds the zone's keys or other secrets of the sidecar (Secret {secret}); remove it: only "
                    "the sidecar may have them"
                )
        audience = _field(source, "serviceAccountToken", "audience")
        if audience in settings.private_audiences:
            raise Refusal(
                f"volume {name} holds a token with the sidecar's audience {quoted(str(audience))}; use another audience"
            )


def _secrets_of(source: object) -> Iterator[object]:
    """Yield the names of the Secrets that a volume, or one source of a projected volume, uses."""
    yield _field(source, "secret", "name")
    for kind, field in SECRET_FIELDS.items():
        yield _field(source, kind, field)
        yield _field(source, kind, field, "name")


def check_node_files(volume: Object) -> None:
    """Check that a volume isn't a folder of the node with the sidecar's secrets.

    Raises:
        Refusal: it is, holds one, or is in one.
    """
    path = _field(volume, "hostPath", "path")
    if not isinstance(path, str):
        return
    plain = posixpath.normpath(f"/{path}").replace("//", "/").rstrip("/")
    for folder in NODE_FOLDERS:
        if f"{plain}/".startswith(f"{folder}/") or folder.startswith(f"{plain}/"):
            raise Refusal(
                f"volume {quoted(volume['name'])} holds files of the node ({folder}) among which the sidecar's secrets are; "
                "remove the volume"
            )


def check_workload_api(volumes: Iterable[Object], settings: InjectorSettings) -> None:
    """Check that only the sidecar of a pod whose identity is an SVID can ask for one.

    Raises:
        Refusal: another volume holds the Workload API's socket.
    """
    driver = settings.spiffe.driver
    for volume in volumes:
        if volume["name"] != SPIFFE_VOLUME and _field(volume, "csi", "driver") == driver:
            raise Refusal(
                f"volume {quoted(volume['name'])} holds the Workload API's socket ({driver}), where a container could get the "
                "sidecar's SVID; remove it, or set spiffe.agents_may_ask of the injector if registrations tell containers apart"
            )


def _check_rights(name: str, container: Object) -> None:
    added = _field(container, "securityContext", "capabilities", "add")
    wanted = {str(one).upper().removeprefix("CAP_") for one in added} if isinstance(added, list) else set()
    if _field(container, "securityContext", "privileged") is True or wanted & NODE_CAPABILITIES:
        raise Refusal(
            f"container {quoted(name)} is privileged, or has capabilities of the node, so it could read the sidecar's "
            f"secrets; remove that, or {_LEAVE}"
        )


def _check_secrets(name: str, container: Object, private: tuple[str, ...]) -> None:
    for reference in _references(container):
        if reference in private:
            raise Refusal(
                f"container {quoted(name)} reads the zone's keys or other secrets of the sidecar (Secret {reference}) into "
                "its environment; remove it"
            )
    for entry in container.get("env") or ():
        if _field(entry.get("valueFrom"), "fileKeyRef", "volumeName") in VOLUMES:
            raise Refusal(
                f"container {quoted(name)} reads a file of the sidecar's volumes into its environment; remove it"
            )


def _references(container: Object) -> Iterator[Any]:
    """Yield the names of the Secrets in a container's environment."""
    for entry in container.get("env") or ():
        yield _field(entry.get("valueFrom"), "secretKeyRef", "name")
    for entry in container.get("envFrom") or ():
        yield _field(entry, "secretRef", "name")


def _field(holder: object, *path: str) -> object:
    for step in path:
        holder = holder.get(step) if isinstance(holder, Mapping) else None
    return holder
