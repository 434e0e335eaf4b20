"""Computes the JSON Patch (RFC 6902) that gives a pod its sidecar.

A pure function of the pod and the configuration. The patch only adds: it replaces no list and no value of the pod's, so what
other webhooks did stays, and fields that this version doesn't know are never lost. What is there already, and is as it should
be, isn't added again, so the patch of a patched pod is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tabard_sidecar.injector import names
from tabard_sidecar.injector.annotations import Tuning, tuned
from tabard_sidecar.injector.comparing import difference
from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.containers import (
    agent_mount,
    agent_variable,
    init_containers,
    volumes,
)
from tabard_sidecar.injector.hazards import (
    check_foreign_volume,
    check_hazards,
    check_node_files,
    check_workload_api,
)
from tabard_sidecar.injector.pod import APP_CONTAINERS, INIT_CONTAINERS, Object, Place, Pod, read_pod
from tabard_sidecar.injector.refusal import Refusal, quoted

Operation = dict[str, Any]


def inject(document: object, settings: InjectorSettings) -> list[Operation]:
    """Return the patch for a pod that is to have a sidecar; empty if it has one, or its label says that it gets none.

    Args:
        document: the pod as the API server sent it.
        settings: the injector's configuration.

    Raises:
        Refusal: the pod can't get a sidecar as it is.
    """
    pod = read_pod(document)
    label = pod.labels.get(names.LABEL, names.ENABLED)
    if label == names.DISABLED:
        return []
    if label != names.ENABLED:
        raise Refusal(
            f"the label {names.LABEL} is {quoted(label)}; write {names.ENABLED} or {names.DISABLED}"
        )
    tuning = tuned(pod.annotations, settings.sidecar)
    check_hazards(pod, settings, tuning.http_port)
    # Also beside a sidecar with another identity: the SVID is that of the pod's workload.
    if names.SPIFFE in settings.sidecar.identities and not settings.spiffe.agents_may_ask:
        check_workload_api(pod.volumes, settings)
    return [
        *_volumes(pod, settings, tuning),
        *(operation for place in _agents(pod, tuning) for operation in _agent(place)),
        # Last: they move the places of other init containers.
        *_init_containers(pod, settings, tuning),
    ]


def _volumes(pod: Pod, settings: InjectorSettings, tuning: Tuning) -> Iterator[Operation]:
    wanted = {volume["name"]: volume for volume in volumes(settings, tuning)}
    there = set()
    for volume in pod.volumes:
        name = volume["name"]
        if name not in wanted:
            check_foreign_volume(volume, settings)
            check_node_files(volume)
        elif place := difference(wanted[name], volume):
            raise Refusal(
                f"the name of the volume {name} is the injector's, and its field {quoted(place)} isn't; rename it"
            )
        else:
            there.add(name)
    missing = [volume for name, volume in wanted.items() if name not in there]
    yield from _append("/spec/volumes", missing, exists=pod.spec.get("volumes") is not None)


def _agents(pod: Pod, tuning: Tuning) -> list[Place]:
    """Return the containers that are agents.

    Raises:
        Refusal: one that the annotation names doesn't exist, or another one mounts a volume of the injector's.
    """
    foreign = list(pod.foreign())
    if tuning.containers is None:
        chosen = [place for place in foreign if place.kind == APP_CONTAINERS]
    else:
        chosen = [place for place in foreign if place.name in tuning.containers]
        for name in tuning.containers:
            if not any(place.name == name for place in chosen):
                raise Refusal(
                    f"the annotation {names.PREFIX}containers names {quoted(name)}, and the pod has no such container"
                )
    for place in foreign:
        for mount in place.container.get("volumeMounts") or ():
            _check_mount(place, mount, allowed=place in chosen)
    return chosen


def _check_mount(place: Place, mount: Object, *, allowed: bool) -> None:
    if mount.get("name") in names.VOLUMES and not (allowed and mount == agent_mount()):
        raise Refusal(
            f"container {quoted(place.name)} mounts the injector's volume {mount['name']}; remove the mount: the injector "
            "gives agents what they need"
        )
    path = mount.get("mountPath")
    if allowed and isinstance(path, str) and mount.get("name") not in names.VOLUMES:
        steps = [step for step in path.split("/") if step not in {"", "."}]
        if f"/{'/'.join(steps)}" == names.AGENT_DIRECTORY:
            raise Refusal(
                f"container {quoted(place.name)} mounts another volume at {names.AGENT_DIRECTORY}; use another path"
            )


def _agent(place: Place) -> Iterator[Operation]:
    """Yield what gives a container the socket and the variable that names it."""
    mounts = place.container.get("volumeMounts")
    if agent_mount() not in (mounts or ()):
        yield from _append(f"{place.pointer}/volumeMounts", [agent_mount()], exists=mounts is not None)
    variables = place.container.get("env")
    wanted = agent_variable()
    given = [one for one in variables or () if one.get("name") == wanted["name"]]
    if any(one != wanted for one in given):
        raise Refusal(
            f"container {quoted(place.name)} sets {wanted['name']} to something else than {wanted['value']}; remove it"
        )
    if not given:
        yield from _append(f"{place.pointer}/env", [wanted], exists=variables is not None)


def _init_containers(pod: Pod, settings: InjectorSettings, tuning: Tuning) -> Iterator[Operation]:
    """Yield what puts the two containers before all others; those that are there stay where they are."""
    prepare = pod.named(INIT_CONTAINERS, names.PREPARE)
    sidecar = pod.named(INIT_CONTAINERS, names.SIDECAR)
    wanted_ones = {one["name"]: one for one in init_containers(settings, tuning)}
    if prepare is not None and names.PREPARE not in wanted_ones:
        raise Refusal(
            f"the name of the init container {names.PREPARE} is the injector's; rename the container"
        )
    there = {names.PREPARE: prepare, names.SIDECAR: sidecar}
    pairs = [(there[name], wanted) for name, wanted in wanted_ones.items()]
    for found, wanted in pairs:
        _check_container(found, wanted)
    if prepare is not None and sidecar is not None and prepare.index > sidecar.index:
        raise Refusal(f"init container {names.PREPARE} comes after {names.SIDECAR}; remove both")
    missing = [wanted for found, wanted in pairs if found is None]
    if pod.spec.get(INIT_CONTAINERS) is None:
        yield _add(f"/spec/{INIT_CONTAINERS}", missing)
        return
    # The sidecar comes after the container that prepares its keys.
    at = prepare.index + 1 if prepare is not None else 0
    for wanted in reversed(missing):
        yield _add(f"/spec/{INIT_CONTAINERS}/{at}", wanted)


def _check_container(found: Place | None, wanted: Object) -> None:
    place = "" if found is None else difference(wanted, found.container)
    if place:
        # The API server may ask two injectors about one pod, one of which an upgrade replaces.
        again = "; during an upgrade of the injector create the pod again" if place == ".image" else ""
        raise Refusal(
            f"the name of the init container {wanted['name']} is the injector's, and its field {quoted(place)} isn't; rename "
            f"the container, or keep other webhooks from changing it{again}"
        )


def _append(pointer: str, items: list[Any], *, exists: bool) -> Iterator[Operation]:
    if not exists and items:
        yield _add(pointer, items)
    elif exists:
        yield from (_add(f"{pointer}/-", item) for item in items)


def _add(path: str, value: object) -> Operation:
    return {"op": "add", "path": path, "value": value}
