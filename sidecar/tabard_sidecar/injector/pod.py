"""Reads a pod as it came, plain JSON, without assuming any shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabard_sidecar.injector.names import CONTAINERS
from tabard_sidecar.injector.refusal import Refusal, quoted
from tabard_sidecar.util.lean import dataclass

Object = Mapping[str, Any]

INIT_CONTAINERS, APP_CONTAINERS = "initContainers", "containers"
_LISTS_OF_CONTAINER = ("volumeMounts", "env", "envFrom", "ports")


@dataclass(frozen=True, slots=True)
class Place:
    """One container of a pod.

    Attributes:
        kind: the list that holds it, a field of the pod's ``spec``.
        index: its place in that list.
        container: the container, whose lists are lists of objects.
    """

    kind: str
    index: int
    container: Object

    @property
    def name(self) -> str:
        """Name of the container."""
        return str(self.container["name"])

    @property
    def ours(self) -> bool:
        """Whether it is one of the injector's."""
        return self.name in CONTAINERS

    @property
    def pointer(self) -> str:
        """JSON Pointer of the container."""
        return f"/spec/{self.kind}/{self.index}"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod whose parts have the shapes that the injector looks at.

    Attributes:
        spec: the pod's ``spec``.
        labels: its labels.
        annotations: its annotations.
        containers: every container, init containers first.
        volumes: its volumes.
    """

    spec: Object
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Place, ...]
    volumes: Sequence[Object]

    def named(self, kind: str, name: str) -> Place | None:
        """Return the container of a name in one of the lists."""
        return next((one for one in self.containers if one.kind == kind and one.name == name), None)

    def foreign(self) -> Iterator[Place]:
        """Yield the containers that aren't the injector's."""
        return (one for one in self.containers if not (one.ours and one.kind == INIT_CONTAINERS))


def read_pod(document: object) -> Pod:
    """Return a pod whose shape was checked.

    Raises:
        Refusal: a part that the injector looks at has another shape than the API gives it.
    """
    pod = _object(document, "the pod")
    metadata = _object(pod.get("metadata") or {}, "metadata")
    spec = _object(pod.get("spec"), "spec")
    places = [
        Place(kind, index, _container(item, f"spec.{kind}[{index}]"))
        for kind in (INIT_CONTAINERS, APP_CONTAINERS)
        for index, item in enumerate(objects(spec, kind, "spec"))
    ]
    if not any(place.kind == APP_CONTAINERS for place in places):
        raise Refusal("spec.containers is empty")
    return Pod(
        spec,
        _texts(metadata, "labels"),
        _texts(metadata, "annotations"),
        tuple(places),
        [_named(item, "spec.volumes") for item in objects(spec, "volumes", "spec")],
    )


def objects(holder: Object, field: str, where: str) -> Sequence[Object]:
    """Return a list of objects; an absent one is empty.

    Raises:
        Refusal: it is something else.
    """
    items = holder.get(field)
    if items is None:
        return ()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Refusal(f"{where}.{field} isn't a list of objects")
    return items


def _container(item: Object, where: str) -> Object:
    _named(item, where)
    for field in _LISTS_OF_CONTAINER:
        objects(item, field, where)
    return item


def _named(item: Object, where: str) -> Object:
    if not isinstance(item.get("name"), str) or not item["name"]:
        raise Refusal(f"{where}: something has no name")
    return item


def _object(value: object, where: str) -> Object:
    if not isinstance(value, dict):
        raise Refusal(f"{where} isn't an object")
    return value


def _texts(metadata: Object, field: str) -> Mapping[str, str]:
    found = _object(metadata.get(field) or {}, f"metadata.{field}")
    for name, value in found.items():
        if not isinstance(value, str):
            raise Refusal(f"metadata.{field}: the value of {quoted(name)} isn't text")
    return found
