"""Bundles for an OPA server, which have Tabard's library in them."""

from __future__ import annotations

import json
from pathlib import Path

from tabard_sidecar.policy.authoring.packing import pack
from tabard_sidecar.policy.resources import library

ALL_ROOTS = ("lib", "policy", "system/log", "tabard")
"""What a bundle owns that has all that is evaluated."""


def opa_bundle(revision: str, *modules: str, roots: tuple[str, ...] = ALL_ROOTS) -> bytes:
    """Return a bundle with the library and modules of a policy."""
    manifest = {"revision": revision, "roots": list(roots), "rego_version": 1}
    files = {".manifest": json.dumps(manifest).encode()}
    files |= {name: source.encode() for name, source in library().items() if not name.endswith("_test.rego")}
    files |= {f"own/{number}.rego": source.encode() for number, source in enumerate(modules)}
    return pack(files, Path("bundle"))
