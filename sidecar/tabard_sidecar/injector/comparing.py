"""Compares what a pod already has under one of our names with what it should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabard_sidecar.injector.quantities import quantity

_DEFAULTS: Mapping[str, object] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
"""What the API server adds to a container."""
_AMOUNTS = frozenset({"requests", "limits"})
_API_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_LIMITED = frozenset({"cpu", "memory", "ephemeral-storage"})


def difference(wanted: object, found: object, place: str = "") -> str:
    """Return the place of the first difference, such as ``.image``; empty if there is none that matters.

    What the API server and its own plugins add doesn't matter: defaults, the usual token's mount, a namespace's default
    limits. Amounts are equal if their values are.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(found, Mapping):
            return place or "."
        return _of_mappings(wanted, found, place)
    if isinstance(wanted, list):
        if not isinstance(found, list):
            return place or "."
        return _of_lists(wanted, found, place)
    same = type(wanted) is type(found) and wanted == found
    return "" if same else place or "."


def _of_mappings(wanted: Mapping[str, Any], found: Mapping[str, Any], place: str) -> str:
    step = place.rpartition(".")[2]
    for key, value in wanted.items():
        here = f"{place}.{key}"
        if step in _AMOUNTS or key == "sizeLimit":
            if quantity(value) is None or quantity(value) != quantity(found.get(key)):
                return here
        elif inner := difference(value, found.get(key), here):
            return inner
    for key in found:
        if key not in wanted and not _may_be_added(step, key, found[key]):
            return f"{place}.{str(key)[:64]}"
    return ""


def _may_be_added(step: str, key: str, value: object) -> bool:
    if step in _AMOUNTS:
        return key in _LIMITED and quantity(value) is not None
    return key in _DEFAULTS and _DEFAULTS[key] == value


def _of_lists(wanted: Sequence[Any], found: Sequence[Any], place: str) -> str:
    if place.endswith(".volumeMounts"):
        found = [mount for mount in found if not _is_api_token(mount)]
    if len(wanted) != len(found):
        return place
    each = (
        difference(one, other, f"{place}[{index}]")
        for index, (one, other) in enumerate(zip(wanted, found, strict=True))
    )
    return next((place for place in each if place), "")


def _is_api_token(mount: object) -> bool:
    """Tell whether a mount is that of the usual token, which the API server adds to every container."""
    return (
        isinstance(mount, Mapping)
        and mount.get("mountPath") == _API_TOKEN
        and mount.get("readOnly") is True
        and mount.keys() == {"name", "mountPath", "readOnly"}
        and str(mount["name"]).startswith("kube-api-access-")
    )
