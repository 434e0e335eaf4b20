"""Loads Tabard's own Rego and the schemas of the policy contract from the installation."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from tabard_sidecar.model import REPORTED
from tabard_sidecar.policy.values import Json
from tabard_sidecar.reasons import REASON_CODES

ELEMENTS = ("ask", "delegate", "deny", "grant", "renew", "start")
"""Names of the contract rules. The entrypoint's lists and the element schemas have the same names."""

ENTRYPOINT = "data.tabard.decision"
MASK = "data.system.log.mask"

# What the words of a policy's author must not be taken for: Tabard's own words, which programs compare.
_OWN_CODES: Json = {"enum": sorted(REASON_CODES), "title": "is a reason code of Tabard's own: choose another"}
_REPORTED_LABELS: Json = {
    "pattern": f"^{REPORTED}",
    "title": f"begins with {REPORTED!r}, which marks what only an agent says: choose another",
}


class ResourceError(Exception):
    """The installation is incomplete."""


@cache
def rego_root() -> Path:
    """Return the folder that holds ``tabard/`` and ``schemas/``.

    A wheel carries a copy in the package (``_rego``); in a checkout it is the repository's ``rego/``.

    Raises:
        ResourceError: neither exists.
    """
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "_rego", package.parent.parent / "rego"):
        if (candidate / "tabard" / "decision.rego").is_file():
            return candidate
    raise ResourceError("Tabard's Rego files are missing from the installation: install tabard-sidecar again")


@cache
def library() -> dict[str, str]:
    """Return the sources of the entrypoint and the library by file name, without tests."""
    root = rego_root()
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / "tabard").rglob("*.rego"))
        if not path.name.endswith("_test.rego")
    }


@cache
def schema(name: str) -> Json:
    """Return a schema of the contract: ``input`` or one of :data:`ELEMENTS`. The caller must not change it."""
    found = json.loads((rego_root() / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
    if name in ELEMENTS:
        properties = found["properties"]
        properties["code"] = {**properties["code"], "not": _OWN_CODES}
        if "labels" in properties:
            items = {**properties["labels"]["items"], "not": _REPORTED_LABELS}
            properties["labels"] = {**properties["labels"], "items": items}
    return found
