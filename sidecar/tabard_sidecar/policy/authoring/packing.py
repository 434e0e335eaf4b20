"""Packs a policy into a bundle: the same policy, revision and number give the same bytes (with the same zlib)."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from tabard_opa import Engine

from tabard_sidecar.policy.loading.ast import package_path
from tabard_sidecar.policy.loading.compiling import parse_modules
from tabard_sidecar.policy.loading.reading import MANIFEST, RAISE, USUAL_SIZES, Sizes
from tabard_sidecar.policy.loading.sources import PolicySource
from tabard_sidecar.policy.problems import PolicyBrokenError, PolicyProblem
from tabard_sidecar.policy.values import Json

_MODE = 0o644
_PLAIN = re.compile(r"[A-Za-z0-9_.:@-]+")


def build_bundle(  # noqa: PLR0913 - one argument per part
    engine: Engine,
    source: PolicySource,
    path: Path,
    sequence: int,
    revision: str = "",
    *,
    sizes: Sizes = USUAL_SIZES,
) -> bytes:
    """Return the tarball of a policy, without its tests and decision cases, and without a signature.

    Data becomes one ``data.json``, as ``opa build`` does it. The bundle owns the top-level packages and data that it has.

    Args:
        engine: parses the modules.
        source: a policy that passes all checks.
        path: the folder or bundle that it was read from.
        sequence: the bundle's number; a sidecar that follows a URL refuses a smaller one from then on.
        revision: what decisions name; empty for the source's own.
        sizes: how large it may be.

    Raises:
        PolicyBrokenError: the bundle would be larger than sidecars accept.
    """
    packages = map(package_path, parse_modules(engine, source.modules).values())
    manifest: dict[str, Json] = {
        "revision": revision or source.revision,
        "roots": _roots(packages, source.data),
        "rego_version": 1,
        "metadata": {"tabard": {"sequence": sequence}},
    }
    files = {MANIFEST: _json(manifest), "data.json": _json(source.data)}
    files |= {_inside(name, path): text.encode() for name, text in source.modules.items()}
    return pack(files, path, sizes)


def pack(files: Mapping[str, bytes], path: Path, sizes: Sizes = USUAL_SIZES) -> bytes:
    """Return the tarball of these files, by their path in it: sorted, and without times, owners and the modes of a machine.

    Raises:
        PolicyBrokenError: it would be larger than sidecars accept; ``path`` is what the message calls it.
    """
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(files[name]), _MODE
            archive.addfile(member, io.BytesIO(files[name]))
    if unpacked.tell() > sizes.whole_bytes:
        message = f"would be a bundle of {unpacked.tell()} bytes; {sizes.whole_bytes} are accepted"
        raise PolicyBrokenError([PolicyProblem(str(path), 0, 0, "limit", message, RAISE)])
    return gzip.compress(unpacked.getvalue(), mtime=0)


def _roots(packages: Iterable[tuple[str, ...]], data: Mapping[str, Json]) -> list[Json]:
    # Below system stand packages of the server, too, which other bundles may have.
    found = {"/".join(package[:2] if package[0] == "system" else package[:1]) for package in packages}
    found.update(data)
    if not all(_PLAIN.fullmatch(part) for root in found for part in root.split("/")):
        return [""]
    return [*sorted(found)]


def _inside(shown: str, path: Path) -> str:
    """Return the path in the bundle of a module that messages call ``shown``."""
    prefix = path.as_posix()
    return shown.removeprefix(f"{prefix}:").removeprefix(f"{prefix}/")


def _json(value: Json) -> bytes:
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    ).encode()
