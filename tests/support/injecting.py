"""Pods for the injector, its configuration, and JSON Patch as far as it uses it."""

from __future__ import annotations

import copy
from typing import Any

from tabard_sidecar.injector.conf import InjectorSettings
from tabard_sidecar.injector.names import SECRET_FIELDS

Document = dict[str, Any]


CONTROL = {"url": "https://tabard-control.tabard-system.svc"}
"""The section ``control`` of an injector whose sidecars have their keys from a control service."""


SPIFFE = {"trust_domain": "shop.example"}
"""The section ``spiffe`` of an injector whose sidecars have their identity from a Workload API."""


def settings(
    *,
    control: Document | None = None,
    cluster: Document | None = None,
    spiffe: Document | None = None,
    **sidecar: Any,
) -> InjectorSettings:
    """Return a configuration of the injector: sections, and settings of its section ``sidecar``."""
    return InjectorSettings.model_validate(
        {
            "webhook": {"tls_certificate_file": "tls.crt", "tls_key_file": "tls.key"},
            "sidecar": {"image": "registry.example.org/tabard-sidecar:0.1.0", **sidecar},
            "control": control or {},
            "cluster": cluster or {},
            "spiffe": spiffe or {},
        }
    )


def pod(*containers: Document, annotations: Document | None = None, **spec: Any) -> Document:
    """Return a pod with one container, or those that are given."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "support-agent", "annotations": annotations or {}},
        "spec": {"containers": [*(containers or (container(),))], **spec},
    }


def container(name: str = "agent", **fields: Any) -> Document:
    """Return a container."""
    return {"name": name, "image": "registry.example.org/support-agent:1.0.0", **fields}


def secret_volume(kind: str, secret: str) -> Document:
    """Return a volume of a kind of :data:`tabard_sidecar.injector.names.SECRET_FIELDS` that names a Secret, without its name."""
    field = SECRET_FIELDS[kind]
    return {kind: {**_VOLUMES.get(kind, {}), field: secret if field == "secretName" else {"name": secret}}}


_VOLUMES: dict[str, Document] = {
    "azureFile": {"shareName": "s"},
    "cephfs": {"monitors": ["192.0.2.1"]},
    "cinder": {"volumeID": "v"},
    "csi": {"driver": "smb.csi.example.org"},
    "flexVolume": {"driver": "x/y"},
    "iscsi": {
        "targetPortal": "192.0.2.1",
        "iqn": "iqn.2001-04.com.example:s",
        "lun": 0,
        "chapAuthSession": True,
    },
    "rbd": {"monitors": ["192.0.2.1"], "image": "i"},
    "scaleIO": {"gateway": "g", "system": "s", "volumeName": "v"},
    "storageos": {"volumeName": "v"},
}
"""What the API server demands of each beside the Secret."""


def patched(document: Document, patch: list[Document]) -> Document:
    """Apply the operations ``add`` of a JSON Patch (RFC 6902) to a copy."""
    result = copy.deepcopy(document)
    for operation in patch:
        assert operation.keys() == {"op", "path", "value"}
        assert operation["op"] == "add"
        *steps, last = operation["path"].split("/")[1:]
        holder: Any = result
        for step in steps:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        value = copy.deepcopy(operation["value"])
        if isinstance(holder, dict):
            # The patch never replaces anything.
            assert holder.get(last) is None
            holder[last] = value
        else:
            assert last == "-" or 0 <= int(last) <= len(holder)
            holder.insert(len(holder) if last == "-" else int(last), value)
    return result


def review(document: Document, **request: Any) -> Document:
    """Return the AdmissionReview of a pod that is being created, with other fields of its request."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "support",
            "operation": "CREATE",
            "object": document,
            "dryRun": False,
            **request,
        },
    }
