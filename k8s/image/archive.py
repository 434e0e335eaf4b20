"""An image as one file that is the same whenever and wherever it is built.

Builders write the time of the build into what they make. Here the layers that the build added and the configuration
are written again without it. The layers of the base stay what they are, so that registries know them.

The file is an OCI image layout, and has the index that ``docker load`` of any version reads.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_KEPT = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal")
_LEVEL = 6
"""Higher ones take three times as long for one per cent."""


@dataclass(frozen=True)
class Written:
    """An image that was written."""

    path: Path
    digest: str
    """Of its manifest: how a registry names it."""
    image_id: str
    """Of its configuration: how an engine names it. It doesn't depend on the compressor."""
    compressed: int
    """Bytes of its layers in a registry."""
    unpacked: int


class _Blobs:
    """Files by their digest, in the order of their writing."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def add(self, content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


def rewrite(saved: Path, target: Path, *, tag: str, base_layers: int, epoch: int) -> Written:
    """Write what ``docker save`` gave as a file without traces of its making.

    Args:
        saved: the file of ``docker save`` with one image.
        target: the file to write.
        tag: the image's name.
        base_layers: how many of its layers are the base's.
        epoch: the time of the image and of all files of its own, in seconds since 1970.
    """
    blobs = _Blobs()
    with tarfile.open(saved) as archive:
        [entry] = json.loads(_read(archive, "manifest.json"))
        config = json.loads(_read(archive, entry["Config"]))
        layers, diff_ids, unpacked = [], [], 0
        for number, name in enumerate(entry["Layers"]):
            content = _unpacked(_read(archive, name))
            if number >= base_layers:
                content = settled(content, epoch)
            diff_ids.append(f"sha256:{hashlib.sha256(content).hexdigest()}")
            layers.append(blobs.add(gzip.compress(content, _LEVEL, mtime=0), _LAYER))
            unpacked += len(content)
    config_blob = blobs.add(_json(_configuration(config, diff_ids, epoch)), _CONFIG)
    manifest = blobs.add(
        _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": config_blob, "layers": layers}),
        _MANIFEST,
    )
    _write(target, blobs, manifest, config_blob, layers, tag, epoch)
    return Written(
        target, manifest["digest"], config_blob["digest"], sum(layer["size"] for layer in layers), unpacked
    )


def settled(layer: bytes, epoch: int) -> bytes:
    """Return a layer with its entries sorted, of user and group 0 by number, and none younger than a time."""
    written = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(layer)) as before,
        tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for member in sorted(before.getmembers(), key=lambda member: member.name):
            member.mtime = min(int(member.mtime), epoch)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.pax_headers = {}
            after.addfile(member, before.extractfile(member) if member.isreg() else None)
    return written.getvalue()


def _configuration(config: Mapping[str, Any], diff_ids: list[str], epoch: int) -> dict[str, Any]:
    time = datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = {name: config["config"][name] for name in _KEPT if config["config"].get(name)}
    history = [
        {name: entry[name] for name in ("created_by", "comment", "empty_layer") if entry.get(name)}
        | {"created": min(entry.get("created", time), time)}
        for entry in config.get("history", ())
    ]
    return {
        "architecture": config["architecture"],
        "os": config["os"],
        **({"variant": config["variant"]} if config.get("variant") else {}),
        "created": time,
        "config": kept,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": history,
    }


def _write(
    target: Path,
    blobs: _Blobs,
    manifest: Mapping[str, Any],
    config: Mapping[str, Any],
    layers: Iterable[Mapping[str, Any]],
    tag: str,
    epoch: int,
) -> None:
    named = {"org.opencontainers.image.ref.name": tag.rpartition(":")[2], "io.containerd.image.name": tag}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [{**manifest, "annotations": named}]}
    loaded = {
        "Config": _path(config["digest"]),
        "RepoTags": [tag],
        "Layers": [_path(layer["digest"]) for layer in layers],
    }
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(index),
        "manifest.json": _json([loaded]),
        **{_path(digest): content for digest, content in sorted(blobs.contents.items())},
    }
    part = target.with_name(f"{target.name}.part")
    with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), epoch, 0o644
            archive.addfile(member, io.BytesIO(content))
    part.rename(target)


def layers_of(path: Path) -> Iterator[tarfile.TarFile]:
    """Give the layers of a file that :func:`rewrite` wrote, lowest first."""
    with tarfile.open(path) as archive:
        [entry] = json.loads(_read(archive, "manifest.json"))
        for name in entry["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(_unpacked(_read(archive, name)))) as layer:
                yield layer


def configuration_of(path: Path) -> dict[str, Any]:
    """Return the configuration in a file that :func:`rewrite` wrote."""
    with tarfile.open(path) as archive:
        [entry] = json.loads(_read(archive, "manifest.json"))
        found: dict[str, Any] = json.loads(_read(archive, entry["Config"]))
        return found


def _path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    found = archive.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is not a file")
    return found.read()


def _unpacked(content: bytes) -> bytes:
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
