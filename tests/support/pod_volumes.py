"""Lays out a pod's volumes as folders, with the files, links, owners and modes that a kubelet gives them."""

from __future__ import annotations

import base64
import itertools
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.kube_api import KubeApi, Object

_COUNT = itertools.count()


class PodVolumes:
    """The volumes of one pod.

    Args:
        api: the API server, asked as the kubelet of the pod's node.
        pod: the pod as it was stored.
        folder: where the volumes are laid out.
        drivers: for the name of a CSI driver the folder that it would mount.
    """

    def __init__(self, api: KubeApi, pod: Object, folder: Path, drivers: Mapping[str, Path]) -> None:
        self._api = api
        self._pod = pod
        self._drivers = drivers
        self._space = f"/api/v1/namespaces/{pod['metadata']['namespace']}"
        # Without one, volumes are root's, and every user may read files or write to the top folder.
        self._group: int = pod["spec"].get("securityContext", {}).get("fsGroup", 0)
        self.folders: dict[str, Path] = {}
        for volume in pod["spec"].get("volumes", []):
            self.folders[volume["name"]] = self._laid_out(volume, folder / volume["name"])

    def refresh(self) -> None:
        """Write what the API server has now: ConfigMaps, Secrets, and new tokens."""
        for volume in self._pod["spec"].get("volumes", []):
            if "emptyDir" not in volume and "csi" not in volume:
                self._write(volume, self.folders[volume["name"]])

    def _laid_out(self, volume: Object, folder: Path) -> Path:
        if "csi" in volume:
            return self._drivers[volume["csi"]["driver"]]
        folder.mkdir(parents=True)
        if "emptyDir" in volume:
            os.chown(folder, 0, self._group)
            # A file system in memory has the sticky bit, which the kubelet leaves.
            sticky = 0o1000 if volume["emptyDir"].get("medium") == "Memory" else 0
            folder.chmod(0o777 | sticky | (0o2000 if self._group else 0))
        else:
            folder.chmod(0o755)
            self._write(volume, folder)
        return folder

    def _write(self, volume: Object, folder: Path) -> None:
        """Write all files into a new folder, and then let one link lead to it."""
        mode, files = _mode(volume), dict(self._files(volume))
        dated = folder / f"{time.strftime('..%Y_%m_%d_%H_%M_%S')}.{next(_COUNT)}"
        dated.mkdir()
        for name, content in files.items():
            path = dated / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.chown(path, 0, self._group)
            path.chmod(mode)
        data, temporary = folder / "..data", folder / "..data_tmp"
        former = data.resolve() if data.is_symlink() else None
        temporary.symlink_to(dated.name)
        temporary.rename(data)
        wanted = {Path(name).parts[0] for name in files}
        for name in wanted:
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(Path("..data") / name)
        for path in folder.iterdir():
            if not path.name.startswith("..") and path.name not in wanted:
                path.unlink()
        if former is not None:
            shutil.rmtree(former)

    def _files(self, volume: Object) -> Iterator[tuple[str, bytes]]:
        if "configMap" in volume:
            yield from self._config_map(volume["configMap"])
        elif "secret" in volume:
            yield from self._secret({**volume["secret"], "name": volume["secret"]["secretName"]})
        else:
            for source in volume["projected"]["sources"]:
                yield from self._projected(source)

    def _projected(self, source: Object) -> Iterator[tuple[str, bytes]]:
        ((kind, what),) = source.items()
        if kind == "serviceAccountToken":
            yield what["path"], self._token(what).encode()
        elif kind == "configMap":
            yield from self._config_map(what)
        elif kind == "secret":
            yield from self._secret(what)
        else:
            assert kind == "downwardAPI", kind
            for item in what["items"]:
                yield item["path"], field(self._pod, item["fieldRef"]["fieldPath"]).encode()

    def _config_map(self, source: Object) -> Iterator[tuple[str, bytes]]:
        found = self._api.get(f"{self._space}/configmaps/{source['name']}")
        content = {name: text.encode() for name, text in found.get("data", {}).items()}
        binary = {name: base64.b64decode(text) for name, text in found.get("binaryData", {}).items()}
        return _chosen(content | binary, source)

    def _secret(self, source: Object) -> Iterator[tuple[str, bytes]]:
        found = self._api.get(f"{self._space}/secrets/{source['name']}")
        return _chosen({name: base64.b64decode(text) for name, text in found["data"].items()}, source)

    def _token(self, source: Object) -> str:
        """Return a token that is bound to the pod, by the request of a kubelet."""
        metadata = self._pod["metadata"]
        spec: Object = {
            "expirationSeconds": source["expirationSeconds"],
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        }
        if "audience" in source:
            spec["audiences"] = [source["audience"]]
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        account = self._pod["spec"]["serviceAccountName"]
        answer = self._api.create(f"{self._space}/serviceaccounts/{account}/token", request)
        token: str = answer["status"]["token"]
        return token


def field(pod: Object, path: str) -> str:
    """Return what the downward API says of a field of a pod."""
    found = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.serviceAccountName": pod["spec"]["serviceAccountName"],
    }
    return str(found[path])


def _chosen(content: Mapping[str, bytes], source: Object) -> Iterator[tuple[str, bytes]]:
    items = source.get("items")
    if items is None:
        yield from content.items()
    else:
        for item in items:
            yield item["path"], content[item["key"]]


def _mode(volume: Object) -> int:
    ((_, source),) = [(kind, source) for kind, source in volume.items() if kind != "name"]
    return int(source.get("defaultMode", 0o644))
