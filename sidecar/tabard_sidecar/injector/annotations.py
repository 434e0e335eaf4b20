"""The annotations of a pod that tune its sidecar. They never choose whether there is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tabard_sidecar.injector.conf import SidecarConfig
from tabard_sidecar.injector.names import PREFIX
from tabard_sidecar.injector.quantities import fault_of_bytes, fault_of_cores, quantity
from tabard_sidecar.injector.refusal import Refusal, quoted
from tabard_sidecar.util.lean import dataclass
from tabard_sidecar.util.similar import get_close_matches

_MOST_NAMES = 64
_PORTS = range(1024, 65536)
_CONTAINER = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Tuning:
    """The sidecar of one pod: the injector's configuration with the pod's annotations.

    Attributes:
        containers: names of the containers that are agents; ``None`` for every one that isn't an init container.
        config_map: ConfigMap with ``tabard.yaml``.
        identity: where its identity comes from, ``service-account`` or ``spiffe``.
        cpu_request: processor that is reserved.
        memory_request: memory that is reserved.
        memory_limit: most memory.
        state_size: most disk for a state store in the pod.
        http_port: port of health and metrics.
    """

    containers: tuple[str, ...] | None
    config_map: str
    identity: str
    cpu_request: str
    memory_request: str
    memory_limit: str
    state_size: str
    http_port: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation: its field of :class:`Tuning`, and for the documentation its value, default and meaning."""

    field: str
    read: Callable[[str, SidecarConfig], Any]
    value: str
    default: str
    meaning: str


class _BadValue(Exception):
    """A value can't be used; says what is expected."""


def _containers(text: str, config: SidecarConfig) -> tuple[str, ...]:  # noqa: ARG001 - one form for all
    names = tuple(name.strip() for name in text.split(",", _MOST_NAMES))
    if not all(map(_CONTAINER.fullmatch, names)) or len(names) > _MOST_NAMES:
        raise _BadValue(
            f"write at most {_MOST_NAMES} names of the pod's containers with commas, as in agent,worker"
        )
    return names


def _config_map(text: str, config: SidecarConfig) -> str:
    if text not in config.config_maps:
        raise _BadValue(f"the injector's configuration allows {', '.join(config.config_maps)}")
    return text


def _identity(text: str, config: SidecarConfig) -> str:
    if text not in config.identities:
        raise _BadValue(f"the injector's configuration allows {', '.join(config.identities)}")
    return text


def _port(text: str, config: SidecarConfig) -> int:  # noqa: ARG001 - one form for all
    if not re.fullmatch("[0-9]{4,5}", text) or int(text) not in _PORTS:
        raise _BadValue(f"write a port from {_PORTS[0]} to {_PORTS[-1]}")
    return int(text)


def _amount(most_of: str, fault_of: Callable[[str], str]) -> Callable[[str, SidecarConfig], str]:
    """Return what reads an amount up to the one that a setting holds."""

    def read(text: str, config: SidecarConfig) -> str:
        most = getattr(config, most_of)
        if fault := fault_of(text):
            raise _BadValue(fault)
        if (quantity(text) or Decimal(0)) > (quantity(most) or Decimal(0)):
            raise _BadValue(f"the injector's configuration allows at most {most}")
        return text

    return read


ANNOTATIONS: Mapping[str, Annotation] = {
    f"{PREFIX}containers": Annotation(
        "containers",
        _containers,
        "names, with commas",
        "every container that isn't an init container",
        "The containers that are agents: they get the socket and `TABARD_ADDRESS`. Init containers may be named, too.",
    ),
    f"{PREFIX}config-map": Annotation(
        "config_map",
        _config_map,
        "one of `sidecar.config_maps`",
        "the first of `sidecar.config_maps`",
        "The ConfigMap of the namespace that holds `tabard.yaml`.",
    ),
    f"{PREFIX}identity": Annotation(
        "identity",
        _identity,
        "one of `sidecar.identities`",
        "the first of `sidecar.identities`",
        "Where the sidecar's identity comes from: `service-account`, or `spiffe`, a SPIFFE Workload API.",
    ),
    f"{PREFIX}cpu-request": Annotation(
        "cpu_request",
        _amount("most_cpu", fault_of_cores),
        "amount, at most `sidecar.most_cpu`",
        "`sidecar.cpu_request`",
        "Processor that is reserved for the sidecar.",
    ),
    f"{PREFIX}memory-request": Annotation(
        "memory_request",
        _amount("most_memory", fault_of_bytes),
        "amount, at most `sidecar.most_memory`",
        "`sidecar.memory_request`",
        "Memory that is reserved for the sidecar.",
    ),
    f"{PREFIX}memory-limit": Annotation(
        "memory_limit",
        _amount("most_memory", fault_of_bytes),
        "amount, at most `sidecar.most_memory`",
        "`sidecar.memory_limit`",
        "Most memory of the sidecar.",
    ),
    f"{PREFIX}state-size": Annotation(
        "state_size",
        _amount("most_state", fault_of_bytes),
        "amount, at most `sidecar.most_state`",
        "`sidecar.state_size`",
        "Most disk for a state store in the pod.",
    ),
    f"{PREFIX}http-port": Annotation(
        "http_port",
        _port,
        "port from 1024 to 65535",
        "`sidecar.http_port`",
        "Port of health and metrics, for a pod that uses the usual one itself.",
    ),
}


def tuned(annotations: Mapping[str, str], config: SidecarConfig) -> Tuning:
    """Return what the annotations of a pod ask for.

    Raises:
        Refusal: one isn't known, or its value can't be used.
    """
    found: dict[str, Any] = {
        "containers": None,
        "config_map": config.config_maps[0],
        "identity": config.identities[0],
        **{
            name: getattr(config, name)
            for name in ("cpu_request", "memory_request", "memory_limit", "state_size", "http_port")
        },
    }
    for name in sorted(name for name in annotations if name.startswith(PREFIX)):
        known = ANNOTATIONS.get(name)
        if known is None:
            keys = [key.removeprefix(PREFIX) for key in ANNOTATIONS]
            near = get_close_matches(name.removeprefix(PREFIX)[:64], keys, n=1)
            hint = f"did you mean {PREFIX}{near[0]}?" if near else f"known are {', '.join(ANNOTATIONS)}"
            raise Refusal(f"the annotation {quoted(name)} is unknown: {hint}")
        text = annotations[name]
        try:
            found[known.field] = known.read(text, config)
        except _BadValue as error:
            raise Refusal(f"the annotation {name} can't be {quoted(text)}: {error}") from None
    tuning = Tuning(**found)
    if (quantity(tuning.memory_request) or 0) > (quantity(tuning.memory_limit) or 0):
        raise Refusal(
            f"the annotations reserve more memory ({tuning.memory_request}) than the limit ({tuning.memory_limit}): "
            f"set {PREFIX}memory-limit, too"
        )
    return tuning
