"""Builds Tabard's image, one file that is the same on every machine, and its bill of materials.

``make image`` runs it; k8s/README.md says how. What is on the network is fetched before the builder starts: the base
image and the packages of uv.lock, whose digests are checked.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from k8s.image.archive import Written, layers_of, rewrite
from k8s.image.bill import bill
from k8s.image.docker import Base, ImageError, build, docker, probe
from k8s.image.tree import HOME, MACHINES, lay_out

_DIST = Path("dist")
_CONTEXT = _DIST / "image"
_LOADS = "import tabard_opa, tabard_sidecar.server.lifecycle; tabard_opa.Engine().close()"
"""What fails if the base lacks a library, such as the one of C++."""


def main() -> int:
    """Build; return the exit code."""
    wanted = _arguments()
    try:
        written, bom = _make(wanted)
    except ImageError as error:
        sys.stderr.write(f"image: {error}\n")
        return 1
    facts = {
        "image": wanted.tag,
        "archive": str(written.path),
        "bill": str(bom),
        "digest": written.digest,
        "id": written.image_id,
        "compressed_bytes": written.compressed,
        "unpacked_bytes": written.unpacked,
    }
    if wanted.json:
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        sys.stdout.writelines(f"{name:<17} {value}\n" for name, value in facts.items())
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m k8s.image", description="Build Tabard's image.")
    parser.add_argument("--base", required=True, help="image with a Python, without which nothing runs")
    parser.add_argument("--tag", default=f"tabard:{version('tabard-sidecar')}", help="the image's name")
    parser.add_argument("--uv", default="uv", help="the program uv")
    parser.add_argument(
        "--architectures",
        default="",
        help="platforms of the build context, such as amd64,arm64; default: the base image's",
    )
    parser.add_argument("--json", action="store_true", help="say what was built as JSON")
    return parser.parse_args()


def _make(wanted: argparse.Namespace) -> tuple[Written, Path]:
    epoch = _epoch()
    base = probe(wanted.base)
    if base.architecture not in MACHINES:
        raise ImageError(f"{base.name} is for {base.architecture}; known are {', '.join(MACHINES)}.")
    architectures = sorted({base.architecture, *filter(None, wanted.architectures.split(","))})
    unknown = [name for name in architectures if name not in MACHINES]
    if unknown:
        raise ImageError(f"unknown architecture {unknown[0]}; known are {', '.join(MACHINES)}.")
    lay_out(_CONTEXT, base, architectures, wheels=_DIST, uv=wanted.uv, epoch=epoch)
    build(_CONTEXT, wanted.tag, _build_arguments(base, epoch))
    written = _save(wanted.tag, base, epoch)
    # What was just written is what runs, here and after a push.
    docker("load", "--input", written.path)
    alone = ("run", "--rm", "--network", "none", "--read-only")
    docker(*alone, "--entrypoint", f"/{HOME}/bin/python", wanted.tag, "-I", "-c", _LOADS)
    docker(*alone, wanted.tag, "version")
    bom = written.path.with_suffix(".cdx.json")
    content = bill(written, layers_of(written.path), version=version("tabard-sidecar"), epoch=epoch)
    bom.write_text(json.dumps(content, indent=1) + "\n")
    return written, bom


def _save(tag: str, base: Base, epoch: int) -> Written:
    target = _DIST / f"tabard-image-{base.architecture}.tar"
    with tempfile.TemporaryDirectory(dir=_DIST) as folder:
        saved = Path(folder) / "saved.tar"
        docker("save", "--output", saved, tag)
        return rewrite(saved, target, tag=tag, base_layers=base.layers, epoch=epoch)


def _build_arguments(base: Base, epoch: int) -> dict[str, str]:
    return {
        "BASE": base.name,
        "TARGETARCH": base.architecture,
        "VERSION": version("tabard-sidecar"),
        "REVISION": _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or "unknown",
        "CREATED": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _epoch() -> int:
    """Return the time of the image: ``SOURCE_DATE_EPOCH``, else that of the last commit."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or 0)


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
